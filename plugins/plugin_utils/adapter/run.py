# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run: one id for the controlling process, inherited by every worker it forks."""

from __future__ import annotations

import os
import secrets
import time
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..errors import RunAbandonedError

# minted when the controlling process imports this module; workers, later plays and the callback inherit it by fork
RUN_ID = secrets.token_hex(8)
CONTROLLER_PID = os.getpid()


def require_controller() -> None:
    """Raise RunAbandonedError in a worker whose controlling process has gone: it must put nothing more."""
    if CONTROLLER_PID not in (os.getpid(), os.getppid()):
        raise RunAbandonedError(
            "the ansible-playbook process that controls this run has ended",
            remedy="Run the play again; what was stored without a recovery point expires by itself.",
        )


def pause(seconds: float) -> None:
    """Wait; raises RunAbandonedError where nobody is left to wait for it."""
    time.sleep(seconds)
    require_controller()


def state_dir(option: str | None) -> Path:
    """Where runs keep their folders: the option, ``HOLDFAST_STATE_DIR``, or ``holdfast`` in the user's state folder."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(option or os.environ.get("HOLDFAST_STATE_DIR") or os.path.join(home, "holdfast")).expanduser()


def spoken(actor: Mapping[str, t.Any], change: Mapping[str, str]) -> str:
    """The same in a line for people who find what this run left on a host."""
    who = f"{actor['awx_user']} by AWX" if "awx_user" in actor else f"{actor['user']} on {actor['controller']}"
    ticket = f" for {change['id']}" if "id" in change else ""
    return f"run {actor['run']} of {who}{ticket}"[:200]


def new_id() -> str:
    """An id of 16 hex digits for what one task does on one host."""
    return secrets.token_hex(8)
