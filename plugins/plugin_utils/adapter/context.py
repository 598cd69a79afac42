# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The context of a run: who runs it, from where, why now, by which revision of the playbook, and on which hosts."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import getpass
import hashlib
import json
import os
import platform
import re
import subprocess
import typing as t
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ansible import context

from ..errors import FormatError
from ..keyring.base import Keyring
from ..keyring.vault_settings import from_environment
from ..model import instant
from ..model.policy import Finding, refuse
from ..tickets.base import Provider
from ..usecases import events, open_point
from ..usecases.repository import Repository
from ..usecases.run_folder import OpenPoint, PointFolder
from . import run

if t.TYPE_CHECKING:
    from .options import Location, Options

TRIGGER_FIELDS = ("kind", "id", "by", "due")
MANUAL = "manual"
# characters of one text: whoever starts a run could say anything, and it stands in a signed document
_LONGEST = 200
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
# what AWX says of a job, by the names that the context has for it; it overrides what a survey or a user gives
_AWX = {
    "awx_user": ("awx_user_name",),
    "awx_job": ("awx_job_id",),
    "awx_job_template": ("awx_job_template_name",),
    "awx_workflow": ("awx_workflow_job_name", "awx_workflow_job_id"),
    "launch_type": ("awx_job_launch_type", "awx_workflow_job_launch_type"),
    "schedule": ("awx_schedule_name", "awx_parent_job_schedule_name"),
}
# occasions that AWX's launch types are, where nothing else says what the occasion was
_LAUNCHED = {"scheduled": "schedule", "webhook": "webhook", "relaunch": "relaunch", "callback": "callback"}
_MOST_PARENTS = 20
_REFS_BYTES = 4 * 1024 * 1024
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# a token of an identity provider is a few KiB
_LONGEST_TOKEN = 32 * 1024
_STATUS_SECONDS = 10
# configuration of git that is of a checkout, and not of a user
_OWN = ("local", "worktree")


def who(task_vars: Mapping[str, t.Any]) -> dict[str, str]:
    """Who runs this: the user and machine of the controller, and the user and job of AWX where it says so."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # an execution environment may run as a number that no account has
        user = str(os.getuid())
    told = {"user": user, "controller": platform.node(), "run": run.RUN_ID}
    return _lines({**told, **{name: _first(task_vars, _AWX[name]) for name in ("awx_user", "awx_job")}})


def actor(
    task_vars: Mapping[str, t.Any],
    trigger: Mapping[str, str] | None = None,
    *,
    expected: Collection[str] = (),
    check: bool = False,
) -> dict[str, t.Any]:
    """The whole context, as it stands in a recovery point and in records; texts of one line and bounded length.

    :param trigger: the occasion, as :func:`read_trigger` gives it.
    :param expected: the hosts that the run is about.
    :param check: whether it is in check mode, which is part of what it is about.
    """
    told = {name: _first(task_vars, variables) for name, variables in _AWX.items()}
    claims = _claims()
    occasion = {"kind": _LAUNCHED.get(told["launch_type"], MANUAL), "id": run.RUN_ID, **(trigger or {})}
    return {
        **who(task_vars),
        **_lines(
            {
                **told,
                **claims,
                "identity_source": "awx" if _is_job(told["awx_job"]) else "oidc" if claims else "os",
                "address": os.environ.get("SSH_CONNECTION", "").partition(" ")[0],
                "revision": _revision(task_vars, job=_is_job(told["awx_job"])),
                "playbook": _playbook(),
                "limit": str(context.CLIARGS.get("subset") or ""),
                "scope": _scope(expected, check=check) if expected else "",
            }
        ),
        "trigger": _lines(occasion),
    }


def read_trigger(given: t.Any) -> dict[str, str]:
    """The occasion of a run as ``holdfast_trigger`` says it; empty where nothing is given.

    :raises PolicyError: an unknown field, or a text that could not stand in a line.
    """
    if given in (None, ""):
        return {}
    remedy = f"Give texts of one line, {_LONGEST} characters at most, under {', '.join(TRIGGER_FIELDS)}."
    if not isinstance(given, Mapping):
        refuse([Finding("holdfast_trigger", "is no mapping", remedy)])
    findings = [
        Finding(f"holdfast_trigger.{key!s:.40}", "cannot be used", remedy)
        for key, value in given.items()
        if key not in TRIGGER_FIELDS or not _is_line(value)
    ]
    refuse(findings)
    trigger = {str(key): str(value) for key, value in given.items() if value not in (None, "")}
    if not _KIND.fullmatch(trigger.get("kind", MANUAL)):
        findings.append(Finding("holdfast_trigger.kind", "is no kind", "Give a word like schedule or pre-deployment."))
    if "due" in trigger:
        try:
            instant.from_text(trigger["due"])
        except FormatError as e:
            findings.append(Finding("holdfast_trigger.due", e.message, "Give the moment in UTC, to the second."))
    refuse(findings)
    return trigger


def begin(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    options: Options,
    *,
    location: Location,
    expected: Sequence[str],
    task_vars: Mapping[str, t.Any],
    tickets: Provider | None = None,
    alias: str | None = None,
) -> OpenPoint:
    """Open a recovery point with the context of this run, and say that it begins; raises as :func:`open_point`."""
    opened = open_point.open_point(
        folder,
        repository,
        keyring,
        expected=expected,
        location=dataclasses.asdict(location),
        change=options.change(),
        tickets=tickets,
        actor=actor(task_vars, options.trigger(), expected=expected, check=options.check),
        alias=alias,
        aliases=options.aliases(),
        secret_evidence=options.secret_evidence,
        check=options.check,
    )
    return events.announce(folder, repository, keyring, opened)


def _is_line(value: t.Any) -> bool:
    return value is None or (isinstance(value, (str, int)) and len(str(value)) <= _LONGEST and str(value).isprintable())


def _lines(told: Mapping[str, str]) -> dict[str, str]:
    """What is told, without what is empty, each text in one line."""
    lines = {name: "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST] for name, text in told.items()}
    return {name: text for name, text in lines.items() if text}


def _first(task_vars: Mapping[str, t.Any], variables: Sequence[str]) -> str:
    found = (task_vars.get(name) for name in variables)
    return next((str(value) for value in found if isinstance(value, (str, int)) and str(value)), "")


def _is_job(job: str) -> bool:
    """Whether AWX's own environment names the same job as the variables do, which anybody can give without AWX."""
    return bool(job) and os.environ.get("JOB_ID") == job and "AWX_HOST" in os.environ


def _scope(expected: Collection[str], *, check: bool) -> str:
    """A digest of what the run is about: two runs with one digest were asked for the same."""
    told = {
        "hosts": sorted(str(host) for host in expected),
        "limit": str(context.CLIARGS.get("subset") or ""),
        "tags": sorted(str(tag) for tag in context.CLIARGS.get("tags") or ()),
        "skip_tags": sorted(str(tag) for tag in context.CLIARGS.get("skip_tags") or ()),
        "check": check,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _playbook() -> str:
    """The playbook as it was named on the command line; of several the first ones that fit."""
    named = context.CLIARGS.get("args")
    return " ".join(str(one) for one in named) if isinstance(named, (list, tuple)) else ""


def _revision(task_vars: Mapping[str, t.Any], *, job: bool) -> str:
    """The commit of the playbook: of AWX's project, else of the checkout that the playbook lies in; empty elsewhere."""
    told = _first(task_vars, ("awx_project_revision",)) or os.environ.get("PROJECT_REVISION", "")
    if job and told:
        return told
    folder = task_vars.get("playbook_dir")
    commit = _commit(Path(folder)) if isinstance(folder, str) else ""
    return f"{commit}-dirty" if commit and _is_dirty(str(folder)) else commit


def _is_dirty(folder: str) -> bool:
    """Whether files that git knows there have changed since; no where git cannot say."""
    # what a checkout configures must not be run for a look at it: by pairs of where that stands, and what it is called
    status, told = _git(folder, "config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
    names = told.split("\0")[:-1]
    filters = {name.rpartition(".")[0] for scope, name in zip(names[::2], names[1::2], strict=False) if scope in _OWN}
    # none is 1; and one of such a name cannot be switched off
    if status not in (0, 1) or any("=" in name for name in filters):
        return False
    still = ["core.fsmonitor=false", "core.hooksPath=/dev/null"]
    still += [f"{name}.{what}" for name in sorted(filters) for what in ("clean=", "process=", "required=false")]
    switches = [word for setting in still for word in ("-c", setting)]
    looked = _git(folder, *switches, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return looked[0] == 0 and bool(looked[1])


def _git(folder: str, *asked: str) -> tuple[int, str]:
    """How git ends, and what it prints; -1 where there is none, or not in time."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        found = subprocess.run(  # a list, and no shell
            ("git", "-C", folder, *asked),
            env={**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_STATUS_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return found.returncode, found.stdout.decode("utf-8", "surrogateescape")


def _claims() -> dict[str, str]:
    """Who an identity provider says this is, by the token that the run was given; empty without one.

    Its signature is not looked at: where the keyring logs in with it, Vault has verified it.
    """
    token = os.environ.get("HOLDFAST_ID_TOKEN") or from_environment("jwt", os.environ) or ""
    parts = token.strip().split(".")
    if len(parts) != 3 or len(token) > _LONGEST_TOKEN:
        return {}
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    named = {"oidc_issuer": "iss", "oidc_subject": "sub"}
    claims = {name: said.get(claim) for name, claim in named.items()} if isinstance(said, Mapping) else {}
    return {name: claim for name, claim in claims.items() if isinstance(claim, str) and claim}


def _commit(folder: Path) -> str:
    """The commit that is checked out at *folder*, read from the files of git alone; empty where there is none."""
    for parent in [folder, *folder.absolute().parents][:_MOST_PARENTS]:
        git = parent / ".git"
        with contextlib.suppress(OSError, ValueError):
            if git.is_file():
                git = parent / _text(git).removeprefix("gitdir:").strip()
            if (git / "HEAD").is_file():
                return _head(git)
    return ""


def _head(git: Path) -> str:
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else ""
    ref = head.removeprefix("ref:").strip()
    if not ref.startswith("refs/") or ".." in ref:
        return ""
    # of a second work tree the refs are the first one's
    common = git / _text(git / "commondir").strip() if (git / "commondir").is_file() else git
    if (common / ref).is_file():
        found = _text(common / ref).strip()
    else:
        lines = (line.split() for line in _text(common / "packed-refs").splitlines())
        found = next((line[0] for line in lines if line[1:] == [ref]), "")
    return found if _COMMIT.fullmatch(found) else ""


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as stream:
        return stream.read(_REFS_BYTES)
