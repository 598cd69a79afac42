# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring in AWS KMS beyond what every keyring promises: rights, roles, states of keys, turned aliases."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
import traceback
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    KeyMissingError,
    KeyringError,
    ThrottledError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import connect, sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms import AwsKmsKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms_client import ATTEMPTS
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Renewal, wrap
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.tests.lab.kms.server import REGION, Asked, Kms, RefusedError, policy
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import (
    COMPONENTS,
    FILES,
    Clock,
    Lab,
    declared,
    problems,
)

from .keyrings import kms_keyring_at

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.timezone.utc)
PAE = b"DSSEv1 payload" * 1000


class Scene:
    """A repository with one class-year, and people who have to do with it."""

    def __init__(self, kms: Kms, folder: Path) -> None:
        self.kms = kms
        self.folder = folder
        self.keys = self.of("owner", path=folder / "owner").create(
            repository="prod", classes=["d0030"], first_year=2026, years=1, now=NOW
        )

    def of(self, *parts: str, **settings: t.Any) -> AwsKmsKeyring:
        """The keyring, as who has these parts sees it; without one who may do everything."""
        who = self.kms.identity(*parts, repository="prod")
        return kms_keyring_at(self.kms, who, self.folder, repository="prod", **settings)

    def alias(self, what: str) -> str:
        (found,) = [name for name in self.kms.aliases() if name.startswith(f"alias/holdfast-prod--{what}/")]
        return found

    def wrapped(self) -> tuple[str, bytes]:
        secret, _recipient = age.generate()
        return secret, wrap(self.keys.wrap[0], secret)


@pytest.fixture
def scene(kms: Kms, tmp_path: Path) -> Scene:
    return Scene(kms, tmp_path)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """botocore waits between two calls; here it says for how long."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", _Clock(waited))
    return waited


class _Clock:
    def __init__(self, waited: list[float]) -> None:
        self.sleep = waited.append
        self.time = time.time


def texts(error: BaseException) -> str:
    """All that anybody could print of an error and of those behind it."""
    return "".join(traceback.format_exception(error)) + "".join(
        f"{each!r} {vars(each)}" for each in (error, error.__cause__, error.__context__) if each is not None
    )


def test_what_a_backup_and_a_restore_ask(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    scene.kms.asked.clear()
    sealer = scene.of("operator")
    point, record = ([key.id for key in scene.keys.sign if key.use == use] for use in ("point", "record"))
    sealer.digest_key(scene.keys.digest[0], repository="prod")
    for _time in range(2):
        sealer.sign(PAE, use="point", key_id=sealer.signer(use="point", among=point))
    assert [each.operation for each in scene.kms.asked] == ["GenerateMac", "GetPublicKey", "Sign", "Sign"]
    scene.kms.asked.clear()
    opener = scene.of("restorer")
    assert opener.unwrap(scene.keys.wrap[0], wrapped) == secret
    opener.sign(PAE, use="record", key_id=opener.signer(use="record", among=record))
    assert [each.operation for each in scene.kms.asked] == ["Decrypt", "GetPublicKey", "Sign"]
    assert scene.kms.asked[0] == Asked("AKIArestorer", "Decrypt", scene.alias("d0030-2026"))


def test_no_identity_does_anothers_work(scene: Scene) -> None:
    _secret, wrapped = scene.wrapped()
    key, digest = scene.keys.wrap[0], scene.keys.digest[0]
    record = scene.keys.sign[1].id
    for part, tries in {
        "operator": [
            lambda own: own.unwrap(key, wrapped),
            lambda own: own.sign(PAE, use="record", key_id=record),
            lambda own: own.destroy(key),
        ],
        "restorer": [
            lambda own: own.sign(PAE, use="point", key_id=scene.keys.sign[0].id),
            lambda own: own.digest_key(digest, repository="prod"),
            lambda own: own.destroy(key),
        ],
        "owner": [
            lambda own: own.unwrap(key, wrapped),
            lambda own: own.sign(PAE, use="record", key_id=record),
            lambda own: own.digest_key(digest, repository="prod"),
            lambda own: own.destroy(key),
        ],
    }.items():
        for attempt in tries:
            with pytest.raises(KeyMissingError, match="no right to that") as caught:
                attempt(scene.of(part))
            assert "guide_awskms" in (caught.value.remedy or "")
    # another algorithm than the keyring's own
    kms = scene.kms.identity("restorer", repository="prod")["aws_access_key_id"]
    scene.kms.allow(kms, json.loads(json.dumps(policy("restorer", "prod")).replace("SHA_256", "SHA_1")))
    own = kms_keyring_at(
        scene.kms,
        {"aws_access_key_id": kms, "aws_secret_access_key": "x", "region": REGION},
        scene.folder,
        repository="prod",
    )
    with pytest.raises(KeyMissingError, match="no right to that"):
        own.unwrap(key, wrapped)


def test_two_repositories_share_nothing(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    other = kms_keyring_at(
        scene.kms,
        scene.kms.identity("restorer", repository="prod-eu"),
        scene.folder,
        repository="prod-eu",
    )
    with pytest.raises(KeyMissingError, match="no such key"):
        other.unwrap(scene.keys.wrap[0], wrapped)
    # who asks for the key by its own name has no right to it
    foreign = kms_keyring_at(
        scene.kms, scene.kms.identity("restorer", repository="prod-eu"), scene.folder, repository="prod"
    )
    with pytest.raises(KeyMissingError, match="no right to that"):
        foreign.unwrap(scene.keys.wrap[0], wrapped)
    assert scene.of("restorer").unwrap(scene.keys.wrap[0], wrapped) == secret


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken"])
def test_expired_credentials_are_no_missing_right(scene: Scene, code: str) -> None:
    scene.kms.faults["Decrypt"] = [RefusedError(code)]
    with pytest.raises(KeyringError, match="have expired") as caught:
        scene.of("restorer").unwrap(scene.keys.wrap[0], scene.wrapped()[1])
    assert not isinstance(caught.value, KeyMissingError)
    scene.kms.faults["Decrypt"] = [RefusedError("UnrecognizedClientException")]
    with pytest.raises(KeyringError, match="are not accepted") as caught:
        scene.of("restorer").unwrap(scene.keys.wrap[0], scene.wrapped()[1])
    assert not isinstance(caught.value, KeyMissingError)


def test_a_call_is_made_again_and_then_not(scene: Scene, waits: list[float]) -> None:
    secret, wrapped = scene.wrapped()
    for code, status, kind in (
        ("ThrottlingException", 400, ThrottledError),
        ("KMSInternalException", 500, UnavailableError),
    ):
        scene.kms.faults["Decrypt"] = [RefusedError(code, status)] * (ATTEMPTS - 1)
        assert scene.of("restorer").unwrap(scene.keys.wrap[0], wrapped) == secret
        scene.kms.faults["Decrypt"] = [RefusedError(code, status)] * ATTEMPTS
        with pytest.raises(kind):
            scene.of("restorer").unwrap(scene.keys.wrap[0], wrapped)
        assert scene.kms.faults["Decrypt"] == []
    assert len(waits) == 4 * (ATTEMPTS - 1)


def test_what_was_wrapped_is_in_no_error(scene: Scene) -> None:
    secret = age.generate()[0] + "NOT-AN-IDENTITY"
    opener = scene.of("restorer")
    for wrapped in (wrap(scene.keys.wrap[0], secret), wrap(scene.keys.wrap[0], secret)[:-1], b"", bytes(7000)):
        with pytest.raises(HoldfastError) as caught:
            opener.unwrap(scene.keys.wrap[0], wrapped)
        assert secret[16:40] not in texts(caught.value)


def test_a_disabled_key_is_missing_and_comes_back(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    key = scene.kms.key(scene.alias("d0030-2026"))
    scene.kms.backend.disable_key(key.id)
    opener = scene.of("restorer")
    with pytest.raises(KeyMissingError, match="has disabled the key") as caught:
        opener.unwrap(scene.keys.wrap[0], wrapped)
    assert "EnableKey" in (caught.value.remedy or "")
    assert opener.holds(scene.keys.wrap[0])
    scene.kms.backend.enable_key(key.id)
    assert opener.unwrap(scene.keys.wrap[0], wrapped) == secret


def test_a_key_is_destroyed_when_its_days_have_passed(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    key = scene.keys.wrap[0]
    custodian, opener = scene.of(), scene.of("restorer")
    with pytest.raises(KeyringError, match="deletes it for ever at 20") as caught:
        custodian.destroy(key)
    assert "CancelKeyDeletion" in (caught.value.remedy or "")
    # nothing opens it, and it can be taken back: it is not said to be gone
    with pytest.raises(KeyMissingError, match="its deletion is scheduled"):
        opener.unwrap(key, wrapped)
    assert opener.holds(key)
    with pytest.raises(KeyringError) as again:
        custodian.destroy(key)
    assert again.value.message == caught.value.message
    assert [each.operation for each in scene.kms.asked].count("ScheduleKeyDeletion") == 1
    of_kms = scene.kms.key(scene.alias("d0030-2026"))
    scene.kms.backend.cancel_key_deletion(of_kms.id)
    scene.kms.backend.enable_key(of_kms.id)
    assert opener.unwrap(key, wrapped) == secret
    with pytest.raises(KeyringError):
        custodian.destroy(key)
    scene.kms.days_pass()
    assert not custodian.destroy(key)
    assert not custodian.holds(key)
    with pytest.raises(KeyMissingError, match="no such key"):
        opener.unwrap(key, wrapped)


def test_another_key_of_that_name_is_left_alone(scene: Scene) -> None:
    other = dataclasses.replace(scene.keys.wrap[0], public="AAAA")
    custodian = scene.of()
    assert not custodian.destroy(other)
    assert not custodian.holds(other)
    assert custodian.holds(scene.keys.wrap[0])


def test_an_alias_that_was_turned_destroys_nothing(scene: Scene) -> None:
    other = kms_keyring_at(
        scene.kms,
        scene.kms.identity("owner", repository="prod-eu"),
        scene.folder,
        repository="prod-eu",
        path=scene.folder / "other",
    ).create(repository="prod-eu", classes=["d0030"], first_year=2026, years=1, now=NOW)
    alias = scene.alias("d0030-2026")
    (victim,) = [scene.kms.key(name) for name in scene.kms.aliases() if "prod-eu--d0030-2026" in name]
    scene.kms.backend.delete_alias(alias)
    scene.kms.backend.create_alias(victim.id, alias)
    for call in (scene.of().destroy, scene.of().holds):
        with pytest.raises(WrongKeyError, match="turned to another key"):
            call(scene.keys.wrap[0])
    assert victim.key_state == "Enabled"
    # a key of which KMS shows no public half is not taken for it either
    scene.kms.backend.disable_key(victim.id)
    with pytest.raises(KeyringError, match="not enabled") as caught:
        scene.of().destroy(scene.keys.wrap[0])
    assert "EnableKey" in (caught.value.remedy or "")
    assert "ScheduleKeyDeletion" not in [each.operation for each in scene.kms.asked]
    assert other.wrap[0].public != scene.keys.wrap[0].public


def test_a_deleted_alias_is_no_key_that_is_gone(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    alias, key = scene.alias("d0030-2026"), scene.keys.wrap[0]
    of_kms = scene.kms.key(alias)
    scene.kms.backend.delete_alias(alias)
    for state in ("enable_key", "disable_key"):
        getattr(scene.kms.backend, state)(of_kms.id)
        for call in (scene.of().destroy, scene.of().holds):
            with pytest.raises(KeyringError, match="alias is missing") as caught:
                call(key)
            assert of_kms.id in str(caught.value.item)
    # who may not look at every key cannot tell
    with pytest.raises(KeyMissingError, match="no right to that"):
        scene.of("restorer").holds(key)
    scene.kms.backend.enable_key(of_kms.id)
    scene.kms.backend.create_alias(of_kms.id, alias)
    assert scene.of("restorer").unwrap(key, wrapped) == secret
    assert scene.of().holds(key)


def test_an_owner_reaches_no_key_of_another_repository(scene: Scene) -> None:
    """He makes aliases that he may make, for keys that are not his, and tags them."""
    other = kms_keyring_at(
        scene.kms,
        scene.kms.identity("owner", repository="prod-eu"),
        scene.folder,
        repository="prod-eu",
        path=scene.folder / "other",
    )
    client = other._client()
    record = scene.keys.sign[1].id
    for what in ("point", "record", "digest", "d0030-2026"):
        alias = scene.alias(what)
        taken, target = alias.replace("prod--", "prod-eu--"), scene.kms.key(alias).arn
        tags = [{"TagKey": "holdfast-repository", "TagValue": "prod-eu"}]
        for operation, told in (
            ("create_alias", {"AliasName": taken, "TargetKeyId": target}),
            ("tag_resource", {"KeyId": target, "Tags": tags}),
        ):
            with pytest.raises(KeyMissingError, match="no right to that"):
                client.ask(operation, "take it", alias, **told)
        # without an alias for a while it stays its own repository's
        scene.kms.backend.delete_alias(alias)
        with pytest.raises(KeyMissingError, match="no right to that"):
            client.ask("tag_resource", "take it", alias, KeyId=target, Tags=tags)
        scene.kms.backend.create_alias(scene.kms.key(target).id, alias)
        # as though somebody had made that alias: it gives no right
        scene.kms.backend.create_alias(scene.kms.key(target).id, taken)
    for told in ({}, {"Tags": [{"TagKey": "holdfast-repository", "TagValue": "prod"}]}):
        with pytest.raises(KeyMissingError, match="no right to that"):
            client.ask("create_key", "make a key", "prod-eu", **told)
    opener = kms_keyring_at(
        scene.kms, scene.kms.identity("restorer", repository="prod-eu"), scene.folder, repository="prod-eu"
    )
    with pytest.raises(KeyMissingError, match="no right to that"):
        opener.unwrap(scene.keys.wrap[0], scene.wrapped()[1])
    with pytest.raises(KeyMissingError, match="no right to that"):
        opener.sign(PAE, use="record", key_id=record)
    # nor does an owner sign records, by an alias of his own repository
    own = scene.of("owner")
    own._client().ask(
        "create_alias",
        "name it",
        "point",
        AliasName=f"alias/holdfast-prod--point/{record}",
        TargetKeyId=scene.kms.key(scene.alias("record")).arn,
    )
    with pytest.raises(KeyMissingError, match="no right to that"):
        own.sign(PAE, use="point", key_id=record)


def test_another_region_and_another_account_have_no_such_key(scene: Scene) -> None:
    _secret, wrapped = scene.wrapped()
    role = "arn:aws:iam::999999999999:role/restorer"
    for settings in ({"region": "eu-north-1"}, {"assume_role_arn": role}):
        with pytest.raises(KeyMissingError, match="no such key") as caught:
            scene.of(**settings).unwrap(scene.keys.wrap[0], wrapped)
        assert "account and region" in (caught.value.remedy or "")
    # the owner's folder says what was made
    with pytest.raises(KeyringError, match="has not in this region"):
        scene.of(region="eu-north-1", path=scene.folder / "owner").create(
            repository="prod", classes=["d0030"], first_year=2026, years=1, now=NOW
        )


def test_an_alias_that_was_turned_is_found_out(scene: Scene) -> None:
    admin = scene.of(path=scene.folder / "owner")
    more = admin.renew(
        scene.keys, Renewal(uses=["point", "digest"], spent=_ids(scene.keys)), repository="prod", now=NOW
    )
    for what, ids in (
        ("point", [key.id for key in more.sign if key.use == "point"]),
        ("digest", [key.id for key in more.digest]),
    ):
        one, two = (f"alias/holdfast-prod--{what}/{each}" for each in ids)
        scene.kms.backend.update_alias(scene.kms.key(two).id, one)
    with pytest.raises(WrongKeyError, match="turned to another key"):
        scene.of("operator").signer(use="point", among=[scene.keys.sign[0].id])
    with pytest.raises(WrongKeyError, match="turned to another key"):
        scene.of("operator").digest_key(scene.keys.digest[0], repository="prod")


def test_a_killed_create_is_completed(scene: Scene) -> None:
    """What keyring.json does not name yet is found by its alias, and taken."""
    (scene.folder / "owner" / "keyring.json").unlink()
    again = scene.of("owner", path=scene.folder / "owner").create(
        repository="prod", classes=["d0030"], first_year=2026, years=1, now=NOW
    )
    assert again == scene.keys
    assert len(scene.kms.backend.keys) == 4


@pytest.mark.parametrize("trait", [{"origin": "EXTERNAL"}, {"multi_region": True}, {"key_spec": "RSA_2048"}])
def test_a_key_that_can_be_copied_is_not_taken(scene: Scene, trait: dict[str, t.Any]) -> None:
    key = scene.kms.key(scene.alias("d0030-2026"))
    for name, value in trait.items():
        setattr(key, name, value)
    if "multi_region" in trait:
        key.multi_region_configuration = {"PrimaryKey": {"Arn": key.arn}}
    (scene.folder / "owner" / "keyring.json").unlink()
    with pytest.raises(KeyringError, match="was not made here"):
        scene.of("owner", path=scene.folder / "owner").create(
            repository="prod", classes=["d0030"], first_year=2026, years=1, now=NOW
        )


def test_a_root_that_is_long_is_signed(scene: Scene) -> None:
    long = bytes(1 << 20)
    signature = scene.of("operator").sign(long, use="point", key_id=scene.keys.sign[0].id)
    sign.verify(scene.keys.sign[0].public, long, signature.signature, algorithm=sign.ECDSA_P256)


def test_a_repository_from_its_first_root_to_a_restore(scene: Scene, tmp_path: Path) -> None:
    """By use case: signatures of ECDSA in the root, points and records, and what workers wrap offline."""
    clock = Clock(NOW + dt.timedelta(days=1))
    with clock.ruling():
        owner = scene.of("owner", path=scene.folder / "owner")
        store = MemoryStore(now=clock)
        root, _made = repositories.create(store, owner, name="prod", classes=declared().classes)
        assert root is not None
        assert {key.algorithm for key in root.keys.sign} == {"ecdsa-p256-sha256"}
        lab = Lab(tmp_path, repositories.open_repository(store, pin=root.id), scene.of("operator"), clock)
        sealed = [lab.run(), lab.run()]
        assert [each.unchanged for each in sealed] == [0, len(COMPONENTS)]
        with pytest.raises(KeyMissingError, match="no right to that"):
            lab.contents()
        opener = dataclasses.replace(lab, keyring=scene.of("restorer"))
        assert opener.contents() == dict(FILES)
        assert not problems(opener.verify())


def test_connect_takes_settings(scene: Scene) -> None:
    secret, wrapped = scene.wrapped()
    scene.of("restorer")
    told = {"endpoint_url": scene.kms.url, "profile": "AKIArestorer"}
    ring = connect("awskms", path=None, repository="prod", awskms=told)
    assert ring.unwrap(scene.keys.wrap[0], wrapped) == secret


def test_without_a_server_or_credentials(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match="cannot open what was wrapped under d0030-2026"):
        scene.of("restorer", endpoint_url="http://127.0.0.1:1").unwrap(scene.keys.wrap[0], b"x")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(KeyringError, match="no profile of this name") as caught:
        connect(
            "awskms", path=None, repository="prod", awskms={"endpoint_url": scene.kms.url, "profile": "nobody"}
        ).unwrap(scene.keys.wrap[0], b"x")
    assert caught.value.item == "nobody"
    assert "holdfast_repository.keyring.profile" in (caught.value.remedy or "")
    with pytest.raises(KeyringError, match="no credentials were found"):
        connect("awskms", path=None, repository="prod", awskms={"endpoint_url": scene.kms.url}).unwrap(
            scene.keys.wrap[0], b"x"
        )


def _ids(keys: PublicKeys) -> set[str]:
    return {key.id for key in (*keys.sign, *keys.digest)}
