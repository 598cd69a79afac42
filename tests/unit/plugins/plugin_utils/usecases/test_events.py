# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs say of themselves: who may sign it, what it is held against, and what is found where one falls silent."""

from __future__ import annotations

import datetime as dt
import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DeniedError, SignatureError, TransientError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import AUDIT, Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events, objects, records, run_report
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import ship_leftovers
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import sign_envelope
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint, PointFolder, claim
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import FILES, START, Clock, Lab

ACTOR = {"user": "ops", "controller": "c1", "run": "1" * 16}
ELSEWHERE = "elsewhere"


def begin(lab: Lab, folder: PointFolder, *hosts: str, **more: object) -> OpenPoint:
    opened = lab.open(folder, *hosts, **{"actor": ACTOR, **more})
    return events.announce(folder, lab.repository, lab.keyring, opened)


def told(lab: Lab) -> list[events.Event]:
    found, refused = events.events(lab.repository)
    assert refused == ()
    return list(found)


def forget(lab: Lab) -> None:
    """Another controller goes on: of the folders of earlier runs it has none."""
    lab.state_dir.rename(lab.state_dir.with_name(f"{ELSEWHERE}-{len(list(lab.path.iterdir()))}"))


def end_process(lab: Lab, folder: PointFolder) -> None:
    """The run's folder as a killed process leaves it."""
    claim(lab.state_dir, folder.run, 1)
    claimed = folder.path.parent / "controller.json"
    # no process has this id: it is above the kernel's highest one
    claimed.write_text(json.dumps({**json.loads(claimed.read_text()), "pid": 2**22 + 1}))


def test_a_run_says_that_it_begins_once(lab: Lab) -> None:
    folder = lab.folder()
    begin(lab, folder, "a", "b", change={"id": "CHG1"})
    begin(lab, folder, "a", "b", change={"id": "CHG1"})
    (intent,) = told(lab)
    assert (intent.event, intent.point) == (events.INTENT, (folder.run, "main"))
    assert intent.detail == {"expected": 2, "actor": ACTOR, "change": {"id": "CHG1"}}
    assert names.parse(intent.name).record == AUDIT


def test_check_mode_says_nothing(lab: Lab) -> None:
    begin(lab, lab.folder(), check=True)
    assert told(lab) == []
    assert events.put_event(lab.repository, lab.keyring, events.UNAUTHORISED_CHANGE, {}, {}, check=True) is None


def test_a_sealed_point_is_the_end(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    begin(lab, folder)
    lab.snapshot(folder, MemorySource(FILES))
    lab.seal(folder)
    assert events.conclude(folder, lab.repository, lab.keyring) is None
    clock.advance(days=2)
    report = lab.verify(Level.SIGNATURES)
    assert not [finding for finding in report.findings if "how it ended" in finding.problem]
    # they are counted with no records that people or restores leave
    assert (report.sound, report.records) == (True, 0)


def test_a_run_that_captured_nothing_says_so_once(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    begin(lab, folder)

    def end(point: PointFolder, _opened: OpenPoint) -> None:
        events.conclude(point, lab.repository, lab.keyring)

    assert run_report.conclude(lab.state_dir, folder.run, end) == []
    assert run_report.conclude(lab.state_dir, folder.run, end) == []
    (ended, _intent) = sorted(told(lab), key=lambda event: event.event)
    assert ended.point == (folder.run, "main")
    assert ended.detail == {"result": events.NOTHING, "expected": 1, "captured": 0, "failed": 0}
    clock.advance(days=2)
    assert silent(lab) == []


def silent(lab: Lab) -> list[str]:
    findings = lab.verify(Level.SIGNATURES).findings
    found = [finding for finding in findings if "said how it ended" in finding.problem]
    assert all(finding.severity is Severity.WARNING and finding.remedy for finding in found)
    return [finding.problem for finding in found]


def test_who_falls_silent_is_found(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    begin(lab, folder)
    clock.advance(hours=23)
    assert silent(lab) == []
    clock.advance(hours=2)
    (problem,) = silent(lab)
    assert f"run {folder.run} of ops on c1, begun at 2026-03-01T12:00:00Z for main" in problem


def test_the_next_run_elsewhere_names_who_fell_silent(lab: Lab, clock: Clock) -> None:
    lost = lab.folder()
    begin(lab, lost)
    kept = lab.folder()
    begin(lab, kept)
    lab.snapshot(kept, MemorySource(FILES))
    lab.seal(kept)
    forget(lab)
    clock.advance(days=1, hours=1)
    (note,) = begin(lab, lab.folder()).notes
    assert f"run {lost.run} of ops on c1" in note
    assert "neither sealed nor said how it ended" in note


def test_the_newest_events_hide_nobody_who_fell_silent(lab: Lab, clock: Clock) -> None:
    """What is newer than a day is no run that could be overdue, however much of it there is."""
    lost, ended = lab.folder(), lab.folder()
    begin(lab, lost)
    begin(lab, ended)
    clock.advance(days=1, hours=1)
    events.conclude(ended, lab.repository, lab.keyring)
    for number in range(50):
        events.put_event(lab.repository, lab.keyring, events.UNAUTHORISED_CHANGE, {"host": f"h{number}"}, {})
    forget(lab)
    (note,) = begin(lab, lab.folder()).notes
    assert f"run {lost.run} of ops on c1" in note


def test_of_too_many_events_nothing_is_claimed(lab: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST_READ_SINCE", 1)
    begin(lab, lab.folder())
    forget(lab)
    clock.advance(days=1, hours=1)
    for host in ("a", "b"):
        events.put_event(lab.repository, lab.keyring, events.UNAUTHORISED_CHANGE, {"host": host}, {})
    (note,) = begin(lab, lab.folder()).notes
    assert note.endswith("verify does")


@pytest.mark.parametrize("other", ["main-late", "main-latest", "m-late"])
def test_another_point_of_the_run_is_no_end_whatever_its_name(lab: Lab, clock: Clock, other: str) -> None:
    lost = lab.folder()
    begin(lab, lost)
    kept = lab.folder(other, run=lost.run)
    begin(lab, kept)
    lab.snapshot(kept, MemorySource(FILES))
    lab.seal(kept)
    clock.advance(days=2)
    (problem,) = silent(lab)
    assert problem.partition(", begun at ")[2].startswith("2026-03-01T12:00:00Z for main,")


@pytest.mark.parametrize("landed", [True, False])
def test_a_begin_whose_answer_was_lost_is_ended_where_the_store_has_it(
    lab: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    folder = lab.folder()
    opened = lab.open(folder)
    put = objects.put

    def lose(*args: t.Any, **options: t.Any) -> None:
        if landed:
            put(*args, **options)
        raise TransientError("the answer broke off")

    monkeypatch.setattr(objects, "put", lose)
    (note,) = events.announce(folder, lab.repository, lab.keyring, opened).notes
    assert "was not kept" in note
    monkeypatch.undo()
    assert (events.conclude(folder, lab.repository, lab.keyring) is not None) is landed
    assert events.conclude(folder, lab.repository, lab.keyring) is None
    assert sorted(event.event for event in told(lab)) == ([events.ENDED, events.INTENT] if landed else [])
    clock.advance(days=2)
    assert silent(lab) == []


def test_a_killed_run_is_said_to_be_interrupted_by_the_next_one_here(lab: Lab) -> None:
    folder = lab.folder()
    begin(lab, folder)
    end_process(lab, folder)
    left = ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run="f" * 16)
    assert left.waiting == (f"run {folder.run} ended before it sealed recovery point main",)
    assert ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run="f" * 16).waiting == ()
    ended = next(event for event in told(lab) if event.event == events.ENDED)
    assert (ended.detail["result"], ended.subject["run"]) == (events.INTERRUPTED, folder.run)


def test_a_store_that_takes_no_event_stops_no_backup(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lab.folder()
    opened = lab.open(folder)

    def refuse(*_args: object, **_options: object) -> None:
        raise DeniedError("may not put it", remedy="Give the right.")

    monkeypatch.setattr(records, "put_made", refuse)
    (note,) = events.announce(folder, lab.repository, lab.keyring, opened).notes
    assert note.startswith("the record that this run begins was not kept: may not put it")
    assert folder.read_open().notes == (note,)
    monkeypatch.undo()
    lab.snapshot(folder, MemorySource(FILES))
    assert lab.seal(folder).sealed


@pytest.mark.parametrize(
    ("kind", "use", "believed"), [(AUDIT, "point", 1), (AUDIT, "record", 1), ("restore", "point", 0)]
)
def test_a_point_key_signs_events_and_no_other_record(lab: Lab, kind: str, use: str, believed: int) -> None:
    root = lab.repository.root
    by = next(key.id for key in root.keys.sign if key.use == use)
    record = Record(root.repository, root.id, kind, START, by, {"event": events.ENDED}, {})
    payload = record_format.payload(record)
    data = sign_envelope(lab.keyring, record_format.PAYLOAD_TYPE, payload, use=use, by=by)
    name = names.for_record(kind, START, data)
    lab.store.put_new(name, io.BytesIO(data), lock_until=START + dt.timedelta(days=900))
    if believed:
        assert records.read_witnessed(lab.repository, name)[0] == record
    else:
        with pytest.raises(SignatureError):
            records.read_witnessed(lab.repository, name)


def test_what_nobody_signed_is_refused_by_name(lab: Lab) -> None:
    begin(lab, lab.folder())
    (intent,) = told(lab)
    data = lab.store.get(intent.name).replace(b'"sig":"', b'"sig":"AAAA', 1)
    name = names.for_record(AUDIT, START, data)
    lab.store.put_new(name, io.BytesIO(data), lock_until=START + dt.timedelta(days=900))
    found, refused = events.events(lab.repository)
    assert [event.name for event in found] == [intent.name]
    assert [line.partition(": ")[0] for line in refused] == [name]


def test_events_are_listed_by_their_time(lab: Lab, clock: Clock) -> None:
    for month in range(3):
        events.put_event(lab.repository, lab.keyring, events.UNAUTHORISED_CHANGE, {"host": f"h{month}"}, {})
        clock.advance(days=31)
    assert [event.subject["host"] for event in told(lab)] == ["h2", "h1", "h0"]
    since, _refused = events.events(lab.repository, since=START + dt.timedelta(days=1))
    assert [event.subject["host"] for event in since] == ["h2", "h1"]
    until, _refused = events.events(lab.repository, until=START + dt.timedelta(days=1))
    assert [event.subject["host"] for event in until] == ["h0"]


def test_text_of_an_event_steers_no_terminal(lab: Lab, clock: Clock, tmp_path: Path) -> None:
    begin(lab, lab.folder(), actor={"user": "a\x1b[31m\nb" + "c" * 500})
    clock.advance(days=2)
    (problem,) = silent(lab)
    assert problem.isprintable()
    assert len(problem) < 300
