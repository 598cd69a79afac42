# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A history tells what was done to a file, and nothing that was not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import history as model
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Exclude
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind, LeftOut
from ansible_collections.holdfast.config.plugins.plugin_utils.model.history import Look, Row
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import (
    CapturedComponent,
    Fingerprint,
    KeyedEntry,
)
from hypothesis import given
from hypothesis import strategies as st

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
HOUR = dt.timedelta(hours=1)
PATH = "/etc/app/main.conf"
APP = Component("app", ("/etc/app",), "tier1", "", "")
BLANK = Look(START, START, "tier1", "0" * 64)


def keyed(key: str, text: str) -> str:
    return hashlib.sha256(f"{key} {text}".encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class File:
    """A path on a host, with all that a history may tell of it."""

    text: str = "a"
    mode: int = 0o644
    user: str = "root"
    group: str = "root"
    link: bool = False
    xattrs: tuple[tuple[str, str], ...] = ()

    def entry(self, key: str, path: str = PATH) -> KeyedEntry:
        ids = {"root": 0, "www": 33}
        kind = EntryKind.SYMLINK if self.link else EntryKind.FILE
        size = 0 if self.link else len(self.text)
        entry = Entry(path, kind, self.mode, ids[self.user], ids[self.group], self.user, self.group, 7, size)
        return KeyedEntry(entry, keyed(key, self.text), {name: keyed(key, value) for name, value in self.xattrs})


@dataclasses.dataclass(frozen=True)
class Host:
    """What of the path was true, and how it was captured. ``declared`` by a stream or not; ``hidden`` is left out."""

    file: File | None = None
    key: str = "k1"
    declared: bool = True
    hidden: bool = False

    def component(self, definition: Component = APP, *others: File) -> CapturedComponent:
        entries = [] if self.file is None or self.hidden else [self.file.entry(self.key)]
        entries += [other.entry(self.key, f"/etc/app/{number}") for number, other in enumerate(others)]
        left = (LeftOut(PATH, "unreadable"),) if self.hidden else ()
        print_ = Fingerprint("app", "d" * 64, self.key, keyed(self.key, repr((self.file, others))))
        return CapturedComponent(definition, print_, 0, tuple(entries), left, 0, ())

    def look(self, number: int, stream: str = "tier1") -> Look:
        at = START + number * HOUR
        parts = [self.component()] if self.declared else []
        return model.of_path(parts, PATH, Look(at, at + HOUR / 2, stream, f"{number:064x}"))


def rows(*hosts: Host) -> list[Row]:
    return list(model.history(host.look(number) for number, host in enumerate(hosts)))


def told(*hosts: Host) -> list[tuple[int, str, tuple[str, ...]]]:
    """The number of the look that each row is of, its status, and what changed."""
    return [(int(row.look.snapshot, 16), row.status, row.what) for row in rows(*hosts)]


FILE = File()
HERE, GONE = Host(FILE), Host()


def with_(**fields: t.Any) -> Host:
    return Host(dataclasses.replace(FILE, **fields))


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (with_(text="b"), ("content",)),
        (with_(text="longer"), ("content",)),
        (with_(mode=0o600), ("mode",)),
        (with_(user="www"), ("owner",)),
        (with_(group="www"), ("group",)),
        (with_(text="b", mode=0o600, user="www"), ("content", "mode", "owner")),
        (with_(link=True), ("kind",)),
        (with_(xattrs=(("user.a", "1"),)), ("extended attributes",)),
    ],
)
def test_a_change_says_what_changed(after: Host, what: tuple[str, ...]) -> None:
    assert told(HERE, HERE, after, after) == [(0, "first seen", ()), (2, "changed", what)]
    assert told(after, HERE)[1:] == [(1, "changed", what)]


def test_a_link_says_that_its_target_changed() -> None:
    assert told(with_(link=True), with_(link=True, text="b"))[1:] == [(1, "changed", ("target",))]


def test_what_was_removed_and_came_back_is_compared_with_what_it_was() -> None:
    assert told(GONE, HERE, GONE, GONE, HERE, GONE, with_(text="b")) == [
        (1, "first seen", ()),
        (2, "removed", ()),
        (4, "back", ()),
        (5, "removed", ()),
        (6, "back", ("content",)),
    ]


def test_a_change_came_after_what_was_proven_before() -> None:
    first, second = rows(HERE, HERE, with_(text="b"))
    assert (first.at, first.after) == (START, None)
    assert (second.at, second.after) == (START + 2 * HOUR, START + HOUR * 1.5)


class TestOtherKey:
    def test_what_only_a_digest_tells_is_not_compared(self) -> None:
        other = dataclasses.replace(HERE, key="k2")
        _first, second = rows(HERE, other, other)
        assert (second.status, second.what, second.not_compared, second.key_changed) == (
            "not comparable",
            (),
            ("content",),
            True,
        )

    def test_what_is_known_without_it_is_told(self) -> None:
        longer = Host(dataclasses.replace(FILE, text="longer", xattrs=(("user.a", "1"),)), "k2")
        _first, second = rows(with_(xattrs=(("user.a", "1"),)), longer)
        assert (second.status, second.what) == ("changed", ("content",))
        assert second.not_compared == ("extended attributes",)
        _first, second = rows(HERE, dataclasses.replace(with_(mode=0o600), key="k2"))
        assert (second.status, second.what, second.not_compared) == ("changed", ("mode",), ("content",))

    def test_later_ones_are_compared_again(self) -> None:
        changed = dataclasses.replace(with_(text="b"), key="k2")
        assert told(HERE, dataclasses.replace(HERE, key="k2"), changed)[2:] == [(2, "changed", ("content",))]


class TestSilence:
    HIDDEN = dataclasses.replace(HERE, hidden=True)
    UNDECLARED = dataclasses.replace(HERE, declared=False)

    def test_what_is_left_out_is_not_taken_for_removed(self) -> None:
        _first, second, third = rows(HERE, self.HIDDEN, self.HIDDEN, HERE)
        assert (second.status, second.reason, third.status) == ("not captured", "unreadable", "seen again")
        assert told(HERE, self.HIDDEN, with_(text="b"))[2:] == [(2, "changed", ("content",))]
        assert told(HERE, self.HIDDEN, GONE)[2:] == [(2, "removed", ())]

    def test_what_is_declared_no_longer_is_not_taken_for_removed(self) -> None:
        assert told(HERE, self.UNDECLARED, self.UNDECLARED, HERE, HERE)[1:] == [
            (1, "not declared", ()),
            (3, "seen again", ()),
        ]

    def test_nothing_is_said_of_what_never_was(self) -> None:
        assert told(GONE, self.UNDECLARED, GONE) == []
        assert told(self.UNDECLARED, self.UNDECLARED) == []

    def test_another_stream_may_still_declare_it(self) -> None:
        looks = [
            HERE.look(0, "tier1"),
            HERE.look(1, "tier2"),
            self.UNDECLARED.look(2, "tier1"),
            self.UNDECLARED.look(3, "tier2"),
        ]
        assert [(row.status, row.look.stream) for row in model.history(looks)] == [
            ("first seen", "tier1"),
            ("not declared", "tier2"),
        ]

    def test_it_is_captured_while_one_stream_captures_it(self) -> None:
        """One component leaves it out, since another one, of another tier, is there for it."""
        hidden = dataclasses.replace(HERE, hidden=True)
        looks = [
            *(hidden.look(0), HERE.look(1, "tier0"), hidden.look(2), HERE.look(3, "tier0")),
            *(hidden.look(4), with_(text="b").look(5, "tier0"), hidden.look(6)),
        ]
        assert [(row.status, row.at) for row in model.history(looks)] == [
            ("not captured", START),
            ("first seen", START + HOUR),
            ("changed", START + 5 * HOUR),
        ]
        # a stream that came to its end says nothing any more
        ended = list(model.history(looks, {"tier0": START + 5 * HOUR}))
        assert [(row.status, row.at) for row in ended][3:] == [("not captured", START + 6 * HOUR)]
        # until that one does no longer
        none = dataclasses.replace(HERE, declared=False)
        looks += [none.look(7, "tier0"), hidden.look(8), hidden.look(9)]
        assert [(row.status, row.reason) for row in model.history(looks)][3:] == [("not captured", "unreadable")]

    def test_the_reason_is_that_of_the_nearest_folder(self) -> None:
        part = dataclasses.replace(
            GONE.component(),
            left_out=(LeftOut("/etc", "special"), LeftOut("/etc/app", "too deep"), LeftOut("/etc/app/x", "noise")),
        )
        assert model.of_path([part], PATH, BLANK).left_out == "too deep"

    def test_a_path_that_was_absent_then_is_not_left_out(self) -> None:
        part = dataclasses.replace(GONE.component(), left_out=(LeftOut("/etc/app", "absent"),))
        look = model.of_path([part], PATH, BLANK)
        assert (look.component, look.left_out, look.entry) == ("app", "", None)


def test_a_component_that_is_asked_for_speaks_alone() -> None:
    other = dataclasses.replace(HERE.component(Component("other", ("/etc",), "tier1", "", "", (Exclude("x", "y"),))))
    assert model.of_path([other, HERE.component()], PATH, BLANK).component == "other"
    assert model.of_path([other, HERE.component()], PATH, BLANK, component="app").component == "app"
    assert model.of_path([other], PATH, BLANK, component="app").component == ""


class TestComponent:
    def rows(self, *parts: CapturedComponent | None) -> list[Row]:
        looks = [
            model.of_component(
                [] if part is None else [part],
                "app",
                dataclasses.replace(BLANK, at=START + number * HOUR, until=START + number * HOUR),
            )
            for number, part in enumerate(parts)
        ]
        return list(model.history(looks))

    def test_it_names_the_paths_that_changed(self) -> None:
        first = HERE.component(APP, FILE, FILE)
        second = with_(text="b").component(APP, FILE)
        _first, row = self.rows(first, first, second)
        assert (row.status, row.what, row.paths, row.more) == ("changed", ("content",), ("/etc/app/1", PATH), 0)
        _first, row = self.rows(GONE.component(), GONE.component(APP, *[FILE] * 14))
        assert (len(row.paths), row.more) == (model.NAMED, 4)
        # all of its paths are not kept for each change of it
        assert row.look.captured is None

    def test_another_policy_is_not_taken_for_another_host(self) -> None:
        first = HERE.component()
        print_ = dataclasses.replace(first.fingerprint, definition="e" * 64)
        _first, row = self.rows(first, dataclasses.replace(first, fingerprint=print_))
        assert (row.status, row.what, row.paths) == ("changed", ("definition",), ())

    @pytest.mark.parametrize(
        ("normalised", "normaliser", "status"),
        [("n", "lines-1", "volatile"), ("m", "lines-1", "changed"), ("n", "lines-2", "changed")],
    )
    def test_what_is_volatile_is_told_apart(self, normalised: str, normaliser: str, status: str) -> None:
        first, second = HERE.component(), with_(text="b").component()
        one = dataclasses.replace(first.fingerprint, normalised="n", normaliser="lines-1")
        two = dataclasses.replace(second.fingerprint, normalised=normalised, normaliser=normaliser)
        _first, row = self.rows(
            dataclasses.replace(first, fingerprint=one), dataclasses.replace(second, fingerprint=two)
        )
        assert (row.status, row.what, row.paths) == (status, ("content",), (PATH,))

    def test_other_keys_say_nothing_of_each_other(self) -> None:
        other = dataclasses.replace(HERE, key="k2").component()
        _first, row = self.rows(HERE.component(), other)
        assert (row.status, row.what, row.not_compared, row.paths) == ("not comparable", (), ("content",), ())

    def test_it_is_declared_no_longer_and_again(self) -> None:
        part = HERE.component()
        assert [row.status for row in self.rows(part, None, None, part)] == ["first seen", "not declared", "seen again"]


files = st.builds(
    File,
    text=st.sampled_from(["a", "b", "longer"]),
    mode=st.sampled_from([0o600, 0o644]),
    user=st.sampled_from(["root", "www"]),
    link=st.booleans(),
    xattrs=st.sampled_from([(), (("user.a", "1"),), (("user.a", "2"),)]),
)
often, seldom = st.sampled_from([True, True, True, False]), st.sampled_from([False, False, False, True])
states = st.builds(Host, st.none() | files, st.sampled_from(["k1", "k1", "k2"]), often, seldom)


def truth(hosts: Sequence[Host]) -> list[tuple[int, str, frozenset[str], frozenset[str]]]:
    """What a history must tell, from what was done itself and not from digests."""
    found: list[tuple[int, str, frozenset[str], frozenset[str]]] = []
    nothing: frozenset[str] = frozenset()
    last: Host | None = None
    there, paused, watched = False, "", False
    for number, host in enumerate(hosts):
        if not host.declared:
            if watched and (last is not None or paused):
                found.append((number, "not declared", nothing, nothing))
                paused = "not declared"
            watched = False
            continue
        watched = True
        if host.hidden:
            if paused != "unreadable":
                found.append((number, "not captured", nothing, nothing))
            paused = "unreadable"
            continue
        if host.file is None:
            if there:
                found.append((number, "removed", nothing, nothing))
            elif paused and last is not None:
                found.append((number, "seen again", nothing, nothing))
        elif last is None or last.file is None:
            found.append((number, "first seen", nothing, nothing))
        else:
            what, unknown = differing(last.file, host.file, same_key=last.key == host.key)
            if not there:
                found.append((number, "back", what, unknown))
            elif what:
                found.append((number, "changed", what, unknown))
            elif unknown:
                found.append((number, "not comparable", what, unknown))
            elif paused:
                found.append((number, "seen again", nothing, nothing))
        there, paused = host.file is not None, ""
        last = host if host.file is not None else last
    return found


def differing(one: File, other: File, *, same_key: bool) -> tuple[frozenset[str], frozenset[str]]:
    what, unknown = set(), set()
    if one.link is not other.link:
        what.add("kind")
    elif one.text != other.text and (same_key or (not one.link and len(one.text) != len(other.text))):
        what.add("target" if one.link else "content")
    elif not same_key:
        unknown.add("target" if one.link else "content")
    if one.mode != other.mode:
        what.add("mode")
    if one.user != other.user:
        what.add("owner")
    if [name for name, _value in one.xattrs] != [name for name, _value in other.xattrs]:
        what.add("extended attributes")
    elif not same_key and one.xattrs:
        unknown.add("extended attributes")
    elif one.xattrs != other.xattrs:
        what.add("extended attributes")
    return frozenset(what), frozenset(unknown)


@given(st.lists(states, max_size=12))
def test_a_history_tells_what_was_done(hosts: list[Host]) -> None:
    found = [
        (int(row.look.snapshot, 16), row.status, frozenset(row.what), frozenset(row.not_compared))
        for row in rows(*hosts)
    ]
    assert found == truth(hosts)


@given(st.lists(states, max_size=12))
def test_it_is_in_order_and_never_says_that_a_change_came_after_it_was_seen(hosts: list[Host]) -> None:
    found = rows(*hosts)
    assert [row.at for row in found] == sorted(row.at for row in found)
    assert all(row.after is None or row.after <= row.at for row in found)
    assert {row.status for row in found} <= set(model.STATUSES)
