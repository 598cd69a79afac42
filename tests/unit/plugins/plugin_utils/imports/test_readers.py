# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every reader promises, and what each one makes of its tool's own layout."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import subprocess
import tarfile
import typing as t
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    FormatError,
    HostileArchiveError,
    PolicyError,
    TooLargeError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.imports import etckeeper, history
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.backup_files import BackupFiles
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.base import Limits, Names, Reader, Text, Tree
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.devices import Oxidized, Rancid
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.etckeeper import Etckeeper
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.history import History
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.tars import Tars
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import EntryKind

from .sources import ETCKEEPER, HOUR, T0, UTC, commit, git, ios, repository, written

SMALL = Limits(version_bytes=8, version_entries=1)


def archive(path: Path, files: dict[str, bytes]) -> Path:
    """An archive as tar makes it."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size, told.mtime = len(data), int(T0.timestamp())
            tar.addfile(told, io.BytesIO(data))
    return written(path, held.getvalue(), T0)


def make_oxidized(path: Path) -> Reader:
    folder = repository(path)
    for number in range(2):
        commit(folder, {"core/sw1": ios("sw1", str(number)), "sw2": ios("sw2", str(number))}, T0 + number * HOUR)
    return Oxidized(folder)


def make_rancid(path: Path) -> Reader:
    folder = repository(path)
    for number in range(2):
        commit(folder, {"core/configs/sw1": f"!{number} of sw1\n", "core/router.db": str(number)}, T0 + number * HOUR)
    return Rancid(folder)


def make_folder(path: Path) -> Reader:
    written(path / "configs" / "sw1", ios("sw1", "x"), T0)
    return Rancid(path)


def make_etckeeper(path: Path) -> Reader:
    folder = repository(path)
    for number in range(2):
        commit(folder, {"app.conf": f"number {number}\n", "other": "the same\n"}, T0 + number * HOUR)
    return Etckeeper(folder, names=Names(host="web1"))


def make_backup_files(path: Path) -> Reader:
    written(path / "sw1_config.2024-05-01@08:00:00", ios("sw1", "x"), T0)
    written(path / "web1" / "etc" / "app.conf.4711.2024-05-01@08:00:00~", "listen 80\n", T0)
    return BackupFiles(path, zone=UTC)


def make_tars(path: Path) -> Reader:
    for number in range(2):
        archive(path / f"web1_2024-05-0{number + 1}.tar.gz", {"etc/app.conf": f"number {number}\n".encode()})
    return Tars(path, pattern=re.compile("(?P<host>[^_]+)_(?P<time>[0-9-]{10})"), zone=UTC)


MAKERS = [make_oxidized, make_rancid, make_folder, make_etckeeper, make_backup_files, make_tars]


@pytest.fixture(params=MAKERS, ids=lambda made: made.__name__.removeprefix("make_"))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Reader]:
    return lambda: request.param(tmp_path / "source")


class TestEveryReader:
    """The promise of the interface."""

    def test_the_same_each_time_and_in_order(self, make: Callable[[], Reader]) -> None:
        with make() as reader:
            first = reader.versions()
            assert first
            assert reader.versions() == first
            assert first == sorted(first, key=lambda one: (one.host, one.component, one.at))
            assert len({(one.host, one.component, one.source, one.at) for one in first}) == len(first)
            assert all(one.component.startswith("imported-") and one.at.tzinfo for one in first)
            assert all(one.private is (len(one.source) == 64) for one in first)

    def test_each_is_read_whole_in_any_order(self, make: Callable[[], Reader]) -> None:
        with make() as reader:
            versions = reader.versions()
            held = [reader.read(one) for one in versions]
            assert [reader.read(one) for one in reversed(versions)] == held[::-1]
        for one in held:
            if isinstance(one, Tree):
                files = {entry.path for entry in one.entries if entry.kind is EntryKind.FILE}
                assert files == one.contents.keys()
                assert all(any(p == q or p.startswith(f"{q}/") for q in one.paths) for p in files)
            else:
                assert one.data

    def test_no_content_in_what_is_printed(self, make: Callable[[], Reader]) -> None:
        with make() as reader:
            versions = reader.versions()
            told = repr([*versions, *(reader.read(one) for one in versions)])
        assert "hostname" not in told
        assert "listen" not in told
        assert "number " not in told

    def test_what_is_too_large(self, make: Callable[[], Reader]) -> None:
        with make() as reader:
            reader.limits = SMALL
            listed = reader.versions()
            for one in listed:
                with pytest.raises((TooLargeError, HostileArchiveError), match=r"(?:holds|unfolds to) .*"):
                    reader.read(one)
            # of a plain file it shows before it is read
            assert bool(listed) is not bool(reader.skipped)
            assert all(one.reason == "is larger than 8 bytes" for one in reader.skipped)

    def test_since(self, make: Callable[[], Reader]) -> None:
        with make() as reader:
            reader.since = dt.datetime(2030, 1, 1, tzinfo=UTC)
            assert reader.versions() == []


class TestOxidized:
    """One file a node, perhaps below its group."""

    def test_bare_or_with_a_work_tree(self, tmp_path: Path) -> None:
        make_oxidized(tmp_path / "tree").close()
        git(tmp_path, "clone", "--quiet", "--bare", "tree", "bare.git")
        with Oxidized(tmp_path / "tree") as one, Oxidized(tmp_path / "bare.git") as other:
            assert one.versions() == other.versions()
            assert [(v.host, v.at, v.author, v.time_source) for v in other.versions()][:2] == [
                ("sw1", T0, "Ada <ada@example.net>", "commit"),
                ("sw1", T0 + HOUR, "Ada <ada@example.net>", "commit"),
            ]

    def test_no_devices(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        (folder / "link").symlink_to("sw1")
        commit(folder, {"README.md": "x", ".hidden": "x", "sw1": "x", "a b": "x"}, T0)
        with Oxidized(folder) as reader:
            assert [one.host for one in reader.versions()] == ["sw1"]
            assert [one.reason for one in reader.skipped] == ["is a link"]

    def test_two_files_of_one_host(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {"a/sw1": "1", "b/sw1": "2"}, T0)
        with Oxidized(folder) as reader, pytest.raises(PolicyError, match="a/sw1 and b/sw1 are both files of sw1"):
            reader.versions()
        with Oxidized(folder, names=Names({"b/sw1": "sw9"})) as reader:
            assert [one.host for one in reader.versions()] == ["sw1", "sw9"]

    def test_a_host_that_moved_to_another_group(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {"a/sw1": "1"}, T0)
        commit(folder, {"a/sw1": None, "b/sw1": "2"}, T0 + HOUR)
        with Oxidized(folder) as reader:
            assert [reader.read(one) for one in reader.versions()] == [Text(b"1"), Text(b"2")]

    def test_a_merge_is_what_its_branch_took_from_it(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {"sw1": "1"}, T0)
        git(folder, "checkout", "--quiet", "-b", "side")
        commit(folder, {"sw2": "2"}, T0 + HOUR)
        git(folder, "checkout", "--quiet", "master")
        commit(folder, {"sw3": "3"}, T0 + 2 * HOUR)
        git(folder, "merge", "--quiet", "--no-ff", "-m", "merge", "side", at=T0 + 3 * HOUR)
        with Oxidized(folder) as reader:
            assert [(one.host, one.at) for one in reader.versions()] == [
                ("sw1", T0),
                ("sw2", T0 + 3 * HOUR),
                ("sw3", T0 + 2 * HOUR),
            ]

    def test_a_folder_of_repositories(self, tmp_path: Path) -> None:
        make_oxidized(tmp_path / "all" / "core").close()
        git(tmp_path / "all", "clone", "--quiet", "--bare", "core", "edge.git")
        for kind in (Oxidized, Rancid):
            with kind(tmp_path / "all") as reader, pytest.raises(PolicyError, match="holds a repository of git") as no:
                reader.versions()
            assert str(no.value.remedy).startswith(f"Give {tmp_path}/all/")

    def test_only_some(self, tmp_path: Path) -> None:
        with make_oxidized(tmp_path / "r") as reader:
            reader.names = Names({"core/sw1": "core-1"}, ("core-*",))
            assert {one.host for one in reader.versions()} == {"core-1"}


class TestHostileRepositories:
    """A repository is data, whatever it is set up to do."""

    def test_nothing_in_its_configuration_runs(self, tmp_path: Path) -> None:
        reader = make_oxidized(tmp_path / "r")
        folder = tmp_path / "r"
        ran = tmp_path / "ran"
        script = written(tmp_path / "script", f"#!/bin/sh\ntouch {ran}\n", T0, 0o755)
        for name in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand", "gpg.program"):
            git(folder, "config", name, str(script))
        git(folder, "config", "log.showSignature", "true")
        git(folder, "config", "diff.x.textconv", str(script))
        git(folder, "config", "filter.x.smudge", str(script))
        git(folder, "config", "remote.origin.url", f"ext::{script}")
        git(folder, "config", "remote.origin.promisor", "true")
        git(folder, "config", "extensions.partialClone", "origin")
        written(folder / ".git" / "info" / "attributes", "* diff=x filter=x\n", T0)
        for hook in ("post-index-change", "reference-transaction"):
            written(folder / ".git" / "hooks" / hook, script.read_bytes(), T0, 0o755)
        blob = git(folder, "rev-parse", "HEAD:sw2")
        (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        with reader:
            held = []
            for one in reader.versions():
                if one.handle == blob:
                    with pytest.raises(CaptureError, match="lacks an object"):
                        reader.read(one)
                else:
                    held.append(reader.read(one))
        assert len(held) == 3
        assert not ran.exists()

    def test_a_branch_that_is_an_option(self, tmp_path: Path) -> None:
        with make_oxidized(tmp_path / "r") as reader:
            for branch in ("--output=/tmp/x", "-p", "a..b", "none", "", "HEAD@{1}"):
                reader.branch = branch
                with pytest.raises(PolicyError, match="branch"):
                    reader.versions()

    def test_names_that_no_walk_gives(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {"x": "1"}, T0)
        blob = git(folder, "rev-parse", "HEAD:x")
        for number, name in enumerate(["..", ".git", "a\nb"]):
            listing = f"100644 blob {blob}\t{name}\0".encode()
            tree = git_in(folder, listing, "mktree", "-z")
            inner = git_in(folder, f"040000 tree {tree}\td\0".encode(), "mktree", "-z")
            made = git(folder, "commit-tree", "-m", "x", inner, at=T0 + number * HOUR)
            git(folder, "update-ref", "refs/heads/hostile", made)
            with Oxidized(folder, branch="hostile") as reader:
                assert reader.versions() == []
            with Etckeeper(folder, branch="hostile", names=Names(host="h")) as reader:
                (version,) = reader.versions()
                if name == "..":
                    with pytest.raises(FormatError, match="no walk would give"):
                        reader.read(version)

    def test_what_is_no_repository(self, tmp_path: Path) -> None:
        written(tmp_path / "r" / ".git", "gitdir: /elsewhere", T0)
        assert history.git_dir(tmp_path / "r") is None
        with pytest.raises(PolicyError, match="is no git repository"):
            History(tmp_path / "r", Limits())

    def test_what_is_in_another_repository_is_not_shown(self, tmp_path: Path) -> None:
        make_oxidized(tmp_path / "private").close()
        git(tmp_path, "clone", "--quiet", "--bare", "--shared", "private", "public")
        with pytest.raises(PolicyError, match="takes from another one"):
            History(tmp_path / "public", Limits())
        git(tmp_path, "clone", "--quiet", "--bare", "--no-local", "public", "whole")
        with Oxidized(tmp_path / "whole") as reader:
            assert len(reader.versions()) == 4
        (tmp_path / "whole" / "objects").rename(tmp_path / "objects")
        (tmp_path / "whole" / "objects").symlink_to(tmp_path / "objects")
        assert history.git_dir(tmp_path / "whole") is None

    def test_more_than_it_may(self, tmp_path: Path) -> None:
        with make_oxidized(tmp_path / "r") as reader:
            reader._history.limits = reader.limits = Limits(versions=1)
            with pytest.raises(PolicyError, match="more than 1 commits"):
                reader.versions()
        with make_etckeeper(tmp_path / "e") as reader:
            versions = reader.versions()
            for limits in (Limits(version_bytes=8), Limits(version_entries=1)):
                reader._history.limits = limits
                with pytest.raises(TooLargeError, match="holds more than"):
                    reader.read(versions[0])
        with make_oxidized(tmp_path / "o") as reader:
            versions = reader.versions()
            reader._history.limits = Limits(version_bytes=8)
            with pytest.raises(TooLargeError, match="holds more than 8 bytes"):
                reader.read(versions[0])

    def test_a_commit_that_lacks_a_file_is_none_without_it(self, tmp_path: Path) -> None:
        reader = make_etckeeper(tmp_path / "r")
        blob = git(tmp_path / "r", "rev-parse", "HEAD:other")
        (tmp_path / "r" / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        with reader:
            for one in reader.versions():
                with pytest.raises(CaptureError, match="lacks an object of a commit"):
                    reader.read(one)

    def test_a_tree_that_holds_itself_many_times_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "_MOST_PRINTED", 1 << 20)
        folder = repository(tmp_path / "r")
        entry = f"100644 blob {git_in(folder, b'', 'hash-object', '-w', '--stdin')}"
        for _depth in range(8):
            listing = "".join(f"{entry}\td{number}\0" for number in range(10))
            entry = f"040000 tree {git_in(folder, listing.encode(), 'mktree', '-z')}"
        git(folder, "update-ref", "refs/heads/master", git(folder, "commit-tree", "-m", "x", entry.split()[2]))
        with Oxidized(folder) as reader, pytest.raises(TooLargeError, match="more files, or commits"):
            reader.versions()
        with Etckeeper(folder, names=Names(host="h")) as reader:
            (version,) = reader.versions()
            with pytest.raises(TooLargeError, match="more files, or commits"):
                reader.read(version)

    def test_a_commit_of_before_there_was_time(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {"sw1": "1"}, T0)
        tree = git(folder, "rev-parse", "HEAD^{tree}")
        told = f"tree {tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> -5 +0000\n\nx\n".encode()
        made = git_in(folder, told, "hash-object", "-t", "commit", "-w", "--stdin", "--literally")
        git(folder, "update-ref", "refs/heads/master", made)
        for reader in (Oxidized(folder), Etckeeper(folder, names=Names(host="h"))):
            with reader:
                assert reader.versions() == []
                assert reader.skipped == [(made[:12], "its time is none")]

    @pytest.mark.parametrize("script", ["mkdir -p '.{deep}'\n", "mkdir -p './a'\nmkdir -p './b'\n"])
    def test_folders_without_end(self, tmp_path: Path, script: str) -> None:
        folder = repository(tmp_path / "r")
        commit(folder, {".etckeeper": script.format(deep="/a" * 20000)}, T0)
        with Etckeeper(folder, names=Names(host="h"), limits=Limits(version_entries=3)) as reader:
            (version,) = reader.versions()
            if "deep" in script:
                tree = t.cast("Tree", reader.read(version))
                assert [entry.path for entry in tree.entries] == ["/etc", "/etc/.etckeeper"]
                assert "1 lines of .etckeeper were not understood" in tree.marks
            else:
                with pytest.raises(TooLargeError, match="more than 3 files and folders"):
                    reader.read(version)


def git_in(folder: Path, data: bytes, *args: str) -> str:
    """Run git on standard input."""
    return (
        subprocess.run(["git", *args], cwd=folder, input=data, capture_output=True, check=True).stdout.decode().strip()
    )


class TestRancid:
    """One file a device, below configs."""

    def test_of_the_folder_of_a_group(self, tmp_path: Path) -> None:
        written(tmp_path / "configs" / "sw1", "x", T0)
        written(tmp_path / "configs" / "CVS" / "Entries", "x", T0)
        with Rancid(tmp_path / "configs") as reader:
            assert [(one.host, one.at, one.time_source) for one in reader.versions()] == [("sw1", T0, "mtime")]

    def test_router_db_is_no_device(self, tmp_path: Path) -> None:
        with make_rancid(tmp_path / "r") as reader:
            assert {one.host for one in reader.versions()} == {"sw1"}


class TestEtckeeper:
    """Modes, owners and empty folders as etckeeper wrote them."""

    def test_what_the_script_says(self, tmp_path: Path) -> None:
        folder = repository(tmp_path / "etc")
        files = {".etckeeper": ETCKEEPER, "shadow": "x", "it's here/x y": "y", "plain": "p"}
        commit(folder, files, T0)
        (folder / "link").symlink_to("/etc/plain")
        (folder / "plain").chmod(0o755)
        commit(folder, {}, T0)
        with Etckeeper(folder, names=Names(host="web1")) as reader:
            tree = reader.read(reader.versions()[-1])
        assert isinstance(tree, Tree)
        found = {e.path: (e.kind.value, f"{e.mode:o}", e.user, e.uid, e.group, e.gid) for e in tree.entries}
        root = ("root", 0, "root", 0)
        assert found == {
            "/etc": ("dir", "755", *root),
            "/etc/.etckeeper": ("file", "700", *root),
            "/etc/empty": ("dir", "755", *root),
            "/etc/it's here": ("dir", "750", "postgres", 65534, "root", 0),
            "/etc/it's here/x y": ("file", "4711", "", 4711, "root", 0),
            "/etc/link": ("symlink", "777", *root),
            "/etc/plain": ("file", "755", *root),
            "/etc/shadow": ("file", "640", "root", 0, "shadow", 65534),
        }
        assert tree.marks == etckeeper.MARKS

    def test_without_it(self, tmp_path: Path) -> None:
        with make_etckeeper(tmp_path / "etc") as reader:
            tree = reader.read(reader.versions()[0])
        assert isinstance(tree, Tree)
        assert any("no .etckeeper" in mark for mark in tree.marks)

    @pytest.mark.parametrize(
        "line",
        [
            "rm -rf /",
            "maybe chmod 0644 '/etc/passwd/../../x'",
            "maybe chmod u+s './x'",
            "maybe chmod 0644 './x'; touch /tmp/ran",
            "maybe chown '$(touch /tmp/ran)' './x'",
            "maybe chmod 0644 'unclosed",
            "mkdir -p '../x'",
            # longer than any path can be spelled: reading it to its end would take the square of its length
            pytest.param(f"mkdir -p {' ' * 20_000}'./x'", id="endless"),
        ],
    )
    def test_lines_that_it_does_not_write(self, line: str) -> None:
        known, unread = etckeeper.parsed(f"# x\n\n{line}\nmaybe chmod 0600 './y'\n".encode())
        assert unread == 1
        assert list(known) == ["y"]

    def test_whose_it_is_must_be_said(self, tmp_path: Path) -> None:
        with Etckeeper(repository(tmp_path / "etc")) as reader, pytest.raises(PolicyError, match="not said"):
            reader.versions()


class TestBackupFiles:
    """Names tell whose a file is, where it stood, and when."""

    @pytest.mark.parametrize(
        ("place", "host", "what"),
        [
            ("sw1_config.2024-05-01@08:00:00", "sw1", "imported-backup_files"),
            ("backup/my_config_config.2024-05-01@08:00:00", "my_config", "imported-backup_files"),
            ("web1/etc/ssh/sshd_config.1.2024-05-01@08:00:00~", "web1", "/etc/ssh/sshd_config"),
            ("web1/f.9.2024-05-01@08:00:00~", "web1", "/f"),
        ],
    )
    def test_whose(self, tmp_path: Path, place: str, host: str, what: str) -> None:
        written(tmp_path / place, "x", T0 - HOUR, 0o640)
        with BackupFiles(tmp_path, zone=UTC) as reader:
            (version,) = reader.versions()
            held = reader.read(version)
        assert (version.host, version.at, version.time_source) == (host, T0, "name")
        if isinstance(held, Tree):
            (entry,) = held.entries
            assert (entry.path, entry.mode, entry.mtime_ns) == (what, 0o640, int((T0 - HOUR).timestamp()) * 10**9)
        else:
            assert version.component == what

    @pytest.mark.parametrize(
        "place",
        ["notes.txt", "sw1_config.2024-05-01", "sw1_config.2024-13-01@08:00:00", "f.1.2024-05-01@08:00:00~", "x/a~"],
    )
    def test_what_is_no_backup(self, tmp_path: Path, place: str) -> None:
        written(tmp_path / place, "x", T0)
        with BackupFiles(tmp_path) as reader:
            assert reader.versions() == []
            assert len(reader.skipped) == 1

    def test_of_one_host(self, tmp_path: Path) -> None:
        written(tmp_path / "etc/app.conf.1.2024-05-01@08:00:00~", "x", T0)
        with BackupFiles(tmp_path, names=Names(host="web1"), zone=UTC) as reader:
            (version,) = reader.versions()
            assert version.host == "web1"
            assert t.cast("Tree", reader.read(version)).paths == ("/etc/app.conf",)

    def test_by_a_clock_on_another_wall(self, tmp_path: Path) -> None:
        written(tmp_path / "sw1_config.2024-05-01@10:00:00", "x", T0)
        with BackupFiles(tmp_path, zone=zoneinfo.ZoneInfo("Europe/Vienna")) as reader:
            assert [one.at for one in reader.versions()] == [T0]

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        secret = written(tmp_path / "secret", "x", T0)
        folder = tmp_path / "backup"
        folder.mkdir()
        (folder / "sw1_config.2024-05-01@10:00:00").symlink_to(secret)
        (folder / "web1").symlink_to(tmp_path)
        os.mkfifo(folder / "sw2_config.2024-05-01@10:00:00")
        with BackupFiles(folder) as reader:
            assert reader.versions() == []

    def test_a_file_that_changed_since_it_was_listed(self, tmp_path: Path) -> None:
        path = written(tmp_path / "sw1_config.2024-05-01@10:00:00", "x", T0)
        with BackupFiles(tmp_path) as reader:
            (version,) = reader.versions()
            path.write_text("y")
            with pytest.raises(CaptureError, match="changed since"):
                reader.read(version)
            path.unlink()
            path.symlink_to("/etc/hostname")
            with pytest.raises(CaptureError, match="is a link"):
                reader.read(version)
