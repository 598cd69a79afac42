# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers have in common that number the pages of a list, as GitHub and GitLab do."""

from __future__ import annotations

import abc
import typing as t
from collections.abc import Mapping

from ..errors import TicketServerError
from .base import Provider
from .http import Http

# the longest texts have 64 KiB and more, and an answer 1 MiB
_PAGE = 10
_MOST_PAGES = 100


class Paged(Provider, abc.ABC):
    """A provider whose lists come page by page.

    ``of`` is what its lists hold, and ``fewer`` what people do about a list that is too long.
    """

    of: t.ClassVar[str]
    fewer: t.ClassVar[str]

    def __init__(self, http: Http) -> None:
        self._http = http

    def _all(self, path: str, **query: str) -> list[Mapping[str, t.Any]]:
        rows: list[Mapping[str, t.Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            found = self._page(path, page, **query)
            if not found:
                return rows
            rows += found
        raise TicketServerError(
            f"{self._http.server} has {_PAGE * _MOST_PAGES} {self.of} or more for this",
            item=self._http.server,
            remedy=self.fewer,
        )

    def _page(self, path: str, page: int, **query: str) -> list[Mapping[str, t.Any]]:
        found = self._http.get(path, per_page=str(_PAGE), page=str(page), **query)
        if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
            raise self._odd("a list")
        return found

    @abc.abstractmethod
    def _odd(self, what: str) -> TicketServerError:
        """The error for an answer that is not as the server's interface has it."""
