# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK, WARNING, Check
from ansible_collections.holdfast.config.plugins.plugin_utils.render import doctor
from hypothesis import given, settings
from hypothesis import strategies as st

CHECKS = (
    Check("python", OK, "Python 3.11.7"),
    Check("lock", WARNING, "a folder enforces no lock", "Use a bucket."),
    Check("clock", ERROR, "the controller's clock is 1260 s behind the store's: backups are refused", "Set it by NTP."),
)


def test_errors_come_first_each_with_its_remedy_below() -> None:
    assert doctor.report(CHECKS) == [
        "1 error, 1 warning, 1 ok",
        "         check               what, and what to do",
        "error    clock               the controller's clock is 1260 s behind the",
        "                             store's: backups are refused",
        "                             -> Set it by NTP.",
        "warning  lock                a folder enforces no lock",
        "                             -> Use a bucket.",
        "ok       python              Python 3.11.7",
    ]
    assert doctor.verdict(CHECKS) == "1 error, 1 warning, 1 ok; errors: clock"
    assert doctor.verdict(CHECKS[:2]) == "0 errors, 1 warning, 1 ok"


@settings(max_examples=25)
@given(
    st.lists(
        st.builds(
            Check,
            st.from_regex(r"replica\.[a-z0-9._-]{1,63}", fullmatch=True) | st.just("store"),
            st.sampled_from([OK, WARNING, ERROR]),
            st.text(max_size=200),
            st.text(max_size=200),
        ),
        max_size=3,
    )
)
def test_no_line_is_wider_than_a_terminal_nor_steers_it(checks: list[Check]) -> None:
    for line in doctor.report(checks):
        assert len(line) <= doctor.WIDTH
        assert line.replace("\t", " ").isprintable()
