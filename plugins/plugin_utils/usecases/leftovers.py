# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ship what earlier runs here sealed and the store would not take, under their own run, point and change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..errors import HoldfastError, RunAbandonedError
from ..keyring.base import Keyring
from ..model import instant
from . import open_point, points, run_folder, seal_point, snapshot
from .repository import Repository
from .run_folder import PointFolder, Receipt
from .stamps import TimeStamping

_LATE = "-late"


def ship_leftovers(
    state_dir: Path, repository: Repository, keyring: Keyring, *, run: str, stamping: TimeStamping | None = None
) -> list[str]:
    """Store and seal what runs that have ended left behind; returns a line for each of their points.

    One that cannot be shipped yet stays for the next run, and holds up neither the others nor this run.

    :param run: the id of this run, which is left alone.
    """
    lines = []
    for folder in run_folder.waiting_points(state_dir, keep=run):
        opened = folder.read_open()
        if opened.check or opened.location.get("name") != repository.name:
            continue
        what = f"recovery point {opened.point} of run {opened.run}"
        try:
            late = _ship(folder, repository)
            sealed = seal_point.seal(late, repository, keyring, later_batches=False, stamping=stamping)
            folder.drop_leftovers()
            lines.append(f"{what} was stored late, as {sealed.id}")
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            lines.append(f"{what} still waits for the store: {e}")
    return lines


def _ship(folder: PointFolder, repository: Repository) -> PointFolder:
    """Put what was left, and return the point that names it, open."""
    receipts = folder.read_receipts()
    now = repository.store.clock()
    behind = set()
    for left in folder.read_leftovers():
        host = left.entry.host
        kept = repository.root.classes[left.entry.retention_class]
        shipped = snapshot.ship(left, repository.store, kept, now)
        known = receipts.get(host, Receipt(host, ()))
        receipts[host] = Receipt(host, (*known.streams, shipped), None if known.held_back else known.error)
        behind.add(host)
    if folder.read_sealed() is not None:
        receipts = {host: receipt for host, receipt in receipts.items() if host in behind}
    late = _reopened(folder, repository, tuple(receipts))
    for receipt in receipts.values():
        late.write_receipt(receipt)
    return late


def _reopened(folder: PointFolder, repository: Repository, hosts: tuple[str, ...]) -> PointFolder:
    """The folder's point, open as if it were now; a late one beside it where it was sealed without *hosts*."""
    before = folder.read_open()
    late, expected = folder, before.expected
    if folder.read_sealed() is not None:
        late, expected = PointFolder(folder.state_dir, folder.run, f"{folder.point[: 32 - len(_LATE)]}{_LATE}"), hosts
    now = repository.store.clock()
    found = points.live(repository, now=now)
    late.write_root(repository.link)
    open_point.write_live(late, repository, found, now)
    late.write_open(
        dataclasses.replace(
            before,
            point=late.point,
            expected=expected,
            opened_at=instant.whole(now),
            monotonic=run_folder.monotonic(),
            notes=(*before.notes, f"opened at {instant.to_text(before.opened_at)}; the store took it only now"),
            **open_point.seen(found),
        )
    )
    return late
