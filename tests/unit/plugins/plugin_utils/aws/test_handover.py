# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.aws.handover import Handover


def forked(what: Callable[[], bool]) -> bool:
    """Whether it is so in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if what() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_a_worker_leaves_the_next_one_finds_and_nobody_else() -> None:
    shared = Handover()

    def leave() -> bool:
        shared.leave("role", b"keys")
        return True

    assert shared.find("role") is None
    assert forked(leave)
    assert shared.find("role") == b"keys"
    assert forked(lambda: shared.find("role") == b"keys")
    assert shared.find("other") is None
    assert Handover().find("role") is None


def test_the_last_one_counts_and_of_another_key_nothing_is_found() -> None:
    shared = Handover()
    shared.leave("role", b"a longer one")
    shared.leave("role", b"short")
    assert shared.find("role") == b"short"
    shared.leave("other", b"")
    assert shared.find("role") is None
    assert shared.find("other") == b""


def test_what_is_too_long_is_not_left() -> None:
    shared = Handover()
    shared.leave("role", b"keys")
    shared.leave("role", bytes(1 << 20))
    assert shared.find("role") == b"keys"


@pytest.mark.parametrize("at", [0, 31, 32, 63, 64, 67, 68, 71])
def test_half_a_value_is_none(at: int) -> None:
    """Who reads while another one writes."""
    shared = Handover()
    shared.leave("role", b"keys")
    shared._memory[at] ^= 0xFF
    assert shared.find("role") is None
