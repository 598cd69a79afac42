# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt

from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState

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


def test_a_stream_is_told_by_host_and_name() -> None:
    assert ENTRY.key == ("a-b", "tier1")


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
