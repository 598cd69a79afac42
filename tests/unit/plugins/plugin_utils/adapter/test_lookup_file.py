# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup takes what it documents, and refuses the rest before anything is opened."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible_collections.holdfast.config.plugins.doc_fragments.repository import ModuleDocFragment
from ansible_collections.holdfast.config.plugins.lookup import snapshot_file
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import lookup_file


def refused(terms: list[t.Any], **named: t.Any) -> str:
    given = {"newest": False, "encoding": "text", **named}
    with pytest.raises(AnsibleLookupError) as caught:
        lookup_file.contents(terms, given, named, {"inventory_hostname": "web1"}, lambda value: value)
    return str(caught.value)


def test_it_takes_what_it_documents() -> None:
    own = yaml.safe_load(snapshot_file.DOCUMENTATION)["options"]
    shared = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    assert {*own, *shared} - {"_terms"} == set(lookup_file.NAMES)


@pytest.mark.parametrize(
    ("terms", "named", "said"),
    [
        ([], {"newest": True}, "takes paths"),
        ([7], {"newest": True}, "takes paths"),
        (["/etc/a"], {"newset": True}, "has no option newset"),
        (["/etc/a"], {}, "is not said once"),
        (["/etc/a"], {"newest": True, "time": "2026-03-01T12:00:00Z"}, "is not said once"),
        (["/etc/a"], {"time": "yesterday"}, "time"),
        (["/etc/a"], {"newest": True}, "holdfast_repository.name: is not set"),
    ],
)
def test_what_is_not_said_rightly_is_refused(terms: list[t.Any], named: dict[str, t.Any], said: str) -> None:
    assert said in refused(terms, **named)


def test_it_gives_nothing_where_ansible_prints_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_DEBUG", True)
    monkeypatch.delenv("HOLDFAST_DEBUG_CONTENT", raising=False)
    assert "ANSIBLE_DEBUG would print configuration content" in refused(["/etc/a"], newest=True)
    monkeypatch.setenv("HOLDFAST_DEBUG_CONTENT", "1")
    assert "ANSIBLE_DEBUG" not in refused(["/etc/a"], newest=True)
