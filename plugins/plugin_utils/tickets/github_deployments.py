# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are deployments of a repository on GitHub, approved by the reviewers of their environment.

https://docs.github.com/en/rest/deployments and
https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
import urllib.parse
from collections.abc import Mapping, Sequence

from ..errors import FormatError, TicketServerError
from ..model import instant
from ..model.ticket import NORMAL, STANDARD, Ticket
from .base import digest, line
from .deployments import Deployments, account
from .http import Http

_PENDING = "pending"
_OPEN = (_PENDING, "queued", "in_progress")
_ENDED = ("success", "failure", "error", "inactive")
_APPROVED, _REJECTED = "approved", "rejected"
_COMPLETED = "completed"
# a deployment that is older is taken to have ended
_LONGEST = dt.timedelta(days=31)
_MOST = 500
_MOST_PAGES = 500


class GitHubDeployments(Deployments):
    """A change is a deployment; it is approved by reviewers of its environment, in the workflow run that does it.

    What ``holdfast`` of its payload says counts, too: ``hosts`` beside the environment, a window of ``begins`` and
    ``ends``, and ``kind: standard``. Whoever reviews sees it; an emergency would need no review, and is none here.

    :param project: the repository, ``owner/name``.
    """

    name: t.ClassVar[str] = "github_deployments"
    api: t.ClassVar[str] = "GitHub's REST API"
    comments: t.ClassVar[tuple[str, str]] = ("commits", "body")

    def __init__(self, http: Http, project: str) -> None:
        super().__init__(http, f"/repos/{project}")
        self._run = re.compile(rf"/{re.escape(project)}/actions/runs/([1-9][0-9]{{0,18}})(?:/.*)?", re.IGNORECASE)

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        tickets = [self._ticket(row) for row in self._made(since - _LONGEST, until)]
        touching = [ticket for ticket in tickets if ticket.ends is None or ticket.ends > since]
        return tuple(sorted(touching, key=lambda ticket: ticket.id))

    def _made(self, since: dt.datetime, until: dt.datetime) -> list[Mapping[str, t.Any]]:
        """Deployments that were made in that time; the server has the newest first."""
        found: dict[str, Mapping[str, t.Any]] = {}
        for page in range(1, _MOST_PAGES + 1):
            rows = self._page(self._deployments, page)
            if not rows or all(self._moment(row, "created_at") < since for row in rows):
                return list(found.values())
            found.update({self._number(row): row for row in rows if since <= self._moment(row, "created_at") < until})
            if len(found) > _MOST:
                break
        raise TicketServerError(
            f"{self._http.server} has too many deployments for this time, or since then",
            item=self._http.server,
            remedy="Ask for a shorter time.",
        )

    def _ticket(self, deployment: Mapping[str, t.Any]) -> Ticket:
        number, named = self._number(deployment), line(deployment.get("environment"))
        statuses = self._statuses(number)
        state = statuses[-1][1] if statuses else _PENDING
        reviews = self._reviews(deployment, statuses)
        said = self._said(deployment)
        made = self._moment(deployment, "created_at")
        ended = next((at for at, word, _run in statuses if word in _ENDED), None)
        read = {name: deployment.get(name) for name in ("id", "ref", "sha", "task", "environment", "created_at")}
        return Ticket(
            id=number,
            provider=self.name,
            kind=STANDARD if said.get("kind") == STANDARD else NORMAL,
            state=line(state),
            open=state in _OPEN,
            approved=_APPROVED in reviews and _REJECTED not in reviews,
            requester=account(deployment.get("creator"), "login"),
            begins=self._planned(said, "begins") or made,
            ends=ended or self._planned(said, "ends"),
            items=tuple(dict.fromkeys(name for name in (named, *map(line, self._hosts(said))) if name)),
            digest=digest({**read, "state": state, "said": said, "reviews": reviews}),
            url=line(deployment.get("url")),
            rejected=_REJECTED in reviews,
        )

    def _statuses(self, number: str) -> list[tuple[dt.datetime, str, str]]:
        """What it has come to, the oldest first: when, the word, and the workflow run that said so."""
        found = []
        for row in self._all(f"{self._deployments}/{number}/statuses"):
            state, status_id = row.get("state"), row.get("id")
            if not isinstance(state, str) or not isinstance(status_id, int):
                raise self._odd("a status")
            found.append((self._moment(row, "created_at"), status_id, state, self._run_of(row)))
        return [(at, state, run) for at, _status_id, state, run in sorted(found)]

    def _run_of(self, status: Mapping[str, t.Any]) -> str:
        """The number of the workflow run that a status links to; empty where it links to none of this repository."""
        for field in ("log_url", "target_url"):
            try:
                meant = self._run.fullmatch(urllib.parse.urlsplit(str(status.get(field) or "")).path)
            except ValueError:
                continue
            if meant:
                return meant[1]
        return ""

    def _reviews(self, deployment: Mapping[str, t.Any], statuses: Sequence[tuple[dt.datetime, str, str]]) -> list[str]:
        """What reviewers of the environment said in the workflow run of the deployment.

        Anybody who may set a status may name a run: it counts where it is one of the same commit, and had not ended
        before the deployment was made.
        """
        said: list[str] = []
        sha, begun = self._sha(deployment), self._moment(deployment, "created_at")
        for run in dict.fromkeys(run for _at, _state, run in statuses if run):
            made = self._http.get(f"{self._above}/actions/runs/{run}")
            if not isinstance(made, Mapping) or made.get("head_sha") != sha:
                continue
            if made.get("status") == _COMPLETED and self._moment(made, "updated_at") < begun:
                continue
            for review in self._rows(f"{self._above}/actions/runs/{run}/approvals"):
                environments, state = review.get("environments"), review.get("state")
                if not isinstance(environments, list) or not isinstance(state, str):
                    raise self._odd("a review")
                names = [one.get("name") for one in environments if isinstance(one, Mapping)]
                if deployment.get("environment") in names:
                    said.append(state)
        return said

    def _rows(self, path: str) -> list[Mapping[str, t.Any]]:
        rows = self._http.get(path)
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise self._odd("a list")
        return rows

    def _said(self, deployment: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
        payload = deployment.get("payload")
        said = payload.get("holdfast") if isinstance(payload, Mapping) else None
        return said if isinstance(said, Mapping) else {}

    def _hosts(self, said: Mapping[str, t.Any]) -> list[str]:
        hosts = said.get("hosts", [])
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise self._odd("hosts of a payload that are no list of texts, or a payload")
        return hosts

    def _planned(self, said: Mapping[str, t.Any], field: str) -> dt.datetime | None:
        value = said.get(field)
        if value is None:
            return None
        try:
            return instant.from_text(str(value))
        except FormatError:
            raise self._odd(
                f"a {field} of a payload that is no moment like 2026-11-21T01:16:23Z, or a payload"
            ) from None
