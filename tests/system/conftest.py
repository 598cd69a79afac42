# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One repository is made for all tests, by its module; each test gets a copy of it, and hosts of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Lab, Run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Run]:
    """A lab in which ``repository state=present`` ran, and that run."""
    lab = Lab(tmp_path_factory.mktemp("made"), hosts=1)
    run = lab.play([{"name": "make", "holdfast.config.repository": {}}]).ok()
    return lab, run


@pytest.fixture(scope="session")
def new_lab(made: tuple[Lab, Run], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Lab]:
    """Makes labs with that many hosts."""
    template, run = made
    pin = run.on("make").result["repository_id"]

    def new(hosts: int) -> Lab:
        lab = Lab(tmp_path_factory.mktemp("lab"), hosts=hosts, pin=pin)
        for part in ("repository", "keyring"):
            shutil.copytree(template.path / part, lab.path / part, symlinks=True)
        return lab

    return new


@pytest.fixture
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """Two hosts and an empty repository."""
    return new_lab(2)


@pytest.fixture
def five(new_lab: Callable[[int], Lab]) -> Lab:
    """Five hosts and an empty repository."""
    return new_lab(5)


@pytest.fixture
def bare(tmp_path: Path) -> Lab:
    """One host, no repository yet."""
    return Lab(tmp_path, hosts=1)
