# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore

from .lab import START, Clock, Lab, make_keyring


def utcnow() -> dt.datetime:
    """The controller's clock."""
    return dt.datetime.now(dt.timezone.utc)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring of a repository that was made when the clocks of the labs start. Nobody changes it."""
    return make_keyring(tmp_path_factory.mktemp("keys") / "keyring", START)


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another keyring for a repository of the same name."""
    return make_keyring(tmp_path_factory.mktemp("other-keys") / "keyring", START)


@pytest.fixture(scope="session")
def real_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keyring for file stores, whose time is that of the system."""
    return make_keyring(tmp_path_factory.mktemp("real-keys") / "keyring", utcnow() - dt.timedelta(days=1))


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time of the store in memory, of its controller, and of the runs."""
    clock = Clock()
    with clock.ruling():
        yield clock


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """A repository in memory."""
    return Lab.make(tmp_path, MemoryStore(now=clock), keys, clock)


@pytest.fixture
def file_lab(tmp_path: Path, real_keys: Path) -> Lab:
    """A repository in a folder."""
    return Lab.make(tmp_path, FileStore.create(tmp_path / "store"), real_keys, utcnow)
