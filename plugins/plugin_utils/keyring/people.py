# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People's signatures, made by ``ssh-keygen -Y sign -n holdfast.config`` with OpenSSH keys; here they are verified.

Sources: OpenSSH's PROTOCOL.sshsig (the signature), PROTOCOL.u2f (FIDO2 keys), RFC 4251 section 5 (the fields), RFC 4253
section 6.6, RFC 5656 section 3.1, RFC 8332 and RFC 8709 (the keys). What these leave open is closed: a key and, but for
ECDSA, a signature have one spelling here.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import re
import typing as t
from collections.abc import Sequence

from ..errors import FormatError, SignatureError
from ..model import instant
from ..model.keys import Signature
from ..model.quorum import folded
from ..model.root import Person
from .base import missing_cryptography

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
except ImportError:
    hashes = ec = ed25519 = padding = rsa = utils = None  # type: ignore[assignment]

NAMESPACE = "holdfast.config"

_ED25519 = "ssh-ed25519"
_SK_ED25519 = "sk-ssh-ed25519@openssh.com"
_SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
_RSA = "ssh-rsa"
_CURVES = {
    "ecdsa-sha2-nistp256": "nistp256",
    "ecdsa-sha2-nistp384": "nistp384",
    "ecdsa-sha2-nistp521": "nistp521",
    _SK_ECDSA: "nistp256",
}
# the kinds of signature each kind of key makes; "ssh-rsa" itself would be RSA with SHA-1
_SIGNATURES = {
    _ED25519: (_ED25519,),
    _SK_ED25519: (_SK_ED25519,),
    **{kind: (kind,) for kind in _CURVES},
    _RSA: ("rsa-sha2-256", "rsa-sha2-512"),
}
_FIDO2 = (_SK_ED25519, _SK_ECDSA)

# an authorized_keys line: options (where a space is quoted), kind, base64, comment
_LINE = re.compile(
    r'(?:(?:\\"|"(?:\\"|[^"])*+"|[^ \t"])++[ \t]+)??'
    rf"(?P<kind>{'|'.join(re.escape(kind) for kind in _SIGNATURES)})[ \t]+(?P<blob>[A-Za-z0-9+/]+={{0,2}})(?:[ \t].*)?"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_ARMOUR = re.compile(rf"{_BEGIN}\r?\n((?:[A-Za-z0-9+/=]{{1,76}}\r?\n)+){_END}(?:\r?\n)?")
# as ssh-keygen breaks its lines
_ARMOUR_WIDTH = 70

_PREAMBLE = b"SSHSIG"
_VERSION = 1
_HASHES = ("sha256", "sha512")
# bits; the most is what OpenSSH reads
_RSA_LEAST, _RSA_MOST = 3072, 16384
_RSA_EXPONENT_MOST = 64
# W3C Web Authentication, 6.1, authenticator data
_TOUCHED, _VERIFIED = 0x01, 0x04

_ED25519_PRIME = 2**255 - 19
# The y of the points whose order divides 8: a multiple of such a point is one of at most eight, so anybody finds an R
# and an S for which the equation of RFC 8032 section 5.1.7 holds. The last two are of order 8.
_ED25519_WEAK = frozenset(
    {
        0,
        1,
        _ED25519_PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)


@dataclasses.dataclass(frozen=True)
class SshSignature:
    """What a signature says that holds.

    ``public`` is the key as :func:`canonical_key` spells it. ``touched``, ``verified`` (the user, by PIN or biometrics)
    and ``counter`` are what a FIDO2 key vouches for, and None for any other key.
    """

    public: str
    fingerprint: str
    namespace: str
    hash_algorithm: str
    touched: bool | None
    verified: bool | None
    counter: int | None


@dataclasses.dataclass(frozen=True)
class Signer:
    """A person whose signature holds, and what their key vouches for, as in :class:`SshSignature`."""

    person: Person
    fingerprint: str
    touched: bool | None
    verified: bool | None


def canonical_key(line: str) -> str:
    """Return the one spelling of an OpenSSH public key, kind and base64, without options and comment.

    Kinds: ssh-ed25519, ecdsa-sha2-nistp256, -nistp384 and -nistp521, ssh-rsa of 3072 to 16384 bits, and the FIDO2 keys
    sk-ssh-ed25519@openssh.com and sk-ecdsa-sha2-nistp256@openssh.com for an application that begins with ``ssh:``.

    :param line: a line of a ``.pub`` file or of authorized_keys.
    :raises FormatError: anything else, certificates and keys under which anybody could sign among it.
    :raises DependencyMissingError: cryptography is not installed, here and wherever this module reads a key.
    """
    return _line(_key_of(line))


def fingerprint(line: str) -> str:
    """Return a public key's ``SHA256:…`` as ``ssh-keygen -lf`` prints it; raises as :func:`canonical_key` does."""
    return _fingerprint(_key_of(line).blob)


def unarmoured(text: str) -> bytes:
    """Return the blob in a file that ``ssh-keygen -Y sign`` wrote; raises FormatError.

    Lines may end in CR LF and be of any length up to 76; before and after the armour nothing may stand.
    """
    found = _ARMOUR.fullmatch(text)
    if not found:
        raise FormatError(
            "this is not an armoured SSH signature", remedy="Give the whole file that ssh-keygen -Y sign wrote"
        )
    return _preambled(_unbase64(re.sub(r"[\r\n]", "", found[1]), "the armoured SSH signature"))


def armoured(blob: bytes) -> str:
    """Return what ``ssh-keygen -Y sign`` would write for this signature; raises FormatError where it is not one."""
    text = base64.b64encode(_preambled(blob)).decode()
    lines = [text[at : at + _ARMOUR_WIDTH] for at in range(0, len(text), _ARMOUR_WIDTH)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def verify(blob: bytes, message: bytes) -> SshSignature:
    """Verify a signature over *message* by the key that it names itself: whose key that is, is for the caller to say.

    A FIDO2 key must have been touched; OpenSSH's own ``-Y verify`` takes one that was not.

    :param blob: the signature without its armour.
    :param message: the bytes that were signed, not their digest.
    :raises FormatError: the signature is malformed, is spelled in another way than ssh-keygen does, or is of a kind
        that is not taken, such as RSA with SHA-1.
    :raises SignatureError: it is not by this key over these bytes in the namespace ``holdfast.config``, or the key was
        not touched.
    """
    parsed = _parse(blob)
    name = _fingerprint(parsed.key.blob)
    if parsed.namespace != NAMESPACE.encode():
        raise SignatureError(
            f"the signature is not in the namespace {NAMESPACE}", item=name, remedy=f"Sign with -n {NAMESPACE}"
        )
    try:
        _check(parsed, message)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as e:
        raise SignatureError("the signature is not by this key over these bytes", item=name) from e
    touched = verified = None
    if parsed.flags is not None:
        touched, verified = bool(parsed.flags & _TOUCHED), bool(parsed.flags & _VERIFIED)
        if not touched:
            raise SignatureError(
                "the FIDO2 key was not touched", item=name, remedy="Sign with a key made without no-touch-required"
            )
    return SshSignature(
        public=_line(parsed.key),
        fingerprint=name,
        namespace=NAMESPACE,
        hash_algorithm=parsed.hash_algorithm,
        touched=touched,
        verified=verified,
        counter=parsed.counter,
    )


def signers(
    people: Sequence[Person], signatures: Sequence[Signature], message: bytes, *, at: dt.datetime
) -> tuple[tuple[Signer, ...], tuple[str, ...]]:
    """Return who signed *message*, in the order of *people*, and why each other signature does not count.

    Each key and each principal (under :func:`folded`) counts once, by the signature that vouches for most. A key that
    is named under two principals counts for neither: nobody could say which of them signed.

    :param people: the people of a root.
    :param signatures: each with the fingerprint of its key as id.
    :param at: when the signatures were made; a key counts from its ``not_before`` to its ``not_after``, both included.
    :returns: the signers, and one sentence for each signature, or person's key, that does not count.
    """
    keys, reasons = _holders(people)
    found: list[tuple[int, Signer]] = []
    for signature in signatures:
        try:
            found.append(_signer(people, keys, signature, message, at))
        except FormatError as e:
            reasons.append(f"{_shown(signature.key_id)}: {e.message}")
    counted: dict[str, tuple[int, Signer]] = {}
    for place, signer in sorted(found, key=lambda one: (not one[1].verified, not one[1].touched, one[0])):
        principal = signer.person.principal
        if folded(principal) in counted:
            reasons.append(f"{signer.fingerprint}: {principal} signed more than once, and counts once")
        counted.setdefault(folded(principal), (place, signer))
    return tuple(signer for _order, signer in sorted(counted.values(), key=lambda one: one[0])), tuple(reasons)


def _holders(people: Sequence[Person]) -> tuple[dict[str, list[int]], list[str]]:
    """Return the places in *people* of each key, by its fingerprint, and why some of them are of no use."""
    holders: dict[str, list[int]] = {}
    reasons = []
    for place, person in enumerate(people):
        try:
            holders.setdefault(fingerprint(person.public), []).append(place)
        except FormatError as e:
            reasons.append(f"{person.principal}'s key in the root cannot be used: {e.message}")
    return holders, reasons


def _signer(
    people: Sequence[Person], keys: dict[str, list[int]], signature: Signature, message: bytes, at: dt.datetime
) -> tuple[int, Signer]:
    """Return who made a signature and their place in *people*; raises FormatError where it does not count."""
    places = keys.get(signature.key_id, [])
    if not places:
        raise SignatureError("no person of the root has this key")
    principals = list(dict.fromkeys(people[place].principal for place in places))
    if len({folded(principal) for principal in principals}) > 1:
        raise SignatureError(f"the root names this key under {' and '.join(principals)}, so it counts for none of them")
    valid = [place for place in places if people[place].not_before <= at <= people[place].not_after]
    if not valid:
        raise SignatureError(f"the key of {principals[0]} is not valid at {instant.to_text(at)}")
    made = verify(signature.signature, message)
    if made.fingerprint != signature.key_id:
        raise SignatureError(f"the signature is by another key, {made.fingerprint}")
    return valid[0], Signer(people[valid[0]], made.fingerprint, made.touched, made.verified)


def _shown(key_id: str) -> str:
    # a key id that is no fingerprint is whatever somebody wrote
    return key_id if _FINGERPRINT.fullmatch(key_id) else ascii(key_id[:64])


class _Reader:
    """Takes the fields of RFC 4251 section 5 off the front of bytes; raises FormatError where they end too soon."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self.what = what

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise FormatError(f"{self.what} ends too soon")
        self._at += size
        return taken

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def name(self) -> str:
        """A string that is compared with names this module knows."""
        return self.string().decode("ascii", "replace")

    def positive(self) -> int:
        """An mpint above zero in its shortest form."""
        taken = self.string()
        value = int.from_bytes(taken, "big", signed=True)
        if value < 1 or len(taken) != value.bit_length() // 8 + 1:
            raise FormatError(f"{self.what} holds a number that is not positive or not in its shortest form")
        return value

    def end(self) -> None:
        if self._at != len(self._data):
            raise FormatError(f"{self.what} goes on after its end")


@dataclasses.dataclass(frozen=True)
class _Key:
    kind: str
    blob: bytes
    #: what cryptography verifies with
    public: t.Any
    application: bytes


@dataclasses.dataclass(frozen=True)
class _Parsed:
    key: _Key
    namespace: bytes
    hash_algorithm: str
    kind: str
    signature: bytes
    flags: int | None
    counter: int | None


def _key_of(line: str) -> _Key:
    bare = line.removesuffix("\n").removesuffix("\r").strip(" \t")
    found = _LINE.fullmatch(bare)
    if not found or _CONTROL.search(bare):
        raise FormatError(
            "this is not an OpenSSH public key of a kind that is taken",
            remedy=f"Use one of {', '.join(_SIGNATURES)}; certificates are not taken",
        )
    key = _read_key(_unbase64(found["blob"], "the public key"))
    if key.kind != found["kind"]:
        raise FormatError(f"the public key is called {found['kind']} and is {key.kind}")
    return key


def _read_key(blob: bytes) -> _Key:
    if ed25519 is None:
        raise missing_cryptography()
    reader = _Reader(blob, "the public key")
    kind = reader.name()
    if kind not in _SIGNATURES:
        raise FormatError(
            "the public key is not of a kind that is taken", item=ascii(kind[:64]), remedy="Certificates are not taken"
        )
    try:
        public = _read_public(kind, reader)
    except (ValueError, UnsupportedAlgorithm) as e:
        raise FormatError("the public key is not one of its kind", item=kind) from e
    application = _read_application(reader) if kind in _FIDO2 else b""
    reader.end()
    return _Key(kind, blob, public, application)


def _read_public(kind: str, reader: _Reader) -> t.Any:
    if kind == _RSA:
        return _read_rsa(reader)
    if kind in _CURVES:
        return _read_ecdsa(_CURVES[kind], reader)
    return _read_ed25519(reader)


def _read_rsa(reader: _Reader) -> t.Any:
    exponent, modulus = reader.positive(), reader.positive()
    if not _RSA_LEAST <= modulus.bit_length() <= _RSA_MOST:
        raise FormatError(
            f"the public key has {modulus.bit_length()} bits",
            item=_RSA,
            remedy=f"Make an RSA key of {_RSA_LEAST} to {_RSA_MOST} bits, or better an ed25519 key",
        )
    # cryptography refuses the exponent 1, under which a signature is what it signs, and not an even modulus
    if exponent.bit_length() > _RSA_EXPONENT_MOST or not exponent & modulus & 1:
        raise FormatError("the public key is not one of its kind", item=_RSA)
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _read_ecdsa(name: str, reader: _Reader) -> t.Any:
    if reader.name() != name:
        raise FormatError("the public key names another curve than its kind")
    curve, _hash = _curve(name)
    point = reader.string()
    # RFC 5656 lets points be compressed, which OpenSSH does not do: it would be another spelling
    if point[:1] != b"\x04":
        raise FormatError("the public key is not an uncompressed point", item=name)
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _read_ed25519(reader: _Reader) -> t.Any:
    raw = reader.string()
    public = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _ED25519_PRIME or y in _ED25519_WEAK:
        raise FormatError("the public key is one under which anybody can sign", item=_ED25519)
    return public


def _read_application(reader: _Reader) -> bytes:
    application = reader.string()
    # A web site's application is its domain: what was signed to log in there must not count here.
    if not application.startswith(b"ssh:") or b"\0" in application:
        raise FormatError("the FIDO2 key is not made for SSH: its application does not begin with ssh:")
    return application


def _curve(name: str) -> tuple[t.Any, t.Any]:
    """A curve, and the hash that goes with it (RFC 5656 section 6.2.1)."""
    return {
        "nistp256": (ec.SECP256R1(), hashes.SHA256()),
        "nistp384": (ec.SECP384R1(), hashes.SHA384()),
        "nistp521": (ec.SECP521R1(), hashes.SHA512()),
    }[name]


def _parse(blob: bytes) -> _Parsed:
    """Read a signature and the key in it; nothing is verified yet."""
    reader = _Reader(_preambled(blob), "the SSH signature")
    reader.take(len(_PREAMBLE))
    version = reader.number()
    if version != _VERSION:
        raise FormatError(f"the SSH signature is of version {version}, and only {_VERSION} is known")
    key = _read_key(reader.string())
    namespace = reader.string()
    if reader.string():
        raise FormatError("the SSH signature holds something in its reserved field")
    algorithm = reader.name()
    if algorithm not in _HASHES:
        raise FormatError("the SSH signature is not over a SHA-256 or SHA-512", item=ascii(algorithm[:64]))
    inner = _Reader(reader.string(), "the SSH signature")
    reader.end()
    kind = inner.name()
    if kind not in _SIGNATURES[key.kind]:
        raise FormatError(f"a key of the kind {key.kind} does not sign so", item=ascii(kind[:64]))
    signature = _read_signature(key, inner.string())
    flags = counter = None
    if key.kind in _FIDO2:
        flags, counter = inner.take(1)[0], inner.number()
    inner.end()
    return _Parsed(key, namespace, algorithm, kind, signature, flags, counter)


def _read_signature(key: _Key, data: bytes) -> bytes:
    """Return a signature as cryptography takes it."""
    if key.kind in _CURVES:
        return _read_ecdsa_signature(key, data)
    # OpenSSH takes an RSA signature that has lost its leading zeros; ssh-keygen makes none
    size = (key.public.key_size + 7) // 8 if key.kind == _RSA else 64
    if len(data) != size:
        raise FormatError(f"the SSH signature has {len(data)} bytes, not {size}", item=key.kind)
    return data


def _read_ecdsa_signature(key: _Key, data: bytes) -> bytes:
    # With (r, s) also (r, n - s) is a signature. ssh-keygen makes both, so both are taken: this is the one kind where
    # whoever sees a signature can spell it in another way. A key counts once, whatever the number of its signatures.
    reader = _Reader(data, "the ECDSA signature")
    r, s = reader.positive(), reader.positive()
    reader.end()
    if max(r, s).bit_length() > key.public.key_size:
        raise FormatError("the ECDSA signature holds a number that is larger than its curve", item=key.kind)
    return utils.encode_dss_signature(r, s)


def _check(parsed: _Parsed, message: bytes) -> None:
    """Return if the signature holds, else raise what cryptography raises."""
    key, signature = parsed.key, parsed.signature
    signed = _signed(parsed, message)
    if key.kind == _RSA:
        algorithm = hashes.SHA256() if parsed.kind == "rsa-sha2-256" else hashes.SHA512()
        key.public.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif key.kind in _CURVES:
        key.public.verify(signature, signed, ec.ECDSA(_curve(_CURVES[key.kind])[1]))
    else:
        key.public.verify(signature, signed)


def _signed(parsed: _Parsed, message: bytes) -> bytes:
    """What a key signs: the bytes of PROTOCOL.sshsig, or what an authenticator makes of them (PROTOCOL.u2f)."""
    digest = hashlib.new(parsed.hash_algorithm, message).digest()
    fields = (parsed.namespace, b"", parsed.hash_algorithm.encode(), digest)
    signed = _PREAMBLE + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    if parsed.flags is None or parsed.counter is None:
        return signed
    application = hashlib.sha256(parsed.key.application).digest()
    vouched = bytes([parsed.flags]) + parsed.counter.to_bytes(4, "big")
    return application + vouched + hashlib.sha256(signed).digest()


def _preambled(blob: bytes) -> bytes:
    if not blob.startswith(_PREAMBLE):
        raise FormatError("this is not an SSH signature")
    return blob


def _unbase64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise FormatError(f"{what} is not base64") from e
    # left-over bits and padding have one spelling
    if base64.b64encode(data).decode() != text:
        raise FormatError(f"{what} is not base64 in its one spelling")
    return data


def _line(key: _Key) -> str:
    return f"{key.kind} {base64.b64encode(key.blob).decode()}"


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
