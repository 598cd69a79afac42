# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalog found, as tables for a terminal of 80 columns; and one recovery point or snapshot in full."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..model import instant
from ..model.catalog import CatalogFailure, CatalogPoint, CatalogSnapshot
from ..model.point import Body, ObjectRef, StreamEntry
from ..model.redaction import visible
from ..model.snapshot import CapturedComponent, KeyedEntry, Manifest

WIDTH = 80
_DIGITS = 12
_HEAD = "  "


def table(
    points: Sequence[CatalogPoint],
    snapshots: Sequence[CatalogSnapshot],
    failures: Sequence[CatalogFailure],
    *,
    more: Iterable[str] = (),
    stale: Iterable[str] = (),
) -> list[str]:
    """Points, their snapshots, and hosts that failed in them.

    :param more: of which of ``points``, ``snapshots`` and ``failures`` there are more than are given.
    :param stale: reasons why there may be more in the store.
    """
    lines = []
    if points:
        lines += [_row(("recovery point", 14), ("sealed at", 20), ("state", 8), ("new same carry fail", 19), ("", 9))]
        for point in points:
            lines += _point(point)
    if snapshots:
        lines += ["", _row(("snapshot", 12), ("host", 16), ("tier", 10), ("captured at", 20), ("in point", 12))]
        lines += [_snapshot(snapshot) for snapshot in snapshots]
    if failures:
        lines += ["", "failed hosts"]
        for failure in failures:
            told = f"{failure.host} in {failure.point[:_DIGITS]}, {instant.to_text(failure.sealed_at)}"
            lines += _wrapped(f"{told}: {failure.reason}")
    lines = lines[1:] if lines and not lines[0] else lines
    if not lines:
        lines = ["nothing was found"]
    lines += [f"... and more {kind}: give a larger limit, or more to look for" for kind in more]
    for reason in stale:
        lines += _wrapped(f"may be incomplete: {reason}")
    return lines


def point_page(
    point: CatalogPoint, body: Body, locks: Mapping[tuple[str, str], dt.datetime] | None = None
) -> list[str]:
    """One recovery point in full: who sealed it, when, for which change, its hosts, and each stream with its lock.

    :param locks: until when each stream is locked as later points say it, by host identity and stream.
    """
    told = [
        ("recovery point", point.digest),
        ("name", point.point),
        ("alias", point.alias),
        ("sealed at", instant.to_text(point.sealed_at)),
        ("opened at", instant.to_text(point.opened_at)),
        ("state", _state(point)),
        *((f"change {key}", value) for key, value in sorted(body.change.items()) if isinstance(value, str)),
        *((key, value) for key, value in sorted(body.actor.items()) if isinstance(value, str)),
        *((f"trigger {key}", str(value)) for key, value in sorted(_mapping(body.actor.get("trigger")).items())),
        ("object", point.name),
    ]
    lines = list(_facts(told))
    for failure in body.failed:
        lines += _wrapped(f"failed: {failure.host}: {failure.reason}")
    lines += [line for host in body.missing for line in _wrapped(f"missing: {host}")]
    lines += [line for one in body.consistency for line in _wrapped(f"{one.check}: {one.detail}")]
    entries = [entry for entry in body.streams if entry.state.value != "live"]
    lines += ["", _row(("host", 20), ("tier", 10), ("state", 9), ("captured at", 20), ("locked until", 13))]
    for entry in entries:
        lock = (locks or {}).get(entry.key, entry.lock_until)
        lines.append(
            _row(
                (entry.name, 20),
                (entry.stream, 10),
                (entry.state.value, 9),
                (instant.to_text(entry.captured_at), 20),
                (instant.to_text(lock)[:10], 13),
            )
        )
        lines.append(_cut(f"  {entry.manifest.sha256[:_DIGITS]}  {', '.join(_components(entry))}"))
    other = len(body.streams) - len(entries)
    if other:
        lines.append(f"It also lists {other} streams that its run did not look at.")
    return lines


def snapshot_page(snapshot: CatalogSnapshot, manifest: Manifest) -> list[str]:
    """One snapshot in full: whose it is, its objects and locks, and each path that its manifest names."""
    told = [
        ("snapshot", snapshot.digest),
        ("host", snapshot.name if snapshot.name == snapshot.host_id else f"{snapshot.name} ({snapshot.host_id})"),
        ("tier", snapshot.stream),
        ("class", snapshot.retention_class),
        ("captured at", instant.to_text(snapshot.captured_at)),
        ("verified at", instant.to_text(snapshot.verified_at)),
        ("locked until", instant.to_text(snapshot.lock_until)),
        ("stored by" if snapshot.first_stored else "first named by", snapshot.first_point),
        ("in point", snapshot.point),
        ("imported from", snapshot.imported),
        ("written by", manifest.writer),
        ("pack", _object(snapshot.pack)),
        ("manifest", _object(snapshot.manifest)),
    ]
    lines = list(_facts(told))
    lines += [line for mark in snapshot.marks for line in _wrapped(f"mark: {mark}")]
    for component in manifest.components:
        lines += ["", *_component(component)]
    return lines


def _point(point: CatalogPoint) -> Iterator[str]:
    failed = point.failed + point.missing
    counts = f"{point.stored:>3} {point.unchanged:>4} {point.carried:>5} {failed:>4}"
    yield _row(
        (point.digest[:_DIGITS], 14),
        (instant.to_text(point.sealed_at), 20),
        (point.state.value, 8),
        (counts, 19),
        (point.point, 9),
    )
    words = [
        point.change_id,
        point.alias,
        point.deployment_id,
        point.application_version,
        point.environment,
        point.deployer,
        point.by,
    ]
    told = ", ".join(dict.fromkeys(word for word in words if word))
    if told:
        yield _cut(f"  {told}")


def _snapshot(snapshot: CatalogSnapshot) -> str:
    return _row(
        (snapshot.digest[:_DIGITS], 12),
        (snapshot.name, 16),
        (snapshot.stream, 10),
        (instant.to_text(snapshot.captured_at), 20),
        (snapshot.point[:_DIGITS], 12),
    )


def _component(component: CapturedComponent) -> Iterator[str]:
    yield _cut(f"{component.component.name}: {len(component.entries)} paths, {component.size} bytes")
    for mark in component.marks:
        yield from _wrapped(f"mark: {mark}")
    for keyed in component.entries:
        yield from _wrapped(_path(keyed))
    for left in component.left_out:
        yield from _wrapped(f"left out: {left.path} ({left.reason})")


def _path(keyed: KeyedEntry) -> str:
    entry = keyed.entry
    owner = f"{entry.user or entry.uid}:{entry.group or entry.gid}"
    return f"{entry.kind.value:<8} {entry.mode & 0o7777:04o} {owner:<12} {entry.size:>9} {entry.path}"


def _state(point: CatalogPoint) -> str:
    counts = f"{point.stored} new, {point.unchanged} unchanged, {point.carried} carried"
    return f"{point.state.value}: {counts}, {point.failed} failed, {point.missing} missing"


def _object(ref: ObjectRef) -> str:
    return f"{ref.name} ({ref.size} bytes, locked until {instant.to_text(ref.lock_until)})"


def _components(entry: StreamEntry) -> Iterator[str]:
    return (fingerprint.component for fingerprint in entry.fingerprints)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _facts(told: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names and values, without those that are empty."""
    for name, value in told:
        if value:
            yield from textwrap.wrap(
                _line(f"{name:<14} {value}"), WIDTH, subsequent_indent=" " * 15, drop_whitespace=True
            )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(_line(text), WIDTH, initial_indent=_HEAD, subsequent_indent=_HEAD * 2, break_on_hyphens=False)


def _row(*cells: tuple[str, int]) -> str:
    """Cells side by side, each of its width; what is too long is cut, but for the last, which has what is left."""
    line = ""
    for text, width in cells:
        line += f"{_cut(text, width):<{width}}  "
    return line.rstrip()[:WIDTH]


def _cut(text: str, width: int = WIDTH) -> str:
    shown = _line(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def _line(text: str) -> str:
    """A text as a terminal may have it, in columns that are counted."""
    return visible(text.replace("\t", " "))
