# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of public keys, as a keyring adds to them. Pure functions."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Iterable, Sequence

from ..errors import PolicyError
from ..model.keys import ClassYearKey, PublicKeys
from .base import ClassYear

NONE = PublicKeys((), (), (), ())
# ten years, whichever of them are leap years
SIGN_VALIDITY = dt.timedelta(days=3653)

_CLASS_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_Key = t.TypeVar("_Key")


def class_years(classes: Sequence[str], first_year: int, years: int) -> list[ClassYear]:
    """Every class and year of these; raises PolicyError for a name that no class can have."""
    for name in classes:
        if not _CLASS_NAME.fullmatch(name):
            raise PolicyError(f"{name!r} is not a class name", remedy="Use lower-case letters, digits and hyphens")
    return [(name, year, "") for name in classes for year in range(first_year, first_year + years)]


def gaps(keys: Sequence[ClassYearKey], wanted: Sequence[ClassYear]) -> list[ClassYear]:
    """Which of the wanted classes, years and series have no key yet, each once, in order."""
    known = {(key.retention_class, key.year, key.series) for key in keys}
    return [each for each in dict.fromkeys(wanted) if each not in known]


def joined(one: PublicKeys, other: PublicKeys) -> PublicKeys:
    """The keys of both; a signing key that was made before keeps the days that it was given first."""
    known = {key.id for key in one.sign}
    return PublicKeys(
        sign=one.sign + tuple(key for key in other.sign if key.id not in known),
        wrap=union((one.wrap, other.wrap)),
        escrow=union((one.escrow, other.escrow)),
        digest=union((one.digest, other.digest)),
    )


def beside(keys: tuple[ClassYearKey, ...], new: tuple[ClassYearKey, ...]) -> tuple[ClassYearKey, ...]:
    """The keys whose names no new one takes."""
    taken = {key.id: key for key in new}
    return tuple(key for key in keys if taken.get(key.id, key) == key)


def union(several: Iterable[tuple[_Key, ...]]) -> tuple[_Key, ...]:
    """All of these, each once, in order."""
    return tuple(dict.fromkeys(key for keys in several for key in keys))
