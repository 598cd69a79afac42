# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkup of what a task's options and the inventory name, as its result."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.release import __version__ as ansible_version

from .. import store
from ..duties.matrix import IDENTITIES
from ..errors import HoldfastError, PolicyError
from ..model import checkup
from ..model.checkup import ERROR, WARNING, Check
from ..model.setting import Outcome
from ..model.storage import lifecycle_rules
from ..render import doctor as text
from ..usecases import doctor, doctor_here
from ..usecases.doctor import Asked, Look, NotReachedError, RepositoryCheckup
from . import doctor_inventory, fleet, run, storage_options
from .options import DISPLAY, Location, Options

OPTIONS: Mapping[str, t.Any] = {
    "identity": {"type": "str", "choices": list(IDENTITIES)},
    "strict": {"type": "bool", "default": False},
    **DISPLAY,
}
# each of four tries; a run waits a minute, and a table that is as late helps nobody
_ANSWER_SECONDS = 10
_T = t.TypeVar("_T")


def examined(options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Make all checks, and return the task's result. Never a change."""
    subject = _Subject(options, task_vars)
    checks = doctor.examine(subject.looks())
    counts = Counter(one.severity for one in checks)
    result: dict[str, t.Any] = {
        "changed": False,
        "sound": checkup.sound(checks),
        "summary": text.verdict(checks),
        "errors": counts[ERROR],
        "warned": counts[WARNING],
        "checks": [{"id": one.id, "severity": one.severity, "what": one.what, "remedy": one.remedy} for one in checks],
        "rights": dict(subject.rights),
        "report": text.report(checks),
    }
    if options["strict"] and not result["sound"]:
        result |= {"failed": True, "msg": result["summary"]}
    return result


class _Subject:
    """What is examined: the parts that cannot be had are told by one check each, and the others go on."""

    def __init__(self, options: Options, task_vars: Mapping[str, t.Any]) -> None:
        self._options = options
        self._task_vars = task_vars
        self._location = _tried(lambda: hasty(options.reading()))
        self._fleet = _tried(lambda: fleet.read(task_vars))
        #: Whether each operation of the matrix of duties was done.
        self.rights: Mapping[str, bool] = {}

    def looks(self) -> Iterator[tuple[str, Look]]:
        """All checks; each is made before the next one is asked for."""
        for check, look in self._looks():
            yield check, functools.partial(_explained, look)

    def _looks(self) -> Iterator[tuple[str, Look]]:
        location = self._location
        yield "python", doctor_here.python
        yield "ansible", lambda: doctor_here.ansible(ansible_version)
        yield "libraries", lambda: checkup.libraries(doctor_here.libraries(self._needed()))
        yield "tools", lambda: doctor_here.tools(people=bool(self._options.inherited("people")))
        yield "state_dir", lambda: doctor_here.state_dir(self._options.state_dir)
        yield "state_dir.space", lambda: self._space("state_dir.space", self._options.state_dir)
        yield "runs", lambda: doctor_here.runs(self._options.state_dir, run=run.RUN_ID)
        yield "settings", lambda: _settings(location)
        if isinstance(location, Location):
            repository = RepositoryCheckup(self._asked(location))
            yield from repository.looks()
            self.rights = repository.tried
            yield "timestamp", functools.partial(_timestamp, location)
            if not location.on_s3:
                yield "store.space", lambda: self._store_space(location)
            opened: Callable[[], t.Any] = repository.repository
        else:
            opened = _not_opened
        yield from doctor_inventory.looks(self._options, self._task_vars, self._fleet, opened)

    def _needed(self) -> dict[str, str]:
        hosts = () if isinstance(self._fleet, HoldfastError) else self._fleet
        needed = dict(doctor_here.ALWAYS)
        if isinstance(self._location, Location):
            needed |= self._location.libraries()
        return needed | doctor_inventory.libraries(hosts, self._task_vars)

    def _space(self, check: str, path: Path) -> list[Check]:
        try:
            last = doctor_here.last_stored(self._options.state_dir)
        except (HoldfastError, OSError):
            # what cannot be read of earlier runs another check tells
            last = 0
        return doctor_here.space(check, path, last=last)

    def _store_space(self, location: Location) -> list[Check]:
        folder = store.folder_of(location.url)
        if not folder.is_dir():
            raise NotReachedError
        return self._space("store.space", folder)

    def _asked(self, location: Location) -> Asked:
        check = self._options.check
        return Asked(
            connect=functools.partial(location.store, check=check),
            pin=location.pin,
            name=location.name,
            keyring=location.keyring if location.has_keyring else None,
            on_server=location.on_s3,
            identity=self._options["identity"],
            classes=self._options.classes,
            bucket=functools.partial(self._bucket, location) if self._options["storage"] is not None else None,
            replicas=location.replica_sites(check=check),
            check=check,
        )

    def _bucket(self, location: Location) -> Sequence[Outcome]:
        classes = self._options.classes()
        wanted = storage_options.storage(self._options, classes)
        bucket = location.bucket()
        if wanted is None:
            return ()
        if not bucket.exists():
            remedy = "Run holdfast.config.storage, as the owner."
            raise PolicyError("there is no such bucket", item=bucket.location, remedy=remedy)
        return bucket.judge(wanted, lifecycle_rules(wanted, classes, bucket.bucket.prefix))


def hasty(location: Location) -> Location:
    """The same, whose S3 servers are given less time for an answer: one that gives none is what is looked for."""

    def given_less(url: str, s3: Mapping[str, t.Any] | None) -> Mapping[str, t.Any] | None:
        if not url.startswith("s3:"):
            return s3
        given = s3 or {}
        return {**given, "aws_config": {"read_timeout": _ANSWER_SECONDS, **(given.get("aws_config") or {})}}

    replicas = [{**one, "s3": given_less(str(one["url"]), one["s3"])} for one in location.replicas]
    return dataclasses.replace(location, s3=given_less(location.url, location.s3), replicas=replicas)


def _settings(location: Location | HoldfastError) -> list[Check]:
    if isinstance(location, HoldfastError):
        raise location
    told = f"repository {location.name} at {location.url}"
    return [Check("settings", checkup.OK, f"{told}, read at {location.read_from}" if location.read_from else told)]


def _timestamp(location: Location) -> list[Check]:
    stamping = location.stamping()
    if stamping is None:
        return []
    told = f"the certificates of {stamping.url} can be read; it is asked when a point is sealed"
    return [Check("timestamp", checkup.OK, told)]


def _not_opened() -> t.NoReturn:
    raise NotReachedError


def _explained(look: Callable[[], _T]) -> _T:
    """What it gives; a template that fails is an error of the inventory, in Ansible's words."""
    try:
        return look()
    except AnsibleError as e:
        raise PolicyError(f"a variable cannot be read: {e.message}", remedy="Correct it in the inventory.") from e


def _tried(read: Callable[[], _T]) -> _T | HoldfastError:
    """What is read, or why it cannot be."""
    try:
        return _explained(read)
    except HoldfastError as e:
        return e
