# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of other tools as snapshots: their own times, streams of their own, once, and never in the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.texts import Pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import NotFoundError, PolicyError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.backup_files import BackupFiles
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.base import Names, Reader
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.devices import Oxidized
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.etckeeper import Etckeeper
from ansible_collections.holdfast.config.plugins.plugin_utils.model import imported
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import Query
from ansible_collections.holdfast.config.plugins.plugin_utils.model.destruction import Destroyed
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    history,
    import_backups,
    open_snapshot,
    points,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import open_catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection, choose
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.import_backups import Outcome, Settings, Target
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import ship_leftovers
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint, PointFolder, claim
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Means
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.imports import sources
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.mirror.repositories import bare

from .faults import FaultyStore
from .lab import Clock, Lab, declared, problems
from .test_leftovers import refusing
from .test_mirror import Mirror
from .test_run_folder import dead_pid

T0, HOUR, ios = sources.T0, sources.HOUR, sources.ios
KEPT = declared().classes["d0090"]
SETTINGS = Settings(kept=KEPT, tier="tier1", writer="0.1.0")
COMPONENT = "imported-oxidized"


def run(
    lab: Lab,
    reader: Reader,
    settings: Settings = SETTINGS,
    *,
    platform: str | None = None,
    check: bool = False,
    identities: dict[str, str] | None = None,
) -> Outcome:
    """Import as a task would."""
    found = platforms.find(platform) if platform else None

    def begin(folder: PointFolder, hosts: Sequence[str]) -> OpenPoint:
        return lab.open(folder, *hosts)

    return import_backups.import_backups(
        reader,
        Means(lab.repository, lab.keyring, None),
        settings,
        whose=lambda host: Target(host, (identities or {}).get(host, host), found),
        begin=begin,
        state_dir=lab.state_dir,
        run=f"{next(lab.runs):016x}",
        check=check,
    )


@pytest.fixture
def oxidized(tmp_path: Path) -> Path:
    """Two switches: the first has three versions, the second one."""
    folder = sources.repository(tmp_path / "oxidized")
    sources.commit(folder, {"h": ios("h", "one"), "sw2": ios("sw2", "core")}, T0)
    sources.commit(folder, {"h": ios("h", "two")}, T0 + HOUR)
    sources.commit(folder, {"h": ios("h", "three")}, T0 + 2 * HOUR)
    return folder


def text(lab: Lab, selection: Selection, host: str = "h") -> str:
    """The one text that a selection means."""
    (data,) = lab.contents(host, selection).values()
    return data.decode()


def named(**more: t.Any) -> Selection:
    return Selection(components=(COMPONENT,), **more)


class TestWhatBecomesOfThem:
    """What the repository holds afterwards."""

    def test_each_version_with_its_own_time(self, lab: Lab, oxidized: Path) -> None:
        outcome = run(lab, Oxidized(oxidized))
        assert (outcome.versions, outcome.known, outcome.same, outcome.remaining) == (4, 0, 0, 0)
        assert [(line.host, line.component, line.versions) for line in outcome.lines] == [
            ("h", COMPONENT, 3),
            ("sw2", COMPONENT, 1),
        ]
        (point,) = points.history(lab.repository)
        mine = [entry for entry in point.body.streams if entry.host == "h"]
        assert [entry.captured_at for entry in mine] == [T0, T0 + HOUR, T0 + 2 * HOUR]
        assert {entry.verified_at == entry.captured_at for entry in mine} == {True}
        assert {entry.state for entry in mine} == {StreamState.STORED}
        assert [e.imported.tool for e in mine if e.imported] == ["oxidized"] * 3
        assert point.body.complete
        report = lab.verify()
        assert not problems(report)
        assert report.packs_opened == 4
        assert {stream.imported for stream in report.streams} == {"oxidized"}

    @pytest.mark.parametrize(
        ("moment", "what"),
        [(T0, "one"), (T0 + HOUR / 2, "one"), (T0 + HOUR, "two"), (T0 + 40 * HOUR, "three")],
    )
    def test_found_again_at_a_time(self, lab: Lab, oxidized: Path, moment: dt.datetime, what: str) -> None:
        run(lab, Oxidized(oxidized))
        assert text(lab, named(time=moment)) == ios("h", what)

    def test_found_by_digest_newest_and_point(self, lab: Lab, oxidized: Path) -> None:
        outcome = run(lab, Oxidized(oxidized))
        (point,) = points.history(lab.repository)
        digest = point.body.streams[0].manifest.sha256
        assert text(lab, Selection(snapshot=digest)) == ios("h", "one")
        assert text(lab, named(newest=True)) == ios("h", "three")
        assert text(lab, Selection(point=outcome.points[0].id)) == ios("h", "three")

    def test_nothing_of_before(self, lab: Lab, oxidized: Path) -> None:
        run(lab, Oxidized(oxidized))
        with pytest.raises(NotFoundError):
            choose(lab.repository, "h", named(time=T0 - HOUR))

    def test_once(self, lab: Lab, oxidized: Path) -> None:
        run(lab, Oxidized(oxidized))
        before = lab.names()
        outcome = run(lab, Oxidized(oxidized))
        assert (outcome.versions, outcome.known, outcome.points) == (0, 4, ())
        assert [name for name in lab.names() if name not in before] == []

    def test_what_came_since(self, lab: Lab, oxidized: Path) -> None:
        run(lab, Oxidized(oxidized))
        sources.commit(oxidized, {"h": ios("h", "four")}, T0 + 3 * HOUR)
        outcome = run(lab, Oxidized(oxidized))
        assert (outcome.versions, outcome.known) == (1, 4)
        assert text(lab, named(newest=True)) == ios("h", "four")

    def test_check_mode_says_and_stores_nothing(self, lab: Lab, oxidized: Path) -> None:
        before = lab.names()
        outcome = run(lab, Oxidized(oxidized), check=True)
        assert (outcome.versions, outcome.points) == (4, ())
        assert lab.names() == before

    def test_what_equals_the_version_before(self, lab: Lab, tmp_path: Path) -> None:
        folder = sources.repository(tmp_path / "again")
        for number, what in enumerate(["one", "two", "one", "two"]):
            sources.commit(folder, {"h": ios("h", what)}, T0 + number * HOUR)
        # the mode alone: git has a commit, and the text is what it was
        (folder / "h").chmod(0o755)
        sources.commit(folder, {}, T0 + 4 * HOUR)
        for _again in range(2):
            outcome = run(lab, Oxidized(folder))
            assert outcome.same == 1
        assert outcome.versions == 0


class TestInNobodysWay:
    """An imported snapshot is no capture."""

    def test_it_is_never_what_is_newest_of_a_host(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        lab.run()
        sealed = lab.contents()
        clock.advance(hours=1)
        sources.commit(oxidized, {"h": ios("h", "newer than the capture")}, clock() - dt.timedelta(minutes=5))
        run(lab, Oxidized(oxidized))
        assert lab.contents() == sealed
        assert lab.contents(selection=Selection(time=clock())) == sealed
        # nor by the next full point, which lists what is live
        clock.advance(days=20)
        again = lab.run()
        (full,) = (point for point in points.history(lab.repository) if point.id == again.id)
        assert full.body.full
        assert lab.contents(selection=Selection(point=again.id)) == sealed
        assert not problems(lab.verify())

    def test_a_host_that_has_nothing_else_must_be_asked_for(self, lab: Lab, oxidized: Path) -> None:
        run(lab, Oxidized(oxidized))
        for selection in (Selection(newest=True), Selection(time=T0 + HOUR)):
            with pytest.raises(NotFoundError, match="imported from the backups") as refused:
                choose(lab.repository, "sw2", selection)
            assert COMPONENT in str(refused.value)

    def test_all_versions_outlive_the_full_points_after_them(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        run(lab, Oxidized(oxidized))
        for _day in range(3):
            clock.advance(days=16)
            lab.run()
        assert text(lab, named(time=T0)) == ios("h", "one")
        assert text(lab, named(newest=True)) == ios("h", "three")
        assert not problems(lab.verify())

    def test_the_newest_of_a_dead_host_is_carried_on(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        run(lab, Oxidized(oxidized))
        clock.advance(days=100)
        lab.run()
        key = ("sw2", COMPONENT)
        assert lab.live().streams[key].state is StreamState.CARRIED
        assert lab.live().streams[key].imported is not None
        assert not problems(lab.verify())

    def test_older_ones_after_newer_ones(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        run(lab, Oxidized(oxidized, since=T0 + 2 * HOUR))
        clock.advance(days=1)
        run(lab, Oxidized(oxidized))
        lab.run()
        assert text(lab, named(newest=True)) == ios("h", "three")
        assert text(lab, named(time=T0 + HOUR)) == ios("h", "two")

    def test_the_catalog_has_each_version(self, lab: Lab, oxidized: Path) -> None:
        lab.run()
        run(lab, Oxidized(oxidized))
        with open_catalog(lab.repository, state_dir=lab.state_dir, forks=1) as catalog:
            found = [one for one in catalog.snapshots(Query(tier=COMPONENT)) if one.host == "h"]
            assert sorted(one.captured_at for one in found) == [T0, T0 + HOUR, T0 + 2 * HOUR]
        run(lab, Oxidized(oxidized))
        with open_catalog(lab.repository, state_dir=lab.state_dir, forks=1) as catalog:
            assert len(catalog.snapshots(Query(tier=COMPONENT))) == 4

    def test_a_history_takes_none_for_proof(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        lab.run()
        captured = clock()
        clock.advance(hours=2)
        sources.commit(oxidized, {"h": ios("h", "four"), "sw2": ios("sw2", "four")}, clock() - HOUR)
        run(lab, Oxidized(oxidized))
        for host, proven in (("h", captured), ("sw2", None)):
            with open_catalog(lab.repository, state_dir=lab.state_dir, forks=1) as catalog:
                found = history.tell(
                    lab.repository, catalog, history.Asked(host=host, path="text", component=COMPONENT)
                )
            assert len(found.events) > 1
            assert (found.proven_at, found.host_proven_at) == (None, proven)

    def test_no_mirror_shows_it(self, lab: Lab, oxidized: Path, tmp_path: Path) -> None:
        run(lab, Oxidized(oxidized))
        mirror = Mirror(lab, bare(tmp_path / "mirror.git"))
        done = mirror.run(undeclared=True)
        assert (done.waiting, done.commits) == (1, ())

    def test_its_key_is_that_of_the_year_of_its_import(self, lab: Lab, oxidized: Path, clock: Clock) -> None:
        run(lab, Oxidized(oxidized))
        entry = lab.live().streams["h", COMPONENT]
        assert (entry.captured_at.year, entry.key_year) == (2024, clock().year)
        assert open_snapshot.read_manifest(lab.repository, entry).key.year == clock().year
        gone = Destroyed(
            f"d0090-{clock().year}", clock(), "a" * 64, "b" * 64, ("ada",), frozenset({entry.manifest.sha256})
        )
        assert gone.ends(entry)

    def test_a_pushed_text_of_such_a_name(self, lab: Lab, oxidized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = lab.folder()
        lab.open(folder)
        with pytest.raises(PolicyError, match="is called as what was imported"):
            read_pushed(host="h", content=[{"name": COMPONENT, "text": "mine"}])
        # as a collection that knew of no imports has left it
        monkeypatch.setattr(imported, "PREFIX", "another-")
        pushed = read_pushed(host="h", content=[{"name": COMPONENT, "text": "mine"}])
        monkeypatch.undo()
        lab.snapshot(folder, Pushed(), policy=lambda: pushed, pushed=(COMPONENT,))
        lab.seal(folder)
        with pytest.raises(PolicyError, match="holds what a run captured"):
            run(lab, Oxidized(oxidized))

    def test_a_class_with_a_maximum_takes_nothing_older(self, lab: Lab, oxidized: Path) -> None:
        short = RetentionClass("d0090", 90, "compliance", 400)
        outcome = run(lab, Oxidized(oxidized), dataclasses.replace(SETTINGS, kept=short), check=True)
        assert outcome.versions == 0
        assert {one.reason for one in outcome.skipped} == {"class d0090 keeps nothing that old"}

    def test_a_time_that_lies_ahead(self, lab: Lab, tmp_path: Path, clock: Clock) -> None:
        folder = sources.repository(tmp_path / "ahead")
        sources.commit(folder, {"h": ios("h", "x")}, clock() + HOUR)
        outcome = run(lab, Oxidized(folder))
        assert (outcome.versions, [one.reason for one in outcome.skipped]) == (0, ["its time lies ahead"])


class TestBounds:
    """It goes on where it stopped."""

    def test_in_parts(self, lab: Lab, oxidized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(import_backups, "POINT_SNAPSHOTS", 2)
        outcome = run(lab, Oxidized(oxidized))
        assert len(outcome.points) == 2
        assert sorted(point.body.point for point in points.history(lab.repository)) == ["imported", "imported-2"]

    def test_as_much_as_a_run_may(self, lab: Lab, oxidized: Path) -> None:
        few = dataclasses.replace(SETTINGS, most_versions=3)
        assert [run(lab, Oxidized(oxidized), few).remaining for _run in range(2)] == [1, 0]
        assert text(lab, named(newest=True)) == ios("h", "three")
        bytes_ = dataclasses.replace(SETTINGS, most_bytes=1)
        sources.commit(oxidized, {"h": ios("h", "4"), "sw2": ios("sw2", "4")}, T0 + 9 * HOUR)
        assert [run(lab, Oxidized(oxidized), bytes_).remaining for _run in range(2)] == [1, 0]

    @pytest.mark.parametrize(("of", "after", "there"), [("packs/", 1, 0), ("packs/", 3, 2), ("bodies/", 1, 2)])
    def test_broken_off(
        self, lab: Lab, oxidized: Path, monkeypatch: pytest.MonkeyPatch, of: str, after: int, there: int
    ) -> None:
        monkeypatch.setattr(import_backups, "POINT_SNAPSHOTS", 2)
        with pytest.raises(UnavailableError):
            run(lab.on(FaultyStore(lab.store, before=refusing(of, after=after))), Oxidized(oxidized))
        outcome = run(lab, Oxidized(oxidized))
        assert (outcome.known, outcome.versions) == (there, 4 - there)
        for number, what in enumerate(["one", "two", "three"]):
            assert text(lab, named(time=T0 + number * HOUR)) == ios("h", what)

    def test_what_was_broken_off_is_sealed_by_the_next_run(self, lab: Lab, oxidized: Path) -> None:
        # that of the run below, which has ended
        claim(lab.state_dir, f"{1:016x}", dead_pid())
        with pytest.raises(UnavailableError):
            run(lab.on(FaultyStore(lab.store, before=refusing("points/"))), Oxidized(oxidized))
        shipped = ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run="f" * 16)
        assert len(shipped.shipped) == 1
        assert run(lab, Oxidized(oxidized)).known == 4
        assert text(lab, named(time=T0 + HOUR)) == ios("h", "two")
        assert not problems(lab.verify())

    @pytest.mark.parametrize(("keep", "versions"), [("all", 3), ("daily", 1), ("newest", 1)])
    def test_thinned(self, lab: Lab, oxidized: Path, keep: str, versions: int) -> None:
        outcome = run(lab, Oxidized(oxidized, names=Names(only=("h",))), dataclasses.replace(SETTINGS, keep=keep))
        assert (outcome.versions, outcome.thinned) == (versions, 3 - versions)
        assert text(lab, named(newest=True)) == ios("h", "three")


class TestDevices:
    """A text of a known platform is a device's."""

    def test_of_a_platform(self, lab: Lab, oxidized: Path) -> None:
        run(lab, Oxidized(oxidized), platform="ios")
        (chosen,) = choose(lab.repository, "h", named(newest=True))
        assert set(lab.contents("h", named(newest=True))) == {f"/holdfast/{COMPONENT}/running"}
        assert chosen.entry.fingerprints[0].normaliser is not None
        assert chosen.entry.marks == ()

    def test_what_was_masked_is_given_to_no_device(self, lab: Lab, tmp_path: Path) -> None:
        folder = sources.repository(tmp_path / "masked")
        masked = ios("h", "x").replace("!\ninterface", "enable secret <secret hidden>\n!\ninterface")
        sources.commit(folder, {"h": masked}, T0)
        run(lab, Oxidized(folder), platform="ios")
        (chosen,) = choose(lab.repository, "h", named(newest=True))
        assert chosen.entry.marks == (f"{COMPONENT}: something in it was masked: no restore could use it",)
        assert set(lab.contents("h", named(newest=True))) == {f"/holdfast/{COMPONENT}/text"}

    def test_two_hosts_of_one_identity(self, lab: Lab, oxidized: Path) -> None:
        with pytest.raises(PolicyError, match="one identity"):
            run(lab, Oxidized(oxidized), identities={"h": "x", "sw2": "x"})


class TestFiles:
    """Trees and single files come back as they were."""

    def test_etc_under_another_root(self, lab: Lab, tmp_path: Path) -> None:
        folder = sources.repository(tmp_path / "etc")
        sources.commit(folder, {"app/main.conf": "listen 80\n", "motd": "hello\n"}, T0)
        (folder / "app" / "link").symlink_to("main.conf")
        sources.commit(folder, {"app/main.conf": "listen 81\n", "motd": None}, T0 + HOUR)
        run(lab, Etckeeper(folder, names=Names(host="h")))
        asked = Selection(time=T0 + HOUR, components=("imported-etckeeper",))
        root = tmp_path / "back"
        root.mkdir()
        restored = lab.restore(root, selection=asked)
        assert restored.proven
        assert any("was imported from etckeeper" in warning for warning in restored.warnings)
        assert (root / "etc/app/main.conf").read_text() == "listen 81\n"
        assert (root / "etc/app/link").readlink() == Path("main.conf")
        assert not (root / "etc/motd").exists()

    def test_each_file_has_a_stream_of_its_own(self, lab: Lab, tmp_path: Path) -> None:
        folder = tmp_path / "fetched"
        for path, at, what in (("etc/a.conf", "2024-05-01@10:00:00", "a1"), ("etc/b", "2024-05-01@11:00:00", "b1")):
            sources.written(folder / "h" / f"{path}.77.{at}~", what, T0)
        sources.written(folder / "h_config.2024-05-01@12:00:00", ios("h", "x"), T0)
        outcome = run(lab, BackupFiles(folder, zone=dt.timezone.utc))
        assert outcome.versions == 3
        again = run(lab, BackupFiles(folder, zone=dt.timezone.utc))
        assert (again.versions, again.known) == (0, 3)
        entries = lab.live().streams.values()
        assert sorted(entry.stream.rpartition("-")[0] for entry in entries) == [
            "imported",
            "imported-etc-a-conf",
            "imported-etc-b",
        ]
        # who holds no digest key learns nothing of a file that could be guessed
        assert all(entry.imported and len(entry.imported.source) == 64 for entry in entries)
        assert hashlib.sha256(b"a1").hexdigest() not in str(entries)
