# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Try what the identity at hand may do in store and keyring, and hold it against the matrix of duties.

Nothing is put and nothing removed: a put is begun and given up, what is removed is not there. What is signed is of no
type that anybody reads, and what is opened was wrapped here a moment before.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping

from ..duties import matrix
from ..errors import FormatError, KeyMissingError, KeyringError, SignatureError, WrongKeyError
from ..format import dsse
from ..keyring import base, sign
from ..keyring.base import Keyring
from ..model.checkup import ERROR, OK, WARNING, Check, Duties
from ..model.root import Root
from ..seal import age
from ..store.base import Store
from .repository import Repository

_OTHER = "Look whether it is the keyring of this repository: docs/guide_keys.md."
# of no document of the format, so that what is signed means nothing elsewhere
_PAYLOAD_TYPE = "application/vnd.holdfast.doctor"


def duties() -> Duties:
    """The matrix of duties, of the operations that can be tried."""
    operations = [one for one in matrix.load().operations if one.right == "put" or one.name in _KEYRING]
    return Duties(
        {who: frozenset(one.name for one in operations if who in one.allowed) for who in matrix.IDENTITIES},
        {one.name: one.does for one in operations},
    )


def puts(store: Store) -> dict[str, bool]:
    """Whether this identity may put what each operation of the matrix puts; none where that cannot be tried."""
    tried = {}
    for operation in matrix.load().operations:
        if operation.right == "put":
            answers = [store.may_put(_unused(pattern)) for pattern in operation.names]
            if None not in answers:
                tried[operation.name] = all(answers)
    return tried


def deletes(store: Store, *, folder: bool) -> list[Check]:
    """Whether this identity may remove versions, which nobody's duty is.

    :param folder: the store is one, whose medium refuses nothing to who may write there.
    """
    may = store.may_delete(_unused("packs/*/*/*/*"))
    if may is None:
        return []
    if not may:
        return [Check("rights.delete", OK, "this identity may not remove versions")]
    if folder:
        told = "this user can remove files of the repository: a folder refuses it to nobody who may write there"
        return [Check("rights.delete", WARNING, told, "Use a bucket with object lock: docs/guide_storage_choice.md.")]
    told = "this identity can delete versions: what is not locked, or in mode governance, is not safe from it"
    return [Check("rights.delete", ERROR, told, "Take its rights to delete away: docs/guide_duties.md.")]


def _unused(pattern: str) -> str:
    """A name of that pattern that nothing has."""
    return pattern.replace("*", f"doctor-{secrets.token_hex(8)}")


def keyring(repository: Repository, ring: Keyring, *, now: dt.datetime) -> tuple[dict[str, bool], list[Check]]:
    """Whether this identity may do what each operation does with the keyring, and what is wrong with it.

    A right that is not there is no fault of the keyring; one that is there and does not work is.

    :raises TransientError: the server of the keyring does not answer.
    """
    tried: dict[str, bool] = {}
    checks = []
    why: KeyMissingError | None = None
    for name, attempt in _KEYRING.items():
        try:
            attempt(repository.root, ring, now)
            tried[name] = True
        except KeyMissingError as e:
            tried[name] = False
            why = why or e
        except (KeyringError, FormatError) as e:
            tried[name] = False
            checks.append(
                Check("keyring", ERROR, f"{e.message} ({e.item})" if e.item else e.message, e.remedy or _OTHER)
            )
    if why is not None and not any(tried.values()) and not checks:
        told = f"it does nothing for this identity: {why.message} ({why.item})"
        checks.append(Check("keyring", WARNING, told, why.remedy or _OTHER))
    works = [name for name, done in tried.items() if done]
    if works and not checks:
        spoken = duties().does
        checks.append(Check("keyring", OK, f"tried, and works: {', '.join(spoken[name] for name in works)}"))
    return tried, list({check.what: check for check in checks}.values())


def _signs(use: str) -> Callable[[Root, Keyring, dt.datetime], None]:
    def attempt(root: Root, ring: Keyring, now: dt.datetime) -> None:
        key_id = ring.signer(use=use, among=root.signing(use, now))
        pae = dsse.pae(_PAYLOAD_TYPE, secrets.token_bytes(32))
        made = ring.sign(pae, use=use, key_id=key_id)
        key = root.signer(key_id, use, now)
        if key is None:
            raise WrongKeyError("the keyring signs by a key that the root does not name", item=key_id, remedy=_OTHER)
        try:
            sign.verify(key.public, pae, made.signature, algorithm=key.algorithm)
        except SignatureError as e:
            told = f"what it signed for the use {use} is not by the key that the root names"
            raise WrongKeyError(told, item=key_id, remedy=_OTHER) from e

    return attempt


def _digests(root: Root, ring: Keyring, _now: dt.datetime) -> None:
    ring.digest_key(root.keys.digest[-1], repository=root.repository)


def _opens(root: Root, ring: Keyring, now: dt.datetime) -> None:
    missing: KeyMissingError | None = None
    # that of one class may be destroyed
    for name in sorted(root.classes):
        key = root.wrap_key(name, now.year)
        secret, _recipient = age.generate()
        try:
            opened = ring.unwrap(key, base.wrap(key, secret))
        except KeyMissingError as e:
            missing = missing or e
            continue
        if opened != secret:
            raise WrongKeyError("what the keyring opens is not what was wrapped", item=key.id, remedy=_OTHER)
        return
    if missing is not None:
        raise missing


_KEYRING: Mapping[str, Callable[[Root, Keyring, dt.datetime], None]] = {
    "digest": _digests,
    "sign_point": _signs("point"),
    "sign_record": _signs("record"),
    "unwrap": _opens,
}
