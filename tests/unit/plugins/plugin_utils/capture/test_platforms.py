# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each platform does what it says to the samples of its name, in ``platforms/`` beside this file.

Where a key has ``match`` and ``other``, each line of the first is matched by a rule of the platform, and none of the
second. A rule that no sample line of ``match`` needs fails too: it was never tried.

- ``prompts``, ``elevated``, ``pager``, ``refusals``, ``partial``, ``reload_partial`` (of the host's program),
  ``syslog``: ``{match: [...], other: [...]}``, lines
- ``comment``, ``close``, ``ordered`` and the other rules of ``structure`` but ``replaces``: the same
- ``volatile``: the same. A line of ``match`` goes, or it is ``{line: what of it stays}`` where a rule has a group
  ``volatile``
- ``items``: for each item ``whole`` and ``broken`` texts by their ends, and its own ``volatile``, ``refusals`` and
  ``partial``
- ``secrets``: ``masked`` lines with what is left of them, ``***`` for the secret, and ``plain`` ones
- ``replaces``: ``same`` pairs of lines of which the second takes the place of the first, ``other`` pairs that do not
- ``literals``: ``whole`` texts that are literal from their first line to their last, ``plain`` lines that begin none
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
import signal
import typing as t
from collections.abc import Iterator, Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import safe_yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DependencyMissingError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import platform as model
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    Dialogue,
    Item,
    Literal,
    Pager,
    Platform,
    Reload,
    Restore,
    Rule,
    Structure,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.tests.unit import platforms_page
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[5]
SAMPLES = Path(__file__).parent / "platforms"
NAMES = platforms.names()
SCHEMA: t.Any = json.loads((ROOT / "docs" / "design" / "schema" / "platform.json").read_text(encoding="utf-8"))
VALIDATOR: t.Any = jsonschema.Draft202012Validator(SCHEMA)
# what a change of the platforms must not lose
LEAST = {"eos", "frr", "ios", "junos", "netconf", "nxos", "vyos"}
RESTORED = {"eos", "frr", "ios", "junos", "netconf", "nxos", "vyos"}
# against these the tests of this repository run
REAL = {"frr", "netconf"}
# whose protocol tells in its own words that there is no startup configuration
SILENT = {"netconf"}
# seconds of processor time for all that a platform's rules are asked; one that runs away takes years
BOUND = 60.0
MASK = "***"

each = pytest.mark.parametrize("name", NAMES)


def nested(inner: st.SearchStrategy[t.Any]) -> st.SearchStrategy[t.Any]:
    """Lists of values, and mappings with the keys of platforms."""
    kinds = (Platform, Dialogue, Pager, Item, Structure, Literal, Reload, Restore, Rule)
    keys = st.sampled_from(sorted({field.name for kind in kinds for field in dataclasses.fields(kind)} | {"patterns"}))
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5)


def source_of(name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load((platforms.BUILT_IN / f"{name}.yml").read_text(encoding="utf-8")))


@functools.cache
def samples_of(name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load((SAMPLES / f"{name}.yml").read_text(encoding="utf-8")))


def rules_of(value: t.Any) -> Iterator[Rule]:
    """All rules in a platform, wherever they stand."""
    if isinstance(value, Rule):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from rules_of(getattr(value, field.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from rules_of(one)


def expressions_of(platform: Platform) -> set[str]:
    """All regular expressions of a platform."""
    found = {rule.pattern for rule in rules_of(platform)}
    found |= {platform.structure.comment, *platform.structure.close}
    found |= {one for item in platform.items for one in (item.begin, item.end)}
    for literal in platform.structure.literals:
        found |= {literal.begin, literal.end.replace("{0}", "x")}
    if platform.dialogue is not None:
        found |= {platform.dialogue.prompt, platform.dialogue.elevated}
        found |= {platform.dialogue.pager.pattern} if platform.dialogue.pager else set()
    if platform.restore is not None:
        found |= set(platform.restore.questions)
    return found - {""}


def patterns(rules: Sequence[Rule]) -> list[str]:
    return [rule.pattern for rule in rules]


def check(expressions: Sequence[str], samples: dict[str, t.Any] | None) -> None:
    """Lines of ``match`` are matched and need each expression, lines of ``other`` are not."""
    given = {"match": [], "other": [], **(samples or {})}
    lines = [next(iter(line)) if isinstance(line, dict) else line for line in given["match"]]
    missed = [line for line in lines if not any(re.search(one, line) for one in expressions)]
    caught = [line for line in given["other"] if any(re.search(one, line) for one in expressions)]
    untried = [one for one in expressions if not any(re.search(one, line) for line in lines)]
    assert (missed, caught, untried) == ([], [], [])
    assert not set(given) - {"match", "other"}


def left(line: str, expressions: Sequence[str]) -> str | None:
    """What of a line is compared: without a group ``volatile``, nothing of a line that matches."""
    for one in expressions:
        pattern = re.compile(one)
        if "volatile" not in pattern.groupindex:
            if pattern.search(line):
                return None
            continue
        found = pattern.search(line)
        if found:
            start, end = found.span("volatile")
            line = line[:start] + line[end:]
    return line


def check_volatile(expressions: Sequence[str], samples: dict[str, t.Any] | None) -> None:
    check(expressions, samples)
    for line in (samples or {}).get("match", ()):
        whole, rest = next(iter(line.items())) if isinstance(line, dict) else (line, None)
        assert left(whole, expressions) == rest


def masked(line: str, expressions: Sequence[str]) -> str:
    """Of a matching line the groups ``secret`` are masked, or all of it."""
    matches = [match for one in expressions for match in re.finditer(one, line)]
    spans = [match.span("secret") if "secret" in match.re.groupindex else (0, len(line)) for match in matches]
    for start, end in sorted(spans, reverse=True):
        line = line if line[start:].startswith(MASK) else f"{line[:start]}{MASK}{line[end:]}"
    return line


def is_whole(item: Item, text: str) -> bool:
    """Whether a text has the first and the last line that the platform asks for."""
    lines = [line for line in text.splitlines() if line.strip()]
    begun = not item.begin or any(re.search(item.begin, line) for line in lines)
    return bool(lines) and begun and bool(re.search(item.end, lines[-1]))


def literal_lines(text: str, literals: Sequence[Literal]) -> int:
    """How many lines of a text its first line makes literal."""
    first, *rest = text.splitlines()
    for literal in literals:
        begun = re.search(literal.begin, first)
        if begun:
            mark = begun.groupdict().get("mark") or ""
            end = re.compile(literal.end.replace("{0}", re.escape(mark)))
            return next((place for place, line in enumerate(rest, 2) if end.search(line)), 0)
    return 1


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """End what takes more processor time; nothing else ends a search that has begun."""

    def stop(*_told: t.Any) -> t.NoReturn:
        pytest.fail(f"took more than {seconds:.0f} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_the_platforms_and_their_samples_are_there() -> None:
    assert set(NAMES) >= LEAST
    assert [path.stem for path in sorted(SAMPLES.glob("*.yml"))] == list(NAMES)


def test_the_pages_are_made_from_the_platforms() -> None:
    guide = platforms_page.GUIDE.read_text(encoding="utf-8")
    assert platforms_page.guide(guide) == guide
    assert platforms_page.RULES.read_text(encoding="utf-8") == platforms_page.rules()


def test_the_platform_of_the_guide_is_one(tmp_path: Path) -> None:
    blocks = re.findall(
        r"```yaml\n# platforms/(\w+)\.yml\n(.*?)```", platforms_page.GUIDE.read_text(encoding="utf-8"), re.DOTALL
    )
    ((name, text),) = blocks
    (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    assert platforms.find("acme.lantern.lantern", [tmp_path]).name == name
    VALIDATOR.validate(yaml.safe_load(text))


def test_no_value_of_ansible_network_os_means_two() -> None:
    told = [name for one in NAMES for name in {one, *platforms.find(one).names}]
    assert len(told) == len(set(told))


@each
class TestData:
    def test_it_satisfies_the_schema(self, name: str) -> None:
        VALIDATOR.validate(source_of(name))

    def test_each_rule_has_a_source_and_no_more_evidence_than_there_is(self, name: str) -> None:
        platform = platforms.find(name)
        told: list[t.Any] = [*rules_of(platform), *platform.items]
        told += [one for one in (platform.dialogue, platform.restore) if one is not None]
        assert all(len(one.source) >= 8 for one in told)
        levels = {one.evidence for one in told}
        assert levels <= set(model.EVIDENCE)
        assert name in REAL or model.REAL not in levels

    def test_names_descriptions_and_rules_stand_once(self, name: str) -> None:
        platform = platforms.find(name)
        assert len({item.name for item in platform.items}) == len(platform.items)
        assert not any(item.description.endswith(".") for item in platform.items)
        for rules in (platform.volatile, platform.secrets, *(item.volatile for item in platform.items)):
            assert len(set(patterns(rules))) == len(rules)

    def test_what_is_restored_is_known(self, name: str) -> None:
        assert (platforms.find(name).restore is not None) == (name in RESTORED)

    def test_no_expression_runs_away(self, name: str) -> None:
        expressions = [re.compile(one) for one in sorted(expressions_of(platforms.find(name)))]
        seeds = ("a", " ", "0", "key ", "password ", "a b ", "set ", "<a>", "no ", "$9$", "\t", "-", "neighbor 1 ", '"')
        hostile = [(seed * 2048)[:2048] for seed in seeds]
        hostile += [f"{line}\x00" for line in hostile]
        with bounded(BOUND):
            for expression in expressions:
                for line in hostile:
                    expression.search(line)

    @pytest.mark.parametrize("blank", [" ", "\t"], ids=["blanks", "tabs"])
    def test_a_line_of_blanks_costs_what_it_is_long(self, name: str, blank: str) -> None:
        expressions = [re.compile(one) for one in sorted(expressions_of(platforms.find(name)))]
        # what takes the square of this takes minutes, and what does not takes milliseconds
        with bounded(10.0):
            for expression in expressions:
                expression.search(f"{blank * 100_000}x")


@each
class TestSamples:
    def test_what_a_dialogue_knows(self, name: str) -> None:
        dialogue, samples = platforms.find(name).dialogue, samples_of(name)
        if dialogue is None:
            assert not {"prompts", "elevated", "pager", "refusals"} & set(samples)
            return
        check([dialogue.prompt], samples.get("prompts"))
        check([dialogue.elevated] if dialogue.elevated else [], samples.get("elevated"))
        check([dialogue.pager.pattern] if dialogue.pager else [], samples.get("pager"))
        check(patterns(dialogue.refusals), samples.get("refusals"))

    def test_volatile_lines_go_and_no_others(self, name: str) -> None:
        platform, samples = platforms.find(name), samples_of(name)
        check_volatile(patterns(platform.volatile), samples.get("volatile"))
        for item in platform.items:
            check_volatile(patterns(item.volatile), samples.get("items", {}).get(item.name, {}).get("volatile"))

    def test_a_text_is_whole_only_with_its_ends(self, name: str) -> None:
        platform, samples = platforms.find(name), samples_of(name).get("items", {})
        assert not set(samples) - {item.name for item in platform.items}
        for item in platform.items:
            given = {"whole": [], "broken": [], **samples.get(item.name, {})}
            assert all(is_whole(item, text) for text in given["whole"])
            assert not any(is_whole(item, text) for text in given["broken"])
            assert given["whole"] or not (item.begin or item.end)
            assert given["broken"] or not (item.begin or item.end)
            assert not set(given) - {"whole", "broken", "volatile", "refusals", "partial"}

    def test_a_device_that_has_no_item_is_told_from_one_that_shows_a_part(self, name: str) -> None:
        platform = platforms.find(name)
        for item in platform.items:
            samples = samples_of(name).get("items", {}).get(item.name, {})
            check(patterns(item.refusals), samples.get("refusals"))
            check(patterns(item.partial), samples.get("partial"))
            assert item.refusals or item.name != "startup" or name in SILENT

    def test_secrets_are_masked_and_nothing_else(self, name: str) -> None:
        expressions = patterns(platforms.find(name).secrets)
        given = {"masked": {}, "plain": [], **(samples_of(name).get("secrets") or {})}
        assert {line: masked(line, expressions) for line in given["masked"]} == given["masked"]
        assert [line for line in given["plain"] if masked(line, expressions) != line] == []
        assert [one for one in expressions if not any(re.search(one, line) for line in given["masked"])] == []
        assert given["plain"] or not expressions

    def test_what_the_lines_of_a_configuration_mean(self, name: str) -> None:
        structure, samples = platforms.find(name).structure, samples_of(name)
        check([structure.comment] if structure.comment else [], samples.get("comment"))
        check(structure.close, samples.get("close"))
        for field in dataclasses.fields(Structure):
            rules = getattr(structure, field.name)
            if field.name != "replaces" and isinstance(rules, tuple) and all(isinstance(one, Rule) for one in rules):
                check(patterns(rules), samples.get(field.name))

    def test_what_takes_the_place_of_what(self, name: str) -> None:
        expressions = patterns(platforms.find(name).structure.replaces)
        given = {"same": [], "other": [], **(samples_of(name).get("replaces") or {})}

        def replaced(one: str, other: str) -> bool:
            pairs = ((re.search(pattern, one), re.search(pattern, other)) for pattern in expressions)
            return any(first and second and first["key"] == second["key"] for first, second in pairs)

        assert [pair for pair in given["same"] if not replaced(*pair)] == []
        assert [pair for pair in given["other"] if replaced(*pair)] == []
        assert [one for one in expressions if not any(re.search(one, pair[0]) for pair in given["same"])] == []

    def test_literal_texts(self, name: str) -> None:
        literals = platforms.find(name).structure.literals
        given = {"whole": [], "plain": [], **(samples_of(name).get("literals") or {})}
        for text in given["whole"]:
            assert literal_lines(text, literals) == len(text.splitlines()) > 1
        assert [line for line in given["plain"] if literal_lines(line, literals) != 1] == []
        assert all(any(re.search(one.begin, text.splitlines()[0]) for text in given["whole"]) for one in literals)

    def test_what_a_restore_says_and_who_tells_of_a_change(self, name: str) -> None:
        platform, samples = platforms.find(name), samples_of(name)
        check(patterns(platform.restore.partial) if platform.restore else [], samples.get("partial"))
        reload = platform.restore.reload if platform.restore else None
        check(patterns(reload.partial) if reload else [], samples.get("reload_partial"))
        check([platform.syslog.pattern] if platform.syslog else [], samples.get("syslog"))

    def test_the_samples_have_no_other_keys(self, name: str) -> None:
        known = {"prompts", "elevated", "pager", "refusals", "volatile", "items", "secrets", "comment", "close"}
        known |= {"replaces", "literals", "partial", "reload_partial", "syslog"}
        known |= {field.name for field in dataclasses.fields(Structure)}
        assert not set(samples_of(name)) - known


WHOLE = """
title: Our system
names: [acme.net.ours]
notes: Ours alone.
source: our own manual
evidence: published
dialogue:
  prompt: '^ours#$'
  prepare: [no paging]
  pager: {pattern: '^more$', key: "\\r"}
  refusals: ['^no such', {pattern: '^denied', evidence: simulated, source: a colleague}]
  elevate: more rights
  elevated: '^ours!$'
  exec: true
  leave: [bye]
items:
  - name: running
    ask: show all
    description: All of it
    begin: '^begin'
    end: '^end'
    volatile: {patterns: ['^clock '], source: the clock itself}
  - {name: extra, ask: show extra, description: More of it, form: text, default: false, optional: true}
structure:
  style: indent
  comment: '^!'
  close: ['^exit$']
  ordered: ['^list ']
  literals: [{begin: '^banner (?P<mark>.)', end: '{0}$'}]
  negate: undo
volatile:
  - patterns: ['^one ', '^two ']
    evidence: simulated
  - '^three '
secrets: ['^key (?P<secret>.*)']
restore:
  method: replace
  upload: scp
  file: 'flash:{id}'
  apply: ['load {file} for {minutes}']
  confirm: [keep]
  partial: ['^not all']
  questions: {'sure\\?$': 'yes'}
  timer: true
syslog: {pattern: 'CHANGED'}
"""
LEAST_TEXT = """
title: Our system
names: []
source: our own manual
evidence: simulated
dialogue: {prompt: '#$'}
items: [{name: running, ask: show all, description: All of it}]
structure: {style: flat}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of one's own platforms."""
    folder = tmp_path / "platforms"
    folder.mkdir()
    return folder


def found(name: str, *folders: Path) -> tuple[Platform | None, list[Finding]]:
    findings: list[Finding] = []
    return platforms.finder(folders)(name, "holdfast_components[0].platform", findings), findings


def told(text: str | bytes, folder: Path) -> list[str]:
    """What is wrong with a file."""
    path = folder / "ours.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    platform, findings = platforms.read(path)
    assert platform is None
    assert all(finding.key.startswith(str(path)) and finding.remedy.endswith(".") for finding in findings)
    return [str(finding).replace(str(path), "ours.yml") for finding in findings]


class TestFinding:
    def test_a_file_says_all_of_it(self, own: Path) -> None:
        (own / "ours.yml").write_text(WHOLE)
        manual = "our own manual"

        def published(pattern: str) -> Rule:
            return Rule(pattern, model.PUBLISHED, manual)

        assert found("ours", own) == (
            Platform(
                name="ours",
                title="Our system",
                names=("acme.net.ours",),
                notes="Ours alone.",
                dialogue=Dialogue(
                    prompt="^ours#$",
                    prepare=("no paging",),
                    pager=Pager("^more$", "\r"),
                    refusals=(published("^no such"), Rule("^denied", model.SIMULATED, "a colleague")),
                    elevate="more rights",
                    elevated="^ours!$",
                    exec=True,
                    leave=("bye",),
                    evidence=model.PUBLISHED,
                    source=manual,
                ),
                items=(
                    Item(
                        name="running",
                        ask="show all",
                        description="All of it",
                        begin="^begin",
                        end="^end",
                        volatile=(Rule("^clock ", model.PUBLISHED, "the clock itself"),),
                        evidence=model.PUBLISHED,
                        source=manual,
                    ),
                    Item(
                        name="extra",
                        ask="show extra",
                        description="More of it",
                        form="text",
                        default=False,
                        optional=True,
                        evidence=model.PUBLISHED,
                        source=manual,
                    ),
                ),
                structure=Structure(
                    style="indent",
                    comment="^!",
                    close=("^exit$",),
                    ordered=(published("^list "),),
                    literals=(Literal("^banner (?P<mark>.)", "{0}$"),),
                    negate="undo",
                ),
                volatile=(
                    Rule("^one ", model.SIMULATED, manual),
                    Rule("^two ", model.SIMULATED, manual),
                    published("^three "),
                ),
                secrets=(published("^key (?P<secret>.*)"),),
                restore=Restore(
                    method="replace",
                    evidence=model.PUBLISHED,
                    source=manual,
                    upload="scp",
                    file="flash:{id}",
                    apply=("load {file} for {minutes}",),
                    confirm=("keep",),
                    partial=(published("^not all"),),
                    questions={"sure\\?$": "yes"},
                    timer=True,
                ),
                syslog=published("CHANGED"),
            ),
            [],
        )

    def test_little_is_enough(self, own: Path) -> None:
        (own / "ours.yml").write_text(LEAST_TEXT)
        platform, findings = found("ours", own)
        assert findings == []
        assert platform is not None
        assert platform.defaults == ("running",)

    def test_a_value_of_ansible_network_os_means_it_in_ones_own_folders_first(self, own: Path) -> None:
        assert platforms.find("cisco.ios.ios").name == "ios"
        (own / "mine.yml").write_text(WHOLE.replace("acme.net.ours", "cisco.ios.ios"))
        assert platforms.find("cisco.ios.ios", [own]).name == "mine"
        (own / "ios.yml").write_text(WHOLE)
        assert platforms.find("ios", [own]).title == "Our system"

    def test_an_unknown_one_lists_near_names(self, own: Path) -> None:
        (own / "nyos.yml").write_text(WHOLE)
        platform, (finding,) = found("vendor.nxos.nyoss", own)
        assert platform is None
        assert (finding.key, finding.problem) == ("holdfast_components[0].platform", "no platform 'vendor.nxos.nyoss'")
        assert {"nyos", "nxos"} <= set(finding.remedy.removeprefix("Near it: ").removesuffix(".").split(", "))
        with pytest.raises(PolicyError, match=r"no platform 'qqqq'.*There are: .*junos"):
            platforms.find("qqqq")

    def test_only_what_is_asked_for_is_parsed_and_that_once(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (own / "broken.yml").write_text("[")
        (own / "ours.yml").write_text(WHOLE)
        first = platforms.find("acme.net.ours", [own])
        loads = []
        load = yaml.load
        monkeypatch.setattr(yaml, "load", lambda *given_, **more: loads.append(1) or load(*given_, **more))
        assert platforms.find("ours", [own]) is first
        assert loads == []
        (own / "ours.yml").write_text(WHOLE.replace("Our system", "Their other system"))
        assert platforms.find("ours", [own]).title == "Their other system"
        assert loads == [1]

    def test_a_name_is_never_a_path(self, own: Path) -> None:
        (own.parent / "ours.yml").write_text(WHOLE)
        for name in ("../ours", "/etc/passwd", "", "ours\0", "\udcff"):
            assert found(name, own)[0] is None

    def test_folders_are_read_under_their_own_key(self, own: Path) -> None:
        findings: list[Finding] = []
        assert platforms.read_folders([str(own), "platforms"], findings) == (own,)
        assert [finding.key for finding in findings] == ["holdfast_platform_paths"]

    def test_without_pyyaml(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(safe_yaml, "yaml", None)
        (own / "ours.yml").write_text(WHOLE)
        with pytest.raises(DependencyMissingError, match="PyYAML is not installed"):
            platforms.find("ours", [own])


class TestBroken:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "ours.yml: is not a mapping"),
            ("- a", "ours.yml: is not a mapping"),
            ("a: [", "ours.yml: is not YAML (line "),
            ("title: a\ntitle: b", "ours.yml: is not YAML (line 1): 'title' stands twice"),
            (f"{LEAST_TEXT}name: x", "ours.yml: name: is given"),
            (f"{LEAST_TEXT}colour: red", "ours.yml: colour: is not a key of a platform"),
            (LEAST_TEXT.replace("title: Our system", ""), "ours.yml: title: is missing"),
            (LEAST_TEXT.replace("source: our own manual", ""), "ours.yml: dialogue.source: is missing"),
            (LEAST_TEXT.replace("simulated", "certain"), "ours.yml: dialogue.evidence: 'certain' is unknown here"),
            (LEAST_TEXT.replace("'#$'", "'('"), "ours.yml: dialogue.prompt: '(' is no regular expression"),
            (LEAST_TEXT.replace("'#$'", "'\u00e9'"), "ours.yml: dialogue.prompt: is not ASCII"),
            (LEAST_TEXT.replace("{prompt: '#$'}", "null"), "ours.yml: items[0]: is asked by a command line"),
            (LEAST_TEXT.replace("{prompt: '#$'}", "yes"), "ours.yml: dialogue: is not a mapping"),
            (LEAST_TEXT.replace("name: running", "name: ../x"), "ours.yml: items[0].name: '../x' is not a name"),
            (LEAST_TEXT.replace("ask: show all", "ask: ''"), "ours.yml: items[0].ask: is empty"),
            (LEAST_TEXT.replace("ask: show all", 'ask: "a\\nb"'), "ours.yml: items[0].ask: is not one line of text"),
            (LEAST_TEXT.replace("ask: show all", "ask: a, default: 1"), "items[0].default: 1 is not true or false"),
            (LEAST_TEXT.replace("ask: show all", "ask: a, default: false"), "items: none is captured by default"),
            (LEAST_TEXT.replace("style: flat", "style: round"), "ours.yml: structure.style: 'round' is unknown here"),
            (LEAST_TEXT.replace("style: flat", "style: flat, close: x"), "ours.yml: structure.close: is not a list"),
            (f"{LEAST_TEXT}volatile: x", "ours.yml: volatile: is not a list"),
            (f"{LEAST_TEXT}volatile: ['(']", "ours.yml: volatile[0].pattern: '(' is no regular expression"),
            (f"{LEAST_TEXT}volatile: [{{patterns: [a], x: 1}}]", "volatile[0].x: is not a key of rules"),
            (f"{LEAST_TEXT}volatile: [{{source: x}}]", "ours.yml: volatile[0].pattern: is missing"),
            (f"{LEAST_TEXT}restore: {{method: replace}}", "ours.yml: restore.apply: is missing"),
            (f"{LEAST_TEXT}restore: {{method: magic}}", "ours.yml: restore.method: 'magic' is unknown here"),
            (f"{LEAST_TEXT}restore: {{method: netconf, item: x}}", "restore.item: there is no item 'x'"),
            (f"{LEAST_TEXT}restore: {{method: candidate, enter: [a]}}", "ours.yml: restore.exit: is missing"),
            (f"{LEAST_TEXT}restore: {{method: replace, apply: [a], upload: scp}}", "restore.file: is missing"),
            (f"{LEAST_TEXT}restore: {{method: replace, apply: [a], timer: true}}", "restore.confirm: is missing"),
            (
                f"{LEAST_TEXT}restore: {{method: replace, apply: [a], confirm: [b], timer: true}}",
                "ours.yml: restore.timer: no command arms it",
            ),
            (f"{LEAST_TEXT}restore: {{method: netconf, questions: [a]}}", "restore.questions: is not a mapping"),
            (b"a: \xff", "ours.yml: is not YAML"),
            (b" " * 300_000, "ours.yml: is no file of 262144 bytes at most"),
        ],
        ids=lambda value: repr(value)[-40:],
    )
    def test_what_is_wrong_is_told_with_its_key(self, own: Path, text: str, says: str) -> None:
        assert any(says in finding for finding in told(text, own)), told(text, own)

    def test_a_file_that_is_none(self, own: Path) -> None:
        (own / "ours.yml").mkdir()
        assert "is no file of" in str(found("ours", own)[1][0])
        assert "cannot be read" in str(platforms.read(own / "none.yml")[1][0])

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=6), nested, max_leaves=12))
    def test_nothing_crashes_it(self, value: t.Any) -> None:
        findings: list[Finding] = []
        platform = platforms.judge(value, name="ours", where="ours.yml", findings=findings)
        assert (platform is None) == bool(findings)


class TestSchema:
    @pytest.mark.parametrize("text", [WHOLE, LEAST_TEXT], ids=["whole", "least"])
    def test_it_takes_what_the_reader_takes(self, text: str) -> None:
        VALIDATOR.validate(yaml.safe_load(text))

    @pytest.mark.parametrize(
        ("kind", "where"),
        [(Dialogue, "dialogue"), (Item, "item"), (Structure, "structure"), (Restore, "restore"), (Platform, "")],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_it_has_the_keys_of_the_classes(self, kind: type[t.Any], where: str) -> None:
        keys = set((SCHEMA["$defs"][where] if where else SCHEMA)["properties"])
        fields = {field.name for field in dataclasses.fields(kind)} - ({"name"} if kind is Platform else set())
        assert keys == fields | {"evidence", "source"}
