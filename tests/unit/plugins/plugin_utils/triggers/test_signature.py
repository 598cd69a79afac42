# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who signed a request, when, and whether it was here before."""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    PolicyError,
    SignatureError,
    ThrottledError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import keys, replay, signature
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.request import Request
from hypothesis import given
from hypothesis import strategies as st

PAGE = Path(__file__).parents[5] / "docs" / "design" / "webhook.md"
SECRET = b"0123456789abcdef0123456789abcdef"
NOW = 1795736445
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
BODY = b'{"kind":"manual-change","hosts":["web1"]}'


def signed(*, key: str = "ci", timestamp: int = NOW, nonce: str = NONCE, body: bytes = BODY) -> signature.Stamp:
    return signature.read(signature.sign(SECRET, key=key, timestamp=timestamp, nonce=nonce, body=body))


def test_the_example_of_the_page_is_one() -> None:
    found = re.search(r"v1=([0-9a-f]{64})", PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert signed().signature == found[1]
    signature.verify(signed(), SECRET, BODY, now=NOW)


def test_openssl_makes_the_same() -> None:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed"
    command = [openssl, "dgst", "-sha256", "-hmac", SECRET.decode()]
    told = subprocess.run(command, input=f"{NOW}.{NONCE}.".encode() + BODY, capture_output=True, check=True).stdout
    assert told.decode().split()[-1] == signed().signature


@given(
    body=st.binary(max_size=200),
    other=st.binary(max_size=200),
    nonce=st.from_regex(r"[A-Za-z0-9_-]{16,64}", fullmatch=True),
)
def test_another_body_has_another_signature(body: bytes, other: bytes, nonce: str) -> None:
    stamp = signed(body=body, nonce=nonce)
    signature.verify(stamp, SECRET, body, now=NOW)
    if other != body:
        with pytest.raises(SignatureError):
            signature.verify(stamp, SECRET, other, now=NOW)


@pytest.mark.parametrize("off", [-301, 301, 10**9])
def test_a_stale_timestamp_and_one_from_the_future(off: int) -> None:
    with pytest.raises(SignatureError, match="300 seconds off"):
        signature.verify(signed(), SECRET, BODY, now=NOW + off)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_clocks_may_differ_a_little(off: int) -> None:
    signature.verify(signed(), SECRET, BODY, now=NOW + off)


def test_the_bytes_that_are_signed_can_be_parted_one_way_only() -> None:
    """A dot moved from the body into the nonce would be the same bytes: no nonce has one."""
    mac = hmac.new(SECRET, f"{NOW}.{NONCE}.x.".encode(), hashlib.sha256).hexdigest()
    headers = {
        signature.KEY: "ci",
        signature.TIMESTAMP: str(NOW),
        signature.NONCE: f"{NONCE}.x",
        signature.SIGNATURE: f"v1={mac}",
    }
    with pytest.raises(FormatError, match=signature.NONCE):
        signature.read(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (signature.KEY, "../../etc/passwd"),
        (signature.KEY, "host:"),
        (signature.KEY, "host:../x"),
        (signature.KEY, "CI"),
        (signature.KEY, ""),
        (signature.KEY, "a" * 65),
        (signature.TIMESTAMP, "1795736445.0"),
        (signature.TIMESTAMP, "-1"),
        (signature.TIMESTAMP, "٣"),
        (signature.TIMESTAMP, "9" * 13),
        (signature.NONCE, "short"),
        (signature.NONCE, "A" * 65),
        (signature.NONCE, "A" * 15 + "\n"),
        (signature.SIGNATURE, "v2=" + "0" * 64),
        (signature.SIGNATURE, "0" * 64),
        (signature.SIGNATURE, "v1=" + "A" * 64),
        (signature.SIGNATURE, "v1=" + "0" * 64 + "\n"),
    ],
)
def test_headers_of_another_form(name: str, value: str) -> None:
    headers = signature.sign(SECRET, key="ci", timestamp=NOW, nonce=NONCE, body=BODY)
    with pytest.raises(FormatError, match=name):
        signature.read({**headers, name: value})
    with pytest.raises(FormatError, match=name):
        signature.read({each: text for each, text in headers.items() if each != name})


class TestReplay:
    def test_a_nonce_is_good_once_also_after_a_restart(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW)
        memory.remember(signed(), now=NOW)
        for again in (memory, replay.Memory(tmp_path / "m", now=NOW + 299)):
            with pytest.raises(SignatureError, match="used before"):
                again.remember(signed(), now=NOW + 300)

    def test_keys_have_nonces_of_their_own(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW)
        memory.remember(signed(key="ci"), now=NOW)
        memory.remember(signed(key="host:web1"), now=NOW)

    def test_it_is_forgotten_only_when_its_timestamp_is_refused(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW)
        # signed by a clock that is ahead: it is good for 600 seconds
        memory.remember(signed(timestamp=NOW + 300), now=NOW)
        with pytest.raises(SignatureError):
            memory.remember(signed(timestamp=NOW + 300), now=NOW + 600)
        memory.remember(signed(nonce="B" * 16, timestamp=NOW + 601), now=NOW + 601)
        assert len(memory) == 1

    def test_a_flood_of_one_key_leaves_room_for_others(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW, most_per_key=3, most=5)
        for number in range(3):
            memory.remember(signed(key="host:web1", nonce=f"{number:016d}"), now=NOW)
        with pytest.raises(ThrottledError):
            memory.remember(signed(key="host:web1", nonce="x" * 16), now=NOW)
        memory.remember(signed(key="host:web2"), now=NOW)
        memory.remember(signed(key="host:web3"), now=NOW)
        with pytest.raises(ThrottledError):
            memory.remember(signed(key="host:web4"), now=NOW)

    def test_its_file_does_not_grow_for_ever(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW, most_per_key=4)
        for number in range(40):
            memory.remember(signed(nonce=f"{number:016d}", timestamp=NOW + number * 400), now=NOW + number * 400)
        assert len((tmp_path / "m" / "nonces").read_bytes().splitlines()) < 10

    def test_a_line_that_a_power_cut_left_half(self, tmp_path: Path) -> None:
        memory = replay.Memory(tmp_path / "m", now=NOW)
        memory.remember(signed(), now=NOW)
        with (tmp_path / "m" / "nonces").open("ab") as file:
            file.write(b"1795736")
        again = replay.Memory(tmp_path / "m", now=NOW)
        assert len(again) == 1
        again.remember(signed(nonce="B" * 16), now=NOW)
        assert len(replay.Memory(tmp_path / "m", now=NOW)) == 2


class TestKeys:
    def folder(self, tmp_path: Path, text: str, *, name: str = "ci", mode: int = 0o600) -> Path:
        tmp_path.chmod(0o700)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
        return tmp_path

    def test_a_deployers_key_has_a_list_of_hosts(self, tmp_path: Path) -> None:
        key = keys.find(self.folder(tmp_path, f"{SECRET.decode()}\nweb1\nweb2\n"), "ci")
        assert key is not None
        assert key.secret == SECRET
        assert key.allows(Request("pre-deployment", ("web1", "web2")))
        assert not key.allows(Request("pre-deployment", ("web1", "db1")))
        assert SECRET.decode() not in repr(key)

    def test_a_star_means_all(self, tmp_path: Path) -> None:
        key = keys.find(self.folder(tmp_path, f"{SECRET.decode()}\n*\n"), "ci")
        assert key is not None
        assert key.allows(Request("post-deployment", ("db1",)))

    @pytest.mark.parametrize(
        ("kind", "hosts", "allowed"),
        [
            ("manual-change", ("web1",), True),
            ("manual-change", ("web2",), False),
            ("manual-change", ("web1", "web2"), False),
            ("pre-deployment", ("web1",), False),
            ("device-change", ("web1",), False),
        ],
    )
    def test_a_hosts_key_is_good_for_its_own_capture_alone(
        self, tmp_path: Path, kind: str, hosts: tuple[str, ...], allowed: bool
    ) -> None:
        key = keys.find(self.folder(tmp_path, SECRET.decode(), name="host:web1"), "host:web1")
        assert key is not None
        assert key.allows(Request(kind, hosts)) is allowed

    @pytest.mark.parametrize(
        ("text", "name", "mode"),
        [
            (f"{SECRET.decode()}\n*\n", "ci", 0o640),
            (f"{SECRET.decode()}\n*\n", "ci", 0o604),
            ("short\n*\n", "ci", 0o600),
            ("", "ci", 0o600),
            (f"{SECRET.decode()}\n", "ci", 0o600),
            (f"{SECRET.decode()}\nweb*\n", "ci", 0o600),
            (f"{SECRET.decode()}\n*\nweb1\n", "ci", 0o600),
            (f"{SECRET.decode()}\nweb2\n", "host:web1", 0o600),
        ],
    )
    def test_a_key_that_is_not_as_it_must_be_is_good_for_nothing(
        self, tmp_path: Path, text: str, name: str, mode: int
    ) -> None:
        with pytest.raises(PolicyError) as caught:
            keys.find(self.folder(tmp_path, text, name=name, mode=mode), name)
        assert SECRET.decode() not in str(caught.value)

    def test_a_link_is_no_key(self, tmp_path: Path) -> None:
        self.folder(tmp_path, f"{SECRET.decode()}\n*\n")
        (tmp_path / "other").symlink_to("ci")
        with pytest.raises(PolicyError):
            keys.find(tmp_path, "other")

    def test_nothing_outside_of_the_folder_is_a_key(self, tmp_path: Path) -> None:
        inside = tmp_path / "keys"
        inside.mkdir(mode=0o700)
        self.folder(tmp_path, f"{SECRET.decode()}\n*\n")
        assert keys.find(inside, "../ci") is None
        assert keys.find(inside, "nobody") is None

    @pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
    def test_a_folder_that_others_see(self, tmp_path: Path, mode: int) -> None:
        tmp_path.chmod(mode)
        with pytest.raises(PolicyError, match="nobody else reads"):
            keys.check_folder(tmp_path)
