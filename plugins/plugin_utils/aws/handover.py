# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one worker of a run leaves to the others: in memory that is theirs by fork, and never in a file.

Ansible runs each task of each host in a process of its own, and forgets what such a process has found out. Temporary
credentials would be asked for by each.
"""

from __future__ import annotations

import hashlib
import mmap

_SIZE = 16 * 1024
_KEY = _DIGEST = hashlib.sha256().digest_size
_HEAD = _KEY + _DIGEST + 4


class Handover:
    """One value, with the key of what it is for; the last one that was left.

    Nobody waits for anybody: who reads while another writes finds nothing, as the digest tells.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        # a core dump is a file
        if hasattr(mmap, "MADV_DONTDUMP"):
            self._memory.madvise(mmap.MADV_DONTDUMP)

    def leave(self, key: str, value: bytes) -> None:
        """Leave a value to this process and to all that share its memory; one that is too long is not left."""
        if len(value) > _SIZE - _HEAD:
            return
        name = _sha256(key.encode())
        self._memory[_KEY:_HEAD] = bytes(_HEAD - _KEY)
        self._memory[_HEAD : _HEAD + len(value)] = value
        self._memory[:_HEAD] = name + _sha256(name + value) + len(value).to_bytes(4, "big")

    def find(self, key: str) -> bytes | None:
        """The value that was left under this key; None where there is none, or another one."""
        head = self._memory[:_HEAD]
        name, digest, size = head[:_KEY], head[_KEY:-4], int.from_bytes(head[-4:], "big")
        value = self._memory[_HEAD : _HEAD + min(size, _SIZE - _HEAD)]
        return value if name == _sha256(key.encode()) and digest == _sha256(name + value) else None


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


#: By service; made before the first fork, since the package is imported by whoever controls the run.
SESSIONS = {service: Handover() for service in ("s3", "kms")}
