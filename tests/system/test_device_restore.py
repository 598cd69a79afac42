# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores of a device by whole plays over SSH, and what can go wrong with it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, Device, Player

from .lab import Lab, Run

SECRET = "$1$CANA$RYsecretCANARY0000001."
LINE = " network 192.0.2.0 0.0.0.255 area 0\n"


class Commands(dict[str, Callable[[Device], "str | None"]]):
    """What a device does for commands that begin so: names of files and ids of restores are not known before."""

    def __contains__(self, command: object) -> bool:
        return any(str(command).startswith(known) for known in self.keys())

    def __getitem__(self, command: str) -> Callable[[Device], str | None]:
        return next(done for known, done in self.items() if command.startswith(known))


@dataclasses.dataclass
class Cisco:
    """A device that replaces its configuration whole, under a timer, as IOS does; and the lab that it is backed up to.

    ``rejects`` is the beginning of lines that it does not take; ``gone`` lets nobody in once it has replaced.
    """

    lab: Lab
    device: Device
    rejects: str = "\0"
    gone: bool = False
    pending: str | None = None

    def __post_init__(self) -> None:
        self.device.does = Commands(
            {
                "configure replace": self._replace,
                "configure confirm": self._confirm,
                "configure revert": self._revert,
                "delete": self._delete,
                "copy running-config": self._save,
                "write": self._save,
            }
        )

    def reset(self, config: str) -> None:
        """Give it a configuration, and let nothing be wrong with it."""
        self.device.config, self.pending, self.rejects, self.gone = config, None, "\0", False
        self.device.faults.dies_at, self.device.faults.cut_after = "", None
        self.device.asked.clear()
        self.device.files.clear()

    def lapse(self) -> None:
        """The timer ends."""
        if self.pending is not None:
            self.device.config, self.pending = self.pending, None

    def restore(self, *args: str, check: bool = False, **options: t.Any) -> Run:
        task = {"name": "restore", "holdfast.config.restore": {"in_place": True, "newest": True, **options}}
        run = self.lab.play([task], *args, check=check)
        assert SECRET not in run.output
        return run

    def _replace(self, device: Device) -> str:
        (text,) = device.files.values()
        lines = text.decode().splitlines()
        kept = [line for line in lines if not line.strip().startswith(self.rejects)]
        self.pending, device.config = device.config, "\n".join(kept)
        if self.gone:
            device.password, device.faults.cut_after = "another", 0
        if len(kept) == len(lines):
            return "Total number of passes: 1\nRollback Done\n"
        refused = "\n".join(line for line in lines if line not in kept)
        return f"Rollback aborted after 5 passes\nThe following commands are failed to apply\n{refused}\n"

    def _confirm(self, _device: Device) -> str:
        self.pending = None
        return ""

    def _revert(self, _device: Device) -> str:
        self.lapse()
        return "Rollback Done\n"

    def _delete(self, device: Device) -> str:
        device.files.clear()
        return ""

    def _save(self, device: Device) -> str:
        device.startup = device.config
        return "Building configuration...\n[OK]\n"


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player() as playing:
        yield playing


def backed_up(lab: Lab, player: Player, known: str, name: str, platform: str) -> Device:
    """A device of that platform that is sealed as it is at first."""
    device = player.device(name, platform)
    lab.hosts = [name]
    lab.host_variables[name] = {
        "ansible_connection": "ssh",
        "ansible_network_os": platform,
        "ansible_host": "127.0.0.1",
        "ansible_port": player.port,
        "ansible_user": name,
        "ansible_password": device.password,
        "ansible_become": True,
        "ansible_become_password": ENABLE,
        "holdfast_device_known_hosts": [known],
    }
    lab.variables["holdfast_components"] = [{"name": "config", "kind": "device", "items": ["running"]}]
    lab.play("holdfast.config.backup").ok()
    return device


@pytest.fixture(scope="module")
def cisco(new_lab: Callable[[int], Lab], player: Player, tmp_path_factory: pytest.TempPathFactory) -> Cisco:
    """A device r1 that is sealed as it is at first."""
    lab = new_lab(0)
    known = player.known_hosts(tmp_path_factory.mktemp("known") / "hosts")
    return Cisco(lab, backed_up(lab, player, known, "r1", "ios"))


@pytest.fixture(scope="module")
def sealed(cisco: Cisco) -> str:
    return cisco.device.config


def test_check_mode_shows_it_and_changes_nothing(cisco: Cisco, sealed: str) -> None:
    broken = sealed.replace(LINE, "").replace(SECRET, "$1$CANA$RYanother")
    cisco.reset(broken)
    run = cisco.restore("--diff", check=True).ok()
    task = run.on("restore")
    assert (task.result["changed"], task.result["method"]) == (True, "replace")
    assert "network 192.0.2.0 0.0.0.255 area 0" in run.output
    assert "RYanother" not in run.output
    assert cisco.device.config == broken
    assert not [asked for asked in cisco.device.asked if asked.startswith(("configure", "delete", "copy"))]


def test_it_comes_back_and_is_saved(cisco: Cisco, sealed: str) -> None:
    cisco.reset(sealed.replace(LINE, " network 198.51.100.0 0.0.0.255 area 0\n"))
    result = cisco.restore(save=True, timer=3).ok().on("restore").result
    assert (result["equal"], result["saved"], result["timer_minutes"]) == (True, True, 3)
    assert cisco.device.config.splitlines() == sealed.splitlines()
    assert cisco.device.startup == cisco.device.config
    assert (cisco.pending, cisco.device.files) == (None, {})
    assert any("timer 3" in asked for asked in cisco.device.asked)
    again = cisco.restore().ok().on("restore").result
    assert (again["changed"], again["equal"]) == (False, True)
    assert again["record"]


def test_what_is_not_taken_is_named_and_taken_back(cisco: Cisco, sealed: str) -> None:
    broken = sealed.replace(LINE, "").replace(SECRET, "$1$CANA$RYanother")
    cisco.reset(broken)
    cisco.rejects = "enable secret"
    run = cisco.restore()
    task = run.on("restore")
    assert task.status == "failed"
    assert "enable secret <secret>" in task.message
    assert task.result["undone"]
    assert cisco.device.config == broken
    assert cisco.device.files == {}


def test_one_that_dies_in_the_commit(cisco: Cisco, sealed: str) -> None:
    broken = sealed.replace(LINE, "")
    cisco.reset(broken)
    cisco.device.faults.dies_at = "configure replace"
    task = cisco.restore(timer=1).on("restore")
    assert (task.status, task.result["undone"]) == ("failed", True)
    assert "lost while it applied" in task.message
    assert cisco.device.config == broken


def test_one_that_shuts_its_sender_out(cisco: Cisco, sealed: str) -> None:
    broken = sealed.replace(LINE, "")
    cisco.reset(broken)
    cisco.gone = True
    password = cisco.device.password
    task = cisco.restore().on("restore")
    cisco.device.password = password
    assert task.status == "failed"
    assert "lost in the middle of a restore" in task.message
    assert "5 minutes after it was applied" in task.message
    assert cisco.pending == broken
    cisco.lapse()
    assert cisco.device.config == broken


def test_another_device_is_refused(cisco: Cisco, sealed: str) -> None:
    cisco.reset(sealed.replace("hostname r1", "hostname r9"))
    task = cisco.restore().on("restore")
    assert task.status == "failed"
    assert "calls itself r9" in task.message
    assert not cisco.device.files


@dataclasses.dataclass
class Vyos:
    """A device whose lines are committed at once, under a timer that has to be agreed to, as VyOS does.

    ``late`` lets the timer end before it is confirmed.
    """

    lab: Lab
    device: Device
    pending: str | None = None
    staged: list[str] = dataclasses.field(default_factory=list)
    late: bool = False

    def __post_init__(self) -> None:
        self.device.does = Commands(
            {"set ": self._set, "delete ": self._delete, "commit-confirm": self._commit, "confirm": self._confirm}
        )

    def restore(self) -> Run:
        task = {"name": "restore", "holdfast.config.restore": {"in_place": True, "newest": True}}
        return self.lab.play([task])

    def _set(self, device: Device) -> str | None:
        # paging is off by such a line too
        if not device.asked[-1].startswith("set terminal"):
            self.staged.append(device.asked[-1])
        return ""

    def _delete(self, device: Device) -> str:
        self.staged.append(device.asked[-1])
        return ""

    def _commit(self, device: Device) -> str:
        staged, self.staged = self.staged, []
        if self.pending is not None:
            return "Another confirm is pending\n"
        assert device.asked[-1] == "answer: y"
        self.pending = device.config
        lines = set(device.config.splitlines())
        for line in staged:
            verb, rest = line.split(" ", 1)
            # what is deleted goes with all that stands below it
            lines = {one for one in lines if verb == "set" or not f"{one} ".startswith(f"set {rest} ")}
            lines |= {line} if verb == "set" else set()
        device.config = "\n".join(sorted(lines))
        return "Initialized commit-confirm; 5 minutes to confirm before reload\n"

    def _confirm(self, device: Device) -> str:
        if self.late:
            device.config, self.pending = str(self.pending), None
        if self.pending is None:
            return "No confirm pending\n"
        self.pending = None
        return "Reload timer stopped\n"


@pytest.fixture(scope="module")
def vyos(new_lab: Callable[[int], Lab], player: Player, tmp_path_factory: pytest.TempPathFactory) -> Vyos:
    lab = new_lab(0)
    known = player.known_hosts(tmp_path_factory.mktemp("known") / "hosts")
    return Vyos(lab, backed_up(lab, player, known, "v1", "vyos"))


class TestVyos:
    """Lines that are committed under a timer."""

    BROKEN = ("set interfaces ethernet eth0 description 'wrong'", "set protocols ospf area 9 network '192.0.2.0/24'")

    @pytest.fixture
    def sealed(self, vyos: Vyos) -> Iterator[str]:
        sealed = vyos.device.config
        kept = [line for line in sealed.splitlines() if "description" not in line and "ospf" not in line]
        vyos.device.config = "\n".join(sorted([*kept, *self.BROKEN]))
        yield sealed
        vyos.device.config, vyos.pending, vyos.late = sealed, None, False

    def test_it_comes_back_under_its_timer(self, vyos: Vyos, sealed: str) -> None:
        result = vyos.restore().ok().on("restore").result
        assert (result["method"], result["equal"], result["timer_minutes"]) == ("candidate", True, 5)
        assert (vyos.device.config, vyos.pending) == (sealed, None)

    def test_a_timer_of_somebody_else_is_left_alone(self, vyos: Vyos, sealed: str) -> None:
        before = vyos.device.config
        vyos.pending = sealed
        task = vyos.restore().on("restore")
        assert (task.status, task.result["undone"]) == ("failed", True)
        assert "Another confirm is pending" in task.message
        assert (vyos.device.config, vyos.pending) == (before, sealed)

    def test_a_confirmation_that_comes_too_late_is_no_success(self, vyos: Vyos, sealed: str) -> None:
        before = vyos.device.config
        vyos.late = True
        task = vyos.restore().on("restore")
        assert task.status == "failed"
        assert "No confirm pending" in task.message
        assert vyos.device.config == before
