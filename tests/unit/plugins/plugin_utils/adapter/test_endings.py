# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of a half that did not answer: the cause where there are signs of it, a remedy always, and no word of
what a host printed."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import endings
from hypothesis import given
from hypothesis import strategies as st

PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize(
    ("status", "said", "become", "message", "remedy"),
    [
        (127, f"/bin/sh: 1: {PYTHON}: not found", None, "there is no such Python", "ansible_python_interpreter"),
        (127, f"/bin/sh: 1: {PYTHON}: not found", "sudo", "there is no such Python", "ansible_python_interpreter"),
        (127, "/bin/sh: 1: sudo: not found", "sudo", "sudo refused", "by sudo"),
        (127, "/bin/sh: 1: exec: /bin/odd: not found", None, "no such shell", "ansible_shell_executable"),
        (126, f"/bin/sh: 1: {PYTHON}: Permission denied", None, "cannot be executed", "noexec"),
        (137, "Killed", "sudo", "signal 9 killed it", "memory"),
        (255, "", None, "status 255", "login shell"),
        (1, "SyntaxError: invalid syntax", None, "too old", "3.8 or newer"),
        (1, "SyntaxError: invalid syntax", "sudo", "too old", "3.8 or newer"),
        (1, "ansible-core requires a minimum of Python version 3.8", None, "too old", "3.8 or newer"),
        (1, "ada is not in the sudoers file.", "sudo", "sudo refused", "any command"),
        (1, "doas: Operation not permitted", "doas", "doas refused", "by doas"),
        (1, "Traceback (most recent call last):\nMemoryError", "sudo", "status 1", "memory and free space"),
        (0, "", "sudo", "status 0", "login shell"),
    ],
)
def test_why_a_half_ended(status: int, said: str, become: str | None, message: str, remedy: str) -> None:
    error = endings.ended(status, said, interpreter=PYTHON, become=become)
    assert f"ended with status {status}" in error.message
    assert message in error.message
    assert remedy in str(error.remedy)
    assert error.item == PYTHON


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Failed to create temporary directory. In some cases", "temporary folder"),
        ("Timeout (12s) waiting for privilege escalation prompt: ", "become did not succeed"),
        ("Timed out waiting for become success.", "become did not succeed"),
        ("Data could not be sent: Host key verification failed.", "SSH key"),
        ("Data could not be sent: ada@h: Permission denied (publickey).", "refused the login"),
        ("ssh: connect to host h port 22: Connection refused", "the host was not reached"),
    ],
)
def test_why_a_host_was_not_reached(said: str, message: str) -> None:
    error = endings.not_reached(said)
    assert message in error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Incorrect sudo password", "refused the password"),
        ("Missing sudo password", "none is given"),
        ("Premature end of stream waiting for become success.\n>>> Standard Error\nsudo: no", "become did not succeed"),
        (
            "Failed to set permissions on the temporary files needed when becoming an unprivileged user",
            "setfacl",
        ),
        ("something else", "did not run"),
    ],
)
def test_why_ansible_did_not_run_a_half(said: str, message: str) -> None:
    error = endings.not_run(said)
    assert message in str(error)
    assert error.remedy


def test_a_host_that_wants_a_terminal_is_told_from_one_that_refuses() -> None:
    assert endings.wants_terminal("sudo: sorry, you must have a tty to run sudo\n")
    assert not endings.wants_terminal("sudo: a password is required\n")
    assert not endings.wants_terminal("a tty" + " " * 5000)


@given(st.integers(-255, 255), st.text(), st.sampled_from([None, "sudo"]))
def test_nothing_that_a_host_said_is_repeated(status: int, noise: str, become: str | None) -> None:
    said = f"{noise}CANARY{noise}"
    for error in (
        endings.ended(status, said, interpreter=PYTHON, become=become),
        endings.not_reached(said),
        endings.not_run(said),
    ):
        assert "CANARY" not in str(error)
        assert error.remedy
