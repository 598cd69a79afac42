# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What actions state of themselves; a module describes its own support."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what it would do, changing nothing.
  diff_mode:
    description: Says in diff mode what has changed, or in check mode what would; configuration content only where that
      is said, and never its secrets.
  idempotent:
    description: When run twice in a row without a change between, the second run reports no change.
"""

    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/holdfast.config.holdfast) in C(module_defaults) to set options for this module.
    support: full
    membership:
      - holdfast.config.holdfast
"""
