# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.patterns import covering
from ansible_collections.holdfast.config.plugins.plugin_utils.model.alias import read_aliases
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy, Surroundings
from ansible_collections.holdfast.config.plugins.plugin_utils.model.governance import read_governance
from ansible_collections.holdfast.config.plugins.plugin_utils.model.joining import SPLIT, joined
from ansible_collections.holdfast.config.plugins.plugin_utils.model.lint import Remark, lint, shared
from ansible_collections.holdfast.config.plugins.plugin_utils.model.lint_keeping import Recorded
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import judge_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.render.policy import report
from ansible_collections.holdfast.config.plugins.plugin_utils.schedule.due import largest_gap
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.format.samples import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.timezone.utc)
BROKEN = yaml.safe_load((Path(__file__).parent / "broken_policies.yml").read_text(encoding="utf-8"))
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[5] / "docs" / "design" / "schema" / "policy.json").read_text(encoding="utf-8")
)
OWNED = {"owner": "x", "contact": "x", "steward": "x"}
SOUND: dict[str, t.Any] = {
    "components": [{"name": "a", "paths": ["/a"]}],
    "tiers": {
        "tier0": {"rpo": "48h", "schedule": {"at": ["02:30"]}},
        "tier1": {"rpo": "48h", "schedule": {"at": ["02:30"]}},
    },
}


def _said(broken: dict[str, t.Any]) -> dict[str, t.Any]:
    """The variables of a host: sound ones, but for what is broken. A null takes away what each component has."""
    said = {**SOUND, **{name: broken[name] for name in SPLIT if name in broken}}
    if isinstance(said["components"], list):
        said["components"] = [
            {key: value for key, value in {**OWNED, **one}.items() if value is not None}
            if isinstance(one, dict)
            else one
            for one in said["components"]
        ]
    return said


def _host(name: str, broken: dict[str, t.Any], around: dict[str, t.Any]) -> HostPolicy:
    findings: list[Finding] = []
    policy = judge_policy(findings, **_said(broken), now=NOW)
    whole = None if findings else policy
    governed = read_governance(around.get("governance"), findings)
    read_aliases(around.get("aliases"), findings)
    replicas = around.get("replicas")
    surroundings = Surroundings(
        governance=governed,
        replicas=None if replicas is None else frozenset(replicas),
        tickets=around.get("tickets", False),
        people=around.get("people"),
    )
    return HostPolicy(name, name, ("all",), whole, {}, tuple(findings), surroundings)


def _judged(broken: dict[str, t.Any]) -> tuple[Remark, ...]:
    other = {"components": broken["other"]} if "other" in broken else {}
    around = broken.get("around", {})
    return lint([_host("h1", broken, around), _host("h2", other, {})], largest_gap, covering, now=NOW)


def test_a_sound_policy_has_no_remark() -> None:
    assert _judged({}) == ()


def test_there_are_sixty_broken_policies_and_more() -> None:
    assert len({one["says"] for one in BROKEN}) == len(BROKEN) >= 60


@pytest.mark.parametrize("broken", BROKEN, ids=[one["says"] for one in BROKEN])
def test_what_a_broken_policy_says_is_told_with_key_and_remedy(broken: dict[str, t.Any]) -> None:
    remarks = _judged(broken)
    assert [(one.host, one.finding.key, one.severity) for one in remarks] == [
        ("h1", broken["key"], broken.get("severity", "error"))
    ]
    assert broken["problem"] in remarks[0].finding.problem
    assert remarks[0].finding.remedy


@pytest.mark.parametrize("broken", BROKEN, ids=[one["says"] for one in BROKEN])
def test_the_schema_refuses_what_has_no_form_and_takes_what_only_lint_can_judge(broken: dict[str, t.Any]) -> None:
    whole = {f"holdfast_{name}": value for name, value in _said(broken).items()}
    around = broken.get("around", {})
    whole |= {f"holdfast_{name}": around[name] for name in ("governance", "aliases") if name in around}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(whole) is not broken.get("form", False)


PARTS = {
    "components": [{"name": name, "paths": [f"/{name}"], **OWNED, "depends_on": []} for name in "abcd"],
    "tiers": {name: {**SOUND["tiers"]["tier1"], "latency": "30m"} for name in ("tier0", "tier1", "tier2")},
    "classes": {"d0030": {"days": 30}, "d0800": {"days": 800, "mode": "compliance"}},
}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_sound_policy_stays_sound_however_it_is_ordered_and_split(data: st.DataObject) -> None:
    variables: dict[str, t.Any] = {}
    for name, value in PARTS.items():
        entries = data.draw(st.permutations(list(value.items()) if isinstance(value, dict) else value))
        for entry in entries:
            part = data.draw(st.sampled_from(["", "__one", "__two"]))
            if isinstance(value, dict):
                fields = dict(data.draw(st.permutations(list(entry[1].items()))))
                variables.setdefault(f"holdfast_{name}{part}", {})[entry[0]] = fields
            else:
                fields = dict(data.draw(st.permutations(list(entry.items()))))
                variables.setdefault(f"holdfast_{name}{part}", []).append(fields)
    findings: list[Finding] = []
    policy = judge_policy(findings, **{name: joined(name, variables, findings)[0] for name in SPLIT}, now=NOW)
    assert findings == []
    assert lint([HostPolicy("h1", "h1", (), policy, {})], largest_gap, covering, now=NOW) == ()


def test_a_misspelt_variable_is_a_warning_even_where_the_policy_cannot_be_used() -> None:
    one = HostPolicy("h1", "h1", (), None, {}, misspelt=(("holdfast_component", "holdfast_components"),))
    (remark,) = lint([one], largest_gap, covering, now=NOW)
    assert remark.severity == "warning"
    assert str(remark.finding).startswith("holdfast_component: is no variable of this collection")
    assert "Was holdfast_components meant?" in str(remark.finding)


def test_what_is_found_of_many_hosts_in_the_same_words_is_told_once_and_errors_first() -> None:
    remarks = [Remark("h1", Finding("k", "p", "R."), "warning")]
    remarks += [Remark(f"h{number}", Finding("key", "x" * 70, "Mend it."), "error") for number in range(5)]
    found = shared(remarks)
    assert [(one.host, one.hosts, one.severity) for one in found] == [("h0", 5, "error"), ("h1", 1, "warning")]
    lines = report(found, 9)
    assert lines[0] == "1 errors and 1 warnings on 9 hosts"
    assert "h0 and 4 more" in lines[1]
    assert max(map(len, lines)) <= 80


def test_an_exception_that_nobody_has_signed_is_an_error_where_records_are_known() -> None:
    waiver = {"id": "EX-1", "hosts": ["h1"], "reason": "r", "control": "c", "expires": "2027-01-01"}
    host = _host("h1", {"exceptions": [waiver]}, {})
    assert host.policy is not None
    root = dataclasses.replace(ROOT, classes=host.policy.classes)
    unsigned = lint([host], largest_gap, covering, now=NOW, recorded=Recorded(root, {}))
    assert [(one.finding.key, one.severity) for one in unsigned] == [("holdfast_exceptions[0]", "error")]
    assert "nobody has signed EX-1" in unsigned[0].finding.problem
    signed = {host.policy.waivers[0].digest: ("alice",)}
    assert lint([host], largest_gap, covering, now=NOW, recorded=Recorded(root, signed)) == ()


def test_a_class_that_the_root_does_not_have_or_has_otherwise_is_an_error() -> None:
    host = _host("h1", {}, {})
    assert host.policy is not None
    kept = host.policy.classes["d0090"]
    for classes in ({}, {"d0090": dataclasses.replace(kept, days=91)}):
        others = {"d0030": host.policy.classes["d0030"], **classes}
        recorded = Recorded(dataclasses.replace(ROOT, classes=others), {})
        (remark,) = lint([host], largest_gap, covering, now=NOW, recorded=recorded)
        assert (remark.finding.key, remark.severity) == ("holdfast_tiers.tier1.class", "error")
