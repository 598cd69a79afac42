# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``secrets_info`` as a question, and what it found as a task's result: places and times, no secret."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..model import instant
from ..model.secret_use import NOT_ROTATED, ROTATED, UNKNOWN, Use
from ..render import secrets as render
from ..usecases.secrets import READ, Asked, Secrets
from .options import DISPLAY, Options

OPTIONS: Mapping[str, t.Any] = {
    "hosts": {"type": "list", "elements": "str"},
    "components": {"type": "list", "elements": "str"},
    "not_rotated_since": {"type": "str"},
    "limit": {"type": "int", "default": READ},
    "cache": {"type": "bool", "default": True},
    **DISPLAY,
}
LISTED = 10_000
_MOST = 1_000_000


def asked(options: Options) -> Asked:
    """What a task asks for.

    :raises PolicyError: something of it cannot be.
    """
    return Asked(
        hosts=tuple(options["hosts"] or ()),
        components=tuple(options["components"] or ()),
        not_rotated_since=options.day_or_time("not_rotated_since"),
        read=options.number("limit", 1, _MOST),
    )


def told(found: Secrets) -> dict[str, t.Any]:
    """The result; looking changes nothing."""
    since = found.asked.not_rotated_since
    uses = [use.as_dict() for use in found.uses]
    groups = [_group(group) for group in found.shared]
    not_known = [{"host": one.host, "component": one.component, "why": one.why} for one in found.not_known]
    counted: dict[str, int | str] = {
        "secrets": len({(use.digest_key, use.digest) for use in found.uses}),
        "hosts": len({use.host_id for use in found.uses}),
        "not_rotated_since": "" if since is None else instant.to_text(since),
    }
    ages = {} if since is None else {age.replace(" ", "_"): _count(found.uses, age) for age in _AGES}
    return {
        "changed": False,
        **counted,
        **ages,
        "manifests": found.manifests,
        "shared": groups[:LISTED],
        "uses": uses[:LISTED],
        "not_known": not_known[:LISTED],
        "report": render.report(counted, {"shared": groups, "uses": uses, "not_known": not_known}),
        "warnings": [*found.warnings, *_keys(found)],
    }


_AGES = (NOT_ROTATED, ROTATED, UNKNOWN)


def _count(uses: Sequence[Use], age: str) -> int:
    return sum(use.age == age for use in uses)


def _group(group: Sequence[Use]) -> dict[str, t.Any]:
    return {
        "secret": group[0].secret,
        "hosts": len({use.host_id for use in group}),
        "uses": [use.as_dict() for use in group],
    }


def _keys(found: Secrets) -> list[str]:
    if len(found.digest_keys) < 2:
        return []
    return [f"digests stand under {len(found.digest_keys)} keys: what hosts of different ones share is not known"]
