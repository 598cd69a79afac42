# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NETCONF servers of yuma123, each with the model of interfaces of RFC 8343 as a datastore. Takes root.

They have candidate, validate and confirmed-commit (RFC 6241, 8.3, 8.4, 8.6), and a commit makes the startup datastore.
"""

from __future__ import annotations

import shutil
import typing as t
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from ncclient import manager
from ncclient.xml_ import to_ele

from .apart import PASSWORD, Apart, Members
from .sshd import MissingToolError

_PACKAGES = {"/usr/sbin/netconfd": "netconfd", "/usr/sbin/netconf-subsystem": "netconfd"}
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
INTERFACES = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
TYPES = "urn:ietf:params:xml:ns:yang:iana-if-type"
_MODULES = ("ietf-interfaces", "iana-if-type", "ietf-ip", "ietf-netconf-acm")
_STARTUP = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<nc:config xmlns:nc="{BASE}">
  <interfaces xmlns="{INTERFACES}">
    {{interfaces}}
  </interfaces>
</nc:config>
"""
_INTERFACE = f"""\
<interface>
      <name>{{name}}</name>
      <description>{{description}}</description>
      <type xmlns:ianaift="{TYPES}">ianaift:ethernetCsmacd</type>
      <enabled>true</enabled>
    </interface>"""
_REPLACE = (
    f'<copy-config xmlns="{BASE}"><target><candidate/></target>'
    "<source><config>{configuration}</config></source></copy-config>"
)
_SUBSYSTEM = """\
#!/bin/sh
exec /usr/sbin/netconf-subsystem --ncxserver-sockname={port}@/run/home/$(id -un)/socket
"""
_RUN = """\
install -o {account} -g {account} /etc/apart/{account}.xml /run/home/{account}/startup-cfg.xml
setpriv --reuid={account} --regid={account} --init-groups env HOME=/run/home/{account} \\
  /usr/sbin/netconfd {modules} --target=candidate --startup=/run/home/{account}/startup-cfg.xml \\
  --superuser={account} --port={{port}} --ncxserver-sockname=/run/home/{account}/socket \\
  --log=/run/home/{account}/log --log-level=info < /dev/null > {log} 2>&1 &
"""
_WAIT = """\
for account in {accounts}; do until [ -S /run/home/$account/socket ]; do sleep 0.02; done; done
"""


class Server:
    """One server that runs.

    ``name`` is what an inventory calls it, ``account`` who logs in to it.
    """

    def __init__(self, lab: Servers, number: int) -> None:
        self._lab = lab
        self.name = f"n{number}"
        self.account = f"netconf{number}"
        self.first = {f"ge{number}": f"uplink {number}", f"ge{number}-b": "spare"}

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of this device."""
        # ansible_connection netconf means the same, where ansible.netcommon is there
        way = {"ansible_connection": "ssh", "holdfast_device_transport": "netconf", "ansible_network_os": "netconf"}
        return {**way, **self._lab.place.variables(self.account)}

    def startup(self) -> dict[str, str]:
        """The descriptions of the interfaces in the startup datastore, which is a file of the server's, by name."""
        return descriptions(self._lab.place.run("cat", f"/run/home/{self.account}/startup-cfg.xml"))

    def describe(self, interfaces: Mapping[str, str]) -> None:
        """Make interfaces of these names and descriptions its configuration, past this collection."""
        with manager.connect(
            host="127.0.0.1",
            port=self._lab.place.port,
            username=self.account,
            password=PASSWORD,
            hostkey_verify=False,
            look_for_keys=False,
            allow_agent=False,
        ) as session:
            text = configuration(interfaces).partition("?>")[2].strip()
            inner = text.removeprefix(f'<nc:config xmlns:nc="{BASE}">').removesuffix("</nc:config>")
            session.dispatch(to_ele(_REPLACE.format(configuration=inner)))
            session.commit()

    def log(self) -> str:
        """What the server has logged."""
        return self._lab.place.run("cat", f"/run/home/{self.account}/log")


class Servers(Members[Server]):
    """Servers n1, n2 …; they run while this is a context.

    :param folder: where keys and logs go.
    :raises NotRootError: whoever runs this may not.
    :raises MissingToolError: netconfd or OpenSSH's server is not on this machine.
    """

    def __init__(self, count: int, folder: Path) -> None:
        servers = {f"n{number}": Server(self, number) for number in range(1, count + 1)}
        super().__init__(servers, Apart(folder, [server.account for server in servers.values()], shell="/bin/sh"))

    def start(self) -> None:
        """Start all of them, and the daemon that lets in."""
        for name, package in _PACKAGES.items():
            if shutil.which(name) is None:
                raise MissingToolError(f"{name} is not on this machine: install the package {package}")
        script = f"cat > /etc/apart/subsystem << 'END'\n{_SUBSYSTEM}END\nchmod 755 /etc/apart/subsystem\n"
        for server in self.values():
            (self.place.etc / f"{server.account}.xml").write_text(configuration(server.first))
            log = self.place.folder / f"{server.account}.log"
            modules = " ".join(f"--module={module}" for module in _MODULES)
            script += _RUN.format(account=server.account, log=log, modules=modules)
        script += _WAIT.format(accounts=" ".join(server.account for server in self.values()))
        self.place.start(script, sshd="Subsystem netconf /etc/apart/subsystem")


def configuration(interfaces: Mapping[str, str]) -> str:
    """A whole configuration with interfaces of these names and descriptions."""
    inner = "\n    ".join(_INTERFACE.format(name=name, description=text) for name, text in interfaces.items())
    return _STARTUP.format(interfaces=inner)


def descriptions(text: str) -> dict[str, str]:
    """The descriptions of the interfaces in a configuration, by name."""
    found = ET.fromstring(text).iter(f"{{{INTERFACES}}}interface")
    return {
        str(one.findtext(f"{{{INTERFACES}}}name")): str(one.findtext(f"{{{INTERFACES}}}description")) for one in found
    }
