# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run takes of a host: memory that does not grow with content, and a low priority."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.unit.plugins.module_utils import ways

FILES, FOLDERS = 20_000, 40
# 200 MB of small files, and one that is large
SIZE, LARGE = 10_000, 32 << 20
ROOM_KIB = 12 << 10

# a small process starts it: what a large one starts is told to have been as large (getrusage(2), RUSAGE_CHILDREN)
LAUNCH = """\
import resource, subprocess, sys
with open(sys.argv[2], "rb") as request:
    half = [sys.executable, "-I", "-S", "-c", sys.argv[1]]
    subprocess.run(half, stdin=request, stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def fill(folder: Path, size: int, large: int) -> None:
    """Make so many files of a size, and a large one."""
    for number in range(FOLDERS):
        below = folder / f"folder{number:02}"
        below.mkdir(parents=True)
        for name in range(FILES // FOLDERS):
            (below / f"file{name:04}").write_bytes(b"%010d" % name * (size // 10))
    with (folder / "large").open("wb") as stream:
        for _piece in range(large >> 20):
            stream.write(os.urandom(1 << 20))


def sent(folder: Path, op: str) -> bytes:
    """A request, as it is piped."""
    program = Path(_tree.__file__).read_bytes()
    request = ways.capture_request(folder, ways.component("/"), op=op, bytes=1 << 30, entries=1 << 20)
    return b"%d\n%s%s\n" % (len(program), program, json.dumps(request).encode())


def peak_kib(tmp_path: Path, folder: Path) -> int:
    """The peak memory of a run for fingerprints."""
    request = tmp_path / "request"
    request.write_bytes(sent(folder, "fingerprint"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, _tree.BOOTSTRAP, str(request)], check=True, capture_output=True
    )
    return int(done.stdout)


def test_memory_does_not_grow_with_content(tmp_path: Path) -> None:
    fill(tmp_path / "empty", 0, 0)
    fill(tmp_path / "full", SIZE, LARGE)
    empty, full = peak_kib(tmp_path, tmp_path / "empty"), peak_kib(tmp_path, tmp_path / "full")
    assert full < empty + ROOM_KIB
    assert full < 128 << 10


def test_the_priority_is_low_before_anything_is_done(tmp_path: Path) -> None:
    program, _line, request = sent(tmp_path, "fingerprint").rpartition(b'{"op"')
    half = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _tree.BOOTSTRAP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert half.stdin is not None
    half.stdin.write(program)
    half.stdin.flush()
    # it waits for the request
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, half.pid) >= 10, "a low priority")
    out, _err = half.communicate(_line + request)
    assert out.startswith(_tree.MARK.encode())
