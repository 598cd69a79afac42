# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for a component, and what it is part of. None of it is part of what a snapshot holds."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from .finding import Finding, read_text, read_words

OWNERSHIP = ("steward", "contact", "regulations", "application", "version", "depends_on")
# a component of the same host, or host:component; a name of a host holds no colon but in an IPv6 address
DEPENDENCY = re.compile(r"(?:[^\s\x00-\x1f]{1,253}:)?[a-z][a-z0-9_-]{0,63}")


def read_ownership(key: str, fields: Mapping[str, t.Any], findings: list[Finding]) -> dict[str, t.Any]:
    """Read the keys of a component that OWNERSHIP names; what is wrong is added to *findings*.

    :returns: what :class:`~.component.Component` takes under these names.
    """
    depends_on = read_words(f"{key}.depends_on", fields.get("depends_on"), findings)
    remedy = "Name a component of the host, or host:component."
    findings.extend(
        Finding(f"{key}.depends_on", f"{name!r} is no name of a component", remedy)
        for name in depends_on
        if not DEPENDENCY.fullmatch(name)
    )
    texts = {
        name: "" if fields.get(name) is None else read_text(f"{key}.{name}", fields[name], findings)
        for name in ("steward", "contact", "application", "version")
    }
    return {
        **texts,
        "regulations": read_words(f"{key}.regulations", fields.get("regulations"), findings),
        "depends_on": depends_on,
    }
