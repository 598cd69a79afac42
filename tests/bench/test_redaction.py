# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What masking costs: 100,000 lines of YAML of this checkout, most of which hold no secret.

Prints and never judges speed: these machines' speed is not ours. That little was masked is judged.
"""

from __future__ import annotations

import itertools
import time

from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import Blocks, Redactor

from .fleet import CHECKOUT

LINES = 100_000
MOST_MASKED = 0.1


def test_a_hundred_thousand_lines() -> None:
    paths = sorted(path for folder in ("plugins", "roles", "playbooks") for path in (CHECKOUT / folder).rglob("*.yml"))
    held = [path.read_text(encoding="utf-8").splitlines() for path in paths]
    # an open block would go on into another file's lines
    lines = list(itertools.islice((line for text in itertools.cycle(held) for line in [*text, ""]), LINES))
    redactor = Redactor()
    started = time.process_time()
    blocks = Blocks.of(lines)
    masked = sum(blocks.masked(place, redactor) != line for place, line in enumerate(lines))
    spent = time.process_time() - started
    print(f"\n{LINES} lines of {len(paths)} files, {masked} masked: {spent:.2f} s of processor time")
    assert masked < MOST_MASKED * LINES
