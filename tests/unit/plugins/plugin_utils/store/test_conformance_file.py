# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore

from .conformance import StoreContract


class TestFileStore(StoreContract):
    many = 110  # a folder has no pages

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Store]:
        with tempfile.TemporaryDirectory() as folder:
            yield FileStore.create(Path(folder) / "store")
