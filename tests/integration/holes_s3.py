# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers let identities do beyond their rights: what it comes to, and what withstands it or tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .attempts_s3 import PUTTERS

_ALL = ("operator", "restorer", "auditor", "custodian", "outsider")
_PUTTERS = tuple(identity for identity in _ALL if identity in PUTTERS)


@dataclass(frozen=True)
class Hole:
    """One attempt that servers let pass, or answer with 200 without an effect.

    :param servers: to whom, by server.
    """

    attempt: str
    servers: Mapping[str, tuple[str, ...]]
    comes_to: str
    withstands: str

    def covers(self, attempt: str, server: str, identity: str) -> bool:
        """Whether this is it."""
        return attempt == self.attempt and identity in self.servers.get(server, ())

    def where(self) -> str:
        """To whom, for the page."""
        return "; ".join(f"{server}: {_named(identities)}" for server, identities in self.servers.items())


def _named(identities: tuple[str, ...]) -> str:
    names = {_ALL: "anybody with keys", _PUTTERS: "whoever may put"}
    return names.get(identities, ", ".join(identities))


HOLES: tuple[Hole, ...] = (
    Hole(
        "lock what has no lock, with bypass",
        {"minio": ("restorer", "auditor", "custodian", "outsider")},
        "what is not locked cannot be removed before a date of the attacker's choice: it costs space",
        "what is put here is locked from the first",
    ),
    Hole(
        "shorten a lock in mode governance, with bypass",
        {"minio": ("operator",)},
        "as the next line, and no right to bypass is asked for",
        "as the next line",
    ),
    Hole(
        "make a lock in mode governance one of compliance that ends soon, with bypass",
        {"minio": _ALL},
        "what is locked in mode governance goes as soon as the attacker wants, by another key or by lifecycle",
        "mode governance is refused on MinIO by name: take mode compliance, which holds there",
    ),
    Hole(
        "put one that everybody may read",
        {"versitygw": _PUTTERS, "minio": _PUTTERS},
        "nothing: the header is ignored, and nobody without keys reads the object",
        "the server",
    ),
    Hole(
        "put one that everybody may read, by a grant",
        {"versitygw": _PUTTERS, "minio": _PUTTERS},
        "nothing: the header is ignored, and nobody without keys reads the object",
        "the server",
    ),
    Hole(
        "put one with tags",
        {"rgw": _PUTTERS},
        "an object of its own has tags: nothing, unless a lifecycle rule asks for tags",
        "lifecycle rules here ask for prefixes alone",
    ),
    Hole(
        "put one with a legal hold",
        {"rgw": _PUTTERS},
        "an object of its own stays until somebody with the right to holds lets it go: it costs space",
        "`verify` counts packs that no point names; a custodian or the owner takes the hold away",
    ),
    Hole(
        "put one named like a folder, with its slash",
        {"minio": ("operator",), "rgw": ("operator",)},
        "a listing shows one more name, and hides none",
        "no reader believes a name of that form",
    ),
    Hole(
        "put a root link by a name that climbs",
        {"rgw": ("operator",)},
        "a listing shows one more name, as it was given: it is no root link",
        "no reader believes a name of that form. Copy a repository to a disk with the collection, or with a tool that "
        "refuses `..`",
    ),
    Hole(
        "put a folder's name by one that stays",
        {"rgw": ("operator",)},
        "a listing shows one more name, and hides none",
        "no reader believes a name of that form",
    ),
    Hole(
        "put a folder's name by a doubled slash",
        {"rgw": ("operator",)},
        "a listing shows one more name, and hides none",
        "no reader believes a name of that form",
    ),
    Hole(
        "put below a name that is an object",
        {"minio": _PUTTERS, "rgw": _PUTTERS},
        "MinIO takes the object and lists it nowhere; Ceph RGW lists one more name. What is above stays as it is",
        "no reader believes a name of that form",
    ),
)
