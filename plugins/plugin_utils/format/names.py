# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of objects.

Built from parts that were checked, read back only when spelled exactly so (format.md section 1).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from ..errors import FormatError, NameRefusedError
from ..model import instant
from ..model.policy import CLASS_NAME, COMPONENT_NAME, TIER_NAME

_LONGEST_HOST = 120
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_RECORD_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASHED_HOST = re.compile(r"=[0-9a-f]{64}")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Kind(enum.Enum):
    """The first segment of an object's name."""

    ROOT = "root"
    PACK = "packs"
    MANIFEST = "manifests"
    BODY = "bodies"
    POINT = "points"
    RECORD = "records"
    STAMP = "stamps"


_SUFFIX = {
    Kind.ROOT: ".json",
    Kind.PACK: ".tar.zst.age",
    Kind.MANIFEST: ".json.zst",
    Kind.BODY: ".json.zst",
    Kind.POINT: ".json",
    Kind.RECORD: ".json",
    Kind.STAMP: ".tsr",
}


@dataclasses.dataclass(frozen=True)
class ObjectName:
    """The parts of a name; those a kind does not use are empty. ``host`` is in its escaped form."""

    kind: Kind
    sha256: str
    link: int = 0
    retention_class: str = ""
    host: str = ""
    stream: str = ""
    at: dt.datetime | None = None
    run: str = ""
    record: str = ""

    def __str__(self) -> str:
        tail = f"{self.sha256}{_SUFFIX[self.kind]}"
        if self.kind is Kind.ROOT:
            return f"root/{self.link}-{tail}"
        if self.at is None:
            raise FormatError("has no time")
        stamp = instant.to_name(self.at)
        day = instant.to_text(self.at)[:10]
        if self.kind in (Kind.PACK, Kind.MANIFEST):
            return f"{self.kind.value}/{self.retention_class}/{self.host}/{self.stream}/{stamp}-{tail}"
        if self.kind is Kind.RECORD:
            return f"records/{self.record}/{day[:7]}/{stamp}-{tail}"
        return f"{self.kind.value}/{day}/{stamp}-{self.run}-{tail}"


def for_root(link: int, data: bytes) -> str:
    """Name root link *link* with these bytes."""
    return _checked(ObjectName(Kind.ROOT, _digest(data), link=link))


def for_snapshot(kind: Kind, retention_class: str, host: str, stream: str, at: dt.datetime, data: bytes) -> str:
    """Name a pack or manifest of *host* (as the inventory spells it)."""
    parts = ObjectName(
        kind, _digest(data), retention_class=retention_class, host=escape_host(host), stream=stream, at=at
    )
    return _checked(parts)


def for_point(kind: Kind, at: dt.datetime, run: str, data: bytes) -> str:
    """Name a body, a point, or the time stamp of one."""
    return _checked(ObjectName(kind, _digest(data), at=at, run=run))


def for_record(record: str, at: dt.datetime, data: bytes) -> str:
    """Name a record of kind *record*."""
    return _checked(ObjectName(Kind.RECORD, _digest(data), record=record, at=at))


@functools.lru_cache(maxsize=1 << 16)
def parse(name: str) -> ObjectName:
    """Read a name back; raises FormatError unless it is spelled exactly as this module would spell it."""
    try:
        parts = _split(name)
        if str(parts) != name:
            raise FormatError("another spelling")
        _check(parts)
    except (FormatError, ValueError, KeyError) as e:
        raise FormatError("is not an object name of this format", item=name) from e
    return parts


def escape_host(host: str) -> str:
    """Spell a host name as one path segment, reversibly while it is short.

    :raises NameRefusedError: an empty name, control characters, or text that is not Unicode.
    """
    try:
        raw = host.encode("utf-8")
    except UnicodeEncodeError as e:
        raise NameRefusedError("the host's name is not Unicode text", item=repr(host)) from e
    if not raw or any(unicodedata.category(character) == "Cc" for character in host):
        raise NameRefusedError(
            "the host's name is empty or holds control characters",
            item=repr(host),
            remedy="Rename the host in the inventory.",
        )
    escaped = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
    if escaped.startswith("."):
        escaped = f"%2E{escaped[1:]}"
    return escaped if len(escaped) <= _LONGEST_HOST else f"={hashlib.sha256(raw).hexdigest()}"


def unescape_host(segment: str) -> str | None:
    """Read a host name back from its segment; None for a long one, whose manifest holds it."""
    if _HASHED_HOST.fullmatch(segment):
        return None
    try:
        host = unquote_to_bytes(segment).decode("utf-8")
        if escape_host(host) == segment:
            return host
    except (UnicodeError, NameRefusedError):
        pass
    raise FormatError("is not an escaped host name", item=segment)


def colliding_hosts(hosts: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that some stores or file systems would take for one."""
    seen: dict[str, str] = {}
    pairs = []
    for host in hosts:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", host).casefold())
        first = seen.setdefault(folded, host)
        if first != host:
            pairs.append((first, host))
    return pairs


def refuse_colliding(hosts: Iterable[str]) -> None:
    """Raise NameRefusedError for the first of :func:`colliding_hosts`."""
    for first, second in colliding_hosts(hosts):
        raise NameRefusedError(
            f"hosts {first} and {second} differ only in case or Unicode form",
            item=second,
            remedy="Rename one of them in the inventory: some stores would take them for one host.",
        )


def _split(name: str) -> ObjectName:
    head, *middle, last = name.split("/")
    kind = Kind(head)
    stem = last.removesuffix(_SUFFIX[kind])
    if kind is Kind.ROOT:
        link, sha256 = stem.split("-")
        return ObjectName(kind, sha256, link=int(link))
    if kind in (Kind.PACK, Kind.MANIFEST):
        retention_class, host, stream = middle
        stamp, sha256 = stem.split("-")
        return ObjectName(
            kind, sha256, retention_class=retention_class, host=host, stream=stream, at=instant.from_name(stamp)
        )
    if kind is Kind.RECORD:
        record, _month = middle
        stamp, sha256 = stem.split("-")
        return ObjectName(kind, sha256, record=record, at=instant.from_name(stamp))
    (_day,) = middle
    stamp, run, sha256 = stem.split("-")
    return ObjectName(kind, sha256, run=run, at=instant.from_name(stamp))


def _check(parts: ObjectName) -> None:
    wrong = not _SHA256.fullmatch(parts.sha256)
    if parts.kind is Kind.ROOT:
        wrong = wrong or parts.link < 1
    elif parts.kind in (Kind.PACK, Kind.MANIFEST):
        wrong = wrong or not CLASS_NAME.fullmatch(parts.retention_class)
        wrong = wrong or not (TIER_NAME.fullmatch(parts.stream) or COMPONENT_NAME.fullmatch(parts.stream))
        unescape_host(parts.host)
    elif parts.kind is Kind.RECORD:
        wrong = wrong or not _RECORD_KIND.fullmatch(parts.record)
    else:
        wrong = wrong or not _RUN_ID.fullmatch(parts.run)
    if wrong:
        raise FormatError("a part that this format does not have")


def _checked(parts: ObjectName) -> str:
    name = str(parts)
    try:
        _check(parts)
    except FormatError as e:
        raise NameRefusedError("would not be a name of this format", item=name) from e
    return name


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
