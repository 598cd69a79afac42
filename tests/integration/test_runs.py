# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs of ansible-playbook on a repository that is a bucket: rights, faults, and what a run asks of a server."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import io
import shutil
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.proxy import Archive, Direction, Fault, Lie, Proxy, proxy
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.lab.s3.versitygw import Versitygw
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree

from .stores import profiles, store_at

BACKUP = "holdfast.config.backup"
RUN = [OPEN, SNAPSHOT, SEAL]
MAKE = [{"name": "make", "holdfast.config.repository": {}}]
DAYS = dt.timedelta(days=4000)


class BucketLab(Lab):
    """A lab whose repository is below a prefix of a bucket; its runs have credentials by environment."""

    def __init__(self, path: Path, server: S3Server, place: str, *, hosts: int = 2, pin: str | None = None) -> None:
        super().__init__(path, hosts=hosts, pin=pin)
        self.server = server
        self.place = place
        self.identity = OWNER
        self.variables["holdfast_repository"] |= {
            "url": f"s3://{place}",
            "endpoint_url": server.endpoint,
            "aws_ca_bundle": str(server.ca_path),
        }

    def environment(self, work: Path) -> dict[str, str]:
        keys = self.server.keys[self.identity]
        return {
            **super().environment(work),
            "AWS_ACCESS_KEY_ID": keys.access,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def play(self, playbook: t.Any, *args: str, check: bool = False, env: Mapping[str, str] | None = None) -> Run:
        """Run a playbook; no secret of any identity may stand in what it printed or left."""
        return self.checked(super().play(playbook, *args, check=check, env=env))

    def checked(self, run: Run) -> Run:
        """This run, which has shown and left no secret."""
        self.no_secret(run.output)
        for folder in (self.state, self.path / "run"):
            for path in folder.rglob("*"):
                if path.is_file():
                    self.no_secret(path.read_bytes().decode("latin-1"))
        return run

    def no_secret(self, text: str) -> None:
        """No secret key of the server's is in *text*."""
        assert not [identity for identity, keys in self.server.keys.items() if keys.secret in text]

    def by(self, between: Proxy | S3Server) -> None:
        """Reach the server by a proxy from now on, or without one."""
        self.variables["holdfast_repository"]["endpoint_url"] = between.endpoint

    def store(self) -> store.Store:
        return store_at(self.server, self.place)

    def stored(self) -> dict[str, str]:
        """Every version, with its id, in the repository; what probes left does not count."""
        return {f"{one.name}@{one.version}": str(one.size) for one in self.store().list()}

    def kinds(self) -> collections.Counter[str]:
        """How many versions there are of each kind of object."""
        return collections.Counter(name.partition("/")[0] for name in self.stored())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, str]:
    """A repository in a folder, made by its module, and its pin."""
    lab = Lab(tmp_path_factory.mktemp("made"), hosts=1)
    pin = lab.play(MAKE).ok().on("make").result["repository_id"]
    return lab, pin


@pytest.fixture
def new_lab(template: tuple[Lab, str], tmp_path: Path) -> Iterator[Callable[..., BucketLab]]:
    """Makes labs on a server, of that many hosts, with the root of the template in a bucket of their own."""
    made, pin = template
    with contextlib.ExitStack() as stack:

        def new(server: S3Server, hosts: int = 2) -> BucketLab:
            path = tmp_path / f"lab{hosts}"
            path.mkdir()
            stack.enter_context(profiles(server, path))
            lab = BucketLab(path / "lab", server, f"{server.make_bucket()}/of/lab", hosts=hosts, pin=pin)
            shutil.copytree(made.path / "keyring", lab.path / "keyring", symlinks=True)
            source, target = made.store(), lab.store()
            for one in source.list():
                target.put_new(one.name, io.BytesIO(source.get(one.name)), lock_until=target.clock() + DAYS)
            return lab

        yield new


@pytest.fixture
def lab(new_lab: Callable[..., BucketLab], versitygw: Versitygw) -> BucketLab:
    """Two hosts, and a repository on versitygw that holds its root alone."""
    return new_lab(versitygw)


@pytest.fixture
def each_lab(new_lab: Callable[..., BucketLab], s3: S3Server) -> BucketLab:
    """The same on each server."""
    return new_lab(s3)


def restore(lab: BucketLab, **options: t.Any) -> dict[str, t.Any]:
    """A restore of each host below a folder of its own."""
    under = f"{lab.path}/restored/{{{{ inventory_hostname }}}}"
    return {"name": "restore", "holdfast.config.restore": {"under": under, "newest": True, **options}}


def came_back(lab: BucketLab, host: str) -> bool:
    """Whether what was restored is what the host has."""
    return tree(lab.path / "restored" / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))


def reasons(run: Run) -> dict[str, str]:
    """Why each host's streams were stored, or not."""
    return {kept.host: kept.result["streams"][0]["reason"] for kept in run.all("snapshot")}


def verify(level: str) -> dict[str, t.Any]:
    """Verify at that level."""
    return {"name": level, "holdfast.config.verify": {"level": level}, "run_once": True}


LEVELS = ("names", "signatures", "content", "keys")


# whole runs


def test_the_same_playbook_from_nothing_to_a_restore_on_each_server(s3: S3Server, tmp_path: Path) -> None:
    with profiles(s3, tmp_path):
        lab = BucketLab(tmp_path / "lab", s3, f"{s3.make_bucket()}/of/lab")
        made = lab.play(MAKE, "--limit", "web1").ok().on("make").result
        assert made["changed"]
        lab.variables["holdfast_repository_id"] = made["repository_id"]
        tasks = [*RUN, *[verify(level) for level in LEVELS], restore(lab)]
        run = lab.play(tasks).ok()
        assert run.report["complete"]
        assert lab.sound().snapshots == 2
        assert all(came_back(lab, host) for host in lab.hosts)


def test_a_backup_is_first_then_unchanged_then_drift(lab: BucketLab) -> None:
    before = lab.stored()
    with behind(lab) as between:
        lab.play(BACKUP, check=True).ok()
        assert between.operations()
        assert {name for name in between.operations() if not name.startswith(("Get", "List", "Head"))} == set()
    assert lab.stored() == before
    run = lab.play(RUN).ok()
    assert reasons(run) == dict.fromkeys(lab.hosts, "first")
    first = lab.stored()
    bare = lab.play([SNAPSHOT]).ok()
    assert reasons(bare) == dict.fromkeys(lab.hosts, "unchanged")
    assert len(lab.points()) == 3
    assert lab.kinds()["packs"] == 2
    lab.change("web1")
    drift = lab.play(RUN).ok()
    assert reasons(drift) == {"web1": "drift", "web2": "unchanged"}
    assert lab.stored().items() >= first.items()
    lab.sound()


def test_two_controllers_at_once_both_seal(lab: BucketLab) -> None:
    one = lab.start(RUN)
    two = lab.start(RUN, env={"HOLDFAST_STATE_DIR": str(lab.path / "other")})
    reports = [one.end().ok().report, two.end().ok().report]
    assert all(report["complete"] for report in reports)
    assert {point.id for point in lab.points()} == {report["id"] for report in reports}
    lab.sound()


def test_one_variable_takes_a_playbook_from_a_folder_to_a_bucket(lab: BucketLab, template: tuple[Lab, str]) -> None:
    bucket = lab.variables["holdfast_repository"]
    shutil.copytree(template[0].path / "repository", lab.path / "repository", symlinks=True)
    lab.variables["holdfast_repository"] = {
        "name": bucket["name"],
        "url": f"file://{lab.path}/repository",
        "keyring": bucket["keyring"],
    }
    folder = lab.play(RUN, env={"HOLDFAST_STATE_DIR": str(lab.path / "other")}).ok()
    lab.variables["holdfast_repository"] = bucket
    run = lab.play(RUN).ok()
    assert reasons(run) == reasons(folder) == dict.fromkeys(lab.hosts, "first")
    assert run.report["complete"]
    assert [kept.status for kept in run.tasks] == [kept.status for kept in folder.tasks]
    assert lab.play([restore(lab)]).ok()
    assert all(came_back(lab, host) for host in lab.hosts)


# rights


def grant(lab: BucketLab) -> None:
    """Give each identity what the documentation says, and no more."""
    bucket, _slash, prefix = lab.place.partition("/")
    admit(lab.server, bucket, prefix)


def only_half(lab: BucketLab, half: str) -> None:
    """Leave this half of the keyring alone on the controller."""
    for path in (lab.path / "keyring").iterdir():
        if path.name != half:
            shutil.rmtree(path)


def refused(call: Callable[[], object]) -> bool:
    """Whether the server itself refuses a call."""
    try:
        call()
    except botocore.exceptions.ClientError as e:
        return bool(e.response["Error"]["Code"] == "AccessDenied")
    return False


def test_the_operator_backs_up_and_can_neither_delete_nor_open_nor_replace_the_root(lab: BucketLab) -> None:
    grant(lab)
    lab.identity = "operator"
    only_half(lab, "seal")
    assert lab.play(RUN).ok().report["complete"]
    lab.change("web1")
    assert reasons(lab.play(RUN).ok()) == {"web1": "drift", "web2": "unchanged"}
    stored = lab.stored()
    failed = lab.play([restore(lab)])
    assert failed.rc == 2
    assert not (lab.path / "restored").exists()
    bucket, _slash, prefix = lab.place.partition("/")
    s3 = lab.server.client("operator")
    for name in stored:
        name, version = name.rsplit("@", 1)
        at = {"Bucket": bucket, "Key": f"{prefix}/{name}"}
        assert refused(lambda at=at, version=version: s3.delete_object(**at, VersionId=version))
        assert refused(
            lambda at=at, version=version: s3.delete_object(**at, VersionId=version, BypassGovernanceRetention=True)
        )
        assert refused(lambda at=at: s3.delete_object(**at))
    for key in ("root/9-x.json", "records/restore/2026-11/x", "points/x", ".probe/x"):
        assert refused(lambda key=key: s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"x"))
    assert lab.stored() == stored


def test_the_auditor_verifies_without_keys_and_puts_nothing(lab: BucketLab) -> None:
    lab.play(RUN).ok()
    grant(lab)
    lab.identity = "auditor"
    shutil.rmtree(lab.path / "keyring")
    stored = lab.stored()
    lab.play([verify(level) for level in LEVELS[:3]]).ok()
    assert lab.stored() == stored
    bucket, _slash, prefix = lab.place.partition("/")
    s3 = lab.server.client("auditor")
    assert refused(lambda: s3.put_object(Bucket=bucket, Key=f"{prefix}/packs/a/b/c/d", Body=b"x"))


def test_the_restorer_restores_and_backs_nothing_up(lab: BucketLab) -> None:
    lab.play(RUN).ok()
    grant(lab)
    lab.identity = "restorer"
    before = lab.kinds()
    lab.play([restore(lab)]).ok()
    assert all(came_back(lab, host) for host in lab.hosts)
    # of each host that its restore begins, and what came of it
    assert lab.kinds() - before == collections.Counter(records=4)
    lab.change("web1")
    run = lab.play(RUN)
    assert run.rc == 2
    assert "AccessDenied" in run.on("snapshot", "web1").message
    # nothing but that the run began, and how it ended
    assert lab.kinds() - before == collections.Counter(records=6)


# faults


@contextlib.contextmanager
def behind(lab: BucketLab, *faults: Fault) -> Iterator[Proxy]:
    """Reach the server by a proxy with these faults."""
    with proxy(lab.server, *faults) as between:
        lab.by(between)
        yield between
        lab.by(lab.server)


def killed_at(lab: BucketLab, *, before: t.Any) -> Run:
    """A run during which the server is killed just before that task."""
    run = meanwhile(lab, lab.server.kill, before=before)
    lab.server.start()
    return run


def meanwhile(lab: BucketLab, happens: Callable[[], object], *, before: t.Any) -> Run:
    """A run during which that happens just before a task."""
    reached, go = lab.path / "reached", lab.path / "go"
    command = f"touch {reached}; until test -e {go}; do sleep 0.02; done"
    gate = {"name": "wait", "ansible.builtin.shell": command, "run_once": True}
    running = lab.start([step for task in RUN for step in ((gate, task) if task is before else (task,))])
    wait_for(reached.exists, "the run does not come to the gate")
    happens()
    go.touch()
    return lab.checked(running.end())


def waiting(lab: BucketLab) -> list[Path]:
    """Packs that wait in run folders."""
    return sorted(lab.state.rglob("leftovers/*.pack"))


def test_what_was_sealed_while_the_server_was_down_is_shipped_by_the_next_run(each_lab: BucketLab) -> None:
    lab = each_lab
    before = lab.stored_of_hosts()
    run = killed_at(lab, before=SNAPSHOT)
    assert run.rc == 2
    assert set(run.states("snapshot").values()) == {"failed"}
    assert lab.stored_of_hosts() == before
    kept = waiting(lab)
    assert len(kept) == 2
    again = lab.play(RUN).ok()
    assert again.report["complete"]
    assert not waiting(lab)
    lab.play([restore(lab)]).ok()
    assert all(came_back(lab, host) for host in lab.hosts)
    lab.sound()


def test_a_point_whose_server_is_down_when_seal_begins_is_sealed_by_the_next_run(each_lab: BucketLab) -> None:
    lab = each_lab
    run = killed_at(lab, before=SEAL)
    assert run.rc == 2
    assert run.states("snapshot") == {"web1": "ok", "web2": "ok"}
    assert run.states("seal") == {"web1": "failed"}
    assert "The next run on this controller seals this recovery point" in run.on("seal").message
    captured = {name for name in lab.stored() if name.startswith(("packs/", "manifests/"))}
    assert len(captured) == 4
    assert not lab.points()
    again = lab.play(RUN).ok()
    (line,) = again.on("open").result["shipped"]
    assert run.report["run"] in line
    assert reasons(again) == dict.fromkeys(lab.hosts, "unchanged")
    late, point = sorted(lab.points(), key=lambda point: point.body.run != run.report["run"])
    assert (late.body.run, late.body.complete) == (run.report["run"], True)
    assert {
        f"{ref.name}@{ref.version}" for entry in late.body.streams for ref in (entry.pack, entry.manifest)
    } == captured
    assert point.body.parents == (late.id,)
    assert lab.kinds()["packs"] == 2
    lab.play([restore(lab)]).ok()
    assert all(came_back(lab, host) for host in lab.hosts)
    lab.sound()


def test_a_point_that_the_server_did_not_take_is_sealed_by_the_next_run(lab: BucketLab) -> None:
    # the end of the run tries once more
    with behind(lab, Fault("PutObject", key="bodies/", times=99)):
        run = lab.play(RUN)
    assert run.rc == 2
    assert run.states("seal") == {"web1": "failed"}
    assert not lab.points()
    again = lab.play(RUN).ok()
    assert len(again.on("open").result["shipped"]) == 1
    assert reasons(again) == dict.fromkeys(lab.hosts, "unchanged")
    assert len(lab.points()) == 2
    assert lab.kinds()["packs"] == 2
    lab.sound()


@pytest.mark.parametrize("moment", [SNAPSHOT, SEAL], ids=lambda task: task["name"])
def test_a_server_that_is_paused_in_a_run_loses_nothing(lab: BucketLab, moment: dict[str, t.Any]) -> None:
    lab.variables["holdfast_repository"]["aws_config"] = {"read_timeout": 0.5, "connect_timeout": 0.5}
    run = meanwhile(lab, lab.server.pause, before=moment)
    assert run.rc == 2
    assert "no answer in time" in run.all(moment["name"])[0].message
    lab.server.resume()
    assert len(lab.play(RUN).ok().on("open").result["shipped"]) == 1
    assert len(lab.points()) == 2
    assert lab.kinds()["packs"] == 2
    lab.sound()


def test_a_full_disk_fails_by_name_and_the_next_run_ships(new_lab: Callable[..., BucketLab], rgw: Rgw) -> None:
    """What the server itself refuses for want of room."""
    lab = new_lab(rgw)
    before = lab.stored_of_hosts()
    bucket = lab.place.partition("/")[0]
    run = meanwhile(lab, lambda: rgw.set_quota(bucket, 4096), before=SNAPSHOT)
    assert run.rc == 2
    for host in lab.hosts:
        assert "no room left (QuotaExceeded)" in run.on("snapshot", host).message
    assert lab.stored_of_hosts() == before
    assert len(waiting(lab)) == 2
    rgw.set_quota(bucket, 1 << 30)
    again = lab.play(RUN).ok()
    assert len(again.on("open").result["shipped"]) == 1
    assert reasons(again) == dict.fromkeys(lab.hosts, "unchanged")
    assert lab.kinds()["packs"] == 2
    lab.sound()


FULL = {"versitygw": (507, "InsufficientStorage"), "minio": (507, "XMinioStorageFull"), "rgw": (403, "QuotaExceeded")}


def test_a_full_disk_at_seal_leaves_the_point_to_the_next_run(each_lab: BucketLab) -> None:
    lab = each_lab
    status, code = FULL[lab.server.name]
    with behind(lab, Fault("PutObject", key="/bodies/", times=99, status=status, code=code)):
        run = lab.play(RUN)
    assert run.rc == 2
    assert f"no room left ({code})" in run.on("seal").message
    assert len(lab.play(RUN).ok().on("open").result["shipped"]) == 1
    assert len(lab.points()) == 2
    assert lab.kinds()["packs"] == 2
    lab.sound()


def test_a_clock_that_is_wrong_fails_at_open_and_is_named(each_lab: BucketLab) -> None:
    lab = each_lab
    before = lab.stored()
    with proxy(lab.server, skew=3600) as between:
        lab.by(between)
        run = lab.play(RUN)
    assert run.rc == 2
    assert "the clock here says" in run.on("open").message
    assert "NTP" in run.on("open").result["remedy"]
    assert lab.stored() == before


def test_a_paused_server_is_given_up_in_time(lab: BucketLab) -> None:
    lab.variables["holdfast_repository"]["aws_config"] = {"read_timeout": 0.5, "connect_timeout": 0.5}
    lab.server.pause()
    run = lab.play(RUN)
    assert run.rc == 2
    assert "no answer in time" in run.on("open").message
    lab.server.resume()
    assert lab.play(RUN).ok().report["complete"]


PASSING = {
    "slow-down": Fault("PutObject", times=3),
    "landed": Fault("PutObject", key="packs/", status=500, code="InternalError", done=True),
    "point-landed": Fault("PutObject", key="points/", status=500, code="InternalError", done=True),
    "answer-cut": Fault("PutObject", key="packs/", done=True, cut=Direction.DOWN),
    "body-cut": Fault("PutObject", key="packs/", cut=Direction.UP, at=100),
    "read-cut": Fault("GetObject", key="root/", cut=Direction.DOWN, at=50),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_fails_no_run_and_doubles_nothing(lab: BucketLab, fault: str) -> None:
    before = lab.kinds()
    with behind(lab, dataclasses.replace(PASSING[fault])) as between:
        assert lab.play(RUN).ok().report["complete"]
        struck = between.faults[0]
        assert struck.times < PASSING[fault].times
    assert lab.kinds() - before == collections.Counter(packs=2, manifests=2, bodies=1, points=1, records=1)
    lab.sound()


def test_all_that_passes_in_one_run_on_each_server(each_lab: BucketLab) -> None:
    lab = each_lab
    before = lab.kinds()
    # each finds requests of its own
    faults = [dataclasses.replace(fault) for name, fault in PASSING.items() if name != "body-cut"]
    faults.append(dataclasses.replace(PASSING["body-cut"], key="manifests/"))
    with behind(lab, *faults) as between:
        assert lab.play(RUN).ok().report["complete"]
        assert all(fault.times <= 0 for fault in faults)
        # bounded: no call was made more often than four times in a row
        assert len(between.requests) < 100
    assert lab.kinds() - before == collections.Counter(packs=2, manifests=2, bodies=1, points=1, records=1)
    lab.sound()


def test_what_was_sealed_when_the_credentials_expired_is_shipped_with_new_ones(each_lab: BucketLab) -> None:
    lab = each_lab
    before = lab.stored()
    with behind(lab, Fault("PutObject", times=99, status=400, code="ExpiredToken")):
        run = lab.play(RUN)
    assert run.rc == 2
    assert "the next run on this controller stores it" in run.on("snapshot", "web1").message
    assert lab.stored() == before
    assert len(waiting(lab)) == 2
    again = lab.play(RUN).ok()
    assert len(again.on("open").result["shipped"]) == 1
    assert reasons(again) == dict.fromkeys(lab.hosts, "unchanged")
    assert lab.kinds()["packs"] == 2
    lab.sound()


def test_credentials_that_expire_before_the_seal_leave_the_point_to_the_next_run(lab: BucketLab) -> None:
    with behind(lab) as between:
        expired = Fault(times=99, status=400, code="ExpiredToken")
        run = meanwhile(lab, lambda: between.faults.append(expired), before=SEAL)
    assert run.rc == 2
    assert "(ExpiredToken)" in run.on("seal").message
    assert len(lab.play(RUN).ok().on("open").result["shipped"]) == 1
    assert len(lab.points()) == 2
    lab.sound()


@pytest.mark.parametrize("code", ["ExpiredToken", "AccessDenied"])
def test_credentials_that_end_in_a_run_are_named_and_never_shown(lab: BucketLab, code: str) -> None:
    before = lab.stored()
    status = 400 if code == "ExpiredToken" else 403
    with behind(lab, Fault("PutObject", times=99, status=status, code=code)) as between:
        run = lab.play(RUN)
        assert run.rc == 2
        for host in lab.hosts:
            assert f"({code})" in run.on("snapshot", host).message
            assert run.on("snapshot", host).result["remedy"]
        # what is refused is not tried again
        puts = [request.key for request in between.requests if request.operation == "PutObject"]
        assert len(puts) == len(set(puts))
    assert lab.stored() == before
    # what is not allowed is no matter of time
    assert bool(waiting(lab)) is (code == "ExpiredToken")
    assert lab.play(RUN).ok().report["complete"]
    lab.sound()


def test_a_wrong_secret_is_refused_and_never_shown(lab: BucketLab) -> None:
    secret = "pa55word-of-another"
    run = lab.play(RUN, env={"AWS_SECRET_ACCESS_KEY": secret})
    assert run.rc == 2
    assert "not accepted" in run.on("open").message
    assert secret not in run.output
    assert not [path for path in lab.state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_server_that_is_down_at_open_fails_the_run_and_loses_nothing(lab: BucketLab) -> None:
    before = lab.stored()
    lab.server.kill()
    run = lab.play(RUN)
    assert run.rc == 2
    assert "it is not reached" in run.on("open").message
    assert run.on("open").result["remedy"]
    lab.server.start()
    assert lab.stored() == before
    assert lab.play(RUN).ok().report["complete"]


@pytest.mark.parametrize("lie", Lie)
def test_a_server_that_ignores_locks_is_refused_by_name(versitygw: Versitygw, tmp_path: Path, lie: Lie) -> None:
    with profiles(versitygw, tmp_path), proxy(versitygw, lie=lie) as between:
        lab = BucketLab(tmp_path / "lab", versitygw, f"{versitygw.make_bucket()}/of/lab", hosts=1)
        lab.by(between)
        run = lab.play(MAKE)
        assert run.rc == 2
        assert "Forgetful" in run.on("make").message
        assert lab.stored() == {}


# archive classes, names and places


def test_packs_in_an_archive_class_are_asked_for_and_then_restored(lab: BucketLab) -> None:
    """No server of the lab has such a class: a proxy stands for it."""
    lab.play(RUN).ok()
    archive = Archive("/packs/", heads=4)
    with proxy(lab.server, archive=archive) as between:
        lab.by(between)
        failed = lab.play([restore(lab)])
        assert failed.rc == 2
        for host in lab.hosts:
            (one,) = failed.on("restore", host).result["archived"]
            assert (one["storage_class"], one["usual_wait"]) == ("GLACIER", "3 to 5 hours")
            assert "rests in an archive class" not in failed.on("restore", host).message
            assert one["object"] in failed.on("restore", host).message
        assert lab.play([restore(lab, archived="request")], check=True).rc == 2
        assert archive.asked == {}
        asked = lab.play([restore(lab, archived="request", archived_tier="Bulk", archived_days=2)])
        assert asked.rc == 2
        assert "were asked for and are not readable yet" in asked.on("restore", "web1").message
        assert len(archive.asked) == 2
        assert all("<Days>2</Days>" in body and "<Tier>Bulk</Tier>" in body for body in archive.asked.values())
        assert not (lab.path / "restored").exists()
        wait_for(lambda: lab.play([restore(lab, archived="request")]).rc == 0, "what was asked for does not come")
        assert between.operations().count("RestoreObject") == 2
    assert all(came_back(lab, host) for host in lab.hosts)


def test_a_pack_that_is_waited_for_stands_in_the_record(lab: BucketLab) -> None:
    lab.play(RUN).ok()
    with proxy(lab.server, archive=Archive("/packs/", heads=1)) as between:
        lab.by(between)
        run = lab.play([restore(lab, archived="wait")]).ok()
    assert all("archive" in kept.result["seconds"] for kept in run.all("restore"))
    assert all(came_back(lab, host) for host in lab.hosts)


def test_two_repositories_share_a_bucket_and_nothing_else(
    new_lab: Callable[..., BucketLab], versitygw: Versitygw, tmp_path: Path
) -> None:
    """Also where the prefix of one begins as that of the other does."""
    one = new_lab(versitygw, 1)
    with profiles(versitygw, tmp_path):
        other = BucketLab(tmp_path / "other", versitygw, f"{one.place}2", hosts=1)
        made = other.play(MAKE).ok().on("make").result
        other.variables["holdfast_repository_id"] = made["repository_id"]
        assert made["repository_id"] != one.variables["holdfast_repository_id"]
        for lab in (one, other):
            assert lab.play(RUN).ok().report["complete"]
        for lab in (one, other):
            assert len(lab.points()) == 1
            assert lab.kinds() == collections.Counter(root=1, packs=1, manifests=1, bodies=1, points=1, records=1)
            lab.sound()
            lab.play([restore(lab)]).ok()
            assert came_back(lab, "web1")


def test_hosts_with_unicode_and_long_names_on_each_server(each_lab: BucketLab) -> None:
    lab = each_lab
    lab.hosts = ["büro-東京-01", f"{'very-long-name.' * 12}example.com", "UPPER_lower.Mixed"]
    for host in lab.hosts:
        lab.host_variables[host] = {}
        lab.fill(host)
    assert lab.play(RUN).ok().report["complete"]
    assert set(reasons(lab.play(RUN).ok()).values()) == {"unchanged"}
    lab.play([restore(lab)]).ok()
    assert all(came_back(lab, host) for host in lab.hosts)
    lab.sound()


def test_the_servers_own_log_names_run_and_change(each_lab: BucketLab) -> None:
    lab = each_lab
    lab.variables["holdfast_change"] = {"id": "CHG0042"}
    run = lab.play(RUN).ok()
    seen = len(lab.server.accesses())
    bucket = lab.place.partition("/")[0]

    def of_run() -> list[str]:
        return [
            access.agent
            for access in lab.server.accesses()
            if bucket in access.target and f"run/{run.report['run']}" in access.agent
        ]

    # MinIO tells its audit a moment later
    wait_for(lambda: len(of_run()) >= 20 or len(lab.server.accesses()) > seen, "the log names no run")
    agents = of_run()
    assert len(agents) >= 20
    assert all(f"run/{run.report['run']} change/CHG0042" in agent for agent in agents)
    puts = [
        a for a in lab.server.accesses() if bucket in a.target and "put" in a.operation.lower() and a.agent in agents
    ]
    # two packs, two manifests, a body and a point
    assert len(puts) >= 6


def test_a_role_is_assumed_once_for_all_workers_of_a_run(new_lab: Callable[..., BucketLab], minio: Minio) -> None:
    lab = new_lab(minio, 3)
    bucket = lab.place.partition("/")[0]
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    minio.grant("operator", {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources})
    lab.identity = "operator"
    with proxy(minio) as between:
        lab.variables["holdfast_repository"] |= {
            "assume_role_arn": "arn:aws:iam::123456789012:role/backup",
            "sts_endpoint_url": between.endpoint,
        }
        assert lab.play(RUN).ok().report["complete"]
        assert len(between.requests) == 1
    assert not [path for path in lab.state.rglob("*") if path.is_file() and b"token" in path.read_bytes().lower()]


# what a run asks of the server

#: A run whose hosts are unchanged since the one before, whatever their number.
UNCHANGED = {
    "GetObjectLockConfiguration": 2,
    "ListObjectVersions": 7,
    "GetObject": 4,
    "PutObject": 3,
    "HeadObject": 3,
}


@pytest.mark.parametrize("hosts", [1, 20, 200])
def test_unchanged_hosts_ask_nothing_of_the_server(
    new_lab: Callable[..., BucketLab], versitygw: Versitygw, hosts: int
) -> None:
    lab = new_lab(versitygw, hosts)
    lab.play(RUN, "--forks", "10").ok()
    with behind(lab) as between:
        run = lab.play(RUN, "--forks", "10").ok()
        assert set(reasons(run).values()) == {"unchanged"}
        # what runs said of themselves in the last three days stands below two months then
        more = {"ListObjectVersions": 1} if dt.datetime.now(dt.timezone.utc).day <= 3 else {}
        assert collections.Counter(between.operations()) == collections.Counter(UNCHANGED) + collections.Counter(more)
