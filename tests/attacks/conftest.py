# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases import conftest as shared

clock = shared.clock
file_lab = shared.file_lab
keys = shared.keys
other_keys = shared.other_keys
real_keys = shared.real_keys
