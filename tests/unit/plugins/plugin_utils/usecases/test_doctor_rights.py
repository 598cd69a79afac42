# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is tried of rights means nothing elsewhere, and a keyring that answers wrongly is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, record, root, statement
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import doctor_rights

from .lab import Clock, Lab


@pytest.fixture
def ring(lab: Lab, keys: Path) -> LocalKeyring:
    return LocalKeyring(keys)


def test_what_is_signed_is_of_no_type_that_a_reader_takes(
    lab: Lab, ring: LocalKeyring, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[bytes] = []
    sign = ring.sign

    def watched(pae: bytes, *, use: str, key_id: str) -> Signature:
        signed.append(pae)
        return sign(pae, use=use, key_id=key_id)

    monkeypatch.setattr(ring, "sign", watched)
    tried, checks = doctor_rights.keyring(lab.repository, ring, now=clock())
    assert (set(tried.values()), [one.severity for one in checks]) == ({True}, [OK])
    taken = [dsse.pae(kind.PAYLOAD_TYPE, b"")[: len("DSSEv1 00 ") + 20] for kind in (root, record, statement)]
    assert len(signed) == 2
    assert not [pae for pae in signed if any(pae.startswith(kind) for kind in taken)]
    assert all(b"vnd.holdfast.doctor" in pae for pae in signed)
    assert signed[0] != signed[1]


def test_a_keyring_that_opens_something_else_is_an_error(
    lab: Lab, ring: LocalKeyring, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(_key: ClassYearKey, _wrapped: bytes) -> str:
        return age.generate()[0]

    monkeypatch.setattr(ring, "unwrap", other)
    tried, (found,) = doctor_rights.keyring(lab.repository, ring, now=clock())
    assert (tried["unwrap"], tried["sign_point"], found.severity) == (False, True, ERROR)
    assert "AGE-SECRET-KEY" not in found.what


def test_a_keyring_whose_signature_is_not_the_roots_is_an_error(
    lab: Lab, ring: LocalKeyring, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "sign", lambda _pae, *, use, key_id: Signature(key_id, b"\0" * 64))
    tried, checks = doctor_rights.keyring(lab.repository, ring, now=clock())
    assert (tried["sign_point"], tried["sign_record"]) == (False, False)
    assert [one.severity for one in checks] == [ERROR, ERROR]
    assert ["point" in one.what for one in checks] == [True, False]


def test_a_store_that_tries_nothing_says_nothing_of_rights(clock: Clock) -> None:
    store = MemoryStore(now=clock)
    assert doctor_rights.puts(store) == {}
    assert doctor_rights.deletes(store, folder=False) == []


def test_every_name_that_is_tried_is_new(clock: Clock) -> None:
    asked: list[str] = []

    class Noting(MemoryStore):
        def _may_put(self, name: str) -> bool:
            asked.append(name)
            return True

        def _may_delete(self, name: str) -> bool:
            asked.append(name)
            return False

    store = Noting(now=clock)
    assert all(doctor_rights.puts(store).values())
    assert doctor_rights.deletes(store, folder=False)[0].severity == OK
    assert len(set(asked)) == len(asked)
    assert all("doctor-" in name for name in asked)
