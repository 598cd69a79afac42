# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a service of AWS, or one that speaks as it does. Holds no credential, and reads none."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
import urllib.parse
from collections.abc import Mapping

from ..errors import PolicyError

_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ARN = re.compile(r"arn:[a-z-]+:iam:[A-Za-z0-9-]*:[A-Za-z0-9-]*:role/[\w+=,.@/-]{1,600}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
#: What every service takes of botocore's own configuration.
CONFIG: Mapping[str, type | tuple[type, ...]] = {
    "connect_timeout": (int, float),
    "read_timeout": (int, float),
    "proxies": dict,
    "use_dualstack_endpoint": bool,
    "use_fips_endpoint": bool,
}
_LONGEST_SECONDS = 3600


@dataclasses.dataclass(frozen=True)
class AwsSettings:
    """How to reach a service. Options have the names and the meaning that amazon.aws gives them.

    Credentials come from where botocore looks for them: environment, profile, web identity, container or machine.

    :param endpoint_url: ``https://host[:port]``; None for AWS. Plain ``http://`` is for loopback alone.
    :param assume_role_arn: a role to assume with those credentials, as ``sts_endpoint_url`` allows: the endpoint
        itself, where one is given, as MinIO and Ceph have it.
    :param aws_ca_bundle: PEM file of the CAs that are trusted, instead of botocore's.
    :param aws_config: some of botocore's own: connect_timeout and read_timeout (seconds), proxies,
        use_dualstack_endpoint, use_fips_endpoint.
    :raises PolicyError: a value is not usable; no message repeats one that may hold a password.
    """

    #: The variable that has these options.
    place: t.ClassVar[str] = "holdfast_repository"
    #: What ``aws_config`` may hold.
    known: t.ClassVar[Mapping[str, type | tuple[type, ...]]] = CONFIG

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    aws_ca_bundle: str | None = None
    assume_role_arn: str | None = None
    external_id: str | None = None
    sts_endpoint_url: str | None = None
    aws_config: Mapping[str, t.Any] | None = None

    def __post_init__(self) -> None:
        for name in ("endpoint_url", "sts_endpoint_url"):
            fault = _endpoint_fault(getattr(self, name))
            if fault:
                raise self.refused(name, fault, "Give https://host or https://host:port.")
        for name, form, like in (
            ("region", _REGION, "eu-central-1"),
            ("assume_role_arn", _ARN, "arn:aws:iam::123456789012:role/backup"),
            ("external_id", _EXTERNAL_ID, "a text without spaces"),
        ):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and form.fullmatch(value)):
                raise self.refused(name, "is not usable", f"Give something like {like}.")
        for name in ("profile", "aws_ca_bundle"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.isprintable() and value):
                raise self.refused(name, "is not one line of text", "Give its name.")
        self._check_config()

    def _check_config(self) -> None:
        if self.aws_config is not None and not isinstance(self.aws_config, Mapping):
            raise self.refused("aws_config", "is not a dictionary", f"Known here: {', '.join(self.known)}.")
        given: Mapping[str, t.Any] = self.aws_config or {}
        for name, value in given.items():
            if name not in self.known:
                raise self.refused(f"aws_config.{name}", "is not known here", f"Known here: {', '.join(self.known)}.")
            kind: t.Any = self.known[name]
            # a bool is an int
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise self.refused(f"aws_config.{name}", "has the wrong type", "See botocore's Config.")
            if name.endswith("_timeout") and not 0 < value <= _LONGEST_SECONDS:
                raise self.refused(f"aws_config.{name}", "is out of range", f"Give 1 to {_LONGEST_SECONDS} seconds.")

    @classmethod
    def refused(cls, name: str, why: str, remedy: str) -> PolicyError:
        """The error of a value that is not usable, which it does not repeat."""
        return PolicyError(f"this setting {why}", item=f"{cls.place}.{name}", remedy=remedy)


def _endpoint_fault(url: t.Any) -> str | None:
    if url is None:
        return None
    try:
        parts = urllib.parse.urlsplit(url if isinstance(url, str) else "")
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "is not a URL"
    if "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable() or " " in url:
        return "has more than host, port and path"
    if parts.scheme == "http" and not _loopback(host):
        return "is not encrypted"
    return None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
