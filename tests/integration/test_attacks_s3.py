# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody with each identity's keys can do to a repository on each server, tried; and that the pages say so."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.tests.lab.s3.identities import (
    DENIED,
    DENIED_ACLS,
    DENIED_ON_MINIO,
    HOLDS,
    LISTS,
    PUTS,
    READS,
    RIGHTS,
    admit,
)
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import (
    IDENTITIES,
    OWNER,
    Keys,
    S3Server,
    allow,
    client,
    policy,
)
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for

from . import test_runs as runs
from .attacks_page import PAGE, Measured, between, differences, holes_table, measure, table, unfounded, ways_table
from .attempts_s3 import ATTEMPTS, DAY, lock, now
from .holes_s3 import HOLES
from .scene_s3 import LostError, Scene
from .stores import profiles
from .test_runs import BucketLab

GUIDE = Path(__file__).parents[2] / "docs" / "guide_storage.md"

template = runs.template
new_lab = runs.new_lab


@pytest.fixture(scope="module")
def measured(s3: S3Server) -> Iterator[Measured]:
    """Everything, tried once on each server; what owners gave away meanwhile is taken back, for who uses it next."""
    yield measure(s3)
    for identity in IDENTITIES[1:]:
        s3.grant(identity)


# the pages


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def rows_of(text: str) -> list[list[str]]:
    """The rows of a table, without its head."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"][
        2:
    ]


def test_attempts_and_holes_have_one_name() -> None:
    titles = [attempt.title for attempt in ATTEMPTS]
    assert len(titles) == len(set(titles))
    assert {hole.attempt for hole in HOLES} <= set(titles)
    assert between(page(), "holes") == holes_table()


def test_the_guide_says_the_rights_that_are_tried() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    text = text[text.index("## Rights") :].split("\n## ")[0]
    told = set(re.findall(r"`([^`]+)`", text))
    assert {*READS, *LISTS, *PUTS, *HOLDS, *DENIED, *DENIED_ACLS, *DENIED_ON_MINIO} <= told
    rows = {row[0]: set(re.findall(r"`([^`]+)`", row[1])) for row in rows_of(text) if row[0] in RIGHTS}
    assert rows == {identity: set(rights.puts) for identity, rights in RIGHTS.items()}
    assert set(RIGHTS["custodian"].holds) <= told


# on each server


def test_nobody_does_more_or_less_than_is_his_right_or_a_hole_that_is_known(measured: Measured) -> None:
    assert differences(measured) == []


def test_every_hole_is_one(measured: Measured) -> None:
    assert unfounded(measured) == []


def test_the_page_says_what_was_measured(measured: Measured) -> None:
    assert table(measured) == between(page(), measured.server.name)
    kind = ["versitygw", "minio", "rgw"].index(measured.server.name) + 1
    said = [[row[0], row[kind]] for row in rows_of(between(page(), "ways"))]
    assert rows_of(ways_table([measured])) == said


def test_a_broken_lock_would_be_seen(versitygw: Versitygw) -> None:
    scene = Scene(versitygw, OWNER)
    for prize in scene.prizes:
        scene.keep(prize)
    governed = scene.governed
    with pytest.raises(LostError, match="weaker lock"):
        scene.keep(governed)
    with pytest.raises(LostError, match="other bytes"):
        scene.keep(dataclasses.replace(scene.other, data=b"forged"))
    which = {"Bucket": scene.bucket, "Key": governed.key, "VersionId": governed.version}
    scene.owner.delete_object(**which, BypassGovernanceRetention=True)
    with pytest.raises(LostError, match="not there"):
        scene.keep(governed)


def test_a_lifecycle_of_its_owner_takes_what_is_not_locked_alone(s3: S3Server) -> None:
    if s3.name == "versitygw":
        # it has none
        return
    bucket, owner = s3.make_bucket(), s3.client(OWNER)
    locked = owner.put_object(Bucket=bucket, Key="locked", Body=b"a pack", **lock(30))["VersionId"]
    free = owner.put_object(Bucket=bucket, Key="free", Body=b"x")["VersionId"]
    for key in ("locked", "free"):
        owner.put_object(Bucket=bucket, Key=key, Body=b"newer")
    days = {"NoncurrentDays": 1} if s3.name == "rgw" else {"NewerNoncurrentVersions": 1}
    if s3.name == "minio":
        owner.put_object(Bucket=bucket, Key="free", Body=b"newest")
        owner.put_object(Bucket=bucket, Key="locked", Body=b"newest")
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": days}
    owner.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    wait_for(lambda: free not in versions_in(owner, bucket), "the lifecycle")
    assert locked in versions_in(owner, bucket)
    assert owner.get_object(Bucket=bucket, Key="locked", VersionId=locked)["Body"].read() == b"a pack"


def versions_in(owner: t.Any, bucket: str) -> set[str]:
    return {one["VersionId"] for one in owner.list_object_versions(Bucket=bucket).get("Versions", [])}


def test_a_session_on_minio_outlives_its_secret_and_ends_with_its_user(minio: Minio) -> None:
    bucket = minio.make_bucket()
    user = Keys("AKthief", "a-secret-that-was-stolen")

    def have(keys: Keys) -> None:
        minio.admin.add_user(keys)
        minio.admin.set_policy(keys.access, "lab-thief", policy([allow(bucket, "ListBucketVersions")]))

    have(user)
    told = client("sts", minio.endpoint, user, minio.ca_path).assume_role(
        RoleArn="arn:aws:iam:::role/any", RoleSessionName="thief", DurationSeconds=365 * 86400
    )["Credentials"]
    assert told["Expiration"] > now() + 364 * DAY
    keys = Keys(told["AccessKeyId"], told["SecretAccessKey"])
    session = client("s3", minio.endpoint, keys, minio.ca_path, token=told["SessionToken"])
    have(Keys(user.access, "a-secret-that-is-new"))
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        client("s3", minio.endpoint, user, minio.ca_path).list_object_versions(Bucket=bucket)
    session.list_object_versions(Bucket=bucket)
    minio.admin.disable_user(user.access)
    with pytest.raises(botocore.exceptions.ClientError, match=r"InvalidAccessKeyId|AccessDenied"):
        session.list_object_versions(Bucket=bucket)


# whole runs


def test_each_identity_does_its_work_and_what_others_add_disturbs_none(
    new_lab: Callable[..., BucketLab], s3: S3Server
) -> None:
    lab = new_lab(s3, 1)
    bucket, _slash, prefix = lab.place.partition("/")
    admit(s3, bucket, prefix)
    halves = lab.path / "halves"
    shutil.move(lab.path / "keyring", halves)

    def become(identity: str, *parts: str) -> None:
        lab.identity = identity
        shutil.rmtree(lab.path / "keyring", ignore_errors=True)
        for part in parts:
            shutil.copytree(halves / part, lab.path / "keyring" / part)

    become("operator", "seal")
    assert lab.play(runs.RUN).ok().report["complete"]
    clutter(lab)
    lab.change("web1")
    assert runs.reasons(lab.play(runs.RUN).ok()) == {"web1": "drift"}
    become("restorer", "open")
    lab.play([runs.restore(lab)]).ok()
    assert runs.came_back(lab, "web1")
    become("auditor")
    stored = lab.stored()
    run = lab.play([runs.verify(level) for level in runs.LEVELS[:3]]).ok()
    assert lab.stored() == stored
    found = " ".join(finding["item"] for finding in run.on("content").result["findings"])
    assert all(f"{kind}/" in found for kind in ("packs", "manifests", "bodies", "points")), found
    become(OWNER, "seal", "open")
    lab.sound()


def clutter(lab: BucketLab) -> None:
    """Add all that whoever holds an operator's keys can add, as far as the server takes it."""
    bucket, _slash, prefix = lab.place.partition("/")
    s3 = lab.server.client("operator")
    names = [name.rpartition("@")[0] for name in lab.stored()]
    folders = sorted({f"{name.rpartition('/')[0]}/" for name in names})
    junk = ["points/x/../../root/3-x.json", "points/./2026-11-26", "points//x", "points/9/x", "packs/a/b/c/d/e/f"]
    added = 0
    for name in (*names, *folders, *(f"{name}/below" for name in names), *junk):
        for how in ({}, lock(), lock(36500, "GOVERNANCE")):
            with contextlib.suppress(botocore.exceptions.ClientError):
                s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"" if name.endswith("/") else b"x", **how)
                added += 1
    assert added >= 3 * (len(names) - 1)


def test_only_its_owner_makes_a_repository(s3: S3Server, tmp_path: Path) -> None:
    with profiles(s3, tmp_path):
        lab = BucketLab(tmp_path / "lab", s3, f"{s3.make_bucket()}/of/lab", hosts=1)
        bucket, _slash, prefix = lab.place.partition("/")
        admit(s3, bucket, prefix)
        lab.identity = "operator"
        run = lab.play(runs.MAKE)
        assert run.rc == 2
        assert "AccessDenied" in run.on("make").message
        assert versions_in(s3.client(OWNER), bucket) == set()
