# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done with configurations of network devices holds for those that this project did not write."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise, platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.model import config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.candidate import applied, candidate, same
from ansible_collections.holdfast.config.plugins.plugin_utils.model.config_node import COMMENT, Node, Tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Platform
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import LONG, Blocks, Redactor

from ..lab.corpus import Configuration, configurations

# how many files the package brings, beside a program
FILES = 28
# platforms whose lines are typed on a device
TYPED = ("ios", "nxos", "junos", "comware")
# the largest have tens of thousands of lines of the same kind
MOST_LINES = 2000
MOST_MASKED = 0.02
# what a reader of the files finds that is secret
SECRETS = {
    "HP_Procurve.conf": ("$c$4$pBfoabrc+7elCAvXrDqjFXl1AcI9",),
    "sample_01.asa": ("2KFQnbNIdI.2KYOU", "dXRTaA5wrZ3OL8gz"),
    "sample_01.ios": ("$1$Q0Zl", "107D3D232342041E3A", "023530612D5319347A", "SoMeThaNGwIErd"),
    "sample_01.iosxr": ("012F0DEADBEEFC00D15003A4", "frogRO", "frogRW", "0DEADBEEFDEADBEEFDEADBEEF0"),
    "sample_01.junos": ("$1$y7ArHxKU",),
    "sample_01.nxos": ("$1$.vTq$", "02050D4808095E731F", "a667d47acc18ea6b"),
    "sample_02.ios": ("075C727A6E0A180B03", "publicstrang", "privatestrang", "123A0D05431818090A38", "05280E1D705F5A"),
    "sample_03.f5": ("XYArINK7/M7j7Vx", "qdG0fzWbAgMBAAECggEA"),
    "sample_03.ios": ("013D5513420E261D", "public1", "private1", "12115605111E005739", "060E5C334F5B054A16"),
    "sample_03.iosxr": ("$1$umMq$",),
    "sample_03.junos": ("school-ro",),
    "sample_04.ios": ("0357083D260C20425A", "RADiUs", "14341A195D173E26043B"),
    "sample_04.iosxr": ("$1$FXeb$",),
    "sample_05.iosxr": ("$6$vVgiw06f", "ACME.ro", "050C0921157F", "045C0428333333333", "025F5D4444", "12495445415F"),
    "sample_06.iosxr": ("$6$oIgXZ03v", "$6$Yo1Z6xE", "02D55F5D08055C24", "00301C15919091", "0723C1157F713D"),
    "sample_07.iosxr": ("040B5242342423", "003091B731C1C01C", "0015107919091B", "00301B731CC151079"),
    "sample_08.ios": ("023530612D5319347A",),
    "sample_10.ios": ("$9$3V6L3V6L2VUI2k",),
}


def platform_of(one: Configuration) -> Platform:
    return platforms.find(one.platform)


def tree_of(one: Configuration) -> Tree:
    return config_tree.parse(one.text.decode("utf-8", "surrogateescape"), platform_of(one).structure)


def shown(one: Configuration) -> list[str]:
    redactor = Redactor(tuple(rule.pattern for rule in platform_of(one).secrets))
    blocks = Blocks.of(one.lines)
    return [blocks.masked(place, redactor) for place in range(len(blocks.lines))]


def edited(nodes: Sequence[Node], dice: random.Random) -> tuple[Node, ...]:
    """Nodes of which some are gone, and others are in the blocks that are left."""
    kept = []
    for node in nodes:
        if node.kind != COMMENT and dice.random() < 0.1:
            continue
        children = edited(node.children, dice)
        kept.append(Node(node.text, node.key, node.kind, node.literal, children, node.closing))
    return tuple(kept)


def is_volatile(line: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.search(line) for pattern in patterns)


def test_the_files_are_those_that_were_pinned() -> None:
    found = configurations()
    assert len(found) == FILES
    assert {one.name for one in found} >= set(SECRETS)
    assert {one.platform for one in found} >= {*TYPED, "asa", "iosxr"}


def test_each_is_read_and_written_again_as_it_was() -> None:
    others = [
        one.name
        for one in configurations()
        if config_tree.lines(tree_of(one)) != config_tree.split(one.text.decode("utf-8", "surrogateescape"))
    ]
    assert others == []


def test_what_was_normalised_is_not_changed_by_it_again() -> None:
    for one in configurations():
        once = normalise.normalised(platform_of(one), "running", one.text)
        assert normalise.normalised(platform_of(one), "running", once) == once, one.name


def test_what_changes_by_itself_is_the_same_after_it_has_changed() -> None:
    clocks = {"sample_01.ios": (b"17208943", b"17208944"), "sample_03.iosxr": (b"15:59:22.174", b"16:01:02.003")}
    clocks["sample_01.asa"] = (b"05:37:43.184", b"06:00:00.000")
    for one in configurations():
        for before, after in [clocks[one.name]] if one.name in clocks else []:
            changed = one.text.replace(before, after)
            assert changed != one.text
            results = {normalise.normalised(platform_of(one), "running", text) for text in (one.text, changed)}
            assert len(results) == 1, one.name


def test_a_changed_line_that_no_rule_names_is_drift() -> None:
    dice = random.Random(9)
    for one in configurations():
        platform, lines = platform_of(one), one.text.split(b"\n")
        if len(lines) > MOST_LINES:
            continue
        known = [re.compile(rule.pattern) for rule in platform.volatile]
        item = platform.item("running")
        begin = re.compile(item.begin) if item is not None and item.begin else re.compile("")
        texts = [line.decode("utf-8", "surrogateescape") for line in lines]
        first = next((place for place, text in enumerate(texts) if begin.search(text)), 0)
        before = normalise.normalised(platform, "running", one.text)
        places = [place for place in range(first, len(lines)) if texts[place].strip()]
        for place in dice.sample(places, min(12, len(places))):
            if not is_volatile(texts[place], known):
                changed = [*lines[:place], lines[place].rstrip() + b" changed", *lines[place + 1 :]]
                assert normalise.normalised(platform, "running", b"\n".join(changed)) != before, (one.name, place)


@pytest.mark.parametrize("platform", TYPED)
def test_the_lines_that_are_typed_make_one_of_another(platform: str) -> None:
    dice = random.Random(platform)
    structure = platforms.find(platform).structure
    tried = 0
    for one in configurations():
        tree = tree_of(one)
        if one.platform != platform or len(one.lines) > MOST_LINES or not tree.whole:
            continue
        assert candidate(tree, tree, structure) == ()
        other = Tree(tree.style, edited(tree.nodes, dice))
        for live, wanted in ((tree, other), (other, tree)):
            typed = candidate(live, wanted, structure)
            assert same(applied(live, typed, structure), wanted, structure), one.name
        tried += 1
    assert tried


def test_no_known_secret_is_shown() -> None:
    for one in configurations():
        secrets = SECRETS.get(one.name, ())
        text = one.text.decode("utf-8", "surrogateescape")
        view = "\n".join(shown(one))
        assert [secret for secret in secrets if secret not in text] == [], one.name
        assert [secret for secret in secrets if secret in view] == [], one.name


def test_few_lines_without_a_secret_are_masked() -> None:
    masked = harmless = 0
    for one in configurations():
        secrets, lines = SECRETS.get(one.name, ()), one.lines
        if len(lines) > MOST_LINES:
            continue
        for line, view in zip(lines, shown(one), strict=True):
            if not any(secret in line for secret in secrets):
                harmless += 1
                masked += view not in (line, LONG)
    assert harmless > 5_000
    assert masked / harmless <= MOST_MASKED, f"{masked} of {harmless}"
