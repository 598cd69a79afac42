# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the S3 store does beyond the promise of every store, on real servers and behind a proxy that fails or lies."""

from __future__ import annotations

import datetime as dt
import io
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.aws import session
from ansible_collections.holdfast.config.plugins.plugin_utils.aws.handover import Handover
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    DeniedError,
    ExpiredError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store import connect
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store, Stored
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.proxy import Archive, Direction, Fault, Lie, proxy
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server, allow
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.aws.test_handover import forked
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.store.conformance import NAME, put

from .stores import profiles, store_at

PART = 5 * 1024 * 1024  # the least that S3 takes for a part that is not the last
LARGE = os.urandom(2 * PART + 1000)
READ = ("GetObject", "GetObjectVersion", "ListBucketVersions", "GetBucketObjectLockConfiguration")


@pytest.fixture
def place(s3: S3Server, tmp_path: Path) -> Iterator[str]:
    """A bucket with object lock and a prefix in it, with profiles for its identities."""
    with profiles(s3, tmp_path):
        yield f"{s3.make_bucket()}/of/one"


def of(place: str) -> tuple[str, str]:
    bucket, _slash, prefix = place.partition("/")
    return bucket, f"{prefix}/{NAME}"


def versions(store: Store) -> list[str]:
    return [listed.version for listed in store.list(NAME)]


def put_large(store: Store, data: bytes = LARGE) -> Stored:
    return store.put_new(NAME, io.BytesIO(data), lock_until=store.clock() + dt.timedelta(days=30))


def parts_left(s3: S3Server, place: str) -> list[t.Any]:
    return s3.client().list_multipart_uploads(Bucket=of(place)[0]).get("Uploads", [])


# locks


def test_server_holds_what_was_put(s3: S3Server, place: str) -> None:
    stored = put(store_at(s3, place), NAME, b"sealed")
    bucket, key = of(place)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.client().delete_object(Bucket=bucket, Key=key, VersionId=stored.version, BypassGovernanceRetention=True)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    assert s3.client().head_object(Bucket=bucket, Key=key)["ObjectLockMode"] == "COMPLIANCE"


def test_parts_are_locked_too(s3: S3Server, place: str) -> None:
    store = store_at(s3, place, single_bytes=PART)
    asked = store.clock() + dt.timedelta(days=30)
    stored = put_large(store)
    assert stored.lock_until >= asked
    assert store.get(NAME) == LARGE
    bucket, key = of(place)
    with pytest.raises(botocore.exceptions.ClientError):
        s3.client().delete_object(Bucket=bucket, Key=key, VersionId=stored.version)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_size_of_one_put(s3: S3Server, place: str, over: int) -> None:
    store = store_at(s3, place, single_bytes=PART)
    with proxy(s3) as between:
        behind = store_at(s3, place, endpoint=between.endpoint, single_bytes=PART)
        put_large(behind, LARGE[: PART + over])
        assert ("CreateMultipartUpload" in between.operations()) is (over > 0)
    assert store.get(NAME) == LARGE[: PART + over]


def test_proof_passes_and_shows_nobody_anything(s3: S3Server, place: str) -> None:
    store = store_at(s3, place)
    store.probe()
    assert store.enforced
    assert list(store.list()) == []
    left = s3.client().list_object_versions(Bucket=of(place)[0])
    assert [version["Key"].startswith("of/one/.probe/") for version in left["Versions"]] == [True]


@pytest.mark.parametrize("lie", Lie)
def test_server_that_does_not_hold_locks_is_refused_by_name(s3: S3Server, place: str, lie: Lie) -> None:
    with proxy(s3, lie=lie) as between:
        with pytest.raises(NotLockedError, match="Forgetful"):
            store_at(s3, place, endpoint=between.endpoint).probe()
        asked = between.operations()
        # to one that knows no such request it is an object
        assert lie is Lie.PRETENDS or "PutObjectRetention" not in asked
    assert all(key["Key"].startswith("of/one/.probe/") for key in all_versions(s3, place))


@pytest.mark.parametrize("lie", [Lie.FORGETS, Lie.OVERWRITES])
@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_put_is_not_believed(s3: S3Server, place: str, lie: Lie, data: bytes) -> None:
    with proxy(s3, lie=lie) as between:
        store = store_at(s3, place, endpoint=between.endpoint, single_bytes=PART)
        with pytest.raises(NotLockedError):
            put_large(store, data)
        assert "PutObjectRetention" not in between.operations()


def all_versions(s3: S3Server, place: str) -> list[t.Any]:
    return s3.client().list_object_versions(Bucket=of(place)[0]).get("Versions", [])


def test_bucket_without_lock(s3: S3Server, place: str) -> None:
    store = store_at(s3, f"{s3.make_bucket(lock=False)}/x")
    assert not store.enforced
    for call in (store.probe, lambda: put(store, NAME, b"x")):
        with pytest.raises(NotLockedError, match="no object lock"):
            call()
    assert list(store.list()) == []


def test_mode_governance_is_held_or_refused(s3: S3Server, place: str) -> None:
    store = store_at(s3, place)
    if s3.name == "minio":
        with pytest.raises(NotLockedError, match="MinIO does not hold locks in mode governance"):
            store.prove_governance()
        return
    store.prove_governance()
    stored = store.put_new(
        NAME, io.BytesIO(b"sealed"), lock_until=store.clock() + dt.timedelta(days=30), governance=True
    )
    bucket, key = of(place)
    assert s3.client().head_object(Bucket=bucket, Key=key)["ObjectLockMode"] == "GOVERNANCE"
    assert store.with_lock(next(store.list())).lock_until == stored.lock_until


# markers


def test_markers_hide_nothing(s3: S3Server, place: str) -> None:
    store = store_at(s3, place)
    bucket, key = of(place)
    first = put(store, NAME, b"one")
    marker = s3.client().delete_object(Bucket=bucket, Key=key)["VersionId"]
    assert store.get(NAME) == b"one"
    assert store.head(NAME).version == first.version
    second = put(store, NAME, b"two")
    last = s3.client().delete_object(Bucket=bucket, Key=key)["VersionId"]
    assert store.get(NAME) == b"two"
    assert store.get(NAME, version=first.version) == b"one"
    listed = [store.with_lock(one) for one in store.list()]
    assert sorted((one.version, one.marker) for one in listed) == sorted(
        [(first.version, False), (marker, True), (second.version, False), (last, True)]
    )
    assert listed[-1].version == last
    for one in listed:
        assert (one.lock_until is None) is one.marker
        assert store.head(NAME, version=one.version) == one
    for on in (True, False):
        with pytest.raises(ObjectMissingError):
            store.hold(NAME, marker, on=on)
    with pytest.raises(ObjectMissingError):
        store.get(NAME, version=marker)


def test_many_versions_of_a_name_over_many_pages(s3: S3Server, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(s3, place)
    bucket, key = of(place)
    lock = store.clock() + dt.timedelta(days=1)
    made: dict[str, list[str]] = {f"{NAME}{number}": [] for number in range(3)}
    for name, ids in made.items():
        ids += [store.put_new(name, io.BytesIO(b"x"), lock_until=lock).version for _again in range(7)]
        s3.client().delete_object(Bucket=bucket, Key=key.replace(NAME, name))
        ids += [store.put_new(name, io.BytesIO(b"x"), lock_until=lock).version for _again in range(2)]
    for size in (2, 3, 5, 8, 11):
        call = store._call
        with monkeypatch.context() as patch:
            patch.setattr(store, "_call", lambda *a, call=call, size=size, **kw: call(*a, **paged(a, kw, size)))
            listed = list(store.list())
        for name, ids in made.items():
            found = [one for one in listed if one.name == name]
            assert [one.version for one in found if not one.marker] == ids
            assert [one.marker for one in found].count(True) == 1


def paged(arguments: tuple[t.Any, ...], more: dict[str, t.Any], size: int) -> dict[str, t.Any]:
    return {**more, "MaxKeys": size} if arguments[0] == "list_object_versions" and "MaxKeys" not in more else more


# faults


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PutObject", times=3),
        Fault("PutObject", times=3, status=500, code="InternalError"),
        Fault("PutObject", cut=Direction.UP, at=3),
        Fault("HeadObject", times=2),
        Fault("GetBucketObjectLockConfiguration"),
        Fault("GetObjectLockConfiguration"),
    ],
    ids=lambda fault: f"{fault.operation}-{'cut' if fault.cut else fault.status}",
)
def test_put_survives_what_passes(s3: S3Server, place: str, fault: Fault) -> None:
    with proxy(s3, fault) as between:
        store = store_at(s3, place, endpoint=between.endpoint)
        stored = put(store, NAME, b"sealed bytes")
        assert store.get(NAME) == b"sealed bytes"
        assert versions(store) == [stored.version]


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("cut", [None, Direction.DOWN], ids=["500", "cut"])
def test_put_that_did_land_is_not_doubled(s3: S3Server, place: str, data: bytes, cut: Direction | None) -> None:
    operation = "PutObject" if len(data) < PART else "CompleteMultipartUpload"
    fault = Fault(operation, status=500, code="InternalError", done=True, cut=cut)
    with proxy(s3, fault) as between:
        store = store_at(s3, place, endpoint=between.endpoint, single_bytes=PART)
        stored = put_large(store, data)
        assert between.operations().count(operation) == 1
        assert versions(store) == [stored.version]
        assert store.get(NAME) == data


def test_part_that_fails_is_sent_again_alone(s3: S3Server, place: str) -> None:
    with proxy(s3, Fault("UploadPart", after=1, times=2)) as between:
        store = store_at(s3, place, endpoint=between.endpoint, single_bytes=PART)
        put_large(store)
        assert between.operations().count("UploadPart") == 5
        assert store.get(NAME) == LARGE


def test_parts_given_up_leave_nothing(s3: S3Server, place: str) -> None:
    with proxy(s3, Fault("UploadPart", after=1, times=99)) as between:
        store = store_at(s3, place, endpoint=between.endpoint, single_bytes=PART)
        with pytest.raises(ThrottledError):
            put_large(store)
        assert between.operations().count("UploadPart") == 5
    assert parts_left(s3, place) == []
    assert versions(store_at(s3, place)) == []


def test_page_that_fails_is_asked_for_again_alone(s3: S3Server, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(s3, place)
    lock = store.clock() + dt.timedelta(days=1)
    names = [f"a/{number:03}" for number in range(12)]
    for name in names:
        store.put_new(name, io.BytesIO(b""), lock_until=lock)
    with proxy(s3, Fault("ListObjectVersions", after=2, times=3)) as between:
        store = store_at(s3, place, endpoint=between.endpoint)
        call = store._call
        monkeypatch.setattr(store, "_call", lambda *a, **kw: call(*a, **paged(a, kw, 4)))
        assert [listed.name for listed in store.list("a/")] == names
        assert between.operations().count("ListObjectVersions") in (6, 7)


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (503, "SlowDown", ThrottledError, "fewer requests"),
        (503, "ServiceUnavailable", ThrottledError, "fewer requests"),
        (500, "InternalError", UnavailableError, "it failed"),
        (502, "", UnavailableError, "it failed"),
        (400, "ExpiredToken", ExpiredError, "have expired"),
        (403, "InvalidAccessKeyId", DeniedError, "not accepted"),
        (403, "AccessDenied", DeniedError, "not allowed"),
        (403, "InvalidObjectState", ArchivedError, "archive"),
        (403, "QuotaExceeded", FullError, "no room"),
        (507, "XMinioStorageFull", FullError, "no room"),
        (301, "PermanentRedirect", StoreError, "another region"),
        (501, "NotImplemented", StoreError, "cannot do this"),
        (418, "<b>\x1b[31m", StoreError, "418"),
    ],
)
def test_refusals_say_what_to_do(
    s3: S3Server, place: str, status: int, code: str, kind: type[StoreError], says: str
) -> None:
    put(store_at(s3, place), NAME, b"x")
    with proxy(s3, Fault("GetObject", times=99, status=status, code=code)) as between:
        store = store_at(s3, place, endpoint=between.endpoint)
        with pytest.raises(StoreError, match=says) as caught:
            store.get(NAME)
        assert caught.value.__class__ is kind
        assert caught.value.remedy
        assert caught.value.message.isprintable()
        # botocore itself asks once more where a bucket is elsewhere
        calls = 4 if kind in (ThrottledError, UnavailableError) else 2 if status == 301 else 1
        assert between.operations().count("GetObject") <= calls


def test_answer_cut_in_its_body_is_asked_for_again(s3: S3Server, place: str) -> None:
    put(store_at(s3, place), NAME, b"sealed" * 1000)
    with proxy(s3, Fault("GetObject", cut=Direction.DOWN, at=100, times=2)) as between:
        assert store_at(s3, place, endpoint=between.endpoint).get(NAME) == b"sealed" * 1000


# how it is reached


def test_unknown_authority_is_named(s3: S3Server, place: str, tmp_path: Path) -> None:
    for settings in ({"aws_ca_bundle": None}, {"aws_ca_bundle": str(foreign_ca(tmp_path))}):
        store = store_at(s3, place, settings=settings)
        with pytest.raises(UnavailableError, match="certificate is not trusted") as caught:
            store.get(NAME)
        assert "aws_ca_bundle" in (caught.value.remedy or "")


def foreign_ca(folder: Path) -> Path:
    from ansible_collections.holdfast.config.tests.lab.s3.authority import Authority

    return Authority(folder / "other").ca_path


def test_a_certificate_that_has_ended_is_named(s3: S3Server, place: str) -> None:
    with proxy(s3, expired=True) as between:
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            store_at(s3, place, endpoint=between.endpoint).get(NAME)
        assert between.requests == []


def test_a_large_put_that_is_refused_in_its_body_is_refused_by_name(s3: S3Server, place: str) -> None:
    """versitygw answers before it has read all of it and hangs up: over TLS that is a connection that broke."""
    bucket = of(place)[0]
    s3.grant("operator", allow(bucket, *READ))
    store = store_at(s3, place, "operator")
    with pytest.raises(DeniedError) as caught:
        store.put_new(NAME, io.BytesIO(bytes(16 << 20)), lock_until=store.clock() + dt.timedelta(days=1))
    assert "not allowed" in caught.value.message
    assert versions(store_at(s3, place)) == []


def test_an_archive_class_is_seen_asked_for_and_read(s3: S3Server, place: str) -> None:
    """No server of the lab has one: a proxy stands for it."""
    stored = put(store_at(s3, place), NAME, b"sealed")
    archive = Archive("/packs/", "DEEP_ARCHIVE", heads=2)
    with proxy(s3, archive=archive) as between:
        store = store_at(s3, place, endpoint=between.endpoint)
        seen = store.head(NAME, version=stored.version)
        assert (seen.storage_class, seen.archived, seen.returning) == ("DEEP_ARCHIVE", True, False)
        assert seen.lock_until == stored.lock_until
        with pytest.raises(ArchivedError):
            store.get(NAME, version=stored.version)
        for _again in range(2):
            assert store.bring_back(NAME, stored.version, days=7, tier="Standard").returning
        assert len(archive.asked) == between.operations().count("RestoreObject") == 1
        back = store.head(NAME, version=stored.version)
        assert (back.archived, back.returning) == (False, False)
        assert store.get(NAME, version=stored.version) == b"sealed"


def test_a_server_without_archive_classes_is_asked_for_nothing(s3: S3Server, place: str) -> None:
    store = store_at(s3, place)
    stored = put(store, NAME, b"sealed")
    with proxy(s3) as between:
        one = store_at(s3, place, endpoint=between.endpoint).bring_back(NAME, stored.version, days=1, tier="Bulk")
        assert (one.storage_class, one.archived) == ("", False)
        assert "RestoreObject" not in between.operations()


def test_missing_bucket_is_named(s3: S3Server, place: str) -> None:
    store = store_at(s3, "no-such-bucket-here/x")
    for call in (store.probe, lambda: put(store, NAME, b"x"), lambda: list(store.list())):
        with pytest.raises(UnavailableError, match="no such bucket"):
            call()


def test_wrong_credentials(s3: S3Server, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeniedError, match="no profile of this name"):
        store_at(s3, place, "nobody").get(NAME)
    with pytest.raises(DeniedError, match="no credentials were found"):
        store_at(s3, place, settings={"profile": None}).get(NAME)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.keys[OWNER].access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "pa55word-of-another")
    store = store_at(s3, place, settings={"profile": None})
    for call in (
        lambda: store.get(NAME),
        lambda: store.head(NAME),
        lambda: list(store.list()),
        lambda: put(store, NAME, b"x"),
        store.probe,
    ):
        # RGW says the one as the other
        with pytest.raises(DeniedError, match=r"not accepted|not allowed") as caught:
            call()
        assert "pa55word" not in f"{caught.value!r}{caught.value}{caught.value.__cause__!r}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKnobody")
    with pytest.raises(DeniedError, match=r"not accepted|not allowed"):
        store_at(s3, place, settings={"profile": None}).head(NAME)


def test_outsider_is_denied(s3: S3Server, place: str) -> None:
    stored = put(store_at(s3, place), NAME, b"sealed")
    store = store_at(s3, place, "outsider")
    for call in (
        lambda: store.get(NAME),
        lambda: store.get(NAME, version=stored.version),
        lambda: store.head(NAME),
        lambda: store.head(NAME, version=stored.version),
        lambda: list(store.list()),
        lambda: put(store, NAME, b"x"),
        lambda: store.hold(NAME, stored.version, on=True),
        store.probe,
    ):
        with pytest.raises(DeniedError):
            call()
    assert not store.enforced
    # who is refused is told the time
    assert abs(store.clock() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_clock_that_is_wrong(s3: S3Server, place: str) -> None:
    with proxy(s3, skew=3600) as between:
        store = store_at(s3, place, endpoint=between.endpoint)
        with pytest.raises(UnavailableError, match=r"the clock here says .* the server's") as caught:
            list(store.list())
        assert "NTP" in (caught.value.remedy or "")
        assert len(between.operations()) == 1


def test_paused_and_killed_server(s3: S3Server, place: str) -> None:
    store = store_at(s3, place, settings={"aws_config": {"read_timeout": 0.5, "connect_timeout": 0.5}})
    put(store, NAME, b"sealed")
    s3.pause()
    with pytest.raises(UnavailableError, match=r"in time|connection broke|not reached"):
        store.get(NAME)
    s3.resume()
    assert store.get(NAME) == b"sealed"
    s3.kill()
    with pytest.raises(UnavailableError, match=r"connection broke|not reached|in time"):
        store.get(NAME)
    s3.start()
    assert store.get(NAME) == b"sealed"


def test_server_log_names_run_and_change(s3: S3Server, place: str) -> None:
    context = {"holdfast.config": "0.1.0", "run": "0123456789abcdef", "change": "CHG 42\r\nX: y"}
    put(store_at(s3, place, context=context), NAME, b"sealed")
    agents = [access.agent for access in s3.accesses() if access.status == 200]
    assert any("holdfast.config/0.1.0 run/0123456789abcdef change/CHG_42_X_y" in agent for agent in agents)


def test_worker_has_a_connection_of_its_own(s3: S3Server, place: str) -> None:
    # a second try would have one
    store = store_at(s3, place, patience=Patience(attempts=1))
    put(store, NAME, b"sealed")
    workers = []
    for _number in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if all(store.get(NAME) == b"sealed" for _again in range(20)) else 1)
            finally:
                os._exit(2)
        workers.append(pid)
    assert all(store.get(NAME) == b"sealed" for _again in range(20))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers] == [0, 0, 0, 0]


def test_role_is_assumed_for_the_run(minio: S3Server, tmp_path: Path) -> None:
    with profiles(minio, tmp_path):
        place = f"{minio.make_bucket()}/x"
        bucket = of(place)[0]
        minio.grant(
            "operator",
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{bucket}/*"]},
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{bucket}"]},
        )
        role = "arn:aws:iam::123456789012:role/backup"
        store = store_at(
            minio, place, "operator", settings={"assume_role_arn": role}, context={"run": "01", "change": "C"}
        )
        put(store, NAME, b"sealed")
        assert store.get(NAME) == b"sealed"
        # by keys of the session, not by those of the profile
        keys = {access.who for access in minio.accesses() if bucket in access.target and "Put" in access.operation}
        assert keys
        assert minio.keys["operator"].access not in keys
        with pytest.raises(DeniedError):
            store_at(minio, place, settings={"assume_role_arn": role, "profile": None}).get(NAME)


def test_role_is_assumed_once_for_all_workers(minio: Minio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a process of its own, which ends; what they were given is in no file."""
    with profiles(minio, tmp_path), proxy(minio) as between:
        place = f"{minio.make_bucket()}/x"
        put(store_at(minio, place), NAME, b"sealed")
        bucket = of(place)[0]
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        minio.grant("operator", {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources})
        monkeypatch.setitem(session.SESSIONS, "s3", Handover())
        role = {"assume_role_arn": "arn:aws:iam::123456789012:role/backup", "sts_endpoint_url": between.endpoint}

        def reads(**more: t.Any) -> bool:
            store = store_at(minio, place, "operator", settings=role, **more)
            return store.get(NAME) == b"sealed"

        for _worker in range(4):
            assert forked(reads)
        assert len(between.requests) == 1
        # another run has another session
        assert forked(lambda: reads(context={"run": "2"}))
        assert len(between.requests) == 2
        # nobody goes on with what ends soon
        monkeypatch.setattr(session, "_ROLE_MARGIN", dt.timedelta(hours=2))
        assert forked(lambda: reads(context={"run": "2"}))
        assert len(between.requests) == 3


def test_connect_takes_url_and_settings(s3: S3Server, place: str) -> None:
    settings = {"endpoint_url": s3.endpoint, "aws_ca_bundle": str(s3.ca_path), "profile": OWNER}
    store = connect(f"s3://{place}", s3=settings, context={"run": "1"})
    assert store.location == f"s3://{place}"
    assert store.enforced
    put(store, NAME, b"sealed")
    dry = connect(f"s3://{place}", s3=settings, dry_run=True)
    put(dry, NAME, b"not stored")
    assert dry.get(NAME) == b"not stored"
    assert len(list(dry.list())) == 2
    assert connect(f"s3://{place}", s3=settings).get(NAME) == b"sealed"
