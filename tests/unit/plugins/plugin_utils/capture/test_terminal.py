# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From bytes to whole answers: prompts that are none, pages, drawings, cuts at each byte."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.terminal import (
    Question,
    Terminal,
    drawn,
    password,
    trimmed,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    TooLargeError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Dialogue, Pager
from hypothesis import given
from hypothesis import strategies as st

SHOW = "show running-config"
LIMIT = 1 << 20
MORE = b" --More-- "
ERASED = b"\b" * 10 + b" " * 10 + b"\b" * 10
DIALOGUE = Dialogue(prompt=r"^[\w.()-]+[#>]\s?$", pager=Pager(r"^ --More-- $"))
TEXT = b"version 15.2\n!\nhostname r1\n description to core r1#\nend\n"

sizes = st.lists(st.integers(1, 40), min_size=1, max_size=20)


class Model:
    """A device: what it sends for what is typed. It reads a line only when it waits at its prompt.

    What is typed while it speaks waits for it: ``echoes`` says whether that is shown when it is read, or at once in the
    middle of what it says, as the terminals of some systems do, or both times; ``lag`` bytes of what it says are on
    their way by then. One that is ``deaf`` to blanks shows none.
    """

    def __init__(
        self,
        answers: dict[str, bytes],
        *,
        prompt: bytes = b"r1#",
        banner: bytes = b"\r\nhello\r\n",
        before: bytes = b"",
        height: int = 0,
        erase: bytes = ERASED,
        echoes: str = "read",
        lag: int = 0,
        deaf: bool = False,
    ) -> None:
        self.answers = answers
        self.prompt = prompt
        self.says = banner + prompt
        self.typed: list[str] = []
        self._before = before
        self._height = height
        self._erase = erase
        self._echoes = echoes
        self._lag = lag
        self._deaf = deaf
        self._pages: list[bytes] = []
        self._input = b""

    def hear(self, typed: bytes) -> None:
        """Let that be typed while it may still speak."""
        if self._echoes == "once" or (self._echoes == "both" and self.says):
            self.says = self.says[: self._lag] + typed.replace(b"\n", b"\r\n") + self.says[self._lag :]
        self.says += self.take(typed)

    def take(self, typed: bytes) -> bytes:
        """What it sends when that was typed."""
        self._input += typed
        out = b""
        while self._input:
            if self._pages:
                self._input = self._input[1:]
                out += self._erase + self._page()
                continue
            line, end, rest = self._input.partition(b"\n")
            if not end:
                break
            self._input = rest
            command = line.decode()
            self.typed.append(command)
            if self._echoes != "once":
                out += (line.strip(b" ") if self._deaf else line) + b"\r\n"
            if command.startswith("prompt "):
                self.prompt = command.removeprefix("prompt ").encode()
            answer = self.answers.get(command, b"").replace(b"\n", b"\r\n")
            lines = answer.splitlines(keepends=True)
            height = self._height or max(len(lines), 1)
            self._pages = [b"".join(lines[at : at + height]) for at in range(0, len(lines), height)]
            out += self._page()
        return out

    def _page(self) -> bytes:
        page = self._pages.pop(0) if self._pages else b""
        return page + (MORE if self._pages else self._before + self.prompt)


def talk(terminal: Terminal, model: Model, sent: bytes, pieces: Sequence[int] = (1 << 20,)) -> None:
    """Send, and feed what the device says in pieces of these sizes; what was not fed yet comes next time.

    When it has nothing more to say, the connection ends.
    """
    model.hear(sent)
    for count, size in enumerate(itertools.cycle(pieces)):
        assert count < 2_000, "it goes on and on"
        if terminal.whole:
            return
        if not model.says:
            terminal.closed()
        piece, model.says = model.says[:size], model.says[size:]
        model.hear(terminal.feed(piece))


def login(model: Model, dialogue: Dialogue = DIALOGUE, pieces: Sequence[int] = (1 << 20,)) -> Terminal:
    terminal = Terminal(dialogue, device="r1", limit_bytes=LIMIT)
    talk(terminal, model, b"", pieces)
    assert terminal.prompt == model.prompt.decode().rstrip()
    return terminal


def ask(terminal: Terminal, model: Model, command: str = SHOW, pieces: Sequence[int] = (1 << 20,)) -> bytes:
    talk(terminal, model, terminal.ask(command), pieces)
    return terminal.answer()


def repeated(typed: bytes) -> bytes:
    """What a device shows of a line while it is typed."""
    assert typed.endswith(b"\n")
    return typed.replace(b"\n", b"\r\n")


class TestAnswers:
    """What came between the echo and the prompt."""

    @given(sizes, sizes)
    def test_however_it_is_cut_into_pieces(self, first: list[int], second: list[int]) -> None:
        model = Model({SHOW: b"\n" + TEXT + b"\n", "show version": b"15.2"})
        terminal = login(model, pieces=first)
        for command, text in ((SHOW, TEXT), (SHOW, TEXT)):
            assert ask(terminal, model, command, second) == text

    @given(
        sizes,
        st.lists(st.sampled_from([b"!", b" a r1#", b"r1#x", b"r1>", b" ", b"x", b"r1(config)#"]), max_size=9),
        sizes,
    )
    def test_what_looks_like_a_prompt_is_none(self, first: list[int], lines: list[bytes], second: list[int]) -> None:
        text = b"begin\n" + b"".join(line + b"\n" for line in [*lines, b"x", b"r1#", *reversed(lines), b"end"])
        model = Model({SHOW: text})
        terminal = login(model, pieces=first)
        assert ask(terminal, model, pieces=second) == re.sub(rb" +\n", lambda found: found[0], text)
        assert ask(terminal, model, "show nothing", second) == b""

    @given(sizes)
    def test_lines_between_prompts_are_no_part_of_it(self, pieces: list[int]) -> None:
        model = Model({SHOW: TEXT}, before=b"\r\n{master:0}\r\n", prompt=b"admin@r1> ")
        terminal = login(model, Dialogue(prompt=r"^\w+@\w+> $"), pieces)
        assert ask(terminal, model, pieces=pieces) == TEXT
        assert ask(terminal, model, "show nothing", pieces) == b""

    @given(
        sizes, st.integers(1, 7), st.sampled_from([ERASED, b"\r\x1b[K", b"\r" + b" " * 10 + b"\r", b"\x1b[10D\x1b[K"])
    )
    def test_pages_leave_nothing(self, pieces: list[int], height: int, erase: bytes) -> None:
        model = Model({SHOW: TEXT}, height=height, erase=erase)
        assert ask(login(model, pieces=pieces), model, pieces=pieces) == TEXT

    def test_pages_that_leave_marks_are_an_error(self) -> None:
        model = Model({SHOW: TEXT}, height=2, erase=b"\r\n")
        with pytest.raises(CaptureError, match="leaves the marks"):
            ask(login(model), model)

    def test_a_last_line_without_its_end(self) -> None:
        model = Model({SHOW: b"version 15.2\nend"})
        assert ask(login(model), model) == b"version 15.2\nend\n"

    def test_an_echo_that_is_drawn(self) -> None:
        model = Model({SHOW: TEXT})
        terminal = login(model)
        sent = terminal.ask(SHOW)
        drawing = b"sh\x1b[1mow running-confih\b\x1b[0mg\x1b[K\r\n"
        out = drawing + model.take(sent).split(b"\r\n", 1)[1]
        while not terminal.whole:
            out = model.take(terminal.feed(out))
        assert terminal.answer() == TEXT

    def test_a_device_that_repeats_nothing_is_not_believed(self) -> None:
        model = Model({SHOW: TEXT})
        terminal = login(model)
        terminal.ask(SHOW)
        assert terminal.feed(TEXT.replace(b"\n", b"\r\n") + b"r1#") == b""
        assert not terminal.begun
        with pytest.raises(CaptureError, match="does not repeat"):
            terminal.feed(b"x\n" * LIMIT)
        with pytest.raises(CaptureError):
            terminal.answer()

    def test_more_than_may_be(self) -> None:
        for line in (b"x\r\n", b"x"):
            model = Model({SHOW: line * (LIMIT + 1)})
            with pytest.raises(TooLargeError):
                ask(login(model), model, pieces=(60_000,))

    @pytest.mark.parametrize("command", ["", " ", "a\nb", "a\tb", "\x03"])
    def test_what_is_no_command(self, command: str) -> None:
        with pytest.raises(CaptureError):
            login(Model({})).ask(command)


class TestTextsThatHoldThePrompt:
    """A text lies still, however often it holds the prompt, and wherever the device pauses in it."""

    @pytest.mark.parametrize("prompt", [b"nx1#", b"nx1# "])
    @given(sizes, st.integers(1, 6), st.booleans())
    def test_it_comes_whole(self, prompt: bytes, pieces: list[int], times: int, last: bool) -> None:
        text = b"version 9.3\nbanner motd ^Hello\n" + b"nx1#\n" * times + (b"" if last else b"^\nusername admin\n")
        model = Model({SHOW: text}, prompt=prompt)
        terminal = login(model, pieces=pieces)
        assert ask(terminal, model, pieces=pieces) == text
        assert ask(terminal, model, "show nothing", pieces) == b""
        assert len(model.typed) < 40

    @given(sizes, st.integers(1, 6), st.sampled_from(["once", "both"]), st.integers(0, 60))
    def test_no_part_passes_where_a_terminal_repeats_at_once(
        self, pieces: list[int], times: int, echoes: str, lag: int
    ) -> None:
        text = b"version 9.3\nbanner motd ^Hello\n" + b"nx1#\n" * times + b"^\nusername admin\n"
        model = Model({SHOW: text}, prompt=b"nx1#", echoes=echoes, lag=lag)
        try:
            terminal = login(model, pieces=pieces)
            found = ask(terminal, model, pieces=pieces)
        except CaptureError:
            return
        assert found == text

    @pytest.mark.parametrize("lag", range(20))
    def test_a_witness_stands_wherever_a_terminal_repeats_it(self, lag: int) -> None:
        text = b"version 9.3\nnx1#\nusername admin password x\nend\n"
        model = Model({SHOW: text}, prompt=b"nx1#", echoes="once")
        terminal = login(model)
        model.hear(terminal.ask(SHOW))
        # up to what looks like the prompt: the witness comes later than that, in the rest
        shown = model.says.index(b"nx1#\r\nusername") + len(b"nx1#")
        piece, model.says = model.says[:shown], model.says[shown:]
        model._lag = lag
        model.hear(terminal.feed(piece))
        with pytest.raises(CaptureError, match="mixes what is typed"):
            talk(terminal, model, b"")

    def test_a_command_that_is_repeated_twice_is_none_of_the_text(self) -> None:
        terminal = login(Model({}))
        terminal.ask(SHOW)
        out = repeated(SHOW.encode() + b"\n") + b"r1#" + repeated(SHOW.encode() + b"\n") + b"version 15.2\r\nr1#"
        with pytest.raises(CaptureError, match="mixes what is typed"):
            for _count in range(9):
                out = repeated(terminal.feed(out)) + b"r1#"

    @given(sizes)
    def test_a_device_that_repeats_no_blanks_is_asked_more_often(self, pieces: list[int]) -> None:
        text = b"version 9.3\nbanner motd ^Hello\nnx1#\n^\nusername admin\n"
        model = Model({SHOW: text}, prompt=b"nx1#", deaf=True)
        terminal = login(model, pieces=pieces)
        assert ask(terminal, model, pieces=pieces) == text
        assert ask(terminal, model, "show nothing", pieces) == b""

    def test_the_rest_of_an_answer_is_not_dropped(self) -> None:
        model = Model({SHOW: TEXT})
        terminal = login(model)
        assert ask(terminal, model) == TEXT
        terminal.ask(SHOW)
        with pytest.raises(CaptureError, match="more behind an answer"):
            terminal.feed(b"\r\n^\r\nusername admin\r\n")

    def test_prompts_without_end_are_an_error(self) -> None:
        terminal = login(Model({}))
        terminal.ask(SHOW)
        terminal.feed(repeated(SHOW.encode() + b"\n"))
        with pytest.raises(CaptureError, match="without end"):
            for _count in range(1_000):
                terminal.feed(b"r1#x\r\nr1#")


class TestPrompts:
    """Which one is learnt."""

    @given(
        sizes,
        st.lists(st.sampled_from([b"core-sw1#", b"r1>", b"Welcome", b"", b"r1#", b" --More-- "]), max_size=4),
    )
    def test_banners_that_imitate_prompts(self, pieces: list[int], lines: list[bytes]) -> None:
        # what a banner shows twice in a row, with a pause behind both, cannot be told from a prompt
        shown = [line for line, _same in itertools.groupby(line for line in lines if line)]
        if len(set(shown)) != len(shown):
            return
        model = Model({SHOW: TEXT}, banner=b"".join(line + b"\r\n" for line in shown))
        assert ask(login(model, pieces=pieces), model, pieces=pieces) == TEXT

    def test_another_one_after_a_command(self) -> None:
        model = Model({SHOW: TEXT})
        terminal = login(model)
        talk(terminal, model, terminal.ask("prompt r1(config)#", learn=True))
        assert terminal.prompt == "r1(config)#"
        assert ask(terminal, model) == TEXT

    def test_rights_and_their_password(self) -> None:
        dialogue = Dialogue(prompt=r"^r1[#>]$", elevate="enable", elevated="#$")
        terminal = login(Model({}, prompt=b"r1>"), dialogue)
        assert not terminal.elevated
        terminal.ask("enable", (password("hidden"),), learn=True)
        assert terminal.feed(b"enable\r\nPassword: ") == b"hidden\n"
        terminal.feed(repeated(terminal.feed(b"\r\nr1#")) + b"r1#")
        assert (terminal.whole, terminal.elevated) == (True, True)

    def test_a_password_is_given_once(self) -> None:
        terminal = login(Model({}, prompt=b"r1>"))
        terminal.ask("enable", (password("hidden"),), learn=True)
        terminal.feed(b"enable\r\nPassword: ")
        with pytest.raises(CaptureError) as caught:
            terminal.feed(b"\r\nPassword: ")
        assert "hidden" not in f"{caught.value!r} {password('hidden')!r}"

    def test_questions(self) -> None:
        terminal = login(Model({}))
        terminal.ask("copy a b", (Question(r"filename \[b\]\? $", ""),), learn=True)
        assert terminal.feed(b"copy a b\r\nDestination filename [b]? ") == b"\n"
        terminal.feed(repeated(terminal.feed(b"\r\n[OK]\r\nr1#")) + b"r1#")
        assert terminal.answer().endswith(b"[OK]\n")

    def test_what_is_typed_at_once(self) -> None:
        terminal = login(Model({}))
        assert terminal.ask("load", learn=True, typed=b"a\nb\n") == b"load\n"
        assert terminal.feed(b"lo") == b""
        assert terminal.feed(b"ad\r\n") == b"a\nb\n"
        terminal.feed(repeated(terminal.feed(b"a\r\nb\r\nr1#")) + b"r1#")
        assert terminal.answer() == b"a\nb\n"


class TestCuts:
    """A connection that breaks off, at each byte."""

    @pytest.mark.parametrize(("height", "before"), [(0, b""), (2, b""), (0, b"\r\n{master:0}\r\n")])
    def test_no_part_is_taken_for_the_whole(self, height: int, before: bytes) -> None:
        whole = Model({SHOW: TEXT}, height=height, before=before)
        ask(login(whole), whole)
        for cut in itertools.count():
            model = Model({SHOW: TEXT}, height=height, before=before)
            terminal = login(model)
            out, left = model.says + model.take(terminal.ask(SHOW)), cut
            while out and left and not terminal.whole:
                piece, left = out[:left], max(left - len(out), 0)
                out = model.take(terminal.feed(piece))
            if terminal.whole:
                assert terminal.answer() == TEXT
                break
            with pytest.raises(ConnectionLostError):
                terminal.closed()
            with pytest.raises(CaptureError):
                terminal.answer()
        assert cut > len(TEXT)


class TestDrawing:
    """A line as a terminal shows it."""

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            (b"plain\r", b"plain"),
            (b"plain\r\r", b"plain"),
            (b"abc\rX", b"Xbc"),
            (b"abc\b\bX", b"aXc"),
            (b"\b\babc", b"abc"),
            (b" --More-- \b\b\b\b\b\b\b\b\b\b          \b\b\b\b\b\b\b\b\b\bline", b"line      "),
            (b"abc\r\x1b[K12", b"12"),
            (b"abc\x1b[2D\x1b[KX", b"aX"),
            (b"abc\x1b[2KX", b"   X"),
            (b"abc\x1b[1GX", b"Xbc"),
            (b"\x1b[24;1Hr1#", b"r1#"),
            (b"abc\x1b[1;3Hx", b"abx"),
            (b"\x1b[?2004hr1$ ", b"r1$ "),
            (b"\x1b[1;31mred\x1b[0m", b"red"),
            (b"\x1b]0;title\x07r1#", b"r1#"),
            (b"\x1b]0;title\x1b\\r1#", b"r1#"),
            (b"\x1b7\x1b(Babc", b"abc"),
            (b"a\0b\x07c", b"abc"),
            (b"abcd\x1b[2D\x1b[P", b"abd"),
            (b"abd\x1b[1D\x1b[@c", b"abcd"),
            (b"a\tb", b"a\tb"),
            (b"\xff\xc3\xa9\b\x1b[K", b"\xff"),
            (b"r1#\x1b", b"r1#"),
            (b"r1#\x1b[", b"r1#["),
            (b"\x1b[99999999999999999999CX", b" X"),
        ],
    )
    def test_line(self, line: bytes, shown: bytes) -> None:
        assert drawn(line).rstrip() == shown.rstrip()

    @given(st.binary(max_size=200).filter(lambda line: b"\n" not in line))
    def test_any_line_has_a_drawing(self, line: bytes) -> None:
        shown = drawn(line)
        assert not set(shown) & set(b"\x00\x07\b\r\x7f")

    @given(st.binary(max_size=50), st.binary(max_size=50))
    def test_trimmed(self, first: bytes, second: bytes) -> None:
        shown = trimmed(b"\n \n" + first + b"x\n" + second + b"\n\n")
        assert shown.endswith(b"\n")
        assert trimmed(shown) == shown
        assert trimmed(b" \n\r\n\t") == b""
        assert trimmed(b"\n  a\n\n") == b"  a\n"
