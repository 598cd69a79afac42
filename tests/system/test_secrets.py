# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts share a secret is told without a key; the secret shows nowhere: no result, no log, no file of a run."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant

from .lab import CANARY, Lab

SHARED, OWN = f"{CANARY}-shared", f"{CANARY}-own"


@pytest.fixture(scope="module")
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """Three hosts, two of which share a password; one of them rotated it in a second run."""
    lab = new_lab(3)
    lab.variables["holdfast_components"][0]["secrets"] = ["^password = (?P<secret>.+)"]
    lab.variables["holdfast_secret_evidence"] = True
    for host, secret in (("web1", SHARED), ("web2", SHARED), ("web3", OWN)):
        lab.change(host, f"password = {secret}")
    # the most that a run can tell, to see that no secret is in it
    lab.play("holdfast.config.backup", "-vvv", "--diff").ok()
    return lab


def secrets(lab: Lab, *args: str, check: bool = False) -> dict[str, t.Any]:
    """The result of the playbook, for who knows where the repository is and nothing more."""
    kept = lab.variables["holdfast_repository"]
    lab.variables["holdfast_repository"] = {name: kept[name] for name in ("name", "url")}
    run = lab.play("holdfast.config.secrets", *args, check=check).ok()
    lab.variables["holdfast_repository"] = kept
    result = run.on("Look at what manifests say of secrets").result
    assert all(line in run.output for line in result["report"])
    assert all(len(line) <= 80 for line in result["report"])
    assert result["changed"] is False
    return result


def test_hosts_that_share_a_secret_are_named_without_it(lab: Lab) -> None:
    before = lab.stored()
    for check in (False, True):
        found = secrets(lab, check=check)
        (group,) = found["shared"]
        conf = {host: str(lab.app(host) / "app.conf") for host in lab.hosts}
        assert [(use["host"], use["path"], use["line"]) for use in group["uses"]] == [
            ("web1", conf["web1"], 2),
            ("web2", conf["web2"], 2),
        ]
        assert (found["secrets"], found["hosts"], found["not_known"]) == (2, 3, [])
    assert lab.stored() == before


def test_neither_state_nor_repository_holds_a_secret_or_its_key(lab: Lab) -> None:
    held = b"".join(path.read_bytes() for path in lab.state.rglob("*") if path.is_file())
    assert CANARY.encode() not in held
    assert not list(lab.state.rglob("secrets.json"))
    for path in (lab.path / "repository").rglob("manifests/**/*.zst"):
        read = manifest.read(path.read_bytes(), what=path.name)
        assert CANARY not in repr(read)
        assert all(len(part.secrets or ()) == 1 for part in read.components)


def test_what_was_not_rotated_is_told_by_date_and_what_is_not_known_is_said(lab: Lab) -> None:
    since = instant.to_text(lab.points()[-1].body.sealed_at)
    lab.change("web1", f"password = {CANARY}-rotated")
    # without it what is stored anew has no digests
    del lab.variables["holdfast_secret_evidence"]
    lab.play("holdfast.config.backup").ok()
    found = secrets(lab, "-e", json.dumps({"secrets_not_rotated_since": since}))
    assert {use["host"]: use["age"] for use in found["uses"]} == {"web2": "not rotated", "web3": "not rotated"}
    assert found["not_known"] == [{"host": "web1", "component": "app", "why": "stored without digests of secrets"}]
    assert found["shared"] == []
