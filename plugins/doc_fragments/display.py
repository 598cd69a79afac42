# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Whether a task prints what it found."""

    DOCUMENTATION = r"""
options:
  display:
    description: Print RV(ignore:report) where C(ansible-playbook) runs, so that no JSON stands around it.
    type: bool
    default: false
"""
