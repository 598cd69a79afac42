# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Vault is made ready for repositories, its drift is named, and two repositories on it share nothing."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import os
import re
import tempfile
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyMissingError, KeyringError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import digest_info, wrap
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_setup import VaultSetup
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.model.logins import Login
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import keyring_setup
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.keyring_setup import Asked, Ready
from ansible_collections.holdfast.config.tests.lab import molecule
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault, VaultRefusedError
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest

from .keyrings import client_at, keyring_at

# a name that begins as another's
FIRST, SECOND = "set", "set-up"
GUIDE = Path(__file__).parents[2] / "docs" / "guide_vault.md"
_ADMINISTRATOR = re.compile(r"^```hcl\n# holdfast-administrator\.hcl\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CLASSES = {"d0007": RetentionClass("d0007", 7, "compliance")}
YEAR = 2026
OPERATOR = Login("operator", "approle", "approle", 1200, 86400, ("127.0.0.0/8",))
AUDITOR = Login("auditor", "userpass", "people", 1200, 3600)
ACCESS = "auth/token/roles/holdfast-set-restorer"
AUDIT = "sys/audit/file"


@dataclasses.dataclass
class Place:
    """A repository's place in the Vault, with its root where it has one."""

    vault: Vault
    name: str
    keys: PublicKeys
    store: Store | None = None
    pin: str | None = None
    logins: tuple[Login, ...] = (OPERATOR, AUDITOR)

    def setup(self, *, mount: str = "transit") -> VaultSetup:
        """As its administrator, by the policy of the guide."""
        return setup_of(self.vault, self.name, mount=mount)

    def ready(self, *, check: bool = False, mount: str = "transit", **more: t.Any) -> Ready:
        """Make it ready."""
        asked = Asked(self.logins, 86400, ("127.0.0.0/8",), list(CLASSES), YEAR)
        return keyring_setup.ready(
            self.setup(mount=mount),
            self.store,
            dataclasses.replace(asked, **more),
            name=self.name,
            pin=self.pin,
            check=check,
        )

    def key(self, what: str) -> str:
        return f"transit/keys/holdfast-{self.name}--{what}"


def setup_of(vault: Vault, repository: str, *, mount: str = "transit") -> VaultSetup:
    """A repository's place, for somebody who has the administrator's policy of the guide and no other."""
    (text,) = _ADMINISTRATOR.findall(GUIDE.read_text())
    text = text.replace("holdfast-prod-", f"holdfast-{repository}-").replace("transit", mount)
    # each auth method, as the guide says
    for path, below in (("people", "users"), ("certs", "certs"), ("nowhere", "role")):
        text += "".join(
            line.replace("approle/role", f"{path}/{below}").replace("approle", path)
            for line in text.splitlines(keepends=True)
            if "approle" in line
        )
    vault.call("PUT", f"sys/policies/acl/administrator-{repository}", {"policy": text})
    client = client_at(vault, {"VAULT_TOKEN": vault.token(f"administrator-{repository}")}, engine_mount_point=mount)
    return VaultSetup(client, repository=repository, mount=mount)


def states(ready: Ready) -> dict[str, str]:
    """What is not held, and why that is."""
    return {one.name: one.state for one in ready.outcomes if one.state != "held"}


@pytest.fixture(scope="module")
def first(_vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A repository, made ready and then made by its owner, with a root."""
    return made(_vault, FIRST, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(_vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Another one at the same mount, whose name begins as that of the first."""
    return made(_vault, SECOND, tmp_path_factory.mktemp("second"), root=False)


def made(vault: Vault, name: str, folder: Path, *, root: bool = True) -> Place:
    place = Place(vault, name, PublicKeys((), (), (), ()))
    place.ready()
    owner = keyring_at(vault, vault.token(f"holdfast-{name}-owner"), repository=name, path=folder / "owner")
    if not root:
        now = dt.datetime(YEAR, 1, 1, tzinfo=dt.timezone.utc)
        place.keys = owner.create(repository=name, classes=list(CLASSES), first_year=YEAR, years=1, now=now)
        return place
    store = MemoryStore(f"memory://{name}", now=lambda: dt.datetime(YEAR, 11, 1, tzinfo=dt.timezone.utc))
    found, _made = repositories.create(store, owner, name=name, classes=CLASSES)
    assert found is not None
    place.store, place.pin, place.keys = store, found.id, found.keys
    return place


def test_a_place_is_made_once_and_check_mode_makes_nothing(vault: Vault) -> None:
    fresh = Place(vault, "fresh", PublicKeys((), (), (), ()))
    vault.call("PUT", "sys/policies/acl/unrelated", {"policy": 'path "x" { capabilities = ["read"] }'})
    before = vault.call("GET", "sys/mounts")["data"]
    checked = fresh.ready(check=True, mount="deep/engine")
    assert checked.changed
    assert states(checked)["mount"] == states(checked)["policy operator"] == "differs"
    assert states(checked)["login auditor"] == states(checked)["keys to make"] == "missing"
    assert checked.role_ids["operator"] == ""
    assert vault.call("GET", "sys/mounts")["data"] == before
    assert "holdfast-fresh-operator" not in vault.call("LIST", "sys/policies/acl")["data"]["keys"]
    with vault.watched() as calls:
        ready = fresh.ready(mount="deep/engine")
    assert ready.changed
    assert states(ready) == {
        name: "changed" if state == "differs" else state for name, state in states(checked).items()
    }
    # policies are there before what gives them
    written = [one.path for one in calls if one.operation in ("create", "update")]
    assert written.index("sys/policies/acl/holdfast-fresh-operator") < written.index(
        "auth/approle/role/holdfast-fresh-operator"
    )
    # nobody's secret was made
    assert not [one for one in calls if "secret-id" in one.path or one.path.startswith("auth/token/create")]
    role_id = vault.call("GET", "auth/approle/role/holdfast-fresh-operator/role-id")["data"]["role_id"]
    assert ready.role_ids["operator"] == role_id
    for check in (False, True):
        with vault.watched() as calls:
            again = fresh.ready(mount="deep/engine", check=check)
        assert not again.changed
        assert states(again) == {"login auditor": "missing", "keys to make": "missing"}
        assert {one.operation for one in calls} == {"read", "list"}
    vault.call("POST", "auth/people/users/holdfast-fresh-auditor", {"password": "correct horse"})
    assert states(fresh.ready(mount="deep/engine")) == {"login auditor": "changed", "keys to make": "missing"}
    vault.call("DELETE", "sys/mounts/deep/engine")


def test_who_may_do_no_such_thing_is_told_so(vault: Vault, first: Place) -> None:
    client = client_at(vault, {"VAULT_TOKEN": vault.token("holdfast-set-owner")})
    asked = Asked(first.logins, 86400, (), list(CLASSES), YEAR)
    with pytest.raises(KeyMissingError, match="no right to that"):
        keyring_setup.ready(
            VaultSetup(client, repository=FIRST, mount="transit"), None, asked, name=FIRST, pin=None, check=False
        )


def test_logins_and_tokens_have_the_rights_of_their_part_and_no_other(vault: Vault, first: Place) -> None:
    first.ready()
    at = "auth/approle/role/holdfast-set-operator"
    secret_id = vault.call("POST", f"{at}/secret-id", {})["data"]["secret_id"]
    role_id = vault.call("GET", f"{at}/role-id")["data"]["role_id"]
    auth = vault.call("POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret_id}, token="")["auth"]
    assert sorted(auth["policies"]) == ["default", "holdfast-set-operator"]
    assert auth["lease_duration"] == 1200
    asked = {"ttl": "1h", "explicit_max_ttl": "1h", "meta": {"ticket": "CHG1"}}
    broker = vault.token("holdfast-set-broker")
    given = vault.call("POST", "auth/token/create/holdfast-set-restorer", asked, token=broker)["auth"]
    assert (given["policies"], given["renewable"], given["orphan"]) == (["holdfast-set-restorer"], False, True)
    assert given["metadata"] == {"ticket": "CHG1"}
    longer = {**asked, "ttl": "720h", "explicit_max_ttl": "720h"}
    longer_given = vault.call("POST", "auth/token/create/holdfast-set-restorer", longer, token=broker)["auth"]
    assert longer_given["lease_duration"] <= 86400
    for more in ({"policies": ["holdfast-set-owner"]}, {"policies": ["root"]}):
        with pytest.raises(VaultRefusedError):
            vault.call("POST", "auth/token/create/holdfast-set-restorer", {**asked, **more}, token=broker)


# drift


def widened(vault: Vault) -> None:
    at = "sys/policies/acl/holdfast-set-operator"
    text = vault.call("GET", at)["data"]["policy"]
    vault.call("PUT", at, {"policy": text + 'path "transit/decrypt/*" { capabilities = ["update"] }\n'})


def posted(path: str, **body: t.Any) -> Callable[[Vault], object]:
    return lambda vault: vault.call("POST", path, body)


def gone(path: str) -> Callable[[Vault], object]:
    return lambda vault: vault.call("DELETE", path)


ROLE = "auth/approle/role/holdfast-set-operator"
POINT = "transit/keys/holdfast-set--point/config"


@pytest.mark.parametrize(
    ("drift", "setting", "fields"),
    [
        (widened, "policy operator", ["policy"]),
        (gone("sys/policies/acl/holdfast-set-restorer"), "policy restorer", None),
        (posted(ROLE, token_max_ttl="720h"), "login operator", ["token_max_ttl"]),
        (posted(ROLE, token_period="24h"), "login operator", ["token_period"]),
        (
            posted(ROLE, token_policies=["holdfast-set-operator", "holdfast-set-restorer"]),
            "login operator",
            ["token_policies"],
        ),
        (posted(ROLE, token_bound_cidrs=[]), "login operator", ["token_bound_cidrs"]),
        (posted(ROLE, secret_id_num_uses=7), "login operator", ["secret_id_num_uses"]),
        (gone(ROLE), "login operator", None),
        (posted(ACCESS, allowed_policies=["root"]), "access restorer", ["allowed_policies"]),
        (posted(ACCESS, renewable=True, orphan=False), "access restorer", ["orphan", "renewable"]),
        (posted(ACCESS, token_explicit_max_ttl=0), "access restorer", ["token_explicit_max_ttl"]),
        (posted(POINT, deletion_allowed=True), "key point", ["deletion_allowed"]),
        (posted(POINT, auto_rotate_period="24h"), "key point", ["auto_rotate_period"]),
    ],
)
def test_drift_is_named_and_set_back(
    vault: Vault, first: Place, drift: Callable[[Vault], object], setting: str, fields: list[str] | None
) -> None:
    first.ready()
    before = states(first.ready(check=True))
    drift(vault)
    for check, state in ((True, "differs"), (False, "changed")):
        found = first.ready(check=check)
        assert states(found) == {**before, setting: state}
        (named,) = (one for one in found.outcomes if one.name == setting)
        assert (None if named.before is None else sorted(named.before)) == fields
        assert fields is None or fields[0] in named.why
    assert states(first.ready(check=True)) == before


def test_a_way_in_that_is_not_declared_is_named_and_stays(vault: Vault, first: Place) -> None:
    stray = "auth/approle/role/holdfast-set-restorer"
    vault.call("POST", stray, {"token_policies": ["holdfast-set-restorer"]})
    vault.call("PUT", "sys/policies/acl/holdfast-set-approver", {"policy": 'path "x" { capabilities = ["read"] }'})
    found = states(first.ready())
    assert (found["login restorer"], found["policy approver"]) == ("undeclared", "undeclared")
    # also where nobody declares that mount any more
    alone = dataclasses.replace(first, logins=()).ready()
    assert {"login operator", "login restorer"} <= {one.name for one in alone.outcomes if one.state == "undeclared"}
    assert "not compared" not in states(alone).values()
    assert vault.call("GET", stray)
    vault.call("DELETE", stray)
    vault.call("DELETE", "sys/policies/acl/holdfast-set-approver")


def refused(place: Place, **more: t.Any) -> tuple[str, Mapping[str, str]]:
    """Why it cannot be made ready, in either mode, and what is refused; nothing is written."""
    told = []
    for check in (True, False):
        with place.vault.watched() as calls, pytest.raises(KeyringError) as caught:
            place.ready(check=check, **more)
        assert {one.operation for one in calls} == {"read", "list"}
        assert "Nothing was changed" in str(caught.value)
        told.append(caught.value)
    settings = t.cast("list[dict[str, str]]", told[0].details["settings"])
    return str(told[0]), {one["setting"]: one["state"] for one in settings if one["state"] == "refused"}


def test_something_else_where_transit_should_be(vault: Vault, first: Place) -> None:
    vault.call("POST", "sys/mounts/elsewhere", {"type": "kv"})
    said, found = refused(first, mount="elsewhere")
    assert found == {"mount": "refused"}
    assert "another type is mounted, kv" in said
    vault.call("DELETE", "sys/mounts/elsewhere")


def test_something_else_where_an_auth_method_should_be(vault: Vault, first: Place) -> None:
    vault.call("POST", "sys/auth/certs", {"type": "userpass"})
    wrong = Login("restorer", "cert", "certs", 600, 600, certificate=vault.ca_path.read_text())
    unconfigured = Login("broker", "jwt", "nowhere", 600, 600, bound_subject="awx")
    said, found = refused(first, logins=(OPERATOR, wrong, unconfigured))
    assert found == {"auth certs": "refused", "auth nowhere": "refused"}
    assert "issuer's keys" in said
    vault.call("DELETE", "sys/auth/certs")


@contextlib.contextmanager
def audited(vault: Vault, **devices: Mapping[str, str] | None) -> Iterator[None]:
    """Other audit devices, or none, for a while; the lab's own is there again afterwards."""
    (own,) = vault.call("GET", "sys/audit")["data"].values()
    try:
        for name, options in devices.items():
            if options is None:
                vault.call("DELETE", f"sys/audit/{name}")
            else:
                vault.call("POST", f"sys/audit/{name}", {"type": "file", "options": options})
        yield
    finally:
        for name, options in devices.items():
            if options is None:
                vault.call("POST", AUDIT, {"type": own["type"], "options": own["options"]})
            else:
                vault.call("DELETE", f"sys/audit/{name}")


def test_audit_devices(vault: Vault, first: Place, tmp_path: Path) -> None:
    first.ready()
    (alone,) = (one for one in first.ready(check=True).outcomes if one.name == "audit")
    assert (alone.state, alone.why.partition(";")[0]) == ("held", "one audit device")
    path = str(tmp_path / "second.log")
    with audited(vault, second={"file_path": path}):
        (both,) = (one for one in first.ready(check=True).outcomes if one.name == "audit")
        assert (both.state, both.why) == ("held", "")
    # one of what Vault reads as true
    with audited(vault, raw={"file_path": path, "log_raw": "T"}):
        assert refused(first)[1] == {"audit": "refused"}
    with audited(vault, file=None), pytest.raises(KeyringError, match="no audit device"):
        first.ready(check=True)
    vault.call("POST", "sys/mounts/transit/tune", {"audit_non_hmac_response_keys": ["plaintext"]})
    said, found = refused(first)
    assert found == {"mount": "refused"}
    assert "plaintext" in said
    vault.call("POST", "sys/mounts/transit/tune", {"audit_non_hmac_response_keys": []})
    vault.call("POST", "sys/auth/approle/tune", {"audit_non_hmac_request_keys": ["secret_id"]})
    said, found = refused(first)
    assert found == {"auth approle": "refused"}
    assert "secret_id" in said
    vault.call("POST", "sys/auth/approle/tune", {"audit_non_hmac_request_keys": []})


def test_a_key_that_can_have_left_vault_or_is_of_another_type(vault: Vault) -> None:
    """It is found before the owner makes keys, and after."""
    place = Place(vault, "copied", PublicKeys((), (), (), ()))
    place.ready()
    vault.call("POST", place.key("point"), {"type": "ed25519", "exportable": True})
    vault.call("POST", place.key("record"), {"type": "ed25519", "allow_plaintext_backup": True})
    vault.call("POST", place.key("d0007-2026"), {"type": "rsa-4096"})
    said, found = refused(place)
    assert found == {"key point": "refused", "key record": "refused", "key d0007-2026": "refused"}
    assert "exportable" in said
    assert "another type" in said


def test_a_key_that_was_rotated_in_vault(vault: Vault, first: Place) -> None:
    first.ready()
    before = states(first.ready(check=True))
    vault.call("POST", f"{first.key('digest')}/rotate", {})
    vault.call("POST", f"{first.key('digest')}/config", {"min_decryption_version": 2, "min_encryption_version": 2})
    found = first.ready()
    told = [(one.state, sorted(one.before or ())) for one in found.outcomes if one.name == "key digest"]
    assert told == [("changed", ["min_decryption_version", "min_encryption_version"]), ("undeclared", ["versions"])]
    assert states(first.ready()) == {**before, "key digest": "undeclared"}
    # without the root nobody can tell
    unrooted = dataclasses.replace(first, store=None, pin=None)
    assert states(unrooted.ready()) == before


# two repositories


def restores(place: Place) -> bool:
    """Whether its operator seals and its restorer opens, each with the rights of the part."""
    key = next(key for key in place.keys.wrap if key.year == YEAR)
    secret, _recipient = age.generate()
    by = {
        part: keyring_at(place.vault, place.vault.token(f"holdfast-{place.name}-{part}"), repository=place.name)
        for part in ("operator", "restorer")
    }
    sign_with_newest(by["operator"], b"DSSEv1 point", use="point")
    sign_with_newest(by["restorer"], b"DSSEv1 record", use="record")
    by["operator"].digest_key(place.keys.digest[0], repository=place.name)
    return by["restorer"].unwrap(key, wrap(key, secret)) == secret


def everything_of(place: Place) -> list[tuple[str, str, dict[str, t.Any]]]:
    """Every call that touches what a repository has in Vault."""
    found: list[tuple[str, str, dict[str, t.Any]]] = []
    text = base64.b64encode(digest_info(place.name)).decode()
    for what in ("point", "record", "digest", f"d0007-{YEAR}"):
        name = f"holdfast-{place.name}--{what}"
        found += [
            ("POST", f"transit/{do}/{name}", {"input": text, "plaintext": text, "ciphertext": "vault:v1:AAAA"})
            for do in ("sign", "hmac", "decrypt", "encrypt", "rewrap", "verify", "datakey/plaintext")
        ]
        found += [("GET", f"transit/{do}/{name}", {}) for do in ("keys", "backup", "export/encryption-key")]
        found += [
            ("POST", f"transit/keys/{name}{do}", body)
            for do, body in (
                ("", {"type": "ed25519"}),
                ("/rotate", {}),
                ("/config", {"deletion_allowed": True}),
                ("/trim", {"min_available_version": 1}),
            )
        ]
        found.append(("DELETE", f"transit/keys/{name}", {}))
    for identity in IDENTITIES:
        at = f"holdfast-{place.name}-{identity}"
        found += [
            ("GET", f"sys/policies/acl/{at}", {}),
            ("PUT", f"sys/policies/acl/{at}", {"policy": ""}),
            ("POST", f"auth/approle/role/{at}", {"token_policies": ["root"]}),
            ("POST", f"auth/approle/role/{at}/secret-id", {}),
            ("POST", f"auth/token/create/{at}", {"ttl": "60s", "explicit_max_ttl": "60s", "meta": {"ticket": "x"}}),
        ]
    return found


@pytest.mark.parametrize("identity", IDENTITIES)
def test_no_identity_of_one_repository_can_do_anything_with_the_other(
    vault: Vault, first: Place, second: Place, identity: str
) -> None:
    first.ready()
    for one, other in ((first, second), (second, first)):
        token = vault.token(f"holdfast-{one.name}-{identity}")
        let = [
            f"{method} {path}"
            for method, path, body in everything_of(other)
            if not vault.refuses(method, path, body, token=token)
        ]
        assert not let


def test_the_destruction_of_one_leaves_the_other_whole(vault: Vault, first: Place, second: Place) -> None:
    """The last of this file: keys are gone for ever."""
    first.ready()
    assert restores(first)
    assert restores(second)
    intact = states(second.ready(check=True))
    names = [name for name in vault.call("LIST", "transit/keys")["data"]["keys"] if name.startswith("holdfast-set--")]
    assert len(names) == 3 + 11
    one = f"d0007-{YEAR + 1}"
    for name in [f"holdfast-set--{one}", *names]:
        with contextlib.suppress(VaultRefusedError):
            vault.call("POST", f"transit/keys/{name}/config", {"deletion_allowed": True})
            vault.call("DELETE", f"transit/keys/{name}")
        if name == f"holdfast-set--{one}":
            found = first.ready()
            (missing,) = (outcome for outcome in found.outcomes if outcome.name == f"key {one}")
            assert (missing.state, missing.name) == ("missing", f"key {one}")
            assert "the root names it" in missing.why
    for identity in IDENTITIES:
        vault.call("DELETE", f"sys/policies/acl/holdfast-set-{identity}")
    vault.call("DELETE", ROLE)
    vault.call("DELETE", ACCESS)
    with pytest.raises(KeyMissingError):
        restores(first)
    assert states(second.ready(check=True)) == intact
    assert restores(second)


def test_the_role_makes_a_vault_ready_and_names_drift(vault: Vault) -> None:
    """Run again it reports no change; in check mode it names what differs."""
    with tempfile.TemporaryDirectory(prefix="hf-") as home:
        known = Path(home) / "vault.json"
        known.write_text(json.dumps({"url": vault.url, "ca": str(vault.ca_path)}))
        token = vault.token("root")
        molecule.run("keyring", home, HOLDFAST_LAB_VAULT=str(known), VAULT_TOKEN=token)
        left = [path for path in Path(home).rglob("*") if path.is_file()]
        assert not [path for path in left if token.encode() in path.read_bytes()]
    assert "HOLDFAST_LAB_VAULT" not in os.environ
