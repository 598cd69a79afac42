# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine is a whole one: what is restored on it is what its systemd then runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system.lab import Lab

UNIT = "/etc/systemd/system/hello.service"
RESTORED = "/srv/units"
TEXT = """\
[Unit]
Description=As it was sealed

[Service]
ExecStart=/bin/sleep infinity
"""


def test_it_is_a_host_of_its_own_with_systemd(host: Machine) -> None:
    assert host.run("cat", "/proc/1/comm").stdout == b"systemd\n"
    assert host.run("hostname").stdout == f"{host.name}\n".encode()
    assert host.path("/etc/machine-id").read_text() != Path("/etc/machine-id").read_text()
    assert host.run("systemctl", "list-units", "--state=failed", "--quiet", "--no-legend").stdout == b""
    host.run("touch", "/etc/of the host")
    assert host.path("/etc/of the host").exists()


def test_a_service_runs_by_its_restored_unit_file(host: Machine, lab_of: Callable[..., Lab]) -> None:
    host.path(UNIT).write_text(TEXT)
    lab = lab_of(host, unit=[UNIT])
    lab.play("holdfast.config.backup").ok()
    host.path(UNIT).write_text(TEXT.replace("sleep infinity", "false").replace("sealed", "broken"))
    systemd = "ansible.builtin.systemd_service"
    lab.play(
        [
            {"name": "broken", systemd: {"name": "hello", "daemon_reload": True, "state": "started"}},
            {"name": "restore", "holdfast.config.restore": {"under": RESTORED, "newest": True}},
            {
                "name": "put",
                "ansible.builtin.copy": {
                    "src": f"{RESTORED}{UNIT}",
                    "dest": UNIT,
                    "remote_src": True,
                    "mode": "preserve",
                },
            },
            {"name": "run", systemd: {"name": "hello", "daemon_reload": True, "state": "restarted"}},
        ]
    ).ok()
    shown = host.run("systemctl", "show", "hello", "--property=ActiveState,SubState,Description,NeedDaemonReload")
    assert set(shown.stdout.decode().splitlines()) == {
        "ActiveState=active",
        "SubState=running",
        "Description=As it was sealed",
        "NeedDaemonReload=no",
    }
