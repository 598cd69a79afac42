# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, dsse, record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from hypothesis import given
from hypothesis import strategies as st

from .envelopes import outlives, payload_of, signed
from .samples import AB, RECORD
from .strategies import WHAT, damaged, few, flips, records, refused_versions


def write(value: Record) -> bytes:
    return signed(record.PAYLOAD_TYPE, record.payload(value))


def rewrite(document: dict[str, t.Any]) -> bytes:
    return signed(record.PAYLOAD_TYPE, canonical.dump(document))


def test_a_record_is_spelled_as_the_format_says() -> None:
    assert record.payload(RECORD).decode() == (
        '{"at":"2026-11-21T01:16:23Z","by":"ann@example.com","critical":[],"detail":{},"format":1,'
        '"kind":"record","record":"retired","repository":"acme","request":{"by":"ann@example.com",'
        '"expires":"2036-01-01T00:00:00Z","nonce":"00ff","reason":"a new key","ticket":"CHG1"},'
        f'"root":"{AB}","subject":{{"host":"web1","stream":null}}}}'
    )


def test_a_machine_asks_nobody() -> None:
    proven = dataclasses.replace(RECORD, kind="restore", by="fedcba9876543210", request=None)
    assert "request" not in payload_of(write(proven), record.PAYLOAD_TYPE)
    assert record.read(write(proven), what=WHAT)[0] == proven


def test_people_sign_together_and_a_machine_alone() -> None:
    for kind, count, taken in (
        ("retired", 2, True),
        ("restore", 2, False),
        ("retired", 0, False),
        ("restore", 0, False),
    ):
        value = dataclasses.replace(RECORD, kind=kind)
        envelope = dsse.read(write(value), record.PAYLOAD_TYPE, what=WHAT)
        data = dsse.write(dataclasses.replace(envelope, signatures=envelope.signatures * count))
        if taken:
            assert record.read(data, what=WHAT)[0] == value
        else:
            with pytest.raises(FormatError, match=f"holds {count} signatures"):
                record.read(data, what=WHAT)


@few
@given(value=records)
def test_a_record_reads_back(value: Record) -> None:
    found, envelope = record.read(write(value), what=WHAT)
    assert found == value
    assert envelope.payload == record.payload(value)


@few
@given(value=records, data=st.data())
def test_damage_is_never_believed(value: Record, data: st.DataObject) -> None:
    good = write(value)
    assert not outlives(good, data.draw(damaged(good)), record.read)


def test_a_flip_of_any_byte_is_never_believed() -> None:
    good = write(RECORD)
    assert not any(outlives(good, bad, record.read) for bad in flips(good))


@few
@given(value=records, data=st.data())
def test_a_damaged_payload_is_refused_or_another_record(value: Record, data: st.DataObject) -> None:
    payload = data.draw(damaged(record.payload(value)))
    try:
        assert record.read(signed(record.PAYLOAD_TYPE, payload), what=WHAT)[0] != value
    except FormatError as e:
        assert e.item == WHAT  # noqa: PT017


def test_a_newer_record_is_unknown_and_new_fields_are_ignored() -> None:
    document = payload_of(write(RECORD), record.PAYLOAD_TYPE)
    for newer in refused_versions(document):
        with pytest.raises(UnknownVersionError):
            record.read(rewrite(newer), what=WHAT)
    assert record.read(rewrite({**document, "new": 1}), what=WHAT)[0] == RECORD


def test_no_field_may_be_missing() -> None:
    document = payload_of(write(RECORD), record.PAYLOAD_TYPE)
    for field in document.keys() - {"request"}:
        with pytest.raises(FormatError):
            record.read(rewrite({name: value for name, value in document.items() if name != field}), what=WHAT)


def test_a_record_that_cannot_be_read_back_is_not_written() -> None:
    with pytest.raises(FormatError):
        record.payload(dataclasses.replace(RECORD, detail={"seconds": 1.5}))
