# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store on S3: a versioned bucket with object lock, of AWS or of a server that speaks the same.

Nothing that a server says of a put is believed: each version is looked at again, by its id, for size, lock mode and
date. Why each call is as it is, and what was measured on which server: docs/adr/0016-s3-store.md.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import email.utils
import hashlib
import re
import secrets
import typing as t
from collections.abc import Iterator, Mapping

from ..errors import (
    CorruptError,
    DeniedError,
    ExpiredError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    TransientError,
    UnavailableError,
)
from ..model.instant import whole
from . import s3_proof
from .base import Listed, Store, Stored, name_fault
from .s3_client import Client, Reply, load_ahead
from .s3_settings import Bucket, S3Settings
from .wrappers import Patience

__all__ = ["PROBE", "SINGLE_BYTES", "S3Store", "load_ahead"]

# what is larger goes in parts of this size; AWS takes single puts up to 5 GiB, and a lost connection repeats all of one
SINGLE_BYTES = 64 * 1024 * 1024
COMPLIANCE, GOVERNANCE = "COMPLIANCE", "GOVERNANCE"
# of a smaller body all is sent before a server can hang up on it
_SENT_AT_ONCE = 64 * 1024
# names never start with a dot, so that no reader sees what is below
PROBE = ".probe/"

# what a server says of a version that was brought back, or is on its way: RestoreObject, x-amz-restore
_ON_ITS_WAY = re.compile(r'ongoing-request="true"')
_READABLE = re.compile(r'ongoing-request="false",\s*expiry-date="([^"]+)"')
# the class that servers name in some answers and leave out in others
_USUAL = "STANDARD"

# how a server says that a version has no lock; the second is Ceph RGW
_NONE_SET = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_NO_LOCK_REMEDY = "Make a bucket with object lock and versioning, as docs/guide_storage.md says"


_Said = t.TypeVar("_Said")


@dataclasses.dataclass(frozen=True)
class _Lock:
    """The lock of a version; ``settable``: the server has said of this version that it could have one."""

    mode: str = ""
    until: dt.datetime | None = None
    held: bool = False
    settable: bool = False


@dataclasses.dataclass(frozen=True)
class _Found:
    """A version as a listing shows it, with the time as exact as the server tells it."""

    listed: Listed
    at: dt.datetime
    latest: bool


class S3Store(Store):
    """The objects below one prefix of a bucket.

    Calls are made again by this store itself, each by itself, so that a page or a part that failed repeats no other.

    :param context: what the server's log shall name this by.
    :raises DependencyMissingError: botocore is not installed.
    """

    def __init__(
        self,
        bucket: Bucket,
        settings: S3Settings,
        *,
        context: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        single_bytes: int = SINGLE_BYTES,
    ) -> None:
        self.location = bucket.url
        self._identity = _identity(bucket, settings)
        self._bucket = bucket.name
        self._prefix = bucket.prefix
        self._single_bytes = single_bytes
        self._lockable: bool | None = None
        self._client = Client(self.location, settings, context=context or {}, patience=patience or Patience())

    @property
    def identity(self) -> str:
        """The URL, and where it is asked and as whom, since another server may have a bucket of the same name."""
        return self._identity

    @property
    def enforced(self) -> bool:
        """Whether the server says that it locks objects in this bucket.

        ``repository state=present`` makes it prove that before the first object; each put looks at its own lock.
        False where this identity may not ask.
        """
        try:
            self._require_lock()
        except (DeniedError, NotLockedError):
            return False
        return True

    def _call(self, operation: str, doing: str, name: str | None = None, **more: t.Any) -> Reply:
        return self._client.call(operation, doing, name, Bucket=self._bucket, **more)

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"

    # time, and what the server can

    def _clock(self) -> dt.datetime:
        if self._client.now() is None:
            # a refusal has a date too
            with contextlib.suppress(DeniedError, NotLockedError):
                self._require_lock()
        now = self._client.now()
        if now is None:
            raise CorruptError(
                f"the answers of {self.location} have no date",
                remedy="Look at what answers there: a proxy may have taken it away",
            )
        return now

    def _require_lock(self) -> None:
        """Raise NotLockedError unless the server says that this bucket has object lock; asked once.

        Before it has said so nothing about locks of single objects is sent: to a server that does not know them a
        retention is an ordinary put, which replaces the object.
        """
        if self._lockable is None:
            reply = self._call("get_object_lock_configuration", "ask for object lock", expect=(404, 501))
            said = reply.data.get("ObjectLockConfiguration")
            self._lockable = reply.ok and isinstance(said, Mapping) and said.get("ObjectLockEnabled") == "Enabled"
        if not self._lockable:
            # MinIO says the same where there is no bucket
            self._call("list_object_versions", "list", Prefix=self._prefix, MaxKeys=1)
            raise NotLockedError(
                f"{self.location} has no object lock, says {self._client.server}", remedy=_NO_LOCK_REMEDY
            )

    def _probe(self) -> None:
        self._call("list_object_versions", "list", Prefix=self._prefix, MaxKeys=1)
        try:
            self._require_lock()
            versioning = self._call("get_bucket_versioning", "ask for versioning").data.get("Status")
        except DeniedError:
            # who only reads need not see how the bucket is set up
            return
        if versioning != "Enabled":
            raise StoreError(f"{self.location} keeps no versions: versioning is not enabled", remedy=_NO_LOCK_REMEDY)
        try:
            probe = self._put_probe()
        except DeniedError:
            # nor who puts nothing
            return
        s3_proof.prove_lock(self._call, probe, location=self.location, server=self._client)

    def _prove_governance(self) -> None:
        probe = self._put_probe(GOVERNANCE)
        s3_proof.prove_governance(self._call, probe, location=self.location, server=self._client)

    def _put_probe(self, mode: str = COMPLIANCE) -> s3_proof.Probe:
        self._require_lock()
        key = f"{self._prefix}{PROBE}{secrets.token_hex(16)}"
        return s3_proof.put_probe(
            self._call, key=key, mode=mode, now=self._clock(), location=self.location, server=self._client
        )

    # what this identity may, tried

    def _may_put(self, name: str) -> bool | None:
        self._require_lock()
        until = self._clock() + dt.timedelta(seconds=s3_proof.LOCKED_SECONDS)
        lock = {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": whole(until)}
        try:
            started = self._call("create_multipart_upload", "try to put", name, Key=self._key(name), **lock)
        except ExpiredError:
            raise
        except DeniedError:
            return False
        self._abort(name, {"Key": self._key(name), "UploadId": str(started.data.get("UploadId"))})
        return True

    def _may_delete(self, name: str) -> bool | None:
        return s3_proof.may_delete(self._call, key=self._key(name))

    # puts

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_locked(name, stream, {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": lock_until})

    def _put_governed(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        return self._put_locked(name, stream, {"ObjectLockMode": GOVERNANCE, "ObjectLockRetainUntilDate": lock_until})

    def _put_locked(self, name: str, stream: t.BinaryIO, lock: Mapping[str, t.Any]) -> Stored:
        self._require_lock()
        first = _read(stream, self._single_bytes)
        following = _read(stream, self._single_bytes) if len(first) == self._single_bytes else b""
        if not following:
            version = self._put_whole(name, first, lock)
            return self._proven(name, version, len(first), lock)
        version, size = self._put_parts(name, first, following, stream, lock)
        self._lock_again(name, version, lock)
        return self._proven(name, version, size, lock)

    def _put_whole(self, name: str, data: bytes, lock: Mapping[str, t.Any]) -> str:
        try:
            reply = self._call(
                "put_object",
                "put",
                name,
                landed=lambda: self._landed(name, len(data), lock, f'"{_md5(data)}"'),
                Key=self._key(name),
                Body=data,
                ChecksumSHA256=_sha256(data),
                **lock,
            )
        except UnavailableError:
            if len(data) > _SENT_AT_ONCE:
                self._ask_why(name, lock)
            raise
        return self._version_of(reply, name)

    def _ask_why(self, name: str, lock: Mapping[str, t.Any]) -> None:
        """Raise what a server has to say of a put on which it hung up: over TLS its answer is lost with the connection.

        What takes the same right and has no body is the beginning of a put in parts.
        """
        try:
            started = self._call("create_multipart_upload", "put", name, once=True, Key=self._key(name), **lock)
        except TransientError:
            return
        self._abort(name, {"Key": self._key(name), "UploadId": str(started.data.get("UploadId"))})

    def _put_parts(
        self, name: str, first: bytes, following: bytes, stream: t.BinaryIO, lock: Mapping[str, t.Any]
    ) -> tuple[str, int]:
        """Put what is larger than one put; return version and size. Nothing of it is left where that fails."""
        started = self._call(
            "create_multipart_upload",
            "put",
            name,
            Key=self._key(name),
            ChecksumAlgorithm="SHA256",
            **lock,
        )
        upload = {"Key": self._key(name), "UploadId": str(started.data.get("UploadId"))}
        try:
            parts: list[dict[str, t.Any]] = []
            size = 0
            part = first
            while part:
                parts.append(self._put_part(name, upload, len(parts) + 1, part))
                size += len(part)
                part, following = following, _read(stream, self._single_bytes)
            reply = self._call(
                "complete_multipart_upload",
                "put",
                name,
                # the answer may have been lost, and the second time there is no such upload
                landed=lambda: self._landed(name, size, lock, _md5_of_parts(parts)),
                MultipartUpload={"Parts": parts},
                **upload,
            )
        except BaseException:
            self._abort(name, upload)
            raise
        return self._version_of(reply, name), size

    def _put_part(self, name: str, upload: Mapping[str, str], number: int, part: bytes) -> dict[str, t.Any]:
        sha256 = _sha256(part)
        reply = self._call("upload_part", "put", name, PartNumber=number, Body=part, ChecksumSHA256=sha256, **upload)
        return {"PartNumber": number, "ETag": reply.data.get("ETag", ""), "ChecksumSHA256": sha256}

    def _abort(self, name: str, upload: Mapping[str, str]) -> None:
        try:
            self._call("abort_multipart_upload", "give up a put", name, once=True, **upload)
        except StoreError:
            # the lifecycle of the bucket ends it; the error that led here says more
            return

    def _version_of(self, reply: Reply, name: str) -> str:
        version = reply.data.get("VersionId")
        if not isinstance(version, str) or version in ("", "null"):
            raise NotLockedError(f"{self.location} has stored it without a version", item=name, remedy=_NO_LOCK_REMEDY)
        return version

    def _landed(self, name: str, size: int, asked: Mapping[str, t.Any], etag: str) -> Reply | None:
        """Find what a put without an answer has made: the newest version of this size, content and lock."""
        try:
            for found in reversed(self._versions(name, once=True)):
                listed = found.listed
                if listed.marker or listed.size != size:
                    continue
                head = self._head_reply(name, listed.version, once=True)
                lock = self._lock(name, listed.version, head)
                # servers that lose the lock of parts have it set next, so none is as good as the right one
                if head.data.get("ETag") == etag and lock.until in (None, asked["ObjectLockRetainUntilDate"]):
                    return Reply(200, "", {}, {"VersionId": listed.version})
        except (TransientError, DeniedError, ObjectMissingError):
            return None
        return None

    def _lock_again(self, name: str, version: str, lock: Mapping[str, t.Any]) -> None:
        """Set the lock of what came in parts where the server has lost it, as Ceph RGW does.

        Only where it says that this very version has none, and keeps the lock of another: one that does not know locks
        would take the request for an object.
        """
        if self._lock(name, version, self._head_reply(name, version)).settable:
            self._put_probe()
            self._call(
                "put_object_retention",
                "lock",
                name,
                Key=self._key(name),
                VersionId=version,
                Retention={"Mode": lock["ObjectLockMode"], "RetainUntilDate": lock["ObjectLockRetainUntilDate"]},
            )

    def _proven(self, name: str, version: str, size: int, asked: Mapping[str, t.Any]) -> Stored:
        """Look at what a put has made."""
        head = self._head_reply(name, version)
        lock = self._lock(name, version, head)
        if not head.ok:
            raise CorruptError(f"{self.location} does not hold what it has said it stored", item=name)
        if head.data.get("ContentLength") != size:
            raise CorruptError(
                f"{self.location} holds {head.data.get('ContentLength')} of {size} bytes",
                item=name,
                remedy="Run again; nothing names this version",
            )
        if lock.until is None or lock.mode != asked["ObjectLockMode"]:
            raise NotLockedError(
                f"{self._client.server} has stored it {f'in mode {lock.mode}' if lock.mode else 'without a lock'}",
                item=name,
                remedy="Take a server that keeps the locks it is asked for: docs/adr/0016-s3-store.md",
            )
        return Stored(name=name, version=version, lock_until=lock.until)

    # reading

    def _get(self, name: str, version: str | None) -> bytes:
        if version is None:
            reply = self._call("get_object", "get", name, expect=(404,), body=True, Key=self._key(name))
            if not reply.ok:
                # a delete marker hides what is below it from who names no version
                return self._get(name, self._newest(name).version)
        elif not version:
            raise _missing(name, version)
        else:
            reply = self._call(
                "get_object",
                "get",
                name,
                expect=(400, 404, 405),
                body=True,
                Key=self._key(name),
                VersionId=version,
            )
            if not reply.ok:
                raise self._unreadable(name, version, reply)
        return t.cast("bytes", reply.data["Body"])

    def _unreadable(self, name: str, version: str, reply: Reply) -> StoreError:
        """Say what a version is that cannot be read: it, or the credentials, may not be what they should."""
        for found in self._versions(name):
            if found.listed.version == version:
                return ObjectMissingError(
                    "this version is a delete marker" if found.listed.marker else f"it is not read ({reply.code})",
                    item=name,
                )
        return _missing(name, version)

    def _head(self, name: str, version: str | None) -> Listed:
        if version == "":
            raise _missing(name, version)
        reply = self._head_reply(name, version)
        if not reply.ok:
            return self._head_by_listing(name, version, reply)
        found = reply.data.get("VersionId") or version or "null"
        lock = self._lock(name, found, reply)
        return Listed(
            name=name,
            version=found,
            size=self._said(reply.data, "ContentLength", int, name),
            lock_until=lock.until,
            marker=False,
            held=lock.held,
            modified=self._moment(self._said(reply.data, "LastModified", dt.datetime, name), name),
            storage_class=_storage_class(reply.data),
            **self._restored(reply, name),
        )

    def _restored(self, reply: Reply, name: str) -> dict[str, t.Any]:
        """What a description says of a version's being brought back."""
        said = str(reply.data.get("Restore") or "")
        readable = _READABLE.search(said)
        if readable is None:
            return {"returning": bool(_ON_ITS_WAY.search(said))}
        try:
            until = email.utils.parsedate_to_datetime(readable[1])
        except (ValueError, TypeError, OverflowError):
            raise CorruptError(f"{self.location} tells a time that is none", item=name) from None
        return {"readable_until": self._moment(until.replace(tzinfo=until.tzinfo or dt.timezone.utc), name)}

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._call(
            "restore_object",
            "bring back",
            name,
            # asked for twice at once
            expect=(409,),
            Key=self._key(name),
            VersionId=version,
            RestoreRequest={"Days": days, "GlacierJobParameters": {"Tier": tier}},
        )

    def _head_by_listing(self, name: str, version: str | None, reply: Reply) -> Listed:
        """Describe a version that cannot be looked at by itself: a marker, or what lies below one."""
        if version is None:
            return self._head(name, self._newest(name).version)
        for found in self._versions(name):
            if found.listed.version == version and found.listed.marker:
                return found.listed
        raise _missing(name, version)

    def _head_reply(self, name: str, version: str | None, *, once: bool = False) -> Reply:
        which = {} if version is None else {"VersionId": version}
        reply = self._call(
            "head_object", "describe", name, expect=(400, 403, 404, 405), once=once, Key=self._key(name), **which
        )
        if reply.status in (400, 403):
            # an answer to HEAD has no body, so no word on why: a listing has, where the reason is the same
            self._call("list_object_versions", "describe", name, Prefix=self._key(name), MaxKeys=1, once=once)
            if reply.status == 403:
                self._call("head_object", "describe", name, once=True, Key=self._key(name), **which)
        return reply

    def _lock(self, name: str, version: str, head: Reply) -> _Lock:
        """The lock of a version by its own description; else asked for.

        versitygw shows no lock with a version that is not the newest.
        """
        if not head.ok:
            return _Lock()
        mode = head.data.get("ObjectLockMode")
        if mode:
            held = head.data.get("ObjectLockLegalHoldStatus") == "ON"
            return _Lock(str(mode), self._until(head.data.get("ObjectLockRetainUntilDate"), name), held)
        try:
            self._require_lock()
        except NotLockedError:
            return _Lock()
        which = {"Key": self._key(name), "VersionId": version}
        kept = self._call("get_object_retention", "ask for the lock", name, expect=(400, 404), **which)
        hold = self._call("get_object_legal_hold", "ask for the hold", name, expect=(400, 404), **which)
        retention = kept.data.get("Retention") or {}
        return _Lock(
            str(retention.get("Mode") or ""),
            self._until(retention.get("RetainUntilDate"), name),
            (hold.data.get("LegalHold") or {}).get("Status") == "ON",
            kept.code in _NONE_SET,
        )

    def _said(self, data: Mapping[str, t.Any], field: str, kind: type[_Said], name: str) -> _Said:
        value = data.get(field)
        if not isinstance(value, kind):
            raise CorruptError(f"{self.location} does not say {field} of what it holds", item=name)
        return value

    def _moment(self, value: dt.datetime, name: str) -> dt.datetime:
        try:
            return whole(value)
        except (ValueError, OverflowError):
            raise CorruptError(f"{self.location} tells a time that is none", item=name) from None

    def _until(self, value: t.Any, name: str) -> dt.datetime | None:
        return self._moment(value, name) if isinstance(value, dt.datetime) else None

    def _newest(self, name: str) -> Listed:
        for found in reversed(self._versions(name)):
            if not found.listed.marker:
                return found.listed
        raise _missing(name, None)

    # listing

    def _versions(self, name: str, *, once: bool = False) -> list[_Found]:
        """All versions of one name, oldest first."""
        for found in self._by_name(name, once=once):
            if found[0].listed.name == name:
                return found
            break
        return []

    def _list(self, prefix: str) -> Iterator[Listed]:
        for versions in self._by_name(prefix):
            yield from (found.listed for found in versions)

    def _by_name(self, prefix: str, *, once: bool = False) -> Iterator[list[_Found]]:
        """The versions of each name, oldest first, in the order of names; what is no name of ours is passed over."""
        here = _OfName("")
        for page in self._pages(prefix, once=once):
            found: dict[str, _OfName] = {}
            for kind, marker in (("Versions", False), ("DeleteMarkers", True)):
                for entry in page.data.get(kind) or ():
                    one = self._found(entry, marker=marker)
                    if one is not None and one.listed.name.startswith(prefix):
                        found.setdefault(one.listed.name, _OfName(one.listed.name)).add(one)
            for name in sorted(found):
                if name < here.name:
                    raise CorruptError(f"{self.location} does not list in the order of names", item=name)
                if name != here.name:
                    yield from here.done()
                    here = _OfName(name)
                here.add_all(found[name])
        yield from here.done()

    def _pages(self, prefix: str, *, once: bool) -> Iterator[Reply]:
        after: dict[str, str] = {}
        while True:
            page = self._call("list_object_versions", "list", once=once, Prefix=self._key(prefix), **after)
            yield page
            if not page.data.get("IsTruncated"):
                return
            key, version = page.data.get("NextKeyMarker"), page.data.get("NextVersionIdMarker")
            following = {"KeyMarker": str(key or "")} | ({"VersionIdMarker": str(version)} if version else {})
            if not key or following == after:
                raise CorruptError(f"{self.location} lists the same page again and again", item=prefix or None)
            after = following

    def _found(self, entry: Mapping[str, t.Any], *, marker: bool) -> _Found | None:
        key = str(entry.get("Key"))
        name = key.removeprefix(self._prefix)
        if not key.startswith(self._prefix) or name_fault(name) is not None:
            return None
        at = self._said(entry, "LastModified", dt.datetime, name)
        listed = Listed(
            name=name,
            version=str(entry.get("VersionId") or "null"),
            size=0 if marker else self._said(entry, "Size", int, name),
            lock_until=None,
            marker=marker,
            held=False,
            modified=self._moment(at, name),
            lock_known=marker,
            storage_class="" if marker else _storage_class(entry),
        )
        return _Found(listed, at, bool(entry.get("IsLatest")))

    def _hold(self, name: str, version: str, on: bool) -> None:
        if self._head(name, version).marker:
            raise ObjectMissingError("this version is a delete marker", item=name)
        self._require_lock()
        status = "ON" if on else "OFF"
        which = {"Key": self._key(name), "VersionId": version}
        self._call("put_object_legal_hold", "hold", name, LegalHold={"Status": status}, **which)
        said = self._call("get_object_legal_hold", "ask for the hold", name, expect=(404,), **which)
        if ((said.data.get("LegalHold") or {}).get("Status") == "ON") is not on:
            raise NotLockedError(f"{self._client.server} does not keep the legal hold", item=name)


class _OfName:
    """The versions and the markers of one name, each newest first as servers list them, gathered over pages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._versions: dict[str, _Found] = {}
        self._markers: dict[str, _Found] = {}

    def add(self, found: _Found) -> None:
        """Add one, once: versitygw begins a page with the last one of the page before."""
        kind = self._markers if found.listed.marker else self._versions
        kind.setdefault(found.listed.version, found)

    def add_all(self, other: _OfName) -> None:
        """Add what another page has."""
        for found in (*other._versions.values(), *other._markers.values()):
            self.add(found)

    def done(self) -> Iterator[list[_Found]]:
        """All of them, oldest first, where there are any.

        Between versions and markers stands the time alone, whole seconds on AWS. Of one second the latest is told by
        the server; a marker beside others of its second counts as later than they are.
        """
        merged: list[_Found] = []
        versions, markers = list(self._versions.values()), list(self._markers.values())
        while versions and markers:
            one, mark = versions[-1], markers[-1]
            marker_first = mark.at < one.at or (mark.at == one.at and one.latest)
            merged.append((markers if marker_first else versions).pop())
        merged += reversed(versions or markers)
        if merged:
            yield merged


def _identity(bucket: Bucket, settings: S3Settings) -> str:
    """Where a bucket is asked, and as whom: at AWS the region tells partitions apart, elsewhere the user tenants."""
    where = (settings.endpoint_url, settings.region, settings.profile, settings.assume_role_arn)
    return " ".join([bucket.url, *(part or "-" for part in where)])


def _read(stream: t.BinaryIO, size: int) -> bytes:
    """Read *size* bytes, fewer only at the end."""
    data = stream.read(size)
    if not data or len(data) == size:
        return data
    chunks = [data]
    left = size - len(data)
    while left and (data := stream.read(left)):
        chunks.append(data)
        left -= len(data)
    return b"".join(chunks)


def _storage_class(said: Mapping[str, t.Any]) -> str:
    name = str(said.get("StorageClass") or "")
    return "" if name == _USUAL else name


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _md5(data: bytes) -> str:
    # what an ETag is made of; nothing is trusted by it
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _md5_of_parts(parts: list[dict[str, t.Any]]) -> str:
    """The ETag of an object in parts, as servers make it; "" where theirs are something else."""
    digests = [match[1] for part in parts if (match := _MD5.fullmatch(str(part["ETag"])))]
    if len(digests) < len(parts):
        return ""
    return f'"{_md5(bytes.fromhex("".join(digests)))}-{len(parts)}"'


def _missing(name: str, version: str | None) -> ObjectMissingError:
    what = "object" if version is None else "version of this object"
    return ObjectMissingError(f"the store holds no such {what}", item=name)
