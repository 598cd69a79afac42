# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and ``holdfast_*`` variables become typed values here, once; an explicit option wins over its variable."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import keyring, store
from ..errors import PolicyError
from ..keyring.base import Keyring
from ..model.policy import Finding, Policy, RetentionClass, read_classes, read_policy, refuse
from ..store.base import Store
from ..usecases.repository import Repository, open_repository
from . import run

REPOSITORY: Mapping[str, t.Any] = {
    "repository": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "keyring": {
                "type": "dict",
                "options": {
                    "type": {"type": "str", "default": "local", "choices": ["local"]},
                    "path": {"type": "path"},
                },
            },
        },
    },
    "repository_id": {"type": "str"},
    "state_dir": {"type": "path"},
}
POLICY: Mapping[str, t.Any] = {
    "classes": {"type": "dict"},
    "tiers": {"type": "dict"},
    "components": {"type": "list", "elements": "dict"},
}
CHANGE: Mapping[str, t.Any] = {
    "change": {
        "type": "dict",
        "options": {
            name: {"type": "str"}
            for name in ("id", "window", "requester", "deployment", "version", "environment", "deployer")
        },
    },
}


class Options:
    """The options of one task, each with the variable that stands in for it."""

    def __init__(self, args: Mapping[str, t.Any], variable: Callable[[str], t.Any], *, check: bool) -> None:
        self._args = args
        self._variable = variable
        self.check = check

    def __getitem__(self, name: str) -> t.Any:
        return plain(self._args.get(name))

    def inherited(self, name: str) -> t.Any:
        """An option, or else the variable ``holdfast_<name>``, or else None."""
        value = self._args.get(name)
        return plain(self._variable(f"holdfast_{name}") if value is None else value)

    @property
    def state_dir(self) -> Path:
        """The folder of all runs."""
        return run.state_dir(self.inherited("state_dir"))

    def location(self) -> Location:
        """Where the repository and its keyring are; raises PolicyError with every finding."""
        return Location.read(self.inherited("repository"), self.inherited("repository_id"))

    def policy(self, host: str) -> Policy:
        """The policy of *host*; raises PolicyError with every finding."""
        return read_policy(
            host=host,
            classes=self.inherited("classes"),
            tiers=self.inherited("tiers"),
            components=self.inherited("components"),
        )

    def classes(self) -> Mapping[str, RetentionClass]:
        """The retention classes; raises PolicyError with every finding."""
        findings: list[Finding] = []
        classes = read_classes(self.inherited("classes"), findings)
        refuse(findings)
        return classes

    def change(self) -> Mapping[str, str]:
        """The run's change, with only what was given."""
        given = self.inherited("change") or {}
        known = CHANGE["change"]["options"]
        findings = []
        for key, value in given.items() if isinstance(given, Mapping) else [("", given)]:
            if key not in known or not isinstance(value, (str, int, type(None))):
                remedy = f"Give texts under {', '.join(known)}."
                findings.append(Finding(f"holdfast_change.{key}", "cannot be used", remedy))
        refuse(findings)
        return {name: str(value) for name, value in given.items() if value not in (None, "")}


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a repository is and who it must be; holds no secret."""

    name: str
    url: str
    keyring_type: str
    keyring_path: str
    pin: str | None

    @classmethod
    def read(cls, given: t.Any, pin: t.Any) -> Location:
        """Read ``holdfast_repository`` and ``holdfast_repository_id``."""
        findings = []
        fields = given if isinstance(given, Mapping) else {}
        given_ring = fields.get("keyring")
        ring = given_ring if isinstance(given_ring, Mapping) else {}
        values = {"name": fields.get("name"), "url": fields.get("url")}
        for key, value in values.items():
            if not isinstance(value, str) or not value:
                remedy = "Set holdfast_repository to {name, url: file:///…, keyring: {path: …}}."
                findings.append(Finding(f"holdfast_repository.{key}", "is not set", remedy))
        if pin is not None and not isinstance(pin, str):
            findings.append(Finding("holdfast_repository_id", "is not a text", "Put it in quotes."))
        refuse(findings)
        kind = str(ring.get("type", "local"))
        return cls(str(values["name"]), str(values["url"]), kind, str(ring.get("path") or ""), pin or None)

    def store(self, *, check: bool = False, create: bool = False) -> Store:
        """Connect to the store; puts go nowhere in check mode, nor once the controlling process has gone."""
        return store.connect(self.url, dry_run=check, create=create, may_write=run.require_controller)

    def keyring(self) -> Keyring:
        """Connect to the keyring; an auditor's inventory need not name one."""
        if not self.keyring_path:
            refuse([Finding("holdfast_repository.keyring.path", "is not set", "Name the folder of seal/ or open/.")])
        return keyring.connect(self.keyring_type, path=self.keyring_path)

    def repository(self, *, check: bool = False) -> Repository:
        """Open the pinned repository; raises TrustError or PolicyError where it is not that."""
        return open_repository(self.store(check=check), pin=self.pin, name=self.name)


def plain(value: t.Any) -> t.Any:
    """Strip the tags that Ansible's data tagging puts on values: the library sees plain Python."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise PolicyError(f"a value of type {type(value).__name__} cannot be an option", remedy="Give plain YAML values.")
