# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of one host.

Classes, tiers and components, read from plain values and judged before anything is touched.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from . import imported, sources
from .component import DEFAULT_BYTES, FILES, MOST_BYTES, Component, Exclude, Handling
from .exclusions import OWN_REASONS, Exclusion, over, read_exclusions
from .finding import Finding, read_known, read_mapping, read_name, read_text, read_words, refuse
from .ownership import OWNERSHIP, read_ownership
from .platform import Platform
from .preset import NONE, Preset
from .retention import RetentionClass
from .tier import DEFAULT_TIER, DEFAULT_TIERS, TIER_NAME, Tier, read_tiers
from .waiver import Waiver, read_waivers

__all__ = (
    "DEFAULT_CLASSES",
    "DEFAULT_TIER",
    "DEFAULT_TIERS",
    "TIER_NAME",
    "Exclusion",
    "Finding",
    "Policy",
    "RetentionClass",
    "Stream",
    "Tier",
    "Waiver",
    "judge_policy",
    "read_classes",
    "read_known",
    "read_mapping",
    "read_policy",
    "read_pushed",
    "read_tiers",
    "read_words",
    "refuse",
)

CLASS_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
COMPONENT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
LOCK_MODES = ("compliance", "governance")
_LONGEST_DAYS = 36500

_SIZE = re.compile(r"([1-9][0-9]{0,15})(|KiB|MiB|GiB)")
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# the names that systemd.unit(5) allows
_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@-]{1,240}\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)"
)

DEFAULT_CLASSES: Mapping[str, Mapping[str, t.Any]] = {
    "d0030": {"days": 30, "mode": "compliance"},
    "d0090": {"days": 90, "mode": "compliance"},
    "d0400": {"days": 400, "mode": "compliance"},
}
DEFAULT_DATA_CLASS = "internal"
UNOWNED = "unassigned"
FILE_KEYS = (
    "name",
    "paths",
    "excludes",
    "tier",
    "owner",
    "data_class",
    "unreadable",
    "max_bytes",
    "preset",
    "volatile",
    "secrets",
    "preserve",
    "validate",
    "reload",
    "kind",
    *OWNERSHIP,
)

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Stream:
    """What of one host is stored together: the components of one tier."""

    name: str
    retention_class: str
    components: tuple[Component, ...]


@dataclasses.dataclass(frozen=True)
class Policy:
    """Everything that is declared for one host."""

    classes: Mapping[str, RetentionClass]
    tiers: Mapping[str, Tier]
    components: tuple[Component, ...]
    exclusions: tuple[Exclusion, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    def streams(self) -> tuple[Stream, ...]:
        """Group the components by tier, in the order of tier names; what is pushed is a stream of its own."""
        declared = [component for component in self.components if component.kind != sources.CONTENT]
        grouped = [
            Stream(tier, self.tiers[tier].retention_class, tuple(c for c in declared if c.tier == tier))
            for tier in sorted({component.tier for component in declared})
        ]
        pushed = [c for c in self.components if c.kind == sources.CONTENT]
        return (*grouped, *(Stream(c.name, self.tiers[c.tier].retention_class, (c,)) for c in pushed))


def read_classes(value: t.Any, findings: list[Finding]) -> dict[str, RetentionClass]:
    """Read ``holdfast_classes`` over the built-in classes; what is wrong is added to *findings*."""
    classes = {}
    for name, given in {**DEFAULT_CLASSES, **read_mapping("holdfast_classes", value, findings)}.items():
        key = f"holdfast_classes.{name}"
        if not read_name(key, name, CLASS_NAME, "a small letter, then letters, digits or dashes", findings):
            continue
        fields = read_mapping(key, given, findings)
        read_known(key, fields, ("days", "mode", "maximum"), findings)
        days, mode, maximum = fields.get("days"), fields.get("mode", "compliance"), fields.get("maximum")
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _LONGEST_DAYS:
            findings.append(Finding(f"{key}.days", f"{days!r} is not a number of days", f"Give 1 to {_LONGEST_DAYS}."))
            continue
        if mode not in LOCK_MODES:
            findings.append(Finding(f"{key}.mode", f"{mode!r} is no lock mode", f"Give {' or '.join(LOCK_MODES)}."))
            continue
        kept = RetentionClass(name, days, mode, maximum)
        least = kept.shortest_maximum
        if maximum is not None and (not isinstance(maximum, int) or not least <= maximum <= 2 * _LONGEST_DAYS):
            remedy = f"Give {least} to {2 * _LONGEST_DAYS}: its days, their renewal and the store's grace must fit."
            findings.append(Finding(f"{key}.maximum", f"{maximum!r} is no maximum for {days} days", remedy))
            continue
        classes[name] = kept
    return classes


# Gives the preset of a name, or adds a finding under the key given and gives None.
Presets = Callable[[str, str, list[Finding]], Preset | None]


def no_presets(name: str, key: str, findings: list[Finding]) -> None:
    """The presets of a reader who has none."""
    findings.append(Finding(key, f"no preset {name!r}", "Declare the component's paths instead."))


# Gives the platform that a name means, or adds a finding under the key given and gives None.
Platforms = Callable[[str, str, list[Finding]], Platform | None]


def no_platforms(name: str, key: str, findings: list[Finding]) -> None:
    """The platforms of a reader who has none."""
    findings.append(Finding(key, f"no platform {name!r}", "Push the device's text instead, as content."))


def read_policy(*, host: str, **given: t.Any) -> Policy:
    """Read one host's policy from plain inventory values, as :func:`judge_policy` takes them.

    :raises PolicyError: with every finding, each naming its key and its remedy.
    """
    findings: list[Finding] = []
    policy = judge_policy(findings, **given)
    refuse(findings, host=host)
    return policy


def judge_policy(
    findings: list[Finding],
    *,
    classes: t.Any = None,
    tiers: t.Any = None,
    components: t.Any = None,
    exclusions: t.Any = None,
    exceptions: t.Any = None,
    presets: Presets = no_presets,
    platforms: Platforms = no_platforms,
    network_os: str = "",
    now: dt.datetime | None = None,
) -> Policy:
    """Read one host's policy from plain inventory values; what is wrong is added to *findings*.

    With findings it is what could be read, and nothing to act by.

    :param classes: ``holdfast_classes``: name to ``{days, mode}``, over the built-in ones.
    :param tiers: ``holdfast_tiers``: name to ``{class, rpo, rto, schedule, …}``, over the built-in ones.
    :param components: ``holdfast_components``: a list.
    :param exclusions: ``holdfast_exclusions``: a list, over the components' own excludes.
    :param exceptions: ``holdfast_exceptions``: a list, which changes nothing of what is captured.
    :param presets: finds the presets that components name.
    :param platforms: finds the platforms of devices.
    :param network_os: ``ansible_network_os`` of the host, which is the platform of a device unless it names one.
    :param now: what exclusions are judged by, UTC; None: this machine's clock.
    """
    known_classes = read_classes(classes, findings)
    known_tiers = read_tiers(tiers, known_classes, findings)
    devices = sources.Devices(network_os, lambda name, key: platforms(name, key, findings))
    declared = _read_components(components, known_tiers, presets, devices, findings)
    excluded = read_exclusions(exclusions, findings)
    waived = read_waivers(exceptions, findings)
    moment = now or dt.datetime.now(dt.timezone.utc)
    return Policy(known_classes, known_tiers, over(declared, excluded, moment), excluded, waived)


def _read_components(
    value: t.Any, tiers: Mapping[str, Tier], presets: Presets, devices: sources.Devices, findings: list[Finding]
) -> tuple[Component, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        remedy = "Declare at least one, like: [{name: ssh, paths: [/etc/ssh]}]."
        problem = "is not a list" if value else "no components are declared"
        findings.append(Finding("holdfast_components", problem, remedy))
        return ()
    components: dict[str, Component] = {}
    for position, given in enumerate(value):
        key = f"holdfast_components[{position}]"
        fields = read_mapping(key, _spelled_out(given), findings)
        kind = sources.kind_of(fields)
        if kind not in (FILES, *sources.KEYS):
            findings.append(_no_kind(key, kind))
            continue
        read_known(key, fields, sources.KEYS.get(kind, FILE_KEYS), findings)
        named = fields.get("preset") if kind == FILES else None
        preset = _read_preset(f"{key}.preset", named, presets, findings)
        if preset is None:
            continue
        name = str(fields.get("name", preset.name))
        if not read_name(f"{key}.name", name, COMPONENT_NAME, "a small letter, then letters, digits, _ or -", findings):
            continue
        key = f"holdfast_components[{position}] ({name})"
        _distinct(key, name, components, findings)
        tier = _read_tier(key, fields, tiers, findings)
        if kind != FILES:
            components[name] = _read_texts(key, kind, name, tier, fields, devices, findings)
            continue
        paths_given = fields.get("paths") is not None or not preset.paths
        components[name] = Component(
            name=name,
            paths=read_paths(f"{key}.paths", fields.get("paths"), findings) if paths_given else preset.paths,
            tier=tier,
            owner=read_text(f"{key}.owner", fields.get("owner", UNOWNED), findings),
            data_class=read_text(f"{key}.data_class", fields.get("data_class", DEFAULT_DATA_CLASS), findings),
            excludes=_joined(preset.excludes, read_excludes(f"{key}.excludes", fields.get("excludes", ()), findings)),
            unreadable=read_unreadable(f"{key}.unreadable", fields.get("unreadable", preset.unreadable), findings),
            max_bytes=_read_size(f"{key}.max_bytes", fields.get("max_bytes", DEFAULT_BYTES), findings),
            volatile=_joined(preset.volatile, read_words(f"{key}.volatile", fields.get("volatile"), findings)),
            handling=_over(
                preset, read_handling(f"{key}.", fields, findings), paths=paths_given, validate="validate" in fields
            ),
            **read_ownership(key, fields, findings),
        )
    return tuple(components.values())


def read_pushed(
    *, host: str, classes: t.Any = None, tiers: t.Any = None, content: t.Any = None, declared: t.Any = None
) -> Policy:
    """Read what a task pushes for a host; no finding repeats a text.

    :param content: a list of ``{name, text, tier, owner, data_class, volatile, secrets, max_bytes, allow_empty}``.
    :param declared: ``holdfast_components`` of the host, whose names are taken.
    :raises PolicyError: with every finding, each naming its key and its remedy.
    """
    findings: list[Finding] = []
    known_classes = read_classes(classes, findings)
    known_tiers = read_tiers(tiers, known_classes, findings)
    no_devices = sources.Devices("", lambda name, key: no_platforms(name, key, findings))
    pushed: dict[str, Component] = {}
    given = content if isinstance(content, Sequence) and not isinstance(content, (str, bytes)) else ()
    if not given:
        findings.append(Finding("content", "is no list of texts", 'Give one, like [{name: ilo, text: "{{ … }}"}].'))
    for position, value in enumerate(given):
        key = f"content[{position}]"
        fields = read_mapping(key, value, findings)
        read_known(key, fields, sources.PUSHED_KEYS, findings)
        name = str(fields.get("name", ""))
        if not read_name(f"{key}.name", name, COMPONENT_NAME, "a small letter, then letters, digits, _ or -", findings):
            continue
        key = f"content[{position}] ({name})"
        _distinct(key, name, pushed, findings)
        if name in _names_of(declared):
            remedy = "Give the text another name: one of the two would take the other's place."
            findings.append(Finding(f"{key}.name", "is a component of holdfast_components too", remedy))
        tier = _read_tier(key, fields, known_tiers, findings)
        pushed[name] = _read_texts(key, sources.CONTENT, name, tier, fields, no_devices, findings)
    refuse(findings, host=host)
    return Policy(known_classes, known_tiers, tuple(pushed.values()))


def _names_of(declared: t.Any) -> set[str]:
    """The names in a list of declarations that nobody has judged."""
    listed = declared if isinstance(declared, Sequence) and not isinstance(declared, (str, bytes)) else ()
    names = (one.get("name", one.get("preset")) if isinstance(one, Mapping) else one for one in listed)
    return {name for name in names if isinstance(name, str)}


def _spelled_out(declared: t.Any) -> t.Any:
    """A declaration of one word as the mapping that it stands for."""
    if declared == sources.DEVICE:
        return {"kind": declared, "name": declared}
    return {"preset": declared} if isinstance(declared, str) else declared


def _read_texts(
    key: str,
    kind: str,
    name: str,
    tier: str,
    fields: Mapping[str, t.Any],
    devices: sources.Devices,
    findings: list[Finding],
) -> Component:
    """Read a component of another kind than files."""

    def find(at: str, problem: str, remedy: str) -> None:
        findings.append(Finding(at, problem, remedy))

    volatile = read_words(f"{key}.volatile", fields.get("volatile"), findings)
    sources.check_lines(key, volatile, find)
    asked = sources.read(key, kind, fields, find, devices)
    handling = read_handling(f"{key}.", {"secrets": fields.get("secrets")}, findings)
    return Component(
        name=name,
        paths=(sources.folder(name),),
        tier=tier,
        owner=read_text(f"{key}.owner", fields.get("owner", UNOWNED), findings),
        data_class=read_text(f"{key}.data_class", fields.get("data_class", DEFAULT_DATA_CLASS), findings),
        kind=kind,
        volatile=_joined(asked.volatile, volatile),
        source=asked.source,
        means=asked.means,
        handling=dataclasses.replace(
            handling, secrets=_joined(asked.secrets, handling.secrets), alternatives=asked.alternatives
        ),
        max_bytes=_read_size(f"{key}.max_bytes", fields.get("max_bytes", DEFAULT_BYTES), findings),
        **read_ownership(key, fields, findings),
    )


def _no_kind(key: str, kind: str) -> Finding:
    if kind == sources.CONTENT:
        remedy = "A task pushes it: holdfast.config.snapshot with content."
        return Finding(f"{key}.kind", "content is not declared for a host", remedy)
    return Finding(f"{key}.kind", f"no kind {kind!r}", f"There are: {', '.join((FILES, *sources.KEYS))}.")


def _distinct(key: str, name: str, before: Mapping[str, Component], findings: list[Finding]) -> None:
    if TIER_NAME.fullmatch(name):
        findings.append(Finding(f"{key}.name", "looks like a tier", "Give it another name."))
    if name in before:
        findings.append(Finding(f"{key}.name", "is declared twice", "Give each component its own name."))
    if name.startswith(imported.PREFIX):
        # as the newest of a stream that no run has captured it would be taken for proof, and end every import of it
        remedy = f"Let it begin with something else than {imported.PREFIX}."
        findings.append(Finding(f"{key}.name", "is called as what was imported from another tool", remedy))


def _read_tier(key: str, fields: Mapping[str, t.Any], tiers: Mapping[str, Tier], findings: list[Finding]) -> str:
    tier = fields.get("tier", DEFAULT_TIER)
    if not isinstance(tier, str) or tier not in tiers:
        remedy = f"Use one of {', '.join(sorted(tiers))}, or declare it in holdfast_tiers."
        findings.append(Finding(f"{key}.tier", f"no tier {tier!r}", remedy))
    return str(tier)


def _read_preset(key: str, name: t.Any, presets: Presets, findings: list[Finding]) -> Preset | None:
    if name is None:
        return NONE
    if not isinstance(name, str) or not COMPONENT_NAME.fullmatch(name):
        remedy = "A preset is named with a small letter, then letters, digits, _ or -."
        findings.append(Finding(key, f"{name!r} is not a name", remedy))
        return None
    return presets(name, key, findings)


def _over(preset: Preset, own: Handling, *, paths: bool, validate: bool) -> Handling:
    """What a host's inventory says of handling, over what the preset says: lists add up, the command is replaced."""
    base = preset.handling
    return Handling(
        secrets=_joined(base.secrets, own.secrets),
        preserve=_joined(base.preserve, own.preserve),
        validate=own.validate if validate else base.validate,
        reload=_joined(base.reload, own.reload),
        alternatives=() if paths else preset.paths,
    )


def _joined(one: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def read_handling(at: str, fields: Mapping[str, t.Any], findings: list[Finding]) -> Handling:
    """Read ``secrets``, ``preserve``, ``validate`` and ``reload``; what is wrong is added to *findings*.

    :param at: what findings put before these keys.
    """
    secrets = read_words(f"{at}secrets", fields.get("secrets"), findings)
    for expression in secrets:
        try:
            re.compile(expression)
        except (re.error, OverflowError, RecursionError) as e:
            remedy = "Give one that Python's re takes; its group named secret is what is masked."
            findings.append(Finding(f"{at}secrets", f"{expression!r} is no regular expression ({e})", remedy))
    reload = read_words(f"{at}reload", fields.get("reload"), findings)
    findings.extend(
        Finding(f"{at}reload", f"{unit!r} is no systemd unit", "Give names like nginx.service.")
        for unit in reload
        if not _UNIT.fullmatch(unit)
    )
    return Handling(
        secrets=secrets,
        preserve=read_words(f"{at}preserve", fields.get("preserve"), findings),
        validate=read_words(f"{at}validate", fields.get("validate"), findings, distinct=False),
        reload=reload,
    )


def read_unreadable(key: str, value: t.Any, findings: list[Finding]) -> str:
    """Read ``unreadable``; what is wrong is added to *findings*."""
    if value not in ("error", "leave_out"):
        findings.append(Finding(key, f"{value!r} is unknown", "Give error or leave_out."))
    return str(value)


def read_paths(key: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...]:
    """Read ``paths``, each in its plainest spelling; what is wrong is added to *findings*."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        findings.append(Finding(key, "no list of paths", "Give absolute paths or globs, like [/etc/ssh]."))
        return ()
    paths = []
    for path in value:
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            findings.append(Finding(key, f"{path!r} is not absolute", "Start it with a slash."))
        elif {"..", "."} & set(path.split("/")):
            findings.append(Finding(key, f"{path!r} holds a dot segment", "Spell the path out."))
        elif "**" in path:
            findings.append(
                Finding(key, f"{path!r} holds **", "Name the folder itself: all that is below is captured.")
            )
        elif not path.strip("/"):
            findings.append(Finding(key, "names the whole file system", "Name the folders that hold configuration."))
        else:
            paths.append("/" + "/".join(part for part in path.split("/") if part))
    return tuple(dict.fromkeys(paths))


def read_excludes(key: str, value: t.Any, findings: list[Finding]) -> tuple[Exclude, ...]:
    """Read ``excludes``; what is wrong is added to *findings*."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        findings.append(Finding(key, "is not a list", "Give a list of {pattern, reason}."))
        return ()
    excludes = []
    for position, given in enumerate(value):
        fields = read_mapping(f"{key}[{position}]", given, findings)
        read_known(f"{key}[{position}]", fields, ("pattern", "reason"), findings)
        pattern, reason = fields.get("pattern"), fields.get("reason")
        if not isinstance(pattern, str) or not pattern or not isinstance(reason, str) or not reason:
            remedy = "Give both, like {pattern: '*.bak', reason: transient}."
            findings.append(Finding(f"{key}[{position}]", "lacks a pattern or a reason", remedy))
        elif reason in OWN_REASONS:
            remedy = "Say why it is left out: else what a capture could not take would pass for excluded."
            findings.append(Finding(f"{key}[{position}].reason", f"{reason!r} is what captures say of a gap", remedy))
        else:
            excludes.append(Exclude(pattern, reason))
    return tuple(excludes)


def _read_size(key: str, value: t.Any, findings: list[Finding]) -> int:
    """Read a number of bytes, or one with its unit."""
    given = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    found = _SIZE.fullmatch(given) if isinstance(given, str) else None
    size = int(found[1]) * _SIZES[found[2]] if found else 0
    if not 1 <= size <= MOST_BYTES:
        remedy = f"Give a number of bytes, or one with its unit like 512MiB, up to {MOST_BYTES >> 30}GiB."
        findings.append(Finding(key, f"{value!r} is no size that a component may have", remedy))
        return DEFAULT_BYTES
    return size
