# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is let in, what is kept, and what of it is handed out."""

from __future__ import annotations

import contextlib
import json
import threading
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, PolicyError, ThrottledError
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import debounce, door, pump, replay, request
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import signature as signatures
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import spool as spools
from ansible_collections.holdfast.config.tests.lab.asking import GOOD, HOSTILE
from hypothesis import given
from hypothesis import strategies as st

SECRET = b"0123456789abcdef0123456789abcdef"
OTHER = b"fedcba9876543210fedcba9876543210"
NOW = 1795736445


class House:
    """A door with a key for all hosts, one for some, and one of a host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = float(NOW)
        self.keys = path / "keys"
        self.keys.mkdir(mode=0o700)
        for name, text in {"ci": "\n*\n", "web": "\nweb1\nweb2\n", "host:web1": "\n"}.items():
            (self.keys / name).write_bytes(SECRET + text.encode())
            (self.keys / name).chmod(0o600)
        self.numbers = iter(range(10_000))
        self.open()

    def open(self) -> None:
        self.spool = spools.Spool(self.path / "spool")
        self.memory = replay.Memory(self.path / "spool" / "replay", now=self.now)
        self.door = door.Door(self.keys, self.memory, self.spool, clock=lambda: self.now)

    def headers(self, body: bytes, *, key: str = "ci", secret: bytes = SECRET, at: int = 0) -> dict[str, str]:
        nonce = f"{next(self.numbers):016d}"
        return signatures.sign(secret, key=key, timestamp=int(self.now) + at, nonce=nonce, body=body)

    def ask(self, value: t.Any, **how: t.Any) -> door.Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.door.ask(self.headers(body, **how), body)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class TestDoor:
    def test_what_is_accepted_is_on_the_disk_and_nobody_else_reads_it(self, house: House) -> None:
        answer = house.ask(GOOD)
        assert answer.status == door.ACCEPTED
        (file,) = house.spool.path.glob("*.json")
        assert file.stem == answer.text
        assert (file.stat().st_mode & 0o777, house.spool.path.stat().st_mode & 0o777) == (0o600, 0o700)
        kept = house.spool.get(answer.text)
        assert kept is not None
        assert kept.request.as_json() == GOOD
        assert kept.key == "ci"

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_payloads(self, house: House, name: str) -> None:
        answer = house.ask(HOSTILE[name])
        assert answer.status in (door.BAD_REQUEST, door.TOO_LARGE), answer
        assert answer.accepted is None
        assert house.spool.waiting() == []

    def test_an_unknown_key_is_told_from_a_wrong_signature_by_nothing(self, house: House) -> None:
        unknown, wrong = house.ask(GOOD, key="nobody"), house.ask(GOOD, secret=OTHER)
        assert unknown == wrong
        assert unknown.status == door.UNAUTHORIZED
        assert house.spool.waiting() == []

    def test_another_body_than_was_signed(self, house: House) -> None:
        body = json.dumps(GOOD).encode()
        assert house.door.ask(house.headers(body), body.replace(b"web1", b"web2")).status == door.UNAUTHORIZED

    @pytest.mark.parametrize("at", [-301, 301])
    def test_a_stale_timestamp(self, house: House, at: int) -> None:
        assert house.ask(GOOD, at=at).status == door.UNAUTHORIZED
        assert house.spool.waiting() == []

    def test_a_replay_also_after_a_restart(self, house: House) -> None:
        body = json.dumps(GOOD).encode()
        headers = house.headers(body)
        assert house.door.ask(headers, body).status == door.ACCEPTED
        assert house.door.ask(headers, body).status == door.UNAUTHORIZED
        house.spool.close()
        house.open()
        assert house.door.ask(headers, body).status == door.UNAUTHORIZED
        assert len(house.spool.waiting()) == 1

    @pytest.mark.parametrize(
        ("key", "value", "status"),
        [
            ("host:web1", {"kind": "manual-change", "hosts": ["web1"]}, door.ACCEPTED),
            ("host:web1", {"kind": "manual-change", "hosts": ["web2"]}, door.FORBIDDEN),
            ("host:web1", {"kind": "pre-deployment", "hosts": ["web1"]}, door.FORBIDDEN),
            ("host:web2", {"kind": "manual-change", "hosts": ["web2"]}, door.UNAUTHORIZED),
            ("web", {"kind": "post-deployment", "hosts": ["web1", "web2"]}, door.ACCEPTED),
            ("web", {"kind": "post-deployment", "hosts": ["web1", "db1"]}, door.FORBIDDEN),
        ],
    )
    def test_what_a_key_may_ask_for(self, house: House, key: str, value: t.Any, status: int) -> None:
        assert house.ask(value, key=key).status == status
        assert len(house.spool.waiting()) == (status == door.ACCEPTED)

    def test_what_is_refused_uses_no_nonce_up(self, house: House) -> None:
        body, forged = json.dumps(GOOD).encode(), b"{}"
        headers = house.headers(body)
        assert house.door.ask(headers, forged).status == door.UNAUTHORIZED
        assert house.door.ask(headers, body).status == door.ACCEPTED

    def test_threads_that_send_the_same_at_once(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        body = json.dumps(GOOD).encode()
        headers = house.headers(body)
        together = threading.Barrier(8)
        inside = threading.Lock()
        remember = house.memory.remember

        def alone(stamp: signatures.Stamp, *, now: float) -> None:
            assert inside.acquire(blocking=False), "two threads look at the nonces"
            try:
                remember(stamp, now=now)
            finally:
                inside.release()

        monkeypatch.setattr(house.memory, "remember", alone)
        statuses: list[int] = []

        def ask() -> None:
            together.wait()
            with contextlib.suppress(AssertionError):
                statuses.append(house.door.ask(headers, body).status)

        threads = [threading.Thread(target=ask) for _each in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [door.ACCEPTED, *[door.UNAUTHORIZED] * 7]
        assert len(house.spool.waiting()) == 1

    def test_a_key_that_others_may_read_is_refused_and_the_log_says_why(self, house: House) -> None:
        (house.keys / "ci").chmod(0o644)
        answer = house.ask(GOOD)
        assert answer.status == door.UNAUTHORIZED
        assert "0600" in answer.warning
        assert answer.text == house.ask(GOOD, key="nobody").text
        assert str(house.keys) not in answer.text

    def test_a_flood_by_one_host(self, house: House) -> None:
        value = {"kind": "manual-change", "hosts": ["web1"]}
        statuses = [house.ask(value, key="host:web1").status for _each in range(replay.MOST_PER_KEY + 1)]
        assert statuses[-2:] == [door.ACCEPTED, door.TOO_MANY]
        assert house.ask(GOOD).status == door.ACCEPTED

    def test_a_spool_that_cannot_be_written(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_args: t.Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(spools.folder, "write", full)
        assert house.ask(GOOD).status == door.UNAVAILABLE


_TEXT = st.text(st.sampled_from("azAZ09 ._:/@+=,()\\-é"), min_size=1, max_size=200).filter(request.is_text)
_NAMES = st.lists(
    st.from_regex(request.HOST, fullmatch=True).filter(lambda name: name not in ("all", "ungrouped")), min_size=1
)


class TestRequest:
    @given(
        value=st.fixed_dictionaries(
            {"kind": st.sampled_from(request.ASKED), "hosts": _NAMES},
            optional={
                "change": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True),
                **dict.fromkeys(("deployment", "version", "environment", "deployer", "actor"), _TEXT),
            },
        )
    )
    def test_what_is_read_is_spelled_the_same(self, value: dict[str, t.Any]) -> None:
        read = request.read(json.dumps(value).encode())
        assert read.as_json() == {**value, "hosts": sorted(set(value["hosts"]))}
        assert request.from_json(read.as_json()) == read

    @given(body=st.binary(max_size=300))
    def test_bytes_of_any_kind_are_read_or_refused(self, body: bytes) -> None:
        with contextlib.suppress(FormatError):
            assert request.read(body).kind in request.ASKED

    @given(text=st.text(max_size=50))
    def test_no_text_is_a_template(self, text: str) -> None:
        assert not request.is_text(text) or not set(text) & set("{}%#$\"'`\n\r\0\x1b")


class TestSpool:
    asked = request.Request("manual-change", ("web1",), actor="bob")

    def test_what_an_earlier_process_left_is_there(self, tmp_path: Path) -> None:
        first = spools.Spool(tmp_path / "s")
        names = [first.put(self.asked, key="ci", now=NOW + number).id for number in range(3)]
        first.close()
        again = spools.Spool(tmp_path / "s")
        assert again.waiting() == names
        assert again.get(names[0]) == spools.Accepted(names[0], NOW, "ci", self.asked)

    def test_one_process_listens(self, tmp_path: Path) -> None:
        first = spools.Spool(tmp_path / "s")
        with pytest.raises(PolicyError, match="another process"):
            spools.Spool(tmp_path / "s")
        first.close()

    def test_it_is_bounded(self, tmp_path: Path) -> None:
        spool = spools.Spool(tmp_path / "s", most=2)
        for _each in range(2):
            spool.put(self.asked, key="ci", now=NOW)
        with pytest.raises(ThrottledError):
            spool.put(self.asked, key="ci", now=NOW)

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"at": 1, "key": "x", "request": {"kind": "restore"}}'])
    def test_a_damaged_file_is_kept_aside(self, tmp_path: Path, data: bytes) -> None:
        spool = spools.Spool(tmp_path / "s")
        name = spool.put(self.asked, key="ci", now=NOW).id
        (spool.path / f"{name}.json").write_bytes(data)
        assert spool.get(name) is None
        assert spool.waiting() == []
        assert (spool.path / "aside" / f"{name}.json").read_bytes() == data

    def test_a_half_written_file_is_none(self, tmp_path: Path) -> None:
        spool = spools.Spool(tmp_path / "s")
        (spool.path / ".01795736445000-0123456789abcdef.json.new").write_bytes(b"{")
        assert spool.waiting() == []

    def test_done(self, tmp_path: Path) -> None:
        spool = spools.Spool(tmp_path / "s")
        names = [spool.put(self.asked, key="ci", now=NOW).id for _each in range(2)]
        assert spools.done(spool.path, names, check=True) == names
        assert sorted(spool.waiting()) == sorted(names)
        assert spools.done(spool.path, names[:1]) == names[:1]
        assert spools.done(spool.path, names[:1]) == []
        assert spool.waiting() == names[1:]

    @pytest.mark.parametrize("name", ["../x", "", "01795736445000-0123456789abcdef/../../x", "lock"])
    def test_done_leaves_all_else_alone(self, tmp_path: Path, name: str) -> None:
        spool = spools.Spool(tmp_path / "s")
        kept = spool.put(self.asked, key="ci", now=NOW).id
        with pytest.raises(PolicyError, match="no id"):
            spools.done(spool.path, [kept, name])
        assert spool.waiting() == [kept]

    def test_a_folder_that_others_read(self, tmp_path: Path) -> None:
        (tmp_path / "s").mkdir(mode=0o755)
        with pytest.raises(PolicyError, match="alone reads"):
            spools.Spool(tmp_path / "s")


class Bench:
    """Requests that are added and handed out, by a clock that is given."""

    def __init__(self) -> None:
        self.debounce = debounce.Debounce(debounce.Times(quiet=5, longest=60, lease=900))
        self.waiting: set[str] = set()
        self.now = 0.0

    def add(self, kind: str, *hosts: str, actor: str = "", change: str = "") -> str:
        name = f"{len(self.waiting):014d}-{'0' * 16}"
        self.waiting.add(name)
        asked = request.Request(kind, hosts, actor=actor, change=change)
        self.debounce.add(spools.Accepted(name, NOW, "ci", asked), self.now)
        return name

    def after(self, seconds: float) -> list[debounce.Batch]:
        self.now += seconds
        self.debounce.finish(self.waiting)
        return self.debounce.ready(self.now)

    def done(self, batch: debounce.Batch) -> None:
        self.waiting -= set(batch.ids)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestDebounce:
    def test_ten_for_a_busy_host_make_one_more_run(self, bench: Bench) -> None:
        bench.add("manual-change", "web1")
        (first,) = bench.after(5)
        for _each in range(10):
            bench.add("manual-change", "web1")
        assert bench.after(100) == []
        bench.done(first)
        (second,) = bench.after(0)
        assert len(second.ids) == 10

    def test_a_deployment_waits_for_nothing(self, bench: Bench) -> None:
        bench.add("pre-deployment", "web1")
        assert len(bench.after(0)) == 1

    def test_a_change_waits_until_the_host_is_quiet_but_not_for_ever(self, bench: Bench) -> None:
        bench.add("manual-change", "web1")
        assert bench.after(4) == []
        handed = []
        while not handed:
            bench.add("manual-change", "web1")
            handed = bench.after(4)
        assert bench.now == 60

    def test_before_and_after_are_two_runs_in_their_order(self, bench: Bench) -> None:
        bench.add("pre-deployment", "web1", "web2")
        bench.add("post-deployment", "web2")
        bench.add("pre-deployment", "web3")
        first = bench.after(0)
        assert [batch.request.kind for batch in first] == ["pre-deployment"]
        assert first[0].request.hosts == ("web1", "web2", "web3")
        bench.done(first[0])
        assert [batch.request.kind for batch in bench.after(0)] == ["post-deployment"]

    def test_a_hundred_hosts_that_change_at_once_are_one_run(self, bench: Bench) -> None:
        for number in range(100):
            bench.add("device-change", f"sw{number}", actor="bob")
        (batch,) = bench.after(5)
        assert len(batch.request.hosts) == len(batch.ids) == 100

    def test_each_actor_is_named_with_his_own_hosts(self, bench: Bench) -> None:
        bench.add("manual-change", "web1", actor="bob")
        bench.add("manual-change", "web1", actor="alice")
        bench.add("manual-change", "web2", actor="bob")
        told = {batch.request.hosts: batch.by for batch in bench.after(5)}
        assert told == {("web1",): "alice, bob (by ci)", ("web2",): "bob (by ci)"}

    def test_other_tickets_are_other_runs(self, bench: Bench) -> None:
        bench.add("pre-deployment", "web1", change="CHG1")
        bench.add("pre-deployment", "web2", change="CHG2")
        assert [batch.request.change for batch in bench.after(0)] == ["CHG1", "CHG2"]

    def test_a_run_that_fails_is_started_again_after_its_lease(self, bench: Bench) -> None:
        bench.add("pre-deployment", "web1")
        (first,) = bench.after(0)
        assert bench.after(899) == []
        (again,) = bench.after(1)
        assert again == first

    def test_what_failed_together_runs_alone(self, bench: Bench) -> None:
        for host in ("web1", "web2", "gone"):
            bench.add("manual-change", host)
        (together,) = bench.after(5)
        assert together.request.hosts == ("gone", "web1", "web2")
        alone = []
        for _each in range(3):
            alone += bench.after(905)
        assert {batch.request.hosts for batch in alone} == {("gone",), ("web1",), ("web2",)}

    def test_whose_key_asked_is_told(self, bench: Bench) -> None:
        for key, kind, actor in (
            ("host:web1", "manual-change", "alice"),
            ("host:web1", "manual-change", ""),
            ("ci", "manual-change", "alice"),
            ("syslog", "device-change", "bob"),
        ):
            name = f"{len(bench.waiting):014d}-{'0' * 16}"
            bench.waiting.add(name)
            host = "web1" if kind == "manual-change" else "sw1"
            asked = request.Request(kind, (host,), actor=actor)
            bench.debounce.add(spools.Accepted(name, NOW, key, asked), bench.now)
        assert [batch.by for batch in bench.after(5)] == ["alice (by ci, host:web1), host:web1", "bob"]

    def test_few_are_handed_out_at_once(self, bench: Bench) -> None:
        for number in range(5):
            bench.add("pre-deployment", f"web{number}", change=f"CHG{number}")
        first = bench.after(0)
        assert [batch.request.change for batch in first] == ["CHG0", "CHG1"]
        assert bench.after(899) == []
        bench.done(first[0])
        assert [batch.request.change for batch in bench.after(0)] == ["CHG2"]

    def test_thousands_wait_and_each_is_looked_at_once(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = 0

        def count(one: object, other: object) -> bool:
            nonlocal compared
            compared += 1
            return vars(one) == vars(other)

        monkeypatch.setattr(request.Request, "__eq__", count)
        for number in range(1000):
            bench.add("manual-change", f"web{number}", actor=f"root{number}")
        bench.after(5)
        assert compared < 10_000

    def test_what_is_told_of_many_actors_is_one_text(self, bench: Bench) -> None:
        for number in range(50):
            bench.add("manual-change", "web1", actor=f"somebody-{number}")
        (batch,) = bench.after(5)
        assert request.is_text(batch.by)

    @given(
        steps=st.lists(
            st.one_of(
                st.tuples(
                    st.sampled_from(request.KINDS),
                    st.sets(st.sampled_from(["a", "b", "c"]), min_size=1),
                    st.sampled_from("xyz"),
                ),
                st.floats(0, 100),
                st.booleans(),
            ),
            max_size=30,
        )
    )
    def test_nothing_is_lost_and_no_host_is_captured_twice_at_once(self, steps: list[t.Any]) -> None:
        bench = Bench()
        running: list[debounce.Batch] = []
        asked: set[str] = set()
        numbers = iter(range(100))
        for step in [*steps, *[True, 100.0] * (2 * len(steps) + 1)]:
            if isinstance(step, bool):
                if running:
                    bench.done(running.pop(0))
            elif isinstance(step, float):
                # a lease that ends is another test's
                bench.debounce._times = debounce.Times(lease=10**9)
                running += bench.after(step)
                hosts = [host for batch in running for host in batch.request.hosts]
                assert len(hosts) == len(set(hosts))
            else:
                kind, names, actor = step
                name = f"{next(numbers):014d}-{'0' * 16}"
                bench.waiting.add(name)
                asked.add(name)
                one = request.Request(kind, tuple(sorted(names)), actor=actor)
                bench.debounce.add(spools.Accepted(name, NOW, "ci", one), bench.now)
        assert not bench.waiting
        assert not running


class TestPump:
    def test_what_cannot_be_captured_is_set_aside_after_a_day_in_the_same_process(self, house: House) -> None:
        house.ask(GOOD)
        line = pump.Pump(house.spool, debounce.Times())
        handed = [len(line.step(now=NOW + at, monotonic=at)) for at in range(0, 3 * 24 * 3600, 450)]
        assert sum(handed) == 24 * 4 + 1
        assert house.spool.waiting() == []
        assert len(list((house.spool.path / "aside").iterdir())) == 1

    def test_a_run_that_tells_that_it_failed_lets_others_run(self, house: House) -> None:
        line = pump.Pump(house.spool, debounce.Times(quiet=0, at_once=1))
        failing = house.ask(GOOD).text
        assert [event["capture"]["ids"] for event in line.step(now=NOW, monotonic=0)] == [[failing]]
        other = house.ask({**GOOD, "change": "CHG2"}).text
        assert line.step(now=NOW, monotonic=1) == []
        assert spools.failed(house.spool.path, [failing]) == [failing]
        assert [event["capture"]["ids"] for event in line.step(now=NOW, monotonic=2)] == [[other]]
        assert line.step(now=NOW, monotonic=899) == []
        spools.done(house.spool.path, [other])
        assert [event["capture"]["ids"] for event in line.step(now=NOW, monotonic=900)] == [[failing]]

    def test_what_was_left_is_handed_out_until_it_is_done(self, house: House) -> None:
        name = house.ask(GOOD).text
        for _process in range(2):
            line = pump.Pump(house.spool, debounce.Times(quiet=0))
            (event,) = line.step(now=NOW, monotonic=0)
            assert event["capture"]["ids"] == [name]
            assert line.step(now=NOW, monotonic=1) == []
        spools.done(house.spool.path, [name])
        assert pump.Pump(house.spool, debounce.Times()).step(now=NOW, monotonic=0) == []

    def test_an_event_has_all_that_a_run_is_told(self, house: House) -> None:
        name = house.ask(GOOD).text
        (event,) = pump.Pump(house.spool, debounce.Times()).step(now=NOW, monotonic=0)
        assert event == {
            "capture": {
                "kind": "pre-deployment",
                "hosts": ["web1"],
                "trigger": {"kind": "pre-deployment", "id": name, "by": "Zoë, ops (by ci)"},
                "change": {"id": "CHG1", "deployment": "d-7", "deployer": "Zoë, ops"},
                "spool": str(house.spool.path),
                "ids": [name],
            }
        }

    def test_what_cannot_be_captured_is_set_aside_after_a_day(self, house: House) -> None:
        name = house.ask(GOOD).text
        warnings: list[str] = []
        line = pump.Pump(house.spool, debounce.Times(), warn=warnings.append)
        assert line.step(now=NOW + 24 * 3600 + 1, monotonic=0) == []
        assert (house.spool.path / "aside" / f"{name}.json").is_file()
        assert name in warnings[0]
