# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that the controller has: as the content of a component, and the source of those that a task pushes."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from ...module_utils import _texts
from ..errors import CaptureError, TooLargeError
from ..model import sources
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import LeftOut
from . import wire
from .base import Source


def captured(component: Component, texts: Mapping[str, bytes], refused: Sequence[str] = ()) -> ComponentContent:
    """Make a component's content of its texts, by item.

    :param refused: items that a device does not give, which are left out.
    :raises TooLargeError: they are larger than the component may be.
    :raises CaptureError: they are not those that its source says.
    """
    if tuple(sorted((*texts, *refused))) != sources.items(component):
        raise CaptureError("the source gave other texts than were asked for", item=component.name)
    if sum(map(len, texts.values())) > component.max_bytes:
        raise TooLargeError(
            f"component {component.name} holds more than {component.max_bytes} bytes",
            item=component.name,
            remedy="Raise its max_bytes, or ask for less.",
        )
    folder = sources.folder(component.name)
    entries = tuple(
        wire.read_entry(_texts.entry(folder, item, len(text), hashlib.sha256(text).hexdigest()))
        for item, text in sorted(texts.items())
    )
    contents = {f"{folder}/{item}": text for item, text in sorted(texts.items())}
    found = wire.fingerprint(component, entries, (), contents)
    left_out = tuple(LeftOut(f"{folder}/{item}", sources.REFUSED) for item in sorted(refused))
    return ComponentContent(dataclasses.replace(found, left_out=left_out), entries, contents)


class TextSource(Source):
    """A source whose components are one text each, which the controller has once :meth:`_text` returns."""

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        return {name: part.fingerprint for name, part in self._content(components).items()}

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        return {c.name: captured(c, dict.fromkeys(sources.items(c), self._text(c))) for c in components}

    @abc.abstractmethod
    def _text(self, component: Component) -> bytes: ...


class Pushed(TextSource):
    """Texts that a task has given, each in its component."""

    def _text(self, component: Component) -> bytes:
        text = component.means.get("text")
        if component.kind != sources.CONTENT or not isinstance(text, bytes):
            raise CaptureError(
                f"no text was pushed for component {component.name}",
                item=component.name,
                remedy="Give it to holdfast.config.snapshot as content.",
            )
        return text
