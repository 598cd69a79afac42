# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What open and seal of an unchanged run cost in time, memory and calls (docs/design/costs.md).

Prints and never judges: these machines' speed is not ours. ``FLEETS`` and ``SINCE`` set the sizes: hosts, and points
since the last full body.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import os
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keys
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant, keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, open_point, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import (
    PointFolder,
    Receipt,
    StreamReceipt,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Clock, Lab, make_keyring
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.test_costs import (
    counted,
    fleet,
    measured,
    put_all,
    put_beside,
    signing_key,
    spelled,
)

FLEETS = tuple(map(int, os.environ.get("FLEETS", "1 200 2000 10000").split()))
SINCE = tuple(map(int, os.environ.get("SINCE", "1 100 3000").split()))
AGE = dt.timedelta(hours=6)
# more of them are measured once
MANY = 3000

Parts = Sequence[tuple[str, t.Any, str]]
Columns = Mapping[str, Mapping[str, float]]
OPEN: Parts = (
    ("list points", points, "listed_points"),
    ("fetch statements, bodies", objects, "read"),
    ("check statements", points, "read_statement"),
    ("parse bodies", body_format, "read"),
    ("check bodies", points, "check_body"),
    ("judge who is kept", keep, "ended"),
    ("judge who is due", keep, "due"),
    ("find what is gone", open_point, "_lost"),
    ("live.json, due.json", PointFolder, "write_live"),
    ("host sheets", PointFolder, "write_host"),
    ("digest key", LocalKeyring, "digest_key"),
    ("digest keys of hosts", keys, "host_key"),
)
SEAL: Parts = (
    ("read receipts", PointFolder, "read_receipts"),
    ("read live.json", PointFolder, "read_live"),
    ("judge who is kept", keep, "ended"),
    ("spell bodies", body_format, "write"),
    ("parse the body again", body_format, "read"),
    ("check the body", points, "check_body"),
    ("put both", objects, "put"),
    ("sealed.json, clean up", PointFolder, "write_sealed"),
)


class Watch:
    """Sums the seconds that named functions take while a block runs, each without the others it calls."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._inner = [0.0]
        self.spent: dict[str, float] = dict.fromkeys([part for part, _owner, _name in parts], 0.0)

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Watch while the block runs."""
        with contextlib.ExitStack() as stack:
            for part, owner, name in self._parts:
                stack.enter_context(mock.patch.object(owner, name, self._timed(part, getattr(owner, name))))
            start = time.perf_counter()
            yield
            whole = time.perf_counter() - start
        self.spent["the rest"] = whole - sum(self.spent.values())
        self.spent["all"] = whole

    def _timed(self, part: str, call: Callable[..., t.Any]) -> Callable[..., t.Any]:
        @functools.wraps(call)
        def timed(*args: t.Any, **kwargs: t.Any) -> t.Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                took = time.perf_counter() - start
                self.spent[part] += took - self._inner.pop()
                self._inner[-1] += took

        return timed


def utcnow() -> dt.datetime:
    """The controller's clock, and that of a file store."""
    return dt.datetime.now(dt.timezone.utc)


def made(path: Path, hosts: int) -> Lab:
    """A repository in memory, some hours old, with a real full point of so many hosts."""
    clock = Clock(utcnow() - AGE)
    keyring = make_keyring(path / "keyring", clock())
    lab = Lab.make(path, MemoryStore(now=clock), keyring, clock)
    lab.run(fleet(hosts))
    return lab


def host_names(hosts: int) -> list[str]:
    """The hosts of a stocked repository."""
    return [f"web{number}.example.com" for number in range(hosts)]


def stocked(path: Path, hosts: int) -> tuple[Lab, list[StreamEntry]]:
    """The same with one full body of so many hosts, made of the snapshot of one; with its entries."""
    lab = made(path, 1)
    (name,) = points.point_names(lab.repository)
    first = points.read_point(lab.repository, name)
    entries = [like(lab, entry, host) for host in host_names(hosts) for entry in first.body.streams]
    body = dataclasses.replace(
        first.body,
        run="e" * 16,
        parents=(first.id,),
        covers=(first.id,),
        streams=tuple(sorted(entries, key=lambda entry: entry.key)),
        expected=tuple(sorted(host_names(hosts))),
    )
    counts = {**first.statement.counts, "streams": len(entries), "stored": len(entries)}
    statement = dataclasses.replace(first.statement, run=body.run, parents=body.parents, counts=counts)
    put_all(lab, spelled(lab, statement, body, signing_key(lab, body.sealed_at)), body.sealed_at)
    return lab, entries


def like(lab: Lab, entry: StreamEntry, host: str) -> StreamEntry:
    """The entry of another host's snapshot: other digests, another name, another spread of its lock."""
    kept = lab.repository.root.classes[entry.retention_class]
    lock_until = instant.whole(keep.snapshot_lock(entry.captured_at, kept, f"{host}/{entry.stream}"))
    refs = []
    for kind in (names.Kind.PACK, names.Kind.MANIFEST):
        data = f"{kind}{host}{entry.stream}".encode()
        name = names.for_snapshot(kind, entry.retention_class, host, entry.stream, entry.captured_at, data)
        version = f"{instant.to_name(lock_until)}.{hashlib.sha256(data).hexdigest()[:16]}"
        refs.append(ObjectRef(name, version, len(data), lock_until))
    raw = hashlib.sha256(f"{host}{entry.stream}".encode()).hexdigest()
    fingerprints = tuple(dataclasses.replace(fingerprint, raw=raw) for fingerprint in entry.fingerprints)
    return dataclasses.replace(
        entry, host=host, host_id=host, pack=refs[0], manifest=refs[1], fingerprints=fingerprints
    )


def in_folder(lab: Lab, entries: Sequence[StreamEntry] = ()) -> Lab:
    """The same repository in a file store, with a file of the right size for each object of *entries*."""
    root = lab.path / "store"
    for listed in lab.store.list():
        version = f"{instant.to_name(t.cast(dt.datetime, listed.lock_until))}.{listed.version[:16]}"
        _write(root, listed.name, version, lab.store.get(listed.name, version=listed.version))
    for entry in entries:
        for ref in (entry.pack, entry.manifest):
            _write(root, ref.name, ref.version, bytes(ref.size))
    repository = open_repository(FileStore.create(root), pin=lab.repository.root.id)
    return dataclasses.replace(lab, repository=repository, wall_clock=utcnow)


def _write(root: Path, name: str, version: str, data: bytes) -> None:
    path = root / f"{name}@{version}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def timed_open(lab: Lab, hosts: Sequence[str], rounds: int = 1) -> tuple[PointFolder, dict[str, float]]:
    """Open as the first task of a run does; the seconds of its parts in the middle one of some rounds."""
    found = []
    for _round in range(rounds):
        start = time.perf_counter()
        repository = open_repository(lab.store, pin=lab.repository.root.id)
        chain = time.perf_counter() - start
        folder, watch = lab.folder(), Watch(OPEN)
        with watch.on():
            dataclasses.replace(lab, repository=repository).open(folder, *hosts)
        found.append((chain + watch.spent["all"], folder, {"read the chain": chain, **watch.spent}))
    whole, folder, spent = sorted(found, key=lambda each: each[0])[rounds // 2]
    return folder, {**spent, "all": whole}


def answered(folder: PointFolder, entries: Sequence[StreamEntry]) -> None:
    """Leave the receipts of workers that found nothing changed."""
    now = folder.read_open().now()
    by_host: dict[str, list[StreamReceipt]] = collections.defaultdict(list)
    for entry in entries:
        proven = dataclasses.replace(entry, state=StreamState.UNCHANGED, verified_at=now)
        by_host[entry.host].append(StreamReceipt(entry.stream, "unchanged", (), 0, proven))
    for host, parts in by_host.items():
        folder.write_receipt(Receipt(host, tuple(parts)))


def timed_seals(lab: Lab, folder: PointFolder) -> Iterator[dict[str, float]]:
    """Seal the same answers with a body of this run's streams, then with a full one; the seconds of their parts."""
    opened = folder.read_open()
    gone_at_seal = {path: path.read_bytes() for path in (folder.path / "live.json", folder.path / "due.json")}
    for since in (0, keep.FULL_AFTER_POINTS):
        folder.write_open(dataclasses.replace(opened, points_since=since, full_size=2**40))
        watch = Watch(SEAL)
        with watch.on():
            lab.seal(folder)
        yield watch.spent
        (folder.path / "sealed.json").unlink()
        for path, data in gone_at_seal.items():
            path.write_bytes(data)


def peak(lab: Lab, hosts: int) -> tuple[float, float]:
    """MiB that a process of its own has used at most, once it has loaded this module and once it has opened."""
    program = f"from {__name__} import open_alone; open_alone()"
    command = [sys.executable, "-c", program, str(lab.path), lab.repository.root.id, str(hosts)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    before, after = map(int, told.split())
    return before / 1024, after / 1024


def open_alone() -> None:
    """Open the repository that the arguments name, in this process, and print what memory it took."""
    path, pin, hosts = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    print(most_memory())
    repository = open_repository(FileStore(path / "store"), pin=pin)
    lab = Lab(path, repository, LocalKeyring(path / "keyring"), utcnow)
    lab.open(lab.folder(run="a" * 16), *host_names(hosts))
    print(most_memory())


def most_memory() -> str:
    """KiB that this process has used at most."""
    # getrusage would also count what the process had before it became this program
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return line.split()[1]


def table(capsys: pytest.CaptureFixture[str], title: str, columns: Columns, form: str) -> None:
    """Print a column for each size and a row for each part."""
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    with capsys.disabled():
        print(f"\n  {title}")
        print(f"  {'':26}" + "".join(f"{name:>16}" for name in columns))
        for row in rows:
            print(f"  {row:26}" + "".join(f"{column.get(row, 0):16{form}}" for column in columns.values()))


def test_time_and_memory_by_hosts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opens, seals, fulls, sizes = {}, {}, {}, {}
    for hosts in FLEETS:
        memory, entries = stocked(tmp_path / str(hosts), hosts)
        lab = in_folder(memory, entries)
        folder, opens[f"{hosts} hosts"] = timed_open(lab, host_names(hosts), rounds=3 if hosts < MANY else 1)
        full = folder.read_open().full_size
        loaded, opened = peak(lab, hosts)
        sizes[f"{hosts} hosts"] = {
            "full body, B": full,
            "of it each stream, B": full / len(entries),
            "process before open, MiB": loaded,
            "open adds at most, MiB": opened - loaded,
        }
        answered(folder, entries)
        seals[f"{hosts} hosts"], fulls[f"{hosts} hosts"] = timed_seals(lab, folder)
    table(capsys, "open of an unchanged run, 2 streams a host, file store, seconds", opens, ".4f")
    table(capsys, "seal of the same run, seconds", seals, ".4f")
    table(capsys, "seal of the same run with a full body, seconds", fulls, ".4f")
    table(capsys, "bytes and memory", sizes, ".1f")
    assert opens.keys() == seals.keys() == fulls.keys() == sizes.keys()


def test_time_by_points_since_the_last_full_body(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores: dict[str, dict[str, dict[str, float]]] = {"memory": {}, "file": {}}
    for since in SINCE:
        memory = made(tmp_path / str(since), 8)
        _later(memory)
        put_beside(memory, measured(memory, fleet(1)).sealed, since - 1)
        lab = in_folder(memory)
        for kind, each in (("memory", memory), ("file", lab)):
            stores[kind][f"{since} points"] = timed_open(each, ["h0"], rounds=3 if since < MANY else 1)[1]
        while lab.live().points_since:
            lab.run(fleet(1))
        stores["file"][f"{since}, covered"] = timed_open(lab, ["h0"], rounds=3)[1]
    for kind, columns in stores.items():
        table(capsys, f"open by points since the last full body, {kind} store, seconds", columns, ".4f")
    assert len(stores["memory"]) == len(SINCE)


def test_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns: dict[str, dict[str, float]] = {}
    for hosts in (1, 20, 200):
        lab = made(tmp_path / f"hosts{hosts}", hosts)
        _later(lab)
        columns[f"{hosts} hosts"] = _calls(lab, hosts)
    for since in SINCE:
        lab = made(tmp_path / f"since{since}", 8)
        _later(lab)
        put_beside(lab, measured(lab, fleet(1)).sealed, since - 1)
        columns[f"{since} points"] = _calls(lab, 1)
    table(capsys, "calls of an unchanged run, by hosts and by points since the last full body", columns, "d")
    assert all(column["by workers"] == 0 for column in columns.values())


def _calls(lab: Lab, hosts: int) -> dict[str, float]:
    spent = measured(lab, fleet(hosts))
    return {
        **{f"open: {what}": number for what, number in counted(spent.open).items()},
        "by workers": len(spent.workers),
        **{f"seal: {what}": number for what, number in counted(spent.seal).items()},
        "all": len(spent.open) + len(spent.workers) + len(spent.seal),
    }


def _later(lab: Lab) -> None:
    t.cast(Clock, lab.wall_clock).advance(minutes=1)
