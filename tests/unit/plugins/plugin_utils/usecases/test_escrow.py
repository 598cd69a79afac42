# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    IntegrityError,
    KeyMissingError,
    KeyringError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import ClassYear
from ansible_collections.holdfast.config.plugins.plugin_utils.model.escrow import Custodian
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import escrow

from .ceremony import NOW, Ceremony, make_folder


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    return Ceremony.make(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "escrow")


def state(path: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.iterdir()}


def test_a_folder_is_split(ceremony: Ceremony, folder: Path) -> None:
    made = ceremony.split("set", folder)
    path = ceremony.path / "set"
    assert made.made
    assert sorted(state(path)) == ["escrow.age", "escrow.json", *(f"share-{n}.age" for n in ("alice", "bob", "carol"))]
    assert path.stat().st_mode & 0o7777 == 0o700
    assert {file.stat().st_mode & 0o7777 for file in path.iterdir()} == {0o600}
    assert [key.id for key in made.escrow.keys] == ["d0030-2026", "d0090-2026"]
    assert escrow.read_set(path) == made.escrow
    assert not (ceremony.path / ".set.new").exists()


def test_nothing_of_it_says_a_secret(ceremony: Ceremony, folder: Path) -> None:
    made = ceremony.split("set", folder)
    words = {name: ceremony.share("set", name).read_text().splitlines()[-1] for name in ceremony.secrets}
    secrets = [line for line in (folder / "identities.txt").read_text().splitlines() if line.startswith("AGE-SECRET")]
    shown = repr(made) + "".join(str(path) for path in sorted(ceremony.path.rglob("*")))
    shown += "".join(name + repr(data) for name, (data, _time) in state(ceremony.path / "set").items())
    assert len(secrets) == 2
    for secret in (*secrets, *ceremony.secrets.values(), *(line[40:90] for line in words.values())):
        assert secret not in shown


def test_the_same_again_changes_nothing(ceremony: Ceremony, folder: Path) -> None:
    first = ceremony.split("set", folder)
    before = state(ceremony.path / "set")
    again = ceremony.split("set", folder)
    assert (again.made, again.escrow, again.away) == (False, first.escrow, ())
    assert state(ceremony.path / "set") == before


def test_a_share_that_was_given_out_is_away(ceremony: Ceremony, folder: Path) -> None:
    ceremony.split("set", folder)
    (ceremony.path / "set" / "share-bob.age").unlink()
    again = ceremony.split("set", folder)
    assert (again.made, again.away) == (False, ("bob",))


def test_check_mode_writes_nothing(ceremony: Ceremony, folder: Path) -> None:
    made = ceremony.split("set", folder, check=True)
    assert made.made
    assert not (ceremony.path / "set").exists()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("threshold", "with other threshold,"),
        ("custodians", "with other custodians,"),
        ("key", "with other custodians,"),
        ("keys", "with other keys,"),
        ("repository", "with other repository,"),
    ],
)
def test_another_split_is_never_written_over(
    ceremony: Ceremony, folder: Path, tmp_path: Path, what: str, says: str
) -> None:
    ceremony.split("set", folder)
    before = state(ceremony.path / "set")
    repository, wanted, found = "prod", ceremony.wanted(), escrow.read_folders([folder])
    custodians, threshold = wanted.custodians, wanted.threshold
    if what == "threshold":
        threshold = 3
    elif what == "custodians":
        custodians = custodians[:2]
    elif what == "key":
        custodians = (*custodians[:2], Custodian("carol", age.generate()[1]))
    elif what == "keys":
        found = escrow.read_folders([make_folder(tmp_path / "other")])
    else:
        repository = "test"
    with pytest.raises(PolicyError, match=says):
        escrow.split(ceremony.path / "set", escrow.Wanted(repository, custodians, threshold), found, now=NOW)
    assert state(ceremony.path / "set") == before


def test_a_folder_with_something_else_is_left_alone(ceremony: Ceremony, folder: Path) -> None:
    with pytest.raises(PolicyError, match="something else"):
        escrow.split(folder, ceremony.wanted(), escrow.read_folders([folder]), now=NOW)


@pytest.mark.parametrize("name", ["escrow.age", "share-bob.age"])
def test_damage_is_found_where_nothing_is_to_be_done(ceremony: Ceremony, folder: Path, name: str) -> None:
    ceremony.split("set", folder)
    file = ceremony.path / "set" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        ceremony.split("set", folder)


def test_what_a_killed_run_left_is_replaced(ceremony: Ceremony, folder: Path) -> None:
    ceremony.split("left", folder)
    (ceremony.path / "left").rename(ceremony.path / ".set.new")
    made = ceremony.split("set", folder)
    assert escrow.read_set(ceremony.path / "set") == made.escrow
    assert ceremony.open("set", "alice", "bob").escrow == made.escrow


def test_several_folders_are_one_set_and_each_key_is_there_once(
    ceremony: Ceremony, folder: Path, tmp_path: Path
) -> None:
    later = make_folder(tmp_path / "later", ("d0090", 2027, ""))
    found = escrow.read_folders([folder, later, folder])
    made = escrow.split(tmp_path / "set", ceremony.wanted(), found, now=NOW)
    assert [key.id for key in made.escrow.keys] == ["d0030-2026", "d0090-2026", "d0090-2027"]


def test_a_class_and_year_can_be_left_out(folder: Path) -> None:
    found = escrow.read_folders([folder])
    assert [one.name for one in escrow.without(found, ["d0030-2026"])] == ["d0090-2026"]
    with pytest.raises(PolicyError, match="d0030-2025"):
        escrow.without(found, ["d0030-2025"])


def test_an_identity_without_a_name_is_not_split(ceremony: Ceremony, folder: Path) -> None:
    """Nor is what stands above it shown anywhere: it may be an identity that was commented out."""
    old, (secret, recipient) = age.generate()[0], age.generate()
    file = folder / "identities.txt"
    file.write_text(f"{file.read_text()}#{old}\n{secret}\n")
    with pytest.raises(PolicyError, match=f"1 identities have no name .* that of {recipient}") as caught:
        ceremony.split("set", folder)
    with pytest.raises(PolicyError, match="d0030-2026, d0090-2026") as left_out:
        escrow.without(escrow.read_folders([folder]), ["d0030-2025"])
    for error in (caught.value, left_out.value):
        assert "AGE-SECRET" not in f"{error} {error!r}"
    assert not (ceremony.path / "set").exists()


def test_a_folder_without_keys(ceremony: Ceremony, tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError):
        escrow.read_folders([tmp_path / "nowhere"])
    with pytest.raises(KeyMissingError):
        escrow.read_set(tmp_path / "nowhere")


def test_a_folder_that_others_may_read(folder: Path) -> None:
    folder.chmod(0o750)
    with pytest.raises(KeyringError, match="others"):
        escrow.read_folders([folder])


def one(name: str, key: str = "") -> Custodian:
    return Custodian(name, key or age.generate()[1])


KEY = age.generate()[1]


@pytest.mark.parametrize(
    ("custodians", "threshold", "item"),
    [
        ((one("a"), one("b")), 1, "threshold"),
        ((one("a"), one("b")), 3, "threshold"),
        ((one("a"),), 1, "threshold"),
        (tuple(one(f"c{number}") for number in range(17)), 2, "threshold"),
        ((one("a"), one("../b")), 2, "custodians"),
        ((one("a"), one("b\n")), 2, "custodians"),
        ((one("a"), one("A")), 2, "custodians"),
        ((one("a", KEY), one("b", KEY)), 2, "custodians"),
        ((one("a"), one("b", "sk-ssh-ed25519@openssh.com AAAA")), 2, "custodians: b"),
    ],
    ids=["one", "more than all", "alone", "too many", "path", "line", "twice", "one key", "FIDO2"],
)
def test_who_cannot_hold_shares(custodians: tuple[Custodian, ...], threshold: int, item: str) -> None:
    with pytest.raises(PolicyError) as caught:
        escrow.Wanted("prod", custodians, threshold)
    assert caught.value.item == item


@pytest.mark.parametrize("name", ["", "Prod", "a\nAGE-SECRET-KEY-1"])
def test_a_repository_is_named_as_one(name: str) -> None:
    with pytest.raises(PolicyError):
        escrow.Wanted(name, (one("a"), one("b")), 2)


def test_a_folder_that_cannot_be_written(ceremony: Ceremony, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyringError):
        escrow.split(tmp_path / "file" / "set", ceremony.wanted(), escrow.read_folders([folder]), now=NOW)


class TestMade:
    """Keys that are made offline, and what the keyring gets of them."""

    WANTED: t.ClassVar[list[ClassYear]] = [("d0030", 2026, ""), ("d0090", 2026, "b")]

    def test_both_files_name_every_key(self, tmp_path: Path) -> None:
        made = escrow.make(tmp_path / "new", self.WANTED)
        assert (made.new, made.written, made.away) == (("d0030-2026", "d0090-2026b"), True, ())
        held = escrow.read_folders([tmp_path / "new"])
        assert made.keys == escrow.keys_of(held)
        listed = (tmp_path / "new" / "recipients.txt").read_text()
        assert listed == "".join(f"# {key.id}\n{key.recipient}\n" for key in made.keys)
        assert [age.recipient_of(identity.secret) for identity in held] == [key.recipient for key in made.keys]
        assert {each.name: each.stat().st_mode & 0o7777 for each in (tmp_path / "new").iterdir()} == {
            "identities.txt": 0o600,
            "recipients.txt": 0o600,
        }
        assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o700

    def test_nothing_that_is_told_or_brought_is_a_secret(self, tmp_path: Path) -> None:
        told = repr(escrow.make(tmp_path / "new", self.WANTED)) + (tmp_path / "new" / "recipients.txt").read_text()
        secrets = [identity.secret for identity in escrow.read_folders([tmp_path / "new"])]
        assert len(secrets) == 2
        assert not [secret for secret in secrets if secret[16:40] in told]

    def test_the_same_again_changes_nothing(self, tmp_path: Path) -> None:
        first = escrow.make(tmp_path / "new", self.WANTED)
        before = state(tmp_path / "new")
        again = escrow.make(tmp_path / "new", self.WANTED[:1])
        assert (again.keys, again.new, again.written) == (first.keys, (), False)
        assert state(tmp_path / "new") == before

    def test_gaps_are_filled(self, tmp_path: Path) -> None:
        escrow.make(tmp_path / "new", self.WANTED[:1])
        before = {name: data for name, (data, _time) in state(tmp_path / "new").items()}
        made = escrow.make(tmp_path / "new", self.WANTED)
        assert (made.new, made.written) == (("d0090-2026b",), True)
        assert all((tmp_path / "new" / name).read_bytes().startswith(data) for name, data in before.items())

    def test_recipients_that_a_killed_run_did_not_write(self, tmp_path: Path) -> None:
        first = escrow.make(tmp_path / "new", self.WANTED)
        listed = tmp_path / "new" / "recipients.txt"
        text = listed.read_bytes()
        listed.unlink()
        assert escrow.make(tmp_path / "new", self.WANTED) == dataclasses.replace(first, new=())
        assert listed.read_bytes() == text

    def test_who_has_an_identity_elsewhere_gets_no_second_one(self, tmp_path: Path) -> None:
        """The recipients that the keyring has, brought to another machine: what they lack alone is made."""
        first = escrow.make(tmp_path / "old", self.WANTED[:1])
        (tmp_path / "new").mkdir(mode=0o700)
        (tmp_path / "old" / "recipients.txt").rename(tmp_path / "new" / "recipients.txt")
        made = escrow.make(tmp_path / "new", self.WANTED)
        assert (made.new, made.away) == (("d0090-2026b",), ("d0030-2026",))
        assert made.keys[0] == first.keys[0]
        assert [identity.name for identity in escrow.read_folders([tmp_path / "new"])] == ["d0090-2026b"]

    @pytest.mark.parametrize("there", [(), ("d0030-2026",)])
    def test_check_mode_writes_nothing(self, tmp_path: Path, there: tuple[str, ...]) -> None:
        if there:
            escrow.make(tmp_path / "new", self.WANTED[:1])
        before = state(tmp_path / "new") if there else {}
        made = escrow.make(tmp_path / "new", self.WANTED, check=True)
        assert [key.id for key in made.keys if key.recipient] == list(there)
        assert (len(made.keys), made.written, made.away) == (2, True, ())
        assert (state(tmp_path / "new") if there else {}) == before
        assert (tmp_path / "new").exists() is bool(there)

    def test_files_that_contradict_one_another_stay_as_they_are(self, tmp_path: Path) -> None:
        for name in ("new", "other"):
            escrow.make(tmp_path / name, self.WANTED)
        (tmp_path / "other" / "recipients.txt").rename(tmp_path / "new" / "recipients.txt")
        before = state(tmp_path / "new")
        with pytest.raises(KeyringError, match=r"another key here than in identities\.txt"):
            escrow.make(tmp_path / "new", [*self.WANTED, ("d0400", 2026, "")])
        assert state(tmp_path / "new") == before

    def test_they_are_split_as_they_are(self, ceremony: Ceremony) -> None:
        made = escrow.make(ceremony.path / "new", self.WANTED)
        assert ceremony.split("set", ceremony.path / "new").escrow.keys == made.keys
