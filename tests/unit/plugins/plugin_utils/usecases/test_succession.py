# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roots that follow roots: how a link comes to be, what it changes for runs, what a removed key still counts for."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    KeyMissingError,
    KeyringError,
    NotFoundError,
    PolicyError,
    SignatureError,
    TrustError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest as manifest_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, points, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import (
    ASKING,
    DAY,
    EVER,
    NOBODY,
    QUORUM,
    ROOT,
    all_sign,
    followed,
    governed,
    person,
    persons,
    presented,
    put_link,
    put_record,
    reopened,
    request_of,
    retired,
    retiring,
    successor,
)
from .forge import Forge
from .lab import FILES, NAME, Clock, Lab, declared, make_keyring, problems

MINUTE = dt.timedelta(minutes=1)
CLASSES = declared().classes
FEWER = persons("alice", "bob", "carol")
NEW_CLASS = {"d1000": RetentionClass("d1000", 1000, "compliance")}


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """A repository of people, made a minute ago."""
    lab = governed(tmp_path, keys, clock)
    clock.advance(minutes=1)
    return lab


def tree(lab: Lab) -> dict[str, bytes]:
    """The keyring's files."""
    ring = lab.path / "keyring"
    return {str(found.relative_to(ring)): found.read_bytes() for found in sorted(ring.rglob("*")) if found.is_file()}


def ids(root: Root, use: str) -> list[str]:
    """Ids of the keys for a use."""
    if use in ("point", "record"):
        return [key.id for key in root.keys.sign if key.use == use]
    return [key.id for key in getattr(root.keys, use)]


def all_ids(root: Root) -> dict[str, list[str]]:
    return {use: ids(root, use) for use in succession.ROTATED}


def pending_of(outcome: succession.Outcome) -> approvals.Pending:
    assert outcome.pending is not None
    return outcome.pending


def draft_of(outcome: succession.Outcome) -> Root:
    document = pending_of(outcome).document
    assert isinstance(document, Root)
    return document


def ring_of(lab: Lab, name: str, *, without: str = "") -> LocalKeyring:
    """Another controller's copy of the keyring, as it is now."""
    copy = lab.path / name
    shutil.copytree(lab.path / "keyring", copy)
    for found in copy.rglob(without or "-"):
        found.unlink()
    return LocalKeyring(copy)


def backed_up(lab: Lab, text: bytes, host: str = "h") -> str:
    """A run after a file has changed; the point's id."""
    sealed = lab.run({host: MemorySource({**FILES, "/etc/app/main.conf": text})})
    assert sealed.complete
    assert sealed.id is not None
    return sealed.id


# From asking to the next link


WANTED: dict[str, dict[str, t.Any]] = {
    "people": {"people": FEWER},
    "quorum": {"quorum": (*QUORUM[:1], Quorum("root", 3, ()))},
    "class": {"classes": {**CLASSES, **NEW_CLASS}},
    "point": {"rotate": ("point",)},
    "record": {"rotate": ("record",)},
    "digest": {"rotate": ("digest",)},
    "wrap": {"rotate": ("wrap",)},
    "escrow": {"rotate": ("escrow",)},
    "all keys": {"rotate": succession.ROTATED},
}


@pytest.mark.parametrize("what", WANTED)
def test_a_root_is_asked_for_waited_for_and_followed(lab: Lab, clock: Clock, what: str) -> None:
    wanted = WANTED[what]
    before = (lab.names(), tree(lab), lab.repository.root)
    check = presented(lab, **wanted, check=True)
    assert (check.state, check.changed, check.pending, check.root) == ("asked", True, None, before[2])
    assert check.before != check.after
    assert (lab.names(), tree(lab)) == before[:2]

    asked = presented(lab, **wanted)
    assert (asked.state, asked.changed, asked.root) == ("asked", True, before[2])
    (name,) = lab.names("records/")
    assert names.parse(name).sha256 == pending_of(asked).id
    assert len(lab.names()) == len(before[0]) + 1
    made = tree(lab)
    assert (made == before[1]) is (what in ("people", "quorum"))
    assert asked.after != asked.before

    clock.advance(hours=1)
    for again in (presented(lab, **wanted), presented(lab, **wanted, check=True)):
        assert (again.state, again.changed, again.pending, again.after) == (
            "waiting",
            False,
            asked.pending,
            asked.after,
        )
    all_sign(lab, pending_of(asked), "erin")
    waiting = presented(lab, **wanted)
    assert (waiting.state, waiting.approval and waiting.approval.lacking) == ("waiting", ("1 more person",))
    all_sign(lab, pending_of(asked), "alice")
    held = lab.names()
    check = presented(lab, **wanted, check=True)
    assert (check.state, check.changed, check.root, lab.names()) == ("followed", True, before[2], held)

    after = presented(lab, **wanted)
    assert (after.state, after.changed, after.after) == ("followed", True, asked.after)
    assert after.root is not None
    assert dataclasses.replace(after.root, id="") == pending_of(asked).document
    assert (after.root.link, after.root.previous) == (2, before[2].id)
    assert reopened(lab).repository.root == after.root
    assert tree(lab) == made
    (listed,) = lab.store.list("root/2-")
    assert listed.lock_until is not None
    assert listed.lock_until > clock() + 11 * 365 * DAY

    held = lab.names()
    settled = {name: value for name, value in wanted.items() if name != "rotate"}
    for check_mode in (False, True):
        for pin in (before[2].id, after.root.id):
            done = presented(lab, **settled, pin=pin, check=check_mode)
            assert (done.state, done.changed, done.root, done.before == done.after) == (
                "unchanged",
                False,
                after.root,
                True,
            )
    assert (lab.names(), tree(lab)) == (held, made)


def test_new_keys_stand_beside_those_that_were_there(lab: Lab, clock: Clock) -> None:
    before = all_ids(lab.repository.root)
    lab = followed(lab, rotate=succession.ROTATED)
    after = all_ids(lab.repository.root)
    for use in succession.ROTATED:
        assert after[use][: len(before[use])] == before[use]
    assert [len(after[use]) - len(before[use]) for use in ("point", "record", "digest")] == [1, 1, 1]
    for use in ("wrap", "escrow"):
        assert after[use][len(before[use]) :] == [f"{key_id}b" for key_id in sorted(before[use])]
    clock.advance(hours=1)
    lab = followed(lab, rotate=("wrap",))
    assert ids(lab.repository.root, "wrap")[-len(before["wrap"]) :] == [f"{each}c" for each in sorted(before["wrap"])]
    assert ids(lab.repository.root, "escrow") == after["escrow"]


def test_a_dry_run_of_the_store_makes_nothing(lab: Lab) -> None:
    """As the module runs it in check mode."""
    before = (lab.names(), tree(lab))
    outcome = presented(lab, rotate=("point",), store=DryRunStore(lab.store), check=True)
    assert outcome.state == "asked"
    assert "point key (new)" in outcome.after
    assert (lab.names(), tree(lab)) == before


def test_an_expired_request_is_made_anew(lab: Lab, clock: Clock) -> None:
    wanted = {"people": FEWER, "asking": dataclasses.replace(ASKING, lasts=3 * DAY)}
    first = pending_of(presented(lab, **wanted))
    all_sign(lab, first, "alice", "bob")
    clock.advance(days=3)
    assert presented(lab, **wanted, check=True).state == "followed"
    clock.advance(seconds=1)
    second = presented(lab, **wanted)
    assert second.state == "asked"
    assert pending_of(second).id != first.id
    assert len(reopened(lab).repository.chain.links) == 1


def test_a_request_under_an_older_head_is_not_taken(lab: Lab, clock: Clock) -> None:
    wanted = {"people": persons("alice", "bob", "carol", "erin")}
    old = pending_of(presented(lab, **wanted))
    all_sign(lab, old, "alice", "bob")
    clock.advance(minutes=1)
    lab = followed(lab, rotate=("record",))
    outcome = presented(lab, **wanted)
    assert outcome.state == "asked"
    assert pending_of(outcome).id != old.id
    assert draft_of(outcome).link == 3


def test_what_is_wanted_otherwise_is_asked_anew(lab: Lab) -> None:
    first = pending_of(presented(lab, people=FEWER))
    second = pending_of(presented(lab, people=FEWER[:2]))
    third = pending_of(presented(lab, people=FEWER, rotate=("point",)))
    assert len({first.id, second.id, third.id}) == 3
    assert presented(lab, people=FEWER).pending == first


@pytest.mark.parametrize("escrow", ["here", "moved away"])
def test_keys_of_a_request_that_nobody_signed_are_taken_up_again(lab: Lab, clock: Clock, escrow: str) -> None:
    wanted = {"rotate": succession.ROTATED}
    first = draft_of(presented(lab, **wanted))
    made = {name: data for name, data in tree(lab).items() if not name.startswith("escrow/")}
    if escrow == "moved away":
        shutil.rmtree(lab.path / "keyring" / "escrow")
    clock.advance(days=8)
    outcome = presented(lab, **wanted)
    assert outcome.state == "asked"
    second = draft_of(outcome)
    assert all_ids(second) == all_ids(first)
    assert {key.id: key.public for key in second.keys.sign} == {key.id: key.public for key in first.keys.sign}
    assert second.keys.wrap == first.keys.wrap
    # what was moved away may be lost as well: its names are given to new keys
    assert (second.keys.escrow == first.keys.escrow) is (escrow == "here")
    unchanged = {name for name, data in tree(lab).items() if made.get(name) == data}
    assert unchanged >= {name for name in made if not name.endswith("keyring.json")}
    clock.advance(days=8)
    third = presented(lab, **wanted)
    assert third.state == "asked"
    assert draft_of(third).keys.escrow == second.keys.escrow
    assert presented(lab, **wanted).state == "waiting"


@pytest.mark.parametrize("removed", ["point", "record", "digest"])
def test_keys_that_nobody_signed_are_stolen_with_those_that_are_removed(lab: Lab, removed: str) -> None:
    unsigned = draft_of(presented(lab, rotate=succession.ROTATED))
    old = ids(lab.repository.root, removed)
    stolen = draft_of(presented(lab, rotate=succession.ROTATED, remove=old))
    known = {key.id for key in unsigned.keys.sign} | {key.id for key in unsigned.keys.digest}
    named = {key.id for key in lab.repository.root.keys.sign} | {key.id for key in lab.repository.root.keys.digest}
    assert not ({key.id for key in stolen.keys.sign} | {key.id for key in stolen.keys.digest}) & (known - named)
    for use in ("wrap", "escrow"):
        publics = {key.public for key in getattr(unsigned.keys, use)} - {
            key.public for key in getattr(lab.repository.root.keys, use)
        }
        assert publics
        assert not publics & {key.public for key in getattr(stolen.keys, use)}


def test_another_reason_is_another_request(lab: Lab) -> None:
    first = presented(lab, rotate=("point",)).pending
    other = dataclasses.replace(ASKING, reason="it was stolen")
    outcome = presented(lab, rotate=("point",), asking=other)
    assert outcome.state == "asked"
    assert outcome.pending is not None
    assert outcome.pending != first
    assert outcome.pending.request.reason == "it was stolen"
    assert presented(lab, rotate=("point",)).pending == first


def test_a_removed_key_is_never_taken_up_again(lab: Lab, clock: Clock) -> None:
    seen: dict[str, set[str]] = {}
    for _number in range(3):
        for use in ("point", "record", "digest"):
            new = ids(lab.repository.root, use)[-1]
            assert new not in seen.setdefault(use, set())
            seen[use].add(new)
        gone = tuple(ids(lab.repository.root, use)[0] for use in seen)
        clock.advance(hours=1)
        lab = followed(lab, rotate=("point", "record", "digest"), remove=gone)
        assert [len(ids(lab.repository.root, use)) for use in seen] == [1, 1, 1]


@pytest.mark.parametrize("use", ["point", "record", "digest"])
def test_the_last_key_of_a_use_is_not_removed(lab: Lab, use: str) -> None:
    (only,) = ids(lab.repository.root, use)
    before = (lab.names(), tree(lab))
    for check in (True, False):
        with pytest.raises(PolicyError, match=f"would have no {use} key") as caught:
            presented(lab, remove=(only,), check=check)
        assert caught.value.remedy == f"Rotate {use} in the same link."
    assert (lab.names(), tree(lab)) == before
    assert presented(lab, remove=(only,), rotate=(use,)).state == "asked"


def test_a_key_that_was_never_there_is_not_removed_in_silence(lab: Lab, clock: Clock) -> None:
    """The owner would take a stolen key for removed."""
    (old,) = ids(lab.repository.root, "point")
    for wrong in (old[:-1], old.upper(), "0" * 16, ids(lab.repository.root, "wrap")[0]):
        with pytest.raises(PolicyError, match="no link of the root of repository prod names"):
            presented(lab, rotate=("point",), remove=(old, wrong))
    assert lab.names("records/") == []
    lab = followed(lab, rotate=("point",), remove=(old,))
    assert presented(lab, remove=(old,)).state == "unchanged"


def test_a_root_without_people_is_never_followed(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, named=(), quorum=())
    before = (lab.names(), tree(lab))
    wanted: dict[str, t.Any]
    for wanted in ({"people": FEWER, "quorum": QUORUM}, {"rotate": ("point",)}, {"classes": {**CLASSES, **NEW_CLASS}}):
        with pytest.raises(PolicyError, match="names no people who may sign another one") as caught:
            presented(lab, **wanted)
        assert caught.value.remedy
    assert presented(lab).state == "unchanged"
    assert (lab.names(), tree(lab)) == before


def test_people_are_told_who_asks_before_a_key_is_made(lab: Lab) -> None:
    before = (lab.names(), tree(lab))
    for asking in (succession.Asking(), succession.Asking(by="frank"), succession.Asking(reason="why")):
        with pytest.raises(PolicyError, match="who asks them to sign, or why"):
            presented(lab, rotate=("point",), asking=asking)
    assert (lab.names(), tree(lab)) == before


def test_a_class_is_not_edited(lab: Lab) -> None:
    name = min(CLASSES)
    shorter = {**CLASSES, name: dataclasses.replace(CLASSES[name], days=1)}
    with pytest.raises(PolicyError, match=f"class {name} is"):
        presented(lab, classes=shorter)
    # one that the inventory no longer names stays
    assert presented(lab, classes={}).state == "unchanged"


def test_a_new_class_has_keys_and_is_used(lab: Lab, clock: Clock) -> None:
    lab = followed(lab, classes={**CLASSES, **NEW_CLASS})
    root = lab.repository.root
    assert root.longest_days == 1000
    for use in ("wrap", "escrow"):
        assert [key_id for key_id in ids(root, use) if key_id.startswith("d1000")] == [
            f"d1000-{year}" for year in range(2026, 2037)
        ]
    clock.advance(hours=1)
    new = declared(
        {"name": "app", "paths": ["/etc/app"], "tier": "tier2"},
        classes={"d1000": {"days": 1000, "mode": "compliance"}},
        tiers={"tier2": {"class": "d1000"}},
    )
    assert lab.run(policy=lambda: new).complete
    assert {entry.retention_class for entry in lab.live().streams.values()} == {"d1000"}
    assert lab.contents()["/etc/app/main.conf"] == FILES["/etc/app/main.conf"]
    assert problems(lab.verify()) == []


@pytest.mark.parametrize(
    ("wanted", "ok"),
    [
        ({"quorum": (Quorum("root", 6, ()),)}, False),
        ({"quorum": (Quorum("root", 2, ("nobody",)),)}, False),
        ({"people": persons("alice")}, False),
        ({"people": (person("alice"), person("bob", not_after=person("bob").not_before + DAY))}, False),
        ({"people": (person("alice"), person("carol", public=person("alice").public))}, False),
        ({"quorum": (Quorum("root", 5, ()),)}, True),
        ({"quorum": ()}, True),
    ],
    ids=["too many", "no such role", "too few people", "expired", "one key", "all of them", "none ever again"],
)
def test_a_root_that_nobody_could_follow_by_mistake_is_not_asked_for(
    lab: Lab, clock: Clock, wanted: dict[str, t.Any], ok: bool
) -> None:
    if ok:
        assert presented(lab, **wanted).state == "asked"
        return
    with pytest.raises(PolicyError, match="would never be enough to sign the next one"):
        presented(lab, **wanted)
    assert lab.names("records/") == []
    empty = MemoryStore(now=clock)
    given = {"people": persons(), "quorum": QUORUM, **wanted}
    with pytest.raises(PolicyError, match="would never be enough to sign the next one"):
        presented(lab, **given, store=empty, pin=None)
    assert list(empty.list()) == []


def test_the_first_link_takes_no_signature_of_people(lab: Lab, clock: Clock) -> None:
    empty = MemoryStore(now=clock)
    given: dict[str, t.Any] = {"store": empty, "pin": None, "people": persons(), "quorum": QUORUM}
    keyring = LocalKeyring(lab.path / "other")
    check = presented(lab, **given, keyring=keyring, check=True)
    assert (check.state, check.root, check.before) == ("made", None, ())
    assert list(empty.list()) == []
    made = presented(lab, **given, keyring=keyring)
    assert (made.state, made.changed) == ("made", True)
    again = presented(lab, **given, keyring=keyring)
    assert (again.state, again.root) == ("unchanged", made.root)


@pytest.mark.parametrize("wanted", [{"rotate": ("point",)}, {"remove": ("0" * 16,)}], ids=["rotate", "remove"])
def test_keys_are_changed_in_a_pinned_repository_alone(lab: Lab, wanted: dict[str, t.Any]) -> None:
    with pytest.raises(PolicyError, match="in a repository that the inventory pins"):
        presented(lab, **wanted, pin=None)


def test_another_repository_is_not_followed(lab: Lab, clock: Clock) -> None:
    with pytest.raises(TrustError, match="holds repository prod, the inventory says other"):
        succession.present(
            lab.store,
            lab.keyring,
            name="other",
            wanted=succession.Wanted(CLASSES),
            pin=lab.repository.root.id,
            asking=ASKING,
        )
    with pytest.raises(TrustError, match="holds no root link with the pinned digest"):
        presented(lab, pin=NOBODY)


def test_a_root_is_told_in_lines(lab: Lab, clock: Clock) -> None:
    quorum = (Quorum("retired", 2, ("security", "operations"), "pin"), ROOT)
    lab = followed(lab, people=persons("alice", "bob"), quorum=quorum, rotate=("wrap",))
    lines = succession.describe(lab.repository.root)
    (point,) = ids(lab.repository.root, "point")
    name = min(CLASSES)
    for line in (
        f"class {name}: {CLASSES[name].days} days, {CLASSES[name].mode}",
        f"point key {point}, 2026-03-01 to 2036-03-01",
        f"digest key {lab.repository.root.digest_key_id}",
        f"wrapping keys of {name} series b, 2026 to 2036",
        "retired takes 2 people, of them one of each role security, operations, key: pin",
        "root takes 2 people",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("person")] == [
        f"person {who} ({role}), {fingerprint}, until {EVER:%Y-%m-%d}"
        for who, role, fingerprint in (
            ("alice", "security", people.fingerprint(person("alice").public)),
            ("bob", "operations", people.fingerprint(person("bob").public)),
        )
    ]


# Years


def test_missing_years_are_asked_for(lab: Lab, clock: Clock) -> None:
    before = all_ids(lab.repository.root)
    clock.moment = clock.moment.replace(year=clock.moment.year + 3)
    check = presented(lab, check=True)
    assert check.state == "asked"
    assert f"wrapping and escrow keys of {min(CLASSES)}, 2037 (new)" in check.after
    lab = followed(lab)
    after = all_ids(lab.repository.root)
    added = sorted(f"{name}-{year}" for name in CLASSES for year in (2037, 2038, 2039))
    for use in ("wrap", "escrow"):
        assert after.pop(use) == before.pop(use) + added
    assert after == before
    assert presented(lab).state == "unchanged"
    assert backed_up(lab, b"after years")


def test_missing_years_and_a_rotation_stand_in_one_link(lab: Lab, clock: Clock) -> None:
    clock.moment = clock.moment.replace(year=clock.moment.year + 1)
    lab = followed(lab, rotate=("wrap", "escrow"))
    for use in ("wrap", "escrow"):
        new = [key_id for key_id in ids(lab.repository.root, use) if key_id.startswith(min(CLASSES))][11:]
        assert new == [f"{min(CLASSES)}-{each}" for each in (2037, *(f"{year}b" for year in range(2027, 2037)))]
    assert presented(lab).state == "unchanged"


def test_years_are_no_reason_where_nobody_could_sign(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, named=(), quorum=())
    clock.moment = clock.moment.replace(year=clock.moment.year + 3)
    assert presented(lab).state == "unchanged"


def test_a_store_whose_clock_went_back_is_not_asked(lab: Lab, clock: Clock) -> None:
    lab = followed(lab, people=FEWER)
    clock.advance(days=-1)
    with pytest.raises(PolicyError, match="the store's time is"):
        presented(lab, rotate=("point",))
    assert presented(lab).state == "unchanged"


# What others put


def test_a_link_that_would_not_be_found_is_an_error(lab: Lab, clock: Clock) -> None:
    """Junk that was laid before it stands in its place: the pin finds it."""
    asked = presented(lab, people=FEWER)
    all_sign(lab, pending_of(asked), "alice", "bob")
    for number in range(64):
        data = b"junk %d" % number
        lab.store.put_new(names.for_root(2, data), io.BytesIO(data), lock_until=EVER)
    clock.advance(seconds=1)
    with pytest.raises(TrustError, match="root link 2 was put, and the pinned link does not lead to it") as caught:
        presented(lab, people=FEWER)
    assert caught.value.item is not None
    assert reopened(lab, caught.value.item).repository.root.people == FEWER


def _own_point_key(lab: Lab, draft: Root, other: Path) -> Root:
    """Not the keyring's: that of who put the request."""
    keys = LocalKeyring(other).create(repository=NAME, classes=[], first_year=2026, years=0, now=draft.created)
    foreign = next(key for key in keys.sign if key.use == "point")
    sign = tuple(
        foreign if key.use == "point" and key.id not in ids(lab.repository.root, "point") else key
        for key in draft.keys.sign
    )
    return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, sign=sign))


def _own_recipients(use: str) -> Callable[[Lab, Root, Path], Root]:
    """New packs would be sealed to who put the request."""

    def forged(lab: Lab, draft: Root, other: Path) -> Root:
        mine = age.generate()[1]
        changed = tuple(
            dataclasses.replace(key, public=mine) if key.series else key for key in getattr(draft.keys, use)
        )
        return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, **{use: changed}))

    return forged


def _exchanged(use: str) -> Callable[[Lab, Root, Path], Root]:
    def forged(lab: Lab, draft: Root, other: Path) -> Root:
        one, *rest = getattr(draft.keys, use)
        changed = (dataclasses.replace(one, public=age.generate()[1]), *rest)
        return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, **{use: changed}))

    return forged


def _longer_valid(lab: Lab, draft: Root, other: Path) -> Root:
    one, *rest = draft.keys.sign
    sign = (dataclasses.replace(one, not_after=one.not_after + 3650 * DAY), *rest)
    return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, sign=sign))


def _one_key_less(use: str) -> Callable[[Lab, Root, Path], Root]:
    def forged(lab: Lab, draft: Root, other: Path) -> Root:
        keys = dataclasses.replace(draft.keys, **{use: getattr(draft.keys, use)[1:]})
        return dataclasses.replace(draft, keys=keys)

    return forged


def _one_key_more(lab: Lab, draft: Root, other: Path) -> Root:
    keys = LocalKeyring(other).create(repository=NAME, classes=[], first_year=2026, years=0, now=draft.created)
    return dataclasses.replace(draft, keys=dataclasses.replace(draft.keys, sign=draft.keys.sign + keys.sign))


def _field(**changes: t.Any) -> Callable[[Lab, Root, Path], Root]:
    return lambda lab, draft, other: dataclasses.replace(draft, **changes)


FORGED: dict[str, Callable[[Lab, Root, Path], Root]] = {
    "a point key of their own": _own_point_key,
    "a recipient of their own": _own_recipients("wrap"),
    "an escrow recipient of their own": _own_recipients("escrow"),
    "another recipient by an old name": _exchanged("wrap"),
    "another escrow recipient by an old name": _exchanged("escrow"),
    "an old key for longer": _longer_valid,
    "a signing key less": _one_key_less("sign"),
    "a wrapping key less": _one_key_less("wrap"),
    "an escrow key less": _one_key_less("escrow"),
    "a digest key less": _one_key_less("digest"),
    "a key more": _one_key_more,
    "no tips": _field(tips=()),
    "a tip of their own": _field(tips=(NOBODY,)),
    "a tip more": lambda lab, draft, other: dataclasses.replace(draft, tips=(*draft.tips, NOBODY)),
    "another number": _field(link=3),
    "another quorum": _field(quorum=(Quorum("root", 1, ()),)),
    "a person more": _field(people=persons("alice", "bob", "mallory")),
    "a record that nobody signed": _field(records=(NOBODY,)),
}


@pytest.mark.parametrize("why", FORGED)
def test_a_request_that_says_more_than_is_wanted_is_not_the_owners(
    lab: Lab, clock: Clock, tmp_path: Path, why: str
) -> None:
    """Who may put requests waits for the owner's, changes it, and has people sign what looks like the same."""
    backed_up(lab, b"before")
    (old,) = ids(lab.repository.root, "point")
    wanted = {"rotate": succession.ROTATED, "remove": (old,), "people": FEWER}
    right = draft_of(presented(lab, **wanted))
    for name in lab.names("records/request/"):
        del lab.memory._versions[name]
    forged = FORGED[why](lab, right, tmp_path / "other")
    wrong = approvals.put_request(lab.repository, forged)
    outcome = presented(lab, **wanted)
    assert outcome.state == "asked"
    assert pending_of(outcome).id != wrong.id
    # nor once it is signed
    all_sign(lab, wrong, "alice", "bob")
    clock.advance(seconds=1)
    again = presented(lab, **wanted)
    assert (again.state, again.pending) == ("waiting", outcome.pending)


def test_a_request_beside_it_does_not_take_its_place(lab: Lab, clock: Clock) -> None:
    asked = pending_of(presented(lab, people=FEWER))
    draft = t.cast(Root, asked.document)
    clock.advance(seconds=1)
    later = approvals.put_request(lab.repository, dataclasses.replace(draft, created=clock(), request=request_of(lab)))
    assert presented(lab, people=FEWER).pending == asked
    # unless people have signed that one
    all_sign(lab, later, "alice")
    assert presented(lab, people=FEWER).pending == later
    all_sign(lab, asked, "alice", "bob")
    assert presented(lab, people=FEWER).pending == asked


def test_points_sealed_since_a_request_do_not_close_it(lab: Lab, clock: Clock) -> None:
    (old,) = ids(lab.repository.root, "point")
    backed_up(lab, b"before")
    wanted = {"rotate": ("point",), "remove": (old,), "people": FEWER}
    asked = presented(lab, **wanted)
    clock.advance(hours=1)
    backed_up(lab, b"after")
    retired(lab, "h", stream="tier2")
    assert presented(lab, **wanted).pending == asked.pending


# Runs under the next link


def test_a_new_digest_key_is_no_drift(lab: Lab, clock: Clock) -> None:
    source = MemorySource(FILES)
    lab.run(source)
    old = lab.repository.root.digest_key_id
    clock.advance(hours=1)
    lab = followed(lab, rotate=("digest",))
    new = lab.repository.root.digest_key_id
    assert new != old
    clock.advance(hours=1)
    sealed = lab.run(source)
    assert (sealed.stored, sealed.unchanged) == (0, 2)
    source.files["/etc/app/main.conf"] = b"changed"
    clock.advance(hours=1)
    sealed = lab.run(source)
    assert (sealed.stored, sealed.unchanged) == (1, 1)
    used = {
        entry.stream: {fingerprint.digest_key for fingerprint in entry.fingerprints}
        for entry in lab.live().streams.values()
    }
    assert used == {"tier1": {new}, "tier2": {old}}
    assert problems(lab.verify()) == []
    # once the old one is removed what it keyed is stored anew, and told
    clock.advance(hours=1)
    lab = followed(lab, remove=(old,))
    clock.advance(hours=1)
    sealed = lab.run(source)
    assert (sealed.stored, sealed.unchanged) == (1, 1)


@pytest.mark.parametrize("use", ["wrap", "escrow"])
def test_new_packs_are_sealed_to_the_new_series_and_old_ones_open(lab: Lab, clock: Clock, use: str) -> None:
    before = backed_up(lab, b"old")
    old = manifests(lab)
    clock.advance(hours=1)
    lab = followed(lab, rotate=(use,))
    clock.advance(hours=1)
    after = backed_up(lab, b"new")
    (new,) = (manifest for name, manifest in manifests(lab).items() if name not in old)
    assert (new.key.series, [key_id[-1:] for key_id in new.escrow]) == (("b", ["6"]) if use == "wrap" else ("", ["b"]))
    assert lab.contents(selection=Selection(point=before))["/etc/app/main.conf"] == b"old"
    assert lab.contents(selection=Selection(point=after))["/etc/app/main.conf"] == b"new"
    assert problems(lab.verify()) == []
    # the escrow holder's file opens each pack by the identity that its manifest names
    for name, manifest in manifests(lab).items():
        sealed = lab.store.get(manifest.pack.name)
        (key_id,) = manifest.escrow
        assert age.decrypt(sealed, [escrow_identity(lab, key_id)])
        if name not in old and use == "escrow":
            with pytest.raises(WrongKeyError):
                age.decrypt(sealed, [escrow_identity(lab, key_id.rstrip("b"))])


def manifests(lab: Lab) -> dict[str, t.Any]:
    return {name: manifest_format.read(lab.store.get(name), what=name) for name in lab.names("manifests/")}


def escrow_identity(lab: Lab, key_id: str) -> str:
    """The line of a key in the escrow holder's identity file."""
    lines = (lab.path / "keyring" / "escrow" / "identities.txt").read_text().splitlines()
    (found,) = (at for at, line in enumerate(lines) if line.startswith(f"# {key_id} "))
    return lines[found + 1]


@pytest.mark.parametrize("rotate", [("point",), ("digest",), ("wrap", "escrow"), succession.ROTATED], ids=str)
def test_a_run_may_be_opened_before_a_link_and_sealed_after_it(lab: Lab, clock: Clock, rotate: tuple[str, ...]) -> None:
    lab.run()
    clock.advance(hours=1)
    folder = lab.folder()
    lab.open(folder)
    after = followed(lab, rotate=rotate)
    clock.advance(minutes=1)
    # a worker has what was read at open
    lab.snapshot(folder, MemorySource({**FILES, "/etc/base": b"new"}))
    sealed = after.seal(folder)
    assert sealed.complete
    point = points.read_point(after.repository, points.point_names(after.repository)[0])
    assert (point.id, point.statement.root) == (sealed.id, after.repository.root.id)
    assert after.contents()["/etc/base"] == b"new"
    assert after.live().warnings == ()
    assert problems(after.verify()) == []


def test_a_run_that_did_not_see_the_link_seals_under_the_one_before(lab: Lab, clock: Clock) -> None:
    lab.run()
    clock.advance(hours=1)
    after = followed(lab, rotate=("point",))
    clock.advance(hours=1)
    seen = backed_up(lab, b"under the old root")
    assert after.live().tips == (seen,)
    assert after.contents()["/etc/app/main.conf"] == b"under the old root"


def test_two_controllers_one_with_an_old_seal_half(lab: Lab, clock: Clock) -> None:
    """A key that is still named signs; who has a newer one signs with that."""
    old_ring = ring_of(lab, "elsewhere")
    (old,) = ids(lab.repository.root, "point")
    lab = followed(lab, rotate=("point",))
    elsewhere = dataclasses.replace(lab, keyring=old_ring, path=lab.path / "state-elsewhere")
    clock.advance(hours=1)
    backed_up(elsewhere, b"by the old key")
    clock.advance(hours=1)
    backed_up(lab, b"by the new key")
    signed = {signer_of(lab, name) for name in points.point_names(lab.repository)}
    assert signed == set(ids(lab.repository.root, "point"))
    assert old in signed
    assert (lab.live().warnings, problems(lab.verify())) == ((), [])


def signer_of(lab: Lab, name: str) -> str:
    (given,) = statement_format.read(lab.store.get(name), what=name)[1].signatures
    return given.key_id


def test_an_old_seal_half_without_the_digest_key_fails_at_open(lab: Lab, clock: Clock) -> None:
    old_ring = ring_of(lab, "elsewhere")
    lab = followed(lab, rotate=("digest",))
    before = lab.names()
    with pytest.raises(KeyMissingError) as caught:
        dataclasses.replace(lab, keyring=old_ring).run()
    assert caught.value.remedy
    assert lab.names() == before


def test_a_run_whose_key_was_removed_fails_loudly_and_puts_nothing(lab: Lab, clock: Clock) -> None:
    source = MemorySource(FILES)
    lab.run(source)
    old_ring = ring_of(lab, "elsewhere")
    (old,) = ids(lab.repository.root, "point")
    clock.advance(hours=1)
    lab = followed(lab, rotate=("point",), remove=(old,))
    clock.advance(hours=1)
    before = lab.names()
    late = dataclasses.replace(lab, keyring=old_ring)
    with pytest.raises(WrongKeyError, match="has no point key that the root lets sign now") as caught:
        late.run(MemorySource({**FILES, "/etc/base": b"new"}))
    assert "copy it anew from its owner" in str(caught.value)
    assert lab.names() == before
    # a day later the streams of others are due too
    clock.advance(days=200)
    with pytest.raises(WrongKeyError):
        late.run({"other": source})
    assert lab.names() == before


# What a removed key still counts for


@dataclasses.dataclass
class Removed:
    """A repository whose first point key was removed, by a link that was made after these points."""

    lab: Lab
    old: Lab
    thief: LocalKeyring
    points: list[str]

    @property
    def forge(self) -> Forge:
        """Signs with the removed key, under the old root, at the time of the newest point that it really signed."""
        return Forge(self.old)


@pytest.fixture
def removed(lab: Lab, clock: Clock) -> Removed:
    made = []
    for number in range(7):
        made.append(backed_up(lab, b"%d" % number, f"h{number % 3}"))
        clock.advance(hours=1)
    thief = ring_of(lab, "stolen")
    old = dataclasses.replace(lab, keyring=thief)
    (key_id,) = ids(lab.repository.root, "point")
    lab = followed(lab, rotate=("point",), remove=(key_id,))
    clock.advance(hours=1)
    return Removed(lab, old, thief, made)


def test_what_was_sealed_before_stays_believed(removed: Removed, clock: Clock) -> None:
    lab = removed.lab
    live = lab.live()
    assert live.warnings == ()
    assert set(live.seen) == set(removed.points)
    assert {host for host, _stream in live.streams} == {"h0", "h1", "h2"}
    for number, point_id in enumerate(removed.points):
        host = f"h{number % 3}"
        for asked in (point_id, point_id[:12]):
            assert lab.contents(host, Selection(point=asked))["/etc/app/main.conf"] == b"%d" % number
    assert any(point.body.covers for point in points.history(lab.repository))
    assert problems(lab.verify()) == []
    backed_up(lab, b"new", "h1")
    live = lab.live()
    assert live.warnings == ()
    assert lab.contents("h0")["/etc/app/main.conf"] == b"6"
    assert lab.contents("h1")["/etc/app/main.conf"] == b"new"


def test_what_was_sealed_before_is_found_by_its_time(removed: Removed, clock: Clock) -> None:
    lab = removed.lab
    backed_up(lab, b"new", "h1")
    start = clock.moment - dt.timedelta(hours=8)
    for number in range(7):
        at = start + dt.timedelta(hours=number, minutes=30)
        live = lab.live(until=at)
        assert set(live.seen) == set(removed.points[: number + 1])
        assert live.warnings == ()
        host = f"h{number % 3}"
        assert lab.contents(host, Selection(time=at))["/etc/app/main.conf"] == b"%d" % number


def test_at_a_time_between_two_tips_each_host_has_its_newest(lab: Lab, clock: Clock) -> None:
    """Two runs at once leave two tips; what vouches for a point may have been sealed after the time that is asked."""
    one, two = lab.folder(), lab.folder()
    backed_up(lab, b"first", "h0")
    clock.advance(hours=1)
    lab.open(one, "h0")
    lab.open(two, "h1")
    lab.snapshot(one, MemorySource({**FILES, "/etc/app/main.conf": b"second"}), "h0")
    lab.seal(one)
    clock.advance(hours=1)
    third = lab.folder()
    lab.open(third, "h0")
    lab.snapshot(two, MemorySource(FILES), "h1")
    lab.seal(two)
    between = clock.moment + MINUTE
    clock.advance(hours=1)
    lab.snapshot(third, MemorySource({**FILES, "/etc/app/main.conf": b"third"}), "h0")
    lab.seal(third)
    before = {key: entry.captured_at for key, entry in lab.live(until=between).streams.items()}
    (key_id,) = ids(lab.repository.root, "point")
    clock.advance(hours=1)
    lab = followed(lab, rotate=("point",), remove=(key_id,))
    live = lab.live(until=between)
    assert {key: entry.captured_at for key, entry in live.streams.items()} == before
    assert live.warnings == ()
    assert lab.contents("h0", Selection(time=between))["/etc/app/main.conf"] == b"second"


def refused(lab: Lab, put: list[str], before: points.Live) -> None:
    """Points count for nothing, anywhere, and are told of."""
    live = lab.live()
    assert dataclasses.replace(live, warnings=()) == before
    items = {finding.item for finding in problems(lab.verify(Level.SIGNATURES))}
    notes = lab.open(lab.folder(), "h0").notes
    believed = {point.id for point in points.history(lab.repository)}
    for name in put:
        assert [warning for warning in live.warnings if name in warning]
        assert [note for note in notes if name in note]
        assert name in items
        assert names.parse(name).sha256 not in believed
        with pytest.raises((FormatError, NotFoundError)):
            lab.contents("h0", Selection(point=names.parse(name).sha256))


@pytest.mark.parametrize("when", ["now", "backdated", "ahead"])
def test_what_a_removed_key_signs_afterwards_counts_for_nothing(removed: Removed, clock: Clock, when: str) -> None:
    lab, forge = removed.lab, removed.forge
    before = lab.live()
    sealed_at = {"now": clock(), "backdated": clock() - dt.timedelta(hours=3), "ahead": clock() + 10 * MINUTE}[when]
    put = [
        forge.put(
            statement={"sealed_at": sealed_at, "parents": named, "full": True},
            body={"parents": named, "full": True, "covers": before.seen, "streams": ()},
        )
        for named in ((), before.tips, before.seen)
    ]
    refused(lab, put, before)


def test_a_removed_key_signs_nothing_under_the_new_root(removed: Removed, clock: Clock) -> None:
    lab = removed.lab
    root = {"root": lab.repository.root.id}
    before = lab.live()
    name = removed.forge.put(statement={**root, "sealed_at": clock()}, body=root)
    refused(lab, [name], before)
    with pytest.raises(SignatureError, match="signed by no point key of the root"):
        points.read_point(lab.repository, name)


def test_after_removal_the_newest_is_what_honest_runs_sealed(removed: Removed, clock: Clock) -> None:
    lab = removed.lab
    entry = lab.live().streams["h0", "tier1"]
    forged = dataclasses.replace(entry, state=StreamState.LIVE, verified_at=clock())
    name = removed.forge.put(statement={"sealed_at": clock()}, body={"streams": (forged,)})
    backed_up(lab, b"honest", "h0")
    live = lab.live()
    assert [warning for warning in live.warnings if name in warning]
    assert lab.contents("h0")["/etc/app/main.conf"] == b"honest"
    assert set(live.streams) == {(f"h{n}", tier) for n in range(3) for tier in ("tier1", "tier2")}


def test_a_point_that_was_held_back_is_not_the_newest_later(lab: Lab, clock: Clock) -> None:
    """A thief names, while his key counts, a point that he has not put: the link's tips lead to it afterwards."""
    backed_up(lab, b"honest", "h0")
    forge = Forge(lab)
    later = clock() + 100 * DAY
    forged = []
    for entry in forge.point.body.streams:
        pack, manifest = (
            dataclasses.replace(ref, name=str(dataclasses.replace(names.parse(ref.name), at=later)))
            for ref in (entry.pack, entry.manifest)
        )
        forged.append(dataclasses.replace(entry, captured_at=later, pack=pack, manifest=manifest))
    held_back = forge.put(statement={"sealed_at": later}, body={"streams": tuple(forged)})
    kept = lab.memory._versions.pop(held_back)
    named = {"parents": (names.parse(held_back).sha256, *lab.live().tips), "full": False}
    leads = forge.put(statement=named, body=named)
    assert names.parse(leads).sha256 in lab.live().tips
    (key_id,) = ids(lab.repository.root, "point")
    clock.advance(hours=1)
    lab = followed(lab, rotate=("point",), remove=(key_id,))
    clock.moment = later
    before = lab.live()
    lab.memory._versions[held_back] = kept
    refused(lab, [held_back], before)


def test_people_are_removed_as_keys_are(lab: Lab, clock: Clock) -> None:
    """What they signed stays where the next link names it, and they sign nothing else."""
    lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)})
    clock.advance(hours=1)
    record = retired(lab, "gone", "alice", "bob")
    backdated = retiring(lab, "h")
    clock.advance(hours=1)
    lab = followed(lab, "carol", "dave", people=persons("carol", "dave", "erin"))
    assert lab.repository.root.records == (names.parse(record).sha256,)
    forged = put_record(lab, backdated, "alice", "bob")
    live = lab.live()
    assert {host for host, _stream in live.streams} == {"h"}
    assert [warning for warning in live.warnings if forged in warning]


def test_a_quorum_that_was_raised_holds_for_what_says_an_earlier_time(lab: Lab, clock: Clock) -> None:
    lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)})
    clock.advance(hours=1)
    known = retired(lab, "gone", "alice", "bob")
    backdated = retiring(lab, "h")
    clock.advance(hours=1)
    raised = (Quorum("retired", 4, ("security", "operations")), ROOT)
    lab = followed(lab, quorum=raised)
    forged = put_record(lab, backdated, "alice", "bob")
    live = lab.live()
    assert {host for host, _stream in live.streams} == {"h"}
    assert [warning for warning in live.warnings if forged in warning and "since root link 2" in warning]
    assert known in lab.names("records/retired/")
    assert put_record(lab, backdated, "alice", "bob", "carol", "erin")
    assert lab.live().streams == {}


def test_a_link_that_is_put_past_the_code_is_followed_too(lab: Lab, clock: Clock) -> None:
    """What counts is what people signed, whoever puts it."""
    root_id = put_link(lab, successor(lab, people=FEWER), "alice", "bob")
    outcome = presented(lab, people=FEWER)
    assert (outcome.state, outcome.root and outcome.root.id) == ("unchanged", root_id)


def test_the_keyring_of_another_repository_is_refused(lab: Lab, clock: Clock, tmp_path: Path) -> None:
    other = tmp_path / "of-another"
    make_keyring(other, clock())
    for half in ("seal", "open"):
        published = other / half / "keyring.json"
        published.write_bytes(published.read_bytes().replace(b'"prod"', b'"test"'))
    with pytest.raises(KeyringError, match="is that of the repository"):
        presented(lab, rotate=("point",), keyring=LocalKeyring(other))
    assert lab.names("records/") == []
