# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores of the collection on the servers of the lab, as an operator configures them: by profiles and a CA file."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3 import S3Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_settings import S3Settings, read_bucket
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import Patience
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server


@contextlib.contextmanager
def profiles(server: S3Server, folder: Path) -> Iterator[None]:
    """Have a profile for each identity of a server, named as it is, and nothing else of AWS in the environment."""
    credentials = folder / "credentials"
    credentials.write_text(
        "".join(
            f"[{identity}]\naws_access_key_id = {keys.access}\naws_secret_access_key = {keys.secret}\n"
            for identity, keys in server.keys.items()
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        patch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


def store_at(
    server: S3Server,
    place: str,
    identity: str = OWNER,
    *,
    endpoint: str | None = None,
    settings: t.Any = None,
    **more: t.Any,
) -> S3Store:
    """The store at ``s3://<place>`` of *server*, as *identity* sees it; it does not wait between two calls.

    :param endpoint: another way to the server: a proxy.
    :param settings: more of the settings.
    :param more: more of the store itself.
    """
    told = {"endpoint_url": endpoint or server.endpoint, "aws_ca_bundle": str(server.ca_path), "profile": identity}
    return S3Store(
        read_bucket(f"s3://{place}"),
        S3Settings(**{**told, **(settings or {})}),
        **{"patience": Patience(sleep=lambda _seconds: None), **more},
    )
