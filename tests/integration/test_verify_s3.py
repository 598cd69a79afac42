# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify on real servers: what it asks of them, what it finds behind one that lies, and what a kill leaves."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import io
import os
import signal
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import StoreError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Extent, Level, Report, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify_forks
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_progress import Progress
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_reading import How, Resume
from ansible_collections.holdfast.config.tests.lab.s3.proxy import Fault, Proxy, proxy
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import FILES, Lab, make_keyring

from .stores import profiles, store_at

HOSTS = ("web1", "web2")
RUNS = 3
WEEK = dt.timedelta(days=7)


def utcnow() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Site:
    """A repository on a server: of each host a stream that drifts with each run, and one that does not."""

    server: S3Server
    place: str
    lab: Lab

    def by(self, between: Proxy | S3Server) -> Lab:
        """The same, by way of a proxy."""
        return self.lab.on(store_at(self.server, self.place, endpoint=between.endpoint))

    def packs(self, host: str = "web1") -> list[str]:
        """The packs of the stream that drifts, oldest first."""
        return self.lab.names(f"packs/d0030/{host}/tier2/")


@pytest.fixture(scope="module")
def site(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Nothing that a test puts here is a promise broken."""
    path = tmp_path_factory.mktemp("site")
    with profiles(s3, path):
        place = f"{s3.make_bucket()}/of/one"
        keys = make_keyring(path / "keyring", utcnow() - dt.timedelta(days=1))
        lab = Lab.make(path, store_at(s3, place), keys, utcnow)
        sources = {host: MemorySource(dict(FILES)) for host in HOSTS}
        for number in range(RUNS):
            for source in sources.values():
                source.files["/etc/base"] = f"{number}".encode()
            lab.run(sources)
        yield Site(s3, place, lab)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_forks, "CHUNK_ITEMS", 2)


def run(lab: Lab, level: Level = Level.CONTENT, **how: t.Any) -> Report:
    return verify(lab.repository, level=level, keyring=lab.keyring if level is Level.KEYS else None, how=How(**how))


def same(report: Report) -> Report:
    """A report without the time of its run."""
    return dataclasses.replace(report, at=None)


def asked(between: Proxy, operation: str) -> collections.Counter[str]:
    """How often that was asked of each object."""
    found = (request.key.removeprefix("of/one/") for request in between.requests if request.operation == operation)
    return collections.Counter(found)


def test_any_number_of_processes_finds_the_same(site: Site) -> None:
    for level in Level:
        alone = run(site.lab, level)
        assert alone.broken == ()
        assert same(run(site.lab, level, forks=3)) == same(alone)


@pytest.mark.parametrize("forks", [1, 3])
def test_each_object_is_described_once_and_read_once(site: Site, forks: int) -> None:
    with proxy(site.server) as between:
        report = run(site.by(between), forks=forks)
    assert report.sound
    versions = collections.Counter(listed.name for listed in site.lab.store.list())
    heads, gets = asked(between, "HeadObject"), asked(between, "GetObject")
    assert heads == versions
    for name in site.lab.names():
        if name.startswith(("packs/", "manifests/")):
            assert gets[name] == versions[name], name
    # points, bodies and the root once more for their signatures, and points again for what is live
    assert max(gets.values()) <= 4


def test_another_version_of_a_name_is_named_beside_the_right_one(site: Site) -> None:
    pack = site.packs()[0]
    (right,) = [listed.version for listed in site.lab.store.list(pack)]
    wrong = site.lab.store.put_new(pack, io.BytesIO(b"other"), lock_until=utcnow() + dt.timedelta(days=900)).version
    report = run(site.lab, forks=3)
    (found,) = [finding for finding in report.findings if finding.item == pack]
    assert (found.severity, found.host, found.stream) == (Severity.WARNING, "web1", "tier2")
    assert found.versions == (wrong,)
    assert [(source.which, source.version) for source in found.restore_from] == [("right", right)]
    assert report.sound


def test_bits_that_a_server_flips_are_found_and_what_to_restore_from(site: Site) -> None:
    pack = site.packs("web2")[1]
    with proxy(site.server, Fault("GetObject", key=pack, flip=True, times=9)) as between:
        report = run(site.by(between), forks=3)
    (found,) = report.broken
    assert (found.item, found.host, found.stream) == (pack, "web2", "tier2")
    assert found.problem == "does not have the digest it is named by"
    points = [names.parse(name).sha256 for name in site.lab.names("points/")]
    by_time = sorted(report.points, key=lambda point: point.sealed_at)
    assert {point.id for point in by_time} == set(points)
    assert [source.which for source in found.restore_from] == ["older", "newer"]
    assert {source.recovery_point for source in found.restore_from} <= set(points)
    # it was the answer, not the object
    assert run(site.lab).sound


def test_it_waits_for_a_server_that_asks_for_less(site: Site) -> None:
    with proxy(site.server, Fault(times=2), Fault("GetObject", after=4, times=2)) as between:
        assert run(site.by(between), forks=3).sound


def killed(lab: Lab, resume: Resume, after: int) -> None:
    """Verify in a process that is killed when so many objects are read."""
    pid = os.fork()
    if not pid:

        def say(line: str) -> None:
            if "objects" in line and int(line.split()[1]) >= after:
                os.kill(os.getpid(), signal.SIGKILL)

        run(lab, forks=3, resume=resume, progress=Progress(1e-9, say))
        os._exit(0)
    _pid, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def test_killed_in_the_middle_it_goes_on_there(site: Site, tmp_path: Path) -> None:
    resume = Resume(tmp_path, WEEK)
    whole = run(site.lab)
    # another endpoint is another site, and what was read of one says nothing of the other
    with proxy(site.server) as between:
        lab = site.by(between)
        killed(lab, resume, after=10)
        between.requests.clear()
        report = run(lab, forks=3, resume=resume)
    # but for what has a finding: the version that was put beside a right one
    assert report.resumed.objects >= 8
    assert not asked(between, "HeadObject")
    packs = {name for name in asked(between, "GetObject") if name.startswith("packs/")}
    assert len(packs) < len(site.lab.names("packs/"))
    assert same(dataclasses.replace(report, resumed=Extent(), resumed_since=None)) == same(whole)


def test_a_server_that_is_killed_is_an_error_and_the_next_run_goes_on(site: Site, tmp_path: Path) -> None:
    resume = Resume(tmp_path, WEEK)

    def say(line: str) -> None:
        if "objects" in line:
            site.server.kill()

    with pytest.raises(StoreError):
        run(site.lab, forks=2, resume=resume, progress=Progress(1e-9, say))
    site.server.revive()
    report = run(site.lab, forks=2, resume=resume)
    assert report.sound
    assert report.resumed_since is not None
