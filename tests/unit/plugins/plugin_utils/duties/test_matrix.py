# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix is read whole or not at all, and holds what the collection stands on."""

from __future__ import annotations

import contextlib
import copy
import typing as t

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, HoldfastError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.access import ACCESS_GIVEN
from ansible_collections.holdfast.config.plugins.plugin_utils.model.destruction import DESTROYED, DESTROYING
from ansible_collections.holdfast.config.plugins.plugin_utils.model.hold import HOLD
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import AUDIT, PEOPLE_KINDS
from hypothesis import given
from hypothesis import strategies as st

WHOLE: dict[str, t.Any] = yaml.safe_load(matrix.FILE.read_bytes())
STORE = {one.name: one for one in matrix.load().operations if one.place == "store"}
KEYRING = {one.name: one for one in matrix.load().operations if one.place == "keyring"}


def changed(**rows: t.Any) -> bytes:
    """The matrix with another first row of the store."""
    value = copy.deepcopy(WHOLE)
    value["store"][0] = {"name": "list", "does": "list", "right": "list", "allowed": ["operator"], **rows}
    return yaml.safe_dump(value, sort_keys=False).encode()


def job(**fields: t.Any) -> bytes:
    value = copy.deepcopy(WHOLE)
    value["jobs"][0].update(fields)
    return yaml.safe_dump(value, sort_keys=False).encode()


# what it says


def test_nobody_destroys() -> None:
    never = {name for name, one in {**STORE, **KEYRING}.items() if one.right == "never"}
    assert never >= {"shorten", "bypass", "delete_version", "delete_marker", "allow_deletion", "delete_key"}
    assert never >= {"retire_versions", "export_key", "back_up_key", "unmount", "policies", "disable_audit", "tokens"}
    assert all(not {**STORE, **KEYRING}[name].allowed for name in never)


def test_no_identity_does_anothers_work() -> None:
    """Who seals opens nothing, who opens seals nothing, and what makes or gives rights uses none."""
    seals = {"put_packs", "put_manifests", "put_bodies", "put_points", "put_stamps"}
    assert {name for name in seals if STORE[name].allowed != {"operator"}} == set()
    assert KEYRING["unwrap"].allowed == KEYRING["sign_record"].allowed == {"restorer"}
    assert KEYRING["digest"].allowed == {"operator"}
    assert KEYRING["create_keys"].allowed == STORE["put_root"].allowed == {"owner"}
    assert KEYRING["give_access"].allowed == {"broker"}
    assert STORE["hold"].allowed == {"custodian"}


def test_each_kind_of_record_is_somebodys() -> None:
    kinds = {*PEOPLE_KINDS, ACCESS_GIVEN, DESTROYED, DESTROYING, HOLD, AUDIT, "approval", "request", "restore"}
    named = [name.split("/") for one in STORE.values() if one.right == "put" for name in one.names]
    assert {parts[1] for parts in named if parts[0] == "records"} == kinds


def test_names_of_puts_are_as_deep_as_what_is_put() -> None:
    """On MinIO an object named like a folder hides what is below it."""
    deep = {"packs": 5, "manifests": 5, "bodies": 3, "points": 3, "stamps": 3, "records": 4, "root": 2}
    for one in STORE.values():
        for name in one.names if one.right == "put" else ():
            assert len(name.split("/")) == deep[name.split("/")[0]], name


def test_what_an_identity_may() -> None:
    rights = matrix.load()
    assert rights.names("approver", "put") == ("records/approval/*/*",)
    assert rights.names("auditor", "put") == ()
    assert [one.name for one in rights.of("approver", "keyring")] == ["wrap"]
    with pytest.raises(PolicyError, match="no such identity"):
        rights.of("thief", "store")
    with pytest.raises(PolicyError, match="no such identity"):
        rights.names("thief", "put")


def test_what_a_server_does_otherwise() -> None:
    bypass = STORE["bypass"]
    found = bypass.differs("operator", "minio")
    assert found is not None
    assert (found.how, found.identities) == (matrix.OPEN, frozenset(matrix.IDENTITIES))
    assert bypass.differs("operator", "rgw") is None
    assert STORE["publish"].differs("operator", "minio") is None


# how it is read


def test_a_changed_row_is_read() -> None:
    assert matrix.read(changed()).operations[0].allowed == {"operator"}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[", "is not YAML"),
        (b"- 1", "has identities, store, keyring and jobs"),
        (yaml.safe_dump({**WHOLE, "more": []}).encode(), "has identities, store, keyring and jobs"),
        (yaml.safe_dump({**WHOLE, "identities": {}}).encode(), "does not say what operator"),
        (yaml.safe_dump({**WHOLE, "store": []}, sort_keys=False).encode(), "is no list of operations"),
        (yaml.safe_dump({**WHOLE, "jobs": 1}, sort_keys=False).encode(), "is no list of operations"),
        (changed(name="No!"), "an operation without a name"),
        (changed(name="read"), "a name stands twice"),
        (changed(more=1), "a key that is not known"),
        (changed(right="all"), "does not say what it is"),
        (changed(does="two\nlines"), "does not say what it is"),
        (changed(names=["x/*"]), "names what has no names"),
        (changed(right="put"), "names what has no names"),
        (changed(allowed=["thief"]), "names others than"),
        (changed(allowed=["operator", "operator"]), "each once"),
        (changed(allowed=None), "no list of words"),
        (changed(right="never"), "is allowed to nobody"),
        (changed(otherwise={}), "is no list"),
        (changed(otherwise=[{"server": "minio", "how": "open"}]), "does not say server, how and why"),
        (changed(otherwise=[{"server": "ftp", "how": "open", "why": "x"}]), "names no server"),
        (changed(otherwise=[{"server": "minio", "how": "maybe", "why": "x"}]), "names no server"),
        (job(name=""), "a job without a name"),
        (job(name="restore", asks=[]), "a name stands twice"),
        (job(more=1), "does not say name, does"),
        (job(identity="owner"), "which the owner has not"),
        (job(launched_by=[]), "which the owner has not"),
        (job(approved_by=["operator"]), "is approved by who launches it"),
        (job(asks={}), "is no list"),
        (job(asks=[{"variable": "backup_x"}]), "does not say variable and question"),
        (job(asks=[{"variable": "backup_x", "question": "x", "default": "y"}]), "does not say variable and question"),
        (job(asks=[{"variable": "holdfast_repository", "question": "x"}]), "not one of the job's own"),
        (job(asks=[{"variable": "restore_paths", "question": "x"}]), "not one of the job's own"),
        (job(asks=[{"variable": "backup_x", "question": "x", "choices": [1]}]), "no list of words"),
    ],
)
def test_what_is_no_matrix_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        matrix.read(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(matrix.IDENTITIES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["name", "does", "right", "names", "allowed", "otherwise"]), VALUES)
def test_whatever_a_row_holds_only_an_error_of_ours_comes_of_it(field: str, value: t.Any) -> None:
    with contextlib.suppress(HoldfastError):
        matrix.read(changed(**{field: value}))
