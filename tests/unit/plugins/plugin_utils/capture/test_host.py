# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a managed host: what it asks, and what it makes of the answers."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    RestoreError,
    TooLargeError,
)

from .sites import HostSite, component, near_trip

APP, BASE = component("app"), component("base")


@pytest.fixture
def site(tmp_path: Path) -> HostSite:
    site = HostSite(tmp_path / "host")
    site.write("/etc/app/main.conf", b"listen = 8080\n")
    return site


class Recorded:
    """A trip that keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, t.Any], bytes]] = []

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.asked.append((half, request, payload))
        return near_trip(half, request, payload)


def test_a_survey_lists_digests_and_brings_no_content(site: HostSite) -> None:
    trip = Recorded()
    survey = Host(trip, root=str(site.root)).survey([APP])
    assert [entry.path for entry in survey.entries["app"]] == ["/etc/app", "/etc/app/main.conf"]
    assert survey.privileged is (os.geteuid() == 0)
    assert [(half, request["op"]) for half, request, _payload in trip.asked] == [("tree", "entries")]


@pytest.mark.parametrize("root", ["", "/none", "/none/at/all"])
def test_nothing_there_is_no_error_for_a_survey_and_is_one_for_a_capture(tmp_path: Path, root: str) -> None:
    host = Host(near_trip, root=f"{tmp_path}{root}")
    assert host.survey([APP, BASE]).entries == {"app": (), "base": ()}
    for ask in (host.fingerprints, host.content):
        with pytest.raises((CaptureError, RestoreError)) as caught:
            ask([APP])
        assert caught.value.remedy


def test_what_was_captured_is_written_elsewhere_equal(site: HostSite, tmp_path: Path) -> None:
    content = site.source.content([APP])["app"]
    elsewhere = HostSite(tmp_path / "elsewhere")
    applied = elsewhere.source.apply(content.entries, content.contents, owners=False)
    assert applied.written == ("/etc/app", "/etc/app/main.conf")
    assert applied.warnings == ()
    assert elsewhere.source.content([APP])["app"].contents == content.contents
    assert elsewhere.source.fingerprints([APP]) == site.source.fingerprints([APP])
    assert elsewhere.source.apply(content.entries, content.contents, owners=False).written == ()


def test_check_sends_no_content_and_writes_nothing(site: HostSite, tmp_path: Path) -> None:
    content = site.source.content([APP])["app"]
    trip = Recorded()
    applied = Host(trip, root=str(tmp_path / "elsewhere")).apply(
        content.entries, content.contents, owners=False, check=True
    )
    assert applied.written == ("/etc/app", "/etc/app/main.conf")
    assert [payload for _half, _request, payload in trip.asked] == [b""]
    assert not (tmp_path / "elsewhere").exists()


def test_a_limit_of_bytes_goes_to_the_host_and_holds_here(site: HostSite) -> None:
    site.write("/etc/app/big", bytes(range(256)) * 40)
    with pytest.raises(TooLargeError):
        Host(near_trip, root=str(site.root), limit_bytes=10_000).content([APP])
    assert Host(near_trip, root=str(site.root), limit_bytes=20_000).content([APP])


def test_an_apply_that_refuses_says_what_to_do(site: HostSite, tmp_path: Path) -> None:
    content = site.source.content([APP])["app"]
    (tmp_path / "elsewhere/etc").mkdir(parents=True)
    (tmp_path / "elsewhere/etc/app").symlink_to("/tmp")
    with pytest.raises(RestoreError, match="/etc/app") as caught:
        HostSite(tmp_path / "elsewhere").source.apply(content.entries, content.contents, owners=False)
    assert "Remove the symbolic link" in str(caught.value)


def test_a_lost_connection_stays_one() -> None:
    def lost(*_args: object) -> str:
        raise ConnectionLostError("the host was not reached")

    host = Host(lost)
    for ask in (host.fingerprints, host.content, host.survey):
        with pytest.raises(ConnectionLostError):
            ask([APP])
