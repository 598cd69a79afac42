# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An execution environment gets what the collection imports and runs, by the steps that ansible-builder takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.unit import laws

from .conftest import BIN, ROOT, install

# what ansible-core asks for itself, ncclient, and hvac
_BROUGHT = {"ansible", "ansible_collections", "jinja2", "yaml", "paramiko", "requests"}
# where a package is not called what is imported of it
_PACKAGES = {"dateutil": "python-dateutil", "rfc3161_client": "rfc3161-client", "shamir_mnemonic": "shamir-mnemonic"}
# what runs programs on a controller, and which; Ansible's connection runs ssh
_RUN = {
    "plugins/plugin_utils/adapter/context.py": {"git"},
    "plugins/plugin_utils/imports/history.py": {"git"},
    "plugins/plugin_utils/mirror/git.py": {"git", "ssh"},
}
_OF_SYSTEM = {"git": {"git"}, "ssh": {"openssh-client", "openssh-clients"}}


@pytest.fixture(scope="module")
def asked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The lines that ansible-builder finds in the installed collection: of Python, and of the system."""
    home = Home(tmp_path_factory.mktemp("ee"), [BIN])
    galaxy = home.path / "galaxy"
    install(home, archive, galaxy)
    home.run("ansible-builder", "introspect", galaxy, "--write-pip=pip.txt", "--write-bindep=bindep.txt")
    return _lines(home.path / "pip.txt"), _lines(home.path / "bindep.txt")


def _lines(path: Path) -> set[str]:
    return {line.partition("#")[0].strip() for line in path.read_text().splitlines()} - {""}


def test_each_library_that_is_imported_is_asked_for_by_its_lowest_version(asked: tuple[set[str], set[str]]) -> None:
    python, _system = asked
    found = [re.fullmatch(r"([\w-]+)>=[\d.]+", line) for line in python]
    assert all(found), python
    imported = {one.top for one in laws.imports(ROOT)} - {"plugins", *sys.stdlib_module_names} - _BROUGHT
    assert {one[1] for one in found if one} == {_PACKAGES.get(name, name) for name in imported}


def test_each_program_that_is_run_is_asked_for_on_both_kinds_of_system(asked: tuple[set[str], set[str]]) -> None:
    _python, system = asked
    library = (ROOT / "plugins" / "plugin_utils").rglob("*.py")
    running = {str(path.relative_to(ROOT)) for path in library if "import subprocess" in path.read_text()}
    assert running == _RUN.keys()
    wanted = {package for programs in _RUN.values() for program in programs for package in _OF_SYSTEM[program]}
    assert {line.split()[0] for line in system} == wanted


def test_the_page_makes_a_build_context_without_a_container_engine(tmp_path: Path) -> None:
    home = Home(tmp_path, [BIN])
    page = Page(ROOT / "docs" / "guide_execution_environment.md")
    home.write(page)
    home.follow(page, "The build context")
    definition = yaml.safe_load((tmp_path / "execution-environment.yml").read_text())
    told = (tmp_path / "context" / "Containerfile").read_text()
    assert definition["images"]["base_image"]["name"] in told
    assert definition["dependencies"]["ansible_core"]["package_pip"] in told
    (collection,) = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())["collections"]
    assert collection["name"].endswith("/holdfast.config.git")
    # it asks each collection, as the tests above do
    assert "introspect.py introspect" in told
