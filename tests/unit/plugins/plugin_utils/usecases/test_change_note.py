# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A note of what was backed up is written once, by however many processes of the run at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.http import Http
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.servicenow import ServiceNow
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import change_note
from ansible_collections.holdfast.config.tests.lab import servicenow
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import FILES, Lab


@pytest.fixture
def instance() -> Iterator[servicenow.ServiceNow]:
    found = servicenow.ServiceNow()
    found.add("CHG1")
    yield from servicenow.serve(found)


def asking(instance: servicenow.ServiceNow) -> ServiceNow:
    return ServiceNow(Http(instance.url, headers={"Authorization": f"Bearer {servicenow.TOKEN}"}, timeout=60))


def sealed(lab: Lab) -> str:
    """The run that has sealed a point under CHG1."""
    folder = lab.folder("pre")
    lab.open(folder, change={"id": "CHG1"})
    lab.snapshot(folder, MemorySource(FILES))
    lab.seal(folder)
    return folder.run


def test_a_note_is_written_once_by_all_that_write_at_once(lab: Lab, instance: servicenow.ServiceNow) -> None:
    run = sealed(lab)
    # each has read what is there before another one writes, where nothing keeps them apart
    instance.slow = 0.2

    def note(_number: int) -> bool:
        return change_note.note(lab.repository, asking(instance), "CHG1", run, lab.state_dir).written

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(note, range(4))) == [False, False, False, True]
    assert len(instance.journal) == 1


def test_check_mode_writes_nothing(lab: Lab, instance: servicenow.ServiceNow) -> None:
    run = sealed(lab)
    noted = change_note.note(lab.repository, asking(instance), "CHG1", run, lab.state_dir, check=True)
    assert (noted.written, instance.asked) == (False, [])
    assert "pre " in noted.text


def test_a_run_notes_nothing_of_others(lab: Lab, instance: servicenow.ServiceNow) -> None:
    sealed(lab)
    with pytest.raises(PolicyError, match="sealed no recovery point under change CHG1"):
        change_note.note(lab.repository, asking(instance), "CHG1", "f" * 16, lab.state_dir)
