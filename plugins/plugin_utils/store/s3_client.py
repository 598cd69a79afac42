# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls to an S3 server: retries, and errors that say what to do. How it is reached is aws/session.py."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import re
import time
import typing as t
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ..aws import session
from ..aws.session import CREDENTIALS, LATER, Fault, NoAnswerError, Session
from ..errors import (
    ArchivedError,
    CorruptError,
    DeniedError,
    ExpiredError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ..model.instant import to_text
from .s3_settings import S3Settings
from .wrappers import Patience

# a server's Date may be a second old when it is written; a step back by more than this is one of its clock
_STEP = dt.timedelta(seconds=5)
# in which a clock can be meant
_YEARS = range(2000, 2200)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_SERVER = re.compile(r"[A-Za-z0-9 ._/()-]{1,80}")

_RIGHTS = "Give this identity the right, or run as one that has it"


class _Meaning(t.NamedTuple):
    kind: type[StoreError]
    why: str
    remedy: str


_ALLOWED = _Meaning(DeniedError, "it is not allowed", _RIGHTS)
_EXPIRED = _Meaning(ExpiredError, "the credentials have expired", "Renew them, and run again")
_UNKNOWN = _Meaning(DeniedError, "the credentials are not accepted", CREDENTIALS)
_BUSY = _Meaning(ThrottledError, "it asks for fewer requests", "Run again with fewer forks")
_FAILED = _Meaning(UnavailableError, "it failed", LATER)
_ALTERED = _Meaning(
    UnavailableError, "what it received is not what was sent", "Look for what alters traffic between here and it"
)
_FULL = _Meaning(FullError, "it has no room left", "Make room or raise the quota, then run again")
_MISSING = _Meaning(ObjectMissingError, "it holds no such object", "List the repository to see what it holds")
_ELSEWHERE = _Meaning(StoreError, "the bucket is in another region", "Set region to that of the bucket")
_REDIRECTED = _Meaning(
    StoreError, "it sends to another address", "Set endpoint_url to that address, or region to that of the bucket"
)
_UNABLE = _Meaning(StoreError, "it cannot do this", "Take a server that docs/adr/0016-s3-store.md names")
_UNLOCKED = _Meaning(
    NotLockedError, "its bucket has no object lock", "Make a bucket with object lock, as docs/guide_storage.md says"
)
_MEANINGS: Mapping[_Meaning, str] = {
    _ALLOWED: session.DENIED,
    _EXPIRED: session.EXPIRED,
    _UNKNOWN: session.UNKNOWN,
    _Meaning(ArchivedError, "it rests in an archive class", "Ask for it to be brought back, and wait until it is"): (
        "InvalidObjectState"
    ),
    _Meaning(ThrottledError, "it has no room for expedited retrievals now", "Ask again later, or by another tier"): (
        "GlacierExpeditedRetrievalNotAvailable"
    ),
    _BUSY: f"{session.BUSY} SlowDownRead SlowDownWrite ServerBusy BandwidthLimitExceeded XMinioServerNotInitialized",
    _FAILED: "InternalError InternalFailure RequestTimeout OperationAborted IncompleteBody XMinioReadQuorum "
    "XMinioWriteQuorum",
    _ALTERED: "BadDigest XAmzContentSHA256Mismatch InvalidDigest",
    _FULL: "QuotaExceeded InsufficientStorage XMinioStorageFull XMinioAdminBucketQuotaExceeded EntityTooLarge",
    _Meaning(UnavailableError, "there is no such bucket", "Make it, as docs/guide_storage.md says"): "NoSuchBucket",
    _UNLOCKED: "ObjectLockConfigurationNotFoundError NoSuchObjectLockConfiguration InvalidBucketState",
    _MISSING: "NoSuchKey NoSuchVersion",
    _ELSEWHERE: "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException",
    _UNABLE: "NotImplemented",
}
_BY_CODE: Mapping[str, _Meaning] = {code: meaning for meaning, codes in _MEANINGS.items() for code in codes.split()}
_BY_STATUS: Mapping[int, _Meaning] = {
    301: _REDIRECTED,
    302: _REDIRECTED,
    307: _REDIRECTED,
    308: _REDIRECTED,
    401: _UNKNOWN,
    403: _ALLOWED,
    404: _MISSING,
    405: _UNABLE,
    413: _FULL,
    429: _BUSY,
    501: _UNABLE,
    503: _BUSY,
    507: _FULL,
}
# the same call may succeed although the status says that it was refused
_PASSING = frozenset(code for meaning in (_FAILED, _ALTERED) for code in _MEANINGS[meaning].split())

_FAULTS: Mapping[Fault, type[StoreError]] = {
    Fault.DENIED: DeniedError,
    Fault.UNAVAILABLE: UnavailableError,
    Fault.UNTRUSTED: UnavailableError,
    Fault.FOREIGN: CorruptError,
    Fault.UNUSABLE: StoreError,
}


class _FinalError(Exception):
    """Carries what would be the same a moment later past whoever calls again."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclasses.dataclass(frozen=True)
class RoleKeys:
    """Keys of a role's session: good until they end, and nobody can end them sooner."""

    access: str
    secret: str = dataclasses.field(repr=False)
    token: str = dataclasses.field(repr=False)
    until: dt.datetime


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a server answered: the HTTP status, S3's code ("" where it succeeded), its headers, what was parsed."""

    status: int
    code: str
    headers: Mapping[str, str]
    data: Mapping[str, t.Any]

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return not self.code and 200 <= self.status < 300


def load_ahead() -> None:
    """Load what is needed, once a process: what is forked from this one needs 0.2 s less."""
    session.load_ahead("s3")


class Client:
    """Calls of one process to one server.

    Made again after a fork: a connection is never shared by two processes.

    :param context: what the server's own log shall name this by: label to text, such as run and change id.
    :param patience: how often, and after which waits, a call is made again.
    """

    def __init__(self, location: str, settings: S3Settings, *, context: Mapping[str, str], patience: Patience) -> None:
        session.require("a repository on S3")
        bundle = settings.aws_ca_bundle
        if bundle is not None and not Path(bundle).expanduser().is_file():
            raise StoreError(
                "the CA bundle is not a file",
                item=bundle,
                remedy="Name a PEM file of this controller in holdfast_repository.aws_ca_bundle",
            )
        self.location = location
        #: Who the server says it is, for people.
        self.server = "this server"
        self._session = Session("s3", settings, named="S3", context=context, own=_own(settings))
        self._patience = patience
        self._date: tuple[dt.datetime, float] | None = None

    def now(self) -> dt.datetime | None:
        """The server's time by the dates of its answers and the time since; None before the first.

        A date is whole seconds and was true before it came here, so the latest of what they say is the nearest.
        """
        if self._date is None:
            return None
        at, since = self._date
        return at + dt.timedelta(seconds=time.monotonic() - since)

    def call(
        self,
        operation: str,
        doing: str,
        item: str | None = None,
        *,
        expect: Collection[int] = (),
        body: bool = False,
        landed: Callable[[], Reply | None] | None = None,
        once: bool = False,
        **parameters: t.Any,
    ) -> Reply:
        """Make one call, again where that may help; return the reply or raise StoreError.

        :param operation: botocore's name of it, ``head_object``.
        :param doing: to follow "cannot" in a message.
        :param expect: statuses of refusal that are returned and not raised.
        :param body: read the answer's body whole, into ``data["Body"]``.
        :param landed: asked after a failure whether the call was carried out nevertheless: an answer may get lost.
        :param once: do not call again.
        """

        def call() -> Reply:
            return self._call(operation, doing, item, expect, body, parameters)

        try:
            return call() if once else self._patience.again(call, landed)
        except _FinalError as e:
            raise e.error from None

    def _call(
        self,
        operation: str,
        doing: str,
        item: str | None,
        expect: Collection[int],
        body: bool,
        parameters: Mapping[str, t.Any],
    ) -> Reply:
        try:
            parsed = self._session.ask(operation, parameters, body=body)
        except NoAnswerError as e:
            raise self._unanswered(e, doing, item) from None
        reply = self._reply(parsed)
        if reply.ok or reply.status in expect:
            return reply
        raise self._refused(reply, doing, item)

    def _reply(self, parsed: t.Any) -> Reply:
        about = parsed.get("ResponseMetadata") or {}
        headers = {str(name).lower(): str(value) for name, value in (about.get("HTTPHeaders") or {}).items()}
        self._note(headers)
        code = (parsed.get("Error") or {}).get("Code") or ""
        status = about.get("HTTPStatusCode")
        return Reply(status if isinstance(status, int) else 0, str(code), headers, parsed)

    def _note(self, headers: Mapping[str, str]) -> None:
        if _SERVER.fullmatch(headers.get("server", "")):
            self.server = headers["server"]
        try:
            at = email.utils.parsedate_to_datetime(headers.get("date", ""))
        except (ValueError, TypeError, OverflowError):
            return
        if at.year not in _YEARS:
            return
        at = at.replace(tzinfo=dt.timezone.utc) if at.tzinfo is None else at.astimezone(dt.timezone.utc)
        known = self.now()
        if known is None or at > known or at < known - _STEP:
            self._date = at, time.monotonic()

    def _refused(self, reply: Reply, doing: str, item: str | None) -> Exception:
        what = f"cannot {doing} at {self.location}"
        if reply.code == "RequestTimeTooSkewed":
            here, there = dt.datetime.now(dt.timezone.utc), self.now()
            told = to_text(there) if there else "another time"
            return _FinalError(
                UnavailableError(
                    f"{what}: the clock here says {to_text(here)}, the server's {told}",
                    item=item,
                    remedy="Set the controller's clock by NTP, then run again",
                )
            )
        known = _BY_CODE.get(reply.code) or _BY_STATUS.get(reply.status)
        if known is None and reply.status >= 500:
            known = _FAILED
        kind, why, remedy = known or _Meaning(StoreError, "it does not take this", "Look into the server's log")
        code = reply.code if _CODE.fullmatch(reply.code) else str(reply.status)
        error = kind(f"{what}: {why} ({code})", item=item, remedy=remedy)
        again = reply.status >= 500 or kind is ThrottledError or reply.code in _PASSING
        return error if again else _FinalError(error)

    def _unanswered(self, e: NoAnswerError, doing: str, item: str | None) -> Exception:
        error = _FAULTS[e.fault](f"cannot {doing} at {self.location}: {e.why}", item=e.item or item, remedy=e.remedy)
        return _FinalError(error) if e.fault is Fault.UNTRUSTED else error

    def role_keys(self, ticket: str, seconds: int) -> RoleKeys:
        """Keys of the role that the settings name, for somebody else to use.

        :param ticket: what the server's log shall name the session by.
        :param seconds: how long they are to be good; servers give no less than 900.
        :raises StoreError: there are none.
        """
        doing = "have keys of the role"
        try:
            reply = self._reply(self._session.assume(name=ticket, seconds=seconds))
        except NoAnswerError as e:
            error = self._unanswered(e, doing, None)
        else:
            if reply.ok:
                return self._role_keys(reply.data.get("Credentials") or {}, doing)
            error = self._refused(reply, doing, None)
        raise error.error if isinstance(error, _FinalError) else error

    def _role_keys(self, given: Mapping[str, t.Any], doing: str) -> RoleKeys:
        access, secret, token, until = (
            given.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        )
        if not (access and secret and token and isinstance(until, dt.datetime)):
            raise CorruptError(f"cannot {doing} at {self.location}: it gave none that end", remedy=_RIGHTS)
        return RoleKeys(str(access), str(secret), str(token), until)

    def endpoints(self, bucket: str) -> tuple[str, ...]:
        """The URLs that are asked for a bucket, and for a role where one is assumed, as botocore makes them.

        Nothing is sent, and no credentials are looked for. Raises StoreError where botocore makes none.
        """
        try:
            return self._session.urls("head_bucket", Bucket=bucket)
        except NoAnswerError as e:
            raise self._unanswered(e, "find out which endpoint is asked", None) from None


def _own(settings: S3Settings) -> Mapping[str, t.Any]:
    # AWS by name; others have no DNS for it
    style = (settings.aws_config or {}).get("addressing_style", "path" if settings.endpoint_url else "auto")
    return {
        # who asks more than is needed is refused by servers of before 2025
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        # the body is part of what is signed: who alters it on the way is refused
        "s3": {"addressing_style": style, "payload_signing_enabled": True},
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
