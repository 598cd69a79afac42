# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as GitLab's REST API does, for the deployments of one project.

Its answers are held against the schemas that GitLab's own tests use; nothing here was ever held against GitLab.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from . import rest
from .rest import Answer, Request

PROJECT = "example/changes"
SHA = "a91957a858320c0e17f3a0eca7cfacbff50ea29a"
_ABOVE = "/api/v4/projects/example%2Fchanges"
_MADE = "2026-11-28T02:00:00.444+01:00"


def user(username: str = "jane") -> dict[str, t.Any]:
    """An account as answers have it."""
    web = f"https://gitlab.example/{username}"
    return {"id": 1, "username": username, "name": username, "state": "active", "avatar_url": web, "web_url": web}


def approval(status: str) -> dict[str, t.Any]:
    """What somebody said of a deployment."""
    return {"user": user("joe"), "status": status, "created_at": _MADE, "comment": "seen"}


@dataclasses.dataclass
class GitLab(rest.Server):
    """A project with its deployments, and comments of commits."""

    vendor: t.ClassVar[str] = "gitlab"
    deployments: dict[int, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    comments: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)

    def deploy(self, number: int, status: str, *said: str, finished_at: str | None = None, **fields: t.Any) -> None:
        """Have a deployment, with what those who approve said of it; without any there is nobody who approves."""
        approved = {"pending_approval_count": 0, "approvals": [approval(one) for one in said]} if said else {}
        self.deployments[number] = {
            "id": number,
            "iid": number,
            "ref": "main",
            "sha": SHA,
            "status": status,
            "created_at": _MADE,
            "updated_at": finished_at or _MADE,
            "user": user(),
            "environment": {"id": 9, "name": "production", "external_url": None},
            "deployable": {"id": 664, "status": status, "stage": "deploy", "finished_at": finished_at},
            **approved,
            **fields,
        }

    def answer(self, request: Request) -> Answer | None:
        """What there is at a path below the project."""
        if not request.path.startswith(f"{_ABOVE}/"):
            return None
        query = request.query
        first = (int(query.get("page", 1)) - 1) * int(query.get("per_page", 20))
        last = first + int(query.get("per_page", 20))
        kind, *path = request.path.removeprefix(f"{_ABOVE}/").split("/")
        if kind == "deployments" and path:
            found = self.deployments.get(int(path[0]))
            return None if found is None else Answer(found, "deployment")
        if kind == "deployments":
            if "updated_after" in query and query.get("order_by") != "updated_at":
                return Answer({"message": "400 Bad request"}, "[deployment]", 400)
            rows = [
                {name: value for name, value in row.items() if "approv" not in name}
                for row in self.deployments.values()
                if row["status"] == query.get("status", row["status"])
                and row["updated_at"] >= query.get("updated_after", "")
            ]
            return Answer(rows[first:last], "[deployment]")
        if kind != "repository" or path[0] != "commits" or path[2:] != ["comments"]:
            return None
        kept = self.comments.setdefault(path[1], [])
        if request.method == "GET":
            return Answer(kept[first:last], "[commit_note]")
        where: dict[str, t.Any] = {"path": None, "line": None, "line_type": None}
        kept.append({"note": request.body["note"], "author": user(), "created_at": _MADE, **where})
        return Answer(kept[-1], "commit_note", 201)


def serve(project: GitLab) -> Iterator[GitLab]:
    """Let a project answer on a free port of loopback, until the iterator is closed."""
    yield from rest.serve(project)
