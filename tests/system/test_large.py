# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content that is too large for one answer: it waits on its host, comes range by range, and stays nowhere else."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, Run, shown, tree

RUN = [OPEN, SNAPSHOT, SEAL]
MIB = 1024 * 1024
# what an answer holds is 16 MiB: this comes in two ranges
LARGE = random.Random(14).randbytes(MIB)
TURNS = 18
# longer than a killed run's contents are left alone
LONG_AGO = 7200

# Like lab.FAKE_SSH, and notes each trip; `$1` is the number of this one. What follows tampers with it.
COUNTING_SSH = """\
#!/bin/sh
for last; do :; done
printf . >> {lab}/trips
set -- "$(wc -c < {lab}/trips)"
{more}
exec /bin/sh -c "$last"
"""
WAYS: dict[str, list[Callable[[Lab], None]]] = {
    "local": [],
    "local-module": [Lab.without_stdin],
    "ssh": [Lab.over_ssh],
    "ssh-module": [Lab.over_ssh, Lab.without_stdin],
}


@pytest.fixture
def large(new_lab: Callable[[int], Lab]) -> Lab:
    """A host with a file that cannot be compressed, and with the canary in it."""
    lab = new_lab(1)
    with (lab.app("web1") / "database").open("wb") as file:
        for turn in range(TURNS):
            file.write(f"{CANARY} {turn}\n".encode())
            file.write(LARGE)
    return lab


def over_counting_ssh(lab: Lab, more: str = "") -> None:
    """Reach the host by an ssh that counts its trips, and does *more* before each."""
    lab.over_ssh()
    (lab.path / "ssh").write_text(COUNTING_SSH.format(lab=lab.path, more=more))


def trips(lab: Lab) -> int:
    """How many trips were made."""
    return (lab.path / "trips").stat().st_size


def left(lab: Lab) -> list[Path]:
    """The files in the host's temporary folder."""
    return [path for path in (lab.path / "remote").rglob("*") if path.is_file()]


def elsewhere(lab: Lab) -> Iterator[Path]:
    """Every file that a run may have left, but those of the host itself."""
    for path in lab.path.rglob("*"):
        if path.is_file() and lab.path / "hosts" not in path.parents and lab.path / "back" not in path.parents:
            yield path


def refused(lab: Lab, run: Run) -> str:
    """What the task says that failed; nothing is stored of it, and nothing is left."""
    assert run.rc == 2, run.output
    assert not lab.points()
    assert not [path for path in (lab.path / "repository").rglob("*") if "packs" in path.parts and path.is_file()]
    return run.on("snapshot").message


@pytest.mark.parametrize("way", WAYS)
def test_large_content_is_captured_restored_and_left_nowhere(large: Lab, way: str) -> None:
    for step in WAYS[way]:
        step(large)
    restore = {"newest": True, "under": f"{large.path}/back"}
    large.play([*RUN, {"name": "restore", "holdfast.config.restore": restore}], "-vvvv").ok()
    assert tree(large.path / "back" / str(large.app("web1")).lstrip("/")) == tree(large.app("web1"))
    assert left(large) == []
    for path in elsewhere(large):
        assert not shown(path.read_bytes().decode("latin-1")), path
    assert large.sound().unsealed == 0
    again = large.play(RUN).ok()
    assert again.on("snapshot").result["streams"][0]["reason"] == "unchanged"


def test_small_content_takes_no_further_trip_and_large_content_one_for_each_range(large: Lab) -> None:
    over_counting_ssh(large)
    (large.app("web1") / "database").rename(large.path / "database")
    large.play(RUN).ok()
    small = trips(large)
    (large.path / "database").rename(large.app("web1") / "database")
    large.play(RUN).ok()
    # fingerprints, content, and two ranges
    assert (small, trips(large) - small) == (1, 4)


TAMPERS = {
    "flipped": "printf X | dd of=$file bs=1 seek=17500000 conv=notrunc status=none",
    "cut": "truncate -s 9000000 $file",
    "removed": "rm $file",
}


@pytest.mark.parametrize("tamper", TAMPERS)
def test_what_happens_to_it_on_the_way_is_noticed_and_nothing_is_stored(large: Lab, tamper: str) -> None:
    over_counting_ssh(
        large, f'file=$(ls {large.path}/remote/.holdfast-*/contents 2>&1) && [ "$1" = 3 ] && {TAMPERS[tamper]}'
    )
    message = refused(large, large.play(RUN))
    assert "content" in message
    assert "web1" in message
    assert "Run again" in message
    assert left(large) == []
    over_counting_ssh(large)
    large.play(RUN).ok()
    assert large.sound().snapshots == 1


def test_a_full_disk_of_the_host_is_an_error_by_name(large: Lab) -> None:
    # in blocks of 512 bytes: no file of the host may be larger than 8 MiB
    over_counting_ssh(large, "ulimit -f 16384")
    message = refused(large, large.play(RUN))
    assert f"{large.path}/remote has no room for the contents" in message
    assert "EFBIG" in message
    assert "ansible_remote_tmp" in message
    assert left(large) == []


def test_a_host_without_a_folder_for_it_says_so(large: Lab) -> None:
    (large.path / "remote").write_text("no folder")
    over_counting_ssh(large)
    large.variables["ansible_system_tmpdirs"] = []
    message = refused(large, large.play(RUN))
    assert "no folder can be made for contents as large as these" in message
    assert f"{large.path}/remote" in message


def test_what_a_killed_trip_leaves_is_private_and_swept_by_a_later_run(large: Lab) -> None:
    # the network goes away for good after the content was asked for
    over_counting_ssh(large, '[ "$1" -ge 2 ] && exit 255')
    run = large.play(RUN)
    assert run.rc == 4, run.output
    (file,) = left(large)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    over_counting_ssh(large)
    # another run may be reading it
    large.play(RUN).ok()
    assert left(large) == [file]
    old = file.parent.stat().st_mtime - LONG_AGO
    os.utime(file.parent, (old, old))
    large.play(RUN).ok()
    assert left(large) == []


def test_a_component_has_the_limit_that_it_declares(large: Lab) -> None:
    component = large.variables["holdfast_components"][0]
    component["max_bytes"] = "10MiB"
    message = refused(large, large.play(RUN))
    assert f"component app holds more than {10 * MIB} bytes" in message
    assert f"{large.app('web1')}/database (" in message
    assert "raise its max_bytes" in message
    component["max_bytes"] = "20MiB"
    large.play(RUN).ok()
    # what a component may hold is no part of what it is
    component["max_bytes"] = "30MiB"
    assert large.play(RUN).ok().on("snapshot").result["streams"][0]["reason"] == "unchanged"
    component["max_bytes"] = "2GiB"
    assert "'2GiB' is no size that a component may have" in large.play(RUN).on("snapshot").message
