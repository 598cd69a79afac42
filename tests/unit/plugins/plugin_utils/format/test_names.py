# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import unicodedata

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, NameRefusedError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format.names import Kind, ObjectName
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import validate_name
from hypothesis import given
from hypothesis import strategies as st

from .strategies import classes, damaged, digests, few, hosts, moments, runs, streams

AT = dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc)
EMPTY = hashlib.sha256(b"").hexdigest()

long_hosts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=300)
object_names = st.one_of(
    st.builds(ObjectName, st.just(Kind.ROOT), digests, link=st.integers(1, 10**20)),
    st.builds(
        ObjectName,
        st.sampled_from([Kind.PACK, Kind.MANIFEST]),
        digests,
        retention_class=classes,
        host=long_hosts.map(names.escape_host),
        stream=streams,
        at=moments,
    ),
    st.builds(ObjectName, st.sampled_from([Kind.BODY, Kind.POINT]), digests, at=moments, run=runs),
    st.builds(ObjectName, st.just(Kind.RECORD), digests, at=moments, record=classes),
)


def test_names_are_spelled_as_the_format_says() -> None:
    assert names.for_root(12, b"") == f"root/12-{EMPTY}.json"
    assert names.for_snapshot(Kind.PACK, "d0030", "web 1.example", "tier0", AT, b"") == (
        f"packs/d0030/web%201.example/tier0/20261121T011623Z-{EMPTY}.tar.zst.age"
    )
    assert names.for_snapshot(Kind.MANIFEST, "d0030", ".häß", "motd", AT, b"") == (
        f"manifests/d0030/%2Eh%C3%A4%C3%9F/motd/20261121T011623Z-{EMPTY}.json.zst"
    )
    assert names.for_point(Kind.BODY, AT, "00ff" * 4, b"") == (
        f"bodies/2026-11-21/20261121T011623Z-00ff00ff00ff00ff-{EMPTY}.json.zst"
    )
    assert names.for_point(Kind.POINT, AT, "00ff" * 4, b"") == (
        f"points/2026-11-21/20261121T011623Z-00ff00ff00ff00ff-{EMPTY}.json"
    )
    assert names.for_record("restore", AT, b"") == f"records/restore/2026-11/20261121T011623Z-{EMPTY}.json"


@few
@given(parts=object_names)
def test_every_name_reads_back_and_suits_every_store(parts: ObjectName) -> None:
    assert names.parse(str(parts)) == parts
    validate_name(str(parts))


@few
@given(parts=object_names, data=st.data())
def test_a_changed_name_is_refused_or_another_name(parts: ObjectName, data: st.DataObject) -> None:
    name = str(parts)
    changed = data.draw(damaged(name.encode())).decode("latin-1")
    try:
        found = names.parse(changed)
    except FormatError as e:
        assert e.item == changed  # noqa: PT017
    else:
        assert str(found) == changed
        assert found != parts


@few
@given(name=st.text(st.characters(), max_size=60))
def test_any_text_is_refused_or_reads_back(name: str) -> None:
    for prefix in ("", "root/", "packs/d0030/h/tier0/", "points/2026-11-21/", "records/restore/2026-11/"):
        try:
            assert str(names.parse(prefix + name)) == prefix + name
        except FormatError as e:
            assert e.item == prefix + name  # noqa: PT017


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "root",
        "root/",
        f"root/0-{EMPTY}.json",
        f"root/01-{EMPTY}.json",
        f"root/-1-{EMPTY}.json",
        f"root/+1-{EMPTY}.json",
        f"root/1_0-{EMPTY}.json",
        f"root/\u0661-{EMPTY}.json",
        f"root/{'9' * 5000}-{EMPTY}.json",
        f"root/1-{EMPTY.upper()}.json",
        f"root/1-{EMPTY[:-1]}.json",
        f"root/1-{EMPTY}.json\n",
        f"root/1-{EMPTY}",
        f"root/x/1-{EMPTY}.json",
        f"ROOT/1-{EMPTY}.json",
        f"packs/d0030/h/tier0/20261121T011623Z-{EMPTY}.json.zst",
        f"packs/D0030/h/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030//tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/../tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/.h/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h%2fi/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h%41/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h%FF/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h%0A/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h%/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/{'h' * 121}/tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/Tier0/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/tier0/x/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/20261121T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/tier0/20261121T011663Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/tier0/20261321T011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/tier0/2026112T1011623Z-{EMPTY}.tar.zst.age",
        f"packs/d0030/h/tier0/20261121T011623z-{EMPTY}.tar.zst.age",
        f"bodies/2026-11-20/20261121T011623Z-{'0' * 16}-{EMPTY}.json.zst",
        f"bodies/2026-11-21/20261121T011623Z-{'0' * 15}-{EMPTY}.json.zst",
        f"bodies/2026-11-21/20261121T011623Z-{'G' * 16}-{EMPTY}.json.zst",
        f"bodies/2026-11-21/20261121T011623Z-{EMPTY}.json.zst",
        f"points/2026-11/20261121T011623Z-{'0' * 16}-{EMPTY}.json",
        f"records/restore/2026-12/20261121T011623Z-{EMPTY}.json",
        f"records/Restore/2026-11/20261121T011623Z-{EMPTY}.json",
        f"records//2026-11/20261121T011623Z-{EMPTY}.json",
    ],
)
def test_a_name_spelled_otherwise_is_refused(name: str) -> None:
    with pytest.raises(FormatError) as error:
        names.parse(name)
    assert error.value.item == name


@pytest.mark.parametrize(
    "parts",
    [
        {"retention_class": "../x"},
        {"retention_class": ""},
        {"stream": "../../root"},
        {"stream": ""},
        {"stream": "Tier0"},
    ],
)
def test_a_name_that_would_lead_elsewhere_is_not_made(parts: dict[str, str]) -> None:
    wanted = {"retention_class": "d0030", "host": "h", "stream": "tier0", **parts}
    with pytest.raises(NameRefusedError):
        names.for_snapshot(Kind.PACK, at=AT, data=b"", **wanted)


def test_links_runs_and_records_are_checked_too() -> None:
    with pytest.raises(NameRefusedError):
        names.for_root(0, b"")
    with pytest.raises(NameRefusedError):
        names.for_point(Kind.POINT, AT, "../x", b"")
    with pytest.raises(NameRefusedError):
        names.for_record("Restore", AT, b"")


@few
@given(host=long_hosts)
def test_an_escaped_host_reads_back_or_is_hashed(host: str) -> None:
    escaped = names.escape_host(host)
    assert len(escaped) <= 120
    assert escaped.isascii()
    assert not escaped.startswith(".")
    assert "/" not in escaped
    if names.unescape_host(escaped) is None:
        assert escaped == f"={hashlib.sha256(host.encode()).hexdigest()}"
        assert len(host.encode()) > 40
    else:
        assert names.unescape_host(escaped) == host


@few
@given(first=long_hosts, second=long_hosts)
def test_two_hosts_never_share_a_segment(first: str, second: str) -> None:
    assert (names.escape_host(first) == names.escape_host(second)) == (first == second)


@few
@given(segment=st.text(st.characters() | st.sampled_from("%=.AF0"), max_size=12))
def test_any_segment_is_refused_or_the_escape_of_its_host(segment: str) -> None:
    try:
        host = names.unescape_host(segment)
    except FormatError as e:
        assert e.item == segment  # noqa: PT017
    else:
        assert host is not None
        assert names.escape_host(host) == segment


@pytest.mark.parametrize("segment", ["", "\ud800", "a\udcff", "%C3", "%c3%a9", "%41", "h/i", ".h", "=0", "h" * 121])
def test_a_segment_that_is_no_escape_is_refused(segment: str) -> None:
    with pytest.raises(FormatError) as error:
        names.unescape_host(segment)
    assert error.value.item == segment


@pytest.mark.parametrize("host", ["", "a\nb", "a\0", "\x7f", "\x85", "\x1b[2J", "\ud800", "a\udcff"])
def test_a_host_that_is_no_printed_text_is_refused(host: str) -> None:
    with pytest.raises(NameRefusedError) as error:
        names.escape_host(host)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("host", "segment"),
    [
        ("web1.example.com", "web1.example.com"),
        (".", "%2E"),
        ("..", "%2E."),
        ("%41", "%2541"),
        ("=" + "0" * 64, "%3D" + "0" * 64),
        ("a/b", "a%2Fb"),
        ("ü" * 20, "%C3%BC" * 20),
        ("ü" * 21, "=" + hashlib.sha256(("ü" * 21).encode()).hexdigest()),
    ],
)
def test_hosts_are_escaped_as_the_format_says(host: str, segment: str) -> None:
    assert names.escape_host(host) == segment


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("web", "WEB"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("\u03c3", "\u03c2"),
        ("\u212b", "\u00e5"),
    ],
)
def test_hosts_that_some_stores_take_for_one_are_refused(first: str, second: str) -> None:
    assert names.colliding_hosts([first, "other", second, first]) == [(first, second)]
    with pytest.raises(NameRefusedError, match="differ only in case or Unicode form") as error:
        names.refuse_colliding([first, second])
    assert error.value.remedy


@few
@given(found=st.lists(hosts, max_size=6), data=st.data())
def test_collisions_are_found_in_any_company(found: list[str], data: st.DataObject) -> None:
    kept = {unicodedata.normalize("NFC", unicodedata.normalize("NFC", host).casefold()): host for host in found}
    names.refuse_colliding([*kept.values(), *kept.values()])
    for host in kept.values():
        other = unicodedata.normalize(data.draw(st.sampled_from(["NFC", "NFD"])), host.swapcase())
        if other not in (host, *kept.values()) and other.casefold() == host.casefold():
            assert names.colliding_hosts([*kept.values(), other])


def test_parts_are_what_a_name_says() -> None:
    name = names.for_snapshot(Kind.PACK, "d0030", "h", "tier0", AT, b"")
    expected = ObjectName(Kind.PACK, EMPTY, retention_class="d0030", host="h", stream="tier0", at=AT)
    assert names.parse(name) == expected
    assert names.parse(str(dataclasses.replace(expected, kind=Kind.MANIFEST))).kind is Kind.MANIFEST
