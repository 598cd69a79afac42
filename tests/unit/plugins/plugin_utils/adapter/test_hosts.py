# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn has come, under every order in which a play goes through its hosts."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import hosts
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

ALL = ["a", "b", "c", "d"]


def variables(*, batch: list[str] | None = None, left: list[str] | None = None, host: str = "a") -> dict[str, t.Any]:
    return {
        "inventory_hostname": host,
        "ansible_play_hosts_all": ALL,
        "ansible_play_hosts": ALL if left is None else left,
        "ansible_play_batch": ALL if batch is None else batch,
        "groups": {"all": [*ALL, "elsewhere"]},
    }


def come(strategy: str = "linear", order: str | None = None, *, sealing: bool = True, **more: t.Any) -> set[str]:
    play = t.cast(t.Any, types.SimpleNamespace(strategy=strategy, order=order))
    return hosts.come(play, variables(**more), sealing=sealing)


def test_expected_are_those_of_the_play_or_those_given() -> None:
    assert hosts.expected(None, variables()) == hosts.expected([], variables()) == ALL
    assert hosts.expected(["elsewhere", "a"], variables()) == ["elsewhere", "a"]
    with pytest.raises(PolicyError, match="typo"):
        hosts.expected(["a", "typo"], variables())


@pytest.mark.parametrize(
    ("delegate_to", "seconds", "pushed", "why"),
    [
        (None, 0, False, None),
        ("b", 0, False, "delegated"),
        ("b", 0, True, None),
        (None, 60, False, "async"),
        (None, 60, True, "async"),
    ],
)
def test_a_snapshot_is_taken_here_and_now_or_refused(
    delegate_to: str | None, seconds: int, pushed: bool, why: str | None
) -> None:
    task = t.cast(t.Any, types.SimpleNamespace(delegate_to=delegate_to, async_val=seconds))
    error = hosts.misplaced(task, "a", pushed=pushed)
    assert (error is None) is (why is None)
    if error is not None:
        assert why in str(error)
        assert (error.host, bool(error.remedy)) == ("a", True)


@pytest.mark.parametrize("order", [None, "inventory"])
def test_with_serial_the_batches_so_far_have_come(order: str | None) -> None:
    assert come(order=order) == set(ALL)
    assert come(order=order, batch=["a"]) == {"a"}
    # the batch of a was ended by meta: end_host and met neither open nor seal
    assert come(order=order, batch=["b", "c"]) == {"a", "b", "c"}


def test_in_another_order_only_this_batch_is_known() -> None:
    assert come(order="reverse_sorted", batch=["d"]) == {"d"}


def test_who_dropped_out_waits_for_nobody() -> None:
    assert come(batch=["a"], left=["a", "b", "c"]) == {"a", "d"}


@pytest.mark.parametrize("strategy", ["free", "ansible.builtin.free", "host_pinned", "ansible.builtin.host_pinned"])
def test_where_each_goes_by_itself_its_turn_comes_with_its_seal(strategy: str) -> None:
    assert come(strategy, sealing=False, host="b") == set()
    assert come(strategy, host="b") == {"b"}
    assert come(strategy, host="b", left=["a", "b", "c"]) == {"b", "d"}
