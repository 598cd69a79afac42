# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests (format.md section 5)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Callable

from ..errors import FormatError
from ..model.component import Component, Exclude
from ..model.content import ComponentContent
from ..model.entry import LeftOut
from ..model.imported import Imported
from ..model.snapshot import (
    CapturedComponent,
    Fingerprint,
    Manifest,
    PackDescription,
    SecretDigest,
    WrappedKey,
)
from ..seal import zstd
from . import canonical, entries
from .canonical import Fields, moment, words

SIZE_LIMIT = 256 * 1024 * 1024
# bytes of a wrapped secret: an RSA key of 16384 bits makes half as many, and one in age some hundreds
WRAPPED_LIMIT = 4096


@dataclasses.dataclass(frozen=True)
class Origin:
    """Whose snapshot a manifest describes, and under which trust and digest key it is written.

    ``imported`` says where it comes from, if another tool captured it.
    """

    repository: str
    root: str
    host: str
    host_id: str
    stream: str
    retention_class: str
    captured_at: dt.datetime
    digest_key: str
    writer: str
    restore_open: bool = False
    imported: Imported | None = None

    @property
    def key_year(self) -> int:
        """The year of the key to seal it under: when it was captured, or imported."""
        at = None if self.imported is None else self.imported.at
        return (at or self.captured_at).year


def definition(component: Component) -> str:
    """SHA-256 of a component's canonical definition: tells a changed policy from a changed host."""
    return hashlib.sha256(canonical.dump(_write_component(component))).hexdigest()


def write(
    origin: Origin,
    *,
    pack: PackDescription,
    key: WrappedKey,
    escrow: tuple[str, ...],
    parts: tuple[tuple[ComponentContent, Fingerprint], ...],
    keyed: Callable[[bytes], str],
) -> bytes:
    """Spell a manifest: compressed canonical JSON.

    :param keyed: turns bytes into a digest under the host's key, hex.
    :raises FormatError: larger than a reader would read.
    """
    document = {
        **canonical.header("manifest", origin.repository),
        "root": origin.root,
        "host": origin.host,
        "host_id": origin.host_id,
        "stream": origin.stream,
        "class": origin.retention_class,
        "captured_at": moment(origin.captured_at),
        "digest_key": origin.digest_key,
        "pack": dataclasses.asdict(pack),
        "key": {
            "class": key.retention_class,
            "year": key.year,
            "series": key.series,
            "scheme": key.scheme,
            "recipient": key.recipient,
            "wrapped": canonical.b64(key.wrapped),
        },
        "escrow": list(escrow),
        "components": [
            {
                **_write_component(part.component),
                "fingerprint": write_fingerprint(fingerprint),
                "bytes": part.fingerprint.size,
                "entries": [entries.write_keyed(entry, keyed) for entry in part.entries],
                "left_out": [
                    {**entries.spell("path", left.path), "reason": words(left.reason)} for left in part.left_out
                ],
                "left_out_bytes": part.fingerprint.left_out_bytes,
                "marks": [words(mark) for mark in part.marks],
                # left out where nobody looked for any: manifests of older writers have none
                **({} if part.secrets is None else {"secrets": [_write_secret(secret) for secret in part.secrets]}),
            }
            for part, fingerprint in parts
        ],
        "imported": None if origin.imported is None else origin.imported.in_manifest(),
        "restore_open": origin.restore_open,
        "writer": origin.writer,
    }
    plain = canonical.dump(document)
    if len(plain) > SIZE_LIMIT:
        raise FormatError(
            f"the manifest would be larger than {SIZE_LIMIT} bytes",
            remedy="Spread the components over more tiers, or exclude what is no configuration.",
        )
    return zstd.compress(plain)


def read(data: bytes, *, what: str) -> Manifest:
    """Read a manifest back; raises FormatError."""
    plain = zstd.decompress(data, limit=SIZE_LIMIT)
    fields = canonical.expect(canonical.load(plain, what=what), "manifest", what=what)
    return Manifest(
        repository=fields.text("repository"),
        root=fields.digest("root"),
        host=fields.text("host"),
        host_id=fields.text("host_id"),
        stream=fields.text("stream"),
        retention_class=fields.text("class"),
        captured_at=fields.moment("captured_at"),
        digest_key=fields.text("digest_key"),
        pack=_read_pack(fields.inner("pack")),
        key=_read_key(fields.inner("key")),
        escrow=fields.texts("escrow"),
        components=fields.each("components", _read_captured),
        writer=fields.text("writer"),
        imported=fields.raw("imported"),
        restore_open=fields.flag("restore_open"),
    )


def write_fingerprint(fingerprint: Fingerprint) -> dict[str, t.Any]:
    """A fingerprint, as manifests and bodies hold it."""
    return dataclasses.asdict(fingerprint)


def read_fingerprint(fields: Fields) -> Fingerprint:
    """Read :func:`write_fingerprint` back."""
    return Fingerprint(
        component=fields.text("component"),
        definition=fields.digest("definition"),
        digest_key=fields.text("digest_key"),
        raw=fields.digest("raw"),
        normalised=fields.digest_or_none("normalised"),
        normaliser=fields.text_or_none("normaliser"),
    )


def _write_component(component: Component) -> dict[str, t.Any]:
    return {
        "name": component.name,
        "kind": component.kind,
        "tier": component.tier,
        "owner": component.owner,
        "data_class": component.data_class,
        "paths": list(component.paths),
        "excludes": [{"pattern": exclude.pattern, "reason": exclude.reason} for exclude in component.excludes],
        "unreadable": component.unreadable,
        # left out where there is none: manifests and definitions of older writers have neither
        **({"volatile": list(component.volatile)} if component.volatile else {}),
        **({"source": dict(component.source)} if component.source else {}),
    }


def _read_captured(fields: Fields) -> CapturedComponent:
    component = Component(
        name=fields.text("name"),
        paths=fields.texts("paths"),
        tier=fields.text("tier"),
        owner=fields.text("owner"),
        data_class=fields.text("data_class"),
        excludes=fields.each("excludes", lambda f: Exclude(f.text("pattern"), f.text("reason"))),
        unreadable=fields.text("unreadable"),
        kind=fields.text("kind"),
        volatile=fields.texts("volatile") if fields.has("volatile") else (),
        source=fields.mapping("source") if fields.has("source") else {},
    )
    return CapturedComponent(
        component=component,
        fingerprint=read_fingerprint(fields.inner("fingerprint")),
        size=fields.number("bytes"),
        entries=fields.each("entries", entries.read_keyed),
        left_out=fields.each("left_out", lambda f: LeftOut(entries.unspell(f, "path"), f.text("reason"))),
        left_out_bytes=fields.number("left_out_bytes"),
        marks=fields.texts("marks"),
        secrets=fields.each("secrets", _read_secret) if fields.has("secrets") else None,
    )


def _write_secret(secret: SecretDigest) -> dict[str, t.Any]:
    return {**entries.spell("path", secret.path), "line": secret.line, "digest": secret.digest}


def _read_secret(fields: Fields) -> SecretDigest:
    return SecretDigest(entries.unspell(fields, "path"), fields.number("line"), fields.digest("digest"))


def _read_pack(fields: Fields) -> PackDescription:
    return PackDescription(
        name=fields.text("name"),
        size=fields.number("size"),
        tar_size=fields.number("tar_size"),
        members=fields.number("members"),
    )


def _read_key(fields: Fields) -> WrappedKey:
    wrapped = fields.bytes("wrapped")
    if len(wrapped) > WRAPPED_LIMIT:
        raise fields.refuse("wrapped", f"has more than {WRAPPED_LIMIT} bytes")
    return WrappedKey(
        retention_class=fields.text("class"),
        year=fields.number("year"),
        series=fields.text("series"),
        scheme=fields.text("scheme"),
        recipient=fields.text("recipient"),
        wrapped=wrapped,
    )
