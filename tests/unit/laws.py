# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws of the collection, each a function from its root folder to the list of what breaks it.

Which room of plugin_utils may stand on which is docs/design/architecture.md, "The house".
"""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
import sys
import tomllib
import typing as t
from collections.abc import Iterator
from pathlib import Path, PurePath

import yaml

COLLECTION = "ansible_collections.holdfast.config."
LIBRARY = ("plugins", "plugin_utils")

# A room not named here (usecases) may stand on every room below it; only `adapter` may stand on all.
FOUNDATIONS: dict[str, frozenset[str]] = {
    "errors": frozenset({"errors"}),
    "model": frozenset({"errors", "model"}),
    "seal": frozenset({"errors", "seal"}),
    "format": frozenset({"errors", "model", "seal", "format"}),
    "aws": frozenset({"errors", "aws"}),
    "keyring": frozenset({"errors", "model", "seal", "aws", "keyring"}),
    "store": frozenset({"errors", "model", "aws", "store"}),
    "in_time": frozenset({"in_time"}),
    "safe_yaml": frozenset({"errors", "safe_yaml"}),
    "capture": frozenset({"errors", "model", "in_time", "safe_yaml", "capture"}),
    "duties": frozenset({"errors", "model", "safe_yaml", "duties"}),
    "render": frozenset({"errors", "model", "render"}),
    "catalog": frozenset({"errors", "model", "catalog"}),
    "mirror": frozenset({"errors", "model", "mirror"}),
    "imports": frozenset({"errors", "model", "seal", "mirror", "imports"}),
    "schedule": frozenset({"errors", "model", "schedule"}),
    "tickets": frozenset({"errors", "model", "in_time", "safe_yaml", "tickets"}),
    "triggers": frozenset({"errors", "model", "triggers"}),
}
BELOW_USECASES = frozenset(FOUNDATIONS)
STDLIB_ROOMS = frozenset({"errors", "model"})
ONE_FILE_LIBRARIES = (
    "asyncssh",
    "boto3",
    "botocore",
    "dateutil",
    "hvac",
    "jinja2",
    "ncclient",
    "pyrage",
    "requests",
    "rfc3161_client",
    "shamir_mnemonic",
    "sqlite3",
    "yaml",
    "zstandard",
)

INTERNAL_MODULES = frozenset({"host_apply", "host_capture"})
ATTRIBUTES = ("check_mode", "diff_mode", "idempotent")
ACTION_LINES = 80
PLAYBOOK_LINES = 25

# In two parts: `reuse lint` takes the whole for this file's own licence.
SPDX = "# SPDX-License-" + "Identifier: "

# Written so that no pattern matches its own line.
FORBIDDEN = (
    (re.compile(r"(?<![\w.-])/wor[k]/"), "a path of the machine it was written on"),
    (re.compile(r"(?<![\w.-])/(?:Users|tmp/(?:probe|brief|bash_job[s]))/"), "a path of the machine it was written on"),
    (re.compile(r"\.pyenv/version[s]/\d"), "a path of the machine it was written on"),
    (re.compile(r"\b(?:TOD[O]|FIXM[E])\b"), "work left undone"),
    (re.compile(r"\bNotImplemented(?:Erro[r])\b"), "work left undone"),
    (re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE), "the mark of a merge conflict"),
    (re.compile(r"\bpytest\.(?:ski[p]|importorski[p]|xfai[l]|mark\.(?:ski[p]|xfai[l]))"), "a test that does not run"),
)


@dataclasses.dataclass(frozen=True)
class Import:
    """One import statement: who (a path below the root), what (a dotted name; own modules begin with `plugins.`)."""

    file: PurePath
    name: str

    @property
    def top(self) -> str:
        """The package a foreign import takes from, or `plugins`."""
        return self.name.partition(".")[0]

    @property
    def importer_room(self) -> str:
        """The room of plugin_utils the importing file is in, or the empty string."""
        return _room(self.file.with_suffix("").parts)

    @property
    def imported_room(self) -> str:
        """The room of plugin_utils that is imported, or the empty string."""
        return _room(tuple(self.name.split(".")))

    def __str__(self) -> str:
        return f"{self.file} imports {self.name}"


def _room(parts: tuple[str, ...]) -> str:
    return parts[2] if parts[:2] == LIBRARY and len(parts) > 2 else ""


def imports(root: Path) -> list[Import]:
    """Return every import of every file under plugins/, also those inside functions and those by import_module().

    :raises SyntaxError: a file is not Python.
    """
    found = []
    for path in sorted((root / "plugins").rglob("*.py")):
        file = path.relative_to(root)
        package = file.parent.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(file))):
            found += [Import(file, name.removeprefix(COLLECTION)) for name in _imported(node, package)]
    return found


def _imported(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join((*base, *filter(None, [node.module])))
        # What follows `import` may be a module of its own: `from .. import store`.
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        argument = node.args[0]
        if name in ("import_module", "__import__") and isinstance(argument, ast.Constant):
            yield str(argument.value)


def layers(root: Path) -> list[str]:
    """Each room stands on the rooms it may; nothing below imports usecases or adapter; no room imports a plugin."""
    broken = []
    for found in imports(root):
        importer, imported = found.importer_room, found.imported_room
        if not importer:
            continue
        allowed = FOUNDATIONS.get(importer)
        if (
            (imported and allowed is not None and imported not in allowed)
            or (importer in BELOW_USECASES and imported == "usecases")
            or (importer != "adapter" and imported == "adapter")
            or (found.top == "plugins" and not imported and not _below(found, importer))
        ):
            broken.append(str(found))
    return broken


def _below(found: Import, importer: str) -> bool:
    """Outside plugin_utils a room stands on what hosts run alone: capture on what gathers, upper rooms on all of it."""
    kind, file = [*found.name.split("."), ""][1:3]
    near = importer == "capture" and file in ("_texts", "_tree")
    return kind == "module_utils" and (near or importer not in FOUNDATIONS)


def standard_library_only(root: Path) -> list[str]:
    """Hosts have nothing but Python: module_utils; errors and model stand on nothing foreign either."""
    return [
        str(found)
        for found in imports(root)
        if (found.importer_room in STDLIB_ROOMS or found.file.parts[1] == "module_utils")
        and found.top not in sys.stdlib_module_names
        and not (found.importer_room and found.imported_room)
        and not (found.name.startswith("plugins.module_utils.") and not found.importer_room)
    ]


def ansible_in_adapter_only(root: Path) -> list[str]:
    """Within plugin_utils only the adapter knows Ansible."""
    return [
        str(found)
        for found in imports(root)
        if found.importer_room not in ("", "adapter") and found.top in ("ansible", "ansible_collections")
    ]


def libraries_in_one_place(root: Path) -> list[str]:
    """A foreign library has one file that knows it; cryptography has the keyring."""
    found = imports(root)
    broken = []
    for library in ONE_FILE_LIBRARIES:
        files = sorted({str(item.file) for item in found if item.top == library})
        if len(files) > 1:
            broken.append(f"{library} is imported in {', '.join(files)}")
    broken += [str(item) for item in found if item.top == "cryptography" and item.importer_room != "keyring"]
    return broken


def short_files(root: Path) -> list[str]:
    """Actions and playbooks hold no logic."""
    limits = (("plugins/action/*.py", ACTION_LINES), ("playbooks/*.y*ml", PLAYBOOK_LINES))
    return [
        f"{path.relative_to(root)} has {lines} lines, {limit} are the limit"
        for pattern, limit in limits
        for path in sorted(root.glob(pattern))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
    ]


def role_arguments(root: Path) -> list[str]:
    """A role's argument spec names the variables of defaults/main.yml, each with its default; required ones have none.

    The file must be meta/argument_specs.yml: ansible-core takes a misspelt one for no spec, without a word.
    """
    broken = []
    for role in sorted(path for path in (root / "roles").glob("*") if path.is_dir()):
        where = role.relative_to(root)
        spec = role / "meta" / "argument_specs.yml"
        broken += [
            f"{path.relative_to(root)} is not read by ansible-core"
            for path in sorted((role / "meta").glob("*"))
            if path.name not in ("argument_specs.yml", "main.yml")
        ]
        if not spec.is_file():
            broken.append(f"{where} has no meta/argument_specs.yml")
            continue
        defaults = _yaml(role / "defaults" / "main.yml") or {}
        optional: set[str] = set()
        required: set[str] = set()
        for entry_point, entry in _yaml(spec)["argument_specs"].items():
            for name, option in (entry.get("options") or {}).items():
                at = f"{spec.relative_to(root)}: {entry_point}: {name}"
                if not name.startswith(f"{role.name}_") and not name.startswith("holdfast_"):
                    broken.append(f"{at} does not begin with the role's name")
                if option.get("required"):
                    required.add(name)
                    if name in defaults or "default" in option:
                        broken.append(f"{at} is required and has a default")
                    continue
                optional.add(name)
                # A missing default is a null one, for ansible-core as well.
                if name in defaults and not _same(option.get("default"), defaults[name]):
                    broken.append(f"{at} has another default than defaults/main.yml")
        broken += [f"{where}: {name} is only in the spec" for name in sorted(optional - defaults.keys())]
        broken += [
            f"{where}: {name} is only in defaults/main.yml" for name in sorted(defaults.keys() - optional - required)
        ]
    return broken


def typed_booleans(root: Path) -> list[str]:
    """A role's conditions make a boolean of its options first.

    What is typed, as in ``-e watch_rotate=true``, is text: Ansible stops at it, or takes it for true whatever it says.
    """
    broken = []
    for spec in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        options = [o for entry in _yaml(spec)["argument_specs"].values() for o in (entry.get("options") or {}).items()]
        names = [name for name, option in options if option.get("type") == "bool"]
        bare = re.compile(rf"(?:when:|\bif|\band|\bor|\bnot) ({'|'.join(names) or '(?!)'})\b(?! \| bool)")
        for path in sorted((spec.parents[1] / "tasks").glob("*.yml")):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                broken += [f"{path.relative_to(root)}:{number} takes {name} as it is" for name in bare.findall(line)]
    return broken


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _yaml(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def action_groups(root: Path) -> list[str]:
    """`module_defaults: group/holdfast.config.holdfast` reaches every public module, and nothing else."""
    groups = (_yaml(root / "meta" / "runtime.yml") or {}).get("action_groups", {})
    listed = groups.get("holdfast") or []
    public = {path.stem for path in _modules(root)} - INTERNAL_MODULES
    broken = [f"action group {name} is not known here" for name in sorted(groups.keys() - {"holdfast"})]
    broken += [f"{name} is public and not in the action group" for name in sorted(public - set(listed))]
    broken += [f"{name} is in the action group and no public module" for name in sorted(set(listed) - public)]
    if listed != sorted(set(listed)):
        broken.append("the action group is not sorted, or names a module twice")
    return broken


def _modules(root: Path) -> list[Path]:
    return sorted(path for path in (root / "plugins" / "modules").glob("*.py") if path.name != "__init__.py")


def module_attributes(root: Path) -> list[str]:
    """Every module says, itself or by a fragment, how it supports check and diff mode, and whether it is idempotent."""
    broken = []
    for path in _modules(root):
        where = path.relative_to(root)
        documentation = _documentation(path, "DOCUMENTATION")
        if not documentation:
            broken.append(f"{where} has no DOCUMENTATION")
            continue
        attributes: dict[str, dict[str, object]] = {}
        fragments = documentation.get("extends_documentation_fragment", [])
        sources = [_fragment(root, name) for name in ([fragments] if isinstance(fragments, str) else fragments)]
        for source in (*sources, documentation):
            for name, attribute in source.get("attributes", {}).items():
                attributes.setdefault(name, {}).update(attribute)
        broken += [
            f"{where} does not say its support of {name}"
            for name in ATTRIBUTES
            if attributes.get(name, {}).get("support") not in ("full", "partial", "none", "N/A")
        ]
    return broken


def module_options(root: Path, path: Path) -> set[str]:
    """The options that a module documents, itself or by a fragment."""
    documentation = _documentation(path, "DOCUMENTATION")
    fragments = documentation.get("extends_documentation_fragment", [])
    sources = [_fragment(root, name) for name in ([fragments] if isinstance(fragments, str) else fragments)]
    return {name for source in (*sources, documentation) for name in source.get("options", {})}


def _fragment(root: Path, name: str) -> dict[str, t.Any]:
    prefix = "holdfast.config."
    if not name.startswith(prefix):
        return {}
    stem, *variable = name.removeprefix(prefix).split(".")
    return _documentation(
        root / "plugins" / "doc_fragments" / f"{stem}.py", variable[0].upper() if variable else "DOCUMENTATION"
    )


def _documentation(path: Path, variable: str) -> dict[str, t.Any]:
    """Return the YAML assigned to a variable of a file, at its top or in its class; empty when there is none."""
    if not path.is_file():
        return {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == variable for target in node.targets):
            return t.cast("dict[str, t.Any]", yaml.safe_load(ast.literal_eval(node.value)))
    return {}


def one_version(root: Path) -> list[str]:
    """The version that manifests name as their writer is that of galaxy.yml."""
    released = _yaml(root / "galaxy.yml")["version"]
    file = root / "plugins" / "plugin_utils" / "version.py"
    if re.search(rf'^COLLECTION = "{re.escape(released)}"$', file.read_text(encoding="utf-8"), re.MULTILINE):
        return []
    return [f"{file.relative_to(root)} does not say {released}, as galaxy.yml does"]


def tracked(root: Path) -> list[Path]:
    """Return the files git tracks, or would: nothing ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout
    names = (root / name for name in listed.decode().split("\0") if name)
    return sorted(path for path in names if path.is_file() and not path.is_symlink())


def licence_headers(root: Path) -> list[str]:
    """Every Python and YAML file that is not empty names its copyright and its licence, unless REUSE.toml does it."""
    wanted = ("# Copyright (c) ", "# GNU General Public License v3.0+ ", SPDX + "GPL-3.0-or-later")
    elsewhere = _reuse_patterns(root)
    broken = []
    for path in tracked(root):
        where = path.relative_to(root)
        if path.suffix not in (".py", ".yml", ".yaml") or not path.stat().st_size:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        while lines and (lines[0].startswith("#!") or lines[0] == "---"):
            del lines[0]
        complete = len(lines) >= len(wanted) and all(map(str.startswith, lines, wanted))
        if not complete and not any(pattern.fullmatch(where.as_posix()) for pattern in elsewhere):
            broken.append(f"{where} has no licence header")
    return broken


def _reuse_patterns(root: Path) -> list[re.Pattern[str]]:
    """Return the paths of REUSE.toml: `*` stops at a slash, `**` does not (REUSE specification 3.3, REUSE.toml)."""
    file = root / "REUSE.toml"
    if not file.is_file():
        return []
    annotations = tomllib.loads(file.read_text(encoding="utf-8"))["annotations"]
    paths = [path for annotation in annotations for path in annotation["path"]]
    return [
        re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in re.split(r"(\*+)", path)))
        for path in paths
    ]


def forbidden_words(root: Path) -> list[str]:
    """No text that is tracked holds what belongs to the making and not to the thing."""
    broken = []
    for path in tracked(root):
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        for pattern, meaning in FORBIDDEN:
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                broken.append(f"{path.relative_to(root)}:{line} holds {meaning}: {match[0].strip()}")
    return broken


LAWS = (
    layers,
    standard_library_only,
    ansible_in_adapter_only,
    libraries_in_one_place,
    short_files,
    role_arguments,
    typed_booleans,
    action_groups,
    module_attributes,
    one_version,
    licence_headers,
    forbidden_words,
)
