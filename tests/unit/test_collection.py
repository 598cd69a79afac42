# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection keeps its laws, and each law is one that can be broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from . import laws

ROOT = Path(__file__).resolve().parents[2]
HEADER = "\n".join(
    ("# Copyright (c) 2026 Somebody", "# GNU General Public License v3.0+ (see x)", laws.SPDX + "GPL-3.0-or-later", "")
)
Law = t.Callable[[Path], list[str]]
Files = dict[str, str]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_the_collection_keeps(law: Law) -> None:
    assert law(ROOT) == []


def test_the_collection_is_really_read() -> None:
    """The laws look where the code is: a moved folder must not make them silent."""
    assert {found.importer_room for found in laws.imports(ROOT)} >= {"model"}
    assert ROOT / "galaxy.yml" in laws.tracked(ROOT)


def plant(root: Path, files: Files) -> Path:
    """Make a small tree, as a git work tree of its own."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return root


def library(name: str, text: str) -> Files:
    return {f"plugins/plugin_utils/{name}": text}


def role(spec: str, defaults: str) -> Files:
    return {
        "roles/keep/meta/argument_specs.yml": "argument_specs:\n  main:\n    options:\n" + spec,
        "roles/keep/defaults/main.yml": defaults,
    }


def module(documentation: str, **fragments: str) -> Files:
    files = {"plugins/modules/snapshot.py": f'DOCUMENTATION = r"""\n{documentation}"""\n'}
    for stem, text in fragments.items():
        files[f"plugins/doc_fragments/{stem}.py"] = f'class ModuleDocFragment:\n    DOCUMENTATION = r"""\n{text}"""\n'
    return files


def group(*names: str) -> Files:
    return {"meta/runtime.yml": "action_groups:\n  holdfast:\n" + "".join(f"    - {name}\n" for name in names)}


ALL_ATTRIBUTES = "attributes:\n" + "".join(f"  {name}: {{support: full}}\n" for name in laws.ATTRIBUTES)
TOO_LONG = "\n" * (laws.ACTION_LINES + 1)
SEAM = "ansible_collections.holdfast.config.plugins"

BROKEN: list[tuple[Law, Files, str]] = [
    (
        laws.layers,
        library("seal/pack.py", "from ..model import entry"),
        "seal/pack.py imports plugins.plugin_utils.model.entry",
    ),
    (laws.layers, library("model/point.py", "from .. import store"), "imports plugins.plugin_utils.store"),
    (
        laws.layers,
        library("errors.py", "from .model.entry import Entry"),
        "imports plugins.plugin_utils.model.entry.Entry",
    ),
    (
        laws.layers,
        library("format/body.py", "from ..keyring.sign import Signer"),
        "imports plugins.plugin_utils.keyring",
    ),
    (laws.layers, library("format/body.py", "from ..store.base import Store"), "imports plugins.plugin_utils.store"),
    (laws.layers, library("keyring/local.py", "from ..format import root"), "imports plugins.plugin_utils.format"),
    (laws.layers, library("store/file.py", "from ..seal.age import seal"), "imports plugins.plugin_utils.seal"),
    (
        laws.layers,
        library("store/s3.py", f"from {SEAM}.plugin_utils.keyring import base"),
        "imports plugins.plugin_utils.keyring",
    ),
    (
        laws.layers,
        library("store/s3.py", f"import {SEAM}.plugin_utils.keyring.base"),
        "imports plugins.plugin_utils.keyring",
    ),
    (laws.layers, library("capture/host.py", "from ..seal import pack"), "imports plugins.plugin_utils.seal"),
    (
        laws.layers,
        library("capture/host.py", "from ...module_utils._apply import replace"),
        "imports plugins.module_utils._apply",
    ),
    (laws.layers, library("seal/pack.py", "from ...module_utils import _tree"), "imports plugins.module_utils._tree"),
    (
        laws.layers,
        library("catalog/index.py", "from ..usecases.verify import verify"),
        "imports plugins.plugin_utils.usecases",
    ),
    (laws.layers, library("usecases/snapshot.py", "from ..adapter import run"), "imports plugins.plugin_utils.adapter"),
    (
        laws.layers,
        library("usecases/snapshot.py", "from ...action.snapshot import ActionModule"),
        "imports plugins.action",
    ),
    (
        laws.layers,
        library("store/s3.py", "def later():\n    from ..keyring import base"),
        "imports plugins.plugin_utils.keyring",
    ),
    (laws.standard_library_only, library("errors.py", "import yaml"), "errors.py imports yaml"),
    (
        laws.standard_library_only,
        library("model/point.py", "if True:\n    import attrs.validators"),
        "imports attrs.validators",
    ),
    (laws.standard_library_only, {"plugins/module_utils/_tree.py": "import zstandard"}, "_tree.py imports zstandard"),
    (
        laws.standard_library_only,
        {"plugins/module_utils/_tree.py": "from ansible.module_utils import basic"},
        "imports ansible",
    ),
    (
        laws.standard_library_only,
        {"plugins/module_utils/_tree.py": "from ..plugin_utils import errors"},
        "imports plugins.plugin_utils",
    ),
    (
        laws.ansible_in_adapter_only,
        library("usecases/snapshot.py", "from ansible.errors import AnsibleError"),
        "imports ansible.errors",
    ),
    (
        laws.ansible_in_adapter_only,
        library("capture/device.py", "import ansible_collections.ansible.netcommon.x"),
        "imports ansible_coll",
    ),
    (
        laws.libraries_in_one_place,
        library("seal/age.py", "import pyrage") | library("keyring/local.py", "from pyrage import x25519"),
        "pyrage is imported in plugins/plugin_utils/keyring/local.py, plugins/plugin_utils/seal/age.py",
    ),
    (
        laws.libraries_in_one_place,
        library("store/s3.py", "import importlib\nimportlib.import_module('boto3')")
        | library("store/sts.py", "import boto3.session"),
        "boto3 is imported in",
    ),
    (
        laws.libraries_in_one_place,
        library("adapter/options.py", "import yaml") | library("capture/presets.py", "import yaml"),
        "yaml is imported in",
    ),
    (
        laws.libraries_in_one_place,
        library("format/dsse.py", "from cryptography import x509"),
        "dsse.py imports cryptography.x509",
    ),
    (laws.short_files, {"plugins/action/snapshot.py": TOO_LONG}, "snapshot.py has 81 lines, 80 are the limit"),
    (laws.short_files, {"playbooks/backup.yml": TOO_LONG}, "backup.yml has 81 lines, 25 are the limit"),
    (laws.role_arguments, {"roles/keep/tasks/main.yml": ""}, "roles/keep has no meta/argument_specs.yml"),
    (
        laws.role_arguments,
        {"roles/keep/meta/arguments_specs.yml": ""},
        "arguments_specs.yml is not read by ansible-core",
    ),
    (laws.role_arguments, role("      keep_days: {type: int, default: 3}\n", ""), "keep_days is only in the spec"),
    (
        laws.role_arguments,
        role("      keep_days: {type: int}\n", "keep_days:\nkeep_x: 1\n"),
        "keep_x is only in defaults",
    ),
    (laws.role_arguments, role("      keep_days: {default: 3}\n", "keep_days: 4\n"), "keep_days has another default"),
    (laws.role_arguments, role("      keep_it: {default: 1}\n", "keep_it: true\n"), "keep_it has another default"),
    (laws.role_arguments, role("      keep_it: {}\n", "keep_it: []\n"), "keep_it has another default"),
    (
        laws.role_arguments,
        role("      keep_it: {required: true}\n", "keep_it: 1\n"),
        "keep_it is required and has a default",
    ),
    (laws.role_arguments, role("      days: {default: 3}\n", "days: 3\n"), "days does not begin with the role's name"),
    (laws.action_groups, module("") | group(), "snapshot is public and not in the action group"),
    (
        laws.action_groups,
        module("") | group("snapshot", "restore"),
        "restore is in the action group and no public module",
    ),
    (laws.action_groups, module("") | group("snapshot", "snapshot"), "not sorted, or names a module twice"),
    (
        laws.action_groups,
        {"plugins/modules/host_apply.py": ""} | group("host_apply"),
        "host_apply is in the action group and no",
    ),
    (laws.action_groups, {"meta/runtime.yml": "action_groups: {other: []}"}, "action group other is not known here"),
    (laws.module_attributes, {"plugins/modules/verify.py": ""}, "verify.py has no DOCUMENTATION"),
    (laws.module_attributes, module("attributes: {check_mode: {support: full}}\n"), "its support of diff_mode"),
    (
        laws.module_attributes,
        module(ALL_ATTRIBUTES.replace("idempotent: {support", "idempotent: {details")),
        "of idempotent",
    ),
    (
        laws.module_attributes,
        module("extends_documentation_fragment: holdfast.config.none\n"),
        "its support of check_mode",
    ),
    (laws.layers, library("model/point.py", "from ... import action"), "imports plugins.action"),
    (
        laws.one_version,
        library("version.py", 'COLLECTION = "0.1.0"') | {"galaxy.yml": "version: 0.1.1"},
        "version.py does not say 0.1.1",
    ),
    (laws.licence_headers, {"plugins/filter/one.py": "x = 1\n"}, "plugins/filter/one.py has no licence header"),
    (
        laws.licence_headers,
        {"playbooks/backup.yml": "---\n- hosts: all\n"},
        "playbooks/backup.yml has no licence header",
    ),
    (laws.licence_headers, {"a.yml": "x: 1\n" + HEADER}, "a.yml has no licence header"),
    (
        laws.licence_headers,
        {"a/b.yml": "x: 1\n", "REUSE.toml": '[[annotations]]\npath = ["*.yml", "**/*.yaml"]\n'},
        "a/b.yml has no licence header",
    ),
    *(
        (
            laws.typed_booleans,
            role("      keep_all: {type: bool, default: false}\n", "") | {"roles/keep/tasks/main.yml": task},
            "roles/keep/tasks/main.yml:2 takes keep_all as it is",
        )
        for task in (
            "- debug:\n  when: keep_all\n",
            "- debug:\n  when: keep_some | bool and not keep_all\n",
            "- debug:\n    msg: \"{{ 'all' if keep_all else 'some' }}\"\n",
        )
    ),
    (laws.forbidden_words, {"README.md": "fine\nsee /work" + "/notes\n"}, "README.md:2 holds a path of the machine"),
    (laws.forbidden_words, {"a.sh": "/opt/.pyenv/versions" + "/3.11/bin/python"}, "a.sh:1 holds a path of the machine"),
    (laws.forbidden_words, {"a.py": "# TO" + "DO: more"}, "a.py:1 holds work left undone"),
    (laws.forbidden_words, {"a.py": "raise NotImplemented" + "Error"}, "a.py:1 holds work left undone"),
    (laws.forbidden_words, {"a.md": "one\n<<<<<<" + "< HEAD\n"}, "a.md:2 holds the mark of a merge conflict"),
    (
        laws.forbidden_words,
        {"test_a.py": "@pytest.mark." + "skipif(True)"},
        "test_a.py:1 holds a test that does not run",
    ),
]


@pytest.mark.parametrize(
    ("law", "files", "expected"), BROKEN, ids=[f"{law.__name__}-{text}" for law, _files, text in BROKEN]
)
def test_broken(law: Law, files: Files, expected: str, tmp_path: Path) -> None:
    found = law(plant(tmp_path, files))
    assert [message for message in found if expected in message], found


def test_every_law_is_shown_to_break() -> None:
    assert {broken[0] for broken in BROKEN} == set(laws.LAWS)


def test_a_small_good_tree_breaks_no_law(tmp_path: Path) -> None:
    code = {
        "plugins/plugin_utils/errors.py": "import enum",
        "plugins/plugin_utils/model/point.py": "from ..errors import FormatError\nfrom .entry import Entry\nimport re",
        "plugins/plugin_utils/seal/age.py": "import pyrage\nfrom .. import errors",
        "plugins/plugin_utils/keyring/local.py": "from cryptography import x509\nfrom ..seal.age import seal",
        "plugins/plugin_utils/capture/host.py": "import yaml\nfrom ...module_utils import _tree",
        "plugins/plugin_utils/usecases/snapshot.py": "from ..store import base\nfrom ...module_utils import _apply",
        "plugins/plugin_utils/adapter/run.py": "from ansible.errors import AnsibleError\nfrom ..usecases import verify",
        "plugins/module_utils/_tree.py": "import os",
        "plugins/module_utils/_apply.py": "import os\nfrom . import _tree\nfrom ._tree import walk",
        "plugins/modules/host_apply.py": f'DOCUMENTATION = """\n{ALL_ATTRIBUTES}"""',
        "plugins/action/snapshot.py": f"from {SEAM}.plugin_utils.usecases.snapshot import snapshot",
        "playbooks/backup.yml": "- hosts: all",
    }
    described = module(
        "extends_documentation_fragment: [holdfast.config.shared, action_common_attributes]\n"
        "attributes: {diff_mode: {support: none}, idempotent: {support: N/A}}\n",
        shared="attributes: {check_mode: {support: full}, diff_mode: {description: Shown.}}\n",
    )
    options = "      keep_days: {type: int, default: 3}\n      keep_name: {}\n      keep_host: {required: true}\n"
    options += "      keep_all: {type: bool, default: false}\n"
    files = code | described | group("snapshot") | role(options, "keep_days: 3\nkeep_name:\nkeep_all: false\n")
    files |= {"roles/keep/tasks/main.yml": "- debug: {all: '{{ keep_all }}'}\n  when: keep_all | bool\n"}
    files |= library("version.py", 'COLLECTION = "1.2.3"') | {"galaxy.yml": "version: 1.2.3"}
    files = {name: f"{HEADER}\n{text}\n" for name, text in files.items()}
    files |= {"plain.yml": "x: 1\n", "REUSE.toml": '[[annotations]]\npath = ["*.yml"]\n', "tests/__init__.py": ""}
    root = plant(tmp_path, files)
    assert {law.__name__: law(root) for law in laws.LAWS} == {law.__name__: [] for law in laws.LAWS}


def test_ignored_files_are_nobodys_business(tmp_path: Path) -> None:
    root = plant(tmp_path, {".gitignore": ".dev/\n", ".dev/a.yml": "x: 1\n"})
    assert laws.licence_headers(root) == []


@pytest.mark.parametrize(("ci", "outcome"), [("true", "2 errors|1 failed, 1 error"), ("", "2 skipped")])
def test_a_skip_fails_in_ci(ci: str, outcome: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    skip = "pytest." + "skip('no reason'"
    (tmp_path / "test_function.py").write_text(f"import pytest\ndef test_it():\n    {skip})\n", encoding="utf-8")
    (tmp_path / "test_module.py").write_text(f"import pytest\n{skip}, allow_module_level=True)\n", encoding="utf-8")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
            "--rootdir",
            str(tmp_path),
        ],
        cwd=tmp_path,
        # ansible-test tells pytest by these to load its own plugins.
        env={name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
        | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(outcome, ran.stdout), ran.stdout
    assert (ran.returncode != 0) == bool(ci)
