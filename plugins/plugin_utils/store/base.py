# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a store is, and what it promises. Drivers and wrappers implement the underscored half.

The promise, held by one conformance suite for every store:

* A put that returned is durable, whole, and its lock was read back.
* Putting a name again adds a version. Nothing changes what ``get`` of a version returns.
* Nothing is deleted here: there is no such method, and a lock that has ended changes nothing for reading.
* Only StoreError escapes, inside iteration too. A bug (TypeError, a naive datetime) still shows as what it is.
"""

from __future__ import annotations

import abc
import contextlib
import datetime as dt
import errno
import io
import re
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import (
    CorruptError,
    DeniedError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    UnavailableError,
)
from ..model.instant import to_text, whole

# S3 keys have 1024 bytes; the difference is left to the prefix inside a bucket
NAME_LENGTH = 900
# NAME_MAX of Linux and macOS
SEGMENT_LENGTH = 255
# drivers on file systems append up to 39 characters (lock, version, hold) to the last segment
LAST_SEGMENT_LENGTH = SEGMENT_LENGTH - 39

# from which nothing is read before it is brought back: docs.aws.amazon.com, AmazonS3, storage-class-intro. GLACIER_IR
# is read at once
GLACIER, DEEP_ARCHIVE = "GLACIER", "DEEP_ARCHIVE"
ARCHIVE_CLASSES = frozenset({GLACIER, DEEP_ARCHIVE})

_SEGMENT = re.compile(r"[A-Za-z0-9._%=~-]+")

DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BY_ERRNO: dict[int, type[StoreError]] = {
    errno.ENOENT: ObjectMissingError,
    **dict.fromkeys(DENIED, DeniedError),
    # EFBIG: a file size limit of the process or of the file system
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FullError),
    **dict.fromkeys((errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EBADMSG, errno.EILSEQ), CorruptError),
    # every call opens anew and every put writes anew, so even EIO and ESTALE may pass
    **dict.fromkeys(
        (
            errno.EIO,
            errno.ESTALE,
            errno.EAGAIN,
            errno.EBUSY,
            errno.EINTR,
            errno.EMFILE,
            errno.ENFILE,
            errno.ENOMEM,
            errno.ENODEV,
            errno.ENXIO,
            errno.ENOTCONN,
            errno.EPIPE,
            errno.ECONNABORTED,
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
            errno.ENETDOWN,
            errno.ENETUNREACH,
            errno.ESHUTDOWN,
            errno.ETIMEDOUT,
        ),
        UnavailableError,
    ),
}
_REMEDY: dict[type[StoreError], str] = {
    ObjectMissingError: "List the repository to see what it holds",
    DeniedError: "Check the owner and the rights of the repository",
    FullError: "Make room or raise the quota, then run again",
    CorruptError: "Look at this place by hand; nothing of it was used",
    UnavailableError: "Check that the repository is reached from the controller, then run again",
}


@dataclass(frozen=True)
class Stored:
    """What a put made: ``lock_until`` (UTC) is the lock as read back from the store, not as asked."""

    name: str
    version: str
    lock_until: dt.datetime


@dataclass(frozen=True)
class Listed:
    """One version of one name, as the store tells it.

    ``size`` is in bytes, ``modified`` the store's own time (UTC). ``lock_until`` is None where there is no lock.
    ``marker``: a delete marker, not bytes. ``held``: under legal hold.
    ``lock_known``: whether lock and hold were looked at. Where not, they stand as if there were none: S3 lists neither,
    and :meth:`Store.with_lock` asks. Who decides by a lock calls that.
    ``storage_class`` is the server's name of where it rests, empty for the usual one and where a store has no others.
    ``returning``: the server was asked to make it readable, and is at it; ``readable_until``: it can be read till then.
    Both are known where the lock is.
    """

    name: str
    version: str
    size: int
    lock_until: dt.datetime | None
    marker: bool
    held: bool
    modified: dt.datetime
    lock_known: bool = True
    storage_class: str = ""
    returning: bool = False
    readable_until: dt.datetime | None = None

    @property
    def archived(self) -> bool:
        """Whether it must be brought back before it can be read, as far as is known."""
        return self.storage_class in ARCHIVE_CLASSES and self.readable_until is None


def name_fault(name: str) -> str | None:
    """Say why *name* cannot name an object in every store, or None where it can."""
    segments = name.split("/")
    if not name:
        return "it is empty"
    if len(name) > NAME_LENGTH:
        return f"it is longer than {NAME_LENGTH} characters, and an S3 key with its prefix ends at 1024"
    if "" in segments:
        return "it has an empty segment, which file systems collapse and S3 keeps"
    if "." in segments or ".." in segments:
        return "a segment is . or .., which paths and URLs resolve to another place"
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        # "@" tells name from version in the file store; other characters change with encoding, quoting or NFC
        return "a character is none of A-Z a-z 0-9 . _ % = ~ -, the ones that every store keeps as they are"
    if name.startswith("."):
        return "its first segment starts with a dot, where a store keeps its own working files"
    if max(map(len, segments)) > SEGMENT_LENGTH:
        return f"a segment is longer than {SEGMENT_LENGTH} characters, where file names end"
    if len(segments[-1]) > LAST_SEGMENT_LENGTH:
        return f"its last segment is longer than {LAST_SEGMENT_LENGTH} characters and leaves no room for a version"
    return None


def validate_name(name: str) -> None:
    """Raise StoreError where *name* cannot name an object in every store."""
    _refuse(name, name_fault(name))


def validate_prefix(prefix: str) -> None:
    """Raise StoreError where no name can start with *prefix*; it may end inside a segment, and be empty."""
    _refuse(prefix, name_fault(f"{prefix}x") if prefix else None)


def _refuse(name: str, fault: str | None) -> None:
    if fault:
        # ascii(): a refused name may hold what a terminal obeys
        raise StoreError(f"not an object name: {fault}", item=ascii(name[:120]))


def from_os_error(error: OSError, doing: str, *, item: str | None = None) -> StoreError:
    """Turn what the operating system said into the StoreError that tells the caller what to do next.

    :param doing: what was tried and where, to follow "cannot".
    :param item: the object it was tried on.
    """
    kind = _BY_ERRNO.get(error.errno or 0, StoreError)
    # sockets raise both without an errno
    if isinstance(error, (ConnectionError, TimeoutError)):
        kind = UnavailableError
    why = error.strerror or type(error).__name__
    return kind(f"cannot {doing}: {why}", item=item, remedy=_REMEDY.get(kind))


class Store(abc.ABC):
    """Objects by name, each in versions that are locked until a moment.

    Names are checked by :func:`validate_name` before a driver sees them. Every method raises StoreError and nothing
    else of its own; what the stream of a put raises as OSError counts as the store's.
    Not safe for threads; processes may share a store after fork.
    """

    #: The URL, for people and errors; holds no credential.
    location: str

    @property
    def identity(self) -> str:
        """What tells this store from all others, of one URL too: on S3 with the endpoint. Holds no secret."""
        return self.location

    @property
    @abc.abstractmethod
    def enforced(self) -> bool:
        """Whether the medium itself refuses deletion before the lock ends; it may be asked, which raises StoreError."""

    def clock(self) -> dt.datetime:
        """Return the store's own time, UTC. Raises DeniedError where only writers can ask for it."""
        with self._mapped("ask for the time"):
            return self._clock()

    def probe(self) -> None:
        """Find out whether the store is reached, lists, and can keep what it promises; raises StoreError.

        It leaves no object. With rights to read only, what needs a write is not looked at: writers call clock() too.
        """
        with self._mapped("probe"):
            self._probe()

    def prove_governance(self) -> None:
        """Find out whether a lock in mode governance is held against who has no right to bypass it.

        Nothing to find out where locks have no modes. Raises NotLockedError where it is not held.
        """
        with self._mapped("prove mode governance"):
            self._prove_governance()

    def put_new(self, name: str, stream: t.BinaryIO, *, lock_until: dt.datetime, governance: bool = False) -> Stored:
        """Store *stream*, from where it stands to its end, as a new version of *name*.

        On return it is durable and whole and its lock was read back; on an error nothing, or a whole version that
        nobody was told of, is left, and room taken by half an object is given back.

        :param lock_until: aware, later than the store's clock; a fraction of a second is rounded up.
        :param governance: lock it in mode governance, where locks have modes; else in mode compliance.
        :raises NotLockedError: it was stored, but its lock ends earlier than asked.
        :raises FullError: no room, quota or file size left.
        """
        validate_name(name)
        lock = whole(lock_until)
        if lock < lock_until:
            lock += dt.timedelta(seconds=1)
        with self._mapped("put", name):
            self._require_future(name, lock)
            stored = (self._put_governed if governance else self._put)(name, stream, lock)
        if stored.lock_until < lock:
            raise NotLockedError(
                f"stored with a lock until {to_text(stored.lock_until)}, asked was {to_text(lock)}",
                item=name,
                remedy="Check that the repository keeps the lock of every put",
            )
        return stored

    def get(self, name: str, *, version: str | None = None) -> bytes:
        """Return the bytes of a version; of the newest that is not a delete marker where *version* is None.

        :raises ObjectMissingError: no such name or version, or the version is a delete marker.
        """
        validate_name(name)
        with self._mapped("get", name):
            return self._get(name, version)

    def head(self, name: str, *, version: str | None = None) -> Listed:
        """Describe a version; the newest that is not a delete marker where *version* is None.

        :raises ObjectMissingError: no such name or version.
        """
        validate_name(name)
        with self._mapped("look at", name):
            return self._head(name, version)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Iterate over all versions of all names that start with *prefix*, delete markers flagged.

        Ordered by name (as bytes), then oldest version first by the store's time. A prefix that nothing starts with
        gives nothing. What is put meanwhile may or may not be seen. Locks and holds may not be known: ``lock_known``.
        """
        validate_prefix(prefix)
        return self._mapped_list(prefix)

    def with_lock(self, listed: Listed) -> Listed:
        """Return what was listed with lock and hold known; a call to the store where the listing has not shown them.

        :raises ObjectMissingError: it has gone since.
        """
        return listed if listed.lock_known else self.head(listed.name, version=listed.version)

    def hold(self, name: str, version: str, *, on: bool) -> None:
        """Put a version under legal hold, or end the hold. Durable on return, and may be repeated.

        :raises ObjectMissingError: no such version, or it is a delete marker.
        """
        validate_name(name)
        with self._mapped("hold" if on else "end the hold", name):
            self._hold(name, version, on)

    def bring_back(self, name: str, version: str, *, days: int, tier: str) -> Listed:
        """Ask the store to make a version readable that rests in an archive class; return what it is now.

        It does not wait. Nothing is asked where it is readable, or was asked for already. What is readable is a copy:
        version, lock and class stay what they are.

        :param days: how long it stays readable.
        :param tier: how fast, as S3 names it: ``Expedited``, ``Standard`` or ``Bulk``.
        :raises ObjectMissingError: no such version, or it is a delete marker.
        :raises DeniedError: this identity may not ask.
        """
        validate_name(name)
        with self._mapped("bring back", name):
            found = self._head(name, version)
            if found.marker:
                raise ObjectMissingError("this version is a delete marker", item=name)
            if not found.archived or found.returning:
                return found
            self._bring_back(name, version, days, tier)
            return self._head(name, version)

    def may_put(self, name: str) -> bool | None:
        """Try whether this identity may put an object of that name, without putting one; None where it is not tried.

        A server is asked to begin a put that is given up at once. Nothing is locked, and nothing is left.
        """
        validate_name(name)
        with self._mapped("try to put", name):
            return self._may_put(name)

    def may_delete(self, name: str) -> bool | None:
        """Try whether this identity may remove a version of that name; None where it is not tried.

        :param name: one that nothing has, so that there is nothing to remove whatever the answer.
        :raises StoreError: there is something of that name: nothing was tried.
        """
        validate_name(name)
        with self._mapped("try to remove", name):
            if next(self._list(name), None) is not None:
                raise StoreError("only a name that nothing has is tried", item=name)
            return self._may_delete(name)

    def _mapped_list(self, prefix: str) -> Iterator[Listed]:
        with self._mapped("list"):
            yield from self._list(prefix)

    @contextlib.contextmanager
    def _mapped(self, doing: str, name: str | None = None) -> Iterator[None]:
        try:
            yield
        except io.UnsupportedOperation:
            raise  # an OSError by inheritance, but it says that the stream is of the wrong kind: a bug
        except OSError as e:
            raise from_os_error(e, f"{doing} at {self.location}", item=name) from e

    def _require_future(self, name: str, lock: dt.datetime) -> None:
        """Refuse a lock that has ended; a wrapper whose put goes on to a store leaves this to that store."""
        if lock <= self._clock():
            raise StoreError(
                f"the lock would end at {to_text(lock)}, which is past for {self.location}",
                item=name,
                remedy="Compare the clocks of the controller and of the repository",
            )

    # What a driver implements. It may raise OSError or StoreError.

    @abc.abstractmethod
    def _clock(self) -> dt.datetime:
        """Asked before each put: a driver far away may answer from an earlier answer plus monotonic time."""

    @abc.abstractmethod
    def _probe(self) -> None: ...

    @abc.abstractmethod
    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        """``lock_until`` is in UTC and whole seconds."""

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        """As ``_put``, in mode governance; the same where locks have no modes."""
        return self._put(name, stream, lock_until)

    def _prove_governance(self) -> None:  # noqa: B027
        """Nothing, where locks have no modes."""

    def _may_put(self, name: str) -> bool | None:
        """Not tried, where nothing refuses."""
        return None

    def _may_delete(self, name: str) -> bool | None:
        """Not tried, where nothing removes."""
        return None

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        """Asked for what is archived, and not on its way, alone."""
        raise StoreError(f"{self.location} cannot bring back what rests in an archive class", item=name)

    @abc.abstractmethod
    def _get(self, name: str, version: str | None) -> bytes: ...

    @abc.abstractmethod
    def _head(self, name: str, version: str | None) -> Listed: ...

    @abc.abstractmethod
    def _list(self, prefix: str) -> Iterator[Listed]: ...

    @abc.abstractmethod
    def _hold(self, name: str, version: str, on: bool) -> None: ...
