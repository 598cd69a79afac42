# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot opens with stock tools and the escrow key: no Ansible, no collection, no keyring."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .lab import Lab, tree

# age and zstd are no part of a bare machine; CI has them, and elsewhere their libraries stand in for the two commands
STAND_IN = {
    "age": "import sys, pyrage\n"
    "lines = open(sys.argv[1]).read().split()\n"
    "keys = [pyrage.x25519.Identity.from_str(w) for w in lines if w.startswith('AGE-SECRET-KEY')]\n"
    "sys.stdout.buffer.write(pyrage.decrypt(sys.stdin.buffer.read(), keys))\n",
    "zstd": "import sys, zstandard\nzstandard.ZstdDecompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer)\n",
}


def decrypt(identity: Path, sealed: bytes) -> bytes:
    """``age -d -i identity``."""
    command = ["age", "-d", "-i", str(identity)] if shutil.which("age") else [*stand_in("age"), str(identity)]
    return subprocess.run(command, input=sealed, check=True, capture_output=True).stdout


def decompress(data: bytes) -> bytes:
    """``zstd -d``."""
    command = ["zstd", "-dqc"] if shutil.which("zstd") else stand_in("zstd")
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def stand_in(tool: str) -> list[str]:
    """A command that does what *tool* would; CI must have the tool itself."""
    assert os.environ.get("CI") != "true", f"CI must have {tool}"
    return [sys.executable, "-c", STAND_IN[tool]]


def only(lab: Lab, pattern: str) -> bytes:
    """The bytes of the one object of that kind."""
    (path,) = (lab.path / "repository").glob(pattern)
    return path.read_bytes()


def unpack(sealed: bytes, identity: Path, into: Path) -> None:
    """``age -d | zstd -d | tar -x``, and ``sha256sum -c``."""
    into.mkdir()
    tar = decompress(decrypt(identity, sealed))
    subprocess.run(["tar", "-xp", "-C", str(into)], input=tar, check=True)
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=into, check=True)


def test_a_snapshot_opens_with_the_escrow_key_and_stock_tools(lab: Lab) -> None:
    (lab.app("web1") / "line\nbreak").write_text("name with a line feed\n")
    (lab.app("web1") / os.fsdecode(b"latin-\xe9")).write_text("name that is not UTF-8\n")
    lab.play("holdfast.config.backup").ok()
    sealed = only(lab, "packs/*/web1/*/*")
    unpack(sealed, lab.path / "keyring" / "escrow" / "identities.txt", lab.path / "by-hand")
    back = lab.path / "by-hand" / "app" / "rootfs" / str(lab.app("web1")).lstrip("/")
    assert tree(back) == tree(lab.app("web1"))
    assert "sha256sum -c SHA256SUMS" in (lab.path / "by-hand" / "RESTORE.md").read_text()


def test_a_pack_opens_with_its_own_key_unwrapped_by_hand(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    manifest = json.loads(decompress(only(lab, "manifests/*/web1/*/*")))
    wrapped = subprocess.run(
        ["base64", "-d"], input=manifest["key"]["wrapped"].encode(), check=True, capture_output=True
    ).stdout
    identity = lab.path / "pack.txt"
    identity.write_bytes(decrypt(lab.path / "keyring" / "open" / "identities.txt", wrapped) + b"\n")
    unpack(only(lab, "packs/*/web1/*/*"), identity, lab.path / "by-hand")
    back = lab.path / "by-hand" / "app" / "rootfs" / str(lab.app("web1")).lstrip("/")
    assert tree(back) == tree(lab.app("web1"))
