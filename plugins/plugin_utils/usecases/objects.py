# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and putting objects whose names end in their digest."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence

from ..errors import ArchivedError, DeniedError, IntegrityError, NotLockedError, ObjectMissingError
from ..format import names
from ..format.canonical import check_digest
from ..model import instant, keep
from ..model.point import ObjectRef
from ..model.retention import RetentionClass
from ..store.base import Listed, Store


def now(store: Store) -> dt.datetime:
    """The store's time; this machine's where the store lets nothing be written to ask it, as for an auditor."""
    try:
        return store.clock()
    except DeniedError:
        return dt.datetime.now(dt.timezone.utc)


def put(store: Store, name: str, data: bytes, *, lock_until: dt.datetime, governance: bool = False) -> ObjectRef:
    """Store *data* under *name* and return it as the store read it back."""
    stored = store.put_new(name, io.BytesIO(data), lock_until=lock_until, governance=governance)
    return ObjectRef(name, stored.version, len(data), stored.lock_until)


def put_locked(
    store: Store, name: str, data: bytes, lock_until: dt.datetime, kept: RetentionClass, now: dt.datetime
) -> ObjectRef:
    """Store a pack or manifest; raises NotLockedError where a point sealed at *now* could not name it."""
    ref = put(store, name, data, lock_until=lock_until, governance=kept.mode == "governance")
    if not keep.nameable(ref.lock_until, now, kept):
        raise NotLockedError(
            f"{store.location} locked it only until {instant.to_text(ref.lock_until)}",
            item=name,
            remedy="Check the store's lock settings; no recovery point will name this object.",
        )
    return ref


def read(
    store: Store,
    name: str,
    *,
    version: str | None = None,
    listed: Sequence[Listed] | None = None,
    limit: int | None = None,
) -> bytes:
    """Return the bytes of *name* that have the digest it ends in, whichever version holds them.

    Oldest first: who can put may add versions, and cannot have put before the one that the name was made of.

    :param version: tried first; a wrong or missing version beside a right one changes nothing.
    :param listed: the versions of *name*, where the caller has listed them already.
    :param limit: bytes; a version that is larger is not read.
    :raises ObjectMissingError: no version at all.
    :raises IntegrityError: versions, and none with that digest.
    :raises ArchivedError: a version that may have it must be brought back first, and no other one has it.
    """
    sha256 = names.parse(name).sha256
    wrong: IntegrityError | ArchivedError | None = None
    if version is not None:
        try:
            return _believed(store, name, version, sha256)
        except (IntegrityError, ArchivedError) as e:
            wrong = e
        except ObjectMissingError:
            pass
    for held in store.list(name) if listed is None else listed:
        if held.name != name or held.marker or held.version == version:
            continue
        try:
            if limit is not None and held.size > limit:
                raise IntegrityError(f"is larger than {limit} bytes, which no such object is", item=name)
            return _believed(store, name, held.version, sha256)
        except ArchivedError as e:
            wrong = e
        except IntegrityError as e:
            wrong = wrong or e
    if wrong is not None:
        raise wrong
    raise ObjectMissingError(
        f"{store.location} does not hold it",
        item=name,
        remedy="Look for it in a replica; an object that a point names cannot have been deleted before its lock ended.",
    )


def _believed(store: Store, name: str, version: str, sha256: str) -> bytes:
    data = store.get(name, version=version)
    check_digest(data, sha256, what=name)
    return data
