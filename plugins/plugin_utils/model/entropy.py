# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which words of a line look drawn by lot, as keys and tokens are, whatever stands beside them.

Three measures tell them from names, paths and prose: their length, the Shannon entropy of their characters, and how
often small letters, capitals and digits take turns. In base64 of random bytes a character is of another kind than the
one before it in two of three places, in a name made of words in one of three. What is random and no secret is known by
the words before it: checksums, fingerprints, public keys, certificates. The limits were measured
(docs/guide_compare.md).
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator

_WORD = re.compile(r"[A-Za-z0-9+/_-]{20,}")
_SEPARATORS = re.compile(r"[/_-]+")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
# an assignment stands before it, and what it assigns ends with it
_ASSIGNED = re.compile(r"[=:]\s*[\"']?(?:0x)?$")
_ENDS = re.compile(r"[\"']?[,;]?\s*(?:#.*)?$")
# 128 bits in hexadecimal digits
_HEX_CHARACTERS = 32
# the least of a word's longest part: of capitals, small letters and digits, and of two of these kinds
_OF_THREE, _OF_TWO = 16, 24
_LEAST_TURNS = {3: 0.42, 2: 0.18}
_LEAST_BITS = 3.3
_FEW_SEPARATORS = 0.1
# what is random and public, told by what stands so many characters before it
_BEFORE = 48
_TOLD_PUBLIC = re.compile(
    r"(?i)sha-?\d|md5|hash|digest|check-?sum|integrity|finger-?print|thumb-?print|commit|revision|\brev\b|etag|e-tag|uuid"
    r"|guid|(?:\b|_)id\b|\bids\b|public|(?<![a-z])pub|cert|dnskey|rrsig|trust|serial|sign(?:ed|ature|er)|version|build|image"
    r"|blake|\bssh-|ecdsa|ed25519|machine|boot|revoked|nonce\s*-|sri\b|sum\b|\boid\b|\bh1:"
)
# what is assigned to a name of its own: what stands before that tells nothing of it, as in JSON on one line
_ITEM = re.compile(r"(?:[,;{&?]\s*[\"']?[\w.-]{1,40}[\"']?\s*[:=]\s*|\s[\w.-]{1,40}=)[\"']?$")
# OpenSSH's public keys, and certificates and public keys in PEM that were spelled in base64 once more
_PUBLIC = re.compile(r"AAAA[BCEG][0-9A-Za-z]|LS0tLS1CRUdJTiB(?:DRVJU|QVUJM|UUlVT)")


def random_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where in a line words stand that look random and that nothing tells to be public."""
    for match in _WORD.finditer(text):
        start, end = match.span()
        word = match[0]
        if _PUBLIC.match(word) or not _is_random(word, text, start, end):
            continue
        before = text[max(0, start - _BEFORE) : start]
        item = _ITEM.search(before)
        if not _TOLD_PUBLIC.search(before, item.start() if item else 0):
            # padding tells nothing, and looks like a secret that was cut off
            yield start, end + len(text[end : end + 2]) - len(text[end : end + 2].lstrip("="))


def _is_random(word: str, text: str, start: int, end: int) -> bool:
    if _HEX.fullmatch(word):
        if len(word) < _HEX_CHARACTERS or word.isdigit() or word.isalpha():
            return False
        return bool(_ASSIGNED.search(text, 0, start)) and bool(_ENDS.match(text, end))
    # a commit in an address, and the pieces of an UUID
    parts = [part for part in _SEPARATORS.split(word) if not _HEX.fullmatch(part)]
    # base64 has few of these signs, names and paths have many
    few = len(_SEPARATORS.findall(word)) <= len(word) * _FEW_SEPARATORS
    longest = "".join(parts) if few else max(parts, key=len, default="")
    kinds = [_kind(character) for character in longest]
    of = len(set(kinds) - {"+"})
    if of < 2 or len(longest) < (_OF_THREE if of == 3 else _OF_TWO) or "1" not in kinds:
        return False
    turns = sum(one != other for one, other in itertools.pairwise(kinds))
    return turns >= _LEAST_TURNS[of] * (len(longest) - 1) and _bits(longest) >= _LEAST_BITS


def _kind(character: str) -> str:
    if character.isdigit():
        return "1"
    if character == "+":
        return character
    return "A" if character.isupper() else "a"


def _bits(word: str) -> float:
    """Shannon entropy of a word's characters, in bits each."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)
