# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A legal hold is on what is meant and on nothing else, and ends only where people have signed for just that."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    FormatError,
    NotFoundError,
    PolicyError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.hold import Scope, hold_of, release_of
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import legal_hold, objects, records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.legal_hold import Holding
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import DAY, QUORUM, all_sign, followed, governed, put_record, request_of, retired, retiring
from .faults import FaultyStore
from .lab import FILES, Clock, Lab, problems

RELEASE = Quorum("hold-release", 2, ("security", "operations"))
CHANGED = {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """Hosts h and other were backed up twice; of h one stream has changed since."""
    lab = governed(tmp_path, keys, clock, quorum=(*QUORUM, RELEASE))
    lab.run({"h": MemorySource(FILES), "other": MemorySource(FILES)})
    clock.advance(hours=1)
    lab.run({"h": MemorySource(CHANGED), "other": MemorySource(FILES)})
    clock.advance(hours=1)
    return lab


def scope(lab: Lab, **meant: t.Any) -> Scope:
    return legal_hold.scope(lab.repository, **meant)


def hold(lab: Lab, **meant: t.Any) -> Holding:
    return legal_hold.present(lab.repository, scope(lab, **meant))


def release(lab: Lab, **meant: t.Any) -> Holding:
    return legal_hold.absent(lab.repository, scope(lab, **meant))


def held(lab: Lab) -> set[str]:
    return {one.name for one in lab.store.list() if one.held}


def kinds(found: set[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name in found:
        counted[names.parse(name).kind.value] = counted.get(names.parse(name).kind.value, 0) + 1
    return counted


def points_of(lab: Lab) -> list[str]:
    """Ids of the recovery points, oldest first."""
    return [names.parse(name).sha256 for name in sorted({one.name for one in lab.store.list("points/")})]


def signed(lab: Lab, *who: str, lasts: dt.timedelta = 7 * DAY, **meant: t.Any) -> str:
    """Ask for a release, let these people sign it and complete it; alice and bob unless told otherwise."""
    given = {"point": None, "host": None, "stream": None, **meant}
    pending, made = legal_hold.ask(lab.repository, **given, request=request_of(lab, lasts=lasts))
    assert made
    all_sign(lab, pending, *(who or ("alice", "bob")))
    return records.complete(lab.repository, pending)[0]


# what is meant


def test_point_is_held_with_all_that_it_names(lab: Lab) -> None:
    first, second = points_of(lab)
    found = hold(lab, point=second)
    assert kinds(held(lab)) == {"packs": 4, "manifests": 4, "bodies": 1, "points": 1}
    assert (len(found.objects), len(found.changed), found.missing) == (10, 10, ())
    assert not any(first in name for name in held(lab))


def test_host_is_held_with_the_points_that_first_name_its_snapshots(lab: Lab) -> None:
    hold(lab, host="h")
    found = held(lab)
    # three snapshots: two of the first run, and of the stream that changed another one
    assert kinds(found) == {"packs": 3, "manifests": 3, "bodies": 2, "points": 2}
    assert all("/h/" in name for name in found if name.startswith(("packs/", "manifests/")))


def test_stream_of_a_host_in_a_point_is_held_alone(lab: Lab) -> None:
    hold(lab, point=points_of(lab)[0][:12], host="h", stream="tier2")
    found = held(lab)
    assert kinds(found) == {"packs": 1, "manifests": 1, "bodies": 1, "points": 1}
    assert scope(lab, point=points_of(lab)[0][:12], host="h").point == points_of(lab)[0]


def test_stream_without_a_point_is_held_in_all_of_its_snapshots(lab: Lab) -> None:
    hold(lab, host="h", stream="tier1")
    assert kinds(held(lab)) == {"packs": 2, "manifests": 2, "bodies": 2, "points": 2}


@pytest.mark.parametrize(
    ("meant", "error", "told"),
    [
        ({}, PolicyError, "nothing is named"),
        ({"stream": "tier1"}, PolicyError, "nothing is named"),
        ({"point": "0" * 64, "stream": "tier1"}, PolicyError, "a stream is one of a host"),
        ({"point": "0" * 64}, NotFoundError, "no recovery points have that id"),
        ({"point": ""}, NotFoundError, "2 recovery points have that id"),
        ({"host": "web9"}, NotFoundError, "nothing of web9 is there"),
        ({"host": "h", "stream": "tier0"}, NotFoundError, "nothing of h/tier0 is there"),
    ],
)
def test_what_is_not_there_is_not_held(lab: Lab, meant: t.Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        hold(lab, **meant)
    assert held(lab) == set()


def test_what_is_put_beside_is_not_held(lab: Lab) -> None:
    name = next(one.name for one in lab.store.list("packs/") if "/h/" in one.name)
    junk = put_junk(lab, name)
    hold(lab, host="h")
    assert junk not in {one.version for one in lab.store.list(name) if one.held}


def put_junk(lab: Lab, name: str) -> str:
    return lab.store.put_new(name, io.BytesIO(b"junk"), lock_until=lab.store.clock() + DAY).version


def test_body_is_found_by_its_digest_whatever_was_put_first(lab: Lab) -> None:
    name = next(one.name for one in lab.store.list("bodies/"))
    junk = put_junk(lab, name)
    hold(lab, point=points_of(lab)[0])
    assert [one.version != junk for one in lab.store.list(name) if one.held] == [True]


def test_what_has_gone_is_named(lab: Lab) -> None:
    gone = next(one for one in lab.store.list("packs/") if "/h/" in one.name)
    # as its expiry does
    del lab.memory._versions[gone.name]
    found = hold(lab, host="h")
    assert found.missing == (gone.name,)
    assert gone.name not in held(lab)


# change, no change, check mode


def test_hold_is_put_once(lab: Lab) -> None:
    first = hold(lab, host="h")
    assert len(first.changed) == len(first.objects)
    again = hold(lab, host="h")
    assert (again.changed, len(again.objects)) == ((), len(first.objects))
    # of another scope only what is not held yet
    assert len(hold(lab, point=points_of(lab)[0]).changed) == 4


def test_check_mode_holds_and_releases_nothing(lab: Lab) -> None:
    dry = dataclasses.replace(lab, repository=dataclasses.replace(lab.repository, store=DryRunStore(lab.store)))
    assert len(hold(dry, host="h").changed) == 10
    assert held(lab) == set()
    hold(lab, host="h")
    signed(lab, host="h")
    before = held(lab)
    assert len(release(dry, host="h").changed) == 10
    assert held(lab) == before


# the end of a hold


def test_hold_ends_where_people_have_signed_for_it(lab: Lab) -> None:
    hold(lab, host="h")
    record = signed(lab, host="h")
    found = release(lab, host="h")
    assert found.record == names.parse(record).sha256
    assert len(found.changed) == 10
    assert held(lab) == set()


def test_nothing_held_needs_no_signature(lab: Lab) -> None:
    found = release(lab, host="h")
    assert (found.changed, found.record) == ((), "")


def test_nobody_ends_a_hold_alone(lab: Lab) -> None:
    hold(lab, host="h")
    pending, _made = legal_hold.ask(lab.repository, point=None, host="h", stream=None, request=request_of(lab))
    all_sign(lab, pending, "alice")
    with pytest.raises(SignatureError, match="not enough people"):
        records.complete(lab.repository, pending)
    put_record(lab, t.cast("t.Any", pending.document), "alice")
    with pytest.raises(SignatureError, match="nobody has signed that the legal hold of host h ends") as caught:
        release(lab, host="h")
    assert "is not believed" in str(caught.value)
    assert len(held(lab)) == 10


@pytest.mark.parametrize(
    ("for_", "wanted"),
    [
        ({"host": "other"}, {"host": "h"}),
        ({"host": "h"}, {"host": "h", "stream": "tier1"}),
        ({"host": "h", "stream": "tier1"}, {"host": "h"}),
        ({"host": "h", "stream": "tier1"}, {"host": "h", "stream": "tier2"}),
        ({"host": "h", "point": True}, {"host": "h"}),
        ({"host": "h"}, {"host": "h", "point": True}),
        ({"point": True}, {"host": "h", "point": True}),
    ],
)
def test_what_was_signed_for_something_else_ends_nothing(lab: Lab, for_: t.Any, wanted: t.Any) -> None:
    point = points_of(lab)[0]
    given, meant = ({**one, **({"point": point} if "point" in one else {})} for one in (for_, wanted))
    hold(lab, host="h")
    before = held(lab)
    signed(lab, **given)
    with pytest.raises(SignatureError, match="nobody has signed"):
        release(lab, **meant)
    assert held(lab) == before


def test_a_retirement_ends_no_hold(lab: Lab) -> None:
    hold(lab, host="h")
    retired(lab, "h")
    with pytest.raises(SignatureError, match="nobody has signed"):
        release(lab, host="h")


def test_what_people_signed_is_good_until_the_request_ends(lab: Lab, clock: Clock) -> None:
    hold(lab, host="h")
    signed(lab, host="h", lasts=2 * DAY)
    clock.advance(days=2, seconds=1)
    with pytest.raises(SignatureError, match="what people signed for it ended at"):
        release(lab, host="h")
    # asked again, it ends
    signed(lab, host="h")
    assert len(release(lab, host="h").changed) == 10


def test_what_people_signed_for_a_hold_ends_no_later_one(lab: Lab, clock: Clock) -> None:
    hold(lab, host="h")
    clock.advance(hours=1)
    signed(lab, host="h")
    assert len(release(lab, host="h").changed) == 10
    clock.advance(days=1)
    anew = hold(lab, host="h")
    assert len(anew.changed) == 10
    with pytest.raises(SignatureError, match=r"it was put at 2026-03-02T\S+, and what people signed was asked for at"):
        release(lab, host="h")
    assert len(held(lab)) == 10
    # asked again, it ends
    clock.advance(hours=1)
    signed(lab, host="h")
    assert len(release(lab, host="h").changed) == 10


def test_what_was_interrupted_ends_by_the_same_signatures(lab: Lab) -> None:
    hold(lab, host="h")
    signed(lab, host="h")
    first, *_others = legal_hold.present(lab.repository, scope(lab, host="h")).objects
    lab.store.hold(first.name, first.version, on=False)
    assert len(release(lab, host="h").changed) == 9
    assert held(lab) == set()


def test_what_others_hold_already_is_held_anew_all_the_same(lab: Lab, clock: Clock) -> None:
    """A point is held and let go, its hosts are held, and then the point is once more: nothing of it changes."""
    point = points_of(lab)[0]
    hold(lab, point=point)
    signed(lab, point=point)
    release(lab, point=point)
    clock.advance(hours=1)
    hold(lab, host="h")
    hold(lab, host="other")
    again = hold(lab, point=point)
    assert (again.changed, bool(again.record)) == ((), True)
    with pytest.raises(SignatureError, match="it was put at"):
        release(lab, point=point)
    # what people signed stands no more, so the hold is put once
    assert hold(lab, point=point).record == ""


def test_only_a_record_of_this_hold_that_is_not_ahead_counts(lab: Lab, clock: Clock) -> None:
    hold(lab, host="h")
    signed(lab, host="h")
    now = lab.store.clock()
    for at, subject, repository in (
        (now + DAY, {"host": "h"}, "prod"),
        (now + DAY / 24, {"host": "other"}, lab.repository.name),
        (now + DAY / 24, {"host": "h", "until": "2027-01-01"}, lab.repository.name),
        (now + DAY / 24, {"host": "h"}, "another"),
    ):
        record = Record(repository, lab.repository.root.id, "hold", at, "legal_hold", subject, {})
        put_note(lab, record, at)
    misnamed = Record(
        lab.repository.name, lab.repository.root.id, "hold", now + DAY / 24, "legal_hold", {"host": "h"}, {}
    )
    put_note(lab, misnamed, now + DAY / 48)
    clock.advance(hours=1)
    assert len(release(lab, host="h").changed) == 10


def put_note(lab: Lab, record: Record, at: dt.datetime) -> None:
    data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(record), ()))
    objects.put(lab.store, names.for_record("hold", at, data), data, lock_until=at + 400 * DAY)


def test_record_of_a_hold_is_put_before_it(lab: Lab) -> None:
    def fault(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("records/hold/"):
            raise DeniedError("not allowed")

    with pytest.raises(DeniedError):
        hold(lab.on(FaultyStore(lab.store, before=fault)), host="h")
    assert held(lab) == set()


def test_record_of_a_hold_is_nothing_to_report(lab: Lab) -> None:
    found = hold(lab, host="h")
    (name,) = [one.name for one in lab.store.list("records/hold/")]
    assert found.record == names.parse(name).sha256
    assert problems(lab.verify()) == []


@pytest.mark.parametrize("subject", [{}, {"host": 1}, {"host": "h", "more": "x"}, {"stream": "tier1"}])
def test_record_of_a_hold_says_what_was_held(lab: Lab, subject: t.Any) -> None:
    record = Record("prod", "0" * 64, "hold", lab.store.clock(), "legal_hold", subject, {})
    with pytest.raises(FormatError, match="does not say what was put under legal hold"):
        hold_of(record, "0" * 64)
    with pytest.raises(FormatError):
        hold_of(dataclasses.replace(record, kind="hold-release", subject={"host": "h"}), "0" * 64)


def test_what_is_signed_ahead_of_its_time_ends_nothing_yet(lab: Lab, clock: Clock) -> None:
    hold(lab, host="h")
    ahead = dataclasses.replace(
        retiring(lab, request=request_of(lab, lasts=20 * DAY)), kind="hold-release", subject={"host": "h"}
    )
    later = dataclasses.replace(ahead, at=ahead.at + 10 * DAY)
    put_record(lab, later, "alice", "bob")
    with pytest.raises(SignatureError, match="nobody has signed"):
        release(lab, host="h")


def test_a_request_is_found_again_and_not_made_twice(lab: Lab) -> None:
    request = request_of(lab)
    first, made = legal_hold.ask(lab.repository, point=None, host="h", stream=None, request=request)
    again, made_again = legal_hold.ask(lab.repository, point=None, host="h", stream=None, request=request_of(lab))
    assert (made, made_again, again.id) == (True, False, first.id)
    other, made_other = legal_hold.ask(lab.repository, point=None, host="other", stream=None, request=request)
    assert made_other
    assert other.id != first.id


def test_without_a_rule_nobody_can_be_asked(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock)
    lab.run({"h": MemorySource(FILES)})
    with pytest.raises(PolicyError, match="lets nobody sign for hold-release"):
        legal_hold.ask(lab.repository, point=None, host="h", stream=None, request=request_of(lab))
    after = followed(lab, quorum=(*QUORUM, RELEASE))
    assert legal_hold.ask(after.repository, point=None, host="h", stream=None, request=request_of(after))[1]


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"stream": "tier1"},
        {"host": ""},
        {"host": 1},
        {"host": ["h"]},
        {"host": None, "recovery_point": None},
        {"host": "h", "stream": None},
        {"host": "h", "until": "2027-01-01"},
        {"recovery_point": "0" * 64, "stream": "tier1"},
    ],
)
def test_record_that_says_nothing_clear_is_neither_signed_nor_followed(lab: Lab, subject: t.Any) -> None:
    record = dataclasses.replace(retiring(lab), kind="hold-release", subject=subject)
    with pytest.raises(FormatError, match="does not say whose legal hold it ends"):
        release_of(record, "0" * 64)
    with pytest.raises(FormatError, match="does not say whose legal hold it ends"):
        records.require_understood(record, "0" * 64)


def test_retirement_is_no_release(lab: Lab) -> None:
    with pytest.raises(FormatError):
        release_of(retiring(lab), "0" * 64)
    with pytest.raises(FormatError):
        records.retirement_of(dataclasses.replace(retiring(lab), kind="hold-release"), "0" * 64)


def test_scope_says_what_is_meant() -> None:
    assert Scope("0" * 64, "h", "tier1").spoken == f"recovery point {'0' * 64}, host h, stream tier1"
    assert Scope(host="h").subject == {"host": "h"}
