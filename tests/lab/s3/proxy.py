# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy before a real S3 server, that fails as it is told, or is a server that takes locks and does not hold them.

What it passes on unchanged keeps the client's signature; what it changes it signs anew, with the keys of the lab.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import enum
import hashlib
import hmac
import http.client
import socket
import ssl
import struct
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping

from .listener import Handler, Listener
from .server import Keys, S3Server, client

_LOCK = "x-amz-object-lock-"
_OWN = ("connection", "expect", "keep-alive", "transfer-encoding", "content-length")
_SERVER = "Forgetful/1.0"
_STAMP = "%Y%m%dT%H%M%SZ"

# what an operation is called after its verb, by the sub-resource it is for
_OF_BUCKET = {
    "acl": "BucketAcl",
    "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
}
_OF_OBJECT = {
    "acl": "ObjectAcl",
    "attributes": "ObjectAttributes",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
}
_LISTS = {"versions": "ListObjectVersions", "uploads": "ListMultipartUploads"}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


class Lie(enum.Enum):
    """How locks are not held, though every request is answered with 200."""

    FORGETS = "forgets"
    """What is put has no lock, and says so when it is looked at."""
    PRETENDS = "pretends"
    """It says that it has the lock that was asked for; whoever deletes it succeeds."""
    OVERWRITES = "overwrites"
    """It knows no sub-resources: a request for a lock becomes the object's newest version."""


class Direction(enum.Enum):
    """Whose body is cut."""

    UP = "up"
    """The client's: the server sees no more of it either."""
    DOWN = "down"
    """The server's: it has done what was asked."""


@dataclasses.dataclass
class Fault:
    """What becomes of the requests that it is for; by default of the next one.

    :param operation: by S3's name, as ``PutObject``; empty: any.
    :param key: a part of the key; empty: any.
    :param after: so many of them are let through first.
    :param times: so many of them fail then.
    :param status: what is answered, with *code* and without a cut.
    :param done: the server has done what was asked.
    :param flip: one bit in the middle of what the server gives is another one.
    :param cut: in which direction the connection is cut instead, after *at* bytes of the body.
    """

    operation: str = ""
    key: str = ""
    after: int = 0
    times: int = 1
    status: int = 503
    code: str = "SlowDown"
    done: bool = False
    flip: bool = False
    cut: Direction | None = None
    at: int = 0

    def strikes(self, request: Request) -> bool:
        """Whether it is for this request, which counts."""
        if self.operation not in ("", request.operation) or self.key not in request.key:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return self.times >= 0


@dataclasses.dataclass
class Archive:
    """An archive class, which none of the servers has: what rests in it is refused until it was brought back.

    :param key: a part of the keys that rest there.
    :param heads: so many descriptions, after it was asked for, still say that it is on its way.
    """

    key: str
    storage_class: str = "GLACIER"
    heads: int = 2
    asked: dict[str, str] = dataclasses.field(default_factory=dict)
    _left: dict[str, int] = dataclasses.field(default_factory=dict)

    def instead(self, request: Request, body: bytes) -> _Answer | None:
        """What is answered to a request for what rests there; None where the server answers."""
        if self.key not in request.key or not request.key:
            return None
        if request.operation == "RestoreObject":
            if request.key in self.asked:
                return _error(409, "RestoreAlreadyInProgress")
            self.asked[request.key] = body.decode()
            self._left[request.key] = self.heads
            return _Answer(202, {}, b"")
        if request.operation == "GetObject" and self._left.get(request.key, 1) > 0:
            return _error(403, "InvalidObjectState")
        return None

    def told(self, request: Request, answer: _Answer) -> _Answer:
        """What a description says of where it rests."""
        if request.operation != "HeadObject" or self.key not in request.key or answer.status != 200:
            return answer
        headers = {**answer.headers, "x-amz-storage-class": self.storage_class}
        if request.key in self.asked:
            ongoing = self._left[request.key] > 0
            self._left[request.key] -= 1
            until = "" if ongoing else ', expiry-date="Fri, 21 Dec 2199 00:00:00 GMT"'
            headers["x-amz-restore"] = f'ongoing-request="{str(ongoing).lower()}"{until}'
        return dataclasses.replace(answer, headers=headers)


@dataclasses.dataclass
class Request:
    """One request that came.

    :param operation: by S3's name, as ``PutObject``.
    :param path: with its query, as it came.
    :param status: what was answered; 0 where the connection was cut.
    """

    method: str
    path: str
    headers: dict[str, str]
    operation: str = ""
    status: int = 0

    def __post_init__(self) -> None:
        self.operation = _operation(self)

    @property
    def bucket(self) -> str:
        """The bucket, empty for the whole service."""
        return self._names[0]

    @property
    def key(self) -> str:
        """The key, empty for the whole bucket."""
        return self._names[2]

    @property
    def query(self) -> dict[str, str]:
        """Sub-resource and parameters."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))

    @property
    def _names(self) -> tuple[str, str, str]:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).lstrip("/").partition("/")


class Proxy:
    """Stands before a server, and may be used in its place.

    :param lie: what it does with locks.
    :param skew: how many seconds the clocks of clients seem to be late to the server, which judges by its own.
    :param expired: its certificate has ended.
    :param archive: what rests in an archive class.
    """

    def __init__(
        self,
        server: S3Server,
        *,
        lie: Lie | None = None,
        skew: int = 0,
        expired: bool = False,
        archive: Archive | None = None,
    ) -> None:
        self.server = server
        self.archive = archive
        self.lie = lie
        self.skew = skew
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.region, self.keys, self.ca_path = server.region, server.keys, server.ca_path
        self.promised: dict[tuple[str, str], dict[str, str]] = {}
        self.deciding = threading.Lock()
        certificate, key = server.authority.issue(f"proxy-{id(self)}", expired=expired)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self._listener = Listener(type("OfOneProxy", (_Handler,), {"proxy": self}))
        self._listener.socket = context.wrap_socket(
            self._listener.socket, server_side=True, do_handshake_on_connect=False
        )
        self.endpoint = f"https://127.0.0.1:{self._listener.port}"
        self._listener.begin()

    def client(self, identity: str = "owner") -> t.Any:
        """A client of boto3 that asks the proxy."""
        return client("s3", self.endpoint, self.keys[identity], self.ca_path)

    def make_bucket(self, *, lock: bool = True) -> str:
        """Make a bucket on the server."""
        return self.server.make_bucket(lock=lock)

    def operations(self) -> list[str]:
        """What was asked for, by S3's names, in order."""
        return [request.operation for request in self.requests]

    def close(self) -> None:
        """Take no more."""
        self._listener.close()

    def fault(self, request: Request) -> Fault | None:
        """The fault that strikes a request, which is noted."""
        with self.deciding:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.strikes(request)), None)


@contextlib.contextmanager
def proxy(
    server: S3Server,
    *faults: Fault,
    lie: Lie | None = None,
    skew: int = 0,
    expired: bool = False,
    archive: Archive | None = None,
) -> Iterator[Proxy]:
    """Stand before a server."""
    running = Proxy(server, lie=lie, skew=skew, expired=expired, archive=archive)
    running.faults += faults
    try:
        yield running
    finally:
        running.close()


@dataclasses.dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


_EMPTY = _Answer(200, {"Server": _SERVER}, b"")


class _Handler(Handler):
    proxy: t.ClassVar[Proxy]

    def answer(self) -> None:
        # no fault reaches the next request
        self.close_connection = True
        proxy = self.proxy
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        fault = proxy.fault(request)
        if fault and fault.cut is Direction.UP:
            self._cut_up(request, fault.at)
            return
        body = self._body()
        refused = fault and not (fault.done or fault.cut or fault.flip)
        answer = _refusal(fault) if fault and refused else self._ask(request, body)
        if fault and fault.done:
            answer = _refusal(fault)
        if fault and fault.flip:
            answer = _flipped(answer)
        if fault and fault.cut is Direction.DOWN:
            self._send(request, answer, fault.at)
            return
        request.status = answer.status
        self._send(request, answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def _cut_up(self, request: Request, at: int) -> None:
        """Pass the head of the request on and so much of the body, and reset both connections."""
        far = self._far()
        with contextlib.suppress(OSError):
            self._begin(far, request, int(request.headers.get("content-length", 0)))
            far.send(self.rfile.read(at))
        self._reset(far.sock)
        self._reset(self.connection)

    def _ask(self, request: Request, body: bytes) -> _Answer:
        proxy = self.proxy
        if proxy.archive is not None:
            kept = proxy.archive.instead(request, body)
            return kept or proxy.archive.told(request, self._forward(request, body))
        if proxy.lie is None and not proxy.skew:
            return self._forward(request, body)
        lied = _Liar(proxy.lie, proxy.promised) if proxy.lie else None
        answer = lied.instead(request) if lied else None
        if answer is None:
            changed = lied.changed(request) if lied else request
            answer = self._forward(_signed(changed, proxy.keys, proxy.skew), body)
        return lied.told(request, answer) if lied else answer

    def _forward(self, request: Request, body: bytes) -> _Answer:
        far = self._far()
        try:
            self._begin(far, request, len(body))
            far.send(body)
            response = far.getresponse()
            return _Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            # what a client sees of a server that went away is a connection that ends
            self._reset(self.connection)
            raise
        finally:
            far.close()

    def _far(self) -> http.client.HTTPSConnection:
        server = self.proxy.server
        host, port = urllib.parse.urlsplit(server.endpoint).netloc.split(":")
        context = ssl.create_default_context(cafile=str(server.ca_path))
        return http.client.HTTPSConnection(host, int(port), timeout=60, context=context)

    @staticmethod
    def _begin(far: http.client.HTTPSConnection, request: Request, size: int) -> None:
        far.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name not in _OWN:
                far.putheader(name, value)
        if size or request.method in ("PUT", "POST"):
            far.putheader("Content-Length", str(size))
        far.endheaders()

    def _send(self, request: Request, answer: _Answer, at: int | None = None) -> None:
        self.send_response_only(answer.status)
        bodiless = request.method == "HEAD" or answer.status in (204, 304)
        for name, value in answer.headers.items():
            if name.lower() not in _OWN or (bodiless and name.lower() == "content-length"):
                self.send_header(name, value)
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if not bodiless:
            self.wfile.write(answer.body[:at])
        self.wfile.flush()

    def _reset(self, connection: socket.socket | None) -> None:
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


def _flipped(answer: _Answer) -> _Answer:
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 1
    return dataclasses.replace(answer, body=bytes(body))


class _Liar:
    """A server that takes locks and does not hold them."""

    def __init__(self, lie: Lie, promised: dict[tuple[str, str], dict[str, str]]) -> None:
        self._lie = lie
        self._promised = promised

    def instead(self, request: Request) -> _Answer | None:
        """What it answers without asking."""
        overwrites = self._lie is Lie.OVERWRITES
        if request.operation in ("PutObjectRetention", "PutObjectLegalHold") and not overwrites:
            return _EMPTY
        if request.operation == "GetObjectLockConfiguration" and overwrites:
            return _EMPTY
        return None

    def changed(self, request: Request) -> Request:
        """What it makes of a request."""
        headers = {name: value for name, value in request.headers.items() if not name.startswith(_LOCK)}
        lock = request.operation in ("PutObjectRetention", "PutObjectLegalHold")
        path = request.path.partition("?")[0] if lock else request.path
        return Request(request.method, path, headers)

    def told(self, request: Request, answer: _Answer) -> _Answer:
        """What it says of what was answered."""
        headers = {name.lower(): value for name, value in answer.headers.items()} | {"server": _SERVER}
        name = urllib.parse.urlsplit(request.path).path
        version = request.query.get("versionId", "")
        if self._lie is Lie.PRETENDS and request.operation in ("PutObject", "CreateMultipartUpload"):
            asked = {name: value for name, value in request.headers.items() if name.startswith(_LOCK)}
            self._promised |= {(name, headers.get("x-amz-version-id", "")): asked, (name, ""): asked}
        elif request.operation in ("HeadObject", "GetObject") and answer.status == 200:
            headers |= self._promised.get((name, version), self._promised.get((name, ""), {}))
        return _Answer(answer.status, headers, answer.body)


def _refusal(fault: Fault) -> _Answer:
    return _error(fault.status, fault.code)


def _error(status: int, code: str) -> _Answer:
    text = f"<Error><Code>{code}</Code><Message>{code}, says the lab.</Message></Error>"
    return _Answer(status, {"Content-Type": "application/xml"}, text.encode())


def _operation(request: Request) -> str:
    """S3's name of what is asked for."""
    query, verb = request.query, _VERBS[request.method]
    if not request.bucket:
        return "ListBuckets"
    names = _OF_OBJECT if request.key else _OF_BUCKET
    found = next((noun for name, noun in names.items() if name in query), "")
    if found:
        return f"{verb}{found}"
    if not request.key:
        return _of_bucket(request.method, query)
    if request.method == "POST":
        return _posted(query)
    if "uploadId" in query:
        return {"PUT": "UploadPart", "DELETE": "AbortMultipartUpload", "GET": "ListParts"}[request.method]
    return "CopyObject" if "x-amz-copy-source" in request.headers else f"{verb}Object"


def _of_bucket(method: str, query: Mapping[str, str]) -> str:
    if method == "GET":
        return next((operation for name, operation in _LISTS.items() if name in query), "ListObjects")
    return {"POST": "DeleteObjects", "PUT": "CreateBucket"}.get(method, f"{_VERBS[method]}Bucket")


def _posted(query: Mapping[str, str]) -> str:
    if "restore" in query:
        return "RestoreObject"
    return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"


def _signed(request: Request, keys: Mapping[str, Keys], skew: int) -> Request:
    """Sign a request anew (AWS Signature Version 4); one whose key is not of the lab stays as it is."""
    scheme, _space, fields = request.headers.get("authorization", "").partition(" ")
    parts = dict(field.strip().partition("=")[::2] for field in fields.split(","))
    access, *scope = parts.get("Credential", "").split("/")
    secret = next((each.secret for each in keys.values() if each.access == access), None)
    if scheme != "AWS4-HMAC-SHA256" or secret is None:
        return request
    signed_at = dt.datetime.strptime(request.headers["x-amz-date"], _STAMP).replace(tzinfo=dt.timezone.utc)
    when = signed_at - dt.timedelta(seconds=skew)
    scope[0] = when.strftime("%Y%m%d")
    headers = {**request.headers, "x-amz-date": when.strftime(_STAMP)}
    names = [name for name in parts["SignedHeaders"].split(";") if name in headers]
    path, _mark, query = request.path.partition("?")
    arguments = sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)
    canonical = "\n".join(
        [
            request.method,
            path,
            "&".join(arguments),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            ";".join(names),
            headers["x-amz-content-sha256"],
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = _mac(key, part)
    signature = _mac(key, "\n".join([scheme, headers["x-amz-date"], "/".join(scope), digest])).hex()
    headers["authorization"] = (
        f"{scheme} Credential={access}/{'/'.join(scope)}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return Request(request.method, request.path, headers)


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
