# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import NAME_LENGTH
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import (
    PREFIX_LENGTH,
    Bucket,
    S3Settings,
    read_bucket,
)


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("s3://bucket", Bucket("bucket", "")),
        ("s3://bucket/", Bucket("bucket", "")),
        ("s3://bu-ck.et/tenant", Bucket("bu-ck.et", "tenant/")),
        ("s3://bucket/a/b_c=d/", Bucket("bucket", "a/b_c=d/")),
    ],
)
def test_bucket_and_prefix(url: str, bucket: Bucket) -> None:
    assert read_bucket(url) == bucket
    assert read_bucket(bucket.url) == bucket


def test_longest_name_still_fits_into_a_key() -> None:
    longest = read_bucket(f"s3://bucket/{'a' * (PREFIX_LENGTH - 1)}")
    assert len(longest.prefix) + NAME_LENGTH == 1024
    with pytest.raises(PolicyError, match="longer than"):
        read_bucket(f"s3://bucket/{'a' * PREFIX_LENGTH}")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///x",
        "s3://Bucket/x",
        "s3://b/x",
        "s3://key:pa55word@bucket/x",
        "s3://bucket:9000/x",
        "s3://bucket/x?pa55word",
        "s3://bucket/x#y",
        "s3://bucket/a//b",
        "s3://bucket/a/../b",
        "s3://bucket/.probe",
        "s3://bucket/a%2Fb",
        "s3://bucket/ä",
        "s3://[pa55word",
    ],
)
def test_other_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(PolicyError, match="not usable") as caught:
        read_bucket(url)
    assert "pa55word" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"endpoint_url": "https://s3.example:9000", "region": "eu-central-1", "profile": "backup operator"},
        {"endpoint_url": "http://127.0.0.1:9000"},
        {"endpoint_url": "http://[::1]:9000"},
        {"endpoint_url": "http://localhost:9000/path"},
        {"assume_role_arn": "arn:aws:iam::123456789012:role/path/backup", "external_id": "x-1"},
        {"assume_role_arn": "arn:aws-cn:iam::tenant:role/backup"},
        {"aws_config": {"connect_timeout": 1, "read_timeout": 2.5, "proxies": {}, "addressing_style": "virtual"}},
    ],
)
def test_settings_that_are_taken(settings: dict[str, t.Any]) -> None:
    S3Settings(**settings)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"endpoint_url": "http://s3.example"}, "endpoint_url"),
        ({"endpoint_url": "http://127.0.0.1.example"}, "endpoint_url"),
        ({"endpoint_url": "https://user:pa55word@s3.example"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example/?pa55word"}, "endpoint_url"),
        ({"endpoint_url": "s3.example"}, "endpoint_url"),
        ({"endpoint_url": "https://"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example:port"}, "endpoint_url"),
        ({"endpoint_url": "https://s3.example\r\nx: y"}, "endpoint_url"),
        ({"endpoint_url": 7}, "endpoint_url"),
        ({"sts_endpoint_url": "http://sts.example"}, "sts_endpoint_url"),
        ({"region": "EU"}, "region"),
        ({"region": 1}, "region"),
        ({"profile": ""}, "profile"),
        ({"profile": "a\nb"}, "profile"),
        ({"aws_ca_bundle": False}, "aws_ca_bundle"),
        ({"assume_role_arn": "backup"}, "assume_role_arn"),
        ({"external_id": "a b"}, "external_id"),
        ({"aws_config": []}, "aws_config"),
        ({"aws_config": {"retries": {}}}, "aws_config.retries"),
        ({"aws_config": {"signature_version": "unsigned"}}, "aws_config.signature_version"),
        ({"aws_config": {"read_timeout": 0}}, "aws_config.read_timeout"),
        ({"aws_config": {"read_timeout": True}}, "aws_config.read_timeout"),
        ({"aws_config": {"connect_timeout": "1"}}, "aws_config.connect_timeout"),
        ({"aws_config": {"addressing_style": "dns"}}, "aws_config.addressing_style"),
        ({"aws_config": {"use_fips_endpoint": 1}}, "aws_config.use_fips_endpoint"),
    ],
)
def test_settings_that_are_refused_by_name(settings: dict[str, t.Any], names: str) -> None:
    with pytest.raises(PolicyError) as caught:
        S3Settings(**settings)
    assert caught.value.item == f"holdfast_repository.{names}"
    assert "pa55word" not in str(caught.value)
