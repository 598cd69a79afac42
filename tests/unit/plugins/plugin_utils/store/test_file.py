# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import io
import itertools
import os
import resource
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import traceback
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CorruptError,
    DeniedError,
    FullError,
    ObjectMissingError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore

from .conformance import put

NAME = "packs/d0030/web01/main/1.age"
FOLDER = Path("packs/d0030/web01/main")
LOCK = dt.datetime(2199, 1, 1, tzinfo=dt.UTC)
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore.create(tmp_path / "store")


def put_late(store: FileStore, name: str, data: bytes) -> str:
    return store.put_new(name, io.BytesIO(data), lock_until=LOCK).version


def files(store: FileStore, folder: str | Path = ".") -> list[str]:
    below = store.root / folder
    return sorted(str(path.relative_to(below)) for path in below.rglob("*") if not path.is_dir())


def in_child(work: Callable[[], object]) -> int:
    """Run *work* in a forked process; return its exit status, negative for a signal as subprocess does."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def failing(call: t.Any, number: int, *, after: int = 0) -> t.Any:
    """Return *call*, which from its call *after* on fails with the error *number*."""
    calls = itertools.count()

    @functools.wraps(call)
    def fail(*args: t.Any, **kwargs: t.Any) -> t.Any:
        if next(calls) >= after:
            raise OSError(number, os.strerror(number))
        return call(*args, **kwargs)

    return fail


def test_version_and_lock_are_in_the_files_name(store: FileStore) -> None:
    version = put_late(store, NAME, b"sealed")
    assert files(store) == [f"{NAME}@{version}"]
    assert version.startswith("21990101T000000Z.")
    assert (store.root / f"{NAME}@{version}").read_bytes() == b"sealed"


def test_only_the_owner_reads_and_nobody_writes(store: FileStore) -> None:
    version = put_late(store, NAME, b"sealed")
    store.hold(NAME, version, on=True)
    modes = {
        str(path.relative_to(store.root)): stat.S_IMODE(path.stat().st_mode)
        for path in (store.root, *store.root.rglob("*"))
    }
    assert modes == {
        ".": 0o700,
        ".incoming": 0o700,
        "packs": 0o700,
        "packs/d0030": 0o700,
        "packs/d0030/web01": 0o700,
        str(FOLDER): 0o700,
        f"{NAME}@{version}": 0o400,
        f"{NAME}@{version}.hold": 0o400,
    }


def test_file_is_private_while_it_is_written(store: FileStore) -> None:
    seen: list[int] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.extend(stat.S_IMODE(path.stat().st_mode) for path in (store.root / ".incoming").iterdir())
            return super().read(size)

    store.put_new(NAME, Watching(b"sealed"), lock_until=LOCK)
    assert set(seen) == {0o600}


def test_clock_and_probe_leave_nothing(store: FileStore) -> None:
    store.clock()
    store.probe()
    assert files(store) == []


def test_clock_is_the_file_systems(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    create = os.open

    def elsewhere(path: t.Any, flags: int, *args: t.Any, **kwargs: t.Any) -> int:
        fd = create(path, flags, *args, **kwargs)
        if flags & os.O_CREAT:
            os.utime(fd, ns=(0, 4_000_000_000_123_456_789))  # the server lives in 2096
        return fd

    monkeypatch.setattr(os, "open", elsewhere)
    moment = dt.datetime(2096, 10, 2, 7, 6, 40, 123_456, tzinfo=dt.UTC)
    assert store.clock() == moment
    with pytest.raises(StoreError, match="is past"):
        store.put_new(NAME, io.BytesIO(b"x"), lock_until=dt.datetime(2090, 1, 1, tzinfo=dt.UTC))
    put_late(store, NAME, b"")
    assert store.head(NAME).modified == moment


def test_newest_is_the_last_modified_and_ties_go_by_version(store: FileStore) -> None:
    versions = sorted(put_late(store, NAME, data) for data in (b"1", b"2", b"3"))
    for version in versions:
        os.utime(store.root / f"{NAME}@{version}", ns=(10**18, 10**18))
    assert [listed.version for listed in store.list()] == versions
    assert store.head(NAME).version == versions[-1]
    os.utime(store.root / f"{NAME}@{versions[0]}", ns=(10**18, 10**18 + 1))
    assert store.head(NAME).version == versions[0]
    assert [listed.version for listed in store.list()] == [*versions[1:], versions[0]]


def test_a_lock_that_has_ended_changes_nothing_for_reading(store: FileStore) -> None:
    version = put_late(store, NAME, b"sealed")
    ended = "20200101T000000Z.0123456789abcdef"
    os.rename(store.root / f"{NAME}@{version}", store.root / f"{NAME}@{ended}")
    assert store.get(NAME) == b"sealed"
    assert store.head(NAME, version=ended).lock_until == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def test_what_is_not_a_version_is_passed_over(store: FileStore) -> None:
    version = put_late(store, NAME, b"sealed")
    folder = store.root / FOLDER
    for stray in (
        "README",
        "1.age",
        "1.age@",
        f"1.age@{version}.hold",
        f"1.age@{version}x",
        f"1.age@{version}.part",
        "1.age@20261399T000000Z.0123456789abcdef",
        "1.age@21990101T000000Z.0123456789ABCDEF",
        f"a b@{version}",
        f"@{version}",
        f"a@b@{version}",
    ):
        (folder / stray).write_bytes(b"stray")
    (store.root / "lost+found").mkdir()
    os.mkfifo(store.root / "fifo")
    os.symlink("/", store.root / "not a name")
    assert [(listed.name, listed.version, listed.held) for listed in store.list()] == [(NAME, version, True)]
    assert store.get(NAME) == b"sealed"


@pytest.mark.parametrize("size", [5_000_000, 1_000_001])
def test_no_room_left_by_a_real_limit(store: FileStore, size: int) -> None:
    acknowledged = put_late(store, NAME, b"kept")

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        with pytest.raises(FullError, match="File too large"):
            put_late(store, NAME, b"x" * size)
        put_late(store, "small", b"x" * 1_000_000)

    assert in_child(limited) == 0
    assert files(store, ".incoming") == []
    assert [(listed.name, listed.size) for listed in store.list()] == [(NAME, 4), ("small", 1_000_000)]
    assert store.get(NAME, version=acknowledged) == b"kept"


@pytest.mark.parametrize(
    ("call", "after"), [("write", 0), ("write", 2), ("fsync", 0), ("link", 0), ("mkdir", 1), ("open", 3)]
)
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, FullError),
        (errno.EDQUOT, FullError),
        (errno.EFBIG, FullError),
        (errno.EIO, UnavailableError),
        (errno.ESTALE, UnavailableError),
        (errno.EROFS, DeniedError),
        (errno.EACCES, DeniedError),
        (errno.ENAMETOOLONG, StoreError),
    ],
)
def test_put_that_fails_leaves_nothing(
    store: FileStore, call: str, after: int, number: int, kind: type[StoreError]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, failing(getattr(os, call), number, after=after))
        with pytest.raises(StoreError) as caught:
            put_late(store, NAME, bytes(3 << 20))
    assert caught.value.__class__ is kind
    assert caught.value.item == NAME
    assert os.strerror(number) in caught.value.message
    assert files(store) == []
    assert list(store.list()) == []
    put_late(store, NAME, b"now")
    assert store.get(NAME) == b"now"


@pytest.mark.parametrize("piece", [1, 1000, 65536])
def test_short_writes_are_completed(store: FileStore, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:piece]))
    data = bytes(range(256)) * 20
    put_late(store, NAME, data)
    assert store.get(NAME) == data


def test_bytes_missing_after_the_link_are_found_out(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # a file system that says it wrote and did not
    monkeypatch.setattr(os, "write", lambda fd, data: len(data))
    with pytest.raises(CorruptError, match="0 of 6 bytes"):
        put_late(store, NAME, b"sealed")


def test_a_version_that_exists_is_never_replaced(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "7" * 2 * size)
    version = put_late(store, NAME, b"first")
    with pytest.raises(StoreError):
        put_late(store, NAME, b"second")
    assert store.get(NAME, version=version) == b"first"
    assert files(store) == [f"{NAME}@{version}"]


def test_a_leftover_that_cannot_be_removed_does_not_undo_a_put(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = os.unlink
    # the first is that of the clock's probe file
    monkeypatch.setattr(os, "unlink", failing(unlink, errno.EIO, after=1))
    put_late(store, NAME, b"sealed")
    assert store.get(NAME) == b"sealed"
    assert len(files(store, ".incoming")) == 1
    assert len(list(store.list())) == 1


def test_faults_while_listing_are_store_errors(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/x", "b/x", "c/x"):
        put_late(store, name, b"x")
    items = store.list()
    assert next(items).name == "a/x"
    monkeypatch.setattr(os, "scandir", failing(os.scandir, errno.EIO))
    with pytest.raises(UnavailableError):
        list(items)


def test_a_bug_shows_as_one(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", None)
        with pytest.raises(TypeError):
            list(store.list())
    with pytest.raises(io.UnsupportedOperation), open(os.devnull, "wb") as write_only:
        store.put_new(NAME, t.cast("t.BinaryIO", write_only), lock_until=LOCK)
    assert files(store) == []


def test_root_that_is_gone(store: FileStore) -> None:
    put_late(store, NAME, b"x")
    shutil.rmtree(store.root)
    for call in (
        store.clock,
        store.probe,
        lambda: store.get(NAME),
        lambda: store.head(NAME),
        lambda: list(store.list()),
        lambda: put_late(store, NAME, b"x"),
    ):
        with pytest.raises(UnavailableError, match="state=present") as caught:
            call()
        assert store.location in caught.value.message
    assert not store.root.exists()


def test_bytes_are_durable_before_the_name_and_folders_before_the_answer(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, t.Any]] = []
    fsync, link, mkdir, fchmod = os.fsync, os.link, os.mkdir, os.fchmod

    def watched_fsync(fd: int) -> None:
        status = os.fstat(fd)
        steps.append(("fsync", status.st_ino))
        fsync(fd)

    def watched_link(*args: t.Any, **kwargs: t.Any) -> None:
        link(*args, **kwargs)
        steps.append(("link", os.stat(args[0], dir_fd=kwargs["src_dir_fd"]).st_ino))

    def watched_mkdir(path: str, mode: int, *, dir_fd: int) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        steps.append(("mkdir", os.fstat(dir_fd).st_ino))

    def watched_fchmod(fd: int, mode: int) -> None:
        fchmod(fd, mode)
        steps.append(("fchmod", os.fstat(fd).st_ino))

    for name, watched in (
        ("fsync", watched_fsync),
        ("link", watched_link),
        ("mkdir", watched_mkdir),
        ("fchmod", watched_fchmod),
    ):
        monkeypatch.setattr(os, name, watched)
    store.clock()  # makes .incoming
    steps.clear()
    for made in (True, False):
        version = put_late(store, NAME, b"sealed")
        bytes_of = (store.root / f"{NAME}@{version}").stat().st_ino
        inodes = [(store.root / path).stat().st_ino for path in reversed([FOLDER, *FOLDER.parents])]
        expected: list[tuple[str, int]] = [("fchmod", bytes_of), ("fsync", bytes_of)]
        for above in inodes[:-1]:
            # also where the folder was there: the process that made it may not have come to its own fsync
            expected += [("mkdir", above), ("fsync", above)] if made else [("fsync", above)]
        expected += [("link", bytes_of), ("fsync", inodes[-1])]
        assert [step for step in steps if step != ("mkdir", store.root.stat().st_ino)] == [
            step for step in expected if step != ("mkdir", store.root.stat().st_ino)
        ]
        steps.clear()


STEPS = ("open", "mkdir", "write", "fchmod", "fsync", "link", "unlink")


def die_at(step: int, *, after: bool) -> None:
    """Make this process kill itself before, or after, its call number *step* of those that a put makes."""
    calls = itertools.count()

    def wrap(call: t.Any) -> t.Any:
        @functools.wraps(call)
        def counted(*args: t.Any, **kwargs: t.Any) -> t.Any:
            mine = next(calls) == step
            if mine and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*args, **kwargs)
            finally:
                if mine:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["packs/d0030/web01/main/1.age", "old/1.age"])
def test_killed_at_any_step(tmp_path: Path, name: str, after: bool) -> None:
    data = bytes(range(256)) * 8192  # two chunks
    seen = set()
    for step in itertools.count():
        store = FileStore.create(tmp_path / str(step))
        acknowledged = put_late(store, "old/1.age", b"old")
        ready, tell = os.pipe()

        def put_and_tell(store: FileStore = store, step: int = step, tell: int = tell) -> None:
            answer = os.write
            die_at(step, after=after)
            put_late(store, name, data)
            answer(tell, b"stored")

        status = in_child(put_and_tell)
        os.close(tell)
        with open(ready, "rb") as answers:
            told = answers.read() == b"stored"
        survivor = FileStore(store.root)
        new = [listed for listed in survivor.list() if listed.version != acknowledged]
        assert survivor.get("old/1.age", version=acknowledged) == b"old"
        assert [(listed.name, listed.lock_until, survivor.get(name, version=listed.version)) for listed in new] in (
            [(name, LOCK, data)],
            [] if not told else None,
        )
        seen.add((told, len(new)))
        # nothing stands in the way of the next run, and what is left behind is swept after a day
        put_late(survivor, name, b"next")
        for leftover in (survivor.root / ".incoming").iterdir():
            os.utime(leftover, (0, 0))
        survivor.probe()
        assert files(survivor, ".incoming") == []
        assert len(list(survivor.list())) == len(new) + 2
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert seen == {(False, 0), (False, 1), (True, 1)}


def test_half_written_is_not_listed_and_swept_only_when_old(store: FileStore) -> None:
    put_late(store, NAME, b"x")
    young, old, aside = (store.root / ".incoming" / name for name in ("young", "old", "aside"))
    for path in (young, old):
        path.write_bytes(b"half")
    aside.mkdir()
    now = store.clock().timestamp()
    os.utime(young, (now - 86_000, now - 86_000))
    os.utime(old, (now - 86_500, now - 86_500))
    os.utime(aside, (0, 0))
    assert [listed.name for listed in store.list()] == [NAME]
    store.probe()
    assert sorted(path.name for path in (store.root / ".incoming").iterdir()) == ["aside", "young"]


@pytest.fixture
def read_only() -> Iterator[FileStore]:
    """Yield a store that a process without privileges reads and cannot write."""
    folder = Path(tempfile.mkdtemp())  # not tmp_path, whose parents are closed to others
    try:
        folder.chmod(0o755)
        store = FileStore.create(folder / "store")
        put_late(store, NAME, b"sealed")
        for path in (store.root, *store.root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield store
    finally:
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


def without_privileges(work: Callable[[], None]) -> int:
    def drop() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        work()

    return in_child(drop)


def test_what_may_be_done_is_what_the_folders_allow_this_user(store: FileStore, read_only: FileStore) -> None:
    put(store, NAME, b"sealed")
    before = files(store)
    assert (store.may_put("points/x/y"), store.may_delete(f"{NAME}x")) == (True, True)
    assert files(store) == before

    def work() -> None:
        assert (read_only.may_put("points/x/y"), read_only.may_delete(f"{NAME}x")) == (False, False)

    assert without_privileges(work) == 0


def test_read_only_root_reads_and_says_denied(read_only: FileStore) -> None:
    def work() -> None:
        assert read_only.get(NAME) == b"sealed"
        assert [listed.name for listed in read_only.list()] == [NAME]
        read_only.probe()
        version = read_only.head(NAME).version
        for call in (
            read_only.clock,
            lambda: put_late(read_only, NAME, b"x"),
            lambda: read_only.hold(NAME, version, on=True),
        ):
            with pytest.raises(DeniedError):
                call()

    assert without_privileges(work) == 0
    assert len(files(read_only)) == 1


def test_unreadable_folder_is_denied_and_not_taken_for_empty(read_only: FileStore) -> None:
    (read_only.root / "packs").chmod(0o000)

    def work() -> None:
        for call in (lambda: list(read_only.list()), lambda: read_only.get(NAME), lambda: read_only.head(NAME)):
            with pytest.raises(DeniedError):
                call()

    assert without_privileges(work) == 0


@pytest.mark.parametrize("linked", ["packs", "packs/d0030", str(FOLDER)])
@pytest.mark.parametrize("dangling", [False, True])
def test_symlinked_folders_are_not_followed(store: FileStore, tmp_path: Path, linked: str, dangling: bool) -> None:
    elsewhere = tmp_path / "elsewhere"
    version = put_late(store, NAME, b"sealed")
    os.rename(store.root / linked, elsewhere)
    if dangling:
        shutil.rmtree(elsewhere)
    os.symlink(elsewhere, store.root / linked)
    before = sorted(elsewhere.rglob("*"))
    for call in (
        lambda: store.get(NAME),
        lambda: store.get(NAME, version=version),
        lambda: store.head(NAME),
        lambda: store.hold(NAME, version, on=True),
        lambda: list(store.list()),
        lambda: list(store.list(NAME)),
        lambda: put_late(store, NAME, b"other"),
    ):
        with pytest.raises(CorruptError, match="has a symlink"):
            call()
    assert sorted(elsewhere.rglob("*")) == before
    assert files(store, ".incoming") == []
    assert list(store.list("other/")) == []


def test_a_symlink_beside_the_prefix_stops_nobody(store: FileStore) -> None:
    put_late(store, "a/x/1", b"x")
    os.symlink("/", store.root / "a" / "link")
    assert [listed.name for listed in store.list("a/x")] == ["a/x/1"]
    assert store.get("a/x/1") == b"x"
    with pytest.raises(CorruptError, match="a/link"):
        list(store.list("a/"))


def test_symlinked_file_is_not_read(store: FileStore, tmp_path: Path) -> None:
    version = put_late(store, NAME, b"sealed")
    path = store.root / f"{NAME}@{version}"
    secret = tmp_path / "secret"
    secret.write_bytes(b"not the store's")
    path.unlink()
    os.symlink(secret, path)
    for call in (
        lambda: store.get(NAME),
        lambda: store.get(NAME, version=version),
        lambda: store.head(NAME),
        lambda: list(store.list()),
    ):
        with pytest.raises(CorruptError):
            call()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_special_file_in_place_of_a_version(store: FileStore, make: Callable[[Path], None]) -> None:
    version = put_late(store, NAME, b"sealed")
    path = store.root / f"{NAME}@{version}"
    path.unlink()
    make(path)
    for call in (lambda: store.get(NAME, version=version), lambda: store.head(NAME), lambda: list(store.list())):
        with pytest.raises(CorruptError):
            call()


def test_symlinked_incoming_is_not_written(store: FileStore, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.symlink(elsewhere, store.root / ".incoming")
    for call in (store.clock, store.probe, lambda: put_late(store, NAME, b"x")):
        with pytest.raises(CorruptError):
            call()
    assert list(elsewhere.iterdir()) == []


def test_root_may_be_reached_by_a_symlink(store: FileStore, tmp_path: Path) -> None:
    os.symlink(store.root, tmp_path / "link")
    put_late(FileStore(tmp_path / "link"), NAME, b"x")
    assert store.get(NAME) == b"x"


def test_nothing_but_a_version_is_read_by_version(store: FileStore) -> None:
    version = put_late(store, NAME, b"sealed")
    store.hold(NAME, version, on=True)
    (store.root / f"{NAME}@").mkdir()
    for other in (f"{version}.hold", f"/../1.age@{version}", f"/../../../../../{NAME}@{version}"):
        with pytest.raises(ObjectMissingError):
            store.get(NAME, version=other)


def test_hold_never_writes_through_a_symlink(store: FileStore, tmp_path: Path) -> None:
    version = put_late(store, NAME, b"sealed")
    target = tmp_path / "target"
    os.symlink(target, store.root / f"{NAME}@{version}.hold")
    store.hold(NAME, version, on=True)
    assert store.head(NAME).held
    assert not target.exists()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_probe_refuses_a_file_system_without_hard_links(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", failing(os.link, number))
    with pytest.raises(StoreError, match="no hard links") as caught:
        store.probe()
    assert caught.value.__class__ is StoreError
    assert files(store) == []


def test_probe_refuses_a_file_system_whose_link_replaces(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def replace(first: str, second: str, **dirs: t.Any) -> None:
        shutil.copyfile(f"/dev/fd/{dirs['src_dir_fd']}/{first}", f"/dev/fd/{dirs['dst_dir_fd']}/{second}")

    monkeypatch.setattr(os, "link", replace)
    with pytest.raises(StoreError, match="replaces a name"):
        store.probe()
    assert files(store) == []


def test_create_is_durable_private_and_may_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    root = tmp_path / "a" / "b"
    FileStore.create(root)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert set(synced) == {tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino}
    put_late(FileStore.create(root), NAME, b"x")
    assert FileStore.create(root).get(NAME) == b"x"


def test_create_over_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError):
            FileStore.create(root)


def test_writers_of_one_name_at_once_lose_nothing(store: FileStore) -> None:
    writers, puts = 4, 12
    children = []
    for writer in range(writers):
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                for number in range(puts):
                    put_late(store, NAME, f"{writer}:{number}".encode() * 1000)
                status = 0
            os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * writers
    found = {store.get(NAME, version=listed.version) for listed in store.list()}
    assert found == {f"{writer}:{number}".encode() * 1000 for writer in range(writers) for number in range(puts)}
    assert len(list(store.list())) == writers * puts
    assert files(store, ".incoming") == []


def test_removed_while_listing_is_passed_over(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "a/1", b"x")
    put(store, "a/2", b"x")
    put(store, "b/1", b"x")
    scandir = os.scandir

    removed = next((store.root / "a").glob("1@*"))

    @contextlib.contextmanager
    def removing(fd: int) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(fd) as iterator:
            entries = list(iterator)
        removed.unlink(missing_ok=True)
        yield entries

    monkeypatch.setattr(os, "scandir", removing)
    items = store.list()
    assert next(items).name == "a/2"
    monkeypatch.setattr(os, "scandir", scandir)
    shutil.rmtree(store.root / "b")
    assert list(items) == []
    with pytest.raises(ObjectMissingError):
        store.get("b/1")


# -- expiry


def put_until(store: FileStore, name: str, days_ago: float, data: bytes = b"sealed") -> str:
    """A version whose lock ended so long ago, as it would be now if it had been put earlier."""
    version = put_late(store, name, data)
    ended = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)).strftime("%Y%m%dT%H%M%SZ")
    older = f"{ended}.{version.split('.')[1]}"
    os.rename(store.root / f"{name}@{version}", store.root / f"{name}@{older}")
    return older


def test_a_version_whose_lock_has_ended_may_be_removed(store: FileStore) -> None:
    version = put_until(store, NAME, 1)
    store.expire(NAME, version)
    assert files(store) == []
    with pytest.raises(ObjectMissingError):
        store.get(NAME)
    # and once more
    store.expire(NAME, version)


@pytest.mark.parametrize("days_ago", [-36500, -1, -0.01])
def test_what_is_locked_is_never_removed(store: FileStore, days_ago: float) -> None:
    version = put_until(store, NAME, days_ago)
    before = files(store)
    with pytest.raises(DeniedError, match="it is locked") as caught:
        store.expire(NAME, version)
    assert caught.value.item == NAME
    assert caught.value.remedy
    assert files(store) == before


def test_the_lock_is_kept_to_its_last_second(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    version = put_late(store, NAME, b"sealed")
    monkeypatch.setattr(store, "_clock", lambda: LOCK)
    with pytest.raises(DeniedError):
        store.expire(NAME, version)
    monkeypatch.setattr(store, "_clock", lambda: LOCK + dt.timedelta(microseconds=1))
    store.expire(NAME, version)
    assert files(store) == []


def test_what_is_held_is_never_removed(store: FileStore) -> None:
    version = put_until(store, NAME, 400)
    store.hold(NAME, version, on=True)
    with pytest.raises(DeniedError, match="it is held"):
        store.expire(NAME, version)
    assert store.get(NAME) == b"sealed"
    store.hold(NAME, version, on=False)
    store.expire(NAME, version)
    assert files(store) == []


def test_no_other_version_and_no_other_name_is_touched(store: FileStore) -> None:
    old, other, new = (
        put_until(store, NAME, 2, b"old"),
        put_until(store, NAME, 1, b"other"),
        put_late(store, NAME, b"new"),
    )
    for name in (f"{NAME}x", f"{FOLDER}/2.age", "packs/d0030/web02/main/1.age"):
        put_until(store, name, 2)
    before = set(files(store))
    store.expire(NAME, old)
    assert before - set(files(store)) == {f"{NAME}@{old}"}
    assert [listed.version for listed in store.list(NAME) if listed.name == NAME] == [other, new]


@pytest.mark.parametrize("version", ["", "x", "20200101T000000Z.0123456789abcdef", "../1.age@x", "{}.hold", "{}/", "*"])
def test_nothing_but_a_version_is_removed(store: FileStore, version: str) -> None:
    held = put_until(store, NAME, 1)
    store.hold(NAME, held, on=True)
    before = files(store)
    store.expire(NAME, version.format(held))
    assert files(store) == before


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", ".incoming/x", "a//b", "a\0b"])
def test_only_names_of_objects_expire(store: FileStore, name: str) -> None:
    with pytest.raises(StoreError, match="not an object name"):
        store.expire(name, "20200101T000000Z.0123456789abcdef")


def test_expiry_follows_no_symlink(store: FileStore, tmp_path: Path) -> None:
    elsewhere = FileStore.create(tmp_path / "elsewhere")
    version = put_until(elsewhere, NAME, 1)
    os.symlink(elsewhere.root / "packs", store.root / "packs")
    with pytest.raises(CorruptError):
        store.expire(NAME, version)
    (store.root / "packs").unlink()
    (store.root / FOLDER).mkdir(parents=True)
    os.symlink(elsewhere.root / f"{NAME}@{version}", store.root / f"{NAME}@{version}")
    with pytest.raises(CorruptError):
        store.expire(NAME, version)
    assert elsewhere.get(NAME) == b"sealed"
    assert (store.root / f"{NAME}@{version}").is_symlink()


def test_expiry_is_durable_before_the_answer(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    version = put_until(store, NAME, 1)
    done: list[str] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        gone = not (store.root / f"{NAME}@{version}").exists()
        if os.fstat(fd).st_ino == (store.root / FOLDER).stat().st_ino:
            done.append("synced after it was gone" if gone else "synced before")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    store.expire(NAME, version)
    assert done == ["synced after it was gone"]


def test_expiry_of_what_somebody_else_removes_just_now(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    version = put_until(store, NAME, 1)
    clock = store._clock

    def removing() -> dt.datetime:
        (store.root / f"{NAME}@{version}").unlink(missing_ok=True)
        return clock()

    monkeypatch.setattr(store, "_clock", removing)
    store.expire(NAME, version)
    assert files(store) == []


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, DeniedError), (errno.EIO, UnavailableError)])
def test_expiry_that_fails_is_a_store_error(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreError]
) -> None:
    version = put_until(store, NAME, 1)
    unlink = os.unlink

    def failing_unlink(path: t.Any, **dirs: t.Any) -> None:
        if "@" in str(path):
            raise OSError(number, os.strerror(number))
        unlink(path, **dirs)

    monkeypatch.setattr(os, "unlink", failing_unlink)
    with pytest.raises(kind) as caught:
        store.expire(NAME, version)
    assert caught.value.item == NAME
    assert store.get(NAME) == b"sealed"


def test_expiry_killed_at_any_step(tmp_path: Path) -> None:
    """The version is there, whole, or it is not; and nothing else is gone."""
    for step in range(20):
        store = FileStore.create(tmp_path / str(step))
        version, other = put_until(store, NAME, 1), put_late(store, NAME, b"other")

        def expire(store: FileStore = store, version: str = version, step: int = step) -> None:
            die_at(step, after=False)
            store.expire(NAME, version)

        status = in_child(expire)
        left = {listed.version for listed in store.list()}
        assert left in ({version, other}, {other})
        if status == 0:
            break
        assert status == -signal.SIGKILL
        store.expire(NAME, version)
        assert [listed.version for listed in store.list()] == [other]
    assert status == 0
    assert step > 3
