# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection ``awx.awx``, out of the package ``ansible`` that holds it, once and outside of the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ..go_build import NotBuiltError

# the benchmark has it pinned, with its digests
_PINS = Path(__file__).parents[3] / "requirements" / "bench.txt"
# the wheel of the Python that the tests have: later ones hold the same collection
_PIN = re.compile(r"^ansible==12\.[0-9.]+ .*(?:\n +--hash=\S+(?: \\)?)+", re.MULTILINE)
_WANTED = "ansible_collections/awx/"


def collections() -> Path:
    """A folder for ``ANSIBLE_COLLECTIONS_PATH`` that holds ``awx.awx`` and nothing else.

    :raises NotBuiltError: the package cannot be had.
    """
    found = _PIN.search(_PINS.read_text(encoding="utf-8"))
    if found is None:
        raise NotBuiltError(f"{_PINS} pins no ansible 12, which holds awx.awx")
    # the pin of each Python has a marker; this one is good for all here
    version, hashes = found[0].split()[0], re.findall(r"--hash=\S+", found[0])
    pin = f"{version} {' '.join(hashes)}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast-lab"
    made = cache / f"awx-{hashlib.sha256(pin.encode()).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "awx.lock").open("wb") as lock:
        # the kernel ends it with the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-awx-") as folder:
                _unpack(_download(pin, Path(folder)), Path(folder, "tree"))
                shutil.move(Path(folder, "tree"), made)
    return made


def _download(pin: str, folder: Path) -> Path:
    asked = folder / "requirements.txt"
    asked.write_text(f"{pin}\n", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--require-hashes", f"--dest={folder}", f"--requirement={asked}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise NotBuiltError(f"awx.awx cannot be had: look whether PyPI is reached.\n{done.stderr.strip()}")
    return wheels[0]


def _unpack(wheel: Path, to: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(to, [name for name in archive.namelist() if name.startswith(_WANTED)])
