# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newcomer with an empty home follows docs/guide_first_backup.md; of this checkout there is only what was built.

Then they upgrade as docs/guide_upgrade.md says, and back up a first device as docs/guide_devices.md says.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, PASSWORD, Device, Player
from ansible_collections.holdfast.config.tests.lab.page import TYPED, Home, Page

from .conftest import ROOT, only_public, pinned

PAGE = ROOT / "docs" / "guide_first_backup.md"
ADDRESS = "git+https://github.com/holdfast-config/holdfast.config.git"


class Newcomer:
    """Who has done what the page says.

    :ivar said: what was printed, by section.
    :ivar installed: what was in their home once all was installed.
    """

    def __init__(self, path: Path, archive: Path) -> None:
        self.archive = archive
        self.page = Page(PAGE, {ADDRESS: str(archive)})
        self.venv = path / "holdfast" / "venv" / "bin"
        self.home = Home(path, [self.venv], pinned(path, "dev"))
        self.said: dict[str, str] = {}
        self.installed: set[str] = set()
        self.home.write(self.page)
        for section in dict.fromkeys(block.section for block in self.page.blocks if block.language == "bash"):
            self.said[section] = self.home.follow(self.page, section)
            if section == "Install":
                only_public(path / ".ansible" / "collections" / "ansible_collections" / "holdfast" / "config")
                self.installed = set(os.listdir(path))

    @property
    def folder(self) -> Path:
        return self.home.path / "holdfast"

    def fails(self, inventory: str, *command: str) -> str:
        """What a command says that must fail, by another inventory."""
        (self.folder / "other.yml").write_text(inventory)
        line = f"cd ~/holdfast && {' '.join(command)} -i other.yml"
        code, said = self.home.attempt("bash", "-c", line)
        assert code != 0
        return said


@pytest.fixture(scope="module")
def newcomer(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Who has done all that the page says."""
    return Newcomer(tmp_path_factory.mktemp("home"), archive)


def test_the_page_ends_with_a_proven_backup(newcomer: Newcomer) -> None:
    assert re.search(r"^recovery point +[0-9a-f]{64}", newcomer.said["Back up"], re.MULTILINE)
    assert newcomer.said["Find it"].count("complete") >= 2
    assert newcomer.said["Change something, and go back"].count("listen = 8080") == 2
    (restored,) = (newcomer.folder / "restored").rglob("app.conf")
    assert restored.read_text() == (newcomer.folder / "app" / "app.conf").read_text() == "listen = 8080\n"
    assert "level keys: no promise broken" in newcomer.said["Prove it"]


def test_nothing_is_left_outside_of_what_the_page_names(newcomer: Newcomer) -> None:
    # pip asks for a Rust, which may make a folder too
    there = set(os.listdir(newcomer.home.path)) - newcomer.installed
    assert there == {".local"}
    assert os.listdir(newcomer.home.path / ".local" / "state") == ["holdfast"]


def test_the_first_errors_are_those_of_the_page(newcomer: Newcomer) -> None:
    inventory = (newcomer.folder / "inventory.yml").read_text()
    backup, restore = "ansible-playbook holdfast.config.backup", "ansible-playbook holdfast.config.restore"
    tried = (
        (inventory.replace("holdfast_repository_id", "forgotten"), backup),
        (inventory.replace("}}/app", "}}/nowhere"), backup),
        (inventory, f"{restore} -e restore_in_place=true"),
        (inventory.replace("}}/keyring", "}}/app"), f"{restore} -e restore_newest=true -e restore_in_place=true"),
        (inventory.replace("paths:", "path:"), backup),
        (inventory, f"{restore} -e restore_host=web1 -e restore_newest=true -e restore_in_place=true"),
        (inventory.replace("}}/repository", "}}/elsewhere"), backup),
    )
    told = re.findall(r"^\| [a-z].* \| `(.+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert len(told) == len(tried)
    for message, (changed, command) in zip(told, tried, strict=True):
        assert message in newcomer.fails(changed, command)


def test_an_upgrade_goes_on_with_the_repository(newcomer: Newcomer) -> None:
    page = Page(PAGE.with_name("guide_upgrade.md"), {f"{ADDRESS}\n": f"{newcomer.archive}\n"})
    there = dataclasses.replace(
        newcomer.home, environment={**newcomer.home.environment, "HOME": str(newcomer.home.path)}
    )
    said = dataclasses.replace(there, path=newcomer.folder).follow(page, "Upgrade", "Before and after")
    assert said.count("was installed successfully") == 2
    assert "no promise broken" in said


def test_a_device_is_backed_up_once_its_library_is_there(newcomer: Newcomer) -> None:
    page = Page(PAGE.with_name("guide_devices.md"))
    (block,) = [block.text for block in page.blocks if block.language in TYPED]
    commands = re.sub(r"^\$ ", "", block, flags=re.MULTILINE)
    backup = commands.splitlines()[-1]
    with Player() as player:
        # who logs in is how the player knows a device
        device = player.devices["backup"] = Device("r1", "ios")
        known = player.known_hosts(newcomer.folder / "known_hosts")
        reached = {"ansible_host": "127.0.0.1", "ansible_port": player.port, "holdfast_device_known_hosts": [known]}
        secrets = {"vault_backup_password": PASSWORD, "vault_enable": ENABLE}
        inventory = yaml.safe_load((newcomer.folder / "inventory.yml").read_text())
        inventory["all"]["children"] = {"routers": {"hosts": {"r1": reached}, "vars": secrets}}
        home = dataclasses.replace(
            newcomer.home,
            path=newcomer.folder,
            environment={**newcomer.home.environment, "HOME": str(newcomer.home.path)},
        )
        home.write(page)
        (newcomer.folder / "inventory").write_text(yaml.safe_dump(inventory))
        code, said = home.attempt("bash", "-c", backup)
        assert (code, device.logins) == (2, 0)
        assert "Run pip install asyncssh" in said
        said = home.give(commands)
    assert re.search(r"^Successfully installed .*\basyncssh-", said, re.MULTILINE)
    assert re.search(r"^r1 +: ok=\d+ +changed=1 ", said, re.MULTILINE)
    assert list((newcomer.folder / "repository").glob("packs/*/r1/*/*"))
    assert device.logins == 1
    assert device.asked.count("show running-config") == 1
    assert not [secret for secret in (PASSWORD, ENABLE, "CANARY") if secret in said]


def test_modules_and_roles_are_documented(newcomer: Newcomer) -> None:
    told = newcomer.home.run("ansible-doc", "-t", "module", "holdfast.config.snapshot")
    assert str(newcomer.home.path) in told
    roles = json.loads(newcomer.home.run("ansible-doc", "-t", "role", "-l", "--json"))
    assert "holdfast.config.backup" in roles
