# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalog is asked, and what it answers: recovery points, snapshots, and hosts that failed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re

from ..errors import PolicyError
from .point import ObjectRef, StreamState, require_alias

# of one kind of answer, unless told otherwise
LIMIT = 100
MOST = 1_000_000
# digits of a digest that name a recovery point or a snapshot
_PREFIX = re.compile(r"[0-9a-f]{12,64}")
# of a query, that the run of a point said
OF_RUN = ("change_id", "deployment_id", "application_version", "environment", "deployer")
_TEXTS = ("host", "component", "tier", *OF_RUN)


class State(enum.Enum):
    """What a run came to: complete, with a stream that was only carried, or with a host that failed or is missing."""

    COMPLETE = "complete"
    CARRIED = "carried"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Query:
    """What to look for: all that is given must hold; nothing given means everything.

    ``host`` is an identity, or an inventory name that a host has or had. ``tier`` is the stream: a tier, or for what
    was pushed a component. ``recovery_point`` and ``snapshot`` are digests, or at least 12 of their first digits.
    ``since`` and ``until`` bound the time of sealing, both included: a snapshot is found by the points that name it.

    :raises PolicyError: something of it cannot be.
    """

    host: str | None = None
    component: str | None = None
    tier: str | None = None
    change_id: str | None = None
    deployment_id: str | None = None
    application_version: str | None = None
    environment: str | None = None
    deployer: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    alias: str | None = None
    state: State | None = None
    recovery_point: str | None = None
    snapshot: str | None = None
    limit: int = LIMIT
    newest_first: bool = True

    def __post_init__(self) -> None:
        for option in ("recovery_point", "snapshot"):
            digest = getattr(self, option)
            if digest is not None and not _PREFIX.fullmatch(digest):
                raise PolicyError(
                    f"{digest!r} is not a digest or its first 12 digits or more",
                    item=option,
                    remedy="Copy it from a run's table or from find.",
                )
        if self.alias is not None:
            require_alias(self.alias)
        if not 1 <= self.limit <= MOST:
            raise PolicyError(f"limit {self.limit} cannot be", item="limit", remedy=f"Give a number from 1 to {MOST}.")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise PolicyError("since is later than until", item="since", remedy="Exchange them.")
        for field in _TEXTS:
            if getattr(self, field) == "":
                raise PolicyError(f"{field} is empty", item=field, remedy="Give what to look for, or leave it out.")

    @property
    def of_streams(self) -> bool:
        """Whether it asks for something of the snapshots themselves, besides the points that name them."""
        return any(value is not None for value in (self.host, self.component, self.tier, self.snapshot))


@dataclasses.dataclass(frozen=True)
class CatalogPoint:
    """A recovery point whose signature and digests were checked, without its streams.

    ``digest`` is its id, ``name`` its object's name and ``point`` its name in the run. ``stored``, ``unchanged`` and
    ``carried`` count the streams that its run found or carried; ``failed`` and ``missing`` count hosts. ``by`` is who
    ran it. Texts that the run did not say are empty.
    """

    digest: str
    name: str
    run: str
    point: str
    opened_at: dt.datetime
    sealed_at: dt.datetime
    complete: bool
    full: bool
    stored: int
    unchanged: int
    carried: int
    failed: int
    missing: int
    alias: str = ""
    change_id: str = ""
    requester: str = ""
    deployment_id: str = ""
    application_version: str = ""
    environment: str = ""
    deployer: str = ""
    by: str = ""

    @property
    def state(self) -> State:
        """The worst that can be said of it."""
        if not self.complete:
            return State.FAILED
        return State.CARRIED if self.carried else State.COMPLETE


@dataclasses.dataclass(frozen=True)
class CatalogSnapshot:
    """A snapshot, as the newest of the points that were asked for names it.

    ``point`` is that point's digest, sealed at ``sealed_at``; ``state`` and ``verified_at`` are what it says.
    ``first_point`` is the oldest believed point whose run found or carried it: the one that stored it, while that has
    not expired, as ``first_stored`` says. ``host`` is the inventory name at its capture, ``name`` the one under which
    it was proven last.
    ``manifest`` and ``pack`` have the latest lock that a point says they have. ``imported`` names the tool that
    captured it, empty where a run of this collection did.
    """

    host: str
    host_id: str
    name: str
    stream: str
    retention_class: str
    captured_at: dt.datetime
    verified_at: dt.datetime
    state: StreamState
    manifest: ObjectRef
    pack: ObjectRef
    components: tuple[str, ...]
    marks: tuple[str, ...]
    point: str
    sealed_at: dt.datetime
    first_point: str
    imported: str = ""
    first_stored: bool = True

    @property
    def digest(self) -> str:
        """Its id: the digest of its manifest."""
        return self.manifest.sha256

    @property
    def lock_until(self) -> dt.datetime:
        """Until when both of its objects are locked."""
        return min(self.pack.lock_until, self.manifest.lock_until)


@dataclasses.dataclass(frozen=True)
class CatalogFailure:
    """A host that failed in a run or is missing in it, and the reason; ``point`` is the digest of its point."""

    host: str
    reason: str
    missing: bool
    point: str
    sealed_at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Counts:
    """How much a catalog holds."""

    points: int
    snapshots: int
    namings: int
    hosts: int
