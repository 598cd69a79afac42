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
      - "Tiers over the built-in V(tier0), V(tier1) and V(tier2): name to C({class, rpo, rto, schedule, windows,
        blackouts, replicas, drill_every, approvals, latency, change}), durations like V(24h). Without it the variable
        C(holdfast_tiers) holds. The guide C(docs/guide_policy.md) has every key, and says how C(holdfast_classes),
        C(holdfast_tiers) and C(holdfast_components) may be split over several variables."
    type: dict
  components:
    description:
      - "What to capture: a list of C({name, preset, paths, excludes, volatile, tier, owner, data_class, unreadable,
        max_bytes, secrets, preserve, validate, reload}). Without it the variable C(holdfast_components) holds.
        C(steward), C(contact), C(regulations), C(application), C(version) and C(depends_on) say more about it."
      - "C(preset) names what is known of a component already, like V(nginx): the guide C(docs/guide_components.md)
        lists them. C(name) is then the preset's unless given, C(paths), C(unreadable) and C(validate) replace what it
        says, and the other lists add to it. A text instead of a mapping is a preset's name and nothing else."
      - C(paths) are absolute and may be globs. C(excludes) is a list of C({pattern, reason}); a pattern without a
        slash matches any one name on the way, one with a slash the whole path.
      - "C(unreadable) is V(error), so that a path that cannot be read fails the host, or V(leave_out), so that it is
        recorded as left out."
      - "Other sources than files: C(commands) of the host, a list of C({name, argv, accept, timeout}); the environment
        of a C(unit), of a C(process), perhaps that of a C(user), or of the process of a C(pidfile); what an API
        answers at C(url), with C(headers), C(format), C(timeout), C(ca_path), C(validate_certs) and C(allow_empty).
        They have no C(paths), C(excludes) and C(unreadable), and their C(volatile) are regular expressions of lines.
        C(kind) may say which it is: V(files), V(command), V(environment), V(api) or V(device)."
      - "A network device is asked by C(kind=device): its C(platform), C(ansible_network_os) of the host unless given,
        and its C(items), those that the platform captures by default unless given. The text V(device) alone is such a
        component of that name. The guide C(docs/guide_devices.md) says how a device is reached."
      - "C(max_bytes) is how much content the component may hold, a number of bytes or a text like V(512MiB), up to
        V(1GiB); V(64MiB) without it."
      - "C(volatile) is a list of such patterns: what matches is captured, and its change is no drift."
      - "C(secrets), a list of regular expressions, says which lines hold a secret, in the group named C(secret).
        C(preserve), a list of patterns, says what a restore leaves as it is. C(validate), a list of arguments, is the
        command that judges the configuration, C(reload) a list of the systemd units that take it up. All four are no
        part of what is stored."
    type: list
    elements: raw
  component_paths:
    description:
      - Folders with presets of your own, C(<name>.yml) each, looked at in this order and before the built-in ones.
        Absolute, or below V(~). Without it the variable C(holdfast_component_paths) holds.
    type: list
    elements: path
  platform_paths:
    description:
      - Folders with platforms of your own, C(<name>.yml) each, looked at in this order and before the built-in ones.
        Absolute, or below V(~). Without it the variable C(holdfast_platform_paths) holds.
    type: list
    elements: path
"""
