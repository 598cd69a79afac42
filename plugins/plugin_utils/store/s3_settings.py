# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an S3 store is told: where the bucket is, and how to reach it. Holds no credential, and reads none."""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse
from collections.abc import Mapping

from ..aws.settings import CONFIG, AwsSettings
from ..errors import PolicyError
from .base import NAME_LENGTH, SEGMENT_LENGTH

# a key of S3 has 1024 bytes; with the slash between prefix and name
PREFIX_LENGTH = 1024 - NAME_LENGTH

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9_=~-][A-Za-z0-9._=~-]*")


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket and the prefix inside it, which is empty or ends in a slash."""

    name: str
    prefix: str

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


@dataclasses.dataclass(frozen=True)
class S3Settings(AwsSettings):
    """How to reach an S3 server; ``aws_config`` may hold addressing_style as well."""

    known: t.ClassVar[Mapping[str, type | tuple[type, ...]]] = {**CONFIG, "addressing_style": str}

    def _check_config(self) -> None:
        super()._check_config()
        style = (self.aws_config or {}).get("addressing_style", "auto")
        if style not in ("path", "virtual", "auto"):
            raise self.refused("aws_config.addressing_style", "is none", "Give path, virtual or auto.")


def read_bucket(url: str) -> Bucket:
    """Read ``s3://bucket/prefix``; raises PolicyError, which repeats nothing of a URL that may hold a password."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise _unusable("it is not a URL") from None
    if parts.query or parts.fragment:
        raise _unusable("an s3 URL has no query and no fragment")
    if "@" in parts.netloc or ":" in parts.netloc:
        raise _unusable("an s3 URL has no credentials and no port: they are options of the repository")
    if not _BUCKET.fullmatch(parts.netloc):
        raise _unusable("it does not name a bucket: 3 to 63 of a-z 0-9 . -")
    prefix = parts.path.strip("/")
    if not prefix:
        return Bucket(parts.netloc, "")
    segments = prefix.split("/")
    if not all(_SEGMENT.fullmatch(segment) and len(segment) <= SEGMENT_LENGTH for segment in segments):
        raise _unusable("a part of its prefix is empty, starts with a dot, or is not of A-Z a-z 0-9 . _ = ~ -")
    if len(prefix) + 1 > PREFIX_LENGTH:
        raise _unusable(f"its prefix is longer than {PREFIX_LENGTH - 1} characters, and a key ends at 1024")
    return Bucket(parts.netloc, f"{prefix}/")


def _unusable(why: str) -> PolicyError:
    return PolicyError(
        f"the repository URL is not usable: {why}",
        item="repository",
        remedy="Name the repository as file:///absolute/path or s3://bucket/prefix",
    )
