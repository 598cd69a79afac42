# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What aliases of recovery points must look like where a policy says so: versions, commits, or an own form."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ..errors import PolicyError
from .finding import Finding, is_line, read_known

KEY = "holdfast_aliases"
KEYS = ("pattern",)
SEMVER, COMMIT = "semver", "commit"
LONGEST_PATTERN = 200

# the grammar of https://semver.org/spec/v2.0.0.html: numbers without leading zeros, in pre-releases too
_NUMBER = r"(?:0|[1-9][0-9]*)"
_WORD = r"[0-9A-Za-z-]+"
_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_RELEASE = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
# that page calls a leading v no part of the version, and the usual spelling of its tag
_SEMVER = re.compile(rf"v?{_RELEASE}(?:-{_PART}(?:\.{_PART})*)?(?:\+{_WORD}(?:\.{_WORD})*)?")
# git-rev-parse(1): SHA-1 has 40 digits, SHA-256 has 64, and git abbreviates to 7 or more
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_REMEDIES = {
    SEMVER: "Give a version such as 1.4.2, v1.4.2 or 1.4.2-rc.1 (semver.org, 2.0.0).",
    COMMIT: "Give a commit as git prints it: 7 to 64 digits, 0-9 and a-f.",
}


@dataclasses.dataclass(frozen=True)
class Aliases:
    """The form that a policy wants aliases to have: ``semver``, ``commit``, or a regular expression for all of one."""

    pattern: str

    def require(self, alias: str) -> None:
        """Raise PolicyError for an alias of another form."""
        if not self._form.fullmatch(alias):
            spoken = self.pattern if self.pattern in _REMEDIES else f"of the form {self.pattern}"
            raise PolicyError(
                f"the alias {alias} is not {spoken}, as {KEY} says",
                item="alias",
                remedy=_REMEDIES.get(self.pattern, "Give another, or correct the pattern."),
            )

    def same(self, one: str, other: str) -> bool:
        """Whether people would take two aliases for one: a version with and without its v, a commit and its start."""
        if self.pattern == COMMIT:
            return all(map(_COMMIT.fullmatch, (one, other))) and (one.startswith(other) or other.startswith(one))
        if self.pattern == SEMVER:
            return all(map(_SEMVER.fullmatch, (one, other))) and one.removeprefix("v") == other.removeprefix("v")
        return one == other

    @property
    def _form(self) -> re.Pattern[str]:
        return {SEMVER: _SEMVER, COMMIT: _COMMIT}.get(self.pattern) or re.compile(self.pattern)


def read_aliases(value: t.Any, findings: list[Finding]) -> Aliases | None:
    """Read ``holdfast_aliases``, a mapping; None where nothing is said or it is wrong, which is added to *findings*."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        findings.append(Finding(KEY, "is not a mapping", "Give {pattern: semver}, or {pattern: commit}."))
        return None
    read_known(KEY, value, KEYS, findings)
    pattern, key = value.get("pattern"), f"{KEY}.pattern"
    problem = _problem(pattern)
    if problem:
        remedy = f"Give {SEMVER}, {COMMIT}, or a regular expression for the whole of an alias, in quotes."
        findings.append(Finding(key, problem, remedy))
        return None
    return Aliases(str(pattern))


def _problem(pattern: t.Any) -> str:
    if pattern in (SEMVER, COMMIT):
        return ""
    if pattern is None:
        return "is not said"
    if not is_line(pattern) or len(pattern) > LONGEST_PATTERN:
        return f"{pattern!r:.40} is no pattern"
    if re.fullmatch(r"[A-Za-z]+", pattern):
        # a misspelt kind, which as an expression would match itself alone
        return f"{pattern} is no kind of alias"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return f"{pattern!r} is no regular expression"
    return ""
