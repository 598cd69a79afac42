# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of files out of snapshots: its options become typed values, and its errors one sentence of no content."""

from __future__ import annotations

import base64
import os
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.utils.display import Display

from ..errors import HoldfastError, PolicyError
from ..usecases.snapshot_file import SnapshotFile, read_file
from .options import REPOSITORY, SELECTION, Options, plain

_OWN = ("host", "component", "encoding")
_NOT_HERE = ("source_host", "components", "paths")
NAMES = (*_OWN, *REPOSITORY, *(name for name in SELECTION if name not in _NOT_HERE))


def contents(
    terms: Sequence[t.Any],
    given: Mapping[str, t.Any],
    named: Mapping[str, t.Any],
    variables: Mapping[str, t.Any],
    template: Callable[[t.Any], t.Any],
) -> list[str]:
    """The content of each path among *terms*.

    :param given: the lookup's options, with their defaults.
    :param named: those that the caller named.
    :param variables: of the host.
    :param template: resolves the templates of a value.
    :raises AnsibleLookupError: it is not said which, or it cannot be opened.
    """

    def variable(name: str) -> t.Any:
        return template(variables[name]) if name in variables else None

    component = plain(given.get("component"))
    args = {name: given.get(name) for name in (*REPOSITORY, *SELECTION) if name not in _NOT_HERE}
    args["components"] = [component] if component else None
    options = Options(args, variable, check=True, names=variables)
    try:
        _judge(terms, named)
        return [_told(found, given["encoding"]) for found in _read(options, terms, given, variables)]
    except HoldfastError as e:
        raise AnsibleLookupError(str(e)) from None


def _judge(terms: Sequence[t.Any], named: Mapping[str, t.Any]) -> None:
    unknown = sorted(named.keys() - set(NAMES))
    if unknown:
        raise PolicyError(f"snapshot_file has no option {unknown[0]}", remedy=f"Known are {', '.join(NAMES)}.")
    if not terms or not all(isinstance(term, str) for term in terms):
        raise PolicyError("snapshot_file takes paths", remedy="Give the absolute path of a file, in quotes.")
    if constants.DEFAULT_DEBUG and not os.environ.get("HOLDFAST_DEBUG_CONTENT"):
        raise PolicyError(
            "ANSIBLE_DEBUG would print configuration content",
            item="ANSIBLE_DEBUG",
            remedy="Unset it, or set HOLDFAST_DEBUG_CONTENT=1 where that output may hold content.",
        )


def _read(
    options: Options, terms: Sequence[t.Any], given: Mapping[str, t.Any], variables: Mapping[str, t.Any]
) -> list[SnapshotFile]:
    own = str(variables.get("inventory_hostname") or "")
    host = str(plain(given.get("host")) or own)
    if not host:
        raise PolicyError("which host is meant is not said", item="host", remedy="Give host.")
    selection, location = options.selection(), options.reading()
    host_id = options.host_id(host, variables) if host == own else None
    repository, keyring = location.repository(check=True), location.keyring()
    found = [read_file(repository, keyring, host, str(plain(term)), selection, host_id=host_id) for term in terms]
    for warning in dict.fromkeys(warning for one in found for warning in one.warnings):
        Display().warning(warning)
    return found


def _told(found: SnapshotFile, encoding: str) -> str:
    if encoding == "base64":
        return base64.b64encode(found.content).decode("ascii")
    try:
        return found.content.decode("utf-8")
    except UnicodeDecodeError:
        # the error itself holds the bytes
        raise PolicyError(
            "is no text in UTF-8",
            host=found.chosen.entry.name,
            item=repr(found.entry.path),
            remedy="Give encoding='base64'.",
        ) from None
