# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a Vault ready to hold a repository's keys, and name what has drifted from that.

In this order, so that as little as can be is half done:

1. Everything is read: audit devices, mounts, policies, ways in, keys. Where one of them cannot become what is asked,
   nothing is changed.
2. Transit and auth methods are mounted, policies written before the ways in that give them, each read back.
3. What somebody has set on a key is set back. Keys are made by the owner's run, and rotated by the root chain.

Who may what is the matrix of duties; this writes it down where the server enforces it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from ..duties import vault_policies
from ..duties.matrix import IDENTITIES
from ..errors import KeyringError, StoreError
from ..keyring.vault_setup import VaultSetup, Wanted
from ..model import setting
from ..model.logins import Login
from ..model.root import Root
from ..model.setting import NOT_COMPARED, Outcome
from ..store.base import Store
from . import objects
from .destroyed import read as read_destroyed
from .repository import KEY_YEARS, open_repository


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is declared.

    :param access_ttl: for how many seconds at most the broker may give out the restorer's rights.
    :param classes: names of the retention classes.
    :param year: the year of now, from which keys reach ten years ahead.
    """

    logins: tuple[Login, ...]
    access_ttl: int
    access_cidrs: tuple[str, ...]
    classes: Sequence[str]
    year: int


@dataclasses.dataclass(frozen=True)
class Ready:
    """What became of a repository's place in Vault.

    :param role_ids: of each login what it is known by; empty where it is not there yet.
    """

    outcomes: tuple[Outcome, ...]
    role_ids: Mapping[str, str]

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be in check mode."""
        return any(outcome.moved for outcome in self.outcomes)


def ready(
    setup: VaultSetup, store: Store | StoreError | None, asked: Asked, *, name: str, pin: str | None, check: bool
) -> Ready:
    """Bring a repository's place in Vault to what is declared.

    :param store: where its root is read, so that keys can be held against it; None where nothing is pinned, and an
        error where it was not reached.
    :param pin: a link of the repository's chain.
    :param check: find out only.
    :raises KeyringError: Vault cannot hold what is asked; names all of it, each with its remedy. Or it does not answer.
    :raises TrustError: the store does not hold the pinned repository.
    """
    links, destroyed, unread = _links(store, name, pin)
    wanted = Wanted(policies(name, setup.mount), asked.logins, asked.access_ttl, asked.access_cidrs)
    expected = [f"{kept}-{year}" for kept in asked.classes for year in range(asked.year, asked.year + KEY_YEARS)]
    outcomes = setup.judge(wanted)
    if not setting.lacking(outcomes):
        outcomes += setup.keys(expected, links, destroyed, hold=False)
    _refuse(setup, outcomes, "Nothing was changed")
    if not check:
        outcomes = setup.hold(wanted)
        outcomes += setup.keys(expected, links, destroyed, hold=True)
        _refuse(setup, outcomes, "What else is asked for is set")
    return Ready((*outcomes, *unread), {login.identity: setup.role_id(login) for login in asked.logins})


def policies(repository: str, mount: str) -> dict[str, str]:
    """The policy of each identity, in HCL; empty of one that has no right in Vault."""
    texts = {each: vault_policies.policy(each, repository=repository, mount=mount) for each in IDENTITIES}
    return {identity: text if 'path "' in text else "" for identity, text in texts.items()}


def _links(
    store: Store | StoreError | None, name: str, pin: str | None
) -> tuple[list[Root] | None, Collection[str], list[Outcome]]:
    """The root links of the repository and which keys were destroyed, or what to say where that cannot be read."""
    if store is None:
        return None, (), []
    try:
        if isinstance(store, StoreError):
            raise store
        repository = open_repository(store, pin=pin, name=name)
        gone = read_destroyed(repository, now=objects.now(store)).keys
        return [link.root for link in repository.chain.links], gone, []
    except StoreError as e:
        why = f"the root was not read: {e.message}"
        remedy = "Run it where the repository can be read too, or compare keys by repository state=present"
        return None, (), [Outcome("root", NOT_COMPARED, why=why, remedy=remedy)]


def _refuse(setup: VaultSetup, outcomes: Sequence[Outcome], done: str) -> None:
    lacking = setting.lacking(outcomes)
    if not lacking:
        return
    told, remedies = setting.told(lacking)
    raise KeyringError(
        f"{setup.location} does not hold all that is asked of it: {told}",
        item="keyring",
        remedy=f"{remedies}. {done}",
        details={"settings": setting.results(outcomes)},
    )
