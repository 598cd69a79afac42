# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and variables become typed values: the option wins, and every mistake is told at once."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible.template import trust_as_template
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import (
    archive_options,
    options,
    run,
    storage_options,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location, Options, plain
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.storage import Storage, read_storage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Sample
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, RetryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.stamps import TimeStamping
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.succession import Asking
from ansible_collections.holdfast.config.plugins.plugin_utils.version import COLLECTION

PIN = "ab" * 32
REPOSITORY = {"name": "prod", "url": "file:///srv/backup", "keyring": {"path": "/srv/keyring"}}
COMPONENTS = [{"name": "app", "paths": ["/etc/app"]}]


def made(args: Mapping[str, t.Any] | None = None, *, check: bool = False, **variables: t.Any) -> Options:
    """Options of a task, and the variables beside it."""
    return Options(args or {}, variables.get, check=check)


class TestInherited:
    def test_an_option_wins_over_its_variable(self) -> None:
        given = made({"repository_id": PIN, "state_dir": None}, holdfast_repository_id="x", holdfast_state_dir="/y")
        assert given.inherited("repository_id") == PIN
        assert given.inherited("state_dir") == "/y"
        assert given.inherited("change") is None

    @pytest.mark.parametrize("value", [False, 0, "", [], {}])
    def test_an_empty_option_is_one(self, value: object) -> None:
        assert made({"tiers": value}, holdfast_tiers={"tier0": {}}).inherited("tiers") == value

    def test_only_the_options_own_name_is_read(self) -> None:
        asked = []
        Options({}, asked.append, check=False).inherited("classes")
        assert asked == ["holdfast_classes"]

    def test_an_item_is_the_option_alone(self) -> None:
        assert made({"name": "main"})["name"] == "main"
        assert made(holdfast_name="main")["name"] is None


class TestPushed:
    """The texts that a task gives instead of capturing its host."""

    def test_their_policy_takes_the_place_of_the_hosts(self) -> None:
        text = {"name": trust_as_template("ilo"), "text": b"\xff", "tier": "tier0"}
        given = made({"content": [text]}, holdfast_components=COMPONENTS, holdfast_tiers={"tier0": {"class": "d0030"}})
        assert given.pushed == ("ilo",)
        (stream,) = given.policy("h").streams()
        assert (stream.name, stream.retention_class) == ("ilo", "d0030")
        assert stream.components[0].means == {"text": b"\xff"}
        with pytest.raises(PolicyError, match="of holdfast_components too"):
            made({"content": [{**text, "name": "app"}]}, holdfast_components=COMPONENTS).policy("h")

    def test_without_the_option_there_are_none(self) -> None:
        assert made({"content": None}, holdfast_content=[{"name": "x", "text": "y"}]).pushed == ()

    @pytest.mark.parametrize("content", ["", "CANARY", [], {}, {"name": "x"}, [7], [None]])
    def test_what_is_no_list_of_texts_is_pushed_all_the_same_and_refused(self, content: object) -> None:
        given = made({"content": content}, holdfast_components=COMPONENTS)
        assert given.pushed == ("",)
        with pytest.raises(PolicyError) as caught:
            given.policy("h")
        assert "CANARY" not in str(caught.value)

    def test_names_stay_as_they_were_given(self) -> None:
        assert made({"content": [{"name": 7}, {"text": "x"}, "y"]}).pushed == ("7", "None")


class TestPlain:
    """Ansible's tagged values become plain ones, all the way down."""

    def test_tags_come_off(self) -> None:
        tagged = {trust_as_template("key"): [trust_as_template("{{ x }}"), (trust_as_template("y"),)]}
        found = plain(tagged)
        assert found == {"key": ["{{ x }}", ["y"]]}
        ((key, value),) = found.items()
        assert {type(key), type(value[0]), type(value[1][0])} == {str}
        assert next(iter(tagged)).__class__ is not str

    @pytest.mark.parametrize("value", [None, True, False, 0, -7, 1.5, "", "text", [], {}])
    def test_plain_values_stay(self, value: object) -> None:
        assert plain(value) == value
        assert type(plain(value)) is type(value)

    @pytest.mark.parametrize(
        "value", [dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), b"x", {1, 2}, pytest.param(object(), id="object")]
    )
    def test_anything_else_is_refused_without_its_content(self, value: object) -> None:
        with pytest.raises(PolicyError) as caught:
            plain({"a": [value]})
        assert type(value).__name__ in str(caught.value)
        assert "2026" not in str(caught.value)

    @pytest.mark.parametrize("value", [dt.date(2027, 1, 1), dt.datetime(2027, 1, 1, tzinfo=dt.timezone.utc)])
    def test_a_day_without_quotes_is_told_with_its_variable(self, value: dt.date) -> None:
        options = made(holdfast_exceptions=[{"id": "EX-1", "expires": value}])
        with pytest.raises(PolicyError, match=r"item holdfast_exceptions\)\. Put days and moments in quotes"):
            options.inherited("exceptions")


class TestLocation:
    def test_read_from_variables(self) -> None:
        location = made(holdfast_repository=REPOSITORY, holdfast_repository_id=PIN).location()
        assert location == Location("prod", "file:///srv/backup", "local", "/srv/keyring", PIN)

    @pytest.mark.parametrize("pin", [None, ""])
    def test_without_a_pin(self, pin: str | None) -> None:
        assert made({"repository": REPOSITORY}, holdfast_repository_id=pin).location().pin is None

    @pytest.mark.parametrize(
        ("repository", "named"),
        [
            (None, ["name", "url"]),
            ("prod", ["name", "url"]),
            ({**REPOSITORY, "name": ""}, ["name"]),
            ({**REPOSITORY, "url": 7}, ["url"]),
            ({"name": "prod"}, ["url"]),
        ],
    )
    def test_every_gap_is_told_at_once(self, repository: object, named: list[str]) -> None:
        with pytest.raises(PolicyError) as caught:
            made(holdfast_repository=repository).location()
        for key in ("name", "url"):
            assert (f"holdfast_repository.{key}: is not set" in str(caught.value)) is (key in named)

    @pytest.mark.parametrize("ring", [None, "/srv/keyring", {}, {"path": None}])
    def test_a_keyring_is_missed_where_it_is_wanted(self, ring: object) -> None:
        """An auditor has none."""
        location = made(holdfast_repository={**REPOSITORY, "keyring": ring}).location()
        with pytest.raises(PolicyError, match=r"holdfast_repository\.keyring\.path: is not set"):
            location.keyring()

    def test_a_pin_that_is_a_number_is_no_pin(self) -> None:
        with pytest.raises(PolicyError, match="Put it in quotes"):
            made(holdfast_repository=REPOSITORY, holdfast_repository_id=10**63).location()

    def test_how_s3_is_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {**REPOSITORY, "url": "s3://bucket/prod", "endpoint_url": "https://s3.example", "profile": "operator"}
        location = made(
            holdfast_repository={**given, "region": None}, holdfast_change={"id": "CHG42", "window": "w"}
        ).location()
        assert location.s3 == {"endpoint_url": "https://s3.example", "profile": "operator"}
        # as the run folder keeps it, for who seals later
        again = Location(**json.loads(json.dumps(dataclasses.asdict(location))))
        assert again == location
        told: dict[str, t.Any] = {}
        monkeypatch.setattr(options.store, "connect", lambda url, **more: told.update(more, url=url))
        again.store(check=True)
        assert told["url"] == "s3://bucket/prod"
        assert told["s3"] == location.s3
        assert told["context"] == {"holdfast.config": COLLECTION, "run": run.RUN_ID, "change": "CHG42"}

    def test_how_vault_is_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ring = {"type": "vault", "url": "https://vault.example", "auth_method": "approle", "role_id": "r"}
        location = made(holdfast_repository={**REPOSITORY, "keyring": {**ring, "ca_cert": None}}).location()
        assert (location.keyring_type, location.keyring_path) == ("vault", "")
        assert location.has_keyring
        again = Location(**json.loads(json.dumps(dataclasses.asdict(location))))
        assert again == location
        told: dict[str, t.Any] = {}
        monkeypatch.setattr(options.keyring, "connect", lambda kind, **more: told.update(more, kind=kind))
        again.keyring()
        assert told == {
            "kind": "vault",
            "path": "",
            "repository": "prod",
            "vault": {"url": "https://vault.example", "auth_method": "approle", "role_id": "r"},
            "awskms": None,
        }

    def test_how_kms_is_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What reaches the store is not taken for the keyring: its keys may be in another account."""
        ring = {"type": "awskms", "region": "eu-central-1", "profile": "operator"}
        told: dict[str, t.Any] = {}
        monkeypatch.setattr(options.keyring, "connect", lambda kind, **more: told.update(more, kind=kind))
        store = {"url": "s3://backups/prod", "region": "us-east-1", "endpoint_url": "https://s3.example"}
        made(holdfast_repository={**REPOSITORY, **store, "keyring": ring}).location().keyring()
        assert (told["kind"], told["vault"]) == ("awskms", None)
        assert told["awskms"] == {"region": "eu-central-1", "profile": "operator"}

    @pytest.mark.parametrize(
        ("ring", "says"),
        [
            ({"type": "vault", "secret_id": "pa55word"}, "set HASHI_VAULT_SECRET_ID, or name a file"),
            ({"type": "vault", "token": "pa55word"}, "Secrets are not read from the inventory"),
            ({"type": "vault", "cacert": "/x"}, "is not a key of this version"),
            ({"path": "/x", "paht": "/y"}, "Known here: type, path, url, "),
            ({"path": "/x", "url": "https://vault"}, "is for a keyring in Vault"),
            ({"path": "/x", "region": "eu-central-1"}, "is for a keyring in AWS KMS"),
            ({"type": "awskms", "auth_method": "token"}, "is for a keyring in Vault"),
            ({"type": "awskms", "aws_secret_access_key": "pa55word"}, "use the environment, a profile or a role"),
        ],
    )
    def test_what_nobody_reads_of_a_keyring_is_told(self, ring: dict[str, t.Any], says: str) -> None:
        with pytest.raises(PolicyError, match=says) as caught:
            made(holdfast_repository={**REPOSITORY, "keyring": ring}).location()
        assert "pa55word" not in str(caught.value)

    @pytest.mark.parametrize("change", [None, "CHG42", {}, {"id": None}, {"window": "w"}])
    def test_without_an_id_of_a_change(self, change: object) -> None:
        assert made(holdfast_repository=REPOSITORY, holdfast_change=change).location().change == ""

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ({"secret_key": "pa55word"}, "Credentials are not read from the inventory"),
            ({"aws_session_token": "pa55word"}, "Credentials are not read from the inventory"),
            ({"validate_certs": False}, "Known here: name, url, "),
            ({"endpoint": "https://s3.example"}, "Known here: name, url, "),
            ({"keyrng": {"path": "/k"}}, "Known here: name, url, .*keyring"),
            ({"endpoint_url": "https://s3.example"}, "is for a repository on S3"),
        ],
    )
    def test_what_nobody_reads_is_told(self, more: dict[str, t.Any], says: str) -> None:
        with pytest.raises(PolicyError, match=says) as caught:
            made(holdfast_repository={**REPOSITORY, **more}).location()
        assert f"holdfast_repository.{next(iter(more))}" in str(caught.value)
        assert "pa55word" not in str(caught.value)

    def test_it_connects(self, tmp_path: Path) -> None:
        location = Location("prod", (tmp_path / "store").as_uri(), "local", str(tmp_path / "keyring"), PIN)
        assert isinstance(location.keyring(), LocalKeyring)
        with pytest.raises(UnavailableError):
            location.store()
        assert not (tmp_path / "store").exists()
        assert isinstance(location.store(create=True, check=True), DryRunStore)
        assert not (tmp_path / "store").exists()
        store = location.store(create=True)
        assert isinstance(store, RetryStore)
        assert FileStore(tmp_path / "store").exists()

    def test_its_store_refuses_workers_of_a_dead_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import io

        from ansible_collections.holdfast.config.plugins.plugin_utils.errors import RunAbandonedError

        location = Location("prod", (tmp_path / "store").as_uri(), "local", "/none", None)
        store = location.store(create=True)
        later = store.clock() + dt.timedelta(days=1)
        store.put_new("packs/a", io.BytesIO(b"x"), lock_until=later)
        monkeypatch.setattr(run, "CONTROLLER_PID", 1 << 30)
        with pytest.raises(RunAbandonedError):
            store.put_new("packs/b", io.BytesIO(b"x"), lock_until=later)
        assert [listed.name for listed in store.list()] == ["packs/a"]


class TestPolicy:
    def test_read_from_variables(self) -> None:
        given = made(holdfast_components=COMPONENTS, holdfast_tiers={"tier1": {"class": "d0030"}})
        policy = given.policy("h")
        (stream,) = policy.streams()
        assert (stream.name, stream.retention_class) == ("tier1", "d0030")

    def test_an_option_replaces_the_variable_whole(self) -> None:
        other = [{"name": "other", "paths": ["/etc/other"]}]
        policy = made({"components": other}, holdfast_components=COMPONENTS).policy("h")
        assert [component.name for component in policy.components] == ["other"]

    def test_presets_are_looked_for_in_ones_own_folders_first(self, tmp_path: Path) -> None:
        (tmp_path / "nginx.yml").write_text("{description: Ours, paths: [/srv/nginx]}")
        own = made(holdfast_components=["nginx", "sudo"], holdfast_component_paths=[str(tmp_path)]).policy("h")
        assert [component.paths[0] for component in own.components] == ["/srv/nginx", "/etc/sudoers"]
        assert made({"components": ["nginx"]}).policy("h").components[0].paths[0] == "/etc/nginx"

    def test_a_folder_of_presets_that_is_none_is_told(self) -> None:
        with pytest.raises(PolicyError, match=r"holdfast_component_paths: 'presets' is not absolute.*host h"):
            made(holdfast_components=["nginx"], holdfast_component_paths=["presets"]).policy("h")

    def test_a_device_is_of_the_platform_that_ansible_names(self, tmp_path: Path) -> None:
        given = {"holdfast_components": ["device"]}
        (device,) = made(**given, ansible_network_os="cisco.ios.ios").policy("r1").components
        assert device.source["platform"] == "ios"
        own = (platforms.BUILT_IN / "ios.yml").read_text(encoding="utf-8")
        (tmp_path / "ours.yml").write_text(own.replace("cisco.ios.", "ours."), encoding="utf-8")
        folders = {"holdfast_platform_paths": [str(tmp_path)]}
        for name in ("ours", "ours.ios"):
            (device,) = made(**given, **folders, ansible_network_os=name).policy("r1").components
            assert device.source["platform"] == "ours"
        with pytest.raises(PolicyError, match=r"holdfast_platform_paths: 'ours' is not absolute.*host r1"):
            made(**given, holdfast_platform_paths=["ours"]).policy("r1")
        with pytest.raises(PolicyError, match="Set ansible_network_os"):
            made(**given).policy("r1")

    def test_mistakes_name_the_host(self) -> None:
        with pytest.raises(PolicyError, match="host web-1"):
            made(holdfast_components=[{"name": "app", "paths": ["etc"]}]).policy("web-1")

    def test_a_host_is_its_name_unless_it_is_given_an_identity(self) -> None:
        assert made().host_id("web1", {}) == "web1"
        hosts: dict[str, t.Any] = {"groups": {"all": ["web-a", "web2"]}}
        assert made(holdfast_host_id="web1").host_id("web-a", hosts) == "web1"
        assert made(holdfast_host_id="web-a").host_id("web-a", hosts) == "web-a"
        assert made(holdfast_host_id="rack 7/unit 3").host_id("web-a", hosts) == "rack 7/unit 3"

    @pytest.mark.parametrize("other", [{}, {"holdfast_host_id": "web1"}])
    def test_an_identity_that_is_another_hosts_by_its_name(self, other: Mapping[str, str]) -> None:
        hosts = {"groups": {"all": ["web-a", "web1"]}, "hostvars": {"web1": other}}
        with pytest.raises(PolicyError, match="web-a would have the identity of host web1"):
            made(holdfast_host_id="web1").host_id("web-a", hosts)

    def test_an_identity_of_another_host_that_cannot_be_read_names_host_and_variable(self) -> None:
        class Undefined(dict[str, str]):
            def get(self, *_key: t.Any) -> t.NoReturn:
                raise AnsibleUndefinedVariable("'serial' is undefined")

        hosts = {"groups": {"all": ["web-a", "web1"]}, "hostvars": {"web1": Undefined()}}
        with pytest.raises(PolicyError, match=r"that of host web1, .*'serial' is undefined") as caught:
            made(holdfast_host_id="web1").host_id("web-a", hosts)
        assert caught.value.host == "web-a"

    def test_a_name_that_another_host_had_before_is_free_for_a_host_with_an_identity_of_its_own(self) -> None:
        hosts = {"groups": {"all": ["web-a", "web1"]}, "hostvars": {"web1": {"holdfast_host_id": "web1-2026"}}}
        assert made(holdfast_host_id="web1").host_id("web-a", hosts) == "web1"

    @pytest.mark.parametrize("value", ["", "\n", "a\x00", 7, ["web1"], "WEB-A", "\udcff"])
    def test_what_no_host_may_be_called_is_no_identity(self, value: object) -> None:
        with pytest.raises(PolicyError) as caught:
            made(holdfast_host_id=value).host_id("web-a", {})
        assert caught.value.message.startswith("the policy cannot be used: holdfast_host_id: ")
        assert caught.value.host == "web-a"

    def test_classes_alone(self) -> None:
        classes = made(holdfast_classes={"d0007": {"days": 7}}).classes()
        assert (classes["d0007"].days, classes["d0007"].mode) == (7, "compliance")
        assert {"d0030", "d0090", "d0400"} < set(classes)
        with pytest.raises(PolicyError, match="d0007"):
            made(holdfast_classes={"d0007": {"days": "seven"}}).classes()


def ssh_line(comment: str = "") -> str:
    """The line of a new key's .pub file (RFC 4253, 6.6; RFC 8709)."""
    _pem, public = sign.generate()
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", public))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


class TestPeople:
    def test_read_from_variables(self) -> None:
        line = ssh_line("alice@laptop")
        alice = {"name": "alice", "roles": ["security"], "key": line, "valid_until": "2028-12-31"}
        (person,) = made(holdfast_people=[alice]).people() or ()
        assert (person.principal, person.roles) == ("alice", ("security",))
        # the comment is nobody's business
        assert person.public == line.rsplit(" ", 1)[0]
        assert person.not_after == dt.datetime(2028, 12, 31, tzinfo=dt.timezone.utc)
        assert person.not_before < dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)

    def test_none_is_not_nobody(self) -> None:
        """Where nothing is declared the root keeps whom it names; an empty list would take them away."""
        assert (made().people(), made().quorum()) == (None, None)
        assert (made({"people": [], "quorum": {}}).people(), made({"people": [], "quorum": {}}).quorum()) == ((), ())

    def test_an_option_replaces_the_variable(self) -> None:
        rule = {"retired": {"required": 2, "roles": ["security"]}}
        (found,) = made({"quorum": rule}, holdfast_quorum={"root": {"required": 1}}).quorum() or ()
        assert found == Quorum("retired", 2, ("security",))

    def test_every_mistake_is_told_at_once(self) -> None:
        key = ssh_line()
        people = [
            {"name": "alice", "roles": ["security"], "key": key, "valid_until": "2028-12-31"},
            {"name": "Alice", "roles": "security", "key": "no key", "valid_until": "tomorrow", "phone": "112"},
            {"name": "bob", "roles": [], "key": key, "valid_until": "2028-12-31"},
        ]
        with pytest.raises(PolicyError) as caught:
            made(holdfast_people=people).people()
        for text in (
            "holdfast_people[1].roles: is not a list of roles",
            "holdfast_people[1].key: cannot be used",
            "holdfast_people[1].valid_until: 'tomorrow' is not a day",
            "holdfast_people[1].phone: is not a key of this version",
            "holdfast_people[2] (bob).key: is another person's too",
        ):
            assert text in str(caught.value)

    @pytest.mark.parametrize("wrong", ["alice", {"alice": {}}, 7], ids=repr)
    def test_people_are_a_list(self, wrong: object) -> None:
        with pytest.raises(PolicyError, match="holdfast_people: is not a list"):
            made(holdfast_people=wrong).people()

    @pytest.mark.parametrize(
        ("quorum", "says"),
        [
            ([], "holdfast_quorum: is not a mapping"),
            ({"other": {"required": 2}}, "holdfast_quorum.other: is no operation that people sign"),
            ({"root": {}}, "holdfast_quorum.root.required: None is not a number of people"),
            ({"root": {"required": 0}}, "0 is not a number of people"),
            ({"root": {"required": True}}, "True is not a number of people"),
            ({"root": {"required": "2"}}, "'2' is not a number of people"),
            ({"root": {"required": 2, "presence": "yes"}}, "holdfast_quorum.root.presence: 'yes' is unknown"),
            ({"root": {"required": 2, "role": ["security"]}}, "holdfast_quorum.root: has no key role"),
        ],
        ids=str,
    )
    def test_a_quorum_that_cannot_be_used(self, quorum: object, says: str) -> None:
        with pytest.raises(PolicyError) as caught:
            made(holdfast_quorum=quorum).quorum()
        assert says in str(caught.value)


class TestAsking:
    def test_what_people_are_told(self) -> None:
        given = made({"requester": "ops", "reason": "gone for good", "ticket": "CHG-1", "valid_days": 3}).asking()
        assert given == Asking("ops", "gone for good", "CHG-1", dt.timedelta(days=3))

    def test_the_change_stands_in(self) -> None:
        change = {"id": "CHG-2", "requester": "somebody"}
        assert made({"valid_days": 7}, holdfast_change=change).asking() == Asking("somebody", "", "CHG-2")
        own = made({"requester": "ops", "ticket": "CHG-1", "valid_days": 7}, holdfast_change=change).asking()
        assert (own.by, own.ticket) == ("ops", "CHG-1")
        assert made({"valid_days": 7}).asking() == Asking()

    @pytest.mark.parametrize("name", ["requester", "reason", "ticket"])
    def test_what_people_read_is_one_line(self, name: str) -> None:
        with pytest.raises(PolicyError, match=f"{name}: .* is not one line of text"):
            made({"valid_days": 7, name: "ops\x1b[2J"}).asking()

    @pytest.mark.parametrize(("days", "right"), [(0, False), (-1, False), (91, False), (1, True), (90, True)])
    def test_a_request_is_open_for_days(self, days: int, right: bool) -> None:
        if right:
            assert made({"valid_days": days}).asking().lasts == dt.timedelta(days=days)
        else:
            with pytest.raises(PolicyError, match=f"valid_days: {days} is out of range"):
                made({"valid_days": days}).asking()


class TestReading:
    """Which part a verify reads, and how often it says how far it is."""

    @pytest.mark.parametrize(
        ("given", "sample"),
        [
            (5, Sample(percent=5)),
            # as -e gives it
            ("5", Sample(percent=5)),
            ({"d0030": 5, "d0365": "100"}, Sample(classes={"d0030": 5, "d0365": 100})),
            ({"d0030": 5, "newest": 50}, Sample(classes={"d0030": 5}, newest=50)),
            ({}, Sample()),
        ],
    )
    def test_a_sample_is_of_all_or_of_classes(self, given: object, sample: Sample) -> None:
        assert made({"sample": given}).sample() == sample
        assert made({"sample": given, "seed": 7}).sample() == dataclasses.replace(sample, seed=7)

    def test_none_is_all_of_it(self) -> None:
        assert made().sample() is None
        with pytest.raises(PolicyError, match="is given, and no sample"):
            made({"seed": 7}).sample()

    @pytest.mark.parametrize("value", [0, 101, -1, 5.5, True, "5%", "", "²", "0005", None, [5]])
    def test_what_is_no_percentage_is_told_with_its_class(self, value: object) -> None:
        if value is not None:
            with pytest.raises(PolicyError, match="is no percentage"):
                made({"sample": value}).sample()
        with pytest.raises(PolicyError, match=r"sample\.d0030"):
            made({"sample": {"d0030": value}}).sample()

    def test_progress_is_said_as_often_as_the_callback_says_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HOLDFAST_PROGRESS_INTERVAL", raising=False)
        assert made().progress_interval() == 30
        monkeypatch.setenv("HOLDFAST_PROGRESS_INTERVAL", "2.5")
        assert made().progress_interval() == 2.5
        assert made({"progress_interval": 0.0}).progress_interval() == 0

    @pytest.mark.parametrize("value", ["soon", "nan", "inf", "-1"])
    def test_what_is_no_number_of_seconds(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("HOLDFAST_PROGRESS_INTERVAL", value)
        with pytest.raises(PolicyError, match="no number of seconds"):
            made().progress_interval()


class TestTimestamp:
    STAMPS: t.ClassVar[Mapping[str, t.Any]] = {"url": "https://tsa.example.com/", "certificates": "/etc/tsa.pem"}

    def location(self, **stamps: t.Any) -> Location:
        return made(holdfast_repository={**REPOSITORY, "timestamp": {**self.STAMPS, **stamps}}).location()

    def test_none_is_none(self) -> None:
        location = made(holdfast_repository=REPOSITORY).location()
        assert location.timestamp is None
        assert location.stamping() is None

    def test_what_is_given_and_what_is_not(self, tmp_path: Path) -> None:
        (tmp_path / "tsa.pem").write_bytes(b"PEM")
        given = self.location(certificates=str(tmp_path / "tsa.pem"), required=True, timeout=3, ca_path="/etc/ca.pem")
        assert given.stamping() == TimeStamping(self.STAMPS["url"], b"PEM", True, 3.0, "/etc/ca.pem")
        plainly = self.location(certificates=str(tmp_path / "tsa.pem"))
        assert plainly.stamping() == TimeStamping(self.STAMPS["url"], b"PEM", False, 10.0, None)

    def test_it_comes_back_from_the_run_folder(self) -> None:
        """Who seals later reads it there."""
        location = self.location(required=True)
        assert Location(**json.loads(json.dumps(dataclasses.asdict(location)))) == location

    def test_certificates_that_cannot_be_read_are_told_by_path(self, tmp_path: Path) -> None:
        missing = tmp_path / "none.pem"
        with pytest.raises(PolicyError, match="cannot be read: No such file") as caught:
            self.location(certificates=str(missing)).stamping()
        assert caught.value.item == str(missing)
        with pytest.raises(PolicyError, match="cannot be read"):
            self.location(certificates=str(tmp_path)).stamping()

    def test_certificates_are_looked_for_in_ones_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "tsa.pem").write_bytes(b"PEM")
        stamping = self.location(certificates="~/tsa.pem").stamping()
        assert stamping is not None
        assert stamping.certificates == b"PEM"

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"url": None}, "url"),
            ({"url": ""}, "url"),
            ({"url": "ftp://tsa.example.com"}, "url"),
            ({"certificates": None}, "certificates"),
            ({"certificates": ["/etc/tsa.pem"]}, "certificates"),
            ({"timeout": 0}, "timeout"),
            ({"timeout": 601}, "timeout"),
            ({"timeout": "10"}, "timeout"),
            ({"timeout": float("nan")}, "timeout"),
            ({"required": "yes"}, "required"),
            ({"required": 1}, "required"),
            ({"requierd": True}, "requierd"),
        ],
        ids=str,
    )
    def test_a_mistake_is_told_by_its_key(self, wrong: dict[str, t.Any], named: str) -> None:
        with pytest.raises(PolicyError) as caught:
            self.location(**wrong)
        assert f"holdfast_repository.timestamp.{named}: " in str(caught.value)

    def test_every_mistake_is_told_at_once(self) -> None:
        with pytest.raises(PolicyError) as caught:
            made(holdfast_repository={**REPOSITORY, "timestamp": {"timeout": -1}}).location()
        for key in ("url", "certificates", "timeout"):
            assert f"holdfast_repository.timestamp.{key}: " in str(caught.value)
        with pytest.raises(PolicyError, match=r"timestamp\.url"):
            made(holdfast_repository={**REPOSITORY, "timestamp": "https://tsa.example.com"}).location()

    def test_a_password_in_the_url_is_refused_and_not_shown(self) -> None:
        """It would stand in the run folder."""
        with pytest.raises(PolicyError) as caught:
            self.location(url="https://user:hunter2@tsa.example.com/")
        assert "hunter2" not in str(caught.value)


class TestExpiry:
    def test_only_a_store_without_a_lifecycle_is_pruned(self, tmp_path: Path) -> None:
        location = Location("prod", (tmp_path / "store").as_uri(), "local", "", PIN)
        found = location.expiry()
        assert isinstance(found, FileStore)
        assert found.root == tmp_path / "store"
        # nothing is made by asking
        assert not (tmp_path / "store").exists()
        with pytest.raises(PolicyError):
            Location("prod", "s3://bucket", "local", "", PIN).expiry()


def test_a_maximum_of_a_class_is_read_with_it() -> None:
    classes = made(holdfast_classes={"d0007": {"days": 7, "maximum": 365}}).classes()
    assert classes["d0007"].maximum == 365
    with pytest.raises(PolicyError, match=r"holdfast_classes\.d0007\.maximum: 100 is no maximum for 7 days"):
        made(holdfast_classes={"d0007": {"days": 7, "maximum": 100}}).classes()


@pytest.mark.parametrize("days", [0, 366])
def test_what_is_archived_is_asked_for_by_the_options(days: int) -> None:
    told: list[str] = []
    args = {"archived": "wait", "archived_tier": "Bulk", "archived_days": 7}
    asked = archive_options.retrieval(made(args), told.append)
    assert (asked.how, asked.tier, asked.days) == ("wait", "Bulk", 7)
    asked.tell("waiting")
    assert told == ["waiting"]
    # this process is the one that controls the run
    asked.pause(0)
    with pytest.raises(PolicyError, match="archived_days"):
        archive_options.retrieval(made({**args, "archived_days": days}), told.append)


def test_a_change_holds_what_was_given_as_text() -> None:
    given = made({"change": {"id": "CHG-1", "window": None, "requester": "", "version": 7}})
    assert given.change() == {"id": "CHG-1", "version": "7"}
    assert made().change() == {}
    assert made(holdfast_change={"id": "CHG-2"}).change() == {"id": "CHG-2"}


@pytest.mark.parametrize(
    ("given", "meant"), [(None, False), (True, True), (False, False), ("true", True), ("no", False)]
)
def test_evidence_about_secrets_is_only_made_where_a_variable_says_so(given: object, meant: bool) -> None:
    assert made(holdfast_secret_evidence=given).secret_evidence is meant


def test_what_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(PolicyError, match="neither true nor false"):
        assert made(holdfast_secret_evidence="perhaps").secret_evidence


def test_the_state_dir_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert made({"state_dir": "~/runs"}).state_dir == tmp_path / "runs"
    assert made(holdfast_state_dir="/var/lib/x").state_dir == Path("/var/lib/x")
    with pytest.raises(PolicyError, match="is no path"):
        assert made(holdfast_state_dir=["/var/lib/x"]).state_dir


def test_spec_pieces_do_not_overlap() -> None:
    pieces = (options.REPOSITORY, options.POLICY, options.CHANGE, options.PEOPLE, options.ASKING)
    assert len({name for piece in pieces for name in piece}) == sum(map(len, pieces))


@pytest.mark.parametrize("wrong", ["", "ab", "AB" * 32, f"{'ab' * 32}-1"])
def test_an_id_of_a_recovery_point_that_is_none_is_told(wrong: str) -> None:
    right = "ab" * 32
    assert made({"known": [f" {right}\n"]}).recovery_points("known") == [right]
    with pytest.raises(PolicyError, match="is no id"):
        made({"known": [right, wrong]}).recovery_points("known")


class TestStorage:
    """What is asked of a bucket."""

    CLASSES = made().classes()

    def test_nothing_asked_for_is_not_the_defaults(self) -> None:
        assert storage_options.storage(made(), self.CLASSES) is None
        assert storage_options.storage(made({"storage": {}}), self.CLASSES) == Storage()
        assert storage_options.storage(made(holdfast_storage={"tls_only": True}), self.CLASSES) is None

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        given = {"source_networks": ["x"], "archive": {"d0030": {"storage_class": "GLACIER", "days": 1}}}
        with pytest.raises(PolicyError, match=r"storage\.source_networks: .* storage\.archive\.d0030: "):
            storage_options.storage(made({"storage": given}), self.CLASSES)

    def test_every_key_of_the_task_is_one_that_is_read(self) -> None:
        known: t.Any = storage_options.STORAGE["storage"]["options"]
        findings: list[Finding] = []
        read_storage(dict.fromkeys(known), self.CLASSES, findings)
        assert findings == []
        defaults = {name: option.get("default") for name, option in known.items()}
        assert read_storage(defaults, self.CLASSES, findings) == Storage()

    def test_a_bucket_is_one_of_s3(self) -> None:
        given = {**REPOSITORY, "url": "s3://backups/prod", "endpoint_url": "https://s3.test", "region": "eu-test-1"}
        location = Location.read(given, None)
        bucket = location.bucket()
        assert (location.on_s3, bucket.location, bucket.bucket.prefix) == (True, "s3://backups/prod", "prod/")
        assert (bucket.settings.endpoint_url, bucket.settings.region) == ("https://s3.test", "eu-test-1")
        folder = Location.read(REPOSITORY, None)
        assert not folder.on_s3
        with pytest.raises(PolicyError, match="a repository in a folder has no bucket"):
            folder.bucket()


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ({}, set()),
        ({"url": "s3://backups/prod"}, {"botocore", "python-dateutil"}),
        ({"replicas": [{"name": "south", "url": "s3://backups/prod"}]}, {"botocore", "python-dateutil"}),
        ({"keyring": {"type": "awskms"}}, {"botocore", "python-dateutil"}),
        ({"keyring": {"type": "vault"}}, {"hvac"}),
        ({"timestamp": {"url": "https://tsa.test", "certificates": "/etc/tsa.pem"}}, {"rfc3161-client"}),
    ],
)
def test_libraries_that_a_repository_needs(more: dict[str, t.Any], needed: set[str]) -> None:
    assert Location.read({**REPOSITORY, **more}, None).libraries().keys() == needed


def test_a_policy_variable_may_be_split() -> None:
    variables = {
        "holdfast_components": [{"name": "ssh", "paths": ["/etc/ssh"]}],
        "holdfast_components__web": [{"name": "web", "paths": ["/etc/nginx"]}],
        "holdfast_tiers__site": {"tier1": {"rpo": "12h"}},
    }
    found = Options({}, variables.get, check=False, names=variables).policy("web1")
    assert [one.name for one in found.components] == ["ssh", "web"]
    assert found.tiers["tier1"].rpo == dt.timedelta(hours=12)
    given_ = {"components": [{"name": "own", "paths": ["/etc/own"]}]}
    assert [
        one.name for one in Options(given_, variables.get, check=False, names=variables).policy("web1").components
    ] == ["own"]


def test_what_two_parts_say_alike_is_refused() -> None:
    variables = {f"holdfast_components__{name}": [{"name": "ssh", "paths": ["/etc/ssh"]}] for name in "ab"}
    with pytest.raises(PolicyError, match="holdfast_components__a declares too"):
        Options({}, variables.get, check=False, names=variables).policy("web1")
