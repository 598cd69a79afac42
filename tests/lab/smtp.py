# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small mail server (RFC 5321, STARTTLS by RFC 3207, AUTH PLAIN by RFC 4954) that keeps what it gets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import email
import email.message
import email.policy
import ssl
import threading
from collections.abc import Iterator


@dataclasses.dataclass
class Mailbox:
    """What the server was given. It refuses the addresses in ``refused``, and who logs in otherwise than ``login``."""

    port: int = 0
    login: tuple[str, str] | None = None
    refused: tuple[str, ...] = ()
    messages: list[email.message.EmailMessage] = dataclasses.field(default_factory=list)
    recipients: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    encrypted: list[bool] = dataclasses.field(default_factory=list)
    commands: list[str] = dataclasses.field(default_factory=list)


class _Talk:
    def __init__(
        self, box: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext | None
    ) -> None:
        self._box, self._reader, self._writer, self._context = box, reader, writer, context
        self._to: list[str] = []

    async def serve(self) -> None:
        self._say("220 mail.test")
        while line := (await self._reader.readline()).decode().rstrip("\r\n"):
            verb = line.split(" ")[0].upper()
            self._box.commands.append(verb)
            if verb == "QUIT":
                break
            await self._obey(verb, line)
        self._say("221 bye")

    async def _obey(self, verb: str, line: str) -> None:
        encrypted = self._writer.get_extra_info("ssl_object") is not None
        if verb == "EHLO":
            more = ["AUTH PLAIN", *(["STARTTLS"] if self._context and not encrypted else [])]
            self._say("\r\n".join(["250-mail.test", *(f"250-{one}" for one in more), "250 HELP"]))
        elif verb == "STARTTLS" and self._context:
            self._say("220 go ahead")
            await self._writer.start_tls(self._context)
        elif verb == "AUTH":
            user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:]
            self._say("235 welcome" if (user, password) == self._box.login else "535 no")
        elif verb == "RCPT":
            address = line.partition("<")[2].partition(">")[0]
            if address in self._box.refused:
                self._say("550 nobody of that name")
            else:
                self._to.append(address)
                self._say("250 ok")
        elif verb == "DATA":
            self._say("354 go on")
            data = await self._reader.readuntil(b"\r\n.\r\n")
            message = email.message_from_bytes(data[:-3], policy=email.policy.default)
            assert isinstance(message, email.message.EmailMessage)
            self._box.messages.append(message)
            self._box.recipients.append(tuple(self._to))
            self._box.encrypted.append(encrypted)
            self._to.clear()
            self._say("250 kept")
        else:
            self._say("250 ok")

    def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())


@contextlib.contextmanager
def serving(box: Mailbox, context: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """Take mail on a port of ``localhost``, which is told in *box*; with *context* it offers STARTTLS."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _Talk(box, reader, writer, context).serve()
            await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        box.port = server.sockets[0].getsockname()[1]
        ready.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(60)
