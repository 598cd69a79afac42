# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ways import APPLIES, CAPTURES, Apply, Capture


@pytest.fixture(params=CAPTURES)
def capture(request: pytest.FixtureRequest) -> Capture:
    """Each way to run a capture."""
    return CAPTURES[request.param]


@pytest.fixture(params=APPLIES)
def apply(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """Each way to run an apply."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return APPLIES[request.param]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder to stand for the host's /."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def open_root() -> Iterator[Path]:
    """Such a folder that everybody can reach; those of pytest are private."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    for parent, names, _files in os.walk(folder):
        for name in names:
            os.chmod(os.path.join(parent, name), 0o700)
    shutil.rmtree(folder)
