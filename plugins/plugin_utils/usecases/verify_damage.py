# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to restore from where an object is damaged: the nearest snapshots of its stream that are whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from ..errors import FormatError
from ..format import names
from ..model import instant
from ..model.point import StreamEntry
from ..model.verification import Finding, Source
from ..store.base import Listed

OLDER, NEWER = "older", "newer"


class Remedies:
    """Adds to findings whose snapshot they are about, and what to restore from instead.

    :param told: what believed points say of each snapshot, by the name of its manifest.
    :param named_by: the id of the newest point that names it.
    :param listed: the versions of every object.
    :param damaged: objects that nobody can use as they are, or that are gone.
    :param read: manifests of the snapshots of which all was read that the level reads, and nothing was wrong.
    """

    def __init__(
        self,
        told: Mapping[str, Sequence[StreamEntry]],
        named_by: Mapping[str, str],
        listed: Mapping[str, Sequence[Listed]],
        *,
        damaged: Collection[str],
        read: Collection[str],
    ) -> None:
        self._named_by = named_by
        self._listed = listed
        self._damaged = damaged
        self._read = read
        self._of: dict[str, StreamEntry] = {}
        self._streams: dict[tuple[str, str], list[StreamEntry]] = {}
        for entries in told.values():
            # the last one knows the name that the inventory has for the host by now
            entry = entries[-1]
            self._of[entry.manifest.name] = entry
            self._of.setdefault(entry.pack.name, entry)
            self._streams.setdefault(entry.key, []).append(entry)
        for stream in self._streams.values():
            stream.sort(key=_age)

    def add(self, finding: Finding) -> Finding:
        """The same finding, with whose snapshot it is about, and what to restore from where it is damaged."""
        entry = self._of.get(finding.item)
        if entry is None:
            host, stream = _of_name(finding.item)
            return dataclasses.replace(finding, host=host, stream=stream)
        found = dataclasses.replace(finding, host=entry.name, stream=entry.stream)
        if finding.item not in self._damaged:
            return found
        sources = self._nearest(entry)
        return dataclasses.replace(
            found, restore_from=sources, remedy=f"{found.remedy.rstrip('.')}. {_spoken(entry, sources)}"
        )

    def _nearest(self, damaged: StreamEntry) -> tuple[Source, ...]:
        """The nearest older and the nearest newer snapshot of the stream that nothing is wrong with."""
        whole = [entry for entry in self._streams[damaged.key] if self._whole(entry)]
        older = [entry for entry in whole if _age(entry) < _age(damaged)][-1:]
        newer = [entry for entry in whole if _age(entry) > _age(damaged)][:1]
        return tuple(
            Source(
                which,
                recovery_point=self._named_by[entry.manifest.name],
                captured_at=entry.captured_at,
                read=entry.manifest.name in self._read,
            )
            for which, entries in ((OLDER, older), (NEWER, newer))
            for entry in entries
        )

    def _whole(self, entry: StreamEntry) -> bool:
        """Whether it is there, was not found damaged, and is a snapshot that a restore chooses."""
        return entry.is_rollback_target and all(
            ref.name not in self._damaged and any(not version.marker for version in self._listed.get(ref.name, ()))
            for ref in (entry.pack, entry.manifest)
        )


def _age(entry: StreamEntry) -> tuple[object, ...]:
    return entry.age_order[:2]


def _spoken(entry: StreamEntry, sources: Sequence[Source]) -> str:
    if not sources:
        return f"No other snapshot of {entry.spoken} in this repository is whole: only a replica can have one."
    listed = " or ".join(
        f"recovery point {source.recovery_point} ({source.which}, captured "
        f"{instant.to_text(source.captured_at) if source.captured_at else ''}{'' if source.read else ', not read yet'})"
        for source in sources
    )
    return f"Until then restore {entry.spoken} from {listed}."


def _of_name(name: str) -> tuple[str, str]:
    """Host and stream of an object that no point names, as far as its name says them."""
    try:
        parts = names.parse(name)
    except FormatError:
        return "", ""
    if not parts.host:
        return "", ""
    return names.unescape_host(parts.host) or parts.host, parts.stream
