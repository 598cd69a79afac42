# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as policies of Vault, for the keys of one repository in one Transit engine.

The rules are those of docs/guide_vault.md: ``update`` and never ``create`` or ``delete``; two hyphens end the
repository's name, so that no policy reaches the keys of another one.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Iterator, Mapping

from ..errors import PolicyError
from ..model.keys import own_prefix
from . import matrix

# what a token may be asked for that is made by the role: not its own id, nor another kind of token
_ASKED = ("display_name", "explicit_max_ttl", "meta", "no_default_policy", "num_uses", "policies", "renewable", "ttl")
_NEEDED = ("explicit_max_ttl", "meta")
_TYPES = ("rsa-3072", "ed25519", "hmac")
_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


@dataclasses.dataclass(frozen=True)
class _Rule:
    path: str
    capabilities: tuple[str, ...]
    why: str
    parameters: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    required: tuple[str, ...] = ()


def name(identity: str, repository: str) -> str:
    """What the policy of an identity is called in Vault.

    :raises PolicyError: there is no such identity, or a repository of that name cannot have its keys in Vault.
    """
    matrix.require(identity)
    _require_repository(repository)
    return f"holdfast-{repository}-{identity}"


def token_role(repository: str) -> str:
    """What the token role is called by which the broker makes tokens of the restorer.

    :raises PolicyError: a repository of that name cannot have its keys in Vault.
    """
    return name("restorer", repository)


def policy(identity: str, *, repository: str, mount: str = "transit") -> str:
    """The policy of an identity, in HCL.

    :param mount: where Transit is mounted.
    :raises PolicyError: there is no such identity, a repository of that name cannot have its keys in Vault, or there
        can be no such mount.
    """
    matrix.require(identity)
    _require_repository(repository)
    engine = mount.strip("/") if isinstance(mount, str) else ""
    if not _MOUNT.fullmatch(engine):
        raise PolicyError("this is no path of Vault", item="engine_mount_point", remedy="Name where Transit is mounted")
    rules = list(_rules(identity, f"holdfast-{repository}--", engine, repository))
    if not rules:
        return f"# The {identity} has no right in Vault.\n"
    return "".join(map(_spoken, rules))


def _require_repository(repository: str) -> None:
    usable = isinstance(repository, str) and _REPOSITORY.fullmatch(repository)
    if not usable or not own_prefix(repository):
        raise PolicyError(
            "a repository whose keyring is in Vault cannot be called so",
            item=repr(repository)[:80],
            remedy="Use small letters, digits, dots, underscores and single hyphens, and none at the end",
        )


def _rules(identity: str, keys: str, mount: str, repository: str) -> Iterator[_Rule]:
    rights = matrix.load()
    for named in rights.names(identity, "hmac"):
        yield _Rule(f"{mount}/hmac/{keys}{named}/sha2-256", ("update",), "the run's digest key")
    yield from _key_rules(rights, identity, f"{mount}/keys/{keys}")
    for named in rights.names(identity, "decrypt"):
        yield _Rule(f"{mount}/decrypt/{keys}{named}", ("update",), "what was wrapped, for a restore")
    for named in rights.names(identity, "sign"):
        why = "the first link of the root" if identity == "owner" else f"signatures of {named}s"
        yield _Rule(f"{mount}/sign/{keys}{named}", ("update",), why)
    done = {one.right for one in rights.of(identity, "keyring")}
    if "give" in done:
        asked: dict[str, tuple[str, ...]] = dict.fromkeys(_ASKED, ())
        why = "the restorer's rights, by the token role of that name; each token ends by itself and says what for"
        yield _Rule(f"auth/token/create/{token_role(repository)}", ("update",), why, asked, _NEEDED)
    if "end" in done:
        yield _Rule("auth/token/revoke-accessor", ("update",), "an end before its time")
        yield _Rule("auth/token/lookup-accessor", ("update",), "whether it lasts")


def _key_rules(rights: matrix.Matrix, identity: str, keys: str) -> Iterator[_Rule]:
    looks, makes = rights.names(identity, "look"), rights.names(identity, "make")
    if makes:
        told: dict[str, tuple[str, ...]] = {"type": _TYPES, "key_size": ()}
        why = "nothing else: not deletion_allowed, exportable, allow_plaintext_backup, and no key from elsewhere"
        yield _Rule(f"{keys}*", ("read", "update"), why, told)
        why = "where one person has several parts, the operator's path is closer than the one above"
        yield _Rule(f"{keys}point", ("read", "update"), why, {"type": ("ed25519",)})
    elif "*" in looks:
        yield _Rule(f"{keys}*", ("read",), "public keys, and how they are set")
    else:
        for named in looks:
            yield _Rule(f"{keys}{named}", ("read",), "its public half")


def _spoken(rule: _Rule) -> str:
    capabilities = f"capabilities = {_list(rule.capabilities)}"
    if not rule.parameters:
        return f'# {rule.why}\npath "{rule.path}" {{ {capabilities} }}\n'
    lines = [f"# {rule.why}", f'path "{rule.path}" {{', f"  {capabilities}"]
    told = (f"    {_quoted(key)} = {_list(values)}" for key, values in rule.parameters.items())
    lines += ["  allowed_parameters = {", *told, "  }"]
    if rule.required:
        lines.append(f"  required_parameters = {_list(rule.required)}")
    return "\n".join((*lines, "}", ""))


def _list(values: t.Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _quoted(text: str) -> str:
    return f'"{text}"'
