# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One value of each form with something in every field, for tests that need no more than that."""

from __future__ import annotations

import datetime as dt
import hashlib

from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Exclude
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    SignKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    Body,
    ConsistencyFinding,
    HostFailure,
    ObjectRef,
    Retirement,
    Statement,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import (
    Fingerprint,
    PackDescription,
    SecretDigest,
    WrappedKey,
)

from .strategies import keyed

AT = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
UNTIL = dt.datetime(2036, 1, 1, tzinfo=dt.timezone.utc)
AB, CD = "ab" * 32, "cd" * 32
RUN = "0123456789abcdef"
KEY = "fedcba9876543210"
PACK_NAME = f"packs/d0030/web1/tier1/20261121T011623Z-{AB}.tar.zst.age"
MANIFEST_NAME = f"manifests/d0030/web1/tier1/20261121T011623Z-{CD}.json.zst"
BODY_NAME = f"bodies/2026-11-21/20261121T011623Z-{RUN}-{CD}.json.zst"

REQUEST = Request("ann@example.com", "a new key", "CHG1", UNTIL, "00ff")
ROOT = Root(
    id="",
    repository="acme",
    link=2,
    previous=AB,
    created=AT,
    classes={"d0030": RetentionClass("d0030", 30, "compliance", 400)},
    keys=PublicKeys(
        sign=(SignKey(KEY, "point", "ed25519", bytes(32), AT, UNTIL),),
        wrap=(ClassYearKey("d0030", 2026, "age-x25519", "age1w", "b"),),
        escrow=(ClassYearKey("d0030", 2026, "age-x25519", "age1e"),),
        digest=(DigestKey("1", "hkdf-sha256"), DigestKey("2", "hkdf-sha256")),
    ),
    people=(Person("ann@example.com", ("owner",), "ssh-ed25519 AAAA", AT, UNTIL),),
    quorum=(Quorum("root", 1, ("owner",), "touch"),),
    tips=(CD,),
    records=(AB,),
    request=REQUEST,
)
RECORD = Record("acme", AB, "retired", AT, "ann@example.com", {"host": "web1", "stream": None}, {}, REQUEST)
STATEMENT = Statement(
    "acme", AB, RUN, "main", AT, True, False, (CD,), {"streams": 2}, BODY_NAME, CD, alias="v1.4.2", change="CHG1"
)

SSH = Component("ssh", ("/etc/ssh",), "tier1", "ops", "internal", (Exclude("*.bak", "transient"),))
FINGERPRINT = Fingerprint("ssh", manifest.definition(SSH), "1", AB)
CONTENTS = {"/etc/ssh/config": b"Port 22\n", "/etc/ssh/\udcff\n": b""}
PART = ComponentContent(
    fingerprint=PlainFingerprint(SSH, AB, size=8, entries=5, left_out_bytes=7),
    entries=(
        Entry("/etc/ssh", EntryKind.DIRECTORY, 0o755, 0, 0, "root", "root", 1),
        *(
            Entry(
                path,
                EntryKind.FILE,
                0o600,
                0,
                5,
                "root",
                "\udcfe",
                -1,
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                xattrs={"user.a": b"1", "user.\udcff": b""},
            )
            for path, content in CONTENTS.items()
        ),
        Entry("/etc/ssh/link", EntryKind.SYMLINK, 0o777, 0, 0, "root", "root", 2, target="../\udcff"),
        Entry("/etc/ssh/same", EntryKind.HARDLINK, 0o600, 0, 0, "root", "root", 3, target="/etc/ssh/config"),
    ),
    contents=CONTENTS,
    marks=("changed while read: /etc/ssh/config",),
    secrets=(SecretDigest("/etc/ssh/config", 3, AB), SecretDigest("/etc/ssh/\udcff", 1, CD)),
)

ORIGIN = manifest.Origin("acme", AB, "web1", "web1", "tier1", "d0030", AT, "1", "1.0.0")
DESCRIPTION = PackDescription(PACK_NAME, 10, 20, 8)
WRAPPED = WrappedKey("d0030", 2026, "", "age-x25519", "age1x", b"wrapped")


def write_manifest(part: ComponentContent = PART) -> bytes:
    """The manifest of :data:`PART`."""
    return manifest.write(
        ORIGIN, pack=DESCRIPTION, key=WRAPPED, escrow=("d0030-2026",), parts=((part, FINGERPRINT),), keyed=keyed
    )


STREAM = StreamEntry(
    host="web1",
    host_id="web1",
    stream="tier1",
    retention_class="d0030",
    state=StreamState.STORED,
    captured_at=AT,
    verified_at=AT,
    pack=ObjectRef(PACK_NAME, "v1", 10, UNTIL),
    manifest=ObjectRef(MANIFEST_NAME, "v2", 9, UNTIL),
    fingerprints=(FINGERPRINT, Fingerprint("eos", CD, "1", CD, AB, "eos 1")),
    marks=("ssh: changed while read: /etc/ssh/config",),
    extra={"newer": {"a": [1]}},
)
BODY = Body(
    repository="acme",
    root=AB,
    run=RUN,
    point="main",
    opened_at=AT,
    sealed_at=AT,
    parents=(AB,),
    full=True,
    covers=(AB, CD),
    streams=(STREAM,),
    expected=("db1", "web1", "web2"),
    failed=(HostFailure("web2", "unreachable"),),
    missing=("db1",),
    consistency=(ConsistencyFinding("marks", "web1/tier1: ssh"),),
    change={"id": "CHG1", "window": {"from": "2026-11-21T01:00:00Z"}},
    complete=False,
    retired=(Retirement("db2", None, AT, AB),),
    alias="v1.4.2",
    actor={"user": "ops", "controller": "c1", "run": RUN},
)
