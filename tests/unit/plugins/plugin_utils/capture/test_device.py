# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device as a source: asked once, whole or an error, and drift by what is not volatile."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise, wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.composite import Composite
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device import Device as DeviceSource
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    RefusedItemError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import LeftOut
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import NETCONF, Item

from .conformance_texts import TextConformance
from .devices import LAB, Device, declared
from .sites import component

RUNNING = b"! Last change 12:00\nhostname r1\ninterface a\n ip address 10.0.0.1/24\nend\n"


@pytest.fixture
def device() -> Device:
    return Device({"running": RUNNING, "startup": RUNNING})


@pytest.fixture
def source(device: Device) -> DeviceSource:
    return DeviceSource(device.open)


def unreached(*_args: object) -> str:
    raise AssertionError("the host was asked")


class Site:
    """Texts of devices that are asked anew each time; each component is an item of its own."""

    def __init__(self, wrap: type[Composite] | None) -> None:
        self._device = Device()
        self._wrap = wrap

    @property
    def source(self) -> Source:
        asked = DeviceSource(self._device.open)
        return asked if self._wrap is None else self._wrap(Host(unreached), asked)

    def put(self, name: str, *lines: str) -> Component:
        item = {"app": "running", "base": "startup"}[name]
        self._device.texts[item] = "\n".join(lines).encode()
        return declared({"name": name, "items": [item]})

    def gone(self, name: str) -> Component:
        return declared({"name": name, "items": ["vlans"]})


class TestTexts(TextConformance):
    @pytest.fixture(params=[None, Composite], ids=["alone", "composed"])
    def site(self, request: pytest.FixtureRequest) -> Site:
        return Site(request.param)

    def test_what_is_volatile_is_captured_and_no_drift(self, site: Site, app: Component) -> None:
        steady = dataclasses.replace(site.put("app", "! Last change 1", "hostname r1", "taken 1"), volatile=("^taken",))
        before = site.source.content([steady])["app"]
        assert before.fingerprint.normaliser == normalise.normaliser(LAB)
        site.put("app", "! Last change 2", "hostname r1", "taken 2")
        after = site.source.content([steady])["app"]
        assert after.contents["/holdfast/app/running"] == b"! Last change 2\nhostname r1\ntaken 2"
        assert after.fingerprint.raw != before.fingerprint.raw
        assert after.fingerprint.normalised == before.fingerprint.normalised
        site.put("app", "! Last change 2", "hostname r2", "taken 2")
        assert site.source.fingerprints([steady])["app"].normalised != before.fingerprint.normalised


def test_it_is_asked_once_in_one_login(source: DeviceSource, device: Device) -> None:
    whole, alone = declared(), declared({"name": "config", "items": ["running"]})
    with source:
        prints = source.fingerprints([whole])
        found = source.content([whole, alone])
        assert found["device"].fingerprint == prints["device"]
        assert found["config"].contents == {"/holdfast/config/running": RUNNING}
        assert device.asked == ["running", "startup"]
        assert device.logins == [("lab", "cli")]
        assert device.closed == 0
    assert device.closed == 1
    source.fingerprints([alone])
    assert len(device.logins) == 2


def test_nothing_is_reached_where_nothing_is_asked(source: DeviceSource, device: Device) -> None:
    with source:
        assert source.fingerprints([]) == source.content([]) == {}
    assert (device.logins, device.closed) == ([], 0)


def test_a_text_by_another_transport_is_asked_in_another_login(
    device: Device, source: DeviceSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.texts["state"] = b"<data/>"
    both = dataclasses.replace(LAB, items=(*LAB.items, Item("state", "", "state", transport=NETCONF)))
    one = declared()
    asked = dataclasses.replace(
        one, means={"platform": both}, source={"platform": "lab", "items": ["running", "state"]}
    )
    source.fingerprints([asked])
    assert device.logins == [("lab", "cli"), ("lab", "netconf")]


def test_what_the_device_refuses_is_left_out_where_it_may_be(source: DeviceSource, device: Device) -> None:
    named = declared({"name": "config", "items": ["running", "vlans"]})
    part = source.content([named])["config"]
    assert set(part.contents) == {"/holdfast/config/running"}
    assert part.left_out == part.fingerprint.gaps == (LeftOut("/holdfast/config/vlans", "refused"),)
    assert source.fingerprints([named])["config"].left_out == part.left_out
    # it was refused once, and is not asked again
    assert device.asked == ["running", "vlans"]
    # what it refuses from now on is drift, and no smaller copy without a word
    before = part.fingerprint
    device.texts["vlans"] = b"1 default\n"
    assert DeviceSource(device.open).fingerprints([named])["config"].normalised != before.normalised


def test_the_device_decides_on_what_nobody_named(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_it = dataclasses.replace(LAB, items=tuple(dataclasses.replace(item, default=True) for item in LAB.items))
    asked = declared()
    asked = dataclasses.replace(
        asked,
        means={"platform": all_of_it},
        source={"platform": "lab", "items": ["running", "startup", "vlans"]},
        handling=dataclasses.replace(asked.handling, alternatives=("/holdfast/device/vlans",)),
    )
    print_ = DeviceSource(device.open).fingerprints([asked])["device"]
    assert print_.left_out == (LeftOut("/holdfast/device/vlans", "refused"),)
    assert print_.gaps == ()


def test_it_must_give_what_it_cannot_leave_out(source: DeviceSource, device: Device) -> None:
    del device.texts["startup"]
    with pytest.raises(RefusedItemError) as caught:
        source.fingerprints([declared()])
    assert caught.value.item == "startup"
    with pytest.raises(RefusedItemError, match="gave nothing of component config"):
        source.content([declared({"name": "config", "items": ["vlans"]})])


@pytest.mark.parametrize("error", [CaptureError("it is not whole"), ConnectionLostError("it broke off")])
def test_an_answer_that_is_not_whole_is_an_error_that_says_of_what(
    source: DeviceSource, device: Device, error: CaptureError
) -> None:
    device.texts["startup"] = error
    with pytest.raises(type(error)) as caught:
        source.content([declared({"name": "config"})])
    assert caught.value.item == "config/startup"


def test_what_is_asked_of_a_platform_that_is_not_known_here_is_an_error(source: DeviceSource) -> None:
    sealed = dataclasses.replace(declared(), means={})
    with pytest.raises(CaptureError, match="platform that is not known here") as caught:
        source.content([sealed])
    assert "holdfast_platform_paths" in str(caught.value.remedy)
    older = dataclasses.replace(declared(), source={"platform": "lab", "items": ["flash"]})
    with pytest.raises(CaptureError, match="has no flash"):
        source.content([older])


def test_who_has_no_way_to_a_device_says_so() -> None:
    with pytest.raises(CaptureError, match="nothing here says how a device"):
        Composite(Host(unreached)).fingerprints([declared()])


def test_components_of_host_and_device_are_asked_each_where_it_is(source: DeviceSource) -> None:
    trips: list[str] = []

    def trip(half: str, *_args: object) -> str:
        trips.append(half)
        raise ConnectionLostError("no shell")

    with pytest.raises(ConnectionLostError):
        Composite(Host(trip), source).fingerprints([declared(), component("app")])
    assert trips == ["tree"]


def test_a_reader_who_does_not_know_the_platform_compares_what_is_raw(source: DeviceSource) -> None:
    part = source.content([declared()])["device"]
    sealed = dataclasses.replace(part.component, means={}, source={**part.component.source, "platform": "of a user"})
    again = wire.fingerprint(sealed, part.entries, (), part.contents)
    assert again.raw == part.fingerprint.raw
    assert (again.normalised, again.normaliser) == (None, None)
