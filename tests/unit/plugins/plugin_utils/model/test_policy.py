# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Exclude
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import (
    Finding,
    Policy,
    RetentionClass,
    Tier,
    read_classes,
    read_policy,
    refuse,
)
from hypothesis import given
from hypothesis import strategies as st

SSH = {"name": "ssh", "paths": ["/etc/ssh"]}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "paths",
                    "excludes",
                    "pattern",
                    "reason",
                    "tier",
                    "class",
                    "rpo",
                    "days",
                    "mode",
                    "tier1",
                    "d0030",
                ]
            )
            | st.integers(0, 9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def read(**given_: t.Any) -> Policy:
    return read_policy(host="web1", **{"components": [SSH], **given_})


def component(**fields: t.Any) -> Component:
    return read(components=[{**SSH, **fields}]).components[0]


def refusal(**given_: t.Any) -> str:
    with pytest.raises(PolicyError) as error:
        read(**given_)
    assert error.value.host == "web1"
    assert not error.value.message.endswith(".")
    return str(error.value)


def test_a_component_needs_a_name_and_paths_only() -> None:
    assert component() == Component(
        name="ssh", paths=("/etc/ssh",), tier="tier1", owner="unassigned", data_class="internal"
    )


def test_a_component_says_more() -> None:
    found = component(
        paths=["/etc/ssh/", "//etc//ssh", "/etc/*.conf"],
        tier="tier0",
        owner="ops team",
        data_class="secret",
        excludes=[{"pattern": "*.bak", "reason": "transient"}],
        unreadable="leave_out",
    )
    assert found == Component(
        name="ssh",
        paths=("/etc/ssh", "/etc/*.conf"),
        tier="tier0",
        owner="ops team",
        data_class="secret",
        excludes=(Exclude("*.bak", "transient"),),
        unreadable="leave_out",
    )


def test_classes_and_tiers_are_read_over_the_built_in_ones() -> None:
    policy = read(
        classes={"d0030": {"days": 31}, "legal": {"days": 3650, "mode": "governance"}},
        tiers={"tier1": {"class": "legal"}, "tier7": {"rpo": "30m", "rto": "2d"}},
    )
    assert policy.classes == {
        "d0030": RetentionClass("d0030", 31, "compliance"),
        "d0090": RetentionClass("d0090", 90, "compliance"),
        "d0400": RetentionClass("d0400", 400, "compliance"),
        "legal": RetentionClass("legal", 3650, "governance"),
    }
    assert policy.tiers["tier1"] == Tier("tier1", "legal", dt.timedelta(hours=24), dt.timedelta(hours=4))
    assert policy.tiers["tier7"] == Tier("tier7", "d0090", dt.timedelta(minutes=30), dt.timedelta(days=2))
    assert set(policy.tiers) == {"tier0", "tier1", "tier2", "tier7"}


def test_what_is_stored_together_is_of_one_tier() -> None:
    policy = read(
        components=[
            {"name": "c", "paths": ["/c"], "tier": "tier2"},
            {"name": "b", "paths": ["/b"], "tier": "tier0"},
            {"name": "a", "paths": ["/a"], "tier": "tier2"},
        ]
    )
    found = [(s.name, s.retention_class, [c.name for c in s.components]) for s in policy.streams()]
    assert found == [("tier0", "d0400", ["b"]), ("tier2", "d0030", ["c", "a"])]


@pytest.mark.parametrize(
    ("given_", "key", "remedy"),
    [
        ({"classes": ["d0030"]}, "holdfast_classes: is not a mapping", "Give keys and values."),
        ({"classes": {"D1": {}}}, "holdfast_classes.D1: 'D1' is not a name", "small letter"),
        ({"classes": {7: {}}}, "holdfast_classes.7: 7 is not a name", "small letter"),
        ({"classes": {"a" * 33: {}}}, f"holdfast_classes.{'a' * 33}: ", "small letter"),
        ({"classes": {"d1": 7}}, "holdfast_classes.d1: is not a mapping", "Give keys and values."),
        ({"classes": {"d1": {}}}, "holdfast_classes.d1.days: None", "Give 1 to 36500."),
        ({"classes": {"d1": {"days": 0}}}, "holdfast_classes.d1.days: 0", "Give 1 to 36500."),
        ({"classes": {"d1": {"days": 36501}}}, "holdfast_classes.d1.days: 36501", "Give 1 to 36500."),
        ({"classes": {"d1": {"days": True}}}, "holdfast_classes.d1.days: True", "Give 1 to 36500."),
        ({"classes": {"d1": {"days": "30"}}}, "holdfast_classes.d1.days: '30'", "Give 1 to 36500."),
        ({"classes": {"d1": {"days": 1, "mode": "x"}}}, "holdfast_classes.d1.mode: 'x'", "compliance or governance"),
        ({"classes": {"d1": {"days": 1, "mode": []}}}, "holdfast_classes.d1.mode: []", "compliance or governance"),
        (
            {"classes": {"d1": {"days": 1, "day": 2}}},
            "holdfast_classes.d1.day: is not a key",
            "Known here: days, mode.",
        ),
        ({"tiers": []}, "holdfast_tiers: is not a mapping", "Give keys and values."),
        ({"tiers": {"gold": {}}}, "holdfast_tiers.gold: 'gold' is not a name", "tier and a number"),
        ({"tiers": {"tier100": {}}}, "holdfast_tiers.tier100: ", "tier and a number"),
        ({"tiers": {"tier1": "x"}}, "holdfast_tiers.tier1: is not a mapping", "Give keys and values."),
        ({"tiers": {"tier1": {"class": "d1"}}}, "holdfast_tiers.tier1.class: no class 'd1'", "d0030, d0090, d0400"),
        ({"tiers": {"tier1": {"class": ["d0030"]}}}, "holdfast_tiers.tier1.class: no class", "d0030, d0090, d0400"),
        ({"tiers": {"tier1": {"rpo": "1 day"}}}, "holdfast_tiers.tier1.rpo: '1 day'", "30m, 24h, 7d"),
        ({"tiers": {"tier1": {"rpo": "0h"}}}, "holdfast_tiers.tier1.rpo: '0h'", "30m, 24h, 7d"),
        ({"tiers": {"tier1": {"rto": 24}}}, "holdfast_tiers.tier1.rto: 24", "30m, 24h, 7d"),
        ({"tiers": {"tier1": {"rto": "999999d"}}}, "holdfast_tiers.tier1.rto: ", "30m, 24h, 7d"),
        (
            {"tiers": {"tier1": {"drill": 1}}},
            "holdfast_tiers.tier1.drill: is not a key",
            "Known here: class, rpo, rto.",
        ),
        ({"components": None}, "holdfast_components: no components", "Declare at least one"),
        ({"components": []}, "holdfast_components: no components", "Declare at least one"),
        ({"components": "ssh"}, "holdfast_components: is not a list", "Declare at least one"),
        ({"components": {"ssh": {}}}, "holdfast_components: is not a list", "Declare at least one"),
        ({"components": ["ssh"]}, "holdfast_components[0]: is not a mapping", "Give keys and values."),
        ({"components": [{}]}, "holdfast_components[0].name: '' is not a name", "object names"),
        ({"components": [{"name": "SSH"}]}, "holdfast_components[0].name: 'SSH' is not a name", "object names"),
        ({"components": [{"name": "a/b"}]}, "holdfast_components[0].name: 'a/b' is not a name", "object names"),
        ({"components": [{"name": "a\n"}]}, "holdfast_components[0].name: ", "object names"),
        ({"components": [{"name": "a" * 65}]}, "holdfast_components[0].name: ", "object names"),
        (
            {"components": [{"name": "tier1", "paths": ["/a"]}]},
            "holdfast_components[0] (tier1).name: looks like a tier",
            "Give it another name.",
        ),
        ({"components": [SSH, SSH]}, "holdfast_components[1] (ssh).name: is declared twice", "its own name"),
        (
            {"components": [{**SSH, "path": "/a"}]},
            "holdfast_components[0].path: is not a key",
            "Known here: name, paths",
        ),
        ({"components": [{**SSH, "tier": "tier9"}]}, "(ssh).tier: no tier 'tier9'", "tier0, tier1, tier2"),
        ({"components": [{**SSH, "tier": ["tier1"]}]}, "(ssh).tier: no tier ['tier1']", "tier0, tier1, tier2"),
        ({"components": [{**SSH, "unreadable": "skip"}]}, "(ssh).unreadable: 'skip'", "error or leave_out"),
        ({"components": [{**SSH, "unreadable": []}]}, "(ssh).unreadable: []", "error or leave_out"),
        ({"components": [{**SSH, "owner": ""}]}, "(ssh).owner: '' is not a text", "one line of text"),
        ({"components": [{**SSH, "owner": "a\nb"}]}, "(ssh).owner: ", "one line of text"),
        ({"components": [{**SSH, "data_class": 7}]}, "(ssh).data_class: 7", "one line of text"),
        ({"components": [{"name": "ssh"}]}, "(ssh).paths: no list of paths", "absolute paths or globs"),
        ({"components": [{**SSH, "paths": []}]}, "(ssh).paths: no list of paths", "absolute paths or globs"),
        ({"components": [{**SSH, "paths": "/etc"}]}, "(ssh).paths: no list of paths", "absolute paths or globs"),
        ({"components": [{**SSH, "paths": ["etc"]}]}, "(ssh).paths: 'etc' is not absolute", "Start it with a slash."),
        ({"components": [{**SSH, "paths": [7]}]}, "(ssh).paths: 7 is not absolute", "Start it with a slash."),
        ({"components": [{**SSH, "paths": ["/a\0"]}]}, "(ssh).paths: ", "Start it with a slash."),
        (
            {"components": [{**SSH, "paths": ["/etc/../x"]}]},
            "(ssh).paths: '/etc/../x' holds a dot",
            "Spell the path out.",
        ),
        (
            {"components": [{**SSH, "paths": ["/etc/./x"]}]},
            "(ssh).paths: '/etc/./x' holds a dot",
            "Spell the path out.",
        ),
        ({"components": [{**SSH, "paths": ["//"]}]}, "(ssh).paths: names the whole file system", "Name the folders"),
        ({"components": [{**SSH, "excludes": "x"}]}, "(ssh).excludes: is not a list", "{pattern, reason}"),
        ({"components": [{**SSH, "excludes": ["*.bak"]}]}, "(ssh).excludes[0]: is not a mapping", "Give keys"),
        ({"components": [{**SSH, "excludes": [{"pattern": "x"}]}]}, "excludes[0]: lacks", "Give both"),
        ({"components": [{**SSH, "excludes": [{"reason": "x"}]}]}, "excludes[0]: lacks", "Give both"),
        ({"components": [{**SSH, "excludes": [{"pattern": "", "reason": "x"}]}]}, "excludes[0]: lacks", "Give both"),
        (
            {"components": [{**SSH, "excludes": [{"pattern": "x", "reason": "y", "why": 1}]}]},
            "excludes[0].why: is not a key",
            "Known here: pattern, reason.",
        ),
    ],
)
def test_a_finding_names_its_key_and_its_remedy(given_: dict[str, t.Any], key: str, remedy: str) -> None:
    text = refusal(**given_)
    assert key in text
    assert remedy.removesuffix(".") in text.split(key, 1)[1]
    assert "Nothing was touched" in text


def test_all_findings_are_told_at_once() -> None:
    text = refusal(
        classes={"d1": {"days": 0}},
        tiers={"tier1": {"rpo": "x"}},
        components=[{**SSH, "paths": ["etc"], "owner": ""}, {"name": "X"}],
    )
    for key in ("d1.days", "tier1.rpo", "[0] (ssh).paths", "[0] (ssh).owner", "[1].name"):
        assert key in text


def test_classes_alone_can_be_read() -> None:
    findings: list[Finding] = []
    assert set(read_classes({"legal": {"days": 9}, "x": {}}, findings)) == {"d0030", "d0090", "d0400", "legal"}
    assert [finding.key for finding in findings] == ["holdfast_classes.x.days"]


def test_no_findings_refuse_nothing() -> None:
    refuse([])
    with pytest.raises(PolicyError, match=r"a: b\. c · d: e\. f"):
        refuse([Finding("a", "b", "c"), Finding("d", "e", "f")])


@given(classes=anything, tiers=anything, components=anything)
def test_whatever_an_inventory_holds_it_is_read_or_refused(classes: t.Any, tiers: t.Any, components: t.Any) -> None:
    try:
        policy = read_policy(host="web1", classes=classes, tiers=tiers, components=components)
    except PolicyError as e:
        assert e.remedy  # noqa: PT017
    else:
        assert sum(len(stream.components) for stream in policy.streams()) == len(policy.components) > 0


@given(fields=st.dictionaries(st.sampled_from([*SSH, "tier", "owner", "excludes", "unreadable"]), anything))
def test_whatever_a_component_holds_it_is_read_or_refused(fields: dict[str, t.Any]) -> None:
    try:
        found = component(**fields)
    except PolicyError as e:
        assert e.remedy  # noqa: PT017
    else:
        assert found.paths
        assert all(path.startswith("/") and path != "/" for path in found.paths)
