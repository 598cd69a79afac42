# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One recovery point or snapshot in full, and never another one than was meant."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    IntegrityError,
    NotFoundError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import Query
from ansible_collections.holdfast.config.plugins.plugin_utils.render import catalog as render
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import open_catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.show import ShownPoint, ShownSnapshot, show
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import FILES, Clock, Lab


def shown(lab: Lab, query: Query, *, newest: bool = False) -> ShownPoint | ShownSnapshot:
    with open_catalog(lab.repository, state_dir=lab.state_dir, forks=1) as catalog:
        return show(lab.repository, catalog, query, newest=newest)


@pytest.fixture
def two(lab: Lab, clock: Clock) -> tuple[Lab, str, str]:
    """A repository of two runs of a change, of which the second has an alias."""
    first = lab.run(change={"id": "CHG1"}, actor={"user": "alice", "trigger": {"kind": "manual"}})
    clock.advance(hours=1)
    second = lab.run(MemorySource({**FILES, "/etc/base": b"new"}), change={"id": "CHG1"}, alias="v2")
    return lab, str(first.id), str(second.id)


def test_a_point_says_who_sealed_it_for_what_and_until_when_its_streams_are_locked(
    two: tuple[Lab, str, str], clock: Clock
) -> None:
    lab, first, _second = two
    found = shown(lab, Query(recovery_point=first[:12]))
    assert isinstance(found, ShownPoint)
    assert found.point.digest == first
    lines = render.point_page(found.point, found.body, found.locks)
    assert lines[0] == f"recovery point {first}"
    assert {"change id      CHG1", "user           alice", "trigger kind   manual"} <= set(lines)
    assert [line.split()[:3] for line in lines if line.startswith("h ")] == [
        ["h", "tier1", "stored"],
        ["h", "tier2", "stored"],
    ]
    # what was carried since is locked for longer than that point says
    clock.advance(days=60)
    lab.run({"other": MemorySource(FILES)})
    later = shown(lab, Query(recovery_point=first))
    assert isinstance(later, ShownPoint)
    assert later.locks["h", "tier1"] >= found.locks["h", "tier1"]
    assert max(map(len, render.point_page(later.point, later.body, later.locks))) <= 80


def test_several_points_are_listed_unless_the_newest_is_asked_for(two: tuple[Lab, str, str]) -> None:
    lab, first, second = two
    with pytest.raises(PolicyError, match="several recovery points are found") as caught:
        shown(lab, Query(change_id="CHG1"))
    assert caught.value.details == {"recovery_points": [second, first]}
    newest = shown(lab, Query(change_id="CHG1"), newest=True)
    assert isinstance(newest, ShownPoint)
    assert newest.point.digest == second
    by_alias = shown(lab, Query(alias="v2"))
    assert isinstance(by_alias, ShownPoint)
    assert by_alias.point.digest == second


def test_a_snapshot_lists_its_paths_from_its_manifest_with_no_key(two: tuple[Lab, str, str]) -> None:
    lab, _first, _second = two
    entry = lab.live().streams["h", "tier1"]
    found = shown(lab, Query(snapshot=entry.manifest.sha256[:12]))
    assert isinstance(found, ShownSnapshot)
    assert found.snapshot.manifest == entry.manifest
    text = "\n".join(render.snapshot_page(found.snapshot, found.manifest))
    assert all(path in text for path in FILES if path.startswith("/etc/app/"))
    assert "listen = 8080" not in text


@pytest.mark.parametrize("query", [Query(change_id="CHG9"), Query(recovery_point="0" * 12), Query(snapshot="0" * 12)])
def test_what_is_not_there_is_not_found(two: tuple[Lab, str, str], query: Query) -> None:
    with pytest.raises(NotFoundError) as caught:
        shown(two[0], query)
    assert caught.value.remedy


def test_a_snapshot_whose_recovery_point_is_gone_since_it_was_found_is_not_shown(two: tuple[Lab, str, str]) -> None:
    lab, _first, _second = two
    digest = lab.live().streams["h", "tier1"].manifest.sha256
    with open_catalog(lab.repository, state_dir=None, forks=1) as catalog:
        lab.memory._versions = {name: held for name, held in lab.memory._versions.items() if "points/" not in name}
        with pytest.raises(NotFoundError, match="cannot be read again: it is gone"):
            show(lab.repository, catalog, Query(snapshot=digest))


def test_a_manifest_that_is_damaged_since_is_not_shown(two: tuple[Lab, str, str]) -> None:
    lab, _first, _second = two
    ref = lab.live().streams["h", "tier1"].manifest
    lab.memory._versions.pop(ref.name)
    lab.store.put_new(ref.name, io.BytesIO(b"other"), lock_until=lab.store.clock() + dt.timedelta(days=500))
    with pytest.raises(IntegrityError):
        shown(lab, Query(snapshot=ref.sha256[:12]))
    # nor is a point of which the body is gone
    lab.memory._versions = {name: held for name, held in lab.memory._versions.items() if "bodies/" not in name}
    with pytest.raises(HoldfastError):
        shown(lab, Query(alias="v2"))
