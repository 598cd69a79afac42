# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of docs/guide_restore_devices.md and docs/runbooks/restore_device.md, given to routers that run."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
import stat
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.tests.lab import forked_ansible
from ansible_collections.holdfast.config.tests.lab.frr import SECRETS, Router, Routers
from ansible_collections.holdfast.config.tests.lab.page import TYPED, Home, Page, Shell
from ansible_collections.holdfast.config.tests.lab.sshd import clients, wait_for
from ansible_collections.holdfast.config.tests.system.lab import BIN, Lab
from ansible_collections.holdfast.config.tests.system.test_device_runbook import VENDORS

DOCS = Path(__file__).parents[2] / "docs"
GUIDE, RUNBOOK = DOCS / "guide_restore_devices.md", DOCS / "runbooks" / "restore_device.md"
TITLE, LOOK, RESTORE = "Restore a network device", "1. Look before you write", "2. Restore"
BY_HAND, FRR = "Without Ansible", "FRRouting"
BEGIN = "frr version"
NEWEST = "-e restore_newest=true"
NOBODY = "127.0.0.2"


@dataclasses.dataclass
class Net:
    """Three routers that peer, and whoever has r1 in the inventory, sealed before the change CHG0042 and after it.

    :ivar sealed: what ran after it.
    :ivar between: when it was made.
    """

    lab: Lab
    routers: Routers
    home: Home
    sealed: str
    between: str

    @property
    def router(self) -> Router:
        return self.routers["r1"]

    def shell(self) -> Shell:
        return Shell(self.home, self.lab.path / "kept.sh", ["device", "text"])

    def said(self, output: str) -> dict[str, t.Any]:
        """What the last restore returned, which printed this; no secret shows in that."""
        assert not [secret for secret in SECRETS if secret in output]
        tasks = map(json.loads, (self.lab.path / "tasks.jsonl").read_text().splitlines())
        *_before, last = [task["result"] for task in tasks if task["action"] == "holdfast.config.restore"]
        return t.cast("dict[str, t.Any]", last)

    def startup(self) -> str:
        return self.routers.place.run("cat", f"/etc/frr/{self.router.account}/frr.conf")

    def left(self) -> str:
        """What stands on the router's host that a restore wrote, and the timers that run there."""
        place = self.routers.place
        found = place.run("find", "/tmp", "-maxdepth", "2", "-user", self.router.account, check=False)
        found += place.run("find", "/run/frr", "-name", "reload-*")
        return found + place.run("pgrep", "-r", "S", "-x", "sleep", check=False)

    @contextlib.contextmanager
    def saying(self, **variables: str) -> Iterator[None]:
        """Let the inventory say something else of r1 meanwhile."""
        known = self.lab.host_variables["r1"]
        self.lab.host_variables["r1"] = {**known, **variables}
        self.lab.write_inventory()
        yield
        self.lab.host_variables["r1"] = known
        self.lab.write_inventory()

    def break_it(self, *more: str) -> str:
        """Type what no administrator should; returns what runs then."""
        self.router.configure("no route-map OUT", "interface eth0", "no description", "exit", *more)
        return self.router.running()

    def lose_neighbours(self) -> str:
        """The same, so that no neighbour is heard any more."""
        router = self.router
        broken = self.break_it(f"no router bgp {64512 + router.number}", "no router ospf")
        wait_for(lambda: not router.established() and not router.adjacent(), "the sessions to go")
        return broken

    def is_back(self) -> None:
        assert self.router.running() == self.sealed
        wait_for(self.router.converged, "all sessions and adjacencies")
        assert self.left() == ""


def backed_up(lab: Lab, routers: Routers, home: Home) -> Net:
    """Back r1 up before and after CHG0042."""
    router = routers["r1"]
    lab.hosts = ["r1", "spare"]
    lab.host_variables |= {"r1": router.variables(), "spare": routers["r3"].variables()}
    lab.variables["holdfast_components"] = ["device"]
    change = json.dumps({"holdfast_change": {"id": "CHG0042", "requester": "ada@example.com"}})
    backup = ("holdfast.config.backup", "--limit", "r1", "-e", change)
    routers.converge()
    lab.play(*backup, "-e", "backup_point=pre").ok()
    between = instant.to_text(dt.datetime.now(dt.timezone.utc))
    router.configure("ip prefix-list NEW seq 5 permit 10.0.0.0/8")
    # a second has one name
    wait_for(lambda: instant.to_text(dt.datetime.now(dt.timezone.utc)) > between, "the next second")
    lab.play(*backup, "-e", "backup_point=post").ok()
    return Net(lab, routers, home, router.running(), between)


@pytest.fixture(scope="module")
def net(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    lab = new_lab(0)
    environment = {**lab.environment(lab.path), "HOME": str(lab.path)}
    # a home has one of its own
    del environment["PATH"]
    with (
        Routers(3, tmp_path_factory.mktemp("frr"), shell=True) as routers,
        # a socket's path is short
        tempfile.TemporaryDirectory() as folder,
        forked_ansible.programs(Path(folder), environment) as programs,
    ):
        place = routers.place
        # the home of root is this machine's
        place.run("sed", "-i", r"s|^root:\(.*\):/root:|root:\1:/run/home/root:|", "/etc/passwd")
        place.run("mkdir", "-m", "700", "/run/home/root")
        own = lab.path / "programs"
        known = {"IdentityFile": place.user_key, "UserKnownHostsFile": place.known_hosts, "BatchMode": "yes"}
        clients(own, {"r1": {"HostName": "127.0.0.1", "Port": place.port, "IdentitiesOnly": "yes", **known}})
        yield backed_up(lab, routers, Home(lab.path, [programs, own, BIN], environment))


@pytest.fixture(scope="module")
def runbook(net: Net) -> dict[str, list[str]]:
    """The commands of the runbook by section."""
    replaced = {
        "2026-11-21T02:39:05Z": net.between,
        "192.0.2.9": "127.0.0.1",
        "/var/tmp/restored": f"{net.lab.path}/restored",
    }
    page = Page(RUNBOOK, replaced)
    return {block.section: page.commands(block.section) for block in page.blocks if block.language in TYPED}


def test_what_the_guide_says_is_shown_and_then_so(net: Net) -> None:
    (block,) = [block for block in Page(GUIDE).blocks if block.language in TYPED]
    look, restore = block.text.splitlines()
    broken, startup = net.lose_neighbours(), net.startup()
    shell = net.shell()
    said = shell.type(look)
    assert f"neighbor {min(net.router.neighbours)} remote-as" in said
    assert net.said(said)["changed"]
    assert (net.router.running(), net.left()) == (broken, "")
    result = net.said(shell.type(restore))
    assert (result["method"], result["equal"], result["timer_minutes"], result["saved"]) == ("reload", True, 5, False)
    net.is_back()
    assert net.startup() == startup


def test_a_router_is_looked_at_restored_and_saved(net: Net, runbook: dict[str, list[str]]) -> None:
    assert [*runbook] == [TITLE, LOOK, RESTORE, BY_HAND, *VENDORS, FRR]
    (begin,), (look, choices) = runbook[TITLE], runbook[LOOK]
    restore, save, elsewhere, _to_spare = runbook[RESTORE]
    shell, router = net.shell(), net.router
    shell.type(begin)

    broken, startup = net.break_it(), net.startup()
    said = shell.type(look)
    assert "Comes back with old secrets" in said
    assert "+ description uplink of r1" in said
    assert "ip prefix-list NEW" not in said
    for choice in choices.splitlines():
        assert choice.startswith("-e restore_")
        assert "no ip prefix-list NEW" in shell.type(look.replace(NEWEST, choice))
    assert (router.running(), net.left()) == (broken, "")

    result = net.said(shell.type(restore))
    assert (result["changed"], result["equal"], result["saved"]) == (True, True, False)
    net.is_back()
    assert net.startup() == startup
    result = net.said(shell.type(save))
    assert (result["equal"], result["saved"]) == (True, True)
    assert net.startup().partition(BEGIN)[2].split() == net.sealed.partition(BEGIN)[2].split()[:-1]

    net.break_it()
    with net.saying(ansible_host=NOBODY):
        assert net.said(shell.type(elsewhere))["equal"]
    net.is_back()


def test_a_router_comes_back_without_ansible(net: Net, runbook: dict[str, list[str]]) -> None:
    (begin,), (under, cut), (copy, on_router) = runbook[TITLE], runbook[BY_HAND], runbook[FRR]
    shell, router, place = net.shell(), net.router, net.routers.place
    shell.type(begin)
    shell.type(under)
    text = net.lab.path / "restored" / "holdfast" / "device" / "running"
    assert text.read_text() == net.sealed
    assert stat.S_IMODE(text.stat().st_mode) == 0o600
    shell.type(cut)
    whole, left = map(int, re.findall(r"^ *(\d+) \S*(?:running|running\.cfg)$", shell.type(copy), re.MULTILINE))
    assert 0 < whole - left < 10
    assert place.run("sh", "-c", "stat -c %a ~root/running.cfg; cat ~root/running.cfg").startswith(f"600\n{BEGIN}")

    broken, startup = net.lose_neighbours(), net.startup()
    judge, apply, compare, save, remove = on_router.splitlines()
    said = router.on_host(judge)
    assert "router ospf\n ospf router-id" in said
    assert "Lines To Delete" not in said
    assert "no ip prefix-list OWN" in router.on_host(judge.replace("running.cfg", str(text)), check=False)
    assert (router.running(), net.startup()) == (broken, startup)
    router.on_host(apply)
    assert "router ospf" in net.startup()
    assert router.on_host(compare) == ""
    assert "[OK]" in router.on_host(save)
    router.on_host(remove)
    assert place.run("sh", "-c", "ls ~root") == ""
    net.is_back()


def test_a_spare_takes_its_place(net: Net, runbook: dict[str, list[str]]) -> None:
    (begin,), (*_others, to_spare) = runbook[TITLE], runbook[RESTORE]
    shell, routers = net.shell(), net.routers
    shell.type(begin)
    routers.lose(net.router)
    with pytest.raises(AssertionError, match=r"- hostname r3; \+ hostname r1"):
        shell.type(to_spare)
    # FRRouting calls itself as its host does
    routers.put_in_place(routers["r3"], "r1")
    assert "router bgp" not in routers["r3"].running()
    assert net.said(shell.type(to_spare))["equal"]
    assert routers["r3"].running() == net.sealed
    wait_for(lambda: net.router.address in routers["r2"].established(), "r2 to peer with the spare")
