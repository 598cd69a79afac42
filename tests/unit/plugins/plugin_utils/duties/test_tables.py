# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the matrix, and the page that has them."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, tables
from ansible_collections.holdfast.config.tests.unit import duties_page


def test_the_page_has_the_tables_of_the_matrix() -> None:
    text = duties_page.PAGE.read_text(encoding="utf-8")
    assert duties_page.page(text) == text


def test_a_row_says_yes_for_who_may() -> None:
    head, *rows = tables.rows("keyring")
    assert head == ("in the keyring", *matrix.IDENTITIES)
    (unwrap,) = (row for row in rows if row[0] == "open what was wrapped")
    assert dict(zip(head, unwrap, strict=True)) == {
        "in the keyring": "open what was wrapped",
        **dict.fromkeys(matrix.IDENTITIES, "-"),
        "restorer": "yes",
    }


def test_every_operation_has_a_row() -> None:
    operations = matrix.load().operations
    assert len(tables.rows("store")) + len(tables.rows("keyring")) == len(operations) + 2
    assert sum(len(one.otherwise) for one in operations) == len(tables.otherwise().splitlines()) - 2


def test_the_report_is_lines_in_columns() -> None:
    lines = tables.report()
    assert lines[0].split() == ["in", "the", "store", *matrix.IDENTITIES]
    store = lines[: lines.index("")]
    at = store[0].index("restorer")
    assert {line[at - 2 : at] for line in store} == {"  "}
    assert {line[at] for line in store[1:]} == {"y", "-"}
