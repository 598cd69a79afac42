# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, statement
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import STATEMENT_LIMIT, Statement
from hypothesis import given
from hypothesis import strategies as st

from .envelopes import outlives, payload_of, signed
from .samples import CD, STATEMENT
from .strategies import WHAT, damaged, few, flips, nested_objects, refused_versions, statements


def write(value: Statement) -> bytes:
    return signed(statement.PAYLOAD_TYPE, statement.payload(value))


def rewrite(document: dict[str, t.Any]) -> bytes:
    return signed(statement.PAYLOAD_TYPE, canonical.dump(document))


def sample() -> dict[str, t.Any]:
    return payload_of(write(STATEMENT), statement.PAYLOAD_TYPE)


@few
@given(value=statements())
def test_a_statement_reads_back(value: Statement) -> None:
    found, envelope = statement.read(write(value), what=WHAT)
    assert found == value
    assert envelope.payload == statement.payload(value)


@few
@given(value=statements(), data=st.data())
def test_damage_is_never_believed(value: Statement, data: st.DataObject) -> None:
    good = write(value)
    assert not outlives(good, data.draw(damaged(good)), statement.read)


def test_a_flip_of_any_byte_is_never_believed() -> None:
    good = write(STATEMENT)
    assert not any(outlives(good, bad, statement.read) for bad in flips(good))


@few
@given(value=statements(), data=st.data())
def test_a_damaged_payload_is_refused_or_another_statement(value: Statement, data: st.DataObject) -> None:
    payload = data.draw(damaged(statement.payload(value)))
    try:
        assert statement.read(signed(statement.PAYLOAD_TYPE, payload), what=WHAT)[0] != value
    except FormatError as e:
        assert e.item == WHAT  # noqa: PT017


def test_it_is_an_in_toto_statement_about_the_body() -> None:
    document = sample()
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["subject"] == [{"name": STATEMENT.body_name, "digest": {"sha256": CD}}]
    assert document["predicateType"] == "urn:holdfast:recovery-point:1"


def test_a_newer_statement_is_unknown_and_new_fields_are_ignored() -> None:
    document = sample()
    for newer in refused_versions(document["predicate"]):
        with pytest.raises(UnknownVersionError):
            statement.read(rewrite({**document, "predicate": newer}), what=WHAT)
    for inner in nested_objects(document):
        if inner is not document["predicate"]["counts"]:
            inner["new"] = "1"
    assert statement.read(rewrite(document), what=WHAT)[0] == STATEMENT


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"predicateType": "urn:holdfast:recovery-point:2"},
        {"subject": []},
        {"subject": None},
        {"subject": [{"name": "a", "digest": {"sha256": CD}}] * 2},
        {"subject": [{"name": "a", "digest": {"sha512": CD}}]},
        {"predicate": []},
    ],
)
def test_another_statement_is_refused(change: dict[str, t.Any]) -> None:
    with pytest.raises(FormatError):
        statement.read(rewrite({**sample(), **change}), what=WHAT)


@pytest.mark.parametrize("counts", [None, [], {"streams": -1}, {"streams": "2"}, {"streams": True}])
def test_counts_are_numbers(counts: t.Any) -> None:
    document = sample()
    document["predicate"]["counts"] = counts
    with pytest.raises(FormatError):
        statement.read(rewrite(document), what=WHAT)


def test_a_statement_is_at_most_64_kib() -> None:
    room = (STATEMENT_LIMIT - len(statement.payload(STATEMENT))) // 67
    largest = dataclasses.replace(STATEMENT, parents=(CD,) * (1 + room))
    assert statement.read(write(largest), what=WHAT)[0] == largest
    with pytest.raises(FormatError, match="64 KiB"):
        statement.payload(dataclasses.replace(STATEMENT, parents=(CD,) * (2 + room)))
    document = payload_of(write(largest), statement.PAYLOAD_TYPE)
    document["predicate"]["parents"].append(CD)
    with pytest.raises(FormatError, match="64 KiB"):
        statement.read(rewrite(document), what=WHAT)


@pytest.mark.parametrize("alias", ["", "-v1", "v1\n", "v 1", "../v1", "vé", "a" * 65, None, 1])
def test_an_alias_is_one_word_that_people_can_read(alias: t.Any) -> None:
    document = sample()
    document["predicate"]["alias"] = alias
    with pytest.raises(FormatError, match="alias"):
        statement.read(rewrite(document), what=WHAT)


def test_a_statement_of_an_older_writer_names_neither_alias_nor_change() -> None:
    older = dataclasses.replace(STATEMENT, alias=None, change=None)
    predicate = payload_of(write(older), statement.PAYLOAD_TYPE)["predicate"]
    assert not {"alias", "change"} & set(predicate)
    assert statement.read(write(older), what=WHAT)[0] == older


def test_that_there_is_no_change_is_another_thing_than_not_to_say_it() -> None:
    none = dataclasses.replace(STATEMENT, change="")
    assert payload_of(write(none), statement.PAYLOAD_TYPE)["predicate"]["change"] == ""
    assert statement.read(write(none), what=WHAT)[0] == none


@pytest.mark.parametrize("change", [None, 1, [], {}])
def test_a_change_is_a_text(change: t.Any) -> None:
    document = sample()
    document["predicate"]["change"] = change
    with pytest.raises(FormatError, match="change"):
        statement.read(rewrite(document), what=WHAT)
