# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore's task returns: flat, honest about change, and never content."""

from __future__ import annotations

import dataclasses

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import restore_results
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.transaction import Answer
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Chosen
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Difference, Restored
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_device import RestoredDevice
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.returning import Returning

from .test_results import DIGEST, ENTRY, plain

RESTORED = Restored(
    sources=(Chosen(ENTRY, ("app",)),),
    before=(Difference("/etc/a", ("content", "mode")), Difference("/etc/b", ("missing",))),
    extra=("/etc/own",),
    entries=3,
    proven=True,
    owners=False,
    record="records/restore/x",
    warnings=("a warning",),
    seconds={"find": 0.12345},
)
IN_PLACE = dataclasses.replace(
    RESTORED,
    remove=("/etc/own",),
    preserved=("/etc/app/key",),
    returning=(Returning("/etc/a", ("password hashes",)),),
    answer=Answer(validated=("app",), not_reloaded=("app.service: it is not active",), not_atomic=("/etc/b: a mount",)),
)


def test_what_it_says() -> None:
    found = plain(restore_results.restored(RESTORED, diff=False))
    assert found["changed"]
    assert found["equal"]
    assert found["written"] == ["/etc/a", "/etc/b"]
    assert (found["removed"], found["extra"]) == ([], ["/etc/own"])
    assert found["snapshots"] == [DIGEST]
    assert found["seconds"] == {"find": 0.123}
    assert (found["entries"], found["owners_compared"], found["record"]) == (3, False, "records/restore/x")
    assert "diff" not in found


def test_what_it_says_of_a_restore_in_place() -> None:
    found = plain(restore_results.restored(IN_PLACE, diff=False))
    assert (found["removed"], found["extra"]) == (["/etc/own"], [])
    assert found["preserved"] == ["/etc/app/key"]
    assert found["returning"] == [{"path": "/etc/a", "what": ["password hashes"]}]
    assert found["validated"] == ["app"]
    assert found["not_reloaded"] == ["app.service: it is not active"]
    assert found["not_atomic"] == ["/etc/b: a mount"]


def test_nothing_written_is_no_change_and_a_removal_is_one() -> None:
    nothing = dataclasses.replace(RESTORED, before=(), record=None)
    found = plain(restore_results.restored(nothing, diff=True))
    assert (found["changed"], found["record"]) == (False, "")
    assert "diff" not in found
    assert plain(restore_results.restored(dataclasses.replace(nothing, remove=("/etc/own",)), diff=False))["changed"]


def test_a_diff_names_paths_and_attributes() -> None:
    assert plain(restore_results.restored(RESTORED, diff=True))["diff"] == {
        "before": "'/etc/a' (content, mode)\n'/etc/b' (missing)\n",
        "after": "'/etc/a' (as sealed)\n'/etc/b' (as sealed)\n",
    }


def test_what_it_says_of_a_device() -> None:
    device = RestoredDevice(
        **{field.name: getattr(RESTORED, field.name) for field in dataclasses.fields(RESTORED)},
        candidate=("router bgp 65001", " neighbor 192.0.2.1 remote-as 65002"),
        method="candidate",
        minutes=0,
        not_restored=("/holdfast/config/version",),
    )
    found = plain(restore_results.restored(device, diff=False))
    assert (found["method"], found["lines"], found["timer_minutes"], found["saved"]) == ("candidate", 2, 0, False)
    assert found["not_restored"] == ["/holdfast/config/version"]
    assert "router bgp" not in str(found)


def test_a_device_that_was_only_saved_is_changed() -> None:
    unchanged = dataclasses.replace(RESTORED, before=())
    fields = {field.name: getattr(unchanged, field.name) for field in dataclasses.fields(unchanged)}
    assert not plain(restore_results.restored(RestoredDevice(**fields), diff=False))["changed"]
    assert plain(restore_results.restored(RestoredDevice(**fields, saved=True), diff=False))["changed"]
