# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""versitygw: identities, policies and locks. It keeps objects as files, and knows no lifecycle and no replication.

Its IAM service is a process of its own, which a killed gateway finds again.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from ..go_build import VERSITYGW, build
from .daemon import Daemon, port
from .server import OWNER, USERS, Access, Keys, S3Server, client, new_keys, policy

# what S3's own server access log has in a line, with the agent not in quotes
_LINE = re.compile(
    r"^\S+ \S+ \[[^]]*\] \S+ (?P<who>\S+) \S+ s3_(?P<operation>\S+) .*?(?P<target>/\S*) (?P<status>\d{3})"
    r"(?: \S+){6} (?P<agent>.*) \S+ \S+ (?:SigV4|-) ",
    re.MULTILINE,
)


class Versitygw(S3Server):
    """One gateway over a folder."""

    name = "versitygw"

    def up(self) -> None:
        program = str(build(VERSITYGW))
        certificate, key = self.authority.issue(self.folder.name)
        root = new_keys(OWNER)
        environment = {"ROOT_ACCESS_KEY": root.access, "ROOT_SECRET_KEY": root.secret}
        for part in ("data", "versions", "iam", "meta"):
            (self.folder / part).mkdir()
        socket = str(self.folder / "iam.sock")
        gateway, iam = port(), port()
        tls = ["--cert", str(certificate), "--key", str(key)]
        self.endpoint = f"https://127.0.0.1:{gateway}"
        self._iam = f"https://127.0.0.1:{iam}"
        service = [program, "-p", f"127.0.0.1:{iam}", *tls, "iam", "--dir", "iam", "--private-ports", socket]
        self._daemons = [
            Daemon(service, self.folder / "iam.log", environment),
            Daemon(self._gateway(program, gateway, tls, socket), self.folder / "log", environment),
        ]
        self._daemons[0].start(Path(socket).exists)
        self.start()
        self.keys = {OWNER: root, **{identity: self._make(root, identity) for identity in USERS[1:]}}

    def start(self) -> None:
        self.server.start(lambda: self._answers("/health"))

    @property
    def server(self) -> Daemon:
        return self._daemons[1]

    @contextlib.contextmanager
    def plain(self) -> Iterator[str]:
        """Have another gateway over the same folder, without TLS; gives its URL."""
        number = port()
        command = self._gateway(str(build(VERSITYGW)), number, [], str(self.folder / "iam.sock"))
        root = self.keys[OWNER]
        environment = {"ROOT_ACCESS_KEY": root.access, "ROOT_SECRET_KEY": root.secret}
        gateway = Daemon(command, self.folder / "plain.log", environment)
        url = f"http://127.0.0.1:{number}"
        gateway.start(lambda: _answers_plainly(f"{url}/health"))
        try:
            yield url
        finally:
            gateway.kill()

    @property
    def iam(self) -> t.Any:
        """A client of boto3 for users and their policies, of the owner."""
        return self.iam_as(self.keys[OWNER])

    def iam_as(self, keys: Keys) -> t.Any:
        """The same, of whoever has these keys."""
        return client("iam", self._iam, keys, self.ca_path)

    def grant(self, identity: str, *statements: t.Mapping[str, t.Any]) -> None:
        iam = self.iam
        if statements:
            iam.put_user_policy(UserName=identity, PolicyName="lab", PolicyDocument=policy(statements))
        else:
            with contextlib.suppress(iam.exceptions.NoSuchEntityException):
                iam.delete_user_policy(UserName=identity, PolicyName="lab")

    def accesses(self) -> list[Access]:
        log = self._access_log.read_text(errors="replace")
        return [
            Access(line["who"], line["operation"], line["target"], int(line["status"]), line["agent"])
            for line in _LINE.finditer(log)
        ]

    @property
    def _access_log(self) -> Path:
        return self.folder / "access.log"

    def _gateway(self, program: str, port: int, tls: list[str], socket: str) -> list[str]:
        # without extended attributes it keeps in files what it would keep in them
        sidecar = [] if _has_xattrs(self.folder) else ["--sidecar", str(self.folder / "meta")]
        return [
            *(program, "-p", f"127.0.0.1:{port}", *tls, "--iam-standalone-endpoint", socket, "--iam-cache-disable"),
            *("--health", "/health", "--keep-alive", "--quiet", "--access-log", str(self._access_log)),
            *("posix", "--versioning-dir", str(self.folder / "versions"), *sidecar, str(self.folder / "data")),
        ]

    def _make(self, root: Keys, identity: str) -> Keys:
        iam = client("iam", self._iam, root, self.ca_path)
        iam.create_user(UserName=identity)
        made = iam.create_access_key(UserName=identity)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])


def _answers_plainly(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(urllib.error.HTTPError, OSError), opener.open(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _has_xattrs(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.lab", b"")
    except OSError:
        return False
    return True
