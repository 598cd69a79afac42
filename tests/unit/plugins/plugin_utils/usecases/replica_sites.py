# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository in memory and a replica of it, and what must hold of the two at any moment."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, ObjectMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.replica import Depth, ReplicaState, Replicated
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, replicate
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.replica_objects import Replica

from .lab import Clock, Lab


class Sites:
    """A lab and one replica of its repository."""

    def __init__(self, lab: Lab, clock: Clock) -> None:
        self.lab = lab
        self.clock = clock
        self.far: Store = MemoryStore("memory://far", now=clock)

    def replica(self, far: Store | None = None, **more: t.Any) -> Replica:
        """The replica, reached through another store where one is given."""
        return Replica("far", lambda: far or self.far, **more)

    def replicate(self, far: Store | None = None, **more: t.Any) -> Replicated:
        """Bring it up to date, from nothing where it is empty."""
        return replicate.replicate(self.lab.repository, self.replica(far), **{"seed": True, **more})

    def compare(self, depth: Depth = Depth.CONTENT) -> ReplicaState:
        return replicate.compare(self.lab.repository, self.replica(), depth=depth)

    def far_points(self) -> list[str]:
        """Names of the points that the replica holds."""
        return sorted({listed.name for listed in self.far.list("points/")})

    def at_far(self) -> Lab:
        """The lab, whose repository is the replica."""
        return self.lab.on(self.far)


def held(store: Store) -> set[str]:
    """Names of which the store holds the bytes that they promise."""
    found = set()
    for listed in store.list():
        if not listed.marker:
            data = store.get(listed.name, version=listed.version)
            if hashlib.sha256(data).hexdigest() == names.parse(listed.name).sha256:
                found.add(listed.name)
    return found


def longest_locks(store: Store) -> dict[str, t.Any]:
    """The latest lock of each name, of versions that hold the bytes that it promises."""
    found: dict[str, t.Any] = {}
    for listed in store.list():
        data = b"" if listed.marker else store.get(listed.name, version=listed.version)
        if hashlib.sha256(data).hexdigest() == names.parse(listed.name).sha256:
            lock = listed.lock_until
            found[listed.name] = lock if listed.name not in found else max(found[listed.name], lock)
    return found


def early_points(near: Store, far: Store) -> list[str]:
    """Points that stand at the replica before something that they name and that the repository has whole."""
    here, there = held(near), held(far)
    ids = {names.parse(name).sha256: name for name in here if name.startswith("points/")}
    early = []
    for point in (name for name in there if name.startswith("points/")):
        try:
            statement, _envelope = statement_format.read(objects.read(far, point), what=point)
        except FormatError:
            continue
        needed = {statement.body_name} | {ids[parent] for parent in statement.parents if parent in ids}
        try:
            body = body_format.read(objects.read(near, statement.body_name), what="body")
            needed |= {ref.name for entry in body.streams for ref in (entry.pack, entry.manifest)}
        except (FormatError, ObjectMissingError):
            pass
        if (needed & here) - there:
            early.append(point)
    return early
