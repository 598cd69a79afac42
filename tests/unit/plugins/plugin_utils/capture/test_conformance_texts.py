# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each source of texts by itself, and all of them behind one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.api import Api
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.base import Source
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.composite import Composite
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.texts import Pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_policy, read_pushed

from .conformance_texts import TextConformance
from .sites import near_trip, piped_trip
from .web import Page, Web, serving

SLEEP = "print(flush=True); import time; time.sleep(600)"


def declared(**given: object) -> Component:
    (component,) = read_policy(host="h", components=[given]).components
    return component


class CommandSite:
    """Commands that print files."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self.source = source

    def put(self, name: str, *lines: str) -> Component:
        (self._folder / name).write_text("".join(f"{line}\n" for line in lines))
        return self._of(name)

    def gone(self, name: str) -> Component:
        return self._of(name)

    def _of(self, name: str) -> Component:
        return declared(name=name, commands=[{"name": "list", "argv": ["cat", str(self._folder / name)]}])


class EnvironmentSite:
    """Processes that sleep, started with variables."""

    def __init__(self, folder: Path, source: Source, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.source = source

    def put(self, name: str, *lines: str) -> Component:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", SLEEP],
            env=dict(line.split("=", 1) for line in lines),
            stdout=subprocess.PIPE,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        self._stack.callback(process.stdout.close)
        process.stdout.readline()
        (self._folder / name).write_text(f"{process.pid}\n")
        return self._of(name)

    def gone(self, name: str) -> Component:
        return self._of(name)

    def _of(self, name: str) -> Component:
        return declared(name=name, pidfile=str(self._folder / name))


class ApiSite:
    """Pages of a server; as text, or as JSON of the same lines."""

    def __init__(self, web: Web, source: Source, form: str) -> None:
        self._web = web
        self._form = form
        self.source = source

    def put(self, name: str, *lines: str) -> Component:
        text = json.dumps(lines) if self._form == "json" else "\n".join(lines)
        self._web.pages[f"/{name}"] = Page(text.encode())
        return self._of(name)

    def gone(self, name: str) -> Component:
        return self._of(name)

    def _of(self, name: str) -> Component:
        return declared(name=name, url=f"{self._web.url}/{name}", format=self._form)


class PushedSite:
    """Texts that a task gives."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def put(self, name: str, *lines: str) -> Component:
        (component,) = read_pushed(host="h", content=[{"name": name, "text": "\n".join(lines)}]).components
        return component

    def gone(self, name: str) -> Component:
        # every text that a policy holds can be had: only its size may be refused
        return declared(name=name, commands=[{"name": "x", "argv": ["/nowhere"]}])


def alone(source: Source) -> Source:
    return source


def composed(source: Source) -> Source:
    return Composite(source)


class OfHost(TextConformance):
    """Those that a host's half gathers, by both ways it comes and behind one source."""

    @pytest.fixture(params=[(near_trip, alone), (piped_trip, alone), (near_trip, composed)])
    def host(self, request: pytest.FixtureRequest) -> Source:
        trip, wrap = request.param
        return wrap(Host(trip))


class TestCommands(OfHost):
    @pytest.fixture
    def site(self, tmp_path: Path, host: Source) -> CommandSite:
        return CommandSite(tmp_path, host)


class TestEnvironments(OfHost):
    @pytest.fixture
    def site(self, tmp_path: Path, host: Source) -> Iterator[EnvironmentSite]:
        with contextlib.ExitStack() as stack:
            yield EnvironmentSite(tmp_path, host, stack)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def unreached(*_args: object) -> str:
    raise AssertionError("the host was asked")


class TestApi(TextConformance):
    @pytest.fixture(params=["json", "text"])
    def form(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture(params=[Api, lambda: Composite(Host(unreached))], ids=["alone", "composed"])
    def site(self, request: pytest.FixtureRequest, web: Web, form: str) -> ApiSite:
        web.pages.clear()
        return ApiSite(web, request.param(), form)


class TestPushed(TextConformance):
    @pytest.fixture(params=[Pushed, lambda: Composite(Host(near_trip))], ids=["alone", "composed"])
    def site(self, request: pytest.FixtureRequest) -> PushedSite:
        make: Callable[[], Source] = request.param
        return PushedSite(make())
