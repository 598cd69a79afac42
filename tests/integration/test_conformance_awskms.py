# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every keyring promises, on a stand-in for AWS KMS: identities with the policies of docs/guide_awskms.md."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.tests.lab.kms.server import IDENTITIES, Kms, policy
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.conformance import (
    REPOSITORY,
    Halves,
    KeyringConformance,
)

from .keyrings import kms_keyring_at


class TestAwsKmsKeyring(KeyringConformance):
    algorithm = sign.ECDSA_P256

    @pytest.fixture
    def halves(self, kms: Kms, tmp_path: Path) -> Halves:
        # whoever made the keys may try them, as one who has both halves of a local keyring may
        rights = [each for part in IDENTITIES for each in policy(part, REPOSITORY) if each["Effect"] == "Allow"]
        owner = kms.identity("owner", repository=REPOSITORY)
        kms.allow(owner["aws_access_key_id"], rights)
        return Halves(
            kms_keyring_at(kms, owner, tmp_path, repository=REPOSITORY, path=tmp_path / "owner"),
            lambda: kms_keyring_at(
                kms, kms.identity("operator", repository=REPOSITORY), tmp_path, repository=REPOSITORY
            ),
            lambda: kms_keyring_at(
                kms, kms.identity("restorer", repository=REPOSITORY), tmp_path, repository=REPOSITORY
            ),
            tmp_path / "owner" / "escrow",
        )

    @staticmethod
    def absent(key: ClassYearKey) -> ClassYearKey:
        return dataclasses.replace(key, year=1999)
