# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signed records of a restore: that it begins; and who, what, why, where, how it ended and how long it took."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..errors import HoldfastError, RunAbandonedError
from ..format import names
from ..keyring.base import Keyring
from ..model import instant
from ..model.record import Record
from ..store.elsewhere import ElsewhereStore
from . import events, records
from .choose import Chosen
from .repository import Repository

RESTORE = "restore"
# how a restore ends; only the first proves anything
EQUAL = "equal"
DIFFERENT = "different"
REFUSED = "refused"
UNDONE = "undone"
UNKNOWN = "unknown"


@dataclasses.dataclass
class Begun:
    """That a restore begins, as it was said.

    ``intent`` is the SHA-256 of what says so, empty where it was not kept, which ``warnings`` tell; ``recorded`` is
    whether a record of the restore has followed.
    """

    intent: str = ""
    recorded: bool = False
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Context:
    """Who restores, where to, and why: for the record and for messages.

    ``place`` is the folder restored under, ``/`` in place; ``actor`` who runs this; ``change`` the ticket; ``begun``
    what :func:`announced` has said.
    """

    target_host: str
    place: str
    actor: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    change: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    begun: Begun = dataclasses.field(default_factory=Begun)


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


@contextlib.contextmanager
def announced(
    repository: Repository,
    keyring: Keyring,
    host: str,
    chosen: Sequence[Chosen],
    context: Context,
    *,
    check: bool = False,
) -> Iterator[Context]:
    """Say, signed, that a restore begins, before its host is asked; and, where no record of it follows, that it ended.

    What cannot be kept is a warning, and stops no restore. A process that is killed says nothing more: verify finds it.

    :param check: say nothing.
    :returns: the context with what was said.
    """
    begun = Begun()
    if check:
        yield context
        return
    subject = {"run": str(context.actor.get("run", "")), "host": host}
    told = {"target_host": context.target_host, "under": context.place}
    detail = {
        **told,
        "snapshots": [part.entry.manifest.sha256 for part in chosen],
        "actor": dict(context.actor),
        "change": dict(context.change),
    }
    try:
        name = events.put_event(repository, keyring, events.INTENT, subject, detail, use="record")
        begun.intent = names.parse(str(name)).sha256
    except RunAbandonedError:
        raise
    except HoldfastError as e:
        begun.warnings = (f"the record that this restore begins was not kept: {e}",)

    def end(why: str) -> None:
        if not begun.intent or begun.recorded:
            return
        result = events.UNFINISHED if why else events.UNRECORDED
        # the next verify tells of one that is not kept
        with contextlib.suppress(HoldfastError):
            ended = {**subject, "intent": begun.intent}
            events.put_event(
                repository, keyring, events.ENDED, ended, {**told, "result": result, "why": why}, use="record"
            )

    try:
        yield dataclasses.replace(context, begun=begun)
    except RunAbandonedError:
        raise
    except Exception as e:
        end(type(e).__name__)
        raise
    end("")


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
    root, intent = repository.root, context.begun.intent
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
        **({"intent": intent} if intent else {}),
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
    context.begun.recorded = True
    store = repository.store
    return name, tuple(store.told) if isinstance(store, ElsewhereStore) else ()
