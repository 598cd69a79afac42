# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place asks of a host, and what it believes of the answer."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _apply
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import transaction, wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.transaction import Part, Transaction, Work
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    RestoreError,
    UndoneError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Entry("/etc/app", EntryKind.DIRECTORY, 0o755, 0, 0, "root", "root", 1)
FILE = Entry("/etc/app/main.conf", EntryKind.FILE, 0o644, 0, 0, "root", "root", 1, 3, "ab" * 32)
WORK = Work(
    entries=(FOLDER, FILE),
    contents={FILE.path: b"abc"},
    remove=("/etc/app/old", "/etc/unknown"),
    parts=(Part("other", ("/etc/other",)), Part("app", ("/etc/app",), ("app", "-t"), ("app.service",))),
    owner={"/etc/app": "app", FILE.path: "app", "/etc/app/old": "app"},
    owners=True,
)


class Answers:
    """A trip that notes what was asked, and answers what it was told to."""

    def __init__(self, header: Mapping[str, t.Any] | None = None) -> None:
        self.header = header or {"state": "open"}
        self.asked: list[tuple[str, Mapping[str, t.Any], bytes]] = []

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.asked.append((half, request, payload))
        return wire.MARK + _apply.pack(self.header)


def begun(trip: wire.Trip) -> Transaction:
    return Transaction(trip, restore="ab" * 8, run="run 1", lease=300, journal="/j")


def test_what_is_asked() -> None:
    trip = Answers()
    work = begun(trip)
    work.check(WORK)
    work.apply(WORK, arm=False)
    work.drop()
    work.undo()
    work.recover()
    assert [half for half, _request, _payload in trip.asked] == ["apply", "apply", "back", "back", "back"]
    requests = [request for _half, request, _payload in trip.asked]
    assert [request["op"] for request in requests] == ["check", "apply", "drop", "undo", "recover"]
    common = {"restore": "ab" * 8, "run": "run 1", "lease": 300, "root": "/", "journal": "/j"}
    assert all({key: request[key] for key in common} == common for request in requests)
    # content goes where something is written, and nowhere else
    assert [payload for _half, _request, payload in trip.asked] == [b"", b"abc", b"", b"", b""]
    applied = requests[1]
    assert [entry.get("part") for entry in applied["entries"]] == [1, 1]
    assert applied["remove"] == [{"path": "/etc/app/old", "part": 1}, {"path": "/etc/unknown"}]
    assert applied["parts"][1] == {
        "name": "app",
        "paths": ["/etc/app"],
        "validate": ["app", "-t"],
        "reload": ["app.service"],
    }
    assert applied["arm"] is False


def test_what_is_read() -> None:
    trip = Answers(
        {
            "state": "open",
            "written": ["/etc/app/main.conf"],
            "removed": ["/etc/app/old"],
            "warnings": [["/etc/app", "user.a: ENOTSUP"]],
            "not_atomic": [["/etc/app/main.conf", "it is a mount point"]],
            "validated": ["app"],
            "not_validated": [["other", "no such command"]],
            "reloaded": ["app.service"],
            "not_reloaded": [["other.service", "not active"]],
            "recovered": [{"restore": "cd" * 8, "run": "run 0"}],
            "left": [["/etc/app/b", "changed since"]],
            "armed": True,
            "milliseconds": {"stage": 1500, "apply": 20},
        }
    )
    answer = begun(trip).apply(WORK)
    assert (answer.written, answer.removed) == (("/etc/app/main.conf",), ("/etc/app/old",))
    assert answer.warnings == ("/etc/app: user.a: ENOTSUP",)
    assert answer.not_atomic == ("/etc/app/main.conf: it is a mount point",)
    assert (answer.validated, answer.not_validated) == (("app",), ("other: no such command",))
    assert (answer.reloaded, answer.not_reloaded) == (("app.service",), ("other.service: not active",))
    assert answer.recovered == (f"{'cd' * 8} (run 0)",)
    assert answer.left == ("/etc/app/b: changed since",)
    assert (answer.armed, answer.is_open, answer.seconds) == (True, True, {"stage": 1.5, "apply": 0.02})


def test_a_look_goes_along_and_its_answer_comes_back_unread() -> None:
    trip = Answers({"state": "open", "seen": {"error": {"type": "unreadable"}}})
    assert begun(trip).apply(WORK, look={"op": "entries"}).seen == {"error": {"type": "unreadable"}}
    assert [request.get("look") for _half, request, _payload in trip.asked] == [{"op": "entries"}]
    assert begun(Answers()).apply(WORK).seen is None


@pytest.mark.parametrize("state", ["closed", "nothing", None, 1])
def test_only_an_open_one_is_open(state: object) -> None:
    assert not begun(Answers({"state": state})).check(WORK).is_open


def test_a_host_that_talks_too_much_is_cut_short() -> None:
    long = "x" * 10_000
    answer = begun(Answers({"warnings": [[long, long]] * 1000, "validated": [long] * 1000})).check(WORK)
    assert len(answer.warnings) == 201
    assert answer.warnings[-1] == "and 800 more"
    assert max(map(len, (*answer.warnings, *answer.validated))) == 500
    assert len(answer.validated) == 200


def test_nothing_that_a_terminal_obeys_comes_through() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07"
    answer = begun(Answers({"warnings": [["/x" + evil, evil]], "recovered": [{"restore": "a", "run": evil}]})).check(
        WORK
    )
    assert all(text.isprintable() for text in (*answer.warnings, *answer.recovered))
    refusal = {"type": "invalid", "message": "bad " + evil, "items": [evil], "undone": True, "left": [[evil, evil]]}
    with pytest.raises(UndoneError) as caught:
        begun(Answers({"error": refusal})).apply(WORK)
    assert str(caught.value).isprintable()
    assert str(caught.value.details["left"]).isprintable()


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "written",
                "removed",
                "warnings",
                "not_atomic",
                "validated",
                "recovered",
                "left",
                "milliseconds",
                "state",
                "seen",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_other_answer_is_one_error(header: dict[str, t.Any]) -> None:
    try:
        answer = transaction.read_answer(header)
    except ConnectionLostError:
        return
    assert isinstance(answer, transaction.Answer)


def test_what_was_undone_says_so() -> None:
    refusal = {"type": "invalid", "message": "app refuses it", "items": ["app"], "undone": True, "left": []}
    with pytest.raises(UndoneError, match="app refuses it") as caught:
        begun(Answers({"error": refusal})).apply(WORK)
    assert caught.value.details == {"undone": True, "left": []}
    assert str(caught.value.remedy).startswith("The host is as it was. ")
    refusal["left"] = [["/etc/app/b", "changed since"]]
    with pytest.raises(UndoneError, match="but for /etc/app/b"):
        begun(Answers({"error": refusal})).apply(WORK)


def test_what_was_refused_is_not_said_to_be_undone() -> None:
    refusal = {"type": "read_only", "message": "read-only", "items": ["/etc/app"], "undone": False, "left": []}
    with pytest.raises(RestoreError) as caught:
        begun(Answers({"error": refusal})).apply(WORK)
    assert caught.value.__class__ is RestoreError
    assert not caught.value.details
