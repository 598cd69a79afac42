# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a git repository up to date with the redacted texts of recovery points, one commit for each that changed one.

A mirror is a view that people read, search and blame; nothing is ever restored from it. How far it is stands in its own
commits, so that any controller goes on with it, several at once, and one that is lost is made anew.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..errors import (
    ArchivedError,
    FormatError,
    KeyDestroyedError,
    KeyMissingError,
    ObjectMissingError,
    PolicyError,
    UnsoundError,
    WrongKeyError,
)
from ..keyring.base import Keyring
from ..mirror.branch import POINT, REPOSITORY, Branch, Change, Seen, Tree
from ..mirror.note import Note
from ..mirror.paths import segment
from ..model import instant
from ..model.component import Component
from ..model.point import StreamEntry, StreamState
from ..model.redaction import visible
from . import mirror_text, points
from .choose import Chosen
from .mirror_text import NotMirrored, Settings, Texts
from .open_snapshot import open_snapshot
from .points import Point
from .repository import Repository

# A controller whose point was put late: what was sealed up to so long before the newest commit's is looked for still.
LATE = dt.timedelta(days=1)
NAMED = 20
# Texts that are held at once, unless a single point has more: so many bytes, of so many points, are pushed together.
MOST_BYTES = 64 * 1024 * 1024
MOST_POINTS = 1000
_ROUNDS = 50
_NOBODY = "holdfast.config"
_SPACE = re.compile(r"\s+")

# The components that the inventory declares for a host, by its name and identity; None where it does not know it.
Declared = Callable[[str, str], Sequence[Component] | None]


@dataclasses.dataclass(frozen=True)
class Commit:
    """A commit that was made, or in check mode would be: of which point, and which paths it wrote and removed."""

    point: str
    sealed_at: dt.datetime
    author: str
    change: str
    written: tuple[str, ...]
    removed: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Mirrored:
    """What became of a mirror. ``head`` is its newest commit, ``waiting`` how many points were looked at."""

    commits: tuple[Commit, ...]
    head: str | None
    waiting: int
    not_mirrored: tuple[NotMirrored, ...]
    damaged: tuple[str, ...]
    warnings: tuple[str, ...]


def mirror(
    repository: Repository,
    keyring: Keyring,
    branch: Branch,
    settings: Settings,
    declared: Declared,
    *,
    history: bool = True,
    check: bool = False,
) -> Mirrored:
    """Put a commit on *branch* for each recovery point since the last one that changes a text.

    Where another run was faster, the branch is read again and what it lacks still is put on top. What was pushed before
    an error stays, and the next run goes on from there.

    :param history: where it has no commit of this repository yet, begin with the first point; else with the newest one.
    :param check: push nothing.
    :raises KeyMissingError, WrongKeyError: the open half of the keyring is not here.
    :raises MirrorError: git did not take it; what other runs have put stays.
    :raises PolicyError: a layout that goes on with a history, and no such branch; another repository's mirror.
    """
    reader = _Reader(repository, keyring, settings, declared)
    commits: list[Commit] = []
    waiting: set[str] = set()
    with branch.connected():
        note = branch.note(f"{repository.name}\0{settings!r}")
        for _round in range(_ROUNDS):
            seen = branch.read(branch.fetch(), repository.name)
            if seen.others:
                raise settings.of_another(branch.name, seen.others[0])
            if seen.head is None and settings.layout.one_text:
                raise settings.no_history(branch.name)
            looked_at = None if seen.last is None else Note.read(note, seen.last)
            plan = _Plan(repository, reader, seen, looked_at, settings, history=history)
            waiting.update(point.id for point in plan.pending)
            head = seen.head
            for changes, made in plan.made(branch):
                if changes and not check:
                    pushed = branch.push(head, changes)
                    if pushed is None:
                        break
                    head = pushed
                commits += made
                reader.forget()
            else:
                last = seen.last if head == seen.head else branch.read(head, repository.name).last
                if last is not None and plan.settled and not check:
                    plan.note(last).write(note)
                return Mirrored(
                    tuple(commits),
                    head,
                    len(waiting),
                    tuple(reader.left_out),
                    tuple(dict.fromkeys(reader.damaged)),
                    tuple(dict.fromkeys((*plan.warnings, *reader.warnings))),
                )
    raise settings.too_busy(branch.remote.url)


class _Reader:
    """Opens snapshots, and gives what may be shown of them.

    ``left_out`` is what was not shown and why, ``unsettled`` the manifests of which more may be shown at another time.
    """

    def __init__(self, repository: Repository, keyring: Keyring, settings: Settings, declared: Declared) -> None:
        self._repository = repository
        self._keyring = keyring
        self._settings = settings
        self._declared = declared
        self._components: dict[str, Mapping[str, Component] | None] = {}
        self._texts: dict[str, Texts | None] = {}
        self.left_out: dict[NotMirrored, None] = {}
        self.unsettled: set[str] = set()
        self.damaged: list[str] = []
        self.warnings: list[str] = []
        # hosts whose components cannot be read
        self._unreadable: set[str] = set()

    def texts(self, entry: StreamEntry) -> Texts | None:
        """The texts of a snapshot, None where it cannot be read: that is told once."""
        key = entry.manifest.sha256
        if key not in self._texts:
            found = self._texts[key] = self._read(entry)
            left_out = () if found is None else found.left_out
            self.left_out.update(dict.fromkeys(left_out))
            if found is None or any(one.reason in mirror_text.UNSETTLED for one in left_out):
                self.unsettled.add(key)
        return self._texts[key]

    def forget(self) -> None:
        """Let go of all texts."""
        self._texts.clear()

    def _read(self, entry: StreamEntry) -> Texts | None:
        names = tuple(part.component for part in entry.fingerprints if self._settings.takes(part.component))
        if not names:
            return Texts({}, ())
        told = f"snapshot {entry.manifest.sha256[:12]} of {visible(entry.spoken)}"
        known = self._known(entry)
        if entry.host_id in self._unreadable:
            reason = "declared in a way that cannot be read, so that its secrets are not known"
            self.left_out.update((NotMirrored(entry.name, name, "", reason), None) for name in names)
            return None
        try:
            opened = open_snapshot(self._repository, self._keyring, Chosen(entry, names))
            return mirror_text.texts(opened, known, self._settings)
        except (KeyDestroyedError, ArchivedError) as e:
            self.warnings.append(f"{told} is not mirrored: {e.message}")
            return None
        except (KeyMissingError, WrongKeyError) as e:
            e.remedy = "Run this where the open half of the keyring is: a mirror is made by who may restore."
            raise e.at(entry.name) from e
        except (FormatError, ObjectMissingError) as e:
            self.damaged.append(f"{told}: {e.message}")
            return None

    def _known(self, entry: StreamEntry) -> Mapping[str, Component] | None:
        if entry.host_id not in self._components:
            try:
                found = self._declared(entry.name, entry.host_id)
            except PolicyError as e:
                found = None
                self._unreadable.add(entry.host_id)
                self.warnings.append(
                    f"{visible(entry.name)} is not mirrored, since what the inventory declares for it cannot be read:"
                    f" {e.message}"
                )
            self._components[entry.host_id] = None if found is None else {one.name: one for one in found}
        return self._components[entry.host_id]


class _Plan:
    """What a branch lacks, as commits on top of what was read of it.

    ``settled`` are those of its points that need not be looked at again.
    """

    def __init__(
        self,
        repository: Repository,
        reader: _Reader,
        seen: Seen,
        note: Note | None,
        settings: Settings,
        *,
        history: bool,
    ) -> None:
        self._repository = repository
        self._reader = reader
        self._seen = seen
        self._settings = settings
        self._fresh = seen.at is None
        self._at = max(filter(None, (seen.at, None if note is None else note.at)), default=None)
        since = None if self._at is None else self._at - LATE
        found, refused = points.search(repository, lambda _statement: True, since=since)
        found.sort(key=lambda point: (point.body.sealed_at, point.id))
        self.warnings = tuple(f"recovery point {name} is not believed: {error.message}" for name, error in refused)
        # what was sealed before the branch began is not put on top of it
        first = dt.datetime.min.replace(tzinfo=dt.timezone.utc) if seen.first is None else seen.first
        known = seen.points if note is None else seen.points | note.points
        self._known = [point for point in found if point.id in known]
        self.pending = [p for p in found if p.id not in known and p.body.sealed_at >= first]
        self.settled: list[Point] = []
        self._newest: dict[tuple[str, str], StreamEntry] = {}
        for point in self._known:
            self._newest.update(points.newest((*self._newest.values(), *point.body.streams)))
        self._whole: Sequence[StreamEntry] | None = None
        if self._fresh and not history:
            self.pending = self.pending[-1:]
            self._whole = tuple(points.live(repository).streams.values())

    def made(self, branch: Branch) -> Iterator[tuple[list[Change], list[Commit]]]:
        """The commits, oldest point first, as many at a time as are held; what changes no text makes none."""
        if not self.pending:
            return
        own = () if self._settings.layout.one_text else self._seen.commits
        tree = branch.tree(self._seen.head, own)
        changes: list[Change] = []
        commits: list[Commit] = []
        size = count = 0
        for point in self.pending:
            written: dict[str, bytes] = {}
            removed: set[str] = set()
            settled = True
            for entry in self._new(point):
                texts = self._reader.texts(entry)
                settled = settled and entry.manifest.sha256 not in self._reader.unsettled
                size += 0 if texts is None else texts.size
                more, gone = self._settings.placed(entry, texts, tree)
                written.update(more)
                removed = (removed | gone) - more.keys()
            if point is self.pending[-1] and not self._settings.layout.one_text:
                removed |= self._ended(tree) - written.keys()
            new, old = tree.change(written, removed)
            if new or old:
                changes.append(_change(self._repository.name, point, new, old))
                commits.append(_commit(point, changes[-1]))
            if settled:
                self.settled.append(point)
            count += 1
            if size >= MOST_BYTES or count >= MOST_POINTS:
                yield changes, commits
                changes, commits, size, count = [], [], 0, 0
        yield changes, commits

    def note(self, last: str) -> Note:
        """What the next run need not look at, once the newest commit is *last*."""
        done = [*self._known, *self.settled]
        settled = {point.id for point in done}
        moments = [point.body.sealed_at for point in done]
        at = max((*moments, self._at) if self._at is not None else moments)
        at = min((at, *(point.body.sealed_at for point in self.pending if point.id not in settled)))
        return Note(last, at, frozenset(point.id for point in done if point.body.sealed_at >= at - LATE))

    def _new(self, point: Point) -> list[StreamEntry]:
        """The snapshots of a point that the mirror does not have, or something newer of their stream."""
        found = []
        for entry in point.body.streams if self._whole is None else self._whole:
            known = self._newest.get(entry.key)
            # most of it is from git, and of a past that is not this branch's
            if entry.imported is not None:
                continue
            if entry.state is not StreamState.STORED and not self._fresh:
                continue
            if known is None or entry.age_order > known.age_order:
                if known is None or known.manifest.sha256 != entry.manifest.sha256:
                    found.append(entry)
                self._newest[entry.key] = entry
        return found

    def _ended(self, tree: Tree) -> set[str]:
        """The paths of components that no live stream of their host holds any more, and of hosts that have ended."""
        live = points.live(self._repository)
        kept: dict[str, set[str]] = {}
        for entry in live.streams.values():
            kept.setdefault(segment(entry.host_id), set()).update(segment(p.component) for p in entry.fingerprints)
        hosts = {*kept, *(segment(host_id) for host_id, _stream in live.ended)}
        return {
            path
            for host in hosts
            for name in tree.folders(host) - kept.get(host, set())
            for path in tree.below(f"{host}/{name}")
        }


def _change(repository: str, point: Point, written: Mapping[str, bytes], removed: tuple[str, ...]) -> Change:
    return Change(written, removed, author(point), point.body.sealed_at, _message(repository, point))


def _commit(point: Point, change: Change) -> Commit:
    return Commit(
        point.id,
        point.body.sealed_at,
        change.author,
        point.body.change_id,
        tuple(sorted(change.written)),
        change.removed,
    )


def author(point: Point) -> str:
    """Who is named as the author of a point's commit: who asked for its change, else who ran it, else who deployed it.

    ``Name <mail>``; where no address is given, one that nobody has (RFC 2606, section 2).
    """
    change, actor = point.body.change, point.body.actor
    told = (change.get("requester"), actor.get("awx_user"), actor.get("user"), change.get("deployer"))
    given = next((str(one) for one in told if one), _NOBODY)
    text = _line(given)
    match = re.fullmatch(r"(?P<name>[^<>]*?)\s*<(?P<mail>[^<>\s]+@[^<>\s]+)>", text)
    if match:
        return f"{_plain(match['name']) or _plain(match['mail'])} <{match['mail']}>"
    if re.fullmatch(r"[^<>\s]+@[^<>\s]+", text):
        return f"{_plain(text.partition('@')[0]) or text} <{text}>"
    mail = re.sub(r"[^a-z0-9._-]+", ".", text.casefold()).strip(".") or "unknown"
    return f"{_plain(text) or _NOBODY} <{mail}@holdfast.invalid>"


def _plain(name: str) -> str:
    # git itself drops these at both ends of a name, and one that is nothing else is refused
    return re.sub(r"[<>]", "", name).strip(" .,:;\"'\\")


def _line(text: str) -> str:
    """One line of text that a terminal may have, 200 characters at most."""
    return visible(_SPACE.sub(" ", text).strip())[:200]


def _message(repository: str, point: Point) -> str:
    body = point.body
    change = _line(body.change_id)
    own = sorted({_line(entry.name) for entry in body.streams if entry.state is StreamState.STORED})
    more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
    trailers = {
        POINT: point.id,
        REPOSITORY: repository,
        "Holdfast-Run": body.run,
        "Holdfast-Name": body.point,
        "Holdfast-Change": change,
        "Holdfast-Alias": body.alias or "",
    }
    lines = [
        f"{change or body.point}: recovery point {point.id[:12]}",
        "",
        f"Sealed {instant.to_text(body.sealed_at)}, {'complete' if body.complete else 'incomplete'}.",
        *([f"Newly stored: {', '.join(own[:NAMED])}{more}."] if own else []),
        "",
        *(f"{name}: {value}" for name, value in trailers.items() if value),
    ]
    return "\n".join(lines) + "\n"


def require_sound(done: Mirrored, details: Mapping[str, object]) -> None:
    """Raise UnsoundError where snapshots could not be read; the rest is mirrored.

    :param details: the task's result.
    """
    if done.damaged:
        raise UnsoundError(
            f"{len(done.damaged)} snapshots cannot be read, the first: {done.damaged[0]}",
            remedy="Run verify with level content. The mirror holds everything else.",
            details=details,
        )
