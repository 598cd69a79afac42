# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-in for the get-pip script that ansible-test would download from outside the package registries.

ansible-test takes it from its cache (https://github.com/ansible/ansible/issues/77304), so a checkout needs PyPI alone.
"""

from __future__ import annotations

import os
import subprocess
import sys

# Named get_pip_24_2.py in the cache when it is to install pip 24.2.
version = os.path.basename(__file__)[len("get_pip_") : -len(".py")].replace("_", ".")
# In a process of its own: ensurepip drops PIP_* and the pip configuration of the process it runs in.
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
if not any(argument.startswith("pip") for argument in arguments):
    arguments.append(f"pip=={version}")
os.execv(sys.executable, [sys.executable, "-m", "pip", "install", "-q", *arguments])
