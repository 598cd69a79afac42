# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web server of the standard library, with or without TLS by an authority that was made for it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclasses.dataclass
class Page:
    """What is answered at a path."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # of the body, where that is not its own
    length: int | None = None
    wait: threading.Event | None = None


class Web:
    """The pages of a server that runs, and what it was asked."""

    def __init__(self, server: http.server.ThreadingHTTPServer, scheme: str) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.host = f"127.0.0.1:{server.server_address[1]}"
        self.url = f"{scheme}://{self.host}"


@dataclasses.dataclass(frozen=True)
class Authority:
    """Files of a throw-away authority and of a server's key and certificate."""

    ca: Path
    chain: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Make both, for 127.0.0.1."""
        now = dt.datetime.now(dt.timezone.utc)
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _key in range(2))
        ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("test CA", "test"))

        def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(ca_name)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - dt.timedelta(days=1))
                .not_valid_after(now + dt.timedelta(days=1))
            )

        # RFC 5280, 4.2.1.1, 4.2.1.2 and 4.2.1.3: Python 3.13 asks for them
        signs = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        ca = (
            builder(ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **signs), critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        leaf = (
            builder(name, key.public_key())
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        made = cls(folder / "ca.pem", folder / "server.pem")
        made.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        made.chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        return made


@contextlib.contextmanager
def serving(authority: Authority | None = None) -> Iterator[Web]:
    """Run a server on a free port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append((self.path, dict(self.headers)))
            # a proxy is asked for a whole URL
            page = web.pages.get(self.path.partition("?")[0], Page(b"CANARY: no such page", 404))
            self.send_response(page.status)
            for header, value in page.headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(page.body) if page.length is None else page.length))
            self.end_headers()
            if page.wait is not None:
                self.wfile.flush()
                page.wait.wait(30)
            with contextlib.suppress(OSError):
                self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web = Web(server, "http" if authority is None else "https")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        for page in web.pages.values():
            if page.wait is not None:
                page.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()
