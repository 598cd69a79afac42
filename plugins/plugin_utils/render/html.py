# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages: no script, nothing from elsewhere, light or dark as their reader has it, fit for print."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

from ..errors import DependencyMissingError
from ..model.difference import STATUSES, VOLATILE, Comparison
from ..model.redaction import visible
from .lines import CONTEXT, HUNK, NEW, NOTE, OLD, Shown, shown
from .text import summary

try:
    import jinja2
except ImportError:
    jinja2 = None  # type: ignore[assignment]

LIMIT_LINES = 1000
_TEMPLATE = "comparison.html.j2"
_CLASSES = {CONTEXT: "same", OLD: "old", NEW: "new", HUNK: "hunk", NOTE: "note"}


def page(comparison: Comparison, *, limit_lines: int | None = LIMIT_LINES) -> str:
    """All of a comparison as HTML.

    :param limit_lines: how many lines of a path's content are shown; what is more is counted. None for no limit.
    :raises DependencyMissingError: jinja2 is not installed.
    """
    parts: dict[str, list[Shown]] = {name: [] for name in comparison.components}
    for difference in comparison.differences:
        parts[difference.component].append(shown(comparison, difference, most=limit_lines))
    return "".join(
        pieces(
            _TEMPLATE,
            comparison=comparison,
            counts=comparison.counts(),
            statuses=(*STATUSES, VOLATILE),
            parts=[(name, summary(comparison, name), found) for name, found in parts.items()],
            classes=_CLASSES,
        )
    )


def pieces(template: str, **values: t.Any) -> Iterator[str]:
    """A page of this folder's *template*, in pieces; texts stand in it as texts, whatever they hold.

    :raises DependencyMissingError: jinja2 is not installed.
    """
    if jinja2 is None:
        raise DependencyMissingError(
            "the Python library jinja2 is not installed on the controller",
            remedy="Install jinja2 for the Python that runs Ansible",
        )
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["visible"] = visible
    return environment.get_template(template).generate(values)
