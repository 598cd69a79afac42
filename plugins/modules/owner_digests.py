# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: owner_digests
short_description: Tell each owner how the backups of what they own stand, and what waits for them
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Judges each component of each host of the inventory as M(holdfast.config.coverage_info) does, and tells each owner
    what is late, what is a gap, which exceptions accept it and which of them expire within 30 days, and which requests
    people may sign. It names things and how they stand, and holds no content.
  - Writes a text and a JSON file for each owner, and sends the text by mail where O(smtp) names a server, to those
    contacts and stewards of the owner's components that are mail addresses.
  - Reads all hosts of the inventory, whichever the play names, so run it once. No host is connected to, no content is
    read, and no key is needed.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
attributes:
  check_mode:
    support: full
    details: Neither files are written nor mail is sent.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: With O(interval_days=0) mail is sent each time.
options:
  path:
    description:
      - The folder of the files, on the controller. It is made with mode 0700 where it is missing; the files have mode
        0600. Each is named after its owner, in the spelling of a URL.
    type: path
    required: true
  smtp:
    description: The mail server. Without it no mail is sent.
    type: dict
    suboptions:
      host:
        description: Its name or address.
        type: str
        required: true
      port:
        description: Its port. Without it 587, with O(smtp.security=tls) 465, with O(smtp.security=none) 25.
        type: int
      security:
        description:
          - V(starttls) encrypts after the greeting, V(tls) from the start. V(none) does not, and sends no password.
        type: str
        choices: [starttls, tls, none]
        default: starttls
      from:
        description: The address that the mail is from.
        type: str
        required: true
      username:
        description: As whom to log in. Without it there is no login.
        type: str
      password_file:
        description:
          - A file on the controller that holds the password, and that nobody else can read. The environment variable
            E(HOLDFAST_SMTP_PASSWORD) goes before it.
        type: path
      ca_path:
        description: A file of certificates that are trusted in place of the system's.
        type: path
      timeout:
        description: Seconds that each step of the talk may take.
        type: float
        default: 30.0
  interval_days:
    description:
      - For so many days the same digest is not sent to the same addresses again. V(0) sends it each time.
    type: int
    default: 7
seealso:
  - module: holdfast.config.coverage_info
  - module: holdfast.config.record
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Tell owners
  holdfast.config.owner_digests:
    path: /var/lib/holdfast/owners
    smtp:
      host: mail.example.org
      from: backup@example.org
      username: backup
      password_file: /etc/holdfast/smtp
  run_once: true
"""

RETURN = r"""
owners:
  description: Each owner, and how it stands.
  returned: success
  type: list
  elements: dict
  contains:
    owner:
      description: The owner, as components name them.
      type: str
      sample: web-team
    path:
      description: The text file.
      type: str
      sample: /var/lib/holdfast/owners/web-team.txt
    state:
      description: How it stands, in a few words.
      type: str
      sample: 12 covered, 0 late, 1 gap, 0 accepted, 2 to look at
written:
  description: Files that were not as they should be.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/holdfast/owners/web-team.txt]
mailed:
  description: Owners to whom mail was sent.
  returned: success
  type: list
  elements: str
  sample: [web-team]
"""
