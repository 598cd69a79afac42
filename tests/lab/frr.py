# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""FRRouting routers, reached by SSH, with vtysh or sh as shell; four at a time peer over BGP and OSPF. Takes root."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

from .apart import Apart, Members
from .sshd import MissingToolError, wait_for

# each stands in the configuration of every router
SECRETS = ("vty-s3cret", "enable-s3cret", "bgp-s3cret", "ospf-s3cret")
DAEMONS = ("zebra", "staticd", "bgpd", "ospfd")
# as many peer with each other
GROUP = 4

_FRR = Path("/usr/lib/frr")
_PACKAGES = {
    str(_FRR / "zebra"): "frr",
    "vtysh": "frr",
    str(_FRR / "frr-reload.py"): "frr-pythontools",
    "ip": "iproute2",
}
# the account is what FRR calls a pathspace: its part of /etc/frr and /run/frr
_LOGIN = """\
#!/bin/sh
exec /usr/bin/vtysh -N "$(id -un)" "$@"
"""
# its programs know the pathspace of the account that gives them, as they would on a host with one router; of root's
# commands, that which ROUTER names
_PROGRAMS = {
    "vtysh": """\
#!/bin/sh
[ "$(id -u)" != 0 ] && exec /run/vtysh -N "$(id -un)" "$@"
exec /run/vtysh ${ROUTER:+-N "$ROUTER"} "$@"
""",
    "frr-reload.py": """\
#!/bin/sh
exec python3 /run/frr-reload.py "$@"
""",
}
_SHELL = """\
cp /usr/bin/vtysh {frr}/frr-reload.py /run/
mount --bind /etc/apart/vtysh /usr/bin/vtysh
mount --bind /etc/apart/frr-reload.py {frr}/frr-reload.py
"""
_CONFIGURATION = """\
frr defaults traditional
hostname {name}
log syslog informational
service integrated-vtysh-config
password vty-s3cret
enable password enable-s3cret
!
interface lo
 ip address 10.255.{high}.{low}/32
exit
!
interface eth0
 description uplink of {name}
 ip address {address}/24
 ip ospf authentication message-digest
 ip ospf dead-interval 3
 ip ospf hello-interval 1
 ip ospf message-digest-key 1 md5 ospf-s3cret
 ip ospf network point-to-multipoint
exit
!
router bgp {asn}
 bgp router-id {address}
 no bgp ebgp-requires-policy
 timers bgp 1 3
{neighbors}
 !
 address-family ipv4 unicast
  network 203.0.113.{low}/32
 exit-address-family
exit
!
router ospf
 ospf router-id {address}
 network 10.0.0.0/8 area 0
exit
!
ip route 203.0.113.{low}/32 blackhole
!
ip prefix-list OWN seq 5 permit 203.0.113.0/24 le 32
!
route-map OUT permit 10
 match ip address prefix-list OWN
exit
!
end
"""
_MINIMAL = """\
frr defaults traditional
interface eth0
 ip address {address}/24
exit"""
_NEIGHBOR = """\
 neighbor {address} remote-as {asn}
 neighbor {address} timers connect 1
 neighbor {address} password bgp-s3cret"""
_BEGIN = """\
rm -rf /etc/frr
mv /etc/apart/frr /etc/frr
chown -R frr:frr /etc/frr
chmod -R g+rwX /etc/frr
install -d -o frr -g frr /run/frr
"""
_HUB = """\
ip netns add hub{group}
ip -n hub{group} link add br0 type bridge
ip -n hub{group} link set br0 up
"""
_WIRE = """\
ip netns add {account}
ip -n {account} link set lo up
ip -n hub{group} link add {name} type veth peer name eth0 netns {account}
ip -n hub{group} link set {name} master br0 up
ip -n {account} link set eth0 up
"""
_RUN = """\
install -d -o frr -g frr /run/frr/{account}
for daemon in {daemons}; do
  rm -f /run/frr/{account}/$daemon.vty
  nsenter --net=/run/netns/{account} unshare --uts \
    sh -c "hostname {name}; exec {frr}/$daemon -d -N {account} -A 127.0.0.1" > {log}.$daemon.log 2>&1
done
unshare --uts sh -c "hostname {name}; exec vtysh -N {account} -b" > {log}.boot.log 2>&1
"""


class Router:
    """One router that runs.

    ``name`` is its host name, ``account`` who logs in to it, and what FRR calls its pathspace.
    """

    def __init__(self, lab: Routers, number: int) -> None:
        self._lab = lab
        self.number = number
        self.group = (number - 1) // GROUP
        self.name = f"r{number}"
        self.account = f"router{number}"
        self.address = _address(number)

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of this device."""
        # network_cli means the same, where ansible.netcommon is there
        return {"ansible_connection": "ssh", "ansible_network_os": "frr", **self._lab.place.variables(self.account)}

    def vtysh(self, *commands: str) -> str:
        """Give commands to it past SSH, as its administrator, and return what it says; they must be good ones."""
        more = [word for command in commands for word in ("-c", command)]
        return self._lab.place.run("vtysh", "-N", self.account, *more)

    def configure(self, *lines: str) -> None:
        """Type lines in configuration mode."""
        self.vtysh("configure terminal", *lines)

    def running(self) -> str:
        """The running configuration, from its first line to its end."""
        return self.vtysh("show running-config")

    def on_host(self, command: str, *, check: bool = True) -> str:
        """Give a command on its Linux host as root, who has only this router there; what it prints."""
        words = ("env", f"ROUTER={self.account}", "bash", "-euo", "pipefail", "-c", f"cd ~root\n{command}")
        return self._lab.place.run(*words, check=check)

    def save(self) -> None:
        """Make what runs the startup configuration."""
        self.vtysh("write memory")

    def established(self) -> set[str]:
        """The addresses of the BGP neighbours with which a session stands."""
        told = json.loads(self.vtysh("show bgp ipv4 unicast summary json") or "{}")
        peers = told.get("ipv4Unicast", told).get("peers", {})
        return {address for address, peer in peers.items() if peer.get("state") == "Established"}

    def adjacent(self) -> set[str]:
        """The router ids of the OSPF neighbours with which it shares its database."""
        told = json.loads(self.vtysh("show ip ospf neighbor json") or "{}").get("neighbors", {})
        return {
            router
            for router, states in told.items()
            for state in states
            if str(state.get("nbrState", state.get("state", ""))).startswith("Full")
        }

    @property
    def neighbours(self) -> set[str]:
        """The addresses of those that it peers with."""
        return {other.address for other in self._lab.group(self.group) if other is not self}

    def converged(self) -> bool:
        """Whether all BGP sessions and OSPF adjacencies stand that its first configuration asks for."""
        return self.established() == self.neighbours and self.adjacent() == self.neighbours

    def configuration(self) -> str:
        """The configuration that it is started with."""
        neighbors = (
            _NEIGHBOR.format(address=other.address, asn=64512 + other.number)
            for other in self._lab.group(self.group)
            if other is not self
        )
        return _CONFIGURATION.format(
            name=self.name,
            address=self.address,
            asn=64512 + self.number,
            high=self.number // 250,
            low=self.number % 250 + 1,
            neighbors="\n".join(neighbors),
        )


class Routers(Members[Router]):
    """Routers r1, r2 …, in groups of four that all peer with each other; they run while this is a context.

    :param folder: where keys and logs go.
    :param shell: whether a login gets a shell of the router's host, and not vtysh.
    :raises NotRootError: whoever runs this may not.
    :raises MissingToolError: FRRouting, iproute2 or OpenSSH's server is not on this machine.
    """

    def __init__(self, count: int, folder: Path, *, shell: bool = False) -> None:
        routers = {f"r{number}": Router(self, number) for number in range(1, count + 1)}
        accounts = [router.account for router in routers.values()]
        login = "/bin/sh" if shell else "login"
        super().__init__(routers, Apart(folder, accounts, shell=login, groups=("frr", "frrvty")))
        self._shell = shell

    def group(self, number: int) -> list[Router]:
        """The routers of one group."""
        return [router for router in self.values() if router.group == number]

    def start(self) -> None:
        """Start all of them, and the daemon that lets in."""
        for name, package in _PACKAGES.items():
            if shutil.which(name) is None:
                raise MissingToolError(f"{name} is not on this machine: install the package {package}")
        for name, text in {"login": _LOGIN, **_PROGRAMS}.items():
            program = self.place.etc / name
            program.write_text(text)
            program.chmod(0o755)
        for router in self.values():
            own = self.place.etc / "frr" / router.account
            own.mkdir(parents=True)
            (own / "frr.conf").write_text(router.configuration())
            (own / "vtysh.conf").write_text(f"service integrated-vtysh-config\nhostname {router.name}\n")
            for name in ("frr.conf", "vtysh.conf"):
                (own / name).chmod(0o640)
        script = _BEGIN + self.place.joining() + (_SHELL.format(frr=_FRR) if self._shell else "")
        for group in sorted({router.group for router in self.values()}):
            script += _HUB.format(group=group)
        for router in self.values():
            script += _WIRE.format(account=router.account, group=router.group, name=router.name) + self._boot(router)
        self.place.start(script, sshd="Subsystem sftp internal-sftp" if self._shell else "")

    def restart(self, router: Router) -> None:
        """Start a router anew with its startup configuration, as after a loss of power."""
        self.lose(router)
        self.place.run("sh", "-euc", self._boot(router))

    def lose(self, router: Router) -> None:
        """Take a router away, as where its power is lost."""
        self.place.run("sh", "-c", f"kill -9 $(cat /run/frr/{router.account}/*.pid); rm /run/frr/{router.account}/*")

    def put_in_place(self, router: Router, name: str) -> None:
        """Let a router be a spare whose host has that name, and which starts with an address alone."""
        own = f"/etc/frr/{router.account}"
        minimal = _MINIMAL.format(address=router.address)
        self.lose(router)
        router.name = name
        script = f"echo '{minimal}' > {own}/frr.conf; sed -i 's/^hostname .*/hostname {name}/' {own}/vtysh.conf"
        self.place.run("sh", "-euc", script)
        self.place.run("sh", "-euc", self._boot(router))

    def startup_of(self, router: Router) -> list[str]:
        """A command of this machine that shows a router's startup configuration."""
        return self.place.within("cat", f"/etc/frr/{router.account}/frr.conf")

    def converge(self) -> None:
        """Wait until all that peer do."""
        wait_for(lambda: all(router.converged() for router in self.values()), "all sessions and adjacencies")

    def _boot(self, router: Router) -> str:
        log = f"{self.place.folder}/{router.account}"
        return _RUN.format(account=router.account, name=router.name, log=log, frr=_FRR, daemons=" ".join(DAEMONS))


def _address(number: int) -> str:
    group, place = divmod(number - 1, GROUP)
    return f"10.{10 + group}.0.{place + 1}"
