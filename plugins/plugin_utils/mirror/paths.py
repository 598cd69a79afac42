# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that become paths of a repository: reversible, and harmless on every file system and to git."""

from __future__ import annotations

import enum
import hashlib
import os
import re
from urllib.parse import unquote_to_bytes

from ..errors import NameRefusedError

_LONGEST = 120
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_HASHED = re.compile(r"=[0-9a-f]{64}")


class Layout(enum.Enum):
    """Where texts stand: as this collection has them, or as RANCID and Oxidized do, one text for each host.

    Sources: rancid(1), where the files of a group stand below ``configs``; Oxidized, docs/Outputs.md, output git,
    where a file has the name of its node, below its group with ``single_repo``.
    """

    HOLDFAST = "holdfast"
    RANCID = "rancid"
    OXIDIZED = "oxidized"

    @property
    def one_text(self) -> bool:
        """Whether a host has one file."""
        return self is not Layout.HOLDFAST


def segment(name: str) -> str:
    """Spell a name as one segment of a path: with bytes but letters, digits and ``._-`` as ``%XX``.

    A leading dot is spelled out too, so that nothing is hidden, leads upwards, or is a file that git obeys. A name
    whose spelling is longer than 120 characters stands as ``=`` and its SHA-256. Host names are spelled as in names of
    objects (format.md section 1).

    :param name: with surrogates for bytes that are no UTF-8, as file names have them.
    :raises NameRefusedError: an empty name, or one with a NUL or a slash.
    """
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError as e:
        raise NameRefusedError("a name is no text", item=repr(name)) from e
    if not raw or b"\0" in raw or b"/" in raw:
        raise NameRefusedError("a name is empty, or holds what no name may", item=repr(name))
    escaped = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
    if escaped.startswith("."):
        escaped = f"%2E{escaped[1:]}"
    return escaped if len(escaped) <= _LONGEST else f"={hashlib.sha256(raw).hexdigest()}"


def unsegment(text: str) -> str | None:
    """Read a name back; None for a long one.

    :raises NameRefusedError: :func:`segment` spells nothing so.
    """
    if _HASHED.fullmatch(text):
        return None
    name = os.fsdecode(unquote_to_bytes(text))
    if segment(name) != text:
        raise NameRefusedError("is not a segment of a path of a mirror", item=repr(text))
    return name


def spelled(path: str) -> str:
    """Spell a path of a host, or a path below a folder, with each of its names by :func:`segment`."""
    return "/".join(segment(name) for name in path.strip("/").split("/"))


def single(layout: Layout, host: str, group: str) -> str:
    """The file of a host in a layout that has one text for each.

    :param group: names of folders; empty where a repository is of one group.
    """
    # what RANCID is told of a router it spells small
    name = segment(host.lower() if layout is Layout.RANCID else host)
    folders = [*([spelled(group)] if group else []), *(["configs"] if layout is Layout.RANCID else [])]
    return "/".join((*folders, name))
