# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of a batch in one recovery point, and what is left for the own task of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import bulk
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import device as capture
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    PolicyError,
    RunError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Item, Platform
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import batch
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.batch import Member
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder, Receipt
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import LAB, Device

from .lab import COMPONENTS, Lab

TEXT = b"hostname r1\nend\n"


def policy(*components: object, host: str = "h") -> Policy:
    declared = list(components) or ["device"]
    return read_policy(host=host, components=declared, platforms=lambda *_: LAB, network_os="lab")


def member(lab: Lab, folder: PointFolder, host: str, device: Device, declared: Callable[[], Policy] = policy) -> Member:
    def query(platform: Platform, items: tuple[Item, ...]) -> bulk.Query:
        return bulk.Query(host, items, lambda transport: device.open(platform, transport))

    def snapshot(own: Policy, heard: bulk.Heard) -> Receipt:
        source = capture.Device(lambda _platform, _transport: heard)
        return lab.snapshot(folder, source, host=host, policy=lambda: own, device=source)

    return Member(host, declared, query, snapshot)


def texts(**more: bytes | Exception) -> dict[str, bytes | Exception]:
    return {"running": TEXT, "startup": TEXT, **more}


@pytest.fixture
def folder(lab: Lab) -> PointFolder:
    """An open point that waits for three hosts."""
    folder = lab.folder()
    lab.open(folder, "h1", "h2", "h3")
    return folder


def test_what_was_captured_is_taken_once_and_asked_once(lab: Lab, folder: PointFolder) -> None:
    device = Device(texts())
    outcome = batch.capture(folder, [member(lab, folder, "h1", device)], concurrency=5, check=False)
    assert (list(outcome.receipts), dict(outcome.failed), outcome.left) == (["h1"], {}, [])
    taken = batch.taken(folder, "h1")
    assert taken == folder.read_receipts()["h1"]
    assert [part.reason for part in taken.streams] == ["first"]
    assert len(device.logins) == 1
    # whoever asks again captures it again
    assert batch.taken(folder, "h1") is None


def test_one_that_fails_leaves_its_error_and_a_failed_receipt(lab: Lab, folder: PointFolder) -> None:
    lost = ConnectionLostError("the answer broke off", item="running", remedy="Look at it.")
    wrong = {"kind": "device", "name": "device", "items": ["no"]}
    members = [
        member(lab, folder, "h1", Device(texts())),
        member(lab, folder, "h2", Device(texts(startup=lost))),
        member(lab, folder, "h3", Device(texts()), lambda: policy(wrong, host="h3")),
    ]
    outcome = batch.capture(folder, members, concurrency=2, check=False)
    assert (list(outcome.receipts), sorted(outcome.failed)) == (["h1"], ["h2", "h3"])
    receipts = folder.read_receipts()
    for host in outcome.failed:
        with pytest.raises(CaptureError) as caught:
            batch.taken(folder, host)
        assert str(caught.value) == str(outcome.failed[host]) == receipts[host].error
    assert receipts["h1"].error is None
    assert "the answer broke off (host h2, item running). Look at it." in str(outcome.failed["h2"])


@pytest.mark.parametrize("components", [COMPONENTS, ["device", *COMPONENTS]], ids=["no device", "files beside it"])
def test_a_host_with_more_than_a_device_is_left_to_its_own_task(
    lab: Lab, folder: PointFolder, components: list[object]
) -> None:
    device = Device(texts())
    members = [member(lab, folder, "h1", device, lambda: policy(*components))]
    assert batch.capture(folder, members, concurrency=1, check=False).left == ["h1"]
    assert batch.taken(folder, "h1") is None
    assert not device.logins


def test_one_that_takes_a_task_of_its_own_is_left_to_it(lab: Lab, folder: PointFolder) -> None:
    by_plugin = dataclasses.replace(member(lab, folder, "h1", Device(texts())), query=lambda _platform, _items: None)
    assert batch.capture(folder, [by_plugin], concurrency=1, check=False).left == ["h1"]
    assert batch.taken(folder, "h1") is None


def test_nothing_is_asked_without_an_open_point(lab: Lab) -> None:
    device = Device(texts())
    with pytest.raises(RunError, match="is not open"):
        batch.capture(lab.folder(), [member(lab, lab.folder(), "h1", device)], concurrency=1, check=False)
    assert not device.logins
    assert batch.taken(lab.folder(), "h1") is None


def test_what_the_own_task_alone_says_fails_the_host(lab: Lab, folder: PointFolder) -> None:
    batch.capture(folder, [member(lab, folder, "h1", Device(texts()))], concurrency=1, check=False)
    with pytest.raises(PolicyError, match="did not know components of this task"):
        batch.taken(folder, "h1", own=["components"])
    assert folder.read_receipts()["h1"].error
