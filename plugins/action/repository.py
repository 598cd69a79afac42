# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import record_results, results, storage_options, storage_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import ASKING, CHANGE, PEOPLE, POLICY, REPOSITORY, Location, Options
from ..plugin_utils.errors import PolicyError
from ..plugin_utils.usecases import prune, storage, succession


class ActionModule(HoldfastAction):
    """Make a repository and its bucket, let its root be followed by another link, or let go of what nothing keeps."""

    WORK: t.ClassVar[str] = "a change of the repository"
    CHANGES: t.ClassVar[bool] = True
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **storage_options.STORAGE,
        **PEOPLE,
        **ASKING,
        **CHANGE,
        "classes": POLICY["classes"],
        "rotate": {"type": "list", "elements": "str", "choices": list(succession.ROTATED), "default": []},
        "remove": {"type": "list", "elements": "str", "default": []},
        "to_sign": {"type": "path"},
        "state": {"type": "str", "choices": ["present", "pruned"], "default": "present"},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Bring bucket and root to what is declared, the root as far as people have signed it; or prune."""
        location = options.location()
        if options["state"] == "present":
            return self._present(options, location)
        if options["storage"] is not None:
            raise PolicyError("storage goes with state=present alone", item="storage", remedy="Leave it out.")
        pruned = prune.prune(location.repository(), location.expiry(), check=options.check)
        return results.pruned(location, pruned, diff=self._task.diff)

    def _present(self, options: Options, location: Location) -> dict[str, t.Any]:
        wanted = succession.Wanted(
            classes=options.classes(),
            people=options.people(),
            quorum=options.quorum(),
            rotate=tuple(options["rotate"]),
            remove=tuple(options["remove"]),
        )
        asked, asking, keyring = storage_options.storage(options, wanted.classes), options.asking(), location.keyring()
        bucket = None if asked is None else location.bucket()
        store = location.store(check=options.check, create=location.pin is None)
        ready = None
        if asked is not None and bucket is not None:
            ready = storage.ready(bucket, store, asked, wanted.classes, pin=location.pin, check=options.check)
        outcome = storage.rooted(
            store,
            keyring,
            bucket=ready,
            proves=location.on_s3,
            name=location.name,
            wanted=wanted,
            pin=location.pin,
            asking=asking,
            check=options.check,
        )
        to_sign = options["to_sign"]
        if outcome.pending is not None:
            record_results.write_to_sign(outcome.pending, to_sign, check=options.check)
        return storage_results.repository(location, outcome, ready, to_sign=to_sign, diff=self._task.diff)
