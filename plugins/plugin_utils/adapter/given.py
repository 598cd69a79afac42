# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that people give: those of a playbook on its command line, and those that begin with ``holdfast_``.

Nobody reads a misspelt variable: ``restore_host=web1``, for ``restore_hosts``, would restore every host.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection
from pathlib import Path

from ansible import constants, context
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ..errors import PolicyError

_ROOT = Path(__file__).resolve().parents[3]
_OURS = "holdfast.config."
# by what its variables begin, where that is not its name
_PREFIXES = {"scheduled": "schedule_"}
# AWX gives variables that begin like this one's to every playbook
_SHARED = ("awx",)
# which runs tasks of people's own: these have variables of their own
_OPEN = "change"
_ALL = "holdfast_"
# what is read of an inventory, without that
_READ = (
    "aliases",
    "change",
    "classes",
    "component_paths",
    "components",
    "device_jump",
    "device_known_hosts",
    "device_session",
    "device_ssh_options",
    "device_transport",
    "exceptions",
    "exclusions",
    "governance",
    "host_id",
    "journal_dir",
    "people",
    "platform_paths",
    "quorum",
    "read_from",
    "repository",
    "repository_id",
    "secret_evidence",
    "state_dir",
    "tickets",
    "tiers",
    "trigger",
)


@functools.cache
def meant(name: str) -> str | None:
    """The variable that *name* is very like, where it begins with ``holdfast_``, is none, and looks misspelt.

    People have variables of their own that begin so, such as ``holdfast_repository_url``: those are left alone.
    """
    # a part of one that is split over several has what people like after it: holdfast_components__web
    whole, mark, part = name.removeprefix(_ALL).partition("__")
    if not name.startswith(_ALL) or whole in _READ or any(whole.startswith(f"{known}_") for known in _READ):
        return None
    found = difflib.get_close_matches(whole, _READ, n=1, cutoff=0.8)
    return f"{_ALL}{found[0]}{mark}{part}" if found else None


def inventories() -> tuple[str, ...]:
    """The inventories that the command line names, as it is expanded; none where Ansible's configuration does."""
    named = context.CLIARGS.get("inventory")
    found = tuple(map(str, named)) if isinstance(named, (list, tuple)) else ()
    return () if found == tuple(constants.DEFAULT_HOST_LIST or ()) else found


def require_known(loader: DataLoader) -> None:
    """Raise PolicyError where ``-e`` gives what looks like a variable of the playbook, and is none."""
    playbooks = _playbooks()
    prefixes = tuple(_prefix(playbook) for playbook in playbooks if playbook not in _SHARED)
    given = sorted(map(str, load_extra_vars(loader))) if playbooks else []
    for name in given:
        if known_as := meant(name):
            raise PolicyError(
                f"{name} is no variable of this collection: nothing was done", remedy=f"{known_as} is one. Correct it."
            )
    strangers = [name for name in given if name.startswith(prefixes)]
    # files are read only where there is something to look up
    known = sorted(name for playbook in playbooks for name in _known(playbook)) if strangers else []
    for name in strangers:
        if name in known:
            continue
        alike = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
        if alike or _OPEN not in playbooks or not name.startswith(_prefix(_OPEN)):
            raise PolicyError(
                f"{name} is no variable of {_OURS}{' and '.join(playbooks)}: nothing was done",
                remedy=f"Correct it, or leave it out. Known here: {', '.join(alike or known)}.",
            )


def as_variables(error: PolicyError, options: Collection[str]) -> str:
    """Say by which variables of the playbook the options are given that an error names; nothing elsewhere."""
    if error.host or (error.item and not set(error.item.split(" or ")) <= set(options)):
        return ""
    return variables_in(error.item or error.remedy or "", options)


def variables_in(text: str, options: Collection[str]) -> str:
    """The same of the options that *text* names."""
    named = [word for word in dict.fromkeys(re.findall(r"\w+", text)) if word in options]
    variables = [
        _prefix(playbook) + word
        for playbook in (_playbooks() if named else ())
        for word in named
        if _prefix(playbook) + word in _known(playbook)
    ]
    return f"As {'a variable' if len(variables) == 1 else 'variables'}: {', '.join(variables)}." if variables else ""


def _playbooks() -> tuple[str, ...]:
    """The playbooks of the command line, without the collection's name, where all are the collection's."""
    named = context.CLIARGS.get("args")
    found = tuple(str(one) for one in named) if isinstance(named, (list, tuple)) else ()
    ours = tuple(one.removeprefix(_OURS) for one in found if one.startswith(_OURS))
    return tuple(one for one in ours if _path(one).is_file()) if len(ours) == len(found) else ()


def _prefix(playbook: str) -> str:
    return _PREFIXES.get(playbook, f"{playbook}_")


def _path(playbook: str) -> Path:
    return _ROOT / "playbooks" / f"{playbook}.yml"


def _known(playbook: str) -> set[str]:
    """The variables that the playbook reads, and that its roles say they take."""
    text = _path(playbook).read_text(encoding="utf-8")
    # neither what a task is called nor what it registers
    names = set(re.findall(r"(?<![\w.])(\w+)\b(?!:)", text))
    for role in re.findall(rf"name: {re.escape(_OURS)}(\w+)", text):
        specs = _ROOT / "roles" / role / "meta" / "argument_specs.yml"
        names.update(re.findall(r"^ +(\w+):$", specs.read_text(encoding="utf-8"), re.MULTILINE))
    return {name for name in names if name.startswith(_prefix(playbook)) and not name.endswith("_result")}
