# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What travels between the controller and a host's half (module_utils/_tree.py, _apply.py).

A host's answer is judged like any foreign input.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import typing as t
import zlib
from collections.abc import Mapping, Sequence

from ...module_utils import _tree
from ..errors import CaptureError, ConnectionLostError, RestoreError, TooLargeError, UnreadableError
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import Entry, EntryKind, LeftOut

MARK = "HOLDFAST1 "
_HEADER_DIGITS = 8
_HIGHEST_ID = 2**32 - 1
_HIGHEST_SIZE = 2**53 - 1
_NAMED = 20
# how the host's half leaves out what is volatile; digests of another one are not compared
_NORMALISER = "files-1"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Trip(t.Protocol):
    """Runs one half on the host: sends a request, then *payload*, and returns all that the half printed.

    :param half: ``tree`` or ``apply``.
    :raises ConnectionLostError: the host was not reached, or the half did not end by itself.
    """

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str: ...


def tree_request(
    op: str, components: Sequence[Component], *, root: str, absent: str, limits: Mapping[str, int]
) -> dict[str, t.Any]:
    """Ask for ``fingerprint``, ``entries`` or ``content`` of components below *root*.

    :param absent: ``error`` where none of a component's paths exists, or ``leave_out``.
    :param limits: ``bytes`` of content and ``entries`` that the answer may hold.
    """
    return {
        "op": op,
        "root": root,
        "components": [
            {
                "name": component.name,
                "paths": list(component.paths),
                "excludes": [{"pattern": e.pattern, "reason": e.reason} for e in component.excludes],
                "unreadable": component.unreadable,
                "absent": absent,
                **({"volatile": list(component.volatile)} if component.volatile else {}),
            }
            for component in components
        ],
        "limits": dict(limits),
    }


def apply_request(entries: Sequence[Entry], *, root: str, owners: bool, check: bool) -> dict[str, t.Any]:
    """Ask that *entries* be written below *root*."""
    return {
        "root": root,
        "entries": [write_entry(entry) for entry in entries],
        "owners": owners,
        "owner_by": "name",
        "check": check,
    }


def read_answer(text: str, *, limit_bytes: int, half: str = "tree") -> tuple[dict[str, t.Any], bytes]:
    """Split an answer into its header and its bytes.

    :param limit_bytes: what the answer may hold after decompression, header included.
    :raises ConnectionLostError: no whole answer is in *text*.
    :raises TooLargeError: it is larger than it may be.
    :raises UnreadableError, CaptureError, RestoreError: what the half itself refused.
    """
    line = next((line for line in text.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ConnectionLostError(
            "the host's half gave no answer", remedy="Look at the host's Python (3.8 or newer) and at its login banner."
        )
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(line[len(MARK) :], validate=True), limit_bytes)
        if unpacker.unconsumed_tail:
            raise TooLargeError("the host's answer is larger than was asked for")
        if not unpacker.eof:
            raise ConnectionLostError("the host's answer broke off")
        size = int(data[:_HEADER_DIGITS], 16)
        header = json.loads(data[_HEADER_DIGITS : _HEADER_DIGITS + size])
    except (binascii.Error, zlib.error, ValueError, RecursionError) as e:
        raise ConnectionLostError("the host's answer is damaged") from e
    if not isinstance(header, dict):
        raise ConnectionLostError("the host's answer is damaged")
    if "error" in header:
        with _Judged():
            raise _refusal(header["error"]) if half == "tree" else _apply_refusal(header["error"])
    return header, data[_HEADER_DIGITS + size :]


def read_fingerprints(components: Sequence[Component], header: Mapping[str, t.Any]) -> dict[str, PlainFingerprint]:
    """Read the answer to ``fingerprint``."""
    with _Judged():
        answers = header["components"]
        return {c.name: _fingerprint(c, answers[c.name]) for c in components}


def read_listings(components: Sequence[Component], header: Mapping[str, t.Any]) -> dict[str, tuple[Entry, ...]]:
    """Read the answer to ``entries``."""
    with _Judged():
        return {c.name: _listing(c, header["components"][c.name]) for c in components}


def read_privilege(header: Mapping[str, t.Any]) -> bool:
    """Whether the half ran as root."""
    with _Judged():
        return int(header["host"]["euid"]) == 0


def read_applied(header: Mapping[str, t.Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read an apply's answer: the paths written, and the warnings."""
    with _Judged():
        warnings = tuple(f"{path}: {text}" for path, text in header.get("warnings", ()))
        return tuple(str(path) for path in header.get("written", ())), warnings


def read_content(
    components: Sequence[Component], header: Mapping[str, t.Any], blob: bytes
) -> dict[str, ComponentContent]:
    """Read the answer to ``content``; sizes and digests must be those of the bytes that came."""
    found = {}
    offset = 0
    with _Judged():
        for component in components:
            answer = header["components"][component.name]
            entries = _listing(component, answer)
            contents = {}
            for entry in entries:
                if entry.kind is EntryKind.FILE:
                    content = blob[offset : offset + entry.size]
                    offset += entry.size
                    if len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.sha256:
                        raise ConnectionLostError("the content that came is not what was listed", item=entry.path)
                    contents[entry.path] = content
            found[component.name] = ComponentContent(
                fingerprint=_fingerprint(component, answer),
                entries=entries,
                contents=contents,
                left_out_bytes=_within(answer["left_out_bytes"], _HIGHEST_SIZE),
                marks=tuple(f"changed while read: {path}" for path in answer["changed_while_read"]),
            )
        if offset != len(blob):
            raise ConnectionLostError("more content came than was listed")
    return found


def fingerprint(component: Component, entries: Sequence[Entry], absent: Sequence[str]) -> PlainFingerprint:
    """Recompute a component's plain fingerprint from its entries, as the host's half does."""
    spelled = [write_entry(entry) for entry in entries]
    answer: dict[str, t.Any] = {
        "fingerprint": _tree.fingerprint(spelled, absent),
        "bytes": sum(entry.size for entry in entries),
        "entries": len(entries),
        "left_out": [],
    }
    if component.volatile:
        answer["normalised"] = _tree.normalised(spelled, absent, component.volatile)
    return _fingerprint(component, answer)


def write_entry(entry: Entry) -> dict[str, t.Any]:
    """An entry as the host's half takes it."""
    return {
        "path": entry.path,
        "kind": entry.kind.value,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "user": entry.user,
        "group": entry.group,
        "mtime_ns": entry.mtime_ns,
        "size": entry.size,
        "sha256": entry.sha256,
        "target": entry.target,
        "xattrs": {name: base64.b64encode(value).decode("ascii") for name, value in entry.xattrs.items()},
    }


def read_entry(value: Mapping[str, t.Any]) -> Entry:
    """An entry as the host's half gives it; raises CaptureError for paths that no walk would give."""
    entry = Entry(
        path=_name(value["path"]),
        kind=EntryKind(value["kind"]),
        mode=_within(value["mode"], 0o7777),
        uid=_within(value["uid"], _HIGHEST_ID),
        gid=_within(value["gid"], _HIGHEST_ID),
        user=_name(value["user"]),
        group=_name(value["group"]),
        mtime_ns=int(value["mtime_ns"]),
        size=_within(value.get("size", 0), _HIGHEST_SIZE),
        sha256=str(value.get("sha256", "")),
        target=_name(value.get("target", "")),
        xattrs={_name(n): base64.b64decode(v, validate=True) for n, v in value.get("xattrs", {}).items()},
    )
    segments = entry.path.split("/")
    if segments[0] or {"", ".", ".."} & set(segments[1:]):
        raise CaptureError("the host gave a path that no walk would give", item=repr(entry.path))
    return entry


def _name(value: t.Any) -> str:
    name = str(value)
    if b"\0" in os.fsencode(name):
        raise ValueError("no name on any system")
    return name


def _within(value: t.Any, highest: int) -> int:
    number = int(value)
    if not 0 <= number <= highest:
        raise ValueError("out of range")
    return number


class _Judged:
    """Turns the KeyErrors and ValueErrors of a malformed answer into one sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (LookupError, TypeError, ValueError, AttributeError, OverflowError)):
            raise ConnectionLostError("the host's answer does not have the form that was asked for") from error


def _fingerprint(component: Component, answer: Mapping[str, t.Any]) -> PlainFingerprint:
    raw = _digest(answer["fingerprint"])
    stable = _digest(answer["normalised"]) if component.volatile else None
    size, entries = (_within(answer[field], _HIGHEST_SIZE) for field in ("bytes", "entries"))
    left_out = tuple(LeftOut(_name(path), str(reason)) for path, reason in answer["left_out"])
    return PlainFingerprint(
        component,
        raw,
        size=size,
        entries=entries,
        left_out=left_out,
        normalised=stable,
        normaliser=None if stable is None else _NORMALISER,
    )


def _digest(value: t.Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError("not a digest")
    return value


def _listing(component: Component, answer: Mapping[str, t.Any]) -> tuple[Entry, ...]:
    entries = tuple(read_entry(value) for value in answer["listing"])
    for entry in entries:
        if not component.declares(entry.path):
            raise CaptureError(
                f"the host gave a path outside component {component.name}",
                item=repr(entry.path),
                remedy="Nothing of it was used. Find out what runs on that host.",
            )
    _require_tree(entries)
    return entries


def _require_tree(entries: Sequence[Entry]) -> None:
    """Refuse a listing that a pack could not hold: in order, below folders, hard links after what they lead to."""
    kinds: dict[str, EntryKind] = {}
    last = b""
    for entry in entries:
        path = os.fsencode(entry.path)
        above = (entry.path[:at] for at, character in enumerate(entry.path) if character == "/" and at)
        if path <= last or any(kinds.get(parent, EntryKind.DIRECTORY) is not EntryKind.DIRECTORY for parent in above):
            raise ValueError("not in order, twice, or below no folder")
        if entry.kind is EntryKind.HARDLINK and kinds.get(entry.target) is not EntryKind.FILE:
            raise ValueError("a hard link to no earlier file")
        if entry.kind is EntryKind.SYMLINK and not entry.target:
            raise ValueError("a symlink to nothing")
        kinds[entry.path] = entry.kind
        last = path


def _refusal(error: Mapping[str, t.Any]) -> CaptureError:
    kind, message, named = _told(error)
    if kind == "unreadable":
        remedy = "Grant the right (become), exclude the path, or set the component's unreadable to leave_out."
        return UnreadableError(message, item=named, remedy=remedy)
    if kind == "too_large":
        return TooLargeError(message, item=named, remedy="Narrow the component or exclude what is no configuration.")
    return CaptureError(message, item=named, remedy=_CAPTURE_REMEDIES.get(kind, _REPORT))


def _apply_refusal(error: Mapping[str, t.Any]) -> RestoreError:
    kind, message, named = _told(error)
    written = len(error.get("written", ()))
    if written:
        message = f"{message}, after {written} paths were written"
    return RestoreError(message, item=named, remedy=_APPLY_REMEDIES.get(kind, _REPORT))


def _told(error: Mapping[str, t.Any]) -> tuple[str, str, str]:
    items = [str(item) for item in error.get("items", ())]
    named = ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")
    return str(error.get("type", "")), str(error.get("message", "the host's half refused")), named


_REPORT = "Run again; if it comes back, report it with this sentence."
_OLDER = "Use the host's half of this version: remove copies of the collection that are older."
_CAPTURE_REMEDIES = {
    "absent": "Correct the component's paths, or declare it only for hosts that have it.",
    "os": "Look at that path on the host and run again.",
    "request": _OLDER,
    "root": "Make that folder, or name another.",
}
_APPLY_REMEDIES = {
    "busy": "Wait for the other restore and run again; nothing was touched.",
    "root": "Name another folder to restore under.",
    "outside": "Remove the symbolic link, or restore under an empty folder.",
    "in_the_way": "Move what stands there, or restore under an empty folder.",
    "no_space": "Free the space named, or restore under another file system.",
    "partial": "Paths already written are whole; correct the cause and run the restore again.",
    "hostile": "Do not use this snapshot; find out who wrote it.",
    "payload": "Run the restore again; nothing was touched.",
    "os": "Look at that path on the host and run again.",
    "request": _OLDER,
}
