# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exception that people sign, and what it makes of a gap, in one repository."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import coverage as judged
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.model.waiver import Waiver
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.coverage import accepted, cover

from .council import QUORUM, all_sign, governed, put_record, request_of
from .lab import Clock, Lab

EXCEPTION = Quorum("exception", 2, ("security", "operations"))
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    return governed(tmp_path, keys, clock, quorum=(*QUORUM, EXCEPTION))


def waiver_at(lab: Lab, *, lasts: dt.timedelta = 24 * HOUR) -> Waiver:
    ends = instant.whole(lab.store.clock()) + lasts
    return Waiver("EX-7", ("web1",), (), ("cache", "build"), "made anew each night", "monitored", ends)


def row_of(lab: Lab, one: Waiver) -> judged.Row:
    tiers = {"tier1": Tier("tier1", "d0090", 24 * HOUR, 4 * HOUR)}
    policy = Policy({}, tiers, (Component("cache", ("/srv",), "tier1", "web", "internal"),), waivers=(one,))
    (row,) = cover(lab.repository, [HostPolicy("web1", "web1", (), policy, {})]).rows
    return row


def test_what_enough_people_signed_is_accepted_until_it_expires(lab: Lab, clock: Clock) -> None:
    one = waiver_at(lab)
    pending, made = records.ask_exception(lab.repository, one, request_of(lab))
    assert made
    assert row_of(lab, one).reasons == (judged.NEVER, judged.UNSIGNED.format(id="EX-7"))
    all_sign(lab, pending, "alice", "bob")
    assert row_of(lab, one).state == judged.GAP
    records.complete(lab.repository, pending)
    row = row_of(lab, one)
    assert (row.state, row.signers, row.until) == (judged.ACCEPTED, ("alice", "bob"), one.expires)
    clock.advance(hours=24)
    assert row_of(lab, one).reasons == (judged.NEVER, judged.EXPIRED.format(id="EX-7"))


def test_whoever_changes_a_word_of_it_needs_other_signatures(lab: Lab) -> None:
    one = waiver_at(lab)
    pending, _made = records.ask_exception(lab.repository, one, request_of(lab))
    all_sign(lab, pending, "alice", "bob")
    records.complete(lab.repository, pending)
    for changed in (
        {"expires": one.expires + HOUR},
        {"hosts": ("web1", "web2")},
        {"components": ()},
        {"control": "none"},
        {"reason": "another"},
    ):
        assert row_of(lab, dataclasses.replace(one, **t.cast("t.Any", changed))).state == judged.GAP
    # in which order an inventory names components means nothing
    assert row_of(lab, dataclasses.replace(one, components=("build", "cache"))).state == judged.ACCEPTED


def test_nobody_is_asked_to_accept_what_has_expired(lab: Lab) -> None:
    with pytest.raises(PolicyError, match="expired at"):
        records.ask_exception(lab.repository, waiver_at(lab, lasts=-HOUR), request_of(lab))


def test_a_record_that_too_few_signed_or_that_says_more_is_named_and_accepts_nothing(lab: Lab, clock: Clock) -> None:
    one, request = waiver_at(lab), request_of(lab)
    now = instant.whole(clock())

    def record(subject: dict[str, t.Any]) -> Record:
        return Record(lab.repository.name, lab.repository.root.id, "exception", now, request.by, subject, {}, request)

    put_record(lab, record(one.subject), "alice")
    put_record(lab, record({**one.subject, "beside": "more"}), "alice", "bob")
    put_record(lab, record({**one.subject, "components": ["cache", "build"]}), "alice", "bob")
    found, warnings = accepted(lab.repository, now=now)
    assert not found
    assert [("lacks" in one, "and no more" in one) for one in sorted(warnings, key=lambda one: "lacks" in one)] == [
        (False, True),
        (False, True),
        (True, False),
    ]
    with pytest.raises(FormatError, match="which exception"):
        records.require_understood(record({"host": "web1"}), "0" * 64)
