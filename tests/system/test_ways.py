# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to a host, and what each of them tells to whoever reads the log: names, never content.

That no run of any test shows content is asserted for each of them, in ``lab.Running.end``.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import OPEN, SEAL, SNAPSHOT, Lab, shown, tree

RUN = [OPEN, SNAPSHOT, SEAL]
CENSORED = "stdout and stderr censored due to no log"

# what makes the way, and the halves that then run as modules
WAYS: dict[str, tuple[list[Callable[[Lab], None]], set[str]]] = {
    "no-stdin": ([Lab.without_stdin], {"host_capture", "host_apply"}),
    "unknown-python": ([Lab.unknown_python], {"host_capture"}),
    "ssh": ([Lab.over_ssh], set()),
    "ssh-no-stdin": ([Lab.over_ssh, Lab.without_stdin], {"host_capture", "host_apply"}),
    "ssh-unknown-python": ([Lab.over_ssh, Lab.unknown_python], {"host_capture"}),
}


def restoring(lab: Lab, name: str) -> dict[str, object]:
    """Restore the newest below a folder of that name."""
    under = f"{lab.path}/back/{name}/{{{{ inventory_hostname }}}}"
    return {"name": name, "holdfast.config.restore": {"newest": True, "under": under}}


def modules(output: str) -> set[str]:
    """The modules that were sent to hosts."""
    return set(re.findall(r"AnsiballZ_(\w+)\.py", output))


def came_back(lab: Lab, name: str) -> bool:
    """Whether every host's component stands below that folder as it is on the host."""
    return all(
        tree(lab.path / "back" / name / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))
        for host in lab.hosts
    )


def test_every_way_gives_the_same_fingerprints_restores_and_hides_content_from_the_log(lab: Lab) -> None:
    lab.hosts = ["web1"]
    plain = dict(lab.variables)
    first = lab.play([*RUN, restoring(lab, "local")], "-vvv").ok()
    assert modules(first.output) == set()
    assert came_back(lab, "local")
    for way, (steps, halves) in WAYS.items():
        lab.variables = dict(plain)
        for step in steps:
            step(lab)
        # the other way found what this one finds: nothing has changed
        same = lab.play(RUN).ok()
        assert {kept.result["changed"] for kept in same.all("snapshot")} == {False}, way
        for host in lab.hosts:
            lab.change(host, f"way = {way}")
        run = lab.play([*RUN, restoring(lab, way)], "-vvv").ok()
        assert {kept.result["streams"][0]["reason"] for kept in run.all("snapshot")} == {"drift"}
        assert {kept.result["equal"] for kept in run.all(way)} == {True}
        assert came_back(lab, way)
        assert modules(run.output) == halves
        assert (CENSORED in run.output) == way.startswith("ssh")
    assert lab.sound().unsealed == 0
    assert not [path for path in (lab.path / "remote").rglob("*") if path.is_file()]


def test_the_test_for_content_finds_content() -> None:
    plain = "x = CANARY-5b7f0c2e9d41"
    assert shown(plain)
    assert shown("eCA9IENBTkFSWS01YjdmMGMyZTlkNDE=")
    assert not shown("CANARY")


def test_a_log_that_would_hold_content_is_refused(lab: Lab) -> None:
    run = lab.play([SNAPSHOT], env={"ANSIBLE_DEBUG": "1"})
    assert run.rc == 2
    for host in lab.hosts:
        failed = run.on("snapshot", host)
        assert "ANSIBLE_DEBUG would print configuration content" in failed.message
        assert "Unset it" in failed.result["remedy"]
    assert not lab.points()


@pytest.mark.parametrize("part", ["repository", "keyring", "state"])
def test_what_is_written_is_for_its_owner_alone(lab: Lab, part: str) -> None:
    lab.play([*RUN, restoring(lab, "restored")]).ok()
    root = lab.path / part
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert len(modes) > 5
    folders = {str(path): oct(mode) for path, mode in modes.items() if path.is_dir() and mode != 0o700}
    files = {str(path): oct(mode) for path, mode in modes.items() if path.is_file() and mode not in (0o600, 0o400)}
    assert (folders, files) == ({}, {})


def test_a_restored_folder_is_as_private_as_what_was_sealed(lab: Lab) -> None:
    lab.app("web1").chmod(0o750)
    lab.play([*RUN, restoring(lab, "restored")]).ok()
    component = lab.path / "back" / "restored" / "web1" / str(lab.app("web1")).lstrip("/")
    kept = [Path("."), Path("keys/tls.key"), Path("app.conf"), Path("empty")]
    for path in kept:
        assert (component / path).stat().st_mode == (lab.app("web1") / path).stat().st_mode
