# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the configuration of a device is changed: the steps of its platform, over a session.

A step that a device does not carry out in full is no exception: what it said is returned, since it holds
configuration, which only who can mask it may show.
"""

from __future__ import annotations

import abc
import dataclasses
import re
import typing as t
from collections.abc import Callable, Iterator, Sequence

from ..errors import PolicyError, RestoreError
from ..model import config_tree
from ..model.platform import REPLACE, SCP, SFTP, TERMINAL, Platform, Restore, Rule
from .session import Session

if t.TYPE_CHECKING:
    # it loads a library that a change by command line does not need
    from .netconf_session import NetconfSession

_SAID_LINES = 40
_NEITHER = re.compile(r"[^A-Za-z0-9 ._:@-]")


@dataclasses.dataclass(frozen=True)
class Order:
    """What one restore puts into its platform's commands.

    ``id`` tells it from others, ``minutes`` are those of the timer (``seconds`` in a command are the same), ``comment``
    is who restores and why, in a line.
    """

    id: str
    minutes: int
    comment: str = ""

    def spelled(self, command: str, file: str = "") -> str:
        """A command with these in it; of the comment only what no command line gives a meaning.

        :raises PolicyError: the platform's command is no template.
        """
        try:
            return command.format(
                id=self.id,
                minutes=self.minutes,
                seconds=self.minutes * 60,
                comment=_NEITHER.sub(" ", self.comment).strip()[:60],
                file=file,
            )
        except (KeyError, IndexError, ValueError) as e:
            raise PolicyError(
                "a command of the platform's restore is no template",
                item=command,
                remedy="Use {id}, {minutes}, {seconds}, {comment} and {file} alone, and double other braces.",
            ) from e


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A command or line that was not carried out in full, and the lines that the device said to it.

    Both hold configuration.
    """

    command: str = dataclasses.field(repr=False)
    said: tuple[str, ...] = dataclasses.field(default=(), repr=False)


Refusals = tuple[Refusal, ...]


class Change(abc.ABC):
    """One change of one device's configuration; the steps in the order in which they are taken.

    Each step may raise CaptureError, or ConnectionLostError: the device may have done it all the same.
    """

    # the device goes back by itself unless the change is confirmed in time
    timer: bool = False
    # its timer goes on where the session that set it has ended: without that it goes back then, and only that session
    # confirms
    outlives: bool = True
    # it can be told to go back
    reverts: bool = False
    # that counts from the last commit: said where this change is not the last, it goes back too far
    steps_back: bool = False
    # what runs and what it starts with are two
    saves: bool = False

    @abc.abstractmethod
    def prepare(self) -> Refusals:
        """Bring there what is to be applied, and let the device judge it; changes nothing that runs."""

    @abc.abstractmethod
    def apply(self) -> Refusals:
        """Make it what runs."""

    @abc.abstractmethod
    def confirm(self) -> Refusals:
        """Keep it: stop the timer."""

    @abc.abstractmethod
    def revert(self) -> Refusals:
        """Take it back at once."""

    @abc.abstractmethod
    def discard(self) -> None:
        """Remove what was brought there; what the device says to that is not heard."""

    @abc.abstractmethod
    def save(self) -> Refusals:
        """Make what runs what the device starts with."""

    def settle(self) -> bool:
        """Stop timers of earlier changes that nobody will confirm any more; whether there was one."""
        return False

    @abc.abstractmethod
    def over(self, session: Session) -> Change:
        """The same change, over another session."""


@dataclasses.dataclass
class CliChange(Change):
    """A change by command line.

    :param text: the whole configuration, for a platform that replaces by it.
    :param lines: what to type, for one that does not.
    """

    session: Session
    platform: Platform
    order: Order
    text: bytes = dataclasses.field(default=b"", repr=False)
    lines: Sequence[str] = dataclasses.field(default=(), repr=False)
    _inside: bool = dataclasses.field(default=False, init=False)

    def __post_init__(self) -> None:
        restore = self.restore
        self.timer = restore.timer
        self.reverts = bool(restore.revert)
        self.steps_back = restore.steps_back
        self.saves = bool(restore.save)
        # one that is no template must not be found out when half of it is done
        for command in (*restore.upload_begin, restore.upload_end, *restore.enter, *restore.check, *restore.apply):
            self.order.spelled(command)
        for command in (*restore.exit, *restore.confirm, *restore.revert, *restore.discard, *restore.save):
            self.order.spelled(command)

    @property
    def restore(self) -> Restore:
        """How the platform's configuration comes back."""
        found = self.platform.restore
        if found is None:
            raise PolicyError(
                f"no way to restore platform {self.platform.name} is known",
                item=self.platform.name,
                remedy="Restore it under a folder, and load it by hand.",
            )
        return found

    @property
    def is_live_at_once(self) -> bool:
        """Whether typed lines run as they are typed: no step after them makes them run."""
        return self.restore.method != REPLACE and not self.restore.apply

    @property
    def file(self) -> str:
        """Where the text is put on the device, empty where it is typed."""
        return self.order.spelled(self.restore.file)

    def prepare(self) -> Refusals:
        restore = self.restore
        refused = self._upload() if restore.method == REPLACE else ()
        if refused or self.is_live_at_once:
            return refused
        refused = self._enter() or self._type() or self._run(restore.check)
        if refused:
            self._leave()
        return refused

    def apply(self) -> Refusals:
        refused: Refusals = ()
        if self.is_live_at_once:
            refused = self._enter() or self._type() or self._run(self.restore.check)
        refused = refused or self._run(self.restore.apply)
        self._leave()
        return refused

    def confirm(self) -> Refusals:
        return self._run(self.restore.confirm)

    def revert(self) -> Refusals:
        return self._run(self.restore.revert)

    def discard(self) -> None:
        for command in self.restore.discard:
            self._say(command)

    def save(self) -> Refusals:
        return self._run(self.restore.save)

    def over(self, session: Session) -> CliChange:
        return dataclasses.replace(self, session=session)

    def _upload(self) -> Refusals:
        restore = self.restore
        typed = self.text.decode("utf-8", "surrogateescape")
        if restore.upload == TERMINAL and restore.upload_end:
            *first, last = restore.upload_begin
            command = self.order.spelled(last, self.file)
            return self._run(first) or self._refusals(
                command, self.session.enter(command, typed, self.order.spelled(restore.upload_end))
            )
        refused = self._run(restore.upload_begin)
        if not refused and restore.upload in (SFTP, SCP):
            self.session.put(self.file, self.text)
        return refused

    def _type(self) -> Refusals:
        if self.restore.method == REPLACE:
            return ()
        for first, rest in _sayings(self.lines, config_tree.rules_of(self.platform.structure)):
            if rest:
                answer = self.session.enter(first, "\n".join(rest), "")
            else:
                answer = self.session.say(first, self.restore.questions)
            found = self._refusals("\n".join((first, *rest)), answer)
            if found:
                # what follows may mean another place without it
                return found
        return ()

    def _enter(self) -> Refusals:
        self._inside = True
        return self._run(self.restore.enter)

    def _leave(self) -> None:
        if self._inside:
            self._inside = False
            for command in self.restore.exit:
                self._say(command)

    def _run(self, commands: Sequence[str]) -> Refusals:
        for command in commands:
            found = self._judged(command)
            if found:
                return found
        return ()

    def _judged(self, command: str) -> Refusals:
        return self._refusals(self.order.spelled(command, self.file), self._say(command))

    def _say(self, command: str) -> str:
        return self.session.say(self.order.spelled(command, self.file), self.restore.questions)

    def _refusals(self, command: str, answer: str) -> Refusals:
        """What of an answer says that the command was not carried out in full: from the first such line on."""
        dialogue = self.platform.dialogue
        rules: tuple[Rule, ...] = (*self.restore.partial, *(dialogue.refusals if dialogue else ()))
        patterns = [re.compile(rule.pattern) for rule in rules]
        lines = [line for line in answer.splitlines() if line.strip()]
        for number, line in enumerate(lines):
            if any(pattern.search(line) for pattern in patterns):
                return (Refusal(command, tuple(lines[number : number + _SAID_LINES])),)
        return ()


def _sayings(lines: Sequence[str], rules: config_tree.Rules) -> Iterator[tuple[str, Sequence[str]]]:
    """Lines to type, each with those of the text that it begins, such as a banner: there no prompt comes between."""
    place = 0
    while place < len(lines):
        first, rest = lines[place], []
        begun = rules.literal_end(first)
        if begun is not None and not begun[1]:
            end = re.compile(begun[0])
            for line in lines[place + 1 :]:
                rest.append(line)
                if end.search(line):
                    break
        yield first, rest
        place += 1 + len(rest)


@dataclasses.dataclass
class NetconfChange(Change):
    """A change by NETCONF (RFC 6241): a whole text becomes the candidate, and what runs once it was committed.

    A server without the capability ``candidate`` gets it as what runs, at once. One with ``confirmed-commit`` goes back
    when the time is over, or the session that committed ends.
    """

    session: NetconfSession
    order: Order
    text: bytes = dataclasses.field(default=b"", repr=False)
    # the candidate is ours alone: without the lock it may hold what somebody else edits (RFC 6241, 7.5)
    _locked: bool = dataclasses.field(default=False, init=False)
    outlives = False

    def __post_init__(self) -> None:
        able = self.session.capabilities
        self._staged = "candidate" in able
        self.timer = self._staged and "confirmed-commit" in able
        self.reverts = self.timer
        self.saves = "startup" in able

    def prepare(self) -> Refusals:
        if not self._staged:
            return ()
        # A commit is all or nothing (RFC 6241, 8.3.4.1), and yuma123 2.13 commits nothing of what it was let validate.
        refused = self._done(self.session.lock)
        self._locked = not refused
        return refused or self._done(lambda: self.session.copy(self.text))

    def apply(self) -> Refusals:
        session = self.session
        if not self._staged:
            return self._done(lambda: session.copy(self.text, "running"))
        if self.timer:
            return self._done(lambda: session.commit_confirmed(self.order.minutes * 60))
        return self._done(session.commit)

    def confirm(self) -> Refusals:
        return self._done(self.session.commit)

    def revert(self) -> Refusals:
        return self._done(self.session.cancel)

    def discard(self) -> None:
        if self._locked:
            self._locked = False
            self._done(self.session.discard)
            self._done(self.session.unlock)

    def save(self) -> Refusals:
        return self._done(self.session.save)

    def over(self, session: Session) -> NetconfChange:
        return NetconfChange(t.cast("NetconfSession", session), self.order, self.text)

    def _done(self, *steps: Callable[[], None]) -> Refusals:
        for step in steps:
            try:
                step()
            except RestoreError as e:
                return (Refusal(e.item or "NETCONF", (e.message,)),)
        return ()
