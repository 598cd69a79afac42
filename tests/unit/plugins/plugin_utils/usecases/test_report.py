# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a fleet stands: after backups, changes, restores, on replicas that answer or not."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import TransientError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.imported import Imported
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.standing import Standing
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import open_catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.replica_objects import Replica
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.report import Report, report
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .forge import Forge
from .lab import COMPONENTS, FILES, Clock, Lab, declared

DAY = dt.timedelta(days=1)


def seen(lab: Lab, **more: object) -> Report:
    tiers = {name: Tier(name, "d0090", DAY, DAY) for name in ("tier1", "tier2")}
    policy: Policy = dataclasses.replace(declared(*COMPONENTS), tiers=tiers)
    return report(lab.repository, [HostPolicy("h", "h", (), policy, {})], **more)  # type: ignore[arg-type]


def only(lab: Lab, **more: object) -> Standing:
    return seen(lab, **more).rows[0]


def test_an_unchanged_host_is_young_and_its_last_change_is_old(lab: Lab, clock: Clock) -> None:
    source = MemorySource(FILES)
    lab.run(source)
    changed = clock()
    clock.advance(days=3)
    lab.run(source)
    clock.advance(hours=1)
    one = only(lab)
    assert (one.row.state, one.rpo, one.changed_at) == ("covered", DAY, changed.replace(microsecond=0))
    assert seen(lab).now - one.row.verified_at == dt.timedelta(hours=1)  # type: ignore[operator]
    assert one.locked_until is not None
    assert one.locked_until > clock() + dt.timedelta(days=80)
    assert one.restored_at is None


def test_a_restore_of_all_of_it_that_came_back_equal_proves_it(lab: Lab, clock: Clock, tmp_path: Path) -> None:
    lab.run(MemorySource(FILES))
    clock.advance(hours=2)
    lab.restore(tmp_path / "back")
    one = only(lab)
    assert one.restored_at is not None
    assert one.changed_at is not None
    assert one.restored_at - one.changed_at >= dt.timedelta(hours=2)


def test_a_host_of_which_the_newest_was_imported_is_named(lab: Lab, clock: Clock) -> None:
    lab.run(MemorySource(FILES))
    forge, at = Forge(lab), clock() + dt.timedelta(minutes=1)
    origin = Imported("oxidized", "0", at)
    entries = [entry.from_elsewhere(origin) for entry in forge.point.body.streams]
    assert seen(lab).warnings == ()
    clock.advance(minutes=1)
    expired = lab.names("points/")
    forge.put(body={"streams": tuple(entries)}, statement={"sealed_at": at})
    for name in expired:
        lab.memory._versions.pop(name)
    assert seen(lab).warnings == ("the newest evidence was imported from oxidized, where nobody signed it: h",)


def test_a_host_that_was_never_captured_has_an_rpo_and_nothing_else(lab: Lab) -> None:
    one = only(lab)
    assert (one.row.state, one.rpo, one.changed_at, one.locked_until) == ("gap", DAY, None, None)


def test_the_ticket_of_the_last_change_is_told_whatever_was_proven_since(lab: Lab, clock: Clock) -> None:
    lab.run(MemorySource(FILES), change={"id": "CHG0042"})
    clock.advance(hours=1)
    lab.run(MemorySource(FILES), change={"id": "CHG0043"})
    found = seen(lab, catalog=lambda: open_catalog(lab.repository, state_dir=lab.state_dir, forks=1))
    assert found.rows[0].change == "CHG0042"
    assert found.warnings == ()


def test_where_there_is_no_catalog_the_rest_is_told(lab: Lab, tmp_path: Path) -> None:
    lab.run(MemorySource(FILES), change={"id": "CHG0042"})
    (tmp_path / "file").touch()
    found = seen(lab, catalog=lambda: open_catalog(lab.repository, state_dir=tmp_path / "file", forks=1))
    assert (found.rows[0].row.state, found.rows[0].change) == ("covered", "")
    (warning,) = found.warnings
    assert warning.startswith("tickets of changes are not told: the catalog's file cannot be made")


def test_what_the_catalog_may_lack_is_told(lab: Lab) -> None:
    lab.run(MemorySource(FILES))
    forged = Forge(lab).put(use="record")
    found = seen(lab, catalog=lambda: open_catalog(lab.repository, state_dir=None, forks=1))
    assert found.rows[0].row.state == "covered"
    assert any(f"recovery point {forged} is not believed" in warning for warning in found.warnings)
    assert found.warnings[-1] == (
        "tickets of changes may be missing: 1 recovery points are not believed, and not in it"
    )


@pytest.mark.parametrize("kept", ["packs/", "manifests/"])
def test_a_replica_that_lacks_one_of_both_objects_does_not_hold_it(lab: Lab, kept: str) -> None:
    lab.run(MemorySource(FILES))

    @dataclasses.dataclass
    class Half:
        store: MemoryStore

        def list(self, prefix: str) -> Iterable[object]:
            return self.store.list(prefix) if prefix == kept else ()

    def half() -> Store:
        return Half(lab.memory)  # type: ignore[return-value]

    found = only(lab, replicas=[Replica("whole", lambda: lab.store), Replica("half", half)])
    assert found.replicas == ("whole",)


def test_a_replica_that_does_not_answer_is_named_and_the_rest_is_told(lab: Lab) -> None:
    lab.run(MemorySource(FILES))

    def away() -> Store:
        raise TransientError("no route")

    found = seen(lab, replicas=[Replica("far", away)])
    assert found.rows[0].row.state == "covered"
    assert found.warnings == ("replica far did not answer: no route",)
