# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations that tasks of others return on their way: which they are, whether they are whole, and their sealing.

What is adopted is a pushed text: a stream of its own for each host and component (docs/guide_adoption.md).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ..capture import completeness, normalise
from ..capture.texts import Pushed
from ..errors import CaptureError, HoldfastError
from ..keyring.base import Keyring
from ..model import sources
from ..model.component import Component, Handling
from ..model.platform import RUNNING, TEXT, XML, Item, Platform, Rule
from ..model.policy import Policy
from ..model.redaction import LINE_CHARACTERS, Redactor
from ..store.base import Store
from . import backup_file, run_folder, snapshot
from .backup_file import BackupFile
from .run_folder import OpenPoint, PointFolder, open_points

T = t.TypeVar("T")

POINT = "adopted"
# the platform by whose rules the XML of a datastore is read
DATASTORE = "netconf"
LIMIT_BYTES = 64 * 1024 * 1024

_CONFIGURES = re.compile(r"\w+_config")
_TELLS = re.compile(r"\w+_facts")
_COPIES, _READS = "cli_backup", "netconf_get"
_FACTS, _FACT = "ansible_facts", "ansible_net_config"
_DATASTORES = {"running": "adopted-netconf", "startup": "adopted-netconf-startup"}
# Ansible puts eight stars where a module's own password stood in what the module returns, the text included that it
# then writes to a file (remove_values of ansible.module_utils.common.parameters); the others are of EOS, Oxidized and
# RANCID, and of Junos for a login without the right to see secrets
_MASK = re.compile(
    rb"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER|<removed>|<secret hidden>|<configuration removed>|/\* SECRET-DATA \*/"
)
_STARS = re.compile(r"(?<!\*)\*{8}(?!\*)")
_SHARED = "another host's task wrote the same file: whose configuration it held nobody can tell"
# a group of this name takes only a part of its line away, which a pushed text cannot do
_PART = "(?P<volatile>"


@dataclasses.dataclass(frozen=True)
class Given:
    """A configuration that a task returned: its text, or the path of the file that the module wrote it to."""

    component: str
    text: str | None = dataclasses.field(default=None, repr=False)
    path: str | None = None

    @property
    def by_netconf(self) -> bool:
        """Whether it is the XML of a datastore, and no text of a command line."""
        return self.component in _DATASTORES.values()


@dataclasses.dataclass(frozen=True)
class Held:
    """What was adopted and is not stored yet: its policy, which holds the text, and for whom that is.

    ``location`` says where the repository is, as an open point does. ``meaning`` is that
    of :func:`meaning`, ``files`` hold texts of the same. ``doubt`` is what somebody should know of it.
    """

    host: str
    host_id: str
    task: str
    component: str
    policy: Policy = dataclasses.field(repr=False)
    location: Mapping[str, t.Any]
    change: Mapping[str, str]
    meaning: str
    files: tuple[BackupFile, ...] = ()
    doubt: str = ""


@dataclasses.dataclass(frozen=True)
class Note:
    """What became of one configuration that a task returned; ``problem`` is empty where all is well with it."""

    host: str
    task: str
    component: str
    point: str
    sealed: bool
    problem: str = ""

    def __str__(self) -> str:
        state = f"{self.component} in {self.point}" if self.point else "not adopted"
        return f"{self.host}: {state}, task {self.task!r}" + (f": {self.problem}" if self.problem else "")


def is_adopted(component: str) -> bool:
    """Whether a component has the name of one that was adopted."""
    return component.startswith(f"{POINT}-")


def components(platforms: Iterable[Platform]) -> tuple[Component, ...]:
    """What is adopted of a host, as if it were declared: no inventory does that, and what is shown is to be masked.

    :param platforms: those by which its texts are written.
    """
    handling = Handling(secrets=tuple(dict.fromkeys(rule.pattern for one in platforms for rule in one.secrets)))
    return tuple(
        Component(name, (sources.folder(name),), "", "", "", kind=sources.CONTENT, handling=handling)
        for name in (f"{POINT}-{RUNNING}", *_DATASTORES.values())
    )


def adoptable(action: str, arguments: Mapping[str, t.Any]) -> bool:
    """Whether a task's results may hold a configuration, by the name of its action and what it was asked for."""
    name = action.rpartition(".")[2]
    if name in (_COPIES, _READS) or _TELLS.fullmatch(name):
        return True
    return bool(_CONFIGURES.fullmatch(name) and arguments.get("backup"))


def given(action: str, result: Mapping[str, t.Any], arguments: Mapping[str, t.Any]) -> Given | None:
    """The configuration in a task's result, None where it holds none.

    :raises CaptureError: it holds a part of one, or what is none.
    """
    name = action.rpartition(".")[2]
    if name == _COPIES or _CONFIGURES.fullmatch(name):
        path = result.get("backup_path")
        return Given(f"{POINT}-{RUNNING}", path=str(path)) if isinstance(path, str) and path else None
    if name == _READS:
        return _datastore(result, arguments)
    facts = result.get(_FACTS)
    text = facts.get(_FACT) if isinstance(facts, Mapping) else None
    if text is None:
        return None
    if not isinstance(text, str):
        raise CaptureError(f"the fact {_FACT} is no text", remedy="Use a module that returns it as the device told it.")
    return Given(f"{POINT}-{RUNNING}", text=str(text))


def _datastore(result: Mapping[str, t.Any], arguments: Mapping[str, t.Any]) -> Given | None:
    text = result.get("stdout")
    if not isinstance(text, str):
        return None
    if arguments.get("filter"):
        raise CaptureError("a filter leaves out a part of the configuration", remedy="Ask without filter.")
    component = _DATASTORES.get(str(arguments.get("source")))
    if component is None:
        raise CaptureError("what was asked is no configuration alone", remedy="Ask with source running or startup.")
    return Given(component, text=str(text))


def text_of(found: Given) -> tuple[bytes, BackupFile | None]:
    """The bytes of a configuration, with the file that they are from.

    :raises CaptureError: the file cannot be read, or may be another's.
    """
    if found.path is not None:
        return backup_file.read(Path(found.path), LIMIT_BYTES)
    try:
        return (found.text or "").encode("utf-8", "surrogateescape"), None
    except UnicodeEncodeError:
        raise CaptureError("what the task returned is no text", item=found.component) from None


def judged(found: Given, text: bytes, platform: Platform | None) -> bytes:
    """The text if it is whole and nothing in it was masked, as far as the platform tells.

    :raises CaptureError: it is not; the error holds none of it.
    """
    item = Item(found.component, "", "", form=XML if found.by_netconf else TEXT)
    refusals: tuple[Rule, ...] = ()
    structure = None
    if platform is not None and not found.by_netconf:
        item = dataclasses.replace(platform.item(RUNNING) or item, name=found.component)
        structure = platform.structure
        refusals = platform.dialogue.refusals if platform.dialogue else ()
    whole = completeness.judged(item, text, refusals, structure=structure)
    if _masked(whole, Redactor(tuple(rule.pattern for rule in platform.secrets) if platform else ())):
        raise CaptureError(
            "something in it was masked: no restore could use it",
            item=found.component,
            remedy="Let the login see secrets, and use a password that no line of the configuration holds.",
        )
    return whole


def _masked(text: bytes, redactor: Redactor) -> bool:
    """Whether a mask stands where a secret does; descriptions and banners are drawn with stars as well."""
    if _MASK.search(text):
        return True
    lines = text.decode("utf-8", "surrogateescape").splitlines()
    return any(_hides(piece, redactor) for line in lines if _STARS.search(line) for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    """A line as a redactor takes it: one that is too long in pieces that overlap."""
    half = LINE_CHARACTERS // 2
    return (line[at : at + LINE_CHARACTERS] for at in range(0, max(len(line) - half, 1), half))


def _hides(line: str, redactor: Redactor) -> bool:
    return len(_STARS.findall(redactor.line(line))) < len(_STARS.findall(line))


def meaning(found: Given, text: bytes, platform: Platform | None) -> str:
    """A SHA-256 that two texts have in common which differ, as far as the platform tells, in nothing that is drift.

    Modules cut headers in several ways, and a device writes the time of its answer into each.

    :raises CaptureError: matching takes more than a minute of processor time.
    """
    if platform is not None and not found.by_netconf:
        text = normalise.normalised(platform, RUNNING, text)
    return hashlib.sha256(text).hexdigest()


def declared(found: Given, text: bytes, platform: Platform | None, tier: str | None) -> dict[str, t.Any]:
    """What is pushed, in the words of the snapshot module's option ``content``."""
    item = None if platform is None else platform.item(RUNNING)
    volatile = (*(platform.volatile if platform else ()), *(item.volatile if item else ()))
    return {
        "name": found.component,
        "text": text,
        "volatile": [] if found.by_netconf else [rule.pattern for rule in volatile if _PART not in rule.pattern],
        "secrets": [rule.pattern for rule in platform.secrets] if platform else [],
        **({"tier": tier} if tier else {}),
    }


class Adoption:
    """What was adopted in a run, from the moment that a task returned it until the run ends.

    Of each host and component the last text counts. What stands in a file that tasks of several hosts wrote is no
    host's.
    """

    def __init__(self) -> None:
        self._writers: dict[Path, set[str]] = {}
        self._held: dict[tuple[str, str], Held] = {}
        self._put: list[tuple[PointFolder, Held]] = []
        self._notes: list[Note] = []

    @property
    def waiting(self) -> tuple[Held, ...]:
        """What is in no point yet, and may be put into one."""
        return tuple(one for one in self._held.values() if not self._is_shared(one))

    def wrote(self, host: str, path: str) -> None:
        """Note that a task wrote a file for a host, whatever it holds.

        It is known by its name: a module that renames another file into its place writes the same one.

        :raises CaptureError: nothing can have such a name.
        """
        self._writers.setdefault(backup_file.place(Path(path)), set()).add(host)

    def hold(self, held: Held) -> None:
        """Keep a configuration until it is put into a point, in place of what its host gave before."""
        earlier = self._held.get((held.host, held.component))
        if earlier is not None and earlier.meaning == held.meaning:
            held = dataclasses.replace(held, files=(*earlier.files, *held.files))
        elif earlier is not None:
            told = f"what task {earlier.task!r} returned before was another text, and is not adopted"
            held = dataclasses.replace(held, doubt="; ".join(filter(None, (held.doubt, told))))
        self._held[held.host, held.component] = held

    def refuse(self, host: str, task: str, problem: str) -> None:
        """Note why a task's configuration is not adopted."""
        note = Note(host, task, "", "", sealed=False, problem=problem)
        if note not in self._notes:
            self._notes.append(note)

    def put(
        self,
        folder: PointFolder,
        held: Iterable[Held],
        store: Callable[[], Store],
        keyring: Callable[[], Keyring],
        *,
        writer: str,
    ) -> None:
        """Put configurations into an open point; why one could not be is noted, and stands in its receipt."""
        check = folder.read_open().check
        for one in held:
            try:
                snapshot.snapshot(
                    folder,
                    Pushed(),
                    host=one.host,
                    policy=functools.partial(_same, one.policy),
                    store=store,
                    writer=writer,
                    host_id=functools.partial(_same, one.host_id),
                    keyring=keyring,
                    pushed=(one.component,),
                    check=check,
                )
            except HoldfastError as e:
                self.refuse(one.host, one.task, str(e))
            except Exception as e:  # noqa: BLE001  # one host's text must not keep those of the others
                self.refuse(one.host, one.task, f"it could not be put into {folder.point}: {type(e).__name__}")
            else:
                # its text leaves memory with its policy
                self._put.append((folder, dataclasses.replace(one, policy=Policy({}, {}, ()))))
            del self._held[one.host, one.component]

    def end(self, *, remove: bool) -> tuple[Note, ...]:
        """What became of all, once every point is sealed that will be.

        :param remove: remove the files of cleartext whose texts are sealed.
        """
        for one in self._held.values():
            self.refuse(one.host, one.task, _SHARED if self._is_shared(one) else "no recovery point took it")
        return (*(self._ended(folder, one, remove=remove) for folder, one in self._put), *self._notes)

    def _ended(self, folder: PointFolder, one: Held, *, remove: bool) -> Note:
        done = folder.read_sealed()
        check = folder.read_open().check
        sealed = bool(done and done["id"] and one.host not in done["failed"])
        problem = one.doubt
        if not sealed:
            problem = "check mode stores nothing" if check else "it is not sealed"
        elif self._is_shared(one):
            # it was sealed before the other host's task ran, or was heard of
            problem = "; ".join(filter(None, (problem, _SHARED)))
        elif remove:
            problem = "; ".join(filter(None, (problem, *map(_removed, one.files))))
        return Note(one.host, one.task, one.component, folder.point, sealed, problem)

    def _is_shared(self, one: Held) -> bool:
        return any(len(self._writers.get(file.path, ())) > 1 for file in one.files)


def _same(value: T) -> T:
    return value


def _removed(file: BackupFile) -> str:
    """Why a file could not be removed; empty where it was."""
    try:
        backup_file.remove(file)
    except HoldfastError as e:
        return str(e)
    return ""


def joined(
    state_dir: Path, run: str, waiting: Iterable[Held], fits: Callable[[OpenPoint, Held], bool]
) -> list[tuple[PointFolder, list[Held]]]:
    """Which configurations go into which open points of a run: of several that expect a host into the newest.

    :param fits: whether a point is of the repository that a configuration belongs to.
    """
    unsealed = [one for one in open_points(state_dir, run) if not one.single and one.read_sealed() is None]
    points = sorted(((one.read_open(), one) for one in unsealed), key=lambda point: -point[0].monotonic)
    expecting = [(opened, frozenset(opened.expected), folder, list[Held]()) for opened, folder in points]
    for held in waiting:
        for opened, hosts, _folder, taken in expecting:
            if held.host in hosts and fits(opened, held):
                taken.append(held)
                break
    return [(folder, taken) for _opened, _hosts, folder, taken in expecting if taken]


def write(state_dir: Path, run: str, notes: Iterable[Note]) -> Path:
    """Keep what became of all as JSON in the run folder; raises OSError."""
    path = state_dir / "runs" / run / "adoption.json"
    run_folder.write_whole(path, json.dumps([dataclasses.asdict(note) for note in notes], indent=2).encode() + b"\n")
    return path


def lines(notes: Iterable[Note], *, most: int = 20) -> list[str]:
    """What a person reads at the end of a run: a count, and each configuration that somebody must look at."""
    every = list(notes)
    if not every:
        return []
    sealed = [note for note in every if note.sealed]
    odd = [note for note in every if note.problem]
    lost = len(every) - len(sealed)
    head = f"adopted         {len(sealed):,} sealed" + (f", {lost:,} NOT" if lost else "")
    more = [f"  and {len(odd) - most:,} more"] if len(odd) > most else []
    return [head, *(f"  {note}" for note in odd[:most]), *more]
