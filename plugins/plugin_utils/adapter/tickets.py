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
from ..model.ticket import BACKUP, REQUIRE, RESTORE, ChangeRule
from ..model.tier import read_tiers
from ..tickets.base import Provider
from ..tickets.file import FileTickets
from ..tickets.github import GitHub
from ..tickets.http import Http
from ..tickets.servicenow import ServiceNow
from ..usecases import change
from ..usecases.run_folder import PointFolder
from . import secret_file

if t.TYPE_CHECKING:
    from .options import Options

KEY = "holdfast_tickets"
PROVIDERS = ("servicenow", "github", "file")
TICKETS: Mapping[str, t.Any] = {
    "tickets": {
        "type": "dict",
        "options": {
            "provider": {"type": "str", "required": True, "choices": list(PROVIDERS)},
            "url": {"type": "str"},
            "project": {"type": "str"},
            "path": {"type": "path"},
            "username": {"type": "str"},
            "token_file": {"type": "path"},
            "password_file": {"type": "path"},
            "ca_path": {"type": "path"},
            "timeout": {"type": "float", "default": 10.0},
            "host_names": {"type": "list", "elements": "str"},
        },
    },
}
_FIELDS = tuple(TICKETS["tickets"]["options"])
# it becomes part of a path: neither half is made of dots alone
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


def provider(options: Options) -> Provider | None:
    """Who keeps the change tickets; None where nobody does.

    :raises PolicyError: with every finding; a secret that cannot be read is one.
    """
    given = options.inherited("tickets")
    if not given:
        return None
    findings: list[Finding] = []
    fields = _read(given, findings)
    refuse(findings)
    if fields["provider"] == "file":
        return FileTickets(Path(fields["path"]))
    http = Http(
        fields["url"],
        headers=_credential(fields),
        ca_path=fields.get("ca_path"),
        timeout=float(fields.get("timeout") or 10.0),
    )
    return GitHub(http, fields["project"]) if fields["provider"] == "github" else ServiceNow(http)


def keeper(options: Options, host: str | None = None) -> Provider:
    """The same for a task that takes one; raises PolicyError where nobody keeps tickets."""
    found = provider(options)
    if found is None:
        remedy = "Say where change tickets are kept; see docs/guide_tickets.md."
        refuse([Finding(KEY, "is not set", remedy)], host=host)
    return t.cast(Provider, found)


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
    given = options.change()
    kept_by = provider(options)
    taken = _restore_rules(options, host)
    if kept_by is None and (given.get("id") or all(rule.restore != REQUIRE for rule in taken)):
        return given, lambda: None
    asked, begun = clock(), time.monotonic()
    found = change.looked_up(given, kept_by, asked)
    names = host_names(options, host)

    def permit() -> None:
        now = asked + dt.timedelta(seconds=time.monotonic() - begun)
        change.permit(found, taken, operation=RESTORE, now=now, host=host, host_names=names)

    permit()
    return found, permit


def told(options: Options, host: str, now: dt.datetime) -> dict[str, t.Any]:
    """The result of a task that asks for a ticket, and whether it permits what the task names.

    :raises PolicyError: nobody keeps tickets, or the host's policy cannot be read.
    """
    found = change.looked_up({"id": options["id"]}, keeper(options, host), now)
    operation = options["operation"]
    taken = _restore_rules(options, host) if operation == RESTORE else rules(options.policy(host))
    refusals = change.refusals(found, taken, operation=operation, now=now, host_names=host_names(options, host))
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
    timeout = fields.get("timeout", 10.0)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 < timeout <= 300:
        findings.append(Finding(f"{KEY}.timeout", f"{timeout!r} is no number of seconds", "Give 1 to 300."))
    if kind == "file":
        path = fields.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            findings.append(Finding(f"{KEY}.path", f"{path!r} is no absolute path", "Name the file of tickets."))
        return fields
    url = urllib.parse.urlsplit(read_text(f"{KEY}.url", fields.get("url"), findings))
    here = url.hostname in ("localhost", "127.0.0.1", "::1")
    if not url.hostname or "@" in url.netloc or url.query or url.fragment or url.scheme not in ("https", "http"):
        findings.append(Finding(f"{KEY}.url", "is no URL of a server without a password", "Give https://host."))
    elif url.scheme == "http" and not here:
        remedy = "Give https: the credential and the answers would travel open."
        findings.append(Finding(f"{KEY}.url", "is http", remedy))
    project = fields.get("project")
    if kind == "github" and not (isinstance(project, str) and _PROJECT.fullmatch(project)):
        findings.append(Finding(f"{KEY}.project", f"{project!r} is no repository", "Give its owner/name."))
    return fields


def _credential(fields: Mapping[str, t.Any]) -> dict[str, str]:
    token = os.environ.get("HOLDFAST_TICKETS_TOKEN") or secret_file.read(fields.get("token_file"), f"{KEY}.token_file")
    if token:
        return {"Authorization": f"Bearer {token}"}
    password = os.environ.get("HOLDFAST_TICKETS_PASSWORD") or secret_file.read(
        fields.get("password_file"), f"{KEY}.password_file"
    )
    user = fields.get("username") or os.environ.get("HOLDFAST_TICKETS_USERNAME")
    if password and user:
        spelled = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {spelled}"}
    raise TicketError(
        "no credential for the ticket server is given",
        item=KEY,
        remedy="Set HOLDFAST_TICKETS_TOKEN, or username and HOLDFAST_TICKETS_PASSWORD, or name a file of either.",
    )
