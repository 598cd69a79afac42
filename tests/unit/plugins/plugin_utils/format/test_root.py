# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, UnknownVersionError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Root
from hypothesis import given
from hypothesis import strategies as st

from .envelopes import outlives, payload_of, signed
from .samples import ROOT
from .strategies import WHAT, damaged, few, flips, nested_objects, refused_versions, roots


def write(value: Root) -> bytes:
    return signed(root.PAYLOAD_TYPE, root.payload(value))


def rewrite(document: dict[str, t.Any]) -> bytes:
    return signed(root.PAYLOAD_TYPE, canonical.dump(document))


def sample() -> dict[str, t.Any]:
    return payload_of(write(ROOT), root.PAYLOAD_TYPE)


@few
@given(value=roots)
def test_a_link_reads_back_and_is_named_by_its_digest(value: Root) -> None:
    data = write(value)
    found, envelope = root.read(data, what=WHAT)
    assert found == dataclasses.replace(value, id=hashlib.sha256(data).hexdigest())
    assert envelope.payload == root.payload(value)


@few
@given(value=roots, data=st.data())
def test_damage_is_never_believed(value: Root, data: st.DataObject) -> None:
    good = write(value)
    assert not outlives(good, data.draw(damaged(good)), root.read)


def test_a_flip_of_any_byte_is_never_believed() -> None:
    good = write(ROOT)
    assert not any(outlives(good, bad, root.read) for bad in flips(good))


@few
@given(value=roots, data=st.data())
def test_a_damaged_payload_is_refused_or_another_link(value: Root, data: st.DataObject) -> None:
    payload = data.draw(damaged(root.payload(value)))
    try:
        assert dataclasses.replace(root.read(signed(root.PAYLOAD_TYPE, payload), what=WHAT)[0], id="") != value
    except FormatError as e:
        assert e.item == WHAT  # noqa: PT017


def test_the_id_is_not_signed() -> None:
    assert root.payload(ROOT) == root.payload(dataclasses.replace(ROOT, id="ef" * 32))


def test_a_newer_link_is_unknown_and_new_fields_are_ignored() -> None:
    for newer in refused_versions(sample()):
        with pytest.raises(UnknownVersionError):
            root.read(rewrite(newer), what=WHAT)
    document = sample()
    for inner in nested_objects(document):
        inner["new"] = 1
    assert dataclasses.replace(root.read(rewrite(document), what=WHAT)[0], id="") == ROOT


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"classes": [{"name": "a", "days": 1, "mode": "compliance"}] * 2},
        {"classes": [{"name": "a", "days": 1, "mode": "none"}]},
        {"classes": [{"name": "a", "days": -1, "mode": "compliance"}]},
        {"classes": [{"name": "a", "days": True, "mode": "compliance"}]},
        {"classes": {}},
        {"previous": "ab"},
        {"link": "1"},
        {"created": "2026-01-01"},
        {"tips": ["x"]},
        {"people": [1]},
        {"keys": []},
        {"keys": {"sign": [], "wrap": [], "escrow": [], "digest": []}},
        {"keys": {"sign": [], "wrap": [], "escrow": [{}], "digest": [{"id": "1", "scheme": "x"}]}},
    ],
)
def test_another_link_is_refused(change: dict[str, t.Any]) -> None:
    with pytest.raises(FormatError):
        root.read(rewrite({**sample(), **change}), what=WHAT)
