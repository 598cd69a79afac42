# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What capture/base.py promises, as tests that every source of texts inherits."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import EntryKind


class TextSite(t.Protocol):
    """A source of texts that a test can change; each component has one text."""

    source: Source

    def put(self, name: str, *lines: str) -> Component:
        """Let the text of that name be of these lines, and give its component."""

    def gone(self, name: str) -> Component:
        """A component whose text cannot be had."""


class TextConformance:
    """A source inherits this and gives a fixture ``site``."""

    @pytest.fixture
    def app(self, site: TextSite) -> Component:
        return site.put("app", "listen=8080", "taken=1")

    @pytest.fixture
    def base(self, site: TextSite) -> Component:
        return site.put("base", "other=ä")

    def test_every_component_is_answered_in_the_order_asked(
        self, site: TextSite, app: Component, base: Component
    ) -> None:
        for asked in ([app, base], [base, app], [base]):
            names = [each.name for each in asked]
            assert list(site.source.fingerprints(asked)) == list(site.source.content(asked)) == names
            for part in site.source.content(asked).values():
                assert part.component in asked
        assert site.source.fingerprints([]) == site.source.content([]) == {}

    def test_an_answer_is_whole_or_an_error(self, site: TextSite, app: Component) -> None:
        gone = site.gone("none")
        for ask in (site.source.fingerprints, site.source.content):
            with pytest.raises(CaptureError) as caught:
                ask([app, gone])
            assert "none" in str(caught.value)
            assert caught.value.remedy

    def test_content_has_the_fingerprint_that_fingerprints_gives(
        self, site: TextSite, app: Component, base: Component
    ) -> None:
        prints = site.source.fingerprints([app, base])
        assert {name: part.fingerprint for name, part in site.source.content([app, base]).items()} == prints
        assert prints["app"].raw != prints["base"].raw
        assert site.source.fingerprints([base])["base"] == prints["base"]

    def test_a_fingerprint_can_be_made_again_of_what_was_packed(self, site: TextSite, app: Component) -> None:
        part = site.source.content([app])["app"]
        assert wire.fingerprint(app, part.entries, (), part.contents) == part.fingerprint

    def test_what_is_volatile_is_captured_and_no_drift(self, site: TextSite, app: Component) -> None:
        steady = dataclasses.replace(app, volatile=("^.{0,4}taken",))
        before = site.source.fingerprints([steady])["app"]
        assert before.normaliser == "lines-1"
        assert before.raw == site.source.fingerprints([app])["app"].raw
        assert site.source.fingerprints([dataclasses.replace(app, volatile=())])["app"].normalised is None
        again = dataclasses.replace(site.put("app", "listen=8080", "taken=22"), volatile=steady.volatile)
        after = site.source.content([again])["app"]
        assert any(b"22" in text for text in after.contents.values())
        assert after.fingerprint.raw != before.raw
        assert after.fingerprint.normalised == before.normalised
        other = dataclasses.replace(site.put("app", "listen=9090", "taken=1"), volatile=steady.volatile)
        assert site.source.fingerprints([other])["app"].normalised != before.normalised

    def test_twice_without_a_change_is_equal(self, site: TextSite, app: Component, base: Component) -> None:
        assert site.source.fingerprints([app, base]) == site.source.fingerprints([app, base])
        assert site.source.content([app, base]) == site.source.content([app, base])

    def test_texts_are_files_of_root_without_a_time(self, site: TextSite, app: Component, base: Component) -> None:
        for name, part in site.source.content([app, base]).items():
            for entry in part.entries:
                assert entry.path.startswith(f"/holdfast/{name}/")
                told = (entry.kind, entry.mode, entry.uid, entry.gid, entry.user, entry.group, entry.mtime_ns)
                assert told == (EntryKind.FILE, 0o600, 0, 0, "", "", 0)
                assert entry.size == len(part.contents[entry.path])
                assert entry.sha256 == hashlib.sha256(part.contents[entry.path]).hexdigest()
            assert part.fingerprint.size == sum(entry.size for entry in part.entries)
            assert part.fingerprint.entries == len(part.entries) == len(part.contents) == 1
            assert part.fingerprint.left_out == ()

    @pytest.mark.parametrize("lines", [["listen=9090", "taken=1"], ["listen=8080", "taken=1", "more=1"], ["taken=1"]])
    def test_a_change_shows_and_only_where_it_is(
        self, site: TextSite, app: Component, base: Component, lines: list[str]
    ) -> None:
        before = site.source.fingerprints([app, base])
        app = site.put("app", *lines)
        after = site.source.fingerprints([app, base])
        assert after["app"].raw != before["app"].raw
        assert after["base"] == before["base"]
        assert site.source.content([app])["app"].fingerprint == after["app"]

    def test_more_than_it_may_hold_is_an_error(self, site: TextSite, app: Component) -> None:
        small = dataclasses.replace(app, max_bytes=5)
        for ask in (site.source.fingerprints, site.source.content):
            with pytest.raises(CaptureError, match="more than 5 bytes") as caught:
                ask([small])
            assert "max_bytes" in str(caught.value.remedy)
