# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket in memory with the settings that a server has, which can refuse, forget, or shut out whoever sets them."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_bucket import S3Bucket
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_client import Reply
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import Bucket, S3Settings

# what each operation reads or writes, the field it stands in, and how a server says that there is none
_SETTINGS: Mapping[str, tuple[str, str, str]] = {
    "bucket_versioning": ("versioning", "VersioningConfiguration", ""),
    "object_lock_configuration": ("lock", "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    "bucket_encryption": (
        "encryption",
        "ServerSideEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    "public_access_block": (
        "public",
        "PublicAccessBlockConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
    ),
    "bucket_logging": ("logging", "BucketLoggingStatus", ""),
    "bucket_replication": ("replication", "ReplicationConfiguration", "ReplicationConfigurationNotFoundError"),
    "bucket_policy": ("policy", "Policy", "NoSuchBucketPolicy"),
    "bucket_lifecycle_configuration": ("lifecycle", "LifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    "bucket_lifecycle": ("lifecycle", "LifecycleConfiguration", ""),
}
# answered with the fields of the setting itself
_FLAT = ("versioning", "logging", "lifecycle")


class FakeBucket(S3Bucket):
    """What a server is told and asked, without one.

    :param there: whether the bucket is.
    """

    def __init__(self, *, there: bool = True, server: str = "Fake/1", **settings: t.Any) -> None:
        super().__init__(
            Bucket("backups", "of/one/"), S3Settings(endpoint_url="https://s3.test", **settings), sleep=lambda _s: None
        )
        self.client.server = server
        self.there = there
        self.headers: Mapping[str, str] = {}
        self.classes = ("STANDARD", "GLACIER", "DEEP_ARCHIVE")
        self.set: dict[str, t.Any] = {}
        self.tells_classes = True
        #: Operation to status and code of a refusal.
        self.refuses: dict[str, tuple[int, str]] = {}
        #: Setting to what the server makes of what it is told.
        self.keeps: dict[str, Callable[[t.Any], t.Any]] = {}
        #: Whether a put is refused, by what is set.
        self.shuts_out: Callable[[Mapping[str, t.Any]], bool] = lambda _set: False
        self.asked: list[str] = []

    def lockable(self) -> FakeBucket:
        """The same, as one that was made with object lock."""
        self.set |= {"versioning": {"Status": "Enabled"}, "lock": {"ObjectLockEnabled": "Enabled"}}
        return self

    @property
    def written(self) -> list[str]:
        """The operations that have changed something, or tried to."""
        return [name for name in self.asked if not name.startswith(("get_", "head_")) and name != "put_object"]

    def call(self, operation: str, doing: str, **more: t.Any) -> Reply:
        self.asked.append(operation)
        expect = more.pop("expect", ())
        reply = self._noted(self._answer(operation, more))
        if not reply.ok and reply.status not in expect:
            raise self.client._refused(reply, doing, None)
        return reply

    def _answer(self, operation: str, more: Mapping[str, t.Any]) -> Reply:
        if operation in self.refuses:
            return _refusal(*self.refuses[operation])
        if operation == "head_bucket":
            return Reply(200, "", self.headers, {}) if self.there else _refusal(404, "404")
        if operation == "create_bucket":
            self.there = True
            self.made = dict(more)
            self.lockable()
            return _ok()
        if operation == "put_object":
            self.put = dict(more)
            if more.get("StorageClass", "STANDARD") not in self.classes:
                return _refusal(400, "InvalidStorageClass")
            return _refusal(403, "AccessDenied") if self.shuts_out(self.set) else _ok()
        if operation == "head_object":
            return _ok({"StorageClass": self.put.get("StorageClass")} if self.tells_classes else {})
        verb, _underscore, what = operation.partition("_")
        name, field, none = _SETTINGS[what]
        if verb == "put":
            self.set[name] = self.keeps.get(name, copy.deepcopy)(more[field])
            return _ok()
        if verb == "delete":
            self.set.pop(name, None)
            return _ok()
        if name not in self.set:
            return _refusal(404, none) if none else _ok()
        found = copy.deepcopy(self.set[name])
        return _ok(found if name in _FLAT else {field: found})


def _ok(data: Mapping[str, t.Any] | None = None) -> Reply:
    return Reply(200, "", {}, data or {})


def _refusal(status: int, code: str) -> Reply:
    return Reply(status, code, {}, {})
