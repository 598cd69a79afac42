# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import hashlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    FormatError,
    HoldfastError,
    IntegrityError,
    KeyringError,
    PolicyError,
    SignatureError,
    UnknownVersionError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import timestamp
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from .authority import QUERY, Answer, CertificateAuthority, Signer, TimeAuthority, der, openssl, tst_info

DIGEST = hashlib.sha256(b"a recovery point").digest()
OTHER = hashlib.sha256(b"another one").digest()
LONG_AGO = dt.datetime(2021, 3, 4, 5, 6, 7, tzinfo=dt.timezone.utc)
SUBJECT = "CN=Test Stamp,O=Holdfast Test"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("ca") / "own")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """Another root of the same name."""
    return CertificateAuthority(tmp_path_factory.mktemp("ca") / "foreign")


@pytest.fixture(scope="module")
def signer(ca: CertificateAuthority) -> Signer:
    return ca.issue("Test Stamp")


@pytest.fixture(scope="module")
def running(ca: CertificateAuthority, signer: Signer) -> Iterator[TimeAuthority]:
    with TimeAuthority(ca, signer) as started:
        yield started


@pytest.fixture
def server(running: TimeAuthority, monkeypatch: pytest.MonkeyPatch) -> TimeAuthority:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    running.answers = running.granted
    running.seen.clear()
    return running


@pytest.fixture
def authority(server: TimeAuthority) -> timestamp.Authority:
    return timestamp.Authority(server.url, server.ca.root.pem)


@pytest.fixture(scope="module")
def token(running: TimeAuthority) -> bytes:
    """A token of the real responder; no test changes it."""
    return running.reply(query(DIGEST))


def query(digest: bytes, algorithm: str = "sha256") -> bytes:
    return openssl("ts", "-query", "-digest", digest.hex(), f"-{algorithm}", "-cert")


def always(answer: Answer) -> Callable[[bytes], Answer]:
    return lambda query: answer


def made(server: TimeAuthority, by: Signer | None = None, **fields: bytes | int | str | dt.datetime) -> bytes:
    """A token over a TSTInfo of the test's making, stamped long ago unless said otherwise."""
    content: dict[str, bytes | int | str | dt.datetime] = {"digest": DIGEST, "at": LONG_AGO, **fields}
    return server.stamped(tst_info(**content), by=by)  # type: ignore[arg-type]


def check(token: bytes, server: TimeAuthority) -> timestamp.Stamp:
    return timestamp.verify(token, DIGEST, server.ca.root.pem)


def openssl_verifies(token: bytes, digest: bytes, root: Signer, folder: Path, *more: str | Path) -> bool:
    (folder / "token.tsr").write_bytes(token)
    try:
        openssl(
            *("ts", "-verify", "-digest", digest.hex(), "-in", folder / "token.tsr", "-CAfile", root.certificate, *more)
        )
    except subprocess.CalledProcessError:
        return False
    return True


def test_a_granted_stamp_says_when_and_by_whom(
    authority: timestamp.Authority, server: TimeAuthority, tmp_path: Path
) -> None:
    before = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    token = timestamp.request(authority, DIGEST)
    after = dt.datetime.now(dt.timezone.utc)
    stamp = timestamp.verify(token, DIGEST, authority.certificates)
    assert before <= stamp.at <= after
    assert (stamp.at.tzinfo, stamp.at.microsecond) == (dt.timezone.utc, 0)
    assert stamp.authority == SUBJECT
    assert stamp.serial > 0
    [(method, target, headers)] = server.seen
    assert (method, target, headers["Content-Type"]) == ("POST", "/stamp", QUERY)
    assert openssl_verifies(token, DIGEST, server.ca.root, tmp_path)
    assert not openssl_verifies(token, OTHER, server.ca.root, tmp_path)


def test_openssl_reads_what_was_asked(authority: timestamp.Authority, server: TimeAuthority) -> None:
    asked: list[bytes] = []

    def kept(query: bytes) -> Answer:
        asked.append(query)
        return server.granted(query)

    server.answers = kept
    for _time in range(16):
        timestamp.request(authority, DIGEST)
    texts = [openssl("ts", "-query", "-in", "/dev/stdin", "-text", data=each).decode() for each in asked[:2]]
    for text in texts:
        assert "Hash Algorithm: sha256" in text
        assert "Certificate required: yes" in text
    nonces = {line for text in texts for line in text.splitlines() if line.startswith("Nonce: 0x")}
    assert len(nonces) == 2
    # of nonces of every first bit, none was spelled as a negative number: the authority answered the same
    assert len(set(asked)) == 16


def test_the_status_is_stored_without_words(authority: timestamp.Authority, server: TimeAuthority) -> None:
    """What is not signed has one spelling, whatever the authority writes there."""

    def wordy(query: bytes) -> Answer:
        granted = server.reply(query)
        status = der(0x30, bytes.fromhex("020100") + der(0x30, der(0x0C, b"Operation Okay")))
        return Answer(der(0x30, status + granted[granted.index(bytes.fromhex("3003020100")) + 5 :]))

    server.answers = wordy
    token = timestamp.request(authority, DIGEST)
    assert b"Operation Okay" not in token
    assert check(token, server).authority == SUBJECT
    with pytest.raises(FormatError, match="bare status"):
        check(wordy(query(DIGEST)).body, server)


@pytest.mark.parametrize(("digest", "ess"), [("sha256", "sha1"), ("sha384", "sha384"), ("sha512", "sha512")])
def test_hashes_that_authorities_use(server: TimeAuthority, digest: str, ess: str, tmp_path: Path) -> None:
    token = server.reply(query(DIGEST), digest=digest, ess=ess)
    assert check(token, server).authority == SUBJECT
    assert openssl_verifies(token, DIGEST, server.ca.root, tmp_path)


def test_an_authority_with_an_rsa_key_below_an_intermediate(server: TimeAuthority, tmp_path: Path) -> None:
    ca = server.ca
    between = ca.issue("Between", extensions="root")
    signer = ca.issue("RSA Stamp", by=between, algorithm="rsa")
    token = server.reply(query(DIGEST), by=signer)
    stamp = timestamp.verify(token, DIGEST, ca.root.pem + between.pem)
    assert stamp.authority == "CN=RSA Stamp,O=Holdfast Test"
    assert openssl_verifies(token, DIGEST, ca.root, tmp_path, "-untrusted", between.certificate)
    with pytest.raises(SignatureError):
        timestamp.verify(token, DIGEST, ca.root.pem)


def test_the_time_is_cut_to_the_second(server: TimeAuthority) -> None:
    token = made(server)
    assert check(token, server).at == LONG_AGO
    assert check(server.reply(query(DIGEST), precision=6), server).at.microsecond == 0


def test_another_root_of_the_same_name(
    server: TimeAuthority, foreign: CertificateAuthority, token: bytes, tmp_path: Path
) -> None:
    with pytest.raises(SignatureError, match="vouch for"):
        timestamp.verify(token, DIGEST, foreign.root.pem)
    assert not openssl_verifies(token, DIGEST, foreign.root, tmp_path)
    # both are trusted: a bundle may hold the roots of several authorities
    assert timestamp.verify(token, DIGEST, foreign.root.pem + server.ca.root.pem).authority == SUBJECT


def test_an_intermediate_is_no_root(server: TimeAuthority, foreign: CertificateAuthority) -> None:
    between = server.ca.issue("Halfway", extensions="root")
    token = server.reply(query(DIGEST), by=server.ca.issue("Halfway Stamp", by=between))
    with pytest.raises(SignatureError):
        timestamp.verify(token, DIGEST, between.pem + foreign.root.pem)
    with pytest.raises(PolicyError, match="no root"):
        timestamp.verify(token, DIGEST, between.pem)


@pytest.mark.parametrize("extensions", ["plain", "code", "stamp_not_critical", "stamp_and_more"])
def test_a_certificate_for_another_purpose(server: TimeAuthority, extensions: str) -> None:
    """RFC 3161, 2.3: timeStamping alone, and critical."""
    with pytest.raises(SignatureError):
        check(made(server, by=server.ca.issue(f"For {extensions}", extensions=extensions)), server)


def test_a_certificate_counts_at_the_time_of_the_stamp(server: TimeAuthority, tmp_path: Path) -> None:
    """Expired now, valid then: the evidence outlives the certificate."""
    signer = server.ca.issue("Old Stamp", valid_from="20210101000000Z", valid_to="20211231235959Z")
    token = made(server, by=signer)
    assert check(token, server) == timestamp.Stamp(LONG_AGO, "CN=Old Stamp,O=Holdfast Test", 1)
    assert openssl_verifies(token, DIGEST, server.ca.root, tmp_path, "-attime", str(int(LONG_AGO.timestamp())))
    for year in (2020, 2022):
        with pytest.raises(SignatureError):
            check(made(server, by=signer, at=LONG_AGO.replace(year=year)), server)


def test_a_root_counts_at_the_time_of_the_stamp(server: TimeAuthority) -> None:
    with pytest.raises(SignatureError):
        check(made(server, at=LONG_AGO.replace(year=2019)), server)


def test_the_signed_attributes_name_the_certificate(server: TimeAuthority) -> None:
    info = tst_info(DIGEST, at=LONG_AGO)
    with pytest.raises(SignatureError, match="names no certificate"):
        check(server.stamped(info, options=()), server)
    with pytest.raises(SignatureError, match="does not hold the certificate"):
        check(server.stamped(info, options=("-cades", "-nocerts")), server)
    # without signed attributes nothing is named either
    with pytest.raises(FormatError):
        check(server.stamped(info, options=("-noattr",)), server)


def attribute(name: str, *values: bytes) -> bytes:
    """An attribute below 1.2.840.113549.1.9, its name in hex."""
    return der(0x30, der(0x06, bytes.fromhex("2a864886f70d0109" + name)) + der(0x31, b"".join(values)))


CONTENT_TYPE, MESSAGE_DIGEST, CERTIFICATE_V1, CERTIFICATE_V2 = "03", "04", "10020c", "10022f"
STAMP_TYPE = bytes.fromhex("060b2a864886f70d0109100104")
SHA256 = der(0x30, bytes.fromhex("0609608648016503040201"))
SHA3 = der(0x30, bytes.fromhex("0609608648016503040208"))


def forged(signer: Signer, *attributes: bytes, digest: bytes = b"", beside: tuple[Signer, ...] = ()) -> bytes:
    """A token with a good signature over whatever attributes."""
    info = tst_info(DIGEST, at=LONG_AGO)
    digest = digest or hashlib.sha256(info).digest()
    # a SET is sorted in DER
    signed = b"".join(sorted((*attributes, attribute(MESSAGE_DIGEST, der(0x04, digest)))))
    signature = openssl("dgst", "-sha256", "-sign", signer.key, data=der(0x31, signed))
    certificate = x509.load_pem_x509_certificate(signer.pem)
    serial = certificate.serial_number.to_bytes(certificate.serial_number.bit_length() // 8 + 1, "big")
    signer_info = (
        bytes.fromhex("020101")
        + der(0x30, certificate.issuer.public_bytes() + der(0x02, serial))
        + SHA256
        + der(0xA0, signed)
        + der(0x30, bytes.fromhex("06082a8648ce3d040302"))
        + der(0x04, signature)
    )
    signed_data = (
        bytes.fromhex("020103")
        + der(0x31, SHA256)
        + der(0x30, STAMP_TYPE + der(0xA0, der(0x04, info)))
        + der(0xA0, b"".join(sorted(der_of(each) for each in (signer, *beside))))
        + der(0x31, der(0x30, signer_info))
    )
    content_info = der(0x30, bytes.fromhex("06092a864886f70d010702") + der(0xA0, der(0x30, signed_data)))
    return der(0x30, bytes.fromhex("3003020100") + content_info)


def der_of(signer: Signer) -> bytes:
    return x509.load_pem_x509_certificate(signer.pem).public_bytes(serialization.Encoding.DER)


def named(identifier: bytes) -> bytes:
    """SigningCertificate, of either version, from its ESSCertID (RFC 5035)."""
    return der(0x30, der(0x30, identifier))


def test_what_the_signed_attributes_must_say(server: TimeAuthority, signer: Signer) -> None:
    stamp = attribute(CONTENT_TYPE, STAMP_TYPE)
    data = attribute(CONTENT_TYPE, bytes.fromhex("06092a864886f70d010701"))
    hashed = hashlib.sha256(der_of(signer)).digest()
    right = named(der(0x30, der(0x04, hashed)))
    other = server.ca.issue("Other Stamp")
    wrong = named(der(0x30, der(0x04, hashlib.sha256(der_of(other)).digest())))
    old = named(der(0x30, der(0x04, hashlib.sha1(der_of(signer)).digest())))

    for accepted in (
        (stamp, attribute(CERTIFICATE_V2, right)),
        (stamp, attribute(CERTIFICATE_V2, named(der(0x30, SHA256 + der(0x04, hashed))))),
        (stamp, attribute(CERTIFICATE_V1, old)),
        (stamp, attribute(CERTIFICATE_V1, wrong), attribute(CERTIFICATE_V2, right)),
    ):
        assert check(forged(signer, *accepted, beside=(other,)), server).authority == SUBJECT

    for refused in (
        (attribute(CERTIFICATE_V2, right),),
        (data, attribute(CERTIFICATE_V2, right)),
        (stamp,),
        (stamp, attribute(CERTIFICATE_V2, wrong)),
        (stamp, attribute(CERTIFICATE_V1, right)),
        (stamp, attribute(CERTIFICATE_V2, named(b""))),
        (
            stamp,
            attribute(CERTIFICATE_V2, named(der(0x30, SHA3 + der(0x04, hashlib.sha3_256(der_of(signer)).digest())))),
        ),
    ):
        with pytest.raises(SignatureError):
            check(forged(signer, *refused, beside=(other,)), server)

    for malformed in (
        (stamp, attribute(CERTIFICATE_V2, right, wrong)),
        (stamp, attribute(CERTIFICATE_V2, wrong), attribute(CERTIFICATE_V2, right)),
        (stamp, stamp, attribute(CERTIFICATE_V2, right)),
        (stamp, attribute(CERTIFICATE_V2)),
        # the hash is one byte longer than what holds it
        (stamp, attribute(CERTIFICATE_V2, named(der(0x30, b"\x04\x21" + hashed)))),
        (stamp, attribute(CERTIFICATE_V2, named(der(0x30, der(0x04, hashed) + b"\0")))),
    ):
        with pytest.raises(FormatError):
            check(forged(signer, *malformed, beside=(other,)), server)

    with pytest.raises(SignatureError):
        check(forged(signer, stamp, attribute(CERTIFICATE_V2, right), digest=OTHER), server)


def test_a_certificate_put_beside_the_signers_is_not_the_authority(server: TimeAuthority, token: bytes) -> None:
    """Not refused, since it is not signed; and the stamp says what it said."""
    beside = server.ca.issue("Beside", extensions="plain")
    token = server.stamped(tst_info(DIGEST, at=LONG_AGO), options=("-cades", "-certfile", str(beside.certificate)))
    assert check(token, server).authority == SUBJECT


def test_two_signers(server: TimeAuthority) -> None:
    second = server.ca.issue("Second Stamp")
    more = ("-cades", "-signer", str(second.certificate), "-inkey", str(second.key))
    with pytest.raises(FormatError):
        check(server.stamped(tst_info(DIGEST, at=LONG_AGO), options=more), server)


def test_another_digest(server: TimeAuthority, token: bytes) -> None:
    for digest in (OTHER, DIGEST[:-1], b"", DIGEST + b"\0"):
        with pytest.raises(IntegrityError, match="another digest"):
            timestamp.verify(token, digest, server.ca.root.pem)


def test_the_imprint_is_of_sha256(server: TimeAuthority) -> None:
    """The same 32 bytes as another function's digest: nobody has shown what they are the SHA-256 of."""
    for algorithm in ("608648016503040204", "608648016503040208"):
        with pytest.raises(FormatError):
            check(made(server, algorithm=algorithm), server)
    with pytest.raises(IntegrityError):
        check(server.reply(query(hashlib.sha512(DIGEST).digest(), "sha512")), server)


def test_extensions(server: TimeAuthority) -> None:
    extension = der(0x06, bytes.fromhex("2a030405"))
    tail = der(0xA1, der(0x30, extension + der(0x04, b"\x05\x00")))
    assert check(made(server, tail=tail), server).at == LONG_AGO
    critical = der(0xA1, der(0x30, extension + bytes.fromhex("0101ff") + der(0x04, b"\x05\x00")))
    with pytest.raises(UnknownVersionError, match="critical"):
        check(made(server, tail=critical), server)


def test_another_version(server: TimeAuthority) -> None:
    with pytest.raises(UnknownVersionError, match="version 2"):
        check(made(server, version=2), server)


def test_a_time_that_is_none(server: TimeAuthority) -> None:
    info = tst_info(DIGEST, at=LONG_AGO)
    for wrong in (b"00000101000000Z", b"20210229000000Z", b"20210304050607+", b"2021030405060.Z"):
        with pytest.raises(FormatError):
            check(server.stamped(info.replace(b"20210304050607Z", wrong)), server)


def test_every_bit_of_a_token_counts(server: TimeAuthority, token: bytes) -> None:
    """The versions and the name of the signature's algorithm are not signed, and have one spelling here."""
    for bit in range(8 * len(token)):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            check(bytes(changed), server)


def test_every_truncation(server: TimeAuthority, token: bytes) -> None:
    for size in range(len(token)):
        with pytest.raises(FormatError):
            check(token[:size], server)


def test_trailing_bytes_in_every_element(server: TimeAuthority, token: bytes) -> None:
    for tail in (b"\0", b"\x05\x00", token):
        with pytest.raises(FormatError):
            check(token + tail, server)
    with pytest.raises(FormatError, match="no more than"):
        check(token + bytes(timestamp.LARGEST), server)
    status = token.index(bytes.fromhex("3003020100"))
    with pytest.raises(FormatError):
        check(der(0x30, token[status:] + b"\x05\x00"), server)


@settings(max_examples=500)
@given(data=st.data())
def test_any_bytes(running: TimeAuthority, token: bytes, data: st.DataObject) -> None:
    """Whatever is put in place of whatever part, lengths mended or not, is refused by an error of the tree."""
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, len(token)))
    put = data.draw(st.binary(max_size=40) | st.just(token[start:end] * 2) | st.just(der(0x30, token[start:end])))
    content = token[:start] + put + token[end:]
    for changed in (content, der(0x30, content[4:]), put):
        if changed != token:
            with pytest.raises(FormatError):
                check(changed, running)


@given(junk=st.binary(max_size=80))
def test_certificates_that_are_none(token: bytes, junk: bytes) -> None:
    for pem in (junk, b"-----BEGIN CERTIFICATE-----\n" + junk + b"\n-----END CERTIFICATE-----\n"):
        with pytest.raises(PolicyError):
            timestamp.verify(token, DIGEST, pem)


def test_an_answer_over_another_digest(authority: timestamp.Authority, server: TimeAuthority) -> None:
    server.answers = lambda query: Answer(server.reply(query.replace(DIGEST, OTHER)))
    with pytest.raises(IntegrityError, match="another digest") as caught:
        timestamp.request(authority, DIGEST)
    assert caught.value.item == server.url


def test_an_old_answer(authority: timestamp.Authority, server: TimeAuthority, token: bytes) -> None:
    """Right in all but the nonce: a time that has passed would be sold as now."""
    for replayed in (token, made(server)):
        server.answers = always(Answer(replayed))
        with pytest.raises(IntegrityError, match="another request"):
            timestamp.request(authority, DIGEST)


def test_an_answer_by_somebody_else(server: TimeAuthority, foreign: CertificateAuthority) -> None:
    with pytest.raises(SignatureError) as caught:
        timestamp.request(timestamp.Authority(server.url, foreign.root.pem), DIGEST)
    assert caught.value.item == server.url


def test_an_answer_without_the_certificate(authority: timestamp.Authority, server: TimeAuthority) -> None:
    asked_for = bytes.fromhex("0101ff")
    server.answers = lambda query: Answer(server.reply(der(0x30, query[2:].removesuffix(asked_for))))
    with pytest.raises(FormatError):
        timestamp.request(authority, DIGEST)


def test_a_refusal_says_what_the_authority_says(authority: timestamp.Authority, server: TimeAuthority) -> None:
    words = der(0x30, der(0x0C, "no\nstämp today".encode()))
    server.answers = always(Answer(der(0x30, der(0x30, bytes.fromhex("020102") + words))))
    with pytest.raises(KeyringError, match=r"status 2 and says 'no\\nstämp today'") as caught:
        timestamp.request(authority, DIGEST)
    assert caught.value.item == server.url


def test_openssl_refuses(authority: timestamp.Authority, server: TimeAuthority) -> None:
    """A query for a policy that the responder does not have: a real rejection."""
    server.answers = lambda query: Answer(
        server.reply(openssl("ts", "-query", "-digest", DIGEST.hex(), "-tspolicy", "1.2.3.4.9"))
    )
    with pytest.raises(KeyringError, match="status 2"):
        timestamp.request(authority, DIGEST)


@pytest.mark.parametrize("status", ["020101", "020103", "020105"])
def test_granted_with_changes_or_later(authority: timestamp.Authority, server: TimeAuthority, status: str) -> None:
    def changed(query: bytes) -> Answer:
        return Answer(server.reply(query).replace(bytes.fromhex("3003020100"), bytes.fromhex("3003" + status), 1))

    server.answers = changed
    with pytest.raises(KeyringError, match="did not grant"):
        timestamp.request(authority, DIGEST)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(b"<html><body>It works!</body></html>", headers={"Content-Type": "text/html"}), id="html"),
        pytest.param(Answer(), id="nothing"),
        pytest.param(Answer(bytes.fromhex("30820100")), id="cut"),
        pytest.param(Answer(bytes.fromhex("3003020100")), id="shape"),
        pytest.param(Answer(status=204), id="no-content"),
    ],
)
def test_no_time_stamp_authority(authority: timestamp.Authority, server: TimeAuthority, answer: Answer) -> None:
    server.answers = always(answer)
    with pytest.raises(KeyringError, match="not a time-stamp authority") as caught:
        timestamp.request(authority, DIGEST)
    assert caught.value.item == server.url
    assert caught.value.remedy


def test_granted_without_a_token(authority: timestamp.Authority, server: TimeAuthority) -> None:
    server.answers = always(Answer(bytes.fromhex("30053003020100")))
    with pytest.raises(FormatError):
        timestamp.request(authority, DIGEST)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_an_http_error(authority: timestamp.Authority, server: TimeAuthority, status: int) -> None:
    server.answers = always(Answer(b"sorry", status=status))
    with pytest.raises(KeyringError, match=f"HTTP status {status}"):
        timestamp.request(authority, DIGEST)


def test_no_redirect_is_followed(authority: timestamp.Authority, server: TimeAuthority, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"not to be read")
    for status in (301, 302, 303, 307, 308):
        for target in ((tmp_path / "token").as_uri(), server.url, "ftp://127.0.0.1/", "data:,x"):
            server.seen.clear()
            server.answers = always(Answer(status=status, headers={"Location": target}))
            with pytest.raises(KeyringError, match=f"HTTP status {status}.*Redirects are not followed"):
                timestamp.request(authority, DIGEST)
            assert len(server.seen) == 1


def test_more_than_a_token_can_be(authority: timestamp.Authority, server: TimeAuthority) -> None:
    server.answers = lambda query: Answer(server.reply(query).ljust(timestamp.LARGEST + 1, b"\0"))
    with pytest.raises(KeyringError, match="more than 65536 bytes"):
        timestamp.request(authority, DIGEST)


def test_a_server_that_hangs(server: TimeAuthority) -> None:
    let_go = threading.Event()

    def hang(query: bytes) -> Answer:
        # who waits longer than was asked gets a good answer after all
        let_go.wait(3)
        return server.granted(query)

    server.answers = hang
    try:
        with pytest.raises(KeyringError, match="did not answer: timed out"):
            timestamp.request(timestamp.Authority(server.url, server.ca.root.pem, timeout=0.05), DIGEST)
    finally:
        let_go.set()


def test_an_answer_that_drips(server: TimeAuthority) -> None:
    """Each byte in time, and all of them never."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                # far beyond the timeout, and not for ever
                for _time in range(300):
                    if ended.wait(0.01):
                        break
                    connection.sendall(b"\0")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        try:
            with pytest.raises(KeyringError, match="did not answer: timed out"):
                timestamp.request(timestamp.Authority(url, server.ca.root.pem, timeout=0.3), DIGEST)
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="ssh"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, id="many-headers"),
        pytest.param(b"\xff" * 70000, id="long-line"),
    ],
)
def test_what_does_not_speak_http(server: TimeAuthority, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(KeyringError, match="did not answer"):
            timestamp.request(timestamp.Authority(url, server.ca.root.pem), DIGEST)
        thread.join()


def test_nobody_listens(server: TimeAuthority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(KeyringError, match="refused") as caught:
        timestamp.request(timestamp.Authority(f"http://127.0.0.1:{port}/tsa?key=SECRET", server.ca.root.pem), DIGEST)
    assert caught.value.item == f"http://127.0.0.1:{port}/tsa"
    assert "SECRET" not in str(caught.value)


def test_a_proxy_of_the_environment(server: TimeAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server.place}")
    elsewhere = timestamp.Authority("http://stamp.invalid/tsa", server.ca.root.pem)
    assert check(timestamp.request(elsewhere, DIGEST), server).authority == SUBJECT
    assert [target for _method, target, _headers in server.seen] == ["http://stamp.invalid/tsa"]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    timestamp.request(timestamp.Authority(server.url, server.ca.root.pem), DIGEST)
    assert server.seen[-1][1] == "/stamp"


def test_a_proxy_that_cannot_be_used(server: TimeAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("http:/SECRET", "ftp://user:SECRET@127.0.0.1:1", "http://user:SECRET@[127"):
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(KeyringError) as caught:
            timestamp.request(timestamp.Authority(server.url, server.ca.root.pem), DIGEST)
        assert "SECRET" not in str(caught.value)


def test_https(ca: CertificateAuthority, signer: Signer, server: TimeAuthority) -> None:
    """With a CA of one's own, and a name and password that are sent to nobody else."""
    with TimeAuthority(ca, signer, tls=ca.issue("127.0.0.1", extensions="server")) as secure:
        url = f"https://me:p%40ss:word@{secure.place}/stamp?key=SECRET"
        trusted = timestamp.Authority(url, ca.root.pem, ca_file=str(ca.root.certificate))
        assert check(timestamp.request(trusted, DIGEST), server).authority == SUBJECT
        [(_method, target, headers)] = secure.seen
        assert target == "/stamp?key=SECRET"
        assert headers["Authorization"] == "Basic bWU6cEBzczp3b3Jk"
        with pytest.raises(KeyringError, match="certificate verify failed") as caught:
            timestamp.request(timestamp.Authority(url, ca.root.pem), DIGEST)
        assert caught.value.item == secure.url
        assert "SECRET" not in str(caught.value)
        assert len(secure.seen) == 1
        assert "SECRET" not in repr(trusted)


@pytest.mark.parametrize(
    "url",
    [
        *("", "stamp.example.com", "file:///etc/passwd", "ftp://stamp.example.com/", "data:,x", "http://", "http:///x"),
        *("http://stamp.example.com:port/", "http://stamp.example.com:70000/", "http://[::1/", "http://a b/"),
        *("http://stamp.example.com/\r\nHost: x", "http://stämp.example.com/", "http://me:SECRET@stamp.example.com/"),
    ],
)
def test_an_address_that_cannot_be_asked(ca: CertificateAuthority, url: str) -> None:
    with pytest.raises(PolicyError) as caught:
        timestamp.request(timestamp.Authority(url, ca.root.pem), DIGEST)
    assert caught.value.remedy
    assert "SECRET" not in str(caught.value)


@given(url=st.text(max_size=30) | st.text(max_size=30).map("http://127.0.0.1:0/".__add__))
def test_any_address(running: TimeAuthority, url: str) -> None:
    with pytest.raises(HoldfastError):
        timestamp.request(timestamp.Authority(url, running.ca.root.pem, timeout=0.01), DIGEST)


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf"), 1e10])
def test_a_timeout_that_is_none(server: TimeAuthority, timeout: float) -> None:
    with pytest.raises(PolicyError, match="timeout"):
        timestamp.request(timestamp.Authority(server.url, server.ca.root.pem, timeout=timeout), DIGEST)


@pytest.mark.parametrize("name", ["absent.pem", "empty.pem", "nul\0.pem"])
def test_a_ca_file_that_is_none(server: TimeAuthority, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(PolicyError, match="CA file"):
        timestamp.request(timestamp.Authority(server.url, server.ca.root.pem, ca_file=str(tmp_path / name)), DIGEST)


def test_nothing_is_asked_that_could_not_be_verified(authority: timestamp.Authority, server: TimeAuthority) -> None:
    with pytest.raises(PolicyError, match="PEM"):
        timestamp.request(timestamp.Authority(server.url, b"none"), DIGEST)
    for digest in (b"", DIGEST[:-1], DIGEST * 2):
        with pytest.raises(FormatError, match="32 bytes"):
            timestamp.request(authority, digest)
    assert not server.seen


def test_without_the_library(authority: timestamp.Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timestamp, "rfc3161_client", None)
    with pytest.raises(DependencyMissingError, match="rfc3161-client"):
        timestamp.request(authority, DIGEST)
    with pytest.raises(DependencyMissingError, match="rfc3161-client"):
        timestamp.verify(b"", DIGEST, authority.certificates)
