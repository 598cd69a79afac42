# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody with an identity's keys may try on a bucket that holds a repository, and who has a right to it.

An attempt that comes back has been taken by the server; what it has done is for :mod:`.scene_s3` to see.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import re
import secrets
import ssl
import typing as t
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible_collections.holdfast.config.tests.lab.s3.identities import RIGHTS
from ansible_collections.holdfast.config.tests.lab.s3.minio_admin import MinioAdmin
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, Keys, S3Server, client, policy
from ansible_collections.holdfast.config.tests.lab.s3.signed import RefusedError, Signed
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw

DAY = dt.timedelta(days=1)
_CODE = re.compile(rb'<Code>(\w+)</Code>|"Code":\s*"(\w+)"')

NOBODY: frozenset[str] = frozenset()
OWNERS = frozenset({OWNER})
#: The owner where his keys are the server's own, as on versitygw and MinIO here.
ROOT = frozenset({"root"})
PUTTERS = frozenset({identity for identity, rights in RIGHTS.items() if rights.puts})
HOLDERS = frozenset({identity for identity, rights in RIGHTS.items() if rights.holds})
READERS = frozenset(RIGHTS)


class RefusalError(Exception):
    """The server has said no, in an answer that is no error of boto3's."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Prize:
    """A version that lies in the bucket.

    :param key: with the prefix.
    :param until: the end of its lock, if it has one.
    """

    key: str
    version: str
    data: bytes
    until: dt.datetime | None


@dataclass
class Attacker:
    """Somebody with keys of a server, and what he is after.

    :param prize: what is attacked now: one of the locked versions.
    :param held: a version that a legal hold alone keeps.
    :param other: another locked version.
    :param governed: one that is locked in mode governance.
    """

    server: S3Server
    identity: str
    bucket: str
    prefix: str
    prize: Prize
    held: Prize
    other: Prize
    governed: Prize
    keys: Keys = field(init=False)
    s3: t.Any = field(init=False)

    def __post_init__(self) -> None:
        self.keys = self.server.keys[self.identity]
        self.s3 = self.server.client(self.identity)

    @property
    def at(self) -> dict[str, t.Any]:
        """The newest of the prize's name."""
        return {"Bucket": self.bucket, "Key": self.prize.key}

    @property
    def which(self) -> dict[str, t.Any]:
        """The prize's own version."""
        return {**self.at, "VersionId": self.prize.version}

    def of(self, name: str) -> dict[str, t.Any]:
        """A name of the repository."""
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{name}"}

    def own(self) -> dict[str, t.Any]:
        """A new name, of those that this identity may put if it may put any."""
        return self.of(own_name(self.identity))

    def signed(self) -> Signed:
        """Requests that boto3 has no call for."""
        return Signed(self.server.endpoint, self.keys, self.server.ca_path)


def own_name(identity: str) -> str:
    """A new name below what an identity may put; a pack's for who may put none."""
    puts = RIGHTS[identity].puts if identity in RIGHTS and RIGHTS[identity].puts else RIGHTS["operator"].puts
    return f"{puts[0].removesuffix('/*').replace('*', 'd0030')}/20261126T000000Z-{secrets.token_hex(32)}"


def lock(days: int = 1, mode: str = "COMPLIANCE") -> dict[str, t.Any]:
    """The lock of a put."""
    return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": now() + days * DAY}


def now() -> dt.datetime:
    """In whole seconds, as locks are."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


Does = Callable[[Attacker], object]


@dataclass(frozen=True)
class Attempt:
    """One thing to try.

    :param does: tries it; what it returns is what a reader has gained.
    :param right: who may do it by right.
    :param kind: ``object`` is tried on each locked version, and is a right there where the identity may put its name;
        ``hold`` too, where it may set holds; ``held`` and ``governed`` on those; ``put`` adds something;
        ``read`` and ``keys`` gain what they return; ``bucket`` changes settings.
    """

    title: str
    does: Does
    right: frozenset[str]
    kind: str


ATTEMPTS: list[Attempt] = []


def attempt(title: str, *, kind: str, right: frozenset[str] = NOBODY) -> Callable[[Does], Does]:
    """Have a function tried."""

    def add(does: Does) -> Does:
        ATTEMPTS.append(Attempt(title, does, right, kind))
        return does

    return add


def _errors(answer: Mapping[str, t.Any]) -> None:
    """A delete of many answers 200, and says of each that it was refused."""
    for error in answer.get("Errors", []):
        raise RefusalError(403 if error["Code"] == "AccessDenied" else 400, error["Code"])


# what is locked


@attempt("delete a locked version", kind="object")
def _delete(a: Attacker) -> None:
    a.s3.delete_object(**a.which)


@attempt("delete it and claim to bypass its lock", kind="object")
def _bypass(a: Attacker) -> None:
    a.s3.delete_object(**a.which, BypassGovernanceRetention=True)


@attempt("delete it among many, with bypass", kind="object")
def _many(a: Attacker) -> None:
    objects = [{"Key": a.prize.key, "VersionId": a.prize.version}]
    _errors(a.s3.delete_objects(Bucket=a.bucket, Delete={"Objects": objects}, BypassGovernanceRetention=True))


@attempt("shorten its lock, with bypass", kind="object")
def _shorten(a: Attacker) -> None:
    _retain(a, {"Mode": "COMPLIANCE", "RetainUntilDate": now() + dt.timedelta(seconds=60)})


@attempt("make its lock governance, with bypass", kind="object")
def _weaken(a: Attacker) -> None:
    assert a.prize.until
    _retain(a, {"Mode": "GOVERNANCE", "RetainUntilDate": a.prize.until + 9 * DAY})


@attempt("make its lock empty, with bypass", kind="object")
def _empty(a: Attacker) -> None:
    _retain(a, {})


def _retain(a: Attacker, retention: Mapping[str, t.Any]) -> None:
    a.s3.put_object_retention(**a.which, Retention=retention, BypassGovernanceRetention=True)


@attempt("make its lock longer", kind="object", right=PUTTERS | OWNERS)
def _extend(a: Attacker) -> None:
    assert a.prize.until
    a.s3.put_object_retention(
        **a.which, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": a.prize.until + secrets.randbelow(9) * DAY + DAY}
    )


@attempt("make its lock longer, with bypass", kind="object", right=PUTTERS | OWNERS)
def _extend_bypass(a: Attacker) -> None:
    assert a.prize.until
    _retain(a, {"Mode": "COMPLIANCE", "RetainUntilDate": a.prize.until + secrets.randbelow(9) * DAY + DAY})


@attempt("put a legal hold on it", kind="hold", right=HOLDERS | OWNERS)
def _hold(a: Attacker) -> None:
    a.s3.put_object_legal_hold(**a.which, LegalHold={"Status": "ON"})


@attempt("delete what a legal hold alone keeps, with bypass", kind="held")
def _delete_held(a: Attacker) -> None:
    a.s3.delete_object(Bucket=a.bucket, Key=a.held.key, VersionId=a.held.version, BypassGovernanceRetention=True)


@attempt("take a legal hold away", kind="held", right=HOLDERS | OWNERS)
def _release(a: Attacker) -> None:
    a.s3.put_object_legal_hold(Bucket=a.bucket, Key=a.held.key, VersionId=a.held.version, LegalHold={"Status": "OFF"})


@attempt("lock what has no lock, with bypass", kind="held", right=OWNERS | {"operator"})
def _lock(a: Attacker) -> None:
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": now() + DAY}
    which = {"Bucket": a.bucket, "Key": a.held.key, "VersionId": a.held.version}
    a.s3.put_object_retention(**which, Retention=retention, BypassGovernanceRetention=True)


@attempt("shorten a lock in mode governance, with bypass", kind="governed", right=OWNERS)
def _shorten_governed(a: Attacker) -> None:
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": now() + DAY}
    _of_governed(a, a.s3.put_object_retention, Retention=retention, BypassGovernanceRetention=True)


@attempt("make a lock in mode governance one of compliance that ends soon, with bypass", kind="governed", right=OWNERS)
def _end_governed(a: Attacker) -> None:
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": now() + dt.timedelta(seconds=3600)}
    _of_governed(a, a.s3.put_object_retention, Retention=retention, BypassGovernanceRetention=True)


@attempt("delete what is locked in mode governance, with bypass", kind="governed", right=OWNERS)
def _delete_governed(a: Attacker) -> None:
    _of_governed(a, a.s3.delete_object, BypassGovernanceRetention=True)


def _of_governed(a: Attacker, call: Callable[..., object], **more: t.Any) -> None:
    call(Bucket=a.bucket, Key=a.governed.key, VersionId=a.governed.version, **more)


@attempt("put a delete marker", kind="object", right=OWNERS)
def _mark(a: Attacker) -> None:
    a.s3.delete_object(**a.at)


@attempt("put a delete marker on another among many", kind="put", right=OWNERS)
def _mark_many(a: Attacker) -> None:
    _errors(a.s3.delete_objects(Bucket=a.bucket, Delete={"Objects": [{"Key": a.other.key}]}))


@attempt("put another version under its name", kind="object", right=PUTTERS | OWNERS)
def _overwrite(a: Attacker) -> None:
    a.s3.put_object(**a.at, Body=b"forged", **lock())


@attempt("copy something else over it", kind="object", right=PUTTERS | OWNERS)
def _copy(a: Attacker) -> None:
    source = {"Bucket": a.bucket, "Key": a.other.key, "VersionId": a.other.version}
    a.s3.copy_object(**a.at, CopySource=source, **lock())


@attempt("change its tags", kind="object", right=OWNERS)
def _tag(a: Attacker) -> None:
    tags = [{"Key": "expire", "Value": secrets.token_hex(4)}]
    a.s3.put_object_tagging(**a.which, Tagging={"TagSet": tags})


@attempt("remove its tags", kind="object", right=OWNERS)
def _untag(a: Attacker) -> None:
    a.s3.delete_object_tagging(**a.which)


@attempt("make it public", kind="object", right=OWNERS)
def _publish(a: Attacker) -> None:
    a.s3.put_object_acl(**a.which, ACL="public-read")


@attempt("have it restored from an archive", kind="object", right=OWNERS)
def _restore(a: Attacker) -> None:
    a.s3.restore_object(**a.which, RestoreRequest={"Days": 1})


# what is read


@attempt("read a version, which is ciphertext or names", kind="read", right=READERS | OWNERS)
def _read(a: Attacker) -> object:
    return a.s3.get_object(**a.which)["Body"].read()


@attempt("read it by a presigned URL, without keys", kind="read", right=READERS | OWNERS)
def _presigned(a: Attacker) -> object:
    s3 = client("s3", a.server.endpoint, a.keys, a.server.ca_path, signature_version="s3v4")
    return fetched(a.server, s3.generate_presigned_url("get_object", a.which, ExpiresIn=60))


@attempt("read what lies outside, by a name that climbs", kind="read", right=OWNERS)
def _climb(a: Attacker) -> object:
    return a.s3.get_object(**a.of("../../another/secret"))["Body"].read()


@attempt("list all versions", kind="read", right=READERS | OWNERS)
def _list(a: Attacker) -> object:
    return a.s3.list_object_versions(Bucket=a.bucket, Prefix=f"{a.prefix}/").get("Versions")


@attempt("list without versions", kind="read", right=OWNERS)
def _list_newest(a: Attacker) -> object:
    return a.s3.list_objects_v2(Bucket=a.bucket, Prefix=f"{a.prefix}/").get("Contents")


@attempt("read what lies outside of the prefix", kind="read", right=OWNERS)
def _read_other(a: Attacker) -> object:
    return a.s3.get_object(Bucket=a.bucket, Key="another/secret")["Body"].read()


def fetched(server: S3Server, url: str, **more: t.Any) -> bytes:
    """What a URL gives to somebody without keys; raises RefusalError."""
    try:
        with _opener(str(server.ca_path)).open(urllib.request.Request(url, **more), timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as e:
        raise RefusalError(e.code, code_in(e.read())) from None


@functools.cache
def _opener(ca_path: str) -> urllib.request.OpenerDirector:
    trust = ssl.create_default_context(cafile=ca_path)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))


def code_in(text: bytes) -> str:
    """The code in an answer that is XML or JSON."""
    found = _CODE.search(text)
    return (found[1] or found[2]).decode() if found else ""


# what is put


@attempt("put a new object of its own, locked", kind="put", right=PUTTERS | OWNERS)
def _put(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", **lock())


@attempt("put one without a lock", kind="put", right=PUTTERS | OWNERS)
def _unlocked(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x")


@attempt("put one locked in mode governance", kind="put", right=PUTTERS | OWNERS)
def _governed(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", **lock(mode="GOVERNANCE"))


@attempt("put one whose lock is over", kind="put")
def _past(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", **lock(-1))


@attempt("put one locked for a hundred years", kind="put", right=PUTTERS | OWNERS)
def _century(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", **lock(36500))


@attempt("put one with a legal hold", kind="put", right=OWNERS)
def _put_held(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", ObjectLockLegalHoldStatus="ON", **lock())


@attempt("put one in parts without a lock", kind="put", right=PUTTERS | OWNERS)
def _parts(a: Attacker) -> None:
    where = a.own()
    upload = {**where, "UploadId": a.s3.create_multipart_upload(**where)["UploadId"]}
    part = a.s3.upload_part(**upload, PartNumber=1, Body=b"x")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    a.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


@attempt("put one that everybody may read", kind="read", right=OWNERS)
def _put_public(a: Attacker) -> object:
    return _published(a, {"ACL": "public-read"})


@attempt("put one that everybody may read, by a grant", kind="read", right=OWNERS)
def _put_granted(a: Attacker) -> object:
    return _published(a, {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'})


def _published(a: Attacker, rights: Mapping[str, str]) -> object:
    where = a.own()
    a.s3.put_object(**where, Body=b"x", **lock(), **rights)
    with contextlib.suppress(RefusalError):
        return fetched(a.server, f"{a.server.endpoint}/{where['Bucket']}/{where['Key']}")
    return None


@attempt("put one with tags", kind="put", right=OWNERS)
def _put_tagged(a: Attacker) -> None:
    a.s3.put_object(**a.own(), Body=b"x", Tagging="expire=yes", **lock())


def _elsewhere(title: str, name: str, right: frozenset[str] = OWNERS) -> None:
    @attempt(title, kind="put", right=right)
    def _put_there(a: Attacker) -> None:
        a.s3.put_object(**a.of(name), Body=b"" if name.endswith("/") else b"x", **lock())


_elsewhere("put a root link", "root/2-x.json")
_elsewhere("put a point", "points/2026-11-26/x", OWNERS | {"operator"})
_elsewhere("put a record of a retirement", "records/retired/2026-11/x", OWNERS | {"custodian"})
_elsewhere("put a record of a run or restore that begins", "records/audit/2026-11/x", OWNERS | {"operator", "restorer"})
_elsewhere("put a record of a restore", "records/restore/2026-11/x", OWNERS | {"restorer"})
_elsewhere("put below a name that the proof uses", ".probe/x")
_elsewhere("put an object named like a folder", "points/2026-11-26")
_elsewhere("put one named like a folder, with its slash", "points/2026-11-26/")
_elsewhere("put a root link by a name that climbs", "points/x/../../root/3-x.json")
_elsewhere("put a folder's name by one that stays", "points/./2026-11-26")
_elsewhere("put a folder's name by a doubled slash", "points//2026-11-26")


@attempt("put below a name that is an object", kind="object", right=OWNERS)
def _below(a: Attacker) -> None:
    a.s3.put_object(Bucket=a.bucket, Key=f"{a.prize.key}/below", Body=b"x", **lock())


@attempt("put outside of the prefix", kind="put", right=OWNERS)
def _outside(a: Attacker) -> None:
    a.s3.put_object(Bucket=a.bucket, Key="another/x", Body=b"x", **lock())


@attempt("break off an upload of an operator", kind="read", right=OWNERS | {"operator"})
def _abort(a: Attacker) -> object:
    where = a.of(own_name("operator"))
    upload = a.server.client("operator").create_multipart_upload(**where)["UploadId"]
    a.s3.abort_multipart_upload(**where, UploadId=upload)
    left = a.server.client(OWNER).list_multipart_uploads(Bucket=a.bucket).get("Uploads", [])
    return upload not in {one["UploadId"] for one in left}


# the bucket


@attempt("suspend versions", kind="bucket")
def _suspend(a: Attacker) -> None:
    a.s3.put_bucket_versioning(Bucket=a.bucket, VersioningConfiguration={"Status": "Suspended"})


@attempt("make the default lock governance", kind="bucket", right=OWNERS)
def _weak_default(a: Attacker) -> None:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    a.s3.put_object_lock_configuration(
        Bucket=a.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )


@attempt("remove the default lock", kind="bucket", right=OWNERS)
def _no_default(a: Attacker) -> None:
    a.s3.put_object_lock_configuration(Bucket=a.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})


@attempt("switch object lock off", kind="bucket")
def _no_lock(a: Attacker) -> None:
    a.s3.put_object_lock_configuration(Bucket=a.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Disabled"})


@attempt("have everything expire", kind="bucket", right=OWNERS)
def _expire(a: Attacker) -> None:
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    a.s3.put_bucket_lifecycle_configuration(Bucket=a.bucket, LifecycleConfiguration={"Rules": [rule]})


@attempt("remove the lifecycle", kind="bucket", right=OWNERS)
def _no_lifecycle(a: Attacker) -> None:
    a.s3.delete_bucket_lifecycle(Bucket=a.bucket)


@attempt("let everybody read by a bucket policy", kind="bucket", right=OWNERS)
def _policy(a: Attacker) -> None:
    everybody = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{a.bucket}/*"],
    }
    a.s3.put_bucket_policy(Bucket=a.bucket, Policy=policy([everybody]))


@attempt("remove the bucket policy", kind="bucket", right=OWNERS)
def _no_policy(a: Attacker) -> None:
    a.s3.delete_bucket_policy(Bucket=a.bucket)


@attempt("make the bucket public", kind="bucket", right=OWNERS)
def _public_bucket(a: Attacker) -> None:
    a.s3.put_bucket_acl(Bucket=a.bucket, ACL="public-read-write")


@attempt("let ACLs count again", kind="bucket", right=OWNERS)
def _ownership(a: Attacker) -> None:
    a.s3.put_bucket_ownership_controls(
        Bucket=a.bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )


@attempt("remove the block of public access", kind="bucket", right=OWNERS)
def _no_block(a: Attacker) -> None:
    a.s3.delete_public_access_block(Bucket=a.bucket)


@attempt("change encryption at rest", kind="bucket", right=OWNERS)
def _encryption(a: Attacker) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    a.s3.put_bucket_encryption(Bucket=a.bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


@attempt("replicate to a bucket of his own", kind="bucket", right=OWNERS)
def _replicate(a: Attacker) -> None:
    rule = {
        "ID": "out",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::elsewhere"},
    }
    a.s3.put_bucket_replication(Bucket=a.bucket, ReplicationConfiguration={"Role": "", "Rules": [rule]})


@attempt("stop replication", kind="bucket", right=OWNERS)
def _no_replication(a: Attacker) -> None:
    a.s3.delete_bucket_replication(Bucket=a.bucket)


@attempt("switch the access log off", kind="bucket", right=OWNERS)
def _no_logging(a: Attacker) -> None:
    a.s3.put_bucket_logging(Bucket=a.bucket, BucketLoggingStatus={})


@attempt("delete the bucket", kind="bucket")
def _no_bucket(a: Attacker) -> None:
    a.s3.delete_bucket(Bucket=a.bucket)


# keys and rights


@attempt("make keys of his own", kind="keys", right=ROOT)
def _own_key(a: Attacker) -> object:
    made = Keys(f"AK{secrets.token_hex(6)}", secrets.token_hex(20))
    if a.server.name == "minio":
        with _told():
            _minio(a).add_own_key(made)
    elif a.server.name == "rgw":
        _asked(a, "PUT", "/admin/user", {"key": "", "uid": a.identity, "access-key": made.access})
    else:
        _iam(a).create_access_key(UserName=a.identity)
    return True


@attempt("make another user", kind="keys", right=ROOT)
def _user(a: Attacker) -> object:
    name = f"thief-{secrets.token_hex(4)}"
    if a.server.name == "minio":
        with _told():
            _minio(a).add_user(Keys(name, secrets.token_hex(20)))
    elif a.server.name == "rgw":
        _asked(a, "PUT", "/admin/user", {"uid": name, "display-name": name})
    else:
        _iam(a).create_user(UserName=name)
    return True


@attempt("give himself more rights", kind="keys", right=ROOT)
def _more_rights(a: Attacker) -> object:
    everything = policy([{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}])
    who = "outsider" if a.identity == OWNER else a.identity
    if a.server.name == "minio":
        with _told():
            _minio(a).set_policy(a.server.keys[who].access, "lab-more", everything)
    else:
        _iam(a).put_user_policy(UserName=who, PolicyName="lab", PolicyDocument=everything)
    return True


@attempt("assume a role that may delete and put all", kind="keys", right=ROOT)
def _assume(a: Attacker) -> object:
    """A session is no gain by itself: what is tried with it is what its user may not do."""
    sts = client("sts", a.server.endpoint, a.keys, a.server.ca_path)
    everything = policy([{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}])
    told = sts.assume_role(
        RoleArn="arn:aws:iam:::role/all", RoleSessionName="thief", Policy=everything, DurationSeconds=900
    )["Credentials"]
    keys = Keys(told["AccessKeyId"], told["SecretAccessKey"])
    s3 = client("s3", a.server.endpoint, keys, a.server.ca_path, token=told["SessionToken"])
    s3.put_object(**a.of("root/2-session.json"), Body=b"x", **lock())
    return True


@attempt("ask the server's administration for the bucket", kind="keys")
def _purge(a: Attacker) -> object:
    if a.server.name == "rgw":
        _asked(a, "DELETE", "/admin/bucket", {"bucket": a.bucket, "purge-objects": "true"})
    elif a.server.name == "minio":
        # a folder with all that is in it, by a header of its own
        _asked(a, "DELETE", f"/{a.bucket}", {}, {"x-minio-force-delete": "true"})
    else:
        _asked(a, "PATCH", "/change-bucket-owner", {"bucket": a.bucket, "owner": a.keys.access})
    return True


def _iam(a: Attacker) -> t.Any:
    assert isinstance(a.server, Versitygw | Rgw)
    return a.server.iam_as(a.keys)


def _minio(a: Attacker) -> MinioAdmin:
    return MinioAdmin(a.server.endpoint, a.keys, a.server.ca_path)


@contextlib.contextmanager
def _told() -> t.Iterator[None]:
    try:
        yield
    except RefusedError as e:
        raise RefusalError(int(str(e).split(": ")[1][:3]), code_in(str(e).encode())) from None


def _asked(
    a: Attacker, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> None:
    status, body = a.signed().send(method, path, query, unsigned=headers)
    if status >= 300:
        raise RefusalError(status, code_in(body))
