# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a managed host: capture what is there, and write back what was sealed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from ..errors import CaptureError, ConnectionLostError
from ..model.component import FILES, MOST_BYTES, Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import Entry, EntryKind
from . import wire
from .base import Source

LIMIT_ENTRIES = 200_000
# compressed content that one answer may hold; larger content comes in ranges of as much (docs/adr/0014)
DELIVER_BYTES = 16 * 1024 * 1024
# listings are JSON: a generous kilobyte an entry, and more where several components have many
_HEADER_BYTES = 1024 * LIMIT_ENTRIES
_LISTING_BYTES = 64 * 1024 * 1024
_AGAIN = "Nothing of it was used. Run again."


@dataclasses.dataclass(frozen=True)
class Applied:
    """What a host wrote, in its own order, and what it could not set."""

    written: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Survey:
    """What stands on a host now, by component, and whether its half runs as root and so can set owners.

    ``restores`` are the restores in place that are open there.
    """

    entries: Mapping[str, tuple[Entry, ...]]
    privileged: bool
    restores: tuple[str, ...] = ()


class Host(Source):
    """A host reached by *trip*; *root* is the folder below which its paths are looked up.

    :param limit_bytes: what any component may hold, whatever it allows itself.
    :param deliver_bytes: compressed content that one answer may hold.
    :param journal: the folder on it in which restores in place keep their journals, where it is no usual one.
    """

    def __init__(
        self,
        trip: wire.Trip,
        *,
        root: str = "/",
        limit_bytes: int = MOST_BYTES,
        deliver_bytes: int = DELIVER_BYTES,
        journal: str | None = None,
    ) -> None:
        self._trip = trip
        self._root = root
        self._limit_bytes = limit_bytes
        self._deliver_bytes = deliver_bytes
        self._journal = journal

    def survey(self, components: Sequence[Component]) -> Survey:
        """List what is there of each component, with digests.

        Content stays on the host, and nothing there is no error.
        """
        unbounded = self._unbounded(components)
        header, _contents = self._ask("entries", unbounded, absent="leave_out")
        return self._survey(unbounded, header)

    def survey_request(self, components: Sequence[Component]) -> dict[str, object]:
        """What :meth:`survey` asks, for another trip to the same host that takes it along."""
        return self._request("entries", self._unbounded(components), absent="leave_out")

    def read_survey(self, components: Sequence[Component], answer: Mapping[str, object]) -> Survey:
        """Read the answer to :meth:`survey_request`; raises as :meth:`survey`."""
        return self._survey(self._unbounded(components), wire.read_header(answer, half="tree"))

    def _unbounded(self, components: Sequence[Component]) -> list[Component]:
        # what was sealed under a larger limit can be looked at whatever the limit is now
        return [dataclasses.replace(_as_files(one), max_bytes=self._limit_bytes) for one in components]

    @staticmethod
    def _survey(components: Sequence[Component], header: Mapping[str, object]) -> Survey:
        return Survey(
            wire.read_listings(components, header),
            privileged=wire.read_privilege(header),
            restores=wire.read_told(header).restores,
        )

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
        header, _contents = wire.read_answer(printed, limit_bytes=_HEADER_BYTES, half="apply")
        return Applied(*wire.read_applied(header))

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        header, _contents = self._ask("fingerprint", components)
        return wire.read_fingerprints(components, header)

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        header, contents = self._ask("content", components)
        limit_bytes = sum(min(component.max_bytes, self._limit_bytes) for component in components)
        with self._dropping(header):
            file = wire.read_file(header, limit_bytes=limit_bytes)
            pieces = [contents] if file is None else self._ranges(file)
            return wire.read_content(components, header, pieces, limit_bytes=limit_bytes)

    @contextlib.contextmanager
    def _dropping(self, header: Mapping[str, object]) -> Iterator[None]:
        """Where a host's answer is not taken, let it remove the contents that it says it keeps."""
        try:
            yield
        except BaseException:
            folder = wire.read_folder(header)
            # where this is lost as well, the next run removes it
            with contextlib.suppress(CaptureError):
                if folder is not None:
                    self._trip("tree", wire.drop_request(folder))
            raise

    def _ranges(self, file: wire.KeptFile) -> Iterator[bytes]:
        """The contents that the host keeps in a file, a trip for each range; with the last one it is removed."""
        digest = hashlib.sha256()
        for offset in range(0, file.size, self._deliver_bytes):
            length = min(self._deliver_bytes, file.size - offset)
            request = wire.range_request(file.folder, offset, length, drop=offset + length == file.size)
            _header, piece = wire.read_answer(self._trip("tree", request), limit_bytes=_HEADER_BYTES)
            if len(piece) != length:
                raise ConnectionLostError(
                    "the host gave less or more of the contents than was asked for", remedy=_AGAIN
                )
            digest.update(piece)
            yield piece
        if digest.hexdigest() != file.sha256:
            raise ConnectionLostError("the contents that came are not those that the host kept", remedy=_AGAIN)

    def _ask(
        self, op: str, components: Sequence[Component], *, absent: str = "error"
    ) -> tuple[dict[str, object], bytes]:
        request = self._request(op, components, absent=absent)
        limit_bytes = _HEADER_BYTES + _LISTING_BYTES * len(components)
        printed = self._trip("tree", request, wire.program(components))
        header, contents = wire.read_answer(printed, limit_bytes=limit_bytes)
        with self._dropping(header):
            self._hear(header)
        return header, contents

    def _request(self, op: str, components: Sequence[Component], *, absent: str) -> dict[str, object]:
        return wire.tree_request(
            op,
            components,
            root=self._root,
            absent=absent,
            limits={"bytes": self._limit_bytes, "entries": LIMIT_ENTRIES},
            deliver=None if op == "entries" else self._deliver_bytes,
            journal=self._journal,
        )

    def _hear(self, header: Mapping[str, object]) -> None:
        """Take what an answer says of the host itself."""


def _as_files(component: Component) -> Component:
    """A component of texts as what a restore makes of it: files, whose lines nobody looks at."""
    return component if component.kind == FILES else dataclasses.replace(component, kind=FILES, source={}, volatile=())
