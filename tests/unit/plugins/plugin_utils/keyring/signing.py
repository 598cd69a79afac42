# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signing with whatever key a keyring has, named by a root or not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature


class _Every(Collection[str]):
    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("nobody lists them all")

    def __len__(self) -> int:
        return 1


EVERY = _Every()


def sign_with_newest(keyring: Keyring, pae: bytes, *, use: str, among: Collection[str] = EVERY) -> Signature:
    """Sign with the newest key of that use, or the newest of these."""
    return keyring.sign(pae, use=use, key_id=keyring.signer(use=use, among=among))


def envelope_of(keyring: Keyring, payload_type: str, payload: bytes, *, use: str) -> bytes:
    """An envelope signed so."""
    signature = sign_with_newest(keyring, dsse.pae(payload_type, payload), use=use)
    return dsse.write(dsse.Envelope(payload_type, payload, (signature,)))
