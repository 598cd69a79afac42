# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of Sphinx for ``make docs-site``; the names are Sphinx's own."""

from __future__ import annotations

project = "holdfast.config"
author = copyright = "The holdfast.config contributors"  # noqa: A001
extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
# these are of GitHub, or parts of other pages
exclude_patterns = ["tests", "demo", "docs/docsite", "extensions", "plugins", "changelogs"]
html_theme = "sphinx_ansible_theme"
html_theme_options = {"display_version": False, "documentation_home_url": ""}
html_show_sphinx = False
highlight_language = "YAML+Jinja"
# headings are linked to as GitHub names them
myst_heading_anchors = 6
# pages with a placeholder in a value are no YAML, and shown as they are
suppress_warnings = ["misc.highlighting_failure"]
nitpicky = True
# of Ansible itself
nitpick_ignore_regex = [("envvar", "ANSIBLE_.*")]
