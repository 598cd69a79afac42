# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which two states a task compares: its ``with_*`` options say the other side as the others say the first."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import PolicyError
from ..model.component import Component
from ..usecases import adopt
from ..usecases.choose import Selection
from .options import SELECTION, Options, plain

# these are the same for both sides
_SHARED = ("components", "paths")
_NAMES = {f"with_{name}": name for name in SELECTION if name not in ("source_host", *_SHARED)}

WITH: Mapping[str, t.Any] = {
    "with_host": {"type": "str"},
    **{name: SELECTION[of] for name, of in _NAMES.items()},
}


def declared(host: str, variable: Callable[[str], t.Any], names: Iterable[str] = ()) -> Sequence[Component]:
    """What the inventory declares for *host*, nothing where it declares no components: who compares need not back up.

    What may have been adopted of it counts as declared where ``ansible_network_os`` is of a platform that is known.
    The option ``components`` names some of them here.

    :param variable: reads a variable of the host, None where it has none.
    :param names: of all variables of the host.
    :raises PolicyError: with every finding.
    """
    options = Options({}, variable, check=True, names=names)
    own = options.policy(host).components if options.inherited("components") else ()
    platform = options.platform(str(plain(variable("ansible_network_os")) or ""))
    if platform is None:
        return own
    known = {one.name for one in own}
    read_by = (platform, *filter(None, [options.platform(adopt.DATASTORE)]))
    return (*own, *(one for one in adopt.components(read_by) if one.name not in known))


def other_selection(options: Options) -> Selection | None:
    """Which snapshots the other side is; None where it is the host as it is.

    :raises PolicyError: it is said in part, or more than once.
    """
    given = {of: options[name] for name, of in _NAMES.items()}
    if not any(value not in (None, False) for value in given.values()):
        if options["with_host"] is not None:
            raise PolicyError(
                "which snapshot of the other host is meant is not said",
                item="with_host",
                remedy="Give with_newest, or another with_ option. Newest is never assumed.",
            )
        return None
    shared = {name: options[name] for name in _SHARED}
    return Options({**given, **shared}, lambda _name: None, check=options.check).selection()
