# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of network configurations is shown: none of the secrets of ``network_secrets.yml``, and all else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import MASK, Blocks, Redactor

TEXTS: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "network_secrets.yml").read_text(encoding="utf-8")
)
_MARKED = re.compile("«([^»]*)»")
LEAST_SECRETS, LEAST_HARMLESS = 120, 150


def shown(platform: str, lines: Sequence[str]) -> list[str]:
    redactor = Redactor(tuple(rule.pattern for rule in platforms.find(platform).secrets))
    blocks = Blocks.of(lines)
    return [blocks.masked(place, redactor) for place in range(len(lines))]


def test_the_corpus_has_all_platforms_with_a_command_line_and_enough_lines() -> None:
    assert set(TEXTS) == set(platforms.names()) - {"netconf"}
    secrets = [found for texts in TEXTS.values() for found in _MARKED.findall(texts["secrets"])]
    assert len(secrets) >= LEAST_SECRETS
    assert sum(len(texts["harmless"].splitlines()) for texts in TEXTS.values()) >= LEAST_HARMLESS


@pytest.mark.parametrize("platform", TEXTS)
def test_each_secret_is_masked(platform: str) -> None:
    marked = TEXTS[platform]["secrets"].splitlines()
    views = shown(platform, [line.replace("«", "").replace("»", "") for line in marked])
    leaks = [
        (line, view)
        for line, view in zip(marked, views, strict=True)
        for secret in _MARKED.findall(line)
        if secret in view or MASK not in view
    ]
    assert leaks == []


@pytest.mark.parametrize("platform", TEXTS)
def test_what_stands_before_a_secret_is_shown(platform: str) -> None:
    marked = TEXTS[platform]["secrets"].splitlines()
    views = shown(platform, [line.replace("«", "").replace("»", "") for line in marked])
    told = [
        (line.partition("«")[0].split(), view)
        for line, view in zip(marked, views, strict=True)
        # what of a block follows its first line is masked as a whole
        if view.strip() != MASK
    ]
    assert [(words, view) for words, view in told if words and words[0] not in view] == []


@pytest.mark.parametrize("platform", TEXTS)
def test_no_harmless_line_is_masked(platform: str) -> None:
    lines = TEXTS[platform]["harmless"].splitlines()
    lines += [line for line in TEXTS[platform]["secrets"].splitlines() if "«" not in line]
    # lines that begin and end the blocks of keys are shown as such
    views = [(line, shown(platform, [line])[0]) for line in lines if "-----" not in line]
    assert [(line, view) for line, view in views if line != view] == []
