# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patterns mean on the controller what they mean on hosts."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.patterns import covering


@pytest.mark.parametrize(
    ("patterns", "path", "covered"),
    [
        (["*.pem"], "/etc/nginx/a.pem", True),
        (["*.pem"], "/etc/nginx/a.pem.old", False),
        (["/etc/ssh/ssh_host_*_key"], "/etc/ssh/ssh_host_rsa_key", True),
        (["/etc/ssh/ssh_host_*_key"], "/srv/etc/ssh/ssh_host_rsa_key", False),
        (["/etc/nginx/**/*.conf"], "/etc/nginx/a/b/c.conf", True),
        (["/etc/nginx"], "/etc/nginx/a/b/c.conf", True),
        (["private"], "/etc/ssl/private/key", True),
        ([], "/etc/ssl", False),
    ],
)
def test_covering(patterns: list[str], path: str, covered: bool) -> None:
    assert covering(patterns)(path) is covered
