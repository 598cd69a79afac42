# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people are asked to sign and have signed, as task results; and the files that travel to them and back."""

from __future__ import annotations

import shlex
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..errors import FormatError, PolicyError
from ..keyring import people
from ..model import instant
from ..model.point import StreamEntry
from ..model.record import RETIRED, Record, Request
from ..usecases import approvals, records
from ..usecases.approvals import Pending
from ..usecases.repository import Repository
from ..usecases.run_folder import write_whole
from ..usecases.succession import describe

# bytes; a signature of an RSA key of 16384 bits, armoured, is less than 6 KiB
_SIGNATURE_LIMIT = 64 * 1024
_ANSIBLE = "ansible localhost -i INVENTORY -m holdfast.config"


def request(
    repository: Repository,
    pending: Pending,
    *,
    to_sign: str | None = None,
    live: Mapping[tuple[str, str], StreamEntry] | None = None,
) -> dict[str, t.Any]:
    """How a request stands.

    :param to_sign: the file that holds what is to be signed, where there is one.
    :param live: the newest snapshot of every stream, where the result says what a retirement leaves live.
    """
    result: dict[str, t.Any] = {
        "request": pending.id,
        **_asked(pending),
        "says": [] if isinstance(pending.document, Record) else list(describe(pending.document)),
        "open": approvals.is_open(repository, pending),
        "needed": _needed(repository, pending.operation),
        "record": "",
    }
    name = records.find_completed(repository, pending) if isinstance(pending.document, Record) else None
    if name is not None:
        signed = records.read_judged(repository, name)
        result |= {"record": signed.id, "reached": True, "signed_by": list(signed.signers), "lacking": []}
    else:
        approval = approvals.judge(repository, pending, approvals.signatures(repository, pending))
        result |= {
            "reached": approval.reached,
            "signed_by": list(approval.counted),
            "lacking": list(approval.lacking),
        }
    result["refused"] = list(approvals.refusals(repository, pending))
    result["next_steps"] = _next_steps(result, to_sign)
    if live is not None:
        result["still_live"] = _still_live(pending, live)
    return result


def change(
    before: Mapping[str, t.Any] | None, after: Mapping[str, t.Any], *, changed: bool, diff: bool
) -> dict[str, t.Any]:
    """The result of a task that found a request as *before*, None where there was none, and left it as *after*."""
    result = {**after, "changed": changed}
    was, now = _text(before), _text(after)
    if diff and was != now:
        result["diff"] = {"before": was, "after": now}
    return result


def unmade(after: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What check mode says of a request that would be made: whichever it makes will have another id."""
    return {**after, "request": "", "next_steps": []}


def listing(given: records.Listing) -> dict[str, t.Any]:
    """All that people are asked, what they have signed, and what is not believed."""
    return {
        "changed": False,
        "requests": [{"request": pending.id, **_asked(pending)} for pending in given.requests],
        "records": [
            {"record": signed.id, **_told(signed.record, signed.record.request), "signed_by": list(signed.signers)}
            for signed in given.records
        ],
        "not_believed": [{"name": name, "reason": reason} for name, reason in given.refused],
        "not_read": given.unread,
    }


def write_to_sign(pending: Pending, path: str | None, *, check: bool) -> bool:
    """Write what people sign unless the file holds just that; returns whether it did, or in check mode would.

    :raises PolicyError: the file cannot be written.
    """
    if path is None or _holds(path, pending.to_sign):
        return False
    if not check:
        try:
            write_whole(Path(path), pending.to_sign)
        except OSError as e:
            raise PolicyError(
                f"what people are to sign cannot be written: {e.strerror}",
                item=path,
                remedy="Name another file in to_sign.",
            ) from e
    return True


def read_signature(path: str) -> str:
    """Read what ``ssh-keygen -Y sign`` wrote; raises PolicyError or FormatError where it is not that."""
    try:
        with open(path, "rb") as file:
            text = file.read(_SIGNATURE_LIMIT).decode("ascii", "replace")
    except OSError as e:
        raise PolicyError(
            f"the signature cannot be read: {e.strerror}",
            item=path,
            remedy="Name the file that ssh-keygen -Y sign wrote, on the controller.",
        ) from e
    try:
        people.unarmoured(text)
    except FormatError as e:
        e.item = path
        raise
    return text


def _asked(pending: Pending) -> dict[str, t.Any]:
    document = pending.document
    if isinstance(document, Record):
        return _told(document, pending.request)
    return _words(pending.operation, document.created, {"link": document.link}, pending.request)


def _told(record: Record, asked: Request | None) -> dict[str, t.Any]:
    return _words(record.kind, record.at, record.subject, asked)


def _words(operation: str, at: t.Any, subject: Mapping[str, t.Any], asked: Request | None) -> dict[str, t.Any]:
    return {
        "operation": operation,
        "asked_at": instant.to_text(at),
        "subject": dict(subject),
        "requester": asked.by if asked else "",
        "reason": asked.reason if asked else "",
        "ticket": asked.ticket if asked else "",
        "expires": instant.to_text(asked.expires) if asked else "",
    }


def _needed(repository: Repository, operation: str) -> dict[str, t.Any]:
    rule = repository.root.rule(operation)
    return {} if rule is None else {"required": rule.required, "roles": list(rule.roles), "presence": rule.presence}


def _still_live(pending: Pending, live: Mapping[tuple[str, str], StreamEntry]) -> list[str]:
    """Streams of the host that were proven after the request was made: it does not speak of them."""
    if not isinstance(pending.document, Record) or pending.document.kind != RETIRED:
        return []
    retirement = records.retirement_of(pending.document, pending.id)
    return sorted(entry.stream for entry in live.values() if retirement.names(entry) and not retirement.ends(entry))


def _next_steps(found: Mapping[str, t.Any], to_sign: str | None) -> list[str]:
    if found["record"] or not found["open"]:
        return []
    id = found["request"]  # noqa: A001
    complete = (
        "Then run holdfast.config.repository state=present again, as it was."
        if found["operation"] == "root"
        else f'Complete it: {_ANSIBLE}.record -a "state=present request={id}"'
    )
    if found["reached"]:
        return [complete]
    return [*signing_steps(id, to_sign), complete]


def signing_steps(id: str, to_sign: str | None) -> list[str]:  # noqa: A002
    """How people sign a request, in commands to paste.

    :param to_sign: the file that holds the bytes to sign; None where it is still to be written.
    """
    file = to_sign or "FILE"
    written = f'Write what is to be signed: {_ANSIBLE}.record -a "state=checked request={id} to_sign={file}"'
    return [
        *([] if to_sign else [written]),
        f"Each of them reads it and signs it: ssh-keygen -Y sign -f KEY -n {people.NAMESPACE} {shlex.quote(file)}",
        f'Add each signature: {_ANSIBLE}.record -a "state=signed request={id} signature={shlex.quote(file + ".sig")}"',
    ]


def _text(found: Mapping[str, t.Any] | None) -> str:
    """A request in lines for people; who made it chose its words, and must not command a terminal by them."""
    if found is None:
        return ""
    lines = [f"operation: {found['operation']}"]
    lines += [f"{name}: {value}" for name, value in sorted(found["subject"].items())] + found["says"]
    lines += [f"{name}: {found[name]}" for name in ("requester", "reason", "ticket", "expires")]
    lines += [f"signed by: {principal}" for principal in found["signed_by"]]
    lines += [f"record: {found['record']}"] if found["record"] else []
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _holds(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False
