# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a keyring in Vault is told: where the server is, by which method to log in, and where secrets come from.

Options have the names that community.hashi_vault gives them, and its environment variables hold where an option is not
given, with and without ``ANSIBLE_`` before them. What lets somebody in is no option: it comes from the environment or a
file, so that no inventory, run folder or process list has it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import stat
import typing as t
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from ..errors import KeyringError, PolicyError

AUTH_METHODS = ("token", "approle", "jwt", "cert", "userpass", "ldap")
_PLACE = "holdfast_repository.keyring"
_PREFIXES = ("ANSIBLE_HASHI_VAULT_", "HASHI_VAULT_")
# by Vault's own names, which its command reads too
_VAULTS_OWN = {
    "url": "VAULT_ADDR",
    "namespace": "VAULT_NAMESPACE",
    "ca_cert": "VAULT_CACERT",
    "token": "VAULT_TOKEN",
}
_NAMED_OTHERWISE = {"url": "ADDR"}
_SECRETS: Mapping[str, str] = {"approle": "secret_id", "jwt": "jwt", "userpass": "password", "ldap": "password"}
# what each method cannot do without
_NEEDED: Mapping[str, str] = {"approle": "role_id", "jwt": "role_id", "userpass": "username", "ldap": "username"}
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_NAME = re.compile(r"[!-.0-~]([ -.0-~]*[!-.0-~])?")
_SECRET = re.compile(r"[!-~]([ -~]*[!-~])?")
_LONGEST_SECONDS, _MOST_RETRIES = 600, 20
# a projected token of Kubernetes may be read by all in its container, and ends by itself
_ANYBODYS = frozenset({"jwt"})


@dataclasses.dataclass(frozen=True)
class VaultSettings:
    """How to reach a Vault and log in. Holds no secret; :meth:`secret` reads one where it is used.

    :param url: ``https://host[:port]``. Plain ``http://`` is for loopback alone.
    :param engine_mount_point: where Transit is mounted.
    :param auth_method: one of :data:`AUTH_METHODS`.
    :param mount_point: where the auth method is mounted; its own name where that is None.
    :param role_id: of approle; the role's name of jwt; of cert the name of the certificate, or None.
    :param timeout: of each call, in seconds.
    :param retries: how often a call that was not answered is made again.
    :raises PolicyError: a value is not usable; no message repeats one.
    """

    url: str
    engine_mount_point: str = "transit"
    auth_method: str = "token"
    mount_point: str | None = None
    role_id: str | None = None
    username: str | None = None
    namespace: str | None = None
    ca_cert: str | None = None
    validate_certs: bool = True
    timeout: float = 30
    retries: int = 3
    token_path: str | None = None
    token_file: str = ".vault-token"
    secret_id_file: str | None = None
    password_file: str | None = None
    jwt_file: str | None = None
    cert_auth_public_key: str | None = None
    cert_auth_private_key: str | None = None

    def __post_init__(self) -> None:
        fault = url_fault(self.url)
        if fault:
            raise _refused("url", fault, "Give https://host or https://host:port")
        if self.auth_method not in AUTH_METHODS:
            raise _refused("auth_method", "is none of this version", f"Give one of {', '.join(AUTH_METHODS)}")
        for name in ("engine_mount_point", "mount_point", "namespace"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and _PATH.fullmatch(value.strip("/"))):
                raise _refused(name, "is no path of Vault", "Give it as vault secrets list or vault auth list shows it")
        for name in ("role_id", "username"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and _NAME.fullmatch(value)):
                raise _refused(name, "is not one line of text without slashes", "Give its name")
        for name in _FILES:
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.isprintable() and value):
                raise _refused(name, "is not one line of text", "Give a path on the controller")
        self._check_numbers()
        self._check_method()

    def _check_numbers(self) -> None:
        if not isinstance(self.validate_certs, bool):
            raise _refused("validate_certs", "is neither true nor false", "Give one of them")
        # a bool is an int
        timeout, retries = self.timeout, self.retries
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= _LONGEST_SECONDS:
            raise _refused("timeout", "is no number of seconds", f"Give up to {_LONGEST_SECONDS}")
        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= _MOST_RETRIES:
            raise _refused("retries", "is no number of calls", f"Give 0 to {_MOST_RETRIES}")

    def _check_method(self) -> None:
        needed = _NEEDED.get(self.auth_method)
        if needed is not None and getattr(self, needed) is None:
            raise _refused(needed, f"is not set, and auth_method {self.auth_method} needs it", "Set it")
        if self.auth_method == "cert" and None in (self.cert_auth_public_key, self.cert_auth_private_key):
            raise _refused(
                "cert_auth_public_key", "is not set, or cert_auth_private_key is not", "Name the PEM files of both"
            )
        if self.auth_method == "token" and self.mount_point is not None:
            raise _refused(
                "mount_point",
                "is where an auth method is mounted, and auth_method token has none",
                "Where Transit is mounted says engine_mount_point",
            )

    @classmethod
    def read(
        cls, given: Mapping[str, t.Any], environ: Mapping[str, str], *, places: Mapping[str, str] | None = None
    ) -> VaultSettings:
        """Read options, and for those that are not given the environment.

        :param places: the name, for people, of an option that is none of the inventory's keyring.
        :raises PolicyError: a value is not usable, or the URL is given nowhere; names the option or the variable.
        """
        values: dict[str, t.Any] = {}
        named = dict(places or {})
        for field in dataclasses.fields(cls):
            value = given.get(field.name)
            variable = None if value is not None else _variable(field.name, environ)
            if variable is not None:
                value, named[field.name] = _typed(field.name, environ[variable]), variable
            if value is not None:
                values[field.name] = value
        # that of jobs, which log in otherwise than who has a token
        if values.get("auth_method", "token") == "token" and given.get("mount_point") is None:
            values.pop("mount_point", None)
        if "validate_certs" not in values and environ.get("VAULT_SKIP_VERIFY"):
            values["validate_certs"] = _typed("validate_certs", environ["VAULT_SKIP_VERIFY"]) is not True
        if "url" not in values:
            raise _refused("url", "is not set", "Set it, or VAULT_ADDR, to https://host:port")
        try:
            return cls(**values)
        except PolicyError as e:
            name = str(e.item).removeprefix(f"{_PLACE}.")
            raise PolicyError(e.message, item=named.get(name, e.item), remedy=e.remedy) from None

    @property
    def engine(self) -> str:
        """The path of Transit, without slashes around it."""
        return self.engine_mount_point.strip("/")

    @property
    def auth_path(self) -> str:
        """The path of the auth method, without slashes around it."""
        return (self.mount_point or self.auth_method).strip("/")

    def certificate(self) -> tuple[str, str] | None:
        """The files of the client's certificate and its private key, where they are given.

        :raises KeyringError: everybody may read the key, or it cannot be read.
        """
        if self.cert_auth_public_key is None or self.cert_auth_private_key is None:
            return None
        key = Path(self.cert_auth_private_key).expanduser()
        # one that is not there is an error of who uses it
        _read(key, "cert_auth_private_key")
        return os.path.expanduser(self.cert_auth_public_key), str(key)

    def secret(self, environ: Mapping[str, str]) -> str:
        """What lets this identity in: its token, secret id, password or JWT; "" of a method that has none.

        :raises KeyringError: it is neither in the environment nor in a file that is its owner's alone.
        """
        if self.auth_method == "cert":
            return ""
        name = _SECRETS.get(self.auth_method, "token")
        text = from_environment(name, environ)
        if text is None:
            path = self._secret_file(name, environ)
            text = None if path is None else _read(path, name)
        if text is None or not text.strip():
            raise KeyringError(
                f"no {name.replace('_', ' ')} for Vault was found",
                item=self.url,
                remedy=f"Set {_PREFIXES[1]}{name.upper()}"
                + (", VAULT_TOKEN, or log in by vault login" if name == "token" else f", or name {name}_file"),
            )
        if not _SECRET.fullmatch(text.strip()):
            raise KeyringError(f"the {name.replace('_', ' ')} for Vault is not one line of ASCII", item=self.url)
        return text.strip()

    def _secret_file(self, name: str, environ: Mapping[str, str]) -> Path | None:
        if name == "token":
            folder = self.token_path or environ.get("HOME")
            return None if folder is None else Path(folder).expanduser() / self.token_file
        named = getattr(self, f"{name}_file")
        return None if named is None else Path(named).expanduser()


_FILES = (
    "ca_cert",
    "token_path",
    "token_file",
    "secret_id_file",
    "password_file",
    "jwt_file",
    "cert_auth_public_key",
    "cert_auth_private_key",
)
NAMES = tuple(field.name for field in dataclasses.fields(VaultSettings))


def from_environment(name: str, environ: Mapping[str, str]) -> str | None:
    """What the environment says of an option or secret; an empty variable is none."""
    variable = _variable(name, environ)
    return None if variable is None else environ[variable]


def _variable(name: str, environ: Mapping[str, str]) -> str | None:
    """The variable of the environment that says it."""
    tail = _NAMED_OTHERWISE.get(name, name.upper())
    variables = (*(f"{prefix}{tail}" for prefix in _PREFIXES), _VAULTS_OWN.get(name, ""))
    return next((variable for variable in variables if environ.get(variable)), None)


def _typed(name: str, text: str) -> t.Any:
    """What a variable of the environment means: text, but for a few."""
    if name not in ("validate_certs", "timeout", "retries"):
        return text
    if name == "validate_certs":
        known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return known.get(text.lower(), text)
    try:
        return int(text) if name == "retries" else float(text)
    except ValueError:
        return text


def _read(path: Path, name: str) -> str | None:
    try:
        with path.open("rb") as file:
            others = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IRWXO
            if others and name not in _ANYBODYS:
                raise KeyringError(
                    "everybody on this machine may read or write what lets this identity into Vault",
                    item=str(path),
                    remedy="Take their rights away (chmod o=)",
                )
            return file.read(65536).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as e:
        raise KeyringError(f"what lets this identity into Vault cannot be read: {e.strerror}", item=str(path)) from None


def url_fault(url: t.Any) -> str | None:
    """Why a server is not asked at this URL; None where it may be."""
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


def _refused(name: str, why: str, remedy: str) -> PolicyError:
    return PolicyError(f"this setting {why}", item=f"{_PLACE}.{name}", remedy=remedy)
