# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_classes, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import DEFAULT_LATENCY, Tier, read_tiers
from hypothesis import given
from hypothesis import strategies as st


def read(**fields: t.Any) -> tuple[Tier | None, str]:
    findings: list[Finding] = []
    tiers = read_tiers({"tier0": fields}, read_classes(None, findings), findings)
    return tiers.get("tier0"), " ".join(map(str, findings))


def test_a_tier_that_says_nothing_more_is_as_it_was() -> None:
    found, told = read()
    assert not told
    assert found == Tier("tier0", "d0400", dt.timedelta(hours=6), dt.timedelta(hours=1))
    assert found.latency == DEFAULT_LATENCY


def test_what_holds_a_tier() -> None:
    found, told = read(replicas=["far", "vault"], drill_every="90d", approvals=2, latency="1h")
    assert not told
    assert found is not None
    assert found.replicas == ("far", "vault")
    assert (found.drill_every, found.approvals, found.latency) == (dt.timedelta(days=90), 2, dt.timedelta(hours=1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rpo": "36500d"}, "holdfast_tiers.tier0.rpo: 36500d is more than anybody means here. Give 1m to 366d"),
        ({"rto": "3650d"}, "more than anybody means"),
        ({"latency": "30d"}, "more than anybody means here. Give 1m to 7d"),
        ({"drill_every": "90m"}, "less than anybody means here. Give 1d"),
        ({"latency": 15}, "is not a duration"),
        ({"approvals": True}, "is no number that it may be"),
        ({"approvals": 101}, "Give 0 to 100"),
        ({"replicas": "far"}, "is not a list"),
        ({"replicas": ["Far Away"]}, "no name of a replica"),
        ({"replica": ["far"]}, "is not a key of this version"),
    ],
)
def test_what_is_wrong_is_told(fields: dict[str, t.Any], message: str) -> None:
    assert message in read(**fields)[1]


@given(
    st.dictionaries(
        st.sampled_from(["rpo", "rto", "replicas", "drill_every", "approvals", "latency", "class"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_whatever_is_said_gives_findings_alone(fields: dict[str, t.Any]) -> None:
    read(**fields)


def test_who_answers_for_a_component_is_no_part_of_it() -> None:
    plain = {"name": "ssh", "paths": ["/etc/ssh"]}
    told = {
        "steward": "ops",
        "contact": "+49 30 1234",
        "regulations": ["PCI DSS"],
        "application": "shop",
        "version": "7.1",
        "depends_on": ["hosts", "db1:mariadb"],
    }
    one, other = (read_policy(host="web1", components=[given_]).components[0] for given_ in (plain, {**plain, **told}))
    assert one == other
    assert (other.steward, other.regulations, other.depends_on) == ("ops", ("PCI DSS",), ("hosts", "db1:mariadb"))
