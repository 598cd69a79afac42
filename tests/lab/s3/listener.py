# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP servers of the lab's own, on loopback, that end when they are told."""

from __future__ import annotations

import abc
import http.server
import socketserver
import threading
import typing as t

# how long its end may take
_POLL_SECONDS = 0.02


class Listener(socketserver.ThreadingTCPServer):
    """A server on a port of its own, a thread for each connection."""

    allow_reuse_address = True
    request_queue_size = 128
    daemon_threads = True
    # else the end waits for clients that keep their connections
    block_on_close = False

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port = int(self.server_address[1])

    def begin(self) -> None:
        """Take connections."""
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self.shutdown()
        self.server_close()

    def handle_error(self, *_args: t.Any) -> None:
        """That a peer went away, or does not trust us, is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in HTTP/1.1, and prints nothing."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        self.close_connection = True
        if self.raw_requestline and self.parse_request():
            self.answer()

    @abc.abstractmethod
    def answer(self) -> None:
        """Answer the request, whatever its method."""

    def log_message(self, *_args: t.Any) -> None:
        """Print nothing."""
