# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a test puts something into the fault points of a host's half that travels to it."""

#: Python for a host: a function that reads the half from a pipe, up to its request, and returns it with ``kills`` at
#: the start of its fault points.
WITH_KILLS = r"""
def with_kills(pipe, kills):
    program = pipe.read(int(pipe.readline()))
    parts = []
    if b"Puts together" in program:
        for _number in range(int(pipe.readline())):
            name, size = pipe.readline().split()
            head, found, body = pipe.read(int(size)).partition(b"def at(point: str) -> None:")
            part = head + found + (kills if found else b"") + body
            parts.append(b"%s %d\n%s" % (name, len(part), part))
    count = [b"%d\n" % len(parts)] if parts else []
    return b"%d\n" % len(program) + b"".join([program, *count, *parts])
"""
