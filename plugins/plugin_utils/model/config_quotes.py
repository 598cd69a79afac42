# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values in quotes, and comments, that go over several lines: what stands in them opens and closes no block.

FortiOS prints scripts and pages so, PAN-OS and Junos certificates and banners. A quote in a value is spelled with a
backslash.
"""

from __future__ import annotations

import re

from .platform import BRACES, NESTED

_QUOTE, _COMMENT = '"', "*/"
# a comment stands apart from what is before it: interfaces and addresses hold its signs, as ge-0/0/* does
_OPENS = {BRACES: re.compile(r'"|(?<!\S)(?:/\*|##)'), NESTED: re.compile(r'"|^\s*#')}
_CLOSES = {_QUOTE: re.compile(r'\\.|"'), _COMMENT: re.compile(r"\*/")}
_OPENED = {'"': _QUOTE, "/*": _COMMENT}


class Quotes:
    """Follows the lines of a text in a style; a style that has no such values is followed without any."""

    def __init__(self, style: str) -> None:
        self._opens = _OPENS.get(style)
        # what closes the value or comment that is open; empty where none is
        self.open = ""

    def take(self, line: str) -> None:
        """Take the next line, without its end."""
        if self._opens is None:
            return
        at = 0
        while True:
            found = (_CLOSES[self.open] if self.open else self._opens).search(line, at)
            if found is None:
                return
            at = found.end()
            if self.open:
                if found[0] == self.open:
                    self.open = ""
            elif found[0] in _OPENED:
                self.open = _OPENED[found[0]]
            else:
                # the rest of the line is a comment
                return
