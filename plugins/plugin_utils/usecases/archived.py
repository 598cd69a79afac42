# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring back what rests in an archive class, before a restore touches anything."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..errors import ArchivedError, ObjectMissingError, PolicyError, TransientError
from ..model.point import ObjectRef
from ..store.base import DEEP_ARCHIVE, GLACIER, Listed, Store
from .choose import Chosen

FAIL, REQUEST, WAIT = "fail", "request", "wait"
HOWS = (FAIL, REQUEST, WAIT)
TIERS = ("Expedited", "Standard", "Bulk")
# between two looks at what is on its way
_PAUSE_SECONDS = {"Expedited": 15.0, "Standard": 300.0, "Bulk": 300.0}
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class _Usual:
    """How long a retrieval usually takes, in words and at most."""

    spoken: str
    seconds: int


# as AWS documents it: AmazonS3 user guide, restoring-objects-retrieval-options, read in November 2026; of another
# server nothing is known
_USUAL = {
    (GLACIER, "Expedited"): _Usual("1 to 5 minutes", 300),
    (GLACIER, "Standard"): _Usual("3 to 5 hours", 5 * 3600),
    (GLACIER, "Bulk"): _Usual("5 to 12 hours", 12 * 3600),
    (DEEP_ARCHIVE, "Standard"): _Usual("up to 12 hours", 12 * 3600),
    (DEEP_ARCHIVE, "Bulk"): _Usual("up to 48 hours", 48 * 3600),
}


@dataclasses.dataclass(frozen=True)
class Retrieval:
    """What is to be done about what rests in an archive class.

    :param how: ``fail``; ``request`` it and fail; or request it and ``wait``.
    :param tier: how fast, as S3 names it, one of ``TIERS``.
    :param days: how long it stays readable.
    :param pause: waits so many seconds; what it raises ends the waiting.
    :param tell: told, in a line, what is waited for.
    """

    how: str = FAIL
    tier: str = "Standard"
    days: int = 3
    pause: Callable[[float], object] = time.sleep
    tell: Callable[[str], object] = lambda _line: None


#: What is archived fails, and nothing is asked for.
FAILING = Retrieval()


def usual_wait(storage_class: str, tier: str) -> str:
    """How long it usually takes until an object of that class can be read, in words."""
    known = _USUAL.get((storage_class, tier))
    return known.spoken if known else "a time that nobody documents"


def make_readable(store: Store, chosen: Iterable[Chosen], retrieval: Retrieval, *, check: bool = False) -> None:
    """Have all objects of the chosen snapshots readable, or say of each that is not how long that usually takes.

    :param check: ask for nothing.
    :raises ArchivedError: some are not readable yet; ``details`` names them.
    :raises PolicyError: the tier is none of their class.
    :raises StoreError: they cannot be looked at, or not asked for.
    """
    refs = [ref for one in chosen for ref in (one.entry.pack, one.entry.manifest)]
    resting = _resting(store, refs)
    if not resting:
        return
    if check or retrieval.how == FAIL:
        raise _archived(resting, retrieval, "rest in an archive class", _advice(retrieval, check))
    for one in resting:
        if (one.storage_class, retrieval.tier) == (DEEP_ARCHIVE, "Expedited"):
            raise PolicyError(
                f"nothing comes back from {DEEP_ARCHIVE} by the tier Expedited",
                item=one.name,
                remedy="Ask by the tier Standard or Bulk.",
            )
    asked = [store.bring_back(one.name, one.version, days=retrieval.days, tier=retrieval.tier) for one in resting]
    left = [one for one in asked if one.archived]
    idle = [one for one in left if not one.returning]
    if idle:
        raise _archived(idle, retrieval, "were asked for, and the store does not bring them back", "Look into its log.")
    if left and retrieval.how == WAIT:
        retrieval.tell(
            f"waiting for {len(left)} objects in an archive class: usually {_longest(left, retrieval).spoken}"
        )
        left = _wait(store, left, retrieval)
    if left:
        usual = _longest(left, retrieval).spoken
        remedy = f"Restore again in {usual} or so; they stay readable for {retrieval.days} days then."
        raise _archived(left, retrieval, "were asked for and are not readable yet", remedy)


def _resting(store: Store, refs: Sequence[ObjectRef]) -> list[Listed]:
    return [one for ref in dict.fromkeys(refs) for one in _held(store, ref) if one.archived]


def _held(store: Store, ref: ObjectRef) -> Iterator[Listed]:
    """The version that a point names; at a replica, or where it has gone, those of its size that are there."""
    try:
        yield store.head(ref.name, version=ref.version)
    except ObjectMissingError:
        same = [one for one in store.list(ref.name) if one.name == ref.name and not one.marker and one.size == ref.size]
        if not same:
            raise
        yield from (store.head(one.name, version=one.version) for one in same)


def _wait(store: Store, left: list[Listed], retrieval: Retrieval) -> list[Listed]:
    """Look again until all is readable, for twice as long as that usually takes; return what is not."""
    pause = _PAUSE_SECONDS[retrieval.tier]
    for _look in range(int(2 * _longest(left, retrieval).seconds / pause)):
        retrieval.pause(pause)
        # an hour without a store is none lost
        with contextlib.suppress(TransientError):
            left = [one for one in left if store.head(one.name, version=one.version).archived]
        if not left:
            break
    return left


def _longest(objects: Sequence[Listed], retrieval: Retrieval) -> _Usual:
    known = [_USUAL.get((one.storage_class, retrieval.tier), _Usual("a day", 86400)) for one in objects]
    return max(known, key=lambda usual: usual.seconds)


def _advice(retrieval: Retrieval, check: bool) -> str:
    if check and retrieval.how != FAIL:
        return "Without check mode they are asked for."
    return "Restore again with archived=request or archived=wait, which ask for them to be brought back."


def _archived(objects: Sequence[Listed], retrieval: Retrieval, what: str, remedy: str) -> ArchivedError:
    details: list[dict[str, t.Any]] = [
        {
            "object": one.name,
            "version": one.version,
            "storage_class": one.storage_class,
            "returning": one.returning,
            "usual_wait": usual_wait(one.storage_class, retrieval.tier),
        }
        for one in objects
    ]
    told = "; ".join(f"{one['object']} ({one['storage_class']}, {one['usual_wait']})" for one in details[:_NAMED])
    more = f"; and {len(details) - _NAMED} more" if len(details) > _NAMED else ""
    count = f"{len(details)} object{'s' if len(details) > 1 else ''}"
    return ArchivedError(f"{count} {what}: {told}{more}", remedy=remedy, details={"archived": details})
