# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One source for a host's components of all kinds."""

from __future__ import annotations

from collections.abc import Sequence

from ..model import sources
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from .api import Api
from .base import Source
from .device import Device, no_session
from .texts import Pushed


class Composite(Source):
    """Asks each component's own source, the host's half for all that it gathers at once.

    :param host: for files, commands and environments; not asked where there are none.
    :param device: for what is asked of it as a device; who has none cannot be asked for that.
    """

    def __init__(self, host: Source, device: Source | None = None) -> None:
        self._host = host
        self._others: dict[str, Source] = {
            sources.API: Api(),
            sources.CONTENT: Pushed(),
            sources.DEVICE: device or Device(no_session),
        }

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        found: dict[str, PlainFingerprint] = {}
        for source, part in self._parts(components):
            found.update(source.fingerprints(part))
        return found

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        found: dict[str, ComponentContent] = {}
        for source, part in self._parts(components):
            found.update(source.content(part))
        return found

    def _parts(self, components: Sequence[Component]) -> list[tuple[Source, list[Component]]]:
        """Which source is asked for which components, the host first."""
        parts = [(self._host, [c for c in components if c.kind not in self._others])]
        parts += [(source, [c for c in components if c.kind == kind]) for kind, source in self._others.items()]
        return [(source, part) for source, part in parts if part]
