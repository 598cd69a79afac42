# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signed record that each restore leaves: who, what, why, from where, how it ended, and how long it took."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import HoldfastError
from ..keyring.base import Keyring
from ..model import instant
from ..model.record import Record
from ..store.elsewhere import ElsewhereStore
from . import records
from .choose import Chosen
from .repository import Repository

RESTORE = "restore"
# how a restore ends; only the first proves anything
EQUAL = "equal"
DIFFERENT = "different"
REFUSED = "refused"
UNDONE = "undone"
UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Context:
    """Who restores, where to, and why: for the record and for messages.

    ``place`` is the folder restored under, ``/`` in place; ``actor`` who runs this; ``change`` the ticket.
    """

    target_host: str
    place: str
    actor: Mapping[str, str] = dataclasses.field(default_factory=dict)
    change: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a restore ended.

    ``result`` is ``equal`` (all of it was read back as it was sealed), ``different`` (it was not, and is there),
    ``undone`` (it was taken back), ``refused`` (nothing was touched) or ``unknown`` (the host was lost). ``whole`` says
    that it was about all paths of the components, and ``more`` holds counts and names of its kind.
    """

    result: str
    entries: int = 0
    written: int = 0
    different: int = 0
    owners: bool = False
    whole: bool = True
    more: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def put_record(
    repository: Repository,
    keyring: Keyring,
    host: str,
    chosen: Sequence[Chosen],
    context: Context,
    ending: Ending,
    seconds: Mapping[str, float],
) -> tuple[str | None, tuple[str, ...]]:
    """Sign and put the record of a restore; returns its name, and a warning where it could not be kept.

    Never raises for that: a restore that is proven stays proven.

    :param host: whose configuration was restored, by its name or identity.
    :param seconds: of each phase.
    """
    root = repository.root
    detail = {
        "target_host": context.target_host,
        "under": context.place,
        "result": ending.result,
        "entries": ending.entries,
        "written": ending.written,
        "different": ending.different,
        "owners_compared": ending.owners,
        "milliseconds": {phase: round(spent * 1000) for phase, spent in seconds.items()},
        "actor": dict(context.actor),
        "change": dict(context.change),
        **ending.more,
    }
    subject = {
        "host": host,
        "snapshots": [part.entry.manifest.sha256 for part in chosen],
        "streams": [
            {
                "host_id": part.entry.host_id,
                "stream": part.entry.stream,
                "snapshot": part.entry.manifest.sha256,
                "components": list(part.components),
                "whole": ending.whole and len(part.components) == len(part.entry.fingerprints),
            }
            for part in chosen
        ],
    }
    try:
        now = instant.whole(repository.store.clock())
        record = Record(
            repository=root.repository,
            root=root.id,
            kind=RESTORE,
            at=now,
            by=keyring.signer(use="record", among=root.signing(use="record", at=now)),
            subject=subject,
            detail=detail,
        )
        name = records.put_made(repository, record, now=now, keyring=keyring)
    except HoldfastError as e:
        return None, (f"the record of this restore was not kept: {e}",)
    store = repository.store
    return name, tuple(store.told) if isinstance(store, ElsewhereStore) else ()
