# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import (
    PRIVILEGED_XATTRS,
    Label,
    Side,
    compare_trees,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import (
    NOW,
    SEALED,
    compared,
    file,
    folder,
    link,
    of,
    side,
)
from hypothesis import given
from hypothesis import strategies as st


def told(before: Side, after: Side, **more: t.Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.path, one.status, one.what) for one in compare_trees(before, after, **more)]


def test_paths_are_added_removed_and_changed() -> None:
    before = side([folder("/etc/a"), file("/etc/a/x", b"1"), file("/etc/a/old"), link("/etc/a/l", "x")])
    after = side([folder("/etc/a"), file("/etc/a/x", b"2", mode=0o600), file("/etc/a/new"), link("/etc/a/l", "y")])
    assert told(before, after) == [
        ("/etc/a/l", "changed", ("target",)),
        ("/etc/a/new", "added", ()),
        ("/etc/a/old", "removed", ()),
        ("/etc/a/x", "changed", ("content", "mode")),
    ]


def test_owners_are_compared_by_name_or_number_unless_told_otherwise() -> None:
    before, after = side([file("/etc/a", uid=0, user="root")]), side([file("/etc/a", uid=7, user="app", group="ops")])
    assert told(before, after) == [("/etc/a", "changed", ("owner",))]
    assert told(before, after, owners=False) == []


def test_attributes_that_were_not_set_are_not_compared() -> None:
    before = side([file("/etc/a", xattrs={"security.x": b"1", "user.y": b"1"})])
    after = side([file("/etc/a", xattrs={"user.y": b"1"})])
    assert told(before, after) == [("/etc/a", "changed", ("extended attributes",))]
    assert told(before, after, without_xattrs=PRIVILEGED_XATTRS) == []


def test_a_path_is_of_the_component_of_the_side_that_has_it() -> None:
    before = Side({"/a": file("/a"), "/b": file("/b")}, {"/a": "one", "/b": "one"})
    after = Side({"/a": file("/a", b"x"), "/c": file("/c")}, {"/a": "two", "/c": "two"})
    assert [(d.path, d.component) for d in compare_trees(before, after)] == [
        ("/a", "two"),
        ("/b", "one"),
        ("/c", "two"),
    ]


ENTRIES = st.dictionaries(
    st.sampled_from(["/etc/a", "/etc/b", "/etc/c"]),
    st.builds(
        Entry,
        st.just(""),
        st.sampled_from(EntryKind),
        st.sampled_from([0o600, 0o644]),
        st.sampled_from([0, 1]),
        st.just(0),
        st.sampled_from(["", "root"]),
        st.just(""),
        st.integers(0, 9),
    ),
)


@given(ENTRIES, ENTRIES)
def test_what_is_added_one_way_is_removed_the_other(one: dict[str, Entry], other: dict[str, Entry]) -> None:
    left, right = (side(dataclasses.replace(e, path=p) for p, e in entries.items()) for entries in (one, other))
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(path, turned[status], what) for path, status, what in told(left, right)] == told(right, left)
    assert told(left, left) == []


def test_in_plain_values_a_difference_has_the_attributes_that_differ() -> None:
    before = side([file("/etc/a", b"1", xattrs={"user.a": b"s3cret", "user.b": b"1"})])
    after = side([file("/etc/a", b"22", mode=0o600, uid=7, user="", xattrs={"user.b": b"1", "user.c": b"2"})])
    (found,) = compare_trees(before, after)
    assert found.as_dict() == {
        "path": "/etc/a",
        "component": "a",
        "status": "changed",
        "what": ["content", "mode", "extended attributes", "owner"],
        "volatile": False,
        "before": {"mode": "0644", "owner": "root", "extended_attributes": "user.a", "size": 1},
        "after": {"mode": "0600", "owner": "7", "extended_attributes": "user.c", "size": 2},
    }


def test_in_plain_values_a_path_that_came_has_its_attributes() -> None:
    (found,) = compare_trees(side([]), side([link("/etc/a", "b\x1b")]))
    assert found.as_dict()["after"] == {
        "kind": "symlink",
        "mode": "0777",
        "owner": "root",
        "group": "root",
        "target": "b\\x1b",
    }
    assert "before" not in found.as_dict()


def test_plain_values_hold_no_content_and_can_be_sent() -> None:
    outcome = compared({"/etc/a/\udcff": b"old S3CRET"}, {"/etc/a/\udcff": b"new S3CRET"})
    sent = json.dumps(outcome.as_dict()).encode("utf-8")
    assert b"S3CRET" not in sent
    assert outcome.as_dict()["differences"][0]["path"] == "/etc/a/\\xff"


def test_what_is_volatile_is_counted_by_itself_and_is_no_drift() -> None:
    outcome = compared({"/etc/a/x": b"1"}, {"/etc/a/x": b"2", "/etc/b/y": b""}, unchanged=5)
    assert outcome.drift
    assert outcome.counts() == {"added": 1, "removed": 0, "changed": 1, "volatile": 0}
    assert outcome.components == ["a", "b"]
    calm = dataclasses.replace(
        outcome, differences=tuple(dataclasses.replace(one, volatile=True) for one in outcome.differences)
    )
    assert not calm.drift
    assert calm.counts("a") == {"added": 0, "removed": 0, "changed": 0, "volatile": 1}
    assert not of(side([]), side([])).drift


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (Label("web1", SEALED, SEALED, ("ab",)), "web1, sealed at 2026-11-21T01:16:23Z"),
        (Label("web1", SEALED, NOW, ("ab",)), "web1, sealed at 2026-11-21T01:16:23Z to 2026-11-21T09:00:00Z"),
        (Label("w\x1beb", NOW, NOW), "w\\x1beb, live at 2026-11-21T09:00:00Z"),
    ],
)
def test_a_side_says_what_it_is(label: Label, words: str) -> None:
    assert str(label) == words


def test_a_component_without_a_redactor_has_that_of_software_in_general() -> None:
    assert compared({}, {}).redactor("a").line("password = x") == "password = <secret>"
