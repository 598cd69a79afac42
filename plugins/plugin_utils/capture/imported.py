# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What another tool has captured, as the content of a component."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..errors import CaptureError
from ..model import sources
from ..model.component import FILES, Component, Handling
from ..model.content import ComponentContent
from ..model.entry import Entry
from ..model.platform import RUNNING, Platform
from . import texts, wire

# the source of a text that nobody was asked for
BY_IMPORT = {"by": "import"}


def device_text(
    name: str, data: bytes, platform: Platform | None, marks: tuple[str, ...], **more: t.Any
) -> ComponentContent:
    """A device's configuration: what runs on a platform, as if it had been asked for that, or else a text.

    :param platform: None for a text that no device may be given back as it is.
    :param more: whose it is and how large it may be, as :class:`Component` has it.
    :raises CaptureError: it is empty; TooLargeError where it is too large.
    """
    if not data.strip():
        raise CaptureError("it is empty", item=name)
    kind, item = sources.CONTENT, "text"
    source: dict[str, t.Any] = dict(BY_IMPORT)
    means: dict[str, t.Any] = {}
    handling = Handling()
    if platform is not None:
        kind, item = sources.DEVICE, RUNNING
        source = {"platform": platform.name, "items": [RUNNING]}
        means = {"platform": platform}
        handling = Handling(secrets=tuple(rule.pattern for rule in platform.secrets))
    component = Component(
        name, (sources.folder(name),), kind=kind, source=source, means=means, handling=handling, **more
    )
    return _marked(texts.captured(component, {item: data}), marks)


def tree(
    name: str,
    paths: tuple[str, ...],
    entries: tuple[Entry, ...],
    contents: Mapping[str, bytes],
    marks: tuple[str, ...],
    **more: t.Any,
) -> ComponentContent:
    """Files of a host.

    :raises CaptureError: a path that no walk would give, or that *paths* do not declare.
    """
    component = Component(name, paths, kind=FILES, **more)
    for entry in entries:
        # as what a host itself says is read
        try:
            wire.read_entry(wire.write_entry(entry))
        except ValueError as e:
            raise CaptureError("holds a name, or a number, that no host can have", item=repr(entry.path)) from e
        if not component.declares(entry.path):
            raise CaptureError("holds a path outside of what it is about", item=repr(entry.path))
    return _marked(ComponentContent(wire.fingerprint(component, entries, ()), entries, contents), marks)


def _marked(content: ComponentContent, marks: tuple[str, ...]) -> ComponentContent:
    return ComponentContent(content.fingerprint, content.entries, content.contents, marks)
