# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts as the content of components, on the controller and as a host's answer; one trip for all of a host's kinds."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _texts, _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import texts, wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.composite import Composite
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    FormatError,
    TooLargeError,
    UnreadableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_policy, read_pushed

from .sites import component, near_trip, piped_trip


def command(name: str = "said", *argv: str, **more: t.Any) -> Component:
    given = {"name": name, "commands": [{"name": "list", "argv": list(argv or ["printf", "1\n2\n"])}], **more}
    (found,) = read_policy(host="h", components=[given]).components
    return found


def pushed(text: str, **more: t.Any) -> Component:
    (found,) = read_pushed(host="h", content=[{"name": "ilo", "text": text, **more}]).components
    return found


def test_a_text_and_a_command_that_prints_it_differ_in_nothing_but_their_names() -> None:
    captured = texts.captured(command(volatile=["2"]), {"list": b"1\n2\n"})
    assert Host(near_trip).content([command(volatile=["2"])])["said"] == captured


@pytest.mark.parametrize("given", [{}, {"other": b""}, {"list": b"", "more": b""}])
def test_other_texts_than_were_asked_for_are_refused(given: dict[str, bytes]) -> None:
    with pytest.raises(CaptureError, match="other texts"):
        texts.captured(command(), given)


def test_a_limit_holds() -> None:
    small = dataclasses.replace(command(), max_bytes=3)
    assert texts.captured(small, {"list": b"123"}).fingerprint.size == 3
    with pytest.raises(TooLargeError, match="said holds more than 3 bytes"):
        texts.captured(small, {"list": b"1234"})


def test_patterns_that_are_none_are_an_error_of_the_format() -> None:
    with pytest.raises(FormatError, match="a pattern that is none"):
        wire.fingerprint(dataclasses.replace(pushed("x"), volatile=("x", "(")), (), (), {})


def test_patterns_that_run_away_are_stopped_and_hold_nothing_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_texts, "_MATCHING", 0.2)
    slow = pushed(f"CANARY\n{'a' * 3000}b\n", volatile=["^(a+)+$"])
    with pytest.raises(FormatError, match="component ilo: its volatile patterns take more") as caught:
        texts.Pushed().content([slow])
    assert "CANARY" not in str(caught.value)


class Trips:
    """Notes the trips to a host, and answers or tampers with the answer."""

    def __init__(self, tamper: t.Callable[[dict[str, t.Any]], None] | None = None) -> None:
        self.asked: list[Mapping[str, t.Any]] = []
        self.payloads: list[bytes] = []
        self._tamper = tamper

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.asked.append(request)
        self.payloads.append(payload)
        if self._tamper is None:
            return near_trip(half, request, payload)
        header, contents = _tree.answer(json.loads(json.dumps(request)), _texts)
        self._tamper(header["components"]["said"])
        return wire.MARK + _tree.pack(header, contents)


class TestOneTrip:
    """What a host is asked."""

    def test_files_and_texts_come_at_once(self, tmp_path: Path) -> None:
        (tmp_path / "app").write_bytes(b"on disk")
        app = component("app", str(tmp_path / "app"))
        trips = Trips()
        source = Composite(Host(trips))
        found = source.content([command(), app, pushed("by a task")])
        assert [sorted(part.contents.values()) for part in found.values()] == [
            [b"1\n2\n"],
            [b"on disk"],
            [b"by a task"],
        ]
        assert len(trips.asked) == 1
        source.fingerprints([command(), app])
        assert len(trips.asked) == 2

    def test_none_where_nothing_is_the_hosts(self) -> None:
        trips = Trips()
        assert Composite(Host(trips)).content([pushed("x")])["ilo"].contents == {"/holdfast/ilo/text": b"x"}
        assert trips.asked == []

    def test_hosts_of_files_get_no_more_than_before(self, tmp_path: Path) -> None:
        (tmp_path / "app").touch()
        trips = Trips()
        Composite(Host(trips)).fingerprints([component("app", str(tmp_path / "app"))])
        assert trips.payloads == [b""]
        assert not {"program", "kind", "source"} & {*trips.asked[0], *trips.asked[0]["components"][0]}

    def test_what_it_takes_to_ask_stays_here(self) -> None:
        trips = Trips()
        Host(trips).fingerprints([dataclasses.replace(command(), means={"headers": {"a": "CANARY"}})])
        assert "CANARY" not in json.dumps(trips.asked)

    def test_a_survey_looks_for_them_as_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "holdfast/said"
        folder.mkdir(parents=True)
        (folder / "list").write_bytes(b"restored")
        odd = dataclasses.replace(command("said", "/nowhere"), volatile=("(",))
        trips = Trips()
        survey = Host(trips, root=str(tmp_path)).survey([odd])
        assert {entry.path: entry.size for entry in survey.entries["said"]}["/holdfast/said/list"] == 8
        assert trips.payloads == [b""]

    @pytest.mark.parametrize("trip", [near_trip, piped_trip])
    def test_what_a_host_refuses_names_the_command_and_a_remedy(self, trip: wire.Trip) -> None:
        with pytest.raises(CaptureError, match="command list of component said ended with status 1") as caught:
            Host(trip).fingerprints([command("said", "false")])
        assert "Run it by hand there" in str(caught.value)
        (environment,) = read_policy(host="h", components=[{"name": "e", "process": "no-such-one"}]).components
        with pytest.raises(CaptureError, match="no process no-such-one runs") as caught:
            Host(trip).fingerprints([environment])
        assert "Start it" in str(caught.value)
        with pytest.raises(TooLargeError, match="more than 2 bytes"):
            Host(trip).fingerprints([dataclasses.replace(command(), max_bytes=2)])

    def test_what_cannot_be_read_is_unreadable(self) -> None:
        refusal = {
            "error": {"type": "unreadable", "message": "the environment of x cannot be read by uid 1", "items": ["e/x"]}
        }
        with pytest.raises(UnreadableError, match="become"):
            Host(lambda *_args: wire.MARK + _tree.pack(refusal)).fingerprints([command()])


def _set(key: str, value: t.Any) -> t.Callable[[dict[str, t.Any]], None]:
    return lambda answer: answer["listing"][0].__setitem__(key, value)


@pytest.mark.parametrize(
    "tamper",
    [
        _set("path", "/holdfast/said/other"),
        _set("path", "/holdfast/said/list/below"),
        _set("path", "/etc/shadow"),
        _set("mode", 0o4755),
        _set("uid", 1),
        _set("user", "root"),
        _set("mtime_ns", 1),
        _set("kind", "dir"),
        _set("xattrs", {"user.a": "eA=="}),
        _set("target", "/etc/shadow"),
        lambda answer: answer["listing"].clear(),
        lambda answer: answer.pop("normalised"),
        lambda answer: answer.update(normalised="x"),
    ],
)
def test_a_hosts_answer_that_no_half_would_give_is_refused(tamper: t.Callable[[dict[str, t.Any]], None]) -> None:
    source = Host(Trips(tamper))
    with pytest.raises(CaptureError) as caught:
        source.content([command(volatile=["x"])])
    assert isinstance(caught.value, ConnectionLostError) or "outside component said" in str(caught.value)
