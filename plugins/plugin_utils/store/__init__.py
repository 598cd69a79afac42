# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where objects are kept. Stands on errors and moments alone; knows nothing of formats and keys.

:func:`connect` is the one place where a store is put together; :mod:`.base` holds the interface and its promise.
"""

from __future__ import annotations

import datetime as dt
import mmap
import os
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import aws as _aws  # noqa: F401
from ..errors import PolicyError, UnavailableError
from .base import Store
from .wrappers import DryRunStore, GuardedStore, RetryStore

if t.TYPE_CHECKING:
    from .file import FileStore

# one byte that this process and all that are forked from it share: whether one of them has used S3
_s3_used = mmap.mmap(-1, 1)


def connect(
    url: str,
    *,
    create: bool = False,
    dry_run: bool = False,
    may_write: Callable[[], None] | None = None,
    s3: Mapping[str, t.Any] | None = None,
    context: Mapping[str, str] | None = None,
) -> Store:
    """Return the store at *url*, which retries what is transient.

    :param url: ``file:///absolute/path``, percent-encoded where needed (RFC 8089), or ``s3://bucket/prefix``.
    :param create: make the store where it is not there; without it a missing one raises UnavailableError. A bucket is
        never made here.
    :param dry_run: puts and holds stay in memory, and nothing is made.
    :param may_write: called before each put and hold; raises to stop it.
    :param s3: how to reach an S3 server, as :class:`.s3_settings.S3Settings` names it.
    :param context: what a server's own log shall name the calls by: label to text, such as run and change id.
    :raises PolicyError: the URL or a setting does not name a store of this version.
    :raises DependencyMissingError: a Python library that this store needs is not installed.
    """
    on_s3 = url.startswith("s3:")
    store = _open_s3(url, s3, context) if on_s3 else _open_file(_file_path(url), create=create, dry_run=dry_run)
    if may_write is not None:
        store = GuardedStore(store, may_write)
    # S3 calls again by itself: a page, a part
    store = store if on_s3 else RetryStore(store)
    return DryRunStore(store) if dry_run else store


def connect_expiry(url: str) -> FileStore:
    """Return the store at *url* as one whose expired objects can be removed.

    :raises PolicyError: the URL does not name a store of this version that has no expiry of its own.
    """
    from .file import FileStore

    return FileStore(_file_path(url))


def folder_of(url: str) -> Path:
    """The folder that a ``file://`` URL names; raises PolicyError where it names none."""
    return _file_path(url)


def _open_s3(url: str, settings: Mapping[str, t.Any] | None, context: Mapping[str, str] | None) -> Store:
    from .s3 import S3Store
    from .s3_settings import S3Settings, read_bucket

    store = S3Store(read_bucket(url), S3Settings(**(settings or {})), context=context)
    _s3_used[0] = 1
    return store


def _load_s3_ahead() -> None:
    """Load the S3 driver in the process that forks workers once one of them has used it: each saves 0.2 s.

    Which repository a run has only its workers read, and a run on another store is spared this.
    """
    if _s3_used[0]:
        from . import s3

        s3.load_ahead()


os.register_at_fork(before=_load_s3_ahead)


def _open_file(root: Path, *, create: bool, dry_run: bool) -> Store:
    # here, so that a run loads the driver of its repository and no other
    from .file import FileStore

    store = FileStore(root)
    if store.exists():
        return store
    if not create:
        raise UnavailableError(
            f"there is no directory at {store.location}",
            remedy="Mount it, or make the repository with repository state=present",
        )
    if dry_run:
        from .memory import MemoryStore

        return MemoryStore(store.location, now=lambda: dt.datetime.now(dt.UTC), enforced=False)
    return FileStore.create(root)


def _file_path(url: str) -> Path:
    # no message repeats the URL, nor what urlsplit says of it: a mistaken one may hold a password
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise _unusable("it is not a URL") from None
    if parts.scheme == "s3":
        raise _unusable("a server lets go of what has expired by its own lifecycle")
    if parts.scheme != "file":
        raise _unusable("it does not start with file:// or s3://")
    if parts.netloc:
        raise _unusable("a file URL names no host; three slashes come before the path")
    if parts.query or parts.fragment:
        raise _unusable("a file URL has no query and no fragment; write ? as %3F and # as %23")
    path = os.fsdecode(urllib.parse.unquote_to_bytes(parts.path))
    if not path.startswith("/"):
        raise _unusable("its path is relative")
    if "\0" in path:
        raise _unusable("its path holds a NUL byte")
    return Path(path)


def _unusable(why: str) -> PolicyError:
    return PolicyError(
        f"the repository URL is not usable: {why}",
        item="repository",
        remedy="Name the repository as file:///absolute/path or s3://bucket/prefix",
    )
