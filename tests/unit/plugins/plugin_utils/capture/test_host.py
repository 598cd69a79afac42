# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of a managed host: what it asks, and what it makes of the answers."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import random
import typing as t
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    RestoreError,
    TooLargeError,
)

from .sites import HostSite, SpoolingTrip, component, near_trip

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


# Contents that are too large for one answer

LARGE = random.Random(1).randbytes(50_000)


@pytest.fixture
def trip(tmp_path: Path) -> SpoolingTrip:
    return SpoolingTrip(tmp_path / "tmp")


@pytest.fixture
def large(site: HostSite, trip: SpoolingTrip) -> Host:
    """A host whose answers hold 20,000 bytes of content, and that has more."""
    site.write("/etc/app/large", LARGE)
    return Host(trip, root=str(site.root), deliver_bytes=20_000)


def test_large_content_comes_range_by_range_and_leaves_nothing(large: Host, trip: SpoolingTrip, site: HostSite) -> None:
    assert large.content([APP]) == site.source.content([APP])
    assert trip.ops == ["content", "read", "read", "read"]
    assert [request["length"] for request in trip.asked[1:3]] == [20_000, 20_000]
    assert [request["drop"] for request in trip.asked[1:]] == [False, False, True]
    assert list(trip.folder.iterdir()) == []


def test_small_content_comes_with_the_answer(trip: SpoolingTrip, site: HostSite) -> None:
    assert Host(trip, root=str(site.root), deliver_bytes=20_000).content([APP]) == site.source.content([APP])
    assert trip.ops == ["content"]


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _grow(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"x")


DAMAGES: dict[str, t.Callable[[Path], object]] = {
    "flipped": _flip,
    "cut": lambda file: os.truncate(file, 30_000),
    "emptied": lambda file: os.truncate(file, 0),
    "exchanged": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "removed": lambda file: file.unlink(),
    "folder removed": lambda file: (file.unlink(), file.parent.rmdir()),
    "opened to others": lambda file: file.parent.chmod(0o755),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("turn", [1, 2])
def test_what_happens_to_the_file_meanwhile_is_noticed(large: Host, trip: SpoolingTrip, damage: str, turn: int) -> None:
    def meddle(_request: object) -> None:
        if len(trip.asked) == turn + 1 and trip.kept:
            DAMAGES[damage](trip.kept[0])

    trip.before = meddle
    with pytest.raises(CaptureError):
        large.content([APP])
    if damage != "opened to others":
        assert trip.kept == []


def test_a_file_that_grows_is_read_no_further(large: Host, trip: SpoolingTrip, site: HostSite) -> None:
    trip.before = lambda request: _grow(trip.kept[0]) if request["op"] == "read" else None
    assert large.content([APP]) == site.source.content([APP])


def test_a_connection_that_is_lost_on_the_way_stays_so_and_the_file_is_removed(large: Host, trip: SpoolingTrip) -> None:
    def lose(request: Mapping[str, t.Any]) -> None:
        if request["op"] == "read":
            raise ConnectionLostError("the host was not reached")

    trip.before = lose
    with pytest.raises(ConnectionLostError, match="the host was not reached"):
        large.content([APP])
    assert trip.ops == ["content", "read", "drop"]
    assert trip.kept == []


def test_what_cannot_be_removed_either_says_why_it_broke_off(large: Host, trip: SpoolingTrip) -> None:
    def lose(request: Mapping[str, t.Any]) -> None:
        if request["op"] != "content":
            raise ConnectionLostError(f"lost at {request['op']}")

    trip.before = lose
    with pytest.raises(ConnectionLostError, match="lost at read"):
        large.content([APP])
    assert len(trip.kept) == 1


def test_an_interrupted_capture_removes_the_file(large: Host, trip: SpoolingTrip) -> None:
    def interrupt(request: Mapping[str, t.Any]) -> None:
        if request["op"] == "read":
            raise KeyboardInterrupt

    trip.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        large.content([APP])
    assert trip.kept == []


def _changed(printed: str, change: t.Callable[[dict[str, t.Any]], object]) -> str:
    """An answer that was printed, with another header."""
    header, contents = wire.read_answer(printed, limit_bytes=100_000)
    change(header)
    return _answering([(header, contents)])("tree", {})


def _answering(answers: t.Iterable[tuple[t.Any, bytes]]) -> t.Callable[..., str]:
    """A trip to a host that answers as it likes."""
    coming = iter(answers)

    def trip(_half: str, _request: object, _payload: bytes = b"") -> str:
        header, contents = next(coming)
        head = json.dumps(header).encode()
        return "HOLDFAST1 " + base64.b64encode(zlib.compress(b"%08x" % len(head) + head) + contents).decode()

    return trip


def test_a_host_that_claims_too_large_a_file_is_asked_for_nothing_of_it() -> None:
    file = {"folder": "/tmp/.holdfast-0123456789abcdef", "size": 1 << 40, "sha256": "ab" * 32}
    with pytest.raises(TooLargeError):
        Host(_answering([({"file": file}, b""), ({}, b"")])).content([APP])


def _as(**more: t.Any) -> t.Callable[[dict[str, t.Any]], object]:
    return lambda header: header["file"].update(more)


class Hearing(Host):
    """A host whose own words are judged too."""

    def _hear(self, header: Mapping[str, object]) -> None:
        wire.read_told(header)


REFUSED: dict[str, t.Callable[[dict[str, t.Any]], object]] = {
    "too large": _as(size=1 << 40),
    "no size": lambda header: header["file"].pop("size"),
    "no digest": _as(sha256="x"),
    "no listing": lambda header: header["components"].clear(),
    "a listing of another size": lambda header: header["components"]["app"]["listing"][-1].update(size=1),
    "a path elsewhere": lambda header: header["components"]["app"]["listing"][-1].update(path="/etc/shadow"),
    "no time": lambda header: header["host"].pop("time"),
    "no host": lambda header: header.pop("host"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_an_answer_that_is_refused_leaves_nothing_on_the_host(site: HostSite, trip: SpoolingTrip, how: str) -> None:
    site.write("/etc/app/large", LARGE)

    def changed(*told: t.Any) -> str:
        return trip(*told) if trip.asked else _changed(trip(*told), REFUSED[how])

    host = Hearing(changed, root=str(site.root), deliver_bytes=20_000)
    with pytest.raises(CaptureError):
        host.content([APP])
    assert (trip.ops[0], trip.ops[-1]) == ("content", "drop")
    assert list(trip.folder.iterdir()) == []


FOLDER = "/tmp/.holdfast-0123456789abcdef"


@pytest.mark.parametrize(
    "file",
    [
        None,
        1,
        [],
        {},
        {"folder": None},
        {"folder": FOLDER[1:]},
        {"folder": "/tmp"},
        {"folder": FOLDER + "\n"},
        {"folder": f"/\0{FOLDER}"},
        {"folder": FOLDER + "/"},
        {"folder": [FOLDER]},
    ],
)
def test_a_host_that_names_no_folder_of_its_own_is_asked_to_remove_none(file: t.Any) -> None:
    answers = _answering([({"file": file}, b"")])
    with pytest.raises(ConnectionLostError, match="not have the form"):
        Host(answers).content([APP])
    assert wire.read_folder({"file": file}) is None
    assert wire.read_folder({"file": {"folder": FOLDER}}) == FOLDER


@pytest.mark.parametrize("piece", [b"", b"x" * 9, b"x" * 11])
def test_a_range_of_another_size_is_refused(site: HostSite, piece: bytes) -> None:
    request = wire.tree_request(
        "content", [APP], root=str(site.root), absent="error", limits={"bytes": 99, "entries": 9}
    )
    header, _contents = wire.read_answer(near_trip("tree", request), limit_bytes=10_000)
    file = {"folder": "/tmp/.holdfast-0123456789abcdef", "size": 10, "sha256": "ab" * 32}
    answers = [({**header, "file": file}, b""), ({}, piece), ({}, b"")]
    with pytest.raises(ConnectionLostError, match="less or more of the contents"):
        Host(_answering(answers)).content([APP])


def test_a_file_of_another_digest_than_told_is_refused(site: HostSite) -> None:
    request = wire.tree_request(
        "content", [APP], root=str(site.root), absent="error", limits={"bytes": 99, "entries": 9}
    )
    header, contents = wire.read_answer(near_trip("tree", request), limit_bytes=10_000)
    file = {"folder": "/tmp/.holdfast-0123456789abcdef", "size": len(contents), "sha256": "ab" * 32}
    answers = [({**header, "file": file}, b""), ({}, contents), ({}, b"")]
    with pytest.raises(ConnectionLostError, match="not those that the host kept"):
        Host(_answering(answers)).content([APP])
    file["sha256"] = hashlib.sha256(contents).hexdigest()
    assert Host(_answering(answers)).content([APP]) == site.source.content([APP])


def test_each_component_has_its_own_limit_and_a_survey_has_none_of_them(site: HostSite) -> None:
    site.write("/etc/base", bytes(3000))
    small, wide = dataclasses.replace(APP, max_bytes=10), dataclasses.replace(BASE, max_bytes=3000)
    with pytest.raises(TooLargeError, match="component app holds more than 10 bytes") as caught:
        site.source.content([small, wide])
    assert "raise its max_bytes" in str(caught.value)
    assert site.source.content([APP, wide])["base"].fingerprint.size == 3000
    assert [len(entries) for entries in site.source.survey([small, wide]).entries.values()] == [2, 1]
