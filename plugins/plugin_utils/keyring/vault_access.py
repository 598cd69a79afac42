# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens of Vault that a broker makes for a window: it has the right to make them by one role, and none of theirs.

The role says which policy they have and how long they may last at most; docs/guide_access.md.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable, Mapping

from ..errors import KeyringError
from .vault_client import VaultClient

_GIVE = "make a token for access"
_LOOK = "look whether access lasts"
_END = "end access"


@dataclasses.dataclass(frozen=True)
class Token:
    """A token that was made.

    :param secret: what lets its holder in.
    :param accessor: by which it can be looked at and ended, and nothing else.
    :param seconds: how long it lasts from when it was made.
    """

    secret: str = dataclasses.field(repr=False)
    accessor: str
    seconds: int


class VaultAccess:
    """What the broker of a repository does in Vault.

    :param connect: makes the client, at the first call.
    :param repository: whose restorer's rights are given.
    """

    def __init__(self, connect: Callable[[], VaultClient], repository: str) -> None:
        self._connect = connect
        self._role = f"holdfast-{repository}-restorer"

    @functools.cached_property
    def _client(self) -> VaultClient:
        return self._connect()

    def give(self, *, seconds: int, meta: Mapping[str, str]) -> Token:
        """Make a token that ends by itself.

        :param seconds: how long it may last at most; the role may allow less.
        :param meta: what Vault's audit log says at each of its calls.
        :raises KeyringError: it does not make one, or one that lasts longer or may more; that is ended again.
        :raises KeyMissingError: this identity is no broker of the repository.
        """
        lasts = f"{seconds}s"
        asked = {
            "ttl": lasts,
            "explicit_max_ttl": lasts,
            "meta": dict(meta),
            "renewable": False,
            "no_default_policy": True,
            "policies": [self._role],
            "display_name": "access",
        }
        # where an answer is lost and asked for again, nobody ever has the first token, and it ends as the other
        answer = self._client.ask("post", f"auth/token/create/{self._role}", asked, doing=_GIVE)
        if not answer.ok:
            raise KeyringError(
                f"Vault makes no token by the role {self._role} ({answer.status})",
                item=self._client.location,
                remedy="Make the role and its policy: holdfast.config.keyring, or docs/guide_access.md",
            )
        auth = answer.data.get("auth")
        told: Mapping[str, t.Any] = auth if isinstance(auth, Mapping) else {}
        secret, accessor, lease = (told.get(name) for name in ("client_token", "accessor", "lease_duration"))
        if not isinstance(secret, str) or not isinstance(accessor, str) or not secret or not accessor:
            raise self._other("it has no accessor, so nobody could end it")
        fault = self._fault(told, lease, seconds)
        if fault:
            self.end(accessor)
            raise self._other(fault)
        return Token(secret, accessor, int(t.cast("int", lease)))

    def left(self, accessor: str) -> int:
        """For how many seconds a token lasts still; 0 where it has ended."""
        answer = self._of(accessor, "lookup-accessor", _LOOK)
        ttl = None if answer is None else answer.get("ttl")
        return ttl if isinstance(ttl, int) and not isinstance(ttl, bool) and ttl > 0 else 0

    def end(self, accessor: str) -> None:
        """End a token, unless it has ended already."""
        self._of(accessor, "revoke-accessor", _END)

    def _of(self, accessor: str, call: str, doing: str) -> Mapping[str, t.Any] | None:
        """What Vault answers of a token, None where it knows it no longer."""
        answer = self._client.ask("post", f"auth/token/{call}", {"accessor": accessor}, doing=doing)
        if answer.ok:
            return answer.data
        # 400 with "invalid accessor" of one that has ended, 404 of other versions
        if answer.status == 404 or "accessor" in answer.told:
            return None
        raise KeyringError(
            f"cannot {doing}: Vault does not take the call ({answer.status})",
            item=self._client.location,
            remedy="Look into its audit log",
        )

    def _fault(self, told: Mapping[str, t.Any], lease: t.Any, seconds: int) -> str:
        if not isinstance(lease, int) or isinstance(lease, bool) or not 0 < lease <= seconds:
            return "it would last longer than it was asked for"
        if told.get("policies") != [self._role]:
            return f"its policies are not {self._role} alone"
        if told.get("renewable") is not False:
            return "it could be renewed"
        return "" if told.get("orphan") is True else "it ends when the broker's own token does"

    def _other(self, fault: str) -> KeyringError:
        return KeyringError(
            f"Vault made another token than it was asked for, and it is not given out: {fault}",
            item=self._role,
            remedy="Look at the role in Vault: holdfast.config.keyring names what differs",
        )
