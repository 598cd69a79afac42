# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run says that it begins before a host is asked, and how it ended where it sealed nothing."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record

from .lab import OPEN, SEAL, SNAPSHOT, Lab
from .test_kills import killed_once_open

# like the lab's ssh, and notes whether the run's record was there when a host was first asked
LOOKING_SSH = """\
#!/bin/sh
for last; do :; done
[ -e {seen} ] || {{ ls -R {repository}/records > {seen}.new 2>&1; mv {seen}.new {seen}; }}
exec /bin/sh -c "$last"
"""


def told(lab: Lab) -> list[Record]:
    """What the runs have said of themselves, the earliest first."""
    paths = sorted((lab.path / "repository").glob("records/audit/*/*@*"))
    records = [record_format.read(path.read_bytes(), what=path.name)[0] for path in paths]
    return sorted(records, key=lambda record: (record.at, record.subject["event"] == "intent"))


def test_a_run_that_reaches_no_host_says_that_it_began_and_how_it_ended(lab: Lab) -> None:
    for host in lab.hosts:
        lab.host_variables[host] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    run = lab.play([OPEN, SNAPSHOT, SEAL])
    assert run.rc
    records = told(lab)
    assert sorted(record.subject["event"] for record in records) == ["ended", "intent"]
    (ended,) = (record for record in records if record.subject["event"] == "ended")
    assert ended.detail["result"] == "nothing-captured"


def test_the_record_is_there_before_the_first_host_is_asked(lab: Lab) -> None:
    seen, looking = lab.path / "seen", lab.path / "looking-ssh"
    looking.write_text(LOOKING_SSH.format(seen=seen, repository=lab.path / "repository"))
    looking.chmod(0o755)
    lab.host_variables["web1"] = {"ansible_connection": "ssh", "ansible_ssh_executable": str(looking)}
    lab.play([OPEN, SNAPSHOT, SEAL], "--limit", "web1", "-e", '{"holdfast_trigger": {"kind": "pre-deployment"}}').ok()
    assert "records/audit" in seen.read_text()
    (begun,) = told(lab)
    assert begun.subject["event"] == "intent"
    assert begun.detail["actor"]["trigger"]["kind"] == "pre-deployment"


def test_a_killed_run_is_said_to_be_interrupted_by_the_next_one(lab: Lab) -> None:
    killed_once_open(lab)
    (begun,) = told(lab)
    run = lab.play([OPEN, SNAPSHOT, SEAL]).ok()
    ended = [record for record in told(lab) if record.subject["event"] == "ended"]
    assert [(record.subject["run"], record.detail["result"]) for record in ended] == [
        (begun.subject["run"], "interrupted")
    ]
    (point,) = lab.points()
    assert point.id == run.report["id"]
