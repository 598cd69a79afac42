# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table that ends a run, as people see it."""

from __future__ import annotations

import dataclasses
import json
import textwrap
import unicodedata

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, RunError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import LeftOut
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import run_report
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import (
    OpenPoint,
    PointFolder,
    Receipt,
    StreamReceipt,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_report import (
    HostLine,
    PointReport,
    Progress,
    render,
    render_all,
    verdict,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import FILES, Lab

ID = "ab" * 32
PLAYBOOK = "ansible-playbook holdfast.config.restore"
FIRST = "web-1.example.org"
SEAL = "holdfast.config.recovery_point state=sealed"
HOSTS = (
    HostLine(FIRST, 2, 0, 0, None, missing=False),
    HostLine("web-2", 0, 2, 4_200_000, None, missing=False),
)
NAMES = {
    "short": ("a", "b", "c"),
    "sixty": tuple(f"{letter * 56}.org" for letter in "abc"),
    "wide": ("ウェブサーバー" * 4, "数据库" * 10, "é" * 60),
    "combining": ("e\u0301" * 60, "web", "db"),
    "long": tuple(f"{letter * 200}.org" for letter in "abc"),
}


def report(*hosts: HostLine, **more: object) -> PointReport:
    given: dict[str, object] = {
        "run": "a" * 16,
        "point": "main",
        "repository": "prod",
        "location": "file:///srv/backup",
        "check": False,
        "sealed": True,
        "complete": True,
        "id": ID,
        "hosts": hosts or HOSTS,
        "sealed_by": "task",
        **more,
    }
    return PointReport(**given)


def failing(host: str, error: str = "it broke") -> HostLine:
    return HostLine(host, 0, 0, 0, error, missing=False)


def missing(host: str) -> HostLine:
    return HostLine(host, 0, 0, 0, None, missing=True)


def golden(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def columns(text: str) -> int:
    """How wide a terminal draws a text."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )


def test_a_complete_point() -> None:
    assert render(report()) == golden(f"""
        host               result     stored
        web-1.example.org  unchanged       -
        web-2              stored     4.2 MB
        hosts           2: 1 unchanged, 1 stored
        stored          4.2 MB
        recovery point  {ID} (main, complete)
        where           prod at file:///srv/backup
        next            restore: {PLAYBOOK} --limit {FIRST} -e restore_recovery_point={ID} -e restore_under=/path
    """)


def test_one_host_needs_no_limit() -> None:
    assert f"restore: {PLAYBOOK} -e restore_recovery_point={ID}" in render(report(HOSTS[1]))
    said = dataclasses.replace(report(HOSTS[1]), inventory=("/srv/a b.yml", "/srv/c.yml"))
    assert f"{PLAYBOOK} -i '/srv/a b.yml' -i /srv/c.yml -e restore_recovery_point={ID}" in render(said)


def test_what_is_left_out_without_being_excluded() -> None:
    gaps = tuple(f"'/etc/{number}' (unreadable)" for number in range(7))
    text = render(report(HOSTS[1], HostLine("web-3", 2, 0, 0, None, missing=False, gaps=gaps)))
    listed = ", ".join(gaps[:5])
    assert f"\n  web-3: left out {listed} and 2 more\n" in text
    assert "web-2: left out" not in text


def test_what_is_left_out_is_weighed_where_there_is_room() -> None:
    host = HostLine("web-3", 1, 2, 900, None, missing=False, left_out_bytes=1_200_000_000)
    assert render(report(HOSTS[1], host)).startswith(
        golden("""
        host   result      stored  left out
        web-2  stored      4.2 MB         -
        web-3  2/3 stored   900 B    1.2 GB
        hosts           2: 2 stored
        stored          4.2 MB, 1.2 GB left out
    """)
    )
    narrow = render(report(HOSTS[1], host), width=34).splitlines()
    assert narrow[0] == "host   result      stored"
    assert "stored          4.2 MB, 1.2 GB left out" in narrow
    idle = HostLine("web-3", 1, 0, 0, None, missing=False, left_out_bytes=5)
    assert "stored          nothing, 5 B left out\n" in render(report(idle))


def test_failed_and_missing_hosts() -> None:
    hosts = (HOSTS[1], failing("web-3", "the host went away (host web-3). Look at it."), missing("web-4"))
    assert render(report(*hosts, complete=False)) == golden(f"""
        host   result   stored
        web-2  stored   4.2 MB
        web-3  FAILED        -
        web-4  MISSING       -
          web-3: the host went away (host web-3). Look at it.
          missing, never captured: web-4
        hosts           3: 1 stored, 1 FAILED, 1 MISSING
        stored          4.2 MB
        recovery point  {ID} (main, NOT COMPLETE)
        where           prod at file:///srv/backup
        next            correct the hosts named and back them up again; what was captured is safe
    """)


def test_who_sealed_it_is_said_where_no_task_did() -> None:
    assert "(main, complete, sealed by the callback)" in render(report(sealed_by="callback"))
    text = render(report(complete=False, sealed_by="callback"))
    assert "(main, NOT COMPLETE, sealed by the callback)" in text


def test_what_is_odd_is_said_of_the_host_and_of_the_run() -> None:
    odd = HostLine("web-3", 1, 0, 0, None, missing=False, notes=("its clock is 4,000 s ahead",))
    notes = tuple(f"note {number}" for number in range(7))
    text = render(report(odd, notes=notes))
    assert "\n  web-3: its clock is 4,000 s ahead\n" in text
    assert "note            note 4\nnote            and 2 more\nrecovery point" in text


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_fits(names: str, width: int) -> None:
    hosts = [
        HostLine(name, 11, 10, 999_499, None, missing=False, left_out_bytes=999_499_999) for name in NAMES[names][:2]
    ]
    rows = render(report(*hosts, missing(NAMES[names][2])), width=width).splitlines()[:4]
    assert max(map(columns, rows)) <= width
    assert len({columns(row) for row in rows}) == 1


@pytest.mark.parametrize("names", ["short", "sixty", "combining"])
def test_names_of_sixty_columns_are_whole_in_a_table_of_eighty(names: str) -> None:
    hosts = [HostLine(name, 1, 1, 9_900_000, None, missing=False) for name in NAMES[names]]
    rows = render(report(*hosts)).splitlines()[1:4]
    assert [row.split("  ")[0] for row in rows] == list(NAMES[names])


def test_a_shortened_name_keeps_both_ends_and_is_whole_below() -> None:
    name = f"{'a' * 30}-{'b' * 60}.example.org"
    text = render(report(failing(name)))
    assert text.splitlines()[1].startswith("aaaaa")
    assert "...bbb" in text.splitlines()[1]
    assert ".example.org  FAILED" in text.splitlines()[1]
    assert f"\n  {name}: it broke\n" in text


def test_a_terminal_of_no_width_still_shows_the_ends_of_names() -> None:
    assert "aaaaa...aaaa  FAILED" in render(report(failing("a" * 50)), width=1)


def test_what_hosts_say_cannot_steer_the_terminal() -> None:
    hostile = "\x1b[2J\r\n\u202e\udc80\x9b"
    text = render(report(failing("web-1", hostile), HostLine(f"b{hostile}", 1, 0, 0, None, missing=False)))
    assert all(line.isprintable() for line in text.split("\n"))
    assert r"web-1: \x1b[2J\r\n\u202e\udc80\x9b" in text


def many(count: int, line: HostLine) -> list[HostLine]:
    return [HostLine(**{**vars(line), "host": f"{line.host}{number:04}"}) for number in range(count)]


def test_a_fleet_is_counted_and_only_what_somebody_must_look_at_is_named() -> None:
    hosts = [
        *many(2_900, HostLine("same", 1, 0, 0, None, missing=False)),
        *many(40, HostLine("new", 0, 1, 1_000, None, missing=False)),
        *many(25, failing("bad")),
        *many(23, missing("gone")),
        *many(12, HostLine("odd", 1, 0, 0, None, missing=False, notes=("its clock is 400 s behind",))),
    ]
    lines = render(report(*hosts, complete=False)).splitlines()
    assert lines[0] == "  bad0000: it broke"
    assert lines[19:21] == ["  bad0019: it broke", "  and 5 more"]
    assert lines[21].startswith("  missing, never captured: gone0000, gone0001")
    assert lines[21].endswith("gone0019 and 3 more")
    assert lines[22:24] == ["  odd0000: its clock is 400 s behind", "  odd0001: its clock is 400 s behind"]
    assert lines[34:36] == [
        "hosts           3,000: 2,912 unchanged, 40 stored, 25 FAILED, 23 MISSING",
        "stored          40 kB",
    ]
    assert len(lines) == 39
    assert not [line for line in lines if "same" in line or "new" in line]


@pytest.mark.parametrize(("count", "rows"), [(20, 21), (21, 0)])
def test_twenty_hosts_are_listed(count: int, rows: int) -> None:
    lines = render(report(*many(count, HOSTS[0]))).splitlines()
    assert [line.split()[0] for line in lines].index("hosts") == rows


def test_the_heading_says_the_worst_of_all_points() -> None:
    good, rescued = report(), report(sealed_by="callback")
    lacking = report(complete=False, sealed_by="callback")
    left = report(sealed=False, complete=False, id=None, sealed_by="nobody")
    assert verdict([good, rescued]) == "COMPLETE"
    assert verdict([good, lacking]) == "NOT COMPLETE"
    assert verdict([lacking, left, good]) == "UNSEALED"
    assert verdict([report(check=True, id=None)]) == "check mode"


def test_many_points_are_counted_and_those_that_lack_something_drawn() -> None:
    good, bad = report(HOSTS[1]), report(failing("web-3"), complete=False)
    assert render_all([good, bad]) == [render(good), render(bad)]
    drawn = render_all([*[good] * 30, bad])
    assert drawn == [render(bad), "30 more recovery points: 30 whole; 31 hosts in all. The report names each."]
    drawn = render_all([*[good] * 30, *[bad] * 22])
    told = "32 more recovery points: 30 whole, 2 NOT COMPLETE or unsealed; 52 hosts in all. The report names each."
    assert drawn == [*[render(bad)] * 20, told]


def test_what_became_of_silent_streams() -> None:
    lost = tuple(f"gone-{number}/tier1: is gone" for number in range(7))
    text = render(report(HOSTS[1], carried=3, carry_waiting=1200, carry_failed=lost))
    told = "3 carried, 1,200 wait for the next run, 7 NOT CARRIED: their last copy is at stake"
    assert f"\nsilent streams  {told}\nrecovery point " in text
    assert text.count("is gone") == 5
    assert "\n  and 2 more\n" in text
    assert "silent streams  1 carried\n" in render(report(carried=1))
    assert "silent" not in render(report())


def test_an_unsealed_point() -> None:
    open_still = report(HOSTS[1], sealed=False, complete=False, id=None, point="post", sealed_by="nobody")
    assert render(open_still) == golden(f"""
        host   result  stored
        web-2  stored  4.2 MB
        hosts           1: 1 stored
        stored          4.2 MB
        recovery point  - (post, unsealed)
        where           prod at file:///srv/backup
        next            seal it: {SEAL}, in the same run; until then nothing of it counts
    """)
    assert open_still.warning is not None
    assert "recovery point post is UNSEALED although no host failed" in open_still.warning


@pytest.mark.parametrize("more", [{}, {"complete": False}, {"check": True, "sealed": False, "id": None}])
def test_a_sealed_point_and_a_dry_one_are_no_warning(more: dict[str, object]) -> None:
    assert report(**more).warning is None


def test_check_mode() -> None:
    text = render(report(HOSTS[1], check=True, id=None))
    assert text.splitlines()[1].split() == ["web-2", "to", "store", "4.2", "MB"]
    assert "hosts           1: 1 to store\n" in text
    assert text.endswith("next            nothing was stored (check mode)")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (4_200_000, "4.2 MB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
        (7_000_000_000_000, "7.0 TB"),
        (3 * 10**18, "3000 PB"),
    ],
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert run_report.human(size) == text


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestProgress:
    """One line from time to time, by counting."""

    def spoken(self, every: float, *steps: tuple[float, str, bool], opened: int | None = 3_000) -> list[str | None]:
        clock = Clock()
        progress = Progress(every, clock)
        if opened is not None:
            progress.opened("main", opened)
        progress.begun()
        said = []
        for passed, host, failed in steps:
            clock.now += passed
            said.append(progress.ended(host, failed=failed))
        return said

    def test_a_line_comes_once_the_interval_is_over_and_not_before(self) -> None:
        steps = [(29.9, "a", False), (0.1, "b", True), (29.0, "c", False), (1.0, "d", False), (0.0, "e", False)]
        assert self.spoken(30, *steps) == [
            None,
            "holdfast: 1 of 3,000 hosts captured, 1 failed",
            None,
            "holdfast: 3 of 3,000 hosts captured, 1 failed",
            None,
        ]

    def test_large_numbers_are_grouped(self) -> None:
        steps = [(0.0, f"h{number}", False) for number in range(1239)]
        assert self.spoken(30, *steps, (31.0, "last", False))[-1] == "holdfast: 1,240 of 3,000 hosts captured"

    @pytest.mark.parametrize("every", [0, -1])
    def test_it_can_be_turned_off(self, every: float) -> None:
        assert self.spoken(every, (10_000.0, "a", False)) == [None]

    def test_where_nothing_was_opened_no_total_is_known(self) -> None:
        assert self.spoken(1, (2.0, "a", False), opened=None) == ["holdfast: 1 hosts captured"]

    def test_a_host_that_was_rescued_is_not_failed_any_more(self) -> None:
        assert self.spoken(1, (0.0, "a", True), (2.0, "a", False))[-1] == "holdfast: 1 of 3,000 hosts captured"

    def test_another_point_begins_another_count(self) -> None:
        again = self.spoken(1, (0.0, "a", False), (0.0, "b", False), (2.0, "a", False))
        assert again[-1] == "holdfast: 1 of 3,000 hosts captured"

    def test_a_point_opened_by_each_batch_goes_on_counting_and_another_name_does_not(self) -> None:
        clock = Clock()
        progress = Progress(1, clock)
        progress.opened("pre", 4)
        progress.ended("a", failed=False)
        progress.opened("pre", 4)
        clock.now += 2
        assert progress.ended("b", failed=False) == "holdfast: 2 of 4 hosts captured"
        progress.opened("post", 9)
        clock.now += 2
        assert progress.ended("c", failed=True) == "holdfast: 0 of 9 hosts captured, 1 failed"

    def test_time_before_the_first_host_is_asked_does_not_count(self) -> None:
        clock = Clock()
        progress = Progress(30, clock)
        clock.now += 3_600
        progress.begun()
        progress.begun()
        assert progress.ended("a", failed=False) is None


class TestGather:
    """What the run folder tells at any moment."""

    RUN = "a" * 16

    def one(self, lab: Lab) -> PointReport:
        (found,) = run_report.gather(lab.state_dir, self.RUN)
        return found

    def test_from_open_to_seal(self, lab: Lab) -> None:
        assert run_report.gather(lab.state_dir, self.RUN) == []
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b")
        found = self.one(lab)
        assert (found.sealed, found.complete, found.id) == (False, False, None)
        assert [line.missing for line in found.hosts] == [True, True]
        lab.snapshot(folder, MemorySource(FILES), "a")
        assert [(line.changed, line.missing) for line in self.one(lab).hosts] == [(2, False), (0, True)]
        sealed = lab.seal(folder)
        found = self.one(lab)
        assert (found.sealed, found.complete, found.id) == (True, False, sealed.id)
        assert (found.repository, found.location) == ("prod", "memory://")
        assert found.hosts[0].stored_bytes == sealed.stored_bytes
        assert (found.sealed_by, found.counts) == ("task", {"stored": 1, "MISSING": 1})

    def test_a_failed_host(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b")
        broken = MemorySource(FILES)
        broken.failure = CaptureError("no such path", item="/etc/app")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, broken, "a")
        lab.snapshot(folder, MemorySource(FILES), "b")
        lab.seal(folder)
        text = render(self.one(lab))
        assert "  a: no such path (host a, item /etc/app)" in text
        assert "NOT COMPLETE" in text

    def test_check_mode(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, check=True)
        lab.snapshot(folder, MemorySource(FILES), check=True)
        lab.seal(folder, check=True)
        found = self.one(lab)
        assert (found.check, found.sealed, found.id) == (True, True, None)
        assert [(line.changed, line.stored_bytes) for line in found.hosts] == [(2, 0)]
        assert found.counts == {"to store": 1}

    def test_rescue_seals_what_has_receipts_and_tells_the_rest(self, lab: Lab) -> None:
        folders = [lab.folder(name, run=self.RUN) for name in ("done", "empty", "left", "stuck")]
        for folder in folders:
            lab.open(folder)
        for folder in (folders[0], folders[2], folders[3]):
            lab.snapshot(folder, MemorySource(FILES))
        lab.seal(folders[0])
        asked = []

        def reseal(folder: PointFolder, opened: OpenPoint) -> None:
            asked.append(opened.point)
            if opened.point == "stuck":
                raise RunError("it cannot be")
            lab.seal(folder)

        left = run_report.unsealed(lab.state_dir, self.RUN)
        assert left == {"empty", "left", "stuck"}
        problems = run_report.rescue(lab.state_dir, self.RUN, reseal)
        assert asked == ["left", "stuck"]
        assert problems == ["recovery point stuck stays unsealed: it cannot be"]
        found = run_report.gather(lab.state_dir, self.RUN, rescued=left)
        assert [point.sealed for point in found] == [True, False, True, False]
        assert [point.sealed_by for point in found] == ["task", "nobody", "callback", "nobody"]

    def test_what_receipts_say_that_is_odd(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b", "c")
        part = StreamReceipt("tier1", "unchanged", (), 0, None, (LeftOut("/etc/x", "unreadable"),), 77)
        folder.write_receipt(Receipt("a", (part, part), follows="old-a", machine="m1", clock_ahead=4_000))
        folder.write_receipt(Receipt("b", (), machine="m1", clock_ahead=-400))
        folder.write_receipt(Receipt("c", (), machine="m2"))
        found = self.one(lab)
        first, second, third = found.hosts
        assert first.gaps == ("'/etc/x' (unreadable)",) * 2
        assert first.left_out_bytes == 154
        assert first.notes == ("goes on with the streams of old-a", "its clock is 4,000 s ahead")
        assert (second.notes, third.notes) == (("its clock is 400 s behind",), ())
        assert "a, b answer with one machine id: is one a clone?" in found.notes

    def test_what_a_stored_stream_is_marked_with_is_told_once(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder)
        lab.snapshot(folder, MemorySource(FILES))
        (_host, receipt), *_others = folder.read_receipts().items()
        entry = receipt.streams[0].entry
        assert entry is not None
        marked = dataclasses.replace(receipt.streams[0], entry=dataclasses.replace(entry, marks=("app: odd",)))
        folder.write_receipt(dataclasses.replace(receipt, streams=(marked,)))
        assert self.one(lab).hosts[0].notes == ("app: odd",)
        folder.write_receipt(dataclasses.replace(receipt, streams=(dataclasses.replace(marked, reason="unchanged"),)))
        assert self.one(lab).hosts[0].notes == ()

    def test_the_report_is_all_of_the_table_as_json(self, lab: Lab) -> None:
        folder = lab.folder(run=self.RUN)
        lab.open(folder, "a", "b")
        lab.snapshot(folder, MemorySource(FILES), "a")
        lab.seal(folder)
        found = self.one(lab)
        (document,) = json.loads(run_report.write(lab.state_dir, self.RUN, [found]).read_text())
        assert document["counts"] == {"stored": 1, "MISSING": 1}
        assert (document["sealed_by"], document["next_step"]) == ("task", found.next_step)
        assert [(line["host"], line["result"]) for line in document["hosts"]] == [("a", "stored"), ("b", "MISSING")]
        fields = {field.name for field in dataclasses.fields(HostLine)}
        assert set(document["hosts"][0]) == {*fields, "result"}
