# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore of a network device: the sealed configuration, proven, or what it had before."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise, platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device import Device as DeviceSource
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device_change import CliChange, Order
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    MismatchError,
    NotFoundError,
    PolicyError,
    RestoreError,
    UndoneError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.device_name import name_in
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Literal, Platform
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.render import text as pages
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.archived import FAILING
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import open_chosen
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_device import (
    Device,
    DeviceWay,
    RestoredDevice,
    holds_device,
    restore_device,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.routers import (
    BROKEN,
    REPLACED,
    SEALED,
    SECRET,
    TYPED,
    Router,
    Talk,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import Lab

CONFIG = {"name": "config", "kind": "device"}
PATH = "/holdfast/config/running"
ID = "0123456789abcdef"


def policy_of(platform: Platform, *more: Mapping[str, t.Any]) -> Callable[[], Policy]:
    return lambda: read_policy(
        host="h",
        components=[CONFIG, *more],
        platforms=lambda _name, _key, _findings: platform,
        network_os=platform.name,
    )


@dataclasses.dataclass
class Bench:
    """A sealed router, and restores of it."""

    lab: Lab
    router: Router

    minutes: int = 5
    pauses: list[float] = dataclasses.field(default_factory=list)

    def restore(self, *, check: bool = False, selection: Selection | None = None, **way: t.Any) -> RestoredDevice:
        selection = selection or Selection(newest=True)
        router = self.router
        order = Order(ID, self.minutes, "joe")
        declared = {one.name: one for one in policy_of(router.platform)().components}
        source = open_chosen(self.lab.repository, self.lab.keyring, "h", selection, None, FAILING, check=check)
        assert holds_device(source, "h")
        return restore_device(
            self.lab.repository,
            self.lab.keyring,
            Device(
                router.platform,
                router.login,
                lambda session, text, lines: CliChange(session, router.platform, order, text, lines),
                self.pauses.append,
            ),
            source,
            host="h",
            selection=selection,
            context=Context("h", "/", {"user": "joe"}, {"id": "CHG-1"}),
            way=DeviceWay(order, **{"declared": declared, **way}),
            check=check,
        )

    def refused(self, kind: type[RestoreError], **way: t.Any) -> RestoreError:
        with pytest.raises(RestoreError) as caught:
            self.restore(**way)
        assert isinstance(caught.value, kind)
        assert SECRET not in str(caught.value)
        return caught.value

    def proofs(self) -> list[Record]:
        names = self.lab.names("records/restore/")
        return [record_format.read(self.lab.store.get(name), what=name)[0] for name in names]

    def records(self) -> list[Mapping[str, t.Any]]:
        return [record.detail for record in self.proofs()]

    @property
    def result(self) -> str:
        (record,) = self.records()
        return str(record["result"])


def sealed(
    lab: Lab,
    platform: Platform,
    *more: Mapping[str, t.Any],
    files: Mapping[str, bytes] | None = None,
    startup: str = SEALED,
) -> Bench:
    router = Router(platform, startup=startup)
    folder = lab.folder()
    lab.open(folder, "h")
    lab.snapshot(
        folder,
        MemorySource(dict(files or {})),
        "h",
        policy_of(platform, *more),
        device=DeviceSource(lambda _platform, _transport: router.login()),
    )
    assert lab.seal(folder).complete
    router.logins = 0
    return Bench(lab, router)


@pytest.fixture(params=[REPLACED, TYPED], ids=["replaced", "typed"])
def bench(lab: Lab, request: pytest.FixtureRequest) -> Bench:
    return sealed(lab, request.param)


@pytest.fixture
def replaced(lab: Lab) -> Bench:
    return sealed(lab, REPLACED)


@pytest.fixture
def counted(replaced: Bench) -> Bench:
    """One whose way back is by one commit, whatever that was; what it was given lately it has changed."""
    replaced.router.platform = restoring_otherwise(steps_back=True, partial=())
    replaced.router.running = BROKEN
    replaced.router.rejects = ("description",)
    return replaced


def restoring_otherwise(**changes: t.Any) -> Platform:
    restore = REPLACED.restore
    assert restore is not None
    return dataclasses.replace(REPLACED, restore=dataclasses.replace(restore, **changes))


@pytest.fixture
def typed(lab: Lab) -> Bench:
    return sealed(lab, TYPED)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line != "!"]


class TestSuccess:
    """What was broken comes back, and is proven."""

    def test_a_broken_router_has_what_was_sealed(self, bench: Bench) -> None:
        bench.router.running = BROKEN
        done = bench.restore()
        assert lines(bench.router.running) == lines(SEALED)
        assert (done.proven, [one.path for one in done.before]) == (True, [PATH])
        assert bench.router.pending is None
        assert bench.router.startup == SEALED
        assert not done.saved
        (record,) = bench.records()
        assert (record["result"], record["platform"], record["written"]) == ("equal", bench.router.platform.name, 1)
        assert record["milliseconds"].keys() >= {"find", "open", "survey", "plan", "stage", "apply", "compare"}

    def test_one_that_has_it_is_left_alone_and_proven(self, bench: Bench) -> None:
        done = bench.restore()
        assert (done.proven, done.before, bench.router.said) == (True, (), [])
        (record,) = bench.records()
        # nothing was changed, so no timer was armed
        assert (record["result"], record["timer_minutes"], done.minutes) == ("equal", 0, 0)

    def test_it_proves_the_whole_of_what_holds_nothing_else(self, lab: Lab) -> None:
        alone = sealed(lab, dataclasses.replace(TYPED, items=TYPED.items[:1]))
        alone.restore()
        (proof,) = alone.proofs()
        assert [stream["whole"] for stream in proof.subject["streams"]] == [True]

    def test_what_no_restore_loads_is_named_and_does_not_count(self, bench: Bench) -> None:
        assert bench.restore().not_restored == ("/holdfast/config/startup",)
        (proof,) = bench.proofs()
        assert [stream["whole"] for stream in proof.subject["streams"]] == [True]
        assert proof.detail["beside"] == ["/holdfast/config/startup"]

    def test_a_startup_configuration_that_was_another_is_not_proved(self, lab: Lab) -> None:
        bench = sealed(lab, TYPED, startup=BROKEN)
        bench.restore()
        (proof,) = bench.proofs()
        assert [stream["whole"] for stream in proof.subject["streams"]] == [False]

    def test_a_second_restore_changes_nothing(self, bench: Bench) -> None:
        bench.router.running = BROKEN
        bench.restore()
        bench.router.said.clear()
        assert bench.restore().before == ()
        assert bench.router.said == []

    def test_saved_by_choice(self, bench: Bench) -> None:
        bench.router.running = bench.router.startup = BROKEN
        done = bench.restore(save=True)
        assert done.saved
        assert lines(bench.router.startup or "") == lines(SEALED)
        assert not bench.restore(save=True).saved

    def test_what_runs_is_saved_where_only_that_differs(self, bench: Bench) -> None:
        bench.router.startup = None
        done = bench.restore(save=True)
        assert (done.before, done.saved) == ((), True)
        assert bench.router.startup == SEALED

    def test_what_does_not_tell_what_it_starts_with_is_saved_whenever_asked(self, typed: Bench) -> None:
        items = tuple(item for item in typed.router.platform.items if item.name != "startup")
        typed.router.platform = dataclasses.replace(typed.router.platform, items=items)
        typed.router.startup = BROKEN
        assert typed.restore(save=True, check=True).saved
        assert typed.router.startup == BROKEN
        assert typed.restore(save=True).saved
        assert typed.router.startup == SEALED

    def test_one_without_a_startup_configuration_has_nothing_to_save(self, typed: Bench) -> None:
        restore = typed.router.platform.restore
        assert restore is not None
        typed.router.platform = dataclasses.replace(
            typed.router.platform, restore=dataclasses.replace(restore, save=())
        )
        typed.router.running = BROKEN
        assert not typed.restore(save=True).saved

    def test_a_timer_is_confirmed_over_a_new_login(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        done = replaced.restore()
        assert (replaced.router.logins, done.minutes, replaced.router.files) == (2, 5, {})
        # an answer that comes late leaves no time to take it back before the timer does
        assert replaced.router.patience == 150

    def test_what_is_loaded_has_no_header(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        replaced.restore()
        assert replaced.router.running.startswith("version 1\n")

    def test_without_a_timer_one_login_does(self, typed: Bench) -> None:
        typed.router.running = BROKEN
        assert (typed.restore().minutes, typed.router.logins) == (0, 1)


class TestCheck:
    """Check mode shows what would be typed, and changes nothing."""

    def test_it_tells_and_changes_nothing(self, bench: Bench) -> None:
        bench.router.running = bench.router.startup = BROKEN.replace(SECRET, "otherother")
        done = bench.restore(check=True, show=True, save=True)
        assert bench.router.said == []
        assert (done.proven, done.saved, bench.records()) == (False, True, [])
        assert "router bgp 65001" in done.candidate
        assert any("192.0.2.2 remote-as 65002" in line for line in done.candidate)
        assert done.comparison is not None
        page = pages.component(done.comparison, "config")
        assert "192.0.2.9" in page
        for shown in (page, "\n".join(done.candidate)):
            assert SECRET not in shown
            assert "otherother" not in shown

    def test_what_stops_the_page_stops_the_restore(self, bench: Bench) -> None:
        def full(_comparison: object) -> None:
            raise PolicyError("the page cannot be written")

        bench.router.running = BROKEN
        with pytest.raises(PolicyError, match="the page cannot be written"):
            bench.restore(show=True, shown=full)
        assert bench.router.running == BROKEN


class TestRefused:
    """What is wrong is said before anything is touched."""

    def test_another_device(self, bench: Bench) -> None:
        bench.router.running = BROKEN.replace("hostname r1", "hostname r7")
        with pytest.raises(PolicyError, match="calls itself r7, and the sealed configuration is that of r1"):
            bench.restore()
        assert bench.router.said == []
        assert any("called itself r7" in warning for warning in bench.restore(any_hostname=True).warnings)
        assert lines(bench.router.running) == lines(SEALED)

    def test_another_device_whose_banner_says_the_name(self, typed: Bench) -> None:
        router = typed.router
        structure = dataclasses.replace(
            router.platform.structure, literals=(Literal(r"^banner motd (?P<mark>\S)", "{0}"),)
        )
        router.platform = dataclasses.replace(router.platform, structure=structure)
        banner = "banner motd #\nhostname r1\n#\n"
        router.running = BROKEN.replace("hostname r1", f"{banner}hostname r7")
        with pytest.raises(PolicyError, match="calls itself r7"):
            typed.restore()

    @pytest.mark.parametrize(
        ("network_os", "text", "name"),
        [
            ("netconf", "<data><s:system xmlns:s='x'><s:hostname>r1</s:hostname></s:system></data>", "r1"),
            ("netconf", "<data><ssh><peer><host-name>r2</host-name></peer></ssh></data>", "r2"),
            ("netconf", "<data><a><hostname>r1</hostname></a><b><hostname>r2</hostname></b></data>", None),
            ("netconf", "<data/>", None),
            ("junos", "version 1;\nsystem {\n    host-name r1;\n    services {\n        ssh;\n    }\n}\n", "r1"),
            ("vyos", "set interfaces ethernet eth0\nset system host-name 'r1'\n", "r1"),
            ("frr", "frr version 8.4\nhostname r1\n!\nend\n", "r1"),
            ("ios", "version 15\ninterface Ethernet0\n hostname r1\nend\n", None),
        ],
    )
    def test_how_a_device_names_itself(self, network_os: str, text: str, name: str | None) -> None:
        assert name_in(normalise.tree(platforms.find(network_os), "running", text.encode())) == name

    def test_one_without_a_name_is_warned_of(self, bench: Bench) -> None:
        bench.router.running = BROKEN.replace("hostname r1\n", "")
        assert any("the device does not say its name" in warning for warning in bench.restore().warnings)

    def test_another_platform(self, bench: Bench) -> None:
        bench.router.platform = dataclasses.replace(bench.router.platform, name="other")
        with pytest.raises(PolicyError, match=r"is of platform \w+, the device's is other"):
            bench.restore()

    def test_a_platform_that_cannot_be_restored(self, bench: Bench) -> None:
        bench.router.platform = dataclasses.replace(bench.router.platform, restore=None)
        with pytest.raises(PolicyError, match="no way to restore"):
            bench.restore()

    def test_a_part_of_it(self, bench: Bench) -> None:
        with pytest.raises(PolicyError, match="a part of a device's configuration"):
            bench.restore(selection=Selection(newest=True, paths=(PATH,)))

    def test_files_with_it(self, lab: Lab) -> None:
        bench = sealed(
            lab, TYPED, {"name": "app", "paths": ["/etc/app"], "tier": "tier1"}, files={"/etc/app/main.conf": b"x"}
        )
        with pytest.raises(PolicyError, match="chosen together"):
            bench.restore()
        assert bench.restore(selection=Selection(newest=True, components=("config",))).proven

    def test_a_snapshot_without_it(self, lab: Lab) -> None:
        startup_only = dataclasses.replace(TYPED, items=TYPED.items[1:])
        bench = sealed(lab, startup_only)
        bench.router.platform = TYPED
        with pytest.raises(NotFoundError, match="does not hold the text 'running'"):
            bench.restore()

    def test_a_command_that_is_no_template(self, replaced: Bench) -> None:
        restore = replaced.router.platform.restore
        assert restore is not None
        broken = dataclasses.replace(restore, confirm=("configure {nonsense}",))
        replaced.router.platform = dataclasses.replace(replaced.router.platform, restore=broken)
        replaced.router.running = BROKEN
        with pytest.raises(PolicyError, match="no template"):
            replaced.restore()
        assert replaced.router.running == BROKEN


class TestFailure:
    """What is not taken whole is taken back, and said."""

    def test_lines_that_are_rejected_are_named(self, bench: Bench) -> None:
        bench.router.running = BROKEN
        bench.router.rejects = ("neighbor 192.0.2.2",)
        error = bench.refused(UndoneError)
        assert "neighbor 192.0.2.2" in error.message
        assert error.details["undone"]
        assert lines(bench.router.running) == lines(BROKEN)
        assert bench.result == "undone"

    def test_a_secret_among_them_is_masked(self, bench: Bench) -> None:
        bench.router.running = BROKEN.replace(SECRET, "otherother")
        bench.router.rejects = ("enable secret",)
        error = bench.refused(RestoreError)
        assert "enable secret <secret>" in str(error)
        assert "otherother" not in str(error)

    def test_a_secret_that_the_device_quotes_alone_is_masked(self, typed: Bench) -> None:
        typed.router.running = BROKEN.replace(SECRET, "otherother")
        told = Talk._typed

        def quotes(talk: Talk, line: str) -> str:
            if line.lstrip().startswith(("enable secret", "no enable secret")):
                return f"% Invalid input (at token 3: '{line.rpartition(' ')[2]}')"
            return told(talk, line)

        with mock.patch.object(Talk, "_typed", quotes):
            error = typed.refused(RestoreError)
        assert "at token 3: '<secret>'" in error.message
        assert "otherother" not in str(error)

    def test_what_is_refused_under_a_timer_without_a_way_back_is_undone(self, replaced: Bench) -> None:
        restore = replaced.router.platform.restore
        assert restore is not None
        one_way = dataclasses.replace(restore, revert=())
        replaced.router.platform = dataclasses.replace(replaced.router.platform, restore=one_way)
        replaced.router.running = BROKEN
        done = Talk._done

        def refuses(talk: Talk, command: str) -> str:
            return "% Failed" if command.startswith("configure replace") else done(talk, command)

        with mock.patch.object(Talk, "_done", refuses):
            error = replaced.refused(UndoneError)
        assert "takes it back" not in str(error)
        (record,) = replaced.records()
        assert (record["result"], record["timer_minutes"]) == ("undone", 0)

    def test_one_that_refuses_is_not_told_to_go_back_further(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        done = Talk._done

        def refuses(talk: Talk, command: str) -> str:
            return "% Failed" if command.startswith("configure replace") else done(talk, command)

        with mock.patch.object(Talk, "_done", refuses):
            replaced.refused(UndoneError)
        assert "configure revert now" not in replaced.router.said

    def test_one_that_is_lost_while_a_text_is_staged_keeps_no_file(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        put = Talk.put

        def breaks(talk: Talk, path: str, text: bytes) -> None:
            put(talk, path, text)
            talk._die()

        with mock.patch.object(Talk, "put", breaks):
            error = replaced.refused(UndoneError)
        assert "lost before the change was made" in error.message
        assert (router.files, router.logins, replaced.result) == ({}, 2, "refused")

    def test_what_the_device_drops_without_a_word_is_named(self, replaced: Bench) -> None:
        restore = replaced.router.platform.restore
        assert restore is not None
        deaf = dataclasses.replace(restore, partial=())
        replaced.router.platform = dataclasses.replace(replaced.router.platform, restore=deaf)
        replaced.router.running = BROKEN
        replaced.router.rejects = ("description",)
        error = replaced.refused(MismatchError)
        assert "description to the core" in error.message
        assert error.details["undone"]
        assert replaced.router.running == BROKEN
        assert replaced.router.files == {}

    def test_one_that_dies_and_lets_nobody_in(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at, router.dies_late = "configure replace", True
        login = router.login

        def only_once() -> Talk:
            router.gone = bool(router.logins)
            return login()

        with mock.patch.object(router, "login", only_once):
            error = replaced.refused(RestoreError)
        assert "lost in the middle" in error.message
        assert "5 minutes after" in (error.remedy or "")
        assert replaced.result == "unknown"
        router.lapse()
        assert router.running == BROKEN

    @pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
    def test_one_that_dies_in_the_commit_and_comes_back(self, replaced: Bench, late: bool) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at, router.dies_late = "configure replace", late
        if late:
            assert replaced.restore().proven
            assert (router.running, router.pending) == (SEALED, None)
        else:
            assert "lost while it applied" in replaced.refused(UndoneError).message
            assert router.running == BROKEN
        assert replaced.result == ("equal" if late else "undone")

    def test_one_that_may_go_on_with_it_is_told_to_go_back(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        replaced.router.dies_at = "configure replace"
        replaced.refused(UndoneError)
        assert "configure revert now" in replaced.router.said
        assert replaced.router.files == {}

    def test_one_that_may_go_on_and_has_no_way_back_is_unknown(self, replaced: Bench) -> None:
        router = replaced.router
        router.platform = restoring_otherwise(timer=False, revert=(), confirm=())
        router.running = BROKEN
        router.dies_at = "configure replace"
        error = replaced.refused(RestoreError)
        assert (error.details, replaced.result) == ({"undone": False}, "unknown")
        assert "lost in the middle of a restore" in error.message
        assert "What was put on the device is there still." in (error.remedy or "")
        # it may be reading it
        assert len(router.files) == 1

    def test_a_way_back_that_counts_is_not_gone_where_nothing_was_changed(self, counted: Bench) -> None:
        done = Talk._done

        def nothing(talk: Talk, command: str) -> str:
            return "warning: nothing to do" if command.startswith("configure replace") else done(talk, command)

        with mock.patch.object(Talk, "_done", nothing):
            assert counted.refused(MismatchError).details["undone"]
        assert "configure revert now" not in counted.router.said
        assert counted.router.running == BROKEN

    def test_a_way_back_that_counts_is_gone_where_the_change_was_the_last(self, counted: Bench) -> None:
        assert counted.refused(MismatchError).details["undone"]
        assert "configure revert now" in counted.router.said
        assert (counted.router.running, counted.pauses) == (BROKEN, [])

    def test_a_way_back_that_counts_is_not_gone_blindly(self, counted: Bench) -> None:
        read, texts = Talk.read, iter([True, True, False])

        def seldom(talk: Talk, item: t.Any) -> bytes:
            if not next(texts, True):
                raise CaptureError("half of it came")
            return read(talk, item)

        with mock.patch.object(Talk, "read", seldom):
            error = counted.refused(MismatchError)
        assert "It could not be taken back (half of it came). A timer of the device takes it back" in str(error)
        assert "configure revert now" not in counted.router.said

    def test_late_the_timer_is_waited_for_and_not_counted(self, counted: Bench) -> None:
        router = counted.router
        # any time is more than a part of none
        counted.minutes = 0
        with mock.patch.object(counted, "pauses", mock.Mock(append=lambda _seconds: router.lapse())):
            assert counted.refused(MismatchError).details["undone"]
        assert "configure revert now" not in router.said
        assert router.running == BROKEN

    def test_a_timer_that_should_be_over_is_said_to_be(self, counted: Bench) -> None:
        counted.minutes = 0
        error = counted.refused(MismatchError)
        assert not error.details["undone"]
        assert "after it was applied: that should be over by now." in (error.remedy or "")
        assert len(counted.pauses) == 10

    def test_a_commit_that_goes_on_after_the_loss_is_waited_for(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at = "configure replace"

        def goes_on(_seconds: float) -> None:
            router.pending, router.running = router.running, SEALED

        with mock.patch.object(replaced, "pauses", mock.Mock(append=goes_on)):
            assert replaced.restore().proven
        assert (router.running, router.pending, replaced.result) == (SEALED, None, "equal")

    def test_as_it_was_is_said_of_one_that_is_lost_after_a_second_look(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        replaced.router.dies_at = "configure replace"
        error = replaced.refused(UndoneError)
        assert replaced.pauses == [30.0]
        assert "Should it go on all the same: A timer of the device takes it back" in (error.remedy or "")

    def test_one_that_changes_all_the_time_is_unknown(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at = "configure replace"

        def goes_on(_seconds: float) -> None:
            router.running = router.running.replace("end\n", f"snmp-server contact {len(router.running)}\nend\n")

        with mock.patch.object(replaced, "pauses", mock.Mock(append=goes_on)):
            assert "lost in the middle" in replaced.refused(RestoreError).message
        assert replaced.result == "unknown"

    def test_what_only_its_session_confirms_is_looked_at_over_a_login_beside_it(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        with mock.patch.object(CliChange, "outlives", False):
            assert replaced.restore().proven
        assert (replaced.router.logins, replaced.router.pending) == (2, None)

    def test_what_lets_nobody_in_beside_its_session_is_taken_back(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        login = router.login

        def only_once() -> Talk:
            router.gone = bool(router.logins)
            return login()

        with mock.patch.object(CliChange, "outlives", False), mock.patch.object(router, "login", only_once):
            error = replaced.refused(UndoneError)
        assert "takes no new login" in error.message
        assert (router.running, replaced.result) == (BROKEN, "undone")

    def test_a_confirmation_that_is_lost_is_given_again(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at = "configure confirm"
        assert replaced.restore().proven
        assert router.pending is None

    def test_a_timer_that_ended_before_the_confirmation_is_found(self, replaced: Bench) -> None:
        replaced.router.running = BROKEN
        replaced.router.late = True
        # any time is more than half of none
        replaced.minutes = 0
        error = replaced.refused(MismatchError)
        assert error.details["undone"]
        assert replaced.router.running == BROKEN

    def test_what_ends_with_its_session_is_not_believed_in_another(self, replaced: Bench) -> None:
        router = replaced.router
        router.running = BROKEN
        router.dies_at, router.dies_late = "configure replace", True
        with mock.patch.object(CliChange, "outlives", False):
            error = replaced.refused(RestoreError)
        assert "lost in the middle" in error.message
        assert (replaced.result, router.pending) == ("unknown", BROKEN)

    def test_typed_lines_that_are_cut_off_may_still_work(self, typed: Bench) -> None:
        router = typed.router
        router.running = BROKEN
        router.dies_at = "end"
        error = typed.refused(RestoreError)
        assert "lost in the middle of a restore" in error.message
        assert "No timer takes it back." in str(error)
        assert typed.result == "unknown"

    def test_not_saved(self, bench: Bench) -> None:
        bench.router.running = BROKEN
        bench.router.dies_at = "copy running" if bench.router.platform is REPLACED else "write"
        error = bench.refused(RestoreError, save=True)
        assert "was not saved" in error.message
        assert lines(bench.router.running) == lines(SEALED)


def test_nothing_of_it_is_in_reprs(replaced: Bench, tmp_path: Path) -> None:
    replaced.router.running = BROKEN
    order = Order(ID, 5, "joe; reload\nnow")
    change = CliChange(replaced.router.login(), REPLACED, order, SEALED.encode(), ["enable secret 9 x"])
    assert SECRET not in repr(change)
    assert "enable secret 9" not in repr(change)
    assert order.spelled("commit comment {comment}") == "commit comment joe  reload now"
