# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A world of hosts, two controllers and one store, lived through day by day with the real use cases.

All that happens follows from the seed. What must hold meanwhile is judged by :mod:`.judge`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import heapq
import itertools
import random
import shutil
import typing as t
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import ConnectionLostError, HoldfastError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    approvals,
    choose,
    leftovers,
    open_point,
    open_snapshot,
    records,
    run_folder,
    seal_point,
    snapshot,
    succession,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder

from ..plugins.plugin_utils.capture.sites import MemorySource
from ..plugins.plugin_utils.usecases.lab import LOCATION, NAME, START, Clock
from .judge import Judge, Violation
from .parts import ExpiringStore, Killed, PlainKeyring, Staff, Wire, without_chance

DAYS = 500
_TIERS = ("tier0", "tier1", "tier2")
_DAY = 86400.0
# what happens takes until the given number of seconds have passed
Life = Iterator[float]


@dataclasses.dataclass(frozen=True)
class Temper:
    """How one world is: chances are per day, and per host where hosts are meant. ``steady``: one host never fails."""

    hosts: int
    steady: bool
    maximum: int
    interval: tuple[float, float]
    second_controller: float
    slices: float
    most_carried: int
    controllers_down: float
    longest_outage: int
    host_down: float
    host_leaves: float
    change: float
    tier_edit: float
    class_edit: float
    component_edit: float
    long_run: float
    kill: float
    outage: float
    vandal: float
    rotation: float

    @classmethod
    def drawn(cls, chance: random.Random) -> Temper:
        """Draw one. A quarter of the worlds are tight: one run carries one stream, and nearly all hosts leave."""
        tight = chance.random() < 0.25
        often = chance.choice(((1, 2), (1, 4)))
        return cls(
            hosts=7 if tight else chance.randint(3, 6),
            steady=tight,
            maximum=chance.choice((160, 250, 400)),
            interval=(4, 8) if tight else chance.choice((often, (3, 8), (3, 8), (8, 20))),
            second_controller=0.0 if tight else chance.choice((0.0, 0.2, 0.6)),
            slices=chance.choice((0.1, 0.5, 1.0)),
            # enough for what was silent during an outage
            most_carried=1 if tight else 500,
            controllers_down=0.001 if tight else chance.choice((0.003, 0.01)),
            longest_outage=20 if tight else 100,
            host_down=chance.choice((0.003, 0.02)),
            host_leaves=0.02 if tight else chance.choice((0.0005, 0.003)),
            change=chance.choice((0.005, 0.05, 0.3)),
            tier_edit=chance.choice((0.0, 0.003, 0.01)),
            class_edit=chance.choice((0.0, 0.005)),
            component_edit=chance.choice((0.0, 0.002)),
            long_run=chance.choice((0.02, 0.3)),
            kill=chance.choice((0.0, 0.05)),
            outage=chance.choice((0.0, 0.05)),
            vandal=chance.choice((0.0, 0.02)),
            rotation=chance.choice((0.0, 0.0, 0.01)),
        )


@dataclasses.dataclass
class Host:
    """A host as it is: its components' tiers and contents, and until when it does not answer."""

    name: str
    tiers: dict[str, str]
    values: dict[str, int]
    silent_until: dt.datetime
    declared: bool = True

    @property
    def contents(self) -> dict[str, dict[str, bytes]]:
        """By component: its files."""
        return {
            name: {f"/etc/{name}/conf": f"{self.name} {name} {value}\n".encode()} for name, value in self.values.items()
        }


@dataclasses.dataclass(frozen=True)
class History:
    """What became of a world.

    ``excused``: streams lost in a silence that was longer than anything promises. ``trace``: the digest of all names
    that were put, in their order.
    """

    seed: int
    points: int
    carried: int
    excused: int
    trace: str
    violation: Violation | None


def history(seed: int, path: Path, *, days: int = DAYS) -> History:
    """Live through one world; *path* is an empty folder for what controllers keep between runs."""
    with without_chance(f"bytes {seed}"):
        world = World(seed, path)
        violation = None
        try:
            world.live(days)
        except Violation as e:
            violation = e
    judge = world.judge
    return History(seed, judge.sealed, judge.carried, judge.excused, world.store.trace.hexdigest(), violation)


class World:
    """One repository, its hosts and its two controllers."""

    def __init__(self, seed: int, path: Path) -> None:
        self.chance = random.Random(seed)
        self.temper = Temper.drawn(self.chance)
        self.clock = Clock()
        self.classes = {
            "d0007": RetentionClass("d0007", 7, "compliance"),
            "d0030": RetentionClass("d0030", 30, "compliance"),
            "d0060": RetentionClass("d0060", 60, "compliance"),
            "m0007": RetentionClass("m0007", 7, "compliance", self.temper.maximum),
        }
        self.store = ExpiringStore(self.clock, self.classes)
        self.judge = Judge(self.store, self.clock, self.classes)
        self.staff = Staff()
        self.keyring = PlainKeyring(f"keys {seed}")
        root, _made = repositories.create(
            self.store,
            self.keyring,
            name=NAME,
            classes=self.classes,
            people=self.staff.people,
            quorum=self.staff.quorum,
        )
        assert root is not None
        self.pin = root.id
        self.repository = repositories.open_repository(self.store, pin=root.id)
        self.tier_classes = dict(zip(_TIERS, self.chance.sample(sorted(self.classes), len(_TIERS)), strict=True))
        self.hosts = [self._new_host(f"h{number}") for number in range(self.temper.hosts)]
        self.down_until = START
        self.rotating = False
        self.running: set[str] = set()
        self._path = path
        self._runs = itertools.count(1)
        self._agenda: list[tuple[dt.datetime, int, Life]] = []
        self._order = itertools.count()

    def _new_host(self, name: str) -> Host:
        tiers = {
            component: self.chance.choice(_TIERS)
            for component in ("app", "base")[: 2 if self.temper.steady else self.chance.randint(1, 2)]
        }
        return Host(name, tiers, dict.fromkeys(tiers, 0), START)

    # time

    def live(self, days: int) -> None:
        """Let so many days pass; raises Violation at the first promise that is broken."""
        end = START + dt.timedelta(days=days)
        with (
            mock.patch.object(run_folder, "monotonic", self.clock.passed),
            mock.patch.object(run_folder, "_alive", lambda run: run.name in self.running),
        ):
            self._begin(self._days())
            self._begin(self._backups("a", self.temper.interval))
            if self.temper.second_controller:
                slower = tuple(part / self.temper.second_controller for part in self.temper.interval)
                self._begin(self._backups("b", t.cast("tuple[float, float]", slower)))
            while self._agenda and self._agenda[0][0] <= end:
                moment, _order, life = heapq.heappop(self._agenda)
                self.clock.moment = max(moment, self.clock.moment + dt.timedelta(seconds=2))
                with contextlib.suppress(StopIteration):
                    self._begin(life, next(life))
                self.judge.settle()
            self._restore_all()

    def _begin(self, life: Life, seconds: float = 0.0) -> None:
        at = instant.whole(self.clock.moment + dt.timedelta(seconds=seconds))
        heapq.heappush(self._agenda, (at, next(self._order), life))

    def _days(self) -> Life:
        while True:
            self.judge.expired(self.store.expire())
            self._people_and_machines()
            yield _DAY

    def _backups(self, controller: str, interval: tuple[float, float]) -> Life:
        while True:
            yield self.chance.uniform(*interval) * _DAY
            if self.clock.moment < self.down_until:
                continue
            self._begin(self._run(controller))
            # two schedules that fall on one hour
            if controller == "a" and self.temper.second_controller and self._happens(0.3):
                self._begin(self._run("b"), self.chance.uniform(1, 3600))

    def _happens(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood

    def _later(self, least: int, most: int) -> dt.datetime:
        return self.clock.moment + dt.timedelta(days=self.chance.randint(least, most))

    # what happens of itself

    def _people_and_machines(self) -> None:
        temper = self.temper
        if self._happens(temper.controllers_down) and self.clock.moment >= self.down_until:
            self.down_until = self._later(3, temper.longest_outage)
        if self._happens(temper.class_edit):
            self.tier_classes[self.chance.choice(_TIERS)] = self.chance.choice(sorted(self.classes))
        if self._happens(temper.vandal):
            self._vandalise()
        if self._happens(temper.rotation) and not self.rotating:
            self.rotating = True
            self._begin(self._rotations())
        for host in self.hosts:
            self._live_host(host)

    def _live_host(self, host: Host) -> None:
        temper = self.temper
        if self._happens(temper.host_down) and self.clock.moment >= host.silent_until and not self._steady(host):
            host.silent_until = self._later(1, 100)
        # one stays, so that there are runs
        if host is not self.hosts[0] and self._happens(temper.host_leaves) and host.declared:
            self._begin(self._leave(host))
        for name in host.values:
            if self._happens(temper.change):
                # sometimes back to what it was
                host.values[name] = max(0, host.values[name] + self.chance.choice((-1, 1, 1)))
        if self._happens(temper.tier_edit):
            host.tiers[self.chance.choice(sorted(host.tiers))] = self.chance.choice(_TIERS)
        if self._happens(temper.component_edit):
            name = f"c{self.chance.randint(0, 3)}"
            if name not in host.tiers:
                host.tiers[name], host.values[name] = self.chance.choice(_TIERS), 0
            elif len(host.tiers) > 1:
                del host.tiers[name], host.values[name]
        if self._happens(0.001):
            self._begin(self._retire(host.name, self.chance.choice(_TIERS)))

    def _steady(self, host: Host) -> bool:
        """Whether it always answers: without a single host no point is sealed, and the bound is for too few runs."""
        return self.temper.steady and host is self.hosts[0]

    def _leave(self, host: Host) -> Life:
        """A host is off for ever; later it leaves the inventory, is retired perhaps, and perhaps comes back."""
        host.silent_until = START + dt.timedelta(days=10 * DAYS)
        yield self.chance.uniform(0, 20) * _DAY
        host.declared = False
        if self._happens(0.5):
            return
        yield self.chance.uniform(0, 120) * _DAY
        yield from self._retire(host.name, None)
        if self._happens(0.5):
            yield self.chance.uniform(1, 100) * _DAY
            host.silent_until, host.declared = self.clock.moment, True

    def _retire(self, host: str, stream: str | None) -> Life:
        """People sign that nobody needs what a host was found to hold until they were asked."""
        now = instant.whole(self.clock.moment)
        asked = Request("carl", "the host is scrapped", "", now + dt.timedelta(days=7), f"{next(self._order):032x}")
        record = Record(
            NAME, self.repository.root.id, "retired", now, "carl", {"host": host, "stream": stream}, {}, asked
        )
        pending = approvals.put_request(self.repository, record)
        yield self.chance.uniform(0, 5) * _DAY
        with contextlib.suppress(HoldfastError):
            for signature in self.staff.signed(pending.to_sign):
                approvals.add_signature(self.repository, pending, signature)
            records.complete(self.repository, pending)
            self.judge.retired(host, stream, now)

    def _rotations(self) -> Life:
        yield from self._rotate()
        self.rotating = False

    def _rotate(self) -> Life:
        """Another signing or digest key by a new link; when all use it, sometimes a link without the one before.

        In one link the two would not do: what is sealed while people sign it is not believed after it.
        """
        use = self.chance.choice(("point", "digest"))
        keys = self.repository.root.keys
        old = keys.digest[-1].id if use == "digest" else [key.id for key in keys.sign if key.use == use][-1]
        yield from self._follow(succession.Wanted(self.classes, rotate=(use,)))
        if self._happens(0.5):
            yield self.chance.uniform(4, 30) * _DAY
            yield from self._follow(succession.Wanted(self.classes, remove=(old,)))

    def _follow(self, wanted: succession.Wanted) -> Life:
        asking = succession.Asking(by="carl", reason="keys are renewed")
        present = functools.partial(
            succession.present, self.store, self.keyring, name=NAME, wanted=wanted, pin=self.pin, asking=asking
        )
        outcome = present()
        # over New Year they are asked anew: the next year's keys are part of it
        while outcome.pending is not None and outcome.state != "followed":
            yield self.chance.uniform(0, 5) * _DAY
            for signature in self.staff.signed(outcome.pending.to_sign):
                approvals.add_signature(self.repository, outcome.pending, signature)
            outcome = present()
        self.repository = repositories.open_repository(self.store, pin=self.pin)

    def _vandalise(self) -> None:
        """Somebody who may put adds a version, or a delete marker, to a name that is there."""
        room = self.chance.choice(("packs/", "manifests/", "bodies/", "points/"))
        names = sorted(self.store.under(room))
        if names and self._happens(0.5):
            self.store.put_marker(self.chance.choice(names))
        elif names:
            until = self.clock.moment + dt.timedelta(days=self.chance.randint(1, 300))
            self.store._add(self.chance.choice(names), b"junk", lock_until=until, marker=False)

    # runs

    def _run(self, controller: str) -> Life:
        wire = Wire(self.store, self._skew())
        run = f"{next(self._runs):016x}"
        self.running.add(run)
        folder = PointFolder(self._path / controller, run, "main")
        try:
            yield from self._whole_run(folder, wire)
        except Killed:
            return
        finally:
            self.running.discard(run)
            # as whoever tidies the disk may: nothing in it is needed again
            if not folder.waits_for_store:
                shutil.rmtree(folder.path.parent, ignore_errors=True)

    def _skew(self) -> dt.timedelta:
        """By how much a controller's clock is wrong in one run; with more than a quarter of an hour it is refused."""
        if self._happens(0.7):
            return dt.timedelta()
        return dt.timedelta(minutes=self.chance.choice((4, 8, 12, 14, 20)) * self.chance.choice((-1, 1)))

    def _whole_run(self, folder: PointFolder, wire: Wire) -> Life:
        expected = self._expected()
        pace = self._pace()
        trouble = self._trouble(len(expected))
        self._strike(wire, trouble, 0)
        if not expected or not self._open(folder, wire, expected):
            return
        for place, host in enumerate(expected, 1):
            yield next(pace)
            self._strike(wire, trouble, place)
            self._snapshot(folder, wire, host)
        yield next(pace)
        self._strike(wire, trouble, len(expected) + 1)
        self._seal(folder, wire)

    def _seal(self, folder: PointFolder, wire: Wire) -> None:
        try:
            seal_point.seal(
                folder,
                self._reached(wire),
                self.keyring,
                later_batches=False,
                most_carried=self.temper.most_carried,
            )
        except HoldfastError as e:
            given = any(part.entry for receipt in folder.read_receipts().values() for part in receipt.streams)
            self._require_trouble(e, wire.cut or not given)

    def _require_trouble(self, error: HoldfastError, trouble: bool) -> None:
        """Nothing may be refused but for what the world has done to it."""
        if not trouble:
            raise self.judge.violated("BROKEN", f"refused without a cause: {error}")

    def _expected(self) -> list[Host]:
        declared = [host for host in self.hosts if host.declared]
        if declared and self._happens(self.temper.slices):
            return self.chance.sample(declared, self.chance.randint(1, max(1, len(declared) // 2)))
        return declared

    def _pace(self) -> Life:
        """Seconds between the steps of a run: minutes, or, in a long run, once up to three days."""
        slow = self.chance.uniform(0.1, 3) * _DAY if self._happens(self.temper.long_run) else 0.0
        steps = [self.chance.uniform(10, 1800) for _step in range(8)]
        steps[self.chance.randrange(8)] += slow
        return itertools.cycle(steps)

    def _trouble(self, hosts: int) -> dict[int, str]:
        """By step of a run: what goes wrong there. Step 0 opens, the last one seals."""
        steps: dict[int, str] = {}
        if self._happens(self.temper.outage):
            begin = self.chance.randint(0, hosts + 1)
            steps[begin] = "cut"
            if self._happens(0.5):
                steps.setdefault(self.chance.randint(begin, hosts + 1), "mend")
        if self._happens(self.temper.kill):
            steps.setdefault(self.chance.randint(0, hosts + 1), "kill")
        return steps

    def _strike(self, wire: Wire, trouble: dict[int, str], step: int) -> None:
        what = trouble.get(step)
        if what in ("cut", "mend"):
            wire.cut = what == "cut"
        elif what == "kill":
            prefixes = self.chance.choice((("packs/", "manifests/"), ("bodies/", "points/")))
            wire.kill(*prefixes, after=self.chance.randint(1, 2))

    def _reached(self, wire: Store) -> Repository:
        return dataclasses.replace(self.repository, store=wire)

    def _open(self, folder: PointFolder, wire: Wire, expected: list[Host]) -> bool:
        """Ship what waits, as every run does first, and open. False where the run is refused."""
        repository = self._reached(wire)
        run_folder.sweep(folder.state_dir, keep=folder.run)
        waiting = run_folder.waiting_points(folder.state_dir, keep=folder.run)
        for left in waiting:
            self.judge.opening(left.run)
        leftovers.ship_leftovers(folder.state_dir, repository, self.keyring, run=folder.run)
        self.judge.settle()
        if not wire.cut:
            for left in run_folder.waiting_points(folder.state_dir, keep=folder.run):
                raise self.judge.violated("LEFT", f"point {left.point} of run {left.run} still waits for the store")
        self.judge.opening(folder.run)
        try:
            opened = open_point.open_point(
                folder,
                repository,
                self.keyring,
                expected=[host.name for host in expected],
                location=LOCATION,
                wall_clock=lambda: self.clock.moment + wire.skew,
            )
        except HoldfastError as e:
            self._require_trouble(e, wire.cut or abs(wire.skew) > open_point.CLOCK_REFUSAL)
            return False
        self.judge.opened(opened, folder.read_live()[0])
        return True

    def _snapshot(self, folder: PointFolder, wire: Wire, host: Host) -> None:
        contents = host.contents
        source = MemorySource({path: data for files in contents.values() for path, data in files.items()})
        if self.clock.moment < host.silent_until:
            source.failure = ConnectionLostError("the host was not reached", remedy="Switch it on.")
        try:
            snapshot.snapshot(
                folder, source, host=host.name, policy=lambda: self._policy(host), store=lambda: wire, writer="0.1.0"
            )
        except HoldfastError as e:
            self._require_trouble(e, wire.cut or source.failure is not None)
        receipt = folder.read_receipts().get(host.name)
        entries = [part.entry for part in receipt.streams if part.entry is not None] if receipt else []
        entries += [left.entry for left in folder.read_leftovers() if left.entry.host == host.name]
        self.judge.captured(entries, contents)

    def _policy(self, host: Host) -> Policy:
        hour = dt.timedelta(hours=1)
        tiers = {name: Tier(name, kept, hour, hour) for name, kept in self.tier_classes.items()}
        components = tuple(
            Component(name, (f"/etc/{name}",), tier, "ops", "internal") for name, tier in host.tiers.items()
        )
        return Policy(self.classes, tiers, components)

    # the end

    def _restore_all(self) -> None:
        """Restore every host to which something is owed, and compare."""
        for host in self.hosts:
            wanted = self.judge.owed_contents(host.name)
            if not wanted:
                continue
            found: dict[str, dict[str, bytes]] = {}
            for chosen in choose.choose(self.repository, host.name, choose.Selection(newest=True)):
                for part in open_snapshot.open_snapshot(self.repository, self.keyring, chosen).parts:
                    found[part.name] = dict(part.contents)
            given = {name: found.get(name) for name in wanted}
            if given != wanted:
                raise self.judge.violated("WRONG", f"{host.name}: restored {given}, owed {wanted}")
