# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON over HTTPS, asked by the controller. What a server says shows in no error."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import typing as t
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping

from .. import in_time
from ..errors import TicketError, TicketServerError

_MOST_BYTES = 1 << 20
_TRIES = 3
_LONGEST_PAUSE = 10.0
_LATER = (429, 502, 503, 504)
# behind a gateway that lost the answer something may have been done
_NOTHING_DONE = (429,)
_MISSING = 404
# no answer of these servers is nested so deep, and what reads them calls itself
_MOST_NESTED = 100
_DENIED = (401, 403)


class Http:
    """Asks one server. No redirect is followed, so that a credential goes nowhere else.

    :param url: of the server, with the path before all others; https, or http to this machine.
    :param headers: sent with each request; they show nowhere.
    :param ca_path: a PEM file of authorities to believe instead of the system's.
    :param timeout: seconds for each answer, from the first name that is looked up to the last byte.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        ca_path: str | None = None,
        timeout: float = 10.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        split = urllib.parse.urlsplit(url)
        self.server = split.netloc
        self._headers = {"Accept": "application/json", **headers}
        self._timeout = timeout
        self._pause = pause
        self._opener = urllib.request.OpenerDirector()
        # a proxy would see all of what is not TLS; None: those of the environment
        self._opener.add_handler(urllib.request.ProxyHandler({} if split.scheme == "http" else None))
        self._opener.add_handler(urllib.request.HTTPHandler())
        if split.scheme != "http" or ca_path is not None:
            self._opener.add_handler(urllib.request.HTTPSHandler(context=self._trust(ca_path)))

    def get(self, path: str, **query: str) -> t.Any:
        """What the server answers, None where it has no such thing."""
        return self._ask("GET", path, query, None)

    def send(self, method: str, path: str, body: Mapping[str, t.Any], **query: str) -> t.Any:
        """Change something. It is tried again only where the server said that it has done nothing."""
        return self._ask(method, path, query, json.dumps(body).encode())

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> t.Any:
        url = f"{self.url}{path}{'?' if query else ''}{urllib.parse.urlencode(query, errors='replace')}"
        headers = {**self._headers, **({} if body is None else {"Content-Type": "application/json"})}
        for attempt in range(1, _TRIES + 1):
            # the url is the inventory's, which names no other scheme
            request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310
            try:
                status, after, data = self._answer(request)
            except (OSError, http.client.HTTPException, ValueError) as e:
                if body is not None or attempt == _TRIES:
                    raise self._unreached(f"gave no answer: {in_time.reason(e)}") from None
                continue
            if status in (_LATER if body is None else _NOTHING_DONE) and attempt < _TRIES:
                self._pause(min(float(after) if after.isdecimal() else attempt, _LONGEST_PAUSE))
                continue
            return self._understood(status, data)
        raise self._unreached("gave no answer")

    def _answer(self, request: urllib.request.Request) -> tuple[int, str, bytes]:
        """The status, when to ask again, and the body, in the time that there is for all of it.

        :raises TimeoutError: it took longer; other errors as urllib raises them.
        """

        def ask() -> tuple[int, str, bytes]:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.status, answer.headers.get("Retry-After", ""), answer.read(_MOST_BYTES + 1)

        return in_time.within(self._timeout, ask)

    def _understood(self, status: int, data: bytes) -> t.Any:
        if status == _MISSING:
            return None
        if status in _DENIED:
            raise TicketServerError(
                f"the ticket server {self.server} refused the credential (status {status})",
                item=self.server,
                remedy="Give one that may read changes, and write notes where these are asked for.",
            )
        if not 200 <= status < 300:
            raise self._unreached(f"answered with status {status}")
        if len(data) > _MOST_BYTES:
            raise self._unreached(f"answered with more than {_MOST_BYTES} bytes")
        if not data:
            return {}
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            raise self._unreached("answered with what is not JSON") from None
        if _is_deep(answer):
            raise self._unreached(f"answered with JSON of more than {_MOST_NESTED} levels")
        return answer

    def _unreached(self, why: str) -> TicketServerError:
        remedy = "Look whether it is up and its URL is right, and run again."
        return TicketServerError(f"the ticket server {self.server} {why}", item=self.server, remedy=remedy)

    def _trust(self, ca_path: str | None) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=ca_path)
        except OSError:
            raise TicketError(
                "holdfast_tickets.ca_path cannot be read, or holds no certificate",
                item=str(ca_path),
                remedy="Name a PEM file of this controller.",
            ) from None


def _is_deep(answer: t.Any) -> bool:
    level = [answer]
    for _level in range(_MOST_NESTED):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)
