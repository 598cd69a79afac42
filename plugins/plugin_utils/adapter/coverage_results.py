# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage as a task's result, and as files; and the CMDB export that a task names. Names and states, no content."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import PolicyError
from ..model import cmdb, instant
from ..model.coverage import ACCEPTED, COVERED, GAP, STATES, Row, totals
from ..render import coverage as render
from ..usecases.coverage import Coverage
from . import result_files
from .options import Options

OPTIONS: Mapping[str, t.Any] = {
    "cmdb": {
        "type": "dict",
        "options": {
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "choices": list(cmdb.FORMATS)},
            "host_field": {"type": "str", "default": "name"},
        },
    },
    "hosts": {"type": "list", "elements": "str"},
    "owner": {"type": "str"},
    "path": {"type": "path"},
    "html": {"type": "path"},
    "fail_on_gaps": {"type": "bool", "default": False},
}
# bytes; a million hosts with a name and a little more
_LARGEST = 256 * 1024 * 1024
# of rows that name no host
_NAMED = 10


def cmdb_hosts(options: Options) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The hosts that the CMDB export names, and warnings of rows that name none; nothing where none is given.

    :raises PolicyError: it cannot be read, or is not what its format says.
    """
    given = options["cmdb"]
    if given is None:
        return (), ()
    path = Path(given["path"]).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as e:
        remedy = "Name a file of the controller in cmdb.path."
        raise PolicyError(f"the CMDB export cannot be read: {e.strerror}", item=str(path), remedy=remedy) from e
    if len(data) > _LARGEST:
        raise PolicyError("the CMDB export is larger than 256 MiB", item=str(path), remedy="Export hosts alone.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise PolicyError("the CMDB export is not UTF-8", item=str(path), remedy="Export it in UTF-8.") from e
    kind = given["format"] or ("json" if path.suffix.lower() == ".json" else "csv")
    found, bad = cmdb.read_hosts(text, format=kind, field=given["host_field"])
    if not bad:
        return found, ()
    listed = ", ".join(map(str, bad[:_NAMED]))
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return found, (f"rows of the CMDB export that name no host: {listed}{more}",)


def covered(options: Options, found: Coverage, beside: Collection[str]) -> dict[str, t.Any]:
    """The result, of the hosts and the owner that the task names; writes the files that it names, but in check mode.

    Never a change.

    :param beside: warnings of what was read before.
    :raises PolicyError: a file cannot be written, no host is named, or there is no such host or owner.
    """
    rows = chosen(found.rows, options)
    counts = Counter(row.state for row in rows)
    result: dict[str, t.Any] = {
        "changed": False,
        "at": instant.to_text(found.now),
        "covered": counts[COVERED],
        "accepted": counts[ACCEPTED],
        "gaps": counts[GAP],
        "by_tier": _totals(rows, lambda row: (row.tier,) if row.tier else ()),
        "by_owner": _totals(rows, lambda row: (row.owner,) if row.owner else ()),
        "by_group": _totals(rows, lambda row: row.groups),
        **{f"{name}_listed": _listed(rows, state) for name, state in (("gaps", GAP), ("accepted", ACCEPTED))},
        "report": render.report(rows, found.now),
        "warnings": [*found.warnings, *beside],
    }
    if options["path"] and not options.check:
        told = {name: value for name, value in result.items() if name in ("at", "covered", "accepted", "gaps")}
        told |= {name: result[name] for name in ("by_tier", "by_owner", "by_group", "warnings")}
        text = json.dumps({**told, "rows": [as_dict(row) for row in rows]}, indent=1, sort_keys=True) + "\n"
        result["path"] = result_files.write(options["path"], text, "report")
    if options["html"] and not options.check:
        result["html"] = result_files.write(options["html"], "".join(render.page(rows, found.now)), "page")
    if options["fail_on_gaps"] and counts[GAP]:
        first = next(row for row in rows if row.state == GAP)
        name = "/".join(part for part in (first.host, first.component) if part)
        result |= {"failed": True, "msg": f"{render.summary(rows)}; the first gap is {name}: {render.said(first)}"}
    return result


def chosen(rows: Sequence[Row], options: Options) -> Sequence[Row]:
    """Those of the hosts and the owner that the task names; raises PolicyError where there is no such one."""
    return _of_owner(_of_hosts(rows, options["hosts"]), options["owner"])


def as_dict(row: Row) -> dict[str, t.Any]:
    """One row in plain values; empty texts and null where it has nothing to say."""
    return {
        "host": row.host,
        "groups": list(row.groups),
        "component": row.component,
        "tier": row.tier,
        "owner": row.owner,
        "state": row.state,
        "reasons": list(row.reasons),
        "verified_at": None if row.verified_at is None else instant.to_text(row.verified_at),
        "exception": row.exception,
        "control": row.control,
        "signed_by": list(row.signers),
        "until": None if row.until is None else instant.to_text(row.until),
    }


def _of_hosts(rows: Sequence[Row], wanted: Collection[str] | None) -> Sequence[Row]:
    """Those of hosts that *wanted* names, themselves or by a group; all where it is None."""
    if wanted is None:
        return rows
    if not wanted:
        # nothing would be judged, and nothing be a gap
        raise PolicyError("hosts is empty", item="hosts", remedy="Name hosts or groups, or leave it out for all.")
    names = {name for row in rows for name in (row.host, *row.groups)}
    for name in wanted:
        if name not in names:
            remedy = "Name hosts and groups of the inventory."
            raise PolicyError("hosts names neither a host nor a group", item=name, remedy=remedy)
    return [row for row in rows if not {row.host, *row.groups}.isdisjoint(wanted)]


def _of_owner(rows: Sequence[Row], owner: str | None) -> Sequence[Row]:
    if owner is None:
        return rows
    found = [row for row in rows if row.owner == owner]
    if not found:
        raise PolicyError("nobody of that name owns anything", item=owner, remedy="Spell it as its components do.")
    return found


def _listed(rows: Iterable[Row], state: str) -> list[dict[str, t.Any]]:
    return [as_dict(row) for row in rows if row.state == state][: render.LISTED]


def _totals(rows: Iterable[Row], by: Callable[[Row], Iterable[str]]) -> dict[str, dict[str, int]]:
    return {name: {state: of[state] for state in STATES} for name, of in totals(rows, by).items()}
