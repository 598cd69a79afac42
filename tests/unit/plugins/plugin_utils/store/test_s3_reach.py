# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An endpoint is asked only where every address of its name is in a network that is allowed."""

from __future__ import annotations

import socket
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, StoreError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_reach import require_networks
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import Bucket, S3Settings

BUCKET = Bucket("backups", "of/one/")
ROLE = "arn:aws:iam::123456789012:role/backup"


class Names:
    """DNS, and what it was asked."""

    def __init__(self, **known: list[str]) -> None:
        self.known = {name.replace("_", "."): addresses for name, addresses in known.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, _port: None, **_more: t.Any) -> list[t.Any]:
        self.asked.append(host)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in self.known[host]]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def judge(names: Names, *networks: str, **settings: t.Any) -> None:
    given = {"endpoint_url": "https://s3.test:9000", **settings}
    require_networks(BUCKET, S3Settings(**given), networks, resolve=names)


def test_without_networks_nothing_is_asked() -> None:
    names = Names()
    judge(names)
    judge(names, endpoint_url=None)
    assert names.asked == []


@pytest.mark.parametrize(
    ("addresses", "networks"),
    [
        (["10.1.2.3"], ["10.0.0.0/8"]),
        (["10.1.2.3", "192.168.0.1"], ["10.0.0.0/8", "192.168.0.1/32"]),
        (["fd00::1", "10.1.2.3"], ["fd00::/8", "10.0.0.0/8"]),
        (["::ffff:10.1.2.3"], ["10.0.0.0/8"]),
        (["fe80::1%eth0"], ["fe80::/10"]),
    ],
)
def test_addresses_inside_are_taken(addresses: list[str], networks: list[str]) -> None:
    judge(Names(s3_test=addresses), *networks)


@pytest.mark.parametrize("addresses", [["8.8.8.8"], ["10.1.2.3", "8.8.8.8"], ["2001:db8::1"]])
def test_one_address_outside_is_refused_by_name(addresses: list[str]) -> None:
    with pytest.raises(PolicyError, match=r"s3\.test leads to .* which is in none of 10\.0\.0\.0/8") as caught:
        judge(Names(s3_test=addresses), "10.0.0.0/8")
    assert "10.1.2.3" not in str(caught.value)


def test_name_that_is_unknown_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="not resolved"):
        judge(Names(), "10.0.0.0/8")


def test_public_endpoint_of_a_region_is_judged_by_its_name() -> None:
    names = Names()
    names.known = {"backups.s3.eu-central-1.amazonaws.com": ["10.1.2.3"]}
    judge(names, "10.0.0.0/8", endpoint_url=None, region="eu-central-1")
    with pytest.raises(PolicyError, match="which endpoint is asked is not said"):
        judge(names, "10.0.0.0/8", endpoint_url=None)


@pytest.mark.parametrize(
    ("bucket", "settings", "asked"),
    [
        ("backups", {"region": "us-east-1"}, "backups.s3.amazonaws.com"),
        ("back.ups", {"region": "eu-central-1"}, "s3.eu-central-1.amazonaws.com"),
        ("backups", {"region": "cn-north-1"}, "backups.s3.cn-north-1.amazonaws.com.cn"),
        ("backups", {"region": "eu-central-1", "addressing_style": "path"}, "s3.eu-central-1.amazonaws.com"),
        (
            "backups",
            {"region": "eu-central-1", "use_dualstack_endpoint": True},
            "backups.s3.dualstack.eu-central-1.amazonaws.com",
        ),
        ("backups", {"region": "eu-west-1", "use_fips_endpoint": True}, "backups.s3-fips.eu-west-1.amazonaws.com"),
        ("backups", {"endpoint_url": "https://s3.test", "addressing_style": "virtual"}, "backups.s3.test"),
        ("backups", {"endpoint_url": "https://s3.test"}, "s3.test"),
    ],
)
def test_the_name_that_is_judged_is_the_one_that_botocore_asks(
    bucket: str, settings: dict[str, t.Any], asked: str
) -> None:
    names = Names()
    names.known = {asked: ["10.1.2.3"]}
    own = {name: settings.pop(name) for name in list(settings) if name.startswith(("use_", "addressing"))}
    require_networks(Bucket(bucket, ""), S3Settings(**settings, aws_config=own), ["10.0.0.0/8"], resolve=names)
    assert names.asked == [asked]


def test_endpoint_that_botocore_cannot_make_is_told() -> None:
    own = {"use_fips_endpoint": True}
    with pytest.raises(StoreError, match="cannot find out which endpoint is asked"):
        judge(Names(), "10.0.0.0/8", endpoint_url=None, region="nowhere", profile="no-such-profile", aws_config=own)


def test_where_roles_are_assumed_is_judged_too() -> None:
    names = Names(s3_test=["10.1.2.3"], sts_test=["8.8.8.8"])
    judge(names, "10.0.0.0/8", assume_role_arn=ROLE)
    with pytest.raises(PolicyError, match=r"sts\.test leads to 8\.8\.8\.8"):
        judge(names, "10.0.0.0/8", assume_role_arn=ROLE, sts_endpoint_url="https://sts.test")
    names.known = {"backups.s3.cn-north-1.amazonaws.com.cn": ["10.1.2.3"]}
    with pytest.raises(UnavailableError, match=r"sts\.cn-north-1\.amazonaws\.com\.cn"):
        judge(names, "10.0.0.0/8", endpoint_url=None, region="cn-north-1", assume_role_arn=ROLE)


def test_proxy_hides_where_the_endpoint_is(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(s3_test=["10.1.2.3"])
    with pytest.raises(PolicyError, match="by way of a proxy"):
        judge(names, "10.0.0.0/8", aws_config={"proxies": {"https": "http://proxy:3128"}})
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    with pytest.raises(PolicyError, match="by way of a proxy"):
        judge(names, "10.0.0.0/8")
    judge(names, "10.0.0.0/8", aws_config={"proxies": {}})
    monkeypatch.setenv("no_proxy", "s3.test")
    judge(names, "10.0.0.0/8")


def test_the_systems_own_resolver_is_asked() -> None:
    require_networks(BUCKET, S3Settings(endpoint_url="http://127.0.0.1:9000"), ["127.0.0.0/8"])
    with pytest.raises(PolicyError, match=r"127\.0\.0\.1 leads to 127\.0\.0\.1"):
        require_networks(BUCKET, S3Settings(endpoint_url="http://127.0.0.1:9000"), ["10.0.0.0/8"])
