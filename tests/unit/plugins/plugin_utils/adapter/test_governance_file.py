# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.governance_file import governance
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.governance import DataClass, LegalHold

CLASSES = {"internal": {"minimum_days": 30, "maximum_days": 400, "jurisdiction": ["DE", "FR"]}, "public": {}}
INTERNAL = DataClass("internal", 30, 400, ("DE", "FR"))


def test_the_inventory_says_it() -> None:
    findings: list[Finding] = []
    hold = {"id": "LH-1", "reason": "case 7", "hosts": ["web1"], "until": "2027-01-01"}
    found = governance({"classes": CLASSES, "legal_holds": [hold], "audit_days": 730}, findings)
    assert found is not None
    assert not findings
    assert found.classes == {"internal": INTERNAL, "public": DataClass("public")}
    until = dt.datetime(2027, 1, 2, tzinfo=dt.timezone.utc)
    assert found.legal_holds == (LegalHold("LH-1", "case 7", ("web1",), until),)
    assert found.audit_days == 730


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rules.json", json.dumps({"classes": CLASSES})),
        ("rules.yml", "classes: {internal: {minimum_days: 30, maximum_days: 400, jurisdiction: [DE, FR]}, public: {}}"),
        (
            "rules.csv",
            "\ufeffdata_class,minimum_days,maximum_days,jurisdiction\r\ninternal,30,400,DE; FR\r\npublic,,,\r\n",
        ),
    ],
)
def test_a_file_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    findings: list[Finding] = []
    found = governance(str(tmp_path / name), findings)
    assert not findings
    assert found is not None
    assert found.classes == {"internal": INTERNAL, "public": DataClass("public")}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rules.csv", "data_class,minimum_days\ninternal,thirty\n", "is no number"),
        ("rules.csv", "class,minimum_days\ninternal,30\n", "no column data_class"),
        ("rules.csv", "data_class,days\ninternal,30\n", "not a key of this version"),
        ("rules.csv", "data_class\nx\nx\n", "is there twice"),
        ("rules.csv", 'data_class\n"x', "no table"),
        ("rules.csv", "data_class,minimum_days\nx,30,40\n", "more cells than columns"),
        ("rules.json", '{"classes": {}, "classes": {}}', "holds a key twice"),
        ("rules.json", '{"classes": {', "is no JSON"),
        ("rules.json", '{"classes": {"\\ud83d": {}}}', "is no JSON"),
        ("rules.csv", "data_class,minimum_days,minimum_days\nx,30,3\n", "has the column 'minimum_days' twice"),
        ("rules.yml", "[]", "is not a mapping"),
        ("rules.yml", "", "is empty"),
        ("rules.yml", "classes: {a: {minimum_days: 9, maximum_days: 8}}", "less than the minimum"),
        ("rules.txt", "", "is no path"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    findings: list[Finding] = []
    governance(str(tmp_path / name), findings)
    assert message in " ".join(map(str, findings))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("rules.yml", "no path"),
        ("/nowhere/rules.yml", "cannot be read"),
        ([], "is not a mapping"),
        ({"classes": {"a": {"minimum_days": 365000}}}, "is no number"),
        ({"audit": 7}, "not a key of this version"),
        ({"legal_holds": [{"id": "x"}]}, "is not a text"),
    ],
)
def test_what_is_wrong_in_the_inventory_is_told(value: t.Any, message: str) -> None:
    findings: list[Finding] = []
    governance(value, findings)
    assert message in " ".join(map(str, findings))


def test_json_may_escape_what_lies_beyond_16_bits(tmp_path: Path) -> None:
    hold = {"id": "LH-1", "reason": "case \U0001f512", "hosts": ["web1"], "until": "2027-01-01"}
    (tmp_path / "rules.json").write_text(json.dumps({"classes": CLASSES, "legal_holds": [hold]}), encoding="utf-8")
    findings: list[Finding] = []
    found = governance(str(tmp_path / "rules.json"), findings)
    assert not findings
    assert found is not None
    assert found.legal_holds[0].reason == "case \U0001f512"
