# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, dsse
from ansible_collections.holdfast.config.plugins.plugin_utils.format.dsse import Envelope
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from hypothesis import given
from hypothesis import strategies as st

from .strategies import WHAT, damaged, few, flips, key_ids, never_believed

KIND = "application/vnd.in-toto+json"
envelopes = st.builds(
    Envelope,
    payload_type=st.just(KIND),
    payload=st.binary(max_size=60),
    signatures=st.lists(st.builds(Signature, key_ids, st.binary(max_size=64)), max_size=2).map(tuple),
)


def read(data: bytes) -> Envelope:
    return dsse.read(data, KIND, what=WHAT)


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    # the example of https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert Envelope("ä", b"", ()).pae == b"DSSEv1 2 \xc3\xa4 0 "


@few
@given(envelope=envelopes)
def test_an_envelope_reads_back(envelope: Envelope) -> None:
    assert read(dsse.write(envelope)) == envelope


@few
@given(envelope=envelopes, data=st.data())
def test_damage_is_refused_or_another_envelope(envelope: Envelope, data: st.DataObject) -> None:
    good = dsse.write(envelope)
    bad = data.draw(damaged(good))
    assert never_believed(good, bad, read) != envelope


def test_every_flipped_byte_is_refused_or_another_envelope() -> None:
    envelope = Envelope(KIND, b"payload!", (Signature("0" * 16, b"\0" * 64), Signature("f" * 16, b"\xff" * 64)))
    good = dsse.write(envelope)
    assert all(never_believed(good, bad, read) != envelope for bad in flips(good))


def test_another_payload_type_is_refused() -> None:
    with pytest.raises(FormatError, match="payloadType is not application/x"):
        dsse.read(dsse.write(Envelope(KIND, b"", ())), "application/x", what=WHAT)


def test_what_nobody_signed_makes_no_other_object_of_the_same_payload() -> None:
    document = canonical.load(dsse.write(Envelope(KIND, b"a", (Signature("k", b"s"),))), what=WHAT)
    (signature,) = document["signatures"]
    for changed in (
        {**document, "new": [1]},
        {**document, "signatures": [{**signature, "cert": "x"}]},
        {**document, "signatures": [signature, signature]},
        {**document, "signatures": []},
    ):
        with pytest.raises(FormatError, match="field signatures"):
            dsse.read(canonical.dump(changed), KIND, what=WHAT, signatures=1)


@pytest.mark.parametrize("field", ["payload", "payloadType", "signatures"])
def test_no_field_may_be_missing(field: str) -> None:
    document = canonical.load(dsse.write(Envelope(KIND, b"a", ())), what=WHAT)
    del document[field]
    with pytest.raises(FormatError, match=f"{field} is missing"):
        read(canonical.dump(document))
