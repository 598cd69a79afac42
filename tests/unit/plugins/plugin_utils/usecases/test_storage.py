# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket is ready before anything is put there, and its server has proved its locks each time."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    NotLockedError,
    PolicyError,
    StoreError,
    TrustError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.storage import (
    PUBLIC_ACCESS,
    Logging,
    Replication,
    Storage,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import storage, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.storage import Ready
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.store.fake_bucket import FakeBucket

from .lab import NAME, Clock, Lab, declared

CLASSES = declared().classes
GOVERNED = {"d0007": RetentionClass("d0007", 7, "governance")}


class ProvingStore(MemoryStore):
    """Keeps what it was asked to prove, and how much it held then."""

    def __init__(self) -> None:
        super().__init__("s3://backups/of/one", now=Clock())
        self.proved: list[tuple[str, int]] = []
        self.lets_go = False

    def _probe(self) -> None:
        self.proved.append(("lock", len(list(self.list()))))
        if self.lets_go:
            raise NotLockedError("it lets go")

    def _prove_governance(self) -> None:
        self.proved.append(("governance", len(list(self.list()))))


def ready(bucket: FakeBucket, wanted: Storage, *, check: bool = False, **more: t.Any) -> Ready:
    given = {"store": MemoryStore("s3://backups/of/one", now=Clock()), "classes": CLASSES, "pin": None, **more}
    return storage.ready(bucket, given["store"], wanted, given["classes"], pin=given["pin"], check=check)


def states(found: Ready) -> dict[str, str]:
    return {one.name: one.state for one in found.outcomes}


def test_missing_bucket_is_made_and_set_up() -> None:
    bucket = FakeBucket(there=False)
    found = ready(bucket, Storage(encryption="sse-s3"))
    assert (found.made, found.changed) == (True, True)
    assert states(found) == {
        "versioning": "held",
        "object_lock": "held",
        "encryption": "changed",
        "lifecycle": "changed",
    }
    again = ready(bucket, Storage(encryption="sse-s3"))
    assert (again.made, again.changed, set(states(again).values())) == (False, False, {"held"})


def test_who_the_server_is_is_known_of_a_bucket_that_was_just_made() -> None:
    bucket = FakeBucket(there=False, server="this server")
    bucket.headers = {"x-rgw-object-count": "0"}
    switches = {name: name == "restrict_public_buckets" for name in PUBLIC_ACCESS}
    with pytest.raises(StoreError, match=r"Ceph RGW does not hold .*The bucket was made"):
        ready(bucket, Storage(public_access_block=switches))


def test_bucket_that_was_not_made_is_not_believed() -> None:
    class Forgetful(FakeBucket):
        def make(self) -> None:
            """Says yes."""

    with pytest.raises(StoreError, match="says that it has made the bucket"):
        ready(Forgetful(there=False), Storage())


def test_check_mode_makes_nothing() -> None:
    bucket = FakeBucket(there=False)
    assert ready(bucket, Storage(), check=True) == Ready(made=True, outcomes=(), missing=True)
    assert (bucket.there, bucket.written) == (False, [])
    bucket = FakeBucket().lockable()
    found = ready(bucket, Storage(), check=True)
    assert (states(found)["lifecycle"], found.changed, bucket.written) == ("differs", True, [])


@pytest.mark.parametrize("check", [False, True])
def test_what_is_known_to_be_refused_is_refused_before_anything_is_changed(check: bool) -> None:
    bucket = FakeBucket().lockable()
    bucket.refuses = {"get_bucket_logging": (501, "NotImplemented"), "get_public_access_block": (501, "NotImplemented")}
    wanted = Storage(encryption="sse-s3", logging=Logging("logs", ""), public_access_block={"block_public_acls": True})
    with pytest.raises(StoreError) as caught:
        ready(bucket, wanted, check=check)
    told = str(caught.value)
    assert "logging is refused" in told
    assert "public_access_block is refused" in told
    assert "Nothing was changed" in told
    assert bucket.written == []
    assert {one["setting"]: one["state"] for one in t.cast("t.Any", caught.value.details["storage"])} == {
        "versioning": "held",
        "object_lock": "held",
        "encryption": "differs",
        "logging": "refused",
        "public_access_block": "refused",
        "lifecycle": "differs",
    }


def test_what_is_refused_when_it_is_told_is_named_with_the_rest_and_the_rest_is_set() -> None:
    bucket = FakeBucket().lockable()
    bucket.refuses = {
        "put_bucket_encryption": (400, "InvalidArgument"),
        "put_bucket_logging": (405, "MethodNotAllowed"),
    }
    with pytest.raises(StoreError, match=r"encryption is refused .*; logging is refused .*no root was put"):
        ready(bucket, Storage(encryption="sse-s3", logging=Logging("logs", "")))
    assert "lifecycle" in bucket.set


def test_endpoint_outside_is_refused_before_anything_is_sent() -> None:
    bucket = FakeBucket(there=False)
    object.__setattr__(bucket.settings, "endpoint_url", "http://127.0.0.1:1")
    with pytest.raises(PolicyError, match="which is in none of"):
        ready(bucket, Storage(allowed_networks=("10.0.0.0/8",)))
    assert bucket.asked == []
    ready(bucket, Storage(allowed_networks=("127.0.0.0/8",)))
    assert bucket.there


@pytest.mark.parametrize(
    ("wanted", "item"),
    [
        (Storage(logging=Logging("backups", "")), r"storage\.logging\.bucket"),
        (Storage(replication=Replication("", "arn:aws:s3:::backups")), r"storage\.replication\.destination"),
    ],
)
def test_bucket_is_not_its_own_target(wanted: Storage, item: str) -> None:
    bucket = FakeBucket().lockable()
    with pytest.raises(PolicyError, match=item):
        ready(bucket, wanted)
    assert bucket.asked == []


def test_bucket_of_that_name_elsewhere_is_another_one() -> None:
    far = "arn:minio:replication::0a1b:backups"
    found = ready(FakeBucket().lockable(), Storage(replication=Replication("", far)))
    assert states(found)["replication"] == "changed"


def test_classes_that_are_no_longer_declared_have_rules(lab: Lab) -> None:
    bucket = FakeBucket().lockable()
    pin = lab.repository.root.id
    ready(bucket, Storage(), store=lab.store, classes={"d0007": RetentionClass("d0007", 7, "compliance")}, pin=pin)
    folders = {rule["Filter"]["Prefix"] for rule in bucket.set["lifecycle"]["Rules"]}
    assert {f"of/one/packs/{name}/" for name in ("d0007", *CLASSES)} < folders


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("check", [True, False])
def test_class_that_is_another_one_than_in_the_root_changes_nothing(lab: Lab, pinned: bool, check: bool) -> None:
    bucket = FakeBucket().lockable()
    pin = lab.repository.root.id if pinned else None
    ready(bucket, Storage(), store=lab.store, pin=pin)
    before = copy.deepcopy(bucket.set)
    shrunk = {**CLASSES, "d0030": RetentionClass("d0030", 1, "compliance")}
    with pytest.raises(PolicyError, match=r"class d0030 is .* A class is never edited"):
        ready(bucket, Storage(encryption="sse-s3"), store=lab.store, classes=shrunk, pin=pin, check=check)
    assert bucket.set == before


def test_without_a_pin_the_classes_of_the_repository_that_is_there_keep_their_rules(lab: Lab) -> None:
    bucket = FakeBucket().lockable()
    ready(bucket, Storage(), store=lab.store, pin=lab.repository.root.id)
    before = copy.deepcopy(bucket.set)
    ready(bucket, Storage(), store=lab.store, classes={"d0030": CLASSES["d0030"]})
    assert bucket.set == before
    with pytest.raises(PolicyError, match="class d0007 is not in the root"):
        ready(bucket, Storage(), store=lab.store, classes=GOVERNED)
    assert bucket.set == before


def test_another_repository_is_refused_before_the_bucket_is_changed(lab: Lab) -> None:
    bucket = FakeBucket().lockable()
    with pytest.raises(TrustError, match="holds no root link with the pinned digest"):
        ready(bucket, Storage(), store=lab.store, pin="ab" * 32)
    assert bucket.written == []


# the proof, and the root


def rooted(store: MemoryStore, keys: Path, *, proves: bool = True, check: bool = False, **more: t.Any) -> t.Any:
    given = {"classes": CLASSES, "pin": None, "bucket": None, **more}
    return storage.rooted(
        store,
        LocalKeyring(keys),
        bucket=given["bucket"],
        proves=proves,
        name=NAME,
        wanted=succession.Wanted(classes=given["classes"]),
        pin=given["pin"],
        asking=succession.Asking(),
        check=check,
    )


def test_server_proves_its_locks_each_time_and_before_anything_is_put(keys: Path) -> None:
    store = ProvingStore()
    made = rooted(store, keys)
    assert (made.state, store.proved) == ("made", [("lock", 0)])
    store.proved.clear()
    assert rooted(store, keys).state == "unchanged"
    assert rooted(store, keys, pin=made.root.id).state == "unchanged"
    assert store.proved == [("lock", 1)] * 2


def test_server_that_no_longer_holds_locks_is_found(keys: Path) -> None:
    store = ProvingStore()
    made = rooted(store, keys)
    store.lets_go = True
    for pin in (None, made.root.id):
        with pytest.raises(NotLockedError):
            rooted(store, keys, pin=pin)


def test_mode_governance_is_proved_where_a_class_asks_for_it() -> None:
    store = ProvingStore()
    storage.prove(store, CLASSES)
    storage.prove(store, {**CLASSES, **GOVERNED})
    assert [what for what, _held in store.proved] == ["lock", "lock", "governance"]


def test_nothing_is_proved_in_check_mode_or_by_a_folder(keys: Path) -> None:
    store = ProvingStore()
    assert rooted(store, keys, check=True).state == "made"
    assert store.proved == []
    made = rooted(store, keys)
    store.proved.clear()
    rooted(store, keys, check=True, pin=made.root.id)
    rooted(store, keys, proves=False, pin=made.root.id)
    assert store.proved == []


def test_check_mode_says_what_would_be_made_where_there_is_no_bucket(keys: Path) -> None:
    class Nothing(ProvingStore):
        def _list(self, prefix: str) -> t.Any:
            raise AssertionError(prefix)

    found = rooted(Nothing(), keys, check=True, bucket=Ready(made=True, outcomes=(), missing=True))
    assert (found.state, found.root) == ("made", None)
