# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed requests that boto3 has no call for."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from .server import REGION, Keys


class RefusedError(Exception):
    """A server refused what the lab needs of it."""


class Signed:
    """Sends requests as somebody.

    :param ca_path: whom to trust.
    """

    def __init__(self, endpoint: str, keys: Keys, ca_path: Path) -> None:
        self._endpoint = endpoint
        self.keys = keys
        self._http = URLLib3Session(verify=str(ca_path), proxies={}, timeout=30)

    def put(self, path: str, query: Mapping[str, str], body: bytes = b"") -> bytes:
        """Send a PUT; returns what is answered.

        :raises RefusedError: the status is not 200.
        """
        url = f"{self._endpoint}{path}?{urllib.parse.urlencode(query)}"
        request = AWSRequest(method="PUT", url=url, data=body)
        S3SigV4Auth(Credentials(self.keys.access, self.keys.secret), "s3", REGION).add_auth(request)
        answer = self._http.send(request.prepare())
        if answer.status_code != 200:
            raise RefusedError(f"{path}: {answer.status_code} {answer.text}")
        return bytes(answer.content)
