# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `record` returns, and the files that it writes and reads; whole stories stand in tests/system/test_record.py."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import record_results
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import (
    Repository,
    create,
    open_repository,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import Authenticator
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import declared

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
EVER = NOW + dt.timedelta(days=3650)
KEY = Authenticator()
WORDS = Request("carol", "scrapped\x1b[2J\nexpires: never", "CHG1", NOW + dt.timedelta(days=7), "ab" * 16)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One whose root names alice. Its requests are told apart by their nonces."""
    store = MemoryStore(now=lambda: NOW)
    root, _made = create(
        store,
        LocalKeyring(tmp_path_factory.mktemp("keys") / "keyring"),
        name="prod",
        classes=declared().classes,
        people=(Person("alice", ("security",), KEY.line, NOW, EVER),),
        quorum=(Quorum("retired", 1, (), "touch"), Quorum("root", 1, ())),
    )
    assert root is not None
    return open_repository(store, pin=root.id)


def asked(repository: Repository, nonce: str, **changes: t.Any) -> Pending:
    request = dataclasses.replace(WORDS, nonce=nonce)
    record = Record("prod", repository.root.id, "retired", NOW, "carol", {"host": "h"}, {}, request)
    return approvals.put_request(repository, dataclasses.replace(record, **changes))


def sign(repository: Repository, pending: Pending) -> None:
    assert approvals.add_signature(repository, pending, people.armoured(KEY.sign(pending.to_sign)))


def test_a_request_comes_through_all_its_states(repository: Repository) -> None:
    pending = asked(repository, "states")
    found = record_results.request(repository, pending)
    assert (found["open"], found["reached"], found["record"], found["says"]) == (True, False, "", [])
    assert (found["lacking"], found["needed"]["presence"]) == (["1 more person"], "touch")
    assert [step.partition(":")[0] for step in found["next_steps"]] == [
        "Write what is to be signed",
        "Each of them reads it and signs it",
        "Add each signature",
        "Complete it",
    ]
    sign(repository, pending)
    found = record_results.request(repository, pending)
    assert (found["reached"], found["signed_by"], found["lacking"]) == (True, ["alice"], [])
    (step,) = found["next_steps"]
    assert step.endswith(f'-a "state=present request={pending.id}"')
    name, _made = records.complete(repository, pending)
    found = record_results.request(repository, pending, live={})
    assert found["record"] in name
    assert (found["signed_by"], found["next_steps"], found["still_live"]) == (["alice"], [], [])


def entry(host: str, stream: str, verified_at: dt.datetime) -> StreamEntry:
    ref = ObjectRef("packs/x", "1", 1, EVER)
    return StreamEntry(host, host, stream, "d0090", StreamState.STORED, NOW, verified_at, ref, ref, ())


def test_what_was_proven_after_a_request_is_named(repository: Repository) -> None:
    pending, later = asked(repository, "live"), NOW + dt.timedelta(seconds=1)
    entries = [entry("h", "tier1", later), entry("h", "tier0", later), entry("h", "tier2", NOW), entry("i", "t", later)]
    live = {each.key: each for each in entries}
    assert record_results.request(repository, pending, live=live)["still_live"] == ["tier0", "tier1"]
    one = asked(repository, "live one", subject={"host": "h", "stream": "tier1"})
    assert record_results.request(repository, one, live=live)["still_live"] == ["tier1"]


def test_a_closed_request_has_no_next_step(repository: Repository) -> None:
    found = record_results.request(repository, asked(repository, "closed", root="0" * 64))
    assert (found["open"], found["next_steps"]) == (False, [])


def asked_for_a_link(repository: Repository) -> approvals.Pending:
    draft = dataclasses.replace(repository.root, link=2, previous=repository.root.id, request=WORDS)
    return approvals.put_request(repository, draft)


def test_a_root_link_is_told_in_lines(repository: Repository) -> None:
    pending = asked_for_a_link(repository)
    found = record_results.request(repository, pending)
    assert (found["operation"], found["subject"]) == ("root", {"link": 2})
    assert [line for line in found["says"] if line.startswith("person alice (security), SHA256:")]
    assert "repository state=present" in found["next_steps"][-1]
    diff = record_results.change(None, found, changed=True, diff=True)["diff"]
    assert "retired takes 1 person, key: touch\n" in diff["after"]


def test_a_diff_holds_no_command_to_the_terminal_and_no_line_of_its_own(repository: Repository) -> None:
    found = record_results.request(repository, asked(repository, "diff"))
    diff = record_results.change(None, found, changed=True, diff=True)["diff"]
    assert diff["before"] == ""
    assert "reason: scrapped\\x1b[2J\\nexpires: never\n" in diff["after"]
    assert [line for line in diff["after"].splitlines() if line.startswith("expires")] == [
        "expires: 2026-03-08T12:00:00Z"
    ]
    assert "diff" not in record_results.change(found, found, changed=False, diff=True)
    assert "diff" not in record_results.change(None, found, changed=True, diff=False)


def test_a_listing_is_bounded_by_what_was_read(repository: Repository) -> None:
    asked(repository, "bounded")
    asked_for_a_link(repository)
    told = record_results.listing(records.listing(repository, most=0))
    assert (told["changed"], told["requests"], told["records"], told["not_believed"]) == (False, [], [], [])
    assert told["not_read"] > 0
    told = record_results.listing(records.listing(repository))
    assert told["not_read"] == 0
    assert {request["operation"] for request in told["requests"]} == {"retired", "root"}


def test_what_is_to_be_signed_is_written_once(repository: Repository, tmp_path: Path) -> None:
    pending, file = asked(repository, "file"), tmp_path / "file"
    assert not record_results.write_to_sign(pending, None, check=False)
    assert record_results.write_to_sign(pending, str(file), check=True)
    assert not file.exists()
    assert record_results.write_to_sign(pending, str(file), check=False)
    assert file.read_bytes() == pending.to_sign
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert not record_results.write_to_sign(pending, str(file), check=False)
    file.write_bytes(pending.to_sign + b"\n")
    assert record_results.write_to_sign(pending, str(file), check=False)
    assert file.read_bytes() == pending.to_sign
    assert file.stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    other.write_text("mine")
    file.unlink()
    file.symlink_to(other)
    assert record_results.write_to_sign(pending, str(file), check=False)
    assert other.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["file", "other"]
    with pytest.raises(PolicyError, match="cannot be written") as caught:
        record_results.write_to_sign(pending, str(tmp_path), check=False)
    assert caught.value.item == str(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"-----BEGIN SSH SIGNATURE-----\n", b"A" * 100_000])
def test_a_file_that_is_no_signature_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sig").write_bytes(data)
    with pytest.raises(FormatError, match="not an armoured SSH signature") as caught:
        record_results.read_signature(str(tmp_path / "sig"))
    assert caught.value.item == str(tmp_path / "sig")
    with pytest.raises(PolicyError, match="cannot be read: No such file") as missing:
        record_results.read_signature(str(tmp_path / "none"))
    assert missing.value.remedy


def test_a_signature_is_read_as_it_is(tmp_path: Path) -> None:
    text = people.armoured(KEY.sign(b"x"))
    (tmp_path / "sig").write_text(text)
    assert record_results.read_signature(str(tmp_path / "sig")) == text
