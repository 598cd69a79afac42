# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One machine for all tests, each of which has paths of its own on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system import conftest as shared
from ansible_collections.holdfast.config.tests.system.lab import Lab

made = shared.made
new_lab = shared.new_lab


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A whole host."""
    with nspawn.machine(tmp_path_factory.mktemp("machine") / "m", "deep") as running:
        running.add_user("ada")
        yield running


@pytest.fixture(scope="session")
def lab_of(new_lab: Callable[[int], Lab]) -> Callable[..., Lab]:
    """Makes labs with an empty repository and a machine as their only host: its user, and its components by paths."""

    def new(host: Machine, *, user: str = "root", **components: list[str]) -> Lab:
        lab = new_lab(0)
        lab.hosts = [host.name]
        lab.host_variables[host.name] = host.variables(user)
        lab.variables["holdfast_components"] = [{"name": name, "paths": paths} for name, paths in components.items()]
        return lab

    return new
