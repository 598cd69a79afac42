# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points that the code would not make."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import typing as t
from collections.abc import Callable

from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import envelope_of

from .lab import START, Lab

LOCK = START + dt.timedelta(days=500)


class Forge:
    """Puts points that the code would not make: the newest real one, changed and signed again."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        name = points.point_names(lab.repository)[0]
        self.point = points.read_point(lab.repository, name)

    def put(
        self,
        *,
        keyring: LocalKeyring | None = None,
        use: str = "point",
        statement: t.Mapping[str, t.Any] | None = None,
        body: t.Mapping[str, t.Any] | None = None,
        body_bytes: Callable[[bytes], bytes] = lambda data: data,
        spelled: Callable[[Body], bytes] = body_format.write,
        payload: Callable[[bytes], bytes] = lambda data: data,
    ) -> str:
        """Put a point of another run and return its name."""
        run = "f" * 16
        at = (statement or {}).get("sealed_at", self.point.statement.sealed_at)
        changed: Body = dataclasses.replace(
            self.point.body, **{"run": run, "covers": (), "parents": (), "sealed_at": at, **(body or {})}
        )
        data = spelled(changed)
        body_name = names.for_point(names.Kind.BODY, at, run, data)
        stored = body_bytes(data)
        if stored:
            self.lab.store.put_new(body_name, io.BytesIO(stored), lock_until=LOCK)
        told = dataclasses.replace(
            self.point.statement,
            **{
                "run": run,
                "parents": (),
                "body_name": body_name,
                "body_sha256": hashlib.sha256(data).hexdigest(),
                "counts": {
                    **self.point.statement.counts,
                    "streams": len(changed.streams),
                    "failed": len(changed.failed),
                    "missing": len(changed.missing),
                },
                **(statement or {}),
            },
        )
        ring = keyring or t.cast(LocalKeyring, self.lab.keyring)
        envelope = envelope_of(ring, statement_format.PAYLOAD_TYPE, payload(statement_format.payload(told)), use=use)
        name = names.for_point(names.Kind.POINT, at, run, envelope)
        return objects.put(self.lab.store, name, envelope, lock_until=LOCK).name
