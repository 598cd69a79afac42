# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Components of other kinds than files, as users declare and as tasks push them."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import sources
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import KINDS, Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy, read_pushed
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import platforms

SECRET = "CANARY-8e1f"
LIST = {"name": "list", "argv": ["dpkg-query", "--show"]}
PACKAGES = {"name": "packages", "commands": [LIST]}
NGINX = {"name": "nginx_env", "unit": "nginx.service"}
FLAGS = {"name": "flags", "url": "https://flags.example.org/all?env=prod", "headers": {"Authorization": SECRET}}
DEVICE = {"name": "device", "kind": "device"}
ILO = {"name": "ilo", "text": f"fan 1\n{SECRET}\n"}


def declared(given: t.Mapping[str, t.Any]) -> Component:
    (component,) = read_policy(host="web1", components=[given]).components
    return component


def pushed(*given: t.Any, **more: t.Any) -> Policy:
    return read_pushed(host="web1", content=list(given), **more)


def refusal(given: t.Mapping[str, t.Any]) -> str:
    with pytest.raises(PolicyError) as caught:
        declared(given)
    assert SECRET not in f"{caught.value} {caught.value!r} {caught.value.details}"
    return str(caught.value)


def test_each_kind_is_told_by_its_keys_or_by_its_name() -> None:
    given = {"command": PACKAGES, "environment": NGINX, "api": FLAGS}
    for kind, component in given.items():
        assert declared(component) == declared({**component, "kind": kind})
        assert declared(component).kind == kind
        assert declared(component).paths == (f"/holdfast/{component['name']}",)
    assert declared({"name": "ssh", "paths": ["/etc/ssh"], "kind": "files"}).kind == "files"
    assert {*given, "files", "content", "device"} == set(KINDS)


def test_what_is_asked_stands_in_the_source() -> None:
    whole = declared({**PACKAGES, "commands": [{**LIST, "accept": [2, 0, 0], "timeout": 5}], "volatile": ["^#"]})
    assert whole.source == {"commands": [{**LIST, "accept": [0, 2], "timeout": 5}]}
    assert whole.volatile == ("^#",)
    assert declared(PACKAGES).source["commands"][0] == {**LIST, "accept": [0], "timeout": 60}
    assert declared(NGINX).source == {"unit": "nginx.service"}
    assert declared({"name": "e", "process": "nginx"}).source == {"process": "nginx"}
    for user in ("root", "DOM\\svc$", "0", 0):
        assert declared({"name": "e", "process": "x", "user": user}).source == {"process": "x", "user": str(user)}
    assert declared({"name": "e", "pidfile": "/run/x.pid"}).source == {"pidfile": "/run/x.pid"}
    assert declared(FLAGS).source == {
        "url": FLAGS["url"],
        "headers": ["authorization"],
        "format": "json",
        "validate_certs": True,
        "timeout": 30,
    }


def test_a_secret_is_in_no_source_no_repr_and_no_comparison() -> None:
    flags = declared({**FLAGS, "ca_path": f"/etc/{SECRET}"})
    told = {"headers": {"authorization": SECRET}, "ca_path": f"/etc/{SECRET}", "allow_empty": False}
    assert flags.means == told
    assert SECRET not in repr(flags)
    assert SECRET not in repr(sources.read("k", "api", FLAGS, print, sources.Devices("", lambda *_told: None)))
    assert flags == declared({**FLAGS, "headers": {"Authorization": "another"}})
    (ilo,) = pushed(ILO).components
    assert SECRET not in repr(pushed(ILO))
    assert ilo == pushed({**ILO, "text": "x"}).components[0]


def test_the_names_of_the_texts() -> None:
    assert sources.items(declared({**PACKAGES, "commands": [{**LIST, "name": "b"}, {**LIST, "name": "a"}]})) == (
        "a",
        "b",
    )
    assert sources.items(declared(NGINX)) == ("environment",)
    assert sources.items(declared(FLAGS)) == ("answer.json",)
    assert sources.items(declared({**FLAGS, "format": "text"})) == ("answer.txt",)
    assert sources.items(pushed(ILO).components[0]) == ("text",)
    assert sources.items(declared({"name": "ssh", "paths": ["/etc/ssh"]})) == ()


@pytest.mark.parametrize(
    ("line", "volatile"),
    [
        ("INVOCATION_ID=7c", True),
        ("JOURNAL_STREAM=8:1", True),
        ("SYSTEMD_EXEC_PID=4", True),
        ("MAINPID=4", True),
        ("LISTEN_PID=4", True),
        ("LISTEN_PIDFDID=4", True),
        ("SSH_CONNECTION=1 2", True),
        ("TRIGGER_TIMER_MONOTONIC_USEC=4", True),
        ("PATH=/bin", False),
        ("MY_MAINPID=4", False),
        ("XPID=4", False),
        ("LISTEN_FDS=1", False),
        ("SSH_PORT=22", False),
    ],
)
def test_variables_that_change_with_each_start_are_volatile(line: str, volatile: bool) -> None:
    patterns = declared({**NGINX, "volatile": ["^STARTED="]}).volatile
    assert patterns[-1] == "^STARTED="
    assert any(re.search(pattern, line) for pattern in patterns) is volatile


@pytest.mark.parametrize(
    ("given", "key", "remedy"),
    [
        ({"name": "x", "kind": "content"}, "kind: content is not declared", "A task pushes it"),
        (
            {"name": "x", "kind": "network"},
            "kind: no kind 'network'",
            "There are: files, command, environment, api, device.",
        ),
        ({**PACKAGES, "paths": ["/etc"]}, "paths: is not a key", "Known here: kind, name"),
        ({**PACKAGES, "preset": "ssh"}, "preset: is not a key", "Known here"),
        ({"name": "x", "kind": "command"}, "(x).commands: is no list", "argv: [dpkg-query"),
        ({"name": "x", "commands": "ls"}, "(x).commands: is no list", "argv"),
        ({"name": "x", "commands": ["ls"]}, "commands[0]: is not a mapping", "Give name and argv."),
        ({"name": "x", "commands": [LIST, LIST]}, "commands[1].name: list is there twice", "its own name"),
        ({"name": "x", "commands": [{**LIST, "shell": True}]}, "commands[0].shell: is not a key", "name, argv"),
        ({"name": "x", "commands": [{**LIST, "name": "../x"}]}, "[0].name: '../x' is no name", "It names a file"),
        ({"name": "x", "commands": [{**LIST, "name": "."}]}, "[0].name: '.' is no name", "It names a file"),
        ({"name": "x", "commands": [{**LIST, "argv": "ls /"}]}, "[0].argv: is no list", "there is no shell"),
        ({"name": "x", "commands": [{**LIST, "argv": ["ls", 1]}]}, "[0].argv: holds what is no text", "in quotes"),
        ({"name": "x", "commands": [{**LIST, "argv": ["ls", "\0"]}]}, "[0].argv: holds what is no text", "in quotes"),
        ({"name": "x", "commands": [{**LIST, "argv": ["ls", "\ud800"]}]}, "argv: holds what is no text", "in quotes"),
        ({"name": "x", "commands": [{**LIST, "argv": ["./ls"]}]}, "argv: './ls' is no command", "an absolute path"),
        ({"name": "x", "commands": [{**LIST, "argv": [""]}]}, "argv: '' is no command", "an absolute path"),
        ({"name": "x", "commands": [{**LIST, "accept": 0}]}, "accept: 0 is no list", "0 to 255"),
        ({"name": "x", "commands": [{**LIST, "accept": [True]}]}, "accept: [True] is no list", "0 to 255"),
        ({"name": "x", "commands": [{**LIST, "timeout": 0}]}, "timeout: 0 is no whole number", "1 to 3600"),
        ({"name": "x", "commands": [{**LIST, "timeout": 1.5}]}, "timeout: 1.5 is no whole number", "1 to 3600"),
        ({**PACKAGES, "commands": [LIST] * 65}, "has more than 64", "several components"),
        ({**PACKAGES, "volatile": ["("]}, "(packages).volatile: '(' is no regular expression", "Python's re"),
        ({**PACKAGES, "secrets": ["("]}, "(packages).secrets: '(' is no regular expression", "Python's re"),
        ({"name": "x", "kind": "environment"}, "(x): names its process in no way", "process, unit and pidfile"),
        ({**NGINX, "process": "nginx"}, "names its process in several ways", "Give one of"),
        ({"name": "x", "unit": "nginx"}, "(x).unit: 'nginx' names none", "nginx.service"),
        ({"name": "x", "unit": "--all.service"}, "(x).unit: '--all.service' names none", "nginx.service"),
        ({"name": "x", "unit": "a.timer"}, "(x).unit: 'a.timer' names none", "nginx.service"),
        ({"name": "x", "process": "../1"}, "(x).process: '../1' names none", "ps -o comm"),
        ({"name": "x", "user": "root"}, "user: is not a key", "Known here: name"),
        ({"name": "x", "kind": "environment", "user": "root"}, "(x): names its process in no way", "unit and pidfile"),
        ({**NGINX, "user": "root"}, "(nginx_env).user: says nothing beside unit", "Leave it out"),
        *(
            ({"name": "x", "process": "x", "user": user}, f"(x).user: {user!r} is no user", "name or uid")
            for user in ("", "-1", "a:b", "a/b", "ä", True, 1.5, ["root"], "x" * 256)
        ),
        ({"name": "x", "pidfile": "run/x"}, "(x).pidfile: 'run/x' names none", "an absolute path"),
        ({"name": "x", "pidfile": "/run/../x"}, "(x).pidfile: '/run/../x' names none", "an absolute path"),
        ({"name": "x", "kind": "api"}, "(x).url: is no URL", "https://host/path"),
        ({**FLAGS, "url": "file:///etc/passwd"}, "(flags).url: is no http", "https://host/path"),
        ({**FLAGS, "url": "https:///x"}, "(flags).url: is no http", "https://host/path"),
        ({**FLAGS, "url": "https://h:x/"}, "(flags).url: is no URL", "https://host/path"),
        ({**FLAGS, "url": "https://[x/"}, "(flags).url: is no URL", "https://host/path"),
        ({**FLAGS, "url": "https://h/a b"}, "(flags).url: is no URL in ASCII", "https://host/path"),
        ({**FLAGS, "url": "https://h/\n"}, "(flags).url: is no URL in ASCII", "https://host/path"),
        ({**FLAGS, "url": f"https://me:{SECRET}@h/"}, "url: holds a user or password", "Authorization"),
        ({**FLAGS, "url": "https://h/#x"}, "url: holds a fragment", "follows the #"),
        ({**FLAGS, "headers": "x"}, "(flags).headers: is not a mapping", "names and values"),
        ({**FLAGS, "headers": {"a b": SECRET}}, "(flags).headers: holds what is no name", "letters, digits"),
        ({**FLAGS, "headers": {"a": f"{SECRET}\n"}}, "headers.a: is not one line", "without a line feed"),
        ({**FLAGS, "headers": {"a": f"{SECRET}ö"}}, "headers.a: is not one line of ASCII", "without a line feed"),
        ({**FLAGS, "headers": {"a": SECRET, "A": SECRET}}, "headers.A: is there twice", "no case"),
        ({**FLAGS, "format": "xml"}, "format: 'xml' is unknown", "json or text"),
        ({**FLAGS, "validate_certs": "no"}, "validate_certs: is neither", "Give one of them"),
        ({**FLAGS, "allow_empty": "no"}, "allow_empty: is neither", "Give one of them"),
        ({**FLAGS, "ca_path": ""}, "ca_path: '' is no path", "PEM file"),
        ({**FLAGS, "timeout": "30s"}, "timeout: '30s' is no whole number", "1 to 3600"),
    ],
)
def test_a_finding_names_its_key_and_its_remedy(given: dict[str, t.Any], key: str, remedy: str) -> None:
    text = refusal(given)
    assert key in text
    assert remedy.removesuffix(".") in text.split(key, 1)[1]


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "apikey", "X-Api-Key", "key", "sig", "password"])
def test_a_secret_in_a_query_is_refused(name: str) -> None:
    assert "a parameter of its query" in refusal({**FLAGS, "url": f"https://h/?a=1&{name}={SECRET}"})


@pytest.mark.parametrize("query", ["author=1", "env=prod&page=2", "keyword=x", "monkey=1", "design=2", "a"])
def test_other_queries_are_none(query: str) -> None:
    assert declared({**FLAGS, "url": f"https://h/?{query}"}).source["url"] == f"https://h/?{query}"


@pytest.mark.parametrize(
    "argv",
    [
        ["db", f"--password={SECRET}"],
        ["db", "--password", SECRET],
        ["db", "--db-password", SECRET],
        ["db", f"api_key:{SECRET}"],
        ["curl", "-H", f"X-Token: {SECRET}"],
        ["curl", "-H", f"Authorization: Bearer {SECRET}"],
        ["curl", f"--header=Authorization:{SECRET}"],
        ["curl", "-u", f"admin:{SECRET}", "https://h/"],
        ["curl", f"-uadmin:{SECRET}"],
        ["curl", f"--user=admin:{SECRET}"],
        ["curl", f"https://admin:{SECRET}@h/"],
        ["curl", "--cookie", f"Cookie: sid={SECRET}"],
        ["env", f"PGPASSWORD={SECRET}", "psql"],
        ["env", f"AWS_SECRET_ACCESS_KEY={SECRET}", "aws"],
        ["/usr/bin/mysql", f"-p{SECRET}"],
        ["timeout", "5", "mysqldump", f"-p{SECRET}", "--all-databases"],
        ["sshpass", "-p", SECRET, "ssh", "h"],
        ["sshpass", f"-p{SECRET}", "ssh", "h"],
    ],
)
def test_a_secret_among_arguments_is_refused(argv: list[str]) -> None:
    assert "argv: looks as if it held a secret" in refusal({"name": "x", "commands": [{**LIST, "argv": argv}]})


@pytest.mark.parametrize(
    "argv",
    [
        ["db", "--password-file=/etc/x"],
        ["db", "--no-password", "-l"],
        ["passwd", "-S", "-a"],
        ["docker", "run", "-u", "1000:1000", "x"],
        ["curl", "--user-agent", "backup: one", "https://h:8443/"],
        ["mysql", "-p", "db"],
        ["env", "PASSWORD_FILE=/etc/x", "git", "log", "git@h:group/project"],
    ],
)
def test_other_arguments_are_none(argv: list[str]) -> None:
    assert declared({"name": "x", "commands": [{**LIST, "argv": argv}]}).source["commands"][0]["argv"] == argv


class TestPushed:
    """What a task gives as content."""

    def test_each_text_is_a_stream_of_its_own(self) -> None:
        policy = pushed({**ILO, "tier": "tier0", "owner": "dc", "data_class": "secret"}, {"name": "bmc", "text": "x"})
        streams = policy.streams()
        assert [(s.name, s.retention_class, len(s.components)) for s in streams] == [
            ("ilo", "d0400", 1),
            ("bmc", "d0090", 1),
        ]
        ilo = streams[0].components[0]
        assert (ilo.kind, ilo.owner, ilo.data_class, ilo.source) == ("content", "dc", "secret", {"by": "task"})
        assert ilo.means == {"text": ILO["text"].encode()}

    @pytest.mark.parametrize(
        ("text", "data"), [("ä", "ä".encode()), ("\udcff", b"\xff"), (b"\x00", b"\x00"), (bytearray(b"x"), b"x")]
    )
    def test_text_becomes_bytes(self, text: t.Any, data: bytes) -> None:
        assert pushed({"name": "x", "text": text}).components[0].means["text"] == data

    @pytest.mark.parametrize("text", ["", "\n \n", b""])
    def test_an_empty_text_is_meant_only_where_that_is_said(self, text: t.Any) -> None:
        with pytest.raises(PolicyError, match=r"content\[0\] \(x\).text: is empty"):
            pushed({"name": "x", "text": text})
        assert pushed({"name": "x", "text": text, "allow_empty": True}).components[0].kind == "content"

    @pytest.mark.parametrize(
        ("given", "key", "remedy"),
        [
            ([], "content: is no list of texts", "Give one"),
            (SECRET, "content: is no list of texts", "Give one"),
            ({"name": SECRET}, "content: is no list of texts", "Give one"),
            ([SECRET], "content[0]: is not a mapping", "Give keys"),
            ([{"text": SECRET}], "content[0].name: '' is not a name", "a small letter"),
            ([{**ILO, "name": "tier1"}], "(tier1).name: looks like a tier", "another name"),
            ([ILO, ILO], "content[1] (ilo).name: is declared twice", "its own name"),
            ([{**ILO, "tier": "tier7"}], "(ilo).tier: no tier 'tier7'", "holdfast_tiers"),
            ([{**ILO, "paths": ["/x"]}], "content[0].paths: is not a key", "Known here: name, tier"),
            ([{**ILO, "volatile": ["("]}], "(ilo).volatile: '(' is no regular", "Python's re"),
            ([{**ILO, "text": {"a": SECRET}}], "(ilo).text: is no text but a dict", "to_nice_json"),
            ([{**ILO, "text": 5}], "(ilo).text: is no text but a int", "to_nice_json"),
            ([{"name": "ilo"}], "(ilo).text: is no text but nothing", "to_nice_json"),
            ([{**ILO, "text": f"{SECRET}\ud800"}], "(ilo).text: holds half a character", "whole characters"),
            ([{**ILO, "allow_empty": "yes"}], "allow_empty: is neither", "Give one of them"),
        ],
    )
    def test_a_finding_names_its_key_and_never_the_text(self, given: t.Any, key: str, remedy: str) -> None:
        with pytest.raises(PolicyError) as caught:
            read_pushed(host="web1", content=given)
        text = str(caught.value)
        assert key in text
        assert remedy in text.split(key, 1)[1]
        assert SECRET not in text

    @pytest.mark.parametrize("declared", [[{"name": "ilo", "paths": ["/x"]}], [{"preset": "ilo"}], ["ilo"]])
    def test_a_name_that_is_declared_for_the_host_is_refused(self, declared: t.Any) -> None:
        with pytest.raises(PolicyError, match="is a component of holdfast_components too"):
            pushed(ILO, declared=declared)
        for other in ([{"name": "x", "preset": "ilo"}], "ilo", None, [7], [{"name": 7}]):
            assert pushed(ILO, declared=other).components


class TestDevices:
    """How devices are declared, by a platform of their tests."""

    @staticmethod
    def component(given: t.Any, network_os: str = "lab") -> Component:
        (found,) = read_policy(host="r1", components=[given], platforms=platforms, network_os=network_os).components
        return found

    @staticmethod
    def refusal(given: t.Any, network_os: str = "lab") -> str:
        with pytest.raises(PolicyError) as caught:
            TestDevices.component(given, network_os)
        return str(caught.value)

    def test_a_word_is_the_whole_declaration(self) -> None:
        found = self.component("device")
        assert found == self.component({"name": "device", "kind": "device"})
        assert found == self.component("device", "lab.net.labos") == self.component({**DEVICE, "platform": "lab"}, "")
        assert (found.kind, found.paths) == ("device", ("/holdfast/device",))
        assert found.source == {"platform": "lab", "items": ["running", "startup"]}
        assert sources.items(found) == ("running", "startup")
        assert found.means["platform"].name == "lab"
        assert found.volatile == ()

    def test_its_keys_say_what_it_is(self) -> None:
        for given in ({"platform": "lab"}, {"items": ["running", "startup"]}):
            assert self.component({"name": "device", **given}) == self.component("device")

    def test_the_order_of_items_means_nothing(self) -> None:
        one, other = (
            self.component({**DEVICE, "items": items}) for items in (["vlans", "running"], ["running", "vlans"])
        )
        assert one == other
        assert one.source["items"] == ["running", "vlans"]

    def test_patterns_add_to_those_of_the_platform(self) -> None:
        found = self.component({**DEVICE, "volatile": ["^uptime"], "secrets": ["^own"]})
        # the platform's own are no part of the definition: they change with versions of the collection
        assert found.volatile == ("^uptime",)
        assert found.handling.secrets == (r"^enable secret (?P<secret>\S+)", "^own")

    def test_only_what_nobody_named_may_be_refused_without_a_word(self) -> None:
        assert self.component("device").handling.alternatives == ("/holdfast/device/vlans",)
        assert self.component({**DEVICE, "items": ["vlans"]}).handling.alternatives == ()

    @pytest.mark.parametrize(
        ("given", "network_os", "why"),
        [
            ("device", "", "platform: is not said. Set ansible_network_os"),
            ("device", "no.such", "platform: no platform 'no.such'"),
            ({**DEVICE, "platform": 7}, "lab", "platform: is no name"),
            ({**DEVICE, "items": []}, "lab", "items: is no list. Give names of what platform lab has: running"),
            ({**DEVICE, "items": "running"}, "lab", "items: is no list"),
            ({**DEVICE, "items": ["flash"]}, "lab", "'flash' is nothing that platform lab has"),
            ({**DEVICE, "items": [["a"]]}, "lab", "is nothing that platform lab has"),
            ({**DEVICE, "paths": ["/etc"]}, "lab", "paths: is not a key of this version"),
            ({"kind": "device"}, "lab", "name"),
        ],
    )
    def test_what_is_wrong_is_told(self, given: t.Any, network_os: str, why: str) -> None:
        assert why in self.refusal(given, network_os)

    def test_who_has_no_platforms_has_no_devices(self) -> None:
        with pytest.raises(PolicyError, match="no platform 'lab'"):
            read_policy(host="r1", components=["device"], network_os="lab")
