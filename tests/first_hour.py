# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newcomer's first hour, counted: this collection by its first page, restic by its quick start, in empty homes.

The collection is installed from a bare clone of the last commit. What is counted as a command is a line that a person
types: no ``cd``, no comment, nothing of a file that is written. Prints a table for docs/guide_alternatives.md. Needs
PyPI, and ``apt-get download restic``, which is unpacked and not installed. Errors of each kind are tried by
tests/packaging/test_bare.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .lab import hand
from .lab.page import Home, Page
from .lab.s3.minio import Minio
from .lab.s3.server import OWNER

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide_first_backup.md"
ADDRESS = "git+https://github.com/holdfast-config/holdfast.config.git"
#: Steps of both, and the sections of our page; what restic says of a file's history or a proof is its check.
STEPS: Mapping[str, Sequence[str]] = {
    "install": ("Install",),
    "first backup": ("Say what to back up", "Make the repository", "Back up"),
    "first find": ("Find it",),
    "first restore": ("Change something, and go back",),
    "proof": ("Prove it",),
}
RESTIC: Mapping[str, str] = {
    "first backup": "export RESTIC_REPOSITORY=$HOME/restic-repo\nexport RESTIC_PASSWORD=some-strong-password\n"
    "restic init\nrestic backup ~/work",
    "first find": "restic snapshots",
    "first restore": "restic restore --target ~/restored latest",
    "proof": "restic check --read-data",
}
# what the page of storage says, for who has a repository in a folder already
S3 = """\
python3 -m pip install botocore
export AWS_ACCESS_KEY_ID={access}
export AWS_SECRET_ACCESS_KEY={secret}
ansible-playbook -i s3.yml holdfast.config.storage -e storage_abort_uploads_days=0 | tee s3.txt
sed -n 's/.*\\(holdfast_repository_id: .[0-9a-f]*.\\).*/    \\1/p' s3.txt | head -n 1 | tr '"' "'" >> s3.yml
ansible-playbook -i s3.yml holdfast.config.backup
"""
RESTIC_S3 = """\
export AWS_ACCESS_KEY_ID={access}
export AWS_SECRET_ACCESS_KEY={secret}
restic -r s3:{endpoint}/{bucket} init
restic -r s3:{endpoint}/{bucket} backup ~/work
"""


class Hour:
    """Who types, and how often and how long.

    :param home: an empty one.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.told: dict[str, tuple[int, float]] = {}

    def type(self, step: str, commands: str, **environment: str) -> str:
        """Give commands; returns what they printed."""
        lines = [line for line in commands.splitlines() if line.strip() and not line.startswith(("cd ", "#", " "))]
        start = time.monotonic()
        said = self.home.give(commands, **environment)
        self.told[step] = (len(lines), time.monotonic() - start)
        return said


def ours(folder: Path, minio: Minio) -> Hour:
    """The first page of the collection, and then a bucket."""
    clone = folder / "holdfast.config.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(clone)], check=True)
    home = folder / "home"
    home.mkdir()
    hour = Hour(Home(home, [home / "holdfast" / "venv" / "bin"], {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}))
    page = Page(PAGE, {ADDRESS: f"git+file://{clone}"})
    hour.home.write(page)
    for step, sections in STEPS.items():
        # one shell for all of a step
        hour.type(step, "\n".join(page.commands(*sections)))
    inventory = re.sub(r"    holdfast_repository_id.*\n", "", (home / "holdfast" / "inventory.yml").read_text())
    bucket = {
        "url": '"s3://first-hour/first"',
        "endpoint_url": f'"{minio.endpoint}"',
        "aws_ca_bundle": f'"{minio.ca_path}"',
    }
    there = ", ".join(f"{name}: {value}" for name, value in bucket.items())
    inventory = re.sub(r'url: "file:[^"]*"', lambda _found: there, inventory).replace("/keyring", "/keyring-s3")
    (home / "holdfast" / "s3.yml").write_text(inventory)
    keys = minio.keys[OWNER]
    hour.type("first S3 repository", "cd ~/holdfast\n" + S3.format(access=keys.access, secret=keys.secret))
    return hour


def restic(folder: Path, minio: Minio) -> Hour:
    """restic's quick start, and then a bucket."""
    home = folder / "restic"
    (home / "work").mkdir(parents=True)
    (home / "work" / "app.conf").write_text("listen = 8080\n")
    start = time.monotonic()
    subprocess.run(["apt-get", "download", "-qq", "restic"], cwd=home, check=True, stderr=subprocess.DEVNULL)
    (package,) = home.glob("restic_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(home / "unpacked")], check=True)
    hour = Hour(Home(home, [home / "unpacked" / "usr" / "bin"], {"SSL_CERT_FILE": str(minio.ca_path)}))
    hour.told["install"] = (1, time.monotonic() - start)
    # what was exported once stays so in the reader's shell
    exported = dict(
        re.findall(r"^export (\w+)=(.*)$", RESTIC["first backup"].replace("$HOME", str(home)), re.MULTILINE)
    )
    for step, commands in RESTIC.items():
        hour.type(step, commands, **exported)
    keys = minio.keys[OWNER]
    bucket = minio.make_bucket()
    told = RESTIC_S3.format(access=keys.access, secret=keys.secret, endpoint=minio.endpoint, bucket=bucket)
    hour.type("first S3 repository", told, **exported)
    return hour


def table(mine: Hour, other: Hour) -> str:
    """Both side by side."""
    rows = ["| | commands | seconds | restic: commands | seconds |", "|---|---|---|---|---|"]
    for step, (count, seconds) in mine.told.items():
        commands, duration = other.told[step]
        rows.append(f"| {step} | {count} | {seconds:.0f} | {commands} | {duration:.0f} |")
    totals = [sum(values) for hour in (mine, other) for values in zip(*hour.told.values(), strict=True)]
    rows.append(f"| all | {totals[0]:.0f} | {totals[1]:.0f} | {totals[2]:.0f} | {totals[3]:.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Do both, and print the table."""
    with tempfile.TemporaryDirectory(prefix="first-hour-") as name:
        folder = Path(name)
        with hand.running(folder / "servers") as (minio, _vault):
            sys.stdout.write(f"{table(ours(folder, minio), restic(folder, minio))}\n")


if __name__ == "__main__":
    os.umask(0o077)
    main()
