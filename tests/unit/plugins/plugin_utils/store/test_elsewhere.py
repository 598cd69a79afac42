# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads at one site and puts at another; nothing is lost without a word where that one does not answer."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    RunAbandonedError,
    TrustError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.elsewhere import ElsewhereStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
LOCK = NOW + dt.timedelta(days=9)
NAME = "records/restore/x"


@pytest.fixture
def near() -> MemoryStore:
    return MemoryStore("memory://near", now=lambda: NOW)


@pytest.fixture
def far() -> MemoryStore:
    return MemoryStore("memory://far", now=lambda: NOW)


def names(store: Store) -> list[str]:
    return [listed.name for listed in store.list()]


def test_reads_there_and_puts_here(near: MemoryStore, far: MemoryStore) -> None:
    far.put_new("a", io.BytesIO(b"there"), lock_until=LOCK)
    store = ElsewhereStore(far, lambda: near)
    store.put_new(NAME, io.BytesIO(b"record"), lock_until=LOCK)
    assert (store.location, names(store), names(near)) == ("memory://far", ["a"], [NAME])
    assert store.get("a") == b"there"
    assert store.told == []


def test_the_other_site_is_reached_once_and_only_to_put(near: MemoryStore, far: MemoryStore) -> None:
    asked = []
    store = ElsewhereStore(far, lambda: asked.append("reached") or near)  # type: ignore[func-returns-value]
    store.probe()
    list(store.list())
    store.clock()
    assert not asked
    for _number in range(2):
        store.put_new(NAME, io.BytesIO(b"record"), lock_until=LOCK)
    assert asked == ["reached"]


@pytest.mark.parametrize("error", [UnavailableError("gone"), TrustError("another repository")], ids=lambda e: e.message)
def test_what_is_not_taken_is_put_to_the_replica_whole_and_told(far: MemoryStore, error: HoldfastError) -> None:
    def lost() -> Store:
        raise error

    store = ElsewhereStore(far, lost)
    store.put_new(NAME, io.BytesIO(b"record"), lock_until=LOCK)
    assert far.get(NAME) == b"record"
    (told,) = store.told
    assert NAME in told
    assert error.message in told


def test_a_put_that_broke_off_begins_anew(near: MemoryStore, far: MemoryStore) -> None:
    class Breaking(MemoryStore):
        def _put(self, name, stream, lock_until):  # type: ignore[no-untyped-def]
            stream.read(3)
            raise UnavailableError("cut")

    store = ElsewhereStore(far, lambda: Breaking(now=lambda: NOW))
    store.put_new(NAME, io.BytesIO(b"record"), lock_until=LOCK)
    assert far.get(NAME) == b"record"


def test_a_run_that_has_ended_puts_nowhere(far: MemoryStore) -> None:
    def abandoned() -> Store:
        raise RunAbandonedError("ended")

    with pytest.raises(RunAbandonedError):
        ElsewhereStore(far, abandoned).put_new(NAME, io.BytesIO(b"record"), lock_until=LOCK)
    assert names(far) == []
