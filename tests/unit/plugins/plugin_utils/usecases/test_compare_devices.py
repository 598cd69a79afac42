# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices compared: what is volatile, what is shown, and what nobody may see."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import device as capture
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import BY_CONTENT, BY_DIGESTS, Comparison
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy, read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.render import text
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import adopt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.compare import compare
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.states import Live, LookedAt, Sealed
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import Device
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource, near_trip

from .lab import Lab

TEXT = b"""hostname r1
snmp-server community CANARY RO
interface eth0
 ip address 192.0.2.1/24
router bgp 65001
 neighbor 192.0.2.2 password CANARY
 address-family ipv4 unicast
  network 198.51.100.0/24
 exit-address-family
exit
end
"""
RUNNING = "/holdfast/device/running"


def policy() -> Policy:
    component = {"name": "device", "kind": "device", "platform": "frr", "items": ["running"]}
    return read_policy(host="h", components=[component], platforms=platforms.finder())


class Setting:
    """A router, a repository that has it, and the comparison of both."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.device = Device({"running": TEXT})
        folder = lab.folder()
        lab.open(folder)
        with capture.Device(self.device.open) as source:
            lab.snapshot(folder, MemorySource({}), policy=policy, device=source)
        lab.seal(folder)

    def live(self, *, declared: tuple[Component, ...] | None = None, **more: t.Any) -> Comparison:
        """Compare what is sealed with the router as it is."""
        with capture.Device(self.device.open) as source:
            return compare(
                self.lab.repository,
                self.lab.keyring,
                Sealed("h", Selection(newest=True)),
                Live("h", LookedAt(near_trip, device=source)),
                declared=policy().components if declared is None else declared,
                **more,
            )


@pytest.fixture
def setting(lab: Lab) -> Setting:
    return Setting(lab)


def test_a_changed_line_is_shown_below_those_that_it_stands_in_with_secrets_masked(setting: Setting) -> None:
    changed = TEXT.replace(b"198.51.100.0/24", b"203.0.113.0/24").replace(b"password CANARY", b"password CANARY-2")
    setting.device.texts["running"] = changed
    outcome = setting.live(content=True)
    assert outcome.proof == BY_CONTENT
    assert outcome.drift
    shown = text.page(outcome)
    assert shown.split(f"+++ {RUNNING}\n")[1] == (
        " router bgp 65001\n"
        "- neighbor 192.0.2.2 password <secret>\n"
        "+ neighbor 192.0.2.2 password <secret>\n"
        "  address-family ipv4 unicast\n"
        "-  network 198.51.100.0/24\n"
        "+  network 203.0.113.0/24\n"
    )
    assert "CANARY" not in shown


@pytest.mark.parametrize("content", [True, False])
def test_what_the_platform_leaves_away_is_no_drift_and_nothing_is_shown_of_it(setting: Setting, content: bool) -> None:
    setting.device.texts["running"] = b"Building configuration...\r\n" + TEXT.replace(b"\n", b"\r\n")
    outcome = setting.live(content=content)
    assert outcome.proof == (BY_CONTENT if content else BY_DIGESTS)
    assert [one.volatile for one in outcome.differences] == [True]
    assert not outcome.drift
    assert "@@" not in text.page(outcome)


def test_another_order_is_drift(setting: Setting) -> None:
    lines = TEXT.splitlines(keepends=True)
    setting.device.texts["running"] = b"".join((lines[0], *lines[2:4], lines[1], *lines[4:]))
    for content in (True, False):
        assert setting.live(content=content).drift


def test_a_platform_masks_its_secrets_where_the_component_is_declared_no_more(setting: Setting) -> None:
    setting.device.texts["running"] = TEXT.replace(b"CANARY", b"CANARY-2")
    # nothing declares how to ask it now: its newest snapshot beside itself
    newest = Sealed("h", Selection(newest=True))
    outcome = compare(setting.lab.repository, setting.lab.keyring, newest, newest, declared=(), content=True)
    assert "community" in str(outcome.redactor("device").secrets)


@pytest.mark.parametrize("known", [True, False])
def test_what_was_adopted_is_masked_by_a_known_platform_else_that_is_said(lab: Lab, known: bool) -> None:
    points = []
    for place in (b"one", b"two"):
        content = [{"name": "adopted-running", "text": b"daemon TerminAttr exec -cvauth=key,CANARY-%s,x\n" % place}]
        folder = lab.folder()
        lab.open(folder)
        pushed = read_pushed(host="h", content=content)
        lab.snapshot(folder, MemorySource({}), policy=lambda own=pushed: own, pushed=("adopted-running",))
        points.append(Sealed("h", Selection(point=lab.seal(folder).id)))
    declared = adopt.components([platforms.find("eos")]) if known else ()
    outcome = compare(lab.repository, lab.keyring, *points, declared=declared, content=True)
    assert ("CANARY" in text.page(outcome)) != known
    assert ("is not declared" in str(outcome.warnings)) != known
