# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HTTP APIs answer, asked by the controller."""

from __future__ import annotations

import dataclasses
import http.client
import io
import json
import ssl
import time
import typing as t
import urllib.parse
import urllib.request

from .. import in_time
from ..errors import CaptureError, TooLargeError
from ..model.component import Component
from .texts import TextSource

_READ = 1 << 16
_OK = 200
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_INDENT = "  "
_MOST_DEPTH = 200
_TOO_DEEP = f"is nested more than {_MOST_DEPTH} deep"
_LOOK = "Look at the URL, the headers and the API, and run again."


class Api(TextSource):
    """Asks for what its components name, one GET each; a header's value shows in no error and nowhere else.

    Proxies are those of the environment. A redirect is followed to the same host only, and never from https to http.
    """

    def _text(self, component: Component) -> bytes:
        host = urllib.parse.urlsplit(component.source["url"]).netloc
        told = _bounded(component, host)
        if component.source["format"] == "json":
            text = _spelled(component, host, told.body)
            # it is none without its last bracket
            whole = told.whole or text.startswith((b"{", b"["))
        else:
            text, whole = told.body, told.whole
            if not text.strip() and component.means.get("allow_empty") is not True:
                raise _failed(component, host, "answers with nothing", "Look at the API, or set allow_empty.")
        if not whole:
            remedy = "Let the API send Content-Length or chunks, or a JSON object or list."
            raise _failed(component, host, "does not say where its answer ends: it may have been cut off", remedy)
        return text


def canonical(answer: bytes, *, limit_bytes: int) -> bytes:
    """Spell a JSON text with sorted keys and a line for each value, so that drift is what the API means otherwise.

    Indented by two spaces, UTF-8, numbers as the API wrote them.

    :param limit_bytes: what it may take; with its indents it may take far more than what came.
    :raises OverflowError: it would take more.
    :raises ValueError: it is none (RFC 8259), has a name twice in one object, or is nested more than 200 deep; no
        message holds any of it.
    """
    try:
        value = json.loads(
            answer.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_no_number,
        )
    except _OddError:
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError("is not JSON in UTF-8") from None
    spelling = _Spelling(limit_bytes)
    spelling.add(value, "\n", _MOST_DEPTH)
    return spelling.encoded()


def _spelled(component: Component, host: str, answer: bytes) -> bytes:
    try:
        return canonical(answer, limit_bytes=component.max_bytes)
    except OverflowError:
        why = f"answers with what takes more than {component.max_bytes} bytes, a line for each value"
        raise _too_large(component, host, why) from None
    except ValueError as e:
        remedy = "Give format text, or the URL of what is JSON."
        raise _failed(component, host, f"answers with what {e}", remedy) from None


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


class _Spelling:
    """The spelling of a value as it is made: never more than it may take."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = self._left = limit_bytes
        self._text = io.StringIO()

    def add(self, value: t.Any, line: str, depth: int) -> None:
        """Add a value's spelling; *line* is a line feed and the indent it stands at, *depth* how deep it may be."""
        if isinstance(value, _Number):
            self._write(value)
            return
        if not isinstance(value, (dict, list)):
            self._write(json.dumps(value, ensure_ascii=False))
            return
        if not depth:
            raise ValueError(_TOO_DEEP)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        names: t.Iterable[t.Any] = sorted(value) if isinstance(value, dict) else range(len(value))
        inner = line + _INDENT
        self._write(opening)
        for place, name in enumerate(names):
            self._write("," + inner if place else inner)
            if isinstance(value, dict):
                self._write(json.dumps(name, ensure_ascii=False) + ": ")
            self.add(value[name], inner, depth - 1)
        self._write(line + closing if value else closing)

    def encoded(self) -> bytes:
        """All that was added, as a line; raises OverflowError where only UTF-8 makes it too large."""
        # half a surrogate pair has a spelling in JSON and none in UTF-8
        data = (self._text.getvalue() + "\n").encode("utf-8", "backslashreplace")
        if len(data) > self._limit:
            raise OverflowError
        return data

    def _write(self, piece: str) -> None:
        # a character has one byte at least
        self._left -= len(piece)
        if self._left < 0:
            raise OverflowError
        self._text.write(piece)


@dataclasses.dataclass(frozen=True)
class _Told:
    """An answer, and whether it said where it ends."""

    body: bytes
    whole: bool


def _bounded(component: Component, host: str) -> _Told:
    """Ask, and wait for the whole of it no longer than the component says."""
    try:
        return in_time.within(component.source["timeout"], lambda: _get(component, host))
    except TimeoutError as e:
        raise _failed(component, host, f"gave no answer: {in_time.reason(e)}") from None


def _get(component: Component, host: str) -> _Told:
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
        raise _failed(component, host, f"gave no answer: {in_time.reason(e)}") from None


def _redirected(component: Component, host: str, url: str, answer: t.Any) -> str:
    """Where a redirect leads; raises CaptureError where the headers were not meant for that."""
    there = urllib.parse.urljoin(url, answer.headers["Location"])
    old, new = urllib.parse.urlsplit(url), urllib.parse.urlsplit(there)
    if new.netloc != old.netloc or new.scheme not in (old.scheme, "https"):
        raise _failed(component, host, f"answered with status {answer.status}, which leads to another host or scheme")
    return there


def _within(component: Component, host: str, answer: t.Any, deadline: float) -> _Told:
    """Read an answer, no longer and no more than may be."""
    pieces: list[bytes] = []
    left = component.max_bytes
    whole = answer.chunked or answer.length is not None
    # chunks that break off are an IncompleteRead
    while piece := answer.read1(min(_READ, left + 1)):
        left -= len(piece)
        if left < 0:
            raise _too_large(component, host, f"answers with more than {component.max_bytes} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
        pieces.append(piece)
    if answer.length:
        raise http.client.IncompleteRead(b"")
    return _Told(b"".join(pieces), whole)


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


def _failed(component: Component, host: str, why: str, remedy: str = _LOOK) -> CaptureError:
    return CaptureError(f"component {component.name}: {host} {why}", item=host, remedy=remedy)


def _too_large(component: Component, host: str, why: str) -> TooLargeError:
    remedy = "Raise its max_bytes, or ask for less."
    return TooLargeError(f"component {component.name}: {host} {why}", item=host, remedy=remedy)
