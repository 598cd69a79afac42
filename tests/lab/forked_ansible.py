# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``ansible`` and ``ansible-playbook`` as they are, each run forked from a process that has imported them.

To start Ansible and to compile this collection is most of what a short run costs, and a page has many of these.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import forked_python, playbook

PROGRAMS = {"ansible": "adhoc", "ansible-playbook": "playbook"}

# the loader of collections is there before a run makes it, and is the one that a run would make. What tells one run
# from another when it is imported is not imported here
_IMPORTED = """\
import importlib, pkgutil, runpy, sys, warnings
from ansible.cli import adhoc, playbook
from ansible.plugins import loader
keeping = runpy.run_path({keeping!r})
keeping["Loader"].get_code = keeping["get_code"]
loader.init_plugin_loader()
warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
# says where all plugins of Ansible have gone to: a long text
importlib.import_module("ansible_collections.ansible.builtin")
for plugins in (loader.callback_loader, loader.inventory_loader, loader.vars_loader):
    list(plugins.all(class_only=True))
list(loader.module_loader.all(path_only=True))
from ansible_collections.holdfast.config.plugins import plugin_utils
for found in pkgutil.iter_modules(plugin_utils.__path__, plugin_utils.__name__ + "."):
    if not found.name.endswith((".adapter", ".triggers")):
        package = importlib.import_module(found.name)
        for inner in pkgutil.iter_modules(getattr(package, "__path__", ()), found.name + "."):
            importlib.import_module(inner.name)
assert plugin_utils.__name__ + ".adapter.run" not in sys.modules
"""
_RUN = "import sys; sys.argv = {words!r}; from ansible.cli.{module} import main; main()"
# the source is the interpreter's input, which ends there: nobody answers a question of such a run. What Ansible is told
# when it is imported it is not told again: a run that is told otherwise begins anew
_PROGRAM = """\
#!{python} -IS
import os, sys
told = {{name: value for name, value in os.environ.items() if name.startswith(("ANSIBLE_", "HOME"))}}
if told != {told!r}:
    os.execv({beside!r}, [{beside!r}, *sys.argv[1:]])
source, end = os.pipe()
os.write(end, {run!r}.format(words=[{beside!r}, *sys.argv[1:]], module={module!r}).encode())
os.close(end)
os.dup2(source, 0)
os.execv({client!r}, [{client!r}])
"""


@contextlib.contextmanager
def programs(folder: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """The folder of these programs, for who has this environment; they are gone afterwards.

    :param folder: where they are put, with a path short enough for a socket.
    :param environment: what Ansible is told when it is imported. A run that is told otherwise is not forked.
    """
    (folder / "imported.py").write_text(_IMPORTED.format(keeping=playbook.__file__))
    with forked_python.python(folder, ["imported"], [folder], environment) as client:
        made = folder / "bin"
        made.mkdir()
        told = {name: value for name, value in environment.items() if name.startswith(("ANSIBLE_", "HOME"))}
        for name, module in PROGRAMS.items():
            beside = str(Path(sys.executable).parent / name)
            text = _PROGRAM.format(
                python=sys.executable, told=told, beside=beside, run=_RUN, module=module, client=str(client)
            )
            (made / name).write_text(text)
            (made / name).chmod(0o755)
        yield made
