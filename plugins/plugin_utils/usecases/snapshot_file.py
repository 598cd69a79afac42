# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take one file out of a snapshot. It is content: none of it stands in an error, and nothing is written to disk."""

from __future__ import annotations

import dataclasses

from ..errors import IntegrityError, NotFoundError, PolicyError
from ..keyring.base import Keyring
from ..model import instant
from ..model.entry import Entry, EntryKind
from ..model.history import Look, of_path
from ..model.sources import folder
from .choose import Chosen, Selection, choose, under_open_restores
from .open_snapshot import open_snapshot, read_manifest
from .repository import Repository

# bytes; what asks for one file holds it several times over
LARGEST = 16 * 1024 * 1024
_NO_FILES = {
    EntryKind.DIRECTORY: ("a folder", "Name a file in it."),
    EntryKind.SYMLINK: ("a symbolic link", "Name the file that it leads to."),
}


@dataclasses.dataclass(frozen=True)
class SnapshotFile:
    """A file's bytes, what it was on its host, and the snapshot that it came from; ``warnings`` for people."""

    content: bytes = dataclasses.field(repr=False)
    entry: Entry
    chosen: Chosen
    warnings: tuple[str, ...] = ()


def read_file(
    repository: Repository,
    keyring: Keyring,
    host: str,
    path: str,
    selection: Selection,
    *,
    host_id: str | None = None,
) -> SnapshotFile:
    """Read a file of *host* from the snapshot that is meant; its digest is checked on the way.

    :param path: absolute, or with one component the name of one of its texts, such as ``running``.
    :param selection: as a restore has it; of components that hold the path the later capture says what is there.
    :param host_id: the host's identity, where that is known.
    :raises PolicyError: it is no path, or no file there, or one of more than LARGEST bytes; and as :func:`choose`.
    :raises NotFoundError: no snapshot that is meant holds it.
    :raises HoldfastError: as :func:`open_snapshot`.
    """
    path = _absolute(path, selection)
    chosen, component, entry = _holder(repository, host, path, selection, host_id)
    if entry.size > LARGEST:
        raise PolicyError(
            f"has {entry.size} bytes, {LARGEST} are the most that are given out so",
            host=host,
            item=repr(path),
            remedy="Restore it under another root.",
        )
    only = dataclasses.replace(chosen, components=(component,))
    (part,) = open_snapshot(repository, keyring, only).parts
    packed = next(one for one in part.entries if one.path == path)
    content = part.contents.get(packed.target if packed.kind is EntryKind.HARDLINK else path)
    if content is None:
        raise IntegrityError("is a hard link to no file of its snapshot", host=host, item=repr(path))
    return SnapshotFile(content, packed, only, under_open_restores([only]))


def _absolute(path: str, selection: Selection) -> str:
    if path.startswith("/") and "\0" not in path:
        return path
    if len(selection.components) == 1 and path and not {"/", "\0"} & set(path):
        return f"{folder(selection.components[0])}/{path}"
    raise PolicyError(
        f"{path!r} is not a path",
        item="path",
        remedy="Give an absolute path; of a component that is no files give the component, and the name of its text.",
    )


def _holder(
    repository: Repository, host: str, path: str, selection: Selection, host_id: str | None
) -> tuple[Chosen, str, Entry]:
    """The snapshot and component that say what the path is, and that; from manifests alone."""
    speaking: tuple[Chosen, str] | None = None
    entry: Entry | None = None
    reason = "no component declares it there"
    # where components overlap the later capture says what is there
    for one in sorted(choose(repository, host, selection, host_id=host_id), key=lambda one: one.entry.age_order):
        at = one.entry.captured_at
        for part in read_manifest(repository, one.entry).components:
            name = part.component.name
            if name not in one.components:
                continue
            look = of_path([part], path, Look(at, at, one.entry.stream, one.entry.manifest.sha256))
            if look.left_out and speaking is None:
                reason = f"{name} leaves it out there: {look.left_out}"
            elif look.component and not look.left_out:
                speaking, entry = (one, name), None if look.entry is None else look.entry.entry
                reason = f"it was not there when {name} was captured at {instant.to_text(at)}"
    if speaking is None or entry is None:
        raise NotFoundError(
            "no such path in the snapshots that are meant",
            host=host,
            item=repr(path),
            remedy=f"Choose another one by its history; {reason}.",
        )
    if entry.kind in _NO_FILES:
        what, remedy = _NO_FILES[entry.kind]
        raise PolicyError(f"is {what} there, and no file", host=host, item=repr(path), remedy=remedy)
    return (*speaking, entry)
