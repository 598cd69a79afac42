# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore: the right snapshots, only what differs, and success only where it was read back equal."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import wire
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    DeniedError,
    FormatError,
    IntegrityError,
    KeyMissingError,
    MismatchError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
    RestoreError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Stored
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    choose,
    open_snapshot,
    points,
    restore,
    verify,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import verify_signature
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Difference
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import (
    HostSite,
    MemorySource,
    near_trip,
)

from .lab import COMPONENTS, FILES, START, Clock, Lab, declared, problems

NEWEST = Selection(newest=True)
CONF = "/etc/app/main.conf"


@pytest.fixture
def site(tmp_path: Path) -> HostSite:
    """A host with files, folders, a symlink and hard links."""
    site = HostSite(tmp_path / "host")
    for path, content in FILES.items():
        site.write(path, content)
    site.write("/etc/app/conf.d/10.conf", b"ten\n")
    site.set_mode("/etc/app/other", 0o600)
    os.link(site.at(CONF), site.at("/etc/app/same.conf"))
    site.at("/etc/app/link").symlink_to("main.conf")
    return site


@pytest.fixture
def sealed(lab: Lab, site: HostSite) -> Lab:
    """A repository that holds that host."""
    assert lab.run(site.source).complete
    return lab


@pytest.fixture
def target(tmp_path: Path) -> HostSite:
    """An empty folder to restore under, not made yet."""
    return HostSite(tmp_path / "target")


class TestSelection:
    """Said once, and never newest by default."""

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"point": "ab" * 32, "newest": True},
            {"time": START, "snapshot": "ab" * 32},
            {"point": "ab" * 5},
            {"point": "AB" * 32},
            {"snapshot": "xyz"},
            {"point": ""},
        ],
    )
    def test_refused(self, given: dict[str, t.Any]) -> None:
        with pytest.raises(PolicyError):
            Selection(**given)

    @pytest.mark.parametrize(
        ("given", "spoken"),
        [
            ({"point": "ab" * 32}, "ab" * 32),
            ({"snapshot": "ab" * 6}, "ab" * 6),
            ({"time": START}, "2026-03-01T12:00:00Z"),
            ({"newest": True}, "newest"),
        ],
    )
    def test_spoken(self, given: dict[str, t.Any], spoken: str) -> None:
        assert Selection(**given).spoken == spoken


class TestChoose:
    """Each component from the newest snapshot that declares it, among those that are asked for."""

    @pytest.fixture
    def history(self, lab: Lab, clock: Clock) -> list[tuple[dt.datetime, str]]:
        """Three runs an hour apart; content is their number. Returns when each was sealed, and its point."""
        source = MemorySource(FILES)
        runs = []
        for number in range(3):
            source.files[CONF] = str(number).encode()
            sealed = lab.run(source)
            assert sealed.id is not None
            runs.append((clock(), sealed.id))
            clock.advance(hours=1)
        return runs

    def content(self, lab: Lab, **selection: t.Any) -> bytes:
        return lab.contents(selection=Selection(**selection))[CONF]

    def test_newest(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        assert self.content(lab, newest=True) == b"2"

    def test_by_point_and_by_its_first_digits(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        for number, (_moment, point) in enumerate(history):
            for digest in (point, point[:12]):
                assert self.content(lab, point=digest) == str(number).encode()

    def test_by_snapshot(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        (first,) = (
            entry.manifest.sha256
            for entry in points.live(lab.repository, until=START).streams.values()
            if entry.stream == "tier1"
        )
        for digest in (first, first[:12]):
            (chosen,) = choose.choose(lab.repository, "h", Selection(snapshot=digest))
            assert chosen.components == ("app",)
            assert self.content(lab, snapshot=digest) == b"0"

    def test_at_a_time(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        for number, (moment, _point) in enumerate(history):
            for later in (0, 3599):
                at = moment + dt.timedelta(seconds=later)
                assert self.content(lab, time=at) == str(number).encode()
        with pytest.raises(NotFoundError, match="2026-03-01T11:59:59Z"):
            self.content(lab, time=START - dt.timedelta(seconds=1))

    def test_only_some_components(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        (chosen,) = choose.choose(lab.repository, "h", Selection(newest=True, components=("base",)))
        assert chosen.components == ("base",)
        assert lab.contents(selection=Selection(newest=True, components=("base",))) == {"/etc/base": b"base\n"}

    def test_what_is_not_there_is_named_with_what_is(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        for host, selection, said in (
            ("g", NEWEST, "host g"),
            ("h", Selection(point="ab" * 32), "ab" * 32),
            ("h", Selection(snapshot="ab" * 32), "ab" * 32),
            ("h", Selection(newest=True, components=("ssh",)), "The snapshot has app, base"),
        ):
            with pytest.raises(NotFoundError) as caught:
                choose.choose(lab.repository, host, selection)
            assert said in str(caught.value)
            assert caught.value.remedy

    def test_a_component_that_moved_to_another_tier_comes_from_there(self, lab: Lab, clock: Clock) -> None:
        both = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier1"})
        moved = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier0"})
        source = MemorySource(FILES)
        lab.run(source, policy=lambda: both)
        clock.advance(hours=1)
        source.files["/etc/base"] = b"moved"
        lab.run(source, policy=lambda: moved)
        chosen = choose.choose(lab.repository, "h", NEWEST)
        assert {(c.entry.stream, c.components) for c in chosen} == {("tier1", ("app",)), ("tier0", ("base",))}
        assert lab.contents()["/etc/base"] == b"moved"
        assert lab.contents(selection=Selection(time=START))["/etc/base"] == b"base\n"

    def test_a_stream_that_nobody_declares_any_more_is_still_found(self, lab: Lab, clock: Clock) -> None:
        source = MemorySource(FILES)
        lab.run(source)
        clock.advance(hours=1)
        only = declared(COMPONENTS[0])
        lab.run(source, policy=lambda: only)
        assert lab.contents() == FILES

    def test_a_broken_point_hides_no_snapshot_of_others(self, lab: Lab, history: list[tuple[dt.datetime, str]]) -> None:
        entry = lab.live().streams["h", "tier1"]
        oldest, middle, _newest = lab.names("bodies/")
        del lab.memory._versions[oldest]
        lab.memory._versions[middle][0].data = b"damaged"
        assert self.content(lab, snapshot=entry.manifest.sha256) == b"2"
        for number, kind in ((0, ObjectMissingError), (1, IntegrityError)):
            with pytest.raises(kind):
                self.content(lab, point=history[number][1])

    def test_garbage_of_the_same_first_digits_hides_no_point(
        self, lab: Lab, history: list[tuple[dt.datetime, str]]
    ) -> None:
        point = history[1][1]
        (name,) = (name for name in points.point_names(lab.repository) if point in name)
        twin = name.replace(point, f"{point[:12]}{'0' * 52}")
        lab.store.put_new(twin, io.BytesIO(b"{}"), lock_until=START + dt.timedelta(days=90))
        assert self.content(lab, point=point[:12]) == b"1"
        with pytest.raises(IntegrityError) as caught:
            self.content(lab, point=f"{point[:12]}{'0' * 52}")
        assert twin in str(caught.value)

    def test_a_component_that_was_retired_is_found_when_it_is_named(self, lab: Lab, clock: Clock) -> None:
        source = MemorySource(FILES)
        both = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier1"})
        lab.run(source, policy=lambda: both)
        clock.advance(hours=1)
        lab.run(source, policy=lambda: declared(COMPONENTS[0]))
        assert "/etc/base" not in lab.contents()
        assert lab.contents(selection=Selection(newest=True, components=("base",))) == {"/etc/base": b"base\n"}
        assert lab.contents(selection=Selection(time=START))["/etc/base"] == b"base\n"


class TestWrite:
    """Under another root: what is missing or differs, nothing else, and again until it is equal."""

    def test_everything_into_an_empty_place(self, sealed: Lab, site: HostSite, target: HostSite) -> None:
        restored = sealed.restore(target.root)
        assert restored.proven
        assert {difference.what for difference in restored.before} == {("missing",)}
        assert len(restored.before) == restored.entries == 8
        assert target.at(CONF).read_bytes() == FILES[CONF]
        assert target.at(CONF).stat().st_ino == target.at("/etc/app/same.conf").stat().st_ino
        assert os.readlink(target.at("/etc/app/link")) == "main.conf"
        assert target.at("/etc/app/other").stat().st_mode & 0o7777 == 0o600
        assert target.at(CONF).stat().st_mtime_ns == site.at(CONF).stat().st_mtime_ns
        assert restored.warnings == ()
        assert set(restored.seconds) == {"find", "fetch", "unwrap", "open", "survey", "apply", "compare"}

    def test_again_changes_nothing(self, sealed: Lab, target: HostSite) -> None:
        sealed.restore(target.root)
        before = target.state()
        restored = sealed.restore(target.root)
        assert (restored.before, restored.proven) == ((), True)
        assert target.state() == before

    @pytest.mark.parametrize(
        ("change", "what"),
        [
            (lambda at: at("/etc/app/other").write_bytes(b"y"), {"/etc/app/other": ("content",)}),
            (lambda at: at("/etc/app/other").chmod(0o644), {"/etc/app/other": ("mode",)}),
            (lambda at: at("/etc/app/conf.d").chmod(0o700), {"/etc/app/conf.d": ("mode",)}),
            (lambda at: at("/etc/base").unlink(), {"/etc/base": ("missing",)}),
            (
                lambda at: (at("/etc/app/link").unlink(), at("/etc/app/link").symlink_to("other")),
                {"/etc/app/link": ("target",)},
            ),
            (lambda at: os.utime(at("/etc/app/other"), ns=(1, 1)), {}),
        ],
    )
    def test_only_what_differs_is_written(
        self, sealed: Lab, target: HostSite, change: t.Callable[..., object], what: dict[str, tuple[str, ...]]
    ) -> None:
        sealed.restore(target.root)
        kept = {path: path.lstat().st_ino for path in target.root.rglob("*") if path.is_file()}
        change(target.at)
        restored = sealed.restore(target.root)
        assert {difference.path: difference.what for difference in restored.before} == what
        assert restored.proven
        untouched = {path: inode for path, inode in kept.items() if path.exists() and path.name not in str(what)}
        assert {path: path.lstat().st_ino for path in untouched} == untouched

    @pytest.mark.parametrize("name", ["main.conf", "same.conf"])
    def test_hard_links_come_back_as_a_group(self, sealed: Lab, target: HostSite, name: str) -> None:
        sealed.restore(target.root)
        target.remove(f"/etc/app/{name}")
        target.write(f"/etc/app/{name}", b"alone")
        restored = sealed.restore(target.root)
        assert restored.proven
        assert target.at(CONF).stat().st_ino == target.at("/etc/app/same.conf").stat().st_ino
        assert target.at(CONF).read_bytes() == FILES[CONF]

    def test_what_is_there_besides_is_named_and_left(self, sealed: Lab, target: HostSite) -> None:
        target.write("/etc/app/own", b"mine")
        target.write("/etc/elsewhere", b"not asked for")
        restored = sealed.restore(target.root)
        assert restored.extra == ("/etc/app/own",)
        assert target.at("/etc/app/own").read_bytes() == b"mine"

    def test_check_mode_tells_and_writes_nothing(self, sealed: Lab, target: HostSite) -> None:
        before = sealed.names()
        checked = sealed.restore(target.root, check=True)
        assert (len(checked.before), checked.proven, checked.record) == (8, False, None)
        assert not target.root.exists()
        assert sealed.names() == before
        sealed.restore(target.root)
        checked = sealed.restore(target.root, check=True)
        assert (checked.before, checked.proven, checked.record) == ((), True, None)

    def test_some_components_leave_the_others(self, sealed: Lab, target: HostSite) -> None:
        restored = sealed.restore(target.root, selection=Selection(newest=True, components=("base",)))
        assert [difference.path for difference in restored.before] == ["/etc/base"]
        assert not target.at("/etc/app").exists()

    def test_overlapping_components_agree_on_the_later(
        self, lab: Lab, site: HostSite, target: HostSite, clock: Clock
    ) -> None:
        overlap = declared(COMPONENTS[0], {"name": "all", "paths": ["/etc"], "tier": "tier2"})
        lab.run(site.source, policy=lambda: overlap)
        clock.advance(hours=1)
        site.write("/etc/app/other", b"changed")
        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, site.source, policy=lambda: declared(COMPONENTS[0]))
        lab.seal(folder)
        lab.restore(target.root)
        assert target.at("/etc/app/other").read_bytes() == b"changed"
        assert target.at("/etc/base").read_bytes() == b"base\n"

    @pytest.mark.parametrize("way", ["a folder in the way", "a symlink above"])
    def test_a_refusal_of_the_target_is_told_and_leaves_it(
        self, sealed: Lab, target: HostSite, tmp_path: Path, way: str
    ) -> None:
        if way == "a folder in the way":
            target.write("/etc/base/inside", b"")
        else:
            target.at("/etc").mkdir(parents=True)
            (tmp_path / "outside").mkdir()
            target.at("/etc/app").symlink_to(tmp_path / "outside")
        before = target.state()
        with pytest.raises(RestoreError) as caught:
            sealed.restore(target.root)
        assert "/etc/" in str(caught.value)
        assert caught.value.remedy
        assert target.state() == before
        assert sealed.names("records/restore/") == []


class Tampered:
    """A trip on which the answers to the n-th survey and later are changed."""

    def __init__(self, change: t.Callable[[dict[str, t.Any]], None], *, first: int = 2) -> None:
        self._change = change
        self._left = first

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        answer = near_trip(half, request, payload)
        if half == "tree":
            self._left -= 1
            if self._left <= 0:
                header, blob = wire.read_answer(answer, limit_bytes=1 << 24)
                self._change(header)
                return wire.MARK + _pack(header, blob)
        return answer


def _pack(header: Mapping[str, t.Any], blob: bytes) -> str:
    from ansible_collections.holdfast.config.plugins.module_utils import _tree

    return _tree.pack(header, blob)


def listing(header: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", header["components"]["app"]["listing"])


class TestMismatch:
    """Success is what was read back, whatever the target said it wrote."""

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda header: listing(header)[-1].update(target="/etc/app/conf.d/10.conf"), "same.conf"),
            (lambda header: [e.update(sha256="ab" * 32) for e in listing(header) if e["path"] == CONF], "content"),
            (lambda header: [e.update(mode=0o777) for e in listing(header) if e["path"] == CONF], "mode"),
            (lambda header: listing(header).pop(), "missing"),
        ],
    )
    def test_what_does_not_come_back_equal_is_no_success(
        self, sealed: Lab, target: HostSite, change: t.Callable[..., None], said: str
    ) -> None:
        with pytest.raises(MismatchError) as caught:
            sealed.restore(target.root, trip=Tampered(change))
        assert said in str(caught.value)
        assert "host h" in str(caught.value)
        assert "Do not use what was restored" in str(caught.value)
        (name,) = sealed.names("records/restore/")
        detail = record_format.read(sealed.store.get(name), what=name)[0].detail
        assert (detail["result"], detail["different"]) == ("different", 1)

    def test_a_target_that_only_says_it_wrote(self, sealed: Lab, target: HostSite) -> None:
        def idle(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            return near_trip(half, {**request, "check": True} if half == "apply" else request, payload)

        with pytest.raises(MismatchError, match="8 of 8 paths"):
            sealed.restore(target.root, trip=idle)

    def test_a_change_meanwhile(self, sealed: Lab, target: HostSite) -> None:
        def busy(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            answer = near_trip(half, request, payload)
            if half == "apply":
                target.write(CONF, b"a daemon was faster")
            return answer

        with pytest.raises(MismatchError, match=r"main\.conf"):
            sealed.restore(target.root, trip=busy)

    def test_a_connection_lost_half_way(self, sealed: Lab, target: HostSite) -> None:
        def lost(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            if half == "apply":
                raise ConnectionLostError("the host went away")
            return near_trip(half, request, payload)

        with pytest.raises(ConnectionLostError):
            sealed.restore(target.root, trip=lost)
        assert sealed.restore(target.root).proven


class TestCompare:
    """What counts as equal, with root's rights and without."""

    FILE = Entry(CONF, EntryKind.FILE, 0o644, 0, 0, "root", "root", 1, 1, "ab" * 32, "", {"security.selinux": b"a"})

    def differences(self, *, owners: bool, **changes: t.Any) -> list[Difference]:
        other = dataclasses.replace(self.FILE, **changes)
        return list(restore.compare({CONF: self.FILE}, {CONF: other}, owners=owners))

    @pytest.mark.parametrize("owners", [True, False])
    def test_time_is_no_difference_and_content_always_is(self, owners: bool) -> None:
        assert self.differences(owners=owners, mtime_ns=2) == []
        assert self.differences(owners=owners, sha256="cd" * 32) == [Difference(CONF, ("content",))]
        assert self.differences(owners=owners, xattrs={**self.FILE.xattrs, "user.a": b""}) == [
            Difference(CONF, ("extended attributes",))
        ]

    @pytest.mark.parametrize(
        "change",
        [
            {"uid": 1, "user": "somebody"},
            {"uid": 1, "user": ""},
            {"gid": 1, "group": "others"},
            {"xattrs": {}},
            {"xattrs": {"trusted.a": b""}},
        ],
    )
    def test_what_only_root_can_set_is_compared_for_root_alone(self, change: dict[str, t.Any]) -> None:
        assert self.differences(owners=True, **change)
        assert not self.differences(owners=False, **change)

    @pytest.mark.parametrize("change", [{"uid": 1}, {"user": "somebody"}, {"gid": 1}, {"group": "others"}])
    def test_an_account_is_the_same_by_name_or_by_number(self, change: dict[str, t.Any]) -> None:
        assert self.differences(owners=True, **change) == []

    def test_missing_and_extra(self) -> None:
        assert restore.compare({CONF: self.FILE}, {}, owners=True) == (Difference(CONF, ("missing",)),)
        assert restore.compare({}, {CONF: self.FILE}, owners=True) == ()
        assert str(Difference(CONF, ("content", "mode"))) == f"{CONF!r} (content, mode)"

    def test_the_targets_right_decides(self, sealed: Lab, target: HostSite) -> None:
        asked: list[Mapping[str, t.Any]] = []

        def unprivileged(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            if half == "apply":
                asked.append(request)
            return Tampered(lambda header: header["host"].update(euid=1000), first=1)(half, request, payload)

        restored = sealed.restore(target.root, trip=unprivileged)
        assert restored.proven
        assert not restored.owners
        assert [request["owners"] for request in asked] == [False]


class DeniedStore(MemoryStore):
    """What a restorer without the right to put records sees."""

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        raise DeniedError("cannot put", item=name, remedy="Ask for the right to put records/.")


class ReadOnlyStore(DeniedStore):
    """Such a store that does not even tell the time."""

    def _clock(self) -> dt.datetime:
        raise DeniedError("cannot ask for the time")


class TestRecord:
    """A restore that is proven is recorded; one that cannot be recorded is proven all the same."""

    def test_it_says_what_was_restored_where(self, sealed: Lab, target: HostSite) -> None:
        restored = sealed.restore(target.root, change={"id": "CHG-2"}, target_host="other")
        assert restored.record is not None
        (listed,) = sealed.store.list("records/restore/")
        assert listed.name == restored.record
        assert listed.lock_until == START + dt.timedelta(days=430 + 365)
        record, envelope = record_format.read(sealed.store.get(restored.record), what="record")
        chain = sealed.repository.chain
        verify_signature(chain, record.root, envelope, use="record", at=record.at, what="record")
        snapshots = sorted(entry.manifest.sha256 for entry in sealed.live().streams.values())
        assert (record.kind, record.subject["host"]) == ("restore", "h")
        assert sorted(record.subject["snapshots"]) == snapshots
        detail = dict(record.detail)
        assert set(detail.pop("milliseconds")) >= {"find", "open", "apply", "compare"}
        assert detail == {
            "target_host": "other",
            "under": str(target.root),
            "result": "equal",
            "entries": 8,
            "written": 8,
            "different": 0,
            "owners_compared": os.geteuid() == 0,
            "actor": {},
            "change": {"id": "CHG-2"},
        }
        assert sealed.verify().records == 1

    @pytest.mark.parametrize("kind", [DeniedStore, ReadOnlyStore])
    def test_a_store_that_takes_none_is_a_warning(self, sealed: Lab, target: HostSite, kind: type[MemoryStore]) -> None:
        store = kind(now=sealed.memory._now)
        store._versions = sealed.memory._versions
        restored = sealed.on(store).restore(target.root)
        assert (restored.proven, restored.record) == (True, None)
        begun, warning = restored.warnings
        assert "the record that this restore begins was not kept" in begun
        assert "the record of this restore was not kept" in warning
        assert target.at(CONF).read_bytes() == FILES[CONF]

    def test_a_failed_restore_that_cannot_be_recorded_does_not_claim_success(
        self, sealed: Lab, target: HostSite
    ) -> None:
        store = DeniedStore(now=sealed.memory._now)
        store._versions = sealed.memory._versions
        with pytest.raises(MismatchError) as caught:
            sealed.on(store).restore(target.root, trip=Tampered(lambda header: listing(header).pop()))
        assert "was not kept" in str(caught.value)
        assert "proven" not in str(caught.value)


class TestOpen:
    """Nothing of a snapshot is used unless all of it is what the point promised."""

    def chosen(self, lab: Lab, stream: str = "tier1") -> choose.Chosen:
        return next(c for c in choose.choose(lab.repository, "h", NEWEST) if c.entry.stream == stream)

    def test_a_snapshot_opens(self, sealed: Lab) -> None:
        opened = open_snapshot.open_snapshot(sealed.repository, sealed.keyring, self.chosen(sealed))
        assert [part.name for part in opened.parts] == ["app"]
        assert opened.manifest.host == "h"

    def test_another_version_of_the_same_name_changes_nothing(self, sealed: Lab) -> None:
        entry = self.chosen(sealed).entry
        for ref in (entry.pack, entry.manifest):
            sealed.store.put_new(ref.name, io.BytesIO(b"put later by a thief"), lock_until=ref.lock_until)
            sealed.memory.put_marker(ref.name)
        assert sealed.contents()[CONF] == FILES[CONF]

    def test_right_bytes_under_another_version_are_found(self, sealed: Lab) -> None:
        entry = self.chosen(sealed).entry
        moved = dataclasses.replace(
            entry,
            pack=dataclasses.replace(entry.pack, version="gone"),
            manifest=dataclasses.replace(entry.manifest, version="gone"),
        )
        chosen = choose.Chosen(moved, ("app",))
        assert open_snapshot.open_snapshot(sealed.repository, sealed.keyring, chosen).parts

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_missing_is_told_by_name(self, sealed: Lab, which: str) -> None:
        chosen = self.chosen(sealed)
        name = getattr(chosen.entry, which).name
        del sealed.memory._versions[name]
        with pytest.raises(ObjectMissingError) as caught:
            open_snapshot.open_snapshot(sealed.repository, sealed.keyring, chosen)
        assert name in str(caught.value)
        assert caught.value.remedy

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_exchanged_with_another_snapshots_is_refused(self, sealed: Lab, which: str) -> None:
        chosen, other = self.chosen(sealed), self.chosen(sealed, "tier2")
        swapped = dataclasses.replace(chosen.entry, **{which: getattr(other.entry, which)})
        with pytest.raises(FormatError) as caught:
            open_snapshot.open_snapshot(sealed.repository, sealed.keyring, choose.Chosen(swapped, chosen.components))
        assert caught.value.item

    def test_who_has_no_open_half_learns_what_is_missing(self, sealed: Lab, tmp_path: Path) -> None:
        from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring

        with pytest.raises(KeyMissingError, match="open half"):
            open_snapshot.open_snapshot(sealed.repository, LocalKeyring(tmp_path / "none"), self.chosen(sealed))


def test_what_was_restored_verifies(sealed: Lab, target: HostSite) -> None:
    sealed.restore(target.root)
    assert problems(sealed.verify(), *verify.Severity) == []
