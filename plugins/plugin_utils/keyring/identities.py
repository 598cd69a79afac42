# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Age identity files (age-keygen(1)) in which each identity has a name, and the folder of those that go offline."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ..errors import FormatError, KeyringError
from ..model.keys import ClassYearKey, class_year
from ..seal import age
from .base import AGE_X25519, ClassYear
from .folder import PrivateFolder

FILE = "identities.txt"

_ESCROW_README = """\
ESCROW KEYS of the configuration backup repository {repository}

Whoever holds identities.txt can read every backup of this repository, without Ansible,
without the keyring and without any other key. It is the way back when all else is lost.

1. Move this whole folder now to a place that is not connected to any computer: two
   encrypted USB sticks in two safes, or paper. Then delete it here.
2. When keys for more classes or years are made, a new folder of this name appears beside
   {beside}. Keep it with this one: it does not replace it.
3. To destroy the backups of one class and year for good, delete its two lines in
   identities.txt (the comment that names it and the AGE-SECRET-KEY below) in every copy
   of this folder, and {elsewhere}.

To open a pack (a file PACK.tar.zst.age under packs/ in the repository) with stock tools:

    mkdir restored
    age -d -i identities.txt PACK.tar.zst.age | zstd -d \\
        | tar -x -p --xattrs --xattrs-include='*' -C restored
    cd restored && sha256sum -c SHA256SUMS

RESTORE.md in the pack says what is where.
"""


class Identity(t.NamedTuple):
    """A line of an identity file, and its class and year as the comment above names them; empty where it does not."""

    name: str
    recipient: str
    secret: str


def make_escrow(folder: PrivateFolder, repository: str, *, beside: str, elsewhere: str) -> None:
    """Make the folder of keys that go offline, with a page that says what they are.

    :param beside: what else of the keyring it stands beside.
    :param elsewhere: what else must be deleted to destroy a class and year.
    """
    folder.make()
    text = _ESCROW_README.format(repository=repository, beside=beside, elsewhere=elsewhere)
    folder.write("README.txt", text.encode())


def class_year_keys(
    folder: PrivateFolder, gaps: Iterable[ClassYear], *, fresh: bool = False
) -> tuple[ClassYearKey, ...]:
    """Make an identity for each class and year, in one write; lines that are in the file stay as they are.

    :param fresh: also where the file has one of that name, which another root may have named meanwhile.
    """
    gaps = list(gaps)
    if not gaps:
        return ()
    text = folder.read(FILE) or b""
    if text and not text.endswith(b"\n"):
        text += b"\n"
    recipients = {identity.name: identity.recipient for identity in read(text, folder)}
    lines = []
    keys = []
    for retention_class, year, series in gaps:
        name = f"{retention_class}-{year}{series}"
        if fresh or name not in recipients:
            secret, recipients[name] = age.generate()
            lines.append(f"# {name} {recipients[name]}\n{secret}\n")
        keys.append(ClassYearKey(retention_class, year, AGE_X25519, recipients[name], series))
    if lines:
        folder.write(FILE, text + "".join(lines).encode())
    return tuple(keys)


def without(text: bytes, recipient: str, folder: PrivateFolder) -> bytes:
    """An identity file without the identity of that recipient, and without the comment above it.

    :raises KeyringError: as :func:`read`.
    """
    read(text, folder)
    kept: list[str] = []
    for line in text.decode("utf-8", "replace").splitlines():
        secret = line.strip() and not line.startswith("#")
        if secret and age.recipient_of(line.strip()) == recipient:
            if kept and kept[-1].startswith("#"):
                kept.pop()
            continue
        kept.append(line)
    return "".join(f"{line}\n" for line in kept).encode()


def read(text: bytes, folder: PrivateFolder) -> list[Identity]:
    """Read an identity file of *folder*; the comment above an identity names its key, such as ``d0090-2026``.

    Names are shown and published. What else a comment says is not: it may be an identity that was commented out.

    :raises KeyringError: a line is neither a comment nor an identity.
    """
    found = []
    name = ""
    # never an exception that carries the text
    for line in text.decode("utf-8", "replace").splitlines():
        if line.startswith("#"):
            name = _name(line)
        elif line.strip():
            try:
                found.append(Identity(name, age.recipient_of(line.strip()), line.strip()))
            except FormatError as e:
                raise KeyringError(
                    "a line of the identity file is neither a comment nor an age identity",
                    item=str(folder.path / FILE),
                    remedy="Restore the file from a copy",
                ) from e
            name = ""
    return found


def _name(comment: str) -> str:
    first = (comment[1:].split() or [""])[0]
    return first if class_year(first) else ""
