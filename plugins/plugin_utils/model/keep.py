# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keep rule: what is locked until when, what a point may name, what is carried on. Pure, over the store's time.

Where the rules come from, and what happens without each of them: docs/design/keeping.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping

from .point import Retirement, StreamEntry
from .retention import RENEWAL_DAYS, RetentionClass, grace

_SPREAD_DAYS = 15
RECORD_EXTRA_DAYS = 365
# a root names keys of so many years
_KEY_YEARS = 10
# after so many points since the last full body the next one is full
FULL_AFTER_POINTS = 100


def renewal(stream_key: str) -> dt.timedelta:
    """How long beyond its class a snapshot of *stream_key* (``host/stream``) is locked: 16 to 30 days.

    The hash spreads the streams of a fleet, so that they are not all stored anew on one day.
    """
    spread = int.from_bytes(hashlib.sha256(stream_key.encode()).digest()[:4], "big") % _SPREAD_DAYS
    return dt.timedelta(days=RENEWAL_DAYS - spread)


def snapshot_lock(now: dt.datetime, kept: RetentionClass, stream_key: str) -> dt.datetime:
    """Until when a snapshot stored, or carried, now is locked."""
    return now + dt.timedelta(days=kept.days) + renewal(stream_key)


def point_lock(now: dt.datetime, longest_days: int) -> dt.datetime:
    """Until when a body and its statement are locked: no snapshot they name outlives them."""
    return now + dt.timedelta(days=longest_days + RENEWAL_DAYS)


def record_lock(now: dt.datetime, longest_days: int) -> dt.datetime:
    """Until when a record is locked: a year longer than what it speaks of."""
    return point_lock(now, longest_days) + dt.timedelta(days=RECORD_EXTRA_DAYS)


def key_record_lock(now: dt.datetime, year: int, longest_days: int) -> dt.datetime:
    """Until when a record of the destruction of a key is locked: as if it was made at the end of that key's year.

    Until then a backup asks whether it may seal under the key, and what it sealed then expires later.

    :param year: of the key; of one that no root can name, since it lies too far ahead, the last that one can.
    """
    over = dt.datetime(min(max(year, now.year), now.year + _KEY_YEARS) + 1, 1, 1, tzinfo=dt.timezone.utc)
    return record_lock(over if year >= now.year else now, longest_days)


def nameable(lock_until: dt.datetime, now: dt.datetime, kept: RetentionClass) -> bool:
    """Whether a point sealed now may name an object locked until *lock_until*."""
    return lock_until >= now + dt.timedelta(days=kept.days)


def expiry(lock_until: dt.datetime, days: int) -> dt.datetime:
    """When the store drops an object of a class of so many days."""
    return lock_until + grace(days)


def full_due(sealed_at: dt.datetime | None, points_since: int, now: dt.datetime) -> bool:
    """Whether a body must be full although those since the last full one are small.

    The last full body must outlive what it alone lists, as a snapshot must outlive its class; and who opens reads every
    point since.

    :param sealed_at: when the last full body was sealed; None where there is none.
    """
    if sealed_at is None or points_since >= FULL_AFTER_POINTS:
        return True
    return now > sealed_at + dt.timedelta(days=RENEWAL_DAYS // 2)


def ended(
    streams: Mapping[tuple[str, str], StreamEntry],
    retirements: Iterable[Retirement],
    classes: Mapping[str, RetentionClass],
    now: dt.datetime,
) -> dict[tuple[str, str], str]:
    """The newest snapshots that nobody needs to keep any longer, each with the reason.

    ``retired``: people signed that off. ``superseded``: other streams of the host hold all of it, proven later.
    ``outlived``: governance's maximum is over, and so are its lock and grace.
    """
    by_host: dict[str, list[Retirement]] = {}
    for retirement in retirements:
        by_host.setdefault(retirement.host, []).append(retirement)
    reasons = {
        key: "retired"
        for key, entry in streams.items()
        if any(retirement.ends(entry) for retirement in by_host.get(entry.host_id, ()))
    }
    # also by what is retired by now: an older copy does not come back to life
    beside: dict[str, list[StreamEntry]] = {}
    for entry in streams.values():
        beside.setdefault(entry.host_id, []).append(entry)
    for key, entry in streams.items():
        if key in reasons:
            continue
        if superseded(entry, beside[entry.host_id]):
            reasons[key] = "superseded"
        elif outlives(entry, classes, now) and expiry(entry.lock_until, classes[entry.retention_class].days) < now:
            reasons[key] = "outlived"
    return reasons


def superseded(entry: StreamEntry, beside: Iterable[StreamEntry]) -> bool:
    """Whether other streams of its host hold each of a snapshot's components, proven later than it was.

    So it is after a component has moved to another tier: nobody proves the old stream again.
    """
    proven: dict[str, dt.datetime] = {}
    for other in beside:
        if other.host_id == entry.host_id and other.stream != entry.stream:
            for fingerprint in other.fingerprints:
                proven[fingerprint.component] = max(
                    other.verified_at, proven.get(fingerprint.component, other.verified_at)
                )
    names = {fingerprint.component for fingerprint in entry.fingerprints}
    return bool(names) and all(name in proven and proven[name] > entry.verified_at for name in names)


def outlives(entry: StreamEntry, classes: Mapping[str, RetentionClass], now: dt.datetime) -> bool:
    """Whether a new lock, with its grace, would keep a snapshot beyond the maximum of its class."""
    kept = classes.get(entry.retention_class)
    return kept is not None and too_old(kept, f"{entry.host}/{entry.stream}", entry.verified_at, now)


def too_old(kept: RetentionClass, stream_key: str, verified_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether a lock from now on would keep what was last proven at *verified_at* beyond the maximum of its class."""
    if kept.maximum is None:
        return False
    gone = expiry(snapshot_lock(now, kept, stream_key), kept.days)
    return gone > verified_at + dt.timedelta(days=kept.maximum)


def due(
    entries: Iterable[StreamEntry], classes: Mapping[str, RetentionClass], now: dt.datetime
) -> tuple[StreamEntry, ...]:
    """The live snapshots that need a later lock unless their host gives a new one; what the store drops first, first.

    :param now: when a point may have to name them.
    """
    short = [
        entry
        for entry in entries
        if entry.retention_class in classes
        and not nameable(entry.lock_until, now, classes[entry.retention_class])
        and not outlives(entry, classes, now)
    ]
    return tuple(
        sorted(short, key=lambda entry: (expiry(entry.lock_until, classes[entry.retention_class].days), entry.key))
    )


def fading(
    entries: Iterable[StreamEntry], classes: Mapping[str, RetentionClass], now: dt.datetime
) -> tuple[StreamEntry, ...]:
    """The live snapshots that have less than half of their class's days left, soonest first: the gate warns of them."""
    found = [
        entry
        for entry in entries
        if entry.retention_class in classes
        and entry.lock_until < now + dt.timedelta(days=classes[entry.retention_class].days) / 2
    ]
    return tuple(sorted(found, key=lambda entry: (entry.lock_until, entry.key)))
