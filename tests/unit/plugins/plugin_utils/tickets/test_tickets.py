# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    TicketError,
    TicketMissingError,
    TicketServerError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.file import FileTickets
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.http import Http
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.servicenow import ServiceNow
from ansible_collections.holdfast.config.tests.lab import servicenow

UTC = dt.timezone.utc
BEGINS, ENDS = dt.datetime(2026, 11, 28, 1, tzinfo=UTC), dt.datetime(2026, 11, 28, 5, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[servicenow.ServiceNow]:
    found = servicenow.ServiceNow()
    found.add("CHG0031337", "web1", "web2.example.com")
    found.add("CHG0031338", state="-5", approval="requested", type="emergency", start_date="", end_date="")
    found.add("CHG0031339", approval="rejected", type="emergency")
    found.add("CHG0031340", approval="requested", type="emergency", state="4")
    yield from servicenow.serve(found)


@pytest.fixture
def trickling() -> Iterator[str]:
    """The URL of a server that sends a byte of its answer now and then, each long before a read is given up."""
    done = threading.Event()

    def answer(connection: socket.socket) -> None:
        try:
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
                for _byte in range(60):
                    if done.wait(0.1):
                        return
                    connection.sendall(b" ")
        except OSError:
            return

    def serve() -> None:
        while True:
            try:
                connection, _address = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        server.shutdown(socket.SHUT_RDWR)


def over_http(instance: servicenow.ServiceNow, token: str = servicenow.TOKEN) -> ServiceNow:
    headers = {"Authorization": f"Bearer {token}"}
    return ServiceNow(Http(instance.url, headers=headers, timeout=20, pause=lambda _seconds: None))


@pytest.fixture
def tickets(tmp_path: Path) -> FileTickets:
    path = tmp_path / "tickets.yml"
    path.write_text(
        """
- id: CHG0031337
  kind: normal
  state: implement
  approved: true
  requester: jane
  begins: 2026-11-28T01:00:00Z
  ends: "2026-11-28T05:00:00Z"
  items: [web1, web2.example.com]
- {id: CHG0031338, kind: emergency, state: new}
- {id: CHG0031339, kind: emergency, state: implement, rejected: true}
- {id: CHG0031340, kind: emergency, state: canceled}
"""
    )
    return FileTickets(path)


class TestServiceNow:
    @pytest.mark.parametrize(
        ("status", "headers", "body", "said"),
        [
            (500, {}, b"stack trace with a secret", "status 500"),
            (302, {"Location": "https://elsewhere.example/"}, b"", "status 302"),
            (200, {}, b"<html>secret</html>", "not JSON"),
            (200, {}, b"[" * 100000, "not JSON"),
            (200, {}, b'{"result": "secret"}', "not as the Table API has it"),
            (200, {}, b'{"result": [{"number": "CHG0031337"}]}', "a change without"),
            (200, {}, b'{"result": []' + b" " * (1 << 20) + b"}", "more than"),
        ],
    )
    def test_an_odd_answer_is_no_ticket(
        self, instance: servicenow.ServiceNow, status: int, headers: dict[str, str], body: bytes, said: str
    ) -> None:
        instance.next = [(status, headers, body)]
        with pytest.raises(TicketServerError, match=said) as caught:
            over_http(instance).fetch("CHG0031337")
        assert "secret" not in str(caught.value)

    def test_a_number_in_other_letters_is_told_by_its_own(self, instance: servicenow.ServiceNow) -> None:
        with pytest.raises(TicketMissingError, match="no change chg0031337, but CHG0031337"):
            over_http(instance).fetch("chg0031337")

    def test_another_change_than_was_asked_for_is_none(self, instance: servicenow.ServiceNow) -> None:
        instance.next = [(200, {}, json.dumps({"result": [servicenow.change("CHG9")]}).encode())]
        with pytest.raises(TicketServerError):
            over_http(instance).fetch("CHG0031337")

    def test_all_pages_are_listed_and_items_are_asked_for_together(self, instance: servicenow.ServiceNow) -> None:
        for number in range(1500):
            instance.add(f"CHG1{number:05}", f"host{number}")
        listed = over_http(instance).listed(BEGINS, ENDS)
        assert len(listed) == 1504
        assert {ticket.id: ticket.items for ticket in listed}["CHG101499"] == ("host1499",)
        assert len(instance.asked) < 50

    def test_more_than_can_be_listed_is_said(self, instance: servicenow.ServiceNow) -> None:
        instance.next = [(200, {}, json.dumps({"result": [servicenow.change("CHG9")]}).encode())] * 10
        with pytest.raises(TicketServerError, match="has 10000 rows of change_request or more"):
            over_http(instance).listed(BEGINS, ENDS)

    def test_a_credential_in_clear_goes_to_no_proxy(
        self, instance: servicenow.ServiceNow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert over_http(instance).fetch("CHG0031337").approved

    def test_the_whole_answer_has_one_time(self, trickling: str) -> None:
        with pytest.raises(TicketServerError, match="the time was over"):
            Http(trickling, headers={}, timeout=0.5).get("/api")

    def test_one_that_stays_busy_is_given_up(self, instance: servicenow.ServiceNow) -> None:
        instance.next = [(503, {}, b"")] * 3
        with pytest.raises(TicketServerError, match="status 503"):
            over_http(instance).fetch("CHG0031337")

    def test_nobody_there_is_said(self) -> None:
        with pytest.raises(TicketServerError, match="gave no answer"):
            ServiceNow(Http("http://127.0.0.1:1", headers={})).fetch("CHG0031337")

    def test_a_note_is_told_from_one_of_a_longer_key_and_from_a_quoted_one(
        self, instance: servicenow.ServiceNow
    ) -> None:
        tickets = over_http(instance)
        assert tickets.note("CHG0031337", "backed up", "point-10")
        assert tickets.note("CHG0031337", "see [point-2] above", "point-3")
        assert tickets.note("CHG0031337", "backed up", "point-1")
        assert tickets.note("CHG0031337", "backed up", "point-2")
        assert not tickets.note("CHG0031337", "backed up", "point-10")

    def test_an_id_of_a_record_that_is_none_asks_nothing_more(self, instance: servicenow.ServiceNow) -> None:
        instance.add("CHG5", sys_id="x^NQnumberISNOTEMPTY")
        with pytest.raises(TicketServerError, match="a sys_id"):
            over_http(instance).note("CHG5", "backed up", "point-1")

    @pytest.mark.parametrize(("state", "on_hold"), [("3", "false"), ("-2", "true"), ("17", "false"), ("-3", "false")])
    def test_what_is_closed_on_hold_or_unknown_is_not_open(
        self, instance: servicenow.ServiceNow, state: str, on_hold: str
    ) -> None:
        instance.add("CHG2", state=state, on_hold=on_hold)
        assert not over_http(instance).fetch("CHG2").open


class TestFile:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "is not YAML"),
            ("{id: CHG1}", "is no list of changes"),
            ("- {id: CHG1, aproved: true}", "aproved, which nobody reads"),
            ("- {id: CHG1, kind: odd}", "kind is none of"),
            ("- {id: CHG1, begins: tomorrow}", "begins is no moment"),
            ("- {id: CHG1, approved: 'yes'}", "neither true nor false"),
            ("- {id: CHG1, rejected: 1}", "rejected is neither true nor false"),
            ("- {id: CHG1, items: [2026-11-28]}", "items are no list of texts"),
            ("- {id: CHG1, items: [42]}", "items are no list of texts"),
            ("- {id: CHG1}\n- {id: CHG1}", "several changes CHG1"),
        ],
    )
    def test_a_faulty_file_is_said(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "tickets.yml"
        path.write_text(text)
        with pytest.raises(TicketError, match=said):
            FileTickets(path).fetch("CHG1")

    @pytest.mark.parametrize("text", ["{", "{id: CHG1}", "- CHG1"])
    def test_a_file_that_is_no_list_is_as_a_server_that_is_not_understood(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "tickets.yml"
        path.write_text(text)
        with pytest.raises(TicketServerError):
            FileTickets(path).fetch("CHG1")

    def test_what_is_wrong_with_one_change_is_no_fault_of_another(self, tmp_path: Path) -> None:
        path = tmp_path / "tickets.yml"
        path.write_text("- {id: CHG1, kind: odd}\n- {id: CHG2}")
        assert FileTickets(path).fetch("CHG2").id == "CHG2"
        with pytest.raises(TicketError) as caught:
            FileTickets(path).fetch("CHG1")
        assert not isinstance(caught.value, TicketServerError)

    @pytest.mark.parametrize(
        "text", ["- {id: 42}", "- {id: 42, state: [2026-11-28, 2026-11-28T01:00:00Z]}", "- {id: 42, url: {1: a, b: 2}}"]
    )
    def test_what_yaml_reads_by_itself_is_read(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "tickets.yml"
        path.write_text(text)
        assert len(FileTickets(path).fetch("42").digest) == 64

    def test_notes_of_others_in_another_encoding_do_no_harm(self, tickets: FileTickets, tmp_path: Path) -> None:
        (tmp_path / "tickets.yml.notes").write_bytes(b"\xff\xfe\n")
        assert tickets.note("CHG0031337", "backed up", "point-1")
        assert not tickets.note("CHG0031337", "backed up", "point-1")

    def test_a_file_that_is_not_there_is_as_a_server_that_is_not_reached(self, tmp_path: Path) -> None:
        with pytest.raises(TicketServerError, match="cannot be read"):
            FileTickets(tmp_path / "none.yml").fetch("CHG1")

    def test_notes_are_lines_that_nobody_else_reads(self, tickets: FileTickets, tmp_path: Path) -> None:
        tickets.note("CHG0031337", "backed up", "point-1")
        notes = tmp_path / "tickets.yml.notes"
        assert json.loads(notes.read_text()) == {"change": "CHG0031337", "key": "point-1", "text": "backed up"}
        assert notes.stat().st_mode & 0o077 == 0

    def test_notes_are_not_written_through_a_link(self, tickets: FileTickets, tmp_path: Path) -> None:
        (tmp_path / "tickets.yml.notes").symlink_to(tmp_path / "other")
        with pytest.raises(TicketServerError):
            tickets.note("CHG0031337", "backed up", "point-1")
        assert not (tmp_path / "other").exists()
