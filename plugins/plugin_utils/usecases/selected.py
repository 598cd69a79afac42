# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which entries of opened snapshots paths and patterns mean."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence

from ..capture.patterns import covering
from ..errors import NotFoundError
from ..model.entry import Entry, EntryKind, folders_above

_NAMED = 10
_SPECIAL = frozenset("*?[")


@dataclasses.dataclass(frozen=True)
class Selected:
    """What paths and patterns mean of a snapshot.

    ``entries`` can stand without the rest of it (:func:`parted`). ``above`` are the folders over them that are not
    asked for themselves. ``absent`` are those that were asked for, that the snapshot speaks for and that were not
    there: to restore them is to have them not there. ``covers`` tells of any path, also of one that only a host has,
    whether it is asked for.
    """

    entries: Mapping[str, Entry]
    above: frozenset[str]
    absent: tuple[str, ...]
    covers: Callable[[str], bool]

    def on(self, live: Mapping[str, Entry]) -> Callable[[str], bool]:
        """A test which of the snapshot's paths to restore to a host that has *live*.

        A folder above is made where it is not there, and left as it is where it is.
        """
        made = {path for path in self.above if path not in live or live[path].kind is not EntryKind.DIRECTORY}
        return lambda path: path in made or self.covers(path)


def selected(entries: Mapping[str, Entry], paths: Sequence[str], speaks_for: Callable[[str], bool]) -> Selected:
    """Find what *paths* mean among *entries*; no paths mean all of them.

    :param entries: by path, as a snapshot has them.
    :param paths: patterns as in excludes, each standing for all below what it matches.
    :param speaks_for: whether the snapshot would hold a path if its host had had it.
    :raises NotFoundError: some match nothing that the snapshot holds, or would hold.
    """
    if not paths:
        return Selected(entries, frozenset(), (), lambda _path: True)
    unmatched = [path for path in paths if not any(map(covering([path]), entries))]
    unknown = [path for path in unmatched if not _is_absent(path, speaks_for)]
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise NotFoundError(
            f"nothing there matches {', '.join(map(repr, unknown[:_NAMED]))}{more}",
            item=repr(unknown[0]),
            remedy="Give absolute paths, or patterns as in excludes, inside what its components hold.",
        )
    covers = covering(paths)
    found = parted(entries, covers)
    over = {folder for path in found for folder in folders_above(path)}
    return Selected(found, frozenset(over & entries.keys() - found.keys()), tuple(unmatched), covers)


def parted(entries: Mapping[str, Entry], of: Callable[[str], bool]) -> dict[str, Entry]:
    """The entries whose paths *of* takes, so that they can stand without the rest.

    A hard link leads to the first of the file's names that are left, which is the file. To compare a part of a
    snapshot with a host, part what the host has by the same test: a link to a name outside is no difference then.
    """
    kept = {path: entry for path, entry in entries.items() if of(path)}
    names: dict[str, list[str]] = {}
    for path, entry in kept.items():
        names.setdefault(_file(entries, entry).path, []).append(path)
    # as hosts tell which name is the file
    first = {file: min(group, key=os.fsencode) for file, group in names.items()}
    return {path: _renamed(entries, entry, first) for path, entry in kept.items()}


def _renamed(entries: Mapping[str, Entry], entry: Entry, first: Mapping[str, str]) -> Entry:
    file = _file(entries, entry)
    if file.kind is not EntryKind.FILE:
        return entry
    if first[file.path] == entry.path:
        return entry if file is entry else dataclasses.replace(file, path=entry.path)
    return dataclasses.replace(entry, kind=EntryKind.HARDLINK, size=0, sha256="", xattrs={}, target=first[file.path])


def _file(entries: Mapping[str, Entry], entry: Entry) -> Entry:
    """The file that a hard link is a name of; else the entry itself."""
    return entries.get(entry.target, entry) if entry.kind is EntryKind.HARDLINK else entry


def _is_absent(pattern: str, speaks_for: Callable[[str], bool]) -> bool:
    """Whether what a pattern matches would be in the snapshot, if it had been there.

    Of a glob only its leading folders can be judged.
    """
    if "/" not in pattern.rstrip("/"):
        return False
    leading = list(itertools.takewhile(lambda part: not _SPECIAL & set(part), pattern.strip("/").split("/")))
    return bool(leading) and speaks_for("/" + "/".join(leading))
