# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run folder: what the processes of one run tell each other. Nothing in it is needed once its points are sealed.

::

    <state dir>/runs/<run id>/<point>/point.json         what open decided
                                     /root.json          the root link that open trusted
                                     /live.json          the newest snapshot of every stream, for a full body
                                     /due.json           those of them that must be carried unless their host answers
                                     /hosts/<host>.json  the live streams and digest keys of one identity; gone at seal
                                     /secrets.json       the key of digests of declared secrets, where they are wanted;
                                                         gone at seal
                                     /batches/<digest>   hosts whose batch has come
                                     /receipts/<host>.json
                                     /pushed/<host>/<digest>.json  the receipt of a text that was pushed for a host
                                     /batched/<host>.json  what a batch left for the host's own task, which takes it
                                     /leftovers/         sealed, and not taken by the store: a later run ships them
                                     /intent.json         the records of its begin and of an end without seal
                                     /unsent             there while the point is to be sealed; else a later run does it
                                     /sealed.json        what seal did
                          /.identities/<host>            which host of this run has that identity
    <state dir>/sealed/<repository id>.json              the last point that was sealed here: it must be seen again
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, PolicyError, RunError
from ..format import body as body_format
from ..format import names
from ..format import root as root_format
from ..format.canonical import Fields, check_digest
from ..model import instant
from ..model.entry import LeftOut
from ..model.point import Retirement, StreamEntry
from ..model.root import Root

POINT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
RUN_ID = re.compile(r"[0-9a-f]{16}")
_SINGLE = "only-"
_WEEK_SECONDS = 7 * 24 * 3600
_AGAIN = "Run the play again from its start."
# how the name of a file begins that is not whole yet; a run that is killed leaves it
UNFINISHED = ".new-"
# what mkstemp gives a file
PRIVATE = 0o600


@dataclasses.dataclass(frozen=True)
class OpenPoint:
    """What open decided for every process of the run.

    ``opened_at`` was read from the store when the monotonic clock showed ``monotonic`` seconds: together they are the
    run's clock, whatever the controller's own says. ``location`` says where repository and keyring are, and holds no
    secret. ``spent`` are ids of keys that were destroyed, under which nothing may be sealed any more.
    """

    run: str
    point: str
    location: Mapping[str, t.Any]
    opened_at: dt.datetime
    monotonic: float
    expected: tuple[str, ...]
    parents: tuple[str, ...]
    seen: tuple[str, ...]
    full_size: int
    full_sealed_at: dt.datetime | None
    since_full: int
    points_since: int
    change: Mapping[str, t.Any]
    check: bool
    notes: tuple[str, ...]
    # a run of an older version may have left one without
    alias: str | None = None
    spent: tuple[str, ...] = ()
    actor: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def require_alias(self, alias: str | None) -> None:
        """Raise RunError where somebody calls the point otherwise than it was called when it was opened."""
        if alias not in (None, self.alias):
            given = "without an alias" if self.alias is None else f"with the alias {self.alias}"
            raise RunError(
                f"recovery point {self.point} of this run was opened {given}",
                item=alias,
                remedy="Give the alias where the point is opened first.",
            )

    def now(self) -> dt.datetime:
        """The store's time, as far as this machine can tell without asking again."""
        return self.at(monotonic())

    def at(self, seconds: float) -> dt.datetime:
        """The store's time when the monotonic clock showed so many seconds."""
        passed = dt.timedelta(seconds=max(0.0, seconds - self.monotonic))
        return instant.whole(self.opened_at + passed)


@dataclasses.dataclass(frozen=True)
class HostSheet:
    """What a host's worker needs: its digest keys by id, and its live streams by name."""

    digest_keys: Mapping[str, bytes]
    streams: Mapping[str, StreamEntry]


@dataclasses.dataclass(frozen=True)
class StreamReceipt:
    """What was done for a stream. ``entry`` is None where check mode stored nothing.

    ``reason`` is ``unchanged``, ``first``, ``drift``, ``policy``, ``renewal`` or ``restore``; ``changed`` names the
    components that differ; ``gaps`` what is left out although no policy excludes it; ``left_out_bytes`` how large the
    files are that are left out, whatever the reason.
    """

    stream: str
    reason: str
    changed: tuple[str, ...]
    stored_bytes: int
    entry: StreamEntry | None
    gaps: tuple[LeftOut, ...] = ()
    left_out_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class SealedSnapshot:
    """A snapshot that is sealed and not stored yet: its objects' bytes, and its receipt as it will be.

    ``entry`` names objects that have no version yet.
    """

    receipt: StreamReceipt
    entry: StreamEntry
    pack: bytes
    manifest: bytes


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What a host's worker did; ``error`` says why it did not finish.

    ``held_back``: all was captured, and the store did not take all of it. ``follows`` is the name under which the
    host's streams were last proven, where that is another one. ``pushed_only``: tasks gave texts, and the host itself
    was not asked. ``machine`` stands for the machine that answered, and
    ``clock_ahead`` is by how many seconds its clock was ahead at least, less than none where it was behind.
    ``restores`` are the restores in place that were open on the host while it was captured.
    """

    host: str
    streams: tuple[StreamReceipt, ...]
    error: str | None = None
    held_back: bool = False
    follows: str = ""
    machine: str | None = None
    clock_ahead: int = 0
    restores: tuple[str, ...] = ()
    pushed_only: bool = dataclasses.field(default=False, compare=False)

    @property
    def spoken_clock(self) -> str:
        """How wrong the host's clock is; empty where nobody need know."""
        if not self.clock_ahead:
            return ""
        return f"{abs(self.clock_ahead):,} s {'ahead' if self.clock_ahead > 0 else 'behind'}"

    def joined(self, others: Sequence[Receipt]) -> Receipt:
        """All in one: what a host's own snapshot did, and what was pushed for it; failed where one of them is."""
        every = (self, *others)
        failed = [receipt for receipt in every if receipt.error]
        return Receipt(
            host=self.host,
            streams=tuple(part for receipt in every for part in receipt.streams),
            error="; ".join(dict.fromkeys(str(receipt.error) for receipt in failed)) or None,
            held_back=bool(failed) and all(receipt.held_back for receipt in failed),
            follows=next((receipt.follows for receipt in every if receipt.follows), ""),
            machine=next((receipt.machine for receipt in every if receipt.machine), None),
            clock_ahead=next((receipt.clock_ahead for receipt in every if receipt.clock_ahead), 0),
            restores=tuple(sorted({one for receipt in every for one in receipt.restores})),
        )


def twins(receipts: Mapping[str, Receipt]) -> list[list[str]]:
    """The hosts that answered as one machine, a list for each machine."""
    by_machine: dict[str, list[str]] = {}
    for host, receipt in sorted(receipts.items()):
        if receipt.machine is not None:
            by_machine.setdefault(receipt.machine, []).append(host)
    return [hosts for hosts in by_machine.values() if len(hosts) > 1]


def monotonic() -> float:
    """Seconds of the clock that all processes of this machine share and nobody sets."""
    return time.monotonic()


class PointFolder:
    """One point's part of a run folder. Files 0600, folders 0700, each file whole or not there."""

    def __init__(self, state_dir: Path, run: str, point: str) -> None:
        if not RUN_ID.fullmatch(run) or not POINT_NAME.fullmatch(point):
            raise RunError(
                f"{point!r} is not a name for a recovery point",
                item=point,
                remedy="Use a small letter, then letters, digits, dashes or underscores, 32 at most.",
            )
        self.state_dir = state_dir
        self.path = state_dir / "runs" / run / point
        self.run = run
        self.point = point

    @property
    def single(self) -> bool:
        """Whether the point was made by one host's snapshot for that host alone."""
        return self.point.startswith(_SINGLE)

    def exists(self) -> bool:
        """Whether the point was opened in this run."""
        return (self.path / "point.json").exists()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this point's lock; the system frees it when the process ends, however it ends."""
        with _explained(self.path):
            _make_folder(self.path)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write_open(self, opened: OpenPoint) -> None:
        """Keep what open decided."""
        document = dataclasses.asdict(opened)
        document["opened_at"] = instant.to_text(opened.opened_at)
        full = opened.full_sealed_at
        document["full_sealed_at"] = None if full is None else instant.to_text(full)
        self._write("point.json", document)

    def read_open(self) -> OpenPoint:
        """Read what open decided; raises RunError where nothing is open."""
        document = self._read("point.json")
        if document is None:
            raise RunError(
                f"recovery point {self.point} is not open in this run",
                item=self.point,
                remedy="Run holdfast.config.recovery_point with state=open first, in the same run.",
            )
        for field in ("expected", "parents", "seen", "notes", "spent"):
            document[field] = tuple(document.get(field, ()))
        full = document["full_sealed_at"]
        document["full_sealed_at"] = None if full is None else instant.from_text(full)
        return OpenPoint(**{**document, "opened_at": instant.from_text(document["opened_at"])})

    def read_open_as(self, *, check: bool) -> OpenPoint:
        """Read what open decided; raises RunError where that was not in the same mode, check or real.

        A dry snapshot in a real point, or the reverse, would sign what was never stored.
        """
        opened = self.read_open()
        if opened.check is not check:
            raise RunError(
                f"recovery point {self.point} was opened {'in' if opened.check else 'outside'} check mode",
                item=self.point,
                remedy="Run open, snapshot and seal all in check mode, or none of them.",
            )
        return opened

    def write_root(self, link: bytes) -> None:
        """Keep the root link that open has verified, so that no worker needs the store for it."""
        self._write_bytes("root.json", link)

    def read_root(self) -> Root:
        """Read the root link back; raises RunError where nothing is open."""
        path = self.path / "root.json"
        try:
            return root_format.read(path.read_bytes(), what=str(path))[0]
        except OSError as e:
            raise RunError("a file of the run folder cannot be read", item=str(path), remedy=_AGAIN) from e

    def write_live(
        self,
        streams: Iterable[StreamEntry],
        retired: Iterable[Retirement],
        due: Iterable[StreamEntry],
        lost: Iterable[StreamEntry] = (),
    ) -> None:
        """Keep the newest snapshot of every stream, who is retired, what must be carried, and what is gone."""
        document = {
            "streams": [body_format.write_stream(entry) for entry in streams],
            "retired": [body_format.write_retirement(retirement) for retirement in retired],
            "lost": [entry.manifest.name for entry in lost],
        }
        self._write("live.json", document)
        self._write("due.json", [body_format.write_stream(entry) for entry in due])

    def read_live(self) -> tuple[list[StreamEntry], tuple[Retirement, ...]]:
        """Read the streams and retirements of :meth:`write_live`; raises RunError where they are gone."""
        found = self._present("live.json")
        fields = Fields(found, str(self.path))
        retired = fields.each("retired", body_format.read_retirement)
        return [self._stream(value) for value in found["streams"]], retired

    def read_live_of(self, host_id: str) -> list[StreamEntry]:
        """Read the live streams of one identity whose objects are there; raises RunError where they are gone."""
        found = self._present("live.json")
        # of a large fleet the others are not looked at
        ours = [self._stream(value) for value in found["streams"] if value["host_id"] == host_id]
        return [entry for entry in ours if entry.manifest.name not in found["lost"]]

    def read_proven(self) -> dict[tuple[str, str], dt.datetime]:
        """When each live stream whose objects are there was last proven before this run, by its key.

        :raises RunError: that is gone.
        """
        found = self._present("live.json")
        entries = [entry for entry in map(self._stream, found["streams"]) if entry.manifest.name not in found["lost"]]
        return {entry.key: entry.verified_at for entry in entries}

    def read_due(self) -> list[StreamEntry]:
        """Read what must be carried, most urgent first; raises RunError where it is gone."""
        return [self._stream(value) for value in self._present("due.json")]

    def _present(self, name: str) -> t.Any:
        # an empty repository leaves an empty list: without the file a full body would hide every other host
        found = self._read(name)
        if found is None:
            raise RunError("the live streams of this run are gone", item=str(self.path), remedy=_AGAIN)
        return found

    def write_host(self, host: str, sheet: HostSheet) -> None:
        """Keep what the worker of the host with the identity *host* needs."""
        document = {
            "digest_keys": {key_id: key.hex() for key_id, key in sheet.digest_keys.items()},
            "streams": [body_format.write_stream(entry) for entry in sheet.streams.values()],
        }
        self._write(f"hosts/{names.escape_host(host)}.json", document)

    def write_secret_key(self, key: bytes) -> None:
        """Keep the key of digests of declared secrets: workers make some where it is there."""
        self._write("secrets.json", key.hex())

    def read_secret_key(self) -> bytes | None:
        """The key of digests of declared secrets, None where none are wanted, or nothing is open any more."""
        key = self._read("secrets.json")
        return None if key is None else bytes.fromhex(key)

    def read_host(self, host: str) -> HostSheet:
        """Read a host's sheet; raises RunError for a host the point does not expect, or once it is sealed."""
        sheet = self.find_host(host)
        if sheet is None:
            raise self.not_expected(host)
        return sheet

    def not_expected(self, host: str) -> RunError:
        """The error of a host that cannot be captured for this point: nobody expects it, or it is sealed."""
        sealed = self.read_sealed() is not None
        return RunError(
            f"recovery point {self.point} is sealed" if sealed else f"recovery point {self.point} does not expect it",
            host=host,
            remedy="Give a later point of this run another name."
            if sealed
            else "Name the host in expect when the point is opened.",
        )

    def find_host(self, host_id: str) -> HostSheet | None:
        """The sheet of an identity, None where open has written none."""
        document = self._read(f"hosts/{names.escape_host(host_id)}.json")
        if document is None:
            return None
        entries = [self._stream(value) for value in document["streams"]]
        keys = {key_id: bytes.fromhex(key) for key_id, key in document["digest_keys"].items()}
        return HostSheet(keys, {entry.stream: entry for entry in entries})

    def write_receipt(self, receipt: Receipt, *, pushed: str | None = None, whole: bool = False) -> None:
        """Keep what a host's worker did; a later receipt of the same host, or of the same text, replaces it.

        :param pushed: the name of the pushed text that it is about, where it is about one.
        :param whole: it says what those of pushed texts say, too.
        """
        document = {
            "whole": whole,
            "host": receipt.host,
            "error": receipt.error,
            "held_back": receipt.held_back,
            "follows": receipt.follows,
            "machine": receipt.machine,
            "clock_ahead": receipt.clock_ahead,
            "restores": list(receipt.restores),
            "streams": [_write_part(part) for part in receipt.streams],
        }
        name = f"{names.escape_host(receipt.host)}.json"
        if pushed is not None:
            digest = hashlib.sha256(pushed.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            name = f"{names.escape_host(receipt.host)}/{digest}.json"
        self._write(f"{'receipts' if pushed is None else 'pushed'}/{name}", document)

    def read_receipts(self) -> dict[str, Receipt]:
        """All receipts so far, by host: of a host's own snapshot and of all that was pushed for it, joined."""
        found: dict[str, list[Receipt]] = {}
        asked = set()
        whole = set()
        # the host's own first: it may say that it is whole
        own, pushed = (self.path / "receipts").glob("*.json"), (self.path / "pushed").glob("*/*.json")
        for path in [*sorted(own), *sorted(pushed)]:
            document = self._read(str(path.relative_to(self.path)))
            if document is None or document["host"] in whole:
                continue
            host = document["host"]
            found.setdefault(host, []).append(self._receipt(document))
            if path.parent.name == "receipts":
                asked.add(host)
            if document.get("whole"):
                whole.add(host)
        joined = {host: first.joined(others) for host, (first, *others) in found.items()}
        return {host: dataclasses.replace(one, pushed_only=host not in asked) for host, one in joined.items()}

    def leave_batched(self, host: str, failure: Mapping[str, t.Any] | None) -> None:
        """Note that a batch has captured a host, or by which failure it could not."""
        self._write(f"batched/{names.escape_host(host)}.json", {"failure": failure})

    def take_batched(self, host: str) -> tuple[Receipt, Mapping[str, t.Any] | None] | None:
        """What a batch left of a host, to whoever asks first: its receipt, and its failure; None where it left nothing.

        :raises RunError: what it left cannot be read.
        """
        name = f"{names.escape_host(host)}.json"
        left = self._read(f"batched/{name}")
        if left is None:
            return None
        (self.path / "batched" / name).unlink(missing_ok=True)
        document = self._read(f"receipts/{name}")
        return (Receipt(host, ()) if document is None else self._receipt(document)), left["failure"]

    def keep_leftover(self, sealed: SealedSnapshot) -> None:
        """Keep a sealed snapshot that the store did not take; a later run ships it."""
        stem = f"leftovers/{sealed.entry.manifest.sha256}"
        self._write_bytes(f"{stem}.pack", sealed.pack)
        self._write_bytes(f"{stem}.manifest", sealed.manifest)
        self._write(f"{stem}.json", _write_part(sealed.receipt))

    def read_leftovers(self) -> list[SealedSnapshot]:
        """All sealed snapshots that the store did not take; raises IntegrityError where one was damaged since."""
        found = []
        for path in sorted((self.path / "leftovers").glob("*.json")):
            receipt = self._read_part(self._read(f"leftovers/{path.name}"))
            entry = receipt.entry
            if entry is None:
                raise RunError("a file of the run folder cannot be read", item=str(path), remedy=_AGAIN)
            with _explained(path):
                pack, manifest = (path.with_suffix(suffix).read_bytes() for suffix in (".pack", ".manifest"))
            check_digest(pack, entry.pack.sha256, what=str(path.with_suffix(".pack")))
            check_digest(manifest, entry.manifest.sha256, what=str(path.with_suffix(".manifest")))
            found.append(SealedSnapshot(receipt, entry, pack, manifest))
        return found

    def drop_leftovers(self) -> None:
        """Remove what has been shipped."""
        shutil.rmtree(self.path / "leftovers", ignore_errors=True)
        self.forget_unsent()

    def mark_unsent(self) -> None:
        """Note that the point is to be sealed: where this run is kept from it, a later one does it by the receipts."""
        if not self.unsent:
            self._write_bytes("unsent", b"")

    def note_attempt(self, attempt: Mapping[str, t.Any]) -> None:
        """Note which statement is about to be put: it may be there although nobody was told."""
        self._write("unsent", [*self.read_attempts(), attempt])

    def read_attempts(self) -> list[dict[str, t.Any]]:
        """What was noted of statements, the last one last; raises RunError where it cannot be read."""
        path = self.path / "unsent"
        with _explained(path):
            noted = self.unsent and path.stat().st_size
        return list(self._read("unsent")) if noted else []

    def forget_unsent(self) -> None:
        """Note that nothing of the point itself is left to be sealed."""
        (self.path / "unsent").unlink(missing_ok=True)

    @property
    def unsent(self) -> bool:
        """Whether the point was to be sealed, and is not as far as is known."""
        return (self.path / "unsent").exists()

    @property
    def waits_for_store(self) -> bool:
        """Whether a later run has something to ship from here."""
        return self.unsent or any((self.path / "leftovers").glob("*.json"))

    def write_intent(self, record: str, ended: str = "") -> None:
        """Keep which record says that the point was begun, and which that it ended without a seal."""
        self._write("intent.json", {"record": record, "ended": ended})

    def read_intent(self) -> tuple[str, str] | None:
        """Read :meth:`write_intent` back; None where no such record was put."""
        document = self._read("intent.json")
        return None if document is None else (str(document["record"]), str(document["ended"]))

    def add_batch(self, hosts: Iterable[str]) -> None:
        """Note that the batch of these hosts has come."""
        listed = sorted(hosts)
        digest = hashlib.sha256("\0".join(listed).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._write(f"batches/{digest}.json", listed)

    def read_batches(self) -> set[str]:
        """All hosts whose batch has come."""
        return {
            host for path in (self.path / "batches").glob("*.json") for host in self._read(f"batches/{path.name}") or []
        }

    def write_sealed(self, document: Mapping[str, t.Any]) -> None:
        """Keep what seal did, and drop what only an open point needs, the digest keys first of all."""
        self._write("sealed.json", document)
        self.forget_unsent()
        self.close()

    def read_sealed(self) -> dict[str, t.Any] | None:
        """What seal did, or None while the point is open."""
        return self._read("sealed.json")

    def close(self) -> None:
        """Remove digest keys and live streams; nothing can be captured for this point any more."""
        shutil.rmtree(self.path / "hosts", ignore_errors=True)
        for name in ("secrets.json", "live.json", "due.json"):
            (self.path / name).unlink(missing_ok=True)

    def thin(self) -> None:
        """Remove what nobody needs once the run is dead: all but the receipts of an unsealed point."""
        self.close()
        if self.read_sealed() is not None and not self.waits_for_store:
            shutil.rmtree(self.path / "receipts", ignore_errors=True)
            shutil.rmtree(self.path / "pushed", ignore_errors=True)
            shutil.rmtree(self.path / "batched", ignore_errors=True)
            shutil.rmtree(self.path / "batches", ignore_errors=True)

    def _receipt(self, document: t.Any) -> Receipt:
        parts = tuple(self._read_part(part) for part in document["streams"])
        # a run of an older version may have left one without
        about = {name: document[name] for name in ("follows", "machine", "clock_ahead") if name in document}
        about["restores"] = tuple(document.get("restores", ()))
        return Receipt(document["host"], parts, document["error"], document["held_back"], **about)

    def _read_part(self, part: t.Any) -> StreamReceipt:
        return StreamReceipt(
            stream=part["stream"],
            reason=part["reason"],
            changed=tuple(part["changed"]),
            stored_bytes=part["stored_bytes"],
            entry=None if part["entry"] is None else self._stream(part["entry"]),
            gaps=tuple(LeftOut(*gap) for gap in part["gaps"]),
            # a run of an older version may have left one without
            left_out_bytes=part.get("left_out_bytes", 0),
        )

    def _stream(self, value: t.Any) -> StreamEntry:
        return body_format.read_stream(Fields(value, str(self.path)))

    def _write(self, name: str, document: t.Any) -> None:
        self._write_bytes(name, json.dumps(document).encode())

    def _write_bytes(self, name: str, data: bytes) -> None:
        path = self.path / name
        with _explained(path):
            _make_folder(path.parent)
            write_whole(path, data)

    def _read(self, name: str) -> t.Any:
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as e:
            raise RunError("a file of the run folder cannot be read", item=str(path), remedy=_AGAIN) from e


def _write_part(part: StreamReceipt) -> dict[str, t.Any]:
    return {
        "stream": part.stream,
        "reason": part.reason,
        "changed": list(part.changed),
        "stored_bytes": part.stored_bytes,
        "entry": None if part.entry is None else body_format.write_stream(part.entry),
        "gaps": [list(gap) for gap in part.gaps],
        "left_out_bytes": part.left_out_bytes,
    }


def remember(state_dir: Path, repository_id: str, point_id: str, lock_until: dt.datetime) -> None:
    """Keep which point was sealed here last, until its lock ends."""
    path = state_dir / "sealed" / f"{repository_id}.json"
    with _explained(path):
        _make_folder(path.parent)
        write_whole(path, json.dumps({"id": point_id, "lock_until": instant.to_text(lock_until)}).encode())


def remembered(state_dir: Path, repository_id: str, now: dt.datetime) -> str | None:
    """The point that was sealed here last and is locked still; None on a controller that knows of none."""
    try:
        document = json.loads((state_dir / "sealed" / f"{repository_id}.json").read_bytes())
        return str(document["id"]) if instant.from_text(document["lock_until"]) > now else None
    except (OSError, ValueError, KeyError, TypeError, FormatError):
        return None


def waiting_points(state_dir: Path, *, keep: str) -> list[PointFolder]:
    """Points of runs that have ended, which the store did not take whole."""
    return [point for point in ended_points(state_dir, keep=keep) if point.waits_for_store]


def ended_points(state_dir: Path, *, keep: str) -> list[PointFolder]:
    """Points of runs other than *keep* whose process has ended."""
    found = []
    for run in sorted((state_dir / "runs").glob("*")):
        if run.name != keep and RUN_ID.fullmatch(run.name) and not _alive(run):
            found += open_points(state_dir, run.name)
    return found


def known_events(state_dir: Path) -> set[str]:
    """Names of the records of beginnings and ends that runs on this controller have put."""
    found: set[str] = set()
    for path in (state_dir / "runs").glob("*/*/intent.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            document = json.loads(path.read_bytes())
            found |= {str(document["record"]), str(document["ended"])}
    return found


def claim_identity(state_dir: Path, run: str, host: str, host_id: str) -> None:
    """Let a host of this run, and no other one, have an identity.

    :raises PolicyError: another host of this run has it.
    """
    path = state_dir / "runs" / run / ".identities" / names.escape_host(host_id)
    with _explained(path):
        _make_folder(path.parent)
        holder = host if _write_once(path, host.encode()) else path.read_bytes().decode(errors="replace")
    if holder != host:
        raise PolicyError(
            f"{holder} and {host} have one identity in this run, {host_id}",
            host=host,
            item="holdfast_host_id",
            remedy="If one is a clone of the other, or has the name that the other one had before, give it a "
            "holdfast_host_id that was never used.",
        )


def open_points(state_dir: Path, run: str) -> list[PointFolder]:
    """The points that were opened in a run, sealed or not."""
    folder = state_dir / "runs" / run
    if not folder.is_dir():
        return []
    paths = [path for path in sorted(folder.iterdir()) if path.is_dir() and POINT_NAME.fullmatch(path.name)]
    points = [PointFolder(state_dir, run, path.name) for path in paths]
    return [point for point in points if point.exists()]


def point_of_host(state_dir: Path, run: str, *, host: str, named: str | None) -> PointFolder:
    """The point that a host's snapshot belongs to: the one named, or ``main``, or a new one of its own.

    :raises RunError: points are open, none is ``main``, and none is named.
    """
    folder = PointFolder(state_dir, run, named or "main")
    if named is not None or folder.exists():
        return folder
    points = open_points(state_dir, run)
    others = [point.point for point in points if not point.single and point.read_sealed() is None]
    if others:
        raise RunError(
            f"recovery points {', '.join(others)} are open, and none of them is main",
            host=host,
            remedy="Name one of them by point.",
        )
    stem = f"{_SINGLE}{hashlib.sha256(host.encode()).hexdigest()[:16]}"
    before = sum(point.point.startswith(stem) for point in points)
    return PointFolder(state_dir, run, f"{stem}-{before + 1}")


def sweep(state_dir: Path, *, keep: str) -> None:
    """Thin out the folders of runs whose process has ended; those of living runs and of *keep* stay as they are."""
    for run in (state_dir / "runs").glob("*"):
        if run.name != keep and RUN_ID.fullmatch(run.name) and not _alive(run):
            shutil.rmtree(run / ".identities", ignore_errors=True)
            # also those that were not open yet: their keys are written before
            for path in run.iterdir():
                if path.is_dir() and POINT_NAME.fullmatch(path.name):
                    PointFolder(state_dir, run.name, path.name).thin()


def claim(state_dir: Path, run: str, pid: int) -> None:
    """Note which process controls a run, so that its keys stay while it lives.

    :raises RunError: others than this user could read the folder of runs.
    """
    folder = state_dir / "runs" / run
    with _explained(folder):
        _make_folder(folder)
        private = (state_dir / "runs").stat()
        if private.st_uid != os.geteuid() or private.st_mode & 0o077:
            raise RunError(
                "the folder of runs belongs to somebody else, or others can enter it",
                item=str(state_dir / "runs"),
                remedy="Give it to this user with mode 0700, or set HOLDFAST_STATE_DIR to another folder.",
            )
        if not (folder / "controller.json").exists():
            write_whole(folder / "controller.json", json.dumps({"pid": pid, "where": _where()}).encode())


def _where() -> str:
    """Names the process table that a pid belongs to: two containers may share a state folder."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _alive(run: Path) -> bool:
    """Whether the process that controls a run may still live; one that cannot be asked does for a week."""
    claim_file = run / "controller.json"
    try:
        claimed = json.loads(claim_file.read_bytes())
        if claimed["where"] == _where():
            os.kill(int(claimed["pid"]), 0)
            return True
    except ProcessLookupError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with contextlib.suppress(OSError):
        return time.time() - run.stat().st_mtime < _WEEK_SECONDS
    return True


def write_whole(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file whole, in place of what was there: not through a link, nor into a file of others.

    :param mode: of the file.
    :raises OSError: it cannot be written; what was there still is.
    """
    with _beside(path, data) as temporary:
        if mode != PRIVATE:
            os.chmod(temporary, mode)
        os.rename(temporary, path)


def _write_once(path: Path, data: bytes) -> bool:
    """Write a file that must not be there yet, whole; False where it is."""
    if path.exists():
        return False
    with _beside(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _beside(path: Path, data: bytes) -> Iterator[str]:
    """A file of *data* beside *path*, until it is renamed or the block ends."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _make_folder(path: Path) -> None:
    # pathlib makes missing parents by the umask; these hold digest keys
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise RunError(
            f"the run folder cannot be written: {e.strerror}",
            item=str(path),
            remedy="Give room and rights there, or set HOLDFAST_STATE_DIR to another folder.",
        ) from e
