# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When an object may be believed to outlive its class: pure functions over the store's time."""

from __future__ import annotations

import datetime as dt
import hashlib

from .policy import RetentionClass

RENEWAL_DAYS = 30
_SPREAD_DAYS = 15
RECORD_EXTRA_DAYS = 365


def renewal(stream_key: str) -> dt.timedelta:
    """How long beyond its class a snapshot of *stream_key* (``host/stream``) is locked: 16 to 30 days.

    The hash spreads the streams of a fleet, so that they are not all stored anew on one day.
    """
    spread = int.from_bytes(hashlib.sha256(stream_key.encode()).digest()[:4], "big") % _SPREAD_DAYS
    return dt.timedelta(days=RENEWAL_DAYS - spread)


def snapshot_lock(now: dt.datetime, kept: RetentionClass, stream_key: str) -> dt.datetime:
    """Until when a snapshot stored now is locked."""
    return now + dt.timedelta(days=kept.days) + renewal(stream_key)


def point_lock(now: dt.datetime, longest_days: int) -> dt.datetime:
    """Until when a body and its statement are locked: no snapshot they name outlives them."""
    return now + dt.timedelta(days=longest_days + RENEWAL_DAYS)


def record_lock(now: dt.datetime, longest_days: int) -> dt.datetime:
    """Until when a record is locked: a year longer than what it speaks of."""
    return point_lock(now, longest_days) + dt.timedelta(days=RECORD_EXTRA_DAYS)


def nameable(lock_until: dt.datetime, now: dt.datetime, kept: RetentionClass) -> bool:
    """Whether a point sealed now may name an object locked until *lock_until*."""
    return lock_until >= now + dt.timedelta(days=kept.days)
