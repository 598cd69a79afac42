# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each preset does what it says to the test data of its name, in ``components/`` beside this file.

``kept`` are files that it captures, ``left_out`` those that it does not, with the reason (a slash at the end makes a
folder), ``beside`` those that it does not name, ``volatile`` those of ``kept`` whose change is no drift, ``masked``
lines with a secret and what is left of them, ``plain`` lines without one.
"""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import presets, wire
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.preset import Preset

ROOT = Path(__file__).parents[5]
SAMPLES = Path(__file__).parent / "components"
NAMES = presets.names(presets.BUILT_IN)
CONTENT = b"0123456789"

VALIDATOR: t.Any = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "design" / "schema" / "component.json").read_text(encoding="utf-8"))
)
# what a change of a preset must not lose
LEAST = {
    "accounts",
    "apache",
    "apt",
    "chrony",
    "cron",
    "deployment_scripts",
    "dnf",
    "docker",
    "frr",
    "haproxy",
    "iac",
    "ifupdown",
    "iptables",
    "keepalived",
    "kubernetes_node",
    "mysql",
    "named",
    "netplan",
    "networkmanager",
    "nftables",
    "nginx",
    "pam",
    "podman",
    "postgresql",
    "prometheus",
    "redis",
    "resolver",
    "rsyslog",
    "ssh",
    "sudo",
    "systemd",
}

each = pytest.mark.parametrize("name", NAMES)


def preset_of(name: str) -> Preset:
    findings: list[Finding] = []
    preset = presets.finder()(name, name, findings)
    assert findings == []
    assert preset is not None
    return preset


def component_of(name: str) -> Component:
    return read_policy(host="h", components=[name], presets=presets.finder()).components[0]


def source_of(name: str) -> dict[str, t.Any]:
    text = (presets.BUILT_IN / f"{name}.yml").read_text(encoding="utf-8")
    return t.cast("dict[str, t.Any]", yaml.safe_load(text))


def samples_of(name: str) -> dict[str, t.Any]:
    text = (SAMPLES / f"{name}.yml").read_text(encoding="utf-8")
    return {"left_out": {}, "beside": [], "volatile": [], "masked": {}, "plain": [], **yaml.safe_load(text)}


def plant(root: Path, paths: t.Iterable[str]) -> None:
    for path in paths:
        file = root / path.lstrip("/") / ("inside" if path.endswith("/") else "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CONTENT)


def answer(component: Component, root: Path) -> dict[str, t.Any]:
    limits = {"bytes": 10**6, "entries": 10**4}
    request = wire.tree_request("entries", [component], root=str(root), absent="error", limits=limits)
    header = _tree.answer(request)[0]
    return t.cast("dict[str, t.Any]", header["components"][component.name])


def masked(line: str, expressions: t.Iterable[str]) -> str:
    """Of a matching line the group ``secret`` is masked, or all of it."""
    for expression in expressions:
        found = re.search(expression, line)
        if found:
            start, end = found.span("secret" if "secret" in found.groupdict() else 0)
            return f"{line[:start]}***{line[end:]}"
    return line


def test_the_presets_are_there() -> None:
    assert set(NAMES) >= LEAST
    assert [path.stem for path in sorted(SAMPLES.iterdir())] == list(NAMES)


@each
def test_it_satisfies_the_schema(name: str) -> None:
    VALIDATOR.validate(source_of(name))


@each
def test_it_reads_and_says_how_it_is_known_to_be_right(name: str) -> None:
    preset = preset_of(name)
    assert preset.evidence is not None
    assert not preset.description.endswith(".")
    assert {exclude.reason for exclude in preset.excludes} <= set(presets.REASONS)


@each
def test_only_what_it_names_is_captured_and_the_rest_has_a_reason(name: str, tmp_path: Path) -> None:
    samples, component = samples_of(name), component_of(name)
    plant(tmp_path, [*samples["kept"], *samples["left_out"], *samples["beside"]])
    found = answer(component, tmp_path)
    assert {entry["path"] for entry in found["listing"] if entry["kind"] == "file"} == set(samples["kept"])
    excluded = {path: reason for path, reason in found["left_out"] if reason != "absent"}
    assert excluded == {path.rstrip("/"): reason for path, reason in samples["left_out"].items()}
    assert found["left_out_bytes"] == len(CONTENT) * len(excluded)
    # whatever system it is, nobody is told of paths that others have
    assert {path for path, reason in found["left_out"] if reason == "absent"} <= set(component.handling.alternatives)


@each
def test_each_exclude_is_shown_to_leave_something_out(name: str) -> None:
    """By its test data, or by the leftovers that all presets share."""
    left_out = samples_of(name)["left_out"]
    shared = {"*~", ".*.sw[a-p]", "*.dpkg-*", "*.ucf-*", "*.rpmnew", "*.rpmsave", "*.rpmorig"}
    unproven = []
    for exclude in preset_of(name).excludes:
        pattern = _tree.Excludes([{"pattern": exclude.pattern, "reason": exclude.reason}])
        proven = [path for path in left_out if pattern.cover(path.rstrip("/"))]
        if not proven and exclude.pattern not in shared:
            unproven.append(exclude.pattern)
    assert unproven == []


@each
def test_what_is_volatile_is_captured_and_no_drift(name: str, tmp_path: Path) -> None:
    samples, component = samples_of(name), component_of(name)
    assert bool(samples["volatile"]) == bool(component.volatile)
    plant(tmp_path, samples["kept"])
    before = answer(component, tmp_path)
    for path in samples["volatile"]:
        (tmp_path / path.lstrip("/")).write_bytes(b"changed")
    after = answer(component, tmp_path)
    assert after.get("normalised") == before.get("normalised")
    assert (after["fingerprint"] != before["fingerprint"]) == bool(samples["volatile"])
    stable = next(path for path in samples["kept"] if path not in samples["volatile"])
    (tmp_path / stable.lstrip("/")).write_bytes(b"changed")
    drifted = answer(component, tmp_path)
    assert drifted.get("normalised", drifted["fingerprint"]) != after.get("normalised", after["fingerprint"])


@each
def test_secrets_are_masked_and_nothing_else(name: str) -> None:
    samples, expressions = samples_of(name), preset_of(name).handling.secrets
    assert {line: masked(line, expressions) for line in samples["masked"]} == samples["masked"]
    assert [masked(line, expressions) for line in samples["plain"]] == samples["plain"]
    idle = [text for text in expressions if not any(re.search(text, line) for line in samples["masked"])]
    assert idle == []
    assert all("secret" in re.compile(text).groupindex for text in expressions)


@each
def test_a_secret_of_many_characters_costs_no_time(name: str) -> None:
    """An expression that backtracks without end would stop who compares."""
    for text in preset_of(name).handling.secrets:
        for line in (
            "a" * 20_000,
            " " * 20_000 + "=",
            "password" * 3_000,
            ":" * 20_000,
            "a_" * 10_000,
            "\\S+ " * 5_000,
        ):
            re.search(text, line)


@each
def test_what_it_preserves_it_captures(name: str) -> None:
    """A restore to a new machine must have it."""
    preset = preset_of(name)
    left_out = _tree.Excludes([{"pattern": e.pattern, "reason": e.reason} for e in preset.excludes])
    kept = _tree.Excludes([{"pattern": pattern, "reason": "preserve"} for pattern in preset.handling.preserve])
    held = [path for path in samples_of(name)["kept"] if kept.cover(path)]
    assert not any(left_out.cover(path) for path in held)


def reason_rows() -> list[str]:
    """The guide's table of reasons."""
    return [f"| `{reason}` | {meaning} |" for reason, meaning in presets.REASONS.items()]


def preset_rows() -> list[str]:
    """The guide's table of presets."""
    rows = ["| preset | captures | command | evidence |", "|---|---|---|---|"]
    for name in NAMES:
        preset = preset_of(name)
        command = " ".join(preset.handling.validate)
        shown = f"`{command}`" if len(command) <= 60 else "of several words: see the file"
        evidence = f"{preset.evidence.level}: {preset.evidence.against}" if preset.evidence else ""
        file = f"[{name}](../plugins/plugin_utils/capture/components/{name}.yml)"
        rows.append(f"| {file} | {preset.description} | {shown if command else 'none'} | {evidence} |")
    return rows


def test_the_guide_lists_them_as_they_are() -> None:
    guide = (ROOT / "docs" / "guide_components.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in guide if line in reason_rows()] == reason_rows()
    start = guide.index(preset_rows()[0])
    assert guide[start : guide.index("", start)] == preset_rows()


class TestSchema:
    WHOLE: t.ClassVar[dict[str, t.Any]] = source_of("nginx")

    def reads(self, value: t.Any) -> bool:
        findings: list[Finding] = []
        presets.judge(value, name="app", where="app.yml", findings=findings)
        return not findings

    def test_it_knows_every_key(self) -> None:
        schema = VALIDATOR.schema
        jsonschema.Draft202012Validator.check_schema(schema)
        assert list(schema["properties"]) == list(presets._KEYS)
        assert schema["properties"]["excludes"]["items"]["properties"]["reason"]["examples"] == list(presets.REASONS)
        assert all(field["description"] for field in schema["properties"].values())

    @pytest.mark.parametrize("key", presets._KEYS)
    def test_schema_and_reader_want_the_same_keys(self, key: str) -> None:
        without = {known: value for known, value in self.WHOLE.items() if known != key}
        assert VALIDATOR.is_valid(without) == self.reads(without) == (key not in ("description", "paths"))

    @pytest.mark.parametrize("other", [False, 7, "", "a\nb", "x", {}, {"a": 1}, [7], ["("], [""]], ids=repr)
    @pytest.mark.parametrize("key", [*presets._KEYS, "tier"])
    def test_what_the_reader_takes_the_schema_takes(self, key: str, other: t.Any) -> None:
        changed = {**self.WHOLE, key: other}
        assert VALIDATOR.is_valid(changed) or not self.reads(changed)
        # that it compiles is more than a schema can say
        if key != "secrets":
            assert self.reads(changed) or not VALIDATOR.is_valid(changed)
