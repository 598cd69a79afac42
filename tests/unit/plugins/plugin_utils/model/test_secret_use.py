# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.secret_use import (
    NOT_ROTATED,
    ROTATED,
    UNKNOWN,
    Look,
    Use,
    aged,
    shared,
)

MINE, OTHER = "ab" * 32, "cd" * 32
PATH = "/etc/app.conf"
USE = Use("web1", "web1", "app", PATH, 2, MINE, "k1")


def day(number: int) -> dt.datetime:
    return dt.datetime(2026, 1, number, tzinfo=dt.timezone.utc)


def seen(at: int, digest: str | None = MINE, until: int | None = None, key: str = "k1", path: str = PATH) -> Look:
    secrets = None if digest is None else frozenset({(path, digest)})
    return Look(day(at), day(until or at), key, secrets)


@pytest.mark.parametrize(
    ("looks", "age", "since", "why"),
    [
        ([seen(20), seen(9)], NOT_ROTATED, 9, ""),
        ([seen(20), seen(10)], NOT_ROTATED, 10, ""),
        ([seen(20), seen(15, OTHER)], ROTATED, 20, ""),
        # what was before was proven until after the date
        ([seen(20), seen(5, OTHER, until=12)], ROTATED, 20, ""),
        # and where it was not, it may have been rotated before the date
        ([seen(20), seen(5, OTHER, until=7)], UNKNOWN, 20, "rotated after 2026-01-07"),
        ([seen(20), seen(15, None)], UNKNOWN, 20, "without digests"),
        ([seen(20), seen(15, key="k2")], UNKNOWN, 20, "another key"),
        ([seen(20)], UNKNOWN, 20, "no older snapshot"),
        # it stood in another file before: in this one it is new
        ([seen(20), seen(15, path="/etc/other")], ROTATED, 20, ""),
        # it came back: what counts is since when it is there without a break
        ([seen(20), seen(15, OTHER), seen(9)], ROTATED, 20, ""),
    ],
)
def test_the_age_of_a_secret_on_the_tenth(looks: list[Look], age: str, since: int, why: str) -> None:
    found = aged(USE, looks, day(10))
    assert (found.age, found.seen_since) == (age, day(since))
    assert why in found.why


def test_only_what_several_hosts_have_is_shared_and_the_most_common_comes_first() -> None:
    def on(host: str, digest: str, key: str = "k1") -> Use:
        return dataclasses.replace(USE, host=host, host_id=host, digest=digest, digest_key=key)

    uses = [on("a", MINE), on("b", MINE), on("a", OTHER), on("b", OTHER), on("c", OTHER), on("d", "ef" * 32)]
    assert [[use.host for use in group] for group in shared(uses)] == [["a", "b", "c"], ["a", "b"]]
    # twice on one host is not shared, and of different keys nobody can tell
    assert shared([on("a", MINE), on("a", MINE)]) == []
    assert shared([on("a", MINE), on("b", MINE, "k2")]) == []


def test_what_is_told_of_a_use_holds_no_whole_digest_and_nothing_that_a_terminal_would_obey() -> None:
    told = dataclasses.replace(USE, path="/etc/\x1b[2J").as_dict()
    assert told["secret"] == MINE[:16]
    assert MINE not in str(told)
    assert told["path"] == "/etc/\\x1b[2J"
    assert "age" not in told
