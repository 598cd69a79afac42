# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of FRRouting, held against a router: it takes each computed line, and is as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.normalise import normalised
from ansible_collections.holdfast.config.plugins.plugin_utils.model import candidate, config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.config_tree import Tree
from ansible_collections.holdfast.config.tests.lab.frr import Router, Routers

FRR = platforms.find("frr")
BGP, OSPF, LO = "router bgp 64513", "router ospf", "interface lo"
IPV4, IPV6 = "address-family ipv4 unicast", "address-family ipv6 unicast"
BREAKS = {
    "an interface's lines": (LO, "description evil", "bandwidth 100", "ip ospf cost 5", "no ip address 10.255.0.2/32"),
    "a key": ("interface eth0", "no ip ospf message-digest-key 1", "ip ospf message-digest-key 1 md5 other"),
    "a neighbour's lines": (BGP, "neighbor 192.0.2.8 remote-as 65009", "neighbor 192.0.2.8 password x"),
    "all of BGP": (f"no {BGP}",),
    "all of OSPF": (f"no {OSPF}",),
    "a router id": (BGP, "bgp router-id 192.0.2.1", "exit", OSPF, "ospf router-id 192.0.2.1"),
    "an address family": (BGP, IPV6, "network 2001:db8::/32", "exit-address-family", IPV4, "maximum-paths 4"),
    "an area": (OSPF, "area 2 stub", "passive-interface default", "redistribute bgp", "maximum-paths 4"),
    "a route map": ("route-map OUT permit 10", "description x", "set metric 5", "set as-path prepend 65001 65001"),
    "another route map": ("route-map NEW permit 10", "match ip address prefix-list OWN", "on-match goto 30"),
    "a list": ("no ip prefix-list OWN seq 5", "ip prefix-list OWN seq 7 permit 192.0.2.0/24"),
    "more lists": ("access-list A seq 7 deny any", "bgp community-list standard C seq 5 permit 65001:1"),
    "passwords": ("password other", "no enable password"),
    "where it logs": ("log syslog debugging", "log timestamp precision 3"),
}


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """One router."""
    with Routers(1, tmp_path_factory.mktemp("frr")) as running:
        yield running["r1"]


def compared(text: str) -> bytes:
    return normalised(FRR, "running", text.encode())


def tree(text: str) -> Tree:
    return config_tree.parse(compared(text).decode(), FRR.structure)


@pytest.mark.parametrize("lines", BREAKS.values(), ids=BREAKS)
def test_a_router_takes_the_lines_that_bring_it_back(router: Router, lines: tuple[str, ...]) -> None:
    wanted = router.running()
    router.configure(*lines)
    live = router.running()
    assert compared(live) != compared(wanted)
    router.configure(*candidate.candidate(tree(live), tree(wanted), FRR.structure))
    assert compared(router.running()) == compared(wanted)
