# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a keyring in AWS KMS is told: the region, and how to reach it. Holds no credential, and reads none."""

from __future__ import annotations

import dataclasses
import typing as t

from ..aws.settings import AwsSettings


@dataclasses.dataclass(frozen=True)
class KmsSettings(AwsSettings):
    """How to reach a KMS."""

    place: t.ClassVar[str] = "holdfast_repository.keyring"
