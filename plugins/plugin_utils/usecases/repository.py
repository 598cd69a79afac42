# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a repository, and open one whose root the inventory pins."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Iterator, Mapping

from ..errors import FormatError, PolicyError, SignatureError, TrustError
from ..format import dsse, names
from ..format import root as root_format
from ..keyring import sign
from ..keyring.base import Keyring
from ..model.keys import PublicKeys
from ..model.policy import RetentionClass
from ..model.root import Root
from ..store.base import Store
from . import objects

# this year and ten ahead
KEY_YEARS = 11
_LINK_LIMIT = 4 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PIN = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Repository:
    """A store together with the root that is trusted for it; ``link`` is that root's envelope as the store has it."""

    store: Store
    root: Root
    link: bytes

    @property
    def name(self) -> str:
        """The repository's name, as its root has it."""
        return self.root.repository


@dataclasses.dataclass(frozen=True)
class Created:
    """What :func:`create` found or made. ``root`` is None where check mode would have made it."""

    root: Root | None
    made: bool


def create(
    store: Store,
    keyring: Keyring,
    *,
    name: str,
    classes: Mapping[str, RetentionClass],
    pin: str | None = None,
    check: bool = False,
) -> Created:
    """Make the first root link of a repository and the keys it names, unless it is there already.

    Interrupted and run again it completes what it began; keys that exist are kept.

    :param pin: ``holdfast_repository_id``, where the inventory has one already.
    :param check: find out only; neither keys nor objects are made.
    :raises PolicyError: *name* cannot be a repository's, or the inventory edits a class of an existing root.
    :raises TrustError: the store holds another repository, or none although the inventory pins one.
    """
    if not _NAME.fullmatch(name):
        raise PolicyError(
            f"{name!r} is not a repository name",
            item="holdfast_repository.name",
            remedy="Use small letters, digits, dots, dashes and underscores, 63 at most.",
        )
    existing = _first_root(store, pin)
    if existing is not None:
        _same_name(existing, name, store)
        for kept in classes.values():
            existing.retention(kept)
        return Created(existing, made=False)
    if pin is not None:
        raise TrustError(
            f"{store.location} does not hold the root that the inventory pins",
            item=pin,
            remedy="Check the URL; for a new repository remove holdfast_repository_id.",
        )
    if check:
        return Created(None, made=True)
    store.probe()
    now = store.clock()
    # an hour's air, so that a store whose clock steps back does not refuse the first points
    valid_from = now - dt.timedelta(hours=1)
    keys = keyring.create(
        repository=name, classes=sorted(classes), first_year=now.year, years=KEY_YEARS, now=valid_from
    )
    return Created(_put_first_root(store, keyring, name, classes, keys, now), made=True)


def open_repository(store: Store, *, pin: str | None, name: str | None = None) -> Repository:
    """Open the repository whose root link has the SHA-256 *pin*.

    :param name: what the inventory calls it, where it does.
    :raises PolicyError: there is no pin, or it is none.
    :raises TrustError: the store holds no such link, or a repository of another name.
    :raises FormatError: the link is there and is not believed, or a newer collection wrote it.
    """
    if pin is None:
        raise PolicyError(
            "holdfast_repository_id is not set, so no repository can be trusted",
            item="holdfast_repository_id",
            remedy="Run holdfast.config.repository with state=present and paste the line it prints into the inventory.",
        )
    if not _PIN.fullmatch(pin):
        raise PolicyError(
            "holdfast_repository_id is not a SHA-256 in small hex digits",
            item="holdfast_repository_id",
            remedy="Paste the line that holdfast.config.repository printed.",
        )
    for root, link in _roots(store, pin):
        if root.id == pin:
            if name is not None:
                _same_name(root, name, store)
            return Repository(store, root, link)
    raise TrustError(
        f"{store.location} holds no root link with the pinned digest",
        item=pin,
        remedy="Check URL and pin. If both are right this store was exchanged: stop, and find out by whom.",
    )


def verify_signature(root: Root, envelope: dsse.Envelope, *, use: str, at: dt.datetime, what: str) -> str:
    """Return the id of the key of *root* that signed *envelope*; raises SignatureError if none did.

    :param use: ``point`` or ``record``; a key signs for one of them only.
    :param at: when it says it was signed; the key must have been valid then.
    """
    for signature in envelope.signatures:
        key = root.signer(signature.key_id, use, at)
        if key is not None:
            with contextlib.suppress(SignatureError):
                sign.verify(key.public, envelope.pae, signature.signature)
                return key.id
    raise SignatureError(
        f"is signed by no {use} key of the root",
        item=what,
        remedy="It counts as not there. Find out who can put objects into this store.",
    )


def sign_envelope(keyring: Keyring, payload_type: str, payload: bytes, *, use: str) -> bytes:
    """Sign a payload and spell its envelope."""
    signature = keyring.sign(dsse.pae(payload_type, payload), use=use)
    return dsse.write(dsse.Envelope(payload_type, payload, (signature,)))


def _put_first_root(
    store: Store,
    keyring: Keyring,
    name: str,
    classes: Mapping[str, RetentionClass],
    keys: PublicKeys,
    now: dt.datetime,
) -> Root:
    draft = Root(id="", repository=name, link=1, previous=None, created=now, classes=dict(classes), keys=keys)
    data = sign_envelope(keyring, root_format.PAYLOAD_TYPE, root_format.payload(draft), use="point")
    lock_until = now + dt.timedelta(days=366 * KEY_YEARS + draft.longest_days)
    ref = objects.put(store, names.for_root(1, data), data, lock_until=lock_until)
    root, envelope = root_format.read(objects.read(store, ref.name), what=ref.name)
    verify_signature(root, envelope, use="point", at=root.created, what=ref.name)
    return root


def _first_root(store: Store, pin: str | None) -> Root | None:
    roots = [root for root, _link in _roots(store, pin)]
    if len(roots) > 1:
        raise TrustError(
            f"{store.location} holds {len(roots)} first root links",
            item=", ".join(root.id for root in roots),
            remedy="Pin the right one by holdfast_repository_id: take it from the inventory's history.",
        )
    return roots[0] if roots else None


def _roots(store: Store, pin: str | None) -> Iterator[tuple[Root, bytes]]:
    refused = None
    found = False
    # first links alone: a root of this version names no people, so it has no valid successor (format.md section 3)
    prefix = "root/1-" if pin is None else f"root/1-{pin}.json"
    for name in sorted({listed.name for listed in store.list(prefix) if not listed.marker}):
        try:
            link = objects.read(store, name, limit=_LINK_LIMIT)
            root, envelope = root_format.read(link, what=name)
            verify_signature(root, envelope, use="point", at=root.created, what=name)
            if any(key.id != sign.key_id(key.public) for key in root.keys.sign):
                raise SignatureError("names a signing key by another id than its own", item=name)
        except FormatError as e:
            refused = e if pin is None or name == f"root/1-{pin}.json" else refused
            continue
        if root.link == 1 and root.previous is None:
            found = True
            yield root, link
    # what is there and damaged, or of a later version, must not be taken for nothing
    if refused is not None and (pin is not None or not found):
        raise refused


def _same_name(root: Root, name: str, store: Store) -> None:
    if root.repository != name:
        raise TrustError(
            f"{store.location} holds repository {root.repository}, the inventory says {name}",
            item="holdfast_repository.name",
            remedy="Correct the name or the URL; a repository is never renamed.",
        )
