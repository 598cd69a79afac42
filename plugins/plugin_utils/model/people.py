# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The people of a root and what it takes of them, read from plain inventory values."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..errors import FormatError
from . import instant
from .policy import Finding
from .quorum import PRESENCES, folded
from .record import PEOPLE_KINDS
from .root import ANY_KEY, ROOT_OPERATION, Person, Quorum

OPERATIONS = (ROOT_OPERATION, *sorted(PEOPLE_KINDS))
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ALWAYS = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def read_people(value: t.Any, findings: list[Finding], *, canonical: Callable[[str], str]) -> tuple[Person, ...] | None:
    """Read ``holdfast_people``; what is wrong is added to *findings*. None where nothing is declared.

    :param canonical: spells an OpenSSH public key line in its one form, or raises FormatError.
    """
    if value is None:
        return None
    if not isinstance(value, Sequence) or isinstance(value, str):
        findings.append(Finding("holdfast_people", "is not a list", "Give a list of {name, roles, key, valid_until}."))
        return None
    found: dict[str, Person] = {}
    for position, given in enumerate(value):
        person = _read_person(f"holdfast_people[{position}]", given, findings, canonical)
        if person is None:
            continue
        key = f"holdfast_people[{position}] ({person.principal})"
        if folded(person.principal) in found:
            findings.append(Finding(f"{key}.name", "is there twice", "Name each person once."))
        if any(person.public == other.public for other in found.values()):
            findings.append(Finding(f"{key}.key", "is another person's too", "Each person has a key of their own."))
        found[folded(person.principal)] = person
    return tuple(found.values())


def read_quorum(value: t.Any, findings: list[Finding]) -> tuple[Quorum, ...] | None:
    """Read ``holdfast_quorum``; what is wrong is added to *findings*. None where nothing is declared."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        findings.append(Finding("holdfast_quorum", "is not a mapping", "Give operation: {required, roles}."))
        return None
    rules = []
    for operation, given in sorted(value.items(), key=lambda item: str(item[0])):
        key = f"holdfast_quorum.{operation}"
        fields = given if isinstance(given, Mapping) else {}
        required, roles = fields.get("required"), _read_roles(f"{key}.roles", fields.get("roles", ()), findings)
        presence = fields.get("presence", ANY_KEY)
        unknown = sorted(map(str, fields.keys() - {"required", "roles", "presence"}))
        if operation not in OPERATIONS:
            findings.append(Finding(key, "is no operation that people sign", f"Known here: {', '.join(OPERATIONS)}."))
        elif unknown:
            findings.append(Finding(key, f"has no key {unknown[0]}", "Known here: required, roles, presence."))
        elif not isinstance(required, int) or isinstance(required, bool) or not 1 <= required <= 100:
            findings.append(Finding(f"{key}.required", f"{required!r} is not a number of people", "Give 1 to 100."))
        elif presence not in PRESENCES:
            findings.append(Finding(f"{key}.presence", f"{presence!r} is unknown", f"Give {', '.join(PRESENCES)}."))
        else:
            rules.append(Quorum(str(operation), required, roles, str(presence)))
    return tuple(rules)


def _read_person(key: str, given: t.Any, findings: list[Finding], canonical: Callable[[str], str]) -> Person | None:
    fields = given if isinstance(given, Mapping) else {}
    before = len(findings)
    unknown = sorted(map(str, fields.keys() - {"name", "roles", "key", "valid_from", "valid_until"}))
    if unknown:
        remedy = "Known here: name, roles, key, valid_from, valid_until."
        findings.append(Finding(f"{key}.{unknown[0]}", "is not a key of this version", remedy))
    name = fields.get("name")
    if not isinstance(name, str) or not name or not name.isprintable():
        findings.append(
            Finding(f"{key}.name", f"{name!r} is not a name", "Give the principal, like alice@example.com.")
        )
    roles = _read_roles(f"{key}.roles", fields.get("roles", ()), findings)
    public = ""
    try:
        public = canonical(str(fields.get("key", "")))
    except FormatError as e:
        findings.append(Finding(f"{key}.key", f"cannot be used: {e.message}", "Give the line of their .pub file."))
    valid_from = _read_moment(f"{key}.valid_from", fields.get("valid_from", _ALWAYS), findings)
    valid_until = _read_moment(f"{key}.valid_until", fields.get("valid_until"), findings)
    if len(findings) > before or valid_from is None or valid_until is None:
        return None
    return Person(str(name), roles, public, valid_from, valid_until)


def _read_roles(key: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...]:
    roles = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (None,)
    if not all(isinstance(role, str) and _ROLE.fullmatch(role) for role in roles):
        findings.append(Finding(key, "is not a list of roles", "Give names like [security, operations]."))
        return ()
    return tuple(map(str, roles))


def _read_moment(key: str, value: t.Any, findings: list[Finding]) -> dt.datetime | None:
    """A day, or a moment as documents spell it."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value
    text = str(value)
    try:
        return instant.from_text(text if "T" in text else f"{text}T00:00:00Z")
    except FormatError:
        findings.append(Finding(key, f"{value!r} is not a day", "Give it like '2028-12-31', in quotes."))
        return None
