# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import keyring_options, keyring_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, POLICY, REPOSITORY, Options
from ..plugin_utils.usecases import keyring_setup


class ActionModule(HoldfastAction):
    """Make a Vault ready to hold a repository's keys, and name what has drifted from that."""

    WORK: t.ClassVar[str] = "a change of the keyring"
    CHANGES: t.ClassVar[bool] = True
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        **keyring_options.KEYRING,
        "classes": POLICY["classes"],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Read all that there is, and bring it to what is declared."""
        location = options.location()
        asked = keyring_options.asked(options)
        setup = keyring_options.setup(options, location)
        ready = keyring_setup.ready(
            setup,
            keyring_options.root_store(location),
            asked,
            name=location.name,
            pin=location.pin,
            check=options.check,
        )
        return keyring_results.keyring(location, setup, asked, ready, diff=self._task.diff)
