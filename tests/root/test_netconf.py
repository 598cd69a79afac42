# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NETCONF servers that run: their datastore comes whole, and what differs in it is drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab.apart import PASSWORD
from ansible_collections.holdfast.config.tests.lab.netconf import Servers, descriptions
from ansible_collections.holdfast.config.tests.system.lab import Lab

from .test_devices import AT_ONCE, COMPONENTS, ONE_BY_ONE, play, results, text_of


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Two servers."""
    with Servers(2, tmp_path_factory.mktemp("netconf")) as running:
        yield running


@pytest.fixture
def net(new_lab: Callable[[int], Lab], servers: Servers) -> Lab:
    """An empty repository, and the servers as hosts."""
    lab = new_lab(0)
    for name, server in servers.items():
        lab.hosts.append(name)
        lab.host_variables[name] = {**server.variables(), "holdfast_components": COMPONENTS}
    return lab


def test_a_datastore_comes_whole_and_what_differs_is_drift(net: Lab, servers: Servers) -> None:
    server = servers["n1"]
    assert results(play(net, ONE_BY_ONE).ok()) == {"n1": "stored", "n2": "stored"}
    assert descriptions(text_of(net, "n1")) == server.first
    assert results(play(net, AT_ONCE).ok()) == {"n1": "unchanged", "n2": "unchanged"}
    server.describe({**server.first, "ge1": "another uplink"})
    try:
        assert results(play(net, AT_ONCE).ok()) == {"n1": "stored", "n2": "unchanged"}
        assert descriptions(text_of(net, "n1")) == {**server.first, "ge1": "another uplink"}
        net.sound()
    finally:
        server.describe(server.first)


def test_one_behind_a_jump_host_is_reached_through_it(net: Lab, servers: Servers) -> None:
    server, account = servers["n1"], servers["n2"].account
    net.hosts = ["n1"]
    hop = {"host": "127.0.0.1", "port": servers.place.port, "user": account, "password": PASSWORD}
    net.host_variables["n1"]["holdfast_device_jump"] = [hop]
    before = servers.place.log().count(f"Accepted password for {account}")
    assert results(play(net, ONE_BY_ONE).ok()) == {"n1": "stored"}
    assert descriptions(text_of(net, "n1")) == server.first
    assert servers.place.log().count(f"Accepted password for {account}") == before + 1
    net.host_variables["n1"]["holdfast_device_jump"] = [{**hop, "password": "wrong"}]
    assert "the jump host 127.0.0.1 does not let the user in" in play(net, ONE_BY_ONE).output
