# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls to a Vault: the session, the token and its renewal, retries, and errors that say what to do.

The one file that imports hvac, and requests, on which it stands. What a server says is searched for signs and never
repeated: a batch that fails in part is answered with the plaintext of what did not, and hvac makes that the text of an
exception. So hvac judges no answer here, and no exception of these libraries is kept beside one of ours.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import time
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping

from ..errors import (
    DependencyMissingError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    ThrottledError,
    UnavailableError,
)
from .vault_settings import VaultSettings, url_fault

try:
    import hvac.adapters
    import requests
except ImportError:
    hvac = requests = None

_BACK_OFF_SECONDS, _LONGEST_WAIT = 0.2, 5.0
# a token that somebody gave may end soon: after so many seconds it is renewed, and by its answer from then on
_FIRST_RENEWAL = 60.0
# a token is renewed when this much of what it was given has passed
_SPENT = 2 / 3
# replication that has not caught up; too many; failed; a proxy that does not reach it; sealed or standing by
_AGAIN = frozenset({412, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403})
_OK = frozenset({200, 204})
# a standby node of a cluster answers with 307
_ELSEWHERE, _SAME_CALL = frozenset({301, 302, 303, 307, 308}), frozenset({307, 308})
_MOST_REDIRECTS = 3
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?=[/?#]|$)")

_LATER = "Run again; what was sealed is kept until then"
_RIGHT = "Give it the policy that docs/guide_vault.md has for its part, or run as one that has it; look too whether "
_LOGIN_REMEDIES: Mapping[str, str] = {
    "approle": "Look at role_id and secret id: a secret id ends by time or by use",
    "jwt": "Look at the role (role_id) and the JWT: its audience, its subject, and that it has not ended",
    "cert": "Look at the certificate (cert_auth_public_key), and that it has not ended",
    "userpass": "Look at username and password",
    "ldap": "Look at username and password",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a server answered to a call that it did not refuse to hear.

    :param status: of HTTP.
    :param data: what it gave.
    :param told: what it said of its errors, in one text: to search, not to show.
    """

    status: int
    data: Mapping[str, t.Any]
    told: str = dataclasses.field(default="", repr=False)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status in _OK


class _NoAnswerError(Exception):
    """Why there was none, and whether the same call may be answered a moment later."""

    def __init__(self, error: HoldfastError, *, again: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again


def require() -> None:
    """Raise DependencyMissingError where hvac is not installed on the controller."""
    if hvac is None:
        raise DependencyMissingError(
            "a keyring in Vault needs the Python library hvac",
            item="hvac",
            remedy="Install hvac, 2 or newer, beside ansible-core on the controller",
        )


class VaultClient:
    """One identity at one server. It logs in at its first call, and again, or renews, as its token ends.

    :param environ: where secrets are looked for.
    :param sleep: waits between two calls.
    :param monotonic: tells how long a token has been held.
    """

    def __init__(
        self,
        settings: VaultSettings,
        *,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._environ = os.environ if environ is None else environ
        self._sleep = sleep
        self._monotonic = monotonic
        self._adapter: t.Any = None
        self._pid = 0
        self._token = ""
        self._renew_at = float("inf")

    def __repr__(self) -> str:
        return f"VaultClient({self.settings.url!r})"

    @property
    def location(self) -> str:
        """The server, for people."""
        return self.settings.url

    def ask(self, method: str, path: str, body: Mapping[str, t.Any] | None = None, *, doing: str) -> Answer:
        """Make one call with this identity's token.

        A call that is not answered is made again, as often as the settings say: each that is made here does the same
        when it is done twice.

        :param path: below ``/v1/``.
        :param doing: what for, as it goes on after "Vault refuses to".
        :returns: an answer, also one that says that something is wrong with what was asked (400, 404, 405).
        :raises UnavailableError: no answer, a sealed server, or one that fails.
        :raises ThrottledError: it asks for fewer calls.
        :raises KeyMissingError: this identity lacks the right.
        :raises KeyringError: it is not let in, its token has ended, or what answers is no Vault.
        """
        self._log_in_as_needed()
        answer = self._patiently(method, path, body, doing)
        if answer.status not in _DENIED:
            return answer
        return self._refused(method, path, body, doing, answer)

    def _refused(self, method: str, path: str, body: Mapping[str, t.Any] | None, doing: str, answer: Answer) -> Answer:
        """Tell a token that has ended from a right that is missing; log in again once where that helps."""
        looked = self._patiently("get", "auth/token/lookup-self", None, "look up its token")
        if not looked.ok and self.settings.auth_method != "token":
            self._log_in()
            answer = self._patiently(method, path, body, doing)
            if answer.status not in _DENIED:
                return answer
        elif not looked.ok and "invalid token" in looked.told:
            raise KeyringError(
                "the token for Vault has expired or was revoked, or was never one of this server",
                item=self.location,
                remedy="Log in anew, with a token that outlasts the run, or use an auth_method that logs in by itself; "
                "nothing is lost: run again",
            )
        unsure = "" if looked.ok else ", or its token has ended and it may not look that up"
        raise KeyMissingError(
            f"Vault refuses to {doing}: this identity has no right to that{unsure}",
            item=f"{self.location} {path}",
            remedy=f"{_RIGHT}Transit is mounted at {self.settings.engine} (engine_mount_point)",
        )

    def _log_in_as_needed(self) -> None:
        if self._adapter is None or self._pid != os.getpid():
            self._connect()
            self._token = ""
        if not self._token:
            self._log_in()
        elif self._monotonic() >= self._renew_at:
            self._renew()

    def _connect(self) -> None:
        require()
        settings = self.settings
        verify: bool | str = settings.validate_certs
        if settings.validate_certs and settings.ca_cert is not None:
            verify = os.path.expanduser(settings.ca_cert)
        # hvac.Client would look for a token and a server by itself
        self._adapter = hvac.adapters.RawAdapter(
            base_uri=settings.url,
            cert=settings.certificate(),
            verify=verify,
            timeout=settings.timeout,
            namespace=settings.namespace,
            ignore_exceptions=True,
            # requests would take token, secret id and body along to wherever it is told
            allow_redirects=False,
        )
        self._pid = os.getpid()

    def _log_in(self) -> None:
        settings = self.settings
        secret = settings.secret(self._environ)
        self._token = ""
        if settings.auth_method == "token":
            self._hold(secret, None)
            return
        path, body = self._login(secret)
        answer = self._patiently("post", f"auth/{settings.auth_path}/{path}", body, "log in")
        auth = answer.data.get("auth")
        if answer.ok and isinstance(auth, Mapping) and isinstance(auth.get("client_token"), str):
            self._hold(auth["client_token"], auth.get("lease_duration"))
            return
        method = f"auth method {settings.auth_method} at {settings.auth_path}"
        if answer.status == 404:
            raise KeyringError(
                f"Vault has no {method}",
                item=self.location,
                remedy="Set mount_point to where vault auth list shows it, or enable it",
            )
        why = "wants more than one factor of" if answer.ok else "does not let in"
        raise KeyringError(
            f"Vault {why} this identity by {method}",
            item=self.location,
            remedy=f"{_LOGIN_REMEDIES[settings.auth_method]}; and at mount_point",
        )

    def _login(self, secret: str) -> tuple[str, Mapping[str, str]]:
        """The path of a login below its method, and what is sent there."""
        settings = self.settings
        method = settings.auth_method
        if method == "approle":
            return "login", {"role_id": settings.role_id or "", "secret_id": secret}
        if method == "jwt":
            return "login", {"role": settings.role_id or "", "jwt": secret}
        if method == "cert":
            return "login", {"name": settings.role_id} if settings.role_id else {}
        return f"login/{settings.username}", {"password": secret}

    def _hold(self, token: str, lease: t.Any) -> None:
        """Use a token from now on.

        :param lease: for how many seconds it was given; None where nobody has said, nothing where it does not end.
        """
        self._token = token
        if lease is None:
            after = _FIRST_RENEWAL
        elif isinstance(lease, (int, float)) and lease > 0:
            after = lease * _SPENT
        else:
            after = float("inf")
        self._renew_at = self._monotonic() + after

    def _renew(self) -> None:
        """Let the token last longer; where it cannot, log in again if that takes nobody."""
        answer = self._patiently("post", "auth/token/renew-self", {}, "renew its token")
        auth = answer.data.get("auth")
        if answer.ok and isinstance(auth, Mapping):
            held = auth.get("lease_duration")
            # at the end of what it may last a renewal gives little, and less each time
            if self.settings.auth_method == "token" or (isinstance(held, (int, float)) and held >= _FIRST_RENEWAL):
                self._hold(self._token, held)
                return
        if self.settings.auth_method == "token":
            # it cannot be renewed: the call itself will tell whether it has ended
            self._renew_at = float("inf")
            return
        self._log_in()

    def _patiently(self, method: str, path: str, body: Mapping[str, t.Any] | None, doing: str) -> Answer:
        attempt = 0
        while True:
            try:
                return self._once(method, path, body, doing)
            except _NoAnswerError as e:
                failure = e
            attempt += 1
            if not failure.again or attempt > self.settings.retries:
                # outside of the handler, so that nothing of a library's own stays beside it
                raise failure.error
            self._sleep(min(_BACK_OFF_SECONDS * 2**attempt, _LONGEST_WAIT) * random.random())  # noqa: S311

    def _once(self, method: str, path: str, body: Mapping[str, t.Any] | None, doing: str) -> Answer:
        base = self.settings.url
        for _time in range(_MOST_REDIRECTS + 1):
            status, content, location = self._sent(base, method, path, body, doing)
            if status not in _ELSEWHERE:
                return self._judged(_read(status, content), doing)
            following = _base_of(location, path)
            if status not in _SAME_CALL or not _may_follow(self.settings.url, following):
                break
            base = following
        raise _NoAnswerError(self._redirected(location, doing), again=False)

    def _redirected(self, location: str, doing: str) -> KeyringError:
        origin = _ORIGIN.match(location)
        return KeyringError(
            f"cannot {doing} at {self.location}: it redirects to {origin[0] if origin else 'somewhere else'}, and "
            "secrets do not follow to another host, nor unencrypted",
            item=self.location,
            remedy="A standby node redirects to the active one: set url to that one's https address (api_addr in its "
            "configuration), or to a load balancer before all nodes",
        )

    def _sent(
        self, base: str, method: str, path: str, body: Mapping[str, t.Any] | None, doing: str
    ) -> tuple[int, bytes, str]:
        """Status, content and where it redirects to."""
        self._adapter.base_uri = base
        self._adapter.token = self._token or None
        reason = ""
        try:
            response = self._adapter.request(method, f"/v1/{path}", json=body, raise_exception=False)
            return response.status_code, response.content, str(response.headers.get("Location", ""))
        except requests.exceptions.SSLError:
            reason = "tls"
        except requests.exceptions.Timeout:
            reason = "late"
        except requests.exceptions.ProxyError:
            reason = "proxy"
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
            reason = "connection"
        except (requests.exceptions.RequestException, OSError, ValueError) as e:
            # a CA file that is not there is an OSError; what else requests does not like may be in its text
            reason = type(e).__name__
        raise self._unreached(reason, doing)

    def _unreached(self, reason: str, doing: str) -> _NoAnswerError:
        what = f"cannot {doing} at {self.location}"
        if reason == "tls":
            error = UnavailableError(
                f"{what}: its certificate is not trusted, or it trusts none of ours",
                item=self.location,
                remedy="Name the PEM file of its CA in ca_cert of the keyring, or in VAULT_CACERT",
            )
            return _NoAnswerError(error, again=False)
        known = {
            "late": ("no answer in time", "Run again; where it is slow always, raise timeout"),
            "proxy": ("the proxy is not reached", "Look at HTTPS_PROXY and NO_PROXY"),
            "connection": ("it is not reached", _LATER),
        }
        if reason in known:
            why, remedy = known[reason]
            return _NoAnswerError(UnavailableError(f"{what}: {why}", item=self.location, remedy=remedy), again=True)
        failed = KeyringError(
            f"{what}: {reason}", item=self.location, remedy="Look at the settings of the keyring: files, url, secrets"
        )
        return _NoAnswerError(failed, again=False)

    def _judged(self, answer: Answer | None, doing: str) -> Answer:
        """Return what says something of what was asked; raise where a later call may be answered otherwise."""
        what = f"cannot {doing} at {self.location}"
        if answer is None:
            odd = KeyringError(
                f"{what}: its answer is none of Vault",
                item=self.location,
                remedy="Look at what answers there: a proxy, or another service",
            )
            raise _NoAnswerError(odd, again=False)
        # a batch of which every item fails is answered with 500, and says why of each
        if answer.status not in _AGAIN or "batch_results" in answer.data:
            return answer
        if answer.status == 429:
            busy = ThrottledError(
                f"{what}: it asks for fewer calls", item=self.location, remedy="Run again, with fewer forks"
            )
            raise _NoAnswerError(busy, again=True)
        if answer.status == 503 and "sealed" in answer.told:
            why, remedy = "it is sealed", f"Unseal it (vault operator unseal). {_LATER}"
        else:
            why = f"it fails ({answer.status})"
            remedy = f"Look into its log; it fails too when no audit device takes what it writes. {_LATER}"
        raise _NoAnswerError(UnavailableError(f"{what}: {why}", item=self.location, remedy=remedy), again=True)


def _base_of(location: str, path: str) -> str:
    """The server that the same call is to be made at; empty where it is another call."""
    base, slash, rest = location.rpartition(f"/v1/{path}")
    return base if slash and not rest else ""


def _may_follow(url: str, base: str) -> bool:
    """Whether a server is the one that *url* names, at another port or path, and no less protected."""
    if url_fault(base):
        return False
    return urllib.parse.urlsplit(base).hostname == urllib.parse.urlsplit(url).hostname


def _read(status: int, content: bytes) -> Answer | None:
    """Read an answer; None where it is none of Vault."""
    if not content.strip():
        return Answer(status, {})
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        # what stands before a server answers for it in its own words
        return Answer(status, {}) if status in _AGAIN else None
    if not isinstance(document, dict):
        return None
    errors = document.get("errors")
    told = " ".join(str(one) for one in errors) if isinstance(errors, list) else ""
    data = document.get("data")
    data = data if isinstance(data, dict) else {}
    return Answer(status, {**data, "auth": document.get("auth")}, told)
