# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab that people use by hand comes up once, lets each identity in, shows no secret, and leaves nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import hand
from ansible_collections.holdfast.config.tests.lab.page import Home


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the lab is to be."""
    place = Path(tempfile.mkdtemp(prefix="hf-hand-"))
    yield place / "lab"
    hand.down(place / "lab")
    shutil.rmtree(place)


def living(folder: Path) -> list[str]:
    """The processes that were told of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_the_lab_by_hand(folder: Path) -> None:
    home = Home(folder, environment={"ANSIBLE_CONFIG": os.environ.get("ANSIBLE_CONFIG", "")})
    said = hand.up(folder)
    process = int((folder / "pid").read_text())
    assert len(living(folder)) > 2
    assert hand.up(folder) == said
    assert int((folder / "pid").read_text()) == process

    tokens = []
    for who in hand.WHO:
        path = folder / f"env.{who}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        tokens += re.findall(r'(?:SECRET_ACCESS_KEY|TOKEN)="(.+)"', path.read_text())
    assert len(tokens) == 2 * len(hand.WHO) - 1
    told = said + (folder / "log").read_text() + (folder / "inventory.yml").read_text()
    assert not [token for token in tokens if token in told]

    def as_one(who: str, command: str) -> str:
        return home.run("bash", "-ec", f". ./env.{who}; {command}")

    for command in re.findall(r"^  (ansible-playbook .*)", said, re.MULTILINE):
        assert "2 stored" in as_one("operator", command)
    restore = (
        "ansible-playbook -i inventory.yml holdfast.config.restore -e restore_newest=true -e restore_under=$PWD/back"
    )
    as_one("restorer", f"{restore} --limit web1")
    (restored,) = (folder / "back").rglob("app.conf")
    assert restored.read_text() == (folder / "hosts" / "web1" / "app" / "app.conf").read_text()
    as_one("auditor", "ansible web1 -i inventory.yml -m holdfast.config.verify -a level=content")

    assert hand.down(folder) == f"{folder} is gone"
    assert not folder.exists()
    assert not living(folder)
    assert hand.down(folder) == "there was none"
