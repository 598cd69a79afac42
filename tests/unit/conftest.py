# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hypothesis draws the same examples in every run: a test fails by a change, never by chance or a slow machine."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("holdfast", database=None, deadline=None, derandomize=True)
hypothesis.settings.load_profile("holdfast")
