# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which snapshot is the newest, and which points are believed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    HoldfastError,
    IntegrityError,
    ObjectMissingError,
    SignatureError,
    UnknownVersionError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    ObjectRef,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from hypothesis import given, settings
from hypothesis import strategies as st

from .forge import LOCK, Forge
from .lab import FILES, START, Clock, Lab, declared


def sources(*hosts: str) -> dict[str, MemorySource]:
    return {host: MemorySource(FILES) for host in hosts}


def test_an_empty_repository_has_nothing(lab: Lab) -> None:
    assert lab.live() == points.Live({}, {}, (), (), (), 0, None, 0, 0, ())


def test_the_first_point_is_full_and_the_next_names_it(lab: Lab, clock: Clock) -> None:
    hosts = sources(*(f"h{n}" for n in range(8)))
    first = lab.run(hosts)
    clock.advance(hours=1)
    live = lab.live()
    assert (live.tips, live.seen, live.since_full) == ((first.id,), (first.id,), 0)
    point = points.read_point(lab.repository, points.point_names(lab.repository)[0])
    assert (point.body.full, point.body.covers, point.body.parents) == (True, (), ())
    assert live.full_size == point.size
    second = lab.run({"h0": hosts["h0"]})
    point = points.read_point(lab.repository, points.point_names(lab.repository)[0])
    assert (point.id, point.body.full, point.body.parents) == (second.id, False, (first.id,))
    assert {entry.host for entry in point.body.streams} == {"h0"}
    live = lab.live()
    assert (live.tips, live.since_full) == ((second.id,), point.size)
    assert set(live.seen) == {first.id, second.id}
    assert len(live.streams) == 16


def test_a_full_body_comes_when_the_others_outweigh_it(lab: Lab, clock: Clock) -> None:
    hosts = sources(*(f"h{n}" for n in range(8)))
    ids = [lab.run(hosts).id]
    fulls = []
    for _number in range(30):
        clock.advance(hours=1)
        live = lab.live()
        ids.append(lab.run({"h0": hosts["h0"]}).id)
        point = points.read_point(lab.repository, points.point_names(lab.repository)[0])
        fulls.append(point.body.full)
        if point.body.full:
            assert live.since_full + point.size > live.full_size
            assert set(point.body.covers) == set(live.seen) == set(ids[:-1])
            states = {entry.host: entry.state for entry in point.body.streams}
            assert states.pop("h0") is StreamState.UNCHANGED
            assert set(states.values()) == {StreamState.LIVE}
            assert len(states) == 7
        else:
            assert live.since_full + point.size <= live.full_size
    assert 1 <= sum(fulls) < len(fulls) / 2
    assert len(lab.live().streams) == 16


def test_what_a_full_body_covers_is_not_read_again(lab: Lab, clock: Clock) -> None:
    """A covered point may expire: the full body stands for it."""
    hosts = sources("a", "b")
    lab.run(hosts)
    clock.advance(hours=1)
    while not points.read_point(lab.repository, points.point_names(lab.repository)[0]).body.covers:
        lab.run({"a": hosts["a"]})
        clock.advance(hours=1)
    before = lab.live()
    newest = points.point_names(lab.repository)[0]
    for name in lab.names("bodies/"):
        if name != points.read_statement(lab.repository, newest)[0].body_name:
            del lab.memory._versions[name]
    after = lab.live()
    assert (after.streams, after.tips, after.seen, after.warnings) == (before.streams, before.tips, before.seen, ())


def test_until_leaves_out_what_was_sealed_later(lab: Lab, clock: Clock) -> None:
    source = MemorySource(FILES)
    moments = []
    for text in (b"1", b"2", b"3"):
        source.files["/etc/app/main.conf"] = text
        lab.run(source)
        moments.append((clock.moment, lab.live().streams["h", "tier1"].captured_at))
        clock.advance(hours=1)
    for moment, captured in moments:
        for later in (0, 1, 3599):
            live = lab.live(until=moment + dt.timedelta(seconds=later))
            assert live.streams["h", "tier1"].captured_at == captured
    assert lab.live(until=START - dt.timedelta(seconds=1)).streams == {}


def test_ties_go_by_digest() -> None:
    older, newer = fabricated("h", "tier1", START, b"1"), fabricated("h", "tier1", START, b"2")
    greater = max(older, newer, key=lambda entry: entry.manifest.sha256)
    for order in ([older, newer], [newer, older]):
        assert points.newest(order) == {("h", "tier1"): greater}


@pytest.fixture
def forge(lab: Lab) -> Forge:
    lab.run(sources("h"))
    return Forge(lab)


def test_the_forge_makes_believable_points(forge: Forge) -> None:
    name = forge.put()
    assert points.read_point(forge.lab.repository, name).body.run == "f" * 16
    assert forge.lab.live().warnings == ()
    assert len(forge.lab.live().tips) == 2


UNBELIEVABLE: dict[str, tuple[dict[str, t.Any], type[HoldfastError]]] = {
    "signed to be a record": ({"use": "record"}, SignatureError),
    "of another repository": ({"statement": {"repository": "other"}, "body": {"repository": "other"}}, SignatureError),
    "of another root": ({"statement": {"root": "ab" * 32}, "body": {"root": "ab" * 32}}, SignatureError),
    "signed before the key was valid": ({"statement": {"sealed_at": START - dt.timedelta(days=1)}}, SignatureError),
    "body damaged": ({"body_bytes": lambda data: data[:-1] + bytes([data[-1] ^ 1])}, IntegrityError),
    "body cut": ({"body_bytes": lambda data: data[:-20]}, IntegrityError),
    "body missing": ({"body_bytes": lambda data: b""}, ObjectMissingError),
    "says another completeness than its body": ({"statement": {"complete": False}}, FormatError),
    "says other parents than its body": ({"body": {"parents": ("ab" * 32,)}}, FormatError),
    "says another run than its body": ({"body": {"run": "e" * 16}}, FormatError),
    "says another time than its body": ({"body": {"sealed_at": START + dt.timedelta(seconds=1)}}, FormatError),
    "says another digest than its body's name": ({"statement": {"body_sha256": "ab" * 32}}, FormatError),
    "says another run than its name": ({"statement": {"run": "e" * 16}, "body": {"run": "e" * 16}}, FormatError),
    "of a later version": (
        {"payload": lambda data: data.replace(b'"format":1', b'"format":2')},
        UnknownVersionError,
    ),
    "with something critical": (
        {"payload": lambda data: data.replace(b'"critical":[]', b'"critical":["x"]')},
        UnknownVersionError,
    ),
    "not canonical": ({"payload": lambda data: data.replace(b'"complete":', b'"complete": ')}, FormatError),
}


@pytest.mark.parametrize("why", UNBELIEVABLE)
def test_a_point_that_is_not_believed_is_left_out_and_named(forge: Forge, why: str) -> None:
    before = forge.lab.live()
    given, kind = UNBELIEVABLE[why]
    name = forge.put(**given)
    with pytest.raises(kind) as caught:
        points.read_point(forge.lab.repository, name)
    assert caught.value.item
    live = forge.lab.live()
    assert dataclasses.replace(live, warnings=()) == before
    assert len(live.warnings) == 1
    assert name in live.warnings[0]
    # a backup goes on, and tells
    (note,) = forge.lab.open(forge.lab.folder(), "h").notes
    assert name in note
    assert forge.lab.run(sources("h")).complete


def test_a_point_that_another_keyring_signed_is_left_out(forge: Forge, other_keys: Path) -> None:
    name = forge.put(keyring=LocalKeyring(other_keys))
    assert name in forge.lab.live().warnings[0]


def test_a_point_from_the_future_is_left_out(forge: Forge) -> None:
    """Else whoever signs one rules what is newest for as long as it lies ahead."""
    near, far = START + dt.timedelta(minutes=14), START + dt.timedelta(minutes=16)
    forge.put(statement={"sealed_at": near})
    assert forge.lab.live().warnings == ()
    name = forge.put(statement={"sealed_at": far})
    assert name in forge.lab.live().warnings[0]
    assert len(forge.lab.live().seen) == 2


def test_garbage_is_left_out(forge: Forge) -> None:
    before = forge.lab.live()
    for data in (b"", b"{}", b"\x00" * 100, forge.lab.store.get(forge.point.name)[:-1]):
        name = names.for_point(names.Kind.POINT, START, "0" * 16, data)
        objects.put(forge.lab.store, name, data, lock_until=LOCK)
    forge.lab.store.put_new("points/not-one-of-ours", io.BytesIO(b"x"), lock_until=LOCK)
    forge.lab.store.put_new(forge.point.name, io.BytesIO(b"a newer version"), lock_until=LOCK)
    forge.lab.memory.put_marker(forge.point.name)
    live = forge.lab.live()
    assert dataclasses.replace(live, warnings=()) == before
    assert len(live.warnings) == 4


def fabricated(host: str, stream: str, at: dt.datetime, data: bytes) -> StreamEntry:
    """A stream entry whose objects nobody asks for."""
    refs = [
        ObjectRef(names.for_snapshot(kind, "d0090", host, stream, at, data), "v", len(data), at + (LOCK - START))
        for kind in (names.Kind.PACK, names.Kind.MANIFEST)
    ]
    return StreamEntry(
        host=host,
        host_id=host,
        stream=stream,
        retention_class="d0090",
        state=StreamState.STORED,
        captured_at=at,
        verified_at=at,
        pack=refs[0],
        manifest=refs[1],
        fingerprints=(),
    )


def test_a_point_under_another_time_or_run_is_left_out(forge: Forge) -> None:
    """Its bytes fit the digest in the name, and the rest of the name lies."""
    before = forge.lab.live()
    name = forge.point.name
    for other in (name.replace("T120000Z", "T115959Z"), name.replace("-0000000000000001-", "-0000000000000002-")):
        assert other != name
        forge.lab.store.put_new(other, io.BytesIO(forge.lab.store.get(name)), lock_until=LOCK)
    live = forge.lab.live()
    assert dataclasses.replace(live, warnings=()) == before
    assert len(live.warnings) == 2


def views(lab: Lab, offsets: list[int]) -> list[Lab]:
    """The repository as controllers see it whose store tells a time that is off by so many seconds."""
    found = []
    for offset in offsets:
        seen = MemoryStore(now=lambda offset=offset: lab.memory.clock() + dt.timedelta(seconds=offset))
        seen._versions = lab.memory._versions
        found.append(dataclasses.replace(lab.on(seen), wall_clock=seen.clock))
    return found


def test_a_full_body_of_who_is_behind_covers_who_was_ahead(lab: Lab, clock: Clock) -> None:
    """Its name is the oldest, and it names what was captured later than it was sealed itself."""
    clock.advance(hours=1)
    ahead, behind = views(lab, [420, -420])
    ids = [ahead.run(sources("a")).id]
    point = None
    while point is None or not point.body.full or len(ids) < 3:
        ids.append(behind.run(sources("b")).id)
        (name,) = (name for name in points.point_names(lab.repository) if str(ids[-1]) in name)
        point = points.read_point(lab.repository, name)
    assert max(entry.captured_at for entry in point.body.streams) > point.body.sealed_at
    for reader in (lab, ahead, behind):
        live = reader.live()
        assert (live.tips, set(live.seen), live.warnings) == ((ids[-1],), set(ids), ())
        assert {host for host, _stream in live.streams} == {"a", "b"}


HOSTS = [f"h{n}" for n in range(3)]
ONE = declared({"name": "app", "paths": ["/etc/app"]})
steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 1), st.just([])),
        st.tuples(
            st.just("seal"),
            st.integers(0, 3),
            st.lists(
                st.tuples(st.sampled_from(HOSTS), st.booleans()), min_size=1, max_size=3, unique_by=lambda pair: pair[0]
            ),
        ),
        st.tuples(st.just("wait"), st.integers(0, 3000), st.just([])),
    ),
    min_size=4,
    max_size=24,
)
folders = itertools.count(1)


@settings(max_examples=60)
@given(steps, st.lists(st.integers(-420, 420), min_size=2, max_size=2))
def test_any_history_of_two_controllers_keeps_the_newest_of_every_stream(
    tmp_path_factory: pytest.TempPathFactory,
    keys: Path,
    history: list[tuple[str, int, list[tuple[str, bool]]]],
    offsets: list[int],
) -> None:
    """Their clocks differ by up to 14 minutes, their runs overlap, and no name is in the order of anything."""
    clock = Clock()
    with clock.ruling():
        lab = Lab.make(tmp_path_factory.mktemp("history"), MemoryStore(now=clock), keys, clock)
        clock.advance(hours=1)
        seen = views(lab, offsets)
        hosts = sources(*HOSTS)
        running: list[tuple[Lab, PointFolder]] = []
        newest: dict[tuple[str, str], StreamEntry] = {}
        parents: dict[str, tuple[str, ...]] = {}
        for number, (action, which, parts) in enumerate(history):
            if action == "wait":
                clock.advance(seconds=which)
            elif action == "open":
                folder = seen[which].folder(run=f"{next(folders):016x}")
                seen[which].open(folder, *HOSTS)
                running.append((seen[which], folder))
            elif running:
                view, folder = running.pop(which % len(running))
                saw_all = set(folder.read_open().seen) == set(parents)
                for host, changes in parts:
                    if changes:
                        hosts[host].files["/etc/app/main.conf"] = str(number).encode()
                    (part,) = view.snapshot(folder, hosts[host], host, lambda: ONE).streams
                    assert part.entry is not None
                    key = part.entry.key
                    newest[key] = max(newest.get(key, part.entry), part.entry, key=lambda entry: entry.age_order)
                    # who saw everything before is the newest, whatever the clocks say
                    assert newest[key].manifest == part.entry.manifest or not saw_all
                sealed = view.seal(folder)
                assert sealed.id is not None
                parents[sealed.id] = folder.read_open().parents
                for reader in (lab, *seen):
                    holds(reader.live(), newest, parents)


def holds(live: points.Live, newest: dict[tuple[str, str], StreamEntry], parents: dict[str, tuple[str, ...]]) -> None:
    assert live.warnings == ()
    told = {key: (entry.captured_at, entry.manifest) for key, entry in live.streams.items()}
    assert told == {key: (entry.captured_at, entry.manifest) for key, entry in newest.items()}
    assert set(live.seen) == set(parents)
    assert set(live.tips) == set(parents) - {parent for named in parents.values() for parent in named}
