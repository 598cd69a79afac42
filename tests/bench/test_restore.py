# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place of every file takes beside a `ping` play, and beside restic over Ansible.

Prints and never judges speed. That every file is back is judged.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fleet import HOSTS, ROUNDS, Fleet, Repository, Spent
from .others import Restic
from .report import RESTORE, Beside, Report

HEAD = ("hosts", "beside", "aim", "times as long", "seconds", "the other, seconds")
AIMS = {"one": "≤ 2.5", "all": "≤ 3"}


@pytest.fixture(scope="module")
def known(fleet: Fleet) -> Repository:
    """A repository that holds all hosts."""
    repository = fleet.new_repository()
    fleet.backup({}, repository, changed=HOSTS)
    return repository


@pytest.fixture(scope="module")
def restic(fleet: Fleet) -> Restic:
    """What restic knows of all hosts."""
    other = Restic(fleet)
    other.forget()
    other.backup()
    return other


@pytest.mark.parametrize("which", ["one", "all"])
def test_restore(fleet: Fleet, known: Repository, restic: Restic, report: Report, which: str) -> None:
    hosts = list(fleet.sshds) if which == "all" else list(fleet.sshds)[:1]
    limit = ",".join(hosts)

    def back(restore: Callable[[], Spent]) -> Spent:
        before = fleet.damage(*hosts)
        spent = restore()
        assert {path: path.read_bytes() for path in before} == before
        return spent

    pings, ours, others = [], [], []
    for _round in range(ROUNDS):
        pings.append(fleet.ping({}, hosts=limit))
        ours.append(back(lambda: fleet.restore({}, known, hosts=limit)))
        others.append(back(lambda: restic.restore(hosts=limit)))
    for name, other, aim in (("ping", pings, AIMS[which]), ("restic", others, "")):
        found = Beside(ours, other)
        report.add(RESTORE, HEAD, str(len(hosts)), name, aim, found.ratio, *found.seconds)
