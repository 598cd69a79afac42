# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root's chain: from the pinned link back by digests, and forward by the signatures of the people of each link."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence

from ..errors import FormatError, ObjectMissingError, SignatureError, TrustError
from ..format import dsse, names
from ..format import root as root_format
from ..keyring import people, sign
from ..model import quorum
from ..model.keys import ClassYearKey, SignKey
from ..model.record import Request
from ..model.root import ROOT_OPERATION, Root
from ..store.base import Listed, Store
from . import objects

_LINK_LIMIT = 4 * 1024 * 1024
# who may put root links could put any number of them
_CANDIDATES = 64
# how long people may have for a signature
LONGEST_TERM = dt.timedelta(days=90)

_Names = dict[int, dict[str, list[Listed]]]


@dataclasses.dataclass(frozen=True)
class Link:
    """One believed link: its root, its envelope as the store has it, and its id under each set of people who signed it.

    Any quorum of the people of the link before may stand in an envelope, and anybody may put together another one of
    signatures that are there: all of them are the same link, since they sign the same bytes.
    """

    root: Root
    envelope: bytes
    ids: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Chain:
    """All links that are believed, the first one first; the last one is what new objects stand under."""

    links: tuple[Link, ...]
    warnings: tuple[str, ...] = ()

    @property
    def head(self) -> Root:
        """The newest link."""
        return self.links[-1].root

    def place(self, root_id: str) -> int | None:
        """The place in the chain of the link of that id, counted from 0; None for a stranger."""
        return next((place for place, link in enumerate(self.links) if root_id in link.ids), None)

    def signer(self, root_id: str, key_id: str, use: str, at: dt.datetime) -> tuple[SignKey, Root | None] | None:
        """The key of that id which the link *root_id* lets sign for *use* at that moment; None where it has none.

        With it the first later link that no longer lets it sign, or None: what such a key signed counts only where that
        link vouches for it.
        """
        place = self.place(root_id)
        if place is None:
            return None
        key = self.links[place].root.signer(key_id, use, at)
        if key is None:
            return None
        later = (link.root for link in self.links[place + 1 :])
        return key, next((root for root in later if root.signer(key_id, use, at) is None), None)

    def wrap_key(self, retention_class: str, year: int, series: str) -> ClassYearKey | None:
        """The newest key of that name to have been wrapped under; a later link may have let it go."""
        for link in reversed(self.links):
            for key in link.root.keys.wrap:
                if (key.retention_class, key.year, key.series) == (retention_class, year, series):
                    return key
        return None


@dataclasses.dataclass(frozen=True)
class Approval:
    """What the people of a root say of a document: whether they are enough, who counts, what is missing and why."""

    reached: bool
    counted: tuple[str, ...]
    lacking: tuple[str, ...]
    refused: tuple[str, ...]


def approve(root: Root, operation: str, envelope: dsse.Envelope, request: Request, at: dt.datetime) -> Approval:
    """Judge the signatures of people under a document by the quorum that *root* has for an operation.

    :param at: when the document says it was made; the signers' keys must have been valid then.
    """
    rule = root.rule(operation)
    if rule is None:
        return Approval(False, (), (f"the root lets nobody sign for {operation}",), ())
    signers, refused = people.signers(root.people, envelope.signatures, envelope.pae, at=at)
    counted = [quorum.Counted(s.person.principal, s.person.roles, s.touched, s.verified) for s in signers]
    verdict = quorum.judge(rule, counted, requester=request.by)
    return Approval(verdict.reached, verdict.counted, verdict.lacking, refused)


def read_chain(store: Store, pin: str) -> Chain:
    """Read the chain that the pinned link is part of.

    :raises TrustError: the store does not hold the pinned link, or not all before it, or two valid links follow one.
    :raises FormatError: the pinned link is there and is not believed, or a newer collection wrote it.
    """
    listed = _listed(store)
    link = _pinned(store, listed, pin)
    links = [link]
    while links[0].root.previous is not None:
        links.insert(0, _before(store, listed, links[0].root))
    _add_spellings(store, listed, links)
    warnings: list[str] = []
    while (successor := _after(store, listed, links[-1], warnings)) is not None:
        links.append(successor)
    return Chain(tuple(links), tuple(warnings))


def first_links(store: Store) -> list[Link]:
    """All first links that the store holds and that are whole, for who has no pin yet.

    :raises FormatError: there is one, and none is believed: what is damaged must not be taken for nothing.
    """
    refused = None
    found = []
    for name, versions in _listed(store).get(1, {}).items():
        try:
            found.append(_first(*_read(store, name, versions)))
        except FormatError as e:
            refused = e
    if refused is not None and not found:
        raise refused
    return found


def _listed(store: Store) -> _Names:
    """Names of root links by their number, with all versions."""
    found: _Names = {}
    for listed in store.list("root/"):
        with contextlib.suppress(FormatError):
            if not listed.marker:
                found.setdefault(names.parse(listed.name).link, {}).setdefault(listed.name, []).append(listed)
    return found


def _candidates(listed: _Names, number: int) -> Iterator[tuple[str, list[Listed]]]:
    """What may be link *number*, what was put first coming first: nobody can push it aside by putting more."""
    found = sorted(listed.get(number, {}).items(), key=lambda item: (min(v.modified for v in item[1]), item[0]))
    yield from found[:_CANDIDATES]


def _read(store: Store, name: str, versions: Sequence[Listed]) -> tuple[Root, dsse.Envelope, bytes]:
    data = objects.read(store, name, listed=versions, limit=_LINK_LIMIT)
    root, envelope = root_format.read(data, what=name)
    if root.link != names.parse(name).link or (root.link == 1) is not (root.previous is None):
        raise FormatError("is named after another link than it is", item=name)
    if any(key.id != sign.key_id(key.public) for key in root.keys.sign):
        raise SignatureError("names a signing key by another id than its own", item=name)
    return root, envelope, data


def _first(root: Root, envelope: dsse.Envelope, data: bytes) -> Link:
    """The first link is signed by its own point key, which shows that whoever made it holds that key."""
    for signature in envelope.signatures:
        key = root.signer(signature.key_id, "point", root.created)
        if key is not None:
            with contextlib.suppress(SignatureError):
                sign.verify(key.public, envelope.pae, signature.signature, algorithm=key.algorithm)
                return Link(root, data, frozenset({root.id}))
    raise SignatureError("is signed by no point key of its own", item=names.for_root(root.link, data))


def _pinned(store: Store, listed: _Names, pin: str) -> Link:
    refused = None
    for spelled in listed.values():
        for name, versions in spelled.items():
            if names.parse(name).sha256 != pin:
                continue
            try:
                root, envelope, data = _read(store, name, versions)
            except FormatError as e:
                # it may be a copy under another number, which anybody who may put can make
                refused = e
                continue
            return _first(root, envelope, data) if root.link == 1 else Link(root, data, frozenset({root.id}))
    if refused is not None:
        raise refused
    newest = max(listed, default=0)
    raise TrustError(
        f"{store.location} holds no root link with the pinned digest"
        + (f"; the newest link there is number {newest}" if newest else ""),
        item=pin,
        remedy="Check URL and pin. A replica may be behind, or frozen: wait for it or use another. If both are right "
        "this store was exchanged: stop, and find out by whom.",
    )


def _before(store: Store, listed: _Names, root: Root) -> Link:
    name = f"root/{root.link - 1}-{root.previous}.json"
    if name not in listed.get(root.link - 1, {}):
        raise TrustError(
            f"{store.location} does not hold root link {root.link - 1}, which link {root.link} follows",
            item=name,
            remedy="Restore it from a replica: what was sealed under it cannot be believed without it.",
        )
    before, envelope, data = _read(store, name, listed[root.link - 1][name])
    problem = _misfit(before, root)
    if problem is not None:
        raise TrustError(
            f"the pinned link {root.link} does not follow link {before.link}: it {problem}",
            item=root.id,
            remedy="Pin a link of the chain that this repository has.",
        )
    return _first(before, envelope, data) if before.link == 1 else Link(before, data, frozenset({before.id}))


def _after(store: Store, listed: _Names, link: Link, warnings: list[str]) -> Link | None:
    """The one valid successor of a link, under all its ids; None at the end of the chain."""
    number = link.root.link + 1
    found: dict[str, list[tuple[Root, bytes]]] = {}
    for name, versions in _candidates(listed, number):
        try:
            root, envelope, data = _read(store, name, versions)
            require_successor(link, root, envelope, name)
        except (FormatError, ObjectMissingError) as e:
            warnings.append(f"root link {name} is not believed: {e}")
            continue
        found.setdefault(hashlib.sha256(envelope.payload).hexdigest(), []).append((root, data))
    more = len(listed.get(number, {})) - _CANDIDATES
    if more > 0:
        warnings.append(f"{more} more objects that claim to be root link {number} were not read")
    if len(found) > 1:
        raise TrustError(
            f"{len(found)} valid root links follow link {link.root.link}: the chain forks",
            item=", ".join(sorted(root.id for spelled in found.values() for root, _data in spelled)),
            remedy="Stop all jobs. People signed two successors: find out why, and pin the right one by "
            "holdfast_repository_id.",
        )
    for spelled in found.values():
        # what was put first: nobody can make it go away by another id that expires before what is sealed under it
        root, data = spelled[0]
        return Link(root, data, frozenset(each.id for each, _data in spelled))
    return None


def _add_spellings(store: Store, listed: _Names, links: list[Link]) -> None:
    """Add the ids that links have under other signatures of the same people."""
    for place in range(1, len(links)):
        link = links[place]
        # as it was signed: it may hold fields of a newer version
        payload = dsse.read(link.envelope, root_format.PAYLOAD_TYPE, what=link.root.id).payload
        for name, versions in _candidates(listed, link.root.link):
            if names.parse(name).sha256 in link.ids:
                continue
            with contextlib.suppress(FormatError, ObjectMissingError):
                root, envelope, _data = _read(store, name, versions)
                require_successor(links[place - 1], root, envelope, name)
                if envelope.payload == payload:
                    links[place] = dataclasses.replace(links[place], ids=links[place].ids | {root.id})


def require_successor(link: Link, root: Root, envelope: dsse.Envelope, name: str) -> None:
    """Raise SignatureError unless *root* follows *link* and enough of its people signed that."""
    if root.previous not in link.ids:
        raise SignatureError("follows another link than the one before it", item=name)
    problem = _misfit(link.root, root)
    if problem is not None:
        raise SignatureError(problem, item=name)
    _require_spelling(envelope, name)
    if root.request is None:
        raise SignatureError("does not say what people signed it for", item=name)
    require_term(root.request, root.created, name)
    approval = approve(link.root, ROOT_OPERATION, envelope, root.request, root.created)
    if not approval.reached:
        raise SignatureError(f"lacks {', '.join((*approval.lacking, *approval.refused))}", item=name)


def require_term(request: Request, at: dt.datetime, name: str) -> None:
    """Raise SignatureError for what people had no time for, or years: only the store tells when they really signed."""
    if at > request.expires:
        raise SignatureError("was asked for after it had expired", item=name)
    if request.expires - at > LONGEST_TERM:
        raise SignatureError(f"gave people more than {LONGEST_TERM.days} days to sign", item=name)


def _require_spelling(envelope: dsse.Envelope, name: str) -> None:
    ids = [signature.key_id for signature in envelope.signatures]
    if ids != sorted(set(ids)):
        raise SignatureError("holds its signatures in another order, or one twice", item=name)


def _misfit(before: Root, after: Root) -> str | None:
    """Why a link cannot follow another, whoever signed it; None where it can."""
    if after.link != before.link + 1:
        return "has another number than the next"
    if after.repository != before.repository:
        return "names another repository"
    if after.created < before.created:
        return "is older than the link it follows"
    for name, kept in before.classes.items():
        if after.classes.get(name) != kept:
            return f"edits or drops class {name}"
    for use in ("wrap", "escrow"):
        known = {key.id: key for key in getattr(before.keys, use)}
        for key in getattr(after.keys, use):
            if known.get(key.id, key) != key:
                return f"has another key by the name of {use} key {key.id}"
    return None
