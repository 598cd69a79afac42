# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keyring in Vault beyond what every keyring promises: logins, tokens that end, and what a real server answers."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import traceback
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    KeyMissingError,
    KeyringError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import vault as of_vault
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import ClassYear, Renewal, wrap
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault import MOST_SIGNED, VaultKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.tests.lab.s3.authority import Authority
from ansible_collections.holdfast.config.tests.lab.vault.server import PARTS, Vault
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .keyrings import client_at, keyring_at

REPOSITORY = "of.tests"
NOW = dt.datetime(2026, 11, 26, tzinfo=dt.timezone.utc)
PAE = b"DSSEv1 payload"
SELF = "auth/token/lookup-self"


class Made(t.NamedTuple):
    """A keyring that was made: two class-years, a day's work for the owner."""

    keys: PublicKeys
    path: Path


@pytest.fixture(scope="module")
def made(_vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> Made:
    path = tmp_path_factory.mktemp("owner") / "keys"
    _vault.write_policies(REPOSITORY)
    token = _vault.token(*(f"{REPOSITORY}-{part}" for part in PARTS))
    owner = keyring_at(_vault, token, repository=REPOSITORY, path=path)
    return Made(owner.create(repository=REPOSITORY, classes=["d0030"], first_year=2026, years=2, now=NOW), path)


@pytest.fixture(autouse=True)
def _policies(vault: Vault) -> None:
    """Those for the mount ``transit``, where a test before has written others."""
    vault.write_policies(REPOSITORY)


def of(vault: Vault, *parts: str, **settings: t.Any) -> VaultKeyring:
    """The keyring, as who has these parts sees it."""
    token = vault.token(*(f"{REPOSITORY}-{part}" for part in parts))
    return keyring_at(vault, token, repository=REPOSITORY, **settings)


def texts(error: BaseException) -> str:
    """All that anybody could print of an error and of those behind it."""
    found = traceback.format_exception(error)
    seen: BaseException | None = error
    while seen is not None:
        found += [repr(seen), str(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "".join(found)


# logins


def test_logins_that_are_tried(vault: Vault, made: Made, tmp_path: Path) -> None:
    """Each method lets the operator in, with the secret from the environment or a file."""
    policies = [f"{REPOSITORY}-operator"]
    role = vault.approle("tried", *policies)
    secret = tmp_path / "secret-id"
    secret.touch(0o600)
    secret.write_text(f"{role.secret_id}\n")
    for mount, method in (("userpass", "userpass"), ("kubernetes", "jwt"), ("certificates", "cert")):
        vault.call("POST", f"sys/auth/{mount}", {"type": method})
    vault.call("POST", "auth/userpass/users/job", {"password": "correct horse", "token_policies": policies})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    vault.call("POST", "auth/kubernetes/config", {"jwt_validation_pubkeys": [public.decode()]})
    bound = {"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "token_policies": policies}
    vault.call("POST", "auth/kubernetes/role/backup", bound)
    token = tmp_path / "jwt"
    token.write_text(jwt(key, aud="vault", sub="job"))
    certificate, private = vault.authority.issue("job.example.com", client=True)
    vault.call(
        "POST",
        "auth/certificates/certs/backup",
        {"certificate": vault.ca_path.read_text(), "allowed_common_names": "job.*", "token_policies": policies},
    )
    by: list[tuple[dict[str, t.Any], dict[str, str]]] = [
        ({"auth_method": "approle", "role_id": role.role_id}, {"HASHI_VAULT_SECRET_ID": role.secret_id}),
        ({"auth_method": "approle", "role_id": role.role_id, "secret_id_file": str(secret)}, {}),
        ({"auth_method": "userpass", "username": "job"}, {"ANSIBLE_HASHI_VAULT_PASSWORD": "correct horse"}),
        ({"auth_method": "jwt", "mount_point": "kubernetes", "role_id": "backup", "jwt_file": str(token)}, {}),
        (
            {
                "auth_method": "cert",
                "mount_point": "certificates",
                "cert_auth_public_key": str(certificate),
                "cert_auth_private_key": str(private),
            },
            {},
        ),
    ]
    for settings, environ in by:
        client = client_at(vault, environ, **settings)
        keyring = VaultKeyring(lambda client=client: client, repository=REPOSITORY, mount="transit")
        signature = sign_with_newest(keyring, PAE, use="point")
        sign.verify(made.keys.sign[0].public, PAE, signature.signature)


def jwt(key: rsa.RSAPrivateKey, **claims: str) -> str:
    """A JWT of these claims (RFC 7519), signed by RS256."""
    now = int(dt.datetime.now(dt.timezone.utc).timestamp())
    parts = [{"alg": "RS256", "typ": "JWT"}, {**claims, "iat": now, "exp": now + 600}]
    text = ".".join(_url64(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_url64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_secret_id_that_was_used_up_is_told_so(vault: Vault, made: Made) -> None:
    role = vault.approle("once", f"{REPOSITORY}-operator", secret_id_num_uses=1)
    settings = {"auth_method": "approle", "role_id": role.role_id}
    environ = {"HASHI_VAULT_SECRET_ID": role.secret_id}
    assert client_at(vault, environ, **settings).ask("get", SELF, doing="look").ok
    with pytest.raises(KeyringError, match="does not let in this identity by auth method approle") as caught:
        client_at(vault, environ, **settings).ask("get", SELF, doing="look")
    assert "by use" in (caught.value.remedy or "")
    assert role.secret_id not in texts(caught.value)


@pytest.mark.parametrize("mount", ["nowhere", "approle/deeper"])
def test_an_auth_method_that_is_not_there(vault: Vault, mount: str) -> None:
    client = client_at(vault, {"HASHI_VAULT_SECRET_ID": "x"}, auth_method="approle", role_id="x", mount_point=mount)
    with pytest.raises(KeyringError) as caught:
        client.ask("get", SELF, doing="look")
    assert "mount_point" in (caught.value.remedy or "")


# tokens that end


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_long_run_renews_its_token_and_logs_in_again_at_its_end(vault: Vault, made: Made) -> None:
    role = vault.approle("long", f"{REPOSITORY}-operator", token_ttl="600s", token_max_ttl="630s")
    clock = Clock()
    client = client_at(
        vault,
        {"HASHI_VAULT_SECRET_ID": role.secret_id},
        monotonic=clock,
        auth_method="approle",
        role_id=role.role_id,
    )
    asked: list[str] = []
    with vault.watched() as calls:
        for clock.now in (0, 399, 401, 402):
            assert client.ask("get", SELF, doing="look").ok
    asked = [one.path for one in calls]
    assert asked == ["auth/approle/login", SELF, SELF, "auth/token/renew-self", SELF, SELF]


def test_a_login_whose_token_was_revoked_is_made_again(vault: Vault, made: Made) -> None:
    role = vault.approle("again", f"{REPOSITORY}-operator")
    client = client_at(vault, {"HASHI_VAULT_SECRET_ID": role.secret_id}, auth_method="approle", role_id=role.role_id)
    found = client.ask("get", SELF, doing="look").data["id"]
    vault.revoke(found)
    assert client.ask("get", SELF, doing="look").data["id"] != found


def test_a_token_that_was_given_is_renewed_after_a_minute(vault: Vault) -> None:
    clock = Clock()
    client = client_at(vault, {"VAULT_TOKEN": vault.token("default", ttl="300s")}, monotonic=clock)
    with vault.watched() as calls:
        for clock.now in (0, 61, 62, 262):
            client.ask("get", SELF, doing="look")
    renewed = "auth/token/renew-self"
    assert [one.path for one in calls] == [SELF, renewed, SELF, SELF, renewed, SELF]


def test_a_token_that_cannot_be_renewed_is_used_as_it_is(vault: Vault) -> None:
    clock = Clock()
    client = client_at(vault, {"VAULT_TOKEN": vault.token("default", ttl="300s", renewable=False)}, monotonic=clock)
    for clock.now in (0, 61, 1000):
        assert client.ask("get", SELF, doing="look").ok


def test_a_token_that_has_ended_is_told_from_a_right_that_is_missing(vault: Vault, made: Made) -> None:
    token = vault.token(f"{REPOSITORY}-operator")
    keyring = keyring_at(vault, token, repository=REPOSITORY)
    with pytest.raises(KeyMissingError, match="has no right") as caught:
        keyring.signer(use="record", among=())
    assert "guide_vault" in (caught.value.remedy or "")
    vault.revoke(token)
    for use in ("point", "record"):
        with pytest.raises(KeyringError, match="has expired or was revoked") as ended:
            keyring_at(vault, token, repository=REPOSITORY).signer(use=use, among=())
        assert not isinstance(ended.value, KeyMissingError)
        assert token not in texts(ended.value)
    # without the policy default it may not look itself up
    bare = vault.token(f"{REPOSITORY}-operator", no_default_policy=True)
    with pytest.raises(KeyMissingError, match="or its token has ended"):
        keyring_at(vault, bare, repository=REPOSITORY).signer(use="record", among=())


def test_a_token_of_another_server_or_of_no_form(vault: Vault) -> None:
    for token in ("hvs.CAESINotOurs", "x"):
        with pytest.raises(KeyringError, match="never one of this server") as caught:
            keyring_at(vault, token, repository=REPOSITORY).signer(use="point", among=())
        assert caught.value.remedy


# what is not there


def test_a_mount_that_is_not_there(vault: Vault, made: Made) -> None:
    keyring = of(vault, "operator", mount="nowhere")
    for call in (
        lambda: keyring.signer(use="point", among=()),
        lambda: keyring.digest_key(made.keys.digest[0], repository=REPOSITORY),
    ):
        # who has no right there is not told whether it is there
        with pytest.raises(KeyMissingError) as caught:
            call()
        assert "nowhere (engine_mount_point)" in (caught.value.remedy or "")
    root = keyring_at(vault, vault.token("root"), repository=REPOSITORY, mount="nowhere")
    for call in (
        lambda: root.signer(use="point", among=()),
        lambda: root.digest_key(made.keys.digest[0], repository=REPOSITORY),
        lambda: root.unwrap(made.keys.wrap[0], b"x"),
    ):
        with pytest.raises(KeyringError, match="no Transit engine is mounted at nowhere"):
            call()


def test_a_key_that_is_not_there(vault: Vault, made: Made) -> None:
    vault.write_policies("other")
    token = vault.token("other-operator", "other-restorer")
    other = keyring_at(vault, token, repository="other")
    with pytest.raises(KeyMissingError, match="Vault has no such key"):
        other.signer(use="point", among=())
    with pytest.raises(KeyMissingError, match="Vault has no such key"):
        other.digest_key(made.keys.digest[0], repository="other")
    with pytest.raises(KeyMissingError, match="Vault has no such key"):
        other.unwrap(made.keys.wrap[0], b"x")
    # nothing was made by asking
    with pytest.raises(KeyMissingError):
        other.signer(use="point", among=())


def test_a_version_of_a_digest_key_that_is_not_there(vault: Vault, made: Made) -> None:
    for name in (f"{77:016x}", f"{2**31:016x}", "f" * 16):
        with pytest.raises(KeyMissingError):
            of(vault, "operator").digest_key(dataclasses.replace(made.keys.digest[0], id=name), repository=REPOSITORY)


def test_a_digest_key_is_asked_for_once(vault: Vault, made: Made) -> None:
    """Whoever verifies asks for each host, and the restorer is refused."""
    (key,) = made.keys.digest
    operator, restorer = of(vault, "operator"), of(vault, "restorer")
    with vault.watched() as asked:
        assert len({operator.digest_key(key, repository=REPOSITORY) for _time in range(3)}) == 1
        for _time in range(3):
            with pytest.raises(KeyMissingError, match="refuses to key digests"):
                restorer.digest_key(key, repository=REPOSITORY)
    assert [one.path.split("/")[1] for one in asked] == ["hmac", "hmac", "token"]


def test_versions_that_were_retired(vault: Vault, tmp_path: Path) -> None:
    vault.mount("retired")
    vault.write_policies(REPOSITORY, "retired")
    token = vault.token(*(f"{REPOSITORY}-{part}" for part in PARTS))

    def keyring() -> VaultKeyring:
        return keyring_at(vault, token, repository=REPOSITORY, mount="retired", path=tmp_path / "owner")

    keys = keyring().create(repository=REPOSITORY, classes=["d0030"], first_year=2026, years=1, now=NOW)
    wrapped = wrap(keys.wrap[0], age.generate()[0])
    before = keyring()
    assert before.unwrap(keys.wrap[0], wrapped)
    for name in (keys.wrap[0].id, "digest", "point"):
        at = f"retired/keys/holdfast-{REPOSITORY}--{name}"
        vault.call("POST", f"{at}/rotate", {})
        vault.call("POST", f"{at}/config", {"min_decryption_version": 2, "min_encryption_version": 2})
    with pytest.raises(WrongKeyError, match="retired"):
        keyring().unwrap(keys.wrap[0], wrapped)
    # who has looked it up before is told by the call itself
    with pytest.raises(KeyMissingError, match="retired"):
        before.unwrap(keys.wrap[0], wrapped)
    with pytest.raises(KeyMissingError, match="retired"):
        keyring().digest_key(keys.digest[0], repository=REPOSITORY)
    with pytest.raises(WrongKeyError, match="no point key"):
        keyring().signer(use="point", among=[keys.sign[0].id])


def test_another_vault_behind_the_owners_folder_is_found(vault: Vault, made: Made) -> None:
    vault.mount("anew")
    vault.write_policies(REPOSITORY, "anew")
    token = vault.token(*(f"{REPOSITORY}-{part}" for part in PARTS))
    owner = keyring_at(vault, token, repository=REPOSITORY, mount="anew", path=made.path)
    with pytest.raises(KeyringError):
        owner.create(repository=REPOSITORY, classes=["d0030"], first_year=2026, years=2, now=NOW)


def test_a_digest_key_of_a_vault_that_was_made_anew_has_no_id_that_was_used(vault: Vault, tmp_path: Path) -> None:
    vault.mount("second")
    vault.write_policies(REPOSITORY, "second")
    token = vault.token(*(f"{REPOSITORY}-{part}" for part in PARTS))
    owner = keyring_at(vault, token, repository=REPOSITORY, mount="second", path=tmp_path)
    spent = {f"{number:016x}" for number in (1, 2, 3)}
    keys = owner.renew(
        PublicKeys((), (), (), ()), Renewal(uses=["digest"], spent=spent), repository=REPOSITORY, now=NOW
    )
    assert keys.digest[-1].id not in spent
    assert len(owner.digest_key(keys.digest[-1], repository=REPOSITORY)) == 32


@pytest.mark.parametrize(
    "asked", [{"type": "aes256-gcm96"}, {"type": "rsa-3072", "exportable": True}, {"type": "rsa-2048"}]
)
def test_a_key_that_somebody_else_has_made_is_not_taken(
    vault: Vault, made: Made, tmp_path: Path, asked: dict[str, t.Any]
) -> None:
    year = 2030 + len(str(asked))
    vault.call("POST", f"transit/keys/holdfast-{REPOSITORY}--d0030-{year}", asked)
    wanted: list[ClassYear] = [("d0030", year, "")]
    owner = of(vault, *PARTS, path=tmp_path)
    with pytest.raises(KeyringError, match="was not made here"):
        owner.renew(made.keys, Renewal(wrap=wanted), repository=REPOSITORY, now=NOW)


# what is wrapped, signed, batched


def test_a_batch_that_fails_in_part_gives_what_did_not(vault: Vault, made: Made) -> None:
    one, two = made.keys.wrap
    secrets = [age.generate()[0] for _number in range(3)]
    wrapped = [
        wrap(one, secrets[0]),
        wrap(two, secrets[1]),
        b"damaged",
        b"",
        wrap(one, "poison"),
        wrap(one, secrets[2]),
    ]
    found = of(vault, "restorer").unwrap_all(one, wrapped)
    assert (found[0], found[5]) == (secrets[0], secrets[2])
    kinds = [type(each).__name__ for each in found[1:5]]
    assert kinds == ["WrongKeyError", "WrongKeyError", "WrongKeyError", "FormatError"]
    for each in found[1:5]:
        assert isinstance(each, HoldfastError)
        assert not [secret for secret in secrets if secret[16:] in texts(each)]
        assert "poison" not in texts(each)


def test_a_batch_that_fails_whole_is_no_failure_of_the_server(vault: Vault, made: Made) -> None:
    """Vault answers it with 500."""
    with vault.watched() as asked:
        for each in of(vault, "restorer").unwrap_all(made.keys.wrap[0], [bytes(384), b"x"]):
            assert isinstance(each, WrongKeyError)
    assert [one.path.split("/")[1] for one in asked] == ["keys", "decrypt"]


def test_more_items_take_more_calls(vault: Vault, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    key = made.keys.wrap[0]
    secrets = [age.generate()[0] for _number in range(5)]
    monkeypatch.setattr(of_vault, "MOST_ITEMS", 2)
    with vault.watched() as asked:
        assert of(vault, "restorer").unwrap_all(key, [wrap(key, secret) for secret in secrets]) == secrets
    assert [one.path.split("/")[1] for one in asked] == ["keys", "decrypt", "decrypt", "decrypt"]
    assert of(vault, "restorer").unwrap_all(key, []) == []


def test_as_many_items_as_go_with_a_call_are_taken_by_the_server(vault: Vault, made: Made) -> None:
    key = made.keys.wrap[0]
    secret = age.generate()[0]
    with vault.watched() as asked:
        assert of(vault, "restorer").unwrap_all(key, [wrap(key, secret)] * 300) == [secret] * 300
    assert [one.path.split("/")[1] for one in asked] == ["keys", "decrypt", "decrypt"]


def test_the_largest_that_is_signed(vault: Vault, made: Made) -> None:
    operator = of(vault, "operator")
    (key, _record) = made.keys.sign
    pae = b"x" * MOST_SIGNED
    sign.verify(key.public, pae, operator.sign(pae, use="point", key_id=key.id).signature)
    with pytest.raises(KeyringError, match="signs no more than"):
        operator.sign(pae + b"x", use="point", key_id=key.id)


def test_a_key_that_is_made_beside_removed_ones_is_another_version(vault: Vault, made: Made, tmp_path: Path) -> None:
    wanted: list[ClassYear] = [("d0030", 2040, "b")]
    owner = of(vault, *PARTS, path=tmp_path)
    spent = {key.id for key in (*made.keys.sign, *made.keys.digest)}
    asked: dict[str, t.Any] = {"uses": ["digest", "point"], "wrap": wanted, "spent": spent}
    one = owner.renew(made.keys, Renewal(**asked), repository=REPOSITORY, now=NOW)
    two = owner.renew(made.keys, Renewal(**asked, removed=["0" * 16]), repository=REPOSITORY, now=NOW)
    assert one.wrap[-1].id == two.wrap[-1].id
    assert not {one.wrap[-1].public, one.sign[-1].id, one.digest[-1].id} & {
        two.wrap[-1].public,
        two.sign[-1].id,
        two.digest[-1].id,
    }
    restorer = of(vault, "restorer")
    for key in (one.wrap[-1], two.wrap[-1]):
        secret = age.generate()[0]
        assert restorer.unwrap(key, wrap(key, secret)) == secret
    with pytest.raises(WrongKeyError):
        restorer.unwrap(one.wrap[-1], wrap(two.wrap[-1], age.generate()[0]))


def test_two_repositories_on_one_mount_share_nothing(vault: Vault, made: Made, tmp_path: Path) -> None:
    """Also where the name of one begins as the other's."""
    longer = f"{REPOSITORY}-eu"
    vault.write_policies(longer)
    token = vault.token(*(f"{longer}-{part}" for part in PARTS))
    other = keyring_at(vault, token, repository=longer, path=tmp_path)
    keys = other.create(repository=longer, classes=["d0030"], first_year=2026, years=1, now=NOW)
    secret = age.generate()[0]
    assert other.unwrap(keys.wrap[0], wrap(keys.wrap[0], secret)) == secret
    ours = vault.token(*(f"{REPOSITORY}-{part}" for part in PARTS))
    theirs = f"holdfast-{longer}--"
    for path, body in (
        (f"transit/decrypt/{theirs}d0030-2026", {"ciphertext": "vault:v1:eA=="}),
        (f"transit/sign/{theirs}point", {"input": ""}),
        (f"transit/sign/{theirs}record", {"input": ""}),
        (f"transit/hmac/{theirs}digest/sha2-256", {"input": ""}),
        (f"transit/keys/{theirs}point/rotate", {}),
    ):
        assert vault.refuses("POST", path, body, token=ours)


# a server that does not answer


def test_a_server_that_is_sealed_killed_or_paused(vault: Vault, made: Made) -> None:
    operator = of(vault, "operator", timeout=0.5, retries=1)
    key_id = made.keys.sign[0].id
    for fault, says in (("seal", "it is sealed"), ("pause", "no answer in time"), ("kill", "it is not reached")):
        getattr(vault, fault)()
        with pytest.raises(UnavailableError, match=says) as caught:
            operator.sign(PAE, use="point", key_id=key_id)
        assert caught.value.remedy
        vault.revive()
        assert operator.sign(PAE, use="point", key_id=key_id).key_id == key_id


def test_a_certificate_that_is_not_trusted(vault: Vault, made: Made, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").ca_path
    for settings in ({"ca_cert": str(other)}, {"ca_cert": None}):
        with pytest.raises(UnavailableError, match="certificate is not trusted") as caught:
            of(vault, "operator", **settings).signer(use="point", among=())
        assert "ca_cert" in (caught.value.remedy or "")
    unseen = of(vault, "operator", ca_cert=None, validate_certs=False)
    assert unseen.signer(use="point", among=[made.keys.sign[0].id]) == made.keys.sign[0].id
    with pytest.raises(KeyringError):
        of(vault, "operator", ca_cert=str(tmp_path / "none")).signer(use="point", among=())
