# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two owners are told, by files and by mail, once."""

from __future__ import annotations

import json
import ssl

from ..lab.smtp import Mailbox, serving
from ..unit.plugins.plugin_utils.capture.web import Authority
from .lab import Lab

SECRET = "correct horse"


def test_each_owner_is_told_once_by_the_role_and_again_when_it_is_another_state(lab: Lab) -> None:
    authority = Authority.make(lab.path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain)
    (lab.path / "smtp").write_text(f"{SECRET}\n")
    (lab.path / "smtp").chmod(0o600)
    caches = {"name": "cache", "paths": ["/srv/cache"], "owner": "../data team", "contact": "dba@example.org"}
    lab.host_variables["web1"]["holdfast_components__cache"] = [caches]
    with serving(Mailbox(login=("backup", SECRET)), context) as box:
        smtp = {
            "host": "127.0.0.1",
            "port": box.port,
            "from": "backup@example.org",
            "username": "backup",
            "password_file": str(lab.path / "smtp"),
            "ca_path": str(authority.ca),
        }
        tell = {"path": str(lab.path / "owners"), "smtp": smtp}
        once = {"run_once": True}
        made = lab.play(
            [
                {"name": "make", "holdfast.config.repository": {}, **once},
                {"name": "would", "holdfast.config.owner_digests": tell, "check_mode": True, **once},
                {"name": "first", "holdfast.config.owner_digests": tell, **once},
                {"name": "again", "holdfast.config.owner_digests": tell, **once},
                {"name": "each time", "holdfast.config.owner_digests": {**tell, "interval_days": 0}, **once},
            ]
        ).ok()
        lab.variables["holdfast_repository_id"] = made.on("make").result["repository_id"]
        lab.host_variables["web2"]["holdfast_components__cache"] = [caches]
        given = {"owners_path": tell["path"], "owners_smtp": smtp}
        second = lab.play("holdfast.config.owners", "-e", json.dumps(given)).ok()
    mailed = [made.on(task).result["mailed"] for task in ("would", "first", "again", "each time")]
    assert mailed == [["../data team"], ["../data team"], [], ["../data team"]]
    assert [made.on(task).result["changed"] for task in ("would", "first", "again")] == [True, True, False]
    assert second.on("Tell owners").result["mailed"] == ["../data team"]
    assert len(box.messages) == 3
    assert set(box.recipients) == {("dba@example.org",)}
    assert all(box.encrypted)
    assert "2 gaps" in box.messages[-1]["Subject"]
    assert "web2/cache (tier1): never captured" in box.messages[-1].get_content()
    folder = lab.path / "owners"
    names = {path.name for path in folder.iterdir()}
    assert {"%2E.%2Fdata team.txt", "%2E.%2Fdata team.json"} <= names
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert SECRET not in made.output + second.output
