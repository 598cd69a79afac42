# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a command line gives a playbook of the collection: a misspelt variable is refused, options have its words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible import constants, context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import given
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

PLAYBOOKS = Path(__file__).resolve().parents[5] / "playbooks"


def told(monkeypatch: pytest.MonkeyPatch, *playbooks: str, extra: tuple[str, ...] = ()) -> None:
    """As if these were the arguments of ``ansible-playbook``."""
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=playbooks, extra_vars=extra))
    # what Ansible keeps of it
    monkeypatch.setattr(load_extra_vars, "extra_vars", None, raising=False)


@pytest.mark.parametrize(
    ("playbook", "extra", "alike"),
    [
        ("restore", "restore_host=web1", "restore_hosts"),
        ("restore", '{"restore_component": ["ssh"]}', "restore_components"),
        ("find", "find_hots=web1", "find_host"),
        ("backup", "backup_aliass=v1", "backup_alias"),
        ("show", "show_newst=true", "show_newest"),
        ("scheduled", "schedule_teir=tier1", "schedule_tier"),
        ("change", "change_task=/srv/x.yml", "change_tasks"),
    ],
)
def test_a_misspelt_variable_is_refused_and_named_with_what_is_alike(
    monkeypatch: pytest.MonkeyPatch, playbook: str, extra: str, alike: str
) -> None:
    told(monkeypatch, f"holdfast.config.{playbook}", extra=("holdfast_change={}", extra))
    with pytest.raises(PolicyError) as refused:
        given.require_known(DataLoader())
    assert f"no variable of holdfast.config.{playbook}: nothing was done" in str(refused.value)
    assert re.search(rf"Known here: .*\b{alike}\b", str(refused.value))


def test_where_nothing_is_alike_all_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "holdfast.config.doctor", extra=("doctor_all_that_there_is=1",))
    with pytest.raises(PolicyError, match="Known here: doctor_hosts, doctor_identity, doctor_storage"):
        given.require_known(DataLoader())


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("holdfast_component", "holdfast_components"),
        ("holdfast_component__web", "holdfast_components__web"),
        ("holdfast_exclusion", "holdfast_exclusions"),
        ("holdfast_chagne", "holdfast_change"),
        ("holdfast_governace", "holdfast_governance"),
        # known, ones of people's own, and none of ours
        ("holdfast_components", None),
        ("holdfast_components__web", None),
        ("holdfast_repository_url", None),
        ("holdfast_change_id", None),
        ("holdfast_webhook_port", None),
        ("component", None),
    ],
)
def test_a_variable_that_is_very_like_one_of_ours_was_meant_to_be_it(name: str, like: str | None) -> None:
    assert given.meant(name) == like


def test_all_that_is_read_of_an_inventory_is_known() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (PLAYBOOKS.parent / "plugins").rglob("*.py"))
    read = set(re.findall(r'inherited\("(\w+)"', sources)) | set(re.findall(r'"holdfast_([a-z]\w+)"', sources))
    # the half that runs on hosts names modules so
    assert read - {"host", "texts"} == set(given._READ)


def test_a_misspelt_change_on_the_command_line_is_no_backup_without_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "holdfast.config.backup", extra=('{"holdfast_chagne": {"id": "CHG1"}}',))
    with pytest.raises(PolicyError, match=r"nothing was done\. holdfast_change is one"):
        given.require_known(DataLoader())


@pytest.mark.parametrize(
    ("playbooks", "extra"),
    [
        (("restore",), ("restore_hosts=web1 restore_newest=true", "environment=prod", "change_id=CHG1")),
        # by a role that it runs, and by another playbook of the line
        (("verify",), ("verify_max_age_hours=26",)),
        (("change", "change_report"), ("change_report_path=/tmp/x", "change_id=CHG1")),
        # of the tasks that it runs
        (("change",), ("change_package_version=2.1",)),
        (("import",), ("import_tool=rancid import_path=/srv/rancid",)),
        # AWX says these to every playbook
        (("awx",), ("awx_job_id=7",)),
        # no playbook
        (("all",), ("restore_host=web1",)),
        ((), ("restore_host=web1",)),
    ],
)
def test_what_is_known_or_is_no_matter_of_the_playbook_passes(
    monkeypatch: pytest.MonkeyPatch, playbooks: tuple[str, ...], extra: tuple[str, ...]
) -> None:
    told(monkeypatch, *(f"holdfast.config.{playbook}" for playbook in playbooks), extra=extra)
    given.require_known(DataLoader())


def test_playbooks_of_others_have_variables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "site.yml", "holdfast.config.restore", extra=("restore_host=web1",))
    given.require_known(DataLoader())


@pytest.mark.parametrize("playbook", sorted(path.stem for path in PLAYBOOKS.glob("*.yml")))
def test_each_variable_that_a_playbook_reads_is_known(monkeypatch: pytest.MonkeyPatch, playbook: str) -> None:
    text = (PLAYBOOKS / f"{playbook}.yml").read_text(encoding="utf-8")
    read = set(re.findall(r"\{\{ (\w+)(?: \| default| \}\})", text))
    told(monkeypatch, f"holdfast.config.{playbook}", extra=tuple(f"{name}=x" for name in sorted(read)))
    given.require_known(DataLoader())


@pytest.mark.parametrize(
    ("playbook", "error", "options", "words"),
    [
        ("find", PolicyError("no time", item="since", remedy="Give a day."), {"since"}, "As a variable: find_since."),
        (
            "restore",
            PolicyError("not said once", remedy="Give one of under and in_place."),
            {"under", "in_place", "newest"},
            "As variables: restore_under, restore_in_place.",
        ),
        (
            "restore",
            PolicyError("no digest", item="recovery_point or snapshot"),
            {"recovery_point", "snapshot"},
            "As variables: restore_recovery_point, restore_snapshot.",
        ),
        # what an inventory says of a host, an item that is no option, an option that the playbook does not take
        ("restore", PolicyError("no list", host="web1", item="paths"), {"paths"}, ""),
        ("restore", PolicyError("not there", item="/etc/paths", remedy="Give paths."), {"paths"}, ""),
        ("find", PolicyError("no number", item="details"), {"details"}, ""),
    ],
)
def test_an_option_is_named_as_the_variable_that_people_give(
    monkeypatch: pytest.MonkeyPatch, playbook: str, error: PolicyError, options: set[str], words: str
) -> None:
    told(monkeypatch, f"holdfast.config.{playbook}")
    assert given.as_variables(error, options) == words


def test_what_ansible_itself_says_of_options_is_told_as_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "holdfast.config.import")
    said = given.variables_in("missing required arguments: path, tool", {"path", "tool", "host"})
    assert said == "As variables: import_path, import_tool."


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (["/srv/a b.yml", "web1,"], ("/srv/a b.yml", "web1,")),
        (list(constants.DEFAULT_HOST_LIST), ()),
        (None, ()),
    ],
)
def test_the_inventories_of_a_command_line(
    monkeypatch: pytest.MonkeyPatch, named: list[str] | None, found: tuple[str, ...]
) -> None:
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(inventory=named))
    assert given.inventories() == found


def test_in_a_playbook_of_ones_own_an_option_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "site.yml")
    assert given.as_variables(PolicyError("no time", item="since"), {"since"}) == ""
