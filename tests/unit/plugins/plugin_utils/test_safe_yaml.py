# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML becomes plain values, or an error that says where and repeats nothing."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import safe_yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DependencyMissingError, FormatError
from hypothesis import given
from hypothesis import strategies as st


def test_plain_values() -> None:
    assert safe_yaml.load(b"{a: [1, two, null, true]}") == {"a": [1, "two", None, True]}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a: 1\na: 2\n", "is not YAML (line 1): 'a' stands twice"),
        (b"a:\n  - [\n", "is not YAML (line 3)"),
        (b"!!python/object/apply:os.system [id]", "is not YAML (line 1): could not determine a constructor"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"2026-99-99", "is not YAML"),
    ],
)
def test_what_is_none_says_where(data: bytes, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        safe_yaml.load(data)
    assert caught.value.message.startswith(says)


def test_nothing_that_stands_there_is_repeated() -> None:
    with pytest.raises(FormatError) as caught:
        safe_yaml.load(b"password: hunter2\nnext: [hunter2\n")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.binary(max_size=64))
def test_only_an_error_of_ours_comes_of_bytes(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        safe_yaml.load(data)


def test_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_yaml, "yaml", None)
    with pytest.raises(DependencyMissingError, match="PyYAML is not installed"):
        safe_yaml.load(b"a: 1")
