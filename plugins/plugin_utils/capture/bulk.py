# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many devices asked side by side, by one process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import queue
import typing as t
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from ..errors import CaptureError, HoldfastError, RefusedItemError
from ..model.platform import Item, Platform
from .session import Reach, Session

Answer = bytes | HoldfastError


@dataclasses.dataclass(frozen=True)
class Query:
    """What one device is asked for.

    ``converse`` asks for all items in the loop; where there is none, ``open`` opens a session for a transport, and that
    has a thread of its own.
    """

    host: str
    items: tuple[Item, ...]
    open: Callable[[str], Session]
    converse: Callable[[Sequence[Item]], Awaitable[Mapping[Item, Answer]]] | None = None


class Heard(Session):
    """A conversation that was had: it answers what the device did then.

    :param answers: for each item that was asked, its text or why there is none; an error for all where it never began.
    """

    def __init__(self, answers: Mapping[Item, Answer] | HoldfastError) -> None:
        self._answers = answers

    def read(self, item: Item) -> bytes:
        """The text that the device gave."""
        if isinstance(self._answers, HoldfastError):
            raise self._answers
        answer = self._answers.get(item)
        if answer is None:
            raise CaptureError("the device was not asked for this item", item=item.name)
        if isinstance(answer, HoldfastError):
            raise answer
        return answer

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        """Refuse: the conversation is over."""
        raise CaptureError("the conversation with the device is over")

    def put(self, path: str, text: bytes) -> None:
        """Refuse: the conversation is over."""
        raise CaptureError("the conversation with the device is over")

    def close(self) -> None:
        """Do nothing."""


def by_ssh(reach: Reach, platform: Platform) -> Callable[[Sequence[Item]], Awaitable[Mapping[Item, Answer]]]:
    """How a device is asked for items of its command line, by a session of this collection's own.

    :raises DependencyMissingError: what this takes is not installed.
    """
    from . import ssh_session

    ssh_session.require()
    dialogue = platform.dialogue
    if dialogue is None:
        raise CaptureError(
            f"platform {platform.name} is not asked by commands", remedy="Name a platform with a command line."
        )

    async def converse(items: Sequence[Item]) -> Mapping[Item, Answer]:
        session = await ssh_session.AsyncSshSession.open(reach, dialogue, platform.structure)
        found: dict[Item, Answer] = {}
        try:
            for item in items:
                try:
                    found[item] = await session.read(item)
                except RefusedItemError as e:
                    found[item] = e
        finally:
            await session.close()
        return found

    return converse


def ask_all(queries: Sequence[Query], *, concurrency: int) -> Iterator[tuple[str, Heard]]:
    """Ask all devices, and give what each has told as soon as it has, in no order.

    A device that fails is heard as its error: it stops no other one. What was heard and not taken yet counts as a
    conversation, so that no more than *concurrency* texts are held at a time.

    :param concurrency: how many conversations are had at a time.
    """
    if not queries:
        return
    heard: queue.SimpleQueue[tuple[str, Heard] | None] = queue.SimpleQueue()
    conversations = _Conversations(queries, concurrency, heard.put)
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="holdfast-devices") as thread:
        ended = thread.submit(conversations.run)
        try:
            for _one in queries:
                found = heard.get()
                if found is None:
                    ended.result()
                    raise CaptureError("the conversations with devices ended before all were heard")
                yield found
                conversations.taken()
        finally:
            conversations.stop()


class _Conversations:
    """The loop that has them, in a thread of its own."""

    def __init__(
        self,
        queries: Sequence[Query],
        concurrency: int,
        tell: Callable[[tuple[str, Heard] | None], None],
    ) -> None:
        self._queries = queries
        self._tell = tell
        self._slots = asyncio.Semaphore(concurrency)
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self._threads = concurrent.futures.ThreadPoolExecutor(min(concurrency, len(queries)))

    def run(self) -> None:
        """Have them all, and tell by None that they are over."""
        try:
            self._main = self._loop.create_task(self._all())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._main)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._tell(None)

    def taken(self) -> None:
        """Let another one begin."""
        self._soon(self._slots.release)

    def stop(self) -> None:
        """End them."""
        self._soon(lambda: self._main and self._main.cancel())

    def _soon(self, call: Callable[[], t.Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            # it has ended by itself
            return

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(query) for query in self._queries))

    async def _one(self, query: Query) -> None:
        await self._slots.acquire()
        (found,) = await asyncio.gather(self._had(query), return_exceptions=True)
        if isinstance(found, BaseException) and not isinstance(found, HoldfastError):
            # whatever one device makes happen, the others are captured
            found = CaptureError(f"the conversation with the device ended by an unforeseen {found.__class__.__name__}")
        self._tell((query.host, Heard(found)))

    async def _had(self, query: Query) -> Mapping[Item, Answer]:
        if query.converse is not None:
            return await query.converse(query.items)
        return await self._loop.run_in_executor(self._threads, _blocking, query)


def _blocking(query: Query) -> Mapping[Item, Answer]:
    found: dict[Item, Answer] = {}
    for transport in sorted({item.transport for item in query.items}):
        with query.open(transport) as session:
            for item in query.items:
                if item.transport != transport:
                    continue
                try:
                    found[item] = session.read(item)
                except RefusedItemError as e:
                    found[item] = e
    return found
