# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place of whole hosts, with the services that take up what came back, judged by rsync and by the services.

Services have a network of their own, a loopback alone: nothing of this machine's is met or changed. Each tells by a
drop-in how often it was reloaded.
"""

from __future__ import annotations

import dataclasses
import shlex
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.sshd import free_port, wait_for
from ansible_collections.holdfast.config.tests.system.lab import Lab, Run

from . import restoring
from .restoring import differs, keep, shown

PACKAGES = ("nginx-light", "nftables", "openssh-server", "sudo")
NETWORK = "/run/lab-network"
# in a network that is its own, and of a user namespace whose root may filter it: root of such a machine may not
NFT = """\
#!/bin/sh
exec nsenter --target "$(systemctl show -P MainPID lab-filter.service)" --user --net /usr/sbin/nft "$@"
"""
KEY = "/srv/user_key"
ANSWER = "/etc/systemd/system/answer.service"

GOOD = {
    "/etc/nginx/sites-available/default": "server { listen 127.0.0.1:80; location / { return 200 good; } }\n",
    "/etc/ssh/sshd_config.d/lab.conf": (
        "ListenAddress 127.0.0.1\nAuthorizedKeysFile /etc/ssh/lab/authorized_keys\nStrictModes no\nUsePAM no\n"
    ),
    "/etc/sudoers.d/lab": "ada ALL=(root) NOPASSWD: /usr/bin/id\n",
    "/etc/nftables.conf": "flush ruleset\ntable inet lab {\n  chain good {\n  }\n}\n",
    ANSWER: "[Service]\nExecStart=/bin/sleep 4711\n",
}
# what no validator accepts
INVALID = {
    "/etc/nginx/sites-available/default": "nonsense on;\n",
    "/etc/ssh/sshd_config.d/lab.conf": "Nonsense yes\n",
    "/etc/sudoers.d/lab": "ada ALL=(root\n",
    "/etc/nftables.conf": "nonsense\n",
    ANSWER: "[Service]\nExecStart=nonsense\n",
}
# what services take up, and people cannot work with
BROKEN = {
    "/etc/nginx/sites-available/default": "server { listen 127.0.0.1:80; location / { return 503; } }\n",
    "/etc/ssh/sshd_config.d/lab.conf": GOOD["/etc/ssh/sshd_config.d/lab.conf"] + "AllowUsers nobody\n",
    "/etc/sudoers.d/lab": "ada ALL=(nobody) NOPASSWD: /usr/bin/true\n",
    "/etc/nftables.conf": "flush ruleset\ntable inet lab {\n  chain bad {\n  }\n}\n",
    ANSWER: "[Service]\nExecStart=/bin/sleep 8150\n",
}
UNITS = {"nginx": "nginx.service", "ssh": "ssh.service", "nftables": "nftables.service", "systemd": "answer.service"}
FILES = "/srv/thousand"
NAMES = ("nginx", "nftables", "ssh", "sudo", "systemd")


@dataclasses.dataclass
class Software:
    """A machine on which all of it runs as GOOD has it, with a recovery point of INVALID and a newer one of GOOD."""

    host: Machine
    lab: Lab
    invalid: str

    def within(self, *command: str) -> tuple[int, str]:
        """Run a command on the network that the services have."""
        done = self.host.run("nsenter", f"--net={NETWORK}", "--", *command, check=False)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def services(self) -> dict[str, dict[str, str]]:
        """What tells that a service was touched."""
        names = (
            "MainPID",
            "ActiveState",
            "ActiveEnterTimestampMonotonic",
            "StateChangeTimestampMonotonic",
            "NRestarts",
        )
        return {unit: {**shown(self.host, unit, *names), "taken": self.taken(unit)} for unit in UNITS.values()}

    def taken(self, unit: str) -> str:
        """How often a unit took up its configuration."""
        return str(self.host.run("sh", "-c", f"cat /run/taken-{unit} 2>/dev/null | wc -l").stdout.decode().strip())

    def write(self, files: dict[str, str]) -> None:
        """Write configuration, and let nothing take it up."""
        for path, text in files.items():
            self.host.run("tee", path, text=text.encode())

    def take_up(self) -> None:
        """Let every service take up its configuration."""
        self.host.run("systemctl", "daemon-reload")
        self.host.run("systemctl", "reload-or-restart", *UNITS.values())


def install(host: Machine) -> None:
    """Install what is tried, on a network of its own."""
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
    host.run("sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d; chmod 0755 /usr/sbin/policy-rc.d")
    host.run(*quiet, "update")
    # nobody misses this machine when the power fails
    hasty = ("-o", "Dpkg::Options::=--force-unsafe-io")
    host.run(*quiet, *hasty, "install", "--yes", "--no-install-recommends", *PACKAGES)
    host.run("touch", NETWORK)
    host.run("unshare", f"--net={NETWORK}", "ip", "link", "set", "lo", "up")
    drop_in(host, "service", f"[Service]\nNetworkNamespacePath={NETWORK}\n")
    filtered = ("unshare", "--user", "--map-root-user", "--net", "sleep", "infinity")
    host.run("systemd-run", "--unit=lab-filter", *filtered)
    host.run("install", "-m", "0755", "/dev/stdin", "/usr/local/sbin/nft", text=NFT.encode())
    for unit in UNITS.values():
        count = f"/bin/sh -c 'echo >> /run/taken-{unit}'"
        # a service with a reload would go on with the command that it has
        reload = f"ExecReload={count}\n" if unit != "answer.service" else ""
        load = "/usr/local/sbin/nft -f /etc/nftables.conf"
        loads = f"ExecStart=\nExecStart={load}\nExecReload=\nExecReload={load}\n" if unit == "nftables.service" else ""
        drop_in(host, unit, f"[Service]\n{loads}ExecStartPost={count}\n{reload}")


def drop_in(host: Machine, unit: str, text: str) -> None:
    """Add to a unit, or to all services: by a name of its own, or it would take the place of what all have."""
    folder = f"/run/systemd/system/{unit}.d"
    host.run("mkdir", "-p", folder)
    host.run("tee", f"{folder}/lab-{unit}.conf", text=text.encode())


@pytest.fixture(scope="module")
def software(tmp_path_factory: pytest.TempPathFactory, lab_of: Callable[..., Lab]) -> Iterator[Software]:
    """All of it, once."""
    with nspawn.machine(tmp_path_factory.mktemp("inplace") / "m", "inplace") as host:
        install(host)
        host.add_user("ada")
        host.run("install", "-m", "0600", "/dev/stdin", KEY, text=(host.folder / "user_key").read_bytes())
        lab = lab_of(host)
        lab.variables["holdfast_components"] = [
            *(name for name in NAMES if name != "systemd"),
            {"preset": "systemd", "reload": ["answer.service"]},
        ]
        made = Software(host, lab, "")
        made.write(GOOD)
        host.run("chmod", "0440", "/etc/sudoers.d/lab")
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "start", *UNITS.values())
        wait_for(lambda: answers(made) == dict.fromkeys(NAMES, True), "all of it")
        made.write(INVALID)
        made.invalid = lab.play("holdfast.config.backup").ok().report["id"]
        made.write(GOOD)
        lab.play("holdfast.config.backup").ok()
        keep(host, "/etc", "good")
        yield made


def restore(name: str, **options: t.Any) -> dict[str, t.Any]:
    """A task that restores in place."""
    return {"name": name, "holdfast.config.restore": {"in_place": True, **options}}


@pytest.fixture(scope="module")
def refused(software: Software) -> tuple[Run, list[str], bool]:
    """Restores of each component to what its validator refuses; what is different after them, and if a service is."""
    before = software.services()
    tasks = [
        {**restore(name, components=[name], recovery_point=software.invalid), "ignore_errors": True} for name in NAMES
    ]
    run = software.lab.play(tasks)
    return run, differs(software.host, "/etc", "good"), software.services() == before


@pytest.mark.parametrize("name", NAMES)
def test_what_its_validator_refuses_is_taken_back(name: str, refused: tuple[Run, list[str], bool]) -> None:
    result = refused[0].on(name)
    assert (result.status, result.result["undone"]) == ("ignored", True), result
    assert f"component {name}: " in result.message
    assert result.result.get("left", []) == []


def test_a_host_that_refused_is_as_it_was_and_its_services_saw_nothing(
    software: Software, refused: tuple[Run, list[str], bool]
) -> None:
    assert refused[1] == []
    assert refused[2]
    assert restoring.left_over(software.host) == ""


@pytest.fixture(scope="module")
def restored(software: Software) -> tuple[Run, list[str], dict[str, int]]:
    """All of it broken, and brought back by one task; what is different after that, and how often units took it up."""
    software.write(BROKEN)
    software.take_up()
    # nginx says that it reloads, and its old workers answer a while longer
    wait_for(lambda: answers(software) == dict.fromkeys(NAMES, False), "the end of what was good")
    before = software.services()
    run = software.lab.play([restore("restore", newest=True)]).ok()
    taken = {unit: int(software.taken(unit)) - int(told["taken"]) for unit, told in before.items()}
    return run, differs(software.host, "/etc", "good"), taken


def answers(software: Software) -> dict[str, bool]:
    """Whether each software does what GOOD has it do."""
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/').read().decode())"
    login = ("ssh", "-F", "none", "-i", KEY, "-o", "BatchMode=yes")
    unsure = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")
    sleeps = software.host.run("ps", "-o", "args=", "-p", shown(software.host, "answer.service", "MainPID")["MainPID"])
    return {
        "nginx": software.within(nspawn.PYTHON, "-c", fetch) == (0, "good\n"),
        "nftables": "chain good" in software.within("/usr/local/sbin/nft", "list", "ruleset")[1],
        "ssh": software.within(*login, *unsure, "root@127.0.0.1", "echo", "in") == (0, "in\n"),
        "sudo": "/usr/bin/id" in software.within("runuser", "-u", "ada", "--", "sudo", "-n", "-l")[1],
        "systemd": sleeps.stdout.decode().strip() == "/bin/sleep 4711",
    }


def test_what_was_broken_is_as_it_was_sealed(
    software: Software, restored: tuple[Run, list[str], dict[str, int]]
) -> None:
    run, different, _taken = restored
    result = run.on("restore").result
    assert result["equal"]
    assert sorted(result["written"]) == sorted(GOOD)
    assert sorted(result["validated"]) == sorted(NAMES)
    assert different == []
    assert restoring.left_over(software.host) == ""


@pytest.mark.parametrize("name", NAMES)
def test_services_do_again_what_they_did(
    name: str, software: Software, restored: tuple[Run, list[str], dict[str, int]]
) -> None:
    wait_for(lambda: answers(software)[name], name)


@pytest.mark.parametrize("unit", sorted(UNITS.values()))
def test_units_took_it_up_once(unit: str, restored: tuple[Run, list[str], dict[str, int]]) -> None:
    """ssh.service has two names on Debian, and the preset knows both."""
    run, _different, taken = restored
    assert taken[unit] == 1
    assert run.on("restore").result["reloaded"].count(unit) == 1


def test_folders_that_the_armed_unit_needs_may_be_what_comes_back(software: Software) -> None:
    software.host.run("rm", "-r", "/etc/systemd/system/timers.target.wants")
    try:
        software.lab.play([restore("restore", newest=True, components=["systemd"])]).ok()
        assert differs(software.host, "/etc", "good") == []
        assert restoring.left_over(software.host) == ""
    finally:
        software.host.run("rsync", "-aAXH", "/srv/pristine/good/systemd/", "/etc/systemd/")


def operator(section: str, host: Machine) -> list[str]:
    """What an operator gives ansible-playbook by a section of the runbook."""
    return shlex.split(restoring.from_runbook(section, "ansible-playbook -i inventory.yml").replace("$host", host.name))


IN_PLACE = "3. Restore in place"
TASK = "Restore and compare"


def test_an_operator_brings_back_a_host_whose_sshd_does_not_come_up(
    software: Software, restored: tuple[Run, list[str], dict[str, int]]
) -> None:
    """Another port, and a session that was kept open, as the runbook says. Without its service /run/sshd is gone."""
    host = software.host
    before = software.services()
    variables = software.lab.host_variables[host.name]
    variables["ansible_ssh_args"] = "-o ControlMaster=auto -o ControlPersist=600"
    software.lab.play([{"name": "second session", "ansible.builtin.raw": "true"}]).ok()
    software.write({path: text for path, text in INVALID.items() if "/ssh/" in path})
    host.run("systemctl", "restart", "ssh.service", check=False)
    wait_for(lambda: shown(host, "ssh.service", "ActiveState")["ActiveState"] == "failed", "the end of sshd")
    assert host.run("test", "-e", "/run/sshd", check=False).returncode == 1
    way_in, variables["ansible_port"] = variables["ansible_port"], free_port()
    try:
        assert software.lab.play(*operator(IN_PLACE, host)).rc == 4
        asked = [*operator(IN_PLACE, host), "-e", f"ansible_port={way_in}"]
        run = software.lab.play(*asked).ok()
    finally:
        variables["ansible_port"] = way_in
    result = run.on(TASK).result
    assert (result["equal"], result["written"], result["validated"]) == (
        True,
        ["/etc/ssh/sshd_config.d/lab.conf"],
        ["ssh"],
    )
    assert differs(host, "/etc", "good") == []
    wait_for(lambda: answers(software)["ssh"], "a login")
    after = software.services()
    assert {unit: told for unit, told in after.items() if unit != "ssh.service"} == {
        unit: told for unit, told in before.items() if unit != "ssh.service"
    }


def test_an_operator_looks_first_then_brings_back_a_thousand_files(host: Machine, lab_of: Callable[..., Lab]) -> None:
    make = f"mkdir -p {FILES}/d; cd {FILES}; for n in $(seq 1000); do echo line $n > d/f$n; done"
    host.run("sh", "-euc", make)
    lab = lab_of(host, thousand=[FILES])
    lab.play("holdfast.config.backup").ok()
    keep(host, FILES, "thousand")
    spoil = "sed -i s/$/x/ d/f?00 d/f??; chmod 0600 d/f?0?; rm d/f??1; for f in d/f??2; do ln -sf nowhere $f; done"
    host.run("sh", "-euc", f"cd {FILES}; for f in d/*; do echo >> $f; done; {spoil}")
    keep(host, FILES, "spoiled")
    looked = lab.play(*operator("2. Look before you write", host)).ok().on(TASK).result
    assert (looked["equal"], len(looked["written"])) == (False, 1000)
    assert differs(host, FILES, "spoiled") == []
    done = lab.play(*operator(IN_PLACE, host)).ok().on(TASK).result
    assert (done["equal"], sorted(done["written"])) == (True, sorted(looked["written"]))
    assert differs(host, FILES, "thousand") == []
    assert [line for line in restoring.left_over(host).splitlines() if FILES in line] == []
