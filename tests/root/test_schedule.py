# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schedules, as real systemd and real cron fire them."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import subprocess
import sys
import time
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.model.schedule import Schedule
from ansible_collections.holdfast.config.plugins.plugin_utils.schedule import due, oncalendar
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine

HOME = "/srv/scheduled"
PYTHON = nspawn.seen(Path(sys.prefix) / "bin" / "python")
ANSIBLE_PLAYBOOK = f"{HOME}/ansible-playbook"
ENVIRONMENT = {"ANSIBLE_COLLECTIONS_PATH": f"{HOME}/collections", "ANSIBLE_CONFIG": f"{HOME}/ansible.cfg"}
# two firings, and a machine with much else to do
MOST_SECONDS = 240
NOW = dt.datetime(2026, 2, 20, 12, tzinfo=dt.timezone.utc)
DAYS = (dt.time(2, 30), dt.time(0), dt.time(3, 15))


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("Europe/Berlin", at=DAYS),
        Schedule("America/New_York", at=DAYS, weekdays=(6,)),
        Schedule("Australia/Lord_Howe", at=DAYS, monthdays=(1, 29, 31)),
        Schedule("Asia/Kathmandu", every=dt.timedelta(hours=6)),
        Schedule("UTC", every=dt.timedelta(minutes=15), monthdays=(29, 30)),
    ],
    ids=lambda schedule: schedule.timezone,
)
def test_systemd_means_the_same_500_dates(schedule: Schedule) -> None:
    found = []
    for text in oncalendar.on_calendar(schedule):
        command = ["systemd-analyze", "calendar", "--iterations=500", f"--base-time=@{int(NOW.timestamp())}", text]
        environment = {"TZ": "UTC", "LANG": "C.UTF-8"}
        shown = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
        dates = re.findall(r"\w{3} ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}) UTC", shown)
        found += [dt.datetime.fromisoformat(f"{date}+00:00") for date in dates]
    assert list(itertools.islice(due.moments(schedule, NOW), 500)) == sorted(set(found))[:500]


class Controller:
    """A machine that backs itself up."""

    def __init__(self, host: Machine) -> None:
        self.host = host
        host.path(HOME).mkdir()
        host.path(f"{HOME}/ansible.cfg").touch()
        collections = host.path(f"{HOME}/collections/ansible_collections/holdfast")
        collections.mkdir(parents=True)
        (collections / "config").symlink_to(nspawn.CHECKOUT)
        # what pip made names its Python by where that is on this machine
        program = host.path(ANSIBLE_PLAYBOOK)
        program.write_text(f'#!/bin/sh\nexec {PYTHON} -m ansible playbook "$@"\n')
        program.chmod(0o755)
        self.variables: dict[str, t.Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": PYTHON,
            "holdfast_repository": {
                "name": "scheduled",
                "url": f"file://{HOME}/repository",
                "keyring": {"path": f"{HOME}/keyring"},
            },
            "holdfast_components": [{"name": "app", "paths": ["/etc/hostname"]}],
            "holdfast_tiers": {"tier1": {"schedule": {"every": "1m"}}},
            "schedule_inventory": f"{HOME}/inventory.yml",
            "schedule_command": ANSIBLE_PLAYBOOK,
            "schedule_write_paths": [HOME],
            "schedule_environment": ENVIRONMENT,
            "schedule_spread": 0,
            "schedule_metrics": f"{HOME}/TIER.prom",
        }
        made = self.play({"holdfast.config.repository": {}, "register": "made"}, {"debug": {"var": "made"}})
        (self.variables["holdfast_repository_id"],) = re.findall(r'"repository_id": "([0-9a-f]{64})"', made)

    def play(self, *tasks: Mapping[str, t.Any], options: Sequence[str] = ()) -> str:
        """Run tasks on it as their own controller."""
        inventory = {"all": {"hosts": {"web1": {}}, "vars": self.variables}}
        self.host.path(f"{HOME}/inventory.yml").write_text(yaml.safe_dump(inventory))
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}]
        self.host.path(f"{HOME}/play.yml").write_text(json.dumps(plays))
        environment = [f"{name}={value}" for name, value in {**ENVIRONMENT, "HOME": HOME, "LANG": "C.UTF-8"}.items()]
        command = [ANSIBLE_PLAYBOOK, "-i", f"{HOME}/inventory.yml", f"{HOME}/play.yml", *options]
        return self.host.run("env", *environment, *command).stdout.decode()

    def schedule(self, *options: str, **variables: str) -> str:
        """Carry out what is declared."""
        return self.play({"import_role": {"name": "holdfast.config.schedule"}, "vars": variables}, options=options)

    def triggers(self) -> list[str]:
        """What started the runs whose points are sealed."""
        kept = store.connect(f"file://{self.host.path(f'{HOME}/repository')}")
        repository = open_repository(kept, pin=self.variables["holdfast_repository_id"])
        found = [points.read_point(repository, name) for name in points.point_names(repository)]
        return [point.body.actor["trigger"]["kind"] for point in found]

    def wait(self, number: int) -> list[str]:
        """Wait until so many points are sealed."""
        end = time.monotonic() + MOST_SECONDS
        while len(found := self.triggers()) < number:
            journal = self.host.run("journalctl", "--no-pager", "--lines=60", check=False).stdout.decode()
            assert time.monotonic() < end, journal
            time.sleep(0.5)
        return found


@pytest.fixture(scope="module")
def controller(host: Machine) -> Controller:
    """The machine, without any schedule."""
    return Controller(host)


def test_a_timer_fires_a_backup_and_cron_the_next_one(controller: Controller) -> None:
    host = controller.host
    controller.schedule("--check")
    assert not list(host.path("/etc/systemd/system").glob("holdfast-schedule-*"))
    controller.schedule()
    unit = "/etc/systemd/system/holdfast-schedule-tier1.service"
    assert host.run("systemd-analyze", "verify", unit).stderr.decode() == ""
    assert set(controller.wait(1)) == {"schedule"}
    assert "holdfast_next_due_timestamp_seconds" in host.path(f"{HOME}/tier1.prom").read_text()

    controller.schedule(schedule_manager="cron")
    assert not host.path(unit).exists()
    assert host.run("systemctl", "is-active", "holdfast-schedule-tier1.timer", check=False).stdout == b"inactive\n"
    before = len(controller.triggers())
    cron = host.start("cron", "-f")
    try:
        assert set(controller.wait(before + 1)) == {"schedule"}
    finally:
        cron.kill()
        cron.wait()

    controller.schedule(schedule_state="absent")
    assert list(host.path("/etc/cron.d").glob("holdfast-*")) == []
