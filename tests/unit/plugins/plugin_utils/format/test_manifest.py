# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, entries, manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.format.canonical import Fields
from ansible_collections.holdfast.config.plugins.plugin_utils.format.manifest import Origin
from ansible_collections.holdfast.config.plugins.plugin_utils.model.ownership import OWNERSHIP
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from hypothesis import given

from .samples import AB, DESCRIPTION, FINGERPRINT, PART, SSH, WRAPPED, write_manifest
from .schemas import VALIDATORS
from .strategies import (
    WHAT,
    damaged,
    few,
    flips,
    manifests,
    nested_objects,
    never_believed,
    packed,
    refused_versions,
    unpacked,
)
from .strategies import keyed as keyed_digest

Given = tuple[Origin, dict[str, t.Any]]


def read(data: bytes) -> t.Any:
    return manifest.read(data, what=WHAT)


def write(wanted: Given) -> bytes:
    return manifest.write(wanted[0], **wanted[1])


@few
@given(wanted=manifests())
def test_a_manifest_reads_back(wanted: Given) -> None:
    origin, more = wanted
    found = read(write(wanted))
    for field in dataclasses.fields(Origin):
        assert getattr(found, field.name) == getattr(origin, field.name)
    assert (found.pack, found.key, found.escrow) == (more["pack"], more["key"], more["escrow"])
    assert (found.imported, found.restore_open) == (None, False)
    assert len(found.components) == len(more["parts"])
    for captured, (content, fingerprint) in zip(found.components, more["parts"], strict=True):
        assert captured.component == content.component
        assert captured.fingerprint == fingerprint
        assert captured.size == content.fingerprint.size
        assert (captured.left_out, captured.left_out_bytes) == (content.left_out, content.fingerprint.left_out_bytes)
        assert captured.marks == content.marks
        assert captured.secrets == content.secrets
        assert captured.entries == tuple(
            entries.read_keyed(Fields(entries.write_keyed(entry, keyed_digest), WHAT)) for entry in content.entries
        )


@few
@given(bad=damaged(write_manifest()))
def test_damage_is_refused(bad: bytes) -> None:
    assert never_believed(write_manifest(), bad, read) is None


def test_a_flip_of_any_byte_is_never_believed() -> None:
    good = write_manifest()
    for bad in flips(good):
        # a few bits of a zstd header mean nothing
        assert never_believed(good, bad, read) in (None, read(good))


@few
@given(document=damaged(zstd.decompress(write_manifest(), limit=2**30)))
def test_a_damaged_document_is_refused_or_another_manifest(document: bytes) -> None:
    try:
        assert read(zstd.compress(document)) != read(write_manifest())
    except FormatError as e:
        assert e.item == WHAT  # noqa: PT017


def test_a_flip_anywhere_in_the_document_is_refused_or_another_manifest() -> None:
    good = write_manifest()
    for bad in flips(zstd.decompress(good, limit=2**30), step=3):
        try:
            assert read(zstd.compress(bad)) != read(good)
        except FormatError as e:
            assert e.item == WHAT  # noqa: PT017


def test_a_newer_manifest_is_unknown_and_new_fields_are_ignored() -> None:
    for newer in refused_versions(unpacked(write_manifest())):
        with pytest.raises(UnknownVersionError):
            read(packed(newer))
    document = unpacked(write_manifest())
    for inner in nested_objects(document):
        inner["new"] = 1
    assert read(packed(document)) == read(write_manifest())


def test_reserved_fields_are_read() -> None:
    document = {**unpacked(write_manifest()), "imported": {"from": "rancid"}, "restore_open": True}
    assert (read(packed(document)).imported, read(packed(document)).restore_open) == ({"from": "rancid"}, True)
    del document["imported"]
    with pytest.raises(FormatError, match="imported is missing"):
        read(packed(document))


def test_it_holds_no_content_and_no_digest_that_can_be_guessed() -> None:
    text = canonical.dump(unpacked(write_manifest())).decode()
    for entry in PART.entries:
        assert not entry.sha256 or entry.sha256 not in text
    assert "Port 22" not in text


def test_texts_for_people_are_always_unicode() -> None:
    marked = dataclasses.replace(PART, marks=("changed while read: /\udcff",))
    assert read(write_manifest(marked)).components[0].marks == ("changed while read: /\\udcff",)


def test_the_definition_is_of_everything_that_is_declared() -> None:
    changes = {
        "name": "sshd",
        "paths": ("/etc",),
        "tier": "tier2",
        "owner": "x",
        "data_class": "x",
        "excludes": (),
        "unreadable": "leave_out",
        "kind": "x",
        "volatile": ("x",),
        "source": {"x": "y"},
    }
    # how it is handled is judged when it is compared or restored, and what people say of it stands in the inventory
    left = {"handling", "max_bytes", "means", *OWNERSHIP}
    assert set(changes) | left == {field.name for field in dataclasses.fields(SSH)}
    found = {manifest.definition(dataclasses.replace(SSH, **{name: value})) for name, value in changes.items()}
    assert len(found | {manifest.definition(SSH)}) == len(changes) + 1


def test_the_parts_stand_where_the_format_says() -> None:
    document = unpacked(write_manifest())
    assert document["pack"] == {"name": DESCRIPTION.name, "size": 10, "tar_size": 20, "members": 8}
    assert document["key"] == {
        "class": "d0030",
        "year": 2026,
        "series": "",
        "scheme": "age-x25519",
        "recipient": WRAPPED.recipient,
        "wrapped": canonical.b64(WRAPPED.wrapped),
    }
    assert document["components"][0]["fingerprint"] == {
        "component": "ssh",
        "definition": FINGERPRINT.definition,
        "digest_key": "1",
        "raw": AB,
        "normalised": None,
        "normaliser": None,
    }


def with_wrapped(size: int) -> dict[str, t.Any]:
    document = unpacked(write_manifest())
    return {**document, "key": {**document["key"], "wrapped": canonical.b64(bytes(size))}}


def test_a_wrapped_secret_of_any_key_is_read() -> None:
    document = with_wrapped(manifest.WRAPPED_LIMIT)
    assert read(packed(document)).key.wrapped == bytes(manifest.WRAPPED_LIMIT)
    assert VALIDATORS["manifest"].is_valid(document)


def test_a_wrapped_secret_that_is_none_by_its_size_is_refused() -> None:
    """Of megabytes it would be sent to a server, with those of other packs."""
    with pytest.raises(FormatError, match="more than 4096 bytes"):
        read(packed(with_wrapped(manifest.WRAPPED_LIMIT + 1)))
    assert not VALIDATORS["manifest"].is_valid(with_wrapped(manifest.WRAPPED_LIMIT + 3))
