# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file system that has no room for what comes back: the restore says where, and what was there stays whole."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import describe
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

LIVE = "/srv/disk"
SMALL = "/srv/small"
BACKUP = [OPEN, SNAPSHOT, SEAL]
RESTORE = {"name": "restore", "holdfast.config.restore": {"under": SMALL, "newest": True}}


@pytest.fixture
def mounted(host: Machine) -> Iterator[Callable[[str], None]]:
    """Mounts a tmpfs with these options where things are restored."""

    def mount(options: str) -> None:
        host.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", SMALL)

    host.run("sh", "-euc", f"rm -rf {LIVE}; mkdir -p {LIVE} {SMALL}")
    yield mount
    host.run("umount", SMALL)


def described(host: Machine) -> dict[str, dict[str, t.Any]]:
    """What stands there now."""
    return host.python(Path(describe.__file__), SMALL)


def small(version: int, *names: str) -> str:
    """A script that writes a version of small files."""
    return "".join(f"echo {CANARY} {version} {name} > {LIVE}/{name}\n" for name in names)


def test_content_for_which_there_is_no_room_is_named_before_anything_is_written(
    host: Machine, lab_of: Callable[..., Lab], mounted: Callable[[str], None]
) -> None:
    mounted("size=1m")
    lab = lab_of(host, disk=[LIVE])
    host.run("sh", "-euc", small(1, "a", "z"))
    lab.play([*BACKUP, RESTORE]).ok()
    before = described(host)
    host.run("sh", "-euc", f"{small(2, 'a', 'z')} head -c 2097152 /dev/urandom > {LIVE}/big")
    failed = lab.play([*BACKUP, RESTORE])
    assert failed.rc == 2
    assert f"{LIVE}/big" in failed.on("restore").message
    assert "nothing was written" in failed.on("restore").message
    assert described(host) == before
    # what is sparse takes no room
    host.run("sh", "-euc", f"truncate -s 0 {LIVE}/big; truncate -s 2097152 {LIVE}/big")
    lab.play([*BACKUP, RESTORE]).ok()
    big = described(host)[f"{LIVE.strip('/')}/big"]
    assert (big["size"], big["data"]) == (2097152, [])


def test_a_disk_that_fills_up_half_way_leaves_every_file_old_or_new(
    host: Machine, lab_of: Callable[..., Lab], mounted: Callable[[str], None]
) -> None:
    """There is room for bytes and none for names."""
    names = [f"n{number:02}" for number in range(20)]
    mounted("size=1m,nr_inodes=16")
    lab = lab_of(host, disk=[LIVE])
    host.run("sh", "-euc", small(1, "n00", "n19"))
    lab.play([*BACKUP, RESTORE]).ok()
    before = described(host)
    host.run("sh", "-euc", small(2, *names))
    live = host.python(Path(describe.__file__), LIVE)
    failed = lab.play([*BACKUP, RESTORE])
    assert failed.rc == 2
    assert f"ENOSPC on {LIVE}/n" in failed.on("restore").message
    after = {path.removeprefix(f"{LIVE.strip('/')}/"): told for path, told in described(host).items()}
    assert not [path for path in after if ".holdfast" in path]
    assert after["n19"] == before[f"{LIVE.strip('/')}/n19"]
    new = [name for name in names if name in after and name != "n19"]
    assert {name: after[name] for name in new} == {name: live[name] for name in new}
    assert 1 < len(new) < len(names) - 1
    # what broke off is made whole by the next one
    host.run("mount", "-o", "remount,nr_inodes=100", SMALL)
    assert lab.play([RESTORE]).ok().on("restore").result["equal"]
