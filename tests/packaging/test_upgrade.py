# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository that another version has written to is read and gone on with, by two versions at once too."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest, names
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.plugins.plugin_utils.version import COLLECTION
from ansible_collections.holdfast.config.tests.lab.page import Home
from ansible_collections.holdfast.config.tests.unit.golden.test_golden import FOLDER, LONG, VERSIONS, lay_out

from .conftest import BIN, PUBLIC, ROOT, built, install

LATER = "0.9.0"
# a later version may write fields that are unknown today, into every document
_HEADER = '"repository": repository'
_LATER_HEADER = '"repository": repository, "of_a_later_version": {"any": ["thing", 1]}'


class Shared:
    """A repository in a folder, on which runs are made by one installed version or another.

    :param variables: of the inventory.
    """

    def __init__(self, path: Path, variables: Mapping[str, t.Any], *, host: str = "web1") -> None:
        self.path = path
        self.host = host
        self.app = path / "etc"
        self.app.mkdir()
        self.variables: dict[str, t.Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "holdfast_components": [{"name": "app", "paths": [str(self.app)]}],
            "holdfast_repository": {
                "name": "prod",
                "url": f"file://{path}/repository",
                "keyring": {"path": f"{path}/keyring"},
            },
            **variables,
        }

    def run(self, collections: Path, *command: str) -> str:
        """Run a command by the version that is installed at a place."""
        inventory = {"all": {"hosts": {self.host: {}}, "vars": self.variables}}
        (self.path / "inventory.yml").write_text(yaml.safe_dump(inventory, allow_unicode=True))
        place = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder"}
        program, *words = command
        return Home(self.path, [BIN], place).run(program, "-i", "inventory.yml", *words)

    def backup(self, collections: Path, text: str) -> str:
        """Change the configuration, and back it up."""
        (self.app / "app.conf").write_text(text)
        return self.run(collections, "ansible-playbook", "holdfast.config.backup")

    def verify(self, collections: Path) -> dict[str, t.Any]:
        """What verify says at its deepest level; it fails where a promise is broken."""
        said = self.run(collections, "ansible", self.host, "-m", "holdfast.config.verify", "-a", "level=keys")
        return dict(json.loads(said[said.index("{") :]))

    def restore(self, collections: Path, *words: str) -> Path:
        """Restore what is chosen; returns the folder."""
        under = self.path / "restored"
        shutil.rmtree(under, ignore_errors=True)
        self.run(collections, "ansible-playbook", "holdfast.config.restore", "-e", f"restore_under={under}", *words)
        return under

    def points(self) -> list[points.Point]:
        """All recovery points that this version believes, by when they were sealed."""
        where = store.connect(self.variables["holdfast_repository"]["url"])
        repository = open_repository(where, pin=self.variables["holdfast_repository_id"])
        found = [points.read_point(repository, name) for name in points.point_names(repository)]
        return sorted(found, key=lambda point: point.statement.sealed_at)


@pytest.fixture(scope="module")
def current(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this version is installed."""
    home = Home(tmp_path_factory.mktemp("current"), [BIN])
    install(home, archive, home.path)
    return home.path


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a later version is installed, whose documents have a field that this version does not know."""
    home = Home(tmp_path_factory.mktemp("later"), [BIN])
    source = home.path / "source"
    source.mkdir()
    for name in (*PUBLIC, "galaxy.yml", "README.md"):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, source / name)
    library = source / "plugins" / "plugin_utils"
    for path, old, new in (
        (source / "galaxy.yml", f"version: {COLLECTION}", f"version: {LATER}"),
        (library / "version.py", f'"{COLLECTION}"', f'"{LATER}"'),
        (library / "format" / "canonical.py", _HEADER, _LATER_HEADER),
    ):
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
    install(home, built(source, home.path), home.path)
    return home.path


def test_two_versions_on_one_repository(current: Path, later: Path, tmp_path: Path) -> None:
    shared = Shared(tmp_path, {})
    made = shared.run(current, "ansible", "web1", "-m", "holdfast.config.repository")
    shared.variables["holdfast_repository_id"] = json.loads(made[made.index("{") :])["repository_id"]
    for number, (version, other) in enumerate(((current, later), (later, current))):
        assert "1 stored" in shared.backup(version, f"listen = {number}\n")
        # neither takes what the other has stored for drift
        assert "1 unchanged" in shared.backup(other, f"listen = {number}\n")

    found = shared.points()
    assert len(found) == 4
    where = store.connect(f"file://{tmp_path}/repository")
    manifests = [one.body.streams[0].manifest.name for one in found[::2]]
    writers = [manifest.read(objects.read(where, name), what=name).writer for name in manifests]
    assert writers == [COLLECTION, LATER]
    assert b"of_a_later_version" in zstd.decompress(objects.read(where, manifests[1]), limit=10**6)
    assert [one.body.parents for one in found] == [(), *((before.id,) for before in found[:-1])]
    # each restores what the other has stored
    for number, version in ((1, current), (0, later)):
        assert shared.verify(version)["sound"]
        under = shared.restore(version, "-e", f"restore_recovery_point={found[2 * number].id}")
        (restored,) = under.rglob("app.conf")
        assert restored.read_text() == f"listen = {number}\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_repository_of_each_format_is_gone_on_with(version: str, current: Path, tmp_path: Path) -> None:
    golden = FOLDER / version
    expected = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    (tmp_path / "repository").mkdir()
    where = store.connect(f"file://{tmp_path}/repository")
    for name in expected["objects"]:
        # locked as its class said when it was put, and longer; in the store since the time of its name
        where.put_new(name, io.BytesIO((golden / "store" / name).read_bytes()), lock_until=where.clock() + LONG)
        at = names.parse(name).at
        if at is not None:
            (file,) = (tmp_path / "repository" / name).parent.glob(f"{Path(name).name}@*")
            os.utime(file, (at.timestamp(), at.timestamp()))
    lay_out(golden / "keyring", tmp_path / "keyring")
    shared = Shared(tmp_path, {"holdfast_repository_id": expected["pin"]}, host="new1")
    before = [point.id for point in shared.points()]
    assert "1 stored" in shared.backup(current, "listen = 8080\n")

    added = [point for point in shared.points() if point.id not in before]
    assert len(added) == 1
    assert set(added[0].body.parents) <= set(before)
    assert added[0].body.parents
    assert shared.verify(current)["broken"] == 0
    under = shared.restore(current, "-e", "restore_newest=true")
    assert next(under.rglob("app.conf")).read_text() == "listen = 8080\n"
    old = ["-e", f"restore_recovery_point={before[0]}", "-e", f"restore_source_host={expected['host']}"]
    under = shared.restore(current, *old, "-e", '{"restore_components": ["base"]}')
    assert (under / "etc" / "motd").read_text() == "Welcome\n"
