# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What commands print and the environments of processes, gathered by the half that runs on hosts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
import typing as t
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _texts, _tree
from ansible_collections.holdfast.config.plugins.modules import host_capture
from hypothesis import given
from hypothesis import strategies as st

from . import ways
from .ways import Capture, Captured, capture_request, component

PROGRAM = Path(_texts.__file__).read_bytes()
SHELL = ["/bin/sh", "-c"]


def _piped(request: t.Any) -> tuple[dict[str, t.Any], bytes]:
    return ways.unpack(ways.piped("tree", {**request, "program": len(PROGRAM)}, PROGRAM))


def _module(request: t.Any) -> tuple[dict[str, t.Any], bytes]:
    return ways.unpack(ways.run_module(host_capture, {"request": json.dumps(request)})["answer"])


CAPTURES: dict[str, Capture] = {
    "answer": lambda request: _tree.answer(request, _texts),
    "piped": _piped,
    "module": _module,
}


@pytest.fixture(params=list(CAPTURES))
def capture(request: pytest.FixtureRequest) -> Capture:
    return CAPTURES[request.param]


def here(request: t.Any) -> tuple[dict[str, t.Any], bytes]:
    return CAPTURES["answer"](request)


def command(
    argv: Sequence[str], name: str = "said", *, accept: Sequence[int] = (0,), timeout: float = 20
) -> dict[str, t.Any]:
    return {"name": name, "argv": list(argv), "accept": list(accept), "timeout": timeout}


def commands(*given: dict[str, t.Any], name: str = "app", **more: t.Any) -> dict[str, t.Any]:
    source = {"commands": list(given)}
    return component(f"/holdfast/{name}", name=name, kind="command", source=source, **more)


def environ(source: dict[str, str], **more: t.Any) -> dict[str, t.Any]:
    return component("/holdfast/app", kind="environment", source=source, **more)


def texts(given: dict[str, t.Any], capture: Capture = here, **limits: int) -> dict[str, bytes]:
    """The texts of one component, by item."""
    found = Captured(capture(capture_request(Path("/"), given, **limits)))
    return {path.removeprefix("/holdfast/app/"): content for path, content in found.contents.items()}


def said(argv: Sequence[str], **more: t.Any) -> bytes:
    return texts(commands(command(argv, **more)))["said"]


def refused(given: dict[str, t.Any], capture: Capture = here, **limits: int) -> dict[str, t.Any]:
    header, blob = capture(capture_request(Path("/"), given, **limits))
    assert blob == b""
    assert list(header) == ["error"]
    return header["error"]


class TestCommands:
    """What they print, and nothing else."""

    def test_each_prints_a_text_whatever_way_the_half_came(self, capture: Capture) -> None:
        given = commands(command(["printf", "b\n"], "b"), command([*SHELL, "printf 'a\\n\\377'"], "a"))
        found = Captured(capture(capture_request(Path("/"), given)))
        assert found.contents == {"/holdfast/app/a": b"a\n\xff", "/holdfast/app/b": b"b\n"}
        for entry in found.listing:
            assert entry["kind"] == "file"
            told = [entry[key] for key in ("mode", "uid", "gid", "user", "group", "mtime_ns")]
            assert told == [0o600, 0, 0, "", "", 0]

    def test_they_share_a_trip_with_files(self, capture: Capture, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"on disk")
        request = capture_request(tmp_path, component("/file", name="disk"), commands(command(["printf", "x"])))
        header, packed = capture(request)
        assert list(header["components"]) == ["disk", "app"]
        assert zlib.decompress(packed) == b"on diskx"

    def test_a_fingerprint_is_that_of_the_content_and_brings_none(self, capture: Capture) -> None:
        given = commands(command(["printf", "x\n"]), volatile=["y"])
        whole = capture(capture_request(Path("/"), given))[0]["components"]["app"]
        header, blob = capture(capture_request(Path("/"), given, op="fingerprint"))
        assert blob == b""
        assert "listing" not in header["components"]["app"]
        for key in ("fingerprint", "normalised", "bytes", "entries"):
            assert header["components"]["app"][key] == whole[key]

    def test_a_clean_environment_no_input_and_a_session_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
        names = [line.partition(b"=")[0] for line in said(["env"]).splitlines()]
        assert sorted(names) == [b"HOME", b"LC_ALL", b"PATH"]
        assert said([*SHELL, "cat; pwd; umask >/dev/null"]) == b"/\n"
        session = said([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"])
        assert session == b"True\n"

    def test_no_shell_reads_the_arguments(self) -> None:
        assert said(["printf", "%s", "$HOME; `id` *"]) == b"$HOME; `id` *"

    def test_a_name_is_looked_for_in_fixed_folders_only(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "only-here").write_text("#!/bin/sh\n")
        (tmp_path / "only-here").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.chdir(tmp_path)
        error = refused(commands(command(["only-here"])))
        assert error["type"] == "command"
        assert "command said of component app is not on this host" in error["message"]
        assert texts(commands(command([str(tmp_path / "only-here")]))) == {"said": b""}

    @pytest.mark.parametrize(
        ("script", "why"),
        [
            ("echo CANARY; exit 3", "ended with status 3"),
            ("echo CANARY >&2; exit 1", "ended with status 1"),
            ("echo CANARY >&2", "ended with status 0 and printed on standard error alone"),
            ("echo CANARY; kill -9 $$", "was killed by signal 9"),
        ],
    )
    def test_what_fails_is_named_with_its_status_and_without_its_output(
        self, capture: Capture, script: str, why: str
    ) -> None:
        error = refused(commands(command([*SHELL, script])), capture)
        assert error["type"] == "command"
        assert error["message"] == f"command said of component app {why}"
        assert error["items"] == ["app/said"]
        assert "CANARY" not in json.dumps(error)

    @pytest.mark.parametrize("missing", ["/nowhere/at-all", "/etc/hostname"])
    def test_what_cannot_be_started_is_named(self, missing: str) -> None:
        error = refused(commands(command([missing])))
        assert error["type"] == "command"
        assert missing in error["message"]

    def test_other_statuses_may_be_accepted_and_noise_beside_a_text_is_none(self) -> None:
        assert said([*SHELL, "echo 1; echo noise >&2; exit 3"], accept=[0, 3]) == b"1\n"
        assert said(["true"]) == b""

    def test_what_does_not_end_is_killed_with_all_that_it_started(self, tmp_path: Path) -> None:
        mark = tmp_path / "child"
        script = f"sleep 600 & echo $! > {mark}; wait"
        start = time.monotonic()
        error = refused(commands(command([*SHELL, script], timeout=1)))
        assert error["message"] == "command said of component app did not end within 1 seconds"
        assert time.monotonic() - start < 60
        child = int(mark.read_text())
        deadline = time.monotonic() + 20
        while _runs(child):
            assert time.monotonic() < deadline, "what the command started lives on"
            time.sleep(0.02)

    def test_what_closes_its_output_and_goes_on_is_killed_too(self) -> None:
        error = refused(commands(command([*SHELL, "exec >&- 2>&-; sleep 600"], timeout=1)))
        assert "did not end within 1 seconds" in error["message"]

    def test_more_than_may_be_is_an_error_at_once(self) -> None:
        endless = command(["yes", "CANARY"])
        error = refused(commands(endless, bytes=1 << 20))
        assert error["type"] == "too_large"
        assert error["message"] == "component app holds more than 1048576 bytes"
        assert error["items"] == ["app/said"]
        # the limit is the component's, not each command's
        half = [command([*SHELL, "head -c 600000 /dev/zero"], name) for name in ("a", "b")]
        assert refused(commands(*half, bytes=1 << 20))["items"] == ["app/b"]

    def test_a_large_output_comes_whole(self, capture: Capture) -> None:
        script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20000)"
        (text,) = texts(commands(command([sys.executable, "-c", script])), capture).values()
        assert text == bytes(range(256)) * 20000

    def test_a_source_that_is_none_is_an_error_without_a_traceback(self) -> None:
        assert refused(component("/holdfast/app", kind="command", source={}))["type"] == "internal"
        header, _blob = _tree.answer(capture_request(Path("/"), commands(command(["true"]))))
        assert header["error"]["type"] == "request"
        assert "nothing came that could gather it" in header["error"]["message"]


def steady(text: bytes, *patterns: str) -> tuple[int, str]:
    found = _texts.Steady(_texts.compiled(patterns))
    found.write(text)
    return found.finish()


def plain(text: bytes) -> tuple[int, str]:
    return len(text), hashlib.sha256(text).hexdigest()


class TestVolatile:
    """Lines that are captured and are no drift."""

    def test_they_are_told_apart_and_kept(self, capture: Capture) -> None:
        def one(script: str) -> dict[str, t.Any]:
            given = commands(command([*SHELL, script]), volatile=["^# taken at", "uptime"])
            return capture(capture_request(Path("/"), given))[0]["components"]["app"]

        first, second = one("echo '# taken at 1'; echo a; echo uptime 5"), one("echo '# taken at 22'; echo a")
        assert first["fingerprint"] != second["fingerprint"]
        assert first["normalised"] == second["normalised"]
        assert one("echo b")["normalised"] != first["normalised"]

    def test_a_pattern_that_this_python_does_not_take_is_named(self) -> None:
        error = refused(commands(command(["true"]), volatile=["("]))
        assert error["type"] == "request"
        assert "component app: '(' is no regular expression" in error["message"]

    def test_patterns_that_run_away_are_stopped_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_texts, "_MATCHING", 0.2)
        # as long as the universe, on one line
        runaway = commands(command([*SHELL, f"echo 1; echo {'a' * 3000}b"], "list"), volatile=["^(a+)+$"])
        error = refused(runaway)
        assert (error["type"], error["items"]) == ("slow", ["app/list"])
        assert error["message"].startswith("component app: its volatile patterns take more than 0 seconds")
        with running(env={"A": "a" * 3000 + "b"}) as pid:
            slow = environ({"pidfile": f"/proc/{pid}/stat"}, volatile=["^A=(a+)+$"])
            assert refused(slow)["items"] == ["app/environment"]

    def test_all_lines_of_a_text_share_its_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_texts, "_MATCHING", 0.2)
        before = signal.getsignal(signal.SIGVTALRM)
        found = _texts.Steady(_texts.compiled(["^(?:a|a)+$"]))
        line = b"a" * 12 + b"b\n"
        with pytest.raises(_texts.SlowError):
            for _piece in range(100_000):
                found.write(line)
        assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
        assert signal.getsignal(signal.SIGVTALRM) is before

    def test_a_line_of_any_length_is_none(self) -> None:
        assert steady(b"x" * 4096 + b"\r\na", "x") == plain(b"a")
        longer = b"x" * 4097 + b"\n"
        assert steady(longer + b"x\n", "x", "^x*$") == plain(longer)

    def test_lines(self) -> None:
        assert steady(b"a\nb\r\nc", "^b$") == plain(b"a\nc")
        assert steady(b"a\n\n\nb\n", "^$") == plain(b"a\nb\n")
        assert steady(b"a\rb\n", "^b") == plain(b"a\rb\n")
        assert steady("ä\nö\n".encode(), "ö") == plain("ä\n".encode())
        assert steady(b"\xff\n1\n", "\udcff") == plain(b"1\n")
        assert steady(b"", "x") == steady(b"x\nx", "x") == plain(b"")

    @given(
        st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\0", b"\n").replace(b"\1", b"x"))),
        st.lists(st.sampled_from(["x", "^$", "^a", "[0-9]$", "."]), max_size=3),
    )
    def test_pieces_and_the_whole_are_told_alike(self, pieces: list[bytes], patterns: list[str]) -> None:
        compiled = _texts.compiled(patterns)
        steady = _texts.Steady(compiled)
        for piece in pieces:
            steady.write(piece)
        text = b"".join(pieces)
        kept = b"".join(
            line
            for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", text)
            if not any(pattern.search(line.rstrip(b"\r\n")) for pattern in compiled)
        )
        assert steady.finish() == (len(kept), hashlib.sha256(kept).hexdigest())


@contextlib.contextmanager
def running(*, env: dict[str, str] | None = None, name: str = "") -> Iterator[int]:
    """A process that does nothing, under a name of its own."""
    script = "import sys, time; open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True); time.sleep(600)"
    argv = [sys.executable, "-I", "-S", "-c", script, name]
    with subprocess.Popen(argv, env=env or {"A": "1"}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


def shown(proc: Path, pid: int, name: str, state: str, uids: tuple[int, int], started: int) -> None:
    """Show a process in a folder, as proc(5) has it; its environment tells its number."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "stat").write_text(f"{pid} ({name}) {state} {'0 ' * 18}{started} 0\n")
    real, effective = uids
    (folder / "status").write_text(f"Name:\t{name}\nUid:\t{real}\t{effective}\t0\t0\nGid:\t7\t7\t7\t7\n")
    (folder / "environ").write_bytes(b"PID=%d\0" % pid)


def pidfile(folder: Path, pid: int) -> str:
    """A file that names a process, and that anybody may read."""
    folder.chmod(0o755)
    file = folder / "daemon.pid"
    file.write_text(f"{pid}\n")
    return str(file)


class TestEnvironments:
    """What processes were started with."""

    def test_a_process_by_its_name_is_the_oldest_of_it(self, capture: Capture) -> None:
        name = f"hf{os.getpid()}-a-long-name"
        with running(env={"B": "old", "A": "1"}, name=name), running(env={"A": "2"}, name=name):
            assert texts(environ({"process": name}), capture) == {"environment": b"A=1\nB=old\n"}
        error = refused(environ({"process": name}), capture)
        assert (error["type"], error["items"]) == ("process", ["app/environment"])
        assert f"component app: no process {name} runs" in error["message"]

    def test_a_process_by_its_name_and_user(self, capture: Capture) -> None:
        name, uid = f"hf{os.getpid()}-mine", os.getuid()
        with running(env={"A": "1"}, name=name):
            for user in (str(uid), pwd.getpwuid(uid).pw_name):
                assert texts(environ({"process": name, "user": user}), capture) == {"environment": b"A=1\n"}
            for user, why in (
                (str(uid + 1), f"no process {name} of user {uid + 1} runs"),
                ("no-one", "no user no-one"),
            ):
                error = refused(environ({"process": name, "user": user}), capture)
                assert (error["type"], why in error["message"]) == ("process", True)

    def test_a_name_that_processes_of_differing_users_have_is_no_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_texts, "_PROC", str(tmp_path))
        # pid, name, state, real and effective uid, when it was started
        shown(tmp_path, 30, "shop", "S", (0, 990), 500)
        shown(tmp_path, 20, "shop", "S", (0, 0), 700)
        shown(tmp_path, 11, "shop", "Z", (1000, 1000), 100)
        shown(tmp_path, 12, "shopping", "S", (1000, 1000), 100)
        assert texts(environ({"process": "shop"})) == {"environment": b"PID=30\n"}
        # planted by a user who has started it earlier, whatever else he claims
        shown(tmp_path, 10, "shop", "S", (1000, 0), 200)
        error = refused(environ({"process": "shop"}))
        assert (error["type"], error["items"]) == ("ambiguous", ["app/environment"])
        assert error["message"] == "component app: processes shop run under differing uids: 0, 1000"
        assert texts(environ({"process": "shop", "user": "0"})) == {"environment": b"PID=30\n"}
        assert texts(environ({"process": "shop", "user": "1000"})) == {"environment": b"PID=10\n"}

    def test_a_name_of_several_lines_says_nothing_of_users(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_texts, "_PROC", str(tmp_path))
        name = "x) S\nUid:\t0\t0"
        shown(tmp_path, 10, name, "S", (1000, 1000), 200)
        assert "of user 0 runs" in refused(environ({"process": name, "user": "0"}))["message"]
        assert texts(environ({"process": name, "user": "1000"})) == {"environment": b"PID=10\n"}

    def test_a_process_by_its_file(self, capture: Capture, tmp_path: Path) -> None:
        file = tmp_path / "daemon.pid"
        with running(env={"KEY": "CANARY"}) as pid:
            file.write_text(f"{pid}\nmore\n")
            assert texts(environ({"pidfile": str(file)}), capture) == {"environment": b"KEY=CANARY\n"}
        error = refused(environ({"pidfile": str(file)}), capture)
        assert f"the process that {file} names does not run" in error["message"]

    @pytest.mark.parametrize(
        ("held", "why"),
        [(None, "is not there"), (b"", "holds no process number"), (b"-1\n", "holds no process")],
    )
    def test_a_file_that_names_none(self, tmp_path: Path, held: bytes | None, why: str) -> None:
        file = tmp_path / "daemon.pid"
        if held is not None:
            file.write_bytes(held)
        error = refused(environ({"pidfile": str(file)}))
        assert (error["type"], f"{file} {why}" in error["message"]) == ("process", True)

    def test_a_unit_by_its_main_process(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = tmp_path / "systemctl"
        monkeypatch.setattr(_texts, "PATH", f"{tmp_path}:/usr/bin:/bin")
        with running(env={"A": "unit"}) as pid:
            fake.write_text(f'#!/bin/sh\n[ "$*" = "show --property=MainPID -- web.service" ] && echo MainPID={pid}\n')
            fake.chmod(0o755)
            assert texts(environ({"unit": "web.service"})) == {"environment": b"A=unit\n"}
        for printed, why in (("echo MainPID=0", "unit web.service does not run"), ("exit 4", "ended with status 4")):
            fake.write_text(f"#!/bin/sh\n{printed}\n")
            assert why in refused(environ({"unit": "web.service"}))["message"]

    def test_a_host_without_systemd_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_texts, "PATH", str(tmp_path))
        error = refused(environ({"unit": "web.service"}))
        assert "systemctl of component app is not on this host" in error["message"]

    def test_what_others_may_not_read_is_unreadable(self, tmp_path: Path) -> None:
        first = environ({"pidfile": pidfile(tmp_path, 1)})
        for folder in (tmp_path.parent, tmp_path.parent.parent):
            folder.chmod(0o755)
        with ways.unprivileged():
            error = refused(first)
            assert error["type"] == "unreadable"
            assert f"cannot be read by uid {os.geteuid()}" in error["message"]

    def test_a_process_without_one_is_an_error(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "600"], env={}) as process:
            try:
                error = refused(environ({"pidfile": pidfile(tmp_path, process.pid)}))
            finally:
                process.kill()
        assert (error["type"], "has no environment" in error["message"]) == ("process", True)

    def test_more_than_may_be(self, tmp_path: Path) -> None:
        with running(env={"A": "x" * 3000}) as pid:
            assert refused(environ({"pidfile": pidfile(tmp_path, pid)}, bytes=2000))["type"] == "too_large"

    def test_the_spelling(self) -> None:
        block = b"B=two\nlines\0A=back\\slash\\n\0C=\r\0\0EMPTY=\0not a variable\0"
        assert _texts.environment(block) == (b"A=back\\\\slash\\\\n\nB=two\\nlines\nC=\\r\nEMPTY=\nnot a variable\n")

    @given(st.lists(st.binary(min_size=1, max_size=20).map(lambda b: b.replace(b"\0", b"\n")), max_size=6))
    def test_no_two_environments_are_spelled_alike(self, variables: list[bytes]) -> None:
        spelled = _texts.environment(b"".join(variable + b"\0" for variable in variables))
        lines = spelled.split(b"\n")
        assert lines.pop() == b""
        escapes = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
        read = [re.sub(rb"\\.", lambda found: escapes[found[0]], line) for line in lines]
        assert sorted(read) == sorted(variables)
        assert [line + b"\n" for line in lines] == sorted(line + b"\n" for line in lines)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
