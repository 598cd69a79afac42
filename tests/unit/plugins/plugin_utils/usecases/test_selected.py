# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What paths and patterns mean of a snapshot: never more than was asked for, never a link to what is not there."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import NotFoundError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.selected import parted, selected
from hypothesis import given
from hypothesis import strategies as st

FILE, FOLDER, HARDLINK = EntryKind.FILE, EntryKind.DIRECTORY, EntryKind.HARDLINK


def entry(path: str, kind: EntryKind = FILE, target: str = "") -> Entry:
    found = Entry(path, kind, 0o644, 0, 0, "root", "root", 1, target=target)
    if kind is not FILE:
        return found
    xattrs = {"user.of": path.encode()}
    return dataclasses.replace(found, size=1, sha256=hashlib.sha256(path.encode()).hexdigest(), xattrs=xattrs)


def tree(*entries: Entry) -> dict[str, Entry]:
    return {one.path: one for one in entries}


def nothing(_path: str) -> bool:
    return False


SNAPSHOT = tree(
    entry("/etc/app", FOLDER),
    entry("/etc/app/a"),
    entry("/etc/app/b", HARDLINK, "/etc/app/a"),
    entry("/etc/app/conf.d", FOLDER),
    entry("/etc/app/conf.d/c", HARDLINK, "/etc/app/a"),
    entry("/etc/app/conf.d/one.conf"),
    entry("/etc/app/link", EntryKind.SYMLINK, "/nowhere"),
    entry("/etc/other"),
)


def is_app(path: str) -> bool:
    return path == "/etc/app" or path.startswith("/etc/app/")


@pytest.mark.parametrize(
    ("paths", "meant"),
    [
        (["/etc/other"], ["/etc/other"]),
        (["/etc/other/"], ["/etc/other"]),
        (["/etc"], sorted(SNAPSHOT)),
        (["/etc/app/conf.d"], ["/etc/app/conf.d", "/etc/app/conf.d/c", "/etc/app/conf.d/one.conf"]),
        (["*.conf"], ["/etc/app/conf.d/one.conf"]),
        (["/etc/*/*.conf", "/etc/other"], NotFoundError),
        (["/etc/**/*.conf"], ["/etc/app/conf.d/one.conf"]),
        (["/etc/app/?", "/etc/other"], ["/etc/app/a", "/etc/app/b", "/etc/other"]),
        (["/etc/ap"], NotFoundError),
        (["/etc/app/../other"], NotFoundError),
        (["app/a"], NotFoundError),
    ],
)
def test_patterns_mean_what_excludes_mean(paths: list[str], meant: list[str] | type[Exception]) -> None:
    if isinstance(meant, list):
        assert list(selected(SNAPSHOT, paths, nothing).entries) == meant
    else:
        with pytest.raises(meant):
            selected(SNAPSHOT, paths, nothing)


def test_no_paths_mean_all() -> None:
    found = selected(SNAPSHOT, (), nothing)
    assert (found.entries, found.above, found.absent) == (SNAPSHOT, frozenset(), ())
    assert found.covers("/anything")


def test_what_was_not_there_is_told_from_what_is_nowhere() -> None:
    gone = ["/etc/app/gone", "/etc/app/none/*.conf", "/etc/app/gone/"]
    found = selected(SNAPSHOT, ["/etc/app/a", *gone], is_app)
    assert found.absent == tuple(gone)
    assert list(found.entries) == ["/etc/app/a"]
    assert found.covers("/etc/app/gone/below")
    alone = selected(SNAPSHOT, ["/etc/app/gone"], is_app)
    assert (alone.entries, alone.above, alone.absent) == ({}, frozenset(), ("/etc/app/gone",))
    for nowhere in ("/etc/nowhere", "/etc/*/gone", "gone", "*.gone", "/*/gone"):
        with pytest.raises(NotFoundError, match="nothing there matches") as caught:
            selected(SNAPSHOT, ["/etc/app/a", nowhere, "/etc/app/gone"], is_app)
        assert caught.value.item == repr(nowhere)
        assert "/etc/app" not in caught.value.message.replace(nowhere, "")


@pytest.mark.parametrize("name", ["gone", "gone/", "*.gone"])
def test_a_name_without_a_folder_is_never_one_that_was_not_there(name: str) -> None:
    with pytest.raises(NotFoundError):
        selected(SNAPSHOT, [name], lambda _path: True)


def test_ten_that_match_nothing_are_named() -> None:
    with pytest.raises(NotFoundError) as caught:
        selected(SNAPSHOT, [f"/none/{n:02}" for n in range(13)], is_app)
    assert "'/none/09' and 3 more" in caught.value.message
    assert "/none/10" not in caught.value.message


def test_a_folder_above_is_made_and_never_changed() -> None:
    assert selected(SNAPSHOT, ["/etc/app/conf.d"], is_app).above == {"/etc/app"}
    found = selected(SNAPSHOT, ["/etc/app/conf.d/one.conf"], is_app)
    assert found.above == {"/etc/app", "/etc/app/conf.d"}

    def on(live: Mapping[str, Entry]) -> list[str]:
        return [path for path in SNAPSHOT if found.on(live)(path)]

    assert on({}) == ["/etc/app", "/etc/app/conf.d", "/etc/app/conf.d/one.conf"]
    assert on(SNAPSHOT) == ["/etc/app/conf.d/one.conf"]
    in_the_way = {**SNAPSHOT, "/etc/app/conf.d": entry("/etc/app/conf.d")}
    assert on(in_the_way) == ["/etc/app/conf.d", "/etc/app/conf.d/one.conf"]


def test_a_link_without_its_first_name_is_the_file() -> None:
    found = selected(SNAPSHOT, ["/etc/app/b", "/etc/app/conf.d"], is_app).entries
    assert found["/etc/app/b"] == dataclasses.replace(SNAPSHOT["/etc/app/a"], path="/etc/app/b")
    assert found["/etc/app/conf.d/c"] == entry("/etc/app/conf.d/c", HARDLINK, "/etc/app/b")


def test_what_a_host_has_parted_alike_does_not_differ() -> None:
    """Else each restore of one name of a file would part it from the others, which are as they were."""
    meant = selected(SNAPSHOT, ["/etc/app/conf.d/c"], is_app)
    live = {path: dataclasses.replace(one, mtime_ns=5) for path, one in SNAPSHOT.items()}
    there = parted(live, meant.covers)
    assert not meant.entries["/etc/app/conf.d/c"].differences(there["/etc/app/conf.d/c"])


def test_the_first_name_is_the_one_that_hosts_tell() -> None:
    """Whatever the order of the paths: folders may come before names that sort before theirs."""
    found = tree(
        entry("/etc", FOLDER), entry("/etc/a", FOLDER), entry("/etc/a/x", HARDLINK, "/etc/a.x"), entry("/etc/a.x")
    )
    assert parted(found, lambda _path: True) == found
    assert selected(found, ["/etc"], is_app).entries == found


def test_whichever_name_another_writer_took_for_the_file() -> None:
    other = tree(entry("/a", HARDLINK, "/b"), entry("/b"))
    file = dataclasses.replace(other["/b"], path="/a")
    assert parted(other, lambda _path: True) == {"/a": file, "/b": entry("/b", HARDLINK, "/a")}


SEGMENTS = ["a", "b", "ab", "a.b", "c"]
paths = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4)
parts = st.sampled_from([*SEGMENTS, "*", "a*", "?", "[ab]", "[!a]", "*b", "**"])
patterns = st.one_of(
    st.lists(parts, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments)),
    # a relative one that holds a slash is anchored all the same
    st.lists(parts, min_size=2, max_size=3).map("/".join),
    parts.filter(lambda part: part != "**"),
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    """A tree that can be: folders above everything, and some files with several names."""
    leaves = {"/" + "/".join(path) for path in draw(st.lists(paths, max_size=8))}
    above = {folder for path in leaves for folder in parents(path)}
    files = sorted(leaves - above)
    groups = draw(st.lists(st.integers(0, 3), min_size=len(files), max_size=len(files)))
    first: dict[int, str] = {}
    found = {folder: entry(folder, FOLDER) for folder in above}
    for path, group in zip(files, groups, strict=True):
        known = first.setdefault(group, path)
        found[path] = entry(path) if known == path or group == 0 else entry(path, HARDLINK, known)
    # as snapshots are put together: by segments
    return dict(sorted(found.items(), key=lambda item: item[0].split("/")))


def parents(path: str) -> list[str]:
    return list(itertools.accumulate(path.split("/")[1:-1], lambda above, name: f"{above}/{name}", initial=""))[1:]


def matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Segment by segment: two stars are any number of them, at the end at least one."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        least = 1 if len(pattern) == 1 else 0
        return any(matches(pattern[1:], path[skipped:]) for skipped in range(least, len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and matches(pattern[1:], path[1:])


def asked(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path or a folder above it, said as plainly as possible."""
    if "/" in pattern:
        return any(matches(pattern.lstrip("/").split("/"), at.split("/")[1:]) for at in [*parents(path), path])
    return any(fnmatch.fnmatchcase(name, pattern) for name in path.split("/")[1:])


@given(trees(), st.lists(patterns, min_size=1, max_size=3), st.sampled_from(["/", "/a", "/a/b", "/none"]))
def test_any_patterns_of_any_tree(snapshot: dict[str, Entry], given: list[str], area: str) -> None:
    def speaks_for(path: str) -> bool:
        return path == area or path.startswith(area.rstrip("/") + "/")

    def would_hold(pattern: str) -> bool:
        """Whether the folders that a pattern names before it guesses are in the area."""
        plain = re.match(r"(/?[^/*?\[]+(?=/|$))*", pattern)
        return "/" in pattern and plain is not None and plain[0] != "" and speaks_for("/" + plain[0].lstrip("/"))

    meant = [path for path in snapshot if any(asked(pattern, path) for pattern in given)]
    unmatched = [pattern for pattern in given if not any(asked(pattern, path) for path in snapshot)]
    nowhere = [pattern for pattern in unmatched if not would_hold(pattern)]
    if nowhere:
        with pytest.raises(NotFoundError) as caught:
            selected(snapshot, given, speaks_for)
        assert caught.value.item == repr(nowhere[0])
        return
    found = selected(snapshot, given, speaks_for)
    assert list(found.entries) == meant
    assert list(found.absent) == unmatched
    assert [path for path in snapshot if found.covers(path)] == meant
    can_stand(snapshot, found.entries)
    written = set(filter(found.on({}), snapshot))
    assert written == {*meant, *(folder for path in meant for folder in parents(path) if folder in snapshot)}
    assert set(filter(found.on(snapshot), snapshot)) == set(meant)


@given(trees(), st.data())
def test_any_part_can_stand_alone(snapshot: dict[str, Entry], data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(sorted(snapshot)))) if snapshot else set()
    part = parted(snapshot, kept.__contains__)
    assert set(part) == kept
    can_stand(snapshot, part)
    assert parted(part, kept.__contains__) == part
    assert parted(snapshot, lambda _path: True) == snapshot


def can_stand(snapshot: Mapping[str, Entry], part: Mapping[str, Entry]) -> None:
    """No link leads outside, all names of a file are still names of one file, and its content is the same."""

    def file_in(entries: Mapping[str, Entry]) -> Callable[[str], Entry]:
        return lambda path: entries[entries[path].target] if entries[path].kind is HARDLINK else entries[path]

    before, after = file_in(snapshot), file_in(part)
    for path, one in part.items():
        assert one.path == path
        assert after(path).kind is before(path).kind
        assert after(path).sha256 == before(path).sha256
        assert after(path).xattrs == before(path).xattrs
        if one.kind is HARDLINK:
            assert one == entry(path, HARDLINK, one.target)
    for one, other in itertools.combinations(part, 2):
        assert (after(one).path == after(other).path) == (before(one).path == before(other).path)
