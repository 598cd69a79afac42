# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import identities, recipients
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age

SECRET, RECIPIENT = age.generate()
OTHER = age.generate()[0]


@pytest.mark.parametrize(
    ("above", "name"),
    [
        (f"# d0090-2026 {RECIPIENT}", "d0090-2026"),
        ("# d0090-2026b", "d0090-2026b"),
        ("# d0090-2026\r", "d0090-2026"),
        ("", ""),
        ("#", ""),
        (f"#{OTHER}", ""),
        (f"# {OTHER}", ""),
        (f"# d0090-2026 {RECIPIENT}\n#{OTHER}", ""),
        (f"# public key: {RECIPIENT}", ""),
        ("# d0090-2026\x1b[31m", ""),
        ("# d0090-2026bb", ""),
        ("# D0090-2026", ""),
    ],
    ids=["made", "series", "CRLF", "nothing", "empty", "secret", "spaced", "commented", "keygen", "ESC", "two", "case"],
)
def test_a_name_is_that_of_a_class_and_year_and_nothing_else(tmp_path: Path, above: str, name: str) -> None:
    text = f"{above}\n{SECRET}\n".encode()
    assert identities.read(text, PrivateFolder(tmp_path)) == [identities.Identity(name, RECIPIENT, SECRET)]


def test_what_has_no_name_is_published_nowhere(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "keys")
    folder.make()
    folder.write(identities.FILE, f"#{OTHER}\n{SECRET}\n# d0090-2026\n{OTHER}\n".encode())
    assert recipients.held(folder) == recipients.known(folder) == {"d0090-2026": age.recipient_of(OTHER)}
