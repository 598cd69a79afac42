# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a point still waits for once it is sealed, before a task says so."""

from __future__ import annotations

import dataclasses

from ..errors import ReplicaBehindError
from ..usecases.seal_point import Sealed
from . import results
from .options import Location


def acknowledged(location: Location, sealed: Sealed) -> Sealed:
    """This point once every replica that is waited for has it, with a warning for each that may do without.

    Nothing is asked of anybody where no replica is waited for, or nothing was sealed.

    :raises ReplicaBehindError: one that must have it has it not; the result of the task holds what was sealed.
    """
    if not any(replica["wait"] for replica in location.replicas) or not sealed.sealed or not sealed.name:
        return sealed
    # most runs wait for nobody
    from ..usecases.replica_point import bring_to_all

    waited = [replica for replica in location.replica_sites() if replica.wait]
    try:
        warnings = bring_to_all(location.repository(), waited, sealed.name)
    except ReplicaBehindError as e:
        e.details = {**results.sealed_point(sealed), **e.details}
        raise
    return dataclasses.replace(sealed, warnings=(*sealed.warnings, *warnings))
