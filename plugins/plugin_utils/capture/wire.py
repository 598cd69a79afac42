# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What travels between the controller and a host's half (module_utils/_tree.py, _apply.py).

A host's answer is judged like any foreign input.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import io
import json
import os
import re
import typing as t
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...module_utils import _texts, _tree
from ..errors import (
    CaptureError,
    ConnectionLostError,
    FormatError,
    PolicyError,
    RestoreError,
    TooLargeError,
    UndoneError,
    UnreadableError,
)
from ..model import sources
from ..model.component import FILES, Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import Entry, EntryKind, LeftOut, folders_above
from ..model.platform import Platform
from ..model.redaction import visible
from . import normalise, platforms

MARK = "HOLDFAST1 "
_HEADER_DIGITS = 8
_HIGHEST_ID = 2**32 - 1
_HIGHEST_SIZE = 2**53 - 1
_NAMED = 20
# what of a host's lists stands in results and in a signed record
LISTED = 200
# characters of a sentence of the host's: it stands in receipts, in a signed body and in a table
_SENTENCE = 500
_LATEST = 10**9 << 62  # nanoseconds: manifests spell seconds in 19 digits
_STEP = 1 << 16
# how what is volatile is left out, of files and of texts; digests of another way are not compared
_NORMALISER, _LINES = "files-1", "lines-1"
# the host's half has the last word: it removes only what it has made
_FOLDER = re.compile(r"/[^\0]{0,4096}/\.holdfast-[0-9a-f]{16}|/\.holdfast-[0-9a-f]{16}", re.DOTALL)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RESTORE = re.compile(r"[0-9a-f]{16}")
_RESTORES = 10
# of a restore that came and went while a host was captured nobody knows the id
PASSED = "came and went"


class Trip(t.Protocol):
    """Runs one half on the host: sends a request, then *payload*, and returns all that the half printed.

    :param half: ``tree``, ``apply`` or ``back``, which is what of ``apply`` ends a restore.
    :raises ConnectionLostError: the host was not reached, or the half did not end by itself.
    """

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str: ...


def tree_request(
    op: str,
    components: Sequence[Component],
    *,
    root: str,
    absent: str,
    limits: Mapping[str, int],
    deliver: int | None = None,
    journal: str | None = None,
) -> dict[str, t.Any]:
    """Ask for ``fingerprint``, ``entries`` or ``content`` of components below *root*.

    :param absent: ``error`` where none of a component's paths exists, or ``leave_out``.
    :param limits: ``bytes`` of content and ``entries`` that a component may hold at most.
    :param deliver: bytes of compressed content that the answer may hold; what is more the host keeps in a file.
    :param journal: the folder of the host in which restores in place keep their journals, where it is no usual one.
    """
    brought = program(components)
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
                "bytes": min(component.max_bytes, limits["bytes"]),
                **({"volatile": list(component.volatile)} if component.volatile else {}),
                **({} if component.kind == FILES else {"kind": component.kind, "source": component.source}),
            }
            for component in components
        ],
        "limits": dict(limits),
        **({"program": len(brought)} if brought else {}),
        **({} if deliver is None else {"deliver": {"stdout": deliver}}),
        **({} if journal is None else {"journal": journal}),
    }


def program(components: Sequence[Component]) -> bytes:
    """What must follow a request for these components: what gathers texts, where there are any."""
    needed = any(component.kind != FILES for component in components)
    return Path(_texts.__file__).read_bytes() if needed else b""


def range_request(folder: str, offset: int, length: int, *, drop: bool) -> dict[str, t.Any]:
    """Ask for bytes of the contents that the host keeps in *folder*.

    :param drop: remove them once they are read.
    """
    return {"op": "read", "folder": folder, "offset": offset, "length": length, "drop": drop}


def drop_request(folder: str) -> dict[str, t.Any]:
    """Ask that the host remove the contents that it keeps in *folder*."""
    return {"op": "drop", "folder": folder}


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
    """Split an answer into its header and what follows it of the contents, as it came.

    :param limit_bytes: what the header may hold after decompression.
    :raises ConnectionLostError: no whole answer is in *text*.
    :raises TooLargeError: it is larger than it may be.
    :raises UnreadableError, CaptureError, RestoreError: what the half itself refused.
    """
    # what a profile prints before it may end without a line feed
    _noise, mark, after = text.partition(MARK)
    if not mark:
        raise ConnectionLostError(
            "the host's half gave no answer", remedy="Look at the host's Python (3.8 or newer) and at its login banner."
        )
    try:
        unpacker = zlib.decompressobj()
        answer = base64.b64decode(after.partition("\n")[0].rstrip("\r"), validate=True)
        data = unpacker.decompress(answer, limit_bytes + 1)
        if len(data) > limit_bytes:
            raise TooLargeError(_LARGER)
        if not unpacker.eof:
            raise ConnectionLostError("the host's answer broke off")
        size = int(data[:_HEADER_DIGITS], 16)
        header = json.loads(data[_HEADER_DIGITS:])
    except (binascii.Error, zlib.error, ValueError, RecursionError) as e:
        raise ConnectionLostError("the host's answer is damaged") from e
    if not isinstance(header, dict) or size != len(data) - _HEADER_DIGITS:
        raise ConnectionLostError("the host's answer is damaged")
    return read_header(header, half=half), unpacker.unused_data


def read_header(header: Mapping[str, t.Any], *, half: str) -> dict[str, t.Any]:
    """Take an answer that is no refusal; raises as :func:`read_answer`."""
    if "error" in header:
        with Judged():
            raise _refusal(header["error"]) if half == "tree" else _apply_refusal(header["error"])
    return dict(header)


def read_fingerprints(components: Sequence[Component], header: Mapping[str, t.Any]) -> dict[str, PlainFingerprint]:
    """Read the answer to ``fingerprint``."""
    with Judged():
        answers = header["components"]
        return {c.name: _fingerprint(c, answers[c.name]) for c in components}


def read_listings(components: Sequence[Component], header: Mapping[str, t.Any]) -> dict[str, tuple[Entry, ...]]:
    """Read the answer to ``entries``."""
    with Judged():
        return {c.name: _listing(c, header["components"][c.name]) for c in components}


def read_privilege(header: Mapping[str, t.Any]) -> bool:
    """Whether the half ran as root."""
    with Judged():
        return int(header["host"]["euid"]) == 0


@dataclasses.dataclass(frozen=True)
class Told:
    """What a half says of its host: its clock, in seconds since 1970, and a digest of its machine id, if it has one.

    ``restores`` are the restores in place that were open there while it walked; of one that came and went meanwhile
    it knows no id.
    """

    time: int
    machine: str | None
    restores: tuple[str, ...] = ()


def read_told(header: Mapping[str, t.Any]) -> Told:
    """Read who has answered, and when by its own clock."""
    with Judged():
        host = header["host"]
        moment, machine = int(host["time"]), host.get("machine")
        if abs(moment) > _HIGHEST_SIZE:
            raise ValueError("no time")
        return Told(moment, None if machine is None else _digest(machine), _restores(host))


def _restores(host: Mapping[str, t.Any]) -> tuple[str, ...]:
    told = host.get("restores", [])
    ids = {one for one in told if isinstance(one, str) and _RESTORE.fullmatch(one)}
    if not isinstance(told, list) or len(told) > min(len(ids), _RESTORES):
        raise ValueError("no restores")
    return tuple(sorted(ids)) or ((PASSED,) if host.get("restored") else ())


def sentence(value: object) -> str:
    """A text of a host's for people: cut where it is too long, and nothing in it that a terminal would obey."""
    return visible(str(value)[:_SENTENCE])


def read_applied(header: Mapping[str, t.Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read an apply's answer: the paths written, and the warnings."""
    with Judged():
        warnings = tuple(sentence(f"{path}: {text}") for path, text in header.get("warnings", ()))
        return tuple(str(path) for path in header.get("written", ())), warnings


@dataclasses.dataclass(frozen=True)
class KeptFile:
    """Compressed contents that the host keeps in a folder of its own: their size in bytes and their SHA-256."""

    folder: str
    size: int
    sha256: str


def read_file(header: Mapping[str, t.Any], *, limit_bytes: int) -> KeptFile | None:
    """Read where the host keeps the contents, None where they came with the answer.

    :param limit_bytes: what the contents may hold after decompression.
    :raises TooLargeError: what is kept cannot be the contents of so few bytes.
    """
    with Judged():
        if "file" not in header:
            return None
        file = header["file"]
        kept = KeptFile(_name(file["folder"]), _within(file["size"], _HIGHEST_SIZE), _digest(file["sha256"]))
    # what cannot be compressed grows by 5 bytes in 16 KiB (RFC 1951, section 3.2.4; zlib's compressBound)
    if kept.size > limit_bytes + limit_bytes // 1024 + _STEP:
        raise TooLargeError(_LARGER)
    return kept


def read_folder(header: Mapping[str, t.Any]) -> str | None:
    """Where an answer that may be wrong in anything else says that the host keeps contents; None where it does not."""
    file = header.get("file")
    folder = file.get("folder") if isinstance(file, dict) else None
    return folder if isinstance(folder, str) and _FOLDER.fullmatch(folder) else None


def read_content(
    components: Sequence[Component], header: Mapping[str, t.Any], pieces: Iterable[bytes], *, limit_bytes: int
) -> dict[str, ComponentContent]:
    """Read the answer to ``content``; sizes and digests must be those of the bytes that came.

    :param pieces: the compressed contents, in pieces of any size; all of them are taken.
    :param limit_bytes: what the contents of all components may hold.
    :raises TooLargeError: the host lists more; nothing of it is unpacked.
    """
    told = {}
    files = {}
    with Judged():
        for component in components:
            answer = header["components"][component.name]
            entries = _listing(component, answer)
            files[component.name] = _in_order(entries, answer["contents"])
            told[component.name] = ComponentContent(
                fingerprint=_fingerprint(component, answer),
                entries=entries,
                contents={},
                marks=_marks(entries, answer["changed_while_read"]),
            )
    if sum(entry.size for entries in files.values() for entry in entries) > limit_bytes:
        raise TooLargeError(_LARGER)
    stream = _Unpacked(pieces)
    found = {}
    for name, part in told.items():
        contents = {entry.path: stream.take(entry) for entry in files[name]}
        found[name] = dataclasses.replace(part, contents=contents)
    stream.end()
    return found


def _marks(entries: Sequence[Entry], changed: t.Any) -> tuple[str, ...]:
    """What is odd of a component's content: each mark stands in a signed body, so a host cannot make any number."""
    listed = {entry.path for entry in entries}
    paths = [str(path) for path in changed]
    if not listed.issuperset(paths):
        raise ValueError("what changed is not listed")
    more = len(paths) - _NAMED
    marks = [f"changed while read: {path}" for path in paths[:_NAMED]]
    return (*marks, *([f"changed while read: {more} more"] if more > 0 else []))


def _in_order(entries: Sequence[Entry], places: t.Any) -> list[Entry]:
    """The files of a listing in the order in which their contents come: each of them, once."""
    files = [place for place, entry in enumerate(entries) if entry.kind is EntryKind.FILE]
    whole = isinstance(places, list) and all(isinstance(p, int) and not isinstance(p, bool) for p in places)
    if not whole or sorted(places) != files:
        raise ValueError("not the places of all files")
    return [entries[place] for place in places]


def _steps(pieces: Iterable[bytes]) -> Iterator[memoryview]:
    for piece in pieces:
        for at in range(0, len(piece), _STEP):
            yield memoryview(piece)[at : at + _STEP]


def _broken(message: str, item: str | None = None) -> ConnectionLostError:
    return ConnectionLostError(message, item=item, remedy="Nothing of it was used. Run again.")


class _Unpacked:
    """The contents out of their pieces, one file after the other; never more in memory than is asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._steps = _steps(pieces)
        self._unpacker = zlib.decompressobj()
        self._held = memoryview(b"")

    def take(self, entry: Entry) -> bytes:
        """The content of the next file; raises ConnectionLostError where it is not what was listed."""
        # joining parts would hold a large file twice
        content = io.BytesIO()
        left = entry.size
        while left:
            self._held = self._held or self._next()
            if not self._held:
                raise _broken("the contents broke off", entry.path)
            taken = content.write(self._held[:left])
            self._held = self._held[taken:]
            left -= taken
        whole = content.getvalue()
        if hashlib.sha256(whole).hexdigest() != entry.sha256:
            raise _broken("the content that came is not what was listed", entry.path)
        return whole

    def end(self) -> None:
        """Take what is left of the pieces, which must be the end of the stream and nothing else."""
        if self._held or self._next():
            raise _broken("more content came than was listed")

    def _next(self) -> memoryview:
        """Some bytes of the stream, none at its end."""
        try:
            while True:
                step = self._unpacker.unconsumed_tail or next(self._steps, None)
                if step is None:
                    break
                data = self._unpacker.decompress(step, _STEP)
                if self._unpacker.unused_data:
                    raise _broken("more content came than was listed")
                if data:
                    return memoryview(data)
        except zlib.error as e:
            raise _broken("the contents that came are damaged") from e
        if not self._unpacker.eof:
            raise _broken("the contents broke off")
        return memoryview(b"")


def fingerprint(
    component: Component, entries: Sequence[Entry], absent: Sequence[str], contents: Mapping[str, bytes] | None = None
) -> PlainFingerprint:
    """Recompute a component's plain fingerprint from its entries, as the host's half does.

    :param contents: the bytes of its files by path, for texts that have volatile lines.
    :raises FormatError: what tells what is volatile is no pattern, or one that runs away.
    """
    spelled = [write_entry(entry) for entry in entries]
    answer: dict[str, t.Any] = {
        "fingerprint": _tree.fingerprint(spelled, absent),
        "bytes": sum(entry.size for entry in entries),
        "entries": len(entries),
        "left_out": [],
        "left_out_bytes": 0,
    }
    if component.kind == sources.DEVICE:
        return _of_device(component, answer, spelled, absent, contents or {})
    if component.volatile:
        try:
            if component.kind != FILES:
                patterns = _texts.compiled(component.volatile)
                spelled = [_steady(entry, patterns, contents or {}) for entry in spelled]
                answer["normalised"] = _tree.fingerprint(spelled, absent)
            else:
                answer["normalised"] = _tree.normalised(spelled, absent, component.volatile)
        except _texts.SlowError as e:
            raise FormatError(f"component {component.name}: {e}", item=component.name, remedy=_RUN_AWAY) from e
        except ValueError as e:
            raise FormatError(f"component {component.name} has a pattern that is none", item=component.name) from e
    return _fingerprint(component, answer)


def platform_of(component: Component) -> Platform | None:
    """The platform of a device's component: as it was declared, or as this version knows it; None where it does not."""
    known = component.means.get("platform")
    if isinstance(known, Platform):
        return known
    try:
        return platforms.find(str(component.source.get("platform", "")))
    except PolicyError:
        return None


def _of_device(
    component: Component,
    answer: Mapping[str, t.Any],
    spelled: Sequence[dict[str, t.Any]],
    absent: Sequence[str],
    contents: Mapping[str, bytes],
) -> PlainFingerprint:
    """The fingerprint of a device's texts: drift is what differs once they are normalised."""
    found = _fingerprint(component, answer)
    platform = platform_of(component)
    if platform is None:
        return found
    normal = []
    for entry in spelled:
        item = entry["path"].rpartition("/")[2]
        try:
            text = normalise.normalised(platform, item, contents.get(entry["path"], b""), component.volatile)
        except (CaptureError, PolicyError) as e:
            raise FormatError(e.message, item=f"{component.name}/{item}", remedy=e.remedy) from e
        normal.append({**entry, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()})
    return dataclasses.replace(
        found, normalised=_tree.fingerprint(normal, absent), normaliser=normalise.normaliser(platform)
    )


def _steady(
    entry: dict[str, t.Any], patterns: Sequence[re.Pattern[bytes]], contents: Mapping[str, bytes]
) -> dict[str, t.Any]:
    """The entry of a text as it would be without volatile lines."""
    text = _texts.Steady(patterns)
    text.write(contents.get(entry["path"], b""))
    size, sha256 = text.finish()
    return {**entry, "size": size, "sha256": sha256}


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
        mtime_ns=_moment(value["mtime_ns"]),
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


def _moment(value: t.Any) -> int:
    moment = int(value)
    if abs(moment) >= _LATEST:
        raise ValueError("a time that no manifest can hold")
    return moment


def _within(value: t.Any, highest: int) -> int:
    number = int(value)
    if not 0 <= number <= highest:
        raise ValueError("out of range")
    return number


class Judged:
    """Turns the KeyErrors and ValueErrors of a malformed answer into one sentence."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (LookupError, TypeError, ValueError, AttributeError, OverflowError)):
            raise ConnectionLostError("the host's answer does not have the form that was asked for") from error


def _fingerprint(component: Component, answer: Mapping[str, t.Any]) -> PlainFingerprint:
    raw = _digest(answer["fingerprint"])
    has_own = component.volatile and component.kind != sources.DEVICE
    stable = _digest(answer["normalised"]) if has_own else None
    size, entries = (_within(answer[field], _HIGHEST_SIZE) for field in ("bytes", "entries"))
    left_out = tuple(LeftOut(_name(path), str(reason)) for path, reason in answer["left_out"])
    return PlainFingerprint(
        component,
        raw,
        size=size,
        entries=entries,
        left_out=left_out,
        normalised=stable,
        normaliser=None if stable is None else _NORMALISER if component.kind == FILES else _LINES,
        left_out_bytes=_within(answer["left_out_bytes"], _HIGHEST_SIZE),
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
    if component.kind != FILES and not _are_texts(component, entries):
        raise ValueError("not the texts that were asked for, or not as texts are")
    return entries


def _are_texts(component: Component, entries: Sequence[Entry]) -> bool:
    folder, items = sources.folder(component.name), sources.items(component)
    return len(entries) == len(items) and all(
        entry == read_entry(_texts.entry(folder, item, entry.size, entry.sha256))
        for entry, item in zip(entries, items, strict=True)
    )


def _require_tree(entries: Sequence[Entry]) -> None:
    """Refuse a listing that a pack could not hold: in order, below folders, hard links after what they lead to."""
    kinds: dict[str, EntryKind] = {}
    last = b""
    for entry in entries:
        path = os.fsencode(entry.path)
        folders = (kinds.get(above, EntryKind.DIRECTORY) for above in folders_above(entry.path))
        if path <= last or any(kind is not EntryKind.DIRECTORY for kind in folders):
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
        remedy = "Exclude what is no configuration, narrow the component, or raise its max_bytes if they are too many."
        return TooLargeError(message, item=named, remedy=remedy)
    return CaptureError(message, item=named, remedy=_CAPTURE_REMEDIES.get(kind, _REPORT))


def _apply_refusal(error: Mapping[str, t.Any]) -> RestoreError:
    kind, message, named = _told(error)
    remedy = _APPLY_REMEDIES.get(kind, _REPORT)
    left = [sentence(path) for path, _why in error.get("left", ())]
    if error.get("undone"):
        stays = f"The host is as it was, but for {', '.join(left[:_NAMED])}" if left else "The host is as it was"
        details = {"undone": True, "left": left[:LISTED]}
        return UndoneError(message, item=named, remedy=f"{stays}. {remedy}", details=details)
    written = len(error.get("written", ()))
    if written:
        message = f"{message}, after {written} paths were written"
    return RestoreError(message, item=named, remedy=remedy, details={"left": left[:LISTED]} if left else None)


def _told(error: Mapping[str, t.Any]) -> tuple[str, str, str]:
    items = [sentence(item) for item in error.get("items", ())]
    named = ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")
    return str(error.get("type", "")), sentence(error.get("message", "the host's half refused")), named


_LARGER = "the host's answer is larger than was asked for"
_REPORT = "Run again; if it comes back, report it with this sentence."
_OLDER = "Use the host's half of this version: remove copies of the collection that are older."
_RUN_AWAY = "Give patterns that cannot run away: no repeat of what repeats, and few .* in one."
_CAPTURE_REMEDIES = {
    "absent": "Correct the component's paths, or declare it only for hosts that have it.",
    "ambiguous": "Name its unit instead, or the user whose process counts.",
    "command": "Run it by hand there, as the user whom the play becomes; correct it, or its accept or timeout.",
    "gone": "Run again. Something removes files from the host's temporary folder while a run is going on.",
    "no_folder": "Name a folder that the user who reads can write, in ansible_remote_tmp.",
    "no_space": "Free some of that file system, or name a folder of another one in ansible_remote_tmp.",
    "os": "Look at that path on the host and run again.",
    "process": "Start it, or declare the component only for hosts where it runs.",
    "request": _OLDER,
    "root": "Make that folder, or name another.",
    "slow": _RUN_AWAY,
}
_APPLY_REMEDIES = {
    "busy": "Wait for the other restore, or until its lease is over, and run again; nothing was touched.",
    "immutable": "Take the attribute away with chattr, or restore without these paths; nothing was touched.",
    "invalid": "Choose another recovery point, or run that command by hand on what is restored under another folder.",
    "journal": "Look at that folder on the host: it holds what an earlier restore needs to go back.",
    "mount": "Unmount what is there, or restore without these paths; nothing was touched.",
    "read_only": "Make that file system writable, or restore without these paths; nothing was touched.",
    "reload": "Look at that unit on the host with systemctl status and journalctl.",
    "stale": "Nothing is open under this id: look at the host, and run the restore again.",
    "root": "Name another folder to restore under.",
    "outside": "Remove the symbolic link, or restore under an empty folder.",
    "in_the_way": "Move what stands there; or restore with exact, or under an empty folder.",
    "no_space": "Free the space named, or restore under another file system.",
    "partial": "Paths already written are whole; correct the cause and run the restore again.",
    "hostile": "Do not use this snapshot; find out who wrote it.",
    "payload": "Run the restore again; nothing was touched.",
    "os": "Look at that path on the host and run again.",
    "request": _OLDER,
}
