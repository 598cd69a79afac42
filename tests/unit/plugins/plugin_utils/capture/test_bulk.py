# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import bulk
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.bulk import Answer, Heard, Query
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    RefusedItemError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import CLI, NETCONF, Item

RUNNING = Item("running", "show running-config", "What runs.")
VLANS = Item("vlans", "show vlan", "The VLAN database.", optional=True)


def never(transport: str) -> Session:
    """No session that blocks is wanted."""
    raise AssertionError(transport)


class Talker:
    """Devices that answer by their name, and count who talks at a time."""

    def __init__(self, *, failing: Sequence[str] = (), raising: type[BaseException] = ConnectionLostError) -> None:
        self.failing = failing
        self.raising = raising
        self.now = 0
        self.most = 0

    def query(self, host: str) -> Query:
        async def converse(items: Sequence[Item]) -> Mapping[Item, Answer]:
            self.now += 1
            self.most = max(self.most, self.now)
            # others begin meanwhile, as many as may
            for _turn in range(10):
                await asyncio.sleep(0)
            self.now -= 1
            if host in self.failing:
                raise self.raising("the connection broke off")
            return {item: f"{host} {item.name}\n".encode() for item in items}

        return Query(host, (RUNNING, VLANS), never, converse)


class Blocking(Heard):
    """A session that blocks until all of them are open."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__({RUNNING: b"text\n", VLANS: RefusedItemError("unknown")})
        self._barrier = barrier
        self.closed = False

    def read(self, item: Item) -> bytes:
        if item == RUNNING:
            self._barrier.wait(timeout=60)
        return super().read(item)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_every_device_is_heard_once_and_not_more_at_a_time_than_may(concurrency: int) -> None:
    talker = Talker()
    hosts = [f"r{number}" for number in range(20)]
    found = dict(bulk.ask_all([talker.query(host) for host in hosts], concurrency=concurrency))
    assert {host: heard.read(RUNNING) for host, heard in found.items()} == {
        host: f"{host} running\n".encode() for host in hosts
    }
    assert 1 <= talker.most <= min(concurrency, len(hosts))


def test_texts_that_nobody_took_yet_count_as_conversations() -> None:
    talker = Talker()
    begun: list[str] = []

    def query(host: str) -> Query:
        told = talker.query(host)

        async def converse(items: Sequence[Item]) -> Mapping[Item, Answer]:
            begun.append(host)
            assert told.converse is not None
            return await told.converse(items)

        return Query(host, told.items, never, converse)

    heard = bulk.ask_all([query(f"r{number}") for number in range(10)], concurrency=2)
    for taken, _one in enumerate(heard, 1):
        assert len(begun) <= taken + 2
    assert len(begun) == 10


def test_a_device_that_fails_stops_no_other() -> None:
    talker = Talker(failing=["r1"])
    found = dict(bulk.ask_all([talker.query(host) for host in ("r0", "r1", "r2")], concurrency=2))
    with pytest.raises(ConnectionLostError):
        found["r1"].read(RUNNING)
    assert [found[host].read(VLANS) for host in ("r0", "r2")] == [b"r0 vlans\n", b"r2 vlans\n"]


def test_what_nobody_foresaw_of_one_device_stops_no_other_and_is_not_told() -> None:
    talker = Talker(failing=["r1"], raising=ZeroDivisionError)
    found = dict(bulk.ask_all([talker.query(host) for host in ("r0", "r1")], concurrency=2))
    with pytest.raises(CaptureError, match="an unforeseen ZeroDivisionError") as caught:
        found["r1"].read(RUNNING)
    assert "broke off" not in str(caught.value)
    assert found["r0"].read(VLANS) == b"r0 vlans\n"


def test_who_stops_listening_ends_all_conversations() -> None:
    talker = Talker()
    heard = bulk.ask_all([talker.query(f"r{number}") for number in range(10)], concurrency=2)
    next(heard)
    heard.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("holdfast-devices")]


def test_sessions_that_block_run_side_by_side_and_are_closed() -> None:
    barrier = threading.Barrier(3)
    sessions = {f"n{number}": Blocking(barrier) for number in range(3)}
    queries = [Query(host, (RUNNING, VLANS), open=lambda _transport, one=one: one) for host, one in sessions.items()]
    found = dict(bulk.ask_all(queries, concurrency=3))
    assert [heard.read(RUNNING) for heard in found.values()] == [b"text\n"] * 3
    assert all(session.closed for session in sessions.values())
    with pytest.raises(RefusedItemError):
        found["n0"].read(VLANS)


def test_items_are_asked_by_their_own_transport() -> None:
    datastore = Item("datastore", "running", "The datastore.", transport=NETCONF)
    by = {NETCONF: Heard({datastore: b"<data/>\n"}), CLI: Heard({RUNNING: b"text\n"})}
    ((_host, heard),) = bulk.ask_all([Query("r1", (RUNNING, datastore), by.__getitem__)], concurrency=1)
    assert (heard.read(RUNNING), heard.read(datastore)) == (b"text\n", b"<data/>\n")


def test_a_conversation_that_was_had_takes_nothing_new() -> None:
    heard = Heard({RUNNING: b"text\n"})
    for call in (lambda: heard.read(VLANS), lambda: heard.say("reload"), lambda: heard.put("flash:", b"")):
        with pytest.raises(CaptureError):
            call()


def test_nobody_is_asked_where_there_is_nobody() -> None:
    assert list(bulk.ask_all([], concurrency=5)) == []
