# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether those who signed are the people an operation takes: pure functions over a root's rule.

Nobody is two people: principals are compared by :func:`folded`, and who asks for an operation never counts for it.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import unicodedata
from collections.abc import Sequence

from .root import Person, Quorum

PRESENCES = ("any", "touch", "pin")

# kinds of OpenSSH keys (PROTOCOL.u2f) that say whether somebody touched them
_FIDO2_KINDS = ("sk-ssh-ed25519@openssh.com ", "sk-ecdsa-sha2-nistp256@openssh.com ")


@dataclasses.dataclass(frozen=True)
class Counted:
    """One valid signature of one person. ``touched`` and ``verified`` are None where the key is no FIDO2 key."""

    principal: str
    roles: tuple[str, ...]
    touched: bool | None
    verified: bool | None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What :func:`judge` found.

    ``counted`` are the principals that count, in the order they signed. ``lacking`` says what is missing, one clause
    each, and is empty exactly where the quorum is reached.
    """

    reached: bool
    counted: tuple[str, ...]
    lacking: tuple[str, ...]


def folded(principal: str) -> str:
    """What two spellings of one principal have in common: NFC and case folding, as hosts' names are compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", principal).casefold())


def judge(rule: Quorum, signed: Sequence[Counted], *, requester: str) -> Verdict:
    """Judge whether these people, without the one who asks, are the quorum of *rule*.

    A principal counts once, with all roles of those of its signatures that have the presence *rule* takes. Where
    *rule* names roles, who holds none of them does not count, and each role (a role that is named twice: twice) takes
    a person of its own. At least ``required`` people count, whatever the roles. A rule that takes nobody, or a
    presence that is not known here, is never reached.

    :param signed: signatures that are known to hold; their order decides nothing but the order of ``counted``.
    :param requester: the principal who asks for the operation, whether among *signed* or not.
    """
    return _judged(rule, signed, folded(requester))


def satisfiable(rule: Quorum, people: Sequence[Person], at: dt.datetime, *, requester: str | None = None) -> bool:
    """Whether the people of a root could reach *rule* at that moment, if all who can sign did.

    Ask this before a root is made: where it is false, nobody can ever carry the operation out, and for the operation
    that makes the next root, the repository can have no successor. The one who asks may be somebody who is not one of
    the people; that is the easiest case, since whoever of the people asks does not count, and what is judged where
    *requester* is not given. Name each of the people in turn to see who of them could ask.

    A key that two principals share counts for neither of them. A FIDO2 key is taken to be able to verify its user:
    whether it has a PIN is not in its public half.

    :param people: with ``public`` as ``keyring.people.canonical_key`` spells it.
    :param at: a moment with a time zone.
    :param requester: the principal who would ask.
    """
    signed = []
    for person in people:
        holders = {folded(other.principal) for other in people if other.public == person.public}
        if len(holders) == 1 and person.not_before <= at <= person.not_after:
            present = True if person.public.startswith(_FIDO2_KINDS) else None
            signed.append(Counted(person.principal, person.roles, present, present))
    return _judged(rule, signed, None if requester is None else folded(requester)).reached


def _judged(rule: Quorum, signed: Sequence[Counted], asking: str | None) -> Verdict:
    people, doubts = _people(rule, signed, asking)
    lacking = [*_unsound(rule), *_too_few(rule, people), *_unfilled(rule, people)]
    principals = tuple(person.principal for person in people)
    return Verdict(not lacking, principals, (*lacking, *doubts) if lacking else ())


def _people(rule: Quorum, signed: Sequence[Counted], asking: str | None) -> tuple[list[Counted], list[str]]:
    """Return one entry for each principal that counts, and why others do not."""
    found: dict[str, Counted] = {}
    doubts: dict[str, str] = {}
    for one in signed:
        name = folded(one.principal)
        if name == asking:
            doubts[name] = f"{one.principal} asked for it and does not count"
        elif absent := _absent(rule, one):
            doubts.setdefault(name, absent)
        else:
            known = found.get(name, one)
            found[name] = dataclasses.replace(known, roles=tuple(dict.fromkeys((*known.roles, *one.roles))))
    for name, person in list(found.items()):
        if rule.roles and not set(rule.roles) & set(person.roles):
            del found[name]
            doubts[name] = f"{person.principal} holds none of the roles {', '.join(rule.roles)}"
    return list(found.values()), [doubt for name, doubt in doubts.items() if name not in found]


def _absent(rule: Quorum, one: Counted) -> str:
    """Why this signature has not the presence that the rule takes, or the empty string."""
    if rule.presence not in ("touch", "pin"):
        return ""
    if one.touched is None:
        return f"{one.principal}'s key is no FIDO2 key"
    if not one.touched:
        return f"{one.principal}'s key was not touched"
    if rule.presence == "pin" and not one.verified:
        return f"{one.principal}'s key did not verify its user by PIN or biometrics"
    return ""


def _unsound(rule: Quorum) -> list[str]:
    lacking = []
    if rule.required < 1:
        lacking.append(f"a rule that takes at least 1 person, not {rule.required}")
    if rule.presence not in PRESENCES:
        lacking.append(f"a rule whose presence is one of {', '.join(PRESENCES)}, not {rule.presence!r}")
    return lacking


def _too_few(rule: Quorum, people: Sequence[Counted]) -> list[str]:
    missing = rule.required - len(people)
    if missing < 1:
        return []
    return [f"{missing} more {'person' if missing == 1 else 'people'}"]


def _unfilled(rule: Quorum, people: Sequence[Counted]) -> list[str]:
    """Say which roles are left when as many as can be are given to one person each.

    This is a bipartite matching, grown by one augmenting path at a time (C. Berge, "Two theorems in graph theory",
    1957): a role that finds no path to a free person finds none later either.
    """
    matching = _Matching({}, {})
    left = [name for role, name in enumerate(rule.roles) if not matching.fill(role, rule.roles, people)]
    held = {name for person in people for name in person.roles}
    return [f"somebody {'else ' if name in held else ''}of role {name}" for name in left]


@dataclasses.dataclass
class _Matching:
    """Roles and people by their index: who fills which, both ways."""

    person_of: dict[int, int]
    role_of: dict[int, int]

    def fill(self, role: int, roles: Sequence[str], people: Sequence[Counted]) -> bool:
        """Give this role a person; whoever is taken gives way where another of their roles lets them."""
        reached_for: dict[int, int] = {}
        wanted = collections.deque([role])
        while wanted:
            current = wanted.popleft()
            for index, person in enumerate(people):
                if index in reached_for or roles[current] not in person.roles:
                    continue
                reached_for[index] = current
                if index not in self.role_of:
                    self._shift(index, role, reached_for)
                    return True
                wanted.append(self.role_of[index])
        return False

    def _shift(self, free: int, role: int, reached_for: dict[int, int]) -> None:
        index, current = free, reached_for[free]
        while current != role:
            before = self.person_of[current]
            self.person_of[current], self.role_of[index] = index, current
            index, current = before, reached_for[before]
        self.person_of[role], self.role_of[index] = index, role
