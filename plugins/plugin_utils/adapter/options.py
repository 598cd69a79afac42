# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and ``holdfast_*`` variables become typed values here, once; an explicit option wins over its variable."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
import os
import re
import typing as t
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from .. import keyring, store
from ..capture import platforms, presets
from ..errors import FormatError, NameRefusedError, PolicyError
from ..format import names
from ..keyring import people
from ..keyring.base import Keyring
from ..model import instant
from ..model.alias import Aliases, read_aliases
from ..model.joining import SPLIT, joined, parts
from ..model.people import read_people, read_quorum
from ..model.platform import Platform
from ..model.policy import Finding, Policy, read_classes, read_policy, read_pushed, refuse
from ..model.replica import CopiedBy
from ..model.retention import RetentionClass
from ..model.root import Person, Quorum
from ..model.verification import Sample
from ..store.base import Store
from ..store.elsewhere import ElsewhereStore
from ..store.file import FileStore
from ..store.s3_settings import S3Settings, read_bucket
from ..usecases.choose import Selection
from ..usecases.repository import Repository, open_repository
from ..usecases.seal_point import Means
from ..usecases.stamps import TimeStamping
from ..usecases.succession import Asking
from ..version import COLLECTION
from . import context, run

if t.TYPE_CHECKING:
    from ..store.s3_bucket import S3Bucket
    from ..usecases.replica_objects import Replica

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

# as community.hashi_vault names them; what lets somebody in is read from the environment or a file alone
VAULT: Mapping[str, t.Any] = {
    "url": {"type": "str"},
    "engine_mount_point": {"type": "str"},
    "auth_method": {"type": "str"},
    "mount_point": {"type": "str"},
    "role_id": {"type": "str"},
    "username": {"type": "str"},
    "namespace": {"type": "str"},
    "ca_cert": {"type": "path"},
    "validate_certs": {"type": "bool"},
    "timeout": {"type": "float"},
    "retries": {"type": "int"},
    "token_path": {"type": "path"},
    "token_file": {"type": "str"},
    "secret_id_file": {"type": "path"},
    "password_file": {"type": "path"},
    "jwt_file": {"type": "path"},
    "cert_auth_public_key": {"type": "path"},
    "cert_auth_private_key": {"type": "path"},
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
                    "type": {"type": "str", "default": "local", "choices": list(keyring.KINDS)},
                    "path": {"type": "path"},
                    **VAULT,
                    # of awskms
                    **S3,
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
            "replicas": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "url": {"type": "str", "required": True},
                    "copied_by": {"type": "str", "default": "collection", "choices": [by.value for by in CopiedBy]},
                    "wait": {"type": "bool", "default": False},
                    "required": {"type": "bool", "default": True},
                    "wait_timeout": {"type": "float", "default": 600.0},
                    **S3,
                },
            },
            **S3,
        },
    },
    "repository_id": {"type": "str"},
    "read_from": {"type": "str"},
    "state_dir": {"type": "path"},
}
# whether a task prints the lines of its result's report
DISPLAY: Mapping[str, t.Any] = {"display": {"type": "bool", "default": False}}
POLICY: Mapping[str, t.Any] = {
    "classes": {"type": "dict"},
    "tiers": {"type": "dict"},
    "components": {"type": "list", "elements": "raw"},
    "component_paths": {"type": "list", "elements": "path"},
    "platform_paths": {"type": "list", "elements": "path"},
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
TRIGGER: Mapping[str, t.Any] = {
    "trigger": {"type": "dict", "options": {name: {"type": "str"} for name in context.TRIGGER_FIELDS}},
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
_REPLICA = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Options:
    """The options of one task, each with the variable that stands in for it.

    :param variable: gives any variable of the host, None where it is not set.
    :param names: of all variables of the host: those of policy may be split over several.
    """

    def __init__(
        self, args: Mapping[str, t.Any], variable: Callable[[str], t.Any], *, check: bool, names: Iterable[str] = ()
    ) -> None:
        self.args = args
        self.variable = variable
        self.check = check
        self.names = names

    def __getitem__(self, name: str) -> t.Any:
        return plain(self.args.get(name))

    def inherited(self, name: str) -> t.Any:
        """An option, or else the variable ``holdfast_<name>``, with its parts where it may be split, or else None.

        :raises PolicyError: two parts say the same thing.
        """
        value = self.args.get(name)
        if value is not None:
            return plain(value)
        if name not in SPLIT:
            return self._said(f"holdfast_{name}")
        findings: list[Finding] = []
        said = {one: self._said(one) for one in parts(name, self.names)}
        together, _said = joined(name, said, findings)
        refuse(findings)
        return together

    def _said(self, name: str) -> t.Any:
        return plain_variable(name, self.variable(name))

    @property
    def state_dir(self) -> Path:
        """The folder of all runs; raises PolicyError where what is given is no path."""
        value = self.inherited("state_dir")
        if value is not None and not isinstance(value, str):
            remedy = "Give the path of a folder."
            raise PolicyError(f"{value!r} is no path", item="holdfast_state_dir", remedy=remedy)
        return run.state_dir(value)

    @property
    def secret_evidence(self) -> bool:
        """Whether manifests are to hold digests of the secrets that components declare; raises PolicyError."""
        value = self.inherited("secret_evidence")
        try:
            return bool(boolean(False if value is None else value))
        except TypeError as e:
            problem = f"{value!r} is neither true nor false"
            raise PolicyError(problem, item="holdfast_secret_evidence", remedy="Give true or false.") from e

    def location(self) -> Location:
        """Where the repository and its keyring are, for who writes there; raises PolicyError with every finding.

        One that is to be read at a replica is refused: a point of it would not know what was sealed since.
        """
        named = self.inherited("read_from")
        if named:
            remedy = "Only restore, compare, verify and lists read there. A replica becomes the repository by its url."
            refuse([Finding("holdfast_read_from", f"is {named}, and this task writes", remedy)])
        return self._location()

    def reading(self) -> Location:
        """The same for a task that reads, at the replica that ``read_from`` names, where it names one."""
        named = self.inherited("read_from")
        found = self._location()
        return found.read_at(str(named)) if named else found

    def _location(self) -> Location:
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
                content=plain(self.args["content"], binary=True),
                declared=self.inherited("components"),
            )
        findings: list[Finding] = []
        folders = presets.read_folders(self.inherited("component_paths"), findings)
        platform_folders = platforms.read_folders(self.inherited("platform_paths"), findings)
        refuse(findings, host=host)
        return read_policy(
            host=host,
            classes=self.inherited("classes"),
            tiers=self.inherited("tiers"),
            components=self.inherited("components"),
            exclusions=self.inherited("exclusions"),
            exceptions=self.inherited("exceptions"),
            presets=presets.finder(folders),
            platforms=platforms.finder(platform_folders),
            network_os=plain(self.variable("ansible_network_os")) or "",
        )

    def platform(self, name: str) -> Platform | None:
        """The platform that a value of ``ansible_network_os`` means; None where none is known, or its file is wrong."""
        if not name:
            return None
        listed = self.inherited("platform_paths")
        folders = [Path(one) for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
        try:
            return platforms.find(name, folders)
        except PolicyError:
            return None

    @property
    def pushed(self) -> tuple[str, ...]:
        """Names of the texts that the task pushes, as they were given; none where it captures the host itself."""
        given = self.args.get("content")
        if given is None:
            return ()
        listed = given if isinstance(given, Sequence) and not isinstance(given, (str, bytes)) else ()
        return tuple(str(one.get("name")) for one in listed if isinstance(one, Mapping)) or ("",)

    @property
    def own_policy(self) -> tuple[str, ...]:
        """The options by which the task says itself what is captured, and not by variables of the host."""
        return tuple(name for name in POLICY if self.args.get(name) is not None)

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

    def day_or_time(self, name: str, *, to_its_end: bool = False) -> dt.datetime | None:
        """An option that is a time, or a day: its first second, or its last one.

        :raises PolicyError: it is neither.
        """
        text = self[name]
        if text is None:
            return None
        day = len(text) == len("2026-11-21")
        try:
            at = instant.from_text(f"{text}T00:00:00Z" if day else text)
        except FormatError as e:
            remedy = "Give a time like 2026-11-21T01:16:23Z, or a day like 2026-11-21, in UTC."
            raise PolicyError(f"{text!r} is no time", item=name, remedy=remedy) from e
        return at + dt.timedelta(days=1, seconds=-1) if day and to_its_end else at

    def sample(self) -> Sample | None:
        """Which part of a repository is read, None for all of it; raises PolicyError with every finding."""
        given = self["sample"]
        if given is None:
            if self["seed"] is not None:
                refuse([Finding("seed", "is given, and no sample", "Give sample, or no seed.")])
            return None
        parts = given if isinstance(given, Mapping) else {"": given}
        percent = {name: _percent(value) for name, value in parts.items()}
        remedy = "Give a number from 1 to 100, or one for each class, and one for newest."
        refuse(
            [
                Finding(f"sample.{name}".rstrip("."), f"{parts[name]!r} is no percentage", remedy)
                for name, value in percent.items()
                if value is None
            ]
        )
        read = {name: value for name, value in percent.items() if value is not None}
        whole, newest = read.pop("", 100), read.pop("newest", 0)
        return Sample(percent=whole, classes=read, newest=newest, seed=self["seed"])

    def progress_interval(self) -> float:
        """Seconds between two lines of progress at least, 0 for none; as the callback has it, unless a task says so."""
        given = self["progress_interval"]
        text = os.environ.get("HOLDFAST_PROGRESS_INTERVAL") or "30" if given is None else given
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            refuse([Finding("progress_interval", f"{text!r} is no number of seconds", "Give 30, or 0 for none.")])
        return seconds

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

    def aliases(self) -> Aliases | None:
        """The form of aliases that ``holdfast_aliases`` wants, None where it says none; raises PolicyError."""
        findings: list[Finding] = []
        found = read_aliases(self.inherited("aliases"), findings)
        refuse(findings)
        return found

    def trigger(self) -> dict[str, str]:
        """What this run was started by, with only what was given; raises PolicyError with every finding."""
        return context.read_trigger(self.inherited("trigger"))


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a repository is and who it must be; holds no secret.

    :param keyring_path: the folder of a local keyring; of one on a server its owner's, empty for everybody else.
    :param vault: how a Vault is reached.
    :param awskms: how KMS is reached, where the keyring is there.
    :param s3: how an S3 server is reached.
    :param change: the id of the change that asks, for the server's own log.
    :param replicas: its other sites, each with all of its options.
    :param read_from: the name of the replica to read at; empty for the repository itself.
    """

    name: str
    url: str
    keyring_type: str
    keyring_path: str
    pin: str | None
    timestamp: Mapping[str, t.Any] | None = None
    s3: Mapping[str, t.Any] | None = None
    change: str = ""
    replicas: Sequence[Mapping[str, t.Any]] = dataclasses.field(default_factory=list)
    read_from: str = ""
    vault: Mapping[str, t.Any] | None = None
    awskms: Mapping[str, t.Any] | None = None

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
        findings += _unknown_of_keyring(ring)
        refuse(findings)
        kind = str(ring.get("type", "local"))
        stamps = _read_timestamp(fields.get("timestamp"))
        s3 = {name: fields[name] for name in S3 if fields.get(name) is not None}
        vault = {name: ring[name] for name in VAULT if ring.get(name) is not None}
        awskms = {name: ring[name] for name in S3 if ring.get(name) is not None}
        return cls(
            str(values["name"]),
            str(values["url"]),
            kind,
            str(ring.get("path") or ""),
            pin or None,
            stamps,
            s3 or None,
            replicas=_read_replicas(fields.get("replicas"), fields),
            vault=vault or None,
            awskms=awskms or None,
        )

    def read_at(self, name: str) -> Location:
        """The same, read at the replica of that name; raises PolicyError where there is none."""
        known = [str(replica["name"]) for replica in self.replicas]
        if name not in known:
            remedy = f"Known are {', '.join(known)}." if known else "holdfast_repository.replicas names none."
            refuse([Finding("holdfast_read_from", f"{name!r} is no replica of this repository", remedy)])
        return dataclasses.replace(self, read_from=name)

    def replica_sites(self, *, check: bool = False) -> list[Replica]:
        """The replicas, none of them reached yet."""
        from ..usecases.replica_objects import Replica

        return [
            Replica(
                name=replica["name"],
                connect=functools.partial(self._connect, replica["url"], replica["s3"], check=check),
                copied_by=CopiedBy(replica["copied_by"]),
                wait=replica["wait"],
                required=replica["required"],
                wait_seconds=replica["wait_timeout"],
            )
            for replica in self.replicas
        ]

    def store(self, *, check: bool = False, create: bool = False) -> Store:
        """Connect to the store; puts go nowhere in check mode, nor once the controlling process has gone.

        Where it is read at a replica, what is put all the same goes to the repository itself, if that is what it
        should be and takes it.
        """
        if not self.read_from:
            return self._connect(self.url, self.s3, check=check, create=create)
        (replica,) = (one for one in self.replica_sites(check=check) if one.name == self.read_from)
        own = dataclasses.replace(self, read_from="")
        return ElsewhereStore(replica.connect(), lambda: own.repository(check=check).store)

    def _connect(self, url: str, s3: Mapping[str, t.Any] | None, *, check: bool = False, create: bool = False) -> Store:
        return store.connect(
            url,
            dry_run=check,
            create=create,
            may_write=run.require_controller,
            s3=s3,
            context=self._context,
        )

    @property
    def on_s3(self) -> bool:
        """Whether a server keeps it."""
        return self.url.startswith("s3:")

    def libraries(self) -> dict[str, str]:
        """Libraries that this repository and its keyring need beside those that all do, and what for."""
        urls = [self.url, *(str(replica["url"]) for replica in self.replicas)]
        needed: dict[str, str] = {}
        if any(url.startswith("s3:") for url in urls) or self.keyring_type == "awskms":
            what = "keys in AWS KMS" if self.keyring_type == "awskms" else "a repository on S3"
            needed |= {"botocore": what, "python-dateutil": what}
        if self.keyring_type == "vault":
            needed["hvac"] = "keys in Vault"
        if self.timestamp is not None:
            needed["rfc3161-client"] = "time stamps"
        return needed

    def bucket(self) -> S3Bucket:
        """Connect to the bucket itself; raises PolicyError where there is none."""
        if not self.on_s3:
            raise PolicyError(
                "a repository in a folder has no bucket to set up",
                item="storage",
                remedy="Leave storage out, or set holdfast_repository.url to s3://bucket/prefix.",
            )
        from ..store.s3_bucket import S3Bucket

        return S3Bucket(read_bucket(self.url), S3Settings(**(self.s3 or {})), context=self._context)

    @property
    def _context(self) -> Mapping[str, str]:
        """What a server's own log names the calls by."""
        return {"holdfast.config": COLLECTION, "run": run.RUN_ID, "change": self.change}

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

    @property
    def has_keyring(self) -> bool:
        """Whether a keyring is named; an auditor's inventory need not name one."""
        return bool(self.keyring_path) or self.keyring_type != "local"

    def keyring(self) -> Keyring:
        """Connect to the keyring; a server is not asked yet."""
        if not self.has_keyring:
            refuse([Finding("holdfast_repository.keyring.path", "is not set", "Name the folder of seal/ or open/.")])
        return keyring.connect(
            self.keyring_type, path=self.keyring_path, repository=self.name, vault=self.vault, awskms=self.awskms
        )

    def repository(self, *, check: bool = False) -> Repository:
        """Open the pinned repository; raises TrustError or PolicyError where it is not that."""
        return open_repository(self.store(check=check), pin=self.pin, name=self.name)

    def means(self, *, check: bool = False) -> Means:
        """Open the pinned repository, and connect to who signs and stamps."""
        return Means(self.repository(check=check), self.keyring(), self.stamping())


def _percent(value: t.Any) -> int | None:
    """A number from 1 to 100, or its digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 3:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100 else None


def _moment(text: str | None) -> dt.datetime | None:
    try:
        return None if text is None else instant.from_text(text)
    except FormatError as e:
        raise PolicyError(f"{e.message}", item="time", remedy="Give UTC to the second.") from e


def _unknown(fields: Mapping[str, t.Any]) -> list[Finding]:
    """Find what ``holdfast_repository`` has and nobody reads: a misspelt option would be none, without a word."""
    return _strangers("holdfast_repository", fields, REPOSITORY["repository"]["options"])


def _strangers(at: str, fields: Mapping[str, t.Any], known: Mapping[str, t.Any]) -> list[Finding]:
    findings = []
    for name in sorted(map(str, fields.keys() - known.keys())):
        remedy = f"Known here: {', '.join(known)}."
        if "key" in name or "token" in name or "secret" in name:
            remedy += (
                " Credentials are not read from the inventory: set AWS_ACCESS_KEY_ID and so on, or name a profile."
            )
        findings.append(Finding(f"{at}.{name}", "is not a key of this version", remedy))
    s3 = [name for name in S3 if fields.get(name) is not None]
    if s3 and not str(fields.get("url")).startswith("s3:"):
        remedy = "Remove it, or set url to s3://bucket/prefix."
        findings += [Finding(f"{at}.{name}", "is for a repository on S3", remedy) for name in s3]
    return findings


def _read_replicas(given: t.Any, own: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """Read ``holdfast_repository.replicas``, whichever way it came.

    :param own: the same fields of the repository itself.
    """
    if given is None:
        return []
    key = "holdfast_repository.replicas"
    if not isinstance(given, Sequence) or isinstance(given, str):
        refuse([Finding(key, "is no list", "Give a list of {name, url, …}.")])
    findings: list[Finding] = []
    found: list[Mapping[str, t.Any]] = []
    places = {_place(own): "the repository itself"}
    for number, fields in enumerate(given):
        at = f"{key}[{number}]"
        if not isinstance(fields, Mapping):
            findings.append(Finding(at, "is no mapping", "Give {name, url, …}."))
            continue
        findings += _replica_faults(at, fields)
        if taken := places.get(_place(fields)):
            findings.append(Finding(f"{at}.url", f"is that of {taken}", "Name another site."))
        places.setdefault(_place(fields), "another replica")
        if fields.get("name") in [replica["name"] for replica in found]:
            findings.append(Finding(f"{at}.name", "is that of another replica", "Give each a name of its own."))
        found.append(
            {
                "name": fields.get("name"),
                "url": fields.get("url"),
                "s3": {name: fields[name] for name in S3 if fields.get(name) is not None} or None,
                "copied_by": fields.get("copied_by", CopiedBy.COLLECTION.value),
                "wait": fields.get("wait", False),
                "required": fields.get("required", True),
                "wait_timeout": fields.get("wait_timeout", 600.0),
            }
        )
    refuse(findings)
    return found


def _place(fields: Mapping[str, t.Any]) -> tuple[str, str]:
    """Where a site is: the same place, however it is spelled, is no second one."""
    url = str(fields.get("url")).rstrip("/")
    scheme, _colon, rest = url.partition("://")
    if scheme == "file":
        return os.path.realpath(urllib.parse.unquote(rest)), ""
    return url, str(fields.get("endpoint_url") or "").rstrip("/")


def _replica_faults(at: str, fields: Mapping[str, t.Any]) -> list[Finding]:
    known = REPOSITORY["repository"]["options"]["replicas"]["options"]
    findings = _strangers(at, fields, known)
    name, url = fields.get("name"), fields.get("url")
    if not isinstance(name, str) or not _REPLICA.fullmatch(name):
        remedy = "Use small letters, digits, dots, dashes and underscores, 63 at most."
        findings.append(Finding(f"{at}.name", "is no name of a replica", remedy))
    if not isinstance(url, str) or not url:
        findings.append(Finding(f"{at}.url", "is not set", "Give file:///… or s3://bucket/prefix."))
    elif url.startswith("s3:"):
        try:
            read_bucket(url)
            S3Settings(**{name: fields[name] for name in S3 if fields.get(name) is not None})
        except PolicyError as e:
            findings.append(Finding(f"{at}.url", e.message, e.remedy or "See docs/guide_storage.md."))
    if fields.get("copied_by", "collection") not in known["copied_by"]["choices"]:
        findings.append(Finding(f"{at}.copied_by", "is not known", "Give collection or server."))
    findings += [
        Finding(f"{at}.{name}", "is neither true nor false", "Give one of them.")
        for name in ("wait", "required")
        if not isinstance(fields.get(name, True), bool)
    ]
    seconds = fields.get("wait_timeout", 600.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 86400:
        findings.append(Finding(f"{at}.wait_timeout", f"{seconds!r} is no number of seconds", "Give 1 to 86400."))
    return findings


def _unknown_of_keyring(ring: Mapping[str, t.Any]) -> list[Finding]:
    """Find what ``holdfast_repository.keyring`` has and nobody reads, or another kind of keyring does."""
    known = REPOSITORY["repository"]["options"]["keyring"]["options"]
    findings = []
    for name in sorted(ring.keys() - known.keys()):
        remedy = f"Known here: {', '.join(known)}."
        if name in ("token", "secret_id", "password", "jwt"):
            remedy = f"Secrets are not read from the inventory: set HASHI_VAULT_{name.upper()}, or name a file."
        if name in ("access_key", "secret_key", "session_token") or name.startswith("aws_"):
            remedy = "Secrets are not read from the inventory: use the environment, a profile or a role."
        findings.append(Finding(f"holdfast_repository.keyring.{name}", "is not a key of this version", remedy))
    for kind, options, where in (("vault", VAULT, "Vault"), ("awskms", S3, "AWS KMS")):
        if ring.get("type", "local") != kind:
            given = [name for name in options if ring.get(name) is not None]
            remedy = f"Remove it, or set type to {kind}."
            findings += [
                Finding(f"holdfast_repository.keyring.{name}", f"is for a keyring in {where}", remedy) for name in given
            ]
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


def plain_variable(name: str, value: t.Any) -> t.Any:
    """The value of a variable as :func:`plain` gives it; what is raised names the variable."""
    try:
        return plain(value)
    except PolicyError as e:
        e.item = name
        raise


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
    remedy = "Put days and moments in quotes." if isinstance(value, dt.date) else "Give plain YAML values."
    raise PolicyError(f"a value of type {type(value).__name__} cannot be an option", remedy=remedy)
