# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conversations with devices by NETCONF (RFC 6241) over SSH (RFC 6242). The one file that imports ncclient.

The framing of RFC 6242 tells a whole message from a part. Of what a server says in an error only its tag and the names
of the elements on its path are repeated: the rest may hold what was sent to it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import re
import socket
import threading
import time
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import (
    CaptureError,
    ConnectionLostError,
    DependencyMissingError,
    HoldfastError,
    PolicyError,
    RefusedItemError,
    RestoreError,
    TooLargeError,
)
from ..model.platform import Item
from .completeness import judged
from .session import Reach, Session
from .ssh_session import Tunnel

try:
    # what it stands on itself, and its errors are of
    import paramiko
    from ncclient import NCClientError, manager, operations, transport, xml_
except ImportError:
    manager = None

RUNNING, STARTUP, CANDIDATE = "running", "startup", "candidate"
DATASTORES = (RUNNING, STARTUP, CANDIDATE)
PORT = 830

_CLOSE_SECONDS = 5.0
_BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
_CAPABILITY = "urn:ietf:params:netconf:capability:"
# RFC 6241, appendix A: by these a server says that it does not know or allow what was asked
_REFUSED = frozenset(
    {"access-denied", "operation-not-supported", "invalid-value", "unknown-element", "unknown-namespace", "bad-element"}
)
_TAG = re.compile(r"[a-z-]{1,40}")
_STEP = re.compile(r"/(?:[\w.-]{1,64}:)?([A-Za-z_][\w.-]{0,63})")
_LOOK = "Look at the device and the way to it, and run again."
_STATE = "Look at the device: it may have done it all the same."


def require() -> None:
    """Raise DependencyMissingError where ncclient is not installed on the controller."""
    if manager is None:
        raise DependencyMissingError("ncclient is not installed", item="ncclient", remedy="Run pip install ncclient.")


def open_netconf(reach: Reach) -> NetconfSession:
    """Log in and return the conversation, which somebody has to close.

    :raises ConnectionLostError: the device is not reached, or does not begin a conversation in ``login_seconds``.
    :raises CaptureError: its key is not known, or it does not let the user in.
    :raises PolicyError: what ``reach`` says cannot be done by NETCONF, or a file it names cannot be used.
    :raises DependencyMissingError: ncclient is not installed; or asyncssh, for a device behind a jump host.
    """
    require()
    if reach.options:
        raise PolicyError(
            "options of SSH cannot be set for NETCONF",
            host=reach.device,
            item=min(reach.options),
            remedy="Leave it out.",
        )
    # they log what is sent and what comes
    for name in ("ncclient", "paramiko"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    link = _link_class()(reach.limit_bytes)
    tunnel = Tunnel(reach) if reach.jump else None
    try:
        _log_in(link, reach, tunnel)
    except BaseException:
        if tunnel is not None:
            tunnel.close()
        raise
    return NetconfSession(reach, link, tunnel)


class NetconfSession(Session):
    """A conversation by NETCONF: its commands are methods, and it has no command line."""

    def __init__(self, reach: Reach, link: t.Any, tunnel: Tunnel | None = None) -> None:
        self._reach = reach
        self._tunnel = tunnel
        self._link = link
        self._manager = manager.Manager(link, link.device_handler, timeout=reach.answer_seconds)
        self._manager.huge_tree = True
        self._broken = False

    @property
    def capabilities(self) -> frozenset[str]:
        """The short names of the base capabilities that the server has, as ``candidate`` or ``confirmed-commit``."""
        found = (str(name) for name in self._manager.server_capabilities)
        return frozenset(name.removeprefix(_CAPABILITY).split(":")[0] for name in found if name.startswith(_CAPABILITY))

    def read(self, item: Item) -> bytes:
        """Ask for a datastore by its name, or by a subtree filter for what the server tells (RFC 6241, 6 and 7.7).

        The answer is the element ``data``, a line for each element.
        """
        with self._asking(item):
            if item.ask in DATASTORES:
                reply = self._manager.get_config(source=item.ask)
            else:
                reply = self._manager.get(filter=("subtree", item.ask))
            text = _lines(reply.data_ele)
        return judged(item, text, device=self._reach.device)

    def lock(self, datastore: str = CANDIDATE) -> None:
        """Keep others from changing a datastore until it is unlocked or this conversation ends."""
        with self._changing("lock"):
            self._manager.lock(datastore)

    def unlock(self, datastore: str = CANDIDATE) -> None:
        """Let others change a datastore again."""
        with self._changing("unlock"):
            self._manager.unlock(datastore)

    def copy(self, config: bytes, datastore: str = CANDIDATE) -> None:
        """Make a whole text, as it was read, what a datastore holds: what is not in the text goes."""
        source = xml_.etree.Element(f"{{{_BASE}}}source")
        source.append(self._config(config))
        with self._changing("copy-config"):
            self._manager.copy_config(source=source, target=datastore)

    def commit_confirmed(self, seconds: int, token: str | None = None) -> None:
        """Let the candidate run, and take it back after so many seconds or when this conversation ends.

        :param token: with it the change outlives the conversation, until its time is over; another conversation
            confirms or takes it back by the same token.
        """
        with self._changing("commit"):
            self._manager.commit(confirmed=True, timeout=str(seconds), persist=token)

    def commit(self, token: str | None = None) -> None:
        """Let the candidate run, or confirm what runs until it is confirmed."""
        with self._changing("commit"):
            self._manager.commit(persist_id=token)

    def cancel(self, token: str | None = None) -> None:
        """Take back what was committed to be confirmed (RFC 6241, 8.4.4.1)."""
        with self._changing("cancel-commit"):
            self._manager.cancel_commit(persist_id=token)

    def discard(self) -> None:
        """Make the candidate what runs."""
        with self._changing("discard-changes"):
            self._manager.discard_changes()

    def save(self) -> None:
        """Make what runs the startup datastore, where the server has one of its own."""
        if STARTUP in self.capabilities:
            with self._changing("copy-config"):
                self._manager.copy_config(source=RUNNING, target=STARTUP)

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        """Refuse: NETCONF has no command line."""
        raise CaptureError("NETCONF has no command line", host=self._reach.device, remedy="Reach the device by SSH.")

    def be_patient(self, seconds: float) -> None:
        """As ``Session.be_patient``."""
        self._reach = dataclasses.replace(self._reach, answer_seconds=max(self._reach.answer_seconds, seconds))
        self._manager.timeout = self._reach.answer_seconds

    def put(self, path: str, text: bytes) -> None:
        """Refuse: NETCONF has no files."""
        raise CaptureError("NETCONF has no files", host=self._reach.device, remedy="Reach the device by SSH.")

    def close(self) -> None:
        """End the conversation; what was to be confirmed and has no token is taken back. Never raises."""
        self._manager.timeout = _CLOSE_SECONDS
        with contextlib.suppress(Exception):
            if not self._broken:
                self._manager.close_session()
        with contextlib.suppress(Exception):
            self._link.close()
        with contextlib.suppress(Exception):
            if self._tunnel is not None:
                self._tunnel.close()
                self._tunnel = None

    def _config(self, text: bytes) -> t.Any:
        """The element ``config`` with what is in a text whose root is ``data`` or ``config``."""
        try:
            root = xml_.etree.fromstring(text, _parser())
        except xml_.etree.XMLSyntaxError:
            root = None
        if root is None or xml_.etree.QName(root).localname not in ("data", "config"):
            raise RestoreError(
                "the text is no configuration of NETCONF", host=self._reach.device, remedy="Restore another."
            )
        config = xml_.etree.Element(f"{{{_BASE}}}config", nsmap=root.nsmap)
        config.extend(root)
        return config

    @contextlib.contextmanager
    def _asking(self, item: Item) -> Iterator[None]:
        self._link.expect()
        try:
            yield
        except operations.RPCError as e:
            why = f"the device refuses{_told(e)}"
            kind = RefusedItemError if _tag(e) in _REFUSED else CaptureError
            remedy = "Grant the right, or leave the item out of holdfast_components."
            raise kind(why, host=self._reach.device, item=item.name, remedy=remedy) from None
        except operations.MissingCapabilityError:
            why = "the device has no such datastore"
            remedy = "Leave the item out of holdfast_components."
            raise RefusedItemError(why, host=self._reach.device, item=item.name, remedy=remedy) from None
        except _faults() as e:
            raise self._lost(e, item.name, _LOOK) from None

    @contextlib.contextmanager
    def _changing(self, operation: str) -> Iterator[None]:
        self._link.expect()
        try:
            yield
        except operations.RPCError as e:
            why = f"the device refuses {operation}{_told(e)}"
            remedy = "Look at what the device holds and at its rights."
            raise RestoreError(why, host=self._reach.device, item=operation, remedy=remedy) from None
        except (operations.MissingCapabilityError, operations.OperationError):
            why = f"the device cannot do {operation}"
            raise RestoreError(why, host=self._reach.device, item=operation, remedy="Restore it by hand.") from None
        except _faults() as e:
            raise self._lost(e, operation, _STATE) from None

    def _lost(self, error: Exception, item: str, remedy: str) -> HoldfastError:
        device = self._reach.device
        self._broken = True
        if self._link.beyond:
            why = f"answers with more than {self._reach.limit_bytes} bytes"
            return TooLargeError(why, host=device, item=item, remedy="Raise the limit, or look at it.")
        if isinstance(error, operations.TimeoutExpiredError):
            why = f"gives no whole answer in {self._reach.answer_seconds:g} seconds"
            return ConnectionLostError(why, host=device, item=item, remedy=remedy)
        why = f"the connection broke off within an answer: {type(error).__name__}"
        return ConnectionLostError(why, host=device, item=item, remedy=remedy)


@functools.cache
def _faults() -> tuple[type[Exception], ...]:
    """What these libraries raise where a conversation fails."""
    return (NCClientError, xml_.etree.LxmlError, paramiko.SSHException, EOFError, OSError)


def _told(error: t.Any) -> str:
    """The tag of an error, and the names of the elements on its path, without what selects them."""
    tag = _tag(error) if _TAG.fullmatch(_tag(error)) else "an error"
    # the library has no such attribute where the server has no such element
    path = re.sub(r"\[[^\]]*\]", "", getattr(error, "path", None) or "")[:1000]
    steps = _STEP.findall(path)
    return f": {tag}" + (f" at /{'/'.join(steps)}" if steps else "")


def _tag(error: t.Any) -> str:
    return str(getattr(error, "tag", ""))


def _parser() -> t.Any:
    return xml_.etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True, huge_tree=True)


def _lines(data: t.Any) -> bytes:
    """An element with a line for each element in it; blanks between elements mean nothing in NETCONF (RFC 6241, 3)."""
    bare = xml_.etree.fromstring(xml_.etree.tostring(data, with_tail=False), _parser())
    text: bytes = xml_.etree.tostring(bare, pretty_print=True, encoding="UTF-8")
    return text


@functools.cache
def _link_class() -> t.Any:
    class Link(transport.SSHSession):
        """The session of the library, with a limit to what a server may answer, and no file of its own choice."""

        def __init__(self, limit_bytes: int) -> None:
            self.device_handler = manager.make_device_handler({"name": "default"})
            super().__init__(self.device_handler)
            self._limit = self._left = limit_bytes
            self.beyond = False

        def expect(self) -> None:
            """Another answer begins."""
            self._left = self._limit

        def load_known_hosts(self, filename: str | None = None) -> None:
            """Load a file that is named, and none that is not."""
            if filename is not None:
                super().load_known_hosts(filename)

        def _transport_read(self) -> bytes:
            data: bytes = super()._transport_read()
            self._left -= len(data)
            if self._left < 0:
                self.beyond = True
                raise transport.SessionCloseError("")
            return data

    return Link


def _log_in(link: t.Any, reach: Reach, tunnel: Tunnel | None) -> None:
    for name in _known(reach):
        try:
            link.load_known_hosts(name)
        except (OSError, ValueError, paramiko.hostkeys.InvalidHostKey):
            why = "a file of known hosts cannot be read"
            remedy = "Correct it, or give the right to read it."
            raise PolicyError(why, host=reach.device, item=name, remedy=remedy) from None
    late = threading.Event()
    way: list[socket.socket] = []

    def cut() -> None:
        late.set()
        with contextlib.suppress(Exception):
            # a login that has only begun has no transport yet
            for one in way:
                one.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(Exception):
            link.transport.close()

    # the library waits for some answers of a login without an end
    clock = threading.Timer(reach.login_seconds, cut)
    clock.daemon = True
    let_in = False
    clock.start()
    try:
        way.append(_reached(reach) if tunnel is None else _through(tunnel, reach))
        if late.is_set():
            raise _slow(reach)
        link.connect(
            sock=way[0],
            host=reach.address,
            port=reach.port,
            timeout=reach.login_seconds,
            username=reach.user,
            password=(reach.passphrase if reach.key_files else reach.password) or None,
            key_filename=[str(Path(name).expanduser()) for name in reach.key_files] or None,
            allow_agent=reach.agent and not reach.key_files and not reach.password,
            look_for_keys=not reach.key_files and not reach.password,
            hostkey_verify=reach.known_hosts is not None,
        )
    except transport.SSHUnknownHostError:
        raise _strange(reach) from None
    except transport.AuthenticationError:
        raise _slow(reach) if late.is_set() else _kept_out(reach) from None
    except _faults() as e:
        if late.is_set():
            raise _slow(reach) from None
        why = f"the device is not reached, or speaks no NETCONF there: {type(e).__name__}"
        raise ConnectionLostError(why, host=reach.device, remedy=_LOOK) from None
    else:
        clock.cancel()
        let_in = not late.is_set()
        if not let_in:
            raise _slow(reach)
    finally:
        clock.cancel()
        if not let_in:
            for one in (link.transport, *way):
                if one is not None:
                    one.close()


def _reached(reach: Reach) -> socket.socket:
    """A connection to the first address of a device that takes one; ``login_seconds`` are for all of them together."""
    end = time.monotonic() + reach.login_seconds
    fault = OSError()
    for family, kind, protocol, _name, address in socket.getaddrinfo(
        reach.address, reach.port, type=socket.SOCK_STREAM
    ):
        way = socket.socket(family, kind, protocol)
        try:
            way.settimeout(max(end - time.monotonic(), 0.001))
            way.connect(address)
        except OSError as e:
            way.close()
            fault = e
        else:
            return way
    raise fault


def _through(tunnel: Tunnel, reach: Reach) -> socket.socket:
    way = socket.socket(socket.AF_UNIX)
    way.settimeout(reach.login_seconds)
    way.connect(tunnel.path)
    return way


def _slow(reach: Reach) -> ConnectionLostError:
    why = f"the device does not begin a conversation in {reach.login_seconds:g} seconds"
    return ConnectionLostError(why, host=reach.device, remedy=_LOOK)


def _strange(reach: Reach) -> CaptureError:
    why = "the host key of the device is not known, or another one is"
    remedy = "Compare it with the device's own, ask who changed it, and correct known_hosts."
    return CaptureError(why, host=reach.device, item="host key", remedy=remedy)


def _kept_out(reach: Reach) -> CaptureError:
    return CaptureError(
        "the device does not let the user in: wrong password or key, or no right to log in",
        host=reach.device,
        remedy="Correct ansible_user, ansible_password or ansible_ssh_private_key_file.",
    )


def _known(reach: Reach) -> list[str]:
    names = [Path(name).expanduser() for name in reach.known_hosts or ()]
    return [str(name) for name in names if name.is_file()]
