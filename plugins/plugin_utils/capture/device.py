# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a network device tells of itself, asked in a conversation that the controller has with it."""

from __future__ import annotations

import types
import typing as t
from collections.abc import Callable, Sequence

from ..errors import CaptureError, HoldfastError, RefusedItemError
from ..model import sources
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.platform import Item, Platform
from . import texts, wire
from .base import Source
from .session import Session

# Logs in to a device of a platform for one transport; raises CaptureError where that does not succeed.
OpenSession = Callable[[Platform, str], Session]


class Device(Source):
    """Asks one device for the texts of its components, each of them once.

    It logs in when something is asked first, once for each platform and transport, and stays logged in until it is
    closed. What was answered is kept until then: between fingerprints and content nothing can change. A text that
    the device refuses, and that its platform calls optional, is left out; a component of which it refuses all is an
    error.
    """

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session
        self._sessions: dict[tuple[str, str], Session] = {}
        self._answers: dict[tuple[str, str], bytes | None] = {}
        self._found: dict[str, ComponentContent] = {}

    def close(self) -> None:
        """Log out, and forget what was answered; never raises."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._answers.clear()
        self._found.clear()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.close()

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        return {name: part.fingerprint for name, part in self._content(components).items()}

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        for component in components:
            known = self._found.get(component.name)
            if known is None or known.component != component or known.component.max_bytes != component.max_bytes:
                self._found[component.name] = self._captured(component)
        return {component.name: self._found[component.name] for component in components}

    def _captured(self, component: Component) -> ComponentContent:
        platform = wire.platform_of(component)
        if platform is None:
            raise CaptureError(
                f"component {component.name} was asked of a platform that is not known here",
                item=component.name,
                remedy="Name the folder that has it in holdfast_platform_paths.",
            )
        answers = {item.name: self._answer(component, platform, item) for item in _items(component, platform)}
        given = {name: text for name, text in answers.items() if text is not None}
        if not given:
            raise RefusedItemError(
                f"the device gave nothing of component {component.name}",
                item=component.name,
                remedy="Grant its login the right to read these, or name other items.",
            )
        return texts.captured(component, given, [name for name in answers if name not in given])

    def _answer(self, component: Component, platform: Platform, item: Item) -> bytes | None:
        """The text of an item; None where the device refuses one that is optional."""
        asked = (platform.name, item.name)
        if asked not in self._answers:
            try:
                self._answers[asked] = self._session(platform, item.transport).read(item)
            except RefusedItemError:
                if not item.optional:
                    raise
                self._answers[asked] = None
            except HoldfastError as e:
                e.item = e.item or f"{component.name}/{item.name}"
                raise
        return self._answers[asked]

    def _session(self, platform: Platform, transport: str) -> Session:
        wanted = (platform.name, transport)
        if wanted not in self._sessions:
            self._sessions[wanted] = self._open_session(platform, transport)
        return self._sessions[wanted]


def no_session(platform: Platform, transport: str) -> Session:
    """How to log in for who has no way to."""
    raise CaptureError(
        f"nothing here says how a device of platform {platform.name} is reached by {transport}",
        remedy="Let the play run on the device itself.",
    )


def _items(component: Component, platform: Platform) -> list[Item]:
    """What is asked, in the order of the platform's data."""
    wanted = sources.items(component)
    found = [item for item in platform.items if item.name in wanted]
    lacking = sorted(set(wanted) - {item.name for item in found})
    if lacking:
        raise CaptureError(
            f"platform {platform.name} has no {', '.join(lacking)}",
            item=component.name,
            remedy="Name other items, or the folder of the platform that has them.",
        )
    return found
