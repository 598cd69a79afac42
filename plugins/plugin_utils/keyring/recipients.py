# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Escrow keys: those that were made on a machine without a network, of which recipients alone are here, or made here.

``recipients.txt`` is what ``age -R`` reads (age(1)), with a comment above each recipient that names its key::

    # d0090-2026
    age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, KeyMissingError, KeyringError
from ..model.keys import ClassYearKey, class_year
from ..seal import age
from . import identities
from .base import AGE_X25519, ClassYear
from .folder import PrivateFolder

FILE = "recipients.txt"

_RECIPIENT = re.compile(r"age1[0-9a-z]+")
_SECRET = "AGE-SECRET-KEY"
_MAKE = "Run escrow state=made offline, beside the file as it is, and bring its recipients.txt here"
_ANEW = "Bring recipients.txt anew from where escrow state=made wrote it"


class Guide(t.NamedTuple):
    """What the page beside escrow keys that are made here says: see :func:`identities.make_escrow`."""

    repository: str
    beside: str
    elsewhere: str


def escrow_keys(
    folder: PrivateFolder,
    gaps: Iterable[ClassYear],
    guide: Guide,
    *,
    named: Sequence[ClassYearKey] = (),
    fresh: bool = False,
) -> tuple[ClassYearKey, ...]:
    """Take escrow keys from the recipients that are in the folder; where none were brought, make them there.

    :param gaps: the classes and years that need one.
    :param named: the escrow keys that there are already; none of them is new again.
    :param fresh: keys are removed, and who copied them has copied identities that lie here: none of these is taken.
    :raises KeyMissingError: recipients were brought, and not for each of *gaps*. Nothing is made then.
    :raises KeyringError: they are damaged, or contradict identities beside them or *named*.
    """
    gaps = list(gaps)
    if folder.read(FILE) is None:
        if gaps:
            identities.make_escrow(folder, guide.repository, beside=guide.beside, elsewhere=guide.elsewhere)
        return identities.class_year_keys(folder, gaps, fresh=fresh)
    found = known(folder)
    _require_agreement(folder, found, named)
    keys = [ClassYearKey(kept, year, AGE_X25519, "", series) for kept, year, series in gaps]
    _require_all(folder, found, keys)
    if fresh:
        _require_offline(folder, keys)
    brought = tuple(ClassYearKey(key.retention_class, key.year, AGE_X25519, found[key.id], key.series) for key in keys)
    _require_new(folder, brought, named)
    return brought


def known(folder: PrivateFolder) -> dict[str, str]:
    """The recipients of a folder by the names of their keys: of both of its files.

    :raises KeyringError: a line is not what it should be, or the files give one name to two keys.
    """
    path = folder.path / FILE
    found = read(folder.read(FILE) or b"", str(path))
    for name, recipient in held(folder).items():
        if found.setdefault(name, recipient) != recipient:
            raise KeyringError(
                f"{name} is another key here than in {identities.FILE}",
                item=str(path),
                remedy="Keep the two files of one ceremony together, and let the other ones be elsewhere",
            )
    return found


def alone(path: Path) -> bool:
    """Whether a folder of escrow keys has recipients alone, so that nothing of it has to go offline."""
    try:
        return (path / FILE).is_file() and not (path / identities.FILE).exists()
    except OSError:
        return False


def held(folder: PrivateFolder) -> dict[str, str]:
    """The recipients whose identities are in the folder, by the names of their keys.

    :raises KeyringError: as :func:`identities.read`.
    """
    listed = identities.read(folder.read(identities.FILE) or b"", folder)
    return {identity.name: identity.recipient for identity in listed if identity.name}


def read(text: bytes, where: str) -> dict[str, str]:
    """Read a file of recipients; the comment above a recipient names its key.

    :param where: the file, for errors, which give the number of the line.
    :raises KeyringError: a line is neither a comment nor a recipient, or there are two of a name, or two names of one.
    """
    found: dict[str, str] = {}
    name = ""
    # as age splits lines, and never an exception that carries the text
    for number, line in enumerate(text.decode("utf-8", "replace").split("\n"), 1):
        line = line.rstrip()
        if line.startswith("#"):
            name = line[1:].split()[0] if line[1:].split() else ""
        elif line:
            at = f"{where}, line {number}"
            _require_recipient(line, at)
            _require_name(found, name, line, at)
            found[name] = line
            name = ""
    return found


def completed(text: bytes, keys: Mapping[str, str]) -> bytes:
    """A file of recipients with those that it lacks at its end; all else stays as it is.

    :raises KeyringError: as :func:`read`.
    """
    there = read(text, FILE)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    lacking = (f"# {name}\n{recipient}\n" for name, recipient in keys.items() if name not in there)
    return text + "".join(lacking).encode()


def _require_recipient(line: str, at: str) -> None:
    if _SECRET in line.upper():
        raise KeyringError(
            "an identity is among the recipients: it opens backups",
            item=at,
            remedy="Destroy this copy, and bring recipients.txt alone. Make other keys if somebody may have read it",
        )
    try:
        if not _RECIPIENT.fullmatch(line):
            raise FormatError("not a recipient")
        age.public_key(line)
    except FormatError:
        raise KeyringError(
            "this is neither a comment nor a recipient of age (age1...)", item=at, remedy=_ANEW
        ) from None


def _require_name(found: Mapping[str, str], name: str, recipient: str, at: str) -> None:
    if not class_year(name):
        raise KeyringError(
            "the line above a recipient does not name its class and year",
            item=at,
            remedy=f"Let it be like: # d0090-2026. {_ANEW}",
        )
    if found.get(name, recipient) != recipient:
        raise KeyringError(f"{name} has a second recipient", item=at, remedy=_ANEW)
    other = next((each for each, public in found.items() if public == recipient and each != name), None)
    if other:
        raise KeyringError(f"the recipient of {name} is that of {other}", item=at, remedy=_ANEW)


def _require_all(folder: PrivateFolder, found: Mapping[str, str], keys: Sequence[ClassYearKey]) -> None:
    missing = [key.id for key in keys if key.id not in found]
    if missing:
        raise KeyMissingError(
            f"no recipient was brought for {', '.join(missing)}, and beside others no escrow key is made here",
            item=str(folder.path / FILE),
            remedy=_MAKE,
        )


def _require_offline(folder: PrivateFolder, keys: Sequence[ClassYearKey]) -> None:
    here = sorted({key.id for key in keys} & set(held(folder)))
    if here:
        raise KeyringError(
            f"the identities of {', '.join(here)} lie here, where who copied the removed keys may have copied them",
            item=str(folder.path / identities.FILE),
            remedy="Make these keys anew by escrow state=made offline, and bring recipients.txt alone",
        )


def _require_agreement(folder: PrivateFolder, found: Mapping[str, str], named: Iterable[ClassYearKey]) -> None:
    for key in named:
        if found.get(key.id, key.public) != key.public:
            raise KeyringError(
                f"the keyring has another escrow key {key.id} than this",
                item=str(folder.path / FILE),
                remedy="Bring the recipients of this repository; another key of a class and year takes another series",
            )


def _require_new(folder: PrivateFolder, brought: Iterable[ClassYearKey], named: Iterable[ClassYearKey]) -> None:
    taken = {key.public: key.id for key in named}
    for key in brought:
        if key.public in taken:
            raise KeyringError(
                f"the recipient of {key.id} is that of {taken[key.public]}, which is named already",
                item=str(folder.path / FILE),
                remedy=_ANEW,
            )
