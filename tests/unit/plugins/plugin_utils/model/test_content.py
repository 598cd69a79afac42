# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint


def test_content_belongs_to_the_component_of_its_fingerprint() -> None:
    component = Component("ssh", ("/etc/ssh",), "tier1", "ops", "internal")
    content = ComponentContent(PlainFingerprint(component, "ab" * 32, size=0, entries=0), (), {})
    assert content.component is component
