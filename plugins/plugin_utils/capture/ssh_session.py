# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conversations with devices by SSH. The one file that imports asyncssh.

Nothing of the user's or the system's OpenSSH configuration is read: what holds is what ``Reach`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import re
import shlex
import tempfile
import threading
import typing as t
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path

from ..errors import (
    CaptureError,
    ConnectionLostError,
    DependencyMissingError,
    HoldfastError,
    PolicyError,
    TooLargeError,
)
from ..model.platform import Dialogue, Item, Structure
from .completeness import judged
from .session import Reach, Session
from .terminal import Question, Terminal, password, trimmed

try:
    import asyncssh
except ImportError:
    asyncssh = None  # type: ignore[assignment]

_T = t.TypeVar("_T")

_READ = 1 << 16
_QUIET_SECONDS = 1.5
_NUDGES = 3
_CLOSE_SECONDS = 5.0
# wide, so that no line is wrapped; a device that knows no such width takes its own
_WIDTH, _HEIGHT = 4000, 1000
_TERM = "vt100"
#: what ``Reach.options`` may hold, by the names of ssh_config(5): the algorithms that old devices need
OPTIONS: Mapping[str, str] = {
    "Ciphers": "encryption_algs",
    "HostKeyAlgorithms": "server_host_key_algs",
    "KexAlgorithms": "kex_algs",
    "MACs": "mac_algs",
    "PubkeyAcceptedAlgorithms": "signature_algs",
}
_ALIAS = "HostKeyAlias"
# scp(1): what a path must not hold is what a shell of the device could take for more
_PATH = re.compile(r"[A-Za-z0-9_./:@%+=,~-]{1,512}")
# what a shell ends with that knows no such command (POSIX, Shell Command Language, 2.8.2)
_NO_COMMAND = 127
_LOOK = "Look at the device and the way to it, and run again."
_SLOW = "Raise the time, or look at the device by hand."


def require() -> None:
    """Raise DependencyMissingError where asyncssh is not installed on the controller."""
    if asyncssh is None:
        raise DependencyMissingError("asyncssh is not installed", item="asyncssh", remedy="Run pip install asyncssh.")


def open_ssh(reach: Reach, dialogue: Dialogue, structure: Structure | None = None) -> SshSession:
    """Log in and return the conversation, which somebody has to close.

    :param structure: by which a text is held against its own blocks.
    :raises ConnectionLostError: the device is not reached, or does not get to its prompt in ``login_seconds``.
    :raises CaptureError: its key is not known, or it does not let the user in.
    :raises PolicyError: a key or an option cannot be used.
    :raises DependencyMissingError: asyncssh is not installed.
    """
    require()
    loop = asyncio.new_event_loop()
    try:
        return SshSession(loop, loop.run_until_complete(AsyncSshSession.open(reach, dialogue, structure)))
    except BaseException:
        loop.close()
        raise


class SshSession(Session):
    """A conversation by SSH for code that waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, session: AsyncSshSession) -> None:
        self._loop = loop
        self._session = session

    def read(self, item: Item) -> bytes:
        return self._wait(self._session.read(item))

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        return self._wait(self._session.say(command, answers))

    def put(self, path: str, text: bytes) -> None:
        self._wait(self._session.put(path, text))

    @property
    def has_shell(self) -> bool:
        return self._session.has_shell

    def run(self, command: str, text: bytes = b"") -> tuple[int, str]:
        return self._wait(self._session.run(command, text))

    def be_patient(self, seconds: float) -> None:
        self._session.be_patient(seconds)

    def enter(self, command: str, text: str, end: str) -> str:
        return self._wait(self._session.enter(command, text, end))

    def close(self) -> None:
        if not self._loop.is_closed():
            self._wait(self._session.close())
            self._loop.close()

    def _wait(self, work: Coroutine[t.Any, t.Any, _T]) -> _T:
        return self._loop.run_until_complete(work)


class Tunnel:
    """A way through the jump hosts of a device for another library: a socket that only this user reaches.

    :raises HoldfastError: as :func:`open_ssh`, of a jump host.
    """

    def __init__(self, reach: Reach) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdfast-")
        self.path = str(Path(self._folder.name) / "way")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._session = self._wait(AsyncSshSession.lead(reach, self.path))
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """End the way, and what goes over it."""
        self._wait(self._session.close())
        self._end()

    def _wait(self, work: Coroutine[t.Any, t.Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()


class AsyncSshSession:
    """A conversation by SSH: what ``Session`` promises, for code that runs in an event loop.

    A platform whose commands can be given at once (``Dialogue.exec``) gets no terminal before one is needed.
    """

    def __init__(self, reach: Reach, dialogue: Dialogue, structure: Structure | None) -> None:
        self._reach = reach
        self._dialogue = dialogue
        self._structure = structure
        self._connections: list[asyncssh.SSHClientConnection] = []
        self._talk: _Talk | None = None
        self._broken = False
        # whether the login gives a shell of the device's host; None until a command told
        self._shell: bool | None = None

    @classmethod
    async def open(cls, reach: Reach, dialogue: Dialogue, structure: Structure | None = None) -> AsyncSshSession:
        """Log in; as ``open_ssh``."""
        require()
        # with ANSIBLE_LOG_PATH it would log each command that is given
        asyncssh.set_log_level("WARNING")
        session = cls(reach, dialogue, structure)
        try:
            async with session._bounded(reach.login_seconds, "does not let anybody in"):
                await session._connect((*reach.jump, reach))
                if not dialogue.exec:
                    await session._started()
        except BaseException:
            session._broken = True
            await session.close()
            raise
        return session

    async def read(self, item: Item) -> bytes:
        """As ``Session.read``."""
        async with self._bounded(self._reach.answer_seconds, "gives no whole answer", item.name):
            if self._dialogue.exec:
                text = await self._executed(item)
            else:
                text = await (await self._started()).answer(item.ask)
        return judged(item, text, self._dialogue.refusals, device=self._reach.device, structure=self._structure)

    async def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        """As ``Session.say``."""
        questions = tuple(Question(pattern, reply) for pattern, reply in (answers or {}).items())
        async with self._bounded(self._reach.answer_seconds, "gives no whole answer to a command"):
            talk = await self._started()
            return _shown(await talk.answer(command, questions, learn=True))

    async def enter(self, command: str, text: str, end: str) -> str:
        """As ``Session.enter``."""
        async with self._bounded(self._reach.answer_seconds, "gives no whole answer to what was typed"):
            talk = await self._started()
            typed = "".join(f"{line}\n" for line in text.splitlines() if line.strip())
            typed += end if end and not end.isprintable() else f"{end}\n" if end else ""
            return _shown(await talk.answer(command, learn=True, typed=typed.encode("utf-8", "surrogateescape")))

    @property
    def has_shell(self) -> bool:
        """As ``Session.has_shell``."""
        return bool(self._shell)

    async def run(self, command: str, text: bytes = b"") -> tuple[int, str]:
        """As ``Session.run``."""
        async with self._bounded(self._reach.answer_seconds, "does not end a command"):
            status, said = await self._ended(command, "a command", text, asyncssh.STDOUT)
            return status, _shown(said)

    def be_patient(self, seconds: float) -> None:
        """As ``Session.be_patient``."""
        self._reach = dataclasses.replace(self._reach, answer_seconds=max(self._reach.answer_seconds, seconds))

    async def put(self, path: str, text: bytes) -> None:
        """As ``Session.put``: by SFTP, by SCP where the device has no SFTP."""
        if not _PATH.fullmatch(path):
            raise PolicyError("a path on the device cannot be used", host=self._reach.device, remedy="Name another.")
        async with self._bounded(self._reach.answer_seconds, "does not take the file"):
            if not await self._put_by_sftp(path, text):
                await self._put_by_scp(path, text)

    @classmethod
    async def lead(cls, reach: Reach, path: str) -> AsyncSshSession:
        """Log in to the jump hosts of a device alone, and have a socket of this machine lead through them to it."""
        require()
        asyncssh.set_log_level("WARNING")
        session = cls(reach, Dialogue(prompt=""), None)
        try:
            async with session._bounded(reach.login_seconds, "is behind hosts that let nobody in"):
                await session._connect(reach.jump)
                way = session._connections[-1]
                await way.forward_local_path_to_port(path, reach.address, reach.port)
        except BaseException:
            session._broken = True
            await session.close()
            raise
        return session

    async def close(self) -> None:
        """End the conversation; never raises."""
        if self._talk is not None and not self._broken:
            self._talk.leave(self._dialogue.leave)
        for connection in reversed(self._connections):
            if self._broken:
                connection.abort()
            else:
                connection.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.wait_closed(), _CLOSE_SECONDS)
        self._connections.clear()
        self._talk = None
        self._broken = True

    async def _connect(self, way: Sequence[Reach]) -> None:
        for reach in way:
            tunnel = self._connections[-1] if self._connections else ()
            self._connections.append(await _connected(reach, tunnel, self._reach.device))

    async def _started(self) -> _Talk:
        """Have a terminal, at a prompt that was learnt, with the rights and the paging that the platform says."""
        if self._talk is not None:
            return self._talk
        shell = await self._connections[-1].create_process(
            request_pty="force", term_type=_TERM, term_size=(_WIDTH, _HEIGHT), encoding=None
        )
        terminal = Terminal(self._dialogue, device=self._reach.device, limit_bytes=self._reach.limit_bytes)
        talk = self._talk = _Talk(shell, terminal)
        await talk.begin()
        if self._dialogue.elevate and not terminal.elevated:
            await talk.answer(self._dialogue.elevate, (password(self._reach.enable),), learn=True)
            if not terminal.elevated:
                raise CaptureError(
                    "the device does not give the rights that are needed",
                    host=self._reach.device,
                    remedy="Set ansible_become_password, or let a user log in who has them.",
                )
        for command in self._dialogue.prepare:
            await talk.answer(command, learn=True)
        return talk

    async def _executed(self, item: Item) -> bytes:
        """What a command given at once prints; one that ends without its status was cut off."""
        status, whole = await self._ended(self._spelled(item.ask), item.name)
        if status == _NO_COMMAND and self._dialogue.shell and self._shell is None:
            self._shell = True
            status, whole = await self._ended(self._spelled(item.ask), item.name)
        self._shell = bool(self._shell)
        if status:
            judged(item, whole, self._dialogue.refusals, device=self._reach.device, structure=self._structure)
            why = f"the command ended with status {status}"
            raise CaptureError(why, host=self._reach.device, item=item.name, remedy=_LOOK)
        return whole

    def _spelled(self, command: str) -> str:
        return self._dialogue.shell.format(command=shlex.quote(command)) if self._shell else command

    async def _ended(
        self, command: str, what: str, typed: bytes | None = None, stderr: int = asyncio.subprocess.DEVNULL
    ) -> tuple[int, bytes]:
        """The status of a command given at once, and what it prints."""
        process = await self._connections[-1].create_process(command, encoding=None, stderr=stderr)
        if typed is not None:
            process.stdin.write(typed)
            process.stdin.write_eof()
        text = bytearray()
        while data := await process.stdout.read(_READ):
            text += data
            if len(text) > self._reach.limit_bytes:
                process.close()
                raise TooLargeError(
                    f"answers with more than {self._reach.limit_bytes} bytes",
                    host=self._reach.device,
                    item=what,
                    remedy="Raise the limit, or look at it.",
                )
        await process.wait_closed()
        if process.exit_status is None:
            why = "the answer broke off: the device did not say that the command is over"
            raise ConnectionLostError(why, host=self._reach.device, item=what, remedy=_LOOK)
        return process.exit_status, trimmed(re.sub(rb"\r+\n", b"\n", bytes(text)))

    async def _put_by_sftp(self, path: str, text: bytes) -> bool:
        try:
            client = await self._connections[-1].start_sftp_client()
        except (asyncssh.ChannelOpenError, asyncssh.SFTPError):
            return False
        async with client:
            try:
                async with client.open(path, "wb", asyncssh.SFTPAttrs(permissions=0o600)) as file:
                    await file.write(text)
                size = (await client.stat(path)).size
            except asyncssh.SFTPError:
                raise self._unwritten(path) from None
        if size != len(text):
            raise self._unwritten(path)
        return True

    async def _put_by_scp(self, path: str, text: bytes) -> None:
        """The protocol of scp(1) without its program, so that the text is in no file here."""
        process = await self._connections[-1].create_process(f"scp -t {path}", encoding=None)
        name = path.replace(":", "/").rsplit("/", 1)[-1] or "file"
        for part in (b"", f"C0600 {len(text)} {name}\n".encode(), text + b"\0"):
            process.stdin.write(part)
            if await process.stdout.read(1) != b"\0":
                raise self._unwritten(path)
        process.stdin.write_eof()
        await process.wait_closed()
        if process.exit_status:
            raise self._unwritten(path)

    def _unwritten(self, path: str) -> CaptureError:
        return CaptureError(
            "the device does not take a file by SFTP or SCP",
            host=self._reach.device,
            item=path,
            remedy="Look whether it may be written there and there is room, and whether its SCP or SFTP server is on.",
        )

    @contextlib.asynccontextmanager
    async def _bounded(self, seconds: float, what: str, item: str | None = None) -> AsyncIterator[None]:
        """No longer than so many seconds, and no error of the library's: they may repeat what a device says."""
        device = self._reach.device
        if self._broken:
            why = "the conversation is over: an answer before this one was not whole"
            raise ConnectionLostError(why, host=device, item=item, remedy=_LOOK)
        try:
            async with asyncio.timeout(seconds):
                yield
        except HoldfastError as e:
            # what comes next would belong to what was not whole
            self._broken = self._talk is not None and not self._talk.terminal.whole
            e.item = e.item or item
            raise e.at(device) from None
        except TimeoutError:
            self._broken = True
            if self._talk is not None and not self._talk.terminal.begun:
                what = "does not repeat the command that it is given"
            raise ConnectionLostError(f"{what} in {seconds:g} seconds", host=device, item=item, remedy=_SLOW) from None
        except (OSError, asyncssh.Error, asyncio.IncompleteReadError) as e:
            self._broken = True
            raise _told(e, device, item) from None


@dataclasses.dataclass(frozen=True)
class _Talk:
    """What is said in one terminal."""

    shell: asyncssh.SSHClientProcess[bytes]
    terminal: Terminal

    async def begin(self) -> None:
        """Take what comes after the login up to the prompt; some devices want an empty line first."""
        for _quiet in range(_NUDGES):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard(), _QUIET_SECONDS)
                return
            self.shell.stdin.write(self.terminal.nudge())
        await self._heard()

    async def answer(
        self, command: str, questions: tuple[Question, ...] = (), *, learn: bool = False, typed: bytes = b""
    ) -> bytes:
        """Give a command and return what the device says to it; as ``Terminal.ask``."""
        self.shell.stdin.write(self.terminal.ask(command, questions, learn=learn, typed=typed))
        await self._heard()
        return self.terminal.answer()

    def leave(self, commands: Sequence[str]) -> None:
        """Say goodbye; whether the device hears it does not matter."""
        with contextlib.suppress(Exception):
            if not self.shell.is_closing():
                for command in commands:
                    self.shell.stdin.write(command.encode() + b"\n")

    async def _heard(self) -> None:
        while not self.terminal.whole:
            data = await self.shell.stdout.read(_READ)
            if not data:
                self.terminal.closed()
            reply = self.terminal.feed(data)
            if reply:
                self.shell.stdin.write(reply)


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


async def _connected(reach: Reach, tunnel: t.Any, device: str) -> asyncssh.SSHClientConnection:
    known = _Known(reach)
    client = _client_class()(reach, known)
    try:
        return await asyncssh.connect(
            reach.address,
            reach.port,
            tunnel=tunnel,
            config=None,
            client_factory=lambda: client,
            username=reach.user,
            known_hosts=None if reach.known_hosts is None else known,
            login_timeout=reach.login_seconds,
            gss_host=None,
            x509_trusted_certs=None,
            **_keys(reach),
            **_options(reach),
        )
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as e:
        raise _strange(reach, known, e, device) from None
    except asyncssh.ConnectionLost:
        if not known.expects or known.offered or known.asked:
            raise
        # a server without a key of the kind that is known ends it in the key exchange, and need not say why
        who = _who(reach, device)
        why = f"{who} breaks off before the login: it may have another host key than the one that is known"
        remedy = "Compare its key with the line in known_hosts, and run again."
        raise ConnectionLostError(why, host=device, item="host key", remedy=remedy) from None
    except asyncssh.PermissionDenied:
        raise CaptureError(
            f"{_who(reach, device)} does not let the user in: wrong password or key, or no right to log in",
            host=device,
            remedy="Correct ansible_user, ansible_password or ansible_ssh_private_key_file.",
        ) from None


def _who(reach: Reach, device: str) -> str:
    return "the device" if reach.device == device else f"the jump host {reach.device}"


def _strange(reach: Reach, known: _Known, error: Exception, device: str) -> HoldfastError:
    who = _who(reach, device)
    if isinstance(error, asyncssh.KeyExchangeFailed) and not known.expects:
        return CaptureError(
            f"{who} and this controller have no algorithm in common",
            host=device,
            remedy="Renew its keys and software, or allow the old algorithm for this device alone.",
        )
    offered = f" It shows {known.offered}." if known.offered else ""
    if known.expects:
        why = f"{who} shows another host key than the one that is known: somebody else may answer in its place"
        remedy = f"Ask who changed it before its line in known_hosts is replaced.{offered}"
    else:
        why = f"the host key of {who} is not known"
        remedy = f"Compare it with the device's own and add it to known_hosts.{offered}"
    return CaptureError(why, host=device, item="host key", remedy=remedy)


def _told(error: Exception, device: str, item: str | None) -> HoldfastError:
    """An error of the library, in words that hold nothing a device said."""
    if isinstance(error, asyncssh.ChannelOpenError):
        return CaptureError("the device opens no session for this", host=device, item=item, remedy=_LOOK)
    if isinstance(error, OSError) and error.strerror:
        return ConnectionLostError(f"the device is not reached: {error.strerror}", host=device, item=item, remedy=_LOOK)
    return ConnectionLostError(
        f"the connection broke off: {type(error).__name__}", host=device, item=item, remedy=_LOOK
    )


def _keys(reach: Reach) -> dict[str, t.Any]:
    """What to log in with: named keys alone; else the password; else the agent and the user's own keys."""
    if reach.key_files:
        keys = [_key(reach, name) for name in reach.key_files]
        return {"client_keys": keys, "agent_path": None}
    if reach.password:
        return {"client_keys": None, "agent_path": None}
    # without an agent path of its own, asyncssh takes SSH_AUTH_SOCK's
    return {"ignore_encrypted": True} if reach.agent else {"ignore_encrypted": True, "agent_path": None}


def _key(reach: Reach, name: str) -> t.Any:
    try:
        return asyncssh.read_private_key(Path(name).expanduser(), reach.passphrase or None)
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise PolicyError(
            "a private key cannot be read: it is missing, no key, or its passphrase is another",
            host=reach.device,
            item=name,
            remedy="Correct ansible_ssh_private_key_file or its passphrase.",
        ) from None


def _options(reach: Reach) -> dict[str, t.Any]:
    strange = sorted(set(reach.options) - {*OPTIONS, _ALIAS})
    if strange:
        known = ", ".join(sorted({*OPTIONS, _ALIAS}))
        raise PolicyError(f"there is no such option of SSH; known: {known}", host=reach.device, item=strange[0])
    given = {OPTIONS[name]: value for name, value in reach.options.items() if name in OPTIONS}
    if _ALIAS in reach.options:
        given["host_key_alias"] = reach.options[_ALIAS]
    try:
        asyncssh.SSHClientConnectionOptions(config=None, **given)
    except ValueError:
        raise PolicyError(
            "an option of SSH has a value that this controller does not know",
            host=reach.device,
            remedy="Name algorithms as `ssh -Q` shows them, with + before them to add.",
        ) from None
    return given


class _Known:
    """The keys of known hosts, from files of which some may not be there, and why one was not believed."""

    def __init__(self, reach: Reach) -> None:
        lines = []
        for name in reach.known_hosts or ():
            try:
                lines.append(Path(name).expanduser().read_text(encoding="utf-8", errors="replace"))
            except FileNotFoundError:
                continue
            except OSError as e:
                raise PolicyError(
                    f"a file of known hosts cannot be read: {e.strerror}",
                    host=reach.device,
                    item=name,
                    remedy="Give the right to read it, or name another in holdfast_device_known_hosts.",
                ) from None
        try:
            self._known = asyncssh.import_known_hosts("\n".join(lines))
        except ValueError:
            raise PolicyError("a file of known hosts is none", host=reach.device, remedy="Correct it.") from None
        self.expects = self.asked = False
        self.offered = ""

    def __call__(self, host: str, address: str, port: int | None) -> Sequence[t.Any]:
        found = self._known.match(host, address, port)
        self.expects = bool(found[0] or found[1])
        return found


@functools.cache
def _client_class() -> t.Any:
    class Client(asyncssh.SSHClient):
        """Answers for one login."""

        def __init__(self, reach: Reach, known: _Known) -> None:
            self._reach = reach
            self._known = known
            self._given = False

        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            """It is none of those known; only remembered, to be told."""
            self._known.offered = key.get_fingerprint()
            return False

        def password_auth_requested(self) -> str | None:
            return self._once()

        def kbdint_auth_requested(self) -> str | None:
            self._known.asked = True
            return None if self._given or not self._reach.password else ""

        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> Sequence[str] | None:
            """Give the password to the one question that does not show what is typed (RFC 4256)."""
            if not prompts:
                return []
            secret = self._once() if len(prompts) == 1 and not prompts[0][1] else None
            return None if secret is None else [secret]

        def _once(self) -> str | None:
            self._known.asked = True
            # a device may lock a user out who tries too often
            if self._given or not self._reach.password:
                return None
            self._given = True
            return self._reach.password

    return Client
