# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capture, seal, restore, prove: this machine's own configuration, into a repository in one folder and back."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
WORK = CHECKOUT / ".dev" / "demo"
HOST = "this-machine"
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else [""] * 5
)

INVENTORY = """\
all:
  hosts:
    {host}: {{ansible_connection: local, ansible_python_interpreter: "{python}"}}
  vars:
    holdfast_repository: {{name: demo, url: "file://{work}/repository", keyring: {{path: "{work}/keyring"}}}}
    holdfast_components:
      - {{name: machine, paths: [/etc], unreadable: leave_out, tier: tier2, owner: you}}
      - name: app
        paths: ["{work}/app"]
        tier: tier1
        owner: you
        validate: [grep, -q, '^listen = [0-9]*$', "{work}/app/app.conf"]
    holdfast_journal_dir: "{work}/journal"
"""


def main() -> int:
    """Run the steps; returns the exit status."""
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "app").mkdir(parents=True)
    WORK.chmod(0o700)
    for name in ("hosts", "services", "passwd", "group"):
        with contextlib.suppress(OSError):
            shutil.copy2(f"/etc/{name}", WORK / "app")
    (WORK / "app" / "app.conf").write_text("listen = 8080\n")
    write_inventory()
    started = time.monotonic()
    for step in (make, first, again, change, in_place, restore, verify, by_hand):
        step()
    print(
        f"\n{BOLD}Done in {time.monotonic() - started:.0f} s.{PLAIN} Everything stands in {WORK}: look around; "
        "`make clean` removes it."
    )
    return 0


def make() -> None:
    """Keys, root and pin."""
    with told("1  Make a repository", "keys, a signed root, and the pin that this inventory will trust"):
        output = run(["ansible", HOST, "-i", "inventory.yml", "-o", "-m", "holdfast.config.repository"])
        made = json.loads(output.partition("=> ")[2])
        write_inventory(pin=made["repository_id"])
        say(f"pin {made['repository_id'][:16]}…   (the inventory trusts this root and no other)")


def first() -> None:
    """A first backup."""
    with told("2  Back up this machine", "/etc as far as it is readable here, and a small app folder"):
        play("holdfast.config.backup")
        say(point())


def again() -> None:
    """A second one, without a change."""
    with told("3  Back up again", "nothing has changed, so nothing is uploaded but signed proof"):
        before = objects()
        play("holdfast.config.backup")
        put = sorted({path.parts[0] for path in objects() - before})
        expect(put == ["bodies", "points", "records"], f"only the recovery point and its begin were put, and not {put}")
        say(f"{point()}; put: one body, one point, the record of its begin")


def change() -> None:
    """Drift."""
    with told("4  Change a file and back up", "drift is noticed in the one stream that it is in"):
        (WORK / "app" / "app.conf").write_text("listen = 9090\n")
        play("holdfast.config.backup")
        say(point())
        (host,) = report()["hosts"]
        expect((host["changed"], host["unchanged"]) == (1, 1), "one stream changed and one did not")


def in_place() -> None:
    """Break something, and go back in place."""
    with told("5  Break it, and restore in place", "staged, journalled, renamed, validated, captured again, compared"):
        app = WORK / "app"
        (app / "app.conf").write_text("listen = nowhere\n")
        (app / "hosts").unlink()
        options = ("-e", "restore_newest=true", "-e", "restore_in_place=true", "-e", "restore_components=app")
        looked = play("holdfast.config.restore", *options, "--check", "--diff")
        expect("-listen = nowhere" in looked and "+listen = 9090" in looked, "check mode shows what would change")
        play("holdfast.config.restore", *options)
        expect((app / "app.conf").read_text() == "listen = 9090\n", "what was sealed is back")
        expect(filecmp.cmp(app / "hosts", "/etc/hosts", shallow=False), "what was removed is back")
        say("2 files are back in their places; any failure on the way would have undone it")


def restore() -> None:
    """Restore under another root."""
    with told("6  Restore under another root", "checked, opened, written, captured again, compared"):
        play("holdfast.config.restore", "-e", "restore_newest=true", "-e", f"restore_under={WORK}/restored")
        restored = WORK / "restored" / str(WORK / "app").lstrip("/")
        compared = filecmp.dircmp(WORK / "app", restored)
        expect(
            not (compared.diff_files or compared.left_only or compared.right_only), "an independent comparison agrees"
        )
        files = sum(path.is_file() for path in (WORK / "restored").rglob("*"))
        say(f"{files} files below .dev/demo/restored, equal to what was sealed")


def verify() -> None:
    """Verify the repository."""
    with told("7  Verify the repository", "every signature, digest, lock, and every pack opened"):
        play("holdfast.config.verify", "-e", "verify_level=keys")
        say(f"{len(objects())} objects sound")


def by_hand() -> None:
    """Restore with stock tools alone."""
    tools = ["age", "zstd", "tar", "sha256sum"]
    missing = [tool for tool in tools if shutil.which(tool) is None]
    with told(
        "8  Restore with stock tools alone", "age, zstd, tar, sha256sum and the escrow key; no Ansible, no collection"
    ):
        expect(
            not missing or os.environ.get("CI") != "true",
            f"in CI nothing is left out: {', '.join(missing)} are missing",
        )
        if missing:
            say(f"not shown: {', '.join(missing)} not installed here (Debian: apt-get install age zstd)")
            return
        newest = max((WORK / "repository").glob("packs/d0090/*/tier1/*.age@*"), key=lambda path: path.stat().st_mtime)
        out = WORK / "by-hand"
        out.mkdir()
        run(
            [
                "bash",
                "-ec",
                'set -o pipefail; age -d -i "$1" "$2" | zstd -dq | tar -xp -C "$3"',
                "-",
                str(WORK / "keyring/escrow/identities.txt"),
                str(newest),
                str(out),
            ]
        )
        run(["bash", "-ec", 'cd "$1" && sha256sum --quiet -c SHA256SUMS', "-", str(out)])
        opened = out / "app" / "rootfs" / str(WORK / "app" / "app.conf").lstrip("/")
        expect(opened.read_text() == "listen = 9090\n", "the changed file came back")
        say("SHA256SUMS agrees; app.conf is back as it was sealed")


def write_inventory(pin: str = "") -> None:
    """The whole configuration of this demo."""
    text = INVENTORY.format(host=HOST, python=sys.executable, work=WORK)
    if pin:
        text = text.replace(
            "    holdfast_components:", f'    holdfast_repository_id: "{pin}"\n    holdfast_components:'
        )
    (WORK / "inventory.yml").write_text(text)


def play(name: str, *more: str) -> str:
    """Run a playbook of the collection; returns what it printed."""
    return run(["ansible-playbook", "-i", "inventory.yml", name, *more])


def run(command: list[str]) -> str:
    """Run a command and return what it printed, which also goes to the log; show it where the command fails."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".dev" / "tree"),
        "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
        "ANSIBLE_NOCOLOR": "1",
        "HOLDFAST_STATE_DIR": str(WORK / "state"),
    }
    ended = subprocess.run(
        command,
        env=env,
        cwd=WORK,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with (WORK / "log.txt").open("a") as log:
        log.write(f"$ {' '.join(command)}\n{ended.stdout}\n")
    if ended.returncode:
        print(f"\n{RED}failed:{PLAIN} {' '.join(command)}\n{ended.stdout}")
        raise SystemExit(1)
    return ended.stdout


def report() -> dict[str, Any]:
    """The newest run's report of its one point."""
    newest = max((WORK / "state" / "runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    (only,) = json.loads(newest.read_text())
    return only


def point() -> str:
    """The newest point in one line."""
    found = report()
    (host,) = found["hosts"]
    stored = f"{host['changed']} streams stored ({host['stored_bytes'] / 1000:,.0f} kB)"
    return f"recovery point {found['id'][:16]}…   {stored}, {host['unchanged']} unchanged"


def objects() -> set[Path]:
    """All objects of the repository."""
    repository = WORK / "repository"
    return {path.relative_to(repository) for path in repository.rglob("*@*") if ".incoming" not in path.parts}


@contextlib.contextmanager
def told(title: str, proves: str) -> Iterator[None]:
    """Say what a step is about, then how long it took."""
    print(f"\n{BOLD}{title}{PLAIN}\n   {DIM}{proves}{PLAIN}", flush=True)
    started = time.monotonic()
    yield
    print(f"   {GREEN}✓{PLAIN} {DIM}{time.monotonic() - started:.1f} s{PLAIN}", flush=True)


def say(text: str) -> None:
    """One fact of a step."""
    print(textwrap.indent(text, "   "))


def expect(fact: bool, what: str) -> None:
    """End the demo where something is not as it must be."""
    if not fact:
        print(f"   {RED}✗ not so:{PLAIN} {what}")
        raise SystemExit(1)


if __name__ == "__main__":
    raise SystemExit(main())
