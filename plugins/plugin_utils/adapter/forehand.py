# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What conversations with devices take, loaded once by the process that all workers are forked from.

A worker that finds nothing loaded loads it itself: what is overlooked here costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator, Mapping

from ansible.errors import AnsibleError
from ansible.playbook.task import Task

from ..capture import platforms
from ..errors import DependencyMissingError, HoldfastError

_NETWORK_OS = "ansible_network_os"
# of so many kinds of hosts one is looked at: a look takes a millisecond
_MOST_KINDS = 50


def for_devices(task: Task) -> tuple[str, ...]:
    """Load SSH, and the data of platforms, where hosts of a task's play are devices; returns their platforms.

    Hosts that are in the same groups are taken for alike; one that says so in its own variables is seen as well.
    """
    found = []
    for name in sorted(set(_named(task))):
        try:
            found.append(platforms.find(name).name)
        except HoldfastError:
            # the host's own task says what is wrong
            continue
    if found:
        from ..capture import ssh_session

        with contextlib.suppress(DependencyMissingError):
            ssh_session.require()
    return tuple(found)


def _named(task: Task) -> Iterator[str]:
    """The values of ``ansible_network_os`` in a play; of templates what they are templates of is not known here."""
    manager, play = task.get_variable_manager(), task.get_play()
    try:
        hosts = manager.get_vars(play=play, include_hostvars=False).get("ansible_play_hosts_all", ())
        inventory = manager._inventory
        seen: set[frozenset[str]] = set()
        for host in filter(None, map(inventory.get_host, hosts)):
            if _NETWORK_OS in host.vars:
                value = host.vars[_NETWORK_OS]
            else:
                kind = frozenset(group.name for group in host.get_groups())
                if kind in seen:
                    continue
                if len(seen) >= _MOST_KINDS:
                    return
                seen.add(kind)
                variables: Mapping[str, t.Any] = manager.get_vars(play=play, host=host, include_hostvars=False)
                value = variables.get(_NETWORK_OS)
            if isinstance(value, str):
                yield str(value)
    except (AnsibleError, AttributeError):
        # of another Ansible than is known here, or of an inventory that its own tasks refuse
        return
