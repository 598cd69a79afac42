# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail, given to a real server."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import MailError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import mail
from ansible_collections.holdfast.config.tests.lab.smtp import Mailbox, serving
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.web import Authority

SECRET = "correct horse"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def context_of(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.chain)
    return context


def server(box: Mailbox, security: str, ca_path: Path | None = None, password: str | None = None) -> mail.Server:
    user = "backup" if password else None
    path = None if ca_path is None else str(ca_path)
    return mail.Server("127.0.0.1", "backup@example.org", security, box.port, user, password, path, 60.0)


def trusting(box: Mailbox, authority: Authority) -> mail.Server:
    return server(box, mail.STARTTLS, authority.ca, SECRET)


def connect(given: mail.Server) -> None:
    with mail.connected(given):
        pass


def test_it_goes_encrypted_and_logged_in_and_says_whom_the_server_refused(authority: Authority) -> None:
    asked = Mailbox(login=("backup", SECRET), refused=("gone@example.org",))
    with serving(asked, context_of(authority)) as box, mail.connected(trusting(box, authority)) as mailer:
        refused = mailer.send(["a@example.org", "gone@example.org"], "Backups of Bücher", "one\n.\ntwo ü\n")
    assert refused == ("gone@example.org",)
    (message,) = box.messages
    assert (message["Subject"], message["Auto-Submitted"]) == ("Backups of Bücher", "auto-generated")
    assert box.recipients == [("a@example.org",)]
    assert box.encrypted == [True]
    assert "ü" in message.get_content()


def test_nothing_is_sent_to_a_server_that_is_not_trusted_or_encrypts_nothing(authority: Authority) -> None:
    with serving(Mailbox(), context_of(authority)) as box, pytest.raises(MailError, match="certificate is not trusted"):
        connect(server(box, mail.STARTTLS, None, SECRET))
    with serving(Mailbox()) as plain, pytest.raises(MailError, match="offers neither"):
        connect(trusting(plain, authority))
    assert "AUTH" not in box.commands + plain.commands


def test_a_wrong_password_is_told_by_the_servers_code_alone(authority: Authority) -> None:
    asked = Mailbox(login=("backup", "another"))
    with serving(asked, context_of(authority)) as box, pytest.raises(MailError, match="code 535") as caught:
        connect(trusting(box, authority))
    assert SECRET not in f"{caught.value!r} {caught.value} {trusting(box, authority)!r}"


def test_a_server_that_refuses_every_address_has_taken_nothing() -> None:
    with serving(Mailbox(refused=("a@example.org",))) as box:
        given = server(box, mail.NONE)
        with mail.connected(given) as mailer, pytest.raises(MailError, match="every address"):
            mailer.send(["a@example.org"], "subject", "text\n")
    assert box.messages == []
