# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may not be read is never passed over in silence: it fails its host by name, or is recorded."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

from .reading import manifest

TOP = "/srv/rights"
BEYOND = "/srv/beyond/inner/file"
COMPONENTS = {"rights": [TOP], "beyond": [BEYOND, "/srv/reached"], "globs": ["/srv/unlisted/*", "/srv/reached"]}
RUN = [OPEN, SNAPSHOT, SEAL]

MADE = f"""
mkdir -p {TOP}/closed/below {TOP}/listed {TOP}/searched /srv/beyond/inner /srv/unlisted
cd {TOP}
for file in open mode acl group closed/below/file listed/one listed/two searched/file {BEYOND} /srv/unlisted/a \
  /srv/reached; do
  echo {CANARY} > $file
done
ln -s /root/nowhere link
chmod 0600 mode
setfacl -m u:ada:--- acl
setfacl -m g:ada:--- group
chmod 0700 closed /srv/beyond
chmod 0744 listed
chmod 0711 searched /srv/unlisted
"""
DENIED = {
    "rights": ["acl", "closed", "group", "listed/one", "listed/two", "mode", "searched"],
    "beyond": [BEYOND],
    "globs": ["/srv/unlisted"],
}
KEPT = {
    "rights": {"", "/link", "/listed", "/open"},
    "beyond": {"/srv/reached"},
    "globs": {"/srv/reached"},
}


@pytest.fixture(scope="module")
def rights(host: Machine) -> Machine:
    """A host with paths that Ada may not read."""
    host.run("sh", "-euc", MADE)
    return host


def denied(component: str) -> set[str]:
    """What she may not read of it."""
    return {path if path.startswith("/") else f"{TOP}/{path}" for path in DENIED[component]}


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_path_that_cannot_be_read_is_named_and_fails_the_host(
    rights: Machine, lab_of: Callable[..., Lab], name: str
) -> None:
    lab = lab_of(rights, user="ada", **{name: COMPONENTS[name]})
    run = lab.play(RUN)
    failed = run.on("snapshot")
    assert (run.rc, failed.status) == (2, "failed")
    for path in denied(name):
        assert path in failed.message
    assert f"{len(denied(name))} paths cannot be read" in failed.message
    assert "become" in failed.result["remedy"]
    assert lab.points() == []


def test_each_is_recorded_where_it_may_be_left_out(rights: Machine, lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(rights, user="ada", **COMPONENTS)
    for component in lab.variables["holdfast_components"]:
        component["unreadable"] = "leave_out"
    run = lab.play(RUN).ok()
    for captured in manifest(lab).components:
        name = captured.component.name
        assert {(left.path, left.reason) for left in captured.left_out} == {
            (path, "unreadable") for path in denied(name)
        }
        assert {keyed.entry.path.removeprefix(TOP) for keyed in captured.entries} == KEPT[name]
    told = {gap["path"] for stream in run.on("snapshot").result["streams"] for gap in stream["left_out"]}
    assert told == {path for name in COMPONENTS for path in denied(name)}


def test_root_reads_all_of_it(rights: Machine, lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(rights, **COMPONENTS)
    lab.play(RUN).ok()
    assert [captured.left_out for captured in manifest(lab).components] == [()] * 3


@pytest.mark.parametrize(
    "become",
    [
        {"ansible_become_method": "su", "ansible_become_password": "wrong"},
        {"ansible_become_method": "su", "ansible_become_exe": "/no/such/su"},
    ],
    ids=["wrong password", "no such program"],
)
def test_where_become_is_refused_nothing_is_taken_as_the_user_who_logged_in(
    rights: Machine, lab_of: Callable[..., Lab], become: dict[str, t.Any]
) -> None:
    lab = lab_of(rights, user="ada", reached=["/srv/reached"])
    lab.host_variables[rights.name] |= {"ansible_become": True, **become}
    run = lab.play(RUN)
    assert run.rc != 0
    assert run.on("snapshot").status in ("failed", "unreachable")
    assert run.on("snapshot").message
    assert lab.points() == []
    assert not [name for name in lab.stored() if name.startswith("packs/")]


@pytest.fixture
def planted(host: Machine) -> Iterator[None]:
    """A service, and an older process that Ada has given its name."""
    with contextlib.ExitStack() as stack:
        for unit, user in (("planted", "ada"), ("shop", "root")):
            start = ["systemd-run", "--quiet", f"--unit={unit}", f"--uid={user}", f"--setenv=OF={user}"]
            host.run(*start, "/bin/sh", "-c", "printf hf-shop > /proc/self/comm; while :; do sleep 60; done")
            stack.callback(host.run, "systemctl", "stop", unit)
        wait_for(lambda: len(host.run("pgrep", "-x", "hf-shop", check=False).stdout.split()) == 2, "both processes")
        yield


@pytest.mark.usefixtures("planted")
def test_a_process_that_a_user_planted_is_not_taken_for_a_service(host: Machine, lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(host)
    component = {"name": "shop_env", "process": "hf-shop"}
    lab.variables["holdfast_components"] = [component]
    failed = lab.play(RUN).on("snapshot")
    uid = host.run("id", "-u", "ada").stdout.decode().strip()
    assert f"processes hf-shop run under differing uids: 0, {uid}" in failed.message
    assert "unit" in failed.result["remedy"]
    for sure in ({**component, "user": "root"}, {"name": "shop_env", "unit": "shop.service"}):
        lab.variables["holdfast_components"] = [sure]
        lab.play(RUN).ok()
        lab.play([{"name": "restore", "holdfast.config.restore": {"under": "/srv/shop", "newest": True}}]).ok()
        assert b"OF=root\n" in host.run("cat", "/srv/shop/holdfast/shop_env/environment").stdout
