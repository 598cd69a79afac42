# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where change tickets are kept."""

    DOCUMENTATION = r"""
options:
  tickets:
    description:
      - Where change tickets are kept. Without it the variable C(holdfast_tickets) holds.
      - Secrets are read from the environment, E(HOLDFAST_TICKETS_TOKEN), or E(HOLDFAST_TICKETS_USERNAME) and
        E(HOLDFAST_TICKETS_PASSWORD), or from files that nobody else can read.
    type: dict
    suboptions:
      provider:
        description:
          - V(servicenow) for change requests by the Table API of ServiceNow, V(github) for labelled issues of a
            repository on GitHub, V(file) for a file of YAML or JSON.
        type: str
        choices: [servicenow, github, file]
        required: true
      url:
        description: The server, C(https://instance.service-now.com), or C(https://api.github.com).
        type: str
      project:
        description: The repository whose issues are changes, C(owner/name). For V(github) only.
        type: str
      path:
        description: The file of tickets.
        type: path
      username:
        description: The user whose password is given. Without it a token is sent.
        type: str
      token_file:
        description: A file that holds the token.
        type: path
      password_file:
        description: A file that holds the password.
        type: path
      ca_path:
        description: A PEM file of authorities to believe instead of the system's.
        type: path
      timeout:
        description: Seconds for each whole answer.
        type: float
        default: 10.0
      host_names:
        description:
          - What configuration items call the host. Without it they are its inventory name and its C(holdfast_host_id).
        type: list
        elements: str
"""
