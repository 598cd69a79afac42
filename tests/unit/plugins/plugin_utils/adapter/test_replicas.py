# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replicas in the inventory, and what tasks do with them and say of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import acknowledge, replicas
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location, Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    PolicyError,
    ReplicaBehindError,
    UnavailableError,
    UnsoundError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.replica import CopiedBy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Report
from ansible_collections.holdfast.config.plugins.plugin_utils.store.elsewhere import ElsewhereStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import create
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed

REPOSITORY = {"name": "prod", "url": "file:///srv/backup", "keyring": {"path": "/srv/keyring"}}
FAR = {"name": "far", "url": "s3://far/prod", "profile": "far", "endpoint_url": "https://s3.far"}


def location(*given: t.Any, **more: t.Any) -> Location:
    """The location of an inventory with these replicas."""
    variables = {"holdfast_repository": {**REPOSITORY, "replicas": list(given)}, **more}
    return Options({}, variables.get, check=False).location()


class TestInventory:
    def test_all_of_its_options_are_read(self) -> None:
        given = {**FAR, "copied_by": "server", "wait": True, "required": False, "wait_timeout": 5}
        (replica,) = location(given).replica_sites()
        assert (replica.name, replica.copied_by, replica.wait) == ("far", CopiedBy.SERVER, True)
        assert (replica.required, replica.wait_seconds) == (False, 5)

    def test_its_defaults_copy_by_the_collection_and_wait_for_nothing(self) -> None:
        (replica,) = location(FAR).replica_sites()
        assert (replica.copied_by, replica.wait, replica.required) == (CopiedBy.COLLECTION, False, True)

    def test_none_are_none(self) -> None:
        assert location().replica_sites() == []

    def test_it_survives_the_run_folder(self) -> None:
        found = location(FAR, {"name": "third", "url": "file:///srv/third"})
        assert Location(**json.loads(json.dumps(dataclasses.asdict(found)))) == found

    def test_none_is_reached_before_it_is_asked_for(self) -> None:
        (replica,) = location({"name": "gone", "url": "file:///nonexistent/x"}).replica_sites()
        with pytest.raises(UnavailableError):
            replica.connect()

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ("far", "replicas: is no list"),
            ([7], r"replicas\[0\]: is no mapping"),
            ([{"url": "file:///x"}], r"replicas\[0\].name: is no name"),
            ([{"name": "A b", "url": "file:///x"}], r"replicas\[0\].name: is no name"),
            ([{"name": "far"}], r"replicas\[0\].url: is not set"),
            ([{"name": "far", "url": "file:///srv/backup/"}], r"\.url: is that of the repository itself"),
            ([{**FAR, "waits": True}], r"\.waits: is not a key"),
            ([{**FAR, "secret_key": "CANARY"}], r"\.secret_key: is not a key.*Credentials are not read"),
            ([{"name": "far", "url": "file:///x", "profile": "y"}], r"\.profile: is for a repository on S3"),
            ([{**FAR, "copied_by": "magic"}], r"\.copied_by: is not known"),
            ([{**FAR, "wait": "yes"}], r"\.wait: is neither true nor false"),
            ([{**FAR, "required": 1}], r"\.required: is neither true nor false"),
            ([{**FAR, "wait_timeout": 0}], r"\.wait_timeout: 0 is no number"),
            ([{**FAR, "wait_timeout": True}], r"\.wait_timeout: True is no number"),
            ([FAR, FAR], r"replicas\[1\].name: is that of another replica"),
            ([FAR, {**FAR, "name": "near"}], r"replicas\[1\].url: is that of another replica"),
            ([{"name": "far", "url": "file:///srv//x/../backup"}], r"\.url: is that of the repository itself"),
            ([{**FAR, "url": "s3://user:CANARY@far/prod"}], r"\.url: .*no credentials"),
            ([{**FAR, 1: 2, "b": 3}], r"\.1: is not a key"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, given: t.Any, told: str) -> None:
        variables: Mapping[str, t.Any] = {"holdfast_repository": {**REPOSITORY, "replicas": given}}
        with pytest.raises(PolicyError) as caught:
            Options({}, variables.get, check=False).location()
        assert re.search(told, str(caught.value)), str(caught.value)
        assert "CANARY" not in str(caught.value)


class TestReading:
    def test_at_the_replica_named(self) -> None:
        variables = {"holdfast_repository": {**REPOSITORY, "replicas": [FAR]}, "holdfast_read_from": "far"}
        assert Options({}, variables.get, check=False).reading().read_from == "far"
        assert Options({}, {**variables, "holdfast_read_from": ""}.get, check=False).reading().read_from == ""

    def test_the_option_wins(self) -> None:
        variables = {"holdfast_repository": {**REPOSITORY, "replicas": [FAR]}, "holdfast_read_from": "x"}
        assert Options({"read_from": "far"}, variables.get, check=False).reading().read_from == "far"

    def test_no_such_replica(self) -> None:
        with pytest.raises(PolicyError, match="'fra' is no replica"):
            location(FAR).read_at("fra")

    def test_who_writes_refuses_it(self) -> None:
        with pytest.raises(PolicyError, match="this task writes"):
            location(FAR, holdfast_read_from="far")

    def test_its_store_reads_there_and_puts_to_the_repository(self, both: Both) -> None:
        found = both.location.read_at("far").store()
        assert isinstance(found, ElsewhereStore)
        assert found.location == both.far.location


@dataclasses.dataclass
class Both:
    """A repository in a folder, an empty folder beside it, and where they are."""

    near: FileStore
    far: FileStore
    location: Location

    def play(self, *, check: bool = False, diff: bool = False, **given: t.Any) -> dict[str, t.Any]:
        """The result of a task that replicates."""
        args = {"depth": "locks", "seed": True, "only": None, **given}
        return replicas.brought(self.location, Options(args, {}.get, check=check), diff=diff)


@pytest.fixture
def both(tmp_path: Path) -> Both:
    near, far = (FileStore.create(tmp_path / name) for name in ("near", "far"))
    keyring = LocalKeyring(tmp_path / "keyring")
    root, _made = create(near, keyring, name="prod", classes={"d0030": RetentionClass("d0030", 30, "compliance")})
    assert root is not None
    given = {
        "name": "prod",
        "url": near.location,
        "keyring": {"path": str(tmp_path / "keyring")},
        "replicas": [{"name": "far", "url": far.location}],
    }
    return Both(near, far, Location.read(given, root.id))


class TestBrought:
    def test_says_what_was_copied_and_how_far_it_is_behind(self, both: Both) -> None:
        result = both.play(diff=True)
        (told,) = result["replicas"]
        assert result["changed"]
        assert (told["name"], told["copied"], told["lag_seconds"], told["newest_point"]) == ("far", 1, 0, None)
        assert result["diff"]["after"].startswith("far: root/1-")
        again = both.play(diff=True)
        assert not again["changed"]
        assert "diff" not in again
        assert json.dumps(again)

    def test_check_mode_copies_nothing(self, both: Both) -> None:
        assert both.play(check=True)["changed"]
        assert not list(both.far.list())

    def test_one_that_servers_copy_to_is_compared_alone(self, both: Both) -> None:
        (replica,) = both.location.replicas
        both.location = dataclasses.replace(both.location, replicas=[{**replica, "copied_by": "server"}])
        result = both.play()
        assert not result["changed"]
        assert (result["replicas"][0]["lacking"], result["replicas"][0]["copied_by"]) == (1, "server")
        assert not list(both.far.list())

    def test_one_that_fails_holds_up_no_other(self, both: Both) -> None:
        (replica,) = both.location.replicas
        gone = {**replica, "name": "gone", "url": "file:///nonexistent/x"}
        both.location = dataclasses.replace(both.location, replicas=[gone, replica])
        with pytest.raises(ReplicaBehindError, match="gone: there is no directory") as caught:
            both.play()
        assert list(both.far.list())
        assert [told["name"] for told in t.cast("list[t.Any]", caught.value.details["replicas"])] == ["far"]
        assert list(t.cast("dict[str, t.Any]", caught.value.details["replicas_behind"])) == ["gone"]

    def test_what_is_wrong_fails_the_task_with_the_rest_in_its_result(self, both: Both) -> None:
        name = f"packs/d0030/web1/tier1/20991126T120000Z-{'ab' * 32}.tar.zst.age"
        both.near.put_new(name, io.BytesIO(b"rotten"), lock_until=both.near.clock() + dt.timedelta(days=9))
        with pytest.raises(UnsoundError, match="is damaged in the repository") as caught:
            both.play()
        assert caught.value.item == name
        (told,) = t.cast("list[t.Any]", caught.value.details["findings"])
        assert (told["severity"], told["item"]) == ("error", name)
        assert [listed.name.partition("/")[0] for listed in both.far.list()] == ["root"]

    @pytest.mark.parametrize(("only", "told"), [(["x"], "has no replica x"), (["far", "y"], "has no replica y")])
    def test_an_unknown_name(self, both: Both, only: list[str], told: str) -> None:
        with pytest.raises(PolicyError, match=told):
            both.play(only=only)

    def test_without_any(self, both: Both) -> None:
        both.location = dataclasses.replace(both.location, replicas=[])
        with pytest.raises(PolicyError, match="has no replicas"):
            both.play()


REPORT = Report(Level.NAMES, (), 0, 0, 0, 0, 0, 0, 0, ())


class TestCompared:
    def test_nothing_unless_asked_for(self) -> None:
        assert replicas.compared(location(), REPORT, asked=False) == (REPORT, {})

    def test_findings_join_the_report(self, both: Both) -> None:
        report, told = replicas.compared(both.location, REPORT, asked=True)
        assert [finding.problem for finding in report.findings] == ["is not at replica far yet"]
        assert told["replicas"][0]["lacking"] == 1

    def test_the_replica_itself_is_not_held_against_itself(self, both: Both) -> None:
        with pytest.raises(PolicyError, match="is verified itself"):
            replicas.compared(both.location.read_at("far"), REPORT, asked=True)


class TestAcknowledged:
    SEALED = Sealed(True, "main", "ab" * 32, True, 1, 0, 9, {}, (), name="points/x")

    def test_nobody_is_asked_where_nothing_is_waited_for(self) -> None:
        assert acknowledge.acknowledged(location(FAR), self.SEALED) is self.SEALED

    @pytest.mark.parametrize("more", [{"sealed": False}, {"name": ""}], ids=["waiting", "check"])
    def test_nor_where_nothing_was_sealed(self, more: t.Any) -> None:
        sealed = dataclasses.replace(self.SEALED, **more)
        assert acknowledge.acknowledged(location({**FAR, "wait": True}), sealed) is sealed

    def test_the_failed_task_still_says_what_was_sealed(self, both: Both) -> None:
        (replica,) = both.location.replicas
        found = dataclasses.replace(both.location, replicas=[{**replica, "wait": True}])
        with pytest.raises(ReplicaBehindError) as caught:
            acknowledge.acknowledged(found, dataclasses.replace(self.SEALED, name=POINT))
        assert caught.value.details["recovery_point"] == "ab" * 32
        assert caught.value.details["replicas_behind"] == ["far"]


POINT = f"points/2026-11-26/20261126T120000Z-{'0' * 16}-{'ab' * 32}.json"
