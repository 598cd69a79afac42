# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every store promises, on each real server."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.store.conformance import StoreContract

from .stores import profiles, store_at


class TestS3Store(StoreContract):
    behind = dt.timedelta(seconds=2)  # a date in an answer is whole seconds, and servers write one once a second
    server: S3Server
    _bucket: str
    _prefixes: Iterator[int]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _served(cls, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.server = s3
        # versitygw refuses what is below an object, MinIO takes and reads it, and does not list it
        cls.nests = s3.name == "rgw"
        cls._bucket = s3.make_bucket()
        cls._prefixes = itertools.count()
        with profiles(s3, tmp_path_factory.mktemp("aws")):
            yield

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Store]:
        yield store_at(self.server, f"{self._bucket}/of/{next(self._prefixes)}", OWNER)
