# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects are believed by the digest in their name, whichever version holds the bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    FormatError,
    IntegrityError,
    ObjectMissingError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects

from .lab import START, Clock

LOCK = START + dt.timedelta(days=30)
DATA = b"the right bytes"
NAME = names.for_snapshot(names.Kind.PACK, "d0030", "h", "tier1", START, DATA)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(now=Clock())


def put(store: MemoryStore, data: bytes) -> str:
    return store.put_new(NAME, io.BytesIO(data), lock_until=LOCK).version


def test_what_was_put_is_read(store: MemoryStore) -> None:
    ref = objects.put(store, NAME, DATA, lock_until=LOCK)
    assert (ref.name, ref.size, ref.lock_until, ref.sha256) == (NAME, len(DATA), LOCK, hashlib.sha256(DATA).hexdigest())
    assert objects.read(store, NAME) == objects.read(store, NAME, version=ref.version) == DATA


@pytest.mark.parametrize("mode", ["compliance", "governance"])
def test_lock_has_the_mode_of_the_class(store: MemoryStore, mode: str) -> None:
    governed = mock.Mock(side_effect=store._put)
    with mock.patch.object(store, "_put_governed", governed):
        objects.put_locked(store, NAME, DATA, LOCK, RetentionClass("d0030", 30, mode), START)
    assert governed.called is (mode == "governance")


@pytest.mark.parametrize("where", [0, 1, 2])
def test_the_right_bytes_are_found_among_wrong_ones(store: MemoryStore, where: int) -> None:
    versions = [put(store, DATA if number == where else b"wrong") for number in range(3)]
    store.put_marker(NAME)
    for version in (None, "gone", *versions):
        assert objects.read(store, NAME, version=version) == DATA


def test_only_wrong_bytes_are_an_error_by_name(store: MemoryStore) -> None:
    version = put(store, b"wrong")
    for given in (None, version, "gone"):
        with pytest.raises(IntegrityError) as caught:
            objects.read(store, NAME, version=given)
        assert NAME in str(caught.value)
        assert caught.value.remedy


def test_nothing_there_is_missing(store: MemoryStore) -> None:
    put(store, DATA)
    for name in (NAME.replace("tier1", "tier2"), NAME.replace("/h/", "/g/")):
        with pytest.raises(ObjectMissingError) as caught:
            objects.read(store, name, version="gone")
        assert name in str(caught.value)
    other = MemoryStore(now=Clock())
    other.put_marker(NAME)
    with pytest.raises(ObjectMissingError):
        objects.read(other, NAME)


def test_a_name_that_is_none_is_never_asked_for(store: MemoryStore) -> None:
    for name in ("packs/../root", "", f"{NAME}x", NAME.upper()):
        with pytest.raises(FormatError):
            objects.read(store, name)


def test_another_error_of_the_store_is_no_absence(store: MemoryStore) -> None:
    class Away(MemoryStore):
        def _get(self, name: str, version: str | None) -> bytes:
            raise UnavailableError("away", item=name)

    away = Away(now=Clock())
    away._versions = store._versions
    version = put(store, DATA)
    with pytest.raises(UnavailableError):
        objects.read(away, NAME, version=version)


def test_the_time_is_the_stores_or_this_machines() -> None:
    class Mute(MemoryStore):
        def _clock(self) -> dt.datetime:
            raise DeniedError("not for you")

    assert objects.now(MemoryStore(now=Clock())) == START
    before = dt.datetime.now(dt.timezone.utc)
    assert before <= objects.now(Mute(now=Clock())) <= dt.datetime.now(dt.timezone.utc)
