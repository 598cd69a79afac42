# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a simulated world is made of: a store that expires objects, controllers' ways to it, a keyring without chance.

Everything here gives the same bytes for the same seed, so that a history can be told again. Encryption is the one part
that is only played: what is kept how long does not depend on it, and real age files are never twice the same.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import heapq
import json
import random
import secrets
import typing as t
from collections.abc import Collection, Iterator, Mapping, Sequence
from unittest import mock

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import UnavailableError, WrongKeyError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people, sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import (
    AGE_X25519,
    HKDF_SHA256,
    ClassYear,
    Keyring,
    Renewal,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant, keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    Signature,
    SignKey,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import (
    SK_ED25519,
    Authenticator,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.faults import FaultyStore
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Clock
from cryptography.hazmat.primitives.asymmetric import ed25519

NEVER = dt.datetime(9000, 1, 1, tzinfo=dt.timezone.utc)


class Killed(BaseException):
    """The process is gone, as by SIGKILL: nothing of the library may catch this."""


class ExpiringStore(MemoryStore):
    """A store in memory with the lifecycle rules of its repository: what is past its lock and grace is removed.

    :param classes: those of the root. Points, bodies and records go by the longest; root links stay.
    """

    def __init__(self, clock: Clock, classes: Mapping[str, RetentionClass]) -> None:
        super().__init__(now=clock)
        self._classes = classes
        self._longest = max(kept.days for kept in classes.values())
        self._ends: list[tuple[dt.datetime, str, str]] = []
        # of all names that were put
        self.trace = hashlib.sha256()
        # statements put since somebody last looked
        self.statements: list[str] = []

    def expire(self) -> list[str]:
        """Remove what is due, as a lifecycle run does once a day; returns the names that lost a version."""
        now = self._clock()
        lost = []
        while self._ends and self._ends[0][0] < now:
            _end, name, version = heapq.heappop(self._ends)
            left = [found for found in self._versions[name] if found.listed.version != version]
            if left:
                self._versions[name] = left
            else:
                del self._versions[name]
            lost.append(name)
        return lost

    def held(self, name: str) -> list[tuple[bytes, dt.datetime]]:
        """The bytes and the lock of each version of *name* that is there."""
        found = self._versions.get(name, [])
        return [(each.data, each.listed.lock_until) for each in found if each.listed.lock_until is not None]

    def under(self, prefix: str) -> list[str]:
        """The names that start with *prefix*."""
        return [name for name in self._versions if name.startswith(prefix)]

    def _add(self, name: str, data: bytes, *, lock_until: dt.datetime | None, marker: bool) -> str:
        version = super()._add(name, data, lock_until=lock_until, marker=marker)
        self.trace.update(name.encode())
        room, _slash, rest = name.partition("/")
        if room == "points" and lock_until is not None:
            self.statements.append(name)
        if lock_until is not None and room != "root":
            known = self._classes.get(rest.partition("/")[0]) if room in ("packs", "manifests") else None
            end = keep.expiry(lock_until, known.days if known else self._longest)
            heapq.heappush(self._ends, (end, name, version))
        return version


class Wire(FaultyStore):
    """One run's way to the store: it can be cut, and the process at its end can be killed at a put.

    :param skew: by how much the controller's own clock is wrong.
    """

    def __init__(self, inner: ExpiringStore, skew: dt.timedelta) -> None:
        super().__init__(inner, before=self._pass, after=self._die)
        self.skew = skew
        self.cut = False
        self._dies_on: tuple[str, ...] = ()
        self._dies_after = 0

    def kill(self, *prefixes: str, after: int) -> None:
        """Let the process die right after so many more puts of names that start with one of *prefixes*."""
        self._dies_on, self._dies_after = prefixes, after

    def _pass(self, number: int, operation: str, name: str) -> None:
        if self.cut:
            raise UnavailableError("the store is not reached", item=name, remedy="Wait until it is.")

    def _die(self, number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith(self._dies_on or "-"):
            self._dies_after -= 1
            if self._dies_after <= 0:
                raise Killed


class PlainKeyring(Keyring):
    """Keys that follow from a seed. Both halves are here."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._made = 0
        self._known = PublicKeys((), (), (), ())
        self._private: dict[str, ed25519.Ed25519PrivateKey] = {}
        self._identities: dict[str, str] = {}

    def create(
        self, *, repository: str, classes: Sequence[str], first_year: int, years: int = 10, now: dt.datetime
    ) -> PublicKeys:
        class_years = [(name, year, "") for name in classes for year in range(first_year, first_year + years)]
        renewal = Renewal(("point", "record", "digest"), class_years, class_years)
        return self.renew(PublicKeys((), (), (), ()), renewal, repository=repository, now=now)

    def made(self, *, repository: str) -> PublicKeys:
        return self._known

    def renew(self, named: PublicKeys, renewal: Renewal, *, repository: str, now: dt.datetime) -> PublicKeys:
        uses = renewal.uses
        self._made += 1
        new = PublicKeys(
            sign=tuple(self._sign_key(use, now) for use in ("point", "record") if use in uses),
            wrap=tuple(self._class_year(each) for each in renewal.wrap),
            escrow=tuple(self._class_year(each) for each in renewal.escrow),
            digest=(DigestKey(self._derived("digest").hex()[:16], HKDF_SHA256),) if "digest" in uses else (),
        )
        self._known = _joined(self._known, new)
        return _joined(named, new)

    def _derived(self, what: str) -> bytes:
        return hashlib.sha256(f"{self._seed} {self._made} {what}".encode()).digest()

    def _sign_key(self, use: str, now: dt.datetime) -> SignKey:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(self._derived(use))
        public = private.public_key().public_bytes_raw()
        key = SignKey(sign.key_id(public), use, sign.ALGORITHM, public, now, now + dt.timedelta(days=3653))
        self._private[key.id] = private
        return key

    def _class_year(self, wanted: ClassYear) -> ClassYearKey:
        secret = self._derived(" ".join(map(str, wanted))).hex()
        public = _recipient(secret)
        self._identities[public] = secret
        return ClassYearKey(wanted[0], wanted[1], AGE_X25519, public, wanted[2])

    def signer(self, *, use: str, among: Collection[str]) -> str:
        fitting = [key.id for key in self._known.sign if key.use == use and key.id in among]
        if not fitting:
            raise WrongKeyError(f"no {use} key here may sign", remedy="Take the right keyring.")
        return fitting[-1]

    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        return Signature(key_id, self._private[key_id].sign(pae))

    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        return hashlib.sha256(f"{self._seed} {key.id} {repository}".encode()).digest()

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        return age.decrypt(wrapped, [self._identities[key.public]]).decode()

    def destroy(self, key: ClassYearKey) -> bool:
        return self._identities.pop(key.public, None) is not None

    def holds(self, key: ClassYearKey) -> bool:
        return key.public in self._identities


def _joined(one: PublicKeys, other: PublicKeys) -> PublicKeys:
    return PublicKeys(
        one.sign + other.sign, one.wrap + other.wrap, one.escrow + other.escrow, one.digest + other.digest
    )


class Staff:
    """The people of the root, each with a FIDO2 key: two of them retire a host or sign the next link."""

    def __init__(self) -> None:
        self._keys = {name: Authenticator(SK_ED25519, seed=place) for place, name in enumerate(("ada", "ben"), 1)}

    @property
    def people(self) -> tuple[Person, ...]:
        since = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
        return tuple(Person(name, (), people.canonical_key(key.line), since, NEVER) for name, key in self._keys.items())

    @property
    def quorum(self) -> tuple[Quorum, ...]:
        return tuple(Quorum(operation, len(self._keys), (), "touch") for operation in ("root", "retired"))

    def signed(self, message: bytes) -> list[str]:
        """The armoured signature of each of them."""
        return [people.armoured(key.sign(message)) for key in self._keys.values()]


def _recipient(secret: str) -> str:
    return "age1" + hashlib.sha256(secret.encode()).hexdigest()


def _played_encrypt(data: bytes, recipients: Sequence[str]) -> bytes:
    return json.dumps(list(recipients)).encode() + b"\n" + data


def _played_decrypt(data: bytes, identities: Sequence[str]) -> bytes:
    head, _newline, sealed = data.partition(b"\n")
    if not {_recipient(secret) for secret in identities} & set(json.loads(head)):
        raise WrongKeyError("none of the identities at hand opens this", remedy="Take the right one.")
    return sealed


T = t.TypeVar("T")


def _once(read: t.Callable[..., T]) -> t.Callable[..., T]:
    """A pure reader of bytes that judges the same bytes once."""
    known: dict[bytes, T] = {}

    @functools.wraps(read)
    def reader(data: bytes, *, what: str) -> T:
        if data not in known:
            known[data] = read(data, what=what)
        return known[data]

    return reader


@contextlib.contextmanager
def without_chance(seed: str) -> Iterator[None]:
    """Take all chance but *seed* out of the library for a while, and let it read the same bytes once only."""
    chance = random.Random(seed)

    def token_hex(size: int = 32) -> str:
        return chance.randbytes(size).hex()

    def generate() -> tuple[str, str]:
        secret = token_hex()
        return secret, _recipient(secret)

    with contextlib.ExitStack() as stack:
        for owner, name, played in (
            (secrets, "token_hex", token_hex),
            (age, "generate", generate),
            (age, "encrypt", _played_encrypt),
            (age, "decrypt", _played_decrypt),
            (age, "recipient_of", _recipient),
            (sign, "verify", functools.lru_cache(None)(sign.verify)),
            (names, "parse", functools.lru_cache(None)(names.parse)),
            (instant, "to_text", functools.lru_cache(None)(instant.to_text)),
            (instant, "from_text", functools.lru_cache(None)(instant.from_text)),
            (statement_format, "read", _once(statement_format.read)),
            (body_format, "read", _once(body_format.read)),
            (root_format, "read", _once(root_format.read)),
        ):
            stack.enter_context(mock.patch.object(owner, name, played))
        yield
