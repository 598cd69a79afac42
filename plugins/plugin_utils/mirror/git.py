# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``git`` command, as it may be run: no hook, no configuration but what stands here, no prompt, no end of waiting.

Of the environment it gets what finds programs, keys and proxies. What a repository or a server says is hostile: the
first line of it is repeated in errors, and nothing that a terminal would obey.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import DependencyMissingError, MirrorError, PolicyError
from ..model.redaction import visible

SCHEMES = ("file", "ssh", "https")
# GIT_CONFIG_GLOBAL: an older one would read the configuration of the user (release notes of git 2.32)
OLDEST = (2, 32)
_INSTALL = f"Install git {'.'.join(map(str, OLDEST))} or newer."
_KEPT = (
    *("PATH", "HOME", "LOGNAME", "USER", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"),
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"),
)
# git-config(1): what would run programs, ask people, or leave processes behind
_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=", "core.sshCommand=", "credential.helper="),
    *("gc.auto=0", "maintenance.auto=false", "protocol.allow=never", "protocol.file.allow=always"),
    *("protocol.ssh.allow=always", "protocol.https.allow=always", "http.followRedirects=false"),
    *("submodule.recurse=false", "push.recurseSubmodules=no", "push.gpgSign=false", "fetch.recurseSubmodules=no"),
)
# a server's side on this machine reads the configuration of its own repository, and would run its hooks
_RECEIVE = "git -c core.hooksPath=/dev/null -c receive.autogc=false receive-pack"
_SCP = re.compile(r"(?:[A-Za-z0-9._][A-Za-z0-9._-]*@)?[A-Za-z0-9._][A-Za-z0-9._-]*:(?!//)[^\s:@-][^\s@]*")
# what git says of a repository whose owner is not who runs it (git-config(1) on safe.directory)
_OF_ANOTHER = b"dubious ownership"
_VERSION = re.compile(rb"git version (\d{1,9})\.(\d{1,9})")
_SPOKEN = 300


@dataclasses.dataclass(frozen=True)
class Remote:
    """Where a mirror is and how git gets there; holds no secret.

    ``url`` is an absolute path, ``file://``, ``ssh://``, ``user@host:path`` or ``https://``. ``ssh_key`` and
    ``known_hosts`` are files, ``credential_helper`` is a program for https (gitcredentials(7)); each may be empty.
    ``timeout`` is in seconds, for each command.

    :raises PolicyError: the URL is none of these, or holds a password; a file is no absolute path.
    """

    url: str
    ssh_key: str = ""
    known_hosts: str = ""
    credential_helper: str = ""
    timeout: float = 300.0

    def __post_init__(self) -> None:
        _judge(self.url)
        for name in ("ssh_key", "known_hosts", "credential_helper"):
            path = getattr(self, name)
            if path and not (os.path.isabs(path) and os.path.isfile(path)):
                raise PolicyError(
                    f"{name} is no file of the controller", item=path, remedy="Give the absolute path of one."
                )
        # git gives it to a shell, and takes it for a path only where nothing is quoted (gitcredentials(7))
        if self.credential_helper != shlex.quote(self.credential_helper) and self.credential_helper:
            raise PolicyError(
                "credential_helper has a name that a shell would take apart",
                item=self.credential_helper,
                remedy="Put it where its path has letters, digits and ./_- alone.",
            )

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.url.startswith(("/", "file://"))


def _judge(url: str) -> None:
    def refuse(problem: str, remedy: str) -> PolicyError:
        # the URL itself is not repeated: people paste passwords into it
        return PolicyError(f"the URL of the mirror {problem}", item="url", remedy=remedy)

    secretly = refuse(
        "holds a name, a password or a token, which everybody on this machine could read",
        "Leave it out, and name a credential_helper, or use ssh and an ssh_key.",
    )
    kinds = "Give an absolute path, file://, ssh://, user@host:path or https://."
    if not url or not url.isprintable() or any(character.isspace() for character in url) or url.startswith("-"):
        raise refuse("is none", kinds)
    if url.startswith("/"):
        return
    if "://" not in url:
        # name:password@host:path would be the path of a host of that name
        if "@" in url.partition(":")[2]:
            raise secretly
        if not _SCP.fullmatch(url):
            raise refuse("is none that git may use here", kinds)
        return
    try:
        parts = urlsplit(url)
        user, secret, host, _port = parts.username, parts.password, parts.hostname or "", parts.port
    except ValueError as e:
        raise refuse("is none", kinds) from e
    if secret is not None or (parts.scheme == "https" and user is not None) or parts.query or parts.fragment:
        raise secretly
    if parts.scheme not in SCHEMES or host.startswith("-") or (user or "").startswith("-"):
        raise refuse("is none that git may use here", kinds)
    if parts.scheme == "file" and (host or not parts.path.startswith("/")):
        raise refuse("names no folder", "Give file:///path.")
    if parts.scheme != "file" and not host:
        raise refuse("names no server", kinds)


@dataclasses.dataclass(frozen=True)
class Git:
    """Runs git in one bare repository."""

    folder: Path
    remote: Remote

    def require(self) -> None:
        """Raise DependencyMissingError unless there is a git that leaves alone what it is told to."""
        told = self.run("version")
        found = _VERSION.match(told)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            spoken = visible(told.decode("utf-8", "backslashreplace").strip())[:_SPOKEN]
            raise DependencyMissingError(
                f"git on the controller is too old, or is none: {spoken}", item="git", remedy=_INSTALL
            )

    def run(self, *args: str, data: Iterable[bytes] = (), fails: Sequence[int] = ()) -> bytes:
        """Run a command to its end and return what it printed.

        :param data: what it reads.
        :param fails: exit codes above 0 that are no error.
        :raises DependencyMissingError: there is no git.
        :raises MirrorError: it ended with another code, or not in time.
        """
        code, printed, said = self.ended(*args, data=data)
        if code and code not in fails:
            raise self.failed(args[0], said)
        return printed

    def failed(self, command: str, said: bytes) -> MirrorError:
        """The error of a command that ended badly.

        :param said: what it said on standard error.
        """
        if _OF_ANOTHER in said and self.remote.local:
            return MirrorError(
                f"git {command} failed: the repository belongs to another user of this machine",
                item=self.remote.url,
                remedy="Reach it over ssh as its owner, like ssh://rancid@localhost/path, or run this as its owner.",
            )
        lines = [line.strip() for line in said.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
        # a refused ref says why (git-push(1), porcelain); else the first line does: what follows is what came of it
        spoken = [line for line in lines if not line.startswith(("warning:", "hint:", "To "))]
        told = next((line for line in spoken if line.startswith("!")), next(iter(spoken), "no reason"))
        return MirrorError(
            f"git {command} failed: {visible(told)[:_SPOKEN]}",
            item=self.remote.url,
            remedy="Look at the repository and at the rights of who runs this; what is sealed is not touched by it.",
        )

    def ended(self, *args: str, data: Iterable[bytes] = ()) -> tuple[int, bytes, bytes]:
        """Run a command to its end: its exit code, and what it printed on standard output and error."""
        try:
            process = subprocess.Popen(
                [*self._command(), *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
            )
        except FileNotFoundError as e:
            raise DependencyMissingError("git is not installed on the controller", item="git", remedy=_INSTALL) from e
        try:
            printed, said = process.communicate(b"".join(data), timeout=self.remote.timeout)
        except subprocess.TimeoutExpired as e:
            raise MirrorError(
                f"git {args[0]} did not end within {self.remote.timeout:g} seconds",
                item=self.remote.url,
                remedy="See whether the server answers, or raise the timeout.",
            ) from e
        finally:
            # with what it started, such as ssh
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return process.returncode, printed, said

    def receiving(self) -> list[str]:
        """What a push says besides, so that a folder of this machine runs no hook of its own."""
        return [f"--receive-pack={_RECEIVE}"] if self.remote.local else []

    def _command(self) -> list[str]:
        return ["git", *(part for one in self._settings() for part in ("-c", one)), "--git-dir", str(self.folder)]

    def _settings(self) -> list[str]:
        helper = self.remote.credential_helper
        return [*_SETTINGS, *([f"credential.helper={helper}"] if helper else [])]

    def _environment(self) -> dict[str, str]:
        ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        if self.remote.ssh_key:
            ssh += ["-i", self.remote.ssh_key, "-o", "IdentitiesOnly=yes"]
        if self.remote.known_hosts:
            ssh += ["-o", f"UserKnownHostsFile={_quoted(self.remote.known_hosts)}"]
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_SSH_COMMAND": shlex.join(ssh),
            "GIT_SSH_VARIANT": "ssh",
        }


def _quoted(path: str) -> str:
    """A path as ssh_config(5) takes it, where it may hold spaces."""
    return f'"{path}"' if " " in path else path
