# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a legal hold is put on, and what the records say that tell when, and that end one."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ..errors import FormatError, PolicyError
from .record import HOLD_RELEASE, Record

#: kind of the records that say when a hold was put; nobody signs them
HOLD = "hold"
_FIELDS = ("recovery_point", "host", "stream")


@dataclasses.dataclass(frozen=True)
class Scope:
    """The snapshots of a recovery point, of a host, or of a stream of it; what is None narrows nothing.

    ``host`` is an identity, so that a new host of an old name is not meant.

    :raises PolicyError: nothing is meant, or a stream of no host.
    """

    point: str | None = None
    host: str | None = None
    stream: str | None = None

    def __post_init__(self) -> None:
        if self.point is None and self.host is None:
            raise PolicyError(
                "nothing is named to hold", item="recovery_point or host", remedy="Give one of them, or both."
            )
        if self.stream is not None and self.host is None:
            raise PolicyError("a stream is one of a host", item="stream", remedy="Name the host too.")

    @property
    def subject(self) -> dict[str, str]:
        """What a record says of it."""
        given = zip(_FIELDS, (self.point, self.host, self.stream), strict=True)
        return {name: value for name, value in given if value is not None}

    @property
    def spoken(self) -> str:
        """What is meant, for people."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.subject.items())


def release_of(record: Record, digest: str) -> Scope:
    """What a record of kind ``hold-release`` ends; raises FormatError where it says nothing of the kind."""
    found = _scope_of(record) if record.kind == HOLD_RELEASE else None
    if found is None:
        raise FormatError("does not say whose legal hold it ends", item=digest)
    return found


def hold_of(record: Record, digest: str) -> Scope:
    """What a record of kind ``hold`` says was put under hold; raises FormatError where it says nothing of the kind."""
    found = _scope_of(record) if record.kind == HOLD else None
    if found is None:
        raise FormatError("does not say what was put under legal hold", item=digest)
    return found


def _scope_of(record: Record) -> Scope | None:
    subject: Mapping[str, t.Any] = record.subject
    told = [subject.get(name) for name in _FIELDS]
    if not all(value is None or (isinstance(value, str) and value) for value in told):
        return None
    try:
        found = Scope(*told)
    except PolicyError:
        return None
    # what else it says may narrow what people meant
    return found if found.subject == dict(subject) else None
