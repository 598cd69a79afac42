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
          - V(servicenow) for change requests by the Table API of ServiceNow, V(jira) for issues of a project in Jira,
            V(gitlab) for deployments of a project in GitLab, V(github_deployments) for deployments of a repository on
            GitHub, V(github) for its labelled issues, V(file) for a file of YAML or JSON.
        type: str
        choices: [servicenow, jira, gitlab, github_deployments, github, file]
        required: true
      url:
        description:
          - The server, as C(https://instance.service-now.com), C(https://site.atlassian.net), C(https://gitlab.example.com)
            or C(https://api.github.com).
        type: str
      project:
        description:
          - Of GitHub the repository, C(owner/name). Of GitLab the project, C(group/project) or its number. Of Jira the
            key of the project.
        type: str
      fields:
        description: Which fields of an issue say what a change says. For V(jira) only.
        type: dict
        suboptions:
          begins:
            description: The planned start, a field of date and time such as C(customfield_10060).
            type: str
          ends:
            description: The planned end.
            type: str
          kind:
            description: Whether it is a normal, standard or emergency change.
            type: str
          items:
            description: The hosts, or services, that it is about.
            type: str
            default: labels
          approval:
            description:
              - What says C(Approved). Without it the approvals of Jira Service Management count.
            type: str
      states:
        description:
          - Names of the states in which work is done, in any case. Without it they are C(Awaiting implementation) and
            C(Implementing). For V(jira) only.
        type: list
        elements: str
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
      repository:
        description:
          - What work on the repository as a whole takes of a change. V(record) does not hold it against the ticket,
            V(verify) does where one is named, V(require) demands one of what changes its root, bucket,
            keyring or schedules.
        type: str
        choices: [record, verify, require]
        default: verify
      repository_names:
        description: What configuration items call the repository. Without it that is its name.
        type: list
        elements: str
"""
