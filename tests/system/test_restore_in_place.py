# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place by whole plays: equal and proven, or failed with the host as it was."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, Run, tree

# what a validator accepts
RIGHT = "listen"


def restore(name: str = "restore", **options: t.Any) -> dict[str, t.Any]:
    return {"name": name, "holdfast.config.restore": {"in_place": True, "newest": True, **options}}


def chosen(name: str = "restore", **options: t.Any) -> dict[str, t.Any]:
    """A restore of what the options select, not of what is newest."""
    return {"name": name, "holdfast.config.restore": {"in_place": True, **options}}


def described(root: Path) -> dict[str, tuple[str, int, int]]:
    """Every path below *root*, and itself, with its content, mode and time."""
    found = {".": "folder", **tree(root)}
    stats = {path: os.lstat(root / path) for path in found}
    return {path: (what, stats[path].st_mode, stats[path].st_mtime_ns) for path, what in found.items()}


@dataclasses.dataclass
class Setting:
    """Two hosts that were backed up twice, web1 changed between: at release v1 of CHG1, and after CHG2 as ``post``."""

    lab: Lab
    points: list[str]
    snapshots: list[str]
    held: dict[str, dict[str, str]]

    def app(self, name: str = "") -> Path:
        """A path of web1's component."""
        return self.lab.app("web1") / name

    def restored(self, *tasks: dict[str, t.Any], check: bool = False, args: t.Sequence[str] = ()) -> Run:
        """Play *tasks* on web1."""
        return self.lab.play(list(tasks), "--limit", "web1", *args, check=check)

    def is_closed(self) -> bool:
        """Whether no restore left anything on web1."""
        left = [path for path in (self.lab.path / "hosts" / "web1").rglob("*") if path.name.startswith(".holdfast-")]
        return not left and not list((self.lab.path / "hosts" / "web1" / "journal").glob("*"))


@pytest.fixture(scope="module")
def backed_up(new_lab: Callable[[int], Lab]) -> Setting:
    lab = new_lab(2)
    lab.restored_in_place()
    held = {"first": tree(lab.app("web1"))}
    first = ("-e", "backup_alias=v1", "-e", '{"backup_change": {"id": "CHG1"}}')
    lab.play("holdfast.config.backup", *first).ok()
    lab.change("web1")
    held["second"] = tree(lab.app("web1"))
    lab.play("holdfast.config.backup", "-e", "backup_point=post", "-e", '{"backup_change": {"id": "CHG2"}}').ok()
    early, late = lab.points()
    snapshots = [
        next(entry.manifest.sha256 for entry in point.body.streams if entry.host == "web1") for point in (early, late)
    ]
    return Setting(lab, [early.id, late.id], snapshots, held)


@pytest.fixture
def setting(backed_up: Setting) -> Iterator[Setting]:
    """As it was backed up last."""
    lab = backed_up.lab
    hosts, kept = lab.path / "hosts", lab.path / "kept"
    shutil.copytree(hosts, kept, symlinks=True)
    component = dict(lab.variables["holdfast_components"][0])
    variables = dict(lab.variables)
    yield backed_up
    lab.variables = {**variables, "holdfast_components": [component]}
    shutil.rmtree(hosts)
    kept.rename(hosts)


def spoil(lab: Lab, host: str = "web1") -> None:
    """Let a host drift: changed files with a secret, one less, other modes, one more, a folder where a link was."""
    app = lab.app(host)
    (app / "app.conf").write_text(f"# {CANARY} {host}\nlisten = 9443\npassword = stranger-{CANARY}\n")
    (app / "keys" / "tls.key").write_text(f"-----BEGIN {CANARY}-----\nstranger\n")
    (app / "keys" / "tls.key").chmod(0o644)
    (app / "more.conf").write_text("more = 1\n")
    (app / "current").unlink()
    (app / "empty").chmod(0o700)


def validated(setting: Setting, *, needs: str = RIGHT, host: str = "web1") -> None:
    """Let web1's component be right where its file has some words."""
    test = ["grep", "-q", needs, str(setting.lab.app(host) / "app.conf")]
    setting.lab.variables["holdfast_components"][0]["validate"] = test


WRITTEN = ["app.conf", "current", "empty", "keys/tls.key"]


def test_a_restore_is_checked_then_changes_then_does_not(setting: Setting) -> None:
    lab = setting.lab
    validated(setting)
    spoil(lab)
    before = lab.stored(), described(setting.app())
    checked = lab.play([restore()], check=True).ok()
    result = checked.on("restore", "web1").result
    assert (result["changed"], result["equal"], result["record"]) == (True, False, "")
    assert result["written"] == [str(setting.app(name)) for name in WRITTEN]
    assert (result["removed"], result["extra"]) == ([], [str(setting.app("more.conf"))])
    assert "diff" not in result
    assert checked.on("restore", "web2").result["changed"] is False
    assert (lab.stored(), described(setting.app())) == before
    assert setting.is_closed()

    run = setting.restored(restore(change={"id": "CHG3"}), restore("again"), args=["--diff"]).ok()
    done, again = run.on("restore").result, run.on("again").result
    assert (done["changed"], done["equal"], done["written"]) == (True, True, result["written"])
    assert (done["validated"], done["not_validated"], done["recovered"]) == (["app"], [], [])
    assert (again["changed"], again["equal"], again["written"]) == (False, True, [])
    assert again["record"] not in ("", done["record"])
    assert tree(setting.app()) == {**setting.held["second"], "more.conf": tree(setting.app())["more.conf"]}
    assert stat.S_IMODE(setting.app("keys/tls.key").stat().st_mode) == 0o600
    assert setting.is_closed()
    put = {path.partition("/")[0] for path in lab.stored().keys() - before[0].keys() if "@" in path}
    assert put == {"records"}

    record = lab.record(done["record"])
    assert (record.kind, record.subject["host"]) == ("restore", "web1")
    assert record.subject["snapshots"] == done["snapshots"] == [setting.snapshots[1]]
    assert record.subject["streams"][0]["whole"]
    detail = record.detail
    assert (detail["target_host"], detail["under"], detail["result"], detail["why"]) == ("web1", "/", "equal", "")
    assert (detail["written"], detail["removed"], detail["different"]) == (4, 0, 0)
    assert (detail["entries"], detail["validated"], detail["change"]) == (6, ["app"], {"id": "CHG3"})
    assert {"find", "fetch", "unwrap", "open", "survey", "stage", "apply", "validate", "compare"} <= set(
        detail["milliseconds"]
    )
    assert set(done["seconds"]) >= set(detail["milliseconds"])


def test_diff_mode_shows_lines_with_secrets_masked(setting: Setting) -> None:
    spoil(setting.lab)
    checked = setting.restored(restore(), check=True, args=["--diff"]).ok()
    done = setting.restored(restore(exact=True), args=["--diff"]).ok()
    for run in (checked, done):
        for words in (
            "-listen = 9443\n-password = <secret>\n+listen = 9090\n",
            " # <secret> web1\n",
            "content differs, not shown (private)",
        ):
            assert words in run.output
        assert "stranger" not in run.output
    assert f"removed {setting.app('more.conf')}" in done.output
    assert "more.conf" not in checked.output


def test_a_page_is_written_for_who_approves_it(setting: Setting) -> None:
    spoil(setting.lab)
    page = setting.lab.path / "page.html"
    run = setting.restored(restore(html=str(page)), check=True).ok()
    assert run.on("restore").result["html"] == str(page)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "+listen = 9090" in page.read_text()
    assert CANARY not in page.read_text()
    assert "diff" not in run.on("restore").result


def test_exact_removes_what_the_snapshot_does_not_hold(setting: Setting) -> None:
    lab = setting.lab
    component = lab.variables["holdfast_components"][0]
    component["excludes"] = [{"pattern": "*.cache", "reason": "cache"}]
    lab.play([OPEN, SNAPSHOT, SEAL], "--limit", "web1").ok()
    spoil(lab)
    setting.app("deep/er").mkdir(parents=True)
    setting.app("deep/er/file").touch()
    setting.app("kept.cache").touch()
    setting.app("current").mkdir()
    setting.app("current/inside").touch()
    beside = setting.app().parent / "beside"
    beside.touch()
    stands = described(setting.app())
    refused = setting.restored(restore(components=["app"]))
    assert refused.states("restore") == {"web1": "failed"}
    assert str(setting.app("current")) in refused.on("restore").message
    assert described(setting.app()) == stands

    options = {"components": ["app"], "exact": True}
    checked = setting.restored(restore(**options), check=True).ok().on("restore").result
    assert described(setting.app()) == stands
    result = setting.restored(restore(**options)).ok().on("restore").result
    gone = ["current/inside", "deep", "deep/er", "deep/er/file", "more.conf"]
    assert sorted(result["removed"]) == [str(setting.app(name)) for name in gone]
    assert sorted(checked["removed"]) == sorted(result["removed"])
    assert result["extra"] == []
    assert {**tree(setting.app())} == {**setting.held["second"], "kept.cache": tree(setting.app())["kept.cache"]}
    assert beside.exists()
    assert setting.is_closed()


def test_a_tree_that_is_gone_or_elsewhere_comes_back(setting: Setting) -> None:
    """A component's folder that is no longer there, is a file, or a link to another place: which is not written to."""
    elsewhere = setting.lab.path / "elsewhere"
    shutil.copytree(setting.app(), elsewhere, symlinks=True)
    stands = described(elsewhere)
    shutil.rmtree(setting.app())
    result = setting.restored(restore()).ok().on("restore").result
    assert (result["equal"], str(setting.app()) in result["written"]) == (True, True)
    assert tree(setting.app()) == setting.held["second"]
    for stray in (lambda: setting.app().symlink_to(elsewhere), setting.app().touch):
        shutil.rmtree(setting.app())
        stray()
        before = os.lstat(setting.app()).st_ino
        refused = setting.restored(restore()).on("restore")
        assert refused.status == "failed"
        assert str(setting.app()) in refused.message
        assert os.lstat(setting.app()).st_ino == before
        run = setting.restored(restore(exact=True)).ok()
        assert run.on("restore").result["equal"]
        assert not setting.app().is_symlink()
        assert tree(setting.app()) == setting.held["second"]
        assert setting.is_closed()
    assert described(elsewhere) == stands


def test_what_a_component_preserves_stays_and_what_returns_is_named(setting: Setting) -> None:
    key = setting.app("keys/tls.key")
    setting.lab.variables["holdfast_components"][0]["preserve"] = ["*.key"]
    spoil(setting.lab)
    live = key.read_text()
    run = setting.restored(restore(), restore("again")).ok()
    result = run.on("restore").result
    assert result["preserved"] == [str(key)]
    assert str(key) not in result["written"]
    assert key.read_text() == live
    assert result["returning"] == [{"path": str(setting.app("app.conf")), "what": ["secrets"]}]
    assert run.on("again").result["changed"] is False
    record = setting.lab.record(result["record"])
    assert (record.detail["preserved"], record.detail["returning"]) == (1, 1)
    assert not record.subject["streams"][0]["whole"]
    # what is gone comes back
    key.unlink()
    result = setting.restored(restore()).ok().on("restore").result
    assert (result["preserved"], result["written"]) == ([], [str(key)])
    assert tree(setting.app())["keys/tls.key"] == setting.held["second"]["keys/tls.key"]


def test_a_restore_takes_what_is_selected(setting: Setting) -> None:
    moments = [point.statement.sealed_at.strftime("%Y-%m-%dT%H:%M:%SZ") for point in setting.lab.points()]
    first, second = setting.held["first"], setting.held["second"]
    wanted: dict[str, tuple[dict[str, t.Any], dict[str, str]]] = {
        "point": ({"recovery_point": setting.points[0][:12]}, first),
        "snapshot": ({"snapshot": setting.snapshots[1]}, second),
        "alias": ({"alias": "v1"}, first),
        "change": ({"change_id": "CHG2"}, second),
        "change and name": ({"change_id": "CHG1", "point_name": "main"}, first),
        "newest of a name": ({"newest": True, "point_name": "post"}, second),
        "time": ({"time": moments[0], "components": ["app"]}, first),
    }
    look = {"ansible.builtin.stat": {"path": str(setting.app("app.conf")), "checksum_algorithm": "sha256"}}
    tasks = []
    for name, (options, _held) in wanted.items():
        tasks += [chosen(name, **options), {"name": f"{name} looked at", **look}]
    run = setting.restored(*tasks).ok()
    for name, (_options, held) in wanted.items():
        assert run.on(name).result["written"], name
        assert run.on(f"{name} looked at").result["stat"]["checksum"] == held["app.conf"], name
    spoil(setting.lab)
    run = setting.restored(restore(paths=[str(setting.app("*.conf"))])).ok()
    result = run.on("restore").result
    assert (result["written"], result["extra"]) == ([str(setting.app("app.conf"))], [str(setting.app("more.conf"))])
    assert not setting.lab.record(result["record"]).subject["streams"][0]["whole"]
    assert not setting.app("current").is_symlink()


def test_another_hosts_configuration_is_restored(setting: Setting) -> None:
    lab = setting.lab
    spoil(lab)
    run = lab.play([restore(source_host="web1")], "--limit", "web2").ok()
    assert tree(setting.app()).items() >= setting.held["second"].items()
    record = lab.record(run.on("restore").result["record"])
    assert (record.subject["host"], record.detail["target_host"]) == ("web1", "web2")


def test_a_validator_that_refuses_leaves_the_host_as_it_was(setting: Setting) -> None:
    lab = setting.lab
    validated(setting, needs="9443")
    spoil(lab)
    before = described(setting.app())
    guarded = {
        "name": "guarded",
        "block": [restore(exact=True, change={"id": "CHG4"})],
        "rescue": [{"name": "rescue", "ansible.builtin.debug": {"var": "ansible_failed_result"}}],
    }
    ignored = {**restore("ignored"), "ignore_errors": True, "register": "ended"}
    later = {"name": "later", "ansible.builtin.debug": {"msg": "{{ ended.undone }} {{ ended.left | default([]) }}"}}
    run = setting.restored(guarded, ignored, later)
    failed = run.on("restore")
    assert (run.on("ignored").status, run.on("later").result["msg"]) == ("ignored", "True []")
    for told in (failed.result, run.on("rescue").result["ansible_failed_result"], run.on("ignored").result):
        assert told["undone"] is True
        assert "the host is as it was" in told["msg"].lower()
        assert told["remedy"]
        assert "grep" in told["msg"]
        assert "app" in told["msg"]
    assert described(setting.app()) == before
    assert setting.is_closed()
    (record, _ignored) = sorted(
        (lab.record(name) for name in records(lab) if lab.record(name).detail["result"] == "undone"),
        key=lambda record: record.detail["change"].get("id", "~"),
    )
    assert (record.detail["why"], record.detail["change"]) == ("UndoneError", {"id": "CHG4"})
    assert record.detail["different"] == 4
    # without its command it is restored
    assert setting.restored(restore(validate=False)).ok().on("restore").result["validated"] == []


def test_what_is_changed_meanwhile_is_left_and_named(setting: Setting) -> None:
    """By a validator here, which agrees or refuses; a restore that is not equal is taken back like a refused one."""
    lab = setting.lab
    spoil(lab)
    conf = setting.app("app.conf")
    spoilt, before = conf.read_text(), described(setting.app())
    agrees = f"grep -q '^listen = 9090' {conf} && echo mended >> {conf}"
    test = ["sh", "-c", f'{agrees}; test -e "$1"', "sh", str(lab.path / "accepted")]
    lab.variables["holdfast_components"][0]["validate"] = test
    for accepted, words in ((False, "sh"), (True, f"1 of 6 paths are not what was sealed: '{conf}' (content)")):
        if accepted:
            (lab.path / "accepted").touch()
        failed = setting.restored(restore()).on("restore")
        assert failed.status == "failed"
        assert words in failed.message
        assert (failed.result["undone"], [left.partition(":")[0] for left in failed.result["left"]]) == (
            True,
            [str(conf)],
        )
        assert f"The host is as it was, but for {conf}" in failed.message
        stands = described(setting.app())
        assert conf.read_text().endswith("listen = 9090\nmended\n")
        assert {path: what for path, what in stands.items() if path not in (".", "app.conf")} == {
            path: what for path, what in before.items() if path not in (".", "app.conf")
        }
        assert setting.is_closed()
        conf.write_text(spoilt)
    (lab.path / "accepted").unlink()


def test_a_component_that_is_no_longer_declared_is_restored_without_its_command(setting: Setting) -> None:
    spoil(setting.lab)
    setting.lab.variables["holdfast_components"] = []
    result = setting.restored(restore()).ok().on("restore").result
    assert (result["equal"], result["validated"]) == (True, [])
    (warning,) = result["warnings"]
    assert warning == "component app is not declared for this host: nothing of it is preserved, validated or reloaded"


def records(lab: Lab) -> list[str]:
    """The names of all records of restores."""
    names = {path.partition("@")[0] for path in lab.stored() if path.startswith("records/restore/") and "@" in path}
    return sorted(names)


@pytest.mark.parametrize("way", ["over_ssh", "without_stdin"])
def test_every_way_to_a_host_restores_alike(setting: Setting, way: str) -> None:
    lab = setting.lab
    spoil(lab)
    getattr(lab, way)()
    checked = setting.restored(restore(exact=True), check=True).ok().on("restore").result
    run = setting.restored(restore(exact=True), restore("again"), args=["--diff"]).ok()
    assert run.on("restore").result["written"] == checked["written"]
    assert run.on("restore").result["removed"] == [str(setting.app("more.conf"))]
    assert (run.on("again").result["changed"], run.on("again").result["equal"]) == (False, True)
    assert tree(setting.app()) == setting.held["second"]
    assert setting.is_closed()
    assert not [path for path in (lab.path / "remote").rglob("*") if path.is_file()]


REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "neither": ({"newest": True}, "Give one of under and in_place"),
    "both": ({"newest": True, "in_place": True, "under": "/var/tmp/r"}, "Give one of under and in_place"),
    "exact below": ({"newest": True, "under": "/var/tmp/r", "exact": True}, "exact goes with in_place alone"),
    "root": ({"newest": True, "under": "/"}, "in_place restores to where it was"),
    "no selection": ({"in_place": True}, "which snapshot"),
    "two selections": ({"in_place": True, "newest": True, "alias": "v1"}, "which snapshot"),
    "unknown alias": ({"in_place": True, "alias": "v9"}, "v9"),
    "unknown change": ({"in_place": True, "change_id": "CHG9"}, "CHG9"),
    "unknown point": ({"in_place": True, "recovery_point": "0" * 12}, "no recovery point has that digest"),
    "unknown component": ({"in_place": True, "newest": True, "components": ["nothing"]}, "no component nothing"),
    "unknown path": ({"in_place": True, "newest": True, "paths": ["/nowhere"]}, "/nowhere"),
    "unknown host": ({"in_place": True, "newest": True, "source_host": "web9"}, "web9"),
    "short lease": ({"in_place": True, "newest": True, "lease": 29}, "Give 30 to 86400"),
    "page": ({"in_place": True, "newest": True, "html": "/nowhere/at/all.html"}, "the page cannot be written"),
}


def test_what_cannot_be_restored_fails_with_one_sentence_and_touches_nothing(setting: Setting) -> None:
    spoil(setting.lab)
    before = described(setting.app())
    tasks = [
        {"name": name, "holdfast.config.restore": options, "ignore_errors": True}
        for name, (options, _words) in REFUSED.items()
    ]
    run = setting.restored(*tasks).ok()
    for name, (_options, words) in REFUSED.items():
        assert run.on(name).status == "ignored", name
        assert words in run.on(name).message, name
    assert described(setting.app()) == before
    assert setting.is_closed()


def test_of_several_points_of_a_change_none_is_guessed(setting: Setting) -> None:
    lab = setting.lab
    lab.play("holdfast.config.backup", "-e", "backup_point=pre", "-e", '{"backup_change": {"id": "CHG1"}}').ok()
    run = setting.restored(chosen(change_id="CHG1"))
    assert run.states("restore") == {"web1": "failed"}
    for point in lab.points():
        assert (point.id[:12] in run.on("restore").message) == (point.body.change.get("id") == "CHG1")
    setting.restored(chosen(change_id="CHG1", point_name="pre")).ok()


def test_nothing_of_content_shows_at_the_highest_verbosity(setting: Setting) -> None:
    """That is asserted of every run; here of a log of Ansible's too, and of a failed restore."""
    lab = setting.lab
    log = lab.state / "ansible.log"
    validated(setting, needs="9443")
    spoil(lab)
    failing = {**restore("failing"), "ignore_errors": True}
    tasks = [failing, restore(validate=False, exact=True)]
    try:
        run = lab.play(tasks, "--limit", "web1", "-vvvv", "--diff", env={"ANSIBLE_LOG_PATH": str(log)}).ok()
        assert "stranger" not in run.output
        assert "restore" in log.read_text()
    finally:
        log.unlink(missing_ok=True)
    assert run.on("failing").status == "ignored"


def playbook(lab: Lab, *variables: str, args: t.Sequence[str] = (), check: bool = False) -> Run:
    """The collection's playbook with variables as people give them, in a home where nothing is yet."""
    given = [word for one in variables for word in ("-e", one)]
    return lab.play("holdfast.config.restore", *given, *args, check=check, env={"HOME": str(lab.path / "new")})


def test_the_playbook_restores_by_the_words_of_its_guide(setting: Setting) -> None:
    lab = setting.lab
    spoil(lab)
    page = lab.path / "CHG0042-web1.html"
    options = ("restore_in_place=true", "restore_change_id=CHG2", "restore_point_name=post")
    limited = ("--limit", "web1")
    run = playbook(lab, *options, f"restore_html={page}", args=[*limited, "--diff"], check=True).ok()
    assert "Would be written: 4, removed: 0, reloaded: nothing." in run.output
    assert "+listen = 9090" in run.output
    assert page.exists()
    run = playbook(lab, *options, "restore_exact=true", "restore_lease=60", args=limited).ok()
    assert "Were written: 4, removed: 1, reloaded: nothing." in run.output
    assert run.states("Restore and compare") == {"web1": "ok"}
    assert tree(setting.app()) == setting.held["second"]
    again = playbook(lab, "restore_in_place=true", "restore_newest=true").ok()
    assert {kept.host: kept.result["changed"] for kept in again.all("Restore and compare")} == {
        "web1": False,
        "web2": False,
    }
    one = f'{{"restore_paths": ["{setting.app("app.conf")}"]}}'
    playbook(lab, "restore_in_place=true", "restore_alias=v1", one, "restore_validate=false", args=limited).ok()
    assert tree(setting.app())["app.conf"] == setting.held["first"]["app.conf"]


def test_hosts_are_restored_in_batches_and_none_after_one_that_failed(setting: Setting) -> None:
    lab = setting.lab
    for host in lab.hosts:
        spoil(lab, host)
    validated(setting, needs="nothing of it")
    before = {host: described(lab.app(host)) for host in lab.hosts}
    batches = ("restore_serial=1", "restore_max_fail_percentage=0")
    run = playbook(lab, "restore_in_place=true", "restore_newest=true", *batches)
    assert run.rc == 2
    assert run.states("Restore and compare") == {"web1": "failed"}
    assert {host: described(lab.app(host)) for host in lab.hosts} == before
    # one that fails stops no other of its batch
    validated(setting, needs="web1")
    lab.variables["holdfast_components"][0]["validate"][-1] = (
        f"{lab.path}/hosts/{{{{ inventory_hostname }}}}/app/app.conf"
    )
    run = playbook(lab, "restore_in_place=true", "restore_newest=true", "restore_serial=50%")
    assert run.states("Restore and compare") == {"web1": "ok", "web2": "failed"}
    assert described(lab.app("web2")) == before["web2"]
    assert tree(setting.app()).items() >= setting.held["second"].items()
