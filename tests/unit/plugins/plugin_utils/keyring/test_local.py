# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import signal
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    KeyMissingError,
    KeyringError,
    PolicyError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import Keyring, sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Renewal, derive, wrap
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest

from .conformance import NOW, REPOSITORY, DestructionConformance, Halves, KeyringConformance, ids

SECRET = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.MULTILINE)


class TestLocalKeyring(KeyringConformance, DestructionConformance):
    @pytest.fixture
    def halves(self, tmp_path: Path) -> Halves:
        def alone(half: str) -> LocalKeyring:
            shutil.copytree(tmp_path / "all" / half, tmp_path / half / half, dirs_exist_ok=True)
            return LocalKeyring(tmp_path / half)

        everything = tmp_path / "all"
        return Halves(LocalKeyring(everything), lambda: alone("seal"), lambda: alone("open"), everything / "escrow")

    @pytest.fixture
    def destroyer(self, tmp_path: Path) -> Callable[[], Keyring]:
        """Whoever can write the open half."""
        return lambda: LocalKeyring(tmp_path / "all")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def create(path: Path, *classes: str, years: int = 2) -> PublicKeys:
    return LocalKeyring(path).create(repository=REPOSITORY, classes=classes, first_year=2026, years=years, now=NOW)


def renew(path: Path, named: PublicKeys, *uses: str, **more: t.Any) -> PublicKeys:
    """Add keys to those that a root has named."""
    now = more.pop("now", NOW)
    renewal = Renewal(**{"uses": uses, "spent": ids(named), **more})
    return LocalKeyring(path).renew(named, renewal, repository=REPOSITORY, now=now)


EVERYTHING: dict[str, t.Any] = {"wrap": [("d0030", 2026, "b")], "escrow": [("d0030", 2026, "b")]}
USES = ("point", "record", "digest")


def secrets_in(folder: Path) -> list[str]:
    return SECRET.findall((folder / "identities.txt").read_text())


def files(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


# -- what lies where


def test_the_folders_hold_what_they_are_named_for(path: Path) -> None:
    keys = create(path, "d0030")
    point, record = keys.sign
    assert list(files(path)) == [
        "escrow/README.txt",
        "escrow/identities.txt",
        "open/identities.txt",
        "open/keyring.json",
        f"open/record-{record.id}.pem",
        f"seal/digest-{keys.digest[0].id}.key",
        "seal/keyring.json",
        f"seal/point-{point.id}.pem",
    ]
    for each in (path, *path.rglob("*")):
        assert each.stat().st_mode & 0o7777 == (0o700 if each.is_dir() else 0o600)


def test_the_seal_half_holds_no_identity(path: Path) -> None:
    create(path, "d0030", "d0400")
    kept = b"".join(data for name, data in files(path).items() if name.startswith("seal/"))
    assert b"AGE-SECRET-KEY" not in kept.upper()
    for secret in secrets_in(path / "open") + secrets_in(path / "escrow"):
        assert secret[16:].encode() not in kept.upper()


def test_identity_files_name_each_key(path: Path) -> None:
    keys = create(path, "d0030")
    for folder, listed in (("open", keys.wrap), ("escrow", keys.escrow)):
        lines = (path / folder / "identities.txt").read_text().splitlines()
        assert lines[::2] == [f"# {key.id} {key.public}" for key in listed]
        assert [age.recipient_of(secret) for secret in lines[1::2]] == [key.public for key in listed]


def test_the_escrow_guide_names_the_repository_and_the_commands(path: Path) -> None:
    create(path, "d0030")
    guide = (path / "escrow" / "README.txt").read_text()
    assert REPOSITORY in guide
    assert "age -d -i identities.txt" in guide


def test_the_digest_key_is_derived_from_the_file(path: Path) -> None:
    (key,) = create(path, "d0030").digest
    secret = bytes.fromhex((path / "seal" / f"digest-{key.id}.key").read_text())
    assert len(secret) == 32
    expected = derive(secret, b"holdfast repository digest v1\0" + REPOSITORY.encode())
    assert LocalKeyring(path).digest_key(key, repository=REPOSITORY) == expected


def test_an_escrow_identity_does_not_unwrap(path: Path) -> None:
    key = create(path, "d0030").wrap[0]
    with pytest.raises(WrongKeyError):
        age.decrypt(wrap(key, age.generate()[0]), secrets_in(path / "escrow"))


# -- halves


def test_the_seal_half_alone_says_what_is_missing_and_where(path: Path) -> None:
    keys = create(path, "d0030")
    shutil.rmtree(path / "open")
    keyring = LocalKeyring(path)
    assert sign_with_newest(keyring, b"pae", use="point").key_id == keys.sign[0].id
    assert len(keyring.digest_key(keys.digest[0], repository=REPOSITORY)) == 32
    for call in (
        lambda: keyring.unwrap(keys.wrap[0], wrap(keys.wrap[0], age.generate()[0])),
        lambda: sign_with_newest(keyring, b"pae", use="record"),
    ):
        with pytest.raises(KeyMissingError, match="open half") as caught:
            call()
        assert caught.value.item == str(path / "open")


def test_the_open_half_alone_says_what_is_missing_and_where(path: Path) -> None:
    keys = create(path, "d0030")
    shutil.rmtree(path / "seal")
    keyring = LocalKeyring(path)
    secret = age.generate()[0]
    assert keyring.unwrap(keys.wrap[1], wrap(keys.wrap[1], secret)) == secret
    assert sign_with_newest(keyring, b"pae", use="record").key_id == keys.sign[1].id
    for call in (
        lambda: sign_with_newest(keyring, b"pae", use="point"),
        lambda: keyring.digest_key(keys.digest[0], repository=REPOSITORY),
    ):
        with pytest.raises(KeyMissingError, match="seal half") as caught:
            call()
        assert caught.value.item == str(path / "seal")


@pytest.mark.parametrize("half", ["seal", "open"])
def test_one_half_knows_the_keys_and_adds_none(path: Path, half: str) -> None:
    keys = create(path, "d0030")
    shutil.rmtree(path / half)
    before = files(path)
    assert create(path, "d0030") == keys
    with pytest.raises(KeyMissingError, match=f"{half}/ is not here"):
        create(path, "d0030", "d0400")
    assert files(path) == before


def test_halves_of_two_keyrings_are_refused(path: Path, tmp_path: Path) -> None:
    create(path, "d0030")
    create(tmp_path / "other", "d0030")
    shutil.rmtree(path / "open")
    shutil.copytree(tmp_path / "other" / "open", path / "open")
    with pytest.raises(KeyringError, match="two different keyrings"):
        create(path, "d0030")


def test_escrow_keys_that_were_moved_away_stay_away(path: Path, tmp_path: Path) -> None:
    first = create(path, "d0030")
    (path / "escrow").rename(tmp_path / "safe")
    assert create(path, "d0030") == first
    assert not (path / "escrow").exists()
    more = create(path, "d0030", "d0400")
    assert more.escrow[:2] == first.escrow
    assert [age.recipient_of(s) for s in secrets_in(path / "escrow")] == [key.public for key in more.escrow[2:]]


def test_lines_of_an_identity_file_are_kept_as_they_are(path: Path) -> None:
    create(path, "d0030")
    identities = path / "open" / "identities.txt"
    merged = identities.read_bytes() + b"\n# merged from the old machine\n" + age.generate()[0].encode()
    identities.write_bytes(merged)
    keys = create(path, "d0030", "d0400")
    assert identities.read_bytes().startswith(merged + b"\n")
    secret = age.generate()[0]
    for key in keys.wrap:
        assert LocalKeyring(path).unwrap(key, wrap(key, secret)) == secret


def test_a_destroyed_class_year_stays_destroyed(path: Path) -> None:
    key, other = create(path, "d0030").wrap
    identities = path / "open" / "identities.txt"
    identities.write_text("".join(identities.read_text().splitlines(keepends=True)[2:]))
    create(path, "d0030")
    with pytest.raises(KeyMissingError) as caught:
        LocalKeyring(path).unwrap(key, wrap(key, age.generate()[0]))
    assert caught.value.item == "d0030-2026"
    assert str(identities) in str(caught.value)
    assert LocalKeyring(path).unwrap(other, wrap(other, secrets_in(path / "open")[0]))


def test_an_identity_is_destroyed_with_its_comment_and_the_others_stay_as_they_are(path: Path) -> None:
    key, _other = create(path, "d0030").wrap
    file = path / "open" / "identities.txt"
    before = file.read_text().splitlines()
    file.write_text("# of prod\n\n" + "\n".join(before))
    seal, escrow = files(path / "seal"), files(path / "escrow")
    assert LocalKeyring(path).destroy(key)
    assert file.read_text().splitlines() == ["# of prod", "", *before[2:]]
    assert (file.stat().st_mode & 0o777, files(path / "seal"), files(path / "escrow")) == (0o600, seal, escrow)
    # nothing makes it anew
    create(path, "d0030")
    assert not LocalKeyring(path).holds(key)


def test_a_key_is_destroyed_where_the_open_half_is(path: Path) -> None:
    key = create(path, "d0030").wrap[0]
    shutil.rmtree(path / "open")
    for call in (LocalKeyring(path).destroy, LocalKeyring(path).holds):
        with pytest.raises(KeyMissingError, match="the open half of the keyring is not here"):
            call(key)


def test_an_identity_of_the_same_name_and_another_key(path: Path, tmp_path: Path) -> None:
    create(path, "d0030")
    foreign = create(tmp_path / "other", "d0030").wrap[0]
    with pytest.raises(WrongKeyError, match="of another key"):
        LocalKeyring(path).unwrap(foreign, wrap(foreign, age.generate()[0]))


@pytest.mark.parametrize("name", ["", "D0030", "d 30", "d\nAGE", "../d", "d" * 33, "-d"])
def test_names_that_no_class_has(path: Path, name: str) -> None:
    with pytest.raises(PolicyError, match="class name"):
        create(path, "d0030", name)
    assert not path.exists()


# -- renewed


def test_renewed_keys_lie_beside_the_others(path: Path) -> None:
    first = create(path, "d0030")
    before = files(path)
    keys = renew(path, first, *USES, **EVERYTHING)
    point, record = keys.sign[-2:]
    new = [f"open/record-{record.id}.pem", f"seal/digest-{keys.digest[-1].id}.key", f"seal/point-{point.id}.pem"]
    assert sorted(files(path).keys() - before.keys()) == new
    for name in before:
        if "-" in name:
            assert files(path)[name] == before[name]
    for half in ("open", "escrow"):
        assert (path / half / "identities.txt").read_bytes().startswith(before[f"{half}/identities.txt"])
        assert "# d0030-2026b age1" in (path / half / "identities.txt").read_text()
    for each in (path, *path.rglob("*")):
        assert each.stat().st_mode & 0o7777 == (0o700 if each.is_dir() else 0o600)


def test_escrow_keys_are_renewed_where_the_others_were_moved_away(path: Path, tmp_path: Path) -> None:
    first = create(path, "d0030")
    (path / "escrow").rename(tmp_path / "safe")
    keys = renew(path, first, "point")
    assert not (path / "escrow").exists()
    keys = renew(path, first, escrow=[("d0030", 2026, "b")])
    assert [age.recipient_of(secret) for secret in secrets_in(path / "escrow")] == [keys.escrow[-1].public]
    assert "age -d -i identities.txt" in (path / "escrow" / "README.txt").read_text()


@pytest.mark.parametrize("half", ["seal", "open"])
@pytest.mark.parametrize("use", USES)
def test_keys_are_renewed_with_both_halves_present(path: Path, half: str, use: str) -> None:
    first = create(path, "d0030")
    shutil.rmtree(path / half)
    before = files(path)
    with pytest.raises(KeyMissingError, match=f"the {half} half") as caught:
        renew(path, first, use, **EVERYTHING)
    assert caught.value.item == str(path / half)
    assert files(path) == before


def test_halves_that_were_not_made_together_are_not_renewed(path: Path, tmp_path: Path) -> None:
    first = create(path, "d0030")
    create(tmp_path / "other", "d0030")
    shutil.rmtree(path / "open")
    shutil.copytree(tmp_path / "other" / "open", path / "open")
    with pytest.raises(KeyringError, match="two different keyrings"):
        renew(path, first, "point")


@pytest.mark.parametrize(("half", "uses"), [("seal", ("point", "digest")), ("open", ("record",))])
def test_a_half_that_is_lost_is_made_anew_once_nothing_of_it_is_needed(
    path: Path, half: str, uses: tuple[str, ...]
) -> None:
    first = create(path, "d0030")
    shutil.rmtree(path / half)
    lost = (
        ids(first)
        - {key.id for key in first.sign if key.use not in uses}
        - (set() if "digest" in uses else {key.id for key in first.digest})
    )
    for some in (set(), set(list(lost)[1:])):
        with pytest.raises(KeyMissingError):
            renew(path, first, *uses, removed=some)
        assert not (path / half).exists()
    keys = renew(path, first, *uses, removed=lost)
    # a thief of the half may have what nobody has signed yet
    again = renew(path, first, *uses, removed=lost)
    assert not (ids(again) - ids(first)) & ids(keys)
    keys = again
    for use in uses:
        if use == "digest":
            assert LocalKeyring(path).digest_key(keys.digest[-1], repository=REPOSITORY)
        else:
            assert sign_with_newest(LocalKeyring(path), b"pae", use=use).key_id == keys.sign[-1].id


def test_a_signing_key_keeps_the_days_that_it_was_published_with(path: Path) -> None:
    first = create(path, "d0030")
    renew(path, first, "point")
    published = (path / "seal" / "keyring.json").read_bytes()
    renew(path, first, "point", now=NOW + dt.timedelta(days=30))
    assert (path / "seal" / "keyring.json").read_bytes() == published


def test_two_renewals_at_once_are_refused(path: Path) -> None:
    first = create(path, "d0030")
    with PrivateFolder(path).locked(), pytest.raises(KeyringError, match="another process"):
        renew(path, first, "point")


def test_a_keyring_that_is_not_there_is_not_renewed(path: Path, tmp_path: Path) -> None:
    first = create(path, "d0030")
    with pytest.raises(KeyringError):
        renew(tmp_path / "nowhere", first, "point")
    assert not (tmp_path / "nowhere").exists()


# -- refused and damaged


def operations(path: Path, keys: PublicKeys) -> dict[str, Callable[[], object]]:
    keyring = LocalKeyring(path)
    wrapped = wrap(keys.wrap[0], age.generate()[0])
    return {
        "point": lambda: sign_with_newest(keyring, b"pae", use="point"),
        "record": lambda: sign_with_newest(keyring, b"pae", use="record"),
        "digest": lambda: keyring.digest_key(keys.digest[0], repository=REPOSITORY),
        "unwrap": lambda: keyring.unwrap(keys.wrap[0], wrapped),
        "create": lambda: create(path, "d0030", "d0400"),
    }


GUARDED = [
    ("point", "seal"), ("point", "seal/keyring.json"), ("point", "seal/point-*.pem"),
    ("digest", "seal"), ("digest", "seal/digest-*.key"),
    ("record", "open"), ("record", "open/keyring.json"), ("record", "open/record-*.pem"),
    ("unwrap", "open"), ("unwrap", "open/identities.txt"),
    ("create", "."), ("create", "seal"), ("create", "open"), ("create", "escrow"), ("create", "escrow/identities.txt"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "where"), GUARDED)
@pytest.mark.parametrize("bits", [0o040, 0o002])
def test_what_others_may_read_or_write_is_refused(path: Path, operation: str, where: str, bits: int) -> None:
    keys = create(path, "d0030")
    (open_to_others,) = path.glob(where) if where != "." else [path]
    open_to_others.chmod(open_to_others.stat().st_mode | bits)
    with pytest.raises(KeyringError, match="others") as caught:
        operations(path, keys)[operation]()
    assert caught.value.item == str(open_to_others)
    assert caught.value.remedy


FILES = [(operation, where) for operation, where in GUARDED if Path(where).suffix]
PRIVATE_FILES = [(operation, where) for operation, where in FILES if not where.endswith("keyring.json")]


@pytest.mark.parametrize(("operation", "where"), PRIVATE_FILES)
def test_damaged_private_files_are_refused_and_not_shown(path: Path, operation: str, where: str) -> None:
    keys = create(path, "d0030")
    (victim,) = path.glob(where)
    content = victim.read_bytes()
    for damaged in (content[:-40], b"\xff" + content[1:], content.replace(b"\n", b"\xff\n")):
        victim.write_bytes(damaged)
        with pytest.raises(KeyringError) as caught:
            operations(path, keys)[operation]()
        error: BaseException | None = caught.value
        while error:
            shown = f"{error} {error!r}"
            assert not any(content[at : at + 20].decode() in shown for at in range(len(content) - 20))
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize(("operation", "where"), FILES)
def test_files_that_are_gone(path: Path, operation: str, where: str) -> None:
    keys = create(path, "d0030")
    (victim,) = path.glob(where)
    victim.unlink()
    if operation == "create":
        assert create(path, "d0030", "d0400").escrow[:2] == keys.escrow
    else:
        with pytest.raises(KeyMissingError) as caught:
            operations(path, keys)[operation]()
        assert caught.value.item == str(victim)


def test_no_repr_holds_a_secret(path: Path) -> None:
    keyring = LocalKeyring(path)
    keys = create(path, "d0030")
    keyring.unwrap(keys.wrap[0], wrap(keys.wrap[0], age.generate()[0]))
    shown = f"{keyring!r} {keyring} {vars(keyring)} {keys!r}"
    for secret in secrets_in(path / "open") + secrets_in(path / "escrow"):
        assert secret[16:40] not in shown
    assert (path / "seal" / f"digest-{keys.digest[0].id}.key").read_text()[:16] not in shown


def test_two_creates_at_once_are_refused(path: Path) -> None:
    create(path, "d0030")
    with PrivateFolder(path).locked(), pytest.raises(KeyringError, match="another process"):
        create(path, "d0030")


# -- killed at any step


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run *action* in a child that dies by SIGKILL around its n-th change to the disk; False if it had fewer."""
    child = os.fork()
    if child == 0:
        left = step

        def deadly(function: t.Any) -> t.Any:
            def call(*args: t.Any, **options: t.Any) -> t.Any:
                tick()
                result = function(*args, **options)
                tick()
                return result

            return call

        def tick() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        for name in ("mkdir", "fsync", "rename", "link", "unlink"):
            setattr(os, name, deadly(getattr(os, name)))
        try:
            action()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def published_in(path: Path) -> set[str]:
    found = [half / "keyring.json" for half in (path / "seal", path / "open")]
    return {key for each in found if each.exists() for key in re.findall(r"age1[0-9a-z]+", each.read_text())}


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process leaves what it wrote, durable or not."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.mark.usefixtures("no_waiting_for_the_disk")
@pytest.mark.parametrize("earlier", [(), ("d0030",)], ids=["first create", "adding a class"])
def test_a_killed_create_is_completed_with_the_keys_it_made(tmp_path: Path, earlier: tuple[str, ...]) -> None:
    step = 0
    while True:
        path = tmp_path / str(step)
        before = create(path, *earlier) if earlier else None
        if not killed_at(step, lambda path=path: create(path, "d0030", "d0400")):  # type: ignore[misc]
            break
        if before:
            # the keyring still works as it did
            assert sign_with_newest(LocalKeyring(path), b"pae", use="point").key_id == before.sign[0].id
        believed = published_in(path)
        made = [s for each in path.glob("*/identities.txt") for s in SECRET.findall(each.read_text())]
        private = {str(p.relative_to(path)) for p in path.glob("*/*-*.*")}

        keys = create(path, "d0030", "d0400")

        names = {key.public for key in (*keys.wrap, *keys.escrow)}
        assert believed | {age.recipient_of(secret) for secret in made} <= names
        assert private <= set(files(path))
        assert sorted(re.sub("[0-9a-f]{16}", "ID", name) for name in files(path)) == [
            "escrow/README.txt", "escrow/identities.txt", "open/identities.txt", "open/keyring.json",
            "open/record-ID.pem", "seal/digest-ID.key", "seal/keyring.json", "seal/point-ID.pem",
        ]  # fmt: skip
        assert (path / "seal/keyring.json").read_bytes() == (path / "open/keyring.json").read_bytes()
        assert {age.recipient_of(secret) for secret in secrets_in(path / "escrow")} == {
            key.public for key in keys.escrow
        }
        for use, key in zip(("point", "record"), keys.sign, strict=True):
            sign.verify(key.public, b"pae", sign_with_newest(LocalKeyring(path), b"pae", use=use).signature)
        assert LocalKeyring(path).digest_key(keys.digest[0], repository=REPOSITORY)
        secret = age.generate()[0]
        for wrapping in keys.wrap:
            assert LocalKeyring(path).unwrap(wrapping, wrap(wrapping, secret)) == secret
        assert create(path, "d0030", "d0400") == keys
        step += 1
    assert step > 30


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_a_killed_renewal_is_completed_with_the_keys_it_made(tmp_path: Path) -> None:
    first = create(tmp_path / "before", "d0030")
    step = 0
    while True:
        path = tmp_path / str(step)
        shutil.copytree(tmp_path / "before", path)

        def renewing(path: Path = path) -> PublicKeys:
            return renew(path, first, *USES, **EVERYTHING)

        if not killed_at(step, renewing):
            break
        # who backs up and who restores go on meanwhile, with the keys that the root names
        keyring = LocalKeyring(path)
        for key in first.sign:
            assert keyring.signer(use=key.use, among=ids(first)) == key.id
            sign.verify(key.public, b"pae", keyring.sign(b"pae", use=key.use, key_id=key.id).signature)
        assert keyring.digest_key(first.digest[0], repository=REPOSITORY)
        private = {str(p.relative_to(path)) for p in path.glob("*/*-*.*")}
        made = [s for each in path.glob("*/identities.txt") for s in SECRET.findall(each.read_text())]

        keys = renewing()

        # nothing was made twice
        assert private <= set(files(path))
        assert len([name for name in files(path) if "-" in name]) == 6
        assert {age.recipient_of(secret) for secret in made} <= {key.public for key in (*keys.wrap, *keys.escrow)}
        assert (path / "seal/keyring.json").read_bytes() == (path / "open/keyring.json").read_bytes()
        for key in keys.sign:
            sign.verify(key.public, b"pae", keyring.sign(b"pae", use=key.use, key_id=key.id).signature)
        for digest in keys.digest:
            assert keyring.digest_key(digest, repository=REPOSITORY)
        secret = age.generate()[0]
        for wrapping in keys.wrap:
            assert keyring.unwrap(wrapping, wrap(wrapping, secret)) == secret
        assert renewing() == keys
        step += 1
    assert step > 30


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_a_killed_renewal_of_a_lost_half_is_completed(tmp_path: Path) -> None:
    first = create(tmp_path / "before", "d0030")
    shutil.rmtree(tmp_path / "before" / "seal")
    lost = {key.id for key in (*first.sign, *first.digest) if key not in first.sign[1:]}
    step = 0
    while True:
        path = tmp_path / str(step)
        shutil.copytree(tmp_path / "before", path)

        def renewing(path: Path = path) -> PublicKeys:
            return renew(path, first, "point", "digest", removed=lost)

        if not killed_at(step, renewing):
            break
        keys = renewing()
        assert sign_with_newest(LocalKeyring(path), b"pae", use="point").key_id == keys.sign[-1].id
        assert LocalKeyring(path).digest_key(keys.digest[-1], repository=REPOSITORY)
        assert len(list((path / "seal").glob("*-*"))) in (2, 3, 4)
        step += 1
    assert step > 15
