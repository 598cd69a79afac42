# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and variables become typed values: the option wins, and every mistake is told at once."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible.template import trust_as_template
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import options, run
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location, Options, plain
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, RetryStore

PIN = "ab" * 32
REPOSITORY = {"name": "prod", "url": "file:///srv/backup", "keyring": {"path": "/srv/keyring"}}
COMPONENTS = [{"name": "app", "paths": ["/etc/app"]}]


def made(args: Mapping[str, t.Any] | None = None, *, check: bool = False, **variables: t.Any) -> Options:
    """Options of a task, and the variables beside it."""
    return Options(args or {}, variables.get, check=check)


class TestInherited:
    def test_an_option_wins_over_its_variable(self) -> None:
        given = made({"repository_id": PIN, "state_dir": None}, holdfast_repository_id="x", holdfast_state_dir="/y")
        assert given.inherited("repository_id") == PIN
        assert given.inherited("state_dir") == "/y"
        assert given.inherited("change") is None

    @pytest.mark.parametrize("value", [False, 0, "", [], {}])
    def test_an_empty_option_is_one(self, value: object) -> None:
        assert made({"tiers": value}, holdfast_tiers={"tier0": {}}).inherited("tiers") == value

    def test_only_the_options_own_name_is_read(self) -> None:
        asked = []
        Options({}, asked.append, check=False).inherited("classes")
        assert asked == ["holdfast_classes"]

    def test_an_item_is_the_option_alone(self) -> None:
        assert made({"name": "main"})["name"] == "main"
        assert made(holdfast_name="main")["name"] is None


class TestPlain:
    """Ansible's tagged values become plain ones, all the way down."""

    def test_tags_come_off(self) -> None:
        tagged = {trust_as_template("key"): [trust_as_template("{{ x }}"), (trust_as_template("y"),)]}
        found = plain(tagged)
        assert found == {"key": ["{{ x }}", ["y"]]}
        ((key, value),) = found.items()
        assert {type(key), type(value[0]), type(value[1][0])} == {str}
        assert next(iter(tagged)).__class__ is not str

    @pytest.mark.parametrize("value", [None, True, False, 0, -7, 1.5, "", "text", [], {}])
    def test_plain_values_stay(self, value: object) -> None:
        assert plain(value) == value
        assert type(plain(value)) is type(value)

    @pytest.mark.parametrize(
        "value", [dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), b"x", {1, 2}, pytest.param(object(), id="object")]
    )
    def test_anything_else_is_refused_without_its_content(self, value: object) -> None:
        with pytest.raises(PolicyError) as caught:
            plain({"a": [value]})
        assert type(value).__name__ in str(caught.value)
        assert "2026" not in str(caught.value)


class TestLocation:
    def test_read_from_variables(self) -> None:
        location = made(holdfast_repository=REPOSITORY, holdfast_repository_id=PIN).location()
        assert location == Location("prod", "file:///srv/backup", "local", "/srv/keyring", PIN)

    @pytest.mark.parametrize("pin", [None, ""])
    def test_without_a_pin(self, pin: str | None) -> None:
        assert made({"repository": REPOSITORY}, holdfast_repository_id=pin).location().pin is None

    @pytest.mark.parametrize(
        ("repository", "named"),
        [
            (None, ["name", "url"]),
            ("prod", ["name", "url"]),
            ({**REPOSITORY, "name": ""}, ["name"]),
            ({**REPOSITORY, "url": 7}, ["url"]),
            ({"name": "prod"}, ["url"]),
        ],
    )
    def test_every_gap_is_told_at_once(self, repository: object, named: list[str]) -> None:
        with pytest.raises(PolicyError) as caught:
            made(holdfast_repository=repository).location()
        for key in ("name", "url"):
            assert (f"holdfast_repository.{key}: is not set" in str(caught.value)) is (key in named)

    @pytest.mark.parametrize("ring", [None, "/srv/keyring", {}, {"path": None}])
    def test_a_keyring_is_missed_where_it_is_wanted(self, ring: object) -> None:
        """An auditor has none."""
        location = made(holdfast_repository={**REPOSITORY, "keyring": ring}).location()
        with pytest.raises(PolicyError, match=r"holdfast_repository\.keyring\.path: is not set"):
            location.keyring()

    def test_a_pin_that_is_a_number_is_no_pin(self) -> None:
        with pytest.raises(PolicyError, match="Put it in quotes"):
            made(holdfast_repository=REPOSITORY, holdfast_repository_id=10**63).location()

    def test_it_connects(self, tmp_path: Path) -> None:
        location = Location("prod", (tmp_path / "store").as_uri(), "local", str(tmp_path / "keyring"), PIN)
        assert isinstance(location.keyring(), LocalKeyring)
        with pytest.raises(UnavailableError):
            location.store()
        assert not (tmp_path / "store").exists()
        assert isinstance(location.store(create=True, check=True), DryRunStore)
        assert not (tmp_path / "store").exists()
        store = location.store(create=True)
        assert isinstance(store, RetryStore)
        assert FileStore(tmp_path / "store").exists()

    def test_its_store_refuses_workers_of_a_dead_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import io

        from ansible_collections.holdfast.config.plugins.plugin_utils.errors import RunAbandonedError

        location = Location("prod", (tmp_path / "store").as_uri(), "local", "/none", None)
        store = location.store(create=True)
        later = store.clock() + dt.timedelta(days=1)
        store.put_new("packs/a", io.BytesIO(b"x"), lock_until=later)
        monkeypatch.setattr(run, "CONTROLLER_PID", 1 << 30)
        with pytest.raises(RunAbandonedError):
            store.put_new("packs/b", io.BytesIO(b"x"), lock_until=later)
        assert [listed.name for listed in store.list()] == ["packs/a"]


class TestPolicy:
    def test_read_from_variables(self) -> None:
        given = made(holdfast_components=COMPONENTS, holdfast_tiers={"tier1": {"class": "d0030"}})
        policy = given.policy("h")
        (stream,) = policy.streams()
        assert (stream.name, stream.retention_class) == ("tier1", "d0030")

    def test_an_option_replaces_the_variable_whole(self) -> None:
        other = [{"name": "other", "paths": ["/etc/other"]}]
        policy = made({"components": other}, holdfast_components=COMPONENTS).policy("h")
        assert [component.name for component in policy.components] == ["other"]

    def test_mistakes_name_the_host(self) -> None:
        with pytest.raises(PolicyError, match="host web-1"):
            made(holdfast_components=[{"name": "app", "paths": ["etc"]}]).policy("web-1")

    def test_classes_alone(self) -> None:
        classes = made(holdfast_classes={"d0007": {"days": 7}}).classes()
        assert (classes["d0007"].days, classes["d0007"].mode) == (7, "compliance")
        assert {"d0030", "d0090", "d0400"} < set(classes)
        with pytest.raises(PolicyError, match="d0007"):
            made(holdfast_classes={"d0007": {"days": "seven"}}).classes()


def test_a_change_holds_what_was_given_as_text() -> None:
    given = made({"change": {"id": "CHG-1", "window": None, "requester": "", "version": 7}})
    assert given.change() == {"id": "CHG-1", "version": "7"}
    assert made().change() == {}
    assert made(holdfast_change={"id": "CHG-2"}).change() == {"id": "CHG-2"}


def test_the_state_dir_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert made({"state_dir": "~/runs"}).state_dir == tmp_path / "runs"
    assert made(holdfast_state_dir="/var/lib/x").state_dir == Path("/var/lib/x")


def test_spec_pieces_do_not_overlap() -> None:
    pieces = (options.REPOSITORY, options.POLICY, options.CHANGE)
    assert len({name for piece in pieces for name in piece}) == sum(map(len, pieces))
