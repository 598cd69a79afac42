# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bucket should be: which values are taken, when a server lets go of what, and whom a policy keeps out."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep, storage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass, grace
from ansible_collections.holdfast.config.plugins.plugin_utils.model.storage import (
    Archive,
    Logging,
    Replication,
    Rule,
    Storage,
    is_own_rule,
    lifecycle_rules,
    read_storage,
    statements,
)
from hypothesis import given
from hypothesis import strategies as st

SHORT, LONG = RetentionClass("d0030", 30, "compliance"), RetentionClass("d0400", 400, "compliance")
CLASSES = {kept.name: kept for kept in (SHORT, LONG)}
NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)


def read(value: t.Any, classes: Mapping[str, RetentionClass] | None = None) -> tuple[Storage, list[str]]:
    findings: list[Finding] = []
    found = read_storage(value, classes or CLASSES, findings)
    return found, [str(finding) for finding in findings]


def rules(wanted: Storage | None = None, prefix: str = "of/one/") -> dict[str, Rule]:
    """By what of the prefix they speak of."""
    return {
        rule.id.removeprefix(f"holdfast:{prefix}"): rule
        for rule in lifecycle_rules(wanted or Storage(), CLASSES, prefix)
    }


# lifecycle


@given(days=st.integers(1, 36500), stream=st.text(max_size=20))
def test_a_snapshot_goes_when_its_lock_and_its_grace_are_over(days: int, stream: str) -> None:
    kept = RetentionClass("mine", days, "compliance")
    for rule in lifecycle_rules(Storage(), {"mine": kept}, ""):
        if rule.prefix.startswith(("packs/", "manifests/")):
            assert rule.expires is not None
            assert rule.removes is not None
            lock = keep.snapshot_lock(NOW, kept, stream)
            # marked while it is locked it would look like tampering
            assert NOW + dt.timedelta(days=rule.expires) >= lock
            gone = NOW + dt.timedelta(days=rule.expires + rule.removes)
            late = gone - keep.expiry(lock, days)
            assert dt.timedelta(0) <= late < dt.timedelta(days=15)
            assert rule.expires + rule.removes == kept.shortest_maximum


def test_a_version_that_was_carried_over_has_its_grace() -> None:
    assert rules()["packs/d0030/"].removes == 120
    assert rules()["packs/d0400/"].removes == 400


@pytest.mark.parametrize("folder", ["bodies/", "points/", "stamps/"])
def test_points_stay_as_long_as_the_longest_class(folder: str) -> None:
    rule = rules()[folder]
    assert dt.timedelta(days=rule.expires or 0) == keep.point_lock(NOW, 400) - NOW
    assert dt.timedelta(days=rule.removes or 0) == grace(400)


def test_records_stay_a_year_longer() -> None:
    rule = rules()["records/"]
    assert dt.timedelta(days=rule.expires or 0) == keep.record_lock(NOW, 400) - NOW
    assert rule.removes == 400


def test_a_root_link_is_let_go_of_by_no_rule() -> None:
    for rule in rules().values():
        letting_go = rule.expires, rule.removes, rule.archive
        assert not f"of/one/root/1-{'0' * 64}.json".startswith(rule.prefix) or letting_go == (None, None, None)


def test_probes_go_after_a_day_and_uploads_after_a_week() -> None:
    assert rules()[".probe/"] == Rule("holdfast:of/one/.probe/", "of/one/.probe/", 1, 1)
    assert rules()["uploads"] == Rule("holdfast:of/one/uploads", "of/one/", aborts=7)
    assert rules(Storage(abort_uploads_days=3))["uploads"].aborts == 3
    assert "uploads" not in rules(Storage(abort_uploads_days=0))


def test_each_class_has_its_rules_in_the_order_of_ids() -> None:
    found = lifecycle_rules(Storage(), CLASSES, "")
    assert [rule.id for rule in found] == sorted(rule.id for rule in found)
    assert [rule.prefix for rule in found] == [
        ".probe/",
        "bodies/",
        "manifests/d0030/",
        "manifests/d0400/",
        "packs/d0030/",
        "packs/d0400/",
        "points/",
        "records/",
        "stamps/",
        "",
    ]


def test_packs_alone_are_archived() -> None:
    found = rules(Storage(archive={"d0400": Archive("GLACIER", 120)}))
    assert {name for name, rule in found.items() if rule.archive} == {"packs/d0400/"}
    assert found["packs/d0400/"].archive == Archive("GLACIER", 120)


@pytest.mark.parametrize("prefix", ["", "of/one/"])
def test_own_rules_are_known_by_their_ids(prefix: str) -> None:
    assert all(is_own_rule(rule.id, prefix) for rule in lifecycle_rules(Storage(), CLASSES, prefix))
    for other in (
        "",
        "mine",
        "holdfast:",
        "holdfast:of/other/packs/d0030/",
        "holdfast:of/one/elsewhere",
        "packs/d0030/",
    ):
        assert not is_own_rule(other, prefix)


def test_rules_of_another_repository_are_not_own() -> None:
    assert not any(is_own_rule(rule.id, "") for rule in lifecycle_rules(Storage(), CLASSES, "of/one/"))
    assert not any(is_own_rule(rule.id, "of/one/") for rule in lifecycle_rules(Storage(), CLASSES, ""))


# policy


def test_nothing_asked_for_is_no_statement() -> None:
    assert statements(Storage(), "backups") == {}


def test_what_is_no_longer_asked_for_is_taken_away() -> None:
    found = statements(Storage(tls_only=False, vpc_endpoints=(), source_networks=()), "backups")
    assert found == {"HoldfastTlsOnly": None, "HoldfastSources": None}


def test_without_tls_all_is_denied() -> None:
    found = statements(Storage(tls_only=True), "backups", "aws-cn")["HoldfastTlsOnly"]
    assert found == {
        "Sid": "HoldfastTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:*"],
        "Resource": ["arn:aws-cn:s3:::backups", "arn:aws-cn:s3:::backups/*"],
        "Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}},
    }


def test_from_elsewhere_objects_are_denied_and_the_policy_is_not() -> None:
    found = statements(Storage(vpc_endpoints=("vpce-01234567",), source_networks=("10.0.0.0/8",)), "backups")
    denied = found["HoldfastSources"]
    assert denied is not None
    # both conditions must be met to deny, so that either way in is enough
    assert denied["Condition"] == {
        "StringNotEquals": {"aws:SourceVpce": ["vpce-01234567"]},
        "NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]},
    }
    assert "s3:PutObject" in denied["Action"]
    assert "s3:GetObjectVersion" in denied["Action"]
    assert not [action for action in denied["Action"] if "Policy" in action or "*" in action or "Replicat" in action]


def test_one_empty_list_leaves_the_other() -> None:
    denied = statements(Storage(vpc_endpoints=(), source_networks=("10.0.0.0/8",)), "b")["HoldfastSources"]
    assert denied is not None
    assert list(denied["Condition"]) == ["NotIpAddress"]


# reading


def test_nothing_is_the_defaults() -> None:
    for nothing in (None, {}, dict.fromkeys(storage._KEYS)):
        assert read(nothing) == (Storage(), [])


def test_all_of_it_is_read() -> None:
    found, findings = read(
        {
            "encryption": "sse-s3",
            "public_access_block": {"block_public_acls": False},
            "tls_only": True,
            "vpc_endpoints": ["vpce-0123456789abcdef0"],
            "source_networks": ["10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"],
            "allowed_networks": ["10.1.2.3"],
            "lifecycle": True,
            "abort_uploads_days": 0,
            "archive": {"d0400": {"storage_class": "DEEP_ARCHIVE", "days": 90}},
            "logging": {"bucket": "logs", "prefix": "s3/"},
            "replication": {
                "role": "arn:aws:iam::123456789012:role/far",
                "destination": "arn:aws:s3:::backups-far",
            },
        }
    )
    assert findings == []
    assert found == Storage(
        encryption="sse-s3",
        public_access_block={
            "block_public_acls": False,
            "ignore_public_acls": True,
            "block_public_policy": True,
            "restrict_public_buckets": True,
        },
        tls_only=True,
        vpc_endpoints=("vpce-0123456789abcdef0",),
        source_networks=("10.0.0.0/8", "2001:db8::/32"),
        allowed_networks=("10.1.2.3/32",),
        abort_uploads_days=0,
        archive={"d0400": Archive("DEEP_ARCHIVE", 90)},
        logging=Logging("logs", "s3/"),
        replication=Replication("arn:aws:iam::123456789012:role/far", "arn:aws:s3:::backups-far"),
    )


@pytest.mark.parametrize(
    ("value", "finding"),
    [
        ([], "storage: is not a mapping"),
        ({"lifecicle": True}, "storage.lifecicle: is not a key of this version"),
        ({"encryption": "rot13"}, "storage.encryption: 'rot13' is unknown"),
        ({"kms_key_id": "lab"}, "storage.kms_key_id: is for sse-kms alone"),
        ({"encryption": "sse-kms", "kms_key_id": "a key"}, "storage.kms_key_id: 'a key' names no key"),
        ({"public_access_block": {"all": True}}, "storage.public_access_block.all: is not a key"),
        (
            {"public_access_block": {"block_public_acls": 1}},
            "storage.public_access_block.block_public_acls: 1 is neither",
        ),
        ({"tls_only": "yes"}, "storage.tls_only: 'yes' is neither true nor false"),
        ({"lifecycle": 0}, "storage.lifecycle: 0 is neither true nor false"),
        ({"vpc_endpoints": "vpce-01234567"}, "storage.vpc_endpoints: is not a list"),
        ({"vpc_endpoints": ["eni-01234567"]}, "storage.vpc_endpoints: 'eni-01234567' is none"),
        ({"source_networks": ["10.1.2.3/8"]}, "storage.source_networks: '10.1.2.3/8' is no network"),
        ({"source_networks": [10]}, "storage.source_networks: 10 is no network"),
        ({"allowed_networks": ["example.com"]}, "storage.allowed_networks: 'example.com' is no network"),
        ({"abort_uploads_days": -1}, "storage.abort_uploads_days: -1 is no number of days"),
        ({"abort_uploads_days": True}, "storage.abort_uploads_days: True is no number of days"),
        ({"archive": {"d0400": {"storage_class": "GLACIER", "days": 89}}}, "Give 90 to 429"),
        ({"archive": {"d0400": {"storage_class": "GLACIER", "days": 430}}}, "Give 90 to 429"),
        ({"archive": {"d0400": {"storage_class": "GLACIER"}}}, "storage.archive.d0400.days: None is no number"),
        (
            {"archive": {"d0400": {"storage_class": "cold", "days": 90}}},
            "storage.archive.d0400.storage_class: 'cold' is no",
        ),
        (
            {"archive": {"d0400": {"storage_class": "GLACIER", "days": 90, "to": 1}}},
            "storage.archive.d0400.to: is not a key",
        ),
        ({"archive": {"d0030": {"storage_class": "GLACIER", "days": 90}}}, "Archive classes of 61 days or more alone"),
        ({"archive": {"d9": {"storage_class": "GLACIER", "days": 90}}}, "storage.archive.d9: is no retention class"),
        (
            {"archive": {"d0400": {"storage_class": "GLACIER", "days": 90}}, "lifecycle": False},
            "storage.archive: takes lifecycle rules",
        ),
        ({"logging": {"prefix": "a/"}}, "storage.logging.bucket: None is no bucket"),
        ({"logging": {"bucket": "logs", "prefix": "a b"}}, "storage.logging.prefix: 'a b' is no prefix"),
        (
            {"replication": {"destination": "arn:aws:s3:::far"}, "encryption": "sse-kms"},
            "storage.replication: does not copy what sse-kms has encrypted",
        ),
        ({"replication": {"destination": "far"}}, "storage.replication.destination: 'far' is no bucket"),
        (
            {"replication": {"destination": "arn:aws:s3:::far", "role": "far"}},
            "storage.replication.role: 'far' is no role",
        ),
    ],
)
def test_what_is_wrong_is_found_with_its_place(value: t.Any, finding: str) -> None:
    assert [finding in told for told in read(value)[1]] == [True]


def test_key_is_named_by_its_arn() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
    assert read({"encryption": "sse-kms", "kms_key_id": key}) == (Storage(encryption="sse-kms", kms_key_id=key), [])


def test_all_that_is_wrong_is_found_at_once() -> None:
    assert len(read({"encryption": "x", "tls_only": 1, "source_networks": ["x", "y"], "archive": {"x": {}}})[1]) == 5


def test_a_remote_bucket_of_minio_is_a_destination() -> None:
    far = "arn:minio:replication::0a1b2c3d-0000-0000-0000-000000000000:backups"
    assert read({"replication": {"destination": far}}) == (Storage(replication=Replication("", far)), [])


@pytest.mark.parametrize("days", [60, 61])
def test_which_classes_may_be_archived(days: int) -> None:
    kept = RetentionClass("mine", days, "compliance")
    given = {"archive": {"mine": {"storage_class": "GLACIER", "days": 90}}}
    assert bool(read(given, {"mine": kept})[1]) is (days < 61)
