# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Something that answers where an S3 server should, as a test tells it, to the client that the store really uses."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import threading
import typing as t
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3 import S3Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import Bucket, S3Settings
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience

DATE = "Sat, 21 Nov 2026 01:16:23 GMT"
LOCKED = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Method and sub-resource: ``GET object-lock``, ``PUT`` for an object."""
        known = ("object-lock", "versioning", "versions", "retention", "legal-hold", "uploads", "uploadId", "restore")
        return " ".join([self.method, *(name for name in known if name in self.query)])


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


def refusal(status: int, code: str) -> Answer:
    return Answer(status, body=f"<Error><Code>{code}</Code><Message>secret {code}</Message></Error>".encode())


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args: t.Any) -> None:
        """A client that hangs up is none."""


Answers = Callable[[Request], Answer]


class Server:
    """Answers by ``answers``, and keeps what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.requests: list[Request] = []
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def version_string(self) -> str:
                return "Scripted/1"

            def date_time_string(self, timestamp: float | None = None) -> str:
                return DATE

            def log_message(self, *_args: t.Any) -> None:
                pass

            def answer(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, urllib.parse.unquote(parts.path), query, headers, body)
                served.requests.append(request)
                answer = answers(request)
                self.send_response_only(answer.status)
                given = {
                    "Date": DATE,
                    "Server": "Scripted/1",
                    "Content-Length": str(len(answer.body)),
                    **answer.headers,
                }
                for name, value in given.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    with contextlib.suppress(OSError):
                        self.wfile.write(answer.body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        self._http = _Listener(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def operations(self) -> list[str]:
        return [request.operation for request in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextlib.contextmanager
def served(answers: Answers, settings: t.Any = None, **more: t.Any) -> Iterator[tuple[S3Store, Server]]:
    """Have a store whose server answers by *answers*.

    :param settings: more of the settings.
    :param more: of the store.
    """
    server = Server(answers)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKtest")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "pa55word")
        try:
            yield (
                S3Store(
                    Bucket("bucket", "of/"),
                    S3Settings(endpoint_url=server.endpoint, region="eu-test-1", **(settings or {})),
                    **{"patience": Patience(sleep=lambda _seconds: None), **more},
                ),
                server,
            )
        finally:
            server.close()
