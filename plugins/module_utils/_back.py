# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a restore in place, and tells of those that are open. Private to this collection.

Runs piped into a bare interpreter (by ``_parts.py``, which calls :func:`serve`), and as a part of ``_apply.py``, which
says what is asked and answered. Standard library only, Python 3.8+.
"""

from __future__ import annotations

import base64
import json
import os
import zlib

from ._journal import ID, Journal, Journals, default_journal
from ._paths import RefusedError, checked, checked_number, closing, code_of, internal
from ._undo import bring_back, close, finish, open_root_of
from ._units import Systemd

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_RUN_LENGTH = 200
_LEASE_SECONDS = 300
_OTHER_SECONDS = 60
MARK = "HOLDFAST1 "
_OPS = ("check", "apply", "drop", "undo", "status", "recover")


class Request:
    """What every request for something in place says."""

    def __init__(self, request: t.Mapping[str, t.Any]) -> None:
        try:
            self.op = request["op"]
            self.root = checked(request.get("root", "/"), str)
            self.journal = os.path.expanduser(checked(request.get("journal", default_journal()), str))
            self.restore = checked(request["restore"], str) if self.op != "recover" else ""
            self.run = "".join(c for c in checked(request.get("run", ""), str) if c.isprintable())[:_RUN_LENGTH]
            self.lease = checked_number(request.get("lease", _LEASE_SECONDS))
            if self.op not in _OPS or (self.op != "recover" and not ID.fullmatch(self.restore)):
                raise ValueError("no such operation, or not the id of a restore")
            if not self.journal.startswith("/") or not self.journal.isprintable() or not self.lease:
                raise ValueError("not a place for a journal, or no lease")
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise RefusedError("request", "the request is not usable") from e


def answered(work: t.Callable[[], dict[str, t.Any]]) -> dict[str, t.Any]:
    """The answer that something in place comes to, errors too."""
    try:
        return work()
    except RefusedError as e:
        refused = e
    except OSError as e:
        refused = RefusedError("os", f"{code_of(e)} at the journal or a path of it")
    except Exception as e:  # noqa: BLE001  # a traceback could show content; where it happened is enough
        refused = internal(e)
    return {"error": refused.error_in_place()}


def told_of(state: str, **more: t.Any) -> dict[str, t.Any]:
    """An answer, whole."""
    answer: dict[str, t.Any] = {
        name: []
        for name in (
            "written",
            "removed",
            "warnings",
            "not_atomic",
            "validated",
            "not_validated",
            "reloaded",
            "not_reloaded",
            "recovered",
            "left",
        )
    }
    return {**answer, "euid": os.geteuid(), "state": state, "armed": False, "milliseconds": {}, **more}


def answer(request: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Answer one request; never raises, errors are in the answer."""
    return answered(lambda: _done(Request(request)))


def _done(asked: Request) -> dict[str, t.Any]:
    if asked.op not in _ENDS:
        raise RefusedError("request", "the request is for another half")
    journals = Journals(asked.journal)
    try:
        return _ENDS[asked.op](asked, journals)
    finally:
        journals.close()


def _end(asked: Request, journals: Journals) -> dict[str, t.Any]:
    """Drop or undo a restore that is open."""
    journals.lock(_OTHER_SECONDS)
    journal = Journal(journals.folder, asked.restore)
    told = journal.read("journal.json")
    if told is None:
        return _ended(journal, asked.op)
    with closing(open_root_of(journal, told)) as root:
        if asked.op == "drop":
            return told_of("closed", warnings=close(journal, root, "drop"))
        undo, warnings = bring_back(journal, told, root)
    return told_of("closed", written=undo.back, left=undo.left, warnings=warnings)


def _ended(journal: Journal, op: str) -> dict[str, t.Any]:
    """The answer for a restore that is not open: it ended that way already, or it was killed before a path changed."""
    folders = journal.read("folders.json")
    ended = None if folders is None else folders.get("ended", "undo")
    if folders is not None:
        finish(journal, None)
    if ended != op:
        text = f"no restore {journal.restore} is open on this host"
        raise RefusedError("stale", text, [journal.restore])
    return told_of("closed")


def _status(asked: Request, journals: Journals) -> dict[str, t.Any]:
    own = Journal(journals.folder, asked.restore)
    state = "closed"
    if own.read("journal.json") is not None:
        journals.lock(_OTHER_SECONDS)
        told = own.read("journal.json")
        if told is not None:
            state = "open"
            own.renew(asked.lease)
            Systemd(str(told.get("root"))).renew(asked.restore)
    others = [(journal, journal.read("journal.json")) for journal in journals.all()]
    listed = [{"restore": one.restore, "run": str(told.get("run", ""))} for one, told in others if told is not None]
    return told_of(state, restores=listed)


def _recover(_asked: Request, journals: Journals) -> dict[str, t.Any]:
    journals.lock(_OTHER_SECONDS)
    recovered, back, left = [], [], []
    refused: RefusedError | None = None
    for journal in journals.all():
        try:
            told = journal.read("journal.json")
            if told is not None and not journal.is_over():
                continue
            undo = finish(journal, told)
        except RefusedError as e:
            refused = refused or e
            continue
        if undo is not None and told is not None:
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
            back += undo.back
            left += undo.left
    if refused is not None:
        raise refused
    return told_of("closed" if recovered else "nothing", recovered=recovered, written=back, left=left)


_ENDS: dict[str, t.Callable[[Request, Journals], dict[str, t.Any]]] = {
    "drop": _end,
    "undo": _end,
    "status": _status,
    "recover": _recover,
}


def pack(header: t.Mapping[str, t.Any]) -> str:
    """Spell an answer as ``_tree.py`` does, without a blob."""
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return base64.b64encode(zlib.compress(b"%08x" % len(head) + head, 1)).decode("ascii")


def serve(source: t.BinaryIO, sink: t.TextIO) -> None:
    """Read one request (a line of JSON) and print one line: the mark, and the packed answer."""
    try:
        request = json.loads(source.readline())
    except (ValueError, RecursionError):
        request = {}
    sink.write(MARK + pack(answer(request)) + "\n")
    sink.flush()
