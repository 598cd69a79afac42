# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the bytes of a terminal to whole answers: a state machine without any input or output of its own.

An answer begins after the line in which the device repeated the command behind its prompt. It ends at a prompt that
was proven: when one seems to have come, a witness is sent, a line of blanks as many as chance says, and only if the
device repeats just these behind that prompt, and nothing but the prompt follows, was it the device that waited. A text
of a device lies still: it cannot hold what chance says only now, however often it holds the prompt and however long the
device pauses behind it; nothing here looks at a clock. A device that repeats no blanks, which shows at the login, is
believed when it shows its prompt for each of several witnesses: that is weaker. What comes before the next command is
repeated, and is no prompt, tells that the answer before was not whole. An answer without a proven end has none, and who
feeds the terminal gives up by time.

What is asked by a device that draws (carriage returns, backspaces, ECMA-48 sequences) is read as it would be seen.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import secrets
from collections.abc import Iterator

from ..errors import CaptureError, ConnectionLostError, TooLargeError
from ..model.platform import Dialogue

_NEW_LINE = b"\n"
_TAIL_BYTES = 4096
_DRAWN_BYTES = 1 << 20
_BEFORE_BYTES = 1 << 20
_MOST_BETWEEN = 3
# blanks of a witness: twice a number up to this, so that one that belongs to the prompt makes no difference
_MOST_PAIRS = 16
# witnesses that differ from each other, and those of one answer: each thing that looks like a prompt takes one
_DIFFERENT, _MOST_WITNESSES = 8, 100
# how often a prompt is proven: twice, and more often where a device repeats no blanks
_PROOFS, _BARE_PROOFS = 2, 4
_CODEC, _KEEP = "utf-8", "surrogateescape"
_ENDS = re.compile(rb"\r+\n")
# blanks between the two characters that end a line, which they would overwrite
_OVER = re.compile(rb"\r( +)\r*\n")
_DRAWS = re.compile(rb"[\x00\x07\x08\x0b\x0c\x0e\x0f\x1b\x7f]|\r(?!\r*\n)")
# ECMA-48, 5.4 and 5.6: control sequences, strings up to their terminator, and the two- and three-character ones
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<numbers>[0-?]*)[ -/]*(?P<final>[@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
)
# a sequence, or an end of a line, of which more may come
_UNFINISHED = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*)?|\r+)\Z")
_LONGEST_SEQUENCE = 32
_PASSWORD = r"(?i)pass(?:word|code|phrase)[^\r\n]{0,40}:\s*$"
_LOOK = "Look at the device by hand, and run again."


@dataclasses.dataclass
class Question:
    """What a device may ask in the middle of an answer, and the line that is typed then.

    A ``once`` question that comes again was answered wrongly, which ends the conversation: a password is tried once.
    """

    pattern: str
    reply: str = dataclasses.field(repr=False)
    once: bool = False
    asked: bool = False


def password(secret: str) -> Question:
    """The question for a password."""
    return Question(_PASSWORD, secret, once=True)


@dataclasses.dataclass(frozen=True)
class _Witness:
    """A line of blanks that was sent: how many pairs, and behind what, from which place of the text on."""

    pairs: int
    line: str
    offset: int


@dataclasses.dataclass(frozen=True)
class _Round:
    """A line that ends in the prompt and blanks, and the lines between it and the next prompt."""

    offset: int
    stem: str
    pairs: int
    between: tuple[str, ...]


def drawn(line: bytes) -> bytes:
    """A line, without its end, as a terminal shows it after all of it came (ECMA-48; one row, tabs kept)."""
    if not _DRAWS.search(line + _NEW_LINE):
        return line.rstrip(b"\r")
    return _draw(line.decode(_CODEC, _KEEP)).encode(_CODEC, _KEEP)


def _draw(line: str) -> str:
    row: list[str] = []
    column = place = 0
    while place < len(line):
        character = line[place]
        if character == "\x1b":
            found = _SEQUENCE.match(line, place)
            if not found:
                # one that has not wholly come, or none at all: a terminal shows neither
                place += 1
                continue
            column = _moved(row, column, found)
            place = found.end()
            continue
        place += 1
        if character == "\r":
            column = 0
        elif character == "\b":
            column = max(column - 1, 0)
        elif character == "\t" or (character >= " " and character != "\x7f"):
            if column > len(row):
                row.extend(" " * (column - len(row)))
            row[column : column + 1] = [character]
            column += 1
    return "".join(row)


def _moved(row: list[str], column: int, found: re.Match[str]) -> int:
    """The column after a sequence; what it erases goes from the row."""
    final = found["final"]
    if final is None:
        return column
    numbers = [int(number) if number.isdigit() and len(number) < 5 else 0 for number in found["numbers"].split(";")]
    first = numbers[0]
    if final == "K":
        if first == 0:
            del row[column:]
        else:
            stop = len(row) if first == 2 else min(column + 1, len(row))
            row[:stop] = " " * stop
            if first == 2:
                row.clear()
    elif final == "P":
        del row[column : column + max(first, 1)]
    elif final == "@":
        row[column:column] = " " * max(first, 1)
    elif final == "D":
        return max(column - max(first, 1), 0)
    elif final == "C":
        return column + max(first, 1)
    elif final == "G":
        return max(first, 1) - 1
    elif final in "Hf":
        # there is one row: who draws on a fixed last line means this one
        return max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
    return column


class Terminal:
    """One conversation by terminal, from the first byte after login.

    ``feed`` what the device sends, send what that returns, until ``whole``; then take ``answer`` and ``ask`` again.

    :param device: the name of the device, for errors.
    :param limit_bytes: what an answer may take.
    """

    def __init__(self, dialogue: Dialogue, *, device: str, limit_bytes: int) -> None:
        self._dialogue = dialogue
        self._device = device
        self._limit = limit_bytes
        self._looks = re.compile(dialogue.prompt)
        self._pager = re.compile(dialogue.pager.pattern) if dialogue.pager else None
        self._prompt = ""
        self._between: tuple[str, ...] | None = None
        self._bare = False
        self._learn = True
        self._tail = bytearray()
        self._held = b""
        self._start("", (), b"", learn=True)
        self._begun = True

    def _start(self, command: str, questions: tuple[Question, ...], typed: bytes, *, learn: bool) -> None:
        # what comes late belongs to an answer; behind a login and a change nobody relies on there being none
        self._strict = not self._learn
        self._command = command
        self._typed = typed
        self._questions = [(re.compile(question.pattern), question) for question in questions]
        self._learn = learn
        self._text = bytearray()
        self._begun = False
        self._passed = 0
        self._sent: list[_Witness] = []
        self._over: set[int] = set()
        self._paged = 0
        self._mark = b""
        self._keyed = self._erasing = False
        self.whole = False

    @property
    def prompt(self) -> str:
        """The prompt as it was learnt, without blanks behind it; empty before."""
        return self._prompt

    @property
    def elevated(self) -> bool:
        """Whether the prompt is one of a session that has all rights, or nothing is known of such."""
        return not self._dialogue.elevated or re.search(self._dialogue.elevated, self._prompt) is not None

    @property
    def begun(self) -> bool:
        """Whether the device has taken the command: it repeated it."""
        return self._begun

    def ask(
        self, command: str, questions: tuple[Question, ...] = (), *, learn: bool = False, typed: bytes = b""
    ) -> bytes:
        """Give a command and return what to send.

        :param learn: the prompt may be another one afterwards.
        :param typed: what to send once the device has taken the command, without waiting for anything in between.
        :raises CaptureError: it is not one line.
        """
        if not command.strip() or not command.isprintable():
            raise CaptureError("a command is not one line that can be typed", host=self._device, remedy="Correct it.")
        self._start(command, questions, typed, learn=learn)
        return command.encode(_CODEC, _KEEP) + _NEW_LINE

    def feed(self, data: bytes) -> bytes:
        """Take what came and return what to send to it, which may be nothing.

        :raises TooLargeError: it is more than may be.
        :raises CaptureError: what waits cannot be answered, what is drawn is no text, or the last answer was not whole.
        """
        data = self._held + data
        self._held = b""
        begun = _UNFINISHED.search(data[-_LONGEST_SEQUENCE:])
        if begun:
            self._held = begun[0]
            data = data[: len(data) - len(self._held)]
        # ECMA-48, 8.3.86: the sequence for the next line
        data = data.replace(b"\x1bE", b"\r\n")
        cut = data.rfind(_NEW_LINE) + 1
        if cut:
            self._lines(bytes(self._tail) + data[:cut])
            self._tail = bytearray(data[cut:])
        else:
            self._tail += data
        if self._passed + len(self._text) + len(self._tail) > self._limit:
            raise TooLargeError(
                f"answers with more than {self._limit} bytes",
                host=self._device,
                remedy="Raise the limit, or look at it.",
            )
        return self._waits()

    def nudge(self) -> bytes:
        """What to send to a device that says nothing after a login."""
        return self._witness("")

    def closed(self) -> None:
        """The connection is over: what came is not an answer."""
        raise ConnectionLostError("the connection broke off within an answer", host=self._device, remedy=_LOOK)

    def answer(self) -> bytes:
        """What the device answered: without echo, prompt, and blank lines around; with a line feed behind each line.

        :raises CaptureError: it is not whole.
        """
        if not self.whole:
            raise CaptureError("gave no whole answer", host=self._device, remedy=_LOOK)
        text = bytes(self._text)
        for line in reversed(self._between or ()):
            stem = text.rstrip(b"\n")
            last = stem[stem.rfind(_NEW_LINE) + 1 :]
            if line.strip() and last.decode(_CODEC, _KEEP) == line:
                text = stem[: len(stem) - len(last)]
        return trimmed(text)

    def _lines(self, block: bytes) -> None:
        """Take whole lines."""
        if not self._begun or self._keyed:
            head, block = self._head(block)
            self._text += head
        if not block:
            return
        if self._sent:
            self._over.update(len(found[1]) for found in _OVER.finditer(block))
        if _DRAWS.search(block) or (self._sent and self._pager):
            block = b"".join(self._row(line) + _NEW_LINE for line in block[:-1].split(_NEW_LINE))
        self._text += _ENDS.sub(_NEW_LINE, block)

    def _head(self, block: bytes) -> tuple[bytes, bytes]:
        """Of a block of lines those that need a look: up to the echo, and the one in which a key was pressed."""
        kept, start = b"", 0
        while start < len(block) and (not self._begun or self._keyed):
            stop = block.index(_NEW_LINE, start)
            line, start = block[start:stop], stop + 1
            if self._begun:
                kept += self._unpaged(line) + _NEW_LINE
                continue
            self._passed += len(line) + 1
            if self._passed > _BEFORE_BYTES:
                raise CaptureError("does not repeat what is typed", host=self._device, remedy=_LOOK)
            shown = self._drawn(line).decode(_CODEC, _KEEP).rstrip()
            self._begun = self._is_echo(shown)
            if self._strict and not self._begun and shown not in ("", self._prompt, *(self._between or ())):
                raise CaptureError("says more behind an answer that seemed whole", host=self._device, remedy=_LOOK)
        return kept, block[start:]

    def _is_echo(self, line: str) -> bool:
        if not line.startswith(self._prompt):
            return False
        repeated = line[len(self._prompt) :].strip()
        if repeated == self._command.strip():
            return True
        # what is longer than its terminal is wide, a device scrolls
        return self._learn and len(self._command) > 60 and repeated.startswith(self._command[:8])

    def _row(self, line: bytes) -> bytes:
        """A whole line as it is seen; a witness may have been taken for the key for which the device waited."""
        shown = self._drawn(line)
        if self._sent and self._pager:
            first = _DRAWS.split(line.rstrip(b"\r"), maxsplit=1)[0].decode(_CODEC, _KEEP)
            if self._pager.search(first):
                self._mark = first.strip().encode(_CODEC, _KEEP)
                return self._unpaged(line)
        return shown

    def _drawn(self, line: bytes) -> bytes:
        if len(line) > _DRAWN_BYTES and _DRAWS.search(line + _NEW_LINE):
            raise CaptureError("draws what is no text", host=self._device, remedy=_LOOK)
        return drawn(line)

    def _unpaged(self, line: bytes) -> bytes:
        """A line in which the device had waited for a key, and must have erased that it did."""
        self._keyed = self._erasing = False
        self._paged = len(self._sent)
        shown = self._drawn(line).rstrip()
        if shown.lstrip().startswith(self._mark):
            raise CaptureError(
                "sends its answers in pages and leaves the marks in them",
                host=self._device,
                remedy="Let the platform's prepare turn paging off.",
            )
        return shown

    def _waits(self) -> bytes:
        """What to send if the device waits now."""
        if self.whole or not self._begun or self._held or len(self._tail) > _TAIL_BYTES:
            return b""
        if self._typed:
            typed, self._typed = self._typed, b""
            return typed
        line = self._drawn(bytes(self._tail)).decode(_CODEC, _KEEP)
        if not line.strip():
            return b""
        return self._key(line) or self._replied(line) or self._proven(line)

    def _key(self, line: str) -> bytes:
        pager = self._dialogue.pager
        if not pager or not self._pager or not self._pager.search(line):
            self._erasing = False
            return b""
        if self._erasing:
            return b""
        self._keyed = self._erasing = True
        self._mark = line.strip().encode(_CODEC, _KEEP)
        return pager.key.encode(_CODEC, _KEEP)

    def _replied(self, line: str) -> bytes:
        for pattern, question in self._questions:
            if not pattern.search(line):
                continue
            if question.once and question.asked:
                raise CaptureError(
                    "does not take the password for more rights",
                    host=self._device,
                    remedy="Correct the password of become.",
                )
            question.asked = True
            # what it asked stands before what it says next
            self._text += self._drawn(bytes(self._tail)) + _NEW_LINE
            self._tail.clear()
            return question.reply.encode(_CODEC, _KEEP) + _NEW_LINE
        return b""

    def _proven(self, line: str) -> bytes:
        """Whether the prompt at the end is one; the witness that finds it out."""
        found = self._candidate_in(line)
        if found is None:
            return b""
        before, prompt = found
        if not before:
            rounds = self._rounds(prompt)
            whole = self._echoed(rounds) or self._shown(rounds)
            if whole:
                self._close(prompt, whole)
                return b""
            if rounds and rounds[0].pairs in [one.pairs for one in self._sent[self._paged : -1]]:
                # it repeats one after the other what was typed ahead
                return b""
            if self._bare and not self._learn and len(_plain(rounds)) < len(self._sent) - self._paged:
                return b""
        shown = before + prompt
        if self._sent and (self._sent[-1].offset, self._sent[-1].line) == (len(self._text), shown):
            return b""
        return self._witness(shown)

    def _witness(self, line: str) -> bytes:
        if len(self._sent) >= _MOST_WITNESSES:
            raise CaptureError("shows prompts without end", host=self._device, remedy=_LOOK)
        used = {one.pairs for one in self._sent[-_DIFFERENT:]}
        pairs = secrets.choice([number for number in range(1, _MOST_PAIRS + 1) if number not in used])
        self._sent.append(_Witness(pairs, line, len(self._text)))
        return b"  " * pairs + _NEW_LINE

    def _candidate_in(self, line: str) -> tuple[str, str] | None:
        """What stands before a prompt in a line, and the prompt without blanks behind it."""
        shown = line.rstrip()
        if self._learn:
            found = self._looks.search(line)
            if found and found.end() >= len(shown):
                return "", shown
        if self._prompt and shown.endswith(self._prompt):
            return shown[: len(shown) - len(self._prompt)], self._prompt
        return None

    def _rounds(self, prompt: str) -> list[_Round]:
        """The prompts at the end of the text, the last one first."""
        rounds: list[_Round] = []
        between: tuple[str, ...] = ()
        stop = len(self._text)
        while stop and len(rounds) < len(self._sent) and len(between) <= _MOST_BETWEEN:
            start = self._text.rfind(_NEW_LINE, 0, stop - 1) + 1
            if stop - start > _TAIL_BYTES:
                break
            line = self._text[start : stop - 1].decode(_CODEC, _KEEP)
            shown = line.rstrip()
            stop = start
            if not shown.endswith(prompt):
                between = (line, *between)
                continue
            stem = shown[: len(shown) - len(prompt)]
            rounds.append(_Round(start, stem, (len(line) - len(shown)) // 2, between))
            between = ()
            if stem:
                break
        return rounds

    def _echoed(self, rounds: list[_Round]) -> list[_Round]:
        """The rounds of the last witnesses, if they prove a prompt; otherwise none."""
        proofs = 0
        for one, sent in zip(rounds, reversed(self._sent), strict=False):
            if one.pairs != sent.pairs or one.between != rounds[0].between:
                break
            proofs += 1
        if proofs < (1 if self._learn else _PROOFS) or not (self._learn or rounds[0].between == self._between):
            return []
        if self._learn:
            self._bare = False
        return list(self._ours(rounds))

    def _ours(self, rounds: list[_Round]) -> Iterator[_Round]:
        """Of the prompts at the end those that witnesses brought, and not the text."""
        pairs = [one.pairs for one in self._sent]
        for one in rounds:
            if one.between != rounds[0].between:
                return
            if self._paged:
                # of those before, parts may have been taken for keys
                yield one
                continue
            while pairs and pairs[-1] != one.pairs:
                pairs.pop()
            if not pairs:
                return
            pairs.pop()
            yield one

    def _shown(self, rounds: list[_Round]) -> list[_Round]:
        """The rounds that came for all witnesses, if these prove the prompt of a device that repeats no blanks."""
        plain = _plain(rounds)
        most = _BARE_PROOFS if self._learn else max(len(self._sent), _BARE_PROOFS)
        if not (self._learn or self._bare) or len(plain) < most:
            return []
        self._bare = True
        return plain

    def _close(self, prompt: str, rounds: list[_Round]) -> None:
        first = rounds[-1]
        if not self._learn and self._is_mixed(first.offset):
            raise CaptureError("mixes what is typed into its answer", host=self._device, remedy=_LOOK)
        del self._text[first.offset :]
        self._text += first.stem.encode(_CODEC, _KEEP)
        self._prompt, self._between = prompt, rounds[0].between
        self.whole = True

    def _is_mixed(self, stop: int) -> bool:
        """Whether an answer, up to here, holds what was typed: a terminal that repeats at once puts it anywhere.

        The device may repeat the command a second time, and a witness stands at the end of any line from where it was
        sent on. A text that holds by itself what looks so is refused with them.
        """
        for line in bytes(self._text[: min(stop, _TAIL_BYTES)]).split(_NEW_LINE):
            shown = line.decode(_CODEC, _KEEP).strip().removeprefix(self._prompt).strip()
            if shown == self._command.strip():
                return True
            if shown:
                break
        return any(
            2 * one.pairs in self._over or self._text.find(b"  " * one.pairs + _NEW_LINE, one.offset, stop) >= 0
            for one in self._sent
        )


def _plain(rounds: list[_Round]) -> list[_Round]:
    """The last prompts behind which there are no blanks, and between them the same."""
    return list(itertools.takewhile(lambda one: not one.pairs and one.between == rounds[0].between, rounds))


def trimmed(text: bytes) -> bytes:
    """A text without blank lines before and behind it, and with a line feed at its end; empty stays so."""
    stem = text.rstrip()
    start = len(stem) - len(stem.lstrip())
    start = stem.rfind(_NEW_LINE, 0, start) + 1
    return stem[start:] + _NEW_LINE if stem else b""
