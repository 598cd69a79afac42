# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restorer's rights for a window: real Vault and S3 servers refuse before it, serve it, and refuse after it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import stat
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_access import VaultAccess
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.access import ACCESS_GIVEN
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_client import Client
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import S3Settings
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify
from ansible_collections.holdfast.config.tests.lab.page import Home, Page, Told
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import Keys, allow, client, policy
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault, VaultRefusedError, policies
from ansible_collections.holdfast.config.tests.system.lab import NAME, Run, tree
from ansible_collections.holdfast.config.tests.system.test_record import PEOPLE, ssh_keygen

from .keyrings import client_at
from .stores import profiles
from .test_runs import BucketLab

GUIDE = Path(__file__).parents[2] / "docs" / "guide_access.md"
ROLE, PAGE_ROLE = (f"arn:aws:iam::123456789012:role/holdfast-{name}-restorer" for name in (NAME, "prod"))
RESTORER, BROKER = f"holdfast-{NAME}-restorer", f"holdfast-{NAME}-broker"
TICKET, LATER, UNSIGNED = "CHG0031337", "CHG0031338", "CHG0031339"
RESTORE = {"name": "restore", "holdfast.config.restore": {"under": "{{ restored }}", "newest": True}}
HOUR = dt.timedelta(hours=1)


class Scene(BucketLab):
    """A repository with its keyring in Vault and its bucket on MinIO, whose people sign for windows; backed up once."""

    def __init__(self, path: Path, minio: Minio, vault: Vault) -> None:
        super().__init__(path, minio, f"{minio.make_bucket()}/of/lab", hosts=1)
        self.vault = vault
        self.login: dict[str, str] = {}
        self.ring: dict[str, t.Any] = {"type": "vault", "url": vault.url, "ca_cert": str(vault.ca_path)}
        self.variables["holdfast_repository"]["keyring"] = self.ring
        self.variables["restored"] = f"{path}/restored"
        self.variables["holdfast_journal_dir"] = f"{path}/journal"
        self.files = path / "access"
        self.requests: dict[str, str] = {}
        self.until: dict[str, str] = {}

    def environment(self, work: Path) -> dict[str, str]:
        # of the identities profiles alone, as whoever gives keys for a role has them
        own = {name: text for name, text in super().environment(work).items() if not name.startswith("AWS_")}
        more = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": str(self.path / "credentials")}
        return {**own, **more, "AWS_PROFILE": self.identity, **self.login}

    def checked(self, run: Run) -> Run:
        """This run, in which no secret shows: neither of the lab's, nor of what was given."""
        assert "hvs." not in run.output
        for name in ("token", "credentials"):
            path = self.files / name
            for word in path.read_text().split() if path.exists() else ():
                assert len(word) < 20 or word not in run.output
        return super().checked(run)

    def typed(self, commands: str) -> Run:
        return self.checked(super().typed(commands))

    def told(self, files: Path) -> Told:
        """What docs/guide_access.md tells to type, for the window that is open now.

        :param files: where what is given goes.
        """
        # MinIO has no roles: the broker holds the restorer's keys
        sts = {"holdfast-prod-restorer": RESTORER, f'"{PAGE_ROLE}"': f'"{ROLE}", "profile": "restorer"'}
        request = self.requests[TICKET]
        return Told(Page(GUIDE, {**sts, "4f1d2a6b8c0e": request, "/dev/shm/restore": str(files)}))

    def by_approle(self, identity: str) -> None:
        """Let runs be those of an identity that logs in to Vault by AppRole."""
        role = self.vault.approle(f"{NAME}-access-{identity}", f"{NAME}-{identity}", token_no_default_policy=True)
        self.identity = identity
        self.ring |= {"auth_method": "approle", "role_id": role.role_id}
        self.login = {"HASHI_VAULT_SECRET_ID": role.secret_id}

    def as_owner(self) -> None:
        """Let runs be the owner's."""
        self.identity = "owner"
        self.login = {"VAULT_TOKEN": self.vault.token(f"{NAME}-owner")}

    def tasks(self, module: str, tasks: Mapping[str, Mapping[str, t.Any]], *args: str) -> Run:
        """Run a module once for each name; a task that fails ends nothing."""
        listed = [
            {"name": name, f"holdfast.config.{module}": told, "ignore_errors": True} for name, told in tasks.items()
        ]
        return self.play([{"hosts": "web1", "tasks": listed}], *args).ok()

    def give(self, ticket: str = TICKET, **more: t.Any) -> dict[str, t.Any]:
        """What ``access`` is told to give for a ticket."""
        sts = {"assume_role_arn": ROLE, "profile": "restorer"}
        return {"request": self.requests[ticket], "path": str(self.files), "sts": sts, **more}

    def by_nobody(self) -> None:
        """Let runs have no more than they are told."""
        for name in ("auth_method", "role_id"):
            self.ring.pop(name, None)
        self.login, self.identity = {}, "outsider"

    def restore(self, environment: Mapping[str, str]) -> Run:
        """Restore with what ``access`` has told, and with nothing else."""
        shutil.rmtree(self.path / "restored", ignore_errors=True)
        self.by_nobody()
        self.variables["holdfast_change"] = {"id": TICKET}
        try:
            return self.play([RESTORE], env=environment)
        finally:
            self.variables.pop("holdfast_change")

    def came_back(self) -> bool:
        """Whether what was restored is what the host has."""
        app = self.app("web1")
        restored = self.path / "restored" / str(app).lstrip("/")
        return restored.exists() and tree(restored) == tree(app)


def the_role(vault: Vault, **more: t.Any) -> None:
    """Make the token role by which the broker gives the restorer's rights."""
    told = {
        "allowed_policies": [RESTORER],
        "orphan": True,
        "renewable": False,
        "token_no_default_policy": True,
        "token_type": "service",
        "token_explicit_max_ttl": 86400,
    }
    vault.call("POST", f"auth/token/roles/{RESTORER}", {**told, **more})


def prepare(vault: Vault) -> None:
    """Have the policies of the matrix in Vault, by the names that the role knows too."""
    vault.write_policies(NAME)
    for identity, text in policies(NAME).items():
        vault.call("PUT", f"sys/policies/acl/holdfast-{NAME}-{identity}", {"policy": text})
    the_role(vault)


@pytest.fixture(scope="module")
def scene(minio: Minio, _vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made, backed up, and asked for three windows: one that is open, one of tomorrow, and one that nobody signs."""
    path = tmp_path_factory.mktemp("access")
    prepare(_vault)
    lab = Scene(path / "lab", minio, _vault)
    admit(minio, *lab.place.split("/", 1))
    with profiles(minio, lab.path):
        declared = []
        for name, role in PEOPLE.items():
            ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path / name)
            public = Path(f"{path / name}.pub").read_text()
            declared.append({"name": name, "roles": [role], "key": public, "valid_until": "2099-12-31"})
        lab.variables |= {
            "holdfast_people": declared,
            "holdfast_quorum": {"access": {"required": 2, "roles": ["security", "operations"]}},
        }
        lab.as_owner()
        lab.ring["path"] = str(path / "owner")
        made = lab.play([{"name": "make", "holdfast.config.repository": {}}]).ok()
        lab.ring.pop("path")
        lab.variables["holdfast_repository_id"] = made.on("make").result["repository_id"]
        lab.by_approle("operator")
        lab.play("holdfast.config.backup").ok()
        approve(lab, path)
        yield lab


def approve(lab: Scene, people: Path) -> None:
    """Ask for the windows, and let two people sign two of them."""
    lab.identity, lab.login = "custodian", {}
    now = instant.whole(dt.datetime.now(dt.timezone.utc))
    begins = {TICKET: -HOUR, LATER: 24 * HOUR, UNSIGNED: -HOUR}
    asked = {}
    for ticket, begin in begins.items():
        until = instant.to_text(now + begin + 3 * HOUR)
        lab.until[ticket] = until
        words = {"requester": "carol", "reason": "restore", "ticket": ticket, "host": "web1"}
        window = {"from": instant.to_text(now + begin), "until": until, "to_sign": str(people / ticket)}
        asked[ticket] = {"state": "requested", "operation": "access", **words, **window}
    run = lab.tasks("record", asked)
    lab.requests = {ticket: run.on(ticket).result["request"] for ticket in begins}
    steps: dict[str, t.Any] = {}
    for ticket in (TICKET, LATER):
        request = {"request": lab.requests[ticket]}
        for who in ("alice", "bob"):
            file = people / ticket
            Path(f"{file}.sig").unlink(missing_ok=True)
            ssh_keygen("-Y", "sign", "-f", people / who, "-n", "holdfast.config", file)
            signature = Path(f"{file}.sig").rename(people / f"{ticket}.{who}.sig")
            steps[f"{ticket} {who}"] = {"state": "signed", "signature": str(signature), **request}
        steps[f"{ticket} complete"] = {"state": "present", **request}
    run = lab.tasks("record", steps)
    assert all(run.on(f"{ticket} complete").result["reached"] for ticket in (TICKET, LATER))


@dataclasses.dataclass(frozen=True)
class Story:
    """What the runs of the whole story returned, and what the folder held in the window."""

    given: Run
    restored: Run
    ended: Run
    refused: Run
    files: dict[str, str]
    modes: dict[str, int]
    copy: Path


@pytest.fixture(scope="module")
def story(scene: Scene) -> Story:
    """Refused, given, used, ended, and refused again."""
    scene.by_approle("broker")
    checked = scene.tasks("access", {"in check mode": scene.give()}, "--check", "--diff")
    assert not scene.files.exists()
    early = {"before": scene.give(LATER), "unsigned": scene.give(UNSIGNED)}
    steps = {**early, "given": scene.give(), "again": scene.give(), "who": {"state": "listed"}}
    given = scene.tasks("access", steps, "--diff")
    assert given.on("given").status == "ok", given.output
    given = dataclasses.replace(given, tasks=(*checked.tasks, *given.tasks))
    environment = given.on("given").result["environment"]
    files = {path.name: path.read_text() for path in scene.files.iterdir()}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (scene.files, *scene.files.iterdir())}
    copy = scene.path / "copy"
    shutil.copytree(scene.files, copy)
    app = tree(scene.app("web1"))
    scene.change("web1")
    scene.by_nobody()
    restored = scene.typed(scene.told(scene.files).take("HASHI_VAULT_TOKEN_PATH=")).ok()
    assert tree(scene.app("web1")) == app
    scene.by_approle("broker")
    end = {"state": "absent", "path": str(scene.files)}
    ended = scene.tasks("access", {"end": end, "end again": end, "who": {"state": "listed"}}, "--diff")
    stolen = {name: text.replace(str(scene.files), str(copy)) for name, text in environment.items()}
    refused = scene.restore(stolen)
    return Story(given, restored, ended, refused, files, modes, copy)


def test_nothing_is_given_before_the_window_or_without_signatures(story: Story) -> None:
    before, unsigned = (story.given.on(name) for name in ("before", "unsigned"))
    assert (before.status, unsigned.status) == ("ignored", "ignored")
    assert "the window has not begun" in before.message
    assert "no record that people have signed allows this access" in unsigned.message


def test_what_would_be_given_is_told(story: Story) -> None:
    result = story.given.on("in check mode").result
    assert (result["changed"], result["parts"], result["environment"]) == (True, ["token", "store"], {})
    assert result["diff"]["after"] == "token: given\nstore: given\n"


def test_what_is_given_ends_with_the_window(scene: Scene, story: Story) -> None:
    result, until = story.given.on("given").result, scene.until[TICKET]
    assert (result["ticket"], result["subject"]["until"], result["subject"]["host"]) == (TICKET, until, "web1")
    assert result["token_until"] <= until
    assert result["store_until"] <= until
    # and so says the server of its keys: they end with their session token
    assert json.loads(story.files["access.json"])["store_until"] == result["store_until"]
    assert story.modes == {"access": 0o700, "token": 0o600, "credentials": 0o600, "access.json": 0o600}
    again = story.given.on("again").result
    assert (again["changed"], again["record"], again["environment"]) == (False, "", result["environment"])


def test_a_restore_runs_with_the_files_alone(scene: Scene, story: Story) -> None:
    (restored,) = (kept.result for kept in story.restored.tasks if kept.action == "holdfast.config.restore")
    assert restored["record"]
    assert not restored.get("warnings")


def audited(vault: Vault) -> Iterator[Mapping[str, t.Any]]:
    """Requests and answers, as Vault's audit device has them."""
    for line in vault.logs().splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and "request" in entry:
                yield entry


def test_vaults_audit_log_names_the_ticket(scene: Scene, story: Story) -> None:
    access = story.given.on("given").result["access"]
    told = {"ticket": TICKET, "record": access, "requester": "carol"}
    paths = {
        entry["request"]["path"].rsplit("--", 1)[0]
        for entry in audited(scene.vault)
        if (entry.get("auth") or {}).get("metadata") == told
    }
    assert {f"transit/decrypt/holdfast-{NAME}", f"transit/sign/holdfast-{NAME}"} <= paths


def test_the_stores_log_names_the_ticket(scene: Scene, story: Story) -> None:
    session = story.files["credentials"].split("aws_access_key_id = ")[1].split()[0]

    def of_restore() -> set[str]:
        return {one.agent for one in scene.server.accesses() if one.who == session}

    wait_for(lambda: bool(of_restore()), "the store has no log of the restore")
    assert all(f"change/{TICKET}" in agent for agent in of_restore())
    gave = [one.agent for one in scene.server.accesses() if one.operation == "AssumeRole"]
    assert any(f"change/{TICKET}" in agent for agent in gave)


def test_an_early_end_leaves_nothing_that_opens(scene: Scene, story: Story) -> None:
    end, again = (story.ended.on(name).result for name in ("end", "end again"))
    assert (end["changed"], again["changed"]) == (True, False)
    assert end["diff"]["after"] == "token: ended\nstore: ended\n"
    assert "keys for the store cannot be ended" in end["warnings"][0]
    assert list(scene.files.iterdir()) == []
    assert story.refused.rc == 2
    assert "has expired or was revoked" in story.refused.on("restore").message


def test_records_tell_who_had_access(scene: Scene, story: Story) -> None:
    accessor = json.loads(story.files["access.json"])["accessor"]
    digest = hashlib.sha256(accessor.encode()).hexdigest()
    rows = {row["ticket"]: row for row in story.given.on("who").result["accesses"]}
    assert sorted(rows) == [TICKET, LATER]
    assert (rows[TICKET]["open"], rows[LATER]["open"], rows[LATER]["given"]) == (True, False, [])
    (had,) = rows[TICKET]["given"]
    assert (had["accessor_sha256"], had["now"], had["ended"]) == (digest, True, False)
    after = story.ended.on("who").result
    (row,) = [row for row in after["accesses"] if row["ticket"] == TICKET]
    assert [one["ended"] for one in row["given"]] == [True]
    assert (after["without_record"], after["not_believed"]) == ([], [])
    put = [name for name in scene.stored() if name.startswith(f"records/{ACCESS_GIVEN}/")]
    assert len(put) == 2
    report = verify.verify(scene.repository(), level=verify.Level.SIGNATURES)
    assert report.sound, report.findings


def test_the_broker_has_none_of_the_rights_that_it_gives(scene: Scene) -> None:
    token = scene.vault.token(BROKER, no_default_policy=True)
    key = f"holdfast-{NAME}--record"
    for path, body in (
        (f"transit/decrypt/{key}", {"ciphertext": ""}),
        (f"transit/sign/{key}", {"input": ""}),
        ("auth/token/create", {"policies": [RESTORER]}),
        (f"auth/token/create/{RESTORER}", {"policies": [RESTORER]}),
        (f"auth/token/create/{RESTORER}", {"ttl": "1h", "explicit_max_ttl": "1h"}),
        (f"auth/token/roles/{RESTORER}", {"token_explicit_max_ttl": "0"}),
    ):
        # the last but one and the one before it: no token without an end, and none without what it is for
        assert scene.vault.refuses("POST", path, body, token=token), path


def broker_at(vault: Vault, *policies_of: str) -> VaultAccess:
    token = vault.token(*policies_of, no_default_policy=True)
    return VaultAccess(lambda: client_at(vault, {"VAULT_TOKEN": token}), NAME)


def test_a_token_is_gone_when_its_time_is_over(scene: Scene, story: Story, vault: Vault) -> None:
    """A role that gives a second stands for a window that is over: nobody does anything, and Vault refuses."""
    the_role(vault, token_explicit_max_ttl=1)
    try:
        scene.by_approle("broker")
        files = scene.path / "short"
        told = scene.told(files)
        run = scene.typed(told.take("ansible-playbook -i inventory.yml holdfast.config.access -e access_request")).ok()
        short = run.on("Give or end them").result
        assert "HASHI_VAULT_TOKEN_FILE=token" in run.output
    finally:
        the_role(vault)
    assert "the role in Vault lets the token last until" in short["warnings"][0]
    accessor = json.loads((files / "access.json").read_text())["accessor"]
    broker = broker_at(vault, BROKER)
    wait_for(lambda: broker.left(accessor) == 0, "the token does not end")
    refused = scene.restore(short["environment"])
    assert refused.rc == 2
    assert "has expired or was revoked" in refused.on("restore").message
    assert not scene.came_back()
    # and another token is given next, beside keys for the store that are good still
    scene.by_approle("broker")
    anew = scene.tasks("access", {"anew": scene.give(path=str(files))})
    assert anew.on("anew").result["parts"] == ["token"]
    assert anew.on("anew").result["store_until"] == short["store_until"]
    end = scene.typed(told.take("ansible-playbook -i inventory.yml holdfast.config.access -e access_state=absent")).ok()
    assert end.on("Give or end them").result["changed"]
    assert list(files.iterdir()) == []


def test_the_role_that_the_guide_makes_by_hand(scene: Scene, vault: Vault) -> None:
    at = f"auth/token/roles/{RESTORER}"
    before = vault.call("GET", at)["data"]
    vault.call("DELETE", at)
    home = Home(scene.path, [vault.programs], vault.environment)
    home.give(scene.told(scene.files).take("vault write auth/token/roles/"), VAULT_TOKEN=vault.generate_root())
    assert vault.call("GET", at)["data"] == before


def test_what_a_broker_is_given_is_what_it_asked_for(vault: Vault) -> None:
    prepare(vault)
    broker = broker_at(vault, BROKER)
    given = broker.give(seconds=600, meta={"ticket": TICKET})
    found = vault.call("POST", "auth/token/lookup-accessor", {"accessor": given.accessor})["data"]
    assert (found["policies"], found["orphan"], found["renewable"]) == ([RESTORER], True, False)
    assert (found["explicit_max_ttl"], found["meta"], found["ttl"] <= 600) == (600, {"ticket": TICKET}, True)
    assert 0 < broker.left(given.accessor) <= 600
    with pytest.raises(VaultRefusedError):
        vault.call("POST", "auth/token/renew-self", {}, token=given.secret)
    for _ended in range(2):
        broker.end(given.accessor)
        assert broker.left(given.accessor) == 0
    with pytest.raises(KeyMissingError, match="make a token for access"):
        broker_at(vault, f"{NAME}-auditor").give(seconds=600, meta={"ticket": TICKET})


def role_for_the_broker(rgw: Rgw) -> str:
    """A bucket with an object, and a role of its name that may read it and that the broker may assume."""
    bucket = rgw.make_bucket()
    rgw.client().put_object(Bucket=bucket, Key="k", Body=b"sealed")
    trust = {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/broker"]}, "Action": ["sts:AssumeRole"]}
    rgw.iam.create_role(RoleName=bucket, Path="/", AssumeRolePolicyDocument=policy([trust]))
    rgw.iam.put_role_policy(RoleName=bucket, PolicyName="lab", PolicyDocument=policy([allow(bucket, "GetObject")]))
    return bucket


def test_keys_of_a_role_of_rgw_end_with_the_window(rgw: Rgw, tmp_path: Path) -> None:
    """The role is the restorer's, and the broker may assume it, and do nothing that it may."""
    bucket = role_for_the_broker(rgw)
    which = {"Bucket": bucket, "Key": "k"}
    with profiles(rgw, tmp_path):
        settings = S3Settings(
            endpoint_url=rgw.endpoint,
            aws_ca_bundle=str(rgw.ca_path),
            profile="broker",
            assume_role_arn=f"arn:aws:iam:::role/{bucket}",
        )
        broker = Client("s3://x", settings, context={"change": TICKET}, patience=Patience(attempts=1))
        asked = instant.whole(dt.datetime.now(dt.timezone.utc))
        keys = broker.role_keys(TICKET, 900)
    assert asked < keys.until <= dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=901)
    given = client("s3", rgw.endpoint, Keys(keys.access, keys.secret), rgw.ca_path, token=keys.token)
    assert given.get_object(Bucket=bucket, Key="k")["Body"].read() == b"sealed"
    for denied in (lambda: given.put_object(Bucket=bucket, Key="k"), lambda: rgw.client("broker").get_object(**which)):
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            denied()

    def served() -> list[str]:
        return [one.session for one in rgw.accesses() if f"/{bucket}/k" in one.target and one.session]

    wait_for(lambda: bool(served()), "the store has no log of the session")
    assert set(served()) == {f"holdfast-{TICKET}"}


def test_keys_of_a_role_open_nothing_when_their_time_is_over(rgw: Rgw) -> None:
    """The gateway of the lab gives them for seconds, which no client of Amazon's asks for."""
    bucket = role_for_the_broker(rgw)
    sts = client("sts", rgw.endpoint, rgw.keys["broker"], rgw.ca_path, parameter_validation=False)
    which = {"RoleArn": f"arn:aws:iam:::role/{bucket}", "RoleSessionName": f"holdfast-{TICKET}"}
    keys = sts.assume_role(**which, DurationSeconds=10)["Credentials"]
    own = Keys(keys["AccessKeyId"], keys["SecretAccessKey"])
    given = client("s3", rgw.endpoint, own, rgw.ca_path, token=keys["SessionToken"])
    assert given.get_object(Bucket=bucket, Key="k")["Body"].read() == b"sealed"

    def ended() -> bool:
        try:
            given.get_object(Bucket=bucket, Key="k")
        except botocore.exceptions.ClientError as e:
            return bool(e.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403))
        return False

    wait_for(ended, "the end of the keys")
    assert dt.datetime.now(dt.timezone.utc) >= keys["Expiration"]
    # nobody but the keys has changed
    assert rgw.client().get_object(Bucket=bucket, Key="k")["Body"].read() == b"sealed"
