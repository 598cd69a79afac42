# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Branches of real repositories: read, moved on, raced for; and a git that runs nothing but itself."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    MirrorError,
    NameRefusedError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.branch import Branch, Change, Tree, blob_id
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.git import Git, Remote
from hypothesis import given
from hypothesis import strategies as st

from .repositories import bare, files, git, log

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return bare(tmp_path / "target.git")


def at_once(_seconds: float) -> None:
    """A pause that takes no time."""


def branch_of(target: Path, pause: Callable[[float], None] = at_once) -> Branch:
    return Branch(Remote(str(target)), "main", target.parent / "cache", pause=pause)


def change(written: dict[str, bytes], *removed: str, point: str = "0" * 64, hours: int = 0) -> Change:
    message = f"x\n\nHoldfast-Point: {point}\nHoldfast-Repository: prod\n"
    return Change(written, removed, "Ada <ada@example.net>", AT + dt.timedelta(hours=hours), message)


class TestBranch:
    def test_an_empty_one_gets_commits_and_tells_of_their_points(self, target: Path) -> None:
        with branch_of(target).connected() as branch:
            assert branch.fetch() is None
            head = branch.push(
                None,
                [
                    change({"h/app/a": b"one\n", "h/app/b": b""}, point="a" * 64),
                    change({"h/app/a": b"two\n"}, "h/app/b", point="b" * 64, hours=1),
                ],
            )
            assert branch.fetch() == head
            seen = branch.read(head, "prod")
            assert seen.points == {"a" * 64, "b" * 64}
            assert (seen.last, seen.at) == (head, AT + dt.timedelta(hours=1))
            assert branch.read(head, "other").points == frozenset()
            assert (seen.others, branch.read(head, "other").others) == ((), ("prod",))
            assert branch.tree(head).paths == {"h/app/a"}
        assert files(target) == {"h/app/a": "two\n"}
        assert log(target, "%an <%ae> %aI") == [
            "Ada <ada@example.net> 2026-03-01T12:00:00+00:00",
            "Ada <ada@example.net> 2026-03-01T13:00:00+00:00",
        ]
        git(target, "fsck", "--strict")
        assert not git(target.parent / "cache" / next((target.parent / "cache").iterdir()), "for-each-ref")

    def test_one_that_has_moved_on_takes_nothing_and_says_so(self, target: Path) -> None:
        with branch_of(target).connected() as first, branch_of(target).connected() as second:
            assert first.fetch() is second.fetch() is None
            assert first.push(None, [change({"h/app/a": b"1"})])
            assert second.push(None, [change({"h/app/b": b"2"}, hours=1)]) is None
            head = second.fetch()
            assert second.push(head, [change({"h/app/b": b"2"}, hours=1)])
        assert files(target).keys() == {"h/app/a", "h/app/b"}
        assert len(log(target, "%H")) == 2

    def test_the_lock_of_another_is_waited_for(self, target: Path) -> None:
        waited: list[float] = []

        def until_it_lets_go(seconds: float) -> None:
            waited.append(seconds)
            if sum(waited) > 12:
                lock.unlink(missing_ok=True)

        with branch_of(target, until_it_lets_go).connected() as branch:
            head = branch.push(None, [change({"h/app/a": b"1"})])
            lock = target / "refs" / "heads" / "main.lock"
            lock.touch()
            assert branch.push(head, [change({"h/app/a": b"2"}, hours=1)])
        assert waited == [waited[0] * 2**time for time in range(len(waited))]
        assert files(target) == {"h/app/a": "2"}

    def test_a_lock_that_nobody_lets_go_of_is_an_error(self, target: Path) -> None:
        waited: list[float] = []
        with branch_of(target, waited.append).connected() as branch:
            head = branch.push(None, [change({"h/app/a": b"1"})])
            (target / "refs" / "heads" / "main.lock").touch()
            with pytest.raises(MirrorError, match="push failed"):
                branch.push(head, [change({"h/app/a": b"2"}, hours=1)])
        assert 12 < sum(waited) < 20
        assert files(target) == {"h/app/a": "1"}

    def test_the_same_commits_have_the_same_ids(self, tmp_path: Path) -> None:
        heads = set()
        for name in ("one", "two"):
            with branch_of(bare(tmp_path / name / "x.git")).connected() as branch:
                heads.add(branch.push(None, [change({"h/app/a": b"1"})]))
        assert len(heads) == 1

    def test_what_others_wrote_is_not_the_mirrors_own(self, target: Path, tmp_path: Path) -> None:
        work = tmp_path / "work"
        git(tmp_path, "clone", "--quiet", str(target), str(work))
        git(work, "checkout", "--quiet", "-B", "main")
        for path in ("h/app/README", "notes/todo/x"):
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text("x")
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", "x")
        git(work, "push", "--quiet", "origin", "main")
        with branch_of(target).connected() as branch:
            head = branch.push(branch.fetch(), [change({"h/app/a": b"1"}), change({"h/app/b": b"1"}, point="1" * 64)])
            tree = branch.tree(head, branch.read(head, "prod").commits)
        assert tree.below("h/app") == {"h/app/a", "h/app/b"}
        assert (tree.folders("h"), tree.folders("notes")) == ({"app"}, set())
        assert "h/app/README" in tree

    @pytest.mark.parametrize("name", ['"quoted"', "x\nD README", "back\\slash\\n", "\N{SNOWMAN}", "x "])
    def test_what_others_named_anyhow_is_removed_and_nothing_else(self, target: Path, name: str) -> None:
        work = target.parent / "work"
        git(target.parent, "clone", "--quiet", str(target), str(work))
        git(work, "checkout", "--quiet", "-B", "main")
        (work / "README").write_text("x")
        (work / "h").mkdir()
        (work / "h" / name).write_text("x")
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", "x")
        git(work, "push", "--quiet", "origin", "main")
        with branch_of(target).connected() as branch:
            head = branch.fetch()
            written, removed = branch.tree(head).change({"h": b"1"}, ())
            assert removed == (f"h/{name}",)
            assert branch.push(head, [change(written, *removed)])
        assert files(target) == {"README": "x", "h": "1"}

    def test_runs_that_make_the_cache_at_once_all_have_it(self, target: Path) -> None:
        start = threading.Barrier(4)

        def connects(_number: int) -> str | None:
            start.wait(60)
            with branch_of(target).connected() as branch:
                return branch.fetch()

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _time in range(2):
                assert list(pool.map(connects, range(4))) == [None] * 4
                shutil.rmtree(target.parent / "cache")

    def test_a_repository_of_another_user_is_told_how_to_be_reached(
        self, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # git(1) has this for its own tests
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "git"
        real = shutil.which("git")
        program.write_text(f'#!/bin/sh\nexport GIT_TEST_ASSUME_DIFFERENT_OWNER=1\nexec {real} "$@"\n')
        program.chmod(0o755)
        with branch_of(target).connected() as branch:
            monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
            with pytest.raises(MirrorError, match="belongs to another user") as caught:
                branch.fetch()
        assert "ssh://" in str(caught.value.remedy)

    def test_a_repository_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with branch_of(tmp_path / "nothing.git").connected() as branch, pytest.raises(MirrorError, match="ls-remote"):
            branch.fetch()

    def test_a_branch_that_is_checked_out_is_refused_by_git(self, tmp_path: Path) -> None:
        (tmp_path / "work").mkdir()
        git(tmp_path / "work", "init", "--quiet", "--initial-branch=main")
        git(tmp_path / "work", "commit", "--allow-empty", "-m", "x")
        with branch_of(tmp_path / "work").connected() as branch:
            head = branch.fetch()
            with pytest.raises(MirrorError, match=r"checked out|denied"):
                branch.push(head, [change({"h/app/a": b"1"})])

    @pytest.mark.parametrize("name", ["", "-x", "a..b", "a b", "main.lock", "a:b", "HEAD^", "/a"])
    def test_what_is_no_branch_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(PolicyError):
            Branch(Remote("/x"), name, tmp_path)


class TestNothingElseRuns:
    def test_neither_hooks_nor_configuration_of_users_and_repositories(
        self, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ran = tmp_path / "ran"
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\necho $0 >> {ran}\nexit 1\n")
        program.chmod(0o755)
        for hook in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
            (target / "hooks").mkdir(exist_ok=True)
            (target / "hooks" / hook).symlink_to(program)
        for key in ("core.fsmonitor", "core.sshCommand", "gpg.program", "core.pager"):
            git(target, "config", key, str(program))
        home = tmp_path / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(
            f'[core]\nhooksPath = {target}/hooks\nsshCommand = {program}\n[url "/nowhere"]\ninsteadOf = {target}\n'
        )
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
        monkeypatch.setenv("GIT_DIR", str(tmp_path))
        with branch_of(target).connected() as branch:
            assert branch.push(branch.fetch(), [change({"h/app/a": b"1"})])
        assert not ran.exists()
        # the trap works: somebody's own push springs it
        git(tmp_path, "clone", "--quiet", str(target), "clone")
        git(tmp_path / "clone", "commit", "--quiet", "--allow-empty", "-m", "x")
        with pytest.raises(subprocess.CalledProcessError):
            git(tmp_path / "clone", "push", "--quiet")
        assert ran.exists()

    def test_ssh_asks_nobody_and_believes_only_known_hosts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = tmp_path / "told"
        (tmp_path / "bin").mkdir()
        ssh = tmp_path / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\necho "fatal: no \x1b[31mway" >&2\nexit 255\n')
        ssh.chmod(0o755)
        key, known = tmp_path / "a key", tmp_path / "known"
        key.touch()
        known.touch()
        monkeypatch.setenv("PATH", f"{ssh.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
        remote = Remote("git@example.net:mirror.git", ssh_key=str(key), known_hosts=str(known))
        with Branch(remote, "main", tmp_path / "cache").connected() as branch, pytest.raises(MirrorError) as caught:
            branch.fetch()
        assert "\x1b" not in str(caught.value)
        words = told.read_text().splitlines()
        assert {"BatchMode=yes", "StrictHostKeyChecking=yes", str(key), f"UserKnownHostsFile={known}"} <= set(words)

    def test_one_that_never_ends_is_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "bin").mkdir()
        ssh = tmp_path / "bin" / "ssh"
        ssh.write_text("#!/bin/sh\nexec sleep 600\n")
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{ssh.parent}:/usr/bin:/bin")
        remote = Remote("git@example.net:mirror.git")
        hasty = Branch(dataclasses.replace(remote, timeout=1), "main", tmp_path / "cache")
        # only what hangs has so little time
        with Branch(remote, "main", tmp_path / "cache").connected(), pytest.raises(MirrorError, match="within 1"):
            hasty.fetch()

    @pytest.mark.parametrize("told", ["git version 2.31.9", "git version 1.99.0", "x\x1b[31m"])
    def test_one_that_would_read_the_configuration_of_the_user_is_refused(
        self, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
    ) -> None:
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "git"
        program.write_text(f"#!/bin/sh\necho '{told}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        with pytest.raises(DependencyMissingError) as caught, branch_of(target).connected():
            pass
        assert (caught.value.remedy, "\x1b" in str(caught.value)) == ("Install git 2.32 or newer.", False)
        assert not (target.parent / "cache").exists()

    def test_the_cache_is_its_users_alone(self, target: Path) -> None:
        with branch_of(target).connected():
            (cache,) = (target.parent / "cache").iterdir()
            assert stat.S_IMODE(cache.stat().st_mode) == 0o700


class TestRemote:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "-u", "--upload-pack=x", "relative/path", "a b", "/a\nb", "ext::sh -c x", "fd::3", "git://h/x"),
            *(
                "http://h/x",
                "ext::x",
                "https:///x",
                "https://token@h/x",
                "https://u:p@h/x",
                "ssh://u:p@h/x",
                "ssh://u:p/w@h/x",
                "git:s3cr3t@h:x",
                "bob:pw@h/x",
                "ssh://-oProxy=x/y",
            ),
            *("-u@h:x", "h:-x", "file://h/x", "https://h/x?private_token=x"),
        ],
    )
    def test_what_git_must_not_be_given_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(PolicyError) as caught:
            Remote(url)
        assert not url or url not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["/srv/x.git", "file:///srv/x", "ssh://git@h:2222/x", "git@h:group/x.git", "h:x", "https://h/x.git"]
    )
    def test_what_it_may_be_given(self, url: str) -> None:
        assert Remote(url).url == url

    def test_credentials_for_https_come_from_the_named_program_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / ".git-credentials").write_text("https://user:of-the-user@example.net\n")
        (tmp_path / "home" / ".gitconfig").write_text("[credential]\nhelper = store\n")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        asked = b"protocol=https\nhost=example.net\n\n"
        bare(tmp_path / "x.git")
        with pytest.raises(MirrorError):
            Git(tmp_path / "x.git", Remote("https://example.net/x")).run("credential", "fill", data=[asked])
        helper = tmp_path / "helper"
        helper.write_text("#!/bin/sh\necho username=mirror\necho password=of-the-helper\n")
        helper.chmod(0o755)
        remote = Remote("https://example.net/x", credential_helper=str(helper))
        assert b"password=of-the-helper" in Git(tmp_path / "x.git", remote).run("credential", "fill", data=[asked])
        odd = helper.rename(tmp_path / "a helper;x")
        with pytest.raises(PolicyError, match="credential_helper"):
            Remote("https://example.net/x", credential_helper=str(odd))

    def test_a_key_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(PolicyError, match="ssh_key"):
            Remote("h:x", ssh_key="/nonexistent")


class TestTree:
    def test_ids_are_those_of_git(self, tmp_path: Path) -> None:
        assert blob_id("é\n".encode()) == git(tmp_path, "hash-object", "--stdin", data="é\n").strip()

    def test_a_file_in_the_place_of_a_folder_and_back(self) -> None:
        tree = Tree({"h/app/etc/a/b": "0" * 40, "h/app/x": blob_id(b"x"), "README": "1" * 40})
        assert tree.change({"h/app/etc/a": b"", "h/app/x": b"x"}, ()) == ({"h/app/etc/a": b""}, ("h/app/etc/a/b",))
        assert tree.change({"h/app/etc/a/b": b""}, {"none"}) == ({"h/app/etc/a/b": b""}, ("h/app/etc/a",))
        assert tree.folders("h") == {"app"}
        assert tree.paths == {"h/app/etc/a/b", "h/app/x", "README"}
        with pytest.raises(NameRefusedError):
            tree.change({"h/.git/config": b""}, ())

    @given(st.lists(st.dictionaries(PATHS, st.binary(max_size=2), max_size=5), max_size=5))
    def test_no_path_stands_below_a_file(self, steps: list[dict[str, bytes]]) -> None:
        tree = Tree({})
        for wanted in steps:
            above = {path[:at] for path in wanted for at, character in enumerate(path) if character == "/"}
            kept = {path: data for path, data in wanted.items() if path not in above}
            tree.change(kept, ())
            assert kept.keys() <= set(tree.paths)
            assert not any(one.startswith(f"{other}/") for one in tree.paths for other in tree.paths)
