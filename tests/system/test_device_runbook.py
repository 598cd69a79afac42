# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/runbooks/restore_device.md says of vendors' devices without Ansible, done with devices that play these.

OpenSSH's own clients reach them. No vendor's software is here: what a played device does of a line is what its maker
published, and each line that the runbook says is one of these.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import re
import stat
import tempfile
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import forked_ansible
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, PASSWORD, Device, Player
from ansible_collections.holdfast.config.tests.lab.page import TYPED, Home, Page, Shell
from ansible_collections.holdfast.config.tests.lab.sshd import clients

from .lab import BIN, Lab

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "restore_device.md"
#: By the section of a vendor: the platform, the name that it has there, and who logs in.
VENDORS = {
    "IOS, IOS XE": ("ios", "r1", "admin"),
    "NX-OS": ("nxos", "n1", "admin"),
    "EOS": ("eos", "e1", "admin"),
    "Junos": ("junos", "j1", "admin"),
    "VyOS": ("vyos", "v1", "vyos"),
}
#: By platform what it does of lines: the first part of one that is matched is a file, or a line of a configuration.
LINES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ios": {
        r"configure replace (\S+) force revert trigger error timer 5": ("load", "apply"),
        "configure confirm": ("confirm",),
        r"delete /force (\S+)": ("remove",),
        "copy running-config startup-config": ("save",),
    },
    "nxos": {
        "checkpoint before-restore": (),
        r"configure replace (\S+) show-patch": ("load", "differ"),
        r"configure replace (\S+) commit-timeout 300": ("load", "apply"),
        "configure replace commit": ("confirm",),
        "copy running-config startup-config": ("save",),
        r"delete (\S+) no-prompt": ("remove",),
        "no checkpoint before-restore": (),
    },
    "eos": {
        "configure session restore": (),
        "rollback clean-config": ("clean",),
        "copy terminal: session-config": ("paste",),
        "show session-config diffs": ("differ",),
        "commit timer 00:05:00": ("apply",),
        "configure session restore commit": ("confirm",),
        "write memory": ("save",),
    },
    "junos": {
        "configure exclusive": (),
        r"load override (\S+)": ("load",),
        "commit check": (),
        "commit confirmed 5": ("apply",),
        "commit": ("confirm",),
        r"run file delete (\S+)": ("remove",),
    },
    "vyos": {
        r"load (\S+)": ("load",),
        "(set (?!terminal).*)": ("add",),
        "compare": ("differ",),
        "commit-confirm 5": ("apply",),
        r"run show configuration commands \| no-more": ("show",),
        "confirm": ("confirm",),
        "save": ("save",),
        r"rm (\S+)": ("remove",),
        "cat /config/config.boot": ("started",),
    },
}
#: What is saved on that one, in the form that `load` takes.
SAVED_BY_VYOS = """\
interfaces {
    ethernet eth0 {
        address 192.0.2.1/24
        description "to core-sw1#"
    }
}
system {
    host-name v1
    time-zone UTC
}
// vyos-config-version: "system@27"
// Release version: 1.4.0
"""


class Machine(dict[str, Callable[[Device], "str | None"]]):
    """What a device does of lines; of others it says what its transcript has.

    :ivar pending: what runs again when the timer ends, while it runs.
    """

    def __init__(self, device: Device, platform: str) -> None:
        super().__init__()
        self.device = device
        self.pending: str | None = None
        self._lines = LINES[platform]
        self._staged: list[str] = []
        self._pasted = False

    def __contains__(self, command: object) -> bool:
        return self._pasted or any(re.fullmatch(line, str(command)) for line in self._lines)

    def __getitem__(self, command: str) -> Callable[[Device], str | None]:
        return lambda _device: self._does(command)

    def _does(self, command: str) -> str | None:
        if self._pasted:
            self._pasted = command != "EOF"
            return self.add(command) if self._pasted else ""
        said: str | None = ""
        for line, steps in self._lines.items():
            if found := re.fullmatch(line, command):
                named = found.groups()
                for step in steps:
                    said, named = getattr(self, step)(*named), ()
        return said

    def clean(self) -> str:
        self._staged = []
        return ""

    def paste(self) -> str:
        self._pasted = True
        return ""

    def add(self, line: str) -> str:
        if line not in self._staged or not line.startswith("set "):
            self._staged.append(line)
        return ""

    def load(self, name: str) -> str:
        text = self.device.files[name].decode()
        self._staged = as_commands(text) if self.device.platform == "vyos" else text.splitlines()
        return ""

    def differ(self) -> str:
        return "\n".join(difflib.ndiff(stripped(self.device.config), [line.strip() for line in self._staged]))

    def apply(self) -> str:
        self.pending, self.device.config = self.device.config, "\n".join(self._staged)
        return ""

    def show(self) -> str:
        return self.device.config

    def started(self) -> str:
        return self.device.startup

    def confirm(self) -> str:
        assert self.pending is not None
        self.pending = None
        return ""

    def remove(self, name: str) -> str:
        del self.device.files[name]
        return ""

    def save(self) -> str:
        self.device.startup = self.device.config
        return ""


def as_commands(text: str) -> list[str]:
    """The commands that a text of blocks comes to."""
    found, within = [], list[str]()
    for line in stripped(text):
        if line.endswith(" {"):
            within.append(line.removesuffix(" {"))
        elif line == "}":
            within.pop()
        elif not line.startswith("//"):
            name, value = line.split(" ", 1)
            found.append(" ".join(["set", *within, name, "'" + value.strip('"') + "'"]))
    return found


def stripped(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@dataclasses.dataclass
class Vendor:
    """A vendor's device, sealed as it was at first."""

    name: str
    login: str
    device: Device
    machine: Machine
    player: Player
    sealed: str

    @classmethod
    def played(cls, section: str, player: Player) -> t.Self:
        platform, name, login = VENDORS[section]
        # who logs in is how the player knows it
        device = player.devices[login] = Device(name, platform)
        if platform == "vyos":
            device.startup = SAVED_BY_VYOS
        machine = Machine(device, platform)
        device.does = machine
        return cls(name, login, device, machine, player, device.config)

    def variables(self, known_hosts: Path) -> dict[str, t.Any]:
        rights = {"ansible_become": True, "ansible_become_password": ENABLE} if "user" in self.device.script else {}
        return {
            "ansible_connection": "ssh",
            "ansible_network_os": self.device.platform,
            "ansible_host": "127.0.0.1",
            "ansible_port": self.player.port,
            "ansible_user": self.login,
            "ansible_password": PASSWORD,
            "holdfast_device_known_hosts": [self.player.known_hosts(known_hosts)],
            **rights,
        }

    @property
    def broken(self) -> str:
        """What runs where an administrator has changed a line and removed one."""
        *lines, last = self.sealed.splitlines()
        assert "192.0.2.1" in self.sealed
        kept = [
            line.replace("192.0.2.1", "198.51.100.7") for line in lines if "snmp" not in line and "ospf" not in line
        ]
        return "\n".join([*kept, last])

    def type(self, home: Home, lines: Sequence[str]) -> str:
        """Log in with all rights and without paging, type lines there, answer what is asked, and log out."""
        script = self.device.script
        typed = ["enable", ENABLE] if "user" in script else []
        typed += script["paging"]["off"]
        for line in lines:
            typed.append(line)
            if any(line.startswith(begin) for begin in script.get("questions", ())):
                typed.append("y" if self.device.platform == "vyos" else "")
        file = home.path / f"typed-{self.name}"
        file.write_text("".join(f"{line}\n" for line in [*typed, "exit"]))
        return home.run("bash", "-c", f"ssh {self.login}@{self.name} < {file}")


@dataclasses.dataclass
class Site:
    """A controller, and the vendors' devices by their sections."""

    lab: Lab
    home: Home
    vendors: Mapping[str, Vendor]


@pytest.fixture(scope="module")
def site(new_lab: Callable[[int], Lab]) -> Iterator[Site]:
    lab = new_lab(0)
    environment = {**lab.environment(lab.path), "HOME": str(lab.path)}
    # a home has one of its own
    del environment["PATH"]
    own = lab.path / "programs"
    environment |= {"SSH_ASKPASS": f"{own}/askpass", "SSH_ASKPASS_REQUIRE": "force"}
    with contextlib.ExitStack() as stack:
        vendors = {
            # VyOS alone is a Linux, whose daemon has what scp asks for by itself
            section: Vendor.played(section, stack.enter_context(Player(sftp=section == "VyOS")))
            for section in VENDORS
        }
        lab.variables["holdfast_components"] = ["device"]
        reached = {}
        for vendor in vendors.values():
            known = lab.path / f"known-{vendor.name}"
            lab.hosts.append(vendor.name)
            lab.host_variables[vendor.name] = vendor.variables(known)
            reached[vendor.name] = {
                "HostName": "127.0.0.1",
                "Port": vendor.player.port,
                "UserKnownHostsFile": known,
                "PreferredAuthentications": "password",
            }
        lab.play("holdfast.config.backup").ok()
        clients(own, reached)
        (own / "askpass").write_text(f"#!/bin/sh\necho {PASSWORD}\n")
        (own / "askpass").chmod(0o700)
        # a socket's path is short
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        programs = stack.enter_context(forked_ansible.programs(Path(folder), environment))
        yield Site(lab, Home(lab.path, [programs, own, BIN], environment), vendors)


def parts(page: Page, section: str) -> tuple[list[str], list[str]]:
    """What a section has people type: in their own shell, and at the device."""
    blocks = [block for block in page.blocks if block.section == section]
    shell = [block.text for block in blocks if block.language in TYPED]
    return shell, [block.text for block in blocks if block.language not in TYPED]


@pytest.mark.parametrize("section", VENDORS)
def test_a_device_comes_back_without_ansible(site: Site, section: str) -> None:
    vendor, lab = site.vendors[section], site.lab
    device, machine = vendor.device, vendor.machine
    restored = lab.path / f"restored-{vendor.name}"
    page = Page(RUNBOOK, {"device=r1": f"device={vendor.name}", "/var/tmp/restored": str(restored)})
    shell = Shell(site.home, lab.path / f"kept-{vendor.name}.sh", ["device", "text"])
    first, *_looks = page.commands("Restore a network device")
    (cutting,), (at_device, *after_paste) = parts(page, section)

    device.config = vendor.broken
    for block in (first, *page.commands("Without Ansible")):
        shell.type(block)
    said = shell.type(cutting)
    cut = lab.path / "running.cfg"
    whole, left = map(int, re.findall(r"^ *(\d+) \S*(?:running|running\.cfg)$", said, re.MULTILINE)[-2:])
    assert 0 <= whole - left < 10
    assert cut.read_text().rstrip("\n").endswith(vendor.sealed)
    assert stat.S_IMODE(cut.stat().st_mode) == 0o600

    typed = at_device.splitlines()
    for block in after_paste:
        typed += [*cut.read_text().splitlines(), *(["EOF"] if section == "EOS" else []), *block.splitlines()]
    shown = vendor.type(site.home, typed)
    # it knows each of these lines
    assert device.script["unknown"].strip().splitlines()[-1] not in shown
    assert device.typed == []
    assert machine.pending is None
    assert sorted(stripped(device.config)) == sorted(stripped(cut.read_text()))
    assert section == "Junos" or device.startup == device.config
    assert device.files == {}
