# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How identities log in to a server that keeps keys: what is declared, read and judged. No secret is part of it."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from collections.abc import Mapping, Sequence

from .policy import Finding

# the others do their part by hand, with a token that ends with the day
IDENTITIES = ("operator", "restorer", "auditor", "broker")
METHODS = ("approle", "jwt", "cert", "userpass")

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_YEAR = 366 * 86400
# which options are for which method alone
_OF_METHOD: Mapping[str, tuple[str, ...]] = {
    "approle": ("secret_id_ttl", "secret_id_num_uses", "secret_id_bound_cidrs"),
    "jwt": ("bound_audiences", "bound_subject", "bound_claims", "user_claim"),
    "cert": ("certificate", "allowed_common_names"),
    "userpass": (),
}


@dataclasses.dataclass(frozen=True)
class Login:
    """One way in, for one identity. Times are in seconds.

    :param auth_method: one of :data:`METHODS`.
    :param mount_point: where that method is mounted.
    :param certificate: of ``cert``, in PEM, the CA's or its own.
    """

    identity: str
    auth_method: str
    mount_point: str
    token_ttl: int
    token_max_ttl: int
    token_bound_cidrs: tuple[str, ...] = ()
    secret_id_ttl: int = 0
    secret_id_num_uses: int = 0
    secret_id_bound_cidrs: tuple[str, ...] = ()
    bound_audiences: tuple[str, ...] = ()
    bound_subject: str = ""
    bound_claims: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    user_claim: str = "sub"
    certificate: str = ""
    allowed_common_names: tuple[str, ...] = ()


def read_logins(given: Sequence[Mapping[str, t.Any]], findings: list[Finding]) -> tuple[Login, ...]:
    """Read declared logins, which have a value, or None, under every option; what is wrong goes to *findings*."""
    found: list[Login] = []
    for number, fields in enumerate(given):
        at = f"logins[{number}]"
        before = len(findings)
        login = _read_login(at, fields, findings)
        if len(findings) > before:
            continue
        if login.identity in [other.identity for other in found]:
            findings.append(Finding(f"{at}.identity", "has a login already", "Declare one for each identity."))
        if any(login.mount_point == one.mount_point and login.auth_method != one.auth_method for one in found):
            problem = "is where another method is mounted"
            findings.append(Finding(f"{at}.mount_point", problem, "Give each method a mount of its own."))
        found.append(login)
    return tuple(found)


def read_duration(at: str, value: t.Any, findings: list[Finding], *, least: int = 0) -> int:
    """Seconds of ``20m``, ``24h``, ``90d`` or a number; 0, with a finding, where it is none of these."""
    match = _DURATION.fullmatch(str(value))
    seconds = int(match[1]) * _SECONDS[match[2]] if match else -1
    if not least <= seconds <= _YEAR:
        findings.append(Finding(at, f"{value!r} is no such time", "Give seconds, or 20m, 24h, 90d; a year at most."))
        return 0
    return seconds


def read_cidrs(at: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...]:
    """Networks, each as ``10.0.0.0/8``; an address is a network of one."""
    found = []
    for one in value or ():
        try:
            found.append(str(ipaddress.ip_network(str(one))))
        except ValueError:
            findings.append(Finding(at, f"{one!r} is no network", "Give it as 10.0.0.0/8, or an address."))
    return tuple(found)


def _read_login(at: str, fields: Mapping[str, t.Any], findings: list[Finding]) -> Login:
    method = str(fields["auth_method"])
    mount = str(fields.get("mount_point") or method).strip("/")
    if not _PATH.fullmatch(mount):
        findings.append(Finding(f"{at}.mount_point", "is no path of Vault", "Give it as vault auth list shows it."))
    for other, options in _OF_METHOD.items():
        findings += [
            Finding(f"{at}.{name}", f"is for auth_method {other}", f"Leave it out, or set auth_method to {other}.")
            for name in options
            if other != method and fields.get(name) is not None
        ]
    ttl = read_duration(f"{at}.token_ttl", fields["token_ttl"], findings, least=60)
    longest = read_duration(f"{at}.token_max_ttl", fields["token_max_ttl"], findings, least=60)
    if ttl > longest:
        findings.append(Finding(f"{at}.token_ttl", "is longer than token_max_ttl", "Give no more than that."))
    uses = fields.get("secret_id_num_uses") or 0
    if uses < 0:
        findings.append(Finding(f"{at}.secret_id_num_uses", f"{uses} is no number of uses", "Give 0 for no end."))
    bound = [fields.get(name) for name in ("bound_audiences", "bound_subject", "bound_claims")]
    if method == "jwt" and not any(bound):
        remedy = "Give bound_audiences, bound_subject or bound_claims."
        findings.append(Finding(at, "lets in whoever has any JWT of that issuer", remedy))
    if method == "cert" and not fields.get("certificate"):
        findings.append(Finding(f"{at}.certificate", "is not set", "Name the PEM file of the CA, or of the client."))
    return Login(
        identity=str(fields["identity"]),
        auth_method=method,
        mount_point=mount,
        token_ttl=ttl,
        token_max_ttl=longest,
        token_bound_cidrs=read_cidrs(f"{at}.token_bound_cidrs", fields.get("token_bound_cidrs"), findings),
        secret_id_ttl=read_duration(f"{at}.secret_id_ttl", fields.get("secret_id_ttl") or 0, findings),
        secret_id_num_uses=uses,
        secret_id_bound_cidrs=read_cidrs(f"{at}.secret_id_bound_cidrs", fields.get("secret_id_bound_cidrs"), findings),
        bound_audiences=tuple(fields.get("bound_audiences") or ()),
        bound_subject=str(fields.get("bound_subject") or ""),
        bound_claims=dict(fields.get("bound_claims") or {}),
        user_claim=str(fields.get("user_claim") or "sub"),
        certificate=str(fields.get("certificate") or ""),
        allowed_common_names=tuple(fields.get("allowed_common_names") or ()),
    )
