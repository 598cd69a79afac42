# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a sizing: options of a task become typed values."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..model.assumption import MOST_HOSTS, MOST_RUNS, read_assumption
from ..model.policy import Finding, read_classes, read_tiers, refuse
from ..model.prices import Prices, read_prices
from ..model.retention import RetentionClass
from ..model.sizing import Basis
from ..usecases.sizing import MOST_BACK_DAYS, MOST_WINDOW_DAYS, Wanted
from .options import Options

SIZING: Mapping[str, t.Any] = {
    "classes": {"type": "dict"},
    "tiers": {"type": "dict"},
    "assume": {"type": "dict"},
    "prices": {"type": "dict"},
    "window_days": {"type": "int", "default": 28},
    "compare_days": {"type": "int"},
    "expected_hosts": {"type": "int"},
    "monthly_growth": {"type": "float", "default": 0.0},
    "runs_per_day": {"type": "float"},
}


def prices(options: Options, classes: Mapping[str, RetentionClass]) -> Prices | None:
    """The price list, None where none is given; raises PolicyError with every finding.

    :param classes: those that can be archived.
    """
    findings: list[Finding] = []
    found = read_prices(options["prices"], findings, classes=sorted(classes))
    refuse(findings)
    return found


def assumption(options: Options) -> Basis | None:
    """What is assumed, None where the repository is measured; raises PolicyError with every finding."""
    given = options["assume"]
    if given is None:
        return None
    findings: list[Finding] = []
    classes = read_classes(options.inherited("classes"), findings)
    tiers = read_tiers(options.inherited("tiers"), classes, findings)
    found = read_assumption(given, findings, classes=classes, tiers=tiers)
    if options["compare_days"] is not None:
        remedy = "Leave one of them out: what is assumed has no past."
        findings.append(Finding("compare_days", "does not go with assume", remedy))
    refuse(findings)
    return found


def wanted(options: Options, listed: Prices | None) -> Wanted:
    """What the forecast goes by; raises PolicyError where a number is out of range."""
    hosts, runs, growth = options["expected_hosts"], options["runs_per_day"], options["monthly_growth"]
    findings = []
    for name, value, least, most in (
        ("expected_hosts", hosts, 1, MOST_HOSTS),
        ("runs_per_day", runs, 0.01, MOST_RUNS),
        ("monthly_growth", growth, 0, MOST_HOSTS),
    ):
        if value is not None and not least <= value <= most:
            findings.append(Finding(name, f"{value:g} is out of range", f"Give {least:g} to {most:g}."))
    refuse(findings)
    back = None if options["compare_days"] is None else options.number("compare_days", 1, MOST_BACK_DAYS)
    return Wanted(
        window_days=options.number("window_days", 1, MOST_WINDOW_DAYS),
        back_days=back,
        hosts=hosts,
        monthly_growth=growth,
        runs_per_day=runs,
        archive_after={} if listed is None else listed.archive_after,
    )
