# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies of all hosts, and where each part of them was said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .governance import Governance
from .policy import Finding, Policy


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a host's other variables say that its policy must agree with.

    ``replicas`` are the names of the replicas of its repository, None where it has no repository. ``tickets`` is
    whether it names a ticket server, and ``people`` how many people it names, None where it names none.
    """

    governance: Governance | None = None
    replicas: frozenset[str] | None = None
    tickets: bool = False
    people: int | None = None


@dataclasses.dataclass(frozen=True)
class HostPolicy:
    """One host's policy. ``identity`` is whose streams these are (its ``holdfast_host_id``, or its name).

    ``said`` tells for each component, ``component:<name>``, and tier, ``tier:<name>``, by which variable it was said
    and why the host has that: ``holdfast_components__web of group web``. ``policy`` is None where it cannot be used,
    and then ``findings`` say why. ``around`` is what else it must agree with. ``misspelt`` are variables that nobody
    reads, each with the one that it is very like.
    """

    host: str
    identity: str
    groups: tuple[str, ...]
    policy: Policy | None
    said: Mapping[str, str]
    findings: tuple[Finding, ...] = ()
    around: Surroundings = Surroundings()
    misspelt: tuple[tuple[str, str], ...] = ()
