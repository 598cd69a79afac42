# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preset files are found by name, read once, and judged like any foreign input."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import safe_yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import presets
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DependencyMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Exclude, Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.preset import Evidence, Preset
from hypothesis import given
from hypothesis import strategies as st

WHOLE = """
description: Our application
paths: [/etc/app, /opt/app/etc/]
excludes: [{pattern: '*.bak', reason: left by our editor}]
volatile: [/etc/app/seen]
secrets: ['^key (?P<secret>.*)$']
preserve: ['*.key']
validate: [app, --check, --check]
reload: [app.service]
unreadable: leave_out
evidence: {level: real, against: app 1.2}
"""
LEAST: dict[str, t.Any] = {"description": "Our application", "paths": ["/etc/app"]}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of one's own presets."""
    folder = tmp_path / "presets"
    folder.mkdir()
    return folder


def find(name: str, *folders: Path) -> tuple[Preset | None, list[Finding]]:
    findings: list[Finding] = []
    return presets.finder(folders)(name, "holdfast_components[0].preset", findings), findings


def told(text: str | bytes, folder: Path) -> str:
    """The one finding that a file gives."""
    path = folder / "app.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    preset, findings = presets.read(path)
    assert preset is None
    (finding,) = findings
    assert finding.key.startswith(str(path))
    assert finding.remedy.endswith(".")
    return str(finding).replace(str(path), "app.yml")


class TestFinding:
    def test_a_file_says_all_of_it(self, own: Path) -> None:
        (own / "app.yml").write_text(WHOLE)
        assert find("app", own) == (
            Preset(
                name="app",
                description="Our application",
                paths=("/etc/app", "/opt/app/etc"),
                excludes=(Exclude("*.bak", "left by our editor"),),
                unreadable="leave_out",
                volatile=("/etc/app/seen",),
                handling=Handling(
                    secrets=("^key (?P<secret>.*)$",),
                    preserve=("*.key",),
                    validate=("app", "--check", "--check"),
                    reload=("app.service",),
                ),
                evidence=Evidence("real", "app 1.2"),
            ),
            [],
        )

    def test_description_and_paths_are_enough(self, own: Path) -> None:
        (own / "app.yml").write_text(yaml.safe_dump(LEAST))
        preset = Preset(name="app", description="Our application", paths=("/etc/app",))
        assert find("app", own) == (preset, [])

    def test_ones_own_come_before_the_built_in_ones_in_the_order_given(self, own: Path, tmp_path: Path) -> None:
        assert find("nginx")[0] == find("nginx", own)[0]
        (own / "nginx.yml").write_text(WHOLE)
        other = tmp_path / "other"
        other.mkdir()
        (other / "nginx.yml").write_text(WHOLE.replace("Our", "Their"))
        found = [find("nginx", *folders)[0] for folders in ((own, other), (other, own))]
        assert [preset.description for preset in found if preset] == ["Our application", "Their application"]

    def test_an_unknown_one_lists_near_names_of_all_folders(self, own: Path) -> None:
        (own / "nginy.yml").write_text(WHOLE)
        preset, (finding,) = find("ngimx", own)
        assert preset is None
        assert finding.key == "holdfast_components[0].preset"
        assert finding.problem == "no preset 'ngimx'"
        assert "nginx" in finding.remedy
        assert "nginy" in finding.remedy

    def test_where_no_name_is_near_all_are_listed(self, own: Path) -> None:
        remedy = find("qqqqqqq", own)[1][0].remedy
        assert {"accounts", "ssh", "systemd"} <= set(remedy.removeprefix("There are: ").removesuffix(".").split(", "))

    def test_only_files_with_a_name_of_a_component_are_presets(self, own: Path) -> None:
        for name in ("app.yml", "App.yml", "app.yaml", ".app.yml", "app"):
            (own / name).write_text(WHOLE)
        assert presets.names(own) == ("app",)
        assert presets.names(own / "app") == ()
        assert presets.names(own / "none") == ()

    def test_a_folder_that_went_away_is_passed_over(self, own: Path) -> None:
        (own / "file").write_text("")
        assert find("sudo", own / "none", own / "file")[1] == []

    def test_a_file_is_read_once_while_it_stays_as_it_is(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = own / "app.yml"
        path.write_text(WHOLE)
        first = find("app", own)[0]
        loads = []
        load = yaml.load
        monkeypatch.setattr(yaml, "load", lambda *given_, **more: loads.append(1) or load(*given_, **more))
        assert find("app", own)[0] is first
        assert loads == []
        path.write_text(WHOLE.replace("Our", "Another"))
        changed = find("app", own)[0]
        assert changed is not None
        assert changed.description == "Another application"
        assert loads == [1]

    def test_nothing_but_what_is_named_is_opened(self, own: Path) -> None:
        (own / "app.yml").write_text(WHOLE)
        (own / "broken.yml").write_text("[")
        assert find("app", own)[1] == []

    def test_without_pyyaml(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(safe_yaml, "yaml", None)
        (own / "app.yml").write_text(WHOLE)
        with pytest.raises(DependencyMissingError, match="PyYAML is not installed"):
            find("app", own)


class TestFolders:
    def read(self, value: t.Any) -> tuple[tuple[Path, ...], list[str]]:
        findings: list[Finding] = []
        return presets.read_folders(value, findings), [str(finding) for finding in findings]

    def test_none(self) -> None:
        assert self.read(None) == self.read([]) == ((), [])

    def test_absolute_or_of_ones_home(self, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert self.read([str(own), "~/presets", str(tmp_path)]) == ((own, own, tmp_path), [])

    @pytest.mark.parametrize(
        ("value", "says"),
        [
            ("/etc", "is not a list"),
            ([7], "7 is not a text"),
            (["presets"], "'presets' is not absolute"),
            (["/etc/passwd"], "'/etc/passwd' is no folder"),
            (["/none\0"], "is not a text"),
            ({"/etc": 1}, "is not a list"),
        ],
        ids=str,
    )
    def test_anything_else_is_told(self, value: t.Any, says: str) -> None:
        folders, (finding,) = self.read(value)
        assert folders == ()
        assert finding.startswith("holdfast_component_paths: ")
        assert says in finding


class TestBroken:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "app.yml: is not a mapping"),
            ("- nginx", "app.yml: is not a mapping"),
            ("a: [", "app.yml: is not YAML (line "),
            ("a: b\nc: d: e\n", "app.yml: is not YAML (line 2): mapping values are not allowed"),
            ("paths: [/a]\ndescription: x\npaths: [/b]\n", "app.yml: is not YAML (line 1): 'paths' stands twice"),
            ("a: !!python/object/apply:os.getcwd []", "app.yml: is not YAML (line 1): could not determine a constr"),
            ("a: 2026-99-99", "app.yml: is not YAML"),
            (b"a: \xff", "app.yml: is not YAML"),
            ("[" * 5000, "app.yml: is not YAML"),
            ("a: &a [*a, *a]\nb: {? {c: d} : e}", "app.yml: is not YAML"),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_what_is_no_preset_at_all(self, own: Path, text: str, says: str) -> None:
        path = own / "app.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        preset, findings = presets.read(path)
        assert preset is None
        assert says in str(findings[0]).replace(str(path), "app.yml")

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"description": None}, "app.yml: description: is not one line of text"),
            ({"description": "a\nb"}, "app.yml: description: is not one line of text"),
            ({"paths": None}, "app.yml: paths: no list of paths"),
            ({"paths": ["etc/app"]}, "app.yml: paths: 'etc/app' is not absolute"),
            ({"excludes": [{"pattern": "x"}]}, "app.yml: excludes[0]: lacks a pattern or a reason"),
            ({"volatile": {"a": 1}}, "app.yml: volatile: is not a list"),
            ({"secrets": ["("]}, "app.yml: secrets: '(' is no regular expression"),
            ({"validate": "app --check"}, "app.yml: validate: is not a list"),
            ({"validate": ["app", 7]}, "app.yml: validate: 7 is not a text"),
            ({"reload": ["app"]}, "app.yml: reload: 'app' is no systemd unit"),
            ({"unreadable": False}, "app.yml: unreadable: False is unknown"),
            ({"evidence": "real"}, "app.yml: evidence: is no evidence"),
            ({"evidence": {"level": "real"}}, "app.yml: evidence: is no evidence"),
            ({"evidence": {"level": "hearsay", "against": "x"}}, "app.yml: evidence: is no evidence"),
            ({"tier": "tier0"}, "app.yml: tier: is not a key of a preset. Known here: description, paths"),
            ({7: 8}, "app.yml: 7: is not a key of a preset"),
        ],
        ids=str,
    )
    def test_a_finding_names_the_file_and_the_key(self, own: Path, change: dict[t.Any, t.Any], says: str) -> None:
        assert says in told(yaml.safe_dump({**LEAST, **change}), own)

    def test_all_findings_are_told_at_once(self, own: Path) -> None:
        (own / "app.yml").write_text("{paths: [etc], reload: [x], unreadable: never}")
        _preset, findings = find("app", own)
        keys = [finding.key.rpartition(": ")[2] for finding in findings]
        assert keys == ["description", "paths", "unreadable", "reload"]

    def test_what_stands_in_a_broken_file_is_not_repeated(self, own: Path) -> None:
        """It may be a file of something else."""
        assert "hunter2" not in told("password: hunter2: x", own)
        assert "hunter2" not in told("password: 'hunter2", own)

    def test_what_is_no_file_of_text(self, own: Path) -> None:
        (own / "app.yml").mkdir()
        assert "is no file of 262144 bytes at most" in str(find("app", own)[1][0])
        (own / "big.yml").write_bytes(b"#" * 262145)
        assert "is no file of 262144 bytes at most" in str(find("big", own)[1][0])
        os.mkfifo(own / "pipe.yml")
        assert "is no file of 262144 bytes at most" in str(find("pipe", own)[1][0])
        (own / "loop.yml").symlink_to("loop.yml")
        assert "loop.yml cannot be read" in str(find("loop", own)[1][0])

    def test_a_file_that_goes_away_meanwhile(self, own: Path) -> None:
        path = own / "app.yml"
        path.write_text(WHOLE)
        found = os.stat(path)
        path.unlink()
        preset, (finding,) = presets.read(path, found)
        assert preset is None
        assert "cannot be read" in str(finding)

    @given(data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
    def test_whatever_a_file_holds_it_is_read_or_told(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.yml"
        path.write_bytes(data)
        presets._read.cache_clear()
        preset, findings = presets.read(path)
        assert (preset is None) == bool(findings)

    @given(
        value=st.dictionaries(
            st.sampled_from([*presets._KEYS, "other"]) | st.integers(0, 3),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.dates(),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["pattern", "reason", "level", "against"]) | st.text(max_size=3),
                        inner,
                        max_size=3,
                    )
                ),
                max_leaves=6,
            ),
        )
    )
    def test_whatever_its_keys_hold_it_is_judged(self, value: dict[t.Any, t.Any]) -> None:
        findings: list[Finding] = []
        preset = presets.judge(value, name="app", where="app.yml", findings=findings)
        assert findings or (preset.paths and preset.description)
        assert all(str(finding).startswith("app.yml") and finding.remedy for finding in findings)
