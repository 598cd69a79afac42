# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations of network devices as Oxidized and RANCID keep them: a git repository, or a folder, of one file each.

Oxidized (docs/Outputs.md, outputs git and file): a file has the name of its node, below its group with ``single_repo``.
RANCID (rancid(1), rancid.conf(5)): the files of a group stand below its folder ``configs``. A folder may also be what
``cvs export`` or ``git worktree`` made of it.
"""

from __future__ import annotations

import re

from ..errors import PolicyError
from .base import COMMIT, MTIME, Text, Version, content, files_below, is_host, moment
from .history import FILES, GitReader, git_dir

_NO_DEVICE = re.compile(
    r"(?:readme|license|copying|makefile)(?:\..*)?|router\.db|routers\.(?:all|up|down)", re.IGNORECASE
)


class Devices(GitReader):
    """One text for each device; :meth:`_name` tells which files are such, and of which device."""

    def versions(self) -> list[Version]:
        """Each commit that added or changed a file; of a plain folder each file as it is."""
        if git_dir(self.path) is None:
            return self.ordered(self._of_folder())
        return self.ordered(self._of_history())

    def read(self, version: Version) -> Text:
        """The text of a device."""
        if isinstance(version.handle, str):
            return Text(self._history.blob(version.handle))
        data, _told = content(version.handle, self.limits.version_bytes)
        self.require_same(version, data)
        return Text(data)

    def _name(self, place: str) -> str | None:
        """The source's name of the device that a file is of; None where it is of none."""
        name = place.rpartition("/")[2]
        return name if is_host(name) and not _NO_DEVICE.fullmatch(name) else None

    def _host(self, place: str) -> str | None:
        name = self._name(place)
        return None if name is None else self.names.of(place, name)

    def _of_folder(self) -> list[Version]:
        found = []
        hosts: dict[str, str] = {}
        for place, path in files_below(self.path):
            if path.name == "HEAD" and git_dir(path.parent) is not None:
                raise PolicyError(
                    "holds a repository of git, whose history a folder does not show",
                    item=str(self.path),
                    remedy=f"Give {path.parent}, and each other one by itself.",
                )
            host = self._host(place)
            if host is None:
                continue
            self._only_one(hosts, host, place)
            read = self.digest(place, path, self.limits.version_bytes)
            if read is None:
                continue
            sha256, told = read
            at = moment(int(told.st_mtime))
            if at is None:
                self.skip(place, "its time is none")
                continue
            found.append(Version(host, self.component, at, MTIME, sha256, place, private=True, handle=path))
        return found

    def _of_history(self) -> list[Version]:
        history = self._history
        commits = history.commits(self.branch, since=self.since, skip=self.skip)
        hosts: dict[str, str] = {}
        for place in history.names(commits[-1].oid) if commits else ():
            host = self._host(place)
            if host is not None:
                self._only_one(hosts, host, place)
        by_id = {one.oid: one for one in commits}
        found = []
        for oid, blobs in history.changed(commits):
            commit = by_id[oid]
            taken = set()
            for blob in blobs:
                host = self._host(blob.path)
                if host is None:
                    continue
                place = f"{oid[:12]}:{blob.path}"
                if blob.mode not in FILES:
                    self.skip(place, "is a link")
                elif host in taken:
                    self.skip(place, f"another file of {host} is in the same commit")
                else:
                    taken.add(host)
                    component = self.component
                    found.append(
                        Version(host, component, commit.at, COMMIT, oid, place, commit.author, handle=blob.oid)
                    )
        return found

    def _only_one(self, hosts: dict[str, str], host: str, place: str) -> None:
        other = hosts.setdefault(host, place)
        if other != place:
            raise PolicyError(
                f"{other} and {place} are both files of {host}",
                host=host,
                item=str(self.path),
                remedy=f"Say in host_names whose they are, like {{{place}: {host}-2}}.",
            )


class Oxidized(Devices):
    """What Oxidized keeps."""

    tool = "oxidized"


class Rancid(Devices):
    """What RANCID keeps."""

    tool = "rancid"

    def _name(self, place: str) -> str | None:
        folders = place.split("/")
        # one that was exported may be the folder itself
        inside = self.path.name == "configs" if len(folders) == 1 else folders[-2] == "configs"
        return super()._name(place) if inside else None
