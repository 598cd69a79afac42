# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.elsewhere import ElsewhereStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore

from .conformance import MarkerContract


class TestElsewhereStore(MarkerContract):
    def over(self, medium: MemoryStore) -> Store:
        return ElsewhereStore(medium, lambda: medium)
