# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place is asked for, checked as far as that needs no look at the host.

Private to this collection.
"""

from __future__ import annotations

import os
import stat

from ._back import Request
from ._entries import Entry, read_entries
from ._paths import FOLDER_FLAGS, RefusedError, checked, checked_number, lstat, names_of, path_of

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

PATH_WORD = "{path}"
_VALIDATE_SECONDS = 60
_MAX_LINKS = 40  # as Linux has it


class Part:
    """A component in a request."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.name = checked(given["name"], str)
        self.paths = [checked(path, str) for path in given.get("paths", ())]
        self.validate = [checked(word, str) for word in given.get("validate", ())]
        self.reload = [checked(unit, str) for unit in given.get("reload", ())]
        self.seconds = float(given.get("validate_timeout", _VALIDATE_SECONDS))
        if any("\0" in text for text in (*self.validate, *self.reload)) or any(u.startswith("-") for u in self.reload):
            raise ValueError("not a command, or not a unit")

    def links_above(self, path: str) -> int:
        """How many of the folders above *path* lead to what is declared, and so may be symlinks."""
        import fnmatch

        segments = path.split("/")[1:]
        depths = [
            len(declared) - 1
            for declared in (declared.split("/")[1:] for declared in self.paths)
            if len(declared) <= len(segments)
            and all(fnmatch.fnmatchcase(segment, pattern) for segment, pattern in zip(segments, declared))
        ]
        return min(depths, default=0)


class _Removal:
    """A path that must not be there afterwards."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.path = checked(given["path"], str)
        self.part = checked_number(given["part"]) if given.get("part") is not None else None
        self.names = names_of(self.path)


def _resolved(root: int, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Where folders are, through symlinks as the host resolves them, within the root; what is missing stays."""
    todo = list(reversed(names))
    done: list[bytes] = []
    links = 0
    fd = os.dup(root)
    try:
        while todo:
            segment = todo.pop()
            if segment in (b"", b"."):
                continue
            if segment == b"..":
                todo += reversed(done[:-1])
                done = []
                fd = _instead(fd, os.dup(root))
                continue
            st = lstat(fd, segment)
            if st is None:
                break_at = [segment, *reversed(todo)]
                if b".." in break_at:
                    raise RefusedError("outside", f"{path_of(names)} leads nowhere", [path_of(names)])
                return (*done, *(name for name in break_at if name not in (b"", b".")))
            if not stat.S_ISLNK(st.st_mode):
                if not stat.S_ISDIR(st.st_mode):
                    return (*done, segment, *reversed(todo))
                fd = _instead(fd, os.open(segment, FOLDER_FLAGS, dir_fd=fd))
                done.append(segment)
                continue
            target = os.readlink(segment, dir_fd=fd)
            links += 1
            if links > _MAX_LINKS:
                raise RefusedError("outside", f"{path_of(names)} is a loop of symlinks", [path_of(names)])
            todo += target.split(b"/")[::-1]
            if target.startswith(b"/"):
                done = []
                fd = _instead(fd, os.dup(root))
    finally:
        os.close(fd)
    return tuple(done)


def _instead(fd: int, other: int) -> int:
    os.close(fd)
    return other


class Asked(Request):
    """A request to check or apply, checked as far as that needs no look at the host."""

    def __init__(self, request: t.Mapping[str, t.Any]) -> None:
        super().__init__(request)
        try:
            self.owners, self.by_name = bool(request.get("owners", True)), request.get("owner_by", "id") == "name"
            self.look = request.get("look")
            self.replace_kinds, self.arm = bool(request.get("replace_kinds")), bool(request.get("arm"))
            self.parts = [Part(part) for part in request.get("parts", ())]
            given, gone = list(request.get("entries", ())), list(request.get("remove", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise RefusedError("request", "the request is not usable") from e
        self.entries = read_entries(given)
        self.removals = self._read_removals(gone)
        self.remove: dict[tuple[bytes, ...], tuple[str, int | None]] = {}
        self.names: dict[str, tuple[bytes, ...]] = {}

    def _read_removals(self, gone: t.Sequence[t.Any]) -> list[_Removal]:
        found = []
        written = {entry.path for entry in self.entries}
        above = {path[:at] for path in written for at, char in enumerate(path) if char == "/" and at}
        for number, given in enumerate(gone):
            try:
                removal = _Removal(given if isinstance(given, dict) else {"path": given})
                named = removal.path
                if named in written or named in above:
                    raise ValueError("is to be removed, and written")
            except (KeyError, TypeError, ValueError, AttributeError) as e:
                why = str(e) if e.__class__ is ValueError else "is malformed"
                raise RefusedError("hostile", f"number {number} of what is to be removed {why}") from e
            found.append(removal)
        everything: list[Entry | _Removal] = [*self.entries, *found]
        for one in everything:
            if one.part is not None and not 0 <= one.part < len(self.parts):
                raise RefusedError("hostile", f"{one.path} is of no part", [one.path])
        return found

    def paths(self) -> t.Iterator[str]:
        """All that is to be written or removed."""
        for entry in self.entries:
            yield entry.path
        for removal in self.removals:
            yield removal.path

    def resolve(self, root: int) -> None:
        """Find out where the paths are, through the symlinks that lead to what is declared."""
        taken: dict[tuple[bytes, ...], Entry] = {}
        seen: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
        entries = []
        for entry in self.entries:
            entry.names = self.names[entry.path] = self._resolved(root, entry, seen)
            other = taken.setdefault(entry.names, entry)
            if other is entry:
                entries.append(entry)
            elif not entry.is_like(other):
                text = f"{entry.path} and {other.path} are one place on this host, and are to be different"
                raise RefusedError("in_the_way", f"{text}, nothing was touched", [entry.path, other.path])
        self.entries = entries
        for removal in self.removals:
            names = self._resolved(root, removal, seen)
            if names not in taken:
                self.remove[names] = removal.path, removal.part

    def _resolved(
        self, root: int, one: Entry | _Removal, seen: dict[tuple[bytes, ...], tuple[bytes, ...]]
    ) -> tuple[bytes, ...]:
        depth = self.parts[one.part].links_above(one.path) if one.part is not None else 0
        above = one.names[:depth]
        if above not in seen:
            seen[above] = _resolved(root, above)
        return seen[above] + one.names[depth:]
