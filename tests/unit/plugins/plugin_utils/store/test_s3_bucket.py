# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bucket is brought to what is asked of it, is not believed, and is left as it was where that goes wrong."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CorruptError,
    DeniedError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import Outcome
from ansible_collections.holdfast.config.plugins.plugin_utils.model.storage import (
    PUBLIC_ACCESS,
    Archive,
    Logging,
    Replication,
    Storage,
    lifecycle_rules,
)

from .fake_bucket import FakeBucket

CLASSES = {"d0400": RetentionClass("d0400", 400, "compliance")}
FAR = "arn:aws:s3:::backups-far"
ROLE = "arn:aws:iam::123456789012:role/far"
BARE = Storage(lifecycle=False)
WANTED: dict[str, Storage] = {
    "lifecycle": Storage(),
    "encryption": Storage(lifecycle=False, encryption="sse-kms", kms_key_id="lab"),
    "public_access_block": Storage(lifecycle=False, public_access_block=dict.fromkeys(PUBLIC_ACCESS, True)),
    "tls_only": Storage(lifecycle=False, tls_only=True),
    "source_networks": Storage(lifecycle=False, source_networks=("10.0.0.0/8",)),
    "logging": Storage(lifecycle=False, logging=Logging("logs", "s3/")),
    "replication": Storage(lifecycle=False, replication=Replication(ROLE, FAR)),
}
# what is written last of each, and where it stands
WRITES = {
    "lifecycle": ("put_bucket_lifecycle_configuration", "lifecycle"),
    "encryption": ("put_bucket_encryption", "encryption"),
    "public_access_block": ("put_public_access_block", "public"),
    "tls_only": ("put_bucket_policy", "policy"),
    "source_networks": ("put_bucket_policy", "policy"),
    "logging": ("put_bucket_logging", "logging"),
    "replication": ("put_bucket_replication", "replication"),
}


def bucket(**more: t.Any) -> FakeBucket:
    return FakeBucket(**more).lockable()


def hold(of: FakeBucket, wanted: Storage) -> dict[str, Outcome]:
    return {one.name: one for one in of.hold(wanted, lifecycle_rules(wanted, CLASSES, of.bucket.prefix))}


def judge(of: FakeBucket, wanted: Storage) -> dict[str, Outcome]:
    return {one.name: one for one in of.judge(wanted, lifecycle_rules(wanted, CLASSES, of.bucket.prefix))}


# each setting: change, no change, looked at only


@pytest.mark.parametrize("name", WANTED)
def test_setting_is_set_once(name: str) -> None:
    of = bucket()
    looked = judge(of, WANTED[name])[name]
    assert (looked.state, of.written) == ("differs", [])
    first = hold(of, WANTED[name])[name]
    assert first.state == "changed"
    assert (first.before, first.after) == (looked.before, looked.after)
    assert first.before != first.after
    assert of.written == [WRITES[name][0]]
    again = hold(of, WANTED[name])[name]
    assert (again.state, again.before) == ("held", again.after)
    assert of.written == [WRITES[name][0]]


@pytest.mark.parametrize("name", WANTED)
def test_refused_setting_changes_nothing(name: str) -> None:
    of = bucket()
    operation, stands = WRITES[name]
    of.refuses[operation] = (501, "NotImplemented")
    outcome = hold(of, WANTED[name])[name]
    assert outcome.state == "refused"
    assert "NotImplemented" in outcome.why
    assert outcome.remedy
    assert stands not in of.set


@pytest.mark.parametrize("name", WANTED)
def test_setting_that_the_server_does_not_know_is_found_by_reading(name: str) -> None:
    of = bucket()
    of.refuses[WRITES[name][0].replace("put_", "get_", 1)] = (501, "NotImplemented")
    assert judge(of, WANTED[name])[name].state == "refused"
    assert hold(of, WANTED[name])[name].state == "refused"
    assert of.written == []


@pytest.mark.parametrize("name", WANTED)
def test_setting_that_is_not_kept_is_told_from_one_that_is(name: str) -> None:
    of = bucket()
    nothing: t.Any = '{"Version": "2012-10-17", "Statement": []}' if WRITES[name][1] == "policy" else {}
    of.keeps[WRITES[name][1]] = lambda _told: nothing
    outcome = hold(of, WANTED[name])[name]
    assert outcome.state == "not kept"
    assert "says that it has set it" in outcome.why


class Silent(FakeBucket):
    """Does not answer any more once it was told something: questions, or nothing at all."""

    deaf = False
    down = False

    def call(self, operation: str, doing: str, **more: t.Any) -> t.Any:
        asks = operation.startswith(("get_", "put_object"))
        if self.down and (asks or self.deaf):
            raise UnavailableError("no answer")
        found = super().call(operation, doing, **more)
        self.down = self.down or not asks
        return found


# the way back to a policy begins with reading it
@pytest.mark.parametrize("name", [name for name in WANTED if WRITES[name][1] != "policy"])
def test_setting_that_cannot_be_read_back_is_taken_back(name: str) -> None:
    of = Silent().lockable()
    before = copy.deepcopy(of.set)
    with pytest.raises(UnavailableError, match=f"no answer: {name} was told and cannot be read back, and"):
        hold(of, WANTED[name])
    assert {key: value for key, value in of.set.items() if value} == before


def test_of_what_there_is_no_way_back_from_nothing_is_said_to_be_taken_back() -> None:
    of = Silent()
    of.set = {"lock": {"ObjectLockEnabled": "Enabled"}}
    with pytest.raises(UnavailableError, match=r"^no answer$"):
        hold(of, BARE)
    assert of.set["versioning"] == {"Status": "Enabled"}


def test_rules_of_others_are_what_is_left_where_rules_cannot_be_read_back() -> None:
    of = Silent().lockable()
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    of.set["lifecycle"] = {"Rules": [theirs]}
    hostile = {"ID": "holdfast:of/one/packs/d0030/", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    makes = iter([{"Rules": [hostile]}])
    of.keeps["lifecycle"] = lambda told: next(makes, told)
    with pytest.raises(UnavailableError):
        hold(of, Storage())
    assert of.set["lifecycle"] == {"Rules": [theirs]}


def test_setting_that_can_neither_be_read_back_nor_taken_back_is_told() -> None:
    of = Silent().lockable()
    of.deaf = True
    with pytest.raises(StoreError, match=r"lifecycle was told and cannot be read back, and .*Look at it by hand"):
        hold(of, Storage())


@pytest.mark.parametrize("name", WANTED)
def test_right_that_is_missing_is_a_refusal_by_that_name(name: str) -> None:
    of = bucket()
    of.refuses[WRITES[name][0].replace("put_", "get_", 1)] = (403, "AccessDenied")
    outcome = judge(of, WANTED[name])[name]
    assert (outcome.state, "not allowed" in outcome.why, "owner" in outcome.remedy) == ("refused", True, True)


def test_server_may_take_a_moment_to_show_what_it_was_told() -> None:
    of = bucket()
    seen: list[str] = []

    def wait(seconds: float) -> None:
        seen.append(f"{seconds:g}")
        of.set["encryption"] = told[0]

    told: list[t.Any] = []
    of.keeps["encryption"] = lambda value: told.append(value) or {}
    of.sleep = wait
    assert hold(of, WANTED["encryption"])["encryption"].state == "changed"
    assert seen == ["0.5"]


# the bucket


def test_bucket_is_made_with_object_lock() -> None:
    of = FakeBucket(there=False)
    assert not of.exists()
    of.make()
    assert of.made == {"ObjectLockEnabledForBucket": True}
    assert of.exists()
    assert [one.state for one in hold(of, BARE).values()] == ["held", "held"]


@pytest.mark.parametrize(
    ("region", "told"),
    [("eu-central-1", {"LocationConstraint": "eu-central-1"}), ("us-east-1", None), (None, None)],
)
def test_region_is_told_to_aws_alone(region: str | None, told: t.Any) -> None:
    of = FakeBucket(there=False, region=region)
    of.make()
    assert "CreateBucketConfiguration" not in of.made
    object.__setattr__(of.settings, "endpoint_url", None)
    of.make()
    assert of.made.get("CreateBucketConfiguration") == told


def test_bucket_that_may_not_be_looked_at_is_no_missing_one() -> None:
    of = bucket()
    of.refuses["head_bucket"] = (403, "403")
    with pytest.raises(Exception, match="not allowed") as caught:
        of.exists()
    assert isinstance(getattr(caught.value, "error", caught.value), DeniedError)


def test_versions_and_lock_are_turned_on_where_the_server_can() -> None:
    of = FakeBucket()
    outcomes = hold(of, BARE)
    assert {name: one.state for name, one in outcomes.items()} == {"versioning": "changed", "object_lock": "changed"}
    assert of.set == {"versioning": {"Status": "Enabled"}, "lock": {"ObjectLockEnabled": "Enabled"}}


def test_without_object_lock_nothing_else_is_set() -> None:
    of = FakeBucket()
    of.refuses["put_object_lock_configuration"] = (409, "InvalidBucketState")
    outcomes = hold(of, WANTED["encryption"])
    assert list(outcomes) == ["versioning", "object_lock"]
    assert outcomes["object_lock"].state == "refused"
    assert "made without it" in outcomes["object_lock"].why
    assert of.written == ["put_bucket_versioning", "put_object_lock_configuration"]


def test_suspended_versions_are_turned_on_again() -> None:
    of = bucket()
    of.set["versioning"] = {"Status": "Suspended"}
    assert hold(of, BARE)["versioning"].state == "changed"
    assert of.set["versioning"] == {"Status": "Enabled"}


# drift and what belongs to others


def test_drift_is_set_back() -> None:
    of = bucket()
    wanted = Storage(encryption="sse-s3", public_access_block=dict.fromkeys(PUBLIC_ACCESS, True))
    hold(of, wanted)
    of.set["public"]["BlockPublicPolicy"] = False
    del of.set["lifecycle"]["Rules"][0]
    looked = {name: one.state for name, one in judge(of, wanted).items()}
    assert looked == {
        "versioning": "held",
        "object_lock": "held",
        "encryption": "held",
        "public_access_block": "differs",
        "lifecycle": "differs",
    }
    hold(of, wanted)
    assert {one.state for one in judge(of, wanted).values()} == {"held"}


def test_any_key_of_the_server_will_do_where_none_is_named() -> None:
    of = bucket()
    hold(of, WANTED["encryption"])
    assert hold(of, Storage(lifecycle=False, encryption="sse-kms"))["encryption"].state == "held"
    other = Storage(lifecycle=False, encryption="sse-kms", kms_key_id="other")
    assert hold(of, other)["encryption"].state == "changed"


def test_statements_of_others_stay_as_they_are() -> None:
    of = bucket()
    other = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::1:user/a"},
        "Action": "s3:GetObject",
        "Resource": "*",
    }
    of.set["policy"] = json.dumps({"Version": "2008-10-17", "Id": "mine", "Statement": other})
    hold(of, Storage(lifecycle=False, tls_only=True, source_networks=("10.0.0.0/8",)))
    document = json.loads(of.set["policy"])
    assert (document["Version"], document["Id"], document["Statement"][0]) == ("2008-10-17", "mine", other)
    assert [one.get("Sid") for one in document["Statement"]] == [None, "HoldfastTlsOnly", "HoldfastSources"]
    hold(of, Storage(lifecycle=False, tls_only=False, source_networks=()))
    assert json.loads(of.set["policy"])["Statement"] == [other]


def test_last_statement_takes_the_policy_with_it() -> None:
    of = bucket()
    hold(of, WANTED["tls_only"])
    hold(of, Storage(lifecycle=False, tls_only=False))
    assert "policy" not in of.set
    assert hold(of, Storage(lifecycle=False, tls_only=False))["tls_only"].state == "held"


def test_statement_is_the_same_in_another_spelling() -> None:
    of = bucket()

    def spell(text: str) -> str:
        document = json.loads(text)
        for one in document["Statement"]:
            one["Principal"] = {"AWS": ["*"]}
            one["Resource"].reverse()
            one["Action"] = one["Action"][0] if len(one["Action"]) == 1 else one["Action"]
            one["Condition"]["BoolIfExists"]["aws:SecureTransport"] = ["false"]
        return json.dumps(document)

    of.keeps["policy"] = spell
    assert hold(of, WANTED["tls_only"])["tls_only"].state == "changed"
    assert judge(of, WANTED["tls_only"])["tls_only"].state == "held"


@pytest.mark.parametrize("part", ["Effect", "Principal", "Action", "Resource", "Condition"])
def test_statement_that_says_something_else_is_drift(part: str) -> None:
    of = bucket()
    hold(of, WANTED["tls_only"])
    document = json.loads(of.set["policy"])
    document["Statement"][0][part] = "Allow" if part == "Effect" else {}
    of.set["policy"] = json.dumps(document)
    assert judge(of, WANTED["tls_only"])["tls_only"].state == "differs"


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"Statement": 1}', '{"Statement": [1]}', "[" * 100_000])
def test_policy_that_is_none_is_not_touched(text: str) -> None:
    of = bucket()
    of.set["policy"] = text
    with pytest.raises(CorruptError, match="is none"):
        hold(of, WANTED["tls_only"])
    assert (of.set["policy"], of.written) == (text, [])


def other_rule(prefix: str, **more: t.Any) -> dict[str, t.Any]:
    return {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": prefix}, **more}


@pytest.mark.parametrize("prefix", ["of/two/", "logs/"])
def test_rules_of_others_stay_as_they_are(prefix: str) -> None:
    of = bucket()
    rule = other_rule(prefix, Expiration={"Days": 1})
    of.set["lifecycle"] = {"Rules": [rule]}
    hold(of, Storage())
    assert of.set["lifecycle"]["Rules"][0] == rule
    assert len(of.set["lifecycle"]["Rules"]) == 9
    assert hold(of, Storage())["lifecycle"].state == "held"


@pytest.mark.parametrize("prefix", ["", "of/", "of/one/", "of/one/packs/d0400/web1/"])
@pytest.mark.parametrize(
    "action",
    [
        {"Expiration": {"Days": 1}},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]},
        {"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]},
    ],
    ids=lambda action: next(iter(action)),
)
def test_rule_of_others_that_lets_go_of_our_objects_is_refused(prefix: str, action: t.Any) -> None:
    of = bucket()
    of.set["lifecycle"] = {"Rules": [other_rule(prefix, **action)]}
    outcome = judge(of, Storage())["lifecycle"]
    assert (outcome.state, "'mine' lets go of objects of this repository" in outcome.why) == ("refused", True)
    hold(of, Storage())
    assert of.written == []


@pytest.mark.parametrize(
    "rule",
    [
        other_rule("of/one/", Expiration={"Days": 1}) | {"Status": "Disabled"},
        other_rule("", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
    ],
    ids=["disabled", "uploads alone"],
)
def test_rule_of_others_that_lets_go_of_nothing_of_ours_stays(rule: t.Any) -> None:
    of = bucket()
    of.set["lifecycle"] = {"Rules": [rule]}
    assert hold(of, Storage())["lifecycle"].state == "changed"
    assert of.set["lifecycle"]["Rules"][0] == rule


@pytest.mark.parametrize(
    "found",
    [
        {"ID": "mine", "Status": "Enabled", "Prefix": "of/one/", "Expiration": {"Days": 1}},
        {
            "ID": "mine",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "of/one/", "Tags": [{"Key": "a", "Value": "b"}]}},
            "Expiration": {"Days": 1},
        },
        {"ID": "mine", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 1}, "Expiration": {"Days": 1}},
    ],
    ids=["old form", "and a tag", "by size"],
)
def test_filter_of_another_rule_is_not_relied_on(found: t.Any) -> None:
    of = bucket()
    of.set["lifecycle"] = {"Rules": [found]}
    assert judge(of, Storage())["lifecycle"].state == "refused"


def test_rule_of_a_class_that_is_gone_is_taken_away() -> None:
    of = bucket()
    old = {**CLASSES, "d0009": RetentionClass("d0009", 9, "compliance")}
    of.hold(Storage(), lifecycle_rules(Storage(), old, "of/one/"))
    assert judge(of, Storage())["lifecycle"].state == "differs"
    hold(of, Storage())
    assert not [rule for rule in of.set["lifecycle"]["Rules"] if "d0009" in rule["ID"]]


@pytest.mark.parametrize(
    "lost",
    [
        lambda rule: rule.pop("Filter"),
        lambda rule: rule.pop("NoncurrentVersionExpiration", None),
        lambda rule: rule.get("Expiration", {}).update(Days=1),
        lambda rule: rule.update(Status="Disabled"),
        lambda rule: rule.update(Expiration={"Date": "2020-01-01"}),
        lambda rule: rule.pop("ID"),
    ],
    ids=["filter", "removal", "days", "status", "date", "id"],
)
def test_rules_that_come_back_otherwise_are_taken_back(lost: t.Any) -> None:
    of = bucket()
    before = {"Rules": [other_rule("logs/", Expiration={"Days": 3})]}
    of.set["lifecycle"] = before

    def forget(told: t.Any) -> t.Any:
        rules = copy.deepcopy(told["Rules"])
        for rule in rules:
            if rule.get("ID", "").endswith("packs/d0400/"):
                lost(rule)
        return {"Rules": rules}

    of.keeps["lifecycle"] = forget
    outcome = hold(of, Storage())["lifecycle"]
    assert outcome.state == "not kept"
    assert of.set["lifecycle"] == before


def test_empty_parts_that_a_server_adds_are_no_difference() -> None:
    of = bucket()
    of.keeps["lifecycle"] = lambda told: {
        "Rules": [{**rule, "Transitions": [], "NoncurrentVersionTransitions": []} for rule in told["Rules"]]
    }
    assert hold(of, Storage())["lifecycle"].state == "changed"


def test_archive_is_a_transition_of_packs() -> None:
    of = bucket()
    hold(of, Storage(archive={"d0400": Archive("GLACIER", 90)}))
    moved = [rule for rule in of.set["lifecycle"]["Rules"] if "Transitions" in rule]
    assert [(rule["Filter"], rule["Transitions"]) for rule in moved] == [
        ({"Prefix": "of/one/packs/d0400/"}, [{"Days": 90, "StorageClass": "GLACIER"}])
    ]


def test_other_replication_keeps_its_rule_and_its_place() -> None:
    of = bucket()
    other = {"ID": "mine", "Priority": 1, "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::else"}}
    of.set["replication"] = {"Role": ROLE, "Rules": [other]}
    assert hold(of, WANTED["replication"])["replication"].state == "changed"
    first, second = of.set["replication"]["Rules"]
    assert first == other
    assert (second["Priority"], second["DeleteMarkerReplication"]) == (2, {"Status": "Disabled"})
    assert hold(of, WANTED["replication"])["replication"].state == "held"


def test_replication_of_others_by_another_role_is_not_changed() -> None:
    of = bucket()
    other = {"ID": "mine", "Priority": 1, "Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::else"}}
    of.set["replication"] = {"Role": "arn:aws:iam::1:role/other", "Rules": [other]}
    outcome = hold(of, WANTED["replication"])["replication"]
    assert (outcome.state, "another role" in outcome.why) == ("refused", True)
    assert of.set["replication"]["Rules"] == [other]


def test_replication_that_sends_deletes_is_drift() -> None:
    of = bucket()
    hold(of, WANTED["replication"])
    of.set["replication"]["Rules"][0]["DeleteMarkerReplication"] = {"Status": "Enabled"}
    assert judge(of, WANTED["replication"])["replication"].state == "differs"


# who is shut out, and servers that are known


@pytest.mark.parametrize("name", ["public_access_block", "tls_only", "source_networks"])
def test_who_is_shut_out_by_a_setting_takes_it_back(name: str) -> None:
    of = bucket()
    stands = WRITES[name][1]
    of.shuts_out = lambda settings: stands in settings
    outcome = hold(of, WANTED[name])[name]
    assert (outcome.state, "refuses puts" in outcome.why) == ("refused", True)
    assert stands not in of.set


def test_trial_put_is_below_the_probes_and_empty() -> None:
    of = bucket()
    hold(of, WANTED["tls_only"])
    assert (of.put["Key"].startswith("of/one/.probe/"), of.put["Body"]) == (True, b"")


def test_setting_that_is_neither_as_asked_nor_as_it_was_stops_everything() -> None:
    of = bucket()

    def shut(settings: t.Any) -> bool:
        of.refuses["delete_bucket_policy"] = (403, "AccessDenied")
        return "policy" in settings

    of.shuts_out = shut
    with pytest.raises(StoreError, match="tls_only is neither as asked nor as it was"):
        hold(of, WANTED["tls_only"])


def test_policies_that_bind_nobody_are_refused_by_name() -> None:
    of = bucket(server="MinIO")
    assert "bind nobody" in judge(of, WANTED["tls_only"])["tls_only"].why
    hold(of, WANTED["source_networks"])
    assert of.written == []
    # to take a statement away is no promise
    assert hold(of, Storage(lifecycle=False, tls_only=False))["tls_only"].state == "held"


def test_vpc_endpoints_are_for_who_has_them() -> None:
    wanted = Storage(lifecycle=False, vpc_endpoints=("vpce-01234567",), source_networks=("10.0.0.0/8",))
    name = "vpc_endpoints, source_networks"
    assert judge(bucket(), wanted)[name].state == "refused"
    assert hold(bucket(server="AmazonS3"), wanted)[name].state == "changed"


@pytest.mark.parametrize(
    ("switch", "why"), [("block_public_acls", "every put"), ("restrict_public_buckets", "allowing")]
)
def test_switches_that_do_something_else_are_refused_by_name(switch: str, why: str) -> None:
    of = bucket(server="this server")
    of.headers = {"x-rgw-object-count": "0"}
    assert of.exists()
    assert of.server == "Ceph RGW"
    wanted = Storage(lifecycle=False, public_access_block={**dict.fromkeys(PUBLIC_ACCESS, False), switch: True})
    outcome = hold(of, wanted)["public_access_block"]
    assert (outcome.state, why in outcome.why, of.written) == ("refused", True, [])
    others = {name: name not in ("block_public_acls", "restrict_public_buckets") for name in PUBLIC_ACCESS}
    kept = hold(of, Storage(lifecycle=False, public_access_block=others))["public_access_block"]
    assert kept.state == "changed"


@pytest.mark.parametrize("tells", [True, False])
def test_storage_class_that_is_none_is_refused_before_a_rule_names_it(tells: bool) -> None:
    of = bucket()
    of.tells_classes = tells
    unknown = "FREEZER" if tells else "GLACIER"
    outcome = hold(of, Storage(archive={"d0400": Archive(unknown, 90)}))["lifecycle"]
    assert (outcome.state, f"no storage class {unknown}" in outcome.why) == ("refused", True)
    assert of.written == []
    assert hold(bucket(server="MinIO"), Storage(archive={"d0400": Archive("TIER", 90)}))["lifecycle"].state == "changed"
