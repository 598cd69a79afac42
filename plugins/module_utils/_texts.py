# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that are no files: what commands print, and the environments of processes. Private to this collection.

The part of a host's half that only hosts with such components get: _tree.py, which documents the request and the
answer, is given this file after its request where it needs it. The controller stands on it too for what both must
tell alike. Standard library only, Python 3.8+, no other file of the collection.

**Command**: an argument list, never a shell. A name without a slash is looked for in :data:`PATH`. It runs in ``/``
with standard input from /dev/null and no environment but PATH, LC_ALL=C.UTF-8 and HOME, as the leader of a session of
its own. Its standard output is the text. Refused are another exit status than one that is accepted, what does not end
in time or prints more than it may (its whole process group is killed), and one that prints on standard error alone.

**Environment**: /proc/<pid>/environ as sorted lines (:func:`environment`) of the process that is the oldest of a
name (the first 15 bytes of it: proc(5), comm), a unit's main one, or the one that a file names. Anybody may give a
process of his any name, so those of a name must be of one real uid, or of the user whom the source names.

**lines-1**: what of a text is not volatile (:class:`Steady`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pwd
import re
import selectors
import signal
import subprocess
import time

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = "environment"

_PROC = "/proc"
_READ = 1 << 16
_LONGEST_LINE = 4096  # bytes that are looked at for what is volatile
_MATCHING = 60.0  # seconds of processor time that one text may take for that
_ASK_SYSTEMD = 10  # seconds
_COMM = 15  # bytes, without the closing NUL
_PIDFILE = 64
_GONE = (errno.ENOENT, errno.ESRCH)


def compiled(patterns: t.Iterable[str]) -> list[re.Pattern[bytes]]:
    """Compile what tells volatile lines; raises ValueError for a pattern that is none.

    They match bytes, so that neither a locale nor the Unicode version of a Python has a say.
    """
    found = []
    for pattern in patterns:
        try:
            found.append(re.compile(pattern.encode("utf-8", "surrogateescape")))
        except (re.error, OverflowError, RecursionError, ValueError) as e:
            raise ValueError(f"{pattern!r} is no regular expression ({e})") from e
    return found


class SlowError(ValueError):
    """Patterns run away on a text: matching its lines takes too long."""


class Steady:
    """Size and SHA-256 of a text without its volatile lines, as it comes in pieces.

    A line ends with its line feed, the last one perhaps with the text. It is volatile where one of the patterns is
    found in it (``re.search``, on bytes), without its line feed and without carriage returns before that. One of more
    than 4,096 bytes is not.

    :raises SlowError: by :meth:`write` and :meth:`finish`: to tell that took more than a minute of processor time.
    """

    def __init__(self, patterns: t.Sequence[re.Pattern[bytes]]) -> None:
        self._patterns = patterns
        self._size = 0
        self._digest = hashlib.sha256()
        self._begun: list[bytes] = []
        self._seconds = _MATCHING

    def write(self, piece: bytes) -> None:
        """Take the next bytes of the text."""
        if not self._patterns:
            self._count(piece)
            return
        first, feed, rest = piece.partition(b"\n")
        self._begun.append(first + feed)
        if feed:
            with self._bounded():
                self._end_line()
                *lines, begun = rest.split(b"\n")
                for line in lines:
                    self._take(line + b"\n")
            self._begun.append(begun)

    def finish(self) -> tuple[int, str]:
        """End the text: the size in bytes, and the digest in hex, of what is not volatile."""
        if self._begun:
            with self._bounded():
                self._end_line()
        return self._size, self._digest.hexdigest()

    @contextlib.contextmanager
    def _bounded(self) -> t.Iterator[None]:
        """Stop matching once the text's time is used up.

        Nothing else ends a search that has begun: it lets no other thread run. On a controller SIGALRM is Ansible's.
        """

        def stop(*_told: t.Any) -> t.NoReturn:
            raise SlowError(f"its volatile patterns take more than {_MATCHING:.0f} seconds of processor time")

        if self._seconds <= 0:
            stop()
        before = signal.signal(signal.SIGVTALRM, stop)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
            # the timer itself counts in ticks, and a short piece takes less than one
            self._seconds -= time.process_time() - begun

    def _end_line(self) -> None:
        line = b"".join(self._begun)
        self._begun = []
        if line:
            self._take(line)

    def _take(self, line: bytes) -> None:
        seen = line.rstrip(b"\r\n")
        if len(seen) > _LONGEST_LINE or not any(pattern.search(seen) for pattern in self._patterns):
            self._count(line)

    def _count(self, steady: bytes) -> None:
        self._size += len(steady)
        self._digest.update(steady)


def entry(folder: str, item: str, size: int, sha256: str) -> dict[str, t.Any]:
    """The entry of a text, in the form of an answer: a file of root's alone, with no time."""
    told = {"kind": "file", "mode": 0o600, "uid": 0, "gid": 0, "user": "", "group": "", "mtime_ns": 0}
    return {"path": folder + "/" + item, **told, "size": size, "sha256": sha256}


def environment(block: bytes) -> bytes:
    """Spell the environment of a process as lines, sorted by their bytes.

    In each variable a backslash becomes two of them, a line feed ``\\n`` and a carriage return ``\\r``: no two
    environments with other variables are spelled alike. Variables between two NUL that are empty are none.

    :param block: as /proc/<pid>/environ has it, each variable ended by a NUL.
    """
    variables = [variable for variable in block.split(b"\0") if variable]
    escaped = (v.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r") for v in variables)
    return b"".join(sorted(line + b"\n" for line in escaped))


class Texts:
    """One component: what its texts are, collected by :meth:`take` and put in order by :meth:`finish`, as a walk."""

    def __init__(
        self,
        component: t.Mapping[str, t.Any],
        spool: t.Any,
        refused: t.Callable[[str, str, t.Sequence[t.Any]], Exception],
    ) -> None:
        self.name = component["name"]
        self.left_out: dict[str, str] = {}
        self.left_out_bytes = 0
        self.unreadable: list[str] = []
        self.absent: list[str] = []
        self.changed: list[str] = []
        self.entries: dict[str, dict[str, t.Any]] = {}
        self.bytes = 0
        self._kind = component["kind"]
        self._source = component["source"]
        self._folder = component["paths"][0]
        self._most = component["bytes"]
        self._patterns = component["volatile"]
        self._spool = spool
        self._refused = refused
        self._steady: dict[str, dict[str, t.Any]] = {}
        self._spooled: list[str] = []

    def take(self) -> None:
        """Gather all texts; raises what *refused* makes where one cannot be had."""
        try:
            self._patterns = compiled(self._patterns)
        except ValueError as e:
            raise self._refused("request", f"component {self.name}: {e}", [self.name]) from e
        if self._kind == "command":
            for command in self._source["commands"]:
                self._command(command)
        else:
            self._environment()

    def finish(self) -> tuple[list[dict[str, t.Any]], list[int]]:
        """Entries sorted by path, and the places of those whose contents were spooled, in the order of those."""
        ordered = sorted(self.entries)
        return [self.entries[path] for path in ordered], [ordered.index(path) for path in self._spooled]

    def steady(self) -> list[dict[str, t.Any]]:
        """The entries as they would be without volatile lines."""
        return [self._steady[path] for path in sorted(self._steady)]

    def _command(self, command: t.Mapping[str, t.Any]) -> None:
        with self._told(command["name"]) as text:
            self._run(command["name"], command["argv"], command["accept"], command["timeout"], text.write)

    def _environment(self) -> None:
        what, pid = self._process()
        try:
            held = _read_all(f"{_PROC}/{pid}/environ", self._most)
        except PermissionError as e:
            message = f"the environment of {what} cannot be read by uid {os.geteuid()}"
            raise self._refused("unreadable", message, [self._item(ENVIRONMENT)]) from e
        except OSError as e:
            if e.errno not in _GONE:
                raise
            raise self._gone(f"{what} ended while it was looked at") from e
        if len(held) > self._most:
            raise self._too_large(ENVIRONMENT)
        if not held:
            # as that of a kernel thread, and of a process that is ending
            raise self._gone(f"{what} has no environment")
        with self._told(ENVIRONMENT) as text:
            text.write(environment(held))

    @contextlib.contextmanager
    def _told(self, name: str) -> t.Iterator[_Text]:
        """A text to be written, which is kept then."""
        text = _Text(self, name)
        try:
            yield text
            text.keep()
        except SlowError as e:
            raise self._refused("slow", f"component {self.name}: {e}", [self._item(name)]) from e

    def _process(self) -> tuple[str, int]:
        """What the process is called in errors, and its number."""
        source = self._source
        if "process" in source:
            return self._named(source["process"], source.get("user"))
        if "unit" in source:
            pid = self._main_pid(source["unit"])
            if not pid:
                raise self._gone(f"unit {source['unit']} does not run")
            return f"unit {source['unit']}", pid
        path = source["pidfile"]
        try:
            told = _read_all(path, _PIDFILE).split()
        except PermissionError as e:
            raise self._refused("unreadable", f"{path} cannot be read by uid {os.geteuid()}", [path]) from e
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise self._refused("os", f"{errno.errorcode.get(e.errno or 0)} on {path}", [path]) from e
            raise self._gone(f"{path} is not there") from e
        if not told or not re.fullmatch(rb"[1-9][0-9]{0,9}", told[0]):
            raise self._gone(f"{path} holds no process number")
        if not os.path.isdir(f"{_PROC}/{int(told[0])}"):
            raise self._gone(f"the process that {path} names does not run")
        return f"the process of {path}", int(told[0])

    def _named(self, name: str, user: str | None) -> tuple[str, int]:
        """The process of that name which was started first, and what it is called in errors."""
        what = f"process {name}" if user is None else f"process {name} of user {user}"
        found = _processes(name)
        if user is not None:
            uid = _uid(user)
            if uid is None:
                raise self._gone(f"this host has no user {user}")
            found = [process for process in found if process[2] == uid]
        if not found:
            raise self._gone(f"no {what} runs")
        uids = sorted({process[2] for process in found})
        if len(uids) > 1:
            message = f"component {self.name}: processes {name} run under differing uids: "
            raise self._refused("ambiguous", message + ", ".join(map(str, uids)), [self._item(ENVIRONMENT)])
        return what, min(found)[1]

    def _main_pid(self, unit: str) -> int:
        held = bytearray()
        argv = ["systemctl", "show", "--property=MainPID", "--", unit]
        self._run("systemctl", argv, [0], _ASK_SYSTEMD, held.extend)
        # systemd 219 has no --value
        found = re.fullmatch(rb"MainPID=([0-9]{1,10})\s*", bytes(held))
        return int(found.group(1)) if found else 0

    def _run(
        self,
        name: str,
        argv: t.Sequence[str],
        accept: t.Sequence[int],
        timeout: float,
        take: t.Callable[[bytes], t.Any],
    ) -> None:
        """Give the output of a command to *take*, piece by piece."""
        if os.sep in argv[0]:
            program: str | None = argv[0]
        else:
            places = (os.path.join(folder, argv[0]) for folder in PATH.split(os.pathsep))
            program = next((path for path in places if os.path.isfile(path) and os.access(path, os.X_OK)), None)
        if program is None:
            raise self._failed(name, f"is not on this host: {argv[0]} is in none of {PATH}")
        try:
            process = subprocess.Popen(
                [argv[0], *argv[1:]],
                executable=program,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=_clean(),
                start_new_session=True,
            )
        except (OSError, ValueError) as e:
            code = errno.errorcode.get(getattr(e, "errno", None) or 0, "an error")
            raise self._failed(name, f"could not be started ({code} on {argv[0]})") from e
        try:
            printed, complained = self._listen(process, name, time.monotonic() + timeout, timeout, take)
        except BaseException:
            _kill(process)
            raise
        finally:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        status = process.returncode
        if status not in accept:
            why = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            raise self._failed(name, why)
        if complained and not printed:
            raise self._failed(name, f"ended with status {status} and printed on standard error alone")

    def _listen(
        self,
        process: t.Any,
        name: str,
        deadline: float,
        timeout: float,
        take: t.Callable[[bytes], t.Any],
    ) -> tuple[int, int]:
        """Read until the process has ended: how many bytes came on standard output and on standard error."""
        counted = {process.stdout: 0, process.stderr: 0}
        with selectors.DefaultSelector() as ready:
            for stream in counted:
                ready.register(stream, selectors.EVENT_READ)
            while ready.get_map():
                for key, _events in ready.select(max(0.0, deadline - time.monotonic())):
                    stream = key.fileobj
                    piece = os.read(key.fd, _READ)
                    if not piece:
                        ready.unregister(stream)
                        continue
                    counted[stream] += len(piece)
                    if stream is process.stdout:
                        if counted[stream] > self._most - self.bytes:
                            raise self._too_large(name)
                        take(piece)
                if time.monotonic() >= deadline and ready.get_map():
                    raise self._failed(name, f"did not end within {timeout} seconds")
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as e:
            raise self._failed(name, f"did not end within {timeout} seconds") from e
        return counted[process.stdout], counted[process.stderr]

    def _failed(self, name: str, why: str) -> Exception:
        return self._refused("command", f"command {name} of component {self.name} {why}", [self._item(name)])

    def _gone(self, why: str) -> Exception:
        return self._refused("process", f"component {self.name}: {why}", [self._item(ENVIRONMENT)])

    def _too_large(self, name: str) -> Exception:
        message = f"component {self.name} holds more than {self._most} bytes"
        return self._refused("too_large", message, [self._item(name)])

    def _item(self, name: str) -> str:
        return f"{self.name}/{name}"

    def _begin(self) -> None:
        if self._spool is not None:
            self._spool.begin()

    def _write(self, piece: bytes) -> None:
        if self._spool is not None:
            self._spool.write(piece)

    def _keep(self, item: str, size: int, sha256: str, steady: tuple[int, str]) -> None:
        found = entry(self._folder, item, size, sha256)
        self.entries[found["path"]] = found
        self._steady[found["path"]] = entry(self._folder, item, *steady)
        self.bytes += size
        if self._spool is not None:
            self._spool.keep()
            self._spooled.append(found["path"])


class _Text:
    """One text on its way: digested, and handed to the spool of its component."""

    def __init__(self, texts: Texts, item: str) -> None:
        self._texts = texts
        self._item = item
        self._size = 0
        self._digest = hashlib.sha256()
        self._steady = Steady(texts._patterns)
        texts._begin()

    def write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._digest.update(piece)
        self._steady.write(piece)
        self._texts._write(piece)

    def keep(self) -> None:
        self._texts._keep(self._item, self._size, self._digest.hexdigest(), self._steady.finish())


def _clean() -> dict[str, str]:
    """The environment of a command."""
    told = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    try:
        return {**told, "HOME": pwd.getpwuid(os.geteuid()).pw_dir}
    except KeyError:
        return told


def _kill(process: t.Any) -> None:
    """Kill a command and what it has started, as far as that stayed in its process group."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _processes(name: str) -> list[tuple[int, int, int]]:
    """The processes of that name that live and can be seen: when each was started, its number, its real uid."""
    wanted = name.encode("utf-8", "surrogateescape")[:_COMM]
    found = []
    for number in os.listdir(_PROC):
        if number.isdigit():
            try:
                if _read_all(f"{_PROC}/{number}/comm", _PIDFILE).rstrip(b"\n") == wanted:
                    # the name may hold anything, a bracket or a line too; starttime is field 22 of proc(5), stat
                    fields = _read_all(f"{_PROC}/{number}/stat", _READ).rpartition(b")")[2].split()
                    uids = _read_all(f"{_PROC}/{number}/status", _READ).rpartition(b"\nUid:")[2].split()
                    if fields[0] != b"Z":
                        found.append((int(fields[19]), int(number), int(uids[0])))
            except (OSError, IndexError, ValueError):
                continue
    return found


def _uid(user: str) -> int | None:
    """The uid of a user by name or number; None for a name that this host has not."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return int(user) if re.fullmatch("[0-9]{1,10}", user) else None


def _read_all(path: str, most: int) -> bytes:
    """A file of /proc, or a small one; a little more than *most* bytes where it holds more."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        held = b""
        while len(held) <= most:
            piece = os.read(fd, _READ)
            if not piece:
                break
            held += piece
        return held
    finally:
        os.close(fd)
