# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that would come back with a restore: old passwords, private keys, certificates, who may log in.

A restore brings back what was valid then. Who was locked out since, and whose key was withdrawn, is let in again: so
these paths are named before anything is written. What they hold is never told.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

from ..model.component import Handling
from ..model.redaction import Blocks, Redactor

# Patterns that begin with a literal are quick to search for in a text.
# RFC 7468 and what writes like it, wherever in a line: YAML indents it, JSON has it in one line
_PRIVATE_KEYS = (
    re.compile(r"BEGIN (?<=--BEGIN |- BEGIN )[^-\r\n]{0,64}PRIVATE KEY[^-\r\n]{0,16}--"),
    re.compile(r"P(?:uTTY-User-Key-File-\d|rivate-Lines:)"),
)
_CERTIFICATE = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
# crypt(5), "AVAILABLE HASHING METHODS", and Apache's own; OpenLDAP's; DES in a line of passwd(5) or shadow(5)
_HASHES = (
    re.compile(r"\$(?<![^\s:=\"'!]\$)(?:y|gy|7|2[abxy]?|6|5|1|3|md5|sha1|apr1)\$[./0-9A-Za-z$]"),
    re.compile(r"\{(?i:S?SHA\d*|S?MD5|CRYPT|PBKDF2[\w-]*)\}[./0-9A-Za-z+$]"),
    re.compile(r":!{0,2}[./0-9A-Za-z]{13}:\d*:\d*:"),
)
# in a file of Apache's such a line ends with it
_DES = re.compile(r"^[^\s:]{1,256}:[./0-9A-Za-z]{13}\s*$", re.MULTILINE)
_PASSWORD_FILE = re.compile(r"(?i)passw(?:or)?d[^/]*$")
_HOST_KEY = re.compile(r"/ssh_host_[^/]*_key(?:\.pub)?")
_GENERAL = Redactor()
# sshd_config(5), AuthorizedKeysFile: a file, or a folder with one for each user
_AUTHORIZED_KEYS = re.compile(r"/authorized_keys2?(?:$|[-./])")


@dataclasses.dataclass(frozen=True)
class Returning:
    """A path that would come back with old secrets, and what they are."""

    path: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path!r} ({', '.join(self.what)})"


def returning(
    paths: Iterable[str],
    contents: Mapping[str, bytes],
    owner: Mapping[str, str],
    handling: Mapping[str, Handling],
) -> tuple[Returning, ...]:
    """Which of *paths* hold secrets, as their sealed content says.

    :param paths: whose content a restore would change.
    :param owner: the component that a path is of.
    :param handling: of a component, with its patterns of secrets.
    """
    redactors = {name: Redactor(one.secrets) for name, one in handling.items()}
    found = (
        Returning(path, tuple(_secrets(path, contents[path], redactors.get(owner.get(path, ""), _GENERAL))))
        for path in sorted(paths)
        if path in contents
    )
    return tuple(one for one in found if one.what)


def _secrets(path: str, content: bytes, redactor: Redactor) -> list[str]:
    text = content.decode("utf-8", "replace")
    known = {
        "host key": bool(_HOST_KEY.search(path)),
        "private key": _finds(_PRIVATE_KEYS, text),
        "certificate": bool(_CERTIFICATE.search(text)),
        "password hashes": _has_hashes(path, text),
        "authorized keys": bool(_AUTHORIZED_KEYS.search(path)) and bool(text.strip()),
        "secrets": _has_others(text, redactor),
    }
    return [name for name, there in known.items() if there]


def _finds(patterns: Iterable[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in patterns)


def _has_hashes(path: str, text: str) -> bool:
    return _finds(_HASHES, text) or bool(_PASSWORD_FILE.search(path) and _DES.search(text))


def _has_others(text: str, redactor: Redactor) -> bool:
    """Whether anything would be masked that is neither a private key nor the hash of a password."""
    candidates = set(redactor.candidates(text))
    if not candidates:
        return False
    blocks = Blocks.of(text.splitlines())
    before: int | None = None
    for place, (line, number) in enumerate(zip(blocks.lines, blocks.numbers, strict=True)):
        if number is not None:
            if number != before and not _finds(_PRIVATE_KEYS, line):
                return True
        elif place not in blocks.public and line in candidates and redactor.masks(line) and not _finds(_HASHES, line):
            return True
        before = number
    return False
