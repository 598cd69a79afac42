# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of a restore that runs on the managed host. Private to this collection.

Runs piped into a bare interpreter (by ``_parts.py``, which calls :func:`serve`) and inside the module ``host_apply``;
both call :func:`answer`. Standard library only, Python 3.8+.

**Below another root**, a request without ``op``: ``root`` (absolute folder, made with mode 0700 where it is missing;
never ``/``), ``entries`` (as ``_tree.py`` gives them, parents first), ``owners`` (set owner and group; default true),
``owner_by`` (``id``, the default, or ``name``: the host's own id of that name, else the entry's), ``check`` (tell what
would be written; then the payload may be left out). **Payload**: the contents of the ``file`` entries in their order,
nothing else.

**Answer**: ``{"written": [paths], "warnings": [[path, text]], "euid": n}``. What already is as the entry says (kind,
content, attributes, mtime) is not written again. Or ``{"error": {type, message, items, count, written, warnings}}``,
at most 200 items:

* ``request``, ``root``, ``hostile`` (entries that must not be written), ``payload`` (not the bytes that the entries
  promise), ``outside`` (a symlink stands where a folder must be), ``in_the_way`` (a folder where a file must go, or
  the reverse), ``no_space``, ``busy`` (another apply is at work in this root), ``os``, ``internal``: nothing was
  touched, unless ``written`` says otherwise, since somebody changed the tree or the payload meanwhile;
* ``partial``: stopped half-way by the system; ``written`` says what is in place.

Each path changes at once: a temporary file ``.holdfast-<16 hex digits>`` in the same folder (0600), complete and on
disk, is renamed over it. Whole pages (4 KiB) of zeros in it are left as holes. The set of paths is not atomic.
Temporary files of a killed apply are removed by the next one that writes in their folder. Nothing outside the root is
written: every folder is opened relative to its parent with ``O_NOFOLLOW``.

**In place**, a request with ``op``: all of it or nothing, by a journal (docs/adr/0015). ``root`` may be ``/``.

* ``check`` (judge all, touch nothing), ``apply``, ``drop`` (let go of the old state), ``undo`` (bring it back),
  ``status`` (renews the lease), ``recover`` (bring back what others left open: whose lease is over, or from before the
  last boot);
* with each: ``journal`` (a folder, made 0700; default /var/lib/holdfast, ~/.local/state/holdfast for who is not root),
  ``restore`` (16 hex digits: the id of this restore; not with ``recover``), ``run`` (who restores, for people, at most
  200 characters), ``lease`` (seconds for which nobody else acts on it, default 300);
* with ``check`` and ``apply``: ``root``, ``entries`` (each may have ``part``: its place in ``parts``), ``owners``,
  ``owner_by``, ``remove`` (what must not be there afterwards: ``{"path", "part"}`` or a path; a folder goes where all
  that is in it goes), ``parts`` (``{"name", "paths", "validate", "validate_timeout", "reload"}``), ``replace_kinds``
  (what is of another kind than its entry is replaced, else refused), ``arm`` (a unit of systemd brings the old state
  back where the lease ends), with ``apply`` also ``look`` (a request as ``_tree.py`` takes it).

``paths`` of a part are its declared paths, globs as given: what leads to one of them may be a symlink and is resolved
as the host does, within ``root``. From there on, and where no ``paths`` are given, nothing is followed. ``validate``
runs right after the change; where it has ``{path}`` in an argument, before it, with each staged file. No such command:
``not_validated``. ``reload`` are units; those that are active are reloaded or restarted, once.

**Answer** of those: ``{"written", "removed", "warnings": [[path, text]], "not_atomic": [[path, why]], "validated":
[parts], "not_validated": [[part, why]], "reloaded": [units], "not_reloaded": [[unit, why]], "recovered": [{"restore",
"run"}], "left": [[path, why]], "euid", "state", "armed", "milliseconds": {"stage", "apply", "validate", "reload",
"compare"}}``, and ``seen``, what ``_tree.py`` answers to ``look`` once all is in place and reloaded.
``state`` is ``open`` (the journal waits for ``drop`` or ``undo``), ``closed``, or ``nothing`` (there is nothing to do).
``written`` of ``undo`` and ``recover`` are paths brought back, ``left`` those that were not, since somebody changed
them meanwhile. Or the error, with ``recovered``, ``left`` and ``undone``: something was touched and all of it brought
back, but for ``left``. More types: ``invalid`` (a validator refuses), ``reload``, ``immutable``, ``read_only``,
``mount`` (a mount point must be removed, or become something else), ``journal`` (it cannot be made or read), ``stale``
(nothing is open under that id); ``busy`` is also a restore that is open, by name.

**Journal**: ``<journal>/<restore>/`` (0700), files in it 0600. ``folders.json`` is there as long as a stage folder may
be, ``journal.json`` as long as the restore is open, ``lease.json`` says until when nobody else acts, ``reload.json``
which units were asked to reload, ``apply.pyc`` is this program for the unit. Stage folders are
``.holdfast-<restore>`` (0700), one in every folder that changes.
"""

from __future__ import annotations

import json

from ._attempt import done
from ._back import MARK, answered, pack
from ._back import answer as ended
from ._under import answer as written

__all__ = ("MARK", "answer", "pack", "serve")

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_CHANGES = ("check", "apply")


def answer(request: t.Mapping[str, t.Any], payload: t.Any = b"") -> dict[str, t.Any]:
    """Answer one request; never raises, errors are in the answer.

    :param payload: bytes, or a binary stream: one that cannot seek is read into memory, up to what the entries promise.
    """
    if not isinstance(request, dict) or "op" not in request:
        return written(request, payload)
    if request["op"] in _CHANGES:
        return answered(lambda: done(request, payload))
    return ended(request)


def serve(source: t.BinaryIO, sink: t.TextIO) -> None:
    """Read one request (a line of JSON), then the payload, and print one line: the mark, and the packed answer."""
    try:
        request = json.loads(source.readline())
    except (ValueError, RecursionError):
        request = {}
    sink.write(MARK + pack(answer(request, source)) + "\n")
    sink.flush()
