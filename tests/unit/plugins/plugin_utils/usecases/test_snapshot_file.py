# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One file is taken out of the snapshot that is meant, and an error never holds what it holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    IntegrityError,
    KeyringError,
    NotFoundError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import snapshot_file
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.snapshot_file import read_file
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import near_trip

from .lab import Clock, Lab, declared, make_keyring
from .test_pushed import push

SECRET = b"CANARY-secret\n"
ODD = "line\nbreak \x1b[2J"
NEWEST = Selection(newest=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A host's tree: files, links, a folder, a name that no terminal should get."""
    app = tmp_path / "host" / "etc" / "app"
    (app / "folder").mkdir(parents=True)
    (app / "main.conf").write_bytes(SECRET)
    (app / "folder" / ODD).write_bytes(b"odd")
    (app / "bytes").write_bytes(b"\xff\x00")
    (app / "empty").touch()
    (app / "link").symlink_to("CANARY-target")
    os.link(app / "bytes", app / "same")
    return tmp_path / "host"


@pytest.fixture
def lab(lab: Lab, clock: Clock, tree: Path) -> Lab:
    """It was backed up, changed, and backed up again."""
    app = declared({"name": "app", "paths": ["/etc/app"], "excludes": [{"pattern": "*.bak", "reason": "noise"}]})
    for text in (SECRET, b"second\n"):
        (tree / "etc/app/main.conf").write_bytes(text)
        lab.run(Host(near_trip, root=str(tree)), policy=lambda: app, change={"id": f"CHG{text[:1].decode()}"})
        clock.advance(hours=1)
    return lab


def read(lab: Lab, path: str, selection: Selection = NEWEST, host: str = "h") -> bytes:
    return read_file(lab.repository, lab.keyring, host, path, selection).content


def test_it_is_read_as_the_snapshot_that_is_meant_has_it(lab: Lab) -> None:
    assert read(lab, "/etc/app/main.conf") == b"second\n"
    assert read(lab, "/etc/app/main.conf", Selection(change_id="CHGC")) == SECRET
    assert read(lab, f"/etc/app/folder/{ODD}") == b"odd"
    assert read(lab, "/etc/app/empty") == b""
    # whichever of the two was met first is the file
    assert read(lab, "/etc/app/bytes") == read(lab, "/etc/app/same") == b"\xff\x00"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/app/gone", "was not there when app was captured at 2026-03-01T13:00:00Z"),
        ("/etc/other", "no component declares it there"),
        ("/etc/app/main.conf/below", "was not there"),
        ("/etc/app/folder", "is a folder there, and no file"),
        ("/etc/app/link", "is a symbolic link there, and no file"),
        ("etc/app/main.conf", "is not a path"),
        ("/etc/app/main.conf\0", "is not a path"),
        ("", "is not a path"),
    ],
)
def test_what_is_no_file_there_is_refused(lab: Lab, path: str, said: str) -> None:
    with pytest.raises((NotFoundError, PolicyError)) as caught:
        read(lab, path)
    assert said in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_what_is_left_out_says_why(lab: Lab, tree: Path, clock: Clock) -> None:
    (tree / "etc/app/x.bak").write_bytes(b"old")
    (tree / "etc/app/main.conf").write_bytes(b"third")
    app = declared({"name": "app", "paths": ["/etc/app"], "excludes": [{"pattern": "*.bak", "reason": "noise"}]})
    lab.run(Host(near_trip, root=str(tree)), policy=lambda: app)
    with pytest.raises(NotFoundError, match=r"app leaves it out there: noise"):
        read(lab, "/etc/app/x.bak")


def test_of_components_that_hold_it_the_later_capture_speaks(lab: Lab, tree: Path, clock: Clock) -> None:
    both = declared(
        {"name": "app", "paths": ["/etc/app"]}, {"name": "conf", "paths": ["/etc/app/main.conf"], "tier": "tier2"}
    )
    (tree / "etc/app/main.conf").write_bytes(b"third\n")
    lab.run(Host(near_trip, root=str(tree)), policy=lambda: both)
    clock.advance(hours=1)
    assert read(lab, "/etc/app/main.conf", Selection(newest=True, components=("conf",))) == b"third\n"
    (tree / "etc/app/main.conf").write_bytes(b"fourth\n")
    lab.run(Host(near_trip, root=str(tree)), policy=lambda: declared({"name": "app", "paths": ["/etc/app"]}))
    assert read(lab, "/etc/app/main.conf") == b"fourth\n"
    assert read(lab, "/etc/app/main.conf", Selection(newest=True, components=("conf",))) == b"third\n"


def test_a_text_is_named_with_its_component(lab: Lab) -> None:
    folder = lab.folder()
    lab.open(folder)
    push(lab, folder, ilo="pushed")
    lab.seal(folder)
    of_ilo = Selection(newest=True, components=("ilo",))
    assert read(lab, "text", of_ilo) == read(lab, "/holdfast/ilo/text") == b"pushed"
    for selection in (NEWEST, Selection(newest=True, components=("app", "ilo"))):
        with pytest.raises(PolicyError, match="is not a path"):
            read(lab, "text", selection)
    for path in ("", "../app/text", "text/", "text\0"):
        with pytest.raises((PolicyError, NotFoundError)):
            read(lab, path, of_ilo)


def test_who_lacks_the_open_half_gets_nothing(lab: Lab, tmp_path: Path) -> None:
    without = LocalKeyring(tmp_path / "without")
    with pytest.raises(KeyringError) as caught:
        read_file(lab.repository, without, "h", "/etc/app/main.conf", NEWEST)
    assert "CANARY" not in str(caught.value)


def test_another_repositorys_key_opens_nothing(lab: Lab, tmp_path: Path, clock: Clock) -> None:
    other = LocalKeyring(make_keyring(tmp_path / "other", clock.moment))
    with pytest.raises(KeyringError):
        read_file(lab.repository, other, "h", "/etc/app/main.conf", NEWEST)


def test_a_damaged_pack_gives_nothing(lab: Lab) -> None:
    assert isinstance(lab.store, MemoryStore)
    chosen = read_file(lab.repository, lab.keyring, "h", "/etc/app/main.conf", NEWEST).chosen
    for version in lab.memory._versions[chosen.entry.pack.name]:
        version.data = version.data[:-1] + bytes([version.data[-1] ^ 1])
    with pytest.raises(IntegrityError) as caught:
        read(lab, "/etc/app/main.conf")
    assert "second" not in str(caught.value)


def test_a_large_one_is_refused_before_it_is_opened(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(snapshot_file, "LARGEST", 6)
    with pytest.raises(PolicyError, match="has 7 bytes, 6 are the most"):
        read_file(lab.repository, LocalKeyring(tmp_path / "none"), "h", "/etc/app/main.conf", NEWEST)


def test_newest_is_never_assumed() -> None:
    with pytest.raises(HoldfastError, match="is not said once"):
        Selection()
