# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers that run, beside a Linux host: one signed point of all of them, and what of it is drift."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab.frr import SECRETS, Routers
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run
from ansible_collections.holdfast.config.tests.system.test_stock_tools import unpack

COMPONENTS = [{"name": "config", "kind": "device", "items": ["running"]}]
BATCH = {"name": "batch", "holdfast.config.snapshot_devices": {}}
ONE_BY_ONE = [OPEN, SNAPSHOT, SEAL]
AT_ONCE = [OPEN, BATCH, SNAPSHOT, SEAL]


@pytest.fixture(scope="module")
def routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routers]:
    """Four routers that peer over BGP and OSPF."""
    with Routers(4, tmp_path_factory.mktemp("frr")) as running:
        running.converge()
        yield running


@pytest.fixture
def net(new_lab: Callable[[int], Lab], routers: Routers) -> Lab:
    """An empty repository, a Linux host with files of its own, and the routers."""
    lab = new_lab(1)
    for name, router in routers.items():
        lab.hosts.append(name)
        lab.host_variables[name] = {**router.variables(), "holdfast_components": COMPONENTS}
    return lab


def play(net: Lab, tasks: t.Any, *args: str) -> Run:
    """Run tasks; what is secret on a router shows in none of it."""
    run = net.play(tasks, "-f", "5", *args)
    texts = [run.output, str(run.tasks)]
    texts += [path.read_text("latin-1") for path in net.state.rglob("*") if path.is_file()]
    assert not [secret for secret in SECRETS for text in texts if secret in text]
    return run


def results(run: Run) -> dict[str, str]:
    """What the table says of each host."""
    return {host: line["result"] for host, line in run.lines().items()}


def text_of(net: Lab, host: str, item: str = "running") -> str:
    """A text of the newest pack of a host, opened by stock tools and the escrow key."""
    packs = (net.path / "repository").glob(f"packs/*/{host}/*/*")
    newest = max(packs, key=lambda path: path.stat().st_mtime_ns)
    into = net.path / "by-hand"
    shutil.rmtree(into, ignore_errors=True)
    unpack(newest.read_bytes(), net.path / "keyring" / "escrow" / "identities.txt", into)
    return (into / "config" / "rootfs" / "holdfast" / "config" / item).read_text()


@pytest.mark.parametrize(
    ("tasks", "others"), [(ONE_BY_ONE, AT_ONCE), (AT_ONCE, ONE_BY_ONE)], ids=["one by one", "at once"]
)
def test_a_linux_host_and_routers_end_in_one_signed_point_and_unchanged_in_the_next(
    net: Lab, routers: Routers, tasks: t.Any, others: t.Any
) -> None:
    run = play(net, tasks, "-vvv").ok()
    assert results(run) == dict.fromkeys(net.hosts, "stored")
    assert run.report["complete"]
    (point,) = net.points()
    assert {entry.host for entry in point.body.streams} == set(net.hosts)
    assert net.sound().snapshots == len(net.hosts)
    for name, router in routers.items():
        text = text_of(net, name)
        assert text == router.running()
        assert all(secret in text for secret in SECRETS)
    before = net.stored()
    assert results(play(net, others).ok()) == dict.fromkeys(net.hosts, "unchanged")
    new = net.stored().keys() - before.keys()
    assert not [name for name in new if name.startswith(("packs/", "manifests/"))]


def test_a_change_on_a_router_is_its_drift_alone_and_back_is_one_too(net: Lab, routers: Routers) -> None:
    router = routers["r2"]
    play(net, AT_ONCE).ok()
    router.configure("ip prefix-list OWN seq 7 permit 198.51.100.0/24")
    try:
        run = play(net, AT_ONCE, "--diff").ok()
        assert results(run) == {**dict.fromkeys(net.hosts, "unchanged"), "r2": "stored"}
        (stream,) = run.on("snapshot", "r2").result["streams"]
        assert (stream["reason"], stream["changed_components"]) == ("drift", ["config"])
        assert "seq 7 permit 198.51.100.0/24" in text_of(net, "r2")
    finally:
        router.configure("no ip prefix-list OWN seq 7")
    assert results(play(net, ONE_BY_ONE).ok()) == {**dict.fromkeys(net.hosts, "unchanged"), "r2": "stored"}
    assert text_of(net, "r2") == router.running()


def test_running_and_startup_are_told_apart(net: Lab, routers: Routers) -> None:
    router = routers["r3"]
    router.save()
    # the Linux host that the router runs on
    net.host_variables["web1"]["holdfast_components"] = [
        {"name": "config", "commands": [{"name": "startup", "argv": routers.startup_of(router)}]}
    ]
    play(net, AT_ONCE).ok()
    saved = text_of(net, "web1", "startup")
    router.configure("route-map OUT permit 20")
    assert results(play(net, AT_ONCE).ok()) == {**dict.fromkeys(net.hosts, "unchanged"), "r3": "stored"}
    assert "route-map OUT permit 20" in text_of(net, "r3")
    assert "route-map OUT permit 20" not in saved
    # the power is lost before anybody saves it: what runs is the startup configuration again
    routers.restart(router)
    assert results(play(net, AT_ONCE).ok()) == {**dict.fromkeys(net.hosts, "unchanged"), "r3": "stored"}
    assert text_of(net, "r3") == router.running()
    assert "route-map OUT permit 20" not in router.running()


@pytest.mark.parametrize("tasks", [ONE_BY_ONE, AT_ONCE], ids=["one by one", "at once"])
def test_a_router_that_fails_is_its_own_failure(net: Lab, routers: Routers, tasks: t.Any) -> None:
    net.host_variables["r1"]["ansible_password"] = "another"
    unknown = net.path / "known_hosts"
    unknown.touch()
    net.host_variables["r4"]["holdfast_device_known_hosts"] = [str(unknown)]
    logins = routers.place.log().count("Failed password for router1")
    run = play(net, tasks)
    assert run.rc != 0
    assert run.states("snapshot") == {"web1": "ok", "r1": "failed", "r2": "ok", "r3": "ok", "r4": "failed"}
    assert "does not let the user in" in run.on("snapshot", "r1").message
    assert "host key of the device is not known" in run.on("snapshot", "r4").message
    assert results(run) == {"web1": "stored", "r1": "FAILED", "r2": "stored", "r3": "stored", "r4": "FAILED"}
    assert not run.report["complete"]
    assert routers.place.log().count("Failed password for router1") == logins + 1
