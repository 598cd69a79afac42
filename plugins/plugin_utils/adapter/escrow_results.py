# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module ``escrow``, and its results: names, numbers and digests, never a share or a key."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import HoldfastError, PolicyError, UnsoundError
from ..format import escrow as escrow_format
from ..keyring import recipients
from ..keyring.base import ClassYear, Keyring
from ..keyring.identities import FILE
from ..model import instant
from ..model.escrow import Custodian, EscrowSet
from ..usecases import escrow, escrow_drill, escrow_open
from ..usecases.escrow_drill import Proof
from ..usecases.escrow_open import Opened
from ..usecases.repository import KEY_YEARS
from . import context
from .options import POLICY, Location, Options
from .results import diff_lines

ESCROW: Mapping[str, t.Any] = {
    "state": {"type": "str", "choices": ["made", "split", "joined", "proved"], "required": True},
    "path": {"type": "path", "required": True},
    "classes": POLICY["classes"],
    "first_year": {"type": "int"},
    "years": {"type": "int", "default": KEY_YEARS},
    "series": {"type": "str", "default": ""},
    "repository_name": {"type": "str"},
    "folders": {"type": "list", "elements": "path", "default": []},
    "custodians": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "key": {"type": "str", "required": True}},
    },
    "threshold": {"type": "int"},
    # no_log: names of files, and what Ansible would hide of them is what errors need to say
    "shares": {"type": "list", "elements": "path", "default": [], "no_log": False},
    "previous": {"type": "path"},
    "without": {"type": "list", "elements": "str", "default": []},
    "destination": {"type": "path"},
    "on_disk": {"type": "bool", "default": False},
    "recovery_point": {"type": "str"},
    "hosts": {"type": "list", "elements": "str", "default": []},
}
# all take state and path, and what says where the repository is
_TAKES: Mapping[str, frozenset[str]] = {
    "made": frozenset({"classes", "first_year", "years", "series"}),
    "split": frozenset({"repository_name", "folders", "custodians", "threshold", "shares", "previous", "without"}),
    "joined": frozenset({"shares", "destination", "on_disk"}),
    "proved": frozenset({"shares", "recovery_point", "hosts"}),
}


def require_own(options: Options) -> None:
    """Raise PolicyError for an option that the state does not read: who gives one means it, and it would do nothing."""
    state = options["state"]
    for name, spec in ESCROW.items():
        if name in {"state", "path"} | _TAKES[state] or options[name] in (None, spec.get("default")):
            continue
        states = " or ".join(f"state={other}" for other, taken in _TAKES.items() if name in taken)
        raise PolicyError(
            f"{name} is given, and state={state} does not read it",
            item=name,
            remedy=f"It goes with {states}. Leave it out here.",
        )


def made(options: Options, *, diff: bool) -> dict[str, t.Any]:
    """Make escrow keys in a folder of a machine without a network, and beside them what the keyring gets."""
    path = options["path"]
    found = escrow.make(Path(path), _class_years(options), check=options.check)
    changed = bool(found.new) or found.written
    away = f"{len(found.away)} recipients have no identity here, the first {found.away[0]}" if found.away else ""
    result: dict[str, t.Any] = {
        "changed": changed,
        "class_years": [key.id for key in found.keys],
        "new": list(found.new),
        "identities": f"{path}/{FILE}",
        "recipients": f"{path}/{recipients.FILE}",
        "warnings": [f"{away}: they are with those that were made before"] if away else [],
        "next_steps": _after_made(path) if changed and not options.check else [],
    }
    if diff and changed:
        # of what check mode would make there is no recipient yet
        sides = ([key for key in found.keys if key.id not in found.new], found.keys)
        before, after = (diff_lines([f"{key.id} {key.recipient}".rstrip() for key in side]) for side in sides)
        result["diff"] = {"before": before, "after": after, "after_header": result["recipients"]}
    return result


def _class_years(options: Options) -> list[ClassYear]:
    given = options["first_year"]
    first = dt.datetime.now(dt.timezone.utc).year if given is None else given
    years, series = options["years"], options["series"]
    if not 1000 <= first <= 9999 or not 1 <= years <= 100 or first + years > 10000:
        raise PolicyError(
            f"{years} years from {first} on are no years of keys",
            item="first_year and years",
            remedy="Give a year of four digits, and 1 to 100 years.",
        )
    if not re.fullmatch("[b-z]?", series):
        raise PolicyError(
            "this is no series of keys",
            item="series",
            remedy="Give the small letter that the name of a missing key ends with, or none.",
        )
    return [(name, year, series) for name in sorted(options.classes()) for year in range(first, first + years)]


def _after_made(path: str) -> list[str]:
    return [
        f"Bring {path}/{recipients.FILE} alone into escrow/ of the keyring's path, and run repository state=present.",
        f"{path}/{FILE} opens every backup: it stays offline. Split it with folders: [{path}], or put it on two media.",
    ]


def split(options: Options, *, diff: bool) -> dict[str, t.Any]:
    """Split what folders hold, what an earlier split holds, or both."""
    if bool(options["previous"]) is not bool(options["shares"]):
        raise PolicyError(
            "an earlier split is opened by its folder and shares together",
            item="previous",
            remedy="Give both previous and shares, or folders alone.",
        )
    wanted = escrow.Wanted(_name(options), _custodians(options), options["threshold"])
    before = _open(options, options["previous"]) if options["previous"] else None
    if before is not None:
        _require_of(before.escrow, wanted.repository, "previous", options["previous"])
    found = list(escrow.read_folders([Path(path) for path in options["folders"]]))
    if before is not None:
        known = {identity.recipient for identity in before.identities}
        found = [*before.identities, *(identity for identity in found if identity.recipient not in known)]
    found = escrow.without(found, options["without"])
    if not found:
        raise PolicyError("there is nothing to split", item="folders", remedy="Name the escrow/ folder, or previous.")
    made = escrow.split(Path(options["path"]), wanted, found, now=dt.datetime.now(dt.timezone.utc), check=options.check)
    result: dict[str, t.Any] = {
        "changed": made.made,
        **_told(made.escrow),
        "away": list(made.away),
        "warnings": list(before.warnings) if before else [],
        "next_steps": _after_split(options, made.escrow) if made.made and not options.check else [],
    }
    if diff and made.made:
        result["diff"] = {
            "before": diff_lines(_lines(before.escrow)) if before else "",
            "after": diff_lines(_lines(made.escrow)),
        }
    return result


def joined(options: Options, *, diff: bool) -> dict[str, t.Any]:
    """Bring the keys of a split back into a folder in memory."""
    destination = options["destination"]
    opened = _open(options, options["path"])
    changed = escrow_open.join(opened, Path(destination), on_disk=options["on_disk"], check=options.check)
    file = f"{destination}/{FILE}"
    result: dict[str, t.Any] = {
        "changed": changed,
        **_told(opened.escrow),
        "opened_by": list(opened.by),
        "warnings": list(opened.warnings),
        "identities": file,
        "since": _since(file),
        "next_steps": [
            f"{file} opens every backup, and is there until the machine is switched off or you remove it.",
            "Restore by docs/runbooks/restore_by_hand.md, step 4a.",
            f"Remove it and the shares: rm -r {_quoted([destination, *options['shares']])}",
        ],
    }
    if diff and changed:
        lines = [f"{key.id} {key.recipient}" for key in opened.escrow.keys]
        result["diff"] = {"before": "", "after": diff_lines(lines), "after_header": file}
    return result


def proved(options: Options, task_vars: Mapping[str, t.Any], *, diff: bool) -> dict[str, t.Any]:
    """Open packs of the repository by escrow; a pack that it does not open fails the task."""
    location = options.reading()
    opened = _open(options, options["path"])
    _require_of(opened.escrow, location.name, "path", options["path"])
    keyring, without = _keyring(location)
    proof = escrow_drill.prove(
        location.repository(check=options.check),
        opened,
        keyring=keyring,
        point=options["recovery_point"],
        hosts=options["hosts"],
        context={"actor": context.actor(task_vars, options.trigger()), "change": options.change()},
        check=options.check,
    )
    result = {
        "changed": proof.record is not None,
        **_told(opened.escrow),
        "opened_by": list(opened.by),
        **_proof(proof, (*without, *opened.warnings)),
    }
    if diff and proof.record:
        result["diff"] = {"before": "", "after": diff_lines([f"record {proof.record}"])}
    if not proof.holds:
        raise _unproved(proof, result)
    return result


def _require_of(known: EscrowSet, repository: str, option: str, path: str) -> None:
    """Raise PolicyError for the set of another repository: the names of its keys are the same."""
    if known.repository != repository:
        raise PolicyError(
            f"this escrow is that of the repository {known.repository!r}",
            item=path,
            remedy=f"Name the split of {repository!r} in {option}.",
        )


def _keyring(location: Location) -> tuple[Keyring | None, tuple[str, ...]]:
    """The keyring, or None and why: escrow is for when it is gone, and what it is reached by may have gone with it."""
    if not location.has_keyring:
        return None, ()
    try:
        return location.keyring(), ()
    except HoldfastError as e:
        return None, (f"the keyring cannot be used: {e}",)


def _unproved(proof: Proof, result: Mapping[str, t.Any]) -> UnsoundError:
    if not proof.failures:
        return UnsoundError(
            f"nothing was opened: of {len(proof.destroyed)} packs the escrow key was destroyed, and "
            f"{len(proof.resting)} packs rest in an archive class",
            remedy="Ask the store to bring them back, or name another recovery point.",
            details=result,
        )
    first = proof.failures[0]
    return UnsoundError(
        f"escrow does not open {len(proof.failures)} snapshots, the first of stream {first.stream}: {first.problem}",
        host=first.host,
        item=first.item,
        remedy=("Split in the keys that are lacking. " if proof.lacking else "")
        + "Rotate escrow (docs/guide_keys.md) where its keys are lost; verify tells whether the packs are whole.",
        details=result,
    )


def _proof(proof: Proof, warnings: Sequence[str]) -> dict[str, t.Any]:
    return {
        "recovery_point": proof.recovery_point,
        "sealed_at": instant.to_text(proof.sealed_at),
        "packs": proof.packs,
        "files": proof.files,
        "bytes": proof.bytes,
        "class_years_opened": list(proof.class_years),
        "digests_compared": proof.digests,
        "resting": list(proof.resting),
        "destroyed": list(proof.destroyed),
        "lacking": list(proof.lacking),
        "failures": [
            {"host": one.host, "stream": one.stream, "item": one.item, "problem": one.problem} for one in proof.failures
        ],
        "seconds": {phase: round(spent, 3) for phase, spent in proof.seconds.items()},
        "record": proof.record or "",
        "warnings": [*proof.warnings, *warnings],
    }


def _open(options: Options, path: str) -> Opened:
    return escrow_open.open_set(Path(path), [Path(share) for share in options["shares"]])


def _name(options: Options) -> str:
    given = options["repository_name"]
    if given is None:
        repository = options.inherited("repository")
        given = repository.get("name") if isinstance(repository, Mapping) else None
    return str(given or "")


def _custodians(options: Options) -> tuple[Custodian, ...]:
    return tuple(Custodian(str(one["name"]), str(one["key"])) for one in options["custodians"])


def _told(known: EscrowSet) -> dict[str, t.Any]:
    return {
        "repository_name": known.repository,
        "threshold": known.threshold,
        "custodians": list(known.custodians),
        "class_years": [key.id for key in known.keys],
        "made_at": instant.to_text(known.made_at),
        "sealed_sha256": known.sealed_sha256,
        "manifest": escrow_format.write(known).decode(),
    }


def _lines(known: EscrowSet) -> list[str]:
    return [
        f"repository {known.repository}",
        f"{known.threshold} of {len(known.shares)} open it",
        *(f"custodian {share.custodian} (key {share.key_sha256[:12]})" for share in known.shares),
        *(f"key {key.id} {key.recipient}" for key in known.keys),
    ]


def _since(file: str) -> str:
    """Since when the keys have been in the folder; empty where they are not."""
    try:
        written = Path(file).stat().st_mtime
    except OSError:
        return ""
    return instant.to_text(instant.whole(dt.datetime.fromtimestamp(written, dt.timezone.utc)))


def _quoted(paths: Sequence[str]) -> str:
    """Paths as a shell takes them, since people copy what is printed here."""
    return " ".join(shlex.quote(path) for path in paths)


def _after_split(options: Options, made: EscrowSet) -> list[str]:
    path, previous = options["path"], options["previous"]
    files = ", ".join(f"{path}/{share.file}" for share in made.shares)
    prove = f"{made.threshold} custodians decrypt their shares, and state=proved opens the newest recovery point."
    steps = [
        f"Prove it before anything is destroyed: {prove}",
        f"Give each custodian their file: {files}.",
        f"Keep {escrow.SEALED} and {escrow.MANIFEST} in two places; neither says anything without the shares.",
    ]
    if options["folders"]:
        folders = _quoted(options["folders"])
        steps.append(f"Then destroy what was split: find {folders} -type f -exec shred -u {{}} +")
    if previous:
        rotate = "let new packs have new keys as well: holdfast.config.repository rotate=[escrow] (docs/guide_keys.md)."
        steps += [
            f"Destroy every copy of {previous}/{escrow.SEALED}: old shares go on opening it.",
            f"Where a copy may be in other hands, with enough of the old shares, {rotate}",
        ]
    return steps
