# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring in AWS KMS: private keys never leave it.

Its keys, for a repository ``prod``, by their aliases; what each identity may do with them is docs/guide_awskms.md::

    alias/holdfast-prod--d0030-2026/ID   RSA 3072, for each class and year: wrapped under offline, opened by KMS
    alias/holdfast-prod--point/ID        ECDSA P-256, for each key that signs recovery points
    alias/holdfast-prod--record/ID       the same, for records of restores
    alias/holdfast-prod--digest/ID       HMAC, for each digest key

``ID`` is the beginning of a SHA-256: of the public key, or of a digest key its id in KMS. So an alias that was turned
to another key is found out, and keys of one name stand beside one another. Policies go by tags that a key is made with,
since who may make aliases could name another repository's key. KMS signs ed25519 over 4096 bytes at most, which a root
is longer than; ECDSA it signs over a digest.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
import typing as t
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, KeyMissingError, KeyringError, WrongKeyError
from ..model import instant
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, Signature, SignKey
from . import key_sets, oaep, sign
from .base import HMAC_SHA256, RSA_OAEP_SHA256, ClassYear, digest_info, require_identity
from .on_server import ServerKeyring
from .owners import PUBLISHED

if t.TYPE_CHECKING:
    from .awskms_client import Answer, KmsClient

#: The shortest time that KMS waits before it deletes a key.
PENDING_DAYS = 7
#: The tags of a key, by which policies know it: the repository's name, and what the key is for.
REPOSITORY_TAG, KEY_TAG = "holdfast-repository", "holdfast-key"

_ID = re.compile(r"[0-9a-f]{16}")
_SECRET_BYTES = 32
# of any ciphertext that KMS takes
_LONGEST = 6144
_ENABLED, _PENDING = "Enabled", "PendingDeletion"
_WRONG = "this was wrapped under another key, or is damaged"


class _Kind(t.NamedTuple):
    spec: str
    usage: str


_WRAP = _Kind("RSA_3072", "ENCRYPT_DECRYPT")
_SIGN = _Kind("ECC_NIST_P256", "SIGN_VERIFY")
_DIGEST = _Kind("HMAC_256", "GENERATE_VERIFY_MAC")


class _Found(t.NamedTuple):
    """A key in KMS. ``public`` is DER, and empty of one that has no such half."""

    id: str
    public: bytes


class AwsKmsKeyring(ServerKeyring):
    """A keyring of one repository in KMS; as :class:`ServerKeyring`.

    :param client: makes the client, at the first call.
    """

    SERVER = "AWS KMS"
    # what an alias takes
    NAMES = re.compile(r"[A-Za-z0-9_-]+")
    NAMES_REMEDY = "Use letters, digits, _ and -, no two hyphens in a row, and none at the end"

    def __init__(self, client: Callable[[], KmsClient], *, repository: str, path: Path | None = None) -> None:
        super().__init__(repository, path)
        self._make_client = client
        self._connected: KmsClient | None = None
        self._publics: dict[str, bytes | None] = {}
        self._listing: _Listed = {}

    def __repr__(self) -> str:
        return f"AwsKmsKeyring({self._repository!r})"

    def signer(self, *, use: str, among: Collection[str]) -> str:
        """See :meth:`Keyring.signer`. Where there are several KMS says when each was made."""
        _require_use(use)
        ids = [key_id for key_id in dict.fromkeys(among) if self._public(use, key_id) is not None]
        if not ids:
            raise WrongKeyError(
                f"the keyring has no {use} key that the root lets sign now",
                item=self._alias(use, "*"),
                remedy="Name the account and region of this repository (profile, region). Compare the clocks too",
            )
        if len(ids) == 1:
            return ids[0]
        return max(ids, key=lambda key_id: self._since(self._alias(use, key_id), f"show the {use} key"))

    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        _require_use(use)
        public = self._public(use, key_id)
        if public is None:
            raise KeyMissingError(
                f"KMS has no {use} key of that id", item=f"{self._alias(use, '')}{key_id[:16]!r}", remedy=_ELSEWHERE
            )
        alias = self._alias(use, key_id)
        answer = self._ask(
            "sign",
            f"sign as {use}",
            alias,
            Message=hashlib.sha256(pae).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        try:
            signature = sign.lower(_bytes(answer, "Signature"))
            sign.verify(public, pae, signature, algorithm=sign.ECDSA_P256)
        except FormatError as e:
            raise KeyringError("what KMS gave is no signature by its key", item=alias) from e
        return Signature(key_id, signature)

    def _digest(self, key_id: str) -> bytes:
        if not _ID.fullmatch(key_id):
            raise KeyMissingError("this is not the id of a digest key in KMS", item=repr(key_id[:64]))
        alias = self._alias("digest", key_id)
        answer = self._ask(
            "generate_mac", "key digests", alias, Message=digest_info(self._repository), MacAlgorithm="HMAC_SHA_256"
        )
        if _hash(_short(answer.data.get("KeyId")).encode()) != key_id:
            raise WrongKeyError(
                "the alias was turned to another key: digests by it would show every host as changed",
                item=alias,
                remedy="Find out who may change aliases, and turn it back",
            )
        secret = _bytes(answer, "Mac")
        if len(secret) != _SECRET_BYTES:
            raise KeyringError("what KMS gave is no HMAC", item=alias)
        return secret

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        alias = self._of(key)
        if not 0 < len(wrapped) <= _LONGEST:
            raise WrongKeyError(_WRONG, item=key.id)
        from .awskms_client import CIPHERTEXT

        answer = self._ask(
            "decrypt",
            f"open what was wrapped under {key.id}",
            alias,
            allowed=CIPHERTEXT,
            CiphertextBlob=wrapped,
            EncryptionAlgorithm="RSAES_OAEP_SHA_256",
        )
        if not answer.ok:
            raise WrongKeyError(
                _WRONG, item=key.id, remedy="Compare the manifest with a replica's; escrow may open the pack"
            )
        return require_identity(key, _bytes(answer, "Plaintext").decode("utf-8", "replace"))

    def destroy(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.destroy`. KMS destroys after some days, until when it can be taken back.

        :raises KeyringError: the deletion is scheduled, by this call or an earlier one, and the key is not gone yet; or
            the key's alias is missing and the key is not.
        """
        alias = self._of(key)
        doing = f"destroy {key.id}"
        known = self._there(key, doing)
        if known is None:
            return False
        at = known.get("DeletionDate")
        if known.get("KeyState") != _PENDING:
            if known.get("KeyState") != _ENABLED:
                raise KeyringError(
                    f"cannot {doing}: KMS shows no public half of a key that is not enabled, so it may be another one",
                    item=alias,
                    remedy="EnableKey, and run this again",
                )
            # by what was looked at, and not by the alias, which KMS refuses and somebody may turn meanwhile
            answer = self._ask(
                "schedule_key_deletion", doing, alias, key=_named(known), PendingWindowInDays=PENDING_DAYS
            )
            at = answer.data.get("DeletionDate")
        raise KeyringError(
            f"the key opens nothing any more, and KMS deletes it for ever {_at(at)}",
            item=alias,
            remedy="Run this again when it is gone. Until then CancelKeyDeletion brings it back: let nobody have that "
            "right",
        )

    def holds(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.holds`. A key whose deletion is scheduled is there: that can be taken back.

        :raises KeyringError: the key's alias is missing and the key is not.
        """
        return self._there(key, f"look for {key.id}") is not None

    def _there(self, key: ClassYearKey, doing: str) -> Mapping[str, t.Any] | None:
        """What KMS says of a class-year's key; None where no key of this account and region has its public half.

        :raises WrongKeyError: the alias is another key's.
        :raises KeyringError: the alias is missing, and the key is not.
        """
        alias = self._of(key)
        known = self._look(alias, doing)
        if known is None:
            self._require_gone(key, alias, doing)
            return None
        # of another state KMS shows no public half
        if known.get("KeyState") == _ENABLED and not _is_of(
            alias, self._ask("get_public_key", doing, alias, key=_named(known))
        ):
            raise _turned(alias)
        return known

    def _require_gone(self, key: ClassYearKey, alias: str, doing: str) -> None:
        """Raise KeyringError where a key that the alias may have been of is there: an alias is quickly deleted.

        KMS deletes a key's aliases with the key, so all keys of the account are looked at.
        """
        from .awskms_client import DISABLED, MISSING, WRONG_STATE

        for listed in self._pages("list_keys", "Keys", doing, alias):
            answer = self._ask("describe_key", doing, alias, key=_named(listed), allowed=(MISSING,))
            known = answer.data.get("KeyMetadata") or {}
            if not answer.ok or known.get("KeySpec") != _WRAP.spec:
                continue
            shown = self._ask(
                "get_public_key", doing, alias, key=_named(known), allowed=(MISSING, DISABLED, WRONG_STATE)
            )
            says = known.get("Description") == self._description(key.id)
            if _is_of(alias, shown) if shown.ok else says:
                raise KeyringError(
                    f"cannot {doing}: its alias is missing, and the key, or one that nobody can tell from it, is there",
                    item=f"{alias} {_short(known.get('KeyId'))}",
                    remedy="Find out who may delete aliases. Bring it back: CreateAlias of that name, for that key",
                )

    def _description(self, what: str) -> str:
        return f"holdfast.config, repository {self._repository}: {what}"

    def _of(self, key: ClassYearKey) -> str:
        """The alias of a class-year key."""
        self._require_class_year(key)
        try:
            public = base64.b64decode(key.public.encode("ascii", "replace"), validate=True)
        except binascii.Error as e:
            raise FormatError("the public key is no SubjectPublicKeyInfo in base64", item=key.id) from e
        return self._alias(key.id, _hash(public))

    def _public(self, use: str, key_id: str) -> bytes | None:
        """The public half of a key that signs; None where KMS has none of that id."""
        if not _ID.fullmatch(key_id):
            return None
        alias = self._alias(use, key_id)
        if alias not in self._publics:
            from .awskms_client import MISSING

            answer = self._ask("get_public_key", f"show the {use} key", alias, allowed=(MISSING,))
            public = _bytes(answer, "PublicKey") if answer.ok else None
            if public is not None and sign.key_id(public) != key_id:
                raise _turned(alias)
            self._publics[alias] = public
        return self._publics[alias]

    # what the owner alone does

    def _sign_key(self, use: str, now: dt.datetime, spent: Collection[str], *, fresh: bool = False) -> SignKey:
        found = self._take(use, _SIGN, spent, fresh=fresh)
        return SignKey(found.id, use, sign.ECDSA_P256, found.public, now, now + key_sets.SIGN_VALIDITY)

    def _digest_key(self, spent: Collection[str], *, fresh: bool = False) -> DigestKey:
        return DigestKey(self._take("digest", _DIGEST, spent, fresh=fresh).id, HMAC_SHA256)

    def _wrap_keys(self, wanted: Sequence[ClassYear], *, fresh: bool = False) -> tuple[ClassYearKey, ...]:
        keys = []
        for retention_class, year, series in wanted:
            found = self._take(f"{retention_class}-{year}{series}", _WRAP, (), fresh=fresh)
            public = oaep.public_of_pem(base64.b64encode(found.public).decode())
            keys.append(ClassYearKey(retention_class, year, RSA_OAEP_SHA256, public, series))
        return tuple(keys)

    def _take(self, what: str, kind: _Kind, spent: Collection[str], *, fresh: bool) -> _Found:
        """The newest key of a name, which a killed run or an unsigned request has left, or another one."""
        ids = () if fresh else self._listing.get(what, ())
        if ids:
            newest = max(ids, key=lambda key_id: self._since(self._alias(what, key_id), "make keys"))
            # the newest alone can be one that no root has named: those after it would sign in its place
            if newest not in spent:
                return self._existing(what, newest, kind)
        return self._make(what, kind)

    def _existing(self, what: str, key_id: str, kind: _Kind) -> _Found:
        alias = self._alias(what, key_id)
        known = self._look(alias, "make keys") or {}
        found = self._found(alias, str(known.get("Arn")), kind)
        # whoever brought a private key has it, and another region may have a copy that policies here do not reach
        own = known.get("Origin") == "AWS_KMS" and not known.get("MultiRegion")
        if not own or (known.get("KeySpec"), known.get("KeyUsage")) != kind or found.id != key_id:
            raise KeyringError(
                f"this key in KMS was not made here: it is none of {kind.spec} of KMS's own making",
                item=alias,
                remedy="Find out who made it, and delete the alias",
            )
        return found

    def _make(self, what: str, kind: _Kind) -> _Found:
        answer = self._client().ask(
            "create_key",
            "make keys",
            self._alias(what, "*"),
            KeySpec=kind.spec,
            KeyUsage=kind.usage,
            Description=self._description(what),
            Tags=[
                {"TagKey": REPOSITORY_TAG, "TagValue": self._repository},
                {"TagKey": KEY_TAG, "TagValue": what},
            ],
        )
        key = str((answer.data.get("KeyMetadata") or {}).get("Arn"))
        found = self._found(self._alias(what, "*"), key, kind)
        alias = self._alias(what, found.id)
        self._client().ask("create_alias", "make keys", alias, AliasName=alias, TargetKeyId=key)
        return found

    def _found(self, alias: str, key: str, kind: _Kind) -> _Found:
        if kind is _DIGEST:
            return _Found(_hash(_short(key).encode()), b"")
        public = _bytes(self._ask("get_public_key", "make keys", alias, key=key), "PublicKey")
        return _Found(_hash(public), public)

    def _look_around(self) -> None:
        self._listing = self._listed()

    def _listed(self) -> _Listed:
        """The ids of all keys of this repository, by name."""
        found: dict[str, list[str]] = {}
        start = self._alias("", "")[:-1]
        for listed in self._pages("list_aliases", "Aliases", "list keys", f"{start}*"):
            name = str(listed.get("AliasName"))
            what, _slash, key_id = name.removeprefix(start).partition("/")
            if name.startswith(start) and _ID.fullmatch(key_id):
                found.setdefault(what, []).append(key_id)
        return found

    def _require_same(self, known: PublicKeys) -> None:
        """Raise KeyringError where KMS has not the keys that this folder says were made: it is another one."""
        wanted = [self._alias(key.use, key.id) for key in known.sign]
        wanted += [self._of(key) for key in known.wrap]
        there = {self._alias(what, key_id) for what, ids in self._listing.items() for key_id in ids}
        for alias in wanted:
            if alias not in there:
                raise KeyringError(
                    "the owner's folder names a key that this account has not in this region",
                    item=alias,
                    remedy="Name the profile and region that made it; or remove "
                    f"{self._owner.path / PUBLISHED}, if nothing is sealed",
                )

    # calls

    def _client(self) -> KmsClient:
        if self._connected is None:
            self._connected = self._make_client()
        return self._connected

    def _item(self, what: str) -> str:
        return self._alias(what, "*")

    def _alias(self, what: str, key_id: str) -> str:
        return f"alias/holdfast-{self._repository}--{what}/{key_id}"

    def _since(self, alias: str, doing: str) -> tuple[dt.datetime, str]:
        """When a key was made; of two that were made at once the alias decides."""
        at = (self._look(alias, doing) or {}).get("CreationDate")
        if not isinstance(at, dt.datetime):
            raise KeyringError("KMS does not say when this key was made", item=alias)
        return at, alias

    def _look(self, alias: str, doing: str) -> Mapping[str, t.Any] | None:
        """What KMS says of a key; None where it has none of that alias."""
        from .awskms_client import MISSING

        answer = self._ask("describe_key", doing, alias, allowed=(MISSING,))
        return (answer.data.get("KeyMetadata") or {}) if answer.ok else None

    def _pages(self, operation: str, name: str, doing: str, item: str) -> Iterator[Mapping[str, t.Any]]:
        """What a listing of the account has, page by page."""
        marker: dict[str, str] = {}
        while True:
            answer = self._client().ask(operation, doing, item, **marker)
            yield from answer.data.get(name) or ()
            if not answer.data.get("Truncated"):
                return
            marker = {"Marker": str(answer.data.get("NextMarker"))}

    def _ask(
        self,
        operation: str,
        doing: str,
        alias: str,
        *,
        key: str | None = None,
        allowed: Collection[str] = (),
        **parameters: t.Any,
    ) -> Answer:
        """Ask something of one key.

        :param key: its id or ARN, where it is not named by its alias.
        :param allowed: codes that are returned and not raised.
        """
        from .awskms_client import DISABLED, MISSING, WRONG_STATE

        answer = self._client().ask(operation, doing, alias, KeyId=key or alias, **parameters)
        if answer.ok or answer.code in allowed:
            return answer
        if answer.code == MISSING:
            raise KeyMissingError(f"cannot {doing}: KMS has no such key", item=alias, remedy=_ELSEWHERE)
        if answer.code == DISABLED:
            raise KeyMissingError(
                f"cannot {doing}: somebody has disabled the key", item=alias, remedy="EnableKey brings it back"
            )
        if answer.code == WRONG_STATE:
            raise KeyMissingError(
                f"cannot {doing}: the key is disabled, or its deletion is scheduled",
                item=alias,
                remedy="DescribeKey says which, and until when; CancelKeyDeletion and EnableKey bring it back",
            )
        raise WrongKeyError(f"cannot {doing}: {_WRONG}", item=alias)


_Listed = Mapping[str, Sequence[str]]
_ELSEWHERE = (
    "Name the account and region of this repository (profile, region); keys are made by repository state=present alone"
)


def _require_use(use: str) -> None:
    if use not in ("point", "record"):
        raise KeyringError(f"no key of a keyring signs for the use {use!r}")


def _bytes(answer: Answer, name: str) -> bytes:
    value = answer.data.get(name)
    if not isinstance(value, bytes):
        raise KeyringError("KMS gave an answer to another question", item=name)
    return value


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _named(known: Mapping[str, t.Any]) -> str:
    """The id of a key, as KMS gave it."""
    return str(known.get("KeyId"))


def _is_of(alias: str, shown: Answer) -> bool:
    """Whether a public key is the one that an alias was made for."""
    return alias.endswith(f"/{_hash(_bytes(shown, 'PublicKey'))}")


def _turned(alias: str) -> WrongKeyError:
    return WrongKeyError(
        "the alias was turned to another key", item=alias, remedy="Find out who may change aliases, and turn it back"
    )


def _short(key: t.Any) -> str:
    """The id at the end of a key's ARN."""
    return str(key).rpartition("/")[2]


def _at(value: t.Any) -> str:
    if not isinstance(value, dt.datetime):
        return f"in {PENDING_DAYS} days or later"
    return f"at {instant.to_text(instant.whole(value.astimezone(dt.timezone.utc)))}"
