# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that change while they are read, by programs that do nothing else: read again, marked, never mixed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.tests.lab import describe
from ansible_collections.holdfast.config.tests.lab.nspawn import PYTHON, Machine
from ansible_collections.holdfast.config.tests.system.lab import CANARY, Lab
from ansible_collections.holdfast.config.tests.unit.plugins.module_utils import ways

from .reading import manifest

TOP = "/srv/steady"
RESTORED = "/srv/steady restored"
GROWING = f"{TOP}/growing/log"
REPLACED = f"{TOP}/replaced/file"
SWAPPED = f"{TOP}/swapped"
OUTSIDE = "/srv/outside"
WALKS = 25

# each says who it is once it has begun, and never ends
APPEND = f"""
import os, time
with open({GROWING!r}, "ab", buffering=0) as log:
    os.truncate({GROWING!r}, 24 << 20)  # reading it takes a while
    print(os.getpid(), flush=True)
    while True:
        log.write(b"x")
        time.sleep(0.0005)
"""
REPLACE = f"""
import os
print(os.getpid(), flush=True)
while True:
    for text in (b"one\\n", b"two\\n"):
        with open({REPLACED!r} + ".new", "wb") as new:
            new.write(b"{CANARY} " + text * 100_000)
        os.rename({REPLACED!r} + ".new", {REPLACED!r})
"""
# the last argument exchanges both names in one step: renameat2(2)
SWAP = f"""
import ctypes, os
rename, here = ctypes.CDLL(None, use_errno=True).renameat2, -100
first, second = b"{SWAPPED}/d", b"{SWAPPED}.link"
assert rename(here, first, here, second, 2) == 0, os.strerror(ctypes.get_errno())
print(os.getpid(), flush=True)
while True:
    rename(here, first, here, second, 2)
"""
MADE = f"""
mkdir -p {TOP}/growing {TOP}/replaced {SWAPPED}/d/below {OUTSIDE}/below
for file in {GROWING} {REPLACED} {SWAPPED}/d/inside {SWAPPED}/d/below/inside; do echo {CANARY} > $file; done
for file in {OUTSIDE}/inside {OUTSIDE}/below/inside {OUTSIDE}/secret; do echo 'of others' > $file; done
ln -s {OUTSIDE} {SWAPPED}.link
"""


@contextlib.contextmanager
def at_work(host: Machine, program: str) -> Iterator[None]:
    """Run a program on the host meanwhile."""
    running = host.start(PYTHON, "-c", program, stdout=subprocess.PIPE)
    assert running.stdout is not None
    process = running.stdout.readline().strip()
    try:
        yield
    finally:
        # one that had ended would have changed nothing for a while: then this fails
        host.run("kill", "-KILL", process)
        running.wait()


@pytest.fixture(scope="module")
def steady(host: Machine) -> Machine:
    """A host with files to be changed."""
    host.run("sh", "-euc", MADE)
    return host


def walked(host: Machine, *paths: str) -> dict[str, t.Any]:
    """What the host's half answers."""
    program = Path(_tree.__file__).read_bytes()
    request = ways.capture_request(Path("/"), ways.component(*paths), op="entries", bytes=1 << 26)
    text = b"%d\n%s%s\n" % (len(program), program, json.dumps(request).encode())
    printed = host.run(PYTHON, "-I", "-S", "-c", _tree.BOOTSTRAP, text=text).stdout.decode()
    header, _rest = ways.unpack(printed.removeprefix(_tree.MARK).strip())
    return header["components"]["app"]


def test_what_keeps_growing_is_marked_and_restores(steady: Machine, lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(steady, growing=[f"{TOP}/growing"])
    with at_work(steady, APPEND):
        lab.play("holdfast.config.backup").ok()
    (captured,) = manifest(lab).components
    assert captured.marks == (f"changed while read: {GROWING}",)
    (point,) = lab.points()
    assert [finding.check for finding in point.body.consistency] == ["marks"]
    lab.play([{"name": "restore", "holdfast.config.restore": {"under": RESTORED, "newest": True}}]).ok()
    told = steady.python(Path(describe.__file__), f"{RESTORED}{TOP}/growing")
    (entry,) = [keyed.entry for keyed in captured.entries if keyed.entry.path == GROWING]
    assert told["log"]["size"] == entry.size


def test_what_is_replaced_all_the_time_is_one_of_the_files_that_were_there(steady: Machine) -> None:
    texts = [f"{CANARY} ".encode() + text * 100_000 for text in (b"one\n", b"two\n")]
    whole = {hashlib.sha256(text).hexdigest() for text in texts}
    with at_work(steady, REPLACE):
        for _walk in range(WALKS):
            component = walked(steady, f"{TOP}/replaced/file")
            (entry,) = component["listing"]
            assert entry["sha256"] in whole
            assert component["changed_while_read"] in ([], [REPLACED])


def test_a_folder_swapped_for_a_symlink_never_leads_outside(steady: Machine) -> None:
    seen = set()
    outside = hashlib.sha256(b"of others\n").hexdigest()
    with at_work(steady, SWAP):
        for _walk in range(WALKS):
            component = walked(steady, SWAPPED)
            entries = {entry["path"]: entry for entry in component["listing"]}
            assert outside not in {entry.get("sha256") for entry in entries.values()}
            seen.add(entries.get(f"{SWAPPED}/d", {"kind": "none"})["kind"])
            assert f"{SWAPPED}/d/secret" not in entries
            if f"{SWAPPED}/d" not in entries:
                assert [f"{SWAPPED}/d", "replaced again and again while it was read"] in component["left_out"]
    assert seen <= {"dir", "symlink", "none"}
