# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are issues of a project in Jira, with approvals of Jira Service Management or in a field.

https://developer.atlassian.com/cloud/jira/platform/rest/v2/ and
https://developer.atlassian.com/cloud/jira/service-desk/rest/api-group-request/. Version 2 of the platform's API is the
one that Jira Cloud and Jira Data Center both have, and the one whose comments are texts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import TicketMissingError, TicketServerError
from ..model.ticket import KINDS, NORMAL, Ticket
from .base import Provider, digest, line, require_id
from .http import Http

_API = "/rest/api/2"
_APPROVALS = "/rest/servicedeskapi/request/{key}/approval"
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_]+)-[1-9][0-9]*")
# where work is done in the change workflow that Jira Service Management comes with
STATES = ("Awaiting implementation", "Implementing")
_DONE = "done"
_APPROVED = "approved"
# words by which states, resolutions and decisions say no
_NO = ("declined", "rejected", "canceled", "cancelled", "withdrawn", "won't do")
# a comment of 32,767 characters is the longest, and an answer has 1 MiB
_PAGE = 20
_MOST_PAGES = 100
_MOST = 1000
# a query's moments are in the time zone of whoever asks, which may be 14 hours away
_MARGIN = dt.timedelta(days=1)
_CUSTOM = re.compile(r"customfield_([0-9]{1,12})")


@dataclasses.dataclass(frozen=True)
class Fields:
    """The fields of an issue that say what a change says; Jira has them per site.

    ``begins`` and ``ends`` are of date and time; none where a site plans no window. ``kind`` names one of KINDS,
    ``items`` hosts or services. Without ``approval`` those of Jira Service Management count.
    """

    begins: str = ""
    ends: str = ""
    kind: str = ""
    items: str = "labels"
    approval: str = ""


class Jira(Provider):
    """A change is an issue of one project.

    :param project: its key.
    :param states: names of the states in which work is done, in any case.
    """

    name: t.ClassVar[str] = "jira"

    def __init__(self, http: Http, project: str, fields: Fields, states: Sequence[str] = STATES) -> None:
        self._http = http
        self._project = project
        self._fields = fields
        self._open = [state.casefold() for state in states]
        own = (value for value in dataclasses.asdict(fields).values() if value)
        self._asked = ",".join(dict.fromkeys(("status", "resolution", "resolutiondate", "reporter", *own)))

    def fetch(self, ticket_id: str) -> Ticket:
        meant = _KEY.fullmatch(require_id(ticket_id))
        issue = None
        if meant and meant[1].upper() == self._project:
            issue = self._http.get(f"{_API}/issue/{ticket_id}", fields=self._asked)
        if issue is None:
            raise TicketMissingError(
                f"{self._http.server} has no change {ticket_id}, or this credential may not see it",
                item=ticket_id,
                remedy=f"Name the key of an issue of project {self._project}.",
            )
        key = self._key(issue)
        if key != ticket_id:
            raise TicketMissingError(
                f"{self._http.server} has no change {ticket_id}, but {key}",
                item=ticket_id,
                remedy="Name the change by its key, in the same letters.",
            )
        return self._ticket(issue)

    def note(self, ticket_id: str, text: str, key: str) -> bool:
        self.fetch(ticket_id)
        comments = f"{_API}/issue/{ticket_id}/comment"
        # in brackets it would become a link
        ending = f"({require_id(key)})"
        if any(body.rstrip().rpartition("\n")[2].strip() == ending for body in self._comments(comments)):
            return False
        # what a service desk shows to customers is no place for it
        hidden = {"key": "sd.public.comment", "value": {"internal": True}}
        self._http.send("POST", comments, {"body": f"{text}\n{ending}", "properties": [hidden]})
        return True

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        issues = self._search(self._query(since - _MARGIN, until + _MARGIN))
        tickets = {ticket.id: ticket for ticket in map(self._ticket, issues)}
        touching = [
            ticket
            for ticket in tickets.values()
            if (ticket.begins is None or ticket.begins < until) and (ticket.ends is None or ticket.ends > since)
        ]
        return tuple(sorted(touching, key=lambda ticket: ticket.id))

    def _query(self, since: dt.datetime, until: dt.datetime) -> str:
        terms = [f'project = "{self._project}"']
        begins, ends = _CUSTOM.fullmatch(self._fields.begins), _CUSTOM.fullmatch(self._fields.ends)
        if begins:
            terms.append(f"(cf[{begins[1]}] is EMPTY OR cf[{begins[1]}] <= {_quoted(until)})")
        if ends:
            terms.append(
                f"(cf[{ends[1]}] >= {_quoted(since)} OR cf[{ends[1]}] is EMPTY AND"
                f" (resolutiondate is EMPTY OR resolutiondate >= {_quoted(since)}))"
            )
        elif not self._fields.ends:
            terms.append(f"(resolutiondate is EMPTY OR resolutiondate >= {_quoted(since)})")
        return f"{' AND '.join(terms)} ORDER BY key ASC"

    def _search(self, query: str) -> list[Mapping[str, t.Any]]:
        """All issues of a query: as Jira Cloud has them, by tokens, else as Jira Data Center does, by numbers."""
        found: list[Mapping[str, t.Any]] = []
        asked = {"jql": query, "fields": self._asked, "maxResults": str(_PAGE)}
        after: dict[str, str] = {}
        path = f"{_API}/search/jql"
        for _page in range(_MOST_PAGES):
            page = self._http.get(path, **asked, **after)
            if page is None and path.endswith("/jql"):
                path = f"{_API}/search"
                continue
            issues = self._rows(page, "issues")
            found += issues
            token = page.get("nextPageToken")
            # Jira Cloud may have a page without issues before others
            if not (token if path.endswith("/jql") else issues):
                return found
            if len(found) >= _MOST:
                break
            after = {"nextPageToken": str(token)} if path.endswith("/jql") else {"startAt": str(len(found))}
        raise TicketServerError(
            f"{self._http.server} has {_MOST} changes or more for this time",
            item=self._http.server,
            remedy="Ask for a shorter time, and have changes that are done closed.",
        )

    def _comments(self, path: str) -> list[str]:
        found: list[str] = []
        for _page in range(_MOST_PAGES):
            asked = {"startAt": str(len(found)), "maxResults": str(_PAGE)}
            rows = self._rows(self._http.get(path, **asked), "comments")
            if not rows:
                return found
            found += [str(row.get("body", "")) for row in rows]
        raise TicketServerError(
            f"{self._http.server} has {_PAGE * _MOST_PAGES} comments or more of this change",
            item=self._http.server,
            remedy="Write what was backed up into another change.",
        )

    def _approvals(self, key: str) -> list[Mapping[str, t.Any]]:
        """The approvals of a request; none where it is no request of a service desk."""
        found: list[Mapping[str, t.Any]] = []
        for _page in range(_MOST_PAGES):
            page = self._http.get(_APPROVALS.format(key=key), start=str(len(found)), limit=str(_PAGE))
            if page is None:
                return found
            rows = self._rows(page, "values")
            found += rows
            # one that is not seen might say no
            if not rows or page.get("isLastPage") is True:
                return found
        raise self._odd("approvals without an end")

    def _rows(self, page: t.Any, field: str) -> list[Mapping[str, t.Any]]:
        rows = page.get(field) if isinstance(page, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise self._odd(f"a page without {field}")
        return rows

    def _key(self, issue: t.Any) -> str:
        key = issue.get("key") if isinstance(issue, Mapping) else None
        # it becomes part of a path
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise self._odd("an issue without a key")
        return key

    def _ticket(self, issue: Mapping[str, t.Any]) -> Ticket:
        key, fields = self._key(issue), issue.get("fields")
        status = fields.get("status") if isinstance(fields, Mapping) else None
        if (
            not isinstance(fields, Mapping)
            or not isinstance(status, Mapping)
            or not isinstance(status.get("name"), str)
        ):
            raise self._odd("an issue without a status")
        state = line(status["name"])
        category = status.get("statusCategory")
        done = isinstance(category, Mapping) and category.get("key") == _DONE
        decisions = self._decisions(key, fields)
        kinds = [name.casefold() for name in _names(fields.get(self._fields.kind))] if self._fields.kind else []
        ends = self._moment(fields, self._fields.ends)
        said_no = [state.casefold(), *(name.casefold() for name in _names(fields.get("resolution"))), *decisions]
        return Ticket(
            id=key,
            provider=self.name,
            # one that is said to be of several kinds is taken as the one that permits least
            kind=kinds[0] if len(kinds) == 1 and kinds[0] in KINDS else NORMAL,
            state=state,
            open=state.casefold() in self._open and not done,
            approved=bool(decisions) and all(decision == _APPROVED for decision in decisions),
            requester=next(iter(_names(fields.get("reporter"))), ""),
            begins=self._moment(fields, self._fields.begins),
            ends=self._moment(fields, "resolutiondate") if ends is None and done else ends,
            items=tuple(dict.fromkeys(_names(fields.get(self._fields.items)))) if self._fields.items else (),
            digest=digest({"key": key, "decisions": decisions, **{name: fields.get(name) for name in self._read}}),
            url=line(f"{self._http.url}/browse/{key}"),
            rejected=any(word in _NO for word in said_no),
        )

    @property
    def _read(self) -> list[str]:
        return self._asked.split(",")

    def _decisions(self, key: str, fields: Mapping[str, t.Any]) -> list[str]:
        """What those who decide have said, each in small letters; nothing where nobody was asked."""
        if self._fields.approval:
            return [name.casefold() for name in _names(fields.get(self._fields.approval))]
        return [str(approval.get("finalDecision", "")).casefold() for approval in self._approvals(key)]

    def _moment(self, fields: Mapping[str, t.Any], field: str) -> dt.datetime | None:
        value = fields.get(field) if field else None
        if value in (None, ""):
            return None
        try:
            moment = dt.datetime.fromisoformat(str(value))
        except ValueError:
            raise self._odd(f"a {field} that is no moment") from None
        if moment.tzinfo is None:
            # a day without an hour is no window
            raise self._odd(f"a {field} without an hour and a time zone")
        try:
            return moment.astimezone(dt.timezone.utc).replace(microsecond=0)
        except OverflowError:
            raise self._odd(f"a {field} that is no moment") from None

    def _odd(self, what: str) -> TicketServerError:
        return TicketServerError(
            f"{self._http.server} answers with {what} that is not as Jira's REST API has it",
            item=self._http.server,
            remedy="Look whether holdfast_tickets.url is that of a Jira site, and fields name fields of its issues.",
        )


def _names(value: t.Any) -> list[str]:
    """What a field says, whatever kind of field it is: texts, options, people, components, or lists of these."""
    if isinstance(value, list):
        return [name for one in value for name in _names(one)]
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("value", "displayName", "name", "label") if key in value), None)
    return [text] if (text := line(value)) else []


def _quoted(moment: dt.datetime) -> str:
    return f'"{moment.astimezone(dt.timezone.utc):%Y/%m/%d %H:%M}"'
