# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key of a class and year is destroyed, and a legal hold put and ended, by what their pages say, each word of it.

At one site: a repository on MinIO whose keys are in Vault. Each person has their own rights alone, and a terminal where
the page asks at one; who signs has an emulated FIDO2 key.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import sys
import tempfile
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.people import armoured
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import records, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.succession import Asking
from ansible_collections.holdfast.config.tests.lab import forked_ansible
from ansible_collections.holdfast.config.tests.lab.go_build import VAULT, build
from ansible_collections.holdfast.config.tests.lab.page import Home, Page, Told, result
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.vault.server import PARTS, THRESHOLD, Vault
from ansible_collections.holdfast.config.tests.system.lab import BIN, COLLECTIONS
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import TOUCHED
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.council import person, signature

from .keyrings import keyring_at
from .stores import profiles, store_at

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide_destruction.md"
RUNBOOK = DOCS / "runbooks" / "destroy_under_lock.md"
NAME = "acme"
PREFIX = "prod"
MOUNT = "contracts"
HOSTS = ("web1", "web2")
CLASSES = {"d0090": RetentionClass("d0090", 90, "compliance")}
NOW = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
KEY = f"d0090-{NOW.year}"
VALID: dict[str, t.Any] = {"not_before": NOW - dt.timedelta(days=1), "not_after": NOW + dt.timedelta(days=30)}
PEOPLE = (person("alice", **VALID), person("bob", **VALID), person("dave", roles=("escrow",), **VALID))
ASKING = Asking("carol@example.com", "contract with ACME has ended", "CHG0031337")
CANCEL = "vault operator generate-root -cancel"
# the request that pages name
REQUEST = "4f1d2a6b8c0e"


@dataclasses.dataclass
class Site:
    """Two hosts, each a folder; the controller's inventory names the operator's login of Vault, as the guide has it.

    :ivar vars: variables of all hosts.
    """

    path: Path
    home: Home
    minio: Minio
    vault: Vault
    bucket: str
    vars: dict[str, t.Any]

    def page(self, path: Path) -> Page:
        """A page, with what is this site's own."""
        text = path.read_text(encoding="utf-8")
        repository = self.vars["holdfast_repository"]
        more = "".join(f"\n  {name}: {repository[name]}" for name in ("endpoint_url", "aws_ca_bundle"))
        known = {
            "d0090-2024": KEY,
            "name: prod": f"name: {NAME}",
            "url: s3://backups/prod": f"url: {repository['url']}{more}",
            "https://vault.example.com:8200": self.vault.url,
            "/etc/holdfast/vault-ca.pem": f"{self.vault.ca_path}, engine_mount_point: {MOUNT}",
            "/var/log/vault/audit.log": str(self.vault.audit_log),
        }
        return Page(path, {old: new for old, new in known.items() if old in text})

    def keys(self, identity: str) -> dict[str, str]:
        """The environment of who has these keys of the store, and none of Vault."""
        keys = self.minio.keys[identity]
        return {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}

    def write(self) -> None:
        """Write the inventory."""
        inventory = {"all": {"hosts": {host: {} for host in HOSTS}, "vars": self.vars}}
        (self.path / "inventory.yml").write_text(yaml.safe_dump(inventory, sort_keys=False))

    def module(self, name: str, options: Mapping[str, t.Any], *more: str, **who: str) -> dict[str, t.Any]:
        """Run a module on the controller; returns its result."""
        words = ["ansible", "localhost", "-i", "inventory.yml", "-m", f"holdfast.config.{name}", *more]
        given = ["-a", json.dumps(options)] if options else []
        return result(self.home.run(*words, *given, **who))

    def backup(self, *args: str) -> None:
        """Back up as the operator."""
        secret = self.vault.call("POST", f"auth/approle/role/{NAME}-operator/secret-id", {})["data"]["secret_id"]
        words = ["ansible-playbook", "-i", "inventory.yml", "holdfast.config.backup", *args]
        self.home.run(*words, HASHI_VAULT_SECRET_ID=secret, **self.keys("operator"))

    def sign(self, who: str, file: str) -> str:
        """Sign a file as ``ssh-keygen -Y sign`` does; returns where the signature is."""
        made = self.path / who / f"{file}.sig"
        made.parent.mkdir(exist_ok=True)
        made.write_text(armoured(signature(who, (self.path / file).read_bytes(), flags=TOUCHED).signature))
        return str(made)

    def signed(self, request: str, file: str, *who: str) -> None:
        """Let people sign a request, and hand their signatures in as the custodian."""
        for name in who:
            given = {"state": "signed", "request": request, "signature": self.sign(name, file)}
            self.module("record", given, **self.keys("custodian"))

    def complete(self, request: str) -> dict[str, t.Any]:
        """Put the record of what enough people have signed."""
        return self.module("record", {"state": "present", "request": request}, **self.keys("custodian"))

    def look(self, **options: t.Any) -> dict[str, t.Any]:
        """How far destructions are."""
        return self.module("destruction", options, **self.keys("custodian"))

    def held(self) -> set[str]:
        """What is under a legal hold."""
        store = store_at(self.minio, f"{self.bucket}/{PREFIX}")
        return {listed.name for listed in store.list() if store.head(listed.name, version=listed.version).held}

    def token(self, part: str) -> str:
        return self.vault.token(f"{NAME}-{part}")

    def refused(self, part: str) -> str:
        """Try to destroy the key with the token of somebody who is no quorum; returns why it is refused."""
        words = ["ansible", "localhost", "-i", "inventory.yml", "-m", "holdfast.config.destruction"]
        words += ["-a", f"key={KEY} state=present", "-e", "@quorum.yml"]
        code, said = self.home.attempt(*words, VAULT_TOKEN=self.token(part), **self.keys("custodian"))
        assert code != 0
        return said

    def given(self, block: str, nonce: str) -> str:
        """Have holders of shares say yes, each at a terminal of their own; returns what the last one is shown."""
        shown = ""
        for number, share in enumerate(self.vault.shares[:THRESHOLD]):
            with self.home.terminal() as holder:
                shown = holder.type(block, {"Unseal Key (will be hidden): ": share})
                assert share not in holder.shown
            assert re.findall(r"^Nonce +(\S+)", shown, re.MULTILINE)[0] == nonce
            assert re.findall(r"^Progress +(\d+)/(\d+)", shown, re.MULTILINE)[0] == (str(number), str(THRESHOLD))
        return re.findall(r"^Encoded Token +(\S+)", shown, re.MULTILINE)[0]

    def promised(self) -> list[str]:
        """What the runbook says an auditor finds, in its order."""
        text = RUNBOOK.read_text(encoding="utf-8").partition("\n## 4. ")[2].partition("\n## 5. ")[0]
        found = re.findall(r"`((?:update|delete) [^`]+)`", text.replace("prod--d0090-2024", f"{NAME}--{KEY}"))
        each = "update sys/generate-root/update"
        assert found.count(each) == 1
        found[found.index(each) : found.index(each) + 1] = [each] * THRESHOLD
        return [one.replace("transit/", f"{MOUNT}/").replace("-prod--", f"-{NAME}--") for one in found]

    def escrow_opens(self) -> bool:
        """Whether the folder of escrow opens what web2 has below the key."""
        store = store_at(self.minio, f"{self.bucket}/{PREFIX}")
        (pack,) = [listed.name for listed in store.list("packs/") if "/web2/" in listed.name]
        (self.path / "pack").write_bytes(store.get(pack))
        code, said = self.home.attempt("age", "-d", "-i", self.escrow, "-o", "opened", "pack")
        assert code == 0 or "no identity matched any of the recipients" in said, said
        return code == 0

    @property
    def escrow(self) -> Path:
        """The identities of escrow."""
        return self.path / "owner" / "escrow" / "identities.txt"

    def forget(self) -> None:
        """Delete the two lines of the key's name from escrow."""
        text, found = re.subn(rf"^# {KEY} .*\n.*\n", "", self.escrow.read_text(), flags=re.MULTILINE)
        assert found == 1
        self.escrow.write_text(text)


def parts(block: str) -> list[str]:
    """The commands of a block, where something is done between them."""
    return re.split(r"\n(?=ansible )", block)


def variables(path: Path, minio: Minio, vault: Vault, bucket: str, role: str) -> dict[str, t.Any]:
    at = f"{path}/hosts/{{{{ inventory_hostname }}}}"
    return {
        "ansible_connection": "local",
        "holdfast_repository": {
            "name": NAME,
            "url": f"s3://{bucket}/{PREFIX}",
            "endpoint_url": minio.endpoint,
            "aws_ca_bundle": str(minio.ca_path),
            "keyring": {
                "type": "vault",
                "url": vault.url,
                "ca_cert": str(vault.ca_path),
                "engine_mount_point": MOUNT,
                "auth_method": "approle",
                "role_id": role,
            },
        },
        "holdfast_tiers": {"tier1": {"class": "d0090", "rpo": "26h"}},
        "holdfast_components": [{"name": "app", "paths": [f"{at}/etc/app"], "owner": "web"}],
    }


def rules() -> tuple[Quorum, ...]:
    """How many people it takes, as the guide has it, and for the end of a hold."""
    declared = yaml.safe_load(Page(GUIDE).text("holdfast_quorum:"))["holdfast_quorum"]
    declared["hold-release"] = {"required": 2, "roles": ["security", "operations"]}
    return tuple(
        Quorum(name, **{**one, "roles": tuple(one.get("roles", ()))}) for name, one in sorted(declared.items())
    )


class Owner:
    """Makes the repository and what follows its root, with keys of this year alone: they are made in no time."""

    def __init__(self, vault: Vault, minio: Minio, place: str, folder: Path) -> None:
        token = vault.token(*(f"{NAME}-{part}" for part in PARTS))
        self.keyring = keyring_at(vault, token, repository=NAME, mount=MOUNT, path=folder)
        self.store = store_at(minio, place)
        self.wanted: dict[str, t.Any] = {"classes": CLASSES, "people": PEOPLE, "quorum": rules()}

    def make(self) -> str:
        """Make the repository; returns what pins it."""
        root, _made = repositories.create(self.store, self.keyring, name=NAME, **self.wanted)
        assert root is not None
        return root.id

    def rotate(self, pin: str) -> None:
        """Have a key that follows that of this year, as two people sign."""
        wanted = succession.Wanted(**self.wanted, rotate=("wrap", "escrow"))
        for state in ("asked", "followed"):
            done = succession.present(self.store, self.keyring, name=NAME, wanted=wanted, pin=pin, asking=ASKING)
            assert done.state == state
            for who in ("alice", "bob") if done.state == "asked" else ():
                assert done.pending is not None
                blob = signature(who, done.pending.to_sign).signature
                repository = repositories.open_repository(self.store, pin=pin)
                records.add_signature(repository, done.pending, armoured(blob))


@pytest.fixture(scope="module")
def site(_vault: Vault, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose hosts were backed up; then another key followed, and web1 was backed up under that one."""
    path = tmp_path_factory.mktemp("site")
    for host in HOSTS:
        (path / "hosts" / host / "etc" / "app").mkdir(parents=True)
        (path / "hosts" / host / "etc" / "app" / "app.conf").write_text("listen = 8080\n")
    (path / "ansible.cfg").touch()
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(path / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(path),
        "LANG": "C.UTF-8",
        # the site's machines trust who has signed for the certificate of its Vault
        "VAULT_CACERT": str(_vault.ca_path),
    }
    _vault.mount(MOUNT)
    _vault.write_policies(NAME, MOUNT)
    role = _vault.approle(f"{NAME}-operator", f"{NAME}-operator").role_id
    bucket = minio.make_bucket()
    admit(minio, bucket, PREFIX)
    with (
        # a socket's path is short
        tempfile.TemporaryDirectory() as folder,
        forked_ansible.programs(Path(folder), environment) as programs,
        profiles(minio, path),
    ):
        home = Home(path, [programs, build(VAULT).parent, BIN], environment)
        site = Site(path, home, minio, _vault, bucket, variables(path, minio, _vault, bucket, role))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repositories, "KEY_YEARS", 1)
            patch.setattr(succession, "KEY_YEARS", 1)
            owner = Owner(_vault, minio, f"{bucket}/{PREFIX}", path / "owner")
            pin = site.vars["holdfast_repository_id"] = owner.make()
            site.write()
            site.backup()
            owner.rotate(pin)
        (path / "hosts" / "web1" / "etc" / "app" / "app.conf").write_text("listen = 9090\n")
        site.backup("--limit", "web1")
        yield site


def test_a_hold_stands_until_people_have_signed_that_it_ends(site: Site) -> None:
    blocks = Told(site.page(DOCS / "guide_storage.md"))
    custodian = site.keys("custodian")
    put = result(site.home.give(blocks.pop(), **custodian))
    assert (put["changed"], put["subject"]) == (True, {"host": "web1"})
    held, objects = site.held(), put["objects"]
    assert len(held) == objects > 0
    assert all("/web1/" in name for name in held if "/packs/" in name or "/manifests/" in name)
    looked = site.look(key=KEY)
    assert looked["held"] == 1 < looked["snapshots"]

    ask, end = parts(blocks.pop())
    refused, why = site.home.attempt("bash", "-euc", end, **custodian)
    assert refused != 0
    assert "nobody has signed that the legal hold of host web1 ends" in why
    asked = result(site.home.give(ask, **custodian))
    site.signed(asked["request"], "release-web1", "alice", "bob")
    assert site.complete(asked["request"])["reached"]
    assert site.held() == held
    ended = result(site.home.give(end, **custodian))
    assert (ended["changed"], ended["objects"], site.held()) == (True, objects, set())
    assert site.look(key=KEY)["held"] == 0
    blocks.end()


def test_a_key_is_destroyed_as_guide_and_runbook_say(site: Site) -> None:
    guide, runbook = Told(site.page(GUIDE)), Told(site.page(RUNBOOK))
    (site.path / "quorum.yml").write_text(site.page(GUIDE).text("# quorum.yml"))
    custodian = site.keys("custodian")

    # 1 and 2 of the guide: what is lost, and who says that it may be
    said = site.home.give(guide.pop(), **custodian)
    looked = result(said)
    assert [(one["host"], one["newest"]) for one in looked["unreadable"]] == [("web2", True), ("web1", False)]
    assert "the newest copies of" in " ".join(said.split())
    assert (looked["hosts_left_without"], looked["held"], looked["in_use"]) == (["web2"], 0, False)
    early = site.refused("custodian")
    assert f"nobody has signed that key {KEY} is destroyed" in early
    asked = result(site.home.give(guide.pop(), **custodian))
    assert (asked["subject"]["key"], asked["subject"]["snapshots"]) == (KEY, 2)
    site.signed(asked["request"], f"destroy-{KEY}", "alice", "bob")
    assert site.complete(asked["request"])["reached"]

    # the runbook
    with site.home.terminal(**custodian) as shell:
        (found,) = result(shell.type(runbook.pop()))["keys"]
        assert (found["key"], found["state"]) == (KEY, "demanded")
        assert "this identity has no right to that" in site.refused("custodian")
        begin = runbook.pop()
        # where somebody backs out nothing has happened
        shell.type(begin)
        assert f"`{CANCEL}`" in RUNBOOK.read_text(encoding="utf-8")
        shell.type(CANCEL)
        begun = shell.type(begin)
        otp, nonce = (re.findall(rf"^{word} +(\S+)", begun, re.MULTILINE)[0] for word in ("OTP", "Nonce"))
        encoded = site.given(runbook.pop(), nonce)
        for question, answer in (("Encoded Token: ", encoded), ("OTP: ", otp)):
            assert answer not in shell.type(runbook.pop(), {question: answer})
        shell.type(runbook.pop())
        checked = result(shell.type(runbook.pop()))
        assert (checked["changed"], checked["record"], checked["token_revoked"]) == (True, "", False)
        assert checked["unreadable"] == looked["unreadable"]
        destroyed = shell.type(runbook.pop())
        done = result(destroyed)
        assert (done["changed"], done["token_revoked"], done["unreadable"]) == (True, True, looked["unreadable"])
        assert destroyed.count(": lost\n") == done["snapshots"] == 2
        lookup, unset = runbook.pop().splitlines()
        code, said = shell.attempt(lookup)
        assert (code, "permission denied" in said) == (2, True)
        shell.type(unset)
        history = shell.type("history")
        assert "generate-root -init" in history
        assert "base64" not in history
        assert shell.type("echo [$VAULT_TOKEN$ENCODED$OTP]").count("[]") == 1
    assert "hvs." not in shell.shown

    logged = [line.split("\t") for line in site.home.give(runbook.pop()).splitlines()]
    spoken = [f"{operation} {path}" for _at, operation, path, _why in logged]
    # what stands before is the lab's own
    begins = len(spoken) - spoken[::-1].index("update sys/generate-root/attempt") - 1
    assert [one for one in spoken[begins:] if not one.startswith("read ")] == site.promised()
    assert {one for one in spoken[begins:] if one.startswith("read ")} == {
        "read auth/token/lookup-self",
        "read sys/generate-root/attempt",
        f"read {MOUNT}/keys/holdfast-{NAME}--{KEY}",
        f"read {MOUNT}/keys/holdfast-{NAME}--record",
    }
    assert {why for _at, _operation, _path, why in logged[begins:]} == {""}
    runbook.end()

    # the same command of the guide, once the key is gone
    again = result(site.home.give(guide.pop(), VAULT_TOKEN=site.token("restorer"), **custodian))
    assert (again["changed"], again["record"]) == (False, done["record"])

    # escrow opens it until its holder has signed
    assert [one["state"] for one in site.look()["keys"]] == ["pending"]
    assert site.escrow_opens()
    site.forget()
    assert not site.escrow_opens()
    ask, hand_in = parts(guide.pop())
    request = result(site.home.give(ask, **custodian))["request"]
    (site.path / f"escrow-{KEY}.sig").write_bytes(Path(site.sign("dave", f"escrow-{KEY}")).read_bytes())
    assert result(site.home.give(hand_in.replace(REQUEST, request), **custodian))["record"]
    (found,) = site.look()["keys"]
    assert (found["state"], found["record"], found["signed_by"]) == ("destroyed", done["record"], ["alice", "bob"])
    guide.end()
