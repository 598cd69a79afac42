# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of pages, one after the other, in one home: the first use, an audit, the shortest way back, the end."""

from __future__ import annotations

import getpass
import json
import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.tests.lab.page import Home, Page

from .lab import BIN, COLLECTIONS, PLUGINS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SUDO = '#!/bin/sh\nexec "$@"\n'


class Site:
    """One controller, whose two hosts are itself.

    :ivar app: what is backed up, in the place of ``/etc/ssh``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.app = path / "etc" / "ssh"
        self.app.mkdir(parents=True)
        (self.app / "sshd_config").write_text("PermitRootLogin no\n")
        programs = path / "programs"
        programs.mkdir()
        (programs / "sudo").write_text(SUDO)
        (programs / "sudo").chmod(0o755)
        environment = {
            "ANSIBLE_BECOME_METHOD": "itself",
            "ANSIBLE_BECOME_PLUGINS": str(PLUGINS / "become"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_TRANSPORT": "local",
            "USER": getpass.getuser(),
        }
        self.home = Home(path, [programs, BIN], environment)

    def page(self, name: str, **more: str) -> Page:
        """A page, and its files; what it has below /etc, /srv and /var is below this site."""
        text = (ROOT / name).read_text()
        below = ("/srv/holdfast", "/etc/holdfast", "/etc/ssh", "/var/tmp", "/var/lib/holdfast")
        moved = {at: f"{self.path}{at}" for at in below if at in text}
        page = Page(ROOT / name, {**moved, **more})
        self.home.write(page)
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site on which the README's first use was done."""
    site = Site(tmp_path_factory.mktemp("site"))
    page = site.page("README.md")
    once, *rest = page.commands("Use Cases")
    made = site.home.run("bash", "-euc", once)
    (line,) = re.findall(r'"inventory_line": "(.*)"', made)
    with (site.path / "inventory.yml").open("a") as inventory:
        inventory.write(f"    {line}\n")
    said = site.home.run("bash", "-euc", "\n".join(rest))
    assert "2 stored" in said
    assert "no promise broken" in said
    return site


def test_the_first_use_of_the_readme_restores(site: Site) -> None:
    (restored,) = (site.path / "var" / "tmp" / "restored").rglob("sshd_config")
    assert restored.read_text() == (site.app / "sshd_config").read_text()


def test_an_auditor_is_answered(site: Site) -> None:
    inventory = yaml.safe_load((site.path / "inventory.yml").read_text())
    page = site.page("docs/guide_audit.md", **{"0" * 64: inventory["all"]["vars"]["holdfast_repository_id"]})
    keyring = site.path / "etc" / "holdfast" / "keyring"
    keyring.rename(site.path / "away")
    said = site.home.follow(page)
    (site.path / "away").rename(keyring)
    assert "no promise broken" in said
    assert "error:" not in said
    assert len(re.findall(r"^\d{4}-\S+Z  web[12]/tier1$", said, re.MULTILINE)) >= 2
    assert json.loads((site.path / "verify.json").read_text())["level"] == "content"


def test_one_play_says_once_where_the_repository_is(site: Site) -> None:
    site.page("docs/guide_execution_environment.md")
    inventory = yaml.safe_load((site.path / "inventory.yml").read_text())
    variables = inventory["all"]["vars"]
    variables["my_repository"] = variables.pop("holdfast_repository")
    variables["my_pin"] = variables.pop("holdfast_repository_id")
    (site.path / "grouped.yml").write_text(yaml.safe_dump(inventory))
    site.home.run("ansible-playbook", "-i", "grouped.yml", "group_defaults.yml")


def test_the_shortest_way_back(site: Site) -> None:
    change = json.dumps({"holdfast_change": {"id": "CHG0042"}, "backup_point": "pre"})
    site.home.run("ansible-playbook", "-i", "inventory.yml", "holdfast.config.backup", "-e", change)
    (site.app / "sshd_config").write_text("PermitRootLogin yes\n")
    look, back = site.page("docs/runbooks/README.md").commands()[0].splitlines()
    journals = ("-e", f"holdfast_journal_dir={site.path}/journal")
    site.home.run("bash", "-euc", f"{look} {' '.join(journals)}")
    assert (site.app / "sshd_config").read_text() == "PermitRootLogin yes\n"
    site.home.run("bash", "-euc", f"{back} {' '.join(journals)}")
    assert (site.app / "sshd_config").read_text() == "PermitRootLogin no\n"


def test_nothing_is_left_after_an_uninstall(site: Site) -> None:
    """Last: it removes what the tests above use."""
    units = site.path / "units"
    page = site.page(
        "docs/guide_uninstall.md",
        **{"schedule_state: absent\n": f"schedule_state: absent\n        schedule_root: {units}\n"},
    )
    schedule = units / "etc" / "systemd" / "system" / "holdfast-schedule-tier1.timer"
    schedule.parent.mkdir(parents=True)
    schedule.touch()
    broken_off = site.path / "var" / "lib" / "holdfast"
    broken_off.mkdir(parents=True)
    installed = site.path / ".ansible" / "collections" / "ansible_collections" / "holdfast" / "config"
    installed.mkdir(parents=True)
    said = site.home.follow(page)
    assert said.count('"matched": 0') == 2
    gone = (schedule, broken_off, installed, site.path / "srv" / "holdfast" / "prod", site.path / "etc" / "holdfast")
    assert not [path for path in gone if path.exists()]
    assert not (site.path / ".local" / "state" / "holdfast").exists()
