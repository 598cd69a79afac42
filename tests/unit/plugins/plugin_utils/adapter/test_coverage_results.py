# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of coverage takes, and which files it writes."""

from __future__ import annotations

import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import coverage_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.coverage import GAP, Row
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.coverage import Coverage

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.timezone.utc)
FOUND = Coverage((Row("web1", ("web",), "app", "tier1", "web-team", GAP, ("never captured",)),), NOW)


def options(*, check: bool = False, **given: t.Any) -> Options:
    return Options({"fail_on_gaps": True, **given}, lambda _name: None, check=check)


def test_no_host_is_no_report_without_gaps() -> None:
    assert coverage_results.covered(options(), FOUND, ())["failed"]
    with pytest.raises(PolicyError, match="hosts is empty"):
        coverage_results.covered(options(hosts=[]), FOUND, ())


@pytest.mark.parametrize("check", [True, False])
def test_files_are_written_but_in_check_mode(tmp_path: Path, check: bool) -> None:
    written = {name: str(tmp_path / name) for name in ("path", "html")}
    result = coverage_results.covered(options(check=check, **written), FOUND, ())
    assert {name: result[name] for name in written if name in result} == ({} if check else written)
    assert [Path(file).exists() for file in written.values()] == [not check] * 2
    assert (result["changed"], result["gaps"], result["failed"]) == (False, 1, True)


def test_an_export_of_another_encoding_and_one_too_large_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cmdb.json"
    given = options(cmdb={"path": str(file), "format": None, "host_field": "name"})
    file.write_bytes(b'\xef\xbb\xbf[{"name": "web1"}]')
    assert coverage_results.cmdb_hosts(given) == (("web1",), ())
    file.write_bytes("[]".encode("utf-16"))
    with pytest.raises(PolicyError, match="is not UTF-8"):
        coverage_results.cmdb_hosts(given)
    # a file cut within a letter is no UTF-8 either
    monkeypatch.setattr(coverage_results, "_LARGEST", 2)
    file.write_bytes("abéd".encode())
    with pytest.raises(PolicyError, match="is larger"):
        coverage_results.cmdb_hosts(given)
