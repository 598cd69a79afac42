# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Exclude, Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import (
    Finding,
    Policy,
    RetentionClass,
    Tier,
    read_classes,
    read_policy,
    refuse,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.preset import Preset
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
                    "preset",
                    "volatile",
                    "secrets",
                    "validate",
                    "reload",
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
        max_bytes="512MiB",
    )
    assert found.max_bytes == 512 << 20
    assert found == Component(
        name="ssh",
        paths=("/etc/ssh", "/etc/*.conf"),
        tier="tier0",
        owner="ops team",
        data_class="secret",
        excludes=(Exclude("*.bak", "transient"),),
        unreadable="leave_out",
    )


@pytest.mark.parametrize(
    ("given_", "size"),
    [(1, 1), ("4096", 4096), ("10KiB", 10 << 10), ("3MiB", 3 << 20), ("1GiB", 1 << 30), (1 << 30, 1 << 30)],
)
def test_how_large_a_component_may_be(given_: t.Any, size: int) -> None:
    assert component(max_bytes=given_).max_bytes == size
    assert component().max_bytes == 64 << 20
    # it is no part of what the component is
    assert component(max_bytes=given_) == component()


@pytest.mark.parametrize(
    "given_",
    [0, -1, True, 1.5, None, [], "", "0", "01", "-1", "1 MiB", "1MB", "2GiB", (1 << 30) + 1, "1" * 17, "\u0661MiB"],
)
def test_sizes_that_no_component_may_have(given_: t.Any) -> None:
    with pytest.raises(PolicyError, match=r"\.max_bytes: ") as caught:
        component(max_bytes=given_)
    assert "up to 1GiB" in str(caught.value)


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
        ({"components": [7]}, "holdfast_components[0]: is not a mapping", "Give keys and values."),
        ({"components": ["ssh"]}, "holdfast_components[0].preset: no preset 'ssh'", "Declare the component's paths"),
        ({"components": ["../ssh"]}, "holdfast_components[0].preset: '../ssh' is not a name", "small letter"),
        ({"components": [{"preset": ["ssh"]}]}, "holdfast_components[0].preset: ['ssh'] is not a name", "small letter"),
        ({"components": [{**SSH, "volatile": "x"}]}, "(ssh).volatile: is not a list", "Give a list of texts."),
        ({"components": [{**SSH, "volatile": [7]}]}, "(ssh).volatile: 7 is not a text", "one line of text"),
        ({"components": [{**SSH, "preserve": [""]}]}, "(ssh).preserve: '' is not a text", "one line of text"),
        ({"components": [{**SSH, "validate": "sshd -t"}]}, "(ssh).validate: is not a list", "Give a list of texts."),
        ({"components": [{**SSH, "validate": ["a", "b\0"]}]}, "(ssh).validate: 'b\\x00' is not a text", "one line"),
        ({"components": [{**SSH, "secrets": ["("]}]}, "(ssh).secrets: '(' is no regular expression", "Python's re"),
        ({"components": [{**SSH, "reload": ["ssh"]}]}, "(ssh).reload: 'ssh' is no systemd unit", "nginx.service"),
        ({"components": [{**SSH, "reload": ["a b.service"]}]}, "(ssh).reload: 'a b.service' is no", "nginx.service"),
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


HANDLED = ("max_bytes", "volatile", "secrets", "preserve", "validate", "reload")


@given(fields=st.dictionaries(st.sampled_from([*SSH, "tier", "owner", "excludes", "unreadable", *HANDLED]), anything))
def test_whatever_a_component_holds_it_is_read_or_refused(fields: dict[str, t.Any]) -> None:
    try:
        found = component(**fields)
    except PolicyError as e:
        assert e.remedy  # noqa: PT017
    else:
        assert found.paths
        assert all(path.startswith("/") and path != "/" for path in found.paths)


WEB = Preset(
    name="web",
    description="A web server",
    paths=("/etc/web", "/etc/httpd"),
    excludes=(Exclude("*~", "editor"),),
    unreadable="leave_out",
    volatile=("/etc/web/seen",),
    handling=Handling(
        secrets=("^key (?P<secret>.*)$",), preserve=("*.key",), validate=("web", "-t"), reload=("web.service",)
    ),
)


def presets(name: str, key: str, findings: list[Finding]) -> Preset | None:
    if name == "web":
        return WEB
    findings.append(Finding(key, f"no preset {name!r}", "Near it: web."))
    return None


def of_web(**fields: t.Any) -> Component:
    return read(components=[{"preset": "web", **fields}], presets=presets).components[0]


class TestPresets:
    def test_a_name_alone_is_a_preset(self) -> None:
        (found,) = read(components=["web"], presets=presets).components
        assert found == of_web()
        assert found == Component(
            name="web",
            paths=("/etc/web", "/etc/httpd"),
            tier="tier1",
            owner="unassigned",
            data_class="internal",
            excludes=(Exclude("*~", "editor"),),
            unreadable="leave_out",
            volatile=("/etc/web/seen",),
        )
        assert found.handling == dataclasses.replace(WEB.handling, alternatives=WEB.paths)

    def test_lists_add_up(self) -> None:
        found = of_web(
            excludes=[{"pattern": "*.old", "reason": "of ours"}, {"pattern": "*~", "reason": "editor"}],
            volatile=["/etc/web/count"],
            secrets=["^pin (?P<secret>.*)$"],
            preserve=["*.crt", "*.key"],
            reload=["cache.service"],
        )
        assert found.excludes == (Exclude("*~", "editor"), Exclude("*.old", "of ours"))
        assert found.volatile == ("/etc/web/seen", "/etc/web/count")
        assert found.handling == Handling(
            secrets=("^key (?P<secret>.*)$", "^pin (?P<secret>.*)$"),
            preserve=("*.key", "*.crt"),
            validate=("web", "-t"),
            reload=("web.service", "cache.service"),
            alternatives=WEB.paths,
        )

    def test_the_rest_is_replaced(self) -> None:
        found = of_web(name="edge", tier="tier0", owner="edge team", data_class="secret", unreadable="error")
        assert (found.name, found.tier, found.owner, found.data_class) == ("edge", "tier0", "edge team", "secret")
        assert found.unreadable == "error"
        assert of_web(validate=["web", "-t", "-t"]).handling.validate == ("web", "-t", "-t")
        assert of_web(validate=[]).handling.validate == ()

    def test_paths_that_a_host_declares_itself_are_missed(self) -> None:
        found = of_web(paths=["/srv/web/etc/"])
        assert found.paths == ("/srv/web/etc",)
        assert found.handling.alternatives == ()

    def test_one_preset_may_serve_twice(self) -> None:
        policy = read(components=["web", {"preset": "web", "name": "edge", "paths": ["/srv/edge"]}], presets=presets)
        assert [component.name for component in policy.components] == ["web", "edge"]

    @pytest.mark.parametrize(
        ("component_", "says"),
        [
            ("wep", "holdfast_components[0].preset: no preset 'wep'. Near it: web"),
            ({"preset": "web", "paths": []}, "holdfast_components[0] (web).paths: no list of paths"),
            ({"preset": "web", "excludes": [{"pattern": "x"}]}, "(web).excludes[0]: lacks a pattern or a reason"),
            (
                {"preset": "web", "excludes": [{"pattern": "x", "reason": "absent"}]},
                "(web).excludes[0].reason: 'absent' is what captures say of a gap",
            ),
            ({"preset": "web", "unreadable": "skip"}, "(web).unreadable: 'skip' is unknown"),
            ({"preset": "web", "name": "Web"}, "holdfast_components[0].name: 'Web' is not a name"),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_told_by_the_key_of_the_inventory(self, component_: t.Any, says: str) -> None:
        text = refusal(components=[component_], presets=presets)
        assert says in text
        # what the preset says is no finding of the inventory's
        assert text.count("holdfast_components[0]") == 1

    def test_handling_needs_no_preset(self) -> None:
        found = component(volatile=["/etc/ssh/seen"], validate=["sshd", "-t"], reload=["ssh.service"])
        assert found.volatile == ("/etc/ssh/seen",)
        assert found.handling == Handling(validate=("sshd", "-t"), reload=("ssh.service",))

    def test_an_argument_may_stand_twice_in_a_command(self) -> None:
        assert component(validate=["sshd", "-o", "A=b", "-o", "C=d"]).handling.validate.count("-o") == 2

    @given(fields=st.dictionaries(st.sampled_from(["name", "paths", "excludes", "unreadable", *HANDLED]), anything))
    def test_whatever_stands_beside_a_preset_it_is_read_or_refused(self, fields: dict[str, t.Any]) -> None:
        try:
            found = of_web(**fields)
        except PolicyError as e:
            assert e.remedy  # noqa: PT017
        else:
            assert set(found.excludes) >= set(WEB.excludes)
            assert set(found.volatile) >= set(WEB.volatile)
            assert set(found.handling.secrets) >= set(WEB.handling.secrets)
            assert bool(found.handling.alternatives) == (fields.get("paths") is None)
