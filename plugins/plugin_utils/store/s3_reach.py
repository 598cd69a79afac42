# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an S3 server is: whether its name leads into networks that are allowed, before anything is sent there.

A name can lead elsewhere a moment later: what keeps traffic in a network is the network. This finds a mistake.
"""

from __future__ import annotations

import ipaddress
import socket
import typing as t
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence

from ..errors import PolicyError, UnavailableError
from .s3_client import Client
from .s3_settings import Bucket, S3Settings
from .wrappers import Patience

_NAMED = 5


def require_networks(
    bucket: Bucket,
    settings: S3Settings,
    networks: Sequence[str],
    *,
    resolve: Callable[..., Iterable[t.Any]] = socket.getaddrinfo,
) -> None:
    """Refuse an endpoint, of S3 or of STS, of which any address is in none of these networks.

    :param networks: as ``ipaddress`` writes them; none allow all.
    :param resolve: ``socket.getaddrinfo``.
    :raises PolicyError: an address is outside, or the way there cannot be known here.
    :raises UnavailableError: the name is not resolved.
    :raises DependencyMissingError: botocore is not installed.
    """
    allowed = [ipaddress.ip_network(network) for network in networks]
    for url in _endpoints(bucket, settings) if allowed else ():
        host = urllib.parse.urlsplit(url).hostname or ""
        _require_direct(settings, host, urllib.parse.urlsplit(url).scheme)
        outside = [address for address in _addresses(host, resolve) if not any(address in one for one in allowed)]
        if outside:
            told = ", ".join(str(address) for address in outside[:_NAMED])
            raise PolicyError(
                f"{host} leads to {told}, which is in none of {', '.join(networks)}",
                item="storage.allowed_networks",
                remedy="Name a private endpoint in holdfast_repository.endpoint_url, or correct DNS; nothing was sent.",
            )


def _endpoints(bucket: Bucket, settings: S3Settings) -> tuple[str, ...]:
    if settings.endpoint_url is None and settings.region is None:
        raise PolicyError(
            "which endpoint is asked is not said, so its address cannot be judged",
            item="storage.allowed_networks",
            remedy="Set holdfast_repository.endpoint_url, or region for the public one of AWS.",
        )
    # by aws_config, region and bucket it may be another name than one would think
    return Client(bucket.url, settings, context={}, patience=Patience()).endpoints(bucket.name)


def _require_direct(settings: S3Settings, host: str, scheme: str) -> None:
    given = (settings.aws_config or {}).get("proxies")
    proxies = urllib.request.getproxies() if given is None else given
    if proxies.get(scheme) and (given is not None or not urllib.request.proxy_bypass(host)):
        raise PolicyError(
            f"{host} is asked by way of a proxy, which finds its address by itself",
            item="storage.allowed_networks",
            remedy="Leave allowed_networks out, or reach it directly: aws_config.proxies, HTTPS_PROXY, NO_PROXY.",
        )


def _addresses(
    host: str, resolve: Callable[..., Iterable[t.Any]]
) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = {str(answer[4][0]).partition("%")[0] for answer in resolve(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise UnavailableError(
            "the endpoint's name is not resolved", item=host, remedy="Look at its name and at the controller's DNS"
        ) from None
    addresses = [ipaddress.ip_address(address) for address in sorted(found)]
    # an IPv4 address in IPv6 notation is the same place
    return [getattr(address, "ipv4_mapped", None) or address for address in addresses]
