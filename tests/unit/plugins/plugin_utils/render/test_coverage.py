# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import html.parser

from ansible_collections.holdfast.config.plugins.plugin_utils.model.coverage import STATES, Row
from ansible_collections.holdfast.config.plugins.plugin_utils.render import coverage
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.timezone.utc)
ROWS = (
    Row("web1", ("web",), "nginx", "tier1", "web-team", "covered"),
    Row(
        "web1",
        ("web",),
        "cache",
        "tier1",
        "web-team",
        "accepted",
        ("never captured",),
        exception="EX-7",
        control="rebuilt each week",
        signers=("alice", "bob"),
        until=NOW,
    ),
    Row("db1", (), "", "", "", "gap", ("the host is unknown to the inventory",)),
)
TEXTS = st.text(max_size=60)


def test_the_report_says_who_accepts_what_until_when_and_why_there_is_a_gap():
    lines = coverage.report(ROWS, NOW)
    assert lines[0] == "Coverage at 2026-11-27T00:00:00Z: 1 covered, 1 accepted, 1 gap"
    text = " ".join(" ".join(lines).split())
    assert "EX-7 accepted by alice, bob until 2026-11-27T00:00:00Z: rebuilt each week" in text
    assert "db1: the host is unknown to the inventory" in text
    assert [line.split() for line in lines if line.startswith("tier1")] == [["tier1", "1", "1", "0"]]


@given(
    st.lists(st.builds(Row, TEXTS, st.tuples(TEXTS), TEXTS, TEXTS, TEXTS, st.sampled_from(STATES), st.tuples(TEXTS)))
)
def test_nothing_in_a_report_commands_a_terminal_or_a_browser(rows):
    lines = coverage.report(rows, NOW)
    assert all(len(line) <= coverage.WIDTH for line in lines)
    assert all(line.replace("\t", "").isprintable() for line in lines)
    tags: set[str] = set()

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)

    Reader().feed("".join(coverage.page(rows, NOW)))
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p"),
        *("table", "thead", "tr", "th", "td", "ul", "li", "b", "br", "span"),
    }
