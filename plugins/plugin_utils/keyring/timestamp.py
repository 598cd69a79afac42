# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trusted time (RFC 3161): that something existed at a moment, by the word of an authority outside the repository.

A *token* is here the DER of a TimeStampResp (RFC 3161, 2.4.2) with the status ``granted`` and no words beside it: a
status is not signed, so that it has one spelling. OpenSSL verifies it without this collection and without a network::

    openssl ts -verify -digest <64 hex digits> -in token.tsr -CAfile roots.pem -untrusted intermediates.pem
    openssl ts -reply -in token.tsr -text

with ``-attime <seconds since 1970>`` where the authority's certificate has expired since. rfc3161-client, which this
one file imports, and OpenSSL within it check the signature, the chain to a root, validity at the stamp's time and
the purpose of the certificate. Checked here, since it leaves them: which hash the imprint is of, that the signed
attributes name the certificate (RFC 5816) and the kind of content, hashes and versions, one signer, and critical
extensions. Nobody checks revocation. Not signed and not looked at are certificates that the chain does not need,
revocation lists and unsigned attributes: somebody may add such to a token, or spell an ECDSA signature the other way,
and it says the same as before.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import hashlib
import hmac
import http.client
import re
import secrets
import ssl
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from ..errors import (
    DependencyMissingError,
    FormatError,
    IntegrityError,
    KeyringError,
    PolicyError,
    SignatureError,
    UnknownVersionError,
)
from ..model import instant

try:
    import rfc3161_client
    from cryptography import x509
except ImportError:
    rfc3161_client = x509 = None  # type: ignore[assignment]

LARGEST = 64 * 1024
_LONGEST_SECONDS = 3600
_STATUS_TEXT = 200
_PRINTABLE = re.compile(r"[!-~]+")

# DER (X.690) of what has one spelling
_GRANTED = bytes.fromhex("3003020100")
_NULL = bytes.fromhex("0500")
_TRUE = bytes.fromhex("0101ff")
_V1, _V3 = b"\x01", b"\x03"
_INTEGER, _OCTETS, _OID, _SEQUENCE, _EXTENSIONS = 0x02, 0x04, 0x06, 0x30, 0xA1

# contents of object identifiers (RFC 5652, RFC 5035, RFC 5754, RFC 5758)
_TST_INFO = bytes.fromhex("2a864886f70d0109100104")
_CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
_SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910020c")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("2a864886f70d010910022f")
_SHA256 = bytes.fromhex("608648016503040201")
_HASHES = {
    _SHA256: "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}
_RSA = bytes.fromhex("2a864886f70d010101")
_SIGNATURES = {
    "sha256": {_RSA, bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a8648ce3d040302")},
    "sha384": {_RSA, bytes.fromhex("2a864886f70d01010c"), bytes.fromhex("2a8648ce3d040303")},
    "sha512": {_RSA, bytes.fromhex("2a864886f70d01010d"), bytes.fromhex("2a8648ce3d040304")},
}


@dataclasses.dataclass(frozen=True)
class Authority:
    """A time-stamp authority and whom it must be certified by.

    :param url: ``http`` or ``https``; a name and password in it are sent as HTTP basic authentication, by https alone.
    :param certificates: PEM: the self-signed ones are trusted roots, the others may stand between them and a signer.
    :param timeout: seconds that it may be silent, and that its answer may take from its first byte to its last.
    :param ca_file: PEM file of the roots for https; without it those of the system.
    """

    # may hold a password
    url: str = dataclasses.field(repr=False)
    certificates: bytes
    timeout: float = 10.0
    ca_file: str | None = None


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What a token says: *at* is in UTC, to the second; *authority* the subject of its certificate (RFC 4514)."""

    at: dt.datetime
    authority: str
    serial: int


def request(authority: Authority, digest: bytes) -> bytes:
    """Ask for a token over a digest and return it, verified; see the module for how OpenSSL verifies it.

    Proxies are taken from the environment as urllib does. Redirects are not followed.

    :param digest: a SHA-256, 32 bytes; all that the authority learns.
    :raises PolicyError: the URL, the timeout, the CA file or the certificates cannot be used.
    :raises KeyringError: the authority did not answer in time, or not with a token.
    :raises FormatError: the token is not one over this digest, for this request, by whom *certificates* trust: the
        error is that of :func:`verify`, and an IntegrityError for the answer to another request.
    :raises DependencyMissingError: rfc3161-client is not installed, here and in :func:`verify`.
    """
    _require()
    if len(digest) != hashlib.sha256().digest_size:
        raise FormatError("what is to be stamped is not a SHA-256 digest of 32 bytes")
    # certificates that nothing can be verified by are no reason to ask
    _bundle(authority.certificates)
    nonce = secrets.randbits(64)
    place, answer = _post(authority, _query(digest, nonce))
    token = _granted(answer, place)
    try:
        answered = _opened(token, digest, authority.certificates)[1]
        if answered != nonce:
            raise IntegrityError("the time-stamp token answers another request", remedy="Ask again, over https")
    except FormatError as e:
        e.item = e.item or place
        raise
    return token


def verify(token: bytes, digest: bytes, certificates: bytes) -> Stamp:
    """Return what a token says if it is one over this digest by whom *certificates* trust. Offline.

    The certificates of the chain must have been valid at the time that the token says, not now.

    :param digest: the SHA-256 that must have been stamped, 32 bytes.
    :param certificates: as in :class:`Authority`.
    :raises IntegrityError: the token is over another digest, or one of another kind.
    :raises SignatureError: it is not signed, or not by an authority for time stamps that a root here vouches for.
    :raises UnknownVersionError: it holds a critical extension, or is of another version.
    :raises FormatError: it is damaged, or not a token as :func:`request` returns it.
    :raises PolicyError: *certificates* cannot be read, or holds no root.
    """
    _require()
    return _opened(token, digest, certificates)[0]


def _opened(token: bytes, digest: bytes, certificates: bytes) -> tuple[Stamp, int | None]:
    """Verify a token; the second value is its nonce."""
    roots, intermediates = _bundle(certificates)
    signed = _signed(token)
    with _believing_nothing(FormatError, "the time-stamp token is damaged"):
        response = rfc3161_client.decode_timestamp_response(token)
        info = response.tst_info
        imprint = info.message_imprint
        stamp = Stamp(instant.whole(info.gen_time), _signer(signed, response), info.serial_number)
        nonce = info.nonce
    with _believing_nothing(
        SignatureError,
        "the time-stamp token is not signed by an authority that the certificates vouch for",
        remedy="Compare the authority's certificates with those that were given",
    ):
        rfc3161_client.VerifierBuilder(roots=roots, intermediates=intermediates).build().verify(
            response, imprint.message
        )
    if info.version != 1:
        raise UnknownVersionError(f"this version does not know time-stamp tokens of version {info.version}")
    if imprint.hash_algorithm.dotted_string != "2.16.840.1.101.3.4.2.1" or not hmac.compare_digest(
        imprint.message, digest
    ):
        raise IntegrityError(
            "the time-stamp token is over another digest", remedy="Look for the token that belongs to this object"
        )
    return stamp, nonce


def _bundle(certificates: bytes) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """The roots and the intermediates of a PEM bundle."""
    try:
        loaded = x509.load_pem_x509_certificates(certificates)
        roots = [each for each in loaded if each.issuer == each.subject]
    except ValueError as e:
        raise PolicyError(
            "the certificates of the time-stamp authority cannot be read",
            remedy="Give one or more certificates in PEM form",
        ) from e
    if not roots:
        raise PolicyError(
            "the certificates of the time-stamp authority hold no root",
            remedy="Add the self-signed certificate that its chain ends in",
        )
    return roots, [each for each in loaded if each not in roots]


@contextlib.contextmanager
def _believing_nothing(error: type[FormatError], message: str, remedy: str | None = None) -> Iterator[None]:
    """Turn whatever foreign code makes of hostile bytes into an error of the tree."""
    try:
        yield
    except FormatError:
        raise
    # the parsers promise no set of exceptions
    except Exception as e:
        raise error(message, remedy=remedy) from e


class _Signed(t.NamedTuple):
    """What the signature covers, or binds to a certificate, as far as rfc3161-client does not look at it."""

    certificates: tuple[bytes, ...]
    hash_name: str
    certificate_hash: bytes


def _signer(signed: _Signed, response: rfc3161_client.TimeStampResponse) -> str:
    """The subject of the certificate that the signed attributes name: others may be put beside it."""
    for each in signed.certificates:
        if hashlib.new(signed.hash_name, each, usedforsecurity=False).digest() == signed.certificate_hash:
            certificate = x509.load_der_x509_certificate(each)
            (info,) = response.signed_data.signer_infos
            if (info.issuer, info.serial_number) == (certificate.issuer, certificate.serial_number):
                return certificate.subject.rfc4514_string()
    raise SignatureError("the time-stamp token does not hold the certificate that its signature names")


class _Element(t.NamedTuple):
    tag: int
    content: bytes
    whole: bytes


def _signed(token: bytes) -> _Signed:
    """Take a token apart (RFC 3161, 2.4.2; RFC 5652, 5.1 and 5.3) and refuse what is not signed and not as usual."""
    if len(token) > LARGEST:
        raise FormatError(f"a time-stamp token has no more than {LARGEST} bytes, and this has {len(token)}")
    (response,) = _parts(token, "30")
    status, content_info = _parts(response.content, "3030")
    if status.whole != _GRANTED:
        raise FormatError("the time-stamp token does not begin with the bare status granted")
    (signed_data,) = _parts(_parts(content_info.content, "06a0")[1].content, "30")
    version, _digests, content, *held, signers = _parts(signed_data.content, "02313031", "023130a031", "023130a0a131")
    (signer,) = _parts(signers.content, "30")
    signer_version, _id, hashed, attributes, signature, *_more = _parts(
        signer.content, "023030a03004", "023030a03004a1"
    )
    if (version.content, signer_version.content) != (_V3, _V1):
        raise UnknownVersionError("this version does not know signed data of this version in a time-stamp token")
    hash_name = _HASHES.get(_algorithm(hashed))
    if hash_name is None or _algorithm(signature) not in _SIGNATURES[hash_name]:
        raise SignatureError("the time-stamp token is signed by an algorithm that is not believed")
    _refuse_critical(content)
    named = _attributes(attributes)
    if named.get(_CONTENT_TYPE) != _der(_OID, _TST_INFO):
        raise SignatureError("what is signed is not said to be a time stamp")
    certificates = _elements(held[0].content) if held else []
    return _Signed(tuple(each.whole for each in certificates), *_named_certificate(named))


def _attributes(element: _Element) -> dict[bytes, bytes]:
    """Signed attributes by object identifier; each has one value here."""
    found = {}
    for each in _elements(element.content):
        name, values = _parts(each.content, "0631")
        if name.content in found:
            raise FormatError("the time-stamp token has a signed attribute twice")
        found[name.content] = values.content
    return found


def _named_certificate(attributes: dict[bytes, bytes]) -> tuple[str, bytes]:
    """Name and value of the hash of the signer's certificate (RFC 5035, 5.4.1; in its first version SHA-1)."""
    value, usual = attributes.get(_SIGNING_CERTIFICATE_V2), "sha256"
    if value is None:
        value, usual = attributes.get(_SIGNING_CERTIFICATE), "sha1"
    if value is None:
        raise SignatureError("the signature of the time-stamp token names no certificate")
    (signing,) = _parts(value, "30")
    # the first is the signer's, those after it are of its chain
    for named in _elements(_parts(signing.content, "30", "3030")[0].content)[:1]:
        parts = _parts(named.content, "04", "0430", "3004", "300430")
        name = _HASHES.get(_algorithm(parts[0])) if parts[0].tag == _SEQUENCE else usual
        if name:
            return name, next(each.content for each in parts if each.tag == _OCTETS)
    raise SignatureError("the time-stamp token does not name its certificate by a hash that is believed")


def _refuse_critical(content: _Element) -> None:
    """Refuse an extension of the TSTInfo that must be understood (RFC 3161, 2.4.2): none is, here."""
    (octets,) = _parts(_parts(content.content, "06a0")[1].content, "04")
    (info,) = _parts(octets.content, "30")
    for extensions in _elements(info.content):
        if extensions.tag == _EXTENSIONS:
            for each in _elements(extensions.content):
                if _parts(each.content, "0604", "060104")[1].whole == _TRUE:
                    raise UnknownVersionError(
                        "the time-stamp token has a critical extension that this version does not know"
                    )


def _algorithm(element: _Element) -> bytes:
    """The object identifier of an AlgorithmIdentifier (RFC 5280, 4.1.1.2)."""
    return _parts(element.content, "06", "0605")[0].content


def _parts(data: bytes, *shapes: str) -> list[_Element]:
    """Read elements whose tags are, in hex, those of one of the shapes; raises FormatError where they are not."""
    found = _elements(data)
    if bytes(each.tag for each in found).hex() not in shapes:
        raise FormatError("the time-stamp token does not have the structure of RFC 3161")
    return found


def _elements(data: bytes) -> list[_Element]:
    """Read DER elements to the end of *data* (X.690, 8.1); raises FormatError where they do not end there."""
    found = []
    start = 0
    while start < len(data):
        head = data[start : start + 2]
        body = start + 2
        size = head[-1]
        if size >= 0x80:
            body += size - 0x80
            size = int.from_bytes(data[start + 2 : body], "big")
        if body + size > len(data):
            raise FormatError("the time-stamp token is cut off or damaged")
        found.append(_Element(head[0], data[body : body + size], data[start : body + size]))
        start = body + size
    return found


def _der(tag: int, content: bytes) -> bytes:
    """A DER element, also one of more than 127 bytes (X.690, 8.1.3)."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _query(digest: bytes, nonce: int) -> bytes:
    """A TimeStampReq (RFC 3161, 2.4.1) that asks for the certificate; rfc3161-client would hash the digest again."""
    imprint = _der(_SEQUENCE, _der(_SEQUENCE, _der(_OID, _SHA256) + _NULL) + _der(_OCTETS, digest))
    # a leading zero bit: INTEGER has a sign, and DER no byte too many
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")
    return _der(_SEQUENCE, _der(_INTEGER, _V1) + imprint + _der(_INTEGER, number) + _TRUE)


def _granted(answer: bytes, place: str) -> bytes:
    """The token in an authority's answer, without the words that may stand beside the status."""
    with _not_a_response(place):
        response = rfc3161_client.decode_timestamp_response(answer)
        status, words = response.status, " ".join(response.status_string)
        parts = _elements(_parts(answer, "30")[0].content)
    if status:
        said = f" and says {words[:_STATUS_TEXT]!r}" if words else ""
        raise KeyringError(
            f"the time-stamp authority did not grant a stamp: it answers with status {status}{said}",
            item=place,
            remedy="Ask who runs it; the status is that of RFC 3161, section 2.4.2",
        )
    return _der(_SEQUENCE, _GRANTED + b"".join(each.whole for each in parts[1:]))


@contextlib.contextmanager
def _not_a_response(place: str) -> Iterator[None]:
    try:
        with _believing_nothing(FormatError, "the answer is damaged"):
            yield
    except FormatError as e:
        raise KeyringError(
            "what answers there is not a time-stamp authority, or its answer is damaged",
            item=place,
            remedy="Look at the address; it must take queries of RFC 3161 by HTTP POST",
        ) from e


def _post(authority: Authority, query: bytes) -> tuple[str, bytes]:
    """Send a query; returns the place that was asked, as errors may name it, and the answer."""
    url, credentials = _address(authority.url)
    place = url.partition("?")[0]
    if not 0 < authority.timeout <= _LONGEST_SECONDS:
        raise PolicyError(
            f"a timeout of {authority.timeout} seconds cannot be kept",
            remedy=f"Give more than 0 and at most {_LONGEST_SECONDS} seconds",
        )
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply", **credentials}
    # any other scheme was refused
    asked = urllib.request.Request(url, data=query, headers=headers, method="POST")  # noqa: S310
    opener = _opener(authority.ca_file)
    try:
        with opener.open(asked, timeout=authority.timeout) as response:
            answer = _bounded(response, authority.timeout)
    except urllib.error.HTTPError as e:
        e.close()
        moved = "Redirects are not followed: give the address it moved to" if 300 <= e.code < 400 else None
        raise KeyringError(
            f"the time-stamp authority answered with HTTP status {e.code}",
            item=place,
            remedy=moved or "Look at the address and at what the authority asks of its callers",
        ) from e
    except OSError as e:
        raise _silent(place, str(getattr(e, "reason", e))) from e
    # ValueError is an unusable proxy, which may hold a password: its text stays out
    except (http.client.HTTPException, ValueError) as e:
        raise _silent(place, type(e).__name__) from None
    if len(answer) > LARGEST:
        raise KeyringError(
            f"the time-stamp authority answered with more than {LARGEST} bytes",
            item=place,
            remedy="Look at the address: no token is that large",
        )
    return place, answer


def _silent(place: str, why: str) -> KeyringError:
    return KeyringError(
        f"the time-stamp authority did not answer: {why}",
        item=place,
        remedy="See that it can be reached from here, and by which proxy",
    )


def _bounded(response: t.Any, seconds: float) -> bytes:
    """Read at most one byte more than is allowed: each read has a timeout of its own, and all of them one together."""
    end = time.monotonic() + seconds
    answer = b""
    while len(answer) <= LARGEST and (read := response.read1(LARGEST + 1 - len(answer))):
        answer += read
        if time.monotonic() > end:
            raise TimeoutError("timed out")
    return answer


def _opener(ca_file: str | None) -> urllib.request.OpenerDirector:
    """What speaks http and https alone and follows nothing, unlike urllib's own opener."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as e:
        raise PolicyError(
            "the CA file for the time-stamp authority cannot be used",
            item=repr(ca_file),
            remedy="Name a file of certificates in PEM form",
        ) from e
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _address(url: str) -> tuple[str, dict[str, str]]:
    """The URL without what stands before its host, and that as a header (RFC 7617)."""
    # no message repeats the URL: it may hold a password
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https") or not _PRINTABLE.fullmatch(url):
        raise PolicyError(
            "the address of the time-stamp authority is not an http or https URL",
            remedy="Write it like https://stamp.example.com/tsa, other characters as %XX",
        )
    user, at, host = parts.netloc.rpartition("@")
    bare = urllib.parse.urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at:
        return bare, {}
    if parts.scheme != "https":
        raise PolicyError(
            "a name and password for the time-stamp authority would be sent in clear",
            item=bare.partition("?")[0],
            remedy="Ask it by https",
        )
    plain = urllib.parse.unquote_to_bytes(user)
    return bare, {"Authorization": f"Basic {base64.b64encode(plain).decode()}"}


def _require() -> None:
    if rfc3161_client is None:
        raise DependencyMissingError(
            "the Python library rfc3161-client is not installed on the controller",
            remedy="Install rfc3161-client for the Python that runs Ansible",
        )
