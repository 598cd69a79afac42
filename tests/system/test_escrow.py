# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ceremony of escrow as docs/runbooks/escrow_ceremony.md has it: by playbooks, and by stock tools alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from .lab import Lab, Run, tree
from .test_stock_tools import decompress, unpack

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "escrow_ceremony.md"
NAMES = ("alice", "bob", "carol")


def decrypt(key: Path, sealed: Path) -> bytes:
    """``age -d -i key``; the library stands in for it where it is not installed, which CI must have."""
    if shutil.which("age"):
        return subprocess.run(["age", "-d", "-i", str(key), str(sealed)], check=True, capture_output=True).stdout
    assert os.environ.get("CI") != "true", "CI must have age"
    text = key.read_text()
    found = [pyrage.x25519.Identity.from_str(word) for word in text.split() if word.startswith("AGE-SECRET-KEY")]
    return bytes(pyrage.decrypt(sealed.read_bytes(), found or [pyrage.ssh.Identity.from_buffer(text.encode())]))


class Ceremony:
    """One repository, its split escrow, and the runs that made and proved it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.runs: list[Run] = []
        self.keys: dict[str, Path] = {}
        self.custodians: list[dict[str, str]] = []
        (lab.path / "keys").mkdir()
        for name in NAMES:
            self.keys[name] = lab.path / "keys" / name
            self.custodians.append({"name": name, "key": getattr(self, f"_{'ssh' if name == 'bob' else 'age'}")(name)})

    def _age(self, name: str) -> str:
        identity = pyrage.x25519.Identity.generate()
        self.keys[name].write_text(f"{identity}\n")
        return str(identity.to_public())

    def _ssh(self, name: str) -> str:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.keys[name])], check=True)
        return self.keys[name].with_suffix(".pub").read_text()

    def share(self, split: str, name: str) -> str:
        """A share as its custodian decrypts it, in a file of their own."""
        file = self.lab.path / "keys" / f"{split}-{name}.txt"
        file.write_bytes(decrypt(self.keys[name], self.lab.path / split / f"share-{name}.age"))
        file.chmod(0o600)
        return str(file)

    def task(self, name: str, *, check: bool = False, fails: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """A task of the module, whose result is found under that name."""
        return {"name": name, "holdfast.config.escrow": options, "check_mode": check, "ignore_errors": fails}

    def split(self, name: str, *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        path = self.lab.path
        given = {"state": "split", "path": str(path / "split"), "custodians": self.custodians, "threshold": 2}
        folders = {"folders": [str(path / "keyring" / "escrow")]}
        return self.task(name, check=check, **{**given, **folders, **options})

    def play(self, *tasks: dict[str, t.Any]) -> None:
        self.runs.append(self.lab.play(list(tasks), "--diff").ok())

    def result(self, name: str) -> t.Mapping[str, t.Any]:
        (found,) = [task for run in self.runs for task in run.all(name)]
        return found.result


@pytest.fixture(scope="module")
def ceremony(new_lab: Callable[[int], Lab]) -> Ceremony:
    """A backup, and the whole ceremony: split, proved, split anew as bob leaves, joined; each looked at before."""
    done = Ceremony(new_lab(1))
    path = done.lab.path
    done.lab.play("holdfast.config.backup").ok()
    done.play(done.split("check split", check=True), done.split("split"), done.split("split again"))

    old = [done.share("split", name) for name in ("alice", "bob")]
    three, staying = str(path / "split"), [one for one in done.custodians if one["name"] != "bob"]
    one, anew = str(path / "one"), str(path / "anew")
    done.play(
        done.task("check proved", check=True, state="proved", path=three, shares=old),
        done.task("proved", state="proved", path=three, shares=old),
        done.task("one", fails=True, state="joined", path=three, shares=old[1:], destination=one, on_disk=True),
        done.split("anew", path=anew, previous=three, shares=old, custodians=staying, folders=[]),
    )

    new = [done.share("anew", name) for name in ("alice", "carol")]
    given = {"state": "joined", "path": anew, "destination": str(path / "joined"), "on_disk": True}
    done.play(
        done.task("check joined", check=True, **given, shares=new),
        done.task("old shares", fails=True, **given, shares=old),
        done.task("joined", **given, shares=new),
        done.task("joined again", **given, shares=new),
    )
    return done


def test_a_split_is_looked_at_made_and_not_made_again(ceremony: Ceremony) -> None:
    checked, made, again = (ceremony.result(name) for name in ("check split", "split", "split again"))
    assert (checked["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert checked["class_years"] == made["class_years"] == again["class_years"]
    # check mode wrote nothing: what is there is not what it made
    assert again["sealed_sha256"] == made["sealed_sha256"] != checked["sealed_sha256"]
    assert [checked["diff"]["before"], made["diff"]["before"], again.get("diff")] == ["", "", None]
    assert "2 of 3 open it\n" in checked["diff"]["after"]
    assert ceremony.runs[0].output.count("+custodian bob") == 2


def test_auditors_read_the_manifest(ceremony: Ceremony) -> None:
    text = (ceremony.lab.path / "split" / "escrow.json").read_text()
    assert ceremony.result("split")["manifest"] == text
    document = json.loads(text)
    assert [share["custodian"] for share in document["shares"]] == list(NAMES)
    assert (document["threshold"], document["repository"]) == (2, "lab")


def test_it_is_proved_by_a_signed_record(ceremony: Ceremony) -> None:
    checked, proved = ceremony.result("check proved"), ceremony.result("proved")
    assert (checked["changed"], checked["record"], proved["changed"]) == (False, "", True)
    assert proved["record"].startswith("records/drill/")
    assert proved["packs"] == checked["packs"] == 1
    assert (proved["opened_by"], proved["digests_compared"]) == (["alice", "bob"], True)
    assert set(proved["seconds"]) == {"find", "open"}
    assert proved["diff"]["after"] == f"record {proved['record']}\n"
    record = ceremony.lab.record(proved["record"])
    assert (record.detail["result"], record.detail["custodians"]) == ("equal", ["alice", "bob"])
    assert ceremony.lab.sound().records == 1


def test_one_share_is_refused_and_it_says_who_else_has_one(ceremony: Ceremony) -> None:
    assert "Ask alice, carol" in ceremony.result("one")["msg"]
    assert not (ceremony.lab.path / "one").exists()


def test_who_left_opens_nothing_new(ceremony: Ceremony) -> None:
    anew = ceremony.result("anew")
    assert anew["custodians"] == ["alice", "carol"]
    assert anew["class_years"] == ceremony.result("split")["class_years"]
    assert "custodian bob" in anew["diff"]["before"]
    assert "custodian bob" not in anew["diff"]["after"]
    assert any("split/escrow.age: old shares go on opening it" in step for step in anew["next_steps"])
    assert "the share of alice is of another split" in ceremony.result("old shares")["msg"]


def test_keys_come_back_into_a_folder(ceremony: Ceremony) -> None:
    checked, joined, again = (ceremony.result(name) for name in ("check joined", "joined", "joined again"))
    assert (checked["changed"], joined["changed"], again["changed"]) == (True, True, False)
    assert (checked["since"], again["since"]) == ("", joined["since"])
    assert joined["diff"]["after"].splitlines() == [
        line[2:]
        for line in sorted((ceremony.lab.path / "keyring" / "escrow" / "identities.txt").read_text().splitlines())
        if line.startswith("# ")
    ]
    back = (ceremony.lab.path / "joined" / "identities.txt").read_text()
    assert back.endswith((ceremony.lab.path / "keyring" / "escrow" / "identities.txt").read_text())


def test_the_playbook_does_the_same(ceremony: Ceremony) -> None:
    given = {
        "escrow_hosts": "web1",
        "escrow_state": "split",
        "escrow_custodians": ceremony.custodians,
        "escrow_path": str(ceremony.lab.path / "split"),
        "escrow_folders": [str(ceremony.lab.path / "keyring" / "escrow")],
        "escrow_threshold": 2,
    }
    run = ceremony.lab.play("holdfast.config.escrow", "-e", json.dumps(given)).ok()
    assert not run.on("Escrow").result["changed"]


def test_the_playbook_shows_what_was_proved(ceremony: Ceremony) -> None:
    given = {
        "escrow_hosts": "web1",
        "escrow_state": "proved",
        "escrow_path": str(ceremony.lab.path / "split"),
        "escrow_shares": [ceremony.share("split", name) for name in ("bob", "carol")],
        "escrow_only": ["web1"],
    }
    run = ceremony.lab.play("holdfast.config.escrow", "-e", json.dumps(given), check=True).ok()
    assert run.on("Escrow").result["opened_by"] == ["bob", "carol"]
    shown = run.on("Show what to do now").result["msg"]
    assert (shown["packs"], shown["record"]) == (1, "")


def secrets_of(ceremony: Ceremony) -> set[str]:
    found = set(
        re.findall("AGE-SECRET-KEY-1[A-Z0-9]+", (ceremony.lab.path / "keyring/escrow/identities.txt").read_text())
    )
    for name in NAMES:
        line = Path(ceremony.share("split", name)).read_text().splitlines()[-1]
        found.add(" ".join(line.split()[10:14]))
    return found


def test_no_key_and_no_share_shows_in_a_run(ceremony: Ceremony) -> None:
    hidden = secrets_of(ceremony)
    assert len(hidden) > 3
    for run in ceremony.runs:
        shown = run.output + json.dumps([task.result for task in run.tasks])
        assert not [secret for secret in hidden if secret in shown]


def test_stock_tools_alone_open_a_pack(ceremony: Ceremony) -> None:
    """Two custodians decrypt, ``shamir recover`` joins, ``age -d`` opens escrow, and that opens the pack."""
    lab = ceremony.lab
    lines = [Path(ceremony.share("split", name)).read_text().splitlines()[-1] for name in ("bob", "carol")]
    ran = subprocess.run(
        [sys.executable, "-m", "shamir_mnemonic.cli", "recover"],
        input="\n".join([*lines, ""]),
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Your master secret is: ([0-9a-f]+)", ran.stdout)
    assert found is not None
    one_time, identities = lab.path / "one-time.txt", lab.path / "by-hand.txt"
    one_time.write_bytes(bytes.fromhex(found[1]))
    identities.write_bytes(decrypt(one_time, lab.path / "split" / "escrow.age"))
    (pack,) = (lab.path / "repository").glob("packs/*/web1/*/*")
    into = lab.path / "by-hand"
    into.mkdir()
    subprocess.run(["tar", "-xp", "-C", str(into)], input=decompress(decrypt(identities, pack)), check=True)
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=into, check=True)
    assert tree(into / "app" / "rootfs" / str(lab.app("web1")).lstrip("/")) == tree(lab.app("web1"))


def bring(lab: Lab, offline: Path) -> None:
    """``recipients.txt`` alone, from the machine without a network to the owner."""
    for folder in (lab.path / "keyring", lab.path / "keyring" / "escrow"):
        folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copy2(offline / "recipients.txt", lab.path / "keyring" / "escrow")


def test_identities_that_were_made_offline_stay_there_and_open_a_backup(bare: Lab) -> None:
    offline, make = bare.path / "offline", [{"name": "make", "holdfast.config.repository": {}}]
    given = {"escrow_hosts": "web1", "escrow_state": "made", "escrow_path": str(offline)}
    checked = bare.play("holdfast.config.escrow", "-e", json.dumps(given), "--diff", check=True).ok().on("Escrow")
    assert (checked.result["changed"], offline.exists()) == (True, False)
    short = bare.play("holdfast.config.escrow", "-e", json.dumps({**given, "escrow_years": 1})).ok().on("Escrow")
    bring(bare, offline)
    refused = bare.play(make)
    assert f"no recipient was brought for {next(n for n in checked.result['new'] if n not in short.result['new'])}" in (
        refused.on("make").message
    )
    assert [found.name for found in (bare.path / "keyring").iterdir()] == ["escrow"]
    assert not list((bare.path / "repository").rglob("*root*"))

    runs = [bare.play("holdfast.config.escrow", "-e", json.dumps(given), "--diff").ok()]
    full = runs[0].on("Escrow").result
    assert (full["changed"], full["class_years"]) == (True, checked.result["class_years"])
    assert set(full["new"]) == set(full["class_years"]) - set(short.result["class_years"])
    bring(bare, offline)
    made = bare.play(make).ok()
    assert any(
        step.startswith(f"Leave {bare.path}/keyring/escrow/recip") for step in made.on("make").result["next_steps"]
    )
    bare.variables["holdfast_repository_id"] = made.on("make").result["repository_id"]
    runs += [refused, made, bare.play("holdfast.config.backup").ok()]

    secrets = re.findall("AGE-SECRET-KEY-1[A-Z0-9]+", (offline / "identities.txt").read_text())
    assert len(secrets) == len(full["class_years"])
    elsewhere = b"".join(
        file.read_bytes() for file in bare.path.rglob("*") if file.is_file() and not file.is_relative_to(offline)
    )
    shown = "".join(run.output + json.dumps([task.result for task in run.tasks]) for run in runs)
    assert not [secret for secret in secrets if secret.encode() in elsewhere or secret in shown]
    assert [found.name for found in (bare.path / "keyring" / "escrow").iterdir()] == ["recipients.txt"]
    (pack,) = (bare.path / "repository").glob("packs/*/web1/*/*")
    unpack(pack.read_bytes(), offline / "identities.txt", bare.path / "by-hand")
    assert tree(bare.path / "by-hand" / "app" / "rootfs" / str(bare.app("web1")).lstrip("/")) == tree(bare.app("web1"))


def test_the_runbook_says_these_commands() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    for command in ("age -d -i", "shamir recover", "xxd -r -p", "escrow.age", "restore_by_hand.md"):
        assert command in text
