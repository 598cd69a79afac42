# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of everything that can be captured."""

from __future__ import annotations

import abc
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import CaptureError
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import EntryKind

T = t.TypeVar("T")


class Source(abc.ABC):
    """Gives the components of one host, device or pushed text.

    Both calls answer for every component asked for, or raise CaptureError: there is no partial answer. Reading twice
    without a change between gives equal fingerprints, and ``content`` gives the fingerprint that ``fingerprints``
    would have given. A source changes nothing where it reads.
    """

    def fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        """Fingerprint each component, by name; content stays where it is."""
        return _whole(components, self._fingerprints(components))

    def content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        """Give each component's entries and bytes, by name. Sizes and digests are those of the bytes given."""
        found = _whole(components, self._content(components))
        for name, part in found.items():
            files = {entry.path for entry in part.entries if entry.kind is EntryKind.FILE}
            if files != set(part.contents):
                raise CaptureError("the source listed files whose content it did not give", item=name)
        return found

    @abc.abstractmethod
    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]: ...

    @abc.abstractmethod
    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]: ...


def _whole(components: Sequence[Component], found: Mapping[str, T]) -> dict[str, T]:
    missing = [component.name for component in components if component.name not in found]
    if missing:
        raise CaptureError(f"the source gave no answer for {', '.join(missing)}", item=missing[0])
    return {component.name: found[component.name] for component in components}
