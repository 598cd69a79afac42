# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What verify says of each stream: how old its newest snapshot is, and when it was last proven."""

from __future__ import annotations

import json
import subprocess
import typing as t

from .lab import BIN, Lab


def verify(name: str, **options: t.Any) -> dict[str, t.Any]:
    """A verification of all streams, once."""
    given = {"streams": True, "level": "signatures", **options}
    return {"name": name, "holdfast.config.verify": given, "run_once": True, "ignore_errors": True}


def test_each_stream_has_its_age_and_its_proof(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    restore = {"under": f"{lab.path}/restored/{{{{ inventory_hostname }}}}", "newest": True}
    lab.play([{"name": "restore", "holdfast.config.restore": restore}], "--limit", "web1").ok()
    lab.play("holdfast.config.backup").ok()
    before = lab.stored()
    run = lab.play([verify("names", level="names"), verify("all"), verify("short", streams=False)], check=True).ok()
    assert "level names reads no recovery point" in run.on("names").message
    result = run.on("all").result
    one, other = result["streams"]
    (record,) = (lab.path / "repository").glob("records/restore/*/*@*")
    at = lab.record(str(record.relative_to(lab.path / "repository")).partition("@")[0]).at
    first, second = lab.points()
    for stream in (one, other):
        assert stream["captured_at"] == f"{first.body.streams[0].captured_at:%Y-%m-%dT%H:%M:%SZ}"
        assert stream["verified_at"] == f"{second.body.streams[0].verified_at:%Y-%m-%dT%H:%M:%SZ}"
        assert not stream["restore_open"]
    assert [(s["host"], s["host_id"], s["stream"]) for s in (one, other)] == [(h, h, "tier1") for h in lab.hosts]
    assert (one["proven_at"], other["proven_at"]) == (f"{at:%Y-%m-%dT%H:%M:%SZ}", None)
    short = run.on("short").result
    assert "streams" not in short
    assert (short["live_streams"], short["proven_streams"]) == (2, 1)
    assert lab.stored() == before


def test_a_restore_that_is_open_is_seen_where_it_keeps_its_journals(lab: Lab) -> None:
    journal = lab.path / "journals" / "0123456789abcdef" / "journal.json"
    lab.variables["holdfast_journal_dir"] = str(lab.path / "journals")
    lab.play("holdfast.config.backup").ok()
    journal.parent.mkdir(parents=True)
    journal.touch()
    lab.change("web1")
    run = lab.play("holdfast.config.backup").ok()
    note = "a restore was open there: 0123456789abcdef; what differed is no rollback target"
    for host, state in (("web1", "stored"), ("web2", "unchanged")):
        assert run.lines()[host]["result"] == state
        assert run.lines()[host]["notes"] == [note]
        assert f"  {host}: {note}" in run.output.splitlines()
    told = lab.play([verify("all")]).ok().on("all").result["streams"]
    assert {stream["host"]: stream["restore_open"] for stream in told} == {"web1": True, "web2": False}
    point = lab.points()[-1]
    assert [found.detail for found in point.body.consistency if found.check == "restore_open"] == [
        f"a restore was open on {host}: 0123456789abcdef" for host in lab.hosts
    ]
    journal.unlink()
    lab.without_stdin()
    run = lab.play("holdfast.config.backup").ok()
    assert {host: line["result"] for host, line in run.lines().items()} == {"web1": "stored", "web2": "unchanged"}
    assert lab.sound()


def test_the_list_can_be_taken_out_of_an_ad_hoc_command(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    work = lab.path / "work"
    work.mkdir()
    done = subprocess.run(
        f"{BIN}/ansible web1 -i {lab.path}/inventory.yml -m holdfast.config.verify -a 'level=signatures streams=true'"
        " | sed '1s/.*=> //' > verify.json",
        shell=True,
        check=True,
        cwd=work,
        env=lab.environment(work),
        capture_output=True,
    )
    assert done.stderr == b""
    streams = json.loads((work / "verify.json").read_text())["streams"]
    assert [(stream["host"], stream["proven_at"]) for stream in streams] == [("web1", None), ("web2", None)]
