# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab whose hosts are captured on events, and a real ansible-rulebook that listens for them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.system import conftest as shared
from ansible_collections.holdfast.config.tests.system.lab import Lab

from .rulebook import EDA, TOOK, Rulebook

made = shared.made
new_lab = shared.new_lab
_JAVA = 17


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long it took from a request to its sealed point."""
    for line in TOOK:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    """Say what is missing before anything waits for it."""
    assert (EDA / "bin" / "ansible-rulebook").exists(), "ansible-rulebook is missing: run make test-events"
    java = shutil.which("java")
    assert java, f"Java {_JAVA} or later is missing: on Debian install default-jre-headless"
    told = subprocess.run([java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=True)
    version = next(line.split("=")[1] for line in told.stderr.splitlines() if "java.specification.version" in line)
    assert float(version) >= _JAVA, f"Java {_JAVA} or later is needed, and {java} is {version.strip()}"


@pytest.fixture
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """Two hosts, web1 and web2."""
    return new_lab(2)


@pytest.fixture
def rulebook(lab: Lab, tmp_path: Path) -> Iterator[Rulebook]:
    """Not started yet."""
    rulebook = Rulebook(lab, tmp_path)
    yield rulebook
    rulebook.stop()
