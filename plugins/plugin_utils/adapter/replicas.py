# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks do with the replicas of a repository, and what they say of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Sequence

from ..errors import HoldfastError, PolicyError, ReplicaBehindError, RunAbandonedError, StoreError, UnsoundError
from ..model import instant
from ..model.replica import CopiedBy, Depth, Lag, ReplicaState, Replicated
from ..model.verification import Finding, Level, Report, Severity
from ..usecases import replicate
from ..usecases.replica_objects import Replica
from . import results
from .options import Location, Options

_SHOWN = 200


def brought(location: Location, options: Options, *, diff: bool) -> dict[str, t.Any]:
    """Bring replicas up to date, those that servers copy to are compared alone; as the result of a task.

    Each is tried, whatever became of the others.

    :raises ReplicaBehindError: a replica, or the repository, did not answer; the result holds what was done.
    :raises UnsoundError: something was not copied, or a replica holds what is wrong.
    """
    repository = location.repository()
    depth = Depth[options["depth"].upper()]
    told: list[dict[str, t.Any]] = []
    findings: list[Finding] = []
    copied: list[str] = []
    failed: list[tuple[str, HoldfastError]] = []
    for replica in _chosen(location, options["only"]):
        try:
            if replica.copied_by is CopiedBy.SERVER:
                state = replicate.compare(repository, replica, depth=depth)
                told.append(_state(state, replica))
                findings += state.findings
                continue
            done = replicate.replicate(repository, replica, depth=depth, seed=options["seed"], check=options.check)
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            failed.append((replica.name, e))
            continue
        told.append(_replicated(done))
        findings += done.findings
        copied += [f"{replica.name}: {name}" for name in done.copied]
        copied += [f"{location.name}: {name}" for name in done.returned]
    result: dict[str, t.Any] = {
        # one that failed half way has what was copied until then
        "changed": bool(copied) or any(e.details.get("copied") for _name, e in failed),
        "replicas": told,
        "findings": [results.finding(one) for one in findings],
    }
    if diff and copied:
        more = [f"and {len(copied) - _SHOWN} more"] if len(copied) > _SHOWN else []
        result["diff"] = {"before": "", "after": "".join(f"{line}\n" for line in (*copied[:_SHOWN], *more))}
    _refuse(failed, findings, result)
    return result


def _refuse(failed: Sequence[tuple[str, HoldfastError]], findings: Sequence[Finding], result: dict[str, t.Any]) -> None:
    broken = [finding for finding in findings if finding.severity is Severity.ERROR]
    if failed:
        name, first = failed[0]
        # of one alone the remedy is told as the task's
        spoken = " · ".join(f"{name}: {e.message if len(failed) == 1 else e}" for name, e in failed)
        behind = {name: dict(e.details) for name, e in failed}
        raise ReplicaBehindError(
            f"not up to date: {spoken}",
            item=(first.item if len(failed) == 1 else None) or name,
            remedy=first.remedy if len(failed) == 1 else "What was copied stays; run again.",
            details={**result, "replicas_behind": behind},
        )
    if broken:
        raise UnsoundError(
            f"{len(broken)} objects are not as they should be at both sites, the first: {broken[0].problem}",
            item=broken[0].item,
            remedy=broken[0].remedy,
            details=result,
        )


def _chosen(location: Location, only: Sequence[str] | None) -> list[Replica]:
    known = location.replica_sites()
    names = [replica.name for replica in known]
    unknown = sorted(set(only or ()) - set(names))
    if unknown or not known:
        raise PolicyError(
            f"the repository has no replica {', '.join(unknown)}" if unknown else "the repository has no replicas",
            item="holdfast_repository.replicas",
            remedy=f"Known are {', '.join(names)}." if names else "Name them there: docs/guide_replicas.md.",
        )
    return [replica for replica in known if not only or replica.name in only]


def compared(location: Location, report: Report, *, asked: bool) -> tuple[Report, dict[str, t.Any]]:
    """A report with what is wrong with each replica, and how each stands beside the repository, for a task's result.

    A replica that does not answer breaks no promise of the repository; it is a warning.

    :param asked: whether that was asked for; else nothing is looked at.
    :raises PolicyError: there is no replica, or one of them is what was verified.
    """
    if not asked:
        return report, {}
    if location.read_from:
        remedy = "Compare without holdfast_read_from."
        raise PolicyError(f"replica {location.read_from} is verified itself", item="replicas", remedy=remedy)
    repository = location.repository()
    depth = Depth.CONTENT if report.level >= Level.CONTENT else Depth.LOCKS
    findings: list[Finding] = []
    told = []
    for replica in _chosen(location, None):
        try:
            state = replicate.compare(repository, replica, depth=depth)
        except HoldfastError as e:
            problem = f"replica {replica.name} could not be compared: {e}"
            # one that does not answer breaks no promise; one that is another repository does
            severity = Severity.WARNING if isinstance(e, StoreError) else Severity.ERROR
            findings.append(Finding(severity, replica.name, problem, e.remedy or "Run again."))
            continue
        told.append(_state(state, replica))
        findings += state.findings
    return dataclasses.replace(report, findings=(*report.findings, *findings)), {"replicas": told}


def _replicated(done: Replicated) -> dict[str, t.Any]:
    return {
        "name": done.name,
        "location": done.location,
        "copied_by": CopiedBy.COLLECTION.value,
        "copied": len(done.copied),
        "copied_bytes": done.copied_bytes,
        "renewed": done.renewed,
        "mended": done.mended,
        "returned": len(done.returned),
        "held_back": list(done.held_back),
        "lag_before_seconds": done.before.seconds,
        **_lag(done.lag),
    }


def _state(state: ReplicaState, replica: Replica) -> dict[str, t.Any]:
    return {
        "name": state.name,
        "location": state.location,
        "copied_by": replica.copied_by.value,
        "objects": state.objects,
        "lacking": state.lacking,
        "short": state.short,
        "damaged": state.damaged,
        "extra": state.extra,
        **_lag(state.lag),
    }


def _lag(lag: Lag) -> dict[str, t.Any]:
    def spoken(at: dt.datetime | None) -> str | None:
        return None if at is None else instant.to_text(at)

    return {
        "lag_seconds": lag.seconds,
        "lag_points": lag.points,
        "newest_point": spoken(lag.newest),
        "newest_point_there": spoken(lag.newest_there),
        "oldest_point_waiting": spoken(lag.oldest_waiting),
    }
