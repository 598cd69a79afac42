# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are deployments of a project in GitLab.

https://docs.gitlab.com/api/deployments/ and https://docs.gitlab.com/ci/environments/deployment_approvals/
"""

from __future__ import annotations

import datetime as dt
import typing as t
import urllib.parse
from collections.abc import Mapping

from ..model import instant
from ..model.ticket import NORMAL, Ticket
from .base import digest, line
from .deployments import Deployments, account
from .http import Http

# `blocked` waits for those who approve
_OPEN = ("created", "running")
_UNENDED = (*_OPEN, "blocked")
_CANCELED, _APPROVED, _REJECTED = "canceled", "approved", "rejected"


class GitLab(Deployments):
    """A change is a deployment; its environment is its only item.

    It is approved where the environment is a protected one that takes approvals, all of them are there, and nobody
    rejected it. An environment that takes none, as GitLab Free has them, has nobody who approves.

    :param project: its path, ``group/project``, or its number.
    """

    name: t.ClassVar[str] = "gitlab"
    api: t.ClassVar[str] = "GitLab's REST API"
    comments: t.ClassVar[tuple[str, str]] = ("repository/commits", "note")

    def __init__(self, http: Http, project: str) -> None:
        super().__init__(http, f"/api/v4/projects/{urllib.parse.quote(project, safe='')}")

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        # whatever ended later was updated later
        rows = self._all(self._deployments, order_by="updated_at", sort="asc", updated_after=instant.to_text(since))
        for status in _UNENDED:
            rows += self._all(self._deployments, order_by="id", sort="asc", status=status)
        # a list has no approvals
        numbers = {self._number(row): row for row in rows if self._moment(row, "created_at") < until}
        tickets = [self.fetch(number) for number in sorted(numbers)]
        return tuple(ticket for ticket in tickets if ticket.ends is None or ticket.ends > since)

    def _ticket(self, deployment: Mapping[str, t.Any]) -> Ticket:
        status, environment = deployment.get("status"), deployment.get("environment")
        named = line(environment.get("name")) if isinstance(environment, Mapping) else ""
        if not isinstance(status, str) or not status:
            raise self._odd("a deployment without a status")
        said, lacking = self._approvals(deployment)
        read = {
            name: deployment.get(name)
            for name in ("id", "iid", "ref", "sha", "status", "created_at", "pending_approval_count")
        }
        return Ticket(
            id=self._number(deployment),
            provider=self.name,
            kind=NORMAL,
            state=line(status),
            open=status in _OPEN,
            approved=_APPROVED in said and _REJECTED not in said and not lacking,
            requester=account(deployment.get("user"), "username"),
            begins=self._moment(deployment, "created_at"),
            ends=None if status in _UNENDED else self._ended(deployment),
            items=(named,) if named else (),
            digest=digest({**read, "environment": named, "said": said}),
            rejected=_REJECTED in said or status == _CANCELED,
        )

    def _approvals(self, deployment: Mapping[str, t.Any]) -> tuple[list[str], bool]:
        """What those who approve have said, and whether some of it is lacking."""
        rows = deployment.get("approvals") or []
        summary = deployment.get("approval_summary") or {}
        rules = summary.get("rules") or [] if isinstance(summary, Mapping) else None
        if not isinstance(rows, list) or not isinstance(rules, list):
            raise self._odd("approvals")
        lacking = bool(deployment.get("pending_approval_count"))
        said = [self._said(row) for row in rows]
        for rule in rules:
            given = rule.get("deployment_approvals") if isinstance(rule, Mapping) else None
            needed = rule.get("required_approvals") if isinstance(rule, Mapping) else None
            if not isinstance(given, list) or not isinstance(needed, int):
                raise self._odd("an approval rule")
            answers = [self._said(row) for row in given]
            lacking = lacking or answers.count(_APPROVED) < needed
            said += answers
        return said, lacking

    def _said(self, row: t.Any) -> str:
        status = row.get("status") if isinstance(row, Mapping) else None
        if not isinstance(status, str):
            raise self._odd("an approval")
        return status

    def _ended(self, deployment: Mapping[str, t.Any]) -> dt.datetime:
        """When its job ended; of one that no job made, when its status was last set."""
        job = deployment.get("deployable")
        if isinstance(job, Mapping) and job.get("finished_at"):
            return self._moment(job, "finished_at")
        return self._moment(deployment, "updated_at")
