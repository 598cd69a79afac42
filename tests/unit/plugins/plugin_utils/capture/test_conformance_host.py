# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host

from .conformance import SourceConformance
from .sites import HostSite, SpoolingTrip, piped_trip


class TestHost(SourceConformance):
    @pytest.fixture
    def empty(self, tmp_path: Path) -> HostSite:
        return HostSite(tmp_path, piped_trip)


class TestHostOfLargeContents(SourceConformance):
    @pytest.fixture
    def empty(self, tmp_path: Path) -> HostSite:
        (tmp_path / "host").mkdir()
        site = HostSite(tmp_path / "host")
        site.source = Host(SpoolingTrip(tmp_path / "tmp"), root=str(site.root), deliver_bytes=10)
        return site
