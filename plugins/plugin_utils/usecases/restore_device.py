# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a network device: its configuration is what was sealed, proven, or what it was before."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence

from ..capture import normalise
from ..capture.device_change import Change, Order, Refusal
from ..capture.session import Session
from ..errors import (
    CaptureError,
    ConnectionLostError,
    FormatError,
    HoldfastError,
    MismatchError,
    NotFoundError,
    PolicyError,
    RestoreError,
    UndoneError,
)
from ..keyring.base import Keyring
from ..model import candidate, config_diff, config_tree, sources
from ..model import difference as differences
from ..model.component import FILES, Component
from ..model.device_name import name_in
from ..model.difference import Comparison, Side
from ..model.entry import Entry
from ..model.platform import CANDIDATE, RELOAD, Item, Platform, Restore
from ..model.redaction import MASK, SECRET_CLASS, Blocks, Redactor, visible
from ..model.snapshot import CapturedComponent
from .choose import Selection
from .compare import live_label, sealed_label
from .open_snapshot import timed
from .repository import Repository
from .restore import Difference, Restored, Source
from .restore_record import EQUAL, REFUSED, UNDONE, UNKNOWN, Context, Ending, announced, put_record
from .returning import returning

_NAMED = 10
STARTUP = "startup"
_AS_BEFORE = "The device is as it was before."
# looks after which a device that was lost while it applied is not waited for any more
_LOOKS = 10
# part of the timer after which a revert may come too late for it, and the device's own is waited for
_LATE = 0.8


# Makes a change of a session, the whole text to load, and the lines that lead there from what is.
MakeChange = Callable[[Session, bytes, Sequence[str]], Change]


@dataclasses.dataclass(frozen=True)
class Device:
    """A device to restore to: ``login`` opens a session with it, ``change`` makes a change by its platform's way.

    ``pause`` lets so many seconds go by. ``reload`` makes a change where the login gets a shell, and is None where the
    platform has no such way.
    """

    platform: Platform
    login: Callable[[], Session]
    change: MakeChange
    pause: Callable[[float], object] = time.sleep
    reload: MakeChange | None = None


@dataclasses.dataclass(frozen=True)
class DeviceWay:
    """How a restore of a device goes about it.

    ``declared`` are components as the inventory has them now, by name. ``save`` makes what runs the startup
    configuration too. ``any_hostname`` goes on where the device calls itself otherwise than the sealed text does.
    ``show`` asks for what differs as a comparison; ``shown`` is given it before anything is changed, and what it
    raises stops the restore.
    """

    order: Order
    declared: Mapping[str, Component] = dataclasses.field(default_factory=dict)
    save: bool = False
    any_hostname: bool = False
    show: bool = False
    shown: Callable[[Comparison], object] | None = None


@dataclasses.dataclass(frozen=True)
class RestoredDevice(Restored):
    """What a restore of a device did.

    ``candidate`` are the lines that lead from what ran to what was sealed, masked; ``method`` is how the platform goes
    there, ``minutes`` those of the timer that was armed, 0 for none. ``saved`` says that it was made the startup
    configuration, ``not_restored`` names texts of the device that are sealed beside it and stay where they are.
    """

    candidate: tuple[str, ...] = ()
    method: str = ""
    minutes: int = 0
    saved: bool = False
    not_restored: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sealed:
    """The one text that a restore brings back: of which component, at which path, of which platform."""

    part: CapturedComponent
    path: str
    text: bytes = dataclasses.field(repr=False)
    entry: Entry
    others: tuple[str, ...]

    @property
    def component(self) -> Component:
        """The component as its snapshot holds it."""
        return self.part.component

    @property
    def platform(self) -> str:
        """The name of the platform that it was captured from."""
        return str(self.component.source.get("platform", ""))


def holds_device(source: Source, host: str) -> bool:
    """Whether what was chosen is the configuration of a network device.

    :raises PolicyError: files of the host were chosen with it: these come back in another way.
    """
    kinds = {part.component.kind: part.component.name for part in source.wanted.captured}
    if sources.DEVICE not in kinds:
        return False
    if FILES in kinds:
        raise PolicyError(
            "files and the configuration of a device were chosen together",
            host=host,
            item=kinds[sources.DEVICE],
            remedy="Restore them one after the other: name them in components.",
        )
    return True


def device_component(source: Source) -> Component:
    """The first component of a device in what was chosen, as its snapshot holds it."""
    return next(part.component for part in source.wanted.captured if part.component.kind == sources.DEVICE)


def restoring(platform: Platform, host: str) -> Restore:
    """How the configuration of a platform comes back; raises PolicyError where no way is known."""
    found = platform.restore
    if found is None:
        raise PolicyError(
            f"no way to restore platform {platform.name} is known",
            host=host,
            item=platform.name,
            remedy="Restore it under a folder, and load it by hand.",
        )
    return found


def sealed_text(source: Source, item: str, paths: Sequence[str], host: str) -> Sealed:
    """Find the one configuration in what was chosen.

    :param item: the name of the text that a restore loads.

    :raises PolicyError: a part of it was asked for, or there are several.
    :raises NotFoundError: the snapshot does not hold the device's configuration.
    """
    wanted = source.wanted
    if paths:
        raise PolicyError(
            "a part of a device's configuration cannot be restored",
            host=host,
            item="paths",
            remedy="Leave paths out; or restore it under a folder, and type the part.",
        )
    parts = [part for part in wanted.captured if part.component.kind == sources.DEVICE]
    texts = {f"{sources.folder(part.component.name)}/{item}": part for part in parts}
    found = [(path, part) for path, part in texts.items() if path in wanted.contents]
    if not found:
        raise NotFoundError(
            f"the snapshot does not hold the text {item!r} of the device",
            host=host,
            item=parts[0].component.name,
            remedy="Choose one that does, or restore it under a folder and load it by hand.",
        )
    if len(found) > 1:
        raise PolicyError(
            f"components {', '.join(part.component.name for _path, part in found)} each hold a configuration",
            host=host,
            item=found[0][1].component.name,
            remedy="Name the one to restore in components.",
        )
    path, part = found[0]
    others = tuple(sorted(one for one in wanted.entries if one != path))
    return Sealed(part, path, wanted.contents[path], wanted.entries[path], others)


def restore_device(
    repository: Repository,
    keyring: Keyring,
    device: Device,
    source: Source,
    *,
    host: str,
    selection: Selection,
    context: Context,
    way: DeviceWay,
    check: bool = False,
) -> RestoredDevice:
    """Bring *device* back to the configuration in *source*, or leave it as it was.

    The text is brought there and judged, applied under the platform's timer where it has one, captured again in a new
    login and compared; only where it is equal is the timer stopped. Else it is taken back, at once where the platform
    can, and captured once more.

    :param source: what was chosen, opened, and holds a device's configuration.
    :param check: say what would be changed; change nothing, record nothing.
    :raises PolicyError: it was refused before anything was touched.
    :raises UndoneError: the device did not take it, and is as it was.
    :raises MismatchError: what was captured after it is not what was sealed; ``details`` say whether it was undone.
    :raises RestoreError: it is unknown what the device has: the error says what it may be.
    """
    item = restoring(device.platform, context.target_host).item
    sealed = sealed_text(source, item, selection.paths, context.target_host)
    with announced(repository, keyring, host, source.chosen, context, check=check) as told:
        work = _Work(repository, keyring, device, source, sealed, host, told, way)
        try:
            return work.run(selection, check=check)
        finally:
            work.close()


class _Work:
    """One restore of one device."""

    def __init__(
        self,
        repository: Repository,
        keyring: Keyring,
        device: Device,
        source: Source,
        sealed: Sealed,
        host: str,
        context: Context,
        way: DeviceWay,
    ) -> None:
        self.repository = repository
        self.keyring = keyring
        self.device = device
        self.source = source
        self.sealed = sealed
        self.host = host
        self.context = context
        self.way = way
        self.seconds = source.seconds
        self.warnings = [*source.warnings, *context.begun.warnings]
        self.lines: tuple[str, ...] = ()
        self.saved = False
        self.armed = False
        self.minutes = 0
        self.begun = 0.0
        self.live = b""
        self._make = device.change
        self._method = restoring(device.platform, context.target_host).method
        self._session: Session | None = None
        declared = way.declared.get(sealed.component.name)
        self._volatile = (*sealed.component.volatile, *(declared.volatile if declared else ()))
        own = declared.handling.secrets if declared else ()
        secrets = tuple(dict.fromkeys((*own, *(rule.pattern for rule in device.platform.secrets))))
        classes = {sealed.component.data_class, declared.data_class if declared else ""}
        self.redactor = Redactor(secrets, wholly=SECRET_CLASS in classes)
        if declared is None:
            self.warnings.append(
                f"component {sealed.component.name} is not declared for this host: "
                "only secrets and volatile lines that the platform names are known"
            )

    @property
    def session(self) -> Session:
        """The session with the device, opened where there is none."""
        if self._session is None:
            self._session = self.device.login()
        return self._session

    def close(self) -> None:
        """End the session, where there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def run(self, selection: Selection, *, check: bool) -> RestoredDevice:
        self._judge()
        with timed(self.seconds, "survey"):
            live = self._captured()
            self._choose_way()
            if not check and self._make(self.session, b"", ()).settle():
                live = self._captured()
            self.live = live
            self._is_the_device(live)
        different = self._differs(live)
        if different:
            with timed(self.seconds, "plan"):
                self.lines = self._candidate(live, self.sealed.text)
        comparison = None
        if self.way.show:
            comparison = self._shown(live, selection, different)
            if self.way.shown is not None:
                self.way.shown(comparison)
        record = None
        if different and not check:
            self._change(live)
        saving = self.way.save and self._is_to_be_saved(different)
        if not check:
            if saving:
                self._save()
            record = self._record(EQUAL, changed=different)
        path = self.sealed.path
        owner = {path: self.sealed.component.name}
        handling = {name: one.handling for name, one in self.way.declared.items()}
        return RestoredDevice(
            sources=self.source.chosen,
            before=(Difference(path, ("content",)),) if different else (),
            extra=(),
            entries=1,
            proven=not check or not different,
            owners=False,
            record=record,
            warnings=tuple(self.warnings),
            seconds=self.seconds,
            returning=returning([path], {path: self.sealed.text}, owner, handling) if different else (),
            comparison=comparison,
            candidate=self._masked(self.lines),
            method=self._method,
            minutes=self.minutes,
            saved=saving,
            not_restored=self.sealed.others,
        )

    @property
    def _restoring(self) -> Restore:
        return restoring(self.device.platform, self.context.target_host)

    def _choose_way(self) -> None:
        """Have the program of the device's host change it, where the login turned out to get a shell."""
        if self.device.reload is not None and self.session.has_shell:
            self._make, self._method = self.device.reload, RELOAD

    @property
    def _item(self) -> Item:
        """What is asked for the configuration that a restore loads."""
        name = self._restoring.item
        item = self.device.platform.item(name)
        if item is None:
            raise PolicyError(f"platform {self.device.platform.name} has no item {name!r}", item=name)
        return item

    def _judge(self) -> None:
        """Refuse what can be refused before anybody logs in."""
        platform = self.device.platform
        if platform.name != self.sealed.platform:
            raise PolicyError(
                f"the sealed configuration is of platform {visible(self.sealed.platform)}, the device's is "
                f"{platform.name}",
                host=self.context.target_host,
                item="platform",
                remedy="Choose a snapshot of this device, or correct ansible_network_os.",
            )

    def _is_the_device(self, live: bytes) -> None:
        """Refuse another device than the sealed text is of, as it names itself."""
        names = (name_in(self._tree(live)), name_in(self._tree(self.sealed.text)))
        if None in names:
            who = "the device" if names[0] is None else "the sealed configuration"
            self.warnings.append(f"{who} does not say its name: nothing told whether this was the right device")
            return
        if names[0] == names[1]:
            return
        here, there = (visible(name or "") for name in names)
        if not self.way.any_hostname:
            raise PolicyError(
                f"the device calls itself {here}, and the sealed configuration is that of {there}",
                host=self.context.target_host,
                item=self.sealed.path,
                remedy="Look whether ansible_host is the right device; any_hostname restores it all the same.",
            )
        self.warnings.append(f"the device called itself {here}, and what was restored is that of {there}")

    def _captured(self) -> bytes:
        """The device's running configuration as it is now."""
        return self.session.read(self._item)

    def _normal(self, text: bytes) -> bytes:
        return normalise.normalised(self.device.platform, self._item.name, text, self._volatile)

    def _differs(self, live: bytes) -> bool:
        return live != self.sealed.text and self._normal(live) != self._normal(self.sealed.text)

    def _tree(self, text: bytes) -> config_tree.Tree:
        return normalise.tree(self.device.platform, self._item.name, text, self._volatile)

    def _typed(self, text: bytes) -> config_tree.Tree:
        return normalise.typed(self.device.platform, self._item.name, text, self._volatile)

    def _candidate(self, live: bytes, wanted: bytes) -> tuple[str, ...]:
        """The lines that lead from one text to the other; none where the platform has none, and needs none."""
        structure = self.device.platform.structure
        try:
            return candidate.candidate(self._typed(live), self._typed(wanted), structure)
        except PolicyError:
            if self._method == CANDIDATE:
                raise
            return ()

    def _named(self, old: bytes, new: bytes) -> str:
        """The lines in which one text differs from another, below those that they stand in, masked."""
        rules = config_tree.rules_of(self.device.platform.structure)
        found = config_diff.difference(self._tree(old), self._tree(new))
        changes = [change for change in found if not rules.is_comment(change.text)] or found
        lines = self._masked([change.text for change in changes])
        if len(lines) == len(changes):
            lines = tuple(f"{change.kind} {line.strip()}" for change, line in zip(changes, lines, strict=True))
        more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
        return f"{'; '.join(line.strip() for line in lines[:_NAMED])}{more}"

    def _loadable(self, text: bytes) -> bytes:
        """A text without the header that stands above its beginning, which no device takes."""
        begin = self._item.begin
        if not begin:
            return text
        pattern = re.compile(begin.encode())
        lines = text.splitlines(keepends=True)
        first = next((at for at, line in enumerate(lines) if pattern.search(line.rstrip(b"\r\n"))), 0)
        return b"".join(lines[first:])

    def _change(self, live: bytes) -> None:
        """Stage, apply, capture again, compare, and keep it; or take it back.

        :raises RestoreError: as :func:`restore_device`; a record of it is kept.
        """
        try:
            self._changed(live)
        except RestoreError as e:
            raise self._failed(e) from e.__cause__
        except (CaptureError, FormatError) as e:
            raise self._failed(self._lost(e)) from e

    def _failed(self, error: RestoreError) -> RestoreError:
        """Keep the record of a restore that failed, and say in the error what else there is to know."""
        untouched = error.details.pop("untouched", False)
        result = REFUSED if untouched else UNDONE if error.details.get("undone") else UNKNOWN
        self._record(result, changed=False, why=type(error).__name__)
        for warning in self.warnings[len(self.source.warnings) :]:
            error.remedy = f"{error.remedy or ''} {warning}".strip()
        return error

    def _changed(self, live: bytes) -> None:
        change = self._make(self.session, self._loadable(self.sealed.text), self.lines)
        try:
            with timed(self.seconds, "stage"):
                refused = change.prepare()
        except CaptureError as e:
            self._discard_anew(change)
            gone = isinstance(e, ConnectionLostError)
            what = "the device was lost before the change was made" if gone else "the text could not be brought there"
            raise self._error(f"{what}: {e.message}", untouched=True) from e
        if refused:
            self._discard(change)
            error = self._not_taken("the device refuses it", refused, self._is_as_before(live))
            error.details["untouched"] = error.details["undone"]
            raise error
        lost: CaptureError | None = None
        self.armed = change.timer
        self.minutes = self.way.order.minutes if change.timer else 0
        self.begun = time.monotonic()
        self.session.be_patient(self._patience)
        try:
            with timed(self.seconds, "apply"):
                refused = change.apply()
        except CaptureError as e:
            lost = e
            change = self._again(change, e)
        if refused:
            raise self._not_taken("the device took a part of it", refused, self._taken_back(change, live, refused=True))
        with timed(self.seconds, "compare"):
            if change.timer and change.outlives and lost is None:
                change = self._again(change, None)
            try:
                now = self._captured() if lost is None else self._settled(lost)
            except CaptureError as e:
                raise self._lost(e) from e
            if change.timer and not change.outlives and not self._differs(now):
                self._let_in(change, live)
        left = self._differs(now)
        if left:
            if lost is not None and self._normal(now) == self._normal(live):
                raise self._without_effect(change, live, lost)
            raise self._mismatch(now, lost, self._taken_back(change, live))
        with timed(self.seconds, "confirm"):
            self._confirm(change)
            self.armed = False
            # a device whose timer has ended meanwhile may take a confirmation of nothing without a word
            if change.timer and self._is_past(0.5):
                now = self._captured()
        self._discard(change)
        if self._differs(now):
            raise self._mismatch(now, lost, self._is_as_before(live))

    @property
    def _patience(self) -> float:
        """For how many seconds an answer is waited for while the device applies: it needs time to go back, too."""
        return self.way.order.minutes * (30.0 if self.armed else 60.0)

    def _is_past(self, part: float) -> bool:
        """Whether more than that part of the timer's minutes has gone by since the change was begun."""
        return time.monotonic() - self.begun > self.way.order.minutes * 60 * part

    def _wait(self) -> None:
        """Give the device a tenth of the timer's minutes before it is looked at again."""
        self.device.pause(self.way.order.minutes * 6.0)

    def _settled(self, lost: CaptureError) -> bytes:
        """What a device has that was lost while it applied: it may go on with that when nobody is there to hear.

        :raises RestoreError: it goes on all the time.
        """
        now = self._captured()
        for _look in range(_LOOKS):
            if not self._differs(now):
                return now
            before = now
            self._wait()
            now = self._captured()
            if self._normal(now) == self._normal(before):
                return now
        raise self._lost(lost)

    def _without_effect(self, change: Change, live: bytes, lost: CaptureError) -> RestoreError:
        """The error for a device that was lost while it applied, and shows what it had: it may go on all the same."""
        if not (change.reverts or change.timer):
            if self._restoring.discard:
                self.warnings.append("What was put on the device is there still.")
            return self._lost(lost)
        late = f"Should it go on all the same: {self._timer}" if self.armed else ""
        undone, more = self._taken_back(change, live)
        remedy = " ".join((*more, *((_AS_BEFORE, late) if undone else ()))).strip()
        return self._error(f"the device was lost while it applied: {lost.message}", undone=undone, remedy=remedy)

    def _let_in(self, change: Change, live: bytes) -> None:
        """Log in beside the session that has to confirm: a configuration that shuts its sender out must not be kept.

        :raises RestoreError: nobody is let in, or sees something else; it is taken back.
        """
        try:
            with self.device.login() as beside:
                seen = beside.read(self._item)
        except CaptureError as e:
            undone, more = self._taken_back(change, live)
            remedy = " ".join((*more, _AS_BEFORE if undone else "")).strip()
            why = f"the device takes no new login once it is applied: {e.message}"
            raise self._error(why, undone=undone, remedy=remedy) from e
        if self._differs(seen):
            raise self._mismatch(seen, None, self._taken_back(change, live))

    def _confirm(self, change: Change) -> None:
        if not change.timer:
            return
        try:
            refused = change.confirm()
        except CaptureError as e:
            change = self._again(change, e)
            try:
                refused = change.confirm()
            except CaptureError as again:
                raise self._lost(again) from again
        if refused:
            raise self._error(
                f"it is restored and equal, but not confirmed: {'; '.join(self._told(refused))}",
                remedy=f"{self._timer} Run the restore again.",
            )

    def _again(self, change: Change, error: CaptureError | None) -> Change:
        """Log in anew: a configuration that shuts its sender out must not be kept."""
        self.close()
        if error is not None and change.timer and not change.outlives:
            # the device goes back now, and what it shows meanwhile tells nothing
            raise self._lost(error) from error
        try:
            return change.over(self.session)
        except HoldfastError as e:
            raise self._lost(error or e) from e

    def _taken_back(self, change: Change, live: bytes, *, refused: bool = False) -> tuple[bool, tuple[str, ...]]:
        """Take the change back where that can be; whether the device is as it was, and what is to be said of it.

        :param refused: the device did not take it: where nothing came of it, to go back would go back too far.
        """
        said: list[str] = []
        if refused and self._is_as_before(live)[0]:
            self._discard(change)
            self.armed, self.minutes = False, 0
            return True, ()
        try:
            self.session.be_patient(self._patience)
            if change.reverts:
                said += self._told(self._reverted(change, live))
            elif not change.timer:
                back = self._candidate(self._captured(), live)
                # what is there, or locked, is in the way of what goes there now
                self._discard(change)
                change = self._make(self.session, self._loadable(live), back)
                said += self._told(change.prepare() or change.apply())
        except HoldfastError as e:
            return False, (f"It could not be taken back ({e.message}). {self._timer}".strip(),)
        finally:
            self._discard(change)
        undone, more = self._is_as_before(live)
        if undone:
            self.armed = False
        return undone, (*((f"What it said to that: {'; '.join(said)}.",) if said else ()), *more)

    def _reverted(self, change: Change, live: bytes) -> Sequence[Refusal]:
        """Have the device go back to *live*; one that counts commits only where the last one is this change."""
        if not change.steps_back:
            return change.revert()
        before = self._normal(live)
        if self._normal(self._captured()) == before:
            return ()
        if not (change.timer and self._is_past(_LATE)):
            return change.revert()
        for _look in range(_LOOKS):
            self._wait()
            if self._normal(self._captured()) == before:
                break
        return ()

    def _is_as_before(self, live: bytes) -> tuple[bool, tuple[str, ...]]:
        """Capture again and look whether the device is as it was."""
        try:
            now = self._captured()
        except HoldfastError as e:
            return False, (f"It could not be looked at again ({e.message}). {self._timer}".strip(),)
        if self._normal(now) == self._normal(live):
            return True, ()
        return False, (f"It is not as it was before, either: {self._named(live, now)}. {self._timer}",)

    @property
    def _timer(self) -> str:
        minutes = self.way.order.minutes
        if not self.armed:
            return "No timer takes it back."
        over = ": that should be over by now" if self._is_past(1) else ""
        return f"A timer of the device takes it back {minutes} minutes after it was applied{over}."

    def _discard_anew(self, change: Change) -> None:
        """Discard over a new login: where an answer did not come, nobody knows in what mode the old one is."""
        self.close()
        try:
            change.over(self.session).discard()
        except HoldfastError as e:
            self.warnings.append(f"what was put on the device may be there still: {e.message}")

    def _discard(self, change: Change) -> None:
        try:
            change.discard()
        except HoldfastError as e:
            self.warnings.append(f"what was put on the device may be there still: {e.message}")

    def _save(self) -> None:
        with timed(self.seconds, "save"):
            change = self._make(self.session, b"", ())
            try:
                refused = change.save()
            except CaptureError as e:
                raise self._not_saved(e.message) from e
            if refused:
                raise self._not_saved("; ".join(self._told(refused)))
        self.saved = True

    def _not_saved(self, why: str) -> RestoreError:
        self._record(EQUAL, changed=True, why="not saved")
        return RestoreError(
            f"the running configuration is what was sealed, but was not saved: {why}",
            host=self.context.target_host,
            item=self.sealed.path,
            remedy="Save it by hand, or run the restore again.",
        )

    def _is_to_be_saved(self, different: bool) -> bool:
        """Whether the device would start with something else than what was sealed, or does not tell."""
        if not self._make(self.session, b"", ()).saves:
            return False
        item = self.device.platform.item(STARTUP)
        if different or item is None:
            return True
        try:
            text = self.session.read(item)
        except ConnectionLostError:
            raise
        except CaptureError:
            # many devices have none until it is saved for the first time
            return True
        return self._normal(text) != self._normal(self.sealed.text)

    def _masked(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Lines of a configuration as they may be shown."""
        if self.redactor.wholly:
            return (f"{len(lines)} lines, not shown (private)",) if lines else ()
        return tuple(visible(line) for line in self._without_secrets(lines))

    def _without_secrets(self, lines: Sequence[str]) -> list[str]:
        flat = [one for line in lines for one in line.split("\n")]
        blocks = Blocks.of(flat)
        return [blocks.masked(number, self.redactor) for number in range(len(flat))]

    @functools.cached_property
    def _values(self) -> re.Pattern[str] | None:
        """What is masked in the texts that the device has or was given: it may repeat a word of a line alone."""
        texts = [text.decode("utf-8", "surrogateescape") for text in (self.live, self.sealed.text)]
        values = set[str]().union(*(self.redactor.values(text) for text in (*texts, "\n".join(self.lines))))
        longest = sorted(values, key=lambda value: (-len(value), value))
        return re.compile("|".join(map(re.escape, longest))) if longest else None

    def _heard(self, lines: Sequence[str]) -> list[str]:
        """What a device said, and what was said to it, as it may be shown."""
        masked, values = self._without_secrets(lines), self._values
        if values is not None:
            masked = [MASK.join(values.sub(MASK, part) for part in line.split(MASK)) for line in masked]
        return [visible(line) for line in masked]

    def _told(self, refused: Sequence[Refusal]) -> list[str]:
        found: list[str] = []
        for one in refused:
            command, *said = self._heard((one.command, *one.said)) if not self.redactor.wholly else ("a line",)
            found.append(f"{command.strip()!r}: {' / '.join(line.strip() for line in said[:_NAMED])}")
        return found

    def _not_taken(self, what: str, refused: Sequence[Refusal], state: tuple[bool, tuple[str, ...]]) -> RestoreError:
        undone, more = state
        kind = UndoneError if undone else RestoreError
        remedy = f"{_AS_BEFORE} Correct what it refuses, and restore again." if undone else ""
        return kind(
            f"{what}: {'; '.join(self._told(refused))}",
            host=self.context.target_host,
            item=self.sealed.path,
            remedy=" ".join((*more, remedy)).strip(),
            details={"undone": undone},
        )

    def _mismatch(self, now: bytes, lost: CaptureError | None, state: tuple[bool, tuple[str, ...]]) -> RestoreError:
        undone, more = state
        first = f"the device was lost while it applied ({lost.message}), and " if lost is not None else ""
        remedy = f"{_AS_BEFORE} Find out why it does not take these lines." if undone else ""
        return MismatchError(
            f"{first}what was captured after the restore is not what was sealed (- it has, + it lacks): "
            f"{self._named(now, self.sealed.text)}",
            host=self.context.target_host,
            item=self.sealed.path,
            remedy=" ".join((*more, remedy)).strip(),
            details={"undone": undone},
        )

    def _lost(self, error: HoldfastError) -> RestoreError:
        return RestoreError(
            f"the device was lost in the middle of a restore: {error.message}",
            host=self.context.target_host,
            item=self.way.order.id,
            remedy=f"It may have the old configuration, the sealed one or a part of it. {self._timer} "
            "Look at it by its console, or run the restore again when it is reached.",
            details={"undone": False},
        )

    def _error(
        self, message: str, *, undone: bool = False, untouched: bool = False, remedy: str | None = None
    ) -> RestoreError:
        kind = UndoneError if undone or untouched else RestoreError
        return kind(
            message,
            host=self.context.target_host,
            item=self.sealed.path,
            remedy=remedy or f"{_AS_BEFORE} Correct the cause, and restore again.",
            details={"undone": undone or untouched, **({"untouched": True} if untouched else {})},
        )

    def _shown(self, live: bytes, selection: Selection, different: bool) -> Comparison:
        """The device as it is beside the device as it will be."""
        path, name = self.sealed.path, self.sealed.component.name
        entry = dataclasses.replace(self.sealed.entry, size=len(live), sha256=hashlib.sha256(live).hexdigest())
        owner = {path: name}
        before = Side({path: entry}, owner, {path: live})
        after = Side({path: self.sealed.entry}, owner, {path: self.sealed.text})
        return Comparison(
            differences=differences.compare_trees(before, after) if different else (),
            left=live_label(self.context.target_host),
            right=sealed_label(self.source.chosen[0].entry.name, self.source.chosen, selection),
            before=before,
            after=after,
            unchanged=0 if different else 1,
            redactors={name: self.redactor},
            readers={name: normalise.DeviceTexts(self.device.platform, self._volatile).tree},
            warnings=tuple(self.warnings),
        )

    @property
    def _whole(self) -> bool:
        """Whether all that a restore of the platform can bring back was compared.

        What no restore loads does not count. A startup configuration is what ran, saved: it counts where it was sealed
        as something else.
        """
        folder = f"{sources.folder(self.sealed.component.name)}/"
        if not all(path.startswith(folder) for path in self.sealed.others):
            return False
        startup, item = self.source.wanted.contents.get(f"{folder}{STARTUP}"), self.device.platform.item(STARTUP)
        if startup is None or item is None or item.form != self._item.form:
            return True
        return self._normal(startup) == self._normal(self.sealed.text)

    def _record(self, result: str, *, changed: bool, why: str = "") -> str | None:
        """Keep the record; what prevents that is a warning."""
        ending = Ending(
            result,
            entries=1,
            written=int(changed),
            different=int(result != EQUAL),
            whole=self._whole,
            more={
                "restore": self.way.order.id,
                "platform": self.device.platform.name,
                "method": self._method,
                "timer_minutes": self.minutes,
                "lines": len(self.lines),
                "saved": self.saved,
                "beside": list(self.sealed.others),
                "why": why,
            },
        )
        name, problem = put_record(
            self.repository, self.keyring, self.host, self.source.chosen, self.context, ending, self.seconds
        )
        self.warnings += problem
        return name
