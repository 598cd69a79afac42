# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a restore in place: all of it or nothing, by a journal on the host."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..model.entry import Entry, EntryKind
from . import wire
from .host import LIMIT_ENTRIES

# listings of paths, and of what stands there: a generous kilobyte for each of 200,000, twice
_ANSWER_BYTES = 512 * 1024 * 1024


# what ends a restore is a smaller half
_HALVES = {"check": "apply", "apply": "apply"}


@dataclasses.dataclass(frozen=True)
class Part:
    """A component in a restore: its declared paths, what judges its configuration, and which units take it up."""

    name: str
    paths: tuple[str, ...]
    validate: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Work:
    """What is to be changed on a host.

    ``entries`` are written, parents first; ``remove`` are paths that must not be there afterwards; ``owner`` tells of
    each path which of ``parts`` it is of. What is of another kind than its entry, such as a folder where a file must
    go, is replaced only where ``replace_kinds``.
    """

    entries: tuple[Entry, ...]
    contents: Mapping[str, bytes] = dataclasses.field(repr=False)
    remove: tuple[str, ...]
    parts: tuple[Part, ...]
    owner: Mapping[str, str]
    owners: bool
    owner_by: str = "name"
    replace_kinds: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a host did, or would do.

    ``not_atomic`` are paths that cannot change at one instant, ``left`` those that were not taken back or not removed
    since they hold what somebody else put there, each with the reason. ``recovered`` are restores of others that were
    found broken off and taken back first. ``is_open`` says that the host keeps the old state until it is told to drop
    or to undo. ``seconds`` are those of the host's phases. ``seen`` is the answer to what it was asked to look at once
    all was in place, unread; None where it did not look.
    """

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    not_atomic: tuple[str, ...] = ()
    validated: tuple[str, ...] = ()
    not_validated: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()
    not_reloaded: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    armed: bool = False
    is_open: bool = False
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seen: Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)


class Transaction:
    """One restore on one host.

    After :meth:`apply` the host holds the old state beside the new one, until :meth:`drop` lets go of it or
    :meth:`undo` brings it back. Where neither comes before the lease is over, the host takes the restore back by
    itself, or the next restore does.

    :param restore: the id of this restore, 16 hex digits.
    :param run: who restores, for people who find it open.
    :param lease: seconds for which nobody else acts on it.
    :param journal: the folder on the host that keeps what it needs to go back.
    :param may_apply: called before anything is changed; what it raises keeps the host as it is.
    """

    def __init__(
        self,
        trip: wire.Trip,
        *,
        restore: str,
        run: str,
        lease: int,
        root: str = "/",
        journal: str | None = None,
        may_apply: Callable[[], None] | None = None,
    ) -> None:
        self.restore = restore
        self.lease = lease
        self._trip = trip
        self._may_apply = may_apply
        self._common = {
            "restore": restore,
            "run": run,
            "lease": lease,
            "root": root,
            **({} if journal is None else {"journal": journal}),
        }

    def check(self, work: Work) -> Answer:
        """Judge all that :meth:`apply` would judge and change nothing; raises RestoreError where it would refuse."""
        return self._ask("check", _request(work))

    def apply(self, work: Work, *, look: Mapping[str, t.Any] | None = None, arm: bool = True) -> Answer:
        """Put everything in place, validate, reload, and look at what stands there then.

        :param look: what a survey asks, as :meth:`.host.Host.survey_request` spells it.
        :param arm: let a unit of the host take it back where neither drop nor undo comes.
        :raises UndoneError: it could not be done whole, and the host is as it was.
        :raises RestoreError: it was refused before anything was touched, or could not be taken back whole.
        :raises ConnectionLostError: the host was lost; by its journal it goes back.
        """
        if self._may_apply is not None:
            self._may_apply()
        payload = b"".join(work.contents[entry.path] for entry in work.entries if entry.kind is EntryKind.FILE)
        looks = {} if look is None else {"look": look}
        return self._ask("apply", {**_request(work), **looks, "arm": arm}, payload)

    def drop(self) -> Answer:
        """Let go of the old state: from here on nothing takes this restore back."""
        return self._ask("drop")

    def undo(self) -> Answer:
        """Bring the old state back, but for paths that somebody has changed since: those are ``left``."""
        return self._ask("undo")

    def recover(self) -> Answer:
        """Bring back what other restores left open whose lease is over, and tell which these were."""
        return self._ask("recover")

    def _ask(self, op: str, more: Mapping[str, t.Any] | None = None, payload: bytes = b"") -> Answer:
        printed = self._trip(_HALVES.get(op, "back"), {"op": op, **self._common, **(more or {})}, payload)
        header, _blob = wire.read_answer(printed, limit_bytes=_ANSWER_BYTES, half="apply")
        return read_answer(header)


def _request(work: Work) -> dict[str, t.Any]:
    places = {part.name: place for place, part in enumerate(work.parts)}

    def part(path: str) -> dict[str, int]:
        return {"part": places[work.owner[path]]} if path in work.owner else {}

    return {
        "entries": [{**wire.write_entry(entry), **part(entry.path)} for entry in work.entries],
        "remove": [{"path": path, **part(path)} for path in work.remove],
        "parts": [
            {
                "name": one.name,
                "paths": list(one.paths),
                "validate": list(one.validate),
                "reload": list(one.reload),
            }
            for one in work.parts
        ],
        "owners": work.owners,
        "owner_by": work.owner_by,
        "replace_kinds": work.replace_kinds,
    }


def read_answer(header: Mapping[str, t.Any]) -> Answer:
    """Read what a host's half answers; raises ConnectionLostError where it is no such answer."""
    with wire.Judged():
        return Answer(
            written=_texts(header, "written", most=LIMIT_ENTRIES),
            removed=_texts(header, "removed", most=LIMIT_ENTRIES),
            warnings=_pairs(header, "warnings"),
            not_atomic=_pairs(header, "not_atomic"),
            validated=_texts(header, "validated"),
            not_validated=_pairs(header, "not_validated"),
            reloaded=_texts(header, "reloaded"),
            not_reloaded=_pairs(header, "not_reloaded"),
            recovered=tuple(
                wire.sentence(f"{one['restore']} ({one['run']})") for one in header.get("recovered", ())[: wire.LISTED]
            ),
            left=_pairs(header, "left"),
            armed=bool(header.get("armed", False)),
            is_open=header.get("state") == "open",
            seconds={str(phase): int(spent) / 1000 for phase, spent in header.get("milliseconds", {}).items()},
            seen=_seen(header),
        )


def _seen(header: Mapping[str, t.Any]) -> Mapping[str, t.Any] | None:
    seen = header.get("seen")
    if not isinstance(seen, (dict, type(None))):
        raise TypeError("no answer")
    return seen


def _texts(header: Mapping[str, t.Any], field: str, *, most: int = wire.LISTED) -> tuple[str, ...]:
    return tuple(wire.sentence(value) for value in header.get(field, ())[:most])


def _pairs(header: Mapping[str, t.Any], field: str) -> tuple[str, ...]:
    pairs: Sequence[Sequence[str]] = header.get(field, ())
    told = [wire.sentence(f"{name}: {text}") for name, text in pairs[: wire.LISTED]]
    return (*told, *([f"and {len(pairs) - wire.LISTED} more"] if len(pairs) > wire.LISTED else []))
