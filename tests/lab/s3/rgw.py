# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ceph's RADOS gateway over a cluster of one monitor and one store in memory, as Debian has them.

Nobody needs root for it. A gateway may be one zone of two, each over a cluster of its own, that replicate each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
import uuid
from pathlib import Path

from .authority import Authority
from .daemon import PATH, Daemon, NotStartedError, port, require, tool
from .server import USERS, Access, Keys, S3Server, client, json_values, new_keys, policy
from .signed import Signed

_PACKAGES = {
    "radosgw": "radosgw",
    "radosgw-admin": "radosgw",
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "monmaptool": "ceph-common",
    "ceph": "ceph-common",
}
_SECONDS = 60
# of lifecycle rules
_DAY_SECONDS = 2
_REALM, _GROUP = "r", "zg"

# Without authentication `mon client mode` must be crc: the gateway's own default cannot work, and waits for minutes.
# It makes its pools one by one: with Paxos in its usual rhythm that takes 11 seconds.
# Shards of the logs must be the same for the gateway and for radosgw-admin, hence they stand in [global].
# watch timeout: else whoever changes a bucket waits 30 seconds for a gateway that was killed. The tick must be shorter.
# sync lease: else nothing is replicated for two minutes after a gateway was killed.
# sts min session duration: else keys of a role last a quarter of an hour at least, and none is seen to end.
# tcp_nodelay: else each small answer takes 40 ms. gc: else what is deleted stays for two hours, in memory.
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}/run
crash dir = {folder}/run
admin socket =
log file = {folder}/log/$name.log
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
mon osd prime pg temp = false
mon data avail crit = 1
mon data avail warn = 2
rgw md log max shards = 4
rgw data log num shards = 8
[mon]
mon data = {folder}/mon
mon cluster log file = {folder}/log/cluster.log
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4G
osd max object name len = 1024
osd client watch timeout = 2
osd class load list = *
osd class default list = *
[client.rgw]
ms mon client mode = crc
objecter tick interval = 0.5
rgw frontends = beast endpoint=127.0.0.1:{http} ssl_endpoint=127.0.0.1:{https} ssl_certificate={certificate} \
ssl_private_key={key} tcp_nodelay=1
rgw data = {folder}/run
{zone}
rgw sync lease period = 6
rgw thread pool size = 64
rgw dynamic resharding = false
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
rgw enable ops log = true
rgw ops log rados = false
rgw ops log file path = {folder}/log/ops.json
rgw log nonexistent bucket = true
rgw crypt require ssl = false
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
rgw sts min session duration = 1
rgw lc max objs = 1
rgw lc max worker = 1
rgw lc debug interval = {day}
debug rgw = 1
"""


class Rgw(S3Server):
    """One gateway over one cluster.

    Whoever puts an object owns it here, and may read it and change its rights, unless a policy denies that.

    :param zone: what it is called among two, empty where it is alone.
    """

    name = "rgw"

    def __init__(self, folder: Path, authority: Authority, *, zone: str = "") -> None:
        super().__init__(folder, authority)
        self.zone = zone
        self._admin = new_keys("admin")

    def up(self) -> None:
        self._cluster()
        self.start()
        self._identities()

    def up_as_first(self) -> None:
        """Start as the zone that others follow."""
        self._cluster()
        keys = self._system_keys()
        self.admin("realm", "create", f"--rgw-realm={_REALM}", "--default")
        group = [f"--rgw-zonegroup={_GROUP}", f"--endpoints={self.plain}", "--master", "--default"]
        self.admin("zonegroup", "create", *group)
        self.admin("zone", "create", f"--rgw-zone={self.zone}", *group, *keys)
        self.admin("user", "create", "--uid=system", "--display-name=system", "--system", *keys)
        self.admin("period", "update", "--commit")
        self.start()
        self._identities()

    def up_after(self, first: Rgw) -> None:
        """Start as a zone that follows another one, with its users and buckets."""
        self._admin, self.keys = first._admin, first.keys
        self._cluster()
        keys = self._system_keys()
        self.admin("realm", "pull", f"--url={first.plain}", *keys)
        self.admin("realm", "default", f"--rgw-realm={_REALM}")
        mine = [f"--rgw-zonegroup={_GROUP}", f"--rgw-zone={self.zone}", f"--endpoints={self.plain}"]
        self.admin("zone", "create", *mine, *keys)
        self.admin("period", "update", "--commit")
        self.start()

    def start(self) -> None:
        self.server.start(lambda: self._answers("/"))

    @property
    def server(self) -> Daemon:
        return self._daemons[2]

    @property
    def iam(self) -> t.Any:
        """A client of boto3 for users' policies and roles, of somebody who is no S3 identity of the tests."""
        return self.iam_as(self.administrator)

    @property
    def administrator(self) -> Keys:
        """The keys of that somebody."""
        return self._admin

    def iam_as(self, keys: Keys) -> t.Any:
        """The same, of whoever has these keys."""
        return client("iam", self.endpoint, keys, self.ca_path)

    def grant(self, identity: str, *statements: t.Mapping[str, t.Any]) -> None:
        iam = self.iam
        if statements:
            iam.put_user_policy(UserName=identity, PolicyName="lab", PolicyDocument=policy(statements))
        elif "lab" in iam.list_user_policies(UserName=identity)["PolicyNames"]:
            iam.delete_user_policy(UserName=identity, PolicyName="lab")

    def accesses(self) -> list[Access]:
        return [_access(entry) for entry in json_values(self._ops_log.read_text(errors="replace"))]

    @property
    def _ops_log(self) -> Path:
        return self.folder / "log" / "ops.json"

    def admin(self, *args: str) -> t.Any:
        """Run radosgw-admin, whom no lock binds, and return what it says."""
        said = self._run("radosgw-admin", *args)
        return json.loads(said) if said.strip().startswith(("{", "[")) else said

    def add_user(self, name: str, keys: Keys) -> None:
        """Make a user, who may do nothing yet."""
        self.admin("user", "create", f"--uid={name}", f"--display-name={name}", *_shown(keys))

    def set_quota(self, bucket: str, size: int) -> None:
        """Let a bucket of the owner's hold so many bytes, of which each object takes a multiple of 4096."""
        of = ("--quota-scope=bucket", "--uid=owner", f"--bucket={bucket}")
        self.admin("quota", "set", *of, f"--max-size={size}")
        self.admin("quota", "enable", *of)

    def _cluster(self) -> None:
        require(_PACKAGES)
        for part in ("mon", "osd", "log", "run"):
            (self.folder / part).mkdir()
        mon = self._configure()
        fsid = self._fsid
        monmap = str(self.folder / "monmap")
        # --addv: else the map has no monitor `a`, and there is never a quorum
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", monmap)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--fsid", fsid, "--monmap", monmap)
        self._daemons = [self._daemon("ceph-mon", "-i", "a"), self._daemon("ceph-osd", "-i", "0")]
        self._daemons += [self._daemon("radosgw", "-n", "client.rgw")]
        self._daemons[0].start(lambda: True)
        store = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", str(_SECONDS), "osd", "new", store)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
        self._daemons[1].start(lambda: True)

    def _configure(self) -> int:
        """Write the configuration; returns the monitor's port."""
        certificate, key = self.authority.issue(self.folder.name)
        mon, http, https = port(), port(), port()
        self.endpoint = f"https://127.0.0.1:{https}"
        self.plain = f"http://127.0.0.1:{http}"
        self._fsid = str(uuid.uuid4())
        zone = f"rgw zone = {self.zone}\nrgw zonegroup = {_GROUP}\nrgw realm = {_REALM}" if self.zone else ""
        self._conf.write_text(
            _CONFIGURATION.format(
                fsid=self._fsid,
                folder=self.folder,
                mon=mon,
                http=http,
                https=https,
                certificate=certificate,
                key=key,
                zone=zone,
                day=_DAY_SECONDS,
            )
        )
        return mon

    @property
    def _conf(self) -> Path:
        return self.folder / "ceph.conf"

    def _identities(self) -> None:
        """Make users; one more may make them, and give them policies."""
        rights = "--caps=users=*;user-policy=*;roles=*"
        self.admin("user", "create", "--uid=admin", "--display-name=admin", rights, *_shown(self._admin))
        signed = Signed(self.endpoint, self._admin, self.ca_path)
        self.keys = {identity: new_keys(identity) for identity in USERS}
        for identity, keys in self.keys.items():
            told = {"uid": identity, "display-name": identity, "access-key": keys.access, "secret-key": keys.secret}
            signed.put("/admin/user", {**told, "generate-key": "False"})

    def _system_keys(self) -> list[str]:
        return _shown(Keys("AKsystem", self._admin.secret[::-1]))

    def _daemon(self, program: str, *args: str) -> Daemon:
        return Daemon([tool(program), "-f", *args], self.folder / "log" / f"{program}.out", self._environment)

    def _run(self, program: str, *args: str) -> str:
        done = subprocess.run(
            [tool(program), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={"PATH": PATH, "LANG": "C.UTF-8", **self._environment},
        )
        if done.returncode != 0:
            raise NotStartedError(f"{program} {' '.join(args[:3])}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {"CEPH_CONF": str(self._conf), "HOME": str(self.folder), "USER": os.environ.get("USER", "lab")}


def _shown(keys: Keys) -> list[str]:
    return [f"--access-key={keys.access}", f"--secret={keys.secret}"]


def _access(entry: t.Mapping[str, t.Any]) -> Access:
    _method, _space, rest = entry.get("uri", "").partition(" ")
    return Access(
        entry.get("access_key_id", ""),
        entry["operation"],
        rest.rpartition(" ")[0],
        int(entry["http_status"]),
        entry.get("user_agent", ""),
        entry.get("sts_info", {}).get("role_session", ""),
    )
