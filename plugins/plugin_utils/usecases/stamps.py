# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trusted time: a time-stamp authority's word, beside a recovery point, that its statement existed at a moment."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt

from ..errors import FormatError, KeyringError, ObjectMissingError, StampMissingError
from ..format import names
from ..format.names import Kind
from ..model import instant
from . import objects
from .repository import Repository

# a token is a few kB; what is larger is none
_LIMIT = 64 * 1024


@dataclasses.dataclass(frozen=True)
class TimeStamping:
    """The authority that stamps recovery points, and whether a point may be sealed without its word.

    ``certificates`` is the PEM bundle of what is trusted; ``ca_file`` the CAs of an https URL, None for the system's.
    """

    url: str
    certificates: bytes
    required: bool = False
    timeout: float = 10.0
    ca_file: str | None = None

    def token(self, envelope_sha256: str) -> tuple[bytes | None, str | None]:
        """Ask for a token over a statement's envelope; without one, the reason.

        :raises StampMissingError: there is none, and one is required.
        :raises PolicyError: the URL or the certificates cannot be used.
        """
        from ..keyring import timestamp

        authority = timestamp.Authority(self.url, self.certificates, self.timeout, self.ca_file)
        try:
            return timestamp.request(authority, bytes.fromhex(envelope_sha256)), None
        except (KeyringError, FormatError) as e:
            if self.required and isinstance(e, KeyringError):
                raise StampMissingError(e.message, item=e.item, remedy=e.remedy) from e
            if self.required:
                raise
            return None, f"the recovery point has no time stamp: {e}"


@dataclasses.dataclass(frozen=True)
class Stamped:
    """What the tokens beside a point say: the earliest moment, None where no token holds; and what does not hold."""

    at: dt.datetime | None
    authority: str
    refused: tuple[str, ...]


def put(repository: Repository, sealed_at: dt.datetime, run: str, token: bytes, *, lock_until: dt.datetime) -> None:
    """Put a token beside its point, before the statement: a point that is there has its stamp."""
    objects.put(repository.store, names.for_point(Kind.STAMP, sealed_at, run, token), token, lock_until=lock_until)


def read(repository: Repository, point_id: str, sealed_at: dt.datetime, run: str, certificates: bytes) -> Stamped:
    """Verify, offline, the tokens that stand beside a point.

    :param certificates: PEM bundle of the authorities that are trusted.
    """
    from ..keyring import timestamp

    prefix = f"{Kind.STAMP.value}/{instant.to_text(sealed_at)[:10]}/{instant.to_name(sealed_at)}-{run}-"
    found: list[tuple[dt.datetime, str]] = []
    refused = []
    for name in sorted({listed.name for listed in repository.store.list(prefix) if not listed.marker}):
        with contextlib.suppress(ObjectMissingError):
            try:
                token = objects.read(repository.store, name, limit=_LIMIT)
                stamp = timestamp.verify(token, bytes.fromhex(point_id), certificates)
                found.append((stamp.at, stamp.authority))
            except FormatError as e:
                refused.append(f"{name}: {e.message}")
    at, authority = min(found, default=(None, ""))
    return Stamped(at, authority, tuple(refused))
