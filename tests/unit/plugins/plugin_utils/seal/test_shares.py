# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import itertools
import re
import subprocess
import sys

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    FormatError,
    HoldfastError,
    IntegrityError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age, shares
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = bytes(range(74))


@functools.cache
def made(threshold: int, count: int) -> tuple[str, ...]:
    return tuple(shares.split(SECRET, threshold=threshold, count=count))


NUMBERS = st.integers(2, 6).flatmap(lambda count: st.tuples(st.integers(2, count), st.just(count)))


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.data())
def test_any_of_as_many_as_are_needed_give_the_secret_back(numbers: tuple[int, int], data: st.DataObject) -> None:
    threshold, _count = numbers
    chosen = data.draw(st.permutations(made(*numbers)))[:threshold]
    assert shares.join(chosen) == SECRET


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.data())
def test_one_less_never_does(numbers: tuple[int, int], data: st.DataObject) -> None:
    threshold, _count = numbers
    chosen = data.draw(st.permutations(made(*numbers)))[: threshold - 1]
    with pytest.raises(IntegrityError):
        shares.join(chosen)


def test_every_pair_of_three() -> None:
    for pair in itertools.combinations(made(2, 3), 2):
        assert shares.join(pair) == SECRET


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 66), st.sampled_from(["academic", "zero", "holdfast"]))
def test_a_word_that_was_mistyped_is_found(place: int, word: str) -> None:
    words = made(2, 3)[0].split()
    if words[place] == word:
        word = "wrist"
    line = " ".join([*words[:place], word, *words[place + 1 :]])
    assert not shares.is_share(line)
    with pytest.raises(IntegrityError):
        shares.join([line, made(2, 3)[1]])


@given(st.text(max_size=80))
def test_no_text_is_more_than_refused(line: str) -> None:
    assert not shares.is_share(line)
    with pytest.raises(HoldfastError):
        shares.join([line])


def test_shares_of_two_splits_do_not_mix() -> None:
    other = shares.split(bytes(74), threshold=2, count=3)
    with pytest.raises(IntegrityError) as caught:
        shares.join([made(2, 3)[0], other[1]])
    # not a word of a share
    assert str(caught.value) == "these shares do not give a secret back: one is wrong, or they are not of one set"
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (4, 3), (0, 2), (2, 17)])
def test_what_is_no_split_is_refused(threshold: int, count: int) -> None:
    with pytest.raises(FormatError):
        shares.split(SECRET, threshold=threshold, count=count)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_secret_that_is_too_short_or_odd_is_refused(length: int) -> None:
    with pytest.raises(FormatError):
        shares.split(bytes(length), threshold=2, count=2)


def test_the_digest_of_a_share_is_that_of_its_words() -> None:
    assert shares.digest("a b") == "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"


def test_the_command_of_the_library_joins_an_age_identity() -> None:
    """What a machine without the collection has: ``shamir recover``, and ``xxd -r -p``."""
    secret, _recipient = age.generate()
    lines = shares.split(secret.encode(), threshold=2, count=3)
    ran = subprocess.run(
        [sys.executable, "-m", "shamir_mnemonic.cli", "recover"],
        input=f"{lines[2]}\n{lines[0]}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Your master secret is: ([0-9a-f]+)", ran.stdout)
    assert found is not None
    assert bytes.fromhex(found[1]).decode() == secret


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "shamir_mnemonic", None)
    for call in (
        lambda: shares.split(SECRET, threshold=2, count=2),
        lambda: shares.is_share(""),
        lambda: shares.join([]),
    ):
        with pytest.raises(DependencyMissingError) as caught:
            call()
        assert "shamir-mnemonic" in str(caught.value)
