# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys of a role for somebody else: what is asked for, and what is made of answers that no good server gives."""

from __future__ import annotations

import contextlib
import datetime as dt
import urllib.parse
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CorruptError,
    DeniedError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_client import Client, RoleKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import S3Settings
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience

from .s3_server import Answer, Answers, Server, served

ROLE = "arn:aws:iam::123456789012:role/restorer"
UNTIL = dt.datetime(2026, 11, 28, 23, tzinfo=dt.timezone.utc)
GIVEN = (
    "<AccessKeyId>AK1</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey><SessionToken>t0ken</SessionToken>"
    "<Expiration>2026-11-28T23:00:00Z</Expiration>"
)


def answer(given: str) -> Answer:
    text = f"<AssumeRoleResponse><AssumeRoleResult>{given}</AssumeRoleResult></AssumeRoleResponse>"
    return Answer(body=text.encode())


def refused(status: int, code: str) -> Answer:
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>secret</Message></Error></ErrorResponse>"
    return Answer(status, body=text.encode())


@contextlib.contextmanager
def client(answers: Answers, **settings: str) -> Iterator[tuple[Client, Server]]:
    """A client of a server that answers so."""
    with served(answers) as (_store, server):
        told = S3Settings(endpoint_url=server.endpoint, region="eu-test-1", assume_role_arn=ROLE, **settings)
        yield Client("s3://x", told, context={"change": "CHG 1"}, patience=Patience(attempts=1)), server


def test_a_role_is_assumed_for_so_long_under_that_name() -> None:
    with client(lambda _request: answer(f"<Credentials>{GIVEN}</Credentials>"), external_id="x-1") as (one, server):
        keys = one.role_keys("CHG 1", 900)
    assert keys == RoleKeys("AK1", "s3cret", "t0ken", UNTIL)
    assert "s3cret" not in repr(keys)
    assert "t0ken" not in repr(keys)
    (request,) = server.requests
    asked = dict(urllib.parse.parse_qsl(request.body.decode()))
    assert (asked["Action"], asked["RoleArn"], asked["ExternalId"]) == ("AssumeRole", ROLE, "x-1")
    assert (asked["RoleSessionName"], asked["DurationSeconds"]) == ("holdfast-CHG_1", "900")
    assert "change/CHG_1" in request.headers["user-agent"]


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (refused(403, "AccessDenied"), DeniedError),
        (refused(400, "ValidationError"), StoreError),
        (refused(500, "InternalFailure"), UnavailableError),
        (answer(""), CorruptError),
        (answer("<Credentials><AccessKeyId>AK1</AccessKeyId></Credentials>"), CorruptError),
        (answer(f"<Credentials>{GIVEN.replace('2026', 'soon')}</Credentials>"), CorruptError),
        (Answer(body=b"<html>hello"), CorruptError),
    ],
    ids=["denied", "too long", "failed", "nothing", "half", "no time", "no STS"],
)
def test_what_is_refused_or_is_no_answer_is_told(told: Answer, error: type[StoreError]) -> None:
    with (
        client(lambda _request: told) as (one, server),
        pytest.raises(error, match="cannot have keys of the role") as caught,
    ):
        one.role_keys("CHG1", 900)
    assert "secret" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_told() -> None:
    with client(lambda _request: answer("")) as (one, server):
        server.close()
        with pytest.raises(UnavailableError, match="cannot have keys of the role"):
            one.role_keys("CHG1", 900)
