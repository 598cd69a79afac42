# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escrow: its keys made offline; and into several hands, one sealed file, and a share of its key for each custodian."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import FormatError, IntegrityError, KeyMissingError, PolicyError
from ..format import escrow as escrow_format
from ..keyring import identities, recipients
from ..keyring.base import AGE_X25519, ClassYear
from ..keyring.folder import PrivateFolder
from ..keyring.identities import Identity
from ..model import instant
from ..model.escrow import CUSTODIAN, REPOSITORY, Custodian, EscrowKey, EscrowSet, Share, share_file
from ..model.keys import ClassYearKey
from ..model.quorum import folded
from ..seal import age, shares

MANIFEST = "escrow.json"
SEALED = "escrow.age"

_SEALED_TEXT = "# Escrow keys of the configuration backup repository {repository}, for age -d -i\n"
_SHARE_TEXT = """\
# Share of {custodian}: {threshold} of {count} open {sealed} of {repository}.
# Custodian: {custodian}
# Show the line below to nobody but the ceremony: docs/runbooks/escrow_ceremony.md
{words}
"""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a set is to be: for whom, and how many of them open it.

    :raises PolicyError: that cannot be.
    """

    repository: str
    custodians: tuple[Custodian, ...]
    threshold: int

    def __post_init__(self) -> None:
        if not REPOSITORY.fullmatch(self.repository):
            raise PolicyError(
                f"{self.repository!r} is not a repository name",
                item="repository_name",
                remedy="Give that of holdfast_repository.",
            )
        count = len(self.custodians)
        if not 2 <= self.threshold <= count <= shares.MOST:
            raise PolicyError(
                f"{self.threshold} of {count} custodians is no split",
                item="threshold",
                remedy=f"Name {shares.MOST} custodians at most, and a threshold from 2 to their number: "
                "of one alone the loss is the loss of all",
            )
        for one in self.custodians:
            if not CUSTODIAN.fullmatch(one.name):
                raise PolicyError(
                    f"{one.name!r} is no name of a custodian",
                    item="custodians",
                    remedy="Use letters, digits and . _ @ + -, 63 at most.",
                )
        if len({folded(one.name) for one in self.custodians}) < count:
            raise PolicyError("a custodian is named twice", item="custodians", remedy="Name each once.")
        keys = [self.key(one) for one in self.custodians]
        if len(set(keys)) < count:
            raise PolicyError(
                "two custodians have one key", item="custodians", remedy="Each has a key of their own, and nobody two."
            )

    @staticmethod
    def key(custodian: Custodian) -> str:
        """A custodian's key in its one spelling; raises PolicyError where nothing can be encrypted to it."""
        try:
            return age.public_key(custodian.key)
        except FormatError as e:
            raise PolicyError(e.message, item=f"custodians: {custodian.name}", remedy=e.remedy) from None


@dataclasses.dataclass(frozen=True)
class Split:
    """A set, and whether it was made now. ``away`` are custodians whose share is not in its folder: they have it."""

    escrow: EscrowSet
    made: bool
    away: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Made:
    """The escrow keys of a folder, by the names and recipients that it tells the keyring.

    ``new`` are names of those that were made now, ``written`` says whether either file was, and ``away`` are names of
    those whose identities are not in the folder.
    """

    keys: tuple[EscrowKey, ...]
    new: tuple[str, ...]
    written: bool
    away: tuple[str, ...]


def make(path: Path, wanted: Sequence[ClassYear], *, check: bool = False) -> Made:
    """Make escrow keys in the folder *path*: identities, which stay offline, and recipients, which the keyring gets.

    What is in either file stays as it is. A recipient whose identity is elsewhere gets no second one.

    :param wanted: of which classes and years.
    :param check: find out only. The recipients of what would be made are empty then.
    :raises KeyringError: the folder cannot be used, or one of its files is damaged or contradicts the other.
    """
    folder = PrivateFolder(path)
    if check:
        return _made(folder, wanted, check=True)
    folder.make()
    with folder.locked():
        return _made(folder, wanted, check=False)


def _made(folder: PrivateFolder, wanted: Sequence[ClassYear], *, check: bool) -> Made:
    known = recipients.known(folder)
    named = {ClassYearKey(kept, year, AGE_X25519, "", series).id: (kept, year, series) for kept, year, series in wanted}
    new = {name: at for name, at in named.items() if name not in known}
    made = () if check else identities.class_year_keys(folder, new.values())
    known |= {key.id: key.public for key in made} if made else dict.fromkeys(new, "")
    listed = folder.read(recipients.FILE) or b""
    completed = recipients.completed(listed, known)
    if not check and completed != listed:
        folder.write(recipients.FILE, completed)
    away = sorted(set(known) - set(recipients.held(folder)) - set(new))
    keys = tuple(EscrowKey(name, known[name]) for name in sorted(known))
    return Made(keys, tuple(new), completed != listed, tuple(away))


def read_folders(paths: Sequence[Path]) -> list[Identity]:
    """Read the identities of escrow folders, each once.

    :raises KeyMissingError: a folder has none.
    :raises KeyringError: a folder cannot be used, or gives others any right.
    """
    found: dict[str, Identity] = {}
    for path in paths:
        folder = PrivateFolder(path)
        text = folder.read(identities.FILE)
        listed = identities.read(text, folder) if text is not None else []
        if not listed:
            raise KeyMissingError(
                "holds no escrow keys",
                item=str(path / identities.FILE),
                remedy="Name the folder that state=made or repository state=present made, where it is mounted now.",
            )
        for identity in listed:
            found.setdefault(identity.recipient, identity)
    return list(found.values())


def without(found: Sequence[Identity], ids: Sequence[str]) -> list[Identity]:
    """Leave out the keys of classes and years that are to be destroyed; raises PolicyError where one is not there.

    :param ids: such as ``d0090-2026``.
    """
    names = {identity.name for identity in found if identity.name}
    unknown = sorted(set(ids) - names)
    if unknown:
        raise PolicyError(
            f"there is no key {', '.join(unknown)} to leave out",
            item="without",
            remedy=f"There are {', '.join(sorted(names))}.",
        )
    return [identity for identity in found if identity.name not in ids]


def keys_of(found: Sequence[Identity]) -> tuple[EscrowKey, ...]:
    """What may be told of identities, sorted."""
    return tuple(sorted((EscrowKey(one.name, one.recipient) for one in found), key=lambda key: (key.id, key.recipient)))


def split(path: Path, wanted: Wanted, found: Sequence[Identity], *, now: dt.datetime, check: bool = False) -> Split:
    """Seal identities into the folder *path*, and a share of the key to each custodian; whole, or not at all.

    A folder that holds just such a set is left as it is. One that holds another is never written over: it may be the
    last of its keys.

    :param found: as :func:`read_folders` gives them.
    :param now: this machine's time, which need not be right.
    :param check: find out only.
    :raises PolicyError: the folder holds another set, or something else; or an identity has no name.
    :raises IntegrityError: it holds such a set, and it is damaged.
    """
    _require_names(found)
    keys = keys_of(found)
    known = _known(path)
    if known is not None:
        _require_same(path, known, wanted, keys)
        return Split(known, False, _away(path, known))
    if _taken(path):
        raise PolicyError(
            "the folder holds something else", item=str(path), remedy="Name one that is new, or empty, in path."
        )
    secret, recipient = age.generate()
    sealed = age.encrypt(_text(wanted.repository, found), [recipient])
    words = shares.split(secret.encode(), threshold=wanted.threshold, count=len(wanted.custodians))
    files = {
        share_file(one.name): _share(wanted, one, line) for one, line in zip(wanted.custodians, words, strict=True)
    }
    made = EscrowSet(
        repository=wanted.repository,
        made_at=instant.whole(now),
        threshold=wanted.threshold,
        shares=tuple(
            Share(
                one.name, _sha256(wanted.key(one).encode()), shares.digest(line), _sha256(files[share_file(one.name)])
            )
            for one, line in zip(wanted.custodians, words, strict=True)
        ),
        keys=keys,
        sealed_sha256=_sha256(sealed),
    )
    if not check:
        _put(path, {**files, SEALED: sealed, MANIFEST: escrow_format.write(made)})
    return Split(made, True, ())


def _require_names(found: Sequence[Identity]) -> None:
    """Nobody could say of a nameless key what it opens, leave it out, or sign that it was destroyed."""
    nameless = [identity.recipient for identity in found if not identity.name]
    if nameless:
        raise PolicyError(
            f"{len(nameless)} identities have no name of a class and year, the first that of {nameless[0]}",
            item="folders",
            remedy=f"Write above it in {identities.FILE} which key it is, like: # d0090-2026. Where no root names that "
            "recipient, it is no key of the repository: take it out.",
        )


def read_set(path: Path) -> EscrowSet:
    """Read what is public of the set in a folder; raises KeyMissingError where there is none."""
    known = _known(path)
    if known is None:
        raise KeyMissingError(
            "holds no split escrow", item=str(path / MANIFEST), remedy="Name the folder that state=split wrote."
        )
    return known


def read_sealed(path: Path, known: EscrowSet) -> bytes:
    """Read the sealed file of a set; raises IntegrityError where it is not that of *known*."""
    data = PrivateFolder(path).read(SEALED)
    if data is None or _sha256(data) != known.sealed_sha256:
        raise IntegrityError(
            "is missing" if data is None else "is not the one that was split",
            item=str(path / SEALED),
            remedy="Take another copy of the folder: without this file no share opens anything",
        )
    return data


def _known(path: Path) -> EscrowSet | None:
    data = PrivateFolder(path).read(MANIFEST)
    return None if data is None else escrow_format.read(data, what=str(path / MANIFEST))


def _require_same(path: Path, known: EscrowSet, wanted: Wanted, keys: Sequence[EscrowKey]) -> None:
    differs = [
        what
        for what, one, other in (
            ("repository", known.repository, wanted.repository),
            ("threshold", known.threshold, wanted.threshold),
            (
                "custodians",
                {(share.custodian, share.key_sha256) for share in known.shares},
                {(one.name, _sha256(wanted.key(one).encode())) for one in wanted.custodians},
            ),
            ("keys", set(known.keys), set(keys)),
        )
        if one != other
    ]
    if differs:
        raise PolicyError(
            f"the folder holds a split with other {' and '.join(differs)}, and is not written over",
            item=str(path),
            remedy="Name a new folder in path; destroy this one once the new one is proved.",
        )
    read_sealed(path, known)
    for share in known.shares:
        data = PrivateFolder(path).read(share.file)
        if data is not None and _sha256(data) != share.file_sha256:
            raise IntegrityError(
                f"the share of {share.custodian} is not the one that was made",
                item=str(path / share.file),
                remedy="Take another copy of it, or split again into a new folder.",
            )


def _away(path: Path, known: EscrowSet) -> tuple[str, ...]:
    there = set(PrivateFolder(path).names())
    return tuple(share.custodian for share in known.shares if share.file not in there)


def _taken(path: Path) -> bool:
    folder = PrivateFolder(path)
    return folder.exists() and bool(folder.names())


def _text(repository: str, found: Sequence[Identity]) -> bytes:
    lines = [f"# {one.name} {one.recipient}\n{one.secret}\n" for one in found]
    return (_SEALED_TEXT.format(repository=repository) + "".join(lines)).encode()


def _share(wanted: Wanted, custodian: Custodian, words: str) -> bytes:
    text = _SHARE_TEXT.format(
        custodian=custodian.name,
        threshold=wanted.threshold,
        count=len(wanted.custodians),
        sealed=SEALED,
        repository=wanted.repository,
        words=words,
    )
    return age.encrypt_for(text.encode(), wanted.key(custodian))


def _put(path: Path, files: dict[str, bytes]) -> None:
    """Write a folder whole: under another name, and then in place of nothing, or of an empty one."""
    beside = PrivateFolder(path.parent / f".{path.name}.new")
    beside.make()
    # what a killed run left
    beside.clear()
    for name, data in files.items():
        beside.write(name, data)
    beside.move(path)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
