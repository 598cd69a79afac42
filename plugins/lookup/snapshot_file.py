# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file out of a snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
name: snapshot_file
short_description: Read one file out of a snapshot
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Gives the content of a file as a snapshot holds it, as text or in base64.
  - B(This is configuration content, and may hold secrets.) Whatever uses it shows it. Set C(no_log=true) on each task
    that has it among its options, do not register or print it, and do not keep it in facts. This collection masks no
    secrets in what you take out so.
  - Needs the C(open/) half of the keyring. The snapshot's digests are checked on the way, nothing is written to disk,
    and no error repeats content.
  - To see what changed, M(holdfast.config.compare) and M(holdfast.config.file_history) need no content.
extends_documentation_fragment:
  - holdfast.config.repository
options:
  _terms:
    description:
      - Absolute paths as they were on the host. With O(component) also names of the texts of a component that is no
        files, such as C(running) of a device.
    required: true
  host:
    description: The host whose file is meant, by its inventory name or identity. Without it the host of the task.
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
    description: The recovery point of this change. Where the change has several, O(point_name) says which.
    type: str
  point_name:
    description: Only recovery points of this name count, such as C(pre). Goes with O(change_id), O(time) and O(newest).
    type: str
  time:
    description: What was newest at this moment, as C(2026-11-21T01:16:23Z).
    type: str
  newest:
    description: The newest snapshot. Never assumed.
    type: bool
    default: false
  component:
    description: The component that the file is of. Without it the one that declares the path; of several the one
      that was captured last.
    type: str
  encoding:
    description: V(text) is refused for what is not UTF-8; V(base64) takes any file.
    type: str
    choices: [text, base64]
    default: text
notes:
  - Give exactly one of O(recovery_point), O(snapshot), O(alias), O(change_id), O(time) and O(newest).
  - A folder or a symbolic link is refused, and a file of more than 16 MiB. A hard link gives the content of its file.
  - Each term opens its snapshot anew. For many files use M(holdfast.config.restore) under another root.
seealso:
  - module: holdfast.config.compare
  - module: holdfast.config.file_history
  - module: holdfast.config.restore
"""

EXAMPLES = r"""
- name: Take the file back as it was before the change
  ansible.builtin.copy:
    content: "{{ lookup('holdfast.config.snapshot_file', path, change_id='CHG0042', point_name='pre') }}"
    dest: "{{ path }}"
    mode: "0644"
  vars:
    path: /etc/nginx/nginx.conf
  # the content is an option of this task
  no_log: true

- name: Keep a copy of a device's running configuration for the vendor
  ansible.builtin.copy:
    content: "{{ lookup('holdfast.config.snapshot_file', 'running', host='rtr1', component='device', newest=true) }}"
    dest: /root/for-the-vendor.txt
    mode: "0600"
  delegate_to: localhost
  no_log: true
"""

RETURN = r"""
_raw:
  description: The content of each file, in the order of the paths.
  type: list
  elements: str
"""

import typing as t
from collections.abc import Mapping, Sequence

from ansible.plugins.lookup import LookupBase

from ..plugin_utils.adapter import lookup_file


class LookupModule(LookupBase):
    """What Ansible looks up."""

    def run(self, terms: Sequence[t.Any], variables: Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """The content of each file.

        :raises AnsibleLookupError: it is not said which, or it cannot be opened; never with content.
        """
        self.set_options(var_options=variables, direct=kwargs)
        return lookup_file.contents(terms, self.get_options(), kwargs, variables or {}, self._templar.template)
