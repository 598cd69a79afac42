# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keyring/base.py promises, as tests that every kind of keyring inherits."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    UnknownVersionError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import Keyring, recipients, sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Renewal, wrap
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest

NOW = dt.datetime(2024, 2, 29, 12, 30, 15, 999, tzinfo=dt.timezone.utc)
REPOSITORY = "prod"
CLASSES = ("d0030", "d0400")


class Halves(t.NamedTuple):
    """One keyring as three people see it. Those who hold a half connect after the owner has made it.

    ``escrow`` is where the owner has escrow keys.
    """

    owner: Keyring
    sealer: Callable[[], Keyring]
    opener: Callable[[], Keyring]
    escrow: Path


def ids(keys: PublicKeys) -> set[str]:
    """Of all keys that a root takes out of use by their id."""
    return {key.id for key in (*keys.sign, *keys.digest)}


class DestructionConformance:
    """A kind of keyring whose keys are gone at once inherits this, and gives a fixture ``destroyer`` beside ``halves``.

    It connects with the rights to destroy, once the owner has made the keyring.
    """

    def test_a_destroyed_key_opens_nothing_and_the_others_do(
        self, halves: Halves, destroyer: Callable[[], Keyring]
    ) -> None:
        keys = KeyringConformance.create(halves)
        gone, *others = keys.wrap
        secret, _recipient = age.generate()
        by = destroyer()
        assert by.holds(gone)
        assert by.destroy(gone)
        for one in (by, destroyer(), halves.opener()):
            assert not one.holds(gone)
            with pytest.raises((KeyMissingError, WrongKeyError)):
                one.unwrap(gone, wrap(gone, secret))
        assert not by.destroy(gone)
        for other in others:
            assert halves.opener().holds(other)
            assert halves.opener().unwrap(other, wrap(other, secret)) == secret
        # what is public of it stays
        assert halves.owner.made(repository=REPOSITORY) == keys
        assert by.signer(use="record", among=ids(keys))

    def test_a_key_of_that_name_that_is_another_one_is_left_alone(
        self, halves: Halves, destroyer: Callable[[], Keyring]
    ) -> None:
        first, second, *_others = KeyringConformance.create(halves).wrap
        with contextlib.suppress(WrongKeyError):
            assert not destroyer().destroy(dataclasses.replace(first, public=first.public[::-1]))
        for call in (destroyer().destroy, destroyer().holds):
            with pytest.raises(UnknownVersionError):
                call(dataclasses.replace(first, scheme="rot13"))
        assert halves.opener().holds(first)
        assert halves.opener().holds(second)


class KeyringConformance:
    """A kind of keyring inherits this and gives a fixture ``halves``, of a keyring that was not made yet."""

    #: By which its signing keys sign.
    algorithm = sign.ALGORITHM

    @staticmethod
    def create(halves: Halves, *, classes: tuple[str, ...] = CLASSES, first_year: int = 2024) -> PublicKeys:
        return halves.owner.create(repository=REPOSITORY, classes=classes, first_year=first_year, years=2, now=NOW)

    def test_create_makes_every_key(self, halves: Halves) -> None:
        keys = self.create(halves)
        assert [key.use for key in keys.sign] == ["point", "record"]
        for key in keys.sign:
            assert (key.algorithm, key.id) == (self.algorithm, sign.key_id(key.public))
            assert key.not_before == NOW.replace(microsecond=0)
            assert (key.not_after - key.not_before).days // 365.25 == 10
        for listed in (keys.wrap, keys.escrow):
            assert [key.id for key in listed] == ["d0030-2024", "d0030-2025", "d0400-2024", "d0400-2025"]
        assert len({key.public for key in (*keys.wrap, *keys.escrow)}) == 8
        assert len(keys.digest) == 1

    def test_create_again_changes_nothing(self, halves: Halves) -> None:
        keys = self.create(halves)
        later = NOW + dt.timedelta(days=400)
        assert halves.owner.create(repository=REPOSITORY, classes=CLASSES, first_year=2024, years=2, now=later) == keys
        assert self.create(halves, classes=()) == keys

    def test_create_adds_classes_and_years_and_keeps_the_others(self, halves: Halves) -> None:
        first = self.create(halves)
        more = self.create(halves, classes=("d0030", "d3650"), first_year=2025)
        assert (more.sign, more.digest) == (first.sign, first.digest)
        for before, after in ((first.wrap, more.wrap), (first.escrow, more.escrow)):
            assert after[: len(before)] == before
            assert [key.id for key in after[len(before) :]] == ["d0030-2026", "d3650-2025", "d3650-2026"]
        secret, _recipient = age.generate()
        for key in more.wrap:
            assert halves.owner.unwrap(key, wrap(key, secret)) == secret

    def test_another_repository_is_refused(self, halves: Halves) -> None:
        self.create(halves)
        with pytest.raises(KeyringError, match="'prod'") as caught:
            halves.owner.create(repository="test", classes=CLASSES, first_year=2024, now=NOW)
        assert caught.value.remedy

    def test_each_half_signs_for_its_use_alone(self, halves: Halves) -> None:
        keys = self.create(halves)
        public = {key.use: key for key in keys.sign}
        for half, use, foreign in ((halves.sealer(), "point", "record"), (halves.opener(), "record", "point")):
            signature = sign_with_newest(half, b"DSSEv1 payload", use=use, among=sorted(ids(keys)))
            assert signature.key_id == public[use].id
            sign.verify(public[use].public, b"DSSEv1 payload", signature.signature, algorithm=self.algorithm)
            with pytest.raises(KeyMissingError):
                sign_with_newest(half, b"DSSEv1 payload", use=foreign, among=sorted(ids(keys)))

    def test_an_unknown_use_is_refused(self, halves: Halves) -> None:
        self.create(halves)
        with pytest.raises(KeyringError):
            sign_with_newest(halves.owner, b"DSSEv1 payload", use="root")

    def test_the_digest_key_is_the_repositorys_and_stays(self, halves: Halves) -> None:
        (key,) = self.create(halves).digest
        sealer = halves.sealer()
        secret = sealer.digest_key(key, repository=REPOSITORY)
        assert len(secret) == 32
        assert sealer.digest_key(key, repository=REPOSITORY) == secret
        with pytest.raises(WrongKeyError, match="another repository"):
            sealer.digest_key(key, repository="other")

    def test_an_unknown_digest_key_is_refused(self, halves: Halves) -> None:
        (key,) = self.create(halves).digest
        for name in ("0" * 16, "../open/record", "a\0b", ""):
            with pytest.raises(KeyMissingError):
                halves.owner.digest_key(dataclasses.replace(key, id=name), repository=REPOSITORY)
        with pytest.raises(UnknownVersionError):
            halves.owner.digest_key(dataclasses.replace(key, scheme="hkdf-sha3"), repository=REPOSITORY)

    def test_who_restores_unwraps_and_who_backs_up_does_not(self, halves: Halves) -> None:
        key = self.create(halves).wrap[0]
        secret, _recipient = age.generate()
        wrapped = wrap(key, secret)
        assert halves.opener().unwrap(key, wrapped) == secret
        with pytest.raises(KeyMissingError, match="open") as caught:
            halves.sealer().unwrap(key, wrapped)
        assert caught.value.item
        assert caught.value.remedy

    def test_wrong_key_missing_key_and_foreign_scheme_differ(self, halves: Halves) -> None:
        keys = self.create(halves)
        secret, _recipient = age.generate()
        one, two = keys.wrap[:2]
        opener = halves.opener()
        with pytest.raises(WrongKeyError):
            opener.unwrap(one, wrap(two, secret))
        with pytest.raises(KeyMissingError):
            opener.unwrap(self.absent(one), wrap(one, secret))
        with pytest.raises(UnknownVersionError):
            opener.unwrap(dataclasses.replace(one, scheme="rot13"), wrap(one, secret))

    @staticmethod
    def absent(key: ClassYearKey) -> ClassYearKey:
        return dataclasses.replace(key, year=1999, public=age.generate()[1])

    @staticmethod
    def renew(halves: Halves, named: PublicKeys, *uses: str, **more: t.Any) -> PublicKeys:
        """Add keys of these uses to *named*, which a root has named, a year later."""
        given = {"repository": REPOSITORY, "now": NOW + dt.timedelta(days=365)}
        given.update({name: more.pop(name) for name in given if name in more})
        return halves.owner.renew(named, Renewal(**{"uses": uses, "spent": ids(named), **more}), **given)

    @pytest.mark.parametrize("use", ["point", "record"])
    def test_another_signing_key_stands_after_those_that_are(self, halves: Halves, use: str) -> None:
        first = self.create(halves)
        keys = self.renew(halves, first, use)
        assert keys.sign[:-1] == first.sign
        new = keys.sign[-1]
        assert (new.use, new.id) == (use, sign.key_id(new.public))
        assert new.id not in ids(first)
        assert new.not_before == (NOW + dt.timedelta(days=365)).replace(microsecond=0)
        assert (new.not_after - new.not_before).days // 365.25 == 10
        assert (keys.digest, keys.wrap, keys.escrow) == (first.digest, first.wrap, first.escrow)

    def test_the_newest_digest_key_is_the_last(self, halves: Halves) -> None:
        """By that a root's current one is told."""
        keys = [self.create(halves)]
        for _time in range(3):
            keys.append(self.renew(halves, keys[-1], "digest"))
            assert keys[-1].digest[:-1] == keys[-2].digest
        secrets = {halves.sealer().digest_key(key, repository=REPOSITORY) for key in keys[-1].digest}
        assert len(secrets) == 4
        assert keys[-1].sign == keys[0].sign

    def test_another_series_of_a_class_and_year(self, halves: Halves) -> None:
        first = self.create(halves)
        keys = self.renew(
            halves, first, wrap=[("d0030", 2024, "b")], escrow=[("d0400", 2025, "b"), ("d0030", 2024, "c")]
        )
        assert (keys.sign, keys.digest) == (first.sign, first.digest)
        for before, after, names in (
            (first.wrap, keys.wrap, ["d0030-2024b"]),
            (first.escrow, keys.escrow, ["d0400-2025b", "d0030-2024c"]),
        ):
            assert after[: len(before)] == before
            assert [key.id for key in after[len(before) :]] == names
        assert len({key.public for key in (*keys.wrap, *keys.escrow)}) == 11
        secret, _recipient = age.generate()
        for key in keys.wrap:
            assert halves.opener().unwrap(key, wrap(key, secret)) == secret
        with pytest.raises(WrongKeyError):
            halves.opener().unwrap(keys.wrap[0], wrap(keys.wrap[-1], secret))

    def test_renewing_again_makes_no_other_keys(self, halves: Halves) -> None:
        """Until a root has named them: people may take days to sign it."""
        first = self.create(halves)
        asked: dict[str, t.Any] = {"wrap": [("d0030", 2024, "b")], "escrow": [("d0030", 2024, "b")]}
        keys = self.renew(halves, first, "point", "record", "digest", **asked)
        assert self.renew(halves, first, "point", "record", "digest", **asked) == keys
        later = self.renew(halves, first, "digest", "record", "point", **asked, now=NOW + dt.timedelta(days=400))
        assert ids(later) == ids(keys)
        assert (later.wrap, later.escrow) == (keys.wrap, keys.escrow)

    def test_a_key_that_a_root_has_named_is_never_new_again(self, halves: Halves) -> None:
        """Also where the newest root has removed it."""
        first = self.create(halves)
        second = self.renew(halves, first, "point", "record", "digest")
        removed = dataclasses.replace(
            second,
            sign=tuple(key for key in second.sign if key.id not in ids(first)),
            digest=tuple(key for key in second.digest if key.id not in ids(first)),
        )
        third = self.renew(halves, removed, "point", "record", "digest", spent=ids(second))
        assert not (ids(third) - ids(removed)) & ids(second)
        assert len(third.sign) == 4
        assert third.digest[:-1] == removed.digest

    def test_of_escrow_keys_that_were_made_offline_the_recipients_are_taken(self, halves: Halves) -> None:
        """Where one was not brought, nothing is made: neither a key of escrow nor any other."""
        names = ["d0030-2024", "d0030-2025", "d0400-2024", "d0400-2025", "d0030-2024b"]
        offline = {name: age.generate()[1] for name in names}
        for folder in (PrivateFolder(halves.escrow.parent), PrivateFolder(halves.escrow)):
            folder.make()

        def bring(*names: str) -> None:
            folder.write(recipients.FILE, recipients.completed(b"", {name: offline[name] for name in names}))

        bring(*names[1:])
        with pytest.raises(KeyMissingError, match="brought for d0030-2024, and"):
            self.create(halves)
        assert not any(dataclasses.astuple(halves.owner.made(repository=REPOSITORY)))
        assert [found.name for found in halves.escrow.parent.iterdir()] == ["escrow"]
        bring(*names[:4])
        first = self.create(halves)
        assert {key.id: key.public for key in first.escrow} == {name: offline[name] for name in names[:4]}
        spent = [key.id for key in first.sign if key.use == "point"]
        asked: dict[str, t.Any] = {"escrow": [("d0030", 2024, "b")], "removed": spent}
        with pytest.raises(KeyMissingError, match="brought for d0030-2024b, and"):
            self.renew(halves, first, "point", **asked)
        assert halves.owner.made(repository=REPOSITORY) == first
        bring(*names)
        for _again in range(2):
            assert self.renew(halves, first, "point", **asked).escrow[4:] == (
                dataclasses.replace(first.escrow[0], series="b", public=offline["d0030-2024b"]),
            )
        assert folder.names() == [recipients.FILE]

    def test_renewing_nothing_changes_nothing(self, halves: Halves) -> None:
        first = self.create(halves)
        assert self.renew(halves, first) == first

    def test_another_repositorys_keys_are_not_renewed(self, halves: Halves) -> None:
        first = self.create(halves)
        with pytest.raises(KeyringError, match="'prod'") as caught:
            self.renew(halves, first, "point", repository="test")
        assert caught.value.remedy
        assert self.create(halves) == first

    def test_create_keeps_what_was_renewed(self, halves: Halves) -> None:
        keys = self.renew(halves, self.create(halves), "point", wrap=[("d0030", 2024, "b")])
        again = self.create(halves)
        assert (ids(again), set(again.wrap)) == (ids(keys), set(keys.wrap))

    @pytest.mark.parametrize("use", ["point", "record"])
    def test_the_signer_is_the_newest_that_the_root_lets_sign(self, halves: Halves, use: str) -> None:
        first = self.create(halves)
        second = self.renew(halves, first, use)
        third = self.renew(halves, second, use, spent=ids(second))
        half = halves.sealer() if use == "point" else halves.opener()
        (a, b, c) = [key.id for key in third.sign if key.use == use]
        for among, newest in (((a, b, c), c), ((a, b), b), ((a,), a), ((c, a), c), ((b, "0" * 16), b)):
            assert half.signer(use=use, among=among) == newest
        for foreign in ((), ("0" * 16,), {key.id for key in third.sign if key.use != use}):
            with pytest.raises(WrongKeyError, match=f"no {use} key that the root lets sign") as caught:
                half.signer(use=use, among=foreign)
            assert caught.value.remedy

    @pytest.mark.parametrize("use", ["point", "record"])
    def test_each_key_signs_as_it_is_named(self, halves: Halves, use: str) -> None:
        keys = self.renew(halves, self.create(halves), use)
        half = halves.sealer() if use == "point" else halves.opener()
        for key in keys.sign:
            if key.use == use:
                signature = half.sign(b"DSSEv1 payload", use=use, key_id=key.id)
                assert signature.key_id == key.id
                sign.verify(key.public, b"DSSEv1 payload", signature.signature, algorithm=self.algorithm)
            else:
                with pytest.raises(KeyMissingError):
                    half.sign(b"DSSEv1 payload", use=use, key_id=key.id)

    @pytest.mark.parametrize("key_id", ["", "0" * 16, "../../open/record", "a/../../x", "a" * 5000, "a\0b"])
    def test_an_unknown_signing_key_is_missing(self, halves: Halves, key_id: str) -> None:
        self.create(halves)
        with pytest.raises(KeyringError):
            halves.owner.sign(b"DSSEv1 payload", use="point", key_id=key_id)

    @pytest.mark.parametrize("use", ["", "root", "digest", "Point"])
    def test_an_unknown_use_signs_nothing(self, halves: Halves, use: str) -> None:
        keys = self.create(halves)
        with pytest.raises(KeyringError):
            halves.owner.signer(use=use, among=ids(keys))
        with pytest.raises(KeyringError):
            halves.owner.sign(b"DSSEv1 payload", use=use, key_id=keys.sign[0].id)

    def test_who_backs_up_or_restores_renews_nothing(self, halves: Halves) -> None:
        keys = self.create(halves)
        for half in (halves.sealer(), halves.opener()):
            with pytest.raises(KeyMissingError):
                half.renew(keys, Renewal(uses=["point"], spent=ids(keys)), repository=REPOSITORY, now=NOW)

    def test_no_damage_of_a_wrapped_key_is_unwrapped(self, halves: Halves) -> None:
        key = self.create(halves).wrap[0]
        wrapped = wrap(key, age.generate()[0])
        opener = halves.opener()
        for position in range(len(wrapped)):
            flipped = bytearray(wrapped)
            flipped[position] ^= 0x20
            with pytest.raises((WrongKeyError, FormatError)):
                opener.unwrap(key, bytes(flipped))

    @pytest.mark.parametrize("poison", ["", "hunter2", "AGE-SECRET-KEY-1QQ", "AGE-PLUGIN-X-1QQ", "\u20ac"])
    def test_only_age_identities_are_unwrapped(self, halves: Halves, poison: str) -> None:
        key = self.create(halves).wrap[0]
        with pytest.raises(FormatError) as caught:
            halves.opener().unwrap(key, wrap(key, poison))
        assert caught.value.item == key.id

    def test_errors_hold_no_secret(self, halves: Halves) -> None:
        keys = self.create(halves)
        secret, _recipient = age.generate()
        opener = halves.opener()
        for wrapped in (
            wrap(keys.wrap[1], secret),
            wrap(keys.wrap[0], secret + "x"),
            wrap(keys.wrap[0], secret)[:-1],
        ):
            with pytest.raises(HoldfastError) as caught:
                opener.unwrap(keys.wrap[0], wrapped)
            error: BaseException | None = caught.value
            while error:
                assert secret[16:40] not in f"{error} {error!r}"
                error = error.__cause__ or error.__context__
