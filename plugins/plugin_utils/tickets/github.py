# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are issues of a repository on GitHub, told by their labels.

https://docs.github.com/en/rest/issues/issues?apiVersion=2022-11-28
"""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..errors import FormatError, TicketMissingError, TicketServerError
from ..model import instant
from ..model.ticket import KINDS, NORMAL, Ticket
from .base import digest, line, require_id
from .http import Http
from .paged import Paged

_CHANGE, _APPROVED, _REJECTED = "change", "approved", "rejected"
_KIND, _HOST = "kind::", "host::"


class GitHub(Paged):
    """A change is an issue with the label ``change``; it is open as long as the issue is.

    ``approved`` and ``rejected`` are labels, too, as are ``kind::standard`` and ``host::web1``. An issue plans no
    window; it ends where it was closed.

    :param project: the repository, ``owner/name``.
    """

    name: t.ClassVar[str] = "github"
    of: t.ClassVar[str] = "issues or comments"
    fewer: t.ClassVar[str] = "Have changes that are done closed."

    def __init__(self, http: Http, project: str) -> None:
        super().__init__(http)
        self._issues = f"/repos/{project}/issues"

    def fetch(self, ticket_id: str) -> Ticket:
        issue = None
        if require_id(ticket_id).isdecimal() and not ticket_id.startswith("0"):
            issue = self._http.get(f"{self._issues}/{ticket_id}")
        if issue is None or not self._is_change(issue):
            raise TicketMissingError(
                f"{self._http.server} has no change {ticket_id}, or this credential may not see it",
                item=ticket_id,
                remedy="Name the number of an issue with the label change.",
            )
        ticket = self._ticket(issue)
        if ticket.id != ticket_id:
            raise self._odd("another issue than was asked for")
        return ticket

    def note(self, ticket_id: str, text: str, key: str) -> bool:
        self.fetch(ticket_id)
        comments = f"{self._issues}/{ticket_id}/comments"
        ending = f"\n[{require_id(key)}]"
        # a longer key holds a shorter one, and people quote notes
        if any(str(comment.get("body", "")).endswith(ending) for comment in self._all(comments)):
            return False
        self._http.send("POST", comments, {"body": f"{text}{ending}"})
        return True

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        # what since is held against there is when an issue was last updated, which is not before it was closed
        after = since.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        issues = [
            *self._all(self._issues, labels=_CHANGE, state="open", sort="created", direction="asc"),
            *self._all(self._issues, labels=_CHANGE, state="closed", sort="created", direction="asc", since=after),
        ]
        tickets = {
            ticket.id: ticket
            for ticket in (self._ticket(issue) for issue in issues if self._is_change(issue))
            if ticket.ends is None or ticket.ends > since
        }
        return tuple(tickets[ticket_id] for ticket_id in sorted(tickets))

    def _is_change(self, issue: t.Any) -> bool:
        """Whether an issue is a change; a pull request is an issue there, too, but none."""
        if not isinstance(issue, Mapping):
            raise self._odd("an issue")
        return _CHANGE in self._labels(issue) and not issue.get("pull_request")

    def _labels(self, issue: Mapping[str, t.Any]) -> list[str]:
        labels = issue.get("labels")
        if not isinstance(labels, list):
            raise self._odd("an issue without labels")
        names: list[str] = []
        for label in labels:
            name = label.get("name") if isinstance(label, Mapping) else label
            if not isinstance(name, str):
                raise self._odd("a label")
            names.append(name)
        return sorted(names)

    def _ticket(self, issue: Mapping[str, t.Any]) -> Ticket:
        number, state, user = issue.get("number"), issue.get("state"), issue.get("user")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1 or state not in ("open", "closed"):
            raise self._odd("an issue without number or state")
        labels = self._labels(issue)
        kinds = [label.removeprefix(_KIND) for label in labels if label.startswith(_KIND)]
        # one that is said to be of several kinds is taken as the one that permits least
        kind = kinds[0] if len(kinds) == 1 and kinds[0] in KINDS else NORMAL
        requester = line(user.get("login")) if isinstance(user, Mapping) else ""
        read = {"number": number, "state": state, "labels": labels, "user": requester}
        return Ticket(
            id=str(number),
            provider=self.name,
            kind=kind,
            state=state,
            open=state == "open",
            approved=_APPROVED in labels,
            requester=requester,
            begins=None,
            ends=self._closed(issue) if state == "closed" else None,
            items=tuple(name for name in (line(x.removeprefix(_HOST)) for x in labels if x.startswith(_HOST)) if name),
            digest=digest({**read, "closed_at": issue.get("closed_at"), "state_reason": issue.get("state_reason")}),
            url=line(issue.get("html_url")),
            rejected=_REJECTED in labels or (state == "closed" and issue.get("state_reason") == "not_planned"),
        )

    def _closed(self, issue: Mapping[str, t.Any]) -> dt.datetime:
        try:
            return instant.from_text(str(issue.get("closed_at")))
        except FormatError:
            raise self._odd("a closed_at that is no moment") from None

    def _odd(self, what: str) -> TicketServerError:
        return TicketServerError(
            f"{self._http.server} answers with {what} that is not as the REST API has it",
            item=self._http.server,
            remedy="Look whether holdfast_tickets.url is that of GitHub's API.",
        )
