# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do a list of work in processes of this one, and have the results in the order of the list.

Processes and no threads: a store is not safe for threads, and what takes time is Python (measured in
docs/guide_verify.md). They are forked here and not by multiprocessing, which refuses to in a daemon. What is to be
done, and with what, they have from memory; nothing is handed to them but which part comes next.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import socket
import struct
import traceback
import typing as t
from collections.abc import Callable, Iterator, Sequence

from ..errors import HoldfastError, RunError

# what one process takes at once: enough that asking costs nothing, little enough that all end together
CHUNK_ITEMS = 32
CHUNK_WEIGHT = 8 * 1024 * 1024
_LENGTH = struct.Struct("!Q")
_END = (1 << 64) - 1

_Work = t.TypeVar("_Work")
_Result = t.TypeVar("_Result")


def default_forks() -> int:
    """As many as there are cores for this process, and 4 at least: a store far away makes them wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(4, cores)


def spread(
    work: Sequence[_Work],
    do: Callable[[_Work], _Result],
    *,
    forks: int,
    weight: Callable[[_Work], int],
    done: Callable[[int, _Result], None],
) -> list[_Result]:
    """Do all of *work*, and return the results in its order.

    With one process, or too little work for two, everything is done in this one.

    :param do: called in another process, which has what this one has now; what it changes there is lost.
    :param forks: how many processes at most.
    :param weight: bytes that an item takes to read.
    :param done: called here with the place of each item and its result, soon after it is done, in any order.
    :raises RunError: a process was ended from outside; nothing is said of what it had before it.
    :raises HoldfastError: what *do* raised, for any of the items; the rest is not done then.
    """
    chunks = _chunks(work, weight)
    results: dict[int, _Result] = {}

    def take(place: int, result: _Result) -> None:
        results[place] = result
        done(place, result)

    if min(forks, len(chunks)) <= 1:
        for place, item in enumerate(work):
            take(place, do(item))
    else:
        _in_processes(work, do, chunks, min(forks, len(chunks)), take)
    return [results[place] for place in range(len(work))]


def _chunks(work: Sequence[_Work], weight: Callable[[_Work], int]) -> list[range]:
    """Places that lie side by side, so many together as are light."""
    chunks = []
    first = heavy = 0
    for place, item in enumerate(work):
        heavy += weight(item)
        if place + 1 - first >= CHUNK_ITEMS or heavy >= CHUNK_WEIGHT:
            chunks.append(range(first, place + 1))
            first, heavy = place + 1, 0
    if first < len(work):
        chunks.append(range(first, len(work)))
    return chunks


def _in_processes(
    work: Sequence[_Work],
    do: Callable[[_Work], _Result],
    chunks: Sequence[range],
    forks: int,
    take: Callable[[int, _Result], None],
) -> None:
    pairs = [socket.socketpair() for _number in range(forks)]
    children: list[int] = []
    try:
        for _near, far in pairs:
            pid = os.fork()
            if not pid:
                _serve(far, pairs, work, do, chunks)
            children.append(pid)
        for _near, far in pairs:
            far.close()
        _hand_out([near for near, _far in pairs], children, chunks, take)
    finally:
        for near, far in pairs:
            near.close()
            far.close()
        _end(children)


def _end(children: Sequence[int]) -> None:
    """End them, whatever they do: after an error nobody wants the rest, and after the work they have ended."""
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        # the process that starts workers may reap whatever ends
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _serve(
    end: socket.socket,
    pairs: Sequence[tuple[socket.socket, socket.socket]],
    work: Sequence[_Work],
    do: Callable[[_Work], _Result],
    chunks: Sequence[range],
) -> t.NoReturn:
    """Be a child: do what comes until nothing does, and never return to who forked."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            # those of the parent would speak for it
            signal.signal(number, signal.SIG_DFL)
        for near, far in pairs:
            near.close()
            if far is not end:
                # else a death would show only once all others have ended too
                far.close()
        while (asked := _receive_number(end)) != _END:
            _send(end, _answer(work, do, chunks[asked]))
    except BaseException:  # noqa: BLE001
        # the parent has ended, or learns from the silence
        os._exit(1)
    os._exit(0)


def _answer(work: Sequence[_Work], do: Callable[[_Work], _Result], chunk: range) -> bytes:
    try:
        return pickle.dumps((None, [do(work[place]) for place in chunk]))
    except HoldfastError as e:
        # not its cause: that may be of any kind
        return pickle.dumps((e, None))
    except Exception:  # noqa: BLE001
        # a bug shows, there as here
        return pickle.dumps((RuntimeError(traceback.format_exc()), None))


def _hand_out(
    ends: Sequence[socket.socket],
    children: Sequence[int],
    chunks: Sequence[range],
    take: Callable[[int, _Result], None],
) -> None:
    """Give each child a chunk, and another one for each that it brings."""
    waiting = iter(range(len(chunks)))
    with selectors.DefaultSelector() as selector:
        busy: dict[socket.socket, int] = {}
        for end, pid in zip(ends, children, strict=True):
            selector.register(end, selectors.EVENT_READ, pid)
            _hand(end, waiting, busy, pid)
        while busy:
            for key, _events in selector.select():
                end = t.cast("socket.socket", key.fileobj)
                answer = _receive(end)
                if answer is None:
                    raise _ended(key.data)
                # bytes of our own child, over a pair of sockets that nobody else has
                error, results = pickle.loads(answer)  # noqa: S301
                if error is not None:
                    raise error
                for place, result in zip(chunks[busy.pop(end)], results, strict=True):
                    take(place, result)
                if not _hand(end, waiting, busy, key.data):
                    selector.unregister(end)


def _hand(end: socket.socket, waiting: Iterator[int], busy: dict[socket.socket, int], pid: int) -> bool:
    chunk = next(waiting, None)
    try:
        end.sendall(_LENGTH.pack(_END if chunk is None else chunk))
    except OSError:
        if chunk is not None:
            raise _ended(pid) from None
    if chunk is not None:
        busy[end] = chunk
    return chunk is not None


def _ended(pid: int) -> RunError:
    how = "has ended in the middle"
    with contextlib.suppress(ChildProcessError):
        # it is left to be reaped: until then nobody else has its number
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if ended is not None and ended.si_code != os.CLD_EXITED:
            how = f"was ended by signal {ended.si_status}"
    return RunError(
        f"a process that reads objects {how}: nothing is said of the repository",
        remedy="Run again, with resume to go on from here; where memory was short, with fewer forks.",
    )


def _send(end: socket.socket, data: bytes) -> None:
    end.sendall(_LENGTH.pack(len(data)) + data)


def _receive(end: socket.socket) -> bytes | None:
    """What the other end sends; None where it has closed before all of it came."""
    header = _exactly(end, _LENGTH.size)
    return None if header is None else _exactly(end, _LENGTH.unpack(header)[0])


def _receive_number(end: socket.socket) -> int:
    header = _exactly(end, _LENGTH.size)
    return _END if header is None else int(_LENGTH.unpack(header)[0])


def _exactly(end: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            part = end.recv(min(size - len(data), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
    return bytes(data)
