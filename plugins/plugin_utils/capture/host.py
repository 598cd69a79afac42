# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a managed host: capture what is there, and write back what was sealed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import Entry, EntryKind
from . import wire
from .base import Source

LIMIT_BYTES = 64 * 1024 * 1024
LIMIT_ENTRIES = 200_000
# listings are JSON: a generous kilobyte an entry
_HEADER_BYTES = 1024 * LIMIT_ENTRIES


@dataclasses.dataclass(frozen=True)
class Applied:
    """What a host wrote, in its own order, and what it could not set."""

    written: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What stands on a host now, by component, and whether its half runs as root and so can set owners."""

    entries: Mapping[str, tuple[Entry, ...]]
    privileged: bool


class Host(Source):
    """A host reached by *trip*; *root* is the folder below which its paths are looked up."""

    def __init__(self, trip: wire.Trip, *, root: str = "/", limit_bytes: int = LIMIT_BYTES) -> None:
        self._trip = trip
        self._root = root
        self._limit_bytes = limit_bytes

    def survey(self, components: Sequence[Component]) -> Survey:
        """List what is there of each component, with digests.

        Content stays on the host, and nothing there is no error.
        """
        header, _blob = self._ask("entries", components, absent="leave_out")
        return Survey(wire.read_listings(components, header), privileged=wire.read_privilege(header))

    def apply(
        self, entries: Sequence[Entry], contents: Mapping[str, bytes], *, owners: bool, check: bool = False
    ) -> Applied:
        """Write *entries*, parents first, below this host's root, each path whole or not at all.

        :param owners: set owner and group, which takes root's right.
        :param check: judge everything, write nothing.
        """
        payload = b"" if check else b"".join(contents[e.path] for e in entries if e.kind is EntryKind.FILE)
        request = wire.apply_request(entries, root=self._root, owners=owners, check=check)
        printed = self._trip("apply", request, payload)
        header, _blob = wire.read_answer(printed, limit_bytes=_HEADER_BYTES, half="apply")
        return Applied(*wire.read_applied(header))

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        header, _blob = self._ask("fingerprint", components)
        return wire.read_fingerprints(components, header)

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        header, blob = self._ask("content", components)
        return wire.read_content(components, header, blob)

    def _ask(
        self, op: str, components: Sequence[Component], *, absent: str = "error"
    ) -> tuple[dict[str, object], bytes]:
        limits = {"bytes": self._limit_bytes, "entries": LIMIT_ENTRIES}
        request = wire.tree_request(op, components, root=self._root, absent=absent, limits=limits)
        limit_bytes = self._limit_bytes * max(1, len(components)) + _HEADER_BYTES
        return wire.read_answer(self._trip("tree", request), limit_bytes=limit_bytes)
