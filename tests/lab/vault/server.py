# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Vault on loopback: TLS by the lab's authority, an audit device, Transit, and identities with the policies of
the matrix of duties.

Its root token and the shares of its unseal key are known to this process alone.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import resource
import ssl
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.duties import vault_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES

from ..go_build import VAULT, build
from ..s3.authority import Authority
from ..s3.daemon import Daemon, port

#: How many people have a share of the key that unseals it, and how many of them it takes.
SHARES, THRESHOLD = 3, 2
#: Whose rights together are enough to make a repository, to use it and to restore.
PARTS = ("operator", "restorer", "owner")


class VaultRefusedError(Exception):
    """Vault answered with an error."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


@dataclasses.dataclass(frozen=True)
class Asked:
    """One call, as the audit device has it.

    :param path: below ``/v1/``.
    :param who: the display name of the token; empty of a login.
    :param policies: those of the token.
    :param error: why it was refused; empty where it was not.
    """

    operation: str
    path: str
    who: str
    policies: tuple[str, ...]
    error: str

    @property
    def spoken(self) -> str:
        """``update transit/sign/holdfast-lab--point``."""
        return f"{self.operation} {self.path}"


@dataclasses.dataclass(frozen=True)
class AppRole:
    """What a machine logs in with."""

    role_id: str
    secret_id: str


def policies(repository: str, mount: str = "transit") -> dict[str, str]:
    """The policies of the matrix of duties, by identity."""
    return {each: vault_policies.policy(each, repository=repository, mount=mount) for each in IDENTITIES}


class Vault:
    """One server, over a folder.

    :param folder: where its data and logs go.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.authority = authority
        self.ca_path = authority.ca_path
        self.url = ""
        self._root = ""
        self._shares: list[str] = []
        self._context = ssl.create_default_context(cafile=str(authority.ca_path))

    def up(self) -> None:
        """Start it for the first time: initialised, unsealed, audited, Transit and AppRole there, and nobody let in.

        :raises NotBuiltError: it cannot be built here.
        :raises NotStartedError: it did not start.
        """
        self.up_bare()
        self.call("PUT", "sys/audit/file", {"type": "file", "options": {"file_path": str(self.audit_log)}})
        self.mount("transit")
        self.call("POST", "sys/auth/approle", {"type": "approle"})

    def up_bare(self) -> None:
        """The same without anything but what Vault has of itself.

        :raises NotBuiltError: it cannot be built here.
        :raises NotStartedError: it did not start.
        """
        certificate, key = self.authority.issue(self.folder.name)
        listen = f"127.0.0.1:{port()}"
        self.url = f"https://{listen}"
        tls = ["-cert", str(certificate), "-key", str(key)]
        data = ["-data", str(self.folder / "data")]
        self._daemon = Daemon([str(build(VAULT)), "-listen", listen, *data, *tls], self.folder / "log", {})
        self._daemon.start(self._answers)
        made = self.call("PUT", "sys/init", {"secret_shares": SHARES, "secret_threshold": THRESHOLD})
        self._shares, self._root = made["keys_base64"], made["root_token"]
        self.unseal()

    def start(self) -> None:
        """Start again what was killed, with the data it had, and unseal it."""
        self._daemon.start(self._answers)
        self.unseal()

    def unseal(self) -> None:
        """Let it answer again."""
        for share in self._shares[:THRESHOLD]:
            self.call("PUT", "sys/unseal", {"key": share})
        deadline = time.monotonic() + 30
        while self.call("GET", "sys/seal-status")["sealed"] or not self._active():
            assert time.monotonic() < deadline, "Vault stays sealed"
            time.sleep(0.02)

    def seal(self) -> None:
        """Let it refuse whatever is asked."""
        self.call("PUT", "sys/seal")

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._daemon.kill()

    def pause(self) -> None:
        """Stop it, so that it takes connections and says nothing."""
        self._daemon.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._daemon.resume()

    def fill(self) -> None:
        """Let its audit device take nothing more, as where the disk is full: Vault answers no request then."""
        self._daemon.limit_files(self.audit_log.stat().st_size)

    def revive(self) -> None:
        """Make it answer, whatever a test has done to it."""
        self.resume()
        self._daemon.limit_files(resource.RLIM_INFINITY)
        if not self._daemon.running:
            self.start()
        elif self.call("GET", "sys/seal-status")["sealed"]:
            self.unseal()

    def log(self) -> str:
        """What it has printed."""
        return self._daemon.log()

    @property
    def programs(self) -> Path:
        """The folder of ``vault``, its own command line."""
        return build(VAULT).parent

    @property
    def environment(self) -> dict[str, str]:
        """What tells that where this Vault is; who asks is told by ``VAULT_TOKEN``."""
        return {"VAULT_ADDR": self.url, "VAULT_CACERT": str(self.ca_path)}

    def mount(self, path: str) -> None:
        """Mount another Transit engine."""
        self.call("POST", f"sys/mounts/{path}", {"type": "transit"})

    def call(
        self, method: str, path: str, body: Mapping[str, t.Any] | None = None, *, token: str | None = None
    ) -> dict[str, t.Any]:
        """Ask it as root, or with another token; returns what it answers, or nothing.

        :raises VaultRefusedError: it answered with an error.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Vault-Token": self._root if token is None else token}
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:
                content = answer.read()
        except urllib.error.HTTPError as e:
            with e:
                raise VaultRefusedError(e.code, e.read().decode(errors="replace")) from None
        return t.cast("dict[str, t.Any]", json.loads(content)) if content else {}

    def refuses(self, method: str, path: str, body: Mapping[str, t.Any] | None = None, *, token: str) -> bool:
        """Whether a policy is why it does not do that."""
        try:
            self.call(method, path, body, token=token)
        except VaultRefusedError as e:
            return e.status == 403
        return False

    def write_policies(self, repository: str, mount: str = "transit") -> None:
        """Write those of the matrix of duties, named ``<repository>-<identity>``."""
        for part, text in policies(repository, mount).items():
            self.call("PUT", f"sys/policies/acl/{repository}-{part}", {"policy": text})

    def token(self, *names: str, **more: t.Any) -> str:
        """Make a token with these policies, and with what else ``auth/token/create`` takes."""
        made = self.call("POST", "auth/token/create", {"policies": names, "no_parent": True, **more})
        return str(made["auth"]["client_token"])

    def generate_root(self, *, shares: int = THRESHOLD) -> str:
        """Make a root token as ``vault operator generate-root`` does, with the shares of so many people.

        :returns: the token; "" where these shares are too few, and the attempt is given up.
        """
        begun = self.call("PUT", "sys/generate-root/attempt", {}, token="")
        for share in self._shares[:shares]:
            told = self.call("PUT", "sys/generate-root/update", {"key": share, "nonce": begun["nonce"]}, token="")
            if told["complete"]:
                encoded = told["encoded_token"]
                raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
                return bytes(one ^ other for one, other in zip(raw, begun["otp"].encode(), strict=True)).decode()
        self.call("DELETE", "sys/generate-root/attempt", token="")
        return ""

    def revoke(self, token: str) -> None:
        """End a token."""
        self.call("POST", "auth/token/revoke", {"token": token})

    def approle(self, name: str, *policies: str, **more: t.Any) -> AppRole:
        """Make a role with these policies, and with what else a role takes; returns what it logs in with."""
        at = f"auth/approle/role/{name}"
        self.call("POST", at, {"token_policies": policies, **more})
        role_id = self.call("GET", f"{at}/role-id")["data"]["role_id"]
        return AppRole(role_id, self.call("POST", f"{at}/secret-id", {})["data"]["secret_id"])

    def asked(self) -> list[Asked]:
        """All calls that it has answered, oldest first, as its audit device has them."""
        found = []
        for entry in self._entries():
            if entry["type"] == "response":
                request, auth = entry["request"], entry.get("auth") or {}
                found.append(
                    Asked(
                        request["operation"],
                        request["path"],
                        auth.get("display_name", "") if "client_token" in request else "",
                        tuple(auth.get("policies") or ()),
                        entry.get("error", ""),
                    )
                )
        return found

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[Asked]]:
        """The calls that are answered meanwhile, those of this process as root left out; filled at the end."""
        before = len(self.asked())
        found: list[Asked] = []
        yield found
        found += [one for one in self.asked()[before:] if one.who != "root"]

    def logs(self) -> str:
        """All that it has written down: its log and its audit."""
        return self.log() + self.audit_log.read_text()

    @property
    def audit_log(self) -> Path:
        """Where its audit device writes."""
        return self.folder / "audit.log"

    @property
    def shares(self) -> tuple[str, ...]:
        """The shares of the key that unseals it, one for each of so many people."""
        return tuple(self._shares)

    def _entries(self) -> Iterator[t.Any]:
        for line in self.audit_log.read_text().splitlines():
            # the last may not be whole yet
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def _answers(self) -> bool:
        try:
            self.call("GET", "sys/seal-status")
        except (OSError, VaultRefusedError):
            return False
        return True

    def _active(self) -> bool:
        try:
            self.call("GET", "sys/health")
        except (OSError, VaultRefusedError):
            return False
        return True


@contextlib.contextmanager
def vault(folder: Path, *, bare: bool = False) -> Iterator[Vault]:
    """Have a Vault, and end it.

    :param bare: as somebody has it who has just unsealed it for the first time.
    """
    running = Vault(folder / "vault", Authority(folder / "authority"))
    try:
        if bare:
            running.up_bare()
        else:
            running.up()
        yield running
    finally:
        with contextlib.suppress(AttributeError):
            running.kill()
