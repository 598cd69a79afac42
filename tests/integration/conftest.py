# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers, each started once, and only those that a chosen test asks for."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.go_build import NotBuiltError
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server
from ansible_collections.holdfast.config.tests.lab.s3.servers import KINDS, PAIRS, Servers, Sites
from ansible_collections.holdfast.config.tests.lab.s3.servers import servers as started
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw
from ansible_collections.holdfast.config.tests.lab.sshd import MissingToolError
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.lab.vault.server import vault as vault_in

if t.TYPE_CHECKING:
    from ansible_collections.holdfast.config.tests.lab.kms.server import Kms

from .vault_lab import VaultLab, made_in

T = t.TypeVar("T")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """All servers."""
    with started(tmp_path_factory.mktemp("s3")) as running:
        running.begin(_asked_for(request.session.items))
        yield running


@pytest.fixture(scope="module", autouse=True)
def _rest(servers: Servers) -> Iterator[None]:
    """What the tests of one file have told buckets does not go on beside those of the next."""
    yield
    servers.rest()


def _asked_for(items: list[pytest.Item]) -> list[str]:
    """The servers that the chosen tests ask for."""
    asked: set[str] = set()
    for item in items:
        callspec = getattr(item, "callspec", None)
        params = callspec.params if callspec else {}
        asked |= KINDS.keys() & {*getattr(item, "fixturenames", ()), params.get("s3")}
        asked.update(PAIRS.get(params.get("sites", ""), ()))
    return sorted(asked)


def _had(ask: Callable[[], T]) -> T:
    """What was asked for; where something is not on this machine no test runs, and that is said once."""
    try:
        return ask()
    except (MissingToolError, NotBuiltError) as e:
        pytest.exit(str(e), returncode=1)


@pytest.fixture(scope="session", params=sorted(KINDS))
def s3(request: pytest.FixtureRequest, servers: Servers) -> S3Server:
    """Each of the servers in turn."""
    return _had(lambda: servers.get(request.param))


@pytest.fixture(scope="session", params=sorted(PAIRS))
def sites(request: pytest.FixtureRequest, servers: Servers) -> Sites:
    """Two servers of each kind in turn."""
    return _had(lambda: servers.sites(request.param))


@pytest.fixture(scope="session")
def versitygw(servers: Servers) -> Versitygw:
    """Identities, policies and locks."""
    return _had(lambda: servers.one(Versitygw))


@pytest.fixture(scope="session")
def minio(servers: Servers) -> Minio:
    """Lifecycle, encryption at rest, STS, audit."""
    return _had(lambda: servers.one(Minio))


@pytest.fixture(scope="session")
def rgw(servers: Servers) -> Rgw:
    """The third opinion."""
    return _had(lambda: servers.one(Rgw))


@pytest.fixture(scope="session")
def _vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with contextlib.ExitStack() as stack:
        yield _had(lambda: stack.enter_context(vault_in(tmp_path_factory.mktemp("vault"))))


@pytest.fixture
def vault(_vault: Vault) -> Iterator[Vault]:
    """A Vault that answers, whatever a test before has done to it."""
    yield _vault
    _vault.revive()


@pytest.fixture(scope="session")
def made_in_vault(_vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> VaultLab:
    """A repository in a folder, with its keyring in Vault: made once, to be copied."""
    return made_in(_vault, tmp_path_factory.mktemp("made-in-vault"))


@pytest.fixture(scope="session")
def _kms() -> Iterator[Kms]:
    # it takes half a second that tests of other servers need not wait for
    from ansible_collections.holdfast.config.tests.lab.kms.server import kms as kms_in

    with kms_in() as running:
        yield running


@pytest.fixture
def kms(_kms: Kms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kms:
    """A KMS without keys; profiles are read from a file of this test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _kms.clear()
    return _kms


@pytest.fixture(autouse=True)
def _revived(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test has killed or paused answers again for the next one."""
    yield
    if "servers" in request.fixturenames:
        request.getfixturevalue("servers").revive()
