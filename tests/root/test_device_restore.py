# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers that run come back: their adjacencies stand again, and their configuration is proven equal."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise, platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device_change import (
    CliChange,
    NetconfChange,
    Order,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.netconf_session import open_netconf
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Reach
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.ssh_session import open_ssh
from ansible_collections.holdfast.config.plugins.plugin_utils.model import candidate
from ansible_collections.holdfast.config.tests.lab.apart import PASSWORD
from ansible_collections.holdfast.config.tests.lab.frr import SECRETS, Router, Routers
from ansible_collections.holdfast.config.tests.lab.netconf import Server, Servers, descriptions
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import Lab, Run

COMPONENTS = [{"name": "config", "kind": "device", "items": ["running"]}]


@dataclasses.dataclass
class Net:
    """Four routers that peer, sealed as they are at first."""

    lab: Lab
    routers: Routers
    sealed: dict[str, str]

    @classmethod
    def backed_up(cls, lab: Lab, routers: Routers) -> t.Self:
        """Let them find each other, and seal them as they are then."""
        lab.hosts = list(routers)
        for router in routers.values():
            lab.host_variables[router.name] = router.variables()
        lab.variables["holdfast_components"] = COMPONENTS
        routers.converge()
        lab.play("holdfast.config.backup").ok()
        return cls(lab, routers, {name: router.running() for name, router in routers.items()})

    def restore(self, router: Router, *args: str, check: bool = False, **options: t.Any) -> Run:
        task = {"name": "restore", "holdfast.config.restore": {"in_place": True, "newest": True, **options}}
        run = self.lab.play([task], "--limit", router.name, *args, check=check)
        assert not [secret for secret in SECRETS if secret in run.output]
        return run

    def is_back(self, router: Router) -> None:
        assert router.running() == self.sealed[router.name]
        wait_for(router.converged, f"all sessions and adjacencies of {router.name}")


@pytest.fixture(scope="module")
def net(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with Routers(4, tmp_path_factory.mktemp("frr")) as routers:
        yield Net.backed_up(new_lab(0), routers)


def test_a_broken_router_comes_back(net: Net) -> None:
    router = net.routers["r1"]
    neighbour = min(router.neighbours)
    asn = 64512 + router.number
    router.configure(
        f"router bgp {asn}",
        f"no neighbor {neighbour}",
        "neighbor 10.99.0.1 remote-as 65099",
        "exit",
        "no router ospf",
        "no route-map OUT",
        "interface eth0",
        "no description",
        "ip ospf message-digest-key 2 md5 wrong",
    )
    wait_for(lambda: not router.converged(), "the sessions to go")
    broken = router.running()

    shown = net.restore(router, "--diff", check=True).ok()
    assert shown.on("restore").result["changed"]
    assert "router ospf" in shown.output
    assert f"neighbor {neighbour} remote-as" in shown.output
    assert router.running() == broken

    result = net.restore(router).ok().on("restore").result
    assert (result["changed"], result["equal"], result["saved"]) == (True, True, False)
    net.is_back(router)
    again = net.restore(router).ok().on("restore").result
    assert (again["changed"], again["equal"]) == (False, True)


def test_one_without_any_routing_comes_back_and_is_saved(net: Net) -> None:
    router = net.routers["r2"]
    router.configure(f"no router bgp {64512 + router.number}", "no router ospf", "no route-map OUT")
    router.configure("no ip prefix-list OWN", "no ip route 203.0.113.3/32 blackhole")
    router.save()
    result = net.restore(router, save=True).ok().on("restore").result
    assert (result["equal"], result["saved"]) == (True, True)
    net.is_back(router)
    net.routers.restart(router)
    net.is_back(router)


def test_lines_that_no_daemon_takes_are_named(net: Net) -> None:
    router = net.routers["r3"]
    net.routers.place.run("sh", "-c", f"kill -9 $(cat /run/frr/{router.account}/ospfd.pid)")
    try:
        wait_for(lambda: "router ospf" not in router.running(), "ospfd to be gone")
        router.configure("interface eth0", "description changed")
        before = router.running()
        task = net.restore(router).on("restore")
        assert task.status == "failed"
        assert "ospf" in task.message
        assert router.running() == before
        assert task.result["undone"]
    finally:
        net.routers.restart(router)


# what somebody may have typed on router r4, by what it breaks
BREAKS: dict[str, list[str]] = {
    "a password": ["router bgp 64516", "neighbor 10.10.0.2 password other"],
    "a password that is gone": ["router bgp 64516", "no neighbor 10.10.0.2 password"],
    "a neighbour": ["router bgp 64516", "neighbor 10.10.0.2 remote-as 65000"],
    "networks": [
        "router bgp 64516",
        "address-family ipv4 unicast",
        "no network 203.0.113.5/32",
        "network 203.0.113.99/32",
    ],
    "policy": ["router bgp 64516", "address-family ipv4 unicast", "neighbor 10.10.0.2 route-map OUT out"],
    "timers": ["router bgp 64516", "timers bgp 5 15", "bgp ebgp-requires-policy", "no bgp router-id"],
    "another AS": ["no router bgp 64516", "router bgp 65099", "neighbor 10.10.0.2 remote-as 1"],
    "addresses": ["interface eth0", "ip address 10.77.0.1/24", "exit", "interface lo", "no ip address 10.255.0.5/32"],
    "keys and costs": ["interface eth0", "ip ospf message-digest-key 1 md5 other", "ip ospf cost 77"],
    "an area": ["router ospf", "no network 10.0.0.0/8 area 0", "network 10.0.0.0/8 area 1"],
    "routes": ["no ip route 203.0.113.5/32 blackhole", "ip route 203.0.113.5/32 10.10.0.2"],
    "prefixes": ["ip prefix-list OWN seq 5 deny 203.0.113.0/24", "ip prefix-list NEW seq 5 permit 10.0.0.0/8"],
    "a map": ["route-map OUT permit 10", "no match ip address prefix-list OWN", "set metric 50"],
    "logins": ["password other", "no enable password", "log syslog errors"],
}


def test_each_break_is_undone_by_the_lines_that_are_computed(net: Net) -> None:
    router = net.routers["r4"]
    platform = platforms.find("frr")
    item = platform.item("running")
    assert item is not None
    reach = Reach(
        "r4",
        "127.0.0.1",
        net.routers.place.port,
        router.account,
        PASSWORD,
        known_hosts=(str(net.routers.place.known_hosts),),
    )
    assert platform.dialogue is not None
    failed = {}
    with open_ssh(reach, platform.dialogue, platform.structure) as session:
        sealed = session.read(item)
        for name, lines in BREAKS.items():
            router.configure(*lines)
            live, wanted = (normalise.tree(platform, "running", text) for text in (session.read(item), sealed))
            typed = candidate.candidate(live, wanted, platform.structure)
            change = CliChange(session, platform, Order("0" * 16, 1), lines=typed)
            refused = change.prepare() or change.apply()
            if not typed or refused or session.read(item) != sealed:
                failed[name] = (typed, [(one.command, one.said) for one in refused])
    assert failed == {}
    wait_for(router.converged, "all sessions and adjacencies of r4")


@dataclasses.dataclass
class Datastore:
    """A NETCONF server, sealed as it is at first."""

    lab: Lab
    servers: Servers

    @property
    def server(self) -> Server:
        (server,) = self.servers.values()
        return server

    def restore(self, *args: str, check: bool = False, **options: t.Any) -> Run:
        task = {"name": "restore", "holdfast.config.restore": {"in_place": True, "newest": True, **options}}
        return self.lab.play([task], *args, check=check)

    def broken(self) -> dict[str, str]:
        """Interfaces that differ from the sealed ones: one changed, one gone, one more."""
        first, *_gone = self.server.first
        found = {first: "wrong", "ge77": "nobody knows"}
        self.server.describe(found)
        return found


@pytest.fixture(scope="module")
def datastore(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datastore]:
    with Servers(1, tmp_path_factory.mktemp("netconf")) as servers:
        (server,) = servers.values()
        lab = new_lab(0)
        lab.hosts = [server.name]
        lab.host_variables[server.name] = server.variables()
        lab.variables["holdfast_components"] = COMPONENTS
        lab.play("holdfast.config.backup").ok()
        yield Datastore(lab, servers)


def test_a_datastore_comes_back(datastore: Datastore) -> None:
    server = datastore.server
    broken = datastore.broken()
    shown = datastore.restore("--diff", check=True).ok()
    assert shown.on("restore").result["changed"]
    assert "nobody knows" in shown.output
    assert server.startup() == broken
    result = datastore.restore().ok().on("restore").result
    assert (result["method"], result["equal"], result["timer_minutes"]) == ("netconf", True, 5)
    assert server.startup() == server.first
    assert not datastore.restore().ok().on("restore").result["changed"]


def test_one_that_is_lost_before_the_confirmation_goes_back(datastore: Datastore) -> None:
    server = datastore.server
    platform = platforms.find("netconf")
    item = platform.item("running")
    assert item is not None
    place = datastore.servers.place
    reach = Reach("n1", "127.0.0.1", place.port, server.account, PASSWORD, known_hosts=(str(place.known_hosts),))
    with open_netconf(reach) as session:
        sealed = session.read(item)
    server.describe({"ge1": "wrong"})
    with open_netconf(reach) as session:
        change = NetconfChange(session, Order("0" * 16, 5), sealed)
        assert (change.timer, change.prepare(), change.apply()) == (True, (), ())
        assert session.read(item) == sealed
    with open_netconf(reach) as session:
        wait_for(lambda: descriptions(session.read(item).decode()) == {"ge1": "wrong"}, "the server to go back")
    server.describe(server.first)
