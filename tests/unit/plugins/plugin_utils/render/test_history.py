# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A history fits a terminal, and a terminal obeys nothing of it."""

from __future__ import annotations

import typing as t

from ansible_collections.holdfast.config.plugins.plugin_utils.model.history import STATUSES
from ansible_collections.holdfast.config.plugins.plugin_utils.render import history as render
from hypothesis import given
from hypothesis import strategies as st

AT, BEFORE = "2026-03-02T12:00:00Z", "2026-03-02T11:00:00Z"
HEAD = {
    "host": "web1",
    "path": "/etc/app/main.conf",
    "component": "",
    "manifests": 1,
    "begins": BEFORE,
    "proven_at": AT,
    "host_proven_at": AT,
}
CHANGE: dict[str, t.Any] = {
    "at": AT,
    "after": BEFORE,
    "status": "changed",
    "what": ["content", "mode"],
    "not_compared": [],
    "reason": "",
    "paths": [],
    "more_paths": 0,
    "kind": "file",
    "mode": "0600",
    "owner": "root",
    "group": "www",
    "size": 12,
    "change_id": "CHG1",
    "deployment_id": "",
    "application_version": "1.4.2",
    "by": "alice on ctl",
    "point": "main",
    "recovery_point": "a" * 64,
    "snapshot": "b" * 64,
    "alias": "v1",
    "imported": False,
    "restore_open": False,
    "expired": False,
}


def test_a_change_is_told_with_who_and_why() -> None:
    assert render.report(HEAD, [CHANGE]) == [
        "web1 /etc/app/main.conf",
        "1 change, from 1 manifest since 2026-03-02T11:00:00Z; last proven at",
        "  2026-03-02T12:00:00Z",
        "",
        "2026-03-02T12:00:00Z  changed: content, mode (0600 root:www, 12 bytes); not",
        "                      before 2026-03-02T11:00:00Z",
        "                      change CHG1, version 1.4.2, by alice on ctl",
        "                      point main aaaaaaaaaaaa, snapshot bbbbbbbbbbbb, alias v1",
    ]


def test_what_is_not_known_is_told() -> None:
    told = " ".join(
        " ".join(line.split())
        for line in render.report(
            {**HEAD, "proven_at": None},
            [
                {**CHANGE, "status": "not comparable", "what": [], "not_compared": ["content"], "imported": True},
                {**CHANGE, "status": "not captured", "reason": "unreadable", "kind": "", "restore_open": True},
                {**CHANGE, "paths": ["/etc/app/a b"], "more_paths": 1, "kind": "symlink"},
            ],
        )
    )
    assert "not declared now, the host was last proven at" in told
    of_imports = " ".join(render.report({**HEAD, "proven_at": None, "host_proven_at": None}, []))
    assert "never proven: all that is known of the host was imported" in " ".join(of_imports.split())
    assert "not comparable; not compared: content (the digest key is another one since); not before" in told
    assert "imported" in told
    assert "(unreadable)" in told
    assert "captured while a restore was open" in told
    assert "/etc/app/a b and 1 more path" in told
    assert "(0600 root:www, symlink)" in told


texts = st.text(max_size=120)


@given(texts, texts, texts, st.lists(texts, max_size=2), st.sampled_from(STATUSES))
def test_any_text_fits_and_no_terminal_obeys_it(path: str, by: str, why: str, paths: list[str], status: str) -> None:
    change = {**CHANGE, "by": by, "reason": why, "change_id": why, "paths": paths, "status": status}
    lines = render.report({**HEAD, "path": path}, [change])
    assert all(len(line) <= render.WIDTH for line in lines)
    assert all(line.isprintable() for line in lines)
