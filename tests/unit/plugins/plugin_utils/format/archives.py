# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives as nobody here would write them."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, pack
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import tar


@dataclasses.dataclass(frozen=True)
class Member:
    """A member as seal.tar writes it."""

    path: str
    kind: str = "file"
    target: str = ""
    size: int = 0
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    mtime_ns: int = 0
    xattrs: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Archive:
    """A pack taken apart: its list, and its other members in their order. :meth:`data` puts it together again."""

    files: dict[str, t.Any]
    members: list[tuple[t.Any, bytes]]

    def data(self) -> bytes:
        listed = canonical.dump(self.files)
        return tar.write([(Member(pack.FILES, size=len(listed)), listed), *self.members])

    @property
    def entries(self) -> list[dict[str, t.Any]]:
        return self.files["components"][0]["entries"]

    def add(self, path: str, content: bytes = b"", **attributes: t.Any) -> None:
        self.members.append((Member(path, size=len(content), **attributes), content))

    def remove(self, path: str) -> None:
        self.members = [each for each in self.members if each[0].path != path]
