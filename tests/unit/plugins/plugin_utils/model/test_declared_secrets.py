# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from ansible_collections.holdfast.config.plugins.plugin_utils.model.declared_secrets import SHORTEST, values
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import LINE_CHARACTERS
from hypothesis import given
from hypothesis import strategies as st

PATTERN = re.compile(r"^secret\s*=\s*(?P<secret>.*)")


def of(text: str, *patterns: str) -> list[tuple[int, str]]:
    return list(values([re.compile(pattern) for pattern in patterns] or [PATTERN], text))


def test_a_value_is_the_same_however_it_is_written() -> None:
    for spelled in ("hunter2secret", '"hunter2secret"', "'hunter2secret';", " hunter2secret \r", "hunter2secret,"):
        assert of(f"a = 1\nsecret = {spelled}\n") == [(2, "hunter2secret")]


def test_short_values_long_lines_and_empty_ones_give_none() -> None:
    assert of(f"secret = {'x' * (SHORTEST - 1)}") == []
    assert of(f"secret = {'x' * SHORTEST}") == [(1, "x" * SHORTEST)]
    assert of("secret =") == []
    assert of(f"secret = {'x' * LINE_CHARACTERS}") == []


def test_lines_are_those_of_an_editor() -> None:
    assert of("a\x0cb\u2028c\x85\r\nsecret = hunter2secret\r\n") == [(2, "hunter2secret")]


def test_a_pattern_without_the_group_gives_none() -> None:
    assert of("secret = hunter2secret", "^secret") == []
    assert of("secret = hunter2secret", "(?P<secret>never)|^secret") == []


def test_a_line_gives_each_of_its_secrets_once() -> None:
    both = r"(?P<secret>\w{8,})"
    assert of("aaaaaaaa bbbbbbbb aaaaaaaa", both, both) == [(1, "aaaaaaaa"), (1, "bbbbbbbb")]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=30), max_size=5))
def test_every_declared_secret_is_found_on_its_line(secrets: list[str]) -> None:
    text = "\n".join(f"secret = {secret}" for secret in secrets)
    bare = [secret.strip(" \t\r\"'`,;") for secret in secrets]
    wanted = [(number, secret) for number, secret in enumerate(bare, start=1) if len(secret) >= SHORTEST]
    found = of(text)
    assert [(number, value) for number, value in found if value in bare] == found
    assert [number for number, _value in found] == [number for number, _secret in wanted]
