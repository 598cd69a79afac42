# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.config_tree import COMMENT, MOST_DEPTH, Node, Tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    BRACES,
    FLAT,
    INDENT,
    JSON,
    NESTED,
    SET,
    XML,
    Literal,
    Structure,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.model.configurations import (
    BRACED_LINES,
    INDENTED,
    NOISE,
    TYPED,
    rules,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Told = list["str | tuple[str, Told]"]


def told(nodes: tuple[Node, ...]) -> Told:
    """What lines say, those of blocks below theirs."""
    return [(node.key, told(node.children)) if node.children else node.key for node in nodes if node.kind != COMMENT]


def read(text: str, structure: Structure) -> Told:
    return told(config_tree.parse(text, structure).nodes)


@given(NOISE | INDENTED | BRACED_LINES, st.sampled_from([INDENT, BRACES, NESTED, SET, FLAT]))
@settings(max_examples=300, deadline=None)
def test_a_text_comes_back_line_by_line(text: str, style: str) -> None:
    structure = Structure(style, comment=TYPED.comment, close=TYPED.close, literals=TYPED.literals)
    assert config_tree.lines(config_tree.parse(text, structure)) == config_tree.split(text)


def test_what_stands_deeper_is_in_the_block_of_the_line_before_it() -> None:
    text = """!
router bgp 65001
 neighbor 192.0.2.1 remote-as 65002
 !
 address-family ipv4
  network 198.51.100.0/24
 exit-address-family
!
ip routing
end
"""
    structure = Structure(INDENT, comment=r"^\s*!", close=(r"^\s*exit", r"^end$"))
    family = ("address-family ipv4", ["network 198.51.100.0/24"])
    (_bang, bgp, *_rest) = config_tree.parse(text, structure).nodes
    neighbor = "neighbor 192.0.2.1 remote-as 65002"
    assert read(text, structure) == [("router bgp 65001", [neighbor, family]), "ip routing"]
    assert bgp.children[2].closing == (" exit-address-family",)
    # a tab is as wide as a terminal makes it
    assert read("a\n        b\n\tc\n", structure) == [("a", ["b", "c"])]


def test_the_end_of_a_text_belongs_to_no_block() -> None:
    tree = config_tree.parse("line vty 0 4\n login\nend\n", Structure(INDENT, close=(r"^end$",)))
    assert tree.nodes[0].closing == ()
    assert tree.nodes[1].kind == COMMENT


def test_a_literal_is_no_configuration() -> None:
    structure = Structure(
        INDENT,
        comment="^!",
        literals=(
            Literal(r"^banner \S+ (?P<mark>\^C|\S)", "{0}"),
            Literal(r"^ certificate \S+", r"^\s*quit$"),
            Literal(r"^banner \S+$", "^EOF$"),
        ),
    )
    text = (
        "banner motd ^C\ninterface x\n! y\n^C\nbanner login #one line#\ncrypto chain a\n certificate 01\n  30\n quit\n"
    )
    tree = config_tree.parse(text + "banner exec\nhostname x\nEOF\nhostname y\n", structure)
    assert told(tree.nodes) == [
        "banner motd ^C",
        "banner login #one line#",
        ("crypto chain a", ["certificate 01"]),
        "banner exec",
        "hostname y",
    ]
    assert tree.nodes[0].literal == ("interface x", "! y", "^C")
    assert tree.whole
    open_ended = config_tree.parse("banner motd ^C\ninterface x\n shutdown\n", structure)
    assert told(open_ended.nodes) == ["banner motd ^C", ("interface x", ["shutdown"])]
    assert not open_ended.whole


def test_braces_open_and_close_blocks() -> None:
    text = """## Last commit: now
system {
    host-name r1;
    root-authentication {
        encrypted-password "$6$a{;"; ## SECRET-DATA
    }
    inactive: ntp {
        server 192.0.2.1;
    }
}
}
"""
    assert read(text, Structure(BRACES, comment="^##")) == [
        (
            "system",
            [
                "host-name r1",
                ("root-authentication", ['encrypted-password "$6$a{;"']),
                ("inactive: ntp", ["server 192.0.2.1"]),
            ],
        )
    ]


def test_fortios_nests_edits_in_configs() -> None:
    text = """config system interface
    edit "port1"
        set vdom "root"
        config ipv6
            set ip6-mode static
        end
    next
end
"""
    block = ('edit "port1"', ['set vdom "root"', ("config ipv6", ["set ip6-mode static"])])
    assert read(text, Structure(NESTED)) == [("config system interface", [block])]


def test_values_and_comments_of_several_lines_open_and_close_no_block() -> None:
    text = (
        'config a\n    edit "x"\n        set script "\nconfig b\nedit \\"q\\"\nend\n"\n        set b c\n    next\nend'
    )
    tree = config_tree.parse(text, Structure(NESTED))
    assert told(tree.nodes) == [("config a", [('edit "x"', ['set script "', "set b c"])])]
    assert tree.nodes[0].children[0].children[0].literal == ("config b", 'edit \\"q\\"', "end", '"')
    braces = 'a {\n    m "x {\n}\n";\n    /* see {\n       it"s } */\n    b; ## "\n}\nc;\n'
    assert read(braces, Structure(BRACES)) == [("a", ['m "x {', 'b; ## "']), "c"]
    assert config_tree.lines(config_tree.parse(braces, Structure(BRACES))) == config_tree.split(braces)


def test_signs_of_comments_in_words_begin_none() -> None:
    text = """a {
    <ge-0/0/*> {
        mtu 9000;
    }
    <*-*/*/*> {
        mtu 1500;
    }
    member ge-0/0/*;
    list [ www.example.com/* *.example.org/ ];
}
/* note */
b;
"""
    blocks = [("<ge-0/0/*>", ["mtu 9000"]), ("<*-*/*/*>", ["mtu 1500"])]
    tree = config_tree.parse(text, Structure(BRACES, comment=r"^\s*/\*"))
    assert told(tree.nodes) == [("a", [*blocks, "member ge-0/0/*", "list [ www.example.com/* *.example.org/ ]"]), "b"]
    assert tree.whole


def test_a_quote_that_nothing_closes_is_none_and_is_looked_for_once() -> None:
    tree = config_tree.parse('config a\n    set b "c\nend\n' + 'set x \\"\n' * 30_000, Structure(NESTED))
    assert told(tree.nodes)[0] == ("config a", ['set b "c'])
    assert not tree.whole


def test_a_line_of_routeros_goes_on_after_a_backslash_and_stands_below_its_menu() -> None:
    text = (
        "/ip address\nadd address=192.0.2.1/24 \\\n    interface=ether1\nadd address=x\n/system identity\nset name=r\n"
    )
    tree = config_tree.parse(text, Structure(FLAT))
    assert told(tree.nodes) == [
        ("/ip address", ["add address=192.0.2.1/24 \\", "add address=x"]),
        ("/system identity", ["set name=r"]),
    ]
    assert tree.nodes[0].children[0].literal == ("    interface=ether1",)


def test_xml_says_the_same_however_it_is_laid_out() -> None:
    one = '<?xml version="1.0"?><a y="2" x="1"><!-- c --><b> t\n</b><c/>mixed &amp; <d><![CDATA[<]]></d></a>'
    other = '<a x="1" y="2">\n  <b> t\n</b>\n<c/>mixed &#38;\n  <d>&lt;</d></a>\n'
    first, second = (config_tree.parse(text, Structure(XML)) for text in (one, other))
    assert first == second
    assert config_tree.lines(first) == [
        '<a x="1" y="2">',
        "  <b> t&#10;</b>",
        "  <c/>",
        "  mixed &amp;",
        "  <d>&lt;</d>",
        "</a>",
    ]
    assert config_tree.parse("\n".join(config_tree.lines(first)), Structure(XML)) == first
    blank = config_tree.parse("<a><c>  </c></a>", Structure(XML))
    assert config_tree.lines(blank) == ["<a>", "  <c>  </c>", "</a>"]
    assert config_tree.parse("\n".join(config_tree.lines(blank)), Structure(XML)) == blank


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        "<a><b></a>",
        "<a>\udcff</a>",
        "",
        "<a/><b/>",
        "<a>" * (MOST_DEPTH + 1) + "</a>" * (MOST_DEPTH + 1),
    ],
)
def test_xml_that_no_device_writes_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        config_tree.parse(text, Structure(XML))
    assert "passwd" not in str(refused.value)


def test_json_says_the_same_in_any_order_of_members() -> None:
    one, other = '{"b": [1.50, {"c": null}], "a": {}}', '{"a":{},"b":[1.50,{"c":null}]}'
    first, second = (config_tree.parse(text, Structure(JSON)) for text in (one, other))
    assert first == second
    assert first != config_tree.parse(one.replace("1.50", "1.5"), Structure(JSON))
    assert read(one, Structure(JSON)) == [("{", ['"a": {}', ('"b": [', ["1.50", ("{", ['"c": null'])])])]


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "NaN", "{", '"\udcff"', "[" * 100_000, "[" * 99 + "]" * 99])
def test_json_that_no_device_writes_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        config_tree.parse(text, Structure(JSON))


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (BRACES, "a {\n" * (MOST_DEPTH + 1)),
        (NESTED, "config a\n" * (MOST_DEPTH + 1)),
        (INDENT, "".join(" " * depth + "a\n" for depth in range(MOST_DEPTH + 1))),
    ],
)
def test_what_would_exhaust_the_stack_is_refused(style: str, text: str) -> None:
    assert config_tree.parse(text.split("\n", 2)[0], Structure(style)).nodes
    with pytest.raises(FormatError, match="deep"):
        config_tree.parse(text, Structure(style))


def test_many_literals_without_an_end_are_looked_through_once() -> None:
    structure = Structure(INDENT, literals=(Literal("^banner", "^EOF$"),))
    tree = config_tree.parse("banner\n" * 15_000, structure)
    assert len(tree.nodes) == 15_000
    assert not tree.whole


def test_no_pattern_is_searched_in_a_line_that_is_too_long() -> None:
    long = "! " + "x" * config_tree.LONGEST_LINE
    (node,) = config_tree.parse(long, Structure(INDENT, comment="^!")).nodes
    assert node.kind != COMMENT


def test_a_rule_that_is_no_pattern_is_named() -> None:
    with pytest.raises(FormatError, match="regular expression"):
        config_tree.parse("a", Structure(INDENT, ordered=rules("(")))


def test_an_empty_text_is_an_empty_tree() -> None:
    assert config_tree.parse("", Structure(INDENT)) == Tree(INDENT)
    assert config_tree.lines(Tree(INDENT)) == []
