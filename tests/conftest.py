# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In CI a skipped test is a failed test: what does not run proves nothing."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Generator

import pytest

if t.TYPE_CHECKING:
    R = t.TypeVar("R", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: R) -> R:
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test that skips itself, or is expected to fail and does, into a failure."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a whole file that skips itself into a failure."""
    return _refuse_skip((yield))
