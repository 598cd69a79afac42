# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two states of a few files, and their comparison."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t

from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import (
    Comparison,
    Label,
    Side,
    compare_trees,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind

SEALED = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
NOW = dt.datetime(2026, 11, 21, 9, 0, 0, tzinfo=dt.timezone.utc)


def file(path: str, data: bytes = b"", **more: t.Any) -> Entry:
    """A file of root's with that content."""
    entry = Entry(path, EntryKind.FILE, 0o644, 0, 0, "root", "root", 0, len(data), hashlib.sha256(data).hexdigest())
    return dataclasses.replace(entry, **more)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, EntryKind.SYMLINK, 0o777, 0, 0, "root", "root", 0, target=target)


def folder(path: str) -> Entry:
    """A folder."""
    return Entry(path, EntryKind.DIRECTORY, 0o755, 0, 0, "root", "root", 0)


def side(entries: t.Iterable[Entry], contents: t.Mapping[str, bytes] | None = None) -> Side:
    """A side whose components are called like the second part of their paths."""
    listed = {entry.path: entry for entry in entries}
    return Side(listed, {path: path.split("/")[2] for path in listed}, contents)


def compared(before: t.Mapping[str, bytes], after: t.Mapping[str, bytes], **more: t.Any) -> Comparison:
    """The comparison of two states of files, by what they hold."""
    return of(
        side([file(path, data) for path, data in before.items()], before),
        side([file(path, data) for path, data in after.items()], after),
        **more,
    )


def of(before: Side, after: Side, **more: t.Any) -> Comparison:
    """The comparison of two sides of host web1."""
    return Comparison(
        compare_trees(before, after),
        Label("web1", SEALED, SEALED, ("ab" * 32,), "newest"),
        Label("web1", NOW, NOW),
        before,
        after,
        **more,
    )
