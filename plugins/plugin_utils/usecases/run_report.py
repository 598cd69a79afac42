# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees of a run: how far it is, and at its end what its points hold, as a table with JSON beside it."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ..errors import EmptyPointError, HoldfastError
from ..model.point import RESTORE_OPEN
from . import run_folder
from .run_folder import OpenPoint, PointFolder, Receipt, open_points, twins

_NEXT_UNSEALED = (
    "seal it: holdfast.config.recovery_point state=sealed, in the same run; until then nothing of it counts"
)
_NEXT_WAITS = (
    "correct what failed and run again: what was captured is kept here, and the next run on this controller stores it"
)
_NEXT_NOTHING = "nothing was captured: correct what failed and run again"
_NEXT_INCOMPLETE = "correct the hosts named and back them up again; what was captured is safe"
_NEXT_RESTORE = (
    "restore: ansible-playbook holdfast.config.restore{inventory}{limit} -e restore_recovery_point={id}"
    " -e restore_under=/path"
)
_NAMED = 5
# more hosts than these are counted, and only those are named that somebody must look at; no more of these than so many
_LISTED = 20
# an end of each name stays: the first letters tell the site, the last ones the domain
_NARROWEST_HOST = 12
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
RESULTS = ("unchanged", "stored", "to store", "FAILED", "MISSING")


@dataclasses.dataclass(frozen=True)
class HostLine:
    """What one host gave: counts of streams, bytes stored, and the error where it failed.

    ``gaps`` is what is left out although no policy excludes it; ``left_out_bytes`` how large the files are that are
    left out, whatever the reason; ``notes`` what is odd about the host, although it did not fail for it.
    """

    host: str
    unchanged: int
    changed: int
    stored_bytes: int
    error: str | None
    missing: bool
    gaps: tuple[str, ...] = ()
    left_out_bytes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def spoken_gaps(self) -> str:
        """What is left out although no policy excludes it, in one line."""
        return _first(self.gaps, _NAMED)

    def result(self, *, check: bool) -> str:
        """What became of the host, one of ``RESULTS``."""
        if self.error:
            return "FAILED"
        if self.missing:
            return "MISSING"
        if not self.changed:
            return "unchanged"
        return "to store" if check else "stored"


@dataclasses.dataclass(frozen=True)
class PointReport:
    """One recovery point of the run. ``id`` is None while it is unsealed, and in check mode.

    ``sealed_by`` is ``task``, ``callback`` or, while it is unsealed, ``nobody``; ``notes`` is what is odd of it.
    ``inventory`` is what the run's command named: without it the next one would find no host, and end well.
    """

    run: str
    point: str
    repository: str
    location: str
    check: bool
    sealed: bool
    complete: bool
    id: str | None
    hosts: tuple[HostLine, ...]
    carried: int = 0
    carry_waiting: int = 0
    carry_failed: tuple[str, ...] = ()
    waits: bool = False
    sealed_by: str = "nobody"
    notes: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many hosts have which result; results that no host has are left out."""
        found = [line.result(check=self.check) for line in self.hosts]
        return {result: found.count(result) for result in RESULTS if result in found}

    @property
    def spoken_counts(self) -> str:
        """The hosts in one line."""
        parts = ", ".join(f"{count:,} {result}" for result, count in self.counts.items())
        return f"{len(self.hosts):,}: {parts}"

    @property
    def spoken_bytes(self) -> str:
        """What was stored and what was left out, in one line; empty where neither holds a byte."""
        stored, left_out = (
            sum(getattr(line, name) for line in self.hosts) for name in ("stored_bytes", "left_out_bytes")
        )
        parts = [human(stored)] if stored else []
        if left_out:
            parts.append(f"{'' if stored else 'nothing, '}{human(left_out)} left out")
        return ", ".join(parts)

    @property
    def spoken_state(self) -> str:
        """Whether the point counts, and for all of its hosts."""
        if not self.sealed:
            return "unsealed"
        state = "complete" if self.complete else "NOT COMPLETE"
        return f"{state}, sealed by the callback" if self.sealed_by == "callback" else state

    @property
    def spoken_carry(self) -> str:
        """What became of the streams of silent hosts, in one line; empty where none was due."""
        counts = ((self.carried, "carried"), (self.carry_waiting, "wait for the next run"))
        parts = [f"{count:,} {what}" for count, what in counts if count]
        if self.carry_failed:
            parts.append(f"{len(self.carry_failed):,} NOT CARRIED: their last copy is at stake")
        return ", ".join(parts)

    @property
    def warning(self) -> str | None:
        """What nobody may overlook although no task failed for it: a point that was opened and counts for nothing."""
        if self.sealed or self.check:
            return None
        return (
            f"recovery point {self.point} is UNSEALED although no host failed: nothing that this run captured counts. "
            "Let the play reach its seal task"
        )

    @property
    def next_step(self) -> str:
        """What to do next, one line."""
        if self.check:
            return "nothing was stored (check mode)"
        if self.waits:
            return _NEXT_WAITS
        if not self.sealed:
            captured = any(not line.error and not line.missing for line in self.hosts)
            return _NEXT_UNSEALED if captured else _NEXT_NOTHING
        if not self.complete:
            return _NEXT_INCOMPLETE
        # a restore of the whole fleet is never what a table should suggest
        limit = f" --limit {self.hosts[0].host}" if len(self.hosts) > 1 else ""
        inventory = "".join(f" -i {shlex.quote(one)}" for one in self.inventory)
        return _NEXT_RESTORE.format(id=self.id, inventory=inventory, limit=limit)


class Progress:
    """Counts hosts as their snapshots end, and says from time to time how far the run is.

    It has no thread of its own: where nothing ends, nothing is said.

    :param every: seconds between two lines at least; 0 or less says nothing.
    :param clock: seconds of a clock that nobody sets.
    """

    def __init__(self, every: float, clock: Callable[[], float] = run_folder.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._point = ""
        self._expected: int | None = None
        self._captured: set[str] = set()
        self._failed: set[str] = set()
        self._said: float | None = None

    def opened(self, point: str, expected: int | None) -> None:
        """A point was opened that expects so many hosts; each batch, and under ``free`` each host, says so again."""
        if point != self._point:
            self._point, self._expected = point, expected
            self._again()

    def begun(self) -> None:
        """Hosts are asked from now on."""
        if self._said is None:
            self._said = self._clock()

    def ended(self, host: str, *, failed: bool) -> str | None:
        """A host's snapshot ended; returns a line where one is due.

        A host that is captured a second time begins another count: that is another point.
        """
        if host in self._captured:
            self._again()
        self._failed.discard(host)
        (self._failed if failed else self._captured).add(host)
        self.begun()
        now = self._clock()
        if self._every <= 0 or self._said is None or now - self._said < self._every:
            return None
        self._said = now
        total = "" if self._expected is None else f" of {self._expected:,}"
        lost = f", {len(self._failed):,} failed" if self._failed else ""
        return f"holdfast: {len(self._captured):,}{total} hosts captured{lost}"

    def _again(self) -> None:
        self._captured.clear()
        self._failed.clear()


def unsealed(state_dir: Path, run: str) -> frozenset[str]:
    """The names of a run's points that are open."""
    return frozenset(folder.point for folder in open_points(state_dir, run) if folder.read_sealed() is None)


def gather(
    state_dir: Path, run: str, *, rescued: Collection[str] = (), inventory: Sequence[str] = ()
) -> list[PointReport]:
    """Read what the points of a run hold so far.

    :param rescued: those that no task had sealed.
    :param inventory: what the command line of the run named as such.
    """
    folders = sorted(open_points(state_dir, run), key=lambda folder: folder.read_open().monotonic)
    found = [_read(folder, rescued=folder.point in rescued) for folder in folders]
    return [dataclasses.replace(report, inventory=tuple(inventory)) for report in found]


def rescue(state_dir: Path, run: str, reseal: Callable[[PointFolder, OpenPoint], object]) -> list[str]:
    """Seal what a failed run has left unsealed; returns a line for each point that could not be.

    :param reseal: seals one point with what is there.
    """
    problems = []
    for folder in open_points(state_dir, run):
        if folder.read_sealed() is None and folder.read_receipts():
            try:
                reseal(folder, folder.read_open())
            except HoldfastError as e:
                # why each host gave nothing stands in the table already
                why = e.message if isinstance(e, EmptyPointError) else str(e)
                problems.append(f"recovery point {folder.point} stays unsealed: {why}")
    return problems


def conclude(state_dir: Path, run: str, end: Callable[[PointFolder, OpenPoint], object]) -> list[str]:
    """Say of each point that stays unsealed how the run ended; returns a line for each where that was not kept.

    :param end: says it for one point.
    """
    problems = []
    for folder in open_points(state_dir, run):
        begun = folder.read_intent()
        if begun is not None and begun[0] and not begun[1] and folder.read_sealed() is None:
            try:
                end(folder, folder.read_open())
            except HoldfastError as e:
                problems.append(f"the record of how recovery point {folder.point} ended was not kept: {e}")
    return problems


def verdict(reports: Sequence[PointReport]) -> str:
    """The worst that is so of a run's points, for the heading of the table."""
    if not reports:
        return "NOTHING SEALED"
    if all(report.check for report in reports):
        return "check mode"
    states = [report.spoken_state.split(",")[0] for report in reports]
    return next(state for state in ("unsealed", "NOT COMPLETE", "complete") if state in states).upper()


def render_all(reports: Sequence[PointReport], *, width: int = 80) -> list[str]:
    """Draw the points of a run; where they are many, as after bare snapshots, those that lack something and a count."""
    if len(reports) <= _LISTED:
        return [render(report, width=width) for report in reports]
    lacking = [report for report in reports if not report.complete and not report.check]
    drawn = [render(report, width=width) for report in lacking[:_LISTED]]
    rest = len(reports) - len(drawn)
    states = [f"{rest:,} more recovery points: {len(reports) - len(lacking):,} whole"]
    if len(lacking) > len(drawn):
        states.append(f"{len(lacking) - len(drawn):,} NOT COMPLETE or unsealed")
    hosts = sum(len(report.hosts) for report in reports)
    return [*drawn, f"{', '.join(states)}; {hosts:,} hosts in all. The report names each."]


def render(report: PointReport, *, width: int = 80) -> str:
    """Draw a point as the table that ends a run.

    Names are shortened where they do not fit; sentences, ids and commands are never broken, since people copy them.

    :param width: columns of the terminal.
    """
    facts = [
        ("hosts", report.spoken_counts),
        ("stored", report.spoken_bytes),
        ("silent streams", report.spoken_carry),
        *(("note", note) for note in _some(report.notes, _NAMED)),
        ("recovery point", f"{report.id or '-'} ({report.point}, {report.spoken_state})"),
        ("where", f"{report.repository} at {report.location}"),
        ("next", report.next_step),
    ]
    rows = _table(report, width) if len(report.hosts) <= _LISTED else []
    lines = [*rows, *_named(report), *(f"{label:<15} {text}" for label, text in facts if text)]
    return "\n".join(_one_line(line) for line in lines)


def write(state_dir: Path, run: str, reports: Sequence[PointReport]) -> Path:
    """Keep the reports as JSON in the run folder; raises OSError."""
    path = state_dir / "runs" / run / "report.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps([_document(report) for report in reports], indent=2) + "\n", encoding="utf-8")
    return path


def human(size: int) -> str:
    """Bytes as people read them, in six columns at most: ``4.2 MB`` is 4,200,000 bytes."""
    value, unit = float(size), 0
    # what would be rounded up to a fourth digit is the next unit's
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit and value < 9.95 else f"{value:.0f} {_UNITS[unit]}"


def _document(report: PointReport) -> dict[str, t.Any]:
    document = dataclasses.asdict(report)
    for line, entry in zip(report.hosts, document["hosts"], strict=True):
        entry["result"] = line.result(check=report.check)
    return {**document, "counts": report.counts, "next_step": report.next_step}


def _read(folder: PointFolder, *, rescued: bool) -> PointReport:
    opened = folder.read_open()
    sealed = folder.read_sealed()
    receipts = folder.read_receipts()
    failed = (sealed or {}).get("failed", {})
    not_asked = (sealed or {}).get("not_asked", ())
    hosts = [_line(host, receipts.get(host), failed.get(host), asked=host not in not_asked) for host in opened.expected]
    return PointReport(
        run=opened.run,
        point=opened.point,
        repository=str(opened.location.get("name", "")),
        location=str(opened.location.get("url", "")),
        check=opened.check,
        sealed=sealed is not None,
        complete=bool(sealed and sealed["complete"]),
        id=sealed["id"] if sealed else None,
        hosts=tuple(hosts),
        carried=sealed["carried"] if sealed else 0,
        carry_waiting=sealed["carry_waiting"] if sealed else 0,
        carry_failed=tuple(sealed["carry_failed"]) if sealed else (),
        waits=folder.waits_for_store,
        sealed_by="nobody" if sealed is None else "callback" if rescued else "task",
        notes=(
            *opened.notes,
            *(f"{_first(hosts, _NAMED)} answer with one machine id: is one a clone?" for hosts in twins(receipts)),
            *(sealed["warnings"] if sealed else ()),
        ),
    )


def _line(host: str, receipt: Receipt | None, failed: str | None, *, asked: bool) -> HostLine:
    if receipt is None:
        return HostLine(host, 0, 0, 0, None, missing=True)
    unchanged = sum(part.reason == "unchanged" for part in receipt.streams)
    return HostLine(
        host,
        unchanged,
        len(receipt.streams) - unchanged,
        sum(part.stored_bytes for part in receipt.streams),
        receipt.error or failed,
        missing=False,
        gaps=tuple(f"{gap.path!r} ({gap.reason})" for part in receipt.streams for gap in part.gaps),
        left_out_bytes=sum(part.left_out_bytes for part in receipt.streams),
        notes=(
            *_host_notes(receipt),
            *(() if asked else ("only texts were pushed: its own streams were not asked for",)),
        ),
    )


def _host_notes(receipt: Receipt) -> tuple[str, ...]:
    notes = [f"goes on with the streams of {receipt.follows}"] if receipt.follows else []
    if receipt.spoken_clock:
        notes.append(f"its clock is {receipt.spoken_clock}")
    if receipt.restores:
        notes.append(f"a restore was open there: {', '.join(receipt.restores)}; what differed is no rollback target")
    # what an unchanged stream was once marked with was said when it was stored
    stored = (part.entry for part in receipt.streams if part.entry is not None and part.reason != "unchanged")
    marks = (mark for entry in stored for mark in entry.marks if not mark.startswith(RESTORE_OPEN))
    return (*notes, *marks)


def _table(report: PointReport, width: int) -> list[str]:
    head = ["host", "result", "stored", "left out"]
    rows = [head, *(_cells(line, check=report.check) for line in report.hosts)]
    names = max(_columns(row[0]) for row in rows)
    if not any(line.left_out_bytes for line in report.hosts) or names + _others(rows) > width:
        rows = [row[:-1] for row in rows]
    names = min(names, max(width - _others(rows), _NARROWEST_HOST))
    result, *numbers = [max(len(row[column]) for row in rows) for column in range(1, len(rows[0]))]
    return [
        "  ".join(
            [
                _padded(_shortened(row[0], names), names),
                row[1].ljust(result),
                *(cell.rjust(size) for cell, size in zip(row[2:], numbers, strict=True)),
            ]
        )
        for row in rows
    ]


def _others(rows: Sequence[Sequence[str]]) -> int:
    """The columns that all but the names take."""
    return sum(2 + max(len(row[column]) for row in rows) for column in range(1, len(rows[0])))


def _cells(line: HostLine, *, check: bool) -> list[str]:
    result = line.result(check=check)
    if line.changed and line.unchanged and not line.error:
        result = f"{line.changed}/{line.changed + line.unchanged} {result}"
    sizes = [human(size) if size else "-" for size in (line.stored_bytes, line.left_out_bytes)]
    return [_one_line(line.host), result, *sizes]


def _named(report: PointReport) -> list[str]:
    """Below the table: the hosts that somebody must look at, with the reason, a line each."""
    failed = [f"{line.host}: {line.error}" for line in report.hosts if line.error]
    missing = [line.host for line in report.hosts if line.missing]
    marked = [f"{line.host}: left out {line.spoken_gaps}" for line in report.hosts if line.gaps]
    marked += [f"{line.host}: {note}" for line in report.hosts for note in line.notes]
    lines = [*_some(failed, _LISTED), *_some(report.carry_failed, _NAMED)]
    if missing:
        lines.append(f"missing, never captured: {_first(missing, _LISTED)}")
    return [f"  {line}" for line in [*lines, *_some(marked, _LISTED)]]


def _some(lines: Sequence[str], most: int) -> list[str]:
    more = len(lines) - most
    return [*lines[:most], *([f"and {more:,} more"] if more > 0 else [])]


def _first(items: Sequence[str], most: int) -> str:
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def _one_line(text: str) -> str:
    """Text that can neither break a line nor steer a terminal: what hosts say stands in it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes (Unicode Standard Annex 11: wide and fullwidth take two)."""
    return sum(_width(c) for c in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - _columns(text))


def _shortened(text: str, columns: int) -> str:
    """The text, without its middle where it is too wide."""
    if _columns(text) <= columns:
        return text
    tail = (columns - 3) // 2
    head = columns - 3 - tail
    return f"{_fitting(text, head)}...{_fitting(text[::-1], tail)[::-1]}"


def _fitting(text: str, columns: int) -> str:
    kept = ""
    for character in text:
        columns -= _width(character)
        if columns < 0:
            break
        kept += character
    return kept
