# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every promise has a test that can fail: break the code once for each, and see its named test fail.

The breaks stand in mutations.yml, and for people in docs/design/promises.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
SHIPPED = ("changelogs", "docs", "galaxy.yml", "meta", "playbooks", "plugins", "pyproject.toml", "roles", "tests")


@dataclasses.dataclass(frozen=True)
class Mutation:
    """A break: in *file* the only *find* becomes *replace*, and *test* must fail for it."""

    promise: int
    name: str
    file: str
    find: str
    replace: str
    test: str


MUTATIONS = [Mutation(**given) for given in yaml.safe_load((Path(__file__).parent / "mutations.yml").read_text())]


class Copy:
    """A copy of the checkout that tests can be run in; its bytecode is kept from one run to the next."""

    def __init__(self, path: Path) -> None:
        self.path = path / "ansible_collections" / "holdfast" / "config"
        self._breaks = 0
        self.path.mkdir(parents=True)
        for name in SHIPPED:
            source = CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, self.path / name, ignore=shutil.ignore_patterns("__pycache__", "output"))
            else:
                shutil.copy2(source, self.path)
        tree = self.path / ".dev" / "tree" / "ansible_collections" / "holdfast"
        tree.mkdir(parents=True)
        (tree / "config").symlink_to(self.path)

    def run(self, test: str) -> subprocess.CompletedProcess[str]:
        """Run one test with this copy's code."""
        env = {
            **os.environ,
            "PYTHONPATH": str(self.path / ".dev" / "tree"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.path / ".dev" / "tree"),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        env.pop("ANSIBLE_CONFIG", None)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *test.split()]
        return subprocess.run(command, cwd=self.path, env=env, capture_output=True, text=True, check=False)

    @contextlib.contextmanager
    def broken(self, mutation: Mutation) -> Iterator[None]:
        """Have a break in this copy, and mend it."""
        file = self.path / mutation.file
        text, was = file.read_text(), file.stat()
        assert text.count(mutation.find) == 1, f"{mutation.file} holds this {text.count(mutation.find)} times"
        self._breaks += 1
        try:
            file.write_text(text.replace(mutation.find, mutation.replace))
            # bytecode is believed by size and seconds: each break has seconds that no other state of the file has
            os.utime(file, (1_000_000_000 + self._breaks,) * 2)
            yield
        finally:
            file.write_text(text)
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("test", sorted({mutation.test for mutation in MUTATIONS}))
def test_the_named_test_passes_on_whole_code(whole: Copy, test: str) -> None:
    ended = whole.run(test)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.promise}-{mutation.name}")
def test_the_named_test_fails_on_broken_code(whole: Copy, mutation: Mutation) -> None:
    with whole.broken(mutation):
        ended = whole.run(mutation.test)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    # a break that only keeps the code from being imported would prove nothing
    assert "error" not in ended.stdout.splitlines()[-1], ended.stdout


def test_the_page_lists_every_break() -> None:
    page = (CHECKOUT / "docs" / "design" / "promises.md").read_text()
    for mutation in MUTATIONS:
        assert f"| {mutation.promise} | {mutation.name} |" in page
        assert all(f"`{test}`" in page for test in mutation.test.split())
    assert page.count("\n| ") - 1 == len(MUTATIONS)
