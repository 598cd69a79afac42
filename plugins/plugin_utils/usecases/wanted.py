# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What opened snapshots say should stand on a host, and which part of it a restore is about."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..errors import RestoreError
from ..model.component import FILES, Component
from ..model.entry import Entry, EntryKind, below_no_folder, folders_above
from ..model.snapshot import CapturedComponent
from .open_snapshot import Opened
from .selected import parted


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Entries by path, parents first, the bytes of their files, and the component that each is of.

    ``captured`` are the components as their snapshots hold them.
    """

    entries: Mapping[str, Entry]
    contents: Mapping[str, bytes]
    owner: Mapping[str, str]
    captured: tuple[CapturedComponent, ...]

    @property
    def components(self) -> list[Component]:
        """What to look at on a host to compare it with this."""
        return [captured.component for captured in self.captured]

    def speaks_for(self, path: str) -> str | None:
        """The component whose snapshot would hold *path* if its host had had it, None where none would."""
        speaking = (part.component.name for part in self.captured if part.speaks_for(path))
        return next(speaking, None)

    def only(self, of: Callable[[str], bool]) -> Wanted:
        """The paths for which *of* is true; what becomes of hard links says :func:`parted`."""
        entries, contents = _part(self.entries, self.contents, of)
        owner = {path: self.owner[path] for path in entries}
        return dataclasses.replace(self, entries=entries, contents=contents, owner=owner)


def _part(
    entries: Mapping[str, Entry], contents: Mapping[str, bytes], of: Callable[[str], bool]
) -> tuple[dict[str, Entry], dict[str, bytes]]:
    kept = parted(entries, of)
    # each file's by the name that it had for the file; who reads manifests alone has none
    sources = {path: entries[path].target or path for path, entry in kept.items() if entry.kind is EntryKind.FILE}
    return kept, {path: contents[source] for path, source in sources.items() if source in contents}


def merged(opened: Sequence[Opened]) -> Wanted:
    """Put opened snapshots together; where components overlap the later capture says what is there.

    :raises RestoreError: no tree can hold them both.
    """
    entries: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    owner: dict[str, str] = {}
    captured: list[CapturedComponent] = []
    for part in sorted(opened, key=lambda part: part.chosen.entry.age_order):
        told = {one.component.name: one for one in part.manifest.components}
        for packed in part.parts:
            speaking = told[packed.name]
            captured.append(speaking)
            entries, contents = _part(entries, contents, lambda path: not speaking.speaks_for(path))  # noqa: B023
            entries.update({entry.path: entry for entry in packed.entries})
            owner.update({entry.path: packed.name for entry in packed.entries})
            contents.update(packed.contents)
    misplaced = below_no_folder(entries)
    if misplaced is not None:
        path, above = misplaced
        raise RestoreError(
            f"component {owner[path]} holds a path below {above!r}, which component {owner[above]} holds as no folder",
            item=repr(path),
            remedy="Restore them one after the other, by components.",
        )
    ordered = dict(sorted(entries.items(), key=lambda item: item[0].split("/")))
    return Wanted(ordered, contents, owner, tuple(captured))


def files_only(wanted: Wanted) -> tuple[Wanted, tuple[str, ...]]:
    """Leave out components that are no files of their host, such as what a command printed; and name those.

    Their texts stand under ``/holdfast`` in a snapshot: nothing on a host reads them there.
    """
    texts = tuple(part.component.name for part in wanted.captured if part.component.kind != FILES)
    kept = dataclasses.replace(wanted, captured=tuple(p for p in wanted.captured if p.component.name not in texts))
    return kept.only(lambda path: wanted.owner[path] not in texts), texts


def to_write(paths: t.AbstractSet[str], wanted: Wanted) -> list[Entry]:
    """The entries to write for these paths: with a file all of its hard links, since writing makes it a new file.

    Folders above them come too: what is written in a folder changes the folder's time.
    """
    entries = wanted.entries
    linked = (EntryKind.FILE, EntryKind.HARDLINK)
    firsts = {
        entry.target if entry.kind is EntryKind.HARDLINK else entry.path
        for entry in (entries[path] for path in paths)
        if entry.kind in linked
    }
    links = {e.path for e in entries.values() if e.kind is EntryKind.HARDLINK and e.target in firsts}
    written = paths | firsts | links
    above = {folder for path in written for folder in folders_above(path)}
    folders = {path for path in above if path in entries and entries[path].kind is EntryKind.DIRECTORY}
    return [entry for path, entry in entries.items() if path in written | folders]
