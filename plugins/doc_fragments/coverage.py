# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Of which part of a fleet a task tells, and into which files."""

    DOCUMENTATION = r"""
options:
  cmdb:
    description: An export of the CMDB. Hosts that it names and the inventory does not are gaps. An empty one is
      refused.
    type: dict
    suboptions:
      path:
        description: The file on the controller, in UTF-8.
        type: path
        required: true
      format:
        description:
          - V(csv) with a line of headings (RFC 4180), or V(json), a list of objects. Without it JSON where O(cmdb.path)
            ends in C(.json), else CSV.
        type: str
        choices: [csv, json]
      host_field:
        description: The column, or key, that names the host. Case and a final dot mean nothing; a domain does.
        type: str
        default: name
  hosts:
    description: Tell of these hosts and groups of the inventory alone; one at least. Without it of all.
    type: list
    elements: str
  owner:
    description:
      - Tell of what this one owns alone. Hosts for which nothing is declared, hosts that only the CMDB names, and
        components without an owner are nobody's, and are not told of then.
    type: str
  path:
    description: A file on the controller to which all of it is written as JSON. An existing file is replaced.
    type: path
  html:
    description:
      - A file on the controller to which all of it is written as a page to read and print, without script. An existing
        file is replaced.
    type: path
"""
