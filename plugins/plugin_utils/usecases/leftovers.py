# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship what earlier runs here sealed and the store would not take, under their own run, point and change."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import EmptyPointError, HoldfastError, RunAbandonedError
from ..keyring.base import Keyring
from ..model import instant, keep
from . import events, open_point, points, run_folder, seal_point, snapshot
from .repository import Repository
from .run_folder import PointFolder, Receipt, SealedSnapshot
from .stamps import TimeStamping

_LATE = "-late"
_LONGEST_NAME = 32


@dataclasses.dataclass(frozen=True)
class Shipping:
    """A line for each point that was stored late, and one for each that was not, with the reason.

    ``waiting`` tells of runs as well that ended before they sealed.
    """

    shipped: tuple[str, ...]
    waiting: tuple[str, ...]


def ship_leftovers(
    state_dir: Path, repository: Repository, keyring: Keyring, *, run: str, stamping: TimeStamping | None = None
) -> Shipping:
    """Store and seal what runs that have ended left behind, and say of the others, signed, that they were interrupted.

    One that cannot be shipped yet stays for the next run, and holds up neither the others nor this run.

    :param run: the id of this run, which is left alone.
    """
    shipped: list[str] = []
    waiting: list[str] = []
    for folder in run_folder.waiting_points(state_dir, keep=run):
        what = f"recovery point {folder.point} of run {folder.run}"
        try:
            if not _belongs(folder, repository):
                continue
            late = _ship(folder, repository)
            if late is not None:
                sealed = seal_point.seal(late, repository, keyring, later_batches=False, stamping=stamping)
                late.drop_leftovers()
                shipped.append(f"{what} was stored late, as {sealed.id}")
            folder.drop_leftovers()
        except RunAbandonedError:
            raise
        except EmptyPointError:
            folder.drop_leftovers()
            waiting.append(f"{what} holds nothing any more that may be named, and is let go of")
        except HoldfastError as e:
            waiting.append(f"{what} still waits: {e}")
    waiting += events.conclude_ended(state_dir, repository, keyring, run=run)
    return Shipping(tuple(shipped), tuple(waiting))


def _belongs(folder: PointFolder, repository: Repository) -> bool:
    opened = folder.read_open()
    if opened.check or opened.location.get("name") != repository.name:
        return False
    # another repository may have had that name: what was sealed under its keys is not read under these
    return repository.chain.place(folder.read_root().id) is not None


def _ship(folder: PointFolder, repository: Repository) -> PointFolder | None:
    """Put what was left, and return the point that names it, open; None where there is nothing to name any more."""
    seal_point.note_landed(folder, repository)
    receipts = folder.read_receipts()
    now = repository.store.clock()
    behind = set()
    # of several attempts at a stream the last one: a point names a stream once
    for left in sorted(folder.read_leftovers(), key=lambda left: left.entry.age_order, reverse=True):
        host = left.entry.host
        known = receipts.get(host, Receipt(host, ()))
        # nothing may be kept beyond its class's maximum, also not what waited
        if _stored_since(left, known) or keep.outlives(left.entry, repository.root.classes, now):
            continue
        kept = repository.root.classes[left.entry.retention_class]
        shipped = snapshot.ship(left, repository.store, kept, now)
        streams = {part.stream: part for part in (*known.streams, shipped)}
        error = None if known.held_back else known.error
        receipts[host] = Receipt(host, tuple(streams.values()), error, restores=known.restores)
        behind.add(host)
    late = folder
    if folder.read_sealed() is not None:
        if not behind:
            return None
        receipts = {host: receipt for host, receipt in receipts.items() if host in behind}
        late = _beside(folder, repository, receipts.values())
    if late.read_sealed() is None:
        _reopen(late, folder, repository, tuple(receipts))
        for receipt in receipts.values():
            late.write_receipt(receipt, whole=True)
    return late


def _stored_since(left: SealedSnapshot, known: Receipt) -> bool:
    """Whether a later attempt of that run got through, or this is what an interrupted shipping has put."""
    return any(
        part.entry is not None and part.stream == left.entry.stream and part.entry.captured_at >= left.entry.captured_at
        for part in known.streams
    )


def _beside(folder: PointFolder, repository: Repository, receipts: Iterable[Receipt]) -> PointFolder:
    """The point for what a sealed one lacks; the same one again where shipping was interrupted.

    The run may have a point of that name already, its own or that of another long name.
    """
    ours = _named(receipts)
    for number in itertools.count(1):
        tail = _LATE if number == 1 else f"{_LATE}{number}"
        late = PointFolder(folder.state_dir, folder.run, f"{folder.point[: _LONGEST_NAME - len(tail)]}{tail}")
        if late.exists():
            seal_point.note_landed(late, repository)
        there = _named(late.read_receipts().values())
        if there == ours or (there <= ours and late.read_sealed() is None):
            break
    return late


def _named(receipts: Iterable[Receipt]) -> set[str]:
    return {part.entry.manifest.name for receipt in receipts for part in receipt.streams if part.entry is not None}


def _reopen(late: PointFolder, folder: PointFolder, repository: Repository, hosts: tuple[str, ...]) -> None:
    """Open *late* as if it were now, for what *folder*'s point expected, or for *hosts* where it stands beside it."""
    before = folder.read_open()
    now = repository.store.clock()
    found = points.live(repository, now=now)
    late.write_root(repository.link)
    open_point.write_live(late, repository, found, now)
    # never a full body: it would cover points that hold something newer of these hosts
    seen = {**open_point.seen(found), "full_size": sys.maxsize, "full_sealed_at": now, "points_since": 0}
    alias, notes = _alias(repository, before.alias)
    late.write_open(
        dataclasses.replace(
            before,
            point=late.point,
            expected=before.expected if late.point == folder.point else hosts,
            opened_at=instant.whole(now),
            monotonic=run_folder.monotonic(),
            notes=(*before.notes, f"opened at {instant.to_text(before.opened_at)}; the store took it only now", *notes),
            alias=alias,
            **seen,
        )
    )


def _alias(repository: Repository, alias: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The alias that the point to be shipped may have, and a note where another point has it by now.

    That may be the one that it stands beside, which is what people called so.
    """
    other = None if alias is None else open_point.alias_holder(repository, alias)
    if other is None:
        return alias, ()
    return None, (f"it was opened with the alias {alias}, which recovery point {other.id} has by now",)
