# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a repository, and let its root be followed by another link: asked for, signed by people, then put."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import PolicyError, TrustError
from ..format import dsse, names
from ..format import root as root_format
from ..keyring import people as people_keys
from ..keyring.base import ClassYear, Keyring, Renewal
from ..model import instant
from ..model import quorum as quorums
from ..model.keys import ClassYearKey, PublicKeys
from ..model.record import DESTRUCTION, ESCROW_DESTROYED, Request
from ..model.retention import RetentionClass
from ..model.root import ANY_KEY, ROOT_OPERATION, Person, Quorum, Root
from ..store.base import Store
from . import approvals, objects, points, records
from .approvals import Pending
from .chain import Approval, require_successor
from .repository import KEY_YEARS, Repository, create, link_lock, open_repository

ROTATED = ("point", "record", "digest", "wrap", "escrow")
_FIRST_SERIES = "b"
_KEYS = ("sign", "wrap", "escrow", "digest")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a root should say. None leaves people or quorum as the newest root has them.

    ``rotate`` names uses of which a new key is made; ``remove`` ids of signing and digest keys that must not count any
    longer, beyond what the root knows now.
    """

    classes: Mapping[str, RetentionClass]
    people: tuple[Person, ...] | None = None
    quorum: tuple[Quorum, ...] | None = None
    rotate: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Asking:
    """Who asks people to sign a new link, why, under which ticket, and for how long they may."""

    by: str = ""
    reason: str = ""
    ticket: str = ""
    lasts: dt.timedelta = dt.timedelta(days=7)

    def request(self, now: dt.datetime) -> Request:
        """What people are asked; raises PolicyError where somebody would not know what for."""
        if not self.by or not self.reason:
            raise PolicyError(
                "people are not told who asks them to sign, or why",
                item="requester and reason",
                remedy="Give both: they stand in what is signed.",
            )
        expires = instant.whole(now + self.lasts)
        return Request(self.by, self.reason, self.ticket, expires, secrets.token_hex(16))

    def agrees(self, request: Request) -> bool:
        """Whether a request says nothing else; what is not given here agrees with anything."""
        given = ((self.by, request.by), (self.reason, request.reason), (self.ticket, request.ticket))
        return all(mine in ("", theirs) for mine, theirs in given)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a root.

    ``state``: ``made`` (the first link), ``unchanged``, ``asked`` (a request was made), ``waiting`` (people have still
    to sign it) or ``followed`` (the next link was put). ``root`` is the newest link, None where check mode made none.
    ``before`` and ``after`` describe the newest link and what it should become.
    """

    state: str
    root: Root | None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    pending: Pending | None = None
    approval: Approval | None = None

    @property
    def changed(self) -> bool:
        """Whether something was made."""
        return self.state in ("made", "asked", "followed")


def present(
    store: Store,
    keyring: Keyring,
    *,
    name: str,
    wanted: Wanted,
    pin: str | None,
    asking: Asking,
    check: bool = False,
) -> Outcome:
    """Make the repository, or bring its root to what is wanted as far as people have signed that.

    Run again it finds the request it has made, and puts the link once enough people have signed.

    :param pin: a link of the repository's chain; None where the inventory has none yet.
    :param check: find out only; neither keys nor objects are made.
    :raises PolicyError: the root cannot become that.
    :raises TrustError: the store does not hold the pinned repository, or one of another name.
    """
    if pin is None:
        return _first(store, keyring, name, wanted, check=check)
    repository = open_repository(store, pin=pin, name=name)
    now = instant.whole(objects.now(store))
    plan = _Plan(repository, wanted, now)
    before = describe(repository.root)
    if plan.empty:
        return Outcome("unchanged", repository.root, before, before)
    plan.require_possible()
    pending = plan.find(keyring, asking)
    if pending is None:
        if check:
            return Outcome("asked", repository.root, before, plan.described())
        request = asking.request(now)
        pending = approvals.put_request(repository, plan.draft(plan.renewed(keyring), request))
        return Outcome(
            "asked", repository.root, before, describe(_root(pending)), pending, _judged(repository, pending)
        )
    after = describe(_root(pending))
    approval = _judged(repository, pending)
    if not approval.reached:
        return Outcome("waiting", repository.root, before, after, pending, approval)
    if check:
        return Outcome("followed", repository.root, before, after, pending, approval)
    return Outcome("followed", _follow(repository, pending, pin), before, after, pending, approval)


def describe(root: Root) -> tuple[str, ...]:
    """A root in lines for people, none of them secret."""
    lines = _settled(root.repository, root.classes)
    lines += [
        f"{key.use} key {key.id}, {key.not_before:%Y-%m-%d} to {key.not_after:%Y-%m-%d}" for key in root.keys.sign
    ]
    lines += [f"digest key {key.id}" for key in root.keys.digest]
    for use, keys in (("wrapping", root.keys.wrap), ("escrow", root.keys.escrow)):
        lines += [f"{use} keys of {kept}, {years}" for kept, years in _years(keys)]
    lines += [
        f"person {p.principal} ({', '.join(p.roles)}), {people_keys.fingerprint(p.public)}, until "
        f"{p.not_after:%Y-%m-%d}"
        for p in root.people
    ]
    lines += [
        f"{rule.operation} takes {rule.required} {'person' if rule.required == 1 else 'people'}"
        + (f", of them one of each role {', '.join(rule.roles)}" if rule.roles else "")
        + (f", key: {rule.presence}" if rule.presence != ANY_KEY else "")
        for rule in root.quorum
    ]
    return tuple(lines)


def _settled(name: str, classes: Mapping[str, RetentionClass]) -> list[str]:
    """What of a root is settled before its keys are made."""
    return [f"repository {name}", *(f"class {kept.name}: {kept.spoken}" for _name, kept in sorted(classes.items()))]


def _years(keys: Sequence[ClassYearKey]) -> list[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(keys, key=lambda key: (key.retention_class, key.series, key.year)):
        found.setdefault(f"{key.retention_class}{f' series {key.series}' if key.series else ''}", []).append(
            str(key.year)
        )
    return [(kept, f"{years[0]} to {years[-1]}") for kept, years in found.items()]


def _first(store: Store, keyring: Keyring, name: str, wanted: Wanted, *, check: bool) -> Outcome:
    if wanted.rotate or wanted.remove:
        raise PolicyError(
            "keys are rotated or removed in a repository that the inventory pins",
            item="holdfast_repository_id",
            remedy="Set it first: run this without rotate and remove, and paste the line it prints.",
        )
    _require_reachable(wanted.people or (), wanted.quorum or (), instant.whole(objects.now(store)))
    root, made = create(
        store,
        keyring,
        name=name,
        classes=wanted.classes,
        people=wanted.people or (),
        quorum=wanted.quorum or (),
        check=check,
    )
    after = describe(root) if root else tuple(_settled(name, wanted.classes))
    return Outcome("made" if made else "unchanged", root, () if made else after, after)


def _root(pending: Pending) -> Root:
    if not isinstance(pending.document, Root):
        raise PolicyError("is no request for a root link", item=pending.id)
    return pending.document


def _judged(repository: Repository, pending: Pending) -> Approval:
    return approvals.judge(repository, pending, approvals.signatures(repository, pending))


def _follow(repository: Repository, pending: Pending, pin: str) -> Root:
    data = dsse.write(approvals.completed(repository, pending))
    draft = _root(pending)
    if not _keeps_destructions(repository, draft):
        raise PolicyError(
            "people have signed since that a key is destroyed, and under this link that would be forgotten",
            item=pending.id,
            remedy="Run this again: it asks for a link that keeps it. Let people sign that one",
        )
    name = names.for_root(draft.link, data)
    # what no reader would follow is not put
    require_successor(repository.chain.links[-1], *root_format.read(data, what=name), name)
    objects.put(repository.store, name, data, lock_until=link_lock(draft))
    chain = open_repository(repository.store, pin=pin).chain
    link_id = names.parse(name).sha256
    if chain.place(link_id) is None:
        raise TrustError(
            f"root link {draft.link} was put, and the pinned link does not lead to it",
            item=link_id,
            remedy="Pin it: set holdfast_repository_id to this id. Find out who put so many that claim its place.",
        )
    return chain.head


def _same_people(one: Root, other: Root) -> bool:
    return (one.people, one.quorum) == (other.people, other.quorum)


def _keeps_destructions(repository: Repository, draft: Root) -> bool:
    """Whether all that people have signed of destroyed keys still counts under a link.

    What is destroyed stays so: where that was forgotten, backups would be sealed under a key that nobody has.
    """
    if _same_people(draft, repository.root):
        return True
    return set(records.believed_ids(repository, (DESTRUCTION, ESCROW_DESTROYED))) <= set(draft.records)


class _Plan:
    """What the next link must say that the newest one does not."""

    def __init__(self, repository: Repository, wanted: Wanted, now: dt.datetime) -> None:
        self._repository = repository
        self._head = repository.root
        self._wanted = wanted
        self._now = now
        for kept in wanted.classes.values():
            if kept.name in self._head.classes:
                self._head.retention(kept)
        self._classes = {**self._head.classes, **wanted.classes}
        self._people = self._head.people if wanted.people is None else wanted.people
        self._quorum = self._head.quorum if wanted.quorum is None else wanted.quorum
        self._remove = tuple(key_id for key_id in wanted.remove if key_id in _machine_ids(self._head.keys))
        for key_id in wanted.remove:
            if key_id not in self._spent():
                raise PolicyError(
                    f"no link of the root of repository {repository.name} names a signing or digest key {key_id}",
                    item="remove",
                    remedy="Copy its id from the root as this task shows it; no key was removed.",
                )
        self._rotate = tuple(dict.fromkeys(wanted.rotate))

    @property
    def empty(self) -> bool:
        """Whether the newest link says all of it; years alone are no reason where nobody could sign for them."""
        same = (self._classes, self._people, self._quorum) == (self._head.classes, self._head.people, self._head.quorum)
        years = bool(self._missing(self._head.keys.wrap)) and self._head.rule(ROOT_OPERATION) is not None
        return same and not self._remove and not self._rotate and not years

    def require_possible(self) -> None:
        """Raise PolicyError where nobody could sign such a link, or nothing could go on under it."""
        if self._head.rule(ROOT_OPERATION) is None:
            raise PolicyError(
                f"the root of repository {self._repository.name} names no people who may sign another one",
                item=ROOT_OPERATION,
                remedy="Leave classes, people, quorum and keys as they are, or make another repository with people.",
            )
        if self._now < self._head.created:
            raise PolicyError(
                f"the newest link was made at {instant.to_text(self._head.created)}, and the store's time is "
                f"{instant.to_text(self._now)}",
                item=ROOT_OPERATION,
                remedy="Correct the store's clock: a link that is older than the one it follows is not followed.",
            )
        _require_reachable(self._people, self._quorum, self._now)
        for use in ("point", "record"):
            if use not in self._rotate and not any(
                k.use == use and k.id not in self._remove for k in self._head.keys.sign
            ):
                raise self._nothing_left(use)
        if "digest" not in self._rotate and all(key.id in self._remove for key in self._head.keys.digest):
            raise self._nothing_left("digest")

    def _nothing_left(self, use: str) -> PolicyError:
        return PolicyError(
            f"without these the root would have no {use} key", item="remove", remedy=f"Rotate {use} in the same link."
        )

    def find(self, keyring: Keyring, asking: Asking) -> Pending | None:
        """The open request that asks for just this; of several the one that most people have signed, then the oldest.

        Where *asking* says who and why, a request in other words is another one: people sign the words too.

        Who may put requests may put any: one that says more than is wanted is not shown to people as the owner's.
        """
        found = [
            pending
            for pending in approvals.requests(self._repository)
            if isinstance(pending.document, Root)
            and approvals.is_open(self._repository, pending)
            and asking.agrees(pending.request)
            and self._answers(pending.document)
            and self._made_here(pending.document.keys, keyring)
        ]
        signed = {pending.id: len(_judged(self._repository, pending).counted) for pending in found}
        return min(found, key=lambda pending: (-signed[pending.id], pending.at, pending.id), default=None)

    def _answers(self, draft: Root) -> bool:
        wanted = (self._head.link + 1, self._classes, self._people, self._quorum)
        return (
            (draft.link, draft.classes, draft.people, draft.quorum) == wanted
            and self._adds_what_is_wanted(draft.keys)
            and self._vouches_for_what_counts(draft)
        )

    def _adds_what_is_wanted(self, keys: PublicKeys) -> bool:
        """Whether these are the keys that stay, unchanged, and after them new ones of the wanted uses alone."""
        kept = self._without(self._head.keys)
        added = PublicKeys(**{use: getattr(keys, use)[len(getattr(kept, use)) :] for use in _KEYS})
        if any(getattr(kept, use) + getattr(added, use) != getattr(keys, use) for use in _KEYS):
            return False
        uses = sorted([*(key.use for key in added.sign), *("digest" for _key in added.digest)])
        return (
            uses == sorted(use for use in self._rotate if use not in ("wrap", "escrow"))
            and [key.id for key in added.wrap] == _ids(self._new_class_years("wrap"))
            and [key.id for key in added.escrow] == _ids(self._new_class_years("escrow"))
            and not {key.id for key in added.sign} & self._spent()
            and not {key.id for key in added.digest} & self._spent()
        )

    def _made_here(self, keys: PublicKeys, keyring: Keyring) -> bool:
        """Whether the owner's keyring has made all keys that a draft adds: else somebody has put in their own."""
        added = {use: set(_publics(keys)[use]) - set(_publics(self._head.keys)[use]) for use in _KEYS}
        if not any(added.values()):
            return True
        made = _publics(keyring.made(repository=self._repository.name))
        return all(added[use] <= made[use] for use in _KEYS)

    def _vouches_for_what_counts(self, draft: Root) -> bool:
        """Whether a link that removes somebody vouches for what counted when it was asked for, and for nothing else."""
        if not _same_people(draft, self._head) and not set(draft.records) <= set(
            records.believed_ids(self._repository)
        ):
            return False
        if not _keeps_destructions(self._repository, draft):
            return False
        if not self._remove:
            return True
        known = points.live(self._repository, now=self._now)
        then = points.live(self._repository, until=draft.created, now=self._now)
        return set(then.tips) <= set(draft.tips) <= set(known.seen)

    def described(self) -> tuple[str, ...]:
        """What the next link would say, where its keys are not made."""
        kept = dataclasses.replace(self._head, classes=self._classes, people=self._people, quorum=self._quorum)
        lines = describe(dataclasses.replace(kept, keys=self._without(self._head.keys)))
        new = [f"{use} key (new)" for use in self._rotate]
        new += [
            f"wrapping and escrow keys of {kept}, {year} (new)"
            for kept, year, _s in self._missing(self._head.keys.wrap)
        ]
        return (*lines, *new)

    def renewed(self, keyring: Keyring) -> PublicKeys:
        """Make the keys that the next link names beside those that stay."""
        renewal = Renewal(
            uses=[use for use in self._rotate if use in ("point", "record", "digest")],
            wrap=self._new_class_years("wrap"),
            escrow=self._new_class_years("escrow"),
            removed=self._remove,
            spent=self._spent(),
        )
        # an hour's air, so that a store whose clock steps back does not refuse the first points
        now = self._now - dt.timedelta(hours=1)
        return self._without(keyring.renew(self._head.keys, renewal, repository=self._repository.name, now=now))

    def _without(self, keys: PublicKeys) -> PublicKeys:
        return dataclasses.replace(
            keys,
            sign=tuple(key for key in keys.sign if key.id not in self._remove),
            digest=tuple(key for key in keys.digest if key.id not in self._remove),
        )

    def draft(self, keys: PublicKeys, request: Request) -> Root:
        """The next link, as people are asked to sign it."""
        live = points.live(self._repository)
        signed = records.believed_ids(self._repository)
        return Root(
            id="",
            repository=self._head.repository,
            link=self._head.link + 1,
            previous=self._head.id,
            created=self._now,
            classes=self._classes,
            keys=keys,
            people=self._people,
            quorum=self._quorum,
            tips=live.tips,
            records=signed,
            request=request,
        )

    def _missing(self, keys: Sequence[ClassYearKey]) -> list[ClassYear]:
        """Classes and years, this one and ten ahead, that have no key yet."""
        known = {(key.retention_class, key.year) for key in keys}
        years = range(self._now.year, self._now.year + KEY_YEARS)
        return [(name, year, "") for name in sorted(self._classes) for year in years if (name, year) not in known]

    def _new_class_years(self, use: str) -> list[ClassYear]:
        """The keys to wrap under, or for escrow, that the next link adds: of missing years, and of the next series."""
        return self._missing(getattr(self._head.keys, use)) + (self._series(use) if use in self._rotate else [])

    def _spent(self) -> set[str]:
        """Ids of all signing and digest keys that any link has named."""
        return {key_id for link in self._repository.chain.links for key_id in _machine_ids(link.root.keys)}

    def _series(self, use: str) -> list[ClassYear]:
        """The next series of every class and year from this one on, after the last that any link has named."""
        last: dict[tuple[str, int], str] = {}
        for link in self._repository.chain.links:
            for key in getattr(link.root.keys, use):
                if key.year >= self._now.year:
                    at = (key.retention_class, key.year)
                    last[at] = max(last.get(at, ""), key.series)
        return [(name, year, _next_series(series)) for (name, year), series in sorted(last.items())]


def _next_series(series: str) -> str:
    if series == "z":
        raise PolicyError("this class and year has had 26 keys", item="rotate", remedy="Make another repository.")
    return chr(ord(series) + 1) if series else _FIRST_SERIES


def _machine_ids(keys: PublicKeys) -> set[str]:
    """Ids of signing and digest keys: those that can be removed."""
    return {key.id for key in keys.sign} | {key.id for key in keys.digest}


def _publics(keys: PublicKeys) -> dict[str, set[t.Any]]:
    """Public halves by use, without the days that a link gives them."""
    return {
        "sign": {(key.use, key.public) for key in keys.sign},
        "wrap": set(keys.wrap),
        "escrow": set(keys.escrow),
        "digest": set(keys.digest),
    }


def _ids(class_years: Sequence[ClassYear]) -> list[str]:
    """The ids of keys of these classes, years and series."""
    return [ClassYearKey(kept, year, "", "", series).id for kept, year, series in class_years]


def _require_reachable(people: Sequence[Person], quorum: Sequence[Quorum], now: dt.datetime) -> None:
    """Raise PolicyError for a root whose people could never sign the next one, or what else it has rules for."""
    rule = next((rule for rule in quorum if rule.operation == ROOT_OPERATION), None)
    if rule is not None and not quorums.satisfiable(rule, people, now):
        raise PolicyError(
            "the people of this root would never be enough to sign the next one",
            item=f"holdfast_quorum.{ROOT_OPERATION}",
            remedy="Ask for fewer of them, for roles that they hold, or for keys that they have.",
        )
    for other in quorum:
        if other is not rule and not quorums.satisfiable(other, people, now):
            raise PolicyError(
                f"the people of this root would never be enough to sign {other.operation}",
                item=f"holdfast_quorum.{other.operation}",
                remedy="Ask for fewer of them, for roles that they hold, or for keys that they have; or drop the rule.",
            )
