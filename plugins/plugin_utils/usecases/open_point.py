# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open a recovery point: decide once, for every process of the run."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import PolicyError, RunError
from ..format import names
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.alias import Aliases
from ..model.point import StreamEntry, require_alias
from ..model.redaction import visible
from ..model.root import Root
from ..tickets.base import Provider
from . import points, run_folder
from .change import looked_up
from .repository import Repository
from .run_folder import HostSheet, OpenPoint, PointFolder

CLOCK_WARNING = dt.timedelta(minutes=5)
CLOCK_REFUSAL = points.CLOCK_SKEW
_SECOND = dt.timedelta(seconds=1)
# whoever can put could make any number of them, and each stands in a signed body
_NOTES = 20
# a statement has 64 KiB; those left out stay the newest of their kind until a later run or a full body takes them in
MOST_PARENTS = 256
# a newest snapshot must still be nameable when a long run is sealed
RUN_MARGIN = dt.timedelta(days=1)


def open_point(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    *,
    expected: Sequence[str],
    location: Mapping[str, t.Any],
    change: Mapping[str, t.Any] | None = None,
    tickets: Provider | None = None,
    actor: Mapping[str, t.Any] | None = None,
    alias: str | None = None,
    aliases: Aliases | None = None,
    secret_evidence: bool = False,
    check: bool = False,
    wall_clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.timezone.utc),
) -> OpenPoint:
    """Open a recovery point, or return the one of that name that this run has open already.

    :param expected: inventory names of the hosts whose streams it must hold to be complete.
    :param location: where repository and keyring are, for who seals later; without secrets.
    :param change: the run's ticket and context, as it will stand in the body.
    :param tickets: who keeps change tickets, where somebody does: what the ticket says stands in the body too.
    :param actor: who runs it; as it will stand there too.
    :param alias: what people call the point, which no other point of the repository may be called.
    :param aliases: the form that aliases must have, where a policy says it.
    :param secret_evidence: let manifests hold digests of the secrets that components declare.
    :raises RunError: nothing is expected, or the controller's clock is off by more than 15 minutes.
    :raises PolicyError: the alias is none or has another form, or another point has it.
    :raises NameRefusedError: two hosts that a store could take for one.
    """
    with folder.locked():
        if folder.exists():
            opened = folder.read_open()
            opened.require_alias(alias)
            return opened
        if not expected:
            raise RunError(
                f"recovery point {folder.point} would expect no host",
                item=folder.point,
                remedy="Give expect, or run it in a play that has hosts.",
            )
        names.refuse_colliding(expected)
        now = repository.store.clock()
        monotonic = run_folder.monotonic()
        offset = abs(now - wall_clock())
        if offset > CLOCK_REFUSAL:
            raise RunError(
                f"the clocks of controller and store differ by {int(offset.total_seconds())} seconds",
                item=repository.store.location,
                remedy="Set the controller's clock (chrony, ntpd) and run again.",
            )
        if alias is not None:
            _require_free(folder, repository, alias, aliases)
        found = points.live(repository, now=now)
        notes = [*_hidden(folder, repository, found, now), *found.warnings[:_NOTES]]
        if len(found.warnings) > _NOTES:
            notes.append(f"and {len(found.warnings) - _NOTES} more that are not believed: verify names them")
        # what was sealed cannot be renamed, and a host must not lose its backups for an old spelling
        known = [name for entry in found.streams.values() for name in (entry.host_id, entry.host, entry.name)]
        for old, new in names.colliding_hosts(dict.fromkeys([*known, *expected])):
            notes.append(f"host {new} has snapshots under the name {old}")
        lost = _lost(repository, found)
        notes += [f"snapshot {entry.manifest.sha256} of {entry.spoken} is gone" for entry in lost[:_NOTES]]
        if offset > CLOCK_WARNING:
            notes.append(f"clocks of controller and store differ by {int(offset.total_seconds())} seconds")
        opened = OpenPoint(
            run=folder.run,
            point=folder.point,
            location=dict(location),
            opened_at=after(found, instant.whole(now)),
            monotonic=monotonic,
            expected=tuple(dict.fromkeys(expected)),
            **seen(found),
            change=looked_up(change or {}, tickets, now),
            check=check,
            notes=tuple(notes),
            alias=alias,
            spent=found.destroyed.spent,
            actor=dict(actor or {}),
        )
        folder.write_root(repository.link)
        write_live(folder, repository, found, now, lost)
        there = [entry for entry in found.streams.values() if entry not in lost]
        run_keys = _write_sheets(folder, repository.root, keyring, opened, there)
        if secret_evidence:
            folder.write_secret_key(keys.secret_key(run_keys[repository.root.digest_key_id]))
        # else hosts would be captured for a point that nobody can sign
        keyring.signer(use="point", among=repository.root.signing("point", now))
        folder.write_open(opened)
        return opened


def _require_free(folder: PointFolder, repository: Repository, alias: str, aliases: Aliases | None) -> None:
    """Raise PolicyError for an alias that is none, or that a believed point or an open one of this run has."""
    require_alias(alias)
    if aliases is not None:
        aliases.require(alias)
    holder = alias_holder(repository, alias, aliases)
    if holder is not None:
        raise _taken(f"recovery point {holder.id}", holder.body.alias or "", alias, f": {given(holder)}")
    for beside in run_folder.open_points(folder.state_dir, folder.run):
        known = beside.read_open().alias
        if known is not None and _same(known, alias, aliases):
            raise _taken(f"recovery point {beside.point} of this run", known, alias)


def _taken(holder: str, known: str, alias: str, more: str = "") -> PolicyError:
    meant = "" if known == alias else f", for which people would take {alias}"
    return PolicyError(
        f"{holder} has the alias {known}{meant}{more}",
        item="alias",
        remedy="An alias is never moved: give this one another.",
    )


def alias_holder(
    repository: Repository, alias: str, aliases: Aliases | None = None, *, since: dt.datetime | None = None
) -> points.Point | None:
    """The first believed point with that alias, or one that people would take for it; None where none has it.

    :param since: leave out points sealed earlier.
    """
    found, _refused = points.search(
        repository,
        lambda statement: statement.alias is not None and _same(statement.alias, alias, aliases),
        since=since,
    )
    return min(found, key=lambda point: (point.body.sealed_at, point.id), default=None)


def given(point: points.Point) -> str:
    """Who gave a point its alias, and when, for people."""
    who = next((user for name in ("awx_user", "user") if isinstance(user := point.body.actor.get(name), str)), "")
    return f"{f'{visible(who)} gave it' if who else 'given'} at {instant.to_text(point.body.sealed_at)}"


def _same(one: str, other: str, aliases: Aliases | None) -> bool:
    return one == other or (aliases is not None and aliases.same(one, other))


def seen(found: points.Live) -> dict[str, t.Any]:
    """What of an open point follows from the points that were there."""
    return {
        "parents": found.tips[:MOST_PARENTS],
        "seen": found.seen,
        "full_size": found.full_size,
        "full_sealed_at": found.full_sealed_at,
        "since_full": found.since_full,
        "points_since": found.points_since,
    }


def write_live(
    folder: PointFolder, repository: Repository, found: points.Live, now: dt.datetime, lost: Sequence[StreamEntry] = ()
) -> None:
    """Keep what is live for seal: what a full body lists, and what must be carried unless its host answers.

    :param lost: those of them whose objects are gone.
    """
    due = keep.due(found.streams.values(), repository.root.classes, now + RUN_MARGIN)
    folder.write_live(found.streams.values(), found.retired, due, lost)


def _hidden(folder: PointFolder, repository: Repository, found: points.Live, now: dt.datetime) -> list[str]:
    """Say so where the point that this controller sealed last is not there: a frozen replica, an old copy, a thief."""
    last = run_folder.remembered(folder.state_dir, repository.chain.links[0].root.id, now)
    if last is None or last in found.seen:
        return []
    return [f"recovery point {last}, which this controller sealed and the store locked, is not there or not believed"]


def _lost(repository: Repository, found: points.Live) -> list[StreamEntry]:
    """Newest snapshots whose objects are gone from a medium that cannot refuse that: they are stored anew.

    A store that enforces locks is not asked: there this listing would cost and could find nothing.
    """
    if repository.store.enforced:
        return []
    sizes = {
        listed.name: listed.size for prefix in ("packs/", "manifests/") for listed in repository.store.list(prefix)
    }
    return [
        entry
        for entry in found.streams.values()
        if any(sizes.get(ref.name) != ref.size for ref in (entry.pack, entry.manifest))
    ]


def _write_sheets(
    folder: PointFolder, root: Root, keyring: Keyring, opened: OpenPoint, known: Sequence[StreamEntry]
) -> dict[str, bytes]:
    """A sheet for the identity that each expected host has by its name alone, and had by this name when last proven.

    What identity the inventory says it has only its own worker asks: :func:`sheet`. Returns the run's keys by id.
    """
    expected = set(opened.expected)
    identities = dict.fromkeys(opened.expected)
    identities.update({entry.host_id: None for entry in known if entry.name in expected})
    by_host: dict[str, list[StreamEntry]] = {}
    for entry in known:
        if entry.host_id in identities:
            by_host.setdefault(entry.host_id, []).append(entry)
    run_keys = _run_keys(root, keyring, [entry for entries in by_host.values() for entry in entries])
    for host_id in identities:
        folder.write_host(host_id, _sheet(host_id, run_keys, by_host.get(host_id, ())))
    return run_keys


def sheet(root: Root, keyring: Keyring, host_id: str, entries: Sequence[StreamEntry]) -> HostSheet:
    """The sheet of an identity that open has written none for, since it knew the host by another name, or not at all.

    :param entries: its live streams whose objects are there.
    """
    return _sheet(host_id, _run_keys(root, keyring, entries), entries)


def _run_keys(root: Root, keyring: Keyring, entries: Iterable[StreamEntry]) -> dict[str, bytes]:
    """One keyring call for each digest key in use; what hosts get is derived from it."""
    used = {fingerprint.digest_key for entry in entries for fingerprint in entry.fingerprints}
    wanted = [key for key in root.keys.digest if key.id in used | {root.digest_key_id}]
    return {key.id: keyring.digest_key(key, repository=root.repository) for key in wanted}


def _sheet(host_id: str, run_keys: Mapping[str, bytes], entries: Iterable[StreamEntry]) -> HostSheet:
    host_keys = {key_id: keys.host_key(run_key, host_id) for key_id, run_key in run_keys.items()}
    return HostSheet(host_keys, {entry.stream: entry for entry in entries})


def after(found: points.Live, now: dt.datetime) -> dt.datetime:
    """*now*, or the second after the newest capture where that is no earlier: the next capture is the newer one."""
    latest = max((entry.captured_at for entry in found.streams.values()), default=now - _SECOND)
    return latest + _SECOND if now <= latest < now + CLOCK_WARNING else now
