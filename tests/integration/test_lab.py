# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab itself: what every server of it does before anything else is believed of it."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Callable

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.proxy import Direction, Fault, Lie, proxy
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import (
    IDENTITIES,
    Keys,
    S3Server,
    allow,
    client,
    json_values,
    policy,
)
from ansible_collections.holdfast.config.tests.lab.s3.servers import Servers, Sites
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for

NAME = "packs/d0030/host/object"
BODY = b"a sealed pack"
LOCK = "COMPLIANCE"


def tomorrow() -> dt.datetime:
    """When locks of these tests end."""
    return dt.datetime.now(dt.timezone.utc).replace(microsecond=0) + dt.timedelta(days=1)


def put(s3: t.Any, bucket: str, body: bytes = BODY, **more: t.Any) -> str:
    """Put an object; returns its version."""
    return str(s3.put_object(Bucket=bucket, Key=NAME, Body=body, **more)["VersionId"])


def put_locked(s3: t.Any, bucket: str, until: dt.datetime | None = None) -> str:
    """Put an object under a lock; returns its version."""
    return put(s3, bucket, ObjectLockMode=LOCK, ObjectLockRetainUntilDate=until or tomorrow())


def head(s3: t.Any, bucket: str, version: str) -> t.Any:
    """What the server says of a version."""
    return s3.head_object(Bucket=bucket, Key=NAME, VersionId=version)


def get(s3: t.Any, bucket: str, version: str) -> bytes:
    """The bytes of a version."""
    return bytes(s3.get_object(Bucket=bucket, Key=NAME, VersionId=version)["Body"].read())


def delete(s3: t.Any, bucket: str, version: str) -> None:
    """Delete a version."""
    s3.delete_object(Bucket=bucket, Key=NAME, VersionId=version)


def refused(call: Callable[[], t.Any]) -> tuple[int, str]:
    """Status and code of the refusal of a call."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_a_bucket_with_lock_says_so(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    held = s3.client().get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert held["ObjectLockEnabled"] == "Enabled"
    assert s3.client().get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_bucket_without_lock_says_so(s3: S3Server) -> None:
    bucket = s3.make_bucket(lock=False)
    status, _code = refused(lambda: s3.client().get_object_lock_configuration(Bucket=bucket))
    assert status == 404
    assert s3.client().get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_locked_put_is_read_back(s3: S3Server) -> None:
    bucket, until = s3.make_bucket(), tomorrow()
    version = put_locked(s3.client(), bucket, until)
    found = head(s3.client(), bucket, version)
    assert (found["ObjectLockMode"], found["ContentLength"]) == (LOCK, len(BODY))
    assert found["ObjectLockRetainUntilDate"].replace(microsecond=0) == until
    assert get(s3.client(), bucket, version) == BODY


def test_the_server_itself_refuses_to_delete_what_is_locked_even_for_the_owner(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put_locked(s3.client(), bucket)
    status, _code = refused(lambda: delete(s3.client(), bucket, version))
    assert status in (400, 403)
    assert get(s3.client(), bucket, version) == BODY


def test_what_is_not_locked_is_deleted(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put(s3.client(), bucket)
    delete(s3.client(), bucket, version)
    assert refused(lambda: get(s3.client(), bucket, version))[0] == 404


def test_identities_may_do_what_they_are_granted_and_nothing_else(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put(s3.client(), bucket)
    others = IDENTITIES[1:]
    for identity in others:
        assert refused(lambda: get(s3.client(identity), bucket, version)) == (403, "AccessDenied")  # noqa: B023
    s3.grant("restorer", allow(bucket, "GetObject", "GetObjectVersion", prefix="packs/"))
    assert get(s3.client("restorer"), bucket, version) == BODY
    assert refused(lambda: put(s3.client("restorer"), bucket)) == (403, "AccessDenied")
    s3.grant("restorer")
    assert refused(lambda: get(s3.client("restorer"), bucket, version)) == (403, "AccessDenied")


def test_a_wrong_secret_is_refused(s3: S3Server) -> None:
    wrong = dataclasses.replace(s3.keys["owner"], secret="wrong" * 8)
    assert refused(client("s3", s3.endpoint, wrong, s3.ca_path).list_buckets)[0] == 403


def test_nobody_else_is_trusted_than_the_authority_of_the_lab(s3: S3Server) -> None:
    trusting = client("s3", s3.endpoint, s3.keys["owner"], None)
    with pytest.raises(botocore.exceptions.SSLError):
        trusting.list_buckets()


def test_the_log_of_the_server_names_who_asked_and_with_what(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    agent = f"change/CHG0042 {bucket}"
    mine = client("s3", s3.endpoint, s3.keys["operator"], s3.ca_path, user_agent_extra=agent)
    refused(lambda: put(mine, bucket))
    wait_for(lambda: any(agent in access.agent for access in s3.accesses()), "the request in the log")
    (found,) = [access for access in s3.accesses() if agent in access.agent]
    assert (found.who, found.status) == (s3.keys["operator"].access, 403)
    assert found.target.startswith(f"/{bucket}/{NAME}")
    assert found.operation in ("PutObject", "put_obj")


@pytest.mark.parametrize("cut", ["", '{"c": 3', '{"c": "', "{"])
def test_a_log_is_read_whatever_stands_between_its_values(cut: str) -> None:
    assert list(json_values('{"a": 1}{"b": 2}\n\n\n{"c": 3}\n' + cut)) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_a_log_that_is_broken_is_not_believed() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        list(json_values('{"a": 1}\n{"b" 2}\n{"c": 3}\n'))


def test_killed_it_is_gone_and_started_again_it_has_what_it_had(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put_locked(s3.client(), bucket)
    s3.kill()
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        get(s3.client(), bucket, version)
    s3.start()
    assert get(s3.client(), bucket, version) == BODY
    assert refused(lambda: delete(s3.client(), bucket, version))[0] in (400, 403)


def test_paused_it_does_not_answer_until_it_goes_on(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put(s3.client(), bucket)
    impatient = client("s3", s3.endpoint, s3.keys["owner"], s3.ca_path, read_timeout=0.3, connect_timeout=0.3)
    s3.pause()
    with pytest.raises((botocore.exceptions.ReadTimeoutError, botocore.exceptions.ConnectTimeoutError)):
        get(impatient, bucket, version)
    s3.resume()
    assert get(s3.client(), bucket, version) == BODY


def test_what_a_test_left_killed_or_paused_is_revived(s3: S3Server, servers: Servers) -> None:
    for harm in (s3.pause, s3.kill):
        harm()
        servers.revive()
        assert s3.client().list_buckets()


def test_the_proxy_passes_everything_on_and_counts(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    large = bytes(range(256)) * 20_000
    with proxy(s3) as before:
        version = put(before.client(), bucket, large, ChecksumSHA256=_sha256(large))
        assert get(before.client(), bucket, version) == large
        assert head(before.client(), bucket, version)["ContentLength"] == len(large)
        assert [each["Key"] for each in before.client().list_object_versions(Bucket=bucket)["Versions"]] == [NAME]
        assert refused(lambda: get(before.client("outsider"), bucket, version)) == (403, "AccessDenied")
        assert before.operations() == ["PutObject", "GetObject", "HeadObject", "ListObjectVersions", "GetObject"]
        assert [request.status for request in before.requests] == [200, 200, 200, 200, 403]
        assert (before.requests[1].bucket, before.requests[1].key) == (bucket, NAME)
        assert before.requests[1].query["versionId"] == version


def test_the_proxy_answers_slow_down_so_many_times(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    with proxy(s3, Fault("PutObject", after=1, times=2)) as before:
        put(before.client(), bucket)
        for _attempt in range(2):
            assert refused(lambda: put(before.client(), bucket)) == (503, "SlowDown")
        put(before.client(), bucket)
    assert len(s3.client().list_object_versions(Bucket=bucket)["Versions"]) == 2


def test_the_proxy_loses_the_answer_to_a_put_that_landed(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    with proxy(s3, Fault("PutObject", status=500, code="InternalError", done=True)) as before:
        assert refused(lambda: put(before.client(), bucket)) == (500, "InternalError")
    (landed,) = s3.client().list_object_versions(Bucket=bucket)["Versions"]
    assert get(s3.client(), bucket, landed["VersionId"]) == BODY


def test_the_proxy_cuts_a_connection_in_a_body_that_comes(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    version = put(s3.client(), bucket, BODY * 10_000)
    with proxy(s3, Fault("GetObject", cut=Direction.DOWN, at=50_000)) as before:
        with pytest.raises((botocore.exceptions.IncompleteReadError, botocore.exceptions.HTTPClientError)):
            get(before.client(), bucket, version)
        assert get(before.client(), bucket, version) == BODY * 10_000
        assert [request.status for request in before.requests] == [0, 200]


def test_the_proxy_cuts_a_connection_in_a_body_that_goes_and_nothing_is_stored(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    fault = Fault("PutObject", cut=Direction.UP, at=50_000)
    # TLS that ends while it sends is an error of its own
    cut = (botocore.exceptions.HTTPClientError, botocore.exceptions.SSLError)
    with proxy(s3, fault) as before, pytest.raises(cut):
        put(before.client(), bucket, BODY * 10_000)
    assert "Versions" not in s3.client().list_object_versions(Bucket=bucket)
    put(s3.client(), bucket, BODY * 10_000)


def test_the_proxy_makes_clocks_differ_and_the_server_refuses(s3: S3Server) -> None:
    with proxy(s3, skew=1200) as before:
        status, code = refused(before.client().list_buckets)
    assert (status, code) == (403, "RequestTimeTooSkewed")


def test_the_proxy_has_a_certificate_that_has_ended(s3: S3Server) -> None:
    with proxy(s3, expired=True) as before, pytest.raises(botocore.exceptions.SSLError, match="expired"):
        before.client().list_buckets()


OPERATIONS: dict[str, Callable[[t.Any, str], t.Any]] = {
    "ListBuckets": lambda s3, _bucket: s3.list_buckets(),
    "CreateBucket": lambda s3, bucket: s3.create_bucket(Bucket=bucket),
    "HeadBucket": lambda s3, bucket: s3.head_bucket(Bucket=bucket),
    "ListObjects": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket),
    "ListObjectVersions": lambda s3, bucket: s3.list_object_versions(Bucket=bucket),
    "ListMultipartUploads": lambda s3, bucket: s3.list_multipart_uploads(Bucket=bucket),
    "GetBucketVersioning": lambda s3, bucket: s3.get_bucket_versioning(Bucket=bucket),
    "GetObjectLockConfiguration": lambda s3, bucket: s3.get_object_lock_configuration(Bucket=bucket),
    "DeleteBucketLifecycleConfiguration": lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket),
    "DeleteBucket": lambda s3, bucket: s3.delete_bucket(Bucket=bucket),
    "DeleteObjects": lambda s3, bucket: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": NAME}]}),
    "PutObject": put,
    "GetObject": lambda s3, bucket: get(s3, bucket, "v"),
    "HeadObject": lambda s3, bucket: head(s3, bucket, "v"),
    "DeleteObject": lambda s3, bucket: delete(s3, bucket, "v"),
    "CopyObject": lambda s3, bucket: s3.copy_object(Bucket=bucket, Key=NAME, CopySource=f"{bucket}/{NAME}"),
    "PutObjectRetention": lambda s3, bucket: s3.put_object_retention(Bucket=bucket, Key=NAME, Retention={}),
    "GetObjectLegalHold": lambda s3, bucket: s3.get_object_legal_hold(Bucket=bucket, Key=NAME),
    "RestoreObject": lambda s3, bucket: s3.restore_object(Bucket=bucket, Key=NAME, RestoreRequest={"Days": 1}),
    "CreateMultipartUpload": lambda s3, bucket: s3.create_multipart_upload(Bucket=bucket, Key=NAME),
    "UploadPart": lambda s3, bucket: s3.upload_part(Bucket=bucket, Key=NAME, UploadId="u", PartNumber=1, Body=b"x"),
    "CompleteMultipartUpload": lambda s3, bucket: s3.complete_multipart_upload(Bucket=bucket, Key=NAME, UploadId="u"),
    "AbortMultipartUpload": lambda s3, bucket: s3.abort_multipart_upload(Bucket=bucket, Key=NAME, UploadId="u"),
}


def test_the_proxy_knows_operations_by_the_names_that_s3_has_for_them(versitygw: S3Server) -> None:
    with proxy(versitygw) as before:
        s3 = before.client()
        for name, call in OPERATIONS.items():
            before.faults = [Fault(name, status=418)]
            assert refused(lambda: call(s3, "lab-bucket"))[0] == 418, name  # noqa: B023
        assert before.operations() == list(OPERATIONS)


@pytest.mark.parametrize("lie", Lie)
def test_the_proxy_is_a_server_that_answers_and_does_not_hold_locks(s3: S3Server, lie: Lie) -> None:
    bucket = s3.make_bucket()
    with proxy(s3, lie=lie) as before:
        liar = before.client()
        version = put_locked(liar, bucket)
        found = head(liar, bucket, version)
        assert found["ResponseMetadata"]["HTTPHeaders"]["server"] == "Forgetful/1.0"
        assert found.get("ObjectLockMode") == (LOCK if lie is Lie.PRETENDS else None)
        assert "ObjectLockMode" not in head(s3.client(), bucket, version)
        delete(liar, bucket, version)
    assert refused(lambda: head(s3.client(), bucket, version))[0] == 404


def test_a_lie_overwrites_the_object_when_it_is_to_be_locked(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    with proxy(s3, lie=Lie.OVERWRITES) as before:
        liar = before.client()
        version = put(liar, bucket)
        assert not liar.get_object_lock_configuration(Bucket=bucket).get("ObjectLockConfiguration")
        kept = {"Mode": LOCK, "RetainUntilDate": tomorrow()}
        liar.put_object_retention(Bucket=bucket, Key=NAME, VersionId=version, Retention=kept)
    newest = s3.client().get_object(Bucket=bucket, Key=NAME)["Body"].read()
    assert b"<RetainUntilDate>" in newest


def test_a_lie_takes_a_lock_later_and_does_nothing(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    with proxy(s3, lie=Lie.FORGETS) as before:
        version = put(before.client(), bucket)
        kept = {"Mode": LOCK, "RetainUntilDate": tomorrow()}
        before.client().put_object_retention(Bucket=bucket, Key=NAME, VersionId=version, Retention=kept)
    assert "ObjectLockMode" not in head(s3.client(), bucket, version)


def test_what_is_put_at_the_near_site_comes_to_the_far_one_with_its_lock(sites: Sites) -> None:
    bucket, until = sites.make_bucket(), tomorrow()
    version = put_locked(sites.near.client(), bucket, until)
    if not sites.replicates:
        assert not _has(sites.far, bucket, version)
        return
    wait_for(lambda: _has(sites.far, bucket, version), "the object at the far site")
    found = head(sites.far.client(), bucket, version)
    assert found["ObjectLockRetainUntilDate"].replace(microsecond=0) == until
    assert refused(lambda: delete(sites.far.client(), bucket, version))[0] in (400, 403)


def test_a_site_answers_without_the_other_one(sites: Sites) -> None:
    bucket = sites.make_bucket()
    for gone, left in ((sites.near, sites.far), (sites.far, sites.near)):
        gone.kill()
        version = put_locked(left.client(), bucket)
        assert get(left.client(), bucket, version) == BODY
        gone.start()


def test_what_was_put_while_the_far_site_was_away_comes_when_it_is_back(sites: Sites) -> None:
    bucket = sites.make_bucket()
    sites.far.kill()
    version = put_locked(sites.near.client(), bucket)
    sites.far.start()
    if sites.replicates:
        wait_for(lambda: _has(sites.far, bucket, version), "the object at the far site")


def test_what_is_deleted_at_the_near_site_of_minio_stays_at_the_far_one(servers: Servers) -> None:
    sites = servers.sites("minio")
    bucket = sites.make_bucket()
    near, far = sites.near.client(), sites.far.client()
    put(near, bucket)
    version = put(near, bucket)
    wait_for(lambda: _has(sites.far, bucket, version), "the object at the far site")
    delete(near, bucket, version)
    near.delete_object(Bucket=bucket, Key=NAME)
    assert "DeleteMarkers" in near.list_object_versions(Bucket=bucket)
    # what concerns one key goes one after the other
    last = put(near, bucket)
    wait_for(lambda: _has(sites.far, bucket, last), "a later object at the far site")
    assert _has(sites.far, bucket, version)
    assert "DeleteMarkers" not in far.list_object_versions(Bucket=bucket)


def test_a_day_of_a_lifecycle_rule_ends_soon_on_rgw_and_spares_what_is_locked(rgw: Rgw) -> None:
    bucket = rgw.make_bucket()
    version = put_locked(rgw.client(), bucket)
    _expire(rgw, bucket, {"Days": 1})
    assert get(rgw.client(), bucket, version) == BODY


def test_a_day_in_the_past_of_a_lifecycle_rule_ends_soon_on_minio_and_spares_what_is_locked(minio: Minio) -> None:
    bucket = minio.make_bucket()
    version = put_locked(minio.client(), bucket)
    past = dt.datetime.now(dt.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=2)
    _expire(minio, bucket, {"Date": past})
    assert get(minio.client(), bucket, version) == BODY


def _expire(server: S3Server, bucket: str, expiration: dict[str, t.Any]) -> None:
    rule = {"ID": "lab", "Status": "Enabled", "Filter": {"Prefix": "packs/"}, "Expiration": expiration}
    server.client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    wait_for(lambda: "DeleteMarkers" in server.client().list_object_versions(Bucket=bucket), "the end of the object")


@pytest.mark.parametrize("asked", ["AES256", "aws:kms"])
def test_minio_encrypts_at_rest(minio: Minio, asked: str) -> None:
    bucket = minio.make_bucket()
    version = put(minio.client(), bucket, ServerSideEncryption=asked)
    assert head(minio.client(), bucket, version)["ServerSideEncryption"] == asked
    assert get(minio.client(), bucket, version) == BODY


def test_minio_gives_sessions(minio: Minio) -> None:
    bucket = minio.make_bucket()
    minio.grant("operator", allow(bucket, "PutObject"))
    sts = client("sts", minio.endpoint, minio.keys["operator"], minio.ca_path)
    session = sts.assume_role(RoleArn="arn:aws:iam::1:role/any", RoleSessionName="run-1")["Credentials"]
    s3 = client("s3", minio.endpoint, _keys(session), minio.ca_path, token=session["SessionToken"])
    put(s3, bucket)
    assert refused(lambda: s3.get_object(Bucket=bucket, Key=NAME)) == (403, "AccessDenied")


def test_rgw_has_roles_and_gives_sessions(rgw: Rgw) -> None:
    bucket = rgw.make_bucket()
    trust = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/operator"]}, "Action": ["sts:AssumeRole"]}
    rgw.iam.create_role(RoleName=bucket, Path="/", AssumeRolePolicyDocument=policy([trust]))
    rgw.iam.put_role_policy(RoleName=bucket, PolicyName="lab", PolicyDocument=policy([allow(bucket, "PutObject")]))
    sts = client("sts", rgw.endpoint, rgw.keys["operator"], rgw.ca_path)
    session = sts.assume_role(RoleArn=f"arn:aws:iam:::role/{bucket}", RoleSessionName="run-1")["Credentials"]
    s3 = client("s3", rgw.endpoint, _keys(session), rgw.ca_path, token=session["SessionToken"])
    put(s3, bucket)
    assert refused(lambda: s3.get_object(Bucket=bucket, Key=NAME)) == (403, "AccessDenied")


def _keys(session: dict[str, str]) -> Keys:
    return Keys(session["AccessKeyId"], session["SecretAccessKey"])


def test_a_full_bucket_of_rgw_refuses(rgw: Rgw) -> None:
    bucket = rgw.make_bucket()
    rgw.set_quota(bucket, 4096)
    put(rgw.client(), bucket)
    assert refused(lambda: put(rgw.client(), bucket)) == (403, "QuotaExceeded")


def test_what_is_too_much_for_a_bucket_of_minio_is_refused(minio: Minio) -> None:
    bucket = minio.make_bucket()
    minio.admin.set_quota(bucket, 4096)
    assert refused(lambda: put(minio.client(), bucket, bytes(5000)))[1] == "XMinioAdminBucketQuotaExceeded"
    put(minio.client(), bucket)


def _has(server: S3Server, bucket: str, version: str) -> bool:
    found = server.client().list_object_versions(Bucket=bucket).get("Versions", [])
    return version in [each["VersionId"] for each in found]


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
