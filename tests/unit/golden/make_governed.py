# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the golden repository of version 1 that people have governed: a chain, carried and retired hosts, a stamp.

    PYTHONPATH=.dev/tree python -m ansible_collections.holdfast.config.tests.unit.golden.make_governed

Run once, by hand, with openssl at hand. What its folder holds never changes again.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.stamps import TimeStamping

from ..plugins.plugin_utils.capture.sites import MemorySource
from ..plugins.plugin_utils.keyring.authority import CertificateAuthority, TimeAuthority
from ..plugins.plugin_utils.usecases import council
from ..plugins.plugin_utils.usecases.lab import FILES, Clock, Lab, make_keyring
from .make import FOLDER, put_keyring, put_object

NAME = "v1-governed"
HOSTS = ("alive", "silent", "gone")


def make(target: Path, work: Path) -> None:
    """Make the repository, its keyring and what it must give, and write them below *target*."""
    start = instant.whole(dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=1))
    clock = Clock(start)
    lab = council.governed(work, make_keyring(work / "made", start), clock, store=MemoryStore(now=clock))
    authority = CertificateAuthority(work / "ca")
    told: dict[str, str] = {}
    with clock.ruling(), TimeAuthority(authority, authority.issue("Golden Stamps")) as time:
        clock.advance(minutes=1)
        told["stamped"] = _backed_up(lab, HOSTS, b"first", TimeStamping(time.url, authority.root.pem))
        clock.advance(days=1)
        lab = council.followed(lab, rotate=("point", "digest", "wrap"))
        clock.advance(days=1)
        told["under the second link"] = _backed_up(lab, HOSTS, b"second")
        first = lab.repository.chain.links[0].root
        clock.advance(days=1)
        lab = council.followed(lab, remove=tuple(key.id for key in first.keys.sign if key.use == "point"))
        council.retired(lab, "gone")
        clock.advance(days=40)
        told["carrying"] = _backed_up(lab, ("alive",), b"third")
    for name in lab.names():
        put_object(target / "store" / name, lab.store.get(name))
    put_keyring(work / "keyring", target / "keyring")
    put_object(target / "authority.pem", authority.root.pem)
    live = lab.live()
    expected = {
        "pins": [link.root.id for link in lab.repository.chain.links],
        "now": instant.to_text(clock()),
        "objects": lab.names(),
        "points": told,
        "live": {f"{host}/{stream}": entry.state.value for (host, stream), entry in sorted(live.streams.items())},
        "contents": {host: lab.contents(host)["/etc/app/main.conf"].decode() for host in HOSTS},
    }
    put_object(target / "expected.json", json.dumps(expected, indent=1).encode() + b"\n")


def _backed_up(lab: Lab, hosts: Iterable[str], text: bytes, stamping: TimeStamping | None = None) -> str:
    """Back up these hosts with that text in a file of each; return the point's id."""
    folder = lab.folder()
    lab.open(folder, *hosts)
    for host in hosts:
        lab.snapshot(folder, MemorySource({**FILES, "/etc/app/main.conf": text}), host)
    sealed = lab.seal(folder, stamping=stamping)
    assert sealed.complete
    assert sealed.timestamped is (stamping is not None)
    return str(sealed.id)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        make(FOLDER / NAME, Path(work))
