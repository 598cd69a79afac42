# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What capture/base.py promises, as tests that every source inherits."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import EntryKind

from .sites import MTIME, Site, component

APP = component("app")
BASE = component("base")
NONE = component("none")


class SourceConformance:
    """A source inherits this and gives a fixture ``empty``: a site without files."""

    @pytest.fixture
    def site(self, empty: Site) -> Site:
        empty.write("/etc/app/main.conf", b"listen = 8080\n")
        empty.write("/etc/app/empty", b"")
        empty.write("/etc/app/binary", bytes(range(256)) * 300)
        empty.write("/etc/base", b"a component may be one file")
        for path in ("/etc/app/main.conf", "/etc/app/empty", "/etc/app/binary", "/etc/base"):
            empty.set_mode(path, 0o640)
            empty.set_mtime(path, MTIME)
        return empty

    def test_every_component_is_answered_in_the_order_asked(self, site: Site) -> None:
        for asked in ([APP, BASE], [BASE, APP], [BASE]):
            names = [each.name for each in asked]
            assert list(site.source.fingerprints(asked)) == list(site.source.content(asked)) == names
            for part in site.source.content(asked).values():
                assert part.component in asked
        assert site.source.fingerprints([]) == site.source.content([]) == {}

    def test_an_answer_is_whole_or_an_error(self, site: Site) -> None:
        for ask in (site.source.fingerprints, site.source.content):
            with pytest.raises(CaptureError) as caught:
                ask([APP, NONE])
            assert "/etc/none" in str(caught.value)
            assert caught.value.remedy

    def test_content_has_the_fingerprint_that_fingerprints_gives(self, site: Site) -> None:
        prints = site.source.fingerprints([APP, BASE])
        assert {name: part.fingerprint for name, part in site.source.content([APP, BASE]).items()} == prints
        assert prints["app"].raw != prints["base"].raw
        # asked with others or alone: it is the same
        assert site.source.fingerprints([BASE])["base"] == prints["base"]

    def test_what_is_volatile_is_captured_and_no_drift(self, site: Site) -> None:
        steady = dataclasses.replace(APP, volatile=("/etc/app/empty",))
        before = site.source.fingerprints([steady])["app"]
        assert before.normalised is not None
        assert before.raw == site.source.fingerprints([APP])["app"].raw
        site.write("/etc/app/empty", b"written by a daemon")
        after = site.source.content([steady])["app"]
        assert after.contents["/etc/app/empty"] == b"written by a daemon"
        assert after.fingerprint.raw != before.raw
        assert after.fingerprint.normalised == before.normalised
        site.write("/etc/app/main.conf", b"listen = 9090\n")
        assert site.source.fingerprints([steady])["app"].normalised != before.normalised

    def test_twice_without_a_change_is_equal(self, site: Site) -> None:
        assert site.source.fingerprints([APP, BASE]) == site.source.fingerprints([APP, BASE])
        assert site.source.content([APP, BASE]) == site.source.content([APP, BASE])

    def test_sizes_and_digests_are_those_of_the_bytes(self, site: Site) -> None:
        for part in site.source.content([APP, BASE]).values():
            files = [entry for entry in part.entries if entry.kind is EntryKind.FILE]
            assert {entry.path for entry in files} == set(part.contents)
            for entry in files:
                assert entry.size == len(part.contents[entry.path])
                assert entry.sha256 == hashlib.sha256(part.contents[entry.path]).hexdigest()
            assert part.fingerprint.size == sum(entry.size for entry in files)
            assert part.fingerprint.entries == len(part.entries)
        assert site.source.content([APP])["app"].contents["/etc/app/main.conf"] == b"listen = 8080\n"

    @pytest.mark.parametrize("change", ["content", "same length", "mode", "more", "less", "renamed"])
    def test_a_change_shows_and_only_where_it_is(self, site: Site, change: str) -> None:
        before = site.source.fingerprints([APP, BASE])
        match change:
            case "content":
                site.write("/etc/app/main.conf", b"listen = 80\n")
            case "same length":
                site.write("/etc/app/main.conf", b"listen = 9090\n")
                site.set_mtime("/etc/app/main.conf", MTIME)
            case "mode":
                site.set_mode("/etc/app/empty", 0o4755)
            case "more":
                site.write("/etc/app/new", b"")
            case "less":
                site.remove("/etc/app/empty")
            case "renamed":
                site.remove("/etc/app/empty")
                site.write("/etc/app/vacant", b"")
                site.set_mode("/etc/app/vacant", 0o640)
                site.set_mtime("/etc/app/vacant", MTIME)
        after = site.source.fingerprints([APP, BASE])
        assert after["app"].raw != before["app"].raw
        assert after["base"] == before["base"]
        assert site.source.content([APP])["app"].fingerprint == after["app"]

    def test_mtime_is_kept_and_is_no_change(self, site: Site) -> None:
        before = site.source.fingerprints([APP])
        site.set_mtime("/etc/app/main.conf", MTIME + 10**9)
        assert site.source.fingerprints([APP]) == before
        kept = {entry.path: entry.mtime_ns for entry in site.source.content([APP])["app"].entries}
        assert kept["/etc/app/main.conf"] == MTIME + 10**9
        assert kept["/etc/app/empty"] == MTIME

    def test_reading_changes_nothing(self, site: Site) -> None:
        before = site.state()
        site.source.fingerprints([APP, BASE])
        site.source.content([APP, BASE])
        assert site.state() == before
