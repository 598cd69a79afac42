# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secrets that a component declares, in one of its texts: what digests are made of for evidence about secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .redaction import LINE_CHARACTERS

# characters; a shorter one is soon guessed by who holds the digest key
SHORTEST = 8
# of one component; who has more declares something else than secrets
MOST = 1000

_GROUP = "secret"
# how a value is written, and no part of it
_AROUND = " \t\r\"'`,;"


def values(patterns: Sequence[re.Pattern[str]], text: str) -> Iterator[tuple[int, str]]:
    """The secrets of a text by the line they stand on, counted from 1, without quotes, each line's own but once.

    A pattern without the group ``secret`` says which lines hold one and not what it is: it gives none, and neither does
    a value of fewer than 8 characters, or a line of more than 4,096. Lines are those of an editor:
    a form feed ends none.
    """
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if len(line) > LINE_CHARACTERS:
            continue
        found: dict[str, None] = {}
        for pattern in patterns:
            if _GROUP in pattern.groupindex:
                for match in pattern.finditer(line):
                    value = (match[_GROUP] or "").strip(_AROUND)
                    if len(value) >= SHORTEST:
                        found[value] = None
        for value in found:
            yield number, value
