# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls to AWS KMS, and errors that say what to do. How it is reached is aws/session.py.

What a call carried is in no error: an answer may be a plaintext. KMS tells apart by code what Vault tells by text.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..aws import session
from ..aws.session import CREDENTIALS, LATER, Fault, NoAnswerError, Session
from ..errors import HoldfastError, KeyMissingError, KeyringError, ThrottledError, UnavailableError
from .awskms_settings import KmsSettings

# with waits that grow, by botocore: KMS has quotas for each account and region
ATTEMPTS = 4

_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_RIGHT = "Give it the policy that docs/guide_awskms.md has for its part, or run as one that has it"

#: Codes that say something of the key, for who asked to make sense of.
MISSING, DISABLED, WRONG_STATE = "NotFoundException", "DisabledException", "KMSInvalidStateException"
CIPHERTEXT = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_OF_THE_KEY = frozenset({MISSING, DISABLED, WRONG_STATE, *CIPHERTEXT})

_DENIED = frozenset(session.DENIED.split())
_EXPIRED = frozenset(session.EXPIRED.split())
_UNKNOWN = frozenset([*session.UNKNOWN.split(), "InvalidSignatureException", "IncompleteSignature"])
_BUSY = frozenset(session.BUSY.split())
_FULL = frozenset({"LimitExceededException"})
# for a moment, by what KMS says of these
_PASSING = frozenset({"KeyUnavailableException", "DependencyTimeoutException", "KMSInternalException"})

_FAULTS: Mapping[Fault, type[HoldfastError]] = {
    Fault.DENIED: KeyringError,
    Fault.UNAVAILABLE: UnavailableError,
    Fault.UNTRUSTED: UnavailableError,
    Fault.FOREIGN: KeyringError,
    Fault.UNUSABLE: KeyringError,
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What KMS answered.

    :param code: "" where it did what was asked, else one of those that say something of the key.
    :param data: what it gave.
    """

    code: str
    data: Mapping[str, t.Any] = dataclasses.field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return not self.code


class KmsClient:
    """One identity at the KMS of one region.

    :raises DependencyMissingError: botocore is not installed on the controller.
    :raises KeyringError: the CA bundle is not a file.
    """

    def __init__(self, settings: KmsSettings) -> None:
        session.require("a keyring in AWS KMS")
        bundle = settings.aws_ca_bundle
        if bundle is not None and not Path(bundle).expanduser().is_file():
            raise KeyringError(
                "the CA bundle is not a file",
                item=bundle,
                remedy=f"Name a PEM file of this controller in {settings.place}.aws_ca_bundle",
            )
        #: The server, for people.
        self.location = settings.endpoint_url or f"AWS KMS in {settings.region or 'the region of its configuration'}"
        self._session = Session(
            "kms",
            settings,
            named="KMS",
            context={"holdfast": "keyring"},
            own={"retries": {"total_max_attempts": ATTEMPTS, "mode": "standard"}},
        )

    def __repr__(self) -> str:
        return f"KmsClient({self.location!r})"

    def ask(self, operation: str, doing: str, item: str, **parameters: t.Any) -> Answer:
        """Make one call, again where that may help.

        :param operation: botocore's name of it, ``get_public_key``.
        :param doing: what for, as it goes on after "cannot".
        :param item: the key, for people.
        :returns: an answer, also one that says that the key is missing, not usable now, or another one.
        :raises UnavailableError: no answer, or KMS fails.
        :raises ThrottledError: it asks for fewer calls.
        :raises KeyMissingError: this identity lacks the right.
        :raises KeyringError: it is not let in, its credentials have expired, or what answers is no KMS.
        """
        failure: HoldfastError
        try:
            parsed = self._session.ask(operation, parameters)
        except NoAnswerError as e:
            where = e.item or self.location
            failure = _FAULTS[e.fault](f"cannot {doing}: {e.why}", item=where, remedy=e.remedy)
        else:
            code = str((parsed.get("Error") or {}).get("Code") or "")
            if not code or code in _OF_THE_KEY:
                return Answer(code, parsed)
            failure = self._refused(code, parsed, doing, item)
        # outside of the handler: it has what was asked
        raise failure

    def _refused(self, code: str, parsed: Mapping[str, t.Any], doing: str, item: str) -> HoldfastError:
        status = (parsed.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0
        shown = code if _CODE.fullmatch(code) else str(status)
        if code in _DENIED:
            return KeyMissingError(
                f"KMS refuses to {doing}: this identity has no right to that",
                item=f"{self.location} {item}",
                remedy=f"{_RIGHT}. Region and account are those of this repository's keys",
            )
        if code in _EXPIRED:
            return KeyringError(
                "the credentials for AWS have expired",
                item=self.location,
                remedy="Renew them, or use a profile or a role that does; nothing is lost: run again",
            )
        if code in _UNKNOWN:
            return KeyringError(
                f"the credentials for AWS are not accepted ({shown})",
                item=self.location,
                remedy=f"{CREDENTIALS}. A clock that is wrong by minutes makes them wrong too",
            )
        if code in _BUSY:
            return ThrottledError(
                f"cannot {doing}: KMS asks for fewer requests", item=self.location, remedy="Run again with fewer forks"
            )
        if code in _PASSING or status >= 500:
            return UnavailableError(f"cannot {doing}: KMS failed ({shown})", item=self.location, remedy=LATER)
        if code in _FULL:
            return KeyringError(
                f"cannot {doing}: a quota of the account is used up", item=item, remedy="Ask AWS to raise it"
            )
        return KeyringError(
            f"cannot {doing}: KMS does not take the call ({shown})",
            item=item,
            remedy="Look into CloudTrail, or the server's log",
        )
