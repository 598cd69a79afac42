# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What records of a destruction say, and what they must not be taken for."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.destruction import (
    Demand,
    Destroyed,
    begun_of,
    demand_of,
    destroyed_of,
    escrow_of,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import class_year
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DIGEST = "ab" * 32
SUBJECT = {"key": "d0090-2026", "record": DIGEST}
DEMAND = Demand("d0090-2026b", 14, 12, 2, 1, False)


def record(kind: str, subject: t.Any, detail: t.Any = None) -> Record:
    return Record("prod", DIGEST, kind, NOW, "carol", subject, detail or {})


def entry(*, captured: dt.datetime = NOW, kept: str = "d0090", digest: str = DIGEST) -> StreamEntry:
    name = f"manifests/{kept}/web1/tier1/20260301T120000Z-{digest}.json.zst"
    ref = ObjectRef(name, "1", 9, NOW + dt.timedelta(days=100))
    return StreamEntry("web1", "web1", "tier1", kept, StreamState.STORED, captured, captured, ref, ref, ())


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("d0090-2026", ("d0090", 2026, "")),
        ("d0090-2026b", ("d0090", 2026, "b")),
        ("eu-d-90-2026", ("eu-d-90", 2026, "")),
        ("d0090-2026bc", None),
        ("d0090-26", None),
        ("D0090-2026", None),
        ("d0090-2026\n", None),
        ("", None),
    ],
)
def test_a_key_is_told_by_class_and_year(key: str, parts: t.Any) -> None:
    assert class_year(key) == parts


def test_a_demand_is_read_back() -> None:
    assert demand_of(record("destruction", DEMAND.subject), DIGEST) == DEMAND
    with pytest.raises(FormatError, match="does not say which key"):
        demand_of(record("retired", DEMAND.subject), DIGEST)


@given(
    name=st.sampled_from(sorted(DEMAND.subject)),
    value=st.none() | st.integers(max_value=-1) | st.text() | st.lists(st.none()),
)
def test_a_demand_of_anything_else_is_none(name: str, value: t.Any) -> None:
    if name == "key" and isinstance(value, str) and class_year(value):
        return
    with pytest.raises(FormatError, match="does not say which key"):
        demand_of(record("destruction", {**DEMAND.subject, name: value}), DIGEST)


@pytest.mark.parametrize(
    "subject", [{}, {"key": None}, {"key": "all"}, {"key": "d0090-2026", "host": "web1"}, {"key": {}}]
)
def test_a_statement_of_escrow_names_one_key(subject: t.Any) -> None:
    assert escrow_of(record("escrow-destroyed", {"key": "d0090-2026"}), DIGEST) == "d0090-2026"
    with pytest.raises(FormatError, match="does not say which escrow key"):
        escrow_of(record("escrow-destroyed", subject), DIGEST)


@pytest.mark.parametrize(
    ("subject", "detail"),
    [
        ({}, {}),
        ({"key": "d0090-2026"}, {}),
        ({"key": "x", "record": DIGEST}, {}),
        ({"key": "d0090-2026", "record": "0"}, {}),
        ({"key": "d0090-2026", "record": None}, {}),
        (SUBJECT, {"newest": None}),
        (SUBJECT, {"newest": DIGEST}),
        (SUBJECT, {"newest": [1]}),
        (SUBJECT, {"newest": ["AB" * 32]}),
        (SUBJECT, {"escrow": None}),
        (SUBJECT, {"escrow": "d0090-2026"}),
        (SUBJECT, {"escrow": [{}]}),
    ],
)
def test_what_does_not_say_that_a_key_was_destroyed(subject: t.Any, detail: t.Any) -> None:
    whole = {"newest": [DIGEST], "escrow": ["d0090-2026c"]}
    told = record("destroyed", SUBJECT, {**whole, "later": 1})
    assert destroyed_of(told, DIGEST) == ("d0090-2026", DIGEST, frozenset({DIGEST}), frozenset({"d0090-2026c"}))
    with pytest.raises(FormatError, match=r"does not say (which key it is about|what was lost with the key)"):
        destroyed_of(record("destroyed", subject, {**whole, **detail}), DIGEST)
    with pytest.raises(FormatError, match="does not say which key it is about"):
        destroyed_of(record("destroying", SUBJECT, whole), DIGEST)


def test_what_does_not_say_that_it_was_begun() -> None:
    assert begun_of(record("destroying", SUBJECT), DIGEST) == ("d0090-2026", DIGEST)
    for kind, subject in (("destroyed", SUBJECT), ("destroying", {"key": "d0090-2026"}), ("destroying", {})):
        with pytest.raises(FormatError, match="does not say which key it is about"):
            begun_of(record(kind, subject), DIGEST)


def test_it_ends_what_it_names_of_its_class_and_year_alone() -> None:
    gone = Destroyed("d0090-2026", NOW, DIGEST, DIGEST, ("alice", "bob"), frozenset({DIGEST}))
    assert gone.ends(entry())
    assert not gone.ends(entry(digest="cd" * 32))
    assert not gone.ends(entry(kept="d0400"))
    assert not gone.ends(entry(captured=NOW + dt.timedelta(days=366)))
    assert gone.spoken == (
        f"key d0090-2026 was destroyed on 2026-03-01T12:00:00Z, by record {DIGEST}, signed by alice, bob"
    )
