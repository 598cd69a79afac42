# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A KMS on loopback: moto's, and beside it what moto leaves out, as AWS documents it.

moto keeps keys, aliases and accounts, and speaks HTTP. It does not open under RSA keys, takes a digest for a message,
does not look at the state of a key that is used, and judges no policy: that is done here. Identities have the policies
of docs/guide_awskms.md.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fnmatch
import io
import itertools
import json
import re
import threading
import types
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import moto.kms.utils
import werkzeug.serving
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from moto.iam.models import get_account_id_from
from moto.kms.models import Key, KmsBackend, kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

GUIDE = Path(__file__).parents[3] / "docs" / "guide_awskms.md"
REGION, ACCOUNT = "eu-central-1", "123456789012"
IDENTITIES = ("operator", "restorer", "owner")
_CREDENTIAL = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/kms/")
# what uses a key, and takes one that is enabled
_USES = frozenset({"Decrypt", "Sign", "GenerateMac", "GetPublicKey"})
_MOST_KEYS = 16

Statement = Mapping[str, t.Any]
Application = Callable[[dict[str, t.Any], Callable[..., t.Any]], Iterable[bytes]]


class RefusedError(Exception):
    """What the layer answers instead of moto."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclasses.dataclass(frozen=True)
class Asked:
    """One call."""

    who: str
    operation: str
    key: str


def policy(identity: str, repository: str) -> list[Statement]:
    """The policy that the guide gives an identity, for another repository."""
    found = re.search(rf"^\*\*{identity}\*\*.*?^```json\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    text = found[1].replace("holdfast-prod--", f"holdfast-{repository}--").replace('"prod"', f'"{repository}"')
    return t.cast("list[Statement]", json.loads(text)["Statement"])


def allows(statements: Sequence[Statement], action: str, resource: str, about: Mapping[str, t.Any]) -> bool:
    """Whether a policy allows a call on one resource; a condition that is not known here is an error of the lab."""
    effects = {
        each["Effect"]
        for each in statements
        if _any(action, each["Action"])
        and _any(resource, each["Resource"])
        and all(_holds(how, tests, about) for how, tests in each.get("Condition", {}).items())
    }
    return effects == {"Allow"}


def _any(text: str, patterns: str | Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, each) for each in ([patterns] if isinstance(patterns, str) else patterns))


def _holds(how: str, tests: Mapping[str, str], about: Mapping[str, t.Any]) -> bool:
    if how == "Null":
        return all((not about.get(name)) == (value == "true") for name, value in tests.items())
    if how == "StringEqualsIfExists":
        return all(about.get(name, value) == value for name, value in tests.items())
    assert how == "StringEquals", how
    return all(about.get(name) == value for name, value in tests.items())


class Kms:
    """The server, and what it was asked.

    :ivar faults: operation to codes that are answered instead, one after the other.
    """

    def __init__(self) -> None:
        self._moto: Application = DomainDispatcherApplication(create_backend_app)
        self._server = werkzeug.serving.make_server("127.0.0.1", 0, self._answer, True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.asked: list[Asked] = []
        self.faults: dict[str, list[RefusedError]] = {}
        self._rights: dict[str, list[Statement]] = {}

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """Forget all keys, calls and rights."""
        for region in kms_backends[ACCOUNT].values():
            region.reset()
        self.asked.clear()
        self.faults.clear()
        self._rights.clear()

    def identity(self, *parts: str, repository: str) -> dict[str, str]:
        """Make somebody with these parts' policies, or who may do everything; returns what a profile is to hold."""
        access = f"AKIA{'-'.join(parts) or 'admin'}"
        if parts:
            self._rights[access] = [each for part in parts for each in policy(part, repository)]
        return {"aws_access_key_id": access, "aws_secret_access_key": "secret", "region": REGION}

    def allow(self, access: str, statements: list[Statement]) -> None:
        """Give somebody another policy."""
        self._rights[access] = statements

    @property
    def backend(self) -> KmsBackend:
        """moto's own, to look and to do what a test needs done."""
        return kms_backends[ACCOUNT][REGION]

    def key(self, alias: str) -> Key:
        """The key of an alias."""
        return _resolve(self.backend, alias)

    def aliases(self) -> list[str]:
        """All, sorted."""
        return _names(self.backend)

    def days_pass(self) -> None:
        """Delete what is to be deleted."""
        for key in [key for key in self.backend.keys.values() if key.key_state == "PendingDeletion"]:
            for alias in [name for name in self.aliases() if self.key(name) is key]:
                self.backend.delete_alias(alias)
            del self.backend.keys[key.id]

    def _answer(self, environ: dict[str, t.Any], start: Callable[..., t.Any]) -> Iterable[bytes]:
        target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
        if not target.startswith("TrentService."):
            return self._moto(environ, start)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        credential = _CREDENTIAL.search(str(environ["HTTP_AUTHORIZATION"]))
        assert credential is not None
        status, said = 200, None
        try:
            said = self._call(target.partition(".")[2], json.loads(body), credential[1], credential[2])
        except RefusedError as e:
            status, said = e.status, {"__type": e.code, "message": "as the lab has it"}
        if said is None:
            return self._moto(environ, start)
        content = json.dumps(said).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(content)))]
        start(f"{status} of the lab", headers)
        return [content]

    def _call(self, operation: str, said: Mapping[str, t.Any], access: str, region: str) -> dict[str, t.Any] | None:
        """Answer a call, or judge it and leave it to moto."""
        backend = kms_backends[get_account_id_from(access)][region]
        named = said.get("KeyId") or said.get("TargetKeyId") or ""
        self.asked.append(Asked(access, operation, said.get("AliasName") or named))
        if self.faults.get(operation):
            raise self.faults[operation].pop(0)
        key = _resolve(backend, named) if named else None
        if access in self._rights:
            self._judge(access, operation, said, key, backend)
        if key is None or operation not in _USES:
            return None
        if key.key_state != "Enabled":
            raise RefusedError("DisabledException" if key.key_state == "Disabled" else "KMSInvalidStateException")
        if operation == "Decrypt":
            return {"KeyId": key.arn, "Plaintext": _b64(_open(key, base64.b64decode(said["CiphertextBlob"])))}
        if operation == "Sign":
            return {"KeyId": key.arn, "Signature": _b64(_sign(key, said))}
        return None

    def _judge(
        self, access: str, operation: str, said: Mapping[str, t.Any], key: Key | None, backend: KmsBackend
    ) -> None:
        about: dict[str, t.Any] = {
            f"kms:{name}": said[name]
            for name in ("EncryptionAlgorithm", "SigningAlgorithm", "MacAlgorithm")
            if name in said
        }
        about |= {f"aws:RequestTag/{each['TagKey']}": each["TagValue"] for each in said.get("Tags", ())}
        of_key = dict(about)
        if key is not None:
            of_key["kms:ResourceAliases"] = _names(backend, key)
            tags = backend.list_resource_tags(key.id)["Tags"]
            of_key |= {f"aws:ResourceTag/{each['TagKey']}": each["TagValue"] for each in tags}
        asked = [(operation, "*" if key is None else key.arn, of_key)]
        if operation == "CreateKey" and said.get("Tags"):
            asked.append(("TagResource", "*", of_key))
        if "AliasName" in said:
            # of an alias nothing is known but its name
            asked.append((operation, f"arn:aws:kms:{REGION}:{ACCOUNT}:{said['AliasName']}", about))
        for action, resource, known in asked:
            if not allows(self._rights[access], f"kms:{action}", resource, known):
                raise RefusedError("AccessDeniedException")


class _Quiet(werkzeug.serving.WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_args: t.Any) -> None:
        """Print nothing."""


def _names(backend: KmsBackend, of: Key | None = None) -> list[str]:
    """Aliases, of one key or of all."""
    keys = backend.keys.values() if of is None else [of]
    return sorted(name for key in keys for name in key.aliases)


def _resolve(backend: KmsBackend, named: str) -> Key:
    for key in backend.keys.values():
        if named in key.aliases or named.rpartition("/")[2] == key.id:
            return key
    raise RefusedError("NotFoundException")


def _open(key: Key, wrapped: bytes) -> bytes:
    private = t.cast(rsa.RSAPrivateKey, key.private_key.private_key)  # type: ignore[attr-defined]
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    try:
        return private.decrypt(wrapped, oaep)
    except ValueError:
        raise RefusedError("InvalidCiphertextException") from None


def _sign(key: Key, said: Mapping[str, t.Any]) -> bytes:
    message = base64.b64decode(said["Message"])
    if said.get("MessageType") != "DIGEST" or len(message) != 32:
        raise RefusedError("ValidationException")
    private = t.cast(ec.EllipticCurvePrivateKey, key.private_key.private_key)  # type: ignore[attr-defined]
    return private.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _pool() -> types.SimpleNamespace:
    """What moto makes RSA keys by: a few of each size, again and again, since one takes 0.3 s."""
    made: dict[int, list[rsa.RSAPrivateKey]] = {}
    counts: dict[int, Iterator[int]] = {}

    def generate(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        keys = made.setdefault(key_size, [])
        at = next(counts.setdefault(key_size, itertools.count())) % (_MOST_KEYS if key_size == 3072 else 1)
        if at == len(keys):
            keys.append(rsa.generate_private_key(public_exponent, key_size))
        return keys[at]

    return types.SimpleNamespace(generate_private_key=generate, RSAPrivateKey=rsa.RSAPrivateKey)


@contextlib.contextmanager
def kms() -> Iterator[Kms]:
    """Have such a server."""
    before = moto.kms.utils.rsa
    moto.kms.utils.rsa = _pool()  # type: ignore[assignment]
    server = Kms()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        moto.kms.utils.rsa = before
