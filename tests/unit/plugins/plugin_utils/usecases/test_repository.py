# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a repository, and opening the one that is pinned and no other."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    HoldfastError,
    IntegrityError,
    PolicyError,
    SignatureError,
    StoreError,
    TrustError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import (
    open_repository,
    verify_signature,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import envelope_of

from .lab import NAME, START, Clock, Lab, declared

CLASSES = declared().classes
LOCK = dt.timedelta(days=4000)


def tree(path: Path) -> dict[str, bytes]:
    return {str(found): found.read_bytes() for found in path.rglob("*") if found.is_file()}


@pytest.fixture
def ring(tmp_path: Path, keys: Path) -> Path:
    """A keyring to change."""
    shutil.copytree(keys, tmp_path / "keyring")
    return tmp_path / "keyring"


def create(
    store: Store,
    keyring: LocalKeyring,
    *,
    name: str,
    classes: dict[str, RetentionClass],
    pin: str | None = None,
    check: bool = False,
) -> succession.Outcome:
    """As the module's state=present does it, without people."""
    wanted = succession.Wanted(classes)
    return succession.present(
        store, keyring, name=name, wanted=wanted, pin=pin, asking=succession.Asking(), check=check
    )


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Store:
    return MemoryStore(now=clock) if request.param == "memory" else FileStore.create(tmp_path / "store")


def test_a_repository_is_made_once(store: Store, tmp_path: Path) -> None:
    keyring = LocalKeyring(tmp_path / "keyring")
    first = create(store, keyring, name=NAME, classes=CLASSES)
    assert first.changed
    assert first.root is not None
    assert (first.root.repository, first.root.link, first.root.previous) == (NAME, 1, None)
    assert first.root.classes == CLASSES
    years = {key.year for key in first.root.keys.wrap}
    assert years == set(range(first.root.created.year, first.root.created.year + 11))
    before, objects_before = tree(tmp_path / "keyring"), [listed.name for listed in store.list()]
    for pin in (None, first.root.id):
        again = create(store, keyring, name=NAME, classes=CLASSES, pin=pin)
        assert (again.changed, again.root) == (False, first.root)
    assert tree(tmp_path / "keyring") == before
    assert [listed.name for listed in store.list()] == objects_before == [f"root/1-{first.root.id}.json"]


def test_it_opens_by_its_pin(store: Store, keys: Path) -> None:
    made = create(store, LocalKeyring(keys), name=NAME, classes=CLASSES).root
    assert made is not None
    opened = open_repository(store, pin=made.id, name=NAME)
    assert (opened.root, opened.name) == (made, NAME)
    assert opened.link == store.get(f"root/1-{made.id}.json")
    # the root outlives everything that is stored under it
    (listed,) = store.list("root/")
    assert listed.lock_until is not None
    assert listed.lock_until > made.created + dt.timedelta(days=3650 + made.longest_days)


def test_only_the_pin_decides(lab: Lab) -> None:
    root = lab.repository.root
    for pin, kind in (
        (None, PolicyError),
        ("abc", PolicyError),
        (root.id.upper(), PolicyError),
        ("0" * 64, TrustError),
    ):
        with pytest.raises(kind) as caught:
            open_repository(lab.store, pin=pin)
        assert caught.value.remedy
    with pytest.raises(TrustError, match=f"holds repository {NAME}, the inventory says other"):
        open_repository(lab.store, pin=root.id, name="other")
    with pytest.raises(TrustError, match="holds no root link"):
        open_repository(MemoryStore(now=Clock()), pin=root.id)
    with pytest.raises(PolicyError, match=r"holdfast\.config\.repository"):
        open_repository(lab.store, pin=None)


def test_create_refuses_another_repository(lab: Lab, keys: Path) -> None:
    keyring = LocalKeyring(keys)
    with pytest.raises(TrustError, match="the inventory says other"):
        create(lab.store, keyring, name="other", classes=CLASSES)
    with pytest.raises(TrustError, match="holds no root link with the pinned digest"):
        create(lab.store, keyring, name=NAME, classes=CLASSES, pin="0" * 64)
    with pytest.raises(TrustError, match="holds no root link with the pinned digest"):
        create(MemoryStore(now=Clock()), keyring, name=NAME, classes=CLASSES, pin="0" * 64)
    assert len(lab.names()) == 1


@pytest.mark.parametrize("name", ["", "Prod", "a b", "-a", "a/b", "a" * 64, "ä"])
def test_a_name_that_is_none_is_refused_before_anything_is_made(name: str, tmp_path: Path) -> None:
    store = MemoryStore(now=Clock())
    with pytest.raises(PolicyError):
        create(store, LocalKeyring(tmp_path / "keyring"), name=name, classes=CLASSES)
    assert not (tmp_path / "keyring").exists()
    assert list(store.list()) == []


def test_a_class_is_never_edited(lab: Lab, keys: Path) -> None:
    keyring = LocalKeyring(keys)
    edited = {**CLASSES, "d0030": RetentionClass("d0030", 31, "compliance")}
    with pytest.raises(PolicyError, match="d0030 is 30 days") as caught:
        create(lab.store, keyring, name=NAME, classes=edited)
    assert "never edited" in str(caught.value)
    with pytest.raises(PolicyError, match="d0007 is not in the root"):
        create(lab.store, keyring, name=NAME, classes={**CLASSES, "d0007": RetentionClass("d0007", 7, "governance")})
    fewer = {"d0030": CLASSES["d0030"]}
    assert not create(lab.store, keyring, name=NAME, classes=fewer).changed


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    inner = MemoryStore(now=Clock())
    checked = create(DryRunStore(inner), LocalKeyring(tmp_path / "k"), name=NAME, classes=CLASSES, check=True)
    assert (checked.changed, checked.root) == (True, None)
    assert list(inner.list()) == []
    assert not (tmp_path / "k").exists()


def test_check_mode_finds_what_is_there(lab: Lab, keys: Path) -> None:
    checked = create(DryRunStore(lab.store), LocalKeyring(keys), name=NAME, classes=CLASSES, check=True)
    assert (checked.changed, checked.root) == (False, lab.repository.root)


def test_interrupted_before_the_root_it_completes_with_the_same_keys(tmp_path: Path) -> None:
    class Full(MemoryStore):
        full = True

        def _put(self, name: str, stream: object, lock_until: dt.datetime) -> object:
            if self.full:
                raise OSError(28, "No space left on device")
            return super()._put(name, stream, lock_until)

    store, keyring = Full(now=Clock()), LocalKeyring(tmp_path / "k")
    with pytest.raises(StoreError) as caught:
        create(store, keyring, name=NAME, classes=CLASSES)
    assert "Make room" in str(caught.value)
    before = tree(tmp_path / "k")
    assert len(before) > 5
    store.full = False
    made = create(store, keyring, name=NAME, classes=CLASSES)
    assert made.changed
    assert tree(tmp_path / "k") == before
    assert made.root is not None
    assert open_repository(store, pin=made.root.id).root == made.root


def put_root(store: Store, data: bytes) -> str:
    return objects.put(store, names.for_root(1, data), data, lock_until=START + LOCK).name


def forged(lab: Lab, ring: Path, **changes: object) -> bytes:
    """A first link that the holder of *ring* signed."""
    draft = dataclasses.replace(lab.repository.root, **changes)
    return envelope_of(LocalKeyring(ring), root_format.PAYLOAD_TYPE, root_format.payload(draft), use="point")


def test_two_first_roots_stop_who_has_no_pin_and_nobody_else(lab: Lab, ring: Path) -> None:
    second = put_root(lab.store, forged(lab, ring, created=START - dt.timedelta(seconds=0), tips=("ab" * 32,)))
    with pytest.raises(TrustError, match="holds 2 first root links") as caught:
        create(lab.store, lab.keyring, name=NAME, classes=CLASSES)
    assert lab.repository.root.id in str(caught.value)
    assert names.parse(second).sha256 in str(caught.value)
    pin = lab.repository.root.id
    assert not create(lab.store, lab.keyring, name=NAME, classes=CLASSES, pin=pin).changed
    assert open_repository(lab.store, pin=pin).root == lab.repository.root


def test_a_root_signed_by_a_key_that_it_does_not_name_is_none(lab: Lab, other_keys: Path) -> None:
    put_root(lab.store, forged(lab, other_keys))
    assert open_repository(lab.store, pin=lab.repository.root.id).root == lab.repository.root
    assert not create(lab.store, lab.keyring, name=NAME, classes=CLASSES).changed


def garbage(_good: bytes) -> Iterator[bytes]:
    yield from (b"", b"{}", b"\xff\x00", b'{"payloadType":"x"}')


def test_garbage_beside_the_root_changes_nothing(lab: Lab) -> None:
    for data in garbage(b""):
        put_root(lab.store, data)
    name = lab.names()[0]
    lab.store.put_new("root/1-nonsense.json", io.BytesIO(b"x"), lock_until=START + LOCK)
    lab.store.put_new(f"root/1-{lab.repository.root.id}.json", io.BytesIO(b"newer"), lock_until=START + LOCK)
    assert name
    assert open_repository(lab.store, pin=lab.repository.root.id).root == lab.repository.root


def test_a_damaged_root_is_named_and_not_made_anew(keys: Path, clock: Clock) -> None:
    good = MemoryStore(now=clock)
    root = create(good, LocalKeyring(keys), name=NAME, classes=CLASSES).root
    assert root is not None
    name = f"root/1-{root.id}.json"
    damaged = MemoryStore(now=clock)
    damaged.put_new(name, io.BytesIO(good.get(name)[:-1] + b"]"), lock_until=START + LOCK)
    for attempt in (
        lambda: open_repository(damaged, pin=root.id),
        lambda: create(damaged, LocalKeyring(keys), name=NAME, classes=CLASSES, pin=root.id),
        lambda: create(damaged, LocalKeyring(keys), name=NAME, classes=CLASSES),
    ):
        with pytest.raises(IntegrityError) as caught:
            attempt()
        assert name in str(caught.value)
        assert caught.value.remedy
    assert [listed.name for listed in damaged.list()] == [name]


def test_a_marker_hides_no_root(lab: Lab) -> None:
    lab.memory.put_marker(lab.names()[0])
    assert open_repository(lab.store, pin=lab.repository.root.id).root == lab.repository.root


class TestSignature:
    """Who signed, what for, and when."""

    @pytest.fixture
    def verified(self, lab: Lab) -> Callable[..., str]:
        def verified(use: str = "point", at: dt.datetime = START, *, key: str | None = None, flip: bool = False) -> str:
            data = envelope_of(lab.keyring, "a/b", b"payload", use=key or use)
            envelope = dsse.read(data, "a/b", what="it")
            if flip:
                envelope = dataclasses.replace(envelope, payload=b"other")
            chain = lab.repository.chain
            return verify_signature(chain, chain.head.id, envelope, use=use, at=at, what="points/it").key_id

        return verified

    @pytest.mark.parametrize("use", ["point", "record"])
    def test_a_key_signs_for_its_use(self, lab: Lab, verified: Callable[..., str], use: str) -> None:
        assert verified(use) == next(key.id for key in lab.repository.root.keys.sign if key.use == use)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"key": "record"},
            {"use": "record", "key": "point"},
            {"flip": True},
            {"at": START - dt.timedelta(seconds=1)},
            {"at": START + dt.timedelta(days=3654)},
        ],
    )
    def test_anything_else_is_refused_by_name(self, verified: Callable[..., str], wrong: dict[str, object]) -> None:
        with pytest.raises(SignatureError) as caught:
            verified(**wrong)
        assert "points/it" in str(caught.value)
        assert caught.value.remedy

    def test_nobody_signed(self, lab: Lab) -> None:
        with pytest.raises(SignatureError):
            chain = lab.repository.chain
            verify_signature(chain, chain.head.id, dsse.Envelope("a/b", b"", ()), use="point", at=START, what="it")


def test_errors_are_of_the_tree(lab: Lab, tmp_path: Path) -> None:
    """What the keyring refuses comes through as it is."""
    with pytest.raises(HoldfastError, match="keyring here is that of the repository 'prod'"):
        shutil.copytree(lab.keyring._path, tmp_path / "k")
        create(MemoryStore(now=Clock()), LocalKeyring(tmp_path / "k"), name="other", classes=CLASSES)
