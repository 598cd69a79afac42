# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each operation of the matrix of duties as calls to a real S3 server or Vault, and what came of them."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import secrets
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

import botocore.exceptions
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies, vault_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES, Operation
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import oaep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, OWNER_BY_POLICY, S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault, VaultRefusedError

from .attempts_s3 import ATTEMPTS, Attacker, Prize, RefusalError, lock, own_name

PREFIX = "of/duties"
REPOSITORY = "duties"
MOUNT = "duties"
ALLOWED, REFUSED = "allowed", "refused"

Cells = Mapping[tuple[str, str], str]
"""What came of it, by identity and operation."""


def expected(operation: Operation, identity: str, server: str) -> str:
    """What the matrix says of a cell on a kind of server."""
    otherwise = operation.differs(identity, server)
    if otherwise is not None:
        return otherwise.how
    return ALLOWED if identity in operation.allowed else REFUSED


def differences(cells: Cells, server: str, place: str) -> list[str]:
    """The cells that are otherwise than the matrix says, and those that nobody tried; both ways."""
    found = []
    for operation in (one for one in matrix.load().operations if one.place == place):
        for identity in IDENTITIES:
            was = cells.get((identity, operation.name), "not tried")
            told = expected(operation, identity, server)
            if told != _kind(was, told):
                found.append(f"{server}: {identity}: {operation.name}: {was}, and not {told}")
    return found


def _kind(was: str, told: str) -> str:
    """What a cell is, in the words of the matrix."""
    if was.startswith(ALLOWED):
        # of several ways one is enough
        return matrix.OPEN if told == matrix.OPEN else was
    if was.startswith("absent"):
        return matrix.ABSENT
    return REFUSED if was.startswith(REFUSED) else was


def table(cells: Cells, place: str) -> str:
    """The cells, one row for each operation."""
    rows = [("operation", *IDENTITIES)]
    rows += [
        (operation.does, *(cells[identity, operation.name] for identity in IDENTITIES))
        for operation in matrix.load().operations
        if operation.place == place
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


# S3


def tried_s3(server: S3Server) -> Cells:
    """Try each operation of the store with each identity's own keys, on a bucket that its owner has made."""
    bucket = f"lab-{secrets.token_hex(6)}"
    for identity in IDENTITIES:
        said = s3_policies.statements(identity, bucket=bucket, prefix=PREFIX, server=server.name)
        server.grant(_user(identity), *said)
    if server.name == "rgw":
        # who looks, and puts what is attacked
        everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        server.grant(OWNER, {"Effect": "Allow", "Action": ["s3:*"], "Resource": everything})
    cells = _made(server, bucket)
    put = functools.partial(_put, server, bucket)
    scene = {
        "prize": put("operator"),
        "held": put(OWNER, locked=False),
        "other": put("operator", locked=False),
        "governed": put("operator", mode="GOVERNANCE"),
    }
    for operation in matrix.load().operations:
        if operation.place != "store" or operation.name == "create_bucket":
            continue
        for identity in IDENTITIES:
            # others may have locked for good what this one is to try
            scene |= {"governed": put("operator", mode="GOVERNANCE")} if operation.name == "bypass" else {}
            attacker = Attacker(server, _user(identity), bucket, PREFIX, **scene)
            does = (_puts if operation.right == "put" else _S3[operation.name])(attacker, operation)
            cells[identity, operation.name] = _came_of(does)
    return cells


def _user(identity: str) -> str:
    return OWNER_BY_POLICY if identity == OWNER else identity


def _made(server: S3Server, bucket: str) -> dict[tuple[str, str], str]:
    """Who can make the bucket; in the end it is there."""
    cells = {}
    for identity in sorted(IDENTITIES, key=lambda each: each == OWNER):

        def make(who: str = _user(identity)) -> None:
            server.client(who).create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)

        cells[identity, "create_bucket"] = _came_of([make])
        if cells[identity, "create_bucket"] == ALLOWED and identity != OWNER:
            server.client(_user(identity)).delete_bucket(Bucket=bucket)
    if cells[OWNER, "create_bucket"] != ALLOWED:
        server.make_bucket(name=bucket)
    return cells


def _put(server: S3Server, bucket: str, who: str, *, locked: bool = True, mode: str = "COMPLIANCE") -> Prize:
    key = f"{PREFIX}/{own_name('operator')}"
    how = lock(30, mode) if locked else {}
    made = server.client(who).put_object(Bucket=bucket, Key=key, Body=b"a pack", **how)
    return Prize(key, made["VersionId"], b"a pack", how.get("ObjectLockRetainUntilDate"))


Does = Callable[[], object]


def _came_of(calls: Iterable[Does]) -> str:
    """``allowed`` where each call was done, or one of those that should not be; else why not, by the server's words."""
    said = set()
    for call in calls:
        try:
            call()
            said.add(ALLOWED)
        except botocore.exceptions.ClientError as e:
            status = e.response["ResponseMetadata"]["HTTPStatusCode"]
            said.add(_refusal(status, e.response.get("Error", {}).get("Code", "")))
        except RefusalError as e:
            said.add(_refusal(e.status, e.code))
        except VaultRefusedError as e:
            said.add(_refusal(e.status, ""))
    if len(said) > 1 and ALLOWED in said:
        return " / ".join(sorted(said))
    return min(said)


def _refusal(status: int, code: str) -> str:
    kind = "absent" if status >= 500 or status == 405 or "NotImplemented" in code else REFUSED
    return f"{kind} {status}"


def _attempt(*titles: str) -> Callable[[Attacker, Operation], list[Does]]:
    by_title = {attempt.title: attempt.does for attempt in ATTEMPTS}
    return lambda a, _operation: [lambda does=by_title[title]: does(a) for title in titles]  # type: ignore[misc]


def _on(prize: str, *titles: str) -> Callable[[Attacker, Operation], list[Does]]:
    """Attempts on another of the prizes."""
    tries = _attempt(*titles)
    return lambda a, operation: tries(_aiming(a, getattr(a, prize)), operation)


def _aiming(a: Attacker, prize: Prize) -> Attacker:
    return Attacker(a.server, a.identity, a.bucket, a.prefix, prize, a.held, a.other, a.governed)


def _puts(a: Attacker, operation: Operation) -> list[Does]:
    def put(name: str) -> Does:
        where = a.of(name.replace("*", secrets.token_hex(8)))
        return lambda: a.s3.put_object(**where, Body=b"x", **lock())

    return [put(name) for name in operation.names]


def _proves(a: Attacker, _operation: Operation) -> list[Does]:
    where = a.of(f".probe/{secrets.token_hex(8)}")

    def prove() -> None:
        made = a.s3.put_object(**where, Body=b"x")
        a.s3.delete_object(**where, VersionId=made["VersionId"], BypassGovernanceRetention=True)

    return [prove]


def _holds(a: Attacker, _operation: Operation) -> list[Does]:
    def turn(status: str) -> Does:
        return lambda: a.s3.put_object_legal_hold(**a.which, LegalHold={"Status": status})

    return [turn("ON"), turn("OFF")]


def _expires(a: Attacker, _operation: Operation) -> list[Does]:
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "nothing/"}, "Expiration": {"Days": 400}}
    return [
        lambda: a.s3.put_bucket_lifecycle_configuration(Bucket=a.bucket, LifecycleConfiguration={"Rules": [rule]}),
    ]


def _ruled(a: Attacker, _operation: Operation) -> list[Does]:
    nothing = f"arn:aws:s3:::{a.bucket}/nothing/*"
    told = {"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [nothing]}
    return [lambda: a.s3.put_bucket_policy(Bucket=a.bucket, Policy=_document(told))]


def _document(statement: Mapping[str, t.Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


_S3: Mapping[str, Callable[[Attacker, Operation], Sequence[Does]]] = {
    "list": _attempt("list all versions"),
    "read": _attempt("read a version, which is ciphertext or names"),
    "prove": _proves,
    "hold": _holds,
    "lock_configuration": _attempt("remove the default lock"),
    "lifecycle": _expires,
    "bucket_policy": _ruled,
    "shorten": _attempt("shorten its lock, with bypass", "make its lock governance, with bypass"),
    "bypass": _attempt(
        "delete what is locked in mode governance, with bypass",
        "make a lock in mode governance one of compliance that ends soon, with bypass",
    ),
    "delete_version": _on("other", "delete a locked version", "delete it among many, with bypass"),
    "delete_marker": _on("other", "put a delete marker", "put a delete marker on another among many"),
    "tag": _attempt("change its tags", "remove its tags"),
    "publish": _attempt("make it public"),
    "suspend": _attempt("suspend versions"),
    "delete_bucket": _attempt("delete the bucket"),
    "users": _attempt("make keys of his own", "make another user", "give himself more rights"),
}


# Vault


@dataclasses.dataclass(frozen=True)
class Holder:
    """Somebody with a token that has one identity's policy, and what there is to try it on.

    :param key: a class-year's key; what was wrapped under it is *wrapped*.
    """

    vault: Vault
    identity: str
    token: str
    key: ClassYearKey
    wrapped: str

    def post(self, path: str, body: Mapping[str, t.Any] | None = None, *, method: str = "POST") -> Does:
        """A call, still to make; its path is below ``/v1/``."""
        return lambda: self.vault.call(method, path, body or {}, token=self.token)

    def get(self, path: str, *, method: str = "GET") -> Does:
        """A call without a body, still to make."""
        return lambda: self.vault.call(method, path, token=self.token)


def key(name: str) -> str:
    """The path of a key, below its kind of call."""
    return f"holdfast-{REPOSITORY}--{name}"


def role() -> str:
    """The path that makes the restorer's tokens."""
    return f"auth/token/create/{vault_policies.token_role(REPOSITORY)}"


#: what the broker says of a token
WINDOW: Mapping[str, t.Any] = {"ttl": "5m", "explicit_max_ttl": "5m", "meta": {"ticket": "CHG42"}}


def prepare(vault: Vault) -> tuple[ClassYearKey, str]:
    """Keys, policies and the token role, all of them in an engine of their own; returns a key and what it wrapped."""
    vault.mount(MOUNT)
    for identity in IDENTITIES:
        told = vault_policies.policy(identity, repository=REPOSITORY, mount=MOUNT)
        vault.call("PUT", f"sys/policies/acl/{vault_policies.name(identity, REPOSITORY)}", {"policy": told})
    named = vault_policies.token_role(REPOSITORY)
    told = {"allowed_policies": [named], "orphan": True, "renewable": False, "token_explicit_max_ttl": "1h"}
    vault.call("POST", f"auth/token/roles/{named}", told)
    copyable = {"type": "ed25519", "exportable": True, "allow_plaintext_backup": True}
    for name, told in (
        ("d0030-2026", {"type": "rsa-3072"}),
        ("point", {"type": "ed25519"}),
        ("record", {"type": "ed25519"}),
        ("digest", {"type": "hmac", "key_size": 32}),
        ("copyable", copyable),
        ("old", {"type": "ed25519"}),
    ):
        vault.call("POST", f"{MOUNT}/keys/{key(name)}", told)
    vault.call("POST", f"{MOUNT}/keys/{key('old')}/rotate", {})
    vault.call("POST", f"{MOUNT}/keys/{key('old')}/config", {"deletion_allowed": True})
    public = vault.call("GET", f"{MOUNT}/keys/{key('d0030-2026')}")["data"]["keys"]["1"]["public_key"]
    made = ClassYearKey("d0030", 2026, keyring.RSA_OAEP_SHA256, oaep.public_of_pem(public))
    return made, f"vault:v1:{base64.b64encode(keyring.wrap(made, age.generate()[0])).decode()}"


def tried_vault(vault: Vault) -> Cells:
    """Try each operation of the keyring with a token of each identity."""
    made, wrapped = prepare(vault)
    cells = {}
    for identity in IDENTITIES:
        token = vault.token(vault_policies.name(identity, REPOSITORY))
        holder = Holder(vault, identity, token, made, wrapped)
        for operation in matrix.load().operations:
            if operation.place == "keyring":
                cells[identity, operation.name] = _came_of(_VAULT[operation.name](holder))
        vault.revoke(token)
    return cells


def _ends(h: Holder) -> list[Does]:
    other = h.vault.token(vault_policies.name("restorer", REPOSITORY))
    accessor = h.vault.call("GET", "auth/token/lookup-self", token=other)["data"]["accessor"]
    return [h.post("auth/token/revoke-accessor", {"accessor": accessor})]


def _makes_tokens(h: Holder) -> list[Does]:
    restorers = [vault_policies.name("restorer", REPOSITORY)]
    return [
        h.post("auth/token/create", {"policies": restorers}),
        h.post("auth/token/create", {"policies": ["root"]}),
        h.post("auth/token/create-orphan", {"policies": restorers}),
        h.post(role(), {**WINDOW, "policies": ["root"]}),
        h.post(role(), {**WINDOW, "policies": [vault_policies.name("owner", REPOSITORY)]}),
        # nobody knows what for, or it is not the end that is said
        h.post(role(), {"ttl": "5m"}),
        h.post(role(), {**WINDOW, "id": "chosen"}),
        h.post("auth/token/roles/more", {"allowed_policies": ["root"]}),
        h.post("auth/approle/role/more", {"token_policies": restorers}),
    ]


def _brings(h: Holder) -> list[Does]:
    name = key(f"brought-{secrets.token_hex(4)}")
    return [
        h.post(f"{MOUNT}/keys/{name}/import", {"ciphertext": "eA==", "type": "ed25519"}),
        h.post(f"{MOUNT}/restore/{name}", {"backup": "eA=="}),
    ]


def _config(name: str, **told: t.Any) -> Callable[[Holder], Does]:
    return lambda h: h.post(f"{MOUNT}/keys/{key(name)}/config", told)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


_VAULT: Mapping[str, Callable[[Holder], Sequence[Does]]] = {
    "wrap": lambda h: [lambda: keyring.wrap(h.key, age.generate()[0])],
    "digest": lambda h: [h.post(f"{MOUNT}/hmac/{key('digest')}/sha2-256", {"input": _text(b"x")})],
    "sign_point": lambda h: [h.post(f"{MOUNT}/sign/{key('point')}", {"input": _text(b"x")})],
    "sign_record": lambda h: [h.post(f"{MOUNT}/sign/{key('record')}", {"input": _text(b"x")})],
    "unwrap": lambda h: [h.post(f"{MOUNT}/decrypt/{key('d0030-2026')}", {"ciphertext": h.wrapped})],
    "read_point_key": lambda h: [h.get(f"{MOUNT}/keys/{key('point')}")],
    "read_keys": lambda h: [h.get(f"{MOUNT}/keys/{key(name)}") for name in ("d0030-2026", "digest", "record")],
    "create_keys": lambda h: [
        h.post(f"{MOUNT}/keys/{key(f'{h.identity}-{kind}')}", {"type": kind}) for kind in ("ed25519", "rsa-3072")
    ],
    "rotate_keys": lambda h: [h.post(f"{MOUNT}/keys/{key('record')}/rotate")],
    "give_access": lambda h: [h.post(role(), WINDOW)],
    "end_access": _ends,
    "allow_deletion": lambda h: [_config("d0030-2026", deletion_allowed=True)(h)],
    "delete_key": lambda h: [h.get(f"{MOUNT}/keys/{key('old')}", method="DELETE")],
    "retire_versions": lambda h: [
        _config("old", min_decryption_version=2)(h),
        _config("old", min_encryption_version=2)(h),
        h.post(f"{MOUNT}/keys/{key('old')}/trim", {"min_available_version": 1}),
    ],
    "export_key": lambda h: [
        _config("d0030-2026", exportable=True)(h),
        h.get(f"{MOUNT}/export/signing-key/{key('copyable')}"),
    ],
    "back_up_key": lambda h: [
        _config("d0030-2026", allow_plaintext_backup=True)(h),
        h.get(f"{MOUNT}/backup/{key('copyable')}"),
    ],
    "bring_key": _brings,
    "unmount": lambda h: [
        h.get(f"sys/mounts/{MOUNT}", method="DELETE"),
        h.post("sys/mounts/more", {"type": "transit"}),
        h.post("sys/remount", {"from": MOUNT, "to": "more"}),
        h.post(f"sys/mounts/{MOUNT}/tune", {"max_lease_ttl": "1h"}),
    ],
    "policies": lambda h: [
        h.post(f"sys/policies/acl/{vault_policies.name(h.identity, REPOSITORY)}", {"policy": "# more"}, method="PUT"),
        h.post("sys/policies/acl/more", {"policy": "# more"}, method="PUT"),
    ],
    "disable_audit": lambda h: [
        h.get("sys/audit/file", method="DELETE"),
        h.post("sys/audit/more", {"type": "file", "options": {"file_path": "discard"}}, method="PUT"),
    ],
    "tokens": _makes_tokens,
    "seal_server": lambda h: [h.post("sys/seal", method="PUT")],
}
