# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told what: each owner of their own, and nobody of what another owns."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import coverage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.model.waiver import Waiver
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import owners, records

from .council import QUORUM, governed, request_of
from .lab import Clock

NOW = dt.datetime(2026, 11, 27, 2, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
TIERS = {"tier1": Tier("tier1", "d0090", DAY, DAY)}
WEB = Component("nginx", ("/a",), "tier1", "web", "internal", contact="web@example.org", steward="Ada, room 7")
DATA = Component("pg", ("/b",), "tier1", "data", "internal", contact="+49 30 1", steward="dba@example.org")


def waiver(id: str, components: tuple[str, ...], expires: dt.datetime) -> Waiver:  # noqa: A002
    return Waiver(id, ("web1",), (), components, "made anew", "monitored", expires)


def host(*components: Component, waivers: tuple[Waiver, ...] = ()) -> HostPolicy:
    return HostPolicy("web1", "web1", ("web",), Policy({}, TIERS, components, waivers=waivers), {})


def told(fleet: list[HostPolicy], *rows: coverage.Row) -> dict[str, owners.Digest]:
    judged = rows or tuple(coverage.rows(fleet, {}, {}, now=NOW))
    return {one.owner: one for one in owners.digests(judged, fleet, (), NOW)}


def test_each_is_told_of_their_own_and_where(tmp_path: Path) -> None:
    late = coverage.Row("web1", (), "nginx", "tier1", "web", coverage.GAP, (coverage.LATE,), NOW - 2 * DAY)
    gap = coverage.Row("web1", (), "pg", "tier1", "data", coverage.GAP, (coverage.NEVER,))
    nobodys = coverage.Row("web9", (), "", "", "", coverage.GAP, (coverage.UNDECLARED,))
    found = told([host(WEB, DATA)], late, gap, nobodys)
    assert (found["web"].late, found["web"].gaps) == ((late,), ())
    assert (found["data"].late, found["data"].gaps) == ((), (gap,))
    assert found["web"].addresses == ("web@example.org",)
    assert found["data"].addresses == ("dba@example.org",)


def test_an_exception_is_told_within_thirty_days_of_its_end_to_whom_it_concerns() -> None:
    waivers = (
        waiver("EX-1", ("nginx",), NOW + 30 * DAY),
        waiver("EX-2", (), NOW + 31 * DAY),
        waiver("EX-3", (), NOW),
        waiver("EX-4", (), NOW + DAY),
    )
    found = told([host(WEB, DATA, waivers=waivers)])
    assert [name for name, _at in found["web"].expiring] == ["EX-4", "EX-1"]
    assert [name for name, _at in found["data"].expiring] == ["EX-4"]


def test_a_request_waits_for_the_owner_of_what_it_names(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, quorum=(*QUORUM, Quorum("exception", 2, ("security", "operations"))))
    asked = waiver("EX-1", ("nginx",), lab.store.clock().replace(microsecond=0) + DAY)
    pending, _made = records.ask_exception(lab.repository, asked, request_of(lab))
    fleet = [host(WEB, DATA)]
    rows = list(coverage.rows(fleet, {}, {}, now=NOW))
    requests = records.listing(lab.repository).requests
    found = {one.owner: one.requests for one in owners.digests(rows, fleet, requests, NOW)}
    assert [(one.id, one.operation) for one in found["web"]] == [(pending.id, "exception")]
    assert found["data"] == ()


@pytest.mark.parametrize("field", ["owner", "contact", "steward"])
@pytest.mark.parametrize("said", ["web\nBcc: all@example.org", "web\r", "web\u2028x", "a" * 201])
def test_what_would_end_a_line_of_a_mails_head_is_refused(field: str, said: str) -> None:
    component = dataclasses.replace(WEB, **{field: said})
    with pytest.raises(PolicyError, match=field) as caught:
        told([host(component)])
    assert said not in str(caught.value)


@pytest.mark.parametrize("said", ["a@b@c", "a@b, c@d", "<a@b>", "a b@c", "@b", "a@", "ä@example.org", "a@-b"])
def test_what_is_no_single_address_gets_no_mail(said: str) -> None:
    assert told([host(dataclasses.replace(WEB, contact=said, steward=""))])["web"].addresses == ()
