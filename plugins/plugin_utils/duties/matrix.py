# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix of duties: read, judged, and asked. It is ``duties.yml`` beside this file."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t
from collections.abc import Collection, Mapping
from pathlib import Path

from .. import safe_yaml
from ..errors import FormatError, PolicyError

FILE = Path(__file__).parent / "duties.yml"
IDENTITIES = ("operator", "restorer", "auditor", "approver", "custodian", "owner", "broker")
#: Kinds of S3 servers that policies are rendered for.
S3_SERVERS = ("aws", "minio", "rgw", "versitygw")
SERVERS = (*S3_SERVERS, "vault")

#: What an operation is, for those who render it.
STORE_RIGHTS = ("list", "read", "put", "prove", "hold", "bucket", "never")
KEYRING_RIGHTS = ("offline", "hmac", "sign", "decrypt", "look", "make", "give", "end", "never")
#: What a server does other than the matrix says: what is refused is done, or there is no such call.
OPEN, ABSENT = "open", "absent"

_WITH_NAMES = frozenset({"put", "prove", "hold", "hmac", "sign", "decrypt", "look", "make"})
_NAME = re.compile(r"[a-z][a-z_]{0,31}")
_KEYS = frozenset({"name", "does", "right", "names", "allowed", "otherwise"})


@dataclasses.dataclass(frozen=True)
class Otherwise:
    """What one kind of server does other than the matrix says.

    :param server: one of :data:`SERVERS`.
    :param how: :data:`OPEN` or :data:`ABSENT`.
    :param identities: to whom.
    :param why: what it comes to, for people.
    """

    server: str
    how: str
    identities: frozenset[str]
    why: str


@dataclasses.dataclass(frozen=True)
class Operation:
    """One row.

    :param place: ``store`` or ``keyring``.
    :param does: what it is, as it goes on after "may".
    :param right: one of :data:`STORE_RIGHTS` or :data:`KEYRING_RIGHTS`.
    :param names: patterns below a repository's prefix; of keys, what follows ``holdfast-<repository>--``.
    """

    name: str
    place: str
    does: str
    right: str
    names: tuple[str, ...]
    allowed: frozenset[str]
    otherwise: tuple[Otherwise, ...]

    def differs(self, identity: str, server: str) -> Otherwise | None:
        """What this server does other than the matrix says, to this identity."""
        for one in self.otherwise:
            if one.server == server and identity in one.identities:
                return one
        return None


@dataclasses.dataclass(frozen=True)
class Question:
    """What who launches a job may say.

    :param variable: which one it sets; the job's own, which begin with its name.
    :param choices: the answers that there are; any one line where empty.
    """

    variable: str
    question: str
    choices: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Job:
    """A job of AWX.

    :param does: what it is, for people.
    :param identity: whose credentials it has.
    :param launched_by: whose teams launch it.
    :param approved_by: whose teams approve it first; none where nobody has to. They share nobody with the former.
    :param asks: all that who launches it may say.
    """

    name: str
    does: str
    identity: str
    launched_by: tuple[str, ...]
    approved_by: tuple[str, ...]
    asks: tuple[Question, ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """All of it.

    :param identities: what each is for, in the order of :data:`IDENTITIES`.
    """

    identities: Mapping[str, str]
    operations: tuple[Operation, ...]
    jobs: tuple[Job, ...]

    def of(self, identity: str, place: str) -> tuple[Operation, ...]:
        """What an identity may do in the store or in the keyring.

        :raises PolicyError: there is no such identity.
        """
        require(identity)
        return tuple(one for one in self.operations if one.place == place and identity in one.allowed)

    def names(self, identity: str, right: str) -> tuple[str, ...]:
        """The names on which an identity has a right, in the order of the matrix."""
        require(identity)
        return tuple(
            name for one in self.operations if one.right == right and identity in one.allowed for name in one.names
        )


def require(identity: str) -> None:
    """Raise PolicyError where there is no such identity."""
    if identity not in IDENTITIES:
        raise PolicyError(
            "there is no such identity", item=repr(identity)[:64], remedy=f"Name one of {', '.join(IDENTITIES)}"
        )


@functools.cache
def load() -> Matrix:
    """The matrix of this version.

    :raises DependencyMissingError: PyYAML is not installed.
    """
    return read(FILE.read_bytes())


def read(data: bytes) -> Matrix:
    """Read and judge a matrix.

    :raises FormatError: it is none; names the row and the key.
    :raises DependencyMissingError: PyYAML is not installed.
    """
    value = safe_yaml.load(data)
    fields = value if isinstance(value, Mapping) else {}
    if fields.keys() != {"identities", "store", "keyring", "jobs"}:
        raise FormatError("a matrix has identities, store, keyring and jobs", item="matrix")
    identities = fields["identities"]
    if (
        not isinstance(identities, Mapping)
        or tuple(identities) != IDENTITIES
        or not all(map(_line, identities.values()))
    ):
        raise FormatError(f"does not say what {', '.join(IDENTITIES)} are for", item="matrix: identities")
    found = tuple(
        _operation(row, place, rights)
        for place, rights in (("store", STORE_RIGHTS), ("keyring", KEYRING_RIGHTS))
        for row in _rows(fields[place], place)
    )
    if len({one.name for one in found}) != len(found):
        raise FormatError("a name stands twice", item="matrix")
    jobs = tuple(map(_job, _rows(fields["jobs"], "jobs")))
    if len({job.name for job in jobs}) != len(jobs):
        raise FormatError("a name stands twice", item="matrix: jobs")
    return Matrix(dict(identities), found, jobs)


def _rows(value: t.Any, place: str) -> list[Mapping[str, t.Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(row, Mapping) for row in value):
        raise FormatError("is no list of operations", item=f"matrix: {place}")
    return value


def _operation(row: Mapping[str, t.Any], place: str, rights: Collection[str]) -> Operation:
    name = row.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FormatError("has an operation without a name", item=f"matrix: {place}")
    at = f"matrix: {place}: {name}"
    strange = row.keys() - _KEYS
    if strange:
        raise FormatError("has a key that is not known", item=f"{at}: {min(map(str, strange))[:32]!r}")
    if row.get("right") not in rights or not _line(row.get("does")):
        raise FormatError(f"does not say what it is (does, and right: {', '.join(rights)})", item=at)
    names = _words(row.get("names", []), f"{at}: names")
    if bool(names) != (row["right"] in _WITH_NAMES):
        raise FormatError("names what has no names, or none where there are some", item=at)
    allowed = _identities(row.get("allowed"), f"{at}: allowed")
    if allowed and row["right"] == "never":
        raise FormatError("is allowed to nobody, ever", item=at)
    otherwise = row.get("otherwise", [])
    if not isinstance(otherwise, list):
        raise FormatError("is no list", item=f"{at}: otherwise")
    others = tuple(_otherwise(one, f"{at}: otherwise", allowed) for one in otherwise)
    return Operation(name, place, row["does"], row["right"], names, allowed, others)


def _job(row: Mapping[str, t.Any]) -> Job:
    name = row.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FormatError("has a job without a name", item="matrix: jobs")
    at = f"matrix: jobs: {name}"
    if row.keys() != {"name", "does", "identity", "launched_by", "approved_by", "asks"} or not _line(row["does"]):
        raise FormatError("does not say name, does, identity, launched_by, approved_by and asks", item=at)
    launched, approved = (_words(row[part], f"{at}: {part}") for part in ("launched_by", "approved_by"))
    identities = {*_words([row["identity"]], f"{at}: identity"), *launched, *approved}
    if not launched or not identities <= {*IDENTITIES} - {"owner"}:
        raise FormatError("is not for identities that have jobs, which the owner has not", item=at)
    if {*launched} & {*approved}:
        raise FormatError("is approved by who launches it", item=at)
    if not isinstance(row["asks"], list):
        raise FormatError("is no list", item=f"{at}: asks")
    asks = tuple(_question(one, name, f"{at}: asks") for one in row["asks"])
    return Job(name, row["does"], row["identity"], launched, approved, asks)


def _question(value: t.Any, job: str, at: str) -> Question:
    fields = value if isinstance(value, Mapping) else {}
    if fields.keys() - {"choices"} != {"variable", "question"} or not _line(fields["question"]):
        raise FormatError("does not say variable and question", item=at)
    variable = fields["variable"]
    # holdfast_repository says where secrets are sent
    if not isinstance(variable, str) or not _NAME.fullmatch(variable) or not variable.startswith(f"{job}_"):
        raise FormatError(f"sets a variable that is not one of the job's own: {job}_…", item=at)
    return Question(variable, fields["question"], _words(fields.get("choices", []), f"{at}: {variable}"))


def _otherwise(value: t.Any, at: str, allowed: frozenset[str]) -> Otherwise:
    fields = value if isinstance(value, Mapping) else {}
    if fields.keys() - {"identities"} != {"server", "how", "why"} or not _line(fields["why"]):
        raise FormatError("does not say server, how and why", item=at)
    if fields["server"] not in SERVERS or fields["how"] not in (OPEN, ABSENT):
        raise FormatError(f"names no server ({', '.join(SERVERS)}), or no way ({OPEN}, {ABSENT})", item=at)
    # what is open is so to those who have no right; what is not there is so for those who have it
    fallback = frozenset(IDENTITIES) - allowed if fields["how"] == OPEN else frozenset(IDENTITIES)
    given = fields.get("identities")
    identities = fallback if given is None else _identities(given, f"{at}: identities")
    return Otherwise(fields["server"], fields["how"], identities, fields["why"])


def _identities(value: t.Any, at: str) -> frozenset[str]:
    found = frozenset(_words(value, at))
    if not found <= set(IDENTITIES):
        raise FormatError(f"names others than {', '.join(IDENTITIES)}", item=at)
    return found


def _words(value: t.Any, at: str) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or not all(isinstance(one, str) and one for one in value)
        or len(set(value)) < len(value)
    ):
        raise FormatError("is no list of words, each once", item=at)
    return tuple(value)


def _line(value: t.Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()
