# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Anything the model can hold, as hypothesis draws it, and ways to damage its bytes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, IntegrityError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, manifest, names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import KINDS, Component, Exclude
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind, LeftOut
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    SignKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    ALIAS,
    Body,
    ConsistencyFinding,
    HostFailure,
    ObjectRef,
    Retirement,
    Statement,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import (
    Fingerprint,
    PackDescription,
    SecretDigest,
    WrappedKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from hypothesis import settings
from hypothesis import strategies as st

few = settings(max_examples=50)

WHAT = "the object"

words = st.text(max_size=12)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
key_ids = st.binary(min_size=8, max_size=8).map(bytes.hex)
sizes = st.integers(0, 2**53 - 1)
moments = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9000, 1, 1), timezones=st.just(dt.timezone.utc)).map(
    lambda moment: moment.replace(microsecond=0)
)
classes = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)
streams = st.one_of(st.integers(0, 99).map("tier{}".format), st.from_regex(r"[a-z][a-z0-9_-]{0,63}", fullmatch=True))
hosts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
repositories = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
runs = key_ids
points = st.sampled_from(["main", "pre", "post"])
# what a file system allows in a name, as the model holds it
raw_names = (
    st.binary(min_size=1, max_size=20)
    .filter(lambda raw: not {0, 47} & set(raw) and raw not in (b".", b".."))
    .map(os.fsdecode)
)
raw_paths = st.lists(raw_names, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))
xattrs = st.dictionaries(raw_names.map("user.{}".format), st.binary(max_size=20), max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", max_size=4), inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=8), json_values, max_size=3)

_attributes = {
    "mode": st.integers(0, 0o7777),
    "uid": st.integers(0, 2**32 - 2),
    "gid": st.integers(0, 2**32 - 2),
    "user": raw_names | st.just(""),
    "group": raw_names | st.just(""),
    "mtime_ns": st.integers(-(2**62), 2**62),
    "xattrs": xattrs,
}
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(Entry, path=raw_paths, kind=st.just(EntryKind.FILE), size=sizes, sha256=digests, **_attributes),
    st.builds(Entry, path=raw_paths, kind=st.just(EntryKind.DIRECTORY), **_attributes),
    st.builds(Entry, path=raw_paths, kind=st.just(EntryKind.SYMLINK), target=raw_names, **_attributes),
    st.builds(Entry, path=raw_paths, kind=st.just(EntryKind.HARDLINK), target=raw_paths, **_attributes),
)
secret_digests = st.builds(SecretDigest, path=raw_paths, line=st.integers(1, 2**31), digest=digests)
components = st.builds(
    Component,
    name=st.from_regex(r"c[a-z0-9_-]{0,12}", fullmatch=True),
    paths=st.lists(words, max_size=2).map(tuple),
    tier=st.just("tier1"),
    owner=words,
    data_class=words,
    excludes=st.lists(st.builds(Exclude, words, words), max_size=2).map(tuple),
    unreadable=st.sampled_from(["error", "leave_out"]),
    kind=st.sampled_from(KINDS),
    volatile=st.lists(words, max_size=2).map(tuple),
    source=st.dictionaries(
        st.sampled_from(["commands", "unit", "url"]), words | st.lists(words, max_size=2), max_size=2
    ),
)


@st.composite
def component_contents(draw: st.DrawFn) -> ComponentContent:
    """A component whose entries make a tree: below one folder files, folders and links of any name."""
    found: dict[str, Entry] = {}
    contents = {}
    files = []

    def add(path: str, kind: EntryKind, **more: t.Any) -> None:
        attributes = {name: draw(strategy) for name, strategy in _attributes.items()}
        found[path] = Entry(path=path, kind=kind, **attributes, **more)

    if draw(st.booleans()):
        add("/etc", EntryKind.DIRECTORY)
    for name in draw(st.lists(raw_names, unique=True, max_size=4)):
        path = f"/etc/{name}"
        kind = draw(st.sampled_from(EntryKind))
        if kind is EntryKind.SYMLINK:
            add(path, kind, target=draw(raw_names))
        elif kind is EntryKind.DIRECTORY:
            add(path, kind)
        elif kind is EntryKind.HARDLINK and files:
            add(path, kind, target=draw(st.sampled_from(files)))
        else:
            contents[path] = draw(st.binary(max_size=40))
            files.append(path)
            add(path, EntryKind.FILE, size=len(contents[path]), sha256=_sha256(contents[path]))
    fingerprint = PlainFingerprint(
        draw(components),
        draw(digests),
        size=draw(sizes),
        entries=len(found),
        left_out=tuple(draw(st.lists(st.builds(LeftOut, raw_paths, words), max_size=2))),
        left_out_bytes=draw(sizes),
    )
    return ComponentContent(
        fingerprint=fingerprint,
        entries=tuple(found.values()),
        contents=contents,
        marks=tuple(draw(st.lists(words, max_size=2))),
        secrets=draw(st.none() | st.lists(secret_digests, max_size=2).map(tuple)),
    )


parts = st.lists(component_contents(), max_size=3, unique_by=lambda part: part.component.name).map(tuple)
fingerprints = st.builds(
    Fingerprint,
    component=words,
    definition=digests,
    digest_key=words,
    raw=digests,
    normalised=st.none() | digests,
    normaliser=st.none() | words,
)


@st.composite
def pack_names(draw: st.DrawFn, kind: names.Kind = names.Kind.PACK) -> str:
    """The name of some pack or manifest."""
    return names.for_snapshot(
        kind, draw(classes), draw(hosts), draw(streams), draw(moments), draw(st.binary(max_size=8))
    )


origins = st.builds(
    manifest.Origin,
    repository=repositories,
    root=digests,
    host=hosts,
    host_id=hosts,
    stream=streams,
    retention_class=classes,
    captured_at=moments,
    digest_key=words,
    writer=words,
)
descriptions = st.builds(PackDescription, name=pack_names(), size=sizes, tar_size=sizes, members=sizes)
wrapped_keys = st.builds(
    WrappedKey,
    retention_class=classes,
    year=st.integers(1970, 9999),
    series=st.sampled_from(["", "b", "c"]),
    scheme=words,
    recipient=words,
    wrapped=st.binary(max_size=20),
)


def _refs(kind: names.Kind) -> st.SearchStrategy[ObjectRef]:
    return st.builds(ObjectRef, name=pack_names(kind), version=words, size=sizes, lock_until=moments)


stream_entries = st.builds(
    StreamEntry,
    host=hosts,
    host_id=hosts,
    stream=streams,
    retention_class=classes,
    state=st.sampled_from(StreamState),
    captured_at=moments,
    verified_at=moments,
    pack=_refs(names.Kind.PACK),
    manifest=_refs(names.Kind.MANIFEST),
    fingerprints=st.lists(fingerprints, max_size=2).map(tuple),
    marks=st.lists(words, max_size=2).map(tuple),
    extra=st.dictionaries(st.from_regex(r"x_[a-z]{0,4}", fullmatch=True), json_values, max_size=2),
)
aliases = st.from_regex(ALIAS, fullmatch=True)
bodies = st.builds(
    Body,
    repository=repositories,
    root=digests,
    run=runs,
    point=points,
    opened_at=moments,
    sealed_at=moments,
    parents=st.lists(digests, max_size=2).map(tuple),
    full=st.booleans(),
    covers=st.lists(digests, max_size=2).map(tuple),
    streams=st.lists(stream_entries, max_size=3).map(tuple),
    expected=st.lists(hosts, max_size=2).map(tuple),
    failed=st.lists(st.builds(HostFailure, hosts, words), max_size=2).map(tuple),
    missing=st.lists(hosts, max_size=2).map(tuple),
    consistency=st.lists(st.builds(ConsistencyFinding, words, words), max_size=2).map(tuple),
    change=json_objects,
    actor=json_objects,
    alias=st.none() | aliases,
    complete=st.booleans(),
    retired=st.lists(st.builds(Retirement, hosts, st.none() | words, moments, digests), max_size=2).map(tuple),
)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """A statement about some body."""
    body = draw(st.binary(max_size=8))
    sealed_at, run = draw(moments), draw(runs)
    return Statement(
        repository=draw(repositories),
        root=draw(digests),
        run=run,
        point=draw(points),
        sealed_at=sealed_at,
        complete=draw(st.booleans()),
        full=draw(st.booleans()),
        parents=tuple(draw(st.lists(digests, max_size=3))),
        counts=draw(st.dictionaries(st.sampled_from(["streams", "stored", "failed"]), sizes)),
        body_name=names.for_point(names.Kind.BODY, sealed_at, run, body),
        body_sha256=_sha256(body),
        alias=draw(st.none() | aliases),
        change=draw(st.none() | words),
    )


requests = st.builds(Request, by=words, reason=words, ticket=words, expires=moments, nonce=words)
records = st.builds(
    Record,
    repository=repositories,
    root=digests,
    kind=classes,
    at=moments,
    by=key_ids,
    subject=json_objects,
    detail=json_objects,
    request=st.none() | requests,
)
sign_keys = st.builds(
    SignKey,
    id=key_ids,
    use=st.sampled_from(["point", "record"]),
    algorithm=st.just("ed25519"),
    public=st.binary(min_size=32, max_size=32),
    not_before=moments,
    not_after=moments,
)
class_year_keys = st.builds(
    ClassYearKey,
    retention_class=classes,
    year=st.integers(1970, 9999),
    scheme=words,
    public=words,
    series=st.sampled_from(["", "b", "c"]),
)
roots = st.builds(
    Root,
    id=st.just(""),
    repository=repositories,
    link=st.integers(1, 10**6),
    previous=st.none() | digests,
    created=moments,
    classes=st.dictionaries(
        classes,
        st.builds(
            RetentionClass,
            st.just(""),
            st.integers(1, 36500),
            st.sampled_from(["compliance", "governance"]),
            st.none() | st.integers(1, 73000),
        ),
        min_size=1,
        max_size=3,
    ).map(lambda found: {name: dataclasses.replace(kept, name=name) for name, kept in found.items()}),
    keys=st.builds(
        PublicKeys,
        sign=st.lists(sign_keys, max_size=2).map(tuple),
        wrap=st.lists(class_year_keys, max_size=2).map(tuple),
        escrow=st.lists(class_year_keys, max_size=2).map(tuple),
        digest=st.lists(st.builds(DigestKey, words, words), min_size=1, max_size=2).map(tuple),
    ),
    people=st.lists(
        st.builds(
            Person,
            principal=words,
            roles=st.lists(words, max_size=2).map(tuple),
            public=words,
            not_before=moments,
            not_after=moments,
        ),
        max_size=2,
    ).map(tuple),
    quorum=st.lists(
        st.builds(Quorum, words, st.integers(1, 9), st.lists(words, max_size=2).map(tuple), words), max_size=2
    ).map(tuple),
    tips=st.lists(digests, max_size=2).map(tuple),
    records=st.lists(digests, max_size=2).map(tuple),
    request=st.none() | requests,
)


def keyed(data: bytes) -> str:
    """Stands for the HMAC under a host's key."""
    return hashlib.sha256(b"key" + data).hexdigest()


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Other bytes: some of them flipped, cut off, left out, put in or repeated."""
    at = draw(st.integers(0, len(data) - 1))
    to = draw(st.integers(at, len(data)))
    some = draw(st.binary(min_size=1, max_size=8))
    way = draw(st.integers(0, 4))
    found = {
        0: data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :],
        1: data[:at],
        2: data[:at] + data[to:],
        3: data[:at] + some + data[at:],
        4: data[:to] + data[at:],
    }[way]
    return found if found != data else data + some


def flips(data: bytes, *, step: int = 1) -> Iterator[bytes]:
    """Each byte, or each *step*-th, flipped in two ways."""
    for position in range(0, len(data), step):
        for mask in (0x01, 0x80):
            yield data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]


def never_believed(data: bytes, other: bytes, read: Callable[[bytes], t.Any]) -> t.Any | None:
    """Return what *other* is read as, or None where it is refused; its digest never fits."""
    with pytest.raises(IntegrityError):
        canonical.check_digest(other, _sha256(data), what=WHAT)
    try:
        return read(other)
    except FormatError:
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unpacked(data: bytes) -> dict[str, t.Any]:
    """The document in a manifest's or body's bytes."""
    return canonical.load(zstd.decompress(data, limit=2**30), what=WHAT)


def packed(document: t.Any) -> bytes:
    """Bytes as those of a manifest or body."""
    return zstd.compress(canonical.dump(document))


def nested_objects(document: t.Any) -> list[dict[str, t.Any]]:
    """The document and every object in it, to be changed in place."""
    values = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    inner = [each for value in values for each in nested_objects(value)]
    return [document, *inner] if isinstance(document, dict) else inner


def refused_versions(document: dict[str, t.Any]) -> Iterator[dict[str, t.Any]]:
    """The document as a newer writer could make it: of another version, or with a field that must be known."""
    yield {**document, "format": 2}
    yield {**document, "critical": ["new"], "new": 1}


@st.composite
def manifests(draw: st.DrawFn) -> tuple[manifest.Origin, dict[str, t.Any]]:
    """What manifest.write takes."""
    contents = draw(parts)
    prints = draw(st.lists(fingerprints, min_size=len(contents), max_size=len(contents)))
    return draw(origins), {
        "pack": draw(descriptions),
        "key": draw(wrapped_keys),
        "escrow": tuple(draw(st.lists(words, max_size=2))),
        "parts": tuple(zip(contents, prints, strict=True)),
        "keyed": keyed,
    }
