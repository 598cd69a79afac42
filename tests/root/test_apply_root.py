# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's half of a restore in place on a whole host: its root, its mounts, its systemd."""

from __future__ import annotations

import base64
import json
import secrets
import textwrap
import time
import typing as t
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import halves
from ansible_collections.holdfast.config.tests.lab import describe, nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import PYTHON, Machine
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.unit.plugins.module_utils.ways import MTIME, file_entry, plain_entry

PLACE = "/srv/inplace"
JOURNAL = "/var/lib/holdfast"
UNIT = "/etc/systemd/system/inplace.service"
# leaves a mark at each start and each reload
TEXT = f"""\
[Service]
ExecStart=/bin/sh -c 'echo start >> {PLACE}/log; exec sleep infinity'
ExecReload=/bin/sh -c 'echo reload >> {PLACE}/log; test ! -e {PLACE}/refuse'
"""


class Site:
    """A folder of the host, and restores in place of it."""

    def __init__(self, host: Machine) -> None:
        self.host = host
        self.restore = secrets.token_hex(8)
        self.entries: list[dict[str, t.Any]] = []
        self.payload = b""

    def file(self, name: str, content: bytes, **more: t.Any) -> None:
        """A file is to be there."""
        self.entries.append(file_entry(f"{PLACE}/{name}", content, **more))
        self.payload += content

    def ask(self, op: str, *, prelude: str = "", **more: t.Any) -> dict[str, t.Any]:
        """Ask the half as a controller does, in the host's root; empty where it was killed."""
        request = {"op": op, "restore": self.restore, "run": "run 7", "lease": 60, **more}
        if op in ("check", "apply"):
            request = {"root": "/", "entries": self.entries, **request}
        half = "apply" if op in ("check", "apply") else "back"
        sent = halves.piped(half, json.dumps(request).encode(), self.payload)
        done = self.host.run(PYTHON, "-I", "-S", "-c", f"{prelude}\n{_tree.BOOTSTRAP}", text=sent, check=False)
        if done.returncode != 0:
            assert prelude, done.stderr
            return {}
        plain = zlib.decompress(base64.b64decode(done.stdout.split(b" ")[1]))
        return json.loads(plain[8:])

    def done(self, op: str, **more: t.Any) -> dict[str, t.Any]:
        """The answer where it is no error."""
        answer = self.ask(op, **more)
        assert "error" not in answer, answer
        return answer

    def refused(self, kind: str, *items: str, op: str = "apply", **more: t.Any) -> dict[str, t.Any]:
        """The error where it is of that kind and names these; nothing has changed."""
        before = self.look()
        error = self.ask(op, **more)["error"]
        assert (error["type"], error["items"]) == (kind, [f"{PLACE}/{item}" for item in items]), error
        assert self.look() == before
        return error

    def look(self) -> dict[str, dict[str, t.Any]]:
        """What is there, by a witness."""
        return self.host.python(Path(describe.__file__), PLACE)

    def run(self, script: str) -> None:
        """Run a script there."""
        self.host.run("sh", "-euc", f"cd {PLACE}\n{textwrap.dedent(script)}")

    @property
    def leftovers(self) -> list[str]:
        """What of a restore is on the host."""
        found = self.host.run(
            "find", JOURNAL, "/etc/systemd/system", PLACE, "-mindepth", "1", "-name", "*holdfast-*", check=False
        )
        journals = self.host.run("find", JOURNAL, "-mindepth", "1", check=False)
        return (found.stdout + journals.stdout).decode().split()


@pytest.fixture
def site(host: Machine) -> Iterator[Site]:
    """A folder with two files in it."""
    site = Site(host)
    host.run("sh", "-euc", f"mkdir -p {PLACE}")
    site.run("printf old > a; printf old > b; touch -d 2020-01-01 a b .")
    yield site
    host.run(
        "sh",
        "-c",
        f"""
        systemctl stop inplace.service holdfast-restore-{site.restore}.timer 2>/dev/null
        findmnt -rno TARGET | grep ^{PLACE} | sort -r | xargs -r -n1 umount
        chattr -R -f -ia {PLACE}
        rm -rf {PLACE} {UNIT} {JOURNAL} /etc/systemd/system/.holdfast-{site.restore}
        systemctl daemon-reload
        """,
        check=False,
    )


def wanted(site: Site) -> None:
    """Both files are to be new."""
    site.file("a", b"new a")
    site.file("b", b"new b")


def test_below_its_own_root(site: Site) -> None:
    before = site.look()
    wanted(site)
    assert site.done("apply")["written"] == [f"{PLACE}/a", f"{PLACE}/b"]
    site.done("undo")
    assert site.look() == before
    site.done("apply")
    site.done("drop")
    found = site.look()
    assert [found[name]["size"] for name in "ab"] == [5, 5]
    assert found["."] == before["."]
    assert site.leftovers == []


# Mounts


def test_a_file_that_is_bound_there_is_written_in_place(site: Site) -> None:
    site.run(
        "mkdir ../inplace.d; printf bound > ../inplace.d/b; chmod 640 ../inplace.d/b; mount --bind ../inplace.d/b b"
    )
    before = site.look()
    wanted(site)
    for op in ("check", "apply"):
        assert [path for path, _why in site.done(op)["not_atomic"]] == [f"{PLACE}/b"]
    found = site.look()["b"]
    assert (found["size"], found["mode"], found["mtime_ns"]) == (5, "0644", MTIME)
    assert site.host.run("cat", f"{PLACE}.d/b").stdout == b"new b"
    site.done("undo")
    assert site.look() == before
    site.done("apply")
    site.run("printf mended > b")
    assert [path for path, _why in site.done("undo")["left"]] == [f"{PLACE}/b"]
    assert site.host.run("cat", f"{PLACE}/b").stdout == b"mended"
    site.run("rm -r ../inplace.d")


def test_killed_while_a_file_is_written_in_place(site: Site) -> None:
    site.run("touch ../bound; printf bound > ../bound; mount --bind ../bound b")
    before = site.look()
    wanted(site)
    prelude = (
        "import os, signal; real = os.ftruncate\n"
        "def cut(fd, size):\n"
        "    real(fd, size)\n"
        "    size or os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.ftruncate = cut"
    )
    assert site.ask("apply", prelude=prelude) == {}
    assert site.look()["b"]["size"] == 0
    assert site.ask("undo", prelude=prelude) == {}
    assert site.done("undo")["left"] == []
    assert site.look() == before
    site.run("umount b; rm ../bound")


def test_mounts_that_are_in_the_way(site: Site) -> None:
    site.run("mkdir -p d/below gone/below; mount -t tmpfs tmpfs d; mkdir d/below; mount -t tmpfs tmpfs gone/below")
    site.file("d", b"a file")
    error = site.refused("mount", "d", replace_kinds=True)
    assert "nothing was touched" in error["message"]
    site.entries, site.payload = [], b""
    site.refused("mount", "d", "gone", remove=[f"{PLACE}/{n}" for n in ("d", "d/below", "gone/below", "gone")])


def test_what_is_read_only_is_refused_by_name(site: Site) -> None:
    site.run("mkdir ro; printf x > ro/a; mount --bind ro ro; mount -o remount,ro,bind ro")
    site.run("printf x > ../bound; mount --bind ../bound b; mount -o remount,ro,bind b")
    wanted(site)
    site.file("ro/a", b"new")
    site.entries.append(plain_entry(f"{PLACE}/ro", "dir", mode=0o700))
    for op in ("check", "apply"):
        site.refused("read_only", "b", "ro", "ro/a", op=op)
    site.run("umount b; rm ../bound")


def test_a_file_system_that_is_full(site: Site) -> None:
    site.run("mkdir small; mount -t tmpfs -o size=256k,nr_inodes=12 tmpfs small; printf old > small/a")
    site.file("small/a", secrets.token_bytes(300_000))
    error = site.refused("no_space", "small/a")
    assert "bytes are needed" in error["message"]
    site.entries, site.payload = [], b""
    for number in range(12):
        site.file(f"small/n{number}", b"x")
    assert "inodes are needed" in site.refused("no_space", "small/n9")["message"]


def test_a_file_system_that_fills_up_while_it_is_staged(site: Site) -> None:
    site.run("mkdir small; mount -t tmpfs -o size=256k tmpfs small; printf old > small/a; touch -d 2020-01-01 small")
    site.file("a", b"new a")
    site.file("small/a", secrets.token_bytes(200_000))
    prelude = (
        "import os; real, full = os.mkdir, '{0}/full'\n"
        "def fill(*args, **more):\n"
        "    real(*args, **more)\n"
        "    args[0] == b'{1}' and open(full, 'wb').write(bytes(150000))\n"
        "os.mkdir = fill"
    )
    error = site.ask("apply", prelude=prelude.format(f"{PLACE}/small", f".holdfast-{site.restore}"))["error"]
    assert (error["type"], error["items"], error["undone"]) == ("no_space", [f"{PLACE}/small/a"], True)
    assert site.host.run("cat", f"{PLACE}/a", f"{PLACE}/small/a").stdout == b"oldold"
    assert site.leftovers == []


# Attributes and running files


@pytest.mark.parametrize("flag", ["i", "a"])
def test_what_is_immutable_is_refused_by_name(site: Site, flag: str) -> None:
    site.run(f"mkdir d gone; printf x > d/a; printf x > gone/x; chattr +{flag} b d gone/x")
    wanted(site)
    site.file("d/a", b"new")
    for op in ("check", "apply"):
        error = site.ask(op, remove=[f"{PLACE}/gone/x", f"{PLACE}/gone"])["error"]
        assert error["type"] == "immutable"
        assert {item.removeprefix(f"{PLACE}/") for item in error["items"]} == {"b", "d/a", "gone/x"}
    site.run(f"chattr -{flag} b d gone/x")
    site.done("apply")


def test_a_program_that_runs_and_a_file_that_is_mapped(site: Site) -> None:
    site.run("cp /bin/sleep sleep; (./sleep 300 & echo $! > pid) >/dev/null 2>&1")
    site.file("sleep", b"#!/bin/sh\n", mode=0o755)
    site.done("apply")
    site.run("kill -0 $(cat pid)")
    site.done("undo")
    site.run("kill $(cat pid); cmp sleep /bin/sleep")


def test_labels_and_capabilities_come_and_go(site: Site) -> None:
    site.run("setcap cap_net_raw=ep a; setfacl -m u:ada:r b; setfacl -d -m u:ada:rx .; touch -d 2020-01-01 .")
    before = site.look()
    wanted(site)
    site.entries.append(plain_entry(PLACE, "dir", mode=0o711))
    site.done("apply")
    found = site.look()
    assert (found["a"]["xattrs"], found["b"]["xattrs"], found["."]["xattrs"]) == ({}, {}, {})
    assert site.done("undo")["left"] == []
    assert site.look() == before


def test_accounts_under_their_lock(site: Site) -> None:
    """As useradd(8) takes it: the two wait for each other."""
    content = site.host.run("cat", "/etc/passwd").stdout + b"eve:x:4711:4711::/nowhere:/bin/false\n"
    site.entries, site.payload = [file_entry("/etc/passwd", content)], content
    locked = (
        "import ctypes; libc = ctypes.CDLL(None); assert libc.lckpwdf() == 0;"
        "print('locked', flush=True); import time; time.sleep(2); libc.ulckpwdf()"
    )
    holder = site.host.start("/usr/bin/python3", "-c", locked, stdout=-1)
    assert holder.stdout is not None
    holder.stdout.readline()
    began = time.monotonic()
    site.done("apply")
    assert time.monotonic() - began > 1
    holder.communicate()
    assert site.host.run("id", "-u", "eve").stdout == b"4711\n"
    site.done("undo")
    assert site.host.run("id", "eve", check=False).returncode != 0


# systemd


@pytest.fixture
def service(site: Site) -> Site:
    """A service that runs, by a unit file that is older than this."""
    site.host.path(UNIT).write_text(TEXT)
    site.run(
        "systemctl daemon-reload; systemctl start inplace; until test -s log; do sleep 0.05; done; rm log; touch log"
    )
    return site


def log(site: Site) -> list[str]:
    """What the service did since it was started first."""
    return site.host.run("cat", f"{PLACE}/log").stdout.decode().split()


RELOAD: dict[str, t.Any] = {"parts": [{"name": "x", "reload": ["inplace.service", "no-such.service"]}]}


def of_part(site: Site) -> None:
    """All entries are of the one part."""
    site.entries = [{**entry, "part": 0} for entry in site.entries]


def test_a_service_is_reloaded_once_by_its_own_reload(service: Site) -> None:
    wanted(service)
    of_part(service)
    answer = service.done("apply", **RELOAD)
    assert answer["reloaded"] == ["inplace.service"]
    assert answer["not_reloaded"] == [["no-such.service", "it is not active"]]
    service.done("drop")
    assert log(service) == ["reload"]


def test_a_service_that_refuses_is_taken_back(service: Site) -> None:
    before = service.look()
    service.file("refuse", b"")
    of_part(service)
    error = service.ask("apply", **RELOAD)["error"]
    assert (error["type"], error["items"], error["undone"]) == ("reload", ["inplace.service"], True)
    assert log(service) == ["reload", "reload"]
    after = service.look()
    assert {p: w for p, w in after.items() if p not in ("log", ".")} == {
        p: w for p, w in before.items() if p not in ("log", ".")
    }
    assert service.host.run("systemctl", "is-active", "inplace").stdout == b"active\n"


def test_a_unit_file_is_read_again(service: Site) -> None:
    text = TEXT.replace("echo reload", "echo other").encode()
    service.entries, service.payload = [file_entry(UNIT, text, part=0)], text
    service.done("apply", **RELOAD)
    assert log(service) == ["other"]
    service.done("undo")
    assert log(service) == ["other", "reload"]
    assert (
        service.host.run("systemctl", "show", "inplace", "--property=NeedDaemonReload").stdout
        == b"NeedDaemonReload=no\n"
    )


def test_nobody_comes_and_the_host_goes_back_by_itself(service: Site) -> None:
    before = service.look()
    wanted(service)
    of_part(service)
    answer = service.done("apply", arm=True, lease=1, **RELOAD)
    assert answer["armed"] is True
    assert len(service.leftovers) > 4
    wait_for(lambda: not service.leftovers, "the old state")
    after = service.look()
    assert {p: after[p] for p in "ab"} == {p: before[p] for p in "ab"}
    assert log(service) == ["reload", "reload"]
    state = service.host.run("systemctl", "list-units", "--all", "--no-legend", "holdfast-restore-*").stdout
    assert b"failed" not in state
    assert service.ask("drop")["error"]["type"] == "stale"


def test_an_operator_goes_back_at_once(service: Site) -> None:
    before = service.look()
    wanted(service)
    service.done("apply", arm=True, lease=3000)
    service.host.run("systemctl", "start", "--all", "holdfast-restore-*.service")
    assert service.leftovers == []
    assert service.look() == before


def test_killed_half_way_the_host_goes_back_by_itself(site: Site) -> None:
    before = site.look()
    wanted(site)
    prelude = (
        "import os, signal; real = os.rename\n"
        "def kill(name, to, **more):\n"
        "    real(name, to, **more)\n"
        "    to == b'a' and os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.rename = kill"
    )
    assert site.ask("apply", prelude=prelude, arm=True, lease=1) == {}
    assert site.look()["a"]["size"] == 5
    wait_for(lambda: not site.leftovers, "the old state")
    assert site.look() == before


def test_after_a_power_loss_the_host_goes_back_before_anything_starts(tmp_path: Path) -> None:
    """It boots with the old unit files, and its services see the old state alone."""
    with nspawn.machine(tmp_path / "m", "power") as running:
        site = Site(running)
        enabled = f"{TEXT}[Install]\nWantedBy=lab.target\n"
        running.path(UNIT).write_text(enabled)
        running.run("mkdir", "-p", PLACE)
        site.run("printf old > a; printf old > b")
        site.run("systemctl enable --quiet --now inplace; until test -s log; do sleep 0.05; done")
        before = site.look()
        wanted(site)
        text = enabled.replace("echo start", "echo new").encode()
        site.entries.append(file_entry(UNIT, text))
        site.payload += text
        site.done("apply", arm=True, lease=3000)
        running.run("sync")
        running.boot_again()
        wait_for(lambda: len(log(site)) > 1, "the service")
        assert log(site) == ["start", "start"]
        after = site.look()
        assert {p: after[p] for p in "ab"} == {p: before[p] for p in "ab"}
        assert site.leftovers == []
        state = ["systemctl", "is-system-running"]
        wait_for(lambda: running.run(*state, check=False).stdout == b"running\n", "the whole host")
