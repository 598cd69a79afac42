# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices in recovery points: what is drift of them, what is not, and what nobody can tell."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import device as capture
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import ConnectionLostError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Platform
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import Fingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.compare import compare
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import Receipt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.states import Live, LookedAt, Sealed
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import LAB, Device, rule
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource, near_trip

from .lab import COMPONENTS, FILES, Lab

TEXT = b"! Last change %d\nhostname r1\nenable secret CANARY\nend\n"


def policy(platform: Platform = LAB, *more: object) -> Policy:
    return read_policy(host="h", components=["device", *more], platforms=lambda *_: platform, network_os="lab")


def texts(number: int = 1, **more: bytes) -> dict[str, bytes]:
    return {"running": TEXT % number, "startup": TEXT % number, **more}


def captured(lab: Lab, device: Device, declared: Policy | None = None, **more: object) -> tuple[str, tuple[str, ...]]:
    """Run once, and say why the device's stream was stored and what of it changed."""
    folder = lab.folder()
    lab.open(folder)
    receipt = _receipt(lab, device, declared or policy(), folder=folder, **more)
    lab.seal(folder)
    return {part.stream: (part.reason, part.changed) for part in receipt.streams}["tier1"]


def _receipt(lab: Lab, device: Device, declared: Policy, *, folder: object, **more: object) -> Receipt:
    with capture.Device(device.open) as source:
        return lab.snapshot(folder, MemorySource(FILES), policy=lambda: declared, device=source, **more)  # type: ignore[arg-type]


@pytest.fixture
def device(lab: Lab) -> Device:
    """A device that was captured once."""
    device = Device(dict(texts()))
    assert captured(lab, device) == ("first", ("device",))
    return device


def test_it_is_asked_once_whatever_comes_of_it(lab: Lab, device: Device) -> None:
    for number in (2, 3):
        device.asked.clear()
        device.logins.clear()
        device.texts.update(texts(number, running=b"hostname r%d\n" % number))
        assert captured(lab, device) == ("drift", ("device",))
        assert device.asked == ["running", "startup"]
        assert len(device.logins) == 1
    assert device.closed == 3


def test_what_a_platform_calls_volatile_is_no_drift_and_is_not_stored(lab: Lab, device: Device) -> None:
    device.texts.update(texts(2))
    before = lab.names("packs/")
    assert captured(lab, device) == ("unchanged", ())
    assert lab.names("packs/") == before
    device.texts["running"] = texts(3)["running"].replace(b"r1", b"r2")
    assert captured(lab, device) == ("drift", ("device",))
    assert lab.contents()["/holdfast/device/running"] == device.texts["running"]


def test_files_of_a_host_stand_beside_what_it_says_as_a_device(lab: Lab) -> None:
    both = policy(LAB, *COMPONENTS)
    assert captured(lab, Device(dict(texts())), both) == ("first", ("device", "app"))
    assert {"/holdfast/device/running", "/etc/app/main.conf"} <= set(lab.contents())


class TestOtherRules:
    """A newer version of the platform's rules: what differs may be drift, or what they call volatile now."""

    @pytest.fixture
    def newer(self) -> Policy:
        return policy(dataclasses.replace(LAB, volatile=(*LAB.volatile, rule("^uptime"))))

    def test_what_is_as_it_was_is_unchanged(self, lab: Lab, device: Device, newer: Policy) -> None:
        assert captured(lab, device, newer) == ("unchanged", ())

    def test_what_differs_is_stored_and_marked_and_called_no_drift(
        self, lab: Lab, device: Device, newer: Policy
    ) -> None:
        device.texts.update(texts(2))
        assert captured(lab, device, newer) == ("normaliser", ("device",))
        (entry,) = lab.live().streams.values()
        assert entry.marks == ("device: normaliser",)
        assert entry.is_rollback_target
        # from then on the newer rules tell
        device.texts.update(texts(3))
        assert captured(lab, device, newer) == ("unchanged", ())

    def test_drift_of_another_component_counts_more(self, lab: Lab, newer: Policy) -> None:
        device = Device(dict(texts()))
        assert captured(lab, device, policy(LAB, *COMPONENTS))[0] == "first"
        device.texts.update(texts(2))
        both = policy(dataclasses.replace(LAB, volatile=()), *COMPONENTS)
        folder = lab.folder()
        lab.open(folder)
        with capture.Device(device.open) as source:
            files = MemorySource({**FILES, "/etc/app/main.conf": b"drifted"})
            receipt = lab.snapshot(folder, files, policy=lambda: both, device=source)
        assert {part.stream: (part.reason, part.changed) for part in receipt.streams}["tier1"] == ("drift", ("app",))

    def test_verify_does_not_call_it_a_lie(self, lab: Lab, device: Device) -> None:
        # the verifier knows no platform of that name, or another version of it
        assert lab.verify().sound


def test_agreement_of_fingerprints() -> None:
    one = Fingerprint("c", "d", "k", raw="1", normalised="n", normaliser="device-1/lab/a")
    same = dataclasses.replace(one, raw="2")
    other = dataclasses.replace(same, normaliser="device-1/lab/b")
    assert (one.agrees(same), one.undecided(same)) == (True, False)
    assert (one.agrees(other), one.undecided(other)) == (False, True)
    assert not one.undecided(dataclasses.replace(other, raw="1"))
    plain = dataclasses.replace(same, normalised=None, normaliser=None)
    assert (one.agrees(plain), one.undecided(plain), plain.undecided(one)) == (False, False, False)


def test_a_device_that_does_not_answer_fails_alone_and_nothing_of_it_is_stored(lab: Lab, device: Device) -> None:
    before = lab.names("packs/")
    folder = lab.folder()
    lab.open(folder, "h", "other")
    device.texts["startup"] = ConnectionLostError("the answer broke off")
    with pytest.raises(ConnectionLostError, match="device/startup"):
        _receipt(lab, device, policy(), folder=folder)
    lab.snapshot(folder, MemorySource(FILES), "other")
    assert not lab.seal(folder).complete
    assert not [name for name in lab.names("packs/") if name not in before and "/other/" not in name]


def test_check_mode_stores_nothing_and_says_what_it_would(lab: Lab, device: Device) -> None:
    device.texts["running"] = b"hostname r2\n"
    before = lab.names()
    folder = lab.folder()
    lab.open(folder, check=True)
    receipt = _receipt(lab, device, policy(), folder=folder, check=True)
    assert [(part.reason, part.changed) for part in receipt.streams] == [("drift", ("device",))]
    assert lab.names() == before


def test_a_device_as_it_is_differs_in_what_is_drift(lab: Lab) -> None:
    device = Device({"running": TEXT % 1})
    own = {"name": "config", "kind": "device", "items": ["running", "vlans"]}
    known = read_policy(host="h", components=[own], platforms=lambda *_: LAB, network_os="lab")
    assert captured(lab, device, known) == ("first", ("config",))

    def differences() -> list[str]:
        with capture.Device(device.open) as source:
            live = Live("h", LookedAt(near_trip, device=source))
            sealed = Sealed("h", choose.Selection(newest=True))
            found = compare(lab.repository, lab.keyring, sealed, live, declared=known.components)
        return [one.path for one in found.differences if not one.volatile]

    device.texts["running"] = TEXT % 2
    # and what it refused then and now is no difference
    assert differences() == []
    device.texts["running"] = (TEXT % 2).replace(b"r1", b"r2")
    assert differences() == ["/holdfast/config/running"]


def test_texts_come_back_under_a_folder(lab: Lab, device: Device, tmp_path: Path) -> None:
    assert lab.restore(tmp_path / "back").proven
    assert (tmp_path / "back/holdfast/device/running").read_bytes() == TEXT % 1
    chosen = choose.choose(lab.repository, "h", choose.Selection(newest=True))
    assert [component for one in chosen for component in one.components] == ["device"]


def test_secrets_of_the_platform_are_masked_beside_the_users() -> None:
    (found,) = read_policy(
        host="h",
        components=[{"name": "config", "kind": "device", "secrets": ["^own (?P<secret>.*)"]}],
        platforms=lambda *_: LAB,
        network_os="lab",
    ).components
    assert isinstance(found, Component)
    assert found.handling.secrets == (r"^enable secret (?P<secret>\S+)", "^own (?P<secret>.*)")
