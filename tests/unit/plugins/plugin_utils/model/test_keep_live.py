# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is carried on, what has ended and what fades, held against the rules spelled out one stream at a time."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    ObjectRef,
    Retirement,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import Fingerprint
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
CLASSES = {
    kept.name: kept
    for kept in (
        RetentionClass("d0005", 5, "compliance"),
        RetentionClass("d0030", 30, "compliance"),
        RetentionClass("d0400", 400, "compliance"),
        RetentionClass("m0030", 30, "compliance", 180),
        RetentionClass("m0150", 150, "compliance", 700),
    )
}
STREAMS = ("tier0", "tier1", "tier2")


def stream(
    name: str = "h/tier1",
    *,
    retention_class: str = "d0030",
    verified: dt.datetime = NOW,
    lock: dt.datetime = NOW,
    manifest_lock: dt.datetime | None = None,
    components: Iterable[str] = ("app",),
) -> StreamEntry:
    """The newest snapshot of a stream, as far as the keep rule looks at it."""
    host, _slash, tier = name.partition("/")
    return StreamEntry(
        host=host,
        host_id=host,
        stream=tier,
        retention_class=retention_class,
        state=StreamState.UNCHANGED,
        captured_at=verified - DAY,
        verified_at=verified,
        pack=ObjectRef("packs/x", "v", 1, lock),
        manifest=ObjectRef("manifests/x", "v", 1, manifest_lock or lock),
        fingerprints=tuple(Fingerprint(c, "d", "k", "r", None, None) for c in components),
    )


# coarse, so that equal moments and bounds come up often
moments = st.integers(-900, 900).map(lambda days: NOW + days * DAY)
entries = st.builds(
    stream,
    st.sampled_from([f"{host}/{tier}" for host in ("h", "other") for tier in STREAMS]),
    # one that the root does not know: a newer collection may have added it
    retention_class=st.sampled_from([*CLASSES, "d9999"]),
    verified=st.integers(-3, 3).map(lambda days: NOW + days * DAY) | moments,
    lock=moments,
    manifest_lock=st.none() | moments,
    components=st.sets(st.sampled_from("abc")).map(sorted),
)
lives = st.lists(entries, max_size=6, unique_by=lambda entry: entry.key)
known_lives = st.lists(
    entries.filter(lambda entry: entry.retention_class in CLASSES), max_size=6, unique_by=lambda entry: entry.key
)
retirements = st.lists(
    st.builds(
        Retirement,
        host=st.sampled_from(["h", "other"]),
        stream=st.none() | st.sampled_from(STREAMS),
        at=moments,
        record=st.just("ab" * 32),
    ),
    max_size=3,
)


def by_key(found: Iterable[StreamEntry]) -> Mapping[tuple[str, str], StreamEntry]:
    return {entry.key: entry for entry in found}


# Has it ended?


def is_retired(entry: StreamEntry, retired: Iterable[Retirement]) -> bool:
    return any(
        one.host == entry.host and (one.stream is None or one.stream == entry.stream) and entry.verified_at <= one.at
        for one in retired
    )


def is_superseded(entry: StreamEntry, live: Iterable[StreamEntry]) -> bool:
    others = [other for other in live if other.host == entry.host and other.stream != entry.stream]
    held = [fingerprint.component for fingerprint in entry.fingerprints]
    for component in held:
        later = [other for other in others if other.verified_at > entry.verified_at]
        if not any(component == fingerprint.component for other in later for fingerprint in other.fingerprints):
            return False
    return held != []


def is_outlived(entry: StreamEntry, now: dt.datetime) -> bool:
    kept = CLASSES.get(entry.retention_class)
    if kept is None or kept.maximum is None:
        return False
    last = entry.verified_at + dt.timedelta(days=kept.maximum)
    renewed = now + dt.timedelta(days=kept.days) + keep.renewal(f"{entry.host}/{entry.stream}") + kept.grace
    return renewed > last and now > min(entry.pack.lock_until, entry.manifest.lock_until) + kept.grace


@given(live=lives, retired=retirements, now=moments)
def test_what_has_ended_and_why(live: list[StreamEntry], retired: list[Retirement], now: dt.datetime) -> None:
    expected = {}
    for entry in live:
        if is_retired(entry, retired):
            expected[entry.key] = "retired"
        elif is_superseded(entry, live):
            expected[entry.key] = "superseded"
        elif is_outlived(entry, now):
            expected[entry.key] = "outlived"
    assert keep.ended(by_key(live), retired, CLASSES, now) == expected


@given(live=lives, retired=retirements, now=moments, names=st.lists(st.sampled_from("xyz"), min_size=6, max_size=6))
def test_hosts_are_told_apart_by_their_identity_whatever_they_were_called(
    live: list[StreamEntry], retired: list[Retirement], now: dt.datetime, names: list[str]
) -> None:
    # what a maximum allows hangs on the spread of a lock, and that on the name
    endless = {name: dataclasses.replace(kept, maximum=None) for name, kept in CLASSES.items()}
    renamed = [dataclasses.replace(entry, host=name) for entry, name in zip(live, names, strict=False)]
    before, after = (
        keep.ended({entry.key: entry for entry in entries}, retired, endless, now) for entries in (live, renamed)
    )
    assert before == after


@given(live=lives, now=moments)
def test_no_component_is_lost_to_a_stream_that_has_ended_itself(live: list[StreamEntry], now: dt.datetime) -> None:
    """Without people and without a maximum each component of a host stays in some stream that is kept."""
    unlimited = {
        name: dataclasses.replace(kept, maximum=None) if kept.maximum else kept for name, kept in CLASSES.items()
    }
    ended = keep.ended(by_key(live), (), unlimited, now)
    assert set(ended.values()) <= {"superseded"}
    for host in ("h", "other"):
        before = {f.component for entry in live if entry.host == host for f in entry.fingerprints}
        after = {
            f.component for entry in live if entry.host == host and entry.key not in ended for f in entry.fingerprints
        }
        assert after == before


def test_what_was_superseded_stays_so_when_the_other_is_retired() -> None:
    live = [stream("h/tier1"), stream("h/tier0", verified=NOW + SECOND)]
    assert keep.ended(by_key(live), (), CLASSES, NOW) == {("h", "tier1"): "superseded"}
    retired = [Retirement("h", "tier0", NOW + SECOND, "ab" * 32)]
    assert keep.ended(by_key(live), retired, CLASSES, NOW) == {("h", "tier0"): "retired", ("h", "tier1"): "superseded"}


def test_a_host_that_came_back_is_live() -> None:
    retired = [Retirement("h", None, NOW, "ab" * 32)]
    for verified, reasons in ((NOW, {("h", "tier1"): "retired"}), (NOW + SECOND, {})):
        assert keep.ended(by_key([stream(verified=verified)]), retired, CLASSES, NOW) == reasons


@pytest.mark.parametrize(
    ("other", "superseded"),
    [
        (stream("h/tier0", verified=NOW + SECOND, components=["app", "base", "more"]), True),
        (stream("h/tier0", verified=NOW, components=["app", "base"]), False),
        (stream("h/tier0", verified=NOW + SECOND, components=["app"]), False),
        (stream("other/tier0", verified=NOW + SECOND, components=["app", "base"]), False),
        (stream("h/tier1", verified=NOW + SECOND, components=["app", "base"]), False),
    ],
    ids=["all of it, later", "at the same moment", "a part of it", "another host", "the stream itself"],
)
def test_superseded_is_held_in_full_and_proven_later_elsewhere(other: StreamEntry, superseded: bool) -> None:
    assert keep.superseded(stream(components=["app", "base"]), [other]) is superseded


def test_several_streams_supersede_together() -> None:
    parts = [stream(f"h/tier{n}", verified=NOW + SECOND, components=[c]) for n, c in ((0, "app"), (2, "base"))]
    assert keep.superseded(stream(components=["app", "base"]), parts)
    assert not keep.superseded(stream(components=["app", "base"]), parts[:1])


def test_an_empty_snapshot_is_not_superseded() -> None:
    assert not keep.superseded(stream(components=[]), [stream("h/tier0", verified=NOW + SECOND)])


# The maximum


@given(entry=entries, now=moments, more=st.integers(0, 900))
def test_what_outlives_its_class_does_so_from_then_on(entry: StreamEntry, now: dt.datetime, more: int) -> None:
    if keep.outlives(entry, CLASSES, now):
        assert keep.outlives(entry, CLASSES, now + more * DAY)
    if CLASSES.get(entry.retention_class, CLASSES["d0030"]).maximum is None:
        assert not keep.outlives(entry, CLASSES, now)


@given(days=st.integers(1, 500), number=st.integers(0, 10**6))
def test_the_shortest_maximum_lets_anything_be_stored_once(days: int, number: int) -> None:
    kept = RetentionClass("d", days, "compliance")
    kept = dataclasses.replace(kept, maximum=kept.shortest_maximum)
    entry = stream(f"h{number}/tier1", retention_class="d")
    assert not keep.outlives(entry, {"d": kept}, NOW)


def test_a_shorter_one_would_refuse_some_streams() -> None:
    name = next(f"h{number}/tier1" for number in range(1000) if keep.renewal(f"h{number}/tier1") == 30 * DAY)
    kept = RetentionClass("d", 30, "compliance")
    for less in (0, 1):
        limited = {"d": dataclasses.replace(kept, maximum=kept.shortest_maximum - less)}
        assert keep.outlives(stream(name, retention_class="d"), limited, NOW) is bool(less)


@given(
    name=st.sampled_from([f"h{number}/tier1" for number in range(40)]),
    retention_class=st.sampled_from(list(CLASSES)),
    gaps=st.lists(st.integers(1, 20), min_size=1, max_size=120),
)
def test_a_silent_host_is_carried_until_its_maximum_and_not_a_day_longer(
    name: str, retention_class: str, gaps: list[int]
) -> None:
    """Years of runs of others, a few days apart: each gives what is due a later lock."""
    kept = CLASSES[retention_class]
    entry = stream(name, retention_class=retention_class, lock=keep.snapshot_lock(NOW, kept, name))
    now, longest = NOW, keep.expiry(entry.lock_until, kept.days)
    for gap in gaps:
        now += gap * DAY
        # a run that names it a day later must find it long enough
        for renewed in keep.due([entry], CLASSES, now + DAY):
            lock = keep.snapshot_lock(now, kept, name)
            assert lock > entry.lock_until
            entry = dataclasses.replace(
                renewed,
                pack=dataclasses.replace(renewed.pack, lock_until=lock),
                manifest=dataclasses.replace(renewed.manifest, lock_until=lock),
            )
            longest = keep.expiry(lock, kept.days)
        if not keep.outlives(entry, CLASSES, now + DAY):
            assert keep.nameable(entry.lock_until, now, kept)
            assert not keep.fading([entry], CLASSES, now)
            assert not keep.ended(by_key([entry]), (), CLASSES, now)
        elif keep.ended(by_key([entry]), (), CLASSES, now):
            # nothing of it is left then: neither locked nor within the store's grace
            assert longest < now
    if kept.maximum is not None:
        assert longest <= entry.verified_at + kept.maximum * DAY


# What is due, and what fades


@given(live=known_lives, now=moments)
def test_due_is_what_cannot_be_named_and_may_be_locked_again(live: list[StreamEntry], now: dt.datetime) -> None:
    found = keep.due(live, CLASSES, now)
    for entry in live:
        kept = CLASSES[entry.retention_class]
        short = min(entry.pack.lock_until, entry.manifest.lock_until) < now + dt.timedelta(days=kept.days)
        assert (entry in found) == (short and not keep.outlives(entry, CLASSES, now))


@given(live=lives, now=moments)
def test_an_unknown_class_is_neither_due_nor_fading(live: list[StreamEntry], now: dt.datetime) -> None:
    known = [entry for entry in live if entry.retention_class in CLASSES]
    assert keep.due(live, CLASSES, now) == keep.due(known, CLASSES, now)
    assert keep.fading(live, CLASSES, now) == keep.fading(known, CLASSES, now)


@given(live=known_lives, now=moments, seed=st.randoms(use_true_random=False))
def test_what_the_store_drops_first_is_first(live: list[StreamEntry], now: dt.datetime, seed: object) -> None:
    found = keep.due(live, CLASSES, now)
    gone = [entry.lock_until + CLASSES[entry.retention_class].grace for entry in found]
    assert gone == sorted(gone)
    # the order is the same for whoever asks
    shuffled = list(live)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert keep.due(shuffled, CLASSES, now) == found


def test_a_long_grace_lets_others_go_first() -> None:
    long, short = (
        stream("long/tier1", retention_class="d0400", lock=NOW),
        stream("short/tier1", retention_class="d0030", lock=NOW + 100 * DAY),
    )
    assert keep.due([long, short], CLASSES, NOW + 90 * DAY) == (short, long)


@given(live=known_lives, now=moments)
def test_fading_has_less_than_half_of_its_class_left(live: list[StreamEntry], now: dt.datetime) -> None:
    found = keep.fading(live, CLASSES, now)
    assert [entry.lock_until for entry in found] == sorted(entry.lock_until for entry in found)
    for entry in live:
        left = min(entry.pack.lock_until, entry.manifest.lock_until) - now
        assert (entry in found) == (left * 2 < dt.timedelta(days=CLASSES[entry.retention_class].days))


@pytest.mark.parametrize(("less", "fades"), [(0, False), (1, True)])
def test_half_is_not_less_than_half(less: int, fades: bool) -> None:
    assert bool(keep.fading([stream(lock=NOW + 15 * DAY - less * SECOND)], CLASSES, NOW)) is fades


# Full bodies


@given(since=st.integers(0, 400), passed=st.integers(0, 60 * 24))
def test_a_full_body_is_due_after_100_points_or_15_days(since: int, passed: int) -> None:
    sealed_at = NOW - dt.timedelta(hours=passed)
    assert keep.full_due(sealed_at, since, NOW) == (since >= 100 or passed > 15 * 24)


def test_the_first_body_is_full() -> None:
    assert keep.full_due(None, 0, NOW)


def test_the_last_full_body_outlives_what_it_alone_lists() -> None:
    """A stream that is not due may have to be read from it as long as the next full body is not due."""
    for kept in CLASSES.values():
        lock = keep.point_lock(NOW, kept.days)
        assert not keep.full_due(NOW, 0, NOW + 15 * DAY)
        assert lock >= NOW + 15 * DAY + kept.days * DAY
