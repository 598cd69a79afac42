# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Promises under fire: kills, failing and slow stores, wrong keys, damaged bytes, thieves."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import errno
import hashlib
import io
import os
import random
import re
import resource
import shutil
import signal
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    CorruptError,
    DeniedError,
    FormatError,
    FullError,
    HoldfastError,
    IntegrityError,
    KeyMissingError,
    MismatchError,
    NotLockedError,
    ObjectMissingError,
    RunError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnknownVersionError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest as manifest_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import pack as pack_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age, zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import RetryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, open_snapshot, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import (
    open_repository,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level, verify
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import (
    HostSite,
    MemorySource,
    near_trip,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import envelope_of

from .conftest import utcnow
from .faults import FaultyStore, whole_run
from .forge import LOCK, Forge
from .lab import FILES, START, Clock, Lab, problems

NEWEST = Selection(newest=True)
HOSTS = {"h": MemorySource(FILES)}


def holds_what_was_sealed(lab: Lab, *acknowledged: str) -> None:
    """Every point that is there restores in full, every one that was acknowledged is there, and nothing is broken."""
    report = lab.verify()
    assert problems(report) == []
    ids = {summary.id for summary in report.points}
    assert set(acknowledged) <= ids
    assert set(acknowledged) <= set(lab.live().seen)
    for point in ids:
        assert lab.contents(selection=Selection(point=point)) == FILES
    assert lab.live().warnings == ()


class TestKilled:
    """SIGKILL at any store call of a whole run: nothing acknowledged is lost, nothing half-made believed."""

    @staticmethod
    def killed_run(path: Path, keys: Path, number: int, when: str) -> str | None:
        """Run whole in another process that kills itself at a call; returns the point it acknowledged, if any."""
        receiver, sender = os.pipe()
        pid = os.fork()
        if pid == 0:

            def kill(call: int, _operation: str, _name: str) -> None:
                if call == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            store = FaultyStore(FileStore.create(path / "store"), **{when: kill})
            try:
                whole_run(path, store, keys, utcnow, HOSTS, lambda point: os.write(sender, point.encode()) and None)
            finally:
                os._exit(0)
        os.close(sender)
        with os.fdopen(receiver) as pipe:
            acknowledged = pipe.read()
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status) or acknowledged
        return acknowledged or None

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_at_every_store_call(self, tmp_path: Path, real_keys: Path, when: str) -> None:
        acknowledged = None
        number = 0
        seen: set[int] = set()
        while acknowledged is None:
            path = tmp_path / str(number)
            path.mkdir()
            acknowledged = self.killed_run(path, real_keys, number, when)
            store = FileStore.create(path / "store")
            lab = Lab.make(path, store, real_keys, utcnow)
            lab.runs = iter(range(100, 200))
            holds_what_was_sealed(lab, *filter(None, [acknowledged]))
            before = lab.verify()
            seen.add(len(before.points))
            fresh = lab.run(HOSTS)
            assert fresh.complete
            assert fresh.id is not None
            holds_what_was_sealed(lab, fresh.id)
            assert len(lab.verify().points) == len(before.points) + 1
            number += 1
        # the loop went through all of a run, and killed it on both sides of the seal
        assert number > 15
        assert seen == {0, 1}

    def test_a_second_run_that_is_killed_leaves_the_first(self, file_lab: Lab, real_keys: Path) -> None:
        first = file_lab.run(HOSTS).id
        assert first is not None
        drifted = MemorySource({**FILES, "/etc/base": b"drifted"})
        trace = FaultyStore(file_lab.store)
        folder = file_lab.on(trace).folder()
        file_lab.on(trace).open(folder)
        for number in range(len(trace.calls), len(trace.calls) + 6):
            pid = os.fork()
            if pid == 0:

                def kill(call: int, _operation: str, _name: str, number: int = number) -> None:
                    if call == number:
                        os.kill(os.getpid(), signal.SIGKILL)

                try:
                    lab = file_lab.on(FaultyStore(file_lab.store, after=kill))
                    lab.runs = iter([1000 + number])
                    lab.run(drifted)
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
            report = file_lab.verify()
            assert problems(report) == []
            assert first in {summary.id for summary in report.points}
            assert file_lab.contents(selection=Selection(point=first)) == FILES


FAILURES: dict[str, Callable[[str], Exception]] = {
    "denied": lambda _name: OSError(errno.EACCES, "Permission denied"),
    "full": lambda _name: OSError(errno.ENOSPC, "No space left on device"),
    "unavailable": lambda _name: OSError(errno.EIO, "Input/output error"),
    "missing": lambda _name: OSError(errno.ENOENT, "No such file or directory"),
    "corrupt": lambda _name: OSError(errno.ELOOP, "Too many levels of symbolic links"),
    "archived": lambda name: ArchivedError("it rests in an archive class", item=name, remedy="Ask for it first."),
    "not locked": lambda name: NotLockedError("stored without its lock", item=name, remedy="Check the lock settings."),
    "throttled": lambda name: ThrottledError("fewer calls, please", item=name, remedy="Try later."),
    "anything": lambda name: StoreError("it did not work", item=name, remedy="Look at the store."),
}
KINDS = {
    "denied": DeniedError,
    "full": FullError,
    "unavailable": UnavailableError,
    "missing": ObjectMissingError,
    "corrupt": CorruptError,
    "archived": ArchivedError,
    "not locked": NotLockedError,
    "throttled": ThrottledError,
    "anything": StoreError,
}


class TestFailingStore:
    """Each store call of a run fails once, in each way: one sentence says where and what to do, and nothing is lost."""

    @pytest.mark.parametrize("failure", FAILURES)
    def test_at_every_store_call(self, tmp_path: Path, keys: Path, clock: Clock, failure: str) -> None:
        number = 0
        stages: set[str] = set()
        while True:
            inner = MemoryStore(now=clock)
            # something is there already: a run reads points too
            earlier = whole_run(tmp_path / f"{number}-before", inner, keys, clock, HOSTS)

            def fail(call: int, _operation: str, name: str, number: int = number) -> None:
                if call == number:
                    raise FAILURES[failure](name)

            faulty = FaultyStore(inner, before=fail)
            acknowledged = [earlier]
            try:
                drifted = {"h": MemorySource(FILES), "i": MemorySource(FILES)}
                whole_run(tmp_path / str(number), faulty, keys, clock, drifted, acknowledged.append)
            except HoldfastError as e:
                stages.add(self.well_said(e, failure, *faulty.calls[number], faulty.location))
            if len(faulty.calls) <= number:
                break
            after = Lab.make(tmp_path / f"{number}-after", inner, keys, clock)
            holds_what_was_sealed(after, *acknowledged)
            fresh = after.run(HOSTS).id
            assert fresh is not None
            holds_what_was_sealed(after, fresh, *acknowledged)
            number += 1
        assert len(acknowledged) == 2
        assert number > 15
        assert stages >= {"list", "put packs", "put manifests", "put bodies", "put points"}

    @staticmethod
    def well_said(error: HoldfastError, failure: str, operation: str, name: str, location: str) -> str:
        """The error is of its class, and names the place, the host where there is one, and the remedy."""
        text = str(error)
        assert isinstance(error, KINDS[failure])
        assert error.remedy
        assert error.remedy.rstrip(".") in text
        assert name in text
        if operation == "put" and name.startswith(("packs/", "manifests/")):
            assert "(host i," in text
        if not name and isinstance(error.__cause__, OSError):
            assert location in text
        return f"{operation} {name.split('/', maxsplit=1)[0]}" if operation == "put" else operation

    @pytest.mark.parametrize("failure", ["unavailable", "throttled"])
    def test_what_passes_is_waited_for(self, tmp_path: Path, keys: Path, clock: Clock, failure: str) -> None:
        """Three of four calls fail, always: a run takes longer and is whole."""
        waits: list[float] = []

        def fail(call: int, _operation: str, name: str) -> None:
            if call % 4 != 3:
                raise FAILURES[failure](name)

        inner = MemoryStore(now=clock)
        store = RetryStore(FaultyStore(inner, before=fail), sleep=waits.append)
        point = whole_run(tmp_path, store, keys, clock, HOSTS)
        assert len(waits) > 30
        holds_what_was_sealed(Lab.make(tmp_path, inner, keys, clock), point)

    def test_what_does_not_pass_is_told(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        inner = MemoryStore(now=clock)
        whole_run(tmp_path / "before", inner, keys, clock, HOSTS)
        waits: list[float] = []

        def away(_call: int, operation: str, _name: str) -> None:
            if operation == "put":
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

        store = RetryStore(FaultyStore(inner, before=away), sleep=waits.append)
        with pytest.raises(UnavailableError) as caught:
            whole_run(tmp_path / "run", store, keys, clock, {"i": MemorySource(FILES)})
        assert len(waits) == 3
        for said in ("host i", "packs/", "Connection reset by peer", "Check that the repository is reached"):
            assert said in str(caught.value)

    def test_slow_is_fine(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        """Twenty minutes a call, hours a run: longer than clocks may differ, and no reason to give up."""

        def crawl(_call: int, operation: str, _name: str) -> None:
            if operation != "clock":
                clock.advance(minutes=20)

        inner = MemoryStore(now=clock)
        first = whole_run(tmp_path / "first", inner, keys, clock, HOSTS)
        slow = Lab.make(tmp_path / "run", FaultyStore(inner, after=crawl), keys, clock)
        slow.runs = iter([2])
        started = clock()
        folder = slow.folder()
        slow.open(folder, "h", "i")
        opened = clock()
        assert opened - started > dt.timedelta(hours=1)
        for host in ("h", "i"):
            slow.snapshot(folder, MemorySource(FILES), host)
        captured = clock()
        sealed = slow.seal(folder)
        assert sealed.complete
        assert sealed.id is not None
        lab = Lab.make(tmp_path / "after", inner, keys, clock)
        holds_what_was_sealed(lab, first, sealed.id)
        # every time is that of the store at that moment, not of the run's begin
        streams = lab.live().streams
        assert streams["i", "tier1"].captured_at == opened
        assert streams["h", "tier1"].verified_at == opened
        (name,) = (name for name in points.point_names(lab.repository) if sealed.id in name)
        assert points.read_statement(lab.repository, name)[0].sealed_at == captured

    def test_half_written_is_not_written(self, file_lab: Lab) -> None:
        """The system cuts a put in the middle; what is there is less than a pack and no pack."""
        first = file_lab.run(HOSTS).id
        assert first is not None
        before = file_lab.names()
        big = random.Random(7).randbytes(200_000)
        source = MemorySource({**FILES, "/etc/app/big": big})
        receiver, sender = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
                file_lab.runs = iter([77])
                file_lab.run(source)
            except FullError as e:
                os.write(sender, str(e).encode())
            finally:
                os._exit(0)
        os.close(sender)
        with os.fdopen(receiver) as pipe:
            text = pipe.read()
        os.waitpid(pid, 0)
        for said in ("File too large", "host h", "packs/d0090/h/tier1/", "Make room or raise the quota"):
            assert said in text
        assert file_lab.names() == before
        holds_what_was_sealed(file_lab, first)
        file_lab.runs = iter([78])
        assert file_lab.run(source).complete
        assert file_lab.contents()["/etc/app/big"] == big


class TestKeys:
    """Halves in two hands, and the wrong ones."""

    @pytest.fixture
    def sealed(self, lab: Lab) -> Lab:
        lab.run(HOSTS)
        return lab

    @staticmethod
    def half(lab: Lab, keys: Path, name: str, tmp_path: Path) -> Lab:
        shutil.copytree(keys / name, tmp_path / f"only-{name}" / name)
        return dataclasses.replace(lab, keyring=LocalKeyring(tmp_path / f"only-{name}"))

    def test_another_keyring_opens_nothing(self, sealed: Lab, other_keys: Path) -> None:
        other = dataclasses.replace(sealed, keyring=LocalKeyring(other_keys))
        with pytest.raises(WrongKeyError) as caught:
            other.contents()
        assert "d00" in str(caught.value)
        assert str(other_keys / "open") in str(caught.value)

    def test_another_keyring_seals_nothing(self, sealed: Lab, other_keys: Path) -> None:
        other = dataclasses.replace(sealed, keyring=LocalKeyring(other_keys))
        before = sealed.names()
        with pytest.raises(KeyMissingError) as caught:
            other.open(other.folder())
        assert str(other_keys / "seal") in str(caught.value)
        assert sealed.names() == before

    def test_a_point_signed_by_another_keyring_is_not_put(self, sealed: Lab, other_keys: Path) -> None:
        """Opened with the right half, sealed with a wrong one: told, not believed and forgotten."""
        folder = sealed.folder()
        sealed.open(folder)
        sealed.snapshot(folder, MemorySource(FILES))
        other = dataclasses.replace(sealed, keyring=LocalKeyring(other_keys))
        with pytest.raises(WrongKeyError) as caught:
            other.seal(folder)
        assert "seal half" in str(caught.value)
        assert len(sealed.names("points/")) == 1
        assert sealed.seal(folder).complete

    def test_the_seal_half_backs_up_and_cannot_restore(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        operator = self.half(sealed, keys, "seal", tmp_path)
        assert operator.run(HOSTS).complete
        with pytest.raises(KeyMissingError) as caught:
            operator.restore(tmp_path / "target")
        for said in ("the open half of the keyring is not here", str(tmp_path / "only-seal/open"), "Run this where"):
            assert said in str(caught.value)
        assert not (tmp_path / "target").exists()

    def test_the_open_half_restores_and_cannot_back_up(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        restorer = self.half(sealed, keys, "open", tmp_path)
        restored = restorer.restore(tmp_path / "target")
        assert restored.entries == 3
        assert restored.record is not None
        with pytest.raises(KeyMissingError) as caught:
            restorer.open(restorer.folder())
        for said in ("the seal half of the keyring is not here", str(tmp_path / "only-open/seal"), "Run this where"):
            assert said in str(caught.value)

    def test_no_identity_for_a_class_and_year(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        """As after the destruction of that class and year."""
        restorer = self.half(sealed, keys, "open", tmp_path)
        identities = tmp_path / "only-open/open/identities.txt"
        lines = identities.read_text().splitlines(keepends=True)
        at = next(n for n, line in enumerate(lines) if line.startswith("# d0030-2026"))
        identities.write_text("".join(lines[:at] + lines[at + 2 :]))
        with pytest.raises(KeyMissingError, match="d0030-2026"):
            restorer.contents()
        assert restorer.contents(selection=Selection(newest=True, components=("app",)))

    def test_escrow_alone_opens_every_pack(self, sealed: Lab, keys: Path) -> None:
        text = (keys / "escrow/identities.txt").read_text()
        secrets = [line for line in text.splitlines() if line.startswith("AGE-SECRET-KEY-")]
        for name in sealed.names("packs/"):
            tar = zstd.decompress(age.decrypt(sealed.store.get(name), secrets), limit=1 << 20)
            opened = pack_format.read(tar, max_members=20, max_bytes=1 << 20, what=name)
            assert all(FILES[path] == data for part in opened.components for path, data in part.contents.items())


def spread(size: int, count: int = 40) -> list[int]:
    """Places all over *size* bytes, the first and the last among them."""
    return sorted({round(number * (size - 1) / (count - 1)) for number in range(count)})


class TestDamage:
    """Any byte of any object: nothing of it is believed, the error names it, the rest stays as it was."""

    @pytest.fixture
    def sealed(self, lab: Lab, clock: Clock, tmp_path: Path) -> Lab:
        lab.run({"g": MemorySource(FILES)})
        clock.advance(hours=1)
        lab.run({"h": MemorySource(FILES)})
        lab.restore(tmp_path / "target")
        return lab

    @staticmethod
    def damages(lab: Lab, name: str) -> Iterator[int]:
        """Change a byte here, then there; the last leaves it whole."""
        (version,) = lab.memory._versions[name]
        whole = version.data
        for place in spread(len(whole)):
            version.data = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
            yield place
        version.data = whole

    @staticmethod
    def object_of(lab: Lab, kind: str) -> str:
        entry = lab.live().streams["h", "tier1"]
        if kind in ("packs", "manifests"):
            return entry.pack.name if kind == "packs" else entry.manifest.name
        return lab.names(f"{kind}/")[-1]

    @pytest.mark.parametrize("kind", ["packs", "manifests"])
    def test_of_a_snapshot(self, sealed: Lab, kind: str) -> None:
        name = self.object_of(sealed, kind)
        for place in self.damages(sealed, name):
            with pytest.raises(IntegrityError) as caught:
                sealed.contents("h")
            assert (place, name in str(caught.value)) == (place, True)
            assert caught.value.remedy
            assert sealed.contents("g") == FILES
            assert sealed.contents("h", Selection(newest=True, components=("base",)))
        assert {f.item for f in problems(sealed.verify())} == set()

    @pytest.mark.parametrize("kind", ["bodies", "points"])
    def test_of_a_point(self, sealed: Lab, kind: str) -> None:
        name = self.object_of(sealed, kind)
        point = self.object_of(sealed, "points")
        for _place in self.damages(sealed, name):
            with pytest.raises(IntegrityError) as caught:
                points.read_point(sealed.repository, point)
            assert name in str(caught.value)
            live = sealed.live()
            assert {host for host, _stream in live.streams} == {"g"}
            (warning,) = live.warnings
            assert name in warning
            assert sealed.contents("g") == FILES
        assert sealed.contents("h") == FILES

    def test_of_the_root(self, sealed: Lab) -> None:
        name = self.object_of(sealed, "root")
        for _place in self.damages(sealed, name):
            with pytest.raises(IntegrityError) as caught:
                open_repository(sealed.store, pin=sealed.repository.root.id)
            assert name in str(caught.value)
        assert open_repository(sealed.store, pin=sealed.repository.root.id).root == sealed.repository.root

    def test_of_a_record(self, sealed: Lab) -> None:
        name = self.object_of(sealed, "records")
        for _place in self.damages(sealed, name):
            report = verify(sealed.repository, level=Level.SIGNATURES)
            assert ([f.item for f in problems(report)], report.records) == ([name], 0)
        assert sealed.verify().records == 1

    @pytest.mark.parametrize("kind", ["packs", "manifests", "bodies", "points", "records", "root"])
    def test_verify_finds_the_first_and_the_last_byte(self, sealed: Lab, kind: str) -> None:
        name = self.object_of(sealed, kind)
        (version,) = sealed.memory._versions[name]
        whole = version.data
        for damaged in (whole[1:], whole[:-1], whole + b"\0", b"\0" + whole, b""):
            version.data = damaged
            assert name in {f.item for f in problems(sealed.verify(Level.CONTENT))}

    @pytest.mark.parametrize("kind", ["points", "root"])
    def test_of_what_is_signed_under_a_name_that_fits(self, sealed: Lab, kind: str) -> None:
        """Whoever can put can name the damaged bytes rightly; the signature or the pin is left to refuse them."""
        name = self.object_of(sealed, kind)
        data = sealed.store.get(name)
        before = sealed.live()
        for place in spread(len(data)):
            damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            renamed = name.replace(names.parse(name).sha256, hashlib.sha256(damaged).hexdigest())
            sealed.store.put_new(renamed, io.BytesIO(damaged), lock_until=LOCK)
        live = sealed.live()
        assert dataclasses.replace(live, warnings=()) == before
        assert len(live.warnings) == (len(spread(len(data))) if kind == "points" else 0)
        assert open_repository(sealed.store, pin=sealed.repository.root.id).root == sealed.repository.root
        assert sealed.contents("h") == FILES


# the checksum of BIP 173, in which age spells its keys
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def as_identity(secret: bytes) -> str:
    """Spell 32 bytes as an age identity."""
    bits = int.from_bytes(secret, "big") << 4
    values = [bits >> shift & 31 for shift in range(255, -1, -5)]
    prefix = "age-secret-key-"
    check = 1
    for value in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *values, *[0] * 6]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    check ^= 1
    values += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1{''.join(_BECH32[value] for value in values)}".upper()


def loot(*folders: Path) -> list[bytes]:
    """Everything that a thief of these folders has, what is compressed also as what it holds."""
    files = [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    frames = [data for data in files if data.startswith(b"\x28\xb5\x2f\xfd")]
    return files + [zstd.decompress(data, limit=1 << 24) for data in frames]


def secrets_in(files: list[bytes]) -> list[str]:
    """All that may be an age identity: such text, and every 32 bytes in hex or base64."""
    found = set()
    for data in files:
        found |= {match.decode() for match in re.findall(rb"AGE-SECRET-KEY-1[A-Z0-9]{58}", data)}
        found |= {as_identity(bytes.fromhex(match.decode())) for match in re.findall(rb"\b[0-9a-f]{64}\b", data)}
        for match in re.findall(rb"[A-Za-z0-9+/]{43,}={0,2}", data):
            plain = base64.b64decode(match + b"=" * (-len(match) % 4))
            found.add(as_identity(plain[-32:]))
    return sorted(found)


def opens(files: list[bytes], packs: list[bytes]) -> int:
    """How many packs open with anything that is in the files."""
    identities = []
    for text in secrets_in(files):
        try:
            age.recipient_of(text)
        except FormatError:
            continue
        identities.append(text)
    count = 0
    for data in packs:
        try:
            age.decrypt(data, identities)
            count += 1
        except WrongKeyError:
            pass
    return count


class TestPromiseTwo:
    """Who backs up cannot read back."""

    def test_a_test_identity_is_spelled_right(self) -> None:
        secret, recipient = age.generate()
        bits = 0
        for character in secret.lower().removeprefix("age-secret-key-1")[:52]:
            bits = bits << 5 | _BECH32.index(character)
        plain = (bits >> 4).to_bytes(32, "big")
        assert as_identity(plain) == secret
        assert age.recipient_of(as_identity(plain)) == recipient

    def test_a_thief_of_all_that_the_operator_has_opens_nothing(
        self, file_lab: Lab, real_keys: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(real_keys / "seal", tmp_path / "operator" / "seal")
        operator = dataclasses.replace(file_lab, keyring=LocalKeyring(tmp_path / "operator"))
        operator.run(HOSTS)
        folder = operator.folder()
        operator.open(folder)
        operator.snapshot(folder, MemorySource({**FILES, "/etc/base": b"drifted"}))
        has = (tmp_path / "operator", tmp_path / "store", operator.state_dir)
        packs = [path.read_bytes() for path in (tmp_path / "store/packs").rglob("*@*")]
        assert len(packs) == 3

        def robbed() -> None:
            files = loot(*has)
            assert not any(b"AGE-SECRET-KEY" in data.upper() for data in files)
            assert len(secrets_in(files)) > 10
            assert opens(files, packs) == 0

        robbed()
        operator.seal(folder)
        robbed()
        # the search would find a key: the escrow and, with what they wrap, the open half
        assert opens(loot(*has, real_keys / "escrow"), packs) == 3
        wrapped = self.unwrapped(file_lab)
        assert opens([*loot(*has), *wrapped], packs) == 3
        assert opens([as_hex.hex().encode() for as_hex in map(self.plain, wrapped)], packs) == 3

    @staticmethod
    def unwrapped(lab: Lab) -> list[bytes]:
        """The identity of every pack, as the open half gives it."""
        found = []
        for name in lab.names("manifests/"):
            manifest = manifest_format.read(lab.store.get(name), what=name)
            found.append(open_snapshot.unwrap(lab.repository.chain, lab.keyring, manifest).encode())
        return found

    @staticmethod
    def plain(identity: bytes) -> bytes:
        bits = 0
        for character in identity.decode().lower().removeprefix("age-secret-key-1")[:52]:
            bits = bits << 5 | _BECH32.index(character)
        return (bits >> 4).to_bytes(32, "big")

    def test_content_is_nowhere_but_in_packs(self, file_lab: Lab, real_keys: Path, tmp_path: Path) -> None:
        canary = "canary-3f9c51d2b7"
        site = HostSite(tmp_path / "host")
        site.write("/etc/app/main.conf", f"password = {canary}\n".encode() * 3)
        site.write("/etc/base", canary.encode())
        said: list[str] = []

        def note(outcome: object) -> None:
            said.append(f"{outcome!r} {outcome}")

        def failing(attempt: Callable[[], object], kind: type[Exception]) -> None:
            with pytest.raises(kind) as caught:
                attempt()
            error: BaseException | None = caught.value
            while error is not None:
                note((error, error.args, str(error), getattr(error, "details", None)))
                error = error.__cause__ or error.__context__

        folder = file_lab.folder()
        note(file_lab.open(folder))
        note(file_lab.snapshot(folder, site.source))
        note(file_lab.seal(folder))
        note(file_lab.live())
        for level in Level:
            note(verify(file_lab.repository, level=level, keyring=file_lab.keyring))
        note(file_lab.restore(tmp_path / "target"))

        def tampering(half: str, request: t.Any, payload: bytes = b"") -> str:
            answer = near_trip(half, request, payload)
            if half == "apply":
                (tmp_path / "other/etc/base").write_text(f"{canary} changed")
            return answer

        failing(lambda: file_lab.restore(tmp_path / "other", trip=tampering), MismatchError)
        site.write("/etc/app/main.conf", f"new {canary}".encode())

        def refuse(_call: int, operation: str, name: str) -> None:
            if operation == "put":
                raise DeniedError("cannot put", item=name)

        again = file_lab.folder()
        file_lab.open(again)
        failing(
            lambda: file_lab.on(FaultyStore(file_lab.store, before=refuse)).snapshot(again, site.source), StoreError
        )
        failing(lambda: file_lab.seal(again), RunError)
        for path in (tmp_path / "store/packs").rglob("*@*"):
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-1])
        note(file_lab.verify())
        failing(lambda: file_lab.restore(tmp_path / "third"), IntegrityError)
        assert len(said) >= 14
        assert canary not in "".join(said)
        for data in loot(tmp_path / "store", file_lab.state_dir, real_keys):
            assert canary.encode() not in data
        # the search would find it
        assert any(canary.encode() in data for data in loot(tmp_path / "target"))


class TestLaterVersions:
    """What a newer collection wrote is refused as that, not taken for damage."""

    @pytest.fixture
    def newer(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., t.Any]], Callable[..., t.Any]]:
        """Make a function write in the next format."""

        def newer(write: Callable[..., t.Any]) -> Callable[..., t.Any]:
            def written(*args: t.Any, **more: t.Any) -> t.Any:
                with monkeypatch.context() as patch:
                    patch.setattr(canonical, "FORMAT", 2)
                    return write(*args, **more)

            return written

        return newer

    @staticmethod
    def refused(attempt: Callable[[], object], name: str) -> None:
        with pytest.raises(UnknownVersionError) as caught:
            attempt()
        for said in (name, "has another format version than 1", "newer holdfast.config"):
            assert said in str(caught.value)

    def test_root(self, lab: Lab, newer: Callable[..., Callable[..., bytes]]) -> None:
        draft = dataclasses.replace(lab.repository.root, created=START)
        payload = newer(root_format.payload)(draft)
        data = envelope_of(lab.keyring, root_format.PAYLOAD_TYPE, payload, use="point")
        name = names.for_root(1, data)
        later = MemoryStore(now=Clock())
        objects.put(later, name, data, lock_until=LOCK)
        pin = hashlib.sha256(data).hexdigest()
        self.refused(lambda: open_repository(later, pin=pin), name)
        # nor is a second first root made beside it
        self.refused(lambda: Lab.make(lab.path, later, lab.keyring._path, lab.wall_clock), name)
        assert [listed.name for listed in later.list()] == [name]

    def test_statement(self, lab: Lab) -> None:
        lab.run(HOSTS)
        name = Forge(lab).put(payload=lambda data: data.replace(b'"format":1', b'"format":2'))
        self.refused(lambda: points.read_point(lab.repository, name), name)
        (warning,) = lab.live().warnings
        assert "newer holdfast.config" in warning

    def test_body(self, lab: Lab, newer: Callable[..., Callable[..., bytes]]) -> None:
        lab.run(HOSTS)
        name = Forge(lab).put(spelled=newer(body_format.write))
        self.refused(lambda: points.read_point(lab.repository, name), "bodies/")
        (warning,) = lab.live().warnings
        assert "newer holdfast.config" in warning

    def test_manifest(
        self, lab: Lab, newer: Callable[..., Callable[..., bytes]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(manifest_format, "write", newer(manifest_format.write))
            lab.run(HOSTS)
        self.refused(lab.contents, "manifests/")
        found = problems(lab.verify())
        assert len(found) == 2
        assert all("newer holdfast.config" in finding.remedy for finding in found)

    def test_pack(self, lab: Lab, newer: Callable[..., Callable[..., t.Any]], monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(pack_format, "write", newer(pack_format.write))
            lab.run(HOSTS)
        self.refused(lab.contents, "packs/")
        assert all("newer holdfast.config" in finding.remedy for finding in problems(lab.verify()))

    def test_record(
        self, lab: Lab, newer: Callable[..., Callable[..., bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        lab.run(HOSTS)
        with monkeypatch.context() as patch:
            patch.setattr(record_format, "payload", newer(record_format.payload))
            record = lab.restore(tmp_path / "target").record
        # that it begins, and how it ended
        found = problems(lab.verify())
        assert len(found) == 2
        assert record in [one.item for one in found]
        assert all("has another format version than 1" in one.problem for one in found)
        assert all("newer holdfast.config" in one.remedy for one in found)
