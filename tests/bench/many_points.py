# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points of years in a folder, signed as runs sign them, without the packs and manifests that they name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import random
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant, keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, HostFailure, Statement
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import sign_envelope
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Clock, Lab, make_keyring

DAYS = 3 * 365
COMPONENTS = 3
ENVIRONMENTS = ("production", "staging", "test")
_LIMIT = 1024 * 1024 * 1024
_KEPT = "d0090"


@dataclasses.dataclass(frozen=True)
class Size:
    """So many streams, backed up once a day; of them a share is stored anew each time, the others are unchanged."""

    streams: int
    days: int = DAYS
    changed: float = 0.92


def fill(path: Path, size: Size) -> str:
    """Make a repository in ``path/store`` with the points of these days, the last one today; returns its pin."""
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    clock = Clock(now - dt.timedelta(days=size.days + 1))
    lab = Lab.make(path, MemoryStore(now=clock), make_keyring(path / "keyring", clock()), clock)
    for listed in lab.store.list():
        _write(path, listed.name, clock(), lab.store.get(listed.name))
    by = lab.keyring.signer(use="point", among=lab.repository.root.signing("point", now))
    fleet = _Fleet(size)
    seen: list[str] = []
    for day in range(size.days):
        at = now - dt.timedelta(days=size.days - 1 - day)
        body, streams = fleet.run(lab.repository.root.id, day, at, seen)
        data = _spelled(body, streams)
        body_name = names.for_point(names.Kind.BODY, at, body.run, data)
        payload = statement_format.payload(_statement(body, len(streams), body_name))
        envelope = sign_envelope(lab.keyring, statement_format.PAYLOAD_TYPE, payload, use="point", by=by)
        name = names.for_point(names.Kind.POINT, at, body.run, envelope)
        seen.append(names.parse(name).sha256)
        for put, held in ((body_name, data), (name, envelope)):
            _write(path, put, keep.point_lock(at, DAYS), held)
    FileStore.create(path / "store")
    return lab.repository.root.id


class _Fleet:
    """Streams and what each has newest; deterministic."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._random = random.Random(11)
        self._newest: list[dict[str, t.Any]] = [{}] * size.streams

    def run(self, root: str, day: int, at: dt.datetime, seen: list[str]) -> tuple[Body, list[str]]:
        """The body of a day's run without its streams, and these, spelled; every second one is full."""
        failed = (HostFailure(f"host{day % self._size.streams:05}", "it was not reached"),) if day % 10 == 0 else ()
        streams = [self._stream(number, day, at) for number in range(self._size.streams)]
        full = day % 2 == 0
        body = Body(
            repository="prod",
            root=root,
            run=f"{day:016x}",
            point="main",
            opened_at=at,
            sealed_at=at,
            parents=tuple(seen[-1:]),
            full=full,
            covers=tuple(sorted(seen)) if full else (),
            streams=(),
            expected=(),
            failed=failed,
            missing=(),
            consistency=(),
            change={
                "id": f"CHG{day:07}",
                "deployment": f"deploy-{day}",
                "version": f"{day // 100}.{day % 100}.0",
                "environment": ENVIRONMENTS[day % len(ENVIRONMENTS)],
                "deployer": f"user{day % 40}",
            },
            complete=not failed,
            alias=f"v{day // 100}.{day % 100}.0",
            actor={"user": "backup", "controller": "ctl1"},
        )
        return body, streams

    def _stream(self, number: int, day: int, at: dt.datetime) -> str:
        stored = not self._newest[number] or self._random.random() < self._size.changed
        if stored:
            self._newest[number] = _stored(number, day, at)
        # a stream that nobody asked is carried
        state = "stored" if stored else "carried" if self._random.random() < 0.01 else "unchanged"
        verified = self._newest[number]["captured_at"] if state == "carried" else instant.to_text(at)
        told = {**self._newest[number], "state": state, "verified_at": verified}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _stored(number: int, day: int, at: dt.datetime) -> dict[str, t.Any]:
    # two tiers of each host
    host, tier = f"host{number // 2:05}", f"tier{number % 2 + 1}"
    lock = instant.to_text(at + dt.timedelta(days=120))
    stamp = instant.to_name(at)

    def digests() -> Iterator[str]:
        for part in range(2 + 2 * COMPONENTS):
            yield hashlib.sha256(f"{number} {day} {part}".encode()).hexdigest()

    found = digests()

    def ref(kind: str, suffix: str) -> dict[str, t.Any]:
        digest = next(found)
        name = f"{kind}/{_KEPT}/{host}/{tier}/{stamp}-{digest}{suffix}"
        return {"name": name, "version": f"{stamp}.{digest[:16]}", "size": 2000, "lock_until": lock}

    return {
        "host": host,
        "host_id": host,
        "stream": tier,
        "class": _KEPT,
        "captured_at": instant.to_text(at),
        "pack": ref("packs", ".tar.zst.age"),
        "manifest": ref("manifests", ".json.zst"),
        "fingerprints": [
            {
                "component": f"component{part}" if part else f"app{number % 100}",
                "definition": next(found),
                "digest_key": "k1",
                "raw": next(found),
                "normalised": None,
                "normaliser": None,
            }
            for part in range(COMPONENTS)
        ],
        "marks": [],
    }


def _spelled(body: Body, streams: list[str]) -> bytes:
    """As :func:`body_format.write` does, which would take minutes: the streams are put in as they are spelled."""
    plain = zstd.decompress(body_format.write(body), limit=_LIMIT)
    head, tail = plain.split(b'"streams":[]')
    return zstd.compress(b"".join((head, b'"streams":[', ",".join(streams).encode(), b"]", tail)))


def _statement(body: Body, streams: int, body_name: str) -> Statement:
    return Statement(
        repository=body.repository,
        root=body.root,
        run=body.run,
        point=body.point,
        sealed_at=body.sealed_at,
        complete=body.complete,
        full=body.full,
        parents=body.parents,
        counts={"streams": streams, "failed": len(body.failed), "missing": 0},
        body_name=body_name,
        body_sha256=names.parse(body_name).sha256,
        alias=body.alias,
        change=body.change_id,
    )


def _write(path: Path, name: str, lock_until: dt.datetime, data: bytes) -> None:
    """Put an object as a file store does, long ago."""
    digest = hashlib.sha256(data).hexdigest()[:16]
    file = path / "store" / f"{name}@{instant.to_name(lock_until)}.{digest}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
