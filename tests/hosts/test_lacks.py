# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host may lack: it fails by name, says why and what to do about it, and the others are sealed."""

from __future__ import annotations

import dataclasses
import sys
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.pythons import too_old
from ansible_collections.holdfast.config.tests.lab.sshd import Host, Sshd, make_key, sshds
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run
from ansible_collections.holdfast.config.tests.system.test_failures import HUMBLE

RUN = [OPEN, SNAPSHOT, SEAL]
GOOD = "good"

NO_STDIN = {"ansible_become": True, "ansible_become_method": "itself"}
NO_TMP = {"ansible_remote_tmp": "/proc/no/such/folder"}
# what Python 3.6 says to a host's half
OLD = """\
#!/bin/sh
printf '  File "holdfast_host", line 39\\nSyntaxError: future feature annotations is not defined\\n' >&2
exit 1
"""
KILLED = "#!/bin/sh\nkill -KILL $$\n"
SILENT = "#!/bin/sh\ncat > /dev/null\n"
SILENT_MODULE = "#!/bin/sh\nexit 0\n"
NO_MEMORY = "#!/bin/sh\nprintf 'Traceback (most recent call last):\\nMemoryError\\n' >&2\nexit 1\n"
NO_LOGIN = "echo 'This account is currently not available.'\nexit 1"
FOLDER = "could not make its temporary folder"


@dataclasses.dataclass(frozen=True)
class Lack:
    """What is wrong with a host.

    :param reason: what the recovery point says of it.
    :param remedy: what to look at, as it stands there.
    :param variables: its inventory.
    :param python: a script that stands for its Python.
    :param shell: a script that stands for the login shell.
    :param prepare: changes the host.
    :param unreachable: whether Ansible says so.
    """

    reason: str
    remedy: str
    variables: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    python: str = ""
    shell: str = ""
    prepare: Callable[[Lab, Sshd], None] = lambda _lab, _sshd: None
    unreachable: bool = False

    def as_module(self, **changes: t.Any) -> Lack:
        """The same where the host's half runs as a module."""
        variables = {**self.variables, **NO_STDIN}
        return dataclasses.replace(self, **{"variables": variables, **changes})


def takes_reading_away(lab: Lab, sshd: Sshd) -> None:
    (lab.app(sshd.name) / "keys" / "tls.key").chmod(0)


def stops(lab: Lab, sshd: Sshd) -> None:
    sshd.stop()


def knows_another_user(lab: Lab, sshd: Sshd) -> None:
    other = sshd.folder / "another"
    (sshd.folder / "authorized_keys").write_text(f"{make_key(other)}\n")


def is_known_by_another_key(lab: Lab, sshd: Sshd) -> None:
    other = sshd.folder / "another"
    (sshd.folder / "known_hosts").write_text(f"{sshd.name} {make_key(other)}\n")


def _both(name: str, lack: Lack, **changes: t.Any) -> dict[str, Lack]:
    return {name: lack, f"{name}-module": lack.as_module(**changes)}


def _python(path: str) -> Mapping[str, t.Any]:
    return {"ansible_python_interpreter": path}


LACKS: dict[str, Lack] = {
    **_both("no-python", Lack("there is no such Python", "ansible_python_interpreter", _python("/no/such/python3"))),
    **_both("no-program", Lack("this cannot be executed", "ansible_python_interpreter", _python(__file__))),
    **_both("old-python", Lack("its Python is too old", "Python 3.8 or newer", python=OLD)),
    **_both("killed", Lack("signal 9 killed it", "memory", python=KILLED)),
    **_both("no-memory", Lack("ended with status 1", "memory and free space", python=NO_MEMORY)),
    "silent": Lack("gave no answer", "login banner", python=SILENT),
    "silent-module": Lack("ended with status 0", "Python 3.8 or newer", python=SILENT_MODULE, variables=NO_STDIN),
    **_both(
        "unreadable",
        Lack(
            "/app/keys/tls.key",
            "Grant the right (become), exclude the path",
            python=HUMBLE.format(python=sys.executable),
            prepare=takes_reading_away,
        ),
    ),
    "no-tmp-module": Lack(FOLDER, "ansible_remote_tmp", {**NO_TMP, **NO_STDIN}, unreachable=True),
    **_both(
        "no-login",
        Lack("ended with status 1", "login shell", shell=NO_LOGIN),
        reason=FOLDER,
        remedy="",
        unreachable=True,
    ),
    "no-shell": Lack("no such shell", "ansible_shell_executable", {"ansible_shell_executable": "/no/such/shell"}),
    "down": Lack("the host was not reached", "Look at the connection", prepare=stops, unreachable=True),
    "no-key": Lack("refused the login", "ansible_user", prepare=knows_another_user, unreachable=True),
    "other-host": Lack(
        "SSH key is not the one that is known", "known_hosts", prepare=is_known_by_another_key, unreachable=True
    ),
}
_old = too_old()
if _old is not None:
    LACKS |= _both("really-old-python", Lack("its Python is too old", "Python 3.8 or newer", _python(_old)))


@pytest.fixture(scope="module")
def ended(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Run]]:
    """A run in which each host lacks something, and one nothing."""
    lab = new_lab(0)
    lab.hosts = [*LACKS, GOOD]
    hosts = {}
    for name in lab.hosts:
        lab.fill(name)
        lack = LACKS.get(name)
        shell = _script(lab, f"shell-{name}", f"#!/bin/sh\n{lack.shell}\n") if lack and lack.shell else None
        hosts[name] = Host(options=[f"ForceCommand {shell}"] if shell else [])
    with sshds(tmp_path_factory.mktemp("sshd"), hosts) as running:
        for name in lab.hosts:
            lab.host_variables[name] = running[name].variables()
        for name, lack in LACKS.items():
            lack.prepare(lab, running[name])
            python = _python(_script(lab, f"python-{name}", lack.python)) if lack.python else {}
            lab.host_variables[name] |= {**lack.variables, **python}
        yield lab, lab.play(RUN, "--forks", "8")


def _script(lab: Lab, name: str, text: str) -> str:
    path: Path = lab.path / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", LACKS)
def test_a_host_that_lacks_something_fails_by_name_with_a_remedy(ended: tuple[Lab, Run], name: str) -> None:
    lab, run = ended
    lack = LACKS[name]
    (reason,) = [failure.reason for failure in lab.points()[0].body.failed if failure.host == name]
    assert lack.reason in reason
    assert lack.remedy in reason
    assert run.lines()[name]["error"] == reason
    task = run.on("snapshot", name)
    assert task.status == ("unreachable" if lack.unreachable else "failed")
    assert lack.reason in task.message
    assert lack.remedy in (task.message if lack.unreachable else task.result["remedy"])


def test_nothing_of_such_hosts_is_stored_and_the_others_are_sealed(ended: tuple[Lab, Run]) -> None:
    lab, run = ended
    assert run.rc != 0
    (point,) = lab.points()
    assert not point.statement.complete
    assert [entry.host for entry in point.body.streams] == [GOOD]
    assert {failure.host for failure in point.body.failed} == set(LACKS)
    assert not [path for path in lab.stored() if any(f"/{name}/" in path for name in LACKS)]
    assert lab.sound().unsealed == 0
