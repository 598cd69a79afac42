# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of everything that can be imported, and how its files are opened.

Whatever a source holds is hostile: it is read in bounds, never followed, never extracted, and no content of it stands
in an error.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import datetime as dt
import errno
import fnmatch
import hashlib
import os
import re
import stat
import types
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import CaptureError, PolicyError, TooLargeError
from ..model import imported
from ..model.entry import Entry, EntryKind

COMMIT, NAME, MTIME = "commit", "name", "mtime"
# what stands for the owner of a file whose account is known by a name alone
NOBODY = 65534
# a folder may hold so many files, so deep
MOST_FILES = 200_000
_DEEPEST = 40
# what a version holds may be so deep, and its paths so long (path_resolution(7))
_DEEPEST_PATH = 128
_LONGEST_PATH = 4096
_READ = 1 << 20
# as host names are given in inventories; a name that begins with a dot or holds other characters is no host's
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a source may hold: bytes and paths of one version, versions in all."""

    version_bytes: int = 64 * 1024 * 1024
    version_entries: int = 100_000
    versions: int = 200_000


@dataclasses.dataclass(frozen=True)
class Version:
    """One state of one component of a host, as a source has it.

    ``host`` is the source's own name of it. ``at`` is when it was captured, as ``time_source`` says. ``source`` tells
    it from other versions: the id of a commit, or where ``private`` the SHA-256 of what could be guessed.
    ``place`` is where it stands, for people; ``handle`` is the reader's own.
    """

    host: str
    component: str
    at: dt.datetime
    time_source: str
    source: str
    place: str
    author: str = ""
    private: bool = False
    handle: t.Any = dataclasses.field(default=None, repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Text:
    """What a version of a device holds."""

    data: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Tree:
    """What a version of a host's files holds: entries parents first, bytes by path, and the paths that it speaks for.

    ``marks`` say what is not known of it.
    """

    paths: tuple[str, ...]
    entries: tuple[Entry, ...]
    contents: Mapping[str, bytes] = dataclasses.field(repr=False)
    marks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Names:
    """Which host the files of a source are of.

    ``renamed`` gives the inventory name for a place in the source, such as ``core/sw1``, or for the source's own name.
    ``only`` are names, or patterns of them (fnmatch), that are imported; none are all. ``host`` is whose all of it is,
    empty where the source tells.
    """

    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    only: tuple[str, ...] = ()
    host: str = ""

    def of(self, place: str, name: str) -> str | None:
        """The host of a file; None where it is not to be imported."""
        found = self.renamed.get(place) or self.renamed.get(name) or name
        return found if not self.only or any(fnmatch.fnmatchcase(found, one) for one in self.only) else None

    def alone(self, path: Path, tool: str) -> str:
        """The host of a source that holds one; raises PolicyError where it is not said."""
        if not self.host:
            raise PolicyError(
                f"a source of {tool} holds one host, which is not said", item=str(path), remedy="Give its name in host."
            )
        return self.host


class Skipped(t.NamedTuple):
    """A place that is not imported, and why."""

    place: str
    reason: str


class Reader(abc.ABC):
    """Reads one source.

    :meth:`versions` lists all of it without content, in the order of their times for each host and component, the same
    each time; it fills :attr:`skipped`. :meth:`read` gives what one version holds, whole, or raises.

    :param path: the folder or file.
    :param since: older versions are left out.
    :param branch: of a git repository.
    :param zone: of times in names that say none; None for that of this machine.
    :param pattern: tells host and time from the name of an archive, by groups ``host`` and ``time``.
    :param root: the folder of the host that an archive was made in.
    :param component: what the texts and trees are called; None for ``imported-`` and the tool.
    """

    tool: t.ClassVar[str]

    def __init__(
        self,
        path: Path,
        *,
        names: Names = Names(),  # frozen
        limits: Limits = Limits(),  # frozen
        since: dt.datetime | None = None,
        branch: str = "HEAD",
        zone: dt.tzinfo | None = None,
        pattern: re.Pattern[str] | None = None,
        root: str = "/",
        component: str | None = None,
    ) -> None:
        self.path = path
        self.names = names
        self.limits = limits
        self.since = since
        self.branch = branch
        self.zone = zone
        self.pattern = pattern
        self.root = root
        self.component = component or f"{imported.PREFIX}{self.tool}"
        self.skipped: list[Skipped] = []

    @abc.abstractmethod
    def versions(self) -> list[Version]:
        """All versions, by host, component and time.

        :raises PolicyError: the source is none of this tool, or holds more than it may.
        :raises CaptureError: it cannot be read.
        """

    @abc.abstractmethod
    def read(self, version: Version) -> Text | Tree:
        """What a version holds.

        :raises CaptureError: it cannot be read, or is no longer what was listed; TooLargeError where it is too large.
        :raises FormatError: it is not what it should be, such as an archive that would write where it must not.
        """

    def close(self) -> None:
        """Let go of what reading took; never raises."""
        return

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def ordered(self, found: Sequence[Version]) -> list[Version]:
        """Versions in the order of the interface; raises PolicyError where they are too many."""
        if len(found) > self.limits.versions:
            raise PolicyError(
                f"the source holds more than {self.limits.versions:,} versions",
                item=str(self.path),
                remedy="Give since, or import it in parts.",
            )
        found = [one for one in found if self.since is None or one.at >= self.since]
        # of equal times the order of the source counts: sorting keeps it
        return sorted(found, key=lambda one: (one.host, one.component, one.at))

    def require_same(self, version: Version, data: bytes) -> None:
        """Raise CaptureError where a file is not what was listed: its time and identity would be another's."""
        if hashlib.sha256(data).hexdigest() != version.source:
            raise CaptureError("changed since it was listed", item=repr(version.place), remedy="Run again.")

    def digest(self, place: str, path: Path, most: int) -> tuple[str, os.stat_result] | None:
        """The SHA-256 of a file; None of one that cannot be read or is too large, which is noted."""
        try:
            return digest(path, most)
        except CaptureError as e:
            self.skip(place, e.message)
            return None

    def skip(self, place: str, reason: str) -> None:
        """Note what is not imported."""
        self.skipped.append(Skipped(place, reason))


def is_host(name: str) -> bool:
    """Whether a file may be that of a host of this name."""
    return bool(_HOST.fullmatch(name))


def in_bounds(path: str) -> bool:
    """Whether a path is no longer, and no deeper, than what a version may hold."""
    return len(path) <= _LONGEST_PATH and path.count("/") <= _DEEPEST_PATH


def moment(seconds: int) -> dt.datetime | None:
    """A time in seconds since 1970; None where no calendar of ours has it."""
    try:
        found = dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
    return found if found.year >= 1970 else None


def wall_time(text: str, zone: dt.tzinfo | None) -> dt.datetime | None:
    """A time by a clock on the wall, by its digits: a day, or one to the minute or second; None where it is none."""
    digits = re.sub(r"[^0-9]", "", text)
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    try:
        if form is None or not digits.isascii():
            return None
        wall = dt.datetime.strptime(digits, form)  # noqa: DTZ007  # the zone is what is missing
        found = (wall if zone is None else wall.replace(tzinfo=zone)).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year >= 1970 else None


def one_file(path: str, data: bytes, mode: int, mtime_ns: int) -> Tree:
    """A tree of one file, whose owner nobody knows."""
    digest = hashlib.sha256(data).hexdigest()
    told: dict[str, t.Any] = {"uid": 0, "gid": 0, "user": "", "group": "", "mtime_ns": mtime_ns}
    entry = Entry(path=path, kind=EntryKind.FILE, mode=mode, size=len(data), sha256=digest, **told)
    return Tree((path,), (entry,), {path: data}, ("its owner is not known",))


def ordered_tree(entries: Mapping[str, Entry]) -> tuple[Entry, ...]:
    """Entries parents first, and hard links behind the file that they lead to."""
    links = EntryKind.HARDLINK
    return tuple(sorted(entries.values(), key=lambda entry: (entry.kind is links, entry.path.split("/"))))


@contextlib.contextmanager
def opened(path: Path, most: int) -> Iterator[tuple[t.BinaryIO, os.stat_result]]:
    """A regular file, no link followed at its end.

    :param most: bytes that it may have.
    :raises CaptureError: it is none, cannot be read, or is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        why = "is a link" if e.errno == errno.ELOOP else e.strerror
        raise CaptureError(f"a file cannot be read: {why}", item=repr(str(path))) from e
    with os.fdopen(descriptor, "rb") as stream:
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            raise CaptureError("is no regular file", item=repr(str(path)))
        if told.st_size > most:
            raise TooLargeError(
                f"is larger than {most} bytes", item=repr(str(path)), remedy="Raise max_version_bytes, or leave it out."
            )
        yield stream, told


def content(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """The bytes of a file, as :func:`opened`."""
    with opened(path, most) as (stream, told):
        data = stream.read(most + 1)
    if len(data) > most:
        raise CaptureError("grew while it was read", item=repr(str(path)), remedy="Run again.")
    return data, told


def digest(path: Path, most: int) -> tuple[str, os.stat_result]:
    """The SHA-256 of a file, in hex, as :func:`opened`."""
    found = hashlib.sha256()
    with opened(path, most) as (stream, told):
        while piece := stream.read(_READ):
            found.update(piece)
    return found.hexdigest(), told


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files below a folder, each with its path from there, in the order of their names; links are not followed.

    :raises CaptureError: a folder cannot be read.
    :raises PolicyError: they are too many.
    """
    waiting: list[tuple[str, Path, int]] = [("", folder, 0)]
    count = 0
    while waiting:
        above, current, depth = waiting.pop()
        try:
            with os.scandir(current) as listed:
                names = sorted(listed, key=lambda one: os.fsencode(one.name))
        except OSError as e:
            raise CaptureError(f"a folder cannot be read: {e.strerror}", item=repr(str(current))) from e
        below = []
        for one in names:
            count += 1
            if count > MOST_FILES or depth > _DEEPEST:
                raise PolicyError(
                    f"the folder holds more than {MOST_FILES:,} files, or is more than {_DEEPEST} folders deep",
                    item=str(folder),
                    remedy="Import it in parts.",
                )
            relative = f"{above}{one.name}"
            if one.is_dir(follow_symlinks=False):
                below.append((f"{relative}/", current / one.name, depth + 1))
            elif one.is_file(follow_symlinks=False):
                yield relative, current / one.name
        waiting.extend(reversed(below))
