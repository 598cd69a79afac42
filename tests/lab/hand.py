# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab to use by hand: a MinIO and a Vault on loopback, a repository there, an inventory, and what lets each in.

``make lab-up`` and ``make lab-down`` call it. Nothing of it is for more than a day: then its certificates end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from .go_build import NotBuiltError
from .s3.daemon import NotStartedError
from .s3.identities import admit
from .s3.minio import Minio
from .s3.server import OWNER
from .s3.servers import servers
from .sshd import MissingToolError
from .vault.server import PARTS, Vault
from .vault.server import vault as vault_in

NAME = "lab"
PREFIX = "of/lab"
HOSTS = ("web1", "web2")
#: Who has a file of what lets him in, and the parts of Vault's policies that are his.
WHO: Mapping[str, tuple[str, ...]] = {
    "owner": PARTS,
    "operator": ("operator",),
    "restorer": ("restorer",),
    "auditor": (),
}
_WAIT_SECONDS = 120


def up(folder: Path) -> str:
    """Start it, where it does not run, and make the repository; returns what to do next."""
    if _keeper(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        with (folder / "log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, "-m", __spec__.name if __spec__ else __name__, "keep", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    # also one that somebody else has just begun
    _await(folder)
    return "\n".join(
        (
            f"MinIO, Vault and a repository run; {', '.join(HOSTS)} are folders below {folder}/hosts.",
            f"  cd {folder} && . ./env.operator     # or owner, restorer, auditor: who you are from here on",
            "  ansible-playbook -i inventory.yml holdfast.config.backup",
            "`make lab-down` ends it and removes all of it.",
        )
    )


def down(folder: Path) -> str:
    """End it, and remove its folder; returns what was done."""
    keeper = _keeper(folder)
    if keeper is not None:
        os.kill(keeper, signal.SIGTERM)
        deadline = time.monotonic() + _WAIT_SECONDS
        while _keeps(keeper, folder):
            if time.monotonic() > deadline:
                raise NotStartedError(f"process {keeper} does not end: look at {folder}/log")
            time.sleep(0.05)
    there = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return f"{folder} is gone" if there else "there was none"


def _keeper(folder: Path) -> int | None:
    """The process that keeps the servers, where it is alive and no other one that got its number."""
    with contextlib.suppress(OSError, ValueError):
        number = int((folder / "pid").read_text())
        if _keeps(number, folder):
            return number
    return None


def _keeps(number: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        # one that has ended has no words
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        return b"keep" in words and str(folder).encode() in words
    return False


def _await(folder: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (folder / "ready").exists():
        log = (folder / "log").read_text(errors="replace") or "it does not come up"
        if (folder / "ended").exists() or time.monotonic() > deadline:
            raise NotStartedError(log)
        time.sleep(0.1)


def keep(folder: Path) -> None:
    """Have the servers until somebody asks to end; runs in the background."""
    (folder / "pid").write_text(str(os.getpid()))
    stop = {signal.SIGTERM, signal.SIGINT}
    # of threads too, which begin below
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        with running(folder / "servers") as (minio, vault):
            furnish(folder, minio, vault)
            (folder / "ready").touch()
            signal.sigwait(stop)
    finally:
        (folder / "ended").touch()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[Minio, Vault]]:
    """Have both servers."""
    with servers(folder / "s3") as started, vault_in(folder / "keys") as vault:
        yield started.one(Minio), vault


def furnish(folder: Path, minio: Minio, vault: Vault) -> None:
    """Make a bucket, what lets each identity in, hosts, an inventory, and the repository by its owner."""
    bucket = minio.make_bucket()
    admit(minio, bucket, PREFIX)
    vault.write_policies(NAME)
    for who, parts in WHO.items():
        keys = minio.keys[OWNER if who == "owner" else who]
        told = {
            "AWS_ACCESS_KEY_ID": keys.access,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
            "VAULT_TOKEN": vault.token(*(f"{NAME}-{part}" for part in parts)) if parts else "",
            "HOLDFAST_STATE_DIR": str(folder / f"state-{who}"),
            "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "PATH": f"{Path(sys.executable).parent}:$PATH",
        }
        path = folder / f"env.{who}"
        path.touch(0o600)
        path.write_text("".join(f'export {name}="{value}"\n' for name, value in told.items()))
    for host in HOSTS:
        app = folder / "hosts" / host / "app"
        app.mkdir(parents=True)
        (app / "app.conf").write_text(f"# {host}\nlisten = 8080\n")
    keyring = {
        "type": "vault",
        "url": vault.url,
        "ca_cert": str(vault.ca_path),
        "path": str(folder / "escrow-of-owner"),
    }
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "holdfast_repository": {
            "name": NAME,
            "url": f"s3://{bucket}/{PREFIX}",
            "endpoint_url": minio.endpoint,
            "aws_ca_bundle": str(minio.ca_path),
            "keyring": keyring,
        },
        "holdfast_components": [
            {"name": "app", "paths": [f"{folder}/hosts/{{{{ inventory_hostname }}}}/app"], "owner": "you"}
        ],
    }
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {host: {} for host in HOSTS}, "vars": variables}}))
    make = "ansible web1 -i inventory.yml -m holdfast.config.repository"
    pin = subprocess.run(
        ["bash", "-ec", f'. ./env.owner; {make} | sed -n \'s/^ *"repository_id": "\\(.*\\)",*$/\\1/p\''],
        cwd=folder,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    if not pin:
        raise NotStartedError(f"no repository was made: `{make}` as the owner says why")
    variables["holdfast_repository_id"] = pin
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {host: {} for host in HOSTS}, "vars": variables}}))


def _main(what: str, folder: str) -> int:
    path = Path(folder).resolve()
    try:
        if what == "keep":
            keep(path)
        else:
            sys.stdout.write(f"{up(path) if what == 'up' else down(path)}\n")
    except (NotStartedError, NotBuiltError, MissingToolError) as e:
        sys.stderr.write(f"{e}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(*sys.argv[1:]))
