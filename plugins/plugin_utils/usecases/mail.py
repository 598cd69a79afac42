# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail by SMTP (RFC 5321), encrypted unless the task says otherwise."""

from __future__ import annotations

import contextlib
import dataclasses
import email.message
import email.policy
import email.utils
import smtplib
import ssl
from collections.abc import Iterator, Sequence

from ..errors import MailError

STARTTLS, TLS, NONE = "starttls", "tls", "none"
SECURITY = (STARTTLS, TLS, NONE)
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}


@dataclasses.dataclass(frozen=True)
class Server:
    """Where mail is given, and as whom. ``timeout`` is in seconds, for each step of the talk."""

    host: str
    sender: str
    security: str = STARTTLS
    port: int | None = None
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    ca_path: str | None = None
    timeout: float = 30.0


class Mailer:
    """One talk with a server, over which any number of messages goes."""

    def __init__(self, talk: smtplib.SMTP, server: Server) -> None:
        self._talk = talk
        self._server = server

    def send(self, to: Sequence[str], subject: str, text: str) -> tuple[str, ...]:
        """Give one message to the server; returns the addresses that it refused.

        :raises MailError: it took the message for none of them.
        """
        message = email.message.EmailMessage(policy=email.policy.SMTP)
        message["From"], message["To"], message["Subject"] = self._server.sender, ", ".join(to), subject
        message["Date"] = email.utils.localtime()
        message["Message-ID"] = email.utils.make_msgid(domain=self._server.sender.rpartition("@")[2])
        # nobody's holiday notice answers it (RFC 3834)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        with _understood(self._server):
            return tuple(sorted(self._talk.send_message(message, self._server.sender, list(to))))


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Mailer]:
    """A talk with *server* until the block ends.

    :raises MailError: it was not reached, shows no certificate that is trusted, or refuses the password.
    """
    port = server.port or PORTS[server.security]
    with contextlib.ExitStack() as stack:
        with _understood(server):
            if server.security == TLS:
                talk: smtplib.SMTP = smtplib.SMTP_SSL(
                    server.host, port, timeout=server.timeout, context=_context(server)
                )
            else:
                talk = smtplib.SMTP(server.host, port, timeout=server.timeout)
            stack.callback(_leave, talk)
            if server.security == STARTTLS:
                talk.starttls(context=_context(server))
            if server.username and server.password:
                talk.login(server.username, server.password)
        yield Mailer(talk, server)


def _context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_path)


def _leave(talk: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        talk.quit()
    talk.close()


@contextlib.contextmanager
def _understood(server: Server) -> Iterator[None]:
    """Errors of the library as MailError: with the server's code, and without its words."""
    try:
        yield
    except smtplib.SMTPNotSupportedError as e:
        raise MailError(
            "the mail server offers neither what encrypts the talk nor a way to log in",
            host=server.host,
            remedy="Set security to tls where it wants TLS from the start.",
        ) from e
    except smtplib.SMTPRecipientsRefused as e:
        raise MailError("the mail server refuses every address", host=server.host, remedy="Correct them.") from e
    except smtplib.SMTPResponseException as e:
        remedy = "Look into its log; correct username, password or from."
        raise MailError(f"the mail server refuses with code {e.smtp_code}", host=server.host, remedy=remedy) from e
    except (OSError, smtplib.SMTPException) as e:
        why = "its certificate is not trusted" if isinstance(e, ssl.SSLCertVerificationError) else type(e).__name__
        remedy = "Correct host, port, security or ca_path."
        raise MailError(f"the mail server was not reached: {why}", host=server.host, remedy=remedy) from e
