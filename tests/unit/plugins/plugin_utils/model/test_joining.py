# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.joining import SPLIT, joined
from hypothesis import given
from hypothesis import strategies as st

SSH, NGINX = {"name": "ssh", "paths": ["/etc/ssh"]}, "nginx"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "id", "tier1", 1]), inner),
    max_leaves=6,
)


def findings_of(name: str, variables: dict[str, t.Any]) -> list[str]:
    findings: list[Finding] = []
    joined(name, variables, findings)
    return [str(one) for one in findings]


def test_parts_add_up_in_the_order_of_their_names() -> None:
    variables = {
        "holdfast_components__web": [NGINX],
        "holdfast_components": [SSH],
        "holdfast_components__db": [{"preset": "mariadb"}],
        "holdfast_components_db": ["another variable"],
    }
    assert joined("components", variables) == (
        [SSH, {"preset": "mariadb"}, NGINX],
        {
            "component:ssh": "holdfast_components",
            "component:mariadb": "holdfast_components__db",
            "component:nginx": "holdfast_components__web",
        },
    )


@pytest.mark.parametrize("name", SPLIT)
def test_nothing_said_is_nothing(name: str) -> None:
    assert joined(name, {}) == (None, {})


def test_a_component_of_two_variables_is_a_finding_that_names_both() -> None:
    variables = {"holdfast_components__a": [NGINX], "holdfast_components__b": [{"name": "nginx", "paths": ["/x"]}]}
    (finding,) = findings_of("components", variables)
    assert "holdfast_components__b: declares the component nginx, which holdfast_components__a declares too" in finding


def test_tiers_join_key_by_key() -> None:
    variables = {"holdfast_tiers": {"tier0": {"rpo": "1h"}}, "holdfast_tiers__x": {"tier0": {"rto": "2h", "rpo": "1h"}}}
    before = copy.deepcopy(variables)
    findings: list[Finding] = []
    assert joined("tiers", variables, findings) == (
        {"tier0": {"rpo": "1h", "rto": "2h"}},
        {"tier:tier0": "holdfast_tiers, holdfast_tiers__x"},
    )
    assert not findings
    assert variables == before


def test_a_key_of_a_tier_said_twice_is_a_finding_that_names_both() -> None:
    variables = {"holdfast_tiers__a": {"tier0": {"rpo": "1h"}}, "holdfast_tiers__b": {"tier0": {"rpo": "2h"}}}
    (finding,) = findings_of("tiers", variables)
    assert "holdfast_tiers__b.tier0.rpo: says rpo of tier0, of which holdfast_tiers__a says something else" in finding


def test_what_is_no_list_among_several_is_a_finding_of_its_own() -> None:
    (finding,) = findings_of("components", {"holdfast_components": [SSH], "holdfast_components__x": "nginx"})
    assert "holdfast_components__x: is not a list" in finding


def test_what_is_no_list_alone_is_left_to_its_reader() -> None:
    assert joined("components", {"holdfast_components": "nginx"}) == ("nginx", {})


@given(name=st.sampled_from(SPLIT), values=st.lists(anything, max_size=3))
def test_whatever_is_said_gives_findings_alone(name: str, values: list[t.Any]) -> None:
    joined(name, {f"holdfast_{name}__{number}": value for number, value in enumerate(values)}, [])
