# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts share a secret and which were not rotated is told by digests; the secrets themselves stand nowhere."""

from __future__ import annotations

import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import NotFoundError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.secret_use import NOT_ROTATED, ROTATED, UNKNOWN
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import open_catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.open_snapshot import read_manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.secrets import Asked, Secrets, look
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import START, Clock, Lab, declared

CONF = "/etc/app/main.conf"
PATTERN = r"^secret = (?P<secret>.+)"
ONE, OTHER = "sW0rdfish-one", "sW0rdfish-other"
APP = declared({"name": "app", "paths": ["/etc/app"], "secrets": [PATTERN]})
HOUR = dt.timedelta(hours=1)


def host(*secrets: str, more: str = "") -> MemorySource:
    lines = "".join(f"secret = {secret}\n" for secret in secrets)
    return MemorySource({CONF: f"listen = 1\n{lines}{more}".encode(), "/etc/app/logo": b"\0\1secret = binary-thing"})


def run(lab: Lab, clock: Clock, evidence: bool = True, **hosts: MemorySource) -> None:
    """Back hosts up; an hour passes."""
    lab.run(hosts, policy=lambda: APP, secret_evidence=evidence)
    clock.advance(hours=1)


def of(lab: Lab, **asked: t.Any) -> Secrets:
    with open_catalog(lab.repository, state_dir=None, forks=1) as catalog:
        return look(lab.repository, catalog, Asked(**asked))


def ages(found: Secrets) -> list[tuple[str, str]]:
    return [(use.host, use.age) for use in found.uses]


def test_hosts_that_share_a_secret_are_told_together(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(OTHER, f'"{ONE}"'), c=host(OTHER + "x"))
    found = of(lab)
    assert [(use.host, use.path, use.line) for use in found.uses] == [
        ("a", CONF, 2),
        ("b", CONF, 2),
        ("b", CONF, 3),
        ("c", CONF, 2),
    ]
    # with quotes or without it is the same secret
    assert [[(use.host, use.line) for use in group] for group in found.shared] == [[("a", 2), ("b", 3)]]
    assert found.not_known == ()
    assert found.manifests == 3


def test_one_host_that_has_a_secret_twice_shares_it_with_nobody(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE, ONE))
    assert of(lab).shared == ()
    assert len(of(lab).uses) == 2


def test_only_declared_secrets_of_eight_characters_or_more_have_a_digest(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host("short", "eight888", more="password = not-declared-1\n"))
    assert [use.line for use in of(lab).uses] == [3]


def test_without_the_opt_in_manifests_hold_no_digest_and_that_is_said(lab: Lab, clock: Clock) -> None:
    run(lab, clock, evidence=False, a=host(ONE))
    assert of(lab).uses == ()
    assert [(one.host, one.component) for one in of(lab).not_known] == [("a", "app")]
    # what has not changed keeps its manifest, so that it stays unknown until it is stored anew
    run(lab, clock, a=host(ONE))
    assert len(of(lab).not_known) == 1
    run(lab, clock, a=host(ONE, OTHER))
    assert len(of(lab).not_known) == 0
    assert len(of(lab).uses) == 2


def test_where_the_age_of_a_secret_is_known_it_is_told(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(ONE), c=host(ONE))
    # b changes, and not in its secret; c rotates
    run(lab, clock, a=host(ONE), b=host(ONE, more="x\n"), c=host(OTHER))
    since = START + HOUR / 2
    found = of(lab, not_rotated_since=since)
    assert ages(found) == [("a", NOT_ROTATED), ("b", NOT_ROTATED), ("c", UNKNOWN)]
    # what c had before was last proven before that date, so that it may have been rotated on either side of it
    assert "was rotated after" in found.uses[-1].why
    assert ages(of(lab, not_rotated_since=START)) == [("a", NOT_ROTATED), ("b", NOT_ROTATED), ("c", ROTATED)]
    assert {use.seen_since for use in found.uses} == {START, START + HOUR}


def test_the_age_of_a_secret_is_unknown_where_the_past_is(lab: Lab, clock: Clock) -> None:
    run(lab, clock, evidence=False, a=host(ONE))
    run(lab, clock, a=host(ONE, more="x\n"), b=host(ONE))
    found = of(lab, not_rotated_since=START)
    assert ages(found) == [("a", UNKNOWN), ("b", UNKNOWN)]
    assert [use.why for use in found.uses] == [
        "older snapshots were stored without digests of secrets",
        "no older snapshot is left",
    ]


def test_hosts_and_components_are_narrowed_by_name(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(ONE))
    assert {use.host for use in of(lab, hosts=("b",)).uses} == {"b"}
    assert of(lab, hosts=("b",)).shared == ()
    assert len(of(lab, components=("app",)).uses) == 2
    with pytest.raises(NotFoundError, match="no live snapshot of this host"):
        of(lab, hosts=("nobody",))
    with pytest.raises(NotFoundError, match="no live snapshot of this component"):
        of(lab, components=("nothing",))
    with pytest.raises(PolicyError, match="yet to come"):
        of(lab, not_rotated_since=clock() + dt.timedelta(days=1))


def test_no_more_manifests_are_read_than_asked_for(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(ONE))
    found = of(lab, read=1)
    assert len(found.uses) == 1
    assert "was not read" in found.warnings[0]
    # an empty list of what is shared is no good sign then
    assert [(one.host, one.component, "not read" in one.why) for one in found.not_known] == [("b", "app", True)]
    run(lab, clock, a=host(ONE, more="x\n"), b=host(ONE))
    assert [use.why for use in of(lab, read=2, not_rotated_since=START).uses if use.host == "a"] == [
        "an older manifest was not read"
    ]


def test_too_many_secrets_are_none_and_a_mark_says_so(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(*(f"secret-number-{number}" for number in range(1001))))
    (entry,) = lab.live().streams.values()
    assert entry.marks == ("app: secrets not known",)
    assert [one.component for one in of(lab).not_known] == ["app"]


def test_a_pattern_that_says_which_lines_and_not_what_gives_none(lab: Lab, clock: Clock) -> None:
    policy = declared({"name": "app", "paths": ["/etc/app"], "secrets": ["^secret"]})
    lab.run({"a": host(ONE)}, policy=lambda: policy, secret_evidence=True)
    assert of(lab).uses == ()
    assert of(lab).not_known == ()


def test_digests_are_keyed_for_the_repository_and_say_nothing_without_the_key(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(ONE))
    digests = set()
    for entry in lab.live().streams.values():
        (part,) = read_manifest(lab.repository, entry).components
        assert part.secrets is not None
        digests.update(secret.digest for secret in part.secrets)
        # not the key of a host's own digests
        assert not digests & {keyed.digest for keyed in part.entries}
    assert len(digests) == 1


def test_the_run_folder_holds_the_key_until_it_is_sealed_and_never_a_secret(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    lab.open(folder, "a", secret_evidence=True)
    key = folder.read_secret_key()
    assert key is not None
    assert len(key) == 32
    assert (folder.path / "secrets.json").stat().st_mode & 0o777 == 0o600
    lab.snapshot(folder, host(ONE), "a", lambda: APP)
    lab.seal(folder)
    assert folder.read_secret_key() is None
    assert ONE.encode() not in everything(lab.state_dir)
    assert key.hex().encode() not in everything(lab.state_dir)
    for name in lab.names("manifests/"):
        assert ONE.encode() not in zstd.decompress(lab.store.get(name), limit=1 << 20)


def test_a_run_that_was_killed_leaves_no_key_once_it_is_swept(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    lab.open(folder, "a", secret_evidence=True)
    folder.thin()
    assert folder.read_secret_key() is None
    assert folder.exists()


def test_without_the_opt_in_there_is_no_key(lab: Lab, clock: Clock) -> None:
    folder: PointFolder = lab.folder()
    lab.open(folder, "a")
    assert folder.read_secret_key() is None


def test_what_cannot_be_read_is_named_and_the_rest_is_told(lab: Lab, clock: Clock) -> None:
    run(lab, clock, a=host(ONE), b=host(ONE))
    (entry,) = (entry for entry in lab.live().streams.values() if entry.host == "a")
    lab.memory.put_away(entry.manifest.name, entry.manifest.version)
    found = of(lab)
    assert [use.host for use in found.uses] == ["b"]
    assert len(found.warnings) == 1
    assert entry.manifest.name in found.warnings[0]
    assert [one.host for one in found.not_known] == ["a"]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
