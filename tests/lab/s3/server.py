# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the S3 servers of the tests have in common."""

from __future__ import annotations

import abc
import contextlib
import functools
import json
import os
import re
import secrets
import ssl
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

from .authority import Authority
from .daemon import Daemon

OWNER = "owner"
IDENTITIES = (OWNER, "operator", "restorer", "auditor", "custodian", "outsider")
#: Whose bucket and keys it is by a policy alone: the owner above is the root of two servers, whom no policy binds.
OWNER_BY_POLICY = "by-policy"
#: All who have keys.
USERS = (*IDENTITIES, "approver", "broker", OWNER_BY_POLICY)
REGION = "us-east-1"

# the models are read once; the files and the profile of whoever runs the tests are not
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_NOT_SPACE = re.compile(r"\S")
_SESSION = boto3.session.Session(botocore_session=botocore.session.Session(session_vars=_NO_FILES))


@dataclass(frozen=True)
class Keys:
    """What an identity shows."""

    access: str
    secret: str


@dataclass(frozen=True)
class Access:
    """One request, as the server itself has logged it.

    :param who: the access key; empty where the server does not say it.
    :param operation: by the server's own name.
    :param target: what was asked for, as the server writes it: bucket, key, perhaps the version.
    :param agent: the client's ``User-Agent``.
    :param session: the name of the role's session, where the server says it.
    """

    who: str
    operation: str
    target: str
    status: int
    agent: str
    session: str = ""


class S3Server(abc.ABC):
    """A server that listens with TLS on loopback.

    :param folder: where its data, configuration and logs go.
    """

    #: What it is called.
    name: t.ClassVar[str]

    def __init__(self, folder: Path, authority: Authority) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.authority = authority
        self.ca_path = authority.ca_path
        self.region = REGION
        self.endpoint = ""
        self.keys: Mapping[str, Keys] = {}
        self._daemons: list[Daemon] = []
        self._clients: dict[str, t.Any] = {}

    @abc.abstractmethod
    def up(self) -> None:
        """Start it for the first time, and make the identities: none of them but the owner may do anything yet.

        :raises MissingToolError: a program is not on this machine; names what to install.
        :raises NotStartedError: it did not start.
        """

    @abc.abstractmethod
    def start(self) -> None:
        """Start again what was killed, with the data it had."""

    @abc.abstractmethod
    def grant(self, identity: str, *statements: Mapping[str, t.Any]) -> None:
        """Make these statements of an IAM policy all that this identity may do; none: nothing."""

    @abc.abstractmethod
    def accesses(self) -> list[Access]:
        """What the server's own log says of the requests that it has answered, oldest first."""

    @property
    @abc.abstractmethod
    def server(self) -> Daemon:
        """The process that answers."""

    def kill(self) -> None:
        """End what answers by SIGKILL."""
        self.server.kill()

    def pause(self) -> None:
        """Stop what answers, so that it takes connections and says nothing."""
        self.server.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.server.resume()

    def revive(self) -> None:
        """Make it answer, whatever a test has done to it."""
        self.resume()
        if not self.server.running:
            self.start()

    def rest(self) -> None:
        """Let no bucket go on by itself: lifecycle rules are work for the server as long as it runs."""
        with contextlib.suppress(botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            for bucket in self.client().list_buckets()["Buckets"]:
                with contextlib.suppress(botocore.exceptions.ClientError):
                    self.client().delete_bucket_lifecycle(Bucket=bucket["Name"])

    def down(self) -> None:
        """End all of it."""
        for daemon in reversed(self._daemons):
            daemon.kill()

    def log(self) -> str:
        """What its processes have printed."""
        return "".join(daemon.log() for daemon in self._daemons)

    def client(self, identity: str = OWNER) -> t.Any:
        """A client of boto3 of this identity, which does not try again."""
        if identity not in self._clients:
            self._clients[identity] = client("s3", self.endpoint, self.keys[identity], self.ca_path)
        return self._clients[identity]

    def make_bucket(self, *, lock: bool = True, name: str = "") -> str:
        """Make a bucket of the owner's with versions, by default with object lock; returns its name."""
        bucket = name or f"lab-{secrets.token_hex(6)}"
        s3 = self.client()
        if lock:
            s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        else:
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket

    def _answers(self, path: str) -> bool:
        """Whether it answers a request without credentials, by a certificate of ours."""
        with contextlib.suppress(urllib.error.HTTPError, OSError), self._open(path) as answer:
            return bool(answer.status == 200)
        return False

    def _knows(self, identity: str) -> bool:
        """Whether it takes the keys of an identity, whatever that may do."""
        try:
            self.client(identity).list_buckets()
        except botocore.exceptions.ClientError as e:
            return bool(e.response["Error"]["Code"] == "AccessDenied")
        except botocore.exceptions.BotoCoreError:
            return False
        return True

    def _open(self, path: str) -> t.Any:
        return self._opener.open(self.endpoint + path, timeout=5)

    @functools.cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        trust = ssl.create_default_context(cafile=str(self.ca_path))
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))


def client(
    service: str, endpoint: str, keys: Keys, ca_path: Path | None, *, token: str | None = None, **more: t.Any
) -> t.Any:
    """A client of boto3 that asks once, and does not use the variables and files of whoever runs the tests.

    :param ca_path: whom to trust; none: those whom everybody trusts.
    :param token: of a session.
    :param more: of its configuration.
    """
    settings = Config(
        proxies={},
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path", "payload_signing_enabled": True},
        **{"connect_timeout": 5, "read_timeout": 30, **more},
    )
    return _SESSION.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        aws_session_token=token,
        verify=str(ca_path) if ca_path else True,
        config=settings,
    )


def allow(bucket: str, *actions: str, prefix: str = "") -> dict[str, t.Any]:
    """A statement: these actions of S3, on the bucket and on the keys in it that start with *prefix*."""
    return {
        "Effect": "Allow",
        "Action": [f"s3:{action}" for action in actions],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{prefix}*"],
    }


def policy(statements: Sequence[Mapping[str, t.Any]]) -> str:
    """The document of these statements, compact: an old RGW takes a space for a plus."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":"))


def new_keys(identity: str) -> Keys:
    """Keys of a name that shows in a server's log, and a secret of this run."""
    return Keys(f"AK{identity}", secrets.token_hex(20))


def json_values(text: str) -> Iterator[t.Any]:
    """The JSON values of a log, one after the other, whatever stands between them; a last one may not be whole yet."""
    decoder = json.JSONDecoder()
    at = 0
    while start := _NOT_SPACE.search(text, at):
        try:
            value, at = decoder.raw_decode(text, start.start())
        except json.JSONDecodeError:
            if "\n" in text[start.start() :]:
                raise
            return
        yield value
