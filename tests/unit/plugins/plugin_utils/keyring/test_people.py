# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    FormatError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from . import skemu
from .skemu import SK_ECDSA, SK_ED25519, Authenticator, Sshsig, mpint, string, strings

MESSAGE = b"DSSEv1 38 application/vnd.holdfast.root+json 2 {}"
FROM = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
TO = dt.datetime(2036, 1, 1, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)

KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "3072"),
}
FIDO2 = {"sk-ed25519": Authenticator(SK_ED25519), "sk-ecdsa": Authenticator(SK_ECDSA)}
OF_CURVES = ("ecdsa256", "ecdsa384", "ecdsa521")
# the order of P-256 (SEC 2, 2.4.2)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def run_ssh_keygen(*args: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        pytest.fail("ssh-keygen is not installed: these tests need OpenSSH's client tools")
    return subprocess.run([tool, *args], input=data, capture_output=True, check=False, timeout=60)


def ssh_keygen(*args: str | Path, data: bytes = b"") -> bytes:
    done = run_ssh_keygen(*args, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Keys:
    """Keys that ssh-keygen made, one of each kind it makes without hardware, and a signature by each over MESSAGE."""

    folder: Path
    armoured: dict[str, str]

    def line(self, name: str) -> str:
        return (self.folder / f"{name}.pub").read_text()

    def blob(self, name: str) -> bytes:
        """The signature of one of these keys, or of an authenticator."""
        return FIDO2[name].sign(MESSAGE) if name in FIDO2 else people.unarmoured(self.armoured[name])

    def sign(self, name: str, *options: str, message: bytes = MESSAGE, namespace: str = people.NAMESPACE) -> str:
        return ssh_keygen(
            "-Y", "sign", "-f", self.folder / name, "-n", namespace, *options, data=message
        ).decode()  # fmt: skip

    @property
    def rsa(self) -> rsa.RSAPrivateKey:
        key = serialization.load_ssh_private_key((self.folder / "rsa").read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    for name, options in KINDS.items():
        ssh_keygen("-q", *options, "-N", "", "-C", f"{name} of alice", "-f", folder / name)
    made = Keys(folder, {})
    made.armoured.update({name: made.sign(name) for name in KINDS})
    return made


def accepted_by_ssh_keygen(folder: Path, line: str, blob: bytes, message: bytes = MESSAGE) -> bool:
    allowed, signature = folder / "allowed_signers", folder / "signature"
    allowed.write_text(f"alice {line}\n")
    signature.write_text(people.armoured(blob))
    return run_ssh_keygen(
        "-Y", "verify", "-f", allowed, "-I", "alice", "-n", people.NAMESPACE, "-s", signature, data=message
    ).returncode == 0  # fmt: skip


def key_blob(line: str) -> bytes:
    return base64.b64decode(line.split()[1])


def person(principal: str, line: str, *, not_before: dt.datetime = FROM, not_after: dt.datetime = TO) -> Person:
    return Person(principal, ("ops",), line, not_before, not_after)


def signature_by(authenticator: Authenticator, flags: int = 5, message: bytes = MESSAGE) -> Signature:
    return Signature(people.fingerprint(authenticator.line), authenticator.sign(message, flags=flags))


# Signatures that hold


@pytest.mark.parametrize("name", KINDS)
def test_what_ssh_keygen_signs_holds(keys: Keys, name: str) -> None:
    found = people.verify(keys.blob(name), MESSAGE)
    assert found == people.SshSignature(
        public=" ".join(keys.line(name).split()[:2]),
        fingerprint=ssh_keygen("-l", "-f", keys.folder / f"{name}.pub").decode().split()[1],
        namespace="holdfast.config",
        hash_algorithm="sha512",
        touched=None,
        verified=None,
        counter=None,
    )


def test_a_message_may_be_hashed_by_sha256(keys: Keys) -> None:
    blob = people.unarmoured(keys.sign("ed25519", "-O", "hashalg=sha256"))
    assert people.verify(blob, MESSAGE).hash_algorithm == "sha256"


@pytest.mark.parametrize("name", FIDO2)
@pytest.mark.parametrize("flags", [5, 1])
def test_a_fido2_key_says_whether_it_verified_its_user(tmp_path: Path, name: str, flags: int) -> None:
    key = FIDO2[name]
    blob = key.sign(MESSAGE, flags=flags, counter=2**32 - 1)
    assert accepted_by_ssh_keygen(tmp_path, key.line, blob)
    found = people.verify(blob, MESSAGE)
    assert (found.touched, found.verified, found.counter) == (True, flags == 5, 2**32 - 1)
    assert found.public == key.line
    (tmp_path / "sk.pub").write_text(key.line)
    assert found.fingerprint == ssh_keygen("-l", "-f", tmp_path / "sk.pub").decode().split()[1]


@pytest.mark.parametrize("name", FIDO2)
def test_a_fido2_key_that_was_not_touched_is_refused_where_openssh_takes_it(tmp_path: Path, name: str) -> None:
    key = FIDO2[name]
    untouched = key.sign(MESSAGE, flags=0)
    assert accepted_by_ssh_keygen(tmp_path, key.line, untouched)
    for blob in (untouched, key.sign(MESSAGE, flags=skemu.VERIFIED)):
        with pytest.raises(SignatureError, match="was not touched") as caught:
            people.verify(blob, MESSAGE)
        assert caught.value.item == people.fingerprint(key.line)


@pytest.mark.parametrize("name", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_signs_with_sha2(keys: Keys, tmp_path: Path, name: str) -> None:
    blob = rsa_signature(keys, name, hashes.SHA256() if name == "rsa-sha2-256" else hashes.SHA512())
    assert accepted_by_ssh_keygen(tmp_path, keys.line("rsa"), blob)
    assert people.verify(blob, MESSAGE).fingerprint == people.fingerprint(keys.line("rsa"))


def test_rsa_never_signs_with_sha1(keys: Keys) -> None:
    for name in ("ssh-rsa", "rsa-sha2-512", "rsa-sha2-256"):
        with pytest.raises(FormatError):
            people.verify(rsa_signature(keys, name, hashes.SHA1()), MESSAGE)


def test_an_rsa_signature_is_of_the_hash_it_names(keys: Keys) -> None:
    for name, algorithm in (
        ("ssh-rsa", hashes.SHA512()),
        ("ssh-rsa", hashes.SHA256()),
        ("rsa-sha2-384", hashes.SHA384()),
    ):
        with pytest.raises(FormatError, match="does not sign so"):
            people.verify(rsa_signature(keys, name, algorithm), MESSAGE)
    for name, algorithm in (("rsa-sha2-256", hashes.SHA512()), ("rsa-sha2-512", hashes.SHA256())):
        with pytest.raises(SignatureError):
            people.verify(rsa_signature(keys, name, algorithm), MESSAGE)


def rsa_signature(keys: Keys, name: str, algorithm: hashes.HashAlgorithm) -> bytes:
    made = Sshsig(key_blob(keys.line("rsa")))
    raw = keys.rsa.sign(made.signed(MESSAGE), padding.PKCS1v15(), algorithm)
    return made.with_signature(name.encode(), raw).blob


def test_an_ecdsa_signature_and_its_twin_both_hold_and_count_once(keys: Keys, tmp_path: Path) -> None:
    blob = keys.blob("ecdsa256")
    made = Sshsig.of(blob)
    kind, raw = strings(made.signature)
    r, s = (int.from_bytes(number, "big") for number in strings(raw))
    twin = made.with_signature(kind, mpint(r) + mpint(P256_ORDER - s)).blob
    assert accepted_by_ssh_keygen(tmp_path, keys.line("ecdsa256"), twin)
    line = people.verify(twin, MESSAGE).public
    both = [Signature(people.fingerprint(line), one) for one in (blob, twin)]
    counted, reasons = people.signers([person("alice", line)], both, MESSAGE, at=FROM)
    assert [signer.person.principal for signer in counted] == ["alice"]
    assert reasons == (f"{people.fingerprint(line)}: alice signed more than once, and counts once",)


# Signatures that do not


@pytest.mark.parametrize("name", [*KINDS, *FIDO2])
def test_a_signature_is_of_one_message(keys: Keys, name: str) -> None:
    for message in (b"", MESSAGE[:-1], MESSAGE + b"\n"):
        with pytest.raises(SignatureError, match="not by this key over these bytes"):
            people.verify(keys.blob(name), message)


@pytest.mark.parametrize("namespace", ["file", "git", "holdfast.config2", "Holdfast.config"])
def test_a_signature_is_of_one_namespace(keys: Keys, namespace: str) -> None:
    blob = people.unarmoured(keys.sign("ed25519", namespace=namespace))
    with pytest.raises(SignatureError, match=r"not in the namespace holdfast\.config"):
        people.verify(blob, MESSAGE)
    renamed = dataclasses.replace(Sshsig.of(blob), namespace=skemu.NAMESPACE).blob
    with pytest.raises(SignatureError, match="not by this key over these bytes"):
        people.verify(renamed, MESSAGE)


@pytest.mark.parametrize("kind", [SK_ED25519, SK_ECDSA], ids=["ed25519", "ecdsa"])
def test_another_key_in_its_place_does_not_hold(kind: bytes) -> None:
    made = Sshsig.of(Authenticator(kind).sign(MESSAGE))
    for other in (Authenticator(kind, seed=2), Authenticator(kind, application=b"ssh:other")):
        with pytest.raises(SignatureError, match="not by this key"):
            people.verify(dataclasses.replace(made, key=other.key).blob, MESSAGE)


@pytest.mark.parametrize("name", FIDO2)
def test_what_a_fido2_key_vouched_for_cannot_be_edited(name: str) -> None:
    made = Sshsig.of(FIDO2[name].sign(MESSAGE, flags=1, counter=7))
    for rest in (b"\x05\0\0\0\x07", b"\x01\0\0\0\x08", b"\x81\0\0\0\x07"):
        edited = dataclasses.replace(made, signature=made.signature[:-5] + rest)
        with pytest.raises(SignatureError, match="not by this key"):
            people.verify(edited.blob, MESSAGE)
    untouched = Sshsig.of(FIDO2[name].sign(MESSAGE, flags=0, counter=7))
    with pytest.raises(SignatureError):
        people.verify(
            dataclasses.replace(untouched, signature=untouched.signature[:-5] + b"\x01\0\0\0\x07").blob, MESSAGE
        )


def test_a_key_signs_by_its_own_kind_only(keys: Keys) -> None:
    plain, fido2 = Sshsig.of(keys.blob("ed25519")), Sshsig.of(FIDO2["sk-ed25519"].sign(MESSAGE))
    raw = strings(plain.signature)[1]
    fido2_raw = fido2.signature[len(string(SK_ED25519)) + 4 : -5]
    curve, fido2_curve = Sshsig.of(keys.blob("ecdsa256")), Sshsig.of(FIDO2["sk-ecdsa"].sign(MESSAGE))
    for forged in (
        plain.with_signature(SK_ED25519, raw, rest=b"\x05\0\0\0\x07"),
        plain.with_signature(b"ssh-ed25519", raw, rest=b"\x05\0\0\0\x07"),
        plain.with_signature(b"ssh-ed25519-cert-v01@openssh.com", raw),
        plain.with_signature(b"rsa-sha2-512", raw),
        fido2.with_signature(b"ssh-ed25519", fido2_raw),
        fido2.with_signature(b"ssh-ed25519", fido2_raw, rest=b"\x05\0\0\0\x07"),
        fido2.with_signature(SK_ED25519, fido2_raw),
        fido2.with_signature(SK_ED25519, fido2_raw, rest=b"\x05\0\0\0\x07\0"),
        dataclasses.replace(plain, signature=fido2.signature),
        dataclasses.replace(fido2, signature=plain.signature),
        dataclasses.replace(curve, signature=fido2_curve.signature),
        dataclasses.replace(fido2_curve, signature=curve.signature),
        dataclasses.replace(curve, signature=Sshsig.of(keys.blob("ecdsa384")).signature),
    ):
        with pytest.raises(FormatError):
            people.verify(forged.blob, MESSAGE)
    with pytest.raises(FormatError, match="does not sign so"):
        people.verify(plain.with_signature(SK_ED25519, raw, rest=b"\x05\0\0\0\x07").blob, MESSAGE)


@pytest.mark.parametrize("name", [*KINDS, *FIDO2])
def test_no_bit_can_be_changed_and_no_byte_left_out_or_added(keys: Keys, name: str) -> None:
    blob = keys.blob(name)
    people.verify(blob, MESSAGE)
    changed = [blob[:at] + bytes([blob[at] ^ 1 << at % 8]) + blob[at + 1 :] for at in range(len(blob))]
    shorter = [blob[:at] for at in range(len(blob))]
    for broken in (*changed, *shorter, blob + b"\0", b"\0" + blob):
        with pytest.raises(FormatError):
            people.verify(broken, MESSAGE)


def test_what_the_format_fixes_is_fixed(keys: Keys) -> None:
    made = Sshsig.of(keys.blob("ed25519"))
    for forged, said in (
        (dataclasses.replace(made, version=2), "of version 2"),
        (dataclasses.replace(made, version=0), "of version 0"),
        (dataclasses.replace(made, reserved=b"x"), "reserved field"),
        (dataclasses.replace(made, hash_algorithm=b"sha1"), "SHA-256 or SHA-512"),
        (dataclasses.replace(made, hash_algorithm=b"SHA512"), "SHA-256 or SHA-512"),
        (dataclasses.replace(made, hash_algorithm=b"sha384"), "SHA-256 or SHA-512"),
        (dataclasses.replace(made, hash_algorithm=b"\xff"), "SHA-256 or SHA-512"),
        (dataclasses.replace(made, signature=made.signature + b"\0"), "goes on after its end"),
        (dataclasses.replace(made, key=made.key + b"\0"), "goes on after its end"),
    ):
        with pytest.raises(FormatError, match=said):
            people.verify(forged.blob, MESSAGE)


def test_a_signed_reserved_field_or_other_hash_is_refused_too() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = string(b"ssh-ed25519") + string(private.public_key().public_bytes_raw())
    for made in (Sshsig(key, reserved=b"x"), Sshsig(key, hash_algorithm=b"sha384")):
        with pytest.raises(FormatError):
            people.verify(made.with_signature(b"ssh-ed25519", private.sign(made.signed(MESSAGE))).blob, MESSAGE)


@pytest.mark.parametrize("name", [*OF_CURVES, "sk-ecdsa"])
def test_an_ecdsa_signature_has_no_other_spelling(keys: Keys, name: str) -> None:
    made = Sshsig.of(keys.blob(name))
    rest = made.signature[-5:] if name in FIDO2 else b""
    kind, raw = strings(made.signature[: len(made.signature) - len(rest)])
    r, s = strings(raw)
    huge = mpint(int.from_bytes(s, "big") + (1 << 600))
    for numbers in (
        string(b"\0" + r) + string(s),
        string(r) + string(b"\0" + s),
        string(r) + string(s) + b"\0",
        string(r) + string(s) + string(b""),
        string(r),
        string(b"") + string(s),
        string(r) + string(b""),
        string(r) + string(b"\0"),
        string(r) + string(b"\xff"),
        string(r) + huge,
        b"",
    ):
        with pytest.raises(FormatError) as caught:
            people.verify(made.with_signature(kind, numbers, rest=rest).blob, MESSAGE)
        assert not isinstance(caught.value, SignatureError)


def test_a_number_of_an_ecdsa_signature_is_below_the_order(keys: Keys) -> None:
    # s + n would be the same signature
    made = Sshsig.of(keys.blob("ecdsa256"))
    kind, raw = strings(made.signature)
    r, s = (int.from_bytes(number, "big") for number in strings(raw))
    for numbers in (mpint(r) + mpint(s + P256_ORDER), mpint(r + P256_ORDER) + mpint(s), mpint(r) + mpint(P256_ORDER)):
        with pytest.raises(FormatError):
            people.verify(made.with_signature(kind, numbers).blob, MESSAGE)


@pytest.mark.parametrize("name", ["ed25519", "rsa"])
def test_a_signature_has_the_length_of_its_kind(keys: Keys, name: str) -> None:
    made = Sshsig.of(keys.blob(name))
    kind, raw = strings(made.signature)
    for other in (raw[1:], raw[:-1], b"\0" + raw, raw + b"\0", b""):
        with pytest.raises(FormatError, match="bytes, not") as caught:
            people.verify(made.with_signature(kind, other).blob, MESSAGE)
        assert not isinstance(caught.value, SignatureError)


def test_an_ed25519_signature_has_no_other_s(keys: Keys) -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    made = Sshsig.of(keys.blob("ed25519"))
    kind, raw = strings(made.signature)
    s = int.from_bytes(raw[32:], "little") + order
    with pytest.raises(SignatureError):
        people.verify(made.with_signature(kind, raw[:32] + s.to_bytes(32, "little")).blob, MESSAGE)


# Keys


@pytest.mark.parametrize("name", KINDS)
def test_a_key_has_one_spelling(keys: Keys, name: str) -> None:
    kind, text = keys.line(name).split()[:2]
    bare = f"{kind} {text}"
    for line in (
        keys.line(name),
        keys.line(name).replace("\n", "\r\n"),
        bare,
        f"  {kind}\t{text}  a comment \u00fc {kind} {text}\n",
        f'no-pty,command="say \\"{kind} AAAA\\" \'x\'",from="10.0.0.0/8" {bare} comment',
        f'command="C:\\x",no-pty {bare}',
    ):
        assert people.canonical_key(line) == bare
    assert people.fingerprint(bare) == ssh_keygen("-l", "-f", keys.folder / f"{name}.pub").decode().split()[1]


@pytest.mark.parametrize(
    "line",
    ["", " ", "\n", "#", "ssh-ed25519", "ssh-ed25519 ", "ssh-ed25519 AAAA", "ssh-ed25519 =", "ssh-ed25519 \u00fc",
     "alice", "-----BEGIN OPENSSH PRIVATE KEY-----"],
)  # fmt: skip
def test_what_is_no_public_key(line: str) -> None:
    for call in (people.canonical_key, people.fingerprint):
        with pytest.raises(FormatError):
            call(line)


def test_base64_has_one_spelling(keys: Keys) -> None:
    kind, text = FIDO2["sk-ed25519"].line.split()
    assert text.endswith("=")
    body = text.rstrip("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    left_over = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + "=" * (len(text) - len(body))
    assert base64.b64decode(left_over) == base64.b64decode(text)
    for other in (body, text + "=", text + "====", left_over, f"{text[:8]}-{text[9:]}", text[:8]):
        with pytest.raises(FormatError):
            people.canonical_key(f"{kind} {other}")


def test_a_line_is_one_line(keys: Keys) -> None:
    line = keys.line("ed25519").strip()
    for other in (f"{line}\n{line}", f"{line}\n\n", f"{line} \0", f"\n{line}", f"{line} a\rb", f"\x0b{line}"):
        with pytest.raises(FormatError):
            people.canonical_key(other)


def test_options_that_do_not_end_hide_a_key(keys: Keys) -> None:
    line = keys.line("ed25519").strip()
    for options in ('command="x', 'command="x\\"', "no-pty no-x11", 'from="a" ,no-pty'):
        with pytest.raises(FormatError):
            people.canonical_key(f"{options} {line}")


def test_a_certificate_is_no_key(keys: Keys, tmp_path: Path) -> None:
    public = tmp_path / "alice.pub"
    public.write_text(keys.line("ed25519"))
    ssh_keygen("-q", "-s", keys.folder / "ecdsa256", "-I", "alice", "-n", "alice", public)
    certificate = (tmp_path / "alice-cert.pub").read_text()
    assert certificate.startswith("ssh-ed25519-cert-v01@openssh.com ")
    with pytest.raises(FormatError) as caught:
        people.canonical_key(certificate)
    assert "certificates are not taken" in str(caught.value)
    with pytest.raises(FormatError):
        people.canonical_key(f"ssh-ed25519 {certificate.split()[1]}")
    made = Sshsig.of(keys.blob("ed25519"))
    with pytest.raises(FormatError, match="not of a kind that is taken"):
        people.verify(dataclasses.replace(made, key=key_blob(certificate)).blob, MESSAGE)


def test_rsa_keys_are_of_3072_bits_or_more(tmp_path: Path) -> None:
    ssh_keygen("-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", tmp_path / "rsa")
    with pytest.raises(FormatError, match="2048 bits"):
        people.canonical_key((tmp_path / "rsa.pub").read_text())


def test_a_key_that_is_not_what_it_is_called(keys: Keys) -> None:
    for kind, name in (
        ("ssh-ed25519", "rsa"),
        ("ssh-rsa", "ed25519"),
        ("ecdsa-sha2-nistp256", "ecdsa384"),
        ("sk-ssh-ed25519@openssh.com", "ed25519"),
    ):
        with pytest.raises(FormatError, match=f"is called {kind} and is "):
            people.canonical_key(f"{kind} {keys.line(name).split()[1]}")


def rsa_key(exponent: bytes, modulus: bytes) -> bytes:
    return string(b"ssh-rsa") + exponent + modulus


def ecdsa_key(kind: bytes, curve: bytes, point: bytes) -> bytes:
    return string(kind) + string(curve) + string(point)


MODULUS = (1 << 3072) - 1
POINT = ec.derive_private_key(1, ec.SECP256R1()).public_key()
UNCOMPRESSED = POINT.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
COMPRESSED = POINT.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
P256 = b"ecdsa-sha2-nistp256"
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
BROKEN_KEYS = {
    "dsa": string(b"ssh-dss") + mpint(MODULUS) + mpint(3) + mpint(3) + mpint(3),
    "ed448": string(b"ssh-ed448") + string(bytes(57)),
    "webauthn": string(b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com") + string(b"nistp256") + string(UNCOMPRESSED),
    "empty kind": string(b"") + string(ED25519),
    "kind in capitals": string(b"SSH-ED25519") + string(ED25519),
    "short": string(b"ssh-ed25519") + string(ED25519[:-1]),
    "long": string(b"ssh-ed25519") + string(ED25519 + b"\0"),
    "trailing byte": string(b"ssh-ed25519") + string(ED25519) + b"\0",
    "not fido2": string(b"ssh-ed25519") + string(ED25519) + string(b"ssh:"),
    "fido2 without application": string(SK_ED25519) + string(ED25519),
    "fido2 of a web site": Authenticator(application=b"example.com").key,
    "fido2 of a site like ssh": Authenticator(application=b"ssh.example.com").key,
    "fido2 in capitals": Authenticator(application=b"SSH:").key,
    "fido2 with NUL": Authenticator(application=b"ssh:\0").key,
    "fido2 ecdsa of a web site": Authenticator(SK_ECDSA, application=b"https://example.com").key,
    "fido2 of another curve": string(SK_ECDSA) + string(b"nistp384") + string(UNCOMPRESSED) + string(b"ssh:"),
    "exponent 1": rsa_key(mpint(1), mpint(MODULUS)),
    "exponent 0": rsa_key(string(b""), mpint(MODULUS)),
    "negative exponent": rsa_key(string(b"\xff"), mpint(MODULUS)),
    "even exponent": rsa_key(mpint(65536), mpint(MODULUS)),
    "huge exponent": rsa_key(mpint((1 << 64) + 1), mpint(MODULUS)),
    "long exponent": rsa_key(string(b"\0\x03"), mpint(MODULUS)),
    "long modulus": rsa_key(mpint(3), string(b"\0\0" + MODULUS.to_bytes(384, "big"))),
    "negative modulus": rsa_key(mpint(3), string(MODULUS.to_bytes(384, "big"))),
    "even modulus": rsa_key(mpint(3), mpint(MODULUS - 1)),
    "small modulus": rsa_key(mpint(3), mpint((1 << 3071) - 1)),
    "huge modulus": rsa_key(mpint(3), mpint((1 << 16385) - 1)),
    "rsa and more": rsa_key(mpint(3), mpint(MODULUS)) + mpint(3),
    "compressed": ecdsa_key(P256, b"nistp256", COMPRESSED),
    "hybrid": ecdsa_key(P256, b"nistp256", bytes([6 | UNCOMPRESSED[-1] & 1]) + UNCOMPRESSED[1:]),
    "infinity": ecdsa_key(P256, b"nistp256", b"\0"),
    "no point": ecdsa_key(P256, b"nistp256", b""),
    "not on the curve": ecdsa_key(P256, b"nistp256", b"\x04" + bytes(64)),
    "beyond the field": ecdsa_key(P256, b"nistp256", b"\x04" + FIELD.to_bytes(32, "big") + UNCOMPRESSED[33:]),
    "point and more": ecdsa_key(P256, b"nistp256", UNCOMPRESSED + b"\0"),
    "another curve": ecdsa_key(P256, b"nistp384", UNCOMPRESSED),
    "another point": ecdsa_key(b"ecdsa-sha2-nistp384", b"nistp384", UNCOMPRESSED),
}


def test_the_parts_of_broken_keys_make_good_ones() -> None:
    for key in (
        string(b"ssh-ed25519") + string(ED25519),
        ecdsa_key(P256, b"nistp256", UNCOMPRESSED),
        rsa_key(mpint(3), mpint(MODULUS)),
        rsa_key(mpint((1 << 64) - 1), mpint((1 << 16384) - 1)),
        Authenticator(application=b"ssh:somewhere").key,
        Authenticator(SK_ECDSA, application=b"ssh:somewhere").key,
    ):
        assert people.canonical_key(skemu.line(key)) == skemu.line(key)


@pytest.mark.parametrize("name", BROKEN_KEYS)
def test_a_broken_key_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        people.canonical_key(skemu.line(BROKEN_KEYS[name]))
    with pytest.raises(FormatError):
        people.verify(Sshsig(BROKEN_KEYS[name]).with_signature(b"ssh-ed25519", bytes(64)).blob, MESSAGE)


WEAK_Y = {
    "one": "0100000000000000000000000000000000000000000000000000000000000000",
    "minus one": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "zero": "0000000000000000000000000000000000000000000000000000000000000000",
    "order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "other of order 8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
}


@pytest.mark.parametrize("name", WEAK_Y)
@pytest.mark.parametrize("sign", [0, 0x80])
def test_a_key_under_which_anybody_can_sign_is_refused(name: str, sign: int) -> None:
    raw = bytes.fromhex(WEAK_Y[name])
    raw = raw[:31] + bytes([raw[31] | sign])
    # the neutral point and zero: nobody needed a private key to make this
    forged = bytes.fromhex(WEAK_Y["one"]) + bytes(32)
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    if not (sign and name in ("one", "minus one")):
        assert any(holds(key, forged, number.to_bytes(1, "big")) for number in range(100))
    for kind in (b"ssh-ed25519", SK_ED25519):
        blob = string(kind) + string(raw) + (string(b"ssh:") if kind == SK_ED25519 else b"")
        with pytest.raises(FormatError, match="anybody can sign"):
            people.canonical_key(skemu.line(blob))


def holds(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("above", range(19))
def test_an_ed25519_key_has_one_spelling(above: int) -> None:
    raw = (2**255 - 19 + above).to_bytes(32, "little")
    with pytest.raises(FormatError):
        people.canonical_key(skemu.line(string(b"ssh-ed25519") + string(raw)))


# Armour


@pytest.mark.parametrize("name", KINDS)
def test_armour_is_as_ssh_keygen_makes_it(keys: Keys, name: str) -> None:
    assert people.armoured(people.unarmoured(keys.armoured[name])) == keys.armoured[name]


def test_armour_may_be_broken_otherwise(keys: Keys) -> None:
    text = keys.armoured["ed25519"]
    begin, *lines, end = text.splitlines()
    wide = "".join(lines)
    for other in (
        text.removesuffix("\n"),
        text.replace("\n", "\r\n"),
        "\n".join([begin, *(wide[at : at + 76] for at in range(0, len(wide), 76)), end]),
        "\n".join([begin, *(wide[at : at + 64] for at in range(0, len(wide), 64)), end]),
    ):
        assert people.unarmoured(other) == people.unarmoured(text)


def test_nothing_else_is_armour(keys: Keys) -> None:
    text = keys.armoured["ed25519"]
    begin, *lines, end = text.splitlines()
    wide = "".join(lines)
    for other in (
        "",
        text + "\n",
        "\n" + text,
        " " + text,
        text + text,
        "To: alice\n" + text,
        "\n".join([begin, *lines]),
        "\n".join([*lines, end]),
        f"{begin}\n{end}",
        "\n".join([begin, "", *lines, end]),
        f"{begin}\n{wide}\n{end}",
        "\n".join([begin, "Comment: x", *lines, end]),
        "\n".join([begin, *lines[:-1], lines[-1] + "=", end]),
        "\n".join([begin, *lines[:-1], lines[-1][:-1], end]),
        "\n".join([begin, lines[0][:-1] + "\u00fc", *lines[1:], end]),
        f"{begin}\nQUJD\n{end}",
        text.replace("SSH SIGNATURE", "PGP SIGNATURE"),
        text.lower(),
    ):
        with pytest.raises(FormatError):
            people.unarmoured(other)


@given(rest=st.binary(max_size=200))
def test_armour_keeps_every_byte(rest: bytes) -> None:
    assert people.unarmoured(people.armoured(b"SSHSIG" + rest)) == b"SSHSIG" + rest


def test_only_a_signature_is_armoured() -> None:
    for blob in (b"", b"SSHSI", b"x" + FIDO2["sk-ed25519"].sign(MESSAGE)):
        with pytest.raises(FormatError):
            people.armoured(blob)


# Whatever anybody writes


@given(text=st.text() | st.text(st.sampled_from("-BEGIND SHIGNATUR\n\r=A+/")))
@example("-----BEGIN SSH SIGNATURE-----\nA\n-----END SSH SIGNATURE-----\n")
@example("\ud800")
def test_any_text(text: str) -> None:
    for call in (people.unarmoured, people.canonical_key, people.fingerprint):
        with pytest.raises(FormatError):
            call(text)


# what a length can be made of, so that the draws get beyond the first field
pieces = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"SSHSIG", b"\0\0\0\x01", b"\xff\xff\xff\xff", string(b""), string(b"sha512"), string(b"ssh:")]),
    st.sampled_from([string(kind.encode()) for kind in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "nistp256")]),
    st.sampled_from([string(SK_ED25519), string(SK_ECDSA), string(skemu.NAMESPACE), string(ED25519)]),
    st.sampled_from([string(UNCOMPRESSED), mpint(3), mpint(MODULUS), mpint(MODULUS) * 3]),
)


@given(parts=st.lists(pieces, max_size=8), prefix=st.sampled_from([b"", b"SSHSIG\0\0\0\x01"]))
def test_any_bytes_as_signature(parts: list[bytes], prefix: bytes) -> None:
    with pytest.raises(FormatError):
        people.verify(prefix + b"".join(parts), MESSAGE)


@given(parts=st.lists(pieces, max_size=6))
def test_any_bytes_as_key(parts: list[bytes]) -> None:
    blob = b"".join(parts)
    text = base64.b64encode(blob).decode()
    for kind in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", SK_ED25519.decode(), SK_ECDSA.decode()):
        canonical_or_refused(f"{kind} {text}")
    with pytest.raises(FormatError):
        people.verify(Sshsig(blob).with_signature(b"ssh-ed25519", bytes(64)).blob, MESSAGE)


def canonical_or_refused(line: str) -> None:
    try:
        found = people.canonical_key(line)
    except FormatError:
        return
    assert found == line


edits = st.tuples(st.integers(0, 2**16), st.integers(0, 8), st.binary(max_size=8))


@given(name=st.sampled_from([*KINDS, *FIDO2]), made=st.lists(edits, min_size=1, max_size=3))
def test_any_edit_of_a_signature_or_of_its_key(keys: Keys, name: str, made: list[tuple[int, int, bytes]]) -> None:
    blob = keys.blob(name)
    key = Sshsig.of(blob).key
    edited, edited_key = blob, key
    for at, removed, put in made:
        edited, edited_key = edit(edited, at, removed, put), edit(edited_key, at, removed, put)
    if edited != blob:
        with pytest.raises(FormatError):
            people.verify(edited, MESSAGE)
    canonical_or_refused(f"{skemu.line(key).split()[0]} {base64.b64encode(edited_key).decode()}")
    if edited_key != key:
        with pytest.raises(FormatError):
            people.verify(dataclasses.replace(Sshsig.of(blob), key=edited_key).blob, MESSAGE)


def edit(data: bytes, at: int, removed: int, put: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + put + data[at + removed :]


# Who signed

ALICE, BOB, CAROL = (Authenticator(seed=seed) for seed in (11, 12, 13))
PEOPLE = [person("alice", ALICE.line), person("bob", BOB.line + " bob@example.com"), person("carol", CAROL.line)]


def principals(found: tuple[people.Signer, ...]) -> list[str]:
    return [signer.person.principal for signer in found]


def test_who_signed_is_told_in_the_order_of_the_people() -> None:
    found, reasons = people.signers(PEOPLE, [signature_by(CAROL), signature_by(ALICE, 1)], MESSAGE, at=FROM)
    assert found == (
        people.Signer(PEOPLE[0], people.fingerprint(ALICE.line), touched=True, verified=False),
        people.Signer(PEOPLE[2], people.fingerprint(CAROL.line), touched=True, verified=True),
    )
    assert reasons == ()


def test_keys_of_every_kind_count(keys: Keys) -> None:
    named = [person(name, keys.line(name)) for name in KINDS]
    made = [Signature(people.fingerprint(keys.line(name)), keys.blob(name)) for name in KINDS]
    found, reasons = people.signers(named, made, MESSAGE, at=FROM)
    assert principals(found) == list(KINDS)
    assert {(signer.touched, signer.verified) for signer in found} == {(None, None)}
    assert reasons == ()


@pytest.mark.parametrize(
    ("at", "counts"), [(FROM - SECOND, False), (FROM, True), (TO, True), (TO + SECOND, False)],
    ids=["too early", "first", "last", "too late"],
)  # fmt: skip
def test_a_key_counts_while_it_is_valid(at: dt.datetime, counts: bool) -> None:
    found, reasons = people.signers(PEOPLE, [signature_by(ALICE)], MESSAGE, at=at)
    assert bool(found) == counts
    moment = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{people.fingerprint(ALICE.line)}: the key of alice is not valid at {moment}"
    assert reasons == (() if counts else (said,))


def untouched() -> Signature:
    return signature_by(ALICE, 0)


def of_another_message() -> Signature:
    return signature_by(ALICE, message=b"other")


def of_a_stranger() -> Signature:
    return signature_by(Authenticator(seed=99))


def under_another_id() -> Signature:
    return Signature(people.fingerprint(BOB.line), ALICE.sign(MESSAGE))


def broken() -> Signature:
    return Signature(people.fingerprint(ALICE.line), b"SSHSIG")


def in_another_namespace() -> Signature:
    return Signature(people.fingerprint(ALICE.line), ALICE.sign(MESSAGE, namespace=b"git"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (untouched, "the FIDO2 key was not touched"),
        (of_another_message, "the signature is not by this key over these bytes"),
        (of_a_stranger, "no person of the root has this key"),
        (under_another_id, f"the signature is by another key, {skemu.fingerprint(ALICE.key)}"),
        (broken, "the SSH signature ends too soon"),
        (in_another_namespace, "the signature is not in the namespace holdfast.config"),
    ],
)
def test_a_signature_that_does_not_count_is_left_out_and_said(make: Callable[[], Signature], said: str) -> None:
    made = make()
    found, reasons = people.signers(PEOPLE, [made, signature_by(CAROL)], MESSAGE, at=FROM)
    assert principals(found) == ["carol"]
    assert reasons == (f"{made.key_id}: {said}",)


@pytest.mark.parametrize("key_id", ["", "x\n\x1b[2J", "SHA256:", "\ud800", "A" * 10_000], ids=range(5))
def test_a_key_id_of_any_kind_is_said_plainly(key_id: str) -> None:
    found, reasons = people.signers(PEOPLE, [Signature(key_id, ALICE.sign(MESSAGE))], MESSAGE, at=FROM)
    assert found == ()
    assert reasons == (f"{key_id[:64]!a}: no person of the root has this key",)
    assert reasons[0].isprintable()
    assert len(reasons[0]) < 120


def test_each_key_and_each_principal_counts_once() -> None:
    # three entries, one person
    same = [person("alice", ALICE.line), person("Alice", BOB.line), person("ALICE", CAROL.line)]
    made = [signature_by(CAROL), signature_by(ALICE), signature_by(ALICE, 1), signature_by(BOB)]
    found, reasons = people.signers(same, made, MESSAGE, at=FROM)
    assert principals(found) == ["alice"]
    assert len(reasons) == 3
    assert all("signed more than once, and counts once" in reason for reason in reasons)


@pytest.mark.parametrize("order", [1, -1])
def test_the_signature_that_vouches_for_most_counts(keys: Keys, order: int) -> None:
    same = [person("alice", keys.line("ed25519")), person("alice", ALICE.line), person("alice", BOB.line)]
    plain = Signature(people.fingerprint(keys.line("ed25519")), keys.blob("ed25519"))
    made = [plain, signature_by(ALICE, 1), signature_by(BOB, 5), signature_by(BOB, 1)]
    for counted, best in ((made[:1], plain), (made[:2], made[1]), (made, made[2])):
        found, _reasons = people.signers(same, counted[::order], MESSAGE, at=FROM)
        assert [signer.fingerprint for signer in found] == [best.key_id]
    assert found[0].verified


def test_a_key_under_two_principals_counts_for_neither() -> None:
    shared = [person("alice", ALICE.line), person("bob", f"no-pty {ALICE.line} bob"), person("carol", CAROL.line)]
    found, reasons = people.signers(shared, [signature_by(ALICE), signature_by(CAROL)], MESSAGE, at=FROM)
    assert principals(found) == ["carol"]
    said = "the root names this key under alice and bob, so it counts for none of them"
    assert reasons == (f"{people.fingerprint(ALICE.line)}: {said}",)


def test_a_key_that_one_person_has_for_two_times_counts_in_both() -> None:
    later = FROM.replace(year=2030)
    twice = [person("alice", ALICE.line, not_after=FROM), person("Alice", ALICE.line, not_before=later)]
    for at, entries in ((FROM, [twice[0]]), (later - SECOND, []), (later, [twice[1]])):
        found, _reasons = people.signers(twice, [signature_by(ALICE)], MESSAGE, at=at)
        assert [signer.person for signer in found] == entries


def test_a_person_whose_key_is_unusable_is_said_and_others_count() -> None:
    found, reasons = people.signers(
        [person("bob", "ssh-dss AAAA"), person("alice", ALICE.line)], [signature_by(ALICE)], MESSAGE, at=FROM
    )
    assert principals(found) == ["alice"]
    assert len(reasons) == 1
    assert reasons[0].startswith("bob's key in the root cannot be used: ")


@given(
    made=st.lists(
        st.builds(
            Signature,
            st.sampled_from([people.fingerprint(one.line) for one in (ALICE, BOB)]) | st.text(max_size=5),
            st.sampled_from([one.sign(MESSAGE, flags=flags) for one in (ALICE, BOB) for flags in (0, 1, 5)])
            | st.binary(max_size=20),
        ),
        max_size=6,
    )
)
def test_every_signature_counts_or_is_said(made: list[Signature]) -> None:
    found, reasons = people.signers(PEOPLE, made, MESSAGE, at=FROM)
    assert len(found) + len(reasons) == len(made)
    assert len({signer.fingerprint for signer in found}) == len(found)
    assert found == people.signers(PEOPLE, made[::-1], MESSAGE, at=FROM)[0]


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    blob, named, signed = ALICE.sign(MESSAGE), [person("alice", ALICE.line)], [signature_by(ALICE)]
    monkeypatch.setattr(people, "ed25519", None)
    for call in (
        lambda: people.canonical_key(ALICE.line),
        lambda: people.fingerprint(ALICE.line),
        lambda: people.verify(blob, MESSAGE),
        lambda: people.signers(named, signed, MESSAGE, at=FROM),
    ):
        with pytest.raises(DependencyMissingError, match="cryptography"):
            call()
