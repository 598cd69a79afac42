# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a connection plugin may do wrong, none of which passes for an answer or shows what a device said."""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import time
import typing as t

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import plugin_session
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.plugin_session import PluginSession
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Reach
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    PolicyError,
    RefusedItemError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import API, JSON, Item

CANARY = "CANARY-77c1"
IOS = platforms.find("ios")
RUNNING = next(item for item in IOS.items if item.name == "running")
WHOLE = f"Building configuration...\n!\nversion 15.2\nhostname r1\nenable secret {CANARY}\nend\n"


class Plugin:
    """What a connection plugin for devices has."""

    def __init__(self, answer: t.Any = WHOLE, *, connect: t.Any = None) -> None:
        self.answer = answer
        self.connect = connect
        self.closed = 0

    def _connect(self) -> None:
        _done(self.connect)

    def send(self, **_asked: object) -> t.Any:
        return _done(self.answer)

    def close(self) -> None:
        self.closed += 1


def _done(told: t.Any) -> t.Any:
    if isinstance(told, BaseException):
        raise told
    return told() if callable(told) else told


def swallowing() -> str:
    """Hang, and take what stops it for an error of one's own, as plugins do."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            time.sleep(60)
        except Exception:
            continue
    raise AssertionError("nothing stopped it")


def session(monkeypatch: pytest.MonkeyPatch, plugin: Plugin, **more: t.Any) -> PluginSession:
    monkeypatch.setattr(plugin_session, "_loaded", lambda *_told: plugin)
    reach = Reach("r1", "r1", password="x", **more)
    return PluginSession(t.cast("t.Any", None), {}, reach, "ansible.netcommon.network_cli", IOS)


def test_an_answer_is_what_the_device_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(WHOLE.replace("\n", "\r\n"))
    with session(monkeypatch, plugin) as talk:
        assert talk.read(RUNNING) == WHOLE.encode()
    assert plugin.closed == 1


def test_an_api_gives_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    item = Item("config", "/config", "all of it", transport=API, form=JSON)
    with session(monkeypatch, Plugin(({}, io.BytesIO(b'{"a": 1}')))) as talk:
        assert talk.read(item) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        # as they report a connection that was cut
        (None, CaptureError, "a word that stands for nothing"),
        ("", CaptureError, "nothing"),
        (WHOLE[:-4], CaptureError, "was cut off"),
        (f"% Invalid input detected at '^' marker. {CANARY}", RefusedItemError, "does not know"),
        (AnsibleConnectionFailure(f"timeout after {CANARY}"), ConnectionLostError, "AnsibleConnectionFailure"),
        (AttributeError(f"'NoneType' {CANARY}"), ConnectionLostError, "AttributeError"),
        (TypeError(CANARY), ConnectionLostError, "TypeError"),
        (type("PluginFault", (Exception,), {})(CANARY), ConnectionLostError, "PluginFault"),
        (swallowing, ConnectionLostError, "in 0.2 seconds"),
    ],
)
def test_what_is_no_whole_answer_is_an_error_without_its_text(
    monkeypatch: pytest.MonkeyPatch, answer: t.Any, error: type[CaptureError], why: str
) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with session(monkeypatch, Plugin(answer), answer_seconds=0.2 if answer is swallowing else 30.0) as talk:
        with pytest.raises(error) as caught:
            talk.read(RUNNING)
        assert why in str(caught.value)
        assert CANARY not in f"{caught.value}{caught.value!r}{caught.value.details}"
        assert (caught.value.host, caught.value.item) == ("r1", "running")
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_alarm_is_left_behind_a_call_that_ends_when_its_time_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.001

    def ending(early: float) -> str:
        end = time.perf_counter() + seconds - early
        while time.perf_counter() < end:
            pass
        return WHOLE

    plugin = Plugin()
    with session(monkeypatch, plugin, answer_seconds=seconds) as talk:
        for count in range(400):
            plugin.answer = functools.partial(ending, (count % 40) / 250_000)
            with contextlib.suppress(ConnectionLostError):
                talk.read(RUNNING)
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("connect", [AnsibleConnectionFailure(f"Authentication failed {CANARY}"), swallowing])
def test_who_is_not_let_in_is_told(monkeypatch: pytest.MonkeyPatch, connect: t.Any) -> None:
    plugin = Plugin(connect=connect)
    with pytest.raises(ConnectionLostError) as caught:
        session(monkeypatch, plugin, login_seconds=0.2)
    assert CANARY not in str(caught.value)
    assert plugin.closed == 1


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        session(monkeypatch, Plugin(), limit_bytes=10) as talk,
        pytest.raises(CaptureError, match="more than 10 bytes"),
    ):
        talk.read(RUNNING)


def test_nothing_is_changed_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with session(monkeypatch, Plugin()) as talk:
        for change in (lambda: talk.say("reload"), lambda: talk.put("flash:x", b"")):
            with pytest.raises(PolicyError, match="not changed over a connection plugin"):
                change()


def test_what_a_plugin_would_log_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_DEBUG_CONTENT", raising=False)
    monkeypatch.setattr(constants, "DEFAULT_DEBUG", True)
    with pytest.raises(PolicyError, match="ANSIBLE_DEBUG"):
        session(monkeypatch, Plugin())
