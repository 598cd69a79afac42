# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is sealed comes back as it was: judged by rsync, and by a describer that shares no code with the collection."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import describe, tree
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, Run

from .reading import manifest

LIVE = "/srv/live"
RESTORED = "/srv/restored"
COMPONENTS = {name: [f"{LIVE}/{name}"] for name in (tree.HOSTILE, tree.OTHER)}

Description = dict[str, dict[str, t.Any]]


@dataclasses.dataclass
class Trip:
    """A tree that was backed up and restored."""

    host: Machine
    lab: Lab
    backup: Run
    restore: Run
    live: dict[str, Description]
    refused: list[list[str]]

    def back(self, component: str) -> Description:
        """What stands below the scratch root of a component."""
        return described(self.host, f"{RESTORED}{LIVE}/{component}")

    def differences(self, component: str) -> list[str]:
        """What rsync would change of what came back, so that it be what is there: attributes, ACLs, links, content."""
        done = self.host.run(
            "rsync",
            "-aAXHcni",
            "--numeric-ids",
            "--delete",
            "--8-bit-output",
            f"{LIVE}/{component}/",
            f"{RESTORED}{LIVE}/{component}/",
        )
        return done.stdout.decode("utf-8", "surrogateescape").splitlines()


def described(host: Machine, folder: str) -> Description:
    """What a folder of a host holds."""
    return host.python(Path(describe.__file__), folder)


def restore(name: str = "restore", **options: t.Any) -> dict[str, t.Any]:
    """A restore of the newest below a scratch root of the host."""
    return {"name": name, "holdfast.config.restore": {"under": RESTORED, "newest": True, **options}}


@pytest.fixture(scope="module")
def trip(host: Machine, lab_of: Callable[..., Lab]) -> Iterator[Trip]:
    """The hostile tree, after a backup and a restore under another root."""
    refused = host.python(Path(tree.__file__), LIVE)
    lab = lab_of(host, **COMPONENTS)
    try:
        live = {name: described(host, f"{LIVE}/{name}") for name in COMPONENTS}
        backup = lab.play("holdfast.config.backup").ok()
        done = lab.play([restore()]).ok()
        yield Trip(host, lab, backup, done, live, refused)
    finally:
        host.python(Path(tree.__file__), "unlock", LIVE)


def below(path: str, tops: t.Iterable[str]) -> bool:
    """Whether a path is one of these or below one."""
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def test_the_tree_is_as_hostile_as_it_says(trip: Trip) -> None:
    live = trip.live[tree.HOSTILE]
    assert len(live) > 400
    assert tree.SECRET.decode().strip() == CANARY
    # what the kernel of the tests may not have
    assert [path for path, _code in trip.refused if not path.startswith(("flags/", "xattrs/label"))] == []
    assert {kind for told in live.values() for kind in [told["kind"]]} == {
        "file", "dir", "symlink", "socket", "fifo", "char device", "block device",
    }  # fmt: skip
    holes = [path for path, told in live.items() if told.get("data") not in (None, [[0, told.get("size")]])]
    assert len([path for path in holes if path.startswith("sparse/")]) == 8
    names = {name for told in live.values() for name in told["xattrs"]}
    assert {"security.capability", "system.posix_acl_access", "system.posix_acl_default", "trusted.plain"} < names
    assert {told["uid"] for told in live.values()} >= {0, 12345, 65534, 1 << 31, (1 << 32) - 2}
    mtimes = {told["mtime_ns"] for told in live.values()}
    assert (min(mtimes), max(mtimes)) == (min(tree.MTIMES), max(tree.MTIMES))


def test_rsync_finds_no_difference_but_what_is_documented(trip: Trip) -> None:
    assert trip.differences(tree.OTHER) == []
    found = trip.differences(tree.HOSTILE)
    changes = [line for line in found if not line.startswith(("cd+++", ">f+++", "cD+++", "cS+++"))]
    # a symlink of several names comes back as several symlinks
    assert changes == [f"hL          {tree.LINK_NAMES[1]} => {tree.LINK_NAMES[0]}"]
    missing = {line[12:].rstrip("/") for line in found} - {changes[0][12:]}
    assert missing == {path for path in trip.live[tree.HOSTILE] if below(path, tree.LEFT_OUT)}


def test_an_independent_describer_finds_no_difference_but_what_is_documented(trip: Trip) -> None:
    assert trip.back(tree.OTHER) == trip.live[tree.OTHER]
    live = {path: told for path, told in trip.live[tree.HOSTILE].items() if not below(path, tree.LEFT_OUT)}
    back = trip.back(tree.HOSTILE)
    for name in tree.LINK_NAMES:
        assert live[name].pop("names") == list(tree.LINK_NAMES)
    written, freed = live[tree.WRITTEN_ZEROS].pop("data"), back[tree.WRITTEN_ZEROS].pop("data")
    assert (len(written), len(freed)) == (1, 2)
    assert back == live


def test_what_is_left_out_is_listed_with_its_reason(trip: Trip) -> None:
    hostile, other = manifest(trip.lab).components
    left_out = {left.path: left.reason for left in hostile.left_out}
    assert left_out == {f"{LIVE}/{tree.HOSTILE}/{path}": reason for path, reason in tree.LEFT_OUT.items()}
    assert (other.left_out, other.marks, hostile.marks) == ((), (), ())


def test_hard_links_hold_within_a_component_and_content_does_across_them(trip: Trip) -> None:
    """Each component is a tree of its own, that can be restored without the other."""
    together = {
        name: [
            described(trip.host, folder)[path] for path in (f"{tree.HOSTILE}/{tree.SHARED}", f"{tree.OTHER}/in both")
        ]
        for name, folder in (("live", LIVE), ("back", RESTORED + LIVE))
    }
    one, two = together["live"]
    assert one.pop("names") == two.pop("names") == [f"{tree.HOSTILE}/{tree.SHARED}", f"{tree.OTHER}/in both"]
    assert together["back"] == together["live"]
    back = trip.back(tree.HOSTILE)
    assert back["hard/a/b/three"]["names"] == ["hard/a/b/three", "hard/three", "hard/z/three"]
    assert back["acls/named"]["names"] == ["acls/named", "acls/named, hard link"]


def test_flags_of_chattr_are_not_kept(trip: Trip) -> None:
    flags = f"{RESTORED}{LIVE}/{tree.HOSTILE}/flags"
    listed = trip.host.run("lsattr", flags).stdout.decode().splitlines()
    assert len(listed) == len(tree.FLAGS)
    assert not {flag for line in listed for flag in line.split()[0]} & set("iadA")


def test_a_second_backup_and_a_second_restore_change_nothing(trip: Trip) -> None:
    again = trip.lab.play([OPEN, SNAPSHOT, SEAL, restore()]).ok()
    (stream,) = again.on("snapshot").result["streams"]
    assert (stream["reason"], again.on("restore").result["written"]) == ("unchanged", [])


def test_what_was_damaged_since_is_found_and_mended(trip: Trip) -> None:
    top = f"{RESTORED}{LIVE}/{tree.HOSTILE}"
    damage = f"""
    cd '{top}'
    chmod 0644 'modes/file 4755'
    chown 0:0 'owners/link 12345 54321' -h
    setfacl -b acls/masked
    setfacl -k acls/default
    setfattr -x user.empty xattrs/empty
    setfattr -n trusted.plain -v other xattrs/trusted
    setcap -r xattrs/capability
    setfattr -h -x 'trusted.of a link' xattrs/link
    ln -sfn elsewhere symlinks/absolute
    cp --remove-destination -p 'hard/pair one' 'hard/pair two.new' && mv 'hard/pair two.new' 'hard/pair two'
    printf x | dd of='sparse/nothing but a hole' conv=notrunc status=none
    rm -r 'empty folders'
    """
    whole = trip.back(tree.HOSTILE)
    trip.host.run("sh", "-euc", damage)
    assert trip.back(tree.HOSTILE) != whole
    trip.lab.play([restore()]).ok()
    assert trip.back(tree.HOSTILE) == whole
