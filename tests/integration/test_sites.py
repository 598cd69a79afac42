# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two sites on real servers, copied by the collection or by the servers: either killed in mid-run, or lost for good."""

from __future__ import annotations

import contextlib
import shutil
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.exceptions
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.lab.s3.proxy import Direction, Fault, Proxy, proxy
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.lab.s3.servers import Servers, Sites
from ansible_collections.holdfast.config.tests.lab.s3.servers import servers as started
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.replica_sites import (
    early_points,
    longest_locks,
)

from .stores import store_at
from .test_runs import reasons

RUN = [OPEN, SNAPSHOT, SEAL]
MAKE = {"name": "make", "holdfast.config.repository": {}, "run_once": True}
PREFIX = "of/lab"


def replicate(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "replicate", "holdfast.config.replicate": options, "run_once": True}


def verified(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "verify", "holdfast.config.verify": options, "run_once": True}


class SiteLab(Lab):
    """A lab whose repository is at the near site, and its replica at the far one, each with a profile of its own."""

    def __init__(self, path: Path, sites: Sites, bucket: str, copied_by: str) -> None:
        super().__init__(path, hosts=2)
        self.sites, self.bucket = sites, bucket
        self.replica = self.site("far") | {"name": "far", "copied_by": copied_by, "wait_timeout": 60}
        self.variables["holdfast_repository"] |= self.site("near") | {"replicas": [self.replica]}
        # what each host had at each point that was acknowledged
        self.had: dict[str, dict[str, t.Any]] = {}

    def server(self, site: str) -> S3Server:
        return self.sites.near if site == "near" else self.sites.far

    def site(self, site: str) -> dict[str, t.Any]:
        """How a site is reached."""
        server = self.server(site)
        return {
            "url": f"s3://{self.bucket}/{PREFIX}",
            "endpoint_url": server.endpoint,
            "aws_ca_bundle": str(server.ca_path),
            "profile": site,
        }

    def environment(self, work: Path) -> dict[str, str]:
        credentials = self.path / "credentials"
        keys = {site: self.server(site).keys[OWNER] for site in ("near", "far")}
        credentials.write_text(
            "".join(
                f"[{site}]\naws_access_key_id = {own.access}\naws_secret_access_key = {own.secret}\n"
                for site, own in keys.items()
            )
        )
        return {
            **super().environment(work),
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def at(self, site: str) -> store.Store:
        """The store of a site."""
        return store_at(self.server(site), f"{self.bucket}/{PREFIX}", site)

    def sound_at(self, site: str) -> verify.Report:
        """What verify finds at a site, at its deepest level."""
        repository = open_repository(self.at(site), pin=self.variables["holdfast_repository_id"])
        report = verify.verify(repository, level=Level.KEYS, keyring=self.keyring())
        assert report.sound, report.findings
        return report

    def points_at(self, site: str) -> set[str]:
        """Ids of the points that a site holds."""
        return {names.parse(listed.name).sha256 for listed in self.at(site).list("points/") if not listed.marker}

    def made(self) -> SiteLab:
        """This lab, with its repository."""
        self.variables["holdfast_repository_id"] = self.play([MAKE]).ok().on("make").result["repository_id"]
        return self

    def run(self, *more: t.Any) -> Run:
        """A run that ends well: its point is acknowledged."""
        run = self.play([*RUN, *more]).ok()
        self.had[run.on("seal").result["recovery_point"]] = {host: tree(self.app(host)) for host in self.hosts}
        return run

    def restore_all(self, site: str) -> None:
        """Restore every point that was acknowledged from a site, and compare it with what the hosts had."""
        self.variables.pop("holdfast_read_from", None)
        if site == "far":
            self.variables["holdfast_read_from"] = "far"
        assert self.had
        tasks = [
            {
                "name": point,
                "holdfast.config.restore": {
                    "under": f"{self.path}/restored/{point}/{{{{ inventory_hostname }}}}",
                    "recovery_point": point,
                },
            }
            for point in self.had
        ]
        self.play(tasks).ok()
        for point, hosts in self.had.items():
            for host, had in hosts.items():
                assert tree(self.path / "restored" / point / host / str(self.app(host)).lstrip("/")) == had
        shutil.rmtree(self.path / "restored")
        self.variables.pop("holdfast_read_from", None)

    @contextlib.contextmanager
    def behind(self, *faults: Fault) -> Iterator[Proxy]:
        """Reach the far site by a proxy with these faults."""
        with proxy(self.sites.far, *faults) as between:
            self.replica["endpoint_url"] = between.endpoint
            yield between
            self.replica["endpoint_url"] = self.sites.far.endpoint

    def killed_at(self, server: S3Server, *, before: t.Any) -> Run:
        """A run during which a server is killed just before that task."""
        reached, go = self.path / "reached", self.path / "go"
        command = f"touch {reached}; until test -e {go}; do sleep 0.02; done"
        gate = {"name": "wait", "ansible.builtin.shell": command, "run_once": True}
        running = self.start([step for task in RUN for step in ((gate, task) if task is before else (task,))])
        wait_for(reached.exists, "the run does not come to the gate")
        server.kill()
        go.touch()
        run = running.end()
        for path in (reached, go):
            path.unlink()
        return run


@contextlib.contextmanager
def profiles(lab: SiteLab) -> Iterator[SiteLab]:
    """Have the lab's profiles in this process too, and nothing else of AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY"):
            patch.delenv(name, raising=False)
        for name, value in lab.environment(lab.path).items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield lab


def bucket_for_copies(sites: Sites) -> str:
    """A bucket at both sites that the servers do not copy."""
    bucket = sites.near.make_bucket()
    sites.far.make_bucket(name=bucket)
    return bucket


@pytest.fixture(params=["versitygw", "minio"])
def copied(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[SiteLab]:
    """Two sites that know nothing of each other: the collection copies."""
    sites = servers.sites(request.param)
    with profiles(SiteLab(tmp_path / "lab", sites, bucket_for_copies(sites), "collection")) as lab:
        yield lab.made()


@pytest.fixture(params=["minio", "rgw"])
def followed(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[SiteLab]:
    """Two sites whose servers copy by themselves; a run waits for them."""
    sites = servers.sites(request.param)
    with profiles(SiteLab(tmp_path / "lab", sites, sites.make_bucket(), "server")) as lab:
        lab.replica["wait"] = True
        yield lab.made()


class TestCopied:
    def test_a_replica_has_all_with_the_same_locks_which_its_server_holds(self, copied: SiteLab) -> None:
        copied.run(replicate(seed=True))
        near, far = copied.at("near"), copied.at("far")
        locks = longest_locks(_with_locks(near))
        assert longest_locks(_with_locks(far)) == locks
        s3 = copied.sites.far.client()
        for listed in far.list():
            at = {"Bucket": copied.bucket, "Key": f"{PREFIX}/{listed.name}", "VersionId": listed.version}
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                s3.delete_object(**at)
            # MinIO says that it is locked, the others that access is denied
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
        for depth in ("names", "locks", "content"):
            again = copied.play([replicate(depth=depth)]).ok().on("replicate").result
            assert (again["changed"], again["replicas"][0]["lag_seconds"]) == (False, 0)
        copied.sound_at("far")
        copied.restore_all("far")

    def test_deletes_and_markers_do_not_travel(self, copied: SiteLab) -> None:
        copied.run(replicate(seed=True))
        s3 = copied.sites.near.client()
        for name in {listed.name for listed in copied.at("near").list()}:
            s3.delete_object(Bucket=copied.bucket, Key=f"{PREFIX}/{name}")
        done = copied.play([replicate()]).ok().on("replicate").result
        assert not done["changed"]
        assert not [listed for listed in copied.at("far").list() if listed.marker]
        copied.restore_all("far")

    @pytest.mark.parametrize("puts", [1, 5, 10])
    def test_a_copy_killed_anywhere_leaves_no_point_early_and_is_gone_on_with(self, copied: SiteLab, puts: int) -> None:
        copied.run()
        copied.change("web1")
        copied.run()
        # after the one that proves locks
        with copied.behind(Fault("PutObject", after=1 + puts, times=10**6)) as between:
            running = copied.start([replicate(seed=True)])
            wait_for(lambda: _puts(between) > puts, "the copying does not come that far")
            running.lose()
        assert len(list(copied.at("far").list())) == puts
        assert not early_points(copied.at("near"), copied.at("far"))
        done = copied.play([replicate(seed=True)]).ok().on("replicate").result
        assert done["changed"]
        assert longest_locks(_with_locks(copied.at("far"))) == longest_locks(_with_locks(copied.at("near")))
        listed = list(copied.at("far").list())
        assert len(listed) == len({one.name for one in listed}), "what was there was sent again"
        copied.restore_all("far")

    @pytest.mark.parametrize("fault", ["slow-down", "landed", "answer-cut", "body-cut"])
    def test_what_passes_at_the_far_site_fails_nothing_and_doubles_nothing(self, copied: SiteLab, fault: str) -> None:
        copied.run()
        with copied.behind(PASSING[fault]()) as between:
            copied.play([replicate(seed=True)]).ok()
            assert between.faults[0].times < PASSING[fault]().times
        listed = list(copied.at("far").list())
        assert len(listed) == len({one.name for one in listed})
        copied.sound_at("far")

    def test_a_far_site_that_is_down_or_paused_is_named_and_caught_up_with(self, copied: SiteLab) -> None:
        copied.run(replicate(seed=True))
        copied.replica |= {"wait": True, "aws_config": {"connect_timeout": 0.5, "read_timeout": 0.5}}
        far = copied.sites.far
        for stop, go in ((far.kill, far.start), (far.pause, far.resume)):
            copied.change("web1", f"text = {stop.__name__}")
            stop()
            run = copied.play(RUN)
            assert run.rc == 2
            assert "is sealed in the repository, and not at replica far" in run.on("seal").message
            point = run.on("seal").result["recovery_point"]
            go()
            assert point not in copied.points_at("far")
            copied.run()
            assert point in copied.points_at("far")
        assert copied.points_at("far") == copied.points_at("near")
        copied.restore_all("far")

    def test_what_a_run_asks_of_the_far_site_does_not_grow_with_its_hosts(self, copied: SiteLab) -> None:
        copied.run(replicate(seed=True))
        copied.replica["wait"] = True
        with copied.behind() as between:
            assert set(reasons(copied.run()).values()) == {"unchanged"}
            asked = between.operations()
        assert asked.count("PutObject") == 2
        assert len(asked) <= 14, asked


class TestFollowed:
    def test_a_run_waits_until_the_servers_have_brought_its_point(self, followed: SiteLab) -> None:
        followed.run()
        followed.change("web1")
        newest = followed.run().on("seal").result["recovery_point"]
        assert newest in followed.points_at("far")
        (state,) = followed.play([verified(replicas=True)]).ok().on("verify").result["replicas"]
        assert (state["copied_by"], state["lacking"], state["lag_seconds"]) == ("server", 0, 0)
        followed.sound_at("far")
        followed.restore_all("far")

    def test_servers_that_do_not_bring_it_in_time_fail_the_task(self, followed: SiteLab) -> None:
        followed.run()
        followed.replica |= {"wait_timeout": 1, "aws_config": {"connect_timeout": 0.5, "read_timeout": 0.5}}
        followed.sites.far.kill()
        run = followed.play(RUN)
        assert run.rc == 2
        assert "did not bring it in 1 s" in run.on("seal").message
        followed.sites.far.start()
        followed.replica["wait_timeout"] = 120
        followed.run()
        followed.restore_all("far")


def _with_locks(site: store.Store) -> store.Store:
    """A store whose lists tell locks as well."""

    class Telling:
        def list(self, prefix: str = "") -> Iterator[t.Any]:
            return (site.with_lock(listed) for listed in site.list(prefix))

        def __getattr__(self, name: str) -> t.Any:
            return getattr(site, name)

    return t.cast("store.Store", Telling())


def _puts(between: Proxy) -> int:
    """How many objects were put, probes left out."""
    return sum(one.operation == "PutObject" and ".probe/" not in one.key for one in between.requests)


PASSING: dict[str, Callable[[], Fault]] = {
    "slow-down": lambda: Fault("PutObject", times=3),
    "landed": lambda: Fault("PutObject", key="packs/", status=500, code="InternalError", done=True),
    "answer-cut": lambda: Fault("PutObject", key="points/", done=True, cut=Direction.DOWN),
    "body-cut": lambda: Fault("PutObject", key="packs/", cut=Direction.UP, at=100),
}


# servers of their own, since these do not come back


@pytest.fixture(params=[("versitygw", "collection"), ("minio", "server"), ("rgw", "server")], ids=lambda both: both[0])
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SiteLab]:
    """Two sites of which one will be lost, three points, and runs that wait for both."""
    kind, copied_by = request.param
    with started(tmp_path / "s3") as running:
        sites = running.sites(kind)
        with profiles(SiteLab(tmp_path / "lab", sites, sites.make_bucket(), copied_by)) as lab:
            lab.made()
            first = [] if copied_by == "server" else [replicate(seed=True)]
            lab.run(*first)
            lab.replica["wait"] = True
            for text in ("second = 2", "third = 3"):
                lab.change("web1", text)
                lab.run()
            yield lab


def lose(server: S3Server) -> None:
    """End a server and remove all that it has kept."""
    server.down()
    shutil.rmtree(server.folder)


def test_the_repository_killed_in_mid_run_and_lost_for_good_restores_from_the_replica(mortal: SiteLab) -> None:
    mortal.change("web2", "never sealed")
    run = mortal.killed_at(mortal.sites.near, before=SEAL)
    assert run.rc == 2
    assert run.states("seal") == {"web1": "failed"}
    lose(mortal.sites.near)
    assert mortal.points_at("far") >= mortal.had.keys()
    mortal.restore_all("far")
    mortal.sound_at("far")
    # the runbook: the replica becomes the repository
    mortal.variables["holdfast_repository"] |= mortal.site("far") | {"replicas": []}
    mortal.run()


def test_the_replica_killed_in_mid_run_and_lost_for_good_costs_no_point(mortal: SiteLab) -> None:
    mortal.replica |= {"wait_timeout": 2, "aws_config": {"connect_timeout": 0.5, "read_timeout": 0.5}}
    mortal.change("web2", "sealed at one site")
    run = mortal.killed_at(mortal.sites.far, before=SEAL)
    assert run.rc == 2
    failed = run.on("seal")
    assert "is sealed in the repository, and not at replica far" in failed.message
    point = failed.result["recovery_point"]
    assert point in mortal.points_at("near")
    # not acknowledged, and there all the same
    mortal.had[point] = {host: tree(mortal.app(host)) for host in mortal.hosts}
    lose(mortal.sites.far)
    mortal.restore_all("near")
    mortal.sound_at("near")
