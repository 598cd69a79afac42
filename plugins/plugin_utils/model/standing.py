# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a component stands: its coverage, and what its newest snapshot and the newest restore of it say."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from .coverage import Row, stream_of
from .fleet import HostPolicy
from .point import StreamEntry

# when a snapshot with the component was last restored as a whole, by the stream's key and the component's name
Proven = Mapping[tuple[tuple[str, str], str], dt.datetime]


@dataclasses.dataclass(frozen=True)
class Standing:
    """One row of coverage with the rest.

    ``rpo`` is that of its tier. ``changed_at`` is when its newest snapshot was captured: the last change of anything in
    its stream; ``change`` the ticket of that run. ``locked_until`` is when that snapshot may go. ``replicas`` name the
    sites that hold it too, ``restored_at`` is when all of a snapshot of its stream last came back equal from a restore.
    None, or empty, where there is no such thing.
    """

    row: Row
    rpo: dt.timedelta | None = None
    changed_at: dt.datetime | None = None
    change: str = ""
    locked_until: dt.datetime | None = None
    replicas: tuple[str, ...] = ()
    restored_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Site:
    """A replica, and the names of the objects that it holds; ``lacks`` says why nothing is known of it."""

    name: str
    holds: frozenset[str] = frozenset()
    lacks: str = ""


def standings(
    rows: Iterable[Row],
    fleet: Iterable[HostPolicy],
    live: Mapping[tuple[str, str], StreamEntry],
    *,
    sites: Iterable[Site] = (),
    changes: Mapping[str, str],
    proven: Proven,
) -> Iterator[Standing]:
    """Say of each row of *fleet*'s coverage how it stands.

    :param live: the newest snapshot of every stream, by its key.
    :param changes: the tickets under which snapshots were stored, by the digests of their manifests.
    """
    known = {
        (one.host, component.name): (one, component)
        for one in fleet
        if one.policy is not None
        for component in one.policy.components
    }
    sites = tuple(sites)
    for row in rows:
        one, component = known.get((row.host, row.component), (None, None))
        if one is None or component is None or one.policy is None:
            yield Standing(row)
            continue
        rpo = one.policy.tiers[component.tier].rpo
        key = (one.identity, stream_of(component))
        entry = live.get(key)
        if entry is None or all(fingerprint.component != component.name for fingerprint in entry.fingerprints):
            yield Standing(row, rpo)
            continue
        yield Standing(
            row,
            rpo,
            entry.captured_at,
            changes.get(entry.manifest.sha256, ""),
            entry.lock_until,
            tuple(site.name for site in sites if {entry.pack.name, entry.manifest.name} <= site.holds),
            proven.get((key, component.name)),
        )
