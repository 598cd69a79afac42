# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drift is told if and only if something but times has changed, judged by a describer that shares no code."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

from ansible_collections.holdfast.config.plugins.module_utils import _tree
from hypothesis import event, given, settings

from . import edits
from .ways import capture_request, component


def fingerprint(root: Path) -> str:
    """The walk's own of a whole folder."""
    header, _contents = _tree.answer(capture_request(root, component("/"), op="fingerprint"))
    return t.cast("str", header["components"]["app"]["fingerprint"])


@given(tree=edits.trees(), steps=edits.edits())
@settings(max_examples=400, deadline=None)
def test_drift_is_told_if_and_only_if_something_but_times_changed(
    tree: list[edits.Step], steps: list[edits.Step]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        edits.take(root, tree)
        edits.disown(root)
        before, known = edits.besides_times(root), fingerprint(root)
        edits.take(root, steps)
        changed = edits.besides_times(root) != before
        event(f"changed: {changed}")
        assert (fingerprint(root) != known) is changed
