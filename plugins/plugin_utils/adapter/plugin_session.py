# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session by an installed connection plugin for devices, in this process and not in one that outlives the task.

The plugin, and the vendor's plugins below it, know prompts, paging and more rights; what they return is judged as any
other answer. They bound no answer as a whole and report some broken ones as good: here a clock stops them. What they
return need not be what the device said, byte for byte: ``network_cli`` leaves out lines that look like its prompt.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import types
import typing as t
from collections.abc import Callable, Mapping

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ..capture.completeness import judged
from ..capture.session import Reach, Session
from ..errors import ConnectionLostError, DependencyMissingError, PolicyError, TooLargeError
from ..model.platform import API, Item, Platform

_AGAIN_SECONDS = 1.0
_LOOK = "Look at the device by hand, and run again; or leave holdfast_device_session out."


class _Late(BaseException):
    """The time is over. A plugin's own handlers take every Exception."""


class PluginSession(Session):
    """A conversation over the plugin that ``ansible_connection`` names; its options are the host's own variables.

    :raises DependencyMissingError: no plugin of that name is installed.
    :raises CaptureError: the device was not reached, or did not let us in.
    """

    def __init__(
        self,
        action: ActionBase,
        task_vars: Mapping[str, t.Any],
        reach: Reach,
        connection: str,
        platform: Platform,
    ) -> None:
        self._reach = reach
        self._platform = platform
        self._refuse_debug()
        self._plugin = _loaded(action, task_vars, reach, connection)
        try:
            self._guarded(self._plugin._connect, "does not let us in", reach.login_seconds)
        except BaseException:
            self.close()
            raise

    def read(self, item: Item) -> bytes:
        """As ``Session.read``."""
        answer = self._guarded(lambda: self._asked(item), "does not answer", self._reach.answer_seconds, item.name)
        text = answer if isinstance(answer, bytes) else str(answer).encode("utf-8", "surrogateescape")
        if len(text) > self._reach.limit_bytes:
            raise TooLargeError(
                f"answers with more than {self._reach.limit_bytes} bytes",
                host=self._reach.device,
                item=item.name,
                remedy="Raise the component's max_bytes, or ask for less.",
            )
        plain = text.replace(b"\r\n", b"\n")
        refusals = self._platform.dialogue.refusals if self._platform.dialogue else ()
        return judged(item, plain, refusals, device=self._reach.device, structure=self._platform.structure)

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        """Refuse: only what this collection's own session says is known to be said once."""
        raise PolicyError(
            "a device is not changed over a connection plugin",
            host=self._reach.device,
            item="holdfast_device_session",
            remedy="Leave it out, so that the collection's own session is used.",
        )

    def put(self, path: str, text: bytes) -> None:
        """Refuse, as :meth:`say`."""
        self.say("")

    def close(self) -> None:
        """Log out; never raises."""
        with contextlib.suppress(Exception, _Late):
            _stopped_after(_AGAIN_SECONDS * 5, self._plugin.close)

    def _asked(self, item: Item) -> t.Any:
        if item.transport != API:
            return self._plugin.send(command=item.ask.encode())
        _headers, body = self._plugin.send(data=None, path=item.ask, method="GET")
        return body.read() if hasattr(body, "read") else body

    def _refuse_debug(self) -> None:
        if constants.DEFAULT_DEBUG and not os.environ.get("HOLDFAST_DEBUG_CONTENT"):
            raise PolicyError(
                "ANSIBLE_DEBUG would print configuration content",
                host=self._reach.device,
                item="ANSIBLE_DEBUG",
                remedy="Unset it, or set HOLDFAST_DEBUG_CONTENT=1 where that output may hold content.",
            )

    def _guarded(self, call: Callable[[], t.Any], what: str, seconds: float, item: str | None = None) -> t.Any:
        """What a call of the plugin returns, in no more than so many seconds.

        No error of a plugin's comes through: they repeat what a device says.
        """
        device = self._reach.device
        try:
            return _stopped_after(seconds, call)
        except _Late:
            raise ConnectionLostError(f"{what} in {seconds:g} seconds", host=device, item=item, remedy=_LOOK) from None
        # plugins raise what the libraries below them raise, whatever that is
        except Exception as e:  # noqa: BLE001
            why = f"the connection plugin ended by {e.__class__.__name__}"
            raise ConnectionLostError(why, host=device, item=item, remedy=_LOOK) from None


def _loaded(action: ActionBase, task_vars: Mapping[str, t.Any], reach: Reach, name: str) -> t.Any:
    """The plugin with the host's options, as Ansible's own connection process gives them to it."""
    context = action._play_context.copy()
    context.connection = name
    context.remote_addr, context.port, context.remote_user = reach.address, reach.port, reach.user
    context.password = reach.password or None
    context.become_pass = reach.enable or context.become_pass
    context.network_os = str(action._templar.template(task_vars.get("ansible_network_os")))
    # what it logs may hold content
    context.no_log = True
    plugin = connection_loader.get(name, context, os.devnull)
    if plugin is None:
        raise DependencyMissingError(
            f"the connection plugin {name} is not installed",
            host=reach.device,
            item=name,
            remedy="Install its collection, or set ansible_connection: ssh.",
        )
    parts: list[t.Any] = [plugin, getattr(plugin, "ssh_type_conn", None)]
    for one in parts:
        resolve = getattr(one, "_resolve_option_variables", None)
        if resolve is not None:
            one.set_options(var_options=resolve(task_vars, action._templar))
    return plugin


def _stopped_after(seconds: float, call: Callable[[], t.Any]) -> t.Any:
    """What a call returns; _Late in the main thread once the time is over, and again: plugins swallow what they can."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    over = False

    def late(_signal: int, _frame: types.FrameType | None) -> None:
        if not over:
            raise _Late

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        return call()
    finally:
        # first, and without a call, in which a signal could be heard: what follows must be carried out
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
