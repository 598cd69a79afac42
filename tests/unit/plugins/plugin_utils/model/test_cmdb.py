# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import cmdb
from hypothesis import given
from hypothesis import strategies as st


def test_csv_names_each_host_once_and_tells_bad_rows():
    text = '\ufeffname,site\r\nweb1,a\r\n,b\r\n"db1",c\r\nweb1,d\r\n'
    assert cmdb.read_hosts(text, format="csv", field="name") == (("web1", "db1"), (2,))


def test_json_names_each_host_and_tells_bad_rows():
    text = '\ufeff[{"name": "web1"}, {"name": 7}, "db1", {"name": "a\\u001b[2J"}]'
    assert cmdb.read_hosts(text, format="json", field="name") == (("web1",), (2, 3, 4))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("{}", "json"),
        ("[", "json"),
        ("[]", "json"),
        ('[{"x": 1}]', "json"),
        ("a,b\n1,2\n", "csv"),
        ("", "csv"),
        ("name,site\n", "csv"),
    ],
)
def test_what_is_no_export_is_refused(text, form):
    with pytest.raises(PolicyError):
        cmdb.read_hosts(text, format=form, field="name")


@given(st.text(), st.sampled_from(cmdb.FORMATS))
def test_hostile_text_is_read_or_refused(text, form):
    with contextlib.suppress(PolicyError):
        found, bad = cmdb.read_hosts(text, format=form, field="name")
        assert len(set(found)) == len(found)
        assert all(number > 0 for number in bad)
