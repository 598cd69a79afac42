# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring of files: two halves and the escrow keys, each a folder that can live elsewhere.

::

    seal/     keyring.json  point-<key id>.pem  digest-<key id>.key      to who backs up
    open/     keyring.json  record-<key id>.pem  identities.txt          to who restores
    escrow/   README.txt  identities.txt                                 offline, as soon as it is made
              or recipients.txt alone                                    of identities that were made offline
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import secrets
from collections.abc import Collection, Sequence
from pathlib import Path

from ..errors import (
    IntegrityError,
    KeyMissingError,
    KeyringError,
    UnknownVersionError,
    WrongKeyError,
)
from ..model import instant
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, Signature, SignKey
from ..seal import age
from . import identities, key_sets, published, recipients, sign
from .base import (
    AGE_X25519,
    HKDF_SHA256,
    OTHER_KIND,
    ClassYear,
    Keyring,
    Renewal,
    derive,
    digest_info,
    require_identity,
)
from .folder import PrivateFolder
from .published import Published

_PUBLISHED = "keyring.json"
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_DIGEST_SECRET = re.compile(rb"[0-9a-f]{64}\n")


class LocalKeyring(Keyring):
    """A keyring in a folder. Each half works where the other is not, and refuses where others may read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seal = PrivateFolder(path / "seal")
        self._open = PrivateFolder(path / "open")
        self._escrow = PrivateFolder(path / "escrow")

    def __repr__(self) -> str:
        return f"LocalKeyring({str(self._path)!r})"

    def create(
        self, *, repository: str, classes: Sequence[str], first_year: int, years: int = 10, now: dt.datetime
    ) -> PublicKeys:
        """See :meth:`Keyring.create`. Adding keys takes both halves; escrow/ is made anew where it was moved away.

        :raises PolicyError: a name that no class can have.
        """
        wanted = key_sets.class_years(classes, first_year, years)
        root = PrivateFolder(self._path)
        root.make()
        with root.locked():
            known = self._known(repository)
            if known and not (self._seal.exists() and self._open.exists()):
                return self._unchanged(known, wanted)
            return self._completed(known or key_sets.NONE, repository, wanted, now)

    def renew(self, named: PublicKeys, renewal: Renewal, *, repository: str, now: dt.datetime) -> PublicKeys:
        """See :meth:`Keyring.renew`. It takes both halves; escrow/ is made anew where it was moved away."""
        root = PrivateFolder(self._path)
        with root.locked():
            digest = {key.id for key in named.digest}
            for half, needed in (
                (self._seal, digest | {key.id for key in named.sign if key.use == "point"}),
                (self._open, {key.id for key in named.sign if key.use == "record"}),
            ):
                # a killed renewal leaves a lost half begun
                if needed - set(renewal.removed):
                    _present(half, _PUBLISHED)
            # who had a copy of what is removed has a copy of what nobody has signed yet
            fresh = bool(renewal.removed)
            known = self._known(repository) or named
            escrow = self._escrow_keys(repository, renewal.escrow, named.escrow, fresh=fresh)
            self._seal.make()
            self._open.make()
            valid_from = instant.whole(now)
            sign_keys = tuple(
                _sign_key(half, use, valid_from, renewal.spent, fresh=fresh)
                for half, use in ((self._seal, "point"), (self._open, "record"))
                if use in renewal.uses
            )
            made = PublicKeys(
                sign=sign_keys,
                wrap=identities.class_year_keys(self._open, renewal.wrap, fresh=fresh),
                escrow=escrow,
                digest=(_digest_key(self._seal, renewal.spent, fresh=fresh),) if "digest" in renewal.uses else (),
            )
            # escrow keys of a request that nobody signed may have gone offline, or be lost: new ones take their names
            left = dataclasses.replace(
                known, wrap=key_sets.beside(known.wrap, made.wrap), escrow=key_sets.beside(known.escrow, made.escrow)
            )
            self._publish(repository, key_sets.joined(left, made))
            return key_sets.joined(named, made)

    def made(self, *, repository: str) -> PublicKeys:
        return self._known(repository) or key_sets.NONE

    def signer(self, *, use: str, among: Collection[str]) -> str:
        half = self._half(use)
        ids = [key.id for key in self._published(half).keys.sign if key.use == use]
        if not ids:
            raise _missing(half, _PUBLISHED)
        fitting = [key_id for key_id in ids if key_id in among]
        if not fitting:
            raise WrongKeyError(
                f"the keyring has no {use} key that the root lets sign now",
                item=str(half.path),
                remedy=f"Use the {half.path.name} half of this repository, or copy it anew from its owner: "
                "keys may have been renewed. Compare the clocks too",
            )
        return fitting[-1]

    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        half = self._half(use)
        # it becomes part of a path
        if not _KEY_ID.fullmatch(key_id):
            raise KeyMissingError("this is not the id of a signing key of a local keyring", item=repr(key_id))
        return Signature(key_id, sign.sign(_present(half, f"{use}-{key_id}.pem"), pae))

    def _half(self, use: str) -> PrivateFolder:
        half = {"point": self._seal, "record": self._open}.get(use)
        if half is None:
            raise KeyringError(f"no key of a keyring signs for the use {use!r}")
        return half

    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        if key.scheme != HKDF_SHA256:
            raise UnknownVersionError(
                f"this version has no digest keys of the scheme {key.scheme!r}", item=key.id, remedy=OTHER_KIND
            )
        # the id comes from a root and becomes part of a path
        if not _KEY_ID.fullmatch(key.id):
            raise KeyMissingError("this is not the id of a digest key of a local keyring", item=repr(key.id))
        name = f"digest-{key.id}.key"
        if self._seal.read(_PUBLISHED) is not None:
            known = self._published(self._seal)
            if known.repository != repository:
                raise WrongKeyError(
                    "this keyring belongs to another repository",
                    item=str(self._seal.path),
                    remedy=f"Name the keyring of repository {repository}",
                )
            if self._seal.read(name) is None and key.id not in {each.id for each in known.keys.digest}:
                raise KeyMissingError(
                    "the seal half of the keyring is older than the root, which has another digest key",
                    item=str(self._seal.path / name),
                    remedy="Copy seal/ anew from where the key was rotated",
                )
        text = _present(self._seal, name)
        if not _DIGEST_SECRET.fullmatch(text):
            raise KeyringError("a digest key is damaged", item=name, remedy="Restore it from a copy")
        return derive(bytes.fromhex(text.decode()), digest_info(repository))

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        if key.scheme != AGE_X25519:
            raise UnknownVersionError(
                f"this keyring cannot unwrap by the scheme {key.scheme!r}", item=key.id, remedy=OTHER_KIND
            )
        known = identities.read(_present(self._open, identities.FILE), self._open)
        fitting = [identity.secret for identity in known if identity.recipient == key.public]
        if not fitting:
            where = f"Look for it where it was moved to; it was expected in {self._open.path / identities.FILE}"
            if any(identity.name == key.id for identity in known):
                raise WrongKeyError("the identity of that name is of another key", item=key.id, remedy=where)
            raise KeyMissingError("the keyring has no identity for this key", item=key.id, remedy=where)
        try:
            secret = age.decrypt(wrapped, fitting).decode("utf-8", "replace")
        except WrongKeyError as e:
            raise WrongKeyError("this was wrapped under another key", item=key.id) from e
        except IntegrityError as e:
            raise IntegrityError("the wrapped key is damaged", item=key.id) from e
        return require_identity(key, secret)

    def destroy(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.destroy`. Who can write the file can do this: nothing here asks for a quorum."""
        self._require_age(key)
        with PrivateFolder(self._path).locked():
            if not self.holds(key):
                return False
            left = identities.without(_present(self._open, identities.FILE), key.public, self._open)
            self._open.write(identities.FILE, left)
            return True

    def holds(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.holds`."""
        self._require_age(key)
        known = identities.read(_present(self._open, identities.FILE), self._open)
        # of a request that nobody signed another one of that name may be left, which opens nothing
        return any(identity.recipient == key.public for identity in known)

    def _require_age(self, key: ClassYearKey) -> None:
        if key.scheme != AGE_X25519:
            raise UnknownVersionError(
                f"this keyring has no keys of the scheme {key.scheme!r}", item=key.id, remedy=OTHER_KIND
            )

    def _known(self, repository: str) -> PublicKeys | None:
        """The keys that either half publishes: a killed create leaves the newer list in open/ alone."""
        found = [self._published(half) for half in (self._seal, self._open) if half.read(_PUBLISHED) is not None]
        if not found:
            return None
        for each in found:
            if each.repository != repository:
                raise KeyringError(
                    f"the keyring here is that of the repository {each.repository!r}",
                    item=str(self._path),
                    remedy=f"Name another folder for the keys of {repository!r}",
                )
        keys = PublicKeys(
            sign=key_sets.union(each.keys.sign for each in found),
            wrap=key_sets.union(each.keys.wrap for each in found),
            escrow=key_sets.union(each.keys.escrow for each in found),
            digest=key_sets.union(each.keys.digest for each in found),
        )
        if any(len({key.id for key in listed}) < len(listed) for listed in (keys.wrap, keys.escrow)):
            raise KeyringError(
                "seal/ and open/ are halves of two different keyrings",
                item=str(self._path),
                remedy="Put halves together that were made together",
            )
        return keys

    def _unchanged(self, known: PublicKeys, wanted: Sequence[ClassYear]) -> PublicKeys:
        if key_sets.gaps(known.wrap, wanted) or key_sets.gaps(known.escrow, wanted):
            half = self._open if self._seal.exists() else self._seal
            raise KeyMissingError(
                f"keys are added with both halves present, and {half.path.name}/ is not here",
                item=str(half.path),
                remedy="Put it there, run this again, and take it away again",
            )
        return known

    def _completed(
        self, known: PublicKeys, repository: str, wanted: Sequence[ClassYear], now: dt.datetime
    ) -> PublicKeys:
        """Make what is missing. Private keys first, then the two lists: a key that was published exists.

        What a killed create left unpublished is taken up.
        """
        # first: of recipients that were brought one may be missing
        escrow = self._escrow_keys(repository, key_sets.gaps(known.escrow, wanted), known.escrow)
        self._seal.make()
        self._open.make()
        keys = PublicKeys(
            sign=known.sign
            + tuple(
                _sign_key(half, use, instant.whole(now), ())
                for half, use in ((self._seal, "point"), (self._open, "record"))
                if not any(key.use == use for key in known.sign)
            ),
            wrap=known.wrap + identities.class_year_keys(self._open, key_sets.gaps(known.wrap, wanted)),
            escrow=known.escrow + escrow,
            digest=known.digest or (_digest_key(self._seal, ()),),
        )
        self._publish(repository, keys)
        return keys

    def _escrow_keys(
        self, repository: str, gaps: Sequence[ClassYear], named: Sequence[ClassYearKey], *, fresh: bool = False
    ) -> tuple[ClassYearKey, ...]:
        guide = recipients.Guide(
            repository,
            beside="the other halves of the keyring",
            elsewhere="the two lines of the same name in open/identities.txt of the keyring",
        )
        return recipients.escrow_keys(self._escrow, gaps, guide, named=named, fresh=fresh)

    def _publish(self, repository: str, keys: PublicKeys) -> None:
        document = published.dump(Published(repository, keys))
        for half in (self._open, self._seal):
            if half.read(_PUBLISHED) != document:
                half.write(_PUBLISHED, document)

    def _published(self, half: PrivateFolder) -> Published:
        return published.load(_present(half, _PUBLISHED), what=str(half.path / _PUBLISHED))


def _sign_key(
    half: PrivateFolder, use: str, now: dt.datetime, spent: Collection[str], *, fresh: bool = False
) -> SignKey:
    left = None if fresh else _left(half, use, "pem", spent)
    if left:
        public = sign.public_of(_present(half, f"{use}-{left}.pem"))
    else:
        pem, public = sign.generate()
        half.write(f"{use}-{sign.key_id(public)}.pem", pem)
    return SignKey(sign.key_id(public), use, sign.ALGORITHM, public, now, now + key_sets.SIGN_VALIDITY)


def _digest_key(half: PrivateFolder, spent: Collection[str], *, fresh: bool = False) -> DigestKey:
    left = None if fresh else _left(half, "digest", "key", spent)
    if left:
        return DigestKey(left, HKDF_SHA256)
    # an id of its own: nothing about the secret follows from it
    key = DigestKey(secrets.token_hex(8), HKDF_SHA256)
    half.write(f"digest-{key.id}.key", f"{secrets.token_hex(32)}\n".encode())
    return key


def _left(half: PrivateFolder, use: str, suffix: str, spent: Collection[str]) -> str | None:
    """The id of a key that was made and that no root names: a run was killed, or nobody signed its root."""
    found = (re.fullmatch(rf"{use}-([0-9a-f]{{16}})\.{suffix}", name) for name in half.names())
    return next((match[1] for match in found if match and match[1] not in spent), None)


def _present(folder: PrivateFolder, name: str) -> bytes:
    data = folder.read(name)
    if data is None:
        raise _missing(folder, name)
    return data


def _missing(folder: PrivateFolder, name: str) -> KeyMissingError:
    half = folder.path.name
    if not folder.exists():
        return KeyMissingError(
            f"the {half} half of the keyring is not here",
            item=str(folder.path),
            remedy=f"Run this where {half}/ is, or put it there",
        )
    return KeyMissingError(
        f"the {half} half of the keyring is not whole",
        item=str(folder.path / name),
        remedy="Restore the file from a copy, or run repository state=present again if that was interrupted",
    )
