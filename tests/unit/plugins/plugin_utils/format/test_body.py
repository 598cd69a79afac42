# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body
from ansible_collections.holdfast.config.plugins.plugin_utils.format.canonical import Fields
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    Body,
    ConsistencyFinding,
    HostFailure,
    StreamEntry,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from hypothesis import given

from .samples import BODY, MANIFEST_NAME, PACK_NAME, STREAM
from .strategies import (
    WHAT,
    bodies,
    damaged,
    few,
    flips,
    nested_objects,
    never_believed,
    packed,
    refused_versions,
    stream_entries,
    unpacked,
)


def read(data: bytes) -> Body:
    return body.read(data, what=WHAT)


@few
@given(value=bodies)
def test_a_body_reads_back(value: Body) -> None:
    assert read(body.write(value)) == value


@few
@given(entry=stream_entries)
def test_a_stream_keeps_what_a_newer_writer_added(entry: StreamEntry) -> None:
    assert body.read_stream(Fields(body.write_stream(entry), WHAT)) == entry


def test_what_a_newer_writer_added_never_covers_a_known_field() -> None:
    entry = dataclasses.replace(STREAM, extra={"host": "other", "state": "live"})
    assert body.write_stream(entry) == body.write_stream(dataclasses.replace(STREAM, extra={}))


@few
@given(bad=damaged(body.write(BODY)))
def test_damage_is_refused(bad: bytes) -> None:
    assert never_believed(body.write(BODY), bad, read) is None


def test_a_flip_of_any_byte_is_never_believed() -> None:
    good = body.write(BODY)
    for bad in flips(good):
        # a few bits of a zstd header mean nothing
        assert never_believed(good, bad, read) in (None, BODY)


@few
@given(document=damaged(zstd.decompress(body.write(BODY), limit=2**30)))
def test_a_damaged_document_is_refused_or_another_body(document: bytes) -> None:
    try:
        assert read(zstd.compress(document)) != BODY
    except FormatError as e:
        assert e.item  # noqa: PT017


def test_a_flip_anywhere_in_the_document_is_refused_or_another_body() -> None:
    for bad in flips(zstd.decompress(body.write(BODY), limit=2**30), step=3):
        try:
            assert read(zstd.compress(bad)) != BODY
        except FormatError as e:
            assert e.item  # noqa: PT017


def test_a_newer_body_is_unknown_and_new_fields_are_ignored() -> None:
    for newer in refused_versions(unpacked(body.write(BODY))):
        with pytest.raises(UnknownVersionError):
            read(packed(newer))
    document = unpacked(body.write(BODY))
    free = [document["change"], document["change"]["window"], document["actor"]]
    free += [document["streams"][0]["newer"], document["streams"][0]]
    for inner in nested_objects(document):
        if not any(inner is each for each in free):
            inner["new"] = 1
    assert read(packed(document)) == BODY


@pytest.mark.parametrize("which", ["pack", "manifest"])
@pytest.mark.parametrize(
    "name",
    ["", "x", "pack", "../../etc/passwd", f"{PACK_NAME}x", PACK_NAME.replace("web1", ".."), None, 1, "swapped"],
)
def test_a_reference_is_the_name_of_such_an_object(which: str, name: t.Any) -> None:
    other = {"pack": MANIFEST_NAME, "manifest": PACK_NAME}[which]
    document = unpacked(body.write(BODY))
    document["streams"][0][which]["name"] = other if name == "swapped" else name
    with pytest.raises(FormatError):
        read(packed(document))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "deleted"),
        ("state", None),
        ("captured_at", "2026-11-21"),
        ("captured_at", "2026-11-21T01:16:23+00:00"),
        ("verified_at", "2026-11-21T01:16:23.5Z"),
        ("fingerprints", [{}]),
        ("fingerprints", None),
        ("marks", [1]),
        ("pack", None),
        ("manifest", "x"),
        ("host", None),
    ],
)
def test_a_stream_spelled_otherwise_is_refused(field: str, value: t.Any) -> None:
    document = unpacked(body.write(BODY))
    document["streams"][0][field] = value
    with pytest.raises(FormatError):
        read(packed(document))


def test_texts_for_people_are_always_unicode() -> None:
    odd = dataclasses.replace(
        BODY,
        failed=(HostFailure("web2", "cannot read /\udcff"),),
        consistency=(ConsistencyFinding("marks", "/\udcff"),),
        streams=(dataclasses.replace(STREAM, marks=("/\udcff",)),),
    )
    found = read(body.write(odd))
    assert found.failed == (HostFailure("web2", "cannot read /\\udcff"),)
    assert found.consistency == (ConsistencyFinding("marks", "/\\udcff"),)
    assert found.streams[0].marks == ("/\\udcff",)


@pytest.mark.parametrize("change", [{"a": 1.5}, {"ä": 1}, {"a": {1: 2}}, {"a": b""}, {"a": "\udcff"}])
def test_a_body_that_could_not_be_read_back_is_not_written(change: dict[str, t.Any]) -> None:
    with pytest.raises(FormatError):
        body.write(dataclasses.replace(BODY, change=change))


@pytest.mark.parametrize("alias", ["", "-v1", "v1\n", "v 1", "../v1", "vé", "a" * 65, None, 1])
def test_an_alias_is_one_word_that_people_can_read(alias: t.Any) -> None:
    with pytest.raises(FormatError, match="alias"):
        read(packed({**unpacked(body.write(BODY)), "alias": alias}))


def test_a_body_without_an_alias_or_an_actor_says_nothing_of_them() -> None:
    none = dataclasses.replace(BODY, alias=None, actor={})
    document = unpacked(body.write(none))
    assert {"alias", "actor"}.isdisjoint(document)
    assert read(packed(document)) == none


@pytest.mark.parametrize(
    ("change", "told"), [({"id": "CHG1"}, "CHG1"), ({}, ""), ({"id": ""}, ""), ({"id": 7}, ""), ({"id": ["CHG1"]}, "")]
)
def test_the_id_of_a_change_is_a_text(change: dict[str, t.Any], told: str) -> None:
    assert dataclasses.replace(BODY, change=change).change_id == told
