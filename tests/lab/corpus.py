# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations of network devices that this project did not write.

They are fixtures in the source distribution of ciscoconfparse2 (GPL-3.0-only), which pip fetches once, outside of the
checkout: nothing of them is in this repository.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

PACKAGE, VERSION = "ciscoconfparse2", "0.9.18"
DIGEST = "a28d4117907664b0231c2d3c5702ede9fdc3c7d78f9336fcb857b3d5bb983dc7"
_FOLDER = f"{PACKAGE}-{VERSION}/tests/fixtures/configs/"
# by the end of their name; what no platform is for is read as a device of which nothing is known
_PLATFORMS = {".ios": "ios", ".nxos": "nxos", ".iosxr": "iosxr", ".asa": "asa", ".junos": "junos", ".conf": "comware"}
_NO_CONFIGURATIONS = (".py", ".pyc")
_SECONDS = 300


class NotFetchedError(Exception):
    """The package cannot be fetched, or is another one; says what to do about it."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """A configuration by the name of its file, and the platform that it is of."""

    name: str
    platform: str
    text: bytes

    @property
    def lines(self) -> list[str]:
        """The lines, as they are decoded everywhere."""
        return self.text.decode("utf-8", "surrogateescape").splitlines()


@functools.cache
def configurations() -> tuple[Configuration, ...]:
    """All of them, by name.

    :raises NotFetchedError: there is no package index, or what it gives is not what was pinned.
    """
    found = []
    with tarfile.open(_archive()) as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not (member.isfile() and member.name.startswith(_FOLDER)) or name.endswith(_NO_CONFIGURATIONS):
                continue
            content = archive.extractfile(member)
            assert content is not None
            platform = _PLATFORMS.get(PurePosixPath(name).suffix, "generic")
            found.append(Configuration(name, platform, content.read().replace(b"\r\n", b"\n")))
    return tuple(sorted(found, key=lambda one: one.name))


def _archive() -> Path:
    """The path of the source distribution, which is fetched where it is not there yet; two fetch it once."""
    # an empty variable is none (XDG Base Directory Specification)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast-lab" / "corpus"
    kept = cache / f"{PACKAGE}-{VERSION}.tar.gz"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("wb") as lock:
        # the kernel ends it with the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                _fetch(Path(folder)).rename(kept)
    if hashlib.sha256(kept.read_bytes()).hexdigest() != DIGEST:
        raise NotFetchedError(f"{kept} is not what was pinned. Remove it, and run this again")
    return kept


def _fetch(folder: Path) -> Path:
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{DIGEST}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
    command += ["--require-hashes", "--requirement", str(pinned), "--dest", str(folder)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    fetched = folder / f"{PACKAGE}-{VERSION}.tar.gz"
    if done.returncode != 0 or not fetched.exists():
        raise NotFetchedError(
            f"pip cannot fetch {PACKAGE} {VERSION}: look whether a package index is reached (PIP_INDEX_URL), and run "
            f"it again.\n{done.stderr.strip()}"
        )
    return fetched
