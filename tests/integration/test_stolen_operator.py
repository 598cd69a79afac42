# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator's host is stolen whole: what a thief has of it opens nothing that was sealed, and removes nothing.

He has the state folder of a finished run and of one that was killed, the inventory, what lets the host into Vault and
into the bucket, and every version in it. What each identity can do to a bucket, try by try, is in test_attacks_s3.py.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import io
import re
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import botocore.exceptions
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    KeyMissingError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest as manifest_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault import VaultKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.server import S3Server
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME, OPEN, SEAL, SNAPSHOT, shown

from .keyrings import client_at, keyring_at
from .stores import profiles, store_at
from .vault_lab import RUN, VaultLab

DAYS = dt.timedelta(days=4000)
_IDENTITY = re.compile(rb"AGE-SECRET-KEY-1[0-9A-Z]{58}", re.IGNORECASE)
_HEX = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{43}=?(?![A-Za-z0-9+/_=-])")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


class OperatorHost(VaultLab):
    """A controller that backs up into a bucket, and has there and in Vault what an operator has and no more."""

    server: S3Server
    place: str

    def put_into(self, server: S3Server, place: str) -> None:
        """Let the repository be there from now on."""
        self.server, self.place = server, place
        keys = server.keys["operator"]
        self.login |= {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
        self.variables["holdfast_repository"] |= {
            "url": f"s3://{place}",
            "endpoint_url": server.endpoint,
            "aws_ca_bundle": str(server.ca_path),
        }

    def store(self) -> store.Store:
        return store_at(self.server, self.place, "operator")


@contextlib.contextmanager
def operator_at(
    server: S3Server, path: Path, made_in_vault: VaultLab, vault: Vault, **how: t.Any
) -> Iterator[OperatorHost]:
    """A host of an operator whose repository, made in Vault's lab, is in a new bucket.

    :param how: what the lab is made with beside that, such as ``hosts``.
    """
    vault.write_policies(NAME)
    pin = made_in_vault.variables["holdfast_repository_id"]
    lab = OperatorHost(path / "lab", vault, made_in_vault.owner, pin=pin, **how)
    lab.by_approle("operator")
    bucket = server.make_bucket()
    with profiles(server, path):
        source, target = made_in_vault.store(), store_at(server, f"{bucket}/lab")
        for one in source.list("root/"):
            data = source.get(one.name, version=one.version)
            target.put_new(one.name, io.BytesIO(data), lock_until=target.clock() + DAYS)
        admit(server, bucket, "lab")
        lab.put_into(server, f"{bucket}/lab")
        yield lab


@dataclasses.dataclass(frozen=True)
class Loot:
    """What a thief has.

    :param files: all that the host has of its own, by path.
    :param environment: that of its runs.
    :param packs: what is in the bucket, by name; ``manifests`` too.
    """

    files: Mapping[str, bytes]
    environment: Mapping[str, str]
    packs: Mapping[str, bytes]
    manifests: Mapping[str, bytes]

    def texts(self) -> Iterator[bytes]:
        """All of it in which a secret could stand."""
        yield from self.files.values()
        yield from (value.encode() for value in self.environment.values())
        yield from self.manifests.values()


@pytest.fixture(scope="module")
def host(
    made_in_vault: VaultLab, _vault: Vault, versitygw: Versitygw, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorHost]:
    """A host that has backed up two others once, and whose second run was killed before it sealed."""
    with operator_at(versitygw, tmp_path_factory.mktemp("stolen"), made_in_vault, _vault) as lab:
        without_metadata = {"AWS_EC2_METADATA_DISABLED": "true"}
        assert lab.play(RUN, env=without_metadata).ok().report["complete"]
        lab.change("web1")
        reached = lab.path / "reached"
        gate = {"name": "wait", "ansible.builtin.shell": f"touch {reached}; sleep 120", "run_once": True}
        running = lab.start([OPEN, SNAPSHOT, gate, SEAL], env=without_metadata)
        wait_for(reached.exists, "the run does not come to the gate")
        running.lose()
        yield lab


def stolen(host: OperatorHost) -> Loot:
    """Take everything. What stays is the configuration of managed hosts, which he who is on the host does not have."""
    files = {
        str(path): path.read_bytes()
        for path in host.path.rglob("*")
        if path.is_file() and not path.is_relative_to(host.path / "hosts")
    }
    reader = host.store()
    found = {one.name: reader.get(one.name, version=one.version) for one in reader.list() if not one.marker}
    packs = {name: data for name, data in found.items() if name.startswith("packs/")}
    manifests = {name: data for name, data in found.items() if name.startswith("manifests/")}
    return Loot(files, host.environment(host.path), packs, manifests)


def operators(loot: Loot, vault: Vault) -> VaultKeyring:
    """The keyring that the stolen inventory and environment make."""
    (inventory,) = [data for path, data in loot.files.items() if path.endswith("/inventory.yml")]
    ring = yaml.safe_load(inventory)["all"]["vars"]["holdfast_repository"]["keyring"]
    settings = {name: value for name, value in ring.items() if name not in ("type", "url", "ca_cert")}
    client = client_at(vault, dict(loot.environment), **settings)
    return VaultKeyring(lambda: client, repository=NAME, mount="transit")


def identities(secret: bytes) -> str:
    """These 32 bytes as an age identity (bech32 of BIP 173)."""
    bits = "".join(f"{byte:08b}" for byte in secret) + "0000"
    data = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    prefix = "age-secret-key-"
    known = [*(ord(char) >> 5 for char in prefix), 0, *(ord(char) & 31 for char in prefix)]
    check = 1
    for value in [*known, *data, 0, 0, 0, 0, 0, 0]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    check ^= 1
    sums = [check >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1{''.join(_BECH32[value] for value in [*data, *sums])}".upper()


def candidates(texts: Iterable[bytes]) -> list[str]:
    """Every identity that stands somewhere, and everything of 32 bytes as if it were one."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(each.decode().upper() for each in _IDENTITY.findall(text)))
        plain = [bytes.fromhex(each.decode()) for each in _HEX.findall(text)]
        plain += [base64.urlsafe_b64decode(each.translate(_TO_URL) + b"=")[:32] for each in _BASE64.findall(text)]
        plain += [text] if len(text) == 32 else []
        found.update(dict.fromkeys(identities(each) for each in plain if len(each) == 32))
    return list(found)


_TO_URL = bytes.maketrans(b"+/", b"-_")


def opened(packs: Mapping[str, bytes], secrets: Collection[str]) -> set[str]:
    """The packs that open by any of these."""
    found = set()
    for name, sealed in packs.items():
        try:
            age.decrypt(sealed, list(secrets))
        except HoldfastError:
            continue
        found.add(name)
    return found


def unwrapped(host: OperatorHost, loot: Loot, keyring: Keyring) -> set[str]:
    """The packs whose identity this keyring unwraps from their manifests."""
    chain = open_repository(host.store(), pin=host.variables["holdfast_repository_id"]).chain
    found = set()
    for name, data in loot.manifests.items():
        manifest = manifest_format.read(data, what=name)
        key = chain.wrap_key(manifest.key.retention_class, manifest.key.year, manifest.key.series)
        assert key is not None
        try:
            secret = keyring.unwrap(key, manifest.key.wrapped)
        except KeyMissingError:
            continue
        found |= opened({manifest.pack.name: loot.packs[manifest.pack.name]}, [secret])
    return found


def ways(key: str, wrapped: str) -> list[tuple[str, str, dict[str, t.Any] | None]]:
    """Calls of Vault that could give a key, what it opens, or the right to it."""
    transit: list[tuple[str, str, dict[str, t.Any] | None]] = [
        ("POST", f"decrypt/{key}", {"ciphertext": wrapped}),
        ("POST", f"decrypt/{key}", {"batch_input": [{"ciphertext": wrapped}]}),
        ("POST", f"rewrap/{key}", {"ciphertext": wrapped}),
        ("POST", f"datakey/plaintext/{key}", {}),
        ("POST", f"datakey/wrapped/{key}", {}),
        ("POST", f"encrypt/{key}", {"plaintext": "eA=="}),
        ("POST", f"sign/{key}", {"input": "eA=="}),
        ("POST", f"hmac/{key}/sha2-256", {"input": "eA=="}),
        ("GET", f"export/encryption-key/{key}", None),
        ("GET", f"export/encryption-key/{key}/1", None),
        ("GET", f"export/signing-key/{key}", None),
        ("GET", f"export/signing-key/holdfast-{NAME}--point", None),
        ("GET", f"export/hmac-key/holdfast-{NAME}--digest", None),
        ("GET", f"byok-export/holdfast-{NAME}--point/{key}", None),
        ("GET", f"backup/{key}", None),
        ("POST", f"restore/{key}", {"backup": "eA==", "force": True}),
        ("GET", f"keys/{key}", None),
        ("LIST", "keys", None),
        ("DELETE", f"keys/{key}", None),
        ("POST", f"keys/{key}/config", {"exportable": True, "allow_plaintext_backup": True}),
        ("POST", f"keys/{key}/rotate", {}),
        ("POST", f"keys/{key}/trim", {"min_available_version": 1}),
        ("POST", f"keys/{key}/import_version", {"ciphertext": "eA=="}),
        ("POST", f"sign/holdfast-{NAME}--record", {"input": "eA=="}),
    ]
    rights: list[tuple[str, str, dict[str, t.Any] | None]] = [
        ("POST", "auth/token/create", {"policies": [f"{NAME}-restorer"]}),
        ("POST", "auth/token/create-orphan", {"policies": [f"{NAME}-restorer"]}),
        ("POST", "auth/approle/role/thief", {"token_policies": [f"{NAME}-restorer"]}),
        ("POST", f"auth/approle/role/{NAME}-operator", {"token_policies": [f"{NAME}-restorer"]}),
        ("POST", f"auth/approle/role/{NAME}-operator/secret-id", {}),
        ("PUT", f"sys/policies/acl/{NAME}-operator", {"policy": 'path "*" { capabilities = ["sudo", "update"] }'}),
        ("POST", "identity/entity", {"name": "thief", "policies": [f"{NAME}-restorer"]}),
        ("POST", "sys/mounts/thief", {"type": "transit"}),
        ("POST", "sys/remount", {"from": "transit", "to": "thief"}),
        ("DELETE", "sys/mounts/transit", None),
        ("GET", "sys/raw/logical", None),
        ("PUT", "sys/audit/thief", {"type": "file", "options": {"file_path": "stdout", "log_raw": "true"}}),
    ]
    return [(method, f"transit/{path}", body) for method, path, body in transit] + rights


def test_what_a_stolen_operator_has_opens_nothing(host: OperatorHost, vault: Vault) -> None:
    loot = stolen(host)
    # two of the run that was sealed and one of that which was killed, which has left its digest keys
    assert len(loot.packs) == 3
    assert len({path.partition("/state/runs/")[2].partition("/")[0] for path in loot.files} - {""}) == 2
    assert not [path for path, data in loot.files.items() if shown(data.decode("latin-1"))]

    thief = operators(loot, vault)
    assert unwrapped(host, loot, thief) == set()
    secrets = candidates(loot.texts())
    assert secrets
    assert opened(loot.packs, secrets) == set()

    login = {"role_id": host.ring["role_id"], "secret_id": loot.environment["HASHI_VAULT_SECRET_ID"]}
    token = vault.call("POST", "auth/approle/login", login, token="")["auth"]["client_token"]
    root = open_repository(host.store(), pin=host.variables["holdfast_repository_id"]).root
    for name, data in loot.manifests.items():
        manifest = manifest_format.read(data, what=name)
        key = root.wrap_key(manifest.retention_class, manifest.key.year)
        wrapped = f"vault:v1:{base64.b64encode(manifest.key.wrapped).decode()}"
        for method, path, body in ways(f"holdfast-{NAME}--{key.id}", wrapped):
            assert vault.refuses(method, path, body, token=token), f"{method} {path}"

    # the same tries open everything for who has the right to, and for who finds an escrow key
    restorer = keyring_at(vault, vault.token(f"{NAME}-restorer"), repository=NAME)
    assert unwrapped(host, loot, restorer) == loot.packs.keys()
    escrow = (host.owner / "escrow" / "identities.txt").read_bytes()
    assert opened(loot.packs, candidates([escrow])) == loot.packs.keys()
    identity, recipient = age.generate()
    assert identities(_bytes_of(identity)) == identity
    assert opened({"planted": age.encrypt(b"x", [recipient])}, candidates([_bytes_of(identity).hex().encode()]))


def _bytes_of(identity: str) -> bytes:
    """The 32 bytes of an age identity."""
    bits = "".join(f"{_BECH32.index(char):05b}" for char in identity.lower().rpartition("1")[2][:-6])
    return bytes(int(bits[at : at + 8], 2) for at in range(0, 256, 8))


def test_what_a_stolen_operator_has_removes_nothing(host: OperatorHost) -> None:
    bucket, _slash, prefix = host.place.partition("/")
    client = host.server.client("operator")
    before = {(one.name, one.version): one.lock_until for one in host.store().list()}
    soon = dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=1)
    for name, version in before:
        at = {"Bucket": bucket, "Key": f"{prefix}/{name}", "VersionId": version}
        shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": soon}
        for attempt in (
            lambda at=at: client.delete_object(**at),
            lambda at=at: client.delete_object(**at, BypassGovernanceRetention=True),
            lambda at=at, shorter=shorter: client.put_object_retention(**at, Retention=shorter),
        ):
            with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
                attempt()
    assert {(one.name, one.version): one.lock_until for one in host.store().list()} == before
