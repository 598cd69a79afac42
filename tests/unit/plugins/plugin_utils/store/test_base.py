# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CorruptError,
    DeniedError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import (
    Listed,
    Stored,
    from_os_error,
    name_fault,
    validate_name,
    validate_prefix,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from hypothesis import given
from hypothesis import strategies as st

from .conformance import names, ticking


@given(name=names)
def test_names_and_their_beginnings_are_accepted(name: str) -> None:
    validate_name(name)
    for end in range(len(name) + 1):
        validate_prefix(name[:end])


@given(name=names, bad=st.characters(exclude_characters="._%=~-", exclude_categories=["Nd", "Lu", "Ll"]), at=st.data())
def test_one_foreign_character_is_enough(name: str, bad: str, at: st.DataObject) -> None:
    position = at.draw(st.integers(0, len(name)))
    spoilt = f"{name[:position]}{bad}{name[position:]}"
    if bad == "/":
        # a slash more is a foreign character only where it leaves a segment empty or a first one hidden
        assert (name_fault(spoilt) is None) == (
            "" not in spoilt.split("/") and not {".", ".."} & set(spoilt.split("/")) and not spoilt.startswith(".")
        )
    else:
        assert name_fault(spoilt)


@given(text=st.text("ab./@\0\\ ", max_size=12))
def test_an_accepted_name_is_a_plain_relative_path(text: str) -> None:
    if name_fault(text) is None:
        assert os.path.normpath(f"/root/{text}") == f"/root/{text}"
        assert text.isascii()
        assert "@" not in text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("/a", "empty segment"),
        ("a/../b", "another place"),
        ("a@b", "every store keeps"),
        ("é", "every store keeps"),
        ("a/b\n", "every store keeps"),
        (".a/b", "working files"),
        ("a" * 217, "no room for a version"),
        ("a" * 256 + "/b", "file names end"),
        ("a/" * 450 + "b", "1024"),
    ],
)
def test_refusal_says_why(name: str, why: str) -> None:
    with pytest.raises(StoreError, match=why):
        validate_name(name)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOENT, "x"), ObjectMissingError),
        (OSError(errno.EACCES, "x"), DeniedError),
        (OSError(errno.EPERM, "x"), DeniedError),
        (OSError(errno.EROFS, "x"), DeniedError),
        (OSError(errno.ENOSPC, "x"), FullError),
        (OSError(errno.EDQUOT, "x"), FullError),
        (OSError(errno.EFBIG, "x"), FullError),
        (OSError(errno.ELOOP, "x"), CorruptError),
        (OSError(errno.EIO, "x"), UnavailableError),
        (OSError(errno.ETIMEDOUT, "x"), UnavailableError),
        (TimeoutError(), UnavailableError),
        (ConnectionResetError(), UnavailableError),
        (OSError("no number"), StoreError),
        (OSError(errno.EINVAL, "x"), StoreError),
    ],
)
def test_foreign_errors_by_what_to_do_next(error: OSError, kind: type[StoreError]) -> None:
    mapped = from_os_error(error, "get at file:///r", item="a")
    assert mapped.__class__ is kind
    assert mapped.item == "a"
    assert mapped.message.startswith("cannot get at file:///r: ")


class Driver(MemoryStore):
    """A driver with one fault."""

    def __init__(self, fault: Exception | None = None, *, shorter: dt.timedelta = dt.timedelta(0)) -> None:
        super().__init__("memory://driver", now=ticking())
        self._fault = fault
        self._shorter = shorter

    def _fail(self) -> None:
        if self._fault:
            raise self._fault

    def _probe(self) -> None:
        self._fail()

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        self._fail()
        return super()._put(name, stream, lock_until - self._shorter)

    def _get(self, name: str, version: str | None) -> bytes:
        self._fail()
        return super()._get(name, version)

    def _head(self, name: str, version: str | None) -> Listed:
        self._fail()
        return super()._head(name, version)

    def _list(self, prefix: str) -> Iterator[Listed]:
        yield from super()._list(prefix)
        self._fail()

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._fail()


LOCK = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)


def calls(store: MemoryStore) -> list[t.Callable[[], object]]:
    return [
        store.probe,
        lambda: store.put_new("a", io.BytesIO(b"x"), lock_until=LOCK),
        lambda: store.get("a"),
        lambda: store.head("a"),
        lambda: list(store.list()),
        lambda: store.hold("a", "1", on=True),
    ]


def test_only_store_errors_escape_inside_iteration_too() -> None:
    for call in calls(Driver(PermissionError(errno.EACCES, "no"))):
        with pytest.raises(DeniedError) as caught:
            call()
        assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize("bug", [TypeError, KeyError, AssertionError, io.UnsupportedOperation])
def test_bugs_show(bug: type[Exception]) -> None:
    for call in calls(Driver(bug("bug"))):
        with pytest.raises(bug):
            call()


def test_a_stores_own_error_is_not_wrapped() -> None:
    fault = FullError("full", item="b")
    for call in calls(Driver(fault)):
        with pytest.raises(FullError) as caught:
            call()
        assert caught.value is fault


def test_a_lock_that_came_out_shorter_is_an_error() -> None:
    store = Driver(shorter=dt.timedelta(seconds=1))
    with pytest.raises(NotLockedError, match="2198-12-31T23:59:59Z, asked was 2199-01-01T00:00:00Z"):
        store.put_new("a", io.BytesIO(b"x"), lock_until=LOCK)


def test_a_lock_that_came_out_longer_is_kept() -> None:
    store = Driver(shorter=dt.timedelta(days=-1))
    assert store.put_new("a", io.BytesIO(b"x"), lock_until=LOCK).lock_until == LOCK + dt.timedelta(days=1)
