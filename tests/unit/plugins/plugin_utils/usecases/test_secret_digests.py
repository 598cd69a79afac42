# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keys
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent, PlainFingerprint
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.secret_digests import MARK, with_secrets

KEY = keys.secret_key(b"k" * 32)
SECRET = "hunter2secret"


def content(texts: t.Mapping[str, bytes], *patterns: str, **more: t.Any) -> ComponentContent:
    component = Component("app", ("/etc/app",), "tier1", "ops", "internal", handling=Handling(secrets=patterns), **more)
    return ComponentContent(PlainFingerprint(component, "ab" * 32, 0, 0), (), texts)


def digest(value: str) -> str:
    return keys.keyed(KEY, value.encode("utf-8", "surrogateescape"))


def test_every_text_of_a_component_is_looked_at_in_the_order_of_paths() -> None:
    texts = {"/etc/app/b": f"x\npw {SECRET}\n".encode(), "/etc/app/a": b"pw other-secret"}
    told = with_secrets(content(texts, "^pw (?P<secret>.+)"), KEY).secrets
    assert told is not None
    assert [(one.path, one.line, one.digest) for one in told] == [
        ("/etc/app/a", 1, digest("other-secret")),
        ("/etc/app/b", 2, digest(SECRET)),
    ]


def test_what_is_binary_or_large_is_not_looked_at_and_no_mark_says_so() -> None:
    line = f"pw {SECRET}\n".encode()
    told = with_secrets(content({"/a": b"\0" + line, "/b": line + b"x" * (1 << 20)}, "pw (?P<secret>.+)"), KEY)
    assert (told.secrets, told.marks) == ((), ())


def test_bytes_that_are_no_text_are_told_apart() -> None:
    texts = {"/a": b"pw \xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4", "/b": b"pw \xf6\xf6\xf6\xf6\xf6\xf6\xf6\xf6"}
    told = with_secrets(content(texts, "pw (?P<secret>.+)"), KEY).secrets
    assert told is not None
    assert len({one.digest for one in told}) == 2


def test_of_a_device_what_its_platform_knows_is_declared() -> None:
    texts = {"/holdfast/app/running": f"hostname r1\nsnmp-server community {SECRET} RO\n".encode()}
    told = with_secrets(content(texts, kind="device", source={"platform": "ios", "items": ["running"]}), KEY).secrets
    assert told is not None
    assert [one.line for one in told] == [2]


def test_a_pattern_that_runs_away_leaves_nothing_but_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalise, "_MATCHING", 0.05)
    endless = with_secrets(content({"/a": b"pw " + b"a" * 60 + b"!"}, "^pw (?P<secret>(a+)+)$"), KEY)
    assert (endless.secrets, endless.marks) == (None, (MARK,))
