# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations of each style, made up for properties."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    BRACES,
    INDENT,
    REAL,
    SET,
    Literal,
    Rule,
    Structure,
)
from hypothesis import strategies as st


def rules(*patterns: str) -> tuple[Rule, ...]:
    return tuple(Rule(pattern, REAL, "made for this test") for pattern in patterns)


TYPED = Structure(
    INDENT,
    comment=r"^\s*!",
    close=(r"^\s*exit(?:-\S+)?$", r"^end$"),
    ordered=rules(r"^acl "),
    sequence=rules(r"^rule (?P<key>\S+) "),
    unordered=rules(r"^user "),
    replaces=rules(r"^(?P<key>name|mtu) "),
    literals=(Literal(r"^\s*banner \S+ (?P<mark>\^C)$", r"^{0}$"), Literal(r"^\s*certificate \S+$", r"^\s*quit$")),
    negate="no",
)
PATHS = Structure(
    SET,
    sequence=rules(r"^set rule (?P<key>\S+) "),
    replaces=rules(r"^set (?P<key>name|mtu) "),
    negate="delete",
)
BRACED = Structure(BRACES, comment=r"^\s*/\*", ordered=rules(r"^acl "), negate="delete")

# long enough to be taken for names that other lines use
WORDS = st.sampled_from(["aa", "bb", "cc", "dd"])


def _unique(lines: list[list[str]]) -> list[list[str]]:
    """Blocks of which no two have the same first line, nor one that a device takes for the same."""
    found: dict[str, list[str]] = {}
    for block in lines:
        said = block[0].strip().removeprefix("no ")
        key = said.split()[0] if said.startswith(("name ", "mtu ")) else said
        if key.startswith("banner "):
            key = " ".join(said.split()[:2])
        found.setdefault(key, block)
    return list(found.values())


def _indented(block: list[str]) -> list[str]:
    literal = block[0].strip().startswith(("banner ", "certificate "))
    return [f" {block[0]}", *block[1:]] if literal else [f" {line}" for line in block]


def _leaf() -> st.SearchStrategy[list[str]]:
    plain = st.builds(
        lambda kind, word: [f"{kind} {word}"], st.sampled_from(["name", "mtu", "user", "x", "no x"]), WORDS
    )
    rule = st.builds(lambda name, word: [f"rule {name} {word}"], st.sampled_from(["a", "b"]), WORDS)
    banner = st.builds(lambda name, word: [f"banner {name} ^C", f"  {word}", "! x", "^C"], WORDS, WORDS)
    certificate = st.builds(lambda name, word: [f"certificate {name}", f" {word}", "quit"], WORDS, WORDS)
    return plain | plain | rule | banner | certificate


def _block(inner: st.SearchStrategy[list[list[str]]]) -> st.SearchStrategy[list[str]]:
    head = st.builds(lambda kind, word: f"{kind} {word}", st.sampled_from(["acl", "interface"]), WORDS)
    return st.builds(lambda line, found: [line, *(text for one in found for text in _indented(one))], head, inner)


def _blocks() -> st.SearchStrategy[list[list[str]]]:
    leaves = st.lists(_leaf(), max_size=6).map(_unique)
    return st.recursive(leaves, lambda inner: st.lists(_leaf() | _block(inner), max_size=6).map(_unique), max_leaves=8)


INDENTED = _blocks().map(lambda blocks: "".join(f"{line}\n" for block in blocks for line in block))
PATH = st.builds(
    lambda kind, words: " ".join(("set", kind, *words)),
    st.sampled_from(["name", "mtu", "rule aa", "rule aa", "rule bb", "x", "y"]),
    st.lists(WORDS, min_size=1, max_size=3),
)


def _one_value(lines: list[str]) -> list[str]:
    found: dict[str, str] = {}
    for line in lines:
        kind = line.split()[1]
        found.setdefault(kind if kind in ("name", "mtu") else line, line)
    return list(found.values())


SET_LINES = st.lists(PATH | PATH.map(lambda line: line.replace("set", "deactivate", 1)), max_size=10).map(
    lambda lines: "".join(f"{line}\n" for line in _one_value(lines))
)


def _braced(depth: int) -> st.SearchStrategy[list[str]]:
    leaf = st.builds(lambda kind, word: [f"{kind} {word};"], st.sampled_from(["x", "y"]), WORDS)
    values = st.lists(WORDS, min_size=2, max_size=3, unique=True).map(lambda words: [f"z [ {' '.join(words)} ];"])
    if depth == 0:
        return leaf | values
    head = st.builds(
        lambda inactive, kind, word: f"{inactive}{kind} {word} {{",
        st.sampled_from(["", "", "inactive: "]),
        st.sampled_from(["acl", "unit"]),
        WORDS,
    )
    inner = st.lists(_braced(depth - 1), min_size=1, max_size=4).map(_unique_braced)
    block = st.builds(lambda line, found: [line, *(f"    {text}" for one in found for text in one), "}"], head, inner)
    return leaf | values | block


def _unique_braced(blocks: list[list[str]]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for block in blocks:
        found.setdefault(block[0].removeprefix("inactive: "), block)
    return list(found.values())


BRACED_LINES = st.lists(_braced(2), max_size=5).map(
    lambda blocks: "".join(f"{line}\n" for block in _unique_braced(blocks) for line in block)
)
# what a device might say that is hostile, or no configuration
_SAID = (
    *("!", "", "exit", " exit", "end", "  a", " a", "   b {", "}", "};", "banner x ^C", "^C", "\tname a", "user a"),
    *(" user b", "user b", "acl a", "no x", "a\r", "certificate a", "quit", "\udcff\x1b[0m", "edit 1", "next"),
    *("\\", "user a {", "/user a", "  user c", "   user b", "! time 1", "x time 2", "x time 3 "),
)
NOISE = st.lists(st.sampled_from(_SAID), max_size=14).map(lambda lines: "".join(f"{line}\n" for line in lines))
