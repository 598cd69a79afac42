# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

from ansible_collections.holdfast.config.plugins.plugin_utils.model import coverage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.imported import Imported
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    Fingerprint,
    ObjectRef,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.model.waiver import Waiver
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TIERS = {"tier1": Tier("tier1", "d0090", 24 * HOUR, 4 * HOUR)}
PEOPLE = ("sam@example.org", "cora@example.org")


def waiver(*, expires: dt.timedelta = HOUR, components: tuple[str, ...] = ()) -> Waiver:
    return Waiver("EX-7", (), ("web",), components, "rebuilt from the image", "weekly rebuild", NOW + expires)


def fleet(*waivers: Waiver) -> tuple[HostPolicy, ...]:
    component = Component("nginx", ("/etc/nginx",), "tier1", "web-team", "internal")
    policy = Policy({}, TIERS, (component,), waivers=waivers)
    return (HostPolicy("web1", "web1", ("web",), policy, {}),)


def live(
    age: dt.timedelta, component: str = "nginx", *, locked: dt.timedelta = 24 * HOUR, marks: tuple[str, ...] = ()
) -> dict[tuple[str, str], StreamEntry]:
    at = NOW - age
    ref = ObjectRef("objects/one", "0" * 64, 1, NOW + locked)
    held = (Fingerprint(component, "", "", ""),)
    entry = StreamEntry("web1", "web1", "tier1", "d0090", StreamState.STORED, at, at, ref, ref, held, marks)
    return {entry.key: entry}


def only(*args, **kwargs) -> coverage.Row:
    (row,) = coverage.rows(*args, now=NOW, **kwargs)
    return row


def test_proven_within_its_rpo_is_covered():
    assert only(fleet(), live(24 * HOUR), {}).state == coverage.COVERED


def test_what_is_not_proven_is_a_gap_that_says_why():
    assert only(fleet(), {}, {}).reasons == (coverage.NEVER,)
    assert only(fleet(), live(25 * HOUR), {}).reasons == (coverage.LATE,)
    assert only(fleet(), live(HOUR, "postfix"), {}).reasons == (coverage.ABSENT,)


def test_what_was_imported_covers_nothing_however_new_it_is():
    by = Imported("oxidized", "a" * 40, NOW)
    held = {key: entry.from_elsewhere(by) for key, entry in live(HOUR).items()}
    row = only(fleet(), held, {})
    assert (row.state, row.reasons, row.verified_at) == (coverage.GAP, (coverage.NEVER,), None)


def test_a_snapshot_that_has_no_lock_or_comes_from_another_time_covers_nothing():
    assert only(fleet(), live(HOUR, locked=0 * HOUR), {}).reasons == (coverage.UNLOCKED,)
    assert only(fleet(), live(-HOUR), {}).reasons == (coverage.AHEAD,)
    key = ("web1", "tier1")
    assert only(fleet(), {}, {}, ended={key: "retired"}).reasons == (coverage.ENDED.format(why="retired"),)


def test_what_was_captured_while_a_restore_was_open_is_covered_and_says_so():
    row = only(fleet(), live(HOUR, marks=("restore open: 20261127T000000Z",)), {})
    assert (row.state, row.reasons) == (coverage.COVERED, (coverage.OPEN,))


def test_an_accepted_exception_says_by_whom_and_until_when():
    one = waiver()
    row = only(fleet(one), {}, {one.digest: PEOPLE})
    assert (row.state, row.signers, row.until, row.control) == (
        coverage.ACCEPTED,
        PEOPLE,
        one.expires,
        "weekly rebuild",
    )


def test_an_exception_that_nobody_signed_or_that_is_for_another_component_is_a_gap():
    one, other = waiver(), waiver(components=("postfix",))
    assert only(fleet(one), {}, {}).reasons == (coverage.NEVER, coverage.UNSIGNED.format(id="EX-7"))
    assert only(fleet(other), {}, {other.digest: PEOPLE}).reasons == (coverage.NEVER,)


def test_a_host_that_only_the_cmdb_knows_is_a_gap():
    covered, unknown = coverage.rows(fleet(), live(HOUR), {}, now=NOW, known=["WEB1.", "db1"])
    assert covered.state == coverage.COVERED
    assert (unknown.host, unknown.state, unknown.reasons) == ("db1", coverage.GAP, (coverage.UNKNOWN,))


def test_a_host_without_a_usable_policy_is_a_gap():
    assert only((HostPolicy("web1", "web1", (), None, {}),), {}, {}).reasons == (coverage.UNUSABLE,)


def test_a_host_that_declares_nothing_is_a_gap_unless_all_of_it_is_excepted():
    one, part = waiver(), waiver(components=("nginx",))
    for of, state in ((one, coverage.ACCEPTED), (part, coverage.GAP)):
        bare = HostPolicy("web1", "web1", ("web",), Policy({}, {}, (), waivers=(of,)), {})
        row = only((bare,), {}, {of.digest: PEOPLE})
        assert (row.state, row.reasons, row.component) == (state, (coverage.UNDECLARED,), "")


@given(st.integers(0, 72), st.integers(-48, 48), st.booleans(), st.sampled_from(["nginx", "postfix"]))
def test_each_component_ends_in_one_state_and_an_expired_exception_never_accepts(age, left, signed, captured):
    one = waiver(expires=left * HOUR)
    found = list(coverage.rows(fleet(one), live(age * HOUR, captured), {one.digest: PEOPLE} if signed else {}, now=NOW))
    assert [row.state in coverage.STATES for row in found] == [True]
    excused = coverage.ACCEPTED if signed and left > 0 else coverage.GAP
    assert found[0].state == (coverage.COVERED if age <= 24 and captured == "nginx" else excused)
    assert coverage.totals(found, lambda row: row.groups)["web"].total() == len(found)
