# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers whose login gets a shell of their host come back by FRRouting's own program, under a timer of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device_change import Order
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host_reload import ReloadChange
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Reach
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.ssh_session import open_ssh
from ansible_collections.holdfast.config.tests.lab.apart import PASSWORD
from ansible_collections.holdfast.config.tests.lab.frr import Router, Routers
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import Lab

from . import test_device_restore

BREAK = ("no router ospf", "no route-map OUT", "interface eth0", "no description")


class Net(test_device_restore.Net):
    """The same, of routers whose login gives a shell."""

    def startup(self, router: Router) -> str:
        return self.routers.place.run("cat", f"/etc/frr/{router.account}/frr.conf")

    def left(self, router: Router) -> str:
        """What stands on the router's host that a restore wrote."""
        found = self.routers.place.run("find", "/tmp", "-maxdepth", "2", "-user", router.account, check=False)
        return found + self.routers.place.run("find", "/run/frr", "-name", "reload-*")

    def leave_in_between(self, router: Router) -> None:
        """Apply what was sealed to a router that runs something else, and be gone before it is confirmed."""
        platform = platforms.find("frr")
        item = platform.item("running")
        assert item is not None
        assert platform.dialogue is not None
        place = self.routers.place
        known = (str(place.known_hosts),)
        reach = Reach(router.name, "127.0.0.1", place.port, router.account, PASSWORD, known_hosts=known)
        with open_ssh(reach, platform.dialogue, platform.structure) as session:
            session.read(item)
            assert session.has_shell
            change = ReloadChange(session, platform, Order("0123456789abcdef", 30), self.sealed[router.name].encode())
            assert change.prepare() == ()
            assert change.apply() == ()
        assert router.running() == self.sealed[router.name]

    def let_time_go_by(self) -> None:
        """Let the timers of all hosts end."""
        self.routers.place.run("sh", "-c", "kill $(pgrep -x sleep)")


@pytest.fixture(scope="module")
def net(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with Routers(2, tmp_path_factory.mktemp("frr"), shell=True) as routers:
        yield Net.backed_up(new_lab(0), routers)


def test_lines_that_no_daemon_takes_are_named(net: Net) -> None:
    router = net.routers["r2"]
    net.routers.place.run("sh", "-c", f"kill -9 $(cat /run/frr/{router.account}/ospfd.pid)")
    try:
        wait_for(lambda: "router ospf" not in router.running(), "ospfd to be gone")
        router.configure("interface eth0", "description changed")
        before = router.running()
        task = net.restore(router).on("restore")
        assert (task.status, task.result["undone"]) == ("failed", True)
        assert "ospf" in task.message
        assert (router.running(), net.left(router)) == (before, "")
    finally:
        net.routers.restart(router)
        wait_for(router.converged, "all sessions and adjacencies")


def test_what_nobody_confirms_is_put_back_by_the_timer(net: Net) -> None:
    router = net.routers["r1"]
    router.configure(*BREAK)
    broken = router.running()
    net.leave_in_between(router)
    net.let_time_go_by()
    wait_for(lambda: not net.left(router), "the timer to put it back")
    assert router.running() == broken


def test_the_next_restore_stops_the_timer_of_one_that_was_killed(net: Net) -> None:
    router = net.routers["r2"]
    router.configure(*BREAK)
    net.leave_in_between(router)
    result = net.restore(router, save=True).ok().on("restore").result
    assert (result["equal"], result["saved"]) == (True, True)
    assert (router.running(), net.left(router)) == (net.sealed[router.name], "")
    assert net.routers.place.run("pgrep", "-r", "S", "-x", "sleep", check=False) == ""
    sealed = net.sealed[router.name].partition("frr version")[2]
    assert net.startup(router).partition("frr version")[2].split() == sealed.split()[:-1]
