# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prove that a server holds locks, by trying to break one: on an object made for this, and on nothing else.

The only file that asks an S3 server to remove anything, and it fails where that is done.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import secrets
import typing as t
from collections.abc import Callable

from ..errors import DeniedError, ExpiredError, NotLockedError
from .s3_client import Client, Reply

# long enough for every try below on a slow link, and soon over
LOCKED_SECONDS = 120
# where any key bypasses mode governance, whatever its policy says: seen with releases up to 2026-02
_BYPASSED_BY_ALL = ("MinIO",)
# as servers refuse: AWS, Ceph RGW and versitygw by 403, MinIO by 400
_REFUSED = (400, 403, 405, 409)


class Probe(t.NamedTuple):
    """An object that is locked for two minutes."""

    which: dict[str, str]
    data: bytes
    until: dt.datetime


def put_probe(
    call: Callable[..., Reply], *, key: str, mode: str, now: dt.datetime, location: str, server: Client
) -> Probe:
    """Put an object under a lock, and look whether it has it.

    :param call: calls an operation on the bucket.
    :raises NotLockedError: it has not; names the server.
    """
    data = secrets.token_bytes(32)
    until = now.replace(microsecond=0) + dt.timedelta(seconds=LOCKED_SECONDS)
    made = call(
        "put_object",
        "put a probe",
        Key=key,
        Body=data,
        ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
        ObjectLockMode=mode,
        ObjectLockRetainUntilDate=until,
    )
    which = {"Key": key, "VersionId": str(made.data.get("VersionId") or "")}
    if which["VersionId"] in ("", "null"):
        raise _not_held(location, server, "gives no version to what it stores")
    head = call("head_object", "describe the probe", **which)
    if head.data.get("ObjectLockMode") != mode or head.data.get("ObjectLockRetainUntilDate") != until:
        raise _not_held(location, server, "drops the lock of what it stores")
    return Probe(which, data, until)


def prove_lock(call: Callable[..., Reply], probe: Probe, *, location: str, server: Client) -> None:
    """Try to shorten the lock of a probe, and to remove it.

    A key that may not delete proves less: the refusal may be that of a policy. Hence it is the owner's that proves.

    :raises NotLockedError: the lock is not held; names the server.
    """
    which, data, until = probe
    # bypassing is for mode governance; a lock in mode compliance must not know it
    tries: tuple[tuple[str, str, dict[str, t.Any]], ...] = (
        (
            "put_object_retention",
            "lets a lock be shortened",
            {"Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": until - dt.timedelta(seconds=LOCKED_SECONDS // 2)}},
        ),
        (
            "put_object_retention",
            "lets a lock be made weaker",
            {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}},
        ),
        ("delete_object", "removes what is locked", {}),
    )
    for operation, fault, more in tries:
        if call(operation, "try a lock", expect=_REFUSED, BypassGovernanceRetention=True, **which, **more).ok:
            raise _not_held(location, server, fault)
    if call("get_object", "read the probe", expect=(404,), body=True, **which).data.get("Body") != data:
        raise _not_held(location, server, "has changed what is locked")


def may_delete(call: Callable[..., Reply], *, key: str) -> bool:
    """Whether who asks may remove versions of objects, found out on one that is not there.

    :param key: which nothing has. The version that is named, ``null``, is that of what was put before there were
        versions: of such a key there is none, and a delete that names a version puts no marker.
    """
    try:
        call("delete_object", "try to remove a version", expect=(404,), Key=key, VersionId="null")
    except ExpiredError:
        raise
    except DeniedError:
        return False
    return True


def prove_governance(call: Callable[..., Reply], probe: Probe, *, location: str, server: Client) -> None:
    """Try to shorten and to remove what is locked in mode governance, without saying that the lock be bypassed.

    Whether a key may bypass it is for the server to judge by its rights. The owner has them, so a server that asks
    for none looks the same, and is known by name.

    :raises NotLockedError: the lock is not held, so that any key is as good as one with the right to bypass.
    """
    sooner = probe.until - dt.timedelta(seconds=LOCKED_SECONDS // 2)
    tries: tuple[tuple[str, dict[str, t.Any]], ...] = (
        ("put_object_retention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": sooner}}),
        ("delete_object", {}),
    )
    for operation, more in tries:
        held = not call(operation, "try a lock", expect=_REFUSED, **probe.which, **more).ok
        if not held or server.server in _BYPASSED_BY_ALL:
            raise NotLockedError(
                f"{server.server} does not hold locks in mode governance: any key shortens them at {location}",
                remedy="Give the retention classes mode compliance, or take another server",
            )


def _not_held(location: str, server: Client, fault: str) -> NotLockedError:
    return NotLockedError(
        f"{location} cannot be a repository: {server.server} says that it has object lock, and {fault}",
        remedy="Take a server that holds locks: docs/adr/0016-s3-store.md",
    )
