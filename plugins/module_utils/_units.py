# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place asks of systemd, and the commands that it runs. Private to this collection."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import time

from ._paths import NEW_FLAGS, PAUSE, READ, RefusedError, code_of, same_time, sync_folder

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

    from ._journal import Journal

_SYSTEMCTL_SECONDS = 180
_LATER_SECONDS = 2  # the unit finds the lease over
_HEAD = 256
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOST_ROOT = "/"
FAILED = "failed"
TAKES_UP = ("active", "reloading", "activating", FAILED)
_RUNNING = "run/systemd/system"  # sd_booted(3)
UNITS = "etc/systemd/system.control"  # systemd.unit(5): beside what administrators write, which may be what comes back
UNIT_PATHS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/usr/local/lib/systemd/", "/lib/systemd/")
WANTED_BY = ("timers.target.wants", "sysinit.target.wants")
# The service runs before others at boot. A timer comes before its service, so it must not wait for sysinit.target.
_SERVICE = """\
[Unit]
Description=Take back restore {restore}, which nobody closed (holdfast)
DefaultDependencies=no
RequiresMountsFor={journal}
After=local-fs.target systemd-remount-fs.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=900
"""
_TIMER = """\
[Unit]
Description=Take back restore {restore} when its lease is over (holdfast)
DefaultDependencies=no
Before=shutdown.target
Conflicts=shutdown.target

[Timer]
OnActiveSec={seconds}
AccuracySec=1s
"""


class Systemd:
    """The system manager of a root, where one runs it: units are reloaded, and one is armed to go back by itself."""

    def __init__(self, root: str) -> None:
        self.runs = root == _HOST_ROOT and os.path.isdir(os.path.join(root, _RUNNING))
        self._folder = os.path.join(root, UNITS)

    def missing(self) -> list[str]:
        """Folders that :meth:`arm` would have to make."""
        if not self.runs:
            return []
        return [name for name in (".", *WANTED_BY) if not os.path.isdir(os.path.join(self._folder, name))]

    def arm(self, journal: Journal, seconds: int, program: bytes) -> None:
        """Let this host go back by itself after so many seconds, and when it boots.

        :param program: what then runs, a ``.pyc`` file.
        """
        journal.write_bytes("apply.pyc", program)
        unit = f"holdfast-restore-{journal.restore}"
        python = [os.path.realpath(sys.executable), "-I", "-S", f"{journal.path}/apply.pyc"]
        command = " ".join(_unit_word(word) for word in (*python, *os.path.split(journal.path)))
        service = _SERVICE.format(restore=journal.restore, command=command, journal=_unit_word(journal.path))
        with same_time(os.path.dirname(self._folder)):
            os.makedirs(self._folder, 0o755, exist_ok=True)
        timer = _TIMER.format(restore=journal.restore, seconds=seconds + _LATER_SECONDS)
        for name, text in ((f"{unit}.service", service), (f"{unit}.timer", timer)):
            with same_time(self._folder):
                _write_unit(os.path.join(self._folder, name), text)
                sync_folder(self._folder)
        for folder, name in self._wanted(unit):
            with same_time(self._folder):
                os.makedirs(folder, 0o755, exist_ok=True)
            with same_time(folder), contextlib.suppress(FileExistsError):
                os.symlink(f"../{name}", os.path.join(folder, name))
                sync_folder(folder)
        self.daemon_reload()
        problem, _said = systemctl("start", f"{unit}.timer")
        if problem:
            raise RefusedError("os", f"the unit that would go back by itself could not be armed: systemctl {problem}")

    def renew(self, restore: str) -> None:
        """Begin the lease of the armed timer anew."""
        if self.runs and os.path.lexists(os.path.join(self._folder, f"holdfast-restore-{restore}.timer")):
            systemctl("restart", f"holdfast-restore-{restore}.timer")

    def disarm(self, restore: str, made: t.Sequence[str]) -> None:
        """Take the unit away, where there is one; *made* are folders that came with it."""
        unit = f"holdfast-restore-{restore}"
        files = [os.path.join(folder, name) for folder, name in self._wanted(unit)]
        files += [os.path.join(self._folder, f"{unit}.{kind}") for kind in ("timer", "service")]
        there = [path for path in files if os.path.lexists(path)]
        if not there:
            return
        if self.runs:
            systemctl("stop", f"{unit}.timer")
        for path in there:
            with contextlib.suppress(OSError), same_time(os.path.dirname(path)):
                os.unlink(path)
        for name in WANTED_BY:
            with contextlib.suppress(OSError), same_time(self._folder):
                if name in made:
                    os.rmdir(os.path.join(self._folder, name))
        with contextlib.suppress(OSError), same_time(os.path.dirname(self._folder)):
            if "." in made:
                os.rmdir(self._folder)
        if self.runs:
            # a unit that was killed would stay as one that has failed
            systemctl("reset-failed", f"{unit}.service", f"{unit}.timer")
            self.daemon_reload()

    def _wanted(self, unit: str) -> list[tuple[str, str]]:
        return [
            (os.path.join(self._folder, wants), f"{unit}.{kind}")
            for wants, kind in zip(WANTED_BY, ("timer", "service"))
        ]

    def daemon_reload(self) -> None:
        """Let systemd read its unit files again; raises RefusedError where it does not."""
        problem, _said = systemctl("daemon-reload")
        if problem:
            raise RefusedError("reload", f"systemctl daemon-reload {problem}", ["systemd"])

    @staticmethod
    def state(unit: str) -> tuple[str, str]:
        """A unit's own name, whatever it is called, and its state; ``inactive`` where systemd does not tell."""
        told = bytearray()
        systemctl("show", "--property=Id", "--property=ActiveState", "--", unit, head=told)
        known = dict(line.split("=", 1) for line in told.decode("utf-8", "replace").splitlines() if "=" in line)
        return known.get("Id") or unit, known.get("ActiveState", "inactive")

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return not systemctl("is-active", "--quiet", "--", unit)[0]

    def reload(self, unit: str) -> None:
        """Let a unit take up its configuration; raises RefusedError where it does not."""
        problem, _said = systemctl("reload-or-restart", "--", unit)
        if problem:
            raise RefusedError("reload", f"systemctl reload-or-restart {unit} {problem}", [unit])

    def reload_again(self, asked: t.Mapping[str, t.Any]) -> None:
        """After the old state is back, as far as that goes; a host that boots starts its units with it anyway."""
        if asked.get("daemon"):
            systemctl("daemon-reload")
        state = bytearray()
        systemctl("is-system-running", head=state)
        if state.strip() == b"initializing":
            return
        later = ["--no-block"] if state.strip() == b"starting" else []
        for unit in asked.get("units", ()):
            systemctl("reload-or-restart", *later, "--", str(unit))


def unit_folders() -> set[tuple[bytes, ...]]:
    """The folders that hold the unit of a restore while it is open."""
    above = tuple(UNITS.encode("ascii").split(b"/"))
    return {above, *((*above, name.encode("ascii")) for name in WANTED_BY)}


def systemctl(*words: str, head: bytearray | None = None) -> tuple[str, int]:
    try:
        return run_command(["systemctl", *words], _SYSTEMCTL_SECONDS, head)
    except OSError as e:
        return f"cannot be run ({code_of(e)})", 0


def _write_unit(path: str, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with os.fdopen(os.open(path, NEW_FLAGS, 0o644), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _unit_word(word: str) -> str:
    """A word of a command in a unit file (systemd.service(5), systemd.unit(5))."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, escaped)
    return f'"{word}"'


def run_command(argv: list[str], seconds: float, head: bytearray | None = None) -> tuple[str, int]:
    """Run a command of this host to its end: how it failed, if it did, and how many bytes it printed.

    What it printed is thrown away, since it may show content; only *head* takes its beginning.

    :raises OSError: it cannot be started.
    """
    import signal
    import subprocess

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": _PATH, "LC_ALL": "C"},
        start_new_session=True,
    )
    printed, deadline = 0, time.monotonic() + seconds
    try:
        if process.stdout is None:
            raise OSError(errno.EPIPE, "no output")
        os.set_blocking(process.stdout.fileno(), False)
        while True:
            ended = process.poll() is not None
            try:
                piece = os.read(process.stdout.fileno(), READ)
            except BlockingIOError:
                piece = None
            if piece:
                printed += len(piece)
                if head is not None:
                    head += piece[: max(0, _HEAD - len(head))]
            elif ended:
                # what it left behind may keep the pipe open
                break
            elif time.monotonic() >= deadline:
                return f"did not end within {seconds:g} seconds", printed
            else:
                select.select([process.stdout] if piece is None else [], [], [], PAUSE)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    status = process.returncode
    if status == 0:
        return "", printed
    return (f"was killed by signal {-status}" if status < 0 else exit_words(status)), printed


def exit_words(status: int) -> str:
    return f"ended with status {status}"
