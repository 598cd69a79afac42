# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HTTP APIs answer, asked by the controller."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

from ..errors import CaptureError, TooLargeError
from ..model.component import Component
from .texts import TextSource

_READ = 1 << 16
_OK = 200
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_INDENT = "  "


class Api(TextSource):
    """Asks for what its components name, one GET each; a header's value shows in no error and nowhere else.

    Proxies are those of the environment. A redirect is followed to the same host only, and never from https to http.
    """

    def _text(self, component: Component) -> bytes:
        source = component.source
        host = urllib.parse.urlsplit(source["url"]).netloc
        answer = _get(component, host)
        if source["format"] != "json":
            return answer
        try:
            return canonical(answer)
        except ValueError as e:
            raise CaptureError(
                f"component {component.name}: what {host} answers {e}",
                item=host,
                remedy="Give format text, or the URL of what is JSON.",
            ) from None


def canonical(answer: bytes) -> bytes:
    """Spell a JSON text with sorted keys and a line for each value, so that drift is what the API means otherwise.

    Indented by two spaces, UTF-8, numbers as the API wrote them.

    :raises ValueError: it is none (RFC 8259), or has a name twice in one object; no message holds any of it.
    """
    try:
        value = json.loads(
            answer.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_no_number,
        )
        # half a surrogate pair has a spelling in JSON and none in UTF-8
        pieces: list[str] = []
        _spell(value, "\n", pieces)
        return ("".join(pieces) + "\n").encode("utf-8", "backslashreplace")
    except _OddError:
        raise
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError:
        raise ValueError("is not JSON in UTF-8") from None


class _OddError(ValueError):
    """Valid to some, and of more than one meaning."""


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _OddError("has an object in which a name stands twice")
    return found


def _no_number(_word: str) -> t.Any:
    raise _OddError("holds NaN or Infinity, which JSON has not")


def _spell(value: t.Any, line: str, pieces: list[str]) -> None:
    """Add the pieces of a value's spelling; *line* is a line feed and the indent that the value stands at."""
    if isinstance(value, _Number):
        pieces.append(value)
        return
    if not isinstance(value, (dict, list)):
        pieces.append(json.dumps(value, ensure_ascii=False))
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    names: t.Iterable[t.Any] = sorted(value) if isinstance(value, dict) else range(len(value))
    inner = line + _INDENT
    pieces.append(opening)
    for place, name in enumerate(names):
        pieces += ["," if place else "", inner]
        if isinstance(value, dict):
            pieces += [json.dumps(name, ensure_ascii=False), ": "]
        _spell(value[name], inner, pieces)
    pieces += [line if value else "", closing]


def _get(component: Component, host: str) -> bytes:
    timeout = component.source["timeout"]
    deadline = time.monotonic() + timeout
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trust(component)),
    ):
        opener.add_handler(handler)
    url = component.source["url"]
    headers = dict(component.means.get("headers", {}))
    try:
        for _redirect in range(1 + _MOST_REDIRECTS):
            # a policy has no URL of other schemes, and a redirect leads to none
            request = urllib.request.Request(url, headers=headers)  # noqa: S310
            with opener.open(request, timeout=timeout) as answer:
                if answer.status in _REDIRECTS and answer.headers.get("Location"):
                    url = _redirected(component, host, url, answer)
                    continue
                if answer.status != _OK:
                    raise _failed(component, host, f"answered with status {answer.status}")
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise _failed(component, host, "answered compressed, which was not asked for")
                return _within(component, host, answer, deadline)
        raise _failed(component, host, f"redirects more than {_MOST_REDIRECTS} times")
    except (OSError, http.client.HTTPException, ValueError) as e:
        # what such an error says may hold what was sent or what came
        raise _failed(component, host, f"gave no answer: {_reason(e)}") from None


def _redirected(component: Component, host: str, url: str, answer: t.Any) -> str:
    """Where a redirect leads; raises CaptureError where the headers were not meant for that."""
    there = urllib.parse.urljoin(url, answer.headers["Location"])
    old, new = urllib.parse.urlsplit(url), urllib.parse.urlsplit(there)
    if new.netloc != old.netloc or new.scheme not in (old.scheme, "https"):
        raise _failed(component, host, f"answered with status {answer.status}, which leads to another host or scheme")
    return there


def _within(component: Component, host: str, answer: t.Any, deadline: float) -> bytes:
    """Read an answer, no longer and no more than may be."""
    pieces: list[bytes] = []
    left = component.max_bytes
    while piece := answer.read1(min(_READ, left + 1)):
        left -= len(piece)
        if left < 0:
            raise TooLargeError(
                f"component {component.name}: {host} answers with more than {component.max_bytes} bytes",
                item=host,
                remedy="Raise its max_bytes, or ask for less.",
            )
        if time.monotonic() > deadline:
            raise TimeoutError
        pieces.append(piece)
    if answer.length:
        raise http.client.IncompleteRead(b"")
    return b"".join(pieces)


def _trust(component: Component) -> ssl.SSLContext:
    ca_path = component.means.get("ca_path")
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except OSError:
        raise CaptureError(
            f"component {component.name}: its ca_path cannot be read, or holds no certificate",
            item=str(ca_path),
            remedy="Name a PEM file of this controller.",
        ) from None
    if not component.source["validate_certs"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _failed(component: Component, host: str, why: str) -> CaptureError:
    remedy = "Look at the URL, the headers and the API, and run again."
    return CaptureError(f"component {component.name}: {host} {why}", item=host, remedy=remedy)


def _reason(error: Exception) -> str:
    """Why, in words that hold nothing of what was sent or came."""
    cause: t.Any = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({cause.verify_message})"
    if isinstance(cause, TimeoutError):
        return "the time was over"
    if isinstance(cause, OSError) and cause.strerror:
        return str(cause.strerror)
    return type(cause).__name__
