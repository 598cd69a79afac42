# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A record: any signed fact other than a recovery point."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping

# kinds that count by the signatures of people, in the number that the root's quorum of that name asks for
HOLD_RELEASE, RETIRED = "hold-release", "retired"
DESTRUCTION, ESCROW_DESTROYED = "destruction", "escrow-destroyed"
ACCESS = "access"
EXCEPTION = "exception"
# what a run says of itself: signed by the point key of who backs up, or by the record key of who restores
AUDIT = "audit"
PEOPLE_KINDS = frozenset({ACCESS, DESTRUCTION, ESCROW_DESTROYED, EXCEPTION, HOLD_RELEASE, RETIRED})


@dataclasses.dataclass(frozen=True)
class Request:
    """Who asks people to sign something, why, and until when they may; ``nonce`` makes each request another one."""

    by: str
    reason: str
    ticket: str
    expires: dt.datetime
    nonce: str


@dataclasses.dataclass(frozen=True)
class Record:
    """What happened (``kind``), to what (``subject``), and how (``detail``), at the store's time.

    ``by`` is the key of the machine that signed it; of a record that people sign the requester, and ``request`` says
    the rest of what they were asked.
    """

    repository: str
    root: str
    kind: str
    at: dt.datetime
    by: str
    subject: Mapping[str, t.Any]
    detail: Mapping[str, t.Any]
    request: Request | None = None
