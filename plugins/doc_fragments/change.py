# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The context of a run."""

    DOCUMENTATION = r"""
options:
  change:
    description:
      - Why this run takes place; it stands in the recovery point or record. Without it the variable C(holdfast_change)
        holds.
    type: dict
    suboptions:
      id:
        description: The change ticket.
        type: str
      window:
        description: The change window, as the ticket names it.
        type: str
      requester:
        description: Who asked for the change.
        type: str
      deployment:
        description: The deployment that this run belongs to.
        type: str
      version:
        description: The version of the application that is deployed.
        type: str
      environment:
        description: The environment, like C(production).
        type: str
      deployer:
        description: Who or what deploys.
        type: str
"""
