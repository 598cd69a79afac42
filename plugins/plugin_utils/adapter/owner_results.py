# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What owners are told, as files and as mail, and what is remembered of it so that nobody hears the same twice."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import os
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, MailError, PolicyError
from ..model import instant
from ..render import owners as render
from ..usecases import mail
from ..usecases.owners import ADDRESS, Digest
from ..usecases.run_folder import write_whole
from . import secret_file
from .coverage_results import as_dict
from .options import Options

OPTIONS: Mapping[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "smtp": {
        "type": "dict",
        "options": {
            "host": {"type": "str", "required": True},
            "port": {"type": "int"},
            "security": {"type": "str", "choices": list(mail.SECURITY), "default": mail.STARTTLS},
            "from": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password_file": {"type": "path"},
            "ca_path": {"type": "path"},
            "timeout": {"type": "float", "default": 30.0},
        },
    },
    "interval_days": {"type": "int", "default": 7},
}
_PASSWORD = "HOLDFAST_SMTP_PASSWORD"
_LONGEST_NAME = 200


def server(options: Options) -> mail.Server | None:
    """Where mail is given; None where the task names no server.

    :raises PolicyError: what it says cannot be used.
    """
    given = options["smtp"]
    if given is None:
        return None
    password = os.environ.get(_PASSWORD) or secret_file.read(given["password_file"], "smtp.password_file") or None
    if not ADDRESS.fullmatch(given["from"]):
        raise PolicyError("smtp.from is no address", item="smtp", remedy="Give one like backup@example.org.")
    if bool(given["username"]) != bool(password):
        remedy = f"Give both, the password by smtp.password_file or {_PASSWORD}."
        raise PolicyError("smtp has a username without a password, or the reverse", item="smtp", remedy=remedy)
    if given["security"] == mail.NONE and password:
        raise PolicyError("a password would go over the wire in clear", item="smtp", remedy="Set security to starttls.")
    if not 0 < given["timeout"] <= 600:
        raise PolicyError("smtp.timeout is not above 0 and up to 600 seconds", item="smtp", remedy="Give 30.")
    if given["port"] is not None and not 0 < given["port"] < 65536:
        raise PolicyError("smtp.port is not from 1 to 65535", item="smtp", remedy="Leave it out for the usual one.")
    if given["ca_path"] and not Path(given["ca_path"]).is_file():
        raise PolicyError("smtp.ca_path names no file", item=given["ca_path"], remedy="Name a file of the controller.")
    return mail.Server(
        given["host"],
        given["from"],
        given["security"],
        given["port"],
        given["username"],
        password,
        given["ca_path"],
        given["timeout"],
    )


def as_json(digest: Digest) -> str:
    """A digest as its file holds it."""
    told = {
        "owner": digest.owner,
        "covered": digest.covered,
        **{name: [as_dict(row) for row in getattr(digest, name)] for name in ("late", "gaps", "accepted")},
        "expiring": [{"id": name, "expires": instant.to_text(at)} for name, at in digest.expiring],
        "requests": [
            {"id": one.id, "operation": one.operation, "by": one.by, "expires": instant.to_text(one.expires)}
            for one in digest.requests
        ],
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def as_text(digest: Digest) -> str:
    """A digest as it is read."""
    lines = [digest.owner, _counts(digest)]
    for head, rows in (("Late", digest.late), ("Gaps", digest.gaps), ("Accepted", digest.accepted)):
        lines += render.section(head, render.of_rows(rows))
    lines += render.section(
        "Exceptions that expire soon", [f"{name} expires at {instant.to_text(at)}" for name, at in digest.expiring]
    )
    asked = [
        f"{one.operation} {one.id[:12]}, asked by {one.by}, until {instant.to_text(one.expires)}"
        for one in digest.requests
    ]
    return "\n".join([*lines, *render.section("Requests that wait for signatures", asked)]) + "\n"


def file_name(owner: str) -> str:
    """*owner* as a name of a file: no folder, not hidden, and another one for each owner."""
    name = urllib.parse.quote(owner, safe=" ")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) > _LONGEST_NAME:
        name = f"{name[:100]}-{hashlib.sha256(owner.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return name


def deliver(
    options: Options, digests: Sequence[Digest], to: mail.Server | None, *, now: dt.datetime, repository: str
) -> dict[str, t.Any]:
    """Write the files that are not as they should be, and send what is not yet told; in check mode say so alone.

    :param now: the store's time, by which an interval is over.
    :param repository: its id: what was told of another does not count.
    :raises PolicyError: a file or the state folder cannot be written, or there is no such interval.
    """
    interval = dt.timedelta(days=options.number("interval_days", 0, 3660))
    folder = Path(options["path"]).expanduser()
    texts = {
        folder / f"{file_name(one.owner)}{ending}": write(one)
        for one in digests
        for ending, write in ((".txt", as_text), (".json", as_json))
    }
    written = [path for path, text in texts.items() if _read(path) != text.encode()]
    if not options.check:
        with _writing(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in written:
                write_whole(path, texts[path].encode())
    result: dict[str, t.Any] = {
        "changed": bool(written),
        "owners": [
            {"owner": one.owner, "path": str(folder / f"{file_name(one.owner)}.txt"), "state": _counts(one)}
            for one in digests
        ],
        "written": [str(path) for path in written],
        "mailed": [],
        "warnings": [],
    }
    if to is not None:
        with _remembering(options.state_dir / "owners", check=options.check) as memory:
            _mail(result, digests, to, _Told(memory, repository, now, interval), check=options.check)
    return result


class _Told:
    """What each owner was told last, and when: a file for each."""

    def __init__(self, folder: Path, repository: str, now: dt.datetime, interval: dt.timedelta) -> None:
        self._folder, self._repository, self._now, self._interval = folder, repository, now, interval

    def already(self, digest: Digest) -> bool:
        """Whether these addresses were told the same within the interval."""
        try:
            known = json.loads(_read(self._path(digest)) or b"{}")
            before = instant.from_text(known["at"])
        except (ValueError, KeyError, TypeError, AttributeError, FormatError):
            return False
        return known.get("sha256") == _hash(digest) and before <= self._now < before + self._interval

    def remember(self, digest: Digest) -> None:
        """Note that they were told."""
        known = {"at": instant.to_text(instant.whole(self._now)), "sha256": _hash(digest)}
        with _writing(self._folder):
            write_whole(self._path(digest), json.dumps(known).encode())

    def _path(self, digest: Digest) -> Path:
        name = json.dumps([self._repository, digest.owner])
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.json"


def _mail(result: dict[str, t.Any], digests: Sequence[Digest], to: mail.Server, told: _Told, *, check: bool) -> None:
    silent = [one.owner for one in digests if not one.addresses]
    result["warnings"] += [f"{owner}: no contact or steward of theirs is a mail address" for owner in silent]
    due = [one for one in digests if one.addresses and not told.already(one)]
    if not due:
        return
    if check:
        result |= {"changed": True, "mailed": [one.owner for one in due]}
        return
    try:
        with mail.connected(to) as mailer:
            for one in due:
                refused = mailer.send(
                    one.addresses, f"Configuration backups of {one.owner}: {_counts(one)}", as_text(one)
                )
                result["warnings"] += [f"{one.owner}: the mail server refuses {address}" for address in refused]
                told.remember(one)
                result["mailed"].append(one.owner)
    except MailError as e:
        # what was sent before stays told
        result |= {"failed": True, "msg": str(e)}
    result["changed"] = result["changed"] or bool(result["mailed"])


def _counts(digest: Digest) -> str:
    waiting = len(digest.expiring) + len(digest.requests)
    return render.counts(digest.covered, len(digest.late), len(digest.gaps), len(digest.accepted), waiting)


def _hash(digest: Digest) -> str:
    return hashlib.sha256(json.dumps([as_json(digest), digest.addresses]).encode()).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


@contextlib.contextmanager
def _remembering(folder: Path, *, check: bool) -> Iterator[Path]:
    """The folder of what was told, for one run at a time: two would tell the same."""
    if check:
        yield folder
        return
    with contextlib.ExitStack() as stack:
        with _writing(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = stack.enter_context((folder / ".lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        remedy = "Name a folder of the controller that you can write."
        raise PolicyError(
            f"what owners are told cannot be written: {e.strerror}", item=str(folder), remedy=remedy
        ) from e
