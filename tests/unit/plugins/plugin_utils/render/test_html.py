# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import html.parser
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DependencyMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import Label, NotCompared
from ansible_collections.holdfast.config.plugins.plugin_utils.render import html as rendered
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import NOW, SEALED, compared
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}'


class Page(html.parser.HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def test_a_page_shows_what_the_text_does() -> None:
    page = Page(
        rendered.page(
            compared(
                {"/etc/app/main.conf": b"password = one\nlisten = 8080\n"},
                {"/etc/app/main.conf": b"password = two\nlisten = 9090\n"},
                unchanged=7,
                not_compared=(NotCompared("packages", "it is declared otherwise now"),),
                warnings=("look at this",),
            )
        )
    )
    for word in (
        "/etc/app/main.conf",
        "password = <secret>",
        "-listen = 8080",
        "+listen = 9090",
        "7 equal",
        "1 changed",
    ):
        assert word in page.text
    for word in ("packages", "it is declared otherwise now", "look at this", "(newest)", "Compared by content"):
        assert word in page.text
    assert "one" not in page.text.split()
    assert "two" not in page.text.split()


def test_its_title_names_both_sides() -> None:
    page = rendered.page(compared({}, {}))
    assert "<title>web1, sealed at 2026-11-21T01:16:23Z and web1, live at 2026-11-21T09:00:00Z</title>" in page
    assert "No drift: web1" in Page(page).text


@pytest.mark.parametrize("where", ["path", "content", "component", "host", "asked", "warning", "reason"])
def test_a_hostile_name_or_content_is_text(where: str) -> None:
    words = {where: HOSTILE}
    path = f"/etc/{words.get('component', 'app').replace('/', '|')}/{words.get('path', 'x').replace('/', '|')}"
    host = words.get("host", "web1")
    outcome = compared({}, {path: f"{words.get('content', 'x')}\n".encode()})
    outcome = t.cast("t.Any", outcome.__class__)(
        **{
            **vars(outcome),
            "left": Label(host, SEALED, SEALED, ("ab",), words.get("asked", "newest")),
            "right": Label(host + "2", NOW, NOW, (), words.get("asked", "")),
            "warnings": (words.get("warning", ""),),
            "not_compared": (NotCompared(words.get("component", "c"), words.get("reason", "r")),),
        }
    )
    page = Page(rendered.page(outcome))
    harmless = Page(rendered.page(compared({}, {"/etc/app/x": b"x\n"}, not_compared=(NotCompared("c", "r"),))))
    assert set(page.tags) <= set(harmless.tags) | {"p"}
    assert not [name for name, _value in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert "{{ 7*7 }}{% raw %}" in page.text


def test_a_page_runs_nothing_and_loads_nothing() -> None:
    page = rendered.page(compared({"/etc/app/x": b"1"}, {"/etc/app/x": b"2"}))
    assert "default-src 'none'" in page
    assert not {"script", "link", "img", "iframe"} & set(Page(page).tags)
    assert "url(" not in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_in_a_narrow_window_words_stay_whole() -> None:
    page = rendered.page(compared({"/etc/app/x": b"1"}, {"/etc/app/x": b"2"}))
    narrow = next(line for line in page.splitlines() if line.startswith("@media screen and (max-width"))
    assert "table { display: block; overflow-x: auto; }" in narrow
    assert "overflow-wrap: break-word" in narrow


def test_what_is_more_than_the_limit_is_counted() -> None:
    content = b"".join(b"%d\n" % number for number in range(50))
    page = rendered.page(compared({}, {"/etc/app/x": content}), limit_lines=10)
    assert "... 41 more lines" in page
    assert "+8<" in page
    assert "+9<" not in page


@given(st.text(max_size=40), st.binary(max_size=40))
def test_any_name_and_content_makes_a_page_that_can_be_written(name: str, content: bytes) -> None:
    path = f"/etc/app/{name.replace('/', '|')}"
    page = rendered.page(compared({path: content}, {path: b"x"}))
    page.encode("utf-8")
    assert all(one in "\n\t" or one.isprintable() for one in page)


def test_without_jinja2_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered, "jinja2", None)
    with pytest.raises(DependencyMissingError, match="jinja2"):
        rendered.page(compared({}, {}))
