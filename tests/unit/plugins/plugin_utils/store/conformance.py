# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every store promises. A subclass says how to make an empty one; MarkerContract adds delete markers."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import itertools
import string
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    ObjectMissingError,
    StoreError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import (
    LAST_SEGMENT_LENGTH,
    NAME_LENGTH,
    SEGMENT_LENGTH,
    Listed,
    Store,
    Stored,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

NAME = "packs/d0030/web01.example/main/20261121T011623Z-0123abcd.tar.zst.age"

_letters = st.sampled_from(f"{string.ascii_letters}{string.digits}._%=~-")
_segments = st.text(_letters, min_size=1, max_size=12).filter(lambda segment: segment not in {".", ".."})
# few and short segments, so that names share folders, start with one another, and come again
_near = st.sampled_from(["a", "a-b", "a.b", "ab", "b", "A", "0", "a%2F", "=", "~"])
names = st.lists(st.one_of(_near, _near, _segments), min_size=1, max_size=4).map("/".join)
names = names.filter(lambda name: not name.startswith("."))

# the body of these tests is one, its subclasses are many
shared = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)


def ticking(step: dt.timedelta = dt.timedelta(seconds=1)) -> t.Callable[[], dt.datetime]:
    """Return a clock that moves on by *step* each time it is read."""
    seconds = itertools.count()
    return lambda: dt.datetime(2026, 11, 21, tzinfo=dt.UTC) + next(seconds) * step


def put(store: Store, name: str, data: bytes, *, days: int = 30) -> Stored:
    """Put *data*, locked for *days* by the store's clock, once that clock has left the moment of the put before."""
    start = now = store.clock()
    while now <= start:
        now = store.clock()
    return store.put_new(name, io.BytesIO(data), lock_until=now + dt.timedelta(days=days))


def _apart(names: list[str]) -> bool:
    """Whether none of these names is another one's folder."""
    return not any(one != other and one.startswith(f"{other}/") for one in names for other in names)


class StoreContract:
    many = 1100  # more than a page of S3
    #: Whether a name may be another one's folder too, and both are listed. No two names of the format are so.
    nests = True
    #: How far the clock may be behind the times of objects.
    behind = dt.timedelta(0)

    def fresh(self) -> contextlib.AbstractContextManager[Store]:
        """Make an empty store, for as long as the block lasts."""
        raise AssertionError("a subclass makes the store")

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with self.fresh() as store:
            yield store

    def test_says_where_it_is(self, store: Store) -> None:
        assert "://" in store.location
        assert isinstance(store.enforced, bool)

    def test_probe_of_an_empty_store_leaves_nothing(self, store: Store) -> None:
        store.probe()
        assert list(store.list()) == []

    def test_clock_is_utc_and_moves(self, store: Store) -> None:
        first = store.clock()
        assert first.utcoffset() == dt.timedelta(0)
        put(store, NAME, b"")
        assert store.clock() > first

    def test_what_was_put_comes_back(self, store: Store) -> None:
        stored = put(store, NAME, b"sealed")
        assert stored.name == NAME
        assert store.get(NAME) == b"sealed"
        assert store.get(NAME, version=stored.version) == b"sealed"

    def test_put_reads_from_where_the_stream_stands(self, store: Store) -> None:
        stream = io.BytesIO(b"header|body")
        stream.seek(7)
        store.put_new(NAME, stream, lock_until=store.clock() + dt.timedelta(days=1))
        assert store.get(NAME) == b"body"
        assert stream.read() == b""

    def test_head_and_list_describe_a_version_alike(self, store: Store) -> None:
        before = store.clock()
        stored = put(store, NAME, b"sealed")
        head = store.head(NAME)
        assert head == Listed(
            name=NAME,
            version=stored.version,
            size=6,
            lock_until=stored.lock_until,
            marker=False,
            held=False,
            modified=head.modified,
        )
        assert before.replace(microsecond=0) <= head.modified <= store.clock() + self.behind
        assert [store.with_lock(listed) for listed in store.list()] == [head]
        assert store.head(NAME, version=stored.version) == head

    def test_lock_is_read_back(self, store: Store) -> None:
        asked = store.clock() + dt.timedelta(days=400)
        stored = store.put_new(NAME, io.BytesIO(b"x"), lock_until=asked)
        assert asked <= stored.lock_until < asked + dt.timedelta(seconds=1)
        assert store.head(NAME).lock_until == stored.lock_until

    def test_lock_is_rounded_up_and_in_utc(self, store: Store) -> None:
        zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
        asked = (store.clock() + dt.timedelta(days=9)).replace(microsecond=1).astimezone(zone)
        stored = store.put_new(NAME, io.BytesIO(b"x"), lock_until=asked)
        assert stored.lock_until == asked.replace(microsecond=0) + dt.timedelta(seconds=1)
        assert stored.lock_until.utcoffset() == dt.timedelta(0)

    @pytest.mark.parametrize("days", [-1, -4000])
    def test_lock_in_the_past_is_refused(self, store: Store, days: int) -> None:
        with pytest.raises(StoreError, match="is past"):
            store.put_new(NAME, io.BytesIO(b"x"), lock_until=store.clock() + dt.timedelta(days=days))
        assert list(store.list()) == []

    def test_lock_without_a_zone_is_a_bug(self, store: Store) -> None:
        with pytest.raises(ValueError, match="time zone"):
            store.put_new(NAME, io.BytesIO(b"x"), lock_until=dt.datetime(2099, 1, 1))
        assert list(store.list()) == []

    def test_putting_again_adds_a_version(self, store: Store) -> None:
        first = put(store, NAME, b"one", days=10)
        second = put(store, NAME, b"other", days=5)
        assert first.version != second.version
        assert store.get(NAME) == b"other"
        assert store.head(NAME).version == second.version
        assert store.get(NAME, version=first.version) == b"one"
        assert [(listed.version, listed.size) for listed in store.list(NAME)] == [
            (first.version, 3),
            (second.version, 5),
        ]
        assert store.head(NAME, version=first.version).lock_until == first.lock_until

    def test_the_same_bytes_again_are_a_version_too(self, store: Store) -> None:
        versions = [put(store, NAME, b"same", days=days).version for days in (1, 2, 3)]
        assert [listed.version for listed in store.list()] == versions

    def test_empty_object(self, store: Store) -> None:
        put(store, NAME, b"")
        assert store.get(NAME) == b""
        assert store.head(NAME).size == 0

    def test_big_object(self, store: Store) -> None:
        data = bytes(range(256)) * (65536 + 1)  # over 16 MiB, and no multiple of a block
        put(store, NAME, data)
        assert store.get(NAME) == data
        assert store.head(NAME).size == len(data)

    def test_many_objects_are_listed_once_and_in_order(self, store: Store) -> None:
        lock = store.clock() + dt.timedelta(days=30)
        expected = [f"points/2026-11-{number % 28:02}/{number:05}.json" for number in range(self.many)]
        for name in expected:
            store.put_new(name, io.BytesIO(b"{}"), lock_until=lock)
        assert [listed.name for listed in store.list("points/")] == sorted(expected)
        assert [listed.name for listed in store.list("points/2026-11-07/")] == sorted(
            name for name in expected if name.startswith("points/2026-11-07/")
        )

    def test_prefix_may_end_inside_a_segment(self, store: Store) -> None:
        for name in ("a/web1", "a/web10", "a/web2", "ab", "b/web1"):
            put(store, name, b"x")
        assert [listed.name for listed in store.list("a/web1")] == ["a/web1", "a/web10"]
        assert [listed.name for listed in store.list("a")] == ["a/web1", "a/web10", "a/web2", "ab"]
        assert [listed.name for listed in store.list("a/")] == ["a/web1", "a/web10", "a/web2"]
        assert list(store.list("a/web1/")) == []
        assert list(store.list("c/d")) == []

    def test_order_is_that_of_whole_names(self, store: Store) -> None:
        # "-" and "." sort before "/", letters behind it
        expected = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b/c", "a0", "b"]
        if not self.nests:
            expected = ["a-b/c", "a-c", "a.b", "a/b/c", "a/b0", "a0", "b"]
        for name in reversed(expected):
            put(store, name, b"x")
        assert [listed.name for listed in store.list()] == expected

    def test_a_name_may_be_another_ones_folder(self, store: Store) -> None:
        put(store, "a/b", b"object")
        try:
            put(store, "a/b/c", b"below")
        except StoreError:
            assert not self.nests
        else:
            assert store.get("a/b/c") == b"below"
        assert store.get("a/b") == b"object"

    def test_unknown_name(self, store: Store) -> None:
        put(store, NAME, b"x")
        for name in ("nothing", "packs", f"{NAME}x", f"{NAME}/x", NAME[:-1]):
            with pytest.raises(ObjectMissingError):
                store.get(name)
            with pytest.raises(ObjectMissingError):
                store.head(name)
            with pytest.raises(ObjectMissingError):
                store.hold(name, "1", on=True)
            with pytest.raises(ObjectMissingError):
                store.bring_back(name, "1", days=1, tier="Standard")

    @pytest.mark.parametrize("version", ["", "1", "null", "../x", "20991121T011623Z.0123456789abcdef"])
    def test_unknown_version(self, store: Store, version: str) -> None:
        put(store, NAME, b"x")
        with pytest.raises(ObjectMissingError):
            store.get(NAME, version=version)
        with pytest.raises(ObjectMissingError):
            store.head(NAME, version=version)
        for on in (True, False):
            with pytest.raises(ObjectMissingError):
                store.hold(NAME, version, on=on)
        with pytest.raises(ObjectMissingError):
            store.bring_back(NAME, version, days=1, tier="Standard")

    def test_what_is_readable_is_not_brought_back(self, store: Store) -> None:
        stored = put(store, NAME, b"one")
        before = store.head(NAME, version=stored.version)
        assert (before.archived, before.storage_class, before.returning, before.readable_until) == (
            False,
            "",
            False,
            None,
        )
        assert store.bring_back(NAME, stored.version, days=1, tier="Expedited") == before
        assert [store.with_lock(listed) for listed in store.list()] == [before]
        assert store.get(NAME) == b"one"

    def test_what_may_be_done_is_tried_and_leaves_nothing(self, store: Store) -> None:
        stored = put(store, NAME, b"one")
        assert store.may_put(f"{NAME}x") in (True, None)
        assert store.may_delete(f"{NAME}x") in (True, False, None)
        with pytest.raises(StoreError, match="nothing has"):
            store.may_delete(NAME)
        assert [(listed.name, listed.version, listed.marker) for listed in store.list()] == [
            (NAME, stored.version, False)
        ]
        assert store.get(NAME) == b"one"

    def test_a_version_belongs_to_its_name(self, store: Store) -> None:
        stored = put(store, "a", b"x")
        put(store, "b", b"y")
        with pytest.raises(ObjectMissingError):
            store.get("b", version=stored.version)

    def test_hold_is_of_one_version_and_may_be_repeated(self, store: Store) -> None:
        first = put(store, NAME, b"one")
        second = put(store, NAME, b"two")
        for on in (True, True, False, False, True):
            store.hold(NAME, first.version, on=on)
            assert store.head(NAME, version=first.version).held is on
            assert [store.with_lock(listed).held for listed in store.list()] == [on, False]
            assert not store.head(NAME, version=second.version).held
        assert store.get(NAME, version=first.version) == b"one"

    def test_names_of_full_length(self, store: Store) -> None:
        folders = "/".join(["f" * SEGMENT_LENGTH] * 2)
        deep = "/".join("abcdefghij" * 34)
        rest = NAME_LENGTH - len(folders) - 1 - LAST_SEGMENT_LENGTH - 1
        for name in (f"{folders}/{'g' * rest}/{'n' * LAST_SEGMENT_LENGTH}", deep):
            stored = put(store, name, b"long")
            store.hold(name, stored.version, on=True)
            assert store.get(name) == b"long"
        assert {len(listed.name) for listed in store.list()} == {NAME_LENGTH, len(deep)}

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            ".incoming/x",
            "a b",
            "a\n",
            "a\0b",
            "a\\b",
            "a@b",
            "a:b",
            "ä",
            "x" * (LAST_SEGMENT_LENGTH + 1),
            f"{'x' * (SEGMENT_LENGTH + 1)}/y",
            "/".join(["x" * 100] * 9),
        ],
    )
    def test_bad_names_are_refused_everywhere(self, store: Store, name: str) -> None:
        with pytest.raises(StoreError, match="not an object name") as caught:
            put(store, name, b"x")
        assert caught.value.__class__ is StoreError
        assert (caught.value.item or "").isprintable()
        for call in (store.get, store.head, lambda name: store.hold(name, "1", on=True)):
            with pytest.raises(StoreError, match="not an object name"):
                call(name)

    @pytest.mark.parametrize("prefix", ["/", "a//", "../", "a/../b", ".incoming/", "a b", "a@"])
    def test_bad_prefixes_are_refused_at_once(self, store: Store, prefix: str) -> None:
        with pytest.raises(StoreError, match="not an object name"):
            store.list(prefix)

    @shared
    @given(puts=st.lists(st.tuples(names, st.binary(max_size=40)), max_size=12), prefix=st.one_of(names, st.just("")))
    def test_any_names_in_any_order(self, puts: list[tuple[str, bytes]], prefix: str) -> None:
        assume(self.nests or _apart([name for name, _data in puts]))
        with self.fresh() as store:
            model: dict[str, list[tuple[str, bytes]]] = {}
            for name, data in puts:
                model.setdefault(name, []).append((put(store, name, data).version, data))
            found = [(listed.name, listed.version, listed.size) for listed in store.list(prefix)]
            assert found == [
                (name, version, len(data))
                for name in sorted(model)
                if name.startswith(prefix)
                for version, data in model[name]
            ]
            for name, versions in model.items():
                assert store.get(name) == versions[-1][1]
                for version, data in versions:
                    assert store.get(name, version=version) == data


class MarkerContract(StoreContract):
    """For a store over a MemoryStore, which others write to as well: names with delete markers, archive classes."""

    #: Whether it asks the medium to bring back what is archived.
    asks = True

    def over(self, medium: MemoryStore) -> Store:
        """Return the store that looks into *medium*."""
        raise AssertionError("a subclass makes the store")

    def fresh(self) -> contextlib.AbstractContextManager[Store]:
        return contextlib.nullcontext(self.over(MemoryStore(now=ticking())))

    def test_marker_hides_nothing(self) -> None:
        medium = MemoryStore(now=ticking())
        store = self.over(medium)
        stored = put(medium, NAME, b"sealed")
        marker = medium.put_marker(NAME)
        assert store.get(NAME) == b"sealed"
        assert store.head(NAME).version == stored.version
        assert [(listed.version, listed.marker) for listed in store.list()] == [(stored.version, False), (marker, True)]

    def test_marker_is_no_object(self) -> None:
        medium = MemoryStore(now=ticking())
        store = self.over(medium)
        marker = medium.put_marker(NAME)
        listed = store.head(NAME, version=marker)
        assert (listed.marker, listed.size, listed.lock_until) == (True, 0, None)
        with pytest.raises(ObjectMissingError):
            store.head(NAME)
        for version in (None, marker):
            with pytest.raises(ObjectMissingError):
                store.get(NAME, version=version)
        for on in (True, False):
            with pytest.raises(ObjectMissingError):
                store.hold(NAME, marker, on=on)
        with pytest.raises(ObjectMissingError):
            store.bring_back(NAME, marker, days=1, tier="Standard")

    @pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
    def test_what_is_archived_is_read_once_it_was_brought_back(self, storage_class: str) -> None:
        now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
        medium = MemoryStore(now=lambda: now)
        store = self.over(medium)
        stored = medium.put_new(NAME, io.BytesIO(b"sealed"), lock_until=now + dt.timedelta(days=300))
        medium.put_away(NAME, stored.version, storage_class)
        (listed,) = store.list()
        assert (listed.storage_class, listed.archived) == (storage_class, True)
        for version in (None, stored.version):
            with pytest.raises(ArchivedError):
                store.get(NAME, version=version)
        for _again in range(2):
            back = store.bring_back(NAME, stored.version, days=2, tier="Standard")
            assert (back.archived, back.returning, back.readable_until) == (True, self.asks, None)
        now += dt.timedelta(hours=5)
        if not self.asks:
            assert store.head(NAME).archived
            return
        back = store.bring_back(NAME, stored.version, days=2, tier="Standard")
        assert (back.archived, back.returning, back.storage_class) == (False, False, storage_class)
        assert back == store.head(NAME)
        assert back.readable_until == dt.datetime(2026, 11, 23, 4, tzinfo=dt.UTC)
        assert back.lock_until == stored.lock_until
        assert store.get(NAME, version=stored.version) == b"sealed"
        now += dt.timedelta(days=2)
        assert store.head(NAME).archived
        with pytest.raises(ArchivedError):
            store.get(NAME)

    def test_what_others_put_comes_first(self) -> None:
        medium = MemoryStore(now=ticking())
        store = self.over(medium)
        theirs = put(medium, NAME, b"theirs")
        ours = put(store, NAME, b"ours")
        assert [listed.version for listed in store.list()] == [theirs.version, ours.version]
        assert store.get(NAME) == b"ours"
        assert store.get(NAME, version=theirs.version) == b"theirs"
