# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore under another root: write chosen snapshots there, capture again and compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ..capture.host import Host, Survey
from ..capture.transaction import Answer
from ..errors import ArchivedError, MismatchError, NotFoundError, RestoreError, UnreadableError
from ..keyring.base import Keyring
from ..model.component import Component
from ..model.difference import PRIVILEGED_XATTRS, Comparison, Side, compare_trees
from ..model.entry import Entry
from .archived import FAILING, Retrieval, make_readable
from .choose import Chosen, Selection, choose, from_elsewhere, under_open_restores
from .open_snapshot import open_all, timed
from .repository import Repository
from .restore_record import DIFFERENT, EQUAL, Context, Ending, announced, put_record
from .returning import Returning
from .selected import parted, selected
from .wanted import Wanted, merged, to_write

_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Difference:
    """A path and the attributes in which host and snapshot differ there.

    ``missing`` and ``extra`` are such words too.
    """

    path: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path!r} ({', '.join(self.what)})"


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a restore did.

    ``proven`` says that what was read back is equal; ``owners`` that owners could be set and compared. ``extra`` is
    there and not in the snapshot, and of it ``remove`` goes; ``preserved`` stays as it is by policy; ``returning`` is
    what comes back with old secrets; ``answer`` is what the host did in place, ``comparison``
    the host before and after, where that was asked for.
    """

    sources: tuple[Chosen, ...]
    before: tuple[Difference, ...]
    extra: tuple[str, ...]
    entries: int
    proven: bool
    owners: bool
    record: str | None
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    preserved: tuple[str, ...] = ()
    returning: tuple[Returning, ...] = ()
    remove: tuple[str, ...] = ()
    answer: Answer = dataclasses.field(default=Answer())
    comparison: Comparison | None = None


@dataclasses.dataclass
class Source:
    """What was chosen and opened, and the seconds that each phase took."""

    chosen: tuple[Chosen, ...]
    wanted: Wanted
    seconds: dict[str, float]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd of what was chosen."""
        return under_open_restores(self.chosen) + from_elsewhere(self.chosen)


def restore(
    repository: Repository,
    keyring: Keyring,
    target: Host,
    *,
    host: str,
    selection: Selection,
    context: Context,
    host_id: str | None = None,
    retrieval: Retrieval = FAILING,
    check: bool = False,
) -> Restored:
    """Write the selected snapshots of *host* to *target* under another root, capture again and compare.

    Only what differs is written, so a second restore changes nothing. Success means that every entry was read back
    equal: kind, content, link target, mode and extended attributes, and owners where the target's half runs as root.

    :param host_id: its identity, where that is known; else *host* is its identity or one of its names.
    :param retrieval: what is done about packs that rest in an archive class.
    :param check: say what would be written; write nothing, record nothing.
    :raises RestoreError: the target refused or broke off; MismatchError where what came back is not what was sealed.
    """
    sealed = open_chosen(repository, keyring, host, selection, host_id, retrieval, check=check)
    with announced(repository, keyring, host, sealed.chosen, context, check=check) as told:
        return _restore(
            repository, keyring, target, sealed, host=host, paths=selection.paths, context=told, check=check
        )


def _restore(
    repository: Repository,
    keyring: Keyring,
    target: Host,
    sealed: Source,
    *,
    host: str,
    paths: Sequence[str],
    context: Context,
    check: bool,
) -> Restored:
    """The part of a restore that asks its host; as :func:`restore`."""
    seconds = sealed.seconds
    with timed(seconds, "survey"):
        survey = survey_of(target, sealed.wanted.components)
        asked = asked_for(sealed.wanted, paths, present(survey.entries), host)
        wanted, live = asked.wanted, asked.live(survey)
        before = compare(wanted.entries, live, owners=survey.privileged)
    extra = sorted(live.keys() - wanted.entries.keys())
    warnings = (*sealed.warnings, *context.begun.warnings)
    record = None
    if before:
        with timed(seconds, "apply"):
            entries = to_write({difference.path for difference in before}, wanted)
            warnings += target.apply(entries, wanted.contents, owners=survey.privileged, check=check).warnings
    if not check:
        with timed(seconds, "compare"):
            again = survey_of(target, wanted.components)
            left = compare(wanted.entries, asked.live(again), owners=again.privileged)
        ending = Ending(
            DIFFERENT if left else EQUAL,
            entries=len(wanted.entries),
            written=len(before),
            different=len(left),
            owners=survey.privileged,
            whole=not paths,
        )
        record, problem = put_record(repository, keyring, host, sealed.chosen, context, ending, seconds)
        warnings += problem
        if left:
            advice = " · ".join(warnings[:_NAMED]) or "Run the restore again."
            raise mismatch(left, len(wanted.entries), context, f"Do not use what was restored. {advice}")
    return Restored(
        sources=sealed.chosen,
        before=before,
        extra=tuple(extra),
        entries=len(wanted.entries),
        proven=not check or not before,
        owners=survey.privileged,
        record=record,
        warnings=warnings,
        seconds=seconds,
    )


def open_chosen(
    repository: Repository,
    keyring: Keyring,
    host: str,
    selection: Selection,
    host_id: str | None,
    retrieval: Retrieval,
    *,
    check: bool,
) -> Source:
    """Choose snapshots and open them all, bringing back what is archived; as :func:`choose` and :func:`open_all`."""
    seconds: dict[str, float] = {}
    with timed(seconds, "find"):
        chosen = choose(repository, host, selection, host_id=host_id)
    try:
        opened = open_all(repository, keyring, chosen, seconds)
    except ArchivedError:
        # to look at each object before would cost every restore that many calls
        with timed(seconds, "archive"):
            make_readable(repository.store, chosen, retrieval, check=check)
        opened = open_all(repository, keyring, chosen, seconds)
    return Source(chosen, merged(opened), seconds)


def survey_of(target: Host, components: Sequence[Component], seen: Mapping[str, object] | None = None) -> Survey:
    """What stands there now; raises RestoreError where it cannot be read.

    :param seen: what the host has answered to that already.
    """
    try:
        return target.survey(components) if seen is None else target.read_survey(components, seen)
    except UnreadableError as e:
        raise RestoreError(
            "what is to be compared cannot be read there", item=e.item, remedy="Run the restore with become."
        ) from e


def present(listed: Mapping[str, Sequence[Entry]]) -> dict[str, Entry]:
    """The entries of all components by path."""
    return {entry.path: entry for entries in listed.values() for entry in entries}


@dataclasses.dataclass(frozen=True)
class Asked:
    """The part of what is wanted that a restore is about, and which of a host's paths are of that part."""

    wanted: Wanted
    covers: Callable[[str], bool]

    def live(self, survey: Survey) -> dict[str, Entry]:
        """What a host has of it now, by path."""
        return parted(present(survey.entries), lambda path: self.covers(path) or path in self.wanted.entries)


def asked_for(wanted: Wanted, paths: Sequence[str], live: Mapping[str, Entry], host: str) -> Asked:
    """Narrow what is wanted to *paths*; raises NotFoundError where they mean nothing, as :func:`selected`."""
    try:
        meant = selected(wanted.entries, paths, lambda path: wanted.speaks_for(path) is not None)
    except NotFoundError as e:
        raise e.at(host) from None
    return Asked(wanted.only(meant.on(live)), meant.covers)


def compare(wanted: Mapping[str, Entry], live: Mapping[str, Entry], *, owners: bool) -> tuple[Difference, ...]:
    """Name every wanted path that is missing or differs, with the attributes that do.

    :param owners: compare owners, and the extended attributes that only root can set.
    """
    owner = dict.fromkeys(wanted, "")
    found = compare_trees(
        Side({path: live[path] for path in wanted.keys() & live.keys()}, owner),
        Side(wanted, owner),
        owners=owners,
        without_xattrs=() if owners else PRIVILEGED_XATTRS,
    )
    return tuple(Difference(one.path, one.what or ("missing",)) for one in found)


def mismatch(
    left: Sequence[Difference],
    entries: int,
    context: Context,
    remedy: str,
    details: Mapping[str, object] | None = None,
) -> MismatchError:
    """The error that names what is not as it was sealed."""
    named = ", ".join(str(difference) for difference in left[:_NAMED])
    return MismatchError(
        f"{len(left)} of {entries} paths are not what was sealed: {named}",
        host=context.target_host,
        item=context.place,
        remedy=remedy,
        details=details,
    )
