# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which snapshots are meant."""

    DOCUMENTATION = r"""
options:
  source_host:
    description: The host whose configuration is meant, by its inventory name or identity, where it is not the host of
      the task.
    type: str
  recovery_point:
    description: The recovery point with this id, or at least its first 12 digits.
    type: str
  snapshot:
    description: The snapshot with this digest, or at least its first 12 digits.
    type: str
  alias:
    description: The recovery point that was given this name when it was opened, such as C(v1.4.2).
    type: str
  change_id:
    description:
      - The recovery point of this change, such as C(CHG0042). Where the change has several, as before and after it,
        O(point_name) says which; nothing is guessed.
    type: str
  point_name:
    description: Only recovery points of this name count, such as C(pre). Goes with O(change_id), O(time) and O(newest).
    type: str
  time:
    description: What was newest at this moment, as C(2026-11-21T01:16:23Z).
    type: str
  newest:
    description: The newest snapshot of each component. Never assumed.
    type: bool
    default: false
  components:
    description: These components only.
    type: list
    elements: str
  paths:
    description:
      - These paths only, with all below them. A path may hold C(*), C(?), C([…]) and C(**), as in excludes.
    type: list
    elements: str
notes:
  - Give exactly one of O(recovery_point), O(snapshot), O(alias), O(change_id), O(time) and O(newest).
"""
