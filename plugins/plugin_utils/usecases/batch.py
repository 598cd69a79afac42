# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshot many devices in one process; each host's own task then takes what was left for it, or fails by it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..capture import bulk
from ..errors import CaptureError, HoldfastError, PolicyError, RunError
from ..model import sources
from ..model.platform import Item, Platform
from ..model.policy import Policy
from . import snapshot
from .run_folder import PointFolder, Receipt

# what a failed host's own task tells of its error
_PARTS = ("message", "item", "remedy", "details")


@dataclasses.dataclass(frozen=True)
class Member:
    """A host whose turn has come.

    ``policy`` reads and judges the host's own, ``query`` says how it is asked for items of a platform, None where that
    takes a task of its own, ``snapshot`` captures it from what was heard; each raises HoldfastError.
    """

    host: str
    policy: Callable[[], Policy]
    query: Callable[[Platform, tuple[Item, ...]], bulk.Query | None]
    snapshot: Callable[[Policy, bulk.Heard], Receipt]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a batch: hosts captured, with their receipts; hosts that failed; hosts left to their own task."""

    receipts: Mapping[str, Receipt]
    failed: Mapping[str, HoldfastError]
    left: Sequence[str]


def capture(folder: PointFolder, members: Iterable[Member], *, concurrency: int, check: bool) -> Outcome:
    """Ask all members that are devices and nothing else, and snapshot each as soon as it has answered.

    A member that fails has its failed receipt, and leaves its error to its own task: it stops no other one. A host
    with components that are gathered on it, or that is no device, is left to its own task.

    :param concurrency: how many devices are asked at a time.
    :raises RunError: the point is not open, or not in this mode.
    """
    folder.read_open_as(check=check)
    receipts: dict[str, Receipt] = {}
    failed: dict[str, HoldfastError] = {}
    left: list[str] = []
    policies: dict[str, Policy] = {}
    asked: dict[str, Member] = {}
    queries: list[bulk.Query] = []

    def fail(host: str, error: HoldfastError) -> None:
        failed[host] = error.at(host)
        folder.leave_batched(host, {part: getattr(error, part) for part in _PARTS})

    for member in members:
        try:
            policy = member.policy()
            wanted = wanted_of(policy)
            query = None if wanted is None else member.query(*wanted)
        except HoldfastError as e:
            fail(member.host, snapshot.refused(folder, e, host=member.host, check=check))
            continue
        if query is None:
            left.append(member.host)
            continue
        queries.append(query)
        policies[member.host], asked[member.host] = policy, member
    for host, heard in bulk.ask_all(queries, concurrency=concurrency):
        try:
            receipts[host] = asked[host].snapshot(policies[host], heard)
            folder.leave_batched(host, None)
        except HoldfastError as e:
            fail(host, e)
    return Outcome(receipts, failed, left)


def wanted_of(policy: Policy) -> tuple[Platform, tuple[Item, ...]] | None:
    """What a batch asks a host for; None where its components are not all texts of one device of one platform."""
    platforms: dict[str, Platform] = {}
    wanted: set[str] = set()
    for component in policy.components:
        platform = component.means.get("platform") if component.kind == sources.DEVICE else None
        if not isinstance(platform, Platform):
            return None
        platforms[platform.name] = platform
        wanted.update(sources.items(component))
    if len(platforms) != 1:
        return None
    platform = next(iter(platforms.values()))
    return platform, tuple(item for item in platform.items if item.name in wanted)


def taken(folder: PointFolder, host: str, *, own: Sequence[str] = (), check: bool = False) -> Receipt | None:
    """What a batch of this run left for a host's own task; None where it is to capture the host itself.

    :param own: what the task gives that a batch did not know.
    :raises HoldfastError: by which the batch could not capture the host.
    """
    found = folder.take_batched(host) if folder.exists() else None
    if found is None:
        return None
    receipt, failure = found
    if failure is not None:
        raise CaptureError(**_parts(failure), host=host)
    if own:
        refusal = PolicyError(
            f"the host was captured in the batch before, which did not know {', '.join(own)} of this task",
            host=host,
            item=own[0],
            remedy="Give them as variables of the host, or leave the host out of the batch.",
        )
        raise snapshot.refused(folder, refusal, host=host, check=check)
    return receipt


def _parts(failure: Mapping[str, t.Any]) -> dict[str, t.Any]:
    missing = [part for part in _PARTS if part not in failure]
    if missing:
        raise RunError("what a batch left of a host cannot be read", remedy="Run the play again from its start.")
    return {part: failure[part] for part in _PARTS}
