# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content that is too large for one answer, over real SSH: each host of one play is reached by a way of its own."""

from __future__ import annotations

import random
import stat
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.proxy import Plan, proxy
from ansible_collections.holdfast.config.tests.lab.sshd import Host, sshds
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, tree

RUN = [OPEN, SNAPSHOT, SEAL]
MIB = 1024 * 1024
# what an answer holds is 16 MiB: this comes in two ranges
TURNS = 18
NO_STDIN = {"ansible_become": True, "ansible_become_method": "itself"}
COLD = {"ansible_ssh_args": "-o ControlMaster=no"}
WAYS: dict[str, dict[str, t.Any]] = {
    "piped": {},
    "module": NO_STDIN,
    "auto": {"ansible_python_interpreter": "auto_silent"},
}
# the content, and its ranges
TRIPS = 1 + 2


@pytest.fixture
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """No hosts, and an empty repository."""
    return new_lab(0)


def fill(lab: Lab, names: list[str]) -> None:
    """Give each host a file that cannot be compressed, with the canary in it."""
    lab.hosts = names
    block = random.Random(14).randbytes(MIB)
    for name in names:
        lab.fill(name)
        with (lab.app(name) / "database").open("wb") as file:
            for turn in range(TURNS):
                file.write(f"{CANARY} {name} {turn}\n".encode())
                file.write(block)


def left(lab: Lab) -> list[Path]:
    """The files in the hosts' temporary folder."""
    return [path for path in (lab.path / "remote").rglob("*") if path.is_file()]


def test_large_content_comes_by_every_way(lab: Lab, tmp_path: Path) -> None:
    fill(lab, list(WAYS))
    with sshds(tmp_path / "sshd", dict.fromkeys(WAYS, Host())) as running:
        lab.host_variables = {name: {**running[name].variables(), **more} for name, more in WAYS.items()}
        run = lab.play(RUN, "-vvvv", "--forks", "2").ok()
        assert run.report["complete"]
        assert running["piped"].sessions() == TRIPS
        assert left(lab) == []
        restore = {"newest": True, "under": f"{lab.path}/back/{{{{ inventory_hostname }}}}"}
        lab.play([{"name": "restore", "holdfast.config.restore": restore}], "--limit", "piped,module").ok()
        for name in ("piped", "module"):
            assert tree(lab.path / "back" / name / str(lab.app(name)).lstrip("/")) == tree(lab.app(name))
        assert left(lab) == []
    assert lab.sound().unsealed == 0


def test_a_connection_that_is_cut_within_a_range_leaves_a_private_file_and_nothing_else(
    lab: Lab, tmp_path: Path
) -> None:
    fill(lab, ["web1"])
    with sshds(tmp_path / "sshd", {"web1": Host()}) as running:
        with proxy(running["web1"].port, Plan("down", 8 * MIB)) as cut:
            lab.host_variables["web1"] = {**running["web1"].variables(port=cut.port), **COLD}
            run = lab.play(RUN)
            assert cut.passed["down"] == 8 * MIB
        assert run.rc == 4, run.output
        assert not lab.points()
        assert not [path for path in lab.stored() if path.startswith("packs/")]
        (file,) = left(lab)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
        lab.host_variables["web1"] = {**running["web1"].variables(), **COLD}
        lab.play(RUN).ok()
        assert left(lab) == [file]
    assert lab.sound().unsealed == 0
