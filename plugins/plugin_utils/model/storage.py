# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bucket should be, read from plain values, and what follows from it: lifecycle rules and policy statements.

A version is let go of in two steps, which together are its lock and its grace (keep rule): once its lock is over a
delete marker makes it noncurrent, which readers ignore, and when the grace is over too it is removed. A version that
another one was put over, as by carry, has its grace from then on, and its lock in any case.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from collections.abc import Mapping, Sequence

from .keep import RECORD_EXTRA_DAYS
from .policy import Finding, read_known, read_mapping
from .retention import RENEWAL_DAYS, RetentionClass, grace

ENCRYPTIONS = ("none", "sse-s3", "sse-kms")
PUBLIC_ACCESS = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")
# keep rule 4: until then a snapshot may have to be carried, which reads it
ARCHIVE_AFTER_DAYS = RENEWAL_DAYS + 60
TLS_SID, SOURCES_SID = "HoldfastTlsOnly", "HoldfastSources"

_RULE = "holdfast:"
_UPLOADS = "uploads"
_SNAPSHOTS = ("packs/", "manifests/")
_OF_LONGEST = ("bodies/", "points/", "stamps/")
_RECORDS, _PROBE = "records/", ".probe/"
_FOLDERS = (*_SNAPSHOTS, *_OF_LONGEST, _RECORDS, _PROBE)
# what reads or changes objects, by name: who set the policy can still correct it, and replication is not among them
_OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutObject",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
)

_KEYS = (
    "encryption",
    "kms_key_id",
    "public_access_block",
    "tls_only",
    "vpc_endpoints",
    "source_networks",
    "allowed_networks",
    "lifecycle",
    "abort_uploads_days",
    "archive",
    "logging",
    "replication",
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_.-]{1,2048}")
_VPC_ENDPOINT = re.compile(r"vpce-[0-9a-f]{8,17}")
_STORAGE_CLASS = re.compile(r"[A-Z][A-Z0-9_-]{0,63}")
_ROLE = re.compile(r"arn:[a-z0-9-]+:iam:[A-Za-z0-9-]*:[A-Za-z0-9-]*:role/[A-Za-z0-9_+=,.@/-]{1,600}")
# of a bucket, also as MinIO calls a remote one
_DESTINATION = re.compile(r"arn:[a-z0-9-]+:[a-z0-9-]+:[A-Za-z0-9-]*:[A-Za-z0-9-]*:[a-z0-9.-]{3,63}")
_LOG_PREFIX = re.compile(r"[A-Za-z0-9._=~/-]{0,200}")
_LONGEST_DAYS = 36500


@dataclasses.dataclass(frozen=True)
class Archive:
    """Where the packs of a class go, so many days after they were put."""

    storage_class: str
    days: int


@dataclasses.dataclass(frozen=True)
class Logging:
    """Where the server writes who asked for what."""

    bucket: str
    prefix: str


@dataclasses.dataclass(frozen=True)
class Replication:
    """Where the server copies to: the ARN of a bucket, and of the role that copies (empty where it needs none)."""

    role: str
    destination: str


@dataclasses.dataclass(frozen=True)
class Storage:
    """What a bucket should be besides versioned and with object lock, which it always is.

    None leaves a setting as it is; an empty tuple, or False, takes away what this collection had set.

    :param kms_key_id: of which key, with ``sse-kms``; empty for the server's own.
    :param public_access_block: the four switches by their names.
    :param vpc_endpoints, source_networks: from where objects are reached; from either, where both are given.
    :param allowed_networks: in which the endpoint must be; no setting of the bucket.
    :param abort_uploads_days: after how many days an unfinished upload is given up; 0: no rule.
    :param archive: by retention class.
    """

    encryption: str = "none"
    kms_key_id: str = ""
    public_access_block: Mapping[str, bool] | None = None
    tls_only: bool | None = None
    vpc_endpoints: tuple[str, ...] | None = None
    source_networks: tuple[str, ...] | None = None
    allowed_networks: tuple[str, ...] = ()
    lifecycle: bool = True
    abort_uploads_days: int = 7
    archive: Mapping[str, Archive] = dataclasses.field(default_factory=dict)
    logging: Logging | None = None
    replication: Replication | None = None


@dataclasses.dataclass(frozen=True)
class Rule:
    """A lifecycle rule for the keys that start with ``prefix``, in days; None: not.

    ``expires`` after its put a version becomes noncurrent, ``removes`` after that it is gone. ``aborts`` is for
    unfinished uploads, ``archive`` for the current version.
    """

    id: str
    prefix: str
    expires: int | None = None
    removes: int | None = None
    aborts: int | None = None
    archive: Archive | None = None


def lifecycle_rules(storage: Storage, classes: Mapping[str, RetentionClass], prefix: str) -> tuple[Rule, ...]:
    """The rules by which a server lets go of what neither lock nor grace keeps, in the order of their ids.

    None for ``root/``, which stays. Packs alone are archived: manifests, bodies and points must be readable at once,
    to open a point and to verify one.

    :param classes: all that the root of the repository has, and those declared: of each there may be objects.
    :param prefix: of the repository in its bucket; empty, or ends in a slash.
    """
    longest = max(kept.days for kept in classes.values())
    rules = [_let_go(prefix, _PROBE, 1, 1)]
    for name, kept in classes.items():
        for folder in _SNAPSHOTS:
            archive = storage.archive.get(name) if folder == "packs/" else None
            rules.append(_let_go(prefix, f"{folder}{name}/", kept.days + RENEWAL_DAYS, kept.grace.days, archive))
    rules += [_let_go(prefix, folder, longest + RENEWAL_DAYS, grace(longest).days) for folder in _OF_LONGEST]
    rules.append(_let_go(prefix, _RECORDS, longest + RENEWAL_DAYS + RECORD_EXTRA_DAYS, grace(longest).days))
    if storage.abort_uploads_days:
        rules.append(Rule(f"{_RULE}{prefix}{_UPLOADS}", prefix, aborts=storage.abort_uploads_days))
    return tuple(sorted(rules, key=lambda rule: rule.id))


def is_own_rule(rule_id: str, prefix: str) -> bool:
    """Whether a lifecycle rule of this id is one of :func:`lifecycle_rules` for the repository at *prefix*."""
    below = rule_id.removeprefix(f"{_RULE}{prefix}")
    return below != rule_id and (below == _UPLOADS or below.startswith(_FOLDERS))


def _let_go(prefix: str, folder: str, expires: int, removes: int, archive: Archive | None = None) -> Rule:
    return Rule(f"{_RULE}{prefix}{folder}", f"{prefix}{folder}", expires, removes, archive=archive)


def statements(storage: Storage, bucket: str, partition: str = "aws") -> dict[str, Mapping[str, t.Any] | None]:
    """The statements that the bucket's policy must have, by their Sid; None: must not have; none asked: not there.

    Each denies: nothing here lets anybody do anything.

    :param partition: of AWS, as its ARNs begin.
    """
    found: dict[str, Mapping[str, t.Any] | None] = {}
    arn = f"arn:{partition}:s3:::{bucket}"
    if storage.tls_only is not None:
        # a request that says nothing of it is refused as well: an old Ceph says nothing of plain HTTP
        unencrypted = {"BoolIfExists": {"aws:SecureTransport": "false"}}
        found[TLS_SID] = _denied(TLS_SID, arn, ("s3:*",), unencrypted) if storage.tls_only else None
    if storage.vpc_endpoints is not None or storage.source_networks is not None:
        elsewhere: dict[str, t.Any] = {}
        if storage.vpc_endpoints:
            elsewhere["StringNotEquals"] = {"aws:SourceVpce": list(storage.vpc_endpoints)}
        if storage.source_networks:
            elsewhere["NotIpAddress"] = {"aws:SourceIp": list(storage.source_networks)}
        found[SOURCES_SID] = _denied(SOURCES_SID, arn, _OBJECT_ACTIONS, elsewhere) if elsewhere else None
    return found


def _denied(sid: str, arn: str, actions: Sequence[str], condition: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(actions),
        "Resource": [arn, f"{arn}/*"],
        "Condition": condition,
    }


def read_storage(value: t.Any, classes: Mapping[str, RetentionClass], findings: list[Finding]) -> Storage:
    """Read the option ``storage``; what is wrong is added to *findings*.

    :param classes: those that are declared, by name.
    """
    fields = read_mapping("storage", value, findings)
    read_known("storage", fields, _KEYS, findings)
    return Storage(
        **_read_encryption(fields, findings),
        public_access_block=_read_public_access(fields.get("public_access_block"), findings),
        tls_only=_flag("storage.tls_only", fields.get("tls_only"), findings),
        vpc_endpoints=_texts("storage.vpc_endpoints", fields.get("vpc_endpoints"), _VPC_ENDPOINT, findings),
        source_networks=_networks("storage.source_networks", fields.get("source_networks"), findings),
        allowed_networks=_networks("storage.allowed_networks", fields.get("allowed_networks"), findings) or (),
        lifecycle=_flag("storage.lifecycle", fields.get("lifecycle"), findings) is not False,
        abort_uploads_days=_days("storage.abort_uploads_days", fields.get("abort_uploads_days"), 7, findings),
        archive=_read_archive(fields, classes, findings),
        logging=_read_logging(fields.get("logging"), findings),
        replication=_read_replication(fields, findings),
    )


def _read_encryption(fields: Mapping[str, t.Any], findings: list[Finding]) -> dict[str, str]:
    how, key = fields.get("encryption") or "none", fields.get("kms_key_id") or ""
    if how not in ENCRYPTIONS:
        findings.append(Finding("storage.encryption", f"{how!r} is unknown", f"Give {', '.join(ENCRYPTIONS)}."))
    if key and not (isinstance(key, str) and _KMS_KEY.fullmatch(key)):
        findings.append(Finding("storage.kms_key_id", f"{key!r} names no key", "Give its id or its ARN."))
    if key and how != "sse-kms":
        findings.append(Finding("storage.kms_key_id", "is for sse-kms alone", "Set storage.encryption to sse-kms."))
    return {"encryption": str(how), "kms_key_id": str(key)}


def _read_public_access(value: t.Any, findings: list[Finding]) -> dict[str, bool] | None:
    if value is None:
        return None
    fields = read_mapping("storage.public_access_block", value, findings)
    read_known("storage.public_access_block", fields, PUBLIC_ACCESS, findings)
    return {
        name: _flag(f"storage.public_access_block.{name}", fields.get(name), findings) is not False
        for name in PUBLIC_ACCESS
    }


def _read_archive(
    fields: Mapping[str, t.Any], classes: Mapping[str, RetentionClass], findings: list[Finding]
) -> dict[str, Archive]:
    found = {}
    given_classes = read_mapping("storage.archive", fields.get("archive"), findings)
    if given_classes and fields.get("lifecycle") is False:
        findings.append(Finding("storage.archive", "takes lifecycle rules", "Leave storage.lifecycle out."))
    for name, value in given_classes.items():
        key = f"storage.archive.{name}"
        given = read_mapping(key, value, findings)
        read_known(key, given, ("storage_class", "days"), findings)
        kept = classes.get(name)
        if kept is None:
            findings.append(Finding(key, "is no retention class", f"There are: {', '.join(sorted(classes))}."))
            continue
        storage_class, days = given.get("storage_class"), given.get("days")
        if not isinstance(storage_class, str) or not _STORAGE_CLASS.fullmatch(storage_class):
            problem = f"{storage_class!r} is no storage class"
            findings.append(Finding(f"{key}.storage_class", problem, "Give one of the server, like GLACIER."))
            continue
        last = kept.days + RENEWAL_DAYS - 1
        if last < ARCHIVE_AFTER_DAYS:
            problem = f"the packs of {kept.days} days are let go of before they may be archived"
            remedy = f"Archive classes of {ARCHIVE_AFTER_DAYS - RENEWAL_DAYS + 1} days or more alone."
            findings.append(Finding(key, problem, remedy))
        elif not _whole(days) or not ARCHIVE_AFTER_DAYS <= days <= last:
            problem = f"{days!r} is no number of days after which packs of {kept.days} days may be archived"
            remedy = f"Give {ARCHIVE_AFTER_DAYS} to {last}: before, a pack may have to be read to be carried on."
            findings.append(Finding(f"{key}.days", problem, remedy))
        else:
            found[str(name)] = Archive(storage_class, days)
    return found


def _read_logging(value: t.Any, findings: list[Finding]) -> Logging | None:
    if value is None:
        return None
    fields = read_mapping("storage.logging", value, findings)
    read_known("storage.logging", fields, ("bucket", "prefix"), findings)
    bucket, prefix = fields.get("bucket"), fields.get("prefix") or ""
    if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
        findings.append(Finding("storage.logging.bucket", f"{bucket!r} is no bucket", "Give the name of another one."))
    if not isinstance(prefix, str) or not _LOG_PREFIX.fullmatch(prefix):
        findings.append(Finding("storage.logging.prefix", f"{prefix!r} is no prefix", "Give one like s3/backups/."))
    return Logging(str(bucket), str(prefix))


def _read_replication(fields: Mapping[str, t.Any], findings: list[Finding]) -> Replication | None:
    value = fields.get("replication")
    if value is None:
        return None
    if fields.get("encryption") == "sse-kms":
        # AWS copies nothing of that unless its rule names a key of the other side
        remedy = "Encrypt by sse-s3, or let the collection copy: holdfast_repository.replicas."
        findings.append(Finding("storage.replication", "does not copy what sse-kms has encrypted", remedy))
    given = read_mapping("storage.replication", value, findings)
    read_known("storage.replication", given, ("role", "destination"), findings)
    role, destination = given.get("role") or "", given.get("destination")
    if role and not (isinstance(role, str) and _ROLE.fullmatch(role)):
        remedy = "Give its ARN, like arn:aws:iam::123456789012:role/replication."
        findings.append(Finding("storage.replication.role", f"{role!r} is no role", remedy))
    if not isinstance(destination, str) or not _DESTINATION.fullmatch(destination):
        remedy = "Give its ARN, like arn:aws:s3:::backups-far."
        findings.append(Finding("storage.replication.destination", f"{destination!r} is no bucket", remedy))
    return Replication(str(role), str(destination))


def _networks(key: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...] | None:
    found = []
    for given in _listed(key, value, findings) or ():
        try:
            found.append(str(ipaddress.ip_network(given if isinstance(given, str) else "")))
        except ValueError:
            remedy = "Give an address or a network without host bits, like 10.1.0.0/16."
            findings.append(Finding(key, f"{given!r} is no network", remedy))
    return None if value is None else tuple(dict.fromkeys(found))


def _texts(key: str, value: t.Any, form: re.Pattern[str], findings: list[Finding]) -> tuple[str, ...] | None:
    listed = _listed(key, value, findings)
    findings.extend(
        Finding(key, f"{given!r} is none", "Give ids like vpce-0123456789abcdef0.")
        for given in listed or ()
        if not isinstance(given, str) or not form.fullmatch(given)
    )
    return None if listed is None else tuple(dict.fromkeys(map(str, listed)))


def _listed(key: str, value: t.Any, findings: list[Finding]) -> Sequence[t.Any] | None:
    if value is None or (isinstance(value, Sequence) and not isinstance(value, (str, bytes))):
        return value
    findings.append(Finding(key, "is not a list", "Give a list."))
    return ()


def _days(key: str, value: t.Any, default: int, findings: list[Finding]) -> int:
    if value is None:
        return default
    if not _whole(value) or not 0 <= value <= _LONGEST_DAYS:
        findings.append(Finding(key, f"{value!r} is no number of days", f"Give 0 to {_LONGEST_DAYS}; 0 is no rule."))
        return default
    return int(value)


def _whole(value: t.Any) -> t.TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(key: str, value: t.Any, findings: list[Finding]) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    findings.append(Finding(key, f"{value!r} is neither true nor false", "Give one of them."))
    return None
