# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in processes: in order, whatever their number; and nobody takes what has died for an answer."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DeniedError, RunError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify_forks
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_forks import default_forks, spread


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_forks, "CHUNK_ITEMS", 2)


def run(
    work: range | list[int], do: Callable[[int], t.Any], *, forks: int = 3, weight: Callable[[int], int] | None = None
) -> list[t.Any]:
    done: dict[int, t.Any] = {}
    found = spread(work, do, forks=forks, weight=weight or (lambda _item: 0), done=done.__setitem__)
    assert [done[place] for place in range(len(work))] == found
    return found


def descriptors() -> set[str]:
    """What this process holds open."""
    return {os.readlink(path) for path in Path("/proc/self/fd").iterdir() if os.path.lexists(path)}


def test_every_number_of_processes_gives_the_same() -> None:
    for forks in (1, 2, 3, 40):
        for size in (0, 1, 2, 3, 17):
            assert run(range(size), lambda item: item * item, forks=forks) == [item * item for item in range(size)]


def test_it_is_done_elsewhere_and_by_several() -> None:
    def who(_item: int) -> int:
        # so long that the first cannot have done all before the last was there
        time.sleep(0.02)
        return os.getpid()

    pids = set(run(range(40), who))
    assert os.getpid() not in pids
    assert len(pids) == 3


def test_little_work_stays_here() -> None:
    assert set(run(range(2), lambda _item: os.getpid())) == {os.getpid()}
    assert set(run(range(40), lambda _item: os.getpid(), forks=1)) == {os.getpid()}


def test_what_is_heavy_is_shared_though_it_is_little() -> None:
    pids = run(range(2), lambda _item: os.getpid(), weight=lambda _item: verify_forks.CHUNK_WEIGHT)
    assert os.getpid() not in pids


def test_answers_may_be_large() -> None:
    found = run(range(6), lambda item: bytes([item]) * 3_000_000)
    assert [(len(data), data[0]) for data in found] == [(3_000_000, item) for item in range(6)]


def test_an_error_of_the_library_comes_here_as_it_is() -> None:
    def refuse(item: int) -> int:
        if item == 7:
            raise DeniedError("cannot get", item="packs/x", remedy="Give the right")
        return item

    for forks in (1, 3):
        with pytest.raises(DeniedError) as caught:
            run(range(20), refuse, forks=forks)
        assert (str(caught.value), caught.value.item) == ("cannot get (item packs/x). Give the right.", "packs/x")


def test_a_bug_shows_as_one() -> None:
    def divide(item: int) -> float:
        return 1 / (item - 5)

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run(range(20), divide)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_ended_is_an_error(number: signal.Signals) -> None:
    def die(item: int) -> int:
        if item == 5:
            os.kill(os.getpid(), number)
            time.sleep(60)
        return item

    with pytest.raises(RunError, match=f"was ended by signal {number.value}: nothing is said"):
        run(range(20), die)


def test_a_death_shows_while_others_are_at_work(tmp_path: Path) -> None:
    def die(item: int) -> int:
        if item == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(20)
        (tmp_path / f"{item}").touch()
        return item

    with pytest.raises(RunError):
        run(range(4), die, forks=2)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_by_itself_is_an_error() -> None:
    def leave(item: int) -> int:
        if item == 5:
            os._exit(0)
        return item

    with pytest.raises(RunError, match="has ended in the middle"):
        run(range(20), leave)


@contextlib.contextmanager
def handled(number: signal.Signals, handler: t.Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_child_does_not_answer_signals_for_its_parent(tmp_path: Path) -> None:
    def speak(*_signal: object) -> None:
        (tmp_path / str(os.getpid())).touch()
        os._exit(0)

    def die(item: int) -> int:
        if item == 5:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        return item

    with handled(signal.SIGTERM, speak), pytest.raises(RunError):
        run(range(20), die)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_here_ends_the_others(tmp_path: Path) -> None:
    def wait(item: int) -> int:
        (tmp_path / str(os.getpid())).touch()
        if item >= 4:
            time.sleep(60)
        return item

    def interrupt(place: int, _result: int) -> None:
        if place == 3:
            # each has been handed a part; on a busy machine one may not have begun it yet
            while len(list(tmp_path.iterdir())) < 3:
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread(range(20), wait, forks=3, weight=lambda _item: 0, done=interrupt)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_children_of_a_parent_that_is_killed_end_too(tmp_path: Path) -> None:
    """They hold none of each other's ends, so the silence reaches them."""

    def name(item: int) -> int:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(0.01)
        return item

    parent = os.fork()
    if not parent:
        spread(range(100_000), name, forks=3, weight=lambda _item: 0, done=lambda _place, _result: None)
        os._exit(0)
    while len(list(tmp_path.iterdir())) < 3:
        time.sleep(0.01)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    for _attempt in range(1000):
        if not any(alive(pid) for pid in pids):
            return
        time.sleep(0.01)
    raise AssertionError("children go on without their parent")


def alive(pid: int) -> bool:
    """Whether a process runs: who adopted it may not have reaped it yet."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_nothing_is_left_open_or_unreaped() -> None:
    before = descriptors()
    run(range(20), lambda item: item)
    with pytest.raises(RunError):
        run(range(20), lambda _item: os._exit(1))
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_there_are_some_even_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    assert default_forks() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(9)))
    assert default_forks() == 9
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_forks() == 4
