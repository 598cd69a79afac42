# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import POLICY, REPOSITORY, Options
from ..plugin_utils.usecases import repository


class ActionModule(HoldfastAction):
    """Make a repository and its keys, or show what its inventory line is."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        "classes": POLICY["classes"],
        "state": {"type": "str", "choices": ["present"], "default": "present"},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Create the first root link unless it is there."""
        location = options.location()
        classes = options.classes()
        created = repository.create(
            location.store(check=options.check, create=True),
            location.keyring(),
            name=location.name,
            classes=classes,
            pin=location.pin,
            check=options.check,
        )
        pin = created.root.id if created.root else ""
        result: dict[str, t.Any] = {
            "changed": created.made,
            "repository": location.name,
            "location": location.url,
            "repository_id": pin,
            "inventory_line": _line(pin) if pin else "",
            "next_steps": _next_steps(location.keyring_path, pin) if created.made and pin else [],
        }
        if self._task.diff and created.made:
            after = [f"repository {location.name}", *(f"class {c.name}: {c.days} days" for c in classes.values())]
            result["diff"] = {"before": "", "after": "\n".join(after) + "\n"}
        return result


def _line(pin: str) -> str:
    # single quotes: JSON, as ansible prints it, would escape double ones
    return f"holdfast_repository_id: '{pin}'"


def _next_steps(keyring_path: str, pin: str) -> list[str]:
    return [
        f"Put this line into the inventory: {_line(pin)}",
        f"Move {keyring_path}/escrow to media that stay offline: with it, stock age opens every pack.",
        f"Keep {keyring_path}/open only where restores run; backups need {keyring_path}/seal alone.",
    ]
