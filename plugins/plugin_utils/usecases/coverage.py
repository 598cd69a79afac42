# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage of a fleet: what the repository holds of it, and which exceptions people have accepted."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping

from ..errors import FormatError, ObjectMissingError
from ..format import names
from ..model import coverage
from ..model.coverage import Row
from ..model.fleet import HostPolicy
from ..model.point import StreamEntry
from ..model.record import EXCEPTION
from ..model.waiver import waiver_of
from . import objects, points, records
from .repository import Repository


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How each component of each host stands at ``now``, the store's time; ``warnings`` name what was not believed.

    ``live`` is the newest snapshot of every stream, by its key.
    """

    rows: tuple[Row, ...]
    now: dt.datetime
    warnings: tuple[str, ...] = ()
    live: Mapping[tuple[str, str], StreamEntry] = dataclasses.field(default_factory=dict)


def cover(repository: Repository, fleet: Iterable[HostPolicy], *, known: Iterable[str] = ()) -> Coverage:
    """Judge each component of each host of *fleet*. Reads no content, and needs no key.

    :param known: hosts that a CMDB names; those that are not in *fleet* are gaps.
    """
    now = objects.now(repository.store)
    live = points.live(repository, now=now)
    signed, refused = accepted(repository, now=now)
    found = coverage.rows(fleet, live.streams, signed, now=now, known=known, ended=live.ended)
    return Coverage(tuple(found), now, (*live.warnings, *refused), live.streams)


def accepted(repository: Repository, *, now: dt.datetime) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Who has accepted which exceptions, by their digests, and which records are not believed.

    :param now: the store's time; a record that lies ahead accepts nothing yet.
    """
    found: dict[str, tuple[str, ...]] = {}
    refused = []
    for name, versions in sorted(records.record_names(repository, EXCEPTION).items()):
        try:
            signed = records.read_judged(repository, name, versions)
            waiver = waiver_of(signed.record, names.parse(name).sha256)
        except (FormatError, ObjectMissingError) as e:
            refused.append(f"record {name} is not believed: {e}")
            continue
        if signed.record.at <= now:
            found[waiver.digest] = signed.signers
    return found, tuple(refused)
