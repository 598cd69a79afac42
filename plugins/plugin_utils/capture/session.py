# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of a conversation with one network device."""

from __future__ import annotations

import abc
import dataclasses
import types
import typing as t
from collections.abc import Mapping

from ..errors import CaptureError
from ..model.platform import Item


@dataclasses.dataclass(frozen=True)
class Reach:
    """How a device is reached.

    ``password``, ``enable`` and ``passphrase`` are secrets: they show in no error and no repr. ``known_hosts`` are
    files of keys that are believed; None believes any key, which only an inventory that says so may ask for.
    ``login_seconds`` bounds connecting and logging in, ``answer_seconds`` the wait for each answer as a whole.
    """

    device: str
    address: str
    port: int = 22
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    enable: str = dataclasses.field(default="", repr=False)
    key_files: tuple[str, ...] = ()
    passphrase: str = dataclasses.field(default="", repr=False)
    agent: bool = True
    known_hosts: tuple[str, ...] | None = ()
    jump: tuple[Reach, ...] = ()
    login_seconds: float = 30.0
    answer_seconds: float = 120.0
    limit_bytes: int = 64 * 1024 * 1024
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Session(abc.ABC):
    """A conversation with one device, open while it is a context.

    What it returns is whole: an answer that was cut off, paged, refused or too long is a CaptureError that names the
    device and the item, and holds none of the text. Line ends are line feeds; the echo of the command, the prompt and
    what a terminal draws are no part of an answer. It is used by one thread at a time.
    """

    @abc.abstractmethod
    def read(self, item: Item) -> bytes:
        """Ask for an item's text.

        :raises RefusedItemError: the device says that it does not know or allow it.
        :raises CaptureError: no whole answer came.
        """

    @abc.abstractmethod
    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        """Give a command that may change something and return what the device says to it, whatever that is.

        :param answers: what to reply to a question, by a pattern of its text.
        :raises CaptureError: no whole answer came; the device may have done it all the same.
        """

    def enter(self, command: str, text: str, end: str) -> str:
        """Give a command, type a text behind it and what ends it, and return what the device says, its echo with it.

        :param text: its lines that are not blank are typed, without waiting for a prompt between them.
        :param end: a last line, or the control character that ends the text; empty for none.
        :raises CaptureError: no whole answer came, or this way to the device cannot type a text.
        """
        raise CaptureError("this way to the device cannot type a text", remedy="Reach it by SSH.")

    def be_patient(self, seconds: float) -> None:
        """Wait at least so many seconds for each answer from now on, where this way to the device bounds it at all."""
        return

    @property
    def has_shell(self) -> bool:
        """Whether the login gives a shell of the device's host; known once a text was read."""
        return False

    def run(self, command: str, text: bytes = b"") -> tuple[int, str]:
        """Give a command to the shell, and *text* as its input; return its status and all that it prints.

        :raises CaptureError: it did not end, and may have done it all the same; or this way to the device has no shell.
        """
        raise CaptureError("this way to the device gives no shell", remedy="Reach it by SSH.")

    @abc.abstractmethod
    def put(self, path: str, text: bytes) -> None:
        """Write a file on the device, by SFTP or SCP.

        :raises CaptureError: it could not be written whole.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """End the conversation; never raises."""

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()
