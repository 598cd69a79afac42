# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canonical JSON, zstd-compressed or plain, and typed reading of its fields."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..errors import FormatError, IntegrityError, UnknownVersionError
from ..model import instant
from ..model.point import ALIAS

FORMAT = 1
_HEX = re.compile(r"[0-9a-f]{64}")
_MAX_DEPTH = 32
# beyond these RFC 8785 spells numbers otherwise (RFC 7493 section 2.2)
_MAX_INTEGER = 2**53 - 1

T = t.TypeVar("T")


def dump(document: t.Any, *, what: str | None = None) -> bytes:
    """Spell a document canonically (RFC 8785 for strings, integers, booleans, null and ASCII keys).

    :param what: the object's name, for the error.
    :raises FormatError: a value that this format does not have, floats among them.
    """
    _judge(document, what)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as e:
        raise FormatError("holds a text that is not Unicode", item=what) from e


def load(data: bytes, *, what: str) -> dict[str, t.Any]:
    """Read a canonical document; raises FormatError for anything that :func:`dump` would not have written.

    :param what: the object's name, for the error.
    """
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as e:
        # the parser's own text would quote the document
        raise FormatError("is not a JSON document of this format", item=what) from e
    # also refuses duplicate keys, other orders and escapes: signed bytes have one spelling
    if dump(document, what=what) != data:
        raise FormatError("is not in canonical form", item=what)
    if not isinstance(document, dict):
        raise FormatError("is not a JSON object", item=what)
    return document


def header(kind: str, repository: str | None) -> dict[str, t.Any]:
    """The fields each document starts from."""
    fields: dict[str, t.Any] = {"format": FORMAT, "kind": kind, "critical": []}
    return fields if repository is None else {**fields, "repository": repository}


def expect(document: Mapping[str, t.Any], kind: str, *, what: str, known: Sequence[str] = ()) -> Fields:
    """Check a document's version, kind and critical fields, and return a reader of the rest.

    :param known: the names a ``critical`` list may hold.
    :raises UnknownVersionError: a newer collection wrote this.
    """
    fields = Fields(document, what)
    version = document.get("format")
    if version != FORMAT or isinstance(version, bool):
        # what a foreign document says is never repeated: it may be long, and stands in signed bodies
        raise UnknownVersionError(
            f"has another format version than {FORMAT}, which is the one this collection reads",
            item=what,
            remedy="Read it with a newer holdfast.config.",
        )
    if document.get("kind") != kind:
        raise FormatError(f"is of another kind than {kind}", item=what)
    unknown = [name for name in fields.texts("critical") if name not in known]
    if unknown:
        raise UnknownVersionError(
            f"names {len(unknown)} fields that must be understood and are not",
            item=what,
            remedy="Read it with a newer holdfast.config.",
        )
    return fields


def moment(value: dt.datetime) -> str:
    """Spell a moment in a document."""
    return instant.to_text(value)


def b64(value: bytes) -> str:
    """Spell bytes in a document."""
    return base64.b64encode(value).decode("ascii")


def words(text: str) -> str:
    """Spell a text for people: bytes of a file name that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Fields:
    """Reads the fields of one JSON object by type; each refusal names the object and the field."""

    def __init__(self, document: t.Any, what: str) -> None:
        if not isinstance(document, Mapping):
            raise FormatError("holds something that is not an object", item=what)
        self._document = document
        self._what = what

    def refuse(self, field: str, problem: str) -> FormatError:
        """An error that names *field*; its value is not repeated."""
        return FormatError(f"field {field} {problem}", item=self._what)

    def has(self, field: str) -> bool:
        """Whether the field is there."""
        return field in self._document

    def raw(self, field: str) -> t.Any:
        """Any value, which must be there."""
        if field not in self._document:
            raise self.refuse(field, "is missing")
        return self._document[field]

    def text(self, field: str) -> str:
        """A string."""
        value = self.raw(field)
        if not isinstance(value, str):
            raise self.refuse(field, "is not a text")
        return value

    def text_or_none(self, field: str) -> str | None:
        """A string or null."""
        return None if self.raw(field) is None else self.text(field)

    def alias_or_none(self, field: str) -> str | None:
        """The name that people gave a recovery point; None where the field is not there."""
        if not self.has(field):
            return None
        value = self.text(field)
        if not ALIAS.fullmatch(value):
            raise self.refuse(field, "is no alias")
        return value

    def number(self, field: str) -> int:
        """An integer, not negative."""
        value = self.raw(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.refuse(field, "is not a number")
        return value

    def flag(self, field: str) -> bool:
        """A boolean."""
        value = self.raw(field)
        if not isinstance(value, bool):
            raise self.refuse(field, "is not true or false")
        return value

    def digest(self, field: str) -> str:
        """A SHA-256 or HMAC in lower-case hex."""
        value = self.text(field)
        if not _HEX.fullmatch(value):
            raise self.refuse(field, "is not a digest")
        return value

    def digest_or_none(self, field: str) -> str | None:
        """A digest or null."""
        return None if self.raw(field) is None else self.digest(field)

    def digests(self, field: str) -> tuple[str, ...]:
        """A list of digests."""
        values = self.texts(field)
        if not all(_HEX.fullmatch(value) for value in values):
            raise self.refuse(field, "is not a list of digests")
        return values

    def moment(self, field: str) -> dt.datetime:
        """A moment in RFC 3339, UTC."""
        text = self.text(field)
        try:
            return instant.from_text(text)
        except FormatError as e:
            raise self.refuse(field, "is not a moment") from e

    def bytes(self, field: str) -> bytes:
        """Base64 in its one spelling: the bits that its last digit leaves over are zero."""
        text = self.text(field)
        try:
            value = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as e:
            raise self.refuse(field, "is not base64") from e
        if b64(value) != text:
            raise self.refuse(field, "is not base64")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.items(field)
        if not all(isinstance(value, str) for value in values):
            raise self.refuse(field, "is not a list of texts")
        return tuple(values)

    def items(self, field: str) -> list[t.Any]:
        """A list of anything."""
        value = self.raw(field)
        if not isinstance(value, list):
            raise self.refuse(field, "is not a list")
        return value

    def each(self, field: str, read: Callable[[Fields], T]) -> tuple[T, ...]:
        """A list of objects, each read by *read*."""
        return tuple(read(Fields(value, self._what)) for value in self.items(field))

    def inner(self, field: str) -> Fields:
        """An object."""
        return Fields(self.raw(field), self._what)

    def mapping(self, field: str) -> dict[str, t.Any]:
        """An object, as it is."""
        value = self.raw(field)
        if not isinstance(value, dict):
            raise self.refuse(field, "is not an object")
        return value

    def others(self, known: Sequence[str]) -> dict[str, t.Any]:
        """The fields that this version does not know."""
        return {name: value for name, value in self._document.items() if name not in known}


def check_digest(data: bytes, sha256: str, *, what: str) -> None:
    """Raise IntegrityError unless *data* has that SHA-256."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(
            "this object does not have the digest it is named by",
            item=what,
            remedy="Do not use it; look for another version or replica, and find out who changed it.",
        )


def _judge(value: t.Any, what: str | None, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise FormatError("is nested too deeply", item=what)
    if value is None or isinstance(value, str):
        return  # most values are one of these
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise FormatError("has a key that is not ASCII text", item=what)
            _judge(inner, what, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _judge(inner, what, depth + 1)
    elif isinstance(value, int):
        if abs(value) > _MAX_INTEGER:
            raise FormatError("holds a number that is too large", item=what)
    else:
        raise FormatError("holds a value that is no text, integer, boolean, null, list or object", item=what)
