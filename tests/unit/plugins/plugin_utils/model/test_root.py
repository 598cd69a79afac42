# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    SignKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Root

FROM = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
TO = dt.datetime(2036, 1, 1, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)
POINT = SignKey("1" * 16, "point", "ed25519", bytes(32), FROM, TO)
RECORD = SignKey("2" * 16, "record", "ed25519", bytes(32), FROM, TO)
SHORT = RetentionClass("d0030", 30, "compliance")
LONG = RetentionClass("d0400", 400, "governance")
ROOT = Root(
    id="ab" * 32,
    repository="acme",
    link=1,
    previous=None,
    created=FROM,
    classes={"d0030": SHORT, "d0400": LONG},
    keys=PublicKeys(
        sign=(POINT, RECORD),
        wrap=(
            ClassYearKey("d0030", 2026, "age-x25519", "age1b", "b"),
            ClassYearKey("d0030", 2026, "age-x25519", "age1a"),
            ClassYearKey("d0030", 2027, "age-x25519", "age1c"),
        ),
        escrow=(ClassYearKey("d0400", 2026, "age-x25519", "age1e"),),
        digest=(DigestKey("old", "hkdf-sha256"), DigestKey("new", "hkdf-sha256")),
    ),
)


def test_the_longest_class_and_the_last_digest_key_count() -> None:
    assert ROOT.longest_days == 400
    assert ROOT.digest_key_id == "new"


def test_a_class_is_what_the_root_says() -> None:
    assert ROOT.retention(SHORT) is SHORT


@pytest.mark.parametrize(
    "declared", [dataclasses.replace(SHORT, days=31), dataclasses.replace(SHORT, mode="governance")]
)
def test_an_edited_class_is_refused(declared: RetentionClass) -> None:
    with pytest.raises(PolicyError, match="30 days, compliance, in the root") as error:
        ROOT.retention(declared)
    assert error.value.item == "d0030"
    assert error.value.remedy == "A class is never edited: give other days another name."


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(PolicyError, match="class d0090 is not in the root of repository acme") as error:
        ROOT.retention(RetentionClass("d0090", 90, "compliance"))
    assert "d0030, d0400" in str(error.value.remedy)


@pytest.mark.parametrize(
    ("key_id", "use", "at", "found"),
    [
        (POINT.id, "point", FROM, POINT),
        (POINT.id, "point", TO, POINT),
        (RECORD.id, "record", FROM, RECORD),
        (POINT.id, "point", FROM - SECOND, None),
        (POINT.id, "point", TO + SECOND, None),
        (POINT.id, "record", FROM, None),
        (RECORD.id, "point", FROM, None),
        ("3" * 16, "point", FROM, None),
    ],
)
def test_a_key_signs_for_its_use_while_it_is_valid(
    key_id: str, use: str, at: dt.datetime, found: SignKey | None
) -> None:
    assert ROOT.signer(key_id, use, at) is found


def test_the_newest_series_of_a_class_and_year_is_used() -> None:
    assert ROOT.wrap_key("d0030", 2026).public == "age1b"
    assert ROOT.wrap_key("d0030", 2027).public == "age1c"
    assert ROOT.escrow_key("d0400", 2026).public == "age1e"
    assert [key.id for key in ROOT.keys.wrap] == ["d0030-2026b", "d0030-2026", "d0030-2027"]


@pytest.mark.parametrize(
    ("use", "name", "year"), [("wrap", "d0030", 2028), ("wrap", "d0400", 2026), ("escrow", "d0030", 2026)]
)
def test_a_class_and_year_without_key_is_an_error(use: str, name: str, year: int) -> None:
    with pytest.raises(KeyringError, match=f"for class {name} in {year}") as error:
        (ROOT.wrap_key if use == "wrap" else ROOT.escrow_key)(name, year)
    assert error.value.item == f"{name}-{year}"
    assert error.value.remedy
