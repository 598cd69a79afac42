# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and ``holdfast_*`` variables become typed values here, once; an explicit option wins over its variable."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleError

from .. import keyring, store
from ..capture import presets
from ..errors import FormatError, NameRefusedError, PolicyError
from ..format import names
from ..keyring import people
from ..keyring.base import Keyring
from ..model import instant
from ..model.people import read_people, read_quorum
from ..model.policy import Finding, Policy, read_classes, read_policy, read_pushed, refuse
from ..model.retention import RetentionClass
from ..model.root import Person, Quorum
from ..store.base import Store
from ..store.file import FileStore
from ..usecases.choose import Selection
from ..usecases.repository import Repository, open_repository
from ..usecases.stamps import TimeStamping
from ..usecases.succession import Asking
from ..version import COLLECTION
from . import run

# as amazon.aws names them, and what it says they mean; the last three it has not
S3: Mapping[str, t.Any] = {
    "endpoint_url": {"type": "str"},
    "region": {"type": "str"},
    "profile": {"type": "str"},
    "aws_ca_bundle": {"type": "path"},
    "aws_config": {"type": "dict"},
    "assume_role_arn": {"type": "str"},
    "external_id": {"type": "str"},
    "sts_endpoint_url": {"type": "str"},
}

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
            "timestamp": {
                "type": "dict",
                "options": {
                    "url": {"type": "str", "required": True},
                    "certificates": {"type": "path", "required": True},
                    "required": {"type": "bool", "default": False},
                    "timeout": {"type": "float", "default": 10.0},
                    "ca_path": {"type": "path"},
                },
            },
            **S3,
        },
    },
    "repository_id": {"type": "str"},
    "state_dir": {"type": "path"},
}
POLICY: Mapping[str, t.Any] = {
    "classes": {"type": "dict"},
    "tiers": {"type": "dict"},
    "components": {"type": "list", "elements": "raw"},
    "component_paths": {"type": "list", "elements": "path"},
}
# raw: what a validator says of a text that it does not like would hold the text
CONTENT: Mapping[str, t.Any] = {"content": {"type": "raw"}}
PEOPLE: Mapping[str, t.Any] = {
    "people": {"type": "list", "elements": "dict"},
    "quorum": {"type": "dict"},
}
ASKING: Mapping[str, t.Any] = {
    "requester": {"type": "str"},
    "reason": {"type": "str"},
    "ticket": {"type": "str"},
    "valid_days": {"type": "int", "default": 7},
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

SELECTION: Mapping[str, t.Any] = {
    "source_host": {"type": "str"},
    "recovery_point": {"type": "str"},
    "snapshot": {"type": "str"},
    "alias": {"type": "str"},
    "change_id": {"type": "str"},
    "point_name": {"type": "str"},
    "time": {"type": "str"},
    "newest": {"type": "bool", "default": False},
    "components": {"type": "list", "elements": "str"},
    "paths": {"type": "list", "elements": "str"},
}

_ID = re.compile(r"[0-9a-f]{64}")


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
        found = Location.read(self.inherited("repository"), self.inherited("repository_id"))
        change = self.inherited("change")
        return dataclasses.replace(found, change=str(change.get("id") or "") if isinstance(change, Mapping) else "")

    def policy(self, host: str) -> Policy:
        """The policy of *host*, or of what the task pushes for it; raises PolicyError with every finding."""
        if self.pushed:
            return read_pushed(
                host=host,
                classes=self.inherited("classes"),
                tiers=self.inherited("tiers"),
                content=plain(self._args["content"], binary=True),
                declared=self.inherited("components"),
            )
        findings: list[Finding] = []
        folders = presets.read_folders(self.inherited("component_paths"), findings)
        refuse(findings, host=host)
        return read_policy(
            host=host,
            classes=self.inherited("classes"),
            tiers=self.inherited("tiers"),
            components=self.inherited("components"),
            presets=presets.finder(folders),
        )

    @property
    def pushed(self) -> tuple[str, ...]:
        """Names of the texts that the task pushes, as they were given; none where it captures the host itself."""
        given = self._args.get("content")
        if given is None:
            return ()
        listed = given if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) else ()
        return tuple(str(one.get("name")) for one in listed if isinstance(one, Mapping)) or ("",)

    def host_id(self, host: str, task_vars: Mapping[str, t.Any]) -> str:
        """The identity of *host*, its name where none is declared.

        :param task_vars: with the whole inventory, which is asked only for a host of that name.
        :raises PolicyError: it cannot be one, or another host of the inventory has it by its name.
        """
        value = self.inherited("host_id")
        if value is None:
            return host
        key = "holdfast_host_id"
        if not isinstance(value, str):
            refuse([Finding(key, f"{value!r} is not a text", "Give a name, in quotes.")], host=host)
        try:
            names.escape_host(value)
            names.refuse_colliding((host, value))
        except NameRefusedError as e:
            remedy = "Give a name that was never another host's, or what the inventory called this one before."
            refuse([Finding(key, e.message, remedy)], host=host)
        if value != host and value in task_vars["groups"]["all"]:
            try:
                other = task_vars["hostvars"][value].get(key)
            except AnsibleError as e:
                # a template of its, over variables that are defined for that host alone or for none
                remedy = f"Correct it for {value}: two hosts must not have one identity."
                problem = f"that of host {value}, which {host} would have, cannot be read: {e.message}"
                refuse([Finding(key, problem, remedy)], host=host)
            if other in (None, value):
                remedy = f"Take {value} out of the inventory, or give it a {key} that was never used."
                refuse([Finding(key, f"{host} would have the identity of host {value}", remedy)], host=host)
        return str(value)

    def classes(self) -> Mapping[str, RetentionClass]:
        """The retention classes; raises PolicyError with every finding."""
        findings: list[Finding] = []
        classes = read_classes(self.inherited("classes"), findings)
        refuse(findings)
        return classes

    def people(self) -> tuple[Person, ...] | None:
        """The people of the root, None where none are declared; raises PolicyError with every finding."""
        findings: list[Finding] = []
        found = read_people(self.inherited("people"), findings, canonical=people.canonical_key)
        refuse(findings)
        return found

    def quorum(self) -> tuple[Quorum, ...] | None:
        """What operations take of people, None where nothing is declared; raises PolicyError with every finding."""
        findings: list[Finding] = []
        found = read_quorum(self.inherited("quorum"), findings)
        refuse(findings)
        return found

    def asking(self) -> Asking:
        """Who asks people to sign, why and for how long; the change's ticket and requester where none are given."""
        change = self.change()
        words = {
            "requester": self["requester"] or change.get("requester", ""),
            "reason": self["reason"] or "",
            "ticket": self["ticket"] or change.get("id", ""),
        }
        # people sign these, and read them on a terminal
        refuse(
            [
                Finding(key, f"{text!r} is not one line of text", "Give it without control characters.")
                for key, text in words.items()
                if not text.isprintable()
            ]
        )
        return Asking(
            by=words["requester"],
            reason=words["reason"],
            ticket=words["ticket"],
            lasts=dt.timedelta(days=self.number("valid_days", 1, 90)),
        )

    def number(self, name: str, least: int, most: int) -> int:
        """An option that is a number from *least* to *most*; raises PolicyError where it is not."""
        value = self[name]
        if not least <= value <= most:
            refuse([Finding(name, f"{value} is out of range", f"Give {least} to {most}.")])
        return int(value)

    def recovery_points(self, name: str) -> list[str]:
        """An option that lists ids of recovery points; raises PolicyError where one is none."""
        remedy = "Give the 64 hex digits that the seal returned as recovery_point."
        found = [str(value).strip() for value in self[name]]
        refuse([Finding(name, f"{value!r} is no id", remedy) for value in found if not _ID.fullmatch(value)])
        return found

    @property
    def journal_dir(self) -> str | None:
        """Where a host keeps journals of restores, None for where it usually does; raises PolicyError for no path."""
        value = self.inherited("journal_dir")
        if value is not None and not (isinstance(value, str) and value.startswith("/")):
            key = "holdfast_journal_dir"
            refuse(
                [Finding(key, f"{value!r} is no absolute path", "Give a folder of the host, like /var/lib/holdfast.")]
            )
        return value

    def place(self) -> str:
        """The folder to restore under, ``/`` in place; raises PolicyError where that is not said once."""
        under, in_place = self["under"], self["in_place"]
        if (under is None) != in_place:
            raise PolicyError("where to restore to is not said once", remedy="Give one of under and in_place.")
        if in_place:
            return "/"
        if not under.startswith("/") or not under.strip("/") or {"..", "."} & set(under.split("/")):
            raise PolicyError(
                f"{under!r} is not a folder to restore under",
                item="under",
                remedy="Give an absolute path, not /; in_place restores to where it was.",
            )
        if self["exact"]:
            raise PolicyError(
                "exact goes with in_place alone", item="exact", remedy="Restore under an empty folder instead."
            )
        return str(under)

    def selection(self) -> Selection:
        """Which snapshots the options select; raises PolicyError where they do not say it once."""
        return Selection(
            point=self["recovery_point"],
            snapshot=self["snapshot"],
            alias=self["alias"],
            change_id=self["change_id"],
            point_name=self["point_name"],
            time=_moment(self["time"]),
            newest=self["newest"],
            components=tuple(self["components"] or ()),
            paths=tuple(self["paths"] or ()),
        )

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
    """Where a repository is and who it must be; holds no secret.

    :param s3: how an S3 server is reached.
    :param change: the id of the change that asks, for the server's own log.
    """

    name: str
    url: str
    keyring_type: str
    keyring_path: str
    pin: str | None
    timestamp: Mapping[str, t.Any] | None = None
    s3: Mapping[str, t.Any] | None = None
    change: str = ""

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
                remedy = "Set holdfast_repository to {name, url: file:///… or s3://…, keyring: {path: …}}."
                findings.append(Finding(f"holdfast_repository.{key}", "is not set", remedy))
        if pin is not None and not isinstance(pin, str):
            findings.append(Finding("holdfast_repository_id", "is not a text", "Put it in quotes."))
        findings += _unknown(fields)
        refuse(findings)
        kind = str(ring.get("type", "local"))
        stamps = _read_timestamp(fields.get("timestamp"))
        s3 = {name: fields[name] for name in S3 if fields.get(name) is not None}
        return cls(
            str(values["name"]), str(values["url"]), kind, str(ring.get("path") or ""), pin or None, stamps, s3 or None
        )

    def store(self, *, check: bool = False, create: bool = False) -> Store:
        """Connect to the store; puts go nowhere in check mode, nor once the controlling process has gone."""
        return store.connect(
            self.url,
            dry_run=check,
            create=create,
            may_write=run.require_controller,
            s3=self.s3,
            context={"holdfast.config": COLLECTION, "run": run.RUN_ID, "change": self.change},
        )

    def stamping(self) -> TimeStamping | None:
        """Who stamps the time of recovery points; raises PolicyError where the certificates cannot be read."""
        if self.timestamp is None:
            return None
        path = Path(self.timestamp["certificates"]).expanduser()
        try:
            certificates = path.read_bytes()
        except OSError as e:
            raise PolicyError(
                f"the certificates of the time-stamp authority cannot be read: {e.strerror}",
                item=str(path),
                remedy="Name a PEM file in holdfast_repository.timestamp.certificates.",
            ) from e
        return TimeStamping(
            self.timestamp["url"],
            certificates,
            self.timestamp["required"],
            self.timestamp["timeout"],
            self.timestamp["ca_path"],
        )

    def expiry(self) -> FileStore:
        """Connect to the store for what it cannot do by itself: to let go of what has expired."""
        return store.connect_expiry(self.url)

    def keyring(self) -> Keyring:
        """Connect to the keyring; an auditor's inventory need not name one."""
        if not self.keyring_path:
            refuse([Finding("holdfast_repository.keyring.path", "is not set", "Name the folder of seal/ or open/.")])
        return keyring.connect(self.keyring_type, path=self.keyring_path)

    def repository(self, *, check: bool = False) -> Repository:
        """Open the pinned repository; raises TrustError or PolicyError where it is not that."""
        return open_repository(self.store(check=check), pin=self.pin, name=self.name)


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return None if text is None else instant.from_text(text)
    except FormatError as e:
        raise PolicyError(f"{e.message}", item="time", remedy="Give UTC to the second.") from e


def _unknown(fields: Mapping[str, t.Any]) -> list[Finding]:
    """Find what ``holdfast_repository`` has and nobody reads: a misspelt option would be none, without a word."""
    known = REPOSITORY["repository"]["options"]
    findings = []
    for name in sorted(fields.keys() - known.keys()):
        remedy = f"Known here: {', '.join(known)}."
        if "key" in name or "token" in name or "secret" in name:
            remedy = "Credentials are not read from the inventory: set AWS_ACCESS_KEY_ID and so on, or name a profile."
        findings.append(Finding(f"holdfast_repository.{name}", "is not a key of this version", remedy))
    s3 = [name for name in S3 if fields.get(name) is not None]
    if s3 and not str(fields.get("url")).startswith("s3:"):
        remedy = "Remove it, or set url to s3://bucket/prefix."
        findings += [Finding(f"holdfast_repository.{name}", "is for a repository on S3", remedy) for name in s3]
    return findings


def _read_timestamp(given: t.Any) -> Mapping[str, t.Any] | None:
    """Read ``holdfast_repository.timestamp``, whichever way it came."""
    if given is None:
        return None
    key = "holdfast_repository.timestamp"
    fields = given if isinstance(given, Mapping) else {}
    known = REPOSITORY["repository"]["options"]["timestamp"]["options"]
    # a misspelt "required" would be none, without a word
    findings = [
        Finding(f"{key}.{name}", "is not a key of this version", f"Known here: {', '.join(known)}.")
        for name in fields
        if name not in known
    ]
    url = fields.get("url")
    # this stands in the run folder, and what people paste into a URL is a password
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or "@" in url:
        findings.append(Finding(f"{key}.url", "is no http URL without a password", "Give https://host/path."))
    if not isinstance(fields.get("certificates"), str):
        findings.append(Finding(f"{key}.certificates", "is not set", "Name the PEM file of its root certificates."))
    timeout = fields.get("timeout", 10.0)
    if not isinstance(timeout, (int, float)) or not 0 < timeout <= 600:
        findings.append(Finding(f"{key}.timeout", f"{timeout!r} is no number of seconds", "Give 1 to 600."))
    if not isinstance(fields.get("required", False), bool):
        findings.append(Finding(f"{key}.required", "is neither true nor false", "Give one of them."))
    refuse(findings)
    return {
        "url": url,
        "certificates": fields["certificates"],
        "required": fields.get("required", False),
        "timeout": float(timeout),
        "ca_path": fields.get("ca_path"),
    }


def plain(value: t.Any, *, binary: bool = False) -> t.Any:
    """Strip the tags that Ansible's data tagging puts on values: the library sees plain Python.

    :param binary: take bytes too, as YAML's ``!!binary`` gives them.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(inner, binary=binary) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, binary=binary) for inner in value]
    if binary and isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise PolicyError(f"a value of type {type(value).__name__} cannot be an option", remedy="Give plain YAML values.")
