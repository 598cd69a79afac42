# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/guide_platforms.md, and all of docs/design/platform_rules.md. As a program it writes them anew."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    EVIDENCE,
    RELOAD,
    Item,
    Platform,
    Restore,
    Rule,
    Structure,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE, RULES = DOCS / "guide_platforms.md", DOCS / "design" / "platform_rules.md"
_BEGIN, _END = "<!-- platforms: from their files -->", "<!-- platforms: end -->"
_HEAD = """# Rules of the platforms

Each rule that the collection knows of a platform, with what it was held against and where it is from. What the words
mean is in [guide_platforms.md](../guide_platforms.md). `make platforms-page` writes this page anew from the files.
"""
_COLUMNS = (
    "platform",
    "system",
    "texts captured by default",
    "others",
    "rules: real, published, simulated",
    "restore",
    "timer",
)


def guide(text: str) -> str:
    """The guide with its table of platforms."""
    before, rest = text.split(_BEGIN)
    return f"{before}{_BEGIN}\n\n{table()}\n\n{_END}{rest.split(_END)[1]}"


def table() -> str:
    """A row for each platform."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_row, map(platforms.find, platforms.names()))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def rules() -> str:
    """The page of all rules."""
    return "\n".join([_HEAD, *(line for name in platforms.names() for line in _section(platforms.find(name)))])


def _row(platform: Platform) -> tuple[str, ...]:
    names = [(f"`{item.name}`", item.default) for item in platform.items]
    restore = platform.restore
    return (
        f"[{platform.name}](design/platform_rules.md#{platform.name})",
        platform.title,
        ", ".join(name for name, default in names if default),
        ", ".join(name for name, default in names if not default) or "-",
        ", ".join(str(sum(rule.evidence == level for _list, rule in _rules(platform))) for level in EVIDENCE),
        _ways(restore) if restore else "by hand",
        "yes" if restore and restore.timer else "over a shell" if restore and restore.reload else "-",
    )


def _ways(restore: Restore) -> str:
    """How a configuration comes back, with what that was held against."""
    way, reload = f"`{restore.method}`: {restore.evidence}", restore.reload
    return f"{way}; over a shell `{RELOAD}`: {reload.evidence}" if reload else way


def _rules(platform: Platform) -> Iterator[tuple[str, Rule]]:
    """All rules of a platform, with the name of the list that each stands in."""
    structure, dialogue, restore = platform.structure, platform.dialogue, platform.restore
    yield from (("volatile", rule) for rule in platform.volatile)
    for item in platform.items:
        yield from ((f"volatile in {item.name}", rule) for rule in item.volatile)
        yield from ((f"refusals of {item.name}", rule) for rule in item.refusals)
        yield from ((f"partial {item.name}", rule) for rule in item.partial)
    yield from (("secrets", rule) for rule in platform.secrets)
    for field in dataclasses.fields(Structure):
        value = getattr(structure, field.name)
        if isinstance(value, tuple):
            yield from ((f"structure: {field.name}", one) for one in value if isinstance(one, Rule))
    yield from (("refusals", rule) for rule in (dialogue.refusals if dialogue else ()))
    yield from (("restore: partial", rule) for rule in (restore.partial if restore else ()))
    reload = restore.reload if restore else None
    yield from (("reload: partial", rule) for rule in (reload.partial if reload else ()))
    yield from (("syslog", rule) for rule in ((platform.syslog,) if platform.syslog else ()))


def _section(platform: Platform) -> Iterator[str]:
    yield from (f"## {platform.name}", "", f"{platform.title}. {platform.notes}".strip(), "")
    names = ", ".join(f"`{name}`" for name in platform.names)
    yield from ((f"`ansible_network_os`: `{platform.name}`{f', {names}' if names else ''}.", "") if names else ())
    yield from ("| text | asked by | default | may be refused | evidence | source |", "|---|---|---|---|---|---|")
    yield from map(_item, platform.items)
    yield ""
    for (listed, level, source), found in itertools.groupby(
        _rules(platform), key=lambda one: (one[0], one[1].evidence, one[1].source)
    ):
        yield from (f"**{listed}** · {level} · {source}", "", *_fence([rule.pattern for _list, rule in found]))
    yield from _restore(platform)


def _item(item: Item) -> str:
    asked = f"`{item.ask}`".replace("|", "\\|")
    said = ("yes" if item.default else "-", "yes" if item.optional else "-")
    return f"| {item.name}: {item.description} | {asked} | {said[0]} | {said[1]} | {item.evidence} | {item.source} |"


def _restore(platform: Platform) -> Iterator[str]:
    restore = platform.restore
    if restore is None:
        return
    yield from (f"**restore** by `{restore.method}` · {restore.evidence} · {restore.source}", "")
    steps = ("upload_begin", "enter", "check", "apply", "exit", "confirm", "revert", "save", "discard")
    lines = [f"{step}: {command}" for step in steps for command in getattr(restore, step)]
    if restore.upload:
        lines.insert(0, f"{restore.upload}: {restore.file}")
    if lines:
        yield from _fence(lines)
    reload = restore.reload
    if reload is not None:
        yield from (f"**restore over a shell** by `{RELOAD}` · {reload.evidence} · {reload.source}", "")
        yield from _fence([f"{{folder}}/{reload.name}", f"check: {reload.check}", f"apply: {reload.apply}"])


def _fence(lines: Sequence[str]) -> tuple[str, ...]:
    return ("```text", *lines, "```", "")


if __name__ == "__main__":
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    RULES.write_text(rules(), encoding="utf-8")
