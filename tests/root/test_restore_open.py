# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups by whole runs of a host on which a restore in place stands open, as a killed one leaves it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose, open_snapshot
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, Run

TOP = "/srv/open"
RESTORE = "0123456789abcdef"
JOURNAL = f"/var/lib/holdfast/{RESTORE}"
STAGE = f"{TOP}/app/.holdfast-{RESTORE}"
RUN = [OPEN, SNAPSHOT, SEAL]
VERIFY = {"name": "verify", "holdfast.config.verify": {"level": "signatures", "streams": True}, "run_once": True}


@pytest.fixture
def opened(host: Machine) -> Iterator[Machine]:
    """A host with two components, and a restore in place that is open once its folders are made."""
    host.run("sh", "-euc", f"mkdir -p {TOP}/app {TOP}/base; echo {CANARY} 1 | tee {TOP}/app/conf {TOP}/base/conf")
    yield host
    host.run("rm", "-rf", TOP, JOURNAL)


def begin(host: Machine) -> None:
    host.run("install", "-d", "-m", "0700", "/var/lib/holdfast", JOURNAL, STAGE)
    host.run("sh", "-euc", f"echo '{{}}' > {JOURNAL}/journal.json; echo {CANARY} staged > {STAGE}/0")


def held(lab: Lab, **selection: t.Any) -> dict[str, bytes]:
    """What such a selection of the host's snapshots holds, by path; opened and checked."""
    found: dict[str, bytes] = {}
    for chosen in choose.choose(lab.repository(), lab.hosts[0], choose.Selection(**selection)):
        for part in open_snapshot.open_snapshot(lab.repository(), lab.keyring(), chosen).parts:
            found.update(part.contents)
    return found


def test_a_backup_under_an_open_restore_changes_nothing_says_so_and_is_never_chosen(
    opened: Machine, lab_of: Callable[..., Lab]
) -> None:
    lab = lab_of(opened, app=[f"{TOP}/app"], base=[f"{TOP}/base"])
    lab.variables["holdfast_components"][1]["tier"] = "tier2"
    lab.play(RUN).ok()

    begin(opened)
    opened.run("sh", "-euc", f"echo {CANARY} 2 > {TOP}/app/conf")
    list_all = f"find {TOP} /var/lib/holdfast -printf '%p %i %m %U %G %T@ %C@\\n' | sort"
    before = opened.run("sh", "-euc", list_all).stdout
    run = lab.play(RUN).ok()
    assert opened.run("sh", "-euc", list_all).stdout == before
    result = run.on("snapshot").result
    assert {part["stream"]: part["reason"] for part in result["streams"]} == {"tier1": "drift", "tier2": "unchanged"}
    assert result["open_restores"] == [RESTORE]
    assert f"a restore was open there: {RESTORE}" in run.output
    assert run.report["complete"]

    assert marked(lab) == {"tier1": True, "tier2": False}
    assert held(lab, newest=True)[f"{TOP}/app/conf"] == f"{CANARY} 1\n".encode()
    digest = next(part["snapshot"] for part in result["streams"] if part["stream"] == "tier1")
    assert held(lab, snapshot=digest) == {f"{TOP}/app/conf": f"{CANARY} 2\n".encode()}

    opened.run("rm", "-rf", JOURNAL, STAGE)
    after = lab.play(RUN).ok().on("snapshot").result
    assert {part["stream"]: part["reason"] for part in after["streams"]} == {"tier1": "restore", "tier2": "unchanged"}
    assert after["open_restores"] == []
    assert marked(lab) == {"tier1": False, "tier2": False}
    assert held(lab, newest=True)[f"{TOP}/app/conf"] == f"{CANARY} 2\n".encode()
    assert unchanged(lab.play(RUN).ok())

    restore = {"under": f"{TOP}/restored", "components": ["app"], "newest": True}
    lab.play([{"name": "restore", "holdfast.config.restore": restore}]).ok()
    verified = lab.play([VERIFY]).ok().on("verify").result
    assert {part["stream"]: bool(part["proven_at"]) for part in verified["streams"]} == {"tier1": True, "tier2": False}
    assert (verified["live_streams"], verified["proven_streams"]) == (2, 1)


def marked(lab: Lab) -> dict[str, bool]:
    """Of which streams the newest snapshot was taken under an open restore, as verify has it."""
    streams = lab.play([VERIFY]).ok().on("verify").result["streams"]
    return {part["stream"]: part["restore_open"] for part in streams}


def unchanged(run: Run) -> bool:
    return {part["reason"] for part in run.on("snapshot").result["streams"]} == {"unchanged"}
