# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `duties` in whole runs: a change, no change, check mode, diff mode, and what it refuses."""

from __future__ import annotations

import json
import typing as t

from .lab import Lab


def duties(**options: t.Any) -> list[dict[str, t.Any]]:
    return [{"name": "render", "holdfast.config.duties": options, "run_once": True}]


def test_policies_are_written_once_and_check_mode_writes_nothing(bare: Lab) -> None:
    bare.variables["holdfast_repository"] = {
        "name": "prod",
        "url": "s3://backups/prod",
        "keyring": {"type": "vault", "url": "https://vault.example.com:8200"},
    }
    folder = bare.path / "policies"
    task = duties(servers=["minio"], dest=str(folder))
    checked = bare.play(task, "--diff", check=True).ok()
    assert checked.on("render").result["changed"]
    assert not folder.exists()
    assert '+path "transit/sign/holdfast-prod--point"' in checked.output

    made = bare.play(task, "--diff").ok()
    result = made.on("render").result
    assert result["changed"]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == result["files"]
    written = json.loads((folder / "minio/holdfast-prod-operator.json").read_text())
    (operators,) = (one for one in result["policies"] if (one["server"], one["identity"]) == ("minio", "operator"))
    assert written == operators["document"]
    assert "in the keyring" in "\n".join(result["report"])

    for check in (False, True):
        again = bare.play(task, "--diff", check=check).ok().on("render").result
        assert (again["changed"], "diff" in again) == (False, False)
    (folder / "vault/holdfast-prod-broker.hcl").write_text("# by hand\n")
    drift = bare.play(task, "--diff").ok()
    assert drift.on("render").result["changed"]
    assert "-# by hand" in drift.output


def test_a_repository_of_files_has_no_policies(bare: Lab) -> None:
    run = bare.play(duties())
    assert "nothing that takes policies" in run.on("render").result["msg"]
