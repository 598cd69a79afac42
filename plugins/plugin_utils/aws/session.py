# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of one service: session, credentials, assumed roles, proxies, CA, timeouts, and why there was no answer.

The one file that imports botocore. boto3 adds nothing that is needed here, and costs a controller 0.1 s more.
Configuration, and what each setting is for: docs/adr/0016-s3-store.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import enum
import functools
import json
import os
import re
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import DependencyMissingError
from .handover import SESSIONS
from .settings import AwsSettings

try:
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError:
    botocore = None

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
LATER = "Run again; what was sealed is kept until then"
CREDENTIALS = "Look at the credentials: environment, profile, role, and that they have not expired"

#: Codes by which services say that an identity has no right, that its credentials have ended, that they are not
#: accepted, and that fewer requests are wanted.
DENIED = "AccessDenied AllAccessDisabled AccessDeniedException AccountProblem NotSignedUp"
EXPIRED = "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired"
UNKNOWN = (
    "InvalidAccessKeyId InvalidClientTokenId InvalidToken InvalidTokenId InvalidSecurity SignatureDoesNotMatch "
    "UnrecognizedClientException"
)
BUSY = (
    "SlowDown ServiceUnavailable Throttling ThrottlingException RequestLimitExceeded TooManyRequests RequestThrottled"
)

_ROLE_SECONDS = 3600
_ROLE_MARGIN = dt.timedelta(minutes=20)
_TOKEN = re.compile(r"[^A-Za-z0-9._-]+")
_LOOK = "Look at what answers there: a proxy, or another service"
_NOBODY: Mapping[str, str] = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}

# botocore's loader, with the models of these services once they are read, and a session that nobody uses yet: what
# costs most
_loader: t.Any = None
_read: set[str] = set()
_spare: t.Any = None


class Fault(enum.Enum):
    """What kind of fault has kept a call from being answered."""

    DENIED = "credentials"
    UNAVAILABLE = "the way there"
    UNTRUSTED = "a certificate"
    FOREIGN = "what answers"
    UNUSABLE = "settings"


class NoAnswerError(Exception):
    """Why there was none, in other words than botocore's: those may hold a URL, or a proxy's password.

    :param why: to follow a colon.
    :param item: what it is about, where it is not what was asked for.
    """

    def __init__(self, fault: Fault, why: str, remedy: str, *, item: str | None = None) -> None:
        super().__init__(why)
        self.fault = fault
        self.why = why
        self.remedy = remedy
        self.item = item


class _AskedError(Exception):
    """Carries the URL of a call that is not made."""


class _ForeignError(Exception):
    """What answers has made botocore stumble."""


def require(what: str) -> None:
    """Raise DependencyMissingError where botocore is not installed on the controller.

    :param what: what needs it, as a sentence begins.
    """
    if botocore is None:
        raise DependencyMissingError(
            f"{what} needs the Python library botocore",
            item="botocore",
            remedy="Install boto3 or botocore, 1.36 or newer, beside ansible-core on the controller",
        )


def load_ahead(service: str) -> None:
    """Load botocore and its model of a service, once a process: what is forked from this one needs 0.2 s less.

    It opens no connection, and reads neither credentials nor configuration that a client is made of.
    """
    global _loader, _spare  # noqa: PLW0603
    if botocore is None or (_spare is not None and service in _read):
        return
    if service not in _read:
        session = _session()
        # its profile may not exist, which is for the one to say who uses it
        with contextlib.suppress(botocore.exceptions.BotoCoreError):
            session.create_client(service, region_name="us-east-1", config=_config(AwsSettings(), "", {}), **_NOBODY)
        _loader = session.get_component("data_loader")
        _read.add(service)
    if _spare is None:
        _spare = _session()
        # botocore's own guesses what a date may mean, which is half of the time that a long listing takes
        _spare.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)


def _session() -> t.Any:
    session = botocore.session.Session()
    if _loader is not None:
        session.register_component("data_loader", _loader)
    return session


def _take_session(service: str, profile: str | None) -> t.Any:
    """Return a session that nobody else has."""
    global _spare
    load_ahead(service)
    session, _spare = _spare, None
    if profile is not None:
        session.set_config_variable("profile", profile)
    return session


class Session:
    """What one process asks one service with. Its client is made at the first call, and again after a fork: a
    connection is never shared by two processes.

    :param service: botocore's name of it; ``s3`` or ``kms``.
    :param named: what people call it.
    :param context: what the server's own log shall name this by: label to text, such as run and change id.
    :param own: of botocore's configuration what this service needs.
    """

    def __init__(
        self,
        service: str,
        settings: AwsSettings,
        *,
        named: str,
        context: Mapping[str, str],
        own: Mapping[str, t.Any],
    ) -> None:
        self._service = service
        self._settings = settings
        self._named = named
        self._context = context
        self._own = own
        self._client: t.Any = None
        self._pid = 0

    def ask(self, operation: str, parameters: Mapping[str, t.Any], *, body: bool = False) -> Mapping[str, t.Any]:
        """Make one call, and return what botocore parsed of the answer, also of one that refuses.

        :param operation: botocore's name of it, ``head_object``.
        :param body: read the answer's body whole, into ``Body``.
        :raises NoAnswerError: there was none, or what answers is another service.
        """
        return t.cast(
            "Mapping[str, t.Any]",
            self._asked(lambda: self._answer(getattr(self._connected(), operation), body, parameters)),
        )

    def assume(self, *, name: str, seconds: int) -> Mapping[str, t.Any]:
        """Ask for keys of the role that the settings name, and return what botocore parsed of the answer.

        :param name: what the server's log shall name the session by, beside ``holdfast``.
        :param seconds: how long the keys are to be good.
        :raises NoAnswerError: there was none.
        """

        def ask() -> t.Any:
            session = _take_session(self._service, self._settings.profile)
            extra = {} if self._settings.external_id is None else {"ExternalId": self._settings.external_id}
            parameters = {
                "RoleArn": self._settings.assume_role_arn,
                "RoleSessionName": f"holdfast-{_token(name)}"[:64],
                "DurationSeconds": seconds,
                **extra,
            }
            try:
                return self._sts_maker(session)("sts").assume_role(**parameters)
            except botocore.exceptions.ClientError as e:
                return e.response
            except (botocore.exceptions.BotoCoreError, OSError, MemoryError):
                raise
            except Exception as e:  # noqa: BLE001
                # as of any answer: what is no XML, or no date, is none of its own errors
                raise _ForeignError(type(e).__name__) from None

        return t.cast("Mapping[str, t.Any]", self._asked(ask))

    def _asked(self, ask: Callable[[], t.Any]) -> t.Any:
        failure: NoAnswerError
        try:
            return ask()
        except botocore.exceptions.BotoCoreError as e:
            failure = self._unanswered(e)
        except _ForeignError as e:
            failure = NoAnswerError(Fault.FOREIGN, f"{self._foreign} ({e})", _LOOK)
        # outside of the handler: what botocore says may hold what was asked and answered
        raise failure

    @property
    def _foreign(self) -> str:
        return f"its answer is none of {self._named}"

    @property
    def _later(self) -> str:
        """What to do about no answer: the endpoint, where one is named, may be another than was meant."""
        if (url := self._settings.endpoint_url) is None:
            return LATER
        return f"Look whether {url} ({self._settings.place}.endpoint_url) is right and up. {LATER}"

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
            # botocore believes that what answers is its service: another date is a RuntimeError
            raise _ForeignError(type(e).__name__) from None
        return parsed

    def _unanswered(self, e: Exception) -> NoAnswerError:
        x = botocore.exceptions
        place = self._settings.place
        if isinstance(e, x.ProfileNotFound):
            return NoAnswerError(
                Fault.DENIED,
                "there is no profile of this name",
                f"Name a profile of the controller's AWS configuration in {place}.profile",
                item=self._settings.profile or os.environ.get("AWS_PROFILE"),
            )
        if isinstance(e, (x.NoCredentialsError, x.PartialCredentialsError)):
            return NoAnswerError(
                Fault.DENIED,
                "no credentials were found",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the machine a role",
            )
        if isinstance(e, (x.CredentialRetrievalError, x.SSOError, x.TokenRetrievalError, x.MetadataRetrievalError)):
            return NoAnswerError(Fault.DENIED, "its credentials cannot be had", CREDENTIALS)
        if isinstance(e, x.SSLError) and "certificate" in str(e).lower():
            return NoAnswerError(
                Fault.UNTRUSTED,
                "its certificate is not trusted",
                f"Name the PEM file of its CA in {place}.aws_ca_bundle, or in AWS_CA_BUNDLE",
            )
        if isinstance(e, (x.ConnectTimeoutError, x.ReadTimeoutError)):
            return NoAnswerError(Fault.UNAVAILABLE, "no answer in time", self._later)
        if isinstance(e, x.ProxyConnectionError):
            return NoAnswerError(Fault.UNAVAILABLE, "the proxy is not reached", "Look at HTTPS_PROXY and NO_PROXY")
        if isinstance(e, x.EndpointConnectionError):
            return NoAnswerError(Fault.UNAVAILABLE, "it is not reached", self._later)
        if isinstance(e, (x.HTTPClientError, x.ConnectionError, x.IncompleteReadError)):
            # a server that refuses a large body early may close before its answer is read
            return NoAnswerError(Fault.UNAVAILABLE, "the connection broke", self._later)
        if isinstance(e, x.ResponseParserError):
            return NoAnswerError(Fault.UNAVAILABLE, self._foreign, _LOOK)
        return NoAnswerError(Fault.UNUSABLE, type(e).__name__, f"Look at the settings in {place}")

    def urls(self, operation: str, **parameters: t.Any) -> tuple[str, ...]:
        """The URL of a call, and the one that is asked for a role where one is assumed, as botocore makes them.

        Nothing is sent, and no credentials are looked for. Raises NoAnswerError where botocore makes none.
        """
        failure: NoAnswerError
        try:
            session = _take_session(self._service, self._settings.profile)
            found = [_url_of(self._maker(session)(**_NOBODY), operation, **parameters)]
            if self._settings.assume_role_arn is not None:
                found.append(_url_of(self._sts_maker(session)("sts", **_NOBODY), "get_caller_identity"))
            return tuple(found)
        except botocore.exceptions.BotoCoreError as e:
            failure = self._unanswered(e)
        raise failure

    def _connected(self) -> t.Any:
        if self._client is None or self._pid != os.getpid():
            self._client = self._make()
            self._pid = os.getpid()
        return self._client

    def _make(self) -> t.Any:
        session = _take_session(self._service, self._settings.profile)
        if self._settings.assume_role_arn is not None:
            session._credentials = self._assumed(session)  # botocore's own way for a role has no session name of ours
        client = self._maker(session)()
        client.meta.events.register("before-call.s3.HeadBucket", _answered_as_it_is)
        return client

    def _maker(self, session: t.Any) -> Callable[..., t.Any]:
        return functools.partial(
            session.create_client,
            self._service,
            endpoint_url=self._settings.endpoint_url,
            region_name=self._region(session),
            verify=self._verify(),
            config=_config(self._settings, self._user_agent(), self._own),
        )

    def _sts_maker(self, session: t.Any) -> Callable[..., t.Any]:
        return functools.partial(
            session.create_client,
            endpoint_url=self._settings.sts_endpoint_url or self._settings.endpoint_url,
            region_name=self._region(session) or "us-east-1",
            verify=self._verify(),
            config=_config(self._settings, self._user_agent(), self._own),
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
        left_behind = SESSIONS[self._service]
        found = left_behind.find(asked)
        if found is not None:
            keys = json.loads(found)
            left = dt.datetime.fromisoformat(keys["expiry_time"]) - dt.datetime.now(dt.timezone.utc)
            # botocore asks for others 15 minutes before the end
            if left > _ROLE_MARGIN:
                return keys
        keys = ask()
        left_behind.leave(asked, json.dumps(keys).encode())
        return keys

    def _user_agent(self) -> str:
        return " ".join(f"{_token(label)}/{_token(text)}" for label, text in self._context.items() if text)

    def _session_name(self) -> str:
        """Of 2 to 64 characters, as STS wants it."""
        return "-".join(_token(text) for text in ("holdfast", *self._context.values()) if text)[:64]


def _answered_as_it_is(params: t.Any, **_more: t.Any) -> None:
    """Have botocore follow no redirect of its question for a bucket's region.

    It asks that wherever a call is redirected, and asks again where the question is, as deep as Python's stack goes.
    """
    params["context"]["s3_redirect"]["redirected"] = True


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


def _timestamp(value: t.Any) -> dt.datetime:
    """Read a date of S3, in XML or in a header, or of what speaks JSON, seconds since 1970; raises ValueError."""
    if isinstance(value, (int, float)):
        return dt.datetime.fromtimestamp(value, dt.timezone.utc)
    try:
        at = dt.datetime.fromisoformat(str(value))
    except ValueError:
        at = email.utils.parsedate_to_datetime(str(value))
    return at if at.tzinfo else at.replace(tzinfo=dt.timezone.utc)


def _token(text: str) -> str:
    return _TOKEN.sub("_", text)[:64]


def _config(settings: AwsSettings, user_agent: str, own: Mapping[str, t.Any]) -> t.Any:
    given = {name: value for name, value in (settings.aws_config or {}).items() if name in AwsSettings.known}
    return botocore.config.Config(
        **{"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, **given},
        # the inventory alone says where a repository is
        ignore_configured_endpoint_urls=True,
        user_agent_extra=user_agent,
        **own,
    )
