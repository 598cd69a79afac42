# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole texts and others; each text is cut at each byte."""

from __future__ import annotations

import dataclasses
import json

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.completeness import judged
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, RefusedItemError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    BRACES,
    JSON,
    NESTED,
    SIMULATED,
    TEXT,
    XML,
    Item,
    Rule,
    Structure,
)

SECRET = b"CANARY"
REFUSALS = (Rule(r"^% ?(?:Invalid|Unknown)", SIMULATED, "none"),)
IOS = Item("running", "show running-config", "what runs", begin=r"^version \d", end=r"^end$")
XML_ITEM = Item("running", "running", "what runs", form=XML)
JSON_ITEM = Item("running", "show | json", "what runs", form=JSON)
BRACE_ITEM = Item("running", "show configuration", "what runs", end=r"^\}$")
NESTED_ITEM = Item("running", "show", "what runs", begin=r"^config ", end=r"^end$")

IOS_TEXT = b"Building configuration...\n!\nversion 15.2\nhostname CANARY\nbanner motd ^C\n% Invalid\n^C\nend\n"
XML_TEXT = b'<?xml version="1.0"?>\n<data>\n  <key>CANARY</key>\n</data>\n'
JSON_TEXT = b'{\n  "key": ["CANARY", 1]\n}\n'
BRACE_TEXT = b'system {\n    key "CANARY"; ## SECRET-DATA\n    login {\n        user a;\n    }\n}\n'
NESTED_TEXT = b'config system admin\n    edit "admin"\n        set password CANARY\n    next\nend\n'


def whole(item: Item, text: bytes, style: str = "") -> bool:
    """Whether it is taken for the whole; no error holds any of it."""
    caught = None
    try:
        told = judged(item, text, REFUSALS, device="r1", structure=Structure(style) if style else None)
    except CaptureError as e:
        caught = e
    if caught is None:
        assert told == text
        return True
    assert (caught.host, caught.item) == ("r1", "running")
    assert SECRET.decode() not in f"{caught} {caught!r}"
    return False


@pytest.mark.parametrize(
    ("item", "text", "style"),
    [
        (IOS, IOS_TEXT, ""),
        (XML_ITEM, XML_TEXT, XML),
        (JSON_ITEM, JSON_TEXT, JSON),
        (BRACE_ITEM, BRACE_TEXT, BRACES),
        (NESTED_ITEM, NESTED_TEXT, NESTED),
    ],
)
def test_a_text_that_is_cut_at_any_byte_is_not_whole(item: Item, text: bytes, style: str) -> None:
    assert whole(item, text, style)
    for cut in range(len(text.rstrip())):
        assert not whole(item, text[:cut], style), text[:cut]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n\n",
        b"None\n",
        b"null\n",
        b"version 15.2\n\0\nend\n",
        b"version 15.2\nend\nr1#\n",
        b"version 15.2\n end of it\n",
        b"hostname CANARY\nend\n",
    ],
)
def test_what_is_no_whole_text(text: bytes) -> None:
    assert not whole(IOS, text)


@pytest.mark.parametrize(
    "text",
    [
        b"<data><a></data>",
        b"<data/><data/>",
        b"<data/>\nr1#\n",
        b"CANARY",
        b'<!DOCTYPE d [<!ENTITY a "CANARY">]><data>&a;</data>',
    ],
)
def test_what_is_no_whole_document(text: bytes) -> None:
    assert not whole(XML_ITEM, text)
    assert not whole(JSON_ITEM, text)


def test_blocks_that_were_not_opened() -> None:
    assert not whole(BRACE_ITEM, b"}\nsystem {\n}\n", BRACES)
    assert not whole(NESTED_ITEM, b"config a\nend\nend\n", NESTED)
    assert not whole(JSON_ITEM, b"[" * 100_000)


@pytest.mark.parametrize(
    "text", [b"% Invalid input\n", b"       ^\n% Invalid input detected\n", b"\n\n%Unknown command\nend\n"]
)
def test_refusals(text: bytes) -> None:
    with pytest.raises(RefusedItemError):
        judged(IOS, text, REFUSALS)


def test_an_item_has_refusals_of_its_own() -> None:
    item = dataclasses.replace(IOS, refusals=(Rule(r"^startup-config is not present$", SIMULATED, "none"),))
    with pytest.raises(RefusedItemError, match="has none"):
        judged(item, b"startup-config is not present\n", REFUSALS)
    assert whole(item, b"version 15.2\nstartup-config is not present\nend\n")
    assert not whole(IOS, b"startup-config is not present\n")


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("junos", b"version 20.1;\nprotocols { /* ACCESS-DENIED */ }\nsystem {\n    host-name CANARY;\n}\n"),
        ("junos", b"version 20.1;\nsystem {\n    key /* SECRET-DATA */; ## SECRET-DATA\n}\n"),
        (
            "edgeos",
            b"set system login user a authentication plaintext-password ****************\nset x CANARY\n",
        ),
    ],
)
def test_a_text_of_which_a_part_was_kept_back_is_not_whole(platform: str, text: bytes) -> None:
    known = platforms.find(platform)
    item = known.item("running")
    assert item is not None
    with pytest.raises(CaptureError, match="left out or masked a part") as caught:
        judged(item, text, structure=known.structure)
    assert SECRET.decode() not in f"{caught.value}"
    assert not isinstance(caught.value, RefusedItemError)


# the end of a block, a command and a quote, each in a value or a comment of several lines
QUOTED = {
    NESTED: b'config a\n    edit "x"\n        set script "\nconfig b\nedit \\"q\\"\nend\nend\n"\n    next\nend\n',
    BRACES: b'## by "x\nsystem {\n    message "a\n}\nb {\n\\" {\n";\n    /* see {\n     * it"s } */\n    user a;\n}\n',
}


@pytest.mark.parametrize("style", QUOTED)
def test_blocks_in_values_of_several_lines_are_none(style: str) -> None:
    item = Item("running", "show", "what runs")
    assert whole(item, QUOTED[style], style)
    cuts = [cut for cut in range(len(QUOTED[style].rstrip())) if QUOTED[style][:cut].count(b"\n")]
    # the first lines of braces are a comment, which is whole alone
    begun = 2 if style == BRACES else 0
    assert not any(whole(item, QUOTED[style][:cut], style) for cut in cuts if QUOTED[style][:cut].count(b"\n") >= begun)


@pytest.mark.parametrize(
    "line",
    [
        "<ge-0/0/*> {\n}",
        "<*-*/*/*> {\n}",
        "member ge-0/0/*;",
        "list [ www.example.com/* *.example.org/ ];",
        'a##b "\n}\n";',
    ],
)
def test_signs_of_comments_in_words_begin_none(line: str) -> None:
    text = f"a {{\n{line}\n}}\nsystem {{\n    user a;\n}}\n".encode()
    assert whole(BRACE_ITEM, text, BRACES)
    assert not whole(BRACE_ITEM, text.replace(b"\n}\nsystem", b"\nsystem"), BRACES)


def test_texts_about_a_device_have_quotes_as_they_like() -> None:
    disks = Item("inventory", "show disks", "what it has", form=TEXT)
    for style in (BRACES, NESTED):
        assert whole(dataclasses.replace(disks, name="running"), b'a disk of 3.5"\n', style)


def test_what_looks_like_a_refusal_within_a_text_is_none() -> None:
    assert whole(IOS, b"version 15.2\n% Invalid input\nend\n")
    assert whole(Item("version", "show version", "what it is"), b"a\n" * 9 + b"% Invalid input\n")


def test_large_texts() -> None:
    assert whole(IOS, b"version 15.2\n" + b" x\n" * 300_000 + b"end\n")
    assert not whole(IOS, b"version 15.2\n" + b"x" * 3_000_000)
    assert whole(JSON_ITEM, json.dumps(list(range(100_000))).encode())
