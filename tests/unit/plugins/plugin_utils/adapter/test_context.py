# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in a run's context: whom it believes, what it takes as an occasion, and whose revision it is."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible import context as ansible_context
from ansible.module_utils.common.collections import ImmutableDict
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import context, run
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

JOB = {"awx_user_name": "alice", "awx_job_id": "42", "awx_job_launch_type": "scheduled"}
COMMIT = "a" * 40


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither AWX nor a login, and no arguments of a command line."""
    tokens = ("HOLDFAST_ID_TOKEN", "HASHI_VAULT_JWT", "ANSIBLE_HASHI_VAULT_JWT")
    for name in ("JOB_ID", "AWX_HOST", "PROJECT_REVISION", "SSH_CONNECTION", *tokens):
        monkeypatch.delenv(name, raising=False)
    limited(monkeypatch, "")


def limited(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(ansible_context, "CLIARGS", ImmutableDict(subset=limit, tags=("all",), args=("site.yml",)))


def test_a_run_by_hand_names_the_account_and_itself() -> None:
    actor = context.actor({})
    assert actor["identity_source"] == "os"
    assert actor["run"] == run.RUN_ID
    assert actor["trigger"] == {"kind": "manual", "id": run.RUN_ID}
    assert actor["playbook"] == "site.yml"
    # what is not known is not there
    assert not {"awx_user", "awx_job", "address", "revision", "limit", "scope"} & set(actor)


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({}, "os"),
        ({"JOB_ID": "42"}, "os"),
        ({"JOB_ID": "41", "AWX_HOST": "https://awx.example.com"}, "os"),
        ({"JOB_ID": "42", "AWX_HOST": "https://awx.example.com"}, "awx"),
    ],
)
def test_the_user_of_awx_is_believed_where_the_environment_is_of_the_same_job(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], source: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    actor = context.actor(JOB)
    assert (actor["identity_source"], actor["awx_user"], actor["awx_job"]) == (source, "alice", "42")


def test_what_is_given_as_the_occasion_goes_before_how_awx_launched_it() -> None:
    assert context.actor(JOB)["trigger"]["kind"] == "schedule"
    given = context.read_trigger({"kind": "pre-deployment", "id": 4711, "by": "pipeline", "due": None})
    assert context.actor(JOB, given)["trigger"] == {"kind": "pre-deployment", "id": "4711", "by": "pipeline"}


@pytest.mark.parametrize("nothing", [None, "", {}])
def test_no_occasion_need_be_given(nothing: t.Any) -> None:
    assert context.read_trigger(nothing) == {}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("schedule", "holdfast_trigger"),
        ({"who": "me"}, "holdfast_trigger.who"),
        ({"by": ["me"]}, "holdfast_trigger.by"),
        ({"by": "me\n\x1b[2J"}, "holdfast_trigger.by"),
        ({"by": "m" * 201}, "holdfast_trigger.by"),
        ({"kind": "At Night"}, "holdfast_trigger.kind"),
        ({"due": "tomorrow"}, "holdfast_trigger.due"),
    ],
)
def test_an_occasion_that_could_not_stand_in_a_signed_line_is_refused(given: t.Any, named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        context.read_trigger(given)


def test_texts_of_others_steer_no_terminal() -> None:
    assert context.actor({"awx_user_name": "eve\x1b[2J\n" + "e" * 300})["awx_user"] == "eve?[2J?" + "e" * 192


def test_the_scope_tells_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def scope(*hosts: str, check: bool = False) -> str:
        return str(context.actor({}, expected=hosts, check=check)["scope"])

    assert scope("a", "b") == scope("b", "a")
    different = {scope("a", "b"), scope("a"), scope("a", check=True)}
    limited(monkeypatch, "web")
    assert len({*different, scope("a")}) == 4
    assert context.actor({})["limit"] == "web"


def git(path: Path, head: str) -> Path:
    (path / ".git" / "refs" / "heads").mkdir(parents=True)
    (path / ".git" / "HEAD").write_text(head)
    (path / "plays").mkdir()
    return path / "plays"


def revision(folder: Path) -> str:
    return str(context.actor({"playbook_dir": str(folder)}).get("revision", ""))


def test_the_revision_is_the_commit_that_the_playbook_lies_in(tmp_path: Path) -> None:
    plays = git(tmp_path, "ref: refs/heads/main\n")
    assert revision(plays) == ""
    (tmp_path / ".git" / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert revision(plays) == COMMIT
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert revision(plays) == "b" * 40


@pytest.mark.parametrize("head", ["ref: ../../secret", "ref: refs/../../secret", "secret", ""])
def test_a_head_that_is_none_gives_no_revision_and_nothing_of_a_file(tmp_path: Path, head: str) -> None:
    (tmp_path / "secret").write_text(COMMIT)
    assert revision(git(tmp_path, head)) == ""


def test_only_a_job_of_awx_says_its_projects_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {**JOB, "awx_project_revision": COMMIT}
    assert "revision" not in context.actor(told)
    monkeypatch.setenv("JOB_ID", "42")
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    assert context.actor(told)["revision"] == COMMIT


def token(claims: t.Any) -> str:
    spelled = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{spelled}.c2lnbmF0dXJl"


@pytest.mark.parametrize("variable", ["HOLDFAST_ID_TOKEN", "HASHI_VAULT_JWT"])
def test_a_token_names_who_the_identity_provider_says_it_is_and_shows_nowhere(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    given = token({"iss": "https://gitlab.example", "sub": "project_path:ops/x\n", "email": "jane@example.com"})
    monkeypatch.setenv(variable, given)
    actor = context.actor({})
    assert actor["identity_source"] == "oidc"
    assert (actor["oidc_issuer"], actor["oidc_subject"]) == ("https://gitlab.example", "project_path:ops/x?")
    assert "jane" not in str(actor)
    assert given.split(".")[1] not in str(actor)


def test_a_job_of_awx_is_of_awx_whatever_token_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_ID_TOKEN", token({"iss": "https://idp.example", "sub": "robot"}))
    monkeypatch.setenv("JOB_ID", "42")
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    actor = context.actor(JOB)
    assert (actor["identity_source"], actor["oidc_subject"]) == ("awx", "robot")


@pytest.mark.parametrize(
    "given", ["", "a.b", "a.!.c", "a.bm8=.c", token([]), token({"sub": 7}), token("x"), "a." + "A" * 40_000 + ".c"]
)
def test_what_is_no_token_names_nobody(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("HOLDFAST_ID_TOKEN", given)
    assert context.actor({})["identity_source"] == "os"


def test_a_playbook_that_was_changed_since_its_commit_is_dirty(tmp_path: Path) -> None:
    plays = tmp_path / "plays"
    plays.mkdir()
    (plays / "site.yml").write_text("[]\n")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for asked in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *asked], cwd=tmp_path, check=True)
    clean = revision(plays)
    assert len(clean) == 40
    (plays / "beside.retry").write_text("web1\n")
    assert revision(plays) == clean
    (plays / "site.yml").write_text("[{}]\n")
    assert revision(plays) == f"{clean}-dirty"


@pytest.mark.parametrize("name", ["x", "a.b", "a=b"])
def test_a_look_at_a_checkout_runs_nothing_of_it(tmp_path: Path, name: str) -> None:
    run_by_git = tmp_path / "monitor"
    run_by_git.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    run_by_git.chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "config", "core.fsmonitor", str(run_by_git)], cwd=tmp_path, check=True)
    (tmp_path / ".gitattributes").write_text(f"site.yml filter={name}\n")
    (tmp_path / "site.yml").write_text("[]\n")
    subprocess.run(["git", "add", "site.yml"], cwd=tmp_path, check=True)
    for what in ("clean", "process"):
        subprocess.run(["git", "config", f"filter.{name}.{what}", str(run_by_git)], cwd=tmp_path, check=True)
    subprocess.run(["git", "config", f"filter.{name}.required", "true"], cwd=tmp_path, check=True)
    # git has to look into it; what ran until now was asked for here
    os.utime(tmp_path / "site.yml", (0, 0))
    (tmp_path / "ran").unlink(missing_ok=True)
    context._is_dirty(str(tmp_path))
    assert not (tmp_path / "ran").exists()
