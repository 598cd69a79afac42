# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare snapshots of a host with the host as it is, or with other snapshots, of it or of another host.

Nothing is opened where digests can tell: manifests of one host under one digest key are compared as they are, and what
is on a host is keyed as its manifests are, by who holds the digest key. Else the packs are opened.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import glob
import hashlib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

from ...module_utils import _texts
from ..capture import wire
from ..capture.host import Host
from ..capture.normalise import DeviceTexts
from ..capture.patterns import covering
from ..errors import CaptureError, ConnectionLostError, FormatError, KeyMissingError, NotFoundError
from ..keyring.base import Keyring
from ..model.component import FILES, Component
from ..model.difference import (
    ADDED,
    BY_CONTENT,
    BY_DIGESTS,
    CHANGED,
    REMOVED,
    Comparison,
    Difference,
    Label,
    NotCompared,
    Side,
    compare_trees,
)
from ..model.entry import Entry, EntryKind
from ..model.redaction import SECRET_CLASS, Redactor
from ..model.snapshot import CapturedComponent
from ..model.sources import DEVICE
from ..render import lines
from .choose import Chosen, Selection, from_elsewhere, under_open_restores
from .open_snapshot import timed
from .repository import Repository
from .snapshot import key_fingerprint
from .states import (
    HostKeys,
    Live,
    Sealed,
    Seen,
    Snapshots,
    State,
    by_content,
    by_digests,
    find,
    live_state,
    look,
)

# content of a host that is brought to be shown
SHOWN_BYTES = 64 * 1024 * 1024
# who is not root does not even see these
_UNSEEN_XATTRS = ("trusted.",)


def compare(
    repository: Repository,
    keyring: Keyring | None,
    left: Sealed,
    right: Sealed | Live,
    *,
    declared: Sequence[Component] = (),
    paths: Sequence[str] = (),
    content: bool = False,
) -> Comparison:
    """Name every path in which two states differ; nothing is changed anywhere.

    A component is compared where both sides have it. A path that one side leaves out is no difference.

    :param keyring: its open half where packs must be opened, its seal half where digests of a host are keyed. None
        will do for manifests of one host under one digest key.
    :param declared: components as the inventory has them now: their patterns of secrets and of what is volatile, and
        what it takes to ask sources other than files.
    :param paths: only these, with all below them; patterns as in excludes.
    :param content: also bring what may be shown of files that differ, where the open half is there.
    :raises KeyMissingError: neither half that could compare these sides is here.
    :raises NotFoundError: no such snapshot, no component on both sides, or a path that neither side knows.
    :raises CaptureError: the host did not give what was asked.
    """
    seconds: dict[str, float] = {}
    old = find(repository, left, seconds)
    inventory = {one.name: one for one in declared}
    other: Snapshots | Seen
    if isinstance(right, Live):
        with timed(seconds, "survey"):
            other = look(right.target, old.captured.values(), inventory)
        not_compared = other.not_compared
    else:
        other = find(repository, right, seconds)
        not_compared = _on_one_side(old, other)
    names = _compared(left, old, not_compared)
    states = _States(repository, keyring, old, other, names, seconds)
    before, after, proof, warnings = states.read(content=content)
    with timed(seconds, "compare"):
        matching = _matching(paths, before, after, left.host)
        volatile = _Volatile(before, after, inventory, states.agreeing() if proof == BY_DIGESTS else None)
        without = _UNSEEN_XATTRS if isinstance(other, Seen) and not other.privileged else ()
        differences = tuple(
            volatile.judged(_as_known(one, before, after))
            for one in compare_trees(_compared_side(before), _compared_side(after), without_xattrs=without)
            if matching(one.path) and _is_difference(one, before, after)
        )
    redactors = redactors_of([*before.captured, *after.captured], inventory)
    chosen = (*old.chosen, *(other.chosen if isinstance(other, Snapshots) else ()))
    warnings += under_open_restores(chosen) + from_elsewhere(chosen) + _defined_otherwise(before, after)
    if content:
        warnings += _undeclared(differences, inventory)
    if content and isinstance(right, Live):
        with timed(seconds, "show"):
            contents, problem = bring(right.target, differences, after.shown, redactors, after.contents)
        after = dataclasses.replace(after, contents=contents)
        warnings += problem
    both = sum(map(matching, before.entries.keys() & after.entries.keys()))
    return Comparison(
        differences=differences,
        left=_label(old),
        right=live_label(right.host) if isinstance(other, Seen) else _label(other),
        before=before.side(content=content),
        after=after.side(content=content),
        unchanged=both - sum(one.status == CHANGED for one in differences),
        proof=proof,
        redactors=redactors,
        readers={name: texts.tree for name, texts in volatile.devices.items()},
        not_compared=not_compared,
        warnings=warnings,
        seconds=seconds,
    )


def _on_one_side(old: Snapshots, new: Snapshots) -> tuple[NotCompared, ...]:
    """Components that only one side holds, or that are of another kind there."""
    left, right = old.captured, new.captured
    reasons = dict.fromkeys(left.keys() - right.keys(), "only the left side holds it")
    reasons.update(dict.fromkeys(right.keys() - left.keys(), "only the right side holds it"))
    for name in left.keys() & right.keys():
        if left[name].component.kind != right[name].component.kind:
            reasons[name] = "it is of another kind on each side"
    return tuple(NotCompared(name, reason) for name, reason in sorted(reasons.items()))


def _compared(asked: Sealed, old: Snapshots, not_compared: Sequence[NotCompared]) -> frozenset[str]:
    """The names of the components to compare; raises NotFoundError where one that was asked for is none of them."""
    names = frozenset(old.captured) - {one.component for one in not_compared}
    reasons = [one for one in not_compared if one.component in asked.selection.components or not names]
    if reasons:
        told = ", ".join(f"{one.component}: {one.reason}" for one in reasons[:10])
        raise NotFoundError(
            f"what was asked for cannot be compared ({told})",
            host=asked.host,
            item=reasons[0].component,
            remedy="Choose other components, or snapshots that hold these.",
        )
    return names


@dataclasses.dataclass(frozen=True)
class _States:
    """Both sides, and how they can be read."""

    repository: Repository
    keyring: Keyring | None
    old: Snapshots
    other: Snapshots | Seen
    names: frozenset[str]
    seconds: dict[str, float]

    def read(self, *, content: bool) -> tuple[State, State, str, tuple[str, ...]]:
        """Both states, how they are known, and warnings.

        :param content: open packs where that is possible, since what they hold is to be shown.
        """
        if not content and self._digests_tell():
            return (*self._by_digests(), BY_DIGESTS, ())
        try:
            return (*self._by_content(), BY_CONTENT, ())
        except KeyMissingError as e:
            if not self._digests_tell():
                raise self._no_key(e) from e
            return (*self._by_digests(), BY_DIGESTS, (f"content is not shown: {e.message}",))

    def agreeing(self) -> frozenset[str]:
        """Components whose fingerprints show no drift, so that whatever differs in them is volatile."""
        left = self.old.captured
        if isinstance(self.other, Snapshots):
            right = {name: part.fingerprint for name, part in self.other.captured.items()}
        else:
            host_keys = self._host_keys()
            right = {}
            for name in self.other.texts.keys() & self.names:
                manifest = self.old.manifest_of[name]
                key = {manifest.digest_key: host_keys.of(manifest)}
                right[name] = key_fingerprint(self.other.texts[name].fingerprint, manifest.digest_key, key)
        return frozenset(name for name in right.keys() & left.keys() if right[name].agrees(left[name].fingerprint))

    def _digests_tell(self) -> bool:
        manifests = [self.old.manifest_of[name] for name in self.names]
        if isinstance(self.other, Snapshots):
            manifests += [self.other.manifest_of[name] for name in self.names]
            return len({(manifest.host_id, manifest.digest_key) for manifest in manifests}) == 1
        host_keys = self._host_keys()
        try:
            for manifest in manifests:
                host_keys.of(manifest)
        except KeyMissingError:
            return False
        return True

    def _host_keys(self) -> HostKeys:
        return HostKeys(self.repository, self.keyring)

    def _by_digests(self) -> tuple[State, State]:
        before = by_digests(self.old, self.names)
        return before, self._after(before, by_digests, self._host_keys())

    def _by_content(self) -> tuple[State, State]:
        before = self._opened(self.old, self.names)
        return before, self._after(before, self._opened, None)

    def _after(
        self, before: State, read: Callable[[Snapshots, Collection[str]], State], host_keys: HostKeys | None
    ) -> State:
        if isinstance(self.other, Snapshots):
            return read(self.other, self.names)
        return live_state(self.other, before, self.old, host_keys)

    def _opened(self, found: Snapshots, names: Collection[str]) -> State:
        if self.keyring is None:
            raise KeyMissingError("no keyring is named")
        return by_content(self.repository, self.keyring, found, names, self.seconds)

    def _no_key(self, error: KeyMissingError) -> KeyMissingError:
        if isinstance(self.other, Seen):
            remedy = "Take the open half of the keyring to where this runs, or its seal half, which opens nothing."
        else:
            remedy = "Take the open half of the keyring to where this runs: these sides have no digests in common."
        return KeyMissingError(
            f"neither half of the keyring that could compare these is here: {error.message}",
            host=self.old.asked.host,
            item=error.item,
            remedy=remedy,
        )


def _compared_side(state: State) -> Side:
    return Side(state.entries, state.owner)


def _is_difference(difference: Difference, before: State, after: State) -> bool:
    """Whether a path that one side does not have is one that it would have had, if its host had."""
    if difference.status == ADDED:
        return before.speaks_for(difference.path)
    return difference.status != REMOVED or after.speaks_for(difference.path)


def _as_known(difference: Difference, before: State, after: State) -> Difference:
    """With entries as far as they are known, where digests stood for them."""
    path = difference.path
    return dataclasses.replace(difference, before=before.shown.get(path), after=after.shown.get(path))


def _matching(paths: Sequence[str], before: State, after: State, host: str) -> Callable[[str], bool]:
    """A test whether a path was asked for; raises NotFoundError for a pattern that is no path of either side."""
    if not paths:
        return lambda _path: True
    known = before.entries.keys() | after.entries.keys()
    unknown = [pattern for pattern in paths if not any(map(covering([pattern]), known))]
    if unknown:
        raise NotFoundError(
            f"no path on either side matches {', '.join(map(repr, unknown))}",
            host=host,
            item=unknown[0],
            remedy="Give absolute paths, or patterns as in excludes.",
        )
    return covering(paths)


class _Volatile:
    """Tells what differs by itself: paths of files by pattern, texts where only volatile lines differ."""

    def __init__(
        self, before: State, after: State, inventory: Mapping[str, Component], agreeing: frozenset[str] | None
    ) -> None:
        self._before = before
        self._after = after
        self._agreeing = agreeing
        self._kinds: dict[str, str] = {}
        patterns: dict[str, list[str]] = {}
        declared = [inventory[part.component.name] for part in before.captured if part.component.name in inventory]
        for component in (*(part.component for part in (*before.captured, *after.captured)), *declared):
            self._kinds.setdefault(component.name, component.kind)
            patterns.setdefault(component.name, []).extend(component.volatile)
        self._patterns = {name: tuple(dict.fromkeys(found)) for name, found in patterns.items()}
        # of the newer side the platform as it was declared, else as it is known here
        self.devices = device_texts([*before.captured, *after.captured], inventory)
        self._covers = {name: covering(found) for name, found in self._patterns.items() if self._kinds[name] == FILES}

    def judged(self, difference: Difference) -> Difference:
        """The difference, saying whether it is volatile."""
        return dataclasses.replace(difference, volatile=self._is_volatile(difference))

    def _is_volatile(self, difference: Difference) -> bool:
        name = difference.component
        if self._kinds[name] == FILES:
            return self._covers[name](difference.path)
        if self._agreeing is not None:
            return name in self._agreeing
        if difference.what != ("content",):
            return False
        texts = [(state.contents or {}).get(difference.path) for state in (self._before, self._after)]
        return None not in texts and len({self._steady(name, difference.path, text or b"") for text in texts}) == 1

    def _steady(self, name: str, path: str, text: bytes) -> Hashable:
        if name in self.devices:
            return self.devices[name].steady(path, text)
        try:
            steady = _texts.Steady(_texts.compiled(self._patterns[name]))
        except ValueError as e:
            raise FormatError(f"component {name} has a pattern that is none", item=name) from e
        steady.write(text)
        return steady.finish()


def redactors_of(captured: Iterable[CapturedComponent], inventory: Mapping[str, Component]) -> dict[str, Redactor]:
    """What masks the secrets of captured components, by name.

    :param inventory: components as they are declared now, by name.
    """
    found: dict[str, Redactor] = {}
    for part in captured:
        name = part.component.name
        declared = inventory.get(name)
        classes = {part.component.data_class, "" if declared is None else declared.data_class}
        secrets = () if declared is None else declared.handling.secrets
        platform = wire.platform_of(declared or part.component) if part.component.kind == DEVICE else None
        if platform is not None:
            secrets = tuple(dict.fromkeys((*secrets, *(rule.pattern for rule in platform.secrets))))
        wholly = SECRET_CLASS in classes or (name in found and found[name].wholly)
        found[name] = Redactor(secrets, wholly=wholly)
    return found


def device_texts(captured: Iterable[CapturedComponent], inventory: Mapping[str, Component]) -> dict[str, DeviceTexts]:
    """What of the texts of captured devices is compared, by component; not of those whose platform nobody knows here.

    :param inventory: components as they are declared now, by name.
    """
    found: dict[str, DeviceTexts] = {}
    for part in captured:
        component = part.component
        if component.kind != DEVICE:
            continue
        declared = inventory.get(component.name, component)
        platform = wire.platform_of(declared) or wire.platform_of(component)
        if platform is not None:
            known = found[component.name].volatile if component.name in found else ()
            volatile = dict.fromkeys((*known, *component.volatile, *declared.volatile))
            found[component.name] = DeviceTexts(platform, tuple(volatile))
    return found


def _defined_otherwise(before: State, after: State) -> tuple[str, ...]:
    """Say of which components the sides mean different paths: what only one of them means is no difference."""
    left, right = (
        {part.component.name: (part.component.paths, part.component.excludes) for part in state.captured}
        for state in (before, after)
    )
    return tuple(
        f"component {name} has other paths or excludes on each side: what only one side means is not compared"
        for name in sorted(left.keys() & right.keys())
        if left[name] != right[name]
    )


def _undeclared(differences: Iterable[Difference], inventory: Mapping[str, Component]) -> tuple[str, ...]:
    names = sorted({one.component for one in differences} - inventory.keys())
    return tuple(
        f"component {name} is not declared for this host: only secrets as software in general has them are masked"
        for name in names
    )


def bring(
    target: Host,
    differences: Iterable[Difference],
    live: Mapping[str, Entry],
    redactors: Mapping[str, Redactor],
    known: Mapping[str, bytes] | None = None,
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Bring from a host what may be shown of its files that differ: bytes by path, and warnings.

    What private files hold stays where it is.

    :param live: the host's entries by path, as they were compared. What has changed since is left out.
    :param redactors: of every component of *differences*.
    :param known: contents that are at hand already; they are returned too.
    :raises ConnectionLostError: the host went away.
    """
    wanted: dict[str, list[str]] = {}
    room = SHOWN_BYTES
    contents = dict(known or {})
    for one in differences:
        entry = live.get(one.path)
        if entry is None or entry.kind is not EntryKind.FILE or entry.path in contents or not lines.has_content(one):
            continue
        both = [side for side in (one.before, one.after) if side is not None]
        if lines.not_shown(both, redactors[one.component]) or entry.size > room:
            continue
        room -= entry.size
        wanted.setdefault(one.component, []).append(one.path)
    if not wanted:
        return contents, ()
    asked = [
        # each is a path and no pattern
        Component(name, tuple(map(glob.escape, paths)), "tier1", "", "", unreadable="leave_out", max_bytes=SHOWN_BYTES)
        for name, paths in wanted.items()
    ]
    try:
        brought = target.content(asked)
    except ConnectionLostError:
        raise
    except CaptureError as e:
        return contents, (f"what differs cannot all be shown: {e.message}",)
    for part in brought.values():
        contents.update({path: data for path, data in part.contents.items() if _is_as_seen(live.get(path), data)})
    return contents, ()


def _is_as_seen(entry: Entry | None, data: bytes) -> bool:
    return entry is not None and hashlib.sha256(data).hexdigest() == entry.sha256


def sealed_label(host: str, chosen: Sequence[Chosen], selection: Selection) -> Label:
    """What a side is called that snapshots of *host* tell of."""
    moments = [one.entry.captured_at for one in chosen]
    snapshots = tuple(one.entry.manifest.sha256 for one in chosen)
    return Label(host, min(moments), max(moments), snapshots=snapshots, asked=selection.spoken)


def live_label(host: str) -> Label:
    """What a side is called that is *host* as it is now."""
    now = dt.datetime.now(dt.timezone.utc)
    return Label(host, now, now)


def _label(found: Snapshots) -> Label:
    return sealed_label(found.asked.host, found.chosen, found.asked.selection)
