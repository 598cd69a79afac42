# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of `make bench` as Markdown, and their place in docs/benchmarks.md."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence

from .fleet import CHECKOUT, FILES, FORKS, HOSTS, ROUNDS, Spent

KEPT = CHECKOUT / ".dev" / "bench.md"
PAGE = CHECKOUT / "docs" / "benchmarks.md"
PING, MEMORY, OTHERS = "Beside a ping play", "The controller's memory", "Beside other backups"
RESTORE = "Restore in place"
NETWORK, NETWORK_OTHERS = "Network devices, beside a bare program", "Network devices, beside others"
S3, S3_RESTORE, S3_VERIFY = "On S3 servers, beside a ping play", "Restore from S3", "Verify on S3"
VAULT = "With keys in Vault and packs on S3 servers, beside a ping play"
BEGIN, END = "<!-- what make bench printed -->", "<!-- end -->"


@dataclasses.dataclass
class Report:
    """What was measured, as tables: a title, the head, and rows."""

    tables: dict[str, list[Sequence[str]]] = dataclasses.field(default_factory=dict)

    def add(self, title: str, head: Sequence[str], *row: str) -> None:
        """Add a row to the table of that title."""
        self.tables.setdefault(title, [head]).append(row)

    @property
    def whole(self) -> bool:
        """Whether no table is missing, as where a part of the files was run."""
        tables = {PING, MEMORY, OTHERS, RESTORE, NETWORK, NETWORK_OTHERS, S3, S3_RESTORE, S3_VERIFY, VAULT}
        return tables <= self.tables.keys()

    def text(self) -> str:
        """All of it as Markdown."""
        return "\n\n".join(f"### {title}\n\n{_table(rows)}" for title, rows in self.tables.items())


@dataclasses.dataclass(frozen=True)
class Beside:
    """Runs and what they are measured beside, in the order of the rounds."""

    runs: Sequence[Spent]
    others: Sequence[Spent]

    @property
    def ratio(self) -> str:
        """How many times as long a run takes: the median of the rounds, with the least and the most."""
        ratios = [run.seconds / other.seconds for run, other in zip(self.runs, self.others, strict=True)]
        return _spread(ratios, ".2f")

    @property
    def speed(self) -> str:
        """How many times faster a run is."""
        return dataclasses.replace(self, runs=self.others, others=self.runs).ratio

    @property
    def seconds(self) -> tuple[str, str]:
        """The medians of both."""
        middle = [statistics.median(each.seconds for each in spent) for spent in (self.runs, self.others)]
        return f"{middle[0]:.2f}", f"{middle[1]:.2f}"

    @property
    def cpu(self) -> str:
        """Milliseconds of the controller's CPU that a run takes more for each host."""
        more = [(run.cpu - other.cpu) / HOSTS * 1000 for run, other in zip(self.runs, self.others, strict=True)]
        return _spread(more, "+.0f")


def conditions() -> str:
    """The sizes, the machine and the versions, in one line."""
    with open("/proc/cpuinfo") as lines:
        models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    ssh = subprocess.run(["ssh", "-V"], check=True, capture_output=True, text=True).stderr.partition(",")[0]
    parts = [
        f"{HOSTS} hosts with {FILES:,} files each, {FORKS} forks, rounds: {ROUNDS}",
        f"{os.cpu_count()} cores ({', '.join(sorted(models))})",
        f"load {os.getloadavg()[0]:.1f} when it began",
        f"Python {platform.python_version()}",
        f"ansible-core {_ansible()}",
        ssh,
    ]
    return ", ".join(parts)


def put_into_page() -> None:
    """Put what `make bench` printed last into its page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _old, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{KEPT.read_text(encoding='utf-8')}\n{END}{after}", encoding="utf-8")


def _ansible() -> str:
    from ansible.release import __version__

    return str(__version__)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *more = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *more))


def _spread(values: Sequence[float], form: str) -> str:
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{statistics.median(values):{form}} ({min(values):{form}} … {max(values):{form}})"


if __name__ == "__main__":
    put_into_page()
