# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every keyring promises, and what is done with its public keys and derived keys offline.

A keyring has two halves in two hands. The *seal* half, of who backs up, signs points and answers for digest keys. The
*open* half, of who restores, unwraps pack keys and signs records. Neither can do what the other does.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
import hmac
from collections.abc import Collection, Sequence

from ..errors import DependencyMissingError, FormatError, HoldfastError, UnknownVersionError, WrongKeyError
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, Signature
from ..seal import age

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf import hkdf
except ImportError:
    hashes = hkdf = None  # type: ignore[assignment]

# retention class, year and series of a key to wrap under or for escrow
ClassYear = tuple[str, int, str]

AGE_X25519 = "age-x25519"
RSA_OAEP_SHA256 = "rsa-oaep-sha256"
HKDF_SHA256 = "hkdf-sha256"
HMAC_SHA256 = "hmac-sha256"

#: what to do where a root names keys by a scheme that the keyring at hand does not have
OTHER_KIND = "The root names keys of another kind of keyring: set its type to the one the repository was made with"


@dataclasses.dataclass(frozen=True)
class Renewal:
    """Which keys the next root of a repository has beside those of the newest one, and which it has no longer.

    ``uses`` says what to add a key for (``point``, ``record``, ``digest``), ``wrap`` and ``escrow`` which of these keys
    to add. ``removed`` holds ids of signing and digest keys that the next root no longer names: a half that is lost
    with all of its keys is made anew where none of them is needed any longer. ``spent`` holds the ids of all signing
    and digest keys that any root has named: none of them is new.
    """

    uses: Collection[str] = ()
    wrap: Sequence[ClassYear] = ()
    escrow: Sequence[ClassYear] = ()
    removed: Collection[str] = ()
    spent: Collection[str] = ()


class Keyring(abc.ABC):
    """Private keys and what may be done with them. Only errors of the library's tree leave it, and no secret in them.

    Every method raises KeyMissingError where this half, or the key, is not here (it says what is missing and where it
    was expected), KeyringError where the keyring cannot be used as it is, and TransientError where it is a server that
    does not answer now.
    """

    #: Whether :meth:`unwrap_all` asks a server for many at once: who opens many gathers them, and asks in one process.
    opens_together = False

    @abc.abstractmethod
    def create(
        self, *, repository: str, classes: Sequence[str], first_year: int, years: int = 10, now: dt.datetime
    ) -> PublicKeys:
        """Make what is missing of a repository's keys; the owner alone does this, by hand.

        Idempotent: a key that exists is kept and returned, and after a run that was killed the next one completes it.
        Made are signing keys of both uses, one digest key, and for each class and year one key to wrap under and one
        for escrow.

        :param repository: the repository's name; a keyring serves one.
        :param classes: names of retention classes. Those named before stay.
        :param first_year: first year to make class-year keys for.
        :param years: how many years, from *first_year* on.
        :param now: from when the signing keys are valid, for ten years.
        :returns: every key of this keyring, also those of earlier calls.
        :raises KeyringError: this is another repository's keyring.
        """

    @abc.abstractmethod
    def renew(self, named: PublicKeys, renewal: Renewal, *, repository: str, now: dt.datetime) -> PublicKeys:
        """Return *named* with new keys added; the owner alone does this, by hand.

        A key that an earlier call made, and that no root has named since, is taken before another one is made; but not
        beside keys that are removed: who has a copy of these has one of what was never named.

        :param named: the keys of the newest root.
        :param renewal: what to add.
        :param now: from when new signing keys are valid, for ten years.
        :raises KeyringError: this is another repository's keyring.
        """

    @abc.abstractmethod
    def made(self, *, repository: str) -> PublicKeys:
        """Every key that was ever made here for a repository, named by a root or not; either half tells.

        :raises KeyringError: this is another repository's keyring.
        """

    @abc.abstractmethod
    def signer(self, *, use: str, among: Collection[str]) -> str:
        """The id of the newest key here that signs for a use and is one of *among*.

        :param use: ``point`` (seal half) or ``record`` (open half).
        :param among: ids that the root lets sign: a keyring may hold keys that no root names, yet or any more.
        :raises WrongKeyError: there are keys of that use, and none of them is one of these.
        """

    @abc.abstractmethod
    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        """Sign with the key that :meth:`signer` named, by the algorithm that the root has for it.

        :param pae: the bytes to sign: the pre-authentication encoding of a DSSE envelope.
        """

    @abc.abstractmethod
    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        """Return the 32 bytes that this repository's digests are keyed from, the same at each call (seal half).

        It costs one call to the keyring; per-host keys are derived from it by :func:`host_key`.

        :raises UnknownVersionError: the key has a scheme that this version does not know.
        """

    @abc.abstractmethod
    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        """Return the age identity that :func:`wrap` wrapped under this key (open half).

        :raises WrongKeyError: the key here is another one, or *wrapped* was made under another one, which under some
            schemes looks like damage.
        :raises IntegrityError: *wrapped* is damaged.
        :raises FormatError: what was wrapped is not an age identity.
        :raises UnknownVersionError: the key has a scheme that this version does not know.
        """

    def unwrap_all(self, key: ClassYearKey, wrapped: Sequence[bytes]) -> list[str | HoldfastError]:
        """Unwrap several of one key; each is its identity, or the error that says what is wrong with it.

        :raises KeyMissingError, WrongKeyError, UnknownVersionError: of the key itself.
        """
        found: list[str | HoldfastError] = []
        for one in wrapped:
            try:
                found.append(self.unwrap(key, one))
            except (WrongKeyError, FormatError) as e:
                found.append(e)
        return found

    @abc.abstractmethod
    def destroy(self, key: ClassYearKey) -> bool:
        """Destroy for ever the private half that opens what was wrapped under *key*; returns whether it was there.

        It is done with the rights that this keyring was connected with: a server gives them to a quorum alone. Called
        again it finds that nothing is there. Copies that were made of it elsewhere are not its to reach.

        :raises WrongKeyError: the key of that name here is another one, which is left alone.
        """

    @abc.abstractmethod
    def holds(self, key: ClassYearKey) -> bool:
        """Whether the private half that opens what was wrapped under *key* is here (open half).

        :raises WrongKeyError: the key of that name here is another one.
        """

    def give_up(self) -> bool:
        """End the rights that a quorum gave for one use, where it did; returns whether there were such.

        A keyring that knows of no quorum has nothing to give up.
        """
        return False


def wrap(key: ClassYearKey, secret: str) -> bytes:
    """Wrap a pack's age identity under a class-year's public key, offline. Nothing else is bound into it.

    :raises UnknownVersionError: the key has a scheme that this version does not know.
    :raises FormatError: the key's public half is not one of its scheme.
    """
    if key.scheme == AGE_X25519:
        return age.encrypt(secret.encode(), [key.public])
    if key.scheme == RSA_OAEP_SHA256:
        # here: a run whose keys are age's needs none of it
        from . import oaep

        return oaep.encrypt(key.public, secret.encode())
    raise UnknownVersionError(f"this version cannot wrap by the scheme {key.scheme!r}", item=key.id)


def require_identity(key: ClassYearKey, secret: str) -> str:
    """Return what was unwrapped under *key*; raises FormatError, without repeating it, where it is no age identity."""
    try:
        age.recipient_of(secret)
    except FormatError as e:
        raise FormatError("what was wrapped under this key is not an age identity", item=key.id) from e
    return secret


def digest_info(repository: str) -> bytes:
    """What a repository's digests are keyed from, beside a digest key's secret."""
    return b"holdfast repository digest v1\0" + repository.encode()


def host_key(run_key: bytes, host_id: str) -> bytes:
    """Derive a host's 32-byte digest key from what :meth:`Keyring.digest_key` returned."""
    return derive(run_key, b"holdfast host digest v1\0" + host_id.encode())


def secret_key(run_key: bytes) -> bytes:
    """Derive the 32-byte key of digests of declared secrets, the same for all hosts of a repository."""
    return derive(run_key, b"holdfast repository secrets v1\0")


def keyed(host_key: bytes, data: bytes) -> str:
    """Return the keyed digest of *data* as manifests hold it: HMAC-SHA256 (RFC 2104), lower-case hex."""
    return hmac.digest(host_key, data, "sha256").hex()


def derive(secret: bytes, info: bytes) -> bytes:
    """Derive 32 bytes by HKDF-SHA256 (RFC 5869) without salt: *secret* is uniformly random already.

    :raises DependencyMissingError: cryptography is not installed.
    """
    if hkdf is None:
        raise missing_cryptography()
    return hkdf.HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def missing_cryptography() -> DependencyMissingError:
    """The error of the files that import cryptography."""
    return DependencyMissingError(
        "the Python library cryptography is not installed on the controller",
        remedy="Install cryptography for the Python that runs Ansible",
    )
