# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drift by whole runs: what differs is told by component, and only where more than a time has changed."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

TOP = "/srv/drift"
RUN = [OPEN, SNAPSHOT, SEAL]
# an edit of a component in its own folder, which holds a file, a folder, a symlink and a pair of hard links
EDITS = {
    "content": "touch -r file stamp; echo {canary} othr > file; touch -r stamp file; rm stamp",
    "mode": "chmod 0640 file",
    "setuid": "chmod u+s file",
    "owner": "chown 4000000000 file",
    "group": "chown -h :54321 link",
    "user-attribute": "setfattr -n user.a -v 2 file",
    "root-attribute": "setfattr -n trusted.a -v 2 folder",
    "capability": "setcap cap_net_raw=ep file",
    "acl": "setfacl -m u:12345:r file",
    "default-acl": "setfacl -d -m u:12345:r folder",
    "acl-gone": "setfacl -b pair",
    "rename": "mv file another",
    "target": "ln -sfn folder link",
    "unlinked": "cp -a pair new; mv new pair",
    "linked": "ln -f file pair",
    "added": "mkdir empty",
    "removed": "rm link",
    "kind": "rm link; cp -a file link",
}
SAME = {
    "time": "touch -d @1 file; touch -h -d @2 link; touch -d @3 folder",
    "anew": "cp -a file new; mv new file",
    "flag": "chattr +d file",
    "nothing": "true",
    "and-back": "chmod 0 file; chmod 0644 file; mv file x; mv x file; touch folder/new; rm folder/new",
    "hole": "truncate -s 0 zeros; truncate -s 8192 zeros",
}
MADE = f"""
mkdir -p {TOP}/$1/folder
cd {TOP}/$1
echo {CANARY} text > file
chmod 0644 file
ln -s file link
echo {CANARY} > pair
setfacl -m u:12345:r pair
ln pair pair2
head -c 8192 /dev/zero > zeros
"""


def test_drift_is_told_of_every_component_that_was_edited_and_of_no_other(
    host: Machine, lab_of: Callable[..., Lab]
) -> None:
    every = {**EDITS, **SAME}
    for name in every:
        host.run("sh", "-euc", MADE, "make", name)
    lab = lab_of(host, **{name: [f"{TOP}/{name}"] for name in every})
    lab.play(RUN).ok()
    for name, edit in every.items():
        host.run("sh", "-euc", f"cd {TOP}/{name}; {edit.format(canary=CANARY)}")
    checked = lab.play(RUN, check=True).ok()
    stored = lab.play(RUN).ok()
    for run in (checked, stored):
        (stream,) = run.on("snapshot").result["streams"]
        assert stream["reason"] == "drift"
        assert sorted(stream["changed_components"]) == sorted(EDITS)
    (stream,) = lab.play(RUN).ok().on("snapshot").result["streams"]
    assert stream["reason"] == "unchanged"
