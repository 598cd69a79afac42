# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keyrings have in common whose private keys are on a server: the owner's part, and what is asked for once."""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Collection, Sequence
from pathlib import Path

from ..errors import KeyMissingError, KeyringError, PolicyError, UnknownVersionError, WrongKeyError
from ..model import instant
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, SignKey, class_year, own_prefix
from . import key_sets
from .base import HMAC_SHA256, OTHER_KIND, RSA_OAEP_SHA256, ClassYear, Keyring, Renewal
from .owners import OwnersFolder


class ServerKeyring(Keyring):
    """A keyring of one repository on a server. Which half it is says the server, by the policies of whoever asks.

    A kind says how its server makes and finds a key. In which order, and what a killed run or an unsigned request has
    left, is told here.

    :param path: the owner's folder; who seals or opens needs none.
    :raises PolicyError: the repository's name could be taken for a part of another's keys, or the server takes no such
        name.
    """

    #: for people
    SERVER: t.ClassVar[str]
    #: names of repositories that the server takes in names of keys, and what to do about others
    NAMES: t.ClassVar[re.Pattern[str]]
    NAMES_REMEDY: t.ClassVar[str]

    def __init__(self, repository: str, path: Path | None) -> None:
        # what policies tell apart by their beginning must not begin alike
        if not own_prefix(repository) or not self.NAMES.fullmatch(repository):
            raise PolicyError(
                f"a repository whose keyring is in {self.SERVER} cannot be called {repository!r}",
                item="holdfast_repository.name",
                remedy=self.NAMES_REMEDY,
            )
        self._repository = repository
        self._owner = OwnersFolder(path, repository)
        self._digests: dict[str, bytes | KeyMissingError] = {}

    def create(
        self, *, repository: str, classes: Sequence[str], first_year: int, years: int = 10, now: dt.datetime
    ) -> PublicKeys:
        """See :meth:`Keyring.create`. It takes the owner's folder; escrow/ is made anew where it was moved away.

        :raises PolicyError: a name that no class can have.
        """
        wanted = key_sets.class_years(classes, first_year, years)
        self._require(repository)
        with self._owner.locked():
            known = self._owner.made() or key_sets.NONE
            self._look_around()
            self._require_same(known)
            # first: of recipients that were brought one may be missing
            escrow = self._escrow_keys(key_sets.gaps(known.escrow, wanted), known.escrow)
            keys = PublicKeys(
                sign=known.sign
                + tuple(
                    self._sign_key(use, instant.whole(now), ())
                    for use in ("point", "record")
                    if not any(key.use == use for key in known.sign)
                ),
                wrap=known.wrap + self._wrap_keys(key_sets.gaps(known.wrap, wanted)),
                escrow=known.escrow + escrow,
                digest=known.digest or (self._digest_key(()),),
            )
            self._owner.publish(keys)
            return keys

    def renew(self, named: PublicKeys, renewal: Renewal, *, repository: str, now: dt.datetime) -> PublicKeys:
        """See :meth:`Keyring.renew`. It takes the owner's folder; escrow/ is made anew where it was moved away."""
        self._require(repository)
        with self._owner.locked():
            known = self._owner.made() or named
            self._look_around()
            fresh = bool(renewal.removed)
            escrow = self._escrow_keys(renewal.escrow, named.escrow, fresh=fresh)
            made = PublicKeys(
                sign=tuple(
                    self._sign_key(use, instant.whole(now), renewal.spent, fresh=fresh)
                    for use in ("point", "record")
                    if use in renewal.uses
                ),
                wrap=self._wrap_keys(renewal.wrap, fresh=fresh),
                escrow=escrow,
                digest=(self._digest_key(renewal.spent, fresh=fresh),) if "digest" in renewal.uses else (),
            )
            # as in a local keyring: names that a request left unsigned are taken by what is made now
            left = dataclasses.replace(
                known,
                wrap=key_sets.beside(known.wrap, made.wrap),
                escrow=key_sets.beside(known.escrow, made.escrow),
            )
            self._owner.publish(key_sets.joined(left, made))
            return key_sets.joined(named, made)

    def made(self, *, repository: str) -> PublicKeys:
        self._require(repository)
        return (self._owner.made() if self._owner else None) or key_sets.NONE

    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        if key.scheme != HMAC_SHA256:
            raise UnknownVersionError(
                f"this keyring has no digest keys of the scheme {key.scheme!r}", item=key.id, remedy=OTHER_KIND
            )
        if repository != self._repository:
            raise WrongKeyError(
                "this keyring belongs to another repository",
                item=self._item("digest"),
                remedy=f"Name the keyring of repository {repository}",
            )
        # who verifies asks again for each host, and mostly lacks the right
        if key.id not in self._digests:
            try:
                self._digests[key.id] = self._digest(key.id)
            except KeyMissingError as e:
                self._digests[key.id] = e
        known = self._digests[key.id]
        if isinstance(known, KeyMissingError):
            raise known
        return known

    def _require(self, repository: str) -> None:
        if repository != self._repository:
            raise KeyringError(
                f"the keyring here is that of the repository {self._repository!r}",
                item=self._item("*"),
                remedy=f"Name the keyring of repository {repository!r}",
            )

    def _require_class_year(self, key: ClassYearKey) -> None:
        if key.scheme != RSA_OAEP_SHA256:
            raise UnknownVersionError(
                f"this keyring cannot unwrap by the scheme {key.scheme!r}", item=key.id, remedy=OTHER_KIND
            )
        if class_year(key.id) is None:
            raise KeyMissingError("this is not the id of a key to wrap under", item=repr(key.id[:64]))

    def _escrow_keys(
        self, gaps: Sequence[ClassYear], named: Sequence[ClassYearKey], *, fresh: bool = False
    ) -> tuple[ClassYearKey, ...]:
        elsewhere = f"the key {self._item('CLASS-YEAR')} in {self.SERVER}"
        return self._owner.escrow_keys(gaps, elsewhere=elsewhere, named=named, fresh=fresh)

    def _look_around(self) -> None:
        """Look once at what is there, where the server tells it of all keys together, before any of them is made."""
        return

    @abc.abstractmethod
    def _item(self, what: str) -> str:
        """By which name people find a key on the server."""

    @abc.abstractmethod
    def _require_same(self, known: PublicKeys) -> None:
        """Raise KeyringError where the server has not the keys that the owner's folder names: it is another one."""

    @abc.abstractmethod
    def _sign_key(self, use: str, now: dt.datetime, spent: Collection[str], *, fresh: bool = False) -> SignKey:
        """A key that signs for a use: what was made and not named yet, unless *fresh*; else another one."""

    @abc.abstractmethod
    def _wrap_keys(self, wanted: Sequence[ClassYear], *, fresh: bool = False) -> tuple[ClassYearKey, ...]:
        """The keys to wrap under, as :meth:`_sign_key`."""

    @abc.abstractmethod
    def _digest_key(self, spent: Collection[str], *, fresh: bool = False) -> DigestKey:
        """A digest key, as :meth:`_sign_key`."""

    @abc.abstractmethod
    def _digest(self, key_id: str) -> bytes:
        """What digests are keyed from, by the digest key of that id; raises KeyMissingError where there is none."""
