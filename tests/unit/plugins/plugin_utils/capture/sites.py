# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Things that can be captured: a folder behind a host's halves, and files in memory. Each can be changed by a test."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.plugins.module_utils import _apply, _texts, _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.halves import piped
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.wire import MARK, fingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, HoldfastError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind

MTIME = 1_700_000_000_123_456_789


def component(name: str, *paths: str, tier: str = "tier1", unreadable: str = "error") -> Component:
    """A component of files, at ``/etc/<name>`` unless told otherwise."""
    return Component(name, paths or (f"/etc/{name}",), tier, "somebody", "internal", unreadable=unreadable)


def piped_trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
    """Run a half as a connection with stdin does: through a pipe, into a bare interpreter."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _tree.BOOTSTRAP],
        input=piped(half, json.dumps(request).encode(), payload),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("ascii")


def near_trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
    """Run a half in this process, on what would have travelled."""
    asked = json.loads(json.dumps(request))
    if half == "tree":
        return MARK + _tree.pack(*_tree.answer(asked, _texts))
    return MARK + _apply.pack(_apply.answer(asked, io.BytesIO(payload)))


class SpoolingTrip:
    """Such a trip to a host that keeps large contents in *folder*; notes what is asked, and can be tampered with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[Mapping[str, t.Any]] = []
        self.before: t.Callable[[Mapping[str, t.Any]], None] = lambda _request: None

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.asked.append(request)
        self.before(request)
        if "deliver" in request:
            request = {**request, "deliver": {**request["deliver"], "folders": [str(self.folder)]}}
        return near_trip(half, request, payload)

    @property
    def ops(self) -> list[str]:
        """What was asked for, in order."""
        return [request["op"] for request in self.asked]

    @property
    def kept(self) -> list[Path]:
        """Contents that the host keeps."""
        return sorted(self.folder.glob("*/*"))


class Site(t.Protocol):
    """A source whose files a test can change."""

    source: Source

    def write(self, path: str, content: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def set_mode(self, path: str, mode: int) -> None: ...
    def set_mtime(self, path: str, mtime_ns: int) -> None: ...
    def state(self) -> object: ...


class HostSite:
    """A folder that stands for a host's root."""

    def __init__(self, root: Path, trip: t.Callable[..., str] = near_trip) -> None:
        self.root = root
        self.source: Host = Host(trip, root=str(root))

    def at(self, path: str) -> Path:
        """Where a path of the host is here."""
        return self.root / path.lstrip("/")

    def write(self, path: str, content: bytes) -> None:
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_bytes(content)

    def remove(self, path: str) -> None:
        self.at(path).unlink()

    def set_mode(self, path: str, mode: int) -> None:
        self.at(path).chmod(mode)

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        os.utime(self.at(path), ns=(mtime_ns, mtime_ns))

    def state(self) -> object:
        """Everything below the root but access times."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            st = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (st.st_ino, st.st_mode, st.st_mtime_ns, st.st_ctime_ns, content)
        return found


class MemorySource(Source):
    """Files in memory, owned by root; notes each trip, and fails on demand."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.modes: dict[str, int] = {}
        self.mtimes: dict[str, int] = {}
        self.trips: list[tuple[str, tuple[str, ...]]] = []
        self.failure: HoldfastError | None = None

    def _fingerprints(self, components: Sequence[Component]) -> dict[str, PlainFingerprint]:
        self._travel("fingerprints", components)
        return {each.name: self._capture(each).fingerprint for each in components}

    def _content(self, components: Sequence[Component]) -> dict[str, ComponentContent]:
        self._travel("content", components)
        return {each.name: self._capture(each) for each in components}

    def _travel(self, kind: str, components: Sequence[Component]) -> None:
        self.trips.append((kind, tuple(each.name for each in components)))
        if self.failure is not None:
            raise self.failure

    def _capture(self, asked: Component) -> ComponentContent:
        held = {path: data for path, data in sorted(self.files.items()) if self._below(asked, path)}
        if not held:
            raise CaptureError(f"no path of {asked.name} exists", item=asked.paths[0], remedy="Look at its paths.")
        entries = tuple(self._entry(path, data) for path, data in held.items())
        plain = fingerprint(asked, entries, ())
        return ComponentContent(plain, entries, held)

    def _entry(self, path: str, data: bytes) -> Entry:
        return Entry(
            path=path,
            kind=EntryKind.FILE,
            mode=self.modes.get(path, 0o644),
            uid=0,
            gid=0,
            user="root",
            group="root",
            mtime_ns=self.mtimes.get(path, MTIME),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @staticmethod
    def _below(asked: Component, path: str) -> bool:
        return any(path == declared or path.startswith(f"{declared}/") for declared in asked.paths)


class MemorySite:
    """Such a source, in the form of a site."""

    def __init__(self) -> None:
        self.source = MemorySource()

    def write(self, path: str, content: bytes) -> None:
        self.source.files[path] = content

    def remove(self, path: str) -> None:
        del self.source.files[path]

    def set_mode(self, path: str, mode: int) -> None:
        self.source.modes[path] = mode

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        self.source.mtimes[path] = mtime_ns

    def state(self) -> object:
        return dict(self.source.files), dict(self.source.modes), dict(self.source.mtimes)
