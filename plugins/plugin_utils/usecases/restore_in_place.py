# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore in place: a host stands as it was sealed, proven, or exactly as before."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..capture.host import Host, Survey
from ..capture.patterns import covering
from ..capture.transaction import Answer, Part, Transaction, Work
from ..errors import ConnectionLostError, HoldfastError, PolicyError, RestoreError, UndoneError
from ..keyring.base import Keyring
from ..model.component import Component, Handling
from ..model.difference import PRIVILEGED_XATTRS, Comparison, Side, compare_trees
from ..model.entry import Entry, EntryKind
from .archived import FAILING, Retrieval
from .choose import Selection
from .compare import bring, live_label, redactors_of, sealed_label
from .open_snapshot import add_times, timed
from .repository import Repository
from .restore import Asked, Difference, Restored, Source, asked_for, compare, mismatch, open_chosen, present, survey_of
from .restore_record import EQUAL, REFUSED, UNDONE, UNKNOWN, Context, Ending, announced, put_record
from .returning import Returning, returning
from .wanted import Wanted, files_only, to_write

_NONE = Handling()
_NOTHING = Answer()
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Way:
    """How a restore in place goes about it.

    ``declared`` are components as the host's inventory has them now, by name. ``exact`` also removes what the snapshot
    does not hold, inside the components' paths, and replaces what is of another kind. ``show`` asks for what differs
    as a comparison, with the content that may be shown; ``shown`` is given it before anything is changed, and what it
    raises stops the restore.
    """

    declared: Mapping[str, Component]
    exact: bool = False
    owner_by: str = "name"
    validate: bool = True
    reload: bool = True
    show: bool = False
    shown: Callable[[Comparison], object] | None = None

    @property
    def handling(self) -> dict[str, Handling]:
        """What the inventory says of handling a component, by name."""
        return {name: component.handling for name, component in self.declared.items()}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a restore in place is to change, and what it leaves as it is on purpose."""

    asked: Asked
    before: tuple[Difference, ...]
    extra: tuple[str, ...]
    remove: tuple[str, ...]
    preserved: tuple[str, ...]
    returning: tuple[Returning, ...]
    work: Work
    live: Mapping[str, Entry]

    @property
    def wanted(self) -> Wanted:
        """What the host is to hold."""
        return self.asked.wanted


def restore_in_place(
    repository: Repository,
    keyring: Keyring,
    target: Host,
    transaction: Transaction,
    *,
    host: str,
    selection: Selection,
    context: Context,
    way: Way,
    host_id: str | None = None,
    retrieval: Retrieval = FAILING,
    check: bool = False,
    sealed: Source | None = None,
) -> Restored:
    """Bring *target* back to the selected snapshots of *host*, or leave it exactly as it was.

    What differs is staged beside its place, journalled, renamed, validated and taken up; then the host is captured
    again, on the same trip, and only where all of it is equal does the host let go of the old state. On any failure it
    goes back.

    :param transaction: of the same host as *target*, with an id of its own.
    :param retrieval: what is done about packs that rest in an archive class.
    :param check: judge and tell all of it; write nothing, record nothing.
    :param sealed: what *selection* means, where it was opened already.
    :raises UndoneError: it was taken back, and the host is as it was.
    :raises RestoreError: it was refused before anything was touched, or could not be taken back whole: it says which.
    """
    if sealed is None:
        sealed = open_chosen(repository, keyring, host, selection, host_id, retrieval, check=check)
    wanted, texts = files_only(sealed.wanted)
    if texts and not wanted.captured:
        raise PolicyError(
            f"component {', '.join(texts)} holds texts that stand nowhere on a host",
            host=context.target_host,
            item=texts[0],
            remedy="Restore it under another folder, and read it there.",
        )
    with announced(repository, keyring, host, sealed.chosen, context, check=check) as context:
        with timed(sealed.seconds, "survey"):
            survey = survey_of(target, wanted.components)
            before = _NOTHING
            if survey.restores and not check:
                # what they left is neither the old state nor the new one
                before = transaction.recover()
                survey = survey_of(target, wanted.components)
            plan = _plan(wanted, survey, selection.paths, way, host)
        warnings = [*sealed.warnings, *context.begun.warnings, *_undeclared(wanted, way)]
        warnings += [f"component {name} holds texts and is not restored in place" for name in texts]
        warnings += [f"going back from an earlier restore left {path}" for path in before.left]
        attempt = _Attempt(
            repository,
            keyring,
            target,
            transaction,
            host,
            context,
            sealed,
            plan,
            privileged=survey.privileged,
            whole=not selection.paths and not plan.preserved,
            needed=bool(plan.before or plan.remove or survey.restores),
            recovered=before.recovered,
        )
        comparison = None
        if way.show:
            with timed(sealed.seconds, "show"):
                comparison = _shown(target, sealed, plan, way, context.target_host, selection)
            warnings += comparison.warnings
            if way.shown is not None:
                way.shown(comparison)
        if check:
            answer = transaction.check(plan.work) if attempt.needed else _NOTHING
            record = None
        else:
            answer = attempt.run()
            answer = dataclasses.replace(answer, recovered=(*before.recovered, *answer.recovered))
            record = attempt.record(EQUAL, answer)
        return Restored(
            sources=sealed.chosen,
            before=plan.before,
            extra=plan.extra,
            entries=len(plan.wanted.entries),
            proven=not check or not (plan.before or plan.remove),
            owners=survey.privileged,
            record=record,
            warnings=(*warnings, *attempt.warnings, *answer.warnings),
            seconds=sealed.seconds,
            preserved=plan.preserved,
            returning=plan.returning,
            remove=plan.remove,
            answer=answer,
            comparison=comparison,
        )


def _plan(wanted: Wanted, survey: Survey, paths: Sequence[str], way: Way, host: str) -> Plan:
    there = present(survey.entries)
    handling = way.handling
    kept = {name: covering(one.preserve) for name, one in handling.items() if one.preserve}

    def is_preserved(path: str, owner: str | None) -> bool:
        return path in there and owner in kept and kept[owner](path)

    asked = asked_for(wanted, paths, there, host)
    preserved = {path for path, owner in asked.wanted.owner.items() if is_preserved(path, owner)}
    covers = asked.covers
    asked = Asked(
        asked.wanted.only(lambda path: path not in preserved),
        lambda path: covers(path) and path not in preserved,
    )
    wanted, live = asked.wanted, asked.live(survey)
    before = compare(wanted.entries, live, owners=survey.privileged)
    extra = {
        path: owner
        for path in sorted(live.keys() - wanted.entries.keys())
        if (owner := wanted.speaks_for(path)) is not None and not is_preserved(path, owner)
    }
    remove = extra if way.exact else {}
    changed = {d.path for d in before if {"missing", "kind", "content"} & set(d.what)}
    # what is removed from a folder changes the folder's time, too
    above = {path.rpartition("/")[0] for path in remove} & wanted.entries.keys()
    entries = to_write({difference.path for difference in before} | above, wanted)
    work = Work(
        entries=tuple(entries),
        contents=wanted.contents,
        remove=tuple(remove),
        parts=_parts(wanted, way),
        owner={**{entry.path: wanted.owner[entry.path] for entry in entries}, **remove},
        owners=survey.privileged,
        owner_by=way.owner_by,
        replace_kinds=way.exact,
    )
    back = returning(changed, wanted.contents, wanted.owner, handling)
    return Plan(asked, before, tuple(extra), work.remove, tuple(sorted(preserved)), back, work, live)


def _parts(wanted: Wanted, way: Way) -> tuple[Part, ...]:
    declared = way.handling
    found: dict[str, Part] = {}
    for component in wanted.components:
        handling = declared.get(component.name, _NONE)
        validate = handling.validate if way.validate else ()
        reload = handling.reload if way.reload else ()
        found[component.name] = Part(component.name, component.paths, validate, reload)
    return tuple(found.values())


def _shown(target: Host, sealed: Source, plan: Plan, way: Way, host: str, selection: Selection) -> Comparison:
    """The host as it is beside the host as it will be, with what may be shown of both."""
    paths = {difference.path for difference in plan.before} | set(plan.remove)
    live = {path: plan.live[path] for path in paths & plan.live.keys()}
    coming = {path: plan.wanted.entries[path] for path in paths & plan.wanted.entries.keys()}
    owner = plan.work.owner
    privileged = plan.work.owners
    differences = compare_trees(
        Side(live, owner),
        Side(coming, owner),
        owners=privileged,
        without_xattrs=() if privileged else PRIVILEGED_XATTRS,
    )
    redactors = redactors_of(plan.wanted.captured, way.declared)
    contents, warnings = bring(target, differences, live, redactors)
    return Comparison(
        differences=differences,
        left=live_label(host),
        right=sealed_label(sealed.chosen[0].entry.name, sealed.chosen, selection),
        before=Side(live, owner, contents),
        after=Side(coming, owner, plan.wanted.contents),
        unchanged=len(plan.wanted.entries) - len(plan.before),
        redactors=redactors,
        warnings=warnings,
    )


def _undeclared(wanted: Wanted, way: Way) -> list[str]:
    names = [part.component.name for part in wanted.captured if part.component.name not in way.declared]
    return [
        f"component {name} is not declared for this host: nothing of it is preserved, validated or reloaded"
        for name in names
    ]


@dataclasses.dataclass
class _Attempt:
    """One restore at work on one host."""

    repository: Repository
    keyring: Keyring
    target: Host
    transaction: Transaction
    host: str
    context: Context
    sealed: Source
    plan: Plan
    privileged: bool
    whole: bool
    needed: bool
    recovered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    armed: bool | None = None

    def run(self) -> Answer:
        """Apply, capture again, compare; let go of the old state, or bring it back.

        Where nothing differs the host is asked only if somebody else's restore is open there: what stands now may go
        back with it.

        :raises RestoreError: as :func:`restore_in_place`; a record of it is kept.
        """
        if not self.needed:
            return _NOTHING
        seconds = self.sealed.seconds
        applied = False
        try:
            with timed(seconds, "apply"):
                look = self.target.survey_request(self.plan.wanted.components)
                answer = self.transaction.apply(self.plan.work, look=look)
            applied, self.armed = True, answer.armed
            # what the host tells of its own phases is part of this one
            seconds["apply"] -= sum(answer.seconds.values())
            add_times(seconds, answer.seconds)
            with timed(seconds, "compare"):
                self._prove(answer.seen)
            if answer.is_open:
                self._let_go()
        except ConnectionLostError as e:
            raise self._failed(UNKNOWN, self._lost(e)) from e
        except RestoreError as e:
            undone = isinstance(e, UndoneError) or bool(e.details.get("undone"))
            undone = undone and self._is_as_it_was(e)
            unsure = applied or bool(e.details.get("left"))
            raise self._failed(UNDONE if undone else UNKNOWN if unsure else REFUSED, e) from e.__cause__
        return answer

    def record(self, result: str, answer: Answer, *, why: str = "", left: Sequence[str] = ()) -> str | None:
        """Keep the record; what prevents that is a warning.

        :param left: paths of what was taken back that are not as they were.
        """
        plan = self.plan
        ending = Ending(
            result,
            entries=len(plan.wanted.entries),
            written=len(plan.before) if result == EQUAL else 0,
            different=len(plan.before) if result != EQUAL else 0,
            owners=self.privileged,
            whole=self.whole,
            more={
                "restore": self.transaction.restore,
                "removed": len(answer.removed),
                "preserved": len(plan.preserved),
                "returning": len(plan.returning),
                "validated": list(answer.validated),
                "reloaded": list(answer.reloaded),
                "why": why,
                **({"left": list(left)} if left else {}),
            },
        )
        name, problem = put_record(
            self.repository, self.keyring, self.host, self.sealed.chosen, self.context, ending, self.sealed.seconds
        )
        self.warnings += problem
        return name

    def _left(self, seen: Mapping[str, t.Any] | None) -> list[Difference]:
        """What is not as it should be, now that all is in place. What is volatile may have changed again already."""
        wanted = self.plan.wanted
        survey = survey_of(self.target, wanted.components, seen)
        live = self.plan.asked.live(survey)
        volatile = {part.component.name: covering(part.component.volatile) for part in wanted.captured}
        found = [
            difference
            for difference in compare(wanted.entries, live, owners=survey.privileged)
            if not volatile[wanted.owner[difference.path]](difference.path)
        ]
        for path in self.plan.remove:
            if path not in live:
                continue
            if live[path].kind is EntryKind.DIRECTORY:
                self.warnings += (f"{path!r} stays: it holds what no snapshot would hold",)
            else:
                found.append(Difference(path, ("extra",)))
        return found

    def _prove(self, seen: Mapping[str, t.Any] | None = None) -> None:
        """Capture again and compare; where it is not what was sealed, take the restore back and say so.

        :param seen: what the host answered when it looked itself, once all was in place.
        """
        try:
            left = self._left(seen)
        except ConnectionLostError:
            raise
        except HoldfastError as e:
            remedy, details = self._take_back()
            raise RestoreError(
                f"what was restored cannot be read back: {e.message}",
                host=self.context.target_host,
                item=e.item,
                remedy=remedy,
                details=details,
            ) from e
        if left:
            remedy, details = self._take_back()
            raise mismatch(left, len(self.plan.wanted.entries), self.context, remedy, details)

    def _take_back(self) -> tuple[str, dict[str, object]]:
        """Bring the old state back; returns what to do next, and figures for the failed task."""
        try:
            stays = self.transaction.undo().left
        except HoldfastError as e:
            return f"It could not be taken back yet ({e}); {self._later}", {"undone": False}
        if stays:
            named = ", ".join(stays[:_NAMED])
            return f"The host is as it was, but for {named}: look at these.", {"undone": True, "left": list(stays)}
        return "The host is as it was before. Find out what changes these paths, and restore again.", {"undone": True}

    def _let_go(self) -> None:
        """Let the host drop the old state; where that word or its answer is lost, find out what became of it."""
        try:
            self.transaction.drop()
        except ConnectionLostError:
            try:
                self.transaction.drop()
            except ConnectionLostError as e:
                raise RestoreError(
                    f"all of it is restored and equal, but the host was lost before it closed the restore: {e.message}",
                    host=self.context.target_host,
                    item=self.transaction.restore,
                    remedy=f"Run the restore again. {self._later}",
                ) from e
            except RestoreError:
                # nothing is open any more: the first word has arrived, or the lease was over
                self._prove()

    def _is_as_it_was(self, error: RestoreError) -> bool:
        """Look whether a host that says it went back did; *error* says what is not so."""
        told = [str(path) for path in t.cast("Sequence[object]", error.details.get("left", ()))]
        try:
            survey = survey_of(self.target, self.plan.wanted.components)
        except HoldfastError:
            error.details["undone"] = False
            error.remedy = (
                f"The host says that it went back; it could not be looked at again. {error.remedy or ''}".strip()
            )
            return False
        now = self.plan.asked.live(survey)
        paths = {difference.path for difference in self.plan.before} | set(self.plan.remove)
        was = {path: self.plan.live[path] for path in paths & self.plan.live.keys()}
        wrong = [one.path for one in compare(was, now, owners=self.privileged)]
        wrong += sorted((paths & now.keys()) - was.keys())
        wrong = [path for path in wrong if not any(one == path or one.startswith(f"{path}:") for one in told)]
        if wrong:
            error.details.update(undone=False, left=[*told, *wrong])
            named = ", ".join(map(repr, wrong[:_NAMED]))
            error.remedy = f"The host says that it went back, but {named} are not as they were: look at these."
        return not wrong

    def _lost(self, error: ConnectionLostError) -> RestoreError:
        return RestoreError(
            f"the host was lost in the middle of a restore: {error.message}",
            host=self.context.target_host,
            item=self.transaction.restore,
            remedy=f"It is whole or goes back: {self._later}",
        )

    @property
    def _later(self) -> str:
        lease = self.transaction.lease
        unit = "" if self.armed else ", where systemd runs there"
        if self.armed is False:
            return (
                f"nothing there brings the old state back by itself; a restore {lease} seconds later does that first."
            )
        return (
            f"{lease} seconds after it was last heard of, its own unit brings the old state back{unit}; "
            "a restore that runs later does that first."
        )

    def _failed(self, result: str, error: RestoreError) -> RestoreError:
        left = [str(path) for path in t.cast("Sequence[object]", error.details.get("left", ()))][:_NAMED]
        self.record(result, _NOTHING, why=type(error).__name__, left=left)
        if self.recovered:
            error.details["recovered"] = list(self.recovered)
        for warning in self.warnings:
            error.remedy = f"{error.remedy or ''} {warning}".strip()
        return error
