# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a file is told from what recovery points name, and from nothing that is not verified."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import history_results
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import device as capture
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import NotFoundError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import Query
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import open_catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.history import Asked, History, _Reader, tell
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import LAB, Device
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource, near_trip

from .council import followed, governed
from .forge import Forge
from .lab import COMPONENTS, FILES, START, Clock, Lab, declared
from .test_costs import CountedStore
from .test_devices import policy, texts
from .test_pushed import push

CONF = "/etc/app/main.conf"
HOUR = dt.timedelta(hours=1)
APP = declared({"name": "app", "paths": ["/etc/app"]})


def run(
    lab: Lab, clock: Clock, source: t.Any, *, policy: Policy = APP, change: str = "", host: str = "h", **more: t.Any
) -> str:
    """Back a host up; an hour passes. Returns the point's id."""
    opening = {"change": {"id": change, "deployment": "D1"} if change else {}, "actor": {"user": "alice"}}
    done = lab.run({host: source}, policy=lambda: policy, **opening, **more)
    clock.advance(hours=1)
    assert done.id is not None
    return done.id


def of(lab: Lab, path: str | None = CONF, **more: t.Any) -> History:
    with open_catalog(lab.repository, state_dir=None, forks=1) as catalog:
        return tell(lab.repository, catalog, Asked(**{"host": "h", "path": path, **more}))


def told(found: History) -> list[tuple[str, tuple[str, ...], str]]:
    """Of each change what it was and under which ticket."""
    return [(event.row.status, event.row.what, event.point.change_id if event.point else "") for event in found.events]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    app = tmp_path / "host" / "etc" / "app"
    app.mkdir(parents=True)
    (app / "main.conf").write_text("a")
    (app / "link").symlink_to("one")
    return tmp_path / "host"


def test_what_was_done_to_a_file_is_told_with_ticket_and_person(lab: Lab, clock: Clock, tree: Path) -> None:
    conf, source = tree / "etc/app/main.conf", Host(near_trip, root=str(tree))
    first = run(lab, clock, source, change="CHG1")
    run(lab, clock, source)
    conf.write_text("b")
    conf.chmod(0o600)
    run(lab, clock, source, change="CHG2")
    (tree / "etc/app/other").touch()
    run(lab, clock, source, change="CHG3")
    conf.unlink()
    run(lab, clock, source, change="CHG4")
    conf.write_text("b")
    conf.chmod(0o600)
    last = run(lab, clock, source, change="CHG5")
    found = of(lab)
    assert told(found) == [
        ("first seen", (), "CHG1"),
        ("changed", ("content", "mode"), "CHG2"),
        ("removed", (), "CHG4"),
        ("back", (), "CHG5"),
    ]
    assert found.manifests == 5
    assert found.warnings == ()
    assert (found.begins, found.proven_at) == (START, START + dt.timedelta(hours=5))
    first_seen, changed, _removed, back = found.events
    assert (first_seen.snapshot.first_point, back.snapshot.first_point) == (first, last)
    # it was proven once more before it changed
    assert (changed.row.after, changed.row.at) == (START + dt.timedelta(hours=1), START + dt.timedelta(hours=2))
    assert all(event.point is not None and event.point.by == "alice" for event in found.events)


def test_no_ticket_is_told_of_a_run_that_only_carried_it(lab: Lab, clock: Clock) -> None:
    run(lab, clock, MemorySource(FILES), change="CHG1")
    clock.advance(days=60)
    later = run(lab, clock, MemorySource(FILES), change="CHG2", host="other")
    (change,) = history_results.told(of(lab))["changes"]
    assert (change["change_id"], change["by"], change["expired"]) == ("CHG1", "alice", False)
    lab.memory._versions.pop(lab.names("points/")[0])
    result = history_results.told(of(lab))
    (change,) = result["changes"]
    assert change["recovery_point"] == later
    assert (change["change_id"], change["deployment_id"], change["by"], change["expired"]) == ("", "", "", True)
    assert "has expired" in " ".join(result["report"])


@pytest.mark.parametrize(("origin", "together"), [({}, 2), ({"imported": "oxidized"}, 1), ({"first_stored": False}, 1)])
def test_no_more_manifests_are_held_at_once_than_a_run_has_captured(
    lab: Lab, origin: dict[str, t.Any], together: int
) -> None:
    lab.run(MemorySource(FILES))
    with open_catalog(lab.repository, state_dir=None, forks=1) as catalog:
        snapshots = [dataclasses.replace(one, **origin) for one in catalog.snapshots(Query(host="h"))]
    reader = _Reader(lab.repository, Asked("h", CONF))
    next(reader.looks(snapshots))
    assert (len(snapshots), reader.read) == (2, together)


def test_links_folders_and_odd_names_have_one_too(lab: Lab, clock: Clock, tree: Path) -> None:
    odd, source = tree / "etc/app/line\nbreak", Host(near_trip, root=str(tree))
    odd.write_text("x")
    run(lab, clock, source)
    (tree / "etc/app/link").unlink()
    (tree / "etc/app/link").symlink_to("two")
    (tree / "etc/app").chmod(0o700)
    odd.write_text("y")
    run(lab, clock, source)
    assert told(of(lab, "/etc/app/link"))[1:] == [("changed", ("target",), "")]
    assert told(of(lab, "/etc/app"))[1:] == [("changed", ("mode",), "")]
    found = of(lab, "/etc/app/line\nbreak")
    assert told(found)[1:] == [("changed", ("content",), "")]
    report = history_results.told(found)["report"]
    assert all(len(line) <= 80 and line.isprintable() for line in report)
    assert "h /etc/app/line\\nbreak" in report[0]


def test_a_component_that_is_dropped_or_moved_is_told(lab: Lab, clock: Clock) -> None:
    other = declared({"name": "app", "paths": ["/etc/app/other"]})
    moved = declared({"name": "app", "paths": ["/etc/app"], "tier": "tier2"}, {"name": "base", "paths": ["/etc/base"]})
    source = MemorySource(FILES)
    run(lab, clock, source)
    run(lab, clock, source, policy=other)
    run(lab, clock, source)
    run(lab, clock, source, policy=moved)
    found = of(lab)
    assert told(found) == [("first seen", (), ""), ("not declared", (), ""), ("seen again", (), "")]
    assert found.events[1].row.at == START + HOUR
    assert (found.proven_at, found.host_proven_at) == (START + dt.timedelta(hours=3),) * 2
    # the whole of its tier is gone: no later snapshot can say that
    run(lab, clock, source, policy=declared({"name": "base", "paths": ["/etc/base"]}))
    found = of(lab)
    assert (found.proven_at, found.host_proven_at) == (START + dt.timedelta(hours=3), START + dt.timedelta(hours=4))
    assert "other streams of the host at 2026-03-01T16:00:00Z" in " ".join(history_results.told(found)["report"])


def test_what_is_left_out_is_told_with_its_reason(lab: Lab, clock: Clock, tree: Path) -> None:
    source = Host(near_trip, root=str(tree))
    without = declared(
        {"name": "app", "paths": ["/etc/app"], "excludes": [{"pattern": "main.conf", "reason": "too often"}]}
    )
    run(lab, clock, source)
    run(lab, clock, source, policy=without)
    found = of(lab)
    assert [(event.row.status, event.row.reason) for event in found.events][1:] == [("not captured", "too often")]


def test_another_digest_key_is_said_and_no_change_is_made_up(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock)
    clock.advance(minutes=1)
    run(lab, clock, MemorySource(FILES))
    lab = followed(lab, rotate=("digest",))
    clock.advance(minutes=1)
    run(lab, clock, MemorySource({**FILES, "/etc/app/other": b"y"}))
    run(lab, clock, MemorySource({**FILES, "/etc/app/other": b"z"}))
    found = of(lab)
    assert [(event.row.status, event.row.what, event.row.not_compared) for event in found.events][1:] == [
        ("not comparable", (), ("content",))
    ]
    assert told(of(lab, "/etc/app/other"))[1:] == [("not comparable", (), ""), ("changed", ("content",), "")]
    report = " ".join(" ".join(history_results.told(found)["report"]).split())
    assert "not comparable; not compared: content (the digest key is another one since)" in report


class TestComponents:
    def test_a_component_as_a_whole_names_what_changed_in_it(self, lab: Lab, clock: Clock) -> None:
        run(lab, clock, MemorySource(FILES))
        run(lab, clock, MemorySource({**FILES, CONF: b"b"}), change="CHG2")
        run(
            lab,
            clock,
            MemorySource({**FILES, CONF: b"b"}),
            policy=declared({"name": "app", "paths": ["/etc/app"], "owner": "web"}),
        )
        found = of(lab, None, component="app")
        assert told(found)[1:] == [("changed", ("content",), "CHG2"), ("changed", ("definition",), "")]
        assert found.events[1].row.paths == (CONF,)
        assert f"    {CONF}" in history_results.told(found)["report"]

    def test_a_pushed_text_has_one_by_its_name(self, lab: Lab, clock: Clock) -> None:
        for text in ("fan=1\nup=1\n", "fan=2\nup=2\n"):
            folder = lab.folder()
            lab.open(folder)
            push(lab, folder, ilo={"text": text, "volatile": ["^up="]})
            lab.seal(folder)
            clock.advance(hours=1)
        for asked in ({"path": "text", "component": "ilo"}, {"path": "/holdfast/ilo/text"}):
            assert told(of(lab, **asked)) == [("first seen", (), ""), ("changed", ("content",), "")]
        assert told(of(lab, None, component="ilo"))[1:] == [("changed", ("content",), "")]

    def test_what_is_volatile_in_a_device_is_told_apart_and_its_texts_have_one_each(
        self, lab: Lab, clock: Clock
    ) -> None:
        both = policy(LAB, *COMPONENTS)
        device = Device(dict(texts()))
        for number, changed in ((1, {}), (2, {CONF: b"b"}), (3, {CONF: b"b"})):
            device.texts = dict(texts(number))
            if number == 3:
                device.texts["running"] = b"hostname r3\n"
            folder = lab.folder()
            lab.open(folder)
            with capture.Device(device.open) as source:
                lab.snapshot(folder, MemorySource({**FILES, **changed}), policy=lambda: both, device=source)
            lab.seal(folder)
            clock.advance(hours=1)
        # the second was stored for what changed beside it
        assert told(of(lab, None, component="device")) == [
            ("first seen", (), ""),
            ("volatile", ("content",), ""),
            ("changed", ("content",), ""),
        ]
        found = of(lab, "running", component="device")
        assert [event.row.status for event in found.events] == ["first seen", "changed", "changed"]
        assert found.events[0].row.look.entry is not None
        assert found.events[0].row.look.entry.entry.path == "/holdfast/device/running"

    def test_only_manifests_that_hold_it_are_read(self, lab: Lab, clock: Clock) -> None:
        both = declared()
        run(lab, clock, MemorySource(FILES), policy=both)
        run(lab, clock, MemorySource({**FILES, CONF: b"b", "/etc/base": b"c"}), policy=both)
        assert (of(lab).manifests, of(lab, component="app").manifests) == (4, 2)


class TestBounds:
    @pytest.fixture
    def lab(self, lab: Lab, clock: Clock) -> Lab:
        for number in range(5):
            run(lab, clock, MemorySource({**FILES, CONF: b"%d" % number}), change=f"CHG{number}")
        return lab

    def test_a_part_of_it_is_compared_with_what_was_before(self, lab: Lab) -> None:
        hour = dt.timedelta(hours=1)
        found = of(lab, since=START + 2 * hour, until=START + 3 * hour)
        assert told(found) == [("changed", ("content",), "CHG2"), ("changed", ("content",), "CHG3")]
        assert found.manifests == 3
        assert told(of(lab, until=START)) == [("first seen", (), "CHG0")]
        assert of(lab, since=START + 9 * hour).events == ()

    def test_no_more_are_read_than_may_be(self, lab: Lab) -> None:
        found = of(lab, read=2)
        assert told(found) == [("first seen", (), "CHG3"), ("changed", ("content",), "CHG4")]
        (warning,) = found.warnings
        assert warning.startswith("3 older snapshots were not read: what is told begins with ")

    def test_each_manifest_is_read_once(self, lab: Lab) -> None:
        calls: list[tuple[str, str]] = []
        counted = lab.on(CountedStore(lab.store, calls))
        with open_catalog(counted.repository, state_dir=None, forks=1) as catalog:
            calls.clear()
            tell(counted.repository, catalog, Asked("h", CONF))
        assert sorted(name for _operation, name in calls) == sorted(lab.names("manifests/"))

    def test_many_changes_are_counted(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history_results, "LISTED", 2)
        monkeypatch.setattr(history_results.render, "LISTED", 1)
        result = history_results.told(of(lab))
        assert (result["count"], [one["change_id"] for one in result["changes"]]) == (5, ["CHG3", "CHG4"])
        assert result["report"][2] == "... 4 older changes"


class TestBelief:
    def test_a_point_that_is_forged_tells_nothing(self, lab: Lab, clock: Clock) -> None:
        run(lab, clock, MemorySource(FILES))
        forged = Forge(lab).put(statement={"alias": "v2"})
        found = of(lab)
        assert told(found) == [("first seen", (), "")]
        assert any(forged in warning for warning in found.warnings)

    @pytest.mark.parametrize("harm", ["other bytes", "gone"])
    def test_a_manifest_that_is_damaged_tells_nothing_and_is_named(self, lab: Lab, clock: Clock, harm: str) -> None:
        run(lab, clock, MemorySource(FILES))
        run(lab, clock, MemorySource({**FILES, CONF: b"b"}))
        run(lab, clock, MemorySource({**FILES, CONF: b"c"}), change="CHG3")
        name = sorted(lab.names("manifests/"))[1]
        if harm == "gone":
            del lab.memory._versions[name]
        else:
            for version in lab.memory._versions[name]:
                version.data += b"x"
        found = of(lab)
        assert told(found) == [("first seen", (), ""), ("changed", ("content",), "CHG3")]
        (warning,) = found.warnings
        assert "is not told of: " in warning

    def test_a_manifest_of_another_snapshot_is_not_taken_for_this_one(self, lab: Lab, clock: Clock) -> None:
        run(lab, clock, MemorySource(FILES))
        with open_catalog(lab.repository, state_dir=None, forks=1) as catalog:
            real = catalog.snapshots

            def renamed(query: t.Any) -> t.Any:
                return [dataclasses.replace(one, components=("app", "more")) for one in real(query)]

            catalog.snapshots = renamed  # type: ignore[method-assign]
            with pytest.raises(NotFoundError):
                tell(lab.repository, catalog, Asked("h", CONF))
        assert told(of(lab)) == [("first seen", (), "")]


class TestWhich:
    def test_what_nobody_declares_is_not_found(self, lab: Lab, clock: Clock) -> None:
        run(lab, clock, MemorySource(FILES))
        for asked in ({"path": "/etc/nginx/nginx.conf"}, {"path": None, "component": "nginx"}):
            with pytest.raises(NotFoundError, match="no snapshot of this host declares it") as caught:
                of(lab, **asked)
            assert caught.value.remedy == "The host's snapshots hold the components app."
        with pytest.raises(NotFoundError, match="no recovery point names a snapshot of this host"):
            of(lab, host="nobody")
        # declared, and never there
        assert of(lab, "/etc/app/never").events == ()

    @pytest.mark.parametrize("path", ["etc/app", "", "/", "//", "/etc/app/", "/etc/\0"])
    def test_what_is_no_path_is_refused(self, path: str) -> None:
        with pytest.raises(PolicyError, match="is not a path"):
            Asked("h", path)

    def test_it_is_said_what_and_when(self) -> None:
        with pytest.raises(PolicyError, match="is not said"):
            Asked("h")
        with pytest.raises(PolicyError, match="since is later"):
            Asked("h", CONF, since=START, until=START - dt.timedelta(seconds=1))

    def test_a_host_is_the_same_under_a_new_name(self, lab: Lab, clock: Clock) -> None:
        for name, host_id, text in (("old", "id-1", b"a"), ("new", "id-1", b"b"), ("old", "old", b"c")):
            folder = lab.folder()
            lab.open(folder, name)
            source = MemorySource({**FILES, CONF: text})
            lab.snapshot(folder, source, name, lambda: APP, host_id=lambda: host_id, keyring=lambda: lab.keyring)  # noqa: B023
            lab.seal(folder)
            clock.advance(hours=1)
        for name in ("new", "id-1"):
            found = of(lab, host=name)
            assert (found.host, found.host_id) == ("new", "id-1")
            assert told(found) == [("first seen", (), ""), ("changed", ("content",), "")]
        # the name means the host that has it now
        assert (of(lab, host="old").host_id, told(of(lab, host="old"))) == ("old", [("first seen", (), "")])


def test_the_result_is_plain_and_says_who_why_and_what(lab: Lab, clock: Clock) -> None:
    run(lab, clock, MemorySource(FILES), change="CHG1", alias="v1")
    run(lab, clock, MemorySource({**FILES, CONF: b"longer than before"}), change="CHG2")
    result = history_results.told(of(lab))
    first, second = result["changes"]
    assert (first["change_id"], first["alias"], first["after"], first["kind"]) == ("CHG1", "v1", None, "file")
    assert (second["status"], second["what"], second["size"]) == ("changed", ["content"], 18)
    assert (second["by"], second["deployment_id"], second["at"]) == ("alice", "D1", instant.to_text(START + HOUR))
    assert second["recovery_point"] != first["recovery_point"]
    assert result["report"][:2] == [
        "h /etc/app/main.conf",
        "2 changes, from 2 manifests since 2026-03-01T12:00:00Z; last proven at",
    ]
    assert all(len(line) <= 80 for line in result["report"])
