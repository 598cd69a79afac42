# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are deployments, of GitLab or GitHub: begun when they were made, and at an end when they ended.

A deployment plans no window by itself, and names its environment alone: hosts are called by that.
"""

from __future__ import annotations

import abc
import datetime as dt
import re
import typing as t
from collections.abc import Mapping

from ..errors import TicketMissingError, TicketServerError
from ..model import instant
from ..model.ticket import Ticket
from .base import line, require_id
from .http import Http
from .paged import Paged

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Deployments(Paged, abc.ABC):
    """What both servers have in common; notes are comments on the commit that is deployed, which is always there."""

    of: t.ClassVar[str] = "deployments or comments"
    fewer: t.ClassVar[str] = "Ask for a shorter time."
    api: t.ClassVar[str]
    # where a project has its commits, and the field that is a comment's text
    comments: t.ClassVar[tuple[str, str]]

    def __init__(self, http: Http, above: str) -> None:
        super().__init__(http)
        self._above = above
        self._deployments = f"{above}/deployments"

    def fetch(self, ticket_id: str) -> Ticket:
        return self._ticket(self._found(ticket_id))

    def note(self, ticket_id: str, text: str, key: str) -> bool:
        commits, field = self.comments
        sha = self._sha(self._found(ticket_id))
        return self._noted(f"{self._above}/{commits}/{sha}/comments", field, text, key)

    @abc.abstractmethod
    def _ticket(self, deployment: Mapping[str, t.Any]) -> Ticket:
        """A deployment as the change that it is."""

    def _found(self, ticket_id: str) -> Mapping[str, t.Any]:
        """The deployment of that number; raises TicketMissingError where there is none."""
        deployment = None
        if require_id(ticket_id).isdecimal() and not ticket_id.startswith("0"):
            deployment = self._http.get(f"{self._deployments}/{ticket_id}")
        if deployment is None:
            raise TicketMissingError(
                f"{self._http.server} has no deployment {ticket_id}, or this credential may not see it",
                item=ticket_id,
                remedy="Name the number of a deployment.",
            )
        if not isinstance(deployment, Mapping) or self._number(deployment) != ticket_id:
            raise self._odd("another deployment than was asked for")
        return deployment

    def _noted(self, comments: str, field: str, text: str, key: str) -> bool:
        """Comment on a commit, once; False where that is there already."""
        ending = f"[{require_id(key)}]"
        for row in self._all(comments):
            if str(row.get(field) or "").rstrip().rpartition("\n")[2].strip() == ending:
                return False
        self._http.send("POST", comments, {field: f"{text}\n{ending}"})
        return True

    def _number(self, deployment: Mapping[str, t.Any]) -> str:
        number = deployment.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise self._odd("a deployment without a number")
        return str(number)

    def _sha(self, deployment: Mapping[str, t.Any]) -> str:
        """The commit; it becomes part of a path."""
        sha = deployment.get("sha")
        if not isinstance(sha, str) or not _SHA.fullmatch(sha):
            raise self._odd("a deployment without a commit")
        return sha

    def _moment(self, row: Mapping[str, t.Any], field: str) -> dt.datetime:
        try:
            # both write fractions, and GitLab the zone of its owner
            return instant.whole(dt.datetime.fromisoformat(str(row.get(field))))
        except (ValueError, OverflowError):
            raise self._odd(f"a {field} that is no moment") from None

    def _odd(self, what: str) -> TicketServerError:
        return TicketServerError(
            f"{self._http.server} answers with {what} that is not as {self.api} has it",
            item=self._http.server,
            remedy=f"Look whether holdfast_tickets.url is that of {self.api}.",
        )


def account(person: t.Any, field: str) -> str:
    """The name of a person's account; empty where there is none."""
    return line(person.get(field)) if isinstance(person, Mapping) else ""
