# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of a run of tests: those that are asked for, each started once, side by side."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import botocore.exceptions

from ..sshd import wait_for
from .authority import Authority
from .minio import Minio
from .rgw import Rgw
from .server import S3Server
from .versitygw import Versitygw

KINDS: Mapping[str, type[S3Server]] = {kind.name: kind for kind in (Versitygw, Minio, Rgw)}
Kind = t.TypeVar("Kind", bound=S3Server)


# Two servers of one kind that know nothing of each other, or, of RGW, two zones that do.
PAIRS: Mapping[str, tuple[str, str]] = {
    "versitygw": ("versitygw", "versitygw-2"),
    "minio": ("minio", "minio-2"),
    "rgw": ("rgw-near", "rgw-far"),
}


@dataclass(frozen=True)
class Sites:
    """Two sites.

    :param replicates: what is put at the near one comes to the far one by the servers alone.
    """

    near: S3Server
    far: S3Server
    replicates: bool

    def make_bucket(self) -> str:
        """Make a bucket with object lock at both sites; returns its name."""
        bucket = self.near.make_bucket()
        if isinstance(self.near, Rgw):
            # which zones do for themselves
            wait_for(lambda: _there(self.far, bucket), f"{bucket} at the far site")
            return bucket
        self.far.make_bucket(name=bucket)
        if isinstance(self.near, Minio) and isinstance(self.far, Minio):
            self.far.follow(self.near, bucket)
        return bucket


def _there(server: S3Server, bucket: str) -> bool:
    """Whether a bucket has come: its name is there before all of it is."""
    with contextlib.suppress(botocore.exceptions.ClientError):
        server.client().list_object_versions(Bucket=bucket)
        return True
    return False


class Servers:
    """Starts servers and knows them by name.

    :param folder: where their data and logs go.
    """

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.authority = Authority(folder / "authority")
        self._folder = folder
        self._pool = pool
        self._starting: dict[str, Future[S3Server]] = {}
        self._made: list[S3Server] = []
        self._answering: list[S3Server] = []
        self._asking = threading.Lock()

    def begin(self, names: Iterable[str]) -> None:
        """Start these, and do not wait for them."""
        with self._asking:
            for name in names:
                if name not in self._starting:
                    self._starting[name] = self._pool.submit(self._up, name)

    def get(self, name: str) -> S3Server:
        """A server that answers, by its kind; ``minio-2`` is another one of ``minio``.

        :raises MissingToolError: a program is not on this machine; names what to install.
        :raises NotBuiltError: it cannot be built here.
        :raises NotStartedError: it did not start.
        """
        self.begin([name])
        return self._starting[name].result()

    def one(self, kind: type[Kind]) -> Kind:
        """The server of a kind; raises what :meth:`get` does."""
        server = self.get(kind.name)
        assert isinstance(server, kind)
        return server

    def sites(self, kind: str) -> Sites:
        """Two servers of a kind; raises what :meth:`get` does."""
        near, far = PAIRS[kind]
        self.begin([near, far])
        return Sites(self.get(near), self.get(far), replicates=kind != "versitygw")

    def revive(self) -> None:
        """Make all of them answer, whatever a test has done to them."""
        for server in list(self._answering):
            server.revive()

    def rest(self) -> None:
        """Let none of them go on with what a test has told its buckets to do."""
        for server in list(self._answering):
            if server.server.running:
                server.rest()

    def down(self) -> None:
        """End all of them, those as well that did not start."""
        for server in self._made:
            server.down()

    def _up(self, name: str) -> S3Server:
        kind, _hyphen, which = name.partition("-")
        folder = self._folder / name
        if kind == "rgw" and which:
            server: S3Server = Rgw(folder, self.authority, zone=which)
        else:
            server = KINDS[kind](folder, self.authority)
        self._made.append(server)
        self._start(server)
        self._answering.append(server)
        return server

    def _start(self, server: S3Server) -> None:
        if not isinstance(server, Rgw) or not server.zone:
            server.up()
        elif server.zone == "near":
            server.up_as_first()
        else:
            first = self.get("rgw-near")
            assert isinstance(first, Rgw)
            server.up_after(first)


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Have servers, and end them.

    Their processes end with the threads that started them, which are alive as long as this is.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:
        running = Servers(folder, pool)
        try:
            yield running
        finally:
            running.down()
