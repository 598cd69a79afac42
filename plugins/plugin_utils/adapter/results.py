# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Outcomes of use cases as task results: flat, few, and never configuration content."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..keyring import recipients
from ..model import instant
from ..model.root import ROOT_OPERATION, Root
from ..model.verification import Finding, Level, Report, StreamSummary
from ..usecases.leftovers import Shipping
from ..usecases.prune import Pruned
from ..usecases.run_folder import OpenPoint, Receipt
from ..usecases.seal_point import Sealed
from ..usecases.succession import Outcome
from ..usecases.verify_progress import spoken_bytes
from .options import Location
from .record_results import signing_steps

_NAMED = 20
_POLICIES = (
    "Who backs up and who restores each get the policy of docs/guide_vault.md for their part: no key leaves Vault."
)
_UNCHANGEABLE = (
    "Its root names no people who may sign another one: no key can ever be rotated or removed, and no host retired. "
    "If that is not what you want remove it and its keyring now, and make it anew with holdfast_people and "
    "holdfast_quorum."
)


def opened_point(opened: OpenPoint, left: Shipping) -> dict[str, t.Any]:
    """What open decided, and what it stored of earlier runs: only that is a change."""
    return {
        "changed": bool(left.shipped),
        "run": opened.run,
        "name": opened.point,
        "alias": opened.alias or "",
        "expected": len(opened.expected),
        "parents": list(opened.parents),
        "warnings": [*left.waiting, *opened.notes],
        "shipped": list(left.shipped),
    }


def sealed_point(sealed: Sealed, more: Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """What seal did; ``changed`` only where the point names something newly stored.

    :param more: what else is known of it; its ``warnings`` stand after those of the seal.
    """
    told = dict(more or {})
    return {
        "changed": sealed.sealed and sealed.stored > 0,
        "name": sealed.point,
        "sealed": sealed.sealed,
        "recovery_point": sealed.id or "",
        "alias": sealed.alias or "",
        "complete": sealed.complete,
        "stored": sealed.stored,
        "unchanged": sealed.unchanged,
        "stored_bytes": sealed.stored_bytes,
        "failed_hosts": dict(sealed.failed),
        "missing_hosts": list(sealed.missing),
        "waiting_hosts": list(sealed.waiting),
        "carried": sealed.carried,
        "carry_waiting": sealed.carry_waiting,
        "carry_failed": list(sealed.carry_failed),
        "timestamped": sealed.timestamped,
        "unauthorised_changes": told.get("unauthorised_changes", []),
        "warnings": [
            *sealed.warnings,
            *(f"not carried: {line}" for line in sealed.carry_failed[:_NAMED]),
            *told.get("warnings", ()),
        ],
    }


def root(location: Location, outcome: Outcome, *, to_sign: str | None, diff: bool) -> dict[str, t.Any]:
    """What became of a repository's root."""
    pin = outcome.root.id if outcome.root else ""
    result: dict[str, t.Any] = {
        "changed": outcome.changed,
        "repository": location.name,
        "location": location.url,
        "root_state": outcome.state,
        "link": outcome.root.link if outcome.root else 0,
        "repository_id": pin,
        "inventory_line": inventory_line(pin) if pin else "",
        "says": list(outcome.after if outcome.state == "followed" else outcome.before or outcome.after),
        "next_steps": _next_steps(location, outcome, to_sign),
    }
    if outcome.pending is not None and outcome.approval is not None:
        result |= {
            "request": outcome.pending.id,
            "signed_by": list(outcome.approval.counted),
            "lacking": list(outcome.approval.lacking),
        }
    if diff and outcome.before != outcome.after:
        result["diff"] = {
            name: diff_lines(side) for name, side in (("before", outcome.before), ("after", outcome.after))
        }
    return result


def pruned(location: Location, given: Pruned, *, diff: bool) -> dict[str, t.Any]:
    """What was let go of."""
    result: dict[str, t.Any] = {
        "changed": bool(given.removed),
        "repository": location.name,
        "location": location.url,
        "removed": len(given.removed),
        "freed_bytes": given.freed_bytes,
        "kept_last_copies": list(given.kept),
    }
    if diff and given.removed:
        result["diff"] = {"before": diff_lines(given.removed), "after": ""}
    return result


def inventory_line(pin: str) -> str:
    """The line to paste into the inventory."""
    # single quotes: JSON, as ansible prints it, would escape double ones
    return f"holdfast_repository_id: '{pin}'"


def diff_lines(given: Sequence[str]) -> str:
    """One side of a diff: a line for each."""
    return "".join(f"{line}\n" for line in given)


def _next_steps(location: Location, outcome: Outcome, to_sign: str | None) -> list[str]:
    pin = outcome.root.id if outcome.root else ""
    keys = location.keyring_path
    local = location.keyring_type == "local"
    offline = bool(keys) and recipients.alone(Path(keys) / "escrow")
    changeable = outcome.root is not None and outcome.root.rule(ROOT_OPERATION) is not None
    if outcome.state == "made" and pin:
        return [
            f"Put this line into the inventory: {inventory_line(pin)}",
            f"Leave {keys}/escrow/{recipients.FILE} there, which opens nothing; the identities of it stay offline."
            if offline
            else f"Move {keys}/escrow to media that stay offline: with it, stock age opens every pack.",
            f"Keep {keys}/open only where restores run; backups need {keys}/seal alone." if local else _POLICIES,
            *([] if changeable else [_UNCHANGEABLE]),
        ]
    draft = outcome.pending.document if outcome.pending else None
    if outcome.state == "followed" and isinstance(draft, Root) and outcome.root and outcome.root.link != draft.link:
        # check mode: what would be pinned is not there
        return []
    if outcome.state == "followed" and pin:
        return [
            f"Put this line into the inventory, now or later: {inventory_line(pin)}",
            *(
                [f"Copy {keys}/seal to where backups run and {keys}/open to where restores run, where keys are new."]
                if local
                else []
            ),
            *([] if offline else [f"Move {keys}/escrow offline beside the one that is there, if there is a new one."]),
        ]
    if outcome.pending is None:
        return []
    return [*signing_steps(outcome.pending.id, to_sign), "Then run this again, as it was."]


def receipt(given: Receipt, *, diff: bool) -> dict[str, t.Any]:
    """What a host's snapshot did, by stream."""
    result: dict[str, t.Any] = {
        "changed": any(part.reason != "unchanged" for part in given.streams),
        "open_restores": list(given.restores),
        "streams": [
            {
                "stream": part.stream,
                "state": "unchanged" if part.reason == "unchanged" else "stored" if part.entry else "would_store",
                "reason": part.reason,
                "changed_components": list(part.changed),
                "stored_bytes": part.stored_bytes,
                "left_out": [{"path": gap.path, "reason": gap.reason} for gap in part.gaps[:_NAMED]],
                "left_out_count": len(part.gaps),
                "left_out_bytes": part.left_out_bytes,
                "snapshot": part.entry.manifest.sha256 if part.entry else "",
            }
            for part in given.streams
        ],
    }
    if diff:
        result["diff"] = _receipt_diff(given)
    return result


def report(given: Report, *, streams: bool = False) -> dict[str, t.Any]:
    """What verify found.

    :param streams: list every live stream too: of a large fleet they are many.
    """
    result: dict[str, t.Any] = {
        "changed": False,
        "sound": given.sound,
        "summary": _verdict(given),
        "verified_at": _told(given.at),
        "level": given.level.name.lower(),
        "recovery_points": [
            {
                "id": point.id,
                "name": point.point,
                "sealed_at": instant.to_text(point.sealed_at),
                "complete": point.complete,
                "streams": point.streams,
                "change": point.change,
                "alias": point.alias,
            }
            for point in given.points
        ],
        "snapshots": given.snapshots,
        "packs_opened": given.packs_opened,
        "records": given.records,
        "objects": given.objects,
        "stored_bytes": given.stored_bytes,
        "timestamped": given.timestamped,
        "unsealed": given.unsealed,
        "live_streams": len(given.streams),
        "proven_streams": sum(stream.proven_at is not None for stream in given.streams),
        "broken": len(given.broken),
        "read": dataclasses.asdict(given.read),
        "unread": dataclasses.asdict(given.unread),
        "resumed": {**dataclasses.asdict(given.resumed), "since": _told(given.resumed_since)},
        "findings": [finding(one) for one in given.findings],
    }
    if given.sample is not None:
        result["sample"] = dataclasses.asdict(given.sample)
    if streams:
        result["streams"] = [_stream(stream) for stream in given.streams]
    return result


def _verdict(given: Report) -> str:
    """What the report says in one line: never more than what was read."""
    level = given.level.name.lower()
    said = f"{len(given.broken)} promises broken" if given.broken else "no promise broken"
    parts = [f"level {level}: {said}"]
    if given.level >= Level.SIGNATURES:
        parts.append(f"{given.read.objects:,} objects read, {spoken_bytes(given.read.bytes)}")
    if not given.whole:
        drawn = f" (a sample, seed {given.sample.seed})" if given.sample is not None else ""
        parts.append(f"{given.unread.objects:,} NOT READ, {spoken_bytes(given.unread.bytes)}{drawn}")
    if given.resumed_since is not None:
        parts.append(f"{given.resumed.objects:,} of them earlier, since {instant.to_text(given.resumed_since)}")
    return "; ".join(parts)


def finding(given: Finding) -> dict[str, t.Any]:
    """One thing that was found, and what to do about it."""
    return {
        "severity": given.severity.value,
        "item": given.item,
        "problem": given.problem,
        "remedy": given.remedy,
        "host": given.host,
        "stream": given.stream,
        "versions": list(given.versions),
        "restore_from": [
            {
                "which": source.which,
                "version": source.version,
                "recovery_point": source.recovery_point,
                "captured_at": _told(source.captured_at),
                "read": source.read,
            }
            for source in given.restore_from
        ],
    }


def _told(moment: dt.datetime | None) -> str | None:
    return None if moment is None else instant.to_text(moment)


def _stream(given: StreamSummary) -> dict[str, t.Any]:
    return {
        "host": given.host,
        "host_id": given.host_id,
        "stream": given.stream,
        "captured_at": instant.to_text(given.captured_at),
        "verified_at": instant.to_text(given.verified_at),
        "proven_at": None if given.proven_at is None else instant.to_text(given.proven_at),
        "restore_open": given.restore_open,
        "storage_class": given.storage_class,
        "imported": given.imported,
    }


def _receipt_diff(given: Receipt) -> list[dict[str, str]]:
    # components and reasons only: which lines differ is for a redacted comparison, never for a task's diff
    return [
        {
            "before_header": f"{given.host}/{part.stream}",
            "after_header": f"{given.host}/{part.stream} ({part.reason})",
            "before": "" if part.reason == "first" else "".join(f"{name}: as last sealed\n" for name in part.changed),
            "after": "".join(f"{name}: {part.reason}\n" for name in part.changed),
        }
        for part in given.streams
        if part.reason != "unchanged"
    ]
