# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that is read at another site than it is written to, while its own one may not answer."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable

from ..errors import HoldfastError, RunAbandonedError
from .base import Store, Stored
from .wrappers import WrapperStore


class ElsewhereStore(WrapperStore):
    """Reads at one site, a replica; puts to another one, or, where that does not take it, to the replica as well.

    :param reads: the replica.
    :param writes: connects to the other one, and makes sure that it is what it should be; called at the first put.
    """

    def __init__(self, reads: Store, writes: Callable[[], Store]) -> None:
        super().__init__(reads)
        #: What people must know of puts that went to the replica.
        self.told: list[str] = []
        self._writes = writes
        self._written: Store | None = None

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_somewhere(name, stream, lock_until, governance=False)

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_somewhere(name, stream, lock_until, governance=True)

    def _put_somewhere(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime, *, governance: bool) -> Stored:
        start = stream.tell() if stream.seekable() else None
        try:
            if self._written is None:
                self._written = self._writes()
            return self._written.put_new(name, stream, lock_until=lock_until, governance=governance)
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            if start is None:
                raise
            stream.seek(start)
            stored = self._inner.put_new(name, stream, lock_until=lock_until, governance=governance)
            self.told.append(f"{name} was put to {self._inner.location} alone, and not to the repository: {e}")
            return stored

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._inner.hold(name, version, on=on)

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._inner.bring_back(name, version, days=days, tier=tier)
