# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.holdfast.config.plugins.filter.record import FilterModule
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from hypothesis import given
from hypothesis import strategies as st

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
REQUEST = Request("carol", "wéb1 was scrapped", "CHG1", AT + dt.timedelta(days=7), "ab" * 16)
RETIRED = Record("prod", "ab" * 32, "retired", AT, "carol", {"host": "wéb1", "stream": "tier1"}, {}, REQUEST)
RESTORE = Record("prod", "ab" * 32, "restore", AT, "0123456789abcdef", {"host": "web1"}, {"entries": 3}, None)

read_record = FilterModule().filters()["read_record"]


def text_of(record: Record, *key_ids: str, **changes: t.Any) -> str:
    """A record as the store has it; its signatures are made up."""
    given_signatures = tuple(Signature(key_id, b"nobody made this") for key_id in key_ids)
    envelope = dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(record), given_signatures)
    return dsse.write(dataclasses.replace(envelope, **changes)).decode()


def test_a_record_that_people_signed() -> None:
    text = text_of(RETIRED, "SHA256:a", "SHA256:b")
    found = read_record(text)
    assert found == {
        "kind": "retired",
        "at": "2026-03-01T12:00:00Z",
        "by": "carol",
        "subject": {"host": "wéb1", "stream": "tier1"},
        "detail": {},
        "request": {
            "by": "carol",
            "reason": "wéb1 was scrapped",
            "ticket": "CHG1",
            "expires": "2026-03-08T12:00:00Z",
        },
        "signatures": ["SHA256:a", "SHA256:b"],
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }
    assert json.loads(json.dumps(found)) == found


def test_a_record_that_a_machine_signed() -> None:
    found = read_record(text_of(RESTORE, "0123456789abcdef"))
    assert (found["kind"], found["by"], found["request"]) == ("restore", "0123456789abcdef", None)
    assert found["detail"] == {"entries": 3}


class Text(str):
    """As Ansible hands texts over: of a type of its own."""

    __slots__ = ()


def test_what_comes_back_is_plain() -> None:
    found = read_record(Text(text_of(RETIRED, "SHA256:a")))
    assert {type(value) for value in found.values()} == {str, dict, list}


WRONG = {
    "empty": "",
    "other JSON": "{}",
    "line end": text_of(RETIRED, "SHA256:a") + "\n",
    "unsigned": text_of(RETIRED),
    "several machines": text_of(RESTORE, "a", "b"),
    "other type": text_of(RETIRED, "SHA256:a", payload_type="application/vnd.holdfast.root+json"),
    "other payload": text_of(RETIRED, "SHA256:a", payload=b"{}"),
    "not Unicode": "\ud800",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_another_text_is_refused(wrong: str) -> None:
    with pytest.raises(AnsibleFilterError, match="read_record was not given a record: "):
        read_record(WRONG[wrong])


@pytest.mark.parametrize("value", [None, 1, b"{}", ["{}"], {}], ids=lambda value: type(value).__name__)
def test_another_type_is_refused(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=f"takes the text of a record, not {type(value).__name__}"):
        read_record(value)


@given(st.text() | st.binary().map(lambda data: text_of(RETIRED, "a", payload=data)))
def test_no_text_fails_in_another_way(text: str) -> None:
    with pytest.raises(AnsibleFilterError):
        read_record(text)


@given(place=st.integers(0, 10**6), character=st.characters())
def test_an_edited_record_is_another_one_or_none(place: int, character: str) -> None:
    whole = text_of(RETIRED, "SHA256:a")
    place %= len(whole)
    edited = whole[:place] + character + whole[place + 1 :]
    try:
        found = read_record(edited)
    except AnsibleFilterError:
        return
    assert (found == read_record(whole)) is (edited == whole)
