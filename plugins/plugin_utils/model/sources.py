# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Components of other kinds than files: how they are declared, and which texts they hold."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing as t
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from .component import FILES, Component
from .ownership import OWNERSHIP
from .platform import Platform

COMMAND, ENVIRONMENT, API, CONTENT, DEVICE = "command", "environment", "api", "content", "device"
# why a text of a device is left out
REFUSED = "refused"
# where texts stand in a pack, and below the root of a restore
FOLDER = "/holdfast"
# what tells a process from itself after a restart (systemd.exec(5), sshd(8)), and is no configuration
VOLATILE_VARIABLES = (
    "^(?:INVOCATION_ID|JOURNAL_STREAM|TRIGGER_TIMER_[A-Z_]+)=",
    "^(?:SYSTEMD_EXEC_|MAIN|MANAGER|LISTEN_|WATCHDOG_)PID(?:FDID)?=",
    "^(?:REMOTE_(?:ADDR|PORT)|SSH_(?:CLIENT|CONNECTION|TTY|AUTH_SOCK)|XDG_SESSION_ID)=",
)
LONGEST_SECONDS = 3600

# what every kind has besides its own keys
_COMMON = ("kind", "name", "tier", "owner", "data_class", "max_bytes", "volatile", "secrets", *OWNERSHIP)
_WAYS = ("process", "unit", "pidfile")
_OWN: Mapping[str, tuple[str, ...]] = {
    COMMAND: ("commands",),
    ENVIRONMENT: (*_WAYS, "user"),
    API: ("url", "headers", "timeout", "ca_path", "validate_certs", "format", "allow_empty"),
    DEVICE: ("platform", "items"),
}
_TELLING = {**_OWN, ENVIRONMENT: _WAYS, API: ("url",)}
KEYS: Mapping[str, tuple[str, ...]] = {kind: (*_COMMON, *own) for kind, own in _OWN.items()}
PUSHED_KEYS = (*_COMMON[1:], "text", "allow_empty")

_MOST_COMMANDS = 64
_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,239}\.(?:service|socket|mount|swap|scope|slice)"
)  # systemd.unit(5); a leading dash would be an option
_USER = re.compile(r"[A-Za-z0-9_][!-.0-9;-~]{0,254}")  # no colon: passwd(5); no slash
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110, section 5.6.2
_SECRET_WORD = r"(?:pass(?:word|wd|phrase)?|pwd|secret|(?:api|access|private|auth)[-_]?key|token|credentials?)"
_SECRET_ARGUMENT = re.compile(rf"(?:^|[^a-z0-9]){_SECRET_WORD}[=:].", re.IGNORECASE)
# as people write environments, headers, URLs and passwords on command lines
_SECRET_SPELLING = re.compile(
    r"(?:^|[^A-Za-z0-9_])[A-Z0-9_]*(?:PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|API_?KEY|(?:ACCESS|PRIVATE)_?KEY)=."
    r"|(?i:(?:authorization|cookie)\s*:\s*.)"
    r"|://[^/@\s:]*:[^/@\s]+@"
)
_SECRET_OF: t.Mapping[str, re.Pattern[str]] = {
    "curl": re.compile(r"(?:-u ?|--(?:proxy-)?user[= ])[^ :]+:."),
    "mariadb": re.compile(r"-p\S"),
    "mysql": re.compile(r"-p\S"),
    "sshpass": re.compile(r"-p ?\S"),
}
_SECRET_OPTION = re.compile(rf"--?(?:[a-z0-9]+[-_])*{_SECRET_WORD}", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rf"(?:^|[^a-z0-9]|x-){_SECRET_WORD}$|^{_SECRET_WORD}|^(?:key|auth|authorization|sig|signature|jwt|sid|session(?:id)?)$"
    rf"|(?:signature|token|secret)$",
    re.IGNORECASE,
)

# Takes a key, what is wrong with it, and the remedy.
Find = Callable[[str, str, str], None]
# Takes the name of a platform and the key that names it; None where there is none, and then that has been told.
FindPlatform = Callable[[str, str], Platform | None]


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a declaration says of a source: plain values without secrets, and what else it takes to ask."""

    source: Mapping[str, t.Any]
    means: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)
    volatile: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Devices:
    """What declarations of devices are read by: the host's ``ansible_network_os``, and how platforms are found."""

    network_os: str
    find: FindPlatform


def kind_of(fields: Mapping[str, t.Any]) -> str:
    """The kind that a declaration has, by its ``kind`` or by its keys; FILES where nothing says otherwise."""
    given = fields.get("kind")
    if given is not None:
        return str(given)
    return next((kind for kind, own in _TELLING.items() if not set(own).isdisjoint(fields)), FILES)


def folder(name: str) -> str:
    """The folder that the texts of a component stand in."""
    return f"{FOLDER}/{name}"


def items(component: Component) -> tuple[str, ...]:
    """The names of a component's texts, as its source says; empty for files.

    :raises KeyError, TypeError: it is no source of its kind.
    """
    if component.kind == FILES:
        return ()
    if component.kind == COMMAND:
        return tuple(sorted(str(command["name"]) for command in component.source["commands"]))
    if component.kind == API:
        return (f"answer.{'json' if component.source['format'] == 'json' else 'txt'}",)
    if component.kind == DEVICE:
        return tuple(sorted(map(str, component.source["items"])))
    return (ENVIRONMENT if component.kind == ENVIRONMENT else "text",)


def read(key: str, kind: str, fields: Mapping[str, t.Any], find: Find, devices: Devices) -> Asked:
    """Read the keys that a kind has of its own; what is wrong is told to *find*."""
    if kind == DEVICE:
        return _read_device(key, fields, find, devices)
    readers = {COMMAND: _read_command, ENVIRONMENT: _read_environment, API: _read_api, CONTENT: _read_content}
    return readers[kind](key, fields, find)


def check_lines(key: str, patterns: Sequence[str], find: Find) -> None:
    """Judge patterns of volatile lines, as module_utils/_texts.py takes them."""
    for pattern in patterns:
        try:
            re.compile(pattern.encode("utf-8", "surrogateescape"))
        except (re.error, OverflowError, RecursionError, ValueError) as e:
            remedy = "Give one that Python's re takes: lines in which it is found are no drift."
            find(f"{key}.volatile", f"{pattern!r} is no regular expression ({e})", remedy)


def _read_content(key: str, fields: Mapping[str, t.Any], find: Find) -> Asked:
    return Asked({"by": "task"}, means={"text": _read_text(key, fields, find)})


def _read_text(key: str, fields: Mapping[str, t.Any], find: Find) -> bytes:
    """A pushed text, as UTF-8; it is never repeated in what is told to *find*."""
    text = fields.get("text")
    allowed = _read_flag(f"{key}.allow_empty", fields.get("allow_empty", False), find)
    data = b""
    if isinstance(text, (bytes, bytearray, memoryview)):
        data = bytes(text)
    elif isinstance(text, str):
        try:
            # what a task took for text without being able to read it has the form of surrogateescape
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            find(f"{key}.text", "holds half a character, which UTF-8 cannot spell", "Give a text of whole characters.")
            return b""
    else:
        remedy = "Make one of it, like {{ result.json | to_nice_json }}."
        find(f"{key}.text", f"is no text but {_spoken(text)}", remedy)
        return b""
    if not data.strip() and not allowed:
        remedy = "Look at the task that gives it: check mode may have skipped it. Or set allow_empty."
        find(f"{key}.text", "is empty", remedy)
    return data


def _spoken(value: t.Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _read_command(key: str, fields: Mapping[str, t.Any], find: Find) -> Asked:
    given = fields.get("commands")
    if not _is_list(given) or not given:
        find(f"{key}.commands", "is no list", "Give one, like [{name: packages, argv: [dpkg-query, --show]}].")
        return Asked({"commands": []})
    if len(given) > _MOST_COMMANDS:
        find(f"{key}.commands", f"has more than {_MOST_COMMANDS} of them", "Make several components of it.")
    commands = []
    names: set[str] = set()
    for position, one in enumerate(given):
        at = f"{key}.commands[{position}]"
        if not isinstance(one, Mapping):
            find(at, "is not a mapping", "Give name and argv.")
            continue
        _known(at, one, ("name", "argv", "accept", "timeout"), find)
        name = one.get("name")
        if not isinstance(name, str) or not _ITEM.fullmatch(name):
            find(f"{at}.name", f"{name!r} is no name", "It names a file: use letters, digits, dots, _ and -.")
            continue
        if name in names:
            find(f"{at}.name", f"{name} is there twice", "Give each command its own name.")
        names.add(name)
        commands.append(
            {
                "name": name,
                "argv": _read_argv(f"{at}.argv", one.get("argv"), find),
                "accept": _read_accept(f"{at}.accept", one.get("accept", [0]), find),
                "timeout": _read_seconds(f"{at}.timeout", one.get("timeout", 60), find),
            }
        )
    return Asked({"commands": commands})


def _read_argv(key: str, value: t.Any, find: Find) -> list[str]:
    if not _is_list(value) or not value:
        find(key, "is no list of arguments", "Give the command and its arguments as a list; there is no shell.")
        return []
    if not all(isinstance(word, str) and "\0" not in word and _encodable(word) for word in value):
        find(key, "holds what is no text", "Put each argument in quotes.")
        return []
    program = value[0]
    if not program or ("/" in program and not program.startswith("/")):
        find(
            key, f"{program!r} is no command", "Give an absolute path, or a name to be looked for in the usual folders."
        )
    if _holds_secret(value):
        remedy = "Arguments stand in manifests and in the host's process list: let the command read it from a file."
        find(key, "looks as if it held a secret", remedy)
    return list(value)


def _holds_secret(argv: Sequence[str]) -> bool:
    """Whether arguments look as if a secret stood among them; what only looks harmless nobody can tell."""
    if any(_SECRET_ARGUMENT.search(word) or _SECRET_SPELLING.search(word) for word in argv[1:]):
        return True
    pairs = list(itertools.pairwise(argv[1:]))
    if any(_SECRET_OPTION.fullmatch(word) and not after.startswith("-") for word, after in pairs):
        return True
    # a program's own short options, wherever it stands: behind env, timeout, sudo
    return any(
        known.match(word) or known.match(f"{word} {after}")
        for program, known in _SECRET_OF.items()
        if any(PurePosixPath(word).name.startswith(program) for word in argv)
        for word, after in itertools.pairwise([*argv, ""])
    )


def _read_accept(key: str, value: t.Any, find: Find) -> list[int]:
    if _is_list(value) and value and all(_is_number(status, 0, 255) for status in value):
        return sorted(set(value))
    find(key, f"{value!r} is no list of exit statuses", "Give numbers from 0 to 255, like [0, 1].")
    return [0]


def _read_seconds(key: str, value: t.Any, find: Find) -> int:
    if _is_number(value, 1, LONGEST_SECONDS):
        return int(value)
    find(key, f"{value!r} is no whole number of seconds", f"Give 1 to {LONGEST_SECONDS}.")
    return 1


def _read_flag(key: str, value: t.Any, find: Find) -> bool:
    if not isinstance(value, bool):
        find(key, "is neither true nor false", "Give one of them.")
    return value is True


def _read_environment(key: str, fields: Mapping[str, t.Any], find: Find) -> Asked:
    given = {name: fields[name] for name in _WAYS if fields.get(name) is not None}
    if len(given) != 1:
        remedy = "Give one of process, unit and pidfile."
        find(key, f"names its process {'in several ways' if given else 'in no way'}", remedy)
        return Asked({})
    ((way, value),) = given.items()
    right = isinstance(value, str) and {
        "process": lambda text: text.isprintable() and 0 < len(text) <= 255 and "/" not in text,
        "unit": lambda text: bool(_UNIT.fullmatch(text)),
        "pidfile": _is_path,
    }[way](value)
    if not right:
        remedy = {
            "process": "Give its name as ps -o comm shows it, like nginx.",
            "unit": "Give a unit that runs processes, like nginx.service.",
            "pidfile": "Give an absolute path, like /run/nginx.pid.",
        }[way]
        find(f"{key}.{way}", f"{value!r} names none", remedy)
    source = {way: str(value)}
    user = fields.get("user")
    if user is not None:
        # where uids have no name, as in containers, people write numbers
        source["user"] = str(user)
        if isinstance(user, bool) or not isinstance(user, (str, int)) or not _USER.fullmatch(str(user)):
            find(f"{key}.user", f"{user!r} is no user", "Give the name or uid of whom the process runs as, like root.")
        elif way != "process":
            find(f"{key}.user", f"says nothing beside {way}", "Leave it out: it chooses among processes of one name.")
    return Asked(source, volatile=VOLATILE_VARIABLES)


def _is_path(text: str) -> bool:
    return text.startswith("/") and text.isprintable() and not {"", ".", ".."} & set(text[1:].split("/"))


def _read_api(key: str, fields: Mapping[str, t.Any], find: Find) -> Asked:
    url = fields.get("url")
    for problem, remedy in _wrong_url(url):
        find(f"{key}.url", problem, remedy)
    headers = _read_headers(f"{key}.headers", fields.get("headers"), find)
    form = fields.get("format", "json")
    if form not in ("json", "text"):
        find(f"{key}.format", f"{form!r} is unknown", "Give json or text.")
    ca_path = fields.get("ca_path")
    if ca_path is not None and not (isinstance(ca_path, str) and ca_path and "\0" not in ca_path):
        find(f"{key}.ca_path", f"{ca_path!r} is no path", "Name a PEM file of the controller.")
    source = {
        "url": str(url),
        "headers": sorted(headers),
        "format": str(form),
        "validate_certs": _read_flag(f"{key}.validate_certs", fields.get("validate_certs", True), find),
        "timeout": _read_seconds(f"{key}.timeout", fields.get("timeout", 30), find),
    }
    allowed = _read_flag(f"{key}.allow_empty", fields.get("allow_empty", False), find)
    return Asked(source, means={"headers": headers, "ca_path": ca_path, "allow_empty": allowed})


def _wrong_url(url: t.Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a URL, none of it repeated: it may be a secret."""
    remedy = "Give https://host/path."
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        yield "is no URL in ASCII", remedy
        return
    try:
        parts = urllib.parse.urlsplit(url)
        host, _port = parts.hostname, parts.port
        parameters = [name for name, _value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        yield "is no URL", remedy
        return
    if parts.scheme not in ("http", "https") or not host:
        yield "is no http or https URL", remedy
    if "@" in parts.netloc:
        yield "holds a user or password", "It stands in manifests: give it in headers, like Authorization."
    if parts.fragment:
        yield "holds a fragment, which no server sees", "Leave out what follows the #."
    if any(_SECRET_PARAMETER.search(name) for name in parameters):
        yield "looks as if a parameter of its query were a secret", "It stands in manifests: give it in headers."


def _read_headers(key: str, value: t.Any, find: Find) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        find(key, "is not a mapping", "Give names and values.")
        return {}
    headers: dict[str, str] = {}
    for name, text in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            find(key, "holds what is no name of a header", "Use letters, digits and dashes.")
        elif not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text:
            find(f"{key}.{name}", "is not one line of ASCII text", "Put it in quotes, without a line feed at its end.")
        elif name.lower() in headers:
            find(f"{key}.{name}", "is there twice", "Names of headers have no case.")
        else:
            headers[name.lower()] = text
    return headers


def _read_device(key: str, fields: Mapping[str, t.Any], find: Find, devices: Devices) -> Asked:
    named = fields.get("platform", devices.network_os)
    if not isinstance(named, str) or not named:
        remedy = "Set ansible_network_os for the host, or give the component's platform, like ios."
        find(f"{key}.platform", "is no name" if named else "is not said", remedy)
        return Asked({})
    platform = devices.find(named, f"{key}.platform")
    if platform is None:
        return Asked({})
    given = fields.get("items")
    texts = _read_items(f"{key}.items", given, platform, find)
    optional = [one.name for one in platform.items if one.optional and given is None]
    return Asked(
        {"platform": platform.name, "items": sorted(texts)},
        means={"platform": platform},
        secrets=tuple(rule.pattern for rule in platform.secrets),
        alternatives=tuple(f"{folder(str(fields.get('name', DEVICE)))}/{name}" for name in optional),
    )


def _read_items(key: str, value: t.Any, platform: Platform, find: Find) -> tuple[str, ...]:
    if value is None:
        return platform.defaults
    known = [item.name for item in platform.items]
    if not _is_list(value) or not value:
        find(key, "is no list", f"Give names of what platform {platform.name} has: {', '.join(known)}.")
        return ()
    for name in value:
        if name not in known:
            find(key, f"{name!r} is nothing that platform {platform.name} has", f"There are: {', '.join(known)}.")
    return tuple(dict.fromkeys(name for name in value if name in known))


def _known(key: str, fields: Mapping[str, t.Any], allowed: Sequence[str], find: Find) -> None:
    for field in fields:
        if field not in allowed:
            find(f"{key}.{field}", "is not a key of this version", f"Known here: {', '.join(allowed)}.")


def _is_list(value: t.Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _is_number(value: t.Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
