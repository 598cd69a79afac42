# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository that people have governed stays readable: chain, removed key, carried and retired hosts, stamp."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose, open_snapshot, points, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository, open_repository
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.stamps import TimeStamping

from ..plugins.plugin_utils.format.schemas import VALIDATORS
from ..plugins.plugin_utils.usecases.lab import Clock
from .make import FOLDER
from .make_governed import HOSTS, NAME, make
from .test_golden import LONG, lay_out


class Governed:
    """The repository, loaded into memory as it was at its end."""

    def __init__(self, path: Path, work: Path) -> None:
        self.path = path
        self.expected: dict[str, t.Any] = json.loads((path / "expected.json").read_text(encoding="utf-8"))
        clock = Clock()
        self.store = MemoryStore(now=clock)
        for name in self.expected["objects"]:
            data = (path / "store" / name).read_bytes()
            # a root link has no time in its name: it is in the store since it was made
            clock.moment = names.parse(name).at or root_format.read(data, what=name)[0].created
            self.store.put_new(name, io.BytesIO(data), lock_until=clock.moment + LONG)
        clock.moment = instant.from_text(self.expected["now"])
        self.keyring = LocalKeyring(lay_out(path / "keyring", work / "keys"))

    def repository(self, pin: str | None = None) -> Repository:
        return open_repository(self.store, pin=pin or self.expected["pins"][0])


@pytest.fixture(scope="module", params=[NAME, "now"])
def governed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Governed:
    work = tmp_path_factory.mktemp("governed")
    path = FOLDER / request.param
    if request.param == "now":
        path = work / "made"
        (work / "w").mkdir()
        make(path, work / "w")
    return Governed(path, work)


def test_nothing_of_it_was_changed_added_or_lost(governed: Governed) -> None:
    folder = governed.path / "store"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == governed.expected["objects"]
    for name in found:
        assert names.parse(name).sha256 == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_every_document_is_valid_by_the_schemas(governed: Governed) -> None:
    seen = set()
    for name in governed.expected["objects"]:
        data = (governed.path / "store" / name).read_bytes()
        kind = names.parse(name).kind
        if kind in (names.Kind.ROOT, names.Kind.POINT, names.Kind.RECORD):
            envelope = json.loads(data)
            payload = json.loads(base64.b64decode(envelope["payload"]))
            if envelope["signatures"]:
                VALIDATORS["envelope"].validate(envelope)
            VALIDATORS["statement" if kind is names.Kind.POINT else payload["kind"]].validate(payload)
        elif kind in (names.Kind.BODY, names.Kind.MANIFEST):
            VALIDATORS["body" if kind is names.Kind.BODY else "manifest"].validate(
                json.loads(zstd.decompress(data, limit=10**6))
            )
        seen.add(kind)
    assert seen == set(names.Kind)


def test_every_link_is_a_good_pin(governed: Governed) -> None:
    pins = governed.expected["pins"]
    assert len(pins) == 3
    for pin in pins:
        assert [link.root.id for link in governed.repository(pin).chain.links] == pins


def test_it_verifies_down_to_the_keys(governed: Governed) -> None:
    stamping = TimeStamping("", (governed.path / "authority.pem").read_bytes())
    report = verify.verify(
        governed.repository(),
        level=Level.KEYS,
        keyring=governed.keyring,
        stamping=stamping,
        known=tuple(governed.expected["points"].values()),
    )
    assert [finding for finding in report.findings if finding.severity is not Severity.NOTE] == []
    assert (len(report.points), report.timestamped, report.records) == (3, 1, 1)


def test_what_is_live_is_as_it_was(governed: Governed) -> None:
    live = points.live(governed.repository())
    assert live.warnings == ()
    found = {f"{host}/{stream}": entry.state.value for (host, stream), entry in live.streams.items()}
    assert found == governed.expected["live"]
    assert {key.split("/")[0] for key in found} == {"alive", "silent"}
    assert {found["silent/tier1"], found["silent/tier2"]} == {"carried"}


def test_every_host_restores_the_retired_one_too(governed: Governed) -> None:
    for host in HOSTS:
        contents: dict[str, bytes] = {}
        for chosen in choose.choose(governed.repository(), host, choose.Selection(newest=True)):
            contents.update(*(part.contents for part in _opened(governed, chosen).parts))
        assert contents["/etc/app/main.conf"].decode() == governed.expected["contents"][host]


def _opened(governed: Governed, chosen: choose.Chosen) -> open_snapshot.Opened:
    return open_snapshot.open_snapshot(governed.repository(), governed.keyring, chosen)


def test_a_point_of_the_removed_key_is_still_chosen_by_its_id(governed: Governed) -> None:
    repository = governed.repository()
    for point in governed.expected["points"].values():
        assert choose.choose(repository, "alive", choose.Selection(point=point))
