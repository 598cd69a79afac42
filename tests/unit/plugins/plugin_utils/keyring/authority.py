# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real time-stamp authority (RFC 3161) on the loopback: OpenSSL's responder behind a small HTTP server.

Certificates, tokens and answers are made by the openssl command. What an authority would never answer is made
from what it did answer, so that one thing alone is wrong with it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.server
import os
import ssl
import subprocess
import threading
import types
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

REPLY = "application/timestamp-reply"
QUERY = "application/timestamp-query"
TST_INFO = "1.2.840.113549.1.9.16.1.4"

_CONFIG = """\
[ca]
default_ca = own
[own]
dir = {folder}
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir/issued
default_md = sha256
unique_subject = no
policy = any
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = empty
[empty]

[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[stamp]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[stamp_not_critical]
keyUsage = critical, digitalSignature
extendedKeyUsage = timeStamping
[stamp_and_more]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping, codeSigning
[code]
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, codeSigning
[plain]
keyUsage = critical, digitalSignature
[server]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1

[tsa]
default_tsa = answers
[answers]
serial = $ENV::STAMP_FOLDER/serial
default_policy = 1.2.3.4.1
digests = sha256, sha512
signer_digest = $ENV::STAMP_DIGEST
accuracy = secs:1
clock_precision_digits = $ENV::STAMP_PRECISION
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = $ENV::STAMP_ESS
"""


@dataclasses.dataclass(frozen=True)
class Signer:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.read_bytes()


class CertificateAuthority:
    """A root in an empty folder, and what it issues. Keys are P-256 unless said otherwise."""

    def __init__(self, folder: Path, *, name: str = "Test Root", valid_from: str = "20200101000000Z") -> None:
        self.folder = folder
        (folder / "issued").mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        self.config = folder / "openssl.cnf"
        self.config.write_text(_CONFIG.format(folder=folder))
        self.root = self.issue(name, extensions="root", valid_from=valid_from)

    def issue(
        self,
        name: str,
        *,
        extensions: str = "stamp",
        valid_from: str = "20200101000000Z",
        valid_to: str = "20991231235959Z",
        by: Signer | None = None,
        algorithm: str = "ec",
    ) -> Signer:
        """Issue a certificate for a new key.

        :param name: common name, and that of the files.
        :param extensions: a section of the configuration: ``stamp`` for a time-stamp authority.
        :param valid_from: and *valid_to*: ``YYYYMMDDhhmmssZ``.
        :param by: an intermediate that signs in place of the root.
        :param algorithm: ``ec`` or ``rsa``.
        """
        stem = name.replace(" ", "-").lower()
        made = Signer(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        options = ["ec_paramgen_curve:P-256"] if algorithm == "ec" else ["rsa_keygen_bits:2048"]
        openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", *options, "-out", made.key)
        request = self.folder / f"{stem}.csr"
        openssl(
            "req",
            "-new",
            "-config",
            self.config,
            "-key",
            made.key,
            "-subj",
            f"/O=Holdfast Test/CN={name}",
            "-out",
            request,
        )
        if extensions == "root" and not hasattr(self, "root"):
            issuer: list[str | Path] = ["-selfsign", "-keyfile", made.key]
        else:
            signer = by or self.root
            issuer = ["-cert", signer.certificate, "-keyfile", signer.key]
        openssl(
            *("ca", "-batch", "-notext", "-config", self.config, "-extensions", extensions, *issuer),
            *("-startdate", valid_from, "-enddate", valid_to, "-in", request, "-out", made.certificate),
        )  # fmt: skip
        return made


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the HTTP server says to one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=lambda: {"Content-Type": REPLY})


class TimeAuthority:
    """A running authority; use it as a context manager.

    ``answers`` may be replaced, to answer otherwise than an authority would. ``seen`` holds what was asked: method,
    target and headers of each request.

    :param ca: who issued the certificate, for its configuration.
    :param signer: the certificate and key that stamp.
    :param tls: a certificate for 127.0.0.1; with it the authority speaks https.
    """

    def __init__(self, ca: CertificateAuthority, signer: Signer, *, tls: Signer | None = None) -> None:
        self.ca = ca
        self.signer = signer
        self.answers: Callable[[bytes], Answer] = self.granted
        self.seen: list[tuple[str, str, Mapping[str, str]]] = []
        self._scheme = "https" if tls else "http"
        self._folder = ca.folder / f"responder-{signer.certificate.stem}-{self._scheme}"
        self._one_at_a_time = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def place(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"{self._scheme}://{self.place}/stamp"

    def __enter__(self) -> t.Self:
        self._folder.mkdir(exist_ok=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def granted(self, query: bytes) -> Answer:
        """What OpenSSL answers."""
        return Answer(self.reply(query))

    def reply(
        self, query: bytes, *, digest: str = "sha256", ess: str = "sha256", precision: int = 0, by: Signer | None = None
    ) -> bytes:
        """Return OpenSSL's TimeStampResp to a query.

        :param digest: what the signature is made over.
        :param ess: the hash by which the signed attributes name the certificate; ``sha1`` is RFC 3161's own.
        :param precision: digits after the second.
        :param by: another signer.
        """
        signer = by or self.signer
        environment = {
            "STAMP_FOLDER": str(self._folder),
            "STAMP_DIGEST": digest,
            "STAMP_ESS": ess,
            "STAMP_PRECISION": str(precision),
        }
        with self._one_at_a_time:
            asked = self._folder / "query.tsq"
            asked.write_bytes(query)
            return openssl(
                *("ts", "-reply", "-config", self.ca.config, "-queryfile", asked),
                *("-signer", signer.certificate, "-inkey", signer.key),
                environment=environment,
            )

    def stamped(self, info: bytes, *, by: Signer | None = None, options: tuple[str, ...] = ("-cades",)) -> bytes:
        """Return a TimeStampResp over a TSTInfo of the caller's making, by ``openssl cms``: it checks no purpose.

        :param info: DER of the TSTInfo.
        :param by: another signer.
        :param options: more of ``openssl cms -sign``; ``-cades`` names the certificate in the signed attributes.
        """
        signer = by or self.signer
        token = openssl(
            *("cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-outform", "DER", "-md", "sha256", *options),
            *("-econtent_type", TST_INFO, "-signer", signer.certificate, "-inkey", signer.key),
            data=info,
        )
        return der(0x30, bytes.fromhex("3003020100") + token)


def openssl(*arguments: str | Path, data: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """Run an openssl command and return what it writes; raises CalledProcessError, with its words as a note."""
    try:
        done = subprocess.run(
            ["openssl", *map(str, arguments)],
            input=data,
            capture_output=True,
            check=True,
            env={**os.environ, **(environment or _NO_RESPONDER)},
        )
    except subprocess.CalledProcessError as e:
        e.add_note(e.stderr.decode("utf-8", "replace"))
        raise
    return done.stdout


def der(tag: int, content: bytes) -> bytes:
    """One DER element (X.690, 8.1)."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def tst_info(
    digest: bytes,
    *,
    at: dt.datetime,
    version: int = 1,
    algorithm: str = "608648016503040201",
    serial: int = 1,
    tail: bytes = b"",
) -> bytes:
    """DER of a TSTInfo (RFC 3161, 2.4.2).

    :param algorithm: content of the object identifier of the imprint's hash, in hex; SHA-256's.
    :param tail: the elements after genTime.
    """
    imprint = der(0x30, der(0x30, der(0x06, bytes.fromhex(algorithm)) + der(0x05, b"")) + der(0x04, digest))
    return der(
        0x30,
        der(0x02, bytes([version]))
        + der(0x06, bytes.fromhex("2a030401"))
        + imprint
        + der(0x02, bytes([serial]))
        + der(0x18, at.strftime("%Y%m%d%H%M%SZ").encode())
        + tail,
    )


# the configuration names these, and every command reads all of it
_NO_RESPONDER = {"STAMP_FOLDER": "", "STAMP_DIGEST": "", "STAMP_ESS": "", "STAMP_PRECISION": "0"}


def _handler(authority: TimeAuthority) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.seen.append((self.command, self.path, dict(self.headers)))
            answer = authority.answers(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def do_GET(self) -> None:
            authority.seen.append((self.command, self.path, dict(self.headers)))
            self.send_error(405)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """The tests say what went wrong."""

    return Handler
