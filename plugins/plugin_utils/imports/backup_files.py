# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that Ansible's modules leave with ``backup: true``, each named by the time of the backup.

Network modules write ``<host>_config.<date>@<time>`` into the folder ``backup`` of a playbook (ansible.netcommon,
plugins/action/network.py). Modules for files write ``<path>.<pid>.<date>@<time>~`` beside the file on its host
(ansible-core, AnsibleModule.backup_local); ``ansible.builtin.fetch`` brings them to ``<dest>/<host>/<path>``. Both
times are those of a clock on the wall, without its zone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from pathlib import Path

from ..model import imported
from .base import NAME, Reader, Text, Tree, Version, content, files_below, is_host, one_file, wall_time

_TIME = r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}@[0-9]{2}:[0-9]{2}:[0-9]{2})"
_OF_DEVICE = re.compile(rf"(?P<host>.+)_config\.{_TIME}")
_OF_FILE = re.compile(rf"(?P<path>.+)\.[0-9]{{1,10}}\.{_TIME}~", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class _Handle:
    file: Path
    # of the host; empty for a device's text
    path: str


class BackupFiles(Reader):
    """A folder of such files. Each file of a host is a component of its own: its backups say nothing of other files."""

    tool = "backup_files"

    def versions(self) -> list[Version]:
        """Each file whose name says when it was made."""
        found = []
        for place, path in files_below(self.path):
            told = self._told(place)
            if told is None:
                continue
            host, own, component, at = told
            read = self.digest(place, path, self.limits.version_bytes)
            if read is None:
                continue
            handle = _Handle(path, own)
            found.append(Version(host, component, at, NAME, read[0], place, private=True, handle=handle))
        return self.ordered(found)

    def read(self, version: Version) -> Text | Tree:
        """The text of a device, or one file of a host."""
        handle: _Handle = version.handle
        data, told = content(handle.file, self.limits.version_bytes)
        self.require_same(version, data)
        if not handle.path:
            return Text(data)
        return one_file(handle.path, data, told.st_mode & 0o7777, told.st_mtime_ns)

    def _told(self, place: str) -> tuple[str, str, str, dt.datetime] | None:
        """Host, path on it, component and time of a backup; None of what is none, or is not wanted."""
        folders, _slash, name = place.rpartition("/")
        of_device, of_file = _OF_DEVICE.fullmatch(name), _OF_FILE.fullmatch(name)
        found = of_file or of_device
        if found is None:
            self.skip(place, "its name is not that of a backup")
            return None
        at = wall_time(found["time"], self.zone)
        if of_file is not None:
            host, path = self._split(folders, of_file["path"])
            component = imported.component_of(path)
        else:
            host, path, component = self.names.host or found["host"], "", self.component
        if at is None or not is_host(host):
            self.skip(place, "its name says no time" if at is None else "the folder it is in has no name of a host")
            return None
        named = self.names.of(place, host)
        return None if named is None else (named, path, component, at)

    def _split(self, folders: str, name: str) -> tuple[str, str]:
        """The host and the path of a file: the first folder is the host, unless one host is named."""
        host = self.names.host
        if not host:
            host, _slash, folders = folders.partition("/")
        return host, f"/{folders}/{name}" if folders else f"/{name}"
