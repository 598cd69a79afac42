# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as GitHub's REST API does, for issues and deployments of one repository.

Its answers are held against the API's published description; nothing here was ever held against GitHub.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterator, Sequence

from . import rest
from .rest import TOKEN, Answer, Request

__all__ = ["PROJECT", "TOKEN", "GitHub", "serve", "user"]

PROJECT = "example/changes"
SHA = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
_ABOVE = f"/repos/{PROJECT}"
_MADE = "2026-11-28T01:00:00Z"
_PLACES = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")


def user(login: str = "jane") -> dict[str, t.Any]:
    """An account as answers have it."""
    api = f"https://api.github.example/users/{login}"
    return {
        "login": login,
        "id": 1,
        "node_id": "MDQ6VXNlcjE=",
        "avatar_url": f"https://github.example/{login}.gif",
        "gravatar_id": "",
        "url": api,
        "html_url": f"https://github.example/{login}",
        "received_events_url": f"{api}/received_events",
        "type": "User",
        "site_admin": False,
        **{f"{place}_url": f"{api}/{place}" for place in _PLACES},
    }


@dataclasses.dataclass
class GitHub(rest.Server):
    """A repository with its issues, deployments, workflow runs and comments."""

    vendor: t.ClassVar[str] = "github"
    issues: dict[int, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    deployments: dict[int, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    statuses: dict[int, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    runs: dict[int, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    reviews: dict[int, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    # of issues by their number, of commits by their hash
    comments: dict[int | str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)

    def add(self, number: int, *labels: str, closed_at: str | None = None, **fields: t.Any) -> None:
        """Have an issue; one with a moment of closing is closed."""
        api = f"https://api.github.example{_ABOVE}"
        self.issues[number] = {
            "id": number,
            "node_id": "MDU6SXNzdWUx",
            "number": number,
            "title": "a change",
            "locked": False,
            "comments": 0,
            "assignee": None,
            "milestone": None,
            "state": "open" if closed_at is None else "closed",
            "state_reason": None if closed_at is None else "completed",
            "labels": [{"name": label} for label in labels],
            "user": user(),
            "created_at": "2026-11-01T00:00:00Z",
            "closed_at": closed_at,
            "updated_at": closed_at or "2026-11-01T00:00:00Z",
            "html_url": f"https://github.example/{PROJECT}/issues/{number}",
            "repository_url": api,
            **{f"{of}url": f"{api}/issues/{number}" for of in ("", "labels_", "comments_", "events_")},
            **fields,
        }

    def deploy(
        self,
        number: int,
        *states: str,
        environment: str = "production",
        review: str | None = None,
        made: str = _MADE,
        **fields: t.Any,
    ) -> None:
        """Have a deployment that came to *states*, a minute after another; a workflow run does it where it is reviewed.

        :param review: what a reviewer said.
        """
        api = f"https://api.github.example{_ABOVE}"
        self.deployments[number] = {
            "id": number,
            "node_id": "MDEwOkRlcGxveW1lbnQx",
            "sha": SHA,
            "ref": "main",
            "task": "deploy",
            "payload": {},
            "environment": environment,
            "description": None,
            "creator": user(),
            "created_at": made,
            "updated_at": made,
            "url": f"{api}/deployments/{number}",
            "statuses_url": f"{api}/deployments/{number}/statuses",
            "repository_url": api,
            **fields,
        }
        run = f"https://github.example/{PROJECT}/actions/runs/{number}/job/1" if review else ""
        self.statuses[number] = [self._status(number, order, state, run) for order, state in enumerate(states, start=1)]
        if review:
            self._reviewed(number, environment, review)

    def _status(self, number: int, order: int, state: str, run: str) -> dict[str, t.Any]:
        api = f"https://api.github.example{_ABOVE}"
        at = f"2026-11-28T02:{order:02}:00Z"
        return {
            "id": number * 100 + order,
            "node_id": "MDE2OkRlcGxveW1lbnRTdGF0dXMx",
            "state": state,
            "creator": user(),
            "description": "",
            "target_url": "",
            "log_url": run,
            "url": f"{api}/deployments/{number}/statuses/{order}",
            "deployment_url": f"{api}/deployments/{number}",
            "repository_url": api,
            "created_at": at,
            "updated_at": at,
        }

    def _reviewed(self, number: int, environment: str, review: str) -> None:
        api = f"https://api.github.example{_ABOVE}/actions/runs/{number}"
        places = ("jobs", "logs", "check_suite", "artifacts", "cancel", "rerun", "workflow", "html")
        self.runs[number] = {
            "id": number,
            "node_id": "MDEyOldvcmtmbG93IFJ1bjE=",
            "head_branch": "main",
            "head_sha": self.deployments[number]["sha"],
            "path": ".github/workflows/deploy.yml",
            "display_title": "Deploy",
            "run_number": 1,
            "event": "push",
            "status": "in_progress",
            "conclusion": None,
            "workflow_id": 1,
            "url": api,
            "pull_requests": [],
            "created_at": _MADE,
            "updated_at": _MADE,
            "head_commit": None,
            "repository": {},
            "head_repository": {},
            **{f"{place}_url": f"{api}/{place}" for place in places},
        }
        self.reviews[number] = [
            {"state": review, "comment": "seen", "user": user("joe"), "environments": [{"name": environment}]}
        ]

    def answer(self, request: Request) -> Answer | None:
        """What there is at a path below the repository."""
        if not request.path.startswith(f"{_ABOVE}/"):
            return None
        first = (int(request.query.get("page", 1)) - 1) * int(request.query.get("per_page", 30))
        last = first + int(request.query.get("per_page", 30))
        kind, *rest_of = request.path.removeprefix(f"{_ABOVE}/").split("/")
        if kind == "issues":
            return self._issues(request, rest_of, first, last)
        if kind == "deployments":
            return self._deployments(rest_of, first, last)
        if kind == "commits" and re.fullmatch(r"[0-9a-f]{40}", rest_of[0]) and rest_of[1:] == ["comments"]:
            return self._commented(request, rest_of[0], first, last)
        if kind == "actions" and rest_of[0] == "runs":
            number = int(rest_of[1])
            if rest_of[2:] == ["approvals"]:
                return Answer(self.reviews.get(number, []), "[environment-approvals]")
            return Answer(self.runs[number], "workflow-run") if number in self.runs else None
        return None

    def _issues(self, request: Request, path: Sequence[str], first: int, last: int) -> Answer | None:
        if path[1:] == ["comments"]:
            number, kept = int(path[0]), self.comments.setdefault(int(path[0]), [])
            if request.method == "GET":
                return Answer(kept[first:last], "[issue-comment]")
            kept.append(comment(request.body["body"], f"issues/{number}"))
            return Answer(kept[-1], "issue-comment", 201)
        if path:
            return Answer(self.issues[int(path[0])], "issue") if int(path[0]) in self.issues else None
        query = request.query
        rows = [
            issue
            for issue in self.issues.values()
            if issue["state"] == query["state"]
            and query["labels"] in [label["name"] for label in issue["labels"]]
            and issue["updated_at"] >= query.get("since", "")
        ]
        return Answer(rows[first:last], "[issue]")

    def _deployments(self, path: Sequence[str], first: int, last: int) -> Answer | None:
        if path[1:] == ["statuses"]:
            # the newest first
            return Answer(self.statuses.get(int(path[0]), [])[::-1][first:last], "[deployment-status]")
        if path:
            found = self.deployments.get(int(path[0]))
            return None if found is None else Answer(found, "deployment")
        rows = sorted(self.deployments.values(), key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return Answer(rows[first:last], "[deployment]")

    def _commented(self, request: Request, sha: str, first: int, last: int) -> Answer:
        kept = self.comments.setdefault(sha, [])
        if request.method == "GET":
            return Answer(kept[first:last], "[commit-comment]")
        told = comment(request.body["body"], f"commits/{sha}")
        kept.append(
            {**told, "path": None, "position": None, "line": None, "commit_id": sha, "author_association": "NONE"}
        )
        return Answer(kept[-1], "commit-comment", 201)


def comment(body: str, of: str) -> dict[str, t.Any]:
    """A comment as answers have it."""
    api = f"https://api.github.example{_ABOVE}/{of}"
    return {
        "id": 1,
        "node_id": "MDEyOklzc3VlQ29tbWVudDE=",
        "body": body,
        "user": user(),
        "created_at": _MADE,
        "updated_at": _MADE,
        **{f"{place}url": api for place in ("", "html_", "issue_")},
    }


def serve(repository: GitHub) -> Iterator[GitHub]:
    """Let a repository answer on a free port of loopback, until the iterator is closed."""
    yield from rest.serve(repository)
