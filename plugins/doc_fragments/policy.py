# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What is declared for a host."""

    DOCUMENTATION = r"""
options:
  classes:
    description:
      - "Retention classes over the built-in V(d0030), V(d0090) and V(d0400): name to C({days, mode}). Without it the
        variable C(holdfast_classes) holds. A class is never edited; other days are another class."
    type: dict
  tiers:
    description:
      - "Tiers over the built-in V(tier0), V(tier1) and V(tier2): name to C({class, rpo, rto}), durations like V(24h).
        Without it the variable C(holdfast_tiers) holds."
    type: dict
  components:
    description:
      - "What to capture: a list of C({name, paths, excludes, tier, owner, data_class, unreadable}). Without it the
        variable C(holdfast_components) holds."
      - C(paths) are absolute and may be globs. C(excludes) is a list of C({pattern, reason}); a pattern without a
        slash matches any one name on the way, one with a slash the whole path.
      - "C(unreadable) is V(error), so that a path that cannot be read fails the host, or V(leave_out), so that it is
        recorded as left out."
    type: list
    elements: dict
"""
