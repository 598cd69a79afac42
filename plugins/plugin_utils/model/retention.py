# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A retention class: how long, and how strictly, objects are kept."""

from __future__ import annotations

import dataclasses
import datetime as dt

RENEWAL_DAYS = 30
# so long a store keeps what is no longer locked, for controllers that were down
_SHORTEST_GRACE, _LONGEST_GRACE = 120, 400


@dataclasses.dataclass(frozen=True)
class RetentionClass:
    """How long, in days, and in which lock mode objects of this class cannot be deleted.

    ``maximum``: after how many days nothing of this class may be left, counted from the last proof of what it holds,
    lock and grace included; None where governance sets no such limit.
    """

    name: str
    days: int
    mode: str
    maximum: int | None = None

    @property
    def spoken(self) -> str:
        """What it says, for people: ``30 days, compliance``."""
        most = "" if self.maximum is None else f", at most {self.maximum} days"
        return f"{self.days} days, {self.mode}{most}"

    @property
    def grace(self) -> dt.timedelta:
        """How long after its lock the store keeps an object: the class's days, 120 at least, 400 at most."""
        return grace(self.days)

    @property
    def shortest_maximum(self) -> int:
        """The smallest ``maximum``, in days, with which anything of this class could be stored at all."""
        return self.days + RENEWAL_DAYS + self.grace.days


def grace(days: int) -> dt.timedelta:
    """The grace of a class of so many days; of points, bodies and records by the days of the longest class."""
    return dt.timedelta(days=min(max(_SHORTEST_GRACE, days), _LONGEST_GRACE))
