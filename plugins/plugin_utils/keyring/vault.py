# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring in the Transit engine of HashiCorp Vault or OpenBao: private keys never leave the server.

Its keys, for a repository ``prod``; what each identity may do with them is docs/guide_vault.md::

    holdfast-prod--d0030-2026   RSA    one for each class and year: wrapped under offline, opened by the server
    holdfast-prod--point        ed25519, a version for each key that signs recovery points
    holdfast-prod--record       ed25519, a version for each key that signs records of restores
    holdfast-prod--digest       HMAC, a version for each digest key

The owner has a folder beside them: ``keyring.json``, public keys that were made, and ``escrow/``, which goes offline.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import typing as t
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ..errors import (
    FormatError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    SignatureError,
    WrongKeyError,
)
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, Signature, SignKey
from . import key_sets, oaep, sign
from .base import HMAC_SHA256, RSA_OAEP_SHA256, ClassYear, digest_info, require_identity
from .on_server import ServerKeyring
from .owners import PUBLISHED

if t.TYPE_CHECKING:
    from .vault_client import Answer, VaultClient

WRAP_TYPE, SIGN_TYPE, DIGEST_TYPE = "rsa-3072", "ed25519", "hmac"
# a server takes 10,000 items with a call, but opening one takes it some milliseconds, and an answer must come in time
MOST_ITEMS = 250
# it refuses to sign more
MOST_SIGNED = 768 * 1024

_SECRET_BYTES = 32
_SIGNATURE_BYTES = 64
_DIGEST_ID = re.compile(r"[0-9a-f]{16}")
_CIPHERTEXT = re.compile(r"vault:v([0-9]{1,9}):([A-Za-z0-9+/]+=*)")
# whoever could take a private key away, or brought it, has it
_COPYABLE = ("exportable", "allow_plaintext_backup", "imported_key", "derived")


class VaultKeyring(ServerKeyring):
    """A keyring of one repository in Vault; as :class:`ServerKeyring`.

    :param client: makes the client, at the first call.
    :param mount: where Transit is mounted.
    """

    SERVER = "Vault"
    NAMES = re.compile(r".*", re.DOTALL)
    NAMES_REMEDY = "Use no two hyphens in a row, and none at the end"

    opens_together = True

    def __init__(
        self, client: Callable[[], VaultClient], *, repository: str, mount: str, path: Path | None = None
    ) -> None:
        super().__init__(repository, path)
        self._make_client = client
        self._connected: VaultClient | None = None
        self._mount = mount
        self._known_versions: dict[str, Mapping[int, str]] = {}

    def __repr__(self) -> str:
        return f"VaultKeyring({self._repository!r}, {self._mount!r})"

    def signer(self, *, use: str, among: Collection[str]) -> str:
        ids = [sign.key_id(public) for _version, public in self._signing(use)]
        fitting = [key_id for key_id in ids if key_id in among]
        if not fitting:
            raise WrongKeyError(
                f"the keyring has no {use} key that the root lets sign now",
                item=self._name(use),
                remedy="Name the Vault and mount of this repository (url, engine_mount_point). Compare the clocks too",
            )
        return fitting[-1]

    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        versions = {sign.key_id(public): (version, public) for version, public in self._signing(use)}
        name = self._name(use)
        if key_id not in versions:
            raise KeyMissingError(f"Vault has no {use} key of that id", item=f"{name} {key_id[:16]!r}")
        if len(pae) > MOST_SIGNED:
            raise KeyringError(
                f"Vault signs no more than {MOST_SIGNED} bytes, and this has {len(pae)}",
                item=name,
                remedy="Name fewer classes and people in the root, or take a local keyring",
            )
        version, public = versions[key_id]
        answer = self._post(f"sign/{name}", {"input": _b64(pae), "key_version": version}, f"sign as {use}")
        signature = _value(answer.data.get("signature"), version)
        try:
            sign.verify(public, pae, signature if signature and len(signature) == _SIGNATURE_BYTES else b"")
        except SignatureError as e:
            raise KeyringError("what Vault gave is no signature by its key", item=name) from e
        return Signature(key_id, t.cast(bytes, signature))

    def _digest(self, key_id: str) -> bytes:
        version = int(key_id, 16) if _DIGEST_ID.fullmatch(key_id) else 0
        # more is no version of Vault's
        if not 0 < version < 2**31:
            raise KeyMissingError("this is not the id of a digest key in Vault", item=repr(key_id[:64]))
        answer = self._post(
            f"hmac/{self._name('digest')}/sha2-256",
            {"input": _b64(digest_info(self._repository)), "key_version": version},
            "key digests",
        )
        secret = _value(answer.data.get("hmac"), version)
        if secret is None or len(secret) != _SECRET_BYTES:
            raise KeyringError("what Vault gave is no HMAC", item=self._name("digest"))
        return secret

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        (found,) = self.unwrap_all(key, [wrapped])
        if isinstance(found, HoldfastError):
            raise found
        return found

    def unwrap_all(self, key: ClassYearKey, wrapped: Sequence[bytes]) -> list[str | HoldfastError]:
        """See :meth:`Keyring.unwrap_all`; at most :data:`MOST_ITEMS` go with a call."""
        self._require_class_year(key)
        version = self._wrap_version(key)
        size = oaep.wrapped_bytes(key.public)
        # of a call that has one of megabytes with it the server refuses the whole
        fitting = [one for one in wrapped if len(one) == size]
        opened: list[str | HoldfastError] = []
        for start in range(0, len(fitting), MOST_ITEMS):
            opened += self._unwrap_some(key, version, fitting[start : start + MOST_ITEMS])
        answers = iter(opened)
        return [next(answers) if len(one) == size else _wrong(key) for one in wrapped]

    def _unwrap_some(self, key: ClassYearKey, version: int, wrapped: Sequence[bytes]) -> list[str | HoldfastError]:
        items = [{"ciphertext": f"vault:v{version}:{_b64(one)}"} for one in wrapped]
        # without the last an item that fails makes an error of the whole, which carries what did not fail
        body = {"batch_input": items, "partial_failure_response_code": 200}
        answer = self._client().ask("post", f"{self._mount}/decrypt/{self._name(key.id)}", body, doing=_opening(key))
        results = answer.data.get("batch_results")
        if not isinstance(results, list):
            raise self._failed(answer, self._name(key.id), _opening(key))
        if len(results) != len(wrapped) or not all(isinstance(result, Mapping) for result in results):
            raise KeyringError("Vault gave an answer to another question", item=self._name(key.id))
        return [_identity(key, result) for result in results]

    def _wrap_version(self, key: ClassYearKey) -> int:
        """Which version of its key in Vault a root's key is."""
        name = self._name(key.id)
        if name not in self._known_versions:
            self._known_versions[name] = _wrap_versions(self._read(name, _opening(key)))
        for version, public in self._known_versions[name].items():
            if public == key.public:
                return version
        raise WrongKeyError(
            "the key of that name in Vault is another one, or its version was retired (min_decryption_version)",
            item=key.id,
            remedy="Name the Vault and mount of this repository; what is retired opens when the number is lowered",
        )

    def destroy(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.destroy`. No policy of a repository's gives this right: a quorum makes a token for it."""
        if not self.holds(key):
            return False
        name, doing = self._name(key.id), f"destroy {key.id}"
        # only what is shown can be told from another key
        self._wrap_version(key)
        self._known_versions.pop(name, None)
        self._post(f"keys/{name}/config", {"deletion_allowed": True}, doing)
        answer = self._client().ask("delete", f"{self._mount}/keys/{name}", doing=doing)
        # of a call whose answer was lost the next one finds nothing
        if not answer.ok and self._look(name) is not None:
            raise self._failed(answer, name, doing)
        return True

    def holds(self, key: ClassYearKey) -> bool:
        """See :meth:`Keyring.holds`. A version that was retired is there: it opens when the number is lowered."""
        self._require_class_year(key)
        data = self._look(self._name(key.id))
        if data is None:
            return False
        least = data.get("min_decryption_version")
        # those below it are not shown, and are there
        if key.public in _wrap_versions(data).values() or (isinstance(least, int) and least > 1):
            return True
        raise WrongKeyError(
            "the key of that name in Vault is another one",
            item=key.id,
            remedy="Name the Vault and mount of this repository",
        )

    def give_up(self) -> bool:
        """See :meth:`Keyring.give_up`: what ``generate-root`` made is revoked, a token of any policy is left alone."""
        client = self._client()
        looked = client.ask("get", "auth/token/lookup-self", doing="look up its token")
        policies = looked.data.get("policies")
        if not looked.ok or not isinstance(policies, list) or "root" not in policies:
            return False
        return client.ask("post", "auth/token/revoke-self", {}, doing="revoke its token").ok

    def _signing(self, use: str) -> list[tuple[int, bytes]]:
        """Versions and public keys that sign for a use, oldest first."""
        if use not in ("point", "record"):
            raise KeyringError(f"no key of a keyring signs for the use {use!r}")
        name = self._name(use)
        if name not in self._known_versions:
            self._known_versions[name] = _publics(self._read(name, f"show the {use} key"))
        return [(version, _raw(public, name)) for version, public in sorted(self._known_versions[name].items())]

    # what the owner alone does

    def _sign_key(self, use: str, now: dt.datetime, spent: Collection[str], *, fresh: bool = False) -> SignKey:
        name = self._name(use)
        public = _newest(self._make(name, SIGN_TYPE), name)
        # the newest alone can be one that no root has named: those after it would sign in its place
        if fresh or sign.key_id(public) in spent:
            public = _newest(self._rotate(name), name)
        return SignKey(sign.key_id(public), use, sign.ALGORITHM, public, now, now + key_sets.SIGN_VALIDITY)

    def _digest_key(self, spent: Collection[str], *, fresh: bool = False) -> DigestKey:
        name = self._name("digest")
        latest = _latest(self._make(name, DIGEST_TYPE, key_size=_SECRET_BYTES), name)
        if fresh:
            latest = _latest(self._rotate(name), name)
        # of a Vault that was set up anew the first versions are not those that have these ids
        while _digest_id(latest) in spent:
            latest = _latest(self._rotate(name), name)
        return DigestKey(_digest_id(latest), HMAC_SHA256)

    def _wrap_keys(self, wanted: Sequence[ClassYear], *, fresh: bool = False) -> tuple[ClassYearKey, ...]:
        keys = []
        for retention_class, year, series in wanted:
            name = self._name(f"{retention_class}-{year}{series}")
            before = self._look(name) if fresh else None
            data = self._make(name, WRAP_TYPE) if before is None else self._rotate(name)
            public = _wrap_versions(data).get(_latest(data, name))
            if public is None:
                raise _odd(name)
            keys.append(ClassYearKey(retention_class, year, RSA_OAEP_SHA256, public, series))
        return tuple(keys)

    def _require_same(self, known: PublicKeys) -> None:
        """Raise KeyringError where Vault has not the keys that this folder says were made: it is another one."""
        for use in dict.fromkeys(key.use for key in known.sign):
            publics = [public for _version, public in self._signing(use)]
            if any(key.public not in publics for key in known.sign if key.use == use):
                raise self._another(self._name(use))
        for key in known.wrap:
            data = self._look(self._name(key.id))
            if data is None or key.public not in _wrap_versions(data).values():
                raise self._another(self._name(key.id))

    def _another(self, name: str) -> KeyringError:
        return KeyringError(
            "the owner's folder names a key that this Vault does not have",
            item=name,
            remedy=f"Name the Vault that made it; or remove {self._owner.path / PUBLISHED}, if nothing is sealed",
        )

    def _make(self, name: str, kind: str, **more: t.Any) -> Mapping[str, t.Any]:
        """Make a key unless it is there, and return what Vault says of it; raises KeyringError where it is unfit."""
        data = self._look(name)
        if data is None:
            self._post(f"keys/{name}", {"type": kind, **more}, "make keys")
            data = self._read(name, "make keys")
        if data.get("type") != kind or any(data.get(trait) for trait in _COPYABLE):
            raise KeyringError(
                f"this key in Vault was not made here: it is not of type {kind}, or can be copied out of it",
                item=name,
                remedy="Find out who made it, and use another mount",
            )
        return data

    def _rotate(self, name: str) -> Mapping[str, t.Any]:
        self._known_versions.pop(name, None)
        self._post(f"keys/{name}/rotate", {}, "make keys")
        return self._read(name, "make keys")

    # calls

    def _client(self) -> VaultClient:
        if self._connected is None:
            self._connected = self._make_client()
        return self._connected

    def _item(self, what: str) -> str:
        return self._name(what)

    def _name(self, what: str) -> str:
        return f"holdfast-{self._repository}--{what}"

    def _look(self, name: str) -> Mapping[str, t.Any] | None:
        """What Vault says of a key; None where it has none of that name."""
        answer = self._client().ask("get", f"{self._mount}/keys/{name}", doing="show keys")
        if answer.status == 404 and "no handler" not in answer.told:
            return None
        if not answer.ok:
            raise self._failed(answer, name, "show keys")
        return answer.data

    def _read(self, name: str, doing: str) -> Mapping[str, t.Any]:
        answer = self._client().ask("get", f"{self._mount}/keys/{name}", doing=doing)
        if not answer.ok:
            raise self._failed(answer, name, doing)
        return answer.data

    def _post(self, path: str, body: Mapping[str, t.Any], doing: str) -> Answer:
        answer = self._client().ask("post", f"{self._mount}/{path}", body, doing=doing)
        if not answer.ok:
            raise self._failed(answer, path.split("/")[1], doing)
        return answer

    def _failed(self, answer: Answer, name: str, doing: str) -> KeyringError:
        where = f"{self._client().location} {self._mount}"
        if "no handler" in answer.told or "unsupported path" in answer.told:
            return KeyringError(
                f"cannot {doing}: no Transit engine is mounted at {self._mount}",
                item=where,
                remedy="Set engine_mount_point to where vault secrets list shows transit",
            )
        if answer.status == 404 or "key not found" in answer.told:
            return KeyMissingError(
                f"cannot {doing}: Vault has no such key",
                item=name,
                remedy="Name the Vault and mount of this repository; keys are made by repository state=present alone",
            )
        if "version" in answer.told:
            return KeyMissingError(
                f"cannot {doing}: Vault has not that version of the key, or it was retired",
                item=name,
                remedy="Lower its min_decryption_version or min_encryption_version again, or name the right Vault",
            )
        return KeyringError(
            f"cannot {doing}: Vault does not take the call ({answer.status})",
            item=name,
            remedy="Look into its audit log; of the servers docs/guide_vault.md says which are known",
        )


def _identity(key: ClassYearKey, result: Mapping[str, t.Any]) -> str | HoldfastError:
    """What was wrapped, of one item of a batch, or why it is nothing."""
    told, plaintext = result.get("error"), result.get("plaintext")
    if told:
        if "version" in str(told):
            return KeyMissingError(
                "the version of the key in Vault was retired",
                item=key.id,
                remedy="Lower its min_decryption_version again",
            )
        return _wrong(key)
    data = _unb64(plaintext)
    if data is None:
        return KeyringError("Vault gave an answer to another question", item=key.id)
    try:
        return require_identity(key, data.decode("utf-8", "replace"))
    except FormatError as e:
        return e


def _wrong(key: ClassYearKey) -> WrongKeyError:
    return WrongKeyError("this was wrapped under another key, or is damaged", item=key.id)


def _opening(key: ClassYearKey) -> str:
    return f"open what was wrapped under {key.id}"


def _digest_id(version: int) -> str:
    return f"{version:016x}"


def _publics(data: Mapping[str, t.Any]) -> dict[int, str]:
    """Public keys by version, as Vault writes them."""
    versions = data.get("keys")
    found = {}
    for version, told in versions.items() if isinstance(versions, Mapping) else ():
        public = told.get("public_key") if isinstance(told, Mapping) else None
        if str(version).isdecimal() and isinstance(public, str):
            found[int(version)] = public
    return dict(sorted(found.items()))


def _wrap_versions(data: Mapping[str, t.Any]) -> dict[int, str]:
    """Public keys to wrap under, by version."""
    return {version: oaep.public_of_pem(public) for version, public in _publics(data).items()}


def _latest(data: Mapping[str, t.Any], name: str) -> int:
    latest = data.get("latest_version")
    if not isinstance(latest, int) or isinstance(latest, bool) or not 0 < latest < 2**31:
        raise _odd(name)
    return latest


def _newest(data: Mapping[str, t.Any], name: str) -> bytes:
    public = _publics(data).get(_latest(data, name))
    if public is None:
        raise _odd(name)
    return _raw(public, name)


def _raw(public: str, name: str) -> bytes:
    raw = _unb64(public)
    if raw is None or len(raw) != 32:
        raise _odd(name)
    return raw


def _odd(name: str) -> KeyringError:
    return KeyringError(
        "what Vault says of this key is not what it says of one of its type",
        item=name,
        remedy="Find out who made it; of the servers docs/guide_vault.md says which are known",
    )


def _value(text: t.Any, version: int) -> bytes | None:
    """The bytes of a signature or an HMAC by that version; None where it is none."""
    found = _CIPHERTEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None or int(found[1]) != version:
        return None
    return _unb64(found[2])


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: t.Any) -> bytes | None:
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
