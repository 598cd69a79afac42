# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a checkup finds: each check, what is so, and what to do about it. What is measured comes from others."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from . import instant
from .keys import ClassYearKey
from .retention import RetentionClass
from .root import Root

OK, WARNING, ERROR = "ok", "warning", "error"
SEVERITIES = (OK, WARNING, ERROR)

# of what a check lists
NAMED = 5
# a key that ends sooner should have a successor: people have to sign for it
_SOON = dt.timedelta(days=365)
_KEYS_GUIDE = "see docs/guide_keys.md"


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    ``id`` is the same in every version and names what was looked at, not what was found; several findings may share it.
    ``what`` is a clause, ``remedy`` one sentence, empty where it is ok. Neither holds a secret.
    """

    id: str
    severity: str
    what: str
    remedy: str = ""


def sound(checks: Iterable[Check]) -> bool:
    """Whether nothing is an error."""
    return all(check.severity != ERROR for check in checks)


def listed(names: Collection[str], most: int = NAMED) -> str:
    """The first of some names, and how many more there are."""
    shown = list(names)[:most]
    return ", ".join([*shown, *([f"{len(names) - most} more"] if len(names) > most else [])])


def many(count: int, what: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


# the controller


def version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with: ``1.36.0rc1`` is (1, 36, 0)."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def interpreter(check: str, name: str, found: str, least: str) -> Check:
    """Whether a program that runs all this is new enough."""
    if version(found) >= version(least):
        return Check(check, OK, f"{name} {found}")
    return Check(check, ERROR, f"{name} is {found}, and {least} is needed", f"Install {name} {least} or later.")


#: The version of a library that loads, and does not say which one it is.
UNKNOWN = "of unknown version"


@dataclasses.dataclass(frozen=True)
class Library:
    """A library as it was found: ``version`` empty where it is not there, ``fault`` why it cannot be loaded."""

    name: str
    needed_for: str
    least: str
    version: str = ""
    fault: str = ""


def libraries(found: Iterable[Library]) -> list[Check]:
    """Whether what is needed is there, loads, and is new enough."""
    checks, fine = [], []
    for one in found:
        install = f"Install {one.name}>={one.least} for the Python that runs Ansible."
        if one.fault and one.version:
            told = f"{one.name} {one.version} does not load ({one.fault}); {one.needed_for} needs it"
            checks.append(Check("libraries", ERROR, told, f"{install} It may be of another Python."))
        elif not one.version:
            checks.append(Check("libraries", ERROR, f"{one.name} is missing; {one.needed_for} needs it", install))
        elif one.version != UNKNOWN and version(one.version) < version(one.least):
            told = f"{one.name} is {one.version}, and {one.needed_for} needs {one.least}"
            checks.append(Check("libraries", ERROR, told, install))
        else:
            fine.append(f"{one.name} {one.version}")
    return checks or [Check("libraries", OK, ", ".join(fine))]


def tools(missing: Collection[str], *, people: bool) -> Check:
    """Whether the commands are there by which people sign and restore by hand.

    :param people: the inventory names people who sign.
    """
    needed = [name for name in missing if name != "ssh-keygen" or people]
    if not needed:
        return Check("tools", OK, "what people need by hand is installed")
    remedy = "Install them where people restore by hand or sign: docs/runbooks/restore_by_hand.md."
    return Check("tools", WARNING, f"{', '.join(needed)} not found in PATH", remedy)


def runs(killed: Sequence[str], waiting: Sequence[str]) -> list[Check]:
    """What earlier runs have left on this controller.

    :param killed: those that ended before they sealed.
    :param waiting: those whose snapshots wait for the store.
    """
    checks = []
    if killed:
        told = f"{many(len(killed), 'run')} ended before sealing: {listed(killed)}"
        checks.append(Check("runs", WARNING, told, "Back up again, and see docs/runbooks/backup_failed.md."))
    if waiting:
        told = f"{many(len(waiting), 'run')} left snapshots here that the store did not take: {listed(waiting)}"
        checks.append(Check("runs", WARNING, told, "Run a backup: it ships them first."))
    return checks or [Check("runs", OK, "no run was left unfinished here")]


# the repository


def clock(offset: dt.timedelta, *, warn: dt.timedelta, refuse: dt.timedelta) -> Check:
    """Whether controller and store agree on the time.

    :param offset: the store's time less the controller's.
    :param warn: from where on a run notes it; *refuse*: from where on it is refused.
    """
    seconds = round(offset.total_seconds())
    where = "behind" if seconds > 0 else "ahead of"
    told = f"the controller's clock is {abs(seconds)} s {where} the store's"
    remedy = "Set the controller's clock by NTP (chrony, timesyncd)."
    if abs(offset) > refuse:
        return Check("clock", ERROR, f"{told}: backups are refused", remedy)
    if abs(offset) > warn:
        return Check("clock", WARNING, told, remedy)
    return Check("clock", OK, f"controller and store differ by {abs(seconds)} s")


def pin(place: int, root: Root, links: int) -> Check:
    """Whether the pinned link is the newest one.

    :param place: of the pinned link in the chain, counted from 0.
    :param root: the newest link, of so many *links*.
    """
    behind = links - 1 - place
    if not behind:
        return Check("pin", OK, f"it is root link {links} of {links}, the newest")
    told = f"it is root link {place + 1} of {links}: {behind} behind the newest"
    return Check("pin", WARNING, told, f"Set holdfast_repository_id to {root.id}, which people have signed.")


def keys(root: Root, now: dt.datetime) -> list[Check]:
    """How long the keys and people of a root last."""
    return [*_signing(root, now), *_years(root, now), _people(root, now)]


def _signing(root: Root, now: dt.datetime) -> list[Check]:
    checks = []
    ends = []
    for use in ("point", "record"):
        until = [key.not_after for key in root.keys.sign if key.use == use and key.not_before <= now <= key.not_after]
        remedy = f"Rotate it: repository with rotate: [{use}]; {_KEYS_GUIDE}."
        if not until:
            checks.append(Check("root.signing", ERROR, f"the root lets no {use} key sign now", remedy))
        elif max(until) < now + _SOON:
            told = f"the newest {use} key signs until {instant.to_text(max(until))}"
            checks.append(Check("root.signing", WARNING, told, remedy))
        else:
            ends.append(f"{use} until {max(until):%Y-%m-%d}")
    return checks or [Check("root.signing", OK, f"keys sign: {', '.join(ends)}")]


def _years(root: Root, now: dt.datetime) -> list[Check]:
    checks = []
    for which, what, held in (
        ("root.years", "to seal under", root.keys.wrap),
        ("root.escrow", "for escrow", root.keys.escrow),
    ):
        found = [_of_class(which, what, name, held, now.year) for name in sorted(root.classes)]
        wrong = [check for check in found if check.severity != OK]
        ends = min((_last(name, held, now.year) for name in root.classes), default=now.year)
        told = f"{len(held)} keys {what}, for all {len(root.classes)} classes until the end of {ends}"
        checks += wrong or [Check(which, OK, told)]
    return checks


def _of_class(which: str, what: str, name: str, held: Iterable[ClassYearKey], year: int) -> Check:
    last = _last(name, held, year)
    remedy = f"Run repository with state present: people sign a root link that adds years; {_KEYS_GUIDE}."
    if last < year:
        return Check(which, ERROR, f"class {name} has no key {what} for {year}", remedy)
    if last == year:
        return Check(which, WARNING, f"class {name} has no key {what} after {year}", remedy)
    return Check(which, OK, f"class {name} has keys {what} until {last}")


def _last(name: str, held: Iterable[ClassYearKey], year: int) -> int:
    """The last of the years from this one on for which a class has keys; the year before where it has none now."""
    years = {key.year for key in held if key.retention_class == name}
    while year in years:
        year += 1
    return year - 1


def _people(root: Root, now: dt.datetime) -> Check:
    able = [one.principal for one in root.people if one.not_before <= now <= one.not_after]
    rule = root.rule("root")
    if rule is None:
        told = "the root names nobody who signs its next link: keys are neither added nor taken away"
        return Check("root.people", WARNING, told, "Name people when a repository is made: docs/guide_people.md.")
    if len(set(able)) < rule.required:
        told = f"{len(set(able))} people can sign now, and the next root link takes {rule.required}"
        return Check("root.people", ERROR, told, "See docs/guide_people.md, before a key is lost too.")
    return Check("root.people", OK, f"{len(set(able))} people can sign; the next root link takes {rule.required}")


def classes(root: Root, declared: Mapping[str, RetentionClass]) -> list[Check]:
    """Whether the inventory's classes are those of the root."""
    checks = []
    absent = sorted(declared.keys() - root.classes.keys())
    if absent:
        told = f"not in the root: {listed(absent)}"
        remedy = "Nothing is stored under them until people sign a root link that adds them: repository state=present."
        checks.append(Check("root.classes", WARNING, told, remedy))
    for name in sorted(declared.keys() & root.classes.keys()):
        if declared[name] != root.classes[name]:
            told = f"{name} is {root.classes[name].spoken} in the root, and {declared[name].spoken} in the inventory"
            checks.append(Check("root.classes", ERROR, told, "A class is never edited: give other days another name."))
    return checks or [Check("root.classes", OK, f"the root has {len(root.classes)} classes, as the inventory")]


# rights


@dataclasses.dataclass(frozen=True)
class Duties:
    """Who may do what: the operations that are allowed to each identity, and what they are, for people."""

    allowed: Mapping[str, frozenset[str]]
    does: Mapping[str, str]


# what a controller that seals does with its keyring, and what opens what was sealed
SEALS, OPENS = frozenset({"digest", "sign_point"}), frozenset({"unwrap"})


def duty(tried: Mapping[str, bool], duties: Duties, *, identity: str | None) -> list[Check]:
    """Whether who runs this may do what one identity may, and no more.

    :param tried: whether each operation was done.
    :param identity: which identity it should be; None for the one that it is like most.
    """
    may = frozenset(name for name, done in tried.items() if done)
    checks = []
    together = bool(may & SEALS) and bool(may & OPENS)
    if together:
        told = "this identity both seals and opens: who takes over this controller reads every backup"
        remedy = "Keep seal/ where backups run and open/ where restores run: docs/guide_duties.md."
        checks.append(Check("duty.separated", WARNING, told, remedy))
    if not tried or (identity is None and together):
        return checks
    severity = ERROR
    if identity is None:
        severity = WARNING
        identity = min(duties.allowed, key=lambda one: len(may ^ (duties.allowed[one] & tried.keys())))
    should = duties.allowed[identity]
    more, lacks = sorted(may - should), sorted((should & tried.keys()) - may)
    if lacks:
        told = f"the {identity} should, and this identity may not: {_spoken(lacks, duties)}"
        remedy = f"Give it the policies that holdfast.config.duties renders for the {identity}."
        checks.append(Check("duty", severity, told, remedy))
    if more:
        told = f"beside what the {identity} may, this identity may: {_spoken(more, duties)}"
        checks.append(Check("duty", severity, told, "Take these rights away: docs/guide_duties.md."))
    if not lacks and not more:
        checks.append(Check("duty", OK, f"of what was tried it may what the {identity} may, and no more"))
    return checks


def _spoken(names: Sequence[str], duties: Duties) -> str:
    return listed([duties.does[name] for name in names], 4)


# the inventory


def secrets(found: Mapping[str, int]) -> Check:
    """Which variables hold a credential in plain text.

    :param found: of how many hosts each is, by its name.
    """
    if not found:
        return Check("inventory.secrets", OK, "no variable looks like a credential in plain text")
    named = [f"{name} ({many(hosts, 'host')})" for name, hosts in sorted(found.items())]
    remedy = "Encrypt them by ansible-vault, or read them from the environment or a file of one user."
    return Check("inventory.secrets", WARNING, f"look like credentials in plain text: {listed(named)}", remedy)


_CREDENTIAL = re.compile(
    r"(?:^|_)(?:pass|passwd|passwords?|passphrase|pwd|psk|secret|token|api_?keys?|access_key|secret_key|private_key"
    r"|credentials?|community)$",
    re.IGNORECASE,
)
# what begins so is a secret whatever its name: private keys, age, Vault, GitHub, GitLab, Slack
_BEGINS = re.compile(
    r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|hv[sb]\.[A-Za-z0-9_-]{20}|gh[pousr]_[A-Za-z0-9]{20}"
    r"|glpat-[A-Za-z0-9_-]{16}|xox[baprs]-[A-Za-z0-9-]{10}"
)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@{]+@", re.IGNORECASE)


# what says whether there is one, and is none
_NO_SECRET = frozenset({"", "yes", "no", "true", "false", "none", "null", "omit", "prompt"})


def is_credential(name: str, value: str) -> bool:
    """Whether a variable of that name looks like a credential in plain text; a template is none."""
    text = value.strip()
    if text.lower() in _NO_SECRET or "{{" in text or "{%" in text:
        return False
    return bool(_CREDENTIAL.search(name) or _BEGINS.match(text) or _IN_URL.match(text))
