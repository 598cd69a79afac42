# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments in UTC, to the second, in the two spellings of the format: documents and object names."""

from __future__ import annotations

import datetime as dt

from ..errors import FormatError

_TEXT = "%Y-%m-%dT%H:%M:%SZ"
_NAME = "%Y%m%dT%H%M%SZ"


def whole(moment: dt.datetime) -> dt.datetime:
    """Return *moment* in UTC, cut to the second; a naive value is a bug and raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(dt.timezone.utc).replace(microsecond=0)


def to_text(moment: dt.datetime) -> str:
    """Spell a moment as RFC 3339 in UTC: ``2026-11-21T01:16:23Z``."""
    return whole(moment).strftime(_TEXT)


def to_name(moment: dt.datetime) -> str:
    """Spell a moment as object names hold it: ``20261121T011623Z``."""
    return whole(moment).strftime(_NAME)


def from_text(text: str) -> dt.datetime:
    """Read :func:`to_text` back; raises FormatError on any other spelling."""
    return _parse(text, _TEXT, "2026-11-21T01:16:23Z")


def from_name(text: str) -> dt.datetime:
    """Read :func:`to_name` back; raises FormatError on any other spelling."""
    return _parse(text, _NAME, "20261121T011623Z")


def _parse(text: str, form: str, example: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as e:
        raise FormatError(f"{text!r} is not a moment like {example}") from e
    # ISO 8601 has many spellings; here one moment has one
    if moment.strftime(form) != text:
        raise FormatError(f"{text!r} is not a moment like {example}")
    return moment
