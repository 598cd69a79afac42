# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.holdfast.config.plugins.plugin_utils.render.secrets import LISTED, WIDTH, report


def use(host: str, **more: t.Any) -> dict[str, t.Any]:
    return {"host": host, "component": "app", "path": "/etc/app.conf", "line": 2, "age": "", "why": "", **more}


def test_what_is_shared_old_and_not_known_is_told_in_this_order() -> None:
    old = use("web1", age="not rotated", seen_since="2025-03-01T12:00:00Z")
    unknown = use("web2", age="unknown", why="no older snapshot is left", seen_since="2026-03-01T12:00:00Z")
    told = {"secrets": 2, "hosts": 2, "not_rotated_since": "2026-01-01T00:00:00Z"}
    shared = [{"secret": "4d1f9a0c77aa3e21", "hosts": 2, "uses": [old, unknown]}]
    not_known = [{"host": "web3", "component": "app", "why": "stored without digests of secrets"}]
    assert report(told, {"shared": shared, "uses": [old, unknown], "not_known": not_known}) == [
        "2 declared secrets on 2 hosts, 1 shared",
        "",
        "shared by 2 hosts, 4d1f9a0c77aa3e21",
        "  web1 app /etc/app.conf:2",
        "  web2 app /etc/app.conf:2",
        "",
        "not rotated since 2026-01-01T00:00:00Z: 1",
        "  web1 app /etc/app.conf:2",
        "      seen since 2025-03-01T12:00:00Z",
        "",
        "not known whether rotated since 2026-01-01T00:00:00Z: 1",
        "  web2 app /etc/app.conf:2",
        "      seen since 2026-03-01T12:00:00Z, no older snapshot is left",
        "",
        "rotated since: 0",
        "",
        "not known:",
        "  web3 app, stored without digests of secrets",
    ]


def test_lines_fit_a_terminal_and_long_lists_are_cut() -> None:
    uses = [use(f"web{number}", path=f"/etc/{'x' * 100}") for number in range(LISTED)]
    shared = [{"secret": "4d1f9a0c77aa3e21", "hosts": LISTED, "uses": uses}]
    lines = report(
        {"secrets": 1, "hosts": LISTED, "not_rotated_since": ""}, {"shared": shared, "uses": uses, "not_known": []}
    )
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[-1].strip().startswith("... ")
    assert len(lines) < LISTED + 10


def test_where_no_date_was_asked_for_no_age_is_told() -> None:
    told = {"secrets": 1, "hosts": 1, "not_rotated_since": ""}
    lines = report(told, {"shared": [], "uses": [use("web1")], "not_known": []})
    assert lines == ["1 declared secrets on 1 hosts, 0 shared"]


def test_no_name_steers_a_terminal() -> None:
    not_known = [{"host": "web\x1b[2J", "component": "app", "why": "its manifest was not read"}]
    lines = report(
        {"secrets": 0, "hosts": 0, "not_rotated_since": ""}, {"shared": [], "uses": [], "not_known": not_known}
    )
    assert lines[-1] == "  web\\x1b[2J app, its manifest was not read"
