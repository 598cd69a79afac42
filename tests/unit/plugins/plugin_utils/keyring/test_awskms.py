# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the keyring in AWS KMS makes of odd answers; tests/integration has what it does with a server."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import subprocess
import sys
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.aws import session
from ansible_collections.holdfast.config.plugins.plugin_utils.aws.session import Fault, NoAnswerError, Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    PolicyError,
    ThrottledError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import connect, key_sets
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms import AwsKmsKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms_client import KmsClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms_settings import KmsSettings
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Renewal
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, DigestKey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PACKAGE = "ansible_collections.holdfast.config.plugins.plugin_utils"
SECRET = "AGE-SECRET-KEY-PA55WORD"
WRAP = ClassYearKey("d0030", 2026, "rsa-oaep-sha256", base64.b64encode(b"public").decode())
DIGEST = DigestKey("0123456789abcdef", "hmac-sha256")


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """What botocore parses of the answer to each operation, or what makes it; an exception is raised."""
    answers: dict[str, t.Any] = {}

    def ask(_self: Session, operation: str, parameters: Mapping[str, t.Any], **_more: t.Any) -> t.Any:
        found = answers[operation]
        if callable(found):
            return found(parameters)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(Session, "ask", ask)
    return answers


def ring(path: Path | None = None) -> AwsKmsKeyring:
    return AwsKmsKeyring(lambda: KmsClient(KmsSettings(region="eu-central-1")), repository="prod", path=path)


def refusal(code: str, status: int = 400) -> dict[str, t.Any]:
    return {"Error": {"Code": code, "Message": SECRET}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        (refusal("AccessDeniedException"), KeyMissingError, "no right to that"),
        (refusal("ExpiredTokenException"), KeyringError, "have expired"),
        (refusal("InvalidSignatureException"), KeyringError, "are not accepted"),
        (refusal("NotFoundException"), KeyMissingError, "no such key"),
        (refusal("DisabledException"), KeyMissingError, "disabled the key"),
        (refusal("KMSInvalidStateException"), KeyMissingError, "its deletion is scheduled"),
        (refusal("InvalidCiphertextException"), WrongKeyError, "another key, or is damaged"),
        (refusal("IncorrectKeyException"), WrongKeyError, "another key, or is damaged"),
        (refusal("ThrottlingException"), ThrottledError, "fewer requests"),
        (refusal("KeyUnavailableException", 500), UnavailableError, "KMS failed"),
        (refusal("OfTomorrow", 503), UnavailableError, "KMS failed"),
        (refusal("InvalidKeyUsageException"), KeyringError, "does not take the call"),
        (refusal(f"{SECRET} and more\n"), KeyringError, "does not take the call \\(400\\)"),
        (NoAnswerError(Fault.UNTRUSTED, "its certificate is not trusted", "x"), UnavailableError, "not trusted"),
        (NoAnswerError(Fault.DENIED, "no credentials were found", "x"), KeyringError, "no credentials"),
        (NoAnswerError(Fault.FOREIGN, "its answer is none of KMS", "x"), KeyringError, "none of KMS"),
        ({}, KeyringError, "another question"),
        ({"Plaintext": SECRET}, KeyringError, "another question"),
        ({"Plaintext": SECRET.encode()}, HoldfastError, "not an age identity"),
    ],
)
def test_what_an_answer_means(answered: dict[str, t.Any], said: t.Any, kind: type[HoldfastError], says: str) -> None:
    answered["decrypt"] = said
    with pytest.raises(kind, match=says) as caught:
        ring().unwrap(WRAP, b"x")
    if kind is KeyringError:
        assert caught.type is KeyringError
    error: BaseException | None = caught.value
    while error:
        assert SECRET not in f"{error} {error!r} {vars(error)}" or isinstance(said, Exception)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("value", [None, b"", b"short", b"x" * 33])
def test_an_hmac_that_is_none(answered: dict[str, t.Any], value: bytes | None) -> None:
    key_id = hashlib.sha256(b"of-kms").hexdigest()[:16]
    answered["generate_mac"] = {"KeyId": "arn:aws:kms:x:1:key/of-kms", "Mac": value}
    with pytest.raises(KeyringError):
        ring().digest_key(DigestKey(key_id, "hmac-sha256"), repository="prod")


@pytest.mark.parametrize("value", [None, b"", b"0\x06\x02\x01\x01\x02\x01\x01", b"x" * 64])
def test_a_signature_that_is_not_by_the_key(answered: dict[str, t.Any], value: bytes | None) -> None:
    public = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    key_id = hashlib.sha256(public).hexdigest()[:16]
    answered["get_public_key"] = {"PublicKey": public}
    answered["sign"] = {"Signature": value}
    assert ring().signer(use="point", among=[key_id]) == key_id
    with pytest.raises(KeyringError):
        ring().sign(b"x", use="point", key_id=key_id)


def test_who_lacks_the_digest_keys_right_is_told_each_time_and_asks_once(answered: dict[str, t.Any]) -> None:
    answered["generate_mac"] = refusal("AccessDeniedException")
    own = ring()
    for _time in range(2):
        with pytest.raises(KeyMissingError, match="no right"):
            own.digest_key(DIGEST, repository="prod")
        answered["generate_mac"] = {}


def test_a_destruction_without_a_date(answered: dict[str, t.Any]) -> None:
    answered["describe_key"] = {"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}}
    answered["get_public_key"] = {"PublicKey": b"public"}
    # by what was compared, and not by an alias that may be turned meanwhile
    answered["schedule_key_deletion"] = lambda told: {"DeletionDate": "soon"} if told["KeyId"] == "k" else refusal("x")
    with pytest.raises(KeyringError, match="in 7 days or later"):
        ring().destroy(WRAP)
    answered["describe_key"] = refusal("NotFoundException")
    answered["list_keys"] = {"Keys": []}
    assert not ring().destroy(WRAP)


@pytest.mark.parametrize("call", ["destroy", "holds"])
def test_a_key_whose_alias_names_another_is_left_alone(answered: dict[str, t.Any], call: str) -> None:
    answered["describe_key"] = {"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}}
    answered["get_public_key"] = {"PublicKey": b"another"}
    # schedule_key_deletion has no answer here
    with pytest.raises(WrongKeyError, match="turned to another key"):
        getattr(ring(), call)(WRAP)


@pytest.mark.parametrize("call", ["destroy", "holds"])
@pytest.mark.parametrize(
    ("known", "shown", "there"),
    [
        ({}, {"PublicKey": b"public"}, True),
        ({}, {"PublicKey": b"another"}, False),
        ({"KeySpec": "RSA_2048"}, {"PublicKey": b"public"}, False),
        ({"Description": "holdfast.config, repository prod: d0030-2026"}, refusal("DisabledException"), True),
        ({"Description": "holdfast.config, repository prod: d0030-2027"}, refusal("KMSInvalidStateException"), False),
        ({}, refusal("NotFoundException"), False),
    ],
)
def test_an_alias_that_is_missing_is_no_key_that_is_gone(
    answered: dict[str, t.Any], call: str, known: dict[str, str], shown: dict[str, t.Any], there: bool
) -> None:
    pages = {"": {"Keys": [{"KeyId": "gone"}], "Truncated": True, "NextMarker": "2"}, "2": {"Keys": [{"KeyId": "k"}]}}
    found = {"k": {"KeyMetadata": {"KeyId": "k", "KeySpec": "RSA_3072", **known}}}
    answered["list_keys"] = lambda parameters: pages[parameters.get("Marker", "")]
    answered["describe_key"] = lambda parameters: found.get(parameters["KeyId"], refusal("NotFoundException"))
    answered["get_public_key"] = shown
    if not there:
        assert not getattr(ring(), call)(WRAP)
        return
    with pytest.raises(KeyringError, match="alias is missing") as caught:
        getattr(ring(), call)(WRAP)
    assert str(caught.value.item).endswith(" k")


def test_who_may_not_see_every_key_cannot_say_that_one_is_gone(answered: dict[str, t.Any]) -> None:
    answered["list_keys"] = {"Keys": [{"KeyId": "k"}]}
    answered["describe_key"] = lambda parameters: refusal(
        "AccessDeniedException" if parameters["KeyId"] == "k" else "NotFoundException"
    )
    with pytest.raises(KeyMissingError, match="no right to that"):
        ring().destroy(WRAP)


def test_a_listing_of_many_pages(answered: dict[str, t.Any]) -> None:
    """An account has other keys, and other repositories."""
    pages: dict[str, list[str]] = {
        "": ["alias/aws/s3", f"alias/holdfast-prod--point/{'a' * 16}"],
        "2": [f"alias/holdfast-prod--point/{'b' * 16}", f"alias/holdfast-prod-eu--point/{'c' * 16}"],
        "3": ["alias/holdfast-prod--point", f"alias/holdfast-prod--d0030-2026/{'d' * 16}"],
    }

    def page(parameters: Mapping[str, t.Any]) -> dict[str, t.Any]:
        marker = parameters.get("Marker", "")
        following = {"": "2", "2": "3"}.get(marker)
        listed = [{"AliasName": name} for name in pages[marker]]
        return {"Aliases": listed, "Truncated": following is not None, "NextMarker": following}

    answered["list_aliases"] = page
    assert ring()._listed() == {"point": ["a" * 16, "b" * 16], "d0030-2026": ["d" * 16]}


@pytest.mark.parametrize("name", ["a--b", "prod-", "of.tests", "", "pröd"])
def test_repositories_whose_keys_could_be_taken_for_anothers(name: str) -> None:
    with pytest.raises(PolicyError, match="cannot be called"):
        connect("awskms", path=None, repository=name, awskms={})


def test_who_seals_or_opens_has_no_owners_folder() -> None:
    own = ring()
    with pytest.raises(KeyMissingError, match="the owner's folder"):
        own.create(repository="prod", classes=["d0030"], first_year=2026, now=dt.datetime.now(dt.timezone.utc))
    assert own.made(repository="prod").sign == ()


def test_where_a_recipient_was_not_brought_kms_makes_no_key(answered: dict[str, t.Any], tmp_path: Path) -> None:
    """It is asked for what is there, and for nothing else."""
    folder = PrivateFolder(tmp_path / "escrow")
    folder.make()
    folder.write("recipients.txt", b"")
    tmp_path.chmod(0o700)
    answered["list_aliases"] = {"Aliases": [], "Truncated": False}
    given: dict[str, t.Any] = {"repository": "prod", "now": dt.datetime.now(dt.timezone.utc)}
    with pytest.raises(KeyMissingError, match="no recipient was brought for d0030-2026"):
        ring(tmp_path).create(classes=["d0030"], first_year=2026, **given)
    with pytest.raises(KeyMissingError, match="no recipient was brought for d0030-2026b"):
        ring(tmp_path).renew(key_sets.NONE, Renewal(uses=("point",), escrow=[("d0030", 2026, "b")]), **given)
    assert [found.name for found in tmp_path.iterdir()] == ["escrow"]


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "botocore", None)
    with pytest.raises(DependencyMissingError, match="a keyring in AWS KMS needs") as caught:
        ring().unwrap(WRAP, b"x")
    assert "Install boto3" in (caught.value.remedy or "")


def test_a_ca_bundle_that_is_no_file() -> None:
    with pytest.raises(KeyringError, match="not a file") as caught:
        KmsClient(KmsSettings(aws_ca_bundle="/nowhere/ca.pem"))
    assert "keyring.aws_ca_bundle" in (caught.value.remedy or "")


def test_connecting_loads_no_library() -> None:
    code = (
        "import sys; sys.modules['botocore'] = None; "
        f"from {PACKAGE}.keyring import connect; "
        "own = connect('awskms', path=None, repository='prod', awskms={}); "
        f"assert '{PACKAGE}.aws.session' not in sys.modules; "
        f"assert '{PACKAGE}.keyring.vault' not in sys.modules; print(own)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "AwsKmsKeyring('prod')"


def test_what_forks_workers_loads_botocore_once_two_have_needed_it() -> None:
    code = f"""
import os, sys
from {PACKAGE} import keyring
from {PACKAGE}.keyring.awskms_settings import KmsSettings
loaded = []
for _worker in range(4):
    pid = os.fork()
    if pid == 0:
        before = "botocore" in sys.modules
        keyring._kms_client(KmsSettings(region="eu-central-1"))
        os._exit(before)
    loaded.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(loaded)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[0, 0, 1, 1]"
