# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who watches a simulated world and knows what must be true there, from what happened and not from the library."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint

from ..plugins.plugin_utils.usecases.lab import START, Clock
from .parts import ExpiringStore

Key = tuple[str, str]

# so long no point may be sealed, and still nothing is lost
LONGEST_SILENCE = dt.timedelta(days=120)
# what the shortest class keeps beyond that: a loss so soon after a longer silence is that silence's
_AFTERMATH = dt.timedelta(days=60)
# a proof said to be older or newer than that is no proof of now
_ABOUT_NOW = dt.timedelta(hours=1)
# most that the days of a class are renewed by, and the least grace
_RENEWAL, _GRACE = 30, 120
# a hundred, and those of runs that overlap
_POINTS_SINCE_FULL = 110


class Violation(Exception):  # noqa: N818 - none of the library's errors
    """A promise was broken. ``kind`` is one of KINDS."""

    def __init__(self, kind: str, day: int, detail: str) -> None:
        # as they are given, so that it comes whole from another process
        super().__init__(kind, day, detail)
        self.kind = kind
        self.day = day
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind} on day {self.day}: {self.detail}"


KINDS = {
    "LOST": "the last copy of a stream that is still owed is gone or damaged",
    "SHORT": "a point names what is locked shorter than it promises",
    "FOREVER": "a stream that has ended is still carried, or kept beyond its class's maximum",
    "MISSED": "an open does not know a sealed point, or takes another snapshot for the newest",
    "CREDIT": "a snapshot is said to be captured or proven when nobody asked its host",
    "LEFT": "what the store refused is not stored by the next run of that controller",
    "WRONG": "a restore gives something else than was captured last",
    "SLOW": "an open reads many more points than since the last full body there should be",
    "BROKEN": "the library fails in a way it never should",
}


@dataclasses.dataclass
class Capture:
    """One snapshot as it was taken: ``order`` is its place among all, ``proven`` when its host was found to be so."""

    key: Key
    retention_class: str
    order: int
    at: dt.datetime
    objects: tuple[str, ...]
    contents: Mapping[str, Mapping[str, bytes]]
    proven: list[dt.datetime]


class Judge:
    """Remembers what was captured, sealed and ended, and raises Violation where the store or the library disagree."""

    def __init__(self, store: ExpiringStore, clock: Clock, classes: Mapping[str, RetentionClass]) -> None:
        self._store = store
        self._clock = clock
        self._classes = classes
        self._captures: dict[str, Capture] = {}
        # of classes with a maximum, and not gone yet
        self._bounded: list[Capture] = []
        self._points: dict[str, str] = {}
        # by stream: what was sealed and captured last, and when that was proven last by a sealed point
        self._newest: dict[Key, Capture] = {}
        self._proven: dict[str, dt.datetime] = {}
        # what has ended, by its manifest and its last proof
        self._over: dict[tuple[str, dt.datetime], str] = {}
        self._retired: list[tuple[str, str | None, dt.datetime]] = []
        self._ended_at_open: dict[str, dict[Key, str]] = {}
        self._last_sealed = clock.moment
        self._silence_ended = clock.moment - dt.timedelta(days=1000)
        self._given_up: set[str] = set()
        self.sealed = 0
        self.carried = 0

    @property
    def excused(self) -> int:
        """How many streams were lost in a silence longer than anything promises."""
        return len(self._given_up)

    def violated(self, kind: str, detail: str) -> Violation:
        return Violation(kind, (self._clock.moment - START).days, detail)

    # what happens

    def captured(self, entries: Iterable[StreamEntry], contents: Mapping[str, Mapping[str, bytes]]) -> None:
        """A host was asked, and gave these streams; *contents* is what is there by component."""
        now = self._clock.moment
        for entry in entries:
            known = self._captures.get(entry.manifest.name)
            if known is None:
                names = [fingerprint.component for fingerprint in entry.fingerprints]
                known = Capture(
                    key=entry.key,
                    retention_class=entry.retention_class,
                    order=len(self._captures),
                    at=entry.captured_at,
                    objects=(entry.pack.name, entry.manifest.name),
                    contents={name: contents[name] for name in names},
                    proven=[],
                )
                self._captures[entry.manifest.name] = known
                if self._classes[known.retention_class].maximum is not None:
                    self._bounded.append(known)
            elif {name: contents.get(name) for name in known.contents} != known.contents:
                raise self.violated("WRONG", f"{_spoken(entry.key)} is called unchanged and is not")
            if abs(entry.verified_at - now) > _ABOUT_NOW:
                raise self.violated("CREDIT", f"{_spoken(entry.key)} was proven now, and it says {entry.verified_at}")
            known.proven.append(entry.verified_at)

    def retired(self, host: str, stream: str | None, at: dt.datetime) -> None:
        """People have retired what was proven at *at* or before."""
        self._retired.append((host, stream, at))
        self.ended()

    def opening(self, run: str) -> None:
        """A run looks now at what is live."""
        self._ended_at_open[run] = {key: self._newest[key].objects[1] for key in self.ended()}

    def opened(self, opened: OpenPoint, live: Iterable[StreamEntry]) -> None:
        """A run has opened: judge what it takes for sealed and for the newest."""
        self._note_silence()
        there = {point for point, name in self._points.items() if self._whole(name)}
        unseen = sorted(there - set(opened.seen))
        if unseen:
            raise self.violated("MISSED", f"{len(unseen)} of {len(there)} sealed points are not seen, one {unseen[0]}")
        if opened.points_since > _POINTS_SINCE_FULL:
            raise self.violated("SLOW", f"{opened.points_since} points are read")
        found = {entry.key: entry for entry in live}
        ended = self.ended()
        for key, newest in self._newest.items():
            entry = found.pop(key, None)
            if key in ended:
                if entry is not None and ended[key] != "maximum":
                    raise self.violated("FOREVER", f"{_spoken(key)} is live and has ended: {ended[key]}")
                continue
            if newest.objects[1] in self._given_up:
                continue
            if entry is None and self._in_silence():
                self._given_up.add(newest.objects[1])
                continue
            if entry is None or entry.manifest.name != newest.objects[1]:
                held = "nothing" if entry is None else entry.manifest.name
                raise self.violated("MISSED", f"newest of {_spoken(key)} is {newest.objects[1]}, and {held} is live")
            if entry.verified_at != self._proven[newest.objects[1]]:
                raise self.violated("CREDIT", f"{_spoken(key)} is live as proven at {entry.verified_at}")
        if found:
            raise self.violated("MISSED", f"{_spoken(next(iter(found)))} is live, and no point was sealed with it")

    def settle(self) -> None:
        """Judge the points that came into the store since the last time."""
        names, self._store.statements = self._store.statements, []
        for name in names:
            data = self._right_bytes(name)
            # another version that somebody put beside it
            if data is None or _digest(name) in self._points:
                continue
            statement = statement_format.read(data, what=name)[0]
            body_data = self._right_bytes(statement.body_name)
            if body_data is None:
                raise self.violated("MISSED", f"{name} is sealed, and its body is not there")
            self._points[_digest(name)] = name
            self._judge_point(name, statement.body_name, body_format.read(body_data, what=statement.body_name))
            self.ended()

    def expired(self, names: Collection[str]) -> None:
        """The store has removed versions of *names*: judge what is left."""
        self._note_silence()
        gone = {name for name in names if not self._whole(name)}
        ended = self.ended() if gone else {}
        for key, newest in self._newest.items():
            if key not in ended and not gone.isdisjoint(newest.objects) and newest.objects[1] not in self._given_up:
                if self._in_silence():
                    self._given_up.add(newest.objects[1])
                    continue
                raise self.violated("LOST", f"{_spoken(key)}, captured at {newest.at}")
        self._judge_maxima()

    # what is owed

    def ended(self) -> dict[Key, str]:
        """The streams that are owed no longer, each with the reason.

        An end is final: only a new proof makes a stream live again, not what becomes of the one that took its place.
        """
        now = self._clock.moment
        reasons: dict[Key, str] = {}
        for key, newest in self._newest.items():
            proven = self._proven[newest.objects[1]]
            reason = self._over.get((newest.objects[1], proven)) or self._end_of(key, newest, proven)
            if reason is not None:
                reasons[key] = self._over[newest.objects[1], proven] = reason
        for key, newest in self._newest.items():
            kept = self._classes[newest.retention_class]
            if key not in reasons and kept.maximum is not None:
                last_carry = dt.timedelta(days=kept.maximum - kept.days - _RENEWAL - _GRACE)
                if now > self._proven[newest.objects[1]] + last_carry:
                    reasons[key] = "maximum"
        return reasons

    def _end_of(self, key: Key, newest: Capture, proven: dt.datetime) -> str | None:
        if any(host == key[0] and stream in (None, key[1]) and proven <= at for host, stream, at in self._retired):
            return "retired"
        elsewhere = {
            name
            for other, found in self._newest.items()
            if other[0] == key[0] and other != key and self._proven[found.objects[1]] > proven
            for name in found.contents
            if (found.objects[1], self._proven[found.objects[1]]) not in self._over
        }
        return "superseded" if newest.contents.keys() <= elsewhere else None

    def owed_contents(self, host: str) -> dict[str, Mapping[str, bytes]]:
        """What a restore of *host* must give, by component: of each the last that is owed; empty where that is open."""
        self._note_silence()
        if self._in_silence():
            return {}
        ended = self.ended()
        found: dict[str, Capture] = {}
        for key, newest in self._newest.items():
            if key[0] != host:
                continue
            if ended.get(key) == "maximum" or newest.objects[1] in self._given_up:
                return {}
            if key not in ended:
                for name in newest.contents:
                    if name not in found or newest.order > found[name].order:
                        found[name] = newest
        return {name: capture.contents[name] for name, capture in found.items()}

    # how it is judged

    def _judge_point(self, name: str, body_name: str, body: Body) -> None:
        self._note_silence()
        self._last_sealed = self._clock.moment
        self.sealed += 1
        entries = [entry for entry in body.streams if entry.state is not StreamState.LIVE]
        self.carried += sum(entry.state is StreamState.CARRIED for entry in entries)
        longest = max(kept.days for kept in self._classes.values())
        last = max(entry.lock_until for entry in entries)
        for own in (name, body_name):
            self._judge_lock(own, body.sealed_at + dt.timedelta(days=longest), own)
            self._judge_lock(own, last, own)
        for entry in body.streams:
            self._judge_end(entry, self._ended_at_open[body.run])
        for entry in entries:
            promised = body.sealed_at + dt.timedelta(days=self._classes[entry.retention_class].days)
            for ref in (entry.pack, entry.manifest):
                self._judge_lock(ref.name, promised, f"{_spoken(entry.key)}, {entry.state.value}")
            self._judge_times(entry)
            self._take(entry)

    def _judge_lock(self, name: str, until: dt.datetime, what: str) -> None:
        right = [lock for data, lock in self._store.held(name) if _fits(name, data)]
        if not right:
            raise self.violated("LOST", f"a point is sealed with {what}, and {name} is not there")
        if max(right) < until:
            raise self.violated("SHORT", f"{what}: {name} is locked until {max(right)}, promised is {until}")

    def _judge_end(self, entry: StreamEntry, ended: Mapping[Key, str]) -> None:
        if entry.state in (StreamState.CARRIED, StreamState.LIVE) and ended.get(entry.key) == entry.manifest.name:
            # up to its maximum a stream may be carried, and need not be
            if entry.state is StreamState.LIVE and self._classes[entry.retention_class].maximum is not None:
                return
            reason = self.ended().get(entry.key)
            # none where another point has proven it since
            if reason not in (None, "maximum"):
                raise self.violated("FOREVER", f"{_spoken(entry.key)} is {entry.state.value} and has ended: {reason}")

    def _judge_times(self, entry: StreamEntry) -> None:
        capture = self._captures.get(entry.manifest.name)
        if capture is None:
            raise self.violated("CREDIT", f"a point names {entry.manifest.name}, which nobody captured")
        if entry.captured_at != capture.at:
            raise self.violated("CREDIT", f"{_spoken(entry.key)} was captured at {capture.at}, not {entry.captured_at}")
        if entry.verified_at not in capture.proven:
            raise self.violated(
                "CREDIT", f"nobody asked {_spoken(entry.key)} at {entry.verified_at}: {entry.state.value}"
            )

    def _judge_maxima(self) -> None:
        now = self._clock.moment - dt.timedelta(days=1)
        for capture in list(self._bounded):
            maximum = self._classes[capture.retention_class].maximum
            if maximum is not None and now > max(capture.proven) + dt.timedelta(days=maximum):
                left = [name for name in capture.objects if self._whole(name)]
                if left:
                    raise self.violated("FOREVER", f"{left[0]} is there after its class's {maximum} days")
                self._bounded.remove(capture)

    def _take(self, entry: StreamEntry) -> None:
        capture = self._captures[entry.manifest.name]
        known = self._newest.get(entry.key)
        if known is None or capture.order > known.order:
            self._newest[entry.key] = capture
        manifest = entry.manifest.name
        self._proven[manifest] = max(self._proven.get(manifest, entry.verified_at), entry.verified_at)

    def _note_silence(self) -> None:
        if self._clock.moment - self._last_sealed > LONGEST_SILENCE:
            self._silence_ended = self._clock.moment

    def _in_silence(self) -> bool:
        return self._clock.moment - self._silence_ended < _AFTERMATH

    def _whole(self, name: str) -> bool:
        return self._right_bytes(name) is not None

    def _right_bytes(self, name: str) -> bytes | None:
        return next((data for data, _lock in self._store.held(name) if _fits(name, data)), None)


def _digest(name: str) -> str:
    return name.rsplit("-", 1)[1].split(".", 1)[0]


def _fits(name: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == _digest(name)


def _spoken(key: Key) -> str:
    return "/".join(key)
