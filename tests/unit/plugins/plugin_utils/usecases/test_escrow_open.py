# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    HoldfastError,
    IntegrityError,
    KeyMissingError,
    KeyringError,
    PolicyError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age, shares
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import escrow_open

from .ceremony import NAMES, Ceremony, make_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Ceremony:
    """Two splits of one folder, and one of another. Nobody changes them."""
    ceremony = Ceremony.make(tmp_path_factory.mktemp("ceremony"))
    folder = make_folder(ceremony.path / "escrow")
    for name in ("set", "again"):
        ceremony.split(name, folder)
    ceremony.split("other", make_folder(ceremony.path / "elsewhere"))
    return ceremony


@pytest.fixture
def ceremony(made: Ceremony, tmp_path: Path) -> Ceremony:
    shutil.copytree(made.path, tmp_path / "c")
    return Ceremony(tmp_path / "c", made.secrets, made.custodians)


def test_any_two_of_three_give_all_keys_back(made: Ceremony) -> None:
    text = (made.path / "escrow" / "identities.txt").read_text()
    for pair in itertools.permutations(NAMES, 2):
        opened = made.open("set", *pair)
        assert opened.by == tuple(sorted(pair))
        assert opened.text.decode().partition("\n")[2] == text
        assert [one.name for one in opened.identities] == ["d0030-2026", "d0090-2026"]


def test_all_three_do_too(made: Ceremony) -> None:
    assert made.open("set", *NAMES).by == NAMES


def test_the_keys_are_in_no_repr(made: Ceremony) -> None:
    assert "AGE-SECRET-KEY" not in repr(made.open("set", "alice", "bob"))


@pytest.mark.parametrize("name", NAMES)
def test_one_is_not_enough_and_the_others_are_named(made: Ceremony, name: str) -> None:
    with pytest.raises(KeyMissingError, match="2 shares open this, and 1 are here") as caught:
        made.open("set", name)
    assert all(other in str(caught.value) for other in NAMES if other != name)


def shown_of(error: HoldfastError, line: str) -> list[str]:
    """What of a share an error shows anywhere: pairs of its words, since one alone may be a word of any sentence."""
    shown, one = "", t.cast("BaseException | None", error)
    while one is not None:
        shown += f"{one} {one!r} {getattr(one, 'details', '')} "
        one = one.__cause__ or one.__context__
    return [f"{one} {other}" for one, other in itertools.pairwise(line.split()) if f"{one} {other}" in shown]


def other_set(ceremony: Ceremony, file: Path) -> None:
    file.write_bytes(ceremony.share("again", "bob").read_bytes())


def mistyped(ceremony: Ceremony, file: Path) -> None:
    lines = file.read_text().splitlines()
    words = lines[-1].split()
    words[20] = "wrist" if words[20] != "wrist" else "yoga"
    file.write_text("\n".join([*lines[:-1], " ".join(words)]))


def cut(ceremony: Ceremony, file: Path) -> None:
    file.write_text(file.read_text()[:-30])


def nameless(ceremony: Ceremony, file: Path) -> None:
    cut(ceremony, file)
    file.write_text(file.read_text().splitlines()[-1])


def foreign(ceremony: Ceremony, file: Path) -> None:
    file.write_text(shares.split(bytes(74), threshold=2, count=2)[0])


def lying(ceremony: Ceremony, file: Path) -> None:
    """A share that is whole, for the right custodian by its comment, and not theirs."""
    head = "\n".join(file.read_text().splitlines()[:-1])
    file.write_text(head + "\n" + shares.split(bytes(74), threshold=2, count=2)[0])


def encrypted(ceremony: Ceremony, file: Path) -> None:
    file.write_bytes((ceremony.path / "set" / "share-bob.age").read_bytes())


def empty(ceremony: Ceremony, file: Path) -> None:
    file.write_bytes(b"")


def binary(ceremony: Ceremony, file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 300)


def readable(ceremony: Ceremony, file: Path) -> None:
    file.chmod(0o640)


def gone(ceremony: Ceremony, file: Path) -> None:
    file.unlink()


def pipe(ceremony: Ceremony, file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def twice(ceremony: Ceremony, file: Path) -> None:
    file.write_bytes(ceremony.share("set", "alice").read_bytes())


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        (other_set, WrongKeyError, "the share of bob is of another split"),
        (mistyped, IntegrityError, "the share of bob is damaged"),
        (cut, IntegrityError, "the share of bob is damaged"),
        (nameless, IntegrityError, "a share of nobody"),
        (foreign, WrongKeyError, "a share is of another split"),
        (lying, WrongKeyError, "the share of bob is of another split"),
        (encrypted, PolicyError, "still encrypted"),
        (empty, IntegrityError, "damaged"),
        (binary, IntegrityError, "damaged"),
        (readable, KeyringError, "others"),
        (gone, KeyringError, "cannot be read"),
        (pipe, KeyringError, "is no file"),
        (twice, PolicyError, "the share of alice is given twice"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_share_that_is_none_is_named_and_not_shown(
    ceremony: Ceremony, harm: Callable[[Ceremony, Path], None], error: type[HoldfastError], says: str
) -> None:
    first, second = ceremony.share("set", "alice"), ceremony.share("set", "bob")
    line = second.read_text().splitlines()[-1]
    harm(ceremony, second)
    with pytest.raises(error, match=says) as caught:
        escrow_open.open_set(ceremony.path / "set", [first, second])
    assert caught.type is error
    assert caught.value.item == str(second)
    assert shown_of(caught.value, line) == []


def test_a_wrong_share_beside_enough_right_ones_is_named_too(ceremony: Ceremony) -> None:
    files = [ceremony.share("set", name) for name in NAMES]
    mistyped(ceremony, files[2])
    with pytest.raises(IntegrityError, match="carol"):
        escrow_open.open_set(ceremony.path / "set", files)


def test_words_as_people_type_them(ceremony: Ceremony) -> None:
    file = ceremony.share("set", "bob")
    words = file.read_text().splitlines()[-1].split()
    file.write_text("\n".join(f"{' '.join(words[at : at + 10]).upper()}  " for at in range(0, len(words), 10)))
    opened = escrow_open.open_set(ceremony.path / "set", [ceremony.share("set", "carol"), file])
    assert opened.by == ("bob", "carol")


@pytest.mark.parametrize("name", ["escrow.age", "escrow.json"])
def test_files_of_two_splits_do_not_go_together(ceremony: Ceremony, name: str) -> None:
    shares_of_set = [ceremony.share("set", one) for one in ("alice", "bob")]
    shutil.copy(ceremony.path / "other" / name, ceremony.path / "set" / name)
    with pytest.raises((FormatError, KeyringError)):
        escrow_open.open_set(ceremony.path / "set", shares_of_set)


def test_a_manifest_that_was_made_to_fit_gains_nothing(ceremony: Ceremony) -> None:
    """Another sealed file under right shares: they do not open it."""
    target = ceremony.path / "set"
    other, own = ((ceremony.path / name / "escrow.json").read_text() for name in ("other", "set"))
    digests = [json.loads(text)["sealed_sha256"] for text in (own, other)]
    (target / "escrow.json").write_text(own.replace(*digests))
    shutil.copy(ceremony.path / "other" / "escrow.age", target / "escrow.age")
    with pytest.raises(IntegrityError, match="do not open"):
        ceremony.open("set", "alice", "bob")


def test_a_file_with_other_keys_than_the_manifest_says_is_refused(ceremony: Ceremony) -> None:
    """What somebody who has enough shares could put there: a key of their own among the others."""
    target = ceremony.path / "set"
    lines = [ceremony.share("set", name).read_text().splitlines()[-1] for name in ("alice", "bob")]
    recipient = age.recipient_of(shares.join(lines).decode())
    forged = age.encrypt((ceremony.path / "elsewhere" / "identities.txt").read_bytes(), [recipient])
    (target / "escrow.age").write_bytes(forged)
    own = (target / "escrow.json").read_text()
    digest = json.loads(own)["sealed_sha256"]
    (target / "escrow.json").write_text(own.replace(digest, hashlib.sha256(forged).hexdigest()))
    with pytest.raises(IntegrityError, match="other keys"):
        ceremony.open("set", "alice", "bob")


def test_keys_are_joined_into_a_private_folder(ceremony: Ceremony) -> None:
    opened = ceremony.open("set", "alice", "bob")
    target = ceremony.path / "joined"
    assert escrow_open.join(opened, target, on_disk=True, check=True)
    assert not target.exists()
    assert escrow_open.join(opened, target, on_disk=True)
    file = target / "identities.txt"
    assert file.read_bytes() == opened.text
    assert (target.stat().st_mode & 0o7777, file.stat().st_mode & 0o7777) == (0o700, 0o600)
    assert not escrow_open.join(opened, target, on_disk=True)
    file.write_bytes(b"# other\n")
    with pytest.raises(PolicyError, match="other keys"):
        escrow_open.join(opened, target, on_disk=True)


@pytest.mark.parametrize("name", ["loop", "loop/x", "a\0b"])
def test_a_destination_that_leads_nowhere(made: Ceremony, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert not escrow_open.in_memory(tmp_path / name)
    for on_disk in (False, True):
        with pytest.raises(PolicyError, match="leads nowhere"):
            escrow_open.join(made.open("set", "alice", "bob"), tmp_path / name, on_disk=on_disk)


def mounts(path: Path, line: str) -> Path:
    path.write_text(f"1 1 0:999 / /elsewhere rw - ext4 /dev/sda1 rw\n{line}\n")
    return path


@pytest.mark.parametrize(("kind", "memory"), [("tmpfs", True), ("ramfs", True), ("ext4", False), ("nfs4", False)])
def test_a_disk_is_refused_unless_asked_for(
    ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, kind: str, memory: bool
) -> None:
    device = os.stat(ceremony.path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    listed = mounts(ceremony.path / "mounts", f"36 35 {number} / /x rw,noatime shared:1 - {kind} what rw")
    monkeypatch.setattr(escrow_open, "_MOUNTS", listed)
    opened = ceremony.open("set", "alice", "bob")
    target = ceremony.path / "a" / "b"
    assert escrow_open.in_memory(target) is memory
    if memory:
        assert escrow_open.join(opened, target, on_disk=False)
        return
    with pytest.raises(PolicyError, match="on a disk"):
        escrow_open.join(opened, target, on_disk=False)
    assert not target.exists()


def test_shares_on_a_disk_and_swap_are_warned_about(ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ceremony.path
    device = os.stat(path).st_dev
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /x rw - {{}} what rw"
    swaps = path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n")
    monkeypatch.setattr(escrow_open, "_SWAPS", swaps)
    monkeypatch.setattr(escrow_open, "_MOUNTS", mounts(path / "tmpfs", line.format("tmpfs")))
    assert ceremony.open("set", "alice", "bob").warnings == ()
    swaps.write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    assert "swaps" in ceremony.open("set", "alice", "bob").warnings[0]
    monkeypatch.setattr(escrow_open, "_MOUNTS", mounts(path / "ext4", line.format("ext4")))
    told = ceremony.open("set", "alice", "bob").warnings
    assert [warning.partition(" is on a disk")[0] for warning in told[:2]] == [
        str(path / "set-alice"),
        str(path / "set-bob"),
    ]


def test_where_nobody_tells_it_counts_as_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow_open, "_MOUNTS", tmp_path / "none")
    assert not escrow_open.in_memory(tmp_path)
