# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers that are built from their Go modules, once for each version, outside of the checkout.

A program too, of nothing but Python's standard library: ``python3 tests/lab/go_build.py`` builds what is not there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# what `go mod` of the modules below asks for
_OLDEST_GO = (1, 25)
# of a program of tests nobody needs the symbols; it is the same wherever it was built
_FLAGS = ("-trimpath", "-ldflags=-s -w")
# no C compiler is needed, and no other toolchain is fetched
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
# where Go is put, which is not always on the path
_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")
_UNFINISHED = "unfinished-"
_REMEDY = (
    f"Install Go {_OLDEST_GO[0]}.{_OLDEST_GO[1]} or later, from https://go.dev/dl/ or a distribution that has it "
    "(the golang-go of Debian 12 is older), and run this again"
)


class NotBuiltError(Exception):
    """A server cannot be built here; says what to do about it."""


@dataclasses.dataclass(frozen=True)
class Program:
    """What is built.

    :param package: the path of its main package.
    :param version: of its module.
    :param source: the folder of this checkout that its module is, where it is that of nobody else.
    :param tags: what is built in, or left out.
    """

    package: str
    version: str
    source: Path | None = None
    tags: str = ""

    @property
    def name(self) -> str:
        """What the program is called."""
        return self.package.rpartition("/")[2]

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is built."""
        return (*_FLAGS, *([f"-tags={self.tags}"] if self.tags else []))


VERSITYGW = Program("github.com/versity/versitygw/cmd/versitygw", "v1.8.0")
MINIO = Program("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c")
# its client, which pages name
MC = Program("github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9")
# Vault's own core, under a licence that lets nobody sell it as a service: built here for tests, and never shipped
# its command line with the plugins of its minimal build: those of all the others ask for modules that nobody released
VAULT = Program("holdfast.lab/vault", "v1.21.2", Path(__file__).parent / "vault", "minimal")
PROGRAMS = (VERSITYGW, MINIO, MC, VAULT)


def build(program: Program) -> Path:
    """The path of the program, which is built where it is not there yet.

    Two that ask at the same time build once. What is there is whole: it is moved to its place when it is done.

    :raises NotBuiltError: there is no Go, it is too old, or it fails.
    """
    go = _go()
    version = _go_version(go)
    made = _cache() / f"{program.name}-{_digest(program, version)}" / program.name
    if made.exists():
        return made
    if _numbers(version) < _OLDEST_GO:
        raise NotBuiltError(f"{go} is {version}, which cannot build {program.name}. {_REMEDY}")
    made.parent.mkdir(parents=True, exist_ok=True)
    with _locked(made.parent / "lock"):
        if not made.exists():
            _install(go, program, made)
    return made


def _go() -> str:
    found = shutil.which("go", path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES]))
    if found is None:
        raise NotBuiltError(f"go is not on this machine, and the servers of the tests are built by it. {_REMEDY}")
    return found


def _go_version(go: str) -> str:
    asked = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=_environment())
    if asked.returncode != 0:
        raise NotBuiltError(f"{go} does not say which it is: {asked.stderr.strip()}. {_REMEDY}")
    return asked.stdout.strip()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _digest(program: Program, go_version: str) -> str:
    told = hashlib.sha256("\0".join([program.package, program.version, go_version, *program.flags]).encode())
    for path in sorted(program.source.iterdir()) if program.source else ():
        if path.suffix in (".go", ".mod", ".sum"):
            told.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return told.hexdigest()[:16]


def _cache() -> Path:
    # an empty variable is none (XDG Base Directory Specification)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast-lab"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let nobody else in; the kernel ends it with the process."""
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(go: str, program: Program, made: Path) -> None:
    for left in made.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=_UNFINISHED) as folder:
        what = "." if program.source else f"{program.package}@{program.version}"
        command = [go, "install", *program.flags, what]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**_environment(), "GOBIN": folder},
            cwd=program.source,
        )
        if done.returncode != 0:
            said = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("go: downloading "))
            raise NotBuiltError(
                f"{' '.join(command)} failed: look whether a Go module proxy is reached (GOPROXY), and run it again.\n"
                f"{said}"
            )
        Path(folder, program.name).rename(made)


def _environment() -> dict[str, str]:
    return {**os.environ, **_ENVIRONMENT}


def _main() -> int:
    # one after the other: each keeps all cores busy
    for program in PROGRAMS:
        start = time.monotonic()
        try:
            path = build(program)
        except NotBuiltError as e:
            sys.stderr.write(f"{e}\n")
            return 1
        sys.stdout.write(f"{program.name} {program.version}: {path}, {time.monotonic() - start:.0f} s\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
