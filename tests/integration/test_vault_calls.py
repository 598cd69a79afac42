# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run and a verify ask of Vault, counted in its audit log where there are many hosts or packs.

Use cases without Ansible: a run of 10,000 hosts takes Ansible an hour. docs/design/costs.md has the numbers.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import io
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keys
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault import VaultKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import (
    PointFolder,
    Receipt,
    StreamReceipt,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_reading import How
from ansible_collections.holdfast.config.tests.bench.test_open import like
from ansible_collections.holdfast.config.tests.lab.vault.server import Asked, Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Lab, declared

from .keyrings import client_at, keyring_at
from .vault_lab import VaultLab, calls, documented

FILES = {"/etc/app/main.conf": b"listen = 8080\n"}
PACKS, POISONED = 1000, 617


def utcnow() -> dt.datetime:
    """The controller's clock, and the store's."""
    return dt.datetime.now(dt.timezone.utc)


def one_component() -> Policy:
    """One stream for each host."""
    return declared({"name": "app", "paths": ["/etc/app"], "tier": "tier1"})


@pytest.fixture
def lab(made_in_vault: VaultLab, vault: Vault, tmp_path: Path) -> Lab:
    """The repository in memory, with its root alone."""
    vault.write_policies(NAME)
    store, source = MemoryStore(now=utcnow), made_in_vault.store()
    for one in source.list("root/"):
        data = source.get(one.name, version=one.version)
        store.put_new(one.name, io.BytesIO(data), lock_until=utcnow() + dt.timedelta(days=4000))
    repository = open_repository(store, pin=made_in_vault.variables["holdfast_repository_id"])
    return Lab(tmp_path, repository, operator(vault), utcnow)


def operator(vault: Vault) -> VaultKeyring:
    """The keyring as a task of a run has it: who logs in by AppRole at its first call."""
    role = vault.approle(f"{NAME}-operator", f"{NAME}-operator")
    client = client_at(
        vault, {"HASHI_VAULT_SECRET_ID": role.secret_id}, auth_method="approle", role_id=role.role_id, timeout=120
    )
    return VaultKeyring(lambda: client, repository=NAME, mount="transit")


def restorer(vault: Vault, **settings: t.Any) -> VaultKeyring:
    """The keyring of who verifies at the deepest level."""
    return keyring_at(vault, vault.token(f"{NAME}-restorer"), repository=NAME, **{"timeout": 120, **settings})


def received(folder: PointFolder, entries: Iterable[StreamEntry], state: StreamState) -> None:
    """Leave the receipts of workers that stored these, or found them unchanged."""
    now = folder.read_open().now()
    for entry in entries:
        proven = dataclasses.replace(entry, state=state, verified_at=now)
        folder.write_receipt(Receipt(entry.host, (StreamReceipt(entry.stream, state.value, (), 0, proven),)))


def test_a_run_of_ten_thousand_hosts_asks_what_one_of_one_host_asks(lab: Lab, vault: Vault) -> None:
    hosts = [f"web{number}.example.com" for number in range(10_000)]
    lab.run(MemorySource(FILES), policy=one_component)
    (first,) = lab.live().streams.values()
    entries = [like(lab, first, host) for host in hosts]
    for state in (StreamState.STORED, StreamState.UNCHANGED):
        with vault.watched() as asked:
            # open and seal are two tasks, and connect anew
            folder = lab.folder()
            keyring = operator(vault)
            opened = dataclasses.replace(lab, keyring=keyring).open(folder, *hosts)
            events.announce(folder, lab.repository, keyring, opened)
            received(folder, entries, state)
            sealed = dataclasses.replace(lab, keyring=operator(vault)).seal(folder)
        assert sealed.complete
        assert calls(asked) == documented("10,000 hosts")
    assert len(lab.live().streams) == 10_001


def test_verify_opens_a_thousand_packs_by_four_calls_and_finds_the_poisoned_one(
    lab: Lab, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrap = keys.wrap
    wrapped: list[str] = []

    def poisoned(key: ClassYearKey, secret: str) -> bytes:
        wrapped.append(secret)
        return wrap(key, age.generate()[0] if len(wrapped) == POISONED else secret)

    monkeypatch.setattr(keys, "wrap", poisoned)
    hosts: Mapping[str, MemorySource] = {f"h{number}": MemorySource(FILES) for number in range(PACKS)}
    lab.run(hosts, policy=one_component)
    with vault.watched() as asked:
        report = verify(lab.repository, level=Level.KEYS, keyring=restorer(vault), how=How(forks=2))
    (found,) = [one for one in report.findings if one.severity.name == "ERROR"]
    assert found.item.startswith(f"packs/d0090/h{POISONED - 1}/")
    assert "the wrapped key is not that of the pack" in found.problem
    assert report.packs_opened == PACKS - 1
    assert by_kind(asked) == {"keys": 1, "decrypt": 4, "hmac": 1, "token": 1}


@pytest.mark.parametrize("fault", ["seal", "kill"])
def test_verify_where_vault_is_away_says_so_and_nothing_of_packs(lab: Lab, vault: Vault, fault: str) -> None:
    lab.run(MemorySource(FILES), policy=one_component)
    keyring = restorer(vault, retries=0)
    getattr(vault, fault)()
    with pytest.raises(UnavailableError, match="it is sealed" if fault == "seal" else "it is not reached"):
        verify(lab.repository, level=Level.KEYS, keyring=keyring)
    vault.revive()
    # the same keyring, once it is back
    assert verify(lab.repository, level=Level.KEYS, keyring=keyring).packs_opened == 1


def by_kind(asked: Iterable[Asked]) -> dict[str, int]:
    """How often what of Transit was asked for, and what of the token."""
    return dict(collections.Counter(one.path.split("/")[1] for one in asked))
