# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Amazon's own command line, in an environment of its own: it wants other versions than what is tested here."""

from __future__ import annotations

from pathlib import Path

from .sshd import MissingToolError

_PROGRAM = Path(__file__).parents[2] / ".dev" / "aws" / "bin" / "aws"


def programs() -> Path:
    """The folder of ``aws``, which has a Python too: of the path it is the last of somebody's own.

    :raises MissingToolError: it is not there.
    """
    if not _PROGRAM.exists():
        raise MissingToolError(f"{_PROGRAM} is not there: `make test-integration` makes it, of requirements/aws.txt")
    return _PROGRAM.parent
