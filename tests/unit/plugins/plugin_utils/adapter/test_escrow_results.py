# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and results of the module ``escrow``; the whole ceremony stands in tests/system/test_escrow.py."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import escrow_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    HoldfastError,
    PolicyError,
    UnsoundError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.ceremony import Ceremony, make_folder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import FILES, Lab, make_keyring

ME = {"awx_user_name": "alice"}


def utcnow() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A repository in a folder with one backup; nobody puts anything but records."""
    path = tmp_path_factory.mktemp("lab")
    keys = make_keyring(path / "keyring", utcnow() - dt.timedelta(days=1))
    made = Lab.make(path, FileStore.create(path / "store"), keys, utcnow)
    made.run(MemorySource(FILES))
    return made


@pytest.fixture(scope="module")
def ceremony(lab: Lab) -> Ceremony:
    """Its escrow, split, and that of another keyring."""
    made = Ceremony.make(lab.path)
    made.split("set", lab.path / "keyring" / "escrow")
    made.split("other", make_folder(lab.path / "elsewhere"))
    return made


def options(ceremony: Ceremony, *, check: bool = False, name: str = "prod", **given: t.Any) -> Options:
    args = {
        "state": "split",
        "path": str(ceremony.path / "set"),
        "folders": [],
        "shares": [],
        "without": [],
        "custodians": [{"name": one.name, "key": one.key} for one in ceremony.custodians],
        "threshold": 2,
        "hosts": [],
        "on_disk": False,
        **given,
    }
    repository = {"name": name, "url": f"file://{ceremony.path}/store", "keyring": {"path": f"{ceremony.path}/keyring"}}
    return Options(args, {"holdfast_repository": repository}.get, check=check)


def proving(lab: Lab, ceremony: Ceremony, split: str, **given: t.Any) -> Options:
    shares = [str(ceremony.share(split, name)) for name in ("alice", "bob")]
    path = str(ceremony.path / split)
    return options(ceremony, path=path, shares=shares, repository_id=lab.repository.root.id, **given)


def folder_of(ceremony: Ceremony) -> list[str]:
    return [str(ceremony.path / "keyring" / "escrow")]


def test_the_name_comes_from_the_inventory_unless_it_is_given(ceremony: Ceremony) -> None:
    found = escrow_results.split(options(ceremony, folders=folder_of(ceremony)), diff=True)
    assert (found["changed"], found["repository_name"], found["next_steps"], "diff" in found) == (
        False,
        "prod",
        [],
        False,
    )
    with pytest.raises(PolicyError, match="other repository"):
        escrow_results.split(options(ceremony, folders=folder_of(ceremony), repository_name="test"), diff=False)
    bare = Options({**options(ceremony).args, "folders": folder_of(ceremony)}, lambda _name: None, check=False)
    with pytest.raises(PolicyError, match="not a repository name"):
        escrow_results.split(bare, diff=False)


@pytest.mark.parametrize("given", [{"previous": "/x"}, {"shares": ["/x"]}])
def test_an_earlier_split_takes_its_shares(ceremony: Ceremony, given: Mapping[str, t.Any]) -> None:
    with pytest.raises(PolicyError, match="together"):
        escrow_results.split(options(ceremony, **given), diff=False)


def test_there_must_be_something_to_split(ceremony: Ceremony) -> None:
    with pytest.raises(PolicyError, match="nothing to split"):
        escrow_results.split(options(ceremony), diff=False)


def test_an_earlier_split_and_a_new_folder_become_one_without_what_is_destroyed(ceremony: Ceremony) -> None:
    given = options(
        ceremony,
        path=str(ceremony.path / "both"),
        previous=str(ceremony.path / "other"),
        shares=[str(ceremony.share("other", name)) for name in ("bob", "carol")],
        folders=[str(make_folder(ceremony.path / "later", ("d0090", 2031, "b")))],
        without=["d0030-2026"],
    )
    found = escrow_results.split(given, diff=True)
    assert found["class_years"] == ["d0090-2026", "d0090-2031b"]
    assert "key d0030-2026 " in found["diff"]["before"]
    assert "key d0030-2026 " not in found["diff"]["after"]
    steps = "\n".join(found["next_steps"])
    assert "shred -u" in steps
    assert f"Destroy every copy of {ceremony.path}/other/escrow.age" in steps
    assert "rotate=[escrow]" in steps
    opened = ceremony.open("both", "alice", "carol")
    assert [one.name for one in opened.identities] == ["d0090-2026", "d0090-2031b"]


def test_check_mode_gives_no_steps_of_what_was_not_made(ceremony: Ceremony) -> None:
    given = options(ceremony, check=True, path=str(ceremony.path / "never"), folders=folder_of(ceremony))
    found = escrow_results.split(given, diff=True)
    assert (found["changed"], found["next_steps"]) == (True, [])
    assert not (ceremony.path / "never").exists()


def test_a_proof_says_what_was_opened(lab: Lab, ceremony: Ceremony) -> None:
    found = escrow_results.proved(proving(lab, ceremony, "set"), ME, diff=True)
    assert (found["changed"], found["packs"], found["failures"]) == (True, 2, [])
    assert lab.names("records/drill/")[-1] in found["diff"]["after"]
    assert "AGE-SECRET" not in json.dumps(found)
    checked = escrow_results.proved(proving(lab, ceremony, "set", check=True), ME, diff=True)
    assert (checked["changed"], checked["record"], checked["packs"], "diff" in checked) == (False, "", 2, False)


def test_escrow_that_does_not_open_fails_with_all_that_was_found(lab: Lab, ceremony: Ceremony) -> None:
    with pytest.raises(UnsoundError, match="does not open 2 snapshots, the first of stream tier1") as caught:
        escrow_results.proved(proving(lab, ceremony, "other"), ME, diff=False)
    assert caught.value.host == "h"
    assert caught.value.details["packs"] == 0
    assert len(t.cast("list[object]", caught.value.details["failures"])) == 2
    assert caught.value.details["record"]


def test_packs_that_rest_prove_nothing(lab: Lab, ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch) -> None:
    get = FileStore.get

    def rests(self: FileStore, name: str, *, version: str | None = None) -> bytes:
        if name.startswith("packs/"):
            raise ArchivedError("rests in an archive class", item=name)
        return get(self, name, version=version)

    monkeypatch.setattr(FileStore, "get", rests)
    with pytest.raises(UnsoundError, match="and 2 packs rest"):
        escrow_results.proved(proving(lab, ceremony, "set"), ME, diff=False)


def test_escrow_of_another_repository_is_refused_before_the_store_is_asked(lab: Lab, ceremony: Ceremony) -> None:
    with pytest.raises(PolicyError, match="that of the repository 'prod'"):
        escrow_results.proved(proving(lab, ceremony, "set", name="test"), ME, diff=False)


def test_what_is_joined_is_there_since_it_was_written(ceremony: Ceremony) -> None:
    shares = [str(ceremony.share("set", name)) for name in ("alice", "carol")]
    given = {"shares": shares, "destination": str(ceremony.path / "joined"), "on_disk": True}
    checked = escrow_results.joined(options(ceremony, check=True, **given), diff=True)
    made = escrow_results.joined(options(ceremony, **given), diff=True)
    again = escrow_results.joined(options(ceremony, **given), diff=True)
    assert [found["changed"] for found in (checked, made, again)] == [True, True, False]
    assert (checked["since"], again["since"]) == ("", made["since"])
    assert dt.datetime.fromisoformat(made["since"]) <= utcnow()
    assert checked["diff"] == made["diff"]
    assert "diff" not in again
    assert made["identities"] == f"{ceremony.path}/joined/identities.txt"
    assert f"rm -r {ceremony.path}/joined" in made["next_steps"][-1]


def test_commands_are_printed_as_a_shell_takes_them(ceremony: Ceremony) -> None:
    usb = make_folder(ceremony.path / "my usb; x" / "escrow", ("d0090", 2032, ""))
    given = options(ceremony, path=str(ceremony.path / "quoted"), folders=[str(usb), *folder_of(ceremony)])
    steps = escrow_results.split(given, diff=False)["next_steps"]
    (command,) = [step.partition(": ")[2] for step in steps if "shred" in step]
    assert shlex.split(command)[:4] == ["find", str(usb), *folder_of(ceremony), "-type"]

    destination = str(ceremony.path / "to join")
    shares = [str(ceremony.share("set", name)) for name in ("alice", "carol")]
    copy = ceremony.write("carol's", Path(shares[1]).read_bytes())
    given = options(ceremony, shares=[shares[0], str(copy)], destination=destination, on_disk=True, check=True)
    command = escrow_results.joined(given, diff=False)["next_steps"][-1].partition(": ")[2]
    assert shlex.split(command) == ["rm", "-r", destination, shares[0], str(copy)]


def test_sets_of_two_repositories_are_not_mixed(ceremony: Ceremony) -> None:
    """Their keys have the same names."""
    given = options(
        ceremony,
        path=str(ceremony.path / "mixed"),
        previous=str(ceremony.path / "other"),
        shares=[str(ceremony.share("other", name)) for name in ("bob", "carol")],
        folders=folder_of(ceremony),
        repository_name="prod-eu",
    )
    with pytest.raises(PolicyError, match="that of the repository 'prod'") as caught:
        escrow_results.split(given, diff=False)
    assert "'prod-eu' in previous" in str(caught.value.remedy)
    assert not (ceremony.path / "mixed").exists()


KEYRINGS: dict[str, dict[str, t.Any]] = {
    "no address": {"type": "vault"},
    "no folder": {"path": "/nowhere/keyring"},
    "no server": {"type": "vault", "url": "https://127.0.0.1:1", "retries": 0},
}


@pytest.mark.parametrize("ring", KEYRINGS.values(), ids=KEYRINGS)
def test_it_is_proved_where_the_keyring_is_gone_and_what_names_it(
    lab: Lab, ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, ring: dict[str, t.Any]
) -> None:
    for name in ("VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    repository = {"name": "prod", "url": f"file://{ceremony.path}/store", "keyring": ring}
    given = proving(lab, ceremony, "set", repository=repository)
    found = escrow_results.proved(given, ME, diff=True)
    assert (found["packs"], found["record"], found["changed"], found["lacking"]) == (2, "", False, [])
    assert [warning for warning in found["warnings"] if "no record was put" in warning]
    assert bool([warning for warning in found["warnings"] if "keyring cannot be used" in warning]) is (
        ring == {"type": "vault"}
    )


def test_keys_that_are_lacking_are_told(lab: Lab, ceremony: Ceremony) -> None:
    given = options(ceremony, path=str(ceremony.path / "part"), folders=folder_of(ceremony))
    year = utcnow().year
    given.args["without"] = [f"d0030-{year}", f"d0090-{year + 1}"]  # type: ignore[index]
    escrow_results.split(given, diff=False)
    with pytest.raises(UnsoundError) as caught:
        escrow_results.proved(proving(lab, ceremony, "part"), ME, diff=False)
    assert caught.value.details["lacking"] == [f"d0030-{year}", f"d0090-{year + 1}"]
    assert "Split in the keys that are lacking" in str(caught.value.remedy)


GIVEN: dict[str, t.Any] = {
    "classes": {"d7": {"days": 7}},
    "first_year": 2026,
    "years": 3,
    "series": "b",
    "repository_name": "prod",
    "folders": ["/x"],
    "custodians": [{"name": "alice", "key": "age1"}],
    "threshold": 2,
    "shares": ["/x"],
    "previous": "/x",
    "without": ["d0030-2026"],
    "destination": "/x",
    "on_disk": True,
    "recovery_point": "0" * 12,
    "hosts": ["web1"],
}
STATES = {
    "made": {"classes", "first_year", "years", "series"},
    "split": {"repository_name", "folders", "custodians", "threshold", "shares", "previous", "without"},
    "joined": {"shares", "destination", "on_disk"},
    "proved": {"shares", "recovery_point", "hosts"},
}


def test_every_option_is_of_a_state() -> None:
    assert GIVEN.keys() == set().union(*STATES.values()) == escrow_results.ESCROW.keys() - {"state", "path"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", GIVEN)
def test_an_option_of_another_state_is_refused(state: str, name: str) -> None:
    defaults = {option: spec.get("default") for option, spec in escrow_results.ESCROW.items()}
    args = {**defaults, "state": state, "path": "/x", "repository": {"name": "prod"}}
    escrow_results.require_own(Options(args, {}.get, check=False))
    given = Options({**args, name: GIVEN[name]}, {}.get, check=False)
    if name in STATES[state]:
        escrow_results.require_own(given)
        return
    with pytest.raises(PolicyError, match=f"^{name} is given, and state={state} does not read it") as caught:
        escrow_results.require_own(given)
    assert all(f"state={other}" in str(caught.value.remedy) for other in STATES if name in STATES[other])


def test_no_shares_at_all(ceremony: Ceremony) -> None:
    with pytest.raises(HoldfastError, match="2 shares open this, and 0 are here"):
        escrow_results.joined(options(ceremony, destination="/nowhere"), diff=False)


class TestMade:
    """``state=made``: names and recipients, and where to go with them."""

    @staticmethod
    def made(path: Path, *, check: bool = False, diff: bool = True, **given: t.Any) -> dict[str, t.Any]:
        args = {"state": "made", "path": str(path), "years": 2, "series": "", **given}
        return escrow_results.made(Options(args, {}.get, check=check), diff=diff)

    def test_it_makes_what_a_new_repository_needs(self, tmp_path: Path) -> None:
        year = utcnow().year
        found = self.made(tmp_path / "new", years=11, classes={"d7": {"days": 7, "mode": "governance"}})
        assert (found["changed"], found["warnings"]) == (True, [])
        assert found["new"] == found["class_years"]
        assert {"d0030", "d0090", "d0400", "d7"} <= {name.rpartition("-")[0] for name in found["new"]}
        assert {name.rpartition("-")[2] for name in found["new"]} == {str(year + later) for later in range(11)}

    def test_what_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "new"
        checked, made, again = (self.made(path, check=check, first_year=2026) for check in (True, False, False))
        assert [found["changed"] for found in (checked, made, again)] == [True, True, False]
        assert (checked["new"], again["new"]) == (made["new"], [])
        assert (made["identities"], made["recipients"]) == (f"{path}/identities.txt", f"{path}/recipients.txt")
        assert [bool(found["next_steps"]) for found in (checked, made, again)] == [False, True, False]
        assert f"Bring {path}/recipients.txt alone" in made["next_steps"][0]
        lines = (path / "recipients.txt").read_text().splitlines()
        assert made["diff"]["before"] == ""
        told = [f"{name[2:]} {recipient}" for name, recipient in sorted(zip(lines[::2], lines[1::2], strict=True))]
        assert made["diff"]["after"].splitlines() == told
        assert checked["diff"]["after"].splitlines() == sorted(made["new"])
        assert "diff" not in again
        assert "SECRET" not in json.dumps([checked, made, again])

    def test_another_series_of_some_years(self, tmp_path: Path) -> None:
        found = self.made(tmp_path / "new", first_year=2030, years=1, series="b", diff=False)
        assert all(name.endswith("-2030b") for name in found["new"])
        assert "diff" not in found

    def test_identities_that_are_elsewhere_are_counted(self, tmp_path: Path) -> None:
        self.made(tmp_path / "new", first_year=2026)
        (tmp_path / "new" / "identities.txt").unlink()
        (warning,) = self.made(tmp_path / "new", first_year=2026)["warnings"]
        assert "the first d0030-2026" in warning

    @pytest.mark.parametrize(
        "given",
        [{"first_year": 26}, {"first_year": 9999}, {"years": 0}, {"years": 101}, {"series": "a"}, {"series": "bc"}],
    )
    def test_years_and_series_that_no_key_has(self, tmp_path: Path, given: dict[str, t.Any]) -> None:
        with pytest.raises(PolicyError) as caught:
            self.made(tmp_path / "new", **given)
        assert caught.value.remedy
        assert not (tmp_path / "new").exists()
