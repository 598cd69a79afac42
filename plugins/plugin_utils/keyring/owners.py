# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of the owner of keys that are on a server: what was made, and what goes offline."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import KeyMissingError, KeyringError
from ..model.keys import ClassYearKey, PublicKeys
from . import published, recipients
from .base import ClassYear
from .folder import PrivateFolder
from .published import Published

PUBLISHED = "keyring.json"


class OwnersFolder:
    """``keyring.json``, the public keys that were made, and ``escrow/``, which goes offline.

    :param path: None for who is not the owner, and has none.
    :param repository: whose keys they are.
    """

    def __init__(self, path: Path | None, repository: str) -> None:
        self._path = path
        self._repository = repository

    def __bool__(self) -> bool:
        return self._path is not None

    @property
    def path(self) -> Path:
        """Where it is; raises KeyMissingError where it is not named."""
        if self._path is None:
            raise KeyMissingError(
                "the owner's folder of this keyring is not named",
                item="keyring.path",
                remedy="Run it as the repository's owner, with his rights and his folder "
                "(holdfast_repository.keyring.path)",
            )
        return self._path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make it, and keep other writers out; raises KeyringError where another has it."""
        folder = PrivateFolder(self.path)
        folder.make()
        with folder.locked():
            yield

    def made(self) -> PublicKeys | None:
        """The keys that it says were made; raises KeyringError where it is another repository's, or damaged."""
        folder = PrivateFolder(self.path)
        data = folder.read(PUBLISHED)
        if data is None:
            return None
        found = published.load(data, what=str(folder.path / PUBLISHED))
        if found.repository != self._repository:
            raise KeyringError(
                f"the folder here is that of the repository {found.repository!r}",
                item=str(folder.path),
                remedy=f"Name another folder for the keys of {self._repository!r}",
            )
        return found.keys

    def publish(self, keys: PublicKeys) -> None:
        """Note what was made."""
        folder = PrivateFolder(self.path)
        document = published.dump(Published(self._repository, keys))
        if folder.read(PUBLISHED) != document:
            folder.write(PUBLISHED, document)

    @property
    def escrow(self) -> PrivateFolder:
        """Where identities are until they go offline, or recipients of those that were made there."""
        return PrivateFolder(self.path / "escrow")

    def escrow_keys(
        self, gaps: Iterable[ClassYear], *, elsewhere: str, named: Sequence[ClassYearKey], fresh: bool = False
    ) -> tuple[ClassYearKey, ...]:
        """The escrow keys of these classes and years: see :func:`recipients.escrow_keys`, whose errors it raises.

        :param elsewhere: what else must be destroyed to destroy a class and year.
        """
        guide = recipients.Guide(self._repository, beside=PUBLISHED, elsewhere=elsewhere)
        return recipients.escrow_keys(self.escrow, gaps, guide, named=named, fresh=fresh)
