# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of whole hosts ask of a repository."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import Manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.open_snapshot import read_manifest
from ansible_collections.holdfast.config.tests.system.lab import Lab


def manifest(lab: Lab) -> Manifest:
    """That of the newest snapshot of the only host."""
    (entry,) = lab.points()[-1].body.streams
    return read_manifest(lab.repository(), entry)
