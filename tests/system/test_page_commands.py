# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of the guides and runbooks, in their order, at one site whose hosts are folders of this machine.

What a page says is typed as it stands there, but for names that are the reader's own: paths, ids, times, keys. Each
page has a test, which fails where the page has a command that it does not give. What takes a server or a whole host
stands in ``ELSEWHERE``, with the test that gives it there. A test holds that no page of commands is forgotten.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import getpass
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyrage
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.lab import forked_ansible
from ansible_collections.holdfast.config.tests.lab.page import TYPED, Home, Page, Told, result

from ..unit.plugins.plugin_utils.imports import sources
from ..unit.plugins.plugin_utils.mirror.repositories import bare
from .lab import BIN, COLLECTIONS, PLUGINS, in_order

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOW = dt.datetime.now(dt.timezone.utc)
DAY = dt.timedelta(days=1)
PHRASE = "correct horse battery staple"
SUDO = '#!/bin/sh\nif [ "$1" = -u ]; then shift 2; fi\nexec "$@"\n'
PEOPLE = {"alice": "security", "bob": "operations", "erin": "operations"}
CONF = "server_name = {host}\n"
# the pin of pages
PIN = "5d36083c13f5091842d50ee97752fb6774db75352eee97b534233941ac3bdb3f"
APP = "listen = 8080\ndb_password = v6cXo2mTqLw81zKe\n"

#: What a page has below these is below the site's folder; below the last ones, in that of web1.
BELOW = ("/dev/shm", "/etc/holdfast", "/media", "/mnt", "/srv", "/tmp", "/var/lib", "/var/tmp")
OF_WEB1 = ("/etc/nginx", "/etc/ssh")

#: Of each page the blocks that take more than folders of this machine, by how they begin; and the test that gives them,
#: with the words by which it takes them.
ELSEWHERE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "guide_access.md": {
        "vault write auth/token/roles/": (
            "tests/integration/test_access.py",
            'take("vault write auth/token/roles/")',
        ),
        "ansible-playbook -i inventory.yml holdfast.config.access -e access_request": (
            "tests/integration/test_access.py",
            'take("ansible-playbook -i inventory.yml holdfast.config.access -e access_request")',
        ),
        "HASHI_VAULT_TOKEN_PATH=": ("tests/integration/test_access.py", 'take("HASHI_VAULT_TOKEN_PATH=")'),
        "ansible-playbook -i inventory.yml holdfast.config.access -e access_state=absent": (
            "tests/integration/test_access.py",
            'take("ansible-playbook -i inventory.yml holdfast.config.access -e access_state=absent")',
        ),
    },
    "guide_duties.md": {
        "# MinIO": ("tests/integration/test_duties_page.py", 'take("# MinIO")'),
        "for file in policies/vault": ("tests/integration/test_duties_page.py", 'take("for file in policies/vault")'),
        "aws --profile prod-operator": ("tests/integration/test_duties_page.py", 'take("aws --profile prod-operator")'),
    },
    "runbooks/escrow_ceremony.md": {
        # a network, and then none: given there
        "mkdir bundle": ("tests/packaging/test_ceremony.py", 'PAGE.command("mkdir bundle")'),
        "swapoff -a": ("tests/packaging/test_ceremony.py", 'PAGE.command("swapoff -a")'),
    },
    "runbooks/restore_with_ansible.md": {
        # a host's systemd: given there
        "ls /var/lib/holdfast": ("tests/root/test_restore_kills.py", '.commands("4. It broke off")'),
    },
}

#: Other pages with commands, and the tests that give these.
FOLLOWED: Mapping[str, str] = {
    "../README.md": "tests/system/test_pages.py",
    "guide_audit.md": "tests/system/test_pages.py",
    "guide_awx.md": "tests/integration/test_awx.py",
    "guide_destruction.md": "tests/integration/test_destruction_pages.py",
    "guide_devices.md": "tests/packaging/test_bare.py",
    "guide_execution_environment.md": "tests/packaging/test_execution_environment.py",
    "guide_first_backup.md": "tests/packaging/test_bare.py",
    "guide_fleet.md": "tests/integration/test_fleet_page.py",
    "guide_restore_devices.md": "tests/root/test_device_runbook.py",
    "guide_sizing.md": "tests/system/test_sizing.py",
    "guide_storage.md": "tests/integration/test_destruction_pages.py",
    "guide_triggers.md": "tests/events/test_rulebook.py",
    "guide_uninstall.md": "tests/system/test_pages.py",
    "guide_upgrade.md": "tests/packaging/test_bare.py",
    "guide_vault.md": "tests/integration/test_vault_page.py",
    "guide_watch.md": "tests/events/test_watch.py",
    "runbooks/README.md": "tests/system/test_pages.py",
    "runbooks/destroy_under_lock.md": "tests/integration/test_destruction_pages.py",
    "runbooks/restore_device.md": "tests/root/test_device_runbook.py",
}


def typed(path: Path) -> list[str]:
    """The blocks of a page that a reader types."""
    return [block.text for block in Page(path).blocks if block.language in TYPED]


def is_elsewhere(name: str, text: str) -> bool:
    """Whether a block of a page is done by another test."""
    return any(text.startswith(begin) for begin in ELSEWHERE.get(name, {}))


class Followed(Told):
    """A page, and how far it was followed at a site."""

    def __init__(self, site: Site, name: str, replaced: Mapping[str, str]) -> None:
        self.site = site
        path = DOCS / name
        done = [is_elsewhere(name, text) for text in typed(path)]
        text = path.read_text(encoding="utf-8")
        moved = {below: f"{site.path}{below}" for below in BELOW if below in text}
        moved |= {below: f"{site.path}/hosts/web1{below}" for below in OF_WEB1 if below in text}
        self.page = Page(path, {**moved, **replaced})
        super().__init__(self.page)
        self.left = [text for text, is_done in zip(self.left, done, strict=True) if not is_done]

    def next(self, *, within: Path | None = None, **environment: str) -> str:
        """Give the commands of the next block in one shell that ends at the first that fails; what they printed."""
        there = f"cd '{within}'\n" if within else ""
        return self.site.home.give(f"{there}{self.pop()}", **environment)

    def at_hand(self, blocks: int) -> str:
        """Give so many blocks in one shell of a person's, which goes on where a command says no; what they printed."""
        return self.site.home.run("bash", "-c", "".join(self.pop() for _number in range(blocks)))

    def answer(self, asked: str, *answers: str) -> str:
        """The same at a terminal, where questions are answered."""
        return self.site.home.answer("bash", "-euo", "pipefail", "-c", self.pop(), asked=asked, answers=answers)

    def text(self, begin: str, language: str = "yaml") -> str:
        """What a block that begins so says."""
        return self.page.text(begin, language)

    def write(self, begin: str, path: str | Path) -> None:
        """Write a block that begins so to a file."""
        file = self.site.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.text(begin))


@dataclasses.dataclass
class Site:
    """One controller with hosts web1, web2 and build1, each a folder; people, tickets, and a repository in a folder.

    :ivar vars: variables of all hosts.
    """

    path: Path
    home: Home
    vars: dict[str, t.Any]

    def told(self, name: str, replaced: Mapping[str, str] | None = None) -> Followed:
        """A page of the documentation, to be followed."""
        return Followed(self, name, replaced or {})

    def write(self, hosts: Mapping[str, t.Any] | None = None, **more: t.Any) -> None:
        """Write the inventory, with more variables of hosts, and of all of them."""
        groups = {"web": {"hosts": {"web1": {}, "web2": {}}}, "build": {"hosts": {"build1": {}}}}
        known = {name: value for name, value in {**self.vars, **more}.items() if value is not None}
        inventory = {"all": {"hosts": dict(hosts or {}), "children": groups, "vars": known}}
        (self.path / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))

    @contextlib.contextmanager
    def saying(self, hosts: Mapping[str, t.Any] | None = None, **more: t.Any) -> Iterator[None]:
        """Let the inventory say more meanwhile."""
        self.write(hosts, **more)
        try:
            yield
        finally:
            self.write()

    def file(self, host: str, name: str = "etc/ssh/sshd_config") -> Path:
        return self.path / "hosts" / host / name

    def run(self, *command: str) -> str:
        return self.home.run(*command)

    def module(self, name: str, **options: t.Any) -> dict[str, t.Any]:
        """Run a module on the controller; returns its result."""
        given = ["-a", json.dumps(options)] if options else []
        return result(self.run("ansible", "localhost", "-i", "inventory.yml", "-m", f"holdfast.config.{name}", *given))

    def backup(self, *args: str, **change: str) -> None:
        self.run("ansible-playbook", "-i", "inventory.yml", "holdfast.config.backup", *args, "-e", json.dumps(change))

    def ids(self) -> list[str]:
        """The ids of all recovery points, the newest last."""
        return [point.id for point in self._points()]

    def changes(self) -> list[tuple[str, str]]:
        """The names of all recovery points and the changes that they name, the newest last."""
        return [(point.body.point, point.statement.change) for point in self._points()]

    def _points(self) -> list[points.Point]:
        repository = open_repository(
            store.connect(self.vars["holdfast_repository"]["url"]), pin=self.vars["holdfast_repository_id"]
        )
        return in_order(repository)

    def key(self, who: str) -> Path:
        return self.path / "keys" / who

    def sign(self, who: str, file: Path) -> Path:
        """Sign a request; the signature lies in a folder of that person's."""
        subprocess.run(["ssh-keygen", "-Y", "sign", "-f", self.key(who), "-n", "holdfast.config", file], check=True)
        kept = self.path / who / f"{file.name}.sig"
        kept.parent.mkdir(exist_ok=True)
        Path(f"{file}.sig").rename(kept)
        return kept


def fill(path: Path, host: str) -> None:
    for name, text in {
        "etc/ssh/sshd_config": "PermitRootLogin no\n",
        "etc/nginx/nginx.conf": CONF.format(host=host),
        "etc/app/app.conf": APP,
        "srv/cache/made": "anew\n",
    }.items():
        file = path / "hosts" / host / name
        file.parent.mkdir(parents=True)
        file.write_text(text)


def ticket(number: str, *items: str) -> dict[str, t.Any]:
    """A change whose window is around now."""
    window = {"begins": instant.to_text(NOW - DAY), "ends": instant.to_text(NOW + DAY)}
    return {"id": number, "state": "implement", "approved": True, "requester": "jane", "items": list(items), **window}


def variables(path: Path) -> dict[str, t.Any]:
    at = f"{path}/hosts/{{{{ inventory_hostname }}}}"
    people = [
        {
            "name": f"{who}@example.com",
            "roles": [role],
            "key": (path / "keys" / f"{who}.pub").read_text().strip(),
            "valid_until": "2099-12-31",
        }
        for who, role in PEOPLE.items()
    ]
    two = {"required": 2, "roles": ["security", "operations"]}
    return {
        "ansible_connection": "local",
        "holdfast_repository": {
            "name": "prod",
            "url": f"file://{path}/srv/holdfast/prod",
            "keyring": {"path": f"{path}/etc/holdfast/keyring"},
        },
        "holdfast_components": [
            {"name": "ssh", "paths": [f"{at}/etc/ssh"], "owner": "platform"},
            {"name": "nginx", "paths": [f"{at}/etc/nginx"], "owner": "web"},
            {
                "name": "app",
                "paths": [f"{at}/etc/app"],
                "owner": "web",
                "secrets": [r"^db_password\s*=\s*(?P<secret>\S+)"],
            },
        ],
        "holdfast_journal_dir": f"{at}/journal",
        "holdfast_people": people,
        "holdfast_quorum": {"root": two, "retired": two, "exception": two, "access": two},
        "holdfast_secret_evidence": True,
        "holdfast_tickets": {"provider": "file", "path": f"{path}/tickets.yml"},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site at which web1 was changed under CHG0042, with a backup before and after."""
    path = tmp_path_factory.mktemp("site")
    for folder in ("keys", "srv/holdfast", "etc/holdfast", "tmp", "programs"):
        (path / folder).mkdir(parents=True)
    for host in ("web1", "web2", "build1"):
        fill(path, host)
    for who in (*PEOPLE, "carol"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path / "keys" / who], check=True)
    (path / "programs" / "sudo").write_text(SUDO)
    (path / "programs" / "sudo").chmod(0o755)
    (path / "ansible.cfg").touch()
    (path / "tickets.yml").write_text(
        yaml.safe_dump([ticket("CHG0042", "web1", "web2", "build1"), ticket("CHG0031337", "web1", "web2", "build1")])
    )
    environment = {
        "ANSIBLE_BECOME_METHOD": "itself",
        "ANSIBLE_BECOME_PLUGINS": str(PLUGINS / "become"),
        "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{path}/collections",
        "ANSIBLE_CONFIG": str(path / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "HOME": str(path),
        "LANG": "C.UTF-8",
        "USER": getpass.getuser(),
    }
    with (
        # a socket's path is short
        tempfile.TemporaryDirectory() as folder,
        forked_ansible.programs(Path(folder), environment) as programs,
    ):
        site = Site(path, Home(path, [programs, path / "programs", BIN], environment), variables(path))
        site.write()
        site.vars["holdfast_repository_id"] = site.module("repository")["repository_id"]
        site.write()
        change = {"id": "CHG0042", "requester": "ada@example.com"}
        site.backup("-e", json.dumps({"holdfast_change": change}), backup_point="pre", backup_alias="v2.1.0")
        site.file("web1").write_text("PermitRootLogin yes\n")
        site.backup("-e", json.dumps({"holdfast_change": change}), backup_point="post")
        yield site


def test_verify(site: Site) -> None:
    me, pin = getpass.getuser(), site.vars["holdfast_repository_id"]
    page = site.told("guide_verify.md", {"auditor:auditor": f"{me}:", "u:auditor:": f"u:{me}:", PIN: pin})
    page.write("# audit.yml", "audit.yml")
    page.write("# verify_ci.yml", "verify_ci.yml")
    (site.path / "srv" / "audit").mkdir()
    assert result(page.next())["level"] == "content"
    assert "no promise broken" in page.next()
    assert result(page.next())["sound"]
    page.next()
    assert re.search(r"^\d{4}-\S+Z \w{64} CHG0042$", page.next(), re.MULTILINE)
    assert "web1/tier1 was never proven" in page.next()
    assert page.next() == ""
    page.end()
    # what the timer starts, with the folder that systemd makes for it
    (site.path / "var" / "lib" / "holdfast-auditor").mkdir(parents=True)
    shutil.copy(site.path / "audit.yml", site.path / "etc" / "holdfast")
    (started,) = re.findall(
        r"ExecStart=/usr/bin/(.*?)\n(?!  )",
        page.text("# /etc/systemd/system/holdfast-verify.service", "ini"),
        re.DOTALL,
    )
    site.run("bash", "-euc", started)
    kept = json.loads((site.path / "var" / "lib" / "holdfast-auditor" / "verify.json").read_text())
    assert kept["sample"]


def test_restore_by_hand(site: Site) -> None:
    replaced = {PIN: site.vars["holdfast_repository_id"], "/root/": f"{site.path}/root/"}
    page = site.told("runbooks/restore_by_hand.md", replaced)
    for folder in ("mnt/usb", "root", "var/tmp", "dev/shm"):
        (site.path / folder).mkdir(parents=True, exist_ok=True)
    escrow = site.path / "mnt" / "usb" / "holdfast-prod-escrow"
    shutil.copytree(site.path / "etc" / "holdfast" / "keyring" / "escrow", escrow)
    site.file("web1").write_text("PermitRootLogin perhaps\n")
    said = page.at_hand(len(page.left))
    assert len(re.findall(r"^\S+: OK$", said, re.MULTILINE)) == 3
    assert re.search(r"^points/\S+\.json@\S+$", said, re.MULTILINE)
    assert "Signature Verified Successfully" in said
    assert "age-encryption.org/v1" in said
    assert "every file is whole" in said
    assert re.search(rf"^ssh 0644 \w+:\w+ {site.file('web1')}$", said, re.MULTILINE)
    assert "> PermitRootLogin yes" in said
    assert site.file("web1").read_text() == "PermitRootLogin yes\n"
    assert not list((site.path / "var" / "tmp").iterdir())
    shutil.rmtree(escrow)


def test_replicas_and_the_loss_of_a_site(site: Site) -> None:
    """The replica takes the repository's place, until that is found again and has all that the replica has."""
    near, far, new = (f"file://{site.path}/{at}" for at in ("srv/holdfast/prod", "mnt/far/prod", "mnt/new/prod"))
    restored = site.path / "mnt" / "restored"
    for url in (far, new):
        Path(url.removeprefix("file://")).mkdir(parents=True)
    # all hosts are this one, and one restore at a time writes into a folder
    guide = site.told("guide_replicas.md", {"/mnt/restored": f"{restored}/{{{{inventory_hostname}}}}"})
    replaced = {
        "      endpoint_url: https://s3.far.example.com\n      profile: far\n": "",
        "s3://backups-far/prod": far,
        "url: s3://backups/prod, endpoint_url: https://s3.near.example.com, profile: near": f"url: {near}",
        '    holdfast_repository_id: "…"': f"    holdfast_repository_id: {site.vars['holdfast_repository_id']}",
    }
    runbook = site.told("runbooks/site_lost.md", replaced)
    repository = site.vars["holdfast_repository"]
    with site.saying(holdfast_repository={**repository, "replicas": [{"name": "far", "url": far}]}):
        guide.next()
        assert list((site.path / "mnt" / "far" / "prod" / "points").rglob("*@*"))
        guide.next()
        assert "far" in guide.next()
        assert result(guide.next())["sound"]
        assert "no promise broken" in guide.next()
        assert list(restored.rglob("sshd_config"))
        guide.end()
        shutil.rmtree(restored)
        assert "no promise broken" in runbook.next()
        assert list(restored.rglob("sshd_config"))
    lost = Path(near.removeprefix("file://"))
    lost.rename(site.path / "lost")
    with site.saying(holdfast_repository={**repository, "url": far}):
        assert re.search(r"^recovery point .*main, complete", runbook.next(), re.MULTILINE)
    with site.saying(holdfast_repository={**repository, "url": far, "replicas": [{"name": "new", "url": new}]}):
        assert '"sound": true' in runbook.next()
    (site.path / "lost").rename(lost)
    runbook.write("# back.yml", "back.yml")
    assert "near" in runbook.next()
    with site.saying(holdfast_repository={**repository, "url": far, "replicas": [{"name": "old", "url": near}]}):
        assert result(runbook.next())["sound"]
    runbook.end()


def test_restore(site: Site) -> None:
    page = site.told("guide_restore.md")
    changed = site.file("web1")
    changed.write_text("PermitRootLogin without-password\n")
    assert "-PermitRootLogin without-password" in page.next()
    assert changed.read_text() == "PermitRootLogin yes\n"
    found = page.next()
    assert found.count("CHG0042") == 2
    assert "web1" in found
    assert "+PermitRootLogin no" in page.next()
    page.next()
    assert not result(page.next())["changed"]
    restored = Path(f"{site.path}/var/tmp/restored{changed}")
    restored.write_text("PermitRootLogin prohibit-password\n")
    changed.write_text("PermitRootLogin prohibit-password\n")
    page.next()
    assert not restored.exists()
    page.end()
    changed.write_text("PermitRootLogin yes\n")


def test_restore_with_ansible(site: Site) -> None:
    host = {"host": "web1"}
    point = site.ids()[-1]
    replaced = {"9182393d4447": point[:12], "2026-11-21T02:39:05Z": instant.to_text(dt.datetime.now(dt.timezone.utc))}
    page = site.told("runbooks/restore_with_ansible.md", {**replaced, "/root/": f"{site.path}/root/"})
    (site.path / "root").mkdir(exist_ok=True)
    live = site.file("web1")
    page.next()
    assert point in page.next(**host)
    choices = [shlex.split(line, comments=True) for line in page.pop().splitlines()]
    assert len(choices) == 4
    live.write_text("PermitRootLogin never\n")
    look = (
        "ansible-playbook",
        "-i",
        "inventory.yml",
        "holdfast.config.restore",
        "--limit",
        "web1",
        "--check",
        "--diff",
    )
    for choice in choices:
        said = site.run(*look, "-e", "restore_in_place=true", *choice)
        assert f"+PermitRootLogin {'no' if 'restore_point_name=pre' in choice else 'yes'}" in said
    assert "-PermitRootLogin never" in page.next(**host)
    page.next(**host)
    assert live.read_text() == "PermitRootLogin yes\n"
    page.next(**host)
    page.next(**host)
    assert live.read_text() == "PermitRootLogin no\n"
    page.next(**host)
    assert "web2" in page.next(**host)
    assert "> PermitRootLogin yes" in page.at_hand(1)
    assert live.read_text() == "PermitRootLogin yes\n"
    assert re.search(r"^recovery point .*main, complete", page.next(**host), re.MULTILINE)
    page.end()


def test_compare(site: Site) -> None:
    page = site.told("guide_compare.md")
    site.file("web1", "etc/app/app.conf").write_text(APP.replace("8080", "9443"))
    said = page.next()
    assert "+listen = 9443" in said
    assert "v6cXo2mTqLw81zKe" not in said
    said = page.next()
    assert "+PermitRootLogin yes" in said
    # the same paths would be compared; here each host has its own
    assert re.search(r"web1, sealed at \S+  ->  web2, sealed at", said)
    page.next()
    assert "9443" in (site.path / "tmp" / "drift-web1.html").read_text()
    page.end()
    site.file("web1", "etc/app/app.conf").write_text(APP)


def test_catalog(site: Site) -> None:
    (snapshot, *_more) = site.module("catalog_info", host="web1")["snapshots"]
    page = site.told("guide_catalog.md", {"7b41b9985d0e": snapshot["snapshot"][:12]})
    said = page.next()
    assert re.search(r"complete .* pre$", said, re.MULTILINE)
    assert re.search(r"complete .* post$", said, re.MULTILINE)
    said = page.next()
    assert "v2.1.0" in said
    assert "sshd_config" in said
    page.end()


def test_history(site: Site) -> None:
    page = site.told("guide_history.md", {"/etc/nginx/nginx.conf": str(site.file("web1"))})
    assert re.search(r"changed: content.*change CHG0042", page.next(), re.DOTALL)
    page.end()


def test_report(site: Site) -> None:
    page = site.told("guide_report.md")
    assert re.search(r"^web1/ssh +covered ", page.next(), re.MULTILINE)
    assert "CHG0042" in (site.path / "backups.html").read_text()
    page.end()


def test_coverage(site: Site) -> None:
    page = site.told("guide_coverage.md", {"2027-06-30": "2099-06-30"})
    (exception,) = yaml.safe_load(page.text("holdfast_exceptions:"))["holdfast_exceptions"]
    cache = {"name": "cache", "paths": [f"{site.path}/hosts/build1/srv/cache"]}
    with site.saying({"build1": {"holdfast_components__cache": [cache]}}, holdfast_exceptions=[exception]):
        assert "build1/cache: not in the newest snapshot; its exception EX-7 is not signed" in page.next()
        assert len(result(page.next())["request"]) == 64
    assert (site.path / "ex-7").exists()
    page.end()


def test_import(site: Site) -> None:
    oxidized = sources.repository(site.path / "var" / "lib" / "oxidized" / "devices.git")
    for number, what in enumerate(["one", "two"]):
        sources.commit(oxidized, {"sw1": sources.ios("sw1", what)}, sources.T0 + number * sources.HOUR)
    etc = sources.repository(site.path / "clone")
    for number, what in enumerate(["yes", "no"]):
        sources.commit(etc, {"motd": f"{what}\n"}, sources.T0 + number * sources.HOUR)
    page = site.told("guide_import.md")
    assert "imported 2 versions" in page.next()
    site.module("import_backups", tool="etckeeper", path=str(etc), host="web1")
    said = page.next()
    assert "imported from etckeeper" in said
    assert "/etc/motd" in said
    assert (site.path / "var" / "tmp" / "then" / "etc" / "motd").read_text() == "yes\n"
    page.end()


def test_secrets(site: Site) -> None:
    page = site.told("guide_secrets.md", {"2026-01-01": instant.to_text(NOW - DAY)})
    said = page.next()
    assert re.search(r"^shared by 3 hosts, \w{16}\n.*web1 app\s", said, re.MULTILINE | re.DOTALL)
    page.end()


def test_owners(site: Site) -> None:
    page = site.told("guide_owners.md")
    page.next()
    assert (site.path / "owners" / "web.txt").read_text().startswith("web\n6 covered, 0 late, 0 gaps")
    assert (site.path / "owners" / "platform.json").exists()
    page.end()


def test_tickets(site: Site) -> None:
    (site.path / ".servicenow-token").write_text("of no use here\n")
    page = site.told("guide_tickets.md")
    page.next()
    assert site.changes()[-1] == ("main", "CHG0031337")
    page.end()


def test_changes(site: Site) -> None:
    page = site.told(
        "guide_changes.md",
        {"2026-11-01T00:00:00Z": instant.to_text(NOW - DAY), "2026-12-01T00:00:00Z": instant.to_text(NOW + DAY)},
    )
    for folder in ("changes", "reports"):
        (site.path / "srv" / folder).mkdir()
    nginx = site.file("web1", "etc/nginx/nginx.conf")
    edit = {"path": str(nginx).replace("web1", "{{ inventory_hostname }}"), "line": "gzip = on"}
    tasks = [{"name": "Edit", "ansible.builtin.lineinfile": edit}]
    (site.path / "srv" / "changes" / "CHG0031337.yml").write_text(yaml.safe_dump(tasks))
    page.next()
    assert nginx.read_text().endswith("gzip = on\n")
    assert site.changes()[-2:] == [("pre", "CHG0031337"), ("post", "CHG0031337")]
    assert "complete" in (site.path / "tickets.yml.notes").read_text()
    page.next()
    assert nginx.read_text() == CONF.format(host="web1")
    page.next()
    told = json.loads((site.path / "srv" / "reports" / "changes-2026-11.json").read_text())
    assert [row["lacking"] for row in told["tickets"] if row["id"] == "CHG0042"] == [[]]
    page.end()


def test_a_change_was_refused(site: Site) -> None:
    window = {"2026-11-28T01:00:00Z": instant.to_text(NOW - DAY), "2026-11-28T05:00:00Z": instant.to_text(NOW + DAY)}
    page = site.told("runbooks/change_refused.md", window)
    page.write(f"# {site.path}/srv/emergency/tickets.yml", "srv/emergency/tickets.yml")
    (site.path / "srv" / "emergency" / "tickets.yml").chmod(0o600)
    assert result(page.next())["permitted"]
    site.file("web1").write_text("PermitRootLogin maybe\n")
    page.next()
    assert site.file("web1").read_text() == "PermitRootLogin yes\n"
    page.end()


def test_backup(site: Site) -> None:
    x11 = site.file("web1", "etc/ssh/sshd_config.d/10-x11.conf")
    x11.parent.mkdir()
    page = site.told("guide_backup.md", {"groups['all']": "groups['web']"})
    for name in ("change.yml", "plays.yml", "awx.yml"):
        page.write(f"# {name}", name)
    assert re.search(r"^recovery point .*main, complete", page.next(), re.MULTILINE)
    site.file("web2").write_text("PermitRootLogin yes\n")
    assert "web2" in page.next()
    page.next()
    page.next()
    assert x11.read_text() == "X11Forwarding no\n"
    assert site.changes()[-2:] == [("pre", "CHG0031337"), ("post", "CHG0031337")]
    assert re.search(r"^hosts +2: 2 unchanged$", page.next(), re.MULTILINE)
    assert result(page.next())["changed"] is False
    page.next()
    assert not (site.path / ".local" / "state" / "holdfast" / "runs").exists()
    page.next()
    change = yaml.safe_load(page.text("# group_vars/all.yml\nholdfast_change"))["holdfast_change"]
    with site.saying(holdfast_change=change):
        page.next()
    assert site.changes()[-1] == ("main", "CHG0031337")
    assert not (site.path / "dev" / "shm" / "holdfast" / "open").exists()
    page.end()


def test_doctor(site: Site) -> None:
    page = site.told("guide_doctor.md")
    assert "0 errors" in page.next()
    page.end()


def test_policy(site: Site) -> None:
    page = site.told("guide_policy.md")
    assert "web" in page.next()
    assert json.loads((site.path / "policy.json").read_text())
    page.end()


def test_runs(site: Site) -> None:
    site.backup("--limit", "web2")
    reports = (site.path / ".local" / "state" / "holdfast" / "runs").glob("*/report.json")
    shutil.copy(max(reports, key=lambda path: path.stat().st_mtime_ns), site.path / "report.json")
    page = site.told("guide_runs.md")
    assert page.next().splitlines() == ["main", "task"]
    page.end()


def test_a_backup_failed(site: Site) -> None:
    page = site.told("runbooks/backup_failed.md")
    sources.git(site.path, "init", "--quiet", "--initial-branch=main")
    sources.git(site.path, "add", "inventory.yml")
    sources.git(site.path, "commit", "--quiet", "-m", "pin")
    assert re.search(r"^recovery point .*main, complete", page.next(), re.MULTILINE)
    assert page.next().splitlines()[::2] == ["main", "true"]
    assert re.match(r".*^0 errors?, .*ok$", page.next(), re.MULTILINE | re.DOTALL)
    assert re.search(r"^web1 ", page.next(), re.MULTILINE)
    assert "/srv/holdfast/prod/points" in page.next()
    assert "holdfast_repository_id" in page.next()
    assert result(page.next())["recovery_points"][-1]["complete"]
    page.end()


def test_duties(site: Site) -> None:
    page = site.told("guide_duties.md")
    page.write("# duties.yml", "duties.yml")
    with site.saying(
        holdfast_repository={
            **site.vars["holdfast_repository"],
            "url": "s3://backups/prod",
            "endpoint_url": "https://s3",
        }
    ):
        assert "restorer" in page.next()
    assert (site.path / "policies" / "minio" / "holdfast-prod-operator.json").exists()
    page.end()


def test_adoption(site: Site) -> None:
    page = site.told("guide_adoption.md")
    plugins = site.path / "collections" / "ansible_collections" / "lab" / "net" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "action").symlink_to(PLUGINS / "action")
    running, backup = site.path / "running", site.path / "backup" / "web1.cfg"
    running.write_text(sources.ios("web1", "core"))
    task = {"lab.net.lab_config": {"running": str(running), "to": str(backup), "backup": True}}
    play = [{"hosts": "web1", "gather_facts": False, "tasks": [task]}]
    (site.path / "your-own-playbook.yml").write_text(yaml.safe_dump(play))
    assert "1 sealed" in page.next()
    assert not backup.exists()
    page.end()


def test_mirror(site: Site) -> None:
    clone = site.path / "clone of configs"
    app = f"web1/ssh{site.file('web1')}"
    page = site.told("guide_mirror.md", {"r1/config/running": app})
    git = bare(site.path / "srv" / "git" / "configs.git")
    assert "changed" in page.next()
    subprocess.run(["git", "clone", "--quiet", git, clone], check=True)
    said = page.next(within=clone)
    assert "+PermitRootLogin yes" in said
    assert re.search(r"ada@example.com.*PermitRootLogin yes", said) or re.search(r"ada .*PermitRootLogin yes", said)
    assert re.search(r"^\w{64}$", said, re.MULTILINE)
    page.end()


def test_people(site: Site) -> None:
    page = site.told("guide_people.md")
    page.write("# retire.yml", "retire.yml")
    asked = re.findall(r"request=(\w+)", site.run("ansible-playbook", "-i", "inventory.yml", "retire.yml"))[0]
    (site.path / ".ssh").mkdir(exist_ok=True)
    shutil.copy(site.key("alice"), site.path / ".ssh" / "holdfast")
    page = site.told("guide_people.md", {"4f1d2a6b8c0e": asked})
    # no stick is here that somebody touches: it comes as far as the library that talks to one
    code, said = site.home.attempt("bash", "-c", page.pop(), SSH_SK_PROVIDER=str(site.path / "none.so"))
    assert code != 0
    assert "Key enrollment failed" in said
    assert not (site.path / ".ssh" / "holdfast.pub").exists()
    said = page.next()
    assert '"subject"' in said
    page.next()
    signed = site.path / "alice" / "retire-web1.sig"
    signed.parent.mkdir(exist_ok=True)
    (site.path / "retire-web1.sig").rename(signed)
    site.sign("bob", site.path / "retire-web1")
    listed = page.next()
    assert re.search(r'"host": "web1"', listed)
    page.end()
    # it is captured again, and so it is live again
    site.backup("--limit", "web1", backup_point="again")


def test_access(site: Site) -> None:
    window = {
        "2026-11-28T20:00:00Z": instant.to_text(NOW + DAY),
        "2026-11-28T23:00:00Z": instant.to_text(NOW + DAY + DAY / 8),
    }
    page = site.told("guide_access.md", window)
    page.write("# ask.yml", "ask.yml")
    site.run("ansible-playbook", "-i", "inventory.yml", "ask.yml")
    assert (site.path / "access-web1").exists()
    page.end()


def test_keys(site: Site) -> None:
    page = site.told("guide_keys.md")
    (site.path / "mnt" / "usb").mkdir(parents=True, exist_ok=True)
    escrow = site.path / "etc" / "holdfast" / "keyring" / "escrow"
    shutil.copytree(escrow, site.path / "escrow of the test")
    assert "identities.txt" in page.next()
    assert "app.conf" in page.next()
    page.next()
    assert not escrow.exists()
    shutil.copytree(site.path / "escrow of the test", escrow)
    page.answer("passphrase", PHRASE, PHRASE)
    opened = escrow.with_name("open")
    held = {path.name: path.read_bytes() for path in opened.iterdir()}
    shutil.rmtree(opened)
    page.answer("passphrase", PHRASE)
    assert {path.name: path.read_bytes() for path in opened.iterdir()} == held
    page.next()
    said = page.next()
    assert "ssh-keygen -Y sign" in said
    assert (site.path / "tmp" / "root-2.request").exists()
    page.end()


class Custodians:
    """People who hold a share, each with a key that decrypts; alice has hers where ssh has it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        ssh = site.path / ".ssh"
        ssh.mkdir(exist_ok=True)
        for suffix in ("", ".pub"):
            shutil.copy(f"{site.key('alice')}{suffix}", f"{ssh}/id_ed25519{suffix}")
        carol = pyrage.x25519.Identity.generate()
        (site.path / "carol.key").write_text(f"{carol}\n")
        self.keys = {"alice": ssh / "id_ed25519", "carol": site.path / "carol.key", "bob": site.key("bob")}
        bob = Path(f"{self.keys['bob']}.pub").read_text().split()
        alice = (ssh / "id_ed25519.pub").read_text().split()
        #: the keys of pages, and those that are there
        self.named = {
            "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj": " ".join(alice[:2]),
            "age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw": str(carol.to_public()),
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl": " ".join(bob[:2]),
        }

    def hand_in(self, split: Path, memory: Path, *names: str) -> None:
        """Decrypt shares, each into the file that pages give it."""
        for name in names:
            share = memory / name
            share.write_text(self.site.run("age", "-d", "-i", str(self.keys[name]), str(split / f"share-{name}.age")))
            share.chmod(0o600)


def test_escrow_and_what_is_lost_of_it(site: Site) -> None:
    custodians = Custodians(site)
    year = f"d0030-{NOW.year}"
    page = site.told("guide_escrow.md", {**custodians.named, "d0030-2024": year})
    memory, media = site.path / "dev" / "shm", site.path / "media"
    media.mkdir()
    shutil.copytree(site.path / "etc" / "holdfast" / "keyring" / "escrow", memory / "escrow")
    page.write("# escrow.yml", "escrow.yml")
    page.next()
    split = media / "escrow-2026"
    shutil.copytree(memory / "escrow-2026", split)
    custodians.hand_in(split, memory, "alice", "carol")
    assert re.search(r'"record": "records/drill/', page.next())
    page.next()
    left = json.loads((memory / "escrow-2027" / "escrow.json").read_text())
    assert year not in json.dumps(left)
    page.end()
    shutil.rmtree(memory / "escrow-2027")

    page = site.told("runbooks/escrow_lost.md", custodians.named)
    shutil.copy(split / "share-alice.age", site.path)
    assert page.next().startswith("#")
    page.next()
    made = json.loads((memory / "escrow-2027" / "escrow.json").read_text())
    assert "dave" in json.dumps(made)
    page.next()
    assert not (split / "escrow.age").exists()
    assert "ssh-keygen -Y sign" in page.next()
    page.end()


def test_the_ceremony(site: Site) -> None:
    custodians = Custodians(site)
    apart = site.path / "ceremony"
    (apart / "media" / "usb").mkdir(parents=True)
    (apart / "prod").mkdir()
    repository = {
        "name": "prod",
        "url": f"file://{apart}/prod",
        "keyring": {"path": f"{apart}/etc/holdfast/keyring"},
    }
    # keys are joined in memory alone
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        memory = Path(folder)
        moved = {"/dev/shm": folder, "/media": f"{apart}/media"}
        page = site.told("runbooks/escrow_ceremony.md", {**moved, "/etc/holdfast": f"{apart}/etc/holdfast"})
        page_of_file = site.told("guide_escrow.md", {**custodians.named, **moved})
        page_of_file.write("# escrow.yml", "escrow.yml")
        page.next()
        shutil.copy(memory / "escrow" / "recipients.txt", apart / "media" / "usb")
        (apart / "etc" / "holdfast").mkdir(parents=True)
        with site.saying(holdfast_repository=repository, holdfast_repository_id=None):
            pin = result(page.next())["repository_id"]
        with site.saying(holdfast_repository=repository, holdfast_repository_id=pin):
            site.backup("--limit", "web1")
            page.next()
            shutil.copytree(memory / "escrow-2026", apart / "media" / "escrow-2026")
            shutil.copy(memory / "escrow-2026" / "share-alice.age", site.path)
            page.next()
            custodians.hand_in(apart / "media" / "escrow-2026", memory, "carol")
            assert re.search(r'"record": "records/drill/', page.next())
            page.next()
            assert not list((memory / "escrow").iterdir())
        page.next()
        custodians.hand_in(apart / "media" / "escrow-2026", memory, "carol")
        assert f"# d0090-{NOW.year} age1" in page.next()
        page.next()
        custodians.hand_in(apart / "media" / "escrow-2026", memory, "alice", "carol")
        page.next()
        assert f"# d0090-{NOW.year}" in (memory / "escrow" / "identities.txt").read_text()
        page.end()


def test_keys_are_lost(site: Site) -> None:
    says = "\n".join(site.module("repository")["says"])
    point, digest = (re.findall(rf"^{kind} key (\w+)", says, re.MULTILINE)[0] for kind in ("point", "digest"))
    page = site.told("runbooks/keyring_lost.md", {"POINT-ID": point, "DIGEST-ID": digest})
    keyring = site.path / "etc" / "holdfast" / "keyring"
    usb = site.path / "mnt" / "usb"
    usb.mkdir(parents=True, exist_ok=True)
    (keyring / "seal").rename(usb / "seal")
    page.next()
    assert (keyring / "seal" / "keyring.json").exists()
    shutil.rmtree(keyring / "seal")
    assert "ssh-keygen -Y sign" in page.next()
    shutil.rmtree(keyring / "seal")
    shutil.copytree(usb / "seal", keyring / "seal")
    assert result(page.next())["sound"]
    assert "ssh-keygen -Y sign" in page.next()
    assert f"web1 {site.file('web1')}" in page.next()
    pin = result(page.next())["repository_id"]
    inventory = yaml.safe_load((site.path / "inventory-2.yml").read_text())
    inventory["all"]["vars"]["holdfast_repository_id"] = pin
    (site.path / "inventory-2.yml").write_text(yaml.safe_dump(inventory))
    assert re.search(r"^recovery point .*main, complete", page.next(), re.MULTILINE)
    page.next()
    assert Path(f"{site.path}/var/tmp/before{site.file('web1')}").exists()
    page.end()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_done_elsewhere_is_on_the_page_and_in_that_test(name: str) -> None:
    blocks = typed(DOCS / name)
    for begin, (test, word) in ELSEWHERE[name].items():
        assert sum(text.startswith(begin) for text in blocks) == 1, f"{name} does not say {begin} once"
        assert word in (ROOT / test).read_text(encoding="utf-8")


def test_no_page_of_commands_is_forgotten() -> None:
    told = set(re.findall(r'told\(\s*"([\w/.]+\.md)"', Path(__file__).read_text(encoding="utf-8")))
    pages = {str(path.relative_to(DOCS)): path for path in DOCS.rglob("*.md")} | {"../README.md": ROOT / "README.md"}
    assert {name for name, path in pages.items() if typed(path)} == told | set(ELSEWHERE) | set(FOLLOWED)
    assert [test for test in FOLLOWED.values() if not (ROOT / test).is_file()] == []
    # of a page that is neither told here nor followed by a test of its own each command is done elsewhere
    left = [
        text
        for name in set(ELSEWHERE) - told - set(FOLLOWED)
        for text in typed(DOCS / name)
        if not is_elsewhere(name, text)
    ]
    assert left == []


def plays(text: str) -> t.Any:
    """A block of a page as plays, or nothing where it is neither plays nor tasks."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    if all("hosts" in one or "ansible.builtin.import_playbook" in one for one in found):
        return found
    is_task = any(re.fullmatch(r"(\w+\.){2}\w+", str(key)) for one in found for key in one)
    return [{"hosts": "all", "tasks": found}] if is_task else None


def test_plays_of_pages_are_plays(site: Site) -> None:
    folder = site.path / "plays of pages"
    folder.mkdir()
    files = []
    for path in sorted(DOCS.rglob("*.md")):
        for number, block in enumerate(Page(path).blocks):
            found = plays(block.text) if block.language == "yaml" else None
            # the collections of others are not here
            if found and not re.search(r"(awx|cisco|ansible)\.(awx|\w*xos|ios|netcommon|posix)\.", block.text):
                files.append(folder / f"{path.stem}-{number}.yml")
                files[-1].write_text(yaml.safe_dump(found))
    assert len(files) > 15
    site.run("ansible-playbook", "-i", "inventory.yml", "--syntax-check", *map(str, files))
