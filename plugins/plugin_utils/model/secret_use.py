# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where secrets are used and since when, told by digests that are equal for all hosts: which are shared, which old."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Sequence

from . import instant
from .redaction import visible

# since a date: it is the same, it is another one, or nobody can tell
NOT_ROTATED, ROTATED, UNKNOWN = "not rotated", "rotated", "unknown"
# digits of a digest that tell secrets apart
_DIGITS = 16


@dataclasses.dataclass(frozen=True)
class Use:
    """A secret in one place: ``secret`` tells it from others, ``digest_key`` whose digests it can be compared with.

    ``seen_since`` is the capture of the oldest snapshot of an unbroken row that has it there, ``age`` what follows from
    that and a date, and ``why`` for what reason nobody can tell; all are empty where no date was asked for.
    """

    host: str
    host_id: str
    component: str
    path: str
    line: int
    digest: str
    digest_key: str
    seen_since: dt.datetime | None = None
    age: str = ""
    why: str = ""

    @property
    def secret(self) -> str:
        """The first digits of its digest."""
        return self.digest[:_DIGITS]

    def as_dict(self) -> dict[str, t.Any]:
        """The same in plain values."""
        told = {
            "host": self.host,
            "host_id": self.host_id,
            "component": self.component,
            "path": visible(self.path),
            "line": self.line,
            "secret": self.secret,
            "digest_key": self.digest_key,
        }
        if self.seen_since is not None:
            told["seen_since"] = instant.to_text(self.seen_since)
        if self.age:
            told.update(age=self.age, why=self.why)
        return told


@dataclasses.dataclass(frozen=True)
class Look:
    """What one snapshot says of a component's secrets: path and digest of each, None where nobody looked for any.

    ``at`` is its capture, ``until`` when its stream was last proven to be so; ``unread`` that its manifest was not
    read, or is not believed.
    """

    at: dt.datetime
    until: dt.datetime
    digest_key: str
    secrets: frozenset[tuple[str, str]] | None
    unread: bool = False


def shared(uses: Iterable[Use]) -> list[tuple[Use, ...]]:
    """Secrets that more than one host has, each as all of its uses; those of most hosts first."""
    found: dict[tuple[str, str], list[Use]] = {}
    for use in uses:
        found.setdefault((use.digest_key, use.digest), []).append(use)
    groups = [tuple(group) for group in found.values() if len({use.host_id for use in group}) > 1]
    return sorted(groups, key=lambda group: (-len({use.host_id for use in group}), group[0].digest))


def aged(use: Use, looks: Sequence[Look], since: dt.datetime) -> Use:
    """*use* with what is known of its age.

    :param looks: at its component on its host, the newest first, back to one at or before *since*.
    """
    seen: dt.datetime | None = None
    why = "no older snapshot is left"
    for look in looks:
        if look.unread:
            why = "an older manifest was not read"
            break
        if look.secrets is None:
            why = "older snapshots were stored without digests of secrets"
            break
        if look.digest_key != use.digest_key:
            why = "older snapshots have digests under another key"
            break
        if (use.path, use.digest) not in look.secrets:
            # what was there until then was another one, or nothing
            if look.until >= since:
                return dataclasses.replace(use, seen_since=seen, age=ROTATED)
            why = f"it was rotated after {instant.to_text(look.until)}"
            break
        seen = look.at
        if seen <= since:
            return dataclasses.replace(use, seen_since=seen, age=NOT_ROTATED)
    return dataclasses.replace(use, seen_since=seen, age=UNKNOWN, why=why)
