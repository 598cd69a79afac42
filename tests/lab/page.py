# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody with an empty home who does what a page of the documentation says, block by block."""

from __future__ import annotations

import dataclasses
import os
import pty
import re
import select
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# the languages of what a reader types; of a console with the sign that asks for it
TYPED = ("bash", "console")
# of a machine that has much else to do: it decides nothing
PATIENCE_SECONDS = 120
_FENCE = re.compile(r"^( *)```(\w*)$")
# the first line of a block that is to be a file: `# inventory.yml`
_NAME = re.compile(r"# ([\w./-]+\.(?:yml|yaml|cfg|ini|txt))\n")


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
        """The commands of these sections, or of all, one text for each block."""
        known = {block.section for block in self.blocks}
        assert known.issuperset(sections), f"{self.name} has the sections {sorted(known)}"
        return [
            block.text
            for block in self.blocks
            if block.language == "bash" and (not sections or block.section in sections)
        ]

    def files(self) -> dict[str, str]:
        """What the page says is in files."""
        named = [(_NAME.match(block.text), block.text) for block in self.blocks if block.language in ("yaml", "ini")]
        return {found[1]: text for found, text in named if found}


def _read(terminal: int) -> bytes:
    """What comes next from a terminal; nothing where nobody has it open any more."""
    ready, _writable, _broken = select.select([terminal], [], [], PATIENCE_SECONDS)
    assert ready, "nothing comes, and it does not end"
    try:
        return os.read(terminal, 1 << 12)
    except OSError:
        # so Linux says that the other end is closed
        return b""


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
        ours, theirs = pty.openpty()
        words = ["setsid", "--ctty", "--wait", *map(str, command)]
        process = subprocess.Popen(
            words, cwd=self.path, env=self._environment({}), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown, since = b"", 0
        waiting = list(answers)
        while data := _read(ours):
            shown += data
            if waiting and re.search(rb"%b[^\n]*: " % asked.encode(), shown[since:]):
                os.write(ours, waiting.pop(0).encode() + b"\n")
                since = len(shown)
        os.close(ours)
        text = shown.decode()
        assert process.wait() == 0, text
        assert not waiting, f"it did not ask so often:\n{text}"
        return text

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
        return self.run("bash", "-euo", "pipefail", "-c", "\n".join(commands), **environment)


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
        return self.home.run("bash", "-euo", "pipefail", "-c", f"{before}{text}\n{after}")
