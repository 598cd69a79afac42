# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirrors of whole histories in real git repositories: what is in them, what is not, and how they go on."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import shutil
import subprocess
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms, texts
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    KeyMissingError,
    ObjectMissingError,
    PolicyError,
    UnsoundError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.branch import Branch
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.git import Remote
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.paths import Layout
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import adopt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import mirror as mirrors
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.mirror import Mirrored
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.mirror_text import Settings
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.mirror.repositories import (
    bare,
    everything,
    files,
    git,
    log,
)

from .faults import FaultyStore
from .lab import FILES, Clock, Lab, declared

SECRET = b"s3cr3t-CANARY-91"
HIDDEN = {
    "/etc/app/main.conf": b"listen = 8080\npassword = " + SECRET + b"\nlocal-key " + SECRET + b"\n",
    "/etc/app/tls.key": b"-----BEGIN PRIVATE KEY-----\n" + SECRET + b"\n",
    "/etc/app/data.bin": b"\0" + SECRET,
    "/etc/app/large": SECRET + b"\n" * 9000,
    "/etc/app/.hidden/50 per%": b"x\r\ny\x1b[31m\r\n",
    "/etc/base": b"base " + SECRET + b"\n",
}
NOBODY = "holdfast.config <holdfast.config@holdfast.invalid>"
OURS = ("-c", "user.name=holdfast.config", "-c", "user.email=holdfast@holdfast.invalid")
POLICY = declared(
    {"name": "app", "paths": ["/etc/app"], "tier": "tier1", "secrets": [r"^local-key (?P<secret>.+)"]},
    {"name": "base", "paths": ["/etc/base"], "tier": "tier2", "data_class": "secret"},
)


@dataclasses.dataclass
class Mirror:
    """A mirror of a lab's repository."""

    lab: Lab
    target: Path
    policy: Policy | None = dataclasses.field(default_factory=declared)

    def declared(self, _name: str, _host_id: str) -> Sequence[Component] | None:
        return None if self.policy is None else self.policy.components

    def run(self, *, branch: str = "main", check: bool = False, history: bool = True, **settings: t.Any) -> Mirrored:
        """Bring it up to date."""
        return mirrors.mirror(
            self.lab.repository,
            self.lab.keyring,
            Branch(Remote(str(self.target)), branch, self.lab.path / "cache"),
            Settings(**settings),
            self.declared,
            check=check,
            history=history,
        )

    @property
    def files(self) -> dict[str, str]:
        return files(self.target)


@pytest.fixture
def mirror(lab: Lab, tmp_path: Path) -> Mirror:
    """An empty mirror of an empty repository."""
    return Mirror(lab, bare(tmp_path / "mirror.git"))


def run(
    lab: Lab, contents: Mapping[str, bytes] | None = None, policy: Callable[[], Policy] = declared, **more: t.Any
) -> str:
    """A run of host h, and the id of its point."""
    return lab.run(MemorySource(dict(FILES if contents is None else contents)), policy=policy, **more).id or ""


class TestHistory:
    def test_a_commit_for_each_point_that_changed_a_text(self, mirror: Mirror, clock: Clock) -> None:
        first = run(mirror.lab, change={"id": "CHG1", "requester": "Ada Lovelace <ada@example.net>"})
        clock.advance(hours=1)
        run(mirror.lab)
        clock.advance(hours=1)
        third = run(mirror.lab, {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}, change={"id": "CHG2"})
        done = mirror.run()
        assert [one.point for one in done.commits] == [first, third]
        assert mirror.files == {
            "h/app/etc/app/main.conf": "listen = 9090\n",
            "h/app/etc/app/other": "x\n",
            "h/base/etc/base": "base\n",
        }
        assert log(mirror.target, "%s | %an <%ae> | %aI") == [
            f"CHG1: recovery point {first[:12]} | Ada Lovelace <ada@example.net> | 2026-03-01T12:00:00+00:00",
            f"CHG2: recovery point {third[:12]} | {NOBODY} | 2026-03-01T14:00:00+00:00",
        ]
        assert log(mirror.target, "%(trailers:key=Holdfast-Point,valueonly)%-") == [first, third]

    def test_a_second_time_nothing_is_done_and_a_new_point_is_added(self, mirror: Mirror, clock: Clock) -> None:
        run(mirror.lab)
        head = mirror.run().head
        again = mirror.run()
        assert (again.commits, again.head) == ((), head)
        clock.advance(days=3)
        run(mirror.lab, {**FILES, "/etc/app/new": b"new\n"})
        assert [one.written for one in mirror.run().commits] == [("h/app/etc/app/new",)]
        assert len(log(mirror.target, "%H")) == 2

    def test_what_is_gone_from_its_host_is_gone_from_the_mirror(self, mirror: Mirror, clock: Clock) -> None:
        app, base = ({"name": name, "paths": [f"/etc/{name}"], "tier": "tier1"} for name in ("app", "base"))
        run(mirror.lab, policy=lambda: declared(app, base))
        clock.advance(hours=1)
        fewer = {"/etc/app/main.conf": b"x\n", "/etc/base": b"base\n"}
        run(mirror.lab, fewer, lambda: declared(app, base))
        clock.advance(hours=1)
        # and a component that is declared no more
        run(mirror.lab, fewer, lambda: declared(app))
        mirror.run()
        assert [len(files(mirror.target, one)) for one in log(mirror.target, "%H")] == [3, 2, 1]
        assert mirror.files == {"h/app/etc/app/main.conf": "x\n"}

    def test_one_that_was_lost_is_made_anew_the_same(self, mirror: Mirror, clock: Clock, tmp_path: Path) -> None:
        for number in range(3):
            run(mirror.lab, {**FILES, "/etc/app/main.conf": b"%d\n" % number})
            clock.advance(hours=1)
            mirror.run()
        anew = Mirror(mirror.lab, bare(tmp_path / "anew.git"))
        assert anew.run().head == mirror.run().head

    def test_it_may_begin_with_the_newest(self, mirror: Mirror, clock: Clock) -> None:
        run(mirror.lab)
        clock.advance(hours=1)
        run(mirror.lab, {**FILES, "/etc/app/main.conf": b"2\n"})
        clock.advance(hours=1)
        mirror.lab.run({"other": MemorySource(FILES)})
        assert len(mirror.run(history=False).commits) == 1
        assert mirror.files["h/app/etc/app/main.conf"] == "2\n"
        assert mirror.files["h/base/etc/base"] == "base\n"
        assert mirror.files["other/base/etc/base"] == "base\n"
        # what came before is not put on top
        assert not mirror.run().commits

    def test_a_point_that_comes_late_turns_nothing_back(self, mirror: Mirror, clock: Clock) -> None:
        run(mirror.lab)
        late = mirror.lab.folder()
        mirror.lab.open(late, "h")
        clock.advance(minutes=1)
        mirror.lab.snapshot(late, MemorySource({**FILES, "/etc/app/main.conf": b"older\n"}))
        clock.advance(minutes=1)
        run(mirror.lab, {**FILES, "/etc/app/main.conf": b"newer\n"})
        mirror.run()
        clock.advance(minutes=1)
        mirror.lab.seal(late)
        assert not mirror.run().commits
        assert mirror.files["h/app/etc/app/main.conf"] == "newer\n"

    def test_a_point_that_changed_nothing_is_not_looked_at_again(
        self, mirror: Mirror, clock: Clock, tmp_path: Path
    ) -> None:
        run(mirror.lab)
        mirror.run()
        for number in range(2):
            clock.advance(days=2)
            unseen = {**FILES, "/etc/app/data.bin": b"\0%d" % number}
            run(mirror.lab, unseen)
            assert [mirror.run().waiting, mirror.run().waiting] == [1, 0]
        # what is to be shown otherwise, or a cache that is lost, costs a look and changes nothing
        assert mirror.run(max_bytes=1024).waiting == 2
        shutil.rmtree(mirror.lab.path / "cache")
        assert (mirror.run().waiting, mirror.run().waiting) == (2, 0)
        clock.advance(hours=1)
        run(mirror.lab, {**unseen, "/etc/app/new": b"new\n"})
        assert [one.written for one in mirror.run().commits] == [("h/app/etc/app/new",)]
        # a branch that is made anew gets all
        git(mirror.target, "update-ref", "-d", "refs/heads/main")
        assert len(mirror.run().commits) == 2

    @pytest.mark.parametrize("most", ["MOST_POINTS", "MOST_BYTES"])
    def test_a_long_history_is_pushed_in_parts_and_is_the_same(
        self, mirror: Mirror, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str
    ) -> None:
        for number in range(2):
            run(mirror.lab, {**FILES, "/etc/app/main.conf": b"%d\n" % number})
            clock.advance(hours=1)
        whole = Mirror(mirror.lab, bare(tmp_path / "whole.git")).run()
        git(mirror.target, "config", "core.logAllRefUpdates", "true")
        monkeypatch.setattr(mirrors, most, 1)
        assert mirror.run(check=True).commits == whole.commits
        assert mirror.run() == whole
        assert len(git(mirror.target, "reflog", "main").splitlines()) == 2

    def test_check_mode_says_what_would_be_and_pushes_nothing(self, mirror: Mirror) -> None:
        point = run(mirror.lab)
        would = mirror.run(check=True)
        assert [one.point for one in would.commits] == [point]
        assert not git(mirror.target, "for-each-ref")
        assert mirror.run().commits == would.commits


@pytest.mark.parametrize(
    ("change", "actor", "author"),
    [
        ({}, {"user": "ops", "controller": "c1"}, "ops <ops@holdfast.invalid>"),
        ({}, {"user": "awx", "awx_user": "ada"}, "ada <ada@holdfast.invalid>"),
        (
            {"requester": "Ada Lovelace", "deployer": "x"},
            {"user": "ops"},
            "Ada Lovelace <ada.lovelace@holdfast.invalid>",
        ),
    ],
)
def test_the_author_is_who_asked_or_who_ran_it(
    mirror: Mirror, change: dict[str, str], actor: dict[str, str], author: str
) -> None:
    run(mirror.lab, change=change, actor=actor)
    assert [one.author for one in mirror.run().commits] == [author]


@pytest.mark.parametrize(
    ("change", "author"),
    [
        ({}, NOBODY),
        ({"requester": "Ada Lovelace"}, "Ada Lovelace <ada.lovelace@holdfast.invalid>"),
        ({"requester": "Ada Lovelace <ada@example.net>"}, "Ada Lovelace <ada@example.net>"),
        ({"requester": "ada@example.net", "deployer": "x"}, "ada <ada@example.net>"),
        ({"deployer": "pipeline 7"}, "pipeline 7 <pipeline.7@holdfast.invalid>"),
        ({"requester": "A\nB <\x1b[31m> <x\n@y>"}, "A B \\x1b[31m x @y <a.b.x1b.31m.x.y@holdfast.invalid>"),
        ({"requester": "<>"}, "holdfast.config <unknown@holdfast.invalid>"),
        ({"requester": "\N{SNOWMAN}"}, "\N{SNOWMAN} <unknown@holdfast.invalid>"),
    ],
)
def test_authors_are_what_git_takes(mirror: Mirror, change: dict[str, str], author: str) -> None:
    run(mirror.lab, change=change)
    assert [one.author for one in mirror.run().commits] == [author]
    assert log(mirror.target, "%an <%ae>") == [author]


class TestSecrets:
    def test_none_is_in_any_object(self, mirror: Mirror) -> None:
        mirror.policy = POLICY
        run(mirror.lab, HIDDEN, lambda: POLICY)
        done = mirror.run(max_bytes=8192)
        assert mirror.files == {
            "h/app/etc/app/main.conf": "listen = 8080\npassword = <secret>\nlocal-key <secret>\n",
            "h/app/etc/app/%2Ehidden/50%20per%25": "x\ny\\x1b[31m\n",
        }
        assert SECRET not in everything(mirror.target)
        assert SECRET not in everything(next((mirror.lab.path / "cache").iterdir()))
        assert sorted((one.component, one.path, one.reason) for one in done.not_mirrored) == [
            ("app", "/etc/app/data.bin", "binary"),
            ("app", "/etc/app/large", "larger than 8192 bytes"),
            ("app", "/etc/app/tls.key", "private"),
            ("base", "", "of class secret"),
        ]

    def test_what_the_inventory_does_not_know_is_left_out_unless_asked_for(self, mirror: Mirror) -> None:
        run(mirror.lab, HIDDEN, lambda: POLICY)
        mirror.policy = None
        done = mirror.run()
        assert not done.commits
        assert {one.reason for one in done.not_mirrored} == {
            "of class secret",
            "not declared, so that its secrets are not known",
        }
        assert mirror.run(undeclared=True, secrets=("local-key",), max_bytes=8192).commits
        assert SECRET not in everything(mirror.target)

    def test_what_became_secret_since_is_shown_no_more(self, mirror: Mirror, clock: Clock) -> None:
        run(mirror.lab)
        mirror.run()
        clock.advance(hours=1)
        run(mirror.lab, {**FILES, "/etc/app/main.conf": b"2\n"})
        mirror.policy = declared({"name": "app", "paths": ["/etc/app"], "tier": "tier1", "data_class": "secret"})
        mirror.run()
        assert mirror.files.keys() == {"h/base/etc/base"}

    def test_who_cannot_open_packs_mirrors_nothing(self, mirror: Mirror, tmp_path: Path, keys: Path) -> None:
        run(mirror.lab)
        seal_half = tmp_path / "half"
        seal_half.mkdir(mode=0o700)
        (seal_half / "seal").symlink_to(keys / "seal")
        mirror.lab.keyring = LocalKeyring(seal_half)
        with pytest.raises(KeyMissingError, match="who may restore"):
            mirror.run()
        assert not git(mirror.target, "for-each-ref")

    def test_what_is_damaged_is_named_and_the_rest_mirrored(self, mirror: Mirror) -> None:
        run(mirror.lab)
        name = next(one for one in mirror.lab.names("packs/") if "/tier1/" in one)

        def gone(_number: int, operation: str, asked: str) -> None:
            if operation == "get" and asked == name:
                raise ObjectMissingError("is not there", item=asked)

        mirror.lab = mirror.lab.on(FaultyStore(mirror.lab.store, before=gone))
        done = mirror.run()
        assert mirror.files.keys() == {"h/base/etc/base"}
        with pytest.raises(UnsoundError, match="1 snapshots cannot be read"):
            mirrors.require_sound(done, {})


def push(lab: Lab, text: bytes, name: str = "router", **more: t.Any) -> None:
    """A run in which a task pushes a text for a host, as one that gets it from a device does."""
    folder = lab.folder()
    lab.open(folder, "h")
    content = [{"name": name, "text": text, **more}]
    lab.snapshot(folder, MemorySource({}), "h", lambda: read_pushed(host="h", content=content), pushed=(name,))
    lab.seal(folder)


class TestTexts:
    def test_volatile_lines_make_no_commit(self, mirror: Mirror, clock: Clock) -> None:
        more = {"volatile": ["^! Last change"]}
        push(mirror.lab, b"! Last change 1\nhostname r1\nsnmp-server community " + SECRET + b"\n", **more)
        assert len(mirror.run().commits) == 1
        assert mirror.files == {"h/router/text": "hostname r1\nsnmp-server community <secret>\n"}
        # other secrets are no other text either
        clock.advance(hours=1)
        push(mirror.lab, b"! Last change 2\nhostname r1\nsnmp-server community other\n", **more)
        done = mirror.run()
        assert (done.waiting, done.commits) == (1, ())


# no general pattern knows what its platform does
ADOPTED = b"hostname r1\n daemon TerminAttr exec -cvauth=key," + SECRET + b",x\n"


class TestAdopted:
    def test_the_platform_of_its_host_masks_it(self, mirror: Mirror) -> None:
        push(mirror.lab, ADOPTED, "adopted-running")
        mirror.declared = lambda _name, _host: adopt.components([platforms.find("eos")])  # type: ignore[method-assign]
        assert mirror.run().commits
        assert mirror.files.keys() == {"h/adopted-running/text"}
        assert "hostname r1\n" in mirror.files["h/adopted-running/text"]
        assert SECRET not in everything(mirror.target)

    @pytest.mark.parametrize("known", [(), None])
    def test_of_no_known_platform_it_is_left_out_until_one_is_known(self, mirror: Mirror, known: t.Any) -> None:
        push(mirror.lab, ADOPTED, "adopted-running")
        mirror.declared = lambda _name, _host: known  # type: ignore[method-assign]
        done = mirror.run()
        assert not done.commits
        assert [(one.component, "platform is not known" in one.reason) for one in done.not_mirrored] == [
            ("adopted-running", True)
        ]
        assert not git(mirror.target, "for-each-ref")
        known = adopt.components([platforms.find("eos")])
        assert mirror.run().commits
        assert SECRET not in everything(mirror.target)

    @pytest.mark.parametrize("asked", [{"secrets": ("cvauth",)}, {"undeclared": True}])
    def test_it_may_be_asked_for(self, mirror: Mirror, asked: dict[str, t.Any]) -> None:
        push(mirror.lab, ADOPTED, "adopted-running")
        assert mirror.run(**asked).commits
        assert (SECRET in everything(mirror.target)) == ("undeclared" in asked)


class Router(Source):
    """A device that gives these texts, by component and item."""

    def __init__(self, **given: Mapping[str, bytes]) -> None:
        self._given = given

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        return {name: part.fingerprint for name, part in self._content(components).items()}

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        return {one.name: texts.captured(one, self._given[one.name]) for one in components}


class TestDevices:
    def test_platforms_say_what_is_secret_and_what_is_volatile(
        self, mirror: Mirror, clock: Clock, tmp_path: Path
    ) -> None:
        config = (
            "Building configuration...\r\n\r\nCurrent configuration : {size} bytes\r\n!\r\n"
            "! Last configuration change at 1{size}:00:00 UTC\r\nversion 15.2\r\nhostname r1\r\n"
            "enable secret 5 $1$abcd${secret}\r\ninterface Vlan1\r\n description {text}\r\n"
            "ntp clock-period 17{size}\r\nend\r\n"
        )
        component = {"name": "config", "kind": "device", "platform": "ios", "items": ["running"]}
        mirror.policy = declared(component, platforms=platforms.finder())

        def backup(size: int, text: str, secret: str = SECRET.decode()) -> None:
            clock.advance(hours=1)
            running = config.format(size=size, text=text, secret=secret).encode()
            folder = mirror.lab.folder()
            mirror.lab.open(folder, "h")
            device = Router(config={"running": running})
            mirror.lab.snapshot(folder, MemorySource({}), "h", lambda: mirror.policy or declared(), device=device)
            mirror.lab.seal(folder)

        backup(1, "old")
        assert len(mirror.run().commits) == 1
        # a clock, a size and another password are no commit
        backup(2, "old", "other")
        assert not mirror.run().commits
        backup(3, "new")
        assert [one.written for one in mirror.run().commits] == [("h/config/running",)]
        shown = mirror.files["h/config/running"]
        assert "description new\n" in shown
        assert "<secret>" in shown
        assert SECRET not in everything(mirror.target)
        # as RANCID has it
        other = Mirror(mirror.lab, bare(tmp_path / "rancid.git", "master"), mirror.policy)
        work = tmp_path / "work"
        git(tmp_path, "clone", "--quiet", str(other.target), str(work))
        git(work, "commit", "--quiet", "--allow-empty", "-m", "new repository")
        git(work, "push", "--quiet", "origin", "HEAD:master")
        assert len(other.run(branch="master", layout=Layout.RANCID).commits) == 2
        assert files(other.target, "master") == {"configs/h": shown}


class TestGoesOn:
    @pytest.mark.parametrize(
        ("layout", "group", "path"),
        [(Layout.RANCID, "", "configs/h"), (Layout.RANCID, "core", "core/configs/h"), (Layout.OXIDIZED, "", "h")],
    )
    def test_with_the_history_of_another(
        self, mirror: Mirror, tmp_path: Path, layout: Layout, group: str, path: str
    ) -> None:
        target = bare(tmp_path / "other.git", "master")
        work = tmp_path / "work"
        git(tmp_path, "clone", "--quiet", str(target), str(work))
        git(work, "checkout", "--quiet", "-b", "master")
        for name, text in {path: "hostname old\n", "router.db": "h;cisco;up\n"}.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", "updates")
        git(work, "push", "--quiet", "origin", "master")
        push(mirror.lab, b"hostname new\n")
        mirror.target = target
        asked: dict[str, t.Any] = {"branch": "master", "layout": layout, "groups": {group: ("h",)} if group else {}}
        assert not mirror.run(**asked).commits
        asked["components"] = ("router",)
        assert len(mirror.run(**asked).commits) == 1
        assert files(target, "master") == {path: "hostname new\n", "router.db": "h;cisco;up\n"}
        assert len(git(target, "log", "--format=%H", "master", "--", path).splitlines()) == 2
        assert not mirror.run(**asked).commits
        with pytest.raises(PolicyError, match="no branch main"):
            mirror.run(layout=layout)


class TestOthers:
    def test_what_they_commit_stays(self, mirror: Mirror, clock: Clock, tmp_path: Path) -> None:
        app, base = ({"name": name, "paths": [f"/etc/{name}"], "tier": "tier1"} for name in ("app", "base"))
        run(mirror.lab, policy=lambda: declared(app, base))
        mirror.run()
        work = tmp_path / "work"
        git(tmp_path, "clone", "--quiet", str(mirror.target), str(work))
        theirs = ("h/notes/todo.md", "h/app/README", "h/base/x", "README")
        for path in theirs:
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text("x")
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", "x")
        git(work, "push", "--quiet", "origin", "main")
        clock.advance(hours=1)
        run(mirror.lab, {"/etc/app/main.conf": b"2\n"}, lambda: declared(app))
        assert mirror.run().commits[0].removed == ("h/app/etc/app/other", "h/base/etc/base")
        assert mirror.files == {"h/app/etc/app/main.conf": "2\n", **dict.fromkeys(theirs, "x")}

    def test_another_repositorys_mirror_is_left_alone(self, mirror: Mirror) -> None:
        run(mirror.lab)
        mirror.run()
        work = mirror.target.parent / "work"
        git(mirror.target.parent, "clone", "--quiet", str(mirror.target), str(work))
        message = git(work, "log", "-1", "--format=%B").replace(
            f"Repository: {mirror.lab.repository.name}", "Repository: x"
        )
        git(work, *OURS, "commit", "--quiet", "--allow-empty", "-m", message)
        git(work, "push", "--quiet", "origin", "main")
        with pytest.raises(PolicyError, match="mirror of repository x"):
            mirror.run()

    def test_a_host_whose_declaration_cannot_be_read_stops_no_other(self, mirror: Mirror, clock: Clock) -> None:
        def asked(name: str, _host_id: str) -> Sequence[Component] | None:
            if name == "h" and broken:
                raise PolicyError("is nothing", item="components")
            return declared().components

        mirror.declared = asked  # type: ignore[method-assign]
        broken = False
        run(mirror.lab)
        mirror.run()
        broken = True
        clock.advance(hours=1)
        mirror.lab.run({"h": MemorySource({**FILES, "/etc/base": SECRET}), "other": MemorySource(FILES)})
        done = mirror.run(undeclared=True)
        assert [one for one in done.warnings if "h is not mirrored" in one]
        assert {(one.host, one.component) for one in done.not_mirrored} == {("h", "base")}
        assert mirror.files["other/base/etc/base"] == mirror.files["h/base/etc/base"] == "base\n"


class TestTogether:
    def test_processes_that_push_at_once_lose_nothing(
        self, file_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mirrors, "MOST_POINTS", 2)
        target = bare(tmp_path / "mirror.git")
        points = [run(file_lab, {**FILES, "/etc/app/main.conf": b"%d\n" % number}) for number in range(4)]
        context = multiprocessing.get_context("fork")
        start = context.Barrier(3)
        made: t.Any = context.Queue()

        def mirrors_it() -> None:
            # of one machine, with one cache
            own = Mirror(file_lab, target)
            start.wait(300)
            made.put(len(own.run().commits))

        def pushes_something_else() -> None:
            work = tmp_path / "work"
            git(tmp_path, "clone", "--quiet", str(target), str(work))
            start.wait(300)
            for number in range(5):
                for _attempt in range(100):
                    git(work, "fetch", "--quiet")
                    there = bool(git(work, "branch", "--remotes"))
                    git(work, "checkout", "--quiet", "-B", "main", *(["origin/main"] if there else []))
                    (work / f"note{number}").write_text("x")
                    git(work, "add", ".")
                    git(work, "commit", "--quiet", "-m", f"note {number}")
                    with contextlib.suppress(subprocess.CalledProcessError):
                        git(work, "push", "--quiet", "origin", "main")
                        break

        works = (mirrors_it, mirrors_it, pushes_something_else)
        processes = [context.Process(target=work) for work in works]
        for process in processes:
            process.start()
        counts = [made.get(timeout=300) for _mirror in range(2)]
        for process in processes:
            process.join(300)
            assert process.exitcode == 0
        # the same commits are made by who comes later, or none
        assert 4 <= sum(counts) <= 8
        assert files(target)["h/app/etc/app/main.conf"] == "3\n"
        assert {f"note{number}" for number in range(5)} <= files(target).keys()
        told = [line for line in log(target, "%(trailers:key=Holdfast-Point,valueonly)%-") if line]
        assert told == points
        git(target, "fsck", "--strict")
