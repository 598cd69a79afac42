# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations that tasks of others return: which are taken, which refused, and into which point they go."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import adopt, backup_file
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.adopt import Adoption, Given, Held
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from hypothesis import given, settings
from hypothesis import strategies as st

from .faults import FaultyStore
from .lab import LOCATION, Lab
from .test_leftovers import refusing

IOS = "Building configuration...\nversion 15.2\nhostname sw1\nenable secret 5 CANARY\nend\n"
RUNNING = Given("adopted-running", text=IOS)
NETCONF = {"source": "running"}


class TestWhichResults:
    """What a result must look like to hold a configuration."""

    @pytest.mark.parametrize(
        ("action", "arguments", "may"),
        [
            ("cisco.ios.ios_config", {"backup": True}, True),
            ("ios_config", {"backup": "yes"}, True),
            ("cisco.ios.ios_config", {"lines": ["x"]}, False),
            ("cisco.ios.ios_config", {"backup": False}, False),
            ("cisco.ios.ios_facts", {}, True),
            ("ansible.netcommon.cli_backup", {}, True),
            ("ansible.netcommon.netconf_get", {}, True),
            ("cisco.ios.ios_command", {"commands": ["show running-config"]}, False),
            ("ansible.builtin.copy", {"backup": True}, False),
        ],
    )
    def test_by_action(self, action: str, arguments: dict[str, t.Any], may: bool) -> None:
        assert adopt.adoptable(action, arguments) is may

    @pytest.mark.parametrize(
        ("action", "result", "arguments", "found"),
        [
            ("a.b.ios_config", {"backup_path": "/b/sw1.cfg"}, {}, Given("adopted-running", path="/b/sw1.cfg")),
            ("cli_backup", {"backup_path": "/b/sw1.cfg"}, {}, Given("adopted-running", path="/b/sw1.cfg")),
            ("ios_config", {"changed": False}, {}, None),
            ("ios_facts", {"ansible_facts": {"ansible_net_config": IOS}}, {}, RUNNING),
            ("ios_facts", {"ansible_facts": {"ansible_net_version": "15.2"}}, {}, None),
            ("ios_facts", {"ansible_facts": None}, {}, None),
            ("netconf_get", {"stdout": "<data/>"}, NETCONF, Given("adopted-netconf", text="<data/>")),
            (
                "netconf_get",
                {"stdout": "<data/>"},
                {"source": "startup"},
                Given("adopted-netconf-startup", text="<data/>"),
            ),
            ("netconf_get", {"skipped": True}, NETCONF, None),
        ],
    )
    def test_by_result(self, action: str, result: t.Any, arguments: t.Any, found: Given | None) -> None:
        assert adopt.given(action, result, arguments) == found

    @pytest.mark.parametrize(
        ("action", "result", "arguments", "why"),
        [
            ("netconf_get", {"stdout": "<data/>"}, {**NETCONF, "filter": "<system/>"}, "filter"),
            ("netconf_get", {"stdout": "<data/>"}, {}, "no configuration alone"),
            ("netconf_get", {"stdout": "<data/>"}, {"source": "candidate"}, "no configuration alone"),
            ("ios_facts", {"ansible_facts": {"ansible_net_config": ["CANARY"]}}, {}, "no text"),
        ],
    )
    def test_a_part_is_refused(self, action: str, result: t.Any, arguments: t.Any, why: str) -> None:
        with pytest.raises(CaptureError, match=why) as refused:
            adopt.given(action, result, arguments)
        assert "CANARY" not in str(refused.value)

    def test_half_a_character_is_no_text(self) -> None:
        with pytest.raises(CaptureError, match="no text"):
            adopt.text_of(Given("adopted-running", text="\ud800"))
        assert adopt.text_of(Given("adopted-running", text="\udcff"))[0] == b"\xff"


class TestWhole:
    """Only a whole text, as the device told it, is adopted."""

    def test_a_whole_one(self) -> None:
        assert adopt.judged(RUNNING, IOS.encode(), platforms.find("cisco.ios.ios")) == IOS.encode()

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, len(IOS) - 3))
    def test_a_text_cut_anywhere_is_refused(self, length: int) -> None:
        with pytest.raises(CaptureError) as refused:
            adopt.judged(RUNNING, IOS.encode()[:length], platforms.find("ios"))
        assert "CANARY" not in str(refused.value)

    @pytest.mark.parametrize("text", ["", "\n \n", "None", "null", "% Invalid input detected at '^' marker.\n"])
    def test_no_configuration(self, text: str) -> None:
        with pytest.raises(CaptureError):
            adopt.judged(RUNNING, text.encode(), platforms.find("ios"))

    @pytest.mark.parametrize(
        "line",
        [
            "password ********",
            "snmp-server community ******** ro",
            f"{'x ' * 4_000}password ********",
            "enable secret <secret hidden>",
            "username x secret VALUE_SPECIFIED_IN_NO_LOG_PARAMETER",
            "neighbor 192.0.2.2 password 7 <removed>",
            "encrypted-password /* SECRET-DATA */;",
        ],
    )
    @pytest.mark.parametrize("platform", ["ios", None])
    def test_a_masked_one(self, line: str, platform: str | None) -> None:
        text = IOS.replace("enable secret 5 CANARY", line).encode()
        with pytest.raises(CaptureError, match="masked"):
            adopt.judged(RUNNING, text, platforms.find(platform) if platform else None)

    def test_what_only_its_platform_calls_a_secret(self) -> None:
        text = IOS.replace("enable secret 5 CANARY", "snmp-server host 192.0.2.1 ********@x").encode()
        with pytest.raises(CaptureError, match="masked"):
            adopt.judged(RUNNING, text, platforms.find("ios"))

    @pytest.mark.parametrize(
        "line",
        [
            "********",
            " ! ********",
            "banner motd ^*********^",
            "description *******",
            " description ******** CORE ********",
            "* Unauthorized use is prosecuted ********",
            "enable secret 5 CANARY\n description uplink ********",
            f"{'x ' * 4_000}description ******** CORE ********",
        ],
    )
    def test_what_is_drawn_with_stars_is_no_mask(self, line: str) -> None:
        text = IOS.replace("enable secret 5 CANARY", line).encode()
        assert adopt.judged(RUNNING, text, platforms.find("ios")) == text

    def test_a_long_line_of_stars_and_words_takes_no_time_of_its_own(self) -> None:
        text = IOS.replace("CANARY", "a ******* " * 200_000).encode()
        assert adopt.judged(RUNNING, text, platforms.find("ios")) == text

    @pytest.mark.parametrize("text", ["<data><system>", "<data/>x", "None", '<!DOCTYPE x [<!ENTITY e "e">]><data/>'])
    def test_a_datastore_is_whole_xml(self, text: str) -> None:
        whole = Given("adopted-netconf", text="<data/>")
        assert adopt.judged(whole, b"<data/>", platforms.find("netconf")) == b"<data/>"
        with pytest.raises(CaptureError):
            adopt.judged(whole, text.encode(), platforms.find("netconf"))


@pytest.mark.parametrize("platform", [None, *platforms.names()])
def test_what_is_pushed_is_a_content_that_the_policy_takes(platform: str | None) -> None:
    known = platforms.find(platform) if platform else None
    for found in (RUNNING, Given("adopted-netconf", text="<data/>")):
        content = adopt.declared(found, b"x", known, "tier0")
        (component,) = read_pushed(host="h", content=[content]).components
        assert (component.name, component.tier) == (found.component, "tier0")
        assert not any("(?P<volatile>" in pattern for pattern in component.volatile)
        assert bool(component.handling.secrets) is bool(known and known.secrets)


def held(host: str = "h", text: str = IOS, task: str = "back up", **more: t.Any) -> Held:
    content = adopt.declared(RUNNING, text.encode(), platforms.find("ios"), None)
    return Held(
        host=host,
        host_id=host,
        task=task,
        component=RUNNING.component,
        policy=read_pushed(host=host, content=[content]),
        location=LOCATION,
        change={},
        meaning=adopt.meaning(RUNNING, text.encode(), platforms.find("ios")),
        **more,
    )


def put(lab: Lab, adoption: Adoption, folder: PointFolder) -> None:
    adoption.put(folder, adoption.waiting, lambda: lab.store, lambda: lab.keyring, writer="1.0.0")


def test_texts_that_differ_in_no_drift_mean_the_same() -> None:
    ios = platforms.find("ios")
    cut = IOS.removeprefix("Building configuration...\n").encode()
    other = IOS.replace("sw1", "sw2").encode()
    assert adopt.meaning(RUNNING, cut, ios) == adopt.meaning(RUNNING, IOS.encode(), ios)
    assert adopt.meaning(RUNNING, other, ios) != adopt.meaning(RUNNING, IOS.encode(), ios)
    assert adopt.meaning(RUNNING, cut, None) != adopt.meaning(RUNNING, IOS.encode(), None)


class TestSealing:
    """What is put into a point is sealed with it, and everything else is said."""

    def test_the_last_text_counts(self, lab: Lab) -> None:
        adoption, folder = Adoption(), lab.folder()
        adoption.hold(held(text=IOS, task="first"))
        adoption.hold(held(text=IOS.replace("sw1", "sw2"), task="second"))
        lab.open(folder)
        put(lab, adoption, folder)
        assert adoption.waiting == ()
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.stored) == (True, 1)
        (note,) = adoption.end(remove=False)
        assert note.sealed
        assert note.task == "second"
        assert "'first' returned before was another text" in note.problem

    def test_files_of_one_text_are_all_removed(self, lab: Lab, tmp_path: Path) -> None:
        adoption, folder = Adoption(), lab.folder()
        for name in ("a", "b"):
            path = tmp_path / name
            path.write_text(IOS)
            path.chmod(0o600)
            adoption.hold(held(files=(backup_file.read(path, 1000)[1],)))
        tmp_path.chmod(0o700)
        lab.open(folder)
        put(lab, adoption, folder)
        lab.seal(folder)
        (note,) = adoption.end(remove=True)
        assert (note.sealed, note.problem) == (True, "")
        assert [(tmp_path / name).exists() for name in ("a", "b")] == [False, False]

    def test_what_is_not_sealed_is_not_removed(self, lab: Lab, tmp_path: Path) -> None:
        adoption, folder = Adoption(), lab.folder()
        path = tmp_path / "a"
        path.write_text(IOS)
        path.chmod(0o600)
        adoption.hold(held(files=(backup_file.read(path, 1000)[1],)))
        lab.open(folder)
        put(lab, adoption, folder)
        (note,) = adoption.end(remove=True)
        assert (note.sealed, note.problem) == (False, "it is not sealed")
        assert path.exists()

    def test_a_store_that_refuses_is_said_by_host_and_task(self, lab: Lab) -> None:
        adoption, folder = Adoption(), lab.folder()
        lab.open(folder)
        adoption.hold(held())
        refuses = lab.on(FaultyStore(lab.store, before=refusing("packs/")))
        put(refuses, adoption, folder)
        (note,) = adoption.end(remove=True)
        assert (note.host, note.task, note.sealed) == ("h", "back up", False)
        assert str(note).startswith("h: not adopted, task 'back up': ")

    def test_what_no_point_took_is_said(self) -> None:
        adoption = Adoption()
        adoption.hold(held())
        assert [str(note) for note in adoption.end(remove=True)] == [
            "h: not adopted, task 'back up': no recovery point took it"
        ]

    def test_an_error_of_another_kind_is_said_and_keeps_no_other_text(self, lab: Lab) -> None:
        adoption, folder = Adoption(), lab.folder()
        lab.open(folder, "h", "other")
        adoption.hold(held("h"))
        adoption.hold(held("other"))
        stores = iter([OSError("CANARY"), lab.store])

        def store() -> Store:
            found = next(stores)
            if isinstance(found, Exception):
                raise found
            return found

        adoption.put(folder, adoption.waiting, store, lambda: lab.keyring, writer="1.0.0")
        assert adoption.waiting == ()
        lab.seal(folder)
        sealed, lost = adoption.end(remove=False)
        assert (sealed.host, sealed.sealed) == ("other", True)
        assert (lost.host, lost.sealed) == ("h", False)
        assert lost.problem == "it could not be put into main: OSError"

    def test_no_repr_holds_a_text(self) -> None:
        assert "CANARY" not in repr(held()) + repr(RUNNING)


class Disk:
    """A folder that modules write their backups to, and an adoption that hears of it."""

    def __init__(self, folder: Path) -> None:
        self.adoption = Adoption()
        self.folder = folder
        folder.mkdir(mode=0o700)

    def backs_up(self, host: str, path: Path, text: str = IOS) -> None:
        """Let a host's module write, by another name first as some do, and the callback hear of it."""
        new = path.with_name("new")
        new.write_text(text)
        new.chmod(0o600)
        new.rename(path)
        self.adoption.wrote(host, str(path))
        text_of, file = adopt.text_of(Given("adopted-running", path=str(path)))
        assert file is not None
        self.adoption.hold(held(host, text_of.decode(), files=(file,)))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "backup")


class TestOneFileForAll:
    """A file that the tasks of several hosts wrote holds nobody's configuration."""

    def test_of_all_that_wrote_it_none_is_adopted(self, disk: Disk) -> None:
        shared = disk.folder / "running.cfg"
        (disk.folder.parent / "link").symlink_to(disk.folder)
        disk.backs_up("web1", shared, IOS)
        assert [one.host for one in disk.adoption.waiting] == ["web1"]
        disk.backs_up("web2", disk.folder.parent / "link" / "running.cfg", IOS.replace("sw1", "sw2"))
        disk.backs_up("web3", disk.folder / "web3.cfg")
        disk.backs_up("web3", disk.folder / "again.cfg")
        assert [one.host for one in disk.adoption.waiting] == ["web3"]
        told = {note.host: note.problem for note in disk.adoption.end(remove=True)}
        assert "wrote the same file" in told["web1"]
        assert told["web1"] == told["web2"]
        assert shared.exists()

    def test_nor_where_the_other_text_was_refused(self, disk: Disk) -> None:
        path = disk.folder / "running.cfg"
        disk.backs_up("web1", path)
        disk.adoption.wrote("web2", str(path))
        assert disk.adoption.waiting == ()

    def test_what_was_sealed_before_is_said(self, lab: Lab, disk: Disk) -> None:
        folder, path = lab.folder(), disk.folder / "running.cfg"
        lab.open(folder, "web1")
        disk.backs_up("web1", path)
        put(lab, disk.adoption, folder)
        lab.seal(folder)
        disk.backs_up("web2", path)
        told = {note.host: note for note in disk.adoption.end(remove=True)}
        assert (told["web1"].sealed, told["web2"].sealed) == (True, False)
        assert "wrote the same file" in told["web1"].problem
        assert path.exists()

    def test_a_name_that_no_file_has(self) -> None:
        with pytest.raises(CaptureError, match="no such name"):
            Adoption().wrote("web1", "a\0b/c")


class TestJoining:
    """Which open point takes a configuration."""

    def names(self, lab: Lab, run: str, *waiting: Held, fits: bool = True) -> dict[str, list[str]]:
        found = adopt.joined(lab.state_dir, run, waiting, lambda opened, one: fits)
        return {folder.point: [one.host for one in taken] for folder, taken in found}

    def test_the_newest_that_expects_the_host(self, lab: Lab) -> None:
        run = "0" * 16
        first, second = lab.folder("pre", run=run), lab.folder("post", run=run)
        lab.open(first, "h", "other")
        lab.open(second, "h")
        waiting = held(), held("other"), held("nobody")
        assert self.names(lab, run, *waiting) == {"post": ["h"], "pre": ["other"]}
        assert self.names(lab, run, *waiting, fits=False) == {}

    def test_none_that_is_sealed(self, lab: Lab) -> None:
        adoption, folder = Adoption(), lab.folder()
        lab.open(folder)
        adoption.hold(held())
        put(lab, adoption, folder)
        lab.seal(folder)
        assert self.names(lab, folder.run, held()) == {}


def test_lines_are_few_for_a_fleet() -> None:
    adoption = Adoption()
    for number in range(100):
        adoption.refuse(f"sw{number}", "back up", "no_log hides what it returned")
        adoption.refuse(f"sw{number}", "back up", "no_log hides what it returned")
    lines = adopt.lines(adoption.end(remove=False))
    assert lines[0] == "adopted         0 sealed, 100 NOT"
    assert (len(lines), lines[-1]) == (22, "  and 80 more")
    assert adopt.lines(()) == []
