# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a device is reached, as Ansible's variables and a few of ours say; read and judged before anything is touched.

========================================================  ==========================================================
variable                                                  what it says
========================================================  ==========================================================
ansible_host, ansible_port, ansible_user                  where, and as whom; ``ansible_ssh_`` spellings too
ansible_password, ansible_ssh_pass                        the login's password; ``--ask-pass`` too
ansible_ssh_private_key_file, …_passphrase                its key, and what opens that
ansible_become, ansible_become_password                   to ask for more rights (enable), and with which password
ansible_connection                                        netconf, httpapi and network_cli say how; others leave it open
ansible_host_key_checking                                 whether host keys are held against known ones
ansible_command_timeout                                   seconds for an answer as a whole
ansible_connect_timeout, ansible_ssh_timeout              seconds for connecting and logging in
holdfast_device_transport                                 cli, netconf or api
holdfast_device_session                                   own, or plugin: Ansible's connection plugin, in this process
holdfast_device_known_hosts                               files of host keys that are believed
holdfast_device_jump                                      hosts on the way, the first first
holdfast_device_ssh_options                               algorithms of SSH that old devices need, as ssh_config(5)
========================================================  ==========================================================
"""

from __future__ import annotations

import dataclasses
import getpass
import os
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader

from ..capture.device import Device
from ..capture.session import Reach, Session
from ..errors import PolicyError
from ..model import sources
from ..model.platform import API, CLI, NETCONF, TRANSPORTS, Platform
from ..model.policy import Finding, Policy, refuse
from .options import plain

OWN, PLUGIN = "own", "plugin"
_SESSIONS = (OWN, PLUGIN)
# what connection plugins, by the last part of their name, say of how a device is talked to
_TRANSPORT_OF: Mapping[str, str] = {"network_cli": CLI, "netconf": NETCONF, "httpapi": API}
_PORTS = {CLI: 22, NETCONF: 830}
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
_JUMP_KEYS = ("host", "port", "user", "private_key_file", "password")
_JUMP = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>[^@:\s\[\]]+|\[[^\]\s]+\])(?::(?P<port>[0-9]{1,5}))?")
# what would lead elsewhere than straight to the device, in variables that nobody reads here
_LED_ELSEWHERE = re.compile(r"(?i)(?:^|\s)-[JW]|proxy_?(?:jump|command)")
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_PROXIES = ("ansible_paramiko_proxy_command", "ansible_ssh_proxy_command", "ansible_libssh_proxy_command")
_LONGEST_SECONDS = 3600
_KEY_OF = {
    "user": ("ansible_ssh_user", "ansible_user"),
    "host": ("ansible_ssh_host", "ansible_host"),
    "port": ("ansible_ssh_port", "ansible_port"),
    "password": ("ansible_ssh_pass", "ansible_ssh_password", "ansible_password"),
    "enable": ("ansible_become_password", "ansible_become_pass"),
    "key": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "passphrase": ("ansible_ssh_private_key_passphrase", "ansible_private_key_passphrase"),
    "checked": ("ansible_ssh_host_key_checking", "ansible_host_key_checking"),
    "login": ("ansible_connect_timeout", "ansible_ssh_timeout", "ansible_timeout"),
    "answer": ("ansible_command_timeout",),
}

# Gives the value of a host's variable, None where it is not set.
Variable = Callable[[str], t.Any]


@dataclasses.dataclass(frozen=True)
class Usual:
    """What holds where the inventory says nothing: play keywords, the command line and ``ansible.cfg``."""

    connection: str = "ssh"
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    become: bool = False
    enable: str = dataclasses.field(default="", repr=False)
    key_file: str = ""
    port: int | None = None
    checked: bool = True
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Way:
    """How one device is talked to; ``transport`` is None where nothing says so, and each text is asked by its own."""

    reach: Reach
    connection: str
    transport: str | None = None
    session: str = OWN
    port: int | None = None

    def by(self, transport: str) -> Reach:
        """Where it is reached for a transport: at the port that is given, or else at the usual one."""
        return dataclasses.replace(self.reach, port=self.port or _PORTS.get(transport, self.reach.port))


def usual(action: ActionBase) -> Usual:
    """What holds for an action's host where no variable says otherwise."""
    task, context = action._task, action._play_context
    return Usual(
        connection=str(task.connection or constants.DEFAULT_TRANSPORT),
        user=str(context.remote_user or constants.DEFAULT_REMOTE_USER or ""),
        password=str(context.password or ""),
        become=bool(task.become),
        enable=str(context.become_pass or ""),
        key_file=str(context.private_key_file or ""),
        port=constants.DEFAULT_REMOTE_PORT,
        checked=bool(constants.HOST_KEY_CHECKING),
        arguments=configured_arguments(),
    )


def configured_arguments() -> Mapping[str, str]:
    """The arguments of the ``ssh`` command that the environment and ``ansible.cfg`` set, by their variables' names."""
    # its options are not known before it was looked at
    connection_loader.get("ssh", class_only=True)

    def told(name: str) -> str:
        option = name.removeprefix("ansible_")
        return str(constants.config.get_config_value(option, plugin_type="connection", plugin_name="ssh") or "")

    return {name: told(name) for name in _ARGUMENTS}


def read_way(variable: Variable, host: str, usual: Usual) -> Way:
    """Read how *host* is reached; nothing is reached yet.

    :raises PolicyError: with every finding; none repeats a password.
    """
    findings: list[Finding] = []
    reader = _Reader(variable, findings)
    connection = str(reader.value("ansible_connection") or usual.connection)
    transport = _transport(reader, connection, findings)
    session = _session(reader, transport, connection, findings)
    port = reader.number("port", 65535) or usual.port
    become = reader.flag("ansible_become", usual.become)
    _straight(reader, usual, findings)
    password = reader.text("password") or usual.password
    key_files = reader.key_files(reader.text("key") or usual.key_file)
    reach = Reach(
        device=host,
        address=reader.text("host") or host,
        port=port or _PORTS.get(transport or CLI, _PORTS[CLI]),
        user=reader.text("user") or usual.user or getpass.getuser(),
        password=password,
        enable=(reader.text("enable") or usual.enable) if become else "",
        key_files=key_files,
        passphrase=reader.text("passphrase"),
        # devices end a login after a few keys that they do not know
        agent=not password and not key_files,
        known_hosts=_known_hosts(reader, usual, findings),
        jump=_jump(reader, usual, findings),
        options=_options(reader, findings),
        login_seconds=reader.seconds("login", Reach.login_seconds),
        answer_seconds=reader.seconds("answer", Reach.answer_seconds),
    )
    refuse(findings, host=host)
    return Way(reach, connection, transport, session, port)


class Devices:
    """What a task's host is, asked as a device: how it is reached, and the source of what it tells.

    :param variable: gives the host's variables.
    :param otherwise: what holds where these say nothing; without it what holds for the action's own host.
    """

    def __init__(
        self,
        action: ActionBase,
        task_vars: Mapping[str, t.Any],
        host: str,
        variable: Variable,
        otherwise: Usual | None = None,
    ) -> None:
        self._action = action
        self._task_vars = task_vars
        self._host = host
        self._variable = variable
        self._otherwise = otherwise
        self._way: Way | None = None
        self._limit_bytes = Reach.limit_bytes
        self.source = Device(self.open)

    @property
    def way(self) -> Way:
        """How the device is reached; raises PolicyError with every finding."""
        if self._way is None:
            self._way = read_way(self._variable, self._host, self._otherwise or usual(self._action))
        return self._way

    def judged(self, policy: Policy) -> Policy:
        """A policy whose devices can be asked as the inventory says they are reached.

        :raises PolicyError: with every finding, where that cannot be; nothing was touched.
        """
        asked = [component for component in policy.components if component.kind == sources.DEVICE]
        if not asked:
            return policy
        judge(policy, self.way, host=self._host)
        self._limit_bytes = max(component.max_bytes for component in asked)
        return policy

    def open(self, platform: Platform, transport: str = CLI) -> Session:
        """Log in to it; as :func:`open_session`."""
        way = dataclasses.replace(self.way, reach=self._limited(self.way.reach))
        return open_session(way, platform, transport, self._action, self._task_vars)

    def reach(self, transport: str = CLI) -> Reach:
        """Where it is reached for a transport, and how much it may answer there."""
        return self._limited(self.way.by(transport))

    def _limited(self, reach: Reach) -> Reach:
        return dataclasses.replace(reach, limit_bytes=self._limit_bytes)


def variables_of(what: str) -> tuple[str, ...]:
    """The names of the variables that say one thing: ``user``, ``password``, ``enable`` and so on."""
    return _KEY_OF[what]


def judge(policy: Policy, way: Way, *, host: str) -> None:
    """Refuse a policy that cannot be carried out the way a device is reached; raises PolicyError with every finding."""
    findings: list[Finding] = []
    for component in policy.components:
        key = f"holdfast_components ({component.name})"
        if component.kind != sources.DEVICE:
            continue
        platform = component.means["platform"]
        for name in sources.items(component):
            needed = platform.item(name).transport
            if needed == API and way.session != PLUGIN:
                remedy = "Set ansible_connection: ansible.netcommon.httpapi."
                findings.append(Finding(f"{key}.items", f"{name} is asked of an API", remedy))
            elif way.transport not in (None, needed):
                remedy = "Name other items, another platform or another ansible_connection."
                problem = f"{name} of platform {platform.name} is asked by {needed}, and the host by {way.transport}"
                findings.append(Finding(f"{key}.items", problem, remedy))
    refuse(findings, host=host)


def open_session(
    way: Way, platform: Platform, transport: str, action: ActionBase, task_vars: Mapping[str, t.Any]
) -> Session:
    """Log in to a device for one transport; libraries are loaded here, where one is needed.

    :raises CaptureError: it was not reached, or did not let us in.
    :raises DependencyMissingError: a library that this takes is not installed.
    """
    if way.session == PLUGIN:
        from .plugin_session import PluginSession

        return PluginSession(action, task_vars, way.by(transport), way.connection, platform)
    if transport == NETCONF:
        from ..capture.netconf_session import open_netconf

        return open_netconf(way.by(transport))
    if platform.dialogue is None:
        raise PolicyError(
            f"platform {platform.name} has no command line",
            host=way.reach.device,
            item="holdfast_device_transport",
            remedy="Let ansible_connection be what it is asked by.",
        )
    from ..capture.ssh_session import open_ssh

    return open_ssh(way.by(transport), platform.dialogue, platform.structure)


class _Reader:
    """Variables of a host, each under its several names; what is wrong is added to *findings*."""

    def __init__(self, variable: Variable, findings: list[Finding]) -> None:
        self._variable = variable
        self._findings = findings

    def value(self, name: str) -> t.Any:
        return plain(self._variable(name))

    def first(self, what: str) -> tuple[str, t.Any]:
        """The first of its names that is set, with its value; None where none is."""
        names = _KEY_OF[what]
        found = ((name, self.value(name)) for name in names)
        return next(((name, value) for name, value in found if value is not None), (names[-1], None))

    def text(self, what: str) -> str:
        """A text, or a number that YAML made of one; empty where it is not set."""
        name, value = self.first(what)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int)) or "\0" in str(value):
            # it may be a password
            self._findings.append(Finding(name, "is no text", "Put it in quotes."))
            return ""
        return str(value)

    def number(self, what: str, most: int) -> int | None:
        name, value = self.first(what)
        if value is None or value == "":
            return None
        text = str(value)
        if isinstance(value, bool) or not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= most:
            self._findings.append(Finding(name, f"{value!r} is no number from 1 to {most}", "Give one."))
            return None
        return int(text)

    def flag(self, name: str, otherwise: bool) -> bool:
        value = self.value(name)
        if value is None:
            return otherwise
        try:
            return bool(boolean(value))
        except TypeError:
            self._findings.append(Finding(name, f"{value!r} is neither true nor false", "Give one of them."))
            return otherwise

    def seconds(self, what: str, otherwise: float) -> float:
        """A number of seconds."""
        return float(self.number(what, _LONGEST_SECONDS) or otherwise)

    def key_files(self, path: str, key: str = "ansible_ssh_private_key_file") -> tuple[str, ...]:
        if not path:
            return ()
        found = os.path.expanduser(path)
        if not os.path.isfile(found):
            self._findings.append(Finding(key, f"{path!r} is no file", "Name the private key on the controller."))
        return (found,)


def _transport(reader: _Reader, connection: str, findings: list[Finding]) -> str | None:
    told = _TRANSPORT_OF.get(connection.rpartition(".")[2])
    given = reader.value("holdfast_device_transport")
    key = "holdfast_device_transport"
    if given is None:
        return told
    if given not in TRANSPORTS:
        findings.append(Finding(key, f"{given!r} is unknown", f"Give one of {', '.join(TRANSPORTS)}."))
    elif told not in (None, given):
        remedy = "Remove it, or change ansible_connection."
        findings.append(Finding(key, f"is {given}, and ansible_connection {connection} is {told}", remedy))
    elif given == API and told != API:
        findings.append(
            Finding(key, f"is {API}, and {connection} asks none", "Set ansible_connection: ansible.netcommon.httpapi.")
        )
    return str(given)


def _session(reader: _Reader, transport: str | None, connection: str, findings: list[Finding]) -> str:
    key = "holdfast_device_session"
    given = reader.value(key)
    if given is None:
        return PLUGIN if transport == API else OWN
    name = connection.rpartition(".")[2]
    if given not in _SESSIONS:
        findings.append(Finding(key, f"{given!r} is unknown", f"Give {' or '.join(_SESSIONS)}."))
    elif given == OWN and transport == API:
        findings.append(Finding(key, f"is {OWN}, and APIs are asked by {connection}", "Remove it."))
    elif given == PLUGIN and name not in ("network_cli", "httpapi"):
        remedy = "Set ansible_connection: ansible.netcommon.network_cli, or remove it."
        findings.append(Finding(key, f"is {PLUGIN}, and {connection} is none for it", remedy))
    return str(given)


def _straight(reader: _Reader, usual: Usual, findings: list[Finding]) -> None:
    """Refuse what would lead over another host, where nobody would follow it."""
    if reader.value("holdfast_device_jump") is not None:
        return
    for name in (*_ARGUMENTS, *_PROXIES):
        given = reader.value(name)
        value = usual.arguments.get(name) if given is None else given
        if value and (name in _PROXIES or _LED_ELSEWHERE.search(str(value))):
            remedy = "Give the hosts on the way in holdfast_device_jump, or [] there for none."
            findings.append(Finding(name, "leads over another host, and is not read for devices", remedy))


def _known_hosts(reader: _Reader, usual: Usual, findings: list[Finding]) -> tuple[str, ...] | None:
    """Files of keys that are believed; None where the inventory says that any is."""
    name, _value = reader.first("checked")
    checked = reader.flag(name, usual.checked)
    key = "holdfast_device_known_hosts"
    given = reader.value(key)
    if given is None:
        files = tuple(path for path in map(os.path.expanduser, _KNOWN_HOSTS) if os.path.isfile(path))
        return files if checked else None
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, Sequence) or not listed or not all(isinstance(one, str) for one in listed):
        findings.append(Finding(key, "is no list of files", "Give one, like [/etc/ssh/ssh_known_hosts]."))
        return ()
    files = tuple(map(os.path.expanduser, listed))
    findings.extend(
        Finding(key, f"{path!r} is no file", "Make it, with ssh-keyscan and a look at the device.")
        for path in files
        if not os.path.isfile(path)
    )
    return files if checked else None


def _jump(reader: _Reader, usual: Usual, findings: list[Finding]) -> tuple[Reach, ...]:
    key = "holdfast_device_jump"
    given = reader.value(key)
    if given in (None, ""):
        return ()
    listed = [given] if isinstance(given, (str, Mapping)) else given
    if not isinstance(listed, Sequence):
        findings.append(Finding(key, "is no list", "Give one, like [netops@jump.example:22]."))
        return ()
    found = []
    for place, one in enumerate(listed):
        at = f"{key}[{place}]"
        fields = _jump_fields(at, one, findings)
        if fields is None:
            continue
        inner = _Reader(lambda name, fields=fields: fields.get(name), findings)  # type: ignore[misc]
        key_files = inner.key_files(str(fields.get("private_key_file") or ""), f"{at}.private_key_file")
        password = str(fields.get("password") or "")
        found.append(
            Reach(
                device=str(fields["host"]),
                address=str(fields["host"]),
                port=int(fields.get("port") or _PORTS[CLI]),
                user=str(fields.get("user") or getpass.getuser()),
                password=password,
                key_files=key_files,
                agent=not password and not key_files,
                known_hosts=_known_hosts(reader, usual, []),
            )
        )
    return tuple(found)


def _jump_fields(at: str, value: t.Any, findings: list[Finding]) -> Mapping[str, t.Any] | None:
    remedy = f"Give user@host:port, or a mapping of {', '.join(_JUMP_KEYS)}."
    if isinstance(value, str):
        parts = _JUMP.fullmatch(value)
        if parts is None:
            # what stands before the @ may hold a password
            findings.append(Finding(at, "is no host on the way", remedy))
            return None
        return {**parts.groupdict(), "host": parts["host"].strip("[]")}
    if not isinstance(value, Mapping) or not isinstance(value.get("host"), str) or not value["host"]:
        findings.append(Finding(at, "is no host on the way", remedy))
        return None
    strange = sorted(set(value) - set(_JUMP_KEYS))
    port = value.get("port", _PORTS[CLI])
    if strange:
        findings.append(Finding(f"{at}.{strange[0]}", "is not a key of this version", remedy))
    if isinstance(port, bool) or not str(port).isdecimal() or not 1 <= int(port) <= 65535:
        findings.append(Finding(f"{at}.port", f"{port!r} is no port", "Give a number."))
        return None
    return value


def _options(reader: _Reader, findings: list[Finding]) -> Mapping[str, str]:
    key = "holdfast_device_ssh_options"
    given = reader.value(key)
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for pair in given.items() for one in pair):
        findings.append(Finding(key, "is no mapping of texts", "Give algorithms by their kind, each in quotes."))
        return {}
    return dict(given)
