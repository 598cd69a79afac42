# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read objects and hold them against their names, their manifests and their keys: what takes the time of a verify.

All of this may run in a process of its own, so it says what it found and changes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from ..capture import wire
from ..errors import (
    ArchivedError,
    CorruptError,
    FormatError,
    HoldfastError,
    KeyDestroyedError,
    KeyMissingError,
    ObjectMissingError,
    UnknownVersionError,
    WrongKeyError,
)
from ..format import entries as entries_format
from ..format import names
from ..format.pack import Pack
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model.keys import ClassYearKey
from ..model.point import StreamEntry
from ..model.snapshot import Manifest
from ..model.verification import Finding, Level, Severity, Source
from ..store.base import Listed
from . import destroyed, objects, open_snapshot, snapshot
from .repository import Repository

RIGHT = "right"

# the key that a pack's identity was wrapped under, and what came of it
Wrapped = tuple[ClassYearKey, bytes]


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is read together.

    ``objects`` are read and held against their names. ``told`` is what points say of the snapshot, if it is one:
    then its manifest is held against that, and at the deepest level its pack opened.
    """

    objects: tuple[str, ...]
    told: tuple[StreamEntry, ...] = ()

    @property
    def name(self) -> str:
        """What it is called: the manifest of a snapshot, else the object."""
        return self.told[0].manifest.name if self.told else self.objects[0]

    @property
    def reads(self) -> tuple[str, ...]:
        """The objects that are read: of a snapshot that is only held against what points say, its manifest."""
        return self.objects or (self.name,)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was found of a unit.

    ``content`` says what is wrong with objects, ``snapshot`` what with the snapshot. ``damaged`` are the objects that
    nobody can use as they are, ``resting`` those that an archive class keeps from being read. ``opened``: the pack was
    opened and compared. ``keyless`` says why it was not, where a key is missing. ``unreadable``: people had its key
    destroyed, which damages nothing.
    """

    content: tuple[Finding, ...] = ()
    snapshot: tuple[Finding, ...] = ()
    damaged: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    opened: bool = False
    keyless: KeyMissingError | None = None
    unreadable: bool = False

    @property
    def right(self) -> bool:
        """Whether everything was read, and can be used."""
        return not self.damaged and not self.resting and self.keyless is None and not self.unreadable

    @property
    def clean(self) -> bool:
        """Whether everything was read, and nothing is to be said of it."""
        return not self.content and not self.snapshot and not self.resting


class Reader:
    """Reads units of one repository down to one level.

    :param keyring: for the deepest level. A process of its own may use what it was given before it was forked.
    :param listed: the versions of every object.
    """

    def __init__(
        self,
        repository: Repository,
        level: Level,
        keyring: Keyring | None,
        listed: Mapping[str, Sequence[Listed]],
    ) -> None:
        self._repository = repository
        self._level = level
        self._keyring = keyring
        self._listed = listed
        self._host_keys: dict[tuple[str, str], bytes | None] = {}
        self._unwrapped: dict[Wrapped, str | HoldfastError] = {}
        self._gone: destroyed.Gone | None = None

    @property
    def opens_together(self) -> bool:
        """Whether packs are to be opened whose keyring opens many identities with a call."""
        return self._level >= Level.KEYS and self._keyring is not None and self._keyring.opens_together

    def wrapped(self, unit: Unit) -> Wrapped | None:
        """What a snapshot's manifest says of its pack's key; None where it is not believed: :meth:`read` says why.

        :raises StoreError: the store does not answer, or does not let this identity read.
        """
        try:
            manifest = open_snapshot.read_manifest(self._repository, unit.told[0])
            return open_snapshot.wrap_key(self._repository.chain, manifest), manifest.key.wrapped
        except (ArchivedError, FormatError, ObjectMissingError, CorruptError):
            return None

    def unwrap_ahead(self, found: Iterable[Wrapped | None]) -> None:
        """Unwrap all of these, and key digests, by calls of this process alone: those that it forks ask nobody.

        :raises KeyringError, TransientError: the keyring cannot be used, or its server does not answer.
        """
        if self._keyring is None:
            return
        self.digest_keys()
        of: dict[ClassYearKey, list[bytes]] = {}
        for key, wrapped in dict.fromkeys(pair for pair in found if pair is not None):
            of.setdefault(key, []).append(wrapped)
        for key, many in of.items():
            try:
                secrets: Sequence[str | HoldfastError] = self._keyring.unwrap_all(key, many)
            except (KeyMissingError, WrongKeyError, UnknownVersionError) as e:
                secrets = [e] * len(many)
            self._unwrapped.update(((key, wrapped), secret) for wrapped, secret in zip(many, secrets, strict=True))

    def read(self, unit: Unit) -> Outcome:
        """Read all of a unit.

        :raises KeyMissingError: a pack is to be opened, and there is no keyring at all.
        :raises StoreError: the store does not answer, or does not let this identity read; or the keyring's server does
            not answer.
        :raises KeyringError: the keyring cannot be used as it is.
        """
        outcome = Outcome()
        held: dict[str, bytes] = {}
        for name in unit.objects:
            outcome = _joined(outcome, self._versions(name, held))
        return _joined(outcome, self._snapshot(unit, held)) if unit.told else outcome

    def _versions(self, name: str, held: dict[str, bytes]) -> Outcome:
        """Read every version of an object: one must have the digest in the name, and each should."""
        sha256 = names.parse(name).sha256
        right: list[str] = []
        wrong: list[str] = []
        unread: list[str] = []
        resting = False
        for listed in self._listed[name]:
            if listed.marker:
                continue
            try:
                data = self._repository.store.get(name, version=listed.version)
            except ArchivedError:
                resting = True
                continue
            except (ObjectMissingError, CorruptError):
                unread.append(listed.version)
                continue
            if hashlib.sha256(data).hexdigest() == sha256:
                right.append(listed.version)
                held[name] = data
            else:
                wrong.append(listed.version)
        return self._judged(name, right, wrong, unread, resting=resting)

    def _judged(
        self, name: str, right: Sequence[str], wrong: Sequence[str], unread: Sequence[str], *, resting: bool
    ) -> Outcome:
        bad = (*wrong, *unread)
        left = (name,) if resting and not right else ()
        if right or (resting and not bad):
            beside = [
                Finding(
                    Severity.WARNING,
                    name,
                    f"{len(versions)} other versions of it {problem}",
                    f"Nothing is lost: readers use the right one. {remedy}",
                    versions=tuple(versions),
                    restore_from=tuple(Source(RIGHT, version=version) for version in right[-1:]),
                )
                for versions, problem, remedy in (
                    (wrong, "do not have the digest it is named by", "Find out who can put into this store."),
                    (unread, "are listed and cannot be read", "Look at what the store says of them."),
                )
                if versions
            ]
            return Outcome(content=tuple(beside), resting=left)
        if not bad:
            # nothing but delete markers: what should be there, the points say
            return Outcome()
        problem = "does not have the digest it is named by" if wrong else "is listed and cannot be read"
        found = Finding(
            Severity.ERROR,
            name,
            problem,
            "Do not use it; look for it in a replica, and find out who changed it.",
            versions=bad,
        )
        return Outcome(content=(found,), damaged=(name,), resting=left)

    def _snapshot(self, unit: Unit, held: Mapping[str, bytes]) -> Outcome:
        """Hold a manifest against what each of the points says of it, and its pack against the manifest."""
        first = unit.told[0]
        name = first.manifest.name
        try:
            if name in held:
                manifest = open_snapshot.believed_manifest(self._repository, first, held[name])
            else:
                manifest = open_snapshot.read_manifest(self._repository, first)
            for other in unit.told[1:]:
                open_snapshot.check_manifest(manifest, other)
        except ArchivedError:
            return Outcome(resting=(name,))
        except (FormatError, ObjectMissingError, CorruptError) as e:
            return Outcome(snapshot=(_unrestorable(name, first, e),), damaged=(name,))
        if self._level < Level.KEYS or first.pack.name not in self._listed:
            return Outcome()
        return self._open(manifest, first, held)

    def _open(self, manifest: Manifest, entry: StreamEntry, held: Mapping[str, bytes]) -> Outcome:
        pack = entry.pack.name
        if self._keyring is None:
            raise KeyMissingError("level keys needs a keyring with its open half")
        try:
            sealed = held.get(pack)
            if sealed is None:
                sealed = objects.read(self._repository.store, pack, version=entry.pack.version)
            try:
                secret = self._unwrap(self._keyring, manifest)
            except (KeyMissingError, WrongKeyError):
                gone = self._key_destroyed(manifest)
                if gone is not None:
                    return Outcome(snapshot=(_unreadable(pack, entry, gone),), unreadable=True)
                raise
            lies = tuple(self.lies(manifest, open_snapshot.open_pack(sealed, secret, manifest)))
        except KeyMissingError as e:
            found = Finding(Severity.WARNING, pack, f"was not opened: {e.message}", "Verify it where that key is.")
            return Outcome(snapshot=(found,), keyless=e)
        except ArchivedError:
            return Outcome(resting=(pack,))
        except (WrongKeyError, FormatError, ObjectMissingError, CorruptError) as e:
            # no other: a server that is away says nothing of a pack
            return Outcome(snapshot=(_unrestorable(pack, entry, e),), damaged=(pack,))
        return Outcome(snapshot=lies, damaged=(pack,) if lies else (), opened=True)

    def _key_destroyed(self, manifest: Manifest) -> KeyDestroyedError | None:
        """That the key of a pack was destroyed; None where no record tells so. Records are read once."""
        if self._gone is None:
            self._gone = destroyed.read(self._repository, now=objects.now(self._repository.store))
        return destroyed.error_of(self._gone, open_snapshot.key_id(manifest), manifest.escrow)

    def _unwrap(self, keyring: Keyring, manifest: Manifest) -> str:
        key = open_snapshot.wrap_key(self._repository.chain, manifest)
        secret = self._unwrapped.get((key, manifest.key.wrapped))
        if secret is None:
            secret = keyring.unwrap(key, manifest.key.wrapped)
        if isinstance(secret, HoldfastError):
            raise secret
        return open_snapshot.packs_own(secret, manifest)

    def lies(self, manifest: Manifest, packed: Pack) -> Iterable[Finding]:
        """Hold every entry and fingerprint of a manifest against the pack, where the digest key is at hand."""
        key = self._host_key(manifest)
        if key is None:
            return
        for part, told in zip(packed.components, manifest.components, strict=True):
            absent = [left.path for left in told.left_out if left.reason == "absent"]
            plain = wire.fingerprint(told.component, part.entries, absent, part.contents)
            found = snapshot.key_fingerprint(plain, manifest.digest_key, {manifest.digest_key: key})
            # another normaliser's digest cannot be made again here
            lies = found.normaliser == told.fingerprint.normaliser and found.normalised != told.fingerprint.normalised
            if found.raw != told.fingerprint.raw or lies:
                yield _lie(manifest, f"component {part.name}")
            for entry, keyed in zip(part.entries, told.entries, strict=True):
                content = entries_format.digest_input(entry)
                digest = "" if content is None else keys.keyed(key, content)
                xattrs = {name: keys.keyed(key, value) for name, value in entry.xattrs.items()}
                if (digest, xattrs) != (keyed.digest, dict(keyed.xattr_digests)):
                    yield _lie(manifest, repr(entry.path))

    def digest_keys(self) -> list[str]:
        """The ids of the digest keys that are at hand: with them the deepest level compares more."""
        root = self._repository.root
        return [key.id for key in root.keys.digest if self._run_key(key.id) is not None]

    def _host_key(self, manifest: Manifest) -> bytes | None:
        wanted = (manifest.digest_key, manifest.host_id)
        if wanted not in self._host_keys:
            run_key = self._run_key(manifest.digest_key)
            self._host_keys[wanted] = None if run_key is None else keys.host_key(run_key, manifest.host_id)
        return self._host_keys[wanted]

    def _run_key(self, key_id: str) -> bytes | None:
        root = self._repository.root
        known = next((key for key in root.keys.digest if key.id == key_id), None)
        if known is None or self._keyring is None:
            return None
        try:
            return self._keyring.digest_key(known, repository=root.repository)
        except KeyMissingError:
            # who restores need not hold the digest key; the pack's own digests were compared
            return None


def _joined(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(
        content=one.content + other.content,
        snapshot=one.snapshot + other.snapshot,
        damaged=tuple(dict.fromkeys(one.damaged + other.damaged)),
        resting=tuple(dict.fromkeys(one.resting + other.resting)),
        opened=one.opened or other.opened,
        keyless=one.keyless or other.keyless,
        unreadable=one.unreadable or other.unreadable,
    )


def _unrestorable(item: str, entry: StreamEntry, error: HoldfastError) -> Finding:
    return Finding(
        Severity.ERROR,
        item,
        f"{error.message}: snapshot {entry.host}/{entry.stream} cannot be restored from here",
        error.remedy or "Look for it in a replica.",
    )


def _unreadable(item: str, entry: StreamEntry, gone: KeyDestroyedError) -> Finding:
    return Finding(
        Severity.NOTE,
        item,
        f"{gone.message}: nobody can open snapshot {entry.host}/{entry.stream}, which is not damaged",
        "Nothing is to be done: it expires by itself.",
    )


def _lie(manifest: Manifest, what: str) -> Finding:
    return Finding(
        Severity.ERROR,
        manifest.pack.name,
        f"{what} is not what its manifest says",
        "Do not restore it; find out who wrote this manifest.",
    )
