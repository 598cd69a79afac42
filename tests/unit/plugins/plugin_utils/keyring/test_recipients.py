# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyMissingError, KeyringError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import identities, recipients
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import AGE_X25519, ClassYear
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age

SECRET, ONE = age.generate()
OTHER_SECRET, OTHER = age.generate()
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
TEXTS = {"one": ONE, "other": OTHER, "cut": ONE[:-1], "ssh": SSH, "secret": SECRET, "lower": SECRET.lower()}
GUIDE = recipients.Guide("prod", "the others", "elsewhere")
GAPS: list[ClassYear] = [("d0030", 2026, ""), ("d0030", 2026, "b")]


@pytest.fixture
def folder(tmp_path: Path) -> PrivateFolder:
    made = PrivateFolder(tmp_path / "escrow")
    made.make()
    return made


def put(folder: PrivateFolder, **names: str) -> None:
    listed = {name.replace("_", "-"): recipient for name, recipient in names.items()}
    folder.write(recipients.FILE, recipients.completed(b"", listed))


def key(recipient: str, series: str = "") -> ClassYearKey:
    return ClassYearKey("d0030", 2026, AGE_X25519, recipient, series)


def take(folder: PrivateFolder, *named: ClassYearKey, fresh: bool = False) -> tuple[ClassYearKey, ...]:
    return recipients.escrow_keys(folder, GAPS, GUIDE, named=named, fresh=fresh)


class TestReading:
    def test_the_comment_above_names_the_key(self) -> None:
        text = f"# made in March\n\n# d0030-2026\n{ONE}\r\n\n# d0090-2026b {OTHER}\n{OTHER}".encode()
        assert recipients.read(text, "there") == {"d0030-2026": ONE, "d0090-2026b": OTHER}

    @pytest.mark.parametrize(
        ("text", "line", "says"),
        [
            ("# d0030-2026\n{cut}\n", 2, "neither a comment nor a recipient"),
            ("# d0030-2026\n{one} {other}\n", 2, "neither a comment nor a recipient"),
            ("# d0030-2026\n {one}\n", 2, "neither a comment nor a recipient"),
            ("# d0030-2026\n{ssh}\n", 2, "neither a comment nor a recipient"),
            ("# d0030-2026\u2028{one}\n{cut}\udc80\n", 2, "neither a comment nor a recipient"),
            ("# d0030-2026\n{one}\n{other}\n", 3, "does not name its class and year"),
            ("# ../d0030-2026\n{one}\n", 2, "does not name its class and year"),
            ("#\n{one}\n", 2, "does not name its class and year"),
            ("# d0030-2026\n{one}\n# d0030-2026\n{other}\n", 4, "d0030-2026 has a second recipient"),
            ("# d0030-2026\n{one}\n# d0090-2026\n{one}\n", 4, "the recipient of d0090-2026 is that of d0030-2026"),
            ("# d0030-2026\n{secret}\n", 2, "an identity is among the recipients"),
            ("# d0030-2026\n{one}\n{lower}\n", 3, "an identity is among the recipients"),
        ],
    )  # fmt: skip
    def test_a_line_that_is_something_else(self, text: str, line: int, says: str) -> None:
        with pytest.raises(KeyringError, match=says) as caught:
            recipients.read(text.format(**TEXTS).encode("utf-8", "surrogateescape"), "there")
        assert caught.value.item == f"there, line {line}"
        assert caught.value.remedy
        assert SECRET[16:40] not in str(caught.value).upper()
        assert ONE[:20] not in str(caught.value)

    def test_age_reads_it(self, folder: PrivateFolder, tmp_path: Path) -> None:
        """Each identity opens what is encrypted for all of the file."""
        put(folder, d0030_2026=ONE, d0030_2026b=OTHER)
        try:
            file = str(folder.path / recipients.FILE)
            sealed = subprocess.run(["age", "-R", file], input=b"content", capture_output=True, check=True).stdout
        except FileNotFoundError:
            assert os.environ.get("CI") != "true", "CI must have age"
            lines = (folder.path / recipients.FILE).read_text().splitlines()
            sealed = age.encrypt(b"content", [line for line in lines if not line.startswith("#")])
        assert [age.decrypt(sealed, [secret]) for secret in (SECRET, OTHER_SECRET)] == [b"content"] * 2

    def test_what_is_there_stays(self) -> None:
        before = f"# ours\n# d0030-2026\n{ONE}".encode()
        after = recipients.completed(before, {"d0030-2026": ONE, "d0090-2026": OTHER})
        assert after == before + f"\n# d0090-2026\n{OTHER}\n".encode()
        assert recipients.completed(after, {"d0090-2026": OTHER}) == after


class TestTaking:
    def test_none_is_made_where_recipients_were_brought(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE, d0030_2026b=OTHER, d0400_2026=age.generate()[1])
        before = folder.read(recipients.FILE)
        assert take(folder) == take(folder, fresh=True) == (key(ONE), key(OTHER, "b"))
        assert (folder.names(), folder.read(recipients.FILE)) == ([recipients.FILE], before)

    def test_the_missing_ones_are_named_and_not_made(self, folder: PrivateFolder) -> None:
        put(folder, d0400_2026=ONE)
        with pytest.raises(KeyMissingError, match="brought for d0030-2026, d0030-2026b, and") as caught:
            take(folder)
        assert "escrow state=made offline" in str(caught.value.remedy)
        assert folder.names() == [recipients.FILE]

    def test_an_empty_file_brings_none(self, folder: PrivateFolder) -> None:
        folder.write(recipients.FILE, b"")
        with pytest.raises(KeyMissingError, match="d0030-2026, d0030-2026b"):
            take(folder)

    def test_without_recipients_they_are_made_here(self, tmp_path: Path) -> None:
        folder = PrivateFolder(tmp_path / "escrow")
        assert recipients.escrow_keys(folder, [], GUIDE) == ()
        assert not folder.exists()
        assert [each.id for each in take(folder)] == ["d0030-2026", "d0030-2026b"]
        assert folder.names() == ["README.txt", identities.FILE]

    def test_a_recipient_that_is_named_already_is_not_new(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE, d0030_2026b=OTHER)
        with pytest.raises(KeyringError, match="of d0030-2026b is that of d0400-2025, which is named already"):
            take(folder, ClassYearKey("d0400", 2025, AGE_X25519, OTHER, ""))

    def test_a_key_that_there_is_already_is_no_other_one(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE)
        with pytest.raises(KeyringError, match="another escrow key d0030-2026"):
            recipients.escrow_keys(folder, [], GUIDE, named=[key(OTHER)])
        assert recipients.escrow_keys(folder, [], GUIDE, named=[key(ONE)]) == ()

    def test_both_files_count(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE)
        folder.write(identities.FILE, f"# d0030-2026b {OTHER}\n{OTHER_SECRET}\n".encode())
        assert take(folder) == (key(ONE), key(OTHER, "b"))
        assert not recipients.alone(folder.path)
        # of removed keys somebody has a copy, and so of what lies beside them
        with pytest.raises(KeyringError, match="the identities of d0030-2026b lie here"):
            take(folder, fresh=True)

    def test_an_identity_without_a_name_is_none_of_a_class_and_year(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE)
        folder.write(identities.FILE, f"{OTHER_SECRET}\n".encode())
        assert recipients.known(folder) == {"d0030-2026": ONE}

    def test_two_files_that_contradict_one_another(self, folder: PrivateFolder) -> None:
        put(folder, d0030_2026=ONE, d0030_2026b=OTHER)
        folder.write(identities.FILE, f"# d0030-2026\n{OTHER_SECRET}\n".encode())
        with pytest.raises(KeyringError, match=r"d0030-2026 is another key here than in identities\.txt") as caught:
            take(folder)
        assert OTHER_SECRET not in str(caught.value)


def test_recipients_alone(folder: PrivateFolder, tmp_path: Path) -> None:
    assert not recipients.alone(folder.path)
    put(folder, d0030_2026=ONE)
    assert recipients.alone(folder.path)
    assert not recipients.alone(tmp_path / "elsewhere")
