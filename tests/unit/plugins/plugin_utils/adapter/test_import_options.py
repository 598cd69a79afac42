# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.import_options import told
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.base import Skipped
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.import_backups import Outcome


def test_a_name_of_any_bytes_is_told_as_text():
    skipped = (Skipped("core\udcff/\x1b[31msw1", "is a link"), Skipped("a\nb", "it is empty (\udc80)"))
    result = told(Outcome((), 0, 0, 0, 0, skipped, ()), [], check=False)
    assert result["skipped"] == [
        {"place": "core\\xff/\\x1b[31msw1", "reason": "is a link"},
        {"place": "a\\nb", "reason": "it is empty (\\x80)"},
    ]
    assert json.dumps(result, ensure_ascii=False).encode("utf-8")
    assert not result["changed"]
