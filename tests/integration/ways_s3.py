# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to an S3 server without the keys that it takes some trouble to have, each tried on a repository's bucket."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Iterator

import botocore.exceptions
import urllib3.exceptions
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, Keys, S3Server, allow, client
from ansible_collections.holdfast.config.tests.lab.s3.signed import Signed

from .attempts_s3 import RefusalError, code_in, fetched, lock, own_name

PREFIX = "of/lab"
HEADERS = ("X-Forwarded-For", "X-Real-IP", "Forwarded")


class Place:
    """A bucket that operator and outsider have to do with, and a locked object in it."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.bucket = server.make_bucket()
        admit(server, self.bucket, PREFIX)
        self.key = f"{PREFIX}/{own_name('operator')}"
        self.data = b"a pack"
        server.client("operator").put_object(Bucket=self.bucket, Key=self.key, Body=self.data, **lock())

    @property
    def at(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    @property
    def url(self) -> str:
        return f"{self.server.endpoint}/{self.bucket}/{self.key}"

    def keys(self, access: str = "", secret: str = "") -> Keys:
        """The operator's, but for what is given."""
        real = self.server.keys["operator"]
        return Keys(access or real.access, secret or real.secret)

    def reads(self, keys: Keys, *, endpoint: str = "") -> bool:
        """Whether these keys read the object there."""
        s3 = client("s3", endpoint or self.server.endpoint, keys, self.server.ca_path)
        return bool(s3.get_object(**self.at)["Body"].read() == self.data)

    def presigned(self, seconds: int = 60) -> str:
        """A URL that reads the object, by the operator."""
        s3 = client("s3", self.server.endpoint, self.keys(), self.server.ca_path, signature_version="s3v4")
        return str(s3.generate_presigned_url("get_object", self.at, ExpiresIn=seconds))

    def versions(self) -> int:
        """How many there are."""
        return len(self.server.client(OWNER).list_object_versions(Bucket=self.bucket)["Versions"])


Way = Callable[[Place], bool]
WAYS: dict[str, Way] = {}


def way(title: str) -> Callable[[Way], Way]:
    """Have a function tried, which says whether it got something."""

    def add(tries: Way) -> Way:
        WAYS[title] = tries
        return tries

    return add


@way("read without keys")
def _anonymous(place: Place) -> bool:
    return fetched(place.server, place.url) == place.data


@way("list without keys")
def _anonymous_list(place: Place) -> bool:
    return place.key.encode() in fetched(place.server, f"{place.server.endpoint}/{place.bucket}?versions")


@way("put without keys")
def _anonymous_put(place: Place) -> bool:
    before = place.versions()
    fetched(place.server, place.url, data=b"forged", method="PUT")
    return place.versions() > before


@way("read with a wrong secret")
def _wrong(place: Place) -> bool:
    return place.reads(place.keys(secret="0" * 40))


@way("read with keys that nobody has")
def _unknown(place: Place) -> bool:
    return place.reads(place.keys(access="AKnobody"))


@way("read by a presigned URL that has ended")
def _ended(place: Place) -> bool:
    url = place.presigned(1)
    time.sleep(2.1)
    return fetched(place.server, url) == place.data


@way("read another object by a presigned URL")
def _other(place: Place) -> bool:
    other = f"{PREFIX}/{own_name('operator')}"
    place.server.client("operator").put_object(Bucket=place.bucket, Key=other, Body=b"another", **lock())
    return fetched(place.server, place.presigned().replace(place.key, other)) == b"another"


@way("put with a body that is not the signed one")
def _altered(place: Place) -> bool:
    before = place.versions()
    signed = Signed(place.server.endpoint, place.keys(), place.server.ca_path)
    status, body = signed.send("PUT", f"/{place.bucket}/{place.key}", {}, b"signed", sent=b"forged")
    if status >= 300:
        raise RefusalError(status, code_in(body))
    return place.versions() > before


@way("read without TLS, with an operator's keys")
def _plain(place: Place) -> bool:
    if isinstance(place.server, Rgw):
        return place.reads(place.keys(), endpoint=place.server.plain)
    try:
        return place.reads(place.keys(), endpoint=place.server.endpoint.replace("https://", "http://"))
    # an answer that is not S3's, or none, as the one that closes is faster or the one that reads
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, urllib3.exceptions.HTTPError):
        raise RefusalError(400, "not served") from None


def _from(header: str) -> None:
    @way(f"read from a network that is not allowed, and claim another one by {header}")
    def _forged(place: Place) -> bool:
        statement = allow(place.bucket, "GetObject")
        statement["Condition"] = {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}
        place.server.grant("outsider", statement)
        claimed = "for=10.0.0.1" if header == "Forwarded" else "10.0.0.1"
        signed = Signed(place.server.endpoint, place.server.keys["outsider"], place.server.ca_path)
        try:
            for headers in ({}, {header: claimed}):
                status, body = signed.send("GET", f"/{place.bucket}/{place.key}", {}, unsigned=headers)
                assert headers or status == 403, "the network is not judged at all"
            if status >= 300:
                raise RefusalError(status, code_in(body))
            return body == place.data
        finally:
            # nothing that counts
            place.server.grant("outsider", {**statement, "Effect": "Deny"})


for _header in HEADERS:
    _from(_header)


def tried(server: S3Server) -> Iterator[tuple[str, str]]:
    """What came of each way on a server, as the page has it."""
    place = Place(server)
    for title, tries in WAYS.items():
        try:
            yield title, "**open**" if tries(place) else "no effect"
        except botocore.exceptions.ClientError as e:
            yield title, refusal(e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"])
        except RefusalError as e:
            yield title, refusal(e.status, e.code)


def refusal(status: t.Any, code: str) -> str:
    """A refusal as the page has it."""
    return "no" if (status, code) == (403, "AccessDenied") else f"no: {status} {code}".rstrip()
