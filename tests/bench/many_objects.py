# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify many objects on one S3 server over TLS, or in a folder, and print what it took.

::

    python -m ansible_collections.holdfast.config.tests.bench.many_objects --objects 100000 --server versitygw

It takes minutes for each 100,000 objects, most of them to put these there.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import datetime as dt
import functools
import hashlib
import io
import os
import resource
import sys
import tempfile
import time
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Sample
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_forks import default_forks, spread
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_progress import Progress
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_reading import How
from ansible_collections.holdfast.config.tests.integration.stores import profiles, store_at
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server, client
from ansible_collections.holdfast.config.tests.lab.s3.servers import KINDS, servers
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Lab, make_keyring

_LOCK_DAYS = 400
_EVERY_SECONDS = 30

Put = Callable[[str, bytes, dt.datetime], object]


def put_to_server(server: S3Server, place: str) -> Put:
    """What puts an object into a bucket, by one request."""
    bucket, _slash, prefix = place.partition("/")

    @functools.cache
    def of_process(_pid: int) -> t.Any:
        # a connection is never shared by two
        return client("s3", server.endpoint, server.keys[OWNER], server.ca_path)

    def put(name: str, data: bytes, lock_until: dt.datetime) -> None:
        of_process(os.getpid()).put_object(
            Bucket=bucket,
            Key=f"{prefix}/{name}",
            Body=data,
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=lock_until,
        )

    return put


def fill(put: Put, objects: int, size: int, forks: int) -> None:
    """Put so many objects of that size, named and locked as packs are."""
    start = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)

    def one(number: int) -> None:
        data = os.urandom(size)
        at = start - dt.timedelta(seconds=number)
        name = names.for_snapshot(names.Kind.PACK, "d0090", f"host{number % 1000}", "tier1", at, data)
        put(name, data, start + dt.timedelta(days=_LOCK_DAYS))

    progress = Progress(_EVERY_SECONDS, _say)
    progress.begin("puts", objects, objects * size)
    spread(
        range(objects),
        one,
        forks=forks,
        weight=lambda _number: size,
        done=lambda _place, _result: progress.add(1, size),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def cpu_seconds() -> float:
    """What this process and its children have spent."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(title: str, lab: Lab, level: Level, how: How) -> None:
    """Verify once, and print a row."""
    start, spent = time.monotonic(), cpu_seconds()
    report = verify.verify(lab.repository, level=level, how=how)
    seconds, spent = time.monotonic() - start, cpu_seconds() - spent
    assert not report.broken, report.broken[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rate = report.objects / seconds
    told = (
        title,
        f"{report.objects:,}",
        f"{report.read.objects:,}",
        *(f"{x:.0f}" for x in (seconds, rate, spent, peak)),
    )
    print(f"| {' | '.join(told)} |", flush=True)


def measure(store: Store, put: Put, path: Path, given: argparse.Namespace) -> None:
    """Make a repository there, fill it, and verify it."""
    now = dt.datetime.now(dt.timezone.utc)
    keys = make_keyring(path / "keyring", now - dt.timedelta(days=1))
    lab = Lab.make(path, store, keys, lambda: dt.datetime.now(dt.timezone.utc))
    start = time.monotonic()
    fill(put, given.objects, given.bytes, given.forks)
    print(f"{given.server}: {given.objects:,} objects put in {time.monotonic() - start:.0f} s", flush=True)
    print(
        "| verify | objects | read | seconds | objects/s | CPU s | peak MiB |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    how = How(forks=given.forks, progress=Progress(_EVERY_SECONDS, _say))
    timed("names", lab, Level.NAMES, how)
    timed("content", lab, Level.CONTENT, how)
    timed("content, 5 %", lab, Level.CONTENT, dataclasses.replace(how, sample=Sample(percent=5)))


def main(arguments: Sequence[str]) -> int:
    """Put, verify, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Verify many objects in one repository.")
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=2000, help="of each object")
    parser.add_argument("--server", choices=[*sorted(KINDS), "file"], default="versitygw")
    parser.add_argument("--forks", type=int, default=default_forks())
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if given.server == "file":
            files = FileStore.create(path / "store")
            measure(files, lambda name, data, lock: files.put_new(name, io.BytesIO(data), lock_until=lock), path, given)
            return 0
        with servers(path / "s3") as running:
            server = running.get(given.server)
            with profiles(server, path):
                place = f"{server.make_bucket()}/of/many"
                measure(store_at(server, place), put_to_server(server, place), path, given)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
