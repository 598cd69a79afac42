# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    KeyMissingError,
    NotFoundError,
    UnreadableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import Comparison
from ansible_collections.holdfast.config.plugins.plugin_utils.render import text
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import compare as compare_module
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.compare import compare
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.snapshot import HeardHost
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.states import Live, LookedAt, Sealed
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import HostSite, near_trip

from .lab import Clock, Lab, declared

NEWEST = Selection(newest=True)
COMPONENTS: tuple[Mapping[str, t.Any], ...] = (
    {"name": "app", "paths": ["/etc/app"], "tier": "tier1", "excludes": [{"pattern": "*.bak", "reason": "copies"}]},
    {"name": "base", "paths": ["/etc/base"], "tier": "tier2", "volatile": ["/etc/base/state"]},
)
policy = functools.partial(declared, *COMPONENTS)


class Asked:
    """A trip in this process that notes what was asked, and can be made to fail."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, t.Any]] = []
        self.before: Callable[[Mapping[str, t.Any]], None] = lambda _request: None

    def __call__(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.requests.append(request)
        self.before(request)
        return near_trip(half, request, payload)

    @property
    def ops(self) -> list[str]:
        return [request["op"] for request in self.requests]


@dataclasses.dataclass
class Setting:
    """A repository, a host whose root is a folder, and what it takes to compare them."""

    lab: Lab
    site: HostSite
    trip: Asked

    def back_up(self, *components: Mapping[str, t.Any], host: str = "h", site: HostSite | None = None) -> str:
        """Back a host up; returns the recovery point's id."""
        own = functools.partial(declared, *(components or COMPONENTS))
        sealed = self.lab.run({host: (site or self.site).source}, policy=own)
        assert sealed.id is not None
        return sealed.id

    def live(self, selection: Selection = NEWEST, **more: t.Any) -> Comparison:
        """Compare what is sealed of host h with the folder."""
        right = Live("h", LookedAt(self.trip, root=str(self.site.root)))
        return self.compare(Sealed("h", selection), right, **more)

    def between(self, left: str, right: str, **more: t.Any) -> Comparison:
        """Compare two recovery points of host h."""
        return self.compare(Sealed("h", Selection(point=left)), Sealed("h", Selection(point=right)), **more)

    def compare(self, left: Sealed, right: Sealed | Live, **more: t.Any) -> Comparison:
        given: dict[str, t.Any] = {"declared": policy().components, **more}
        keyring = given.pop("keyring", self.lab.keyring)
        return compare(self.lab.repository, keyring, left, right, **given)

    def half(self, name: str) -> Keyring:
        """A keyring that has one half alone."""
        path = self.lab.path / f"only-{name}"
        path.mkdir(mode=0o700)
        shutil.copytree(t.cast("LocalKeyring", self.lab.keyring)._path / name, path / name)
        return LocalKeyring(path)


@pytest.fixture
def setting(lab: Lab, tmp_path: Path) -> Setting:
    site = HostSite(tmp_path / "root")
    site.write("/etc/app/main.conf", b"password = one\nlisten = 8080\n")
    site.write("/etc/app/other", b"x\n")
    site.write("/etc/base/hosts", b"127.0.0.1 localhost\n")
    site.write("/etc/base/state", b"1\n")
    (site.root / "etc/app/current").symlink_to("main.conf")
    return Setting(lab, site, Asked())


def told(outcome: Comparison) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.path, one.status, one.what) for one in outcome.differences]


def spoil(site: HostSite) -> None:
    """Change some of everything."""
    site.write("/etc/app/main.conf", b"password = two\nlisten = 9090\n")
    site.write("/etc/app/new", b"new\n")
    site.remove("/etc/app/other")
    site.set_mode("/etc/base/hosts", 0o600)
    site.remove("/etc/app/current")
    site.at("/etc/app/current").symlink_to("new")


SPOILT = [
    ("/etc/app/current", "changed", ("target",)),
    ("/etc/app/main.conf", "changed", ("content",)),
    ("/etc/app/new", "added", ()),
    ("/etc/app/other", "removed", ()),
    ("/etc/base/hosts", "changed", ("mode",)),
]


def test_a_host_as_it_was_sealed_has_no_drift(setting: Setting) -> None:
    setting.back_up()
    outcome = setting.live()
    assert told(outcome) == []
    assert not outcome.drift
    assert outcome.unchanged == 7
    assert (outcome.left.live, outcome.right.live) == (False, True)
    assert outcome.left.asked == "newest"


@pytest.mark.parametrize("content", [True, False])
def test_every_way_to_compare_finds_the_same(setting: Setting, clock: Clock, content: bool) -> None:
    first = setting.back_up()
    spoil(setting.site)
    proof = "content" if content else "digests"
    outcome = setting.live(content=content)
    assert (told(outcome), outcome.proof, outcome.unchanged) == (SPOILT, proof, 3)
    assert outcome.drift
    clock.advance(hours=1)
    second = setting.back_up()
    outcome = setting.between(first, second, content=content)
    assert (told(outcome), outcome.proof, outcome.unchanged) == (SPOILT, proof, 3)
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    outcome = setting.between(second, first, content=content)
    assert told(outcome) == [(path, turned[status], what) for path, status, what in SPOILT]


def test_manifests_of_one_host_take_no_key(setting: Setting, clock: Clock) -> None:
    first = setting.back_up()
    spoil(setting.site)
    clock.advance(hours=1)
    second = setting.back_up()
    assert told(setting.between(first, second, keyring=None)) == SPOILT


def test_digests_of_a_live_host_take_the_seal_half_and_open_nothing(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    outcome = setting.live(keyring=setting.half("seal"))
    assert (told(outcome), outcome.proof) == (SPOILT, "digests")
    assert setting.trip.ops == ["entries"]


def test_the_open_half_alone_compares_contents(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    outcome = setting.live(keyring=setting.half("open"))
    assert (told(outcome), outcome.proof) == (SPOILT, "content")
    # nobody asked to see any
    assert outcome.before.contents is None
    assert setting.trip.ops == ["entries"]


def test_what_neither_half_can_do_says_which_is_missing(setting: Setting) -> None:
    setting.back_up()
    with pytest.raises(KeyMissingError, match="neither half") as caught:
        setting.live(keyring=None)
    assert "seal half, which opens nothing" in str(caught.value.remedy)


def test_without_the_open_half_what_differs_is_named_and_not_shown(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    outcome = setting.live(keyring=setting.half("seal"), content=True)
    assert (told(outcome), outcome.proof) == (SPOILT, "digests")
    assert [one for one in outcome.warnings if one.startswith("content is not shown")]
    page = text.page(outcome)
    assert "content differs, not shown (not at hand)" in page
    assert "listen" not in page
    # of where the link led only a digest is known
    assert "target (unknown) -> new" in page


def test_content_is_brought_of_what_differs_alone_and_masked(setting: Setting) -> None:
    setting.site.write("/etc/app/tls.key", b"K1\n")
    setting.back_up()
    spoil(setting.site)
    setting.site.write("/etc/app/tls.key", b"K2\n")
    setting.site.write("/etc/app/we[i]rd*", b"odd\n")
    outcome = setting.live(content=True)
    assert setting.trip.ops == ["entries", "content"]
    assert set(outcome.after.contents or {}) == {"/etc/app/main.conf", "/etc/app/new", "/etc/app/we[i]rd*"}
    page = text.page(outcome)
    assert "-password = <secret>\n-listen = 8080\n+password = <secret>\n+listen = 9090\n" in page
    assert "+odd\n" in page
    assert "content differs, not shown (private)" in page


def test_what_its_component_calls_a_secret_is_masked(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/other", b"pin 1234\n")
    own = declared({**COMPONENTS[0], "secrets": [r"pin (?P<secret>\d+)"]}, COMPONENTS[1])
    page = text.page(setting.live(content=True, declared=own.components))
    assert "+pin <secret>" in page
    assert "1234" not in page


def test_a_component_that_is_not_declared_is_compared_with_a_warning(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/other", b"changed\n")
    outcome = setting.live(content=True, declared=())
    assert told(outcome) == [("/etc/app/other", "changed", ("content",))]
    assert outcome.warnings == (
        "component app is not declared for this host: only secrets as software in general has them are masked",
    )


def test_of_the_data_class_secret_nothing_is_shown_nor_brought(setting: Setting) -> None:
    components = ({**COMPONENTS[0], "data_class": "secret"}, COMPONENTS[1])
    setting.back_up(*components)
    setting.site.write("/etc/app/other", b"changed\n")
    outcome = setting.live(content=True, declared=declared(*components).components)
    assert setting.trip.ops == ["entries"]
    assert "not shown (private)" in text.page(outcome)
    # one side that says so will do
    assert "not shown (private)" in text.page(setting.live(content=True))


def test_what_changed_since_it_was_compared_is_not_shown(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/other", b"changed\n")

    def meanwhile(request: Mapping[str, t.Any]) -> None:
        if request["op"] == "content":
            setting.site.write("/etc/app/other", b"changed again\n")

    setting.trip.before = meanwhile
    page = text.page(setting.live(content=True))
    assert "not shown (not at hand)" in page
    assert "again" not in page


def test_a_host_that_does_not_give_content_is_compared_all_the_same(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/other", b"changed\n")

    def refuse(request: Mapping[str, t.Any]) -> None:
        if request["op"] == "content":
            raise CaptureError("no")

    setting.trip.before = refuse
    outcome = setting.live(content=True)
    assert told(outcome) == [("/etc/app/other", "changed", ("content",))]
    assert outcome.warnings == ("what differs cannot all be shown: no",)


def test_a_host_that_goes_away_fails(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/other", b"changed\n")

    def lose(request: Mapping[str, t.Any]) -> None:
        if request["op"] == "content":
            raise ConnectionLostError("gone")

    setting.trip.before = lose
    with pytest.raises(ConnectionLostError):
        setting.live(content=True)


def test_no_more_content_is_brought_than_there_is_room_for(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_module, "SHOWN_BYTES", 10)
    setting.back_up()
    setting.site.write("/etc/app/a", b"123456\n")
    setting.site.write("/etc/app/b", b"123456\n")
    outcome = setting.live(content=True)
    assert set(outcome.after.contents or {}) == {"/etc/app/a"}


def test_what_a_component_excludes_is_no_difference(setting: Setting) -> None:
    setting.back_up()
    setting.site.write("/etc/app/main.conf.bak", b"x")
    assert told(setting.live()) == []


def test_what_one_side_leaves_out_is_no_difference(setting: Setting, clock: Clock) -> None:
    setting.site.write("/etc/app/copy.old", b"x")
    first = setting.back_up()
    clock.advance(hours=1)
    narrower = {**COMPONENTS[0], "excludes": [*COMPONENTS[0]["excludes"], {"pattern": "*.old", "reason": "old"}]}
    second = setting.back_up(narrower, COMPONENTS[1])
    outcome = setting.between(first, second)
    assert told(outcome) == []
    (warning,) = outcome.warnings
    assert warning.startswith("component app has other paths or excludes on each side")
    assert told(setting.between(second, first)) == []


def test_what_the_host_now_leaves_out_is_no_difference(setting: Setting) -> None:
    setting.site.write("/etc/app/pipe", b"x")
    setting.back_up()
    setting.site.remove("/etc/app/pipe")
    os.mkfifo(setting.site.at("/etc/app/pipe"))
    # a special file is left out: nobody knows what a snapshot would hold there
    assert told(setting.live()) == []


@pytest.mark.parametrize("content", [True, False])
def test_what_is_volatile_is_no_drift(setting: Setting, content: bool) -> None:
    setting.back_up()
    setting.site.write("/etc/base/state", b"2\n")
    outcome = setting.live(content=content)
    assert told(outcome) == [("/etc/base/state", "changed", ("content",))]
    assert outcome.differences[0].volatile
    assert not outcome.drift


def test_paths_narrow_what_is_compared(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    outcome = setting.live(paths=["/etc/base", "/etc/app/*.conf"])
    assert [path for path, _status, _what in told(outcome)] == ["/etc/app/main.conf", "/etc/base/hosts"]
    assert outcome.unchanged == 2
    with pytest.raises(NotFoundError, match="'/etc/bse'"):
        setting.live(paths=["/etc/base", "/etc/bse"])


def test_components_narrow_what_is_compared(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    outcome = setting.live(Selection(newest=True, components=("base",)))
    assert told(outcome) == SPOILT[-1:]


def test_components_that_one_side_alone_holds_are_named(setting: Setting, clock: Clock) -> None:
    first = setting.back_up()
    clock.advance(hours=1)
    setting.site.write("/etc/more", b"1")
    second = setting.back_up(*COMPONENTS, {"name": "more", "paths": ["/etc/more"]})
    outcome = setting.between(first, second)
    assert told(outcome) == []
    assert [(one.component, one.reason) for one in outcome.not_compared] == [("more", "only the right side holds it")]
    (left,) = setting.between(second, first).not_compared
    assert left.reason == "only the left side holds it"


def test_two_hosts_are_compared_by_what_their_packs_hold(setting: Setting, tmp_path: Path) -> None:
    setting.back_up()
    other = HostSite(tmp_path / "other")
    shutil.copytree(setting.site.root, other.root, symlinks=True)
    spoil(other)
    setting.back_up(host="h2", site=other)
    left, right = Sealed("h", NEWEST), Sealed("h2", NEWEST)
    outcome = setting.compare(left, right)
    assert (told(outcome), outcome.proof) == (SPOILT, "content")
    with pytest.raises(KeyMissingError, match="neither half") as caught:
        setting.compare(left, right, keyring=setting.half("seal"))
    assert "no digests in common" in str(caught.value.remedy)


def test_a_live_host_is_compared_with_another_ones_snapshots(setting: Setting, tmp_path: Path) -> None:
    other = HostSite(tmp_path / "other")
    shutil.copytree(setting.site.root, other.root, symlinks=True)
    setting.back_up(host="h2", site=other)
    spoil(setting.site)
    right = Live("h", LookedAt(setting.trip, root=str(setting.site.root)))
    for keyring in (setting.half("seal"), setting.half("open")):
        assert told(setting.compare(Sealed("h2", NEWEST), right, keyring=keyring)) == SPOILT


def test_where_components_overlap_each_path_is_compared_once(setting: Setting, clock: Clock) -> None:
    wide = {"name": "etc", "paths": ["/etc"], "tier": "tier2"}
    narrow = {"name": "app", "paths": ["/etc/app"], "tier": "tier1"}
    setting.back_up(wide, narrow)
    clock.advance(hours=1)
    setting.site.write("/etc/app/other", b"captured by the narrow one, later\n")
    setting.back_up({**narrow, "tier": "tier0"}, wide)
    assert told(setting.live()) == []
    setting.site.write("/etc/app/other", b"and changed\n")
    for content in (True, False):
        assert told(setting.live(content=content)) == [("/etc/app/other", "changed", ("content",))]


def commands(*argv: str, **more: t.Any) -> Mapping[str, t.Any]:
    return {"name": "said", "commands": [{"name": "it", "argv": list(argv)}], "volatile": ["^now "], **more}


@pytest.mark.parametrize("content", [True, False])
def test_what_commands_print_is_compared_line_by_line(setting: Setting, tmp_path: Path, content: bool) -> None:
    said = tmp_path / "said"
    component = commands("cat", str(said))
    said.write_text("now 1\nalways\n")
    host = HostSite(tmp_path / "near")
    host.root.mkdir()
    setting.back_up(component, host="h", site=host)
    own = declared(component).components
    assert told(setting.live(declared=own, content=content)) == []
    said.write_text("now 2\nalways\n")
    outcome = setting.live(declared=own, content=content)
    assert told(outcome) == [("/holdfast/said/it", "changed", ("content",))]
    assert not outcome.drift
    said.write_text("now 3\nnever\n")
    outcome = setting.live(declared=own, content=content)
    assert outcome.drift
    assert ("\n-always\n+now 3\n+never\n" in text.page(outcome)) is content


@pytest.mark.parametrize("content", [True, False])
def test_sealed_texts_are_compared_line_by_line(setting: Setting, tmp_path: Path, clock: Clock, content: bool) -> None:
    said = tmp_path / "said"
    component = commands("cat", str(said))
    host = HostSite(tmp_path / "near")
    host.root.mkdir()
    points = []
    for words in ("now 1\nalways\n", "now 2\nalways\n", "now 2\nnever\n"):
        said.write_text(words)
        # a second component changes each time, so that the stream is stored
        (tmp_path / "count").write_text(words)
        points.append(
            setting.back_up(
                component, {**commands("cat", str(tmp_path / "count")), "name": "count", "volatile": []}, site=host
            )
        )
        clock.advance(hours=1)
    chosen = [Selection(point=point, components=("said",)) for point in points]
    own = declared(component).components
    calm = setting.compare(Sealed("h", chosen[0]), Sealed("h", chosen[1]), declared=own, content=content)
    assert told(calm) == [("/holdfast/said/it", "changed", ("content",))]
    assert not calm.drift
    assert setting.compare(Sealed("h", chosen[1]), Sealed("h", chosen[2]), declared=own, content=content).drift


def test_a_command_is_run_only_as_the_inventory_says(setting: Setting, tmp_path: Path) -> None:
    component = commands("echo", "sealed")
    host = HostSite(tmp_path / "near")
    host.root.mkdir()
    setting.back_up(component, *COMPONENTS, site=setting.site)
    for now, reason in (
        (declared(*COMPONENTS), "it is not declared, and a command is asked only as the inventory says"),
        (declared(commands("echo", "other"), *COMPONENTS), "it is declared otherwise now"),
    ):
        outcome = setting.live(declared=now.components)
        assert [(one.component, one.reason) for one in outcome.not_compared] == [("said", reason)]
        assert setting.trip.ops == ["entries"]
        setting.trip.requests.clear()
        with pytest.raises(NotFoundError, match="cannot be compared"):
            setting.live(Selection(newest=True, components=("said",)), declared=now.components)


def test_nothing_that_can_be_compared_is_an_error(setting: Setting, tmp_path: Path) -> None:
    host = HostSite(tmp_path / "near")
    host.root.mkdir()
    setting.back_up(commands("echo", "sealed"), site=host)
    with pytest.raises(NotFoundError, match="said: it is not declared"):
        setting.live(declared=())


def test_what_cannot_be_read_fails_as_at_a_backup(setting: Setting) -> None:
    setting.back_up()

    def refuse(_request: Mapping[str, t.Any]) -> None:
        raise UnreadableError("1 paths cannot be read by uid 1000", item="/etc/app/main.conf")

    setting.trip.before = refuse
    with pytest.raises(UnreadableError):
        setting.live()


@pytest.mark.parametrize("content", [True, False])
def test_extended_attributes_are_named_and_never_shown(setting: Setting, content: bool) -> None:
    other = setting.site.at("/etc/app/other")
    try:
        os.setxattr(other, "user.same", b"1")
    except OSError:
        # a file system without them
        return
    setting.back_up()
    os.setxattr(other, "user.note", b"S3CRET")
    outcome = setting.live(content=content)
    assert told(outcome) == [("/etc/app/other", "changed", ("extended attributes",))]
    assert "(unknown) -> user.note" in text.page(outcome)
    assert "S3CRET" not in text.page(outcome)
    assert outcome.as_dict()["differences"][0]["after"] == {"extended_attributes": "user.note"}


def test_nothing_is_put_and_nothing_is_written(setting: Setting) -> None:
    setting.back_up()
    spoil(setting.site)
    names, state = setting.lab.names(), setting.site.state()
    setting.live(content=True)
    assert setting.lab.names() == names
    assert setting.site.state() == state


def test_a_host_that_nobody_backed_up_is_not_found(setting: Setting) -> None:
    setting.back_up()
    with pytest.raises(NotFoundError):
        setting.compare(Sealed("nobody", NEWEST), Sealed("h", NEWEST))
    with pytest.raises(NotFoundError):
        setting.compare(Sealed("h", NEWEST), Sealed("nobody", NEWEST))


def test_seconds_are_told_by_phase(setting: Setting) -> None:
    setting.back_up()
    assert set(setting.live().seconds) == {"find", "fetch", "survey", "compare"}


def test_a_snapshot_of_an_open_restore_is_compared_with_a_warning(setting: Setting, clock: Clock) -> None:
    first = setting.back_up()
    clock.advance(hours=1)
    spoil(setting.site)
    journal = setting.site.root / "var/lib/holdfast"
    (journal / "0123456789abcdef").mkdir(parents=True)
    (journal / "0123456789abcdef" / "journal.json").write_text("{}")

    def trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        return near_trip(half, {**request, "root": str(setting.site.root)}, payload)

    marked = setting.lab.run({"h": HeardHost(trip, journal=str(journal))}, policy=policy).id
    assert marked is not None
    outcome = setting.between(first, marked)
    assert told(outcome) == SPOILT
    assert [one for one in outcome.warnings if one.endswith("was captured while a restore was open on h")]
