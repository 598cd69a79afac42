# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mirror on another machine, which real ssh reaches by a key, and only where it knows the machine's."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import MirrorError
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.branch import Branch, Change
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.git import Remote
from ansible_collections.holdfast.config.tests.lab import sshd
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.mirror.repositories import bare, files

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)


def test_commits_travel_by_ssh_to_a_server_that_is_known() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="hf-") as home,
        sshd.sshds(Path(home) / "ssh", {"git": sshd.Host()}) as hosts,
    ):
        server = hosts["git"]
        target = bare(Path(home) / "mirror.git")
        _name, host_key = (server.folder / "known_hosts").read_text().split(" ", 1)
        known, unknown = Path(home) / "known hosts", Path(home) / "unknown"
        known.write_text(f"[127.0.0.1]:{server.port} {host_key}")
        unknown.touch()
        url = f"ssh://{server.user}@127.0.0.1:{server.port}{target}"
        key = str(Path(home) / "ssh" / "user_key")
        remote = Remote(url, ssh_key=key, known_hosts=str(known))
        with Branch(remote, "main", Path(home) / "cache").connected() as branch:
            assert branch.fetch() is None
            first = branch.push(None, [Change({"r1/config/running": b"1\n"}, (), "A <a@b>", AT, "x\n")])
            assert branch.fetch() == first
            assert branch.push(first, [Change({"r1/config/running": b"2\n"}, (), "A <a@b>", AT, "x\n")])
        assert files(target) == {"r1/config/running": "2\n"}
        stranger = Remote(url, ssh_key=key, known_hosts=str(unknown))
        refused = pytest.raises(MirrorError, match=r"Host key verification failed|host key is known")
        with refused, Branch(stranger, "main", Path(home) / "cache").connected() as branch:
            branch.fetch()
