# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask for the capture of this host after files of it were changed. Runs on hosts: Python 3.8, its library, and no more.

* ``plan JSON`` prints which of the given paths systemd is to watch: ``{"paths": [...], "most": 256}``.
* ``look FILE`` compares the paths with what they were, keeps on disk that one changed, and asks until it is taken.

No file is opened that is looked at: what is compared are the attributes of stat(2).
"""

from __future__ import annotations

import collections
import glob
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pwd
import re
import secrets
import ssl
import stat
import subprocess
import sys
import time
import typing as t
import urllib.parse

# entries of all paths: what lies beyond is not looked at
MOST_ENTRIES = 50000
# a restore that died keeps nobody waiting for ever
LONGEST_RESTORE_SECONDS = 3600
SHORTEST_WAIT_SECONDS = 60
LONGEST_WAIT_SECONDS = 3600
ANSWER_SECONDS = 30
AUDIT_SECONDS = 15
MOST_AUDIT_BYTES = 4 << 20
MOST_ACTORS = 3
# of one run: who writes all the time is left to the next one
MOST_LOOKS = 5
PENDING = "pending.json"
ACCEPTED = 202
UNKNOWN = "unknown"
# what the receiver takes as a text, docs/design/webhook.md: the most actors, and a restore, stay within 200 letters
NAME = re.compile(r"[A-Za-z0-9._@-]{1,56}", re.ASCII)
RESTORE = re.compile(r"[0-9a-f]{16}", re.ASCII)
# audit.log(5), raw: enriched or not, these fields are numbers
AUDITED = re.compile(r"type=SYSCALL msg=audit\(([0-9]{1,12})\.[0-9]{3}:[0-9]+\):.*? auid=([0-9]{1,10}) ", re.ASCII)
NOBODY = 4294967295


def existing(paths: t.Iterable[str]) -> list[str]:
    """The paths that are there, with patterns resolved as a capture does, each once: ``**`` is as ``*``."""
    found: dict[str, None] = {}
    for path in paths:
        for one in sorted(glob.glob(path)) if glob.has_magic(path) else [path]:
            if os.path.lexists(one):
                found[one] = None
    return list(found)


def below(path: str) -> t.Iterator[tuple[str, os.stat_result]]:
    """A path and all that is below it, by names, however deep; symlinks are not followed."""
    waiting = [path]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            yield path, status
            names = sorted(os.listdir(path), reverse=True) if stat.S_ISDIR(status.st_mode) else []
        except OSError:
            continue
        waiting += [os.path.join(path, name) for name in names]


def nameable(path: str) -> bool:
    """Whether a line of a unit can hold it: blanks at its ends are cut, a backslash joins lines (systemd.syntax(7))."""
    return path.isprintable() and path == path.strip() and "\\" not in path


def plan(paths: t.Sequence[str], most: int) -> dict[str, t.Any]:
    """Say what to watch: the paths, then the folders below them, the nearest first, *most* in all."""
    tops = existing(paths)
    folders: list[str] = []
    for top in tops:
        for number, (path, status) in enumerate(below(top)):
            if number == MOST_ENTRIES:
                break
            if path != top and stat.S_ISDIR(status.st_mode):
                folders.append(path)
    nearest = sorted(dict.fromkeys(folders), key=lambda path: (path.count("/"), path))
    wanted = list(dict.fromkeys([*tops, *nearest]))
    watched = list(filter(nameable, wanted))[:most]
    return {"paths": list(filter(nameable, tops)), "watched": watched, "left": len(wanted) - len(watched)}


def attributes(paths: t.Sequence[str]) -> dict[str, list[int]]:
    """What stat(2) says of all that is there; a change of content or of metadata changes its ctime.

    The paths take turns: one that somebody has filled hides none of the others.
    """
    found: dict[str, list[int]] = {}
    walks = collections.deque(below(top) for top in existing(paths))
    while walks and len(found) < MOST_ENTRIES:
        walk = walks.popleft()
        for path, status in itertools.islice(walk, 1):
            # a folder's own times say no more than its entries do
            times = [] if stat.S_ISDIR(status.st_mode) else [status.st_ctime_ns, status.st_size, status.st_ino]
            found[path] = [status.st_mode, status.st_uid, status.st_gid, *times]
            walks.append(walk)
    return found


def read(path: str) -> dict[str, t.Any]:
    """A file of the state folder, empty where it is not there or was damaged."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            told = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def write(path: str, told: t.Mapping[str, t.Any]) -> None:
    """Write a file of the state folder, on disk when this returns."""
    new = path + ".new"
    with open(new, "w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def restoring(folder: str, now: float) -> bool:
    """Whether a restore in place is open: it has a journal there, docs/guide_restore.md."""
    try:
        restores = [os.path.join(folder, name) for name in os.listdir(folder) if RESTORE.fullmatch(name)]
        # without it one has changed nothing yet
        begun = [restore for restore in restores if os.path.lexists(os.path.join(restore, "journal.json"))]
        # one of a later time is of a clock that was wrong
        return any(abs(now - os.lstat(restore).st_mtime) < LONGEST_RESTORE_SECONDS for restore in begun)
    except OSError:
        return False


def auditors(raw: str, since: float) -> list[int]:
    """The login users (auid) of what ``ausearch --raw`` told since then, the newest last, each once."""
    found: dict[int, None] = {}
    for line in raw.splitlines():
        told = AUDITED.match(line)
        if told and int(told.group(1)) >= int(since) and int(told.group(2)) < NOBODY:
            found.pop(int(told.group(2)), None)
            found[int(told.group(2))] = None
    return list(found)


def actor(since: float) -> str:
    """Who changed it as auditd knows, ``unknown`` without it: nobody is guessed."""
    command = ["ausearch", "--input-logs", "--key", "holdfast", "--start", "recent", "--raw"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=AUDIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    names = []
    for user in auditors(done.stdout[-MOST_AUDIT_BYTES:].decode("utf-8", "replace"), since)[-MOST_ACTORS:]:
        try:
            name = pwd.getpwuid(user).pw_name
        except KeyError:
            name = ""
        names.append(name if NAME.fullmatch(name) else f"uid {user}")
    return ", ".join(names) or UNKNOWN


def together(before: str, now: str) -> str:
    """Who made a change that is not taken yet, and who made the next one, the newest last, each once."""
    names = dict.fromkeys(name for name in (*reversed(now.split(", ")), *reversed(before.split(", "))) if name)
    return ", ".join(reversed(list(names)[:MOST_ACTORS]))


def signed(key: str, secret: bytes, body: bytes) -> dict[str, str]:
    """The headers of a request, docs/design/webhook.md."""
    now, nonce = str(int(time.time())), secrets.token_urlsafe(24)
    signature = hmac.new(secret, f"{now}.{nonce}.".encode("ascii") + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Holdfast-Key": key,
        "X-Holdfast-Timestamp": now,
        "X-Holdfast-Nonce": nonce,
        "X-Holdfast-Signature": f"v1={signature}",
    }


def post(settings: t.Mapping[str, t.Any], by: str) -> int:
    """Ask for the capture, and return the status of HTTP; OSError, ValueError or HTTPException where none is told."""
    with open(settings["secret"], "rb") as file:
        secret = file.readline().strip()
    host = settings["host"]
    body = json.dumps({"kind": "manual-change", "hosts": [host], "actor": by}).encode("ascii")
    url = urllib.parse.urlsplit(settings["url"])
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=settings["ca"] or None)
        to = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=ANSWER_SECONDS, context=context)
    else:
        to = http.client.HTTPConnection(url.hostname or "", url.port, timeout=ANSWER_SECONDS)
    try:
        to.request("POST", url.path.rstrip("/") + "/capture", body, signed(f"host:{host}", secret, body))
        return to.getresponse().status
    finally:
        to.close()


def ask(settings: t.Mapping[str, t.Any], pending: dict[str, t.Any]) -> str:
    """Ask for what is pending, unless it is too early; return what the log is to say of it."""
    path = os.path.join(settings["state"], PENDING)
    now = time.time()
    if restoring(settings["journal"], now):
        write(path, {**pending, "restore": True})
        return "a restore in place is open: the request waits for its end"
    # no wait is longer: one that ends later was written by a clock that was wrong
    if now < pending["after"] <= now + LONGEST_WAIT_SECONDS:
        return "the request waits for its next try"
    by = f"{pending['actor']} (during a restore)" if pending.get("restore") else pending["actor"]
    try:
        status = post(settings, by)
        problem = "" if status == ACCEPTED else f"the receiver answers {status}"
    except (OSError, ValueError, http.client.HTTPException) as e:
        problem = f"no answer of the receiver ({type(e).__name__})"
    if not problem:
        os.unlink(path)
        return "the receiver has taken the request"
    waits = min(LONGEST_WAIT_SECONDS, SHORTEST_WAIT_SECONDS << min(pending["tries"], 10))
    write(path, {**pending, "tries": pending["tries"] + 1, "after": now + waits})
    return f"{problem}; the request is kept, and tried again after {waits} s"


def look(settings: t.Mapping[str, t.Any]) -> None:
    """Look until nothing has changed since the look before: a change meanwhile calls nobody while this runs."""
    for number in range(MOST_LOOKS):
        changed, waits = compare(settings)
        if waits and (changed or number == 0):
            tell(ask(settings, waits))
        if not changed:
            break


def compare(settings: t.Mapping[str, t.Any]) -> tuple[bool, dict[str, t.Any]]:
    """Whether something changed since the last look, and the request that is pending, which was kept on disk first."""
    seen_path = os.path.join(settings["state"], "seen.json")
    now = time.time()
    wanted = sorted(settings["paths"])
    seen = read(seen_path)
    found = attributes(wanted)
    if len(found) == MOST_ENTRIES:
        tell(f"not looked at: what lies beyond {MOST_ENTRIES} files and folders")
    # that other paths are declared is no change
    before = seen.get("entries", {}) if seen.get("paths") == wanted else found
    changed = [name for name in found.keys() | before.keys() if found.get(name) != before.get(name)]
    pending = read(os.path.join(settings["state"], PENDING))
    if changed:
        by = actor(seen.get("time", now))
        pending = {"tries": 0, "after": 0, **pending, "actor": together(pending.get("actor", ""), by)}
        write(os.path.join(settings["state"], PENDING), pending)
        tell(f"{len(changed)} paths were changed, by {by}")
    if changed or seen.get("paths") != wanted:
        write(seen_path, {"paths": wanted, "time": now, "entries": found})
    return bool(changed), pending


def tell(text: str) -> None:
    """Say it to who runs this: the role, or the log of systemd."""
    sys.stdout.write(text + "\n")


def main(args: t.Sequence[str]) -> None:
    """Do what the arguments say."""
    if args[0] == "plan":
        given = json.loads(args[1])
        tell(json.dumps(plan(given["paths"], given["most"])))
    else:
        os.umask(0o077)
        look(read(args[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
