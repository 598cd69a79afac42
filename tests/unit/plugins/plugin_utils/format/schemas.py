# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON Schemas of the repository format in docs/design/schema, by the name of their file."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import jsonschema
from referencing import Registry, Resource

FOLDER = Path(__file__).parents[5] / "docs" / "design" / "schema"
# what users write has a schema there too
SCHEMAS: dict[str, dict[str, t.Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
    if path.stem not in ("component", "platform", "policy")
}
_REGISTRY: t.Any = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)
VALIDATORS = {name: jsonschema.Draft202012Validator(schema, registry=_REGISTRY) for name, schema in SCHEMAS.items()}
