# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where change tickets are kept, and what a host is called there, from options and variables."""

from __future__ import annotations

import base64
import datetime as dt
import os
import re
import time
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import PolicyError, TicketError
from ..model.finding import Finding, read_known, read_mapping, read_text, read_words, refuse
from ..model.policy import Policy, read_classes
from ..model.ticket import ASKED, BACKUP, RECORD, REQUIRE, RESTORE, VERIFY, ChangeRule
from ..model.tier import read_tiers
from ..tickets.base import Provider
from ..tickets.file import FileTickets
from ..tickets.github import GitHub
from ..tickets.github_deployments import GitHubDeployments
from ..tickets.gitlab import GitLab
from ..tickets.http import Http
from ..tickets.jira import STATES, Fields, Jira
from ..tickets.servicenow import ServiceNow
from ..usecases import change
from ..usecases.run_folder import PointFolder
from . import secret_file

if t.TYPE_CHECKING:
    from .options import Options

KEY = "holdfast_tickets"
PROVIDERS = ("servicenow", "jira", "gitlab", "github_deployments", "github", "file")
TICKETS: Mapping[str, t.Any] = {
    "tickets": {
        "type": "dict",
        "options": {
            "provider": {"type": "str", "required": True, "choices": list(PROVIDERS)},
            "url": {"type": "str"},
            "project": {"type": "str"},
            "fields": {
                "type": "dict",
                "options": {
                    "begins": {"type": "str"},
                    "ends": {"type": "str"},
                    "kind": {"type": "str"},
                    "items": {"type": "str", "default": "labels"},
                    "approval": {"type": "str"},
                },
            },
            "states": {"type": "list", "elements": "str"},
            "path": {"type": "path"},
            "username": {"type": "str"},
            "token_file": {"type": "path"},
            "password_file": {"type": "path"},
            "ca_path": {"type": "path"},
            "timeout": {"type": "float", "default": 10.0},
            "host_names": {"type": "list", "elements": "str"},
            "repository": {"type": "str", "choices": list(ASKED), "default": VERIFY},
            "repository_names": {"type": "list", "elements": "str"},
        },
    },
}
_FIELDS = tuple(TICKETS["tickets"]["options"])
_OF_JIRA = ("fields", "states")
# it becomes part of a path: neither half is made of dots alone
_ON_GITHUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_PROJECTS = {
    "github": (_ON_GITHUB, "repository", "Give its owner/name."),
    "github_deployments": (_ON_GITHUB, "repository", "Give its owner/name."),
    "gitlab": (
        re.compile(r"[1-9][0-9]{0,18}|(?=.{3,255}\Z)[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+"),
        "project",
        "Give its group/project, or its number.",
    ),
    "jira": (re.compile(r"[A-Z][A-Z0-9_]{1,63}"), "project", "Give its key, in capital letters."),
}
# names of a field of Jira as its API has them
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def provider(options: Options) -> Provider | None:
    """Who keeps the change tickets; None where nobody does.

    :raises PolicyError: with every finding; a secret that cannot be read is one.
    """
    fields = _kept(options)
    if fields is None:
        return None
    if fields["provider"] == "file":
        return FileTickets(Path(fields["path"]))
    return _server(fields)


def _kept(options: Options) -> Mapping[str, t.Any] | None:
    """Where tickets are kept, without a look at who may read them: what names no ticket needs no secret."""
    given = options.inherited("tickets")
    if not given:
        return None
    findings: list[Finding] = []
    fields = _read(given, findings)
    refuse(findings)
    return fields


def _server(fields: Mapping[str, t.Any]) -> Provider:
    kind, headers = fields["provider"], _credential(fields)
    if kind == "jira":
        # Jira Data Center answers of approvals to nobody else
        headers["X-ExperimentalApi"] = "opt-in"
    timeout = float(fields.get("timeout") or 10.0)
    http = Http(fields["url"], headers=headers, ca_path=fields.get("ca_path"), timeout=timeout)
    if kind == "servicenow":
        return ServiceNow(http)
    project = str(fields["project"])
    if kind == "jira":
        named = {name: field for name, field in (fields.get("fields") or {}).items() if field is not None}
        return Jira(http, project, Fields(**named), fields.get("states") or STATES)
    if kind == "gitlab":
        return GitLab(http, project)
    return GitHub(http, project) if kind == "github" else GitHubDeployments(http, project)


def keeper(options: Options, host: str | None = None) -> Provider:
    """The same for a task that takes one; raises PolicyError where nobody keeps tickets."""
    _require_kept(options, host)
    return t.cast(Provider, provider(options))


def _require_kept(options: Options, host: str | None) -> None:
    if _kept(options) is None:
        remedy = "Say where change tickets are kept; see docs/guide_tickets.md."
        refuse([Finding(KEY, "is not set", remedy)], host=host)


def host_names(options: Options, host: str) -> tuple[str, ...]:
    """What configuration items may call a host: what ``holdfast_tickets.host_names`` says, else its names here."""
    return names_of(options.inherited("tickets"), host, options.variable("holdfast_host_id"))


def names_of(given: t.Any, host: str, host_id: t.Any) -> tuple[str, ...]:
    """The same, from a host's ``holdfast_tickets`` and ``holdfast_host_id``."""
    listed = given.get("host_names") if isinstance(given, Mapping) else None
    if listed:
        return tuple(str(name) for name in listed)
    return tuple(dict.fromkeys([host, *([str(host_id)] if isinstance(host_id, str) else [])]))


def permitted(options: Options, folder: PointFolder, host: str, policy: Policy) -> Policy:
    """The policy of a host whose backup the open point's change permits.

    :raises ChangeRefusedError: it does not.
    """
    taken = rules(policy)
    kept = options.inherited("tickets")
    if kept or any(rule.backup == REQUIRE for rule in taken):
        opened = folder.read_open_as(check=options.check)
        change.permit(
            change.as_judged(opened.change) if kept else opened.change,
            taken,
            operation=BACKUP,
            now=opened.now(),
            host=host,
            host_names=host_names(options, host),
        )
    return policy


def permit_restore(
    options: Options, host: str, clock: Callable[[], dt.datetime]
) -> tuple[Mapping[str, t.Any], Callable[[], None]]:
    """The change under which a host is restored, with what its ticket says, and what judges it again later.

    What the ticket says is read once; the time is not: a window can end while a restore is made ready.

    :param clock: the store's.
    :raises ChangeRefusedError: the change does not permit it; so does what is returned.
    :raises PolicyError: what the host's tiers take of a change cannot be read.
    """
    given, kept = options.change(), _kept(options) is not None
    taken = _restore_rules(options, host)
    if not kept and (given.get("id") or all(rule.restore != REQUIRE for rule in taken)):
        return given, lambda: None
    asked, begun = clock(), time.monotonic()
    found = change.looked_up(given, provider(options), asked) if given.get("id") else change.unnamed(given, kept=kept)
    names = host_names(options, host)

    def permit() -> None:
        now = asked + dt.timedelta(seconds=time.monotonic() - begun)
        change.permit(found, taken, operation=RESTORE, now=now, host=host, host_names=names)

    permit()
    return found, permit


def permit_work(options: Options, work: str, now: dt.datetime, *, changes: bool) -> tuple[str, ...]:
    """Hold what is done to the repository as a whole against the task's change; returns warnings.

    What changes its root, its bucket or its keyring takes what ``holdfast_tickets.repository`` says. What reads or
    copies it takes no more than that a change which is named holds, and goes on with a warning where the ticket cannot
    be read.

    :param work: what is done, for messages.
    :raises ChangeRefusedError: the change does not permit it.
    """
    if _kept(options) is None:
        return ()
    rule, given = _repository_rule(options), options.change()
    if rule.restore == RECORD or (not given.get("id") and not (changes and rule.restore == REQUIRE)):
        return ()
    found = change.looked_up(given, provider(options) if given.get("id") else None, now)
    change.permit(
        found,
        (rule,),
        operation=RESTORE if changes else BACKUP,
        now=now,
        host=None,
        host_names=_repository_names(options),
        work=work,
    )
    unverified = found.get(change.UNVERIFIED)
    return (f"{work} goes on under change {given['id']}, which is not verified: {unverified}",) if unverified else ()


def _repository_rule(options: Options) -> ChangeRule:
    """What work on the repository as a whole takes of a change: of reading, never that there is one."""
    asked = options.inherited("tickets").get("repository", VERIFY)
    return ChangeRule(backup=VERIFY if asked == REQUIRE else asked, restore=asked)


def _repository_names(options: Options) -> tuple[str, ...]:
    listed = options.inherited("tickets").get("repository_names")
    own = options.inherited("repository")
    return tuple(listed) if listed else (str(own.get("name", "")) if isinstance(own, Mapping) else "",)


def told(options: Options, host: str, now: dt.datetime) -> dict[str, t.Any]:
    """The result of a task that asks for a ticket, and whether it permits what the task names.

    :raises PolicyError: nobody keeps tickets, or the host's policy cannot be read.
    """
    _require_kept(options, host)
    found = change.looked_up({"id": options["id"]}, provider(options) if options["id"] else None, now)
    operation, names, subject = options["operation"], host_names(options, host), "this host"
    if options["subject"] == "repository":
        names, subject = _repository_names(options), "this repository"
        taken: tuple[ChangeRule, ...] = (_repository_rule(options),)
    else:
        taken = _restore_rules(options, host) if operation == RESTORE else rules(options.policy(host))
    refusals = change.refusals(found, taken, operation=operation, now=now, host_names=names, subject=subject)
    return {
        "id": options["id"],
        "verified": change.ticket_of(found) is not None,
        "permitted": not refusals,
        "refusals": [refusal.what for refusal in refusals],
        "ticket": dict(found.get(change.TICKET, {})),
    }


def rules(policy: Policy) -> tuple[ChangeRule, ...]:
    """What the tiers of a host's components take of a change."""
    return tuple(dict.fromkeys(policy.tiers[component.tier].change for component in policy.components))


def _restore_rules(options: Options, host: str) -> tuple[ChangeRule, ...]:
    """What the tiers of a host take of a change, those of all tiers where its components cannot be read.

    What is restored is declared by its snapshot, so that a host of which the inventory says little is restored, too.

    :raises PolicyError: with the findings of the tiers.
    """
    try:
        return rules(options.policy(host))
    except PolicyError:
        findings: list[Finding] = []
        classes = read_classes(options.inherited("classes"), findings)
        tiers = read_tiers(options.inherited("tiers"), classes, findings)
        refuse(findings, host=host)
        return tuple(dict.fromkeys(tier.change for tier in tiers.values()))


def _read(given: t.Any, findings: list[Finding]) -> Mapping[str, t.Any]:
    fields = {key: value for key, value in read_mapping(KEY, given, findings).items() if value is not None}
    for name in fields:
        if name not in _FIELDS and any(word in str(name) for word in ("token", "password", "secret")):
            remedy = "Set HOLDFAST_TICKETS_TOKEN or HOLDFAST_TICKETS_PASSWORD, or name a file of it."
            findings.append(Finding(f"{KEY}.{name}", "secrets are not read from the inventory", remedy))
    read_known(KEY, fields, _FIELDS, findings)
    kind = fields.get("provider")
    if kind not in PROVIDERS:
        findings.append(Finding(f"{KEY}.provider", f"{kind!r} is unknown", f"Give one of {', '.join(PROVIDERS)}."))
        return fields
    read_words(f"{KEY}.host_names", fields.get("host_names"), findings)
    read_words(f"{KEY}.repository_names", fields.get("repository_names"), findings)
    if fields.get("repository", VERIFY) not in ASKED:
        remedy = f"Give one of {', '.join(ASKED)}."
        findings.append(Finding(f"{KEY}.repository", f"{fields['repository']!r} is unknown", remedy))
    timeout = fields.get("timeout", 10.0)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 300:
        findings.append(Finding(f"{KEY}.timeout", f"{timeout!r} is no number of seconds", "Give 1 to 300."))
    if kind == "file":
        path = fields.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            findings.append(Finding(f"{KEY}.path", f"{path!r} is no absolute path", "Name the file of tickets."))
        return fields
    _read_url(read_text(f"{KEY}.url", fields.get("url"), findings), findings)
    if kind in _PROJECTS:
        meant, what, remedy = _PROJECTS[kind]
        project = fields.get("project")
        if isinstance(project, bool) or not isinstance(project, (str, int)) or not meant.fullmatch(str(project)):
            findings.append(Finding(f"{KEY}.project", f"{project!r} is no {what}", remedy))
    _read_jira(kind, fields, findings)
    return fields


def _read_url(text: str, findings: list[Finding]) -> None:
    try:
        url = urllib.parse.urlsplit(text)
        # the network takes one above 65535 for another
        port = url.port
    except ValueError:
        url, port = urllib.parse.urlsplit(""), None
    if (
        not url.hostname
        or port == 0
        or "@" in url.netloc
        or url.query
        or url.fragment
        or url.scheme not in ("https", "http")
    ):
        findings.append(Finding(f"{KEY}.url", "is no URL of a server without a password", "Give https://host."))
    elif url.scheme == "http" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        remedy = "Give https: the credential and the answers would travel open."
        findings.append(Finding(f"{KEY}.url", "is http", remedy))


def _read_jira(kind: str, fields: Mapping[str, t.Any], findings: list[Finding]) -> None:
    if kind != "jira":
        findings += [
            Finding(f"{KEY}.{name}", "is for Jira", "Remove it, or set provider to jira.")
            for name in _OF_JIRA
            if fields.get(name) is not None
        ]
        return
    known = TICKETS["tickets"]["options"]["fields"]["options"]
    named = read_mapping(f"{KEY}.fields", fields.get("fields") or {}, findings)
    read_known(f"{KEY}.fields", named, tuple(known), findings)
    for name, field in named.items():
        # `items: ""` reads none
        if field is not None and field != "" and not (isinstance(field, str) and _FIELD.fullmatch(field)):
            remedy = "Give its id, like customfield_10060."
            findings.append(Finding(f"{KEY}.fields.{name}", f"{field!r} is no field of Jira", remedy))
    read_words(f"{KEY}.states", fields.get("states"), findings)


def _credential(fields: Mapping[str, t.Any]) -> dict[str, str]:
    token = _secret("HOLDFAST_TICKETS_TOKEN", fields, "token_file")
    if not token.isascii():
        remedy = "A token is letters, digits and signs of ASCII: give it as its server wrote it."
        raise TicketError("the token for the ticket server cannot be one", item=KEY, remedy=remedy)
    if token:
        return {"Authorization": f"Bearer {token}"}
    password = _secret("HOLDFAST_TICKETS_PASSWORD", fields, "password_file")
    user = fields.get("username") or os.environ.get("HOLDFAST_TICKETS_USERNAME")
    if password and user:
        spelled = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {spelled}"}
    raise TicketError(
        "no credential for the ticket server is given",
        item=KEY,
        remedy="Set HOLDFAST_TICKETS_TOKEN, or username and HOLDFAST_TICKETS_PASSWORD, or name a file of either.",
    )


def _secret(name: str, fields: Mapping[str, t.Any], file: str) -> str:
    """A secret of the environment, else of a file; a line break at its end is none of it."""
    given = os.environ.get(name, "").rstrip("\r\n")
    if not given.isprintable():
        remedy = "Give the secret alone, in one line."
        raise TicketError(f"{name} holds no secret of one line", item=KEY, remedy=remedy)
    return given or secret_file.read(fields.get(file), f"{KEY}.{file}")
