# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore in place: the sealed state, proven, or exactly what was there."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _apply, _points
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.transaction import Transaction
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    DeniedError,
    MismatchError,
    NotFoundError,
    PolicyError,
    RestoreError,
    UndoneError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import open_snapshot
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Restored
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_in_place import Way, restore_in_place
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import (
    HostSite,
    component,
    near_trip,
)

from .lab import FILES, Lab, declared

CONF, OTHER, BASE = "/etc/app/main.conf", "/etc/app/other", "/etc/base"
NONE = {"app": Handling(), "base": Handling()}
Trip = Callable[..., str]


def _component(name: str, handling: Handling) -> Component:
    return dataclasses.replace(component(name), handling=handling)


@dataclasses.dataclass
class Bench:
    """A sealed host, and restores of it in place."""

    lab: Lab
    site: HostSite
    journal: Path
    made: int = 0

    def restore(
        self, *, trip: Trip = near_trip, handling: Mapping[str, Handling] | None = None, **more: t.Any
    ) -> Restored:
        self.made += 1
        way = {name: more.pop(name) for name in ("exact", "owner_by", "validate", "reload") if name in more}
        transaction = Transaction(
            trip,
            restore=f"{self.made:016x}",
            run="run 1 of a test",
            lease=60,
            root=str(self.site.root),
            journal=str(self.journal),
        )
        given: dict[str, t.Any] = {"host": "h", "selection": Selection(newest=True), **more}
        return restore_in_place(
            self.lab.repository,
            self.lab.keyring,
            Host(trip, root=str(self.site.root), journal=str(self.journal)),
            transaction,
            context=Context("h", "/", {"user": "joe"}, {"id": "CHG-1"}),
            way=Way({name: _component(name, one) for name, one in {**NONE, **(handling or {})}.items()}, **way),
            **given,
        )

    def records(self) -> list[Record]:
        names = self.lab.names("records/restore/")
        return [record_format.read(self.lab.store.get(name), what=name)[0] for name in names]

    def look(self) -> dict[str, tuple[object, ...]]:
        """What the host's paths are: everything but inode and change time."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.site.root.rglob("*")):
            st = path.lstat()
            content: object = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns, content)
        return found


@pytest.fixture
def bench(lab: Lab, tmp_path: Path) -> Bench:
    site = HostSite(tmp_path / "host")
    for path, content in FILES.items():
        site.write(path, content)
    site.write("/etc/app/key.pem", b"-----BEGIN CERTIFICATE-----\nold\n")
    site.at("/etc/app/link").symlink_to("main.conf")
    os.link(site.at(CONF), site.at("/etc/app/same.conf"))
    assert lab.run(site.source).complete
    return Bench(lab, site, tmp_path / "journal")


def broken(bench: Bench) -> dict[str, tuple[object, ...]]:
    """Break the host in several ways; returns what it then is."""
    site = bench.site
    site.write(OTHER, b"broken")
    site.remove(BASE)
    site.set_mode("/etc/app/key.pem", 0o666)
    site.at("/etc/app/link").unlink()
    site.at("/etc/app/link").symlink_to("elsewhere")
    site.write("/etc/app/new/extra.conf", b"mine")
    return bench.look()


class TestSuccess:
    """What differs comes back, nothing else is touched, and it is proven."""

    def test_a_broken_host_stands_as_it_was_sealed(self, bench: Bench) -> None:
        sealed = bench.look()
        broken(bench)
        untouched = bench.site.at(CONF).stat()
        done = bench.restore()
        assert done.proven
        assert {d.path for d in done.before} == {OTHER, BASE, "/etc/app/key.pem", "/etc/app/link"}
        assert done.extra == ("/etc/app/new", "/etc/app/new/extra.conf")
        now = bench.look()
        assert {path: now[path][:3] + now[path][5:] for path in sealed} == {
            path: sealed[path][:3] + sealed[path][5:] for path in sealed
        }
        assert bench.site.at("/etc/app/new/extra.conf").read_bytes() == b"mine"
        assert bench.site.at(CONF).stat().st_ino == untouched.st_ino
        assert list(bench.journal.iterdir()) == []
        assert not list(bench.site.root.rglob(".holdfast-*"))

    def test_again_changes_nothing_and_proves_it_again(self, bench: Bench) -> None:
        broken(bench)
        bench.restore()
        before = bench.site.state()
        again = bench.restore()
        assert (again.before, again.remove, again.proven) == ((), (), True)
        assert bench.site.state() == before
        assert [record.detail["result"] for record in bench.records()] == ["equal", "equal"]

    def test_exact_removes_what_no_snapshot_holds(self, bench: Bench) -> None:
        sealed = bench.look()
        broken(bench)
        bench.site.write("/etc/outside", b"not of a component")
        done = bench.restore(exact=True)
        assert done.remove == ("/etc/app/new", "/etc/app/new/extra.conf")
        assert set(done.answer.removed) == set(done.remove)
        assert set(bench.look()) == set(sealed) | {str(bench.site.at("/etc/outside"))}

    def test_exact_replaces_what_is_of_another_kind_and_without_it_that_is_refused(self, bench: Bench) -> None:
        bench.site.remove(OTHER)
        bench.site.write(f"{OTHER}/inside", b"a folder now")
        before = bench.look()
        with pytest.raises(RestoreError, match=OTHER):
            bench.restore()
        assert bench.look() == before
        assert bench.restore(exact=True).proven
        assert bench.site.at(OTHER).read_bytes() == FILES[OTHER]

    @pytest.mark.parametrize("stays", ["live.key", "x.cache", "pipe"])
    def test_a_folder_with_what_is_to_stay_makes_no_way(self, lab: Lab, bench: Bench, stays: str) -> None:
        policy = declared(
            {
                "name": "app",
                "paths": ["/etc/app"],
                "tier": "tier1",
                "excludes": [{"pattern": "*.cache", "reason": "cache"}],
            }
        )
        lab.run(bench.site.source, policy=lambda: policy)
        bench.site.remove(OTHER)
        bench.site.write(f"{OTHER}/inside", b"may go")
        bench.site.at(f"{OTHER}/{stays}").parent.mkdir(exist_ok=True)
        if stays == "pipe":
            os.mkfifo(bench.site.at(f"{OTHER}/{stays}"))
        else:
            bench.site.write(f"{OTHER}/{stays}", b"must stay")
        before = bench.look()
        keep = {"app": Handling(preserve=("*.key",))}
        for check in (True, False):
            with pytest.raises(RestoreError, match=f"holds what is to stay.*{stays}"):
                bench.restore(exact=True, handling=keep, check=check)
        assert bench.look() == before

    def test_what_policy_preserves_stays_and_what_is_gone_comes_back(self, bench: Bench) -> None:
        keep = {"app": Handling(preserve=("*.pem",))}
        bench.site.write("/etc/app/key.pem", b"renewed")
        bench.site.write("/etc/app/more.pem", b"new")
        bench.site.write(OTHER, b"broken")
        done = bench.restore(handling=keep, exact=True)
        assert done.preserved == ("/etc/app/key.pem",)
        assert bench.site.at("/etc/app/key.pem").read_bytes() == b"renewed"
        assert bench.site.at("/etc/app/more.pem").read_bytes() == b"new"
        assert bench.site.at(OTHER).read_bytes() == FILES[OTHER]
        assert done.returning == ()
        bench.site.remove("/etc/app/key.pem")
        done = bench.restore(handling=keep)
        assert [(one.path, one.what) for one in done.returning] == [("/etc/app/key.pem", ("certificate",))]
        assert b"old" in bench.site.at("/etc/app/key.pem").read_bytes()

    def test_paths_leave_the_others(self, bench: Bench) -> None:
        broken(bench)
        done = bench.restore(selection=Selection(newest=True, paths=("/etc/base", "*.pem")))
        assert {d.path for d in done.before} == {BASE, "/etc/app/key.pem"}
        assert done.extra == ()
        assert bench.site.at(OTHER).read_bytes() == b"broken"
        streams = bench.records()[0].subject["streams"]
        assert [one["whole"] for one in streams] == [False, False]

    def test_a_path_that_was_not_there_goes_where_that_is_asked_for(self, bench: Bench) -> None:
        broken(bench)
        asked = Selection(newest=True, paths=("/etc/app/new",))
        assert bench.restore(selection=asked).extra == ("/etc/app/new", "/etc/app/new/extra.conf")
        done = bench.restore(selection=asked, exact=True)
        assert done.remove == ("/etc/app/new", "/etc/app/new/extra.conf")
        assert not bench.site.at("/etc/app/new").exists()
        assert bench.site.at(OTHER).read_bytes() == b"broken"

    def test_one_name_of_a_file_comes_back_and_the_other_stays(self, bench: Bench) -> None:
        bench.site.remove("/etc/app/same.conf")
        bench.site.write("/etc/app/same.conf", b"another")
        untouched = bench.site.at(CONF).stat().st_ino
        assert bench.restore(selection=Selection(newest=True, paths=("/etc/app/same.conf",))).proven
        assert bench.site.at("/etc/app/same.conf").read_bytes() == FILES[CONF]
        assert bench.site.at(CONF).stat().st_ino == untouched

    def test_paths_that_mean_nothing_are_refused(self, bench: Bench) -> None:
        with pytest.raises(NotFoundError, match="/etc/nothing"):
            bench.restore(selection=Selection(newest=True, paths=("/etc/nothing",)))

    def test_check_mode_judges_and_changes_nothing(self, bench: Bench) -> None:
        before = broken(bench)
        stored = bench.lab.names()
        checked = bench.restore(check=True, exact=True)
        assert (checked.proven, checked.record) == (False, None)
        assert {d.path for d in checked.before} == {OTHER, BASE, "/etc/app/key.pem", "/etc/app/link"}
        assert checked.remove == ("/etc/app/new", "/etc/app/new/extra.conf")
        assert bench.look() == before
        assert bench.lab.names() == stored
        assert not bench.journal.exists() or not list(bench.journal.iterdir())

    def test_texts_are_not_for_the_file_system(self, lab: Lab, bench: Bench) -> None:
        texts = {
            "name": "facts",
            "tier": "tier1",
            "kind": "command",
            "commands": [{"name": "id", "argv": ["id", "-u"]}],
        }
        policy = declared({"name": "app", "paths": ["/etc/app"], "tier": "tier1"}, texts)
        lab.run(bench.site.source, policy=lambda: policy)
        done = bench.restore()
        assert done.proven
        assert not bench.site.at("/holdfast").exists()
        assert any("facts" in warning for warning in done.warnings)
        with pytest.raises(PolicyError, match="facts"):
            bench.restore(selection=Selection(newest=True, components=("facts",)))

    def test_a_component_that_the_inventory_does_not_declare_is_named(self, bench: Bench) -> None:
        transaction = Transaction(
            near_trip, restore="ab" * 8, run="r", lease=60, root=str(bench.site.root), journal=str(bench.journal)
        )
        done = restore_in_place(
            bench.lab.repository,
            bench.lab.keyring,
            bench.site.source,
            transaction,
            host="h",
            selection=Selection(newest=True),
            context=Context("h", "/"),
            way=Way({}),
        )
        assert [warning for warning in done.warnings if "not declared" in warning]


class Meddling:
    """A trip on which something happens before or after an op of the host's half."""

    def __init__(self, op: str, happens: Callable[[], None], *, before: bool = False) -> None:
        self._op, self._happens, self._before = op, happens, before
        self.ops: list[str] = []

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        op = request["op"]
        self.ops.append(op)
        if op == self._op and self._before:
            self._happens()
        printed = near_trip(half, request, payload)
        if op == self._op and not self._before:
            self._happens()
        return printed


class Within(Meddling):
    """Such a trip on which it happens during the apply: all is in place and taken up, and not looked at yet."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("no such op", lambda: None)
        self._within = happens

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_points, "at", lambda point: self._within() if point == "reloaded" else None)
            return super().__call__(half, request, payload)


def lost() -> None:
    raise ConnectionLostError("the host went away")


class TestFailure:
    """Whatever goes wrong: the state before, named reasons, a record, and never a success."""

    def test_one_byte_off_after_apply_fails_names_the_path_and_goes_back(self, bench: Bench) -> None:
        broken(bench)
        before = bench.look()
        meddler = Within(lambda: bench.site.at(CONF).write_bytes(b"listen = 8081\n"))
        with pytest.raises(MismatchError, match=r"main\.conf") as caught:
            bench.restore(trip=meddler)
        assert caught.value.details["undone"] is True
        assert meddler.ops == ["entries", "apply", "undo", "entries"]
        now = bench.look()
        changed = {path for path in before if now.get(path) != before[path]}
        assert changed == {str(bench.site.at(CONF)), str(bench.site.at("/etc/app/same.conf"))}
        assert [record.detail["result"] for record in bench.records()] == ["undone"]

    def test_what_somebody_changed_after_apply_is_left_and_named(self, bench: Bench) -> None:
        broken(bench)

        def mends() -> None:
            bench.site.at(OTHER).unlink()
            bench.site.at(OTHER).write_bytes(b"mended by hand")

        with pytest.raises(MismatchError) as caught:
            bench.restore(trip=Within(mends))
        assert bench.site.at(OTHER).read_bytes() == b"mended by hand"
        assert OTHER in str(caught.value.details["left"])
        assert OTHER in str(caught.value.remedy)

    def test_a_validator_that_refuses_leaves_the_host_as_it_was(self, bench: Bench) -> None:
        before = broken(bench)
        with pytest.raises(UndoneError, match="app"):
            bench.restore(handling={"app": Handling(validate=("false",))})
        assert bench.look() == before
        (record,) = bench.records()
        assert (record.detail["result"], record.detail["why"]) == ("undone", "UndoneError")

    def test_a_validator_that_agrees_is_named(self, bench: Bench) -> None:
        broken(bench)
        done = bench.restore(handling={"app": Handling(validate=("true",)), "base": Handling(validate=("no-such",))})
        assert done.answer.validated == ("app",)
        assert "base" in done.answer.not_validated[0]

    def test_validation_can_be_left_out(self, bench: Bench) -> None:
        broken(bench)
        assert bench.restore(handling={"app": Handling(validate=("false",))}, validate=False).proven

    def test_a_component_that_did_not_change_is_not_judged(self, bench: Bench) -> None:
        bench.site.write(BASE, b"broken")
        done = bench.restore(handling={"app": Handling(validate=("false",)), "base": Handling(validate=("true",))})
        assert done.answer.validated == ("base",)

    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("op", ["apply", "drop"])
    def test_a_lost_host_is_no_success_and_says_what_will_happen(self, bench: Bench, op: str, before: bool) -> None:
        broken(bench)
        with pytest.raises(RestoreError, match="the host was lost") as caught:
            bench.restore(trip=Meddling(op, lost, before=before))
        assert "60 seconds" in str(caught.value)
        # nothing was armed here, and before the answer nobody knows
        assert ("its own unit" in str(caught.value)) == (op == "apply")
        assert [record.detail["result"] for record in bench.records()] == ["unknown"]

    def test_a_host_that_only_says_it_went_back_is_not_believed(self, bench: Bench) -> None:
        broken(bench)

        def forged(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            printed = near_trip(half, request, payload)
            if request["op"] != "apply":
                return printed
            error = {"type": "invalid", "message": "nginx", "items": [], "undone": True, "left": []}
            return wire.MARK + _apply.pack({"error": error})

        with pytest.raises(UndoneError, match="not as they were") as caught:
            bench.restore(trip=forged)
        assert caught.value.details["undone"] is False
        assert OTHER in str(caught.value.details["left"])
        (record,) = bench.records()
        assert record.detail["result"] == "unknown"

    def test_a_word_that_was_lost_on_the_way_back_is_found_out(self, bench: Bench) -> None:
        broken(bench)
        lose = [True]

        def once() -> None:
            if lose.pop() if lose else False:
                lost()

        done = bench.restore(trip=Meddling("drop", once))
        assert done.proven
        assert list(bench.journal.iterdir()) in ([], [bench.journal / ".lock"])
        assert [record.detail["result"] for record in bench.records()] == ["equal"]

    def test_a_host_lost_before_anything_was_asked_is_just_that(self, bench: Bench) -> None:
        before = broken(bench)
        with pytest.raises(ConnectionLostError):
            bench.restore(trip=Meddling("entries", lost, before=True))
        assert bench.look() == before
        assert bench.records() == []

    def test_an_undo_that_fails_is_said(self, bench: Bench) -> None:
        broken(bench)

        class Fails(Within):
            def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
                if request["op"] == "undo":
                    lost()
                return super().__call__(half, request, payload)

        with pytest.raises(MismatchError, match="could not be taken back yet") as caught:
            bench.restore(trip=Fails(lambda: bench.site.at(BASE).write_bytes(b"!")))
        assert caught.value.details["undone"] is False
        assert [record.detail["result"] for record in bench.records()] == ["unknown"]

    def test_the_next_restore_meets_an_open_one_and_waits(self, bench: Bench) -> None:
        broken(bench)
        with pytest.raises(RestoreError, match="the host was lost"):
            bench.restore(trip=Meddling("drop", lost, before=True))
        with pytest.raises(RestoreError, match="run 1 of a test") as caught:
            bench.restore()
        assert "0000000000000001" in str(caught.value)

    def test_a_record_that_cannot_be_kept_is_a_warning_only(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken(bench)

        def denied(*_args: object, **_more: object) -> None:
            raise DeniedError("cannot put", item="records/", remedy="Ask for the right.")

        monkeypatch.setattr(bench.lab.store, "_put", denied)
        done = bench.restore()
        assert (done.proven, done.record) == (True, None)
        assert any("was not kept" in warning for warning in done.warnings)


def test_what_the_host_took_is_told_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(bench)
    # so that nothing else takes any time
    monkeypatch.setattr(open_snapshot.time, "monotonic", lambda: 0.0)

    def slow(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        header, _blob = wire.read_answer(near_trip(half, request, payload), limit_bytes=1 << 24, half=half)
        return wire.MARK + _apply.pack({**header, "milliseconds": {"stage": 1000, "apply": 2000}})

    def trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        return (slow if request["op"] == "apply" else near_trip)(half, request, payload)

    seconds = bench.restore(trip=trip).seconds
    # all of it went by within the trip, which took no time
    assert (seconds["stage"], seconds["apply"]) == (1.0, -1.0)


def test_the_record_says_who_what_why_and_how_long(bench: Bench) -> None:
    broken(bench)
    done = bench.restore(handling={"app": Handling(validate=("true",))}, exact=True)
    (record,) = bench.records()
    assert record.subject["host"] == "h"
    streams = {one["stream"]: one for one in record.subject["streams"]}
    assert {name: one["whole"] for name, one in streams.items()} == {"tier1": True, "tier2": True}
    assert {one["snapshot"] for one in streams.values()} == set(record.subject["snapshots"])
    detail = dict(record.detail)
    assert set(detail.pop("milliseconds")) >= {
        "find",
        "fetch",
        "unwrap",
        "open",
        "stage",
        "apply",
        "validate",
        "compare",
    }
    assert detail.pop("restore") == "0000000000000001"
    assert detail == {
        "target_host": "h",
        "under": "/",
        "result": "equal",
        "entries": done.entries,
        "written": len(done.before),
        "different": 0,
        "owners_compared": os.geteuid() == 0,
        "actor": {"user": "joe"},
        "change": {"id": "CHG-1"},
        "removed": 2,
        "preserved": 0,
        "returning": 0,
        "validated": ["app"],
        "reloaded": [],
        "why": "",
    }
