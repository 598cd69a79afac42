# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trips to a managed host: its half by a pipe to its Python where the connection takes stdin, else as a module."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import typing as t
from collections.abc import Iterator, Mapping

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection.local import Connection as LocalConnection

from ...module_utils._tree import BOOTSTRAP, MARK
from ..capture import halves
from ..errors import PolicyError
from . import endings

# connections to what talks to an ansible-connection process: actions that need none get the controller's own instead
WITHOUT_SHELL = ("network_cli", "netconf", "httpapi", "grpc")
_MODULES = {
    "tree": "holdfast.config.host_capture",
    "apply": "holdfast.config.host_apply",
    "back": "holdfast.config.host_apply",
}


class HostTrip:
    """Implements capture.wire.Trip over an action's connection."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, t.Any]) -> None:
        self._action = action
        # Ansible overrules a module's own no_log by this, and a request names all that is captured
        self._task_vars = {**task_vars, "ansible_no_target_syslog": True}

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        """Send *request* and *payload* to a half and return what it printed; content never reaches a log."""
        self._require_shell()
        asked = json.dumps(self._placed(request))
        interpreter = self._interpreter()
        try:
            with self._unlogged():
                printed = None
                if interpreter is not None and self._takes_stdin():
                    printed = self._pipe(half, interpreter, asked, payload)
                return self._module(half, asked, payload) if printed is None else printed
        except AnsibleConnectionFailure as e:
            raise endings.not_reached(str(e)) from e
        except AnsibleError as e:
            raise endings.not_run(str(e)) from e

    def _require_shell(self) -> None:
        """Refuse a host that is reached by what has no shell, where Ansible hands over a shell of the controller."""
        variable = self._task_vars.get("ansible_connection")
        named = str(self._action._task.connection if variable is None else self._action._templar.template(variable))
        if named.rpartition(".")[2] in WITHOUT_SHELL:
            raise PolicyError(
                f"files and programs cannot be reached over {named}, which has no shell",
                item="ansible_connection",
                remedy="Declare the kind device alone for this host, or set ansible_connection: ssh for it.",
            )

    def _pipe(self, half: str, interpreter: str, asked: str, payload: bytes) -> str | None:
        """None where the host wants a terminal, which nothing can be piped through."""
        sent = halves.piped(half, asked.encode(), payload)
        command = f"{shlex.quote(interpreter)} -I -S -c {shlex.quote(BOOTSTRAP)}"
        answer = self._action._low_level_execute_command(command, in_data=sent, sudoable=True)
        if answer["rc"] != 0:
            said = f"{answer['stdout']}\n{answer['stderr']}"
            if self._become() and endings.wants_terminal(said):
                return None
            raise endings.ended(answer["rc"], said, interpreter=interpreter, become=self._become())
        return str(answer["stdout"])

    def _module(self, half: str, asked: str, payload: bytes) -> str:
        args = {"request": asked}
        with contextlib.ExitStack() as stack:
            if half == "apply" and payload:
                args["payload"] = self._send(stack, payload)
            result = self._action._execute_module(
                module_name=_MODULES[half], module_args=args, task_vars=self._task_vars
            )
        if "answer" not in result:
            said = "\n".join(str(result.get(name, "")) for name in ("msg", "module_stdout", "module_stderr"))
            interpreter = self._interpreter() or "interpreter discovery"
            raise endings.ended(result.get("rc", 1), said, interpreter=interpreter, become=self._become())
        return f"{MARK}{result['answer']}"

    def _send(self, stack: contextlib.ExitStack, payload: bytes) -> str:
        """Put the payload into the host's temporary folder, from memory: no clear text on the controller's disk."""
        shell = self._action._connection._shell
        folder = shell.tmpdir or self._action._make_tmp_path()
        remote = str(shell.join_path(folder, "payload"))
        if isinstance(self._action._connection, LocalConnection):
            # it resolves the link to a memfd, which leads nowhere; and its host is this machine
            with os.fdopen(os.open(remote, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(payload)
            self._action._fixup_perms2((folder, remote))
            return remote
        memory = os.memfd_create("holdfast")
        stack.callback(os.close, memory)
        with os.fdopen(os.dup(memory), "wb") as stream:
            stream.write(payload)
        self._action._transfer_file(f"/proc/{os.getpid()}/fd/{memory}", remote)
        self._action._fixup_perms2((folder, remote))
        return remote

    def _placed(self, request: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
        """Say where on the host content may wait that is too large for one answer: in Ansible's temporary folders."""
        if "deliver" not in request:
            return request
        option = self._action.get_shell_option
        folders = [option("remote_tmp", default="~/.ansible/tmp"), *option("system_tmpdirs", default=[])]
        return {**request, "deliver": {**request["deliver"], "folders": [str(folder) for folder in folders]}}

    def _takes_stdin(self) -> bool:
        connection = self._action._connection
        become = connection.become
        if become is None:
            return bool(connection.has_pipelining)
        if isinstance(connection, LocalConnection) and become.get_option("become_pass"):
            # it gives the password by a terminal, which then is the command's stdin
            return bool(become.pipelining and connection.get_option("pipelining"))
        return bool(connection.has_pipelining and become.pipelining)

    def _become(self) -> str | None:
        become = self._action._connection.become
        return None if become is None else str(become.name)

    def _interpreter(self) -> str | None:
        configured = constants.config.get_config_value("INTERPRETER_PYTHON", variables=self._task_vars)
        value = str(self._action._templar.template(configured))
        if value.startswith("auto"):
            facts = self._task_vars.get("ansible_facts") or {}
            value = str(facts.get("discovered_interpreter_python") or "")
        return value or None

    @contextlib.contextmanager
    def _unlogged(self) -> Iterator[None]:
        # -vvv prints what a connection returns, and ANSIBLE_DEBUG even where no_log is set
        if constants.DEFAULT_DEBUG and not os.environ.get("HOLDFAST_DEBUG_CONTENT"):
            raise PolicyError(
                "ANSIBLE_DEBUG would print configuration content",
                item="ANSIBLE_DEBUG",
                remedy="Unset it, or set HOLDFAST_DEBUG_CONTENT=1 where that output may hold content.",
            )
        context = self._action._connection._play_context
        before = context.no_log
        context.no_log = True
        try:
            yield
        finally:
            context.no_log = before
