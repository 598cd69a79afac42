# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the folder that ansible-test gets as its HOME: `ansible_test_home.py FOLDER`.

It holds the get-pip stand-in, and the pip settings of this machine: ansible-test hides PIP_* and the proxy variables
from the pip it runs. Nothing is written to the real home, and no collection installed there shadows the checkout.
"""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

PIP_VERSIONS = ("24_2", "25_2")  # of ansible-core 2.19 and 2.21


def pip_settings() -> configparser.RawConfigParser:
    """Return what pip takes here from its files and from the environment, as one file would say it."""
    settings = configparser.RawConfigParser()
    settings.add_section("global")
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    # pip lists the weakest source first and the environment last.
    for line in listed.splitlines():
        name, value = line.split("=", 1)
        section, key = name.rsplit(".", 1)
        section = "global" if section == ":env:" else section
        if not settings.has_section(section):
            settings.add_section(section)
        settings.set(section, key, ast.literal_eval(value))
    fallbacks = {"proxy": ("HTTPS_PROXY", "https_proxy"), "cert": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    for key, variables in fallbacks.items():
        value = next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
        if value and not settings.has_option("global", key):
            settings.set("global", key, value)
    return settings


def main() -> None:
    """Write the folder named on the command line."""
    os.umask(0o077)  # an index address may hold a password
    home = Path(sys.argv[1])
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        shutil.copyfile(Path(__file__).with_name("get_pip.py"), cache / f"get_pip_{version}.py")
    configuration = home / ".config" / "pip" / "pip.conf"
    configuration.parent.mkdir(parents=True, exist_ok=True)
    with configuration.open("w", encoding="utf-8") as file:
        pip_settings().write(file)


if __name__ == "__main__":
    main()
