# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that fails where a test wants it to, and a whole run on it."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Store, Stored

from .lab import Lab

Fault = Callable[[int, str, str], None]


class FaultyStore(Store):
    """Passes each call on and counts it; *before* and *after* are told its number, operation and object."""

    def __init__(self, inner: Store, *, before: Fault | None = None, after: Fault | None = None) -> None:
        self.location = inner.location
        self.calls: list[tuple[str, str]] = []
        self._inner = inner
        self._before = before
        self._after = after

    @property
    def enforced(self) -> bool:
        return self._inner.enforced

    T = t.TypeVar("T")

    def _call(self, operation: str, name: str, call: Callable[[], T]) -> T:
        number = len(self.calls)
        self.calls.append((operation, name))
        if self._before is not None:
            self._before(number, operation, name)
        answer = call()
        if self._after is not None:
            self._after(number, operation, name)
        return answer

    def _require_future(self, name: str, lock: dt.datetime) -> None:
        """The store inside asks its clock."""

    def _clock(self) -> dt.datetime:
        return self._call("clock", "", self._inner.clock)

    def _probe(self) -> None:
        self._call("probe", "", self._inner.probe)

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._call("put", name, lambda: self._inner.put_new(name, stream, lock_until=lock_until))

    def _get(self, name: str, version: str | None) -> bytes:
        return self._call("get", name, lambda: self._inner.get(name, version=version))

    def _head(self, name: str, version: str | None) -> Listed:
        return self._call("head", name, lambda: self._inner.head(name, version=version))

    def _list(self, prefix: str) -> Iterator[Listed]:
        return iter(self._call("list", "", lambda: list(self._inner.list(prefix))))

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._call("hold", name, lambda: self._inner.hold(name, version, on=on))


def whole_run(
    path: Path,
    store: Store,
    keys: Path,
    wall_clock: Callable[[], dt.datetime],
    sources: Mapping[str, t.Any],
    acknowledge: Callable[[str], None] = lambda _point: None,
) -> str:
    """Make the repository unless it is there, open, snapshot and seal; returns the point's id.

    :param acknowledge: told the id at the moment seal returns it.
    """
    sealed = Lab.make(path, store, keys, wall_clock).run(sources)
    assert sealed.complete
    assert sealed.id is not None
    acknowledge(sealed.id)
    return sealed.id
