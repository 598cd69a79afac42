# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table that ends a run, as people see it."""

from __future__ import annotations

import textwrap

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, RunError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import run_report
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint, PointFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_report import HostLine, PointReport, render
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import FILES, Lab

ID = "ab" * 32
PLAYBOOK = "ansible-playbook holdfast.config.restore"
FIRST = "web-1.example.org"
SEAL = "holdfast.config.recovery_point state=sealed"
HOSTS = (
    HostLine(FIRST, 2, 0, 0, None, missing=False),
    HostLine("web-2", 0, 2, 4_200_000, None, missing=False),
)


def report(*hosts: HostLine, **more: object) -> PointReport:
    given: dict[str, object] = {
        "run": "a" * 16,
        "point": "main",
        "repository": "prod",
        "location": "file:///srv/backup",
        "check": False,
        "sealed": True,
        "complete": True,
        "id": ID,
        "hosts": hosts or HOSTS,
        **more,
    }
    return PointReport(**given)


def golden(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def test_a_complete_point() -> None:
    assert render(report()) == golden(f"""
        host               unchanged  changed  failed  missing  stored
        web-1.example.org          2        -       -        -     0 B
        web-2                      -        2       -        -  4.2 MB
        recovery point  {ID} (main, complete)
        where           prod at file:///srv/backup
        next            restore: {PLAYBOOK} --limit {FIRST} -e restore_recovery_point={ID} -e restore_under=/path
    """)


def test_one_host_needs_no_limit() -> None:
    assert f"restore: {PLAYBOOK} -e restore_recovery_point={ID}" in render(report(HOSTS[1]))


def test_what_is_left_out_without_being_excluded() -> None:
    gaps = tuple(f"'/etc/{number}' (unreadable)" for number in range(7))
    text = render(report(HOSTS[1], HostLine("web-3", 2, 0, 0, None, missing=False, gaps=gaps)))
    listed = ", ".join(gaps[:5])
    assert f"\n  web-3: left out {listed} and 2 more\n" in text
    assert "web-2: left out" not in text


def test_failed_and_missing_hosts() -> None:
    hosts = (
        HOSTS[1],
        HostLine("web-3", 0, 0, 0, "the host went away (host web-3). Look at it.", missing=False),
        HostLine("web-4", 0, 0, 0, None, missing=True),
    )
    assert render(report(*hosts, complete=False)) == golden(f"""
        host   unchanged  changed  failed  missing  stored
        web-2          -        2       -        -  4.2 MB
        web-3          -        -       1        -     0 B
        web-4          -        -       -        1     0 B
          web-3: the host went away (host web-3). Look at it.
        recovery point  {ID} (main, NOT COMPLETE)
        where           prod at file:///srv/backup
        next            correct the hosts named and back them up again; what was captured is safe
    """)


def test_what_became_of_silent_streams() -> None:
    lost = tuple(f"gone-{number}/tier1: is gone" for number in range(7))
    text = render(report(HOSTS[1], carried=3, carry_waiting=12, carry_failed=lost))
    told = "3 carried, 12 wait for the next run, 7 NOT CARRIED: their last copy is at stake"
    assert f"\nsilent streams  {told}\nwhere " in text
    assert text.count("is gone") == 5
    assert "silent streams  1 carried\n" in render(report(carried=1))
    assert "silent" not in render(report())


def test_an_unsealed_point() -> None:
    text = render(report(HOSTS[1], sealed=False, complete=False, id=None, point="post"))
    assert text == golden(f"""
        host   unchanged  changed  failed  missing  stored
        web-2          -        2       -        -  4.2 MB
        recovery point  - (post, unsealed)
        where           prod at file:///srv/backup
        next            seal it: {SEAL}, in the same run; until then nothing of it counts
    """)


def test_check_mode() -> None:
    text = render(report(HOSTS[1], check=True, id=None))
    assert text.endswith("next            nothing was stored (check mode)")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (4_200_000, "4.2 MB"),
        (5_000_000_000, "5.0 GB"),
        (7_000_000_000_000, "7000.0 GB"),
    ],
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert run_report.human(size) == text


class TestGather:
    """What the run folder tells at any moment."""

    RUN = "a" * 16

    def one(self, lab: Lab) -> PointReport:
        (found,) = run_report.gather(lab.state_dir, self.RUN)
        return found

    def test_from_open_to_seal(self, lab: Lab) -> None:
        assert run_report.gather(lab.state_dir, self.RUN) == []
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b")
        found = self.one(lab)
        assert (found.sealed, found.complete, found.id) == (False, False, None)
        assert [line.missing for line in found.hosts] == [True, True]
        lab.snapshot(folder, MemorySource(FILES), "a")
        assert [(line.changed, line.missing) for line in self.one(lab).hosts] == [(2, False), (0, True)]
        sealed = lab.seal(folder)
        found = self.one(lab)
        assert (found.sealed, found.complete, found.id) == (True, False, sealed.id)
        assert (found.repository, found.location) == ("prod", "memory://")
        assert found.hosts[0].stored_bytes == sealed.stored_bytes

    def test_a_failed_host(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b")
        broken = MemorySource(FILES)
        broken.failure = CaptureError("no such path", item="/etc/app")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, broken, "a")
        lab.snapshot(folder, MemorySource(FILES), "b")
        lab.seal(folder)
        text = render(self.one(lab))
        assert "  a: no such path (host a, item /etc/app)" in text
        assert "NOT COMPLETE" in text

    def test_check_mode(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, check=True)
        lab.snapshot(folder, MemorySource(FILES), check=True)
        lab.seal(folder, check=True)
        found = self.one(lab)
        assert (found.check, found.sealed, found.id) == (True, True, None)
        assert [(line.changed, line.stored_bytes) for line in found.hosts] == [(2, 0)]

    def test_rescue_seals_what_has_receipts_and_tells_the_rest(self, lab: Lab) -> None:
        folders = [lab.folder(name, run=self.RUN) for name in ("done", "empty", "left", "stuck")]
        for folder in folders:
            lab.open(folder)
        for folder in (folders[0], folders[2], folders[3]):
            lab.snapshot(folder, MemorySource(FILES))
        lab.seal(folders[0])
        asked = []

        def reseal(folder: PointFolder, opened: OpenPoint) -> None:
            asked.append(opened.point)
            if opened.point == "stuck":
                raise RunError("it cannot be")
            lab.seal(folder)

        problems = run_report.rescue(lab.state_dir, self.RUN, reseal)
        assert asked == ["left", "stuck"]
        assert problems == ["recovery point stuck stays unsealed: it cannot be"]
        assert [found.sealed for found in run_report.gather(lab.state_dir, self.RUN)] == [True, False, True, False]
