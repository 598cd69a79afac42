# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls over a network that end in time, and why one failed, in words that hold nothing of what was sent or came."""

from __future__ import annotations

import queue
import ssl
import threading
import typing as t
import urllib.error
from collections.abc import Callable

T = t.TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What *call* returns, or raises, if that does not take longer: names, handshake and headers too.

    What the timeout of a socket bounds is one read each. A call that takes longer is left to itself, to its end or
    that of this process.

    :raises TimeoutError: it takes longer.
    """
    told: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put((call(), None))
        except BaseException as e:  # noqa: BLE001  # raised by who waits
            told.put((None, e))

    threading.Thread(target=ask, daemon=True).start()
    try:
        found, error = told.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return t.cast(T, found)


def reason(error: Exception) -> str:
    """Why a call over HTTP failed."""
    cause: t.Any = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({cause.verify_message})"
    if isinstance(cause, TimeoutError):
        return "the time was over"
    if isinstance(cause, OSError) and cause.strerror:
        return str(cause.strerror)
    return type(cause).__name__
