# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    HostileArchiveError,
    IntegrityError,
    UnknownVersionError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, pack
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age, tar, zstd
from hypothesis import given
from hypothesis import strategies as st

from .archives import Archive, Member
from .samples import AT, PART
from .strategies import WHAT, damaged, few, flips, nested_objects, never_believed, parts, refused_versions

Contents = tuple[ComponentContent, ...]


def write(contents: Contents = (PART,)) -> bytes:
    return b"".join(pack.write(host="web1", stream="tier1", captured_at=AT, parts=contents)[0])


def read(data: bytes, *, max_members: int = 100, max_bytes: int = 10**6) -> pack.Pack:
    return pack.read(data, max_members=max_members, max_bytes=max_bytes, what=WHAT)


def bytes_of(found: pack.Pack) -> list[tuple[str, Mapping[str, bytes]]]:
    """What a restore would write: attributes are told by the list alone, of which no archive is a proof."""
    return [(part.name, part.contents) for part in found.components]


@pytest.fixture
def archive() -> Archive:
    found = tar.read(write(), max_members=100, max_bytes=10**6)
    taken = Archive({}, [])
    for each in found:
        if each.path == pack.FILES:
            taken.files = canonical.load(each.content, what=WHAT)
        else:
            taken.add(each.path, each.content, kind=each.kind, target=each.target)
    return taken


@few
@given(contents=parts)
def test_a_pack_reads_back(contents: Contents) -> None:
    pieces, members = pack.write(host="web1", stream="tier1", captured_at=AT, parts=contents)
    data = b"".join(pieces)
    found = pack.read(data, max_members=members, max_bytes=len(data), what=WHAT)
    assert (found.host, found.stream, found.captured_at) == ("web1", "tier1", AT)
    assert [part.name for part in found.components] == [part.component.name for part in contents]
    for part, content in zip(found.components, contents, strict=True):
        assert part.entries == content.entries
        assert part.contents == content.contents


def test_it_is_taken_apart_and_put_together_unchanged(archive: Archive) -> None:
    assert read(archive.data()) == read(write())


@few
@given(bad=damaged(write()))
def test_a_damaged_archive_is_refused_or_holds_the_same_bytes(bad: bytes) -> None:
    found = never_believed(write(), bad, read)
    assert found is None or bytes_of(found) == bytes_of(read(write()))


def test_a_flip_anywhere_in_the_archive_is_refused_or_leaves_the_bytes() -> None:
    good = write((dataclasses.replace(PART, entries=(PART.entries[1], PART.entries[4])),))
    for bad in flips(good, step=17):
        found = never_believed(good, bad, read)
        assert found is None or bytes_of(found) == bytes_of(read(good))


def test_a_flip_of_any_byte_of_a_sealed_pack_is_refused() -> None:
    secret, recipient = age.generate()
    sealed = age.encrypt(zstd.compress(write()), [recipient])
    for bad in flips(sealed):
        with pytest.raises((FormatError, WrongKeyError)):
            zstd.decompress(age.decrypt(bad, [secret]), limit=10**6)
    assert read(zstd.decompress(age.decrypt(sealed, [secret]), limit=10**6)) == read(write())


@few
@given(data=st.data())
def test_a_damaged_list_is_refused_or_of_the_same_bytes(data: st.DataObject) -> None:
    good = tar.read(write(), max_members=100, max_bytes=10**6)
    listed = next(each.content for each in good if each.path == pack.FILES)
    bad = data.draw(damaged(listed))
    members = [
        (Member(each.path, each.kind, each.target, len(content)), content)
        for each in good
        for content in [bad if each.path == pack.FILES else each.content]
    ]
    try:
        found = read(tar.write(members))
    except FormatError:
        return
    assert found != read(write())
    assert [contents for _name, contents in bytes_of(found)] == [PART.contents]


def test_a_newer_pack_is_unknown_and_new_fields_are_ignored(archive: Archive) -> None:
    known = archive.files
    for newer in refused_versions(known):
        archive.files = newer
        with pytest.raises(UnknownVersionError):
            read(archive.data())
    for inner in nested_objects(known):
        inner["new"] = 1
    archive.files = known
    assert read(archive.data()) == read(write())


def test_a_member_that_is_not_listed_is_refused(archive: Archive) -> None:
    archive.add("ssh/rootfs/etc/ssh/more")
    with pytest.raises(HostileArchiveError, match="does not list"):
        read(archive.data())


def test_a_member_of_no_component_is_refused(archive: Archive) -> None:
    archive.add("more")
    with pytest.raises(HostileArchiveError, match="does not list"):
        read(archive.data())


@pytest.mark.parametrize("path", ["ssh/rootfs/etc/ssh/same", "ssh/rootfs/etc/ssh/link", "ssh/rootfs/etc/ssh/\udcff\n"])
def test_a_listed_member_that_is_absent_is_refused(archive: Archive, path: str) -> None:
    archive.remove(path)
    with pytest.raises(IntegrityError, match="does not hold a member as"):
        read(archive.data())


@pytest.mark.parametrize("name", [pack.SUMS, pack.GUIDE])
def test_a_pack_without_its_own_files_is_refused(archive: Archive, name: str) -> None:
    archive.remove(name)
    with pytest.raises(IntegrityError, match=name):
        read(archive.data())
    archive.add(name, kind="symlink", target="/etc/passwd")
    with pytest.raises(IntegrityError, match=name):
        read(archive.data())


def test_a_pack_without_its_list_is_refused(archive: Archive) -> None:
    with pytest.raises(IntegrityError, match=pack.FILES):
        read(tar.write(archive.members))
    with pytest.raises(IntegrityError, match=pack.FILES):
        read(tar.write([*archive.members, (Member(pack.FILES, "dir"), b"")]))


@pytest.mark.parametrize("change", [{"size": 7}, {"size": 9}, {"sha256": "ab" * 32}])
def test_a_file_of_another_size_or_digest_is_refused(archive: Archive, change: dict[str, t.Any]) -> None:
    archive.entries[1].update(change)
    with pytest.raises(IntegrityError, match="digest is not the listed one"):
        read(archive.data())


def test_content_that_was_exchanged_is_refused(archive: Archive) -> None:
    archive.remove("ssh/rootfs/etc/ssh/same")
    archive.remove("ssh/rootfs/etc/ssh/config")
    archive.entries.pop()
    archive.add("ssh/rootfs/etc/ssh/config", b"Port 23\n")
    with pytest.raises(IntegrityError, match="digest is not the listed one"):
        read(archive.data())


@pytest.mark.parametrize(
    ("position", "change"),
    [
        (0, {"kind": "symlink", "target": "x"}),
        (1, {"kind": "dir"}),
        (3, {"kind": "dir"}),
        (3, {"target": "/etc/shadow"}),
        (4, {"kind": "symlink"}),
        (4, {"target": "/etc/ssh/\n"}),
        (4, {"target": "/../RESTORE.md"}),
        (4, {"target": "/etc/ssh/link"}),
    ],
)
def test_a_member_of_another_kind_or_target_is_refused(
    archive: Archive, position: int, change: dict[str, t.Any]
) -> None:
    archive.entries[position].pop("target_base64", None)
    archive.entries[position].update(change)
    with pytest.raises(IntegrityError, match="does not hold a member as"):
        read(archive.data())


def test_a_hard_link_to_a_file_of_no_component_is_refused(archive: Archive) -> None:
    archive.add("loose")
    archive.remove("ssh/rootfs/etc/ssh/same")
    archive.add("ssh/rootfs/etc/ssh/same", kind="hardlink", target="loose")
    with pytest.raises(IntegrityError, match="does not hold a member as"):
        read(archive.data())


def test_a_hard_link_to_an_unlisted_file_of_its_component_is_refused(archive: Archive) -> None:
    archive.remove("ssh/rootfs/etc/ssh/same")
    archive.add("ssh/rootfs/etc/ssh/hidden")
    archive.add("ssh/rootfs/etc/ssh/same", kind="hardlink", target="ssh/rootfs/etc/ssh/hidden")
    archive.entries[4]["target"] = "/etc/ssh/hidden"
    with pytest.raises(HostileArchiveError, match="does not list"):
        read(archive.data())


def test_a_member_listed_twice_is_refused(archive: Archive) -> None:
    archive.entries.append(archive.entries[1])
    with pytest.raises(HostileArchiveError, match="twice"):
        read(archive.data())


def test_a_component_listed_twice_is_refused(archive: Archive) -> None:
    archive.files["components"] *= 2
    with pytest.raises(HostileArchiveError, match="twice"):
        read(archive.data())


@pytest.mark.parametrize("path", ["", "x", "../x", "/../x", "/./x", "//x", "/x/", "/x\0"])
@pytest.mark.parametrize("kind", ["file", "dir"])
def test_a_listed_path_that_no_host_has_is_refused(archive: Archive, path: str, kind: str) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    archive.entries.append({**archive.entries[0], "path": path, "kind": kind, "size": 0, "sha256": empty})
    with pytest.raises(FormatError):
        read(archive.data())
    with pytest.raises(FormatError):
        archive.add(f"ssh/rootfs{path}", kind=kind)
        read(archive.data())


@pytest.mark.parametrize("name", ["", "..", "../..", "/ssh", "ssh/../ssh"])
def test_a_component_whose_name_leads_elsewhere_is_refused(archive: Archive, name: str) -> None:
    archive.files["components"][0]["name"] = name
    with pytest.raises(FormatError):
        read(archive.data())


def test_more_than_the_manifest_says_is_refused() -> None:
    pieces, members = pack.write(host="web1", stream="tier1", captured_at=AT, parts=(PART,))
    data = b"".join(pieces)
    with pytest.raises(HostileArchiveError, match="members"):
        read(data, max_members=members - 1)
    with pytest.raises(HostileArchiveError, match="bytes"):
        read(data, max_bytes=100)
    assert read(data, max_members=members) == read(data)


def test_a_member_that_no_walk_would_give_is_not_packed() -> None:
    outside = dataclasses.replace(PART.entries[0], path="/../x")
    with pytest.raises(HostileArchiveError):
        write((dataclasses.replace(PART, entries=(outside,)),))


def test_the_own_files_come_first_and_are_closed_to_others() -> None:
    found = tar.read(write(), max_members=100, max_bytes=10**6)
    assert [each.path for each in found[:3]] == ["RESTORE.md", "SHA256SUMS", ".holdfast/files.json"]
    assert [each.path for each in found[3:]] == [f"ssh/rootfs{entry.path}" for entry in PART.entries]


def test_the_guide_names_the_tools_and_the_snapshot() -> None:
    guide = next(each for each in tar.read(write(), max_members=100, max_bytes=10**6) if each.path == pack.GUIDE)
    text = guide.content.decode()
    for word in ("age -d", "zstd -d", "tar -x", "sha256sum -c", "tier1", "web1", "2026-11-21T01:16:23Z"):
        assert word in text


def test_sha256sum_itself_checks_every_file(tmp_path: Path) -> None:
    names = ["plain", "two words", "new\nline", "back\\slash", "\udcff\udcfe", " lead", "*star", "-dash", "tab\t", "ü"]
    contents = {f"/etc/{name}": name.encode("utf-8", "surrogateescape") for name in names}
    entries = tuple(
        dataclasses.replace(
            PART.entries[1], path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), xattrs={}
        )
        for path, data in contents.items()
    )
    part = dataclasses.replace(PART, entries=entries, contents=contents)
    for each in tar.read(write((part,)), max_members=100, max_bytes=10**6):
        (tmp_path / each.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each.path).write_bytes(each.content)
    run = subprocess.run(["sha256sum", "-c", "--strict", pack.SUMS], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    # every file but the list of sums itself
    assert run.stdout.count(b": OK\n") == len(names) + 2
