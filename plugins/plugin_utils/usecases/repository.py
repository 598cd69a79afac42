# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a repository, and open one whose root the inventory pins."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence

from ..errors import PolicyError, SignatureError, TrustError
from ..format import dsse, names
from ..format import root as root_format
from ..keyring import sign
from ..keyring.base import Keyring
from ..model import instant
from ..model.retention import RetentionClass
from ..model.root import Person, Quorum, Root
from ..store.base import Store
from . import objects
from .chain import Chain, first_links, read_chain

# this year and ten ahead
KEY_YEARS = 11
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PIN = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Repository:
    """A store together with the chain of roots that is trusted for it."""

    store: Store
    chain: Chain

    @property
    def root(self) -> Root:
        """The newest link of the chain."""
        return self.chain.head

    @property
    def link(self) -> bytes:
        """The envelope of the newest link, as the store has it."""
        return self.chain.links[-1].envelope

    @property
    def name(self) -> str:
        """The repository's name, as its root has it."""
        return self.root.repository


def create(
    store: Store,
    keyring: Keyring,
    *,
    name: str,
    classes: Mapping[str, RetentionClass],
    people: Sequence[Person] = (),
    quorum: Sequence[Quorum] = (),
    check: bool = False,
) -> tuple[Root | None, bool]:
    """Make the first root link of a repository and the keys it names, unless it is there already.

    Interrupted and run again it completes what it began; keys that exist are kept.

    :param people: who signs later links and records. A root that names none has no successor.
    :param check: find out only; neither keys nor objects are made.
    :returns: the root, None where check mode would have made it, and whether it was made.
    :raises PolicyError: *name* cannot be a repository's, or the inventory edits a class of an existing root.
    :raises TrustError: the store holds another repository.
    """
    if not _NAME.fullmatch(name):
        raise PolicyError(
            f"{name!r} is not a repository name",
            item="holdfast_repository.name",
            remedy="Use small letters, digits, dots, dashes and underscores, 63 at most.",
        )
    existing = first_root(store)
    if existing is not None:
        _same_name(existing, name, store)
        for kept in classes.values():
            existing.retention(kept)
        return existing, False
    if check:
        return None, True
    store.probe()
    if any(kept.mode == "governance" for kept in classes.values()):
        store.prove_governance()
    now = instant.whole(store.clock())
    # an hour's air, so that a store whose clock steps back does not refuse the first points
    valid_from = now - dt.timedelta(hours=1)
    keys = keyring.create(
        repository=name, classes=sorted(classes), first_year=now.year, years=KEY_YEARS, now=valid_from
    )
    draft = Root(
        id="",
        repository=name,
        link=1,
        previous=None,
        created=now,
        classes=dict(classes),
        keys=keys,
        people=tuple(people),
        quorum=tuple(quorum),
    )
    return _put_first_root(store, keyring, draft), True


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
    chain = read_chain(store, pin)
    if name is not None:
        _same_name(chain.head, name, store)
    return Repository(store, chain)


@dataclasses.dataclass(frozen=True)
class Signed:
    """By which key something is signed. ``removed`` is the first later link that no longer lets that key sign."""

    key_id: str
    removed: Root | None


def verify_signature(
    chain: Chain, root_id: str, envelope: dsse.Envelope, *, use: str, at: dt.datetime, what: str
) -> Signed:
    """Return by which key of the link *root_id* an envelope is signed; raises SignatureError if by none.

    :param use: ``point`` or ``record``; a key signs for one of them only.
    :param at: when it says it was signed; the key must have been valid then.
    """
    for signature in envelope.signatures:
        known = chain.signer(root_id, signature.key_id, use, at)
        if known is not None:
            key, removed = known
            with contextlib.suppress(SignatureError):
                sign.verify(key.public, envelope.pae, signature.signature, algorithm=key.algorithm)
                return Signed(key.id, removed)
    raise SignatureError(
        f"is signed by no {use} key of the root",
        item=what,
        remedy="It counts as not there. Find out who can put objects into this store.",
    )


def sign_envelope(keyring: Keyring, payload_type: str, payload: bytes, *, use: str, by: str) -> bytes:
    """Sign a payload and spell its envelope.

    :param by: the key, as :meth:`Keyring.signer` named it.
    """
    signature = keyring.sign(dsse.pae(payload_type, payload), use=use, key_id=by)
    return dsse.write(dsse.Envelope(payload_type, payload, (signature,)))


def _put_first_root(store: Store, keyring: Keyring, draft: Root) -> Root:
    payload = root_format.payload(draft)
    by = keyring.signer(use="point", among=draft.signing("point", draft.created))
    data = sign_envelope(keyring, root_format.PAYLOAD_TYPE, payload, use="point", by=by)
    ref = objects.put(store, names.for_root(1, data), data, lock_until=link_lock(draft))
    return read_chain(store, names.parse(ref.name).sha256).head


def link_lock(root: Root) -> dt.datetime:
    """Until when a root link is locked: longer than anything that can be sealed under its keys."""
    return root.created + dt.timedelta(days=366 * KEY_YEARS + root.longest_days)


def first_root(store: Store) -> Root | None:
    """The first link of the repository that the store holds, for who has no pin yet; None where it holds none.

    :raises TrustError: it holds several.
    :raises FormatError: there is one, and it is not believed.
    """
    roots = [link.root for link in first_links(store)]
    if len(roots) > 1:
        raise TrustError(
            f"{store.location} holds {len(roots)} first root links",
            item=", ".join(root.id for root in roots),
            remedy="Pin the right one by holdfast_repository_id: take it from the inventory's history.",
        )
    return roots[0] if roots else None


def _same_name(root: Root, name: str, store: Store) -> None:
    if root.repository != name:
        raise TrustError(
            f"{store.location} holds repository {root.repository}, the inventory says {name}",
            item="holdfast_repository.name",
            remedy="Correct the name or the URL; a repository is never renamed.",
        )
