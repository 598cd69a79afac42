# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import traceback
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    HoldfastError,
    KeyMissingError,
    KeyringError,
    PolicyError,
    ThrottledError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import (
    connect,
    key_sets,
    oaep,
    vault,
    vault_client,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import HMAC_SHA256, RSA_OAEP_SHA256, Renewal
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_client import VaultClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_settings import VaultSettings
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, DigestKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fake_vault import Answer, Answers, FakeVault, fake_vault
from .test_oaep import PUBLIC

PACKAGE = "ansible_collections.holdfast.config.plugins.plugin_utils"
TOKEN = "hvs.T0KEN-of-tests"
SECRET = "AGE-SECRET-KEY-1OFTESTS"
PEM = f"-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n"
WRAP = ClassYearKey("d0030", 2026, RSA_OAEP_SHA256, PUBLIC)
# as long as what is wrapped under that key
WRAPPED = bytes(256)
DIGEST = DigestKey(f"{1:016x}", HMAC_SHA256)
ERRORS: dict[str, list[str]] = {"errors": []}


def keyring_of(
    url: str, *, slept: list[float] | None = None, path: Path | None = None, **more: t.Any
) -> vault.VaultKeyring:
    """A keyring at that server, by a token; it does not wait, and notes how long it would have.

    :param path: the owner's folder.
    """
    environ = more.pop("environ", {"VAULT_TOKEN": TOKEN})
    told = VaultSettings.read({"url": url, **more}, environ)
    client = VaultClient(told, environ=environ, sleep=([] if slept is None else slept).append)
    return vault.VaultKeyring(lambda: client, repository="prod", mount="transit", path=path)


def everything(error: BaseException) -> str:
    """All that anybody could print of an error and of those behind it."""
    found = traceback.format_exception(error)
    seen: BaseException | None = error
    while seen is not None:
        found += [repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "".join(found)


def always(status: int, said: t.Any = None) -> Answers:
    """The same answer to everything."""
    return lambda _method, _path, _body: (status, ERRORS if said is None else said)


def of_path(answers: dict[str, Answer]) -> Answers:
    """An answer by the beginning of the path, and nothing found for any other."""

    def answer(_method: str, path: str, _body: t.Any) -> Answer:
        return next((one for begin, one in answers.items() if path.startswith(begin)), (404, ERRORS))

    return answer


# what is tried again, and what it comes to


@pytest.mark.parametrize(
    ("answers", "kind", "says", "calls"),
    [
        (always(500), UnavailableError, r"it fails \(500\)", 4),
        (always(502, b"<html>"), UnavailableError, r"it fails \(502\)", 4),
        (always(504, b""), UnavailableError, r"it fails \(504\)", 4),
        (always(412), UnavailableError, r"it fails \(412\)", 4),
        (always(503, {"errors": ["Vault is sealed"]}), UnavailableError, "it is sealed", 4),
        (always(429), ThrottledError, "fewer calls", 4),
        (lambda *_all: None, UnavailableError, "it is not reached", 4),
        (always(200, b"<html>hello"), KeyringError, "none of Vault", 1),
        (always(200, []), KeyringError, "none of Vault", 1),
        (always(400), KeyringError, r"does not take the call \(400\)", 1),
        (always(418), KeyringError, r"does not take the call \(418\)", 1),
        (always(404), KeyMissingError, "no such key", 1),
        (always(404, {"errors": ['no handler for route "x"']}), KeyringError, "no Transit engine", 1),
        (always(400, {"errors": ["encryption key not found"]}), KeyMissingError, "no such key", 1),
        (always(400, {"errors": ["no such key version"]}), KeyMissingError, "retired", 1),
    ],
)
def test_an_answer_that_is_none(answers: Answers, kind: type[HoldfastError], says: str, calls: int) -> None:
    slept: list[float] = []
    with fake_vault(answers) as fake, pytest.raises(HoldfastError, match=says) as caught:
        keyring_of(fake.url, slept=slept).digest_key(DIGEST, repository="prod")
    assert caught.value.__class__ is kind
    assert caught.value.remedy
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert len(fake.asked) == calls
    assert len(slept) == calls - 1
    assert all(0 <= seconds <= 5 for seconds in slept)
    assert TOKEN not in everything(caught.value)


def test_a_server_that_answers_at_last() -> None:
    left = [(500, ERRORS), None, (503, {"errors": ["Vault is sealed"]})]

    def answers(*_all: t.Any) -> Answer:
        return left.pop(0) if left else (200, {"data": {"hmac": f"vault:v1:{'A' * 43}="}})

    with fake_vault(answers) as fake:
        assert keyring_of(fake.url).digest_key(DIGEST, repository="prod") == bytes(32)
        assert len(fake.asked) == 4
        assert {token for *_rest, token in fake.asked} == {TOKEN}


def test_retries_are_as_many_as_was_said() -> None:
    with fake_vault(always(500)) as fake, pytest.raises(UnavailableError):
        keyring_of(fake.url, retries=0).digest_key(DIGEST, repository="prod")
    assert len(fake.asked) == 1


def test_a_port_where_nobody_listens() -> None:
    with fake_vault(always(500)) as fake:
        url = fake.url
    with pytest.raises(UnavailableError, match="not reached"):
        keyring_of(url, retries=0).digest_key(DIGEST, repository="prod")


def test_a_secret_that_cannot_be_a_header_is_not_repeated() -> None:
    with fake_vault(always(500)) as fake:
        client = VaultClient(VaultSettings(fake.url), environ={"VAULT_TOKEN": f"{TOKEN}\nX: y"})
        with pytest.raises(KeyringError) as caught:
            client.ask("get", "x", doing="look")
        # as though it had come through all the same
        client._log_in = lambda: setattr(client, "_token", f"{TOKEN}\nX: y")  # type: ignore[method-assign]
        with pytest.raises(KeyringError) as late:
            client.ask("get", "x", doing="look")
    assert TOKEN not in everything(caught.value) + everything(late.value)
    assert not fake.asked


# redirects


def to(status: int, base: str) -> Answers:
    """A node that sends everybody to another one."""
    return lambda _method, path, _body: (status, {"Location": f"{base}/v1/{path}"})


LOGIN: dict[str, t.Any] = {"auth_method": "approle", "role_id": "r", "environ": {"HASHI_VAULT_SECRET_ID": SECRET}}


@pytest.mark.parametrize("more", [{}, LOGIN], ids=["token", "login"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_secret_follows_a_redirect_to_another_host(status: int, more: dict[str, t.Any]) -> None:
    with fake_vault(always(200)) as other, fake_vault(always(500)) as fake:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        fake.answers = to(status, elsewhere)
        with pytest.raises(KeyringError, match=f"it redirects to {elsewhere}, and") as caught:
            keyring_of(fake.url, **more).digest_key(DIGEST, repository="prod")
        assert other.asked == []
        assert len(fake.asked) == 1
    assert "set url" in (caught.value.remedy or "")
    assert "load balancer" in (caught.value.remedy or "")
    assert TOKEN not in everything(caught.value)
    assert SECRET[15:] not in everything(caught.value)


def test_a_redirect_to_the_same_host_is_followed() -> None:
    found = {"data": {"hmac": f"vault:v1:{'A' * 43}="}}
    for status in (307, 308):
        with fake_vault(always(200, found)) as active, fake_vault(to(status, active.url)) as standby:
            assert keyring_of(standby.url).digest_key(DIGEST, repository="prod") == bytes(32)
            assert active.asked == standby.asked
            assert active.asked[0][3] == TOKEN


def test_a_redirect_that_goes_round_comes_to_an_end() -> None:
    with fake_vault(always(500)) as fake:
        fake.answers = to(307, fake.url)
        with pytest.raises(KeyringError, match="it redirects to"):
            keyring_of(fake.url).digest_key(DIGEST, repository="prod")
        assert len(fake.asked) == 4


@pytest.mark.parametrize(
    "location",
    ["", "//", "/v1/sys/x", "https://user@127.0.0.1/v1/{}", "ftp://127.0.0.1/v1/{}", "http://évil/v1/{}"],
)
def test_where_a_redirect_leads_is_not_believed(location: str) -> None:
    def answers(_method: str, path: str, _body: t.Any) -> Answer:
        return 307, {"Location": location.format(path).encode().decode("latin-1")}

    with fake_vault(answers) as fake, pytest.raises(KeyringError, match="it redirects to somewhere else") as caught:
        keyring_of(fake.url).digest_key(DIGEST, repository="prod")
    assert len(fake.asked) == 1
    assert caught.value.__context__ is None


def test_a_redirect_to_what_is_no_url() -> None:
    with fake_vault(lambda *_all: (307, {"Location": "https://["})) as fake, pytest.raises(KeyringError) as caught:
        keyring_of(fake.url).digest_key(DIGEST, repository="prod")
    assert caught.value.__context__ is None


# what would leak


def test_a_batch_that_is_refused_as_a_whole_leaks_nothing() -> None:
    """Vault of old answers 400 to a batch that fails in part, with the plaintext of what did not."""
    plaintext = base64.b64encode(SECRET.encode()).decode()
    batch = {"batch_results": [{"plaintext": plaintext}, {"error": "cipher: message authentication failed"}]}
    said = {"data": batch, "errors": [plaintext, SECRET]}
    for status in (400, 500, 200):
        answers = of_path({"transit/keys": (200, {"data": {"keys": {"1": {"public_key": PEM}}}}), "": (status, said)})
        with fake_vault(answers) as fake:
            found = keyring_of(fake.url).unwrap_all(WRAP, [WRAPPED, WRAPPED])
            (sent,) = [body for _method, path, body, _token in fake.asked if "decrypt" in path]
        assert sent["partial_failure_response_code"] == 200
        assert [type(each) for each in found][1] is WrongKeyError
        for each in found:
            assert isinstance(each, HoldfastError)
            assert SECRET[15:] not in everything(each)
            assert plaintext not in everything(each)


def test_what_has_not_the_length_of_its_key_is_not_sent_with_the_others() -> None:
    """Of one of megabytes the server says 500 to the whole, and nobody learns which pack it is."""
    plaintext = base64.b64encode(SECRET.encode()).decode()
    said = {"keys": {"1": {"public_key": PEM}}, "batch_results": [{"plaintext": plaintext}] * 2}
    wrong = [b"", WRAPPED[1:], WRAPPED + b"x", bytes(4096)]
    with answering(said) as fake:
        found = keyring_of(fake.url).unwrap_all(WRAP, [*wrong[:2], WRAPPED, *wrong[2:], WRAPPED])
        (sent,) = [body for _method, path, body, _token in fake.asked if "decrypt" in path]
    assert len(sent["batch_input"]) == 2
    assert [isinstance(one, WrongKeyError) for one in found] == [True, True, False, True, True, False]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 503])
def test_no_refusal_repeats_what_the_server_said(status: int) -> None:
    said = {"errors": [f"{SECRET} {TOKEN}"], "data": {"plaintext": SECRET}}
    with fake_vault(always(status, said)) as fake:
        keyring = keyring_of(fake.url, retries=0)
        calls: list[Callable[[], object]] = [
            lambda: keyring.digest_key(DIGEST, repository="prod"),
            lambda: keyring.signer(use="point", among=()),
            lambda: keyring.unwrap(WRAP, WRAPPED),
        ]
        for call in calls:
            with pytest.raises(HoldfastError) as caught:
                call()
            told = everything(caught.value)
            assert SECRET[15:] not in told
            assert TOKEN not in told


def test_a_login_that_is_refused_repeats_no_secret() -> None:
    more: dict[str, t.Any] = {"auth_method": "approle", "role_id": "r", "environ": {"HASHI_VAULT_SECRET_ID": SECRET}}
    for answers in (always(400, {"errors": [SECRET]}), always(200, {"auth": {"mfa_requirement": {"x": SECRET}}})):
        with fake_vault(answers) as fake, pytest.raises(KeyringError, match="approle") as caught:
            keyring_of(fake.url, **more).digest_key(DIGEST, repository="prod")
        assert SECRET[15:] not in everything(caught.value)
        assert fake.paths == ["auth/approle/login"]
        assert fake.asked[0][2] == {"role_id": "r", "secret_id": SECRET}


def test_ldap_and_namespaces_are_asked_for_as_vault_wants_it() -> None:
    """Neither was tried on a server."""
    answers = of_path({"auth/ldap/login/job": (200, {"auth": {"client_token": "hvs.x", "lease_duration": 60}})})
    more: dict[str, t.Any] = {"auth_method": "ldap", "username": "job", "environ": {"HASHI_VAULT_PASSWORD": "p"}}
    with fake_vault(answers) as fake, pytest.raises(KeyMissingError):
        keyring_of(fake.url, namespace="team", **more).signer(use="point", among=())
    assert fake.asked[0][1:3] == ("auth/ldap/login/job", {"password": "p"})
    assert fake.asked[1][3] == "hvs.x"


# answers to believe nothing of


@contextlib.contextmanager
def answering(said: t.Any) -> Iterator[FakeVault]:
    with fake_vault(always(200, {"data": said})) as fake:
        yield fake


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["keys", "1", "public_key", "latest_version", "type", "hmac", "signature", "batch_results", "plaintext"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=JSON | st.binary(max_size=60))
def test_no_answer_breaks_a_keyring(hostile: FakeVault, said: t.Any) -> None:
    document = said if isinstance(said, bytes) else json.dumps({"data": said}).encode()
    hostile.answers = lambda *_all: (200, document)
    keyring = keyring_of(hostile.url)
    calls: list[Callable[[], object]] = [
        lambda: keyring.digest_key(DIGEST, repository="prod"),
        lambda: keyring.signer(use="point", among=()),
        lambda: keyring.sign(b"x", use="point", key_id="0" * 16),
        lambda: keyring.unwrap(WRAP, WRAPPED),
    ]
    for call in calls:
        with pytest.raises(HoldfastError):
            call()


@pytest.fixture(scope="module")
def hostile() -> Iterator[FakeVault]:
    with fake_vault(always(200)) as fake:
        yield fake


@pytest.mark.parametrize("value", [f"vault:v2:{'A' * 43}=", "vault:v1:AAAA", "vault:v1:€", "A" * 44, None, 7])
def test_an_hmac_that_is_none_of_that_version(value: t.Any) -> None:
    with answering({"hmac": value}) as fake, pytest.raises(KeyringError, match="no HMAC"):
        keyring_of(fake.url).digest_key(DIGEST, repository="prod")


def test_a_signature_that_is_not_by_the_key_is_not_taken() -> None:
    public = base64.b64encode(b"p" * 32).decode()
    for value in (f"vault:v1:{base64.b64encode(bytes(64)).decode()}", "vault:v1:AAAA", None):
        data = {"keys": {"1": {"public_key": public}}, "latest_version": 1, "signature": value}
        with answering(data) as fake:
            keyring = keyring_of(fake.url)
            key_id = keyring.signer(use="point", among=_All())
            with pytest.raises(KeyringError, match="no signature by its key"):
                keyring.sign(b"x", use="point", key_id=key_id)


class _All:
    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> t.Any:
        raise AssertionError

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("results", [[], [{}, {}], [7], ["x"], [{"plaintext": 7}], [{"plaintext": "€"}]])
def test_a_batch_that_answers_another_question(results: list[t.Any]) -> None:
    said = {"keys": {"1": {"public_key": PEM}}, "batch_results": results}
    with answering(said) as fake, pytest.raises(KeyringError, match="another question"):
        keyring_of(fake.url).unwrap(WRAP, WRAPPED)


def test_a_client_that_was_forked_connects_anew() -> None:
    answers = of_path({"transit/hmac": (200, {"data": {"hmac": f"vault:v1:{'A' * 43}="}})})
    with fake_vault(answers) as fake:
        keyring = keyring_of(fake.url)
        for _time in range(2):
            with pytest.raises(KeyMissingError):
                keyring.signer(use="point", among=())
        assert fake.connections == 1
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if keyring.digest_key(DIGEST, repository="prod") == bytes(32) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert fake.connections == 2


# libraries


def test_without_hvac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_client, "hvac", None)
    with pytest.raises(DependencyMissingError, match="hvac") as caught:
        keyring_of("https://127.0.0.1:1").digest_key(DIGEST, repository="prod")
    assert "Install hvac" in (caught.value.remedy or "")


def test_connecting_loads_no_library_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; sys.modules['hvac'] = None; "
        f"from {PACKAGE}.keyring import connect; "
        "keyring = connect('vault', path=None, repository='prod', vault={'url': 'https://127.0.0.1:1'}); "
        f"assert 'requests' not in sys.modules and '{PACKAGE}.keyring.vault_client' not in sys.modules; "
        "print(keyring)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "VaultKeyring('prod', 'transit')"


def test_a_local_keyring_loads_nothing_of_vault() -> None:
    code = (
        f"import sys; from {PACKAGE}.keyring import connect; connect('local', path='/x'); "
        f"print([name for name in sys.modules if name.endswith(('.vault', '.oaep', 'hvac', 'requests'))])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_what_forks_workers_loads_hvac_once_two_have_needed_it() -> None:
    """A restore has one for each host; a backup two, which would gain nothing."""
    code = f"""
import os, sys
from {PACKAGE} import keyring
from {PACKAGE}.keyring.vault_settings import VaultSettings
loaded = []
for _worker in range(4):
    pid = os.fork()
    if pid == 0:
        before = "hvac" in sys.modules
        keyring._client(VaultSettings("https://127.0.0.1:1"))
        os._exit(before)
    loaded.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(loaded)
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[0, 0, 1, 1]"


@pytest.mark.parametrize("name", ["a--b", "prod-", "-"])
def test_repositories_whose_keys_could_be_taken_for_anothers(name: str) -> None:
    with pytest.raises(PolicyError, match="cannot be called"):
        connect("vault", path=None, repository=name, vault={"url": "https://127.0.0.1:1"})


def test_who_seals_or_opens_has_no_owners_folder() -> None:
    keyring = connect("vault", path=None, repository="prod", vault={"url": "https://127.0.0.1:1"})
    with pytest.raises(KeyMissingError, match="the owner's folder"):
        keyring.create(repository="prod", classes=["d0030"], first_year=2026, now=dt.datetime.now(dt.timezone.utc))
    assert keyring.made(repository="prod").sign == ()


def test_where_a_recipient_was_not_brought_vault_makes_no_key(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "escrow")
    folder.make()
    folder.write("recipients.txt", b"")
    tmp_path.chmod(0o700)
    given: dict[str, t.Any] = {"repository": "prod", "now": dt.datetime.now(dt.timezone.utc)}
    with fake_vault(always(404)) as server:
        owner = keyring_of(server.url, path=tmp_path)
        with pytest.raises(KeyMissingError, match="no recipient was brought for d0030-2026"):
            owner.create(classes=["d0030"], first_year=2026, **given)
        with pytest.raises(KeyMissingError, match="no recipient was brought for d0030-2026b"):
            owner.renew(key_sets.NONE, Renewal(uses=("point",), escrow=[("d0030", 2026, "b")]), **given)
    assert {method for method, *_rest in server.asked} <= {"GET", "LIST"}
    assert [found.name for found in tmp_path.iterdir()] == ["escrow"]


def test_the_key_of_the_tests_is_one() -> None:
    assert oaep.public_of_pem(PEM) == PUBLIC


# a key that is destroyed

NAMED = "transit/keys/holdfast-prod--d0030-2026"


class OneKey:
    """A server that has one key, and loses the answer to the first deletion where it is told to."""

    def __init__(self, *, least: int = 1, lost: bool = False) -> None:
        self.data: dict[str, t.Any] | None = {
            "type": "rsa-3072",
            "latest_version": 1,
            "min_decryption_version": least,
            "keys": {"1": {"public_key": PEM}},
        }
        self.lost = lost

    def __call__(self, method: str, path: str, _body: t.Any) -> Answer:
        if path == NAMED and method == "GET":
            return (404, ERRORS) if self.data is None else (200, {"data": self.data})
        if path == NAMED and method == "DELETE":
            there, self.data, lost, self.lost = self.data, None, self.lost, False
            return None if lost else (204, b"") if there else (400, {"errors": ["error deleting policy: not found"]})
        return 204, b""


def test_a_key_is_destroyed_by_two_calls_and_found_gone() -> None:
    with fake_vault(OneKey()) as fake:
        keyring = keyring_of(fake.url)
        assert keyring.holds(WRAP)
        assert keyring.destroy(WRAP)
        assert not keyring.holds(WRAP)
        assert not keyring.destroy(WRAP)
        done = [(method, path, body) for method, path, body, _token in fake.asked if method != "GET"]
    assert done == [("POST", f"{NAMED}/config", {"deletion_allowed": True}), ("DELETE", NAMED, None)]


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    with fake_vault(OneKey(lost=True)) as fake:
        assert keyring_of(fake.url).destroy(WRAP)
        assert len([1 for method, *_rest in fake.asked if method == "DELETE"]) == 2


def test_a_deletion_that_is_not_done_is_an_error() -> None:
    def answers(method: str, path: str, body: t.Any) -> Answer:
        return (400, ERRORS) if method == "DELETE" else OneKey()(method, path, body)

    with fake_vault(answers) as fake, pytest.raises(KeyringError, match=r"cannot destroy d0030-2026: .*\(400\)"):
        keyring_of(fake.url).destroy(WRAP)


def test_another_key_of_that_name_is_left_alone() -> None:
    named = ClassYearKey("d0030", 2026, RSA_OAEP_SHA256, PUBLIC[::-1])
    with fake_vault(OneKey()) as fake:
        for call in (keyring_of(fake.url).holds, keyring_of(fake.url).destroy):
            with pytest.raises(WrongKeyError, match="the key of that name in Vault is another one"):
                call(named)
        assert {method for method, *_rest in fake.asked} == {"GET"}


def test_a_key_whose_version_was_retired_is_there_and_destroyed_only_when_it_is_shown() -> None:
    server = OneKey(least=2)
    assert server.data is not None
    server.data["keys"] = {}
    with fake_vault(server) as fake:
        assert keyring_of(fake.url).holds(WRAP)
        with pytest.raises(WrongKeyError, match="min_decryption_version"):
            keyring_of(fake.url).destroy(WRAP)
        assert {method for method, *_rest in fake.asked} == {"GET"}


@pytest.mark.parametrize(("policies", "revoked"), [(["root"], True), (["default", "restorer"], False), (None, False)])
def test_the_token_of_a_quorum_is_revoked_and_no_other(policies: list[str] | None, revoked: bool) -> None:
    answers = of_path(
        {
            "auth/token/lookup-self": (200, {"data": {"policies": policies}}),
            "auth/token/revoke-self": (204, b""),
        }
    )
    with fake_vault(answers) as fake:
        assert keyring_of(fake.url).give_up() is revoked
        assert ("auth/token/revoke-self" in fake.paths) is revoked
