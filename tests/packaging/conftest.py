# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as users get it: built, and installed where nothing else of this checkout can be found."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.page import Home

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
#: What works by itself; all else of a collection may be deleted.
PUBLIC = ("FILES.json", "MANIFEST.json", "meta", "playbooks", "plugins", "roles")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``ansible-galaxy collection build`` makes."""
    return built(ROOT, tmp_path_factory.mktemp("built"))


def built(source: Path, folder: Path) -> Path:
    """Build a collection's folder; returns its archive."""
    Home(folder, [BIN]).run("ansible-galaxy", "collection", "build", source, "--output-path", folder)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def pinned(folder: Path, name: str = "runtime") -> dict[str, str]:
    """What lets pip take the versions that the other tests run with, which are written to a folder."""
    pins = folder / "pins.txt"
    told = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins.write_text(re.sub(r" \\\n(?:    --hash=.*\n)+", "\n", told))
    return {"PIP_CONSTRAINT": str(pins), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def install(home: Home, archive: Path, collections: Path) -> Path:
    """Install an archive below a collections path, and delete what is not public; returns its folder."""
    command = ("ansible-galaxy", "collection", "install", "--offline", "-p", collections, archive)
    home.run(*command, ANSIBLE_COLLECTIONS_PATH=str(collections))
    folder = collections / "ansible_collections" / "holdfast" / "config"
    only_public(folder)
    return folder


def only_public(folder: Path) -> None:
    """Delete what is not public of an installed collection."""
    for path in folder.iterdir():
        if path.name not in PUBLIC:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
