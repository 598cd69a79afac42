# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exception: a gap that people have accepted, for a time, in the words of the policy."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import FormatError
from . import instant
from .finding import Finding, read_expiry, read_known, read_mapping, read_text, read_words
from .record import EXCEPTION, Record

KEYS = ("id", "hosts", "groups", "components", "reason", "control", "expires")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclasses.dataclass(frozen=True)
class Waiver:
    """Why some components of some hosts need no backup, what makes up for it, and until when.

    ``hosts`` and ``groups`` are inventory names, ``components`` names of components, empty for all of these hosts.
    It counts once people have signed an ``exception`` record of the same fields (``digest``), and until ``expires``.
    """

    id: str
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    components: tuple[str, ...]
    reason: str
    control: str
    expires: dt.datetime

    @property
    def subject(self) -> dict[str, t.Any]:
        """Its fields as people sign them. Lists are sorted: in which order an inventory names hosts means nothing."""
        return {
            "id": self.id,
            "hosts": sorted(self.hosts),
            "groups": sorted(self.groups),
            "components": sorted(self.components),
            "reason": self.reason,
            "control": self.control,
            "expires": instant.to_text(self.expires),
        }

    @property
    def digest(self) -> str:
        """The SHA-256 of its fields in canonical JSON (RFC 8785): by it what people signed is told from any other."""
        text = json.dumps(self.subject, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def holds(self, now: dt.datetime) -> bool:
        """Whether it has not expired at *now*."""
        return now < self.expires


def read_waivers(value: t.Any, findings: list[Finding]) -> tuple[Waiver, ...]:
    """Read ``holdfast_exceptions``; what is wrong is added to *findings*.

    That one has expired is no fault of form: it is a gap from then on, which coverage tells.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        remedy = "Give a list of {id, hosts, reason, control, expires}."
        findings.append(Finding("holdfast_exceptions", "is not a list", remedy))
        return ()
    found: dict[str, Waiver] = {}
    for position, given in enumerate(value):
        key = f"holdfast_exceptions[{position}]"
        before = len(findings)
        fields = read_mapping(key, given, findings)
        read_known(key, fields, KEYS, findings)
        name = fields.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name):
            remedy = "Give letters, digits, dots, _ and -, like EX-7."
            findings.append(Finding(f"{key}.id", f"{name!r} is no name of an exception", remedy))
        elif name in found:
            findings.append(Finding(f"{key}.id", f"{name} is there twice", "Give each exception an id of its own."))
        hosts, groups, components = (
            read_words(f"{key}.{field}", fields.get(field), findings) for field in ("hosts", "groups", "components")
        )
        if len(findings) == before and not hosts and not groups:
            findings.append(Finding(key, "names neither hosts nor groups", "Say for which hosts or groups it is."))
        reason = read_text(f"{key}.reason", fields.get("reason"), findings)
        control = read_text(f"{key}.control", fields.get("control"), findings)
        expires = read_expiry(f"{key}.expires", fields.get("expires"), findings)
        if len(findings) == before and expires is not None:
            found[str(name)] = Waiver(str(name), hosts, groups, components, reason, control, expires)
    return tuple(found.values())


def waiver_of(record: Record, digest: str) -> Waiver:
    """What a record of kind ``exception`` accepts; raises FormatError where it says nothing of the kind, or more."""
    subject: Mapping[str, t.Any] = record.subject
    expires = subject.get("expires")
    if record.kind != EXCEPTION or not isinstance(expires, str):
        raise FormatError("does not say which exception people accept", item=digest)
    findings: list[Finding] = []
    name, reason, control = (read_text(field, subject.get(field), findings) for field in ("id", "reason", "control"))
    hosts, groups, components = (
        read_words(field, subject.get(field), findings) for field in ("hosts", "groups", "components")
    )
    found = Waiver(name, hosts, groups, components, reason, control, instant.from_text(expires))
    # what else it says, or says in another form, may narrow what people meant
    if findings or not _ID.fullmatch(name) or not (hosts or groups) or found.subject != dict(subject):
        raise FormatError("does not say which exception people accept, and no more", item=digest)
    return found
