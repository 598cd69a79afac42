# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON Schemas of docs/design/schema say what the writers write and the readers take."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Callable, Iterator

import jsonschema
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import (
    body,
    canonical,
    dsse,
    manifest,
    pack,
    record,
    root,
    statement,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, Statement
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Root
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import tar
from hypothesis import given

from .archives import Member
from .envelopes import payload_of, signed
from .samples import AT, BODY, PART, RECORD, ROOT, STATEMENT, write_manifest
from .schemas import SCHEMAS, VALIDATORS
from .strategies import (
    WHAT,
    bodies,
    few,
    manifests,
    nested_objects,
    packed,
    parts,
    records,
    roots,
    statements,
    unpacked,
)


def files_of(archive: bytes) -> dict[str, t.Any]:
    members = tar.read(archive, max_members=1000, max_bytes=10**7)
    return canonical.load(next(each.content for each in members if each.path == pack.FILES), what=WHAT)


def write_pack(contents: tuple[ComponentContent, ...]) -> bytes:
    return b"".join(pack.write(host="web1", stream="tier1", captured_at=AT, parts=contents)[0])


def read_files(document: dict[str, t.Any]) -> None:
    """Read a pack that differs from the sample in its list alone."""
    members = []
    for each in tar.read(write_pack((PART,)), max_members=1000, max_bytes=10**7):
        content = canonical.dump(document) if each.path == pack.FILES else each.content
        members.append((Member(each.path, each.kind, each.target, len(content)), content))
    pack.read(tar.write(members), max_members=1000, max_bytes=10**7, what=WHAT)


def read_envelope(document: dict[str, t.Any]) -> None:
    dsse.read(canonical.dump(document), record.PAYLOAD_TYPE, what=WHAT)


def read_payload(form: t.Any) -> Callable[[dict[str, t.Any]], None]:
    return lambda document: form.read(signed(form.PAYLOAD_TYPE, canonical.dump(document)), what=WHAT)


# of each form: a document that has every field, and a reader
FORMS: dict[str, tuple[dict[str, t.Any], Callable[[dict[str, t.Any]], t.Any]]] = {
    "envelope": (canonical.load(signed(record.PAYLOAD_TYPE, record.payload(RECORD)), what=WHAT), read_envelope),
    "root": (canonical.load(root.payload(ROOT), what=WHAT), read_payload(root)),
    "files": (files_of(write_pack((PART,))), read_files),
    "manifest": (unpacked(write_manifest()), lambda document: manifest.read(packed(document), what=WHAT)),
    "body": (unpacked(body.write(BODY)), lambda document: body.read(packed(document), what=WHAT)),
    "statement": (canonical.load(statement.payload(STATEMENT), what=WHAT), read_payload(statement)),
    "record": (canonical.load(record.payload(RECORD), what=WHAT), read_payload(record)),
}


# fields that stand only where there is something to say
OPTIONAL = {"root": {"records", "request"}, "body": {"retired", "alias", "actor"}, "record": {"request"}}


def valid(name: str, document: t.Any) -> bool:
    return bool(VALIDATORS[name].is_valid(document))


def taken(name: str, document: dict[str, t.Any]) -> bool:
    try:
        FORMS[name][1](document)
    except FormatError:
        return False
    return True


def places(value: t.Any, *at: t.Any) -> Iterator[tuple[tuple[t.Any, ...], t.Any]]:
    """Each value of a document, and the keys and positions that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key), below
        yield from places(below, *at, key)


def changed(document: dict[str, t.Any], place: tuple[t.Any, ...], change: Callable[[t.Any, t.Any], None]) -> t.Any:
    """A copy of the document in which *change* was made to the object or list that holds *place*."""
    found = copy.deepcopy(document)
    holder: t.Any = found
    for key in place[:-1]:
        holder = holder[key]
    change(holder, place[-1])
    return found


def described(schema: t.Any, *at: str) -> Iterator[tuple[str, t.Any]]:
    """Every field that a schema knows, with what it says of it."""
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield "/".join((*at, name)), field
        for key, inner in schema.items():
            yield from described(inner, *at, key)
    elif isinstance(schema, list):
        for inner in schema:
            yield from described(inner, *at)


def test_there_is_a_schema_of_every_form() -> None:
    assert set(SCHEMAS) == {*FORMS, "common"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_says_what_every_field_is(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:holdfast:format:1:{name}"
    assert schema["title"]
    assert schema["description"]
    for place, field in described(schema):
        # a condition repeats a field of the schema around it
        assert field.get("description") or place.split("/")[-2] == "if", place
    for definition in schema.get("$defs", {}).values():
        assert definition["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_unknown_fields_are_allowed_in_all_that_is_signed(name: str) -> None:
    found = [each for each in nested_objects(SCHEMAS[name]) if "properties" in each and "type" in each]
    assert found or name == "common"
    # nobody signs an envelope's own fields
    assert all(each["additionalProperties"] is (name != "envelope") for each in found)


@pytest.mark.parametrize("name", FORMS)
def test_the_sample_has_every_field_and_is_valid(name: str) -> None:
    document = FORMS[name][0]
    VALIDATORS[name].validate(document)
    assert taken(name, document)
    assert set(SCHEMAS[name]["properties"]) == set(document)
    assert set(SCHEMAS[name]["required"]) == set(document) - OPTIONAL.get(name, set())


@pytest.mark.parametrize("name", FORMS)
def test_schema_and_reader_want_the_same_fields(name: str) -> None:
    document = FORMS[name][0]
    refused = 0
    for place, _value in places(document):
        if not isinstance(place[-1], str):
            continue
        without = changed(document, place, lambda holder, key: holder.pop(key))
        assert valid(name, without) == taken(name, without), place
        refused += not valid(name, without)
        if len(place) == 1:
            assert valid(name, without) == (place[0] in OPTIONAL.get(name, set()))
    assert refused >= len(document)


@pytest.mark.parametrize("other", [None, False, -1, "", "\u00e4", [], {}], ids=repr)
@pytest.mark.parametrize("name", FORMS)
def test_schema_and_reader_take_the_same_types(name: str, other: t.Any) -> None:
    document = FORMS[name][0]
    for place, value in places(document):
        exchanged = changed(document, place, lambda holder, key: holder.__setitem__(key, other))
        # a list of files must also agree with its archive
        if valid(name, exchanged) and name != "files":
            assert taken(name, exchanged), place
        if taken(name, exchanged) and type(other) is not type(value):
            assert valid(name, exchanged), place


@pytest.mark.parametrize("name", [name for name in FORMS if name != "envelope"])
def test_unknown_fields_are_valid(name: str) -> None:
    document = copy.deepcopy(FORMS[name][0])
    numbers = document["predicate"]["counts"] if name == "statement" else None
    for inner in nested_objects(document):
        if inner is not numbers:
            inner["new"] = {"a": [1]}
    VALIDATORS[name].validate(document)


@pytest.mark.parametrize("name", [name for name in FORMS if name != "envelope"])
def test_another_version_or_kind_is_not_valid(name: str) -> None:
    for change in ({"format": 2}, {"kind": "other"}, {"critical": "x"}):
        document = copy.deepcopy(FORMS[name][0])
        (document["predicate"] if name == "statement" else document).update(change)
        assert not valid(name, document)


@few
@given(value=roots)
def test_every_root_is_valid(value: Root) -> None:
    data = signed(root.PAYLOAD_TYPE, root.payload(value))
    VALIDATORS["root"].validate(payload_of(data, root.PAYLOAD_TYPE))
    VALIDATORS["envelope"].validate(canonical.load(data, what=WHAT))


@few
@given(contents=parts)
def test_every_list_of_files_is_valid(contents: tuple[ComponentContent, ...]) -> None:
    VALIDATORS["files"].validate(files_of(write_pack(contents)))


@few
@given(wanted=manifests())
def test_every_manifest_is_valid(wanted: tuple[manifest.Origin, dict[str, t.Any]]) -> None:
    VALIDATORS["manifest"].validate(unpacked(manifest.write(wanted[0], **wanted[1])))


@few
@given(value=bodies)
def test_every_body_is_valid(value: Body) -> None:
    VALIDATORS["body"].validate(unpacked(body.write(value)))


@few
@given(value=statements())
def test_every_statement_is_valid(value: Statement) -> None:
    data = signed(statement.PAYLOAD_TYPE, statement.payload(value))
    VALIDATORS["statement"].validate(payload_of(data, statement.PAYLOAD_TYPE))
    VALIDATORS["envelope"].validate(canonical.load(data, what=WHAT))


@few
@given(value=records)
def test_every_record_is_valid(value: Record) -> None:
    data = signed(record.PAYLOAD_TYPE, record.payload(value))
    VALIDATORS["record"].validate(payload_of(data, record.PAYLOAD_TYPE))
    VALIDATORS["envelope"].validate(canonical.load(data, what=WHAT))


def test_an_envelope_without_signature_is_not_valid() -> None:
    unsigned = dsse.write(dsse.Envelope(record.PAYLOAD_TYPE, record.payload(RECORD), ()))
    assert not valid("envelope", canonical.load(unsigned, what=WHAT))
