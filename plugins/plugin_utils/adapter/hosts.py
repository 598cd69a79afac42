# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a play is about, whose turn has come (batches, strategies, hosts that dropped out), and who is meant."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.playbook.play import Play
from ansible.playbook.task import Task

from ..errors import PolicyError

# strategies that ignore run_once: each host goes through the play by itself
_EACH_BY_ITSELF = ("free", "host_pinned")


def expected(given: Sequence[str] | None, task_vars: Mapping[str, t.Any]) -> list[str]:
    """The hosts that a point opened now must hold: those *given*, else all of the play.

    :raises PolicyError: one of them is not in the inventory, so that the point would wait for ever.
    """
    here = [str(host) for host in task_vars["ansible_play_hosts_all"]]
    unknown = sorted(set(given or ()) - set(here) - set(task_vars["groups"]["all"]))
    if unknown:
        raise PolicyError(
            f"expect names {', '.join(unknown)}, and the inventory does not",
            item="expect",
            remedy="Give inventory names.",
        )
    return list(given or here)


def misplaced(task: Task, host: str, *, pushed: bool) -> PolicyError | None:
    """Why a task's snapshot of *host* is refused, where it would be taken elsewhere, or after the play has gone on."""
    if task.async_val:
        return PolicyError(
            "a snapshot cannot be taken by async: nobody would wait for what the host answers",
            host=host,
            remedy="Remove async: as many hosts as --forks says are captured side by side.",
        )
    if task.delegate_to and not pushed:
        return PolicyError(
            "a delegated snapshot would seal the delegate's files under this host's name",
            host=host,
            remedy="Remove delegate_to, or run the play on that host.",
        )
    return None


def come(play: Play, task_vars: Mapping[str, t.Any], *, sealing: bool) -> set[str]:
    """The hosts whose turn has come: those that dropped out, the batch, and those before it in the play's order.

    :param sealing: whether seal asks; where each host runs by itself, its turn has come only then.
    """
    everyone = [str(host) for host in task_vars["ansible_play_hosts_all"]]
    gone = set(everyone) - set(task_vars["ansible_play_hosts"])
    if str(play.strategy).rsplit(".", 1)[-1] in _EACH_BY_ITSELF:
        return gone | ({str(task_vars["inventory_hostname"])} if sealing else set())
    batch = {str(host) for host in task_vars["ansible_play_batch"]}
    if play.order not in (None, "inventory"):
        return gone | batch
    # a batch of which every host was ended by meta: end_host has run neither open nor seal
    last = max((place for place, host in enumerate(everyone) if host in batch), default=-1)
    return gone | batch | set(everyone[: last + 1])
