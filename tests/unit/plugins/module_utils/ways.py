# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which the host halves are run, and trees for them to meet."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import typing as t
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.holdfast.config.plugins.module_utils import _apply, _tree
from ansible_collections.holdfast.config.plugins.modules import host_apply, host_capture
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import halves

NOBODY = 65534
LIMITS = {"bytes": 1 << 24, "entries": 10_000}
MTIME = 1_700_000_000_123_456_789


def unpack(text: str) -> tuple[dict[str, t.Any], bytes]:
    """What a packed answer holds: the header, and what follows it as it came."""
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(base64.b64decode(text, validate=True))
    assert unpacker.eof
    assert int(plain[:8], 16) == len(plain) - 8
    return json.loads(plain[8:]), unpacker.unused_data


def piped(half: str, request: t.Any, payload: bytes = b"", *, prelude: str = "") -> str:
    """Run one half as the controller does: its source through a pipe, into a bare interpreter."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{prelude}\n{_tree.BOOTSTRAP}"],
        input=halves.piped(half, json.dumps(request).encode(), payload),
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    if done.returncode == 0:
        mark, _space, packed = done.stdout.decode("ascii").partition(" ")
        assert (mark, packed.count("\n"), packed[-1]) == ("HOLDFAST1", 1, "\n")
        return packed.strip()
    return f"died of {done.returncode}"


def run_module(module: t.Any, args: dict[str, t.Any]) -> dict[str, t.Any]:
    """Run a module in this process and return its result."""
    out = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        patch_module_args(args),
        contextlib.redirect_stdout(out),
        pytest.raises(SystemExit),
    ):
        patch.setattr(os, "setpriority", lambda *_args: None)
        module.main()
    return json.loads(out.getvalue())


def _capture_by_module(request: t.Any) -> tuple[dict[str, t.Any], bytes]:
    result = run_module(host_capture, {"request": json.dumps(request)})
    assert result["changed"] is False
    return unpack(result["answer"])


def _apply_by_module(request: t.Any, payload: bytes) -> dict[str, t.Any]:
    with open("payload", "wb") as file:
        file.write(payload)
    result = run_module(host_apply, {"request": json.dumps(request), "payload": os.path.abspath("payload")})
    answer, blob = unpack(result["answer"])
    assert blob == b""
    assert result["changed"] is bool(answer.get("error", answer)["written"])
    return answer


Capture = t.Callable[[t.Any], tuple[dict[str, t.Any], bytes]]
Apply = t.Callable[[t.Any, bytes], dict[str, t.Any]]

CAPTURES: dict[str, Capture] = {
    "answer": _tree.answer,
    "piped": lambda request: unpack(piped("tree", request)),
    "module": _capture_by_module,
}
APPLIES: dict[str, Apply] = {
    "answer": _apply.answer,
    "piped": lambda request, payload: unpack(piped("apply", request, payload))[0],
    "module": _apply_by_module,
}


def component(*paths: str, name: str = "app", **more: t.Any) -> dict[str, t.Any]:
    """A component of a request."""
    return {"name": name, "paths": list(paths), "excludes": [], "unreadable": "error", **more}


def capture_request(root: Path, *components: dict[str, t.Any], op: str = "content", **limits: int) -> dict[str, t.Any]:
    """A request to capture."""
    return {"op": op, "root": str(root), "components": list(components), "limits": {**LIMITS, **limits}}


class Captured:
    """One component's answer, checked for what must hold of each."""

    def __init__(self, answer: tuple[dict[str, t.Any], bytes], name: str = "app") -> None:
        header, packed = answer
        assert "error" not in header, header
        blob = zlib.decompress(packed)
        fields = header["components"][name]
        self.listing: list[dict[str, t.Any]] = fields["listing"]
        self.fingerprint: str = fields["fingerprint"]
        self.left_out: dict[str, str] = dict(fields["left_out"])
        self.left_out_bytes: int = fields["left_out_bytes"]
        self.changed: list[str] = fields["changed_while_read"]
        self.entries = {entry["path"]: entry for entry in self.listing}
        self.contents: dict[str, bytes] = {}
        start = 0
        for place in fields["contents"]:
            entry = self.listing[place]
            assert entry["kind"] == "file"
            content = blob[start : start + entry["size"]]
            start += entry["size"]
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
            self.contents[entry["path"]] = content
        self.blob = blob
        absent = [path for path, reason in self.left_out.items() if reason == "absent"]
        assert start == len(blob) == fields["bytes"]
        assert fields["entries"] == len(self.listing) == len(self.entries)
        assert fields["fingerprint"] == _tree.fingerprint(self.listing, absent)
        assert list(self.entries) == sorted(self.entries, key=os.fsencode)
        assert [path for path, _reason in fields["left_out"]] == sorted(self.left_out, key=os.fsencode)

    @property
    def kinds(self) -> dict[str, str]:
        """Path to kind."""
        return {path: entry["kind"] for path, entry in self.entries.items()}


def captured(capture: Capture, root: Path, *paths: str, **more: t.Any) -> Captured:
    """Capture the content of one component."""
    return Captured(capture(capture_request(root, component(*paths, **more))))


def file_entry(path: str, content: bytes, **more: t.Any) -> dict[str, t.Any]:
    """An entry for a file of whoever runs the tests."""
    digest = hashlib.sha256(content).hexdigest()
    return {**plain_entry(path, "file"), "mode": 0o644, "size": len(content), "sha256": digest, **more}


def plain_entry(path: str, kind: str, **more: t.Any) -> dict[str, t.Any]:
    """An entry without content."""
    owner = {"uid": os.geteuid(), "gid": os.getegid(), "user": "", "group": ""}
    return {"path": path, "kind": kind, "mode": 0o755, **owner, "mtime_ns": MTIME, **more}


def takes_xattrs(folder: Path) -> bool:
    """Whether the file system of *folder* has extended attributes of users."""
    probe = folder / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.holdfast", b"1")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def build(root: Path) -> None:
    """A tree of all kinds, with odd names, modes, links and attributes."""
    etc = root / "etc/app"
    (etc / "conf.d").mkdir(parents=True)
    (etc / "conf-old").mkdir()
    (etc / "main.conf").write_bytes(b"a = 1\n")
    (etc / "empty").touch()
    (etc / "big").write_bytes(bytes(range(256)) * 2048)
    (etc / "tool").write_bytes(b"#!/bin/sh\n")
    (etc / "secret").write_bytes(b"s3cret")
    (etc / "conf.d/two\nlines").write_bytes(b"odd")
    Path(os.fsdecode(os.fsencode(etc) + b"/conf.d/\xff\xe9")).write_bytes(b"not UTF-8")
    (etc / "conf.d/naïve €").write_bytes(b"UTF-8")
    (etc / "link").symlink_to("main.conf")
    (etc / "dangling").symlink_to("/nowhere/at all")
    os.symlink(b"\xfe\n", os.fsencode(etc / "odd link"))
    os.link(etc / "main.conf", etc / "conf-old/main.conf")
    os.link(etc / "main.conf", etc / "conf.d/main.conf")
    if takes_xattrs(root):
        os.setxattr(etc / "main.conf", "user.origin", b"\x00\xff")
        os.setxattr(etc / "secret", "user.empty", b"")
        os.setxattr(etc / "conf.d", "user.folder", b"yes")
    (etc / "tool").chmod(0o4755)
    (etc / "secret").chmod(0o400)
    (etc / "conf-old").chmod(0o1770)
    for path in [*sorted(root.rglob("*"), reverse=True)]:
        os.utime(path, ns=(MTIME, MTIME + len(path.name)), follow_symlinks=False)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody where the tests run as root; anybody else already is."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def drop(half: str) -> str:
    """A prelude that becomes nobody, when root, once what the half imports is there."""
    source = halves.piped(half, b"").decode()
    imported = set(re.findall(r"^ *import ([a-z0-9.]+)$", source, re.MULTILINE)) - {"typing"}
    return (
        f"import __future__, {', '.join(sorted(imported))}\n"
        f"if os.geteuid() == 0: os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    )


def bind_socket(path: Path) -> None:
    """Leave a socket at *path*, whose name may be too long for one."""
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
