# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MinIO: lifecycle, replication, encryption at rest, STS, and an audit log of every request.

Policies are those of users: a bucket's own binds nobody who has keys here.
"""

from __future__ import annotations

import base64
import functools
import secrets
import shutil
import threading
import typing as t
from pathlib import Path

from ..go_build import MINIO, build
from ..sshd import wait_for
from .authority import Authority
from .daemon import Daemon, port
from .listener import Handler, Listener
from .minio_admin import MinioAdmin
from .server import OWNER, USERS, Access, Keys, S3Server, json_values, new_keys, policy
from .signed import RefusedError

# of whoever replicates to here: none to delete
_RIGHTS = (
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListMultipartUploadParts",
    "AbortMultipartUpload",
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetBucketObjectLockConfiguration",
    "GetEncryptionConfiguration",
    "GetObject",
    "GetObjectVersion",
    "GetObjectVersionTagging",
    "GetObjectRetention",
    "GetObjectLegalHold",
    "PutObject",
    "PutObjectRetention",
    "PutObjectLegalHold",
    "ReplicateObject",
    "ReplicateTags",
)


class Minio(S3Server):
    """One server over one folder; its owner is its root, whom no policy binds."""

    name = "minio"

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, authority)
        self._audit = _Audit(folder / "audit.json")
        self._users = [OWNER]

    def up(self) -> None:
        program = build(MINIO)
        self.keys = {identity: new_keys(identity) for identity in USERS}
        number = port()
        self.endpoint = f"https://127.0.0.1:{number}"
        self._certificates()
        root = self.keys[OWNER]
        environment = {
            "HOME": str(self.folder),
            "MINIO_ROOT_USER": root.access,
            "MINIO_ROOT_PASSWORD": root.secret,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            # without a key of its own it encrypts nothing
            "MINIO_KMS_SECRET_KEY": f"lab:{base64.b64encode(secrets.token_bytes(32)).decode()}",
            # lifecycle, and what could not be replicated, is looked at this often, in all folders each sixteenth time
            "MINIO_SCANNER_SPEED": "fastest",
            "MINIO_SCANNER_CYCLE": "250ms",
            "MINIO_AUDIT_WEBHOOK_ENABLE_LAB": "on",
            "MINIO_AUDIT_WEBHOOK_ENDPOINT_LAB": self._audit.url,
        }
        command = [str(program), "server", "--quiet", "--address", f"127.0.0.1:{number}"]
        folders = ["--certs-dir", str(self.folder / "certs"), str(self.folder / "data")]
        self._daemons = [Daemon([*command, *folders], self.folder / "log", environment)]
        self.start()
        for identity in USERS[1:]:
            wait_for(functools.partial(self._adds, self.keys[identity]), f"{identity}, a user of {self.folder.name}")
            self._users.append(identity)

    def start(self) -> None:
        # ready, for itself, is a server that refuses everything until it has its own settings and then its users
        self.server.start(lambda: self._answers("/minio/health/ready") and all(map(self._knows, self._users)))

    def rest(self) -> None:
        """Have no bucket any more: the scanner walks all of them each second, and locks let none be removed."""
        self.server.kill()
        data = self.folder / "data"
        for bucket in [*data.iterdir(), *(data / ".minio.sys" / "buckets").iterdir()]:
            if bucket.is_dir() and not bucket.name.startswith("."):
                shutil.rmtree(bucket)
        self.start()

    def _adds(self, keys: Keys) -> bool:
        """Make a user; a server that answers its owner may not have begun to keep users."""
        try:
            self.admin.add_user(keys)
        except RefusedError as e:
            if "XMinioServerNotInitialized" not in str(e):
                raise
            return False
        return True

    def down(self) -> None:
        super().down()
        self._audit.close()

    @property
    def server(self) -> Daemon:
        return self._daemons[0]

    @functools.cached_property
    def admin(self) -> MinioAdmin:
        """Its administrator, who is the owner."""
        return MinioAdmin(self.endpoint, self.keys[OWNER], self.ca_path)

    def grant(self, identity: str, *statements: t.Mapping[str, t.Any]) -> None:
        access = self.keys[identity].access
        if statements:
            self.admin.set_policy(access, f"lab-{identity}", policy(statements))
        else:
            self.admin.no_policy(access)

    def follow(self, near: Minio, bucket: str) -> None:
        """Have this server take all that is put into a bucket of another one; what is deleted there stays here."""
        rule = {
            "ID": "lab",
            "Priority": 1,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": self.target(near, bucket)},
        }
        near.client().put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": "", "Rules": [rule]})

    def target(self, near: Minio, bucket: str) -> str:
        """Let another server replicate a bucket to here; returns what its rules call this one by.

        Here another key is used for it, which has no right to delete. Both servers have the bucket.
        """
        keys = new_keys("replicator")
        self.admin.add_user(keys)
        self.admin.set_policy(
            keys.access,
            "lab-replicator",
            policy(
                [{"Effect": "Allow", "Action": [f"s3:{right}" for right in _RIGHTS], "Resource": ["arn:aws:s3:::*"]}]
            ),
        )
        return near.admin.set_remote_target(
            bucket,
            {
                "sourcebucket": bucket,
                "targetbucket": bucket,
                "endpoint": self.endpoint.removeprefix("https://"),
                "secure": True,
                "credentials": {"accessKey": keys.access, "secretKey": keys.secret},
                "type": "replication",
                "path": "on",
                "api": "s3v4",
                # in nanoseconds: how soon it sees that the other one is back
                "healthCheckDuration": 1_000_000_000,
            },
        )

    def accesses(self) -> list[Access]:
        """The server tells its audit a moment after it has answered."""
        return [_access(entry) for entry in json_values(self._audit.text())]

    def _certificates(self) -> None:
        """Its own, and the authority, which it must trust to replicate."""
        certificate, key = self.authority.issue(self.folder.name)
        trusted = self.folder / "certs" / "CAs"
        trusted.mkdir(parents=True)
        (self.folder / "data").mkdir()
        shutil.copy(certificate, trusted.parent / "public.crt")
        shutil.copy(key, trusted.parent / "private.key")
        shutil.copy(self.ca_path, trusted / "lab.crt")


def _access(entry: t.Mapping[str, t.Any]) -> Access:
    # what was cut off has no name
    api = entry.get("api", {})
    query = "&".join(f"{name}={value}" if value else name for name, value in entry.get("requestQuery", {}).items())
    target = f"{entry.get('requestPath', '')}?{query}" if query else entry.get("requestPath", "")
    return Access(
        entry.get("accessKey", ""),
        api.get("name", ""),
        target,
        int(api.get("statusCode", 0)),
        entry.get("userAgent", ""),
    )


class _Audit:
    """Takes what the server tells its audit, and writes it to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        writing = threading.Lock()

        class Taking(Handler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with writing, path.open("ab") as file:
                    file.write(body + b"\n")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._listener = Listener(Taking)
        self.url = f"http://127.0.0.1:{self._listener.port}/"
        self._listener.begin()

    def text(self) -> str:
        """All that was told."""
        return self._path.read_text() if self._path.exists() else ""

    def close(self) -> None:
        """Take no more."""
        self._listener.close()
