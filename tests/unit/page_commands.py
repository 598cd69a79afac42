# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of Ansible that pages give, and what they name that is not there: a playbook, a variable, a module.

Some pages are followed to the end by tests (tests/lab/page.py); this holds for all of them.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from . import laws

PREFIX = "holdfast.config."
_BLOCK = re.compile(r"^( *)```bash\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_BETWEEN = re.compile(r"&&|\|\|?|;")
# what inventories say too
_OF_ALL = ("holdfast_", "ansible_")


class Collection:
    """What commands may name."""

    def __init__(self, root: Path) -> None:
        self.playbooks = {path.stem: path.read_text(encoding="utf-8") for path in (root / "playbooks").glob("*.yml")}
        self.modules = {path.stem: laws.module_options(root, path) for path in (root / "plugins/modules").glob("*.py")}
        self.roles: Mapping[str, set[str]] = {}
        for path in (root / "roles").glob("*/meta/argument_specs.yml"):
            entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
            self.roles[path.parts[-3]] = {name for entry in entries for name in entry.get("options", {})}

    def lacks(self, words: Sequence[str]) -> list[str]:
        """What one command names that is not there."""
        named = [word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX)]
        if "ansible-playbook" in words:
            return self._of_playbooks(named, _after(words, "-e", "--extra-vars"))
        if "ansible" not in words:
            return []
        lost = [f"module {name}" for name in named if name not in self.modules]
        known = {option for name in named for option in self.modules.get(name, ())}
        given = {name for text in _after(words, "-a", "--args") for name in _names(text)}
        return lost + [f"option {name} of {named[0]}" for name in sorted(given - known) if named]

    def _of_playbooks(self, named: Sequence[str], extra: Sequence[str]) -> list[str]:
        lost = [f"playbook {name}" for name in named if name not in self.playbooks]
        text = "".join(self.playbooks.get(name, "") for name in named)
        known = {name for role, names in self.roles.items() if re.search(rf"\b{role}\b", text) for name in names}
        given = {name for one in extra for name in _names(one) if not name.startswith(_OF_ALL)}
        return lost + [
            f"variable {name} of {named[0]}"
            for name in sorted(given - known)
            if named and not re.search(rf"\b{name}\b", text)
        ]


def _after(words: Sequence[str], *flags: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words[:-1]) if word in flags]


def _names(text: str) -> list[str]:
    """The names that ``-e`` or ``-a`` gives a value; none of a file."""
    if text.startswith("{"):
        return list(t.cast("dict[str, t.Any]", yaml.safe_load(text)))
    return [] if text.startswith("@") else re.findall(r"(?:^|\s)(\w+)=", text)


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a page's blocks, each as its words."""
    for block in _BLOCK.finditer(text):
        waiting = ""
        for line in block[2].replace("\\\n", " ").splitlines():
            waiting += f"{line}\n"
            try:
                words = shlex.split(waiting, comments=True)
            except ValueError:
                # a quoted text goes on in the next line
                continue
            waiting = ""
            command: list[str] = []
            for word in [*words, ";"]:
                if _BETWEEN.fullmatch(word):
                    yield command
                    command = []
                else:
                    command.append(word)
        assert not waiting, f"a quote does not end: {waiting}"
