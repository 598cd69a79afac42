# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import html.parser

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.coverage import STATES, Row
from ansible_collections.holdfast.config.plugins.plugin_utils.model.standing import Site, Standing
from ansible_collections.holdfast.config.plugins.plugin_utils.render import report
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.timezone.utc)
HOUR = dt.timedelta(hours=1)
FRESH = Standing(
    Row("web1", ("web",), "app", "tier1", "web-team", "covered", verified_at=NOW - HOUR),
    24 * HOUR,
    NOW - 90 * 24 * HOUR,
    "CHG0042",
    NOW + 30 * 24 * HOUR,
    ("far",),
    NOW - 48 * HOUR,
)
STALE = Standing(Row("web2", (), "app", "tier1", "", "covered", verified_at=NOW - 23 * HOUR), 24 * HOUR)
GAP = Standing(Row("db1", (), "", "", "", "gap", ("the host is unknown to the inventory",)))
TEXTS = st.text(max_size=90)
MOMENTS = st.none() | st.datetimes(timezones=st.just(dt.timezone.utc))


def told(rows: list[Standing]) -> list[list[str]]:
    return [line.split() for line in report.lines(rows, NOW)[3 : 3 + len(rows)]]


def test_gaps_stand_first_and_then_what_comes_nearest_to_its_rpo() -> None:
    assert told([FRESH, STALE, GAP]) == [
        ["db1", "gap", *"-----"],
        ["web2/app", "covered", "23h/24h", *"----"],
        ["web1/app", "covered", "60m/24h", "2026-08-29", "2026-12-27", "2026-11-25", "1"],
    ]


def test_the_ticket_of_the_last_change_stands_below_its_figures() -> None:
    lines = report.lines([FRESH, STALE], NOW)
    assert lines[4].startswith("web1/app ")
    assert lines[5] == "  changed under CHG0042"
    assert max(map(len, report.lines([dataclasses.replace(FRESH, change="CHG " * 40)], NOW))) <= report.WIDTH


def test_no_more_rows_than_a_terminal_takes_and_the_others_are_counted() -> None:
    assert "... and 3 more" in report.lines([STALE] * (report.LISTED + 3), NOW)


@pytest.mark.parametrize(
    ("length", "spoken"), [(119 * HOUR / 60, "119m"), (2 * HOUR, "2h"), (71.9 * HOUR, "71h"), (72 * HOUR, "3d")]
)
def test_a_length_of_time_is_told_in_its_largest_unit(length: dt.timedelta, spoken: str) -> None:
    assert report.span(length) == spoken


def test_the_page_holds_ages_tickets_replicas_and_what_did_not_answer() -> None:
    page = "".join(report.page([FRESH, GAP], NOW, [Site("far"), Site("near", lacks="is away")], ["something is odd"]))
    for word in ("60m/24h", "CHG0042", "1 of 2 components", "did not answer", "something is odd", "width: 4%"):
        assert word in page


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            Standing,
            st.builds(
                Row, TEXTS, st.tuples(TEXTS), TEXTS, TEXTS, TEXTS, st.sampled_from(STATES), st.tuples(TEXTS), MOMENTS
            ),
            st.none() | st.timedeltas(min_value=HOUR, max_value=400 * 24 * HOUR),
            MOMENTS,
            TEXTS,
            MOMENTS,
            st.tuples(TEXTS),
            MOMENTS,
        ),
        max_size=3,
    ),
    TEXTS,
)
def test_nothing_in_a_report_commands_a_terminal_or_a_browser(rows: list[Standing], text: str) -> None:
    lines = report.lines(rows, NOW)
    assert all(line.replace("\t", "").isprintable() for line in lines)
    tags: set[str] = set()

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.add(tag)

    Reader().feed("".join(report.page(rows, NOW, [Site(text)], [text])))
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "b", "br", "i", "span"),
        *("table", "thead", "tr", "th", "td"),
    }
