# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bodies of recovery points (format.md section 6)."""

from __future__ import annotations

import typing as t

from ..errors import FormatError
from ..model.point import Body, ConsistencyFinding, HostFailure, ObjectRef, Retirement, StreamEntry, StreamState
from ..seal import zstd
from . import canonical, names
from .canonical import Fields, moment, words
from .manifest import read_fingerprint, write_fingerprint

SIZE_LIMIT = 1024 * 1024 * 1024
_STREAM_FIELDS = (
    "host",
    "host_id",
    "stream",
    "class",
    "state",
    "captured_at",
    "verified_at",
    "pack",
    "manifest",
    "fingerprints",
    "marks",
)


def write(body: Body) -> bytes:
    """Spell a body: compressed canonical JSON."""
    document = {
        **canonical.header("body", body.repository),
        "root": body.root,
        "run": body.run,
        "point": body.point,
        "opened_at": moment(body.opened_at),
        "sealed_at": moment(body.sealed_at),
        "parents": list(body.parents),
        "full": body.full,
        "covers": list(body.covers),
        "streams": [write_stream(entry) for entry in body.streams],
        "expected": list(body.expected),
        "failed": [{"host": failure.host, "reason": words(failure.reason)} for failure in body.failed],
        "missing": list(body.missing),
        "consistency": [{"check": finding.check, "detail": words(finding.detail)} for finding in body.consistency],
        "change": dict(body.change),
        "complete": body.complete,
    }
    if body.alias is not None:
        document["alias"] = body.alias
    if body.actor:
        document["actor"] = dict(body.actor)
    if body.retired:
        document["retired"] = [write_retirement(retirement) for retirement in body.retired]
    plain = canonical.dump(document)
    if len(plain) > SIZE_LIMIT:
        raise FormatError(f"the body would be larger than {SIZE_LIMIT} bytes", remedy="Split the repository.")
    return zstd.compress(plain)


def read(data: bytes, *, what: str) -> Body:
    """Read a body back; raises FormatError."""
    plain = zstd.decompress(data, limit=SIZE_LIMIT)
    fields = canonical.expect(canonical.load(plain, what=what), "body", what=what)
    return Body(
        repository=fields.text("repository"),
        root=fields.digest("root"),
        run=fields.text("run"),
        point=fields.text("point"),
        opened_at=fields.moment("opened_at"),
        sealed_at=fields.moment("sealed_at"),
        parents=fields.digests("parents"),
        full=fields.flag("full"),
        covers=fields.digests("covers"),
        streams=fields.each("streams", read_stream),
        expected=fields.texts("expected"),
        failed=fields.each("failed", lambda f: HostFailure(f.text("host"), f.text("reason"))),
        missing=fields.texts("missing"),
        consistency=fields.each("consistency", lambda f: ConsistencyFinding(f.text("check"), f.text("detail"))),
        change=fields.mapping("change"),
        complete=fields.flag("complete"),
        retired=fields.each("retired", read_retirement) if fields.has("retired") else (),
        alias=fields.alias_or_none("alias"),
        actor=fields.mapping("actor") if fields.has("actor") else {},
    )


def write_retirement(retirement: Retirement) -> dict[str, t.Any]:
    """A retirement that a full body has taken in."""
    return {
        "host": retirement.host,
        "stream": retirement.stream,
        "at": moment(retirement.at),
        "record": retirement.record,
    }


def read_retirement(fields: Fields) -> Retirement:
    """Read :func:`write_retirement` back."""
    return Retirement(
        host=fields.text("host"),
        stream=fields.text_or_none("stream"),
        at=fields.moment("at"),
        record=fields.digest("record"),
    )


def write_stream(entry: StreamEntry) -> dict[str, t.Any]:
    """A stream entry, as bodies and run folders hold it."""
    return {
        **entry.extra,
        "host": entry.host,
        "host_id": entry.host_id,
        "stream": entry.stream,
        "class": entry.retention_class,
        "state": entry.state.value,
        "captured_at": moment(entry.captured_at),
        "verified_at": moment(entry.verified_at),
        "pack": _write_ref(entry.pack),
        "manifest": _write_ref(entry.manifest),
        "fingerprints": [write_fingerprint(fingerprint) for fingerprint in entry.fingerprints],
        "marks": [words(mark) for mark in entry.marks],
    }


def read_stream(fields: Fields) -> StreamEntry:
    """Read :func:`write_stream` back; unknown fields are kept in ``extra``."""
    try:
        state = StreamState(fields.text("state"))
    except ValueError as e:
        raise fields.refuse("state", "is none that this format has") from e
    return StreamEntry(
        host=fields.text("host"),
        host_id=fields.text("host_id"),
        stream=fields.text("stream"),
        retention_class=fields.text("class"),
        state=state,
        captured_at=fields.moment("captured_at"),
        verified_at=fields.moment("verified_at"),
        pack=_read_ref(fields.inner("pack"), names.Kind.PACK),
        manifest=_read_ref(fields.inner("manifest"), names.Kind.MANIFEST),
        fingerprints=fields.each("fingerprints", read_fingerprint),
        marks=fields.texts("marks"),
        extra=fields.others(_STREAM_FIELDS),
    )


def _write_ref(ref: ObjectRef) -> dict[str, t.Any]:
    return {"name": ref.name, "version": ref.version, "size": ref.size, "lock_until": moment(ref.lock_until)}


def _read_ref(fields: Fields, kind: names.Kind) -> ObjectRef:
    name = fields.text("name")
    if names.parse(name).kind is not kind:
        raise fields.refuse("name", f"is not that of an object in {kind.value}/")
    return ObjectRef(
        name=name,
        version=fields.text("version"),
        size=fields.number("size"),
        lock_until=fields.moment("lock_until"),
    )
