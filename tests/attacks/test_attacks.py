# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks on a repository, each tried: what it comes to, and what withstands or detects it.

The first line of a test's docstring says the latter; docs/design/attacks.md lists all of them.
"""

# a fixture that is imported is an argument too

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import io
import re
import shutil
import types
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    IntegrityError,
    NameRefusedError,
    SignatureError,
    TrustError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format.names import Kind
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Retirement, StreamEntry
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Finding, Level, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, objects, points, stamps, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.stamps import TimeStamping
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.authority import (
    CertificateAuthority,
    TimeAuthority,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.council import (
    DAY,
    LOCK,
    ROOT,
    SECOND,
    all_sign,
    by_people,
    followed,
    governed,
    link_envelope,
    person,
    persons,
    presented,
    put_envelope,
    put_link,
    put_record,
    reopened,
    request_of,
    retired,
    retiring,
    signature,
    successor,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.forge import Forge
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import FILES, NAME, Clock, Lab

PAGE = Path(__file__).parents[2] / "docs" / "design" / "attacks.md"
HOUR = dt.timedelta(hours=1)
HOSTS = ("h", "quiet")


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """A repository of people, in which two hosts were backed up an hour ago."""
    made = governed(tmp_path, keys, clock)
    clock.advance(minutes=1)
    made.run({host: MemorySource(FILES) for host in HOSTS})
    clock.advance(hours=1)
    return made


def backed_up(lab: Lab, text: bytes, host: str = "h") -> str:
    """An honest run after a file has changed; its point's id."""
    sealed = lab.run({host: MemorySource({**FILES, "/etc/app/main.conf": text})})
    assert sealed.id is not None
    return sealed.id


def content(lab: Lab, host: str = "h", **selection: t.Any) -> bytes:
    """What a restore would write."""
    return lab.contents(host, Selection(**selection) if selection else None)["/etc/app/main.conf"]


def name_of(lab: Lab, point_id: str) -> str:
    (name,) = (name for name in lab.names("points/") if point_id in name)
    return name


def hidden(lab: Lab, *parts: str) -> None:
    """Take objects out of the store, as who owns the medium can."""
    for name in lab.names():
        if any(part in name for part in parts):
            del lab.memory._versions[name]


def stolen(lab: Lab) -> LocalKeyring:
    """A copy of the operator's half, as it is now."""
    folder = lab.path / f"stolen-{len(list(lab.path.iterdir()))}"
    shutil.copytree(lab.path / "keyring" / "seal", folder / "seal")
    return LocalKeyring(folder)


def findings(lab: Lab, level: Level = Level.SIGNATURES, **more: t.Any) -> tuple[Finding, ...]:
    return verify.verify(lab.repository, level=level, **more).findings


def errors(found: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.item: finding.problem for finding in found if finding.severity is Severity.ERROR}


def warnings(found: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.item: finding.problem for finding in found if finding.severity is Severity.WARNING}


def told(lab: Lab, name: str) -> bool:
    """Whether the next run tells of an object that it does not believe."""
    return any(name in note for note in reopened(lab).open(lab.folder()).notes)


def point_key(lab: Lab) -> str:
    (key_id, *_more) = lab.repository.root.signing("point", lab.store.clock())
    return key_id


def captured_at(entry: StreamEntry, at: dt.datetime) -> StreamEntry:
    """The same snapshot under another time, as who signs may say."""
    pack, manifest = (
        dataclasses.replace(ref, name=str(dataclasses.replace(names.parse(ref.name), at=at)))
        for ref in (entry.pack, entry.manifest)
    )
    return dataclasses.replace(entry, captured_at=at, verified_at=at, pack=pack, manifest=manifest)


def captured(lab: Lab) -> dict[tuple[str, str], dt.datetime]:
    return {key: entry.captured_at for key, entry in reopened(lab).live().streams.items()}


# Who owns the medium, or may put anything


def test_replaced_root(lab: Lab, tmp_path: Path, other_keys: Path, clock: Clock) -> None:
    """The pin: no repository of another root opens."""
    shutil.copytree(other_keys, tmp_path / "theirs")
    other = Lab.make(tmp_path / "elsewhere", MemoryStore(now=clock), tmp_path / "theirs", clock)
    other.run()
    pin = lab.repository.root.id
    with pytest.raises(TrustError, match="holds no root link with the pinned digest"):
        open_repository(other.store, pin=pin)
    # beside the right one it is nothing; in its place, under its name, it is damage
    for name in other.names():
        for version in other.memory._versions[name]:
            lab.store.put_new(name, io.BytesIO(version.data), lock_until=LOCK)
    assert reopened(lab).repository.root == lab.repository.root
    assert content(lab) == FILES["/etc/app/main.conf"]
    (theirs,) = other.names("root/")
    for version in lab.memory._versions[f"root/1-{pin}.json"]:
        version.data = other.store.get(theirs)
    with pytest.raises(IntegrityError):
        open_repository(lab.store, pin=pin)


def _object_of_every_kind(lab: Lab) -> list[str]:
    record = retired(lab, "quiet")
    point = points.read_point(lab.repository, points.point_names(lab.repository)[0])
    stamp = names.for_point(Kind.STAMP, point.statement.sealed_at, point.statement.run, b"a token")
    objects.put(lab.store, stamp, b"a token", lock_until=LOCK)
    held = lab.names()
    assert {names.parse(name).kind for name in held} == set(Kind)
    assert record in held
    return held


@pytest.mark.parametrize("order", ["later", "earlier"])
def test_added_versions(lab: Lab, clock: Clock, order: str) -> None:
    """The digest in each name: readers pass by what has another one, and `verify level=content` names it."""
    held = _object_of_every_kind(lab)
    before = reopened(lab).live()
    for name in held:
        lab.store.put_new(name, io.BytesIO(b"what the attacker would like"), lock_until=LOCK)
        if order == "earlier":
            versions = lab.memory._versions[name]
            versions.insert(0, versions.pop())
            versions[0].listed = dataclasses.replace(versions[0].listed, modified=clock() - 100 * DAY)
    assert reopened(lab).live() == before
    assert content(lab) == FILES["/etc/app/main.conf"]
    found = findings(lab, Level.CONTENT)
    assert errors(found) == {}
    named = {item for item, problem in warnings(found).items() if "do not have the digest" in problem}
    assert named == set(held)
    assert lab.run().complete


def test_delete_markers(lab: Lab) -> None:
    """Readers ignore delete markers, and `verify` names each one on what is locked."""
    held = _object_of_every_kind(lab)
    before = reopened(lab).live()
    for name in held:
        lab.memory.put_marker(name)
    assert reopened(lab).live() == before
    assert content(lab) == FILES["/etc/app/main.conf"]
    found = errors(findings(lab, Level.NAMES))
    assert set(found) == set(held)
    assert all("was marked as deleted while locked" in problem for problem in found.values())


def test_hidden_point_with_a_child(lab: Lab, clock: Clock) -> None:
    """The child's `parents`: `verify` says which one is not listed."""
    middle = backed_up(lab, b"hidden")
    clock.advance(hours=1)
    child = backed_up(lab, b"newest")
    hidden(lab, middle)
    assert f"its parent {middle} is not listed" in errors(findings(lab))[name_of(lab, child)]


def test_hidden_newest_point_at_its_controller(lab: Lab, clock: Clock) -> None:
    """The controller that sealed it remembers it: its next run says so."""
    newest = backed_up(lab, b"hidden")
    clock.advance(hours=1)
    hidden(lab, newest)
    (note,) = lab.open(lab.folder()).notes
    assert f"recovery point {newest}, which this controller sealed" in note


def test_hidden_newest_point_known_elsewhere(lab: Lab, clock: Clock) -> None:
    """`verify known_recovery_points`, with ids from tickets, job results or the SIEM."""
    ids = [backed_up(lab, b"1"), backed_up(lab, b"2")]
    assert errors(findings(lab, known=ids)) == {}
    hidden(lab, ids[1])
    assert errors(findings(lab)) == {}
    assert "is known elsewhere and is not in this repository" in errors(findings(lab, known=ids))[ids[1]]


def test_repository_turned_back(lab: Lab, clock: Clock) -> None:
    """The controller's next run, and `verify known_recovery_points`; a pin that was moved forward refuses it."""
    old = copy.deepcopy(lab.memory._versions)
    newest = backed_up(lab, b"newer")
    clock.advance(hours=1)
    forward = followed(lab, people=persons("alice", "bob", "carol")).repository.root.id
    lab.memory._versions.clear()
    lab.memory._versions.update(old)
    assert told(lab, newest)
    assert newest in errors(findings(lab, known=[newest]))
    with pytest.raises(TrustError, match="the newest link there is number 1"):
        open_repository(lab.store, pin=forward)


def test_frozen_replica(lab: Lab, clock: Clock) -> None:
    """A pin that was moved forward, or `verify known_recovery_points`: what is not there is missed."""
    replica = MemoryStore(now=clock)
    replica._versions = copy.deepcopy(lab.memory._versions)
    newest = backed_up(lab, b"newer")
    pin = followed(lab, rotate=("wrap",)).repository.root.id
    with pytest.raises(TrustError, match="A replica may be behind, or frozen"):
        open_repository(replica, pin=pin)
    frozen = dataclasses.replace(lab, repository=open_repository(replica, pin=lab.repository.root.id))
    assert newest in errors(findings(frozen, known=[newest]))


def test_hidden_link(lab: Lab, clock: Clock) -> None:
    """What was sealed under the hidden link is refused and named; a pin moved forward refuses the store."""
    key_id = point_key(lab)
    thief = stolen(lab)
    before = dataclasses.replace(lab, keyring=thief)
    after = followed(lab, rotate=("point",), remove=(key_id,))
    clock.advance(hours=1)
    newest = backed_up(after, b"under the new root")
    hidden(lab, "root/2-")
    # the removed key counts again, for who pins the first link
    assert backed_up(before, b"of the thief")
    assert newest in errors(findings(reopened(lab), known=[newest]))
    assert name_of(lab, newest) in errors(findings(reopened(lab)))
    assert told(lab, newest)
    with pytest.raises(TrustError):
        open_repository(lab.store, pin=after.repository.root.id)


def test_hosts_of_almost_one_name(lab: Lab, clock: Clock) -> None:
    """A run that expects both is refused; a stream belongs to the name that is signed, and the next run says so."""
    for one, two in (("Ströme", "Stro\u0308me"), ("web", "WEB")):
        with pytest.raises(NameRefusedError, match="differ only in case or Unicode form"):
            lab.run({one: MemorySource(FILES), two: MemorySource(FILES)})
    thief = dataclasses.replace(lab, keyring=stolen(lab))
    backed_up(thief, b"of the thief", "QUIET")
    assert content(lab, "quiet") == FILES["/etc/app/main.conf"]
    clock.advance(hours=1)
    assert "host quiet has snapshots under the name QUIET" in lab.open(lab.folder(), *HOSTS).notes


# Who has stolen the point key


def test_removed_key_that_backdates(lab: Lab, clock: Clock) -> None:
    """A link's tips and their ancestors: nothing else by a removed key counts, and runs and `verify` name it."""
    clock.advance(hours=1)
    newest = backed_up(lab, b"honest")
    thief, key_id = stolen(lab), point_key(lab)
    forge = Forge(dataclasses.replace(lab, keyring=thief))
    clock.advance(hours=1)
    lab = followed(lab, rotate=("point",), remove=(key_id,))
    before = captured(lab)
    at = clock() - HOUR - SECOND
    put = [
        forge.put(statement={"sealed_at": at, **parents}, body={"full": False, **parents})
        for parents in ({}, {"parents": (newest,)})
    ]
    assert captured(lab) == before
    assert content(lab) == b"honest"
    assert content(lab, point=newest) == b"honest"
    for name in put:
        assert name in errors(findings(lab))
        assert told(lab, name)
        with pytest.raises(FormatError, match="removed from the root"):
            content(lab, point=names.parse(name).sha256)


@pytest.mark.parametrize("time", ["later", "backdated"])
def test_point_held_back(lab: Lab, clock: Clock, time: str) -> None:
    """Before: `verify` misses the parent that is not listed. After: a later time is refused, an earlier one named."""
    forge = Forge(lab)
    sealed_at = clock() + 30 * DAY if time == "later" else clock() - SECOND
    streams = tuple(captured_at(entry, sealed_at) for entry in forge.point.body.streams)
    kept = forge.put(statement={"sealed_at": sealed_at}, body={"streams": streams})
    held = lab.memory._versions.pop(kept)
    kept_id = names.parse(kept).sha256
    parents = (*lab.live().tips, kept_id)
    named = {"parents": parents, "full": False}
    leads = forge.put(statement=named, body=named)
    assert kept_id in errors(findings(lab))[leads]
    key_id = point_key(lab)
    clock.advance(hours=1)
    lab = followed(lab, rotate=("point",), remove=(key_id,))
    before = captured(lab)
    clock.moment = max(clock.moment, sealed_at) + HOUR
    held[0].listed = dataclasses.replace(held[0].listed, modified=clock())
    lab.memory._versions[kept] = held
    if time == "later":
        assert captured(lab) == before
        assert kept in errors(findings(lab))
    else:
        assert "and the store holds it since" in warnings(findings(lab))[kept]


@pytest.mark.parametrize("full", [False, True])
def test_point_under_an_older_root(lab: Lab, clock: Clock, full: bool) -> None:
    """A point under an older root than its parent's is refused before what it covers is believed."""
    old = lab.repository.root.id
    lab = followed(lab, rotate=("wrap",))
    clock.advance(hours=1)
    newest = backed_up(lab, b"honest")
    before = captured(lab)
    covered = {"full": True, "covers": lab.live().seen, "streams": ()} if full else {"full": False}
    named = {"parents": (newest,), "root": old, "full": full}
    put = Forge(lab).put(statement={**named, "sealed_at": clock()}, body={**covered, **named})
    assert captured(lab) == before
    assert "older root than a parent" in errors(findings(lab))[put]
    assert told(lab, put)


def test_full_body_that_drops_a_stream(lab: Lab, clock: Clock) -> None:
    """`verify` holds a full body against all that it covers; the snapshot is restored by an older point."""
    before = lab.live()
    forge = Forge(lab)
    kept = tuple(entry for entry in forge.point.body.streams if entry.host != "quiet")
    put = forge.put(
        statement={"full": True, "parents": before.tips, "sealed_at": clock()},
        body={"full": True, "parents": before.tips, "covers": before.seen, "streams": kept},
    )
    assert {host for host, _stream in lab.live().streams} == {"h"}
    assert "2 streams, quiet/tier1, quiet/tier2" in errors(findings(lab))[put]
    assert content(lab, "quiet", point=before.tips[0]) == FILES["/etc/app/main.conf"]


@pytest.mark.parametrize("record", ["of another host", "junk"])
def test_full_body_that_claims_a_retirement(lab: Lab, clock: Clock, record: str) -> None:
    """`verify` asks the records that people signed alone, and names the full body that says otherwise."""
    if record == "junk":
        junk = names.for_record("retired", clock(), b"{}")
        name = objects.put(lab.store, junk, b"{}", lock_until=LOCK).name
    else:
        lab.run({"gone": MemorySource(FILES)})
        clock.advance(hours=1)
        name = retired(lab, "gone")
    claim = Retirement("quiet", None, clock(), names.parse(name).sha256)
    live = lab.live()
    put = Forge(lab).put(
        statement={"full": True, "parents": live.tips, "sealed_at": clock()},
        body={
            "full": True,
            "parents": live.tips,
            "covers": live.seen,
            "streams": tuple(live.streams.values()),
            "retired": (claim,),
        },
    )
    assert "quiet" in errors(findings(lab))[put]
    # the last copy is there, and is found by whoever asks for it
    assert content(lab, "quiet") == FILES["/etc/app/main.conf"]


def test_point_signed_for_the_future(lab: Lab, clock: Clock) -> None:
    """A point sealed later than the store's time is refused; once its time has come `verify` compares the store's."""
    before = captured(lab)
    later = clock() + DAY
    forge = Forge(lab)
    streams = tuple(dataclasses.replace(entry, verified_at=later) for entry in forge.point.body.streams)
    put = forge.put(statement={"sealed_at": later}, body={"streams": streams})
    assert captured(lab) == before
    assert "was sealed in the future" in errors(findings(lab))[put]
    assert told(lab, put)
    clock.moment = later + HOUR
    assert "and the store holds it since" in warnings(findings(lab))[put]


def test_machine_that_retires(lab: Lab) -> None:
    """Records that people sign count by the signatures of people, and no key of a keyring is one."""
    record = retiring(lab, "quiet")
    pae = dsse.pae(record_format.PAYLOAD_TYPE, record_format.payload(record))
    by_machine = []
    for use in ("point", "record"):
        key_id = lab.keyring.signer(use=use, among=lab.repository.root.signing(use, lab.store.clock()))
        by_machine.append(lab.keyring.sign(pae, use=use, key_id=key_id))
    before = captured(lab)
    put = put_record(lab, record, signatures=sorted(by_machine, key=lambda made: made.key_id))
    assert captured(lab) == before
    assert told(lab, put)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeAuthority]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    ca = CertificateAuthority(tmp_path / "ca")
    with TimeAuthority(ca, ca.issue("Test Stamp")) as running:
        yield running


def test_time_stamp_of_another_point(file_lab: Lab, authority: TimeAuthority) -> None:
    """A stamp is over the id of one point: `verify` refuses it beside another, and misses the right one."""
    stamping = TimeStamping(authority.url, authority.ca.root.pem, required=True)
    folder = file_lab.folder()
    file_lab.open(folder)
    file_lab.snapshot(folder, MemorySource(FILES))
    assert file_lab.seal(folder, stamping=stamping).timestamped
    (stamp,) = file_lab.names("stamps/")
    other = backed_up(file_lab, b"of the thief")
    statement = points.read_statement(file_lab.repository, name_of(file_lab, other))[0]
    stamps.put(
        file_lab.repository,
        statement.sealed_at,
        statement.run,
        file_lab.store.get(stamp),
        lock_until=file_lab.store.clock() + 500 * DAY,
    )
    report = verify.verify(file_lab.repository, level=Level.SIGNATURES, stamping=stamping)
    assert report.timestamped == 1
    (copied,) = (name for name in file_lab.names("stamps/") if name != stamp)
    found = warnings(report.findings)
    assert found[copied] == "is no time stamp of this point: the time-stamp token is over another digest"
    assert found[name_of(file_lab, other)] == "has no time stamp that is believed"


# Who may put root links, requests and records


def test_chain_forked_by_its_people(lab: Lab, clock: Clock) -> None:
    """Every reader stops and names both links; a pin past the fork decides."""
    ids = [put_link(lab, successor(lab, people=persons(*who)), "alice", "bob") for who in (("carol", "dave"), ())]
    with pytest.raises(TrustError, match="the chain forks") as caught:
        reopened(lab)
    assert all(root_id in str(caught.value) for root_id in ids)
    for root_id in ids:
        assert reopened(lab, root_id).repository.root.id == root_id


def test_link_by_one_person(lab: Lab, clock: Clock) -> None:
    """The quorum of the link before: the link is not followed, and every run says so."""
    weaker = successor(lab, quorum=(Quorum("root", 1, ()),), people=persons("alice", "mallory"))
    put = [put_link(lab, weaker, *who) for who in (("alice",), ("alice", "mallory"), ())]
    assert reopened(lab).repository.root == lab.repository.root
    lab = reopened(lab)
    said = [finding.problem for finding in findings(lab)]
    for root_id in put:
        assert told(lab, root_id)
        assert [problem for problem in said if root_id in problem]


def test_envelope_with_other_signatures(lab: Lab, clock: Clock) -> None:
    """A link is its payload: other signatures under it are another id of the same link, and never a fork."""
    root = successor(lab)
    given = link_envelope(root, "alice", "bob")
    first = put_envelope(lab, 2, given)
    clock.advance(seconds=1)
    one, two = given.signatures
    for wrong in ((two, one), (one, one, two)):
        assert told(lab, put_envelope(lab, 2, dataclasses.replace(given, signatures=wrong)))
    mallory = signature("mallory", given.pae)
    again = signature("alice", given.pae, counter=8)
    bob = signature("bob", given.pae)
    for more in ((one, two, mallory), (again, bob)):
        ordered = tuple(sorted(more, key=lambda made: made.key_id))
        put_envelope(lab, 2, dataclasses.replace(given, signatures=ordered))
    put_link(lab, root, "carol", "dave")
    chain = reopened(lab).repository.chain
    assert (len(chain.links), len(chain.links[1].ids), chain.head.id) == (2, 4, first)


def test_id_of_a_link_that_goes_away(lab: Lab, clock: Clock) -> None:
    """New objects stand under the id that was put first: another one may expire, and nothing is lost with it."""
    root = successor(lab)
    put_link(lab, root, "alice", "bob")
    clock.advance(seconds=1)
    short = [
        put_envelope(lab, 2, link_envelope(root, *who), lock=clock() + DAY)
        for who in (("alice", "carol"), ("bob", "carol"), ("carol", "dave"), ("dave", "erin"), ("alice", "erin"))
    ]
    newest = backed_up(reopened(lab), b"honest")
    clock.advance(days=200)
    hidden(lab, *short)
    assert content(reopened(lab), point=newest) == b"honest"
    assert content(reopened(lab)) == b"honest"


def test_copy_of_the_pinned_link(lab: Lab) -> None:
    """The pinned link is found under its own number, whatever copies of it lie under others."""
    root = lab.repository.root
    data = lab.store.get(f"root/1-{root.id}.json")
    for number in (2, 3, 10):
        lab.store.put_new(f"root/{number}-{root.id}.json", io.BytesIO(data), lock_until=LOCK)
    second = followed(lab, rotate=("wrap",)).repository.root.id
    data = lab.store.get(f"root/2-{second}.json")
    lab.store.put_new(f"root/1-{second}.json", io.BytesIO(data), lock_until=LOCK)
    for pin in (root.id, second):
        assert reopened(lab, pin).repository.root.id == second


def test_junk_in_place_of_the_next_link(lab: Lab, clock: Clock) -> None:
    """Junk put later displaces nothing; laid before, it ends the chain there, is told, and the link's own pin helps."""
    for number in range(64):
        put_junk(lab, 2, number)
    clock.advance(seconds=1)
    asked = presented(lab, rotate=("wrap",)).pending
    assert asked is not None
    all_sign(lab, asked, "alice", "bob")
    with pytest.raises(TrustError, match="the pinned link does not lead to it") as caught:
        presented(lab, rotate=("wrap",))
    assert "1 more objects that claim to be root link 2 were not read" in reopened(lab).repository.chain.warnings
    second = reopened(lab, caught.value.item).repository.root
    third = successor(reopened(lab, second.id))
    right = put_link(lab, third, "alice", "bob")
    clock.advance(seconds=1)
    for number in range(80):
        put_junk(lab, 3, number)
    assert reopened(lab, second.id).repository.root.id == right


def put_junk(lab: Lab, link: int, number: int) -> None:
    data = b"junk %d" % number
    lab.store.put_new(names.for_root(link, data), io.BytesIO(data), lock_until=LOCK)


def _with_own_recipients(draft: Root) -> Root:
    mine = age.generate()[1]
    wrap = tuple(dataclasses.replace(key, public=mine) for key in draft.keys.wrap)
    return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, wrap=wrap))


def _with_own_series(draft: Root) -> Root:
    mine = age.generate()[1]
    escrow = tuple(dataclasses.replace(key, public=mine) if key.series else key for key in draft.keys.escrow)
    return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, escrow=escrow))


def _without_tips(draft: Root) -> Root:
    return dataclasses.replace(draft, tips=())


@pytest.mark.parametrize(
    "change", [_with_own_recipients, _with_own_series, _without_tips], ids=lambda change: change.__name__.strip("_")
)
def test_request_exchanged(lab: Lab, change: Callable[[Root], Root]) -> None:
    """`repository state=present` takes no request for its own that says anything but what is wanted."""
    wanted: dict[str, t.Any] = {"rotate": ("point", "escrow"), "remove": (point_key(lab),)}
    asked = presented(lab, **wanted).pending
    assert asked is not None
    assert isinstance(asked.document, Root)
    hidden(lab, "records/request/")
    approvals.put_request(lab.repository, change(asked.document))
    outcome = presented(lab, **wanted)
    assert outcome.state == "asked"
    assert outcome.pending is not None
    document = outcome.pending.document
    assert isinstance(document, Root)
    made = lab.keyring.made(repository=NAME)
    for use in ("sign", "wrap", "escrow"):
        ours = {key.public for key in getattr(made, use)}
        assert {key.public for key in getattr(document.keys, use)} <= ours
    assert [key.id for key in document.keys.escrow] == [key.id for key in asked.document.keys.escrow]
    assert document.tips == lab.live().tips != ()


# People


def test_copied_signature(lab: Lab, clock: Clock) -> None:
    """A signature is over the whole document: under any other it is nobody's."""
    lab.run({"gone": MemorySource(FILES)})
    clock.advance(hours=1)
    name = retired(lab, "gone")
    given = record_format.read(lab.store.get(name), what=name)[1].signatures
    before = captured(lab)
    record = retiring(lab, "quiet")
    put = put_record(lab, record, signatures=given)
    assert captured(lab) == before
    assert "not by this key over these bytes" in errors(findings(lab))[put]
    assert told(lab, put)


def test_signature_of_another_kind_of_document(lab: Lab, clock: Clock) -> None:
    """The payload type stands in what is signed (DSSE): a signature under a record is none under a root link."""
    root = successor(lab, people=persons("mallory", "dave"))
    payload = root_format.payload(root)
    for said in (payload, record_format.payload(retiring(lab, "quiet"))):
        copied = by_people(dsse.pae(record_format.PAYLOAD_TYPE, said), ("alice", "bob"))
        put = put_envelope(lab, 2, dsse.Envelope(root_format.PAYLOAD_TYPE, payload, copied))
        assert len(reopened(lab).repository.chain.links) == 1
        assert told(lab, put)
    # nor does a document count under the other's name
    as_record = dsse.Envelope(record_format.PAYLOAD_TYPE, payload, copied)
    assert told(lab, put_envelope(lab, 2, as_record))
    record = retiring(lab, "quiet")
    as_root = by_people(dsse.pae(root_format.PAYLOAD_TYPE, record_format.payload(record)), ("alice", "bob"))
    before = captured(lab)
    assert told(lab, put_record(lab, record, signatures=as_root))
    assert captured(lab) == before


def test_expired_signer(tmp_path: Path, keys: Path, clock: Clock) -> None:
    """A person's key counts while it is valid; `verify` compares the time that is signed with the store's."""
    until = clock() + HOUR
    lab = governed(tmp_path, keys, clock, named=(person("alice", not_after=until), person("bob"), person("carol")))
    lab.run({host: MemorySource(FILES) for host in HOSTS})
    early = retiring(lab, "quiet", request=request_of(lab, lasts=HOUR))
    clock.advance(hours=2)
    before = captured(lab)
    put = [put_record(lab, retiring(lab, "quiet"), "alice", "bob")]
    link = put_link(lab, successor(lab), "alice", "bob")
    assert captured(lab) == before
    assert len(reopened(lab).repository.chain.links) == 1
    for name in (*put, link):
        assert told(lab, name)
    pending = approvals.put_request(lab.repository, retiring(lab, "quiet"))
    blob = signature("alice", pending.to_sign).signature
    with pytest.raises(SignatureError, match="the key of alice is not valid"):
        approvals.add_signature(lab.repository, pending, people.armoured(blob))
    # dated back it counts, and shows; nobody gives himself years in which it does not
    long = retiring(lab, "quiet", at=early.at, request=request_of(lab, lasts=91 * DAY))
    assert told(lab, put_record(lab, long, "alice", "bob"))
    backdated = put_record(lab, early, "alice", "bob")
    assert "and is in the store since" in warnings(findings(lab))[backdated]
    link = put_link(lab, successor(lab, created=early.at, request=early.request), "alice", "bob")
    lab = reopened(lab)
    assert lab.repository.root.id == link
    assert "and is in the store since" in warnings(findings(lab))[f"root/2-{link}.json"]


TWICE: dict[str, tuple[t.Any, ...]] = {
    "two keys": (person("alice"), person("alice", which=1)),
    "another case": (person("alice"), person("alice", principal="Alice", which=1)),
    "another form": (
        person("alice", principal="Zo\u00eb"),
        person("alice", principal="Zoe\u0308", which=1),
    ),
    "one key, two names": (person("alice"), person("alice", principal="carol")),
}


def both_keys(pae: bytes) -> tuple[Signature, ...]:
    """Signatures by two keys of one person."""
    given = (signature("alice", pae), signature("alice", pae, which=1))
    return tuple(sorted(given, key=lambda made: made.key_id))


@pytest.mark.parametrize("why", TWICE)
def test_same_person_twice(tmp_path: Path, keys: Path, clock: Clock, why: str) -> None:
    """People are counted by name, under normal form and case folding; a key under two names is nobody's."""
    rules = (Quorum("retired", 2, ()), ROOT)
    lab = governed(tmp_path, keys, clock, named=(*TWICE[why], person("bob"), person("erin")), quorum=rules)
    lab.run({host: MemorySource(FILES) for host in HOSTS})
    clock.advance(hours=1)
    record, root = retiring(lab, "quiet"), successor(lab)
    envelope = link_envelope(root)
    pae = dsse.pae(record_format.PAYLOAD_TYPE, record_format.payload(record))
    assert told(lab, put_record(lab, record, signatures=both_keys(pae)))
    assert told(lab, put_envelope(lab, 2, dataclasses.replace(envelope, signatures=both_keys(envelope.pae))))
    assert len(captured(lab)) == 4
    assert len(reopened(lab).repository.chain.links) == 1


def test_requester_who_signs_too(lab: Lab, clock: Clock) -> None:
    """Who asks does not count, however the name is spelled."""
    before = captured(lab)
    for by in ("bob", "BOB"):
        request = request_of(lab, by=by)
        assert told(lab, put_record(lab, retiring(lab, "quiet", request=request), "alice", "bob"))
        assert told(lab, put_link(lab, successor(lab, request=request), "alice", "bob"))
    assert captured(lab) == before
    assert len(reopened(lab).repository.chain.links) == 1


def test_old_retirement_put_again(lab: Lab, clock: Clock) -> None:
    """A retirement speaks of what was proven until it was asked for: a host that came back lives."""
    name = retired(lab, "quiet")
    assert {host for host, _stream in captured(lab)} == {"h"}
    clock.advance(hours=1)
    lab.run({host: MemorySource(FILES) for host in HOSTS})
    before = captured(lab)
    assert len(before) == 4
    record = record_format.read(lab.store.get(name), what=name)[0]
    lab.store.put_new(name, io.BytesIO(lab.store.get(name)), lock_until=LOCK)
    put_record(lab, record, "carol", "alice")
    assert captured(lab) == before


def test_quorum_that_was_raised(lab: Lab, clock: Clock) -> None:
    """What people sign must satisfy each later link too, unless that link names it: an earlier time gains nothing."""
    backdated = retiring(lab, "quiet", request=request_of(lab, lasts=80 * DAY))
    clock.advance(hours=1)
    lab = followed(lab, quorum=(Quorum("retired", 4, ("security", "operations")), ROOT))
    clock.advance(days=10)
    before = captured(lab)
    put = put_record(lab, backdated, "alice", "bob")
    assert captured(lab) == before
    assert "lacks since root link 2 2 more people" in errors(findings(lab))[put]


def test_person_who_has_left(lab: Lab, clock: Clock) -> None:
    """A later link without the person vouches for the records it names; an earlier time gains nothing."""
    backdated = retiring(lab, "quiet")
    clock.advance(hours=1)
    lab = followed(lab, people=persons("bob", "carol", "dave"))
    before = captured(lab)
    put = put_record(lab, backdated, "alice", "bob")
    assert captured(lab) == before
    assert "lacks since root link 2" in errors(findings(lab))[put]
    assert told(lab, put_link(lab, successor(lab), "alice", "bob"))


@pytest.mark.parametrize("presence", ["any", "touch", "pin"])
def test_signature_without_touch(tmp_path: Path, keys: Path, clock: Clock, presence: str) -> None:
    """The flags that the key signs: without touch nothing counts, and where a PIN is asked for nothing without it."""
    rules = (Quorum("retired", 2, (), presence), Quorum("root", 2, (), presence))
    lab = governed(tmp_path, keys, clock, quorum=rules)
    lab.run({host: MemorySource(FILES) for host in HOSTS})
    clock.advance(hours=1)
    before = captured(lab)
    record, root = retiring(lab, "quiet"), successor(lab)
    flags = 1 if presence == "pin" else 0

    def made(pae: bytes) -> tuple[Signature, ...]:
        given = (signature("alice", pae), signature("bob", pae, flags=flags))
        return tuple(sorted(given, key=lambda each: each.key_id))

    pae = dsse.pae(record_format.PAYLOAD_TYPE, record_format.payload(record))
    assert told(lab, put_record(lab, record, signatures=made(pae)))
    envelope = link_envelope(root)
    assert told(lab, put_envelope(lab, 2, dataclasses.replace(envelope, signatures=made(envelope.pae))))
    assert captured(lab) == before
    assert len(reopened(lab).repository.chain.links) == 1


# The page


def _attacks() -> dict[str, str]:
    """Every attack that is tried here, with what withstands or detects it."""
    found = {}
    for name, value in globals().items():
        if (
            name.startswith("test_")
            and isinstance(value, types.FunctionType)
            and name != "test_the_page_lists_them_all"
        ):
            assert value.__doc__, name
            found[name] = value.__doc__.splitlines()[0].removesuffix(".")
    return found


def test_the_page_lists_them_all() -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    header, _rule, *attacks = rows
    assert header == ["attack", "what the attacker has", "what happens", "what detects or withstands it", "test"]
    assert all(len(row) == 5 and all(row) for row in attacks)
    listed = {test.strip("`"): detects for _attack, _has, _happens, detects, test in attacks}
    assert len(listed) == len(attacks)
    assert listed == _attacks()
