# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of one signed request: refused with a status of HTTP, or kept and answered with 202."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import FormatError, PolicyError, SignatureError, ThrottledError
from . import keys, request, signature
from .replay import Memory
from .spool import Accepted, Spool

ACCEPTED = 202
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_LARGE = 413
TOO_MANY = 429
UNAVAILABLE = 503


@dataclasses.dataclass(frozen=True)
class Answer:
    """The status, a sentence for who asked, and what was kept, None where it was refused."""

    status: int
    text: str
    accepted: Accepted | None = None
    # what the listener's own log says more
    warning: str = ""


class Door:
    """Judges requests against a folder of keys, and keeps those it takes in a spool."""

    def __init__(self, folder: Path, memory: Memory, spool: Spool, *, clock: Callable[[], float]) -> None:
        """:param clock: gives Unix seconds."""
        keys.check_folder(folder)
        self._folder = folder
        self._memory = memory
        self._spool = spool
        self._clock = clock
        self._one_at_a_time = threading.Lock()

    def ask(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take a request, or say why not; when it is taken it is on the disk. Raises nothing for what was sent.

        Threads may ask at once.
        """
        if len(body) > request.LIMIT_BYTES:
            return Answer(TOO_LARGE, f"the body is longer than {request.LIMIT_BYTES} bytes")
        warning = ""
        try:
            stamp = signature.read(headers)
            key, warning = self._key(stamp)
            signature.verify(stamp, key.secret, body, now=self._clock())
            asked = request.read(body)
            if not key.allows(asked):
                return Answer(FORBIDDEN, "this key may not ask for that")
            with self._one_at_a_time:
                self._memory.remember(stamp, now=self._clock())
                accepted = self._spool.put(asked, key=key.id, now=self._clock())
        except FormatError as e:
            return Answer(UNAUTHORIZED if isinstance(e, SignatureError) else BAD_REQUEST, str(e), warning=warning)
        except ThrottledError as e:
            return Answer(TOO_MANY, str(e))
        except OSError as e:
            return Answer(UNAVAILABLE, "it cannot be kept now; ask again later", warning=str(e))
        return Answer(ACCEPTED, accepted.id, accepted)

    def _key(self, stamp: signature.Stamp) -> tuple[keys.Key, str]:
        """The key, and what the log says of one that is not as it must be: who asks learns nothing of files here."""
        warning = ""
        found = None
        try:
            found = keys.find(self._folder, stamp.key)
        except PolicyError as e:
            warning = str(e)
        # what is not known is held against a secret nobody has, so that it takes as long and is told the same
        return found or keys.Key(stamp.key, _NOBODY, frozenset()), warning


_NOBODY = secrets.token_bytes(keys.LEAST_SECRET_BYTES)
