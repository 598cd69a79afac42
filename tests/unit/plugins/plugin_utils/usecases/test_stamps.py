# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points with the word of a time-stamp authority beside them: put, required, verified, refused."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    KeyringError,
    PolicyError,
    RunAbandonedError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, GuardedStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points, stamps, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.stamps import TimeStamping
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level, Report, Severity
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.authority import (
    CertificateAuthority,
    TimeAuthority,
    tst_info,
)

from .conftest import utcnow
from .faults import FaultyStore
from .lab import FILES, Clock, Lab, problems
from .test_leftovers import captured, refusing, ship

HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca") / "own")


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca") / "other", name="Other Root")


@pytest.fixture(scope="module")
def authority(ca: CertificateAuthority) -> Iterator[TimeAuthority]:
    with TimeAuthority(ca, ca.issue("Stamper")) as running:
        yield running


@pytest.fixture
def stamping(authority: TimeAuthority, ca: CertificateAuthority) -> TimeStamping:
    return TimeStamping(authority.url, ca.root.pem)


@pytest.fixture
def away(ca: CertificateAuthority) -> Iterator[TimeStamping]:
    """An authority that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield TimeStamping(f"http://127.0.0.1:{bound.getsockname()[1]}/", ca.root.pem, timeout=2)


def required(given: TimeStamping) -> TimeStamping:
    return TimeStamping(given.url, given.certificates, True, given.timeout)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The authority's clock is this machine's, and it cannot be told another time: the lab keeps it too."""
    clock = Clock(utcnow().replace(microsecond=0))
    with clock.ruling():
        yield clock


@pytest.fixture
def lab(tmp_path: Path, real_keys: Path, clock: Clock) -> Lab:
    return Lab.make(tmp_path, MemoryStore(now=clock), real_keys, clock)


def stamped_run(lab: Lab, stamping: TimeStamping | None, *, on: Lab | None = None) -> Sealed:
    folder = lab.folder()
    lab.open(folder, "h")
    lab.snapshot(folder, MemorySource(FILES))
    return (on or lab).seal(folder, stamping=stamping)


def verified(lab: Lab, stamping: TimeStamping | None) -> Report:
    return verify.verify(lab.repository, level=Level.SIGNATURES, stamping=stamping)


def point_of(lab: Lab, sealed: Sealed) -> points.Point:
    (point,), _refused = points.find(lab.repository, sealed.id or "")
    return point


def put_beside(lab: Lab, sealed: Sealed, token: bytes) -> str:
    """Put bytes as a stamp of a point, as whoever may put can."""
    point = point_of(lab, sealed)
    at, run = point.statement.sealed_at, point.statement.run
    stamps.put(lab.repository, at, run, token, lock_until=keep.point_lock(at, 400))
    return names.for_point(names.Kind.STAMP, at, run, token)


def said(authority: TimeAuthority, sealed: Sealed, at: dt.datetime) -> bytes:
    """What the authority would have answered at another time."""
    return authority.stamped(tst_info(bytes.fromhex(sealed.id or ""), at=at))


class TestSealed:
    def test_a_stamp_stands_beside_its_point_and_before_it(self, lab: Lab, stamping: TimeStamping) -> None:
        watched = FaultyStore(lab.store)
        sealed = stamped_run(lab, required(stamping), on=lab.on(watched))
        assert (sealed.timestamped, sealed.warnings, sealed.complete) == (True, (), True)
        # a point that is there has its stamp
        assert [name.split("/")[0] for operation, name in watched.calls if operation == "put"] == [
            "bodies",
            "stamps",
            "points",
        ]
        (stamp,) = lab.store.list("stamps/")
        (point,) = lab.store.list("points/")
        parts, beside = names.parse(stamp.name), names.parse(point.name)
        assert (parts.at, parts.run) == (beside.at, beside.run)
        assert stamp.lock_until == point.lock_until
        report = verified(lab, required(stamping))
        assert (report.timestamped, problems(report, Severity.ERROR, Severity.WARNING)) == (1, [])

    def test_nobody_stamps_where_nobody_is_named(self, lab: Lab, authority: TimeAuthority) -> None:
        asked = len(authority.seen)
        sealed = stamped_run(lab, None)
        assert (sealed.timestamped, sealed.warnings) == (False, ())
        assert lab.names("stamps/") == []
        assert len(authority.seen) == asked

    def test_check_mode_asks_nobody(self, lab: Lab, stamping: TimeStamping, authority: TimeAuthority) -> None:
        asked = len(authority.seen)
        dry = lab.on(DryRunStore(lab.store))
        folder = lab.folder()
        dry.open(folder, "h", check=True)
        dry.snapshot(folder, MemorySource(FILES), check=True)
        assert dry.seal(folder, stamping=required(stamping), check=True).sealed
        assert len(authority.seen) == asked

    def test_sealing_again_asks_nobody(self, lab: Lab, stamping: TimeStamping, authority: TimeAuthority) -> None:
        folder = lab.folder()
        lab.open(folder, "h")
        lab.snapshot(folder, MemorySource(FILES))
        sealed = lab.seal(folder, stamping=stamping)
        asked = len(authority.seen)
        assert lab.seal(folder, stamping=stamping) == sealed
        assert sealed.timestamped
        assert len(authority.seen) == asked

    def test_an_authority_that_is_away_is_told_and_the_point_is_sealed(self, lab: Lab, away: TimeStamping) -> None:
        sealed = stamped_run(lab, away)
        assert (sealed.sealed, sealed.complete, sealed.timestamped) == (True, True, False)
        (warning,) = sealed.warnings
        assert warning.startswith("the recovery point has no time stamp: ")
        assert lab.names("stamps/") == []

    def test_where_a_stamp_is_required_nothing_is_sealed_without(
        self, lab: Lab, away: TimeStamping, stamping: TimeStamping
    ) -> None:
        folder = lab.folder()
        lab.open(folder, "h")
        lab.snapshot(folder, MemorySource(FILES))
        before = lab.names()
        with pytest.raises(KeyringError):
            lab.seal(folder, stamping=required(away))
        assert lab.names() == before
        assert folder.read_sealed() is None
        # seal again once it is back
        assert lab.seal(folder, stamping=required(stamping)).timestamped

    def test_another_authoritys_word_is_not_taken(
        self, lab: Lab, stamping: TimeStamping, other_ca: CertificateAuthority
    ) -> None:
        mistrusting = TimeStamping(stamping.url, other_ca.root.pem)
        sealed = stamped_run(lab, mistrusting)
        assert (sealed.timestamped, len(sealed.warnings)) == (False, 1)
        with pytest.raises(SignatureError):
            stamped_run(lab, required(mistrusting))
        assert lab.names("stamps/") == []
        assert len(lab.names("points/")) == 1

    @pytest.mark.parametrize("certificates", [b"", b"no certificate"], ids=["none", "none of them one"])
    def test_certificates_that_are_none_are_a_mistake_of_the_inventory(
        self, lab: Lab, stamping: TimeStamping, certificates: bytes
    ) -> None:
        with pytest.raises(PolicyError):
            stamped_run(lab, TimeStamping(stamping.url, certificates))

    def test_a_stamp_whose_point_was_not_put_is_nothing(self, lab: Lab, stamping: TimeStamping) -> None:
        puts = 2

        def gone() -> None:
            nonlocal puts
            puts -= 1
            if puts < 0:
                raise RunAbandonedError("the run has ended")

        with pytest.raises(RunAbandonedError):
            stamped_run(lab, stamping, on=lab.on(GuardedStore(lab.store, gone)))
        assert [len(lab.names(f"{kind}/")) for kind in ("bodies", "stamps", "points")] == [1, 1, 0]
        report = verified(lab, required(stamping))
        assert (report.timestamped, problems(report, Severity.ERROR, Severity.WARNING)) == (0, [])
        assert stamped_run(lab, required(stamping)).timestamped


class TestLate:
    def test_what_is_shipped_late_is_stamped_then(self, lab: Lab, stamping: TimeStamping) -> None:
        lab.seal(captured(lab, refusing("/b/")), stamping=stamping)
        (line,) = ship(lab, stamping=required(stamping))
        assert "was stored late" in line
        assert verified(lab, required(stamping)).timestamped == 2

    def test_where_a_stamp_is_required_it_waits(self, lab: Lab, away: TimeStamping, stamping: TimeStamping) -> None:
        folder = captured(lab, refusing())
        (line,) = ship(lab, stamping=required(away))
        assert "still waits" in line
        assert folder.waits_for_store
        assert lab.names("points/") == []
        assert "was stored late" in ship(lab, stamping=required(stamping))[0]
        assert verified(lab, required(stamping)).timestamped == 1


class TestVerified:
    def test_stamps_are_counted(self, lab: Lab, clock: Clock, stamping: TimeStamping) -> None:
        for each in (stamping, None, stamping):
            stamped_run(lab, each)
            clock.advance(seconds=1)
        assert verified(lab, stamping).timestamped == 2
        assert verified(lab, None).timestamped == 0

    def test_a_point_without_one_is_told_where_one_is_required(self, lab: Lab, stamping: TimeStamping) -> None:
        sealed = stamped_run(lab, None)
        assert problems(verified(lab, stamping), Severity.ERROR, Severity.WARNING) == []
        report = verified(lab, required(stamping))
        assert problems(report) == []
        (finding,) = problems(report, Severity.WARNING)
        assert sealed.id is not None
        assert sealed.id in finding.item
        assert finding.problem == "has no time stamp that is believed"

    def test_a_stamp_by_nobody_who_is_trusted_is_none(
        self, lab: Lab, stamping: TimeStamping, other_ca: CertificateAuthority
    ) -> None:
        stamped_run(lab, stamping)
        (name,) = lab.names("stamps/")
        report = verified(lab, TimeStamping("", other_ca.root.pem))
        assert report.timestamped == 0
        (finding,) = problems(report, Severity.WARNING)
        assert finding.item == name
        assert finding.problem == (
            "is no time stamp of this point: the time-stamp token is not signed by an authority that the certificates "
            "vouch for"
        )
        assert report.sound

    def test_another_points_stamp_is_none(self, lab: Lab, clock: Clock, stamping: TimeStamping) -> None:
        first = stamped_run(lab, stamping)
        (stamp,) = lab.names("stamps/")
        clock.advance(seconds=1)
        second = stamped_run(lab, None)
        name = put_beside(lab, second, lab.store.get(stamp))
        report = verified(lab, required(stamping))
        assert first.id != second.id
        assert report.timestamped == 1
        assert {(f.item, f.problem) for f in problems(report, Severity.WARNING)} == {
            (name, "is no time stamp of this point: the time-stamp token is over another digest"),
            (point_of(lab, second).name, "has no time stamp that is believed"),
        }

    @pytest.mark.parametrize("token", [b"", b"rubbish", b"0" * 70_000], ids=["empty", "rubbish", "too large"])
    def test_what_somebody_put_beside_it_changes_nothing(self, lab: Lab, stamping: TimeStamping, token: bytes) -> None:
        sealed = stamped_run(lab, stamping)
        name = put_beside(lab, sealed, token)
        report = verified(lab, required(stamping))
        assert (report.timestamped, report.sound) == (1, True)
        assert [finding.item for finding in problems(report, Severity.WARNING)] == [name]

    def test_every_flipped_byte_is_refused_or_says_the_same(
        self, lab: Lab, stamping: TimeStamping, ca: CertificateAuthority
    ) -> None:
        sealed = stamped_run(lab, stamping)
        (stamp,) = lab.names("stamps/")
        point = point_of(lab, sealed)
        told = stamps.read(lab.repository, point.id, point.statement.sealed_at, point.statement.run, ca.root.pem)
        token = lab.store.get(stamp)
        del lab.memory._versions[stamp]
        for place in range(0, len(token), 37):
            flipped = token[:place] + bytes([token[place] ^ 0x04]) + token[place + 1 :]
            name = put_beside(lab, sealed, flipped)
            read = stamps.read(lab.repository, point.id, point.statement.sealed_at, point.statement.run, ca.root.pem)
            # parts of a token are not signed, such as certificates beside the chain
            assert (read.at is None and len(read.refused) == 1) or read == told
            del lab.memory._versions[name]

    def test_a_wrong_time_is_found_out(
        self, lab: Lab, clock: Clock, stamping: TimeStamping, authority: TimeAuthority
    ) -> None:
        """Who backs up signed another time, and the store's clock was set to it too; the authority's was not."""
        clock.moment -= 2 * HOUR
        sealed = stamped_run(lab, stamping)
        assert sealed.timestamped
        (finding,) = problems(verified(lab, stamping))
        assert finding.item == point_of(lab, sealed).name
        assert "CN=Stamper" in finding.problem
        assert "has stamped it at" in finding.problem
        assert verified(lab, None).sound

    @pytest.mark.parametrize(
        ("apart", "sound"),
        [(dt.timedelta(minutes=-16), False), (dt.timedelta(minutes=-14), True), (dt.timedelta(minutes=14), True)],
        ids=str,
    )
    def test_honest_clocks_may_differ_a_little(
        self, lab: Lab, authority: TimeAuthority, stamping: TimeStamping, apart: dt.timedelta, sound: bool
    ) -> None:
        sealed = stamped_run(lab, None)
        put_beside(lab, sealed, said(authority, sealed, point_of(lab, sealed).statement.sealed_at + apart))
        assert verified(lab, stamping).sound is sound

    def test_the_earliest_stamp_counts(self, lab: Lab, authority: TimeAuthority, stamping: TimeStamping) -> None:
        """Anybody who may put can have a point stamped again, later: that it existed earlier stays true."""
        sealed = stamped_run(lab, stamping)
        put_beside(lab, sealed, said(authority, sealed, utcnow() + 24 * HOUR))
        report = verified(lab, stamping)
        assert (report.timestamped, problems(report, Severity.ERROR, Severity.WARNING)) == (1, [])
        put_beside(lab, sealed, said(authority, sealed, utcnow() - 24 * HOUR))
        assert not verified(lab, stamping).sound

    def test_a_stamp_under_another_runs_name_is_not_this_points(
        self, lab: Lab, stamping: TimeStamping, ca: CertificateAuthority
    ) -> None:
        sealed = stamped_run(lab, stamping)
        (stamp,) = lab.names("stamps/")
        at = point_of(lab, sealed).statement.sealed_at
        token = lab.store.get(stamp)
        objects.put(
            lab.store,
            names.for_point(names.Kind.STAMP, at, "e" * 16, token),
            token,
            lock_until=keep.point_lock(at, 400),
        )
        found = stamps.read(lab.repository, sealed.id or "", at, "d" * 16, ca.root.pem)
        assert found == stamps.Stamped(None, "", ())
