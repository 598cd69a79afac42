# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Event source: requests for a capture, signed by a known key, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import ssl
import sys
import time
import typing as t
from pathlib import Path

from aiohttp import web

_TREE = str(Path(__file__).parents[7])
with contextlib.suppress(ImportError):
    # where the package ansible is installed, its collections hide those of other folders
    import ansible_collections

    if (path := f"{_TREE}/ansible_collections") not in ansible_collections.__path__:
        ansible_collections.__path__.append(path)
if _TREE not in sys.path:
    sys.path.append(_TREE)

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError  # noqa: E402
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import (  # noqa: E402
    debounce,
    door,
    pump,
    replay,
    request,
    spool,
)

DOCUMENTATION = r"""
---
short_description: Take signed requests for a capture over HTTP
description:
  - Listens for requests that ask for a capture before or after a deployment, or after a manual change. What a request
    holds and how it is signed is the page C(docs/design/webhook.md) of the collection.
  - A request that is not signed by a known key, is stale, was here before, or is not of the form is refused; nothing of
    it becomes an event. What is accepted is on the disk before it is answered with 202, and stays there until
    M(holdfast.config.trigger_done) takes it out. What an earlier process left is handed out again.
  - An event holds C(capture), with C(kind), C(hosts), C(trigger), C(change), C(spool) and C(ids).
options:
  keys:
    description: The folder of keys on this machine, with a file for each, of mode 0700.
    type: str
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
    description: The TCP port to listen at.
    type: int
    default: 5055
  certfile:
    description: The certificate, with which it speaks TLS.
    type: str
  keyfile:
    description: The key of the certificate.
    type: str
  plain:
    description: Listen without TLS at another address than a loopback one. A proxy has to speak TLS then.
    type: bool
    default: false
  quiet:
    description: Seconds for which nobody must have changed a host before it is captured after a change.
    type: float
    default: 5
  lease:
    description: Seconds after which a capture that has not been sealed is started again.
    type: float
    default: 900
"""

EXAMPLES = r"""
- holdfast.config.signed_webhook:
    keys: /etc/holdfast/keys
    spool: /var/lib/holdfast/webhook
    port: 5055
"""

_LOG = logging.getLogger(__name__)
_PATH = "/capture"
_BODY_SECONDS = 10
_OPTIONS = {"keys", "spool", "host", "port", "certfile", "keyfile", "plain", "quiet", "lease"}


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Listen until cancelled."""
    host, port, context = _address(args)
    os.umask(0o077)
    kept = spool.Spool(Path(args["spool"]))
    memory = replay.Memory(kept.path / "replay", now=time.time())
    judge = door.Door(Path(args["keys"]), memory, kept, clock=time.time)
    times = debounce.Times(quiet=float(args.get("quiet", 5)), lease=float(args.get("lease", 900)))
    runner = web.AppRunner(_application(judge), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        _LOG.info("listens for signed requests at %s port %s", host, port)
        await pump.Pump(kept, times, warn=_LOG.warning).run(queue.put)
    finally:
        await runner.cleanup()
        kept.close()


def _address(args: dict[str, t.Any]) -> tuple[str, int, ssl.SSLContext | None]:
    unknown = args.keys() - _OPTIONS
    if unknown or not {"keys", "spool"} <= args.keys():
        remedy = f"The options are {', '.join(sorted(_OPTIONS))}; keys and spool are needed."
        raise PolicyError("signed_webhook has an option that is not known, or lacks one", remedy=remedy)
    host, port = str(args.get("host", "127.0.0.1")), int(args.get("port", 5055))
    context = None
    if args.get("certfile"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args["certfile"], args.get("keyfile"))
    elif not args.get("plain") and not ipaddress.ip_address(host).is_loopback:
        remedy = "Give certfile and keyfile, listen at a loopback address, or set plain where a proxy speaks TLS."
        raise PolicyError("signed_webhook listens without TLS at a loopback address alone", item=host, remedy=remedy)
    return host, port, context


def _application(judge: door.Door) -> web.Application:
    async def ask(asked: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await asked.content.read(request.LIMIT_BYTES + 1)
                while not asked.content.at_eof() and len(body) <= request.LIMIT_BYTES:
                    body += await asked.content.read(request.LIMIT_BYTES + 1 - len(body))
        except TimeoutError:
            return web.json_response({"error": "the body did not come"}, status=408)
        answer = await asyncio.to_thread(judge.ask, asked.headers, body)
        if answer.accepted is not None:
            return web.json_response({"id": answer.text}, status=answer.status)
        _LOG.warning("refused a request from %s: %s", asked.remote, answer.warning or answer.text)
        return web.json_response({"error": answer.text}, status=answer.status)

    application = web.Application()
    application.router.add_post(_PATH, ask)
    return application
