# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository to experiment with: a store, a real keyring, a clock that stands until it is moved, and whole runs."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import itertools
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from unittest import mock

from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    choose,
    open_point,
    open_snapshot,
    points,
    restore,
    run_folder,
    seal_point,
    snapshot,
    verify,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint, PointFolder, Receipt
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource, near_trip

NAME = "prod"
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
LOCATION = {"name": NAME, "url": "memory://", "keyring_type": "local", "keyring_path": "k", "pin": None}
# one stream of each tier, so that a host has two
COMPONENTS: tuple[Mapping[str, t.Any], ...] = (
    {"name": "app", "paths": ["/etc/app"], "tier": "tier1"},
    {"name": "base", "paths": ["/etc/base"], "tier": "tier2"},
)
FILES = {"/etc/app/main.conf": b"listen = 8080\n", "/etc/app/other": b"x", "/etc/base": b"base\n"}


class Clock:
    """A store's time, moved by hand."""

    def __init__(self, moment: dt.datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> dt.datetime:
        return self.moment

    def advance(self, **parts: float) -> None:
        self.moment += dt.timedelta(**parts)

    @contextlib.contextmanager
    def ruling(self) -> Iterator[None]:
        """Let the runs' monotonic clock go by this one too."""
        with mock.patch.object(run_folder, "monotonic", self.passed):
            yield

    def passed(self) -> float:
        """Seconds since the clock was started."""
        return (self.moment - START).total_seconds()


def declared(*components: Mapping[str, t.Any], **more: t.Any) -> Policy:
    """A host's policy, from components as an inventory has them."""
    return read_policy(host="h", components=list(components or COMPONENTS), **more)


def make_keyring(path: Path, now: dt.datetime) -> Path:
    """Make a keyring for a repository that is made at *now*."""
    LocalKeyring(path).create(
        repository=NAME, classes=sorted(declared().classes), first_year=now.year, years=11, now=now
    )
    return path


@dataclasses.dataclass
class Lab:
    """One repository and the controller that works on it."""

    path: Path
    repository: Repository
    keyring: Keyring
    wall_clock: Callable[[], dt.datetime]
    runs: Iterator[int] = dataclasses.field(default_factory=functools.partial(itertools.count, 1))

    @classmethod
    def make(cls, path: Path, store: Store, keys: Path, wall_clock: Callable[[], dt.datetime], **more: t.Any) -> Lab:
        """Make the repository in *store* with the keyring at *keys*, and open it.

        :param more: people and quorum of its root.
        """
        keyring = LocalKeyring(keys)
        root, _made = repositories.create(store, keyring, name=NAME, classes=declared().classes, **more)
        assert root is not None
        return cls(path, repositories.open_repository(store, pin=root.id), keyring, wall_clock)

    @property
    def store(self) -> Store:
        return self.repository.store

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store

    @property
    def state_dir(self) -> Path:
        return self.path / "state"

    def on(self, store: Store) -> Lab:
        """The same repository, reached through another store."""
        return dataclasses.replace(self, repository=dataclasses.replace(self.repository, store=store))

    def folder(self, point: str = "main", *, run: str | None = None) -> PointFolder:
        """A point's folder, of a new run unless told otherwise."""
        return PointFolder(self.state_dir, run or f"{next(self.runs):016x}", point)

    def open(self, folder: PointFolder, *hosts: str, **more: t.Any) -> OpenPoint:
        given = {"expected": hosts or ("h",), "location": LOCATION, "wall_clock": self.wall_clock, **more}
        return open_point.open_point(folder, self.repository, self.keyring, **given)

    def snapshot(
        self,
        folder: PointFolder,
        source: Source,
        host: str = "h",
        policy: Callable[[], Policy] = declared,
        **more: t.Any,
    ) -> Receipt:
        return snapshot.snapshot(
            folder, source, host=host, policy=policy, store=lambda: self.store, writer="0.1.0", **more
        )

    def seal(self, folder: PointFolder, **more: t.Any) -> seal_point.Sealed:
        return seal_point.seal(folder, self.repository, self.keyring, **{"later_batches": False, **more})

    def run(
        self,
        sources: Mapping[str, Source] | Source | None = None,
        *,
        policy: Callable[[], Policy] = declared,
        **more: t.Any,
    ) -> seal_point.Sealed:
        """Open, snapshot every host and seal, as one run."""
        if not isinstance(sources, Mapping):
            sources = {"h": sources or MemorySource(FILES)}
        folder = self.folder()
        check = {"check": more.get("check", False)}
        self.open(folder, *sources, **more)
        for host, source in sources.items():
            self.snapshot(folder, source, host, policy, **check)
        return self.seal(folder, **check)

    def live(self, **more: t.Any) -> points.Live:
        return points.live(self.repository, **more)

    def contents(self, host: str = "h", selection: choose.Selection | None = None) -> dict[str, bytes]:
        """Everything of a host that can be restored, opened and checked."""
        found: dict[str, bytes] = {}
        for chosen in choose.choose(self.repository, host, selection or choose.Selection(newest=True)):
            for part in open_snapshot.open_snapshot(self.repository, self.keyring, chosen).parts:
                found.update(part.contents)
        return found

    def verify(self, level: verify.Level = verify.Level.KEYS) -> verify.Report:
        keyring = self.keyring if level is verify.Level.KEYS else None
        return verify.verify(self.repository, level=level, keyring=keyring)

    def restore(self, root: Path, **more: t.Any) -> restore.Restored:
        """Restore host h under *root*, through a trip in this process unless told otherwise."""
        trip = more.pop("trip", near_trip)
        context = Context(more.pop("target_host", "h"), str(root), more.pop("actor", {}), more.pop("change", {}))
        given = {"host": "h", "selection": choose.Selection(newest=True), **more}
        return restore.restore(self.repository, self.keyring, Host(trip, root=str(root)), context=context, **given)

    def names(self, prefix: str = "") -> list[str]:
        """Names of all objects, each once."""
        return sorted({listed.name for listed in self.store.list(prefix)})


def problems(report: verify.Report, *severities: verify.Severity) -> list[verify.Finding]:
    """A report's findings: the errors unless told otherwise."""
    wanted: Sequence[verify.Severity] = severities or (verify.Severity.ERROR,)
    return [finding for finding in report.findings if finding.severity in wanted]
