# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind, LeftOut
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import CapturedComponent, Fingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.states import (
    HostKeys,
    LookedAt,
    Sealed,
    Seen,
    Snapshots,
    State,
    by_digests,
    find,
    live_state,
    look,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import HostSite, near_trip

from .lab import Lab, declared

ASKED = Sealed("h", Selection(newest=True))
FILE = Entry("/etc/b", EntryKind.FILE, 0o644, 0, 0, "root", "root", 0, 1, "ab" * 32)


def captured(name: str, *paths: str, left_out: tuple[LeftOut, ...] = ()) -> CapturedComponent:
    component = Component(name, paths, "tier1", "somebody", "internal")
    fingerprint = Fingerprint(name, "", "", "")
    return CapturedComponent(component, fingerprint, 0, (), left_out, 0, ())


def back_up(lab: Lab, site: HostSite) -> Snapshots:
    lab.run({"h": site.source})
    return find(lab.repository, ASKED, {})


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> HostSite:
    site = HostSite(tmp_path_factory.mktemp("root"))
    site.write("/etc/app/main.conf", b"S3CRET\n")
    site.write("/etc/base", b"base\n")
    (site.root / "etc/app/link").symlink_to("main.conf")
    return site


def test_by_digests_nothing_is_known_of_contents_and_targets(lab: Lab, site: HostSite) -> None:
    found = back_up(lab, site)
    state = by_digests(found, found.captured)
    assert sorted(state.entries) == ["/etc/app", "/etc/app/link", "/etc/app/main.conf", "/etc/base"]
    assert state.owner["/etc/base"] == "base"
    assert state.contents is None
    assert [entry.target for entry in state.shown.values() if entry.kind is EntryKind.SYMLINK] == [""]
    assert state.entries["/etc/app/main.conf"].sha256 != ""
    assert state.shown["/etc/app/main.conf"].sha256 == ""


def test_a_host_is_keyed_as_its_manifests_are(lab: Lab, site: HostSite) -> None:
    found = back_up(lab, site)
    before = by_digests(found, found.captured)
    seen = look(LookedAt(near_trip, root=str(site.root)), found.captured.values(), {})
    after = live_state(seen, before, found, HostKeys(lab.repository, lab.keyring))
    assert {path: entry.sha256 for path, entry in after.entries.items()} == {
        path: entry.sha256 for path, entry in before.entries.items()
    }
    assert after.shown["/etc/app/link"].target == "main.conf"


def test_only_the_components_that_were_asked_for_are_in_a_state(lab: Lab, site: HostSite) -> None:
    found = back_up(lab, site)
    assert sorted(by_digests(found, ["base"]).entries) == ["/etc/base"]
    narrow = find(lab.repository, Sealed("h", Selection(newest=True, components=("base",))), {})
    assert sorted(narrow.captured) == ["base"]
    assert sorted(by_digests(narrow, ["app", "base"]).entries) == ["/etc/base"]


def test_without_the_seal_half_there_are_no_host_keys(lab: Lab, site: HostSite) -> None:
    (manifest, *_more) = back_up(lab, site).manifests
    with pytest.raises(KeyMissingError):
        HostKeys(lab.repository, None).of(manifest)
    # a digest key that no link of the root names
    with pytest.raises(KeyMissingError):
        HostKeys(lab.repository, lab.keyring).of(dataclasses.replace(manifest, digest_key="00"))


def test_a_state_speaks_for_what_it_would_hold() -> None:
    state = State({}, {}, {}, (captured("etc", "/etc", left_out=(LeftOut("/etc/a", "unreadable"),)),))
    assert state.speaks_for("/etc/b")
    assert not state.speaks_for("/etc/a/b")
    assert not state.speaks_for("/srv")


def test_where_components_overlap_the_listing_counts_of_whose_the_path_was() -> None:
    parts = (captured("one", "/etc"), captured("two", "/etc/b"))
    link = dataclasses.replace(FILE, kind=EntryKind.HARDLINK, target="/etc/a", sha256="", size=0)
    first = dataclasses.replace(FILE, path="/etc/a")
    before = State({}, {"/etc/b": "one"}, {}, parts)
    seen = Seen({"one": (first, link), "two": (FILE,)}, {}, {}, (), privileged=True)
    after = live_state(seen, before, Snapshots(ASKED, (), ()), None)
    assert after.entries == {"/etc/a": first, "/etc/b": link}
    assert after.owner == {"/etc/a": "one", "/etc/b": "one"}


def test_a_host_that_is_looked_at_tells_what_it_leaves_out(site: HostSite) -> None:
    site.write("/etc/app/x.bak", b"x")
    component = {"name": "app", "paths": ["/etc/app"], "excludes": [{"pattern": "*.bak", "reason": "copies"}]}
    target = LookedAt(near_trip, root=str(site.root))
    target.survey(declared(component).components)
    assert target.left_out == {"app": (LeftOut("/etc/app/x.bak", "copies"),)}
    assert isinstance(target, Host)
