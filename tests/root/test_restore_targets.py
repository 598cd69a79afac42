# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place onto what is no longer what it was: mounts, other kinds, files in use, no room, accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import MismatchError, RestoreError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Restored
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

from . import restoring
from .restoring import Direct, differs, keep

TOP = "/srv/targets"
ACCOUNTS = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow")

MADE = f"""
mkdir -p $1/d/deep $1/conf; cd $1
for f in a d/b d/deep/c conf/e; do echo {CANARY} $f > $f; done
cp /bin/sleep d/sleep; ln -s a link
touch -d 2001-02-03 a d/deep d conf .
"""

# what a component has become: refused without exact, by the kind of refusal; then with exact all comes back
KINDS = {
    "a-file-became-a-folder": ("rm a; mkdir a; echo x > a/x", "a"),
    "a-folder-became-a-file": ("rm -r d; echo x > d", "d"),
    "a-folder-became-a-symlink": ("mv d ../away; ln -s ../away d", "d"),
}
# what is refused before anything is touched, whatever is asked for
REFUSED = {
    "immutable-file": ("echo x > a; chattr +i a", "chattr -i a", "a"),
    "immutable-folder": ("rm d/b; chattr +i d", "chattr -i d", "d/b"),
    "append-only-file": ("echo x > a; chattr +a a", "chattr -a a", "a"),
    "read-only-mount": ("mount --bind d d; echo x > d/b; mount -o remount,ro,bind d", "umount d", "d/b"),
    "a-file-became-a-mount": ("rm a; mkdir a; mount -t tmpfs tmpfs a", "umount a", "a"),
    "no-room": ("mount -t tmpfs -o size=32k tmpfs d", "umount d", "d/sleep"),
}
# what all comes back from
BACK = {
    "root-missing": "cd ..; rm -r $1",
    "folders-missing": "rm -r d conf",
    "symlink-elsewhere": "ln -sfn /etc/passwd link; rm a; ln -s /etc/hostname a",
    "attributes": "chmod 0 a conf; chown 65534:65534 d; setfacl -m u:1:rwx d/b; setfattr -n user.x -v y conf/e",
    "times-and-sparse": "truncate -s 1M a; truncate -s 0 d/b",
}


class Targets:
    """A host with a component for each case."""

    def __init__(self, host: Machine, lab: Lab) -> None:
        self.host = host
        self._lab = lab
        self._restores = 0

    def restore(self, case: str, *, validate: str = "", journal: str | None = None, **more: bool) -> Restored:
        self._restores += 1
        selection = Selection(newest=True, components=(case,))
        handling = {case: Handling(validate=("sh", "-c", validate))} if validate else {}
        direct = Direct(self._lab, self.host, journal=journal)
        return direct.restore(f"{self._restores:016x}", selection, handling, **more)

    def run(self, case: str, script: str) -> None:
        self.host.run("sh", "-euc", f"cd {TOP}/{case}\n{script}", "run", case)

    def refused(self, case: str, path: str, *, exact: bool = False) -> None:
        """A restore, and its check, are refused with that path, and nothing is touched."""
        keep(self.host, TOP, "refused")
        for check in (True, False):
            with pytest.raises(RestoreError) as raised:
                self.restore(case, exact=exact, check=check)
            assert f"{TOP}/{case}/{path}" in str(raised.value)
            assert "nothing was touched" in str(raised.value)
        assert differs(self.host, TOP, "refused") == []

    def equal(self, case: str) -> bool:
        return differs(self.host, f"{TOP}/{case}", f"sealed/{case}") == []


CASES = (*KINDS, *REFUSED, *BACK, "bound", "busy", "tampered", "journal")


@pytest.fixture(scope="module")
def targets(host: Machine, lab_of: Callable[..., Lab]) -> Iterator[Targets]:
    """All of it, as it was sealed."""
    restoring.prepare(host)
    host.run("sh", "-euc", f'mkdir {TOP}; for c in "$@"; do (set -- {TOP}/$c; {MADE}); done', "make", *CASES)
    lab = lab_of(host, accounts=list(ACCOUNTS), **{case: [f"{TOP}/{case}"] for case in CASES})
    lab.play([OPEN, SNAPSHOT, SEAL]).ok()
    keep(host, TOP, "sealed")
    yield Targets(host, lab)
    assert [line for line in restoring.left_over(host).splitlines() if TOP in line or "restore-0000" in line] == []
    host.run("rm", "-r", TOP, "/srv/pristine")


@pytest.mark.parametrize("case", KINDS)
def test_what_is_of_another_kind_makes_way_only_where_that_is_asked_for(case: str, targets: Targets) -> None:
    script, path = KINDS[case]
    targets.run(case, script)
    targets.refused(case, path)
    done = targets.restore(case, exact=True)
    assert f"{TOP}/{case}/{path}" in "\n".join(done.answer.not_atomic)
    assert targets.equal(case)
    targets.host.run("rm", "-rf", f"{TOP}/away")


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_change_is_refused_by_name_before_anything_is_touched(case: str, targets: Targets) -> None:
    script, repair, path = REFUSED[case]
    targets.run(case, script)
    try:
        targets.refused(case, path, exact=True)
    finally:
        targets.run(case, repair)
    targets.restore(case, exact=True)
    assert targets.equal(case)


@pytest.mark.parametrize("case", BACK)
def test_what_was_spoiled_comes_back_whole(case: str, targets: Targets) -> None:
    targets.run(case, BACK[case])
    assert targets.restore(case).proven
    assert targets.equal(case)


def test_one_byte_more_after_the_restore_is_found_and_the_rest_is_taken_back(targets: Targets) -> None:
    targets.run("tampered", "echo old > a; echo old > d/b; rm conf/e")
    keep(targets.host, f"{TOP}/tampered", "old")
    with pytest.raises(MismatchError) as raised:
        targets.restore("tampered", validate=f"printf x >> {TOP}/tampered/a")
    assert f"{TOP}/tampered/a" in raised.value.message
    assert f"{TOP}/tampered/d/b" not in str(raised.value)
    assert raised.value.details["undone"] is True
    assert f"'{TOP}/tampered/a: " in str(raised.value.details["left"])
    assert f"{TOP}/tampered/d/b" not in str(raised.value.details["left"])
    assert [line.split()[-1] for line in differs(targets.host, f"{TOP}/tampered", "old")] == ["a"]


@pytest.mark.parametrize("options", ["size=4k", "nr_inodes=2", "nr_inodes=4", "ro"])
def test_no_room_for_the_journal_leaves_all_as_it_was(options: str, targets: Targets) -> None:
    targets.run("journal", "echo old > a; echo old > d/b")
    keep(targets.host, TOP, "old")
    where = "/srv/small-journal"
    targets.host.run("sh", "-euc", f"mkdir -p {where}; mount -t tmpfs -o mode=700,{options} tmpfs {where}")
    try:
        with pytest.raises(RestoreError):
            targets.restore("journal", journal=where)
        assert differs(targets.host, TOP, "old") == []
    finally:
        targets.host.run("umount", where)


def test_a_file_that_is_mounted_there_is_written_in_place_and_named(targets: Targets) -> None:
    targets.run("bound", "echo other > /srv/bound; mount --bind /srv/bound a; echo x > d/b")
    try:
        for check in (True, False):
            done = targets.restore("bound", check=check)
            assert [text.split(":")[0] for text in done.answer.not_atomic] == [f"{TOP}/bound/a"]
        assert targets.equal("bound")
        assert targets.host.run("cat", "/srv/bound").stdout == f"{CANARY} a\n".encode()
    finally:
        targets.run("bound", "umount a; rm /srv/bound")


def test_files_in_use_are_replaced_and_who_uses_them_goes_on(targets: Targets) -> None:
    hold = "import mmap, time; f = open('a', 'r+b'); m = mmap.mmap(f.fileno(), 0); time.sleep(60)"
    targets.run("busy", "echo >> a; cp /bin/true d/new; cat /bin/true >> d/sleep")
    using = f'cd {TOP}/busy; d/sleep 60 & echo $!; python3 -c "{hold}" & echo $!'
    users = targets.host.run("sh", "-c", f"({using}) 2>/dev/null </dev/null | head -n 2").stdout.decode().split()
    try:
        wait_for(lambda: f"{TOP}/busy/a" in targets.host.path(f"/proc/{users[1]}/maps").read_text(), "the mapping")
        targets.restore("busy", exact=True)
        assert targets.equal("busy")
        assert "(deleted)" in targets.host.path(f"/proc/{users[1]}/maps").read_text()
    finally:
        targets.host.run("kill", *users)


def test_accounts_come_back_while_somebody_works_under_one_that_goes(targets: Targets) -> None:
    keep(targets.host, "/etc", "accounts")
    targets.host.add_user("eve")
    works = targets.host.run("sh", "-c", "runuser -u eve -- sleep 60 >/dev/null 2>&1 & echo $!").stdout.decode().strip()
    try:
        checked = targets.restore("accounts", check=True)
        assert {found.path for found in checked.before} == set(ACCOUNTS)
        assert targets.restore("accounts").proven
        assert targets.host.run("id", "eve", check=False).returncode != 0
        assert targets.host.path(f"/proc/{works}").exists()
        changed = {line.split()[-1] for line in differs(targets.host, "/etc", "accounts")}
        assert not changed & {path.removeprefix("/etc/") for path in ACCOUNTS}
    finally:
        targets.host.run("kill", works)
        targets.host.run("rm", "-rf", "/home/eve")
