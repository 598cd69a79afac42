# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runbook of devices has people paste cuts off what stands above a configuration, and nothing of it."""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms

HERE = Path(__file__).resolve().parent
SAMPLES = HERE / "plugins" / "plugin_utils" / "capture" / "platforms"
TRANSCRIPTS = HERE.parent / "lab" / "devices" / "transcripts"
RUNBOOK = (HERE.parents[1] / "docs" / "runbooks" / "restore_device.md").read_text(encoding="utf-8")
(CUT,) = re.findall(r"```bash\n(cut_from\(\) \{\n.*?\n\})\n```", RUNBOOK, re.DOTALL)
SECTIONS = {
    "ios": "IOS, IOS XE",
    "nxos": "NX-OS",
    "eos": "EOS",
    "junos": "Junos",
    "vyos": "VyOS",
    "frr": "FRRouting",
}
ITEMS = [(platform, "running") for platform in SECTIONS] + [("vyos", "startup")]
# above each configuration something may stand
HEADER = "Building configuration...\n\n! Command: show running-config\n!Time: now\nCurrent configuration : 9 bytes\n"


def call(platform: str, item: str) -> str:
    """The command that cuts an item's text, with what follows it in its line."""
    section = RUNBOOK.split(f"\n### {SECTIONS[platform]}\n", 1)[1].split("\n### ", 1)[0]
    calls = re.findall(r"^(?:text=\S+/(\w+)\n)?(cut_from .*)$", section, re.MULTILINE)
    return {named or "running": command for named, command in calls}[item]


def cut(command: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "sealed").write_text(text)
    script = f"text=sealed\n{CUT}\n{command}"
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def begins(platform: str, item: str) -> str:
    found = platforms.find(platform).item(item)
    assert found is not None
    assert found.begin
    return found.begin


def texts(platform: str, item: str) -> Iterator[str]:
    """Texts of a platform that are whole, and one for each of the first lines that its rules know."""
    known = yaml.safe_load((SAMPLES / f"{platform}.yml").read_text())["items"]
    yield from known.get(item, {}).get("whole", ())
    transcript = TRANSCRIPTS / f"{platform}.yml"
    if transcript.exists() and item == "running":
        told = yaml.safe_load(transcript.read_text())
        asked = platforms.find(platform).item(item)
        assert asked is not None
        yield told["answers"][asked.ask].replace("{config}", told["config_text"])
    for first in FIRST[platform, item]:
        yield f"{HEADER}{first}\n x\n!\nhostname r1\nend\n"


FIRST = {
    ("ios", "running"): ["version 15.2", "service timestamps", "hostname r1"],
    ("nxos", "running"): ["version 9.3(8) Bios:version"],
    ("eos", "running"): [
        "! device: r1 (EOS)",
        "!",
        "hostname r1",
        "transceiver qsfp default-mode 4x10G",
        "service routing protocols model ribd",
        "spanning-tree mode mstp",
    ],
    ("junos", "running"): ["version 21.4R3;", "groups {", "apply-groups node0;", "system {"],
    ("vyos", "running"): ["set interfaces ethernet eth0 address '192.0.2.1/24'"],
    ("vyos", "startup"): ["interfaces {", "firewall-2 {"],
    ("frr", "running"): ["frr version 8.4.4"],
}


@pytest.mark.parametrize(("platform", "item"), ITEMS)
def test_all_of_a_configuration_is_left_and_nothing_above_it(platform: str, item: str, tmp_path: Path) -> None:
    begin = re.compile(begins(platform, item))
    samples = list(texts(platform, item))
    assert len(samples) > 1
    for text in samples:
        lines = text.splitlines()
        first = next(number for number, line in enumerate(lines) if begin.search(line))
        wanted = [line for line in lines[first:] if platform != "frr" or line != "end"]
        done = cut(call(platform, item), text, tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "running.cfg").read_text().splitlines() == wanted


@pytest.mark.parametrize(("platform", "item"), ITEMS)
def test_what_holds_no_configuration_leaves_no_file(platform: str, item: str, tmp_path: Path) -> None:
    (tmp_path / "running.cfg").write_text("another's\n")
    done = cut(call(platform, item), HEADER, tmp_path)
    assert done.returncode != 0
    assert "load nothing" in done.stderr
    assert not (tmp_path / "running.cfg").exists()


def test_others_may_not_read_it(tmp_path: Path) -> None:
    old = tmp_path / "running.cfg"
    old.touch()
    old.chmod(0o644)
    cut(call("ios", "running"), "hostname r1\nend\n", tmp_path)
    assert stat.S_IMODE((tmp_path / "running.cfg").stat().st_mode) == 0o600
