# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls to services that speak as AWS does: what the store on S3 and the keyring in KMS both stand on."""

from __future__ import annotations

from . import handover as _handover  # noqa: F401
