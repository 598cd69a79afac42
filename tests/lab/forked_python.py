# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An interpreter for Ansible's modules that has imported what they import: each is a process, forked and not started.

What a module imports comes out of a zip, and is compiled for each process anew: most of what many small modules cost.

A program too, which :func:`python` runs: ``SOCKET MODULE… -- FOLDER…`` imports the modules, and then runs each source
that it is handed until its input ends.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

# it hands over where it is, its environment and its files, and ends as what ran there
_CLIENT = """\
#!{python} -IS
import json, os, socket
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
told = json.dumps({{"folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
socket.send_fds(server, [told], [0, 1, 2])
server.shutdown(socket.SHUT_WR)
code = server.recv(1)
os._exit(code[0] if code else 1)
"""
_MOST_BYTES = 1 << 16


@contextlib.contextmanager
def python(
    folder: Path, modules: Sequence[str], path: Sequence[Path], environment: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """An interpreter that reads its source from its input, as where Ansible pipes a module into it.

    :param folder: where it is put, with a path short enough for a socket.
    :param modules: what is imported before.
    :param path: where these are, beside what this Python has.
    :param environment: where they are imported, for what reads its environment then; this process's own otherwise.
    """
    listening = str(folder / "socket")
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, listening, *modules, "--", *map(str, path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=None if environment is None else dict(environment),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", f"{modules} cannot be imported"
        client = folder / "python"
        client.write_text(_CLIENT.format(python=sys.executable, socket=listening))
        client.chmod(0o755)
        yield client
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def _serve(listening: str, modules: Sequence[str], path: Sequence[str]) -> None:
    sys.path[:0] = path
    for module in modules:
        importlib.import_module(module)
    # nobody waits for what is forked
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(listening)
        server.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        # its input ends with who started it
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            asking, _address = server.accept()
            if os.fork() == 0:
                _run(asking)
            asking.close()


def _run(asking: socket.socket) -> t.NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        told = b""
        files: list[int] = []
        while True:
            data, more, _flags, _address = socket.recv_fds(asking, _MOST_BYTES, 3)
            files += more
            if not data:
                break
            told += data
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        given = json.loads(told)
        os.chdir(given["folder"])
        os.environ.clear()
        os.environ.update(given["environment"])
        sys.argv = ["-"]
        code = _code(sys.stdin.read())
        sys.stdout.flush()
        sys.stderr.flush()
        asking.send(bytes([code]))
    finally:
        os._exit(code)


def _code(source: str) -> int:
    try:
        exec(compile(source, "<stdin>", "exec"), {"__name__": "__main__"})  # as Python does
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException:  # as Python does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _given = sys.argv[2:]
    _serve(sys.argv[1], _given[: _given.index("--")], _given[_given.index("--") + 1 :])
