# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore in place from the first thing that is touched to services that have taken it up.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from . import _points, _tree
from ._accounts import Accounts, is_account
from ._asked import PATH_WORD, Asked, Part
from ._back import told_of
from ._entries import Payload
from ._journal import Journal, Journals, boot_id, busy
from ._paths import FULL, RefusedError, closing, code_of, internal, open_place
from ._steps import Folders
from ._swap import Change
from ._undo import bring_back, close, finish, program
from ._units import FAILED, TAKES_UP, UNIT_PATHS, Systemd, exit_words, run_command, systemctl

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_SHELLS = ("sh", "/bin/sh")


def done(request: t.Mapping[str, t.Any], payload: t.Any) -> dict[str, t.Any]:
    """Check or apply; raises RefusedError where that is refused, or was taken back."""
    asked = Asked(request)
    journals = Journals(asked.journal)
    try:
        return (_check if asked.op == "check" else _apply)(asked, journals, payload)
    finally:
        journals.close()


class _Clock:
    """How long the phases take, in milliseconds."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self._since = time.monotonic()

    def phase(self, name: str) -> None:
        """What has passed since the last one belongs to this one."""
        now = time.monotonic()
        self.told[name] = self.told.get(name, 0) + round((now - self._since) * 1000)
        self._since = now


class _Attempt:
    """One apply in place, from the first thing that is touched."""

    def __init__(self, asked: Asked, change: Change, journal: Journal, clock: _Clock) -> None:
        self.validated: list[str] = []
        self.not_validated: list[list[str]] = []
        self.reloaded: list[str] = []
        self.not_reloaded: list[list[str]] = []
        self.armed = False
        self.seen: dict[str, t.Any] = {}
        self._asked = asked
        self._change = change
        self._journal = journal
        self._clock = clock
        self._systemd = Systemd(asked.root)

    def told(self) -> dict[str, t.Any]:
        """Its part of the answer."""
        return {
            "validated": self.validated,
            "not_validated": self.not_validated,
            "reloaded": self.reloaded,
            "not_reloaded": self.not_reloaded,
            "armed": self.armed,
            "milliseconds": self._clock.told,
            **self.seen,
        }

    def prepare(self, contents: Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """All that can be done before a path changes: stage, save, validate what is staged, journal, arm."""
        common = {
            "restore": self._asked.restore,
            "run": self._asked.run,
            "root": self._asked.root,
            "boot": boot_id(),
            "folders": [kept.told() for kept in self._change.kept],
            "units": self._systemd.missing() if self._asked.arm else [],
        }
        self._journal.make()
        self._journal.write("folders.json", common)
        self._change.stage(contents, starts)
        self._clock.phase("stage")
        self._validate(staged=True)
        self._clock.phase("validate")
        self._journal.renew(self._asked.lease)
        self._journal.write("journal.json", {**common, "steps": [step.told() for step in self._change.steps]})
        _points.at("journalled")
        if self._asked.arm and self._systemd.runs and os.geteuid() == 0:
            self._systemd.arm(self._journal, self._asked.lease, program())
            self.armed = True
        _points.at("armed")

    def swap(self) -> None:
        """Put everything in its place."""
        self._change.swap()
        self._clock.phase("apply")

    def take_up(self) -> None:
        """Validate what changed and let services take it up."""
        self._validate(staged=False)
        _points.at("validated")
        self._clock.phase("validate")
        self._reload()
        _points.at("reloaded")
        self._clock.phase("reload")
        if self._asked.look is not None:
            self.seen["seen"] = _tree.answer(self._asked.look)[0]
            self._clock.phase("compare")
        _points.at("seen")
        if sum(self._clock.told.values()) > self._asked.lease * 250:
            # the time that all this took is not to be missing at the end
            self._journal.renew(self._asked.lease)
            if self.armed:
                self._systemd.renew(self._asked.restore)

    def taken_back(self, e: Exception, root: int) -> RefusedError:
        """Bring the old state back after a failure, and say what became of it."""
        refused = self._refused(e)
        try:
            told = self._journal.read("journal.json")
            if told is None:
                warnings = close(self._journal, root)
            else:
                undo, warnings = bring_back(self._journal, told, root)
                refused.left = undo.left
            refused.undone = True
            refused.warnings += warnings
        except (OSError, RefusedError) as failed:
            why = str(failed) if isinstance(failed, RefusedError) else code_of(failed)
            refused.args = (f"{refused}; it could not be taken back yet ({why})",)
            refused.written = self._change.written
            refused.left = [[path, "it could not be taken back yet"] for path in self._change.written]
        return refused

    def _refused(self, e: Exception) -> RefusedError:
        if isinstance(e, RefusedError):
            return e
        if isinstance(e, OSError):
            text = f"{code_of(e)} while it was restored"
            return RefusedError("no_space" if e.errno in FULL else "os", text)
        return internal(e)

    def _validate(self, *, staged: bool) -> None:
        for number in self._change.parts:
            part = self._asked.parts[number]
            by_path = any(PATH_WORD in word for word in part.validate)
            if not part.validate or by_path != staged:
                continue
            if by_path:
                files = list(self._change.staged_files(number))
                commands = [([word.replace(PATH_WORD, file) for word in part.validate], path) for path, file in files]
            else:
                commands = [(part.validate, "")]
            try:
                for argv, path in commands:
                    self._judge(part, argv, path)
            except FileNotFoundError:
                self.not_validated.append([part.name, f"no such command: {part.validate[0]}"])
            else:
                self.validated.append(part.name)

    @staticmethod
    def _judge(part: Part, argv: list[str], path: str) -> None:
        try:
            problem, said = run_command(argv, part.seconds)
        except OSError as e:
            if e.errno == errno.ENOENT:
                raise
            problem, said = f"cannot be run ({code_of(e)})", 0
        if problem == exit_words(127) and argv[0] in _SHELLS:
            # sh(1): what it was to run is not there
            raise FileNotFoundError(errno.ENOENT, "no such command", argv[0])
        if problem:
            of = f" of {path}" if path else ""
            text = f"component {part.name}{of}: {argv[0]} {problem} and printed {said} bytes"
            raise RefusedError("invalid", text, [part.name])

    def _reload(self) -> None:
        units = list(dict.fromkeys(unit for number in self._change.parts for unit in self._asked.parts[number].reload))
        changed = [step.path for step in self._change.steps] if self._systemd.runs else []
        unit_files = any(path.startswith(UNIT_PATHS) for path in changed)
        if not self._systemd.runs:
            if units:
                self._change.warnings.append([units[0], "no unit was reloaded: systemd does not run this root"])
            return
        if unit_files and not units:
            self._journal.write("reload.json", {"units": [], "daemon": True})
            self._systemd.daemon_reload()
            return
        if not units:
            return
        # one unit may have several names
        states = dict(self._systemd.state(unit) for unit in units)
        wanted = {unit: state for unit, state in states.items() if state in TAKES_UP}
        self.not_reloaded += [[unit, "it is not active"] for unit in states if unit not in wanted]
        self._journal.write("reload.json", {"units": list(wanted), "daemon": unit_files})
        if unit_files:
            self._systemd.daemon_reload()
        for unit, state in wanted.items():
            if state == FAILED:
                self._revive(unit)
            else:
                self._systemd.reload(unit)
                self.reloaded.append(unit)
        for unit, state in wanted.items():
            if state != FAILED and not self._systemd.is_active(unit):
                raise RefusedError("reload", f"{unit} is not active any more after it was reloaded", [unit])

    def _revive(self, unit: str) -> None:
        """Start a unit that had failed, perhaps for want of what is back now; one that fails again is no worse."""
        systemctl("reset-failed", "--", unit)
        problem, _said = systemctl("restart", "--", unit)
        if problem or not self._systemd.is_active(unit):
            self.not_reloaded.append([unit, "it had failed before, and does not start"])
        else:
            self.reloaded.append(unit)


def _judged(asked: Asked, folders: Folders, payload: t.Any) -> tuple[Change, Payload, dict[str, tuple[int, int]]]:
    files = [entry for entry in asked.entries if entry.kind == "file"]
    contents = Payload(payload, sum(entry.size for entry in files))
    starts = {} if asked.op == "check" and not contents.size else contents.verify(files)
    asked.resolve(folders.root)
    change = Change(asked, folders)
    change.judge(starts)
    return change, contents, starts


def _outcome(change: Change) -> dict[str, t.Any]:
    return {
        "written": change.written,
        "removed": change.removed,
        "warnings": [list(pair) for pair in dict.fromkeys(map(tuple, change.warnings))],
        "not_atomic": change.not_atomic,
        "left": change.left,
    }


def _check(asked: Asked, journals: Journals, payload: t.Any) -> dict[str, t.Any]:
    recovered = []
    for journal in journals.all():
        told = journal.read("journal.json")
        if told is not None and journal.restore != asked.restore:
            if not journal.is_over():
                raise busy(journal, told)
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
    with closing(open_place(asked.root)) as root, Folders(root, asked.restore) as folders:
        change, _contents, _starts = _judged(asked, folders, payload)
    return told_of("closed" if change.steps else "nothing", **_outcome(change), recovered=recovered)


def _apply(asked: Asked, journals: Journals, payload: t.Any) -> dict[str, t.Any]:
    clock = _Clock()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(closing(open_place(asked.root)))
        journals.lock(0)
        recovered, warnings = _make_way(asked, journals)
        try:
            answer = _applied(asked, Journal(journals.folder, asked.restore), root, payload, clock)
        except RefusedError as e:
            e.recovered = recovered
            e.warnings += warnings
            raise
        return {**answer, "recovered": recovered, "warnings": warnings + answer["warnings"]}


def _applied(asked: Asked, journal: Journal, root: int, payload: t.Any, clock: _Clock) -> dict[str, t.Any]:
    with contextlib.ExitStack() as stack:
        accounts = Accounts(root)
        stack.callback(accounts.release)
        if any(is_account(path) for path in asked.paths()):
            accounts.take()
        folders = stack.enter_context(Folders(root, asked.restore))
        change, contents, starts = _judged(asked, folders, payload)
        if not change.steps:
            return told_of("nothing", **_outcome(change))
        attempt = _Attempt(asked, change, journal, clock)
        try:
            attempt.prepare(contents, starts)
            attempt.swap()
            accounts.release()
            attempt.take_up()
        except Exception as e:
            # whatever it is, what was done is taken back, which takes the lock again
            accounts.release()
            raise attempt.taken_back(e, root) from e
    return told_of("open", **_outcome(change), **attempt.told())


def _make_way(asked: Asked, journals: Journals) -> tuple[list[dict[str, str]], list[list[str]]]:
    """Take back what was left open: of others whose lease is over, and an earlier attempt of this restore."""
    recovered, warnings = [], []
    known = [(journal, journal.read("journal.json")) for journal in journals.all()]
    for journal, told in known:
        if told is not None and journal.restore != asked.restore and not journal.is_over():
            raise busy(journal, told)
    for journal, told in known:
        undo = finish(journal, told)
        if undo is not None and told is not None and journal.restore != asked.restore:
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
        if undo is not None:
            says = f"left as it is by going back from restore {journal.restore}"
            warnings += [[path, f"{says}: {why}"] for path, why in undo.left]
    return recovered, warnings
