# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fleets whose hosts change at given rates, backed up day by day with the real use cases: what sizing is held against.

All that happens follows from the seed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
import shutil
from pathlib import Path
from unittest import mock

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import ConnectionLostError, HoldfastError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    open_point,
    run_folder,
    seal_point,
    snapshot,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder

from ..plugins.plugin_utils.capture.sites import MemorySource
from ..plugins.plugin_utils.usecases.lab import LOCATION, NAME, START, Clock
from .parts import ExpiringStore, PlainKeyring, without_chance

CLASSES = {
    "d0007": RetentionClass("d0007", 7, "compliance"),
    "d0030": RetentionClass("d0030", 30, "compliance"),
    "d0400": RetentionClass("d0400", 400, "compliance"),
}
_HOUR = dt.timedelta(hours=1)
_TIERS = {name: Tier(name, kept, _HOUR, _HOUR) for name, kept in zip(("tier0", "tier1", "tier2"), CLASSES, strict=True)}
_COMPONENTS = {"app": "tier0", "base": "tier1", "vault": "tier2"}


@dataclasses.dataclass(frozen=True)
class Profile:
    """How a fleet lives.

    :param hosts: how many there are in the beginning.
    :param changes: by component, the chance of a host to change on a day.
    :param burst: how many runs of that day see another change of it.
    :param weekly: components that all hosts change on one day of the week, as a patch day does.
    :param silent: how many hosts stop to answer for good after a week.
    :param monthly: hosts that come each month.
    :param runs: how many a day.
    :param components: what each host has.
    """

    hosts: int = 20
    changes: tuple[float, float, float] = (0.1, 0.03, 0.005)
    burst: int = 1
    weekly: tuple[str, ...] = ()
    silent: int = 0
    monthly: float = 0.0
    runs: int = 1
    components: tuple[str, ...] = tuple(_COMPONENTS)


class Fleet:
    """One repository and its hosts, each with a component in each of three classes."""

    def __init__(self, seed: int, path: Path, profile: Profile) -> None:
        self.profile = profile
        self.clock = Clock()
        self.chance = random.Random(seed)
        self.store = ExpiringStore(self.clock, CLASSES)
        self.keyring = PlainKeyring(f"keys {seed}")
        root, _made = repositories.create(self.store, self.keyring, name=NAME, classes=CLASSES)
        assert root is not None
        self.repository = repositories.open_repository(self.store, pin=root.id)
        self.sources: dict[str, MemorySource] = {}
        self._path = path
        self._runs = itertools.count(1)
        for _host in range(profile.hosts):
            self.add_host()

    def add_host(self) -> None:
        """One more host, of its own size."""
        files = {
            f"/etc/{name}/conf": self._content(self.chance.randint(1500, 6000)) for name in self.profile.components
        }
        self.sources[f"h{len(self.sources)}"] = MemorySource(files)

    def _content(self, size: int) -> bytes:
        # as configuration is: compressed to a part of itself
        return self.chance.randbytes(size // 2).hex().encode()

    def live(self, days: int) -> None:
        """Let so many days pass."""
        with mock.patch.object(run_folder, "monotonic", self.clock.passed):
            for _day in range(days):
                self._day()

    def _day(self) -> None:
        day = (self.clock.moment - START).days
        if day == 7:
            for source in list(self.sources.values())[: self.profile.silent]:
                source.failure = ConnectionLostError("the host was not reached", remedy="Switch it on.")
        while len(self.sources) < self.profile.hosts + day * self.profile.monthly * 12 / 365:
            self.add_host()
        begun = self.clock.moment
        changing = self._changing(day)
        for run in range(self.profile.runs):
            self.clock.moment = begun + run * dt.timedelta(days=1) / self.profile.runs
            self.clock.advance(seconds=self.chance.randint(5, 600))
            for host, component in changing if run < self.profile.burst else ():
                path = f"/etc/{component}/conf"
                files = self.sources[host].files
                files[path] = self._content(len(files[path]))
            self._run()
        self.store.expire()
        self.clock.moment = begun + dt.timedelta(days=1)

    def _changing(self, day: int) -> list[tuple[str, str]]:
        """Which components of which hosts change on a day."""
        found = []
        for host in self.sources:
            for component, chance in zip(self.profile.components, self.profile.changes, strict=False):
                if (component in self.profile.weekly and day % 7 == 2) or self.chance.random() < chance:
                    found.append((host, component))
        return found

    def _run(self) -> None:
        folder = PointFolder(self._path, f"{next(self._runs):016x}", "main")
        open_point.open_point(
            folder,
            self.repository,
            self.keyring,
            expected=list(self.sources),
            location=LOCATION,
            wall_clock=self.clock,
        )
        for host, source in self.sources.items():
            try:
                snapshot.snapshot(
                    folder, source, host=host, policy=self._policy, store=lambda: self.store, writer="0.1.0"
                )
            except HoldfastError:
                assert source.failure is not None
        seal_point.seal(folder, self.repository, self.keyring, later_batches=False)
        shutil.rmtree(folder.path.parent)

    def _policy(self) -> Policy:
        return Policy(
            CLASSES,
            _TIERS,
            tuple(
                Component(name, (f"/etc/{name}",), _COMPONENTS[name], "ops", "internal")
                for name in self.profile.components
            ),
        )


def lived(seed: int, path: Path, profile: Profile, days: int) -> Fleet:
    """A fleet that has lived so many days; *path* is an empty folder for what controllers keep between runs."""
    with without_chance(f"sizes {seed}"):
        fleet = Fleet(seed, path, profile)
        fleet.live(days)
    return fleet
