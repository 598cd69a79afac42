# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.adapter.trip import HostTrip
from ..plugin_utils.capture.host import Host
from ..plugin_utils.errors import FormatError, PolicyError
from ..plugin_utils.model import instant
from ..plugin_utils.usecases import choose, restore


class ActionModule(HoldfastAction):
    """Restore a host's sealed configuration under another root, and prove it equal."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        "under": {"type": "str", "required": True},
        "source_host": {"type": "str"},
        "recovery_point": {"type": "str"},
        "snapshot": {"type": "str"},
        "time": {"type": "str"},
        "newest": {"type": "bool", "default": False},
        "components": {"type": "list", "elements": "str"},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Restore what the options select."""
        under = options["under"]
        if not under.startswith("/") or not under.strip("/") or {"..", "."} & set(under.split("/")):
            raise PolicyError(
                f"{under!r} is not a folder to restore under", item="under", remedy="Give an absolute path, not /."
            )
        selection = choose.Selection(
            point=options["recovery_point"],
            snapshot=options["snapshot"],
            time=_moment(options["time"]),
            newest=options["newest"],
            components=tuple(options["components"] or ()),
        )
        location = options.location()
        target = str(task_vars["inventory_hostname"])
        source = options["source_host"]
        own = options.host_id(target, task_vars)
        restored = restore.restore(
            location.repository(check=options.check),
            location.keyring(),
            Host(HostTrip(self, task_vars), root=under),
            host=source or target,
            host_id=None if source or own == target else own,
            target_host=target,
            under=under,
            selection=selection,
            change=options.change(),
            check=options.check,
        )
        return results.restored(restored, diff=self._task.diff)


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return None if text is None else instant.from_text(text)
    except FormatError as e:
        raise PolicyError(f"{e.message}", item="time", remedy="Give UTC to the second.") from e
