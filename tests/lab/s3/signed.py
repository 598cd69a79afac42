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
        status, answer = self.send("PUT", path, query, body)
        if status != 200:
            raise RefusedError(f"{path}: {status} {answer.decode(errors='replace')}")
        return answer

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes = b"",
        *,
        sent: bytes | None = None,
        unsigned: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send a request; returns the status and what is answered.

        :param sent: what goes as its body instead of what is signed.
        :param unsigned: headers that the signature does not know of.
        """
        url = f"{self._endpoint}{path}?{urllib.parse.urlencode(query)}"
        request = AWSRequest(method=method, url=url, data=body)
        S3SigV4Auth(Credentials(self.keys.access, self.keys.secret), "s3", REGION).add_auth(request)
        prepared = request.prepare()
        prepared.headers.update(unsigned or {})
        if sent is not None:
            assert len(sent) == len(body), "another length is refused for that"
            prepared.body = sent
        answer = self._http.send(prepared)
        return answer.status_code, bytes(answer.content)
