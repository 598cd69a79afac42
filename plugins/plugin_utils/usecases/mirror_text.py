# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a snapshot a mirror shows: texts with their secrets masked and without volatile lines, by path."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ...module_utils import _texts
from ..capture import normalise, wire
from ..capture.patterns import covering
from ..errors import FormatError, MirrorError, PolicyError
from ..mirror import paths
from ..mirror.branch import Tree
from ..mirror.paths import Layout, segment, spelled
from ..model import sources
from ..model.component import FILES, Component
from ..model.entry import Entry, EntryKind
from ..model.platform import Platform
from ..model.point import StreamEntry
from ..model.redaction import SECRET_CLASS, Blocks, Redactor, is_private, visible
from . import adopt
from .open_snapshot import Opened

# of a device the text that stands for it where a host has one file
_RUNNING = "running"
_UNDECLARED = "not declared, so that its secrets are not known"
_UNKNOWN = "adopted from a device whose platform is not known, so that its secrets are not known"
# what another inventory lets show
UNSETTLED = frozenset({_UNDECLARED, _UNKNOWN})


class NotMirrored(t.NamedTuple):
    """A path of a host that is not in the mirror, and why; a path that is a component's folder stands for all of it."""

    host: str
    component: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Texts:
    """What may be shown of a snapshot, by component and then by item: a path on the host, or the name of a text.

    ``devices`` are those components that are of network devices.
    """

    shown: Mapping[str, Mapping[str, bytes]]
    left_out: tuple[NotMirrored, ...]
    devices: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """How many bytes are shown."""
        return sum(len(text) for component in self.shown.values() for text in component.values())


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a mirror is made.

    ``groups`` names hosts by group, ``group`` is that of the others, for layouts of one text for each host.
    ``components`` are those that are mirrored, none are all. ``secrets`` are patterns for all of them. ``undeclared``
    takes also what the inventory does not declare, of which it does not know the secrets. ``max_bytes`` bounds a text.

    :raises PolicyError: a pattern is none, or a name is no group.
    """

    layout: Layout = Layout.HOLDFAST
    groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    group: str = ""
    components: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    undeclared: bool = False
    max_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        Redactor(self.secrets)
        for group in (*self.groups, *([self.group] if self.group else [])):
            if not all(group.split("/")) or not group.isprintable():
                raise PolicyError(f"{group!r} is no name of a group", item="groups", remedy="Give one like routers.")

    def takes(self, component: str) -> bool:
        """Whether a component of that name is mirrored."""
        return not self.components or component in self.components

    def group_of(self, *names: str) -> str:
        """The group of a host, by one of its names."""
        return next((group for group, hosts in self.groups.items() if not set(names).isdisjoint(hosts)), self.group)

    def placed(self, entry: StreamEntry, texts: Texts | None, tree: Tree) -> tuple[dict[str, bytes], set[str]]:
        """Where the texts of a snapshot stand, and what of its own stands there of its components that is no more.

        :param texts: None where they could not be read: what the mirror has of them stays.
        """
        if texts is None:
            return {}, set()
        if self.layout.one_text:
            only = self._only(texts)
            if only is None:
                return {}, set()
            return {paths.single(self.layout, entry.host_id, self.group_of(entry.host_id, entry.name)): only}, set()
        host = segment(entry.host_id)
        written, gone = {}, set()
        for fingerprint in entry.fingerprints:
            folder = f"{host}/{segment(fingerprint.component)}"
            gone |= tree.below(folder)
            for item, text in texts.shown.get(fingerprint.component, {}).items():
                written[f"{folder}/{spelled(item)}"] = text
        return written, gone - written.keys()

    def _only(self, texts: Texts) -> bytes | None:
        """The one text that stands for a host: what runs on a device, or the only text of components that are named."""
        for component in sorted(texts.devices & texts.shown.keys()):
            if _RUNNING in texts.shown[component]:
                return texts.shown[component][_RUNNING]
        listed = [text for component in texts.shown.values() for text in component.values()]
        return listed[0] if self.components and len(listed) == 1 else None

    def no_history(self, branch: str) -> PolicyError:
        """The error of a layout that goes on with a history that is not there."""
        return PolicyError(
            f"the mirror has no branch {branch}, whose history layout {self.layout.value} would go on with",
            item="branch",
            remedy="Name the branch that the repository has, such as master, or use layout holdfast.",
        )

    def of_another(self, branch: str, repository: str) -> PolicyError:
        """The error of a branch that is another repository's mirror: hosts of one name would take turns."""
        return PolicyError(
            f"branch {branch} is the mirror of repository {visible(repository)[:100]}",
            item="branch",
            remedy="Give each repository a branch of its own.",
        )

    def too_busy(self, url: str) -> MirrorError:
        """The error of a branch that others move on faster than this run can follow."""
        return MirrorError("others always push first", item=url, remedy="Run again.")


def texts(opened: Opened, declared: Mapping[str, Component] | None, settings: Settings) -> Texts:
    """What may be shown of a snapshot.

    :param declared: the components of its host as the inventory has them, by name; None where it does not know it.
    """
    shown: dict[str, dict[str, bytes]] = {}
    left_out: list[NotMirrored] = []
    devices: set[str] = set()
    told = {part.component.name: part.component for part in opened.manifest.components}
    host = opened.chosen.entry.name
    for packed in opened.parts:
        component = told[packed.name]
        own = None if declared is None else declared.get(packed.name)
        redactor = _redactor(component, own, settings)
        reason = _not_at_all(component, own, redactor, settings)
        if reason:
            left_out.append(NotMirrored(host, packed.name, "", reason))
            continue
        if component.kind == sources.DEVICE:
            devices.add(packed.name)
        shower = _Shower(component, own, redactor, settings)
        for entry in packed.entries:
            if entry.kind is EntryKind.FILE:
                text, why = shower.text(entry, packed.contents[entry.path])
                if text is None:
                    left_out.append(NotMirrored(host, packed.name, visible(entry.path), why))
                else:
                    shown.setdefault(packed.name, {})[shower.item(entry)] = text
    return Texts(shown, tuple(left_out), frozenset(devices))


def _redactor(component: Component, declared: Component | None, settings: Settings) -> Redactor:
    classes = {component.data_class, "" if declared is None else declared.data_class}
    own = () if declared is None else declared.handling.secrets
    platform = _platform(component, declared)
    known = () if platform is None else tuple(rule.pattern for rule in platform.secrets)
    secrets = dict.fromkeys((*known, *own, *settings.secrets))
    return Redactor(tuple(secrets), wholly=SECRET_CLASS in classes)


def _platform(component: Component, declared: Component | None) -> Platform | None:
    """The platform of a device: as the inventory names it now, if it names the same one, else as it is known here."""
    if component.kind != sources.DEVICE:
        return None
    same = declared is not None and (declared.kind, declared.source.get("platform")) == (
        component.kind,
        component.source.get("platform"),
    )
    return wire.platform_of(declared if declared is not None and same else component)


def _not_at_all(component: Component, declared: Component | None, redactor: Redactor, settings: Settings) -> str:
    """Why nothing of a component is mirrored; empty where it is."""
    if redactor.wholly:
        return "of class secret"
    if declared is None and not settings.undeclared:
        # a pushed text is declared by nobody, and an adopted one as far as the platform of its host is known
        if component.kind != sources.CONTENT:
            return _UNDECLARED
        if adopt.is_adopted(component.name) and not settings.secrets:
            return _UNKNOWN
    if component.kind == sources.DEVICE and _platform(component, declared) is None:
        return "of a platform that is not known"
    return ""


class _Shower:
    """Shows texts of one component."""

    def __init__(
        self, component: Component, declared: Component | None, redactor: Redactor, settings: Settings
    ) -> None:
        self._component = component
        self._redactor = redactor
        self._platform = _platform(component, declared)
        self._most = settings.max_bytes
        volatile = (*component.volatile, *(() if declared is None else declared.volatile))
        self._volatile = tuple(dict.fromkeys(volatile))
        self._is_volatile = covering(self._volatile) if component.kind == FILES else lambda _path: False

    def item(self, entry: Entry) -> str:
        """What a text is called in its component's folder."""
        if self._component.kind == FILES:
            return entry.path
        return entry.path.removeprefix(f"{sources.folder(self._component.name)}/")

    def text(self, entry: Entry, data: bytes) -> tuple[bytes | None, str]:
        """A file as it may be shown, or None and why it may not."""
        if is_private(entry.path):
            return None, "private"
        if self._is_volatile(entry.path):
            return None, "volatile"
        if len(data) > self._most:
            return None, f"larger than {self._most} bytes"
        read = self._read(entry, data)
        return (None, "binary") if read is None else (masked(read, self._redactor), "")

    def _read(self, entry: Entry, data: bytes) -> str | None:
        if b"\0" in data:
            return None
        if self._component.kind == FILES:
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                return None
        if self._platform is not None:
            steady = normalise.normalised(self._platform, self.item(entry), data, self._volatile)
        else:
            steady = _without(data, self._volatile, self._component.name)
        return steady.decode("utf-8", "surrogateescape")


def masked(text: str, redactor: Redactor) -> bytes:
    """A text with its secrets masked, each line ended, and nothing in it that a terminal would obey."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    blocks = Blocks.of([line.rstrip("\r") for line in lines])
    shown = (visible(blocks.masked(place, redactor)) for place in range(len(lines)))
    return "".join(f"{line}\n" for line in shown).encode()


class _Kept(_texts.Steady):
    """Keeps the lines that are not volatile."""

    def __init__(self, patterns: t.Sequence[t.Any]) -> None:
        super().__init__(patterns)
        self.lines: list[bytes] = []

    def _count(self, steady: bytes) -> None:
        self.lines.append(steady)


def _without(text: bytes, patterns: tuple[str, ...], component: str) -> bytes:
    try:
        kept = _Kept(_texts.compiled(patterns))
        kept.write(text)
        kept.finish()
    except ValueError as e:
        raise FormatError(f"component {component} has a pattern that is none, or that runs away", item=component) from e
    return b"".join(kept.lines)
