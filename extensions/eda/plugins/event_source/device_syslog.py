# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event source: devices that log that their configuration was changed."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import re
import sys
import time
import typing as t
from pathlib import Path

_TREE = str(Path(__file__).parents[7])
with contextlib.suppress(ImportError):
    # where the package ansible is installed, its collections hide those of other folders
    import ansible_collections

    if (path := f"{_TREE}/ansible_collections") not in ansible_collections.__path__:
        ansible_collections.__path__.append(path)
if _TREE not in sys.path:
    sys.path.append(_TREE)

from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms  # noqa: E402
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, ThrottledError  # noqa: E402
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import (  # noqa: E402
    debounce,
    pump,
    request,
    spool,
    syslog,
)

DOCUMENTATION = r"""
---
short_description: Listen to what devices log, and ask for a capture when a configuration was changed
description:
  - Takes syslog over UDP and TCP. A message that tells of a changed configuration, from a device that is known here,
    becomes an event like those of C(holdfast.config.signed_webhook), of the kind C(device-change), with the actor that
    the message names.
  - Syslog proves nothing. Whoever can send with a device's address can have that device captured, and name an actor;
    nothing else comes of a message.
options:
  devices:
    description: The name in the inventory of each device, by the address that it sends from.
    type: dict
    required: true
  spool:
    description: The folder of this listener's accepted requests, made with mode 0700.
    type: str
    required: true
  host:
    description: The address to listen at.
    type: str
    default: 127.0.0.1
  port:
    description: The port to listen at, of UDP and of TCP.
    type: int
    default: 5514
  names:
    description: The name in the inventory of each device, by the name in its messages. It counts for relays only.
    type: dict
    default: {}
  relays:
    description: The addresses of servers that pass on messages, which are trusted with the names in them.
    type: list
    elements: str
    default: []
  platforms:
    description: The platforms whose messages are known. Each has a rule C(syslog).
    type: list
    elements: str
    default: [ios, nxos, eos, junos]
  quiet:
    description: Seconds for which a device must not have been changed before it is captured.
    type: float
    default: 5
  lease:
    description: Seconds after which a capture that has not been sealed is started again.
    type: float
    default: 900
"""

EXAMPLES = r"""
- holdfast.config.device_syslog:
    spool: /var/lib/holdfast/syslog
    host: 192.0.2.5
    devices:
      192.0.2.7: sw1
"""

_LOG = logging.getLogger(__name__)
_KEY = "syslog"
_MOST_CONNECTIONS = 100
_IDLE_SECONDS = 3600
_PLATFORMS = ("ios", "nxos", "eos", "junos")
_OPTIONS = {"devices", "spool", "host", "port", "names", "relays", "platforms", "quiet", "lease"}
_CHUNK_BYTES = 4096


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Listen until cancelled."""
    devices, patterns = _devices(args), _patterns(args)
    os.umask(0o077)
    kept = spool.Spool(Path(args["spool"]))
    host, port = str(args.get("host", "127.0.0.1")), int(args.get("port", 5514))
    times = debounce.Times(quiet=float(args.get("quiet", 5)), lease=float(args.get("lease", 900)))
    listener = _Listener(devices, patterns, kept)
    loop = asyncio.get_running_loop()
    transport, _protocol = await loop.create_datagram_endpoint(lambda: listener, local_addr=(host, port))
    server = await asyncio.start_server(listener.connected, host, port, limit=_CHUNK_BYTES)
    try:
        _LOG.info("listens for syslog at %s port %s", host, port)
        await pump.Pump(kept, times, warn=_LOG.warning).run(queue.put)
    finally:
        transport.close()
        server.close()
        kept.close()


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, devices: syslog.Devices, patterns: dict[str, re.Pattern[str]], kept: spool.Spool) -> None:
        self._devices = devices
        self._patterns = patterns
        self._spool = kept
        self._rate = syslog.Rate()
        self._connections = 0
        self._unknown = 0

    def datagram_received(self, data: bytes, addr: tuple[t.Any, ...]) -> None:
        self._line(data, str(addr[0]))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read the messages of one connection."""
        self._connections += 1
        try:
            sender = str(writer.get_extra_info("peername")[0])
            frames = syslog.Frames()
            # ends with the connection, and with an hour of silence
            with contextlib.suppress(OSError, TimeoutError):
                while self._connections <= _MOST_CONNECTIONS:
                    data = await asyncio.wait_for(reader.read(_CHUNK_BYTES), _IDLE_SECONDS)
                    for line in frames.feed(data) if data else frames.end():
                        self._line(line, sender)
                    if not data:
                        break
        finally:
            self._connections -= 1
            writer.close()

    def _line(self, line: bytes, address: str) -> None:
        sender = _plain(address)
        change = syslog.read(line, self._patterns)
        if change is None:
            return
        name = self._devices.host(sender, change)
        if name is None:
            self._unknown += 1
            _dropped(self._unknown, "of devices that are not known, the last from", sender)
            return
        if not self._rate.allows(name, time.monotonic()):
            _dropped(self._rate.dropped, "of devices that log too many in a minute, the last of", name)
            return
        try:
            asked = request.Request(request.DEVICE_CHANGE, (name,), actor=change.actor)
            self._spool.put(asked, key=_KEY, now=time.time())
        except (ThrottledError, OSError) as e:
            _LOG.error("a message of %s was lost: %s", name, e)


def _dropped(count: int, what: str, who: str) -> None:
    # not for each: a flood would fill the log
    if count & (count - 1) == 0:
        _LOG.warning("dropped %d messages %s %s", count, what, who)


def _plain(address: str) -> str:
    found = ipaddress.ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)


def _devices(args: dict[str, t.Any]) -> syslog.Devices:
    if args.keys() - _OPTIONS or not {"devices", "spool"} <= args.keys():
        remedy = f"The options are {', '.join(sorted(_OPTIONS))}; devices and spool are needed."
        raise PolicyError("device_syslog has an option that is not known, or lacks one", remedy=remedy)
    addresses = {_plain(str(address)): str(name) for address, name in args["devices"].items()}
    names = {str(said): str(name) for said, name in args.get("names", {}).items()}
    for name in (*addresses.values(), *names.values()):
        if not request.HOST.fullmatch(name):
            raise PolicyError("devices and names have values that are no plain names of hosts", item=name)
    return syslog.Devices(addresses, names, frozenset(_plain(str(each)) for each in args.get("relays", [])))


def _patterns(args: dict[str, t.Any]) -> dict[str, re.Pattern[str]]:
    found = {}
    for name in args.get("platforms", _PLATFORMS):
        rule = platforms.find(str(name)).syslog
        if rule is None:
            raise PolicyError("the platform has no rule for syslog", item=str(name))
        found[str(name)] = re.compile(rule.pattern)
    return found
