# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what a device gave is the whole text of an item.

No error holds any of the text.
"""

from __future__ import annotations

import json
import re
import xml.parsers.expat
from collections.abc import Iterator, Sequence

from ..errors import CaptureError, RefusedItemError
from ..model.config_quotes import Quotes
from ..model.platform import BRACES, CONFIG, JSON, NESTED, XML, Item, Rule, Structure

_LINE_BYTES = 4096
_FIRST_LINES = 5
# what programs print that have nothing
_NOTHING = frozenset({b"None", b"null", b"undefined"})
_LOOK = "Look at the device by hand, and run again."
_RIGHTS = "Grant the right, or leave the item out of holdfast_components."
_NONE = "Let the device save its configuration, or leave the item out of holdfast_components."
_SIGHT = "Log in as one who may see the whole configuration, with its secrets, and run again."


def judged(
    item: Item,
    text: bytes,
    refusals: Sequence[Rule] = (),
    *,
    device: str | None = None,
    structure: Structure | None = None,
) -> bytes:
    """Return the text if it is whole.

    :param refusals: what the first lines look like where a device does not give what was asked for, beside the item's.
    :param structure: by which it is told whether every block was closed, where the form does not say so.
    :raises RefusedItemError: the device does not know or allow the item.
    :raises CaptureError: it is empty, no text, or lacks its begin, its end, or what closes its blocks; or the device
        says in it that it left a part out.
    """
    if _refused(item, text, item.refusals):
        raise RefusedItemError("the device tells that it has none", host=device, item=item.name, remedy=_NONE)
    if _refused(item, text, refusals):
        why = "the device does not know or does not allow what it was asked for"
        raise RefusedItemError(why, host=device, item=item.name, remedy=_RIGHTS)
    fault = _fault(item, text, structure)
    if fault:
        raise CaptureError(fault, host=device, item=item.name, remedy=_LOOK)
    if _partial(item, text):
        why = "the device left out or masked a part of the text for this login"
        raise CaptureError(why, host=device, item=item.name, remedy=_SIGHT)
    return text


def _partial(item: Item, text: bytes) -> bool:
    patterns = [re.compile(rule.pattern) for rule in item.partial]
    return bool(patterns) and any(
        pattern.search(said) for said in map(_line, text.split(b"\n")) for pattern in patterns
    )


def _refused(item: Item, text: bytes, refusals: Sequence[Rule]) -> bool:
    begin = re.compile(item.begin) if item.begin else None
    patterns = [re.compile(rule.pattern) for rule in refusals]
    for line in _first_lines(text):
        if begin and begin.search(line):
            return False
        if any(pattern.search(line) for pattern in patterns):
            return True
    return False


def _first_lines(text: bytes) -> Iterator[str]:
    left = _FIRST_LINES
    for line in text[: _FIRST_LINES * _LINE_BYTES].split(b"\n"):
        if line.strip():
            yield _line(line)
            left -= 1
            if not left:
                return


def _fault(item: Item, text: bytes, structure: Structure | None) -> str | None:
    stem = text.rstrip()
    if not stem:
        return "the device answered with nothing"
    if stem.strip() in _NOTHING:
        return "the device answered with a word that stands for nothing"
    if b"\0" in stem:
        return "what the device answered is no text"
    if item.begin and not _begins(item.begin, stem):
        return "the text lacks the line without which it is none: it is not whole"
    if item.end and not re.search(item.end, _line(stem[stem.rfind(b"\n") + 1 :])):
        return "the text does not end as it must: it was cut off"
    if item.form == XML:
        return _xml_fault(stem)
    if item.form == JSON:
        return _json_fault(stem)
    if structure and item.form == CONFIG and not _closed(structure.style, stem):
        return "the text has a block that is not closed: it is not whole"
    return None


def _begins(begin: str, text: bytes) -> bool:
    pattern = re.compile(begin)
    return any(pattern.search(_line(line)) for line in text.split(b"\n"))


def _line(line: bytes) -> str:
    return line[:_LINE_BYTES].decode("utf-8", "surrogateescape").rstrip()


class _EntityError(Exception):
    """A document declares entities, with which a few bytes can mean any number of them."""


def _declared(*_arguments: object) -> None:
    raise _EntityError


def _xml_fault(text: bytes) -> str | None:
    parser = xml.parsers.expat.ParserCreate()
    parser.EntityDeclHandler = _declared
    try:
        parser.Parse(text[max(text.find(b"<"), 0) :], True)
    except _EntityError:
        return "the document declares entities, which no configuration does"
    except xml.parsers.expat.ExpatError:
        return "the document is not whole XML: it was cut off, or other text stands with it"
    return None


def _json_fault(text: bytes) -> str | None:
    try:
        json.loads(text.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return "the text is not whole JSON: it was cut off, or other text stands with it"
    return None


def _closed(style: str, text: bytes) -> bool:
    if style == BRACES:
        return _balance(style, text, re.compile(r"\{\s*(?:##.*|/\*.*\*/\s*)?$"), re.compile(r"^\s*\}\s*;?\s*$"))
    if style == NESTED:
        return _balance(style, text, re.compile(r"^\s*config\s"), re.compile(r"^\s*end\s*$"))
    return True


def _balance(style: str, text: bytes, opens: re.Pattern[str], closes: re.Pattern[str]) -> bool:
    """Whether as many blocks were closed as opened, and none before; and each value in quotes, in which none counts."""
    depth = 0
    quotes = Quotes(style)
    for line in text.split(b"\n"):
        # each byte is a character: signs of blocks and quotes are ASCII
        whole = line.decode("latin-1")
        within = quotes.open
        quotes.take(whole)
        if within or quotes.open:
            continue
        said = whole[-_LINE_BYTES:]
        if closes.search(said):
            depth -= 1
            if depth < 0:
                return False
        elif opens.search(said):
            depth += 1
    return depth == 0 and not quotes.open
