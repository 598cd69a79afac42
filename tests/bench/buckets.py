# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of the fleet on S3 servers of this machine, over TLS, and restic's on the same servers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import os
import shutil
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.tests.integration.stores import profiles, store_at
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.lab.sshd import tool

from .fleet import Fleet, Repository, Spent, spent

LOCK = dt.timedelta(days=4100)


@dataclasses.dataclass(frozen=True)
class BucketRepository(Repository):
    """A repository below a prefix of a bucket; ``path`` has its keyring and the state of its controller.

    :param components: what is backed up, where it is not each host's tree.
    """

    server: S3Server
    place: str
    components: tuple[Mapping[str, t.Any], ...] = ()

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of it."""
        found = super().variables()
        found["holdfast_repository"] |= {
            "url": f"s3://{self.place}",
            "endpoint_url": self.server.endpoint,
            "aws_ca_bundle": str(self.server.ca_path),
        }
        return {**found, **({"holdfast_components": list(self.components)} if self.components else {})}

    def environment(self) -> dict[str, str]:
        """What a run needs of its surroundings."""
        return {**super().environment(), **credentials(self.server)}

    def size(self, folder: Path) -> tuple[int, int]:
        """How many versions it holds, and their bytes."""
        with profiles(self.server, folder):
            sizes = [one.size for one in store_at(self.server, self.place).list()]
        return len(sizes), sum(sizes)


def credentials(server: S3Server) -> dict[str, str]:
    """The environment of who owns the buckets of a server."""
    keys = server.keys[OWNER]
    return {
        "AWS_ACCESS_KEY_ID": keys.access,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def on_server(fleet: Fleet, server: S3Server, *, components: tuple[Mapping[str, t.Any], ...] = ()) -> BucketRepository:
    """A repository in which nothing is yet, in a bucket of its own."""
    local = fleet.new_repository()
    made = BucketRepository(local.path, local.pin, server, f"{server.make_bucket()}/of/bench", components)
    source = store.connect(f"file://{local.path}/repository")
    with profiles(server, local.path):
        target = store_at(server, made.place)
        for one in source.list():
            target.put_new(one.name, io.BytesIO(source.get(one.name)), lock_until=target.clock() + LOCK)
    shutil.rmtree(local.path / "repository")
    return made


@dataclasses.dataclass(frozen=True)
class ResticBucket:
    """A repository of restic in a bucket of its own, over TLS."""

    folder: Path
    server: S3Server

    def backup(self, *trees: Path) -> None:
        """Make it, and back these trees up."""
        self._run("init")
        self._run("backup", *map(str, trees))

    def check(self) -> Spent:
        """Read and check all data."""
        return self._run("check", "--read-data")

    def size(self) -> int:
        """Bytes of all that it holds."""
        pages = self.server.client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return sum(found["Size"] for page in pages for found in page.get("Contents", ()))

    @property
    def _bucket(self) -> str:
        return self.folder.name

    def _run(self, *command: str) -> Spent:
        self.folder.mkdir(exist_ok=True)
        around = {
            **credentials(self.server),
            "AWS_DEFAULT_REGION": self.server.region,
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "RESTIC_PASSWORD": "bench",
        }
        place = f"s3:{self.server.endpoint}/{self._bucket}"
        options = ["--cacert", str(self.server.ca_path), "--no-cache", "--repo", place]
        return spent([tool("restic"), *options, *command], around, self.folder)[0]
