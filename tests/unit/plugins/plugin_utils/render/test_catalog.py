# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of what was found: they fit a terminal, and it obeys nothing in them."""

from __future__ import annotations

import datetime as dt

from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import (
    CatalogFailure,
    CatalogPoint,
    CatalogSnapshot,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.render import catalog as render
from hypothesis import given
from hypothesis import strategies as st

AT = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
REF = ObjectRef(f"manifests/d0030/h/tier1/20261121T011623Z-{'a' * 64}.json.zst", "v", 10, AT)


def point(**words: str) -> CatalogPoint:
    said = {"point": "main", "run": "0" * 16, **words}
    return CatalogPoint(
        digest="b" * 64,
        name="points/x",
        opened_at=AT,
        sealed_at=AT,
        complete=False,
        full=True,
        stored=1,
        unchanged=2,
        carried=3,
        failed=4,
        missing=5,
        **said,
    )


def snapshot(name: str, stream: str) -> CatalogSnapshot:
    return CatalogSnapshot(
        name, name, name, stream, "d0030", AT, AT, StreamState.STORED, REF, REF, ("app",), (), "b" * 64, AT, "b" * 64
    )


@given(words=st.lists(st.text(min_size=1), min_size=6, max_size=6))
def test_lines_fit_and_nothing_in_them_is_obeyed(words: list[str]) -> None:
    one, two, three, four, five, six = words
    lines = render.table(
        [point(change_id=one, deployer=two, alias="v1")],
        [snapshot(three, four)],
        [CatalogFailure(five, six, False, "b" * 64, AT)],
        more=["points"],
        stale=["another process holds it"],
    )
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


def test_counts_stand_below_their_heads() -> None:
    lines = render.table([point(change_id="CHG1", by="alice by AWX")], [snapshot("web1", "tier1")], [])
    assert lines == [
        "recovery point  sealed at             state     new same carry fail",
        "bbbbbbbbbbbb    2026-11-21T01:16:23Z  failed      1    2     3    9  main",
        "  CHG1, alice by AWX",
        "",
        "snapshot      host              tier        captured at           in point",
        "aaaaaaaaaaaa  web1              tier1       2026-11-21T01:16:23Z  bbbbbbbbbbbb",
    ]


def test_nothing_is_said_to_be_nothing_and_more_to_be_more() -> None:
    assert render.table([], [], []) == ["nothing was found"]
    lines = render.table([], [], [CatalogFailure("web1", "not reached", False, "b" * 64, AT)], more=["failures"])
    assert lines == [
        "failed hosts",
        "  web1 in bbbbbbbbbbbb, 2026-11-21T01:16:23Z: not reached",
        "... and more failures: give a larger limit, or more to look for",
    ]
