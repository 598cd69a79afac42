# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository's place in Vault: mount, policies, ways in, keys; read, judged, and brought to what is asked of it.

Everything is read before anything is written, and what was written is read back. Keys are looked at, and none is made,
rotated or destroyed here: the owner's run makes them, for the root that names them.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import ipaddress
import re
import typing as t
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..errors import FormatError, KeyMissingError, KeyringError, PolicyError
from ..model.keys import own_prefix
from ..model.logins import IDENTITIES, Login
from ..model.root import Root
from ..model.setting import (
    CHANGED,
    DIFFERS,
    HELD,
    MISSING,
    NOT_COMPARED,
    NOT_KEPT,
    REFUSED,
    UNDECLARED,
    Outcome,
)
from . import oaep, sign
from .base import HMAC_SHA256, RSA_OAEP_SHA256
from .vault import DIGEST_TYPE, SIGN_TYPE, WRAP_TYPE

if t.TYPE_CHECKING:
    from .vault_client import Answer, VaultClient

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_VERSION = re.compile(r"[0-9]{1,9}")
_SEGMENTS: Mapping[str, str] = {"approle": "role", "jwt": "role", "cert": "certs", "userpass": "users"}
# of a key of Transit; who has set one of the first can have taken the key away, and no server takes that back
_COPYABLE = ("exportable", "allow_plaintext_backup", "imported_key", "derived")
_SETTLED: Mapping[str, t.Any] = {
    "deletion_allowed": False,
    "auto_rotate_period": 0,
    "min_decryption_version": 1,
    "min_encryption_version": 0,
}
# answers of Transit that hold a secret: what was opened, and the HMAC that digests are keyed from
_SECRET_ANSWERS = frozenset({"plaintext", "batch_results", "hmac"})
# of a request or an answer of an auth method: what lets somebody in
_SECRET_LOGINS = frozenset({"secret_id", "jwt", "password"})
# what Vault reads as false, of whatever it takes for a bool
_FALSE = frozenset({"", "0", "f", "false"})
_NETWORKS = frozenset({"token_bound_cidrs", "secret_id_bound_cidrs"})
_SIGNERS = ("point", "record")
_FEW = 3
# of one key; more are not looked at
_MOST_VERSIONS = 10_000
_RESTORERS = "restorer"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a repository's place in Vault should be.

    :param policies: the text of each identity's, in HCL; of who has none, nothing.
    :param access_ttl: for how many seconds at most the broker may give out the restorer's rights.
    :param access_cidrs: from where these may be used; empty for anywhere.
    """

    policies: Mapping[str, str]
    logins: tuple[Login, ...]
    access_ttl: int
    access_cidrs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Entry:
    """One thing that Vault has under a path, and the fields that it should have.

    :param write: where it is written, if not where it is read.
    :param sent: how it is sent, where that is not as it is read.
    :param absent: what to say where it is not there and cannot be made here.
    """

    name: str
    path: str
    wanted: Mapping[str, t.Any]
    write: str = ""
    sent: Mapping[str, t.Any] | None = None
    absent: Outcome | None = None


class VaultSetup:
    """A repository's place in one Vault, for an administrator of it.

    :param mount: where Transit is, or is to be, mounted.
    :raises PolicyError: no repository has such a name, or Vault would take it for another's.
    """

    def __init__(self, client: VaultClient, *, repository: str, mount: str) -> None:
        if not _NAME.fullmatch(repository) or not own_prefix(repository):
            raise PolicyError(
                f"a repository whose keyring is in Vault cannot be called {repository!r}",
                item="holdfast_repository.name",
                remedy="Use small letters, digits, dots, underscores and single hyphens, and no hyphen at the end",
            )
        self._client = client
        self._repository = repository
        self.mount = mount

    @property
    def location(self) -> str:
        """The server and the mount, for people."""
        return f"{self._client.location} {self.mount}"

    def of(self, identity: str) -> str:
        """The name of all that is an identity's: its policy, its way in."""
        return f"holdfast-{self._repository}-{identity}"

    def judge(self, wanted: Wanted) -> list[Outcome]:
        """How each setting stands; nothing is written.

        :raises KeyringError: Vault does not show it, or lets this administrator see too little.
        """
        mounts, auths = self._list("sys/mounts", "show its mounts"), self._list("sys/auth", "show its auth methods")
        found = [self._audit(), self._transit(mounts)]
        found += self._methods(wanted, auths)
        found += [_judged(entry, self._look(entry.path)) for entry in self._entries(wanted)]
        found += self._strays(wanted, auths)
        return found

    def hold(self, wanted: Wanted) -> list[Outcome]:
        """Bring each setting to what is asked, and read it back.

        :raises KeyringError: as :meth:`judge`, or Vault does not take what it is told.
        """
        mounts, auths = self._list("sys/mounts", "show its mounts"), self._list("sys/auth", "show its auth methods")
        found = [self._audit(), self._held_mount(self._transit(mounts), "sys/mounts", self.mount, "transit")]
        for outcome, login in zip(self._methods(wanted, auths), _mounts(wanted), strict=True):
            found.append(self._held_mount(outcome, "sys/auth", login.mount_point, login.auth_method))
        found += [self._held(entry) for entry in self._entries(wanted)]
        found += self._strays(wanted, auths)
        return found

    def role_id(self, login: Login) -> str:
        """What a login is known by: of AppRole the role id, which is no secret; else its name.

        Empty where it is not there yet.
        """
        if login.auth_method != "approle":
            return self.of(login.identity)
        data = self._look(f"{self._way(login)}/role-id")
        return str(data.get("role_id", "")) if data else ""

    def keys(
        self, expected: Iterable[str], links: Sequence[Root] | None, destroyed: Collection[str] = (), *, hold: bool
    ) -> list[Outcome]:
        """How the keys stand, those that are as they should be as one.

        :param expected: the ids of class-years that should be there, whether or not a root names them.
        :param links: the repository's root links, newest last, which name what keys there are; None where it is not
            known what they say.
        :param destroyed: the ids of class-years that people have had destroyed: nobody misses them.
        :param hold: set back what can be set back.
        """
        prefix = f"holdfast-{self._repository}--"
        there = [name.removeprefix(prefix) for name in self._names(f"{self.mount}/keys") if name.startswith(prefix)]
        known = _Known.of(links)
        found, held = [], 0
        for what in there:
            outcomes = self._key(f"{prefix}{what}", what, known, hold=hold)
            held += not outcomes
            found += outcomes
        wanted = dict.fromkeys([*_SIGNERS, "digest", *expected])
        gone = [what for what in known.names if what not in there and what not in destroyed]
        unmade = [what for what in wanted if what not in (*there, *gone, *destroyed)]
        found += [_gone(what) for what in gone]
        if unmade:
            found.append(_unmade(unmade))
        if held or not found:
            found.insert(0, Outcome("keys", HELD, after={"keys": held}))
        return found

    def _key(self, name: str, what: str, known: _Known, *, hold: bool) -> list[Outcome]:
        """What is not as it should be of one key."""
        at = f"{self.mount}/keys/{name}"
        data = self._look(at)
        if data is None:
            raise self._failed(f"show key {name}", None)
        kind = SIGN_TYPE if what in _SIGNERS else DIGEST_TYPE if what == "digest" else WRAP_TYPE
        label = f"key {what}"
        if data.get("type") != kind:
            return [
                Outcome(
                    label,
                    REFUSED,
                    {"type": data.get("type")},
                    {"type": kind},
                    "it is of another type",
                    "Find out who made it, and use another mount",
                )
            ]
        copyable = [trait for trait in _COPYABLE if data.get(trait)]
        found = []
        if copyable:
            found.append(
                Outcome(
                    label,
                    REFUSED,
                    dict.fromkeys(copyable, True),
                    dict.fromkeys(copyable, False),
                    f"it can have left Vault: {', '.join(copyable)}",
                    "Find out who did that; Vault never takes it back. Seal under other keys from now on: "
                    "docs/guide_vault.md, Drift",
                )
            )
        # a policy that allows these values alone can name numbers only as texts
        sent = {field: value if value is False else str(value) for field, value in _SETTLED.items()}
        entry = _Entry(label, at, _SETTLED, write=f"{at}/config", sent=sent)
        settled = self._held(entry) if hold else _judged(entry, data)
        if settled.state == HELD:
            return found + known.compared(label, what, data)
        found.append(settled)
        # what was retired is not shown until it is set back
        return found + known.compared(label, what, (self._look(at) if hold else None) or data)

    # parts

    def _audit(self) -> Outcome:
        devices = self._list("sys/audit", "show its audit devices")
        names = sorted(name.strip("/") for name in devices)
        shown = {"devices": names}
        raw = [name for name in names if _option(devices, name, "log_raw") not in _FALSE]
        if not names:
            return Outcome(
                "audit",
                REFUSED,
                shown,
                why="Vault has no audit device, so nothing would say who used a key",
                remedy="Enable two: vault audit enable -path=file file file_path=/var/log/vault/audit.log",
            )
        if raw:
            return Outcome(
                "audit",
                REFUSED,
                shown,
                why=f"{', '.join(raw)} writes secrets down as they are (log_raw)",
                remedy="Disable it, enable it without log_raw, and see who has read its file",
            )
        if len(names) == 1:
            return Outcome(
                "audit",
                HELD,
                shown,
                why="one audit device; Vault refuses everything when it takes nothing",
                remedy="Enable a second one, on another disk or host",
            )
        return Outcome("audit", HELD, shown)

    def _transit(self, mounts: Mapping[str, t.Any]) -> Outcome:
        outcome = _mounted("mount", mounts, self.mount, "transit", "Set engine_mount_point to a path that is free")
        shown = _in_clear(mounts, self.mount, "response", _SECRET_ANSWERS)
        if outcome.state == HELD and shown:
            return Outcome(
                "mount",
                REFUSED,
                {"audit_non_hmac_response_keys": shown},
                {"audit_non_hmac_response_keys": []},
                f"its audit log has {', '.join(shown)} as they are",
                f"Take them away: vault secrets tune -audit-non-hmac-response-keys= {self.mount}; see who has read it",
            )
        return outcome

    def _methods(self, wanted: Wanted, auths: Mapping[str, t.Any]) -> list[Outcome]:
        """The auth methods that ways in need, each mount once."""
        found = []
        for login in _mounts(wanted):
            outcome = _mounted(
                f"auth {login.mount_point}", auths, login.mount_point, login.auth_method, "Give another mount_point"
            )
            if outcome.state == DIFFERS and login.auth_method == "jwt":
                outcome = Outcome(
                    outcome.name,
                    REFUSED,
                    why="it is not mounted, and whose JWTs it believes is for you to say",
                    remedy=f"vault auth enable -path={login.mount_point} jwt, and vault write "
                    f"auth/{login.mount_point}/config with the issuer's keys",
                )
            found.append(outcome if outcome.state != HELD else _audited(outcome, auths, login.mount_point))
        return found

    def _entries(self, wanted: Wanted) -> list[_Entry]:
        """All that is read and written in one way: policies, ways in, the broker's token role."""
        found = [
            _Entry(f"policy {identity}", f"sys/policies/acl/{self.of(identity)}", {"policy": text})
            for identity, text in wanted.policies.items()
            if text
        ]
        found += [self._login(login) for login in wanted.logins]
        role = self.of(_RESTORERS)
        found.append(
            _Entry(
                "access restorer",
                f"auth/token/roles/{role}",
                {
                    "allowed_policies": [role],
                    "allowed_policies_glob": [],
                    "disallowed_policies": [],
                    "disallowed_policies_glob": [],
                    "allowed_entity_aliases": [],
                    "orphan": True,
                    "renewable": False,
                    "path_suffix": "",
                    "token_explicit_max_ttl": wanted.access_ttl,
                    "token_period": 0,
                    "token_bound_cidrs": list(wanted.access_cidrs),
                    "token_no_default_policy": True,
                    # a batch token has no accessor to end it by
                    "token_type": "service",
                },
            )
        )
        return found

    def _login(self, login: Login) -> _Entry:
        name = self.of(login.identity)
        wanted: dict[str, t.Any] = {
            "token_policies": [name],
            "token_ttl": login.token_ttl,
            "token_max_ttl": login.token_max_ttl,
            "token_explicit_max_ttl": 0,
            # with a period a token lasts for ever
            "token_period": 0,
            "token_num_uses": 0,
            "token_bound_cidrs": list(login.token_bound_cidrs),
            "token_no_default_policy": False,
            "token_type": "default",
        }
        absent = None
        label = f"login {login.identity}"
        if login.auth_method == "approle":
            wanted |= {
                "bind_secret_id": True,
                "secret_id_ttl": login.secret_id_ttl,
                "secret_id_num_uses": login.secret_id_num_uses,
                "secret_id_bound_cidrs": list(login.secret_id_bound_cidrs),
            }
        elif login.auth_method == "jwt":
            wanted |= {
                "role_type": "jwt",
                "user_claim": login.user_claim,
                "bound_audiences": list(login.bound_audiences),
                "bound_subject": login.bound_subject,
                "bound_claims": dict(login.bound_claims),
                "bound_claims_type": "string",
            }
        elif login.auth_method == "cert":
            wanted |= {"certificate": login.certificate, "allowed_common_names": list(login.allowed_common_names)}
        else:
            absent = Outcome(
                label,
                MISSING,
                why="nobody has given this user a password",
                remedy=f"vault write {self._way(login)} password=-, and run this again",
            )
        return _Entry(label, self._way(login), wanted, absent=absent)

    def _way(self, login: Login) -> str:
        return f"auth/{login.mount_point}/{_SEGMENTS[login.auth_method]}/{self.of(login.identity)}"

    def _strays(self, wanted: Wanted, auths: Mapping[str, t.Any]) -> list[Outcome]:
        """What has this repository's names and is not declared: a way in that was left, a policy that somebody made."""
        there = self._names("sys/policies/acl")
        found = [
            _stray(f"policy {identity}", "there", f"vault policy delete {self.of(identity)}")
            for identity, text in wanted.policies.items()
            if not text and self.of(identity) in there
        ]
        # also where no way in is declared any more
        for path, told in auths.items():
            segment = _SEGMENTS.get(str(told.get("type")))
            if segment is not None:
                found += self._stray_logins(wanted, path.strip("/"), segment)
        return found

    def _stray_logins(self, wanted: Wanted, mount: str, segment: str) -> list[Outcome]:
        """Ways in at one auth method that are not declared."""
        at = f"auth/{mount}/{segment}"
        declared = [login.identity for login in wanted.logins if login.mount_point == mount]
        try:
            there = self._names(at)
        except KeyMissingError:
            why, remedy = "its ways in may not be listed", f'Give the administrator "list" of {at}, or look yourself'
            return [Outcome(f"logins at {mount}", NOT_COMPARED, why=why, remedy=remedy)]
        return [
            _stray(f"login {identity}", f"at {mount}", f"vault delete {at}/{self.of(identity)}")
            for identity in IDENTITIES
            if identity not in declared and self.of(identity) in there
        ]

    # calls

    def _held(self, entry: _Entry) -> Outcome:
        before = _judged(entry, self._look(entry.path))
        if before.state != DIFFERS:
            return before
        doing = f"set {entry.name}"
        answer = self._client.ask("post", entry.write or entry.path, dict(entry.sent or entry.wanted), doing=doing)
        if not answer.ok:
            raise self._failed(doing, answer)
        return _kept(before, _judged(entry, self._look(entry.path)))

    def _held_mount(self, before: Outcome, at: str, path: str, kind: str) -> Outcome:
        if before.state != DIFFERS:
            return before
        doing = f"mount {kind} at {path}"
        answer = self._client.ask("post", f"{at}/{path}", {"type": kind}, doing=doing)
        # mounted twice at once it is there: what is there is read back
        if not answer.ok and answer.status != 400:
            raise self._failed(doing, answer)
        return _kept(before, _mounted(before.name, self._list(at, doing), path, kind, ""))

    def _look(self, path: str) -> Mapping[str, t.Any] | None:
        """What is at a path; None where nothing is, or what it is below is not mounted yet."""
        answer = self._client.ask("get", path, doing=f"show {path}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise self._failed(f"show {path}", answer)
        return answer.data

    def _names(self, path: str) -> list[str]:
        answer = self._client.ask("list", path, doing=f"list {path}")
        if answer.status == 404:
            return []
        names = answer.data.get("keys")
        if not answer.ok or not isinstance(names, list):
            raise self._failed(f"list {path}", answer)
        return [str(name) for name in names]

    def _list(self, path: str, doing: str) -> Mapping[str, t.Any]:
        answer = self._client.ask("get", path, doing=doing)
        if not answer.ok:
            raise self._failed(doing, answer)
        return {path: told for path, told in answer.data.items() if path.endswith("/") and isinstance(told, Mapping)}

    def _failed(self, doing: str, answer: Answer | None) -> KeyringError:
        status = f" ({answer.status})" if answer else ""
        return KeyringError(
            f"cannot {doing}: Vault does not take the call{status}",
            item=self.location,
            remedy="Look into its audit log; of the servers docs/guide_vault.md says which are known",
        )


class _Known:
    """What the root links of a repository say of its keys.

    :param versions: by key, what every link has named: a signing key's id, a public half, a digest key's id.
    :param newest: the same of the newest link alone.
    """

    def __init__(self, versions: Mapping[str, frozenset[str]], newest: Mapping[str, frozenset[str]]) -> None:
        self._versions = versions
        self._newest = newest

    @classmethod
    def of(cls, links: Sequence[Root] | None) -> _Known:
        """Read root links; of none nothing is known."""
        every = [key for link in links or () for key in _named_by(link)]
        return cls(_sets(every), _sets(_named_by(links[-1]) if links else []))

    @property
    def names(self) -> Iterable[str]:
        """The keys that should be there."""
        return self._newest

    def compared(self, label: str, what: str, data: Mapping[str, t.Any]) -> list[Outcome]:
        """Where a key's versions are not those that the root has named."""
        if not self._versions:
            return []
        there = _versions(what, data)
        named = self._versions.get(what, frozenset())
        found = []
        strangers = [version for version, public in there.items() if public not in named]
        if strangers:
            found.append(
                Outcome(
                    label,
                    UNDECLARED,
                    {"versions": strangers},
                    why=f"no root names version {', '.join(map(str, strangers))}, so it is not used: it was rotated in "
                    "Vault, or people have not signed it yet",
                    remedy="Rotate by repository rotate=[…] alone",
                )
            )
        retired = data.get("min_decryption_version") != _SETTLED["min_decryption_version"]
        if what in self._newest and not retired and not self._newest[what].intersection(there.values()):
            found.append(
                Outcome(
                    label,
                    MISSING,
                    why="it is not the key that the root names: that one was destroyed, or this is another Vault",
                    remedy="See docs/runbooks/keyring_lost.md; escrow opens what was sealed under it",
                )
            )
        return found


def _named_by(link: Root) -> list[tuple[str, str]]:
    """The keys in Vault that a root link names, each by what it is and by what tells its versions apart."""
    found = [(key.use, key.id) for key in link.keys.sign]
    found += [(key.id, key.public) for key in link.keys.wrap if key.scheme == RSA_OAEP_SHA256]
    return found + [("digest", key.id) for key in link.keys.digest if key.scheme == HMAC_SHA256]


def _sets(named: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for what, name in named:
        found.setdefault(what, set()).add(name)
    return {what: frozenset(names) for what, names in found.items()}


def _versions(what: str, data: Mapping[str, t.Any]) -> dict[int, str]:
    """A key's versions, each as a root names it."""
    if what == "digest":
        # of these it does not always show each
        latest = data.get("latest_version")
        most = min(latest, _MOST_VERSIONS) if isinstance(latest, int) else 0
        return {number: f"{number:016x}" for number in range(1, most + 1)}
    told = data.get("keys")
    publics = {
        int(version): one.get("public_key")
        for version, one in (told.items() if isinstance(told, Mapping) else ())
        if _VERSION.fullmatch(str(version)) and isinstance(one, Mapping)
    }
    return {number: _named(what, str(public)) for number, public in publics.items()}


def _named(what: str, public: str) -> str:
    """How a root names a public key; empty where it is none."""
    try:
        if what in _SIGNERS:
            return sign.key_id(base64.b64decode(public, validate=True))
        return oaep.public_of_pem(public)
    except (FormatError, ValueError, binascii.Error):
        return ""


def _judged(entry: _Entry, data: Mapping[str, t.Any] | None) -> Outcome:
    if data is None:
        return entry.absent or Outcome(entry.name, DIFFERS, None, _shown(entry.wanted))
    before = {field: _plain(field, data.get(field)) for field in entry.wanted}
    after = {field: _plain(field, value) for field, value in entry.wanted.items()}
    moved = [field for field in entry.wanted if before[field] != after[field]]
    if not moved:
        return Outcome(entry.name, HELD)
    return Outcome(
        entry.name,
        DIFFERS,
        _shown({field: before[field] for field in moved}),
        _shown({field: after[field] for field in moved}),
        why=f"{', '.join(moved)} {'is' if len(moved) == 1 else 'are'} not as declared",
        remedy="Find out who changed it",
    )


def _kept(before: Outcome, now: Outcome) -> Outcome:
    """What became of a setting that was written, by how it stands now."""
    if now.state == HELD:
        return dataclasses.replace(before, state=CHANGED)
    return dataclasses.replace(
        before,
        state=NOT_KEPT,
        why="Vault said that it did it, and it is not so",
        remedy="Look who else sets it, and of the servers docs/guide_vault.md says which are known",
    )


def _mounted(name: str, mounts: Mapping[str, t.Any], path: str, kind: str, remedy: str) -> Outcome:
    there = mounts.get(f"{path}/")
    if there is None:
        return Outcome(name, DIFFERS, None, {"path": path, "type": kind})
    if there.get("type") != kind:
        return Outcome(
            name,
            REFUSED,
            {"path": path, "type": there.get("type")},
            {"path": path, "type": kind},
            f"at {path} something of another type is mounted, {there.get('type')}",
            remedy,
        )
    return Outcome(name, HELD)


def _in_clear(mounts: Mapping[str, t.Any], path: str, half: str, secrets: Collection[str]) -> list[str]:
    """Which secrets of requests or responses at a mount the audit log has as they are."""
    config = mounts.get(f"{path}/", {}).get("config")
    told = config.get(f"audit_non_hmac_{half}_keys") if isinstance(config, Mapping) else None
    return sorted(set(secrets).intersection(map(str, _listed(told))))


def _audited(held: Outcome, auths: Mapping[str, t.Any], path: str) -> Outcome:
    """An auth method as it is, or refused where the audit log has what lets somebody in."""
    shown = {half: _in_clear(auths, path, half, _SECRET_LOGINS) for half in ("request", "response")}
    before = {f"audit_non_hmac_{half}_keys": names for half, names in shown.items() if names}
    if not before:
        return held
    return Outcome(
        held.name,
        REFUSED,
        before,
        {field: [] for field in before},
        f"its audit log has {', '.join(sorted({name for names in before.values() for name in names}))} in clear",
        "Take them away: vault auth tune "
        + " ".join(f"-{field.replace('_', '-')}=" for field in before)
        + f" {path}; see who has read it, and give everybody new ones",
    )


def _mounts(wanted: Wanted) -> list[Login]:
    """The first login at each mount."""
    return list({login.mount_point: login for login in reversed(wanted.logins)}.values())[::-1]


def _stray(name: str, where: str, command: str) -> Outcome:
    return Outcome(
        name, UNDECLARED, why=f"it is {where} and not declared", remedy=f"Declare it, or take it away: {command}"
    )


def _gone(what: str) -> Outcome:
    return Outcome(
        f"key {what}",
        MISSING,
        why="the root names it, and Vault does not have it: it was destroyed, or this is another Vault",
        remedy="See docs/runbooks/keyring_lost.md; escrow opens what was sealed under it",
    )


def _unmade(names: Sequence[str]) -> Outcome:
    shown = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
    return Outcome(
        "keys to make",
        MISSING,
        {"keys": len(names)},
        why=f"not made yet: {shown}",
        remedy="The repository's owner makes them, by repository state=present",
    )


def _option(devices: Mapping[str, t.Any], name: str, option: str) -> str:
    options = devices[f"{name}/"].get("options")
    return str(options.get(option, "")).lower() if isinstance(options, Mapping) else ""


def _plain(field: str, value: t.Any) -> t.Any:
    """A value as it is compared: Vault says null of an empty list, and leaves the mask of an address out."""
    if field in _NETWORKS:
        return sorted(str(_network(one)) for one in _listed(value))
    if isinstance(value, (list, tuple)):
        return sorted(map(str, value))
    if isinstance(value, str):
        return value.strip()
    return [] if value is None else value


def _listed(value: t.Any) -> Sequence[t.Any]:
    """A list that Vault gave; what is none is one that nothing is like."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def _network(text: t.Any) -> t.Any:
    try:
        return ipaddress.ip_network(str(text))
    except ValueError:
        return text


def _shown(fields: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Fields as people see them: of a certificate its SHA-256."""
    shown = dict(fields)
    if "certificate" in shown:
        digest = hashlib.sha256(str(shown["certificate"]).strip().encode()).hexdigest()
        shown["certificate"] = f"sha256:{digest}"
    return shown
