# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    KeyringError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import HMAC_SHA256, RSA_OAEP_SHA256
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_setup import VaultSetup, Wanted
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    SignKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.logins import Login
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import Outcome

from .paper_vault import MOUNT, PaperVault, paper_setup
from .test_oaep import PUBLIC

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
PEM = f"-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n"
LOGIN = Login("operator", "approle", "approle", 600, 3600, ("10.0.0.1/32",))
WANTED = Wanted({"operator": 'path "a" {}\n', "approver": ""}, (LOGIN,), 3600)
SIGNER = bytes(range(32))
LATER = bytes(range(1, 33))


def states(found: list[Outcome]) -> dict[str, str]:
    return {one.name: one.state for one in found if one.state != "held"}


@pytest.mark.parametrize("name", ["Prod", "a--b", "a-", "", 'a" {}', "a/b", "a" * 64, "a\nb"])
def test_a_name_that_vault_could_take_for_anothers(name: str) -> None:
    with pytest.raises(PolicyError, match="cannot be called"):
        VaultSetup(t.cast("t.Any", None), repository=name, mount=MOUNT)


def test_what_is_missing_is_made_and_read_back() -> None:
    vault = PaperVault()
    with paper_setup(vault) as setup:
        judged = setup.judge(WANTED)
        assert vault.written == []
        assert set(states(judged).values()) == {"differs"}
        held = setup.hold(WANTED)
        assert states(held) == dict.fromkeys(states(judged), "changed")
        assert setup.role_id(LOGIN) == "an id"
        again = list(vault.written)
        assert states(setup.hold(WANTED)) == states(setup.judge(WANTED)) == {}
        assert vault.written == again
    assert again == [
        "sys/mounts/transit",
        "sys/auth/approle",
        "sys/policies/acl/holdfast-prod-operator",
        "auth/approle/role/holdfast-prod-operator",
        "auth/token/roles/holdfast-prod-restorer",
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("sys/mounts/transit", "mount"),
        ("sys/auth/approle", "auth approle"),
        ("sys/policies/acl/holdfast-prod-operator", "policy operator"),
        ("auth/approle/role/holdfast-prod-operator", "login operator"),
        ("auth/token/roles/holdfast-prod-restorer", "access restorer"),
    ],
)
def test_vault_is_not_believed(path: str, name: str) -> None:
    vault = PaperVault()
    vault.deaf.add(path)
    with paper_setup(vault) as setup:
        assert states(setup.hold(WANTED))[name] == "not kept"


def test_what_vault_does_not_take_is_an_error() -> None:
    vault = PaperVault()
    vault.refuses.add("auth/token/roles/holdfast-prod-restorer")
    with paper_setup(vault) as setup, pytest.raises(KeyringError, match=r"does not take the call \(400\)"):
        setup.hold(WANTED)


def test_a_policy_that_gives_nothing_is_not_written_and_one_that_is_there_is_named() -> None:
    vault = PaperVault()
    with paper_setup(vault) as setup:
        setup.hold(WANTED)
        assert "sys/policies/acl/holdfast-prod-approver" not in vault.written
        vault.kept["sys/policies/acl/holdfast-prod-approver"] = {"policy": 'path "*" {}'}
        vault.kept["auth/approle/role/holdfast-prod-restorer"] = {}
        vault.kept["auth/approle/role/holdfast-prod-eu-restorer"] = {}
        assert states(setup.judge(WANTED)) == {"policy approver": "undeclared", "login restorer": "undeclared"}


def test_one_mount_is_made_once_for_several_logins() -> None:
    vault = PaperVault()
    both = dataclasses.replace(WANTED, logins=(LOGIN, dataclasses.replace(LOGIN, identity="broker")))
    with paper_setup(vault) as setup:
        assert [one.name for one in setup.judge(both)].count("auth approle") == 1
        setup.hold(both)
        assert states(setup.judge(both)) == {}
    assert vault.written.count("sys/auth/approle") == 1


@pytest.mark.parametrize(
    ("login", "fields"),
    [
        (
            Login("broker", "jwt", "jwt", 600, 600, bound_subject="awx"),
            {"role_type": "jwt", "user_claim": "sub", "bound_subject": "awx", "bound_claims_type": "string"},
        ),
        (
            Login("broker", "cert", "cert", 600, 600, certificate="PEM", allowed_common_names=("a",)),
            {"certificate": "PEM", "allowed_common_names": ["a"]},
        ),
        (Login("broker", "approle", "approle", 600, 600, secret_id_num_uses=1), {"secret_id_num_uses": 1}),
    ],
)
def test_each_method_has_its_own_fields(login: Login, fields: dict[str, t.Any]) -> None:
    vault = PaperVault()
    vault.kept["sys/auth"]["jwt/"] = {"type": "jwt"}
    with paper_setup(vault) as setup:
        found = setup.hold(dataclasses.replace(WANTED, logins=(login,)))
    (role,) = (kept for path, kept in vault.kept.items() if path.endswith("holdfast-prod-broker"))
    assert fields.items() <= role.items()
    assert role["token_policies"] == ["holdfast-prod-broker"]
    # a certificate is long, and says nothing to people
    assert "PEM" not in repr(found)


def test_a_user_without_a_password_is_missing_and_then_set() -> None:
    vault = PaperVault()
    wanted = dataclasses.replace(WANTED, logins=(Login("auditor", "userpass", "userpass", 600, 600),))
    with paper_setup(vault) as setup:
        assert states(setup.hold(wanted))["login auditor"] == "missing"
        vault.kept["auth/userpass/users/holdfast-prod-auditor"] = {}
        assert states(setup.hold(wanted)) == {"login auditor": "changed"}


def devices(*names: str, **options: str) -> dict[str, t.Any]:
    return {f"{name}/": {"type": "file", "options": options} for name in names}


@pytest.mark.parametrize(
    ("there", "state", "says"),
    [
        ({}, "refused", "no audit device"),
        (devices("a"), "held", "one audit device"),
        (devices("a", "b"), "held", ""),
        *((devices("a", "b", log_raw=each), "refused", "log_raw") for each in ("1", "t", "T", "TRUE", "True", "true")),
        *((devices("a", "b", log_raw=each), "held", "") for each in ("0", "f", "F", "FALSE", "False", "false", "")),
        ({"a/": {"type": "file", "options": None}, "b/": {"type": "file"}}, "held", ""),
    ],
)
def test_audit_devices(there: dict[str, t.Any], state: str, says: str) -> None:
    vault = PaperVault()
    vault.kept["sys/audit"] = there
    with paper_setup(vault) as setup:
        audit = setup.judge(WANTED)[0]
    assert (audit.state, says in audit.why, bool(audit.why)) == (state, True, bool(says))


@pytest.mark.parametrize("shown", ["plaintext", "batch_results", "hmac"])
def test_an_audit_log_that_shows_what_was_opened(shown: str) -> None:
    vault = PaperVault()
    vault.kept["sys/mounts"]["transit/"] = {"type": "transit", "config": {"audit_non_hmac_response_keys": [shown, "a"]}}
    with paper_setup(vault) as setup:
        assert states(setup.judge(WANTED))["mount"] == "refused"


@pytest.mark.parametrize("half", ["request", "response"])
@pytest.mark.parametrize("shown", ["secret_id", "jwt", "password"])
def test_an_audit_log_that_shows_what_lets_somebody_in(half: str, shown: str) -> None:
    vault = PaperVault()
    field = f"audit_non_hmac_{half}_keys"
    vault.kept["sys/auth"]["approle/"] = {"type": "approle", "config": {field: ["role_id", shown]}}
    with paper_setup(vault) as setup:
        (outcome,) = (one for one in setup.judge(WANTED) if one.name == "auth approle")
        assert (outcome.state, outcome.before) == ("refused", {field: [shown]})
        assert f"-audit-non-hmac-{half}-keys= approle" in outcome.remedy
        vault.kept["sys/auth"]["approle/"]["config"] = {field: ["role_id"]}
        assert "auth approle" not in states(setup.judge(WANTED))


@pytest.mark.parametrize(
    ("method", "segment"), [("approle", "role"), ("jwt", "role"), ("cert", "certs"), ("userpass", "users")]
)
def test_a_way_in_at_a_mount_that_nobody_declares_any_more(method: str, segment: str) -> None:
    vault = PaperVault()
    with paper_setup(vault) as setup:
        setup.hold(WANTED)
        vault.kept["sys/auth"]["team/old/"] = {"type": method}
        assert states(setup.judge(WANTED)) == {}
        vault.kept[f"auth/team/old/{segment}/holdfast-prod-operator"] = {}
        for found in (setup.judge(WANTED), setup.hold(WANTED), setup.judge(dataclasses.replace(WANTED, logins=()))):
            (stray,) = (one for one in found if one.state == "undeclared" and "team/old" in one.remedy)
            assert (stray.name, stray.why) == ("login operator", "it is at team/old and not declared")
            assert stray.remedy.endswith(f"vault delete auth/team/old/{segment}/holdfast-prod-operator")


def test_a_mount_whose_ways_in_may_not_be_listed_is_not_compared() -> None:
    vault = PaperVault()
    vault.kept["sys/auth"] |= {"old/": {"type": "cert"}, "other/": {"type": "github"}}
    vault.forbids.add("auth/old/certs")
    with paper_setup(vault) as setup:
        setup.hold(WANTED)
        found = setup.judge(WANTED)
    assert states(found) == {"logins at old": "not compared"}
    assert "auth/old/certs" in found[-1].remedy


@pytest.mark.parametrize("at", ["sys/mounts", "sys/auth"])
def test_a_path_that_is_taken(at: str) -> None:
    vault = PaperVault()
    vault.kept[at] |= {"transit/": {"type": "kv"}, "approle/": {"type": "userpass"}}
    with paper_setup(vault) as setup:
        found = states(setup.judge(WANTED))
    assert found["mount" if at == "sys/mounts" else "auth approle"] == "refused"


def test_jwt_is_not_mounted_here() -> None:
    wanted = dataclasses.replace(WANTED, logins=(Login("broker", "jwt", "jwt", 600, 600, bound_subject="awx"),))
    with paper_setup(PaperVault()) as setup:
        assert states(setup.judge(wanted))["auth jwt"] == "refused"


# keys


def rooted() -> Root:
    public = SignKey(sign.key_id(SIGNER), "point", sign.ALGORITHM, SIGNER, NOW, NOW)
    keys = PublicKeys(
        sign=(public, dataclasses.replace(public, use="record")),
        wrap=(ClassYearKey("d0030", 2026, RSA_OAEP_SHA256, PUBLIC),),
        escrow=(),
        digest=(DigestKey(f"{1:016x}", HMAC_SHA256),),
    )
    return Root("id", "prod", 1, None, NOW, {}, keys, (), ())


def keyed(**more: t.Any) -> PaperVault:
    """A Vault that has the keys of the root, and what else is said of each."""
    vault = PaperVault()
    signs = {"keys": {"1": {"public_key": base64.b64encode(SIGNER).decode()}}}
    for what in ("point", "record"):
        vault.key(what, "ed25519", **{**signs, **more.get(what, {})})
    vault.key("digest", "hmac", **{"keys": {}, **more.get("digest", {})})
    vault.key("d0030-2026", "rsa-3072", **{"keys": {"1": {"public_key": PEM}}, **more.get("d0030_2026", {})})
    return vault


def keys(vault: PaperVault, *, root: bool = True, destroyed: tuple[str, ...] = (), hold: bool = False) -> list[Outcome]:
    with paper_setup(vault) as setup:
        return setup.keys(["d0030-2026"], [rooted()] if root else None, destroyed, hold=hold)


def test_keys_as_they_should_be_are_one() -> None:
    (held,) = keys(keyed())
    assert (held.name, held.state, held.after) == ("keys", "held", {"keys": 4})


@pytest.mark.parametrize("trait", ["exportable", "allow_plaintext_backup", "imported_key", "derived"])
def test_a_key_that_can_be_copied(trait: str) -> None:
    found = keys(keyed(point={trait: True}), hold=True)
    (refused,) = (one for one in found if one.state != "held")
    assert (refused.name, refused.state) == ("key point", "refused")
    assert trait in refused.why


@pytest.mark.parametrize("what", ["point", "digest", "d0030-2026"])
def test_a_key_of_another_type(what: str) -> None:
    found = states(keys(keyed(**{what.replace("-", "_"): {"type": "aes256-gcm96"}})))
    assert found == {f"key {what}": "refused"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("deletion_allowed", True),
        ("auto_rotate_period", 3600),
        ("min_decryption_version", 2),
        ("min_encryption_version", 2),
    ],
)
def test_what_somebody_set_on_a_key_is_set_back(field: str, value: t.Any) -> None:
    vault = keyed(d0030_2026={field: value})
    assert states(keys(vault)) == {"key d0030-2026": "differs"}
    assert vault.written == []
    assert states(keys(vault, hold=True)) == {"key d0030-2026": "changed"}
    assert vault.written == [f"{MOUNT}/keys/holdfast-prod--d0030-2026/config"]
    assert states(keys(vault)) == {}
    # neither made nor rotated
    assert len(vault.written) == 1


def test_versions_that_no_root_names() -> None:
    added = {str(n): {"public_key": base64.b64encode(raw).decode()} for n, raw in ((1, SIGNER), (2, LATER))}
    vault = keyed(point={"keys": added, "latest_version": 2}, digest={"latest_version": 2})
    assert states(keys(vault)) == {"key point": "undeclared", "key digest": "undeclared"}
    assert states(keys(vault, root=False)) == {}


def test_a_key_that_is_another_one_or_gone() -> None:
    another = keyed(d0030_2026={"keys": {"1": {"public_key": "none"}}})
    assert [one.state for one in keys(another) if one.state != "held"] == ["undeclared", "missing"]
    gone = keyed()
    del gone.kept[f"{MOUNT}/keys/holdfast-prod--d0030-2026"]
    assert states(keys(gone)) == {"key d0030-2026": "missing"}
    assert states(keys(gone, root=False)) == {"keys to make": "missing"}
    for root in (True, False):
        assert states(keys(gone, root=root, destroyed=("d0030-2026",))) == {}


def test_keys_that_are_to_be_made_are_counted() -> None:
    (unmade,) = keys(PaperVault(), root=False)
    assert (unmade.name, unmade.before) == ("keys to make", {"keys": 4})
    assert "point, record, digest and 1 more" in unmade.why


@pytest.mark.parametrize("latest", [None, "2", -1, 10**12])
def test_what_vault_says_of_versions_is_not_believed(latest: t.Any) -> None:
    assert states(keys(keyed(digest={"latest_version": latest}))).keys() <= {"key digest"}


ODD: list[t.Any] = [None, [], "x", 7, True, {"keys": 7}, {"keys": {"x": 1, "9" * 5000: {}}}, {"type": ["x"]}]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("within", [False, True])
def test_nothing_but_errors_of_the_collection_comes_of_what_vault_says(odd: t.Any, within: bool) -> None:
    """Whatever is under each path, or in each field of it."""
    vault = keyed()
    with paper_setup(vault) as setup:
        setup.hold(WANTED)
    whole = dict(vault.kept)
    for path, kept in whole.items():
        vault.kept[path] = {**dict.fromkeys(kept, odd), "config": odd} if within else odd
        with contextlib.suppress(HoldfastError), paper_setup(vault) as setup:
            setup.judge(WANTED)
            setup.keys(["d0030-2026"], [rooted()], hold=False)
            setup.role_id(LOGIN)
        vault.kept[path] = kept
