# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store in memory: the fake for tests, and what check mode puts into.

It models a versioned S3 bucket with object lock, as a key with put rights sees it: any name can get another version
or a delete marker, and no version ever changes or goes away.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import typing as t
from collections.abc import Callable, Iterator

from ..errors import ArchivedError, ObjectMissingError
from .base import GLACIER, Listed, Store, Stored


@dataclasses.dataclass
class _Version:
    listed: Listed
    data: bytes


class MemoryStore(Store):
    """Objects that live as long as this value.

    :param location: what to call it.
    :param now: returns the time, aware.
    :param enforced: what to say of the medium that this stands for.
    :param returns_after: how long it takes until what rests in an archive class is readable.
    """

    def __init__(
        self,
        location: str = "memory://",
        *,
        now: Callable[[], dt.datetime],
        enforced: bool = True,
        returns_after: dt.timedelta = dt.timedelta(hours=4),
    ) -> None:
        self.location = location
        self._returns_after = returns_after
        self._returns: dict[str, tuple[dt.datetime, dt.datetime]] = {}
        self._enforced = enforced
        self._now = now
        self._versions: dict[str, list[_Version]] = {}

    @property
    def enforced(self) -> bool:
        """What the medium is said to do."""
        return self._enforced

    def put_marker(self, name: str) -> str:
        """Put a delete marker on *name*, as S3 lets whoever may delete without naming a version; return its version."""
        return self._add(name, b"", lock_until=None, marker=True)

    def put_away(self, name: str, version: str, storage_class: str = GLACIER) -> None:
        """Move a version to an archive class, as a lifecycle does."""
        found = self._find_bytes(name, version)
        found.listed = dataclasses.replace(found.listed, storage_class=storage_class)

    def _add(self, name: str, data: bytes, *, lock_until: dt.datetime | None, marker: bool) -> str:
        listed = Listed(
            name=name,
            # opaque, and unlike those of any other store: the dry run looks into two
            version=secrets.token_hex(16),
            size=len(data),
            lock_until=lock_until,
            marker=marker,
            held=False,
            modified=self._clock(),
        )
        self._versions.setdefault(name, []).append(_Version(listed, data))
        return listed.version

    def _find(self, name: str, version: str | None) -> _Version:
        for found in reversed(self._versions.get(name, [])):
            if version == found.listed.version or (version is None and not found.listed.marker):
                return found
        what = "object" if version is None else "version of this object"
        raise ObjectMissingError(f"the store holds no such {what}", item=name)

    def _find_bytes(self, name: str, version: str | None) -> _Version:
        found = self._find(name, version)
        if found.listed.marker:
            raise ObjectMissingError("this version is a delete marker", item=name)
        return found

    def _clock(self) -> dt.datetime:
        return self._now().astimezone(dt.UTC)

    def _probe(self) -> None:
        """Memory is always there."""

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        version = self._add(name, stream.read(), lock_until=lock_until, marker=False)
        return Stored(name=name, version=version, lock_until=lock_until)

    def _get(self, name: str, version: str | None) -> bytes:
        found = self._find_bytes(name, version)
        if self._told(found).archived:
            raise ArchivedError(f"cannot get at {self.location}: it rests in an archive class", item=name)
        return found.data

    def _head(self, name: str, version: str | None) -> Listed:
        return self._told(self._find(name, version))

    def _told(self, found: _Version) -> Listed:
        """A version as it is now, with what became of its being brought back."""
        begins, ends = self._returns.get(found.listed.version, (None, None))
        if begins is None or ends is None or ends <= self._clock():
            return found.listed
        there = begins <= self._clock()
        return dataclasses.replace(found.listed, returning=not there, readable_until=ends if there else None)

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        begins = self._clock() + self._returns_after
        self._returns[version] = begins, begins + dt.timedelta(days=days)

    def _list(self, prefix: str) -> Iterator[Listed]:
        for name in sorted(name for name in self._versions if name.startswith(prefix)):
            yield from [self._told(version) for version in self._versions[name]]

    def _hold(self, name: str, version: str, on: bool) -> None:
        found = self._find_bytes(name, version)
        found.listed = dataclasses.replace(found.listed, held=on)
