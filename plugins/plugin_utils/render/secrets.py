# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts share a secret and which secrets are old, as text for a terminal of 80 columns; no secret is in it."""

from __future__ import annotations

import textwrap
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..model.redaction import visible
from ..model.secret_use import NOT_ROTATED, ROTATED, UNKNOWN

WIDTH = 80
LISTED = 200
_INDENT, _DEEPER = "  ", "      "


def report(told: Mapping[str, int | str], parts: Mapping[str, Sequence[Mapping[str, t.Any]]]) -> list[str]:
    """The lines: counts, then what hosts share, what was not rotated or may not have been, and what is not known.

    :param told: ``secrets``, ``hosts``, ``not_rotated_since`` (empty where no date was asked for).
    :param parts: ``shared``, ``uses`` and ``not_known``, as the result has them.
    """
    lines = _wrapped(f"{told['secrets']} declared secrets on {told['hosts']} hosts, {len(parts['shared'])} shared", "")
    for group in parts["shared"][:LISTED]:
        lines += ["", f"shared by {group['hosts']} hosts, {group['secret']}"]
        lines += _limited([line for use in group["uses"] for line in _place(use)])
    lines += _more(len(parts["shared"]))
    if told["not_rotated_since"]:
        for age, spoken in ((NOT_ROTATED, "not rotated since"), (UNKNOWN, "not known whether rotated since")):
            aged = [use for use in parts["uses"] if use["age"] == age]
            lines += ["", f"{spoken} {told['not_rotated_since']}: {len(aged)}"]
            lines += _limited([line for use in aged for line in (*_place(use), *_age(use))])
        rotated = sum(use["age"] == ROTATED for use in parts["uses"])
        lines += ["", f"rotated since: {rotated}"]
    if parts["not_known"]:
        lines += ["", "not known:"]
        lines += _limited(
            [line for one in parts["not_known"] for line in _wrapped(f"{one['host']} {one['component']}, {one['why']}")]
        )
    return lines


def _place(use: Mapping[str, t.Any]) -> list[str]:
    return _wrapped(f"{use['host']} {use['component']} {use['path']}:{use['line']}")


def _age(use: Mapping[str, t.Any]) -> Iterator[str]:
    told = [f"seen since {use['seen_since']}" if use.get("seen_since") else "", str(use["why"])]
    yield from _wrapped(", ".join(filter(None, told)), _DEEPER)


def _wrapped(text: str, indent: str = _INDENT) -> list[str]:
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=_DEEPER,
        break_on_hyphens=False,
        break_long_words=True,
    )


def _limited(lines: Sequence[str]) -> list[str]:
    return [*lines[:LISTED], *_more(len(lines))]


def _more(count: int) -> list[str]:
    return [f"{_INDENT}... {count - LISTED} more"] if count > LISTED else []
