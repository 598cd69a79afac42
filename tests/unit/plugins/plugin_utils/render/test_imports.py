# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was imported, on a terminal."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.render.imports import ROWS, WIDTH, Row, page


def test_it_fits_whatever_names_there_are() -> None:
    row = Row("h" * 300, "imported-" + "x" * 55, 999999, "2024-05-01T08:00:00Z", "2024-05-01T09:00:00Z")
    skipped = [("p" * 300 + "\x1b[31m", "r" * 300)] * 20
    lines = list(page([row] * (ROWS + 5), [("imported before", 12), ("none", 0)], 1 << 40, skipped, check=True))
    assert all(len(line) <= WIDTH and line.isprintable() for line in lines)
    assert lines[0].startswith("would import")
    assert "and 5 more" in lines
    assert "imported before: 12" in lines
    assert not any("none" in line for line in lines)
    assert lines[-1] == "and 10 more that were not imported"


def test_nothing() -> None:
    assert list(page([], [], 0, [], check=False)) == ["imported 0 versions, 0 B"]
