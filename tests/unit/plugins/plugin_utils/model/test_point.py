# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    ObjectRef,
    Retirement,
    StreamEntry,
    StreamState,
    identity,
)

AT = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
HOUR = dt.timedelta(hours=1)


def ref(sha256: str, lock_until: dt.datetime = AT) -> ObjectRef:
    return ObjectRef(f"manifests/d-1/a-b/tier1/20261121T011623Z-{sha256}.json.zst", "v", 1, lock_until)


ENTRY = StreamEntry(
    host="a-b",
    host_id="a-b",
    stream="tier1",
    retention_class="d-1",
    state=StreamState.STORED,
    captured_at=AT,
    verified_at=AT,
    pack=ref("ab" * 32, AT + HOUR),
    manifest=ref("cd" * 32, AT),
    fingerprints=(),
)


def test_a_reference_knows_its_digest() -> None:
    assert ENTRY.manifest.sha256 == "cd" * 32
    name = f"packs/d-1/a-b/tier1/20261121T011623Z-{'ab' * 32}.tar.zst.age"
    assert ObjectRef(name, "v", 1, AT).sha256 == "ab" * 32


def test_a_stream_is_told_by_identity_and_name() -> None:
    assert ENTRY.key == ("a-b", "tier1")
    assert dataclasses.replace(ENTRY, host="new").key == ENTRY.key
    assert dataclasses.replace(ENTRY, host_id="other").key != ENTRY.key


def test_a_renamed_host_keeps_the_name_of_its_capture_beside_that_of_now() -> None:
    kept = dataclasses.replace(ENTRY, extra={"later": 1})
    renamed = kept.named("new")
    assert (renamed.host, renamed.name, renamed.spoken, renamed.key) == ("a-b", "new", "new/tier1", ENTRY.key)
    assert renamed.extra["later"] == 1
    assert renamed.named("newer").name == "newer"
    assert renamed.named("a-b") == kept.named("a-b") == kept
    # what another writer may have put there
    assert dataclasses.replace(ENTRY, extra={"name": ["x"]}).name == "a-b"


def test_a_host_is_found_by_its_identity_and_by_each_of_its_names() -> None:
    web = dataclasses.replace(ENTRY, host="web1", host_id="id-1").named("web-a")
    entries = [web, dataclasses.replace(web, stream="tier2"), ENTRY]
    assert [identity(host, entries) for host in ("id-1", "web1", "web-a", "a-b")] == ["id-1"] * 3 + ["a-b"]
    assert identity("web", entries) is None
    assert identity("web1", []) is None


def test_a_name_is_that_of_who_has_it_now() -> None:
    old = dataclasses.replace(ENTRY, host="web1", host_id="srv-1").named("web9")
    new = dataclasses.replace(ENTRY, host="web1", host_id="web1")
    assert [identity(host, [old, new]) for host in ("web1", "web9", "srv-1")] == ["web1", "srv-1", "srv-1"]
    # nobody else has it now
    assert identity("web1", [old]) == "srv-1"


def test_a_name_of_two_identities_is_refused_with_both() -> None:
    entries = [
        dataclasses.replace(ENTRY, host="web-a", host_id="web1"),
        dataclasses.replace(ENTRY, host="web1", host_id="new"),
    ]
    with pytest.raises(PolicyError) as caught:
        identity("web1", entries)
    assert caught.value.message == "web1 means web1 (identity new) and web-a (identity web1)"


def test_people_retire_an_identity() -> None:
    retirement = Retirement("web1", None, AT, "ab" * 32)
    assert retirement.ends(dataclasses.replace(ENTRY, host="web-a", host_id="web1"))
    assert not retirement.ends(dataclasses.replace(ENTRY, host="web1", host_id="new"))
    assert not retirement.ends(dataclasses.replace(ENTRY, host_id="web1", verified_at=AT + HOUR))
    assert retirement.names(dataclasses.replace(ENTRY, host_id="web1", verified_at=AT + HOUR))
    assert not dataclasses.replace(retirement, stream="tier2").names(dataclasses.replace(ENTRY, host_id="web1"))


def test_a_snapshot_is_locked_as_long_as_both_of_its_objects() -> None:
    assert ENTRY.lock_until == AT
    swapped = dataclasses.replace(ENTRY, pack=ENTRY.manifest, manifest=ENTRY.pack)
    assert swapped.lock_until == AT


def test_the_newest_is_the_latest_capture_then_the_greater_digest_then_the_latest_proof() -> None:
    rising = [
        dataclasses.replace(ENTRY, captured_at=AT - HOUR, manifest=ref("ff" * 32), verified_at=AT + HOUR),
        dataclasses.replace(ENTRY, manifest=ref("aa" * 32), verified_at=AT + HOUR),
        ENTRY,
        dataclasses.replace(ENTRY, verified_at=AT + HOUR),
        dataclasses.replace(ENTRY, manifest=ref("dd" * 32)),
    ]
    shuffled = rising[1::2] + rising[::2]
    assert sorted(shuffled, key=lambda entry: entry.age_order) == rising
