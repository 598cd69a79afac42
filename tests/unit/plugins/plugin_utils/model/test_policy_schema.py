# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The published schema and the readers know the same keys."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import presets
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import (
    alias,
    exclusions,
    governance,
    joining,
    policy,
    sources,
    tier,
    waiver,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[5]
SCHEMA = json.loads((ROOT / "docs" / "design" / "schema" / "policy.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FLEET = {
    "holdfast_tiers": {"tier0": {"rpo": "1h", "latency": "10m", "replicas": ["far"], "drill_every": "90d"}},
    "holdfast_components": [
        {"name": "ssh", "paths": ["/etc/ssh"], "tier": "tier0", "owner": "platform", "contact": "+49 30 1234"},
        {"name": "env", "unit": "nginx.service", "depends_on": ["ssh"]},
    ],
    "holdfast_exclusions": [{"pattern": "*.bak", "reason": "transient", "expires": "2027-01-31"}],
    "holdfast_exceptions": [
        {"id": "EX-1", "groups": ["lab"], "reason": "rebuilt", "control": "image", "expires": "2027-03-31"}
    ],
}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("tier", tier.KEYS),
        ("files", policy.FILE_KEYS),
        *sources.KEYS.items(),
        ("exclusion", exclusions.KEYS),
        ("exception", waiver.KEYS),
        ("governance", governance.KEYS),
        ("governed_class", governance.CLASS_KEYS),
        ("legal_hold", governance.HOLD_KEYS),
        ("aliases", alias.KEYS),
    ],
)
def test_both_know_each_key(name: str, keys: tuple[str, ...]) -> None:
    assert set(SCHEMA["$defs"][name]["properties"]) == set(keys)


def test_both_know_each_variable() -> None:
    assert set(SCHEMA["properties"]) == {f"holdfast_{name}" for name in (*joining.SPLIT, "governance", "aliases")}
    assert set(SCHEMA["patternProperties"]) == {f"^holdfast_{name}__." for name in joining.SPLIT}


def test_both_take_a_fleet_of_the_guide() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(FLEET, SCHEMA)
    policy.read_policy(host="web1", **{name.removeprefix("holdfast_"): given for name, given in FLEET.items()})


@pytest.mark.parametrize(
    "broken",
    [
        {"holdfast_tiers": {"tier0": {"rpo": "soon"}}},
        {"holdfast_tiers": {"tier0": {"rpm": "1h"}}},
        {"holdfast_tiers": {"gold": {}}},
        {"holdfast_tiers": {"tier0": {"approvals": -1}}},
        {"holdfast_tiers": {"tier0": {"replicas": ["Far"]}}},
        {"holdfast_components": []},
        {"holdfast_components": [{"name": "ssh", "paths": ["etc"]}]},
        {"holdfast_components": [{"name": "ssh", "paths": ["/etc"], "steward": 7}]},
        {"holdfast_exclusions": [{"pattern": "*"}]},
        {"holdfast_exceptions": [{"id": "EX-1"}]},
        {"holdfast_classes": {"d0030": {"days": 0}}},
    ],
)
def test_both_refuse_what_has_no_form(broken: dict[str, t.Any]) -> None:
    whole = {"holdfast_components": FLEET["holdfast_components"], **broken}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole, SCHEMA)
    with pytest.raises(PolicyError):
        policy.read_policy(host="web1", **{name.removeprefix("holdfast_"): given for name, given in whole.items()})


TIER0 = {
    "class": "d0400",
    "rpo": "1h",
    "rto": "2h",
    "schedule": {"every": "15m", "timezone": "Europe/Berlin", "weekdays": ["mon"]},
    "windows": [{"weekdays": ["sat"], "opens": "01:00", "lasts": "4h", "timezone": "UTC"}],
    "blackouts": [{"begins": "2026-12-24T00:00:00Z", "ends": "2026-12-27T00:00:00Z", "reason": "peak"}],
    "replicas": ["far"],
    "drill_every": "90d",
    "approvals": 2,
    "latency": "10m",
    "change": {"backup": "verify", "restore": "require", "kinds": ["normal"], "items": True, "unreachable": "refuse"},
}
WHOLE = {
    **FLEET,
    "holdfast_classes": {"d0400": {"days": 400, "mode": "compliance"}},
    "holdfast_tiers": {"tier0": TIER0},
    "holdfast_governance": {
        "classes": {"internal": {"minimum_days": 30, "maximum_days": 400, "jurisdiction": ["DE"]}},
        "legal_holds": [{"id": "LH-1", "reason": "case 7", "hosts": ["web1"], "until": "2027-01-01"}],
        "audit_days": 730,
    },
    "holdfast_aliases": {"pattern": "semver"},
}
# what no form tells: one key judges another, or a number is one that nobody means
CROSS_CHECKS = (
    "no class",
    "no tier",
    "no preset",
    "no maximum for",
    "looks like a tier",
    "is declared twice",
    "is there twice",
    "than anybody means",
    "is the year right",
    "neither a day nor a moment",
    "is no time zone",
    "is no moment",
    "divides neither",
    "is not after begins",
    "more than a year after",
    "less than the minimum",
    "no name of a component",
    "no size that a component may have",
    "no regular expression",
)
WORDS = """
1h 7d 36500d 02:30 2027-02-30 2027-03-01 2026-12-24T00:00:00Z tier0 tier9 d0400 far ssh mon verify normal UTC Mars/Base
/etc/x /etc/../x *.bak absent A DE
"""
words = st.sampled_from(["", "a b", "x\ty", *WORDS.split()])
plain = st.none() | st.booleans() | st.integers(-1, 500) | words
values = plain | st.lists(plain, max_size=2) | st.dictionaries(words, plain, max_size=2)


def places(document: t.Any, above: tuple[t.Any, ...] = ()) -> list[tuple[t.Any, ...]]:
    """Where each value of a document stands."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [above] * bool(above) + [place for key, value in inner for place in places(value, (*above, key))]


def told(document: dict[str, t.Any]) -> list[Finding]:
    findings: list[Finding] = []
    given_ = {name.removeprefix("holdfast_"): value for name, value in document.items()}
    governance.read_governance(given_.pop("governance"), findings)
    alias.read_aliases(given_.pop("aliases"), findings)
    policy.judge_policy(findings, **given_)
    return findings


def test_the_example_of_the_guide_is_right() -> None:
    text = (ROOT / "docs" / "guide_policy.md").read_text(encoding="utf-8")
    variables: dict[str, t.Any] = {}
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        variables |= yaml.safe_load(block)
    jsonschema.validate(variables, SCHEMA)
    findings: list[Finding] = []
    whole = {name: joining.joined(name, variables, findings)[0] for name in joining.SPLIT}
    found = policy.judge_policy(findings, presets=presets.finder(()), **whole)
    assert not findings
    assert [one.name for one in found.components] == ["ssh", "shop", "nginx"]


def test_both_take_every_key() -> None:
    jsonschema.validate(WHOLE, SCHEMA)
    assert not told(WHOLE)


def put(document: t.Any, place: tuple[t.Any, ...], value: t.Any) -> None:
    """Put *value* where something stands; nothing where a change before took that away."""
    try:
        for key in place[:-1]:
            document = document[key]
        if document[place[-1]] is not None:
            document[place[-1]] = value
    except (KeyError, IndexError, TypeError):
        return


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)), values), min_size=1, max_size=2))
def test_both_judge_any_form_alike(changes: list[tuple[tuple[t.Any, ...], t.Any]]) -> None:
    document = copy.deepcopy(WHOLE)
    for place, value in changes:
        put(document, place, value)
    findings = told(document)
    if VALIDATOR.is_valid(document):
        assert [one for one in findings if not any(form in str(one) for form in CROSS_CHECKS)] == []
    else:
        assert findings
