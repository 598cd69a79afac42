# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a bucket ready to be a repository, before anything is stored there, and have its server prove its locks.

In this order, so that as little as can be is half done:

1. The endpoint is where it may be. Nothing was sent until then.
2. The classes that are declared are those of the root that is there, if one is: no rule lets go by other days.
3. Every setting is read. Where the server is known by that not to hold one of them, nothing is changed.
4. A bucket that is missing is made, with object lock.
5. Each setting is brought to what is asked and read back, what lets go of objects last. What the server refuses only
   when it is told is named, all of it at once; the rest is as asked, and the repository's root is not put.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import PolicyError, StoreError
from ..keyring.base import Keyring
from ..model import setting
from ..model.retention import RetentionClass
from ..model.setting import Outcome
from ..model.storage import Storage, lifecycle_rules
from ..store.base import Store
from ..store.memory import MemoryStore
from . import succession
from .repository import first_root, open_repository

if t.TYPE_CHECKING:
    from ..store.s3_bucket import S3Bucket


@dataclasses.dataclass(frozen=True)
class Ready:
    """What became of a bucket. ``made``: it was not there; in check mode it would be made."""

    made: bool
    outcomes: tuple[Outcome, ...]
    missing: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything was changed, or would be in check mode."""
        return self.made or any(outcome.moved for outcome in self.outcomes)


def ready(
    bucket: S3Bucket,
    store: Store,
    wanted: Storage,
    classes: Mapping[str, RetentionClass],
    *,
    pin: str | None,
    check: bool,
) -> Ready:
    """Bring a bucket to what is asked of it.

    :param store: of the same place, for the classes of a repository that is there: those that are no longer declared
        have objects too.
    :param classes: those that are declared.
    :param pin: a link of the repository's chain; None where the inventory has none yet.
    :param check: find out only. Of a bucket that is not there nothing is known but that.
    :raises PolicyError: the endpoint is not where it may be, a class is another one than in the root, or the bucket
        cannot become that.
    :raises TrustError: the bucket does not hold the pinned repository, or several where nothing is pinned.
    :raises StoreError: the server does not hold what is asked; names all of it, each with its remedy.
    """
    # here: who makes no bucket is spared it
    from ..store import s3_reach

    s3_reach.require_networks(bucket.bucket, bucket.settings, wanted.allowed_networks)
    _require_another_bucket(wanted, bucket.bucket.name)
    made = not bucket.exists()
    if made and check:
        return Ready(True, (), missing=True)
    if made:
        bucket.make()
        _require_made(bucket)
    else:
        classes = _with_those_of_the_root(store, classes, pin)
    rules = lifecycle_rules(wanted, classes, bucket.bucket.prefix)
    outcomes = bucket.judge(wanted, rules)
    _refuse(bucket, outcomes, "The bucket was made, and is as servers make it" if made else "Nothing was changed")
    if check:
        return Ready(made, tuple(outcomes))
    outcomes = bucket.hold(wanted, rules)
    _refuse(bucket, outcomes, "What else is asked for is set, and no root was put")
    return Ready(made, tuple(outcomes))


def rooted(
    store: Store,
    keyring: Keyring,
    *,
    bucket: Ready | None,
    proves: bool,
    name: str,
    wanted: succession.Wanted,
    pin: str | None,
    asking: succession.Asking,
    check: bool,
) -> succession.Outcome:
    """Make the repository, or bring its root to what is wanted, in a store that has proved its locks.

    :param bucket: what became of the bucket, where its settings were asked for.
    :param proves: the store is a server, which must prove each time that it holds locks, those in mode governance too
        where a class asks for them; not in check mode, as a proof leaves an object.
    :raises NotLockedError: it does not hold them; names the server.
    """
    if bucket is not None and bucket.missing:
        store = MemoryStore(store.location, now=_here, enforced=False)
    if proves and not check and pin is not None:
        prove(store, wanted.classes)
    outcome = succession.present(store, keyring, name=name, wanted=wanted, pin=pin, asking=asking, check=check)
    # who makes a root has it proved just before
    if proves and not check and pin is None and outcome.state != "made":
        prove(store, wanted.classes)
    return outcome


def prove(store: Store, classes: Mapping[str, RetentionClass]) -> None:
    """Have a store prove that it holds locks in the modes that these classes ask for; raises NotLockedError."""
    store.probe()
    if any(kept.mode == "governance" for kept in classes.values()):
        store.prove_governance()


def _here() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def _require_made(bucket: S3Bucket) -> None:
    """Look at a bucket that was made: it is there, and some servers tell only then who they are."""
    if not bucket.exists():
        raise StoreError(
            f"{bucket.server} says that it has made the bucket of {bucket.location}, and it is not there",
            remedy="Look at what answers there, and run again",
        )


def _require_another_bucket(wanted: Storage, name: str) -> None:
    own = []
    if wanted.logging is not None and wanted.logging.bucket == name:
        own.append("storage.logging.bucket")
    # of another server the name may be the same
    if wanted.replication is not None and wanted.replication.destination.endswith(f":s3:::{name}"):
        own.append("storage.replication.destination")
    if own:
        raise PolicyError(
            "is the bucket of the repository itself", item=", ".join(own), remedy="Name another bucket, of its own."
        )


def _with_those_of_the_root(
    store: Store, declared: Mapping[str, RetentionClass], pin: str | None
) -> Mapping[str, RetentionClass]:
    """The classes that have objects, or will have; raises PolicyError where one is declared as it is not.

    One that is new is for people to sign: until then nothing is there that its rule could let go of.
    """
    if pin is None:
        first = first_root(store)
        if first is None:
            return declared
        for kept in declared.values():
            first.retention(kept)
        pin = first.id
    root = open_repository(store, pin=pin).root
    for kept in declared.values():
        if kept.name in root.classes:
            root.retention(kept)
    return {**declared, **root.classes}


def _refuse(bucket: S3Bucket, outcomes: Sequence[Outcome], done: str) -> None:
    lacking = setting.lacking(outcomes)
    if not lacking:
        return
    told, remedies = setting.told(lacking)
    raise StoreError(
        f"{bucket.server} does not hold all that is asked of {bucket.location}: {told}",
        item="storage",
        remedy=f"{remedies}. {done}",
        details={"storage": setting.results(outcomes)},
    )
