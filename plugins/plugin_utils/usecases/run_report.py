# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a run: what its points hold, read from the run folder, as a table for people and JSON beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import HoldfastError
from .run_folder import OpenPoint, PointFolder, Receipt, open_points

_NEXT_UNSEALED = (
    "seal it: holdfast.config.recovery_point state=sealed, in the same run; until then nothing of it counts"
)
_NEXT_WAITS = (
    "correct what failed and run again: what was captured is kept here, and the next run on this controller stores it"
)
_NEXT_NOTHING = "nothing was captured: correct what failed and run again"
_NEXT_INCOMPLETE = "correct the hosts named and back them up again; what was captured is safe"
_NEXT_RESTORE = (
    "restore: ansible-playbook holdfast.config.restore{limit} -e restore_recovery_point={id} -e restore_under=/path"
)
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class HostLine:
    """What one host gave: counts of streams, bytes stored, and the error where it failed."""

    host: str
    unchanged: int
    changed: int
    stored_bytes: int
    error: str | None
    missing: bool
    gaps: tuple[str, ...] = ()

    @property
    def spoken_gaps(self) -> str:
        """What is left out although no policy excludes it, in one line."""
        more = len(self.gaps) - _NAMED
        return ", ".join(self.gaps[:_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclasses.dataclass(frozen=True)
class PointReport:
    """One recovery point of the run. ``id`` is None while it is unsealed, and in check mode."""

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

    @property
    def spoken_carry(self) -> str:
        """What became of the streams of silent hosts, in one line; empty where none was due."""
        counts = ((self.carried, "carried"), (self.carry_waiting, "wait for the next run"))
        parts = [f"{count} {what}" for count, what in counts if count]
        if self.carry_failed:
            parts.append(f"{len(self.carry_failed)} NOT CARRIED: their last copy is at stake")
        return ", ".join(parts)

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
        return _NEXT_RESTORE.format(id=self.id, limit=limit)


def gather(state_dir: Path, run: str) -> list[PointReport]:
    """Read what the points of a run hold so far."""
    folders = sorted(open_points(state_dir, run), key=lambda folder: folder.read_open().monotonic)
    return [_read(folder) for folder in folders]


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
                problems.append(f"recovery point {folder.point} stays unsealed: {e}")
    return problems


def render(report: PointReport) -> str:
    """Draw a point as the table that ends a run."""
    head = ("host", "unchanged", "changed", "failed", "missing", "stored")
    rows = [head, *(_cells(line) for line in report.hosts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(_aligned(row, widths)) for row in rows]
    state = "unsealed"
    if report.sealed:
        state = "complete" if report.complete else "NOT COMPLETE"
    facts = [("recovery point", f"{report.id or '-'} ({report.point}, {state})")]
    if report.spoken_carry:
        facts.append(("silent streams", report.spoken_carry))
    facts += [("where", f"{report.repository} at {report.location}"), ("next", report.next_step)]
    errors = [f"  {line.host}: {line.error}" for line in report.hosts if line.error]
    errors += [f"  {line}" for line in report.carry_failed[:_NAMED]]
    errors += [f"  {line.host}: left out {line.spoken_gaps}" for line in report.hosts if line.gaps]
    return "\n".join([*lines, *errors, *(f"{label:<15} {text}" for label, text in facts)])


def write(state_dir: Path, run: str, reports: Sequence[PointReport]) -> Path:
    """Keep the reports as JSON in the run folder; raises OSError."""
    path = state_dir / "runs" / run / "report.json"
    document = [{**dataclasses.asdict(report), "next_step": report.next_step} for report in reports]
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def human(size: int) -> str:
    """Bytes as people read them: ``4.2 MB`` is 4,200,000 bytes."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{size} B"


def _read(folder: PointFolder) -> PointReport:
    opened = folder.read_open()
    sealed = folder.read_sealed()
    receipts = folder.read_receipts()
    failed = (sealed or {}).get("failed", {})
    hosts = [_line(host, receipts.get(host), failed.get(host)) for host in opened.expected]
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
    )


def _line(host: str, receipt: Receipt | None, failed: str | None) -> HostLine:
    if receipt is None:
        return HostLine(host, 0, 0, 0, None, missing=True)
    unchanged = sum(part.reason == "unchanged" for part in receipt.streams)
    stored = sum(part.stored_bytes for part in receipt.streams)
    changed = len(receipt.streams) - unchanged
    gaps = tuple(f"{gap.path!r} ({gap.reason})" for part in receipt.streams for gap in part.gaps)
    return HostLine(host, unchanged, changed, stored, receipt.error or failed, missing=False, gaps=gaps)


def _cells(line: HostLine) -> tuple[str, ...]:
    counts = [str(line.unchanged), str(line.changed), str(int(bool(line.error))), str(int(line.missing))]
    return (line.host, *("-" if count == "0" else count for count in counts), human(line.stored_bytes))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
