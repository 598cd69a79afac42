# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of a destruction: the newest copies first, no more than a result may hold, and loud where it must be."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import destruction_results
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.destruction import Destruction, Doomed, Outlook
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.model.test_destruction import (
    DIGEST,
    NOW,
    entry,
)

KEY = ClassYearKey("d0090", 2026, "age-x25519", "age1")


def doomed(hour: int, *, newest: bool = False, held: bool = False) -> Doomed:
    at = NOW + dt.timedelta(hours=hour)
    return Doomed(entry(captured=at), ("d0090-2026",), (DIGEST,), at + dt.timedelta(days=90), newest, held)


OUTLOOK = Outlook(
    KEY, NOW, True, (doomed(0), doomed(1, newest=True, held=True)), ("web9",), ("manifests/x",), ("d0090-2026",)
)


def test_the_newest_stand_first_and_no_more_than_a_result_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = destruction_results.outlook(OUTLOOK)
    assert [one["newest"] for one in found["unreadable"]] == [True, False]
    assert (found["key"], found["snapshots"], found["locked"], found["newest"]) == ("d0090-2026", 2, 2, 1)
    assert (found["held"], found["not_listed"], found["hosts_left_without"]) == (1, 0, ["web9"])
    monkeypatch.setattr(destruction_results, "MOST_LISTED", 1)
    found = destruction_results.outlook(OUTLOOK)
    assert ([one["newest"] for one in found["unreadable"]], found["not_listed"]) == ([True], 1)


def test_what_must_not_be_overlooked_is_a_warning() -> None:
    assert destruction_results.warnings(OUTLOOK, over=False) == [
        "the newest copies of 1 streams would be lost: web1/tier1",
        "nothing that opens would be left of web9",
        "backups of class d0090 fail without it: no key of the root follows it",
        "1 manifests cannot be read, so that nobody knows whether they are under it",
    ]
    assert "are lost: web1/tier1" in destruction_results.warnings(OUTLOOK, over=True)[0]
    quiet = dataclasses.replace(OUTLOOK, in_use=False, snapshots=(doomed(0),), bare=(), unread=())
    assert destruction_results.warnings(quiet, over=False) == []


def test_a_change_is_one_and_its_diff_names_what_is_lost() -> None:
    done = Destruction(OUTLOOK, DIGEST, DIGEST, made=True, given_up=True)
    found = destruction_results.destruction(done, diff=True)
    assert (found["changed"], found["token_revoked"]) == (True, True)
    assert found["diff"]["before"].startswith("key d0090-2026: there\n")
    assert found["diff"]["after"].count(": lost\n") == 2
    assert found["warnings"][0] == "the newest copies of 1 streams are lost: web1/tier1"
    again = destruction_results.destruction(dataclasses.replace(done, made=False, given_up=False), diff=True)
    assert (again["changed"], "diff" in again) == (False, False)


def test_in_check_mode_nothing_is_lost_yet() -> None:
    would = Destruction(OUTLOOK, DIGEST, "", made=True, given_up=False)
    found = destruction_results.destruction(would, diff=False)
    assert found["changed"]
    assert found["warnings"][:2] == destruction_results.warnings(OUTLOOK, over=False)[:2]
    assert not [told for told in found["warnings"] if " are lost" in told or " is left" in told]
