# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as Jira's REST API does, for the issues of one project.

Its answers are held against the API's published description; nothing here was ever held against a Jira site.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterator

from . import rest
from .rest import Answer, Request

PROJECT = "CHG"
BEGINS, ENDS, KIND, APPROVAL = "customfield_10060", "customfield_10061", "customfield_10005", "customfield_10100"
_MADE = "2026-11-28T01:00:00.000+0000"
_CATEGORIES = {"To Do": "new", "Implementing": "indeterminate", "Awaiting CAB approval": "indeterminate"}


@dataclasses.dataclass
class Jira(rest.Server):
    """A site with the issues of a project, approvals of those that are requests, and comments.

    ``cloud`` says whether it searches as Jira Cloud does; Jira Data Center has no such path.
    """

    vendor: t.ClassVar[str] = "jira"
    cloud: bool = True
    issues: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    approvals: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    comments: dict[str, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    queries: list[str] = dataclasses.field(default_factory=list)

    def add(self, key: str, status: str, *decisions: str, **fields: t.Any) -> None:
        """Have an issue, with what those who approve have decided; without any it is no request of a service desk."""
        category = _CATEGORIES.get(status, "done")
        self.issues[key] = {
            "status": {"name": status, "statusCategory": {"key": category}},
            "resolution": {"name": "Done"} if category == "done" else None,
            "resolutiondate": "2026-11-28T03:00:00.000+0000" if category == "done" else None,
            "reporter": {"accountId": "1", "displayName": "jane"},
            "labels": [],
            BEGINS: None,
            ENDS: None,
            KIND: None,
            APPROVAL: None,
            **fields,
        }
        if decisions:
            self.approvals[key] = list(decisions)

    def answer(self, request: Request) -> Answer | None:
        """What there is."""
        path, query = request.path, request.query
        if path.startswith("/rest/servicedeskapi/request/"):
            return self._approved(path.split("/")[4])
        if path in ("/rest/api/2/search", "/rest/api/2/search/jql"):
            return self._searched(path, query)
        key = path.removeprefix("/rest/api/2/issue/").partition("/")[0]
        # a key is found in any letters
        if key.upper() not in self.issues:
            return None
        if path.endswith("/comment"):
            return self._commented(request, key.upper())
        return Answer(self._issue(key.upper(), query), "IssueBean")

    def _issue(self, key: str, query: t.Mapping[str, str]) -> dict[str, t.Any]:
        asked = query["fields"].split(",")
        fields = {name: value for name, value in self.issues[key].items() if name in asked}
        return {"id": "10001", "self": f"{self.url}/rest/api/2/issue/10001", "key": key, "fields": fields}

    def _approved(self, key: str) -> Answer | None:
        if key not in self.approvals:
            return None
        values = [
            {"id": str(number), "name": "CAB", "finalDecision": decision, "canAnswerApproval": False, "approvers": []}
            for number, decision in enumerate(self.approvals[key])
        ]
        page = {"size": len(values), "start": 0, "limit": 20, "isLastPage": True, "values": values}
        return Answer(page, "PagedApproval")

    def _searched(self, path: str, query: t.Mapping[str, str]) -> Answer | None:
        if path.endswith("jql") is not self.cloud:
            return None
        self.queries.append(query["jql"])
        most = int(query["maxResults"])
        first = int(query.get("nextPageToken", query.get("startAt", 0)))
        keys = sorted(self.issues)
        issues = [self._issue(key, query) for key in keys[first : first + most]]
        if not self.cloud:
            page = {"startAt": first, "maxResults": most, "total": len(keys), "issues": issues}
            return Answer(page, "SearchResults")
        after = {"nextPageToken": str(first + most)} if first + most < len(keys) else {}
        return Answer({"issues": issues, **after}, "SearchAndReconcileResults")

    def _commented(self, request: Request, key: str) -> Answer:
        kept = self.comments.setdefault(key, [])
        if request.method == "POST":
            author = {"accountId": "1", "displayName": "jane"}
            kept.append({"id": str(len(kept)), "author": author, "created": _MADE, "updated": _MADE, **request.body})
            return Answer(kept[-1], "Comment", 201)
        first, most = int(request.query["startAt"]), int(request.query["maxResults"])
        page = {"startAt": first, "maxResults": most, "total": len(kept), "comments": kept[first : first + most]}
        return Answer(page, "PageOfComments")


def serve(site: Jira) -> Iterator[Jira]:
    """Let a site answer on a free port of loopback, until the iterator is closed."""
    yield from rest.serve(site)
