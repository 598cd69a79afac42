# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries of files.json and of manifests: the same attributes, with plain digests there and keyed ones here."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Callable

from ..model.entry import Entry, EntryKind
from ..model.snapshot import KeyedEntry
from . import canonical
from .canonical import Fields

_NANO = 10**9
_LINKS = (EntryKind.SYMLINK, EntryKind.HARDLINK)
_MTIME = re.compile(r"(-?)(0|[1-9][0-9]{0,18})\.([0-9]{9})")
_MODE = re.compile(r"[0-7]{4}")


def write_plain(entry: Entry) -> dict[str, t.Any]:
    """An entry of files.json."""
    document = _attributes(entry)
    if entry.kind is EntryKind.FILE:
        document.update(size=entry.size, sha256=entry.sha256)
    elif entry.kind in _LINKS:
        document.update(spell("target", entry.target))
    if entry.xattrs:
        document["xattrs"] = [{**spell("name", n), "value": canonical.b64(v)} for n, v in sorted(entry.xattrs.items())]
    return document


def write_keyed(entry: Entry, keyed: Callable[[bytes], str]) -> dict[str, t.Any]:
    """An entry of a manifest. *keyed* turns bytes into a keyed digest, hex."""
    document = _attributes(entry)
    content = digest_input(entry)
    if content is not None:
        document["digest"] = keyed(content)
    if entry.kind is EntryKind.FILE:
        document["size"] = entry.size
    if entry.xattrs:
        document["xattrs"] = [{**spell("name", n), "digest": keyed(v)} for n, v in sorted(entry.xattrs.items())]
    return document


def digest_input(entry: Entry) -> bytes | None:
    """The bytes whose keyed digest stands for an entry's content or target; None where it has neither."""
    if entry.kind is EntryKind.FILE:
        return entry.sha256.encode("ascii")
    return os.fsencode(entry.target) if entry.kind in _LINKS else None


def read_plain(fields: Fields) -> Entry:
    """Read :func:`write_plain` back."""
    kind = _kind(fields)
    xattrs = fields.each("xattrs", lambda f: (unspell(f, "name"), f.bytes("value"))) if fields.has("xattrs") else ()
    return _entry(
        fields,
        kind,
        sha256=fields.digest("sha256") if kind is EntryKind.FILE else "",
        target=unspell(fields, "target") if kind in _LINKS else "",
        xattrs=dict(xattrs),
    )


def read_keyed(fields: Fields) -> KeyedEntry:
    """Read :func:`write_keyed` back; the entry's own digest, target and attribute values stay empty."""
    kind = _kind(fields)
    xattrs = fields.each("xattrs", lambda f: (unspell(f, "name"), f.digest("digest"))) if fields.has("xattrs") else ()
    digest = "" if kind is EntryKind.DIRECTORY else fields.digest("digest")
    return KeyedEntry(_entry(fields, kind, sha256="", target="", xattrs={}), digest, dict(xattrs))


def _attributes(entry: Entry) -> dict[str, t.Any]:
    sign = "-" if entry.mtime_ns < 0 else ""
    seconds, nanoseconds = divmod(abs(entry.mtime_ns), _NANO)
    return {
        **spell("path", entry.path),
        "kind": entry.kind.value,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        **spell("user", entry.user),
        **spell("group", entry.group),
        "mtime": f"{sign}{seconds}.{nanoseconds:09d}",
    }


def _entry(fields: Fields, kind: EntryKind, *, sha256: str, target: str, xattrs: dict[str, bytes]) -> Entry:
    mtime = _MTIME.fullmatch(fields.text("mtime"))
    if not mtime:
        raise fields.refuse("mtime", "is not seconds with nine digits after the dot")
    mtime_ns = int(mtime[2]) * _NANO + int(mtime[3])
    mode = fields.text("mode")
    if not _MODE.fullmatch(mode):
        raise fields.refuse("mode", "is not four octal digits")
    path = unspell(fields, "path")
    if not path.startswith("/"):
        raise fields.refuse("path", "is not absolute")
    return Entry(
        path=path,
        kind=kind,
        mode=int(mode, 8),
        uid=fields.number("uid"),
        gid=fields.number("gid"),
        user=unspell(fields, "user"),
        group=unspell(fields, "group"),
        mtime_ns=-mtime_ns if mtime[1] else mtime_ns,
        size=fields.number("size") if kind is EntryKind.FILE else 0,
        sha256=sha256,
        target=target,
        xattrs=xattrs,
    )


def _kind(fields: Fields) -> EntryKind:
    try:
        return EntryKind(fields.text("kind"))
    except ValueError as e:
        raise fields.refuse("kind", "is none that this format has") from e


def spell(name: str, value: str) -> dict[str, str]:
    """Spell a name from a host as a field: text, or base64 under ``<name>_base64`` where it is not UTF-8."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return {f"{name}_base64": canonical.b64(os.fsencode(value))}
    return {name: value}


def unspell(fields: Fields, name: str) -> str:
    """Read :func:`spell` back."""
    if fields.has(f"{name}_base64"):
        value = os.fsdecode(fields.bytes(f"{name}_base64"))
        if fields.has(name) or name in spell(name, value):
            raise fields.refuse(f"{name}_base64", "stands where a text does")
        return value
    return fields.text(name)
