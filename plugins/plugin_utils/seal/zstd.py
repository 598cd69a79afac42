# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""zstd frames (RFC 8878). The one file that imports zstandard."""

from __future__ import annotations

import io
from collections.abc import Iterable
from types import ModuleType

from ..errors import DependencyMissingError, HostileArchiveError, IntegrityError

try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

# what it becomes is counted after each piece, and a block of four bytes can become 128 KiB (RFC 8878, 3.1.1.2)
_PIECE = 1 << 8


def compress(data: bytes, *, level: int = 3) -> bytes:
    """Return one frame that states its content's size and ends in its checksum.

    :param level: 1 (fast) to 22 (small).
    :raises DependencyMissingError: zstandard is not installed, here and in :func:`decompress`.
    """
    zstd = _library()
    return bytes(zstd.ZstdCompressor(level=level, write_content_size=True, write_checksum=True).compress(data))


def compress_pieces(pieces: Iterable[bytes], *, size: int, level: int = 3) -> bytes:
    """Return such a frame of what comes in pieces, *size* bytes together, without joining them first.

    :raises IntegrityError: they are not of that size.
    """
    zstd = _library()
    compressor = zstd.ZstdCompressor(level=level, write_content_size=True, write_checksum=True)
    sink = io.BytesIO()
    try:
        with compressor.stream_writer(sink, size=size, closefd=False) as frame:
            for piece in pieces:
                frame.write(piece)
    except zstd.ZstdError as e:
        raise IntegrityError(f"what was to be compressed does not have its {size} bytes") from e
    return sink.getvalue()


def decompress(data: bytes, *, limit: int) -> bytes:
    """Return the content of one frame as :func:`compress` makes it; no buffer larger than *limit* is ever allocated.

    :param limit: the most bytes the content may have.
    :raises HostileArchiveError: the frame says that it needs more, or does not say how much.
    :raises IntegrityError: damaged, cut off, followed by other bytes, without checksum, or not zstd at all.
    """
    zstd = _library()
    try:
        frame = zstd.get_frame_parameters(data)
        if frame.content_size == zstd.CONTENTSIZE_UNKNOWN:
            raise HostileArchiveError("the zstd frame does not state its size")
        if max(frame.content_size, frame.window_size) > limit:
            raise HostileArchiveError(f"the zstd frame needs more than the {limit} bytes allowed here")
        if not frame.has_checksum:
            raise _damaged()
        if frame.content_size == 0:
            # the library returns such a frame's content without a look at the rest of it
            if data != compress(b""):
                raise _damaged()
            return b""
        return bytes(zstd.ZstdDecompressor().decompress(data, allow_extra_data=False))
    except zstd.ZstdError as e:
        raise _damaged() from e


def decompress_any(data: bytes, *, limit: int) -> bytes:
    """Return the content of frames that another program made, which need not state their size or have a checksum.

    :param limit: the most bytes the content, and the window of a frame, may have.
    :raises HostileArchiveError: it has more.
    :raises IntegrityError: damaged, cut off, or not zstd at all.
    """
    zstd = _library()
    # a window is a power of two, of 1 KiB at least
    window = max(1 << 10, 1 << max(limit, 1).bit_length())
    found: list[bytes] = []
    left, at = limit, 0
    try:
        # frames may be many and small: what is left of them is never copied
        while at < len(data):
            frame = zstd.ZstdDecompressor(max_window_size=min(window, 1 << 31)).decompressobj()
            while at < len(data):
                given = data[at : at + _PIECE]
                at += len(given)
                piece = frame.decompress(given)
                left -= len(piece)
                if left < 0:
                    raise HostileArchiveError(f"the zstd frames hold more than the {limit} bytes allowed here")
                found.append(piece)
                if frame.eof:
                    at -= len(frame.unused_data)
                    break
            else:
                raise _damaged()
    except zstd.ZstdError as e:
        raise _damaged() from e
    if not data:
        raise _damaged()
    return b"".join(found)


def _damaged() -> IntegrityError:
    return IntegrityError(
        "the zstd frame is damaged, cut off, or not alone", remedy="Fetch it again or take another copy"
    )


def _library() -> ModuleType:
    if zstandard is None:
        raise DependencyMissingError(
            "the Python library zstandard is not installed on the controller",
            remedy="Install zstandard for the Python that runs Ansible",
        )
    return zstandard
