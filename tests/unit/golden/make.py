# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the golden repository of the format version that is written now. Run once for each version, by hand, as root:

    PYTHONPATH=.dev/tree python -m ansible_collections.holdfast.config.tests.unit.golden.make

What a version's folder holds never changes again: its keys are random, and old repositories do not change either.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tempfile
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote_from_bytes

from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose, restore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context

from ..plugins.plugin_utils.capture.sites import near_trip
from ..plugins.plugin_utils.usecases.lab import Clock, Lab, declared, make_keyring

FOLDER = Path(__file__).parent
START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
HOST = "w\u00e9b1.example.com"
# on every private file of a golden keyring: a line above what it holds, and a part of its name
WARNING = b"# TEST ONLY: this key is public and protects nothing. Never use it.\n"
MARK = ".test-only"

COMPONENTS = (
    {
        "name": "app",
        "paths": ["/etc/app", "/etc/app.gone"],
        "tier": "tier1",
        "owner": "web team",
        "data_class": "confidential",
        "excludes": [{"pattern": "*.bak", "reason": "transient"}],
    },
    {"name": "base", "paths": ["/etc/motd", "/etc/profile.d/*.sh"], "tier": "tier2"},
)


def policy() -> Policy:
    """What the host declares."""
    return declared(*COMPONENTS)


def furnish(root: bytes) -> None:
    """Make a host's files, odd ones among them."""
    app = root + b"/etc/app"
    os.makedirs(app + b"/conf.d")
    os.makedirs(root + b"/etc/profile.d")
    files = {
        b"/main.conf": b"listen = 8080\n",
        b"/new\nline": b"a name with a line feed\n",
        b"/caf\xe9.conf": b"a name that is not UTF-8\n",
        b"/back\\slash and space": b"\0\xff\r\n",
        "/\u00fcml\u00e4ut".encode(): b"",
        b"/conf.d/old.bak": b"left out\n",
    }
    for name, content in files.items():
        _write(app + name, content)
    _write(root + b"/etc/motd", b"Welcome\n")
    _write(root + b"/etc/profile.d/path.sh", b"PATH=$PATH:/opt/bin\n")
    os.link(app + b"/main.conf", app + b"/same.conf")
    os.symlink(b"main.conf", app + b"/link.conf")
    os.symlink(b"../nowhere/\xfe", app + b"/conf.d/dangling")
    os.setxattr(app + b"/main.conf", b"user.origin", b"\0golden\xff")
    os.setxattr(app + b"/new\nline", b"user.\xfd", b"")
    os.chmod(app + b"/main.conf", 0o4640)
    if os.geteuid() == 0:
        # an owner and a group without a name
        os.chown(app + b"/conf.d", 4242, 2424)
    os.chmod(app + b"/conf.d", 0o2750)
    os.utime(app + b"/main.conf", ns=(0, 1_700_000_000_123_456_789))
    os.utime(app + b"/new\nline", ns=(0, -1))


def _write(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o644)
    os.utime(path, ns=(0, 1_600_000_000_000_000_000))


def told(entries: Iterable[Entry], contents: Mapping[str, bytes]) -> dict[str, dict[str, t.Any]]:
    """What must be restored: by percent-encoded path all attributes, and the SHA-256 of the bytes themselves."""
    return {
        _quoted(entry.path): {
            "kind": entry.kind.value,
            "mode": entry.mode,
            "uid": entry.uid,
            "gid": entry.gid,
            "user": entry.user,
            "group": entry.group,
            "mtime_ns": entry.mtime_ns,
            "sha256": hashlib.sha256(contents[entry.path]).hexdigest() if entry.path in contents else None,
            "target": _quoted(entry.target),
            "xattrs": {_quoted(name): value.hex() for name, value in entry.xattrs.items()},
        }
        for entry in entries
    }


def _quoted(name: str) -> str:
    return quote_from_bytes(os.fsencode(name))


def _captured(source: Host) -> dict[str, dict[str, t.Any]]:
    found = source.content(policy().components)
    return {path: fields for part in found.values() for path, fields in told(part.entries, part.contents).items()}


def make(target: Path, work: Path) -> None:
    """Make keys, two recovery points and the record of a restore, and write them below *target*."""
    clock = Clock(START)
    store = MemoryStore(now=clock)
    lab = Lab.make(work, store, make_keyring(work / "keyring", START), clock)
    root = work / "host"
    furnish(os.fsencode(root))
    source = Host(near_trip, root=str(root))
    points = {}
    with clock.ruling():
        first = lab.run({HOST: source}, policy=policy, change={"id": "CHG0001", "requester": "ann@example.com"})
        points[str(first.id)] = _captured(source)
        clock.advance(days=1)
        _write(os.fsencode(root) + b"/etc/app/main.conf", b"listen = 8443\n")
        second = lab.run({HOST: source}, policy=policy, change={"id": "CHG0002"})
        points[str(second.id)] = _captured(source)
        clock.advance(hours=1)
        restore.restore(
            lab.repository,
            lab.keyring,
            Host(near_trip, root=str(work / "restored")),
            host=HOST,
            context=Context("restore1.example.com", "/srv/restored"),
            selection=choose.Selection(newest=True),
        )
    target.mkdir()
    for name in lab.names():
        put_object(target / "store" / name, store.get(name))
    put_keyring(work / "keyring", target / "keyring")
    expected = {
        "pin": lab.repository.root.id,
        "repository": lab.repository.name,
        "host": HOST,
        "now": instant.to_text(clock()),
        "objects": lab.names(),
        "points": points,
    }
    put_object(target / "expected.json", json.dumps(expected, indent=1, ensure_ascii=False).encode() + b"\n")


def put_keyring(source: Path, target: Path) -> None:
    """Write a keyring, each private file with its warning."""
    for path in sorted(source.rglob("*.*")):
        half = target / path.parent.name
        if path.name == "keyring.json":
            put_object(half / path.name, path.read_bytes())
        elif path.name != "README.txt":
            put_object(half / f"{path.stem}{MARK}{path.suffix}", WARNING + path.read_bytes())


def put_object(path: Path, data: bytes) -> None:
    """Write one file of a golden repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        make(FOLDER / f"v{canonical.FORMAT}", Path(work))
