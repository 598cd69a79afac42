# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the interface itself refuses, whatever a source answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint

from .sites import MemorySource, component

APP, BASE = component("app"), component("base")
FILES = {"/etc/app/a": b"1", "/etc/app/b": b"2", "/etc/base": b"3"}


class Partial(MemorySource):
    """Forgets all but the first component."""

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        return super()._fingerprints(components[:1])

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        return super()._content(components[:1])


class Careless(MemorySource):
    """Lists a file and does not give it, or gives one that it did not list."""

    def __init__(self, *, more: bool) -> None:
        super().__init__(FILES)
        self._more = more

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        found = super()._content(components)
        part = found["app"]
        contents = {**part.contents, "/etc/app/c": b""} if self._more else {"/etc/app/a": b"1"}
        return {**found, "app": dataclasses.replace(part, contents=contents)}


def test_a_partial_answer_is_an_error_that_names_what_is_missing() -> None:
    for ask in (Partial(FILES).fingerprints, Partial(FILES).content):
        with pytest.raises(CaptureError, match="no answer for base"):
            ask([APP, BASE])
        assert list(ask([APP])) == ["app"]


@pytest.mark.parametrize("more", [True, False])
def test_entries_and_contents_must_be_of_the_same_files(more: bool) -> None:
    with pytest.raises(CaptureError, match="item app"):
        Careless(more=more).content([APP])


def test_what_was_not_asked_for_is_not_passed_on() -> None:
    class Talkative(MemorySource):
        def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
            return super()._fingerprints([*components, BASE])

    assert list(Talkative(FILES).fingerprints([APP])) == ["app"]
