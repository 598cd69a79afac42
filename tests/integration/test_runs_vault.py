# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs of ansible-playbook with the keyring in a real Vault: who may what, faults, and what a run asks of it."""

from __future__ import annotations

import base64
import collections
import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME, SEAL, SNAPSHOT, Run, tree
from ansible_collections.holdfast.config.tests.system.test_stock_tools import unpack

from .vault_lab import BACK, MAKE, RUN, VERIFY, VaultLab, as_restorer, calls, documented, gated, reasons


@pytest.fixture
def new_lab(made_in_vault: VaultLab, vault: Vault, tmp_path: Path) -> Callable[..., VaultLab]:
    """Makes labs, of that many hosts, with the repository as it was made. The operator logs in by AppRole."""
    vault.write_policies(NAME)
    return lambda hosts=2: made_in_vault.copy(tmp_path / f"lab{hosts}", hosts=hosts)


@pytest.fixture
def lab(new_lab: Callable[..., VaultLab]) -> VaultLab:
    """Two hosts."""
    return new_lab()


# whole runs


def test_what_the_owner_makes(made_in_vault: VaultLab) -> None:
    escrow = made_in_vault.owner / "escrow"
    assert sorted(path.name for path in made_in_vault.owner.iterdir()) == ["escrow", "keyring.json"]
    assert sorted(path.name for path in escrow.iterdir()) == ["README.txt", "identities.txt"]
    root = made_in_vault.repository().root
    assert {key.scheme for key in root.keys.wrap} == {base.RSA_OAEP_SHA256}
    assert {key.scheme for key in root.keys.escrow} == {base.AGE_X25519}
    assert {key.scheme for key in root.keys.digest} == {base.HMAC_SHA256}
    assert len(root.keys.wrap) == len(root.keys.escrow) == 11 * len(root.classes)
    # escrow is all of it that is secret, and it is nowhere else
    assert "AGE-SECRET-KEY" not in (made_in_vault.owner / "keyring.json").read_text()
    assert "AGE-SECRET-KEY" not in made_in_vault.vault.logs()
    again = made_in_vault.play(MAKE).ok().on("make").result
    assert not again["changed"]


def test_a_backup_by_the_operator_and_a_restore_by_the_restorer(lab: VaultLab) -> None:
    lab.play("holdfast.config.backup", check=True).ok()
    run = lab.play(RUN).ok()
    assert run.report["complete"]
    assert reasons(run) == dict.fromkeys(lab.hosts, "first")
    assert reasons(lab.play(RUN).ok()) == dict.fromkeys(lab.hosts, "unchanged")
    lab.change("web1")
    assert reasons(lab.play(RUN).ok()) == {"web1": "drift", "web2": "unchanged"}
    as_restorer(lab)
    lab.play([BACK, VERIFY]).ok()
    assert lab.came_back()
    lab.sound()


def test_a_bare_snapshot_and_a_renamed_host(lab: VaultLab) -> None:
    assert reasons(lab.play([SNAPSHOT]).ok()) == dict.fromkeys(lab.hosts, "first")
    lab.host_variables["web1"]["holdfast_host_id"] = "moved"
    assert reasons(lab.play(RUN).ok()) == {"web1": "first", "web2": "unchanged"}
    lab.sound()


def test_without_vault_escrow_and_stock_tools_restore(lab: VaultLab, tmp_path: Path) -> None:
    lab.play(RUN).ok()
    lab.vault.kill()
    for host in lab.hosts:
        (pack,) = (lab.path / "repository").glob(f"packs/*/{host}/*/*")
        unpack(pack.read_bytes(), lab.owner / "escrow" / "identities.txt", tmp_path / host)
        back = tmp_path / host / "app" / "rootfs" / str(lab.app(host)).lstrip("/")
        assert tree(back) == tree(lab.app(host))


# who may what: refused by Vault


def newest_wrap(lab: VaultLab) -> tuple[ClassYearKey, str]:
    """A key to wrap under, and its name in Vault."""
    key = lab.repository().root.keys.wrap[-1]
    return key, f"holdfast-{NAME}--{key.id}"


def test_the_operator_opens_nothing_and_neither_makes_nor_changes_keys(lab: VaultLab) -> None:
    lab.play(RUN).ok()
    key, name = newest_wrap(lab)
    token = lab.vault.token(f"{NAME}-operator")
    wrapped = f"vault:v1:{base64_of(base.wrap(key, age.generate()[0]))}"
    assert lab.vault.refuses("POST", f"transit/decrypt/{name}", {"ciphertext": wrapped}, token=token)
    assert lab.vault.refuses("POST", f"transit/sign/holdfast-{NAME}--record", {"input": ""}, token=token)
    assert lab.vault.refuses("POST", f"transit/sign/{name}", {"input": ""}, token=token)
    for change in ("rotate", "config", "trim"):
        for of in (name, f"holdfast-{NAME}--point", f"holdfast-{NAME}--digest"):
            assert lab.vault.refuses("POST", f"transit/keys/{of}/{change}", {}, token=token)
    assert lab.vault.refuses("POST", f"transit/keys/holdfast-{NAME}--new", {"type": "ed25519"}, token=token)
    failed = lab.play([BACK])
    assert failed.rc == 2
    assert "Vault refuses to open" in failed.on("restore", "web1").message
    assert not (lab.path / "restored").exists()


def test_the_restorer_signs_no_point_and_keys_no_digest(lab: VaultLab) -> None:
    lab.play(RUN).ok()
    token = as_restorer(lab)
    assert lab.vault.refuses("POST", f"transit/sign/holdfast-{NAME}--point", {"input": ""}, token=token)
    assert lab.vault.refuses("POST", f"transit/hmac/holdfast-{NAME}--digest/sha2-256", {"input": ""}, token=token)
    points = len(lab.points())
    failed = lab.play(RUN)
    assert failed.rc == 2
    assert "Vault refuses to key digests" in failed.on("open").message
    assert len(lab.points()) == points


def test_the_owner_opens_nothing_and_can_neither_destroy_nor_copy_a_key(lab: VaultLab) -> None:
    key, name = newest_wrap(lab)
    token = lab.vault.token(f"{NAME}-owner")
    wrapped = f"vault:v1:{base64_of(base.wrap(key, age.generate()[0]))}"
    keys = f"transit/keys/{name}"
    assert lab.vault.refuses("POST", f"transit/decrypt/{name}", {"ciphertext": wrapped}, token=token)
    for change in (
        {"deletion_allowed": True},
        {"exportable": True},
        {"allow_plaintext_backup": True},
        {"min_decryption_version": 2},
    ):
        assert lab.vault.refuses("POST", f"{keys}/config", change, token=token)
    assert lab.vault.refuses("POST", f"{keys}/trim", {"min_available_version": 1}, token=token)
    assert lab.vault.refuses("DELETE", keys, token=token)
    for asked in ({"type": "rsa-3072", "exportable": True}, {"type": "rsa-2048"}, {"type": "aes256-gcm96"}):
        assert lab.vault.refuses("POST", f"transit/keys/holdfast-{NAME}--d0030-2099", asked, token=token)
    for path in (f"transit/export/encryption-key/{name}", f"transit/backup/{name}"):
        assert lab.vault.refuses("GET", path, token=token)
    assert lab.vault.refuses("POST", "transit/keys/holdfast-other--point", {"type": "ed25519"}, token=token)
    lab.play(RUN).ok()


def base64_of(data: bytes) -> str:
    """In base64."""
    return base64.b64encode(data).decode()


# faults


def sealed_late(lab: VaultLab, run: Run, says: str) -> None:
    """What a run could not seal for want of a signature the next one seals, without another look at the hosts."""
    assert run.rc == 2
    assert run.states("snapshot") == dict.fromkeys(lab.hosts, "ok")
    assert says in run.on("seal").message
    assert not lab.points()
    again = lab.play(RUN).ok()
    assert reasons(again) == dict.fromkeys(lab.hosts, "unchanged")
    found = {point.body.run: point for point in lab.points()}
    assert found.pop(again.report["run"]).body.complete
    (late,) = found.values()
    assert late.body.complete
    assert any("the store took it only now" in finding.detail for finding in late.body.consistency)
    lab.sound()


def test_a_token_that_ends_in_mid_run(lab: VaultLab) -> None:
    lab.ring.pop("auth_method")
    lab.ring.pop("role_id")
    token = lab.by_token("operator")
    run = gated(lab, SEAL, lambda: lab.vault.revoke(token))
    lab.by_token("operator")
    sealed_late(lab, run, "the token for Vault has expired or was revoked")


def test_a_policy_that_is_taken_away_in_mid_run(lab: VaultLab) -> None:
    at = f"sys/policies/acl/{NAME}-operator"
    run = gated(lab, SEAL, lambda: lab.vault.call("DELETE", at))
    assert "has expired" not in run.on("seal").message
    lab.vault.write_policies(NAME)
    sealed_late(lab, run, "this identity has no right to that")


GONE = {
    "seal": "it is sealed",
    "kill": "it is not reached",
    "pause": "no answer in time",
    "fill": "it fails too when no audit device takes what it writes",
}


@pytest.mark.parametrize("fault", GONE)
def test_a_vault_that_is_gone_when_a_point_is_sealed(lab: VaultLab, fault: str) -> None:
    lab.ring |= {"retries": 0, "timeout": 5} if fault == "pause" else {"retries": 1}
    run = gated(lab, SEAL, getattr(lab.vault, fault))
    lab.vault.revive()
    sealed_late(lab, run, GONE[fault])


def test_a_vault_that_is_sealed_at_open_costs_nothing(lab: VaultLab) -> None:
    lab.vault.seal()
    lab.ring["retries"] = 1
    before = lab.stored()
    run = lab.play(RUN)
    assert run.rc == 2
    assert "it is sealed" in run.on("open").message
    assert not run.all("snapshot")
    assert lab.stored() == before


def test_hosts_do_not_need_vault(lab: VaultLab) -> None:
    """Between open and seal nobody asks it."""
    lab.play(RUN).ok()
    lab.change("web1")
    run = gated(lab, SNAPSHOT, lab.vault.seal)
    assert reasons(run) == {"web1": "drift", "web2": "unchanged"}
    lab.vault.revive()
    lab.play(RUN).ok()
    assert len(lab.points()) == 3
    lab.sound()


def test_keys_that_are_rotated_in_vault_make_no_drift(lab: VaultLab) -> None:
    """What the root names counts, and new versions are in no root."""
    lab.play(RUN).ok()
    wrap = newest_wrap(lab)[0]
    of_this_year = [key for key in lab.repository().root.keys.wrap if key.year == lab.store().clock().year]
    names = ["digest", "point", "record", wrap.id, *(key.id for key in of_this_year)]
    for name in names:
        lab.vault.call("POST", f"transit/keys/holdfast-{NAME}--{name}/rotate", {})
    lab.change("web2")
    run = lab.play(RUN).ok()
    assert reasons(run) == {"web1": "unchanged", "web2": "drift"}
    as_restorer(lab)
    lab.play([BACK]).ok()
    assert lab.came_back()
    lab.sound()


def test_two_controllers_at_once(lab: VaultLab) -> None:
    one = lab.start(RUN)
    two = lab.start(RUN, env={"HOLDFAST_STATE_DIR": str(lab.path / "other")})
    assert one.end().ok().report["complete"]
    assert two.end().ok().report["complete"]
    assert len(lab.points()) == 2


# what a run asks


SIGN = f"update transit/sign/holdfast-{NAME}--point"


@pytest.mark.parametrize("hosts", [1, 20, 200])
def test_a_run_asks_the_same_whatever_its_hosts(new_lab: Callable[..., VaultLab], hosts: int) -> None:
    lab = new_lab(hosts)
    for changed in (True, False):
        with lab.vault.watched() as asked:
            run = lab.play(RUN, "--forks", "10").ok()
        assert set(reasons(run).values()) == {"first" if changed else "unchanged"}
        assert calls(asked) == documented(f"{hosts} hosts" if hosts > 1 else "1 host")


def test_a_restore_asks_for_each_host(lab: VaultLab) -> None:
    lab.play(RUN).ok()
    as_restorer(lab)
    with lab.vault.watched() as asked:
        lab.play([BACK]).ok()
    of = collections.Counter(one.path.split("/")[1] for one in asked)
    # that it begins, and what came of it
    assert of == {"keys": 4, "decrypt": 2, "sign": 4}
    key = lab.repository().root.wrap_key("d0090", lab.store().clock().year)
    assert f"update transit/decrypt/holdfast-{NAME}--{key.id}" in calls(asked)


# notes who loads it, and gives way to the real one
SHIM = """\
import os, sys
with open({log!r}, "a") as log:
    log.write(f"{{os.getpid()}}\\n")
sys.path.remove({folder!r})
del sys.modules["hvac"]
import hvac
"""


def loaded(lab: VaultLab, playbook: list[t.Any]) -> list[str]:
    """The processes of a run, one host after the other, that loaded hvac."""
    folder, log = lab.path / "shim", lab.path / "loaded"
    (folder / "hvac").mkdir(parents=True, exist_ok=True)
    (folder / "hvac" / "__init__.py").write_text(SHIM.format(log=str(log), folder=str(folder)))
    log.write_text("")
    lab.play(playbook, "--forks", "1", env={"PYTHONPATH": str(folder)}).ok()
    return log.read_text().split()


def test_who_loads_hvac(new_lab: Callable[..., VaultLab]) -> None:
    """Who opens and who seals, and no worker of a host, changed or not; of a restore two workers, then their parent."""
    lab = new_lab(5)
    for _changed_or_not in range(2):
        assert len(set(loaded(lab, RUN))) == 2
    as_restorer(lab)
    processes = loaded(lab, [BACK])
    assert len(processes) == len(set(processes)) == 3
    assert lab.came_back()


def test_vault_knows_who_asked(lab: VaultLab) -> None:
    with lab.vault.watched() as asked:
        lab.play(RUN).ok()
    signed = [one for one in asked if one.spoken == SIGN]
    # that it begins, and its recovery point
    assert [(one.who, f"{NAME}-operator" in one.policies) for one in signed] == [("approle", True)] * 2
    # neither what was signed nor the secret of digests stands in its audit
    assert json.dumps([vars(one) for one in asked]).count("vault:v1") == 0
