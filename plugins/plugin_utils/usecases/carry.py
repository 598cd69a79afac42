# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carry snapshots on: the same bytes, the same name, a later lock, so that no silent host loses its last copy."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from ..errors import HoldfastError, NotLockedError, RunAbandonedError, TransientError
from ..model import keep
from ..model.point import StreamEntry, StreamState
from . import objects
from .repository import Repository

# what one run carries at most; what the store would drop first comes first, and the next run goes on
MOST_STREAMS = 500
MOST_BYTES = 1024**3


@dataclasses.dataclass(frozen=True)
class Carried:
    """What was carried, what waits for the next run, and what could not be, with the reason."""

    entries: tuple[StreamEntry, ...]
    waiting: tuple[StreamEntry, ...]
    failed: tuple[tuple[StreamEntry, str], ...]


def carry(repository: Repository, due: Sequence[StreamEntry], now: dt.datetime, *, most: int = MOST_STREAMS) -> Carried:
    """Give snapshots a later lock, the first of *due* first, as many as one run may.

    One that cannot be carried holds up no other; a store that does not answer ends it, and the rest waits.

    :param now: when the point that names them is sealed, store's time.
    :param most: how many at most.
    :raises RunAbandonedError: the controlling process is gone.
    """
    entries: list[StreamEntry] = []
    failed: list[tuple[StreamEntry, str]] = []
    left = MOST_BYTES
    for place, entry in enumerate(due):
        left -= entry.pack.size + entry.manifest.size
        if len(entries) >= most or (left < 0 and entries):
            return Carried(tuple(entries), tuple(due[place:]), tuple(failed))
        try:
            entries.append(renew(repository, entry, now, StreamState.CARRIED))
        except RunAbandonedError:
            raise
        except TransientError as e:
            failed.append((entry, str(e)))
            return Carried(tuple(entries), tuple(due[place + 1 :]), tuple(failed))
        except HoldfastError as e:
            failed.append((entry, str(e)))
    return Carried(tuple(entries), (), tuple(failed))


def renew(repository: Repository, entry: StreamEntry, now: dt.datetime, state: StreamState) -> StreamEntry:
    """Put both objects of a snapshot again; its times stay what they were.

    :raises NotLockedError: with such a lock it would outlive the maximum of its class; or the store gave a shorter one.
    :raises StoreError, IntegrityError: an object is gone, damaged, or was not locked as asked.
    """
    kept = repository.root.classes[entry.retention_class]
    if keep.outlives(entry, repository.root.classes, now):
        raise NotLockedError(
            f"another lock would keep it beyond the {kept.maximum} days that class {kept.name} allows",
            item=entry.manifest.name,
            remedy="Back its host up again.",
        )
    lock_until = keep.snapshot_lock(now, kept, f"{entry.host}/{entry.stream}")
    refs = (entry.pack, entry.manifest)
    # both are read before either is put: a lock for half a snapshot would be paid for by each run again
    held = [objects.read(repository.store, ref.name, version=ref.version) for ref in refs]
    pack, manifest = (
        objects.put_locked(repository.store, ref.name, data, lock_until, kept, now)
        for ref, data in zip(refs, held, strict=True)
    )
    return dataclasses.replace(entry, state=state, pack=pack, manifest=manifest)
