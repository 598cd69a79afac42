# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts together on the managed host a half that comes in several files. Private to this collection.

``BOOTSTRAP`` of ``_tree.py`` runs this file, and it reads the others: a line that says how many there are, then of each
a line with its name, without ``.py``, and its length in bytes, and itself. Each may import from those before it, as in
a package; the last one has the ``serve`` that reads the rest. Standard library only, Python 3.8+.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import types
    import typing as t


class _Loader:
    """What a part came from, for those who ask a module for its code (importlib.abc.InspectLoader)."""

    def __init__(self, code: types.CodeType) -> None:
        self._code = code

    def get_code(self, _name: str) -> types.CodeType:
        """The code object of the module."""
        return self._code


def serve(source: t.BinaryIO, sink: t.TextIO) -> None:
    """Take the parts, and let the last one answer."""
    package: t.Any = sys.modules[__name__]
    package.__path__ = []
    last: t.Any = None
    for _number in range(int(source.readline())):
        name, size = source.readline().decode("ascii").split()
        last = _added(f"{__name__}.{name}", source.read(int(size)))
    last.serve(source, sink)


def _added(name: str, text: bytes) -> t.Any:
    part: t.Any = type(sys)(name)
    code = compile(text, name, "exec")
    part.__loader__ = _Loader(code)
    sys.modules[name] = part
    # as BOOTSTRAP does with this one
    exec(code, part.__dict__)  # noqa: S102
    return part
