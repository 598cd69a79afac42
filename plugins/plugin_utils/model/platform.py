# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a network operating system: how to talk to it, what its texts mean, and how they come back.

Platforms are data, ``capture/platforms/<name>.yml``; each rule says where it is from and what it was held against.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

# a rule was held against the software itself; against texts that its makers or other projects published; or only
# against transcripts that were written for this project, and then nobody may count on it
REAL, PUBLISHED, SIMULATED = "real", "published", "simulated"
EVIDENCE = (REAL, PUBLISHED, SIMULATED)

# how an item's text is spelled, by which its whole is told from a part
CONFIG, TEXT, XML, JSON = "config", "text", "xml", "json"
FORMS = (CONFIG, TEXT, XML, JSON)

# how lines of a configuration stand in blocks
INDENT, BRACES, SET, NESTED, FLAT = "indent", "braces", "set", "nested", "flat"
STYLES = (INDENT, BRACES, SET, NESTED, XML, JSON, FLAT)

CLI, NETCONF, API = "cli", "netconf", "api"
TRANSPORTS = (CLI, NETCONF, API)

# how a configuration comes back, and how its text gets to the device
REPLACE, CANDIDATE, RELOAD = "replace", "candidate", "reload"
METHODS = (REPLACE, CANDIDATE, NETCONF)
SFTP, SCP, TERMINAL = "sftp", "scp", "terminal"
UPLOADS = (SFTP, SCP, TERMINAL)

# the item that is restored, unless a platform says otherwise
RUNNING = "running"


@dataclasses.dataclass(frozen=True)
class Rule:
    """A regular expression, searched in a line without its end, with its source and what it was held against."""

    pattern: str
    evidence: str
    source: str


@dataclasses.dataclass(frozen=True)
class Pager:
    """What a device shows when it waits in the middle of an answer, and the key that lets it go on."""

    pattern: str
    key: str = " "


@dataclasses.dataclass(frozen=True)
class Dialogue:
    """How a conversation by command line goes.

    ``prompt`` is what a prompt looks like; the one that a session anchors on is learnt from it, exactly, at login.
    ``prepare`` are commands that turn paging off and widen the terminal; one that is refused is no fault. ``elevate``
    asks for more rights where the login has too few, ``elevated`` matches the prompt that has them. ``refusals`` match
    the first lines of an answer that is none. ``exec`` says that a command given to SSH at once gives the same answer.
    ``leave`` are the commands that end the session. ``shell`` is what gives a command to the device's command line,
    as ``vtysh -c {command}``, where the login gets a shell of its Linux host. ``evidence`` and ``source`` are as those
    of a rule.
    """

    prompt: str
    prepare: tuple[str, ...] = ()
    pager: Pager | None = None
    refusals: tuple[Rule, ...] = ()
    elevate: str = ""
    elevated: str = ""
    exec: bool = False
    shell: str = ""
    leave: tuple[str, ...] = ("exit",)
    evidence: str = SIMULATED
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Item:
    """One text that a device gives.

    ``ask`` is a command of the CLI, for ``netconf`` a datastore or an XML subtree filter, for ``api`` a path. ``end``
    matches the last line that is not blank of a whole answer, ``begin`` a line without which it is none; what stands
    before the first such line is a header, and no part of what a restore loads. ``default`` items are captured unless
    the inventory names others; a device may refuse an ``optional`` one, which is then recorded as left out.
    ``refusals`` match, beside those of the dialogue, the first lines by which a device tells that it has no such text.
    ``partial`` match lines anywhere in it by which a device tells that it left out or masked a part for this login.
    ``evidence`` and ``source`` say of its command and its ends what those of a rule say of that.
    """

    name: str
    ask: str
    description: str
    transport: str = CLI
    form: str = CONFIG
    begin: str = ""
    end: str = ""
    default: bool = True
    optional: bool = False
    volatile: tuple[Rule, ...] = ()
    refusals: tuple[Rule, ...] = ()
    partial: tuple[Rule, ...] = ()
    evidence: str = SIMULATED
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Literal:
    """Lines that are a text of their own, from one that matches ``begin`` to one that matches ``end``.

    In ``end``, ``{0}`` stands for what the group ``mark`` of ``begin`` took: the character that closes a banner.
    """

    begin: str
    end: str


@dataclasses.dataclass(frozen=True)
class Structure:
    """How the lines of a configuration belong together.

    Rules and ``close`` are searched in lines without the blanks around them, of braces also without the sign of a
    block; ``comment`` and literals in lines as they stand. ``comment`` matches lines that tell a device nothing,
    ``close`` those that only end a block.

    Order counts for drift unless a rule says otherwise: siblings that match the same rule of ``unordered`` (and have
    the same group ``key``, where it has one) are put in the order of their text before they are compared. What order
    a computed candidate must keep is another matter, since devices place most lines themselves: among the children of
    a block whose line matches one of ``ordered``, and among siblings that match the same rule of ``sequence`` (with
    the same group ``key``). Such siblings are never taken for unordered.

    ``negate`` is the word that takes a line back (``no``, ``undo``, ``delete``); empty where no candidate can be
    computed. ``up`` is the word that, typed in a block, goes back to the one that it stands in. Of lines that match
    the same rule of ``replaces`` in one block a new one takes the place of the old one with the same group ``key``:
    it needs no negation. Of a line that matches one of ``shortened`` its negation says the group ``key`` alone. A block
    that matches one of ``lasting`` cannot be taken away while lines are in it: these are taken back one by one.
    """

    style: str
    comment: str = ""
    close: tuple[str, ...] = ()
    ordered: tuple[Rule, ...] = ()
    sequence: tuple[Rule, ...] = ()
    unordered: tuple[Rule, ...] = ()
    replaces: tuple[Rule, ...] = ()
    shortened: tuple[Rule, ...] = ()
    lasting: tuple[Rule, ...] = ()
    literals: tuple[Literal, ...] = ()
    negate: str = ""
    up: str = "exit"


@dataclasses.dataclass(frozen=True)
class Reload:
    """How a program of the device's Linux host makes a whole text its configuration, where the login gets a shell.

    Of ``check``, which changes nothing, and ``apply`` ``{folder}`` is a private folder with the text alone in the file
    ``name``; the text is what the item holds without its header and the line that matches its ``end``. ``partial``
    match lines of an answer by which a part was not applied; a status that is not 0 says the same.
    """

    name: str
    check: str
    apply: str
    partial: tuple[Rule, ...] = ()
    evidence: str = SIMULATED
    source: str = ""


@dataclasses.dataclass(frozen=True)
class Restore:
    """How a configuration comes back.

    ``method`` is ``replace`` (the device makes a whole text its configuration), ``candidate`` (computed lines are
    typed) or ``netconf``; ``reload`` is another way, taken where the login gets a shell. Commands may hold ``{file}``
    (where the text was put), ``{id}`` (of this restore), ``{minutes}`` or ``{seconds}`` (of the timer) and
    ``{comment}``.

    ``upload`` is how the text gets there: ``sftp``, ``scp``, ``terminal`` (typed, ended by ``upload_end``) or empty.
    ``check`` validates and changes nothing. ``apply`` makes the change, under a timer where ``timer`` is true;
    ``confirm`` stops the timer, ``revert`` takes the change back at once, ``discard`` removes what was put there,
    ``save`` makes what runs the startup configuration. ``steps_back`` says that ``revert`` counts from the last commit,
    whoever made it: where that is not the change, it goes back too far. ``partial`` match lines of an answer by which a
    part was not applied. ``enter`` and ``exit`` surround typed lines.

    The order is ``upload_begin``, the text, ``upload_end``, ``enter``, computed lines (of ``candidate``), ``check``,
    ``apply``, ``exit``. The text is read again then, in a new session where a timer runs, before ``confirm`` or
    ``revert``. These, ``save`` and ``discard``, which comes last whatever happened, start at the prompt that a login
    gives. Commands are templates of ``str.format``: a timer of hours may be spelled ``00:{minutes:02d}:00``.
    """

    method: str
    evidence: str
    source: str
    upload: str = ""
    file: str = ""
    upload_begin: tuple[str, ...] = ()
    upload_end: str = ""
    check: tuple[str, ...] = ()
    enter: tuple[str, ...] = ()
    exit: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()
    confirm: tuple[str, ...] = ()
    revert: tuple[str, ...] = ()
    discard: tuple[str, ...] = ()
    save: tuple[str, ...] = ()
    partial: tuple[Rule, ...] = ()
    questions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    timer: bool = False
    steps_back: bool = False
    item: str = RUNNING
    reload: Reload | None = None


@dataclasses.dataclass(frozen=True)
class Platform:
    """One network operating system.

    ``names`` are the values of ``ansible_network_os`` that mean it, beside its own. ``volatile`` lines of any item are
    no drift, ``secrets`` are masked wherever content is shown: of a matching line the group ``secret``, or all of it.
    ``syslog`` matches the message by which a device tells that its configuration was changed.
    """

    name: str
    title: str
    names: tuple[str, ...]
    dialogue: Dialogue | None
    items: tuple[Item, ...]
    structure: Structure
    volatile: tuple[Rule, ...] = ()
    secrets: tuple[Rule, ...] = ()
    restore: Restore | None = None
    syslog: Rule | None = None
    notes: str = ""

    def item(self, name: str) -> Item | None:
        """The item of that name, None where the platform has none."""
        return next((item for item in self.items if item.name == name), None)

    @property
    def defaults(self) -> tuple[str, ...]:
        """The names of the items that are captured unless the inventory names others."""
        return tuple(item.name for item in self.items if item.default)
