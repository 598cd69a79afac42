# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody with an empty home who does what a page of the documentation says, block by block."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pty
import re
import select
import subprocess
import termios
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

# the languages of what a reader types; of a console with the sign that asks for it
TYPED = ("bash", "console")
# of a machine that has much else to do: it decides nothing
PATIENCE_SECONDS = 120
# how a shell says that it waits for a line
_READY = "(ready) "
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_FENCE = re.compile(r"^( *)```(\w*)$")
_SIGN = re.compile(r"^\$ ", re.MULTILINE)
# the first line of a block that is to be a file: `# inventory.yml`
_NAME = re.compile(r"# ([\w./-]+\.(?:yml|yaml|cfg|ini|txt|hcl))\n")
_OF_FILES = ("yaml", "ini", "hcl")


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code of a page.

    :param section: the heading that it stands below, of any depth.
    """

    language: str
    section: str
    text: str


class Page:
    """A page of the documentation.

    :param replaced: what stands elsewhere in a test than a reader has it, and what stands there. All is replaced at
        once, the longest first: nothing is looked for in what was put in.
    """

    def __init__(self, path: Path, replaced: Mapping[str, str] | None = None) -> None:
        self.name = path.name
        text = path.read_text(encoding="utf-8")
        known = dict(replaced or {})
        for old in known:
            assert old in text, f"{path.name} does not say {old}"
        if known:
            any_of = "|".join(re.escape(old) for old in sorted(known, key=len, reverse=True))
            text = re.sub(any_of, lambda found: known[found[0]], text)
        self.blocks = tuple(_blocks(text.splitlines()))

    def commands(self, *sections: str) -> list[str]:
        """The commands of these sections, or of all, one text for each block, without the sign of a console."""
        known = {block.section for block in self.blocks}
        assert known.issuperset(sections), f"{self.name} has the sections {sorted(known)}"
        return [
            _SIGN.sub("", block.text)
            for block in self.blocks
            if block.language in TYPED and (not sections or block.section in sections)
        ]

    def command(self, begin: str) -> str:
        """The commands of the one block that begins so."""
        found = [text for text in self.commands() if text.startswith(begin)]
        assert len(found) == 1, f"{self.name} has {len(found)} blocks that begin with {begin}"
        return found[0]

    def text(self, begin: str, language: str = "yaml") -> str:
        """What the one block of that language says that begins so."""
        found = [block.text for block in self.blocks if block.language == language and block.text.startswith(begin)]
        assert len(found) == 1, f"{self.name} has {len(found)} blocks of {language} that begin with {begin}"
        return found[0]

    def files(self) -> dict[str, str]:
        """What the page says is in files."""
        named = [(_NAME.match(block.text), block.text) for block in self.blocks if block.language in _OF_FILES]
        return {found[1]: text for found, text in named if found}


class Told:
    """What a page tells its reader to type, one block after the other, each to be given once.

    :param left: what is still to be given.
    """

    def __init__(self, page: Page) -> None:
        self.name = page.name
        self.left = page.commands()

    def pop(self) -> str:
        """The next block."""
        assert self.left, f"{self.name} has no more commands"
        return self.left.pop(0)

    def take(self, begin: str) -> str:
        """The block that begins so, and no other does."""
        found = [text for text in self.left if text.startswith(begin)]
        assert len(found) == 1, f"{len(found)} blocks of {self.name} begin with {begin}"
        self.left.remove(found[0])
        return found[0]

    def end(self) -> None:
        """That was all of it."""
        assert self.left == [], f"{self.name} has commands that no test gives"


def result(said: str) -> dict[str, t.Any]:
    """What the one host returned to ``ansible``, which printed this."""
    found = re.search(r"=> (\{.*\})", said, re.DOTALL)
    assert found, said
    return t.cast("dict[str, t.Any]", json.loads(found[1]))


def _read(terminal: int) -> bytes:
    """What comes next from a terminal; nothing where nobody has it open any more."""
    ready, _writable, _broken = select.select([terminal], [], [], PATIENCE_SECONDS)
    assert ready, "nothing comes, and it does not end"
    try:
        return os.read(terminal, 1 << 12)
    except OSError:
        # so Linux says that the other end is closed
        return b""


def _unseen(terminal: int, ended: Callable[[], object] = bool) -> None:
    """Wait until a terminal shows nothing of what is typed: who asks for a secret says so only after the question.

    :param ended: whether nobody is there any more who could.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert not ended(), "it ended, and has read nothing unseen"
        assert time.monotonic() < deadline, "what is typed would be shown"
        time.sleep(0.005)


def _ended(process: subprocess.Popen[bytes], terminal: int, shown: bytes) -> str:
    """What was shown at a terminal until the command ended, which must be well."""
    os.close(terminal)
    text = shown.decode()
    assert process.wait() == 0, text
    return text


def _blocks(lines: Sequence[str]) -> list[Block]:
    found: list[Block] = []
    section, language, indent, body = "", None, "", list[str]()
    for line in lines:
        fence = _FENCE.match(line)
        if language is not None:
            if fence and fence[1] == indent and not fence[2]:
                found.append(Block(language, section, "".join(f"{one.removeprefix(indent)}\n" for one in body)))
                language = None
            else:
                body.append(line)
        elif fence:
            indent, language, body = fence[1], fence[2], []
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
    assert language is None, "a block does not end"
    return found


@dataclasses.dataclass(frozen=True)
class Home:
    """A home of somebody's own.

    :param path: also the working folder.
    :param programs: folders that stand first on the path.
    :param environment: what else they have in their environment. Nothing is taken from the test's but its path.
    """

    path: Path
    programs: Sequence[Path] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def attempt(self, *command: str | Path, **environment: str) -> tuple[int, str]:
        """Run a command; returns how it ended, and what it printed."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.path,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def answer(self, *command: str | Path, asked: str, answers: Sequence[str]) -> str:
        """Run a command at a terminal of its own, and answer what it asks there; returns what was shown.

        :param asked: stands in each question, which ends in a colon and a space.
        """
        process, ours = self._at_terminal(command)
        shown, since = b"", 0
        waiting = list(answers)
        while data := _read(ours):
            shown += data
            if waiting and re.search(rb"%b[^\n]*: " % asked.encode(), shown[since:]):
                os.write(ours, waiting.pop(0).encode() + b"\n")
                since = len(shown)
        text = _ended(process, ours, shown)
        assert not waiting, f"it did not ask so often:\n{text}"
        return text

    def tell(self, *command: str | Path, secret: str) -> str:
        """The same, where it asks nothing, and reads one line that the terminal does not show."""
        process, ours = self._at_terminal(command)
        _unseen(ours, lambda: process.poll() is not None)
        os.write(ours, secret.encode() + b"\n")
        shown = b""
        while data := _read(ours):
            shown += data
        return _ended(process, ours, shown)

    @contextlib.contextmanager
    def terminal(self, **environment: str) -> Iterator[Terminal]:
        """Sit down at a terminal with a shell of one's own, and leave it."""
        prompts = {"PS1": f"[$?]{_READY}", "PS2": _READY}
        command = ["bash", "--noprofile", "--norc", "--noediting", "-i"]
        process, ours = self._at_terminal(command, **environment, **prompts)
        try:
            yield Terminal(ours)
        finally:
            # it ends as where somebody closes the window
            os.close(ours)
            process.wait()

    def _at_terminal(self, command: Sequence[str | Path], **environment: str) -> tuple[subprocess.Popen[bytes], int]:
        """Start a command at a terminal; returns its process, and our end of the terminal."""
        ours, theirs = pty.openpty()
        words = ["setsid", "--ctty", "--wait", *map(str, command)]
        known = self._environment(environment)
        process = subprocess.Popen(words, cwd=self.path, env=known, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        return process, ours

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.path),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([*map(str, self.programs), os.environ["PATH"]]),
            **self.environment,
            **more,
        }

    def run(self, *command: str | Path, **environment: str) -> str:
        """Run a command, which must end well; returns what it printed."""
        code, said = self.attempt(*command, **environment)
        assert code == 0, f"{' '.join(map(str, command))}\n{said}"
        return said

    def give(self, commands: str, **environment: str) -> str:
        """Give commands in one shell that ends at the first that fails; returns what they printed."""
        return self.run("bash", "-euo", "pipefail", "-c", commands, **environment)

    def write(self, page: Page) -> None:
        """Write the files of a page."""
        for name, text in page.files().items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def follow(self, page: Page, *sections: str, **environment: str) -> str:
        """Give the commands of these sections of a page, or of all, in one shell that ends at the first that fails."""
        commands = page.commands(*sections)
        assert commands, f"{page.name} has no commands there"
        return self.give("\n".join(commands), **environment)


class Terminal:
    """A shell at a terminal, in which somebody types one line after the other, each once the one before has ended.

    :param terminal: what they sit at.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = b""
        self._until(_READY)

    @property
    def shown(self) -> str:
        """All that was seen there, but for its colours."""
        return _COLOUR.sub("", self._seen.decode(errors="replace")).replace("\r\n", "\n")

    def type(self, block: str, answers: Mapping[str, str] | None = None) -> str:
        """Type the lines of a block, each of which must end well; returns what was shown.

        :param answers: to the questions that are asked, by their last words. What is answered must not be shown.
        """
        before, waiting = len(self.shown), dict(answers or {})
        for line in block.splitlines():
            code = self._line(line, waiting)
            assert code == 0, self.shown[before:]
        assert not waiting, f"it did not ask for {', '.join(waiting)}:\n{self.shown[before:]}"
        return self.shown[before:]

    def attempt(self, line: str) -> tuple[int, str]:
        """Type a line; returns how it ended, and what was shown."""
        before = len(self.shown)
        return self._line(line, {}), self.shown[before:]

    def _line(self, line: str, answers: dict[str, str]) -> int:
        self._send(line)
        while (met := self._until(_READY, *answers)) != _READY:
            _unseen(self._terminal)
            self._send(answers.pop(met))
        found = re.search(r"\[(\d+)\]" + re.escape(_READY) + r"\Z", self.shown)
        # where a command goes on in the next line, nothing has ended yet
        return int(found[1]) if found else 0

    def _send(self, line: str) -> None:
        os.write(self._terminal, line.encode() + b"\n")

    def _until(self, *ends: str) -> str:
        """Read until the last that is shown is one of these."""
        since = len(self.shown)
        while True:
            for end in ends:
                if self.shown[since:].endswith(end):
                    return end
            data = _read(self._terminal)
            assert data, f"the shell has ended:\n{self.shown}"
            self._seen += data


@dataclasses.dataclass
class Shell:
    """A shell of somebody's: what a block says by a name or as a function is there for the blocks after it.

    :param kept: a file for that.
    :param names: the variables that blocks set.
    """

    home: Home
    kept: Path
    names: Sequence[str]

    def type(self, text: str) -> str:
        """Give a block, which ends at the first command that fails; what it printed."""
        before = f"[ ! -e '{self.kept}' ] || . '{self.kept}'\n"
        after = f"{{ declare -p {' '.join(self.names)} || :; declare -f; }} > '{self.kept}' 2> /dev/null"
        return self.home.give(f"{before}{text}\n{after}")
