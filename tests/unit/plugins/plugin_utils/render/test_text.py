# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import NotCompared
from ansible_collections.holdfast.config.plugins.plugin_utils.render import text
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import compared
from hypothesis import given
from hypothesis import strategies as st

BEFORE = {
    "/etc/app/main.conf": b"a = 1\nb = 2\nc = 3\npassword = one\nlisten = 8080\n",
    "/etc/app/old": b"gone\n",
    "/etc/ssh/ssh_host_rsa_key": b"1",
}
AFTER = {
    "/etc/app/main.conf": b"a = 1\nb = 2\nc = 3\npassword = two\nlisten = 9090",
    "/etc/app/new\x1b[31m": b"x\x1b[2J\n",
    "/etc/ssh/ssh_host_rsa_key": b"2",
}
PAGE = """\
web1, sealed at 2026-11-21T01:16:23Z  ->  web1, live at 2026-11-21T09:00:00Z
1 added, 1 removed, 2 changed, 7 equal

app: 1 added, 1 removed, 1 changed
changed /etc/app/main.conf: content
--- /etc/app/main.conf
+++ /etc/app/main.conf
@@ -1,5 +1,5 @@
 a = 1
 b = 2
 c = 3
-password = <secret>
-listen = 8080
+password = <secret>
+listen = 9090
\\ No newline at end of file
added /etc/app/new\\x1b[31m: file, mode 0644, owner root:root
--- /dev/null
+++ /etc/app/new\\x1b[31m
@@ -0,0 +1 @@
+x\\x1b[2J
removed /etc/app/old: file, mode 0644, owner root:root
--- /etc/app/old
+++ /dev/null
@@ -1 +0,0 @@
-gone

ssh: 1 changed
changed /etc/ssh/ssh_host_rsa_key: content differs, not shown (private)

not compared: packages (it is declared otherwise now)
"""


def test_a_page_is_as_people_know_diffs() -> None:
    left_out = (NotCompared("packages", "it is declared otherwise now"),)
    assert text.page(compared(BEFORE, AFTER, unchanged=7, not_compared=left_out)) == PAGE


def test_a_component_is_a_part_of_it() -> None:
    part = text.component(compared(BEFORE, AFTER), "app")
    assert part in PAGE
    assert part.startswith("app: ")
    assert "ssh" not in part


def test_nothing_that_differs_is_said() -> None:
    assert text.page(compared({}, {}, unchanged=3)).splitlines()[1] == "3 equal"
    assert text.summary(compared({}, {}), "app") == "nothing differs"


def test_what_is_more_than_the_limit_is_counted() -> None:
    whole = PAGE.splitlines()
    page = text.page(compared(BEFORE, AFTER, unchanged=7), limit_lines=4)
    assert page.splitlines() == [*whole[:4], f"... {len(whole) - 2 - 4} more lines"]


def test_one_path_does_not_take_all_the_room() -> None:
    long = b"".join(b"%d\n" % number for number in range(5000))
    page = text.page(compared({}, {"/etc/app/long": long, "/etc/app/z": b"last\n"}))
    assert f"... {5001 - text.LIMIT_OF_PATH} more lines of /etc/app/long\n" in page
    assert page.endswith("+last\n")


@given(
    name=st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20),
    content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda one: one.encode("utf-8", "ignore"))),
    other=st.text(max_size=60).map(lambda one: one.encode("utf-8", "ignore")),
)
def test_a_terminal_gets_nothing_to_obey(name: str, content: bytes, other: bytes) -> None:
    page = text.page(compared({f"/etc/app/{name}": content}, {f"/etc/app/{name}": other}))
    assert all(one in "\n\t" or one.isprintable() for one in page)
    page.encode("utf-8")
