# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls to an S3 server: the session, one client a process, retries, and errors that say what to do.

The one file that imports botocore. boto3 adds nothing that is needed here, and costs a controller 0.1 s more.
Configuration, and what each setting is for: docs/adr/0016-s3-store.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.utils
import functools
import json
import os
import re
import time
import typing as t
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ..errors import (
    ArchivedError,
    CorruptError,
    DeniedError,
    DependencyMissingError,
    ExpiredError,
    FullError,
    NotLockedError,
    ObjectMissingError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ..model.instant import to_text
from .handover import SESSIONS
from .s3_settings import S3Settings
from .wrappers import Patience

try:
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError:
    botocore = None

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
_ROLE_SECONDS = 3600
_ROLE_MARGIN = dt.timedelta(minutes=20)
# a server's Date may be a second old when it is written; a step back by more than this is one of its clock
_STEP = dt.timedelta(seconds=5)
# in which a clock can be meant
_YEARS = range(2000, 2200)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_SERVER = re.compile(r"[A-Za-z0-9 ._/()-]{1,80}")
_TOKEN = re.compile(r"[^A-Za-z0-9._-]+")

_RIGHTS = "Give this identity the right, or run as one that has it"
_CREDENTIALS = "Look at the credentials: environment, profile, role, and that they have not expired"
_NOT_S3, _LOOK = "its answer is none of S3", "Look at what answers there: a proxy, or another service"
_LATER = "Run again; what was sealed is kept until then"


class _Meaning(t.NamedTuple):
    kind: type[StoreError]
    why: str
    remedy: str


_ALLOWED = _Meaning(DeniedError, "it is not allowed", _RIGHTS)
_EXPIRED = _Meaning(ExpiredError, "the credentials have expired", "Renew them, and run again")
_UNKNOWN = _Meaning(DeniedError, "the credentials are not accepted", _CREDENTIALS)
_BUSY = _Meaning(ThrottledError, "it asks for fewer requests", "Run again with fewer forks")
_FAILED = _Meaning(UnavailableError, "it failed", _LATER)
_ALTERED = _Meaning(
    UnavailableError, "what it received is not what was sent", "Look for what alters traffic between here and it"
)
_FULL = _Meaning(FullError, "it has no room left", "Make room or raise the quota, then run again")
_MISSING = _Meaning(ObjectMissingError, "it holds no such object", "List the repository to see what it holds")
_ELSEWHERE = _Meaning(StoreError, "the bucket is in another region", "Set region to that of the bucket")
_UNABLE = _Meaning(StoreError, "it cannot do this", "Take a server that docs/adr/0016-s3-store.md names")
_UNLOCKED = _Meaning(
    NotLockedError, "its bucket has no object lock", "Make a bucket with object lock, as docs/guide_storage.md says"
)
_MEANINGS: Mapping[_Meaning, str] = {
    _ALLOWED: "AccessDenied AllAccessDisabled AccessDeniedException AccountProblem NotSignedUp",
    _EXPIRED: "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired",
    _UNKNOWN: "InvalidAccessKeyId InvalidClientTokenId InvalidToken InvalidTokenId InvalidSecurity "
    "SignatureDoesNotMatch UnrecognizedClientException",
    _Meaning(ArchivedError, "it rests in an archive class", "Ask for it to be brought back, and wait until it is"): (
        "InvalidObjectState"
    ),
    _Meaning(ThrottledError, "it has no room for expedited retrievals now", "Ask again later, or by another tier"): (
        "GlacierExpeditedRetrievalNotAvailable"
    ),
    _BUSY: "SlowDown SlowDownRead SlowDownWrite ServiceUnavailable ServerBusy Throttling ThrottlingException "
    "RequestLimitExceeded TooManyRequests RequestThrottled BandwidthLimitExceeded XMinioServerNotInitialized",
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

_NOBODY: Mapping[str, str] = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}

# botocore's loader, with the models of S3 once they are read, and a session that nobody uses yet: what costs most
_loader: t.Any = None
_spare: t.Any = None


class _FinalError(Exception):
    """Carries what would be the same a moment later past whoever calls again."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


class _AskedError(Exception):
    """Carries the URL of a call that is not made."""


class _NotS3Error(Exception):
    """What answers has made botocore stumble."""


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


def require() -> None:
    """Raise DependencyMissingError where botocore is not installed on the controller."""
    if botocore is None:
        raise DependencyMissingError(
            "a repository on S3 needs the Python library botocore",
            item="botocore",
            remedy="Install boto3 or botocore, 1.36 or newer, beside ansible-core on the controller",
        )


def load_ahead() -> None:
    """Load botocore and its models of S3, once a process: what is forked from this one needs 0.2 s less.

    It opens no connection, and reads neither credentials nor configuration that a client is made of.
    """
    global _loader, _spare  # noqa: PLW0603
    if botocore is None or _spare is not None:
        return
    session = botocore.session.Session()
    if _loader is None:
        # its profile may not exist, which is for the one to say who uses it
        with contextlib.suppress(botocore.exceptions.BotoCoreError):
            session.create_client("s3", region_name="us-east-1", config=_config(S3Settings(), ""), **_NOBODY)
        _loader = session.get_component("data_loader")
        session = botocore.session.Session()
    session.register_component("data_loader", _loader)
    # botocore's own guesses what a date may mean, which is half of the time that a long listing takes
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    _spare = session


def _take_session(profile: str | None) -> t.Any:
    """Return a session that nobody else has."""
    global _spare
    load_ahead()
    session, _spare = _spare, None
    if profile is not None:
        session.set_config_variable("profile", profile)
    return session


class Client:
    """Calls of one process to one server.

    Made again after a fork: a connection is never shared by two processes.

    :param context: what the server's own log shall name this by: label to text, such as run and change id.
    :param patience: how often, and after which waits, a call is made again.
    """

    def __init__(self, location: str, settings: S3Settings, *, context: Mapping[str, str], patience: Patience) -> None:
        require()
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
        self._settings = settings
        self._context = context
        self._patience = patience
        self._client: t.Any = None
        self._pid = 0
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
            parsed = self._answer(getattr(self._connected(), operation), body, parameters)
        except botocore.exceptions.BotoCoreError as e:
            raise self._unanswered(e, doing, item) from None
        except _NotS3Error as e:
            raise CorruptError(f"cannot {doing} at {self.location}: {_NOT_S3} ({e})", item=item, remedy=_LOOK) from None
        reply = self._reply(parsed)
        if reply.ok or reply.status in expect:
            return reply
        raise self._refused(reply, doing, item)

    def _answer(self, method: Callable[..., t.Any], body: bool, parameters: Mapping[str, t.Any]) -> t.Any:
        try:
            parsed = method(**parameters)
            if body:
                # as a context manager it is urllib3's, whose errors are not botocore's
                with contextlib.closing(parsed["Body"]) as stream:
                    parsed["Body"] = stream.read()
        except botocore.exceptions.ClientError as e:
            if e.operation_name.startswith("AssumeRole"):
                raise botocore.exceptions.CredentialRetrievalError(
                    provider="assume-role", error_msg="refused"
                ) from None
            return e.response
        except (botocore.exceptions.BotoCoreError, OSError, MemoryError):
            raise
        except Exception as e:  # noqa: BLE001
            # botocore believes that what answers is S3: another date is a RuntimeError
            raise _NotS3Error(type(e).__name__) from None
        return parsed

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

    def _unanswered(self, e: Exception, doing: str, item: str | None) -> Exception:
        """Say why there was no answer, in other words than botocore's: those may hold a URL or a proxy's password."""
        x = botocore.exceptions
        what = f"cannot {doing} at {self.location}"
        kind: type[StoreError]
        kind, why, remedy = StoreError, type(e).__name__, "Look at the settings of the repository"
        if isinstance(e, x.ProfileNotFound):
            kind, why = DeniedError, "there is no profile of this name"
            item = self._settings.profile or os.environ.get("AWS_PROFILE")
            remedy = "Name a profile of the controller's AWS configuration in holdfast_repository.profile"
        elif isinstance(e, (x.NoCredentialsError, x.PartialCredentialsError)):
            kind, why = DeniedError, "no credentials were found"
            remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the machine a role"
        elif isinstance(e, (x.CredentialRetrievalError, x.SSOError, x.TokenRetrievalError, x.MetadataRetrievalError)):
            kind, why, remedy = DeniedError, "its credentials cannot be had", _CREDENTIALS
        elif isinstance(e, x.SSLError) and "certificate" in str(e).lower():
            kind, why = UnavailableError, "its certificate is not trusted"
            remedy = "Name the PEM file of its CA in holdfast_repository.aws_ca_bundle, or in AWS_CA_BUNDLE"
            return _FinalError(kind(f"{what}: {why}", item=item, remedy=remedy))
        elif isinstance(e, (x.ConnectTimeoutError, x.ReadTimeoutError)):
            kind, why, remedy = UnavailableError, "no answer in time", _LATER
        elif isinstance(e, x.ProxyConnectionError):
            kind, why, remedy = UnavailableError, "the proxy is not reached", "Look at HTTPS_PROXY and NO_PROXY"
        elif isinstance(e, x.EndpointConnectionError):
            kind, why, remedy = UnavailableError, "it is not reached", _LATER
        elif isinstance(e, (x.HTTPClientError, x.ConnectionError, x.IncompleteReadError)):
            # a server that refuses a large body early may close before its answer is read
            kind, why, remedy = UnavailableError, "the connection broke", _LATER
        elif isinstance(e, x.ResponseParserError):
            kind, why, remedy = UnavailableError, _NOT_S3, _LOOK
        return kind(f"{what}: {why}", item=item, remedy=remedy)

    def endpoints(self, bucket: str) -> tuple[str, ...]:
        """The URLs that are asked for a bucket, and for a role where one is assumed, as botocore makes them.

        Nothing is sent, and no credentials are looked for. Raises StoreError where botocore makes none.
        """
        session = _take_session(self._settings.profile)
        try:
            found = [_url_of(self._s3_maker(session)(**_NOBODY), "head_bucket", Bucket=bucket)]
            if self._settings.assume_role_arn is not None:
                found.append(_url_of(self._sts_maker(session)("sts", **_NOBODY), "get_caller_identity"))
        except botocore.exceptions.BotoCoreError as e:
            raise self._unanswered(e, "find out which endpoint is asked", None) from None
        return tuple(found)

    def _connected(self) -> t.Any:
        if self._client is None or self._pid != os.getpid():
            self._client = self._make()
            self._pid = os.getpid()
        return self._client

    def _make(self) -> t.Any:
        settings = self._settings
        session = _take_session(settings.profile)
        if settings.assume_role_arn is not None:
            session._credentials = self._assumed(session)  # botocore's own way for a role has no session name of ours
        return self._s3_maker(session)()

    def _s3_maker(self, session: t.Any) -> Callable[..., t.Any]:
        return functools.partial(
            session.create_client,
            "s3",
            endpoint_url=self._settings.endpoint_url,
            region_name=self._region(session),
            verify=self._verify(),
            config=_config(self._settings, self._user_agent()),
        )

    def _sts_maker(self, session: t.Any) -> Callable[..., t.Any]:
        return functools.partial(
            session.create_client,
            endpoint_url=self._settings.sts_endpoint_url or self._settings.endpoint_url,
            region_name=self._region(session) or "us-east-1",
            verify=self._verify(),
            config=_config(self._settings, self._user_agent()),
        )

    def _region(self, session: t.Any) -> str | None:
        """The region asked for or configured; any, where the server is not AWS."""
        region = self._settings.region or session.get_config_variable("region")
        return region or ("us-east-1" if self._settings.endpoint_url else None)

    def _verify(self) -> str | None:
        bundle = self._settings.aws_ca_bundle
        return None if bundle is None else str(Path(bundle).expanduser())

    def _assumed(self, session: t.Any) -> t.Any:
        settings = self._settings
        extra = {"RoleSessionName": self._session_name(), "DurationSeconds": _ROLE_SECONDS}
        if settings.external_id is not None:
            extra["ExternalId"] = settings.external_id
        source = session.get_credentials()
        if source is None:
            raise botocore.exceptions.NoCredentialsError
        fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
            client_creator=self._sts_maker(session),
            source_credentials=source,
            role_arn=settings.assume_role_arn,
            extra_args=extra,
        )
        return botocore.credentials.DeferredRefreshableCredentials(
            functools.partial(self._session_keys, fetcher.fetch_credentials), "assume-role"
        )

    def _session_keys(self, ask: Callable[[], t.Any]) -> t.Any:
        """Keys of the role's session: those that another worker of this run was given, while they are good for long."""
        source = [os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")]
        asked = repr((self._settings, self._session_name(), source))
        found = SESSIONS.find(asked)
        if found is not None:
            keys = json.loads(found)
            left = dt.datetime.fromisoformat(keys["expiry_time"]) - dt.datetime.now(dt.timezone.utc)
            # botocore asks for others 15 minutes before the end
            if left > _ROLE_MARGIN:
                return keys
        keys = ask()
        SESSIONS.leave(asked, json.dumps(keys).encode())
        return keys

    def _user_agent(self) -> str:
        return " ".join(f"{_token(label)}/{_token(text)}" for label, text in self._context.items() if text)

    def _session_name(self) -> str:
        """Of 2 to 64 characters, as STS wants it."""
        return "-".join(_token(text) for text in ("holdfast", *self._context.values()) if text)[:64]


def _url_of(client: t.Any, operation: str, **parameters: t.Any) -> str:
    """The URL of a call, which is stopped before anything is sent."""

    def stop(request: t.Any, **_more: t.Any) -> None:
        raise _AskedError(request.url)

    client.meta.events.register("before-send", stop)
    try:
        getattr(client, operation)(**parameters)
    except _AskedError as e:
        return str(e)
    raise AssertionError("a call is sent")


def _timestamp(text: t.Any) -> dt.datetime:
    """Read a date of S3, in XML or in a header; raises ValueError."""
    try:
        at = dt.datetime.fromisoformat(str(text))
    except ValueError:
        at = email.utils.parsedate_to_datetime(str(text))
    return at if at.tzinfo else at.replace(tzinfo=dt.timezone.utc)


def _token(text: str) -> str:
    return _TOKEN.sub("_", text)[:64]


def _config(settings: S3Settings, user_agent: str) -> t.Any:
    given = dict(settings.aws_config or {})
    # AWS by name; others have no DNS for it
    style = given.pop("addressing_style", "path" if settings.endpoint_url else "auto")
    return botocore.config.Config(
        **{"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, **given},
        # the inventory alone says where a repository is
        ignore_configured_endpoint_urls=True,
        # who asks more than is needed is refused by servers of before 2025
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # the body is part of what is signed: who alters it on the way is refused
        s3={"addressing_style": style, "payload_signing_enabled": True},
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent_extra=user_agent,
    )
