# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two people with FIDO2 keys, and two shares of Vault, destroy a class-year; one of them cannot, by any identity."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    KeyDestroyedError,
    KeyMissingError,
    KeyringError,
    SignatureError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base, identities
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.people import armoured
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    approvals,
    choose,
    destruction,
    objects,
    open_snapshot,
    points,
    records,
    succession,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.destruction import Outlook
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import USERS, S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Asked, Vault, VaultRefusedError, policies
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import TOUCHED
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.council import (
    followed,
    persons,
    request_of,
    signature,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import (
    FILES,
    NAME,
    Lab,
    declared,
    problems,
)

from .keyrings import keyring_at
from .stores import profiles, store_at

PREFIX = "of/lab"
MOUNT = "destroying"
PARTS = ("operator", "restorer", "owner")
QUORUM = (
    Quorum("destruction", 2, ("security", "operations"), "touch"),
    Quorum("escrow-destroyed", 1, ("audit",), "touch"),
    Quorum("root", 2, ()),
)
TIER1, TIER2 = (declared().classes[stream.retention_class].name for stream in declared().streams())
CHANGED = {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}
ACTOR = {"user": "carol", "controller": "c1", "run": "0" * 16}


@dataclasses.dataclass
class Scene:
    """A repository in a bucket, with its keys in a Vault, of which two hosts were backed up.

    :param year: of its keys.
    :param owner: the folder of the owner, with escrow.
    """

    lab: Lab
    vault: Vault
    server: S3Server
    bucket: str
    owner: Path
    year: int

    @property
    def key(self) -> str:
        return f"{TIER1}-{self.year}"

    def token(self, *parts: str) -> str:
        return self.vault.token(*(f"{MOUNT}-{part}" for part in parts))

    def by(self, token: str, identity: str = "custodian") -> Lab:
        """The repository as who has this token of Vault, and the keys of that identity at the store."""
        store = store_at(self.server, f"{self.bucket}/{PREFIX}", identity)
        repository = dataclasses.replace(self.lab.repository, store=store)
        keyring = keyring_at(self.vault, token, repository=NAME, mount=MOUNT, path=self.owner)
        return dataclasses.replace(self.lab, repository=repository, keyring=keyring)

    def destroy(self, token: str) -> destruction.Destruction:
        lab = self.by(token)
        return destruction.destroy(lab.repository, lab.keyring, self.key, actor=ACTOR)

    def opens(self) -> dict[str, bool]:
        """Whether who restores can open each snapshot, by its manifest."""
        lab = self.by(self.token("restorer"), "restorer")
        found = {}
        for point in points.history(lab.repository):
            for entry in point.body.streams:
                components = tuple(fingerprint.component for fingerprint in entry.fingerprints)
                try:
                    open_snapshot.open_snapshot(lab.repository, lab.keyring, choose.Chosen(entry, components))
                    found[entry.manifest.name] = True
                except KeyDestroyedError:
                    found[entry.manifest.name] = False
        return found


@pytest.fixture(scope="module")
def scene(_vault: Vault, minio: Minio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Keys of one year, so that they are made in no time; and a key that follows each."""
    path = tmp_path_factory.mktemp("destroying")
    with profiles(minio, path), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repositories, "KEY_YEARS", 1)
        patch.setattr(succession, "KEY_YEARS", 1)
        _vault.mount(MOUNT)
        for part, text in policies(NAME, MOUNT).items():
            _vault.call("PUT", f"sys/policies/acl/{MOUNT}-{part}", {"policy": text})
        bucket = minio.make_bucket()
        admit(minio, bucket, PREFIX)
        yield _begun(_vault, minio, bucket, path)


def _begun(vault: Vault, server: S3Server, bucket: str, path: Path) -> Scene:
    token = vault.token(*(f"{MOUNT}-{part}" for part in PARTS))
    keyring = keyring_at(vault, token, repository=NAME, mount=MOUNT, path=path / "owner")
    store = store_at(server, f"{bucket}/{PREFIX}")
    now = instant.whole(store.clock())
    # requests last a week
    until = now + dt.timedelta(days=30)
    people = tuple(
        dataclasses.replace(one, not_before=now - dt.timedelta(days=1), not_after=until) for one in persons()
    )
    classes = {name: kept for name, kept in declared().classes.items() if name in (TIER1, TIER2)}
    root, _made = repositories.create(store, keyring, name=NAME, classes=classes, people=people, quorum=QUORUM)
    assert root is not None
    repository = repositories.open_repository(store, pin=root.id)
    lab = Lab(path, repository, keyring, lambda: dt.datetime.now(dt.UTC))
    backed_up = lab.on(store_at(server, f"{bucket}/{PREFIX}", "operator"))
    backed_up.run({"h": MemorySource(FILES), "other": MemorySource(FILES)})
    backed_up.run({"h": MemorySource(CHANGED), "other": MemorySource(FILES)})
    lab = followed(lab, classes=classes, people=people, quorum=QUORUM, rotate=("wrap", "escrow"))
    return Scene(lab, vault, server, bucket, path / "owner", now.year)


def ways_to_destroy(key: str) -> Mapping[str, tuple[str, str, t.Any]]:
    """All that makes a key of Transit open nothing, or lets somebody do that."""
    name = f"{MOUNT}/keys/holdfast-{NAME}--{key}"
    return {
        "allow deletion": ("POST", f"{name}/config", {"deletion_allowed": True}),
        "delete": ("DELETE", name, None),
        "retire versions": ("POST", f"{name}/config", {"min_decryption_version": 2}),
        "trim versions": ("POST", f"{name}/trim", {"min_available_version": 2}),
        "rotate": ("POST", f"{name}/rotate", {}),
        "restore over it": ("POST", f"{MOUNT}/restore/holdfast-{NAME}--{key}", {"backup": "", "force": True}),
        "unmount": ("DELETE", f"sys/mounts/{MOUNT}", None),
        "move the mount": ("POST", "sys/remount", {"from": MOUNT, "to": "elsewhere"}),
        "write policies": ("PUT", f"sys/policies/acl/{MOUNT}-custodian", {"policy": 'path "*" {}'}),
        "make a token of root": ("POST", "auth/token/create", {"policies": ["root"]}),
        "make a login": ("POST", "auth/approle/role/thief", {"token_policies": "root"}),
        "seal": ("PUT", "sys/seal", None),
        "silence the log": ("DELETE", "sys/audit/file", None),
    }


# what an identity has by right: the owner makes versions, and each of them opens what it did
BY_RIGHT = {("owner", "rotate")}


def signed(scene: Scene, *who: str, flags: int = TOUCHED, key: str = "") -> approvals.Pending:
    """Ask for the destruction as the custodian, and hand in the signatures of these people."""
    lab = scene.by("none")
    pending, _made = destruction.ask(lab.repository, key or scene.key, request_of(lab))
    for name in who:
        blob = signature(name, pending.to_sign, flags=flags).signature
        records.add_signature(lab.repository, pending, armoured(blob))
    return pending


@pytest.fixture(scope="module")
def alone(scene: Scene) -> list[tuple[str, str, str]]:
    """What one person can do: with the token of each identity, with one share of Vault, with one signature.

    :returns: each identity and way that was not refused, and what came of it.
    """
    lab = scene.by("none")
    pending = signed(scene, "alice")
    with pytest.raises(SignatureError, match="was not touched"):
        signed(scene, "bob", flags=0)
    with pytest.raises(SignatureError, match="it lacks 1 more person"):
        records.complete(lab.repository, pending)
    taken = []
    for identity in IDENTITIES:
        token = scene.token(identity)
        for name, (method, path, body) in ways_to_destroy(scene.key).items():
            try:
                scene.vault.call(method, path, body, token=token)
                taken.append((identity, name, "done"))
            except VaultRefusedError as e:
                if e.status != 403:
                    taken.append((identity, name, str(e)))
    assert scene.vault.generate_root(shares=1) == ""
    # whoever has a quorum of Vault, and one signature: what people must sign is asked for all the same
    quorum = scene.vault.generate_root()
    with pytest.raises(SignatureError, match="nobody has signed"):
        scene.destroy(quorum)
    scene.vault.revoke(quorum)
    return taken


@dataclasses.dataclass(frozen=True)
class Told:
    """What the story has told: what people saw before and after, what opened, what Vault has logged."""

    before: Outlook
    opened_before: Mapping[str, bool]
    refused: Mapping[str, HoldfastError]
    done: destruction.Destruction
    after: Outlook
    opened_after: Mapping[str, bool]
    asked: list[Asked]
    quorum: str
    wrapped: tuple[str, bytes]


@pytest.fixture(scope="module")
def told(scene: Scene, alone: list[tuple[str, str, str]]) -> Told:
    """Two people sign; every identity fails; a quorum of Vault does it."""
    lab = scene.by("none")
    beside = keyring_at(scene.vault, scene.vault._root, repository=f"{NAME}-eu", mount=MOUNT, path=scene.owner / "eu")
    made = beside.create(repository=f"{NAME}-eu", classes=[TIER1], first_year=scene.year, years=1, now=lab.wall_clock())
    secret, _recipient = age.generate()
    wrapped = base.wrap(made.wrap[0], secret)
    before, opened = destruction.outlook(lab.repository, scene.key), scene.opens()
    pending = signed(scene, "alice", "bob")
    records.complete(lab.repository, pending)
    refused: dict[str, HoldfastError] = {}
    for identity in IDENTITIES:
        try:
            scene.destroy(scene.token(identity))
        except HoldfastError as e:
            refused[identity] = e
    before_calls = len(scene.vault.asked())
    quorum = scene.vault.generate_root()
    done = scene.destroy(quorum)
    asked = scene.vault.asked()[before_calls:]
    after = destruction.outlook(lab.repository, scene.key)
    assert beside.unwrap(made.wrap[0], wrapped) == secret
    return Told(before, opened, refused, done, after, scene.opens(), asked, quorum, (secret, wrapped))


def test_one_person_destroys_nothing_by_any_identity(alone: list[tuple[str, str, str]]) -> None:
    assert {(identity, way) for identity, way, _what in alone} == BY_RIGHT


def test_enough_signatures_and_no_quorum_of_the_server_destroy_nothing(told: Told) -> None:
    assert set(told.refused) == set(IDENTITIES)
    for identity, error in told.refused.items():
        assert isinstance(error, (KeyMissingError, WrongKeyError)), identity
        assert "has no right to that" in error.message, identity
    assert all(told.opened_before.values())


def test_what_is_listed_before_and_after_is_what_opens_no_more(told: Told) -> None:
    listed = {one.entry.manifest.name for one in told.before.snapshots}
    assert listed == {one.entry.manifest.name for one in told.after.snapshots}
    assert listed == {name for name, opens in told.opened_after.items() if not opens}
    assert len(listed) == 3
    # the other class of the same year opens
    assert any(told.opened_after.values())
    assert (told.before.in_use, told.before.demand.newest) == (False, 2)


def test_the_servers_log_has_the_quorums_token_made_used_once_and_revoked(scene: Scene, told: Told) -> None:
    assert told.done.given_up
    assert [one.spoken for one in told.asked[:3]] == [
        "update sys/generate-root/attempt",
        "update sys/generate-root/update",
        "update sys/generate-root/update",
    ]
    ours = [one for one in told.asked[3:] if "root" in one.policies]
    # that it begins was noted by the restorer before, whom Vault refused
    assert [one.spoken for one in ours if one.operation != "read"] == [
        f"update {MOUNT}/keys/holdfast-{NAME}--{scene.key}/config",
        f"delete {MOUNT}/keys/holdfast-{NAME}--{scene.key}",
        f"update {MOUNT}/sign/holdfast-{NAME}--record",
        "update auth/token/revoke-self",
    ]
    assert not scene.vault.refuses("GET", "auth/token/lookup-self", token=scene.vault._root)
    assert scene.vault.refuses("GET", "auth/token/lookup-self", token=told.quorum)
    with pytest.raises(KeyringError, match="expired or was revoked"):
        scene.by(told.quorum).keyring.made(repository=NAME)
        scene.by(told.quorum).keyring.signer(use="record", among=())
    assert told.quorum not in scene.vault.logs()


def test_verify_and_the_next_backup_go_on(scene: Scene, told: Told) -> None:
    restorer = scene.by(scene.token("restorer", "operator"), "restorer")
    report = restorer.verify(Level.KEYS)
    assert not problems(report)
    assert sum("which is not damaged" in finding.problem for finding in report.findings) == len(told.after.snapshots)
    operator = scene.by(scene.token("operator"), "operator")
    assert operator.run({"h": MemorySource(CHANGED)}).stored == 1
    assert restorer.contents()["/etc/app/main.conf"] == CHANGED["/etc/app/main.conf"]


def test_escrow_opens_until_its_holder_destroys_it_and_signs(scene: Scene, told: Told) -> None:
    lab = scene.by("none")
    folder = PrivateFolder(scene.owner / "escrow")
    entry = told.after.snapshots[0].entry
    sealed = objects.read(lab.store, entry.pack.name)
    text = folder.read(identities.FILE) or b""

    def opens(text: bytes) -> bool:
        with contextlib.suppress(WrongKeyError):
            return bool(age.decrypt(sealed, [one.secret for one in identities.read(text, folder)]))
        return False

    assert opens(text)
    (found,) = destruction.standings(lab.repository)
    assert found.state == destruction.PENDING
    (mine,) = [one for one in identities.read(text, folder) if one.name == scene.key]
    left = identities.without(text, mine.recipient, folder)
    assert not opens(left)
    pending, _made = destruction.ask_escrow(lab.repository, scene.key, request_of(lab))
    records.add_signature(
        lab.repository, pending, armoured(signature("dave", pending.to_sign, flags=TOUCHED).signature)
    )
    records.complete(lab.repository, pending)
    (found,) = destruction.standings(lab.repository)
    assert (found.state, found.demand.signers) == (destruction.DESTROYED, ("alice", "bob"))
    assert found.escrow[scene.key] is not None


def ways_at_a_store(bucket: str, key: str, version: str) -> Mapping[str, Callable[[t.Any], t.Any]]:
    which = {"Bucket": bucket, "Key": key, "VersionId": version}
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": soon}
    return {
        "delete": lambda s3: s3.delete_object(**which),
        "delete past the lock": lambda s3: s3.delete_object(**which, BypassGovernanceRetention=True),
        "shorten": lambda s3: s3.put_object_retention(**which, Retention=shorter, BypassGovernanceRetention=True),
        "delete the bucket": lambda s3: s3.delete_bucket(Bucket=bucket),
    }


def test_no_identity_deletes_what_is_sealed_on_any_server(s3: S3Server) -> None:
    bucket = s3.make_bucket()
    admit(s3, bucket, PREFIX)
    key = f"{PREFIX}/packs/d0090/web1/tier1/20260301T120000Z-{'0' * 64}.tar.zst.age"
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    put = s3.client("operator").put_object(
        Bucket=bucket, Key=key, Body=b"sealed", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )
    taken = []
    for identity in USERS:
        for name, way in ways_at_a_store(bucket, key, put["VersionId"]).items():
            try:
                way(s3.client(identity))
                taken.append((identity, name))
            except botocore.exceptions.ClientError:
                pass
    assert taken == []
    assert s3.client().get_object(Bucket=bucket, Key=key, VersionId=put["VersionId"])["Body"].read() == b"sealed"
    assert names.parse(key.removeprefix(f"{PREFIX}/"))
