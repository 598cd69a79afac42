# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as what modules of the collection ``awx.awx`` take: teams, credentials, jobs, and who may run them.

Nothing here is secret: credentials are named, and what is in them an administrator of AWX puts there. No team has a
role on a credential, so that none can put one into a job of its own. Who launches answers questions, and sets no other
variables: one could name another server, to which the job would bring its secrets. That holds for the workflow too,
whose variables AWX hands on to its jobs whatever these ask for.
"""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterator

from . import matrix

_STORE_TYPE = "Amazon Web Services"
# AWX refuses an injector whose name begins with ANSIBLE_
_VAULT_TYPE: t.Mapping[str, t.Any] = {
    "name": "holdfast Vault",
    "kind": "cloud",
    "description": "How an identity of a repository logs into Vault",
    "inputs": {
        "fields": [
            {"id": "url", "label": "URL", "type": "string"},
            {"id": "role_id", "label": "Role ID", "type": "string"},
            {"id": "secret_id", "label": "Secret ID", "type": "string", "secret": True},
        ],
        "required": ["url", "role_id", "secret_id"],
    },
    "injectors": {
        "env": {
            "VAULT_ADDR": "{{ url }}",
            "HASHI_VAULT_ROLE_ID": "{{ role_id }}",
            "HASHI_VAULT_SECRET_ID": "{{ secret_id }}",
        }
    },
}


def definitions(repository: str, *, organization: str, project: str, inventory: str) -> dict[str, t.Any]:
    """What AWX is to hold for a repository, each key a list of what one module of ``awx.awx`` takes.

    ``apart`` names pairs of teams that must share no member: AWX itself lets who has launched a workflow approve it.

    :param project: whose playbooks are ``<job>.yml``, each an import of the collection's.
    """
    rights = matrix.load()
    place = {"organization": organization}
    return {
        "credential_types": [dict(_VAULT_TYPE)],
        "credentials": [
            {**place, "name": name, "credential_type": kind}
            for identity in _with_jobs(rights)
            for name, kind in _credentials(repository, identity)
        ],
        "teams": [
            {**place, "name": _team(repository, identity), "description": rights.identities[identity]}
            for identity in _with_teams(rights)
        ],
        "job_templates": [
            {
                **place,
                "name": _job(repository, job),
                "description": job.does,
                "job_type": "run",
                "project": project,
                "inventory": inventory,
                "playbook": f"{job.name}.yml",
                "credentials": [name for name, _kind in _credentials(repository, job.identity)],
                **_launched(job),
            }
            for job in rights.jobs
        ],
        "workflow_job_templates": [
            {
                **place,
                "name": _workflow(repository, job),
                "description": f"{job.does}, once it is approved",
                "inventory": inventory,
                **_launched(job),
                "workflow_nodes": _nodes(repository, job, organization),
            }
            for job in rights.jobs
            if job.approved_by
        ],
        "roles": list(_roles(rights, repository, organization)),
        "apart": [[_team(repository, one) for one in pair] for pair in apart()],
    }


def apart() -> list[tuple[str, str]]:
    """Pairs of identities that no one person has: who launches and who approves, and whatever opens and what seals."""
    rights = matrix.load()
    pairs = {pair for job in rights.jobs for pair in itertools.product(job.launched_by, job.approved_by)}
    pairs |= set(itertools.product(("operator",), ("restorer", "custodian")))
    order = matrix.IDENTITIES.index
    return sorted((min(pair, key=order), max(pair, key=order)) for pair in pairs)


def _roles(rights: matrix.Matrix, repository: str, organization: str) -> Iterator[dict[str, t.Any]]:
    for identity in _with_teams(rights):
        told = {"team": _team(repository, identity), "lookup_organization": organization}
        runs = [_job(repository, job) for job in rights.jobs if identity in job.launched_by and not job.approved_by]
        asks = [_workflow(repository, job) for job in rights.jobs if identity in job.launched_by and job.approved_by]
        approves = [_workflow(repository, job) for job in rights.jobs if identity in job.approved_by]
        if runs:
            yield {**told, "role": "execute", "job_templates": runs}
        if asks:
            yield {**told, "role": "execute", "workflows": asks}
        if approves:
            yield {**told, "role": "approval", "workflows": approves}


def _launched(job: matrix.Job) -> dict[str, t.Any]:
    """What who launches it may say. Variables of his own would take the job's secrets to a server of his own."""
    told: dict[str, t.Any] = {
        "ask_limit_on_launch": True,
        "ask_variables_on_launch": False,
        "survey_enabled": bool(job.asks),
    }
    if job.asks:
        spec = [_question(one) for one in job.asks]
        told["survey_spec"] = {"name": job.name, "description": job.does, "spec": spec}
    return told


def _question(asked: matrix.Question) -> dict[str, t.Any]:
    """A question as AWX has it: without an answer no variable is set, which takes a text of one letter or more."""
    told = {
        "question_name": asked.question,
        "question_description": asked.variable,
        "variable": asked.variable,
        "required": False,
        "default": "",
    }
    if asked.choices:
        return {**told, "type": "multiplechoice", "choices": "\n".join(asked.choices)}
    return {**told, "type": "text", "min": 1, "max": 1024}


def _nodes(repository: str, job: matrix.Job, organization: str) -> list[dict[str, t.Any]]:
    approval = {"name": f"{_job(repository, job)}: approve", "type": "workflow_approval"}
    run = {"name": _job(repository, job), "type": "job_template", "organization": {"name": organization}}
    return [
        {
            "identifier": "approve",
            "unified_job_template": approval,
            "related": {"success_nodes": [{"identifier": "run"}]},
        },
        {"identifier": "run", "unified_job_template": run},
    ]


def _with_jobs(rights: matrix.Matrix) -> list[str]:
    return [each for each in matrix.IDENTITIES if any(each == job.identity for job in rights.jobs)]


def _with_teams(rights: matrix.Matrix) -> list[str]:
    return [
        each for each in matrix.IDENTITIES if any(each in (*job.launched_by, *job.approved_by) for job in rights.jobs)
    ]


def _credentials(repository: str, identity: str) -> list[tuple[str, str]]:
    """Names of an identity's credentials, and their types."""
    return [
        (f"{_team(repository, identity)} {kind}", of_type)
        for kind, of_type in (("Vault", _VAULT_TYPE["name"]), ("store", _STORE_TYPE))
    ]


def _team(repository: str, identity: str) -> str:
    return f"holdfast-{repository}-{identity}"


def _job(repository: str, job: matrix.Job) -> str:
    return f"holdfast-{repository}: {job.name}"


def _workflow(repository: str, job: matrix.Job) -> str:
    return f"{_job(repository, job)}, approved"
