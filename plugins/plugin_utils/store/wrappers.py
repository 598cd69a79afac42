# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores around a store: behaviour that no driver and no use case needs to know of.

Each forwards every method by hand, so that a method added to the interface cannot slip through one of them unseen.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import random
import time
import typing as t
from collections.abc import Callable, Iterator

from ..errors import ObjectMissingError, TransientError
from .base import Listed, Store, Stored
from .memory import MemoryStore

_Answer = t.TypeVar("_Answer")


class Patience:
    """How often a call is made again after a TransientError, and after which waits.

    Waits grow exponentially with full jitter, so that many workers do not come back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    :param attempts: calls in all.
    :param base_seconds: upper bound of the first wait; it doubles with each.
    """

    def __init__(
        self,
        *,
        attempts: int = 4,
        base_seconds: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._attempts = attempts
        self._base_seconds = base_seconds
        self._sleep = sleep
        self._random = random

    def again(self, call: Callable[[], _Answer], landed: Callable[[], _Answer | None] | None = None) -> _Answer:
        """Call until it answers, or raise what the last call raised.

        :param landed: asked after each failure for what the failed call has done nevertheless; None: nothing.
        """
        for attempt in itertools.count(1):
            try:
                return call()
            except TransientError:
                found = landed() if landed is not None else None
                if found is not None:
                    return found
                if attempt >= self._attempts:
                    raise
                self._sleep(self._random() * self._base_seconds * 2 ** (attempt - 1))
        raise AssertionError("counting ends")


class WrapperStore(Store):
    """A store around another one, of which it passes on what is read. What writes each wrapper says for itself."""

    def __init__(self, inner: Store) -> None:
        self.location = inner.location
        self._inner = inner

    @property
    def identity(self) -> str:
        """That of the store inside."""
        return self._inner.identity

    @property
    def enforced(self) -> bool:
        """What the store inside says."""
        return self._inner.enforced

    def _require_future(self, name: str, lock: dt.datetime) -> None:
        """The store that it is put to asks its clock."""

    def _clock(self) -> dt.datetime:
        return self._inner.clock()

    def _probe(self) -> None:
        self._inner.probe()

    def _prove_governance(self) -> None:
        self._inner.prove_governance()

    def _may_put(self, name: str) -> bool | None:
        return self._inner.may_put(name)

    def _may_delete(self, name: str) -> bool | None:
        return self._inner.may_delete(name)

    def _get(self, name: str, version: str | None) -> bytes:
        return self._inner.get(name, version=version)

    def _head(self, name: str, version: str | None) -> Listed:
        return self._inner.head(name, version=version)

    def _list(self, prefix: str) -> Iterator[Listed]:
        return self._inner.list(prefix)


class RetryStore(WrapperStore):
    """Calls again after a TransientError, and after nothing else, as :class:`Patience` says.

    A put is rewound to where its stream stood; one that cannot be rewound is tried once. A list is begun again only
    before its first item.

    :param attempts: calls in all.
    :param base_seconds: upper bound of the first wait; it doubles with each.
    """

    def __init__(
        self,
        inner: Store,
        *,
        attempts: int = 4,
        base_seconds: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inner)
        self._again = Patience(attempts=attempts, base_seconds=base_seconds, sleep=sleep, random=random).again

    def _clock(self) -> dt.datetime:
        return self._again(self._inner.clock)

    def _probe(self) -> None:
        self._again(self._inner.probe)

    def _prove_governance(self) -> None:
        self._again(self._inner.prove_governance)

    def _may_put(self, name: str) -> bool | None:
        return self._again(lambda: self._inner.may_put(name))

    def _may_delete(self, name: str) -> bool | None:
        return self._again(lambda: self._inner.may_delete(name))

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_again(name, stream, lock_until, governance=False)

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_again(name, stream, lock_until, governance=True)

    def _put_again(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime, *, governance: bool) -> Stored:
        if not stream.seekable():
            return self._inner.put_new(name, stream, lock_until=lock_until, governance=governance)
        start = stream.tell()

        def put() -> Stored:
            stream.seek(start)
            return self._inner.put_new(name, stream, lock_until=lock_until, governance=governance)

        return self._again(put)

    def _get(self, name: str, version: str | None) -> bytes:
        return self._again(lambda: self._inner.get(name, version=version))

    def _head(self, name: str, version: str | None) -> Listed:
        return self._again(lambda: self._inner.head(name, version=version))

    def _list(self, prefix: str) -> Iterator[Listed]:
        def begin() -> tuple[Listed | None, Iterator[Listed]]:
            items = self._inner.list(prefix)
            return next(items, None), items

        first, rest = self._again(begin)
        if first is not None:
            yield first
            yield from rest

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._again(lambda: self._inner.hold(name, version, on=on))

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._again(lambda: self._inner.bring_back(name, version, days=days, tier=tier))


class GuardedStore(WrapperStore):
    """Asks before each write whether it may still be made.

    :param may_write: raises where the process that controls this run is gone; what it raises is passed on as it is.
    """

    def __init__(self, inner: Store, may_write: Callable[[], None]) -> None:
        super().__init__(inner)
        self._may_write = may_write

    def _may_put(self, name: str) -> bool | None:
        self._may_write()
        return self._inner.may_put(name)

    def _may_delete(self, name: str) -> bool | None:
        self._may_write()
        return self._inner.may_delete(name)

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        self._may_write()
        return self._inner.put_new(name, stream, lock_until=lock_until)

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        self._may_write()
        return self._inner.put_new(name, stream, lock_until=lock_until, governance=True)

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._may_write()
        self._inner.hold(name, version, on=on)

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._may_write()
        self._inner.bring_back(name, version, days=days, tier=tier)


class DryRunStore(WrapperStore):
    """Keeps puts in memory and answers from them first, then from the store inside, which gets no object and no hold.

    Check mode is this store. A hold on a version of the store inside is checked and then forgotten.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._own = MemoryStore(inner.location, now=inner.clock)

    def _may_put(self, name: str) -> bool | None:
        """Not tried: the store inside is asked for nothing that writes."""
        return None

    def _may_delete(self, name: str) -> bool | None:
        """Not tried, as that."""
        return None

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._own.put_new(name, stream, lock_until=lock_until)

    def _get(self, name: str, version: str | None) -> bytes:
        try:
            return self._own.get(name, version=version)
        except ObjectMissingError:
            return self._inner.get(name, version=version)

    def _head(self, name: str, version: str | None) -> Listed:
        try:
            return self._own.head(name, version=version)
        except ObjectMissingError:
            return self._inner.head(name, version=version)

    def _list(self, prefix: str) -> Iterator[Listed]:
        # merge is stable: of one name the versions inside come first, as they are older
        return heapq.merge(self._inner.list(prefix), self._own.list(prefix), key=lambda listed: listed.name)

    def _hold(self, name: str, version: str, on: bool) -> None:
        try:
            self._own.hold(name, version, on=on)
        except ObjectMissingError:
            if self._inner.head(name, version=version).marker:
                raise

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        """Nothing: a retrieval is paid for."""
