# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.normalise import DeviceTexts
from ansible_collections.holdfast.config.plugins.plugin_utils.model import config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import INDENT, Structure
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import MASK, Redactor
from ansible_collections.holdfast.config.plugins.plugin_utils.render import html, text
from ansible_collections.holdfast.config.plugins.plugin_utils.render.device_lines import diff
from ansible_collections.holdfast.config.plugins.plugin_utils.render.lines import shown
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import compared

RUNNING = "/holdfast/config/running"
BEFORE = b"""Current configuration:
!
frr version 8.4.4
hostname r1
!
router bgp 65001
 neighbor 192.0.2.1 remote-as 65002
 neighbor 192.0.2.1 password hunter2
 !
 address-family ipv4 unicast
  network 198.51.100.0/24
 exit-address-family
exit
!
end
"""
AFTER = BEFORE.replace(b"hunter2", b"hunter3").replace(b"198.51.100.0/24", b"203.0.113.0/24")
EXPECTED = [
    " router bgp 65001",
    f"- neighbor 192.0.2.1 password {MASK}",
    f"+ neighbor 192.0.2.1 password {MASK}",
    "  address-family ipv4 unicast",
    "-  network 198.51.100.0/24",
    "+  network 203.0.113.0/24",
]


def told(before: str, after: str, most: int | None = None) -> tuple[list[str], int]:
    trees = [config_tree.parse(one, Structure(INDENT)) for one in (before, after)]
    found, more = diff(*trees, redactor=Redactor((r"^ key (?P<secret>\S+)",)), most=most)
    return [kind + line for kind, line in found], more


def test_a_device_is_compared_below_the_lines_that_stand_above_and_nothing_secret_is_shown() -> None:
    texts = DeviceTexts(platforms.find("frr"))
    comparison = compared({RUNNING: BEFORE}, {RUNNING: AFTER}, readers={"config": texts.tree})
    (difference,) = comparison.differences
    assert [str(line) for line in shown(comparison, difference).lines] == EXPECTED
    assert shown(comparison, difference, most=4).more == 2
    pages = text.page(comparison), html.page(comparison)
    assert "\n".join(EXPECTED) in pages[0]
    assert all("hunter" not in page and "address-family ipv4 unicast" in page for page in pages)


def test_what_comes_or_goes_is_shown_whole_and_what_only_changes_by_itself_not_at_all() -> None:
    texts = DeviceTexts(platforms.find("frr"))
    for before, after, sign in (({}, {RUNNING: BEFORE}, "+"), ({RUNNING: BEFORE}, {}, "-")):
        comparison = compared(before, after, readers={"config": texts.tree})
        lines = shown(comparison, comparison.differences[0]).lines
        assert {line.kind for line in lines} == {sign}
        assert "hunter" not in str(lines)
    same = compared({RUNNING: BEFORE}, {RUNNING: b"\r\n" + BEFORE}, readers={"config": texts.tree})
    assert shown(same, same.differences[0]).lines == ()


def test_blocks_of_keys_are_masked_by_the_lines_above_that_are_not_shown() -> None:
    key = "a\n -----BEGIN PRIVATE KEY-----\n {}\n -----END PRIVATE KEY-----\n"
    found, _more = told(key.format("abc"), key.format("def"))
    assert found == [" a", f"-{MASK}", f"+{MASK}"]


def test_nothing_is_shown_that_a_terminal_would_obey() -> None:
    found, more = told("x\n", "x\n y\x1b[31m\udcff\n key abc\n", most=2)
    assert found == [" x", "+ y\\x1b[31m\\xff"]
    assert more == 1
