# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree of errors: as it is drawn, and what an error says."""

from __future__ import annotations

import inspect
import re

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import errors
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    FormatError,
    HoldfastError,
    StoreError,
    TransientError,
)

CLASSES = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, HoldfastError)
}


def drawn() -> dict[str, str]:
    """Each class of the drawing with the one above it."""
    above: list[str] = []
    found = {}
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        match = re.match(r"    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+Error)\b(.*)", line)
        if match:
            depth = line.index(match[2]) // 4 - 1
            above[depth:] = [match[2]]
            found[match[2]] = above[depth - 1] if depth else ""
            assert match[3].strip() or not depth, f"{match[2]} does not say what to do next"
    return found


def test_the_drawing_is_the_tree() -> None:
    assert len(CLASSES) > 25
    assert drawn() == {
        name: "" if kind is HoldfastError else kind.__mro__[1].__name__ for name, kind in CLASSES.items()
    }


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_line_and_an_honest_name(name: str) -> None:
    kind = CLASSES[name]
    assert name.endswith("Error")
    assert (kind.__doc__ or "").split("\n")[0].endswith(".")
    assert kind.__doc__ != (kind.__mro__[1].__doc__)
    assert kind("it failed").message == "it failed"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "it failed"),
        ({"host": "h"}, "it failed (host h)"),
        ({"item": "x"}, "it failed (item x)"),
        ({"host": "h", "item": "x"}, "it failed (host h, item x)"),
        ({"remedy": "Try again"}, "it failed. Try again."),
        ({"remedy": "Try again."}, "it failed. Try again."),
        ({"host": "h", "item": "x", "remedy": "Try again."}, "it failed (host h, item x). Try again."),
        ({"host": "", "item": "", "remedy": ""}, "it failed"),
    ],
)
def test_an_error_is_one_sentence_and_its_remedy(given: dict[str, str], text: str) -> None:
    assert str(HoldfastError("it failed", **given)) == text


def test_the_host_is_added_where_it_was_not_known() -> None:
    error = CaptureError("it failed", item="x")
    assert error.at("h") is error
    assert str(error) == "it failed (host h, item x)"
    assert str(error.at("other")) == "it failed (host h, item x)"


def test_details_are_a_copy() -> None:
    figures = {"sealed": True}
    error = HoldfastError("it failed", details=figures)
    figures.clear()
    assert error.details == {"sealed": True}
    assert HoldfastError("it failed").details == {}


def test_what_the_caller_does_next_is_told_apart() -> None:
    """Retry, refuse and correct are different branches."""
    assert not issubclass(FormatError, StoreError)
    assert issubclass(errors.ThrottledError, TransientError)
    assert not issubclass(errors.FullError, TransientError)
    assert not issubclass(errors.WrongKeyError, FormatError)
    assert not issubclass(errors.ObjectMissingError, FormatError)
