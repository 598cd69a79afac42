# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs cost whose repository is a bucket, beside a `ping` play, a local folder, and restic on the same server.

Prints and never judges speed. That a run did what its row says is judged.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server

from .buckets import BucketRepository, ResticBucket, on_server
from .fleet import HOSTS, ROUNDS, Fleet, Repository, Spent
from .report import S3, S3_RESTORE, S3_VERIFY, Beside, Report

HEAD = ("run", "server", "aim", "times ping", "seconds", "ping, seconds", "controller CPU a host beside ping, ms")
VERIFY_HEAD = ("server", "what", "objects", "MB", "seconds", "MB/s", "objects/s")
RESTORE_HEAD = ("server", "times a local folder", "seconds", "the other, seconds")
# what cannot be compressed, of each host
LARGE = 10 * 2**20


@pytest.fixture(scope="module")
def large(fleet: Fleet) -> Path:
    """A tree of each host, below this folder, that cannot be compressed."""
    top = fleet.path / "large"
    for host in fleet.sshds:
        for number in range(LARGE // 2**20):
            file = top / host / f"f{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(2**20))
    return top


@pytest.fixture(scope="module")
def known(fleet: Fleet, s3: S3Server) -> BucketRepository:
    """A repository that has seen all hosts."""
    repository = on_server(fleet, s3)
    fleet.backup({}, repository, changed=HOSTS)
    return repository


@pytest.fixture(scope="module")
def local(fleet: Fleet) -> Repository:
    """The same in a folder."""
    repository = fleet.new_repository()
    fleet.backup({}, repository, changed=HOSTS)
    return repository


def test_no_drift(fleet: Fleet, s3: S3Server, known: BucketRepository, report: Report) -> None:
    _beside_ping(fleet, report, s3, "no drift", "≤ 0.9", lambda: fleet.backup({}, known, changed=0))


def test_first(fleet: Fleet, s3: S3Server, report: Report) -> None:
    fresh = [on_server(fleet, s3) for _round in range(ROUNDS)]
    _beside_ping(fleet, report, s3, "first", "≤ 1.4", lambda: fleet.backup({}, fresh.pop(), changed=HOSTS))


def test_restore_of_one_host(
    fleet: Fleet, s3: S3Server, known: BucketRepository, local: Repository, report: Report
) -> None:
    host = next(iter(fleet.sshds))

    def back(repository: Repository) -> Spent:
        before = fleet.damage(host)
        found = fleet.restore({}, repository, hosts=host)
        assert {path: path.read_bytes() for path in before} == before
        return found

    pairs = [(back(known), back(local)) for _round in range(ROUNDS)]
    found = Beside([ours for ours, _other in pairs], [other for _ours, other in pairs])
    report.add(S3_RESTORE, RESTORE_HEAD, s3.name, found.ratio, *found.seconds)


def test_verify(fleet: Fleet, s3: S3Server, large: Path, report: Report) -> None:
    components = ({"name": "large", "paths": [f"{large}/{{{{ inventory_hostname }}}}"]},)
    ours = on_server(fleet, s3, components=components)
    fleet.backup({}, ours, changed=HOSTS)
    theirs = ResticBucket(fleet.path / s3.make_bucket(lock=False), s3)
    theirs.backup(large)
    pairs = [(_verify(fleet, ours), theirs.check()) for _round in range(ROUNDS)]
    objects, size = ours.size(fleet.path)
    for what, count, held, spent in (
        ("verify, level content", objects, size, [one for one, _other in pairs]),
        ("restic check --read-data", None, theirs.size(), [other for _one, other in pairs]),
    ):
        seconds = statistics.median(each.seconds for each in spent)
        rate = f"{count / seconds:.0f}" if count else ""
        cells = (f"{count or ''}", f"{held / 1e6:.0f}", f"{seconds:.2f}", f"{held / 1e6 / seconds:.0f}", rate)
        report.add(S3_VERIFY, VERIFY_HEAD, s3.name, what, *cells)


def _verify(fleet: Fleet, repository: Repository) -> Spent:
    """Read all content of a repository."""
    host = next(iter(fleet.sshds))
    spent, output = fleet.run(
        ["ansible", host, "-o", "-m", "holdfast.config.verify", "-a", "level=content"], repository=repository
    )
    assert json.loads(output.partition("=> ")[2])["sound"]
    return spent


def _beside_ping(fleet: Fleet, report: Report, s3: S3Server, what: str, aim: str, run: Callable[[], Spent]) -> None:
    pairs = [(fleet.ping({}), run()) for _round in range(ROUNDS)]
    found = Beside([ran for _ping, ran in pairs], [ping for ping, _ran in pairs])
    report.add(S3, HEAD, what, s3.name, aim, found.ratio, *found.seconds, found.cpu)
