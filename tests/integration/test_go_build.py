# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers are built once for each version, and what is there is whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import go_build
from ansible_collections.holdfast.config.tests.lab.go_build import NotBuiltError, Program, build

PROGRAM = Program("example.test/store/cmd/stored", "v1.2.3")
# what stands for Go: says its version, and notes and does what it is told
GO = """\
#!/bin/sh
if [ "$1" = env ]; then echo {version}; exit; fi
echo "$@" >> {folder}/asked
{install}
"""
DONE = 'sleep 0.2; echo program > "$GOBIN/stored"'


@pytest.fixture
def new_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the Go of this machine, and an empty cache."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(go_build, "_PLACES", ())

    def new(install: str = DONE, version: str = "go1.25.3") -> None:
        script = tmp_path / "go"
        script.write_text(GO.format(folder=tmp_path, install=install, version=version))
        script.chmod(0o755)

    return new


def asked(tmp_path: Path) -> list[str]:
    """What Go was asked to install."""
    told = tmp_path / "asked"
    return told.read_text().splitlines() if told.exists() else []


def test_what_was_built_is_not_built_again(tmp_path: Path, new_go: Callable[..., None]) -> None:
    new_go()
    made = build(PROGRAM)
    assert made.read_text() == "program\n"
    assert made.is_relative_to(tmp_path / "cache" / "holdfast-lab")
    assert build(PROGRAM) == made
    (once,) = asked(tmp_path)
    assert once.endswith("example.test/store/cmd/stored@v1.2.3")


def test_two_that_ask_at_once_build_once(tmp_path: Path, new_go: Callable[..., None]) -> None:
    new_go()
    threads = [threading.Thread(target=build, args=(PROGRAM,)) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked(tmp_path)) == 1


@pytest.mark.parametrize("other", [{"version": "go1.26.0"}, {"version": "go1.25.4"}])
def test_another_go_builds_another_program(new_go: Callable[..., None], other: dict[str, str]) -> None:
    new_go()
    made = build(PROGRAM)
    new_go(**other)
    assert build(PROGRAM) != made


def test_another_version_is_another_program(new_go: Callable[..., None]) -> None:
    new_go()
    assert build(PROGRAM) != build(Program(PROGRAM.package, "v1.2.4"))


def test_what_is_built_of_the_checkout_is_built_again_where_it_is_other(
    tmp_path: Path, new_go: Callable[..., None]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.go").write_text("package main")
    (source / "go.sum").touch()
    program = Program("example.test/stored", "v1", source)
    new_go(f"pwd > {tmp_path}/in; {DONE}")
    made = build(program)
    (once,) = asked(tmp_path)
    assert once.endswith(" .")
    assert (tmp_path / "in").read_text().strip() == str(source)
    (source / "beside.py").touch()
    assert build(program) == made
    for name in ("main.go", "go.sum"):
        (source / name).write_text("other")
        assert build(program) != made
    assert len(asked(tmp_path)) == 3


def test_a_build_that_fails_leaves_nothing_and_says_why(tmp_path: Path, new_go: Callable[..., None]) -> None:
    new_go('echo half > "$GOBIN/stored"; echo "go: downloading a v1" >&2; echo "no such host" >&2; exit 1')
    with pytest.raises(NotBuiltError, match="module proxy") as caught:
        build(PROGRAM)
    assert "no such host" in str(caught.value)
    assert "downloading" not in str(caught.value)
    assert not list(tmp_path.rglob("stored"))
    new_go()
    assert build(PROGRAM).read_text() == "program\n"


def test_what_a_killed_build_left_is_removed(tmp_path: Path, new_go: Callable[..., None]) -> None:
    new_go()
    made = build(PROGRAM)
    made.unlink()
    left = made.parent / "unfinished-abc"
    left.mkdir()
    (left / "stored").write_text("half")
    assert build(PROGRAM) == made
    assert not left.exists()


def test_without_go_it_says_which_is_needed(new_go: Callable[..., None]) -> None:
    with pytest.raises(NotBuiltError, match=r"go is not on this machine.*Install Go 1\.25 or later"):
        build(PROGRAM)


def test_a_go_that_is_too_old_is_named(new_go: Callable[..., None]) -> None:
    new_go(version="go1.19.8")
    with pytest.raises(NotBuiltError, match=r"is go1\.19\.8, which cannot build stored.*Install Go 1\.25 or later"):
        build(PROGRAM)
