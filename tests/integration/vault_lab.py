# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository whose keyring is in the Vault of the lab, and whole runs of ansible-playbook on it."""

from __future__ import annotations

import collections
import shutil
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.lab.vault.server import PARTS, AppRole, Asked, Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME, OPEN, SEAL, SNAPSHOT, Lab, Run, tree

from .keyrings import keyring_at

COSTS = Path(__file__).parents[2] / "docs" / "design" / "costs.md"
RUN = [OPEN, SNAPSHOT, SEAL]
MAKE = [{"name": "make", "holdfast.config.repository": {}}]
VERIFY = {"name": "verify", "holdfast.config.verify": {"level": "keys"}, "run_once": True}
BACK = {
    "name": "restore",
    "holdfast.config.restore": {"under": "{{ restored }}/{{ inventory_hostname }}", "newest": True},
}


class VaultLab(Lab):
    """A lab whose keyring is in Vault; its runs have what lets them in by environment.

    :param owner: the folder of the owner's.
    """

    def __init__(self, path: Path, vault: Vault, owner: Path, *, hosts: int = 2, pin: str | None = None) -> None:
        super().__init__(path, hosts=hosts, pin=pin)
        self.vault = vault
        self.login: dict[str, str] = {}
        self.ring: dict[str, t.Any] = {"type": "vault", "url": vault.url, "ca_cert": str(vault.ca_path)}
        self.variables["holdfast_repository"]["keyring"] = self.ring
        self.variables["restored"] = f"{path}/restored"
        self.owner = owner

    def by_token(self, *parts: str, **more: t.Any) -> str:
        """Let runs have a token of these parts from now on; returns it."""
        token = self.vault.token(*(f"{NAME}-{part}" for part in parts), **more)
        self.login = {"VAULT_TOKEN": token}
        return token

    def by_approle(self, part: str, **more: t.Any) -> AppRole:
        """Let runs log in by a role of that part from now on; returns what they log in with."""
        role = self.vault.approle(f"{NAME}-{part}", f"{NAME}-{part}", **more)
        self.ring |= {"auth_method": "approle", "role_id": role.role_id}
        self.login = {"HASHI_VAULT_SECRET_ID": role.secret_id}
        return role

    def environment(self, work: Path) -> dict[str, str]:
        return {**super().environment(work), **self.login}

    def play(self, playbook: t.Any, *args: str, check: bool = False, env: Mapping[str, str] | None = None) -> Run:
        """Run a playbook; what lets somebody in may stand neither in what it printed nor in what it left."""
        return self.checked(super().play(playbook, *args, check=check, env=env))

    def checked(self, run: Run) -> Run:
        """This run, which has shown and left no secret."""
        texts = [run.output]
        for folder in (self.state, self.path / "run"):
            texts += [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
        for secret in self.login.values():
            assert not [text for text in texts if secret in text]
        # of logins too, which nobody but the run has seen
        assert not [text for text in texts if "hvs." in text]
        return run

    def keyring(self) -> Keyring:
        """The keyring, for who has all parts."""
        token = self.vault.token(*(f"{NAME}-{part}" for part in PARTS))
        return keyring_at(self.vault, token, repository=NAME, path=self.owner)

    def came_back(self) -> bool:
        """Whether what was restored is what each host has."""
        return all(
            tree(self.path / "restored" / host / str(self.app(host)).lstrip("/")) == tree(self.app(host))
            for host in self.hosts
        )

    def copy(self, path: Path, *, hosts: int = 2) -> VaultLab:
        """Another lab, of that many hosts, with this one's repository as it is. The operator logs in by AppRole."""
        lab = type(self)(path, self.vault, self.owner, hosts=hosts, pin=self.variables["holdfast_repository_id"])
        shutil.copytree(self.path / "repository", lab.path / "repository", symlinks=True)
        lab.by_approle("operator")
        return lab


def made_in(vault: Vault, path: Path) -> VaultLab:
    """A repository in a folder, made by its module with the owner's token."""
    vault.write_policies(NAME)
    lab = VaultLab(path / "lab", vault, path / "owner", hosts=1)
    lab.ring["path"] = str(lab.owner)
    lab.by_token("owner")
    with vault.watched() as asked:
        result = lab.play(MAKE).ok().on("make").result
    assert result["changed"]
    lab.variables["holdfast_repository_id"] = result["repository_id"]
    # by nothing else: it opens nothing, keys no digest and signs the first root alone
    assert {one.path.split("/")[1] for one in asked if one.path.startswith("transit/")} == {"keys", "sign"}
    assert [one.path for one in asked if "/sign/" in one.path] == [f"transit/sign/holdfast-{NAME}--point"]
    return lab


def as_restorer(lab: VaultLab) -> str:
    """Let runs have the restorer's token; returns it."""
    lab.ring.pop("auth_method", None)
    lab.ring.pop("role_id", None)
    return lab.by_token("restorer")


def reasons(run: Run) -> dict[str, str]:
    """Why each host's streams were stored, or not."""
    return {kept.host: kept.result["streams"][0]["reason"] for kept in run.all("snapshot")}


def gated(lab: VaultLab, before: t.Any, meanwhile: Callable[[], object]) -> Run:
    """A run during which something happens just before that task."""
    reached, go = lab.path / "reached", lab.path / "go"
    for path in (reached, go):
        path.unlink(missing_ok=True)
    command = f"touch {reached}; until test -e {go}; do sleep 0.02; done"
    gate = {"name": "wait", "ansible.builtin.shell": command, "run_once": True}
    running = lab.start([step for task in RUN for step in ((gate, task) if task is before else (task,))])
    wait_for(reached.exists, "the run does not come to the gate")
    meanwhile()
    go.touch()
    return lab.checked(running.end())


def calls(asked: list[Asked]) -> dict[str, int]:
    """How often what was asked for, logins too."""
    return dict(collections.Counter(one.spoken for one in asked))


def documented(column: str) -> dict[str, int]:
    """What a run asks of Vault, as docs/design/costs.md says it, of so many hosts."""
    lines = COSTS.read_text(encoding="utf-8").splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("| calls of Vault |"))
    place = [cell.strip() for cell in lines[head].split("|")].index(column)
    rows: dict[str, int] = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.split("|")]
        rows[cells[1].strip("`").replace("holdfast-prod--", f"holdfast-{NAME}--")] = int(cells[place])
    return rows
