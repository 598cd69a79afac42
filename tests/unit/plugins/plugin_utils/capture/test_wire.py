# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's answer is foreign input: whatever it holds, it is read whole or refused by the two families of errors."""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime as dt
import json
import os
import re
import tracemalloc
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import halves, wire
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    HoldfastError,
    RestoreError,
    TooLargeError,
    UnreadableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest as manifest_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import pack
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import (
    Fingerprint,
    PackDescription,
    WrappedKey,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .sites import component, near_trip

FAMILIES = (CaptureError, RestoreError)
LIMIT = 1 << 20
APP, BASE = component("app"), component("base")
LIMITS = {"bytes": LIMIT, "entries": 1000}
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DIGEST = "ab" * 32

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["/etc/app", "/etc/app/..", "/etc/passwd", "/etc/app/a\0", "\udcff", "\ud800", DIGEST, "Kw=="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def packed(header: t.Any, contents: bytes = b"") -> str:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return wire.MARK + base64.b64encode(zlib.compress(b"%08x" % len(head) + head) + contents).decode("ascii")


def read_content(header: t.Any, contents: bytes, *, limit_bytes: int = LIMIT) -> dict[str, ComponentContent]:
    """Read contents in pieces of seven bytes."""
    pieces = [contents[at : at + 7] for at in range(0, len(contents), 7)]
    return wire.read_content([APP, BASE], header, pieces, limit_bytes=limit_bytes)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, t.Any], bytes]:
    """What an honest host answers to ``content``: every kind of entry, and something left out."""
    root = tmp_path_factory.mktemp("honest")
    app = root / "etc/app"
    (app / "conf.d").mkdir(parents=True)
    (app / "main.conf").write_bytes(b"listen = 8080\n")
    os.link(app / "main.conf", app / "same.conf")
    (app / "link").symlink_to("main.conf")
    os.mkfifo(app / "fifo")
    (root / "etc/base").write_bytes(b"base")
    request = wire.tree_request("content", [APP, BASE], root=str(root), absent="error", limits=LIMITS)
    return wire.read_answer(near_trip("tree", request), limit_bytes=LIMIT)


def steps(document: t.Any, path: tuple[t.Any, ...] = ()) -> list[tuple[t.Any, ...]]:
    """The place of every value in a document."""
    found = [path] if path else []
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in pairs:
        found += steps(value, (*path, key))
    return found


def damaged(document: dict[str, t.Any], data: st.DataObject) -> dict[str, t.Any]:
    """A copy in which one to three values are replaced, gone or doubled."""
    document = copy.deepcopy(document)
    for _turn in range(data.draw(st.integers(1, 3))):
        places = steps(document)
        *way, last = data.draw(st.sampled_from(places))
        holder: t.Any = document
        for step in way:
            holder = holder[step]
        match data.draw(st.sampled_from(["replace", "drop", "double", "turn"])):
            case "drop":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
            case "turn" if isinstance(holder[last], list):
                holder[last].reverse()
            case _:
                holder[last] = data.draw(values)
        if not steps(document):
            break
    return document


def seal_and_open(parts: list[ComponentContent]) -> None:
    """What was let in can be sealed and comes back, or is refused while nothing is lost yet."""
    try:
        pieces, members = pack.write(host="h", stream="tier1", captured_at=NOW, parts=parts)
        tar = b"".join(pieces)
        origin = manifest_format.Origin("r", DIGEST, "h", "h", "tier1", "d0030", NOW, "k", "0.1.0")
        print_of = {c.component.name: Fingerprint(c.component.name, DIGEST, "k", DIGEST) for c in parts}
        manifest = manifest_format.write(
            origin,
            pack=PackDescription("p", 1, len(tar), members),
            key=WrappedKey("d0030", 2026, "", "s", "r", b""),
            escrow=(),
            parts=tuple((part, print_of[part.component.name]) for part in parts),
            keyed=lambda _data: DIGEST,
        )
    except HoldfastError:
        return
    opened = pack.read(tar, max_members=members, max_bytes=len(tar), what="pack")
    assert [(p.name, p.entries, p.contents) for p in opened.components] == [
        (p.component.name, p.entries, p.contents) for p in parts
    ]
    told = manifest_format.read(manifest, what="manifest").components
    assert [[(k.entry.path, k.entry.size) for k in p.entries] for p in told] == [
        [(e.path, e.size) for e in p.entries] for p in parts
    ]


def test_an_honest_answer_is_read(honest: tuple[dict[str, t.Any], bytes]) -> None:
    header, blob = honest
    found = read_content(header, blob)
    assert found["app"].contents == {"/etc/app/main.conf": b"listen = 8080\n"}
    assert [entry.kind.value for entry in found["app"].entries] == ["dir", "dir", "symlink", "file", "hardlink"]
    assert found["app"].left_out == (("/etc/app/fifo", "special file (fifo)"),)
    assert wire.read_listings([APP], header)["app"] == found["app"].entries
    assert wire.read_fingerprints([BASE], header)["base"] == found["base"].fingerprint
    assert wire.read_privilege(header) == (os.geteuid() == 0)
    for part in found.values():
        absent = [left.path for left in part.left_out if left.reason == "absent"]
        assert wire.fingerprint(part.component, part.entries, absent).raw == part.fingerprint.raw
        assert [wire.read_entry(wire.write_entry(entry)) for entry in part.entries] == list(part.entries)
    seal_and_open(list(found.values()))


@settings(max_examples=400)
@given(data=st.data())
def test_a_damaged_header_is_refused_or_can_be_sealed(
    honest: tuple[dict[str, t.Any], bytes], data: st.DataObject
) -> None:
    header = damaged(honest[0], data)
    try:
        read, blob = wire.read_answer(packed(header, honest[1]), limit_bytes=LIMIT)
    except FAMILIES:
        return
    for ask in (wire.read_fingerprints, wire.read_listings):
        with contextlib.suppress(CaptureError):
            ask([APP, BASE], read)
    for tell in (wire.read_privilege, wire.read_told):
        with contextlib.suppress(CaptureError):
            tell(read)
    try:
        found = read_content(read, blob)
    except CaptureError:
        return
    seal_and_open(list(found.values()))


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_as_they_were(
    honest: tuple[dict[str, t.Any], bytes], data: st.DataObject
) -> None:
    text = packed(*honest)
    for _turn in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["cut", "flip", "insert"])):
            case "cut":
                text = text[:at]
            case "flip":
                text = text[:at] + data.draw(st.characters()) + text[at + 1 :]
            case _:
                text = text[:at] + data.draw(st.text(max_size=5)) + text[at:]
        if not text:
            break
    try:
        read = wire.read_answer(text, limit_bytes=LIMIT)
    except FAMILIES:
        return
    assert read == honest


@settings(max_examples=150)
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()), st.binary(max_size=10))
def test_any_header_is_refused_or_an_object(head: bytes, blob: bytes) -> None:
    try:
        header, rest = wire.read_answer(packed(head, blob), limit_bytes=LIMIT)
    except FAMILIES:
        return
    assert isinstance(header, dict)
    assert rest == blob


@settings(max_examples=100)
@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: wire.MARK + base64.b64encode(b).decode()))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(FAMILIES):
        wire.read_answer(text, limit_bytes=LIMIT)


@settings(max_examples=200)
@given(values)
def test_any_error_becomes_one_of_the_two_families(error: t.Any) -> None:
    for told in (error, {"type": error}, {"message": error}, {"type": "unreadable", "items": error}):
        with pytest.raises(FAMILIES):
            wire.read_answer(packed({"error": told}), limit_bytes=LIMIT)


@settings(max_examples=100)
@given(values, values)
def test_any_answer_to_an_apply_is_read_or_refused(written: t.Any, warnings: t.Any) -> None:
    host = Host(lambda *_args: packed({"written": written, "warnings": warnings}))
    try:
        applied = host.apply([], {}, owners=False)
    except FAMILIES:
        return
    assert all(isinstance(text, str) for text in (*applied.written, *applied.warnings))


def test_what_is_printed_around_the_answer_is_not_the_answer(honest: tuple[dict[str, t.Any], bytes]) -> None:
    for before in ("Welcome to h\r\n", "a prompt without a line feed> "):
        text = f"{before}{packed(*honest)}\r\nlogout\n"
        assert wire.read_answer(text, limit_bytes=LIMIT) == honest
    with pytest.raises(ConnectionLostError, match="no answer") as caught:
        wire.read_answer("Welcome to h\nHOLDFAST2 eJw=\n", limit_bytes=LIMIT)
    assert "login banner" in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    squeeze = zlib.compressobj(9)
    bomb = squeeze.compress(b"%08x{}" % 2) + b"".join(squeeze.compress(bytes(1 << 20)) for _turn in range(256))
    text = wire.MARK + base64.b64encode(bomb + squeeze.flush()).decode()
    assert len(text) < LIMIT
    with pytest.raises(TooLargeError):
        wire.read_answer(text, limit_bytes=LIMIT)


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_exact(more: int) -> None:
    text = packed(b'{"a":"' + b"b" * (LIMIT - len('00000000{"a":""}') + more) + b'"}', b"contents")
    if more:
        with pytest.raises(TooLargeError):
            wire.read_answer(text, limit_bytes=LIMIT)
    else:
        assert wire.read_answer(text, limit_bytes=LIMIT)[1] == b"contents"


def test_a_deep_document_is_refused() -> None:
    with pytest.raises(ConnectionLostError):
        wire.read_answer(packed(b"[" * 100_000), limit_bytes=LIMIT)


LIES: dict[str, tuple[str, t.Any]] = {
    "path outside the component": ("path", "/etc/shadow"),
    "path with ..": ("path", "/etc/app/../shadow"),
    "relative path": ("path", "etc/app/main.conf"),
    "path with NUL": ("path", "/etc/app/a\0b"),
    "path that no system has": ("path", "/etc/app/\ud800"),
    "path of another entry": ("path", "/etc/app/conf.d"),
    "digest": ("sha256", DIGEST),
    "no digest": ("sha256", ""),
    "size, less": ("size", 13),
    "size, more": ("size", 15),
    "size, negative": ("size", -14),
    "size, no number": ("size", "a"),
    "size, endless": ("size", float("inf")),
    "mode": ("mode", 0o100644),
    "owner": ("uid", -1),
    "group": ("gid", 2**32),
    "kind": ("kind", "socket"),
    "name that no system has": ("user", "\ud800"),
    "attributes": ("xattrs", {"user.a": "not base64!"}),
    "attribute's name": ("xattrs", {"\ud800": ""}),
    "time": ("mtime_ns", None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_a_file_is_refused(honest: tuple[dict[str, t.Any], bytes], lie: str) -> None:
    header, blob = copy.deepcopy(honest)
    field, value = LIES[lie]
    entry = next(e for e in header["components"]["app"]["listing"] if e["kind"] == "file")
    assert entry.get(field, {}) != value
    entry[field] = value
    with pytest.raises(CaptureError):
        read_content(header, blob)


@pytest.mark.parametrize("target", ["/etc/app/none", "/etc/shadow", "/etc/app/conf.d", "/etc/app/same.conf", ""])
def test_a_hard_link_leads_to_an_earlier_file(honest: tuple[dict[str, t.Any], bytes], target: str) -> None:
    header, blob = copy.deepcopy(honest)
    header["components"]["app"]["listing"][-1]["target"] = target
    with pytest.raises(CaptureError):
        read_content(header, blob)


def test_nothing_stands_below_a_file(honest: tuple[dict[str, t.Any], bytes]) -> None:
    header, blob = copy.deepcopy(honest)
    listing = header["components"]["app"]["listing"]
    listing.append({**listing[-1], "path": "/etc/app/same.conf/below", "kind": "dir"})
    with pytest.raises(CaptureError):
        read_content(header, blob)


@pytest.mark.parametrize("field", ["fingerprint", "bytes", "entries", "left_out", "left_out_bytes", "listing"])
@pytest.mark.parametrize("value", [None, -1, "x", [1], {"a": 1}])
def test_a_field_of_a_component_has_its_form(honest: tuple[dict[str, t.Any], bytes], field: str, value: t.Any) -> None:
    header, blob = copy.deepcopy(honest)
    header["components"]["app"][field] = value
    with pytest.raises(CaptureError):
        read_content(header, blob)
    del header["components"]["app"][field]
    with pytest.raises(CaptureError):
        read_content(header, blob)


def test_a_host_makes_no_number_of_marks(honest: tuple[dict[str, t.Any], bytes]) -> None:
    header, blob = copy.deepcopy(honest)
    app = header["components"]["app"]
    app["changed_while_read"] = ["/etc/app/main.conf"] * 1000
    marks = read_content(header, blob)["app"].marks
    assert marks[0] == "changed while read: /etc/app/main.conf"
    assert (len(marks), marks[-1]) == (21, "changed while read: 980 more")
    app["changed_while_read"] = ["/etc/app/main.conf", "/elsewhere"]
    with pytest.raises(ConnectionLostError):
        read_content(header, blob)


@pytest.mark.parametrize("half", ["tree", "apply"])
def test_a_host_says_no_more_than_a_sentence(half: str) -> None:
    error = {"type": "os", "message": "m" * 10**6, "items": ["i" * 10**4] * 1000}
    with pytest.raises((CaptureError, RestoreError)) as caught:
        wire.read_answer(packed({"error": error}), limit_bytes=1 << 31, half=half)
    assert "mmm" in str(caught.value)
    assert "980 more" in str(caught.value)
    assert len(str(caught.value)) < 20 * 1000


@pytest.mark.parametrize("moment", [10**9 << 62, -(10**9 << 62), 10**40])
def test_a_time_that_no_manifest_can_hold_is_refused(honest: tuple[dict[str, t.Any], bytes], moment: int) -> None:
    header, blob = copy.deepcopy(honest)
    header["components"]["app"]["listing"][0]["mtime_ns"] = moment
    with pytest.raises(ConnectionLostError):
        read_content(header, blob)


@pytest.mark.parametrize("blob", [b"", b"listen = 8080\n", b"listen = 8080\nbase+", b"listen = 9090\nbase"])
def test_content_must_be_all_that_was_listed_and_no_more(honest: tuple[dict[str, t.Any], bytes], blob: bytes) -> None:
    with pytest.raises(ConnectionLostError):
        read_content(honest[0], zlib.compress(blob))


@pytest.mark.parametrize(
    "places",
    [None, {}, [], [2, 3], [2, 2], [-2], [3.0], [True], ["3"], [[3]], [4], [3, 3], [10**30], [None]],
    ids=repr,
)
def test_each_file_has_its_place_in_the_contents_once(honest: tuple[dict[str, t.Any], bytes], places: t.Any) -> None:
    header, contents = copy.deepcopy(honest)
    assert header["components"]["app"]["contents"] == [3]
    header["components"]["app"]["contents"] = places
    with pytest.raises(CaptureError):
        read_content(header, contents)


@settings(max_examples=100)
@given(data=st.data())
def test_contents_come_in_pieces_of_any_size(honest: tuple[dict[str, t.Any], bytes], data: st.DataObject) -> None:
    header, contents = honest
    cuts = sorted(data.draw(st.lists(st.integers(0, len(contents)), max_size=5)))
    pieces = [contents[start:end] for start, end in zip([0, *cuts], [*cuts, len(contents)], strict=True)]
    found = wire.read_content([APP, BASE], header, pieces, limit_bytes=LIMIT)
    assert found == read_content(header, contents)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_contents_are_refused_or_what_they_were(
    honest: tuple[dict[str, t.Any], bytes], data: st.DataObject
) -> None:
    header, contents = honest
    at = data.draw(st.integers(0, len(contents) - 1))
    flipped = contents[:at] + bytes([contents[at] ^ data.draw(st.integers(1, 255))]) + contents[at + 1 :]
    try:
        found = read_content(header, data.draw(st.sampled_from([flipped]) | st.binary(max_size=60)))
    except CaptureError:
        return
    assert found == read_content(header, contents)


def test_contents_that_are_cut_or_followed_by_anything_are_refused(honest: tuple[dict[str, t.Any], bytes]) -> None:
    header, contents = honest
    for end in range(len(contents)):
        with pytest.raises(ConnectionLostError):
            read_content(header, contents[:end])
    for more in (b"\0", b"more than a piece", contents):
        with pytest.raises(ConnectionLostError):
            read_content(header, contents + more)


def test_contents_that_unpack_to_much_of_little(tmp_path: Path) -> None:
    (tmp_path / "etc/app").mkdir(parents=True)
    (tmp_path / "etc/base").touch()
    for size in (1 << 16, (1 << 20) - 1, 5 << 20):
        (tmp_path / "etc/app" / str(size)).write_bytes(bytes(size))
        found = Host(near_trip, root=str(tmp_path)).content([APP])["app"]
        assert found.contents[f"/etc/app/{size}"] == bytes(size)


def test_contents_are_unpacked_no_further_than_they_were_listed(honest: tuple[dict[str, t.Any], bytes]) -> None:
    squeeze = zlib.compressobj(9)
    bomb = squeeze.compress(b"listen = 8080\nbase") + b"".join(squeeze.compress(bytes(1 << 20)) for _turn in range(200))
    tracemalloc.start()
    try:
        with pytest.raises(ConnectionLostError, match="more content came than was listed"):
            wire.read_content([APP, BASE], honest[0], [bomb + squeeze.flush()], limit_bytes=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("more", [0, 1])
def test_no_more_is_listed_than_was_asked_for(honest: tuple[dict[str, t.Any], bytes], more: int) -> None:
    if more:
        with pytest.raises(TooLargeError):
            read_content(*honest, limit_bytes=len(b"listen = 8080\nbase") - more)
    else:
        assert read_content(*honest, limit_bytes=len(b"listen = 8080\nbase"))


def test_contents_that_the_host_keeps_are_described() -> None:
    file = {"folder": "/tmp/.holdfast-1", "size": 100, "sha256": DIGEST}
    kept = wire.read_file({"file": file}, limit_bytes=10)
    assert kept == wire.KeptFile(**file)  # type: ignore[arg-type]
    assert wire.read_file({"components": {}}, limit_bytes=10) is None
    with pytest.raises(TooLargeError):
        wire.read_file({"file": {**file, "size": 1 << 30}}, limit_bytes=1 << 29)
    for field, value in (("folder", "\0"), ("folder", "\ud800"), ("size", -1), ("size", "x"), ("sha256", "x")):
        with pytest.raises(ConnectionLostError):
            wire.read_file({"file": {**file, field: value}}, limit_bytes=10)
        with pytest.raises(ConnectionLostError):
            wire.read_file({"file": {name: file[name] for name in file if name != field}}, limit_bytes=10)


KINDS = {
    "tree": {
        "absent": CaptureError,
        "gone": CaptureError,
        "internal": CaptureError,
        "no_folder": CaptureError,
        "no_space": CaptureError,
        "os": CaptureError,
        "request": CaptureError,
        "root": CaptureError,
        "too_large": TooLargeError,
        "unreadable": UnreadableError,
    },
    "apply": dict.fromkeys(
        (
            "busy",
            "hostile",
            "immutable",
            "in_the_way",
            "internal",
            "invalid",
            "journal",
            "mount",
            "no_space",
            "os",
            "outside",
            "partial",
            "payload",
            "read_only",
            "reload",
            "request",
            "root",
            "stale",
        ),
        RestoreError,
    ),
}


@pytest.mark.parametrize(("half", "kind"), [(half, kind) for half, kinds in KINDS.items() for kind in kinds])
def test_every_refusal_of_a_half_has_its_class_and_a_remedy(half: str, kind: str) -> None:
    refusal = {"type": kind, "message": "it refused", "items": [f"/etc/{n}" for n in range(25)]}
    with pytest.raises(KINDS[half][kind]) as caught:
        wire.read_answer(packed({"error": refusal}), limit_bytes=LIMIT, half=half)
    assert caught.value.__class__ is KINDS[half][kind]
    assert caught.value.remedy
    assert "/etc/19 and 5 more" in str(caught.value)
    assert "/etc/20" not in str(caught.value)


def test_a_refusal_after_some_paths_were_written_says_how_many() -> None:
    refusal = {"type": "partial", "message": "it broke off", "items": ["/etc/c"], "written": ["/etc/a", "/etc/b"]}
    with pytest.raises(RestoreError, match="it broke off, after 2 paths were written"):
        wire.read_answer(packed({"error": refusal}), limit_bytes=LIMIT, half="apply")


@pytest.mark.parametrize("half", ["tree", "apply"])
def test_these_are_all_refusals_that_the_halves_have(half: str) -> None:
    parts = {"tree": ["_tree"], "apply": [name for name in halves.PARTS["apply"] if name != "_tree"]}[half]
    source = "".join(Path(_tree.__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in parts)
    found = set(re.findall(r'RefusedError\(\s*"([a-z_]+)"', source)) | {"internal"}
    known = set(KINDS[half])
    # those missing here are raised with a kind that stands in a variable
    assert found <= known
    assert known - found <= {"outside", "in_the_way", "root"}


def test_a_component_too_large_names_the_biggest_in_words(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/app").write_bytes(bytes(2000))
    host = Host(near_trip, root=str(tmp_path), limit_bytes=1000)
    with pytest.raises(TooLargeError, match=re.escape("/etc/app (2000 bytes)")):
        host.fingerprints([APP])
