# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is sent, and what is made of answers that no good server gives. Real servers: tests/integration."""

from __future__ import annotations

import ast
import base64
import datetime as dt
import hashlib
import io
import itertools
import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

import botocore.session
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    CorruptError,
    DeniedError,
    ExpiredError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store import s3
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import S3Settings, read_bucket
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .s3_server import DATE, LOCKED, Answer, Answers, Request, refusal, served

NOW = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.UTC)
LOCK = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
LOCK_HEADERS = {
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2027-01-01T00:00:00Z",
}
NAME = "points/2026-11-21/x.json"


def answering(by_operation: Mapping[str, Answer | list[Answer]]) -> Answers:
    """Answer each operation as told, of a list one after the other; what is not told is refused."""
    told = {name: iter(a) if isinstance(a, list) else itertools.repeat(a) for name, a in by_operation.items()}
    told.setdefault("GET object-lock", itertools.repeat(Answer(body=LOCKED)))

    def answer(request: Request) -> Answer:
        return next(told.get(request.operation, iter(())), refusal(418, "NotTold"))

    return answer


def head(size: int = 4, **more: str) -> Answer:
    """An answer to HEAD, with a lock unless told otherwise."""
    headers = {"Content-Length": str(size), "Last-Modified": DATE, "x-amz-version-id": "v1", **LOCK_HEADERS}
    return Answer(headers={**headers, **{name.replace("_", "-"): value for name, value in more.items()}})


PUT = Answer(headers={"x-amz-version-id": "v1", "ETag": '"x"'})


def put(store: Store, data: bytes = b"data") -> t.Any:
    return store.put_new(NAME, io.BytesIO(data), lock_until=LOCK)


def listing(*entries: str, more: str = "<IsTruncated>false</IsTruncated>") -> Answer:
    return Answer(body=f"<ListVersionsResult>{more}{''.join(entries)}</ListVersionsResult>".encode())


def entry(
    name: str, version: str, at: str = "2026-11-21T01:16:23.000Z", *, marker: bool = False, latest: bool = False
) -> str:
    kind = "DeleteMarker" if marker else "Version"
    size = "" if marker else "<Size>1</Size>"
    return (
        f"<{kind}><Key>of/{name}</Key><VersionId>{version}</VersionId><IsLatest>{str(latest).lower()}</IsLatest>"
        f"<LastModified>{at}</LastModified>{size}</{kind}>"
    )


def test_put_asks_for_lock_and_checksum_and_looks_again() -> None:
    with served(answering({"PUT": PUT, "HEAD": head()})) as (store, server):
        stored = put(store)
        assert (stored.version, stored.lock_until) == ("v1", LOCK)
        asked, sent, looked = server.requests
    assert asked.operation == "GET object-lock"
    assert sent.path == f"/bucket/of/{NAME}"
    assert sent.body == b"data"
    assert LOCK_HEADERS.items() <= sent.headers.items()
    assert sent.headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    # the body is signed: whoever changes it is refused by the server
    assert sent.headers["x-amz-content-sha256"] == hashlib.sha256(b"data").hexdigest()
    assert "aws-chunked" not in sent.headers.get("content-encoding", "")
    assert (looked.method, looked.query["versionId"]) == ("HEAD", "v1")


@pytest.mark.parametrize(
    ("answers", "kind", "says"),
    [
        ({"HEAD": head(3)}, CorruptError, "3 of 4 bytes"),
        ({"HEAD": head(x_amz_object_lock_mode="GOVERNANCE")}, NotLockedError, "mode GOVERNANCE"),
        ({"HEAD": head(x_amz_object_lock_retain_until_date="2026-12-31T23:59:59Z")}, NotLockedError, "asked was"),
        ({"HEAD": head(x_amz_object_lock_retain_until_date="")}, NotLockedError, "Scripted/1 has stored it"),
        ({"HEAD": head(x_amz_object_lock_mode="")}, NotLockedError, "without a lock"),
        ({"PUT": Answer()}, NotLockedError, "without a version"),
        ({"PUT": Answer(headers={"x-amz-version-id": "null"})}, NotLockedError, "without a version"),
        ({"HEAD": Answer(404), "GET versions": listing()}, CorruptError, "does not hold what"),
        ({"GET object-lock": Answer(), "GET versions": listing()}, NotLockedError, "Scripted/1"),
        (
            {"GET object-lock": Answer(body=b"<ObjectLockConfiguration/>"), "GET versions": listing()},
            NotLockedError,
            "no object lock",
        ),
        (
            {"GET object-lock": refusal(404, "NoSuchBucket"), "GET versions": refusal(404, "NoSuchBucket")},
            UnavailableError,
            "no such bucket",
        ),
    ],
)
def test_put_is_not_believed(answers: dict[str, Answer], kind: type[StoreError], says: str) -> None:
    told = {
        "PUT": PUT,
        "HEAD": head(),
        "GET retention": refusal(404, "NoSuchObjectLockConfiguration"),
        "GET legal-hold": refusal(404, "NoSuchObjectLockConfiguration"),
        **answers,
    }
    with served(answering(told)) as (store, server):
        with pytest.raises(kind, match=says):
            put(store)
        # a server that does not know this takes it for an object
        assert "PUT retention" not in server.operations()
        assert "PUT" in server.operations() or "GET object-lock" in answers


def test_nothing_about_locks_of_objects_is_asked_of_a_server_without() -> None:
    answers = {
        "GET object-lock": Answer(),
        "HEAD": Answer(headers={"Content-Length": "4", "Last-Modified": DATE}),
        "GET versions": listing(),
    }
    with served(answering(answers)) as (store, server):
        assert store.head(NAME).lock_until is None
        with pytest.raises(NotLockedError):
            store.hold(NAME, "v1", on=True)
        assert {"GET object-lock", "HEAD", "GET versions"} >= set(server.operations())


def test_hold_that_is_not_kept() -> None:
    answers = {"HEAD": head(), "PUT legal-hold": Answer(), "GET legal-hold": refusal(404, "NoSuchKey")}
    with served(answering(answers)) as (store, _server), pytest.raises(NotLockedError, match="legal hold"):
        store.hold(NAME, "v1", on=True)


def test_mode_governance_is_asked_for_and_looked_at() -> None:
    governed = head(x_amz_object_lock_mode="GOVERNANCE")
    with served(answering({"PUT": PUT, "HEAD": [governed, head()]})) as (store, server):
        store.put_new(NAME, io.BytesIO(b"data"), lock_until=LOCK, governance=True)
        assert server.requests[1].headers["x-amz-object-lock-mode"] == "GOVERNANCE"
        with pytest.raises(NotLockedError, match="in mode COMPLIANCE"):
            store.put_new(NAME, io.BytesIO(b"data"), lock_until=LOCK, governance=True)


@pytest.mark.parametrize("operation", ["PUT retention", "DELETE"])
@pytest.mark.parametrize("governance", [True, False])
def test_lock_that_is_not_held(operation: str, governance: bool) -> None:
    until = (NOW + dt.timedelta(seconds=120)).strftime("%Y-%m-%dT%H:%M:%SZ")
    mode = "GOVERNANCE" if governance else "COMPLIANCE"
    answers = {
        "GET versions": listing(),
        "GET versioning": Answer(body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        "PUT": PUT,
        "HEAD": head(32, x_amz_object_lock_mode=mode, x_amz_object_lock_retain_until_date=until),
        "PUT retention": refusal(403, "AccessDenied"),
        "DELETE": refusal(403, "AccessDenied"),
        operation: Answer(),
    }
    with served(answering(answers)) as (store, server):
        store._client.now = lambda: NOW  # type: ignore[method-assign]
        with pytest.raises(NotLockedError, match="Scripted/1"):
            (store.prove_governance if governance else store.probe)()
        assert all(
            request.path.startswith("/bucket/of/.probe/") for request in server.requests if "PUT" in request.method
        )
        bypassing = [
            "x-amz-bypass-governance-retention" in r.headers for r in server.requests if r.operation == operation
        ]
        assert bypassing == [not governance]


def test_probe_that_has_changed() -> None:
    until = (NOW + dt.timedelta(seconds=120)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answers = {
        "GET versions": listing(),
        "GET versioning": Answer(body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        "PUT": PUT,
        "HEAD": head(32, x_amz_object_lock_retain_until_date=until),
        "PUT retention": refusal(403, "AccessDenied"),
        "DELETE": refusal(403, "AccessDenied"),
        "GET": Answer(body=b"<Retention/>"),
    }
    with served(answering(answers)) as (store, _server):
        store._client.now = lambda: NOW  # type: ignore[method-assign]
        with pytest.raises(NotLockedError, match="has changed what is locked"):
            store.probe()


def in_parts(asked_for_lock: Answer, *, keeps_probe: bool) -> Answers:
    """A server that loses the lock of what comes in parts."""
    until: list[str] = []

    def answer(request: Request) -> Answer:
        until.extend([request.headers["x-amz-object-lock-retain-until-date"]] if request.operation == "PUT" else [])
        lock = {"x-amz-object-lock-mode": "", "x-amz-object-lock-retain-until-date": ""}
        if ".probe/" in request.path and keeps_probe:
            lock = {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": until[-1]}
        return {
            "GET object-lock": Answer(body=LOCKED),
            "POST uploads": Answer(
                body=b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            ),
            "PUT uploadId": Answer(headers={"ETag": '"x"'}),
            "POST uploadId": Answer(
                headers={"x-amz-version-id": "v1"},
                body=b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>",
            ),
            "PUT": PUT,
            "HEAD": Answer(headers={"Content-Length": "9", "Last-Modified": DATE, **lock}),
            "GET retention": asked_for_lock,
            "GET legal-hold": asked_for_lock,
            "PUT retention": Answer(),
        }[request.operation]

    return answer


@pytest.mark.parametrize(
    ("asked_for_lock", "keeps_probe", "is_set"),
    [
        (refusal(404, "NoSuchObjectLockConfiguration"), True, True),
        (refusal(404, "ObjectLockConfigurationNotFoundError"), True, True),
        (refusal(404, "NoSuchObjectLockConfiguration"), False, False),
        (refusal(404, "NoSuchKey"), True, False),
        (Answer(body=b"<Retention/>"), True, False),
        (Answer(body=b"the object itself"), True, False),
    ],
)
def test_lock_lost_with_parts_is_set_where_the_server_knows_locks(
    asked_for_lock: Answer, keeps_probe: bool, is_set: bool
) -> None:
    with served(in_parts(asked_for_lock, keeps_probe=keeps_probe), single_bytes=5) as (store, server):
        with pytest.raises(StoreError):  # it does not show the lock that was set either
            put(store, b"more data")
        assert ("PUT retention" in server.operations()) is is_set


def test_calls_of_a_put_are_few() -> None:
    with served(answering({"PUT": PUT, "HEAD": head()})) as (store, server):
        for _number in range(5):
            put(store)
        assert server.operations() == ["GET object-lock", *["PUT", "HEAD"] * 5]


# what somebody may


def test_a_put_is_tried_by_one_that_is_given_up() -> None:
    started = Answer(body=b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
    with served(answering({"POST uploads": started, "DELETE uploadId": Answer(204)})) as (store, server):
        assert store.may_put(NAME) is True
        begun, ended = server.requests[1:]
    assert begun.headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert (ended.operation, ended.query["uploadId"]) == ("DELETE uploadId", "u1")


def test_a_removal_is_tried_on_what_is_not_there_and_names_a_version() -> None:
    with served(answering({"GET versions": listing(), "DELETE": Answer(204)})) as (store, server):
        assert store.may_delete(NAME) is True
        tried = server.requests[-1]
    assert (tried.method, tried.query["versionId"]) == ("DELETE", "null")
    assert "x-amz-bypass-governance-retention" not in tried.headers
    with served(answering({"GET versions": listing(entry(NAME, "v1"))})) as (store, server):
        with pytest.raises(StoreError, match="nothing has"):
            store.may_delete(NAME)
        assert "DELETE" not in server.operations()


def denying(status: int, code: str) -> Answers:
    said = refusal(status, code)
    return answering({"GET versions": listing(), "DELETE": said, "POST uploads": said})


def test_a_refusal_says_what_may_not_be_done() -> None:
    with served(denying(403, "AccessDenied")) as (store, _server):
        assert (store.may_put(NAME), store.may_delete(NAME)) == (False, False)


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(400, "ExpiredToken", ExpiredError), (400, "InvalidArgument", StoreError)]
)
def test_any_other_answer_says_nothing_of_rights(status: int, code: str, kind: type[StoreError]) -> None:
    with served(denying(status, code)) as (store, _server):
        for attempt in (store.may_put, store.may_delete):
            with pytest.raises(kind):
                attempt(NAME)


# time


def test_clock_is_that_of_the_server() -> None:
    with served(answering({})) as (store, server):
        assert NOW <= store.clock() < NOW + dt.timedelta(seconds=10)
        first = store.clock()
        assert first < store.clock()
        assert len(server.requests) == 1


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1800 00:00:00 +2359"])
def test_answers_without_a_time(date: str) -> None:
    answers = answering({"GET object-lock": Answer(headers={"Date": date}, body=LOCKED)})
    with served(answers) as (store, _server), pytest.raises(CorruptError, match="no date"):
        store.clock()


# lists


def found(store: Store, prefix: str = "") -> list[tuple[str, str]]:
    return [(listed.name, listed.version) for listed in store.list(prefix)]


def test_markers_and_versions_of_one_second() -> None:
    pages = [
        listing(entry("a", "v3"), entry("a", "v2"), entry("a", "v1"), entry("a", "m1", marker=True, latest=True)),
        listing(entry("a", "v2", latest=True), entry("a", "v1"), entry("a", "m1", marker=True)),
        listing(
            entry("a", "v2", "2026-11-21T01:16:25.000Z"),
            entry("a", "v1"),
            entry("a", "m2", "2026-11-21T01:16:26.000Z", marker=True, latest=True),
            entry("a", "m1", "2026-11-21T01:16:24.000Z", marker=True),
        ),
    ]
    with served(answering({"GET versions": pages})) as (store, _server):
        assert found(store) == [("a", "v1"), ("a", "v2"), ("a", "v3"), ("a", "m1")]
        assert found(store) == [("a", "v1"), ("a", "m1"), ("a", "v2")]
        assert found(store) == [("a", "v1"), ("a", "m1"), ("a", "v2"), ("a", "m2")]


def test_lock_is_not_known_by_listing_and_asked_for() -> None:
    with served(answering({"GET versions": listing(entry("a", "v1")), "HEAD": head(1)})) as (store, server):
        (listed,) = store.list()
        assert listed == Listed("a", "v1", 1, None, False, False, NOW, lock_known=False)
        assert store.with_lock(listed) == Listed("a", "v1", 1, LOCK, False, False, NOW)
        assert server.requests[-1].query["versionId"] == "v1"


def test_what_others_keep_in_the_bucket_is_passed_over() -> None:
    keys = ["of/.probe/x", "of/a b", "of/a//b", "of/a/../b", "of/ü", "of/a/b/", "of", "offside/x", "other", "of/good"]
    entries = [entry("x", "v1").replace("of/x", key) for key in sorted(keys)]
    with served(answering({"GET versions": listing(*entries)})) as (store, _server):
        assert found(store) == [("good", "v1")]


def truncated(key: str, version: str) -> str:
    return (
        f"<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>"
        f"<NextVersionIdMarker>{version}</NextVersionIdMarker>"
    )


def test_pages_are_put_together() -> None:
    pages = [
        listing(entry("a", "v1"), entry("b", "v3", latest=True), more=truncated("of/b", "v3")),
        listing(entry("b", "v3", latest=True), entry("b", "v2"), more=truncated("of/b", "v2")),
        refusal(503, "SlowDown"),
        listing(entry("b", "v1"), entry("c", "v1")),
    ]
    with served(answering({"GET versions": pages})) as (store, server):
        assert found(store) == [("a", "v1"), ("b", "v1"), ("b", "v2"), ("b", "v3"), ("c", "v1")]
        assert [request.query.get("key-marker") for request in server.requests] == [None, "of/b", "of/b", "of/b"]
        assert [request.query.get("version-id-marker") for request in server.requests] == [None, "v3", "v2", "v2"]


@pytest.mark.parametrize(
    "pages",
    [
        [listing(entry("a", "v1"), more=truncated("of/a", "v1"))] * 9,
        [listing(entry("a", "v1"), more="<IsTruncated>true</IsTruncated>")] * 9,
        [listing(entry("b", "v1"), more=truncated("of/b", "v1")), listing(entry("a", "v1"))],
    ],
    ids=["the same again", "no marker", "out of order"],
)
def test_lists_that_lead_nowhere(pages: list[Answer]) -> None:
    with served(answering({"GET versions": pages})) as (store, _server), pytest.raises(CorruptError):
        list(store.list())


# what no server of S3 answers


def refused(call: t.Callable[[], t.Any]) -> str | None:
    """What the store says, where it refuses; anything but a StoreError is a bug."""
    try:
        call()
    except StoreError as e:
        return str(e)
    return None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html><body>Log in</body></html>", headers={"Content-Type": "text/html"}),
        Answer(body=b"not XML at all <<<"),
        Answer(body=b"\xff\xfe\0"),
        listing("<Version><Key>of/a</Key></Version>"),
        listing(entry("a", "v1", at="yesterday")),
        listing(entry("a", "v1", at="0001-01-01T00:00:00+23:59")),
        listing(entry("a", "v1").replace("<Size>1", "<Size>many")),
        listing(entry("a", "v1").replace("<Size>1", "<Size>")),
        listing(entry("a", "v1"), more="<IsTruncated>perhaps</IsTruncated>"),
        Answer(204),
        Answer(302, headers={"Location": "http://127.0.0.1:1/"}),
        refusal(418, "\x1b[31m"),
    ],
)
def test_hostile_lists(answer: Answer) -> None:
    with served(answering({"GET versions": answer})) as (store, server):
        error = refused(lambda: list(store.list()))
        assert error is None or (error.isprintable() and "pa55word" not in error)
        assert len(server.requests) <= 8


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirected_for_ever_it_asks_where_the_bucket_is_and_no_more(status: int) -> None:
    with served(lambda _request: Answer(status), patience=Patience(attempts=1)) as (store, server):
        for call in (lambda: store.get(NAME), lambda: list(store.list()), lambda: store.head(NAME)):
            before = len(server.requests)
            assert "it sends to another address" in (refused(call) or "")
            assert len(server.requests) - before <= 2


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    status=st.sampled_from([200, 204, 206, 301, 307, 400, 403, 404, 405, 409, 416, 500, 503]),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "Last-Modified",
                "x-amz-version-id",
                "x-amz-delete-marker",
                "x-amz-object-lock-mode",
                "x-amz-object-lock-retain-until-date",
                "x-amz-object-lock-legal-hold",
                "ETag",
            ]
        ),
        st.one_of(
            st.sampled_from([DATE, "2027-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "COMPLIANCE", "ON", "1e999", "-1"]),
            st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
        ),
        max_size=7,
    ),
    body=st.one_of(st.binary(max_size=50), st.sampled_from([LOCKED, b"<a><b/></a>", listing(entry("x", "v")).body])),
)
@example(status=200, headers={"Last-Modified": "1e999"}, body=b"")
def test_any_answer_is_an_answer_or_a_store_error(status: int, headers: dict[str, str], body: bytes) -> None:
    answer = Answer(status, headers, b"" if status == 204 else body)
    once = Patience(attempts=1)
    with served(lambda _request: answer, patience=once) as (store, _server):
        calls: list[t.Callable[[], t.Any]] = [
            lambda: put(store),
            lambda: store.get(NAME),
            lambda: store.get(NAME, version="v"),
            lambda: store.head(NAME),
            lambda: store.head(NAME, version="v"),
            lambda: list(store.list()),
            lambda: store.hold(NAME, "v", on=True),
            store.clock,
            store.probe,
        ]
        for call in calls:
            assert (refused(call) or "").isprintable()


def test_nothing_listens() -> None:
    with served(answering({})) as (store, server):
        server.close()
        with pytest.raises(UnavailableError, match="not reached") as caught:
            store.get(NAME)
    # a wrong port, or a wrong name, is not mended by running again
    assert "Look whether http://127.0.0.1:" in str(caught.value)
    assert "(holdfast_repository.endpoint_url) is right and up" in str(caught.value)


def test_proxy_and_its_password() -> None:
    proxies = {"http": "http://user:pa55word@127.0.0.1:1"}
    with served(answering({}), settings={"aws_config": {"proxies": proxies}}) as (store, server):
        with pytest.raises(UnavailableError, match="proxy is not reached") as caught:
            store.get(NAME)
        assert "pa55word" not in f"{caught.value} {caught.value.__cause__}"
        assert server.requests == []


def test_server_is_told_run_and_change() -> None:
    context = {"holdfast.config": "0.1.0", "run": "0123456789abcdef", "change": "CHG 42\r\nx: ü" + "y" * 99, "none": ""}
    with served(answering({}), context=context) as (store, server):
        store.clock()
        agent = server.requests[0].headers["user-agent"]
        name = store._client._session._session_name()
    assert "holdfast.config/0.1.0 run/0123456789abcdef change/CHG_42_x_yyy" in agent
    assert "none" not in agent
    assert agent.isprintable()
    # as STS wants it
    assert re.fullmatch(r"holdfast-0\.1\.0-0123456789abcdef-CHG_42_x_y+", name)
    assert len(name) <= 64


def test_missing_object_is_no_fault_of_the_server() -> None:
    answers = {"GET": refusal(404, "NoSuchKey"), "GET versions": listing(entry(f"{NAME}x", "v1"))}
    with served(answering(answers)) as (store, server):
        with pytest.raises(ObjectMissingError):
            store.get(NAME)
        assert server.requests[-1].query["prefix"] == f"of/{NAME}"


def test_calls_end_after_a_few() -> None:
    with served(answering({"GET": refusal(503, "SlowDown")})) as (store, server):
        with pytest.raises(ThrottledError) as caught:
            store.get(NAME)
        assert len(server.requests) == 4
    assert "secret" not in str(caught.value)


def test_no_operation_removes_anything_but_the_probe() -> None:
    """What the files of the driver ask of a server, by botocore's names of it."""
    known = {name for name in dir(botocore.session.Session().create_client("s3", "x")) if name[0] != "_"}
    asked = {}
    for path in sorted(Path(s3.__file__).parent.glob("*.py")):
        words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        attributes = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if found := known & {word for word in words | attributes if isinstance(word, str)} - {
            "close",
            "exceptions",
            "meta",
        }:
            asked[path.name] = found
    assert asked == {
        "s3.py": {
            "abort_multipart_upload",
            "complete_multipart_upload",
            "create_multipart_upload",
            "get_bucket_versioning",
            "get_object",
            "get_object_legal_hold",
            "get_object_lock_configuration",
            "get_object_retention",
            "head_object",
            "list_object_versions",
            "put_object",
            "put_object_legal_hold",
            "put_object_retention",
            "restore_object",
            "upload_part",
        },
        # of what it deletes nothing is an object
        "s3_bucket.py": {
            "create_bucket",
            "delete_bucket_encryption",
            "delete_bucket_lifecycle",
            "delete_bucket_policy",
            "delete_bucket_replication",
            "delete_public_access_block",
            "get_bucket_encryption",
            "get_bucket_lifecycle_configuration",
            "get_bucket_logging",
            "get_bucket_policy",
            "get_bucket_replication",
            "get_bucket_versioning",
            "get_object_lock_configuration",
            "get_public_access_block",
            "head_bucket",
            "head_object",
            "put_bucket_encryption",
            "put_bucket_lifecycle_configuration",
            "put_bucket_logging",
            "put_bucket_policy",
            "put_bucket_replication",
            "put_bucket_versioning",
            "put_object",
            "put_object_lock_configuration",
            "put_public_access_block",
        },
        # for its URL alone: nothing is sent
        "s3_client.py": {"head_bucket"},
        "s3_proof.py": {"delete_object", "get_object", "head_object", "put_object", "put_object_retention"},
    }


# archive classes


def archived(**more: str) -> Answer:
    return head(x_amz_storage_class="GLACIER", **more)


@pytest.mark.parametrize(
    ("said", "returning", "until"),
    [
        ("", False, None),
        ('ongoing-request="true"', True, None),
        (
            'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"',
            False,
            dt.datetime(2029, 12, 21, tzinfo=dt.UTC),
        ),
        ("gibberish", False, None),
    ],
)
def test_head_says_what_became_of_a_retrieval(said: str, returning: bool, until: dt.datetime | None) -> None:
    with served(answering({"HEAD": archived(x_amz_restore=said)})) as (store, _server):
        found = store.head(NAME, version="v1")
    assert (found.storage_class, found.returning, found.readable_until) == ("GLACIER", returning, until)
    assert found.archived is (until is None)


@pytest.mark.parametrize("storage_class", ["STANDARD", "", "GLACIER_IR", "STANDARD_IA", "OF_THEIR_OWN"])
def test_other_classes_are_read_at_once(storage_class: str) -> None:
    with served(answering({"HEAD": head(x_amz_storage_class=storage_class)})) as (store, server):
        found = store.head(NAME, version="v1")
        assert (found.archived, found.storage_class) == (
            False,
            storage_class.removeprefix("STANDARD") and storage_class,
        )
        assert store.bring_back(NAME, "v1", days=1, tier="Bulk") == found
        assert "POST restore" not in server.operations()


def test_a_time_that_is_none_is_refused() -> None:
    said = 'ongoing-request="false", expiry-date="99 Foo"'
    told = answering({"HEAD": archived(x_amz_restore=said)})
    with served(told) as (store, _server), pytest.raises(CorruptError, match="a time that is none"):
        store.head(NAME, version="v1")


def test_a_listing_tells_the_class() -> None:
    one = entry(NAME, "v1").replace("<Size>", "<StorageClass>DEEP_ARCHIVE</StorageClass><Size>")
    two = entry(NAME, "v2", latest=True).replace("<Size>", "<StorageClass>STANDARD</StorageClass><Size>")
    with served(answering({"GET versions": listing(two, one)})) as (store, _server):
        found = list(store.list())
    assert [(one.version, one.storage_class, one.archived) for one in found] == [
        ("v1", "DEEP_ARCHIVE", True),
        ("v2", "", False),
    ]


def test_a_retrieval_is_asked_for_once_by_version_days_and_tier() -> None:
    heads = [archived(), archived(x_amz_restore='ongoing-request="true"')]
    with served(answering({"HEAD": [*heads, heads[1]], "POST restore": Answer(202)})) as (store, server):
        for _again in range(2):
            assert store.bring_back(NAME, "v1", days=3, tier="Bulk").returning
        (asked,) = [request for request in server.requests if request.method == "POST"]
    assert asked.path == f"/bucket/of/{NAME}"
    assert asked.query["versionId"] == "v1"
    assert re.search(rb"<Days>3</Days>", asked.body)
    assert re.search(rb"<GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>", asked.body)


@pytest.mark.parametrize(
    ("status", "code", "kind", "calls"),
    [
        (409, "RestoreAlreadyInProgress", None, 1),
        (503, "GlacierExpeditedRetrievalNotAvailable", ThrottledError, 4),
        (403, "AccessDenied", DeniedError, 1),
        (501, "NotImplemented", StoreError, 1),
    ],
)
def test_retrievals_that_are_refused(status: int, code: str, kind: type[StoreError] | None, calls: int) -> None:
    told = {"HEAD": archived(), "POST restore": refusal(status, code)}
    with served(answering(told)) as (store, server):
        if kind is None:
            store.bring_back(NAME, "v1", days=1, tier="Expedited")
        else:
            with pytest.raises(kind) as caught:
                store.bring_back(NAME, "v1", days=1, tier="Expedited")
            assert caught.value.remedy
        assert server.operations().count("POST restore") == calls


def test_what_is_archived_is_told_when_it_is_read() -> None:
    told = answering({"GET": refusal(403, "InvalidObjectState")})
    with served(told) as (store, _server), pytest.raises(ArchivedError, match="rests in an archive class"):
        store.get(NAME, version="v1")


def test_a_hundred_thousand_objects_come_page_by_page() -> None:
    pages, size = 100, 1000

    def page(request: Request) -> Answer:
        number = int(request.query.get("key-marker", "of/x/0")[5:]) // size
        names = range(number * size, (number + 1) * size)
        last = f"of/x/{(number + 1) * size:06}"
        more = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{last}</NextKeyMarker>"
        return listing(
            *(entry(f"x/{name:06}", "v") for name in names),
            more=more if number + 1 < pages else "<IsTruncated>false</IsTruncated>",
        )

    with served(page) as (store, server):
        found = store.list("x/")
        assert next(found).name == "x/000000"
        # none is asked for before it is needed
        assert len(server.requests) <= 2
        assert [listed.name for listed in found] == [f"x/{number:06}" for number in range(1, pages * size)]
        assert len(server.requests) == pages


def test_a_bucket_of_the_same_url_elsewhere_is_another_store() -> None:
    near = {"endpoint_url": "https://near.test", "region": "eu-central-1"}
    changes = (
        {},
        {"endpoint_url": "https://far.test"},
        {"endpoint_url": None},
        {"region": "cn-north-1"},
        {"profile": "other"},
        {"assume_role_arn": "arn:aws:iam::123456789012:role/other"},
    )
    bucket = read_bucket("s3://backups/prod")
    stores = [s3.S3Store(bucket, S3Settings(**{**near, **change})) for change in changes]
    assert {store.location for store in stores} == {"s3://backups/prod"}
    assert len({store.identity for store in stores}) == len(changes)
    assert s3.S3Store(bucket, S3Settings(**near)).identity == stores[0].identity
