# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    HostileArchiveError,
    IntegrityError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import zstd
from hypothesis import given
from hypothesis import strategies as st

PLAIN = b"PermitRootLogin no\n" * 20


@given(st.binary(max_size=2000), st.integers(1, 22))
def test_what_is_compressed_is_decompressed(data: bytes, level: int) -> None:
    assert zstd.decompress(zstd.compress(data, level=level), limit=max(len(data), 0)) == data


def test_the_frame_states_size_and_checksum() -> None:
    frame = zstandard.get_frame_parameters(zstd.compress(PLAIN))
    assert (frame.content_size, frame.has_checksum) == (len(PLAIN), True)


@given(st.lists(st.binary(max_size=2000), max_size=8), st.integers(1, 22))
def test_what_is_compressed_in_pieces_is_decompressed(pieces: list[bytes], level: int) -> None:
    plain = b"".join(pieces)
    data = zstd.compress_pieces(pieces, size=len(plain), level=level)
    assert zstd.decompress(data, limit=len(plain)) == plain


@pytest.mark.parametrize("size", [300_000, 1 << 20, (3 << 20) + 1])
def test_a_frame_of_pieces_needs_no_more_than_its_size(size: int) -> None:
    pieces = [bytes([number % 256]) * 1000 for number in range(size // 1000)] + [bytes(size % 1000)]
    data = zstd.compress_pieces(pieces, size=size)
    frame = zstandard.get_frame_parameters(data)
    assert (frame.content_size, frame.has_checksum) == (size, True)
    assert frame.window_size <= size
    assert zstd.decompress(data, limit=size) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 5, 7, 1 << 20])
def test_pieces_of_another_size_than_stated(size: int) -> None:
    with pytest.raises(IntegrityError, match=f"does not have its {size} bytes"):
        zstd.compress_pieces([b"abc", b"def"], size=size)


def test_one_byte_over_the_limit() -> None:
    data = zstd.compress(PLAIN)
    assert zstd.decompress(data, limit=len(PLAIN)) == PLAIN
    with pytest.raises(HostileArchiveError, match=f"more than the {len(PLAIN) - 1} bytes"):
        zstd.decompress(data, limit=len(PLAIN) - 1)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = zstd.compress(bytes(200 << 20))
    assert len(bomb) < 50_000
    tracemalloc.start()
    try:
        with pytest.raises(HostileArchiveError):
            zstd.decompress(bomb, limit=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_that_does_not_state_its_size() -> None:
    with pytest.raises(HostileArchiveError, match="does not state its size"):
        zstd.decompress(zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20)), limit=1 << 30)


@pytest.mark.parametrize("stated", [0, 1, 255])
def test_a_bomb_that_states_too_little(stated: int) -> None:
    bomb = bytearray(zstd.compress(bytes(255)))
    assert bomb[5] == 255
    bomb[5] = stated
    # frame: magic, descriptor, one byte of size; then blocks that repeat one byte 128 KiB often
    blocks = b"\x02\x00\x10\x00" * 1000 + b"\x03\x00\x10\x00"
    with pytest.raises(IntegrityError):
        zstd.decompress(bytes(bomb[:6]) + blocks + bytes(4), limit=1 << 20)


def test_a_window_over_the_limit() -> None:
    """A small content behind a large window would make the decoder allocate the window."""
    frame = b"\x28\xb5\x2f\xfd" + b"\x44" + b"\x88" + b"\x01\x00" + b"\x01\x00\x00" + bytes(4)
    parameters = zstandard.get_frame_parameters(frame)
    assert parameters.content_size < 1000 < 1 << 20 < parameters.window_size
    with pytest.raises(HostileArchiveError):
        zstd.decompress(frame, limit=1 << 20)


@pytest.mark.parametrize("plain", [b"", PLAIN])
def test_no_damage_gives_content(plain: bytes) -> None:
    data = zstd.compress(plain)
    for position in range(len(data)):
        for mask in (0x01, 0x04, 0x20, 0x80):
            flipped = bytearray(data)
            flipped[position] ^= mask
            with pytest.raises((IntegrityError, HostileArchiveError)):
                zstd.decompress(bytes(flipped), limit=10_000)
        with pytest.raises(IntegrityError):
            zstd.decompress(data[:position], limit=10_000)


@pytest.mark.parametrize("plain", [b"", PLAIN])
@pytest.mark.parametrize("tail", [b"\0", b"garbage", zstd.compress(b"a second frame")])
def test_nothing_may_follow(plain: bytes, tail: bytes) -> None:
    with pytest.raises(IntegrityError):
        zstd.decompress(zstd.compress(plain) + tail, limit=10_000)


def test_a_frame_without_checksum() -> None:
    with pytest.raises(IntegrityError):
        zstd.decompress(zstandard.ZstdCompressor(write_checksum=False).compress(PLAIN), limit=10_000)


@pytest.mark.parametrize("data", [b"", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18\x04\0\0\0abcd", b"plain text"])
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        zstd.decompress(data, limit=10_000)


class TestOfOtherPrograms:
    """Frames as zstd(1) writes them from a pipe, one after the other."""

    def test_without_size_and_checksum(self) -> None:
        frame = zstandard.ZstdCompressor(write_checksum=False, write_content_size=False).compress(PLAIN)
        assert zstd.decompress_any(frame, limit=len(PLAIN)) == PLAIN
        assert zstd.decompress_any(frame + zstd.compress(b"more"), limit=10_000) == PLAIN + b"more"

    @pytest.mark.parametrize("count", [3, 20_000])
    def test_of_many_small_frames(self, count: int) -> None:
        # of these a whole archive can be made: the time that they take grows as their number does
        data = zstd.compress(b"") * count + zstd.compress(b"x") * 100
        assert zstd.decompress_any(data, limit=100) == b"x" * 100

    def test_no_more_than_is_allowed(self) -> None:
        with pytest.raises(HostileArchiveError, match="more than"):
            zstd.decompress_any(zstd.compress(PLAIN), limit=len(PLAIN) - 1)

    @pytest.mark.parametrize("tail", [b"\0", b"garbage", zstd.compress(PLAIN)[:-1]])
    def test_what_is_not_whole(self, tail: bytes) -> None:
        for data in (tail, zstd.compress(PLAIN) + tail):
            with pytest.raises(IntegrityError):
                zstd.decompress_any(data, limit=10_000)

    def test_nothing(self) -> None:
        with pytest.raises(IntegrityError):
            zstd.decompress_any(b"", limit=1)


def test_without_zstandard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "zstandard", None)
    with pytest.raises(DependencyMissingError, match="zstandard"):
        zstd.compress(b"")
    with pytest.raises(DependencyMissingError, match="zstandard"):
        zstd.decompress(b"", limit=1)
