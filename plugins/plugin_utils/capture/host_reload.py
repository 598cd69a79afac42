# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change by a program of the device's Linux host, for a login that gets a shell there.

The software has no timer of its own: a shell that goes on without the session puts back what ran before, unless it is
stopped in time. All that is written stands in one folder that only the login may enter, and goes with it.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Sequence

from ..errors import PolicyError
from ..model.platform import Platform, Reload, Restore, Rule
from .device_change import Change, Order, Refusal, Refusals
from .session import Session

_SAID_LINES = 40
_FOLDERS = "/tmp/holdfast-"  # noqa: S108 - the folder is made anew, for one user, or it is refused
# who takes the file `armed` away first, the timer or who stops it, has decided what the device keeps
_TIMER = """\
umask 077
echo $$ > {folder}/pid
sleep {seconds}
if mv {folder}/armed {folder}/over; then
{back}
fi
rm -rf {folder}
"""
# it runs before there are texts to remove
_START = """\
(setsid sh {folder}/timer > /dev/null 2>&1 < /dev/null &)
tries=0
until [ -s {folder}/pid ] || [ $tries -ge 50 ]; do sleep 0.1; tries=$((tries + 1)); done
[ -s {folder}/pid ] || {{ echo 'the timer does not start'; exit 1; }}
"""
_TELL = """\
number=$(cat {folder}/pid) && grep -qs {folder}/timer "/proc/$number/cmdline"
"""
_ARM = f"""\
{_TELL.strip()} && touch {{folder}}/armed || {{{{ echo 'the timer does not run any more'; exit 1; }}}}
"""
_REMOVE = f"""\
{_TELL.strip()} && kill -- "-$number"
rm -rf {{folder}}
"""
_STOP = """\
stop() {
mv "$1/armed" "$1/kept" || return 1
number=$(cat "$1/pid")
grep -qs "$1/timer" "/proc/$number/cmdline" && kill -- "-$number"
return 0
}
"""
# folders that somebody else made under such a name are none of ours
_STOP_OTHERS = """\
for armed in {folders}*/armed; do
  folder=${{armed%/armed}}
  [ -O "$armed" ] && [ -O "$folder" ] && [ ! -L "$folder" ] && stop "$folder" && rm -rf "$folder" && echo "$folder"
done
:
"""


@dataclasses.dataclass
class ReloadChange(Change):
    """A change of the whole *text*, by the platform's program for that.

    :param folders: the beginning of the path of each change's folder on the host.
    """

    session: Session
    platform: Platform
    order: Order
    text: bytes = dataclasses.field(default=b"", repr=False)
    folders: str = _FOLDERS
    _armed: bool = dataclasses.field(default=False, init=False)
    timer = True
    reverts = True
    saves = True

    def __post_init__(self) -> None:
        for command in (self._reload.check, self._reload.apply):
            self._spelled(command, "wanted")

    def prepare(self) -> Refusals:
        folder, name = self._folder, self._reload.name
        item = self.platform.item(self._restore.item)
        before = self.session.read(item) if item is not None else b""
        back = self._spelled(self._reload.apply, "before")
        timer = _TIMER.format(folder=folder, seconds=self.order.minutes * 60, back=back)
        begun = self._run(f"umask 077; mkdir {folder} && mkdir {folder}/wanted {folder}/before")
        return (
            begun
            or self._write("timer", timer.encode())
            or self._run(_START.format(folder=folder))
            or self._write(f"wanted/{name}", self._bare(self.text))
            or self._write(f"before/{name}", self._bare(before))
            or self._run(f"umask 077; {self._spelled(self._reload.check, 'wanted')}", self._reload.partial)
        )

    def apply(self) -> Refusals:
        refused = self._run(f"umask 077; {_ARM.format(folder=self._folder)}")
        self._armed = not refused
        return refused or self._applied("wanted")

    def confirm(self) -> Refusals:
        refused = self._run(f"{_STOP}stop {self._folder}")
        self._armed = bool(refused)
        return refused

    def revert(self) -> Refusals:
        # the timer is stopped last: it tries once more what may not succeed now
        return self._applied("before") or self.confirm()

    def discard(self) -> None:
        if not self._armed:
            self.session.run(_REMOVE.format(folder=self._folder))

    def save(self) -> Refusals:
        dialogue = self.platform.dialogue
        for command in self._restore.save:
            spelled = dialogue.shell.format(command=shlex.quote(command)) if dialogue else command
            refused = self._run(spelled, self._restore.partial)
            if refused:
                return refused
        return ()

    def settle(self) -> bool:
        status, said = self.session.run(_STOP + _STOP_OTHERS.format(folders=self.folders))
        return status == 0 and bool(said.strip())

    def over(self, session: Session) -> ReloadChange:
        again = dataclasses.replace(self, session=session)
        again._armed = self._armed
        return again

    @property
    def _restore(self) -> Restore:
        if self.platform.restore is None:
            raise PolicyError(f"no way to restore platform {self.platform.name} is known", item=self.platform.name)
        return self.platform.restore

    @property
    def _reload(self) -> Reload:
        if self._restore.reload is None:
            raise PolicyError(f"platform {self.platform.name} has no program that reloads", item=self.platform.name)
        return self._restore.reload

    @property
    def _folder(self) -> str:
        return f"{self.folders}{self.order.id}"

    def _spelled(self, command: str, part: str) -> str:
        try:
            return command.format(folder=f"{self._folder}/{part}")
        except (KeyError, IndexError, ValueError) as e:
            raise PolicyError(
                "a command of the platform's reload is no template",
                item=command,
                remedy="Use {folder} alone, and double other braces.",
            ) from e

    def _bare(self, text: bytes) -> bytes:
        """A text without its header, and without the line that only ends it."""
        item = self.platform.item(self._restore.item)
        if item is None:
            return text
        begin, end = re.compile(item.begin.encode()), re.compile(item.end.encode())
        lines = text.rstrip().splitlines(keepends=True)
        first = next((at for at, line in enumerate(lines) if begin.search(line.rstrip(b"\r\n"))), 0)
        if lines and item.end and end.search(lines[-1].rstrip(b"\r\n")):
            lines.pop()
        return b"".join(lines[first:])

    def _write(self, name: str, text: bytes) -> Refusals:
        return self._run(f"umask 077; cat > {self._folder}/{name}", text=text)

    def _applied(self, part: str) -> Refusals:
        return self._run(f"umask 077; {self._spelled(self._reload.apply, part)}", self._reload.partial)

    def _run(self, command: str, rules: Sequence[Rule] = (), text: bytes = b"") -> Refusals:
        """Give a command; what it says from the first line on that a rule matches, or all where it failed without."""
        status, said = self.session.run(command, text)
        lines = [line for line in said.splitlines() if line.strip()]
        patterns = [re.compile(rule.pattern) for rule in rules]
        for number, line in enumerate(lines):
            if any(pattern.search(line) for pattern in patterns):
                return (Refusal(self._short(command), tuple(lines[number : number + _SAID_LINES])),)
        return (Refusal(self._short(command), tuple(lines[-_SAID_LINES:])),) if status else ()

    def _short(self, command: str) -> str:
        """The program of a command, without what every one of them has."""
        last = command.rpartition("; ")[2].strip().splitlines()
        return last[-1] if last else command
