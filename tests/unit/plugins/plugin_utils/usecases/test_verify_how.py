# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a repository is verified, in processes, by sample, with interruptions, changes nothing of what is found."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import os
import shutil
import signal
import tempfile
import typing as t
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    FormatError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    ObjectMissingError,
    PolicyError,
    RunError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keyrings
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, DigestKey
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamEntry
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Extent, Finding, Sample
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points, snapshot, verify_forks
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import (
    Level,
    Report,
    Severity,
    verify,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_damage import Remedies
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_progress import Progress
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_reading import How, Resume
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .lab import FILES, START, Clock, Lab, problems

LOCK = START + dt.timedelta(days=500)
WEEK = dt.timedelta(days=7)


class Counting(MemoryStore):
    """Counts what is read; after so many calls it does not answer any more.

    ``resting`` are objects of an archive class, ``hidden`` those that are listed and cannot be read.
    """

    reads: t.ClassVar[list[str]]

    @classmethod
    def over(cls, lab: Lab, *, calls: int | None = None, bare: bool = False) -> Counting:
        made = cls(now=lab.memory._now)
        made._versions = lab.memory._versions
        made.calls, made.bare = calls, bare
        made.gets, made.heads = [], []
        made.resting, made.hidden, made.fatal = set(), set(), set()
        return made

    calls: int | None
    bare: bool
    gets: list[str]
    heads: list[str]
    resting: set[str]
    hidden: set[str]
    fatal: set[str]

    def _call(self) -> None:
        if self.calls is not None:
            self.calls -= 1
            if self.calls < 0:
                raise UnavailableError("the store is not reached")

    def _get(self, name: str, version: str | None) -> bytes:
        # what the points need is read before anything can be gone on with
        if name.startswith(("packs/", "manifests/")):
            self._call()
        self.gets.append(name)
        if name in self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        if name in self.resting:
            raise ArchivedError("it rests in an archive class", item=name)
        if name in self.hidden:
            raise ObjectMissingError("it is not read (404)", item=name)
        return super()._get(name, version)

    def _head(self, name: str, version: str | None) -> Listed:
        self._call()
        self.heads.append(name)
        if name in self.hidden:
            raise ObjectMissingError("the store holds no such version of this object", item=name)
        return super()._head(name, version)

    def _list(self, prefix: str) -> t.Iterator[Listed]:
        for listed in super()._list(prefix):
            known = listed.marker or not self.bare
            yield listed if known else dataclasses.replace(listed, lock_until=None, lock_known=False)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_forks, "CHUNK_ITEMS", 2)


@pytest.fixture
def sealed(lab: Lab, clock: Clock) -> Lab:
    """Four points of three hosts; a host drifts between one and the next."""
    sources = {host: MemorySource(FILES) for host in ("a", "b", "c")}
    for number in range(4):
        for source in sources.values():
            source.files["/etc/base"] = f"{number}".encode()
        lab.run(sources)
        clock.advance(hours=1)
    return lab


def snapshots(lab: Lab, host: str = "a", stream: str = "tier2") -> list[str]:
    """The packs of a stream, oldest first."""
    return lab.names(f"packs/d0030/{host}/{stream}/")


def manifest_of(lab: Lab, pack: str) -> str:
    (found,) = lab.names(pack.replace("packs/", "manifests/").rpartition("-")[0])
    return found


def flip(lab: Lab, name: str) -> None:
    version = lab.memory._versions[name][0]
    version.data = version.data[:50] + bytes([version.data[50] ^ 1]) + version.data[51:]


def damage(lab: Lab) -> None:
    """One of each kind."""
    flip(lab, snapshots(lab)[1])
    flip(lab, manifest_of(lab, snapshots(lab, "b")[2]))
    del lab.memory._versions[snapshots(lab, "c")[1]]
    lab.store.put_new(snapshots(lab, "b")[1], io.BytesIO(b"other"), lock_until=LOCK)
    name = names.for_snapshot(names.Kind.PACK, "d0090", "z", "tier1", lab.store.clock(), b"loose")
    lab.store.put_new(name, io.BytesIO(b"damaged"), lock_until=LOCK)
    flip(lab, lab.names("bodies/")[0])


def run(lab: Lab, level: Level = Level.KEYS, **how: t.Any) -> Report:
    keyring = lab.keyring if level is Level.KEYS else None
    return verify(lab.repository, level=level, keyring=keyring, how=How(**how))


def told(report: Report) -> list[tuple[object, ...]]:
    """What was found, without what to do about it."""
    return [(f.severity, f.item, f.problem, f.versions, f.host, f.stream) for f in report.findings]


class TestForks:
    @pytest.mark.parametrize("level", Level)
    @pytest.mark.parametrize("forks", [2, 5])
    def test_the_report_is_the_same(self, sealed: Lab, level: Level, forks: int) -> None:
        assert run(sealed, level, forks=forks) == run(sealed, level)
        damage(sealed)
        alone = run(sealed, level)
        assert run(sealed, level, forks=forks) == alone
        assert len(problems(alone)) == {1: 0, 2: 3, 3: 7, 4: 8}[level]

    def test_locks_are_asked_for_in_processes_too(self, sealed: Lab) -> None:
        damage(sealed)
        alone = run(sealed, Level.CONTENT)
        store = Counting.over(sealed, bare=True)
        assert run(sealed.on(store), Level.CONTENT, forks=3) == alone
        assert store.heads == []

    def test_a_process_that_is_killed_is_no_sound_report(self, sealed: Lab, tmp_path: Path) -> None:
        store = Counting.over(sealed)
        store.fatal.add(snapshots(sealed)[2])
        with pytest.raises(RunError, match="signal 9"):
            run(sealed.on(store), forks=2, resume=Resume(tmp_path, WEEK))
        store.fatal.clear()
        report = run(sealed.on(store), forks=2, resume=Resume(tmp_path, WEEK))
        assert report.sound

    def test_a_missing_key_is_said_from_there(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        with pytest.raises(KeyMissingError, match="open half"):
            verify(sealed.repository, level=Level.KEYS, how=How(forks=3))
        shutil.copytree(keys / "seal", tmp_path / "half" / "seal")
        with pytest.raises(KeyMissingError, match="open half"):
            verify(sealed.repository, level=Level.KEYS, keyring=LocalKeyring(tmp_path / "half"), how=How(forks=3))

    def test_progress_comes_to_all_of_it(self, sealed: Lab) -> None:
        said: list[str] = []
        ticks = iter(range(10_000))
        progress = Progress(1, said.append, lambda: float(next(ticks)))
        report = run(sealed.on(Counting.over(sealed, bare=True)), Level.CONTENT, forks=3, progress=progress)
        total = report.read.objects
        assert f"{total} of {total} locks verified" in "".join(said)
        assert f"{total} of {total} objects verified" in said[-1]


class Together(LocalKeyring):
    """One that opens many with a call, and is asked by the process that made it alone, as a connection would be.

    ``failure`` is what it raises instead.
    """

    opens_together = True

    def __init__(self, path: Path, failure: HoldfastError | None = None) -> None:
        super().__init__(path)
        self.asked: list[tuple[str, int]] = []
        self._failure = failure
        self._pid = os.getpid()
        self._digests: dict[str, bytes] = {}

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        raise AssertionError("one is asked for at a time")

    def unwrap_all(self, key: ClassYearKey, wrapped: Sequence[bytes]) -> list[str | HoldfastError]:
        assert os.getpid() == self._pid
        self.asked.append((key.id, len(wrapped)))
        if self._failure is not None:
            raise self._failure
        found: list[str | HoldfastError] = []
        for one in wrapped:
            try:
                found.append(super().unwrap(key, one))
            except (WrongKeyError, FormatError) as e:
                found.append(e)
        return found

    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        if key.id not in self._digests:
            assert os.getpid() == self._pid
            self._digests[key.id] = super().digest_key(key, repository=repository)
        return self._digests[key.id]


class TestTogether:
    """A keyring on a server opens many packs with a call; processes that were forked ask it for nothing."""

    @pytest.mark.parametrize("forks", [1, 4])
    def test_the_report_is_the_same_and_each_key_is_asked_once(self, sealed: Lab, keys: Path, forks: int) -> None:
        for broken in (False, True):
            keyring = Together(keys)
            report = verify(sealed.repository, level=Level.KEYS, keyring=keyring, how=How(forks=forks))
            assert report == run(sealed)
            if not broken:
                assert report.sound
                assert report.packs_opened == sum(count for _key, count in keyring.asked)
            assert [key for key, _count in keyring.asked] == ["d0090-2026", "d0030-2026"]
            damage(sealed)

    def test_a_poisoned_wrap_is_found(self, lab: Lab, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        wrap = keyrings.wrap
        monkeypatch.setattr(snapshot.keys, "wrap", lambda key, _secret: wrap(key, age.generate()[0]))
        lab.run({host: MemorySource(FILES) for host in ("a", "b", "c")})
        report = verify(lab.repository, level=Level.KEYS, keyring=Together(keys), how=How(forks=2))
        assert len(problems(report)) == len(lab.names("packs/"))
        assert all("the wrapped key is not that of the pack" in found.problem for found in problems(report))

    def test_nothing_is_asked_for_what_is_not_opened(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        keyring = Together(keys)
        verify(sealed.repository, level=Level.CONTENT, keyring=keyring)
        assert keyring.asked == []
        resume = Resume(tmp_path, WEEK)
        stopping = Counting.over(sealed, calls=3 * len(sealed.names("packs/")) - 4)
        with pytest.raises(UnavailableError):
            verify(sealed.on(stopping).repository, level=Level.KEYS, keyring=keyring, how=How(resume=resume))
        again = Together(keys)
        report = verify(sealed.repository, level=Level.KEYS, keyring=again, how=How(resume=resume))
        assert report.packs_opened == len(sealed.names("packs/"))
        assert sum(count for _key, count in keyring.asked) > sum(count for _key, count in again.asked) > 0

    @pytest.mark.parametrize("forks", [1, 3])
    def test_a_key_that_is_not_there_is_said_of_its_packs(self, sealed: Lab, keys: Path, forks: int) -> None:
        keyring = Together(keys, KeyMissingError("Vault has no such key"))
        with pytest.raises(KeyMissingError, match="no such key"):
            verify(sealed.repository, level=Level.KEYS, keyring=keyring, how=How(forks=forks))
        keyring = Together(keys, WrongKeyError("it is another one"))
        found = problems(verify(sealed.repository, level=Level.KEYS, keyring=keyring, how=How(forks=forks)))
        assert {one.item for one in found} == set(sealed.names("packs/"))

    @pytest.mark.parametrize("failure", [UnavailableError("Vault is not reached"), KeyringError("the token has ended")])
    def test_a_server_that_is_away_is_no_damage(
        self, sealed: Lab, keys: Path, failure: HoldfastError, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(type(failure), match=failure.message):
            verify(sealed.repository, level=Level.KEYS, keyring=Together(keys, failure), how=How(forks=2))

        def away(*_given: t.Any) -> str:
            raise failure

        # nor is it of a keyring that opens one at a time
        monkeypatch.setattr(sealed.keyring, "unwrap", away)
        with pytest.raises(type(failure), match=failure.message):
            run(sealed, forks=2)


class TestSample:
    def test_what_is_not_drawn_is_not_read_and_not_called_sound(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        report = run(sealed.on(store), Level.CONTENT, sample=Sample(percent=25, seed=3))
        assert (report.broken, report.sound, report.whole) == ((), False, False)
        every = run(sealed, Level.CONTENT).read
        assert Extent(report.read.objects + report.unread.objects, report.read.bytes + report.unread.bytes) == every
        read = {name for name in store.gets if name.startswith(("packs/", "manifests/"))}
        left = set(sealed.names("packs/")) | set(sealed.names("manifests/"))
        assert len(left - read) == report.unread.objects > 0
        # a snapshot is read whole or not at all
        assert {manifest_of(sealed, name) for name in read if name.startswith("packs/")} == {
            name for name in read if name.startswith("manifests/")
        }

    def test_a_cycle_reads_everything_once(self, sealed: Lab) -> None:
        reports = [run(sealed, Level.CONTENT, sample=Sample(percent=25, seed=seed)) for seed in range(4, 8)]
        others = len(sealed.names()) - len(sealed.names("packs/")) - len(sealed.names("manifests/"))
        assert sum(report.read.objects - others for report in reports) == len(sealed.names()) - others

    def test_the_days_of_the_store_draw_unless_a_seed_is_given(self, sealed: Lab, clock: Clock) -> None:
        seen = []
        for _day in range(2):
            report = run(sealed, Level.CONTENT, sample=Sample(percent=25))
            assert report.sample is not None
            seen.append(report.sample.seed)
            clock.advance(days=1)
        # 2026-03-01
        assert seen == [20513, 20514]

    def test_points_and_records_are_read_whatever_is_drawn(self, sealed: Lab) -> None:
        flip(sealed, sealed.names("bodies/")[0])
        assert problems(run(sealed, Level.CONTENT, sample=Sample(percent=1, seed=1)))

    def test_by_class(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        report = run(sealed.on(store), Level.CONTENT, sample=Sample(classes={"d0030": 1}, seed=1))
        assert set(sealed.names("packs/d0090/")) <= set(store.gets)
        assert report.unread.objects > 0

    def test_the_newest_of_each_stream(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        run(sealed.on(store), Level.CONTENT, sample=Sample(percent=1, newest=100, seed=1))
        assert {snapshots(sealed, host)[-1] for host in "abc"} <= set(store.gets)
        assert not set(snapshots(sealed)[:3]) <= set(store.gets)

    def test_at_level_signatures_manifests_are_drawn(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        report = run(sealed.on(store), Level.SIGNATURES, sample=Sample(percent=25, seed=3))
        assert not report.sound
        assert report.read.objects == len([name for name in store.gets if name.startswith("manifests/")])

    def test_all_of_it_is_no_sample(self, sealed: Lab) -> None:
        assert run(sealed, sample=Sample(percent=100, seed=1)).sound

    def test_a_class_that_the_root_does_not_know(self, sealed: Lab) -> None:
        with pytest.raises(PolicyError, match="the root knows no class d030"):
            run(sealed, sample=Sample(classes={"d030": 5}))
        # as YAML reads a number that is a key
        with pytest.raises(PolicyError, match="the root knows no class 30"):
            run(sealed, sample=Sample(classes=t.cast("t.Any", {"nosuch": 5, 30: 5})))


class TestResume:
    def test_it_goes_on_where_it_was(self, sealed: Lab, tmp_path: Path) -> None:
        whole = run(sealed, Level.CONTENT)
        resume = Resume(tmp_path, WEEK)
        first = Counting.over(sealed, calls=9)
        with pytest.raises(UnavailableError):
            run(sealed.on(first), Level.CONTENT, resume=resume)
        second = Counting.over(sealed)
        report = run(sealed.on(second), Level.CONTENT, resume=resume)
        read_first = [name for name in first.gets if name.startswith(("packs/", "manifests/"))][:-1]
        # the snapshot that it was in is read again
        assert set(read_first[:-1]).isdisjoint(second.gets)
        assert dataclasses.replace(report, resumed=Extent(), resumed_since=None) == whole
        assert (report.resumed.objects, report.resumed_since) == (8, sealed.store.clock())
        assert report.sound

    def test_another_site_of_the_same_url_and_versions_is_read(self, sealed: Lab, tmp_path: Path) -> None:
        class Site(Counting):
            @property
            def identity(self) -> str:
                return f"{self.location} at another endpoint"

        with pytest.raises(UnavailableError):
            run(sealed.on(Counting.over(sealed, calls=9)), Level.CONTENT, resume=Resume(tmp_path, WEEK))
        report = run(sealed.on(Site.over(sealed)), Level.CONTENT, resume=Resume(tmp_path, WEEK))
        assert (report.sound, report.resumed) == (True, Extent())

    def test_locks_too(self, sealed: Lab, tmp_path: Path) -> None:
        whole = run(sealed, Level.NAMES)
        with pytest.raises(UnavailableError):
            run(sealed.on(Counting.over(sealed, calls=9, bare=True)), Level.NAMES, resume=Resume(tmp_path, WEEK))
        store = Counting.over(sealed, bare=True)
        report = run(sealed.on(store), Level.NAMES, resume=Resume(tmp_path, WEEK))
        assert len(store.heads) == len(sealed.names()) - 9
        assert (report.findings, report.resumed_since) == (whole.findings, sealed.store.clock())

    def test_a_lock_that_was_noted_short_is_still_found(self, sealed: Lab, tmp_path: Path) -> None:
        name = sealed.names("bodies/")[0]
        version = sealed.memory._versions[name][0]
        version.listed = dataclasses.replace(version.listed, lock_until=START + dt.timedelta(days=1))
        with pytest.raises(UnavailableError):
            run(sealed.on(Counting.over(sealed, calls=9, bare=True)), Level.NAMES, resume=Resume(tmp_path, WEEK))
        store = Counting.over(sealed, bare=True)
        report = run(sealed.on(store), Level.NAMES, resume=Resume(tmp_path, WEEK))
        assert name not in store.heads
        assert [finding.item for finding in problems(report)] == [name]

    def test_one_that_ended_leaves_nothing_to_go_on_with(self, sealed: Lab, tmp_path: Path) -> None:
        for _time in range(2):
            store = Counting.over(sealed)
            assert run(sealed.on(store), Level.CONTENT, resume=Resume(tmp_path, WEEK)).resumed == Extent()
            assert set(sealed.names("packs/")) <= set(store.gets)

    def interrupted(self, sealed: Lab, tmp_path: Path, level: Level = Level.CONTENT, **how: t.Any) -> Resume:
        """All but one snapshot were read."""
        calls = 2 * len(sealed.names("packs/")) - 1
        with pytest.raises(UnavailableError):
            run(sealed.on(Counting.over(sealed, calls=calls)), level, resume=Resume(tmp_path, WEEK), **how)
        return Resume(tmp_path, WEEK)

    def test_what_is_damaged_is_found_each_time(self, sealed: Lab, tmp_path: Path) -> None:
        damage(sealed)
        whole = run(sealed, Level.CONTENT)
        resume = self.interrupted(sealed, tmp_path)
        assert told(run(sealed, Level.CONTENT, resume=resume)) == told(whole)

    def test_a_version_that_came_since_is_read(self, sealed: Lab, tmp_path: Path) -> None:
        resume = self.interrupted(sealed, tmp_path)
        name = snapshots(sealed)[0]
        sealed.store.put_new(name, io.BytesIO(b"other"), lock_until=LOCK)
        (found,) = problems(run(sealed, Level.CONTENT, resume=resume), Severity.WARNING)
        assert found.item == name

    def test_one_of_another_size_is_read(self, sealed: Lab, tmp_path: Path) -> None:
        resume = self.interrupted(sealed, tmp_path)
        version = sealed.memory._versions[snapshots(sealed)[0]][0]
        version.data += b"x"
        version.listed = dataclasses.replace(version.listed, size=len(version.data))
        assert problems(run(sealed, Level.CONTENT, resume=resume))

    def test_it_counts_for_a_time(self, sealed: Lab, tmp_path: Path, clock: Clock) -> None:
        resume = self.interrupted(sealed, tmp_path)
        flip(sealed, snapshots(sealed)[0])
        assert run(sealed, Level.CONTENT, resume=dataclasses.replace(resume)).broken == ()
        resume = self.interrupted(sealed, tmp_path / "later") if not problems(run(sealed)) else resume
        clock.advance(days=8)
        assert problems(run(sealed, Level.CONTENT, resume=resume))

    def test_what_was_asked_less_deep_does_not_count(self, sealed: Lab, tmp_path: Path) -> None:
        resume = self.interrupted(sealed, tmp_path)
        report = run(sealed, Level.KEYS, resume=resume)
        assert (report.resumed, report.packs_opened) == (Extent(), len(sealed.names("packs/")))

    def test_packs_that_were_opened_count_as_opened(self, sealed: Lab, tmp_path: Path) -> None:
        resume = self.interrupted(sealed, tmp_path, Level.KEYS)
        report = run(sealed, Level.KEYS, resume=resume)
        assert report.resumed.objects > 0
        assert report.packs_opened == len(sealed.names("packs/"))

    def test_who_compares_less_is_not_taken_for_who_compares_all(self, sealed: Lab, tmp_path: Path, keys: Path) -> None:
        shutil.copytree(keys / "open", tmp_path / "half" / "open")
        calls = 2 * len(sealed.names("packs/")) - 1
        resume = Resume(tmp_path, WEEK)
        restorer = LocalKeyring(tmp_path / "half")
        store = Counting.over(sealed, calls=calls)
        with pytest.raises(UnavailableError):
            verify(sealed.on(store).repository, level=Level.KEYS, keyring=restorer, how=How(resume=resume))
        assert run(sealed, Level.KEYS, resume=resume).resumed == Extent()

    def test_a_sample_keeps_its_day(self, sealed: Lab, tmp_path: Path, clock: Clock) -> None:
        sample = Sample(percent=50)
        today = run(sealed, Level.CONTENT, sample=sample)
        with pytest.raises(UnavailableError):
            store = Counting.over(sealed, calls=5)
            run(sealed.on(store), Level.CONTENT, sample=sample, resume=Resume(tmp_path, WEEK))
        clock.advance(days=1)
        report = run(sealed, Level.CONTENT, sample=sample, resume=Resume(tmp_path, WEEK))
        assert (report.sample, report.read) == (today.sample, today.read)

    @pytest.mark.parametrize("value", ["null", "1", '["x",true]', "[[],true]", "[null]", '{"a":1}'])
    def test_a_note_that_is_none_is_asked_again(self, sealed: Lab, tmp_path: Path, value: str) -> None:
        with pytest.raises(UnavailableError):
            run(sealed.on(Counting.over(sealed, calls=9, bare=True)), Level.NAMES, resume=Resume(tmp_path, WEEK))
        (path,) = (tmp_path / "verify").rglob("*.journal")
        lines = [line for line in path.read_text().splitlines() if line]
        path.write_text("".join(f"{line.rpartition(',[')[0]},{value}]\n" for line in lines))
        store = Counting.over(sealed, bare=True)
        assert run(sealed.on(store), Level.NAMES, resume=Resume(tmp_path, WEEK)).sound
        assert len(store.heads) == len(sealed.names())


class TestAnyWay:
    """Whatever the number of processes, the sample, and where it was interrupted how often."""

    # the lab is only read
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        forks=st.integers(1, 4),
        percent=st.integers(1, 100),
        newest=st.integers(0, 100),
        seed=st.integers(0, 1000),
        cuts=st.lists(st.integers(0, 40), max_size=2),
        level=st.sampled_from([Level.SIGNATURES, Level.CONTENT, Level.KEYS]),
    )
    def test_what_was_read_gives_the_same_findings(
        self, damaged: Lab, forks: int, percent: int, newest: int, seed: int, cuts: list[int], level: Level
    ) -> None:
        sample = Sample(percent=percent, newest=newest, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            resume = Resume(Path(folder), WEEK)
            for cut in cuts:
                store = Counting.over(damaged, calls=cut)
                with contextlib.suppress(UnavailableError):
                    run(damaged.on(store), level, forks=forks, sample=sample, resume=resume)
            report = run(damaged, level, forks=forks, sample=sample, resume=resume)
        wanted = [one for one in told(run(damaged, level)) if self.counts(damaged, sample, one)]
        assert told(report) == wanted

    def counts(self, lab: Lab, sample: Sample, finding: tuple[object, ...]) -> bool:
        """Whether a finding is one of those that the sample can make."""
        item, problem = str(finding[1]), str(finding[2])
        newest = {entry.manifest.name for entry in lab.live().streams.values()}
        read = ("digest", "cannot be restored", "is not what its manifest says")
        if not any(words in problem for words in read) or not item.startswith(("packs/", "manifests/")):
            return True
        name = item if item.startswith("manifests/") or "/z/" in item else manifest_of(lab, item)
        return sample.draws(name, names.parse(name).retention_class, newest=name in newest)

    @pytest.fixture
    def damaged(self, sealed: Lab) -> Lab:
        damage(sealed)
        return sealed


class TestDamage:
    """Whose it is, and what to restore from."""

    def only(self, lab: Lab, item: str, level: Level = Level.CONTENT) -> Finding:
        found = [finding for finding in run(lab, level).findings if finding.item == item]
        return next(finding for finding in found if finding.severity is not Severity.NOTE)

    def points(self, lab: Lab) -> list[str]:
        return [names.parse(name).sha256 for name in lab.names("points/")]

    def test_the_nearest_older_and_newer_points_of_the_stream(self, sealed: Lab) -> None:
        pack = snapshots(sealed)[1]
        flip(sealed, pack)
        found = self.only(sealed, pack)
        points = self.points(sealed)
        assert (found.host, found.stream) == ("a", "tier2")
        assert found.versions == (sealed.memory._versions[pack][0].listed.version,)
        assert [(s.which, s.recovery_point, s.captured_at, s.read) for s in found.restore_from] == [
            ("older", points[0], START, True),
            ("newer", points[2], START + dt.timedelta(hours=2), True),
        ]
        assert (
            f"Until then restore a/tier2 from recovery point {points[0]} (older, captured 2026-03-01T12:00:00Z) or "
            in (found.remedy)
        )

    def test_what_is_damaged_itself_is_passed_over(self, sealed: Lab) -> None:
        first, second, third, _last = snapshots(sealed)
        for name in (first, second, manifest_of(sealed, third)):
            flip(sealed, name)
        found = self.only(sealed, second)
        assert [source.which for source in found.restore_from] == ["newer"]
        assert [source.recovery_point for source in found.restore_from] == self.points(sealed)[3:]

    def test_what_was_captured_under_an_open_restore_is_not_offered(self, sealed: Lab) -> None:
        told: dict[str, list[StreamEntry]] = {}
        for entry in sorted(
            (
                entry
                for name in sealed.names("points/")
                for entry in points.read_point(sealed.repository, name).body.streams
            ),
            key=lambda entry: entry.age_order,
        ):
            if entry.key == ("a", "tier2"):
                told.setdefault(entry.manifest.name, []).append(entry)
        first, second, third, last = list(told)
        told[third] = [dataclasses.replace(entry, marks=("restore open: 1",)) for entry in told[third]]
        listed = {one.name: [one] for one in sealed.store.list()}
        damaged = told[second][0].pack.name
        remedies = Remedies(told, {name: name for name in told}, listed, damaged=[damaged], read=[])
        found = remedies.add(Finding(Severity.ERROR, damaged, "is odd", "Look."))
        assert [source.recovery_point for source in found.restore_from] == [first, last]

    def test_where_nothing_is_whole_a_replica_is_named(self, sealed: Lab) -> None:
        for name in snapshots(sealed):
            flip(sealed, name)
        found = self.only(sealed, snapshots(sealed)[1])
        assert found.restore_from == ()
        assert found.remedy.endswith(
            "No other snapshot of a/tier2 in this repository is whole: only a replica can have one."
        )

    @pytest.mark.parametrize("level", [Level.SIGNATURES, Level.CONTENT])
    def test_what_is_gone_has_sources_too(self, sealed: Lab, level: Level) -> None:
        pack = snapshots(sealed)[1]
        del sealed.memory._versions[pack]
        found = self.only(sealed, pack, level)
        assert (found.host, [source.which for source in found.restore_from]) == ("a", ["older", "newer"])

    def test_a_point_that_only_names_it_again_is_as_good(self, sealed: Lab, clock: Clock) -> None:
        """The newest that names the snapshot: of the one that stored it the lock may have ended."""
        clock.advance(hours=1)
        sealed.run({"a": MemorySource({**FILES, "/etc/base": b"3"})})
        flip(sealed, snapshots(sealed)[2])
        found = self.only(sealed, snapshots(sealed)[2])
        assert found.restore_from[-1].recovery_point == self.points(sealed)[-1]

    def test_a_wrong_version_beside_a_right_one_names_both(self, sealed: Lab) -> None:
        pack = snapshots(sealed)[1]
        right = sealed.memory._versions[pack][0].listed.version
        wrong = sealed.store.put_new(pack, io.BytesIO(b"other"), lock_until=LOCK).version
        found = self.only(sealed, pack)
        assert (found.severity, found.versions) == (Severity.WARNING, (wrong,))
        assert [(source.which, source.version) for source in found.restore_from] == [("right", right)]

    def test_what_was_not_drawn_is_said_so(self, sealed: Lab) -> None:
        flip(sealed, snapshots(sealed)[3])
        sources = []
        for seed in range(60):
            report = run(sealed, Level.CONTENT, sample=Sample(percent=40, seed=seed))
            for finding in problems(report):
                sources += [(source.read, "not read yet" in finding.remedy) for source in finding.restore_from]
        assert set(sources) == {(True, False), (False, True)}

    def test_of_what_no_point_names_only_the_name_tells(self, sealed: Lab) -> None:
        name = names.for_snapshot(names.Kind.PACK, "d0090", "web 1", "tier1", sealed.store.clock(), b"loose")
        sealed.store.put_new(name, io.BytesIO(b"damaged"), lock_until=LOCK)
        found = self.only(sealed, name)
        assert (found.host, found.stream, found.restore_from) == ("web 1", "tier1", ())


class TestUnreadable:
    """What is listed and does not come."""

    def test_what_rests_in_an_archive_class_is_not_read_and_not_damaged(self, sealed: Lab) -> None:
        for level in (Level.CONTENT, Level.KEYS):
            store = Counting.over(sealed)
            store.resting.update([snapshots(sealed)[0], snapshots(sealed)[1]])
            report = run(sealed.on(store), level)
            assert (report.broken, report.sound, report.unread.objects) == ((), False, 2)
            (note,) = report.findings
            assert (note.severity, note.item) == (Severity.NOTE, snapshots(sealed)[0])
            assert note.problem == "2 objects rest in an archive class, and were not read"

    def test_a_manifest_that_rests(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        name = manifest_of(sealed, snapshots(sealed)[0])
        store.resting.add(name)
        for level in (Level.SIGNATURES, Level.CONTENT, Level.KEYS):
            report = run(sealed.on(store), level)
            assert (report.broken, report.sound, report.unread.objects) == ((), False, 1)

    def test_what_rests_is_read_by_the_next(self, sealed: Lab, tmp_path: Path) -> None:
        store = Counting.over(sealed)
        store.resting.add(snapshots(sealed)[0])
        store.fatal.clear()
        with pytest.raises(UnavailableError):
            store.calls = 12
            run(sealed.on(store), Level.CONTENT, resume=Resume(tmp_path, WEEK))
        assert run(sealed, Level.CONTENT, resume=Resume(tmp_path, WEEK)).sound

    def test_what_cannot_be_read_is_a_finding(self, sealed: Lab) -> None:
        store = Counting.over(sealed)
        store.hidden.add(snapshots(sealed)[1])
        (found,) = problems(run(sealed.on(store), Level.CONTENT))
        assert (found.item, found.problem) == (snapshots(sealed)[1], "is listed and cannot be read")
        assert [source.which for source in found.restore_from] == ["older", "newer"]

    def test_what_goes_while_its_lock_is_asked_for_is_gone(self, sealed: Lab) -> None:
        class Going(Counting):
            def _list(self, prefix: str) -> t.Iterator[Listed]:
                return (listed for listed in super()._list(prefix) if prefix == "" or listed.name not in self.hidden)

        store = Going.over(sealed, bare=True)
        store.hidden.add(snapshots(sealed)[1])
        found = problems(run(sealed.on(store), Level.SIGNATURES))
        assert [(one.item, "is gone" in one.problem) for one in found] == [(snapshots(sealed)[1], True)]

    @pytest.mark.parametrize("forks", [1, 2])
    def test_a_version_that_is_listed_still_and_cannot_be_asked_for_is_a_finding(self, sealed: Lab, forks: int) -> None:
        """Another version of the same name is there, and right: no point lacks anything."""
        name = snapshots(sealed)[1]
        late = sealed.store.put_new(name, io.BytesIO(sealed.store.get(name)), lock_until=LOCK)

        class Denying(Counting):
            def _head(self, name: str, version: str | None) -> Listed:
                if version == late.version:
                    raise ObjectMissingError("the store holds no such version of this object", item=name)
                return super()._head(name, version)

        report = run(sealed.on(Denying.over(sealed, bare=True)), Level.CONTENT, forks=forks)
        (found,) = problems(report)
        assert (found.item, f"its version {late.version} is listed" in found.problem) == (name, True)
        size = sealed.store.head(name, version=late.version).size
        assert (report.sound, report.unread) == (False, Extent(1, size))

    def test_locks_of_what_is_not_of_the_format_are_not_asked(self, sealed: Lab) -> None:
        sealed.store.put_new("packs/d0090/a/tier1/readme.txt", io.BytesIO(b"x"), lock_until=LOCK)
        store = Counting.over(sealed, bare=True)
        assert "not an object" in problems(run(sealed.on(store), Level.NAMES), Severity.WARNING)[0].problem
        assert len(store.heads) == len(sealed.names()) - 1

    def test_a_marker_that_outlived_its_object_is_no_finding(self, sealed: Lab, clock: Clock) -> None:
        clock.advance(days=400)
        name = snapshots(sealed)[0]
        sealed.memory._versions[name].clear()
        sealed.memory.put_marker(name)
        assert [one for one in run(sealed, Level.CONTENT).findings if one.item == name] == []
