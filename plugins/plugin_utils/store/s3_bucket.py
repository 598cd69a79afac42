# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bucket itself: made, read, and brought to what is asked of it, one setting after the other.

No answer is believed: each setting is read back after it was written. Where a server keeps only a part of the rules by
which it lets go of objects, or shuts its owner out by a policy, what was there before is put back.
What each server was seen to do: docs/guide_storage.md.
"""

from __future__ import annotations

import abc
import dataclasses
import json
import secrets
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..errors import CorruptError, StoreError
from ..model.setting import CHANGED, DIFFERS, HELD, LACKING, NOT_KEPT, REFUSED, Outcome
from ..model.storage import SOURCES_SID, TLS_SID, Rule, Storage, is_own_rule, statements
from .s3_client import Client, Reply
from .s3_settings import Bucket, S3Settings
from .wrappers import Patience

# statuses by which servers say that they have no such setting, or do not take this one
_NO = (400, 403, 405, 409, 501)
_NONE_SET = frozenset(
    (
        "NoSuchBucketPolicy",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    )
)
# so often, and after waits that double from this, a setting is read back: at AWS it takes a moment to show
_READS, _WAIT_SECONDS = 4, 0.5
# who knows VPC endpoints; to others the condition is one that is never met: seen with Ceph RGW 16.2
_HAS_VPC_ENDPOINTS = ("AmazonS3",)
# which switches a server takes without doing what they say: seen with Ceph 16.2, whose gateway gives no name
_RGW = "Ceph RGW"
_WRONG_SWITCHES: Mapping[str, Mapping[str, str]] = {
    _RGW: {
        "block_public_acls": "refuses every put, public or not",
        "restrict_public_buckets": "lets a public policy go on allowing",
    }
}
# that judge by themselves whether there is such a storage class: theirs are no classes of puts
_JUDGES_TIERS = ("MinIO",)
# whose bucket policies are for who has no keys, and bind nobody else: seen with releases up to 2026-02
_POLICIES_BIND_NOBODY = ("MinIO",)
_ALGORITHMS = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
_LEFT_OUT = "Leave it out of storage, or take a server that has it: docs/guide_storage.md"
_RULE_REMEDY = "Take that rule out of the bucket, or give backups a bucket of their own"
# the empty object that shows whether its owner still puts
_EMPTY_SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


class _NotTakenError(Exception):
    """A server has no such setting, or does not take this one."""

    def __init__(self, why: str, remedy: str = _LEFT_OUT) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


class S3Bucket:
    """A bucket as something that has settings.

    :param context: what the server's log shall name this by.
    :param sleep: waits so many seconds.
    :raises DependencyMissingError: botocore is not installed.
    """

    def __init__(
        self,
        bucket: Bucket,
        settings: S3Settings,
        *,
        context: Mapping[str, str] | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.sleep = sleep
        self.location = bucket.url
        self.bucket = bucket
        self.settings = settings
        self.client = Client(self.location, settings, context=context or {}, patience=patience or Patience())
        self._is_rgw = False

    @property
    def server(self) -> str:
        """Who the server is, as far as its answers have told."""
        return _RGW if self._is_rgw else self.client.server

    def call(self, operation: str, doing: str, **more: t.Any) -> Reply:
        """Make a call on the bucket; raises StoreError."""
        return self._noted(self.client.call(operation, doing, Bucket=self.bucket.name, **more))

    def _noted(self, reply: Reply) -> Reply:
        self._is_rgw = self._is_rgw or any(name.startswith("x-rgw-") for name in reply.headers)
        return reply

    def exists(self) -> bool:
        """Whether the bucket is there."""
        return self.call("head_bucket", "look at the bucket", expect=(404,)).ok

    def make(self) -> None:
        """Make the bucket, with object lock, which turns versions on."""
        region, where = self.settings.region, {}
        # others call their places otherwise, and have one
        if region not in (None, "us-east-1") and self._is_aws:
            where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.call("create_bucket", "make the bucket", ObjectLockEnabledForBucket=True, **where)

    @property
    def _is_aws(self) -> bool:
        url = self.settings.endpoint_url
        return url is None or ".amazonaws.com" in url

    def judge(self, storage: Storage, rules: Sequence[Rule]) -> list[Outcome]:
        """Say of each setting how it stands; only reads."""
        return [part.judge() for part in self._parts(storage, rules)]

    def hold(self, storage: Storage, rules: Sequence[Rule]) -> list[Outcome]:
        """Bring each setting to what is asked, and say what became of it.

        Without versions and object lock nothing else is done: the bucket can be no repository. Then comes what
        guards, and what lets go of objects comes last.
        """
        outcomes = []
        for part in self._parts(storage, rules):
            outcomes.append(part.hold())
            if part.needed and outcomes[-1].state in LACKING:
                break
        return outcomes

    def _parts(self, storage: Storage, rules: Sequence[Rule]) -> list[_Part]:
        parts: list[_Part] = [_Versioning(self), _ObjectLock(self)]
        if storage.encryption != "none":
            parts.append(_Encryption(self, _ALGORITHMS[storage.encryption], storage.kms_key_id))
        if storage.logging is not None:
            target = {"TargetBucket": storage.logging.bucket, "TargetPrefix": storage.logging.prefix}
            parts.append(_Logging(self, target))
        if storage.replication is not None:
            parts.append(_Replication(self, storage.replication.role, storage.replication.destination))
        if storage.public_access_block is not None:
            parts.append(_PublicAccess(self, storage.public_access_block))
        asked = ("vpc_endpoints", storage.vpc_endpoints), ("source_networks", storage.source_networks)
        named = {
            TLS_SID: "tls_only",
            SOURCES_SID: ", ".join(name for name, given in asked if given is not None),
        }
        wanted = statements(storage, self.bucket.name, self._partition)
        parts += [_Statement(self, named[sid], sid, statement) for sid, statement in wanted.items()]
        if storage.lifecycle:
            parts.append(_Lifecycle(self, rules))
        return parts

    @property
    def _partition(self) -> str:
        region = self.settings.region or ""
        return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"

    def still_puts(self) -> bool:
        """Whether who made the settings may put an object; one that is empty, and expires."""
        return self._try_put()[1].ok

    def has_storage_class(self, name: str) -> bool:
        """Whether objects can be in a storage class, as one that is empty shows."""
        if self.server in _JUDGES_TIERS:
            return True
        key, put = self._try_put(StorageClass=name)
        if not put.ok:
            return False
        return self.call("head_object", "describe a probe", Key=key).data.get("StorageClass") == name

    def _try_put(self, **more: t.Any) -> tuple[str, Reply]:
        key = f"{self.bucket.prefix}.probe/{secrets.token_hex(16)}"
        given = {"Key": key, "Body": b"", "ChecksumSHA256": _EMPTY_SHA256, **more}
        return key, self.call("put_object", "put a probe", expect=(400, 403), **given)


class _Part(abc.ABC):
    """A setting: how it is read and written, and as what it shows."""

    name: str
    # whether there is no repository without it
    needed = False
    # whether the server could shut out who sets it
    guards = False

    def __init__(self, bucket: S3Bucket, wanted: t.Any) -> None:
        self.bucket = bucket
        self.wanted = wanted

    @abc.abstractmethod
    def read(self) -> t.Any:
        """What is set, in the form of ``wanted``; raises _NotTakenError."""

    @abc.abstractmethod
    def write(self, value: t.Any) -> None:
        """Set a value that :meth:`read` may have returned; raises _NotTakenError."""

    def shown(self, value: t.Any) -> t.Any:
        """A value as people see it."""
        return value

    def differs(self, found: t.Any) -> bool:
        """Whether what was read is not what is asked for."""
        return bool(found != self.wanted)

    def judge(self) -> Outcome:
        """Say how it stands; only reads."""
        return self._judged()[0]

    def hold(self) -> Outcome:
        """Set what is asked for unless it is, read it back, and say what became of it."""
        judged, before = self._judged()
        if judged.state != DIFFERS:
            return judged
        try:
            self.write(self.wanted)
        except _NotTakenError as e:
            return dataclasses.replace(judged, state=REFUSED, why=e.why, remedy=e.remedy)
        try:
            instead = self._made_of_it()
            shut_out = instead is None and self.guards and not self.bucket.still_puts()
        except StoreError as e:
            raise self._put_back_unread(before, e) from e
        if instead is not None:
            self._put_back(before)
            why = f"the server says that it has set it, and {instead}"
            return dataclasses.replace(judged, state=NOT_KEPT, why=why, remedy=_LEFT_OUT)
        if shut_out:
            self._put_back(before)
            why = "with it the server refuses puts of this identity from here; what was set before is set again"
            return dataclasses.replace(judged, state=REFUSED, why=why, remedy=self.shut_out)
        return dataclasses.replace(judged, state=CHANGED)

    def _made_of_it(self) -> str | None:
        """What the server has made of what it was told, where that is something else."""
        instead = None
        for attempt in range(_READS):
            if attempt:
                self.bucket.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                found = self.read()
            except _NotTakenError as e:
                instead = e.why
                continue
            if not self.differs(found):
                return None
            instead = f"has {_line(self.shown(found))}"
        return instead

    def _judged(self) -> tuple[Outcome, t.Any]:
        """How it stands, and what was read."""
        try:
            found = self.read()
        except _NotTakenError as e:
            return Outcome(self.name, REFUSED, None, self.shown(self.wanted), e.why, e.remedy), None
        if not self.differs(found):
            return Outcome(self.name, HELD, self.shown(found), self.shown(found)), found
        return Outcome(self.name, DIFFERS, self.shown(found), self.shown(self.wanted)), found

    #: What to do where the server shuts out who has set it.
    shut_out = "Run this from where objects may be reached, or leave it out of storage"

    def _put_back(self, before: t.Any) -> None:
        try:
            self.write(before)
        except _NotTakenError as e:
            raise self._neither(e) from None

    def _put_back_unread(self, before: t.Any, unread: StoreError) -> StoreError:
        """Set what was set before where nobody can see what the server has made of what it was told; say so."""
        try:
            self._put_back(before)
        except StoreError as e:
            return StoreError(
                f"{self.name} was told and cannot be read back, and what was set before cannot be set again: "
                f"{e.message}",
                item=self.bucket.location,
                remedy="Look at it by hand before anything else; nothing was stored",
            )
        return type(unread)(
            f"{unread.message}: {self.name} was told and cannot be read back, and what was set before was told again",
            item=self.bucket.location,
            remedy=unread.remedy or "Run again, which reads it",
        )

    def _neither(self, e: _NotTakenError) -> StoreError:
        return StoreError(
            f"{self.name} is neither as asked nor as it was: {e.why}",
            item=self.bucket.location,
            remedy="Look at it by hand before anything else; nothing was stored",
        )

    def _ask(self, operation: str, **more: t.Any) -> Mapping[str, t.Any]:
        """Read a configuration; empty where none is set."""
        reply = self.bucket.call(operation, f"read {self.name}", expect=(*_NO, 404), **more)
        if reply.ok:
            return reply.data
        if reply.code in _NONE_SET:
            return {}
        raise self._not_taken(reply)

    def _tell(self, operation: str, **more: t.Any) -> None:
        reply = self.bucket.call(operation, f"set {self.name}", expect=_NO, **more)
        if not reply.ok:
            raise self._not_taken(reply)

    def _not_taken(self, reply: Reply) -> _NotTakenError:
        code = reply.code or str(reply.status)
        if reply.status == 403:
            return _NotTakenError(
                f"not allowed, {code}", "Run as the owner of the bucket, with the rights to set it up"
            )
        return _NotTakenError(f"{self.bucket.server} answers {code}")


class _Needed(_Part):
    """What there is no way back from."""

    needed = True

    def _put_back(self, before: t.Any) -> None:
        """What was not kept is as it was."""

    def _put_back_unread(self, before: t.Any, unread: StoreError) -> StoreError:
        return unread


class _Versioning(_Needed):
    name = "versioning"

    def __init__(self, bucket: S3Bucket) -> None:
        super().__init__(bucket, "Enabled")

    def read(self) -> t.Any:
        return self._ask("get_bucket_versioning").get("Status", "")

    def write(self, value: t.Any) -> None:
        self._tell("put_bucket_versioning", VersioningConfiguration={"Status": value})


class _ObjectLock(_Needed):
    name = "object_lock"

    def __init__(self, bucket: S3Bucket) -> None:
        super().__init__(bucket, "Enabled")

    def read(self) -> t.Any:
        found = self._ask("get_object_lock_configuration").get("ObjectLockConfiguration")
        return str(found.get("ObjectLockEnabled", "")) if isinstance(found, Mapping) else ""

    def write(self, value: t.Any) -> None:
        try:
            self._tell("put_object_lock_configuration", ObjectLockConfiguration={"ObjectLockEnabled": value})
        except _NotTakenError as e:
            raise _NotTakenError(
                f"{e.why}: this bucket was made without it",
                "Name a bucket that is not there: it is made with object lock",
            ) from None


class _Encryption(_Part):
    name = "encryption"

    def __init__(self, bucket: S3Bucket, algorithm: str, key: str) -> None:
        super().__init__(bucket, {"algorithm": algorithm, "kms_key_id": key})

    def read(self) -> t.Any:
        found = self._ask("get_bucket_encryption").get("ServerSideEncryptionConfiguration") or {}
        rules = found.get("Rules") or [{}]
        default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
        return {"algorithm": default.get("SSEAlgorithm", ""), "kms_key_id": default.get("KMSMasterKeyID", "")}

    def differs(self, found: t.Any) -> bool:
        # no key asked for: the server's own, whatever it calls that
        return bool(found["algorithm"] != self.wanted["algorithm"]) or self.wanted["kms_key_id"] not in (
            "",
            found["kms_key_id"],
        )

    def write(self, value: t.Any) -> None:
        if not value["algorithm"]:
            self._tell("delete_bucket_encryption")
            return
        default = {"SSEAlgorithm": value["algorithm"]}
        if value["kms_key_id"]:
            default["KMSMasterKeyID"] = value["kms_key_id"]
        rules = [{"ApplyServerSideEncryptionByDefault": default}]
        self._tell("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": rules})


class _PublicAccess(_Part):
    name = "public_access_block"
    guards = True
    shut_out = "Set the switches that refuse puts to false"

    def read(self) -> t.Any:
        found = self._ask("get_public_access_block").get("PublicAccessBlockConfiguration") or {}
        wrong = _WRONG_SWITCHES.get(self.bucket.server, {})
        told = [f"with {name} it {what}" for name, what in wrong.items() if self.wanted[name]]
        if told:
            raise _NotTakenError(f"{self.bucket.server}: {', '.join(told)}", "Set these switches to false there")
        return {name: bool(found.get(_camel(name), False)) for name in self.wanted}

    def write(self, value: t.Any) -> None:
        if not any(value.values()):
            self._tell("delete_public_access_block")
            return
        switches = {_camel(name): on for name, on in value.items()}
        self._tell("put_public_access_block", PublicAccessBlockConfiguration=switches)


class _Logging(_Part):
    name = "logging"

    def read(self) -> t.Any:
        found = self._ask("get_bucket_logging").get("LoggingEnabled") or {}
        return {name: found.get(name, "") for name in ("TargetBucket", "TargetPrefix")}

    def write(self, value: t.Any) -> None:
        enabled = {"LoggingEnabled": value} if value["TargetBucket"] else {}
        self._tell("put_bucket_logging", BucketLoggingStatus=enabled)


class _Replication(_Part):
    """The rule of this repository beside those of others, which keep as they are."""

    name = "replication"

    def __init__(self, bucket: S3Bucket, role: str, destination: str) -> None:
        self._id = f"holdfast:{bucket.bucket.prefix}"
        rule = {
            "ID": self._id,
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": bucket.bucket.prefix},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": destination},
        }
        super().__init__(bucket, {"Role": role, "Rules": [rule]})

    def read(self) -> t.Any:
        found = self._ask("get_bucket_replication").get("ReplicationConfiguration") or {}
        return {"Role": found.get("Role") or "", "Rules": [dict(rule) for rule in found.get("Rules") or ()]}

    def differs(self, found: t.Any) -> bool:
        mine = [rule for rule in found["Rules"] if rule.get("ID") == self._id]
        asked = self.wanted["Rules"][0]
        # servers add what a rule does not say, and give it a place among the others
        told = [_needed({name: rule.get(name) for name in asked} | {"Priority": 1}) for rule in mine]
        return bool(found["Role"] != self.wanted["Role"] or told != [_needed(asked)])

    def write(self, value: t.Any) -> None:
        if value is self.wanted:
            value = self._beside(self.read())
        if not value["Rules"]:
            self._tell("delete_bucket_replication")
            return
        self._tell("put_bucket_replication", ReplicationConfiguration=value)

    def _beside(self, found: t.Any) -> t.Any:
        others = [rule for rule in found["Rules"] if rule.get("ID") != self._id]
        if others and found["Role"] != self.wanted["Role"]:
            raise _NotTakenError(
                "other rules of the bucket replicate by another role",
                "Give that role, or backups a bucket of their own",
            )
        taken = {rule.get("Priority") for rule in others}
        priority = next(number for number in range(1, len(taken) + 2) if number not in taken)
        return {"Role": self.wanted["Role"], "Rules": [*others, self.wanted["Rules"][0] | {"Priority": priority}]}

    def shown(self, value: t.Any) -> t.Any:
        mine = [rule for rule in value["Rules"] if rule.get("ID") == self._id]
        return {"role": value["Role"], "destination": [rule["Destination"]["Bucket"] for rule in mine]}


class _Statement(_Part):
    """One statement of the bucket's policy, by its Sid, beside those of others, which keep as they are."""

    guards = True

    def __init__(self, bucket: S3Bucket, name: str, sid: str, wanted: Mapping[str, t.Any] | None) -> None:
        super().__init__(bucket, wanted)
        self.name = name
        self._sid = sid

    def read(self) -> t.Any:
        mine = [one for one in self._document()["Statement"] if one.get("Sid") == self._sid]
        self._require_bound()
        return mine[0] if mine else None

    def _require_bound(self) -> None:
        """Refuse what a server takes and does not hold, as is known of it by its name."""
        server = self.bucket.server
        if self.wanted is None:
            return
        if server in _POLICIES_BIND_NOBODY:
            raise _NotTakenError(
                f"{server}'s bucket policies bind nobody who has keys",
                "Leave it out of storage, and see to it in front of the server: TLS alone, a firewall",
            )
        if "StringNotEquals" in self.wanted["Condition"] and server not in _HAS_VPC_ENDPOINTS:
            raise _NotTakenError(f"{server} knows no VPC endpoints: AWS alone does", "Give source_networks instead")

    def differs(self, found: t.Any) -> bool:
        return bool(_plain_statement(found) != _plain_statement(self.wanted))

    def write(self, value: t.Any) -> None:
        document = self._document()
        others = [one for one in document["Statement"] if one.get("Sid") != self._sid]
        document["Statement"] = [*others, *([] if value is None else [value])]
        if not document["Statement"]:
            self._tell("delete_bucket_policy")
            return
        # compact: an old Ceph takes a space for something else
        self._tell("put_bucket_policy", Policy=json.dumps(document, separators=(",", ":")))

    def _document(self) -> dict[str, t.Any]:
        text = self._ask("get_bucket_policy").get("Policy")
        try:
            found = json.loads(text) if text else {"Version": "2012-10-17", "Statement": []}
            listed = found.get("Statement")
            given = [listed] if isinstance(listed, Mapping) else listed
            if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
                raise TypeError
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise CorruptError(
                f"the policy of {self.bucket.location} is none", remedy="Look at it by hand; nothing was changed"
            ) from None
        return {**found, "Statement": given}


class _Lifecycle(_Part):
    """The rules of this repository beside those of others, which keep as they are where they keep off its objects."""

    name = "lifecycle"

    def __init__(self, bucket: S3Bucket, rules: Sequence[Rule]) -> None:
        self._prefix = bucket.bucket.prefix
        #: All that was set before.
        self._found: list[dict[str, t.Any]] | None = None
        super().__init__(bucket, sorted((_s3_rule(rule) for rule in rules), key=_rule_id))

    def read(self) -> t.Any:
        rules = self._all()
        self._found = rules if self._found is None else self._found
        for rule in rules:
            if not self._is_own(rule) and _lets_go(rule) and self._meets(_prefix_of(rule)):
                raise _NotTakenError(
                    f"its rule {str(rule.get('ID', 'without an id'))!r} lets go of objects of this repository",
                    _RULE_REMEDY,
                )
        return sorted((_needed(rule) for rule in rules if self._is_own(rule)), key=_rule_id)

    def differs(self, found: t.Any) -> bool:
        return bool(found != [_needed(rule) for rule in self.wanted])

    def write(self, value: t.Any) -> None:
        for storage_class in sorted({move["StorageClass"] for rule in value for move in rule.get("Transitions", ())}):
            if not self.bucket.has_storage_class(storage_class):
                raise _NotTakenError(
                    f"{self.bucket.server} has no storage class {storage_class} to put objects into",
                    "Name one that it has in storage.archive, or archive nothing",
                )
        self._write_all([rule for rule in self._all() if not self._is_own(rule)] + list(value))

    def _put_back(self, before: t.Any) -> None:
        # a rule that the server has made another one of may have lost its id too
        try:
            self._write_all(self._found or [])
        except _NotTakenError as e:
            raise self._neither(e) from None

    def _write_all(self, rules: Sequence[t.Any]) -> None:
        if not rules:
            self._tell("delete_bucket_lifecycle")
            return
        self._tell("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": list(rules)})

    def shown(self, value: t.Any) -> t.Any:
        return {_rule_id(rule): {name: rule[name] for name in rule if name not in ("ID", "Status")} for rule in value}

    def _all(self) -> list[dict[str, t.Any]]:
        return [dict(rule) for rule in self._ask("get_bucket_lifecycle_configuration").get("Rules") or ()]

    def _is_own(self, rule: Mapping[str, t.Any]) -> bool:
        return is_own_rule(_rule_id(rule), self._prefix)

    def _meets(self, prefix: str) -> bool:
        return prefix.startswith(self._prefix) or self._prefix.startswith(prefix)

    def _not_taken(self, reply: Reply) -> _NotTakenError:
        taken = super()._not_taken(reply)
        if reply.status == 400:
            # MinIO takes no such rule by itself, and ends uploads after a day anyway
            remedy = "Set abort_uploads_days: 0 and archive as this server takes them: docs/guide_storage.md"
            return _NotTakenError(taken.why, remedy)
        if reply.status in (405, 501):
            return _NotTakenError(taken.why, "Set lifecycle: false, and let go of what has expired by other means")
        return taken


def _s3_rule(rule: Rule) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"ID": rule.id, "Status": "Enabled", "Filter": {"Prefix": rule.prefix}}
    if rule.expires is not None:
        found["Expiration"] = {"Days": rule.expires}
    if rule.removes is not None:
        found["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule.removes}
    if rule.aborts is not None:
        found["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.aborts}
    if rule.archive is not None:
        found["Transitions"] = [{"Days": rule.archive.days, "StorageClass": rule.archive.storage_class}]
    return found


def _rule_id(rule: Mapping[str, t.Any]) -> str:
    return str(rule.get("ID", ""))


def _prefix_of(rule: Mapping[str, t.Any]) -> str:
    """The keys that a rule may speak of: what else narrows it is not relied on."""
    given = rule.get("Filter") or {}
    inner = given.get("And") or {}
    return str(given.get("Prefix") or inner.get("Prefix") or rule.get("Prefix") or "")


def _lets_go(rule: Mapping[str, t.Any]) -> bool:
    return rule.get("Status") == "Enabled" and any(
        rule.get(name)
        for name in ("Expiration", "NoncurrentVersionExpiration", "Transitions", "NoncurrentVersionTransitions")
    )


def _needed(value: t.Any) -> t.Any:
    """A value without what says nothing: servers add empty lists, and False for what is not set."""
    if isinstance(value, Mapping):
        kept = {name: _needed(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner not in (None, False, "", [], {})}
    if isinstance(value, list):
        return [_needed(inner) for inner in value]
    return value


def _plain_statement(statement: Mapping[str, t.Any] | None) -> t.Any:
    """A statement in one spelling: servers write one value as a list of one, or the other way."""
    if statement is None:
        return None
    found = dict(statement)
    if found.get("Principal") in ({"AWS": "*"}, {"AWS": ["*"]}):
        found["Principal"] = "*"
    for name in ("Action", "Resource"):
        found[name] = _sorted(found.get(name))
    condition = found.get("Condition")
    if isinstance(condition, Mapping):
        found["Condition"] = {
            operator: {key: _sorted(value) for key, value in keys.items()} if isinstance(keys, Mapping) else keys
            for operator, keys in condition.items()
        }
    return found


def _sorted(value: t.Any) -> t.Any:
    listed = value if isinstance(value, list) else [value]
    return sorted(map(str, listed))


def _camel(name: str) -> str:
    """S3's name of a switch: ``BlockPublicAcls``."""
    return "".join(word.capitalize() for word in name.split("_"))


def _line(value: t.Any) -> str:
    text = json.dumps(value, default=str, sort_keys=True)
    return text if len(text) <= 200 else f"{text[:200]}…"
