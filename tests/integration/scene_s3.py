# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket with locked objects of several identities: what an attempt on it has done, by looking as its owner."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import botocore.exceptions
from ansible_collections.holdfast.config.tests.lab.s3.identities import RIGHTS, admit
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server

from .attempts_s3 import ATTEMPTS, ROOT, Attacker, Attempt, Prize, RefusalError, lock, own_name

PREFIX = "of/lab"
# settings that an attempt may change, and what in an answer is theirs
_SETTINGS = {
    "get_bucket_versioning": ("Status",),
    "get_object_lock_configuration": ("ObjectLockConfiguration",),
    "get_bucket_lifecycle_configuration": ("Rules",),
    "get_bucket_policy": ("Policy",),
    "get_bucket_acl": ("Grants",),
    "get_bucket_encryption": ("ServerSideEncryptionConfiguration",),
    "get_bucket_replication": ("ReplicationConfiguration",),
    "get_bucket_logging": ("LoggingEnabled",),
    "get_bucket_ownership_controls": ("OwnershipControls",),
    "get_public_access_block": ("PublicAccessBlockConfiguration",),
}


class Outcome(enum.Enum):
    """What came of an attempt."""

    DONE = "done"
    REFUSED = "refused"
    """By the server, with an error of the client's, and nothing has changed."""
    ABSENT = "absent"
    """The server does not know such a request."""
    NOTHING = "nothing"
    """The server has answered that it is done, and nothing has changed."""
    LIED = "lied"
    """The server has refused, and something has changed."""


@dataclass(frozen=True)
class Result:
    """Of one attempt on one prize.

    :param name: of the prize, without the prefix.
    :param answer: status and code of the refusal, empty without one.
    :param changed: what is otherwise than before.
    """

    attempt: Attempt
    name: str
    outcome: Outcome
    answer: str
    changed: tuple[str, ...]


class LostError(AssertionError):
    """A locked version is gone, or is not what it was."""


class Scene:
    """A bucket of its own for one identity of a server."""

    def __init__(self, server: S3Server, identity: str) -> None:
        self.server = server
        self.identity = identity
        self.bucket = server.make_bucket()
        self.owner = server.client(OWNER)
        admit(server, self.bucket, PREFIX)
        if server.name != "rgw":
            # its owner may have given him rights
            server.grant("outsider")
        self.other = self._put("operator", own_name("operator"), b"another pack")
        self._put(OWNER, "../../another/secret", b"of somebody else")
        self.held = self._put(OWNER, own_name("operator"), b"held", locked=False)
        self.owner.put_object_legal_hold(
            Bucket=self.bucket, Key=self.held.key, VersionId=self.held.version, LegalHold={"Status": "ON"}
        )
        self.governed = self._put("operator", own_name("operator"), b"governed", mode="GOVERNANCE")
        self._until: dict[str, dt.datetime] = {}
        self._seen: tuple[str, dict[str, str]] = ("", {})
        self.prizes = [self._put("operator", own_name("operator"), b"a pack")]
        self.prizes.append(self._put(OWNER, f"root/1-{'0' * 64}.json", b"a root link"))
        if identity not in ("operator", "outsider") and (identity == OWNER or RIGHTS[identity].puts):
            self.prizes.append(self._put(identity, own_name(identity), b"its own"))

    def results(self) -> Iterator[Result]:
        """Try everything, and look each time; at the end all that was locked is looked at.

        :raises LostError: a lock was broken.
        """
        for attempt in ATTEMPTS:
            for prize in self.prizes if attempt.kind in ("object", "hold") else self.prizes[:1]:
                yield self._try(attempt, prize)
        for prize in (*self.prizes, self.other):
            self.keep(prize)

    def _put(self, identity: str, name: str, data: bytes, *, locked: bool = True, mode: str = "COMPLIANCE") -> Prize:
        key = "another/secret" if name.startswith("..") else f"{PREFIX}/{name}"
        how = lock(30, mode) if locked else {}
        made = self.server.client(identity).put_object(Bucket=self.bucket, Key=key, Body=data, **how)
        return Prize(key, made["VersionId"], data, how.get("ObjectLockRetainUntilDate"))

    def _try(self, attempt: Attempt, prize: Prize) -> Result:
        others = (self.held, self.other, self.governed)
        attacker = Attacker(self.server, self.identity, self.bucket, PREFIX, self._now(prize), *others)
        looked, before = self._seen
        if looked != f"{attempt.kind} {prize.key}":
            before = self._look(attempt, prize)
        answer, gained = "", None
        try:
            gained = attempt.does(attacker)
        except botocore.exceptions.ClientError as e:
            code = e.response.get("Error", {}).get("Code", "")
            answer = f"{e.response['ResponseMetadata']['HTTPStatusCode']} {code}"
        except RefusalError as e:
            answer = f"{e.status} {e.code}"
        after = self._look(attempt, prize)
        self._seen = (f"{attempt.kind} {prize.key}", after)
        if attempt.kind in ("object", "hold"):
            self.keep(prize)
        changed = tuple(sorted(what for what in before.keys() | after.keys() if before.get(what) != after.get(what)))
        outcome = _outcome(attempt, answer, gained=bool(gained), changed=bool(changed))
        return Result(attempt, prize.key.removeprefix(f"{PREFIX}/"), outcome, answer, changed)

    def _now(self, prize: Prize) -> Prize:
        """A prize with the lock that it has by now."""
        return dataclasses.replace(prize, until=self._until.get(prize.key, prize.until))

    def keep(self, prize: Prize) -> None:
        """See that what was locked is there, by its version, with its bytes and at least its lock."""
        which = {"Bucket": self.bucket, "Key": prize.key, "VersionId": prize.version}
        try:
            # versitygw shows the lock in no other way where the version is not the newest
            lock = self.owner.get_object_retention(**which)["Retention"]
            data = self.owner.get_object(**which)["Body"].read()
        except botocore.exceptions.ClientError as e:
            raise LostError(f"{prize.key} is not there: {e}") from e
        if data != prize.data:
            raise LostError(f"{prize.key} has other bytes")
        until = self._now(prize).until
        if lock["Mode"] != "COMPLIANCE" or until is None or lock["RetainUntilDate"] < until:
            raise LostError(f"{prize.key} has a weaker lock: {lock}, not {until}")
        self._until[prize.key] = lock["RetainUntilDate"]

    def _look(self, attempt: Attempt, prize: Prize) -> dict[str, str]:
        if attempt.kind in ("read", "keys"):
            # what they return says what was gained
            return {}
        if attempt.kind == "bucket":
            return dict(self._settings())
        listed = self.owner.list_object_versions(Bucket=self.bucket)
        seen = {f"version of {one['Key']}@{one['VersionId']}": one["ETag"] for one in listed.get("Versions", [])}
        seen |= {f"marker of {one['Key']}@{one['VersionId']}": "" for one in listed.get("DeleteMarkers", [])}
        if attempt.kind in ("object", "hold"):
            seen |= self._described(prize)
        if attempt.kind == "held":
            seen |= self._described(self.held)
        if attempt.kind == "governed":
            seen |= self._described(self.governed)
        return seen

    def _described(self, prize: Prize) -> dict[str, str]:
        which = {"Bucket": self.bucket, "Key": prize.key, "VersionId": prize.version}
        return {
            "lock": self._said("get_object_retention", ("Retention",), **which),
            "hold": self._said("get_object_legal_hold", ("LegalHold",), **which),
            "tags": self._said("get_object_tagging", ("TagSet",), **which),
            "ACL": self._said("get_object_acl", ("Grants",), **which),
            "there": self._said("head_object", ("ETag", "Restore"), **which),
        }

    def _settings(self) -> Iterator[tuple[str, str]]:
        for operation, fields in _SETTINGS.items():
            yield operation.partition("_")[2], self._said(operation, fields, Bucket=self.bucket)

    def _said(self, operation: str, fields: tuple[str, ...], **which: str) -> str:
        try:
            answer = getattr(self.owner, operation)(**which)
        except botocore.exceptions.ClientError as e:
            return str(e.response["Error"]["Code"])
        return hashlib.sha256(json.dumps([answer.get(name) for name in fields], default=str).encode()).hexdigest()


def _outcome(attempt: Attempt, answer: str, *, gained: bool, changed: bool) -> Outcome:
    if answer:
        absent = answer.startswith(("5", "405")) or "NotImplemented" in answer
        return Outcome.LIED if changed else Outcome.ABSENT if absent else Outcome.REFUSED
    if attempt.kind in ("read", "keys"):
        return Outcome.DONE if gained else Outcome.NOTHING
    return Outcome.DONE if changed else Outcome.NOTHING


def by_right(result: Result, server: S3Server, identity: str) -> bool:
    """Whether an identity may do on a server what was tried."""
    rights = result.attempt.right | ({OWNER} if result.attempt.right & ROOT and server.name != "rgw" else set())
    if identity not in rights:
        return False
    if result.attempt.kind not in ("object", "hold") or identity == OWNER:
        return True
    allowed = RIGHTS[identity].puts if result.attempt.kind == "object" else RIGHTS[identity].holds
    return any(fnmatchcase(result.name, names) for names in allowed)
