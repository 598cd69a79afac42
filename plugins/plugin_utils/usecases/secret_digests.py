# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests of the secrets that components declare, for their manifests: equal for all hosts of a repository."""

from __future__ import annotations

import contextlib
import dataclasses
import re

from ..capture import normalise, wire
from ..errors import CaptureError
from ..keyring import base as keys
from ..model import declared_secrets, sources
from ..model.content import ComponentContent
from ..model.snapshot import SecretDigest

# the mark of a component whose declared secrets are not all known
MARK = "secrets not known"
# a text that is larger is no configuration that people write secrets into
_LARGEST = 1024 * 1024


def with_secrets(content: ComponentContent, key: bytes) -> ComponentContent:
    """*content* with a digest of each secret that its component declares.

    Where there are too many, or a pattern runs away, it has none of them, and a mark says so: what is known of a
    component is known of all of it.

    :param key: of the repository's secrets (:func:`keyring.base.secret_key`).
    """
    patterns = _patterns(content)
    found: list[SecretDigest] = []
    with contextlib.suppress(CaptureError), normalise.bounded(content.component.name):
        for path, data in sorted(content.contents.items()):
            if len(data) > _LARGEST or b"\0" in data:
                continue
            text = data.decode("utf-8", "surrogateescape")
            for line, value in declared_secrets.values(patterns, text):
                digest = keys.keyed(key, value.encode("utf-8", "surrogateescape"))
                found.append(SecretDigest(path, line, digest))
            if len(found) > declared_secrets.MOST:
                break
        else:
            return dataclasses.replace(content, secrets=tuple(found))
    return dataclasses.replace(content, marks=(*content.marks, MARK))


def _patterns(content: ComponentContent) -> list[re.Pattern[str]]:
    component = content.component
    platform = wire.platform_of(component) if component.kind == sources.DEVICE else None
    known = () if platform is None else tuple(rule.pattern for rule in platform.secrets)
    # the policy was judged: each is a regular expression
    return [re.compile(pattern) for pattern in dict.fromkeys((*known, *component.handling.secrets))]
