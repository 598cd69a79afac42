# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What APIs answer, from servers of this machine, and how JSON is spelled."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import tracemalloc
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import api as apis
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.api import Api
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, TooLargeError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_policy
from hypothesis import given
from hypothesis import strategies as st

from .web import Authority, Page, Web, serving

SECRET = "CANARY-77aa"
MOST = 1 << 26


def canonical(answer: bytes, *, limit_bytes: int = MOST) -> bytes:
    return apis.canonical(answer, limit_bytes=limit_bytes)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def safe(authority: Authority) -> Iterator[Web]:
    with serving(authority) as web:
        yield web


def api(url: str, **more: t.Any) -> Component:
    given = {"name": "flags", "url": url, "format": "text", "headers": {"Authorization": f"Bearer {SECRET}"}, **more}
    (component,) = read_policy(host="h", components=[given]).components
    return component


def answer(component: Component) -> bytes:
    (text,) = Api().content([component])["flags"].contents.values()
    return text


def failure(component: Component) -> str:
    """What the error says, which must hold neither what was sent nor what came."""
    with pytest.raises(CaptureError) as caught:
        answer(component)
    shown = f"{caught.value} {caught.value!r} {caught.value.details}"
    for error in (caught.value.__cause__, None if caught.value.__suppress_context__ else caught.value.__context__):
        shown += repr(error)
    assert SECRET not in shown
    assert "component flags" in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


@contextlib.contextmanager
def saying(text: bytes, *, drip: bytes = b"") -> Iterator[str]:
    """The URL of a server that says this to who asks, ten times a second *drip* where that is given, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def say() -> None:
            connection, _address = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(text)
                while drip and not over.wait(0.1):
                    connection.sendall(drip)

        over = threading.Event()
        thread = threading.Thread(target=say)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            over.set()
            thread.join()


class TestAsking:
    """One GET, with the headers of the component."""

    def test_headers_are_sent(self, web: Web) -> None:
        web.pages["/all"] = Page(b"on\n")
        assert answer(api(f"{web.url}/all?env=prod", headers={"X-Team": "a", "Authorization": SECRET})) == b"on\n"
        ((path, headers),) = web.asked
        assert path == "/all?env=prod"
        assert {name.lower(): value for name, value in headers.items()}.items() >= {
            ("x-team", "a"),
            ("authorization", SECRET),
            ("accept-encoding", "identity"),
        }

    def test_a_text_is_taken_as_it_comes(self, web: Web) -> None:
        web.pages["/"] = Page(b"\xff\x00\r\nx")
        assert answer(api(f"{web.url}/")) == b"\xff\x00\r\nx"

    def test_json_is_spelled_anew(self, web: Web) -> None:
        web.pages["/"] = Page(b'{"b":1.50,"a":[]}')
        assert answer(api(f"{web.url}/", format="json")) == b'{\n  "a": [],\n  "b": 1.50\n}\n'
        web.pages["/"] = Page(f"<html>{SECRET}</html>".encode())
        assert "is not JSON" in failure(api(f"{web.url}/", format="json"))

    @pytest.mark.parametrize("status", [201, 204, 301, 304, 400, 401, 404, 500, 503])
    def test_another_status_is_an_error_without_the_body(self, web: Web, status: int) -> None:
        web.pages["/"] = Page(b"" if status in (204, 304) else SECRET.encode(), status)
        assert f"{web.host} answered with status {status}" in failure(api(f"{web.url}/"))

    def test_more_than_may_be_is_not_read(self, web: Web) -> None:
        web.pages["/"] = Page(b"x" * 2000)
        with pytest.raises(TooLargeError, match="answers with more than 1999 bytes"):
            answer(api(f"{web.url}/", max_bytes=1999))
        assert len(answer(api(f"{web.url}/", max_bytes=2000))) == 2000

    def test_an_answer_that_breaks_off_is_none(self, web: Web) -> None:
        web.pages["/"] = Page(b"x" * 10, length=20)
        assert "gave no answer: IncompleteRead" in failure(api(f"{web.url}/"))

    def test_a_compressed_answer_is_none(self, web: Web) -> None:
        web.pages["/"] = Page(b"x", headers={"Content-Encoding": "gzip"})
        assert "answered compressed" in failure(api(f"{web.url}/"))

    def test_a_server_that_does_not_go_on(self, web: Web) -> None:
        web.pages["/"] = Page(b"x", wait=threading.Event())
        assert "gave no answer: the time was over" in failure(api(f"{web.url}/", timeout=1))

    def test_a_server_that_is_not_there(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        assert f"127.0.0.1:{port} gave no answer: Connection refused" in failure(api(f"http://127.0.0.1:{port}/"))

    def test_a_server_that_speaks_something_else(self) -> None:
        with saying(f"220 {SECRET}\r\n\r\n".encode()) as url:
            assert "gave no answer: BadStatusLine" in failure(api(url))

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
    def test_a_server_that_drips_is_heard_no_longer_than_may_be(self, head: bytes) -> None:
        with saying(head, drip=b"H") as url:
            begun = time.monotonic()
            assert "gave no answer: the time was over" in failure(api(url, timeout=1))
            # each drop comes well before the time of a socket is over
            assert time.monotonic() - begun < 20

    def test_a_name_that_is_not_found_out_in_time(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        known = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_given: known.wait(30))
        assert "gave no answer: the time was over" in failure(api(f"{web.url}/", timeout=1))
        known.set()

    @pytest.mark.parametrize("text", [b"", b" \r\n"])
    def test_nothing_is_meant_only_where_that_is_said(self, web: Web, text: bytes) -> None:
        web.pages["/"] = Page(text)
        assert f"{web.host} answers with nothing" in failure(api(f"{web.url}/"))
        assert answer(api(f"{web.url}/", allow_empty=True)) == text
        assert "is not JSON" in failure(api(f"{web.url}/", format="json", allow_empty=True))

    @pytest.mark.parametrize(
        ("head", "body"),
        [
            ("Content-Length: 8", b'{"a":1}'),
            ("Transfer-Encoding: chunked", b'7\r\n{"a":1}\r\n'),
            ("Transfer-Encoding: chunked", b'8\r\n{"a":1}'),
            ("Transfer-Encoding: chunked", b'7\r\n{"a":1}\r\n-1\r\n'),
        ],
    )
    @pytest.mark.parametrize("form", ["json", "text"])
    def test_an_answer_that_is_cut_off_is_none(self, head: str, body: bytes, form: str) -> None:
        with saying(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body) as url:
            assert "gave no answer: IncompleteRead" in failure(api(url, format=form))

    @pytest.mark.parametrize(
        "head", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x", "HTTP/1.1 200 OK\r\nContent-Length: x"]
    )
    def test_an_answer_that_does_not_say_where_it_ends_is_json_in_brackets(self, head: str) -> None:
        begin = f"{head}\r\n\r\n".encode()
        for whole, spelled in ((b'{"a":1}', b'{\n  "a": 1\n}\n'), (b"[]", b"[]\n")):
            with saying(begin + whole) as url:
                assert answer(api(url, format="json")) == spelled
        # 12 may have been 123
        for doubtful, form in ((b"12", "json"), (b'{"a":1}', "text"), (b"on\n", "text")):
            with saying(begin + doubtful) as url:
                assert "does not say where its answer ends" in failure(api(url, format=form))

    def test_chunks_are_put_together(self) -> None:
        with saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n") as url:
            assert answer(api(url)) == b"abc"

    def test_json_that_its_spelling_makes_too_large(self, web: Web) -> None:
        web.pages["/"] = Page(b"[" * 150 + b"1," * 999 + b"1" + b"]" * 150)
        with pytest.raises(TooLargeError, match="takes more than 100000 bytes, a line for each value"):
            answer(api(f"{web.url}/", format="json", max_bytes=100_000))
        assert len(answer(api(f"{web.url}/", format="json"))) > 300_000

    def test_the_proxy_of_the_environment_is_asked(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        web.pages["http://flags.invalid/all"] = Page(b"by proxy")
        monkeypatch.setenv("http_proxy", web.url)
        assert answer(api("http://flags.invalid/all")) == b"by proxy"


class TestRedirects:
    """Headers go to the host that they were meant for, and nowhere else."""

    def test_to_the_same_host_is_followed(self, web: Web) -> None:
        web.pages["/old"] = Page(b"", 302, {"Location": "/new"})
        web.pages["/new"] = Page(b"", 308, {"Location": f"{web.url}/newer"})
        web.pages["/newer"] = Page(b"here")
        assert answer(api(f"{web.url}/old")) == b"here"
        assert [path for path, _headers in web.asked] == ["/old", "/new", "/newer"]

    def test_to_another_host_is_an_error(self, web: Web) -> None:
        with serving() as other:
            web.pages["/"] = Page(b"", 302, {"Location": f"{other.url}/{SECRET}"})
            assert "status 302, which leads to another host" in failure(api(f"{web.url}/"))
            assert other.asked == []

    def test_out_of_tls_is_an_error(self, safe: Web, authority: Authority) -> None:
        safe.pages["/"] = Page(b"", 301, {"Location": f"http://{safe.host}/"})
        assert "another host or scheme" in failure(api(f"{safe.url}/", ca_path=str(authority.ca)))

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "//127.0.0.1/", "http://[/"])
    def test_to_other_schemes_is_an_error(self, web: Web, location: str) -> None:
        web.pages["/"] = Page(b"", 302, {"Location": location})
        failure(api(f"{web.url}/"))
        assert len(web.asked) == 1

    def test_in_a_circle_is_an_error(self, web: Web) -> None:
        web.pages["/"] = Page(b"", 302, {"Location": "/"})
        assert "redirects more than 5 times" in failure(api(f"{web.url}/"))
        assert len(web.asked) == 6


class TestTrust:
    """Whose certificates are believed."""

    def test_the_authority_that_is_named(self, safe: Web, authority: Authority) -> None:
        safe.pages["/"] = Page(b"safe")
        assert answer(api(f"{safe.url}/", ca_path=str(authority.ca))) == b"safe"

    def test_no_other(self, safe: Web, tmp_path: Path) -> None:
        assert "its certificate is not believed" in failure(api(f"{safe.url}/"))
        other = Authority.make(tmp_path)
        assert "its certificate is not believed" in failure(api(f"{safe.url}/", ca_path=str(other.ca)))
        wrong_name = safe.url.replace("127.0.0.1", "localhost")
        assert "its certificate is not believed" in failure(api(f"{wrong_name}/", ca_path=str(other.ca)))
        assert safe.asked == []

    def test_any_where_that_is_said(self, safe: Web) -> None:
        safe.pages["/"] = Page(b"whoever")
        unsafe = api(f"{safe.url}/", validate_certs=False)
        assert answer(unsafe) == b"whoever"
        assert unsafe.source["validate_certs"] is False

    @pytest.mark.parametrize("held", [None, b"no certificate"])
    def test_a_file_that_holds_none(self, safe: Web, tmp_path: Path, held: bytes | None) -> None:
        path = tmp_path / "ca.pem"
        if held is not None:
            path.write_bytes(held)
        assert f"ca_path cannot be read, or holds no certificate (item {path})" in failure(
            api(f"{safe.url}/", ca_path=str(path))
        )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


class TestCanonical:
    """Two answers that mean the same are spelled alike."""

    def test_an_example(self) -> None:
        spelled = canonical('\ufeff{"z": [1, {}, []], "ä": {"b": null, "a": "\\u00e4\\n"}, "n": -1.0e5}'.encode())
        lines = ["{", '  "n": -1.0e5,', '  "z": [', "    1,", "    {},", "    []", "  ],"]
        lines += ['  "ä": {', '    "a": "ä\\n",', '    "b": null', "  }", "}", ""]
        assert spelled.decode().split("\n") == lines

    @given(VALUES)
    def test_it_means_what_came(self, value: t.Any) -> None:
        spelled = canonical(json.dumps(value).encode())
        assert json.loads(spelled) == value
        assert canonical(spelled) == spelled
        assert canonical(json.dumps(value, ensure_ascii=False, indent=7).encode("utf-8", "backslashreplace")) == spelled

    @given(st.permutations(["a", "b", "ä", "\ud800", ""]))
    def test_the_order_of_names_means_nothing(self, names: list[str]) -> None:
        spelled = canonical(json.dumps(dict.fromkeys(names, 1)).encode())
        assert spelled == canonical(json.dumps(dict.fromkeys(sorted(names), 1)).encode())

    @pytest.mark.parametrize(
        "number",
        [
            "0",
            "-0",
            "1.0",
            "1.00",
            "1e5",
            "1E+5",
            "123456789012345678901234567890",
            "9" * 5000,
            "0.1000000000000000055",
        ],
    )
    def test_numbers_stay_as_they_were_written(self, number: str) -> None:
        assert canonical(f"[{number}]".encode()) == f"[\n  {number}\n]\n".encode()

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (b'{"a": 1, "b": {"x": 1, "x": 2}}', "a name stands twice"),
            (b'{"a": 1, "\\u0061": 2}', "a name stands twice"),
            (b"NaN", "NaN"),
            (b"[-Infinity]", "Infinity"),
            (b"", "is not JSON"),
            (b"{'a': 1}", "is not JSON"),
            (b"[1,]", "is not JSON"),
            (b"1 2", "is not JSON"),
            (b'"\xff"', "is not JSON in UTF-8"),
            ("[1]".encode("utf-16"), "is not JSON in UTF-8"),
            (b"[" * 201 + b"]" * 201, "is nested more than 200 deep"),
            (b'{"a":' * 201 + b"1" + b"}" * 201, "is nested more than 200 deep"),
            (b"[" * 100_000, "is nested more than 200 deep"),
            (b"[" * 100_000 + b"]" * 100_000, "is nested more than 200 deep"),
        ],
    )
    def test_what_is_none(self, text: bytes, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            canonical(text)

    def test_as_deep_as_may_be(self) -> None:
        assert canonical(b"[" * 200 + b"]" * 200).count(b"\n") == 399

    @given(VALUES)
    def test_it_takes_no_more_than_may_be(self, value: t.Any) -> None:
        data = json.dumps(value).encode()
        most = len(canonical(data))
        assert canonical(data, limit_bytes=most) == canonical(data)
        with pytest.raises(OverflowError):
            canonical(data, limit_bytes=most - 1)

    def test_what_is_too_large_is_not_made_first(self) -> None:
        # 400 kB that would become 77 MB, and four times that on the way
        data = b"[" * 190 + b"[" + b"1," * 200_000 + b"1]" + b"]" * 190
        tracemalloc.start()
        try:
            with pytest.raises(OverflowError):
                canonical(data, limit_bytes=1 << 20)
            assert tracemalloc.get_traced_memory()[1] < 50 << 20
        finally:
            tracemalloc.stop()

    @given(st.binary(max_size=60))
    def test_any_bytes_are_spelled_or_refused(self, data: bytes) -> None:
        try:
            spelled = canonical(data)
        except ValueError:
            return
        assert canonical(spelled) == spelled
