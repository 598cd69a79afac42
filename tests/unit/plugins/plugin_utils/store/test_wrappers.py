# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CorruptError,
    DeniedError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    RunAbandonedError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Store, Stored
from ansible_collections.holdfast.config.plugins.plugin_utils.store.elsewhere import ElsewhereStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import (
    DryRunStore,
    GuardedStore,
    Patience,
    RetryStore,
)

from .conformance import put, ticking

LOCK = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)


class FaultyStore(MemoryStore):
    """Fails as often as told, after a part of the work is done."""

    def __init__(self) -> None:
        super().__init__("memory://faulty", now=ticking(), enforced=False)
        self.faults: list[Exception] = []
        self.list_faults_after = 0
        self.calls: list[str] = []

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.faults:
            raise self.faults.pop(0)

    def clock(self) -> dt.datetime:
        self._called("clock")
        return super().clock()

    def _probe(self) -> None:
        self._called("probe")

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        if self.faults:
            stream.read(3)
        self._called("put")
        return super()._put(name, stream, lock_until)

    def _get(self, name: str, version: str | None) -> bytes:
        self._called("get")
        return super()._get(name, version)

    def _head(self, name: str, version: str | None) -> Listed:
        self._called("head")
        return super()._head(name, version)

    def _list(self, prefix: str) -> Iterator[Listed]:
        for number, listed in enumerate(super()._list(prefix)):
            if number == self.list_faults_after:
                self._called("list")
            yield listed

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._called("hold")
        super()._hold(name, version, on)

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._called("bring_back")
        super()._bring_back(name, version, days, tier)


@pytest.fixture
def inner() -> FaultyStore:
    return FaultyStore()


def reach(store: Store, call: str, version: str) -> object:
    calls: dict[str, t.Callable[[], object]] = {
        "clock": store.clock,
        "probe": store.probe,
        "put": lambda: store.put_new("new", io.BytesIO(b"new data"), lock_until=LOCK),
        "get": lambda: store.get("a", version=version),
        "head": lambda: store.head("a", version=version),
        "list": lambda: [listed.name for listed in store.list()],
        "hold": lambda: store.hold("a", version, on=True),
    }
    return calls[call]()


CALLS = ["clock", "probe", "put", "get", "head", "list", "hold"]


@pytest.mark.parametrize("wrap", [RetryStore, DryRunStore, lambda inner: GuardedStore(inner, lambda: None)])
def test_wrapper_says_what_it_stands_for(inner: FaultyStore, wrap: t.Callable[[Store], Store]) -> None:
    assert (wrap(inner).location, wrap(inner).enforced) == ("memory://faulty", False)


@pytest.mark.parametrize("call", CALLS)
def test_retry_repeats_what_is_transient(inner: FaultyStore, call: str) -> None:
    version = put(inner, "a", b"data").version
    inner.calls.clear()
    inner.faults = [UnavailableError("away"), ThrottledError("slower"), UnavailableError("away")]
    slept: list[float] = []
    store = RetryStore(inner, sleep=slept.append, random=lambda: 1.0)
    reach(store, call, version)
    assert inner.calls == [call] * 4
    assert slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("call", CALLS)
def test_retry_ends_with_the_stores_own_error(inner: FaultyStore, call: str) -> None:
    version = put(inner, "a", b"data").version
    inner.calls.clear()
    inner.faults = [UnavailableError(f"away {number}") for number in range(9)]
    with pytest.raises(UnavailableError, match="away 2"):
        reach(RetryStore(inner, attempts=3, sleep=lambda _seconds: None), call, version)
    assert inner.calls == [call] * 3


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", [DeniedError, FullError, NotLockedError, CorruptError, StoreError, TypeError])
def test_retry_repeats_nothing_else(inner: FaultyStore, call: str, fault: type[Exception]) -> None:
    version = put(inner, "a", b"data").version
    inner.calls.clear()
    inner.faults = [fault("no")]
    slept: list[float] = []
    with pytest.raises(fault):
        reach(RetryStore(inner, sleep=slept.append), call, version)
    assert inner.calls == [call]
    assert slept == []


def test_retry_spreads_its_waits(inner: FaultyStore) -> None:
    inner.faults = [UnavailableError("away")] * 3
    slept: list[float] = []
    fractions = iter([0.0, 0.5, 0.25])
    RetryStore(inner, base_seconds=2.0, sleep=slept.append, random=lambda: next(fractions)).clock()
    assert slept == [0.0, 2.0, 2.0]


def test_retry_puts_from_where_the_stream_stood(inner: FaultyStore) -> None:
    inner.faults = [UnavailableError("away"), UnavailableError("away")]
    stream = io.BytesIO(b"header|the whole body")
    stream.seek(7)
    RetryStore(inner, sleep=lambda _seconds: None).put_new("a", stream, lock_until=LOCK)
    assert inner.get("a") == b"the whole body"
    assert len(list(inner.list())) == 1


def test_retry_never_puts_half_of_a_stream_that_cannot_be_rewound(inner: FaultyStore) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    store = RetryStore(inner, sleep=lambda _seconds: None)
    inner.faults = [UnavailableError("away")]
    with pytest.raises(UnavailableError):
        store.put_new("a", Pipe(b"the whole body"), lock_until=LOCK)
    assert inner.calls == ["put"]
    store.put_new("a", Pipe(b"the whole body"), lock_until=LOCK)
    assert inner.get("a") == b"the whole body"


def test_retry_begins_no_list_again_once_it_gave_an_item(inner: FaultyStore) -> None:
    for name in ("a", "b", "c"):
        put(inner, name, b"x")
    inner.calls.clear()
    inner.list_faults_after = 1
    inner.faults = [UnavailableError("away")]
    items = RetryStore(inner, sleep=lambda _seconds: None).list()
    assert next(items).name == "a"
    with pytest.raises(UnavailableError):
        next(items)
    assert inner.calls == ["list"]


def test_guard_is_asked_before_each_write_and_no_read(inner: FaultyStore) -> None:
    asked: list[int] = []
    store = GuardedStore(inner, lambda: asked.append(len(inner.calls)))
    version = put(inner, "a", b"data").version
    inner.calls.clear()
    for call in ("clock", "probe", "get", "head", "list"):
        reach(store, call, version)
    assert asked == []
    before = len(inner.calls)
    reach(store, "put", version)
    reach(store, "hold", version)
    assert asked == [before, before + 1]


def test_guard_that_raises_stops_the_write_and_is_passed_on(inner: FaultyStore) -> None:
    version = put(inner, "a", b"data").version
    inner.calls.clear()

    def gone() -> None:
        raise RunAbandonedError("the controlling process is gone")

    # with the retry around it, as connect composes them
    store = RetryStore(GuardedStore(inner, gone), sleep=lambda _seconds: None)
    for call in ("put", "hold"):
        with pytest.raises(RunAbandonedError):
            reach(store, call, version)
    assert inner.calls == []
    assert store.get("a") == b"data"


class Allowing(MemoryStore):
    """Lets everybody do everything."""

    def _may_put(self, name: str) -> bool:
        return True

    def _may_delete(self, name: str) -> bool:
        return True


def test_what_may_be_done_is_asked_of_the_store_inside_but_in_a_dry_run_and_by_who_was_left() -> None:
    inner = Allowing(now=lambda: LOCK)
    for store in (RetryStore(inner), GuardedStore(inner, lambda: None)):
        assert (store.may_put("a"), store.may_delete("a")) == (True, True)
    dry = DryRunStore(inner)
    assert (dry.may_put("a"), dry.may_delete("a")) == (None, None)

    def gone() -> None:
        raise RunAbandonedError("the controlling process is gone")

    guarded = GuardedStore(inner, gone)
    for attempt in (guarded.may_put, guarded.may_delete):
        with pytest.raises(RunAbandonedError):
            attempt("a")


def test_guard_is_asked_before_a_retrieval_that_is_paid_for(inner: FaultyStore) -> None:
    version = put(inner, "a", b"data").version
    asked: list[int] = []
    store = GuardedStore(inner, lambda: asked.append(1))
    store.bring_back("a", version, days=1, tier="Bulk")
    assert asked == []
    inner.put_away("a", version)

    def gone() -> None:
        raise RunAbandonedError("the controlling process is gone")

    with pytest.raises(RunAbandonedError):
        GuardedStore(inner, gone).bring_back("a", version, days=1, tier="Bulk")
    assert "bring_back" not in inner.calls
    assert store.bring_back("a", version, days=1, tier="Bulk").returning
    assert asked == [1]


def test_retry_asks_for_a_retrieval_again(inner: FaultyStore) -> None:
    version = put(inner, "a", b"data").version
    inner.put_away("a", version)
    ask = inner._bring_back
    faults = [ThrottledError("slower"), UnavailableError("away")]

    def flaky(*asked: t.Any) -> None:
        if faults:
            raise faults.pop()
        ask(*asked)

    inner._bring_back = flaky  # type: ignore[method-assign]
    assert RetryStore(inner, sleep=lambda _seconds: None).bring_back("a", version, days=1, tier="Bulk").returning
    assert faults == []


def test_guard_is_asked_again_when_a_put_is_repeated(inner: FaultyStore) -> None:
    inner.faults = [UnavailableError("away")]
    asked: list[str] = []
    store = RetryStore(GuardedStore(inner, lambda: asked.append("may")), sleep=lambda _seconds: None)
    store.put_new("a", io.BytesIO(b"x"), lock_until=LOCK)
    assert asked == ["may", "may"]


def test_dry_run_changes_nothing_inside(inner: FaultyStore) -> None:
    version = put(inner, "a", b"theirs").version
    before = list(inner.list())
    inner.calls.clear()
    store = DryRunStore(inner)
    mine = put(store, "a", b"mine")
    put(store, "b", b"mine too")
    store.hold("a", version, on=True)
    store.hold("a", mine.version, on=True)
    assert "put" not in inner.calls
    assert "hold" not in inner.calls
    assert list(inner.list()) == before


def test_dry_run_answers_from_its_own_puts_first(inner: FaultyStore) -> None:
    theirs = put(inner, "a", b"theirs")
    put(inner, "c", b"theirs")
    store = DryRunStore(inner)
    mine = put(store, "a", b"mine", days=7)
    put(store, "b", b"mine")
    assert store.get("a") == b"mine"
    assert store.head("a").lock_until == mine.lock_until
    assert store.get("a", version=theirs.version) == b"theirs"
    assert store.head("a", version=theirs.version).size == 6
    assert store.get("c") == b"theirs"
    assert [(listed.name, listed.version) for listed in store.list()][:2] == [
        ("a", theirs.version),
        ("a", mine.version),
    ]
    assert [listed.name for listed in store.list()] == ["a", "a", "b", "c"]


def test_dry_run_takes_no_lock_that_the_store_would_refuse(inner: FaultyStore) -> None:
    store = DryRunStore(inner)
    with pytest.raises(StoreError, match="is past"):
        store.put_new("a", io.BytesIO(b"x"), lock_until=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))


def test_dry_run_holds_only_what_is_there(inner: FaultyStore) -> None:
    with pytest.raises(ObjectMissingError):
        DryRunStore(inner).hold("a", "1", on=True)


class ModedStore(MemoryStore):
    """Remembers in which mode it was asked to lock."""

    def __init__(self) -> None:
        super().__init__(now=ticking())
        self.modes: list[str] = []

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        self.modes.append("compliance")
        return super()._put(name, stream, lock_until)

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        self.modes.append("governance")
        return super()._put(name, stream, lock_until)

    def _prove_governance(self) -> None:
        self.modes.append("proved")


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("wrap", [RetryStore, lambda inner: GuardedStore(inner, lambda: None)], ids=["retry", "guard"])
def test_mode_of_a_lock_is_passed_on(wrap: t.Callable[[Store], Store], seekable: bool) -> None:
    inner = ModedStore()
    store = wrap(inner)
    stream = io.BytesIO(b"x")
    stream.seekable = lambda: seekable  # type: ignore[method-assign]
    store.put_new("a", stream, lock_until=LOCK, governance=True)
    store.put_new("a", stream, lock_until=LOCK)
    store.prove_governance()
    assert inner.modes == ["governance", "compliance", "proved"]


def test_guard_stops_what_is_governed_too() -> None:
    def gone() -> None:
        raise RunAbandonedError("the controlling process is gone")

    inner = ModedStore()
    with pytest.raises(RunAbandonedError):
        GuardedStore(inner, gone).put_new("a", io.BytesIO(b"x"), lock_until=LOCK, governance=True)
    assert inner.modes == []


def test_dry_run_keeps_what_is_governed_to_itself() -> None:
    inner = ModedStore()
    store = DryRunStore(inner)
    store.put_new("a", io.BytesIO(b"x"), lock_until=LOCK, governance=True)
    store.prove_governance()
    assert inner.modes == ["proved"]
    assert store.get("a") == b"x"


def test_lock_that_a_listing_does_not_show_is_asked_for_again_where_that_helps() -> None:
    inner = FaultyStore()
    stored = put(inner, "a", b"x")
    listed = dataclasses.replace(inner.head("a"), lock_until=None, lock_known=False)
    inner.calls.clear()
    inner.faults = [UnavailableError("gone")]
    known = RetryStore(inner, sleep=lambda _seconds: None).with_lock(listed)
    assert (known.lock_until, known.lock_known) == (stored.lock_until, True)
    assert inner.calls == ["head", "head"]
    assert RetryStore(inner).with_lock(known) is known
    assert inner.calls == ["head", "head"]


def test_landed_is_asked_after_each_failure() -> None:
    asked: list[int] = []

    def fail() -> str:
        raise UnavailableError("gone")

    def landed() -> str | None:
        asked.append(1)
        return "there" if len(asked) == 4 else None

    patience = Patience(attempts=4, sleep=lambda _seconds: None)
    # the last one too: what is there is not to be put again by the next run
    assert patience.again(fail, landed) == "there"
    with pytest.raises(UnavailableError):
        patience.again(fail, lambda: None)


def test_what_tells_stores_apart_is_that_of_the_store_inside() -> None:
    class Sited(FaultyStore):
        @property
        def identity(self) -> str:
            return "memory://faulty at a site"

    site = Sited()
    around = [RetryStore(site), GuardedStore(site, lambda: None), DryRunStore(site), ElsewhereStore(site, lambda: site)]
    assert {store.identity for store in around} == {site.identity}
    assert FaultyStore().identity == "memory://faulty"
