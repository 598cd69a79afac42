# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""age files (https://age-encryption.org/v1), binary form. The one file that imports pyrage.

The keys of the collection are X25519 identities. Only :func:`encrypt_for` takes keys that people have of OpenSSH too.
"""

from __future__ import annotations

import io
import typing as t
from collections.abc import Sequence
from types import ModuleType

from ..errors import DependencyMissingError, FormatError, IntegrityError, WrongKeyError

try:
    import pyrage  # type: ignore[import-untyped]
except ImportError:
    pyrage = None

# pyrage has one exception for every failure to decrypt; this text alone tells a key that does not fit from damage.
# It is that of age::DecryptError::NoMatchingKeys in the Rust crate `age` and does not follow the locale.
_NO_MATCH = "No matching keys found"


def generate() -> tuple[str, str]:
    """Make a key pair.

    :returns: the identity (secret, ``AGE-SECRET-KEY-1…``) and its recipient (public, ``age1…``).
    :raises DependencyMissingError: pyrage is not installed, here and in every function of this module.
    """
    identity = _library().x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def recipient_of(secret: str) -> str:
    """Return the recipient that belongs to an identity; raises FormatError on anything that is not one."""
    return str(_identity(secret).to_public())


def encrypt(data: bytes, recipients: Sequence[str]) -> bytes:
    """Encrypt to every recipient: each of their identities alone opens the result.

    :raises FormatError: no recipient, or one that is not an X25519 recipient.
    """
    age = _library()
    if not recipients:
        raise FormatError("age needs at least one recipient to encrypt to")
    parsed = []
    for recipient in recipients:
        try:
            parsed.append(age.x25519.Recipient.from_str(_ascii(recipient)))
        except age.RecipientError as e:
            # the text itself stays out: a secret pasted in its place would be shown
            raise FormatError("a recipient is not an age X25519 recipient (age1...)") from e
    # age.encrypt would hold the result twice
    sink = io.BytesIO()
    age.encrypt_io(io.BytesIO(data), sink, parsed)
    return sink.getvalue()


def public_key(line: str) -> str:
    """Return the one spelling of a public key of a person that can decrypt: one of age, or of OpenSSH without comment.

    :raises FormatError: anything else. FIDO2 and ECDSA keys sign and do not decrypt.
    """
    words = line.split()
    one = " ".join(words[:2]) if words and "-" in words[0] else line.strip()
    _person(one)
    return one


def encrypt_for(data: bytes, public: str) -> bytes:
    """Encrypt to one person's :func:`public_key`, as ``age -r`` does; raises FormatError as that does."""
    sink = io.BytesIO()
    _library().encrypt_io(io.BytesIO(data), sink, [_person(public_key(public))])
    return sink.getvalue()


def _person(public: str) -> t.Any:
    age = _library()
    kind = age.ssh.Recipient if public.startswith("ssh-") else age.x25519.Recipient
    try:
        return kind.from_str(_ascii(public))
    except age.RecipientError:
        pass
    # outside of the handler, and without the text: a secret pasted in its place would be shown
    raise FormatError(
        "this is not a public key that can decrypt",
        remedy="Give one of age (age1...) or of OpenSSH (ssh-ed25519, ssh-rsa). FIDO2 and ECDSA keys only sign",
    )


def decrypt(data: bytes, secrets: Sequence[str]) -> bytes:
    """Decrypt with whichever of the identities fits; all of the plaintext is authenticated before any is returned.

    :raises WrongKeyError: none of the identities fits. A damaged recipient stanza looks the same.
    :raises IntegrityError: an identity fits and the bytes are damaged or cut off, or this is not an age file.
    :raises FormatError: one of *secrets* is not an identity.
    """
    age = _library()
    identities = [_identity(secret) for secret in secrets]
    try:
        return bytes(age.decrypt(data, identities))
    except age.DecryptError as e:
        if str(e) == _NO_MATCH:
            raise WrongKeyError("none of the identities at hand opens this age file") from e
        raise IntegrityError(
            "the age file is damaged, cut off, or not an age file", remedy="Fetch it again or take another copy"
        ) from e


def _identity(secret: str) -> t.Any:
    age = _library()
    try:
        return age.x25519.Identity.from_str(_ascii(secret))
    except age.IdentityError as e:
        raise FormatError("the text is not an age X25519 identity (AGE-SECRET-KEY-1...)") from e


def _ascii(text: str) -> str:
    # a UnicodeEncodeError out of pyrage would carry the text, which may be a secret
    return text if text.isascii() else ""


def _library() -> ModuleType:
    if pyrage is None:
        raise DependencyMissingError(
            "the Python library pyrage is not installed on the controller",
            remedy="Install pyrage for the Python that runs Ansible",
        )
    return pyrage
