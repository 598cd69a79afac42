# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    IntegrityError,
    UnknownVersionError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical
from hypothesis import given
from hypothesis import strategies as st

from .strategies import WHAT, damaged, few, json_objects, words


@few
@given(document=json_objects)
def test_what_was_dumped_loads(document: dict[str, t.Any]) -> None:
    data = canonical.dump(document)
    assert canonical.load(data, what=WHAT) == document
    assert canonical.dump(canonical.load(data, what=WHAT)) == data


def test_the_spelling_is_that_of_rfc_8785() -> None:
    document = {"b": ['\u20ac$\u000f\n"\\/\u2028', None, True, -7], "a": {"z": 0, "B": ""}}
    assert canonical.dump(document) == (
        '{"a":{"B":"","z":0},"b":["\u20ac$\\u000f\\n\\"\\\\/\u2028",null,true,-7]}'.encode()
    )


@pytest.mark.parametrize("leaf", ["x", None, 7, True, []])
def test_any_value_is_32_levels_deep_at_most(leaf: object) -> None:
    deep: object = leaf
    for _level in range(32):
        deep = [deep]
    assert canonical.dump(deep)
    with pytest.raises(FormatError, match="nested too deeply"):
        canonical.dump([deep])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"a"',
        b"7",
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":1.5}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":-0}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b' {"a":1}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        '{"ä":1}'.encode(),
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_any_other_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError) as error:
        canonical.load(data, what=WHAT)
    assert error.value.item == WHAT


@few
@given(document=json_objects, data=st.data())
def test_damage_is_refused_or_another_document(document: dict[str, t.Any], data: st.DataObject) -> None:
    good = canonical.dump(document)
    bad = data.draw(damaged(good))
    try:
        assert canonical.load(bad, what=WHAT) != document
    except FormatError:
        assert bad != good


@few
@given(data=st.binary(max_size=50))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    try:
        assert canonical.dump(canonical.load(data, what=WHAT)) == data
    except FormatError as e:
        assert e.item == WHAT  # noqa: PT017


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        b"bytes",
        {1},
        pytest.param(object(), id="object"),
        2**53,
        {1: 2},
        {"ä": 1},
        "\udcff",
        {"\udcff": 1},
    ],
    ids=repr,
)
def test_what_load_would_refuse_is_not_dumped(value: t.Any) -> None:
    with pytest.raises(FormatError) as error:
        canonical.dump({"a": [value]}, what=WHAT)
    assert error.value.item == WHAT


def test_a_loop_is_not_dumped() -> None:
    loop: list[t.Any] = []
    loop.append(loop)
    with pytest.raises(FormatError):
        canonical.dump(loop)


def test_errors_do_not_quote_the_document() -> None:
    with pytest.raises(FormatError) as error:
        canonical.load(b'{"password": "hunter2"', what=WHAT)
    assert "hunter2" not in str(error.value)


def document(**other: t.Any) -> dict[str, t.Any]:
    return {"format": 1, "kind": "body", "critical": [], **other}


def test_a_known_document_is_expected() -> None:
    fields = canonical.expect(document(a="b"), "body", what=WHAT)
    assert fields.text("a") == "b"
    assert canonical.expect(document(critical=["a"]), "body", what=WHAT, known=["a"]).has("critical")


@pytest.mark.parametrize("version", [0, 2, -1, True, "1", None, [1], {}])
def test_another_format_version_is_unknown(version: t.Any) -> None:
    with pytest.raises(UnknownVersionError) as error:
        canonical.expect(document(format=version), "body", what=WHAT)
    assert error.value.remedy


def test_an_unknown_critical_field_is_unknown() -> None:
    with pytest.raises(UnknownVersionError, match="1 fields that must be understood"):
        canonical.expect(document(critical=["a", "b"]), "body", what=WHAT, known=["a"])


@pytest.mark.parametrize("critical", [None, "a", [1], {}])
def test_a_critical_list_is_a_list_of_names(critical: t.Any) -> None:
    with pytest.raises(FormatError):
        canonical.expect(document(critical=critical), "body", what=WHAT)


@pytest.mark.parametrize("kind", ["record", None, 1, ["body"]])
def test_another_kind_is_refused(kind: t.Any) -> None:
    with pytest.raises(FormatError, match="another kind than body"):
        canonical.expect(document(kind=kind), "body", what=WHAT)


@pytest.mark.parametrize("field", ["format", "kind", "critical"])
def test_the_first_fields_must_be_there(field: str) -> None:
    given_ = document()
    del given_[field]
    with pytest.raises(FormatError):
        canonical.expect(given_, "body", what=WHAT)


_SAMPLES: list[t.Any] = [None, True, 0, -1, "", "a", "a" * 64, "A" * 64, [], ["a"], ["a" * 64], [1], {}, {"a": 1}]
_GOOD: dict[str, tuple[t.Any, ...]] = {
    "text": ("", "a", "a" * 64, "A" * 64),
    "text_or_none": (None, "", "a", "a" * 64, "A" * 64),
    "number": (0,),
    "flag": (True,),
    "digest": ("a" * 64,),
    "digest_or_none": (None, "a" * 64),
    "digests": ([], ["a" * 64]),
    "texts": ([], ["a"], ["a" * 64]),
    "items": ([], ["a"], ["a" * 64], [1]),
    "mapping": ({}, {"a": 1}),
    "inner": ({}, {"a": 1}),
    "bytes": ("", "a" * 64, "A" * 64),
    "moment": (),
}


@pytest.mark.parametrize("reader", _GOOD)
def test_a_field_is_of_its_type_or_refused(reader: str) -> None:
    for value in _SAMPLES:
        read = getattr(canonical.Fields({"f": value}, WHAT), reader)
        # True is no number and 0 no flag, though Python holds them equal
        if json.dumps(value) in map(json.dumps, _GOOD[reader]):
            read("f")
        else:
            with pytest.raises(FormatError) as error:
                read("f")
            assert error.value.item == WHAT
    with pytest.raises(FormatError, match="f is missing"):
        getattr(canonical.Fields({}, WHAT), reader)("f")


@pytest.mark.parametrize("text", ["AB==", "A===", "AA", "AA=", "AA==\n", " AA==", "AA-_", "AAB=", "ä"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(FormatError):
        canonical.Fields({"f": text}, WHAT).bytes("f")


@few
@given(value=st.binary(max_size=40))
def test_base64_reads_back(value: bytes) -> None:
    assert canonical.Fields({"f": canonical.b64(value)}, WHAT).bytes("f") == value


@pytest.mark.parametrize("value", [None, 1, "a", [], ["a"]])
def test_what_is_no_object_has_no_fields(value: t.Any) -> None:
    with pytest.raises(FormatError):
        canonical.Fields(value, WHAT)
    with pytest.raises(FormatError):
        canonical.Fields({"f": [value]}, WHAT).each("f", lambda fields: fields)


def test_unknown_fields_are_told() -> None:
    assert canonical.Fields({"a": 1, "b": 2}, WHAT).others(["a"]) == {"b": 2}


@few
@given(text=words, raw=st.binary(max_size=8))
def test_words_are_unicode_and_stay_as_they_are_where_they_were(text: str, raw: bytes) -> None:
    assert canonical.words(text) == text
    canonical.dump(canonical.words(raw.decode("utf-8", "surrogateescape")))


def test_a_digest_is_compared() -> None:
    canonical.check_digest(b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", what=WHAT)
    with pytest.raises(IntegrityError) as error:
        canonical.check_digest(b"a", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", what=WHAT)
    assert error.value.item == WHAT
    assert error.value.remedy
    # a whole sentence, since it is the first thing that a restore says of a damaged pack
    assert str(error.value).startswith("this object does not have the digest it is named by")
