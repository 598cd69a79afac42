# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore: write chosen snapshots under a root, capture again and compare."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from ..capture.host import Host, Survey
from ..errors import (
    HoldfastError,
    MismatchError,
    RestoreError,
    UnreadableError,
)
from ..format import names
from ..format import record as record_format
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.component import Component
from ..model.entry import Entry, EntryKind, below_no_folder
from ..model.record import Record
from . import objects
from .choose import Chosen, Selection, choose
from .open_snapshot import Opened, open_snapshot, timed
from .repository import Repository, sign_envelope

_PRIVILEGED_XATTRS = ("security.", "trusted.")
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

    ``proven`` says that what was read back is equal; ``owners`` that owners could be set and compared.
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


def restore(
    repository: Repository,
    keyring: Keyring,
    target: Host,
    *,
    host: str,
    target_host: str,
    under: str,
    selection: Selection,
    host_id: str | None = None,
    change: Mapping[str, t.Any] | None = None,
    check: bool = False,
) -> Restored:
    """Write the selected snapshots of *host* to *target* under another root, capture again and compare.

    Only what differs is written, so a second restore changes nothing. Success means that every entry was read back
    equal: kind, content, link target, mode and extended attributes, and owners where the target's half runs as root.

    :param host_id: its identity, where that is known; else *host* is its identity or one of its names.
    :param under: the folder that *target* writes below, for the record.
    :param check: say what would be written; write nothing, record nothing.
    :raises RestoreError: the target refused or broke off; MismatchError where what came back is not what was sealed.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "find"):
        chosen = choose(repository, host, selection, host_id=host_id)
    opened = [open_snapshot(repository, keyring, part) for part in chosen]
    for part in opened:
        for phase, spent in part.seconds.items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
    wanted, contents = _merge(opened)
    components = _components(opened)
    with timed(seconds, "survey"):
        survey = _survey(target, components)
        before = compare(wanted, survey.entries, owners=survey.privileged)
    extra = tuple(sorted(_present(survey.entries).keys() - wanted.keys()))
    warnings: tuple[str, ...] = ()
    record = None
    if before:
        with timed(seconds, "apply"):
            to_write = _with_links({difference.path for difference in before}, wanted)
            warnings = target.apply(to_write, contents, owners=survey.privileged, check=check).warnings
    if not check:
        with timed(seconds, "compare"):
            left = compare(wanted, _survey(target, components).entries, owners=survey.privileged)
        detail = {
            "target_host": target_host,
            "under": under,
            "result": "different" if left else "equal",
            "entries": len(wanted),
            "written": len(before),
            "different": len(left),
            "owners_compared": survey.privileged,
            "milliseconds": {phase: round(spent * 1000) for phase, spent in seconds.items()},
            "change": dict(change or {}),
        }
        record, problem = _record(repository, keyring, host, chosen, detail)
        warnings += problem
        if left:
            named = ", ".join(str(difference) for difference in left[:_NAMED])
            raise MismatchError(
                f"{len(left)} of {len(wanted)} paths are not what was sealed: {named}",
                host=target_host,
                item=under,
                remedy="Do not use what was restored. " + (" · ".join(warnings[:_NAMED]) or "Run the restore again."),
            )
    return Restored(
        sources=chosen,
        before=before,
        extra=extra,
        entries=len(wanted),
        proven=not check or not before,
        owners=survey.privileged,
        record=record,
        warnings=warnings,
        seconds=seconds,
    )


def _survey(target: Host, components: Sequence[Component]) -> Survey:
    try:
        return target.survey(components)
    except UnreadableError as e:
        raise RestoreError(
            "what is to be compared cannot be read there", item=e.item, remedy="Run the restore with become."
        ) from e


def compare(
    wanted: Mapping[str, Entry], listed: Mapping[str, Sequence[Entry]], *, owners: bool
) -> tuple[Difference, ...]:
    """Name every wanted path that is missing or differs, with the attributes that do.

    :param owners: compare owners, and the extended attributes that only root can set.
    """
    present = _present(listed)
    found = []
    for path, entry in wanted.items():
        other = present.get(path)
        if other is None:
            found.append(Difference(path, ("missing",)))
            continue
        if not owners:
            entry, other = _unprivileged(entry), _unprivileged(other)
        what = entry.differences(other, owners=owners)
        if what:
            found.append(Difference(path, tuple(what)))
    return tuple(found)


def _merge(opened: Sequence[Opened]) -> tuple[dict[str, Entry], dict[str, bytes]]:
    """One entry a path, parents first; where components overlap the later capture says what is there."""
    wanted: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    owner: dict[str, str] = {}
    for part in sorted(opened, key=lambda part: part.chosen.entry.age_order):
        told = {captured.component.name: captured for captured in part.manifest.components}
        for packed in part.parts:
            captured = told[packed.name]
            for path in [path for path in wanted if captured.speaks_for(path)]:
                del wanted[path]
            wanted.update({entry.path: entry for entry in packed.entries})
            owner.update({entry.path: packed.name for entry in packed.entries})
            contents.update(packed.contents)
    misplaced = below_no_folder(wanted)
    if misplaced is not None:
        path, above = misplaced
        raise RestoreError(
            f"component {owner[path]} holds a path below {above!r}, which component {owner[above]} holds as no folder",
            item=repr(path),
            remedy="Restore them one after the other, by components.",
        )
    return dict(sorted(wanted.items(), key=lambda item: item[0].split("/"))), contents


def _components(opened: Sequence[Opened]) -> list[Component]:
    return [
        part.component
        for snapshot in opened
        for part in snapshot.manifest.components
        if part.component.name in snapshot.chosen.components
    ]


def _present(listed: Mapping[str, Sequence[Entry]]) -> dict[str, Entry]:
    return {entry.path: entry for entries in listed.values() for entry in entries}


def _with_links(paths: set[str], wanted: Mapping[str, Entry]) -> list[Entry]:
    """The entries to write: with a file all of its hard links, since writing makes it a new file."""
    firsts = {
        entry.target if entry.kind is EntryKind.HARDLINK else entry.path
        for entry in (wanted[path] for path in paths)
        if entry.kind in (EntryKind.FILE, EntryKind.HARDLINK)
    }
    links = {e.path for e in wanted.values() if e.kind is EntryKind.HARDLINK and e.target in firsts}
    written = paths | firsts | links
    # what is written in a folder changes the folder's time
    above = {path[:at] for path in written for at, character in enumerate(path) if character == "/" and at}
    folders = {path for path in above if path in wanted and wanted[path].kind is EntryKind.DIRECTORY}
    return [entry for path, entry in wanted.items() if path in written | folders]


def _unprivileged(entry: Entry) -> Entry:
    xattrs = {name: value for name, value in entry.xattrs.items() if not name.startswith(_PRIVILEGED_XATTRS)}
    return dataclasses.replace(entry, xattrs=xattrs)


def _record(
    repository: Repository, keyring: Keyring, host: str, chosen: Sequence[Chosen], detail: Mapping[str, t.Any]
) -> tuple[str | None, tuple[str, ...]]:
    """Sign and put the restore's record; a restore that is proven stays proven when its record cannot be kept."""
    root = repository.root
    try:
        now = instant.whole(repository.store.clock())
        record = Record(
            repository=root.repository,
            root=root.id,
            kind="restore",
            at=now,
            by=keyring.signer(use="record", among=root.signing(use="record", at=now)),
            subject={"host": host, "snapshots": [part.entry.manifest.sha256 for part in chosen]},
            detail=detail,
        )
        data = sign_envelope(
            keyring, record_format.PAYLOAD_TYPE, record_format.payload(record), use="record", by=record.by
        )
        name = names.for_record("restore", now, data)
        objects.put(repository.store, name, data, lock_until=keep.record_lock(now, root.longest_days))
    except HoldfastError as e:
        return None, (f"the record of this restore was not kept: {e}",)
    return name, ()
