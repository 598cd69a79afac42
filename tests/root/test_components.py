# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Presets against the software itself, as Debian packages it.

Its shipped configuration is backed up by the preset and broken; the preset's command refuses it; what was sealed is
restored, and the command accepts it again, and where the service runs on such a machine it takes it up.

Services and commands have a network of their own, a loopback alone: nothing of this machine's is met or changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import presets
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.preset import REAL, Preset
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import (
    LONG,
    Blocks,
    Redactor,
    is_private,
)
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import Lab, Run

BACK = "/srv/back"
NETWORK = "/run/lab-network"
LEFTOVER = b"#" * 1000
# of the lines of what packages ship
LEAST_LINES, MOST_MASKED = 10_000, 0.01


@dataclasses.dataclass(frozen=True)
class Case:
    """How a preset is tried.

    ``breaks`` is a file, to which ``by`` is added. ``unit`` is started before, where it can run on a machine that may
    neither set clocks nor change networks; it is up once ``ready`` succeeds. ``first`` are files that the packages do
    not ship, and configuration needs.
    """

    packages: tuple[str, ...]
    breaks: str
    by: str
    unit: str = ""
    ready: tuple[str, ...] = ("true",)
    first: Mapping[str, str] = dataclasses.field(default_factory=dict)


CASES: Mapping[str, Case] = {
    "accounts": Case(("passwd",), "/etc/passwd", "broken:x:0\n"),
    "apache": Case(("apache2",), "/etc/apache2/sites-available/000-default.conf", "Nonsense on\n", "apache2.service"),
    "apt": Case(("apt",), "/etc/apt/sources.list", "deb nonsense\n"),
    "chrony": Case(("chrony",), "/etc/chrony/chrony.conf", "nonsense on\n"),
    "frr": Case(("frr",), "/etc/frr/frr.conf", "nonsense on\n"),
    "haproxy": Case(("haproxy",), "/etc/haproxy/haproxy.cfg", "nonsense on\n", "haproxy.service"),
    "ifupdown": Case(("ifupdown",), "/etc/network/interfaces", "iface\n"),
    "iptables": Case(
        ("iptables",),
        "/etc/iptables/rules.v4",
        "nonsense\n",
        first={"/etc/iptables/rules.v4": "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"},
    ),
    "keepalived": Case(
        ("keepalived",),
        "/etc/keepalived/keepalived.conf",
        "vrrp_instance broken {\n  nonsense 7\n",
        first={"/etc/keepalived/keepalived.conf": "global_defs {\n  router_id lab\n}\n"},
    ),
    "mysql": Case(
        ("mariadb-server",), "/etc/mysql/mariadb.conf.d/50-server.cnf", "[mysqld]\nnonsense=7\n", "mariadb.service"
    ),
    "named": Case(("bind9", "bind9-utils"), "/etc/bind/named.conf.local", "nonsense { ;\n", "named.service"),
    "netplan": Case(
        ("netplan.io",),
        "/etc/netplan/01-lab.yaml",
        "    eth1: {addresses: [nonsense]}\n",
        first={"/etc/netplan/01-lab.yaml": "network:\n  ethernets:\n    eth0: {dhcp4: true}\n"},
    ),
    "networkmanager": Case(("network-manager",), "/etc/NetworkManager/NetworkManager.conf", "nonsense\n"),
    "nftables": Case(("nftables",), "/etc/nftables.conf", "nonsense on\n"),
    "nginx": Case(("nginx-light",), "/etc/nginx/sites-enabled/default", "nonsense on;\n", "nginx.service"),
    "postgresql": Case(
        ("postgresql",), "/etc/postgresql/15/main/postgresql.conf", "nonsense = \n", "postgresql@15-main.service"
    ),
    "prometheus": Case(
        ("prometheus",),
        "/etc/prometheus/prometheus.yml",
        "nonsense: 7\n",
        "prometheus.service",
        (nspawn.PYTHON, "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9090/-/ready')"),
    ),
    "rsyslog": Case(("rsyslog",), "/etc/rsyslog.conf", "if $msg then {\n", "rsyslog.service"),
    "ssh": Case(("openssh-server",), "/etc/ssh/sshd_config.d/broken.conf", "Nonsense yes\n", "ssh.service"),
    "sudo": Case(("sudo",), "/etc/sudoers.d/broken", "root ALL=(ALL ALL\n"),
    "systemd": Case(("systemd",), "/etc/systemd/system/broken.service", "[Service]\nExecStart=nonsense\n"),
}


@dataclasses.dataclass
class Software:
    """A machine with all that is tried, backed up as it was shipped."""

    host: Machine
    backup: Run
    restore: Run

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command on the network that the services have."""
        return self.host.run("nsenter", f"--net={NETWORK}", "--", *command, check=False)

    def validate(self, preset: Preset) -> subprocess.CompletedProcess[bytes]:
        """Run the preset's command."""
        return self.run(*preset.handling.validate)

    def copy_back(self, preset: Preset) -> None:
        """Put what was restored in the place of what is there."""
        each = " ".join(f'".{path}"' if "*" not in path else f".{path}" for path in preset.paths)
        copy = "rsync -aAXH --delete --relative --no-implied-dirs"
        self.host.run("sh", "-euc", f'cd {BACK}; for p in {each}; do [ ! -e "$p" ] || {copy} "$p" /; done')


def preset_of(name: str) -> Preset:
    findings: list[Finding] = []
    preset = presets.finder()(name, name, findings)
    assert preset is not None, findings
    return preset


def install(host: Machine) -> None:
    """Install what is tried, and let none of it start."""
    packages = sorted({package for case in CASES.values() for package in case.packages})
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
    host.run("sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d")
    host.run(*quiet, "update")
    # nobody misses this machine when the power fails
    hasty = ("-o", "Dpkg::Options::=--force-unsafe-io")
    host.run(*quiet, *hasty, "install", "--yes", "--no-install-recommends", *packages)
    host.run("touch", NETWORK)
    host.run("unshare", f"--net={NETWORK}", "ip", "link", "set", "lo", "up")
    drop_in = "/run/systemd/system/service.d"
    host.run("mkdir", "-p", drop_in)
    host.run("tee", f"{drop_in}/lab.conf", text=f"[Service]\nNetworkNamespacePath={NETWORK}\n".encode())
    host.run("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def software(tmp_path_factory: pytest.TempPathFactory, lab_of: Callable[..., Lab]) -> Iterator[Software]:
    """All of it, once."""
    with nspawn.machine(tmp_path_factory.mktemp("software") / "m", "software") as host:
        install(host)
        for case in CASES.values():
            for path, text in case.first.items():
                host.run("mkdir", "-p", path.rpartition("/")[0])
                host.run("tee", path, text=text.encode())
        host.run("tee", "/etc/haproxy/haproxy.cfg~", text=LEFTOVER)
        lab = lab_of(host)
        lab.variables["holdfast_components"] = sorted(CASES)
        backup = lab.play("holdfast.config.backup").ok()
        restore = lab.play([{"name": "restore", "holdfast.config.restore": {"under": BACK, "newest": True}}]).ok()
        yield Software(host, backup, restore)


def test_what_is_said_to_be_real_is_tried_here() -> None:
    found = {name: preset_of(name).evidence for name in presets.names(presets.BUILT_IN)}
    assert {name for name, evidence in found.items() if evidence and evidence.level == REAL} == set(CASES)


def test_the_backup_tells_the_bytes_that_it_left_out_and_nothing_of_other_systems(software: Software) -> None:
    (task,) = software.backup.all("Capture and store what changed")
    (stream,) = task.result["streams"]
    assert stream["left_out_bytes"] >= len(LEFTOVER)
    assert [left for left in stream["left_out"] if left["reason"] == "absent"] == []


def test_what_was_sealed_came_back(software: Software) -> None:
    assert software.restore.on("restore").result["equal"]


def shipped(host: Machine) -> Iterator[tuple[str, str]]:
    """Texts of configuration files by path, as their packages ship them: what somebody changed is left out."""
    told = host.run("dpkg-query", "--show", "--showformat=${Conffiles}\n").stdout.decode()
    # dpkg-query(1): a path, its MD5, and more where it is obsolete or to be removed
    for path, digest in (line.split() for line in told.splitlines() if len(line.split()) == 2):
        file = host.path(path)
        data = b"\0" if file.is_symlink() or not file.is_file() else file.read_bytes()
        if b"\0" not in data and hashlib.md5(data, usedforsecurity=False).hexdigest() == digest:
            yield path, data.decode("utf-8", "surrogateescape")


def test_few_lines_of_configurations_that_packages_ship_are_masked(software: Software) -> None:
    redactor, masked, lines = Redactor(), 0, 0
    for path, text in shipped(software.host):
        if is_private(path):
            continue
        blocks = Blocks.of(text.splitlines())
        lines += len(blocks.lines)
        masked += sum(blocks.masked(place, redactor) not in (line, LONG) for place, line in enumerate(blocks.lines))
    assert lines > LEAST_LINES
    # among them are examples of secrets in comments, and a few real defaults
    assert masked <= MOST_MASKED * lines, f"{masked} of {lines}"


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_refuses_what_is_broken_and_takes_what_came_back(name: str, software: Software) -> None:
    case, preset, host = CASES[name], preset_of(name), software.host
    shipped = software.validate(preset)
    assert shipped.returncode == 0, shipped
    if case.unit:
        host.run("systemctl", "start", case.unit)
        wait_for(lambda: software.run(*case.ready).returncode == 0, case.unit)
    try:
        host.run("tee", "-a", case.breaks, text=case.by.encode())
        broken = software.validate(preset)
        assert broken.returncode != 0, broken
        software.copy_back(preset)
        restored = software.validate(preset)
        assert restored.returncode == 0, restored
        host.run("systemctl", "daemon-reload")
        if case.unit:
            reload_all(host, preset)
            active = ("systemctl", "is-active", case.unit)
            wait_for(lambda: host.run(*active, check=False).stdout == b"active\n", f"{case.unit} after its reload")
    finally:
        if case.unit:
            host.run("systemctl", "stop", case.unit)


def reload_all(host: Machine, preset: Preset) -> None:
    """Have the preset's units take up what came back; those that the system lacks are passed over."""
    known = [unit for unit in preset.handling.reload if host.run("systemctl", "cat", unit, check=False).returncode == 0]
    assert known
    host.run("systemctl", "try-reload-or-restart", *known)
