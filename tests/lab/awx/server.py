# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as AWX's API v2 does, for what modules of ``awx.awx`` ask to make definitions.

Names of resources and fields, what is refused and in which words of which status are those of AWX 24.6.1
(awx/api/views/__init__.py, awx/api/serializers.py, awx/main/fields.py) and of what ``awx.awx`` 24.6.1 reads. It runs no
job, and nothing here was ever held against an AWX.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping

from ..rest import listening

TOKEN = "a-token-of-awx-that-is-long-enough-for-a-test"
_API = "/api/v2/"
_PAGE = 25
Item = dict[str, t.Any]


class RefusedError(Exception):
    """A request is answered with a status that is no success, and this body."""

    def __init__(self, status: int, body: Mapping[str, t.Any]) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


@dataclasses.dataclass(frozen=True)
class Kind:
    """A resource: its fields with their defaults, which of them name another resource, its roles and its lists."""

    type: str
    fields: Mapping[str, t.Any]
    refers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    roles: tuple[str, ...] = ()
    lists: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # names are unique within these
    within: tuple[str, ...] = ()


_TOLD = {
    f"notification_templates_{when}": "notification_templates" for when in ("started", "success", "error", "approvals")
}
_ASKS = (
    *("variables", "limit", "inventory", "credential", "scm_branch", "tags", "skip_tags", "job_type", "verbosity"),
    *("diff_mode", "execution_environment", "forks", "labels", "timeout", "instance_groups", "job_slice_count"),
)
_PROMPTS = {f"ask_{each}_on_launch": False for each in _ASKS}
_NAMED = {"name": None, "description": ""}
KINDS: Mapping[str, Kind] = {
    "organizations": Kind("organization", _NAMED, roles=("admin_role", "member_role", "execute_role", "approval_role")),
    "teams": Kind(
        "team",
        {**_NAMED, "organization": None},
        {"organization": "organizations"},
        ("admin_role", "member_role", "read_role"),
        within=("organization",),
    ),
    "execution_environments": Kind("execution_environment", {**_NAMED, "image": "", "organization": None}),
    "credential_types": Kind(
        "credential_type", {**_NAMED, "kind": None, "inputs": {}, "injectors": {}, "managed": False}
    ),
    "credentials": Kind(
        "credential",
        {**_NAMED, "organization": None, "credential_type": None, "inputs": {}},
        {"organization": "organizations", "credential_type": "credential_types"},
        ("admin_role", "use_role", "read_role"),
        within=("organization", "credential_type"),
    ),
    "projects": Kind(
        "project",
        {
            **_NAMED,
            "organization": None,
            "scm_type": "",
            "scm_url": "",
            "scm_branch": "",
            "scm_update_on_launch": False,
            "scm_revision": "",
            "default_environment": None,
        },
        {"organization": "organizations", "default_environment": "execution_environments"},
        ("admin_role", "use_role", "update_role", "read_role"),
        within=("organization",),
    ),
    "inventories": Kind(
        "inventory",
        {**_NAMED, "organization": None, "kind": "", "host_filter": None, "variables": ""},
        {"organization": "organizations"},
        ("admin_role", "use_role", "adhoc_role", "update_role", "read_role"),
        within=("organization",),
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            **_NAMED,
            "inventory": None,
            "source": "",
            "source_path": "",
            "source_project": None,
            "overwrite": False,
            "overwrite_vars": False,
            "update_on_launch": False,
        },
        {"inventory": "inventories", "source_project": "projects"},
        within=("inventory",),
    ),
    "notification_templates": Kind(
        "notification_template",
        {
            **_NAMED,
            "organization": None,
            "notification_type": None,
            "notification_configuration": {},
            "messages": None,
        },
        {"organization": "organizations"},
        within=("organization",),
    ),
    "job_templates": Kind(
        "job_template",
        {
            **_NAMED,
            **_PROMPTS,
            "job_type": "run",
            "inventory": None,
            "project": None,
            "playbook": "",
            "limit": "",
            "extra_vars": "",
            "survey_enabled": False,
            "execution_environment": None,
            "allow_simultaneous": False,
        },
        {"inventory": "inventories", "project": "projects", "execution_environment": "execution_environments"},
        ("admin_role", "execute_role", "read_role"),
        {"credentials": "credentials", **_TOLD},
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            **_NAMED,
            **_PROMPTS,
            "organization": None,
            "inventory": None,
            "limit": None,
            "extra_vars": "",
            "survey_enabled": False,
            "allow_simultaneous": False,
        },
        {"organization": "organizations", "inventory": "inventories"},
        ("admin_role", "execute_role", "read_role", "approval_role"),
        _TOLD,
        within=("organization",),
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node",
        {
            "identifier": None,
            "workflow_job_template": None,
            "unified_job_template": None,
            "extra_data": {},
            "limit": None,
        },
        {"workflow_job_template": "workflow_job_templates"},
        lists={f"{path}_nodes": "workflow_job_template_nodes" for path in ("success", "failure", "always")},
        within=("workflow_job_template",),
    ),
    "workflow_approval_templates": Kind("workflow_approval_template", {**_NAMED, "timeout": 0}),
    "schedules": Kind(
        "schedule",
        {**_NAMED, "unified_job_template": None, "rrule": None, "extra_data": {}, "enabled": True, "limit": None},
        within=("unified_job_template",),
    ),
}
_UNIFIED = ("job_templates", "workflow_job_templates", "projects", "inventory_sources", "workflow_approval_templates")
# what goes with what is deleted: the kind, and the field that names it
_GO_WITH = {
    "inventories": [("inventory_sources", "inventory")],
    "workflow_job_templates": [
        ("workflow_job_template_nodes", "workflow_job_template"),
        ("schedules", "unified_job_template"),
    ],
    "job_templates": [("schedules", "unified_job_template")],
}
_QUESTIONS = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")


class Awx:
    """What an AWX holds, and what it was asked.

    :param playbooks: the files of each project once it is updated.
    """

    def __init__(self, playbooks: tuple[str, ...]) -> None:
        self.playbooks = playbooks
        self.items: dict[str, dict[int, Item]] = {name: {} for name in KINDS}
        self.surveys: dict[str, Item] = {}
        # by the path of the list
        self.listed: dict[str, list[int]] = {}
        self.changes: list[str] = []
        self.url = ""
        self._next = 1
        self._lock = threading.Lock()
        self.create("organizations", {"name": "Default"})
        self.create("credential_types", {"name": "Amazon Web Services", "kind": "cloud", "managed": True})

    def all(self, kind: str) -> list[Item]:
        """All of a kind, in the order in which they were made."""
        return list(self.items[kind].values())

    def named(self, kind: str, name: str) -> Item:
        """The one of a name."""
        (found,) = (each for each in self.all(kind) if each.get("name", each.get("identifier")) == name)
        return found

    def names(self, kind: str) -> list[str]:
        """Names of all of a kind, sorted."""
        return sorted(each["name"] for each in self.all(kind))

    def related(self, item: Item, listed: str) -> list[int]:
        """Ids of what is in a list of an item."""
        return self.listed.get(f"{item['url']}{listed}/", [])

    def granted(self, item: Item, role: str) -> list[int]:
        """Ids of the teams that have a role on an item."""
        return self.listed.get(f"{_API}roles/{item['summary_fields']['object_roles'][role]['id']}/teams/", [])

    def survey(self, item: Item) -> Item:
        """What who launches is asked."""
        return self.surveys.get(item["related"].get("survey_spec", ""), {})

    def answer(self, method: str, target: str, body: t.Any) -> tuple[int, t.Any]:
        """The status and the body of an answer."""
        split = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True))
        with self._lock:
            if method != "GET":
                self.changes.append(f"{method} {split.path}")
            try:
                return self._answer(method, split.path, query, body)
            except RefusedError as refused:
                return refused.status, refused.body

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: t.Any) -> tuple[int, t.Any]:
        parts = path.removeprefix(_API).strip("/").split("/")
        match (method, *parts):
            case ("GET", "unified_job_templates"):
                return 200, self._page(path, [one for kind in _UNIFIED for one in self.all(kind)], query)
            case ("GET", "project_updates", _number):
                return 200, {"id": 1, "status": "successful", "failed": False}
            case ("GET", kind) if kind in KINDS:
                return 200, self._page(path, self.all(kind), query)
            case ("POST", kind) if kind in KINDS:
                return 201, self.create(kind, body)
            case (_, kind, number) if kind in KINDS:
                item = self._get(kind, number)
                return self._one(method, kind, item, body)
            case (_, kind, number, "survey_spec") if kind in ("job_templates", "workflow_job_templates"):
                self._get(kind, number)
                return self._survey(method, path, body)
            case ("POST", "workflow_job_template_nodes", number, "create_approval_template"):
                node = self._get("workflow_job_template_nodes", number)
                made = self.create("workflow_approval_templates", body)
                node["unified_job_template"] = made["id"]
                node["related"]["unified_job_template"] = made["url"]
                return 201, made
            case (_, "roles", _number, "teams"):
                return self._list(method, path, "teams", query, body)
            case (_, kind, number, listed) if kind in KINDS and listed in KINDS[kind].lists:
                self._get(kind, number)
                return self._list(method, path, KINDS[kind].lists[listed], query, body)
        raise RefusedError(404, {"detail": "The requested resource could not be found."})

    def _get(self, kind: str, number: str) -> Item:
        found = self.items[kind].get(int(number)) if number.isdigit() else None
        if found is None:
            raise RefusedError(404, {"detail": "Not found."})
        return found

    def _one(self, method: str, kind: str, item: Item, body: t.Any) -> tuple[int, t.Any]:
        if method == "PATCH":
            self._judge(kind, {**item, **_known(kind, body)}, but=item["id"])
            item.update(_known(kind, body))
        elif method == "DELETE":
            self._delete(kind, item)
            # an inventory is deleted in the background
            return (202 if kind == "inventories" else 204), None
        return 200, item

    def create(self, kind: str, body: t.Any) -> Item:
        """Have one more of a kind.

        :raises RefusedError: as AWX does.
        """
        fields = {**KINDS[kind].fields, **_known(kind, body)}
        self._judge(kind, fields)
        number, self._next = self._next, self._next + 1
        url = f"{_API}{kind}/{number}/"
        roles = {}
        for role in KINDS[kind].roles:
            roles[role] = {"id": self._next}
            self._next += 1
        item: Item = {
            "id": number,
            "type": KINDS[kind].type,
            "url": url,
            "related": {},
            "summary_fields": {"object_roles": roles},
            **fields,
        }
        if kind in ("job_templates", "workflow_job_templates"):
            item["related"]["survey_spec"] = f"{url}survey_spec/"
        if kind == "projects":
            item["summary_fields"]["current_update"] = {"id": 1}
        if kind == "job_templates":
            # read-only there: it is the project's
            item["organization"] = self.items["projects"][fields["project"]]["organization"]
        self.items[kind][number] = item
        return item

    def _judge(self, kind: str, fields: Item, but: int | None = None) -> None:
        rules = KINDS[kind]
        for field, other in rules.refers.items():
            if fields[field] is not None and fields[field] not in self.items[other]:
                raise RefusedError(400, {field: [f'Invalid pk "{fields[field]}" - object does not exist.']})
        key = "identifier" if "identifier" in rules.fields else "name"
        if not fields[key]:
            raise RefusedError(400, {key: ["This field is required."]})
        for each in self.all(kind):
            if each["id"] != but and all(each[field] == fields[field] for field in (key, *rules.within)):
                raise RefusedError(400, {"__all__": [f"{rules.type} with this {key} already exists."]})
        judge = getattr(self, f"_judge_{kind}", None)
        if judge is not None:
            judge(fields)

    def _judge_credential_types(self, fields: Item) -> None:
        for name in fields["injectors"].get("env", {}):
            if name.startswith("ANSIBLE_"):
                raise RefusedError(
                    400, {"injectors": [f"Environment variable {name} may affect Ansible configuration"]}
                )

    def _judge_job_templates(self, fields: Item) -> None:
        if fields["project"] is None:
            raise RefusedError(400, {"project": ["Job Templates must have a project assigned."]})
        if fields["playbook"] not in self.playbooks:
            raise RefusedError(400, {"playbook": ["Playbook not found for project."]})
        if fields["inventory"] is None and not fields["ask_inventory_on_launch"]:
            raise RefusedError(400, {"inventory": ["Must either set a default value or ask to prompt on launch."]})

    def _judge_schedules(self, fields: Item) -> None:
        rule = fields["rrule"] or ""
        problem = ""
        if not re.match(r"DTSTART(;TZID=[A-Za-z_/+-]+:\d{8}T\d{6}|:\d{8}T\d{6}Z) ", rule):
            problem = "Valid DTSTART required in rrule."
        elif "INTERVAL=" not in rule:
            problem = "INTERVAL required in rrule."
        elif re.search(r"BYMONTHDAY=\d+,-*\d+", rule):
            problem = "Multiple BYMONTHDAYs not supported."
        elif re.search(r"BYDAY=\d+[A-Z]{2}", rule):
            problem = "BYDAY with numeric prefix not supported."
        if problem:
            raise RefusedError(400, {"rrule": [problem]})
        self._judge_prompts(fields)

    def _judge_workflow_job_template_nodes(self, fields: Item) -> None:
        self._judge_prompts(fields)

    def _judge_prompts(self, fields: Item) -> None:
        """Variables that a template does not ask for are refused where it is used."""
        launched = fields["unified_job_template"]
        for kind in ("job_templates", "workflow_job_templates"):
            item = self.items[kind].get(launched or 0)
            if item is None or item["ask_variables_on_launch"]:
                continue
            asked = self.survey(item).get("spec", []) if item["survey_enabled"] else []
            over = sorted(fields["extra_data"].keys() - {one["variable"] for one in asked})
            if over:
                raise RefusedError(400, {"variables_needed_to_start": [f"Variables {', '.join(over)} are not allowed"]})

    def _survey(self, method: str, path: str, body: t.Any) -> tuple[int, t.Any]:
        if method == "GET":
            return 200, self.surveys.get(path, {})
        if method == "DELETE":
            self.surveys.pop(path, None)
            return 200, {}
        problem = _survey_problem(body)
        if problem:
            raise RefusedError(400, {"error": problem})
        self.surveys[path] = body
        return 200, {}

    def _list(self, method: str, path: str, kind: str, query: Mapping[str, str], body: t.Any) -> tuple[int, t.Any]:
        ids = self.listed.setdefault(path, [])
        if method == "GET":
            return 200, self._page(path, [self.items[kind][each] for each in ids if each in self.items[kind]], query)
        self._get(kind, str(body["id"]))
        if body.get("disassociate"):
            ids.remove(body["id"])
        elif body["id"] not in ids:
            ids.append(body["id"])
        return 204, None

    def _delete(self, kind: str, item: Item) -> None:
        users = [one for one in self.all("credentials") if one["credential_type"] == item["id"]]
        if kind == "credential_types" and (item["managed"] or users):
            raise RefusedError(403, {"detail": "Credential types cannot be deleted while credentials use them."})
        for other, field in _GO_WITH.get(kind, []):
            for each in [each for each in self.all(other) if each[field] == item["id"]]:
                self._delete(other, each)
        if kind == "workflow_job_template_nodes":
            self.items["workflow_approval_templates"].pop(item["unified_job_template"], None)
        del self.items[kind][item["id"]]

    def _page(self, path: str, found: list[Item], query: Mapping[str, str]) -> Item:
        held = {number: one for held in self.items.values() for number, one in held.items()}
        number, size = int(query.get("page", "1")), int(query.get("page_size", str(_PAGE)))
        asked = {name: value for name, value in query.items() if name not in ("page", "page_size")}
        either = {name.removeprefix("or__"): value for name, value in asked.items() if name.startswith("or__")}
        all_of = {name: value for name, value in asked.items() if not name.startswith("or__")}
        found = [
            each
            for each in found
            if all(_matches(each, held, *term) for term in all_of.items())
            and (not either or any(_matches(each, held, *term) for term in either.items()))
        ]
        more = number * size < len(found)
        following = f"{path}?{urllib.parse.urlencode({**query, 'page': number + 1})}" if more else None
        shown = [self._shown(each, held) for each in found[(number - 1) * size : number * size]]
        return {"count": len(found), "next": following, "results": shown}

    def _shown(self, item: Item, held: Mapping[int, Item]) -> Item:
        """An item as a list has it: a node tells what it runs, and what follows."""
        if item["type"] != "workflow_job_template_node":
            return item
        runs = held.get(item["unified_job_template"], {})
        told = {name: value for name, value in runs.items() if name in ("id", "name", "description")}
        paths = {name: self.related(item, name) for name in KINDS["workflow_job_template_nodes"].lists}
        return {**item, **paths, "summary_fields": {**item["summary_fields"], "unified_job_template": told}}


def _known(kind: str, body: Mapping[str, t.Any]) -> Item:
    """The fields that a resource has; others are passed over without a word."""
    return {name: value for name, value in body.items() if name in KINDS[kind].fields}


def _matches(item: Item, held: Mapping[int, Item], name: str, value: str) -> bool:
    """Whether a field has that value: one of the item, or by ``__`` one of what it refers to."""
    field, _between, rest = name.partition("__")
    if field not in item and field == "organization":
        # each template has the field there, empty where it is of no use
        return False
    if field not in item:
        raise RefusedError(400, {"detail": f"{item['type']} has no field named '{field}'"})
    if rest == "startswith":
        return str(item[field]).startswith(value)
    if rest:
        return item[field] in held and _matches(held[item[field]], held, rest, value)
    return str(item[field]) == value


def _survey_problem(spec: t.Any) -> str:
    for field, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(spec.get(field), kind):
            return f"Field '{field}' is missing from survey spec."
    if not spec["spec"]:
        return "'spec' doesn't contain any items."
    variables = [question.get("variable") for question in spec["spec"]]
    if len(set(variables)) < len(variables):
        return "'variable' duplicated in survey question."
    for question in spec["spec"]:
        for field, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if not isinstance(question.get(field), kind):
                return f"'{field}' missing from survey question"
        if question["type"] not in _QUESTIONS:
            return f"'{question['type']}' is not one of the allowed question types."
        if any(question.get(limit) is not None and not isinstance(question[limit], int) for limit in ("min", "max")):
            return "The limit in survey question expected to be integer."
        if question["type"] in ("multiplechoice", "multiselect"):
            if not question.get("choices"):
                return "Survey question of type multiplechoice must specify choices."
            if any(each not in question["choices"] for each in question.get("default", "").splitlines()):
                return "Default choice must be answered from the choices listed."
    return ""


def serve(awx: Awx) -> Iterator[Awx]:
    """Let it answer on a free port of loopback, until the iterator is closed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # headers and body in one packet
        wbufsize = -1

        def log_message(self, *_args: t.Any) -> None:
            """Say nothing."""

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.reply(401, {"detail": "Authentication credentials were not provided."})
                return
            self.reply(*awx.answer(self.command, self.path, json.loads(data) if data else {}))

        def do_GET(self) -> None:
            self.handle_one()

        def do_POST(self) -> None:
            self.handle_one()

        def do_PATCH(self) -> None:
            self.handle_one()

        def do_DELETE(self) -> None:
            self.handle_one()

        def reply(self, status: int, document: t.Any) -> None:
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

    with listening(Handler) as awx.url:
        yield awx
