# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States of a host to compare: as its snapshots hold it, told by their packs or by digests alone, and as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..capture import wire
from ..capture.base import Source
from ..capture.composite import Composite
from ..capture.host import Host
from ..errors import KeyMissingError
from ..format import entries as entries_format
from ..format.pack import PackedComponent
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model.component import FILES, Component
from ..model.content import ComponentContent
from ..model.difference import NotCompared, Side
from ..model.entry import Entry, EntryKind, LeftOut
from ..model.snapshot import CapturedComponent, KeyedEntry, Manifest
from ..model.sources import CONTENT
from .choose import Chosen, Selection, choose
from .open_snapshot import Opened, open_all, read_manifest, timed
from .repository import Repository
from .wanted import merged

_LINKS = (EntryKind.SYMLINK, EntryKind.HARDLINK)


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A side: snapshots of *host*, which is its identity or one of its names; ``host_id`` is that, where known."""

    host: str
    selection: Selection
    host_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Live:
    """A side: *host* as it is now."""

    host: str
    target: LookedAt


class LookedAt(Host):
    """A host that is looked at; what its components leave out is kept, by component.

    :param device: gives what it is asked for as a device.
    """

    def __init__(self, trip: wire.Trip, *, root: str = "/", device: Source | None = None) -> None:
        super().__init__(trip, root=root)
        self.device = device
        self.left_out: dict[str, tuple[LeftOut, ...]] = {}

    def _ask(
        self, op: str, components: Sequence[Component], *, absent: str = "error"
    ) -> tuple[dict[str, object], bytes]:
        header, contents = super()._ask(op, components, absent=absent)
        if op == "entries":
            told = wire.read_fingerprints(components, header)
            self.left_out.update({name: one.left_out for name, one in told.items()})
        return header, contents


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """What was chosen for a side, with the manifest of each snapshot."""

    asked: Sealed
    chosen: tuple[Chosen, ...]
    manifests: tuple[Manifest, ...]

    @property
    def captured(self) -> dict[str, CapturedComponent]:
        """The chosen components as their snapshots hold them, by name."""
        return {
            part.component.name: part
            for one, manifest in zip(self.chosen, self.manifests, strict=True)
            for part in manifest.components
            if part.component.name in one.components
        }

    @property
    def manifest_of(self) -> dict[str, Manifest]:
        """The manifest that each chosen component stands in."""
        return {
            name: manifest for one, manifest in zip(self.chosen, self.manifests, strict=True) for name in one.components
        }


def find(repository: Repository, asked: Sealed, seconds: dict[str, float]) -> Snapshots:
    """Choose the snapshots of a side and read their manifests; as :func:`choose` and :func:`read_manifest`."""
    with timed(seconds, "find"):
        chosen = choose(repository, asked.host, asked.selection, host_id=asked.host_id)
    with timed(seconds, "fetch"):
        return Snapshots(asked, chosen, tuple(read_manifest(repository, one.entry) for one in chosen))


@dataclasses.dataclass(frozen=True)
class State:
    """A side as it is compared.

    ``entries`` are what is compared: where digests tell, these stand for contents, targets and values of extended
    attributes. ``shown`` are the same paths as far as they are known. ``captured`` are the components whose paths these
    are, with what they leave out there.
    """

    entries: Mapping[str, Entry]
    owner: Mapping[str, str]
    shown: Mapping[str, Entry]
    captured: tuple[CapturedComponent, ...]
    contents: Mapping[str, bytes] | None = None

    def speaks_for(self, path: str) -> bool:
        """Whether this side would hold *path* if its host had it."""
        return any(part.speaks_for(path) for part in self.captured)

    def side(self, *, content: bool) -> Side:
        """What a comparison keeps of it.

        :param content: with what there is to show.
        """
        return Side(self.shown, self.owner, self.contents if content else None)


def by_content(
    repository: Repository,
    keyring: Keyring,
    found: Snapshots,
    names: Collection[str],
    seconds: dict[str, float],
) -> State:
    """A side of whose packs everything is known; as :func:`open_all`."""
    chosen = [one for one in found.chosen if set(one.components) & set(names)]
    opened = open_all(repository, keyring, chosen, seconds)
    tree = merged([_only(part, names) for part in opened])
    return State(tree.entries, tree.owner, tree.entries, tree.captured, tree.contents)


def by_digests(found: Snapshots, names: Collection[str]) -> State:
    """A side of which only names, attributes and keyed digests are known."""
    read = [
        Opened(one, manifest, tuple(_packed(part) for part in manifest.components), {})
        for one, manifest in zip(found.chosen, found.manifests, strict=True)
    ]
    tree = merged([_only(part, set(names) & set(part.chosen.components)) for part in read])
    shown = {path: dataclasses.replace(entry, sha256="", target="") for path, entry in tree.entries.items()}
    return State(tree.entries, tree.owner, shown, tree.captured)


def _only(opened: Opened, names: Collection[str]) -> Opened:
    return dataclasses.replace(opened, parts=tuple(part for part in opened.parts if part.name in names))


def _packed(part: CapturedComponent) -> PackedComponent:
    return PackedComponent(part.component.name, tuple(_from_keyed(entry) for entry in part.entries), {})


def _from_keyed(keyed: KeyedEntry) -> Entry:
    return _with_digests(keyed.entry, keyed.digest, keyed.xattr_digests)


def _keyed(entry: Entry, key: bytes) -> Entry:
    """A plain entry with what stands for it in a manifest under that key."""
    plain = entries_format.digest_input(entry)
    digest = "" if plain is None else keys.keyed(key, plain)
    return _with_digests(entry, digest, {name: keys.keyed(key, value) for name, value in entry.xattrs.items()})


def _with_digests(entry: Entry, digest: str, xattrs: Mapping[str, str]) -> Entry:
    return dataclasses.replace(
        entry,
        sha256=digest if entry.kind is EntryKind.FILE else "",
        target=digest if entry.kind in _LINKS else "",
        xattrs={name: value.encode("ascii") for name, value in xattrs.items()},
    )


class HostKeys:
    """The digest keys of hosts under which manifests were written, as far as this keyring has them."""

    def __init__(self, repository: Repository, keyring: Keyring | None) -> None:
        self._repository = repository
        self._keyring = keyring
        self._run_keys: dict[str, bytes] = {}

    def of(self, manifest: Manifest) -> bytes:
        """The key of a manifest's digests; raises KeyMissingError where the seal half is not here."""
        links = reversed(self._repository.chain.links)
        known = next((key for link in links for key in link.root.keys.digest if key.id == manifest.digest_key), None)
        if self._keyring is None or known is None:
            raise KeyMissingError("the digest key of this manifest is not here", item=manifest.digest_key)
        if known.id not in self._run_keys:
            self._run_keys[known.id] = self._keyring.digest_key(known, repository=self._repository.name)
        return keys.host_key(self._run_keys[known.id], manifest.host_id)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What stands on a host now of components that snapshots hold; ``privileged`` says that its half runs as root."""

    listings: Mapping[str, tuple[Entry, ...]]
    texts: Mapping[str, ComponentContent]
    left_out: Mapping[str, tuple[LeftOut, ...]]
    not_compared: tuple[NotCompared, ...]
    privileged: bool


def look(target: LookedAt, captured: Iterable[CapturedComponent], declared: Mapping[str, Component]) -> Seen:
    """Look at a host as its snapshots did.

    :param declared: what it takes to ask sources other than files, by component; these are asked only as they were.
    :raises CaptureError: the host, or another source, did not give what was asked.
    """
    components = [part.component for part in captured]
    files = [one for one in components if one.kind == FILES]
    texts, refused = [], []
    for one in components:
        if one.kind != FILES:
            reason = _cannot_ask(one, declared.get(one.name))
            if reason:
                refused.append(NotCompared(one.name, reason))
            else:
                own = declared[one.name]
                texts.append(dataclasses.replace(one, means=own.means, max_bytes=own.max_bytes))
    survey = target.survey(files) if files else None
    found = Composite(target, target.device).content(texts)
    listings = {} if survey is None else dict(survey.entries)
    listings.update({name: part.entries for name, part in found.items()})
    left_out = {**target.left_out, **{name: part.left_out for name, part in found.items() if part.left_out}}
    return Seen(listings, found, left_out, tuple(refused), survey is None or survey.privileged)


def _cannot_ask(sealed: Component, declared: Component | None) -> str:
    if sealed.kind == CONTENT:
        return "a task pushes it"
    if declared is None:
        return f"it is not declared, and a {sealed.kind} is asked only as the inventory says"
    if (declared.kind, declared.source) != (sealed.kind, sealed.source):
        return "it is declared otherwise now"
    return ""


def live_state(seen: Seen, before: State, found: Snapshots, host_keys: HostKeys | None) -> State:
    """A host as it is, to be compared with *before*.

    :param found: the snapshots of *before*.
    :param host_keys: where *before* is known by digests only: what is on the host is keyed alike.
    """
    captured = tuple(
        dataclasses.replace(part, left_out=seen.left_out.get(part.component.name, ())) for part in before.captured
    )
    listed = {part.component.name: {e.path: e for e in seen.listings[part.component.name]} for part in captured}
    owner = {path: name for name, entries in listed.items() for path in entries}
    # where components overlap, that one's listing counts whose path it is on the other side
    owner.update({path: name for path, name in before.owner.items() if path in listed[name]})
    plain = {path: listed[name][path] for path, name in owner.items()}
    contents = {path: data for part in seen.texts.values() for path, data in part.contents.items() if path in plain}
    entries = shown = plain
    if host_keys is not None:
        key = {name: host_keys.of(manifest) for name, manifest in found.manifest_of.items() if name in listed}
        entries = {path: _keyed(entry, key[owner[path]]) for path, entry in plain.items()}
        # of these only names are shown, of those that differ
        shown = {path: dataclasses.replace(entry, xattrs=entries[path].xattrs) for path, entry in plain.items()}
    return State(entries, owner, shown, captured, contents)
