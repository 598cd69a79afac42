# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML to plain values. The one file of the library that imports yaml."""

from __future__ import annotations

import functools
import re
import typing as t

from .errors import DependencyMissingError, FormatError

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]


def require() -> None:
    """Raise DependencyMissingError where PyYAML is not installed on the controller."""
    if yaml is None:
        raise DependencyMissingError("PyYAML is not installed", item="yaml", remedy="Run pip install PyYAML.")


def load(data: bytes) -> t.Any:
    """Read one document: plain values only, and no key that stands twice.

    :raises FormatError: it is not YAML; says in which line and what the parser missed, never what stands there.
    :raises DependencyMissingError: PyYAML is not installed.
    """
    require()
    try:
        return yaml.load(data, Loader=_loader())  # a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise FormatError(f"is not YAML{_spot(e)}") from None


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """The quickest safe loader there is, which also refuses a key that stands twice."""
    base: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[t.Hashable, t.Any]:
            keys = [key.value for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
            for key in {key for key in keys if keys.count(key) > 1}:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", node.start_mark)
            return dict(super().construct_mapping(node, deep=deep))

    return t.cast("type[yaml.SafeLoader]", Loader)


def _spot(error: Exception) -> str:
    """Where, and what the parser missed; never what stands there, which may be a secret."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    line = f" (line {mark.line + 1})" if mark is not None else ""
    return f"{line}: {problem}" if isinstance(problem, str) and re.fullmatch(r"[ -~]{1,120}", problem) else line
