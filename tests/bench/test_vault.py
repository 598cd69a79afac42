# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run costs whose keys are in Vault and whose repository is a bucket, both over TLS, beside a `ping` play.

Prints and never judges speed. That a run did what its row says is judged.
"""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import typing as t
from collections.abc import Iterator, Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.tests.integration.stores import profiles, store_at
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.lab.vault.server import vault as vault_in

from .buckets import LOCK, BucketRepository
from .fleet import HOSTS, ROUNDS, Fleet, Repository
from .report import VAULT, Beside, Report

HEAD = ("run", "server", "aim", "times ping", "seconds", "ping, seconds", "controller CPU a host beside ping, ms")
NAME = "bench"


@dataclasses.dataclass(frozen=True)
class KeysInVault(Repository):
    """A repository in a folder whose keyring is in Vault.

    :param ring: the keyring, as the inventory has it.
    :param login: what lets runs in, as their environment has it.
    """

    ring: Mapping[str, t.Any]
    login: Mapping[str, str]

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of it."""
        return _with_ring(super().variables(), self.ring)

    def environment(self) -> dict[str, str]:
        """What a run needs of its surroundings."""
        return {**super().environment(), **self.login}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BothOnServers(BucketRepository):
    """The same in a bucket."""

    ring: Mapping[str, t.Any]
    login: Mapping[str, str]

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of it."""
        return _with_ring(super().variables(), self.ring)

    def environment(self) -> dict[str, str]:
        """What a run needs of its surroundings."""
        return {**super().environment(), **self.login}


def _with_ring(variables: dict[str, t.Any], ring: Mapping[str, t.Any]) -> dict[str, t.Any]:
    variables["holdfast_repository"] |= {"keyring": dict(ring)}
    return variables


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """A Vault, over TLS."""
    with vault_in(tmp_path_factory.mktemp("vault")) as running:
        running.write_policies(NAME)
        yield running


@pytest.fixture(scope="module")
def made(fleet: Fleet, vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> KeysInVault:
    """A repository that holds its root alone, made by its owner."""
    path = tmp_path_factory.mktemp("made")
    ring = {"type": "vault", "url": vault.url, "ca_cert": str(vault.ca_path)}
    token = {"VAULT_TOKEN": vault.token(f"{NAME}-owner")}
    owners = KeysInVault(path, "", {**ring, "path": str(path / "owner")}, token)
    command = ["ansible", next(iter(fleet.sshds)), "-o", "-m", "holdfast.config.repository"]
    told = json.loads(fleet.run(command, repository=owners)[1].partition("=> ")[2])
    role = vault.approle(f"{NAME}-operator", f"{NAME}-operator")
    ring |= {"auth_method": "approle", "role_id": role.role_id}
    return KeysInVault(path, told["repository_id"], ring, {"HASHI_VAULT_SECRET_ID": role.secret_id})


def on_servers(made: KeysInVault, server: S3Server, fleet: Fleet) -> BothOnServers:
    """The repository as it was made, in a bucket of its own; its controller knows no other."""
    place = f"{server.make_bucket()}/of/bench"
    path = fleet.path / "vault" / place.partition("/")[0]
    path.mkdir(parents=True)
    source = store.connect(f"file://{made.path}/repository")
    with profiles(server, path):
        target = store_at(server, place)
        for one in source.list():
            target.put_new(one.name, io.BytesIO(source.get(one.name)), lock_until=target.clock() + LOCK)
    return BothOnServers(path, made.pin, server, place, ring=made.ring, login=made.login)


def test_no_drift(fleet: Fleet, s3: S3Server, made: KeysInVault, report: Report) -> None:
    repository = on_servers(made, s3, fleet)
    fleet.backup({}, repository, changed=HOSTS)
    pairs = [(fleet.ping({}), fleet.backup({}, repository, changed=0)) for _round in range(ROUNDS)]
    found = Beside([ran for _ping, ran in pairs], [ping for ping, _ran in pairs])
    report.add(VAULT, HEAD, "no drift", s3.name, "≤ 0.95", found.ratio, *found.seconds, found.cpu)
    shutil.rmtree(repository.path)
