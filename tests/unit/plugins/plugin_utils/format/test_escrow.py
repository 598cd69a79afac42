# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import escrow
from ansible_collections.holdfast.config.plugins.plugin_utils.model.escrow import EscrowKey, EscrowSet, Share

SET = EscrowSet(
    repository="prod",
    made_at=dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc),
    threshold=2,
    shares=(Share("alice", "1" * 64, "2" * 64, "3" * 64), Share("bob@example.com", "4" * 64, "5" * 64, "6" * 64)),
    keys=(EscrowKey("d0090-2026", "age1x"),),
    sealed_sha256="7" * 64,
)


def test_what_is_written_is_read_back() -> None:
    assert escrow.read(escrow.write(SET), what="w") == SET


def test_it_says_no_more_than_is_public() -> None:
    document = json.loads(escrow.write(SET))
    assert document["kind"] == "escrow"
    assert sorted(document["shares"][0]) == ["custodian", "file_sha256", "key_sha256", "words_sha256"]


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1},
        {"threshold": 3},
        {"shares": SET.shares[:1]},
        {"shares": SET.shares[:1] * 2},
        {"shares": (SET.shares[0], dataclasses.replace(SET.shares[1], custodian="../bob"))},
        {"shares": (SET.shares[0], dataclasses.replace(SET.shares[1], custodian=""))},
        {"sealed_sha256": "x"},
        {"keys": (EscrowKey("", "age1x"),)},
        {"keys": (EscrowKey("d0090-2026\x1b[31m", "age1x"),)},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        escrow.read(escrow.write(dataclasses.replace(SET, **change)), what="w")  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":1,"kind":"escrow"}', escrow.write(SET)[:-9]])
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        escrow.read(data, what="w")


def test_a_newer_one_is_refused() -> None:
    with pytest.raises(UnknownVersionError):
        escrow.read(escrow.write(SET).replace(b'"format":1', b'"format":2'), what="w")
