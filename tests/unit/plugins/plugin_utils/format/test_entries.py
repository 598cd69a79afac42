# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, entries
from ansible_collections.holdfast.config.plugins.plugin_utils.format.canonical import Fields
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from hypothesis import given
from hypothesis import strategies as st

from .strategies import WHAT, few, keyed, raw_names
from .strategies import entries as any_entries

FILE = Entry("/etc/a", EntryKind.FILE, 0o644, 0, 5, "root", "tty", 1_700_000_000_123_456_789, 3, "ab" * 32)


def reread(document: dict[str, t.Any]) -> Fields:
    """The document as it comes out of canonical bytes."""
    return Fields(canonical.load(canonical.dump(document), what=WHAT), WHAT)


@few
@given(entry=any_entries)
def test_a_plain_entry_reads_back(entry: Entry) -> None:
    assert entries.read_plain(reread(entries.write_plain(entry))) == entry


@few
@given(entry=any_entries)
def test_a_keyed_entry_reads_back_without_what_is_secret(entry: Entry) -> None:
    found = entries.read_keyed(reread(entries.write_keyed(entry, keyed)))
    for name in ("path", "kind", "mode", "uid", "gid", "user", "group", "mtime_ns", "size"):
        assert getattr(found.entry, name) == getattr(entry, name)
    assert (found.entry.sha256, found.entry.target, found.entry.xattrs) == ("", "", {})
    assert found.xattr_digests == {name: keyed(value) for name, value in entry.xattrs.items()}
    content = entries.digest_input(entry)
    assert found.digest == ("" if content is None else keyed(content))


def test_an_entry_is_spelled_as_the_format_says() -> None:
    assert entries.write_plain(FILE) == {
        "path": "/etc/a",
        "kind": "file",
        "mode": "0644",
        "uid": 0,
        "gid": 5,
        "user": "root",
        "group": "tty",
        "mtime": "1700000000.123456789",
        "size": 3,
        "sha256": "ab" * 32,
    }
    link = Entry("/\udcff", EntryKind.SYMLINK, 0o777, 0, 0, "", "", 0, target="\udcfe", xattrs={"b": b"2", "a": b"1"})
    assert entries.write_plain(link) == {
        "path_base64": "L/8=",
        "kind": "symlink",
        "mode": "0777",
        "uid": 0,
        "gid": 0,
        "user": "",
        "group": "",
        "mtime": "0.000000000",
        "target_base64": "/g==",
        "xattrs": [{"name": "a", "value": "MQ=="}, {"name": "b", "value": "Mg=="}],
    }


def test_a_manifest_holds_no_digest_that_can_be_guessed() -> None:
    link = Entry("/l", EntryKind.SYMLINK, 0o777, 0, 0, "", "", 0, target="secret", xattrs={"a": b"secret"})
    for entry in (FILE, link):
        document = entries.write_keyed(entry, keyed)
        assert not {"sha256", "target"} & set(document)
        assert "secret" not in str(document)
        assert FILE.sha256 not in str(document)


@pytest.mark.parametrize(
    ("mtime_ns", "text"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (-1_500_000_000, "-1.500000000"),
        (2**62, "4611686018.427387904"),
    ],
)
def test_a_time_is_a_decimal_number(mtime_ns: int, text: str) -> None:
    entry = Entry("/a", EntryKind.DIRECTORY, 0o755, 0, 0, "", "", mtime_ns)
    assert entries.write_plain(entry)["mtime"] == text
    assert entries.read_plain(reread(entries.write_plain(entry))).mtime_ns == mtime_ns


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", None),
        ("path", "etc/a"),
        ("path", ""),
        ("path", 1),
        ("kind", "fifo"),
        ("kind", None),
        ("mode", "644"),
        ("mode", "0o644"),
        ("mode", "00644"),
        ("mode", "0648"),
        ("mode", "+644"),
        ("mode", 420),
        ("uid", -1),
        ("uid", "0"),
        ("gid", True),
        ("user", None),
        ("group", []),
        ("mtime", "1"),
        ("mtime", "1.0"),
        ("mtime", ".000000000"),
        ("mtime", "01.000000000"),
        ("mtime", "+1.000000000"),
        ("mtime", "--1.000000000"),
        ("mtime", "1_0.000000000"),
        ("mtime", "1.00000000\u0660"),
        ("mtime", "1.-00000001"),
        ("mtime", "1.0000000001"),
        ("mtime", "1" * 20 + ".000000000"),
        ("mtime", "1.000000000\n"),
        ("mtime", 1),
        ("size", -1),
        ("size", None),
        ("sha256", "AB" * 32),
        ("sha256", "ab"),
        ("xattrs", {}),
        ("xattrs", ["a"]),
        ("xattrs", [{"name": "a"}]),
        ("xattrs", [{"name": "a", "value": "!"}]),
        ("path_base64", "L2E="),
        ("path_base64", "L/8="),
        ("user_base64", "YQ=="),
    ],
)
def test_an_entry_spelled_otherwise_is_refused(field: str, value: t.Any) -> None:
    with pytest.raises(FormatError):
        entries.read_plain(reread({**entries.write_plain(FILE), field: value}))


@pytest.mark.parametrize("field", entries.write_plain(FILE))
def test_no_field_may_be_missing(field: str) -> None:
    document = entries.write_plain(FILE)
    del document[field]
    with pytest.raises(FormatError, match=f"{field} is missing"):
        entries.read_plain(reread(document))


def test_a_name_that_is_utf8_is_not_spelled_as_bytes() -> None:
    with pytest.raises(FormatError, match="path_base64 stands where a text does"):
        entries.unspell(Fields({"path_base64": "L2E="}, WHAT), "path")


@few
@given(name=raw_names)
def test_a_name_is_text_exactly_where_it_is_utf8(name: str) -> None:
    document = entries.spell("path", name)
    try:
        assert document == {"path": os.fsencode(name).decode()}
    except UnicodeDecodeError:
        assert set(document) == {"path_base64"}
    assert entries.unspell(reread(document), "path") == name


@few
@given(entry=any_entries, extra=st.dictionaries(st.from_regex(r"x_[a-z]{0,4}", fullmatch=True), st.integers(0, 9)))
def test_unknown_fields_are_ignored(entry: Entry, extra: dict[str, int]) -> None:
    assert entries.read_plain(reread({**extra, **entries.write_plain(entry)})) == entry
