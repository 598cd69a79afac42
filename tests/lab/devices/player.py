# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices that play transcripts over real SSH, each with what is configured on it, and with faults on demand.

The name of the user who logs in is the name of the device. All devices of a player are in one process and one thread;
what a device answers is what ``transcripts/<platform>.yml`` says, which was written for these tests: what was only held
against it is ``simulated``. Keys of a transcript:

``prompt``       with ``{name}``; ``config`` has those of its modes: ``enter``, ``prompt``, ``leave``
``user``         the prompt before ``enable`` (``command``, ``question``), where logins have few rights
``banner``       shown before the first prompt
``before``       lines between two prompts, as a cluster shows them
``paging``       ``off`` (commands), ``text``, ``erase``, ``lines``
``answers``      by command; ``{config}`` stands for what is configured, ``{name}`` for the device
``config_text``  what is configured at first
``questions``    by the beginning of a command: what is asked before it is done
``unknown``      the answer to any other command
``newline``      before a prompt, a blank line
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import re
import threading
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import asyncssh
import yaml

TRANSCRIPTS = Path(__file__).parent / "transcripts"
PASSWORD = "lab-login-Vq81"
ENABLE = "lab-enable-Kd37"
_WAIT_SECONDS = 60
_END = b"]]>]]>"
_BASE = b"urn:ietf:params:xml:ns:netconf:base:1.0"
_HELLO = (
    b'<hello xmlns="%s"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities>'
    b"<session-id>1</session-id></hello>"
) % _BASE
_REPLY = b'<rpc-reply xmlns="' + _BASE + b'" message-id="%s">%s</rpc-reply>'


@functools.cache
def transcript(platform: str) -> Mapping[str, t.Any]:
    """What is known of how a device of that platform talks."""
    found: Mapping[str, t.Any] = yaml.safe_load((TRANSCRIPTS / f"{platform}.yml").read_text())
    return found


@dataclasses.dataclass
class Faults:
    """What a device does wrong; by default nothing.

    :param cut_after: the connection breaks off after so many bytes of an answer.
    :param pause_after: a text after which it says nothing for ``pause_seconds``.
    :param hang_after: it says nothing more after so many bytes of an answer.
    :param dies_at: a command in which the connection breaks off, before it is done.
    :param instead: answers other than those of the transcript, by command; a function gives pieces one by one.
    :param no_status: a command given at once ends without its status.
    :param slow: seconds before each answer.
    :param banner: what is shown before the first prompt.
    :param silent: it shows no prompt before something is typed.
    """

    cut_after: int | None = None
    pause_after: str = ""
    pause_seconds: float = 0.3
    hang_after: int | None = None
    dies_at: str = ""
    instead: dict[str, bytes | Callable[[], Iterator[bytes]]] = dataclasses.field(default_factory=dict)
    no_status: bool = False
    slow: float = 0.0
    banner: str = ""
    silent: bool = False


class Device:
    """One device: what is configured on it, what was written to it, and what was asked."""

    def __init__(self, name: str, platform: str) -> None:
        self.name = name
        self.platform = platform
        self.script = transcript(platform)
        self.config = str(self.script.get("config_text", "")).replace("{name}", name)
        self.startup = self.config
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.logins = 0
        self.password = PASSWORD
        self.faults = Faults()
        #: by command: what is done for it; the text it returns is the answer, None lets the transcript answer
        self.does: dict[str, Callable[[Device], str | None]] = {}
        self.typed: list[str] = []

    def answer(self, command: str) -> str:
        """What it says to a command."""
        if command in self.does:
            said = self.does[command](self)
            if said is not None:
                return said
        answers = self.script.get("answers", {})
        if command not in answers:
            return str(self.script.get("unknown", ""))
        text = str(answers[command]).replace("{name}", self.name)
        return text.replace("{config}", self.config).replace("{startup}", self.startup)


class _ClosingError(Exception):
    """The connection breaks off now."""


class _Shell:
    """One terminal session with a device."""

    def __init__(self, device: Device, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self._device = device
        self._process = process
        self._script = device.script
        self._rights = "user" not in self._script
        self._mode = ""
        self._paged = "paging" in self._script
        self._sent = 0

    async def run(self) -> None:
        faults = self._device.faults
        self._write((faults.banner or str(self._script.get("banner", ""))).replace("\n", "\r\n"))
        if not faults.silent:
            self._write(self._prompt(first=True))
        while True:
            line = await self._line()
            if line is None:
                return
            if not await self._command(line.strip()):
                return
            self._write(self._prompt())

    async def _command(self, command: str) -> bool:
        device, faults = self._device, self._device.faults
        if not command:
            return True
        device.asked.append(command)
        self._sent = 0
        if faults.dies_at and command.startswith(faults.dies_at):
            raise _ClosingError
        if faults.slow:
            await asyncio.sleep(faults.slow)
        paging, config = self._script.get("paging", {}), self._script.get("config", {})
        user = self._script.get("user", {})
        if self._mode and command in config.get("leave", ()):
            self._mode = ""
        elif not self._mode and command in ("exit", "quit", "logout"):
            return False
        elif self._rights and config and command == config["enter"]:
            self._mode = str(config["prompt"])
        elif not self._rights and command == user["command"]:
            self._write(user["question"])
            secret = await self._line(echo=False)
            self._rights = secret == ENABLE
            self._write("" if self._rights else "% Access denied\r\n")
        elif command in paging.get("off", ()):
            self._paged = False
        elif not self._rights and command not in user.get("answers", ()):
            await self._say(str(self._script["unknown"]).encode())
        elif self._mode and command not in device.does and command not in self._script.get("answers", {}):
            device.typed.append(command)
        else:
            await self._ask(command)
            instead = faults.instead.get(command)
            if callable(instead):
                for piece in instead():
                    self._write(piece)
                    await self._process.stdout.drain()
                    # a channel that was closed is drained at once, and the end of it is to be learnt
                    await asyncio.sleep(0)
            else:
                await self._say(device.answer(command).encode() if instead is None else instead)
        return True

    async def _ask(self, command: str) -> None:
        questions = self._script.get("questions", {})
        question = next((questions[begin] for begin in questions if command.startswith(begin)), None)
        if question:
            self._write(question)
            self._device.asked.append(f"answer: {await self._line()}")

    async def _say(self, answer: bytes) -> None:
        """Give an answer, in pages where paging is on, with the faults that are wanted."""
        text = answer.replace(b"\n", b"\r\n")
        if text and not text.endswith(b"\n"):
            text += b"\r\n"
        paging = self._script.get("paging", {})
        if not self._paged:
            await self._put(text)
            return
        lines = text.splitlines(keepends=True)
        height = paging["lines"]
        for start in range(0, len(lines), height):
            await self._put(b"".join(lines[start : start + height]))
            if start + height < len(lines):
                self._write(paging["text"])
                key = await self._process.stdin.read(1)
                self._write(paging["erase"])
                if key in (b"q", b""):
                    return

    async def _put(self, text: bytes) -> None:
        faults = self._device.faults
        pause = faults.pause_after.encode().replace(b"\n", b"\r\n")
        if pause and pause in text:
            head, _pause, text = text.partition(pause)
            self._write(head + pause)
            await self._process.stdout.drain()
            await asyncio.sleep(faults.pause_seconds)
        for limit, end in ((faults.cut_after, True), (faults.hang_after, False)):
            if limit is not None and self._sent + len(text) >= limit:
                self._write(text[: max(limit - self._sent, 0)])
                await self._process.stdout.drain()
                if end:
                    raise _ClosingError
                await asyncio.Event().wait()
        self._sent += len(text)
        self._write(text)
        await self._process.stdout.drain()

    def _prompt(self, *, first: bool = False) -> str:
        user = self._script.get("user", {})
        prompt = self._mode or (self._script["prompt"] if self._rights else user["prompt"])
        before = "" if first else str(self._script.get("before", "")).replace("\n", "\r\n")
        return before + str(prompt).replace("{name}", self._device.name)

    async def _line(self, *, echo: bool = True) -> str | None:
        """A line that is typed, echoed as it comes."""
        line = bytearray()
        while True:
            key = await self._process.stdin.read(1)
            if not key:
                return None
            if key in (b"\n", b"\r"):
                self._write("\r\n")
                return line.decode()
            line += key
            if echo:
                self._write(key)

    def _write(self, data: bytes | str) -> None:
        if self._process.is_closing():
            raise _ClosingError
        self._process.stdout.write(data.encode() if isinstance(data, str) else data)


class _Files(asyncssh.SFTPServer):
    """Files in memory: written, asked for their size, read."""

    def __init__(self, device: Device, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(channel)
        self._device = device

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> t.Any:
        name = path.decode()
        if pflags & asyncssh.FXF_TRUNC or name not in self._device.files:
            self._device.files[name] = b""
        return name

    def write(self, file_obj: t.Any, offset: int, data: bytes) -> int:
        old = self._device.files[file_obj]
        self._device.files[file_obj] = old[:offset].ljust(offset, b"\0") + data + old[offset + len(data) :]
        return len(data)

    def close(self, file_obj: t.Any) -> None:
        """Nothing to do."""

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs(size=len(self._device.files[path.decode()]))

    def exit(self) -> None:
        """Say that it went well, as sftp-server(8) does at its end: scp(1) wants to hear that."""
        self.channel.exit(0)

    def fsetstat(self, file_obj: t.Any, attrs: asyncssh.SFTPAttrs) -> None:
        """Only the size is kept: scp(1) writes over what was there, and cuts off what is too much."""
        if attrs.size is not None:
            self._device.files[file_obj] = self._device.files[file_obj][: attrs.size]


class Player:
    """Devices behind one port of loopback, from any thread: ``with Player() as player: player.device("r1", "ios")``.

    :param sftp: whether devices have SFTP; SCP they have always.
    """

    def __init__(self, *, sftp: bool = False) -> None:
        self._sftp = sftp
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.devices: dict[str, Device] = {}
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        #: how a password is asked for: ``password`` or ``keyboard-interactive``
        self.method = "password"

    def device(self, name: str, platform: str) -> Device:
        """A device that may be logged into from now on."""
        return self.devices.setdefault(name, Device(name, platform))

    def known_hosts(self, path: Path, key: asyncssh.SSHKey | None = None) -> str:
        """Write a file by which the devices are known, or by another key not."""
        public = (key or self.key).export_public_key().decode().strip()
        path.write_text(f"[127.0.0.1]:{self.port} {public}\n")
        return str(path)

    def __enter__(self) -> t.Self:
        self._thread.start()
        self._acceptor = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_WAIT_SECONDS)
        self.port = self._acceptor.get_port()
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_WAIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_SECONDS)
        self._loop.close()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        player = self

        class Server(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return player.method == "password"

            def kbdint_auth_supported(self) -> bool:
                return player.method == "keyboard-interactive"

            def validate_password(self, username: str, password: str) -> bool:
                return player._let_in(username, password)

            def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> t.Any:
                return "", "", "", [("Password: ", False)]

            def validate_kbdint_response(self, username: str, responses: t.Any) -> bool:
                return player._let_in(username, responses[0])

            def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
                return True

        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.key],
            server_factory=Server,
            process_factory=self._serve,
            sftp_factory=self._files if self._sftp else None,
            encoding=None,
            line_editor=False,
            backlog=1000,
            login_timeout=_WAIT_SECONDS,
        )

    async def _stop(self) -> None:
        self._acceptor.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _let_in(self, name: str, password: str) -> bool:
        device = self.devices.get(name)
        return device is not None and password == device.password

    def _files(self, channel: asyncssh.SSHServerChannel[bytes]) -> _Files:
        return _Files(self.devices[channel.get_extra_info("username")], channel)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        device = self.devices[process.get_extra_info("username")]
        with contextlib.suppress(asyncssh.Error, BrokenPipeError, ConnectionError):
            try:
                if process.subsystem == "netconf":
                    await _netconf(device, process)
                elif not process.command:
                    device.logins += 1
                    await _Shell(device, process).run()
                elif process.command.startswith("scp -t "):
                    await _take(device, process)
                else:
                    await _execute(device, process)
            except _ClosingError:
                process.channel.get_connection().abort()
            else:
                process.exit(0)


async def _execute(device: Device, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Answer a command that is given at once."""
    command = process.command or ""
    device.asked.append(command)
    faults = device.faults
    text = faults.instead.get(command, device.answer(command).encode())
    assert isinstance(text, bytes)
    if faults.cut_after is not None:
        process.stdout.write(text[: faults.cut_after])
        await process.stdout.drain()
        raise _ClosingError
    process.stdout.write(text)
    if faults.no_status:
        process.close()


async def _netconf(device: Device, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A server of NETCONF 1.0 (RFC 4742) that answers every call with what the device is configured to, an element."""
    faults = device.faults
    process.stdout.write(_HELLO + _END)
    while True:
        call = await process.stdin.readuntil(_END)
        found = re.search(rb'message-id="([^"]+)"', call)
        if found is None:
            continue
        device.asked.append(call.decode())
        reply = _REPLY % (found[1], device.config.encode()) + _END
        if faults.cut_after is not None:
            process.stdout.write(reply[: faults.cut_after])
            await process.stdout.drain()
            raise _ClosingError
        if faults.hang_after is not None:
            process.stdout.write(reply[: faults.hang_after])
            await asyncio.Event().wait()
        process.stdout.write(reply)


async def _take(device: Device, process: asyncssh.SSHServerProcess[bytes]) -> None:
    """The receiving side of scp(1), one file."""
    path = (process.command or "").removeprefix("scp -t ")
    process.stdout.write(b"\0")
    header = (await process.stdin.readuntil(b"\n")).decode().split()
    process.stdout.write(b"\0")
    text = await process.stdin.readexactly(int(header[1]))
    await process.stdin.readexactly(1)
    device.files[path] = text
    process.stdout.write(b"\0")
