# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points found by what people call them: one, or none at all, and never a guess."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    FormatError,
    HoldfastError,
    NotFoundError,
    PolicyError,
    RunError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.alias import Aliases
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import RESTORE_OPEN, STATEMENT_LIMIT
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose, objects, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import ship_leftovers
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import followed, governed
from .faults import FaultyStore
from .forge import Forge
from .lab import COMPONENTS, FILES, START, Clock, Lab, declared, problems
from .test_costs import CountedStore
from .test_leftovers import all_points, captured, refusing, ship

CONF = "/etc/app/main.conf"
NOW = START + dt.timedelta(days=99)
HOSTILE = ("", " ", "-v1", ".v1", "v1\n", "v 1", "v1/../v2", "../v1", "v1\x1b[2J", "vé", "v1;", "a" * 65, "v\u0661")
ALIASES = ("v1.4.2", "0", "2026-03-01_blue+7", "a" * 64, "0123456789abcdef0123456789abcdef01234567", "ab" * 6)


def made(
    lab: Lab,
    clock: Clock,
    texts: Mapping[str, bytes | None],
    *,
    folder: PointFolder | None = None,
    name: str = "main",
    change: str = "",
    **more: t.Any,
) -> points.Point:
    """A run of these hosts, each with its text, None where it does not answer; an hour passes afterwards."""
    folder = folder or lab.folder(name)
    lab.open(folder, *texts, change={"id": change} if change else {}, **more)
    for host, text in texts.items():
        source = MemorySource({**FILES, CONF: text or b""})
        source.failure = ConnectionLostError("the host was not reached") if text is None else None
        with contextlib.suppress(ConnectionLostError):
            lab.snapshot(folder, source, host)
    return sealed(lab, clock, folder)


def sealed(lab: Lab, clock: Clock, folder: PointFolder) -> points.Point:
    done = lab.seal(folder)
    assert done.id is not None
    clock.advance(hours=1)
    (point,) = points.find(lab.repository, done.id)[0]
    return point


def text(lab: Lab, host: str = "h", **selection: t.Any) -> bytes:
    return lab.contents(host, Selection(**selection))[CONF]


def refusal(lab: Lab, host: str = "h", **selection: t.Any) -> HoldfastError:
    """The error of choosing so."""
    with pytest.raises((NotFoundError, PolicyError)) as caught:
        choose.choose(lab.repository, host, Selection(**selection))
    assert caught.value.host == host
    assert caught.value.remedy
    return caught.value


class TestSelection:
    @pytest.mark.parametrize(
        "given",
        [
            {"alias": "v1", "change_id": "CHG1"},
            {"alias": "v1", "newest": True},
            {"change_id": "CHG1", "time": START},
            {"change_id": "CHG1", "point": "ab" * 32},
            {"point_name": "pre"},
            {"change_id": ""},
            {"point_name": "pre", "alias": "v1"},
            {"point_name": "pre", "point": "ab" * 32},
            {"point_name": "pre", "snapshot": "ab" * 32},
            {"point_name": "", "newest": True},
            {"point_name": "Pre", "newest": True},
            {"point_name": "../pre", "change_id": "CHG1"},
            {"newest": True, "paths": ("",)},
            {"newest": True, "paths": ("/etc", "/")},
            {"newest": True, "paths": ("//",)},
            *({"alias": alias} for alias in HOSTILE),
        ],
    )
    def test_refused(self, given: dict[str, t.Any]) -> None:
        with pytest.raises(PolicyError) as caught:
            Selection(**given)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("given", "spoken"),
        [
            ({"alias": "v1.4.2"}, "v1.4.2"),
            ({"change_id": "CHG1"}, "change 'CHG1'"),
            ({"change_id": "CHG\n1", "point_name": "pre"}, "change 'CHG\\n1' of pre"),
            ({"newest": True, "point_name": "pre", "paths": ("/etc",)}, "newest of pre"),
            ({"time": START, "point_name": "post"}, "2026-03-01T12:00:00Z of post"),
        ],
    )
    def test_spoken(self, given: dict[str, t.Any], spoken: str) -> None:
        assert Selection(**given).spoken == spoken

    def test_what_no_matcher_takes_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refusing(_patterns: list[str]) -> t.NoReturn:
            raise ValueError("no pattern")

        monkeypatch.setattr(choose, "covering", refusing)
        with pytest.raises(PolicyError, match="is not a path or pattern"):
            Selection(newest=True, paths=("[",))


class TestByChange:
    @pytest.fixture
    def change(self, lab: Lab, clock: Clock) -> dict[str, points.Point]:
        """A change with a point before and one after, and runs around it."""
        made(lab, clock, {"h": b"old"})
        found = {
            "pre": made(lab, clock, {"h": b"before"}, name="pre", change="CHG1"),
            "post": made(lab, clock, {"h": b"after"}, name="post", change="CHG1"),
        }
        made(lab, clock, {"h": b"other"}, name="pre", change="CHG2")
        made(lab, clock, {"h": b"new"})
        return found

    def test_the_only_point_of_a_change(self, lab: Lab, change: dict[str, points.Point]) -> None:
        assert text(lab, change_id="CHG2") == b"other"
        assert text(lab, change_id="CHG2", point_name="pre", components=("app",)) == b"other"

    @pytest.mark.parametrize(("name", "held"), [("pre", b"before"), ("post", b"after")])
    def test_of_several_the_one_of_that_name(
        self, lab: Lab, change: dict[str, points.Point], name: str, held: bytes
    ) -> None:
        assert text(lab, change_id="CHG1", point_name=name) == held

    def test_of_several_none_is_guessed_and_all_are_listed(self, lab: Lab, change: dict[str, points.Point]) -> None:
        error = refusal(lab, change_id="CHG1")
        assert isinstance(error, PolicyError)
        assert error.message == (
            "2 recovery points are of change 'CHG1': "
            f"{change['pre'].id} (pre, 2026-03-01T13:00:00Z, complete); "
            f"{change['post'].id} (post, 2026-03-01T14:00:00Z, complete)"
        )
        assert error.remedy == "Say which: point_name or recovery_point."
        assert error.details["recovery_points"] == [
            {
                "id": change[name].id,
                "name": name,
                "sealed_at": f"2026-03-01T{hour}:00:00Z",
                "complete": True,
                "captured": True,
            }
            for name, hour in (("pre", 13), ("post", 14))
        ]

    def test_several_runs_of_one_name_are_told_apart_by_their_ids_alone(
        self, lab: Lab, clock: Clock, change: dict[str, points.Point]
    ) -> None:
        again = made(lab, clock, {"other": b"again"}, name="pre", change="CHG1")
        error = refusal(lab, change_id="CHG1", point_name="pre")
        assert error.message.startswith("2 recovery points are of change 'CHG1' of pre: ")
        assert f"{again.id} (pre, 2026-03-01T17:00:00Z, complete, without this host)" in error.message
        assert error.remedy == "Say which: recovery_point."
        assert text(lab, change_id="CHG1", point_name="post") == b"after"

    def test_ten_are_listed_the_oldest_first(self, lab: Lab, clock: Clock) -> None:
        runs = [made(lab, clock, {"h": b"%d" % number}, change="CHG1") for number in range(12)]
        error = refusal(lab, change_id="CHG1")
        assert [one["id"] for one in t.cast(list[dict[str, t.Any]], error.details["recovery_points"])] == [
            run.id for run in runs[:10]
        ]
        assert error.message.endswith("complete) and 2 more")

    def test_an_incomplete_one_says_so(self, lab: Lab, clock: Clock, change: dict[str, points.Point]) -> None:
        made(lab, clock, {"h": b"x", "dead": None}, name="post", change="CHG2")
        assert "(post, 2026-03-01T17:00:00Z, incomplete)" in refusal(lab, change_id="CHG2").message

    @pytest.mark.parametrize("wanted", ["CHG", "CHG11", "chg1", "CHG1 ", "*"])
    def test_only_the_very_id(self, lab: Lab, change: dict[str, points.Point], wanted: str) -> None:
        error = refusal(lab, change_id=wanted)
        assert error.message == f"no recovery point is of change {wanted!r}"
        assert isinstance(error, NotFoundError)

    def test_the_names_that_a_change_has_are_told(self, lab: Lab, change: dict[str, points.Point]) -> None:
        error = refusal(lab, change_id="CHG1", point_name="main")
        assert error.remedy == "Those of that change are named post, pre."

    @pytest.mark.parametrize(("length", "told"), [(256, True), (257, False), (100_000, False)])
    def test_a_long_id_stands_in_the_body_alone_and_is_found(
        self, lab: Lab, clock: Clock, length: int, told: bool
    ) -> None:
        wanted = "\u20ac" * length
        point = made(lab, clock, {"h": b"x"}, change=wanted)
        assert point.statement.change == (wanted if told else None)
        assert len(statement_format.payload(point.statement)) < STATEMENT_LIMIT / 10
        assert text(lab, change_id=wanted) == b"x"

    def test_a_statement_that_does_not_say_it_is_looked_into(self, lab: Lab, change: dict[str, points.Point]) -> None:
        """As those of older writers."""
        forge = Forge(lab)
        forge.put(statement={"change": None}, body={"change": {"id": "CHG9"}})
        assert text(lab, change_id="CHG9") == b"new"
        refusal(lab, change_id="CHG8")

    @pytest.mark.parametrize("told", ["", "CHG1", "CHG9"])
    def test_a_statement_that_says_another_change_than_its_body_is_not_believed(
        self, lab: Lab, change: dict[str, points.Point], told: str
    ) -> None:
        name = Forge(lab).put(statement={"change": told}, body={"change": {"id": "CHG3"}})
        with pytest.raises(FormatError, match="another alias or change than its body"):
            points.read_point(lab.repository, name)
        assert refusal(lab, change_id="CHG3")
        assert refusal(lab, change_id="CHG9").remedy == (
            "Look at the recovery points that find lists."
            + (" 1 are not believed: it names those too." if told == "CHG9" else "")
        )
        assert text(lab, change_id="CHG2") == b"other"

    @pytest.mark.parametrize("change_id", [7, None, ["CHG1"], {}])
    def test_an_id_that_is_no_text_is_none(self, lab: Lab, clock: Clock, change_id: t.Any) -> None:
        made(lab, clock, {"h": b"x"})
        forge = Forge(lab)
        forge.put(body={"change": {"id": change_id}})
        assert lab.live().warnings == ()
        refusal(lab, change_id="7")

    def test_no_other_body_is_read(self, lab: Lab, change: dict[str, points.Point]) -> None:
        calls: list[tuple[str, str]] = []
        counted = lab.on(CountedStore(lab.store, calls))
        choose.choose(counted.repository, "h", Selection(change_id="CHG2"))
        read = [name for operation, name in calls if operation == "get"]
        assert len([name for name in read if name.startswith("points/")]) == len(set(read) - {*bodies(read)}) == 5
        assert len(bodies(read)) == 1


def bodies(read: list[str]) -> list[str]:
    return [name for name in read if name.startswith("bodies/")]


def prepared(lab: Lab, alias: str, name: str) -> PointFolder:
    """A point that is open by that alias, with all that its host gives."""
    folder = lab.folder(name)
    lab.open(folder, "h", alias=alias)
    lab.snapshot(folder, MemorySource(FILES))
    return folder


class TestByAlias:
    @pytest.mark.parametrize("alias", ALIASES)
    def test_the_point_that_has_it(self, lab: Lab, clock: Clock, alias: str) -> None:
        point = made(lab, clock, {"h": b"released"}, alias=alias)
        made(lab, clock, {"h": b"new"})
        assert (point.body.alias, point.statement.alias) == (alias, alias)
        assert text(lab, alias=alias) == b"released"
        (chosen,) = choose.choose(lab.repository, "h", Selection(alias=alias, components=("app",)))
        assert chosen.entry.manifest in [entry.manifest for entry in point.body.streams]

    def test_what_it_found_unchanged_counts_as_well(self, lab: Lab, clock: Clock) -> None:
        made(lab, clock, {"h": b"same"})
        made(lab, clock, {"h": b"same"}, alias="v1")
        made(lab, clock, {"h": b"new"})
        assert text(lab, alias="v1") == b"same"

    def test_nobody_has_it(self, lab: Lab, clock: Clock) -> None:
        made(lab, clock, {"h": b"x"}, alias="v1.4.2")
        error = refusal(lab, alias="v1.4")
        assert error.message == "no recovery point has the alias v1.4"

    def test_two_that_have_it_are_both_named(self, lab: Lab, clock: Clock) -> None:
        """Two controllers that seal at once: neither sees the other's."""
        ours, others = (prepared(lab, "v1", name) for name in ("main", "pre"))

        def meanwhile(_number: int, operation: str, name: str) -> None:
            if operation == "put" and name.startswith("points/") and others.read_sealed() is None:
                lab.seal(others)

        lab.on(FaultyStore(lab.store, before=meanwhile)).seal(ours)
        both = sorted(points.history(lab.repository), key=lambda point: point.id)
        assert [point.body.alias for point in both] == ["v1", "v1"]
        error = refusal(lab, alias="v1")
        assert error.message.startswith("2 recovery points have the alias v1: ")
        for point in both:
            assert point.id in error.message
            assert text(lab, point=point.id) == FILES[CONF]
        assert error.remedy == "Say which: recovery_point."
        (found,) = problems(lab.verify(), Severity.WARNING)
        assert found.item == both[1].name
        assert f"has the alias v1, which recovery point {both[0].id} has too" in found.problem

    def test_what_another_controller_has_since_is_not_taken_from_it(self, lab: Lab, clock: Clock) -> None:
        """The backup is kept all the same."""
        ours, others = (prepared(lab, "v1", name) for name in ("main", "pre"))
        theirs = sealed(lab, clock, others)
        done = lab.seal(ours)
        assert (done.alias, done.complete) == (None, True)
        (warning,) = done.warnings
        assert f"with the alias v1, which recovery point {theirs.id} has by now (given at " in warning
        assert lab.seal(ours) == done
        (own,) = points.find(lab.repository, done.id or "")[0]
        assert [finding.detail for finding in own.body.consistency] == [warning]
        assert own.body.alias is None
        (chosen, *_rest) = choose.choose(lab.repository, "h", Selection(alias="v1"))
        assert chosen.entry.manifest in [entry.manifest for entry in theirs.body.streams]
        assert problems(lab.verify(), Severity.WARNING) == []

    def test_a_flipped_one_is_not_believed(self, lab: Lab, clock: Clock) -> None:
        made(lab, clock, {"h": b"x"}, alias="v1")
        forge = Forge(lab)
        for changed in (
            {"statement": {"alias": "v2"}},
            {"body": {"alias": "v2"}},
            {"statement": {"alias": None}},
            {"body": {"alias": None}},
            {"payload": lambda data: data.replace(b'"alias":"v1"', b'"alias":"v2"')},
            {"payload": lambda data: data.replace(b'"alias":"v1"', b'"alias":"v/"')},
        ):
            with pytest.raises(FormatError):
                points.read_point(lab.repository, forge.put(**changed))
        refusal(lab, alias="v2")
        assert text(lab, alias="v1") == b"x"

    def test_who_cannot_sign_cannot_rename_it(self, lab: Lab, clock: Clock) -> None:
        point = made(lab, clock, {"h": b"x"}, alias="v1")
        envelope = json.loads(lab.store.get(point.name))
        payload = base64.b64decode(envelope["payload"])
        assert payload.count(b'"alias":"v1"') == 1
        envelope["payload"] = base64.b64encode(payload.replace(b'"alias":"v1"', b'"alias":"v2"')).decode()
        data = canonical.dump(envelope)
        name = names.for_point(names.Kind.POINT, point.body.sealed_at, point.body.run, data)
        objects.put(lab.store, name, data, lock_until=point.body.sealed_at + dt.timedelta(days=500))
        with pytest.raises(SignatureError):
            points.read_point(lab.repository, name)
        refusal(lab, alias="v2")
        assert text(lab, alias="v1") == b"x"
        assert made(lab, clock, {"h": b"y"}, alias="v2").body.alias == "v2"

    def test_a_point_whose_key_was_removed_counts_where_a_link_vouches_for_it(
        self, tmp_path: Path, keys: Path, clock: Clock
    ) -> None:
        """Only its descendants tell that, and their statements say nothing of it."""
        lab = governed(tmp_path, keys, clock)
        clock.advance(minutes=1)
        made(lab, clock, {"h": b"released"}, alias="v1", change="CHG1")
        for number in range(3):
            made(lab, clock, {"h": b"%d" % number})
        (key,) = [key.id for key in lab.repository.root.keys.sign if key.use == "point"]
        lab = followed(lab, rotate=("point",), remove=(key,))
        assert text(lab, alias="v1") == b"released"
        assert text(lab, change_id="CHG1") == b"released"
        with pytest.raises(PolicyError):
            lab.open(lab.folder(), "h", alias="v1")

    def test_it_is_shown_where_points_are(self, lab: Lab, clock: Clock) -> None:
        folder = lab.folder()
        lab.open(folder, "h", alias="v1")
        lab.snapshot(folder, MemorySource(FILES))
        done = lab.seal(folder)
        assert done.alias == lab.seal(folder).alias == "v1"
        clock.advance(hours=1)
        made(lab, clock, {"h": b"x"})
        report = lab.verify()
        assert [point.alias for point in report.points] == ["v1", ""]
        assert problems(report) == []


class TestWhatARunFound:
    """By alias, change or name never what a point names besides: it may be years older."""

    @pytest.mark.parametrize(
        "selection", [{"alias": "v1"}, {"change_id": "CHG1"}, {"newest": True, "point_name": "pre"}]
    )
    @pytest.mark.parametrize("days", [0, 80], ids=["live in a full body", "carried"])
    def test_a_host_that_was_silent_is_not_restored_from_before(
        self, lab: Lab, clock: Clock, selection: dict[str, t.Any], days: int
    ) -> None:
        made(lab, clock, {"h": b"old", "other": b"x"})
        clock.advance(days=days)
        given: dict[str, t.Any] = {"name": "pre", "change": "CHG1", "alias": "v1"}
        if days:
            point = made(lab, clock, {"h": None, "other": b"x"}, **given)
        else:
            point = made(lab, clock, {"other": b"y"}, **given)
            point = full(lab, point)
        assert {entry.state.value for entry in point.body.streams if entry.host == "h"} == {
            "carried" if days else "live"
        }
        error = refusal(lab, **selection)
        assert isinstance(error, NotFoundError)
        assert error.message.startswith("the host was not captured in any such run")
        # whoever names the point has it
        assert text(lab, point=point.id) == b"old"
        assert text(lab, "other", **selection) == (b"x" if days else b"y")

    @pytest.mark.parametrize("host", ["h", "h-of-now"])
    def test_a_host_that_failed_in_part_is_not_restored_as_if_it_were_whole(
        self, lab: Lab, clock: Clock, host: str
    ) -> None:
        """Also where it is asked for by another name than it had in that run."""
        made(lab, clock, {"h": b"old"})
        folder = lab.folder()
        lab.open(folder, host, alias="v1")
        # the second of its streams is refused
        flaky = lab.on(FaultyStore(lab.store, before=refusing("tier2")))
        with contextlib.suppress(HoldfastError):
            source = MemorySource({**FILES, CONF: b"new", "/etc/base": b"new base\n"})
            flaky.snapshot(folder, source, host, host_id=lambda: "h", keyring=lambda: lab.keyring)
        point = sealed(lab, clock, folder)
        assert [entry.stream for entry in point.body.streams if entry.state.value == "stored"] == ["tier1"]
        error = refusal(lab, alias="v1")
        assert error.message == "the host failed in that run, and its recovery point holds it only in part"
        assert error.item == point.id
        assert "components (it holds app)" in str(error.remedy)
        assert text(lab, alias="v1", components=("app",)) == b"new"
        assert "no component base there" in refusal(lab, alias="v1", components=("base",)).message

    def test_what_was_captured_under_an_open_restore_is_passed_over(self, lab: Lab, clock: Clock) -> None:
        made(lab, clock, {"h": b"good"}, name="pre", change="CHG1")
        point = made(lab, clock, {"h": b"half"}, name="pre", change="CHG2", alias="v1")
        marked = tuple(
            dataclasses.replace(entry, marks=(f"{RESTORE_OPEN}: {'0' * 16}",)) if entry.stream == "tier1" else entry
            for entry in point.body.streams
        )
        name = point.name
        forged = Forge(lab).put(body={"streams": marked})
        del lab.memory._versions[name]
        for selection in ({"alias": "v1"}, {"change_id": "CHG2"}):
            assert "taken while a restore was open" in refusal(lab, **selection).message
            (chosen,) = choose.choose(lab.repository, "h", Selection(**selection, components=("base",)))
            assert chosen.components == ("base",)
        app = Selection(newest=True, point_name="pre", components=("app",))
        (chosen,) = choose.choose(lab.repository, "h", app)
        assert (chosen.entry.captured_at, chosen.restore_open) == (START, False)
        (named,) = choose.choose(
            lab.repository, "h", Selection(point=forged.rsplit("-", 1)[1][:64], components=("app",))
        )
        assert named.restore_open

    def test_a_host_by_the_name_it_has_now(self, lab: Lab, clock: Clock) -> None:
        made(lab, clock, {"web1": b"x"}, name="pre", alias="v1", change="CHG1")
        folder = lab.folder()
        lab.open(folder, "web-a")
        source = MemorySource({**FILES, CONF: b"x"})
        lab.snapshot(folder, source, "web-a", host_id=lambda: "web1", keyring=lambda: lab.keyring)
        lab.seal(folder)
        for host in ("web1", "web-a"):
            assert text(lab, host, alias="v1") == b"x"
            assert text(lab, host, change_id="CHG1") == b"x"
            assert text(lab, host, newest=True, point_name="pre") == b"x"
        assert choose.choose(lab.repository, "whatever", Selection(alias="v1"), host_id="web1")
        assert refusal(lab, "nobody", alias="v1").item == "v1"


def full(lab: Lab, point: points.Point) -> points.Point:
    """The same point as it is where it was due to list every live stream."""
    live = [
        dataclasses.replace(entry, state=type(entry.state).LIVE)
        for key, entry in lab.live().streams.items()
        if key not in {one.key for one in point.body.streams}
    ]
    name = Forge(lab).put(
        statement={"full": True}, body={"full": True, "streams": (*point.body.streams, *live), "covers": ()}
    )
    del lab.memory._versions[point.name]
    return points.read_point(lab.repository, name)


class TestByName:
    @pytest.fixture
    def history(self, lab: Lab, clock: Clock) -> Lab:
        """A point before and after each of two changes."""
        for number in (1, 2):
            for name in ("pre", "post"):
                made(lab, clock, {"h": b"%s %d" % (name.encode(), number)}, name=name, change=f"CHG{number}")
        return lab

    @pytest.mark.parametrize(
        ("selection", "held"),
        [
            ({"newest": True}, b"post 2"),
            ({"newest": True, "point_name": "pre"}, b"pre 2"),
            ({"newest": True, "point_name": "post"}, b"post 2"),
            ({"time": START + dt.timedelta(hours=1, minutes=59), "point_name": "pre"}, b"pre 1"),
            ({"time": START + dt.timedelta(hours=2), "point_name": "pre"}, b"pre 2"),
            ({"time": NOW, "point_name": "post"}, b"post 2"),
        ],
    )
    def test_the_newest_of_that_name(self, history: Lab, selection: dict[str, t.Any], held: bytes) -> None:
        assert text(history, **selection) == held

    @pytest.mark.parametrize(
        "selection",
        [
            {"newest": True, "point_name": "main"},
            {"time": START - dt.timedelta(seconds=1), "point_name": "pre"},
            {"time": START, "point_name": "post"},
        ],
    )
    def test_nothing_of_another_name_is_taken_instead(self, history: Lab, selection: dict[str, t.Any]) -> None:
        assert refusal(history, **selection).item == Selection(**selection).spoken

    def test_a_component_that_points_of_that_name_do_not_have(self, history: Lab, clock: Clock) -> None:
        more = declared(*COMPONENTS, {"name": "more", "paths": ["/etc/more"], "tier": "tier1"})
        folder = history.folder()
        history.open(folder, "h")
        history.snapshot(folder, MemorySource({**FILES, "/etc/more/x": b"more"}), policy=lambda: more)
        history.seal(folder)
        assert choose.choose(history.repository, "h", Selection(newest=True, components=("more",)))
        assert refusal(history, newest=True, point_name="pre", components=("more",)).item == "more"


class TestAliasAtOpen:
    @pytest.fixture
    def released(self, lab: Lab, clock: Clock) -> points.Point:
        return made(lab, clock, {"h": b"released"}, alias="v1")

    @pytest.mark.parametrize("alias", HOSTILE)
    def test_what_is_none_is_refused_before_anything_is_written(self, lab: Lab, alias: str) -> None:
        folder = lab.folder()
        with pytest.raises(PolicyError, match="is no alias"):
            lab.open(folder, "h", alias=alias)
        assert not folder.exists()
        assert lab.names("points/") == []

    def test_opening_again_is_the_same(self, lab: Lab, clock: Clock) -> None:
        folder = lab.folder()
        first = lab.open(folder, "h", alias="v1")
        assert lab.open(folder, "h", alias="v1") == lab.open(folder, "h") == first == folder.read_open()
        lab.snapshot(folder, MemorySource(FILES))
        lab.seal(folder, alias="v1")
        clock.advance(hours=1)
        # sealed, and believed to have it: still the same
        assert lab.open(folder, "h", alias="v1") == first
        assert lab.seal(folder, alias="v1").alias == "v1"

    @pytest.mark.parametrize("alias", ["v1", None])
    def test_another_one_for_an_open_point_is_refused(self, lab: Lab, alias: str | None) -> None:
        folder = lab.folder()
        lab.open(folder, "h", alias=alias)
        for again in (lambda: lab.open(folder, "h", alias="v2"), lambda: lab.seal(folder, alias="v2")):
            with pytest.raises(RunError, match="with the alias v1" if alias else "without an alias"):
                again()
        assert folder.read_open().alias == alias

    @pytest.mark.parametrize("check", [False, True])
    @pytest.mark.parametrize("name", ["main", "pre"])
    def test_another_run_may_not_have_it(
        self, lab: Lab, clock: Clock, released: points.Point, name: str, check: bool
    ) -> None:
        for _number in range(3):
            made(lab, clock, {"h": b"x"})
        folder = lab.folder(name)
        with pytest.raises(PolicyError, match=f"recovery point {released.id} has the alias v1") as caught:
            lab.open(folder, "h", alias="v1", check=check)
        assert caught.value.item == "alias"
        assert not folder.exists()
        # others are free, also what it begins with
        for alias in ("v", "V1", "v1.1"):
            lab.open(lab.folder(), "h", alias=alias, check=check)

    def test_who_has_it_and_since_when_is_said(self, lab: Lab, clock: Clock) -> None:
        point = made(lab, clock, {"h": b"x"}, alias="v1", actor={"user": "root", "awx_user": "alice\x1b[2J"})
        with pytest.raises(PolicyError) as caught:
            lab.open(lab.folder(), "h", alias="v1")
        assert caught.value.message == (
            f"recovery point {point.id} has the alias v1: alice\\x1b[2J gave it at 2026-03-01T12:00:00Z"
        )

    @pytest.mark.parametrize(
        ("pattern", "known", "alias", "said"),
        [
            ("semver", "1.4.2", "1.4", "the alias 1.4 is not semver, as holdfast_aliases says"),
            ("semver", "1.4.2", "v1.4.2", "has the alias 1.4.2, for which people would take v1.4.2"),
            ("commit", "0123abc", "HEAD", "the alias HEAD is not commit, as holdfast_aliases says"),
            ("commit", "0123abc", "0123abc4567", "has the alias 0123abc, for which people would take 0123abc4567"),
            ("rel-[0-9]+", "rel-1", "v1", "the alias v1 is not of the form rel-[0-9]+, as holdfast_aliases says"),
        ],
    )
    def test_a_policy_says_what_it_must_look_like(
        self, lab: Lab, clock: Clock, pattern: str, known: str, alias: str, said: str
    ) -> None:
        made(lab, clock, {"h": b"x"}, alias=known, aliases=Aliases(pattern))
        folder = lab.folder()
        with pytest.raises(PolicyError) as caught:
            lab.open(folder, "h", alias=alias, aliases=Aliases(pattern))
        assert said in caught.value.message
        assert caught.value.remedy
        assert not folder.exists()
        lab.open(folder, "h", aliases=Aliases(pattern))

    def test_another_point_of_the_run_may_not_have_it_before_it_is_sealed_nor_after(
        self, lab: Lab, clock: Clock
    ) -> None:
        pre = lab.folder("pre")
        lab.open(pre, "h", alias="v1")
        post = lab.folder("post", run=pre.run)
        with pytest.raises(PolicyError, match="recovery point pre of this run has the alias v1"):
            lab.open(post, "h", alias="v1")
        made(lab, clock, {"h": b"x"}, folder=pre, alias="v1")
        with pytest.raises(PolicyError, match="has the alias v1"):
            lab.open(post, "h", alias="v1")
        assert lab.open(post, "h", alias="v2").alias == "v2"

    def test_a_point_that_is_not_believed_holds_none(self, lab: Lab, clock: Clock, released: points.Point) -> None:
        forged = Forge(lab).put(statement={"alias": "v2"})
        with pytest.raises(FormatError):
            points.read_point(lab.repository, forged)
        assert made(lab, clock, {"h": b"x"}, alias="v2").body.alias == "v2"
        assert text(lab, alias="v2") == b"x"

    def test_it_is_asked_of_the_store_only_where_one_is_given(self, lab: Lab, released: points.Point) -> None:
        def cost(**more: t.Any) -> int:
            calls: list[tuple[str, str]] = []
            lab.on(CountedStore(lab.store, calls)).open(lab.folder(), "h", **more)
            return len(calls)

        assert cost() < cost(alias="v2")

    def test_a_run_of_an_older_version_has_none(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "h")
        document = folder._read("point.json")
        del document["alias"]
        folder._write("point.json", document)
        assert folder.read_open().alias is None


class TestStoredLate:
    def test_the_point_itself_keeps_it(self, lab: Lab, clock: Clock) -> None:
        folder = captured(lab, refusing(), alias="v1")
        with pytest.raises(RunError):
            lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)
        clock.advance(hours=1)
        ship(lab)
        (point,) = all_points(lab).values()
        assert point.body.alias == "v1"

    def test_what_stands_beside_it_does_not_have_it(self, lab: Lab, clock: Clock) -> None:
        folder = captured(lab, refusing("/b/"), alias="v1")
        lab.seal(folder)
        clock.advance(hours=1)
        ship(lab)
        found = all_points(lab)
        assert {name: point.body.alias for name, point in found.items()} == {"main": "v1", "main-late": None}
        assert lab.contents("a", Selection(alias="v1"))
        assert refusal(lab, "b", alias="v1")
        # of the change are both
        error = refusal(lab, "b", change_id="CHG-1")
        assert f"{found['main'].id} (main, 2026-03-01T12:00:00Z, incomplete, without this host)" in error.message
        assert lab.contents("b", Selection(change_id="CHG-1", point_name="main-late"))

    def test_where_another_point_has_it_by_then_it_is_stored_without(self, lab: Lab, clock: Clock) -> None:
        folder = captured(lab, refusing(), alias="v1")
        with pytest.raises(RunError):
            lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)
        clock.advance(hours=1)
        other = made(lab, clock, {"a": b"other"}, folder=lab.folder("pre"), alias="v1")
        (line,) = ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run="f" * 16).shipped
        late = all_points(lab)["main"]
        assert late.id in line
        assert late.body.alias is None
        assert f"with the alias v1, which recovery point {other.id} has by now" in next(
            found.detail for found in late.body.consistency if "alias" in found.detail
        )
        assert text(lab, "a", alias="v1") == b"other"


def test_every_way_of_a_whole_history_leads_to_one_state(lab: Lab, clock: Clock) -> None:
    """The same snapshot by its digest, its point's, the alias, the change and the time."""
    found = [
        made(lab, clock, {"h": b"%d" % number}, name="pre", change=f"CHG{number}", alias=f"v{number}")
        for number in range(6)
    ]
    ways: list[Callable[[int], dict[str, t.Any]]] = [
        lambda n: {"point": found[n].id},
        lambda n: {"snapshot": next(e.manifest.sha256 for e in found[n].body.streams if e.stream == "tier1")},
        lambda n: {"alias": f"v{n}"},
        lambda n: {"change_id": f"CHG{n}"},
        lambda n: {"time": found[n].body.sealed_at},
        lambda n: {"time": found[n].body.sealed_at, "point_name": "pre"},
    ]
    for number in range(6):
        assert {text(lab, **way(number)) for way in ways} == {b"%d" % number}
