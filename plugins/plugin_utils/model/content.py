# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a source gives of a component: a plain fingerprint, or the fingerprint with entries and their bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .component import Component
from .entry import Entry, LeftOut
from .snapshot import SecretDigest
from .sources import REFUSED


@dataclasses.dataclass(frozen=True)
class PlainFingerprint:
    """A component's state in one digest, before it is keyed.

    ``raw`` is SHA-256, hex. ``normalised`` is that of what is not volatile, as ``normaliser`` tells it from the rest;
    None where nothing is.
    """

    component: Component
    raw: str
    size: int
    entries: int
    left_out: tuple[LeftOut, ...] = ()
    normalised: str | None = None
    normaliser: str | None = None
    left_out_bytes: int = 0

    @property
    def gaps(self) -> tuple[LeftOut, ...]:
        """What is left out though the policy does not exclude it: absent, unreadable, refused, special, or a cache."""
        declared = {exclude.reason for exclude in self.component.excludes}
        missing = {LeftOut(path, why) for path in self.component.handling.alternatives for why in ("absent", REFUSED)}
        return tuple(left for left in self.left_out if left.reason not in declared and left not in missing)


@dataclasses.dataclass(frozen=True)
class ComponentContent:
    """A component's entries, and in ``contents`` the bytes of each entry of kind file, by path.

    ``secrets`` are digests of the secrets that it declares, None where nobody looked for any.
    """

    fingerprint: PlainFingerprint
    entries: tuple[Entry, ...]
    contents: Mapping[str, bytes]
    marks: tuple[str, ...] = ()
    secrets: tuple[SecretDigest, ...] | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the component names and this content does not hold."""
        return self.fingerprint.left_out

    @property
    def component(self) -> Component:
        """The component this is the content of."""
        return self.fingerprint.component
