# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever looks for a page finds it: no link leads nowhere, the index names every page, commands name what is there."""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from . import laws, page_commands

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def pages(root: Path) -> list[Path]:
    """All pages that are written in Markdown."""
    return [path for path in laws.tracked(root) if path.suffix == ".md"]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where the links of a page lead to within the checkout: a file, and the place in it or nothing."""
    text = re.sub(r"`[^`\n]+`", "", _FENCED.sub("", page.read_text(encoding="utf-8")))
    for found in _LINK.finditer(text):
        target = urllib.parse.urlsplit(found[1])
        if not target.scheme:
            path = page.parent / urllib.parse.unquote(target.path) if target.path else page
            yield Path(path).resolve(), target.fragment


def anchors(page: Path) -> set[str]:
    """The places of a page that can be linked to, named as GitHub names them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+?) *$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = 0
        while (unique := f"{name}-{count}" if count else name) in found:
            count += 1
        found.add(unique)
    return found


def broken_links(root: Path) -> list[str]:
    """The links of all pages that lead nowhere."""
    broken = []
    for page in pages(root):
        for path, place in links(page):
            lost = not path.exists() or (place and (path.suffix != ".md" or place not in anchors(path)))
            if lost:
                broken.append(f"{page.relative_to(root)}: {path.name}{'#' if place else ''}{place}")
    return broken


def test_no_link_leads_nowhere() -> None:
    assert broken_links(ROOT) == []


def test_a_lost_page_and_a_lost_heading_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# One [two](b.md) `three`, four\n\n## One\n\n## One\n[x](b.md) [y](#one-1) [z](c.md#q)\n"
    )
    (tmp_path / "b.md").write_text(
        "[a](a.md#one-two-three-four) [a](a.md#two)\n```\n[code](nowhere.md)\n```\n`[c](no.md)`\n"
    )
    assert anchors(tmp_path / "a.md") == {"one-two-three-four", "one", "one-1"}
    found = {path.name: [(to.name, place) for to, place in links(path)] for path in tmp_path.glob("*.md")}
    assert found["a.md"] == [("b.md", ""), ("b.md", ""), ("a.md", "one-1"), ("c.md", "q")]
    assert found["b.md"] == [("a.md", "one-two-three-four"), ("a.md", "two")]


def test_the_index_names_every_page() -> None:
    listed = {path for path, _place in links(INDEX)}
    wanted = [path for path in pages(ROOT) if path.is_relative_to(DOCS) and path != INDEX]
    decisions = [path for path in wanted if path.parent.name == "adr" and path.name != "README.md"]
    assert {str(path.relative_to(DOCS)) for path in set(wanted) - set(decisions) - listed} == set()


def test_what_the_page_of_changes_names_is_there() -> None:
    text = (DOCS / "design" / "where.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:plugins|tests|meta|roles|docs|requirements)/[\w./]+)`", text)
    assert len(named) > 20
    assert [
        name for name in named if not (ROOT / name).exists() and not re.search(r"\b(?:NAME|X)\b|\.\.\.", name)
    ] == []


def test_the_list_of_decisions_names_every_decision() -> None:
    folder = DOCS / "adr"
    listed = [path.name for path, _place in links(folder / "README.md") if path.parent == folder]
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def there() -> page_commands.Collection:
    """What commands may name."""
    return page_commands.Collection(ROOT)


def test_commands_name_what_is_there(there: page_commands.Collection) -> None:
    given = [
        (page, words) for page in pages(ROOT) for words in page_commands.commands(page.read_text(encoding="utf-8"))
    ]
    assert sum(any(word.startswith(page_commands.PREFIX) for word in words) for _page, words in given) > 150
    assert [f"{page.relative_to(ROOT)}: no {one}" for page, words in given for one in there.lacks(words)] == []


@pytest.mark.parametrize(
    ("command", "lost"),
    [
        ("ansible-playbook -i x holdfast.config.backup -e backup_point=pre -e '{\n\"holdfast_change\": 1}'", []),
        ("cd x && ansible-playbook holdfast.config.backap", ["playbook backap"]),
        ("ansible-playbook holdfast.config.restore -e restore_newset=true", ["variable restore_newset of restore"]),
        ("ansible all \\\n -m holdfast.config.verify -a 'level=keys deep=1'", ["option deep of verify"]),
        ("ansible all -m holdfast.config.verfy", ["module verfy"]),
        ("# ansible-playbook holdfast.config.none\nansible-doc -l holdfast.config", []),
    ],
)
def test_a_command_that_names_what_is_not_there_is_found(
    there: page_commands.Collection, command: str, lost: list[str]
) -> None:
    words = page_commands.commands(f"text\n```bash\n{command}\n```\n")
    assert [one for given in words for one in there.lacks(given)] == lost


@pytest.mark.parametrize(
    ("kind", "folder"), [("module", "plugins/modules"), ("role", "roles"), ("playbook", "playbooks")]
)
def test_what_is_public_is_named_by_a_page(kind: str, folder: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    there = {path.stem for path in (ROOT / folder).iterdir() if not path.name.startswith(("_", "."))}
    if kind == "module":
        there = set(
            t.cast(
                "list[str]", yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["holdfast"]
            )
        )
    unnamed = {name for name in there if not re.search(rf"\b{name}\b", text)}
    assert unnamed == set()
