# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request for a capture may say. Nothing of it is believed before it was read here; none of it is a template."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Mapping

from ..errors import FormatError

PRE_DEPLOYMENT = "pre-deployment"
POST_DEPLOYMENT = "post-deployment"
MANUAL_CHANGE = "manual-change"
DEVICE_CHANGE = "device-change"
# what a webhook may ask for; that a device was changed is what the listener of syslog says, and nobody else
ASKED = (PRE_DEPLOYMENT, POST_DEPLOYMENT, MANUAL_CHANGE)
KINDS = (*ASKED, DEVICE_CHANGE)

LIMIT_BYTES = 64 * 1024
MOST_HOSTS = 500
MOST_LETTERS = 200
# no pattern of Ansible's can be spelled with these
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}", re.ASCII)
# groups that every inventory has
_NO_HOSTS = frozenset({"all", "ungrouped"})
# as tickets/base.py has it: what is no id there would be accepted here, and never captured
_TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
# no brace: what has none is no template, wherever it ends up
_SIGNS = frozenset(" ._:/@+=,()\\-")
_TEXTS = ("change", "deployment", "version", "environment", "deployer", "actor")


@dataclasses.dataclass(frozen=True)
class Request:
    """Capture these hosts, and why: a kind, a change ticket, a deployment and its version, and who did it."""

    kind: str
    hosts: tuple[str, ...]
    change: str = ""
    deployment: str = ""
    version: str = ""
    environment: str = ""
    deployer: str = ""
    actor: str = ""

    def as_json(self) -> dict[str, t.Any]:
        """Spell it as :func:`read` takes it."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        return {"kind": self.kind, "hosts": list(self.hosts), **{name: text for name, text in texts.items() if text}}


def read(body: bytes) -> Request:
    """Read a body: a JSON object in UTF-8, of 64 KiB at most, in which every key is known and stands once.

    :raises FormatError: it is not one; says which key is wrong, never what stands there.
    """
    if len(body) > LIMIT_BYTES:
        raise FormatError(f"the body is longer than {LIMIT_BYTES} bytes")
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise FormatError("the body is not a JSON object in UTF-8 whose keys stand once") from None
    asked = from_json(value)
    if asked.kind not in ASKED:
        raise FormatError(f"kind is none of {', '.join(ASKED)}", item="kind")
    return asked


def from_json(value: t.Any) -> Request:
    """Judge plain values as :func:`read` does, also such as the listener of syslog makes.

    :raises FormatError: they are no request.
    """
    if not isinstance(value, Mapping):
        raise FormatError("the body is not a JSON object")
    if not value.keys() <= {"kind", "hosts", *_TEXTS}:
        raise FormatError("the body has a key that is not known")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FormatError(f"kind is none of {', '.join(KINDS)}", item="kind")
    if not _TICKET.fullmatch(_text(value, "change") or "none"):
        raise FormatError("change is no id of a change ticket", item="change")
    return Request(kind, _hosts(value.get("hosts")), **{name: _text(value, name) for name in _TEXTS})


def is_text(text: str) -> bool:
    """Whether a text may be told on: letters, digits and a few signs, 200 at most, and no space around them."""
    return (
        0 < len(text) <= MOST_LETTERS
        and text.strip() == text
        and all(letter.isalnum() or letter in _SIGNS for letter in text)
    )


def _hosts(value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_HOSTS:
        raise FormatError(f"hosts is not a list of 1 to {MOST_HOSTS} names", item="hosts")
    if not all(isinstance(name, str) and HOST.fullmatch(name) and name not in _NO_HOSTS for name in value):
        raise FormatError("hosts holds what is no plain name of a host", item="hosts")
    return tuple(sorted(set(value)))


def _text(value: Mapping[str, t.Any], name: str) -> str:
    if name not in value:
        return ""
    text = value[name]
    if not isinstance(text, str) or not is_text(text):
        problem = f"is not a text of 1 to {MOST_LETTERS} letters, digits and plain signs"
        raise FormatError(f"{name} {problem}", item=name)
    return text


def _once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_number(_spelling: str) -> t.NoReturn:
    raise ValueError
