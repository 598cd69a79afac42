# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/design/attacks_s3.md: what each server answered to each identity.

As a program it tries everything on all servers, and puts the tables into the page.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.s3.server import IDENTITIES, S3Server
from ansible_collections.holdfast.config.tests.lab.s3.servers import KINDS, servers

from .attempts_s3 import ATTEMPTS
from .holes_s3 import HOLES
from .scene_s3 import Outcome, Result, Scene, by_right
from .ways_s3 import WAYS, refusal, tried

PAGE = Path(__file__).parents[2] / "docs" / "design" / "attacks_s3.md"
# an owner comes last: he may give rights to others
ORDER = (*IDENTITIES[1:], IDENTITIES[0])
TITLES: Mapping[str, str] = {"versitygw": "versitygw 1.8", "minio": "MinIO of 2026-02", "rgw": "Ceph RGW 16.2"}
#: From the worst to the best.
_WORST = (Outcome.LIED, Outcome.DONE, Outcome.NOTHING, Outcome.REFUSED, Outcome.ABSENT)

Results = Sequence[Result]


@dataclass(frozen=True)
class Measured:
    """Of one server.

    :param columns: the results of each identity.
    :param ways: what came of the ways without an identity's keys.
    """

    server: S3Server
    columns: Mapping[str, Results]
    ways: Mapping[str, str]


def measure(server: S3Server) -> Measured:
    """Try everything on a server: takes half a minute."""
    ways = dict(tried(server))
    return Measured(server, {identity: list(Scene(server, identity).results()) for identity in ORDER}, ways)


def differences(measured: Measured) -> list[str]:
    """What is otherwise than by right, and is no hole that is known; both ways."""
    found = []
    for identity, results in measured.columns.items():
        for result in results:
            fault = _fault(result, measured.server, identity)
            if fault:
                found.append(f"{identity}: {result.attempt.title}, on {result.name[:20]}: {fault}")
    return found


def _fault(result: Result, server: S3Server, identity: str) -> str:
    what = f"{result.outcome.value} {result.answer} {result.changed}"
    known = any(hole.covers(result.attempt.title, server.name, identity) for hole in HOLES)
    if result.outcome is Outcome.LIED:
        return what
    if by_right(result, server, identity):
        # the server's own owner may try what the server does not have
        return what if result.outcome is not Outcome.DONE and identity != "owner" else ""
    gained = result.outcome in (Outcome.DONE, Outcome.NOTHING)
    return what if gained and not known else ""


def unfounded(measured: Measured) -> list[str]:
    """Holes of a server that are none."""
    found = []
    for hole in HOLES:
        for identity in hole.servers.get(measured.server.name, ()):
            outcomes = {result.outcome for result in measured.columns[identity] if result.attempt.title == hole.attempt}
            if not outcomes & {Outcome.DONE, Outcome.NOTHING}:
                found.append(f"{identity}: {hole.attempt}: {outcomes}")
    return found


def table(measured: Measured) -> str:
    """What each identity can do on a server."""
    rows: list[Sequence[str]] = [("attempt", *IDENTITIES)]
    for attempt in ATTEMPTS:
        cells = (
            _cell([result for result in measured.columns[identity] if result.attempt is attempt], measured, identity)
            for identity in IDENTITIES
        )
        rows.append((attempt.title, *cells))
    return _markdown(rows)


def _cell(results: Results, measured: Measured, identity: str) -> str:
    worst = min((result.outcome for result in results), key=_WORST.index)
    if worst in (Outcome.DONE, Outcome.NOTHING):
        done = [result for result in results if result.outcome is worst]
        if not all(by_right(result, measured.server, identity) for result in done):
            return "no effect" if worst is Outcome.NOTHING else "**open**"
        return "no effect" if worst is Outcome.NOTHING else "yes" if len(done) == len(results) else "its own"
    if worst is Outcome.ABSENT:
        return "not there"
    answers = {result.answer for result in results if result.outcome is worst}
    return " / ".join(sorted(refusal(int(answer[:3]), answer[4:]) for answer in answers))


def ways_table(all_measured: Iterable[Measured]) -> str:
    """What comes of the ways without an identity's keys, on each server."""
    columns = list(all_measured)
    rows = [(title, *(measured.ways[title] for measured in columns)) for title in WAYS]
    return _markdown([("way", *(TITLES[measured.server.name] for measured in columns)), *rows])


def holes_table() -> str:
    """What is open, what it comes to, and what withstands it or tells of it."""
    rows = [(hole.attempt, hole.where(), hole.comes_to, hole.withstands) for hole in HOLES]
    return _markdown([("attempt", "open to", "what it comes to", "what withstands it or tells of it"), *rows])


def between(page: str, name: str) -> str:
    """What stands in the page between the marks of a table."""
    begin, end = _marks(name)
    return page.split(begin)[1].split(end, maxsplit=1)[0].strip("\n")


def with_table(page: str, name: str, text: str) -> str:
    """The page with another table between its marks."""
    begin, end = _marks(name)
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: measured -->", f"<!-- {name}: end -->"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *more = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *more))


def regenerate(folder: Path) -> list[str]:
    """Try everything on all servers, put it into the page, and return what differs from what is by right or known."""
    with servers(folder) as running:
        running.begin(KINDS)
        all_measured = [measure(running.get(kind)) for kind in TITLES]
    page = PAGE.read_text(encoding="utf-8")
    for measured in all_measured:
        page = with_table(page, measured.server.name, table(measured))
    page = with_table(page, "ways", ways_table(all_measured))
    PAGE.write_text(with_table(page, "holes", holes_table()), encoding="utf-8")
    return [
        f"{measured.server.name}: {line}"
        for measured in all_measured
        for line in differences(measured) + unfounded(measured)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        raise SystemExit("\n".join(regenerate(Path(scratch) / "s3")) or None)
