# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.doctor_results import hasty
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location


def test_a_server_that_is_looked_at_is_not_waited_for_as_long_as_by_a_run() -> None:
    far = {"name": "far", "url": "s3://far/x", "s3": {"aws_config": {"read_timeout": 90, "connect_timeout": 2}}}
    disk = {"name": "disk", "url": "file:///srv/x", "s3": None}
    given = Location("lab", "s3://near/x", "local", "", None, s3={"region": "lab-1"}, replicas=[far, disk])
    found = hasty(given)
    assert found.s3 == {"region": "lab-1", "aws_config": {"read_timeout": 10}}
    # what the inventory says holds
    assert list(found.replicas) == [far, disk]
    assert hasty(Location("lab", "file:///srv/x", "local", "", None)).s3 is None
