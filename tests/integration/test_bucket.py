# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each server does with each setting of a bucket, tried; and the module that makes buckets, on each of them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
import secrets
import tempfile
import typing as t
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import StoreError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.storage import (
    PUBLIC_ACCESS,
    Archive,
    Logging,
    Replication,
    Storage,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_bucket import S3Bucket
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import S3Settings, read_bucket
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import storage
from ansible_collections.holdfast.config.tests.lab import molecule
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server, allow, client, policy
from ansible_collections.holdfast.config.tests.lab.s3.servers import Servers
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for

from .stores import profiles, store_at
from .test_runs import RUN, BucketLab

CLASSES = {"d0400": RetentionClass("d0400", 400, "compliance")}
HELD, NOT_HELD, REFUSED = "held", "taken, not held", "refused"
GUIDE = Path(__file__).parents[2] / "docs" / "guide_storage.md"
COLUMNS = {"versitygw": "versitygw 1.8", "minio": "MinIO", "rgw": "Ceph RGW 16.2"}
BARE = Storage(lifecycle=False)
ELSEWHERE = "10.0.0.0/8"


@dataclasses.dataclass
class Trial:
    """A server, and the place of a repository on it whose bucket is not made yet."""

    server: S3Server
    servers: Servers | None = None
    bucket: str = dataclasses.field(default_factory=lambda: f"lab-{secrets.token_hex(6)}")
    prefix: str = "/of/one"

    @property
    def s3(self) -> t.Any:
        return self.server.client()

    @property
    def of(self) -> dict[str, str]:
        return {"Bucket": self.bucket}

    def hold(self, wanted: Storage) -> str:
        """Ask for it as the module does; whether it is held, and then held without another change."""
        place = f"{self.bucket}{self.prefix}"
        settings = S3Settings(endpoint_url=self.server.endpoint, aws_ca_bundle=str(self.server.ca_path), profile=OWNER)
        bucket = S3Bucket(read_bucket(f"s3://{place}"), settings, sleep=lambda _seconds: None)
        store = store_at(self.server, place)
        try:
            storage.ready(bucket, store, wanted, CLASSES, pin=None, check=False)
        except StoreError as e:
            if "storage" not in e.details:
                raise
            return REFUSED
        again = storage.ready(bucket, store, wanted, CLASSES, pin=None, check=False)
        assert not again.changed, again
        store.probe()
        return HELD

    def takes(self, operation: str, **more: t.Any) -> bool:
        """Whether the server says that it does what it is told."""
        return says_yes(lambda: getattr(self.s3, operation)(**self.of, **more))

    def denies(self, condition: Mapping[str, t.Any], *, endpoint: str | None = None) -> bool:
        """Whether a bucket policy that denies an operator's puts under a condition is taken, and denies one."""
        arn = f"arn:aws:s3:::{self.bucket}/*"
        statement = {
            "Sid": "Trial",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": arn,
            "Condition": condition,
        }
        assert self.takes("put_bucket_policy", Policy=policy([statement]))
        return not self.puts(endpoint)

    def puts(self, endpoint: str | None = None) -> bool:
        """Whether an operator may put an object, by another endpoint if one is given."""
        self.server.grant("operator", allow(self.bucket, "PutObject"))
        s3 = self.server.client("operator")
        if endpoint is not None:
            s3 = client("s3", endpoint, self.server.keys["operator"], None)
        return says_yes(lambda: s3.put_object(**self.of, Key="of/one/packs/x", Body=b"x"))

    def anybody_reads(self, key: str) -> bool:
        """Whether somebody without keys gets an object."""
        try:
            with self.server._open(f"/{self.bucket}/{key}") as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False


def says_yes(call: Callable[[], t.Any]) -> bool:
    try:
        call()
    except botocore.exceptions.ClientError:
        return False
    return True


@contextlib.contextmanager
def plain(server: S3Server) -> Iterator[str]:
    """The server by HTTP."""
    if isinstance(server, Rgw):
        yield server.plain
    else:
        assert isinstance(server, Versitygw)
        with server.plain() as url:
            yield url


# A trial of each setting: what the server does, and that the module says so.


def made_with_lock(trial: Trial) -> str:
    return trial.hold(BARE)


def lock_of_a_bucket_that_is_there(trial: Trial) -> str:
    trial.server.make_bucket(lock=False, name=trial.bucket)
    return trial.hold(BARE)


def lifecycle(trial: Trial) -> str:
    held = trial.hold(Storage(abort_uploads_days=0))
    if held == HELD:
        let_go_of(trial)
    return held


def let_go_of(trial: Trial) -> None:
    """See that the server carries a rule out, and that it leaves what is locked."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    locked = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    rule = left_alone(trial, "of/one/.probe/")
    if isinstance(trial.server, Minio):
        # its days end at midnight; a date that is past is over at once
        rule |= {"Expiration": {"Date": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}}
        trial.s3.put_bucket_lifecycle_configuration(**trial.of, LifecycleConfiguration={"Rules": [rule]})
    for key, lock in (("packs/d0400/1", {}), (".probe/locked", locked), (".probe/old", {})):
        trial.s3.put_object(**trial.of, Key=f"of/one/{key}", Body=b"x", **lock)

    def gone() -> bool:
        # a name that no probe of the store begins like: theirs are hex, and locked
        found = trial.s3.list_object_versions(**trial.of, Prefix="of/one/.probe/old")
        if isinstance(trial.server, Minio):
            # what is noncurrent goes a day later
            return bool(found.get("DeleteMarkers"))
        # the marker goes too, in the server's next round
        return not found.get("Versions")

    wait_for(gone, "an object to be let go of")
    left = {found["Key"] for found in trial.s3.list_object_versions(**trial.of)["Versions"]}
    assert {"of/one/packs/d0400/1", "of/one/.probe/locked"} <= left
    assert "of/one/packs/d0400/1" in keys(trial)


def left_alone(trial: Trial, what: str) -> dict[str, t.Any]:
    """The rule of that id, as the module has set it, alone: a day of the lab is too short for all."""
    rules = trial.s3.get_bucket_lifecycle_configuration(**trial.of)["Rules"]
    (rule,) = (rule for rule in rules if rule["ID"] == f"holdfast:{what}")
    trial.s3.put_bucket_lifecycle_configuration(**trial.of, LifecycleConfiguration={"Rules": [rule]})
    return t.cast("dict[str, t.Any]", rule)


def abort_uploads(trial: Trial) -> str:
    held = trial.hold(Storage(abort_uploads_days=1))
    if held == HELD:
        left_alone(trial, "of/one/uploads")
        trial.s3.put_object(**trial.of, Key="of/one/packs/x", Body=b"x")
        trial.s3.create_multipart_upload(**trial.of, Key="of/one/packs/x")
        wait_for(lambda: not trial.s3.list_multipart_uploads(**trial.of).get("Uploads"), "uploads to end")
        assert "of/one/packs/x" in keys(trial)
    return held


def archive(trial: Trial) -> str:
    held = trial.hold(Storage(abort_uploads_days=0, archive={"d0400": Archive("GLACIER", 90)}))
    move = {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    expire = {"Expiration": {"Days": 1}}
    rules = [
        {"ID": name, "Status": "Enabled", "Filter": {"Prefix": f"{name}/"}, **action}
        for name, action in (("a", move), ("b", expire))
    ]
    if held == REFUSED and trial.takes("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}):
        for key in ("a/1", "b/1"):
            trial.s3.put_object(**trial.of, Key=key, Body=b"x")
        # when the second has gone twice, the first was looked at
        for _turn in range(2):
            wait_for(lambda: "b/1" not in keys(trial), "a turn of the rules")
            trial.s3.put_object(**trial.of, Key="b/1", Body=b"x")
        assert "StorageClass" not in trial.s3.head_object(**trial.of, Key="a/1")
        return NOT_HELD
    return held


def keys(trial: Trial) -> list[str]:
    return [found["Key"] for found in trial.s3.list_objects_v2(**trial.of).get("Contents", [])]


def encryption(how: str) -> Callable[[Trial], str]:
    def tried(trial: Trial) -> str:
        held = trial.hold(Storage(lifecycle=False, encryption=how, kms_key_id="lab" if how == "sse-kms" else ""))
        trial.s3.put_object(**trial.of, Key="x", Body=b"x")
        said = trial.s3.head_object(**trial.of, Key="x").get("ServerSideEncryption")
        assert said == ({"sse-s3": "AES256", "sse-kms": "aws:kms"}[how] if held == HELD else None)
        return held

    return tried


def public_access(switch: str) -> Callable[[Trial], str]:
    def tried(trial: Trial) -> str:
        trial.server.make_bucket(name=trial.bucket)
        switches = {name: name == switch for name in PUBLIC_ACCESS}
        told = {"".join(part.capitalize() for part in name.split("_")): on for name, on in switches.items()}
        open_to_all = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
        document = policy([{**open_to_all, "Resource": f"arn:aws:s3:::{trial.bucket}/policy"}])
        takes = trial.takes("put_public_access_block", PublicAccessBlockConfiguration=told)
        if not takes:
            return trial.hold(Storage(lifecycle=False, public_access_block=switches))
        private = trial.takes("put_object", Key="policy", Body=b"x")
        public = trial.takes("put_object", Key="acl", Body=b"x", ACL="public-read")
        opened = trial.takes("put_bucket_policy", Policy=document)
        works = {
            "block_public_acls": private and not public,
            "ignore_public_acls": public and not trial.anybody_reads("acl"),
            "block_public_policy": not opened,
            "restrict_public_buckets": opened and not trial.anybody_reads("policy"),
        }[switch]
        trial.takes("delete_bucket_policy")
        held = trial.hold(Storage(lifecycle=False, public_access_block=switches))
        assert held == (HELD if works else REFUSED)
        return HELD if works else NOT_HELD

    return tried


def tls_only(trial: Trial) -> str:
    held = trial.hold(Storage(lifecycle=False, tls_only=True))
    if held == REFUSED:
        # all that comes here comes by TLS
        return REFUSED if trial.denies({"Bool": {"aws:SecureTransport": "true"}}) else NOT_HELD
    with plain(trial.server) as url:
        assert trial.puts()
        assert not trial.puts(url)
        assert trial.hold(Storage(lifecycle=False, tls_only=False)) == HELD
        assert trial.puts(url)
    return held


def source_networks(trial: Trial) -> str:
    held = trial.hold(Storage(lifecycle=False, source_networks=("127.0.0.0/8",)))
    if held == REFUSED:
        return REFUSED if trial.denies({"NotIpAddress": {"aws:SourceIp": ELSEWHERE}}) else NOT_HELD
    assert trial.puts()
    # who is bound by it takes it back
    elsewhere = trial.hold(Storage(lifecycle=False, source_networks=(ELSEWHERE,)))
    assert trial.puts() is (elsewhere == REFUSED)
    assert trial.denies({"NotIpAddress": {"aws:SourceIp": ELSEWHERE}})
    return held


def vpc_endpoints(trial: Trial) -> str:
    assert trial.hold(Storage(lifecycle=False, vpc_endpoints=("vpce-01234567",))) == REFUSED
    arn = f"arn:aws:s3:::{trial.bucket}/*"
    condition = {"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": arn, "Condition": condition}
    if trial.takes("put_bucket_policy", Policy=policy([denied])):
        assert trial.puts()
        return NOT_HELD
    return REFUSED


def logging(trial: Trial) -> str:
    logs = trial.server.make_bucket(lock=False)
    return trial.hold(Storage(lifecycle=False, logging=Logging(logs, "s3/")))


def replication(trial: Trial) -> str:
    if not isinstance(trial.server, Minio):
        far = Replication("arn:aws:iam::123456789012:role/far", "arn:aws:s3:::far")
        return trial.hold(Storage(lifecycle=False, replication=far))
    assert trial.servers is not None
    other = trial.servers.get("minio-2")
    assert isinstance(other, Minio)
    for server in (trial.server, other):
        server.make_bucket(name=trial.bucket)
    arn = other.target(trial.server, trial.bucket)
    held = trial.hold(Storage(lifecycle=False, replication=Replication("", arn)))
    for key in ("elsewhere/1", "of/one/packs/1"):
        trial.s3.put_object(**trial.of, Key=key, Body=b"x")
    trial.s3.delete_object(**trial.of, Key="of/one/packs/1")
    trial.s3.put_object(**trial.of, Key="of/one/packs/2", Body=b"x")
    copied = Trial(other, trial.servers, trial.bucket)
    wait_for(lambda: "of/one/packs/2" in keys(copied), "what was put to come")
    assert [key for key in keys(copied) if ".probe" not in key] == ["of/one/packs/1", "of/one/packs/2"]
    return held


def legal_hold(trial: Trial) -> str:
    trial.server.make_bucket(name=trial.bucket)
    store = store_at(trial.server, f"{trial.bucket}/of/one")
    version = trial.s3.put_object(**trial.of, Key="of/one/x", Body=b"x")["VersionId"]
    which = {**trial.of, "Key": "of/one/x", "VersionId": version}
    store.hold("x", version, on=True)
    held = not says_yes(lambda: trial.s3.delete_object(**which))
    store.hold("x", version, on=False)
    assert says_yes(lambda: trial.s3.delete_object(**which))
    return HELD if held else NOT_HELD


TRIALS: Mapping[str, Callable[[Trial], str]] = {
    "versions and object lock of a bucket that is made": made_with_lock,
    "object lock of a bucket that is there without": lock_of_a_bucket_that_is_there,
    "`lifecycle`": lifecycle,
    "`abort_uploads_days`": abort_uploads,
    "`archive`": archive,
    "`encryption: sse-s3`": encryption("sse-s3"),
    "`encryption: sse-kms`": encryption("sse-kms"),
    **{f"`{switch}`": public_access(switch) for switch in PUBLIC_ACCESS},
    "`tls_only`": tls_only,
    "`source_networks`": source_networks,
    "`vpc_endpoints`": vpc_endpoints,
    "`logging`": logging,
    "`replication`": replication,
    "legal hold": legal_hold,
}


def table() -> dict[str, dict[str, str]]:
    """The table of the guide: by setting and server."""
    section = GUIDE.read_text(encoding="utf-8").partition("## What each server keeps\n")[2].partition("\n## ")[0]
    lines = [re.split(r"\s*\|\s*", line.strip("| \n")) for line in section.splitlines() if line.startswith("|")]
    head, _rule, *rows = lines
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


@pytest.mark.parametrize("setting", TRIALS)
def test_server_does_what_the_guide_says_of_it(s3: S3Server, servers: Servers, tmp_path: Path, setting: str) -> None:
    trial = Trial(s3, servers)
    with profiles(s3, tmp_path):
        found = TRIALS[setting](trial)
    assert found == table()[setting][COLUMNS[s3.name]]
    # a day of RGW's is too short for the rules of many buckets: what it begins anew then, it begins with the first
    trial.takes("delete_bucket_lifecycle")


def test_guide_says_nothing_that_is_not_tried() -> None:
    known = table()
    assert list(known) == list(TRIALS)
    assert {name for row in known.values() for name in row} == {*COLUMNS.values(), "AWS"}
    assert {row["AWS"] for row in known.values()} == {"not tried"}


# the module, as an owner uses it

# what each of them holds
SETTINGS: Mapping[str, Mapping[str, t.Any]] = {
    "versitygw": {"lifecycle": False, "tls_only": True},
    "minio": {"abort_uploads_days": 0, "encryption": "sse-s3"},
    "rgw": {"tls_only": True, "public_access_block": {"block_public_acls": False, "restrict_public_buckets": False}},
}


@pytest.fixture
def lab(s3: S3Server, tmp_path: Path) -> Iterator[BucketLab]:
    """A lab whose bucket is not made yet."""
    with profiles(s3, tmp_path):
        yield BucketLab(tmp_path / "lab", s3, f"lab-{secrets.token_hex(6)}/of/lab", hosts=1)


def play(lab: BucketLab, wanted: t.Any, *args: str, check: bool = False, **more: t.Any) -> t.Any:
    return lab.play([{"name": "make", "holdfast.config.repository": {"storage": wanted, **more}}], *args, check=check)


def test_bucket_and_repository_are_made_kept_and_set_back(s3: S3Server, lab: BucketLab) -> None:
    wanted = SETTINGS[s3.name]
    bucket = lab.place.partition("/")[0]
    asked = play(lab, wanted, "--diff", check=True).ok().on("make").result
    assert (asked["changed"], asked["bucket_made"], asked["root_state"]) == (True, True, "made")
    with pytest.raises(botocore.exceptions.ClientError):
        s3.client().head_bucket(Bucket=bucket)
    made = play(lab, wanted, "--diff").ok().on("make").result
    assert (made["changed"], made["bucket_made"], made["root_state"]) == (True, True, "made")
    assert {one["state"] for one in made["storage"]} == {"held", "changed"}
    again = play(lab, wanted, "--diff").ok().on("make").result
    assert (again["changed"], again["bucket_made"]) == (False, False)
    assert {one["state"] for one in again["storage"]} == {"held"}
    assert "diff" not in again or not again["diff"]
    name = spoil(s3, bucket)
    pinned = {"repository_id": made["repository_id"]}
    drifted = play(lab, wanted, "--diff", check=True, **pinned).ok().on("make").result
    assert [one["setting"] for one in drifted["storage"] if one["state"] == "differs"] == [name]
    assert list(drifted["diff"][0]["after"]) == [name]
    back = play(lab, wanted, **pinned).ok().on("make").result
    assert [one["setting"] for one in back["storage"] if one["state"] == "changed"] == [name]
    if name == "tls_only":
        document = json.loads(s3.client().get_bucket_policy(Bucket=bucket)["Policy"])
        assert [one["Sid"] for one in document["Statement"]] == ["Mine", "HoldfastTlsOnly"]


def spoil(server: S3Server, bucket: str) -> str:
    """Change a setting behind the owner's back; returns which."""
    if server.name != "versitygw":
        server.client().delete_bucket_lifecycle(Bucket=bucket)
        return "lifecycle"
    mine = {"Sid": "Mine", "Effect": "Allow", "Principal": "*", "Action": "s3:GetBucketLocation"}
    document = policy([{**mine, "Resource": f"arn:aws:s3:::{bucket}"}])
    server.client().put_bucket_policy(Bucket=bucket, Policy=document)
    return "tls_only"


def test_a_repository_may_have_the_whole_bucket(s3: S3Server, tmp_path: Path) -> None:
    wanted = Storage(
        lifecycle=s3.name != "versitygw",
        abort_uploads_days=7 if s3.name == "rgw" else 0,
        tls_only=None if s3.name == "minio" else True,
    )
    with profiles(s3, tmp_path):
        assert Trial(s3, bucket=f"lab-{secrets.token_hex(6)}", prefix="").hold(wanted) == HELD


def test_what_is_not_held_fails_by_name_and_no_root_is_put(s3: S3Server, lab: BucketLab) -> None:
    run = play(lab, {"lifecycle": False, "logging": {"bucket": "logs"}})
    assert run.rc == 2
    told = run.on("make").result
    assert "logging is refused" in told["msg"]
    assert [one["state"] for one in told["storage"] if one["setting"] == "logging"] == ["refused"]
    assert list(lab.store().list()) == []


def test_server_proves_its_locks_each_time_that_the_owner_comes(s3: S3Server, lab: BucketLab) -> None:
    bucket = lab.place.partition("/")[0]

    def probes() -> int:
        return len(s3.client().list_object_versions(Bucket=bucket, Prefix="of/lab/.probe/").get("Versions", []))

    pin = play(lab, {"lifecycle": False}).ok().on("make").result["repository_id"]
    assert probes() == 1
    lab.play([{"name": "make", "holdfast.config.repository": {"repository_id": pin}}]).ok()
    assert probes() == 2
    lab.play([{"name": "make", "holdfast.config.repository": {"repository_id": pin}}], check=True).ok()
    assert probes() == 2


def test_snapshots_of_a_host_are_held(s3: S3Server, lab: BucketLab) -> None:
    made = play(lab, {"lifecycle": False}).ok().on("make").result
    lab.variables["holdfast_repository_id"] = made["repository_id"]
    lab.play(RUN).ok()
    hold = [{"name": "hold", "holdfast.config.legal_hold": {"host": "web1"}}]
    asked = lab.play(hold, check=True).ok().on("hold").result
    assert (asked["changed"], held(lab)) == (True, {})
    put = lab.play(hold).ok().on("hold").result
    assert (put["objects"], len(put["changed_objects"])) == (4, 4)
    assert {name.partition("/")[0] for name in held(lab)} == {"packs", "manifests", "bodies", "points"}
    for name, version in held(lab).items():
        bucket, _slash, prefix = lab.place.partition("/")
        which = {"Bucket": bucket, "Key": f"{prefix}/{name}", "VersionId": version}
        assert s3.client().get_object_legal_hold(**which)["LegalHold"] == {"Status": "ON"}
    assert not lab.play(hold).ok().on("hold").result["changed"]


def held(lab: BucketLab) -> dict[str, str]:
    """The versions under legal hold, by their names."""
    store = lab.store()
    return {one.name: one.version for one in store.list() if store.with_lock(one).held}


def test_the_role_makes_a_repository_and_names_drift(minio: Minio) -> None:
    keys_of = minio.keys[OWNER]
    with tempfile.TemporaryDirectory(prefix="hf-") as home:
        known = Path(home) / "s3.json"
        bucket = f"lab-{secrets.token_hex(6)}"
        known.write_text(json.dumps({"endpoint": minio.endpoint, "ca": str(minio.ca_path), "bucket": bucket}))
        molecule.run(
            "storage",
            home,
            HOLDFAST_LAB_S3=str(known),
            AWS_ACCESS_KEY_ID=keys_of.access,
            AWS_SECRET_ACCESS_KEY=keys_of.secret,
            AWS_EC2_METADATA_DISABLED="true",
        )
