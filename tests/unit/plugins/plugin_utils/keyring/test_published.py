# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import json

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import published
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    SignKey,
)

THEN = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
EXAMPLE = published.Published(
    "pröd",
    PublicKeys(
        sign=(SignKey("ab", "point", "ed25519", bytes(range(32)), THEN, THEN.replace(year=2036)),),
        wrap=(
            ClassYearKey("d0030", 2026, "age-x25519", "age1x"),
            ClassYearKey("d0030", 2026, "age-x25519", "age1y", "b"),
        ),
        escrow=(),
        digest=(DigestKey("cd", "hkdf-sha256"),),
    ),
)


def test_what_is_dumped_is_loaded() -> None:
    assert published.load(published.dump(EXAMPLE), what="keyring.json") == EXAMPLE


def test_unknown_fields_are_ignored() -> None:
    document = json.loads(published.dump(EXAMPLE))
    document["note"] = document["keys"]["sign"][0]["note"] = "x"
    assert published.load(json.dumps(document).encode(), what="keyring.json") == EXAMPLE


def test_a_newer_format_is_refused() -> None:
    document = {**json.loads(published.dump(EXAMPLE)), "format": 2}
    with pytest.raises(UnknownVersionError):
        published.load(json.dumps(document).encode(), what="keyring.json")


@pytest.mark.parametrize(
    ("old", "new"),
    [('"format"', '"fomat"'), ('"keys"', '"kys"'), ('"class"', '"cl"'), ("2026-11-21T", "2026-11-21 "),
     ('"AAEC', '"A=EC'), ('{\n "format": 1', '[{\n "format": 1'), ('"wrap": [', '"wrap": [1,'), ("}", "")],
)  # fmt: skip
def test_damage_is_named(old: str, new: str) -> None:
    text = published.dump(EXAMPLE).decode()
    assert old in text
    with pytest.raises(KeyringError) as caught:
        published.load(text.replace(old, new, 1).encode(), what="seal/keyring.json")
    assert caught.value.item == "seal/keyring.json"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"1", b"null", b'{"format": 1, "repository": "x", "keys": []}', b"[" * 100_000],
    ids=range(7),
)
def test_what_is_no_keyring(data: bytes) -> None:
    with pytest.raises(KeyringError):
        published.load(data, what="keyring.json")
