# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a host's half gave no answer, in words for whoever is woken by it.

What a host or ssh said is searched for signs and never repeated: it may hold anything.
"""

from __future__ import annotations

from ..errors import ConnectionLostError

# enough for what a shell, sudo or Python says at its end, and little of a large answer that broke off
_SEARCHED = 4096
_NO_COMMAND, _NOT_EXECUTABLE, _SIGNALLED = 127, 126, 128
_PYTHON = "Name a Python 3.8 or newer of the host (ansible_python_interpreter)"

# what is in Ansible's message, what that means, and what to do
_UNREACHED = (
    (
        "temporary directory",
        "Ansible could not make its temporary folder on the host",
        "Set ansible_remote_tmp to a folder that the login user may write, and look at the free space.",
    ),
    (
        "escalation",
        "the host asked for no password that Ansible could answer, and become did not succeed",
        "Check that the login user may become that user, and the password (ansible_become_password).",
    ),
    (
        "become success",
        "become did not succeed",
        "Check that the login user may become that user, and the password (ansible_become_password).",
    ),
    (
        "Host key verification failed",
        "the host's SSH key is not the one that is known",
        "Find out why it is another one before you correct known_hosts.",
    ),
    (
        "Permission denied",
        "the host refused the login",
        "Check ansible_user and its key on the host.",
    ),
)
_FAILED = (
    (
        "Incorrect",
        "the host refused the password for become",
        "Correct ansible_become_password, or the user's password on the host.",
    ),
    (
        "Missing",
        "become asks for a password, and none is given",
        "Give ansible_become_password, or allow the login user to become that user without one.",
    ),
    (
        "unprivileged",
        "Ansible could not hand its files to the unprivileged user that it becomes",
        "Install setfacl on the host (package acl); or become by sudo and set ansible_python_interpreter.",
    ),
    *_UNREACHED,
)


def not_reached(said: str) -> ConnectionLostError:
    """Say why Ansible's connection failed.

    :param said: the message of an AnsibleConnectionFailure.
    """
    message, remedy = _first(_UNREACHED, said) or (
        "the host was not reached",
        "Look at the connection: ansible -m ansible.builtin.ping shows what it says; here nothing is logged.",
    )
    return ConnectionLostError(message, remedy=remedy)


def not_run(said: str) -> ConnectionLostError:
    """Say why Ansible did not run the host's half.

    :param said: the message of any other AnsibleError.
    """
    message, remedy = _first(_FAILED, said) or (
        "Ansible did not run the host's half",
        "Run the play again with -vvv, which tells why and holds no content.",
    )
    return ConnectionLostError(message, remedy=remedy)


def ended(status: int, said: str, *, interpreter: str, become: str | None) -> ConnectionLostError:
    """Say why the host's half ended by itself, without an answer.

    :param status: its exit status, or that of the shell, of sudo or of ssh.
    :param said: what was printed.
    :param become: the method, where one becomes another user.
    """
    why, remedy = _ending(status, said[-_SEARCHED:], interpreter, become)
    message = f"the host's half ended with status {status}"
    return ConnectionLostError(f"{message}: {why}" if why else message, item=interpreter, remedy=remedy)


def wants_terminal(said: str) -> bool:
    """Whether sudo refused because it has no terminal (sudoers(5), requiretty)."""
    return "a tty" in said[-_SEARCHED:]


def _ending(status: int, said: str, interpreter: str, become: str | None) -> tuple[str, str]:
    if "SyntaxError" in said or "minimum of Python" in said:
        return "its Python is too old", f"{_PYTHON}."
    if status == _NO_COMMAND and (interpreter in said or not become):
        return "there is no such Python, or no such shell", f"{_PYTHON}, and look at ansible_shell_executable."
    if status == _NOT_EXECUTABLE:
        return "this cannot be executed", f"{_PYTHON}, and look at noexec mounts."
    if status > _SIGNALLED and status != 255:
        return f"signal {status - _SIGNALLED} killed it", "Look at the host's log and memory, and run again."
    if become and status and "Traceback" not in said:
        remedy = f"Check that the login user may become that user by {become} and run any command"
        return f"{become} refused", f"{remedy}, and the password (ansible_become_password)."
    return "", f"{_PYTHON}, and look at its login shell, memory and free space."


def _first(signs: tuple[tuple[str, str, str], ...], said: str) -> tuple[str, str] | None:
    return next(((message, remedy) for sign, message, remedy in signs if sign in said), None)
