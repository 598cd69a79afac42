# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkup of repositories that are whole, and of such that were broken on purpose."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store as stores
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    NotLockedError,
    RunAbandonedError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK, WARNING, Check
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import DIFFERS, HELD, Outcome
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import doctor, events
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.doctor import Asked, RepositoryCheckup
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.replica_objects import Replica
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import followed, governed
from .lab import FILES, NAME, Clock, Lab, declared
from .test_destruction import DESTRUCTION, ESCROW, QUORUM, escrow_signed, gone


def examined(lab: Lab, **more: t.Any) -> tuple[Check, ...]:
    return whole(lab, **more)[0]


def whole(lab: Lab, *, wall_clock: t.Any = None, **more: t.Any) -> tuple[tuple[Check, ...], RepositoryCheckup]:
    given = {
        "connect": lambda: lab.store,
        "pin": lab.repository.chain.links[0].root.id,
        "name": NAME,
        "keyring": lambda: lab.keyring,
        "classes": lambda: declared().classes,
    }
    checkup = RepositoryCheckup(Asked(**{**given, **more}), wall_clock=wall_clock or lab.wall_clock)
    return doctor.examine(checkup.looks()), checkup


def of(checks: tuple[Check, ...], name: str) -> list[Check]:
    return [one for one in checks if one.id == name]


def one_of(checks: tuple[Check, ...], name: str) -> Check:
    (only,) = of(checks, name)
    return only


def errors(checks: tuple[Check, ...]) -> list[str]:
    return [one.id for one in checks if one.severity == ERROR]


class Server(MemoryStore):
    """A server that lets an identity put what the matrix says, and remove versions where that is told."""

    def __init__(self, identity: str, *, now: Callable[[], dt.datetime], deletes: bool = False) -> None:
        super().__init__(now=now)
        rows = [one for one in matrix.load().operations if one.right == "put" and identity in one.allowed]
        self._patterns = [re.compile(name.replace("*", "[^/]+")) for one in rows for name in one.names]
        self._deletes = deletes
        self.asked: list[str] = []

    def _probe(self) -> None:
        self.asked.append("probe")

    def _may_put(self, name: str) -> bool:
        self.asked.append("put")
        return any(pattern.fullmatch(name) for pattern in self._patterns)

    def _may_delete(self, name: str) -> bool:
        self.asked.append("delete")
        return self._deletes


def served(tmp_path: Path, keys: Path, clock: Clock, identity: str, half: str, **more: bool) -> tuple[Lab, Server]:
    """A repository on a server, whose keyring here is one half."""
    server = Server(identity, now=clock, **more)
    lab = Lab.make(tmp_path, server, keys, clock)
    lab.run()
    shutil.copytree(keys / half, tmp_path / "ring" / half) if half else (tmp_path / "ring").mkdir()
    return dataclasses.replace(lab, keyring=LocalKeyring(tmp_path / "ring")), server


# whole


def test_a_folder_that_is_whole_has_no_error_and_its_weaknesses_are_named(file_lab: Lab) -> None:
    file_lab.run()
    checks = examined(file_lab)
    assert errors(checks) == []
    assert "enforces no lock" in one_of(checks, "lock").what
    assert one_of(checks, "rights.delete").severity == WARNING
    assert one_of(checks, "duty.separated").severity == WARNING
    assert one_of(checks, "root.people").severity == WARNING
    assert "1 recovery point," in one_of(checks, "points").what
    assert one_of(checks, "rights").what.startswith("lists, reads, and sees locks")
    assert all(bool(one.remedy) is (one.severity != OK) for one in checks)


def test_who_backs_up_on_a_server_is_the_operator_and_no_more(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab, _server = served(tmp_path, keys, clock, "operator", "seal")
    checks, checkup = whole(lab, on_server=True, identity="operator")
    assert errors(checks) == []
    assert one_of(checks, "duty").severity == OK
    assert {name for name, may in checkup.tried.items() if may} == {
        *(one.name for one in matrix.load().operations if one.right == "put" and "operator" in one.allowed),
        "digest",
        "sign_point",
    }


@pytest.mark.parametrize(("identity", "half"), [("operator", "seal"), ("restorer", "open"), ("auditor", "")])
def test_what_identity_this_is_shows_by_its_rights(
    tmp_path: Path, keys: Path, clock: Clock, identity: str, half: str
) -> None:
    lab, _server = served(tmp_path, keys, clock, identity, half)
    checks = examined(lab, on_server=True, **({} if half else {"keyring": None}))
    assert one_of(checks, "duty") == Check("duty", OK, f"of what was tried it may what the {identity} may, and no more")


def test_another_identity_than_was_said_is_an_error(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab, _server = served(tmp_path, keys, clock, "operator", "seal")
    lacks, more = of(examined(lab, on_server=True, identity="restorer"), "duty")
    assert (lacks.severity, more.severity) == (ERROR, ERROR)
    assert "may not: put records of restores, sign records of restores, open what was wrapped" in lacks.what
    assert "this identity may: " in more.what


def test_who_can_remove_versions_of_a_server_is_an_error(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab, _server = served(tmp_path, keys, clock, "operator", "seal", deletes=True)
    found = one_of(examined(lab, on_server=True), "rights.delete")
    assert found.severity == ERROR
    assert "can delete versions" in found.what


def test_check_mode_asks_the_server_for_nothing_that_writes(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab, server = served(tmp_path, keys, clock, "operator", "seal")
    server.asked.clear()
    checks = examined(lab, on_server=True, check=True, connect=lambda: DryRunStore(server))
    assert server.asked == []
    assert "not tried in check mode" in one_of(checks, "rights").what
    assert "no probe was put in check mode" in one_of(checks, "lock").what


# broken


def test_a_folder_that_is_not_mounted_is_one_error_and_the_rest_is_named(file_lab: Lab, tmp_path: Path) -> None:
    checks = examined(file_lab, connect=lambda: stores.connect((tmp_path / "away").as_uri()))
    assert errors(checks) == ["store"]
    assert one_of(checks, "store").remedy.startswith("Mount it")
    assert {"pin", "points", "rights", "keyring"} <= set(re.findall(r"[\w.]+", one_of(checks, "skipped").what))


def test_an_empty_folder_is_no_repository(tmp_path: Path, file_lab: Lab) -> None:
    (tmp_path / "empty").mkdir()
    checks = examined(file_lab, connect=lambda: stores.connect((tmp_path / "empty").as_uri()))
    assert "holds no repository" in one_of(checks, "store").what
    assert one_of(checks, "clock").severity == OK


@pytest.mark.parametrize(("pin", "says"), [(None, "is not set"), ("0" * 64, "no root link"), ("x", "not a SHA-256")])
def test_a_pin_that_is_none_or_wrong(lab: Lab, pin: str | None, says: str) -> None:
    checks = examined(lab, pin=pin)
    assert errors(checks) == ["pin"]
    assert says in one_of(checks, "pin").what
    # what needs no root is looked at all the same
    assert one_of(checks, "clock").severity == OK
    assert one_of(checks, "rights")


def test_a_repository_of_another_name(lab: Lab) -> None:
    assert "holds repository" in one_of(examined(lab, name="stage"), "pin").what


def test_a_pin_that_is_behind_names_the_newest_link(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock)
    clock.advance(hours=1)
    after = followed(lab, rotate=("point",))
    found = one_of(examined(after), "pin")
    assert (found.severity, found.what) == (WARNING, "it is root link 1 of 2: 1 behind the newest")
    assert after.repository.root.id in found.remedy
    assert one_of(examined(after, pin=after.repository.root.id), "pin").severity == OK


@pytest.mark.parametrize(("minutes", "severity"), [(4, OK), (6, WARNING), (-6, WARNING), (16, ERROR), (-16, ERROR)])
def test_clocks_that_differ(lab: Lab, clock: Clock, minutes: int, severity: str) -> None:
    found = one_of(examined(lab, wall_clock=lambda: clock() + dt.timedelta(minutes=minutes)), "clock")
    assert found.severity == severity


def test_a_server_without_locks_is_an_error(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = Lab.make(tmp_path, MemoryStore(now=clock, enforced=False), keys, clock)
    assert one_of(examined(lab, on_server=True), "lock").severity == ERROR


@pytest.mark.parametrize(
    ("proof", "severity"), [(None, OK), (DeniedError("no"), WARNING), (NotLockedError("any key"), ERROR)]
)
def test_classes_in_mode_governance_are_proved_by_who_may(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, proof: Exception | None, severity: str
) -> None:
    def proved() -> None:
        if proof is not None:
            raise proof

    monkeypatch.setattr(lab.store, "_prove_governance", proved)
    root = lab.repository.root
    assert of(examined(lab, on_server=True), "lock.governance") == []
    weak = {name: dataclasses.replace(one, mode="governance") for name, one in root.classes.items()}
    monkeypatch.setattr(RepositoryCheckup, "repository", lambda self: with_classes(lab, weak))
    assert one_of(examined(lab, on_server=True), "lock.governance").severity == severity


def with_classes(lab: Lab, classes: t.Any) -> Repository:
    """The lab's repository as if its root had these classes."""
    (link,) = lab.repository.chain.links
    chain = dataclasses.replace(
        lab.repository.chain, links=(dataclasses.replace(link, root=dataclasses.replace(link.root, classes=classes)),)
    )
    return dataclasses.replace(lab.repository, chain=chain)


def test_settings_of_a_bucket_that_differ(lab: Lab) -> None:
    outcomes = [Outcome("lifecycle", DIFFERS, why="a rule is missing"), Outcome("versions", HELD)]
    found = one_of(examined(lab, on_server=True, bucket=lambda: outcomes), "bucket.lifecycle")
    assert (found.severity, found.what) == (WARNING, "differs: a rule is missing")
    assert one_of(examined(lab, on_server=True, bucket=lambda: outcomes[1:]), "bucket").severity == OK


def test_keys_that_end(lab: Lab, clock: Clock) -> None:
    clock.moment = dt.datetime(2035, 6, 1, tzinfo=dt.timezone.utc)
    checks = examined(lab)
    assert {one.severity for one in of(checks, "root.signing")} == {WARNING}
    assert [one.severity for one in of(checks, "root.years")] == [OK]
    clock.moment = dt.datetime(2036, 2, 1, tzinfo=dt.timezone.utc)
    checks = examined(lab)
    assert {one.severity for one in of(checks, "root.years")} == {WARNING}
    assert {one.severity for one in of(checks, "root.escrow")} == {WARNING}
    clock.moment = dt.datetime(2037, 2, 1, tzinfo=dt.timezone.utc)
    checks = examined(lab)
    assert {"root.signing", "root.years", "root.escrow"} <= set(errors(checks))


def test_classes_that_the_root_has_otherwise_or_not(lab: Lab) -> None:
    classes = dict(declared().classes)
    name = min(classes)
    classes[name] = dataclasses.replace(classes[name], days=1 + classes[name].days)
    classes["d0007"] = dataclasses.replace(classes[name], name="d0007", days=7)
    absent, other = of(examined(lab, classes=lambda: classes), "root.classes")
    assert (absent.severity, other.severity) == (WARNING, ERROR)
    assert "d0007" in absent.what
    assert name in other.what


def test_a_key_is_pending_until_escrow_is_signed_away(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, quorum=(*QUORUM, DESTRUCTION, ESCROW))
    lab.run()
    clock.advance(hours=1)
    lab = gone(followed(lab, rotate=("wrap", "escrow")))
    found = one_of(examined(lab), "keys.destroyed")
    assert (found.severity, "escrow still opens" in found.what) == (WARNING, True)
    # another class's key opens still
    assert one_of(examined(lab), "keyring").severity == OK
    escrow_signed(lab)
    assert one_of(examined(lab), "keys.destroyed").severity == OK


def test_a_repository_without_a_point_and_one_whose_points_are_forged(lab: Lab) -> None:
    assert one_of(examined(lab), "points").what == "there is no recovery point"
    lab.run()
    forged = lab.names("points/")[0][:-5]
    bad = f"{forged[:-64]}{'0' * 64}.json"
    with (lab.path / "forged").open("w+b") as file:
        file.write(b"{}")
        file.seek(0)
        lab.store.put_new(bad, file, lock_until=lab.store.clock() + dt.timedelta(days=9))
    ok, refused = of(examined(lab), "points")
    assert (ok.severity, refused.severity) == (OK, WARNING)
    assert "is not believed" in refused.what


def test_newest_snapshots_whose_locks_fade(lab: Lab, clock: Clock) -> None:
    lab.run()
    assert one_of(examined(lab), "locks").severity == OK
    clock.advance(days=100)
    found = one_of(examined(lab), "locks")
    assert (found.severity, "h/tier" in found.what) == (WARNING, True)


def test_a_run_that_began_and_never_ended(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    opened = lab.open(folder, actor={"user": "ops", "controller": "c1", "run": folder.run})
    events.announce(folder, lab.repository, lab.keyring, opened)
    assert one_of(examined(lab), "intents").severity == OK
    clock.advance(days=2)
    found = one_of(examined(lab), "intents")
    assert (found.severity, "of ops on c1" in found.what) == (WARNING, True)


def test_who_may_not_write_to_a_folder_is_an_auditor_and_no_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run()

    def refused() -> t.NoReturn:
        raise DeniedError("only who may write there can ask for the time")

    monkeypatch.setattr(lab.store, "clock", refused)
    checks = examined(lab, keyring=None)
    assert errors(checks) == []
    assert one_of(checks, "intents").severity == OK


def test_one_of_two_points_of_a_run_that_never_ended(lab: Lab, clock: Clock) -> None:
    pre = lab.folder("pre")
    post = lab.folder("post", run=pre.run)
    for folder in (pre, post):
        events.announce(folder, lab.repository, lab.keyring, lab.open(folder))
    lab.snapshot(pre, MemorySource(FILES))
    lab.seal(pre)
    clock.advance(days=2)
    found = one_of(examined(lab), "intents")
    assert (found.severity, "for post" in found.what) == (WARNING, True)


def test_events_that_are_too_many_or_not_believed_are_no_good_sign(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lab.folder()
    events.announce(folder, lab.repository, lab.keyring, lab.open(folder))
    monkeypatch.setattr(doctor, "_MOST_EVENTS", 1)
    found = one_of(examined(lab), "intents")
    assert (found.severity, "only the newest 1 events" in found.what) == (WARNING, True)
    monkeypatch.undo()
    (name,) = lab.names("records/audit/")
    with (lab.path / "forged").open("w+b") as file:
        file.write(b"{}")
        file.seek(0)
        forged = f"{name[:-69]}{'0' * 64}.json"
        lab.store.put_new(forged, file, lock_until=lab.store.clock() + dt.timedelta(days=9))
    assert "1 event not believed" in one_of(examined(lab), "intents").what


def test_a_seal_half_that_is_away_or_open_to_others_or_another_repositorys(
    tmp_path: Path, keys: Path, other_keys: Path, lab: Lab
) -> None:
    ring = tmp_path / "ring"
    shutil.copytree(keys, ring)
    ask = functools.partial(examined, lab, keyring=lambda: LocalKeyring(ring))
    (ring / "seal").chmod(0o755)
    found = one_of(ask(), "keyring")
    assert (found.severity, "chmod" in found.remedy) == (ERROR, True)
    (ring / "seal").chmod(0o700)
    for half in ("seal", "open"):
        shutil.rmtree(ring / half)
    found = one_of(ask(), "keyring")
    assert found.severity == WARNING
    assert "does nothing for this identity" in found.what
    shutil.copytree(other_keys / "seal", ring / "seal")
    assert one_of(ask(), "keyring").severity == ERROR


def test_a_keyring_that_does_not_answer_is_an_error_of_its_own(lab: Lab) -> None:
    def sealed() -> t.NoReturn:
        raise UnavailableError("cannot look: it is sealed", remedy="Unseal it")

    checks = examined(lab, keyring=sealed)
    assert errors(checks) == ["keyring"]
    assert one_of(checks, "keyring").remedy == "Unseal it"


def test_a_keyring_that_answers_no_more_once_it_is_connected_is_the_only_error(
    lab: Lab, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Vault that is sealed: who connects does not ask it yet."""

    def sealed(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise UnavailableError("cannot key digests: it is sealed", remedy="Unseal it")

    ring = LocalKeyring(keys)
    monkeypatch.setattr(ring, "digest_key", sealed)
    checks = examined(lab, keyring=lambda: ring)
    assert errors(checks) == ["keyring"]
    assert "it is sealed" in one_of(checks, "keyring").what


def test_replicas_that_are_away_empty_and_behind(lab: Lab, clock: Clock) -> None:
    def away() -> t.NoReturn:
        raise UnavailableError("it is not reached", remedy="Look at it")

    behind = MemoryStore(now=clock)
    for name in lab.names("root/"):
        with (lab.path / "link").open("w+b") as file:
            file.write(lab.store.get(name))
            file.seek(0)
            behind.put_new(name, file, lock_until=clock() + dt.timedelta(days=900))
    sites = {"away": away, "empty": lambda: MemoryStore(now=clock), "behind": lambda: behind, "same": lambda: lab.store}
    lab.run()
    clock.advance(hours=3)
    checks = examined(lab, replicas=[Replica(name, connect) for name, connect in sites.items()])
    told = {name: one_of(checks, f"replica.{name}") for name in sites}
    assert {name: one.severity for name, one in told.items()} == {
        "away": ERROR,
        "empty": ERROR,
        "behind": WARNING,
        "same": OK,
    }
    assert told["behind"].what == "it lacks 1 recovery point, the oldest 3.0 hours old"


def test_a_replica_is_looked_at_where_the_repository_is_away(lab: Lab, tmp_path: Path) -> None:
    away = functools.partial(stores.connect, (tmp_path / "away").as_uri())
    checks = examined(lab, connect=away, replicas=[Replica("south", lambda: lab.store)])
    found = one_of(checks, "replica.south")
    assert (errors(checks), found.severity, "holdfast_read_from" in found.what) == (["store"], OK, True)


def test_who_may_not_read_is_told_so(tmp_path: Path, keys: Path, clock: Clock) -> None:
    class Closed(MemoryStore):
        def _get(self, name: str, version: str | None) -> bytes:
            if name.startswith("manifests/"):
                raise DeniedError("cannot get: it is not allowed", item=name, remedy="Give this identity the right")
            return super()._get(name, version)

    lab = Lab.make(tmp_path, MemoryStore(now=clock), keys, clock)
    lab.run()
    closed = Closed(now=clock)
    closed._versions = lab.memory._versions
    assert one_of(examined(lab, connect=lambda: closed), "rights").severity == ERROR


# each alone


def test_an_error_of_the_system_is_told_and_nobody_left_to_tell_ends_it() -> None:
    def full() -> t.NoReturn:
        raise OSError(28, "No space left on device", "/var")

    def abandoned() -> t.NoReturn:
        raise RunAbandonedError("gone")

    (told, last) = doctor.examine([("one", full), ("two", lambda: [Check("two", OK, "fine")])])
    assert (told.severity, told.what, last.severity) == (ERROR, "No space left on device (/var)", OK)
    with pytest.raises(RunAbandonedError):
        doctor.examine([("one", abandoned)])


def test_the_guide_has_every_check() -> None:
    library = Path(doctor.__file__).parents[1]
    files = [*library.glob("usecases/doctor*.py"), *library.glob("adapter/doctor*.py"), library / "model/checkup.py"]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    named = {*re.findall(r'Check\(\s*"([a-z_.]+)"', code), *re.findall(r'yield "([a-z_.]+)"', code)}
    named |= set(re.findall(r'\("([a-z_.]+)", self\._', code))
    assert {"python", "root.signing", "inventory.coverage", "duty"} <= named
    guide = (library.parents[1] / "docs" / "guide_doctor.md").read_text(encoding="utf-8")
    assert [name for name in sorted(named) if f"`{name}`" not in guide] == []
