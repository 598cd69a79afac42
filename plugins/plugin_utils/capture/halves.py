# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's halves as they travel through a pipe: of which files of module_utils each is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...module_utils import _tree

# what goes back from a restore or lets go of the old state, and all that a restore takes
_BACK = ("_parts", "_points", "_paths", "_units", "_inodes", "_accounts", "_journal", "_undo", "_back")
_APPLY = ("_tree", "_entries", "_writer", "_under", "_asked", "_steps", "_judge", "_swap", "_attempt", "_apply")
# in the order in which they import from each other; where there are several, the first one takes the others
PARTS: Mapping[str, tuple[str, ...]] = {"tree": ("_tree",), "back": _BACK, "apply": (*_BACK, *_APPLY)}
_FOLDER = Path(_tree.__file__).parent


def piped(half: str, request: bytes, payload: bytes = b"") -> bytes:
    """All that a half reads from its standard input.

    :param half: ``tree``, ``apply`` or ``back``.
    :param request: a line of JSON without its end.
    """
    first, *others = ((name, (_FOLDER / f"{name}.py").read_bytes()) for name in PARTS[half])
    sent = [b"%d\n" % len(first[1]), first[1]]
    if others:
        sent.append(b"%d\n" % len(others))
    for name, text in others:
        sent += [b"%s %d\n" % (name.encode("ascii"), len(text)), text]
    return b"".join([*sent, request, b"\n", payload])
