# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server
from ansible_collections.holdfast.config.tests.lab.s3.servers import KINDS, Servers
from ansible_collections.holdfast.config.tests.lab.s3.servers import servers as started
from ansible_collections.holdfast.config.tests.lab.sshd import Host, sshds

from . import report as reports
from .fleet import HOSTS, Fleet
from .report import Report

_REPORT = pytest.StashKey[Report]()
_CONDITIONS = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    # as Ctrl-C does: all that was started is stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.stash[_REPORT] = Report()
    config.stash[_CONDITIONS] = reports.conditions()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """Takes what was measured; it is printed at the end."""
    return pytestconfig.stash[_REPORT]


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """The hosts, with warm connections."""
    # sockets are put there, whose paths are short
    path = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        with sshds(path / "sshd", {f"host{number}": Host() for number in range(HOSTS)}) as running:
            made = Fleet(path, running)
            made.ping({})
            yield made
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """All S3 servers, none of them started."""
    with started(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module", params=sorted(KINDS))
def s3(request: pytest.FixtureRequest, servers: Servers) -> Iterator[S3Server]:
    """Each of the servers in turn, the only one of them on the machine."""
    server = servers.get(request.param)
    yield server
    server.down()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Print the tables; those of a whole run are kept for the page."""
    found = config.stash[_REPORT]
    if found.tables:
        text = f"{config.stash[_CONDITIONS]}.\n\n{found.text()}\n"
        if found.whole and exitstatus == pytest.ExitCode.OK:
            reports.KEPT.parent.mkdir(exist_ok=True)
            reports.KEPT.write_text(text, encoding="utf-8")
        terminalreporter.write_line(f"\n{text}")
