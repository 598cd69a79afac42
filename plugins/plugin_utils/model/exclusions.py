# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusions: patterns that a host's files are captured without, for a time, and why."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Sequence

from .component import FILES, Component, Exclude
from .finding import Finding, is_line, read_expiry, read_known, read_mapping, read_words

KEYS = ("pattern", "reason", "expires", "components")
# what a walk says of what it could not take, and no policy may say
OWN_REASONS = ("absent", "unreadable", "pseudo file system")


@dataclasses.dataclass(frozen=True)
class Exclusion:
    """A pattern that components leave out, as their own ``excludes`` do, until ``expires``, UTC; None for always.

    ``components`` are names, empty for all file components of the host.
    """

    pattern: str
    reason: str
    expires: dt.datetime | None = None
    components: tuple[str, ...] = ()

    def holds(self, now: dt.datetime) -> bool:
        """Whether it excludes anything at *now*; what has expired leaves nothing out: more is captured."""
        return self.expires is None or now < self.expires


def read_exclusions(value: t.Any, findings: list[Finding]) -> tuple[Exclusion, ...]:
    """Read ``holdfast_exclusions``; what is wrong is added to *findings*."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        findings.append(Finding("holdfast_exclusions", "is not a list", "Give a list of {pattern, reason, expires}."))
        return ()
    found: list[Exclusion] = []
    for position, given in enumerate(value):
        key = f"holdfast_exclusions[{position}]"
        before = len(findings)
        fields = read_mapping(key, given, findings)
        read_known(key, fields, KEYS, findings)
        pattern, reason, expires = fields.get("pattern"), fields.get("reason"), fields.get("expires")
        components = read_words(f"{key}.components", fields.get("components"), findings)
        until = None if expires is None else read_expiry(f"{key}.expires", expires, findings)
        if not is_line(pattern) or not is_line(reason):
            remedy = "Give both, like {pattern: '*.bak', reason: transient}."
            findings.append(Finding(key, "lacks a pattern or a reason", remedy))
        elif reason in OWN_REASONS:
            remedy = "Say why it is left out: else what a capture could not take would pass for excluded."
            findings.append(Finding(f"{key}.reason", f"{reason!r} is what captures say of a gap", remedy))
        if len(findings) == before:
            found.append(Exclusion(str(pattern), str(reason), until, components))
    return tuple(found)


def over(components: Iterable[Component], exclusions: Sequence[Exclusion], now: dt.datetime) -> tuple[Component, ...]:
    """Add what *exclusions* say at *now* to the excludes of file components; a pattern of a component's own wins."""
    return tuple(_over(component, [one for one in exclusions if one.holds(now)]) for component in components)


def _over(component: Component, exclusions: Sequence[Exclusion]) -> Component:
    if component.kind != FILES:
        return component
    own = {exclude.pattern for exclude in component.excludes}
    added: dict[str, Exclude] = {}
    for one in exclusions:
        if one.pattern not in own and (not one.components or component.name in one.components):
            added.setdefault(one.pattern, Exclude(one.pattern, one.reason))
    if not added:
        return component
    return dataclasses.replace(component, excludes=(*component.excludes, *added.values()))
